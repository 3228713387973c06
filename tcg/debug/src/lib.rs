//! Looking inside a running guest: what the engine reports, and the text log of the `-d` words.
//!
//! To come: coverage.
#![forbid(unsafe_code)]

pub mod gdb;
mod hostasm;
pub mod log_mask;
pub mod perf;
pub mod symbols;
mod text;

pub use text::TextLog;

use std::fmt::Debug;
use tcg_ir::Block;
use tcg_target::Isa;

/// Receives an engine's reports. Called by the thread concerned, never in a signal handler, with no lock held.
pub trait Observer: Send + Sync {
    /// A block was translated. `bytes` is its guest code, `code` the host code (empty for the interpreter), `constants`
    /// what lies behind it.
    fn translated(&self, isa: &dyn Isa, block: &Block, bytes: &[u8], code: &[u8], constants: &[u8]);

    /// A block's host code is in place, at a host address.
    fn published(&self, isa: &dyn Isa, pc: u64, host: usize, code: &[u8]) {
        let _ = (isa, pc, host, code);
    }

    /// A block is entered.
    fn entered(&self, isa: &dyn Isa, pc: u64, mode: u32, state: &[u8]);

    /// The virtual CPU returns to its front end because of `why`.
    fn left(&self, isa: &dyn Isa, pc: u64, mode: u32, state: &[u8], why: &dyn Debug);

    /// This is the child of a fork.
    fn forked_child(&self) {}
}

/// Several receivers.
pub struct Several(pub Vec<Box<dyn Observer>>);

impl Observer for Several {
    fn translated(
        &self,
        isa: &dyn Isa,
        block: &Block,
        bytes: &[u8],
        code: &[u8],
        constants: &[u8],
    ) {
        self.0
            .iter()
            .for_each(|o| o.translated(isa, block, bytes, code, constants));
    }

    fn published(&self, isa: &dyn Isa, pc: u64, host: usize, code: &[u8]) {
        self.0.iter().for_each(|o| o.published(isa, pc, host, code));
    }

    fn entered(&self, isa: &dyn Isa, pc: u64, mode: u32, state: &[u8]) {
        self.0.iter().for_each(|o| o.entered(isa, pc, mode, state));
    }

    fn left(&self, isa: &dyn Isa, pc: u64, mode: u32, state: &[u8], why: &dyn Debug) {
        self.0
            .iter()
            .for_each(|o| o.left(isa, pc, mode, state, why));
    }

    fn forked_child(&self) {
        self.0.iter().for_each(|o| o.forked_child());
    }
}
