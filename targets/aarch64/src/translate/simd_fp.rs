//! Advanced SIMD floating point. [ARMv8 C7.2]
//!
//! Single-precision scalars are computed with lane 0 in both lanes of a 64-bit vector: the same flags twice. Half
//! precision, and what only A64 has, goes to the soft float.

use tcg_ir::{FpRound, Op, Ty, Value};

use super::convert::{EXACT, rounding};
use super::shift::right_shift;
use super::simd::{QUAD, SCALAR, vty};
use super::{Out, Translator};
use crate::decode::args;
use crate::state::slot;
use tcg_softfloat::lanes::{CURRENT, Desc, Soft};

const NONE: Value = Value::NONE;
const HALF: u32 = 1;

/// An operation of lanes as the IR has it, if it has, and as the soft float has it.
#[derive(Clone, Copy)]
struct FpOp(Option<Op>, Soft);

const ADD: FpOp = FpOp(Some(Op::VFAdd), Soft::Add);
const SUB: FpOp = FpOp(Some(Op::VFSub), Soft::Sub);
const MUL: FpOp = FpOp(Some(Op::VFMul), Soft::Mul);
const DIV: FpOp = FpOp(Some(Op::VFDiv), Soft::Div);
const MAX: FpOp = FpOp(Some(Op::VFMax), Soft::Max);
const MIN: FpOp = FpOp(Some(Op::VFMin), Soft::Min);
const MAXNM: FpOp = FpOp(Some(Op::VFMaxNum), Soft::MaxNum);
const MINNM: FpOp = FpOp(Some(Op::VFMinNum), Soft::MinNum);
const ABD: FpOp = FpOp(Some(Op::VFAbd), Soft::AbsDiff);
const MULX: FpOp = FpOp(None, Soft::MulX);
const RECPS: FpOp = FpOp(None, Soft::RecipStep);
const RSQRTS: FpOp = FpOp(None, Soft::RsqrtStep);
const CMEQ: FpOp = FpOp(Some(Op::VFCmpEq), Soft::CmpEq);
const CMGE: FpOp = FpOp(Some(Op::VFCmpGe), Soft::CmpGe);
const CMGT: FpOp = FpOp(Some(Op::VFCmpGt), Soft::CmpGt);
const SQRT: FpOp = FpOp(Some(Op::VFSqrt), Soft::Sqrt);
const RECPE: FpOp = FpOp(Some(Op::VFRecpe), Soft::RecipEstimate);
const RSQRTE: FpOp = FpOp(Some(Op::VFRsqrte), Soft::RsqrtEstimate);

/// Handlers "rd = op(rn, rm)".
macro_rules! three {
    ($($name:ident $Name:ident $op:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let x = self.fp_source(a.shape, a.size, a.rn);
            let y = self.fp_source(a.shape, a.size, a.rm);
            let r = self.lanes2($op, a.shape, a.size, x, y);
            self.vset(a.shape, a.size, a.rd, r);
            Out::Next
        }
    )*};
}

/// Handlers of pairwise operations.
macro_rules! pairwise {
    ($($name:ident $Name:ident $op:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let (x, y) = (self.vget(a.shape, a.rn), self.vget(a.shape, a.rm));
            let ty = vty(a.shape);
            let even = self.vlane(Op::VUzpEven, ty, a.size, x, y);
            let odd = self.vlane(Op::VUzpOdd, ty, a.size, x, y);
            let r = self.lanes2($op, a.shape, a.size, even, odd);
            self.set_scalar(a.rd, r);
            Out::Next
        }
    )*};
}

/// Handlers of a pair of lanes that becomes a scalar.
macro_rules! pair_scalar {
    ($($name:ident $Name:ident $op:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let x = self.b.get(slot::v(a.rn));
            let lo = self.spread(a.size, x, 0);
            let hi = self.spread(a.size, x, 1);
            let r = self.lanes2($op, SCALAR, a.size, lo, hi);
            self.vset(SCALAR, a.size, a.rd, r);
            Out::Next
        }
    )*};
}

