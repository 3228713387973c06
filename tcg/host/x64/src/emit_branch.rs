//! Predicated regions and side exits: control flow inside a block, and undoing the allocator's state.

use crate::abi::*;
use crate::cc::{HostFlags, NO_FLAGS};
use crate::compiler::Gen;
use crate::enc::{Alu, Mem, Rm, x86cc};
use crate::regalloc::Val;
use std::mem::offset_of;
use tcg_ir::{Inst, Op, Value};
use tcg_mem::InsnCounter;
use tcg_opt::{NONE, flag_use};

/// The allocator's state at the start of a piece of code that does not fall through.
pub struct Snapshot {
    regs: [u32; 32],
    free: u32,
    spill_free: u64,
    flags: HostFlags,
    flags_until: u32,
    pinned: u32,
    journal: usize,
    home_journal: usize,
    journaling: bool,
    regime: u8,
    switched: bool,
}

impl Gen<'_> {
    pub fn snapshot(&mut self) -> Snapshot {
        let s = Snapshot {
            regs: self.regs,
            free: self.free,
            spill_free: self.spill_free,
            flags: self.flags,
            flags_until: self.flags_until,
            pinned: self.pinned,
            journal: self.journal.len(),
            home_journal: self.home_journal.len(),
            journaling: self.journaling,
            regime: self.regime,
            switched: false,
        };
        self.journaling = true;
        s
    }

    pub fn undo(&mut self, s: &Snapshot) {
        while self.journal.len() > s.journal {
            if let Some((v, old)) = self.journal.pop() {
                self.val[v as usize] = old;
            }
        }
        self.undo_home_notes(s);
        self.restore_registers(s);
        self.flags = s.flags;
        self.flags_until = s.flags_until;
        self.regime = s.regime;
    }

    fn undo_home_notes(&mut self, s: &Snapshot) {
        while self.home_journal.len() > s.home_journal {
            if let Some((u, old)) = self.home_journal.pop() {
                self.unit_home[u as usize] = old;
            }
        }
    }

    fn restore_registers(&mut self, s: &Snapshot) {
        self.regs = s.regs;
        self.free = s.free;
        self.spill_free = s.spill_free;
        self.pinned = s.pinned;
        self.journaling = s.journaling;
    }

    /// Code in the cold section that ends in an exit, from label `label`; give the result to `end_cold`.
    pub fn begin_cold(&mut self, label: u32) -> Snapshot {
        let mut s = self.snapshot();
        if self.in_cold {
            // Already there (a check inside a side exit): jump over it.
            let over = self.new_label();
            self.jmp(over);
            self.cold_over.push(over);
        } else {
            self.switch_section();
            s.switched = true;
        }
        self.bind_label(label);
        s
    }

    pub fn end_cold(&mut self, s: Snapshot) {
        if s.switched {
            self.switch_section();
        } else if let Some(over) = self.cold_over.pop() {
            self.bind_label(over);
        }
        self.undo(&s);
    }

    // ---- regions ----

    pub fn emit_cond_begin(&mut self, i: &Inst) {
        if i.aux == 1 {
            let cc = self.branch_cond(i.args[0]);
            let label = self.new_label();
            self.region.leaves = true;
            self.save_dirty();
            self.region.inverted = self.is_loop_branch();
            if self.region.inverted {
                // The way back is the likely one: it stays here, what follows goes to the cold section.
                self.jcc(cc ^ 1, label);
                self.region.label = label;
                let snap = self.snapshot();
                self.region.snap = Some(snap);
                return;
            }
            self.jcc(cc, label);
            let snap = self.begin_cold(label);
            self.region.snap = Some(snap);
            return;
        }
        let end = self.live.info[self.pos as usize].mate as usize;
        self.keep_merge_operands(end, 0);
        self.prepare_state(end);
        self.keep_merge_operands(end, 0);
        for m in self.live_merges(end) {
            self.settle_test(self.b.def(m).args[0]);
        }
        self.keep_merge_operands(end, 0);
        self.pin(i.args[0]);
        let cc = self.branch_cond(i.args[0]);
        self.begin_merges(end);
        let label = self.new_label();
        self.jcc(cc ^ 1, label);
        self.region.leaves = false;
        self.region.label = label;
        self.save_dirty();
        let snap = self.snapshot();
        self.region.snap = Some(snap);
    }

    /// Whether the side exit that starts here is the way round, or a backward jump directly before a final exit that is
    /// none.
    fn is_loop_branch(&self) -> bool {
        let end = self.live.info[self.pos as usize].mate as usize;
        let check = |k: usize| {
            let i = self.b.insts.get(k)?;
            let info = self.b.exits.get(i.imm as usize)?;
            (i.op == Op::Exit).then_some(info.check)
        };
        let last = end + 2 == self.looping.body
            && check(end - 1) == Some(true)
            && check(end + 1) == Some(false);
        !self.in_cold && (last || self.looping.is_at(end - 1))
    }

    fn save_dirty(&mut self) {
        self.region.dirty.clear();
        let dirty = std::mem::take(&mut self.dirty);
        self.region.dirty.extend_from_slice(&dirty);
        self.dirty = dirty;
    }

    fn restore_dirty(&mut self) {
        while let Some(d) = self.dirty.last().copied() {
            let n = self.ty(d.value).bytes() as usize / 4;
            self.remove_dirty(d.off as usize / 4, n);
        }
        let saved = std::mem::take(&mut self.region.dirty);
        for d in &saved {
            self.add_dirty(*d);
        }
        self.region.dirty = saved;
    }

    fn live_merges(&self, end: usize) -> Vec<Value> {
        let mut out = Vec::new();
        for k in end + 1..self.b.insts.len() {
            if self.b.insts[k].op != Op::Merge {
                break;
            }
            if !self.live.info[k].dead {
                out.push(Value(k as u32));
            }
        }
        out
    }

    /// The merges' operands are used here although they are not this instruction's: they must not be evicted
    /// without being saved.
    fn keep_merge_operands(&mut self, end: usize, arg: usize) {
        for m in self.live_merges(end) {
            self.pin_soft(self.b.def(m).args[arg]);
        }
    }

    /// Whether a merge at this start or end of a region takes `v`.
    pub fn is_merge_operand(&self, v: Value) -> bool {
        let (end, arg) = match self.b.insts[self.pos as usize].op {
            Op::CondBegin => (self.live.info[self.pos as usize].mate as usize, 0),
            Op::CondEnd => (self.pos as usize, 1),
            _ => return false,
        };
        self.b.insts[end + 1..]
            .iter()
            .take_while(|m| m.op == Op::Merge)
            .any(|m| self.is_made_of(m.args[arg], v))
    }

    /// State that the region stores to must not be the only place of a value of the other way.
    fn prepare_state(&mut self, end: usize) {
        for k in self.pos as usize + 1..end {
            let i = &self.b.insts[k];
            if i.calls_with_state() {
                self.flush();
                self.rescue_homes();
                self.forget_homes();
                return;
            }
            if i.op == Op::Sync {
                let first = i.imm as usize / 4;
                let units = self.ty(i.args[0]).bytes() as usize / 4;
                for u in first..first + units {
                    let d = self.unit_dirty[u];
                    if d != 0 {
                        let d = self.dirty[d as usize - 1];
                        self.store_slot(d.off, d.value);
                        self.remove_dirty(u, 1);
                    }
                }
                self.drop_homes(first, units);
                self.pinned = 0;
            }
        }
    }

    /// Each merge gets a place that holds the value of the way around the region.
    fn begin_merges(&mut self, end: usize) {
        let merges = self.live_merges(end);
        self.region.merges.clear();
        self.region.pins = 0;
        for (k, m) in merges.iter().copied().enumerate() {
            let old = self.b.def(m).args[0];
            let ty = self.ty(m);
            let class = if ty.is_vec_class() {
                crate::regalloc::XMMS
            } else {
                crate::regalloc::GPRS
            };
            let of_class = (self.usable & class).count_ones();
            if (self.region.pins & class).count_ones() * 3 < of_class.saturating_sub(5) {
                let shared = merges[k + 1..]
                    .iter()
                    .any(|m| self.b.def(*m).args[0] == old);
                // Not the registers that shifts, multiplication and division may take away.
                let fixed = 1 << RCX | 1 << RDX;
                let movable = self.reg_of(old) != NOREG && 1 << self.reg_of(old) & fixed == 0;
                let steal = movable && !shared && self.dies(old);
                let r = if steal {
                    self.def_reuse(m, old)
                } else {
                    let pinned = self.pinned;
                    self.pinned |= fixed;
                    let r = self.def(m);
                    self.pinned = pinned | 1 << r;
                    self.load_into(old, r);
                    r
                };
                self.region.pins |= 1 << r;
                self.region.merges.push((m, r));
            } else {
                let r = self.reg(old);
                let saved = self.val[m.index()];
                self.val[m.index()] = Val { reg: r, ..saved };
                self.spill(m);
                let spilled = self.val[m.index()];
                self.val[m.index()] = Val {
                    reg: NOREG,
                    ..spilled
                };
                self.region.merges.push((m, NOREG));
                self.pinned = self.region.pins;
            }
        }
    }

    pub fn emit_cond_end(&mut self) {
        let Some(snap) = self.region.snap.take() else {
            return;
        };
        if self.region.leaves && self.region.inverted {
            self.undo(&snap);
            self.switch_section();
            self.bind_label(self.region.label);
            self.restore_dirty();
            return;
        }
        if self.region.leaves {
            self.end_cold(snap);
            self.restore_dirty();
            return;
        }
        self.keep_merge_operands(self.pos as usize, 1);
        self.end_merges();
        if self.regime != snap.regime {
            self.switch_regime(snap.regime);
        }
        self.restore_values(&snap);
        while self.journal.len() > snap.journal {
            if let Some((v, old)) = self.journal.pop() {
                self.val[v as usize] = old;
            }
        }
        self.undo_home_notes(&snap);
        self.restore_registers(&snap);
        self.region.pins = 0;
        self.flags = NO_FLAGS;
        self.bind_label(self.region.label);
        self.restore_dirty();
    }

    /// The values of the way through the region go to the merges' places.
    fn end_merges(&mut self) {
        let merges = std::mem::take(&mut self.region.merges);
        for (m, r) in &merges {
            let new = self.b.def(*m).args[1];
            if *r != NOREG {
                self.load_into(new, *r);
            } else {
                let from = self.reg(new);
                let slot = self.val[m.index()].spill;
                let ty = self.ty(*m);
                self.store_reg(ty, Self::spill_mem(slot), from);
                self.pinned = self.region.pins;
            }
        }
        self.region.merges = merges;
    }

    /// Values that live on go back to the registers they had at the start.
    fn restore_values(&mut self, snap: &Snapshot) {
        let mut todo = 0u32;
        for r in 0..32 {
            let v = snap.regs[r];
            if v == NONE || self.region.pins >> r & 1 != 0 {
                continue;
            }
            let v = Value(v);
            if self.val[v.index()].reg as usize == r || self.next_use(v) == 0 {
                continue;
            }
            todo |= 1 << r;
            if self.val[v.index()].reg != NOREG {
                self.save(v);
            }
        }
        for r in 0..32u8 {
            if todo >> r & 1 != 0 {
                self.unbind(Value(snap.regs[r as usize]));
            }
        }
        for r in 0..32u8 {
            if todo >> r & 1 != 0 {
                let v = Value(snap.regs[r as usize]);
                debug_assert!(
                    self.place_of(v).is_some() || flag_use(self.b, v).is_none(),
                    "a test was lost in a region"
                );
                self.load_into(v, r);
            }
        }
    }

    /// At the start of a block, where all registers are free: counts the instructions of the block before, and leaves if
    /// this one's would be too many.
    pub fn count_block(&mut self) {
        let insns = self.b.insts.iter().filter(|i| i.op == Op::InsnStart);
        let insns = insns.count() as i32;
        let word = |off: usize| Mem::base(RCX, off as i32);
        let before = word(offset_of!(InsnCounter, before));
        self.a.mov(true, RCX, Rm::M(Mem::env(COUNTER)));
        self.a.mov(false, RAX, Rm::M(Mem::env(INSNS_BEGUN)));
        self.a.alu(Alu::Add, true, RAX, Rm::M(before));
        self.a.store(true, before, RAX);
        self.a.store_imm(false, Mem::env(INSNS_BEGUN), 0);
        self.a
            .store_imm(true, word(offset_of!(InsnCounter, begun)), 0);
        self.a.alu_imm(Alu::Add, true, Rm::R(RAX), insns);
        let limit = word(offset_of!(InsnCounter, limit));
        self.a.alu(Alu::Cmp, true, RAX, Rm::M(limit));
        let label = self.new_label();
        self.jcc(x86cc::A, label);
        let cold = self.begin_cold(label);
        self.leave(KIND_LIMIT, 0, self.b.pc, self.b.mode);
        self.end_cold(cold);
    }

    /// Stores why and where the block is left and goes to the runtime.
    pub fn leave(&mut self, kind: i32, code: i32, pc: u64, mode: u32) {
        self.a.store_imm(false, Mem::env(EXIT_KIND), kind);
        self.a.store_imm(false, Mem::env(EXIT_CODE), code);
        self.store_pc(pc);
        self.store_mode(mode);
        self.jump_runtime(crate::Runtime::Exit);
    }
}
