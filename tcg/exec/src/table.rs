//! The block table: guest address and mode to block. Lookups take no lock; changes happen under the engine's lock.
//!
//! Open addressing with linear probing over block pointers. Growing makes a new array; the old ones stay
//! until the next flush, because readers may still be in them.

use crate::block::TransBlock;
use std::sync::atomic::{AtomicPtr, Ordering};

const EMPTY: *mut TransBlock = std::ptr::null_mut();
/// A removed entry: probing goes on behind it.
const GONE: *mut TransBlock = std::ptr::without_provenance_mut(1);

struct Array {
    slots: Box<[AtomicPtr<TransBlock>]>,
}

impl Array {
    fn new(size: usize) -> *mut Array {
        let slots = (0..size).map(|_| AtomicPtr::new(EMPTY)).collect();
        Box::into_raw(Box::new(Array { slots }))
    }

    fn mask(&self) -> usize {
        self.slots.len() - 1
    }
}

/// What only writers see.
#[derive(Default)]
pub(crate) struct Writer {
    /// Slots that are not empty (removed ones count).
    filled: usize,
    /// Arrays that were outgrown.
    old: Vec<*mut Array>,
}

/// The table.
pub(crate) struct Table {
    array: AtomicPtr<Array>,
}

const FIRST_SIZE: usize = 1024;

fn hash(pc: u64, mode: u32, phys: u64) -> usize {
    let x = (pc ^ u64::from(mode) << 44 ^ phys << 8).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (x >> 29) as usize
}

impl Table {
    pub(crate) fn new() -> Table {
        Table {
            array: AtomicPtr::new(Array::new(FIRST_SIZE)),
        }
    }

    fn array(&self) -> &Array {
        // SAFETY: arrays are freed only at a flush, when no other thread looks at the table, or on drop.
        unsafe { &*self.array.load(Ordering::Acquire) }
    }

    /// The block of this key (`phys`: see [`TransBlock::phys`]).
    pub(crate) fn get(&self, pc: u64, mode: u32, phys: u64) -> Option<&TransBlock> {
        let a = self.array();
        let mut i = hash(pc, mode, phys) & a.mask();
        loop {
            let p = a.slots[i].load(Ordering::Acquire);
            if p == EMPTY {
                return None;
            }
            if p != GONE {
                // SAFETY: blocks live until the next flush.
                let b = unsafe { &*p };
                if b.pc == pc && b.mode == mode && b.phys == phys {
                    return Some(b);
                }
            }
            i = (i + 1) & a.mask();
        }
    }

    /// Enters a block whose key is not in the table.
    pub(crate) fn insert(&self, w: &mut Writer, block: *mut TransBlock) {
        if (w.filled + 1) * 2 > self.array().slots.len() {
            self.grow(w);
        }
        if Self::put(self.array(), block) {
            w.filled += 1;
        }
    }

    /// Puts a block where a removed one was, or behind the last of its cluster; true if that slot was empty. A reader that
    /// has passed the slot misses the block, and finds it under the engine's lock.
    fn put(a: &Array, block: *mut TransBlock) -> bool {
        // SAFETY: the caller passes a live block.
        let b = unsafe { &*block };
        let mut i = hash(b.pc, b.mode, b.phys) & a.mask();
        loop {
            let there = a.slots[i].load(Ordering::Relaxed);
            if there == EMPTY || there == GONE {
                a.slots[i].store(block, Ordering::Release);
                return there == EMPTY;
            }
            i = (i + 1) & a.mask();
        }
    }

    fn grow(&self, w: &mut Writer) {
        let old = self.array();
        let live = || {
            let all = old.slots.iter().map(|s| s.load(Ordering::Relaxed));
            all.filter(|p| *p != EMPTY && *p != GONE)
        };
        w.filled = live().count();
        let size = ((w.filled + 1) * 4).next_power_of_two().max(FIRST_SIZE);
        let new = Array::new(size);
        for block in live() {
            // SAFETY: just made, not shared yet.
            Self::put(unsafe { &*new }, block);
        }
        w.old.push(self.array.swap(new, Ordering::AcqRel));
    }

    /// Takes a block out.
    pub(crate) fn remove(&self, block: &TransBlock) {
        let a = self.array();
        let mut i = hash(block.pc, block.mode, block.phys) & a.mask();
        loop {
            let p = a.slots[i].load(Ordering::Relaxed);
            if std::ptr::eq(p, block) {
                a.slots[i].store(GONE, Ordering::Release);
                return;
            }
            if p == EMPTY {
                return;
            }
            i = (i + 1) & a.mask();
        }
    }

    /// Empties the table and frees outgrown arrays. Only at a safepoint.
    pub(crate) fn reset(&self, w: &mut Writer) {
        for slot in &self.array().slots {
            slot.store(EMPTY, Ordering::Relaxed);
        }
        w.filled = 0;
        for old in w.old.drain(..) {
            // SAFETY: made by `Array::new`, replaced, and nobody reads it at a safepoint.
            drop(unsafe { Box::from_raw(old) });
        }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: nobody else has the table any more.
        drop(unsafe { Box::from_raw(*self.array.get_mut()) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_keeps_everything_over_growth_and_removal() {
        let t = Table::new();
        let mut w = Writer::default();
        let blocks: Vec<*mut TransBlock> = (0..5000u64)
            .map(|i| Box::into_raw(Box::new(TransBlock::bare(0x1000 + i * 4, (i % 3) as u32))))
            .collect();
        for b in &blocks {
            t.insert(&mut w, *b);
        }
        for (i, b) in blocks.iter().enumerate() {
            // SAFETY: live until the end of the test.
            let b = unsafe { &**b };
            assert!(std::ptr::eq(t.get(b.pc, b.mode, 0).unwrap(), b));
            assert!(t.get(b.pc, b.mode + 7, 0).is_none());
            if i % 2 == 0 {
                t.remove(b);
                assert!(t.get(b.pc, b.mode, 0).is_none());
            }
        }
        // SAFETY: as above.
        let odd = unsafe { &*blocks[4999] };
        assert!(t.get(odd.pc, odd.mode, 0).is_some());
        t.reset(&mut w);
        assert!(t.get(odd.pc, odd.mode, 0).is_none());
        for b in blocks {
            // SAFETY: made by Box::into_raw above.
            drop(unsafe { Box::from_raw(b) });
        }
    }
}
