//! The RISC-V architecture: RV32 and RV64, unprivileged, without vectors.

pub mod decode;
pub mod disasm;
pub mod features;
mod gdb;
pub mod helper;
pub mod isa;
pub mod state;
mod translate;
pub mod trap;

pub use features::{Cpu, MODELS};
pub use isa::Riscv;
pub use state::{Mode, RiscvState};
