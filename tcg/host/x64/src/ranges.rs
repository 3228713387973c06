//! Accesses of a block that share one look at their page: those whose addresses are a value that is the same for all of them
//! and small constants, as of the members of a structure, or what a function saves on its stack.
//!
//! The first access of such a *range* looks whether the whole range lies in one page of memory, and the range's host address
//! stays in a register (0: it is not known, or not in one page). The others only look whether it is there. Slow accesses
//! that may have changed what is where set it to 0 ([`want::HELD`]). So a range ends at the latest where a helper that may do so is called.

use crate::abi::*;
use crate::compiler::Gen;
use crate::regalloc::GPRS;
use tcg_ir::{Block, Inst, Op, Ty, Value};
use tcg_opt::NONE;

/// The most bytes of a range: the larger, the more often it crosses the end of a page.
const MOST_BYTES: i64 = 256;
/// Ranges that are looked at at the same time.
const OPEN: usize = 6;
/// Registers that ranges leave to everything else.
const GPRS_LEFT: u32 = 8;

/// A range.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    root: Value,
    /// From and to, behind the root.
    low: i32,
    high: i32,
    /// Positions of the first and the last access, and how many there are.
    first: u32,
    last: u32,
    accesses: u32,
    /// There are stores.
    pub write: bool,
    /// The register, while it is in use.
    pub reg: u8,
}

impl Range {
    /// The bytes that are looked at.
    pub fn bytes(&self) -> i32 {
        self.high - self.low
    }
}

/// An access that is part of a range.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pos: u32,
    pub range: u16,
    /// Its place behind the root, then behind the range's start.
    pub at: i32,
    pub first: bool,
}

/// The ranges of the block that is compiled.
#[derive(Default)]
pub struct Ranges {
    all: Vec<Range>,
    parts: Vec<Part>,
    next: usize,
    /// Registers in use, as a mask.
    pub held: u32,
}

/// What an address is made of: a value, and a constant.
fn root(b: &Block, mut v: Value) -> (Value, i32) {
    let mut off = 0i32;
    for _ in 0..8 {
        let i = b.def(v);
        let [x, y, _] = i.args;
        let constant = |v: Value| {
            let c = b.as_const(v)?;
            match b.ty(v) {
                Ty::I32 => Some(c as i32),
                _ => i32::try_from(c as i64).ok(),
            }
        };
        let step = match i.op {
            Op::Add => constant(y).map(|c| (x, c)),
            Op::Sub => constant(y).map(|c| (x, c.wrapping_neg())),
            _ => None,
        };
        let Some((x, c)) = step else { break };
        let Some(sum) = off.checked_add(c) else { break };
        (v, off) = (x, sum);
    }
    (v, off)
}

/// Where a load or store is: behind which value, and its bytes.
fn place(b: &Block, i: &Inst) -> Option<(Value, i32, i32)> {
    if !i.args[0].is_some() || i.args[1].is_some() {
        return None;
    }
    let (root, off) = root(b, i.args[0]);
    let low = off.checked_add(i.disp())?;
    Some((root, low, low.checked_add(i.mem().bytes() as i32)?))
}

