//! Data processing: immediate, register, register-shifted register. [ARMv7 A5.2.1 to A5.2.3]

use tcg_ir::{Op, Ty, Value};

use super::operand::Shifted;
use super::{Out, Translator};
use crate::decode::{Feature, args};

/// What an instruction computes of its operands n and m.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alu {
    And,
    Eor,
    Sub,
    Rsb,
    Add,
    Adc,
    Sbc,
    Rsc,
    Orr,
    Mov,
    Bic,
    Mvn,
    Orn,
}

impl Alu {
    /// N and Z come from the result, C from the shifter.
    const fn is_logical(self) -> bool {
        matches!(
            self,
            Alu::And | Alu::Eor | Alu::Orr | Alu::Mov | Alu::Bic | Alu::Mvn | Alu::Orn
        )
    }
}

/// Handlers of one operation: immediate, shifted register, register-shifted register.
macro_rules! three {
    ($alu:ident, $imm:ident $Imm:ident, $reg:ident $Reg:ident, $rsr:ident $Rsr:ident) => {
        pub(super) fn $imm(&mut self, a: args::$Imm) -> Out {
            let n = self.reg(a.rn);
            let m = self.immediate(a.imm, rotated!($alu, a));
            self.alu(Alu::$alu, a.s, a.rd, n, m)
        }
        pub(super) fn $reg(&mut self, a: args::$Reg) -> Out {
            let n = self.reg(a.rn);
            let m = self.shifted(Alu::$alu, a.s, a.rm, a.shift, a.amount);
            self.alu(Alu::$alu, a.s, a.rd, n, m)
        }
        pub(super) fn $rsr(&mut self, a: args::$Rsr) -> Out {
            let n = self.reg(a.rn);
            let m = self.shifted_by(Alu::$alu, a.s, a.rm, a.shift, a.rs);
            self.alu(Alu::$alu, a.s, a.rd, n, m)
        }
    };
}

/// Whether the immediate gives a carry: arithmetic instructions have no such argument.
macro_rules! rotated {
    (And, $a:ident) => {
        $a.rotated
    };
    (Eor, $a:ident) => {
        $a.rotated
    };
    (Orr, $a:ident) => {
        $a.rotated
    };
    (Bic, $a:ident) => {
        $a.rotated
    };
    ($other:ident, $a:ident) => {
        false
    };
}

/// Handlers of a move: no first operand.
macro_rules! moves {
    ($alu:ident, $imm:ident $Imm:ident, $reg:ident $Reg:ident, $rsr:ident $Rsr:ident) => {
        pub(super) fn $imm(&mut self, a: args::$Imm) -> Out {
            let m = self.immediate(a.imm, a.rotated);
            self.alu(Alu::$alu, a.s, a.rd, m.value, m)
        }
        pub(super) fn $reg(&mut self, a: args::$Reg) -> Out {
            let m = self.shifted(Alu::$alu, a.s, a.rm, a.shift, a.amount);
            self.alu(Alu::$alu, a.s, a.rd, m.value, m)
        }
        pub(super) fn $rsr(&mut self, a: args::$Rsr) -> Out {
            let m = self.shifted_by(Alu::$alu, a.s, a.rm, a.shift, a.rs);
            self.alu(Alu::$alu, a.s, a.rd, m.value, m)
        }
    };
}

/// Handlers of a comparison: flags only.
macro_rules! compares {
    ($alu:ident, $rot:ident, $imm:ident $Imm:ident, $reg:ident $Reg:ident, $rsr:ident $Rsr:ident) => {
        pub(super) fn $imm(&mut self, a: args::$Imm) -> Out {
            let n = self.reg(a.rn);
            let m = self.immediate(a.imm, rotated!($rot, a));
            self.compare(Alu::$alu, n, m)
        }
        pub(super) fn $reg(&mut self, a: args::$Reg) -> Out {
            let n = self.reg(a.rn);
            let m = self.shifted(Alu::$alu, true, a.rm, a.shift, a.amount);
            self.compare(Alu::$alu, n, m)
        }
        pub(super) fn $rsr(&mut self, a: args::$Rsr) -> Out {
            let n = self.reg(a.rn);
            let m = self.shifted_by(Alu::$alu, true, a.rm, a.shift, a.rs);
            self.compare(Alu::$alu, n, m)
        }
    };
}

