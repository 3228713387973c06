//! One forward scan (where host flags die, which sites need the guest state) and one backward pass (next uses, dead
//! values, dead state stores, lifetimes of values that only the guest state needs).
//!
//! Lazily evaluated values: condition codes have no register; a test of one (`CcTest`, `ICmp`) is evaluated where it
//! is consumed, from the host's flags if they still hold it, else by comparing the operands again, which then
//! must still be alive. This pass decides which: a holder (`Cc*` or `ICmp`) is *eager* if some consumer is reached without
//! anything that destroys the flags.

use tcg_ir::{Block, Effects, Inst, Op, StateLayout, Touched, Ty, Value};

/// No position, no node.
pub const NONE: u32 = u32::MAX;

/// A use of a value, in a list ordered by position.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    /// The instruction.
    pub pos: u32,
    /// The next use, or [`NONE`].
    pub next: u32,
}

/// What is known of one instruction and its value.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// First use of the value (index in [`Liveness::uses`]).
    pub head: u32,
    /// Last position at which the guest state or a lazy test needs the value (0: none).
    pub live_to: u32,
    /// For holders: last position that takes the condition from the host's flags (0: none, not eager).
    pub eager_to: u32,
    /// The arithmetic instruction that sets the flags of this holder, and the reverse; for `CondBegin`: its `CondEnd`.
    pub mate: u32,
    /// Number of flag-destroying instructions before this one on the way from the start.
    clobbers: u32,
    /// 1 + the last instruction before this one that needs the guest state (0: none).
    last_site: u32,
    /// The instruction has no effect: emit nothing.
    pub dead: bool,
    /// The code for it destroys the host's flags.
    pub kills_flags: bool,
}

const EMPTY: Info = Info {
    head: NONE,
    live_to: 0,
    eager_to: 0,
    mate: NONE,
    clobbers: 0,
    last_site: 0,
    dead: false,
    kills_flags: false,
};

/// Result and working memory of the pass; reused between blocks.
#[derive(Default)]
pub struct Liveness {
    /// By instruction.
    pub info: Vec<Info>,
    /// Uses.
    pub uses: Vec<Use>,
    /// Position of an exit that needs what flags are computed from, or [`NONE`]; set before the analysis.
    pub back_edge: u32,
    /// By unit of the state: the next instruction that overwrites it; [`NONE`]: there is none.
    next_def: Vec<u32>,
    defined: Touched,
    undo: Vec<(u32, u32)>,
}

/// How a lazy test gets its condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagUse {
    /// From the flags of this instruction (a lazy `Cc*` or the `ICmp` itself).
    Holder(Value),
    /// From a condition code that is an ordinary value (`CcFcmp`).
    Packed(Value),
}

/// Condition codes without a register.
#[inline]
pub const fn is_lazy_cc(op: Op) -> bool {
    matches!(
        op,
        Op::CcAdd | Op::CcSub | Op::CcAdc | Op::CcSbc | Op::CcLogic
    )
}

/// If `v` is a lazily evaluated test: where its condition comes from.
#[inline]
pub fn flag_use(block: &Block, v: Value) -> Option<FlagUse> {
    let i = block.def(v);
    match i.op {
        Op::ICmp => Some(FlagUse::Holder(v)),
        Op::CcTest if is_lazy_cc(block.def(i.args[0]).op) => Some(FlagUse::Holder(i.args[0])),
        Op::CcTest => Some(FlagUse::Packed(i.args[0])),
        _ => None,
    }
}

/// Whether an instruction needs the whole guest state: it may fault or leave, or calls a helper that looks.
#[inline]
pub fn is_site(i: &Inst) -> bool {
    i.op.may_fault() || i.op == Op::Exit || i.calls_with_state()
}

/// The operation that produces a holder's flags as a side effect.
fn mate_op(holder: &Inst) -> Option<Op> {
    match holder.op {
        Op::CcAdd => Some(Op::Add),
        Op::CcSub | Op::ICmp => Some(Op::Sub),
        Op::CcAdc => Some(Op::Adc),
        Op::CcSbc => Some(Op::Sbc),
        _ => None,
    }
}

fn mates(holder: &Inst, holder_pos: usize, i: &Inst, pos: usize) -> bool {
    if holder.op == Op::CcLogic {
        return pos < holder_pos
            && holder.args[0].index() == pos
            && matches!(i.op, Op::And | Op::Or | Op::Xor | Op::AndNot);
    }
    Some(i.op) == mate_op(holder) && i.args == holder.args
}

