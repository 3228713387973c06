//! Addition, subtraction, logic, selection.

use crate::abi::*;
use crate::cc::{FlagKind, NO_FLAGS};
use crate::compiler::Gen;
use crate::enc::{Alu, Mem, Opc, Rm, x86cc};
use tcg_ir::{Inst, Op, Ty, Value};
use tcg_opt::{NONE, flag_use};

/// A right-hand operand.
#[derive(Clone, Copy)]
pub enum Src {
    Imm(i32),
    Rm(Rm),
}

impl Gen<'_> {
    /// Emits an operation of this group; false if it is not one.
    pub fn emit_arith(&mut self, v: Value, i: &Inst) -> bool {
        match i.op {
            Op::Add => self.emit_add(v, i),
            Op::Sub => self.emit_sub(v, i),
            Op::And => self.emit_logic(v, i, Alu::And),
            Op::Or => self.emit_logic(v, i, Alu::Or),
            Op::Xor => self.emit_logic(v, i, Alu::Xor),
            Op::AndNot => self.emit_andnot(v, i),
            Op::Adc => self.emit_carry(v, i, Alu::Adc),
            Op::Sbc => self.emit_carry(v, i, Alu::Sbb),
            Op::Not => self.emit_unary(v, i, 2),
            Op::Neg => self.emit_unary(v, i, 3),
            Op::Sel => self.emit_sel(v, i),
            Op::MinS => self.emit_minmax(v, i, x86cc::G),
            Op::MaxS => self.emit_minmax(v, i, x86cc::L),
            Op::MinU => self.emit_minmax(v, i, x86cc::A),
            Op::MaxU => self.emit_minmax(v, i, x86cc::B),
            _ => return false,
        }
        true
    }

    /// An immediate, register or memory operand.
    pub fn src(&mut self, v: Value) -> Src {
        match self.imm32(v) {
            Some(imm) => Src::Imm(imm),
            None => Src::Rm(self.rm(v)),
        }
    }

    pub fn alu_src(&mut self, op: Alu, w: bool, dst: u8, s: Src) {
        match s {
            Src::Imm(imm) => self.a.alu_imm(op, w, Rm::R(dst), imm),
            Src::Rm(rm) => self.a.alu(op, w, dst, rm),
        }
    }

    /// The result register of `v` holding a copy of `a` (or `a`'s own register if it dies). Flags survive unless `a` is a
    /// test that is not in a register.
    pub fn def_copy(&mut self, v: Value, a: Value) -> u8 {
        if self.reg_of(a) == NOREG {
            if self.dies(a) || self.b.as_const(a).is_some() || self.pinned_home(a).is_some() {
                let r = self.def(v);
                self.load_into(a, r);
                return r;
            }
            self.reg(a);
        }
        let from = self.reg_of(a);
        let r = self.def_reuse(v, a);
        let ty = self.ty(a);
        self.move_reg(ty, r, from);
        r
    }

    /// Whether a condition-code holder wants the flags of this instruction.
    fn mate_wants_flags(&self, v: Value) -> bool {
        let m = self.live.info[v.index()].mate;
        m != NONE && self.live.info[m as usize].eager_to > 0
    }

    fn emit_add(&mut self, v: Value, i: &Inst) {
        let [mut a, mut b, _] = i.args;
        let w = i.ty == Ty::I64;
        let imm = self.imm32(b);
        if imm.is_none() && !self.dies(a) && self.dies(b) && self.reg_of(b) != NOREG {
            (a, b) = (b, a);
        }
        let set_flags = self.mate_wants_flags(v);
        let keep = !set_flags && self.flags_wanted();
        if !set_flags && (keep || !self.dies(a)) {
            // lea keeps the flags and both operands.
            let ra = self.read_reg(a);
            let m = match imm {
                Some(imm) => Mem::base(ra, imm),
                None => {
                    let rb = self.read_reg(b);
                    Mem {
                        index: rb,
                        ..Mem::base(ra, 0)
                    }
                }
            };
            let d = self.def_reuse(v, a);
            return self.a.lea(w, d, m);
        }
        let s = self.src(b);
        let d = self.def_copy(v, a);
        self.alu_src(Alu::Add, w, d, s);
        self.flags_are(FlagKind::Add, i.args);
    }

    fn emit_sub(&mut self, v: Value, i: &Inst) {
        let [a, b, _] = i.args;
        let w = i.ty == Ty::I64;
        if let Some(imm) = self.imm32(b)
            && !self.mate_wants_flags(v)
            && imm != i32::MIN
            && !self.dies(a)
        {
            let ra = self.read_reg(a);
            let d = self.def(v);
            return self.a.lea(w, d, Mem::base(ra, -imm));
        }
        let s = self.src(b);
        let d = self.def_copy(v, a);
        self.alu_src(Alu::Sub, w, d, s);
        self.flags_are(FlagKind::Sub, i.args);
    }

    fn emit_logic(&mut self, v: Value, i: &Inst, op: Alu) {
        let [mut a, mut b, _] = i.args;
        let w = i.ty == Ty::I64;
        if self.imm32(b).is_none() && !self.dies(a) && self.dies(b) && self.reg_of(b) != NOREG {
            (a, b) = (b, a);
        }
        // A test among the operands is evaluated before anything is changed.
        self.settle_test(a);
        self.settle_test(b);
        let s = self.src(b);
        let d = self.def_copy(v, a);
        self.alu_src(op, w, d, s);
        self.flags_are(FlagKind::Logic, [v, Value::NONE, Value::NONE]);
    }

    /// Evaluates a lazy test into a register now.
    pub fn settle_test(&mut self, v: Value) {
        if flag_use(self.b, v).is_some() && self.place_of(v).is_none() {
            self.reg(v);
        }
    }

    fn emit_andnot(&mut self, v: Value, i: &Inst) {
        let [a, b, _] = i.args;
        let w = i.ty == Ty::I64;
        self.settle_test(a);
        self.settle_test(b);
        if let Some(imm) = self.imm32(b) {
            let d = self.def_copy(v, a);
            self.a.alu_imm(Alu::And, w, Rm::R(d), !imm);
        } else if self.f.bmi2 {
            let rb = self.reg(b);
            let ra = self.rm(a);
            let d = self.def_reuse(v, b);
            self.a.vex(Opc(0, 2, 0xf2), w, d, rb, ra);
        } else {
            self.load_scratch(b);
            let d = self.def_copy(v, a);
            self.a.op(Opc(0, 0, 0xf7), w, 2, Rm::R(RAX));
            self.a.alu(Alu::And, w, d, Rm::R(RAX));
        }
        self.flags_are(FlagKind::Logic, [v, Value::NONE, Value::NONE]);
    }

    fn emit_carry(&mut self, v: Value, i: &Inst, op: Alu) {
        let [a, b, c] = i.args;
        let w = i.ty == Ty::I64;
        self.settle_test(a);
        self.settle_test(b);
        let s = self.src(b);
        self.carry_in(c, op == Alu::Sbb);
        let d = self.def_copy(v, a);
        self.alu_src(op, w, d, s);
        let kind = if op == Alu::Adc {
            FlagKind::Adc
        } else {
            FlagKind::Sbc
        };
        self.flags_are(kind, i.args);
    }

    fn emit_unary(&mut self, v: Value, i: &Inst, ext: u8) {
        let d = self.def_copy(v, i.args[0]);
        self.a.op(Opc(0, 0, 0xf7), i.ty == Ty::I64, ext, Rm::R(d));
    }

    fn emit_minmax(&mut self, v: Value, i: &Inst, take_b: u8) {
        let [a, b, _] = i.args;
        let w = i.ty == Ty::I64;
        self.settle_test(a);
        self.settle_test(b);
        let rb = self.reg(b);
        let ra = self.reg(a);
        self.a.alu(Alu::Cmp, w, ra, Rm::R(rb));
        self.flags = NO_FLAGS;
        let d = self.def_copy(v, a);
        self.a.cmov(take_b, w, d, Rm::R(rb));
    }

    fn emit_sel(&mut self, v: Value, i: &Inst) {
        let [c, mut a, mut b] = i.args;
        self.settle_operand(a);
        self.settle_operand(b);
        if i.ty.is_vec_class() {
            return self.emit_sel_vec(v, c, a, b);
        }
        if let (Some(x), Some(y)) = (self.b.as_const(a), self.b.as_const(b))
            && x ^ y == 1
            && x | y == 1
        {
            let cc = self.branch_cond(c) ^ (x == 0) as u8;
            let d = self.def(v);
            self.a.setcc(cc, Rm::R(d));
            return self.a.movzx8(d, Rm::R(d));
        }
        let mut flip = 0;
        if !self.dies(b) && self.dies(a) {
            (a, b) = (b, a);
            flip = 1;
        }
        let w = i.ty == Ty::I64;
        let src = self.rm(a);
        let cc = self.branch_cond(c) ^ flip;
        let d = self.def_copy(v, b);
        self.a.cmov(cc, w, d, src);
    }

    /// Tests among the operands of a selection would destroy the flags of its condition.
    fn settle_operand(&mut self, v: Value) {
        if flag_use(self.b, v).is_some() {
            self.settle_test(v);
        }
    }

    fn emit_sel_vec(&mut self, v: Value, c: Value, a: Value, b: Value) {
        let ra = self.reg(a);
        let cc = self.branch_cond(c);
        let d = self.def_copy(v, b);
        let skip = self.short_jcc(cc ^ 1);
        let ty = self.ty(a);
        self.move_reg(ty, d, ra);
        self.patch_short(skip);
    }

    /// A short forward jump; give the result to `patch_short` at its target.
    pub fn short_jcc(&mut self, cc: u8) -> u32 {
        self.a.byte(0x70 | cc);
        self.a.byte(0);
        self.a.pos()
    }

    /// A short unconditional forward jump.
    pub fn short_jmp(&mut self) -> u32 {
        self.a.byte(0xeb);
        self.a.byte(0);
        self.a.pos()
    }

    pub fn patch_short(&mut self, from: u32) {
        let d = self.a.pos() - from;
        debug_assert!(d < 128);
        self.a.set_byte(from - 1, d as u8);
    }
}
