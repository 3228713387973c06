//! Floating-point arithmetic on vectors. As with scalars (`emit_fp.rs`) a NaN among the results sends the whole
//! instruction to the evaluator. The unused lanes of a V64 are made zero first, so that they raise nothing.

use crate::abi::*;
use crate::cc::NO_FLAGS;
use crate::compiler::Gen;
use crate::emit_fp::{round_of, smallest_normal};
use crate::emit_vec::{PAND, POR, PXOR, lane_op, splat};
use crate::enc::{Opc, Rm, x86cc};
use tcg_ir::{FpNan, FpRound, Inst, Op, Ty, Value};

/// Comparison predicates.
pub const EQ: u8 = 0;
pub const LT: u8 = 1;
pub const LE: u8 = 2;
pub const UNORD: u8 = 3;
pub const NEQ: u8 = 4;
pub const ORD: u8 = 7;

/// 1.0, 2.0 and so on in every lane.
pub fn splat_float(wide: bool, x: f64) -> u128 {
    if wide {
        splat(3, x.to_bits())
    } else {
        splat(2, u64::from((x as f32).to_bits()))
    }
}

/// The prefix of packed instructions.
pub const fn packed(wide: bool) -> u8 {
    if wide { 0x66 } else { 0 }
}

impl Gen<'_> {
    /// Emits an operation of this group; false if it is not one or has no inline form.
    pub fn emit_fp_vec(&mut self, v: Value, i: &Inst) -> bool {
        let lane = i.lane & 3;
        if lane < 2 {
            return false;
        }
        let pre = packed(lane == 3);
        match i.op {
            Op::VFAdd => self.vfp_two(v, i, Opc(pre, 1, 0x58)),
            Op::VFSub => self.vfp_two(v, i, Opc(pre, 1, 0x5c)),
            Op::VFMul => self.vfp_two(v, i, Opc(pre, 1, 0x59)),
            // What the host reports of 0 and of negative numbers hides denormal operands.
            Op::VFDiv | Op::VFSqrt if self.flushes(i) => return false,
            Op::VFDiv => self.vfp_two(v, i, Opc(pre, 1, 0x5e)),
            Op::VFSqrt => self.vfp_sqrt(v, i, Opc(pre, 1, 0x51)),
            Op::VFAbd => self.vfp_abd(v, i),
            Op::VFMin | Op::VFMinNum => self.vfp_minmax(v, i, Opc(pre, 1, 0x5d)),
            Op::VFMax | Op::VFMaxNum => self.vfp_minmax(v, i, Opc(pre, 1, 0x5f)),
            Op::VFPadd => self.vfp_padd(v, i),
            Op::VFPmin => self.vfp_minmax(v, i, Opc(pre, 1, 0x5d)),
            Op::VFPmax => self.vfp_minmax(v, i, Opc(pre, 1, 0x5f)),
            Op::VFMulAdd if self.f.fma => self.vfp_fma(v, i, lane == 3),
            Op::VFMla => self.vfp_mla(v, i),
            Op::VFNeg | Op::VFAbs => self.fp_sign(v, i, lane, i.op == Op::VFNeg),
            Op::VFCmpEq | Op::VFCmpGe | Op::VFCmpGt => self.vfp_cmp(v, i),
            Op::VFRecps | Op::VFRsqrts => return self.vfp_step(v, i),
            Op::VFRecpe | Op::VFRsqrte => return self.emit_estimate(v, i),
            _ => return false,
        }
        self.flags = NO_FLAGS;
        true
    }

    /// Compares packed numbers: `d` = all ones where the predicate holds.
    pub fn cmp_packed(&mut self, wide: bool, d: u8, a: u8, b: u8, predicate: u8) {
        self.v3i(Opc(packed(wide), 1, 0xc2), false, d, a, Rm::R(b), predicate);
    }

    /// `eax` = the sign bits of the lanes, and the host's flags of that.
    pub fn any_sign(&mut self, wide: bool, x: u8) {
        let o = Opc(packed(wide), 1, 0x50);
        if self.f.avx2 {
            self.a.vex(o, false, RAX, 0, Rm::R(x & 15));
        } else {
            self.a.op(o, false, RAX, Rm::R(x & 15));
        }
        self.a.test(false, RAX, Rm::R(RAX));
    }

    /// A vector operand with zeros above a V64, in `tmp` or where it is.
    pub fn vfp_operand(&mut self, i: &Inst, a: u8, tmp: u8) -> u8 {
        if i.ty == Ty::V128 {
            return a;
        }
        self.zero_extend_vec(Ty::V64, tmp, a);
        tmp
    }

    /// Both operands (a V64: in xmm14 and xmm15).
    fn vfp_operands(&mut self, i: &Inst) -> (u8, u8) {
        let (a, b) = self.two(i);
        (self.vfp_operand(i, a, XMM14), self.vfp_operand(i, b, XMM15))
    }

    /// Goes to the evaluator if any lane of `x` against `y` is unordered. Uses xmm14.
    pub fn vfp_check(&mut self, wide: bool, x: u8, y: u8, slow: u32) {
        self.cmp_packed(wide, XMM14, x, y, UNORD);
        self.any_sign(wide, XMM14);
        self.jcc(x86cc::NE, slow);
    }

    /// `t` = all ones in the lanes of `x` that are the smallest normal number, of either sign.
    fn least_lanes(&mut self, wide: bool, x: u8, t: u8) {
        self.v3c(PAND, t, x, !splat_float(wide, -0.0));
        // The integer comparison serves as well.
        let map = if wide { 2 } else { 1 };
        let equal = Opc(0x66, map, if wide { 0x29 } else { 0x76 });
        self.v3c(equal, t, t, smallest_normal(wide));
    }

    /// Goes to the evaluator if any lane of a result is a NaN or, where that matters, the smallest normal number. Uses
    /// xmm14 and xmm15.
    fn vfp_check_result(&mut self, i: &Inst, wide: bool, d: u8, slow: u32) {
        if !self.may_hide_tininess(i) {
            return self.vfp_check(wide, d, d, slow);
        }
        self.least_lanes(wide, d, XMM14);
        self.cmp_packed(wide, XMM15, d, d, UNORD);
        self.v3(POR, XMM14, XMM14, XMM15);
        self.any_sign(wide, XMM14);
        self.jcc(x86cc::NE, slow);
    }

    fn vfp_two(&mut self, v: Value, i: &Inst, o: Opc) {
        let wide = i.lane & 3 == 3;
        self.regime(i);
        let (a, b) = self.vfp_operands(i);
        let d = self.def(v);
        if i.op == Op::VFDiv && i.ty != Ty::V128 {
            // 0 / 1 in the unused lanes.
            let ones = splat_float(wide, 1.0) << 64;
            self.v3c(POR, b, b, ones);
        }
        self.v3(o, d, a, b);
        let (slow, done) = self.begin_slow(i, d);
        self.vfp_check_result(i, wide, d, slow);
        self.bind_label(done);
    }

    fn vfp_sqrt(&mut self, v: Value, i: &Inst, o: Opc) {
        self.regime(i);
        let a = self.reg(i.args[0]);
        let d = self.def(v);
        let x = self.vfp_operand(i, a, XMM14);
        self.v2(o, d, x);
        let (slow, done) = self.begin_slow(i, d);
        self.vfp_check(i.lane & 3 == 3, d, d, slow);
        self.bind_label(done);
    }

    fn vfp_abd(&mut self, v: Value, i: &Inst) {
        let wide = i.lane & 3 == 3;
        self.regime(i);
        let (a, b) = self.vfp_operands(i);
        let d = self.def(v);
        self.v3(Opc(packed(wide), 1, 0x5c), d, a, b);
        let (slow, done) = self.begin_slow(i, d);
        self.vfp_check(wide, d, d, slow);
        self.v3c(PAND, d, d, !splat_float(wide, -0.0));
        self.bind_label(done);
    }

    fn vfp_padd(&mut self, v: Value, i: &Inst) {
        let wide = i.lane & 3 == 3;
        self.regime(i);
        let (mut a, mut b) = self.two(i);
        let d = self.def(v);
        if i.ty != Ty::V128 {
            self.join(XMM14, a, b);
            (a, b) = (XMM14, XMM14);
        }
        let o = Opc(if wide { 0x66 } else { 0xf2 }, 1, 0x7c);
        self.v3(o, d, a, b);
        let (slow, done) = self.begin_slow(i, d);
        self.vfp_check(wide, d, d, slow);
        self.bind_label(done);
    }

    fn vfp_fma(&mut self, v: Value, i: &Inst, wide: bool) {
        self.regime(i);
        let c = self.reg(i.args[2]);
        let (a, b) = self.vfp_operands(i);
        let d = self.def(v);
        if i.ty == Ty::V128 {
            self.move_reg(Ty::V128, d, c);
        } else {
            self.zero_extend_vec(Ty::V64, d, c);
        }
        let o = if i.imm & 2 == 0 { 0xb8 } else { 0xba };
        self.a.vex(Opc(0x66, 2, o), wide, d, a & 15, Rm::R(b & 15));
        let (slow, done) = self.begin_slow(i, d);
        self.vfp_check_result(i, wide, d, slow);
        if i.imm & 4 != 0 {
            self.v3c(PXOR, d, d, splat_float(wide, -0.0));
        }
        self.bind_label(done);
    }

    fn vfp_mla(&mut self, v: Value, i: &Inst) {
        let wide = i.lane & 3 == 3;
        self.regime(i);
        let (a, b) = self.vfp_operands(i);
        let c = self.reg(i.args[2]);
        let d = self.def(v);
        self.v3(Opc(packed(wide), 1, 0x59), XMM14, a, b);
        let c = self.vfp_operand(i, c, XMM15);
        self.add_product(i, packed(wide), d, c);
        let (slow, done) = self.begin_slow(i, d);
        if self.judges_before(i) {
            self.least_lanes(wide, XMM14, XMM15);
            self.any_sign(wide, XMM15);
            self.jcc(x86cc::NE, slow);
        }
        self.vfp_check(wide, d, d, slow);
        self.bind_label(done);
    }

    /// Minimum and maximum, also of pairs: both orders, combined, get the sign of zero right.
    fn vfp_minmax(&mut self, v: Value, i: &Inst, o: Opc) {
        let lane = i.lane & 3;
        let full = i.ty == Ty::V128;
        self.regime(i);
        let (a, b) = self.two(i);
        let d = self.def(v);
        let (slow, done) = self.begin_slow(i, d);
        let (mut x, mut y) = (a, b);
        if matches!(i.op, Op::VFPmin | Op::VFPmax) {
            (x, y) = (self.tmp(), self.tmp());
            self.even_odd(lane, full, [x, y], [a, b]);
        } else if !full {
            (x, y) = (self.tmp(), XMM15);
            self.zero_extend_vec(Ty::V64, x, a);
            self.zero_extend_vec(Ty::V64, y, b);
        }
        self.vfp_check(lane == 3, x, y, slow);
        self.v3(o, XMM14, x, y);
        self.v3(o, d, y, x);
        let join = if o.2 == 0x5d { 0x56 } else { 0x54 };
        self.v3(Opc(0, 1, join), d, d, XMM14);
        self.bind_label(done);
    }

    /// Comparisons are exact, NaN included: all zeros, and invalid as the predicate says.
    fn vfp_cmp(&mut self, v: Value, i: &Inst) {
        let wide = i.lane & 3 == 3;
        self.regime(i);
        let mode = self.b.fp[usize::from(i.aux & 1)];
        let (a, b) = match mode.flush && i.ty != Ty::V128 {
            // The check below takes xmm14.
            true => {
                let (a, b) = self.two(i);
                let x = self.tmp();
                (self.vfp_operand(i, a, x), self.vfp_operand(i, b, XMM15))
            }
            false => self.vfp_operands(i),
        };
        let d = self.def(v);
        // Where reasons for an invalid operation are told apart, NaNs go the exact way.
        // Where operands are flushed, a NaN hides a denormal one from the host.
        let named = mode.nan == FpNan::FirstThenAddend && !mode.silent && i.ty == Ty::V128;
        let exact = named || mode.flush;
        let slow = exact.then(|| self.begin_slow(i, d));
        if let Some((slow, _)) = slow {
            self.vfp_check(wide, a, b, slow);
        }
        match i.op {
            Op::VFCmpEq => self.cmp_packed(wide, d, a, b, EQ),
            Op::VFCmpGe => self.cmp_packed(wide, d, b, a, LE),
            _ => self.cmp_packed(wide, d, b, a, LT),
        }
        if let Some((_, done)) = slow {
            self.bind_label(done);
        }
    }

    /// 2 - a b and (3 - a b) / 2. Infinities go to the evaluator: 0 times infinity counts as 0 here.
    fn vfp_step(&mut self, v: Value, i: &Inst) -> bool {
        let lane = i.lane & 3;
        let wide = lane == 3;
        if round_of(self.b.fp[usize::from(i.aux & 1)]) != FpRound::Nearest as u8 {
            return false;
        }
        self.regime(i);
        let (a, b) = self.two(i);
        let d = self.def(v);
        let (slow, done) = self.begin_slow(i, d);
        let [x, y] = [self.tmp(), self.tmp()];
        self.zero_extend_vec(i.ty, x, a);
        self.zero_extend_vec(i.ty, y, b);
        let abs = !splat_float(wide, -0.0);
        let finite = if wide {
            splat(3, f64::MAX.to_bits())
        } else {
            splat(2, u64::from(f32::MAX.to_bits()))
        };
        let greater = lane_op(Op::VCmpGtS, lane);
        self.v3c(PAND, XMM14, x, abs);
        self.v3c(greater, XMM14, XMM14, finite);
        self.v3c(PAND, d, y, abs);
        self.v3c(greater, d, d, finite);
        self.v3(POR, XMM14, XMM14, d);
        self.any_sign(wide, XMM14);
        self.jcc(x86cc::NE, slow);
        let op = |n: u8| Opc(packed(wide), 1, n);
        let root = i.op == Op::VFRsqrts;
        self.v3(op(0x59), x, x, y);
        let minuend = splat_float(wide, if root { 3.0 } else { 2.0 });
        self.load_const(Ty::V128, d, minuend);
        self.v3(op(0x5c), d, d, x);
        if root {
            self.v3c(op(0x59), d, d, splat_float(wide, 0.5));
        }
        self.bind_label(done);
        self.flags = NO_FLAGS;
        true
    }
}
