//! Advanced SIMD data processing on integers and bits. [ARMv7 A7.4]

use tcg_ir::{Op, Ty, Value};

use super::fpregs::{lane_bits, vty};
use super::{Out, Translator};
use crate::decode::args;

/// Handlers of the shape "vd = op(vn, vm)" with lanes of `size`, signed or not.
macro_rules! three_su {
    ($($name:ident $args:ident $signed:ident $unsigned:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$args) -> Out {
            let op = if a.unsigned { Op::$unsigned } else { Op::$signed };
            self.v3(a.quad, a.vd, a.vn, a.vm, |t, ty, x, y| t.b.vbin(op, ty, a.size as u8, x, y, 0))
        }
    )*};
}

/// The same without signedness.
macro_rules! three {
    ($($name:ident $args:ident $op:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$args) -> Out {
            self.v3(a.quad, a.vd, a.vn, a.vm, |t, ty, x, y| t.b.vbin(Op::$op, ty, a.size as u8, x, y, 0))
        }
    )*};
}

/// D registers only.
macro_rules! pairwise {
    ($($name:ident $args:ident $signed:ident $unsigned:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$args) -> Out {
            let op = if a.unsigned { Op::$unsigned } else { Op::$signed };
            self.v3(false, a.vd, a.vn, a.vm, |t, ty, x, y| t.b.vbin(op, ty, a.size as u8, x, y, 0))
        }
    )*};
}

macro_rules! bitwise {
    ($($name:ident $args:ident |$t:ident, $ty:ident, $d:ident, $n:ident, $m:ident| $body:expr;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$args) -> Out {
            let $d = self.vget(a.quad, a.vd);
            self.v3(a.quad, a.vd, a.vn, a.vm, |$t, $ty, $n, $m| { let _ = $d; $body })
        }
    )*};
}

macro_rules! unary {
    ($($name:ident $args:ident $op:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$args) -> Out {
            self.v2(a.quad, a.vd, a.vm, |t, ty, x| t.b.vun(Op::$op, ty, a.size as u8, x, 0))
        }
    )*};
}

