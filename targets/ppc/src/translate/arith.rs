//! Fixed-point arithmetic. [PowerISA I.3.3.9]
//!
//! UNPREDICTABLE: what the architecture leaves undefined: a quotient that does not exist is 0 or the dividend as
//! QEMU has it, and upper halves of 32-bit quotients and products are extended.

use tcg_ir::{Cond, Op, Ty, Value};

use super::{NONE, Out, Translator};
use crate::decode::{Feature, args};
use crate::state::slot;

/// Operands of an addition or subtraction (`a + b`, `b - a`) and its result.
#[derive(Clone, Copy)]
struct Sum {
    a: Value,
    b: Value,
    r: Value,
    subtract: bool,
}

/// Handlers of the form rt, ra, rb with OE and Rc.
macro_rules! sums {
    ($($name:ident $Name:ident = $how:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let (x, y) = (self.gpr(a.ra), self.gpr(a.rb));
            self.$how(a.rt, x, y, a.oe, a.rec)
        }
    )*};
}

/// Handlers with an implied second operand.
macro_rules! sums_with {
    ($($name:ident $Name:ident = $how:ident $c:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let x = self.gpr(a.ra);
            let y = self.konst($c);
            self.$how(a.rt, x, y, a.oe, a.rec)
        }
    )*};
}

