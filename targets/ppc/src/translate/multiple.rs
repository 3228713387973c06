//! Load and store multiple and string. [PowerISA I.3.3.6, I.3.3.7]

use tcg_ir::{Addr, Cond, RegionKind, Ty, Value};

use super::{NONE, Out, Translator};
use crate::decode::args;
use crate::state::{Mode, slot};
use crate::trap;

/// Most bytes that XER can ask for.
const MAX_STRING: u32 = 127;

impl Translator<'_> {
    /// All loads come before the first register changes, so that a fault in the middle leaves them as they were.
    pub(super) fn lmw(&mut self, a: args::Lmw) -> Out {
        if self.mode.has(Mode::LE) {
            return self.trap_at(trap::ALIGNMENT, 0);
        }
        let addr = self.ea_disp(a.ra, a.imm as i64);
        let flags = self.mem(2);
        let ty = self.w;
        let loaded: Vec<Value> = (a.rt..32)
            .map(|r| {
                let at = addr.plus(4 * (r - a.rt) as i32);
                self.b.load(ty, at, flags)
            })
            .collect();
        for (r, v) in (a.rt..32).zip(loaded) {
            self.set_gpr(r, v);
        }
        Out::Next
    }

    pub(super) fn stmw(&mut self, a: args::Stmw) -> Out {
        if self.mode.has(Mode::LE) {
            return self.trap_at(trap::ALIGNMENT, 0);
        }
        let addr = self.ea_disp(a.ra, a.imm as i64);
        let flags = self.mem(2);
        for r in a.rs..32 {
            let v = self.gpr32(r);
            self.b.store(addr.plus(4 * (r - a.rs) as i32), v, flags);
        }
        Out::Next
    }

    fn base_only(&mut self, ra: u32) -> Addr {
        let v = self.gpr_or_zero(ra);
        Addr::base_disp(self.wrap_address(v), 0)
    }

    pub(super) fn lswi(&mut self, a: args::Lswi) -> Out {
        if self.mode.has(Mode::LE) {
            return self.trap_at(trap::ALIGNMENT, 0);
        }
        let bytes = if a.nb == 0 { 32 } else { a.nb };
        let addr = self.base_only(a.ra);
        let mut loaded = Vec::new();
        for word in 0..bytes.div_ceil(4) {
            let at = addr.plus(4 * word as i32);
            let left = bytes - 4 * word;
            let v = if left >= 4 {
                let flags = self.mem(2);
                self.b.load(Ty::I32, at, flags)
            } else {
                let mut v = self.b.i32(0);
                for k in 0..left {
                    let flags = self.mem(0);
                    let byte = self.b.load(Ty::I32, at.plus(k as i32), flags);
                    v = self.b.deposit(Ty::I32, v, byte, 24 - 8 * k, 8);
                }
                v
            };
            loaded.push(v);
        }
        for (k, v) in loaded.into_iter().enumerate() {
            self.set_gpr((a.rt + k as u32) & 31, v);
        }
        Out::Next
    }

    pub(super) fn stswi(&mut self, a: args::Stswi) -> Out {
        if self.mode.has(Mode::LE) {
            return self.trap_at(trap::ALIGNMENT, 0);
        }
        let bytes = if a.nb == 0 { 32 } else { a.nb };
        let addr = self.base_only(a.ra);
        for word in 0..bytes.div_ceil(4) {
            let v = self.gpr32((a.rs + word) & 31);
            let at = addr.plus(4 * word as i32);
            let left = bytes - 4 * word;
            if left >= 4 {
                let flags = self.mem(2);
                self.b.store(at, v, flags);
                continue;
            }
            for k in 0..left {
                let byte = self.b.extract(Ty::I32, v, 24 - 8 * k, 8);
                let flags = self.mem(0);
                self.b.store(at.plus(k as i32), byte, flags);
            }
        }
        Out::Next
    }

    /// The string instructions with a count in XER: one region for each byte that there may be.
    fn string_indexed(&mut self, r: u32, ra: u32, rb: u32, load: bool) -> Out {
        if self.mode.has(Mode::LE) {
            return self.trap_at(trap::ALIGNMENT, 0);
        }
        let addr = self.ea_index(ra, rb);
        let ea = self.ea_value(addr);
        let count = self.b.get(slot::XER_COUNT);
        let flags = self.mem(0);
        for k in 0..MAX_STRING {
            // A load clears the upper half.
            let ty = if load { self.w } else { Ty::I32 };
            let reg = slot::gpr((r + k / 4) & 31, ty);
            let at = Addr::base_disp(ea, k as i32);
            let (index, lsb) = (self.b.i32(k), 24 - 8 * (k % 4));
            // Known before the region, so that it merges.
            let old = self.b.get(reg);
            let inside = self.b.icmp(Cond::Hi, count, index);
            self.b.begin_if(inside, RegionKind::Simple);
            if load {
                let byte = self.b.load(ty, at, flags);
                let start = if k % 4 == 0 {
                    self.b.iconst(ty, 0)
                } else {
                    old
                };
                let v = self.b.deposit(ty, start, byte, lsb, 8);
                self.b.set(reg, v);
            } else {
                let byte = self.b.extract(Ty::I32, old, lsb, 8);
                self.b.store(at, byte, flags);
            }
            self.b.end_if();
        }
        // The block is long enough.
        let info = self.direct(self.next);
        self.leave(info, NONE)
    }

    pub(super) fn lswx(&mut self, a: args::Lswx) -> Out {
        self.string_indexed(a.rt, a.ra, a.rb, true)
    }

    pub(super) fn stswx(&mut self, a: args::Stswx) -> Out {
        self.string_indexed(a.rs, a.ra, a.rb, false)
    }
}
