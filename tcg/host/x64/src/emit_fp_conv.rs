//! Floating-point conversions: rounding to integral values, half precision, from integers.
//! Reference: [`tcg_ir::Op`], which says that conversions to integers saturate; those are in `emit_fp_int.rs`.

use crate::abi::*;
use crate::cc::NO_FLAGS;
use crate::compiler::Gen;
use crate::emit_fp::round_of;
use crate::emit_fp_vec::{LE, NEQ, packed, splat_float};
use crate::emit_vec::{PAND, POR, PUNPCKLQDQ, p, q, splat, t};
use crate::enc::{Alu, Opc, Rm, Sh, x86cc};
use tcg_ir::{FpNan, FpRound, Inst, Op, Ty, Value};

/// Shape of an instruction's operands: f64 or f32, packed or scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    pub wide: bool,
    pub packed: bool,
}

impl Form {
    /// An opcode of map 1 with the prefix of this form.
    pub fn op(self, byte: u8) -> Opc {
        let prefix = match (self.packed, self.wide) {
            (true, wide) => packed(wide),
            (false, true) => 0xf2,
            (false, false) => 0xf3,
        };
        Opc(prefix, 1, byte)
    }
}

/// Rounding modes by the numbers of `FpRound`, as the host's immediates have them; to nearest with ties away from zero has
/// none.
pub fn host_rounding(mode: u8) -> Option<u8> {
    match mode {
        0 => Some(0),
        1 => Some(2),
        2 => Some(1),
        3 => Some(3),
        4 => None,
        _ => Some(4),
    }
}

