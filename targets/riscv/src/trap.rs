//! The traps that translated RISC-V code raises for its front end (`ExitKind::Trap`): code and argument.

/// ECALL; the program counter is behind the instruction.
pub const ECALL: u32 = 1;
/// Illegal instruction: the argument is the opcode; the program counter is at the instruction.
pub const ILLEGAL: u32 = 2;
/// An instruction that the CPU has, but that is not implemented here. Argument and program counter as for [`ILLEGAL`].
pub const UNIMPLEMENTED: u32 = 3;
/// EBREAK; the program counter is at the instruction.
pub const EBREAK: u32 = 4;
/// A jump to an address that is not a multiple of 4, on a CPU without compressed instructions: the argument is the
/// address; the program counter is at the instruction.
pub const MISALIGNED: u32 = 5;
/// PAUSE or a wait on the reservation set: a user-mode front end yields the host CPU; the program counter is behind it.
pub const WAIT: u32 = 6;
