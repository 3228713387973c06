//! Floating-point loads, stores, arithmetic, comparison. [RISC-V f, d, zfh, zfa]
//!
//! What the block's regime computes becomes IR; other rounding modes and half precision go through a helper.

use tcg_ir::{Cond, FpRound, MemFlags, Op, Ty, Value};

use super::fregs::{DOUBLE, HALF, SINGLE, type_of};
use super::{Out, Translator};
use crate::decode::args;
use crate::helper::{self, FloatOp};
use crate::state::{rounding, slot};

const NONE: Value = Value::NONE;

/// `imm` of the minimum that takes any NaN for missing.
const NUMBER_2019: i64 = 1;

macro_rules! two_operands {
    ($($name:ident $Name:ident = $op:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let Some(round) = self.rounding(a.rm) else {
                return self.illegal();
            };
            let (x, y) = (self.f(a.rs1, a.fmt), self.f(a.rs2, a.fmt));
            let v = if self.is_native(a.fmt, round) {
                self.b.fop(Op::$op, type_of(a.fmt), 0, 0, [x, y, NONE], 0)
            } else {
                self.float_helper(FloatOp::$op, a.fmt, round, &[x, y], type_of(a.fmt))
            };
            self.set_f(a.rd, a.fmt, v);
            Out::Next
        }
    )*};
}

macro_rules! fused {
    ($($name:ident $Name:ident = $negate_product:expr, $negate_sum:expr;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let Some(round) = self.rounding(a.rm) else {
                return self.illegal();
            };
            let fmt = a.fmt;
            let mut x = self.f(a.rs1, fmt);
            let (y, mut z) = (self.f(a.rs2, fmt), self.f(a.rs3, fmt));
            if $negate_product {
                x = self.negated(x, fmt);
            }
            if $negate_sum {
                z = self.negated(z, fmt);
            }
            let v = if self.is_native(fmt, round) {
                self.b.fop(Op::FMulAdd, type_of(fmt), 0, 0, [x, y, z], 0)
            } else {
                self.float_helper(FloatOp::FMulAdd, fmt, round, &[x, y, z], type_of(fmt))
            };
            self.set_f(a.rd, fmt, v);
            Out::Next
        }
    )*};
}

macro_rules! selections {
    ($($name:ident $Name:ident = $op:ident, $imm:expr, $half:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let (x, y) = (self.f(a.rs1, a.fmt), self.f(a.rs2, a.fmt));
            let v = if a.fmt == HALF {
                self.float_helper(FloatOp::$half, HALF, FpRound::Nearest, &[x, y], Ty::I32)
            } else {
                self.b.fop(Op::$op, type_of(a.fmt), 0, 0, [x, y, NONE], $imm)
            };
            self.set_f(a.rd, a.fmt, v);
            Out::Next
        }
    )*};
}

macro_rules! comparisons {
    ($($name:ident $Name:ident = $cond:ident, $signalling:expr, $half:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let (x, y) = (self.f(a.rs1, a.fmt), self.f(a.rs2, a.fmt));
            let v = if a.fmt == HALF {
                self.float_helper(FloatOp::$half, HALF, FpRound::Nearest, &[x, y], Ty::I32)
            } else {
                let cc = self.b.op(Op::CcFcmp, Ty::Cc, $signalling, 0, [x, y, NONE], 0);
                self.b.cc_test(cc, Cond::$cond)
            };
            let v = self.widened(v);
            self.set_x(a.rd, v);
            Out::Next
        }
    )*};
}

