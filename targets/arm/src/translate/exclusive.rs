//! Exclusives, swaps, load-acquire and store-release. [ARMv7 A3.4, ARMv8 E2.3]
//!
//! An exclusive load notes its address and value; an exclusive store is a compare-and-swap against that value.
//! Where the program loads more in between, the engine runs the window alone (ADR 5).

use tcg_ir::{Addr, Cond, MemFlags, Op, Order, RegionKind, Ty, Value};

use super::{Out, Pred, Translator};
use crate::decode::{Feature, args};
use crate::state::{EXCLUSIVE_OPEN, slot};

macro_rules! handlers {
    ($($name:ident $Name:ident = $how:ident($($arg:expr),*);)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.$how(a.rn, a.rt, $($arg),*)
        }
    )*};
}

macro_rules! stores {
    ($($name:ident $Name:ident = $size:expr, $order:expr;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let addr = self.reg(a.rn);
            let value = self.reg(a.rt);
            self.store_exclusive(a.rd, addr, value, $size, $order)
        }
    )*};
}

impl Translator<'_> {
    handlers! {
        lda Lda = load_acquire(2);
        ldab Ldab = load_acquire(0);
        ldah Ldah = load_acquire(1);
        stl Stl = store_release(2);
        stlb Stlb = store_release(0);
        stlh Stlh = store_release(1);
        ldrexb Ldrexb = load_exclusive(0, 0, Order::Relaxed);
        ldrexh Ldrexh = load_exclusive(0, 1, Order::Relaxed);
        ldaex Ldaex = load_exclusive(0, 2, Order::AcqRel);
        ldaexb Ldaexb = load_exclusive(0, 0, Order::AcqRel);
        ldaexh Ldaexh = load_exclusive(0, 1, Order::AcqRel);
    }

    stores! {
        strexb Strexb = 0, Order::Relaxed;
        strexh Strexh = 1, Order::Relaxed;
        stlex Stlex = 2, Order::AcqRel;
        stlexb Stlexb = 0, Order::AcqRel;
        stlexh Stlexh = 1, Order::AcqRel;
    }

    pub(super) fn ldrex(&mut self, a: args::Ldrex) -> Out {
        self.load_exclusive(a.rn, a.rt, a.imm, 2, Order::Relaxed)
    }

    pub(super) fn strex(&mut self, a: args::Strex) -> Out {
        let base = self.reg(a.rn);
        let addr = self.with_const(Op::Add, base, a.imm);
        let value = self.reg(a.rt);
        self.store_exclusive(a.rd, addr, value, 2, Order::Relaxed)
    }

    pub(super) fn ldrexd(&mut self, a: args::Ldrexd) -> Out {
        self.load_exclusive_pair(a.rn, a.rt, a.rt2, Order::Relaxed)
    }

    pub(super) fn ldaexd(&mut self, a: args::Ldaexd) -> Out {
        self.load_exclusive_pair(a.rn, a.rt, a.rt2, Order::AcqRel)
    }

    pub(super) fn strexd(&mut self, a: args::Strexd) -> Out {
        self.store_exclusive_pair(a.rd, a.rn, a.rt, a.rt2, Order::Relaxed)
    }

    pub(super) fn stlexd(&mut self, a: args::Stlexd) -> Out {
        self.store_exclusive_pair(a.rd, a.rn, a.rt, a.rt2, Order::AcqRel)
    }

    pub(super) fn clrex(&mut self) -> Out {
        self.clear_monitor();
        Out::Next
    }

    pub(super) fn swp(&mut self, a: args::Swp) -> Out {
        self.swap(a.rn, a.rt, a.rm, 2)
    }

    pub(super) fn swpb(&mut self, a: args::Swpb) -> Out {
        self.swap(a.rn, a.rt, a.rm, 0)
    }

    fn swap(&mut self, rn: u32, rt: u32, rm: u32, size: u8) -> Out {
        let base = self.reg(rn);
        let value = self.reg(rm);
        let mut flags = self.mem(MemFlags::size(size)).order(Order::SeqCst);
        // UNPREDICTABLE: before ARMv6 an unaligned swap rotates; here it is plain.
        if self.has(Feature::V6) {
            flags = flags.align(size);
        }
        let old = self.b.atomic_rmw(0, Ty::I32, base, 0, value, flags);
        self.set_reg(rt, old);
        Out::Next
    }

    fn load_acquire(&mut self, rn: u32, rt: u32, size: u8) -> Out {
        let base = self.reg(rn);
        let flags = self.mem(MemFlags::size(size)).align(size);
        let flags = flags.order(Order::SeqCst);
        let v = self.b.load(Ty::I32, Addr::base_disp(base, 0), flags);
        self.set_reg(rt, v);
        Out::Next
    }

    fn store_release(&mut self, rn: u32, rt: u32, size: u8) -> Out {
        let base = self.reg(rn);
        let value = self.reg(rt);
        let flags = self.mem(MemFlags::size(size)).align(size);
        let flags = flags.order(Order::SeqCst);
        let pred = self.pred;
        if let Pred::Select(p) = pred {
            self.b.begin_if(p, RegionKind::Simple);
        }
        self.b.store(Addr::base_disp(base, 0), value, flags);
        if pred != Pred::Always {
            self.b.end_if();
        }
        Out::Next
    }

    fn clear_monitor(&mut self) {
        let open = self.b.i32(EXCLUSIVE_OPEN);
        self.put(slot::EXCL_ADDR, open);
    }

    fn load_exclusive(&mut self, rn: u32, rt: u32, imm: u32, size: u8, order: Order) -> Out {
        let base = self.reg(rn);
        let addr = self.with_const(Op::Add, base, imm);
        let flags = self.mem(MemFlags::size(size)).align(size).order(order);
        let v = self.b.load(Ty::I32, Addr::base_disp(addr, 0), flags);
        let wide = self.b.un(Op::ZextI64, Ty::I64, v);
        self.put(slot::EXCL_ADDR, addr);
        self.put(slot::EXCL_VAL, wide);
        self.set_reg(rt, v);
        Out::Next
    }

    fn load_exclusive_pair(&mut self, rn: u32, rt: u32, rt2: u32, order: Order) -> Out {
        let addr = self.reg(rn);
        let flags = self.mem(MemFlags::size(3)).align(3).order(order);
        let v = self.b.load(Ty::I64, Addr::base_disp(addr, 0), flags);
        self.put(slot::EXCL_ADDR, addr);
        self.put(slot::EXCL_VAL, v);
        // The first register has the word at the lower address.
        let (lo, hi) = if self.big_endian() {
            (rt2, rt)
        } else {
            (rt, rt2)
        };
        self.set_pair(lo, hi, v);
        Out::Next
    }

    fn store_exclusive_pair(&mut self, rd: u32, rn: u32, rt: u32, rt2: u32, order: Order) -> Out {
        let addr = self.reg(rn);
        let (lo, hi) = if self.big_endian() {
            (rt2, rt)
        } else {
            (rt, rt2)
        };
        let value = self.pair_value(lo, hi);
        self.store_exclusive(rd, addr, value, 3, order)
    }

    /// The store happens in a region of its own; the result and the monitor change behind it, so that a fault
    /// finds them as they were.
    fn store_exclusive(
        &mut self,
        rd: u32,
        addr: Value,
        value: Value,
        size: u8,
        order: Order,
    ) -> Out {
        let ty = if size == 3 { Ty::I64 } else { Ty::I32 };
        let value = match size {
            0 => self.b.un(Op::Zext8, ty, value),
            1 => self.b.un(Op::Zext16, ty, value),
            _ => value,
        };
        let noted = self.b.get(slot::EXCL_ADDR);
        let mut expected = self.b.get(slot::EXCL_VAL);
        if ty == Ty::I32 {
            expected = self.b.un(Op::Trunc, ty, expected);
        }
        let matches = self.b.icmp(Cond::Eq, noted, addr);
        let go = match self.pred {
            Pred::Always => matches,
            Pred::Select(p) => self.b.bin(Op::And, Ty::I32, matches, p),
        };
        let flags = self.mem(MemFlags::size(size)).align(size).order(order);
        // Known in the state before the region, so that it merges.
        let old_rd = self.reg(rd);
        self.b.begin_if(go, RegionKind::Simple);
        let found = self.b.atomic_cas(ty, addr, 0, expected, value, flags);
        let failed = self.b.icmp(Cond::Ne, found, expected);
        if rd < 15 {
            self.b.set(slot::r(rd), failed);
        }
        self.b.end_if();
        // No match: failed, too.
        let result = self.reg(rd);
        let one = self.b.i32(1);
        let status = self.b.sel(matches, result, one);
        let status = match self.pred {
            Pred::Always => status,
            Pred::Select(p) => self.b.sel(p, status, old_rd),
        };
        if rd < 15 {
            self.b.set(slot::r(rd), status);
        }
        self.clear_monitor();
        Out::Next
    }
}
