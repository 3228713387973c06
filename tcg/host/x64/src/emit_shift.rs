//! Shifts and rotates.

use crate::abi::*;
use crate::cc::NO_FLAGS;
use crate::compiler::Gen;
use crate::enc::{Alu, Opc, Rm, Sh, x86cc};
use tcg_ir::{Inst, Op, Ty, Value};

impl Gen<'_> {
    /// Emits an operation of this group; false if it is not one.
    pub fn emit_shift(&mut self, v: Value, i: &Inst) -> bool {
        let (s, saturates) = match i.op {
            Op::Shl => (Sh::Shl, false),
            Op::Shr => (Sh::Shr, false),
            Op::Sar => (Sh::Sar, false),
            Op::Rotr => (Sh::Ror, false),
            Op::ShlSat => (Sh::Shl, true),
            Op::ShrSat => (Sh::Shr, true),
            Op::SarSat => (Sh::Sar, true),
            _ => return false,
        };
        self.settle_test(i.args[0]);
        self.settle_test(i.args[1]);
        match self.b.as_const(i.args[1]) {
            Some(n) => self.shift_const(v, i, s, saturates, n as u32),
            None if !saturates => self.shift_var(v, i, s, None),
            None if s == Sh::Sar => self.shift_sar_sat(v, i),
            None => self.shift_zero_sat(v, i, s),
        }
        true
    }

    fn shift_const(&mut self, v: Value, i: &Inst, s: Sh, saturates: bool, n: u32) {
        let w = i.ty == Ty::I64;
        let width = if w { 64 } else { 32 };
        let mut n = if saturates { n } else { n & (width - 1) };
        if n >= width {
            if s != Sh::Sar {
                let d = self.def(v);
                return self.a.mov_imm(d, 0);
            }
            n = width - 1;
        }
        if s == Sh::Ror && self.f.bmi2 {
            let a = self.rm(i.args[0]);
            let d = self.def_reuse(v, i.args[0]);
            return self.a.vex_i8(Opc(0xf2, 3, 0xf0), w, d, 0, a, n as u8);
        }
        let d = self.def_copy(v, i.args[0]);
        if n != 0 {
            self.a.shift_imm(s, w, Rm::R(d), n as u8);
        }
    }

    /// Shift by a register, modulo the width. `amount`: use this register instead of the operand.
    fn shift_var(&mut self, v: Value, i: &Inst, s: Sh, amount: Option<u8>) {
        let w = i.ty == Ty::I64;
        let [a, b, _] = i.args;
        let x = match s {
            Sh::Shl => 0x66,
            Sh::Shr => 0xf2,
            _ => 0xf3,
        };
        if self.f.bmi2 && s != Sh::Ror {
            let n = match amount {
                Some(r) => r,
                None => self.reg(b),
            };
            let ra = self.rm(a);
            let d = self.def_reuse(v, a);
            return self.a.vex(Opc(x, 2, 0xf7), w, d, n, ra);
        }
        if amount != Some(RCX) {
            if self.reg_of(b) != RCX || amount.is_some() {
                self.take_reg(RCX);
                match amount {
                    Some(r) => self.a.mov(false, RCX, Rm::R(r)),
                    None => self.load_into(b, RCX),
                }
            }
            self.pinned |= 1 << RCX;
        }
        // The copy may be the register of the amount only if they are one value.
        self.load_scratch(a);
        self.a.shift_cl(s, w, Rm::R(RAX));
        let d = self.def(v);
        self.a.mov(w, d, Rm::R(RAX));
    }

    /// Zero if the amount is not below the width.
    fn shift_zero_sat(&mut self, v: Value, i: &Inst, s: Sh) {
        let w = i.ty == Ty::I64;
        let width = if w { 64 } else { 32 };
        let rb = self.reg(i.args[1]);
        if !self.f.bmi2 && rb != RCX {
            self.take_reg(RCX);
            self.a.mov(false, RCX, Rm::R(rb));
        }
        let amount = if self.f.bmi2 { rb } else { RCX };
        let ra = self.reg(i.args[0]);
        let t = self.alloc(i.ty);
        if self.f.bmi2 {
            let x = if s == Sh::Shl { 0x66 } else { 0xf2 };
            self.a.vex(Opc(x, 2, 0xf7), w, t, amount, Rm::R(ra));
        } else {
            self.a.mov(w, t, Rm::R(ra));
            self.a.shift_cl(s, w, Rm::R(t));
        }
        // All ones if the amount is below the width.
        self.a.alu_imm(Alu::Cmp, false, Rm::R(amount), width);
        self.a.alu(Alu::Sbb, w, RAX, Rm::R(RAX));
        self.a.alu(Alu::And, w, t, Rm::R(RAX));
        self.flags = NO_FLAGS;
        self.bind(v, t);
    }

    fn shift_sar_sat(&mut self, v: Value, i: &Inst) {
        let width = if i.ty == Ty::I64 { 64 } else { 32 };
        let rb = self.reg(i.args[1]);
        self.a.mov_imm(RAX, width - 1);
        self.a.alu(Alu::Cmp, false, rb, Rm::R(RAX));
        self.a.cmov(x86cc::B, false, RAX, Rm::R(rb));
        self.flags = NO_FLAGS;
        if self.f.bmi2 {
            self.shift_var(v, i, Sh::Sar, Some(RAX));
        } else {
            self.take_reg(RCX);
            self.a.mov(false, RCX, Rm::R(RAX));
            self.shift_var(v, i, Sh::Sar, Some(RCX));
        }
    }
}