impl Gen<'_> {
    /// Emits an operation of this group; false if it is not one or has no inline form.
    pub fn emit_fp_conv(&mut self, v: Value, i: &Inst) -> bool {
        let done = match i.op {
            Op::FRound => self.fp_round(v, i),
            Op::VFRound => self.vfp_round(v, i),
            Op::FFromI => self.fp_from_int(v, i),
            Op::VFFromI => self.vfp_from_int(v, i),
            Op::FToI => self.fp_to_int(v, i),
            // Vectors saturate inline by another rule for NaNs.
            Op::VFToI if !self.names_reasons(i) => self.vfp_to_int(v, i),
            Op::FFromHalf | Op::FToHalf | Op::VFFromHalf | Op::VFToHalf => self.half(v, i),
            _ => false,
        };
        if done {
            self.flags = NO_FLAGS;
        }
        done
    }

    /// Whether reasons for an invalid operation are told apart: what is invalid goes the exact way.
    pub fn names_reasons(&self, i: &Inst) -> bool {
        self.b.fp[usize::from(i.aux & 1)].nan == FpNan::FirstThenAddend
    }

    /// The rounding mode of the regime of an operation.
    pub fn current_round(&self, i: &Inst) -> u8 {
        round_of(self.b.fp[usize::from(i.aux & 1)])
    }

    // ---- to integral values ----

    fn fp_round(&mut self, v: Value, i: &Inst) -> bool {
        let form = Form {
            wide: i.ty == Ty::F64,
            packed: false,
        };
        self.regime(i);
        let a = self.reg(i.args[0]);
        let d = self.def(v);
        let (slow, done) = self.begin_slow(i, d);
        self.report_denormal(i, form, a);
        self.round_to(form, d, a, i.lane, i.imm & 1 == 0, Some(slow));
        self.bind_label(done);
        true
    }

    fn vfp_round(&mut self, v: Value, i: &Inst) -> bool {
        let form = Form {
            wide: i.lane & 3 == 3,
            packed: true,
        };
        self.regime(i);
        let a = self.reg(i.args[0]);
        let d = self.def(v);
        let (slow, done) = self.begin_slow(i, d);
        let mut x = a;
        if i.ty != Ty::V128 {
            x = self.tmp();
            self.zero_extend_vec(Ty::V64, x, a);
        }
        let mode = (i.imm >> 12) as u8 & 15;
        self.report_denormal(i, form, x);
        self.round_to(form, d, x, mode, i.imm & 1 == 0, Some(slow));
        self.bind_label(done);
        true
    }

    /// `d` = `a` rounded to an integral value; a NaN goes to `slow`, or without that is kept. `d` is not `a`. Uses xmm14
    /// and xmm15.
    pub fn round_to(&mut self, f: Form, d: u8, a: u8, mode: u8, quiet: bool, slow: Option<u32>) {
        let quiet = if quiet { 8 } else { 0 };
        self.round_host(f, d, a, host_rounding(mode).unwrap_or(3) | quiet);
        if let Some(slow) = slow {
            self.check_form(f, d, slow);
        }
        if host_rounding(mode).is_some() {
            return;
        }
        // Cut off; where at least a half is missing, add one with the operand's sign. What is integral already, infinity
        // among it, is left out.
        self.cmp_form(f, XMM14, a, d, NEQ);
        self.v3(PAND, XMM15, XMM14, d);
        self.v3(PAND, XMM14, XMM14, a);
        self.v3(f.op(0x5c), XMM14, XMM14, XMM15);
        let sign = splat_float(f.wide, -0.0);
        self.v3c(PAND, XMM14, XMM14, !sign);
        self.load_const(Ty::V128, XMM15, splat_float(f.wide, 0.5));
        self.cmp_form(f, XMM15, XMM15, XMM14, LE);
        self.v3c(PAND, XMM15, XMM15, splat_float(f.wide, 1.0));
        self.v3c(PAND, XMM14, a, sign);
        self.v3(POR, XMM15, XMM15, XMM14);
        self.v3(f.op(0x58), d, d, XMM15);
    }

    fn round_host(&mut self, f: Form, d: u8, a: u8, imm: u8) {
        if f.packed {
            self.v2i(t(0x08 + f.wide as u8), d, a, imm);
        } else {
            self.v3i(t(0x0a + f.wide as u8), false, d, a, Rm::R(a), imm);
        }
    }

    fn cmp_form(&mut self, f: Form, d: u8, a: u8, b: u8, predicate: u8) {
        self.v3i(f.op(0xc2), false, d, a, Rm::R(b), predicate);
    }

    fn check_form(&mut self, f: Form, d: u8, slow: u32) {
        if f.packed {
            self.vfp_check(f.wide, d, d, slow);
        } else {
            self.ucomis(0x2e, f.wide, d, d);
            self.jcc(x86cc::P, slow);
        }
    }

    // ---- from integers ----

    fn fp_from_int(&mut self, v: Value, i: &Inst) -> bool {
        let wide = i.ty == Ty::F64;
        let (bits, signed) = (i.imm & 0xff, i.imm >> 8 & 1 != 0);
        let long = self.ty(i.args[0]) == Ty::I64;
        let exact = wide && !long;
        if i.lane != FpRound::Current as u8 && i.lane != self.current_round(i) && !exact {
            return false;
        }
        self.settle_test(i.args[0]);
        self.regime(i);
        let a = self.reg(i.args[0]);
        let d = self.def(v);
        let f = Form {
            wide,
            packed: false,
        };
        if long && !signed {
            self.cvt_from_u64(f, d, a);
        } else {
            if !long && !signed {
                // Zero-extended; whether the upper half of the register is 0 is not known.
                self.a.mov(false, RAX, Rm::R(a));
            }
            let src = if !long && !signed { RAX } else { a };
            self.cvtsi(f, long || !signed, d, src);
        }
        if bits != 0 {
            self.v3c(f.op(0x59), d, d, splat_float(wide, power(-bits)));
        }
        true
    }

    /// `d` = the signed integer in `g`.
    fn cvtsi(&mut self, f: Form, long: bool, d: u8, g: u8) {
        self.v3(Opc(0, 1, 0x57), d, d, d);
        let o = f.op(0x2a);
        if self.f.avx2 {
            self.a.vex(o, long, d, d & 15, Rm::R(g));
        } else {
            self.a.op(o, long, d & 15, Rm::R(g));
        }
    }

    /// The upper half of the unsigned numbers is halved (the lowest bit is sticky) and doubled again.
    fn cvt_from_u64(&mut self, f: Form, d: u8, a: u8) {
        let g = self.alloc(Ty::I64);
        let (big, done) = (self.new_label(), self.new_label());
        self.a.test(true, a, Rm::R(a));
        self.jcc(x86cc::S, big);
        self.cvtsi(f, true, d, a);
        self.jmp(done);
        self.bind_label(big);
        self.a.mov(true, g, Rm::R(a));
        self.a.shift_imm(Sh::Shr, true, Rm::R(g), 1);
        self.a.mov(false, RAX, Rm::R(a));
        self.a.alu_imm(Alu::And, false, Rm::R(RAX), 1);
        self.a.alu(Alu::Or, true, g, Rm::R(RAX));
        self.cvtsi(f, true, d, g);
        self.v3(f.op(0x58), d, d, d);
        self.bind_label(done);
    }

    fn vfp_from_int(&mut self, v: Value, i: &Inst) -> bool {
        let wide = i.lane & 3 == 3;
        let current = self.current_round(i);
        let mode = (i.imm >> 12) as u8 & 15;
        if mode != FpRound::Current as u8 && mode != current {
            return false;
        }
        let (bits, signed) = (i.imm & 0xff, i.imm >> 8 & 1 != 0);
        self.regime(i);
        let a = self.reg(i.args[0]);
        let d = self.def(v);
        let x = self.vfp_operand(i, a, XMM14);
        match (wide, signed) {
            (false, true) => self.v2(Opc(0, 1, 0x5b), d, x),
            (false, false) => self.cvt_from_u32_lanes(d, x),
            (true, false) => self.cvt_from_u64_lanes(d, x),
            (true, true) => self.cvt_from_i64_lanes(i.ty == Ty::V128, d, a),
        }
        if !signed && current == FpRound::Down as u8 {
            // The difference that makes 0 is -0 then.
            self.v3c(PAND, d, d, !splat_float(wide, -0.0));
        }
        if bits != 0 {
            let o = Opc(packed(wide), 1, 0x59);
            self.v3c(o, d, d, splat_float(wide, power(-bits)));
        }
        true
    }

    /// Both halves as the low bits of large powers of two; only the last sum rounds. `x` may be xmm14.
    fn cvt_from_u32_lanes(&mut self, d: u8, x: u8) {
        let two = |n: i64| splat_float(false, power(n));
        self.vshift(0x72, 2, d, x, 16);
        self.v3c(POR, d, d, two(39));
        self.v3c(PAND, XMM14, x, splat(2, 0xffff));
        self.v3c(POR, XMM14, XMM14, two(23));
        let both = splat_float(false, power(39) + power(23));
        self.v3c(Opc(0, 1, 0x5c), d, d, both);
        self.v3(Opc(0, 1, 0x58), d, d, XMM14);
    }

    fn cvt_from_u64_lanes(&mut self, d: u8, x: u8) {
        let two = |n: i64| splat_float(true, power(n));
        self.vshift(0x73, 2, d, x, 32);
        self.v3c(POR, d, d, two(84));
        self.v3c(PAND, XMM14, x, splat(3, 0xffff_ffff));
        self.v3c(POR, XMM14, XMM14, two(52));
        let both = splat_float(true, power(84) + power(52));
        self.v3c(p(0x5c), d, d, both);
        self.v3(p(0x58), d, d, XMM14);
    }

    fn cvt_from_i64_lanes(&mut self, full: bool, d: u8, a: u8) {
        let f = Form {
            wide: true,
            packed: false,
        };
        self.mov_gx(false, true, a, RAX);
        self.cvtsi(f, true, d, RAX);
        if full {
            self.v2i(p(0x70), XMM14, a, 0xee);
            self.mov_gx(false, true, XMM14, RAX);
            self.cvtsi(f, true, XMM14, RAX);
            self.v3(PUNPCKLQDQ, d, d, XMM14);
        }
    }

    // ---- half precision ----

    fn half(&mut self, v: Value, i: &Inst) -> bool {
        let double = i.ty == Ty::F64;
        let from_double = i.op == Op::FToHalf && self.ty(i.args[0]) == Ty::F64;
        let alternative = self.b.fp[usize::from(i.aux & 1)].alt_half;
        if !(self.f.f16c && self.f.avx2) || from_double || alternative {
            return false;
        }
        self.settle_test(i.args[0]);
        self.regime(i);
        let a = self.reg(i.args[0]);
        let d = self.def(v);
        let (slow, done) = self.begin_slow(i, d);
        match i.op {
            Op::VFFromHalf => {
                self.a.vex(q(0x13), false, d, 0, Rm::R(a & 15));
                self.vfp_check(false, d, d, slow);
            }
            Op::VFToHalf => {
                self.vfp_check(false, a, a, slow);
                self.a.vex_i8(t(0x1d), false, a, 0, Rm::R(d & 15), 4);
            }
            Op::FFromHalf => {
                // The half-words above are not part of the number and must not raise anything.
                self.a.op(Opc(0, 1, 0xb7), false, RAX, Rm::R(a));
                self.mov_gx(true, false, d, RAX);
                self.a.vex(q(0x13), false, d, 0, Rm::R(d & 15));
                self.ucomis(0x2e, false, d, d);
                self.jcc(x86cc::P, slow);
                if double {
                    self.v3(Opc(0xf3, 1, 0x5a), d, d, d);
                }
            }
            _ => {
                self.ucomis(0x2e, false, a, a);
                self.jcc(x86cc::P, slow);
                self.zero_extend_vec(Ty::F32, XMM14, a);
                self.a
                    .vex_i8(t(0x1d), false, XMM14, 0, Rm::R(XMM14 & 15), 4);
                self.mov_gx(false, false, XMM14, d);
            }
        }
        self.bind_label(done);
        true
    }
}

/// 2 to the power of `n`.
pub fn power(n: i64) -> f64 {
    f64::from_bits(((1023 + n) as u64) << 52)
}
