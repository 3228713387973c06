//! Advanced SIMD on integers and bits: registers, lane-wise operations, comparison, reductions. [ARMv8 C7.2]
//!
//! A "shape" is 0 for the low 64 bits, 1 for 128, 2 for a scalar. A scalar is computed as lane 0 of a 64-bit vector
//! whose other lanes are zero, which saturates nothing.

use tcg_ir::{Op, Ty, Value};

use super::{Out, Translator};
use crate::decode::{self, args};
use crate::state::slot;

/// The shape of a scalar.
pub(super) const SCALAR: u32 = 2;
/// The shape of a whole register.
pub(super) const QUAD: u32 = 1;

/// The type of a vector of a shape.
pub(super) const fn vty(shape: u32) -> Ty {
    if shape == QUAD { Ty::V128 } else { Ty::V64 }
}

/// Size of a lane of `size` (log2 of bytes) in bits.
pub(super) const fn lane_bits(size: u32) -> u32 {
    8 << size
}

/// All bits of a lane.
pub(super) const fn lane_mask(size: u32) -> u64 {
    u64::MAX >> (64 - lane_bits(size))
}

/// Handlers "rd = op(rn, rm)" with lanes of `size`, signed or not.
macro_rules! three_su {
    ($($name:ident $Name:ident $signed:ident $unsigned:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let op = if a.unsigned { Op::$unsigned } else { Op::$signed };
            self.v3(a.shape, a.size, a.rd, a.rn, a.rm, |t, ty, x, y| t.vlane(op, ty, a.size, x, y))
        }
    )*};
}

/// The same without signedness.
macro_rules! three {
    ($($name:ident $Name:ident $op:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.v3(a.shape, a.size, a.rd, a.rn, a.rm, |t, ty, x, y| t.vlane(Op::$op, ty, a.size, x, y))
        }
    )*};
}

/// Saturating operations beside the wrapping ones: QC where they differ.
macro_rules! saturating {
    ($($name:ident $Name:ident $signed:ident $unsigned:ident $wrap:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let op = if a.unsigned { Op::$unsigned } else { Op::$signed };
            self.v3(a.shape, a.size, a.rd, a.rn, a.rm, |t, ty, x, y| t.vsat(ty, a.size, op, Op::$wrap, x, y))
        }
    )*};
}

macro_rules! bitwise {
    ($($name:ident $Name:ident |$t:ident, $ty:ident, $d:ident, $n:ident, $m:ident| $body:expr;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let $d = self.vget(a.shape, a.rd);
            self.v3(a.shape, 3, a.rd, a.rn, a.rm, |$t, $ty, $n, $m| { let _ = $d; $body })
        }
    )*};
}

/// Handlers "rd = op(rn)".
macro_rules! two {
    ($($name:ident $Name:ident $op:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.v2(a.shape, a.size, a.rd, a.rn, |t, ty, x| t.b.vun(Op::$op, ty, a.size as u8, x, 0))
        }
    )*};
}

/// Comparisons with zero; the operands swapped if the flag is set.
macro_rules! with_zero {
    ($($name:ident $Name:ident $op:ident $swap:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.v2(a.shape, a.size, a.rd, a.rn, |t, ty, x| {
                let zero = t.b.vconst(ty, 0);
                let (p, q) = if $swap { (zero, x) } else { (x, zero) };
                t.vlane(Op::$op, ty, a.size, p, q)
            })
        }
    )*};
}

