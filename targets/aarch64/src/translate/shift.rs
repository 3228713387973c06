//! Advanced SIMD: shifts by registers and immediates. [ARMv8 C7.2]

use tcg_ir::{Op, Ty, Value};

use super::simd::{lane_bits, lane_mask};
use super::{Out, Translator};
use crate::decode::args;

/// Lane size and amount of a right shift.
pub(super) const fn right_shift(hb: u32) -> (u32, u32) {
    let size = lane_size(hb);
    (size, 2 * lane_bits(size) - hb)
}

/// Lane size and amount of a left shift.
pub(super) const fn left_shift(hb: u32) -> (u32, u32) {
    let size = lane_size(hb);
    (size, hb - lane_bits(size))
}

/// Log2 of the bytes of a lane: the highest bit of immh.
const fn lane_size(hb: u32) -> u32 {
    match hb {
        64.. => 3,
        32.. => 2,
        16.. => 1,
        _ => 0,
    }
}

/// Handlers of shifts by a register: data signed or not, and the rounding (2) and saturating (4) bits of the IR.
macro_rules! by_register {
    ($($name:ident $Name:ident $bits:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let imm = $bits | i64::from(!a.unsigned);
            self.v3(a.shape, a.size, a.rd, a.rn, a.rm, |t, ty, x, amount| {
                if imm & 4 != 0 {
                    let over = t.b.vbin(Op::VShlV, ty, a.size as u8, x, amount, imm | 8);
                    t.accumulate_qc(over);
                }
                t.b.vbin(Op::VShlV, ty, a.size as u8, x, amount, imm)
            })
        }
    )*};
}

/// Handlers of right shifts by an immediate: rounding, accumulating.
macro_rules! right {
    ($($name:ident $Name:ident $round:literal $accumulate:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let (size, amount) = right_shift(a.hb);
            self.v2(a.shape, size, a.rd, a.rn, |t, ty, x| {
                let r = t.shift_right(ty, size, amount, a.unsigned, $round, x);
                if !$accumulate {
                    return r;
                }
                let acc = t.vget(a.shape, a.rd);
                t.vlane(Op::VAdd, ty, size, acc, r)
            })
        }
    )*};
}

impl Translator<'_> {
    by_register! {
        shl_reg ShlReg 0;
        rshl Rshl 2;
        qshl_reg QshlReg 4;
        qrshl Qrshl 6;
    }

    right! {
        shr_imm ShrImm false false;
        sra_imm SraImm false true;
        rshr_imm RshrImm true false;
        rsra_imm RsraImm true true;
    }

    /// A right shift of every lane by 1 up to the lane's size.
    pub(super) fn shift_right(
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

    pub(super) fn shl_imm(&mut self, a: args::ShlImm) -> Out {
        let (size, amount) = left_shift(a.hb);
        self.v2(a.shape, size, a.rd, a.rn, |t, ty, x| {
            t.b.vun(Op::VShlI, ty, size as u8, x, i64::from(amount))
        })
    }

    pub(super) fn sri(&mut self, a: args::Sri) -> Out {
        let (size, amount) = right_shift(a.hb);
        let mask = lane_mask(size) >> (amount - 1) >> 1;
        self.v2(a.shape, size, a.rd, a.rn, |t, ty, x| {
            let old = t.vget(a.shape, a.rd);
            let r = t.shift_right(ty, size, amount, true, false, x);
            let mask = t.splat(ty, size, mask);
            t.b.tri(Op::VBsl, ty, mask, r, old)
        })
    }

    pub(super) fn sli(&mut self, a: args::Sli) -> Out {
        let (size, amount) = left_shift(a.hb);
        self.v2(a.shape, size, a.rd, a.rn, |t, ty, x| {
            let old = t.vget(a.shape, a.rd);
            let r = t.b.vun(Op::VShlI, ty, size as u8, x, i64::from(amount));
            let mask = t.splat(ty, size, lane_mask(size) << amount);
            t.b.tri(Op::VBsl, ty, mask, r, old)
        })
    }

    /// Saturating left shift by a constant amount in every lane.
    fn saturating_shift(
        &mut self,
        ty: Ty,
        size: u32,
        amount: u32,
        signed: bool,
        x: Value,
    ) -> Value {
        let amount = self.splat(ty, size, u64::from(amount));
        let imm = 4 | i64::from(signed);
        let over = self.b.vbin(Op::VShlV, ty, size as u8, x, amount, imm | 8);
        self.accumulate_qc(over);
        self.b.vbin(Op::VShlV, ty, size as u8, x, amount, imm)
    }

    pub(super) fn qshl_imm(&mut self, a: args::QshlImm) -> Out {
        let (size, amount) = left_shift(a.hb);
        self.v2(a.shape, size, a.rd, a.rn, |t, ty, x| {
            t.saturating_shift(ty, size, amount, !a.unsigned, x)
        })
    }

    pub(super) fn qshlu(&mut self, a: args::Qshlu) -> Out {
        let (size, amount) = left_shift(a.hb);
        self.v2(a.shape, size, a.rd, a.rn, |t, ty, x| {
            // Negative numbers saturate to 0.
            let zero = t.b.vconst(ty, 0);
            let negative = t.vlane(Op::VCmpGtS, ty, size, zero, x);
            t.accumulate_qc(negative);
            let x = t.vlane(Op::VAndNot, ty, 3, x, negative);
            t.saturating_shift(ty, size, amount, false, x)
        })
    }

    /// SSHLL and USHLL: the lower or upper half, widened and shifted.
    pub(super) fn sshll(&mut self, a: args::Sshll) -> Out {
        let (size, amount) = left_shift(a.hb);
        let wide = self.widened(a.rn, a.shape == 1, size, a.unsigned);
        let r = self
            .b
            .vun(Op::VShlI, Ty::V128, size as u8 + 1, wide, i64::from(amount));
        self.set_scalar(a.rd, r);
        Out::Next
    }
}
