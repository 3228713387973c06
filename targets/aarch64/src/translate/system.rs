//! System instructions: hints, barriers, cache maintenance, system registers. [ARMv8 C5, D17]

use tcg_ir::{Addr, Cond, MemFlags, Op, Ty, Value};

use super::{Out, Translator};
use crate::decode::{Feature, args};
use crate::helper;
use crate::state::{FPCR_BITS, slot};
use crate::sysreg;
use crate::trap;

const NONE: Value = Value::NONE;

impl Translator<'_> {
    /// Hints do nothing, but for those that give the processor away. BTI is one of them: there are no guarded pages.
    pub(super) fn hint(&mut self, a: args::Hint) -> Out {
        match a.crm << 3 | a.op {
            1..=3 => self.trap(trap::WAIT, 0, self.next),
            _ => Out::Next,
        }
    }

    pub(super) fn clrex(&mut self, _: args::Clrex) -> Out {
        self.clear_monitor();
        Out::Next
    }

    /// Barriers for loads alone (bit 1 clear of the option's access type) order nothing that the host reorders.
    fn barrier(&mut self, option: u32) -> Out {
        if self.parallel && option & 3 == 3 {
            self.b.fence();
        }
        Out::Next
    }

    pub(super) fn dsb(&mut self, a: args::Dsb) -> Out {
        self.barrier(a.imm | if a.imm & 12 == 0 { 3 } else { 0 })
    }

    pub(super) fn dmb(&mut self, a: args::Dmb) -> Out {
        self.barrier(a.imm)
    }

    /// Ends the block: code that was changed before is seen behind.
    pub(super) fn isb(&mut self, _: args::Isb) -> Out {
        let info = self.direct(self.next);
        self.b.exit(info, NONE);
        Out::End
    }

    pub(super) fn sb(&mut self) -> Out {
        Out::Next
    }

    pub(super) fn cfinv(&mut self) -> Out {
        let c = self.b.get(slot::C);
        let c = self.with_const(Op::Xor, Ty::I32, c, 1);
        self.b.set(slot::C, c);
        Out::Next
    }

    /// From Arm's encoding of comparisons to an alternative one. [ARMv8 C6.2.24]
    pub(super) fn axflag(&mut self) -> Out {
        let (z, c, v) = (self.slot(slot::Z), self.slot(slot::C), self.slot(slot::V));
        let zero = self.b.i32(0);
        let z = self.b.bin(Op::Or, Ty::I32, z, v);
        let c = self.b.bin(Op::AndNot, Ty::I32, c, v);
        for (slot, value) in [(slot::N, zero), (slot::Z, z), (slot::C, c), (slot::V, zero)] {
            self.b.set(slot, value);
        }
        Out::Next
    }

    /// The way back. [ARMv8 C6.2.344]
    pub(super) fn xaflag(&mut self) -> Out {
        let (z, c) = (self.slot(slot::Z), self.slot(slot::C));
        let one = self.b.i32(1);
        let not_c = self.b.bin(Op::Xor, Ty::I32, c, one);
        let n = self.b.bin(Op::AndNot, Ty::I32, not_c, z);
        let both = self.b.bin(Op::And, Ty::I32, z, c);
        let carry = self.b.bin(Op::Or, Ty::I32, c, z);
        let v = self.b.bin(Op::And, Ty::I32, not_c, z);
        for (slot, value) in [
            (slot::N, n),
            (slot::Z, both),
            (slot::C, carry),
            (slot::V, v),
        ] {
            self.b.set(slot, value);
        }
        Out::Next
    }

    pub(super) fn msr_dit(&mut self, a: args::MsrDit) -> Out {
        let v = self.b.i32(a.imm & 1);
        self.b.set(slot::DIT, v);
        Out::Next
    }

    pub(super) fn msr_ssbs(&mut self, a: args::MsrSsbs) -> Out {
        let v = self.b.i32(a.imm & 1);
        self.b.set(slot::SSBS, v);
        Out::Next
    }

    /// Cache maintenance that Linux allows at EL0. [ARMv8 C5.3]
    pub(super) fn sys(&mut self, a: args::Sys) -> Out {
        match (a.op1, a.crn, a.crm, a.op2) {
            (3, 7, 4, 1) => self.zero_block(a.rt),
            // IC IVAU: stale code is found by its page; the block ends as at ISB.
            (3, 7, 5, 1) => Out::Next,
            // DC CVAC, CVAU, CIVAC, CVAP, CVADP: a fault if the address cannot be read.
            (3, 7, 10 | 11 | 14, 1) => self.touch(a.rt),
            (3, 7, 12, 1) if self.features.has(Feature::Dpb) => self.touch(a.rt),
            (3, 7, 13, 1) if self.features.has(Feature::Dpb2) => self.touch(a.rt),
            _ => self.undefined(),
        }
    }

    pub(super) fn sysl(&mut self, _: args::Sysl) -> Out {
        self.undefined()
    }

    fn touch(&mut self, rt: u32) -> Out {
        let base = self.reg(true, rt);
        let base = self.address(base);
        let _ = self
            .b
            .load(Ty::I32, Addr::base_disp(base, 0), MemFlags::size(0));
        Out::Next
    }

    /// DC ZVA.
    fn zero_block(&mut self, rt: u32) -> Out {
        let bytes = 4u64 << sysreg::ZVA_LOG2_WORDS;
        let base = self.reg(true, rt);
        let base = self.address(base);
        let base = self.with_const(Op::And, Ty::I64, base, !(bytes - 1));
        let zero = self.b.vconst(Ty::V128, 0);
        for k in 0..bytes / 16 {
            self.b.store(
                Addr::base_disp(base, 16 * k as i32),
                zero,
                MemFlags::size(4),
            );
        }
        Out::Next
    }

    // ---- registers ----

    /// N, Z, C, V at bits 31 to 28.
    fn read_nzcv(&mut self) -> Value {
        let flags = [(slot::N, 31), (slot::Z, 30), (slot::C, 29), (slot::V, 28)];
        let mut r = self.b.i32(0);
        for (slot, bit) in flags {
            let flag = self.b.get(slot);
            let flag = self.shifted(Ty::I32, flag, 0, bit);
            r = self.b.bin(Op::Or, Ty::I32, r, flag);
        }
        r
    }

    /// The sticky flags' layout in IR has the first five at Arm's places and input-denormal at bit 5 (Arm: 7).
    fn read_fpsr(&mut self) -> Value {
        let qc = self.b.get(slot::QC);
        let lo = self.b.vun(Op::VGet, Ty::I64, 3, qc, 0);
        let hi = self.b.vun(Op::VGet, Ty::I64, 3, qc, 1);
        let any = self.b.bin(Op::Or, Ty::I64, lo, hi);
        let zero = self.b.i64(0);
        let qc = self.b.icmp(Cond::Ne, any, zero);
        let qc = self.shifted(Ty::I32, qc, 0, 27);
        let sticky = self.b.op(Op::FpFlagsGet, Ty::I32, 0, 0, [NONE; 3], 0);
        let low = self.b.extract(Ty::I32, sticky, 0, 5);
        let r = self.b.bin(Op::Or, Ty::I32, qc, low);
        let idc = self.b.extract(Ty::I32, sticky, 5, 1);
        let idc = self.shifted(Ty::I32, idc, 0, 7);
        self.b.bin(Op::Or, Ty::I32, r, idc)
    }

    pub(super) fn mrs(&mut self, a: args::Mrs) -> Out {
        let v = match a.reg {
            sysreg::NZCV => self.read_nzcv(),
            sysreg::FPCR => self.b.get(slot::FPCR),
            sysreg::FPSR => self.read_fpsr(),
            sysreg::TPIDR_EL0 => self.b.get(slot::TPIDR),
            sysreg::TPIDRRO_EL0 => self.b.get(slot::TPIDRRO),
            sysreg::CTR_EL0 => self.b.i64(u64::from(self.model.ctr)),
            sysreg::DCZID_EL0 => self.b.i64(u64::from(sysreg::ZVA_LOG2_WORDS)),
            sysreg::CNTFRQ_EL0 => self.b.i64(sysreg::COUNTER_HZ),
            sysreg::CNTVCT_EL0 | sysreg::CNTPCT_EL0 => {
                let id = helper::COUNTER;
                self.b.call(id, helper::def(id), &[])
            }
            sysreg::DIT if self.features.has(Feature::Dit) => {
                let v = self.b.get(slot::DIT);
                self.shifted(Ty::I32, v, 0, 24)
            }
            sysreg::SSBS if self.features.has(Feature::Ssbs) => {
                let v = self.b.get(slot::SSBS);
                self.shifted(Ty::I32, v, 0, 12)
            }
            other => match sysreg::identification(self.model, other) {
                Some(v) => self.b.i64(v),
                None => return self.undefined(),
            },
        };
        self.set_reg(a.rt, v);
        Out::Next
    }

    pub(super) fn msr(&mut self, a: args::Msr) -> Out {
        let x = self.reg(true, a.rt);
        let w = self.b.un(Op::Trunc, Ty::I32, x);
        match a.reg {
            sysreg::NZCV => {
                for (slot, bit) in [(slot::N, 31), (slot::Z, 30), (slot::C, 29), (slot::V, 28)] {
                    let flag = self.b.extract(Ty::I32, w, bit, 1);
                    self.b.set(slot, flag);
                }
            }
            sysreg::FPCR => self.write_fpcr(w),
            sysreg::FPSR => self.write_fpsr(w),
            sysreg::TPIDR_EL0 => self.b.set(slot::TPIDR, x),
            sysreg::DIT if self.features.has(Feature::Dit) => {
                let v = self.b.extract(Ty::I32, w, 24, 1);
                self.b.set(slot::DIT, v);
            }
            sysreg::SSBS if self.features.has(Feature::Ssbs) => {
                let v = self.b.extract(Ty::I32, w, 12, 1);
                self.b.set(slot::SSBS, v);
            }
            _ => return self.undefined(),
        }
        Out::Next
    }

    /// Another rounding, flushing or NaN mode is another block mode.
    fn write_fpcr(&mut self, w: Value) {
        let mut bits = FPCR_BITS;
        if !self.features.has(Feature::Fp16) {
            bits &= !(1 << 19);
        }
        let new = self.with_const(Op::And, Ty::I32, w, u64::from(bits));
        let old = self.b.get(slot::FPCR);
        self.b.set(slot::FPCR, new);
        let changed = self.b.icmp(Cond::Ne, old, new);
        self.leave_with_new_mode(changed);
    }

    fn write_fpsr(&mut self, w: Value) {
        let qc = self.b.extract(Ty::I32, w, 27, 1);
        let qc = self.b.bitcast(Ty::F32, qc);
        let qc = self.b.bitcast(Ty::V128, qc);
        self.b.set(slot::QC, qc);
        let low = self.b.extract(Ty::I32, w, 0, 5);
        let idc = self.b.extract(Ty::I32, w, 7, 1);
        let idc = self.shifted(Ty::I32, idc, 0, 5);
        let sticky = self.b.bin(Op::Or, Ty::I32, low, idc);
        self.b
            .op(Op::FpFlagsSet, Ty::Void, 0, 0, [sticky, NONE, NONE], 0);
    }
}
