//! The guest's mappings: an ordered map of disjoint page ranges.

use std::collections::BTreeMap;
use std::sync::Arc;
use tcg_mem::PAGE;

/// Protection bits of the guest, PROT_READ | PROT_WRITE | PROT_EXEC as Linux numbers them (1, 2, 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prot(pub u8);

impl Prot {
    /// Nothing allowed.
    pub const NONE: Prot = Prot(0);
    /// Reading.
    pub const R: Prot = Prot(1);
    /// Reading and writing.
    pub const RW: Prot = Prot(3);
    /// Reading and executing.
    pub const RX: Prot = Prot(5);

    /// Whether writes are allowed.
    pub fn writable(self) -> bool {
        self.0 & 2 != 0
    }
}

/// The file behind a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backing {
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Offset in the file of the first byte of the mapping.
    pub offset: u64,
    /// Path as the guest is told.
    pub name: Arc<str>,
}

/// One mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vma {
    /// First address behind it.
    pub end: u64,
    /// What the guest may do.
    pub prot: Prot,
    /// MAP_SHARED.
    pub shared: bool,
    /// The file, if any.
    pub file: Option<Backing>,
    /// A bracketed name such as `[stack]`.
    pub label: Option<&'static str>,
    /// Left out of a forked child (MADV_DONTFORK).
    pub dontfork: bool,
    /// It grows down to where it is accessed (MAP_GROWSDOWN).
    pub grows: bool,
    /// It can neither be changed nor removed (mseal).
    pub sealed: bool,
}

impl Vma {
    /// The same mapping seen from `delta` bytes later.
    fn advanced(&self, delta: u64) -> Vma {
        let mut v = self.clone();
        if let Some(f) = &mut v.file {
            f.offset = f.offset.wrapping_add(delta);
        }
        v
    }

    fn continues_into(&self, start: u64, next: &Vma, at: u64) -> bool {
        self.end == at
            && self.advanced(at - start).file == next.file
            && Vma {
                end: next.end,
                file: None,
                ..self.clone()
            } == Vma {
                file: None,
                ..next.clone()
            }
    }
}

/// All mappings.
#[derive(Default)]
pub(crate) struct VmaMap {
    map: BTreeMap<u64, Vma>,
    /// Sum of the lengths.
    pub(crate) total: u64,
}

