//! One byte for each guest page, readable from signal handlers without locks.
//!
//! Two levels: the upper has a word for each 128 MiB of addresses, which is either the value of all its pages or the
//! place of a leaf with one byte each. So a reservation of terabytes costs a few words, and a lookup two loads.
//! Everything that changes the table holds the map's lock (see `space.rs`). A leaf is never freed: a reader may be
//! anywhere in it, and its bytes stay right when the span becomes uniform again.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use tcg_mem::PAGE;

pub(crate) const READ: u8 = 1;
pub(crate) const WRITE: u8 = 2;
pub(crate) const EXEC: u8 = 4;
/// Something is mapped (perhaps without any access).
pub(crate) const MAPPED: u8 = 8;
/// Translations of this page may exist, so the host page is not writable.
pub(crate) const CODE: u8 = 16;

/// log2 of the pages of a leaf.
const LEAF_BITS: u32 = 15;
const LEAF_PAGES: u64 = 1 << LEAF_BITS;
/// Bytes of addresses that a leaf covers.
const SPAN: u64 = LEAF_PAGES * PAGE;

type Leaf = Box<[AtomicU8]>;

/// A span: the flags of all its pages while there is no leaf, and the leaf.
#[derive(Default)]
struct Span {
    uniform: AtomicU8,
    leaf: OnceLock<Leaf>,
}

/// log2 of the spans of a group; groups are made when something is first mapped in them.
const GROUP_BITS: u32 = 10;
const GROUP_SPANS: u64 = 1 << GROUP_BITS;

type Group = Box<[Span]>;

pub(crate) struct PageFlags {
    groups: Box<[OnceLock<Group>]>,
    limit: u64,
    /// Bytes of leaves, for tests and statistics.
    leaves: AtomicUsize,
}

impl Span {
    fn get(&self, page: u64) -> u8 {
        match self.leaf.get() {
            Some(leaf) => leaf
                .get((page % LEAF_PAGES) as usize)
                .map_or(0, |b| b.load(Ordering::Acquire)),
            None => self.uniform.load(Ordering::Acquire),
        }
    }
}

impl PageFlags {
    pub(crate) fn new(limit: u64) -> PageFlags {
        let groups = limit.div_ceil(SPAN * GROUP_SPANS);
        PageFlags {
            groups: (0..groups).map(|_| OnceLock::new()).collect(),
            limit,
            leaves: AtomicUsize::new(0),
        }
    }

    fn span(&self, va: u64) -> Option<&Span> {
        let index = va / SPAN;
        let group = self.groups.get((index >> GROUP_BITS) as usize)?.get()?;
        group.get((index % GROUP_SPANS) as usize)
    }

    fn span_or_new(&self, va: u64) -> Option<&Span> {
        let index = va / SPAN;
        let group = self
            .groups
            .get((index >> GROUP_BITS) as usize)?
            .get_or_init(|| {
                let spans = self.limit.div_ceil(SPAN).min(GROUP_SPANS);
                (0..spans).map(|_| Span::default()).collect()
            });
        group.get((index % GROUP_SPANS) as usize)
    }

