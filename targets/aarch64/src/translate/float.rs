//! Scalar floating point: registers, arithmetic, comparison, moves. [ARMv8 C4.1.6, C7.2]

use tcg_ir::{Op, Ty, Value};

use super::operand::ity;
use super::{Out, Translator};
use crate::decode::{self, args};
use crate::helper;
use crate::helper::fp;
use crate::state::slot;
use tcg_softfloat::lanes::{Desc, Soft};

const NONE: Value = Value::NONE;

/// The type field's half precision.
pub(super) const HALF: u32 = 3;

/// The IR type of single and double precision.
pub(super) const fn fty(ty: u32) -> Ty {
    if ty == 0 { Ty::F32 } else { Ty::F64 }
}

/// Log2 of bytes of a type field's format.
pub(super) const fn fsize(ty: u32) -> u32 {
    match ty {
        0 => 2,
        1 => 3,
        _ => 1,
    }
}

/// Handlers "rd = op(rn, rm)".
macro_rules! binary {
    ($($name:ident $Name:ident $op:ident $soft:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let r = if a.ty == HALF {
                let (x, y) = (self.b.get(slot::v(a.rn)), self.b.get(slot::v(a.rm)));
                self.soft(Desc::new(Soft::$soft, 1, 1), [x, y, y])
            } else {
                let (x, y) = (self.fget(a.ty, a.rn), self.fget(a.ty, a.rm));
                self.fop(Op::$op, a.ty, [x, y, NONE])
            };
            self.set_scalar(a.rd, r);
            Out::Next
        }
    )*};
}

