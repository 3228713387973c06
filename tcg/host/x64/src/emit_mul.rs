//! Multiplication and division.

use crate::abi::*;
use crate::cc::NO_FLAGS;
use crate::compiler::Gen;
use crate::enc::{Alu, Opc, Rm, Sh, x86cc};
use tcg_ir::{Inst, Op, Ty, Value};
use tcg_opt::NONE;

impl Gen<'_> {
    /// Emits an operation of this group; false if it is not one.
    pub fn emit_mul(&mut self, v: Value, i: &Inst) -> bool {
        let w = i.ty == Ty::I64;
        self.settle_mul(i);
        match i.op {
            Op::Mul => self.emit_mul_low(v, i, w),
            Op::MulWideU | Op::MulWideS => self.mul_wide(v, i, i.op == Op::MulWideS),
            Op::MulHiU | Op::MulHiS if !w => {
                let d = self.mul_wide(v, i, i.op == Op::MulHiS);
                self.a.shift_imm(Sh::Shr, true, Rm::R(d), 32);
                d
            }
            Op::MulHiU => self.mul_high(v, i, 4),
            Op::MulHiS => self.mul_high(v, i, 5),
            Op::DivU => self.emit_div(v, i, false),
            Op::DivS => self.emit_div(v, i, true),
            _ => return false,
        };
        self.flags = NO_FLAGS;
        true
    }

    fn settle_mul(&mut self, i: &Inst) {
        if matches!(
            i.op,
            Op::Mul | Op::MulWideU | Op::MulWideS | Op::MulHiU | Op::MulHiS | Op::DivU | Op::DivS
        ) {
            self.settle_test(i.args[0]);
            self.settle_test(i.args[1]);
        }
    }

    fn emit_mul_low(&mut self, v: Value, i: &Inst, w: bool) -> u8 {
        let [a, b, _] = i.args;
        if let Some(imm) = self.imm32(b) {
            let rm = self.rm(a);
            let d = self.def_reuse(v, a);
            self.a.op_i32(Opc(0, 0, 0x69), w, d, rm, imm);
            return d;
        }
        let rb = self.rm(b);
        let d = self.def_copy(v, a);
        self.a.op(Opc(0, 1, 0xaf), w, d, rb);
        d
    }

    /// The 64-bit product of two 32-bit operands.
    fn mul_wide(&mut self, v: Value, i: &Inst, signed: bool) -> u8 {
        let [a, b, _] = i.args;
        if !signed {
            let rb = self.reg(b);
            let d = self.def_copy(v, a);
            self.a.op(Opc(0, 1, 0xaf), true, d, Rm::R(rb));
            return d;
        }
        let rb = self.rm(b);
        self.a.op(Opc(0, 0, 0x63), true, RAX, rb);
        let ra = self.rm(a);
        let d = self.def_reuse(v, a);
        self.a.op(Opc(0, 0, 0x63), true, d, ra);
        self.a.op(Opc(0, 1, 0xaf), true, d, Rm::R(RAX));
        d
    }

    /// Binds the result, which is in `from`, a register that was taken.
    fn bind_fixed(&mut self, v: Value, w: bool, from: u8) -> u8 {
        if self.usable >> from & 1 != 0 && self.regs[from as usize] == NONE {
            self.bind(v, from);
            return from;
        }
        let d = self.def(v);
        self.a.mov(w, d, Rm::R(from));
        d
    }

    fn mul_high(&mut self, v: Value, i: &Inst, ext: u8) -> u8 {
        let [a, b, _] = i.args;
        self.take_reg(RDX);
        let rb = self.reg(b);
        self.load_scratch(a);
        self.a.op(Opc(0, 0, 0xf7), true, ext, Rm::R(rb));
        self.bind_fixed(v, true, RDX)
    }

    fn emit_div(&mut self, v: Value, i: &Inst, signed: bool) -> u8 {
        let [a, b, _] = i.args;
        let w = i.ty == Ty::I64;
        self.take_reg(RDX);
        let rb = self.reg(b);
        let ra = self.reg(a);
        self.a.alu(Alu::Xor, false, RAX, Rm::R(RAX));
        self.a.test(w, rb, Rm::R(rb));
        let zero = self.short_jcc(x86cc::E);
        self.a.mov(w, RAX, Rm::R(ra));
        if signed {
            self.a.alu_imm(Alu::Cmp, w, Rm::R(rb), -1);
            let divide = self.short_jcc(x86cc::NE);
            self.a.op(Opc(0, 0, 0xf7), w, 3, Rm::R(RAX));
            let done = self.short_jmp();
            self.patch_short(divide);
            if w {
                self.a.byte(0x48);
            }
            self.a.byte(0x99);
            self.a.op(Opc(0, 0, 0xf7), w, 7, Rm::R(rb));
            self.patch_short(done);
        } else {
            self.a.alu(Alu::Xor, false, RDX, Rm::R(RDX));
            self.a.op(Opc(0, 0, 0xf7), w, 6, Rm::R(rb));
        }
        self.patch_short(zero);
        let d = self.def(v);
        self.a.mov(w, d, Rm::R(RAX));
        d
    }
}
