//! Rotates and shifts. [PowerISA I.3.3.14]

use tcg_ir::{Cond, Op, Ty, Value};

use super::{Out, Translator};
use crate::decode::{Feature, args};
use crate::state::slot;

/// Ones from bit `mb` to bit `me` in IBM's numbering, which may wrap.
const fn mask32(mb: u32, me: u32) -> u32 {
    let from = u32::MAX >> (mb & 31);
    let to = u32::MAX << (31 - (me & 31));
    if mb <= me { from & to } else { from | to }
}

const fn mask64(mb: u32, me: u32) -> u64 {
    let from = u64::MAX >> (mb & 63);
    let to = u64::MAX << (63 - (me & 63));
    if mb <= me { from & to } else { from | to }
}

/// `rotl(x, sh) & mask` with few operations: an extracted field or a shift where it is one.
fn rotate_and_mask(t: &mut Translator<'_>, x: Value, sh: u32, mask: u64) -> Value {
    let ty = t.b.block.ty(x);
    let width = 8 * ty.bytes();
    let all = if width == 64 { u64::MAX } else { 0xffff_ffff };
    let len = mask.count_ones();
    let from_bottom = len < width && mask == (1u64 << len) - 1;
    let lsb = (width - sh) % width;
    if from_bottom && lsb + len <= width {
        return t.b.extract(ty, x, lsb, len);
    }
    if sh != 0 && mask == all << sh & all {
        return t.shift(Op::Shl, x, sh);
    }
    let r = if sh == 0 {
        x
    } else {
        t.shift(Op::Rotr, x, lsb)
    };
    if mask == all {
        return r;
    }
    t.bin_const(Op::And, r, mask)
}

