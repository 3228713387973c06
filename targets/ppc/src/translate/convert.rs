//! Floating-point rounding and conversions of floating-point registers. [PowerISA I.4.6.7]

use tcg_ir::{FpRound, Op, Ty, Value};

use super::fp::SCALAR;
use super::{NONE, Out, Translator};
use crate::decode::args;
use crate::fpscr::op;

/// `imm` of conversions to integers.
const fn to_int(width: i64) -> i64 {
    1 << 8 | width << 16
}

impl Translator<'_> {
    /// frt = f(frb), inline unless exceptions are enabled.
    fn convert(
        &mut self,
        code: u32,
        rt: u32,
        rb: u32,
        rec: bool,
        f: impl FnOnce(&mut Self, Value) -> Value,
    ) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let x = self.fpr(rb);
        if self.fp_exact() {
            self.fp_helper(code, rt, [x, x, x]);
        } else {
            let r = f(self, x);
            self.note_fp(code, [x, NONE, NONE]);
            self.set_fpr(rt, r);
        }
        self.fp_record(rec)
    }

    /// A double rounded to single precision, still a double.
    pub(super) fn round_single(&mut self, x: Value) -> Value {
        let s = self.b.fop(Op::FCvt, Ty::F32, 0, SCALAR, [x, NONE, NONE], 0);
        self.b.un(Op::FWiden, Ty::F64, s)
    }

    /// A double as a signed integer of `width` bits, in a double's place.
    pub(super) fn integer_of(&mut self, x: Value, width: i64, round: FpRound) -> Value {
        let ty = if width == 64 { Ty::I64 } else { Ty::I32 };
        let v = [x, NONE, NONE];
        let i = self
            .b
            .fop(Op::FToI, ty, round as u8, SCALAR, v, to_int(width));
        let i = match ty {
            Ty::I32 => self.b.un(Op::SextI64, Ty::I64, i),
            _ => i,
        };
        self.b.bitcast(Ty::F64, i)
    }

    /// The integer in a double's place as a floating-point number.
    pub(super) fn float_of(&mut self, x: Value, single: bool) -> Value {
        let i = self.b.bitcast(Ty::I64, x);
        let ty = if single { Ty::F32 } else { Ty::F64 };
        let v = [i, NONE, NONE];
        let r = self
            .b
            .fop(Op::FFromI, ty, FpRound::Current as u8, SCALAR, v, 1 << 8);
        match single {
            true => self.b.un(Op::FWiden, Ty::F64, r),
            false => r,
        }
    }

    pub(super) fn frsp(&mut self, a: args::Frsp) -> Out {
        self.convert(op::RSP, a.rt, a.rb, a.rec, |t, x| t.round_single(x))
    }

    pub(super) fn fctid(&mut self, a: args::Fctid) -> Out {
        self.convert(op::CTID, a.rt, a.rb, a.rec, |t, x| {
            t.integer_of(x, 64, FpRound::Current)
        })
    }

    pub(super) fn fctidz(&mut self, a: args::Fctidz) -> Out {
        self.convert(op::CTIDZ, a.rt, a.rb, a.rec, |t, x| {
            t.integer_of(x, 64, FpRound::Zero)
        })
    }

    pub(super) fn fctiw(&mut self, a: args::Fctiw) -> Out {
        self.convert(op::CTIW, a.rt, a.rb, a.rec, |t, x| {
            t.integer_of(x, 32, FpRound::Current)
        })
    }

    pub(super) fn fctiwz(&mut self, a: args::Fctiwz) -> Out {
        self.convert(op::CTIWZ, a.rt, a.rb, a.rec, |t, x| {
            t.integer_of(x, 32, FpRound::Zero)
        })
    }

    pub(super) fn fcfid(&mut self, a: args::Fcfid) -> Out {
        self.convert(op::CFID, a.rt, a.rb, a.rec, |t, x| t.float_of(x, false))
    }

    pub(super) fn fcfids(&mut self, a: args::Fcfids) -> Out {
        self.convert(op::CFIDS, a.rt, a.rb, a.rec, |t, x| t.float_of(x, true))
    }
}
