//! Advanced SIMD that changes the lane size (long, wide, narrow), shifts by immediates, and operations with a
//! scalar. [ARMv7 A7.4.2, A7.4.3, A7.4.4]

use tcg_ir::{Op, Ty, Value};

use super::fpregs::{lane_bits, vty};
use super::{Out, Translator};
use crate::decode::args;

macro_rules! long {
    ($($name:ident $args:ident $signed:ident $unsigned:ident |$t:ident, $a:ident, $p:ident| $body:expr;)*) => {$(
        pub(super) fn $name(&mut self, $a: args::$args) -> Out {
            let op = if $a.unsigned { Op::$unsigned } else { Op::$signed };
            let (x, y) = (self.vget(false, $a.vn), self.vget(false, $a.vm));
            let $p = self.b.vbin(op, Ty::V128, $a.size as u8, x, y, 0);
            let $t = self;
            let r = $body;
            $t.vset(true, $a.vd, r);
            Out::Next
        }
    )*};
}

impl Translator<'_> {
    long! {
        vmull Vmull VMullS VMullU |t, a, p| { let _ = &t; p };
        vmlal Vmlal VMullS VMullU |t, a, p| t.wide_acc(Op::VAdd, a.vd, a.size, p);
        vmlsl Vmlsl VMullS VMullU |t, a, p| t.wide_acc(Op::VSub, a.vd, a.size, p);
    }

    /// Q register `d` ± p, lanes of twice `size`.
    fn wide_acc(&mut self, op: Op, d: u32, size: u32, p: Value) -> Value {
        let acc = self.vget(true, d);
        self.vlane(op, Ty::V128, size + 1, acc, p)
    }

    /// D register `n` with lanes widened.
    fn widened(&mut self, n: u32, size: u32, unsigned: bool) -> Value {
        let x = self.vget(false, n);
        let op = if unsigned { Op::VWidenU } else { Op::VWidenS };
        self.b.vun(op, Ty::V128, size as u8, x, 0)
    }

    fn long_add(&mut self, op: Op, d: u32, n: u32, m: u32, size: u32, unsigned: bool) -> Out {
        let x = self.widened(n, size, unsigned);
        let y = self.widened(m, size, unsigned);
        let r = self.vlane(op, Ty::V128, size + 1, x, y);
        self.vset(true, d, r);
        Out::Next
    }

    pub(super) fn vaddl(&mut self, a: args::Vaddl) -> Out {
        self.long_add(Op::VAdd, a.vd, a.vn, a.vm, a.size, a.unsigned)
    }

    pub(super) fn vsubl(&mut self, a: args::Vsubl) -> Out {
        self.long_add(Op::VSub, a.vd, a.vn, a.vm, a.size, a.unsigned)
    }

    fn wide_add(&mut self, op: Op, d: u32, n: u32, m: u32, size: u32, unsigned: bool) -> Out {
        let x = self.vget(true, n);
        let y = self.widened(m, size, unsigned);
        let r = self.vlane(op, Ty::V128, size + 1, x, y);
        self.vset(true, d, r);
        Out::Next
    }

    pub(super) fn vaddw(&mut self, a: args::Vaddw) -> Out {
        self.wide_add(Op::VAdd, a.vd, a.vn, a.vm, a.size, a.unsigned)
    }

    pub(super) fn vsubw(&mut self, a: args::Vsubw) -> Out {
        self.wide_add(Op::VSub, a.vd, a.vn, a.vm, a.size, a.unsigned)
    }

    /// |vn - vm| widened.
    fn long_diff(&mut self, n: u32, m: u32, size: u32, unsigned: bool) -> Value {
        let (x, y) = (self.vget(false, n), self.vget(false, m));
        let op = if unsigned { Op::VAbdU } else { Op::VAbdS };
        let diff = self.vlane(op, Ty::V64, size, x, y);
        self.b.vun(Op::VWidenU, Ty::V128, size as u8, diff, 0)
    }

    pub(super) fn vabdl(&mut self, a: args::Vabdl) -> Out {
        let r = self.long_diff(a.vn, a.vm, a.size, a.unsigned);
        self.vset(true, a.vd, r);
        Out::Next
    }

    pub(super) fn vabal(&mut self, a: args::Vabal) -> Out {
        let diff = self.long_diff(a.vn, a.vm, a.size, a.unsigned);
        let r = self.wide_acc(Op::VAdd, a.vd, a.size, diff);
        self.vset(true, a.vd, r);
        Out::Next
    }

    /// High halves of vn ± vm, rounded if `round`.
    fn high_half(&mut self, op: Op, d: u32, n: u32, m: u32, size: u32, round: bool) -> Out {
        let (x, y) = (self.vget(true, n), self.vget(true, m));
        let mut sum = self.vlane(op, Ty::V128, size + 1, x, y);
        if round {
            let half = self.vsplat(Ty::V128, size + 1, 1 << (lane_bits(size) - 1));
            sum = self.vlane(Op::VAdd, Ty::V128, size + 1, sum, half);
        }
        let high = self.b.vun(
            Op::VShrI,
            Ty::V128,
            size as u8 + 1,
            sum,
            i64::from(lane_bits(size)),
        );
        let r = self.b.vun(Op::VNarrow, Ty::V64, size as u8, high, 0);
        self.vset(false, d, r);
        Out::Next
    }

    pub(super) fn vaddhn(&mut self, a: args::Vaddhn) -> Out {
        self.high_half(Op::VAdd, a.vd, a.vn, a.vm, a.size, false)
    }

    pub(super) fn vraddhn(&mut self, a: args::Vraddhn) -> Out {
        self.high_half(Op::VAdd, a.vd, a.vn, a.vm, a.size, true)
    }

    pub(super) fn vsubhn(&mut self, a: args::Vsubhn) -> Out {
        self.high_half(Op::VSub, a.vd, a.vn, a.vm, a.size, false)
    }

    pub(super) fn vrsubhn(&mut self, a: args::Vrsubhn) -> Out {
        self.high_half(Op::VSub, a.vd, a.vn, a.vm, a.size, true)
    }

    pub(super) fn vmull_poly(&mut self, a: args::VmullPoly) -> Out {
        let (x, y) = (self.vget(false, a.vn), self.vget(false, a.vm));
        let r = self.b.vbin(Op::VPmull, Ty::V128, a.size as u8, x, y, 0);
        self.vset(true, a.vd, r);
        Out::Next
    }

    // ---- saturating doubling long multiplies ----

    fn qdmull(&mut self, size: u32, x: Value, y: Value) -> Value {
        let p = self.b.vbin(Op::VQdmull, Ty::V128, size as u8, x, y, 0);
        // It saturates only for the most negative number squared, and only then gives the largest number.
        let max = self.vsplat(Ty::V128, size + 1, (1 << (2 * lane_bits(size) - 1)) - 1);
        let over = self.vlane(Op::VCmpEq, Ty::V128, size + 1, p, max);
        self.accumulate_qc(over);
        p
    }

    fn qdmlal(&mut self, d: u32, size: u32, x: Value, y: Value, sat: Op, wrap: Op) -> Out {
        let p = self.qdmull(size, x, y);
        let acc = self.vget(true, d);
        let r = self.vlane(sat, Ty::V128, size + 1, acc, p);
        let w = self.vlane(wrap, Ty::V128, size + 1, acc, p);
        self.saturated(Ty::V128, r, w);
        self.vset(true, d, r);
        Out::Next
    }

    pub(super) fn vqdmull(&mut self, a: args::Vqdmull) -> Out {
        let (x, y) = (self.vget(false, a.vn), self.vget(false, a.vm));
        let r = self.qdmull(a.size, x, y);
        self.vset(true, a.vd, r);
        Out::Next
    }

    pub(super) fn vqdmlal(&mut self, a: args::Vqdmlal) -> Out {
        let (x, y) = (self.vget(false, a.vn), self.vget(false, a.vm));
        self.qdmlal(a.vd, a.size, x, y, Op::VAddSatS, Op::VAdd)
    }

    pub(super) fn vqdmlsl(&mut self, a: args::Vqdmlsl) -> Out {
        let (x, y) = (self.vget(false, a.vn), self.vget(false, a.vm));
        self.qdmlal(a.vd, a.size, x, y, Op::VSubSatS, Op::VSub)
    }

    // ---- with a scalar ----

    /// The scalar operand in every lane. `vm` is M:Vm. [ARMv7 A8.8.338]
    fn scalar(&mut self, ty: Ty, size: u32, vm: u32) -> Value {
        let (reg, index) = match size {
            1 => (vm & 7, vm >> 3),
            _ => (vm & 15, vm >> 4),
        };
        let x = self.vget(false, reg);
        self.b
            .vun(Op::VDupLane, ty, size as u8, x, i64::from(index))
    }

    pub(super) fn scalar_pair(&mut self, quad: bool, size: u32, n: u32, m: u32) -> (Value, Value) {
        let y = self.scalar(vty(quad), size, m);
        (self.vget(quad, n), y)
    }

    pub(super) fn vmla_s(&mut self, a: args::VmlaS) -> Out {
        let (x, y) = self.scalar_pair(a.quad, a.size, a.vn, a.vm);
        self.vmac(Op::VAdd, a.quad, a.size, a.vd, x, y)
    }

    pub(super) fn vmls_s(&mut self, a: args::VmlsS) -> Out {
        let (x, y) = self.scalar_pair(a.quad, a.size, a.vn, a.vm);
        self.vmac(Op::VSub, a.quad, a.size, a.vd, x, y)
    }

    pub(super) fn vmul_s(&mut self, a: args::VmulS) -> Out {
        let (x, y) = self.scalar_pair(a.quad, a.size, a.vn, a.vm);
        let r = self.vlane(Op::VMul, vty(a.quad), a.size, x, y);
        self.vset(a.quad, a.vd, r);
        Out::Next
    }

    pub(super) fn vmla_sf(&mut self, a: args::VmlaSf) -> Out {
        let (x, y) = self.scalar_pair(a.quad, a.size, a.vn, a.vm);
        self.vfmac(a.quad, a.vd, x, y, false)
    }

    pub(super) fn vmls_sf(&mut self, a: args::VmlsSf) -> Out {
        let (x, y) = self.scalar_pair(a.quad, a.size, a.vn, a.vm);
        self.vfmac(a.quad, a.vd, x, y, true)
    }

    pub(super) fn vmul_sf(&mut self, a: args::VmulSf) -> Out {
        let (x, y) = self.scalar_pair(a.quad, a.size, a.vn, a.vm);
        let r = self.vf(Op::VFMul, vty(a.quad), x, y);
        self.vset(a.quad, a.vd, r);
        Out::Next
    }

    fn scalar_product(&mut self, size: u32, n: u32, m: u32, unsigned: bool) -> Value {
        let (x, y) = self.scalar_pair(false, size, n, m);
        let op = if unsigned { Op::VMullU } else { Op::VMullS };
        self.vlane(op, Ty::V128, size, x, y)
    }

    pub(super) fn vmull_s(&mut self, a: args::VmullS) -> Out {
        let p = self.scalar_product(a.size, a.vn, a.vm, a.unsigned);
        self.vset(true, a.vd, p);
        Out::Next
    }

    pub(super) fn vmlal_s(&mut self, a: args::VmlalS) -> Out {
        let p = self.scalar_product(a.size, a.vn, a.vm, a.unsigned);
        let r = self.wide_acc(Op::VAdd, a.vd, a.size, p);
        self.vset(true, a.vd, r);
        Out::Next
    }

    pub(super) fn vmlsl_s(&mut self, a: args::VmlslS) -> Out {
        let p = self.scalar_product(a.size, a.vn, a.vm, a.unsigned);
        let r = self.wide_acc(Op::VSub, a.vd, a.size, p);
        self.vset(true, a.vd, r);
        Out::Next
    }

    pub(super) fn vqdmull_s(&mut self, a: args::VqdmullS) -> Out {
        let (x, y) = self.scalar_pair(false, a.size, a.vn, a.vm);
        let r = self.qdmull(a.size, x, y);
        self.vset(true, a.vd, r);
        Out::Next
    }

    pub(super) fn vqdmlal_s(&mut self, a: args::VqdmlalS) -> Out {
        let (x, y) = self.scalar_pair(false, a.size, a.vn, a.vm);
        self.qdmlal(a.vd, a.size, x, y, Op::VAddSatS, Op::VAdd)
    }

    pub(super) fn vqdmlsl_s(&mut self, a: args::VqdmlslS) -> Out {
        let (x, y) = self.scalar_pair(false, a.size, a.vn, a.vm);
        self.qdmlal(a.vd, a.size, x, y, Op::VSubSatS, Op::VSub)
    }

    fn qdmulh_scalar(&mut self, quad: bool, size: u32, d: u32, n: u32, m: u32, round: bool) -> Out {
        let (x, y) = self.scalar_pair(quad, size, n, m);
        let r = self.vqdmulh_op(vty(quad), size, round, x, y);
        self.vset(quad, d, r);
        Out::Next
    }

    pub(super) fn vqdmulh_s(&mut self, a: args::VqdmulhS) -> Out {
        self.qdmulh_scalar(a.quad, a.size, a.vd, a.vn, a.vm, false)
    }

    pub(super) fn vqrdmulh_s(&mut self, a: args::VqrdmulhS) -> Out {
        self.qdmulh_scalar(a.quad, a.size, a.vd, a.vn, a.vm, true)
    }

    // ---- narrowing moves ----

    /// Narrows `wide` (lanes of twice `size`) by `op`; QC where widening the result by `back` differs.
    fn narrow_sat(&mut self, d: u32, size: u32, wide: Value, op: Op, back: Op) -> Out {
        let r = self.b.vun(op, Ty::V64, size as u8, wide, 0);
        let again = self.b.vun(back, Ty::V128, size as u8, r, 0);
        self.saturated(Ty::V128, again, wide);
        self.vset(false, d, r);
        Out::Next
    }

    pub(super) fn vmovn(&mut self, a: args::Vmovn) -> Out {
        let x = self.vget(true, a.vm);
        let r = self.b.vun(Op::VNarrow, Ty::V64, a.size as u8, x, 0);
        self.vset(false, a.vd, r);
        Out::Next
    }

    pub(super) fn vqmovn(&mut self, a: args::Vqmovn) -> Out {
        let x = self.vget(true, a.vm);
        match a.unsigned {
            true => self.narrow_sat(a.vd, a.size, x, Op::VNarrowSatU, Op::VWidenU),
            false => self.narrow_sat(a.vd, a.size, x, Op::VNarrowSatS, Op::VWidenS),
        }
    }

    pub(super) fn vqmovun(&mut self, a: args::Vqmovun) -> Out {
        let x = self.vget(true, a.vm);
        self.narrow_sat(a.vd, a.size, x, Op::VNarrowSatSU, Op::VWidenU)
    }

    // ---- shifts by immediates; `i` is L:imm6 ----

    fn shift_right(
        &mut self,
        ty: Ty,
        size: u32,
        amount: u32,
        unsigned: bool,
        round: bool,
        x: Value,
    ) -> Value {
        let op = match (unsigned, round) {
            (true, false) => Op::VShrI,
            (false, false) => Op::VSarI,
            (true, true) => Op::VRshrI,
            (false, true) => Op::VRsarI,
        };
        self.b.vun(op, ty, size as u8, x, i64::from(amount))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of one instruction form"
    )]
    fn vshift_right(
        &mut self,
        quad: bool,
        i: u32,
        d: u32,
        m: u32,
        unsigned: bool,
        round: bool,
        accumulate: bool,
    ) -> Out {
        let (size, amount) = right_shift(i);
        let ty = vty(quad);
        let x = self.vget(quad, m);
        let mut r = self.shift_right(ty, size, amount, unsigned, round, x);
        if accumulate {
            let acc = self.vget(quad, d);
            r = self.vlane(Op::VAdd, ty, size, acc, r);
        }
        self.vset(quad, d, r);
        Out::Next
    }

    pub(super) fn vshr(&mut self, a: args::Vshr) -> Out {
        self.vshift_right(a.quad, a.imm, a.vd, a.vm, a.unsigned, false, false)
    }

    pub(super) fn vsra(&mut self, a: args::Vsra) -> Out {
        self.vshift_right(a.quad, a.imm, a.vd, a.vm, a.unsigned, false, true)
    }

    pub(super) fn vrshr(&mut self, a: args::Vrshr) -> Out {
        self.vshift_right(a.quad, a.imm, a.vd, a.vm, a.unsigned, true, false)
    }

    pub(super) fn vrsra(&mut self, a: args::Vrsra) -> Out {
        self.vshift_right(a.quad, a.imm, a.vd, a.vm, a.unsigned, true, true)
    }

    pub(super) fn vsri(&mut self, a: args::Vsri) -> Out {
        let (size, amount) = right_shift(a.imm);
        let ty = vty(a.quad);
        let mask = lane_mask(size) >> (amount - 1) >> 1;
        let (x, old) = (self.vget(a.quad, a.vm), self.vget(a.quad, a.vd));
        let r = self.shift_right(ty, size, amount, true, false, x);
        let mask = self.vsplat(ty, size, mask);
        let r = self.b.tri(Op::VBsl, ty, mask, r, old);
        self.vset(a.quad, a.vd, r);
        Out::Next
    }

    pub(super) fn vsli(&mut self, a: args::Vsli) -> Out {
        let (size, amount) = left_shift(a.imm);
        let ty = vty(a.quad);
        let (x, old) = (self.vget(a.quad, a.vm), self.vget(a.quad, a.vd));
        let r = self.b.vun(Op::VShlI, ty, size as u8, x, i64::from(amount));
        let mask = self.vsplat(ty, size, lane_mask(size) << amount);
        let r = self.b.tri(Op::VBsl, ty, mask, r, old);
        self.vset(a.quad, a.vd, r);
        Out::Next
    }

    pub(super) fn vshl_imm(&mut self, a: args::VshlImm) -> Out {
        let (size, amount) = left_shift(a.imm);
        self.v2(a.quad, a.vd, a.vm, |t, ty, x| {
            t.b.vun(Op::VShlI, ty, size as u8, x, i64::from(amount))
        })
    }

    /// Saturating left shift by a constant amount in every lane.
    fn sat_shift(&mut self, ty: Ty, size: u32, amount: u32, signed: bool, x: Value) -> Value {
        let amount = self.vsplat(ty, size, u64::from(amount));
        let imm = 4 | i64::from(signed);
        let over = self.b.vbin(Op::VShlV, ty, size as u8, x, amount, imm | 8);
        self.accumulate_qc(over);
        self.b.vbin(Op::VShlV, ty, size as u8, x, amount, imm)
    }

    pub(super) fn vqshl_imm(&mut self, a: args::VqshlImm) -> Out {
        let (size, amount) = left_shift(a.imm);
        self.v2(a.quad, a.vd, a.vm, |t, ty, x| {
            t.sat_shift(ty, size, amount, !a.unsigned, x)
        })
    }

    pub(super) fn vqshlu(&mut self, a: args::Vqshlu) -> Out {
        let (size, amount) = left_shift(a.imm);
        self.v2(a.quad, a.vd, a.vm, |t, ty, x| {
            // Negative numbers saturate to 0.
            let zero = t.b.vconst(ty, 0);
            let negative = t.vlane(Op::VCmpGtS, ty, size, zero, x);
            t.accumulate_qc(negative);
            let x = t.vlane(Op::VAndNot, ty, 0, x, negative);
            t.sat_shift(ty, size, amount, false, x)
        })
    }

    /// Shift right and narrow; the lanes of the source have twice the size that `i` gives.
    fn shifted_wide(&mut self, i: u32, m: u32, unsigned: bool, round: bool) -> (u32, Value) {
        let (size, amount) = right_shift(i);
        let x = self.vget(true, m);
        (
            size,
            self.shift_right(Ty::V128, size + 1, amount, unsigned, round, x),
        )
    }

    fn shift_narrow(&mut self, i: u32, d: u32, m: u32, round: bool) -> Out {
        let (size, wide) = self.shifted_wide(i, m, true, round);
        let r = self.b.vun(Op::VNarrow, Ty::V64, size as u8, wide, 0);
        self.vset(false, d, r);
        Out::Next
    }

    pub(super) fn vshrn(&mut self, a: args::Vshrn) -> Out {
        self.shift_narrow(a.imm, a.vd, a.vm, false)
    }

    pub(super) fn vrshrn(&mut self, a: args::Vrshrn) -> Out {
        self.shift_narrow(a.imm, a.vd, a.vm, true)
    }

    fn qshift_narrow(&mut self, i: u32, d: u32, m: u32, unsigned: bool, round: bool) -> Out {
        let (size, wide) = self.shifted_wide(i, m, unsigned, round);
        match unsigned {
            true => self.narrow_sat(d, size, wide, Op::VNarrowSatU, Op::VWidenU),
            false => self.narrow_sat(d, size, wide, Op::VNarrowSatS, Op::VWidenS),
        }
    }

    pub(super) fn vqshrn(&mut self, a: args::Vqshrn) -> Out {
        self.qshift_narrow(a.imm, a.vd, a.vm, a.unsigned, false)
    }

    pub(super) fn vqrshrn(&mut self, a: args::Vqrshrn) -> Out {
        self.qshift_narrow(a.imm, a.vd, a.vm, a.unsigned, true)
    }

    fn qshift_narrow_unsigned(&mut self, i: u32, d: u32, m: u32, round: bool) -> Out {
        let (size, wide) = self.shifted_wide(i, m, false, round);
        self.narrow_sat(d, size, wide, Op::VNarrowSatSU, Op::VWidenU)
    }

    pub(super) fn vqshrun(&mut self, a: args::Vqshrun) -> Out {
        self.qshift_narrow_unsigned(a.imm, a.vd, a.vm, false)
    }

    pub(super) fn vqrshrun(&mut self, a: args::Vqrshrun) -> Out {
        self.qshift_narrow_unsigned(a.imm, a.vd, a.vm, true)
    }

    pub(super) fn vshll(&mut self, a: args::Vshll) -> Out {
        let (size, amount) = left_shift(a.imm);
        let wide = self.widened(a.vm, size, a.unsigned);
        let r = self
            .b
            .vun(Op::VShlI, Ty::V128, size as u8 + 1, wide, i64::from(amount));
        self.vset(true, a.vd, r);
        Out::Next
    }

    pub(super) fn vshll_max(&mut self, a: args::VshllMax) -> Out {
        let wide = self.widened(a.vm, a.size, true);
        let r = self.b.vun(
            Op::VShlI,
            Ty::V128,
            a.size as u8 + 1,
            wide,
            i64::from(lane_bits(a.size)),
        );
        self.vset(true, a.vd, r);
        Out::Next
    }
}

/// All bits of a lane.
const fn lane_mask(size: u32) -> u64 {
    u64::MAX >> (64 - lane_bits(size))
}

/// Lane size and amount of a right shift from L:imm6 (at least 8). [ARMv7 A8.8.399]
const fn right_shift(i: u32) -> (u32, u32) {
    let size = size_of(i);
    (
        size,
        if size == 3 {
            64 - (i & 63)
        } else {
            2 * lane_bits(size) - i
        },
    )
}

/// Lane size and amount of a left shift.
const fn left_shift(i: u32) -> (u32, u32) {
    let size = size_of(i);
    (size, i - lane_bits(size))
}

const fn size_of(i: u32) -> u32 {
    match i {
        64.. => 3,
        32.. => 2,
        16.. => 1,
        _ => 0,
    }
}
