//! Traps: why translated code returned to the front end. The program counter is the instruction's own, but behind
//! it for a system call.

/// SVC; the argument is its immediate.
pub const SVC: u32 = 0;
/// BRK; the argument is its immediate.
pub const BRK: u32 = 1;
/// The instruction is undefined at this level; the argument is its code.
pub const UNDEFINED: u32 = 2;
/// YIELD, WFE or WFI: nothing to do for a while.
pub const WAIT: u32 = 3;
