//! A translated block and the page index that finds the blocks of a guest page.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use tcg_ir::Block;

/// log2 of the size of a page, the unit of protection and invalidation.
pub(crate) const PAGE_BITS: u32 = 12;

/// A translation. Lives until the next flush, also when invalid: code may still jump to its entry.
pub(crate) struct TransBlock {
    /// Guest address, with the ISA's tag bits.
    pub pc: u64,
    /// Block mode.
    pub mode: u32,
    /// Host address of the code; 0 if there is none (interpreter).
    pub entry: usize,
    /// Bytes of code.
    pub code_len: usize,
    /// Location maps of the code.
    pub maps: Box<[u8]>,
    /// The IR, for the interpreter.
    pub ir: Option<Box<Block>>,
    /// Cleared when the guest code may have changed.
    valid: AtomicBool,
    /// Pages whose bytes the translation depends on.
    pub pages: Box<[u64]>,
}

impl TransBlock {
    /// A block without code.
    pub(crate) fn bare(pc: u64, mode: u32) -> TransBlock {
        TransBlock {
            pc,
            mode,
            entry: 0,
            code_len: 0,
            maps: Box::default(),
            ir: None,
            valid: AtomicBool::new(true),
            pages: Box::default(),
        }
    }

    /// Whether the translation still is that of the guest code.
    pub(crate) fn is_valid(&self) -> bool {
        self.valid.load(Ordering::Acquire)
    }

    /// Marks it as out of date; whether it was valid.
    pub(crate) fn invalidate(&self) -> bool {
        self.valid.swap(false, Ordering::AcqRel)
    }

    /// Whether a host address is inside the code.
    pub(crate) fn contains(&self, host: usize) -> bool {
        host.wrapping_sub(self.entry) < self.code_len
    }
}

/// Multiplicative hash of page numbers: keys are not chosen by an attacker of the host.
#[derive(Default)]
pub(crate) struct PageHasher(u64);

impl Hasher for PageHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.write_u64(u64::from(*b));
        }
    }
    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0 ^ n)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(26);
    }
}

/// What is known of a guest page with code.
#[derive(Default)]
pub(crate) struct Page {
    /// Valid blocks that depend on it.
    pub blocks: Vec<*mut TransBlock>,
    /// Writes that hit the page while it was protected. The place to switch the page to verification at
    /// entry (no protection) when this gets large.
    pub faults: u32,
}

/// Blocks by guest page.
#[derive(Default)]
pub(crate) struct PageIndex {
    pages: HashMap<u64, Page, BuildHasherDefault<PageHasher>>,
}

impl PageIndex {
    /// Enters a block in all its pages.
    pub(crate) fn insert(&mut self, block: *mut TransBlock, pages: &[u64]) {
        for p in pages {
            self.pages.entry(*p).or_default().blocks.push(block);
        }
    }

    /// Takes out the blocks of the pages `first..=last`. A block may come twice.
    pub(crate) fn take(&mut self, first: u64, last: u64) -> Vec<*mut TransBlock> {
        let mut out = Vec::new();
        if last - first < self.pages.len() as u64 {
            for p in first..=last {
                if let Some(page) = self.pages.get_mut(&p) {
                    out.append(&mut page.blocks);
                }
            }
        } else {
            for (_, page) in self
                .pages
                .iter_mut()
                .filter(|(p, _)| (first..=last).contains(*p))
            {
                out.append(&mut page.blocks);
            }
        }
        out
    }

    /// Takes one block out of a page.
    pub(crate) fn remove(&mut self, block: *mut TransBlock, page: u64) {
        if let Some(p) = self.pages.get_mut(&page) {
            p.blocks.retain(|b| *b != block);
        }
    }

    /// Counts a write to a protected page.
    pub(crate) fn note_fault(&mut self, page: u64) {
        if let Some(p) = self.pages.get_mut(&page) {
            p.faults = p.faults.saturating_add(1);
        }
    }

    /// Forgets all blocks, keeps the fault counts.
    pub(crate) fn reset(&mut self) {
        self.pages.retain(|_, p| {
            p.blocks.clear();
            p.faults != 0
        });
    }
}
