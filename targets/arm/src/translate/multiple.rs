//! Load and store multiple. [ARMv7 A5.5, A6.3.5]
//!
//! Each register is one access. Only the base register has to survive a fault in the middle: it is written
//! last. Like the kernel's alignment handler, unaligned bases simply work (before ARMv6: low bits ignored).

use tcg_ir::{Addr, IndirectHint, MemFlags, Op, Ty, Value};

use super::{Out, Translator};
use crate::decode::{Feature, args};

/// Where the registers lie and what becomes of the base.
struct Span {
    /// Address of the first register, relative to the base.
    start: i32,
    /// What is added to the base.
    step: i32,
}

const fn span(regs: u32, p: bool, u: bool) -> Span {
    let bytes = 4 * regs.count_ones() as i32;
    let start = match (p, u) {
        (false, true) => 0,
        (true, true) => 4,
        (true, false) => -bytes,
        (false, false) => 4 - bytes,
    };
    Span {
        start,
        step: if u { bytes } else { -bytes },
    }
}

impl Translator<'_> {
    /// The base for the accesses.
    fn multiple_base(&mut self, rn: u32) -> Value {
        let base = self.reg(rn);
        if self.has(Feature::V6) || rn == 13 {
            base
        } else {
            self.with_const(Op::AndNot, base, 3)
        }
    }

    pub(super) fn stm(&mut self, a: args::Stm) -> Out {
        if a.rn == 15 {
            // UNPREDICTABLE: R15 as the base.
            return self.undefined();
        }
        let Span { start, step } = span(a.regs, a.p, a.u);
        let base = self.multiple_base(a.rn);
        let flags = self.mem(MemFlags::size(2));
        let mut disp = start;
        for n in (0..16).filter(|n| a.regs >> n & 1 != 0) {
            // UNPREDICTABLE: a base that is stored but not first, with writeback: the old value.
            let v = self.reg(n);
            self.b.store(Addr::base_disp(base, disp), v, flags);
            disp += 4;
        }
        if a.w {
            let old = self.reg(a.rn);
            let new = self.with_const(Op::Add, old, step as u32);
            self.set_reg(a.rn, new);
        }
        Out::Next
    }

    pub(super) fn ldm(&mut self, a: args::Ldm) -> Out {
        if a.rn == 15 {
            // UNPREDICTABLE: R15 as the base.
            return self.undefined();
        }
        let Span { start, step } = span(a.regs, a.p, a.u);
        let old = self.reg(a.rn);
        let base = self.multiple_base(a.rn);
        let flags = self.mem(MemFlags::size(2));
        let mut disp = start;
        let mut base_value = None;
        let mut target = None;
        for n in (0..16).filter(|n| a.regs >> n & 1 != 0) {
            let v = self.b.load(Ty::I32, Addr::base_disp(base, disp), flags);
            disp += 4;
            match n {
                15 => target = Some(v),
                n if n == a.rn => base_value = Some(v),
                n => self.set_reg(n, v),
            }
        }
        // UNPREDICTABLE: a base that is also loaded, with writeback: the loaded value.
        if let Some(v) = base_value {
            self.set_reg(a.rn, v);
        } else if a.w {
            let new = self.with_const(Op::Add, old, step as u32);
            self.set_reg(a.rn, new);
        }
        match target {
            Some(target) => self.jump_loaded(target, IndirectHint::Return),
            None => Out::Next,
        }
    }

    // User mode has no banked registers and no SPSR: UNPREDICTABLE, here undefined.

    pub(super) fn stm_user(&mut self, _: args::StmUser) -> Out {
        self.undefined()
    }

    pub(super) fn ldm_user(&mut self, _: args::LdmUser) -> Out {
        self.undefined()
    }

    pub(super) fn ldm_return(&mut self, _: args::LdmReturn) -> Out {
        self.undefined()
    }

    pub(super) fn srs(&mut self, _: args::Srs) -> Out {
        self.undefined()
    }

    pub(super) fn rfe(&mut self, _: args::Rfe) -> Out {
        self.undefined()
    }
}
