//! Hooks for the `-d` log words: what to report (one atomic mask) and to whom.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use tcg_ir::Block;

/// What the engine reports. Names as the `-d` words.
pub mod log_mask {
    /// Guest code of each new block.
    pub const IN_ASM: u32 = 1;
    /// IR of each new block.
    pub const OP: u32 = 1 << 1;
    /// Host code of each new block.
    pub const OUT_ASM: u32 = 1 << 2;
    /// Each block as it is entered. Blocks are not linked while this is on.
    pub const EXEC: u32 = 1 << 3;
    /// Traps, faults and interrupts.
    pub const INT: u32 = 1 << 4;
    /// Guest registers at each block entry (implies `EXEC`).
    pub const CPU: u32 = 1 << 5;
    /// Blocks are not linked (so that `EXEC` set later sees all).
    pub const NOCHAIN: u32 = 1 << 6;
}

/// Receives reports. Called by the thread concerned, never in a signal handler, with no lock held.
pub trait Observer: Send + Sync {
    /// A block was translated. `bytes` is its guest code as far as it is contiguous from its address, `code` the host code
    /// (empty for the interpreter).
    fn translated(&self, isa: &dyn tcg_target::Isa, block: &Block, bytes: &[u8], code: &[u8]);

    /// A block is entered (`EXEC`, `CPU`).
    fn entered(&self, isa: &dyn tcg_target::Isa, pc: u64, mode: u32, state: &[u8]);

    /// The virtual CPU returns to its front end (`INT`).
    fn left(&self, isa: &dyn tcg_target::Isa, pc: u64, mode: u32, exit: &crate::Exit);
}

/// The engine's part: mask and receiver.
#[derive(Default)]
pub(crate) struct Hooks {
    mask: AtomicU32,
    observer: OnceLock<Box<dyn Observer>>,
}

impl Hooks {
    /// The receiver, if any of the wanted reports is on.
    pub(crate) fn on(&self, wanted: u32) -> Option<&dyn Observer> {
        if self.mask.load(Ordering::Relaxed) & wanted == 0 {
            return None;
        }
        self.observer.get().map(|o| &**o)
    }

    /// Whether any of these bits is set.
    pub(crate) fn has(&self, bits: u32) -> bool {
        self.mask.load(Ordering::Relaxed) & bits != 0
    }

    pub(crate) fn set_mask(&self, mask: u32) {
        self.mask.store(mask, Ordering::Relaxed);
    }

    pub(crate) fn set_observer(&self, observer: Box<dyn Observer>) -> bool {
        self.observer.set(observer).is_ok()
    }
}
