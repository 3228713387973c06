//! A translated block and the page index that finds the blocks of a guest page.

use crate::codebuf::RunCounter;
use crate::kept::LinkRows;
use crate::lock::Lock;
use smallvec::SmallVec;
use std::borrow::Cow;
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
    /// System mode: host address of the page that the guest code is in. Otherwise 0.
    pub phys: u64,
    /// System mode: first and last but one byte of that page that the translation depends on.
    pub bytes: (u16, u16),
    /// Host address of the code; 0 if there is none (interpreter).
    pub entry: usize,
    /// Bytes of code.
    pub code_len: usize,
    /// Location maps of the code; those of kept translations stay in their image.
    pub maps: Cow<'static, [u8]>,
    /// Arithmetic that may be stopped at an inexact result.
    pub fp_sites: Box<[tcg_x64::FpSite]>,
    /// Direct links of the code.
    pub links: Links,
    /// The code goes round inside, and leaves when the interrupt flag is set.
    pub loops: bool,
    /// The IR, for the interpreter.
    pub ir: Option<Box<Block>>,
    /// Cleared when the guest code may have changed.
    valid: AtomicBool,
    /// Pages whose bytes the translation depends on.
    pub pages: Pages,
    /// Guest code that is compared at entry because its page is not protected.
    pub verify: Box<[Piece]>,
    /// Entries of older, invalid translations that jump here. Used under the engine's lock.
    pub forwarders: Lock<Vec<usize>>,
    /// Offset of the compiled code in the block: behind that comparison, or a count of runs.
    pub body: usize,
    /// Of a brief translation: how many runs are left until a full one takes its place. Its code counts them at entry.
    pub runs_left: Option<RunCounter>,
}

/// The direct links of a block, in order of their stubs. Those of kept translations stay in their image.
pub(crate) enum Links {
    Made(Box<[DirectLink]>),
    Kept(LinkRows<'static>),
}

impl Links {
    fn len(&self) -> usize {
        match self {
            Links::Made(all) => all.len(),
            Links::Kept(rows) => rows.len(),
        }
    }

    fn get(&self, k: usize) -> Option<DirectLink> {
        match self {
            Links::Made(all) => all.get(k).copied(),
            Links::Kept(rows) => rows.get(k),
        }
    }

    /// The link with this stub.
    fn find(&self, stub: usize) -> Option<DirectLink> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let link = self.get(middle)?;
            match (link.stub as usize).cmp(&stub) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Some(link),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }
}

/// Numbers of pages. Few blocks have more than two.
pub(crate) type Pages = SmallVec<[u64; 2]>;

/// A direct link: where it leads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DirectLink {
    /// Offset behind the call in its stub; the links are in order of it.
    pub stub: u32,
    /// Offset of the rel32 field to patch.
    pub site: u32,
    /// The target.
    pub pc: u64,
    /// Its mode.
    pub mode: u32,
}

/// Guest code as it was read.
pub(crate) struct Piece {
    /// Where it is.
    pub va: u64,
    /// What it was.
    pub bytes: Vec<u8>,
}

impl TransBlock {
    /// A block without code.
    pub(crate) fn bare(pc: u64, mode: u32) -> TransBlock {
        TransBlock {
            pc,
            mode,
            phys: 0,
            bytes: (0, 0),
            entry: 0,
            code_len: 0,
            maps: Cow::Borrowed(&[]),
            fp_sites: Box::default(),
            links: Links::Made(Box::default()),
            loops: false,
            ir: None,
            valid: AtomicBool::new(true),
            pages: Pages::new(),
            verify: Box::default(),
            forwarders: Lock::new(Vec::new()),
            body: 0,
            runs_left: None,
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

    /// Whether this is a brief translation.
    pub(crate) fn is_brief(&self) -> bool {
        self.runs_left.is_some()
    }

    /// The direct link whose stub called from before `host`.
    pub(crate) fn link_of(&self, host: usize) -> Option<DirectLink> {
        self.links.find(host.wrapping_sub(self.entry + self.body))
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
    /// Writes that hit the page while it was protected.
    pub faults: u32,
    /// System mode: writes to it are noticed.
    pub marked: bool,
}

/// After so many writes a page is not protected any more; its blocks are verified at entry instead.
const MAX_FAULTS: u32 = 8;

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
        self.each(first, last, |page| out.append(&mut page.blocks));
        out
    }

    /// Takes one block out of a page.
    pub(crate) fn remove(&mut self, block: &TransBlock, page: u64) {
        if let Some(p) = self.pages.get_mut(&page) {
            p.blocks.retain(|b| !std::ptr::eq(*b, block));
        }
    }

    /// Counts a write to a protected page.
    pub(crate) fn note_fault(&mut self, page: u64) {
        if let Some(p) = self.pages.get_mut(&page) {
            p.faults = p.faults.saturating_add(1);
        }
    }

    /// Whether the blocks of a page are verified at entry.
    pub(crate) fn is_verified(&self, page: u64) -> bool {
        self.pages
            .get(&page)
            .is_some_and(|p| p.faults >= MAX_FAULTS)
    }

    /// Another mapping takes the place of these pages: protection gets a new chance.
    pub(crate) fn forget_faults(&mut self, first: u64, last: u64) {
        self.each(first, last, |page| page.faults = 0);
    }

    /// Marks a page; whether it was not.
    pub(crate) fn mark(&mut self, page: u64) -> bool {
        let p = self.pages.entry(page).or_default();
        !std::mem::replace(&mut p.marked, true)
    }

    /// Whether a page is marked.
    pub(crate) fn is_marked(&self, page: u64) -> bool {
        self.pages.get(&page).is_some_and(|p| p.marked)
    }

    /// Takes out the blocks of one page that `which` picks; if none is left, the page is not marked any more.
    pub(crate) fn take_some(
        &mut self,
        page: u64,
        which: impl Fn(*mut TransBlock) -> bool,
    ) -> Vec<*mut TransBlock> {
        let Some(p) = self.pages.get_mut(&page) else {
            return Vec::new();
        };
        let out: Vec<_> = p.blocks.extract_if(.., |b| which(*b)).collect();
        p.marked &= !p.blocks.is_empty();
        out
    }

    fn each(&mut self, first: u64, last: u64, mut f: impl FnMut(&mut Page)) {
        if last - first < self.pages.len() as u64 {
            for p in first..=last {
                if let Some(page) = self.pages.get_mut(&p) {
                    f(page);
                }
            }
        } else {
            let all = self.pages.iter_mut();
            for (_, page) in all.filter(|(p, _)| (first..=last).contains(*p)) {
                f(page);
            }
        }
    }

    /// Forgets all blocks, keeps the fault counts.
    pub(crate) fn reset(&mut self) {
        self.pages.retain(|_, p| {
            p.blocks.clear();
            p.marked = false;
            p.faults != 0
        });
    }
}