impl Translator<'_> {
    /// vd = op(vn, vm) on D or Q registers.
    pub(super) fn v3(
        &mut self,
        quad: bool,
        d: u32,
        n: u32,
        m: u32,
        op: impl FnOnce(&mut Self, Ty, Value, Value) -> Value,
    ) -> Out {
        let (x, y) = (self.vget(quad, n), self.vget(quad, m));
        let r = op(self, vty(quad), x, y);
        self.vset(quad, d, r);
        Out::Next
    }

    /// vd = op(vm) on D or Q registers.
    pub(super) fn v2(
        &mut self,
        quad: bool,
        d: u32,
        m: u32,
        op: impl FnOnce(&mut Self, Ty, Value) -> Value,
    ) -> Out {
        let x = self.vget(quad, m);
        let r = op(self, vty(quad), x);
        self.vset(quad, d, r);
        Out::Next
    }

    /// Lane-wise operation without signedness.
    pub(super) fn vlane(&mut self, op: Op, ty: Ty, size: u32, x: Value, y: Value) -> Value {
        self.b.vbin(op, ty, size as u8, x, y, 0)
    }

    three_su! {
        vhadd Vhadd VHaddS VHaddU;
        vrhadd Vrhadd VRhaddS VRhaddU;
        vhsub Vhsub VHsubS VHsubU;
        vcgt Vcgt VCmpGtS VCmpGtU;
        vcge Vcge VCmpGeS VCmpGeU;
        vmax_int VmaxInt VMaxS VMaxU;
        vmin_int VminInt VMinS VMinU;
        vabd_int VabdInt VAbdS VAbdU;
    }

    three! {
        vadd_int VaddInt VAdd;
        vsub_int VsubInt VSub;
        vtst Vtst VTst;
        vceq Vceq VCmpEq;
        vmul_int VmulInt VMul;
    }

    pairwise! {
        vpmax_int VpmaxInt VPmaxS VPmaxU;
        vpmin_int VpminInt VPminS VPminU;
    }

    bitwise! {
        vand Vand |t, ty, d, n, m| t.vlane(Op::VAnd, ty, 0, n, m);
        vbic Vbic |t, ty, d, n, m| t.vlane(Op::VAndNot, ty, 0, n, m);
        vorr Vorr |t, ty, d, n, m| if n == m { n } else { t.vlane(Op::VOr, ty, 0, n, m) };
        vorn Vorn |t, ty, d, n, m| {
            let inv = t.b.vun(Op::VNot, ty, 0, m, 0);
            t.vlane(Op::VOr, ty, 0, n, inv)
        };
        veor Veor |t, ty, d, n, m| t.vlane(Op::VXor, ty, 0, n, m);
        vbsl Vbsl |t, ty, d, n, m| t.b.tri(Op::VBsl, ty, d, n, m);
        vbit Vbit |t, ty, d, n, m| t.b.tri(Op::VBsl, ty, m, n, d);
        vbif Vbif |t, ty, d, n, m| t.b.tri(Op::VBsl, ty, m, d, n);
    }

    unary! {
        vcls Vcls VCls;
        vclz Vclz VClz;
    }

    pub(super) fn vcnt(&mut self, a: args::Vcnt) -> Out {
        self.v2(a.quad, a.vd, a.vm, |t, ty, x| {
            t.b.vun(Op::VCnt, ty, 0, x, 0)
        })
    }

    pub(super) fn vmvn_reg(&mut self, a: args::VmvnReg) -> Out {
        self.v2(a.quad, a.vd, a.vm, |t, ty, x| {
            t.b.vun(Op::VNot, ty, 0, x, 0)
        })
    }

    pub(super) fn vmul_poly(&mut self, a: args::VmulPoly) -> Out {
        self.v3(a.quad, a.vd, a.vn, a.vm, |t, ty, x, y| {
            t.vlane(Op::VPmul, ty, 0, x, y)
        })
    }

    pub(super) fn vpadd_int(&mut self, a: args::VpaddInt) -> Out {
        self.v3(false, a.vd, a.vn, a.vm, |t, ty, x, y| {
            t.vlane(Op::VPadd, ty, a.size, x, y)
        })
    }

    pub(super) fn vaba(&mut self, a: args::Vaba) -> Out {
        let op = if a.unsigned { Op::VAbdU } else { Op::VAbdS };
        self.v3(a.quad, a.vd, a.vn, a.vm, |t, ty, x, y| {
            let diff = t.vlane(op, ty, a.size, x, y);
            let acc = t.vget(a.quad, a.vd);
            t.vlane(Op::VAdd, ty, a.size, acc, diff)
        })
    }

    /// vd ± vn * vm.
    pub(super) fn vmac(
        &mut self,
        op: Op,
        quad: bool,
        size: u32,
        d: u32,
        x: Value,
        y: Value,
    ) -> Out {
        let ty = vty(quad);
        let prod = self.vlane(Op::VMul, ty, size, x, y);
        let acc = self.vget(quad, d);
        let r = self.vlane(op, ty, size, acc, prod);
        self.vset(quad, d, r);
        Out::Next
    }

    pub(super) fn vmla_int(&mut self, a: args::VmlaInt) -> Out {
        let (x, y) = (self.vget(a.quad, a.vn), self.vget(a.quad, a.vm));
        self.vmac(Op::VAdd, a.quad, a.size, a.vd, x, y)
    }

    pub(super) fn vmls_int(&mut self, a: args::VmlsInt) -> Out {
        let (x, y) = (self.vget(a.quad, a.vn), self.vget(a.quad, a.vm));
        self.vmac(Op::VSub, a.quad, a.size, a.vd, x, y)
    }

    // ---- saturating ----

    /// A saturating operation beside the wrapping one; QC where they differ.
    fn vsat(&mut self, ty: Ty, size: u32, sat: Op, wrap: Op, x: Value, y: Value) -> Value {
        let r = self.vlane(sat, ty, size, x, y);
        let w = self.vlane(wrap, ty, size, x, y);
        self.saturated(ty, r, w);
        r
    }

    pub(super) fn vqadd(&mut self, a: args::Vqadd) -> Out {
        let op = if a.unsigned {
            Op::VAddSatU
        } else {
            Op::VAddSatS
        };
        self.v3(a.quad, a.vd, a.vn, a.vm, |t, ty, x, y| {
            t.vsat(ty, a.size, op, Op::VAdd, x, y)
        })
    }

    pub(super) fn vqsub(&mut self, a: args::Vqsub) -> Out {
        let op = if a.unsigned {
            Op::VSubSatU
        } else {
            Op::VSubSatS
        };
        self.v3(a.quad, a.vd, a.vn, a.vm, |t, ty, x, y| {
            t.vsat(ty, a.size, op, Op::VSub, x, y)
        })
    }

    /// Saturating doubling product, high half: saturates only for the most negative number squared.
    pub(super) fn vqdmulh_op(
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
    fn min_squared(&mut self, ty: Ty, size: u32, x: Value, y: Value) {
        let min = self.vsplat(ty, size, 1 << (lane_bits(size) - 1));
        let ex = self.vlane(Op::VCmpEq, ty, size, x, min);
        let ey = self.vlane(Op::VCmpEq, ty, size, y, min);
        let both = self.vlane(Op::VAnd, ty, 0, ex, ey);
        self.accumulate_qc(both);
    }

    pub(super) fn vqdmulh(&mut self, a: args::Vqdmulh) -> Out {
        self.v3(a.quad, a.vd, a.vn, a.vm, |t, ty, x, y| {
            t.vqdmulh_op(ty, a.size, false, x, y)
        })
    }

    pub(super) fn vqrdmulh(&mut self, a: args::Vqrdmulh) -> Out {
        self.v3(a.quad, a.vd, a.vn, a.vm, |t, ty, x, y| {
            t.vqdmulh_op(ty, a.size, true, x, y)
        })
    }

    // VQRDMLAH rounds once over product and accumulator, in more bits than a lane has.

    pub(super) fn vqabs(&mut self, a: args::Vqabs) -> Out {
        self.v2(a.quad, a.vd, a.vm, |t, ty, x| {
            // |min| wraps to min; saturated it is max = !min.
            let abs = t.b.vun(Op::VAbs, ty, a.size as u8, x, 0);
            let min = t.vsplat(ty, a.size, 1 << (lane_bits(a.size) - 1));
            let over = t.vlane(Op::VCmpEq, ty, a.size, x, min);
            t.accumulate_qc(over);
            t.vlane(Op::VXor, ty, 0, abs, over)
        })
    }

    pub(super) fn vqneg(&mut self, a: args::Vqneg) -> Out {
        self.v2(a.quad, a.vd, a.vm, |t, ty, x| {
            let zero = t.b.vconst(ty, 0);
            t.vsat(ty, a.size, Op::VSubSatS, Op::VSub, zero, x)
        })
    }

    // ---- shifts by register ----

    fn vshift_v(&mut self, quad: bool, size: u32, d: u32, n: u32, m: u32, imm: i64) -> Out {
        self.v3(quad, d, m, n, |t, ty, x, amount| {
            let r = t.b.vbin(Op::VShlV, ty, size as u8, x, amount, imm);
            if imm & 4 != 0 {
                let over = t.b.vbin(Op::VShlV, ty, size as u8, x, amount, imm | 8);
                t.accumulate_qc(over);
            }
            r
        })
    }

    pub(super) fn vshl_reg(&mut self, a: args::VshlReg) -> Out {
        self.vshift_v(a.quad, a.size, a.vd, a.vn, a.vm, i64::from(!a.unsigned))
    }

    pub(super) fn vqshl_reg(&mut self, a: args::VqshlReg) -> Out {
        self.vshift_v(a.quad, a.size, a.vd, a.vn, a.vm, 4 | i64::from(!a.unsigned))
    }

    pub(super) fn vrshl(&mut self, a: args::Vrshl) -> Out {
        self.vshift_v(a.quad, a.size, a.vd, a.vn, a.vm, 2 | i64::from(!a.unsigned))
    }

    pub(super) fn vqrshl(&mut self, a: args::Vqrshl) -> Out {
        self.vshift_v(a.quad, a.size, a.vd, a.vn, a.vm, 6 | i64::from(!a.unsigned))
    }

    // ---- two registers, miscellaneous ----

    fn vrev(&mut self, quad: bool, d: u32, m: u32, size: u32, group: i64) -> Out {
        self.v2(quad, d, m, |t, ty, x| {
            t.b.vun(Op::VRev, ty, size as u8, x, group)
        })
    }

    pub(super) fn vrev64(&mut self, a: args::Vrev64) -> Out {
        self.vrev(a.quad, a.vd, a.vm, a.size, 3)
    }

    pub(super) fn vrev32(&mut self, a: args::Vrev32) -> Out {
        self.vrev(a.quad, a.vd, a.vm, a.size, 2)
    }

    pub(super) fn vrev16(&mut self, a: args::Vrev16) -> Out {
        self.vrev(a.quad, a.vd, a.vm, 0, 1)
    }

    pub(super) fn vpaddl(&mut self, a: args::Vpaddl) -> Out {
        let op = if a.unsigned { Op::VPaddlU } else { Op::VPaddlS };
        self.v2(a.quad, a.vd, a.vm, |t, ty, x| {
            t.b.vun(op, ty, a.size as u8, x, 0)
        })
    }

    pub(super) fn vpadal(&mut self, a: args::Vpadal) -> Out {
        let op = if a.unsigned { Op::VPaddlU } else { Op::VPaddlS };
        self.v2(a.quad, a.vd, a.vm, |t, ty, x| {
            let sums = t.b.vun(op, ty, a.size as u8, x, 0);
            let acc = t.vget(a.quad, a.vd);
            t.vlane(Op::VAdd, ty, a.size + 1, acc, sums)
        })
    }

    pub(super) fn vswp(&mut self, a: args::Vswp) -> Out {
        let (x, y) = (self.vget(a.quad, a.vd), self.vget(a.quad, a.vm));
        self.vset(a.quad, a.vd, y);
        self.vset(a.quad, a.vm, x);
        Out::Next
    }

    /// vd, vm = first(vd, vm), second(vd, vm). UNPREDICTABLE if vd is vm: the second result stays.
    fn vpermute(&mut self, quad: bool, size: u32, d: u32, m: u32, first: Op, second: Op) -> Out {
        let (x, y) = (self.vget(quad, d), self.vget(quad, m));
        let p = self.vlane(first, vty(quad), size, x, y);
        let q = self.vlane(second, vty(quad), size, x, y);
        self.vset(quad, d, p);
        self.vset(quad, m, q);
        Out::Next
    }

    pub(super) fn vtrn(&mut self, a: args::Vtrn) -> Out {
        self.vpermute(a.quad, a.size, a.vd, a.vm, Op::VTrnEven, Op::VTrnOdd)
    }

    pub(super) fn vuzp(&mut self, a: args::Vuzp) -> Out {
        self.vpermute(a.quad, a.size, a.vd, a.vm, Op::VUzpEven, Op::VUzpOdd)
    }

    pub(super) fn vzip(&mut self, a: args::Vzip) -> Out {
        self.vpermute(a.quad, a.size, a.vd, a.vm, Op::VZipLo, Op::VZipHi)
    }

    /// Comparison of vm with zero by `int` or, for F32 lanes, `float`; operands swapped if `swap`.
    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of one instruction form"
    )]
    fn vcompare0(
        &mut self,
        quad: bool,
        size: u32,
        d: u32,
        m: u32,
        float: bool,
        ops: (Op, Op),
        swap: bool,
    ) -> Out {
        self.v2(quad, d, m, |t, ty, x| {
            let zero = t.b.vconst(ty, 0);
            let (p, q) = if swap { (zero, x) } else { (x, zero) };
            if float {
                t.b.fop(ops.1, ty, 2, super::neon_fp::NEON, [p, q, Value::NONE], 0)
            } else {
                t.vlane(ops.0, ty, size, p, q)
            }
        })
    }

    pub(super) fn vcgt0(&mut self, a: args::Vcgt0) -> Out {
        self.vcompare0(
            a.quad,
            a.size,
            a.vd,
            a.vm,
            a.float,
            (Op::VCmpGtS, Op::VFCmpGt),
            false,
        )
    }

    pub(super) fn vcge0(&mut self, a: args::Vcge0) -> Out {
        self.vcompare0(
            a.quad,
            a.size,
            a.vd,
            a.vm,
            a.float,
            (Op::VCmpGeS, Op::VFCmpGe),
            false,
        )
    }

    pub(super) fn vceq0(&mut self, a: args::Vceq0) -> Out {
        self.vcompare0(
            a.quad,
            a.size,
            a.vd,
            a.vm,
            a.float,
            (Op::VCmpEq, Op::VFCmpEq),
            false,
        )
    }

    pub(super) fn vcle0(&mut self, a: args::Vcle0) -> Out {
        self.vcompare0(
            a.quad,
            a.size,
            a.vd,
            a.vm,
            a.float,
            (Op::VCmpGeS, Op::VFCmpGe),
            true,
        )
    }

    pub(super) fn vclt0(&mut self, a: args::Vclt0) -> Out {
        self.vcompare0(
            a.quad,
            a.size,
            a.vd,
            a.vm,
            a.float,
            (Op::VCmpGtS, Op::VFCmpGt),
            true,
        )
    }

    pub(super) fn vabs_v(&mut self, a: args::VabsV) -> Out {
        let op = if a.float { Op::VFAbs } else { Op::VAbs };
        self.v2(a.quad, a.vd, a.vm, |t, ty, x| {
            t.b.vun(op, ty, a.size as u8, x, 0)
        })
    }

    pub(super) fn vneg_v(&mut self, a: args::VnegV) -> Out {
        let op = if a.float { Op::VFNeg } else { Op::VNeg };
        self.v2(a.quad, a.vd, a.vm, |t, ty, x| {
            t.b.vun(op, ty, a.size as u8, x, 0)
        })
    }

    // ---- extract, table, duplicate, immediate ----

    pub(super) fn vext(&mut self, a: args::Vext) -> Out {
        self.v3(a.quad, a.vd, a.vn, a.vm, |t, ty, x, y| {
            t.b.vbin(Op::VExt, ty, 0, x, y, i64::from(a.imm))
        })
    }

    pub(super) fn vdup_lane(&mut self, a: args::VdupLane) -> Out {
        let size = a.imm.trailing_zeros();
        let x = self.vget(false, a.vm);
        let r = self.b.vun(
            Op::VDupLane,
            vty(a.quad),
            size as u8,
            x,
            i64::from(a.imm >> (size + 1)),
        );
        self.vset(a.quad, a.vd, r);
        Out::Next
    }

    pub(super) fn vtbl(&mut self, a: args::Vtbl) -> Out {
        let count = a.len + 1;
        if a.vn + count > 32 {
            return self.undefined(); // UNPREDICTABLE: the table runs beyond D31
        }
        let zero = self.b.vconst(Ty::V64, 0);
        let index = self.vget(false, a.vm);
        let extend = a.extend;
        let fallback = if extend { self.vget(false, a.vd) } else { zero };
        let mut r = fallback;
        for pair in (0..count.div_ceil(2)).rev() {
            let lo = self.vget(false, a.vn + 2 * pair);
            let hi = if 2 * pair + 1 < count {
                self.vget(false, a.vn + 2 * pair + 1)
            } else {
                zero
            };
            let table = self.b.bin(Op::VConcat, Ty::V128, lo, hi);
            let base = self.vsplat(Ty::V64, 0, u64::from(16 * pair));
            let local = self.vlane(Op::VSub, Ty::V64, 0, index, base);
            r = self.b.tri(Op::VTbl, Ty::V64, table, local, r);
        }
        if extend && count % 2 == 1 {
            // The upper half of the last pair is no part of the table.
            let limit = self.vsplat(Ty::V64, 0, u64::from(8 * count));
            let inside = self.vlane(Op::VCmpGtU, Ty::V64, 0, limit, index);
            r = self.b.tri(Op::VBsl, Ty::V64, inside, r, fallback);
        }
        self.vset(false, a.vd, r);
        Out::Next
    }

    pub(super) fn vimm(&mut self, a: args::Vimm) -> Out {
        let op = a.op;
        let imm = expand_imm(op, a.cmode, a.imm);
        let ty = vty(a.quad);
        let v = self.vsplat(ty, 3, imm);
        let logical = a.cmode < 12 && a.cmode & 1 == 1;
        let r = match (logical, op) {
            (true, combine) => {
                let old = self.vget(a.quad, a.vd);
                self.vlane(if combine { Op::VAndNot } else { Op::VOr }, ty, 0, old, v)
            }
            (false, true) if a.cmode != 14 => self.vsplat(ty, 3, !imm),
            _ => v,
        };
        self.vset(a.quad, a.vd, r);
        Out::Next
    }
}

/// AdvSIMDExpandImm. [ARMv7 A7.4.6]
fn expand_imm(op: bool, cmode: u32, imm8: u32) -> u64 {
    let b = u64::from(imm8);
    let twice = |x: u64| x | x << 32;
    let four = |x: u64| twice(x | x << 16);
    match cmode >> 1 {
        0 => twice(b),
        1 => twice(b << 8),
        2 => twice(b << 16),
        3 => twice(b << 24),
        4 => four(b),
        5 => four(b << 8),
        6 if cmode & 1 == 0 => twice(b << 8 | 0xff),
        6 => twice(b << 16 | 0xffff),
        _ if cmode & 1 == 0 && !op => b * 0x0101_0101_0101_0101,
        _ if cmode & 1 == 0 => (0..8)
            .map(|i| if b >> i & 1 == 1 { 0xff << (8 * i) } else { 0 })
            .sum(),
        _ => twice(super::vfp::expand_imm(false, imm8)),
    }
}
