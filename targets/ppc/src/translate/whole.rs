//! AltiVec operations on registers as a whole: shifts of 128 bits, bits gathered from all bytes. [PowerISA I.6.9.2.4,
//! I.6.9.5, I.6.9.9]

use tcg_ir::{Op, Ty, Value};

use super::{Out, Translator};
use crate::decode::args;

/// Byte k holds k.
const NUMBERED: u128 = 0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100;
/// Byte k holds bit k % 8.
const WEIGHTS: u128 = 0x8040_2010_0804_0201_8040_2010_0804_0201;

impl Translator<'_> {
    /// `v` shifted by `bytes` (I32, 0 to 15) whole bytes, to the left or the right.
    pub(super) fn shift_octets(&mut self, v: Value, bytes: Value, left: bool) -> Value {
        let by = self.b.vun(Op::VDup, Ty::V128, 0, bytes, 0);
        let numbered = self.b.vconst(Ty::V128, NUMBERED);
        let op = if left { Op::VSub } else { Op::VAdd };
        let from = self.b.vbin(op, Ty::V128, 0, numbered, by, 0);
        // What comes from outside has a number of 16 or more.
        let zero = self.b.vconst(Ty::V128, 0);
        self.b.tri(Op::VTbl, Ty::V128, v, from, zero)
    }

    /// Bits 3 to 6 from the right: the amount of shifts by octets.
    fn octets_of(&mut self, y: Value) -> Value {
        let low = self.b.vun(Op::VGet, Ty::I32, 2, y, 0);
        self.b.extract(Ty::I32, low, 3, 4)
    }

    pub(super) fn vslo(&mut self, a: args::Vslo) -> Out {
        self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| {
            let by = t.octets_of(y);
            t.shift_octets(x, by, true)
        })
    }

    pub(super) fn vsro(&mut self, a: args::Vsro) -> Out {
        self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| {
            let by = t.octets_of(y);
            t.shift_octets(x, by, false)
        })
    }

    /// Doublewords of x shifted by `by` (I32) to the left, if it is positive, else to the right.
    fn shift_doublewords(&mut self, x: Value, by: Value) -> Value {
        let by = self.b.un(Op::ZextI64, Ty::I64, by);
        let by = self.b.vun(Op::VDup, Ty::V128, 3, by, 0);
        self.b.vbin(Op::VShlV, Ty::V128, 3, x, by, 0)
    }

    /// A shift by 0 to 7 bits: each doubleword, and what goes over from one to the other.
    fn shift_bits(&mut self, x: Value, y: Value, left: bool) -> Value {
        let low = self.b.vun(Op::VGet, Ty::I32, 2, y, 0);
        let by = self.b.extract(Ty::I32, low, 0, 3);
        let (zero, none) = (self.b.i32(0), self.b.vconst(Ty::V128, 0));
        let width = self.b.i32(64);
        let (direct, rest, other) = match left {
            true => {
                let rest = self.b.bin(Op::Sub, Ty::I32, by, width);
                let other = self.b.vbin(Op::VExt, Ty::V128, 0, none, x, 8);
                (by, rest, other)
            }
            false => {
                let direct = self.b.bin(Op::Sub, Ty::I32, zero, by);
                let rest = self.b.bin(Op::Sub, Ty::I32, width, by);
                let other = self.b.vbin(Op::VExt, Ty::V128, 0, x, none, 8);
                (direct, rest, other)
            }
        };
        let main = self.shift_doublewords(x, direct);
        let over = self.shift_doublewords(other, rest);
        self.b.vbin(Op::VOr, Ty::V128, 0, main, over, 0)
    }

    pub(super) fn vsl(&mut self, a: args::Vsl) -> Out {
        self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| t.shift_bits(x, y, true))
    }

    pub(super) fn vsr(&mut self, a: args::Vsr) -> Out {
        self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| t.shift_bits(x, y, false))
    }

    /// Rows and columns of bits in each doubleword exchanged. Counting both from the other end changes nothing.
    pub(super) fn transpose_bits(&mut self, mut x: Value) -> Value {
        let steps: [(i64, u64); 3] = [
            (7, 0x00aa_00aa_00aa_00aa),
            (14, 0x0000_cccc_0000_cccc),
            (28, 0x0000_0000_f0f0_f0f0),
        ];
        for (by, mask) in steps {
            let mask = self.splat(mask, 3);
            let down = self.b.vun(Op::VShrI, Ty::V128, 3, x, by);
            let differs = self.b.vbin(Op::VXor, Ty::V128, 0, x, down, 0);
            let differs = self.b.vbin(Op::VAnd, Ty::V128, 0, differs, mask, 0);
            let up = self.b.vun(Op::VShlI, Ty::V128, 3, differs, by);
            let both = self.b.vbin(Op::VXor, Ty::V128, 0, differs, up, 0);
            x = self.b.vbin(Op::VXor, Ty::V128, 0, x, both, 0);
        }
        x
    }

    /// One bit for each byte of `mask` (all ones or 0), in the low bytes of both doublewords.
    fn bits_of_bytes(&mut self, mask: Value) -> Value {
        let weights = self.b.vconst(Ty::V128, WEIGHTS);
        let mut r = self.b.vbin(Op::VAnd, Ty::V128, 0, mask, weights, 0);
        for lane in 0..3 {
            r = self.b.vun(Op::VPaddlU, Ty::V128, lane, r, 0);
        }
        r
    }

    pub(super) fn vbpermq(&mut self, a: args::Vbpermq) -> Out {
        self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| {
            // Bit k of x is in byte 15 - k / 8 from the right; there is none if that is negative.
            let (last, seven) = (t.splat(15, 0), t.splat(7, 0));
            let zero = t.b.vconst(Ty::V128, 0);
            let byte = t.b.vun(Op::VShrI, Ty::V128, 0, y, 3);
            let byte = t.b.vbin(Op::VSub, Ty::V128, 0, last, byte, 0);
            let byte = t.b.tri(Op::VTbl, Ty::V128, x, byte, zero);
            let bit = t.b.vbin(Op::VAnd, Ty::V128, 0, y, seven, 0);
            let places = t.b.vconst(Ty::V128, WEIGHTS.swap_bytes());
            let bit = t.b.tri(Op::VTbl, Ty::V128, places, bit, zero);
            let found = t.b.vbin(Op::VTst, Ty::V128, 0, byte, bit, 0);
            let bits = t.bits_of_bytes(found);
            // The left doubleword: that of the left bytes, then that of the right ones.
            let right = t.b.vbin(Op::VExt, Ty::V128, 0, zero, bits, 8);
            let left = t.b.vun(Op::VShlI, Ty::V128, 3, bits, 8);
            let only_left = t.b.vconst(Ty::V128, 0xff00 << 64);
            let left = t.b.vbin(Op::VAnd, Ty::V128, 0, left, only_left, 0);
            t.b.vbin(Op::VOr, Ty::V128, 0, left, right, 0)
        })
    }

    /// The lowest bits of all bytes: bit k of the result is that of byte k from the right.
    fn lowest_bits(&mut self, vb: u32) -> Value {
        let x = self.vr(vb);
        let one = self.splat(1, 0);
        let odd = self.b.vbin(Op::VTst, Ty::V128, 0, x, one, 0);
        let bits = self.bits_of_bytes(odd);
        let low = self.b.vun(Op::VGet, Ty::I32, 2, bits, 0);
        let high = self.b.vun(Op::VGet, Ty::I32, 2, bits, 2);
        let high = self.shift(Op::Shl, high, 8);
        self.b.bin(Op::Or, Ty::I32, low, high)
    }

    pub(super) fn vclzlsbb(&mut self, a: args::Vclzlsbb) -> Out {
        if let Some(out) = self.need_vec() {
            return out;
        }
        let bits = self.lowest_bits(a.vrb);
        let bits = self.shift(Op::Shl, bits, 16);
        let end = self.b.i32(1 << 15);
        let bits = self.b.bin(Op::Or, Ty::I32, bits, end);
        let r = self.b.un(Op::Clz, Ty::I32, bits);
        self.put(a.vrt, r, false)
    }

    pub(super) fn vctzlsbb(&mut self, a: args::Vctzlsbb) -> Out {
        if let Some(out) = self.need_vec() {
            return out;
        }
        let bits = self.lowest_bits(a.vrb);
        let end = self.b.i32(1 << 16);
        let bits = self.b.bin(Op::Or, Ty::I32, bits, end);
        let r = self.b.un(Op::Ctz, Ty::I32, bits);
        self.put(a.vrt, r, false)
    }
}
