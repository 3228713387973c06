//! The traps that translated Arm code raises for its front end (`ExitKind::Trap`): code and argument.

/// SVC: the argument is the immediate; the program counter is behind the instruction.
pub const SVC: u32 = 1;
/// Undefined instruction: the argument is the opcode (T32: first halfword in the upper half; a 16-bit opcode
/// as it is); the program counter is at the instruction.
pub const UNDEFINED: u32 = 2;
/// An instruction that the architecture defines and the CPU model has, but that is not implemented here.
/// Argument and program counter as for [`UNDEFINED`].
pub const UNIMPLEMENTED: u32 = 3;
/// BKPT: the argument is the immediate; the program counter is at the instruction.
pub const BKPT: u32 = 4;
/// HLT: the argument is the immediate; the program counter is at the instruction.
pub const HLT: u32 = 5;
/// WFI or WFE: a user-mode front end yields the host CPU or goes on; the program counter is behind it.
pub const WAIT: u32 = 6;
