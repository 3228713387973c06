//! Branches, calls, returns, system calls. [PowerISA I.2.4, I.2.6]

use tcg_ir::{Cond, ExitInfo, ExitKind, IndirectHint, Op, Ty, Value};

use super::{NONE, Out, Translator};
use crate::decode::args;
use crate::state::slot;
use crate::trap;

/// Bits of the BO field.
const BO_ALWAYS: u32 = 16;
const BO_TRUE: u32 = 8;
const BO_KEEP_CTR: u32 = 4;
const BO_CTR_ZERO: u32 = 2;

impl Translator<'_> {
    /// Puts the return address into LR.
    fn set_link(&mut self) {
        let next = self.konst(self.next as i64);
        self.b.set(slot::low(slot::LR, self.w), next);
    }

    /// Decrements CTR if BO says so and gives the branch's condition; NONE: always.
    fn branch_condition(&mut self, bo: u32, bi: u32) -> Value {
        let mut cond = NONE;
        if bo & BO_KEEP_CTR == 0 {
            let place = slot::low(slot::CTR, self.w);
            let ctr = self.b.get(place);
            let ctr = self.bin_const(Op::Sub, ctr, 1);
            self.b.set(place, ctr);
            let ctr = if self.sf() { ctr } else { self.low32(ctr) };
            let ty = self.b.block.ty(ctr);
            let zero = self.b.iconst(ty, 0);
            let want = if bo & BO_CTR_ZERO != 0 {
                Cond::Eq
            } else {
                Cond::Ne
            };
            cond = self.b.icmp(want, ctr, zero);
        }
        if bo & BO_ALWAYS == 0 {
            let mut bit = self.cr_bit(bi);
            if bo & BO_TRUE == 0 {
                let zero = self.b.i32(0);
                bit = self.b.icmp(Cond::Eq, bit, zero);
            }
            cond = if cond.is_some() {
                self.b.bin(Op::And, Ty::I32, cond, bit)
            } else {
                bit
            };
        }
        cond
    }

    /// Leaves if `cond` holds (NONE: always).
    fn go(&mut self, cond: Value, info: ExitInfo, operand: Value) -> Out {
        if cond.is_some() {
            self.leave_if(cond, info, operand);
            Out::Next
        } else {
            self.leave(info, operand)
        }
    }

    /// A branch to a known address.
    fn branch_to(&mut self, target: u64, link: bool, cond: Value) -> Out {
        let target = self.wrap(target);
        // `bcl 20,31,$+4` reads the program counter: no call.
        let reads_pc = link && target == self.next;
        if link {
            self.set_link();
        }
        let plain = !cond.is_some() && (!link || reads_pc);
        if plain && self.follow.jump(self.next, target) {
            self.next = target;
            return Out::Next;
        }
        let mut info = self.direct(target);
        info.check |= target <= self.pc;
        if link && !reads_pc {
            info.kind = ExitKind::DirectCall;
            info.ret_pc = self.next;
            info.check = true;
        }
        self.go(cond, info, NONE)
    }

    pub(super) fn b(&mut self, a: args::B) -> Out {
        let base = if a.aa { 0 } else { self.pc };
        let target = base.wrapping_add(a.offset as i64 as u64);
        self.branch_to(target, a.lk, NONE)
    }

    pub(super) fn bc(&mut self, a: args::Bc) -> Out {
        let base = if a.aa { 0 } else { self.pc };
        let target = base.wrapping_add(a.offset as i64 as u64);
        let cond = self.branch_condition(a.bo, a.bi);
        self.branch_to(target, a.lk, cond)
    }

    /// A branch to a register; its low two bits are ignored.
    fn branch_register(
        &mut self,
        target: Value,
        link: bool,
        cond: Value,
        hint: IndirectHint,
    ) -> Out {
        let target = self.wrap_address(target);
        let target = self.bin_const(Op::And, target, !3);
        if link {
            self.set_link();
        }
        let hint = if link { IndirectHint::Call } else { hint };
        let info = ExitInfo {
            kind: ExitKind::Indirect(hint),
            ret_pc: self.next,
            check: hint != IndirectHint::Return || self.follow.turned(),
            ..self.direct(0)
        };
        self.go(cond, info, target)
    }

    pub(super) fn bclr(&mut self, a: args::Bclr) -> Out {
        let target = self.b.get(slot::low(slot::LR, self.w));
        let cond = self.branch_condition(a.bo, a.bi);
        // BH 1: not a return.
        let hint = if a.bh == 1 {
            IndirectHint::Jump
        } else {
            IndirectHint::Return
        };
        self.branch_register(target, a.lk, cond, hint)
    }

    pub(super) fn bcctr(&mut self, a: args::Bcctr) -> Out {
        let target = self.b.get(slot::low(slot::CTR, self.w));
        // UNPREDICTABLE: a form that decrements CTR is invalid; the count is used as it was.
        let cond = self.branch_condition(a.bo, a.bi);
        // Linkage stubs load the address into r12 (r11 in 32 bits).
        let hint = match self.ctr_from {
            Some(11 | 12) => IndirectHint::Jump,
            _ => IndirectHint::Table,
        };
        self.branch_register(target, a.lk, cond, hint)
    }

    pub(super) fn bctar(&mut self, a: args::Bctar) -> Out {
        let target = self.b.get(slot::low(slot::TAR, self.w));
        let cond = self.branch_condition(a.bo, a.bi);
        self.branch_register(target, a.lk, cond, IndirectHint::Jump)
    }

    pub(super) fn sc(&mut self, a: args::Sc) -> Out {
        // User mode ignores all levels but that of the hypervisor, which it may not call.
        self.trap_behind(trap::SC, u64::from(a.imm))
    }

    pub(super) fn scv(&mut self, a: args::Scv) -> Out {
        if a.imm != 0 {
            return self.illegal();
        }
        self.trap_behind(trap::SCV, 0)
    }

    pub(super) fn rfscv(&mut self) -> Out {
        self.trap_at(trap::PRIVILEGED, u64::from(self.insn))
    }

    /// An instruction for the supervisor that no CPU with a system level here has.
    pub(super) fn privileged(&mut self) -> Out {
        if self.system.is_some() {
            return self.illegal();
        }
        self.trap_at(trap::PRIVILEGED, u64::from(self.insn))
    }
}
