//! Vector shifts: by an immediate, rounding, and by a different amount in each lane.
//!
//! Amounts per lane exist in hardware for 32 and 64 bits with AVX2 only. Bytes and half-words are multiplied by
//! powers of two, which come out of a table; without AVX2 the larger lanes are shifted one after the other.

use crate::abi::*;
use crate::compiler::Gen;
use crate::emit_vec::{PADDB, PAND, POR, PSHUFB, PXOR, lane_op, p, q, splat, t};
use crate::enc::Rm;
use tcg_ir::{Inst, Op, Ty, Value};

const PMULLW: crate::enc::Opc = p(0xd5);
const PMULHUW: crate::enc::Opc = p(0xe4);
const PSUBB: crate::enc::Opc = p(0xf8);
const PMINUB: crate::enc::Opc = p(0xda);
const PADDUSB: crate::enc::Opc = p(0xdc);

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    Left,
    Right,
    Sar,
}

impl Shift {
    /// The number in the opcode groups of shifts by immediates.
    fn ext(self) -> u8 {
        match self {
            Shift::Left => 6,
            Shift::Right => 2,
            Shift::Sar => 4,
        }
    }
}

/// Registers of a shift by lanes.
#[derive(Clone, Copy)]
struct Tmp {
    t: u8,
    u: u8,
}