impl VmaMap {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Vma)> {
        self.map.iter().map(|(s, v)| (*s, v))
    }

    /// The mapping that contains `va`.
    pub(crate) fn find(&self, va: u64) -> Option<(u64, &Vma)> {
        let (s, v) = self.map.range(..=va).next_back()?;
        (va < v.end).then_some((*s, v))
    }

    /// The first mapping behind `va`.
    pub(crate) fn above(&self, va: u64) -> Option<(u64, &Vma)> {
        self.map.range(va..).next().map(|(s, v)| (*s, v))
    }

    /// The last mapping that begins below `va`.
    pub(crate) fn below(&self, va: u64) -> Option<(u64, &Vma)> {
        self.map.range(..va).next_back().map(|(s, v)| (*s, v))
    }

    /// Mappings that touch the range, in order, each with its part of the range.
    pub(crate) fn parts(&self, start: u64, end: u64) -> Vec<(u64, u64, Vma)> {
        let first = self.find(start).map_or(start, |(s, _)| s);
        let hits = self.map.range(first..end).filter(|(_, v)| v.end > start);
        hits.map(|(s, v)| {
            let from = (*s).max(start);
            (from, v.end.min(end), v.advanced(from - *s))
        })
        .collect()
    }

    /// The mapped pieces of the range, adjoining ones joined.
    pub(crate) fn runs(&self, start: u64, end: u64) -> Vec<(u64, u64)> {
        let first = self.find(start).map_or(start, |(s, _)| s);
        let mut out: Vec<(u64, u64)> = Vec::new();
        for (s, v) in self.map.range(first..end) {
            let (from, to) = ((*s).max(start), v.end.min(end));
            match out.last_mut() {
                Some(last) if last.1 == from => last.1 = to,
                _ if from < to => out.push((from, to)),
                _ => {}
            }
        }
        out
    }

    /// The pieces of the range where nothing is mapped.
    pub(crate) fn gaps(&self, start: u64, end: u64) -> Vec<(u64, u64)> {
        let mut out = Vec::new();
        let mut at = start;
        for (from, to) in self.runs(start, end).into_iter().chain([(end, end)]) {
            if at < from {
                out.push((at, from));
            }
            at = to;
        }
        out
    }

    pub(crate) fn is_free(&self, start: u64, end: u64) -> bool {
        match self.map.range(..end).next_back() {
            Some((_, v)) => v.end <= start,
            None => true,
        }
    }

    /// Whether every byte of the range is mapped.
    pub(crate) fn is_covered(&self, start: u64, end: u64) -> bool {
        let mut at = start;
        while at < end {
            match self.find(at) {
                Some((_, v)) => at = v.end,
                None => return false,
            }
        }
        true
    }

    fn split_at(&mut self, at: u64) {
        let Some((start, v)) = self.find(at).map(|(s, v)| (s, v.clone())) else {
            return;
        };
        if start < at {
            let tail = v.advanced(at - start);
            if let Some(head) = self.map.get_mut(&start) {
                head.end = at;
            }
            self.map.insert(at, tail);
        }
    }

    /// Removes the range from the map.
    pub(crate) fn remove(&mut self, start: u64, end: u64) {
        self.split_at(start);
        self.split_at(end);
        let keys: Vec<u64> = self.map.range(start..end).map(|(s, _)| *s).collect();
        for key in keys {
            if let Some(v) = self.map.remove(&key) {
                self.total -= v.end - key;
            }
        }
    }

    /// Puts a mapping at `start`, in place of whatever was there.
    pub(crate) fn insert(&mut self, start: u64, vma: Vma) {
        self.remove(start, vma.end);
        self.total += vma.end - start;
        let end = vma.end;
        self.map.insert(start, vma);
        self.merge_at(end);
        self.merge_at(start);
    }

    fn merge_at(&mut self, at: u64) {
        let Some(next) = self.map.get(&at).cloned() else {
            return;
        };
        let Some((&start, prev)) = self.map.range(..at).next_back() else {
            return;
        };
        if prev.continues_into(start, &next, at) {
            self.map.remove(&at);
            if let Some(p) = self.map.get_mut(&start) {
                p.end = next.end;
            }
        }
    }

    /// Changes every mapping of the range.
    pub(crate) fn update(&mut self, start: u64, end: u64, change: impl Fn(&mut Vma)) {
        self.split_at(start);
        self.split_at(end);
        let keys: Vec<u64> = self.map.range(start..end).map(|(s, _)| *s).collect();
        for key in &keys {
            if let Some(v) = self.map.get_mut(key) {
                change(v);
            }
        }
        for key in keys {
            self.merge_at(key);
        }
        self.merge_at(end);
    }

    /// The highest free range of `len` bytes below `top` and at or above `low`, aligned down.
    pub(crate) fn gap_below(&self, low: u64, top: u64, len: u64, align: u64) -> Option<u64> {
        let mut ceiling = top;
        for (start, v) in self.map.range(..top).rev() {
            if v.end < ceiling
                && let Some(at) = fit_below(v.end.max(low), ceiling, len, align)
            {
                return Some(at);
            }
            ceiling = ceiling.min(*start);
            if ceiling <= low {
                return None;
            }
        }
        fit_below(low, ceiling, len, align)
    }

    /// The lowest free range of `len` bytes from `low` on, ending at or below `top`.
    pub(crate) fn gap_above(&self, low: u64, top: u64, len: u64, align: u64) -> Option<u64> {
        let mut floor = self.find(low).map_or(low, |(_, v)| v.end);
        loop {
            let at = floor.checked_next_multiple_of(align.max(PAGE))?;
            let end = at.checked_add(len).filter(|e| *e <= top)?;
            match self.parts(at, end).last() {
                None => return Some(at),
                Some((_, part_end, _)) => {
                    floor = self.find(part_end - 1).map_or(*part_end, |(_, v)| v.end)
                }
            }
        }
    }
}

fn fit_below(floor: u64, ceiling: u64, len: u64, align: u64) -> Option<u64> {
    let at = ceiling.checked_sub(len)?;
    let at = at - at % align.max(PAGE);
    (at >= floor).then_some(at)
}

impl Vma {
    pub(crate) fn anonymous(end: u64, prot: Prot, shared: bool) -> Vma {
        Vma {
            end,
            prot,
            shared,
            file: None,
            label: None,
            dontfork: false,
            grows: false,
            sealed: false,
        }
    }
}
