//! Block-local register allocation, done while emitting: values in registers, evicted by farthest next use.
//!
//! A value may be in a register, in a spill slot, in its *home* (the state slot that holds the same bytes), or
//! nowhere at all (constants, lazy tests). Homes are only valid while the slot is not dirty.

use crate::abi::*;
use crate::compiler::Gen;
use crate::enc::{Mem, Rm};
use tcg_ir::{Op, Ty, Value};
use tcg_opt::NONE;

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Val {
    pub reg: u8,
    pub spill: u8,
    pub home: u16,
}

pub const NOWHERE: Val = Val {
    reg: NOREG,
    spill: 0xff,
    home: 0xffff,
};

/// Registers that hold general values.
pub const GPRS: u32 = 0xffff;
/// Registers that hold vector and floating-point values.
pub const XMMS: u32 = 0xffff_0000;

impl Gen<'_> {
    /// Notes the old place of a value if a region is open.
    #[inline]
    pub fn set_val(&mut self, v: Value, new: Val) {
        if self.journaling {
            self.journal.push((v.0, self.val[v.index()]));
        }
        self.val[v.index()] = new;
    }

    pub fn reg_of(&self, v: Value) -> u8 {
        self.val[v.index()].reg
    }

    /// Position of the next use behind the current instruction; 0: none.
    pub fn next_use(&mut self, v: Value) -> u32 {
        let info = &mut self.live.info[v.index()];
        while info.head != NONE {
            let u = self.live.uses[info.head as usize];
            if u.pos > self.pos {
                return u.pos;
            }
            info.head = u.next;
        }
        if info.live_to >= self.keep_from {
            info.live_to.max(1)
        } else {
            0
        }
    }

    /// Whether nothing needs the value after the current instruction.
    pub fn dies(&mut self, v: Value) -> bool {
        self.next_use(v) == 0
    }

    fn class(ty: Ty) -> u32 {
        if ty.is_vec_class() { XMMS } else { GPRS }
    }

    /// A free register of the class of `ty`, pinned.
    pub fn alloc(&mut self, ty: Ty) -> u8 {
        let r = self.alloc_in(Self::class(ty));
        self.pinned |= 1 << r;
        r
    }

    fn alloc_in(&mut self, class: u32) -> u8 {
        let set = self.free & self.usable & class & !self.pinned;
        let others = set & !self.looping.wanted;
        if others != 0 {
            return others.trailing_zeros() as u8;
        }
        if set != 0 {
            return set.trailing_zeros() as u8;
        }
        let mut candidates = self.usable & class & !self.pinned & !self.soft_pinned;
        let mut best = (0, NOREG);
        while candidates != 0 {
            let r = candidates.trailing_zeros() as u8;
            candidates &= candidates - 1;
            let next = self.next_use(Value(self.regs[r as usize]));
            if next == 0 {
                best = (0, r);
                break;
            }
            if next > best.0 {
                best = (next, r);
            }
        }
        let soft = self.usable & class & !self.pinned & self.soft_pinned;
        if best.1 == NOREG && soft != 0 {
            // An operand of a test that is still to be evaluated: it will be loaded again.
            let r = soft.trailing_zeros() as u8;
            let v = Value(self.regs[r as usize]);
            self.save(v);
            self.unbind(v);
            self.soft_pinned &= !(1 << r);
            return r;
        }
        if best.1 == NOREG {
            // Everything is pinned: cannot happen with the supported register counts; give up on the block.
            self.give_up();
            return if class == GPRS { RCX } else { XMM0 };
        }
        self.evict(best.1);
        best.1
    }

    /// Empties a register, keeping its value elsewhere if it is still needed.
    pub fn evict(&mut self, r: u8) {
        let v = self.regs[r as usize];
        if v == NONE {
            return;
        }
        let v = Value(v);
        // A test that is evaluated by this instruction may still need it: the start of a region makes several values
        // before it comes to its condition.
        let starts = self.b.insts[self.pos as usize].op == Op::CondBegin;
        let needed = self.next_use(v) != 0
            || self.live.info[v.index()].live_to >= self.pos
            || self.is_merge_operand(v)
            || starts && self.is_current_operand(v);
        if needed && !self.store_early(v) {
            self.save(v);
        }
        self.unbind(v);
    }

    /// Makes sure that a value in a register is also in memory (or can be made again).
    pub fn save(&mut self, v: Value) {
        let val = self.val[v.index()];
        let op = self.b.def(v).op;
        if val.spill != 0xff || val.home != 0xffff || matches!(op, Op::Const | Op::ConstV) {
            return;
        }
        self.spill(v);
    }

    /// Stores a value in a register to a new spill slot.
    pub fn spill(&mut self, v: Value) {
        let val = self.val[v.index()];
        if self.spill_free == 0 {
            self.reclaim_spills();
        }
        let slot = self.spill_free.trailing_zeros() as u8;
        if slot >= 64 {
            self.give_up();
            return;
        }
        self.spill_free &= !(1 << slot);
        let ty = self.ty(v);
        self.store_reg(ty, Self::spill_mem(slot), val.reg);
        self.set_val(v, Val { spill: slot, ..val });
    }

    /// Frees the slots of values that have died.
    fn reclaim_spills(&mut self) {
        let op = self.b.insts[self.pos as usize].op;
        if self.journaling || matches!(op, Op::CondBegin | Op::CondEnd) {
            return;
        }
        for k in 0..self.val.len() {
            let v = Value(k as u32);
            if self.val[k].spill != 0xff
                && self.live.info[k].live_to < self.pos
                && self.next_use(v) == 0
                && !self.is_operand(v)
            {
                self.release(v);
            }
        }
    }

    fn is_operand(&self, v: Value) -> bool {
        let i = &self.b.insts[self.pos as usize];
        i.op == Op::Call
            || i.args.contains(&v)
            || self.pinned >> (self.val[v.index()].reg & 31) & 1 != 0
    }

    pub fn spill_mem(slot: u8) -> Mem {
        Mem::env(SPILL + slot as i32 * 16)
    }

    /// Takes a value out of its register.
    pub fn unbind(&mut self, v: Value) {
        let val = self.val[v.index()];
        if val.reg != NOREG {
            self.regs[val.reg as usize] = NONE;
            self.free |= 1 << val.reg;
            self.set_val(v, Val { reg: NOREG, ..val });
        }
    }

    /// The value is dead: frees what it holds.
    pub fn release(&mut self, v: Value) {
        self.unbind(v);
        let val = self.val[v.index()];
        if val.spill != 0xff {
            self.spill_free |= 1 << val.spill;
            self.set_val(v, Val { spill: 0xff, ..val });
        }
    }

    /// Frees an operand if the current instruction was its last use.
    pub fn done_with(&mut self, v: Value) {
        if v.is_some() && self.dies(v) {
            self.release(v);
        }
    }

    /// `v` is now in register `r` (which is free).
    pub fn bind(&mut self, v: Value, r: u8) {
        debug_assert!(self.too_complex || self.regs[r as usize] == NONE);
        self.regs[r as usize] = v.0;
        self.free &= !(1 << r);
        self.pinned |= 1 << r;
        let val = self.val[v.index()];
        self.set_val(v, Val { reg: r, ..val });
    }

    /// A result register that may be the register of a dying operand.
    pub fn def_reuse(&mut self, v: Value, a: Value) -> u8 {
        let r = self.reg_of(a);
        if r != NOREG && self.dies(a) && Self::class(self.ty(v)) & 1 << r != 0 {
            self.unbind(a);
            self.bind(v, r);
            return r;
        }
        self.def(v)
    }

    /// A fresh result register: where it goes round a loop that of the next round, if it is free.
    pub fn def(&mut self, v: Value) -> u8 {
        let ty = self.ty(v);
        let next = self.looping.register_of(v);
        if self.free & self.usable & !self.pinned & next != 0 {
            let r = next.trailing_zeros() as u8;
            self.bind(v, r);
            return r;
        }
        let r = self.alloc(ty);
        self.bind(v, r);
        r
    }

    /// Empties a particular register and pins it.
    pub fn take_reg(&mut self, r: u8) {
        let v = self.regs[r as usize];
        if v != NONE {
            let v = Value(v);
            // Prefer moving to another register: the value may be an operand of this instruction.
            let others = self.free & self.usable & GPRS & !self.pinned & !(1 << r);
            if others != 0 && r < 16 {
                let to = others.trailing_zeros() as u8;
                self.a.mov(true, to, Rm::R(r));
                self.unbind(v);
                self.bind(v, to);
            } else {
                self.save_operand(v);
                self.unbind(v);
            }
        }
        self.pinned |= 1 << r;
    }

    /// Like `save`, also for an operand that is dead behind this instruction.
    fn save_operand(&mut self, v: Value) {
        self.save(v);
    }

    /// Where `v` is besides a register of the allocator's, if anywhere: not to be written to.
    pub fn place_of(&self, v: Value) -> Option<Rm> {
        let val = self.val[v.index()];
        if val.spill != 0xff {
            Some(Rm::M(Self::spill_mem(val.spill)))
        } else if val.home != 0xffff {
            Some(self.slot_rm(val.home))
        } else {
            None
        }
    }

    /// Whether all that memory knows of `v` is a slot that holds 0 or 1: only its first byte may be read, as it may have
    /// been stored alone a moment ago.
    pub fn in_bit_slot(&self, v: Value) -> bool {
        let val = self.val[v.index()];
        val.spill == 0xff && val.home != 0xffff && self.is_bit(val.home)
    }

    /// Whether the slot at `off` only ever holds 0 or 1.
    pub fn is_bit(&self, off: u16) -> bool {
        off < 512 && self.bits >> (off / 4) & 1 != 0
    }

    /// The value in a register, pinned for this instruction.
    pub fn reg(&mut self, v: Value) -> u8 {
        let r = self.reg_of(v);
        if r != NOREG {
            self.pinned |= 1 << r;
            return r;
        }
        let r = self.alloc(self.ty(v));
        self.load_into(v, r);
        // Materialising a test may have needed registers, but `r` was pinned.
        self.bind(v, r);
        r
    }

    /// A register that holds the value, not to be written to: one of the allocator's, or that of the pinned slot that is its home.
    pub fn read_reg(&mut self, v: Value) -> u8 {
        match self.pinned_home(v) {
            Some(r) => r,
            None => self.reg(v),
        }
    }

    /// The register of the pinned slot that is the only place of `v`.
    pub fn pinned_home(&self, v: Value) -> Option<u8> {
        match self.place_of(v) {
            Some(Rm::R(r)) if self.reg_of(v) == NOREG => Some(r),
            _ => None,
        }
    }

    /// Puts a copy of `v` into register `r` of its class, without binding it. Flags survive unless `v` is a lazy test.
    pub fn load_into(&mut self, v: Value, r: u8) {
        let ty = self.ty(v);
        let val = self.val[v.index()];
        if val.reg != NOREG {
            self.move_reg(ty, r, val.reg);
        } else if self.in_bit_slot(v) && ty == Ty::I32 {
            self.a.movzx8(r, Rm::M(Mem::env(i32::from(val.home))));
        } else if let Some(place) = self.place_of(v) {
            self.load_place(ty, r, place);
        } else {
            let i = *self.b.def(v);
            match i.op {
                Op::Const => {
                    let c = self.b.as_const(v).unwrap_or(0);
                    self.a.mov_imm(r, c);
                }
                Op::ConstV => {
                    let c = self.b.consts[i.imm as usize];
                    self.load_const(ty, r, c);
                }
                Op::ICmp | Op::CcTest => self.materialise(v, r),
                _ => self.lost(v),
            }
        }
    }

    fn lost(&mut self, v: Value) {
        panic!(
            "register allocation lost v{} ({}) at {}: {:?}",
            v.0,
            self.b.def(v).op.name(),
            self.pos,
            self.b.insts[self.pos as usize]
        );
    }

    /// A register or, if this is the last use, a memory operand.
    pub fn rm(&mut self, v: Value) -> Rm {
        if let Some(r) = self.pinned_home(v) {
            return Rm::R(r);
        }
        if self.reg_of(v) == NOREG
            && self.dies(v)
            && !self.in_bit_slot(v)
            && let Some(place) = self.place_of(v)
        {
            return place;
        }
        Rm::R(self.reg(v))
    }

    /// The constant as a sign-extended 32-bit immediate for an operation of the value's width.
    pub fn imm32(&self, v: Value) -> Option<i32> {
        let c = self.b.as_const(v)?;
        if self.ty(v) == Ty::I32 {
            return Some(c as u32 as i32);
        }
        (c as i64 == c as i32 as i64).then_some(c as i32)
    }

    /// Pins the registers of everything that this value needs to be evaluated.
    pub fn pin(&mut self, v: Value) {
        let r = self.reg_of(v);
        if r != NOREG {
            self.pinned |= 1 << r;
        } else {
            self.pin_soft(v);
        }
    }

    /// Operands of tests stay in registers if possible.
    pub fn pin_soft(&mut self, v: Value) {
        let r = self.reg_of(v);
        if r != NOREG {
            self.soft_pinned |= 1 << r;
            return;
        }
        match tcg_opt::flag_use(self.b, v) {
            None => {}
            Some(tcg_opt::FlagUse::Packed(c)) => self.pin_soft(c),
            Some(tcg_opt::FlagUse::Holder(h)) => {
                for a in self.b.def(h).args {
                    if a.is_some() {
                        self.pin_soft(a);
                    }
                }
            }
        }
    }
}

impl Gen<'_> {
    /// The block cannot be compiled.
    #[track_caller]
    pub fn give_up(&mut self) {
        if cfg!(debug_assertions) && std::env::var_os("X64_GIVE_UP").is_some() {
            let i = &self.b.insts[self.pos as usize];
            panic!(
                "at {}: pinned {:x} spills {:x} {i:?}",
                self.pos, self.pinned, self.spill_free
            );
        }
        self.too_complex = true;
    }
}