/// Handlers of reductions.
macro_rules! across {
    ($($name:ident $Name:ident $op:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let ty = vty(a.shape);
            let mut v = self.vget(a.shape, a.rn);
            let mut lanes = ty.bytes() >> a.size;
            while lanes > 2 {
                let even = self.vlane(Op::VUzpEven, ty, a.size, v, v);
                let odd = self.vlane(Op::VUzpOdd, ty, a.size, v, v);
                v = self.lanes2($op, a.shape, a.size, even, odd);
                lanes /= 2;
            }
            let (lo, hi) = (self.spread(a.size, v, 0), self.spread(a.size, v, 1));
            let r = self.lanes2($op, SCALAR, a.size, lo, hi);
            self.vset(SCALAR, a.size, a.rd, r);
            Out::Next
        }
    )*};
}

/// Handlers "rd = op(rn)".
macro_rules! two {
    ($($name:ident $Name:ident $op:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let x = self.fp_source(a.shape, a.size, a.rn);
            let r = self.lanes1($op, a.shape, a.size, x);
            self.vset(a.shape, a.size, a.rd, r);
            Out::Next
        }
    )*};
}

/// Comparisons with zero; the operands swapped if the flag is set.
macro_rules! with_zero {
    ($($name:ident $Name:ident $op:ident $swap:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let x = self.fp_source(a.shape, a.size, a.rn);
            let zero = self.b.vconst(vty(a.shape), 0);
            let (p, q) = if $swap { (zero, x) } else { (x, zero) };
            let r = self.lanes2($op, a.shape, a.size, p, q);
            self.vset(a.shape, a.size, a.rd, r);
            Out::Next
        }
    )*};
}

/// Handlers "rd = op(rn, element)".
macro_rules! by_element {
    ($($name:ident $Name:ident $op:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let x = self.fp_source(a.shape, a.size, a.rn);
            let y = self.fp_element(a.shape, a.size, a.rm, a.index);
            let r = self.lanes2($op, a.shape, a.size, x, y);
            self.vset(a.shape, a.size, a.rd, r);
            Out::Next
        }
    )*};
}

/// Number of lanes of a shape.
const fn lanes(shape: u32, size: u32) -> u32 {
    match shape {
        SCALAR => 1,
        QUAD => 16 >> size,
        _ => 8 >> size,
    }
}