/// Nothing is emitted for these where they stand.
#[inline(always)]
fn is_silent(op: Op) -> bool {
    matches!(
        op,
        Op::Const | Op::ConstV | Op::Get | Op::Set | Op::CcTest | Op::InsnStart
    )
}

impl Liveness {
    /// Analyses a block. `clobbers`: whether the backend's code for an instruction destroys the host's flags.
    pub fn run(
        &mut self,
        block: &Block,
        layout: &StateLayout,
        clobbers: impl Fn(&Block, &Inst) -> bool,
    ) {
        let n = block.insts.len();
        self.info.clear();
        self.info.resize(n + 1, EMPTY);
        self.uses.clear();
        self.scan(block, clobbers);
        self.start_state(layout.bytes / 4);
        self.undo.clear();
        self.backward(block, layout);
    }

    fn start_state(&mut self, units: usize) {
        for range in std::mem::take(&mut self.defined).ranges(self.next_def.len()) {
            self.next_def[range].fill(NONE);
        }
        if self.next_def.len() != units {
            self.next_def.clear();
            self.next_def.resize(units, NONE);
        }
    }

    // ---- forward scan ----

    fn scan(&mut self, block: &Block, clobbers: impl Fn(&Block, &Inst) -> bool) {
        let mut count = 0;
        let mut holder = NONE;
        let mut site = 0;
        let mut saved = (0, NONE);
        let mut leaves = false;
        for (p, i) in block.insts.iter().enumerate() {
            if is_silent(i.op) {
                let info = &mut self.info[p];
                info.clobbers = count;
                info.last_site = site;
                continue;
            }
            if i.op == Op::CondEnd {
                if leaves {
                    (count, holder) = saved;
                } else {
                    count += 1;
                    holder = NONE;
                }
            }
            if i.op == Op::CondBegin {
                let end = region_end(block, p);
                self.info[p].mate = end as u32;
                leaves = i.aux == 1;
                if !leaves && merges_test(block, end) {
                    count += 1;
                    holder = NONE;
                }
            }
            if foreign_test(block, i, holder) {
                count += 1;
                holder = NONE;
            }
            self.info[p].clobbers = count;
            self.info[p].last_site = site;
            if is_site(i) {
                site = p as u32 + 1;
            }
            let kills = clobbers(block, i);
            self.info[p].kills_flags = kills;
            if is_lazy_cc(i.op) || i.op == Op::ICmp {
                self.find_mate(block, p, i);
                count += 1;
                holder = p as u32;
            } else if kills {
                count += 1;
                holder = match self.info[p].mate {
                    m if i.op != Op::CondBegin && m != NONE && (m as usize) < p => m,
                    _ => NONE,
                };
            }
            if i.op == Op::CondBegin {
                saved = (count, holder);
            }
        }
        let n = block.insts.len();
        self.info[n].clobbers = count;
        self.info[n].last_site = site;
    }

    fn find_mate(&mut self, block: &Block, p: usize, i: &Inst) {
        let mut k = p;
        while k > 0 && p - k < 4 {
            k -= 1;
            let c = &block.insts[k];
            if mates(i, p, c, k) {
                self.info[p].mate = k as u32;
                self.info[k].mate = p as u32;
                return;
            }
            if !is_silent(c.op) {
                break;
            }
        }
        for k in p + 1..(p + 4).min(block.insts.len()) {
            let c = &block.insts[k];
            if mates(i, p, c, k) {
                self.info[p].mate = k as u32;
                self.info[k].mate = p as u32;
                return;
            }
            if !is_silent(c.op) {
                break;
            }
        }
    }

    /// Position after which the flags of a holder are in the host's flags.
    fn flag_pos(&self, holder: Value) -> u32 {
        match self.info[holder.index()].mate {
            NONE => holder.0,
            m => m.max(holder.0),
        }
    }

    fn flags_reach(&self, holder: Value, pos: u32) -> bool {
        let at = self.flag_pos(holder);
        pos > at && self.info[pos as usize].clobbers == self.info[at as usize + 1].clobbers
    }

    // ---- backward pass ----

