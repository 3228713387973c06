//! Vectors of integers: what the host has no single instruction for.
//!
//! Lanes of 64 bits lack most instructions, bytes have no product, saturation exists for bytes and half-words only.

use crate::abi::*;
use crate::compiler::Gen;
use crate::emit_vec::{PADDB, PAND, PANDN, POR, PSHUFB, PSHUFD, PXOR, lane_op, p, q, splat, t};
use crate::emit_vec_shift::Shift;
use crate::enc::{Opc, Rm};
use tcg_ir::{Inst, Op, Ty, Value};

const PADDW: Opc = p(0xfd);
const PADDD: Opc = p(0xfe);
const PADDQ: Opc = p(0xd4);
const PSUBQ: Opc = p(0xfb);
const PMULLW: Opc = p(0xd5);
const PMULHW: Opc = p(0xe5);
const PMULHRSW: Opc = q(0x0b);
const PMULLD: Opc = q(0x40);
const PMULDQ: Opc = q(0x28);
const PMULUDQ: Opc = p(0xf4);
const PCMPGTB: Opc = p(0x64);
const PCMPGTD: Opc = p(0x66);
const PCMPGTQ: Opc = q(0x37);
const PADDUSB: Opc = p(0xdc);
const PBLENDW: Opc = t(0x0e);

/// The sign bit of each lane.
const fn signs(lane: u8) -> u128 {
    splat(lane, 1 << ((8u32 << lane) - 1))
}

