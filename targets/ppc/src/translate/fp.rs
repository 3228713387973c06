//! Floating-point moves, arithmetic and comparisons. [PowerISA I.4.6]
//!
//! Arithmetic is inline; with exceptions enabled, or where the host has nothing like it, it goes through the helper
//! that does everything in software (`helper::fp`).

use tcg_ir::{Cond, Op, Ty, Value};

use super::{NONE, Out, Translator};
use crate::decode::args;
use crate::fpscr::{SINGLE, op};
use crate::helper;
use crate::state::{Mode, slot};

/// Regime of scalar and VSX arithmetic.
pub(super) const SCALAR: u8 = 0;

macro_rules! binary {
    ($($name:ident $Name:ident = $op:ident $code:ident $second:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.fp_binary(Op::$op, op::$code, a.single, a.rt, [a.ra, a.$second], a.rec)
        }
    )*};
}

macro_rules! fused {
    ($($name:ident $Name:ident = $code:ident $signs:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.fp_fused(op::$code, $signs, a.single, a.rt, [a.ra, a.rc, a.rb], a.rec)
        }
    )*};
}

macro_rules! moves {
    ($($name:ident $Name:ident = $f:expr;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            if let Some(out) = self.need_fp() {
                return out;
            }
            let x = self.fpr(a.rb);
            let f: fn(&mut Self, Value) -> Value = $f;
            let r = f(self, x);
            self.set_fpr(a.rt, r);
            self.fp_record(a.rec)
        }
    )*};
}

/// Operations that the helper does.
macro_rules! by_helper {
    ($($name:ident $Name:ident = $code:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            if let Some(out) = self.need_fp() {
                return out;
            }
            let x = self.fpr(a.rb);
            self.fp_helper(op::$code, a.rt, [x, x, x]);
            self.fp_record(a.rec)
        }
    )*};
}

