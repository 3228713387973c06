//! AES, SHA-2 and carry-less products. The leftmost byte of a register is the first of the cipher's state. [PowerISA I.6.11]

use tcg_ir::{Op, Ty, Value};

use super::{Out, Translator};
use crate::decode::args;
use crate::helper::vector::op as vop;

impl Translator<'_> {
    /// The bytes of a register in the opposite order.
    fn bytes_reversed(&mut self, x: Value) -> Value {
        self.b.vun(Op::VRev, Ty::V128, 0, x, 4)
    }

    /// A round: the step for bytes, the key, and what mixes columns before or behind it.
    fn round(
        &mut self,
        [t, a, b]: [u32; 3],
        bytes: Op,
        before: Option<Op>,
        behind: Option<Op>,
    ) -> Out {
        self.v_binary(t, a, b, |t, x, key| {
            let x = t.bytes_reversed(x);
            let key = t.bytes_reversed(key);
            let step = |t: &mut Self, op: Option<Op>, x| match op {
                Some(op) => t.b.vun(op, Ty::V128, 0, x, 0),
                None => x,
            };
            let x = step(t, Some(bytes), x);
            let x = step(t, before, x);
            let x = t.b.vbin(Op::VXor, Ty::V128, 0, x, key, 0);
            let x = step(t, behind, x);
            t.bytes_reversed(x)
        })
    }

    pub(super) fn vcipher(&mut self, a: args::Vcipher) -> Out {
        self.round([a.vrt, a.vra, a.vrb], Op::VAesSub, Some(Op::VAesMix), None)
    }

    pub(super) fn vcipherlast(&mut self, a: args::Vcipherlast) -> Out {
        self.round([a.vrt, a.vra, a.vrb], Op::VAesSub, None, None)
    }

    pub(super) fn vncipher(&mut self, a: args::Vncipher) -> Out {
        self.round(
            [a.vrt, a.vra, a.vrb],
            Op::VAesSubInv,
            None,
            Some(Op::VAesMixInv),
        )
    }

    pub(super) fn vncipherlast(&mut self, a: args::Vncipherlast) -> Out {
        self.round([a.vrt, a.vra, a.vrb], Op::VAesSubInv, None, None)
    }

    pub(super) fn vpmsumd(&mut self, a: args::Vpmsumd) -> Out {
        self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| {
            let [low, high] = t.halves(Op::VPmull, 3, x, y);
            t.b.vbin(Op::VXor, Ty::V128, 0, low, high, 0)
        })
    }

    pub(super) fn vsbox(&mut self, a: args::Vsbox) -> Out {
        self.v_unary(a.vrt, a.vra, |t, x| t.vector_call(vop::SBOX, x, x, x))
    }

    /// Lanes of 32 (2) or 64 bits (3) rotated right.
    fn lanes_rotated(&mut self, lane: u8, x: Value, by: i64) -> Value {
        let right = self.b.vun(Op::VShrI, Ty::V128, lane, x, by);
        let left = self.b.vun(Op::VShlI, Ty::V128, lane, x, (8 << lane) - by);
        self.b.vbin(Op::VOr, Ty::V128, lane, right, left, 0)
    }

    /// The sum of two rotations and of a third one, or for a lower-case sigma of a shift. [FIPS180 4.1.2, 4.1.3]
    fn sigma(&mut self, lane: u8, upper: bool, x: Value, [p, q, r]: [i64; 3]) -> Value {
        let first = self.lanes_rotated(lane, x, p);
        let second = self.lanes_rotated(lane, x, q);
        let third = match upper {
            true => self.lanes_rotated(lane, x, r),
            false => self.b.vun(Op::VShrI, Ty::V128, lane, x, r),
        };
        let sum = self.b.vbin(Op::VXor, Ty::V128, lane, first, second, 0);
        self.b.vbin(Op::VXor, Ty::V128, lane, sum, third, 0)
    }

    pub(super) fn vshasigmaw(&mut self, a: args::Vshasigmaw) -> Out {
        let imm = u32::from(a.st) << 4 | a.six;
        self.v_unary(a.vrt, a.vra, |t, x| match (a.st, a.six) {
            (false, 0) => t.sigma(2, false, x, [7, 18, 3]),
            (false, 15) => t.sigma(2, false, x, [17, 19, 10]),
            (true, 0) => t.sigma(2, true, x, [2, 13, 22]),
            (true, 15) => t.sigma(2, true, x, [6, 11, 25]),
            _ => t.vector_call(vop::SIGMA_W | imm << 8, x, x, x),
        })
    }

    pub(super) fn vshasigmad(&mut self, a: args::Vshasigmad) -> Out {
        let imm = u32::from(a.st) << 4 | a.six;
        // Doubleword 0 looks at bit 0 of SIX, doubleword 1 at bit 2; the others say nothing.
        self.v_unary(a.vrt, a.vra, |t, x| match (a.st, a.six & 10) {
            (false, 0) => t.sigma(3, false, x, [1, 8, 7]),
            (false, 10) => t.sigma(3, false, x, [19, 61, 6]),
            (true, 0) => t.sigma(3, true, x, [28, 34, 39]),
            (true, 10) => t.sigma(3, true, x, [14, 18, 41]),
            _ => t.vector_call(vop::SIGMA_D | imm << 8, x, x, x),
        })
    }
}
