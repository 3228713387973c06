//! Builds a block: typed helper functions for every operation, constant folding while emitting, and forwarding
//! of guest registers (state slots) through values, across overlapping views.

use std::cell::Cell;

use crate::forward::Recent;
use crate::units::Units;
use crate::{
    Block, Cond, ExitInfo, HelperDef, HelperId, Inst, MemFlags, Op, Slot, StateLayout, Ty, Value,
};

/// A guest memory address: base + (index << shift) + disp.
#[derive(Clone, Copy, Debug)]
pub struct Addr {
    /// Base register value, or [`Value::NONE`].
    pub base: Value,
    /// Index, or [`Value::NONE`].
    pub index: Value,
    /// Left shift of the index, 0 to 3.
    pub shift: u8,
    /// Displacement. Addresses wrap at the width of the base (32 bits if there is none).
    pub disp: i32,
}

impl Addr {
    /// base + disp.
    pub const fn base_disp(base: Value, disp: i32) -> Addr {
        Addr {
            base,
            index: Value::NONE,
            shift: 0,
            disp,
        }
    }

    /// base + (index << shift).
    pub const fn base_index(base: Value, index: Value, shift: u8) -> Addr {
        Addr {
            base,
            index,
            shift,
            disp: 0,
        }
    }

    /// A constant address.
    pub const fn absolute(addr: u32) -> Addr {
        Addr {
            base: Value::NONE,
            index: Value::NONE,
            shift: 0,
            disp: addr as i32,
        }
    }

    /// The address moved by `delta` bytes.
    pub const fn plus(self, delta: i32) -> Addr {
        Addr {
            disp: self.disp.wrapping_add(delta),
            ..self
        }
    }
}

/// Whether two slots share a unit.
fn overlap(a: Slot, b: Slot) -> bool {
    a.unit() < b.unit() + b.units() && b.unit() < a.unit() + a.units()
}

/// A predicated region under construction.
struct Region {
    changed: Vec<Slot>,
    kind: RegionKind,
}

/// What a predicated region may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionKind {
    /// It ends in an exit.
    Leaves,
    /// It falls through and calls no helper that touches the state.
    Simple,
    /// It falls through and may call any helper: the state is stored before it.
    Calls,
}

/// A flag that has been set but not told to the block: often it is set again before anybody could see it.
#[derive(Clone, Copy)]
struct PendingFlag {
    slot: Slot,
    cc: Value,
    cond: Cond,
    /// The test, once somebody has asked for it.
    value: Value,
}

/// Working memory of a builder.
type Spare = (Units, Units, Vec<Value>, Vec<PendingFlag>);

thread_local! {
    /// That of the last builder of this thread, empty.
    static SPARE: Cell<Option<Spare>> = const { Cell::new(None) };
}

/// Makes one block.
pub struct Builder<'a> {
    /// The block so far.
    pub block: Block,
    layout: &'a StateLayout,
    units: Units,
    /// What was known before the region.
    saved: Units,
    consts: Vec<Value>,
    region: Option<Region>,
    pending: Vec<PendingFlag>,
    pub(crate) recent: Recent,
}