impl Translator<'_> {
    /// Vd becomes the value, zero-extended to 128 bits.
    pub(super) fn set_scalar(&mut self, d: u32, value: Value) {
        let v = self.b.bitcast(Ty::V128, value);
        self.b.set(slot::v(d), v);
    }

    /// Single or double precision operand.
    pub(super) fn fget(&mut self, ty: u32, n: u32) -> Value {
        self.b.get(slot::part(n, fty(ty)))
    }

    pub(super) fn fop(&mut self, op: Op, ty: u32, args: [Value; 3]) -> Value {
        self.b.fop(op, fty(ty), 0, 0, args, 0)
    }

    /// An operation of the soft float on lanes of vectors.
    pub(super) fn soft(&mut self, desc: Desc, args: [Value; 3]) -> Value {
        let packed = self.b.i64(fp::pack(desc, self.mode));
        let args = args.map(|v| self.b.bitcast(Ty::V128, v));
        let args = [args[0], args[1], args[2], packed];
        self.b.call(helper::SOFT, helper::def(helper::SOFT), &args)
    }

    /// The low half-precision lane of a register as a zero-extended integer.
    pub(super) fn half(&mut self, n: u32) -> Value {
        let v = self.b.get(slot::part(n, Ty::F32));
        let v = self.b.bitcast(Ty::I32, v);
        self.b.un(Op::Zext16, Ty::I32, v)
    }

    binary! {
        fadd Fadd FAdd Add;
        fsub Fsub FSub Sub;
        fmul Fmul FMul Mul;
        fdiv Fdiv FDiv Div;
        fmax Fmax FMax Max;
        fmin Fmin FMin Min;
        fmaxnm Fmaxnm FMaxNum MaxNum;
        fminnm Fminnm FMinNum MinNum;
    }

    pub(super) fn fnmul(&mut self, a: args::Fnmul) -> Out {
        if a.ty == HALF {
            let (x, y) = (self.b.get(slot::v(a.rn)), self.b.get(slot::v(a.rm)));
            let r = self.soft(Desc::new(Soft::Mul, 1, 1), [x, y, y]);
            let r = self.flip_half_sign(r);
            self.set_scalar(a.rd, r);
            return Out::Next;
        }
        let (x, y) = (self.fget(a.ty, a.rn), self.fget(a.ty, a.rm));
        let p = self.fop(Op::FMul, a.ty, [x, y, NONE]);
        let r = self.b.un(Op::FNeg, fty(a.ty), p);
        self.set_scalar(a.rd, r);
        Out::Next
    }

    fn flip_half_sign(&mut self, v: Value) -> Value {
        let sign = self.b.vconst(Ty::V128, 0x8000);
        self.vlane(Op::VXor, Ty::V128, 1, v, sign)
    }

    /// ±ra ± rn * rm, rounded once. The manual negates operands, NaNs included.
    pub(super) fn fmadd(&mut self, a: args::Fmadd) -> Out {
        let (negate_n, negate_a) = (a.negate != a.sub, a.negate);
        if a.ty == HALF {
            let mut x = self.b.get(slot::v(a.rn));
            let y = self.b.get(slot::v(a.rm));
            let mut z = self.b.get(slot::v(a.ra));
            if negate_n {
                x = self.flip_half_sign(x);
            }
            if negate_a {
                z = self.flip_half_sign(z);
            }
            let r = self.soft(Desc::new(Soft::MulAdd, 1, 1), [x, y, z]);
            self.set_scalar(a.rd, r);
            return Out::Next;
        }
        let (mut x, y) = (self.fget(a.ty, a.rn), self.fget(a.ty, a.rm));
        let mut z = self.fget(a.ty, a.ra);
        if negate_n {
            x = self.b.un(Op::FNeg, fty(a.ty), x);
        }
        if negate_a {
            z = self.b.un(Op::FNeg, fty(a.ty), z);
        }
        let r = self.fop(Op::FMulAdd, a.ty, [x, y, z]);
        self.set_scalar(a.rd, r);
        Out::Next
    }

    // ---- one operand ----

    pub(super) fn fmov_reg(&mut self, a: args::FmovReg) -> Out {
        let v = match a.ty {
            HALF => self.half(a.rn),
            _ => self.fget(a.ty, a.rn),
        };
        self.set_scalar(a.rd, v);
        Out::Next
    }

    pub(super) fn fabs(&mut self, a: args::Fabs) -> Out {
        let v = if a.ty == HALF {
            let h = self.half(a.rn);
            self.with_const(Op::And, Ty::I32, h, 0x7fff)
        } else {
            let x = self.fget(a.ty, a.rn);
            self.b.un(Op::FAbs, fty(a.ty), x)
        };
        self.set_scalar(a.rd, v);
        Out::Next
    }

    pub(super) fn fneg(&mut self, a: args::Fneg) -> Out {
        let v = if a.ty == HALF {
            let h = self.half(a.rn);
            self.with_const(Op::Xor, Ty::I32, h, 0x8000)
        } else {
            let x = self.fget(a.ty, a.rn);
            self.b.un(Op::FNeg, fty(a.ty), x)
        };
        self.set_scalar(a.rd, v);
        Out::Next
    }

    pub(super) fn fsqrt(&mut self, a: args::Fsqrt) -> Out {
        let r = if a.ty == HALF {
            let x = self.b.get(slot::v(a.rn));
            self.soft(Desc::new(Soft::Sqrt, 1, 1), [x, x, x])
        } else {
            let x = self.fget(a.ty, a.rn);
            self.fop(Op::FSqrt, a.ty, [x, NONE, NONE])
        };
        self.set_scalar(a.rd, r);
        Out::Next
    }

    pub(super) fn fmov_imm(&mut self, a: args::FmovImm) -> Out {
        let bits = decode::fp_imm(fsize(a.ty), a.imm);
        let v = self.b.vconst(Ty::V128, u128::from(bits));
        self.b.set(slot::v(a.rd), v);
        Out::Next
    }

    // ---- comparison ----

    /// N, Z, C, V of a comparison, each for a slot. `y` absent: with zero.
    fn compare_flags(&mut self, ty: u32, n: u32, m: Option<u32>, signalling: bool) -> Value {
        let x = self.fget(ty, n);
        let y = match m {
            Some(m) => self.fget(ty, m),
            None => self.b.vconst(fty(ty), 0),
        };
        self.b
            .op(Op::CcFcmp, Ty::Cc, u8::from(signalling), 0, [x, y, NONE], 0)
    }

    /// The same of half precision: the flags as four bits of an integer.
    fn compare_half(&mut self, n: u32, m: Option<u32>, signalling: bool) -> [Value; 4] {
        let x = self.b.get(slot::v(n));
        let y = match m {
            Some(m) => self.b.get(slot::v(m)),
            None => self.b.vconst(Ty::V128, 0),
        };
        let desc = Desc {
            flag: signalling,
            ..Desc::new(Soft::Compare, 1, 1)
        };
        let r = self.soft(desc, [x, y, y]);
        let bits = self.b.vun(Op::VGet, Ty::I32, 2, r, 0);
        [3, 2, 1, 0].map(|bit| self.b.extract(Ty::I32, bits, bit, 1))
    }

    fn set_flags(&mut self, flags: [Value; 4]) {
        for (slot, v) in [slot::N, slot::Z, slot::C, slot::V].into_iter().zip(flags) {
            self.b.set(slot, v);
        }
    }

    fn fcompare(&mut self, ty: u32, n: u32, m: Option<u32>, signalling: bool) -> Out {
        if ty == HALF {
            let flags = self.compare_half(n, m, signalling);
            self.set_flags(flags);
        } else {
            let cc = self.compare_flags(ty, n, m, signalling);
            self.set_nzcv(cc);
        }
        Out::Next
    }

    pub(super) fn fcmp(&mut self, a: args::Fcmp) -> Out {
        self.fcompare(a.ty, a.rn, Some(a.rm), a.e)
    }

    pub(super) fn fcmp_zero(&mut self, a: args::FcmpZero) -> Out {
        self.fcompare(a.ty, a.rn, None, a.e)
    }

    /// The comparison happens, and raises its flags, only if the condition holds: a comparison that nobody asked
    /// for is one of zeros.
    pub(super) fn fccmp(&mut self, a: args::Fccmp) -> Out {
        let c = self.condition(a.cond as u8);
        if a.ty == HALF {
            let ones = self.b.un(Op::Neg, Ty::I32, c);
            let mask = self.b.un(Op::Zext16, Ty::I32, ones);
            let (x, y) = (self.half(a.rn), self.half(a.rm));
            let x = self.b.bin(Op::And, Ty::I32, x, mask);
            let y = self.b.bin(Op::And, Ty::I32, y, mask);
            let (x, y) = (self.b.bitcast(Ty::V128, x), self.b.bitcast(Ty::V128, y));
            let desc = Desc {
                flag: a.e,
                ..Desc::new(Soft::Compare, 1, 1)
            };
            let r = self.soft(desc, [x, y, y]);
            let bits = self.b.vun(Op::VGet, Ty::I32, 2, r, 0);
            let other = self.b.i32(a.nzcv);
            let bits = self.b.sel(c, bits, other);
            let flags = [3, 2, 1, 0].map(|bit| self.b.extract(Ty::I32, bits, bit, 1));
            self.set_flags(flags);
            return Out::Next;
        }
        let ty = fty(a.ty);
        let zero = self.b.vconst(ty, 0);
        let (x, y) = (self.fget(a.ty, a.rn), self.fget(a.ty, a.rm));
        let (x, y) = (self.b.sel(c, x, zero), self.b.sel(c, y, zero));
        self.set_nzcv_if(c, a.nzcv, |t| {
            t.b.op(Op::CcFcmp, Ty::Cc, u8::from(a.e), 0, [x, y, NONE], 0)
        });
        Out::Next
    }

    pub(super) fn fcsel(&mut self, a: args::Fcsel) -> Out {
        let c = self.condition(a.cond as u8);
        let (x, y) = match a.ty {
            HALF => (self.half(a.rn), self.half(a.rm)),
            ty => (self.fget(ty, a.rn), self.fget(ty, a.rm)),
        };
        let r = self.b.sel(c, x, y);
        self.set_scalar(a.rd, r);
        Out::Next
    }

    // ---- moves between register files ----

    pub(super) fn fmov_to_int(&mut self, a: args::FmovToInt) -> Out {
        let v = match a.size {
            1 => self.half(a.rn),
            size => {
                let ty = if size == 3 { Ty::F64 } else { Ty::F32 };
                let v = self.b.get(slot::part(a.rn, ty));
                self.b.bitcast(ity(size == 3), v)
            }
        };
        self.set_reg(a.rd, v);
        Out::Next
    }

    pub(super) fn fmov_from_int(&mut self, a: args::FmovFromInt) -> Out {
        let x = self.reg(a.size == 3, a.rn);
        let v = match a.size {
            1 => self.b.un(Op::Zext16, Ty::I32, x),
            3 => self.b.bitcast(Ty::F64, x),
            _ => self.b.bitcast(Ty::F32, x),
        };
        self.set_scalar(a.rd, v);
        Out::Next
    }

    pub(super) fn fmov_high_to(&mut self, a: args::FmovHighTo) -> Out {
        let v = self.b.get(slot::high(a.rn, Ty::F64));
        let v = self.b.bitcast(Ty::I64, v);
        self.set_reg(a.rd, v);
        Out::Next
    }

    pub(super) fn fmov_high_from(&mut self, a: args::FmovHighFrom) -> Out {
        let x = self.reg(true, a.rn);
        let old = self.b.get(slot::v(a.rd));
        let v = self.b.vbin(Op::VSet, Ty::V128, 3, old, x, 1);
        self.b.set(slot::v(a.rd), v);
        Out::Next
    }
}
