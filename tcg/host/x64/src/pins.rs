//! State slots that live in host registers from block to block.
//!
//! To the allocator such a register is the *home* of a value, as memory is for other slots: it is written where the slot would
//! be stored, and is no register that it hands out. Rust sees the state in memory: it is there behind every way out of generated code
//! ([`Pins::to_state`]), and before helpers that look at it ([`Gen::pins_to_memory`]).

use crate::abi::*;
use crate::compiler::Gen;
use crate::enc::{Mem, Rm};
use tcg_ir::{Slot, StateLayout, Ty, Value};

/// The pinned slots of a layout.
#[derive(Clone, Copy, Debug)]
pub struct Pins(&'static [Slot]);

impl Pins {
    /// Those that this host has registers for.
    pub fn of(layout: &StateLayout) -> Pins {
        Pins(&layout.pinned[..layout.pinned.len().min(PIN_REGS.len())])
    }

    /// None.
    pub const NONE: Pins = Pins(&[]);

    fn all(self) -> impl Iterator<Item = (&'static Slot, u8)> {
        self.0.iter().zip(PIN_REGS)
    }

    /// The registers as a mask.
    pub(crate) fn mask(self) -> u32 {
        self.all().fold(0, |m, (_, r)| m | 1 << r)
    }

    /// The register that has the slot at `off`, if it is a pinned one.
    pub(crate) fn at(self, off: u16) -> Option<u8> {
        self.all().find(|(s, _)| s.off == off).map(|(_, r)| r)
    }

    /// What an access of a type at `off` is for the pinned slots.
    pub(crate) fn access(self, off: u16, ty: Ty) -> Access {
        let (from, to) = (u32::from(off), u32::from(off) + ty.bytes());
        for (s, _) in self.all() {
            let (a, b) = (u32::from(s.off), u32::from(s.off) + s.ty.bytes());
            if to <= a || b <= from {
                continue;
            }
            return match (from == a && to <= b, ty.is_vec_class()) {
                (true, false) if to == b => Access::Plain,
                (true, false) => Access::Low,
                _ => Access::Odd,
            };
        }
        Access::Plain
    }

    /// Copies what the registers hold (by hardware number) to the state block.
    pub fn to_state(self, gprs: &[u64; 16], state: &mut [u8]) {
        for (s, r) in self.all() {
            let (value, at) = (gprs[r as usize], s.off as usize);
            // Each of one size that is known here: a copy of so many bytes would be a call.
            match s.ty {
                Ty::I64 => state[at..at + 8].copy_from_slice(&value.to_le_bytes()),
                _ => state[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes()),
            }
        }
    }

    /// Copies the slots of the state block to the registers.
    pub fn to_registers(self, state: &[u8], gprs: &mut [u64; 16]) {
        for (s, r) in self.all() {
            let bytes = &state[s.off as usize..];
            gprs[r as usize] = match (s.ty, bytes.first_chunk(), bytes.first_chunk()) {
                (Ty::I64, Some(b), _) => u64::from_le_bytes(*b),
                (_, _, Some(b)) => u64::from(u32::from_le_bytes(*b)),
                _ => 0,
            };
        }
    }
}

/// How an access of the state meets pinned slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Not at all, or it is the whole slot.
    Plain,
    /// It is the low part of a slot.
    Low,
    /// It is another part of slots, or one of another class. No ISA has many of those: they go through memory.
    Odd,
}

impl Gen<'_> {
    /// Where the slot at `off` is.
    pub(crate) fn slot_rm(&self, off: u16) -> Rm {
        match self.pins.at(off) {
            Some(r) => Rm::R(r),
            None => Rm::M(Mem::env(i32::from(off))),
        }
    }

    /// Reads what is not simply a pinned slot. The host's flags stay.
    pub(crate) fn get_odd(&mut self, v: Value, off: u16) {
        self.pins_to_memory();
        let r = self.def(v);
        self.load_reg(self.ty(v), r, Mem::env(i32::from(off)));
    }

    /// Writes it. The host's flags stay, unless `v` is a lazy test.
    pub(crate) fn set_odd(&mut self, v: Value, off: u16) {
        let ty = self.ty(v);
        let tmp = match self.reg_of(v) {
            NOREG if ty.is_vec_class() => XMM15,
            NOREG => RAX,
            r => r,
        };
        self.load_into(v, tmp);
        self.pins_to_memory();
        self.store_reg(ty, Mem::env(i32::from(off)), tmp);
        self.pins_from_memory();
    }

    /// Before a helper that looks at the state.
    pub(crate) fn pins_to_memory(&mut self) {
        for (s, r) in self.pins.all() {
            self.a.store(s.ty == Ty::I64, Mem::env(i32::from(s.off)), r);
        }
    }

    /// Behind one that may have changed it.
    pub(crate) fn pins_from_memory(&mut self) {
        for (s, r) in self.pins.all() {
            self.a
                .mov(s.ty == Ty::I64, r, Rm::M(Mem::env(i32::from(s.off))));
        }
    }

    /// Around a helper that does not look at the state: the pinned registers that it may destroy.
    pub(crate) fn keep_pins(&mut self, restore: bool) {
        for (_, r) in self.pins.all().filter(|(_, r)| CALLEE_SAVED >> r & 1 == 0) {
            let m = Mem::env(SAVED_GPRS + 8 * i32::from(r));
            match restore {
                true => self.a.mov(true, r, Rm::M(m)),
                false => self.a.store(true, m, r),
            }
        }
    }
}
