//! State slots: reading, setting lazily, storing; plain moves between registers and memory by type.

use crate::abi::*;
use crate::compiler::{Dirty, Gen};
use crate::enc::{Mem, Opc, RIP, Rm};
use crate::pins::Access;
use crate::regalloc::{NOWHERE, Val};
use tcg_ir::{Inst, Op, Ty, Value};
use tcg_opt::{FlagUse, NONE, flag_use};

const NOHOME: u16 = 0xffff;

impl Gen<'_> {
    pub fn emit_get(&mut self, v: Value, i: &Inst) {
        let off = i.imm as u16;
        if self.pins.access(off, i.ty) == Access::Odd {
            return self.get_odd(v, off);
        }
        self.set_home(v, off);
    }

    /// The slot at `off` has just got `v`. A piece of a pinned slot is no place to read from.
    fn set_home_behind_store(&mut self, v: Value, off: u16) {
        if self.pins.access(off, self.ty(v)) == Access::Plain {
            self.set_home(v, off);
        }
    }

    /// The slot at `off` holds the bits of `v`.
    fn set_home(&mut self, v: Value, off: u16) {
        let val = self.val[v.index()];
        self.set_val(v, Val { home: off, ..val });
        let first = off as usize / 4;
        let units = self.ty(v).bytes() as usize / 4;
        for u in first..first + units {
            let h = self.unit_home[u];
            if h != v.0 {
                if h != NONE {
                    self.drop_home(Value(h));
                }
                self.note_home(u, v.0);
            }
        }
    }

    /// The slots of `units` are about to differ from the values whose home they are.
    pub fn drop_homes(&mut self, first: usize, units: usize) {
        for u in first..first + units {
            let h = self.unit_home[u];
            if h != NONE {
                self.note_home(u, NONE);
                self.drop_home(Value(h));
            }
        }
    }

    fn note_home(&mut self, unit: usize, v: u32) {
        if self.journaling {
            self.home_journal.push((unit as u32, self.unit_home[unit]));
        }
        self.unit_home[unit] = v;
        self.touched.mark(unit);
    }

    fn drop_home(&mut self, h: Value) {
        let val = self.val[h.index()];
        if val.home == NOHOME {
            return;
        }
        // Only if the note is still about this value: views of several sizes may have followed each other.
        let needed = self.next_use(h) != 0
            || self.live.info[h.index()].live_to >= self.pos
            || self.is_current_operand(h);
        if needed && val.reg == NOREG && val.spill == 0xff {
            self.reg(h);
        }
        let val = self.val[h.index()];
        self.set_val(
            h,
            Val {
                home: NOHOME,
                ..val
            },
        );
    }

    /// Whether this instruction, or a merge at this end of a region, takes `v` or a test that may have to be made out
    /// of `v` here.
    pub fn is_current_operand(&self, v: Value) -> bool {
        let i = &self.b.insts[self.pos as usize];
        if i.op == Op::Call {
            return i.args.contains(&v);
        }
        i.args.iter().any(|a| self.is_made_of(*a, v)) || self.is_merge_operand(v)
    }

    /// Whether `a` is `v`, or a test of flags or operands among which is `v`.
    pub fn is_made_of(&self, a: Value, v: Value) -> bool {
        if a == v || !a.is_some() {
            return a == v;
        }
        match tcg_opt::flag_use(self.b, a) {
            None => false,
            Some(tcg_opt::FlagUse::Packed(c)) => self.is_made_of(c, v),
            Some(tcg_opt::FlagUse::Holder(h)) => {
                let args = self.b.def(h).args;
                h == v || args.iter().any(|a| self.is_made_of(*a, v))
            }
        }
    }

    pub fn emit_set(&mut self, i: &Inst) {
        let v = i.args[0];
        let off = i.imm as u16;
        let units = self.ty(v).bytes() as usize / 4;
        let first = off as usize / 4;
        self.remove_dirty(first, units);
        if self.val[v.index()].home == off && self.unit_home[first] == v.0 {
            // The slot gets what it holds.
            return;
        }
        self.drop_homes(first, units);
        self.add_dirty(Dirty { off, value: v });
    }

    pub fn add_dirty(&mut self, d: Dirty) {
        let units = self.ty(d.value).bytes() as usize / 4;
        let first = d.off as usize / 4;
        self.dirty.push(d);
        let n = self.dirty.len() as u16;
        for u in first..first + units {
            self.unit_dirty[u] = n;
            self.touched.mark(u);
        }
    }

    /// Forgets dirty values that overlap a range.
    pub fn remove_dirty(&mut self, first: usize, units: usize) {
        for u in first..first + units {
            let k = self.unit_dirty[u];
            if k != 0 {
                self.remove_entry(k as usize - 1);
            }
        }
    }

    fn units_of(&self, d: Dirty) -> std::ops::Range<usize> {
        let first = d.off as usize / 4;
        first..first + self.ty(d.value).bytes() as usize / 4
    }

    fn remove_entry(&mut self, k: usize) {
        let gone = self.dirty[k];
        let range = self.units_of(gone);
        self.unit_dirty[range].fill(0);
        self.dirty.swap_remove(k);
        if let Some(moved) = self.dirty.get(k).copied() {
            let range = self.units_of(moved);
            self.unit_dirty[range].fill(k as u16 + 1);
        }
    }

    pub fn emit_sync(&mut self, i: &Inst) {
        let v = i.args[0];
        let off = i.imm as u16;
        let units = self.ty(v).bytes() as usize / 4;
        let first = off as usize / 4;
        if self.val[v.index()].home == off && self.unit_home[first] == v.0 {
            self.remove_dirty(first, units);
            return;
        }
        self.drop_homes(first, units);
        self.store_slot(off, v);
        self.remove_dirty(first, units);
        self.set_home_behind_store(v, off);
    }

    /// A value that loses its register goes to the slot that it is the new value of, if nobody minds: it need not be
    /// stored again then.
    pub fn store_early(&mut self, v: Value) -> bool {
        let op = self.b.insts[self.pos as usize].op;
        let walks = matches!(
            op,
            Op::Exit | Op::Sync | Op::Call | Op::CondBegin | Op::CondEnd
        );
        let val = self.val[v.index()];
        if walks || self.journaling || val.spill != 0xff || val.home != NOHOME {
            return false;
        }
        let Some(d) = self.dirty.iter().find(|d| d.value == v).copied() else {
            return false;
        };
        if self.pins.access(d.off, self.ty(v)) != Access::Plain {
            return false;
        }
        let range = self.units_of(d);
        if !self.looping.may_store(d.off) || !range.clone().all(|u| self.home_is_spare(u)) {
            return false;
        }
        self.store_place(self.ty(v), self.slot_rm(d.off), val.reg);
        self.drop_homes(range.start, range.len());
        self.remove_dirty(range.start, range.len());
        self.set_home(v, d.off);
        true
    }

    /// Whether nobody needs the old contents of a unit of the state from there.
    fn home_is_spare(&mut self, unit: usize) -> bool {
        let h = self.unit_home[unit];
        h == NONE || {
            let val = self.val[Value(h).index()];
            val.reg != NOREG || val.spill != 0xff
        }
    }

    /// Stores `v` to the state slot at `off`.
    pub fn store_slot(&mut self, off: u16, v: Value) {
        let to = self.slot_rm(off);
        let ty = self.ty(v);
        if self.pins.access(off, ty) != Access::Plain {
            return self.set_odd(v, off);
        }
        let r = self.reg_of(v);
        if r != NOREG {
            return self.store_place(ty, to, r);
        }
        if let Some(src) = self.place_of(v) {
            if let (Rm::R(to), false) = (to, ty.is_vec_class()) {
                return self.load_place(ty, to, src);
            }
            let tmp = match src {
                Rm::R(r) => r,
                Rm::M(_) if ty.is_vec_class() => XMM15,
                Rm::M(_) => RAX,
            };
            self.load_place(ty, tmp, src);
            return self.store_place(ty, to, tmp);
        }
        let m = match to {
            Rm::M(m) => m,
            Rm::R(r) => return self.load_into(v, r),
        };
        let i = *self.b.def(v);
        match i.op {
            Op::Const => self.store_const(m, ty, self.b.as_const(v).unwrap_or(0)),
            Op::ConstV => {
                self.load_const(ty, XMM15, self.b.consts[i.imm as usize]);
                self.store_reg(ty, m, XMM15);
            }
            _ => {
                // A lazy test.
                let cc = self.test_cond(v);
                if self.is_bit(off) {
                    return self.a.setcc(cc, Rm::M(m));
                }
                self.a.setcc(cc, Rm::R(RAX));
                self.a.movzx8(RAX, Rm::R(RAX));
                self.a.store(false, m, RAX);
            }
        }
    }

    fn store_const(&mut self, m: Mem, ty: Ty, c: u64) {
        let w = ty == Ty::I64;
        if !w || c as i64 == c as i32 as i64 {
            self.a.store_imm(w, m, c as i32);
        } else {
            self.a.mov_imm(RAX, c);
            self.a.store(true, m, RAX);
        }
    }

    /// Whether a dirty value is a test that would have to be evaluated from something else than the host's flags.
    pub fn is_late_test(&self, v: Value) -> bool {
        let val = self.val[v.index()];
        val == NOWHERE
            && match flag_use(self.b, v) {
                None => false,
                Some(FlagUse::Packed(_)) => true,
                Some(FlagUse::Holder(h)) => !self.flags_hold(h),
            }
    }

    /// Stores all dirty slots, except those that `dead` names; the bookkeeping is unchanged.
    pub fn store_dirty(&mut self, dead: u32) {
        // Tests that the host's flags do not hold come last: evaluating them destroys the flags.
        let mut late = 0u128;
        for k in 0..self.dirty.len() {
            let d = self.dirty[k];
            if dead != 0 && self.is_dead(d, dead) {
                continue;
            }
            if k < 128 && self.is_late_test(d.value) {
                late |= 1 << k;
            } else {
                self.store_slot(d.off, d.value);
            }
        }
        while late != 0 {
            let d = self.dirty[late.trailing_zeros() as usize];
            late &= late - 1;
            self.store_slot(d.off, d.value);
        }
    }

    pub fn is_dead(&self, d: Dirty, dead: u32) -> bool {
        if dead == 0 {
            return false;
        }
        let end = u32::from(d.off) + self.ty(d.value).bytes();
        self.layout.peek.iter().enumerate().any(|(k, s)| {
            dead >> k & 1 != 0 && s.off <= d.off && u32::from(s.off) + s.ty.bytes() >= end
        })
    }

    /// Stores all dirty slots and notes that they are clean.
    pub fn flush(&mut self) {
        self.store_dirty(0);
        while let Some(d) = self.dirty.pop() {
            let range = self.units_of(d);
            self.unit_dirty[range].fill(0);
            self.set_home_behind_store(d.value, d.off);
        }
    }

    /// A helper has changed the state: no slot is known any more. Values that only their homes hold have been
    /// saved before.
    pub fn forget_homes(&mut self) {
        for u in self.touched.ranges(self.unit_home.len()).flatten() {
            let h = self.unit_home[u];
            if h != NONE {
                self.note_home(u, NONE);
                let v = Value(h);
                let val = self.val[v.index()];
                self.set_val(
                    v,
                    Val {
                        home: NOHOME,
                        ..val
                    },
                );
            }
        }
    }

    /// Before the state changes behind our back: values that only their home holds go to spill slots.
    pub fn rescue_homes(&mut self) {
        let pinned = self.pinned;
        for u in self.touched.ranges(self.unit_home.len()).flatten() {
            let h = self.unit_home[u];
            if h == NONE {
                continue;
            }
            let v = Value(h);
            let at_branch = self.b.insts[self.pos as usize].op == Op::CondBegin
                && (self.live.info[v.index()].live_to >= self.pos || self.is_current_operand(v));
            if self.next_use(v) == 0 && !at_branch {
                continue;
            }
            let val = self.val[v.index()];
            if val.home != NOHOME && val.spill == 0xff && val.reg == NOREG {
                self.reg(v);
                self.pinned = pinned;
            }
            let val = self.val[v.index()];
            if val.home != NOHOME && val.spill == 0xff && val.reg != NOREG {
                self.spill(v);
            }
        }
    }

    // ---- moves by type ----

    /// The same where the place may be a pinned register.
    pub fn store_place(&mut self, ty: Ty, to: Rm, r: u8) {
        match to {
            Rm::M(m) => self.store_reg(ty, m, r),
            Rm::R(to) => self.move_reg(ty, to, r),
        }
    }

    /// `reg = place`.
    pub fn load_place(&mut self, ty: Ty, r: u8, from: Rm) {
        match from {
            Rm::M(m) => self.load_reg(ty, r, m),
            Rm::R(from) => self.move_reg(ty, r, from),
        }
    }

    /// `[mem] = reg`.
    pub fn store_reg(&mut self, ty: Ty, m: Mem, r: u8) {
        match ty {
            Ty::I32 | Ty::Cc | Ty::Void => self.a.store(false, m, r),
            Ty::I64 => self.a.store(true, m, r),
            Ty::F32 => self.vmov(Opc(0xf3, 1, 0x11), r, Rm::M(m)),
            Ty::F64 | Ty::V64 => self.vmov(Opc(0x66, 1, 0xd6), r, Rm::M(m)),
            Ty::V128 => self.vmov(Opc(0, 1, 0x11), r, Rm::M(m)),
        }
    }

    /// `reg = [mem]`; vector registers are zeroed above.
    pub fn load_reg(&mut self, ty: Ty, r: u8, m: Mem) {
        match ty {
            Ty::I32 | Ty::Cc | Ty::Void => self.a.mov(false, r, Rm::M(m)),
            Ty::I64 => self.a.mov(true, r, Rm::M(m)),
            Ty::F32 => self.vmov(Opc(0xf3, 1, 0x10), r, Rm::M(m)),
            Ty::F64 | Ty::V64 => self.vmov(Opc(0xf3, 1, 0x7e), r, Rm::M(m)),
            Ty::V128 => self.vmov(Opc(0, 1, 0x10), r, Rm::M(m)),
        }
    }

    /// `dst = src` within a class.
    pub fn move_reg(&mut self, ty: Ty, dst: u8, src: u8) {
        if dst == src {
            return;
        }
        match ty {
            Ty::I32 | Ty::Cc | Ty::Void => self.a.mov(false, dst, Rm::R(src)),
            Ty::I64 => self.a.mov(true, dst, Rm::R(src)),
            _ => self.vmov(Opc(0, 1, 0x28), dst, Rm::R(src)),
        }
    }

    /// A two-operand vector move in VEX or legacy encoding.
    pub fn vmov(&mut self, o: Opc, r: u8, rm: Rm) {
        let rm = match rm {
            Rm::R(x) => Rm::R(x & 15),
            m => m,
        };
        if self.f.avx2 {
            self.a.vex(o, false, r, 0, rm);
        } else {
            self.a.op(o, false, r & 15, rm);
        }
    }

    /// Between a general register `g` and a vector register `x` (`movd`, `movq`).
    pub fn mov_gx(&mut self, to_vec: bool, wide: bool, x: u8, g: u8) {
        let o = Opc(0x66, 1, if to_vec { 0x6e } else { 0x7e });
        if self.f.avx2 {
            self.a.vex(o, wide, x, 0, Rm::R(g));
        } else {
            self.a.op(o, wide, x & 15, Rm::R(g));
        }
    }

    /// A rip-relative operand: 16 bytes of constant behind the code.
    pub fn const_mem(&mut self, bits: u128) -> u32 {
        if let Some((_, l)) = self.consts.iter().find(|(b, _)| *b == bits) {
            return *l;
        }
        let l = self.new_label();
        self.consts.push((bits, l));
        l
    }

    /// After an instruction whose last 4 bytes are a rip-relative displacement (plus `tail` immediate bytes).
    pub fn fix_rip(&mut self, label: u32, tail: u32) {
        let mut at = self.here();
        at.off -= 4 + tail;
        // The displacement counts from the end of the instruction.
        debug_assert!(tail == 0);
        self.fixups.push(crate::compiler::Fixup { at, label });
    }

    /// A floating-point or vector constant; flags survive.
    pub fn load_const(&mut self, ty: Ty, r: u8, bits: u128) {
        let mask = match ty {
            Ty::F32 => u128::from(u32::MAX),
            Ty::F64 | Ty::V64 => u128::from(u64::MAX),
            _ => u128::MAX,
        };
        let bits = bits & mask;
        if bits == 0 {
            let o = Opc(0x66, 1, 0xef);
            if self.f.avx2 {
                self.a.vex(o, false, r, r & 15, Rm::R(r & 15));
            } else {
                self.a.op(o, false, r & 15, Rm::R(r & 15));
            }
            return;
        }
        let label = self.const_mem(bits);
        self.vmov(Opc(0, 1, 0x10), r, Rm::M(Mem::base(RIP, 0)));
        self.fix_rip(label, 0);
    }
}
