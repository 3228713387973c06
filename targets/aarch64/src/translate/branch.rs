//! Branches, calls, returns, exceptions. [ARMv8 C4.1.3]

use tcg_ir::{Cond, ExitInfo, ExitKind, IndirectHint, Op, Ty, Value};

use super::{Out, Translator};
use crate::decode::args;
use crate::state::slot;
use crate::trap;

/// The link register.
const LR: u32 = 30;

impl Translator<'_> {
    fn target(&self, offset: i32) -> u64 {
        self.pc.wrapping_add_signed(i64::from(offset) * 4)
    }

    pub(super) fn b(&mut self, a: args::B) -> Out {
        let target = self.target(a.offset);
        if self.follow.jump(self.next, target) {
            self.next = target;
            return Out::Next;
        }
        let mut info = self.direct(target);
        info.check |= target <= self.pc;
        self.b.exit(info, Value::NONE);
        Out::End
    }

    fn branch_if(&mut self, cond: Value, offset: i32) -> Out {
        let target = self.target(offset);
        let mut info = self.direct(target);
        info.check |= target <= self.pc;
        self.b.exit_if(cond, info, Value::NONE);
        Out::Next
    }

    pub(super) fn b_cond(&mut self, a: args::BCond) -> Out {
        let cond = self.condition(a.cond as u8);
        self.branch_if(cond, a.offset)
    }

    pub(super) fn cbz(&mut self, a: args::Cbz) -> Out {
        let x = self.reg(a.sf, a.rt);
        let zero = self.b.iconst(super::operand::ity(a.sf), 0);
        let cond = if a.nonzero { Cond::Ne } else { Cond::Eq };
        let value = self.b.icmp(cond, x, zero);
        self.branch_if(value, a.offset)
    }

    pub(super) fn tbz(&mut self, a: args::Tbz) -> Out {
        let wide = a.bit > 31;
        let ty = super::operand::ity(wide);
        let x = self.reg(wide, a.rt);
        let x = self.with_const(Op::And, ty, x, 1 << a.bit);
        let zero = self.b.iconst(ty, 0);
        let cond = if a.nonzero { Cond::Ne } else { Cond::Eq };
        let value = self.b.icmp(cond, x, zero);
        self.branch_if(value, a.offset)
    }

    fn set_link(&mut self) {
        let ret = self.b.i64(self.next);
        self.b.set(slot::x(LR), ret);
    }

    pub(super) fn bl(&mut self, a: args::Bl) -> Out {
        self.set_link();
        let info = ExitInfo {
            kind: ExitKind::DirectCall,
            ret_pc: self.next,
            check: true,
            ..self.direct(self.target(a.offset))
        };
        self.b.exit(info, Value::NONE);
        Out::End
    }

    /// Jumps to an address in a value.
    fn jump(&mut self, target: Value, hint: IndirectHint) -> Out {
        let info = ExitInfo {
            kind: ExitKind::Indirect(hint),
            ret_pc: self.next,
            check: hint != IndirectHint::Return || self.follow.turned(),
            ..self.direct(0)
        };
        self.b.exit(info, target);
        Out::End
    }

    /// A jump that is no return: through the registers that linkers use for stubs, or any other.
    fn jump_by(&mut self, target: Value, rn: u32) -> Out {
        let hint = match rn {
            16 | 17 => IndirectHint::Jump,
            _ => IndirectHint::Table,
        };
        self.jump(target, hint)
    }

    fn call(&mut self, target: Value) -> Out {
        self.set_link();
        self.jump(target, IndirectHint::Call)
    }

    pub(super) fn br(&mut self, a: args::Br) -> Out {
        let target = self.reg(true, a.rn);
        self.jump_by(target, a.rn)
    }

    pub(super) fn blr(&mut self, a: args::Blr) -> Out {
        let target = self.reg(true, a.rn);
        self.call(target)
    }

    pub(super) fn ret(&mut self, a: args::Ret) -> Out {
        let target = self.reg(true, a.rn);
        self.jump(target, IndirectHint::Return)
    }

    fn authenticated(&mut self, rn: u32, key: bool, zero: bool, rm: u32) -> Value {
        let modifier = if zero {
            self.b.i64(0)
        } else {
            self.reg_sp(true, rm)
        };
        let pointer = self.reg(true, rn);
        self.authenticate(pointer, modifier, u32::from(key))
    }

    pub(super) fn br_aut(&mut self, a: args::BrAut) -> Out {
        let target = self.authenticated(a.rn, a.key, a.zero, a.rm);
        self.jump_by(target, a.rn)
    }

    pub(super) fn blr_aut(&mut self, a: args::BlrAut) -> Out {
        let target = self.authenticated(a.rn, a.key, a.zero, a.rm);
        self.call(target)
    }

    pub(super) fn ret_aut(&mut self, a: args::RetAut) -> Out {
        let target = self.authenticated(LR, a.key, false, 31);
        self.jump(target, IndirectHint::Return)
    }

    // ---- exceptions ----

    pub(super) fn svc(&mut self, a: args::Svc) -> Out {
        self.trap(trap::SVC, u64::from(a.imm), self.next)
    }

    pub(super) fn brk(&mut self, a: args::Brk) -> Out {
        self.trap_at(trap::BRK, u64::from(a.imm))
    }

    /// No hypervisor call from EL0.
    pub(super) fn hvc(&mut self, _: args::Hvc) -> Out {
        self.undefined()
    }

    /// No secure monitor call from EL0.
    pub(super) fn smc(&mut self, _: args::Smc) -> Out {
        self.undefined()
    }

    /// Halting debug is off.
    pub(super) fn hlt(&mut self, _: args::Hlt) -> Out {
        self.undefined()
    }

    /// A change of mode that is only known at run time: goes on behind this instruction.
    pub(super) fn leave_with_new_mode(&mut self, changed: Value) {
        let next = self.b.i64(self.next);
        let info = ExitInfo {
            kind: ExitKind::Indirect(IndirectHint::Jump),
            mode_dynamic: true,
            ..self.direct(self.next)
        };
        self.b.exit_if(changed, info, next);
    }

    /// Ty::I64 constant 0.
    pub(super) fn zero64(&mut self) -> Value {
        self.b.iconst(Ty::I64, 0)
    }
}