impl Translator<'_> {
    binary! {
        fadd Fadd = FAdd ADD rb;
        fsub Fsub = FSub SUB rb;
        fmul Fmul = FMul MUL rc;
        fdiv Fdiv = FDiv DIV rb;
    }

    fused! {
        fmadd Fmadd = MADD 0;
        fmsub Fmsub = MSUB 2;
        fnmadd Fnmadd = NMADD 4;
        fnmsub Fnmsub = NMSUB 6;
    }

    moves! {
        fmr Fmr = |_, x| x;
        fneg Fneg = |t, x| t.un(Op::FNeg, x);
        fabs Fabs = |t, x| t.un(Op::FAbs, x);
        fnabs Fnabs = |t, x| { let x = t.un(Op::FAbs, x); t.un(Op::FNeg, x) };
    }

    by_helper! {
        fctidu Fctidu = CTIDU;
        fctiduz Fctiduz = CTIDUZ;
        fctiwu Fctiwu = CTIWU;
        fctiwuz Fctiwuz = CTIWUZ;
        fcfidu Fcfidu = CFIDU;
        fcfidus Fcfidus = CFIDUS;
        frin Frin = RIN;
        friz Friz = RIZ;
        frip Frip = RIP;
        frim Frim = RIM;
    }

    /// Whether floating-point exceptions are enabled: everything goes the exact way.
    pub(super) fn fp_exact(&self) -> bool {
        self.mode.has(Mode::EXACT)
    }

    /// The record form: CR1 from FX, FEX, VX, OX.
    pub(super) fn fp_record(&mut self, rec: bool) -> Out {
        if rec {
            let fpscr = self.read_fpscr();
            let low = self.low32(fpscr);
            for k in 0..4 {
                let bit = self.b.extract(Ty::I32, low, 31 - k, 1);
                self.b.set(slot::cr_bit(4 + k), bit);
            }
        }
        Out::Next
    }

    /// Does an operation in the helper, which sets VSR `target` (its doubleword 0) and FPSCR.
    pub(super) fn fp_helper(&mut self, code: u32, target: u32, args: [Value; 3]) {
        self.settle_fp();
        let word = self.b.i32(code | target << 16);
        let args = args.map(|v| self.b.bitcast(Ty::I64, v));
        let id = if self.fp_exact() {
            helper::FP_TRAPPING
        } else {
            helper::FP
        };
        self.call(id, &[word, args[0], args[1], args[2]]);
    }

    /// One scalar operation inline: notes it for FPSCR and gives its result.
    pub(super) fn fp_inline(
        &mut self,
        ir: Op,
        code: u32,
        imm: i64,
        single: bool,
        v: [Value; 3],
    ) -> Value {
        let imm = imm | i64::from(single);
        let r = self.b.fop(ir, Ty::F64, 0, SCALAR, v, imm);
        let flag = if single { SINGLE } else { 0 };
        self.note_fp(code | flag, v);
        r
    }

    fn fp_binary(
        &mut self,
        ir: Op,
        code: u32,
        single: bool,
        rt: u32,
        [a, b]: [u32; 2],
        rec: bool,
    ) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let (x, y) = (self.fpr(a), self.fpr(b));
        if self.fp_exact() {
            let flag = if single { SINGLE } else { 0 };
            self.fp_helper(code | flag, rt, [x, y, y]);
        } else {
            let r = self.fp_inline(ir, code, 0, single, [x, y, NONE]);
            self.set_fpr(rt, r);
        }
        self.fp_record(rec)
    }

    fn fp_fused(
        &mut self,
        code: u32,
        signs: i64,
        single: bool,
        rt: u32,
        regs: [u32; 3],
        rec: bool,
    ) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let v = regs.map(|n| self.fpr(n));
        if self.fp_exact() {
            let flag = if single { SINGLE } else { 0 };
            self.fp_helper(code | flag, rt, v);
        } else {
            let r = self.fp_inline(Op::FMulAdd, code, signs, single, v);
            self.set_fpr(rt, r);
        }
        self.fp_record(rec)
    }

    pub(super) fn fsqrt(&mut self, a: args::Fsqrt) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let x = self.fpr(a.rb);
        if self.fp_exact() {
            let flag = if a.single { SINGLE } else { 0 };
            self.fp_helper(op::SQRT | flag, a.rt, [x, x, x]);
        } else {
            let r = self.fp_inline(Op::FSqrt, op::SQRT, 0, a.single, [x, NONE, NONE]);
            self.set_fpr(a.rt, r);
        }
        self.fp_record(a.rec)
    }

    fn estimate(&mut self, code: u32, single: bool, rt: u32, rb: u32, rec: bool) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let x = self.fpr(rb);
        let flag = if single { SINGLE } else { 0 };
        self.fp_helper(code | flag, rt, [x, x, x]);
        self.fp_record(rec)
    }

    pub(super) fn fre(&mut self, a: args::Fre) -> Out {
        self.estimate(op::RE, a.single, a.rt, a.rb, a.rec)
    }

    pub(super) fn frsqrte(&mut self, a: args::Frsqrte) -> Out {
        self.estimate(op::RSQRTE, a.single, a.rt, a.rb, a.rec)
    }

    pub(super) fn fcpsgn(&mut self, a: args::Fcpsgn) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let (s, x) = (self.fpr(a.ra), self.fpr(a.rb));
        let r = self.copy_sign(s, x);
        self.set_fpr(a.rt, r);
        self.fp_record(a.rec)
    }

    /// `x` with the sign of `s`.
    pub(super) fn copy_sign(&mut self, s: Value, x: Value) -> Value {
        let s = self.b.bitcast(Ty::I64, s);
        let x = self.b.bitcast(Ty::I64, x);
        let s = self.shift(Op::Shr, s, 63);
        let r = self.b.deposit(Ty::I64, x, s, 63, 1);
        self.b.bitcast(Ty::F64, r)
    }

    pub(super) fn fmrgew(&mut self, a: args::Fmrgew) -> Out {
        self.merge_words(a.rt, a.ra, a.rb, true)
    }

    pub(super) fn fmrgow(&mut self, a: args::Fmrgow) -> Out {
        self.merge_words(a.rt, a.ra, a.rb, false)
    }

    fn merge_words(&mut self, rt: u32, ra: u32, rb: u32, even: bool) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let word = |t: &mut Self, n| {
            let v = t.fpr(n);
            let v = t.b.bitcast(Ty::I64, v);
            let op = if even { Op::Hi32 } else { Op::Trunc };
            t.b.un(op, Ty::I32, v)
        };
        let (hi, lo) = (word(self, ra), word(self, rb));
        let r = self.b.bin(Op::Concat, Ty::I64, lo, hi);
        let r = self.b.bitcast(Ty::F64, r);
        self.set_fpr(rt, r);
        Out::Next
    }

    /// frc if fra >= 0, else (and for NaNs) frb; no flags.
    pub(super) fn fsel(&mut self, a: args::Fsel) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let (x, y, z) = (self.fpr(a.ra), self.fpr(a.rb), self.fpr(a.rc));
        // Not a NaN and not negative, or a zero: on the bits. Shifted left, magnitudes up to infinity pass; the
        // sign must be clear unless the magnitude is 0.
        let bits = self.b.bitcast(Ty::I64, x);
        let magnitude = self.shift(Op::Shl, bits, 1);
        let infinity = self.b.i64(0xffe0 << 48);
        let zero = self.b.i64(0);
        let number = self.b.icmp(Cond::Ls, magnitude, infinity);
        let positive = self.b.icmp(Cond::Ge, bits, zero);
        let is_zero = self.b.icmp(Cond::Eq, magnitude, zero);
        let ok = self.b.bin(Op::Or, Ty::I32, positive, is_zero);
        let ok = self.b.bin(Op::And, Ty::I32, ok, number);
        let r = self.b.sel(ok, z, y);
        self.set_fpr(a.rt, r);
        self.fp_record(a.rec)
    }

    // ---- comparisons ----

    pub(super) fn fcmpu(&mut self, a: args::Fcmpu) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let (x, y) = (self.fpr(a.ra), self.fpr(a.rb));
        self.fp_compare(a.bf, x, y, false)
    }

    pub(super) fn fcmpo(&mut self, a: args::Fcmpo) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let (x, y) = (self.fpr(a.ra), self.fpr(a.rb));
        self.fp_compare(a.bf, x, y, true)
    }

    pub(super) fn fp_compare(&mut self, bf: u32, x: Value, y: Value, ordered: bool) -> Out {
        if self.fp_exact() {
            let code = if ordered { op::CMPO } else { op::CMPU };
            self.fp_helper(code, bf, [x, y, y]);
            return Out::Next;
        }
        let cc = self.b.op(
            Op::CcFcmp,
            Ty::Cc,
            u8::from(ordered),
            SCALAR,
            [x, y, NONE],
            0,
        );
        for (k, cond) in [Cond::Mi, Cond::Gt, Cond::Eq, Cond::Vs]
            .into_iter()
            .enumerate()
        {
            let bit = self.b.cc_test(cc, cond);
            self.b.set(slot::cr_bit(4 * bf + k as u32), bit);
        }
        self.note_compare(x, y);
        Out::Next
    }

    /// The tests that decide whether software division or square root is safe: CR only.
    fn fp_test(&mut self, code: u32, bf: u32, x: Value, y: Value) -> Out {
        let what = self.b.i32(code);
        let (x, y) = (self.b.bitcast(Ty::I64, x), self.b.bitcast(Ty::I64, y));
        let r = self.call(helper::BITS, &[x, y, what]);
        let r = self.low32(r);
        for k in 0..4 {
            let bit = self.b.extract(Ty::I32, r, 3 - k, 1);
            self.b.set(slot::cr_bit(4 * bf + k), bit);
        }
        Out::Next
    }

    pub(super) fn ftdiv(&mut self, a: args::Ftdiv) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let (x, y) = (self.fpr(a.ra), self.fpr(a.rb));
        self.fp_test(helper::bits::TEST_DIV, a.bf, x, y)
    }

    pub(super) fn ftsqrt(&mut self, a: args::Ftsqrt) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let x = self.fpr(a.rb);
        self.fp_test(helper::bits::TEST_SQRT, a.bf, x, x)
    }

    pub(super) fn dfp(&mut self) -> Out {
        self.unimplemented("decimal floating point")
    }
}
