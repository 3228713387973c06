//! Advanced SIMD: narrowing moves and shifts. [ARMv8 C7.2]
//!
//! A narrowing instruction writes the lower half of the destination and zeroes the upper one, or (its second form,
//! shape 1) writes the upper half and keeps the lower one.

use tcg_ir::{Op, Ty, Value};

use super::shift::right_shift;
use super::simd::{QUAD, SCALAR};
use super::{Out, Translator};
use crate::decode::args;
use crate::state::slot;

impl Translator<'_> {
    /// The wide source; of a scalar only its lane.
    fn wide_source(&mut self, shape: u32, size: u32, n: u32) -> Value {
        if shape == SCALAR {
            let v = self.vget_clean(SCALAR, size + 1, n);
            return self.b.bitcast(Ty::V128, v);
        }
        self.b.get(slot::v(n))
    }

    /// Writes a narrowed vector to the half that the shape says.
    pub(super) fn set_narrow(&mut self, shape: u32, size: u32, d: u32, v: Value) {
        if shape != QUAD {
            return self.vset(shape, size, d, v);
        }
        let low = self.b.get(slot::part(d, Ty::V64));
        let r = self.b.bin(Op::VConcat, Ty::V128, low, v);
        self.b.set(slot::v(d), r);
    }

    /// Narrows with saturation; QC where widening the result by `back` differs.
    fn narrow_saturated(
        &mut self,
        shape: u32,
        size: u32,
        d: u32,
        wide: Value,
        ops: (Op, Op),
    ) -> Out {
        let r = self.b.vun(ops.0, Ty::V64, size as u8, wide, 0);
        let again = self.b.vun(ops.1, Ty::V128, size as u8, r, 0);
        self.saturated(Ty::V128, again, wide);
        self.set_narrow(shape, size, d, r);
        Out::Next
    }

    pub(super) fn xtn(&mut self, a: args::Xtn) -> Out {
        let x = self.b.get(slot::v(a.rn));
        let r = self.b.vun(Op::VNarrow, Ty::V64, a.size as u8, x, 0);
        self.set_narrow(a.shape, a.size, a.rd, r);
        Out::Next
    }

    pub(super) fn qxtn(&mut self, a: args::Qxtn) -> Out {
        let x = self.wide_source(a.shape, a.size, a.rn);
        self.narrow_saturated(a.shape, a.size, a.rd, x, same_sign(a.unsigned))
    }

    pub(super) fn qxtun(&mut self, a: args::Qxtun) -> Out {
        let x = self.wide_source(a.shape, a.size, a.rn);
        let ops = (Op::VNarrowSatSU, Op::VWidenU);
        self.narrow_saturated(a.shape, a.size, a.rd, x, ops)
    }

    /// The source shifted right; its lanes have twice the size that immh gives.
    fn shifted_wide(
        &mut self,
        shape: u32,
        hb: u32,
        n: u32,
        unsigned: bool,
        round: bool,
    ) -> (u32, Value) {
        let (size, amount) = right_shift(hb);
        let x = self.wide_source(shape, size, n);
        let r = self.shift_right(Ty::V128, size + 1, amount, unsigned, round, x);
        (size, r)
    }

    fn shift_narrow(&mut self, shape: u32, hb: u32, d: u32, n: u32, round: bool) -> Out {
        let (size, wide) = self.shifted_wide(shape, hb, n, true, round);
        let r = self.b.vun(Op::VNarrow, Ty::V64, size as u8, wide, 0);
        self.set_narrow(shape, size, d, r);
        Out::Next
    }

    pub(super) fn shrn(&mut self, a: args::Shrn) -> Out {
        self.shift_narrow(a.shape, a.hb, a.rd, a.rn, false)
    }

    pub(super) fn rshrn(&mut self, a: args::Rshrn) -> Out {
        self.shift_narrow(a.shape, a.hb, a.rd, a.rn, true)
    }

    pub(super) fn qshrn(&mut self, a: args::Qshrn) -> Out {
        let (size, wide) = self.shifted_wide(a.shape, a.hb, a.rn, a.unsigned, false);
        self.narrow_saturated(a.shape, size, a.rd, wide, same_sign(a.unsigned))
    }

    pub(super) fn qrshrn(&mut self, a: args::Qrshrn) -> Out {
        let (size, wide) = self.shifted_wide(a.shape, a.hb, a.rn, a.unsigned, true);
        self.narrow_saturated(a.shape, size, a.rd, wide, same_sign(a.unsigned))
    }

    pub(super) fn qshrun(&mut self, a: args::Qshrun) -> Out {
        let (size, wide) = self.shifted_wide(a.shape, a.hb, a.rn, false, false);
        let ops = (Op::VNarrowSatSU, Op::VWidenU);
        self.narrow_saturated(a.shape, size, a.rd, wide, ops)
    }

    pub(super) fn qrshrun(&mut self, a: args::Qrshrun) -> Out {
        let (size, wide) = self.shifted_wide(a.shape, a.hb, a.rn, false, true);
        let ops = (Op::VNarrowSatSU, Op::VWidenU);
        self.narrow_saturated(a.shape, size, a.rd, wide, ops)
    }
}

/// Narrowing and widening that keep the signedness.
const fn same_sign(unsigned: bool) -> (Op, Op) {
    if unsigned {
        (Op::VNarrowSatU, Op::VWidenU)
    } else {
        (Op::VNarrowSatS, Op::VWidenS)
    }
}
