//! Vectors: adjacent lanes with each other, and all lanes of one vector.

use crate::abi::*;
use crate::compiler::Gen;
use crate::emit_vec::{NO, PAND, PSHUFD, PUNPCKLQDQ, PXOR, lane_op, p, q, splat};
use crate::enc::{Opc, Rm};
use tcg_ir::{Inst, Op, Ty, Value};

pub const PUNPCKHQDQ: Opc = p(0x6d);
const PMADDUBSW: Opc = q(0x04);
const PMADDWD: Opc = p(0xf5);
const PSADBW: Opc = p(0xf6);
const SHUFPS: Opc = Opc(0, 1, 0xc6);

impl Gen<'_> {
    /// Emits an operation of this group; false if it is not one or has no inline form.
    pub fn emit_vec_pairs(&mut self, v: Value, i: &Inst) -> bool {
        let lane = i.lane & 3;
        match i.op {
            Op::VPadd if lane == 1 || lane == 2 => {
                // phaddw, phaddd.
                let (a, b) = self.two(i);
                let d = self.def(v);
                if i.ty == Ty::V128 {
                    self.v3(q(lane), d, a, b);
                } else {
                    self.join(d, a, b);
                    self.v3(q(lane), d, d, d);
                }
            }
            Op::VPadd => self.pairwise(v, i, Op::VAdd),
            Op::VPminS if lane < 3 => self.pairwise(v, i, Op::VMinS),
            Op::VPmaxS if lane < 3 => self.pairwise(v, i, Op::VMaxS),
            Op::VPminU if lane < 3 => self.pairwise(v, i, Op::VMinU),
            Op::VPmaxU if lane < 3 => self.pairwise(v, i, Op::VMaxU),
            Op::VPminS | Op::VPmaxS | Op::VPminU | Op::VPmaxU => self.pairwise_quads(v, i),
            Op::VPaddlS | Op::VPaddlU if lane < 3 => self.widening_sums(v, i, lane),
            Op::VAddAcross => self.across(v, i, lane),
            _ => return false,
        }
        true
    }

    /// The even and the odd lanes of `a` and `b` (in the low half of each: of a, then of b), for a V64 or a V128. `even`
    /// and `odd` are none of the operands.
    pub fn even_odd(&mut self, lane: u8, full: bool, [even, odd]: [u8; 2], [a, b]: [u8; 2]) {
        match (full, lane) {
            (true, 3) => {
                self.v3(PUNPCKLQDQ, even, a, b);
                self.v3(PUNPCKHQDQ, odd, a, b);
            }
            (true, 2) => {
                self.v3i(SHUFPS, false, even, a, Rm::R(b), 0x88);
                self.v3i(SHUFPS, false, odd, a, Rm::R(b), 0xdd);
            }
            (false, 2) => {
                self.v3(p(0x62), even, a, b);
                self.v2i(PSHUFD, odd, even, 0xee);
            }
            (true, _) => {
                self.gather(lane, even, a);
                self.gather(lane, XMM14, b);
                self.v3(PUNPCKHQDQ, odd, even, XMM14);
                self.v3(PUNPCKLQDQ, even, even, XMM14);
            }
            (false, _) => {
                self.join(even, a, b);
                self.gather(lane, even, even);
                self.v2i(PSHUFD, odd, even, 0xee);
            }
        }
    }

    /// `d` = the even lanes of `a` in the low half, the odd ones in the high half.
    fn gather(&mut self, lane: u8, d: u8, a: u8) {
        let mut pattern = [0; 16];
        let size = 1u8 << lane;
        for k in 0..16u8 {
            let n = (k & 7) >> lane;
            pattern[k as usize] = (2 * n + (k >> 3)) * size + k % size;
        }
        self.shuffle_const(d, a, pattern);
    }

    fn pairwise(&mut self, v: Value, i: &Inst, op: Op) {
        let lane = i.lane & 3;
        let (a, b) = self.two(i);
        let d = self.def(v);
        let odd = self.tmp();
        self.even_odd(lane, i.ty == Ty::V128, [d, odd], [a, b]);
        debug_assert!(lane_op(op, lane) != NO);
        self.v3(lane_op(op, lane), d, d, odd);
    }

    fn pairwise_quads(&mut self, v: Value, i: &Inst) {
        let (a, b) = self.two(i);
        let d = self.def(v);
        let [x, y, m] = [self.tmp(), self.tmp(), self.tmp()];
        self.even_odd(3, true, [x, y], [a, b]);
        let signed = matches!(i.op, Op::VPminS | Op::VPmaxS);
        self.greater_quads(signed, m, x, y);
        if matches!(i.op, Op::VPminS | Op::VPminU) {
            self.select(d, x, y, m);
        } else {
            self.select(d, y, x, m);
        }
    }

    /// Sums of adjacent lanes in lanes of twice the size.
    fn widening_sums(&mut self, v: Value, i: &Inst, lane: u8) {
        let signed = i.op == Op::VPaddlS;
        let a = self.reg(i.args[0]);
        let d = self.def(v);
        match (lane, signed) {
            // The first factor is unsigned, the second signed.
            (0, false) => self.v3c(PMADDUBSW, d, a, splat(0, 1)),
            (0, true) => {
                self.load_const(Ty::V128, d, splat(0, 1));
                self.v3(PMADDUBSW, d, d, a);
            }
            (1, true) => self.v3c(PMADDWD, d, a, splat(1, 1)),
            (1, false) => {
                self.vshift(0x72, 2, XMM14, a, 16);
                self.v3c(PAND, d, a, splat(2, 0xffff));
                self.v3(p(0xfe), d, d, XMM14);
            }
            _ => {
                let mut x = a;
                if signed {
                    // With 2^31 added to both.
                    self.v3c(PXOR, d, a, splat(2, 1 << 31));
                    x = d;
                }
                self.vshift(0x73, 2, XMM14, x, 32);
                self.v3c(PAND, d, x, splat(3, 0xffff_ffff));
                self.v3(p(0xd4), d, d, XMM14);
                if signed {
                    self.v3c(p(0xfb), d, d, splat(3, 1 << 32));
                }
            }
        }
    }

    /// The sum of all lanes in lane 0, zeros elsewhere.
    fn across(&mut self, v: Value, i: &Inst, lane: u8) {
        let full = i.ty == Ty::V128;
        let a = self.reg(i.args[0]);
        let d = self.def(v);
        let mut step = if full { 8 } else { 4 };
        if lane == 0 {
            self.v3(PXOR, XMM14, XMM14, XMM14);
            self.v3(PSADBW, d, a, XMM14);
            if full {
                self.v2i(PSHUFD, XMM14, d, 0xee);
                self.v3(lane_op(Op::VAdd, 3), d, d, XMM14);
            }
            step = 0;
        } else {
            self.move_reg(Ty::V128, d, a);
        }
        while step >= 1 << lane && step > 0 {
            self.vshift(0x73, 3, XMM14, d, step);
            self.v3(lane_op(Op::VAdd, lane), d, d, XMM14);
            step /= 2;
        }
        self.v3c(PAND, d, d, u128::from(u64::MAX >> (64 - (8 << lane))));
    }

    /// One of the pairs of lanes of 64 bits.
    pub fn trn_quads(&mut self, v: Value, i: &Inst) {
        let (a, b) = self.two(i);
        let d = self.def_reuse(v, i.args[0]);
        let o = if i.op == Op::VTrnEven {
            PUNPCKLQDQ
        } else {
            PUNPCKHQDQ
        };
        self.v3(o, d, a, b);
    }
}
