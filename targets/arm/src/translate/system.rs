//! Exceptions, status registers, hints, barriers, coprocessors: what user mode sees of them.
//! [ARMv7 A5.2.11, A5.2.12, A5.6, B9.3]

use tcg_ir::{Cond, Op, Ty, Value};

use super::{Out, Translator};
use crate::decode::{Feature, args};
use crate::helper;
use crate::state::slot;
use crate::trap;

/// Handlers of what only privileged code may do: undefined in user mode.
macro_rules! privileged {
    ($($name:ident $Name:ident;)*) => {$(
        pub(super) fn $name(&mut self, _: args::$Name) -> Out {
            self.undefined()
        }
    )*};
}

/// Handlers that do nothing.
macro_rules! nothing {
    ($($name:ident)*) => {$(
        pub(super) fn $name(&mut self) -> Out {
            Out::Next
        }
    )*};
}

/// Handlers with arguments that do nothing.
macro_rules! ignored {
    ($($name:ident $Name:ident;)*) => {$(
        pub(super) fn $name(&mut self, _: args::$Name) -> Out {
            Out::Next
        }
    )*};
}

/// Flags and their bits in APSR.
const APSR: [(tcg_ir::Slot, u32); 5] = [
    (slot::N, 31),
    (slot::Z, 30),
    (slot::C, 29),
    (slot::V, 28),
    (slot::Q, 27),
];

/// A coprocessor register: opc1, CRn, CRm, opc2.
type Cp15 = (u32, u32, u32, u32);

