//! Exclusives, ordered accesses, atomics. [ARMv8 B2.9, C4.1.4]
//!
//! An exclusive load notes its address and value; an exclusive store is a compare-and-swap against that value.
//! Where the program loads more in between, the engine runs the window alone (ADR 5).

use tcg_ir::{Addr, Cond, MemFlags, Op, Order, RegionKind, Ty, Value};

use super::operand::{R31, ity};
use super::{Out, Translator};
use crate::decode::args;
use crate::state::{EXCLUSIVE_OPEN, slot};

const fn order(ordered: bool) -> Order {
    if ordered {
        Order::SeqCst
    } else {
        Order::Relaxed
    }
}

impl Translator<'_> {
    /// An access that has to be aligned.
    fn aligned(&self, size: u32) -> MemFlags {
        self.mem(size).align(size as u8)
    }

    /// A store-release.
    pub(super) fn transfer_ordered(&mut self, size: u32, rt: u32, addr: Addr, acqrel: bool) {
        let v = self.reg(size == 3, rt);
        let order = if acqrel { Order::AcqRel } else { Order::SeqCst };
        let flags = self.aligned(size).order(order);
        self.b.store(addr, v, flags);
    }

    pub(super) fn ldar(&mut self, a: args::Ldar) -> Out {
        self.load_ordered(a.size, a.rn, a.rt, Order::SeqCst)
    }

    pub(super) fn ldapr(&mut self, a: args::Ldapr) -> Out {
        self.load_ordered(a.size, a.rn, a.rt, Order::AcqRel)
    }

    fn load_ordered(&mut self, size: u32, rn: u32, rt: u32, order: Order) -> Out {
        let base = self.base(rn);
        let flags = self.aligned(size).order(order);
        let v = self.b.load(ity(size == 3), Addr::base_disp(base, 0), flags);
        self.set_reg(rt, v);
        Out::Next
    }

    pub(super) fn stlr(&mut self, a: args::Stlr) -> Out {
        let base = self.base(a.rn);
        self.transfer_ordered(a.size, a.rt, Addr::base_disp(base, 0), false);
        Out::Next
    }

    // ---- exclusives ----

    pub(super) fn clear_monitor(&mut self) {
        let open = self.b.i64(EXCLUSIVE_OPEN);
        self.b.set(slot::EXCL_ADDR, open);
    }

    pub(super) fn ldxr(&mut self, a: args::Ldxr) -> Out {
        let base = self.base(a.rn);
        let flags = self.aligned(a.size).order(order(a.acquire));
        let v = self
            .b
            .load(ity(a.size == 3), Addr::base_disp(base, 0), flags);
        let wide = match a.size {
            3 => v,
            _ => self.b.un(Op::ZextI64, Ty::I64, v),
        };
        self.b.set(slot::EXCL_ADDR, base);
        self.b.set(slot::EXCL_VAL, wide);
        self.set_reg(a.rt, v);
        Out::Next
    }

    pub(super) fn stxr(&mut self, a: args::Stxr) -> Out {
        let ty = ity(a.size == 3);
        let addr = self.base(a.rn);
        let value = self.reg(a.size == 3, a.rt);
        let value = match a.size {
            0 => self.b.un(Op::Zext8, ty, value),
            1 => self.b.un(Op::Zext16, ty, value),
            _ => value,
        };
        let mut expected = self.b.get(slot::EXCL_VAL);
        if ty == Ty::I32 {
            expected = self.b.un(Op::Trunc, ty, expected);
        }
        let flags = self.aligned(a.size).order(order(a.release));
        let matches = self.monitor_matches(addr);
        self.store_if(matches, a.rs, |t| {
            let found = t.b.atomic_cas(ty, addr, 0, expected, value, flags);
            t.b.icmp(Cond::Ne, found, expected)
        })
    }

    fn monitor_matches(&mut self, addr: Value) -> Value {
        let noted = self.b.get(slot::EXCL_ADDR);
        self.b.icmp(Cond::Eq, noted, addr)
    }

    /// The store happens in a region of its own; the result and the monitor change behind it, so that a fault
    /// finds them as they were. `store` gives 1 if it failed.
    fn store_if(&mut self, go: Value, rs: u32, store: impl FnOnce(&mut Self) -> Value) -> Out {
        // The noted value is of no use behind the store: its slot carries the outcome out of the region.
        let _ = self.b.get(slot::EXCL_VAL);
        self.b.begin_if(go, RegionKind::Simple);
        let failed = store(self);
        let failed = self.b.un(Op::ZextI64, Ty::I64, failed);
        self.b.set(slot::EXCL_VAL, failed);
        self.b.end_if();
        let outcome = self.b.get(slot::EXCL_VAL);
        let outcome = self.b.un(Op::Trunc, Ty::I32, outcome);
        let one = self.b.i32(1);
        let status = self.b.sel(go, outcome, one);
        self.set_reg(rs, status);
        self.clear_monitor();
        Out::Next
    }

    pub(super) fn ldxp(&mut self, a: args::Ldxp) -> Out {
        let base = self.base(a.rn);
        let (lo, hi) = if a.wide {
            let flags = self.mem(3).order(order(a.acquire));
            // Aligned to the pair as a whole; a 16-byte load is one access.
            let pair = MemFlags::size(4).align(4).order(order(a.acquire));
            let _ = flags;
            let v = self.b.load(Ty::V128, Addr::base_disp(base, 0), pair);
            let v = self.fix_order(v, 3);
            let lo = self.b.vun(Op::VGet, Ty::I64, 3, v, 0);
            let hi = self.b.vun(Op::VGet, Ty::I64, 3, v, 1);
            self.b.set(slot::EXCL_VAL, lo);
            self.b.set(slot::EXCL_VAL2, hi);
            (lo, hi)
        } else {
            let flags = self.aligned(3).order(order(a.acquire));
            let v = self.b.load(Ty::I64, Addr::base_disp(base, 0), flags);
            self.b.set(slot::EXCL_VAL, v);
            let lo = self.b.un(Op::Trunc, Ty::I32, v);
            let hi = self.b.un(Op::Hi32, Ty::I32, v);
            if self.big_endian() {
                (hi, lo)
            } else {
                (lo, hi)
            }
        };
        self.b.set(slot::EXCL_ADDR, base);
        self.set_reg(a.rt, lo);
        self.set_reg(a.rt2, hi);
        Out::Next
    }

    pub(super) fn stxp(&mut self, a: args::Stxp) -> Out {
        let addr = self.base(a.rn);
        let (x, y) = (self.reg(a.wide, a.rt), self.reg(a.wide, a.rt2));
        let matches = self.monitor_matches(addr);
        if !a.wide {
            let value = self.joined(x, y);
            let expected = self.b.get(slot::EXCL_VAL);
            let flags = self.aligned(3).order(order(a.release));
            return self.store_if(matches, a.rs, |t| {
                let found = t.b.atomic_cas(Ty::I64, addr, 0, expected, value, flags);
                t.b.icmp(Cond::Ne, found, expected)
            });
        }
        let (p, q) = (self.b.get(slot::EXCL_VAL), self.b.get(slot::EXCL_VAL2));
        let expected = self.pair(p, q);
        let value = self.pair(x, y);
        self.store_if(matches, a.rs, |t| {
            let found = t.cas_pair(addr, expected, value);
            t.differs(found, expected)
        })
    }

    /// Two words as one doubleword of memory.
    fn joined(&mut self, first: Value, second: Value) -> Value {
        let (lo, hi) = if self.big_endian() {
            (second, first)
        } else {
            (first, second)
        };
        self.b.bin(Op::Concat, Ty::I64, lo, hi)
    }

    /// Two doublewords as a vector.
    fn pair(&mut self, first: Value, second: Value) -> Value {
        let lo = self.b.bitcast(Ty::V64, first);
        let hi = self.b.bitcast(Ty::V64, second);
        self.b.bin(Op::VConcat, Ty::V128, lo, hi)
    }

    /// 1 if two vectors differ.
    fn differs(&mut self, a: Value, b: Value) -> Value {
        let x = self.vlane(Op::VXor, Ty::V128, 3, a, b);
        let lo = self.b.vun(Op::VGet, Ty::I64, 3, x, 0);
        let hi = self.b.vun(Op::VGet, Ty::I64, 3, x, 1);
        let any = self.b.bin(Op::Or, Ty::I64, lo, hi);
        let zero = self.b.i64(0);
        self.b.icmp(Cond::Ne, any, zero)
    }

    /// Compare-and-swap of 16 bytes; gives what was there.
    fn cas_pair(&mut self, addr: Value, expected: Value, value: Value) -> Value {
        let expected = self.fix_order(expected, 3);
        let value = self.fix_order(value, 3);
        let flags = MemFlags::size(4).align(4);
        let found = self.b.atomic_cas(Ty::V128, addr, 0, expected, value, flags);
        self.fix_order(found, 3)
    }

    // ---- compare and swap, atomics ----

    pub(super) fn cas(&mut self, a: args::Cas) -> Out {
        let ty = ity(a.size == 3);
        let addr = self.base(a.rn);
        let (expected, value) = (self.reg(a.size == 3, a.rs), self.reg(a.size == 3, a.rt));
        let flags = self.aligned(a.size).order(Order::SeqCst);
        let found = self.b.atomic_cas(ty, addr, 0, expected, value, flags);
        self.set_reg(a.rs, found);
        Out::Next
    }

    pub(super) fn casp(&mut self, a: args::Casp) -> Out {
        let addr = self.base(a.rn);
        let (p, q) = (self.reg(a.wide, a.rs), self.reg(a.wide, a.rs + 1));
        let (x, y) = (self.reg(a.wide, a.rt), self.reg(a.wide, a.rt + 1));
        let (lo, hi) = if a.wide {
            let expected = self.pair(p, q);
            let value = self.pair(x, y);
            let found = self.cas_pair(addr, expected, value);
            (
                self.b.vun(Op::VGet, Ty::I64, 3, found, 0),
                self.b.vun(Op::VGet, Ty::I64, 3, found, 1),
            )
        } else {
            let expected = self.joined(p, q);
            let value = self.joined(x, y);
            let flags = self.aligned(3).order(Order::SeqCst);
            let found = self.b.atomic_cas(Ty::I64, addr, 0, expected, value, flags);
            let lo = self.b.un(Op::Trunc, Ty::I32, found);
            let hi = self.b.un(Op::Hi32, Ty::I32, found);
            if self.big_endian() {
                (hi, lo)
            } else {
                (lo, hi)
            }
        };
        self.set_reg(a.rs, lo);
        self.set_reg(a.rs + 1, hi);
        Out::Next
    }

    fn read_modify_write(&mut self, what: u8, size: u32, rs: u32, rn: u32, rt: u32) -> Out {
        let wide = size == 3;
        let addr = self.base(rn);
        let value = self.reg(wide, rs);
        let flags = self.aligned(size).order(Order::SeqCst);
        let old = self.b.atomic_rmw(what, ity(wide), addr, 0, value, flags);
        if rt != R31 {
            self.set_reg(rt, old);
        }
        Out::Next
    }

    pub(super) fn atomic(&mut self, a: args::Atomic) -> Out {
        // LDADD, LDCLR, LDEOR, LDSET, LDSMAX, LDSMIN, LDUMAX, LDUMIN in the IR's numbers.
        let what = [1, 5, 4, 3, 6, 7, 8, 9][a.what as usize & 7];
        self.read_modify_write(what, a.size, a.rs, a.rn, a.rt)
    }

    pub(super) fn swp(&mut self, a: args::Swp) -> Out {
        self.read_modify_write(0, a.size, a.rs, a.rn, a.rt)
    }
}