impl Translator<'_> {
    /// Lane `k` of a vector in all lanes of a 64-bit one.
    fn spread(&mut self, size: u32, x: Value, k: u32) -> Value {
        if size == 3 && k == 0 {
            return self.b.bitcast(Ty::V64, x);
        }
        self.b
            .vun(Op::VDupLane, Ty::V64, size as u8, x, i64::from(k))
    }

    /// An operand; a scalar in all lanes.
    fn fp_source(&mut self, shape: u32, size: u32, n: u32) -> Value {
        let x = self.vget(shape, n);
        if shape == SCALAR {
            self.spread(size, x, 0)
        } else {
            x
        }
    }

    /// An element in all lanes of a vector of a shape.
    fn fp_element(&mut self, shape: u32, size: u32, m: u32, index: u32) -> Value {
        let x = self.b.get(slot::v(m));
        self.b
            .vun(Op::VDupLane, vty(shape), size as u8, x, i64::from(index))
    }

    /// Runs the soft float; the result as a vector of the shape.
    fn soft_lanes(&mut self, desc: Desc, shape: u32, args: [Value; 3]) -> Value {
        let r = self.soft(desc, args);
        if shape == QUAD {
            r
        } else {
            self.b.bitcast(Ty::V64, r)
        }
    }

    fn lanes2(&mut self, op: FpOp, shape: u32, size: u32, x: Value, y: Value) -> Value {
        match op.0 {
            Some(ir) if size != HALF => self.b.fop(ir, vty(shape), size as u8, 0, [x, y, NONE], 0),
            _ => {
                let desc = Desc::new(op.1, size, lanes(shape, size));
                self.soft_lanes(desc, shape, [x, y, y])
            }
        }
    }

    fn lanes1(&mut self, op: FpOp, shape: u32, size: u32, x: Value) -> Value {
        match op.0 {
            Some(ir) if size != HALF => {
                self.b
                    .fop(ir, vty(shape), size as u8, 0, [x, NONE, NONE], 0)
            }
            _ => {
                let desc = Desc::new(op.1, size, lanes(shape, size));
                self.soft_lanes(desc, shape, [x, x, x])
            }
        }
    }

    three! {
        vfadd Vfadd ADD;
        vfsub Vfsub SUB;
        vfmul Vfmul MUL;
        vfdiv Vfdiv DIV;
        vfmax Vfmax MAX;
        vfmin Vfmin MIN;
        vfmaxnm Vfmaxnm MAXNM;
        vfminnm Vfminnm MINNM;
        vfmulx Vfmulx MULX;
        vfabd Vfabd ABD;
        vfrecps Vfrecps RECPS;
        vfrsqrts Vfrsqrts RSQRTS;
        vfcmeq Vfcmeq CMEQ;
        vfcmge Vfcmge CMGE;
        vfcmgt Vfcmgt CMGT;
    }

    pairwise! {
        vfaddp Vfaddp ADD;
        vfmaxp Vfmaxp MAX;
        vfminp Vfminp MIN;
        vfmaxnmp Vfmaxnmp MAXNM;
        vfminnmp Vfminnmp MINNM;
    }

    pair_scalar! {
        faddp_s FaddpS ADD;
        fmaxp_s FmaxpS MAX;
        fminp_s FminpS MIN;
        fmaxnmp_s FmaxnmpS MAXNM;
        fminnmp_s FminnmpS MINNM;
    }

    across! {
        fmaxv Fmaxv MAX;
        fminv Fminv MIN;
        fmaxnmv Fmaxnmv MAXNM;
        fminnmv Fminnmv MINNM;
    }

    two! {
        vfsqrt Vfsqrt SQRT;
        vfrecpe Vfrecpe RECPE;
        vfrsqrte Vfrsqrte RSQRTE;
    }

    with_zero! {
        vfcmeq0 Vfcmeq0 CMEQ false;
        vfcmge0 Vfcmge0 CMGE false;
        vfcmgt0 Vfcmgt0 CMGT false;
        vfcmle0 Vfcmle0 CMGE true;
        vfcmlt0 Vfcmlt0 CMGT true;
    }

    by_element! {
        vfmul_e VfmulE MUL;
        vfmulx_e VfmulxE MULX;
    }

    /// The sign of every lane.
    fn signs(&mut self, shape: u32, size: u32) -> Value {
        self.splat(vty(shape), size, 1 << (super::simd::lane_bits(size) - 1))
    }

    pub(super) fn vfabs(&mut self, a: args::Vfabs) -> Out {
        let x = self.vget(a.shape, a.rn);
        let r = self.magnitudes(a.shape, a.size, x);
        self.set_scalar(a.rd, r);
        Out::Next
    }

    fn magnitudes(&mut self, shape: u32, size: u32, x: Value) -> Value {
        let signs = self.signs(shape, size);
        self.vlane(Op::VAndNot, vty(shape), 3, x, signs)
    }

    pub(super) fn vfneg(&mut self, a: args::Vfneg) -> Out {
        let x = self.vget(a.shape, a.rn);
        let r = self.negated(a.shape, a.size, x);
        self.set_scalar(a.rd, r);
        Out::Next
    }

    fn negated(&mut self, shape: u32, size: u32, x: Value) -> Value {
        let signs = self.signs(shape, size);
        self.vlane(Op::VXor, vty(shape), 3, x, signs)
    }

    fn absolute_compare(&mut self, op: FpOp, f: (u32, u32), d: u32, n: u32, m: u32) -> Out {
        let (shape, size) = f;
        let x = self.fp_source(shape, size, n);
        let y = self.fp_source(shape, size, m);
        let x = self.magnitudes(shape, size, x);
        let y = self.magnitudes(shape, size, y);
        let r = self.lanes2(op, shape, size, x, y);
        self.vset(shape, size, d, r);
        Out::Next
    }

    pub(super) fn vfacge(&mut self, a: args::Vfacge) -> Out {
        self.absolute_compare(CMGE, (a.shape, a.size), a.rd, a.rn, a.rm)
    }

    pub(super) fn vfacgt(&mut self, a: args::Vfacgt) -> Out {
        self.absolute_compare(CMGT, (a.shape, a.size), a.rd, a.rn, a.rm)
    }

    // ---- fused multiply-add ----

    fn fused(&mut self, f: (u32, u32, bool), d: u32, x: Value, y: Value) -> Out {
        let (shape, size, sub) = f;
        let acc = self.fp_source(shape, size, d);
        let x = if sub { self.negated(shape, size, x) } else { x };
        let r = self.fused_lanes(shape, size, [x, y, acc]);
        self.vset(shape, size, d, r);
        Out::Next
    }

    fn fused_lanes(&mut self, shape: u32, size: u32, args: [Value; 3]) -> Value {
        if size == HALF {
            let desc = Desc::new(Soft::MulAdd, size, lanes(shape, size));
            return self.soft_lanes(desc, shape, args);
        }
        self.b.fop(Op::VFMulAdd, vty(shape), size as u8, 0, args, 0)
    }

    pub(super) fn vfmla(&mut self, a: args::Vfmla) -> Out {
        let (x, y) = (self.vget(a.shape, a.rn), self.vget(a.shape, a.rm));
        self.fused((a.shape, a.size, false), a.rd, x, y)
    }

    pub(super) fn vfmls(&mut self, a: args::Vfmls) -> Out {
        let (x, y) = (self.vget(a.shape, a.rn), self.vget(a.shape, a.rm));
        self.fused((a.shape, a.size, true), a.rd, x, y)
    }

    pub(super) fn vfmla_e(&mut self, a: args::VfmlaE) -> Out {
        let x = self.fp_source(a.shape, a.size, a.rn);
        let y = self.fp_element(a.shape, a.size, a.rm, a.index);
        self.fused((a.shape, a.size, false), a.rd, x, y)
    }

    pub(super) fn vfmls_e(&mut self, a: args::VfmlsE) -> Out {
        let x = self.fp_source(a.shape, a.size, a.rn);
        let y = self.fp_element(a.shape, a.size, a.rm, a.index);
        self.fused((a.shape, a.size, true), a.rd, x, y)
    }

    /// FMLAL and FMLSL: products of halves of which the lower or upper half of the register is taken.
    fn fused_long(&mut self, f: (u32, bool, bool), d: u32, x: Value, y: Value) -> Out {
        let (shape, sub, _) = f;
        let x = if sub { self.negated(0, HALF, x) } else { x };
        let acc = self.vget(shape, d);
        let desc = Desc::new(Soft::MulAddLong, 2, lanes(shape, 2));
        let r = self.soft_lanes(desc, shape, [x, y, acc]);
        self.set_scalar(d, r);
        Out::Next
    }

    /// The halves that FMLAL takes: of 128 bits the lower or upper 64, of 64 bits the lower or upper 32.
    fn long_source(&mut self, shape: u32, upper: bool, n: u32) -> Value {
        if shape == QUAD {
            return self.half_of(n, upper);
        }
        let x = self.half_of(n, false);
        if !upper {
            return x;
        }
        self.b.vun(Op::VDupLane, Ty::V64, 2, x, 1)
    }

    pub(super) fn fmlal(&mut self, a: args::Fmlal) -> Out {
        let x = self.long_source(a.shape, a.upper, a.rn);
        let y = self.long_source(a.shape, a.upper, a.rm);
        self.fused_long((a.shape, a.sub, a.upper), a.rd, x, y)
    }

    pub(super) fn fmlal_e(&mut self, a: args::FmlalE) -> Out {
        let x = self.long_source(a.shape, a.upper, a.rn);
        let y = self.fp_element(0, HALF, a.rm, a.index);
        self.fused_long((a.shape, a.sub, a.upper), a.rd, x, y)
    }

    // ---- complex numbers: even lanes are real, odd lanes imaginary parts ----

    /// FCADD: rn plus rm rotated by 90 (`rot` 0) or 270 degrees.
    pub(super) fn fcadd(&mut self, a: args::Fcadd) -> Out {
        let (x, y) = (self.vget(a.shape, a.rn), self.vget(a.shape, a.rm));
        let y = self.swapped(a.shape, a.size, y);
        // 90 degrees: (-im, re); 270: (im, -re).
        let signs = self.part_signs(a.shape, a.size, !a.rot, a.rot);
        let y = self.vlane(Op::VXor, vty(a.shape), 3, y, signs);
        let r = self.lanes2(ADD, a.shape, a.size, x, y);
        self.set_scalar(a.rd, r);
        Out::Next
    }

    /// Real and imaginary parts exchanged.
    fn swapped(&mut self, shape: u32, size: u32, y: Value) -> Value {
        if size == 3 {
            return self.b.vbin(Op::VExt, vty(shape), 0, y, y, 8);
        }
        self.b
            .vun(Op::VRev, vty(shape), size as u8, y, i64::from(size) + 1)
    }

    /// Sign bits in the real or imaginary lanes.
    fn part_signs(&mut self, shape: u32, size: u32, real: bool, imaginary: bool) -> Value {
        let bits = super::simd::lane_bits(size);
        let pair = u128::from(real) << (bits - 1) | u128::from(imaginary) << (2 * bits - 1);
        let mut v = pair;
        let mut width = 2 * bits;
        while width < 128 {
            v |= v << width;
            width *= 2;
        }
        let v = if shape == QUAD {
            v
        } else {
            v & u128::from(u64::MAX)
        };
        self.b.vconst(vty(shape), v)
    }

    /// FCMLA: rd += x rotated: by 0 (re·re, re·im), 90 (-im·im, im·re), 180 (-re·re, -re·im), 270 (im·im, -im·re).
    fn complex_product(&mut self, f: (u32, u32, u32), d: u32, x: Value, y: Value) -> Out {
        let (shape, size, rot) = f;
        let ty = vty(shape);
        let turned = rot & 1 != 0;
        // The lane of x that multiplies, in both lanes; y straight or exchanged.
        let op = if turned { Op::VTrnOdd } else { Op::VTrnEven };
        let factor = self.vlane(op, ty, size, x, x);
        let y = if turned {
            self.swapped(shape, size, y)
        } else {
            y
        };
        let signs = self.part_signs(shape, size, rot == 1 || rot == 2, rot >= 2);
        let y = self.vlane(Op::VXor, ty, 3, y, signs);
        let acc = self.vget(shape, d);
        let r = self.fused_lanes(shape, size, [factor, y, acc]);
        self.set_scalar(d, r);
        Out::Next
    }

    pub(super) fn fcmla(&mut self, a: args::Fcmla) -> Out {
        let (x, y) = (self.vget(a.shape, a.rn), self.vget(a.shape, a.rm));
        self.complex_product((a.shape, a.size, a.rot), a.rd, x, y)
    }

    pub(super) fn fcmla_e(&mut self, a: args::FcmlaE) -> Out {
        let x = self.vget(a.shape, a.rn);
        // The element is a pair of lanes.
        let y = self.fp_element(a.shape, a.size + 1, a.rm, a.index);
        self.complex_product((a.shape, a.size, a.rot), a.rd, x, y)
    }

    // ---- rounding and conversion ----

    pub(super) fn vfrint(&mut self, a: args::Vfrint) -> Out {
        let round = rounding(a.mode);
        let exact = a.mode == EXACT;
        let x = self.vget(a.shape, a.rn);
        let r = if a.size == HALF {
            let desc = Desc {
                round: round as u8,
                flag: exact,
                ..Desc::new(Soft::Round, 1, lanes(a.shape, 1))
            };
            self.soft_lanes(desc, a.shape, [x, x, x])
        } else {
            let imm = i64::from(exact) | (round as i64) << 12;
            self.b.fop(
                Op::VFRound,
                vty(a.shape),
                a.size as u8,
                0,
                [x, NONE, NONE],
                imm,
            )
        };
        self.set_scalar(a.rd, r);
        Out::Next
    }

    pub(super) fn vfrint_size(&mut self, a: args::VfrintSize) -> Out {
        let x = self.vget(a.shape, a.rn);
        let desc = Desc {
            round: if a.current { CURRENT } else { 3 },
            int: if a.wide { 3 } else { 2 },
            ..Desc::new(Soft::RoundSize, a.size, lanes(a.shape, a.size))
        };
        let r = self.soft_lanes(desc, a.shape, [x, x, x]);
        self.set_scalar(a.rd, r);
        Out::Next
    }

    /// Conversion between floats and integers of the lane's size.
    fn convert(
        &mut self,
        to_int: bool,
        f: (u32, u32, bool),
        scale: (u32, FpRound),
        n: u32,
        d: u32,
    ) -> Out {
        let (shape, size, unsigned) = f;
        let (fraction, round) = scale;
        let x = self.fp_source(shape, size, n);
        let r = if size == HALF {
            let op = if to_int { Soft::ToInt } else { Soft::FromInt };
            // A scalar's integer has the lane's size, too: two lanes keep the helper from taking it as a wide one.
            let desc = Desc {
                round: round as u8,
                flag: !unsigned,
                fraction: fraction as u8,
                ..Desc::new(op, 1, lanes(shape, 1).max(2))
            };
            self.soft_lanes(desc, shape, [x, x, x])
        } else {
            let op = if to_int { Op::VFToI } else { Op::VFFromI };
            let imm = i64::from(fraction) | i64::from(!unsigned) << 8 | (round as i64) << 12;
            self.b
                .fop(op, vty(shape), size as u8, 0, [x, NONE, NONE], imm)
        };
        self.vset(shape, size, d, r);
        Out::Next
    }

    pub(super) fn vfcvt_to_int(&mut self, a: args::VfcvtToInt) -> Out {
        let f = (a.shape, a.size, a.unsigned);
        self.convert(true, f, (0, rounding(a.mode)), a.rn, a.rd)
    }

    pub(super) fn vfcvt_from_int(&mut self, a: args::VfcvtFromInt) -> Out {
        let f = (a.shape, a.size, a.unsigned);
        self.convert(false, f, (0, FpRound::Current), a.rn, a.rd)
    }

    pub(super) fn vfcvt_to_fixed(&mut self, a: args::VfcvtToFixed) -> Out {
        let (size, fraction) = right_shift(a.hb);
        let f = (a.shape, size, a.unsigned);
        self.convert(true, f, (fraction, FpRound::Zero), a.rn, a.rd)
    }

    pub(super) fn vfcvt_from_fixed(&mut self, a: args::VfcvtFromFixed) -> Out {
        let (size, fraction) = right_shift(a.hb);
        let f = (a.shape, size, a.unsigned);
        self.convert(false, f, (fraction, FpRound::Current), a.rn, a.rd)
    }

    pub(super) fn vfrecpx(&mut self, a: args::Vfrecpx) -> Out {
        let x = self.vget(SCALAR, a.rn);
        let r = self.soft_lanes(Desc::new(Soft::RecipExponent, a.size, 1), SCALAR, [x, x, x]);
        self.vset(SCALAR, a.size, a.rd, r);
        Out::Next
    }

    // ---- between formats ----

    /// FCVTL: the lower or upper half, widened.
    pub(super) fn vfcvtl(&mut self, a: args::Vfcvtl) -> Out {
        let x = self.half_of(a.rn, a.upper);
        let r = if a.sz {
            let lo = self.b.bitcast(Ty::F32, x);
            let hi = self.b.un(Op::VHigh, Ty::F32, x);
            let lo = self.b.fop(Op::FCvt, Ty::F64, 0, 0, [lo, NONE, NONE], 0);
            let hi = self.b.fop(Op::FCvt, Ty::F64, 0, 0, [hi, NONE, NONE], 0);
            let (lo, hi) = (self.b.bitcast(Ty::V64, lo), self.b.bitcast(Ty::V64, hi));
            self.b.bin(Op::VConcat, Ty::V128, lo, hi)
        } else {
            self.b
                .fop(Op::VFFromHalf, Ty::V128, 0, 0, [x, NONE, NONE], 0)
        };
        self.b.set(slot::v(a.rd), r);
        Out::Next
    }

    /// FCVTN: narrowed into the lower or upper half.
    pub(super) fn vfcvtn(&mut self, a: args::Vfcvtn) -> Out {
        let x = self.b.get(slot::v(a.rn));
        let r = if a.sz {
            let lo = self.b.bitcast(Ty::F64, x);
            let hi = self.b.un(Op::VHigh, Ty::V64, x);
            let hi = self.b.bitcast(Ty::F64, hi);
            let lo = self.b.fop(Op::FCvt, Ty::F32, 0, 0, [lo, NONE, NONE], 0);
            let hi = self.b.fop(Op::FCvt, Ty::F32, 0, 0, [hi, NONE, NONE], 0);
            self.b.bin(Op::VConcat, Ty::V64, lo, hi)
        } else {
            self.b.fop(Op::VFToHalf, Ty::V64, 0, 0, [x, NONE, NONE], 0)
        };
        self.set_narrow(u32::from(a.upper), 2, a.rd, r);
        Out::Next
    }

    pub(super) fn vfcvtxn(&mut self, a: args::Vfcvtxn) -> Out {
        let x = self.b.get(slot::v(a.rn));
        let count = if a.shape == SCALAR { 1 } else { 2 };
        let r = self.soft(Desc::new(Soft::Narrow, 3, count), [x, x, x]);
        let r = self.b.bitcast(Ty::V64, r);
        self.set_narrow(a.shape, 2, a.rd, r);
        Out::Next
    }
}