impl<'a> Builder<'a> {
    /// A builder of an empty block.
    pub fn new(pc: u64, mode: u32, layout: &'a StateLayout) -> Builder<'a> {
        let (mut units, saved, consts, pending) = SPARE.take().unwrap_or_default();
        units.start(layout.bytes / 4);
        Builder {
            block: Block::new(pc, mode),
            layout,
            units,
            saved,
            consts,
            region: None,
            pending,
            recent: Recent::default(),
        }
    }

    /// The finished block.
    pub fn finish(mut self) -> Block {
        debug_assert!(self.region.is_none() && self.pending.is_empty());
        self.consts.clear();
        self.pending.clear();
        SPARE.set(Some((self.units, self.saved, self.consts, self.pending)));
        self.block
    }

    /// Appends an instruction as it is.
    pub fn push(&mut self, inst: Inst) -> Value {
        // Here the state must be exact.
        let shows = inst.op.may_fault() || matches!(inst.op, Op::Exit | Op::Call | Op::CondBegin);
        if shows && !self.pending.is_empty() {
            self.settle_flags();
        }
        self.recent.passes(inst.op);
        let v = Value(self.block.insts.len() as u32);
        self.block.insts.push(inst);
        v
    }

    /// Appends an operation with all its parameters; folds constants.
    pub fn op(&mut self, op: Op, ty: Ty, lane: u8, aux: u8, args: [Value; 3], imm: i64) -> Value {
        let inst = Inst {
            op,
            ty,
            lane,
            aux,
            args,
            imm,
        };
        match crate::fold::fold(&self.block, &inst) {
            Some(crate::fold::Folded::Value(v)) => v,
            Some(crate::fold::Folded::Const(c)) => self.iconst(ty, c),
            Some(crate::fold::Folded::Inst(i)) => self.push(i),
            None => self.push(inst),
        }
    }

    /// One-operand operation.
    pub fn un(&mut self, op: Op, ty: Ty, a: Value) -> Value {
        self.op(op, ty, 0, 0, [a, Value::NONE, Value::NONE], 0)
    }

    /// Two-operand operation.
    pub fn bin(&mut self, op: Op, ty: Ty, a: Value, b: Value) -> Value {
        self.op(op, ty, 0, 0, [a, b, Value::NONE], 0)
    }

    /// Three-operand operation.
    pub fn tri(&mut self, op: Op, ty: Ty, a: Value, b: Value, c: Value) -> Value {
        self.op(op, ty, 0, 0, [a, b, c], 0)
    }

    /// One-operand vector operation with element size `lane` and immediate.
    pub fn vun(&mut self, op: Op, ty: Ty, lane: u8, a: Value, imm: i64) -> Value {
        self.op(op, ty, lane, 0, [a, Value::NONE, Value::NONE], imm)
    }

    /// Two-operand vector operation with element size `lane` and immediate.
    pub fn vbin(&mut self, op: Op, ty: Ty, lane: u8, a: Value, b: Value, imm: i64) -> Value {
        self.op(op, ty, lane, 0, [a, b, Value::NONE], imm)
    }

    /// Floating-point operation of regime `fp`.
    pub fn fop(&mut self, op: Op, ty: Ty, lane: u8, fp: u8, args: [Value; 3], imm: i64) -> Value {
        self.op(op, ty, lane, fp, args, imm)
    }

    /// Integer constant.
    pub fn iconst(&mut self, ty: Ty, value: u64) -> Value {
        let imm = if ty == Ty::I32 {
            value as u32 as i64
        } else {
            value as i64
        };
        let recent = self.consts.iter().rev().take(8).copied();
        for v in recent {
            let i = self.block.def(v);
            if i.imm == imm && i.ty == ty {
                return v;
            }
        }
        let none = Value::NONE;
        let v = self.push(Inst {
            op: Op::Const,
            ty,
            lane: 0,
            aux: 0,
            args: [none; 3],
            imm,
        });
        // A constant made inside a region is not visible behind it.
        if self.region.is_none() {
            self.consts.push(v);
        }
        v
    }

    /// 32-bit constant.
    pub fn i32(&mut self, value: u32) -> Value {
        self.iconst(Ty::I32, u64::from(value))
    }

    /// 64-bit constant.
    pub fn i64(&mut self, value: u64) -> Value {
        self.iconst(Ty::I64, value)
    }

    /// Constant of a floating-point or vector type.
    pub fn vconst(&mut self, ty: Ty, bits: u128) -> Value {
        let imm = self
            .block
            .consts
            .iter()
            .position(|c| *c == bits)
            .unwrap_or_else(|| {
                self.block.consts.push(bits);
                self.block.consts.len() - 1
            }) as i64;
        self.push(Inst {
            op: Op::ConstV,
            ty,
            lane: 0,
            aux: 0,
            args: [Value::NONE; 3],
            imm,
        })
    }

    /// The constant that `v` is, if it is one.
    pub fn as_const(&self, v: Value) -> Option<u64> {
        self.block.as_const(v)
    }

    /// Reinterprets bits; see [`Op::Bitcast`].
    pub fn bitcast(&mut self, ty: Ty, a: Value) -> Value {
        if self.block.ty(a) == ty {
            a
        } else {
            self.un(Op::Bitcast, ty, a)
        }
    }

    /// Integer comparison to 0 or 1.
    pub fn icmp(&mut self, cond: Cond, a: Value, b: Value) -> Value {
        self.op(Op::ICmp, Ty::I32, cond as u8, 0, [a, b, Value::NONE], 0)
    }

    /// Condition of a condition-code value, to 0 or 1.
    pub fn cc_test(&mut self, cc: Value, cond: Cond) -> Value {
        self.op(
            Op::CcTest,
            Ty::I32,
            cond as u8,
            0,
            [cc, Value::NONE, Value::NONE],
            0,
        )
    }

    /// `c` not 0: a, else b.
    pub fn sel(&mut self, c: Value, a: Value, b: Value) -> Value {
        let ty = self.block.ty(a);
        self.tri(Op::Sel, ty, c, a, b)
    }

    /// Bits `lsb` upward, `len` of them, zero-extended.
    pub fn extract(&mut self, ty: Ty, a: Value, lsb: u32, len: u32) -> Value {
        self.op(
            Op::ExtractU,
            ty,
            0,
            0,
            [a, Value::NONE, Value::NONE],
            i64::from(len << 8 | lsb),
        )
    }

    /// Bits `lsb` upward, `len` of them, sign-extended.
    pub fn extract_signed(&mut self, ty: Ty, a: Value, lsb: u32, len: u32) -> Value {
        self.op(
            Op::ExtractS,
            ty,
            0,
            0,
            [a, Value::NONE, Value::NONE],
            i64::from(len << 8 | lsb),
        )
    }

    /// `a` with `len` bits at `lsb` replaced by the low bits of `b`.
    pub fn deposit(&mut self, ty: Ty, a: Value, b: Value, lsb: u32, len: u32) -> Value {
        self.op(
            Op::Deposit,
            ty,
            0,
            0,
            [a, b, Value::NONE],
            i64::from(len << 8 | lsb),
        )
    }

    // ---- memory ----

    /// Loads.
    pub fn load(&mut self, ty: Ty, addr: Addr, mem: MemFlags) -> Value {
        let addr = self.fold_addr(addr);
        if let Some(v) = self.forwarded(ty, addr, mem) {
            return v;
        }
        let guess = self.guess(addr, mem);
        self.note_load(addr, mem);
        self.load_guessed(ty, addr, mem, guess)
    }

    /// Loads what is probably `guess` (if that is a value).
    pub(crate) fn load_guessed(
        &mut self,
        ty: Ty,
        addr: Addr,
        mem: MemFlags,
        guess: Value,
    ) -> Value {
        let imm = Inst::pack_mem(addr.disp, addr.shift, mem);
        self.push(Inst {
            op: Op::Load,
            ty,
            lane: 0,
            aux: 0,
            args: [addr.base, addr.index, guess],
            imm,
        })
    }

    /// Stores the low part of `value`.
    pub fn store(&mut self, addr: Addr, value: Value, mem: MemFlags) {
        let addr = self.fold_addr(addr);
        let imm = Inst::pack_mem(addr.disp, addr.shift, mem);
        self.push(Inst {
            op: Op::Store,
            ty: Ty::Void,
            lane: 0,
            aux: 0,
            args: [addr.base, addr.index, value],
            imm,
        });
        self.note_store(addr, value, mem);
    }

    /// Atomic read-modify-write; see [`Op::AtomicRmw`].
    pub fn atomic_rmw(
        &mut self,
        what: u8,
        ty: Ty,
        base: Value,
        disp: i32,
        value: Value,
        mem: MemFlags,
    ) -> Value {
        let imm = Inst::pack_mem(disp, 0, mem);
        self.push(Inst {
            op: Op::AtomicRmw,
            ty,
            lane: what,
            aux: 0,
            args: [base, Value::NONE, value],
            imm,
        })
    }

    /// Compare and swap; see [`Op::AtomicCas`].
    pub fn atomic_cas(
        &mut self,
        ty: Ty,
        base: Value,
        disp: i32,
        exp: Value,
        new: Value,
        mem: MemFlags,
    ) -> Value {
        let imm = Inst::pack_mem(disp, 0, mem);
        self.push(Inst {
            op: Op::AtomicCas,
            ty,
            lane: 0,
            aux: 0,
            args: [base, exp, new],
            imm,
        })
    }

    /// Folds constants into the displacement (32-bit addresses wrap, so this is exact there only).
    fn fold_addr(&self, mut addr: Addr) -> Addr {
        if addr.index.is_some() {
            let def = self.block.def(addr.index);
            if def.ty == Ty::I32 && def.op == Op::Const {
                let index = (def.imm as i32) << (addr.shift & 3);
                addr.disp = addr.disp.wrapping_add(index);
                addr.index = Value::NONE;
            }
        }
        if addr.base.is_some() {
            let def = self.block.def(addr.base);
            if def.ty == Ty::I32 && def.op == Op::Const {
                addr.disp = addr.disp.wrapping_add(def.imm as i32);
                addr.base = Value::NONE;
            }
        }
        addr
    }

    // ---- control ----

    /// Marks the start of a guest instruction.
    pub fn insn_start(&mut self, pc: u64, mode: u32) {
        debug_assert!(mode < 1 << 16);
        self.block.guest_insns += 1;
        let (lane, aux) = (mode as u8, (mode >> 8) as u8);
        self.push(Inst {
            op: Op::InsnStart,
            ty: Ty::Void,
            lane,
            aux,
            args: [Value::NONE; 3],
            imm: pc as i64,
        });
    }

    /// Leaves the block. Outside a region this ends it.
    pub fn exit(&mut self, info: ExitInfo, operand: Value) {
        let imm = self.block.exits.len() as i64;
        self.block.exits.push(info);
        let args = [operand, Value::NONE, Value::NONE];
        self.push(Inst {
            op: Op::Exit,
            ty: Ty::Void,
            lane: 0,
            aux: 0,
            args,
            imm,
        });
    }

    /// Leaves the block if `cond` (I32) is not 0.
    pub fn exit_if(&mut self, cond: Value, info: ExitInfo, operand: Value) {
        self.begin_if(cond, RegionKind::Leaves);
        self.exit(info, operand);
        self.end_if();
    }

    /// A full memory barrier.
    pub fn fence(&mut self) {
        self.push(Inst {
            op: Op::Fence,
            ty: Ty::Void,
            lane: 0,
            aux: 0,
            args: [Value::NONE; 3],
            imm: 0,
        });
    }

    /// Starts a region that runs only if `cond` (I32) is not 0.
    pub fn begin_if(&mut self, cond: Value, kind: RegionKind) {
        assert!(self.region.is_none(), "predicated regions do not nest");
        self.settle_flags();
        match kind {
            RegionKind::Leaves => {}
            RegionKind::Simple => self.settle_dirty(8),
            RegionKind::Calls => self.settle_dirty(4),
        }
        let leaves = kind == RegionKind::Leaves;
        let args = [cond, Value::NONE, Value::NONE];
        self.push(Inst {
            op: Op::CondBegin,
            ty: Ty::Void,
            lane: 0,
            aux: leaves as u8,
            args,
            imm: 0,
        });
        self.saved.copy_from(&self.units);
        self.region = Some(Region {
            changed: Vec::new(),
            kind,
        });
    }

    /// Whether a predicated region is open.
    pub fn in_region(&self) -> bool {
        self.region.is_some()
    }

    /// Ends the region: guest registers that it changed become merges of both ways.
    pub fn end_if(&mut self) {
        let Some(region) = self.region.take() else {
            return;
        };
        if region.kind == RegionKind::Leaves {
            self.push(Inst {
                op: Op::CondEnd,
                ty: Ty::Void,
                lane: 0,
                aux: 0,
                args: [Value::NONE; 3],
                imm: 0,
            });
            std::mem::swap(&mut self.units, &mut self.saved);
            return;
        }
        // Constants made from here to the end of the region are not visible behind it either.
        let visible = self.consts.len();
        let mut merges = Vec::new();
        for slot in self.disjoint(region.changed) {
            let new = self.exact(&self.units, slot);
            let old = self.exact(&self.saved, slot);
            match (old, new) {
                (Some(old), Some(new)) => {
                    let new = self.bitcast(self.block.ty(old), new);
                    merges.push((slot, old, new));
                }
                _ => self.merge_units(slot, &mut merges),
            }
        }
        self.push(Inst {
            op: Op::CondEnd,
            ty: Ty::Void,
            lane: 0,
            aux: 0,
            args: [Value::NONE; 3],
            imm: 0,
        });
        self.consts.truncate(visible);
        self.units.keep_common(&self.saved);
        // All merges first: they must directly follow the end of the region.
        let merged: Vec<(Slot, Value)> = merges
            .into_iter()
            .map(|(slot, old, new)| {
                let ty = self.block.ty(old);
                let args = [old, new, Value::NONE];
                (
                    slot,
                    self.push(Inst {
                        op: Op::Merge,
                        ty,
                        lane: 0,
                        aux: 0,
                        args,
                        imm: 0,
                    }),
                )
            })
            .collect();
        for (slot, value) in merged {
            self.push_set(Op::Set, slot, value);
            self.note(slot, value, true);
        }
    }

    /// At the end of a region: a slot whose old and new contents are not both one value. Units that were dirty
    /// before the region (4-byte values: the larger ones were settled) are merged, the others are up to date in
    /// the state block on the other way, and brought up to date on this one.
    fn merge_units(&mut self, slot: Slot, merges: &mut Vec<(Slot, Value, Value)>) {
        for unit in slot.unit()..slot.unit() + slot.units() {
            let piece = Slot {
                off: (unit * 4) as u16,
                ty: Ty::F32,
            };
            match self.exact(&self.saved, piece) {
                Some(old) if self.saved[unit].dirty => {
                    let new = self.get(piece);
                    let new = self.bitcast(self.block.ty(old), new);
                    merges.push((piece, old, new));
                }
                _ => self.sync_range(piece),
            }
        }
    }

    /// Disjoint slots that cover all of `slots`: the largest, and single units of those that overlap one in part.
    fn disjoint(&self, mut slots: Vec<Slot>) -> Vec<Slot> {
        slots.sort_by_key(|s| (s.off, std::cmp::Reverse(s.ty.bytes())));
        let mut out: Vec<Slot> = Vec::new();
        let mut covered = 0;
        for s in slots {
            let end = s.unit() + s.units();
            if covered <= s.unit() {
                out.push(s);
            } else {
                out.extend((covered..end).map(|u| Slot {
                    off: (u * 4) as u16,
                    ty: Ty::F32,
                }));
            }
            covered = covered.max(end);
        }
        out
    }

    // ---- helpers ----

    /// Calls a helper. Arguments must have the declared types.
    pub fn call(&mut self, id: HelperId, def: &HelperDef, args: &[Value]) -> Value {
        debug_assert_eq!(args.len(), def.args.len());
        let start = self.block.pool.len() as u32;
        self.block.pool.extend_from_slice(args);
        let inst = Inst {
            op: Op::Call,
            ty: def.ret,
            lane: def.effects as u8,
            aux: 0,
            args: [Value(start), Value(args.len() as u32), Value::NONE],
            imm: i64::from(id.0),
        };
        let v = self.push(inst);
        if def.effects.touch_state() {
            self.forget_state();
        }
        v
    }

    /// Forgets all that is known of the state block (after something else wrote it).
    pub fn forget_state(&mut self) {
        debug_assert!(
            self.region
                .as_ref()
                .is_none_or(|r| r.kind != RegionKind::Simple),
            "a helper that touches the state in a simple region"
        );
        self.units.forget_all();
    }

    // ---- state slots ----

    /// Sets flags: each slot to a condition of `cc`. The same as `set` of `cc_test`, but flags that are set again
    /// before anything can see them cost nothing.
    pub fn set_flags(&mut self, cc: Value, flags: &[(Slot, Cond)]) {
        for &(slot, cond) in flags {
            if self.region.is_some() {
                let v = self.cc_test(cc, cond);
                self.set(slot, v);
                continue;
            }
            self.drop_pending(slot);
            self.pending.push(PendingFlag {
                slot,
                cc,
                cond,
                value: Value::NONE,
            });
        }
    }

    /// Tells the block of the flags that it has not been told of.
    fn settle_flags(&mut self) {
        let mut pending = std::mem::take(&mut self.pending);
        for p in &pending {
            let v = match p.value.is_some() {
                true => p.value,
                false => self.cc_test(p.cc, p.cond),
            };
            self.set(p.slot, v);
        }
        pending.clear();
        self.pending = pending;
    }

    /// The value of a pending flag.
    fn pending_flag(&mut self, slot: Slot) -> Option<Value> {
        let k = self.pending.iter().position(|p| overlap(p.slot, slot))?;
        let p = self.pending[k];
        if p.slot != slot {
            self.settle_flags();
            return None;
        }
        if !p.value.is_some() {
            self.pending[k].value = self.cc_test(p.cc, p.cond);
        }
        Some(self.pending[k].value)
    }

    /// `slot` is about to be overwritten.
    fn drop_pending(&mut self, slot: Slot) {
        let Some(k) = self.pending.iter().position(|p| overlap(p.slot, slot)) else {
            return;
        };
        if self.pending[k].slot == slot {
            self.pending.swap_remove(k);
        } else {
            self.settle_flags();
        }
    }

    /// The current value of a slot.
    pub fn get(&mut self, slot: Slot) -> Value {
        if let Some(v) = self.pending_flag(slot) {
            return self.bitcast(slot.ty, v);
        }
        if let Some(v) = self.exact(&self.units, slot) {
            return self.bitcast(slot.ty, v);
        }
        let range = &self.units[slot.unit()..slot.unit() + slot.units()];
        if range.iter().all(|u| !u.dirty) && range.iter().any(|u| u.value == Value::NONE) {
            return self.load_slot(slot);
        }
        self.assemble(slot)
    }

    /// Sets a slot.
    pub fn set(&mut self, slot: Slot, value: Value) {
        debug_assert_eq!(self.block.ty(value).bytes(), slot.ty.bytes());
        self.drop_pending(slot);
        self.split_neighbours(slot);
        if let Some(region) = &mut self.region {
            region.changed.push(slot);
        }
        self.push_set(Op::Set, slot, value);
        self.note(slot, value, true);
    }

    fn push_set(&mut self, op: Op, slot: Slot, value: Value) {
        let args = [value, Value::NONE, Value::NONE];
        let ty = Ty::Void;
        self.push(Inst {
            op,
            ty,
            lane: slot.ty as u8,
            aux: 0,
            args,
            imm: i64::from(slot.off),
        });
    }

    fn note(&mut self, slot: Slot, value: Value, dirty: bool) {
        self.units.note(slot.unit(), slot.units(), value, dirty);
    }

    /// The value that is exactly this slot's content, if one is known.
    fn exact(&self, units: &Units, slot: Slot) -> Option<Value> {
        let range = units.get(slot.unit()..slot.unit() + slot.units())?;
        let v = range[0].value;
        if !v.is_some() || self.block.ty(v).bytes() != slot.ty.bytes() {
            return None;
        }
        range
            .iter()
            .enumerate()
            .all(|(k, u)| u.value == v && usize::from(u.part) == k)
            .then_some(v)
    }

    fn load_slot(&mut self, slot: Slot) -> Value {
        let args = [Value::NONE; 3];
        let inst = Inst {
            op: Op::Get,
            ty: slot.ty,
            lane: 0,
            aux: 0,
            args,
            imm: i64::from(slot.off),
        };
        let v = self.push(inst);
        self.note(slot, v, false);
        v
    }

    /// Makes a slot's value out of parts of other views.
    fn assemble(&mut self, slot: Slot) -> Value {
        let first = self.units[slot.unit()];
        if slot.units() == 1 {
            let v = self.part32(first);
            return self.bitcast(slot.ty, v);
        }
        // A half of a larger value.
        let whole = first.value.is_some()
            && self.units[slot.unit()..slot.unit() + slot.units()]
                .iter()
                .enumerate()
                .all(|(k, u)| {
                    u.value == first.value && usize::from(u.part) == usize::from(first.part) + k
                });
        if whole {
            let v = match first.part {
                0 => self.un(Op::Bitcast, Ty::V64, first.value),
                _ => self.un(Op::VHigh, Ty::V64, first.value),
            };
            return self.bitcast(slot.ty, v);
        }
        let half = match slot.ty.bytes() {
            16 => Ty::V64,
            _ => Ty::I32,
        };
        let step = half.bytes() as u16;
        let lo = self.get(Slot {
            off: slot.off,
            ty: half,
        });
        let hi = self.get(Slot {
            off: slot.off + step,
            ty: half,
        });
        let joined = match half {
            Ty::V64 => self.bin(Op::VConcat, Ty::V128, lo, hi),
            _ => self.bin(Op::Concat, Ty::I64, lo, hi),
        };
        self.bitcast(slot.ty, joined)
    }

    /// The I32 or F32 value of one unit.
    fn part32(&mut self, unit: crate::units::Unit) -> Value {
        match self.block.ty(unit.value) {
            Ty::I64 if unit.part == 0 => self.un(Op::Trunc, Ty::I32, unit.value),
            Ty::I64 => self.un(Op::Hi32, Ty::I32, unit.value),
            Ty::V128 | Ty::V64 | Ty::F64 if unit.part == 0 => {
                self.un(Op::Bitcast, Ty::F32, unit.value)
            }
            Ty::V128 => {
                let v = self.vun(Op::VGet, Ty::I32, 2, unit.value, i64::from(unit.part));
                self.bitcast(Ty::F32, v)
            }
            _ => self.un(Op::VHigh, Ty::F32, unit.value),
        }
    }

    /// Before `slot` is overwritten: dirty values that reach beyond it are set again as the pieces that remain.
    fn split_neighbours(&mut self, slot: Slot) {
        let (lo, hi) = (slot.unit(), slot.unit() + slot.units());
        for edge in [lo, hi - 1] {
            let u = self.units[edge];
            if !u.dirty || !u.value.is_some() {
                continue;
            }
            let start = edge - usize::from(u.part);
            let end = start + self.block.ty(u.value).bytes() as usize / 4;
            if start >= lo && end <= hi {
                continue;
            }
            // Make 4-byte or 8-byte pieces of everything outside.
            let mut i = start;
            while i < end {
                let wide = i % 2 == 0 && i + 1 < end && !(i < hi && i + 1 >= lo);
                let ty = if wide { Ty::V64 } else { Ty::F32 };
                let outside = i < lo || i >= hi;
                if outside && self.units[i].value == u.value && self.units[i].dirty {
                    let piece = Slot {
                        off: (i * 4) as u16,
                        ty,
                    };
                    let v = self.get(piece);
                    if let Some(region) = &mut self.region {
                        region.changed.push(piece);
                    }
                    self.push_set(Op::Set, piece, v);
                    self.note(piece, v, true);
                }
                i += if wide { 2 } else { 1 };
            }
        }
    }

    /// Stores all dirty values of at least `min` bytes, so that the state block is up to date on every way
    /// through a region (which merges simple values only).
    fn settle_dirty(&mut self, min: u32) {
        let mut i = 0;
        for range in self.units.known() {
            i = range.start.max(i);
            while i < range.end {
                i += self.settle_unit(i, min);
            }
        }
    }

    /// The value that begins at a unit; the number of units that have been looked at.
    fn settle_unit(&mut self, i: usize, min: u32) -> usize {
        let u = self.units[i];
        let mut step = 1;
        if u.dirty && self.block.ty(u.value).bytes() >= min {
            let whole = Slot {
                off: (i * 4) as u16,
                ty: self.block.ty(u.value),
            };
            let slot = match self.exact(&self.units, whole) {
                Some(_) => whole,
                None => Slot {
                    off: whole.off,
                    ty: Ty::F32,
                },
            };
            let v = self.get(slot);
            self.push_set(Op::Sync, slot, v);
            self.note(slot, v, false);
            step = slot.units();
        }
        step
    }

    /// Stores whatever is dirty within a range, and forgets it.
    fn sync_range(&mut self, slot: Slot) {
        let mut i = slot.unit();
        let end = slot.unit() + slot.units();
        while i < end {
            let u = self.units[i];
            let mut step = 1;
            if u.dirty {
                let ty = self.block.ty(u.value);
                let whole = Slot {
                    off: (i * 4) as u16,
                    ty,
                };
                let fits = u.part == 0
                    && i + whole.units() <= end
                    && self.exact(&self.units, whole).is_some();
                let piece = if fits {
                    whole
                } else {
                    Slot {
                        off: (i * 4) as u16,
                        ty: Ty::F32,
                    }
                };
                let v = self.get(piece);
                self.push_set(Op::Sync, piece, v);
                step = piece.units();
            }
            i += step;
        }
        self.units.forget(slot.unit()..end);
    }

    /// The layout of the state block.
    pub fn layout(&self) -> &'a StateLayout {
        self.layout
    }
}
