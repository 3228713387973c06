//! Ways out of a block. Before each, what FPSCR does not know of yet is stored.

use tcg_ir::{ExitInfo, ExitKind, IndirectHint, RegionKind, Value};

use super::{NONE, Out, Translator};
use crate::trap;

impl Translator<'_> {
    /// Leaves the block.
    pub(super) fn leave(&mut self, info: ExitInfo, operand: Value) -> Out {
        self.flush_fp();
        self.b.exit(info, operand);
        Out::End
    }

    /// Leaves the block if `cond` is not 0.
    pub(super) fn leave_if(&mut self, cond: Value, info: ExitInfo, operand: Value) {
        match self.b.as_const(cond) {
            Some(0) => return,
            _ => self.b.begin_if(cond, RegionKind::Leaves),
        }
        self.flush_fp();
        self.b.exit(info, operand);
        self.b.end_if();
    }

    /// Raises a trap at the instruction itself.
    pub(super) fn trap_at(&mut self, code: u32, info: u64) -> Out {
        let kind = ExitKind::Trap { code, info };
        let here = self.direct(self.pc);
        self.leave(ExitInfo { kind, ..here }, NONE)
    }

    /// Raises a trap at the instruction if `cond` is not 0.
    pub(super) fn trap_if(&mut self, cond: Value, code: u32, info: u64) {
        let kind = ExitKind::Trap { code, info };
        let here = self.direct(self.pc);
        self.leave_if(cond, ExitInfo { kind, ..here }, NONE);
    }

    /// Raises a trap whose program counter is behind the instruction.
    pub(super) fn trap_behind(&mut self, code: u32, info: u64) -> Out {
        let kind = ExitKind::Trap { code, info };
        let behind = self.direct(self.next);
        self.leave(ExitInfo { kind, ..behind }, NONE)
    }

    /// The instruction does not exist.
    pub(super) fn illegal(&mut self) -> Out {
        self.trap_at(trap::ILLEGAL, u64::from(self.insn))
    }

    /// The instruction exists but is not implemented; `_what` names it for the reader of the code.
    pub(super) fn unimplemented(&mut self, _what: &'static str) -> Out {
        self.trap_at(trap::UNIMPLEMENTED, u64::from(self.insn))
    }

    /// The way to the next instruction in a mode that has to be asked from the state: an indirect jump, because only those
    /// ask.
    pub(super) fn dynamic(&mut self) -> (ExitInfo, Value) {
        let target = self.konst(self.next as i64);
        let info = ExitInfo {
            kind: ExitKind::Indirect(IndirectHint::Jump),
            mode_dynamic: true,
            ..self.direct(0)
        };
        (info, target)
    }

    /// Goes on behind the instruction with a mode that has to be asked from the state.
    pub(super) fn leave_dynamic(&mut self) -> Out {
        let (info, target) = self.dynamic();
        self.leave(info, target)
    }
}