impl Translator<'_> {
    /// The result of a 32-bit rotate under a mask: where the mask wraps, the upper half shows the rotated word, too.
    fn masked_word(&mut self, rotated: Value, masked: Value, mb: u32, me: u32) -> Value {
        if self.is_wide() && mb > me {
            self.b.bin(Op::Concat, Ty::I64, masked, rotated)
        } else {
            masked
        }
    }

    pub(super) fn rlwinm(&mut self, a: args::Rlwinm) -> Out {
        let x = self.gpr32(a.rs);
        let masked = rotate_and_mask(self, x, a.sh, u64::from(mask32(a.mb, a.me)));
        let r = if self.is_wide() && a.mb > a.me {
            let rotated = self.shift(Op::Rotr, x, (32 - a.sh) % 32);
            self.masked_word(rotated, masked, a.mb, a.me)
        } else {
            masked
        };
        self.put(a.ra, r, a.rec)
    }

    pub(super) fn rlwnm(&mut self, a: args::Rlwnm) -> Out {
        let x = self.gpr32(a.rs);
        let by = self.gpr32(a.rb);
        let by = self.un(Op::Neg, by);
        let rotated = self.bin(Op::Rotr, x, by);
        let masked = self.bin_const(Op::And, rotated, u64::from(mask32(a.mb, a.me)));
        let r = self.masked_word(rotated, masked, a.mb, a.me);
        self.put(a.ra, r, a.rec)
    }

    pub(super) fn rlwimi(&mut self, a: args::Rlwimi) -> Out {
        let x = self.gpr32(a.rs);
        let old = self.gpr(a.ra);
        if a.mb <= a.me && a.sh == 31 - a.me {
            let x = self.widen_z(x);
            let r = self.b.deposit(self.w, old, x, a.sh, a.me - a.mb + 1);
            return self.put(a.ra, r, a.rec);
        }
        let rotated = self.shift(Op::Rotr, x, (32 - a.sh) % 32);
        let mask = mask32(a.mb, a.me);
        if !self.is_wide() {
            let new = self.bin_const(Op::And, rotated, u64::from(mask));
            let kept = self.bin_const(Op::And, old, u64::from(!mask));
            let r = self.bin(Op::Or, new, kept);
            return self.put(a.ra, r, a.rec);
        }
        let mask = mask64(a.mb + 32, a.me + 32);
        let both = self.b.bin(Op::Concat, Ty::I64, rotated, rotated);
        let new = self.bin_const(Op::And, both, mask);
        let kept = self.bin_const(Op::And, old, !mask);
        let r = self.bin(Op::Or, new, kept);
        self.put(a.ra, r, a.rec)
    }

    pub(super) fn rldicl(&mut self, a: args::Rldicl) -> Out {
        let x = self.gpr(a.rs);
        let r = rotate_and_mask(self, x, a.sh6, mask64(a.mb6, 63));
        self.put(a.ra, r, a.rec)
    }

    pub(super) fn rldicr(&mut self, a: args::Rldicr) -> Out {
        let x = self.gpr(a.rs);
        let r = rotate_and_mask(self, x, a.sh6, mask64(0, a.mb6));
        self.put(a.ra, r, a.rec)
    }

    pub(super) fn rldic(&mut self, a: args::Rldic) -> Out {
        let x = self.gpr(a.rs);
        let r = rotate_and_mask(self, x, a.sh6, mask64(a.mb6, 63 - a.sh6));
        self.put(a.ra, r, a.rec)
    }

    pub(super) fn rldimi(&mut self, a: args::Rldimi) -> Out {
        let x = self.gpr(a.rs);
        let old = self.gpr(a.ra);
        let (mb, me) = (a.mb6, 63 - a.sh6);
        if mb <= me {
            let r = self.b.deposit(Ty::I64, old, x, a.sh6, me - mb + 1);
            return self.put(a.ra, r, a.rec);
        }
        let mask = mask64(mb, me);
        let rotated = self.shift(Op::Rotr, x, (64 - a.sh6) % 64);
        let new = self.bin_const(Op::And, rotated, mask);
        let kept = self.bin_const(Op::And, old, !mask);
        let r = self.bin(Op::Or, new, kept);
        self.put(a.ra, r, a.rec)
    }

    fn rotate_by_register(&mut self, ra: u32, rs: u32, rb: u32, mask: u64, rec: bool) -> Out {
        let x = self.gpr(rs);
        let by = self.gpr32(rb);
        let by = self.un(Op::Neg, by);
        let r = self.bin(Op::Rotr, x, by);
        let r = self.bin_const(Op::And, r, mask);
        self.put(ra, r, rec)
    }

    pub(super) fn rldcl(&mut self, a: args::Rldcl) -> Out {
        self.rotate_by_register(a.ra, a.rs, a.rb, mask64(a.mb6, 63), a.rec)
    }

    pub(super) fn rldcr(&mut self, a: args::Rldcr) -> Out {
        self.rotate_by_register(a.ra, a.rs, a.rb, mask64(0, a.mb6), a.rec)
    }

    // ---- shifts ----

    /// The amount of a shift: one bit more than the width needs.
    fn amount(&mut self, rb: u32, bits: u32) -> Value {
        let by = self.gpr32(rb);
        self.b.extract(Ty::I32, by, 0, bits)
    }

    fn shift_word(&mut self, op: Op, ra: u32, rs: u32, rb: u32, rec: bool) -> Out {
        let x = self.gpr32(rs);
        let by = self.amount(rb, 6);
        let r = self.bin(op, x, by);
        self.put(ra, r, rec)
    }

    fn shift_double(&mut self, op: Op, ra: u32, rs: u32, rb: u32, rec: bool) -> Out {
        let x = self.gpr(rs);
        let by = self.amount(rb, 7);
        let r = self.bin(op, x, by);
        self.put(ra, r, rec)
    }

    pub(super) fn slw(&mut self, a: args::Slw) -> Out {
        self.shift_word(Op::ShlSat, a.ra, a.rs, a.rb, a.rec)
    }

    pub(super) fn srw(&mut self, a: args::Srw) -> Out {
        self.shift_word(Op::ShrSat, a.ra, a.rs, a.rb, a.rec)
    }

    pub(super) fn sld(&mut self, a: args::Sld) -> Out {
        self.shift_double(Op::ShlSat, a.ra, a.rs, a.rb, a.rec)
    }

    pub(super) fn srd(&mut self, a: args::Srd) -> Out {
        self.shift_double(Op::ShrSat, a.ra, a.rs, a.rb, a.rec)
    }

    /// An arithmetic shift right; CA says that a negative number lost ones.
    fn shift_arithmetic(&mut self, ra: u32, x: Value, by: Value, rec: bool) -> Out {
        let r = self.bin(Op::SarSat, x, by);
        let back = self.bin(Op::ShlSat, r, by);
        let lost = self.b.icmp(Cond::Ne, back, x);
        let ty = self.b.block.ty(x);
        let zero = self.b.iconst(ty, 0);
        let negative = self.b.icmp(Cond::Lt, x, zero);
        let ca = self.b.bin(Op::And, Ty::I32, lost, negative);
        self.set_shift_carry(ca);
        let r = self.widen_s(r);
        self.put(ra, r, rec)
    }

    fn set_shift_carry(&mut self, ca: Value) {
        self.b.set(slot::CA, ca);
        if self.has(Feature::Isa300) {
            self.b.set(slot::CA32, ca);
        }
    }

    fn shift_arithmetic_imm(&mut self, ra: u32, x: Value, by: u32, rec: bool) -> Out {
        let ty = self.b.block.ty(x);
        let zero = self.b.iconst(ty, 0);
        if by == 0 {
            let none = self.b.i32(0);
            self.set_shift_carry(none);
            let r = self.widen_s(x);
            return self.put(ra, r, rec);
        }
        // Negative, and one of the bits that go is 1: those bits and the sign, rotated to the top.
        let gone = self.bin_const(Op::And, x, (1u64 << by) - 1);
        let lost = self.b.icmp(Cond::Ne, gone, zero);
        let negative = self.b.icmp(Cond::Lt, x, zero);
        let ca = self.b.bin(Op::And, Ty::I32, lost, negative);
        self.set_shift_carry(ca);
        let r = self.shift(Op::Sar, x, by);
        let r = self.widen_s(r);
        self.put(ra, r, rec)
    }

    pub(super) fn sraw(&mut self, a: args::Sraw) -> Out {
        let x = self.gpr32(a.rs);
        let by = self.amount(a.rb, 6);
        self.shift_arithmetic(a.ra, x, by, a.rec)
    }

    pub(super) fn srad(&mut self, a: args::Srad) -> Out {
        let x = self.gpr(a.rs);
        let by = self.amount(a.rb, 7);
        self.shift_arithmetic(a.ra, x, by, a.rec)
    }

    pub(super) fn srawi(&mut self, a: args::Srawi) -> Out {
        let x = self.gpr32(a.rs);
        self.shift_arithmetic_imm(a.ra, x, a.sh, a.rec)
    }

    pub(super) fn sradi(&mut self, a: args::Sradi) -> Out {
        let x = self.gpr(a.rs);
        self.shift_arithmetic_imm(a.ra, x, a.sh6, a.rec)
    }

    pub(super) fn extswsli(&mut self, a: args::Extswsli) -> Out {
        let x = self.gpr32(a.rs);
        let x = self.widen_s(x);
        let r = self.shift(Op::Shl, x, a.sh6);
        self.put(a.ra, r, a.rec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_wrap() {
        assert_eq!(mask32(0, 31), u32::MAX);
        assert_eq!(mask32(24, 31), 0xff);
        assert_eq!(mask32(31, 0), 0x8000_0001);
        assert_eq!(mask64(0, 0), 1 << 63);
        assert_eq!(mask64(63, 0), 1 << 63 | 1);
    }
}
