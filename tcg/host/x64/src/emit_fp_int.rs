//! Floating point to integers, saturating, with fraction bits and any rounding mode.
//!
//! Where the host's conversion does not have the range of the wanted integer, or gives its one indefinite value,
//! scalars ask the evaluator; vectors of 32-bit lanes saturate inline.

use crate::abi::*;
use crate::compiler::Gen;
use crate::emit_fp_conv::{Form, power};
use crate::emit_fp_vec::{LE, ORD, splat_float};
use crate::emit_vec::{PAND, PANDN, POR, PUNPCKLQDQ, PXOR, p, splat};
use crate::enc::{Alu, Opc, Rm, Sh, x86cc};
use tcg_ir::{FpRound, Inst, Ty, Value};

const MINPS: u8 = 0x5d;
const MAXPS: u8 = 0x5f;
const MULPS: u8 = 0x59;
const ZERO: u8 = FpRound::Zero as u8;
const CURRENT: u8 = FpRound::Current as u8;

impl Gen<'_> {
    // ---- scalars ----

    pub fn fp_to_int(&mut self, v: Value, i: &Inst) -> bool {
        let wide = self.ty(i.args[0]) == Ty::F64;
        let (bits, signed, width) = (i.imm & 0xff, i.imm >> 8 & 1 != 0, (i.imm >> 16) as u32);
        let f = Form {
            wide,
            packed: false,
        };
        self.regime(i);
        let a = self.reg(i.args[0]);
        let d = self.def(v);
        let (slow, done) = self.begin_slow(i, d);
        self.report_denormal(i, f, a);
        let mut x = a;
        if bits != 0 {
            x = self.tmp();
            self.scale(f, x, a, bits);
        }
        let native = i.lane == CURRENT || i.lane == self.current_round(i);
        // Taken before the first way out to the evaluator: taking a register may store another value.
        let rounded = if i.lane != ZERO && !native {
            self.tmp()
        } else {
            x
        };
        // The host converts to a wider integer, or rounds first, and would report as inexact what is out of range.
        let coarse = width == 32 && (!signed || i.lane != ZERO && !native);
        if width == 16 || coarse || width == 64 && !signed {
            self.check_limit(f, x, width - u32::from(signed), slow);
        }
        if i.lane != ZERO && !native {
            self.round_to(f, rounded, x, i.lane, false, None);
            x = rounded;
        }
        let truncate = i.lane == ZERO || !native;
        let o = f.op(if truncate { 0x2c } else { 0x2d });
        if width == 64 && !signed {
            self.cvt_to_u64(f, o, d, x);
        } else {
            self.cvt_to_g(o, width != 16 && (width == 64 || !signed), d, x);
            self.check_range(d, width, signed, slow);
        }
        if i.ty == Ty::I64 && signed && width < 64 {
            self.a.op(Opc(0, 0, 0x63), true, d, Rm::R(d));
        }
        self.bind_label(done);
        true
    }

    /// Goes to `slow` unless `x` is below 2^bits - 1 and (an odd number of bits is a signed integer's) above its negative,
    /// or (an even one, unsigned) not negative.
    fn check_limit(&mut self, f: Form, x: u8, bits: u32, slow: u32) {
        let limit = (u64::MAX >> (64 - bits)) as f64;
        self.mov_gx(false, f.wide, x, RAX);
        let high = if f.wide {
            self.a.shift_imm(Sh::Shr, true, Rm::R(RAX), 32);
            (limit.to_bits() >> 32) as u32
        } else {
            (limit as f32).to_bits()
        };
        if !bits.is_multiple_of(2) {
            self.a.alu_imm(Alu::And, false, Rm::R(RAX), i32::MAX);
        }
        self.a.alu_imm(Alu::Cmp, false, Rm::R(RAX), high as i32);
        self.jcc(x86cc::AE, slow);
    }

    /// `g` = the number in `x`, by an instruction that converts.
    fn cvt_to_g(&mut self, o: Opc, long: bool, g: u8, x: u8) {
        if self.f.avx2 {
            self.a.vex(o, long, g, 0, Rm::R(x & 15));
        } else {
            self.a.op(o, long, g, Rm::R(x & 15));
        }
    }

    /// A number in the range of u64: the upper half of it is converted with 2^63 taken off. Uses xmm15.
    fn cvt_to_u64(&mut self, f: Form, o: Opc, d: u8, x: u8) {
        let top = splat_float(f.wide, power(63));
        let (high, done) = (self.new_label(), self.new_label());
        self.load_const(Ty::V128, XMM15, top);
        self.ucomis(0x2e, f.wide, x, XMM15);
        self.jcc(x86cc::AE, high);
        self.cvt_to_g(o, true, d, x);
        self.jmp(done);
        self.bind_label(high);
        self.v3c(f.op(0x5c), XMM15, x, top);
        self.cvt_to_g(o, true, d, XMM15);
        // btc d, 63
        self.a.op_i8(Opc(0, 1, 0xba), true, 7, Rm::R(d), 63);
        self.bind_label(done);
    }

    /// Goes to the evaluator unless `d`, a signed integer, is in the range of the result and not the indefinite value.
    fn check_range(&mut self, d: u8, width: u32, signed: bool, slow: u32) {
        match (width, signed) {
            (16, _) => {
                let extend = Opc(0, 1, if signed { 0xbf } else { 0xb7 });
                self.a.op(extend, false, RAX, Rm::R(d));
                self.a.alu(Alu::Cmp, false, RAX, Rm::R(d));
            }
            (32, false) => {
                self.a.mov(false, RAX, Rm::R(d));
                self.a.alu(Alu::Cmp, true, RAX, Rm::R(d));
            }
            _ => {
                // The indefinite integer is the only one whose decrement overflows.
                self.a.alu_imm(Alu::Cmp, width == 64, Rm::R(d), 1);
                return self.jcc(x86cc::O, slow);
            }
        }
        self.jcc(x86cc::NE, slow);
    }

    /// `x` = `a` times 2 to the power of `bits`. What is far out of the range of every integer is limited first, so that
    /// nothing overflows.
    fn scale(&mut self, f: Form, x: u8, a: u8, bits: i64) {
        let limit = power(63);
        // A NaN in the second operand is the result.
        self.load_const(Ty::V128, x, splat_float(f.wide, limit));
        self.v3(f.op(MINPS), x, x, a);
        self.load_const(Ty::V128, XMM14, splat_float(f.wide, -limit));
        self.v3(f.op(MAXPS), XMM14, XMM14, x);
        self.v3c(f.op(MULPS), x, XMM14, splat_float(f.wide, power(bits)));
    }

    // ---- vectors ----

    pub fn vfp_to_int(&mut self, v: Value, i: &Inst) -> bool {
        let wide = i.lane & 3 == 3;
        let f = Form { wide, packed: true };
        let (bits, signed) = (i.imm & 0xff, i.imm >> 8 & 1 != 0);
        let mode = (i.imm >> 12) as u8 & 15;
        self.regime(i);
        let a = self.reg(i.args[0]);
        let d = self.def(v);
        let mut x = a;
        if bits != 0 || i.ty != Ty::V128 {
            x = self.tmp();
            self.zero_extend_vec(i.ty, x, a);
        }
        self.report_denormal(i, f, x);
        if bits != 0 {
            let y = self.tmp();
            self.scale(f, y, x, bits);
            x = y;
        }
        let native = mode == CURRENT || mode == self.current_round(i);
        // Only the signed conversion of 32 bits rounds by itself.
        let truncate = mode == ZERO || !native || !signed || wide;
        if mode != ZERO && !signed {
            x = self.settle_negative(f, x, mode);
        }
        if mode != ZERO && truncate {
            let y = if x == a { self.tmp() } else { d };
            self.round_to(f, y, x, mode, false, None);
            if y == d {
                self.move_reg(Ty::V128, x, y);
            } else {
                x = y;
            }
        }
        match (wide, signed) {
            (true, _) => self.cvt_to_quads(i, d, x, signed),
            (_, true) => self.cvt_to_i32_lanes(d, x, truncate),
            (_, false) => self.cvt_to_u32_lanes(d, x),
        }
        true
    }

    /// `x`, with the lanes that round to -1 or less replaced by their rounded values: those are invalid, and must not
    /// be inexact when they are rounded.
    fn settle_negative(&mut self, f: Form, x: u8, mode: u8) -> u8 {
        let y = self.tmp();
        self.round_to(f, y, x, mode, true, None);
        self.load_const(Ty::V128, XMM14, splat_float(f.wide, -1.0));
        self.cmp_packed(f.wide, XMM14, y, XMM14, LE);
        self.v3(PAND, y, y, XMM14);
        self.v3(PANDN, XMM14, XMM14, x);
        self.v3(POR, y, y, XMM14);
        y
    }

    fn cvt_to_quads(&mut self, i: &Inst, d: u8, x: u8, signed: bool) {
        let (slow, done) = self.begin_slow(i, d);
        self.quad_to_int(x, signed, slow);
        self.mov_gx(true, true, d, RAX);
        if i.ty == Ty::V128 {
            self.v2i(p(0x70), XMM14, x, 0xee);
            self.quad_to_int(XMM14, signed, slow);
            self.mov_gx(true, true, XMM14, RAX);
            self.v3(PUNPCKLQDQ, d, d, XMM14);
        }
        self.bind_label(done);
    }

    /// `rax` = the low f64 of `x`, cut off.
    fn quad_to_int(&mut self, x: u8, signed: bool, slow: u32) {
        let o = Opc(0xf2, 1, 0x2c);
        if signed {
            self.cvt_to_g(o, true, RAX, x);
            return self.check_range(RAX, 64, true, slow);
        }
        let f = Form {
            wide: true,
            packed: false,
        };
        self.check_limit(f, x, 64, slow);
        self.cvt_to_u64(f, o, RAX, x);
    }

    /// Out of range the host gives the most negative integer.
    fn cvt_to_i32_lanes(&mut self, d: u8, x: u8, truncate: bool) {
        self.v2(Opc(if truncate { 0xf3 } else { 0x66 }, 1, 0x5b), d, x);
        self.load_const(Ty::V128, XMM14, splat_float(false, power(31)));
        self.cmp_packed(false, XMM14, XMM14, x, LE);
        self.v3(PXOR, d, d, XMM14);
        self.cmp_packed(false, XMM14, x, x, ORD);
        self.v3(PAND, d, d, XMM14);
    }

    fn cvt_to_u32_lanes(&mut self, d: u8, x: u8) {
        let op = |n: u8| Opc(0, 1, n);
        let cvt = Opc(0xf3, 1, 0x5b);
        let [y, m] = [self.tmp(), self.tmp()];
        // Flags only: what is negative is inexact, or invalid from -1 on.
        self.v3c(op(MINPS), y, x, 0);
        self.load_const(Ty::V128, XMM14, splat_float(false, -1.0));
        self.cmp_packed(false, m, x, XMM14, LE);
        self.v3(POR, y, y, m);
        self.v2(cvt, y, y);
        // The upper half of the range is converted with 2^31 taken off.
        let top = splat_float(false, power(31));
        self.v3c(op(MAXPS), y, x, 0);
        // What is far out of range would make the difference inexact.
        self.v3c(op(MINPS), y, y, splat_float(false, power(32)));
        self.load_const(Ty::V128, m, top);
        self.cmp_packed(false, m, m, y, LE);
        self.v3c(PAND, XMM14, m, top);
        self.v3(op(0x5c), y, y, XMM14);
        self.v2(cvt, d, y);
        self.v3c(PAND, m, m, splat(2, 1 << 31));
        self.v3(PXOR, d, d, m);
        self.load_const(Ty::V128, m, top);
        self.cmp_packed(false, m, m, y, LE);
        self.v3(POR, d, d, m);
    }
}
