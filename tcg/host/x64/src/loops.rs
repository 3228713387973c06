//! Loops that stay in registers. A block that ends by a jump to itself is compiled a second time, behind the first: there,
//! the slots that an iteration leaves dirty arrive in registers (*parameters*) and stay dirty, so that nothing is stored
//! on the way round. The first copy is the block's entry, with the whole state in memory, and goes over to the second where
//! it would jump to itself; so does the second copy.
//!
//! The second copy is made from the same instructions. What they read from slots that arrive in registers is replaced, and
//! the values that arrive are appended behind the block's end, where nothing is emitted for them. Flags arrive as what they
//! are computed from.

use crate::abi::*;
use crate::cc::{FlagKind, NO_FLAGS, flag_kind};
use crate::compiler::{Dirty, Gen, Region};
use crate::enc::{Alu, Mem, Rm, x86cc};
use crate::regalloc::{NOWHERE, Val, XMMS};
use tcg_ir::{Block, ExitInfo, ExitKind, Inst, Op, Ty, Value};
use tcg_opt::{FlagUse, NONE, flag_use};

/// Registers that the second copy needs besides its parameters.
const GPRS_LEFT: usize = 5;
const XMMS_LEFT: usize = 6;
/// Longer blocks are not worth a second copy.
const MAX_INSTS: usize = 400;

/// A block with a second copy is put at a multiple of this. A loop's speed must not depend on what happens to be translated
/// before it: its code is always cut alike by the lines of the host's caches. (It did, by up to a third.)
pub const LOOP_ALIGN: u32 = 64;
/// Where the second copy begins behind such a multiple. Of 0, 16, 32 and 48 this was the fastest over 18 small programs of 32-bit ARM (Zen,
/// 2.6 % less than 0); a branch across two lines costs most.
const LOOP_AT: u32 = 16;

/// A value that arrives in a register.
#[derive(Clone, Copy)]
struct Param {
    /// The value of the block that is passed.
    from: Value,
    reg: u8,
    ty: Ty,
}

/// What a slot that arrives dirty holds.
#[derive(Clone, Copy)]
enum Arrival {
    /// A parameter.
    Param(usize),
    /// This constant.
    Const(Value),
    /// A test, of the flags of operands that are constants or parameters.
    Test(Value, [Option<Operand>; 2]),
}

#[derive(Clone, Copy)]
enum Operand {
    Param(usize),
    Const(Value),
}

/// A slot that arrives dirty, with the value that the block gives it.
#[derive(Clone, Copy)]
struct Slot {
    off: u16,
    from: Value,
    what: Arrival,
}

/// A read of a slot of which at least a part has not been written to before.
struct Read {
    off: u16,
    ty: Ty,
    value: Value,
    /// Nothing of it has been written to.
    whole: bool,
}

/// The state slots that a block reads, and the ranges that it writes to.
#[derive(Default)]
struct Views {
    reads: Vec<Read>,
    /// From, to, and whether it keeps a slot there from arriving dirty.
    writes: Vec<(u32, u32, bool)>,
}

impl Views {
    /// Whether the old value of the slot at `off` is read.
    fn reads(&self, off: u16) -> bool {
        self.reads.iter().any(|r| r.off == off)
    }
}

/// The loop of a block.
#[derive(Default)]
pub struct Loop {
    /// Position of the exit that jumps to the block itself, or [`NONE`].
    at: u32,
    /// Number of the block's own instructions.
    pub body: usize,
    /// Label of the second copy, once there is to be one.
    head: Option<u32>,
    params: Vec<Param>,
    slots: Vec<Slot>,
    /// In the second copy: what each of its own values has become.
    alias: Vec<Value>,
    second: bool,
    /// Slots that are dead at the way round, as in the exit.
    dead: u32,
    /// The floating-point regime that MXCSR holds on the way round.
    regime: u8,
    /// In the second copy: the registers of parameters, better left to what is passed for them.
    pub wanted: u32,
    /// By value: the register, as a mask, in which it is passed.
    next: Vec<u32>,
}