    fn leaf<'a>(&self, span: &'a Span) -> &'a Leaf {
        span.leaf.get_or_init(|| {
            self.leaves
                .fetch_add(LEAF_PAGES as usize, Ordering::Relaxed);
            let value = span.uniform.load(Ordering::Relaxed);
            if value == 0 {
                return tcg_mem::lazy_bytes(LEAF_PAGES as usize);
            }
            (0..LEAF_PAGES).map(|_| AtomicU8::new(value)).collect()
        })
    }

    pub(crate) fn get(&self, va: u64) -> u8 {
        self.span(va).map_or(0, |s| s.get(va / PAGE))
    }

    /// Sets and clears bits of one page; gives the old ones. A page with [`CODE`] has a leaf, so clearing that
    /// allocates nothing and may be done in a signal handler.
    pub(crate) fn change(&self, va: u64, set: u8, clear: u8) -> u8 {
        if va >= self.limit {
            return 0;
        }
        let Some(span) = self.span_or_new(va) else {
            return 0;
        };
        let old = span.get(va / PAGE);
        if (old & !clear) | set == old {
            return old;
        }
        let Some(byte) = self.leaf(span).get((va / PAGE % LEAF_PAGES) as usize) else {
            return 0;
        };
        let update = |old: u8| Some((old & !clear) | set);
        byte.fetch_update(Ordering::AcqRel, Ordering::Acquire, update)
            .unwrap_or(0)
    }

    /// The pieces of a range, each within one span: start and end.
    fn pieces(&self, start: u64, end: u64) -> impl Iterator<Item = (u64, u64)> + use<> {
        let end = end.min(self.limit);
        let mut at = start & !(PAGE - 1);
        std::iter::from_fn(move || {
            let from = at;
            at = (from - from % SPAN).saturating_add(SPAN).min(end);
            (from < end).then_some((from, at))
        })
    }

    /// The bytes of a piece, if its span has a leaf.
    fn bytes(span: &Span, from: u64, to: u64) -> Option<&[AtomicU8]> {
        let first = (from / PAGE % LEAF_PAGES) as usize;
        let count = (to - from).div_ceil(PAGE) as usize;
        span.leaf.get()?.get(first..first + count)
    }

    pub(crate) fn fill(&self, start: u64, end: u64, value: u8) {
        self.set_prot(start, end, value, 0);
    }

    /// Gives every page of the range the flags `value`, but for the bits `keep`, which stay as they are.
    pub(crate) fn set_prot(&self, start: u64, end: u64, value: u8, keep: u8) {
        for (from, to) in self.pieces(start, end) {
            let span = match value {
                // What was never mapped is unmapped.
                0 => self.span(from),
                _ => self.span_or_new(from),
            };
            let Some(span) = span else { continue };
            let whole = to - from == SPAN;
            if span.leaf.get().is_none() {
                // Pages with bits to keep have a leaf.
                if whole || span.uniform.load(Ordering::Relaxed) == value {
                    span.uniform.store(value, Ordering::Release);
                    continue;
                }
                self.leaf(span);
            }
            for byte in Self::bytes(span, from, to).unwrap_or_default() {
                let stays = byte.load(Ordering::Relaxed) & keep;
                byte.store(value | stays, Ordering::Release);
            }
        }
    }

    /// Names each page of the range that has any of `bits`, which only pages of leaves have.
    pub(crate) fn each(&self, start: u64, end: u64, bits: u8, mut found: impl FnMut(u64)) {
        for (from, to) in self.pieces(start, end) {
            let bytes = self.span(from).and_then(|s| Self::bytes(s, from, to));
            let pages = (from..).step_by(PAGE as usize);
            for (page, byte) in pages.zip(bytes.unwrap_or_default()) {
                if byte.load(Ordering::Relaxed) & bits != 0 {
                    found(page);
                }
            }
        }
    }

    /// Whether a page of the range has any of `bits`.
    pub(crate) fn any(&self, start: u64, end: u64, bits: u8) -> bool {
        self.pieces(start, end).any(|(from, to)| {
            let Some(span) = self.span(from) else {
                return false;
            };
            match Self::bytes(span, from, to) {
                Some(bytes) => bytes.iter().any(|b| b.load(Ordering::Relaxed) & bits != 0),
                None => span.uniform.load(Ordering::Relaxed) & bits != 0,
            }
        })
    }

    /// Whether every page of the range has all of `bits`.
    pub(crate) fn all(&self, start: u64, end: u64, bits: u8) -> bool {
        self.pieces(start, end).all(|(from, to)| {
            let Some(span) = self.span(from) else {
                return false;
            };
            match Self::bytes(span, from, to) {
                Some(bytes) => bytes
                    .iter()
                    .all(|b| b.load(Ordering::Acquire) & bits == bits),
                None => span.uniform.load(Ordering::Acquire) & bits == bits,
            }
        })
    }

    /// Bytes that the leaves take.
    #[cfg(test)]
    fn leaf_bytes(&self) -> usize {
        self.leaves.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: u64 = (1 << 47) - PAGE;

    #[test]
    fn a_huge_mapping_costs_no_leaf() {
        let f = PageFlags::new(TOP);
        f.fill(0x10_0000_0000, 0x210_0000_0000, MAPPED | READ);
        assert_eq!(f.leaf_bytes(), 0);
        assert_eq!(f.get(0x10_0000_0000), MAPPED | READ);
        assert_eq!(f.get(0x20f_ffff_ffff), MAPPED | READ);
        assert_eq!((f.get(0xf_ffff_ffff), f.get(0x210_0000_0000)), (0, 0));
        assert!(f.all(0x10_0000_0000, 0x210_0000_0000, READ));
        assert!(!f.any(0, TOP, WRITE));
    }

    #[test]
    fn one_page_inside_a_uniform_span_changes_alone() {
        let f = PageFlags::new(TOP);
        f.fill(0, 2 * SPAN, MAPPED | READ | WRITE);
        assert_eq!(f.change(0x5000, CODE, 0), MAPPED | READ | WRITE);
        assert_eq!(f.get(0x5fff), MAPPED | READ | WRITE | CODE);
        assert_eq!(f.get(0x4fff), MAPPED | READ | WRITE);
        assert!(f.any(0x5000, 0x6000, CODE) && !f.any(0x6000, 2 * SPAN, CODE));
        let mut seen = Vec::new();
        f.each(0, 2 * SPAN, CODE, |p| seen.push(p));
        f.set_prot(0, 2 * SPAN, MAPPED | READ, CODE);
        assert_eq!(seen, [0x5000]);
        assert_eq!(f.get(0x5000), MAPPED | READ | CODE);
        f.fill(0, SPAN, 0);
        assert_eq!((f.get(0x5000), f.get(SPAN)), (0, MAPPED | READ));
    }

    #[test]
    fn addresses_beyond_the_limit_are_unmapped() {
        let f = PageFlags::new(0x8000);
        f.fill(0x7000, u64::MAX, MAPPED);
        assert_eq!((f.get(0x7000), f.get(0x8000)), (MAPPED, 0));
        assert_eq!(f.change(0x8000, CODE, 0), 0);
        assert_eq!(f.get(u64::MAX), 0);
        assert!(!f.any(u64::MAX - 1, u64::MAX, MAPPED));
    }
}
