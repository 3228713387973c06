//! The engine's side of tcg-debug's reports: one atomic mask, one receiver.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use tcg_debug::Observer;

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
