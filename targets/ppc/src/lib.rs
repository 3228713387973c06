//! The Power ISA: 32 and 64 bits, both byte orders, with floating point, AltiVec and VSX.

pub mod decode;
pub mod disasm;
pub mod features;
pub mod fpscr;
mod gdb;
pub mod helper;
pub mod isa;
pub mod state;
pub mod system;
mod translate;
pub mod trap;

pub use features::{CpuModel, MODELS};
pub use isa::Ppc;
pub use state::{Mode, PpcState};
pub use system::PpcSystem;