/// Position of the last exit from `b` to itself, if the block may become a loop, or [`NONE`].
fn back_edge(b: &Block) -> u32 {
    let own = |e: &ExitInfo| {
        let direct = e.kind == ExitKind::Direct && !e.mode_dynamic;
        direct && e.check && e.pc == b.pc && e.mode == b.mode
    };
    if b.insts.len() > MAX_INSTS || !b.exits.iter().any(own) {
        return NONE;
    }
    let mut found = NONE;
    for (p, i) in b.insts.iter().enumerate() {
        match i.op {
            Op::Call if i.calls_with_state() => return NONE,
            Op::Exit if b.exits.get(i.imm as usize).is_some_and(own) => found = p as u32,
            _ => {}
        }
    }
    found
}

impl Loop {
    /// Looks whether a block is a loop: the position of its exit to itself, or [`NONE`].
    pub fn start(&mut self, b: &Block, allowed: bool) -> u32 {
        self.at = if allowed { back_edge(b) } else { NONE };
        self.body = b.insts.len();
        self.head = None;
        self.second = false;
        self.wanted = 0;
        self.next.clear();
        self.at
    }

    /// The register in which a value goes round, as a mask; 0: none.
    pub fn register_of(&self, v: Value) -> u32 {
        self.next.get(v.index()).copied().unwrap_or(0)
    }

    /// Whether the slot at `off` may be stored before the end: not if it is to arrive dirty, or that is still to be found
    /// out.
    pub fn may_store(&self, off: u16) -> bool {
        self.at == NONE || self.second && self.slots.iter().all(|s| s.off != off)
    }

    /// Notes where the values that are passed should be.
    fn plan_registers(&mut self) {
        self.next.resize(self.alias.len(), 0);
        for p in &self.params {
            self.wanted |= 1 << p.reg;
            let v = self.alias[p.from.index()];
            if let Some(next) = self.next.get_mut(v.index()) {
                *next = 1 << p.reg;
            }
        }
    }

    /// Whether the way round is the exit at this position.
    pub fn is_at(&self, pos: usize) -> bool {
        self.at as usize == pos
    }

    /// Whether the code stays inside on the way round.
    pub fn found(&self) -> bool {
        self.head.is_some()
    }
}

