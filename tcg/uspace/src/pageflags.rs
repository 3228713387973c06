//! One byte for each guest page, readable from signal handlers without locks.
//!
//! The table is zero-filled lazily by the host (1 MiB of addresses for a 32-bit guest, touched as needed).

use std::sync::atomic::{AtomicU8, Ordering};
use tcg_mem::PAGE;

pub(crate) const READ: u8 = 1;
pub(crate) const WRITE: u8 = 2;
pub(crate) const EXEC: u8 = 4;
/// Something is mapped (perhaps without any access).
pub(crate) const MAPPED: u8 = 8;
/// Translations of this page may exist, so the host page is not writable.
pub(crate) const CODE: u8 = 16;

pub(crate) struct PageFlags {
    pages: Box<[AtomicU8]>,
}

impl PageFlags {
    pub(crate) fn new(limit: u64) -> PageFlags {
        PageFlags {
            pages: tcg_mem::lazy_bytes((limit / PAGE) as usize),
        }
    }

    pub(crate) fn get(&self, va: u64) -> u8 {
        self.pages
            .get((va / PAGE) as usize)
            .map_or(0, |b| b.load(Ordering::Acquire))
    }

    /// Sets and clears bits of one page; gives the old ones.
    pub(crate) fn change(&self, va: u64, set: u8, clear: u8) -> u8 {
        let Some(byte) = self.pages.get((va / PAGE) as usize) else {
            return 0;
        };
        let update = |old: u8| Some((old & !clear) | set);
        byte.fetch_update(Ordering::AcqRel, Ordering::Acquire, update)
            .unwrap_or(0)
    }

    /// The pages from `start` to `end`, as a slice.
    pub(crate) fn range(&self, start: u64, end: u64) -> &[AtomicU8] {
        let len = self.pages.len();
        let from = ((start / PAGE) as usize).min(len);
        let to = (end.div_ceil(PAGE) as usize).clamp(from, len);
        self.pages.get(from..to).unwrap_or(&[])
    }

    pub(crate) fn fill(&self, start: u64, end: u64, value: u8) {
        for byte in self.range(start, end) {
            byte.store(value, Ordering::Release);
        }
    }

    /// Whether a page of the range has any of `bits`.
    pub(crate) fn any(&self, start: u64, end: u64, bits: u8) -> bool {
        self.range(start, end)
            .iter()
            .any(|b| b.load(Ordering::Relaxed) & bits != 0)
    }
}