impl Translator<'_> {
    sums! {
        add Add = add_plain;
        subf Subf = sub_plain;
        addc Addc = add_carrying;
        subfc Subfc = sub_carrying;
        adde Adde = add_extended;
        subfe Subfe = sub_extended;
    }

    sums_with! {
        addme Addme = add_extended -1;
        addze Addze = add_extended 0;
        subfme Subfme = sub_extended -1;
        subfze Subfze = sub_extended 0;
    }

    /// Flags are those of the mode's width.
    fn flag_operand(&mut self, v: Value) -> Value {
        if self.sf() { v } else { self.low32(v) }
    }

    fn add_plain(&mut self, rt: u32, a: Value, b: Value, oe: bool, rec: bool) -> Out {
        let r = self.bin(Op::Add, a, b);
        self.overflow(
            oe,
            Sum {
                a,
                b,
                r,
                subtract: false,
            },
            NONE,
        );
        self.put(rt, r, rec)
    }

    fn sub_plain(&mut self, rt: u32, a: Value, b: Value, oe: bool, rec: bool) -> Out {
        let r = self.bin(Op::Sub, b, a);
        self.overflow(
            oe,
            Sum {
                a,
                b,
                r,
                subtract: true,
            },
            NONE,
        );
        self.put(rt, r, rec)
    }

    fn add_carrying(&mut self, rt: u32, a: Value, b: Value, oe: bool, rec: bool) -> Out {
        let r = self.bin(Op::Add, a, b);
        let sum = Sum {
            a,
            b,
            r,
            subtract: false,
        };
        self.overflow(oe, sum, NONE);
        self.carry(sum, NONE);
        self.put(rt, r, rec)
    }

    fn sub_carrying(&mut self, rt: u32, a: Value, b: Value, oe: bool, rec: bool) -> Out {
        let r = self.bin(Op::Sub, b, a);
        let sum = Sum {
            a,
            b,
            r,
            subtract: true,
        };
        self.overflow(oe, sum, NONE);
        self.carry(sum, NONE);
        self.put(rt, r, rec)
    }

    fn add_extended(&mut self, rt: u32, a: Value, b: Value, oe: bool, rec: bool) -> Out {
        let c = self.b.get(slot::CA);
        let r = self.b.tri(Op::Adc, self.w, a, b, c);
        let sum = Sum {
            a,
            b,
            r,
            subtract: false,
        };
        self.overflow(oe, sum, c);
        self.carry(sum, c);
        self.put(rt, r, rec)
    }

    fn sub_extended(&mut self, rt: u32, a: Value, b: Value, oe: bool, rec: bool) -> Out {
        let c = self.b.get(slot::CA);
        let r = self.b.tri(Op::Sbc, self.w, b, a, c);
        let sum = Sum {
            a,
            b,
            r,
            subtract: true,
        };
        self.overflow(oe, sum, c);
        self.carry(sum, c);
        self.put(rt, r, rec)
    }

    /// The flags of a sum, with carry in `c` (or none).
    fn sum_flags(&mut self, s: Sum, c: Value) -> Value {
        let a = self.flag_operand(s.a);
        let b = self.flag_operand(s.b);
        match (s.subtract, c.is_some()) {
            (false, false) => self.cc(Op::CcAdd, [a, b, NONE]),
            (false, true) => self.cc(Op::CcAdc, [a, b, c]),
            (true, false) => self.cc(Op::CcSub, [b, a, NONE]),
            (true, true) => self.cc(Op::CcSbc, [b, a, c]),
        }
    }

    fn carry(&mut self, s: Sum, c: Value) {
        let cc = self.sum_flags(s, c);
        let ca = self.b.cc_test(cc, Cond::Hs);
        self.b.set(slot::CA, ca);
        if !self.has(Feature::Isa300) {
            return;
        }
        // The carry out of bit 32 shows in bit 32 of the sum.
        let a = if s.subtract {
            self.un(Op::Not, s.a)
        } else {
            s.a
        };
        let x = self.bin(Op::Xor, a, s.b);
        let x = self.bin(Op::Xor, x, s.r);
        let x = self.b.extract(Ty::I64, x, 32, 1);
        let x = self.low32(x);
        self.b.set(slot::CA32, x);
    }

    fn overflow(&mut self, oe: bool, s: Sum, c: Value) {
        if !oe {
            return;
        }
        let cc = self.sum_flags(s, c);
        let ov = self.b.cc_test(cc, Cond::Vs);
        let ov32 = self.has(Feature::Isa300).then(|| {
            // b and the other operand agree, the result does not.
            let x = self.bin(Op::Xor, s.r, s.b);
            let y = if s.subtract {
                self.bin(Op::Xor, s.a, s.b)
            } else {
                self.bin(Op::Xor, s.r, s.a)
            };
            let v = self.bin(Op::And, x, y);
            let v = self.b.extract(Ty::I64, v, 31, 1);
            self.low32(v)
        });
        self.set_overflow(ov, ov32);
    }

    /// Sets OV, OV32 (the same unless given) and SO.
    pub(super) fn set_overflow(&mut self, ov: Value, ov32: Option<Value>) {
        self.b.set(slot::OV, ov);
        if self.has(Feature::Isa300) {
            self.b.set(slot::OV32, ov32.unwrap_or(ov));
        }
        let so = self.b.get(slot::SO);
        let so = self.b.bin(Op::Or, Ty::I32, so, ov);
        self.b.set(slot::SO, so);
    }

    pub(super) fn addi(&mut self, a: args::Addi) -> Out {
        let x = self.gpr_or_zero(a.ra);
        let r = self.bin_const(Op::Add, x, a.imm as i64 as u64);
        self.put(a.rt, r, false)
    }

    pub(super) fn addis(&mut self, a: args::Addis) -> Out {
        let x = self.gpr_or_zero(a.ra);
        let r = self.bin_const(Op::Add, x, ((a.imm as i64) << 16) as u64);
        self.put(a.rt, r, false)
    }

    pub(super) fn addpcis(&mut self, a: args::Addpcis) -> Out {
        let r = self.wrap(self.next.wrapping_add(((a.imm as i64) << 16) as u64));
        let r = self.konst(r as i64);
        self.put(a.rt, r, false)
    }

    pub(super) fn addic(&mut self, a: args::Addic) -> Out {
        let x = self.gpr(a.ra);
        let y = self.konst(a.imm as i64);
        self.add_carrying(a.rt, x, y, false, false)
    }

    pub(super) fn addic_rc(&mut self, a: args::AddicRc) -> Out {
        let x = self.gpr(a.ra);
        let y = self.konst(a.imm as i64);
        self.add_carrying(a.rt, x, y, false, true)
    }

    pub(super) fn subfic(&mut self, a: args::Subfic) -> Out {
        let x = self.gpr(a.ra);
        let y = self.konst(a.imm as i64);
        self.sub_carrying(a.rt, x, y, false, false)
    }

    pub(super) fn addex(&mut self, a: args::Addex) -> Out {
        // OV is the carry; other values of CY are reserved.
        let (x, y) = (self.gpr(a.ra), self.gpr(a.rb));
        let c = self.b.get(slot::OV);
        let r = self.b.tri(Op::Adc, self.w, x, y, c);
        let fx = self.flag_operand(x);
        let fy = self.flag_operand(y);
        let cc = self.cc(Op::CcAdc, [fx, fy, c]);
        let ov = self.b.cc_test(cc, Cond::Hs);
        self.b.set(slot::OV, ov);
        let v = self.bin(Op::Xor, x, y);
        let v = self.bin(Op::Xor, v, r);
        let v = self.b.extract(Ty::I64, v, 32, 1);
        let v = self.low32(v);
        self.b.set(slot::OV32, v);
        self.put(a.rt, r, false)
    }

    pub(super) fn neg(&mut self, a: args::Neg) -> Out {
        let x = self.gpr(a.ra);
        let zero = self.konst(0);
        let r = self.un(Op::Neg, x);
        self.overflow(
            a.oe,
            Sum {
                a: x,
                b: zero,
                r,
                subtract: true,
            },
            NONE,
        );
        self.put(a.rt, r, a.rec)
    }

    // ---- products ----

    pub(super) fn mulli(&mut self, a: args::Mulli) -> Out {
        let x = self.gpr(a.ra);
        let r = self.bin_const(Op::Mul, x, a.imm as i64 as u64);
        self.put(a.rt, r, false)
    }

    pub(super) fn mullw(&mut self, a: args::Mullw) -> Out {
        let (x, y) = (self.gpr32(a.ra), self.gpr32(a.rb));
        if !a.oe && !self.is_wide() {
            let r = self.bin(Op::Mul, x, y);
            return self.put(a.rt, r, a.rec);
        }
        let full = self.b.bin(Op::MulWideS, Ty::I64, x, y);
        if a.oe {
            let low = self.low32(full);
            let again = self.b.un(Op::SextI64, Ty::I64, low);
            let ov = self.b.icmp(Cond::Ne, full, again);
            self.set_overflow(ov, None);
        }
        self.put(a.rt, full, a.rec)
    }

    pub(super) fn mulhw(&mut self, a: args::Mulhw) -> Out {
        let (x, y) = (self.gpr32(a.ra), self.gpr32(a.rb));
        let r = self.bin(Op::MulHiS, x, y);
        self.put(a.rt, r, a.rec)
    }

    pub(super) fn mulhwu(&mut self, a: args::Mulhwu) -> Out {
        let (x, y) = (self.gpr32(a.ra), self.gpr32(a.rb));
        let r = self.bin(Op::MulHiU, x, y);
        self.put(a.rt, r, a.rec)
    }

    pub(super) fn mulld(&mut self, a: args::Mulld) -> Out {
        let (x, y) = (self.gpr(a.ra), self.gpr(a.rb));
        let r = self.bin(Op::Mul, x, y);
        if a.oe {
            let high = self.bin(Op::MulHiS, x, y);
            let sign = self.shift(Op::Sar, r, 63);
            let ov = self.b.icmp(Cond::Ne, high, sign);
            self.set_overflow(ov, None);
        }
        self.put(a.rt, r, a.rec)
    }

    pub(super) fn mulhd(&mut self, a: args::Mulhd) -> Out {
        let (x, y) = (self.gpr(a.ra), self.gpr(a.rb));
        let r = self.bin(Op::MulHiS, x, y);
        self.put(a.rt, r, a.rec)
    }

    pub(super) fn mulhdu(&mut self, a: args::Mulhdu) -> Out {
        let (x, y) = (self.gpr(a.ra), self.gpr(a.rb));
        let r = self.bin(Op::MulHiU, x, y);
        self.put(a.rt, r, a.rec)
    }

    pub(super) fn maddld(&mut self, a: args::Maddld) -> Out {
        let (x, y, z) = (self.gpr(a.vra), self.gpr(a.vrb), self.gpr(a.vrc));
        let p = self.bin(Op::Mul, x, y);
        let r = self.bin(Op::Add, p, z);
        self.put(a.vrt, r, false)
    }

    pub(super) fn maddhd(&mut self, a: args::Maddhd) -> Out {
        self.multiply_add_high(Op::MulHiS, a.vrt, [a.vra, a.vrb, a.vrc])
    }

    pub(super) fn maddhdu(&mut self, a: args::Maddhdu) -> Out {
        self.multiply_add_high(Op::MulHiU, a.vrt, [a.vra, a.vrb, a.vrc])
    }

    fn multiply_add_high(&mut self, op: Op, rt: u32, [a, b, c]: [u32; 3]) -> Out {
        let (x, y, z) = (self.gpr(a), self.gpr(b), self.gpr(c));
        let low = self.bin(Op::Mul, x, y);
        let high = self.bin(op, x, y);
        let cc = self.cc(Op::CcAdd, [low, z, NONE]);
        let carry = self.b.cc_test(cc, Cond::Hs);
        let upper = match op {
            Op::MulHiS => self.shift(Op::Sar, z, 63),
            _ => self.konst(0),
        };
        let r = self.b.tri(Op::Adc, self.w, high, upper, carry);
        self.put(rt, r, false)
    }

    // ---- quotients ----

    /// A quotient, with what stands in where there is none; gives it and whether it overflowed.
    fn quotient(&mut self, signed: bool, x: Value, y: Value) -> (Value, Value) {
        let ty = self.b.block.ty(x);
        let zero = self.b.iconst(ty, 0);
        let none = self.b.icmp(Cond::Eq, y, zero);
        let op = if signed { Op::DivS } else { Op::DivU };
        let q = self.bin(op, x, y);
        let q = self.b.sel(none, x, q);
        if !signed {
            return (q, none);
        }
        let min = self
            .b
            .iconst(ty, if ty == Ty::I64 { 1 << 63 } else { 1 << 31 });
        let ones = self.b.iconst(ty, u64::MAX);
        let at_min = self.b.icmp(Cond::Eq, x, min);
        let by_minus_one = self.b.icmp(Cond::Eq, y, ones);
        let both = self.b.bin(Op::And, Ty::I32, at_min, by_minus_one);
        let ov = self.b.bin(Op::Or, Ty::I32, none, both);
        (q, ov)
    }

    fn divide(&mut self, rt: u32, signed: bool, x: Value, y: Value, oe: bool, rec: bool) -> Out {
        let (q, ov) = self.quotient(signed, x, y);
        if oe {
            self.set_overflow(ov, None);
        }
        self.put(rt, q, rec)
    }

    pub(super) fn divw(&mut self, a: args::Divw) -> Out {
        let (x, y) = (self.gpr32(a.ra), self.gpr32(a.rb));
        self.divide(a.rt, true, x, y, a.oe, a.rec)
    }

    pub(super) fn divwu(&mut self, a: args::Divwu) -> Out {
        let (x, y) = (self.gpr32(a.ra), self.gpr32(a.rb));
        self.divide(a.rt, false, x, y, a.oe, a.rec)
    }

    pub(super) fn divd(&mut self, a: args::Divd) -> Out {
        let (x, y) = (self.gpr(a.ra), self.gpr(a.rb));
        self.divide(a.rt, true, x, y, a.oe, a.rec)
    }

    pub(super) fn divdu(&mut self, a: args::Divdu) -> Out {
        let (x, y) = (self.gpr(a.ra), self.gpr(a.rb));
        self.divide(a.rt, false, x, y, a.oe, a.rec)
    }

    fn remainder(&mut self, rt: u32, signed: bool, x: Value, y: Value) -> Out {
        let (q, ov) = self.quotient(signed, x, y);
        let p = self.bin(Op::Mul, q, y);
        let r = self.bin(Op::Sub, x, p);
        let ty = self.b.block.ty(x);
        let zero = self.b.iconst(ty, 0);
        let r = self.b.sel(ov, zero, r);
        let r = if signed {
            self.widen_s(r)
        } else {
            self.widen_z(r)
        };
        self.put(rt, r, false)
    }

    pub(super) fn modsw(&mut self, a: args::Modsw) -> Out {
        let (x, y) = (self.gpr32(a.ra), self.gpr32(a.rb));
        self.remainder(a.rt, true, x, y)
    }

    pub(super) fn moduw(&mut self, a: args::Moduw) -> Out {
        let (x, y) = (self.gpr32(a.ra), self.gpr32(a.rb));
        self.remainder(a.rt, false, x, y)
    }

    pub(super) fn modsd(&mut self, a: args::Modsd) -> Out {
        let (x, y) = (self.gpr(a.ra), self.gpr(a.rb));
        self.remainder(a.rt, true, x, y)
    }

    pub(super) fn modud(&mut self, a: args::Modud) -> Out {
        let (x, y) = (self.gpr(a.ra), self.gpr(a.rb));
        self.remainder(a.rt, false, x, y)
    }

    // ---- extended quotients: the dividend has zeros below it ----

    /// `(x << 32) / y` in 64 bits; overflow if the quotient does not fit in 32.
    pub(super) fn divwe(&mut self, a: args::Divwe) -> Out {
        let (x, y) = (self.gpr(a.ra), self.gpr32(a.rb));
        let x = self.dividend(x);
        let y = self.b.un(Op::SextI64, Ty::I64, y);
        let (q, ov) = self.quotient(true, x, y);
        let low = self.low32(q);
        let again = self.b.un(Op::SextI64, Ty::I64, low);
        let lost = self.b.icmp(Cond::Ne, q, again);
        let ov = self.b.bin(Op::Or, Ty::I32, ov, lost);
        self.extended(a.rt, low, ov, a.oe, a.rec)
    }

    pub(super) fn divweu(&mut self, a: args::Divweu) -> Out {
        let (x, y) = (self.gpr(a.ra), self.gpr32(a.rb));
        let x = self.dividend(x);
        let y = self.b.un(Op::ZextI64, Ty::I64, y);
        let (q, ov) = self.quotient(false, x, y);
        let low = self.low32(q);
        let again = self.b.un(Op::ZextI64, Ty::I64, low);
        let lost = self.b.icmp(Cond::Ne, q, again);
        let ov = self.b.bin(Op::Or, Ty::I32, ov, lost);
        self.extended(a.rt, low, ov, a.oe, a.rec)
    }

    /// The low half of a register above 32 zeros.
    fn dividend(&mut self, x: Value) -> Value {
        let low = self.low32(x);
        let zero = self.b.i32(0);
        self.b.bin(Op::Concat, Ty::I64, zero, low)
    }

    fn extended(&mut self, rt: u32, q: Value, ov: Value, oe: bool, rec: bool) -> Out {
        if oe {
            self.set_overflow(ov, None);
        }
        // UNPREDICTABLE: a quotient that does not fit is 0.
        let ty = self.b.block.ty(q);
        let zero = self.b.iconst(ty, 0);
        let q = self.b.sel(ov, zero, q);
        self.put(rt, q, rec)
    }

    pub(super) fn divde(&mut self, a: args::Divde) -> Out {
        self.divide_extended(a.rt, a.ra, a.rb, true, a.oe, a.rec)
    }

    pub(super) fn divdeu(&mut self, a: args::Divdeu) -> Out {
        self.divide_extended(a.rt, a.ra, a.rb, false, a.oe, a.rec)
    }

    fn divide_extended(
        &mut self,
        rt: u32,
        ra: u32,
        rb: u32,
        signed: bool,
        oe: bool,
        rec: bool,
    ) -> Out {
        let (x, y) = (self.gpr(ra), self.gpr(rb));
        let how = self.b.i32(u32::from(signed));
        let q = self.call(crate::helper::DIVDE, &[x, y, how]);
        let how = self.b.i32(2 | u32::from(signed));
        let ov = self.call(crate::helper::DIVDE, &[x, y, how]);
        let ov = self.low32(ov);
        self.extended(rt, q, ov, oe, rec)
    }

    pub(super) fn addg6s(&mut self, a: args::Addg6s) -> Out {
        let (x, y) = (self.gpr(a.ra), self.gpr(a.rb));
        self.bits_call(a.rt, crate::helper::bits::ADDG6S, x, y)
    }

    /// rt from a helper of `helper::bits`.
    pub(super) fn bits_call(&mut self, rt: u32, what: u32, x: Value, y: Value) -> Out {
        let to64 = |t: &mut Self, v| match t.b.block.ty(v) {
            Ty::I32 => t.b.un(Op::ZextI64, Ty::I64, v),
            _ => v,
        };
        let (x, y) = (to64(self, x), to64(self, y));
        let what = self.b.i32(what);
        let r = self.call(crate::helper::BITS, &[x, y, what]);
        self.put(rt, r, false)
    }

    pub(super) fn darn(&mut self, a: args::Darn) -> Out {
        let how = self.b.i32(a.l);
        let r = self.call(crate::helper::DARN, &[how]);
        self.put(a.rt, r, false)
    }
}