impl Translator<'_> {
    privileged! {
        hvc Hvc;
        smc Smc;
        mrs_banked MrsBanked;
        msr_banked MsrBanked;
        cdp Cdp;
        cdp2 Cdp2;
        mcr2 Mcr2;
        mrc2 Mrc2;
        mcrr Mcrr;
        mcrr2 Mcrr2;
        mrrc2 Mrrc2;
        ldc Ldc;
        ldc2 Ldc2;
        stc Stc;
        stc2 Stc2;
    }

    nothing! { nop sev sevl esb csdb }

    ignored! {
        hint Hint;
        dbg Dbg;
        pld_imm PldImm;
        pld_reg PldReg;
        pldw_imm PldwImm;
        pldw_reg PldwReg;
        pli_imm PliImm;
        pli_reg PliReg;
    }

    // CPS and SETPAN do nothing in user mode. [ARMv7 B9.3.2]
    ignored! {
        cps Cps;
        setpan Setpan;
    }

    pub(super) fn eret(&mut self) -> Out {
        self.undefined()
    }

    pub(super) fn udf(&mut self, _: args::Udf) -> Out {
        self.undefined()
    }

    pub(super) fn svc(&mut self, a: args::Svc) -> Out {
        self.trap_behind(trap::SVC, u64::from(a.imm))
    }

    pub(super) fn bkpt(&mut self, a: args::Bkpt) -> Out {
        self.trap_at(trap::BKPT, u64::from(a.imm))
    }

    pub(super) fn hlt(&mut self, a: args::Hlt) -> Out {
        self.trap_at(trap::HLT, u64::from(a.imm))
    }

    // The waiting hints go to the front end, so that spinning threads give up the host CPU.

    pub(super) fn yield_(&mut self) -> Out {
        self.trap_behind(trap::WAIT, 0)
    }

    pub(super) fn wfe(&mut self) -> Out {
        self.trap_behind(trap::WAIT, 0)
    }

    pub(super) fn wfi(&mut self) -> Out {
        self.trap_behind(trap::WAIT, 0)
    }

    // ---- barriers ----

    /// A barrier of type `option`. Those that order only loads (01) or only stores (10) ask nothing of a host
    /// whose memory model forbids all but StoreLoad reordering.
    fn barrier(&mut self, option: u32) -> Out {
        let full = option & 3 == 3 || option & 3 == 0;
        if full && self.parallel {
            self.b.fence();
        }
        Out::Next
    }

    pub(super) fn dmb(&mut self, a: args::Dmb) -> Out {
        self.barrier(a.option)
    }

    pub(super) fn dsb(&mut self, a: args::Dsb) -> Out {
        self.barrier(a.option)
    }

    pub(super) fn isb(&mut self, _: args::Isb) -> Out {
        // Changed code is found by its pages: nothing to flush.
        Out::Next
    }

    pub(super) fn sb(&mut self) -> Out {
        Out::Next
    }

    // ---- status registers ----

    /// Goes on behind the instruction with another data byte order, if `differs` holds.
    fn switch_order(&mut self, differs: Value, big: bool) -> Out {
        let info = self.direct(self.next, self.next_mode.with_big_endian(big));
        self.close_region();
        self.b.exit_if(differs, info, Value::NONE);
        Out::Next
    }

    pub(super) fn setend(&mut self, a: args::Setend) -> Out {
        if a.big == self.big_endian() {
            return Out::Next;
        }
        let info = self.direct(self.next, self.next_mode.with_big_endian(a.big));
        self.leave(info, Value::NONE)
    }

    pub(super) fn mrs(&mut self, a: args::Mrs) -> Out {
        if a.spsr {
            // UNPREDICTABLE: user mode has no SPSR.
            return self.undefined();
        }
        let mut v = self.b.i32(0x10 | u32::from(self.big_endian()) << 9);
        for (slot, bit) in APSR.into_iter().chain([(slot::GE, 16)]) {
            let f = self.b.get(slot);
            let f = self.with_const(Op::Shl, f, bit);
            v = self.b.bin(Op::Or, Ty::I32, f, v);
        }
        self.set_reg(a.rd, v);
        Out::Next
    }

    pub(super) fn msr_imm(&mut self, a: args::MsrImm) -> Out {
        let v = self.b.i32(a.imm);
        self.write_psr(a.spsr, a.mask, v)
    }

    pub(super) fn msr_reg(&mut self, a: args::MsrReg) -> Out {
        let v = self.reg(a.rn);
        self.write_psr(a.spsr, a.mask, v)
    }

    fn write_flags(&mut self, v: Value) {
        self.flags_changed = true;
        for (slot, bit) in APSR {
            let f = self.b.extract(Ty::I32, v, bit, 1);
            self.put(slot, f);
        }
    }

    fn write_psr(&mut self, spsr: bool, mask: u32, v: Value) -> Out {
        if spsr {
            // UNPREDICTABLE: user mode has no SPSR.
            return self.undefined();
        }
        if mask & 8 != 0 {
            self.write_flags(v);
        }
        if mask & 4 != 0 && self.has(Feature::V6) {
            let ge = self.b.extract(Ty::I32, v, 16, 4);
            self.put(slot::GE, ge);
        }
        if mask & 2 == 0 || !self.has(Feature::V6) {
            return Out::Next;
        }
        let now = self.big_endian();
        let big = self.b.extract(Ty::I32, v, 9, 1);
        let old = self.b.i32(u32::from(now));
        let mut differs = self.b.icmp(Cond::Ne, big, old);
        if let super::Pred::Select(p) = self.pred {
            differs = self.b.bin(Op::And, Ty::I32, differs, p);
        }
        self.switch_order(differs, !now)
    }

    // ---- CP15 and CP14 ----

    pub(super) fn mrc(&mut self, a: args::Mrc) -> Out {
        let register: Cp15 = (a.opc1, a.crn, a.crm, a.opc2);
        let slot = match (a.coproc, register) {
            (15, (0, 13, 0, 2)) if self.has(Feature::V6k) => slot::TPIDRURW,
            (15, (0, 13, 0, 3)) if self.has(Feature::V6k) => slot::TPIDRURO,
            // CNTFRQ.
            (15, (0, 14, 0, 0)) if self.has_timer() && a.rt != 15 => {
                let v = self.b.i32(helper::COUNTER_HZ);
                self.set_reg(a.rt, v);
                return Out::Next;
            }
            _ => return self.undefined(),
        };
        let v = self.b.get(slot);
        if a.rt == 15 {
            self.write_flags(v);
        } else {
            self.set_reg(a.rt, v);
        }
        Out::Next
    }

    pub(super) fn mcr(&mut self, a: args::Mcr) -> Out {
        let register: Cp15 = (a.opc1, a.crn, a.crm, a.opc2);
        match (a.coproc, register) {
            (15, (0, 13, 0, 2)) if self.has(Feature::V6k) => {
                let v = self.reg(a.rt);
                self.put(slot::TPIDRURW, v);
                Out::Next
            }
            // The barriers of ARMv6: data memory and data synchronization; prefetch flush.
            (15, (0, 7, 10, 4 | 5)) if self.has(Feature::V6) => self.barrier(15),
            (15, (0, 7, 5, 4)) if self.has(Feature::V6) => Out::Next,
            _ => self.undefined(),
        }
    }

    /// Whether there is a generic timer; Linux lets user mode read it.
    fn has_timer(&self) -> bool {
        self.has(Feature::V8) || self.has(Feature::Virt)
    }

    pub(super) fn mrrc(&mut self, a: args::Mrrc) -> Out {
        // CNTVCT, the virtual counter.
        if (a.coproc, a.opc1, a.crm) != (15, 1, 14) || !self.has_timer() {
            return self.undefined();
        }
        let now = self
            .b
            .call(helper::COUNTER, helper::def(helper::COUNTER), &[]);
        let (low, high) = (
            self.b.un(Op::Trunc, Ty::I32, now),
            self.b.un(Op::Hi32, Ty::I32, now),
        );
        self.set_reg(a.rt, low);
        self.set_reg(a.rt2, high);
        Out::Next
    }
}