impl Gen<'_> {
    /// Emits the exit as the way round if it is that; false: it is an ordinary one.
    pub fn emit_back_edge(&mut self, info: &ExitInfo) -> bool {
        if self.looping.at != self.pos {
            return false;
        }
        self.looping.dead = info.dead;
        let ready = match self.looping.second {
            false => self.plan_loop(),
            true => self.same_shape(),
        };
        let Some(head) = self.looping.head.filter(|_| ready) else {
            return false;
        };
        self.store_others();
        // MXCSR goes round as it is, too.
        if !self.looping.second {
            self.looping.regime = self.regime;
        } else if self.regime != self.looping.regime {
            self.switch_regime(self.looping.regime);
        }
        let pinned = self.pinned;
        for k in 0..self.looping.params.len() {
            // Those that have to be computed.
            let v = self.passed(k);
            if self.val[v.index()] == NOWHERE {
                self.reg(v);
            }
        }
        self.pinned = pinned;
        self.flags = NO_FLAGS;
        self.a
            .alu_imm(Alu::Cmp, false, Rm::M(Mem::env(INTERRUPT)), 0);
        let cold = self.new_label();
        self.jcc(x86cc::NE, cold);
        let snap = self.begin_cold(cold);
        self.store_dirty(info.dead);
        self.restore_regime();
        let link = self.new_link(info.pc, info.mode);
        self.link(0xe9, link);
        self.end_cold(snap);
        self.pass_params();
        self.jmp(head);
        true
    }

    /// What is passed for parameter `k` here.
    fn passed(&self, k: usize) -> Value {
        let v = self.looping.params[k].from;
        self.now(v)
    }

    /// What a value of the block is in the copy that is being compiled.
    fn now(&self, v: Value) -> Value {
        match self.looping.second {
            true => self.looping.alias[v.index()],
            false => v,
        }
    }

    /// Whether the slots that are to arrive dirty are dirty here, with the values that the first copy had there.
    fn same_shape(&self) -> bool {
        let l = &self.looping;
        let dirty = |s: &Slot| {
            let k = self.unit_dirty[usize::from(s.off) / 4];
            let d = self.dirty.get(usize::from(k).wrapping_sub(1));
            d.is_some_and(|d| d.off == s.off && d.value == self.now(s.from))
        };
        l.slots.iter().all(dirty) && (0..l.params.len()).all(|k| self.is_somewhere(self.passed(k)))
    }

    /// Whether a value has a place or can be computed here.
    fn is_somewhere(&self, v: Value) -> bool {
        let val = self.val[v.index()];
        val.reg != NOREG || self.place_of(v).is_some() || flag_use(self.b, v).is_some()
    }

    /// Dirty slots that do not arrive dirty are stored; what destroys the flags last.
    fn store_others(&mut self) {
        let mut late = Vec::new();
        for k in 0..self.dirty.len() {
            let d = self.dirty[k];
            let arrives = self.looping.slots.iter().any(|s| s.off == d.off);
            if arrives || self.is_dead(d, self.looping.dead) {
                continue;
            }
            if self.is_late_test(d.value) {
                late.push(d);
            } else {
                self.store_slot(d.off, d.value);
            }
        }
        for d in late {
            self.store_slot(d.off, d.value);
        }
    }

    // ---- the plan, made at the end of the first copy ----

    fn plan_loop(&mut self) -> bool {
        self.looping.params.clear();
        self.looping.slots.clear();
        let views = self.views();
        // First those that go round, then flags, then others that need not be stored.
        for turn in 0..3 {
            for k in 0..self.dirty.len() {
                let d = self.dirty[k];
                let carried = views.reads(d.off);
                let test =
                    self.val[d.value.index()] == NOWHERE && flag_use(self.b, d.value).is_some();
                let mine = match (test, carried) {
                    (true, _) => 1,
                    (false, true) => 0,
                    (false, false) => 2,
                };
                if mine == turn && !self.is_dead(d, self.looping.dead) && self.may_arrive(d, &views)
                {
                    self.plan_slot(d);
                }
            }
        }
        let l = &self.looping;
        if !l.slots.iter().any(|s| views.reads(s.off)) {
            return false;
        }
        let head = self.new_label();
        self.looping.head = Some(head);
        true
    }

    /// How the block uses its state.
    fn views(&self) -> Views {
        let mut written = vec![false; self.layout.bytes / 4];
        let mut before = Vec::new();
        let (mut inside, mut leaves) = (false, false);
        let mut out = Views::default();
        for (p, i) in self.b.insts[..self.looping.body].iter().enumerate() {
            let first = i.imm as usize / 4;
            match i.op {
                // What is written on a way out counts on that way only.
                Op::CondBegin => {
                    (inside, leaves) = (true, i.aux == 1);
                    before.clone_from(&written);
                }
                Op::CondEnd => {
                    inside = false;
                    if leaves {
                        written.clone_from(&before);
                    }
                }
                Op::Get => {
                    let own = &written[first..first + i.ty.bytes() as usize / 4];
                    if own.contains(&false) {
                        out.reads.push(Read {
                            off: i.imm as u16,
                            ty: i.ty,
                            value: Value(p as u32),
                            whole: !own.contains(&true),
                        });
                    }
                }
                Op::Set | Op::Sync => {
                    let bytes = self.b.ty(i.args[0]).bytes();
                    written[first..first + bytes as usize / 4].fill(true);
                    // A region may not store over what is dirty before it.
                    let barred = inside && i.op == Op::Sync;
                    out.writes
                        .push((i.imm as u32, i.imm as u32 + bytes, barred));
                }
                _ => {}
            }
        }
        out
    }

    /// Whether a slot may arrive dirty: who reads its old value reads exactly this slot, and who writes to it writes all of
    /// it.
    fn may_arrive(&self, d: Dirty, views: &Views) -> bool {
        let ty = self.b.ty(d.value);
        let (from, to) = (u32::from(d.off), u32::from(d.off) + ty.bytes());
        let apart = |a: u32, b: u32| b <= from || to <= a;
        let reads = views.reads.iter().all(|r| {
            let a = u32::from(r.off);
            apart(a, a + r.ty.bytes()) || (r.off == d.off && r.ty == ty && r.whole)
        });
        let mut writes = views.writes.iter();
        reads && writes.all(|&(a, b, barred)| apart(a, b) || (a <= from && to <= b && !barred))
    }

    fn plan_slot(&mut self, d: Dirty) {
        let v = d.value;
        let op = self.b.def(v).op;
        let before = self.looping.params.len();
        let what = if matches!(op, Op::Const | Op::ConstV) {
            Some(Arrival::Const(v))
        } else if self.val[v.index()] != NOWHERE {
            self.plan_param(v).map(Arrival::Param)
        } else {
            self.plan_test(v)
        };
        match what {
            Some(what) => self.looping.slots.push(Slot {
                off: d.off,
                from: v,
                what,
            }),
            None => self.looping.params.truncate(before),
        }
    }

    fn plan_test(&mut self, v: Value) -> Option<Arrival> {
        let Some(FlagUse::Holder(h)) = flag_use(self.b, v) else {
            return None;
        };
        let h = *self.b.def(h);
        if matches!(flag_kind(h.op), FlagKind::Adc | FlagKind::Sbc) {
            return None;
        }
        let mut operands = [None; 2];
        for (o, a) in operands.iter_mut().zip(h.args) {
            if a.is_some() {
                *o = Some(match self.b.def(a).op {
                    Op::Const => Operand::Const(a),
                    _ if self.val[a.index()] != NOWHERE => Operand::Param(self.plan_param(a)?),
                    _ => return None,
                });
            }
        }
        Some(Arrival::Test(v, operands))
    }

    /// The parameter for a value that has a place.
    fn plan_param(&mut self, v: Value) -> Option<usize> {
        if let Some(k) = self.looping.params.iter().position(|p| p.from == v) {
            return Some(k);
        }
        let ty = self.ty(v);
        let vector = ty.is_vec_class();
        let (class, left) = match vector {
            true => (self.usable & XMMS, XMMS_LEFT),
            false => (self.usable & !XMMS, GPRS_LEFT),
        };
        let taken = self.looping.params.iter().fold(0, |m, p| m | 1u32 << p.reg);
        if (taken & class).count_ones() as usize + left >= class.count_ones() as usize {
            return None;
        }
        let here = self.reg_of(v);
        let reg = if here != NOREG && taken >> here & 1 == 0 {
            here
        } else {
            // The last ones: the first are taken by shifts and calls.
            31 - (class & !taken).leading_zeros() as u8
        };
        self.looping.params.push(Param { from: v, reg, ty });
        Some(self.looping.params.len() - 1)
    }

    // ---- passing ----

    /// All parameters into their registers at once. The allocator's state is void afterwards.
    fn pass_params(&mut self) {
        // From register to register first, each when nobody needs what its target holds.
        let mut moves: Vec<(u8, u8, Ty)> = Vec::new();
        for k in 0..self.looping.params.len() {
            let p = self.looping.params[k];
            let r = self.reg_of(self.passed(k));
            if r != NOREG && r != p.reg {
                moves.push((p.reg, r, p.ty));
            }
        }
        while !moves.is_empty() {
            let free = |m: &(u8, u8, Ty)| moves.iter().all(|o| o.1 != m.0);
            match moves.iter().position(free) {
                Some(k) => {
                    let (to, from, ty) = moves.swap_remove(k);
                    self.move_reg(ty, to, from);
                }
                None => {
                    // A circle: the scratch register takes the place of one source.
                    let (_, from, ty) = moves[0];
                    let scratch = if ty.is_vec_class() { XMM15 } else { RAX };
                    let wide = if ty.is_vec_class() { ty } else { Ty::I64 };
                    self.move_reg(wide, scratch, from);
                    for m in moves.iter_mut().filter(|m| m.1 == from) {
                        m.1 = scratch;
                    }
                }
            }
        }
        for k in 0..self.looping.params.len() {
            let p = self.looping.params[k];
            let v = self.passed(k);
            if self.reg_of(v) == NOREG {
                self.load_into(v, p.reg);
            }
        }
    }

    // ---- the second copy ----

    /// The block of the second copy, if there is to be one.
    pub fn second_copy(&mut self) -> Option<Block> {
        self.looping.head?;
        let mut b = self.b.clone();
        let views = self.views();
        let l = &mut self.looping;
        l.alias.clear();
        l.alias.extend((0..b.insts.len()).map(|k| Value(k as u32)));
        let none = Value::NONE;
        let mut append = |op, ty, lane, args| {
            b.insts.push(Inst {
                op,
                ty,
                lane,
                aux: 0,
                args,
                imm: 0,
            });
            Value(b.insts.len() as u32 - 1)
        };
        let params: Vec<Value> = l
            .params
            .iter()
            .map(|p| append(Op::Get, p.ty, 0, [none; 3]))
            .collect();
        let mut entry = Vec::new();
        for s in &l.slots {
            let v = match s.what {
                Arrival::Param(k) => params[k],
                Arrival::Const(c) => c,
                Arrival::Test(v, operands) => {
                    let operand = |o: Option<Operand>| match o {
                        None => none,
                        Some(Operand::Param(k)) => params[k],
                        Some(Operand::Const(c)) => c,
                    };
                    let args = [operand(operands[0]), operand(operands[1]), none];
                    let test = *self.b.def(v);
                    if test.op == Op::ICmp {
                        append(Op::ICmp, Ty::I32, test.lane, args)
                    } else {
                        let h = append(self.b.def(test.args[0]).op, Ty::Cc, 0, args);
                        append(Op::CcTest, Ty::I32, test.lane, [h, none, none])
                    }
                }
            };
            entry.push(Dirty {
                off: s.off,
                value: v,
            });
            for r in views.reads.iter().filter(|r| r.off == s.off) {
                l.alias[r.value.index()] = v;
            }
        }
        let alias = &l.alias;
        let now = |v: &mut Value| {
            if v.is_some() {
                *v = alias[v.index()];
            }
        };
        for i in b.insts[..l.body].iter_mut().filter(|i| i.op != Op::Call) {
            i.args.iter_mut().for_each(now);
        }
        b.pool.iter_mut().for_each(now);
        self.entry = entry;
        Some(b)
    }

    /// Everything back to the start, for the second copy; `self.b` is its block.
    pub fn start_second(&mut self) {
        let b = self.b;
        let mmu = self.opts.mmu.is_some();
        self.live.back_edge = self.looping.at;
        self.live
            .run(b, self.layout, crate::analyze::clobbers_flags(mmu));
        self.val.clear();
        self.val.resize(b.insts.len(), NOWHERE);
        self.regs = [NONE; 32];
        self.free = self.usable;
        self.pinned = 0;
        self.spill_free = u64::MAX;
        self.dirty.clear();
        for range in std::mem::take(&mut self.touched).ranges(self.unit_home.len()) {
            self.unit_dirty[range.clone()].fill(0);
            self.unit_home[range].fill(NONE);
        }
        self.flags = NO_FLAGS;
        self.flags_until = 0;
        self.journaling = false;
        self.journal.clear();
        self.home_journal.clear();
        self.region = Region::default();
        self.regime = self.looping.regime;
        self.looping.second = true;
        let pad = LOOP_AT.wrapping_sub(self.a.pos()) & (LOOP_ALIGN - 1);
        self.a.nops(pad);
        if let Some(head) = self.looping.head {
            self.bind_label(head);
        }
        for (k, p) in self.looping.params.iter().enumerate() {
            let v = Value((self.looping.body + k) as u32);
            self.regs[p.reg as usize] = v.0;
            self.free &= !(1 << p.reg);
            self.val[v.index()] = Val {
                reg: p.reg,
                ..NOWHERE
            };
        }
        self.looping.plan_registers();
        for d in std::mem::take(&mut self.entry) {
            if self.live.enter(b, d.off, d.value) {
                self.add_dirty(d);
            }
        }
        // Registers of parameters that nobody needs.
        for k in 0..self.looping.params.len() {
            let v = Value((self.looping.body + k) as u32);
            let info = self.live.info[v.index()];
            if info.head == NONE && info.live_to == 0 {
                self.release(v);
            }
        }
    }
}
