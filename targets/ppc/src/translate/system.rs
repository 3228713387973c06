//! Moves to and from special registers, CR and XER. [PowerISA I.3.3.17, III.4.4]

use tcg_ir::{Op, Ty, Value};

use super::{Out, Translator};
use crate::decode::{Feature, args};
use crate::helper;
use crate::state::slot;
use crate::trap;

/// Special register numbers that user mode reaches.
mod spr {
    pub const MQ_SPEFSCR_ALIAS: u32 = 512;
    pub const XER: u32 = 1;
    pub const DSCR_U: u32 = 3;
    pub const LR: u32 = 8;
    pub const CTR: u32 = 9;
    pub const DSCR: u32 = 17;
    pub const VRSAVE: u32 = 256;
    pub const SPRG3_U: u32 = 259;
    pub const USPRG7: u32 = 263;
    pub const TBL: u32 = 268;
    pub const TBU: u32 = 269;
    pub const PVR: u32 = 287;
    pub const ATB: u32 = 526;
    pub const PPR: u32 = 896;
    pub const PPR32: u32 = 898;
    pub const TAR: u32 = 815;
    pub const TFHAR: u32 = 128;
    pub const TEXASRU: u32 = 131;
}

impl Translator<'_> {
    /// Calls a helper.
    pub(super) fn call(&mut self, id: tcg_ir::HelperId, args: &[Value]) -> Value {
        self.b.call(id, helper::def(id), args)
    }

    // ---- CR ----

    pub(super) fn mfcr(&mut self, a: args::Mfcr) -> Out {
        let mut v = self.cr_bit(0);
        for k in 1..32 {
            let bit = self.cr_bit(k);
            let up = self.shift(Op::Shl, v, 1);
            v = self.b.bin(Op::Or, Ty::I32, up, bit);
        }
        self.put(a.rt, v, false)
    }

    pub(super) fn mfocrf(&mut self, a: args::Mfocrf) -> Out {
        // UNPREDICTABLE: several fields or none: all bits that are asked for.
        let mut v = self.b.i32(0);
        for field in (0..8).filter(|f| a.fxm >> (7 - f) & 1 != 0) {
            for k in 0..4 {
                let bit = self.cr_bit(4 * field + k);
                let bit = self.shift(Op::Shl, bit, 31 - 4 * field - k);
                v = self.b.bin(Op::Or, Ty::I32, v, bit);
            }
        }
        self.put(a.rt, v, false)
    }

    fn write_cr(&mut self, rs: u32, fxm: u32) -> Out {
        let v = self.gpr32(rs);
        for field in (0..8).filter(|f| fxm >> (7 - f) & 1 != 0) {
            for k in 4 * field..4 * field + 4 {
                let bit = self.b.extract(Ty::I32, v, 31 - k, 1);
                self.b.set(slot::cr_bit(k), bit);
            }
        }
        Out::Next
    }

    pub(super) fn mtcrf(&mut self, a: args::Mtcrf) -> Out {
        self.write_cr(a.rs, a.fxm)
    }

    pub(super) fn mtocrf(&mut self, a: args::Mtocrf) -> Out {
        self.write_cr(a.rs, a.fxm)
    }

    pub(super) fn mcrxr(&mut self, a: args::Mcrxr) -> Out {
        let zero = self.b.i32(0);
        for (k, from) in [slot::SO, slot::OV, slot::CA].into_iter().enumerate() {
            let v = self.b.get(from);
            self.b.set(slot::cr_bit(4 * a.bf + k as u32), v);
            self.b.set(from, zero);
        }
        self.b.set(slot::cr_bit(4 * a.bf + 3), zero);
        Out::Next
    }

    pub(super) fn mcrxrx(&mut self, a: args::Mcrxrx) -> Out {
        let from = [slot::OV, slot::OV32, slot::CA, slot::CA32];
        for (k, from) in from.into_iter().enumerate() {
            let v = self.b.get(from);
            self.b.set(slot::cr_bit(4 * a.bf + k as u32), v);
        }
        Out::Next
    }

    // ---- XER ----

    fn xer_bits(&self) -> &'static [(tcg_ir::Slot, u32)] {
        const ALL: [(tcg_ir::Slot, u32); 5] = [
            (slot::SO, 31),
            (slot::OV, 30),
            (slot::CA, 29),
            (slot::OV32, 19),
            (slot::CA32, 18),
        ];
        match self.has(Feature::Isa300) {
            true => &ALL,
            false => &ALL[..3],
        }
    }

    fn read_xer(&mut self) -> Value {
        let mut v = self.b.get(slot::XER_COUNT);
        for &(place, at) in self.xer_bits() {
            let bit = self.b.get(place);
            let bit = self.shift(Op::Shl, bit, at);
            v = self.b.bin(Op::Or, Ty::I32, v, bit);
        }
        v
    }

    fn write_xer(&mut self, rs: u32) -> Out {
        let v = self.gpr32(rs);
        for &(place, at) in self.xer_bits() {
            let bit = self.b.extract(Ty::I32, v, at, 1);
            self.b.set(place, bit);
        }
        let count = self.b.extract(Ty::I32, v, 0, 7);
        self.b.set(slot::XER_COUNT, count);
        Out::Next
    }

    // ---- special registers ----

    pub(super) fn mfspr(&mut self, a: args::Mfspr) -> Out {
        if let Some(out) = self.system_mfspr(a.rt, a.spr) {
            return out;
        }
        let v = match a.spr {
            spr::XER => self.read_xer(),
            spr::LR => self.special(slot::LR),
            spr::CTR => self.special(slot::CTR),
            spr::VRSAVE => self.b.get(slot::VRSAVE),
            spr::TBL => return self.time_base(a.rt, false),
            spr::TBU => return self.time_base(a.rt, true),
            spr::ATB => return self.time_base(a.rt, false),
            spr::PVR => {
                let v = self.b.get(slot::PVR);
                self.low32(v)
            }
            spr::TAR if self.has(Feature::Isa207) => self.special(slot::TAR),
            spr::DSCR_U if self.has(Feature::Isa206) => self.b.get(slot::DSCR),
            spr::DSCR if self.has(Feature::Isa206) => self.b.get(slot::DSCR),
            spr::MQ_SPEFSCR_ALIAS if self.has(Feature::Spe) => self.b.get(slot::SPEFSCR),
            spr::SPRG3_U..=spr::USPRG7 => {
                let v = self.b.get(slot::usprg(a.spr - spr::SPRG3_U));
                self.narrow_special(v)
            }
            spr::PPR | spr::PPR32 if self.has(Feature::Isa206) => self.konst(0x000c_0000),
            spr::TFHAR..=spr::TEXASRU if self.has(Feature::Isa207) => self.konst(0),
            n => return self.no_spr(n, false),
        };
        self.put(a.rt, v, false)
    }

    fn narrow_special(&mut self, v: Value) -> Value {
        if self.is_wide() { v } else { self.low32(v) }
    }

    /// A register number that does not exist: privileged if its number says so; otherwise a no-op for what the
    /// architecture reserves so, else illegal. [PowerISA III.4.4.4]
    fn no_spr(&mut self, n: u32, write: bool) -> Out {
        // The two halves of the number are swapped in the opcode: bit 4 means privileged.
        if n & 0x10 != 0 {
            return self.trap_at(trap::PRIVILEGED, u64::from(self.insn));
        }
        if self.has(Feature::Isa207) && matches!(n, 808..=811) {
            return Out::Next;
        }
        let _ = write;
        self.illegal()
    }

    pub(super) fn mtspr(&mut self, a: args::Mtspr) -> Out {
        if let Some(out) = self.system_mtspr(a.rs, a.spr) {
            return out;
        }
        let v = self.gpr(a.rs);
        match a.spr {
            spr::XER => return self.write_xer(a.rs),
            spr::LR => self.b.set(slot::low(slot::LR, self.w), v),
            spr::CTR => {
                self.b.set(slot::low(slot::CTR, self.w), v);
                self.ctr_from = Some(a.rs);
            }
            spr::VRSAVE => {
                let v = self.low32(v);
                self.b.set(slot::VRSAVE, v);
            }
            spr::TAR if self.has(Feature::Isa207) => self.b.set(slot::low(slot::TAR, self.w), v),
            spr::DSCR_U | spr::DSCR if self.has(Feature::Isa206) => {
                self.b.set(slot::low(slot::DSCR, self.w), v);
            }
            spr::MQ_SPEFSCR_ALIAS if self.has(Feature::Spe) => {
                let v = self.low32(v);
                self.b.set(slot::SPEFSCR, v);
            }
            spr::PPR | spr::PPR32 if self.has(Feature::Isa206) => {}
            spr::TFHAR..=spr::TEXASRU if self.has(Feature::Isa207) => {}
            n => return self.no_spr(n, true),
        }
        Out::Next
    }

    fn time_base(&mut self, rt: u32, upper: bool) -> Out {
        let number = if upper { spr::TBU } else { spr::TBL };
        if let Some(out) = self.system_mfspr(rt, number) {
            return out;
        }
        let zero = self.b.i32(0);
        let tb = self.call(helper::TIME_BASE, &[zero]);
        let v = if upper {
            self.b.un(Op::Hi32, Ty::I32, tb)
        } else {
            self.narrow_special(tb)
        };
        self.put(rt, v, false)
    }

    pub(super) fn mftb(&mut self, a: args::Mftb) -> Out {
        match a.spr {
            spr::TBU => self.time_base(a.rt, true),
            spr::TBL => self.time_base(a.rt, false),
            _ => self.illegal(),
        }
    }

    pub(super) fn mtmsrd(&mut self, _: args::Mtmsrd) -> Out {
        self.privileged()
    }
}
