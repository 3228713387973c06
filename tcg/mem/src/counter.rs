//! A counter of executed instructions, shared by a virtual CPU, its generated code and whoever derives time from it.

use std::sync::atomic::{AtomicU64, Ordering};

/// See the head of the file. Generated code knows the layout.
#[repr(C)]
#[derive(Debug)]
pub struct InsnCounter {
    /// Executed before the current block.
    pub before: AtomicU64,
    /// The CPU comes back at this number: no block begins that would go beyond it. At most [`InsnCounter::NEVER`].
    pub limit: AtomicU64,
    /// Those of the current block that have begun, as of when Rust code last looked. Generated code clears it.
    pub begun: AtomicU64,
}

impl InsnCounter {
    /// A limit that is not reached.
    pub const NEVER: u64 = 1 << 62;

    /// Nothing has been executed, and there is no limit.
    pub const fn new() -> InsnCounter {
        InsnCounter {
            before: AtomicU64::new(0),
            limit: AtomicU64::new(InsnCounter::NEVER),
            begun: AtomicU64::new(0),
        }
    }

    /// Instructions so far.
    pub fn now(&self) -> u64 {
        let before = self.before.load(Ordering::Relaxed);
        before.wrapping_add(self.begun.load(Ordering::Relaxed))
    }

    /// Whether there have been as many as may be.
    pub fn is_at_limit(&self) -> bool {
        self.now() >= self.limit.load(Ordering::Relaxed)
    }
}

impl Default for InsnCounter {
    fn default() -> InsnCounter {
        InsnCounter::new()
    }
}
