//! Jumps and branches. [RISC-V rv32.2.5]

use tcg_ir::{Cond, ExitInfo, ExitKind, IndirectHint, Op, Value};

use super::{Out, Translator};
use crate::decode::{Feature, args};
use crate::trap;

/// The registers that calls put return addresses into. [RISC-V rv32.2.5, table of hints]
const fn is_link(n: u32) -> bool {
    n == 1 || n == 5
}

macro_rules! branches {
    ($($name:ident $Name:ident = $cond:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.branch(Cond::$cond, a.rs1, a.rs2, a.imm)
        }
    )*};
}

impl Translator<'_> {
    branches! {
        beq Beq = Eq;
        bne Bne = Ne;
        blt Blt = Lt;
        bge Bge = Ge;
        bltu Bltu = Lo;
        bgeu Bgeu = Hs;
    }

    fn target(&self, imm: i32) -> u64 {
        self.wrap(self.pc.wrapping_add_signed(i64::from(imm)))
    }

    /// Without compressed instructions, targets are multiples of 4.
    fn is_misaligned(&self, target: u64) -> bool {
        target & 2 != 0 && !self.has(Feature::C)
    }

    fn branch(&mut self, cond: Cond, rs1: u32, rs2: u32, imm: i32) -> Out {
        let target = self.target(imm);
        let (x, y) = (self.x(rs1), self.x(rs2));
        let value = match (cond, self.b.as_const(y)) {
            (Cond::Eq | Cond::Ne, Some(0)) => self.is_zero(x, cond == Cond::Eq),
            _ => self.b.icmp(cond, x, y),
        };
        let mut info = self.direct(target);
        info.check |= target <= self.pc;
        if self.is_misaligned(target) {
            info = self.misaligned(target);
        }
        match self.b.as_const(value) {
            Some(0) => return Out::Next,
            Some(_) => return self.leave(info, Value::NONE),
            None => {}
        }
        if target > self.pc {
            return self.leave_by(value, info);
        }
        self.b.exit_if(value, info, Value::NONE);
        // Behind a loop's end nothing is translated: the way back is the likely one.
        let next = self.direct(self.next);
        self.leave(next, Value::NONE)
    }

    fn misaligned(&self, target: u64) -> ExitInfo {
        let kind = ExitKind::Trap {
            code: trap::MISALIGNED,
            info: target,
        };
        ExitInfo {
            kind,
            ..self.direct(self.pc)
        }
    }

    pub(super) fn jal(&mut self, a: args::Jal) -> Out {
        let target = self.target(a.imm);
        self.jump_to(a.rd, target)
    }

    /// A jump to a known address.
    fn jump_to(&mut self, rd: u32, target: u64) -> Out {
        if self.is_misaligned(target) {
            let info = self.misaligned(target);
            return self.leave(info, Value::NONE);
        }
        let link = self.konst(self.next as i64);
        self.set_x(rd, link);
        let mut info = self.direct(target);
        if is_link(rd) {
            info.kind = ExitKind::DirectCall;
            info.ret_pc = self.next;
            info.check = true;
            return self.leave(info, Value::NONE);
        }
        if self.follow.jump(self.next, target) {
            self.next = target;
            return Out::Next;
        }
        info.check |= target <= self.pc;
        self.leave(info, Value::NONE)
    }

    pub(super) fn jalr(&mut self, a: args::Jalr) -> Out {
        let base = self.x(a.rs1);
        let sum = self.with_const(Op::Add, base, i64::from(a.imm));
        let target = self.with_const(Op::AndNot, sum, 1);
        if let Some(c) = self.b.as_const(target) {
            return self.jump_to(a.rd, c);
        }
        if !self.has(Feature::C) {
            let bit = self.with_const(Op::And, target, 2);
            let wrong = self.is_zero(bit, false);
            let operand = self.as_i64(target);
            let info = self.misaligned(0);
            self.b.exit_if(wrong, info, operand);
        }
        let hint = self.hint(a.rd, a.rs1, base);
        let link = self.konst(self.next as i64);
        self.set_x(a.rd, link);
        let info = ExitInfo {
            kind: ExitKind::Indirect(hint),
            pc: 0,
            mode: self.mode.0,
            mode_dynamic: false,
            ret_pc: self.next,
            dead: 0,
            check: hint != IndirectHint::Return || self.follow.turned(),
        };
        self.leave(info, target)
    }

    /// A jump through a pointer at a fixed address is a stub of the linker and goes to one place; others are tables.
    fn hint(&self, rd: u32, rs1: u32, base: Value) -> IndirectHint {
        if is_link(rd) {
            return IndirectHint::Call;
        }
        if is_link(rs1) && rd == 0 {
            return IndirectHint::Return;
        }
        let def = self.b.block.def(base);
        let fixed = def.op == Op::Load
            && (!def.args[0].is_some() || self.b.as_const(def.args[0]).is_some());
        if fixed {
            IndirectHint::Jump
        } else {
            IndirectHint::Table
        }
    }
}
