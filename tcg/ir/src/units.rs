//! What is noted of the state block, 4 bytes (a *unit*) at a time. The state of a whole CPU is thousands of units, of which a
//! block names a few: whoever keeps a table of all of them also keeps [`Touched`], so that its cost is that of what is in use.

use std::ops::{Index, Range};

use crate::Value;

/// Units of a chunk.
const CHUNK: usize = 32;
/// Slots have offsets of 16 bits.
const WORDS: usize = (1 << 16) / 4 / CHUNK / 64;

/// The chunks of the state block of which something may be noted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touched([u64; WORDS]);

impl Touched {
    /// Something is noted of a unit.
    #[inline]
    pub fn mark(&mut self, unit: usize) {
        let chunk = unit / CHUNK;
        self.0[chunk / 64 % WORDS] |= 1 << (chunk % 64);
    }

    /// The units of all chunks of which something may be noted, in order. `len`: how many there are at all.
    pub fn ranges(self, len: usize) -> impl Iterator<Item = Range<usize>> {
        let mut words = self.0;
        let mut at = 0;
        std::iter::from_fn(move || {
            while *words.get(at)? == 0 {
                at += 1;
            }
            let word = &mut words[at];
            let first = (at * 64 + word.trailing_zeros() as usize) * CHUNK;
            *word &= *word - 1;
            Some(first.min(len)..(first + CHUNK).min(len))
        })
    }

    /// What one of both has.
    pub fn union(mut self, other: Touched) -> Touched {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a |= b);
        self
    }
}

/// What is known about 4 bytes of the state block.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Unit {
    /// The value whose bytes these are; NONE: only the state block knows.
    pub value: Value,
    /// Which 4-byte part of the value.
    pub part: u8,
    /// The state block has not been told yet.
    pub dirty: bool,
}

pub(crate) const UNKNOWN: Unit = Unit {
    value: Value::NONE,
    part: 0,
    dirty: false,
};

/// What is known about all of it.
#[derive(Default)]
pub(crate) struct Units {
    all: Vec<Unit>,
    touched: Touched,
}

impl Units {
    /// Forgets everything, for a state block of `len` units.
    pub fn start(&mut self, len: usize) {
        self.forget_all();
        if self.all.len() != len {
            self.all.clear();
            self.all.resize(len, UNKNOWN);
        }
    }

    pub fn forget_all(&mut self) {
        for range in std::mem::take(&mut self.touched).ranges(self.all.len()) {
            self.all[range].fill(UNKNOWN);
        }
    }

    pub fn forget(&mut self, units: Range<usize>) {
        self.all[units].fill(UNKNOWN);
    }

    /// Units from `first` on are those of a value.
    pub fn note(&mut self, first: usize, count: usize, value: Value, dirty: bool) {
        for k in 0..count {
            self.touched.mark(first + k);
            self.all[first + k] = Unit {
                value,
                part: k as u8,
                dirty,
            };
        }
    }

    /// Becomes the same as another, which is of the same state block.
    pub fn copy_from(&mut self, other: &Units) {
        self.start(other.all.len());
        for range in other.touched.ranges(other.all.len()) {
            self.all[range.clone()].copy_from_slice(&other.all[range]);
        }
        self.touched = other.touched;
    }

    /// Becomes what was saved before a region; where something else is known at the region's end, nothing is known.
    pub fn keep_common(&mut self, saved: &Units) {
        for range in self.all_touched(saved) {
            for i in range {
                let (new, old) = (self.all[i], saved.all[i]);
                let same = (new.value, new.part) == (old.value, old.part);
                self.all[i] = if same { old } else { UNKNOWN };
            }
        }
    }

    fn all_touched(&self, other: &Units) -> impl Iterator<Item = Range<usize>> + use<> {
        self.touched.union(other.touched).ranges(self.all.len())
    }

    /// Ranges of which something may be known, in order.
    pub fn known(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        self.touched.ranges(self.all.len())
    }

    pub fn get(&self, units: Range<usize>) -> Option<&[Unit]> {
        self.all.get(units)
    }
}

impl Index<usize> for Units {
    type Output = Unit;
    fn index(&self, unit: usize) -> &Unit {
        &self.all[unit]
    }
}

impl Index<Range<usize>> for Units {
    type Output = [Unit];
    fn index(&self, units: Range<usize>) -> &[Unit] {
        &self.all[units]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_that_are_marked_come_in_order_and_within_the_length() {
        let mut t = Touched::default();
        for unit in [16383, 70, 0, 64, 4399] {
            t.mark(unit);
        }
        let all: Vec<_> = t.ranges(16384).collect();
        assert_eq!(all, [0..32, 64..96, 4384..4416, 16352..16384]);
        let cut: Vec<_> = t.ranges(4400).take(3).collect();
        assert_eq!(cut, [0..32, 64..96, 4384..4400]);
    }

    #[test]
    fn what_a_region_changed_is_not_known_behind_it() {
        let (mut now, mut saved) = (Units::default(), Units::default());
        now.start(4400);
        now.note(1, 2, Value(7), true);
        now.note(4000, 1, Value(8), false);
        saved.copy_from(&now);
        now.note(2, 1, Value(9), true);
        now.note(100, 1, Value(10), true);
        now.forget(4000..4001);
        now.keep_common(&saved);
        assert_eq!(now[1], saved[1]);
        assert!([2, 100, 4000].iter().all(|u| now[*u] == UNKNOWN));
        now.note(4000, 1, Value(8), true);
        now.keep_common(&saved);
        assert!(!now[4000].dirty, "as it was before");
        now.start(4400);
        assert!(now[0..4400].iter().all(|u| *u == UNKNOWN));
        assert_eq!(now.known().count(), 0);
    }
}