impl Gen<'_> {
    /// Emits a shift; false if `i` is none.
    pub fn emit_vec_shift(&mut self, v: Value, i: &Inst) -> bool {
        let lane = i.lane & 3;
        let n = i.imm as u8;
        match i.op {
            Op::VShlI => self.shift_one(v, i, Shift::Left, n),
            Op::VShrI => self.shift_one(v, i, Shift::Right, n),
            Op::VSarI => self.shift_one(v, i, Shift::Sar, n),
            Op::VRshrI => self.shift_rounding(v, i, Shift::Right, n),
            Op::VRsarI => self.shift_rounding(v, i, Shift::Sar, n),
            Op::VShlV => match self.constant_amount(i) {
                Some((kind, n)) if i.imm & 2 != 0 && kind != Shift::Left => {
                    self.shift_rounding(v, i, kind, n);
                }
                Some((kind, n)) => self.shift_one(v, i, kind, n),
                None => self.shift_by_lanes(v, i, lane),
            },
            _ => return false,
        }
        true
    }

    /// If all lanes of a variable shift are shifted by the same constant, and it does not saturate: which.
    fn constant_amount(&self, i: &Inst) -> Option<(Shift, u8)> {
        let by = self.b.def(i.args[1]);
        if by.op != Op::ConstV || i.imm & 12 != 0 {
            return None;
        }
        let bits = *self.b.consts.get(by.imm as usize)?;
        let lane = i.lane & 3;
        let used = if i.ty == Ty::V64 {
            u128::from(u64::MAX)
        } else {
            u128::MAX
        };
        let byte = bits as u8;
        if (bits ^ splat(lane, u64::from(byte))) & splat(lane, 0xff) & used != 0 {
            return None;
        }
        let size = 8i32 << lane;
        match i32::from(byte as i8) {
            n @ 0.. if n < size => Some((Shift::Left, n as u8)),
            n if n < 0 && n >= -size => {
                let kind = if i.imm & 1 != 0 {
                    Shift::Sar
                } else {
                    Shift::Right
                };
                Some((kind, n.unsigned_abs() as u8))
            }
            _ => None,
        }
    }

    fn shift_one(&mut self, v: Value, i: &Inst, kind: Shift, n: u8) {
        let a = self.reg(i.args[0]);
        let d = self.def_reuse(v, i.args[0]);
        self.shift_lanes(kind, i.lane & 3, d, a, n);
    }

    /// `(a >> n) + (bit n - 1 of a)`.
    fn shift_rounding(&mut self, v: Value, i: &Inst, kind: Shift, n: u8) {
        let lane = i.lane & 3;
        let a = self.reg(i.args[0]);
        let d = self.def(v);
        let below = n.wrapping_sub(1);
        let bit = if below == 0 { a } else { XMM14 };
        if below != 0 {
            self.vshift(0x70 + lane.max(1), 2, XMM14, a, below);
        }
        self.v3c(PAND, XMM14, bit, splat(lane, 1));
        self.shift_lanes(kind, lane, d, a, n);
        self.v3(lane_op(Op::VAdd, lane), d, d, XMM14);
    }

    /// `d` = `a` shifted by up to the size of a lane. Uses no other register.
    pub fn shift_lanes(&mut self, kind: Shift, lane: u8, d: u8, a: u8, n: u8) {
        if n == 0 {
            return self.move_reg(Ty::V128, d, a);
        }
        match (lane, kind) {
            (0, _) => self.shift_bytes(kind, d, a, n.min(8)),
            (3, Shift::Sar) if n >= 63 => {
                self.v2i(p(0x70), d, a, 0xf5);
                self.vshift(0x72, 4, d, d, 31);
            }
            (3, Shift::Sar) => {
                let sign = splat(3, 1 << 63 >> n);
                self.vshift(0x73, 2, d, a, n);
                self.v3c(PXOR, d, d, sign);
                self.v3c(p(0xfb), d, d, sign);
            }
            _ => self.vshift(0x70 + lane, kind.ext(), d, a, n),
        }
    }

    /// Bytes: shift words and clear what came from the neighbour.
    fn shift_bytes(&mut self, kind: Shift, d: u8, a: u8, n: u8) {
        match kind {
            Shift::Left => {
                self.vshift(0x71, 6, d, a, n);
                self.v3c(PAND, d, d, splat(0, 0xff << n & 0xff));
            }
            Shift::Right => {
                self.vshift(0x71, 2, d, a, n);
                self.v3c(PAND, d, d, splat(0, 0xff >> n));
            }
            Shift::Sar => {
                let n = n.min(7);
                let sign = splat(0, 0x80 >> n);
                self.vshift(0x71, 2, d, a, n);
                self.v3c(PAND, d, d, splat(0, 0xff >> n));
                self.v3c(PXOR, d, d, sign);
                self.v3c(PSUBB, d, d, sign);
            }
        }
    }

    // ---- amounts per lane ----

    /// Shift by the signed low byte of each lane of the second operand.
    fn shift_by_lanes(&mut self, v: Value, i: &Inst, lane: u8) {
        let flag = |n: u32| i.imm >> n & 1 != 0;
        let (signed, rounding, saturating, report) = (flag(0), flag(1), flag(2), flag(3));
        let (a, b) = self.two(i);
        let d = self.def(v);
        if report && !saturating {
            return self.v3(PXOR, d, d, d);
        }
        let [l, r, w, t, u] = [(); 5].map(|()| self.alloc(Ty::V128));
        let tmp = Tmp { t, u };
        let right = if signed { Shift::Sar } else { Shift::Right };
        // Amounts to the left and to the right: the other one is above every lane size.
        self.v3c(PAND, l, b, splat(lane, 0xff));
        self.v3(PXOR, r, r, r);
        self.v3(PSUBB, r, r, l);
        self.lanes_by(Shift::Left, lane, d, a, l, tmp);
        if saturating {
            self.lanes_by(right, lane, w, d, l, tmp);
            self.v3(lane_op(Op::VCmpEq, lane), w, w, a);
        }
        // From here on `l` is all ones where the amount is negative.
        self.sign_of_low_byte(lane, l);
        if saturating {
            // Changed, and not because of a shift to the right.
            self.v3(POR, w, w, l);
            self.ones(XMM14);
            if report {
                return self.v3(PXOR, d, w, XMM14);
            }
            self.v3(PXOR, w, w, XMM14);
            self.saturate(signed, lane, d, a, w, t);
        }
        if rounding {
            // ((a >> (n - 1)) + 1) >> 1 without overflow.
            self.v3c(PADDB, r, r, splat(lane, 0xff));
        }
        self.lanes_by(right, lane, w, a, r, tmp);
        if rounding {
            self.v3c(PAND, XMM14, w, splat(lane, 1));
            self.shift_lanes(right, lane, w, w, 1);
            self.v3(lane_op(Op::VAdd, lane), w, w, XMM14);
        }
        if signed {
            self.select(d, d, w, l);
        } else {
            self.v3(POR, d, d, w);
        }
    }

    /// `d` = the limit on the side of `a` in the lanes where `over` is all ones. Destroys `over` and `t`.
    fn saturate(&mut self, signed: bool, lane: u8, d: u8, a: u8, over: u8, t: u8) {
        if !signed {
            return self.v3(POR, d, d, over);
        }
        self.sign_lanes(lane, t, a);
        self.v3c(PXOR, t, t, splat(lane, u64::MAX >> (65 - (8 << lane))));
        self.select(d, d, t, over);
    }

    /// All ones in the lanes whose low byte is negative.
    fn sign_of_low_byte(&mut self, lane: u8, l: u8) {
        match lane {
            0 => {
                self.v3(PXOR, XMM14, XMM14, XMM14);
                self.v3(p(0x64), XMM14, XMM14, l);
                self.move_reg(Ty::V128, l, XMM14);
            }
            1 => {
                self.vshift(0x71, 6, l, l, 8);
                self.vshift(0x71, 4, l, l, 15);
            }
            _ => {
                self.vshift(0x72, 6, l, l, 24);
                self.vshift(0x72, 4, l, l, 31);
                if lane == 3 {
                    self.v2i(p(0x70), l, l, 0xa0);
                }
            }
        }
    }

    /// All ones in the lanes of `a` that are negative. `d` is not `a`.
    pub fn sign_lanes(&mut self, lane: u8, d: u8, a: u8) {
        match lane {
            0 => {
                self.v3(PXOR, d, d, d);
                self.v3(p(0x64), d, d, a);
            }
            1 | 2 => self.vshift(0x70 + lane, 4, d, a, (8 << lane) - 1),
            _ => {
                self.v2i(p(0x70), d, a, 0xf5);
                self.vshift(0x72, 4, d, d, 31);
            }
        }
    }

    /// `d` = `a` shifted lane by lane by `n` (0 to 255, the rest of the lane being 0). `d` may be `a` but not `n`.
    fn lanes_by(&mut self, kind: Shift, lane: u8, d: u8, a: u8, n: u8, tmp: Tmp) {
        if kind == Shift::Sar && !(lane == 2 && self.f.avx2) {
            // ~(~a >> n) for negative lanes. Nothing that follows has its result in its second operand, which would
            // need xmm15 in legacy encoding.
            self.sign_lanes(lane, XMM15, a);
            self.v3(PXOR, d, a, XMM15);
            self.lanes_by(Shift::Right, lane, d, d, n, tmp);
            self.v3(PXOR, d, d, XMM15);
            return;
        }
        match (lane, kind) {
            (0, Shift::Left) => self.bytes_left(d, a, n, tmp),
            (0, _) => self.bytes_right(d, a, n, tmp),
            (1, Shift::Left) => {
                self.v3c(PADDUSB, XMM14, n, splat(1, 0x8070));
                self.power_of_two(tmp);
                self.v3(PMULLW, d, a, tmp.t);
            }
            (1, _) => self.words_right(d, a, n, tmp),
            _ if self.f.avx2 => {
                let o = match kind {
                    Shift::Left => q(0x47),
                    Shift::Right => q(0x45),
                    Shift::Sar => q(0x46),
                };
                self.a.vex(o, lane == 3, d, a & 15, Rm::R(n & 15));
            }
            _ => self.one_by_one(kind, lane, d, a, n, tmp),
        }
    }

    /// `t` = 2 to the power of the index in the low byte of each word of xmm14 (0 if bit 7 is set); the high byte has
    /// bit 7 set.
    fn power_of_two(&mut self, tmp: Tmp) {
        const LOW: u128 = 0x8040_2010_0804_0201;
        self.load_const(Ty::V128, tmp.t, LOW);
        self.v3(PSHUFB, tmp.t, tmp.t, XMM14);
        self.vshift(0x71, 6, XMM14, XMM14, 8);
        self.load_const(Ty::V128, tmp.u, LOW << 64);
        self.v3(PSHUFB, tmp.u, tmp.u, XMM14);
        self.v3(POR, tmp.t, tmp.t, tmp.u);
    }

    /// The high half of the product with 2 to the power of 16 - n.
    fn words_right(&mut self, d: u8, a: u8, n: u8, tmp: Tmp) {
        self.load_const(Ty::V128, XMM14, splat(1, 16));
        self.v3(PSUBB, XMM14, XMM14, n);
        self.v3c(PADDUSB, XMM14, XMM14, splat(1, 0x8070));
        self.power_of_two(tmp);
        // By 0: the power does not fit.
        self.v3(PXOR, XMM14, XMM14, XMM14);
        self.v3(p(0x75), XMM14, XMM14, n);
        self.v3(PAND, XMM14, XMM14, a);
        self.v3(PMULHUW, d, a, tmp.t);
        self.v3(POR, d, d, XMM14);
    }

    fn bytes_left(&mut self, d: u8, a: u8, n: u8, Tmp { t, u }: Tmp) {
        self.v3c(PMINUB, XMM14, n, splat(0, 15));
        self.load_const(Ty::V128, t, 0x8040_2010_0804_0201);
        self.v3(PSHUFB, t, t, XMM14);
        self.v3c(PAND, u, t, splat(1, 0xff));
        self.v3(PMULLW, u, u, a);
        self.v3c(PAND, u, u, splat(1, 0xff));
        self.vshift(0x71, 2, t, t, 8);
        self.v3c(PAND, XMM14, a, splat(1, 0xff00));
        self.v3(PMULLW, t, t, XMM14);
        self.v3(POR, d, t, u);
    }

    fn bytes_right(&mut self, d: u8, a: u8, n: u8, Tmp { t, u }: Tmp) {
        self.v3c(PMINUB, XMM14, n, splat(0, 15));
        self.load_const(Ty::V128, t, 0x0102_0408_1020_4080);
        self.v3(PSHUFB, t, t, XMM14);
        self.v3c(PAND, u, t, splat(1, 0xff));
        self.v3c(PAND, XMM14, a, splat(1, 0xff));
        self.v3(PMULLW, u, u, XMM14);
        self.vshift(0x71, 2, u, u, 7);
        self.vshift(0x71, 2, t, t, 8);
        self.vshift(0x71, 2, XMM14, a, 8);
        self.v3(PMULLW, t, t, XMM14);
        self.vshift(0x71, 2, t, t, 7);
        self.vshift(0x71, 6, t, t, 8);
        self.v3(POR, d, t, u);
    }

    /// One lane after the other: the count of these instructions is one for all lanes.
    fn one_by_one(&mut self, kind: Shift, lane: u8, d: u8, a: u8, n: u8, tmp: Tmp) {
        let o = match kind {
            Shift::Left => 0xf0,
            Shift::Right => 0xd0,
            Shift::Sar => 0xe0,
        } + lane;
        let words = 1u32 << (lane - 1);
        for k in 0..16u8 >> lane {
            self.vshift(0x73, 3, XMM14, n, k << lane);
            self.v3c(PAND, XMM14, XMM14, 0xff);
            if k == 0 {
                self.v3(p(o), tmp.u, a, XMM14);
                continue;
            }
            self.v3(p(o), tmp.t, a, XMM14);
            let mask = ((1 << words) - 1) << (u32::from(k) * words);
            self.v3i(t(0x0e), false, tmp.u, tmp.u, Rm::R(tmp.t), mask as u8);
        }
        self.move_reg(Ty::V128, d, tmp.u);
    }
}
