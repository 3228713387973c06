//! Conversions and moves between floating-point and integer registers, and between formats. [RISC-V f, d, zfh, zfa]

use tcg_ir::{FpRound, Op, Ty, Value};

use super::fregs::{DOUBLE, HALF, SINGLE, type_of};
use super::{Out, Translator};
use crate::decode::args;
use crate::helper::{FloatOp, fli_constant};
use crate::state::slot;

const NONE: Value = Value::NONE;

/// `imm` of conversions to integers: a NaN gives the largest number.
const NAN_LARGEST: i64 = 1 << 9;

/// Width and signedness of the integer types w, wu, l, lu.
const fn integer(kind: u32) -> (u32, bool) {
    (if kind < 2 { 32 } else { 64 }, kind & 1 == 0)
}

impl Translator<'_> {
    pub(super) fn fcvt_to_int(&mut self, a: args::FcvtToInt) -> Out {
        let Some(round) = self.rounding(a.rm) else {
            return self.illegal();
        };
        let (width, signed) = integer(a.kind);
        let ty = if width == 64 { Ty::I64 } else { Ty::I32 };
        let x = self.f(a.rs1, a.fmt);
        let v = if a.fmt == HALF {
            let op = FloatOp::to_int(width, signed);
            self.float_helper(op, HALF, round, &[x], ty)
        } else {
            let imm = i64::from(width << 16 | u32::from(signed) << 8) | NAN_LARGEST;
            self.b
                .fop(Op::FToI, ty, round as u8, 0, [x, NONE, NONE], imm)
        };
        let v = if width == 32 { self.extended(v) } else { v };
        self.set_x(a.rd, v);
        Out::Next
    }

    pub(super) fn fcvt_from_int(&mut self, a: args::FcvtFromInt) -> Out {
        let Some(round) = self.rounding(a.rm) else {
            return self.illegal();
        };
        let (width, signed) = integer(a.kind);
        let x = self.x(a.rs1);
        let x = if width == 32 { self.low(x) } else { x };
        let v = if a.fmt == HALF {
            let op = FloatOp::from_int(width, signed);
            self.float_helper(op, HALF, round, &[x], Ty::I32)
        } else {
            // Every 32-bit integer is a double.
            let exact = width == 32 && a.fmt == DOUBLE;
            let round = if exact { FpRound::Current } else { round };
            let imm = i64::from(signed) << 8;
            let args = [x, NONE, NONE];
            self.b
                .fop(Op::FFromI, type_of(a.fmt), round as u8, 0, args, imm)
        };
        self.set_f(a.rd, a.fmt, v);
        Out::Next
    }

    pub(super) fn fcvt_float(&mut self, a: args::FcvtFloat) -> Out {
        let Some(round) = self.rounding(a.rm) else {
            return self.illegal();
        };
        let x = self.f(a.rs1, a.from);
        let none = [x, NONE, NONE];
        let v = match (a.from, a.to) {
            // To a wider format: exact.
            (HALF, to) => self.b.fop(Op::FFromHalf, type_of(to), 0, 0, none, 0),
            (SINGLE, DOUBLE) => self.b.fop(Op::FCvt, Ty::F64, 0, 0, none, 0),
            (DOUBLE, SINGLE) if self.is_native(DOUBLE, round) => {
                self.b.fop(Op::FCvt, Ty::F32, 0, 0, none, 0)
            }
            (DOUBLE, SINGLE) => self.float_helper(FloatOp::ToSingle, DOUBLE, round, &[x], Ty::F32),
            (from, _) => self.float_helper(FloatOp::ToHalf, from, round, &[x], Ty::I32),
        };
        self.set_f(a.rd, a.to, v);
        Out::Next
    }

    pub(super) fn fmv_to_int(&mut self, a: args::FmvToInt) -> Out {
        let v = match a.fmt {
            SINGLE => {
                let v = self.low_bits(a.rs1);
                self.extended(v)
            }
            DOUBLE => self.fbits(a.rs1),
            _ => {
                let v = self.low_bits(a.rs1);
                let v = self.b.un(Op::Sext16, Ty::I32, v);
                self.extended(v)
            }
        };
        self.set_x(a.rd, v);
        Out::Next
    }

    pub(super) fn fmv_from_int(&mut self, a: args::FmvFromInt) -> Out {
        let x = self.x(a.rs1);
        match a.fmt {
            SINGLE => {
                let v = self.low(x);
                self.set_single(a.rd, v);
            }
            DOUBLE => self.set_fbits(a.rd, x),
            _ => {
                let v = self.low(x);
                self.set_half(a.rd, v);
            }
        }
        Out::Next
    }

    pub(super) fn fli(&mut self, a: args::Fli) -> Out {
        let bits = fli_constant(a.imm, a.fmt);
        let v = match a.fmt {
            HALF => self.b.i32(bits as u32),
            fmt => self.b.vconst(type_of(fmt), u128::from(bits)),
        };
        self.set_f(a.rd, a.fmt, v);
        Out::Next
    }

    pub(super) fn fcvtmod_w_d(&mut self, a: args::FcvtmodWD) -> Out {
        let x = self.double(a.rs1);
        let v = self.float_helper(FloatOp::ToIntModular, DOUBLE, FpRound::Zero, &[x], Ty::I32);
        let v = self.extended(v);
        self.set_x(a.rd, v);
        Out::Next
    }

    pub(super) fn fmvh_x_d(&mut self, a: args::FmvhXD) -> Out {
        let v = self.b.get(slot::f_high(a.rs1));
        self.set_x(a.rd, v);
        Out::Next
    }

    pub(super) fn fmvp_d_x(&mut self, a: args::FmvpDX) -> Out {
        let (low, high) = (self.x(a.rs1), self.x(a.rs2));
        let v = self.b.bin(Op::Concat, Ty::I64, low, high);
        self.set_fbits(a.rd, v);
        Out::Next
    }
}