impl Gen<'_> {
    /// Emits an operation of this group; false if it is not one or has no inline form.
    pub fn emit_vec_int(&mut self, v: Value, i: &Inst) -> bool {
        let lane = i.lane & 3;
        match i.op {
            Op::VMul if lane == 0 => self.mul_bytes(v, i),
            Op::VMul => self.mul_quads(v, i),
            Op::VMinS | Op::VMaxS | Op::VMinU | Op::VMaxU => self.min_max_quads(v, i),
            Op::VCmpGeS | Op::VCmpGtU | Op::VCmpGeU => self.compare_quads(v, i),
            Op::VAbs => self.abs_quads(v, i),
            Op::VAbdS | Op::VAbdU => self.difference_quads(v, i),
            Op::VAddSatS | Op::VSubSatS => self.saturating_signed(v, i, lane),
            Op::VAddSatU | Op::VSubSatU => self.saturating_unsigned(v, i, lane),
            Op::VHaddS | Op::VHaddU | Op::VHsubS | Op::VHsubU | Op::VRhaddS | Op::VRhaddU => {
                self.halving(v, i, lane);
            }
            Op::VCnt => self.count_ones(v, i),
            Op::VClz | Op::VCls => self.leading(v, i, lane),
            Op::VTbl => self.table(v, i),
            Op::VQdmulh if lane == 1 => self.qdmulh_words(v, i),
            Op::VQdmulh if lane == 2 => self.qdmulh_dwords(v, i),
            Op::VQdmull if lane == 1 || lane == 2 => self.qdmull(v, i, lane),
            Op::VURecpe | Op::VURsqrte => return self.emit_estimate(v, i),
            Op::VPmul => self.carryless_bytes(v, i),
            Op::VPmull if lane == 0 => self.carryless_words(v, i),
            Op::VPmull if self.f.pclmul => {
                let (a, b) = self.two(i);
                let d = self.def_reuse(v, i.args[0]);
                self.v3i(t(0x44), false, d, a, Rm::R(b), 0);
            }
            Op::VAesSub | Op::VAesSubInv | Op::VAesMix | Op::VAesMixInv if self.f.aes => {
                self.aes_step(v, i);
            }
            Op::VSha256 if self.f.sha => self.sha256_rounds(v, i),
            Op::VSha256Low | Op::VSha256High if self.f.sha => self.sha256_schedule(v, i),
            Op::VNarrowSatS | Op::VNarrowSatSU | Op::VNarrowSatU if lane == 2 => {
                self.narrow_quads(v, i);
            }
            _ => return false,
        }
        true
    }

    // ---- products ----

    fn mul_bytes(&mut self, v: Value, i: &Inst) {
        let (a, b) = self.two(i);
        let d = self.def(v);
        // Odd bytes: one factor at the top of its word, so the low byte comes out as 0.
        self.v3c(PAND, XMM14, b, splat(1, 0xff00));
        self.vshift(0x71, 2, d, a, 8);
        self.v3(PMULLW, XMM14, XMM14, d);
        self.v3(PMULLW, d, a, b);
        self.v3c(PAND, d, d, splat(1, 0xff));
        self.v3(POR, d, d, XMM14);
    }

    fn mul_quads(&mut self, v: Value, i: &Inst) {
        let (a, b) = self.two(i);
        let d = self.def(v);
        // The mixed products, added, are the high half of the result.
        self.v2i(PSHUFD, XMM14, b, 0xb1);
        self.v3(PMULLD, XMM14, XMM14, a);
        self.vshift(0x73, 2, d, XMM14, 32);
        self.v3(PADDD, XMM14, XMM14, d);
        self.vshift(0x73, 6, XMM14, XMM14, 32);
        self.v3(PMULUDQ, d, a, b);
        self.v3(PADDQ, d, d, XMM14);
    }

    fn qdmulh_words(&mut self, v: Value, i: &Inst) {
        let (a, b) = self.two(i);
        let d = self.def(v);
        if i.imm & 1 != 0 {
            self.v3(PMULHRSW, d, a, b);
        } else {
            self.v3(PMULLW, XMM14, a, b);
            self.v3(PMULHW, d, a, b);
            self.vshift(0x71, 2, XMM14, XMM14, 15);
            self.v3(PADDW, d, d, d);
            self.v3(POR, d, d, XMM14);
        }
        self.fix_minimum(1, d);
    }

    /// Only the square of the most negative number gives that number again: it saturates.
    fn fix_minimum(&mut self, lane: u8, d: u8) {
        self.v3c(lane_op(Op::VCmpEq, lane), XMM14, d, signs(lane));
        self.v3(PXOR, d, d, XMM14);
    }

    fn qdmulh_dwords(&mut self, v: Value, i: &Inst) {
        let (a, b) = self.two(i);
        let d = self.def(v);
        let odd = self.tmp();
        self.vshift(0x73, 2, odd, a, 32);
        self.vshift(0x73, 2, XMM14, b, 32);
        self.v3(PMULDQ, odd, odd, XMM14);
        self.v3(PMULDQ, d, a, b);
        self.v3(PADDQ, odd, odd, odd);
        self.v3(PADDQ, d, d, d);
        if i.imm & 1 != 0 {
            self.v3c(PADDQ, odd, odd, splat(3, 1 << 31));
            self.v3c(PADDQ, d, d, splat(3, 1 << 31));
        }
        self.vshift(0x73, 2, d, d, 32);
        self.v3i(PBLENDW, false, d, d, Rm::R(odd), 0xcc);
        self.fix_minimum(2, d);
    }

    fn qdmull(&mut self, v: Value, i: &Inst, lane: u8) {
        let (a, b) = self.two(i);
        let d = self.def(v);
        self.widen(true, lane, XMM14, b);
        self.widen(true, lane, d, a);
        self.v3(if lane == 1 { PMULLD } else { PMULDQ }, d, d, XMM14);
        self.v3(lane_op(Op::VAdd, lane + 1), d, d, d);
        self.fix_minimum(lane + 1, d);
    }

    /// One bit of the second factor after the other, from the top.
    fn carryless_bytes(&mut self, v: Value, i: &Inst) {
        let (a, b) = self.two(i);
        let d = self.def(v);
        let bits = self.tmp();
        self.move_reg(Ty::V128, bits, b);
        self.v3(PXOR, d, d, d);
        for k in 0..8 {
            if k > 0 {
                self.v3(PADDB, d, d, d);
                self.v3(PADDB, bits, bits, bits);
            }
            self.v3(PXOR, XMM14, XMM14, XMM14);
            self.v3(PCMPGTB, XMM14, XMM14, bits);
            self.v3(PAND, XMM14, XMM14, a);
            self.v3(PXOR, d, d, XMM14);
        }
    }

    fn carryless_words(&mut self, v: Value, i: &Inst) {
        let (a, b) = self.two(i);
        let d = self.def(v);
        let [x, bits] = [self.tmp(), self.tmp()];
        self.widen(false, 0, x, a);
        self.widen(false, 0, bits, b);
        self.vshift(0x71, 6, bits, bits, 8);
        self.v3(PXOR, d, d, d);
        for k in 0..8 {
            if k > 0 {
                self.v3(PADDW, d, d, d);
                self.v3(PADDW, bits, bits, bits);
            }
            self.vshift(0x71, 4, XMM14, bits, 15);
            self.v3(PAND, XMM14, XMM14, x);
            self.v3(PXOR, d, d, XMM14);
        }
    }

    // ---- lanes of 64 bits ----

    /// `d` = all ones where a > b. Uses xmm14 and, unsigned, `d` before it is written.
    pub fn greater_quads(&mut self, signed: bool, d: u8, a: u8, b: u8) {
        if signed {
            return self.v3(PCMPGTQ, d, a, b);
        }
        self.v3c(PXOR, XMM14, b, signs(3));
        self.v3c(PXOR, d, a, signs(3));
        self.v3(PCMPGTQ, d, d, XMM14);
    }

    fn min_max_quads(&mut self, v: Value, i: &Inst) {
        let (a, b) = self.two(i);
        let d = self.def(v);
        let m = self.tmp();
        self.greater_quads(matches!(i.op, Op::VMinS | Op::VMaxS), m, a, b);
        if matches!(i.op, Op::VMinS | Op::VMinU) {
            self.select(d, a, b, m);
        } else {
            self.select(d, b, a, m);
        }
    }

    fn compare_quads(&mut self, v: Value, i: &Inst) {
        let (a, b) = self.two(i);
        let d = self.def(v);
        match i.op {
            Op::VCmpGtU => self.greater_quads(false, d, a, b),
            op => {
                self.greater_quads(op == Op::VCmpGeS, d, b, a);
                self.ones(XMM14);
                self.v3(PXOR, d, d, XMM14);
            }
        }
    }

    fn abs_quads(&mut self, v: Value, i: &Inst) {
        let a = self.reg(i.args[0]);
        let d = self.def(v);
        self.sign_lanes(3, XMM14, a);
        self.v3(PXOR, d, a, XMM14);
        self.v3(PSUBQ, d, d, XMM14);
    }

    fn difference_quads(&mut self, v: Value, i: &Inst) {
        let (a, b) = self.two(i);
        let d = self.def(v);
        let m = self.tmp();
        self.greater_quads(i.op == Op::VAbdS, m, b, a);
        self.v3(PSUBQ, d, a, b);
        self.v3(PXOR, d, d, m);
        self.v3(PSUBQ, d, d, m);
    }

    // ---- saturation ----

    fn saturating_signed(&mut self, v: Value, i: &Inst, lane: u8) {
        let (a, b) = self.two(i);
        let d = self.def(v);
        let add = i.op == Op::VAddSatS;
        let m = self.tmp();
        let op = if add { Op::VAdd } else { Op::VSub };
        self.v3(lane_op(op, lane), d, a, b);
        // It overflowed if the result's sign is not that of a, and a and b had the same sign (subtraction: another).
        self.v3(PXOR, XMM14, a, d);
        self.v3(PXOR, m, a, b);
        if add {
            self.v3(PANDN, m, m, XMM14);
        } else {
            self.v3(PAND, m, m, XMM14);
        }
        self.sign_lanes(lane, XMM14, m);
        self.move_reg(Ty::V128, m, XMM14);
        let limit = self.tmp();
        self.sign_lanes(lane, limit, a);
        self.v3c(PXOR, limit, limit, !signs(lane));
        self.select(d, d, limit, m);
    }

    fn saturating_unsigned(&mut self, v: Value, i: &Inst, lane: u8) {
        let (a, b) = self.two(i);
        let d = self.def(v);
        let (add, sub) = (lane_op(Op::VAdd, lane), lane_op(Op::VSub, lane));
        match (i.op, lane) {
            (Op::VAddSatU, 2) => {
                // b, but no more than there is room for.
                self.ones(XMM14);
                self.v3(PXOR, XMM14, XMM14, a);
                self.v3(lane_op(Op::VMinU, lane), XMM14, XMM14, b);
                self.v3(add, d, a, XMM14);
            }
            (_, 2) => {
                self.v3(lane_op(Op::VMaxU, lane), d, a, b);
                self.v3(sub, d, d, b);
            }
            (Op::VAddSatU, _) => {
                let m = self.tmp();
                self.v3(add, d, a, b);
                self.greater_quads(false, m, a, d);
                self.v3(POR, d, d, m);
            }
            _ => {
                let m = self.tmp();
                self.greater_quads(false, m, a, b);
                self.v3(sub, d, a, b);
                self.v3(PAND, d, d, m);
            }
        }
    }

    fn narrow_quads(&mut self, v: Value, i: &Inst) {
        let a = self.reg(i.args[0]);
        let d = self.def(v);
        let [low, high] = [self.tmp(), self.tmp()];
        self.v2i(PSHUFD, low, a, 0x08);
        self.v2i(PSHUFD, high, a, 0x0d);
        match i.op {
            Op::VNarrowSatS => {
                // It fits if the high half repeats the sign of the low one.
                self.vshift(0x72, 4, d, low, 31);
                self.v3(lane_op(Op::VCmpEq, 2), XMM14, d, high);
                self.vshift(0x72, 4, d, high, 31);
                self.v3c(PXOR, d, d, !signs(2));
                self.select(d, d, low, XMM14);
            }
            Op::VNarrowSatU => {
                self.v3(PXOR, XMM14, XMM14, XMM14);
                self.v3(lane_op(Op::VCmpEq, 2), XMM14, XMM14, high);
                self.ones(d);
                self.v3(PXOR, d, d, XMM14);
                self.v3(POR, d, d, low);
            }
            _ => {
                self.v3(PXOR, XMM14, XMM14, XMM14);
                self.v3(PCMPGTD, d, high, XMM14);
                self.v3(POR, d, d, low);
                self.vshift(0x72, 4, high, high, 31);
                self.v3(PANDN, d, high, d);
            }
        }
    }

    // ---- averages ----

    /// With a + b = 2 (a & b) + (a ^ b) = 2 (a | b) - (a ^ b) and a - b = (a ^ b) - 2 (!a & b) nothing overflows.
    fn halving(&mut self, v: Value, i: &Inst, lane: u8) {
        let (a, b) = self.two(i);
        let d = self.def(v);
        let signed = matches!(i.op, Op::VHaddS | Op::VHsubS | Op::VRhaddS);
        let kind = if signed { Shift::Sar } else { Shift::Right };
        let (add, sub) = (lane_op(Op::VAdd, lane), lane_op(Op::VSub, lane));
        let x = self.tmp();
        self.v3(PXOR, x, a, b);
        self.shift_lanes(kind, lane, x, x, 1);
        match i.op {
            Op::VHaddS | Op::VHaddU => {
                self.v3(PAND, d, a, b);
                self.v3(add, d, d, x);
            }
            Op::VHsubS | Op::VHsubU => {
                self.v3(PANDN, d, a, b);
                self.v3(sub, x, x, d);
                self.move_reg(Ty::V128, d, x);
            }
            _ => {
                self.v3(POR, d, a, b);
                self.v3(sub, d, d, x);
            }
        }
    }

    // ---- counting ----

    /// `d` = the sum or combination of a table's entries for both nibbles of each byte: `high` in xmm14, `low` in `d`.
    fn nibbles(&mut self, d: u8, a: u8, low: u128, high: u128) {
        let table = self.tmp();
        self.v3c(PAND, d, a, splat(0, 15));
        self.load_const(Ty::V128, table, low);
        self.v3(PSHUFB, d, table, d);
        self.vshift(0x71, 2, XMM14, a, 4);
        self.v3c(PAND, XMM14, XMM14, splat(0, 15));
        if high != low {
            self.load_const(Ty::V128, table, high);
        }
        self.v3(PSHUFB, table, table, XMM14);
        self.move_reg(Ty::V128, XMM14, table);
    }

    fn count_ones(&mut self, v: Value, i: &Inst) {
        const ONES: u128 = 0x0403_0302_0302_0201_0302_0201_0201_0100;
        let a = self.reg(i.args[0]);
        let d = self.def(v);
        self.nibbles(d, a, ONES, ONES);
        self.v3(PADDB, d, d, XMM14);
    }

    fn leading(&mut self, v: Value, i: &Inst, lane: u8) {
        const ZEROS: u128 = 0x0101_0101_0202_0304;
        let a = self.reg(i.args[0]);
        let d = self.def(v);
        let x = self.tmp();
        if i.op == Op::VCls {
            // Equal to the sign: zeros once that is out.
            self.sign_lanes(lane, x, a);
            self.v3(PXOR, x, x, a);
        } else {
            self.move_reg(Ty::V128, x, a);
        }
        self.nibbles(d, x, ZEROS, ZEROS);
        // The low nibble's count where the high nibble is 0.
        let high = self.tmp();
        self.move_reg(Ty::V128, high, XMM14);
        self.v3c(lane_op(Op::VCmpEq, 0), XMM14, high, splat(0, 4));
        self.v3(PAND, d, d, XMM14);
        self.v3(PADDB, d, d, high);
        // The same for the halves of larger lanes.
        for size in 0..lane {
            let (bits, group) = (8u8 << size, 0x71 + size);
            self.v3(PXOR, XMM14, XMM14, XMM14);
            self.v3(lane_op(Op::VCmpEq, size), XMM14, XMM14, x);
            self.vshift(group, 2, XMM14, XMM14, bits);
            self.v3(PAND, XMM14, XMM14, d);
            self.vshift(group, 2, d, d, bits);
            self.v3(PADDB, d, d, XMM14);
        }
        if i.op == Op::VCls {
            self.ones(XMM14);
            self.v3(lane_op(Op::VAdd, lane), d, d, XMM14);
        }
    }

    // ---- tables ----

    fn table(&mut self, v: Value, i: &Inst) {
        let (a, b) = self.two(i);
        let other = self.b.def(i.args[2]);
        let zero = other.op == Op::ConstV && self.b.consts[other.imm as usize] == 0;
        let c = if zero { NOREG } else { self.reg(i.args[2]) };
        let d = self.def(v);
        // An index of 16 or more gets bit 7, which stands for 0.
        self.v3c(PADDUSB, XMM14, b, splat(0, 0x70));
        self.v3(PSHUFB, d, a, XMM14);
        if zero {
            return;
        }
        if self.f.avx2 {
            return self.select(d, d, c, XMM14);
        }
        let m = self.tmp();
        self.v3(PXOR, m, m, m);
        self.v3(PCMPGTB, m, m, XMM14);
        self.v3(PAND, m, m, c);
        self.v3(POR, d, d, m);
    }
}