impl Translator<'_> {
    three!(And, and_imm AndImm, and_reg AndReg, and_rsr AndRsr);
    three!(Eor, eor_imm EorImm, eor_reg EorReg, eor_rsr EorRsr);
    three!(Sub, sub_imm SubImm, sub_reg SubReg, sub_rsr SubRsr);
    three!(Rsb, rsb_imm RsbImm, rsb_reg RsbReg, rsb_rsr RsbRsr);
    three!(Add, add_imm AddImm, add_reg AddReg, add_rsr AddRsr);
    three!(Adc, adc_imm AdcImm, adc_reg AdcReg, adc_rsr AdcRsr);
    three!(Sbc, sbc_imm SbcImm, sbc_reg SbcReg, sbc_rsr SbcRsr);
    three!(Rsc, rsc_imm RscImm, rsc_reg RscReg, rsc_rsr RscRsr);
    three!(Orr, orr_imm OrrImm, orr_reg OrrReg, orr_rsr OrrRsr);
    three!(Bic, bic_imm BicImm, bic_reg BicReg, bic_rsr BicRsr);
    moves!(Mov, mov_imm MovImm, mov_reg MovReg, mov_rsr MovRsr);
    moves!(Mvn, mvn_imm MvnImm, mvn_reg MvnReg, mvn_rsr MvnRsr);
    compares!(And, And, tst_imm TstImm, tst_reg TstReg, tst_rsr TstRsr);
    compares!(Eor, Eor, teq_imm TeqImm, teq_reg TeqReg, teq_rsr TeqRsr);
    compares!(Sub, Sub, cmp_imm CmpImm, cmp_reg CmpReg, cmp_rsr CmpRsr);
    compares!(Add, Add, cmn_imm CmnImm, cmn_reg CmnReg, cmn_rsr CmnRsr);

    pub(super) fn orn_imm(&mut self, a: args::OrnImm) -> Out {
        let n = self.reg(a.rn);
        let m = self.immediate(a.imm, a.rotated);
        self.alu(Alu::Orn, a.s, a.rd, n, m)
    }

    pub(super) fn orn_reg(&mut self, a: args::OrnReg) -> Out {
        let n = self.reg(a.rn);
        let m = self.shifted(Alu::Orn, a.s, a.rm, a.shift, a.amount);
        self.alu(Alu::Orn, a.s, a.rd, n, m)
    }

    pub(super) fn movw(&mut self, a: args::Movw) -> Out {
        let v = self.b.i32(a.imm);
        self.set_reg(a.rd, v);
        Out::Next
    }

    pub(super) fn movt(&mut self, a: args::Movt) -> Out {
        let old = self.reg(a.rd);
        let low = self.b.un(Op::Zext16, Ty::I32, old);
        let v = self.with_const(Op::Or, low, a.imm << 16);
        self.set_reg(a.rd, v);
        Out::Next
    }

    pub(super) fn adr(&mut self, a: args::Adr) -> Out {
        let v = (self.read_pc() & !3).wrapping_add_signed(a.offset);
        let v = self.b.i32(v);
        self.set_reg(a.rd, v);
        Out::Next
    }

    fn immediate(&mut self, imm: u32, rotated: bool) -> Shifted {
        let value = self.b.i32(imm);
        let carry = rotated.then(|| self.b.i32(imm >> 31));
        Shifted { value, carry }
    }

    fn shifted(&mut self, alu: Alu, s: bool, rm: u32, shift: u32, amount: u32) -> Shifted {
        let m = self.reg(rm);
        self.shift_imm(m, shift, amount, s && alu.is_logical())
    }

    fn shifted_by(&mut self, alu: Alu, s: bool, rm: u32, shift: u32, rs: u32) -> Shifted {
        let m = self.reg(rm);
        let by = self.reg(rs);
        self.shift_reg(m, shift, by, s && alu.is_logical())
    }

    fn alu_value(&mut self, alu: Alu, n: Value, m: Value) -> Value {
        let bin = |t: &mut Self, op, x, y| t.b.bin(op, Ty::I32, x, y);
        match alu {
            Alu::And => bin(self, Op::And, n, m),
            Alu::Eor => bin(self, Op::Xor, n, m),
            Alu::Sub => bin(self, Op::Sub, n, m),
            Alu::Rsb => bin(self, Op::Sub, m, n),
            Alu::Add => bin(self, Op::Add, n, m),
            Alu::Orr => bin(self, Op::Or, n, m),
            Alu::Bic => bin(self, Op::AndNot, n, m),
            Alu::Mov => m,
            Alu::Mvn => self.b.un(Op::Not, Ty::I32, m),
            Alu::Orn => {
                let not = self.b.un(Op::Not, Ty::I32, m);
                bin(self, Op::Or, n, not)
            }
            Alu::Adc | Alu::Sbc | Alu::Rsc => {
                let c = self.carry();
                let op = if alu == Alu::Adc { Op::Adc } else { Op::Sbc };
                let (x, y) = if alu == Alu::Rsc { (m, n) } else { (n, m) };
                self.b.tri(op, Ty::I32, x, y, c)
            }
        }
    }

    fn alu_flags(&mut self, alu: Alu, n: Value, m: Shifted, result: Value) {
        let (op, args) = match alu {
            Alu::Sub => (Op::CcSub, [n, m.value, Value::NONE]),
            Alu::Rsb => (Op::CcSub, [m.value, n, Value::NONE]),
            Alu::Add => (Op::CcAdd, [n, m.value, Value::NONE]),
            Alu::Adc => (Op::CcAdc, [n, m.value, self.carry()]),
            Alu::Sbc => (Op::CcSbc, [n, m.value, self.carry()]),
            Alu::Rsc => (Op::CcSbc, [m.value, n, self.carry()]),
            _ => {
                self.set_nz(result);
                if let Some(c) = m.carry {
                    self.set_c(c);
                }
                return;
            }
        };
        let cc = self.cc(op, args);
        self.set_nzcv(cc);
    }

    fn compare(&mut self, alu: Alu, n: Value, m: Shifted) -> Out {
        let result = if alu.is_logical() {
            self.alu_value(alu, n, m.value)
        } else {
            m.value
        };
        self.alu_flags(alu, n, m, result);
        Out::Next
    }

    fn alu(&mut self, alu: Alu, s: bool, rd: u32, n: Value, m: Shifted) -> Out {
        if rd == 15 && s {
            // UNPREDICTABLE: an exception return in user mode; undefined, as it needs an SPSR.
            return self.undefined();
        }
        let result = self.alu_value(alu, n, m.value);
        if s {
            self.alu_flags(alu, n, m, result);
        }
        if rd == 15 {
            return self.alu_write_pc(alu == Alu::Mov, alu == Alu::Add, result);
        }
        self.set_reg(rd, result);
        let pc = u64::from(self.read_pc());
        if rd == 14 && alu == Alu::Mov && self.b.as_const(result) == Some(pc) {
            self.link = Some(pc as u32);
        }
        Out::Next
    }

    /// A result written to R15 by data processing. [ARMv7 A2.3.1, ALUWritePC]
    fn alu_write_pc(&mut self, is_move: bool, is_add: bool, target: Value) -> Out {
        let hint = if is_move && self.is_lr(target) {
            tcg_ir::IndirectHint::Return
        } else if is_add {
            tcg_ir::IndirectHint::Table
        } else {
            tcg_ir::IndirectHint::Jump
        };
        let target = if self.thumb {
            self.with_const(Op::Or, target, 1)
        } else if self.has(Feature::V7) {
            target
        } else {
            self.with_const(Op::AndNot, target, 3)
        };
        self.jump(target, hint)
    }
}
