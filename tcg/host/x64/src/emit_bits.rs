//! Extensions, fields, counts, reversals, bit casts.

use crate::abi::*;
use crate::cc::NO_FLAGS;
use crate::compiler::Gen;
use crate::enc::{Alu, Mem, Opc, Rm, Sh, x86cc};
use tcg_ir::{Inst, Op, Ty, Value};

impl Gen<'_> {
    /// Emits an operation of this group; false if it is not one.
    pub fn emit_bits(&mut self, v: Value, i: &Inst) -> bool {
        let w = i.ty == Ty::I64;
        let a = i.args[0];
        match i.op {
            Op::Sext8 => self.extend(v, a, w, true, Opc(0, 1, 0xbe)),
            Op::Sext16 => self.extend(v, a, w, false, Opc(0, 1, 0xbf)),
            Op::Zext8 => self.extend(v, a, false, true, Opc(0, 1, 0xb6)),
            Op::Zext16 => self.extend(v, a, false, false, Opc(0, 1, 0xb7)),
            Op::SextI64 => self.extend(v, a, true, false, Opc(0, 0, 0x63)),
            Op::ZextI64 | Op::Trunc => self.extend(v, a, false, false, Opc(0, 0, 0x8b)),
            Op::Hi32 => self.emit_hi32(v, a),
            Op::Concat => self.emit_concat(v, a, i.args[1]),
            Op::Clz => self.emit_clz(v, i),
            Op::Ctz => self.emit_ctz(v, i),
            Op::Popcnt if self.f.popcnt => {
                let rm = self.rm(a);
                let d = self.def_reuse(v, a);
                self.a.op(Opc(0xf3, 1, 0xb8), w, d, rm);
            }
            Op::Bswap => {
                let d = self.def_copy(v, a);
                self.bswap(w, d);
            }
            Op::Bswap16 if !w => {
                let d = self.def_copy(v, a);
                self.bswap(false, d);
                self.a.shift_imm(Sh::Ror, false, Rm::R(d), 16);
            }
            Op::Rbit if !w => self.emit_rbit(v, a),
            Op::ExtractU => self.emit_extract_u(v, i),
            Op::ExtractS => self.emit_extract_s(v, i),
            Op::Deposit => self.emit_deposit(v, i),
            Op::Bitcast => self.emit_bitcast(v, i),
            _ => return false,
        }
        true
    }

    fn extend(&mut self, v: Value, a: Value, w: bool, byte: bool, o: Opc) {
        self.settle_test(a);
        let rm = self.rm(a);
        let d = self.def_reuse(v, a);
        if byte {
            if w {
                self.a.op(o, true, d, rm);
            } else {
                self.a.op_byte(o, d, rm);
            }
        } else {
            self.a.op(o, w, d, rm);
        }
    }

    pub fn bswap(&mut self, w: bool, r: u8) {
        let rex = 0x40 | (w as u8) << 3 | r >> 3;
        if rex != 0x40 {
            self.a.byte(rex);
        }
        self.a.byte(0x0f);
        self.a.byte(0xc8 | (r & 7));
    }

    fn emit_hi32(&mut self, v: Value, a: Value) {
        if let Rm::M(m) = self.rm(a) {
            let d = self.def(v);
            let m = Mem {
                disp: m.disp + 4,
                ..m
            };
            return self.a.mov(false, d, Rm::M(m));
        }
        let d = self.def_copy(v, a);
        self.a.shift_imm(Sh::Shr, true, Rm::R(d), 32);
    }

    fn emit_concat(&mut self, v: Value, lo: Value, hi: Value) {
        self.settle_test(lo);
        self.settle_test(hi);
        let mut rl = self.reg(lo);
        if lo == hi {
            self.a.mov(false, RAX, Rm::R(rl));
            rl = RAX;
        }
        let d = self.def_copy(v, hi);
        self.a.shift_imm(Sh::Shl, true, Rm::R(d), 32);
        self.a.alu(Alu::Or, true, d, Rm::R(rl));
    }

    fn emit_clz(&mut self, v: Value, i: &Inst) {
        let w = i.ty == Ty::I64;
        let rm = self.rm(i.args[0]);
        let d = self.def_reuse(v, i.args[0]);
        if self.f.lzcnt {
            return self.a.op(Opc(0xf3, 1, 0xbd), w, d, rm);
        }
        let width: u64 = if w { 64 } else { 32 };
        self.a.mov_imm(RAX, 2 * width - 1);
        self.a.op(Opc(0, 1, 0xbd), w, d, rm);
        self.a.cmov(x86cc::E, w, d, Rm::R(RAX));
        self.a.alu_imm(Alu::Xor, w, Rm::R(d), width as i32 - 1);
    }

    fn emit_ctz(&mut self, v: Value, i: &Inst) {
        let w = i.ty == Ty::I64;
        let rm = self.rm(i.args[0]);
        let d = self.def_reuse(v, i.args[0]);
        if self.f.bmi2 {
            return self.a.op(Opc(0xf3, 1, 0xbc), w, d, rm);
        }
        self.a.mov_imm(RAX, if w { 64 } else { 32 });
        self.a.op(Opc(0, 1, 0xbc), w, d, rm);
        self.a.cmov(x86cc::E, w, d, Rm::R(RAX));
    }

    fn emit_rbit(&mut self, v: Value, a: Value) {
        let d = self.def_copy(v, a);
        self.bswap(false, d);
        for (mask, n) in [(0x0f0f_0f0f, 4), (0x3333_3333, 2), (0x5555_5555, 1)] {
            self.a.mov(false, RAX, Rm::R(d));
            self.a.shift_imm(Sh::Shr, false, Rm::R(RAX), n);
            self.a.alu_imm(Alu::And, false, Rm::R(RAX), mask);
            self.a.alu_imm(Alu::And, false, Rm::R(d), mask);
            self.a.shift_imm(Sh::Shl, false, Rm::R(d), n);
            self.a.alu(Alu::Or, false, d, Rm::R(RAX));
        }
    }

    fn emit_extract_u(&mut self, v: Value, i: &Inst) {
        let w = i.ty == Ty::I64;
        let width = if w { 64 } else { 32 };
        let (lsb, len) = (i.imm as u8, (i.imm >> 8) as u8);
        let a = i.args[0];
        match (lsb, len) {
            (0, 8) => return self.extend(v, a, false, true, Opc(0, 1, 0xb6)),
            (0, 16) => return self.extend(v, a, false, false, Opc(0, 1, 0xb7)),
            (0, 32) if w => return self.extend(v, a, false, false, Opc(0, 0, 0x8b)),
            _ => {}
        }
        if w && lsb + len == 32 {
            // What is above is gone with the copy.
            self.extend(v, a, false, false, Opc(0, 0, 0x8b));
            let d = self.reg(v);
            return self.a.shift_imm(Sh::Shr, false, Rm::R(d), lsb);
        }
        let d = self.def_copy(v, a);
        let rm = Rm::R(d);
        if lsb + len < width && len > 31 {
            self.a.shift_imm(Sh::Shl, w, rm, width - lsb - len);
            return self.a.shift_imm(Sh::Shr, w, rm, width - len);
        }
        if lsb != 0 {
            self.a.shift_imm(Sh::Shr, w, rm, lsb);
        }
        if lsb + len < width {
            self.a
                .alu_imm(Alu::And, false, rm, ((1u32 << len) - 1) as i32);
        }
    }

    fn emit_extract_s(&mut self, v: Value, i: &Inst) {
        let w = i.ty == Ty::I64;
        let width = if w { 64 } else { 32 };
        let (lsb, len) = (i.imm as u8, (i.imm >> 8) as u8);
        let a = i.args[0];
        match (lsb, len) {
            (0, 8) => return self.extend(v, a, w, true, Opc(0, 1, 0xbe)),
            (0, 16) => return self.extend(v, a, w, false, Opc(0, 1, 0xbf)),
            (0, 32) if w => return self.extend(v, a, true, false, Opc(0, 0, 0x63)),
            _ => {}
        }
        if w && lsb + len == 32 {
            self.extend(v, a, true, false, Opc(0, 0, 0x63));
            let d = self.reg(v);
            return self.a.shift_imm(Sh::Sar, true, Rm::R(d), lsb);
        }
        let d = self.def_copy(v, a);
        if lsb + len < width {
            self.a.shift_imm(Sh::Shl, w, Rm::R(d), width - lsb - len);
        }
        if len < width {
            self.a.shift_imm(Sh::Sar, w, Rm::R(d), width - len);
        }
    }

    fn emit_deposit(&mut self, v: Value, i: &Inst) {
        let w = i.ty == Ty::I64;
        let width: u32 = if w { 64 } else { 32 };
        let (lsb, len) = (i.imm as u8, (i.imm >> 8) as u8);
        self.settle_test(i.args[0]);
        self.load_scratch(i.args[1]);
        if u32::from(len) == width {
            let d = self.def(v);
            return self.a.mov(w, d, Rm::R(RAX));
        }
        let d = self.def_copy(v, i.args[0]);
        let (rd, ra) = (Rm::R(d), Rm::R(RAX));
        // The new field, in place and clean.
        let left = width as u8 - len;
        self.a.shift_imm(Sh::Shl, w, ra, left);
        if left != lsb {
            self.a.shift_imm(Sh::Shr, w, ra, left - lsb);
        }
        if w {
            self.a.shift_imm(Sh::Ror, true, rd, lsb);
            self.a.shift_imm(Sh::Shr, true, rd, len);
            self.a.shift_imm(Sh::Shl, true, rd, len);
            self.a.shift_imm(Sh::Rol, true, rd, lsb);
        } else {
            let mask = ((1u32 << len) - 1) << lsb;
            self.a.alu_imm(Alu::And, false, rd, !mask as i32);
        }
        self.a.alu(Alu::Or, w, d, ra);
        self.flags = NO_FLAGS;
    }

    fn emit_bitcast(&mut self, v: Value, i: &Inst) {
        let a = i.args[0];
        let (from, to) = (self.ty(a), i.ty);
        match (from.is_vec_class(), to.is_vec_class()) {
            (false, false) => {
                let d = self.def_copy(v, a);
                if to.bytes() < from.bytes() {
                    self.a.mov(false, d, Rm::R(d));
                }
            }
            (false, true) => {
                self.settle_test(a);
                let r = self.reg(a);
                let d = self.def(v);
                self.mov_gx(true, from == Ty::I64, d, r);
            }
            (true, false) => {
                let r = self.reg(a);
                let d = self.def(v);
                self.mov_gx(false, to == Ty::I64, r, d);
            }
            (true, true) if to.bytes() > from.bytes() => {
                let r = self.reg(a);
                let d = self.def_reuse(v, a);
                self.zero_extend_vec(from, d, r);
            }
            (true, true) => {
                self.def_copy(v, a);
            }
        }
    }

    /// The value of type `from` in `src` with everything above it zero.
    pub fn zero_extend_vec(&mut self, from: Ty, dst: u8, src: u8) {
        if from == Ty::V128 {
            self.move_reg(Ty::V128, dst, src);
        } else if from == Ty::F32 {
            let o = Opc(0x66, 3, 0x21);
            if self.f.avx2 {
                self.a
                    .vex_i8(o, false, dst, src & 15, Rm::R(src & 15), 0x0e);
            } else {
                self.a.op_i8(o, false, dst & 15, Rm::R(src & 15), 0x0e);
            }
        } else {
            self.vmov(Opc(0xf3, 1, 0x7e), dst, Rm::R(src));
        }
    }
}