impl Translator<'_> {
    // ---- registers ----

    /// The register as a vector of a shape.
    pub(super) fn vget(&mut self, shape: u32, n: u32) -> Value {
        self.b.get(slot::part(n, vty(shape)))
    }

    /// The same for a scalar of `size` with the other lanes zero.
    pub(super) fn vget_clean(&mut self, shape: u32, size: u32, n: u32) -> Value {
        let v = self.vget(shape, n);
        if shape == SCALAR {
            self.low_lane(v, size)
        } else {
            v
        }
    }

    /// A V64 of which only lane 0 is left.
    pub(super) fn low_lane(&mut self, v: Value, size: u32) -> Value {
        if size == 3 {
            return v;
        }
        let mask = self.b.vconst(Ty::V64, u128::from(lane_mask(size)));
        self.vlane(Op::VAnd, Ty::V64, 3, v, mask)
    }

    /// Writes a vector of a shape, or a scalar of `size`, and zeroes what lies above.
    pub(super) fn vset(&mut self, shape: u32, size: u32, d: u32, v: Value) {
        let v = if shape == SCALAR {
            self.low_lane(v, size)
        } else {
            v
        };
        self.set_scalar(d, v);
    }

    /// Lane-wise operation on two vectors.
    pub(super) fn vlane(&mut self, op: Op, ty: Ty, size: u32, x: Value, y: Value) -> Value {
        self.b.vbin(op, ty, size as u8, x, y, 0)
    }

    /// A constant in every lane.
    pub(super) fn splat(&mut self, ty: Ty, size: u32, value: u64) -> Value {
        let mut bits = u128::from(value & lane_mask(size));
        let mut width = lane_bits(size);
        while width < 128 {
            bits |= bits << width;
            width *= 2;
        }
        let bits = if ty == Ty::V128 {
            bits
        } else {
            bits & u128::from(u64::MAX)
        };
        self.b.vconst(ty, bits)
    }

    /// rd = op(rn, rm).
    pub(super) fn v3(
        &mut self,
        shape: u32,
        size: u32,
        d: u32,
        n: u32,
        m: u32,
        op: impl FnOnce(&mut Self, Ty, Value, Value) -> Value,
    ) -> Out {
        let x = self.vget_clean(shape, size, n);
        let y = self.vget_clean(shape, size, m);
        let r = op(self, vty(shape), x, y);
        self.vset(shape, size, d, r);
        Out::Next
    }

    /// rd = op(rn).
    pub(super) fn v2(
        &mut self,
        shape: u32,
        size: u32,
        d: u32,
        n: u32,
        op: impl FnOnce(&mut Self, Ty, Value) -> Value,
    ) -> Out {
        let x = self.vget_clean(shape, size, n);
        let r = op(self, vty(shape), x);
        self.vset(shape, size, d, r);
        Out::Next
    }

    /// Lanes with all ones have saturated.
    pub(super) fn accumulate_qc(&mut self, over: Value) {
        let over = self.b.bitcast(Ty::V128, over);
        let old = self.b.get(slot::QC);
        let new = self.vlane(Op::VOr, Ty::V128, 3, old, over);
        self.b.set(slot::QC, new);
    }

    /// QC where two results differ.
    pub(super) fn saturated(&mut self, ty: Ty, a: Value, b: Value) {
        let diff = self.vlane(Op::VXor, ty, 3, a, b);
        self.accumulate_qc(diff);
    }

    fn vsat(&mut self, ty: Ty, size: u32, sat: Op, wrap: Op, x: Value, y: Value) -> Value {
        let r = self.vlane(sat, ty, size, x, y);
        let w = self.vlane(wrap, ty, size, x, y);
        self.saturated(ty, r, w);
        r
    }

    // ---- three registers ----

    three_su! {
        hadd Hadd VHaddS VHaddU;
        rhadd Rhadd VRhaddS VRhaddU;
        hsub Hsub VHsubS VHsubU;
        cmgt Cmgt VCmpGtS VCmpGtU;
        cmge Cmge VCmpGeS VCmpGeU;
        vmax Vmax VMaxS VMaxU;
        vmin Vmin VMinS VMinU;
        abd Abd VAbdS VAbdU;
        maxp Maxp VPmaxS VPmaxU;
        minp Minp VPminS VPminU;
    }

    three! {
        vadd Vadd VAdd;
        vsub Vsub VSub;
        cmtst Cmtst VTst;
        cmeq Cmeq VCmpEq;
        vmul Vmul VMul;
        pmul Pmul VPmul;
        addp Addp VPadd;
    }

    saturating! {
        qadd Qadd VAddSatS VAddSatU VAdd;
        qsub Qsub VSubSatS VSubSatU VSub;
    }

    bitwise! {
        and_v AndV |t, ty, d, n, m| t.vlane(Op::VAnd, ty, 3, n, m);
        bic_v BicV |t, ty, d, n, m| t.vlane(Op::VAndNot, ty, 3, n, m);
        orr_v OrrV |t, ty, d, n, m| if n == m { n } else { t.vlane(Op::VOr, ty, 3, n, m) };
        orn_v OrnV |t, ty, d, n, m| {
            let inverted = t.b.vun(Op::VNot, ty, 3, m, 0);
            t.vlane(Op::VOr, ty, 3, n, inverted)
        };
        eor_v EorV |t, ty, d, n, m| if n == m { t.b.vconst(ty, 0) } else { t.vlane(Op::VXor, ty, 3, n, m) };
        bsl_v BslV |t, ty, d, n, m| t.b.tri(Op::VBsl, ty, d, n, m);
        bit_v BitV |t, ty, d, n, m| t.b.tri(Op::VBsl, ty, m, n, d);
        bif_v BifV |t, ty, d, n, m| t.b.tri(Op::VBsl, ty, m, d, n);
    }

    pub(super) fn aba(&mut self, a: args::Aba) -> Out {
        let op = if a.unsigned { Op::VAbdU } else { Op::VAbdS };
        self.v3(a.shape, a.size, a.rd, a.rn, a.rm, |t, ty, x, y| {
            let diff = t.vlane(op, ty, a.size, x, y);
            let acc = t.vget(a.shape, a.rd);
            t.vlane(Op::VAdd, ty, a.size, acc, diff)
        })
    }

    /// rd ± x * y.
    pub(super) fn multiply_add(
        &mut self,
        op: Op,
        shape: u32,
        size: u32,
        d: u32,
        x: Value,
        y: Value,
    ) -> Out {
        let ty = vty(shape);
        let product = self.vlane(Op::VMul, ty, size, x, y);
        let acc = self.vget(shape, d);
        let r = self.vlane(op, ty, size, acc, product);
        self.vset(shape, size, d, r);
        Out::Next
    }

    pub(super) fn mla(&mut self, a: args::Mla) -> Out {
        let (x, y) = (self.vget(a.shape, a.rn), self.vget(a.shape, a.rm));
        self.multiply_add(Op::VAdd, a.shape, a.size, a.rd, x, y)
    }

    pub(super) fn mls(&mut self, a: args::Mls) -> Out {
        let (x, y) = (self.vget(a.shape, a.rn), self.vget(a.shape, a.rm));
        self.multiply_add(Op::VSub, a.shape, a.size, a.rd, x, y)
    }

    /// Saturating doubling product, high half: saturates only for the most negative number squared.
    pub(super) fn qdmulh_value(
        &mut self,
        ty: Ty,
        size: u32,
        round: bool,
        x: Value,
        y: Value,
    ) -> Value {
        let r = self
            .b
            .vbin(Op::VQdmulh, ty, size as u8, x, y, i64::from(round));
        self.min_squared(ty, size, x, y);
        r
    }

    /// QC in lanes where both operands are the most negative number.
    pub(super) fn min_squared(&mut self, ty: Ty, size: u32, x: Value, y: Value) {
        let min = self.splat(ty, size, 1 << (lane_bits(size) - 1));
        let ex = self.vlane(Op::VCmpEq, ty, size, x, min);
        let ey = self.vlane(Op::VCmpEq, ty, size, y, min);
        let both = self.vlane(Op::VAnd, ty, 3, ex, ey);
        self.accumulate_qc(both);
    }

    pub(super) fn qdmulh(&mut self, a: args::Qdmulh) -> Out {
        self.v3(a.shape, a.size, a.rd, a.rn, a.rm, |t, ty, x, y| {
            t.qdmulh_value(ty, a.size, false, x, y)
        })
    }

    pub(super) fn qrdmulh(&mut self, a: args::Qrdmulh) -> Out {
        self.v3(a.shape, a.size, a.rd, a.rn, a.rm, |t, ty, x, y| {
            t.qdmulh_value(ty, a.size, true, x, y)
        })
    }

    // ---- two registers ----

    two! {
        vcls Vcls VCls;
        vclz Vclz VClz;
        vabs Vabs VAbs;
        vneg Vneg VNeg;
        vcnt Vcnt VCnt;
        vnot Vnot VNot;
    }

    with_zero! {
        cmgt0 Cmgt0 VCmpGtS false;
        cmge0 Cmge0 VCmpGeS false;
        cmeq0 Cmeq0 VCmpEq false;
        cmle0 Cmle0 VCmpGeS true;
        cmlt0 Cmlt0 VCmpGtS true;
    }

    pub(super) fn addlp(&mut self, a: args::Addlp) -> Out {
        let op = if a.unsigned { Op::VPaddlU } else { Op::VPaddlS };
        self.v2(a.shape, a.size, a.rd, a.rn, |t, ty, x| {
            t.b.vun(op, ty, a.size as u8, x, 0)
        })
    }

    pub(super) fn adalp(&mut self, a: args::Adalp) -> Out {
        let op = if a.unsigned { Op::VPaddlU } else { Op::VPaddlS };
        self.v2(a.shape, a.size, a.rd, a.rn, |t, ty, x| {
            let sums = t.b.vun(op, ty, a.size as u8, x, 0);
            let acc = t.vget(a.shape, a.rd);
            t.vlane(Op::VAdd, ty, a.size + 1, acc, sums)
        })
    }

    pub(super) fn qabs(&mut self, a: args::Qabs) -> Out {
        self.v2(a.shape, a.size, a.rd, a.rn, |t, ty, x| {
            // |min| wraps to min; saturated it is max = !min.
            let abs = t.b.vun(Op::VAbs, ty, a.size as u8, x, 0);
            let min = t.splat(ty, a.size, 1 << (lane_bits(a.size) - 1));
            let over = t.vlane(Op::VCmpEq, ty, a.size, x, min);
            t.accumulate_qc(over);
            t.vlane(Op::VXor, ty, 3, abs, over)
        })
    }

    pub(super) fn qneg(&mut self, a: args::Qneg) -> Out {
        self.v2(a.shape, a.size, a.rd, a.rn, |t, ty, x| {
            let zero = t.b.vconst(ty, 0);
            t.vsat(ty, a.size, Op::VSubSatS, Op::VSub, zero, x)
        })
    }

    /// SUQADD: signed rd plus unsigned rn, saturated as signed; in the offset notation a subtraction of the complement.
    pub(super) fn suqadd(&mut self, a: args::Suqadd) -> Out {
        self.v2(a.shape, a.size, a.rd, a.rn, |t, ty, x| {
            let acc = t.vget_clean(a.shape, a.size, a.rd);
            // acc + x as unsigned numbers offset by the sign bit: acc ^ min is acc + 2^(n-1).
            let min = t.splat(ty, a.size, 1 << (lane_bits(a.size) - 1));
            let offset = t.vlane(Op::VXor, ty, 3, acc, min);
            let sum = t.vlane(Op::VAddSatU, ty, a.size, offset, x);
            let wrap = t.vlane(Op::VAdd, ty, a.size, offset, x);
            t.saturated_lanes(a.shape, a.size, sum, wrap);
            t.vlane(Op::VXor, ty, 3, sum, min)
        })
    }

    /// USQADD: unsigned rd plus signed rn, saturated as unsigned.
    pub(super) fn usqadd(&mut self, a: args::Usqadd) -> Out {
        self.v2(a.shape, a.size, a.rd, a.rn, |t, ty, x| {
            let acc = t.vget_clean(a.shape, a.size, a.rd);
            let zero = t.b.vconst(ty, 0);
            let negative = t.vlane(Op::VCmpGtS, ty, a.size, zero, x);
            let magnitude = t.vlane(Op::VSub, ty, a.size, zero, x);
            let up = t.vlane(Op::VAddSatU, ty, a.size, acc, x);
            let down = t.vlane(Op::VSubSatU, ty, a.size, acc, magnitude);
            let r = t.b.tri(Op::VBsl, ty, negative, down, up);
            let wrap = t.vlane(Op::VAdd, ty, a.size, acc, x);
            t.saturated_lanes(a.shape, a.size, r, wrap);
            r
        })
    }

    /// QC where two results differ in the lanes of the shape.
    fn saturated_lanes(&mut self, shape: u32, size: u32, a: Value, b: Value) {
        let diff = self.vlane(Op::VXor, vty(shape), 3, a, b);
        let diff = if shape == SCALAR {
            self.low_lane(diff, size)
        } else {
            diff
        };
        self.accumulate_qc(diff);
    }

    pub(super) fn urecpe(&mut self, a: args::Urecpe) -> Out {
        self.v2(a.shape, 2, a.rd, a.rn, |t, ty, x| {
            t.b.vun(Op::VURecpe, ty, 2, x, 0)
        })
    }

    pub(super) fn ursqrte(&mut self, a: args::Ursqrte) -> Out {
        self.v2(a.shape, 2, a.rd, a.rn, |t, ty, x| {
            t.b.vun(Op::VURsqrte, ty, 2, x, 0)
        })
    }

    // ---- immediates ----

    pub(super) fn modimm(&mut self, a: args::Modimm) -> Out {
        let imm = decode::simd_imm(a.op, a.cmode, a.imm);
        let ty = if a.quad { Ty::V128 } else { Ty::V64 };
        let shape = u32::from(a.quad);
        let v = self.splat(ty, 3, imm);
        let logical = a.cmode < 12 && a.cmode & 1 == 1;
        let r = match (logical, a.op) {
            (true, combine) => {
                let old = self.vget(shape, a.rd);
                let op = if combine { Op::VAndNot } else { Op::VOr };
                self.vlane(op, ty, 3, old, v)
            }
            (false, true) if a.cmode < 14 => self.splat(ty, 3, !imm),
            _ => v,
        };
        self.set_scalar(a.rd, r);
        Out::Next
    }

    pub(super) fn fmov_v_h(&mut self, a: args::FmovVH) -> Out {
        let ty = if a.quad { Ty::V128 } else { Ty::V64 };
        let v = self.splat(ty, 1, decode::fp_imm(1, a.imm));
        self.set_scalar(a.rd, v);
        Out::Next
    }
}
