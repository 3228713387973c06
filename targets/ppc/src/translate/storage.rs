//! Cache management, barriers, copy-paste. [PowerISA II.4.3, II.4.4, II.4.6]
//!
//! Changed code is found by its pages: cache operations on instructions are hints. Prefetches do nothing.

use tcg_ir::{Addr, Op, Ty};

use super::{Out, Translator};
use crate::decode::{Feature, args};
use crate::trap;

/// Handlers that do nothing.
macro_rules! nothing {
    ($($name:ident $Name:ident;)*) => {$(
        pub(super) fn $name(&mut self, _: args::$Name) -> Out {
            Out::Next
        }
    )*};
}

impl Translator<'_> {
    nothing! {
        dcbt Dcbt;
        dcbtst Dcbtst;
        icbt Icbt;
        dss Dss;
        dst Dst;
        dstst Dstst;
        dcba Dcba;
        dcbtls Dcbtls;
        dcbtstls Dcbtstls;
        dcblc Dcblc;
        icbtls Icbtls;
        icblc Icblc;
    }

    /// Operations on a block that fault like a load.
    fn touch(&mut self, ra: u32, rb: u32) -> Out {
        let addr = self.ea_index(ra, rb);
        let flags = self.mem(0);
        self.b.load(Ty::I32, addr, flags);
        Out::Next
    }

    pub(super) fn dcbst(&mut self, a: args::Dcbst) -> Out {
        self.touch(a.ra, a.rb)
    }

    pub(super) fn dcbf(&mut self, a: args::Dcbf) -> Out {
        self.touch(a.ra, a.rb)
    }

    pub(super) fn icbi(&mut self, a: args::Icbi) -> Out {
        self.touch(a.ra, a.rb)
    }

    pub(super) fn dcbi(&mut self, a: args::Dcbi) -> Out {
        // What is not in memory yet would be lost: memory here is never behind.
        match self.need_supervisor() {
            Some(out) => out,
            None => self.touch(a.ra, a.rb),
        }
    }

    pub(super) fn dcbz(&mut self, a: args::Dcbz) -> Out {
        let addr = self.ea_index(a.ra, a.rb);
        let ea = self.ea_value(addr);
        // On the 970 the plain form clears 32 bytes as older CPUs do only if HID5 says so, which Linux does not.
        let bytes = self.model.dcbz;
        let _ = a.long;
        let base = self.bin_const(Op::And, ea, !(u64::from(bytes) - 1));
        let zero = self.b.vconst(Ty::V128, 0);
        let flags = self.mem(4);
        for k in 0..bytes / 16 {
            self.b
                .store(Addr::base_disp(base, 16 * k as i32), zero, flags);
        }
        Out::Next
    }

    // ---- barriers ----

    pub(super) fn sync(&mut self, a: args::Sync) -> Out {
        // lwsync orders all but stores before later loads, as the host does anyway.
        if a.l != 1 && self.parallel {
            self.b.fence();
        }
        Out::Next
    }

    pub(super) fn eieio(&mut self) -> Out {
        Out::Next
    }

    pub(super) fn isync(&mut self) -> Out {
        Out::Next
    }

    pub(super) fn wait(&mut self) -> Out {
        self.trap_behind(trap::WAIT, 0)
    }

    // ---- what Linux does not let programs use, or no program uses ----

    pub(super) fn copy(&mut self, _: args::Copy) -> Out {
        self.unimplemented("copy-paste facility")
    }

    pub(super) fn paste(&mut self, _: args::Paste) -> Out {
        self.unimplemented("copy-paste facility")
    }

    pub(super) fn cp_abort(&mut self) -> Out {
        // Nothing was copied.
        Out::Next
    }

    /// Transactions begin by failing at once, persistently: TEXASR is not kept, CR0 says failure. [PowerISA II.5.3]
    pub(super) fn tbegin(&mut self) -> Out {
        let (zero, one) = (self.b.i32(0), self.b.i32(1));
        for (k, v) in [one, zero, one, zero].into_iter().enumerate() {
            self.b.set(crate::state::slot::cr_bit(k as u32), v);
        }
        Out::Next
    }

    /// Outside of a transaction the others do nothing but say so.
    fn not_in_transaction(&mut self) -> Out {
        let zero = self.b.i32(0);
        let so = self.b.get(crate::state::slot::SO);
        for (k, v) in [zero, zero, zero, so].into_iter().enumerate() {
            self.b.set(crate::state::slot::cr_bit(k as u32), v);
        }
        Out::Next
    }

    pub(super) fn tend(&mut self) -> Out {
        self.not_in_transaction()
    }

    pub(super) fn tcheck(&mut self) -> Out {
        self.unimplemented("tcheck")
    }

    pub(super) fn tsr(&mut self) -> Out {
        self.not_in_transaction()
    }

    pub(super) fn tabort(&mut self) -> Out {
        self.not_in_transaction()
    }

    pub(super) fn tabortwc(&mut self) -> Out {
        self.not_in_transaction()
    }

    pub(super) fn tabortwci(&mut self) -> Out {
        self.not_in_transaction()
    }

    pub(super) fn tabortdc(&mut self) -> Out {
        self.not_in_transaction()
    }

    pub(super) fn tabortdci(&mut self) -> Out {
        self.not_in_transaction()
    }

    pub(super) fn treclaim(&mut self) -> Out {
        self.privileged()
    }

    pub(super) fn trechkpt(&mut self) -> Out {
        self.privileged()
    }

    /// The facility, or why it is not there.
    pub(super) fn need_vec(&mut self) -> Option<Out> {
        if self.mode.has(crate::state::Mode::VEC) && self.has(Feature::Altivec) {
            return None;
        }
        Some(self.trap_at(trap::VEC_UNAVAILABLE, u64::from(self.insn)))
    }

    /// The same of VSX.
    pub(super) fn need_vsx(&mut self) -> Option<Out> {
        if self.mode.has(crate::state::Mode::VSX) {
            return None;
        }
        Some(self.trap_at(trap::VSX_UNAVAILABLE, u64::from(self.insn)))
    }

    /// The same of floating point.
    pub(super) fn need_fp(&mut self) -> Option<Out> {
        if self.mode.has(crate::state::Mode::FP) {
            return None;
        }
        Some(self.trap_at(trap::FP_UNAVAILABLE, u64::from(self.insn)))
    }
}