impl Ranges {
    /// Finds the ranges of a block of which the first `body` instructions count; `stores`: they may be part of one.
    pub fn find(&mut self, b: &Block, body: usize, stores: bool) {
        self.clear();
        let mut open: Vec<usize> = Vec::new();
        // The start of the region that is open, and of the latest one.
        let (mut inside, mut latest) = (NONE, 0);
        for (p, i) in b.insts[..body].iter().enumerate() {
            let pos = p as u32;
            match i.op {
                Op::CondBegin => (inside, latest) = (pos, pos),
                Op::CondEnd => {
                    open.retain(|k| self.all[*k].first < inside);
                    inside = NONE;
                }
                Op::Call | Op::AtomicRmw | Op::AtomicCas => open.clear(),
                Op::Load | Op::Store if i.op == Op::Load || stores => {
                    let Some((root, low, high)) = place(b, i) else {
                        continue;
                    };
                    let store = i.op == Op::Store;
                    let fits = |k: &&usize| {
                        let r = &self.all[**k];
                        // A store that may not be executed must not ask for a page that may be written to.
                        let sure = !store || r.write || r.first >= latest;
                        let size = i64::from(r.high.max(high)) - i64::from(r.low.min(low));
                        r.root == root && sure && size <= MOST_BYTES
                    };
                    let k = open.iter().find(fits).copied().unwrap_or_else(|| {
                        if open.len() == OPEN {
                            open.remove(0);
                        }
                        self.all.push(Range {
                            root,
                            low,
                            high,
                            first: pos,
                            last: pos,
                            accesses: 0,
                            write: store,
                            reg: NOREG,
                        });
                        open.push(self.all.len() - 1);
                        self.all.len() - 1
                    });
                    let r = &mut self.all[k];
                    (r.low, r.high) = (r.low.min(low), r.high.max(high));
                    r.write |= store;
                    r.accesses += 1;
                    r.last = pos;
                    self.parts.push(Part {
                        pos,
                        range: k as u16,
                        at: low,
                        first: r.first == pos,
                    });
                }
                _ => {}
            }
        }
        self.end_behind_regions(b, body);
    }

    /// What began before a region and ends in it ends with it: the allocator's state is restored there.
    fn end_behind_regions(&mut self, b: &Block, body: usize) {
        let all = &mut self.all;
        self.parts
            .retain(|p| all[usize::from(p.range)].accesses > 1);
        for p in &mut self.parts {
            p.at -= all[usize::from(p.range)].low;
        }
        if self.parts.is_empty() {
            return;
        }
        let mut begin = NONE;
        for (p, i) in b.insts[..body].iter().enumerate() {
            match i.op {
                Op::CondBegin => begin = p as u32,
                Op::CondEnd => {
                    for r in all.iter_mut() {
                        if r.first < begin && (begin..p as u32).contains(&r.last) {
                            r.last = p as u32;
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// No ranges.
    pub fn clear(&mut self) {
        self.all.clear();
        self.parts.clear();
        self.next = 0;
        self.held = 0;
    }

    /// The registers in use, as [`want`] has them.
    pub fn held_bits(&self) -> i32 {
        let bits = want::HELD.iter().enumerate();
        bits.fold(0, |m, (k, r)| {
            m | ((self.held >> r & 1) as i32) << (want::HELD_BITS + k as u32)
        })
    }
}

impl Gen<'_> {
    /// The range of the access at this position, if it is part of one that has a register.
    pub fn range_part(&mut self) -> Option<(Range, Part)> {
        let l = &mut self.ranges;
        while l.parts.get(l.next).is_some_and(|p| p.pos < self.pos) {
            l.next += 1;
        }
        let part = *l.parts.get(l.next).filter(|p| p.pos == self.pos)?;
        if part.first {
            self.begin_range(part.range);
        }
        let range = self.ranges.all[usize::from(part.range)];
        (range.reg != NOREG).then_some((range, part))
    }

    /// Gives a range a register, if there are enough.
    fn begin_range(&mut self, k: u16) {
        let all = (self.usable & GPRS).count_ones();
        let free = self.free & self.usable & !self.pinned & !self.looping.wanted;
        let own = want::HELD.iter().fold(0, |m, r| m | 1u32 << r);
        if all <= GPRS_LEFT || (free & GPRS).count_ones() < 3 || free & own == 0 {
            return;
        }
        let r = (free & own).trailing_zeros() as u8;
        self.ranges.all[usize::from(k)].reg = r;
        self.ranges.held |= 1 << r;
        self.usable &= !(1 << r);
        self.free &= !(1 << r);
    }

    /// Before an instruction: registers of ranges that have ended are free again.
    pub fn end_ranges(&mut self) {
        if self.ranges.held == 0 {
            return;
        }
        for r in &mut self.ranges.all {
            if r.reg != NOREG && r.last < self.pos {
                let bit = 1 << r.reg;
                r.reg = NOREG;
                self.ranges.held &= !bit;
                self.usable |= bit;
                self.free |= bit;
            }
        }
    }
}