impl Translator<'_> {
    two_operands! {
        fadd Fadd = FAdd;
        fsub Fsub = FSub;
        fmul Fmul = FMul;
        fdiv Fdiv = FDiv;
    }

    fused! {
        fmadd Fmadd = false, false;
        fmsub Fmsub = false, true;
        fnmsub Fnmsub = true, false;
        fnmadd Fnmadd = true, true;
    }

    selections! {
        fmin Fmin = FMinNum, NUMBER_2019, MinNumber;
        fmax Fmax = FMaxNum, NUMBER_2019, MaxNumber;
        fminm Fminm = FMin, 0, Min;
        fmaxm Fmaxm = FMax, 0, Max;
    }

    comparisons! {
        feq Feq = Eq, 0, Equal;
        flt Flt = Lo, 1, Less;
        fle Fle = Ls, 1, LessEqual;
        fltq Fltq = Lo, 0, LessQuiet;
        fleq Fleq = Ls, 0, LessEqualQuiet;
    }

    /// The rounding mode that an instruction names; `None`: it is illegal. [RISC-V f.2]
    pub(super) fn rounding(&self, rm: u32) -> Option<FpRound> {
        rounding(if rm == 7 { self.mode.frm() } else { rm })
    }

    /// Whether IR arithmetic of the block's regime computes this.
    pub(super) fn is_native(&self, fmt: u32, round: FpRound) -> bool {
        fmt != HALF && self.b.block.fp[0].round == round
    }

    /// A computation out of line. Operands and result as [`Translator::f`] has them, or integers.
    pub(super) fn float_helper(
        &mut self,
        op: FloatOp,
        fmt: u32,
        round: FpRound,
        operands: &[Value],
        result: Ty,
    ) -> Value {
        let mut args = [NONE; 4];
        for (k, arg) in args.iter_mut().take(3).enumerate() {
            *arg = match operands.get(k) {
                Some(v) => self.raw_bits(*v),
                None => self.b.i64(0),
            };
        }
        args[3] = self.b.i32(helper::describe(op, fmt, round));
        let id = helper::FLOAT;
        let v = self.b.call(id, helper::def(id), &args);
        match result {
            Ty::I64 => v,
            Ty::F64 => self.b.bitcast(Ty::F64, v),
            other => {
                let low = self.b.un(Op::Trunc, Ty::I32, v);
                self.b.bitcast(other, low)
            }
        }
    }

    /// The bits of any value, zero-extended to I64.
    fn raw_bits(&mut self, v: Value) -> Value {
        match self.b.block.ty(v) {
            Ty::I64 => v,
            Ty::F64 => self.b.bitcast(Ty::I64, v),
            _ => {
                let v = self.b.bitcast(Ty::I32, v);
                self.b.un(Op::ZextI64, Ty::I64, v)
            }
        }
    }

    pub(super) fn negated(&mut self, v: Value, fmt: u32) -> Value {
        if fmt == HALF {
            let sign = self.b.i32(0x8000);
            return self.b.bin(Op::Xor, Ty::I32, v, sign);
        }
        self.b.un(Op::FNeg, type_of(fmt), v)
    }

    // ---- loads and stores ----

    pub(super) fn fload(&mut self, a: args::Fload) -> Out {
        let addr = self.addr(a.rs1, a.imm);
        match a.fmt {
            SINGLE => {
                let v = self.b.load(Ty::F32, addr, MemFlags::size(2));
                self.set_single(a.rd, v);
            }
            DOUBLE => {
                let v = self.b.load(Ty::F64, addr, MemFlags::size(3));
                self.set_double(a.rd, v);
            }
            _ => {
                let v = self.b.load(Ty::I32, addr, MemFlags::size(1));
                self.set_half(a.rd, v);
            }
        }
        Out::Next
    }

    pub(super) fn fstore(&mut self, a: args::Fstore) -> Out {
        let addr = self.addr(a.rs1, a.imm);
        match a.fmt {
            SINGLE => {
                let v = self.b.get(slot::f32(a.rs2));
                self.b.store(addr, v, MemFlags::size(2));
            }
            DOUBLE => {
                let v = self.double(a.rs2);
                self.b.store(addr, v, MemFlags::size(3));
            }
            _ => {
                let v = self.low_bits(a.rs2);
                self.b.store(addr, v, MemFlags::size(1));
            }
        }
        Out::Next
    }

    /// The low half of a register, whatever is above it.
    pub(super) fn low_bits(&mut self, n: u32) -> Value {
        let v = self.b.get(slot::f32(n));
        self.b.bitcast(Ty::I32, v)
    }

    // ---- the rest of the arithmetic ----

    pub(super) fn fsqrt(&mut self, a: args::Fsqrt) -> Out {
        let Some(round) = self.rounding(a.rm) else {
            return self.illegal();
        };
        let x = self.f(a.rs1, a.fmt);
        let v = if self.is_native(a.fmt, round) {
            self.b
                .fop(Op::FSqrt, type_of(a.fmt), 0, 0, [x, NONE, NONE], 0)
        } else {
            self.float_helper(FloatOp::FSqrt, a.fmt, round, &[x], type_of(a.fmt))
        };
        self.set_f(a.rd, a.fmt, v);
        Out::Next
    }

    pub(super) fn fsgnj(&mut self, a: args::Fsgnj) -> Out {
        if a.rs1 == a.rs2 {
            let v = self.f(a.rs1, a.fmt);
            self.set_f(a.rd, a.fmt, v);
            return Out::Next;
        }
        self.sign_injected(a.rd, a.rs1, a.rs2, a.fmt, |t, ty, y| {
            let _ = (t, ty);
            y
        })
    }

    pub(super) fn fsgnjn(&mut self, a: args::Fsgnjn) -> Out {
        if a.rs1 == a.rs2 {
            let v = self.f(a.rs1, a.fmt);
            let v = self.negated(v, a.fmt);
            self.set_f(a.rd, a.fmt, v);
            return Out::Next;
        }
        self.sign_injected(a.rd, a.rs1, a.rs2, a.fmt, |t, ty, y| t.b.un(Op::Not, ty, y))
    }

    pub(super) fn fsgnjx(&mut self, a: args::Fsgnjx) -> Out {
        if a.rs1 == a.rs2 && a.fmt != HALF {
            let v = self.f(a.rs1, a.fmt);
            let v = self.b.un(Op::FAbs, type_of(a.fmt), v);
            self.set_f(a.rd, a.fmt, v);
            return Out::Next;
        }
        let x = self.f(a.rs1, a.fmt);
        self.sign_injected(a.rd, a.rs1, a.rs2, a.fmt, |t, ty, y| {
            let x = t.b.bitcast(ty, x);
            t.b.bin(Op::Xor, ty, x, y)
        })
    }

    /// rs1 with the sign that `sign` makes of rs2's bits.
    fn sign_injected(
        &mut self,
        rd: u32,
        rs1: u32,
        rs2: u32,
        fmt: u32,
        sign: impl FnOnce(&mut Self, Ty, Value) -> Value,
    ) -> Out {
        let ty = if fmt == DOUBLE { Ty::I64 } else { Ty::I32 };
        let bit = match fmt {
            SINGLE => 1 << 31,
            DOUBLE => 1 << 63,
            _ => 1u64 << 15,
        };
        let (x, y) = (self.f(rs1, fmt), self.f(rs2, fmt));
        let (x, y) = (self.b.bitcast(ty, x), self.b.bitcast(ty, y));
        let s = sign(self, ty, y);
        let mask = self.b.iconst(ty, bit);
        let s = self.b.bin(Op::And, ty, s, mask);
        let rest = self.b.bin(Op::AndNot, ty, x, mask);
        let v = self.b.bin(Op::Or, ty, rest, s);
        let v = self.b.bitcast(type_of(fmt), v);
        self.set_f(rd, fmt, v);
        Out::Next
    }

    pub(super) fn fclass(&mut self, a: args::Fclass) -> Out {
        let x = self.f(a.rs1, a.fmt);
        let v = self.float_helper(FloatOp::Class, a.fmt, FpRound::Nearest, &[x], self.ty);
        self.set_x(a.rd, v);
        Out::Next
    }

    pub(super) fn fround(&mut self, a: args::Fround) -> Out {
        self.round_to_integral(a.rd, a.rs1, a.rm, a.fmt, false)
    }

    pub(super) fn froundnx(&mut self, a: args::Froundnx) -> Out {
        self.round_to_integral(a.rd, a.rs1, a.rm, a.fmt, true)
    }

    fn round_to_integral(&mut self, rd: u32, rs1: u32, rm: u32, fmt: u32, exact: bool) -> Out {
        let Some(round) = self.rounding(rm) else {
            return self.illegal();
        };
        let x = self.f(rs1, fmt);
        let v = if fmt == HALF {
            let op = if exact {
                FloatOp::RoundExact
            } else {
                FloatOp::Round
            };
            self.float_helper(op, HALF, round, &[x], Ty::I32)
        } else {
            let args = [x, NONE, NONE];
            let exact = i64::from(exact);
            self.b
                .fop(Op::FRound, type_of(fmt), round as u8, 0, args, exact)
        };
        self.set_f(rd, fmt, v);
        Out::Next
    }
}
