//! Advanced SIMD on single-precision lanes, always with the standard FPSCR value. [ARMv7 A7.4, A2.7.2]

use tcg_ir::{FpRound, Op, Ty, Value};

use super::fpregs::vty;
use super::vfp::conv_imm;
use super::{Out, Translator};
use crate::decode::args;

/// Floating-point regime of Advanced SIMD instructions.
pub(super) const NEON: u8 = 1;

/// Lanes of 32 bits.
const F32: u8 = 2;

const NONE: Value = Value::NONE;

/// Bits of `imm` that carry the rounding mode of a vector conversion.
const fn rounding(mode: FpRound) -> i64 {
    (mode as i64) << 12
}

macro_rules! three_f {
    ($($name:ident $args:ident $op:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$args) -> Out {
            self.v3(a.quad, a.vd, a.vn, a.vm, |t, ty, x, y| t.vf(Op::$op, ty, x, y))
        }
    )*};
}

macro_rules! pairwise_f {
    ($($name:ident $args:ident $op:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$args) -> Out {
            self.v3(false, a.vd, a.vn, a.vm, |t, ty, x, y| t.vf(Op::$op, ty, x, y))
        }
    )*};
}

impl Translator<'_> {
    pub(super) fn vf(&mut self, op: Op, ty: Ty, x: Value, y: Value) -> Value {
        self.b.fop(op, ty, F32, NEON, [x, y, NONE], 0)
    }

    three_f! {
        vadd_f VaddF VFAdd;
        vsub_f VsubF VFSub;
        vmul_f VmulF VFMul;
        vabd_f VabdF VFAbd;
        vceq_f VceqF VFCmpEq;
        vcge_f VcgeF VFCmpGe;
        vcgt_f VcgtF VFCmpGt;
        vmax_f VmaxF VFMax;
        vmin_f VminF VFMin;
        vmaxnm_f VmaxnmF VFMaxNum;
        vminnm_f VminnmF VFMinNum;
        vrecps Vrecps VFRecps;
        vrsqrts Vrsqrts VFRsqrts;
    }

    pairwise_f! {
        vpadd_f VpaddF VFPadd;
        vpmax_f VpmaxF VFPmax;
        vpmin_f VpminF VFPmin;
    }

    /// vd ± (x * y), rounded twice.
    pub(super) fn vfmac(&mut self, quad: bool, d: u32, x: Value, y: Value, minus: bool) -> Out {
        let acc = self.vget(quad, d);
        let args = [x, y, acc];
        let r = self
            .b
            .fop(Op::VFMla, vty(quad), F32, NEON, args, i64::from(minus));
        self.vset(quad, d, r);
        Out::Next
    }

    pub(super) fn vmla_f(&mut self, a: args::VmlaF) -> Out {
        let (x, y) = (self.vget(a.quad, a.vn), self.vget(a.quad, a.vm));
        self.vfmac(a.quad, a.vd, x, y, false)
    }

    pub(super) fn vmls_f(&mut self, a: args::VmlsF) -> Out {
        let (x, y) = (self.vget(a.quad, a.vn), self.vget(a.quad, a.vm));
        self.vfmac(a.quad, a.vd, x, y, true)
    }

    fn vffma(&mut self, quad: bool, d: u32, n: u32, m: u32, negate: bool) -> Out {
        self.v3(quad, d, n, m, |t, ty, mut x, y| {
            if negate {
                x = t.b.vun(Op::VFNeg, ty, F32, x, 0);
            }
            let acc = t.vget(quad, d);
            t.b.fop(Op::VFMulAdd, ty, F32, NEON, [x, y, acc], 0)
        })
    }

    pub(super) fn vfma_f(&mut self, a: args::VfmaF) -> Out {
        self.vffma(a.quad, a.vd, a.vn, a.vm, false)
    }

    pub(super) fn vfms_f(&mut self, a: args::VfmsF) -> Out {
        self.vffma(a.quad, a.vd, a.vn, a.vm, true)
    }

    fn vabs_compare(&mut self, quad: bool, d: u32, n: u32, m: u32, op: Op) -> Out {
        self.v3(quad, d, n, m, |t, ty, x, y| {
            let x = t.b.vun(Op::VFAbs, ty, F32, x, 0);
            let y = t.b.vun(Op::VFAbs, ty, F32, y, 0);
            t.vf(op, ty, x, y)
        })
    }

    pub(super) fn vacge(&mut self, a: args::Vacge) -> Out {
        self.vabs_compare(a.quad, a.vd, a.vn, a.vm, Op::VFCmpGe)
    }

    pub(super) fn vacgt(&mut self, a: args::Vacgt) -> Out {
        self.vabs_compare(a.quad, a.vd, a.vn, a.vm, Op::VFCmpGt)
    }

    // ---- conversions, rounding, estimates ----

    fn vf1(&mut self, quad: bool, d: u32, m: u32, op: Op, imm: i64) -> Out {
        self.v2(quad, d, m, |t, ty, x| {
            t.b.fop(op, ty, F32, NEON, [x, NONE, NONE], imm)
        })
    }

    fn vconvert(
        &mut self,
        quad: bool,
        d: u32,
        m: u32,
        to_int: bool,
        signed: bool,
        fraction: u32,
    ) -> Out {
        let imm = conv_imm(fraction, signed, 0);
        match to_int {
            true => self.vf1(quad, d, m, Op::VFToI, imm | rounding(FpRound::Zero)),
            false => self.vf1(quad, d, m, Op::VFFromI, imm | rounding(FpRound::Nearest)),
        }
    }

    pub(super) fn vcvt_v(&mut self, a: args::VcvtV) -> Out {
        self.vconvert(a.quad, a.vd, a.vm, a.to_int, !a.unsigned, 0)
    }

    pub(super) fn vcvt_fixed(&mut self, a: args::VcvtFixed) -> Out {
        self.vconvert(a.quad, a.vd, a.vm, a.to_int, !a.unsigned, 64 - (a.imm & 63))
    }

    pub(super) fn vcvt_dir_v(&mut self, a: args::VcvtDirV) -> Out {
        let imm = conv_imm(0, !a.unsigned, 0) | rounding(super::vfp::directed(a.mode));
        self.vf1(a.quad, a.vd, a.vm, Op::VFToI, imm)
    }

    pub(super) fn vrint_v(&mut self, a: args::VrintV) -> Out {
        // mode: N, X, A, Z, M, P
        let (mode, exact) = match a.mode {
            0 => (FpRound::Nearest, 0),
            1 => (FpRound::Nearest, 1),
            2 => (FpRound::NearestAway, 0),
            3 => (FpRound::Zero, 0),
            4 => (FpRound::Down, 0),
            _ => (FpRound::Up, 0),
        };
        self.vf1(a.quad, a.vd, a.vm, Op::VFRound, rounding(mode) | exact)
    }

    pub(super) fn vrecpe(&mut self, a: args::Vrecpe) -> Out {
        match a.float {
            true => self.vf1(a.quad, a.vd, a.vm, Op::VFRecpe, 0),
            false => self.v2(a.quad, a.vd, a.vm, |t, ty, x| {
                t.b.vun(Op::VURecpe, ty, F32, x, 0)
            }),
        }
    }

    pub(super) fn vrsqrte(&mut self, a: args::Vrsqrte) -> Out {
        match a.float {
            true => self.vf1(a.quad, a.vd, a.vm, Op::VFRsqrte, 0),
            false => self.v2(a.quad, a.vd, a.vm, |t, ty, x| {
                t.b.vun(Op::VURsqrte, ty, F32, x, 0)
            }),
        }
    }

    pub(super) fn vcvt_f16_f32(&mut self, a: args::VcvtF16F32) -> Out {
        let x = self.vget(true, a.vm);
        let r = self
            .b
            .fop(Op::VFToHalf, Ty::V64, F32, NEON, [x, NONE, NONE], 0);
        self.vset(false, a.vd, r);
        Out::Next
    }

    pub(super) fn vcvt_f32_f16(&mut self, a: args::VcvtF32F16) -> Out {
        let x = self.vget(false, a.vm);
        let r = self
            .b
            .fop(Op::VFFromHalf, Ty::V128, F32, NEON, [x, NONE, NONE], 0);
        self.vset(true, a.vd, r);
        Out::Next
    }
}
