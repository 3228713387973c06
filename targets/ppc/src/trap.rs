//! The traps that translated code raises for its front end (`ExitKind::Trap`): code and argument. The program
//! counter is at the instruction unless said otherwise.

/// `sc`: the argument is the level; the program counter is behind the instruction.
pub const SC: u32 = 1;
/// `scv`: the argument is the level; the program counter is behind the instruction.
pub const SCV: u32 = 2;
/// Illegal instruction: the argument is the opcode.
pub const ILLEGAL: u32 = 3;
/// An instruction that the architecture defines and the CPU model has, but that is not implemented here.
pub const UNIMPLEMENTED: u32 = 4;
/// Privileged instruction in problem state: the argument is the opcode.
pub const PRIVILEGED: u32 = 5;
/// A trap instruction whose condition holds.
pub const TRAP: u32 = 6;
/// The floating-point unit is off.
pub const FP_UNAVAILABLE: u32 = 7;
/// The vector unit is off.
pub const VEC_UNAVAILABLE: u32 = 8;
/// The vector-scalar unit is off.
pub const VSX_UNAVAILABLE: u32 = 9;
/// An enabled floating-point exception: the argument is FPSCR. The program counter is at the instruction.
pub const FP_EXCEPTION: u32 = 10;
/// `wait`: a user-mode front end yields the host CPU or goes on; the program counter is behind it.
pub const WAIT: u32 = 11;
/// A storage access that the hardware refuses for its alignment: the argument is the address.
pub const ALIGNMENT: u32 = 12;
/// SPE is off or not implemented: the argument is the opcode.
pub const SPE_UNAVAILABLE: u32 = 13;
/// System mode: an instruction has been executed while each is to be (`Mode::STEP`). The program counter is at the next one.
pub const STEPPED: u32 = 14;
/// System mode: `tlbivax`; the argument is the address, the program counter behind the instruction.
pub const TLBIVAX: u32 = 15;
/// System mode: a special register that the CPU does not have: the argument is its number, bit 16 set for writes.
pub const BAD_SPR: u32 = 16;
