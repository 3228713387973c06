//! The 64-bit Arm architecture: A64.

pub mod decode;
pub mod disasm;
pub mod features;
pub mod gdb;
pub mod helper;
pub mod isa;
pub mod state;
pub mod sysreg;
mod translate;
pub mod trap;

pub use features::{CpuModel, MODELS};
pub use isa::Aarch64;
pub use state::{A64State, Mode};
