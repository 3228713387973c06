//! Instructions of the supervisor: MSR, special registers, returns from interrupts, TLBs, segment and device control
//! registers. Translations for user mode raise a trap instead. [PowerISA III, E500RM 3, PPC440 9, PEM 8]

use tcg_ir::{Cond, ExitInfo, ExitKind, IndirectHint, Op, Ty, Value};

use super::{Out, Translator};
use crate::decode::args;
use crate::helper;
use crate::state::{Mode, slot};
use crate::system::interrupt::source;
use crate::system::model::family;
use crate::system::op::{Op as SysOp, RETURNS};
use crate::system::spr::{self, How, Rights};
use crate::system::{msr, state::slot as sys};
use crate::trap;

/// Special registers that are slots of user mode.
const IN_USER_STATE: [u32; 4] = [1, 8, 9, 512];

/// Handlers of instructions that a helper carries out.
macro_rules! by_helper {
    ($($name:ident $op:ident;)*) => {$(
        pub(super) fn $name(&mut self) -> Out {
            self.system_op(SysOp::$op)
        }
    )*};
}

/// Handlers of returns from interrupts, by their row in [`RETURNS`].
macro_rules! returns {
    ($($name:ident $which:literal;)*) => {$(
        pub(super) fn $name(&mut self) -> Out {
            self.return_from($which)
        }
    )*};
}

