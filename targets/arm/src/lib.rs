//! The 32-bit Arm architecture: A32, T32, VFP, Advanced SIMD.

pub mod decode;
pub mod disasm;
mod disasm_simd;
pub mod features;
mod gdb;
pub mod helper;
pub mod isa;
pub mod state;
mod translate;
pub mod trap;

pub use features::{CpuModel, MODELS};
pub use isa::Arm;
pub use state::{ArmState, Mode};