    fn backward(&mut self, block: &Block, layout: &StateLayout) {
        let mut barrier = block.insts.len() as u32;
        let mut outer_barrier = barrier;
        let mut in_region = false;
        for p in (0..block.insts.len()).rev() {
            let i = &block.insts[p];
            let pos = p as u32;
            match i.op {
                Op::InsnStart | Op::Const | Op::ConstV | Op::Fence => {
                    self.info[p].dead = matches!(i.op, Op::Const | Op::ConstV) && self.unused(p);
                }
                Op::CondEnd => {
                    in_region = true;
                    outer_barrier = barrier;
                    self.use_merges(block, p, 1, pos);
                }
                Op::CondBegin => {
                    in_region = false;
                    barrier = outer_barrier;
                    while let Some((unit, def)) = self.undo.pop() {
                        self.next_def[unit as usize] = def;
                    }
                    self.use_merges(block, self.info[p].mate as usize, 0, pos);
                    self.add_use(block, i.args[0], pos);
                }
                Op::Merge | Op::CcTest => self.info[p].dead = self.unused(p),
                Op::Set => self.visit_set(block, i, pos, barrier, in_region),
                Op::Sync => {
                    self.define(i, block, pos, in_region);
                    self.add_use(block, i.args[0], pos);
                }
                Op::Exit => {
                    if !in_region {
                        self.exit_dead(block, layout, i, pos);
                    }
                    let (target, _) = crate::jump_target(block, i);
                    if target.is_some() {
                        self.add_use(block, target, pos);
                    }
                }
                Op::Call => {
                    if i.lane == Effects::Pure as u8 && self.unused(p) {
                        self.info[p].dead = true;
                        continue;
                    }
                    if i.calls_with_state() {
                        barrier = pos + 1;
                    }
                    let (start, len) = (i.args[0].0 as usize, i.args[1].0 as usize);
                    for v in &block.pool[start..start + len] {
                        self.add_use(block, *v, pos);
                    }
                }
                op if is_lazy_cc(op) || op == Op::ICmp => self.visit_holder(block, i, p),
                op => {
                    if op.is_droppable() && self.unused(p) {
                        self.info[p].dead = true;
                    } else {
                        self.use_args(block, i, pos);
                    }
                }
            }
        }
    }

    fn unused(&self, p: usize) -> bool {
        self.info[p].head == NONE && self.info[p].live_to == 0
    }

    fn use_args(&mut self, block: &Block, i: &Inst, pos: u32) {
        for v in i.args {
            if v.is_some() {
                self.add_use(block, v, pos);
            }
        }
    }

    fn use_merges(&mut self, block: &Block, end: usize, arg: usize, pos: u32) {
        let mut k = end + 1;
        while let Some(m) = block.insts.get(k).filter(|m| m.op == Op::Merge) {
            if !self.info[k].dead {
                self.add_use(block, m.args[arg], pos);
            }
            k += 1;
        }
    }

    /// A holder is silent unless some consumer takes the flags as they are.
    fn visit_holder(&mut self, block: &Block, i: &Inst, p: usize) {
        let info = self.info[p];
        if info.eager_to == 0 {
            self.info[p].dead = i.op == Op::ICmp && self.unused(p);
            return;
        }
        let by_mate = info.mate != NONE && {
            let m = info.mate as usize;
            !self.info[m].dead && !self.unused(m)
        };
        if !by_mate {
            self.use_args(block, i, p as u32);
        }
    }

    fn define(&mut self, i: &Inst, block: &Block, pos: u32, in_region: bool) {
        let units = block.ty(i.args[0]).bytes() as usize / 4;
        let first = i.imm as usize / 4;
        for u in first..first + units {
            if in_region {
                self.undo.push((u as u32, self.next_def[u]));
            }
            self.next_def[u] = pos;
            self.defined.mark(u);
        }
    }

    fn visit_set(&mut self, block: &Block, i: &Inst, pos: u32, barrier: u32, in_region: bool) {
        let units = block.ty(i.args[0]).bytes() as usize / 4;
        let first = i.imm as usize / 4;
        if units == 1 {
            let next = self.next_def[first];
            let site = self.info[next.min(barrier) as usize].last_site;
            if site <= pos + 1 {
                self.info[pos as usize].dead = true;
            } else {
                self.state_use(block, i.args[0], site - 1);
            }
            if in_region {
                self.undo.push((first as u32, next));
            }
            self.next_def[first] = pos;
            self.defined.mark(first);
            return;
        }
        let next = self.next_def[first..first + units]
            .iter()
            .copied()
            .max()
            .unwrap_or(barrier)
            .min(barrier);
        let site = self.info[next as usize].last_site;
        if site <= pos + 1 {
            self.info[pos as usize].dead = true;
        } else {
            self.state_use(block, i.args[0], site - 1);
        }
        self.define(i, block, pos, in_region);
    }