impl Translator<'_> {
    by_helper! {
        tlbre Tlbre;
        tlbsx Tlbsx;
        tlbie Tlbie;
        tlbia Tlbia;
        tlbli Tlbli;
        mtsr Mtsr;
        mtsrin Mtsrin;
        mfsr Mfsr;
        mfsrin Mfsrin;
        mfdcr Mfdcr;
        mtdcr Mtdcr;
        mfdcrx Mfdcrx;
        mtdcrx Mtdcrx;
        mfpmr Mfpmr;
        mtpmr Mtpmr;
        dcread CacheRead;
        icread CacheRead;
    }

    returns! {
        rfi 0;
        rfmci 2;
    }

    /// The 405 has the opcode for its own pair of registers.
    pub(super) fn rfci(&mut self) -> Out {
        let is_405 = self.system.is_some_and(|f| f & family::P405 != 0);
        self.return_from(if is_405 { 3 } else { 1 })
    }

    /// Why an instruction of the supervisor is not for this program.
    pub(super) fn need_supervisor(&mut self) -> Option<Out> {
        if self.system.is_some() && !self.mode.has(Mode::PR) {
            return None;
        }
        Some(self.trap_at(trap::PRIVILEGED, u64::from(self.insn)))
    }

    /// The same, or why the CPU does not have it.
    fn need(&mut self, families: u32) -> Option<Out> {
        match self.system {
            Some(f) if f & families == 0 => Some(self.illegal()),
            _ => self.need_supervisor(),
        }
    }

    /// Before an instruction of a program that is stepped: the one before it is done.
    pub(super) fn step(&mut self) {
        let done = self.b.get(sys::STEPPED);
        self.trap_if(done, trap::STEPPED, 0);
        let one = self.b.i32(1);
        self.b.set(sys::STEPPED, one);
    }

    fn system_op(&mut self, op: SysOp) -> Out {
        // Performance monitor registers with a number that has bit 4 clear are for users, too.
        let user = matches!(op, SysOp::Mfpmr) && self.insn >> 16 & 16 == 0;
        let families = op.families();
        let refusal = match (user, self.system) {
            (true, Some(f)) if f & families != 0 => None,
            _ => self.need(families),
        };
        if let Some(out) = refusal {
            return out;
        }
        let number = self.b.i32(op as u32);
        let insn = self.b.i32(self.insn);
        self.call(helper::SYSTEM_OP, &[number, insn]);
        if op.ends_block() {
            return self.leave_dynamic();
        }
        Out::Next
    }

    pub(super) fn tlbsync(&mut self) -> Out {
        self.need_supervisor().unwrap_or(Out::Next)
    }

    /// Caches hold nothing that memory does not.
    pub(super) fn iccci(&mut self) -> Out {
        self.need(family::P4XX).unwrap_or(Out::Next)
    }

    pub(super) fn dccci(&mut self) -> Out {
        self.need(family::P4XX).unwrap_or(Out::Next)
    }

    pub(super) fn tlbivax(&mut self, a: args::Tlbivax) -> Out {
        if let Some(out) = self.need(family::E500) {
            return out;
        }
        let addr = self.ea_index(a.ra, a.rb);
        let ea = self.ea_value(addr);
        let kind = ExitKind::Trap {
            code: trap::TLBIVAX,
            info: 0,
        };
        let behind = self.direct(self.next);
        self.leave(ExitInfo { kind, ..behind }, ea)
    }

    /// The 603 has the opcode for its data TLB.
    pub(super) fn tlbwe(&mut self) -> Out {
        let is_603 = self.system.is_some_and(|f| f & family::P603 != 0);
        self.system_op(if is_603 { SysOp::Tlbld } else { SysOp::Tlbwe })
    }

    // ---- MSR ----

    pub(super) fn mfmsr(&mut self, a: args::Mfmsr) -> Out {
        if let Some(out) = self.need_supervisor() {
            return out;
        }
        let v = self.b.get(sys::MSR);
        self.put(a.rt, v, false)
    }

    pub(super) fn mtmsr(&mut self, a: args::Mtmsr) -> Out {
        if let Some(out) = self.need_supervisor() {
            return out;
        }
        let v = self.gpr32(a.rs);
        self.call(helper::SET_MSR, &[v]);
        self.leave_dynamic()
    }

    /// Sets MSR.EE to bit 15 of a value. An interrupt that waits is taken behind the instruction.
    fn set_enable(&mut self, v: Value) -> Out {
        let old = self.b.get(sys::MSR);
        let keep = self.bin_const(Op::And, old, u64::from(!msr::EE));
        let bit = self.bin_const(Op::And, v, u64::from(msr::EE));
        let new = self.b.bin(Op::Or, Ty::I32, keep, bit);
        self.b.set(sys::MSR, new);
        if self.b.as_const(bit) == Some(0) {
            return Out::Next;
        }
        let pending = self.b.get(sys::PENDING);
        let pending = self.bin_const(Op::And, pending, u64::from(source::BY_EE));
        let zero = self.b.i32(0);
        let waits = self.b.icmp(Cond::Ne, pending, zero);
        let on = self.b.icmp(Cond::Ne, bit, zero);
        let both = self.b.bin(Op::And, Ty::I32, waits, on);
        let (info, target) = self.dynamic();
        self.leave_if(both, info, target);
        Out::Next
    }

    pub(super) fn wrtee(&mut self, a: args::Wrtee) -> Out {
        if let Some(out) = self.need(family::BOOKE | family::P405) {
            return out;
        }
        let v = self.gpr32(a.rs);
        self.set_enable(v)
    }

    pub(super) fn wrteei(&mut self, a: args::Wrteei) -> Out {
        if let Some(out) = self.need(family::BOOKE | family::P405) {
            return out;
        }
        let v = self.b.i32(u32::from(a.on) * msr::EE);
        self.set_enable(v)
    }

    fn return_from(&mut self, which: u32) -> Out {
        let families = RETURNS.get(which as usize).map_or(0, |r| r.2);
        if let Some(out) = self.need(families) {
            return out;
        }
        let number = self.b.i32(which);
        let to = self.call(helper::RETURN, &[number]);
        let to = self.low32(to);
        let info = ExitInfo {
            kind: ExitKind::Indirect(IndirectHint::Jump),
            mode_dynamic: true,
            check: true,
            ..self.direct(0)
        };
        let to = self.widen_z(to);
        self.leave(info, to)
    }

    // ---- special registers ----

    /// What is wrong with an access, if something is. [PowerISA III.5.4.1]
    fn spr_refusal(&mut self, n: u32, found: Option<&spr::Spr>, write: bool) -> Option<Out> {
        if n & 0x10 != 0
            && let Some(out) = self.need_supervisor()
        {
            return Some(out);
        }
        let missing = match write {
            true => Rights::Read,
            false => Rights::Write,
        };
        match found {
            // A write of what can only be read does nothing, and the helper says so.
            Some(s) if write || s.rights != missing => None,
            _ => {
                let info = u64::from(n) | u64::from(write) << 16;
                Some(self.trap_at(trap::BAD_SPR, info))
            }
        }
    }

    /// Whether system mode has something to say of a register, and what the table says.
    fn spr_row(&self, n: u32) -> Option<Option<&'static spr::Spr>> {
        let families = self.system?;
        // VRSAVE shares its number with USPRG0.
        let in_user = IN_USER_STATE.contains(&n) || n == 256 && families & family::G4 != 0;
        (!in_user).then(|| spr::find(n, families))
    }

    pub(super) fn system_mfspr(&mut self, rt: u32, n: u32) -> Option<Out> {
        let row = self.spr_row(n)?;
        if let Some(out) = self.spr_refusal(n, row, false) {
            return Some(out);
        }
        let v = match row?.how {
            How::Keep | How::Mask(_) | How::Clear | How::SelfClear(_) => self.b.get(sys::spr(n)),
            How::Alias(other) => self.b.get(sys::spr(u32::from(other))),
            How::Special(spr::Func::Pvr) => self.b.get(slot::low(slot::PVR, Ty::I32)),
            How::Special(_) => {
                let number = self.b.i32(n);
                let v = self.call(helper::SPR_READ, &[number]);
                self.low32(v)
            }
        };
        Some(self.put(rt, v, false))
    }

    pub(super) fn system_mtspr(&mut self, rs: u32, n: u32) -> Option<Out> {
        let row = self.spr_row(n)?;
        if let Some(out) = self.spr_refusal(n, row, true) {
            return Some(out);
        }
        let row = row?;
        let v = self.gpr32(rs);
        let plain = match row.how {
            _ if row.rights == Rights::Read => None,
            How::Keep => Some(u32::MAX),
            How::Mask(mask) => Some(mask),
            How::SelfClear(bits) => Some(!bits),
            _ => None,
        };
        if let Some(mask) = plain {
            let v = match mask {
                u32::MAX => v,
                mask => self.bin_const(Op::And, v, u64::from(mask)),
            };
            self.b.set(sys::spr(n), v);
            return Some(Out::Next);
        }
        let number = self.b.i32(n);
        self.call(helper::SPR_WRITE, &[number, v]);
        // Timers and debug modes may end in an interrupt or another block mode at once.
        Some(match row.how {
            How::Special(
                spr::Func::Tcr
                | spr::Func::Tsr
                | spr::Func::Dec
                | spr::Func::Pit
                | spr::Func::Dbcr0,
            ) => self.leave_dynamic(),
            _ => Out::Next,
        })
    }
}
