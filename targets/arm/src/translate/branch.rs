//! Branches, calls, returns. [ARMv7 A4.3]

use tcg_ir::{Addr, Cond, ExitInfo, ExitKind, IndirectHint, MemFlags, Op, Ty, Value};

use super::{Out, Pred, Translator};
use crate::decode::{Feature, args};
use crate::state::slot;

/// A forward branch at most this far is followed within the block.
const FOLLOW_BYTES: u32 = 256;

impl Translator<'_> {
    /// Jumps to an address in a value, with the Thumb bit in bit 0.
    pub(super) fn jump(&mut self, target: Value, hint: IndirectHint) -> Out {
        let mode = self.mode.with_it(0);
        if let Some(c) = self.b.as_const(target) {
            let mut info = self.direct(c as u32 & !1, mode);
            info.pc = c & 0xffff_ffff;
            info.check = c as u32 <= self.pc;
            return self.leave(info, Value::NONE);
        }
        let call = self.link == Some(self.next);
        let hint = match hint {
            IndirectHint::Jump | IndirectHint::Table if call => IndirectHint::Call,
            other => other,
        };
        let info = ExitInfo {
            kind: ExitKind::Indirect(hint),
            pc: 0,
            mode: mode.0,
            mode_dynamic: false,
            ret_pc: self.tagged(self.next),
            dead: 0,
            check: hint != IndirectHint::Return,
        };
        self.leave(info, target)
    }

    /// A target that a load brought: its bit 0 selects the instruction set from ARMv5T. [ARMv7 A2.3.1, LoadWritePC]
    pub(super) fn jump_loaded(&mut self, target: Value, hint: IndirectHint) -> Out {
        let target = match (self.has(Feature::V5t), self.thumb) {
            (true, _) => target,
            (false, true) => self.with_const(Op::Or, target, 1),
            (false, false) => self.with_const(Op::AndNot, target, 3),
        };
        self.jump(target, hint)
    }

    /// A direct branch within the instruction set.
    fn branch_to(&mut self, target: u32) -> Out {
        let ahead = target.wrapping_sub(self.next);
        let always = self.pred == Pred::Always && self.region.is_none();
        if always && target >= self.next && ahead <= FOLLOW_BYTES {
            self.next = target;
            return Out::Next;
        }
        let mut info = self.direct(target, self.mode.with_it(0));
        info.check = target <= self.pc;
        self.leave(info, Value::NONE)
    }

    pub(super) fn b(&mut self, a: args::B) -> Out {
        let target = self.read_pc().wrapping_add_signed(a.offset);
        self.branch_to(target)
    }

    pub(super) fn b_cond(&mut self, a: args::BCond) -> Out {
        // UNPREDICTABLE: inside an IT block the branch's own condition decides.
        self.close_region();
        let value = self.condition(a.cond as u8);
        self.branch_if(value, a.offset)
    }

    pub(super) fn cbz(&mut self, a: args::Cbz) -> Out {
        // UNPREDICTABLE: inside an IT block: the register alone decides.
        self.close_region();
        let n = self.reg(a.rn);
        let zero = self.b.i32(0);
        let cond = if a.nonzero { Cond::Ne } else { Cond::Eq };
        let value = self.b.icmp(cond, n, zero);
        self.branch_if(value, a.offset)
    }

    fn branch_if(&mut self, value: Value, offset: i32) -> Out {
        self.pred = Pred::Select(value);
        let target = self.read_pc().wrapping_add_signed(offset);
        self.branch_to(target)
    }

    /// Puts the return address into LR.
    fn set_link(&mut self) {
        let ret = self.tagged(self.next) as u32;
        let ret = self.b.i32(ret);
        self.set_reg(14, ret);
    }

    fn call_to(&mut self, target: u32, thumb: bool) -> Out {
        self.set_link();
        let info = ExitInfo {
            kind: ExitKind::DirectCall,
            pc: u64::from(target) | u64::from(thumb),
            mode: self.mode.with_it(0).0,
            mode_dynamic: false,
            ret_pc: self.tagged(self.next),
            dead: 0,
            check: true,
        };
        self.leave(info, Value::NONE)
    }

    pub(super) fn bl(&mut self, a: args::Bl) -> Out {
        let target = self.read_pc().wrapping_add_signed(a.offset);
        self.call_to(target, self.thumb)
    }

    pub(super) fn blx_imm(&mut self, a: args::BlxImm) -> Out {
        let base = self.read_pc() & !3;
        let target = base.wrapping_add_signed(a.offset);
        self.call_to(target, !self.thumb)
    }

    pub(super) fn bx(&mut self, a: args::Bx) -> Out {
        let target = self.reg(a.rm);
        let hint = if a.rm == 14 {
            IndirectHint::Return
        } else {
            IndirectHint::Jump
        };
        self.jump(target, hint)
    }

    pub(super) fn bxj(&mut self, a: args::Bxj) -> Out {
        // There is no Jazelle here: BXJ is BX, as the architecture demands of a trivial implementation.
        self.bx(args::Bx { rm: a.rm })
    }

    pub(super) fn blx_reg(&mut self, a: args::BlxReg) -> Out {
        let target = self.reg(a.rm);
        self.set_link();
        let info = ExitInfo {
            kind: ExitKind::Indirect(IndirectHint::Call),
            pc: 0,
            mode: self.mode.with_it(0).0,
            mode_dynamic: false,
            ret_pc: self.tagged(self.next),
            dead: 0,
            check: true,
        };
        self.leave(info, target)
    }

    /// TBB and TBH: the table usually follows the instruction.
    pub(super) fn tbb(&mut self, a: args::Tbb) -> Out {
        let base = self.reg(a.rn);
        let index = self.reg(a.rm);
        let size = u8::from(a.half);
        let flags = MemFlags::size(size).big_endian(self.big_endian());
        let entry = self
            .b
            .load(Ty::I32, Addr::base_index(base, index, size), flags);
        let offset = self.with_const(Op::Shl, entry, 1);
        let target = self.with_const(Op::Add, offset, self.read_pc() | 1);
        self.jump(target, IndirectHint::Table)
    }

    pub(super) fn it(&mut self, a: args::It) -> Out {
        self.next_mode = self.mode.with_it((a.firstcond << 4 | a.mask) as u8);
        Out::Next
    }

    /// The current value of LR, to recognise returns.
    pub(super) fn is_lr(&mut self, v: Value) -> bool {
        v == self.b.get(slot::r(14))
    }
}