    /// The slot at `off` holds `v` from the start, but memory has not been told. Whether anybody needs that. After the
    /// analysis.
    pub fn enter(&mut self, block: &Block, off: u16, v: Value) -> bool {
        let units = block.ty(v).bytes() as usize / 4;
        let first = usize::from(off) / 4;
        let end = block.insts.len() as u32;
        let next = self.next_def[first..first + units].iter().max();
        let site = next.map_or(0, |n| self.info[end.min(*n) as usize].last_site);
        if site != 0 {
            self.state_use(block, v, site - 1);
        }
        site != 0
    }

    /// The final exit does not need the slots that are dead at its target.
    fn exit_dead(&mut self, block: &Block, layout: &StateLayout, i: &Inst, pos: u32) {
        let dead = block.exits[i.imm as usize].dead;
        for (k, slot) in layout.peek.iter().enumerate() {
            if dead >> k & 1 != 0 {
                for u in slot.unit()..slot.unit() + slot.units() {
                    self.next_def[u] = pos;
                    self.defined.mark(u);
                }
            }
        }
    }

    /// The state needs `v` up to site `site`.
    fn state_use(&mut self, block: &Block, v: Value, site: u32) {
        let info = &mut self.info[v.index()];
        info.live_to = info.live_to.max(site);
        match flag_use(block, v) {
            None => {}
            Some(FlagUse::Packed(c)) => self.extend(block, c, site),
            Some(FlagUse::Holder(h)) => {
                let only_exit = site != self.back_edge
                    && block.insts[site as usize].op == Op::Exit
                    && self.info[site as usize].last_site <= self.flag_pos(h) + 1;
                self.flag_consumer(block, h, site, only_exit);
            }
        }
    }

    fn flag_consumer(&mut self, block: &Block, h: Value, pos: u32, may_be_eager: bool) {
        if may_be_eager && self.flags_reach(h, pos) {
            let info = &mut self.info[h.index()];
            info.eager_to = info.eager_to.max(pos);
        } else {
            for v in block.def(h).args {
                if v.is_some() {
                    self.extend(block, v, pos);
                }
            }
        }
    }

    /// `v` is needed up to `pos` (to evaluate something again).
    fn extend(&mut self, block: &Block, v: Value, pos: u32) {
        let info = &mut self.info[v.index()];
        if info.live_to >= pos {
            return;
        }
        info.live_to = pos;
        match flag_use(block, v) {
            None => {}
            Some(FlagUse::Packed(c)) => self.extend(block, c, pos),
            Some(FlagUse::Holder(h)) => self.flag_consumer(block, h, pos, false),
        }
    }

    fn add_use(&mut self, block: &Block, v: Value, pos: u32) {
        let node = self.uses.len() as u32;
        let next = self.info[v.index()].head;
        self.uses.push(Use { pos, next });
        self.info[v.index()].head = node;
        match flag_use(block, v) {
            None => {}
            Some(FlagUse::Packed(c)) => self.extend(block, c, pos),
            Some(FlagUse::Holder(h)) => self.flag_consumer(block, h, pos, true),
        }
    }
}

fn region_end(block: &Block, begin: usize) -> usize {
    let tail = &block.insts[begin..];
    begin
        + tail
            .iter()
            .position(|i| i.op == Op::CondEnd)
            .unwrap_or(tail.len() - 1)
}

fn merges_test(block: &Block, end: usize) -> bool {
    block.insts[end + 1..]
        .iter()
        .take_while(|m| m.op == Op::Merge)
        .any(|m| flag_use(block, m.args[0]).is_some())
}

/// Whether an operand is a test that the host's flags do not hold.
fn foreign_test(block: &Block, i: &Inst, holder: u32) -> bool {
    if i.op == Op::Call {
        return true;
    }
    i.args.iter().any(|v| {
        v.is_some()
            && block.ty(*v) == Ty::I32
            && match flag_use(block, *v) {
                None => false,
                Some(FlagUse::Holder(h)) => h.0 != holder,
                Some(FlagUse::Packed(_)) => true,
            }
    })
}
