//! Load and reserve, store conditional, atomic memory operations. [PowerISA II.4.5, II.4.6]
//!
//! A reserving load notes its address, size and value; a conditional store is a compare-and-swap against that value.
//! Where the program loads more in between, the engine runs the window alone (ADR 5).

use tcg_ir::{Addr, Cond, MemFlags, Op, Order, RegionKind, Ty, Value};

use super::{Out, Translator};
use crate::decode::args;
use crate::state::{Mode, RESERVATION_NONE, slot};

impl Translator<'_> {
    fn reservation_address(&mut self, ra: u32, rb: u32) -> (Value, Value) {
        let addr = self.ea_index(ra, rb);
        let ea = self.ea_value(addr);
        let wide = match self.w {
            Ty::I32 => self.b.un(Op::ZextI64, Ty::I64, ea),
            _ => ea,
        };
        (ea, wide)
    }

    fn reserve(&mut self, wide_ea: Value, size: u32) {
        self.b.set(slot::RESV_ADDR, wide_ea);
        let size = self.b.i32(1 << size);
        self.b.set(slot::RESV_SIZE, size);
    }

    fn clear_reservation(&mut self) {
        let none = self.b.i64(RESERVATION_NONE);
        self.b.set(slot::RESV_ADDR, none);
    }

    pub(super) fn larx(&mut self, a: args::Larx) -> Out {
        let (ea, wide_ea) = self.reservation_address(a.ra, a.rb);
        let size = a.size;
        let ty = if size == 3 { Ty::I64 } else { Ty::I32 };
        let flags = self.mem(size as u8).align(size as u8);
        let v = self.b.load(ty, Addr::base_disp(ea, 0), flags);
        let noted = match ty {
            Ty::I64 => v,
            _ => self.b.un(Op::ZextI64, Ty::I64, v),
        };
        self.reserve(wide_ea, size);
        self.b.set(slot::RESV_VAL, noted);
        self.put(a.rt, v, false)
    }

    pub(super) fn lqarx(&mut self, a: args::Lqarx) -> Out {
        if a.rt & 1 != 0 || a.rt == a.ra || a.rt == a.rb {
            return self.illegal();
        }
        let (ea, wide_ea) = self.reservation_address(a.ra, a.rb);
        let flags = self.mem(4).align(4);
        let v = self.b.load(Ty::V128, Addr::base_disp(ea, 0), flags);
        let hi = self.b.vun(Op::VGet, Ty::I64, 3, v, 1);
        let lo = self.b.vun(Op::VGet, Ty::I64, 3, v, 0);
        self.reserve(wide_ea, 4);
        self.b.set(slot::RESV_VAL, lo);
        self.b.set(slot::RESV_VAL_HI, hi);
        self.set_gpr(a.rt & !1, hi);
        self.set_gpr(a.rt | 1, lo);
        Out::Next
    }

    /// Whether the reservation is for this address and size.
    fn reserved(&mut self, wide_ea: Value, size: u32) -> Value {
        let noted = self.b.get(slot::RESV_ADDR);
        let same = self.b.icmp(Cond::Eq, noted, wide_ea);
        let noted = self.b.get(slot::RESV_SIZE);
        let size = self.b.i32(1 << size);
        let fits = self.b.icmp(Cond::Eq, noted, size);
        self.b.bin(Op::And, Ty::I32, same, fits)
    }

    /// Sets CR0 to 0, 0, success, SO.
    fn set_success(&mut self, success: Value) {
        let zero = self.b.i32(0);
        self.set_cr(0, [zero, zero, success]);
    }

    /// The store happens in a region of its own; CR0 and the reservation change behind it, so that a fault finds
    /// them as they were.
    pub(super) fn stcx(&mut self, a: args::Stcx) -> Out {
        let (ea, wide_ea) = self.reservation_address(a.ra, a.rb);
        let size = a.size;
        let ty = if size == 3 { Ty::I64 } else { Ty::I32 };
        let v = if size == 3 {
            self.gpr(a.rs)
        } else {
            self.gpr32(a.rs)
        };
        let v = match size {
            0 => self.un(Op::Zext8, v),
            1 => self.un(Op::Zext16, v),
            _ => v,
        };
        let mut expected = self.b.get(slot::RESV_VAL);
        if ty == Ty::I32 {
            expected = self.b.un(Op::Trunc, ty, expected);
        }
        let go = self.reserved(wide_ea, size);
        let flags = self.mem(size as u8).align(size as u8);
        self.conditional(go, |t| {
            let found = t.b.atomic_cas(ty, ea, 0, expected, v, flags);
            t.b.icmp(Cond::Eq, found, expected)
        })
    }

    /// Runs `store` if `go` holds; it gives whether it succeeded.
    fn conditional(&mut self, go: Value, store: impl FnOnce(&mut Self) -> Value) -> Out {
        let eq = slot::cr_bit(2);
        // Known in the state before the region, so that it merges.
        self.b.get(eq);
        self.b.begin_if(go, RegionKind::Simple);
        let success = store(self);
        self.b.set(eq, success);
        self.b.end_if();
        let result = self.b.get(eq);
        let zero = self.b.i32(0);
        let success = self.b.sel(go, result, zero);
        self.set_success(success);
        self.clear_reservation();
        Out::Next
    }

    pub(super) fn stqcx(&mut self, a: args::Stqcx) -> Out {
        if a.rs & 1 != 0 {
            return self.illegal();
        }
        let (ea, wide_ea) = self.reservation_address(a.ra, a.rb);
        let go = self.reserved(wide_ea, 4);
        let (hi, lo) = (self.gpr(a.rs & !1), self.gpr(a.rs | 1));
        let value = self.pair(lo, hi);
        let flags = self.mem(4).align(4);
        let want_lo = self.b.get(slot::RESV_VAL);
        let want_hi = self.b.get(slot::RESV_VAL_HI);
        let expected = self.pair(want_lo, want_hi);
        if self.parallel {
            let operands = [[want_lo, want_hi], [lo, hi]];
            return self.conditional(go, |t| t.swap_quad(ea, operands, flags));
        }
        self.conditional(go, |t| t.store_quad(ea, expected, value, flags))
    }

    fn same_quad(&mut self, a: Value, b: Value) -> Value {
        let d = self.b.vbin(Op::VXor, Ty::V128, 0, a, b, 0);
        let lo = self.b.vun(Op::VGet, Ty::I64, 3, d, 0);
        let hi = self.b.vun(Op::VGet, Ty::I64, 3, d, 1);
        let any = self.b.bin(Op::Or, Ty::I64, lo, hi);
        let zero = self.b.i64(0);
        self.b.icmp(Cond::Eq, any, zero)
    }

    /// Without other threads: a load, and a store of the old or the new value.
    fn store_quad(&mut self, ea: Value, expected: Value, value: Value, flags: MemFlags) -> Value {
        let found = self.b.load(Ty::V128, Addr::base_disp(ea, 0), flags);
        let same = self.same_quad(found, expected);
        let v = self.b.sel(same, value, found);
        self.b.store(Addr::base_disp(ea, 0), v, flags);
        same
    }

    /// With other threads: a compare-and-swap of the bytes as they lie in memory.
    fn swap_quad(
        &mut self,
        ea: Value,
        [expected, value]: [[Value; 2]; 2],
        flags: MemFlags,
    ) -> Value {
        let in_memory = |t: &mut Self, [lo, hi]: [Value; 2]| {
            if t.mode.has(Mode::LE) {
                return t.pair(lo, hi);
            }
            let (lo, hi) = (t.un(Op::Bswap, lo), t.un(Op::Bswap, hi));
            t.pair(hi, lo)
        };
        let expected = in_memory(self, expected);
        let value = in_memory(self, value);
        let flags = flags.big_endian(false);
        let found = self.b.atomic_cas(Ty::V128, ea, 0, expected, value, flags);
        self.same_quad(found, expected)
    }

    // ---- atomic memory operations ----

    pub(super) fn lat(&mut self, a: args::Lat) -> Out {
        let base = self.gpr_or_zero(a.ra);
        let ea = self.wrap_address(base);
        let ty = if a.size == 3 { Ty::I64 } else { Ty::I32 };
        let flags = self
            .mem(a.size as u8)
            .align(a.size as u8)
            .order(Order::SeqCst);
        // Fetch and add, xor, or, and, maximum and minimum (unsigned, signed), swap: as the read-modify-write numbers.
        let what = match a.fc {
            0 => 1,
            1 => 4,
            2 => 3,
            3 => 2,
            4 => 8,
            5 => 6,
            6 => 9,
            7 => 7,
            8 => 0,
            _ => return self.unimplemented("fetch and compare, increment or decrement bounded"),
        };
        let source = slot::gpr((a.rt + 1) & 31, ty);
        let v = self.b.get(source);
        let old = self.b.atomic_rmw(what, ty, ea, 0, v, flags);
        self.put(a.rt, old, false)
    }

    pub(super) fn stat(&mut self, a: args::Stat) -> Out {
        let base = self.gpr_or_zero(a.ra);
        let ea = self.wrap_address(base);
        let ty = if a.size == 3 { Ty::I64 } else { Ty::I32 };
        let flags = self
            .mem(a.size as u8)
            .align(a.size as u8)
            .order(Order::SeqCst);
        let what = match a.fc {
            0 => 1,
            1 => 4,
            2 => 3,
            3 => 2,
            4 => 8,
            5 => 6,
            6 => 9,
            7 => 7,
            _ => return self.unimplemented("store twin"),
        };
        let v = self.b.get(slot::gpr(a.rs, ty));
        self.b.atomic_rmw(what, ty, ea, 0, v, flags);
        Out::Next
    }
}
