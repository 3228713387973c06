//! Looking inside a running guest: what the engine reports, and the text log of the `-d` words.
//!
//! To come: coverage.
#![forbid(unsafe_code)]

pub mod gdb;
mod hostasm;
pub mod log_mask;
mod text;

pub use text::TextLog;

use std::fmt::Debug;
use tcg_ir::Block;
use tcg_target::Isa;

/// Receives an engine's reports. Called by the thread concerned, never in a signal handler, with no lock held.
pub trait Observer: Send + Sync {
    /// A block was translated. `bytes` is its guest code, `code` the host code (empty for the interpreter).
    fn translated(&self, isa: &dyn Isa, block: &Block, bytes: &[u8], code: &[u8]);

    /// A block is entered.
    fn entered(&self, isa: &dyn Isa, pc: u64, mode: u32, state: &[u8]);

    /// The virtual CPU returns to its front end because of `why`.
    fn left(&self, isa: &dyn Isa, pc: u64, mode: u32, state: &[u8], why: &dyn Debug);
}
