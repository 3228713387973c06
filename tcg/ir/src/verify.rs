//! Checks that a block is well formed: types and parameters of every instruction, definitions before uses, the
//! rules of predicated regions, laziness of the guest state, and the way out. Reference: [`crate::Op`].
//!
//! What passes runs in the interpreter without [`Broken`] and is what backends may rely on.

use crate::interp::Broken;
use crate::sig::Sig;
use crate::{Block, Effects, ExitKind, HelperDef, Inst, Op, StateLayout, Ty, Value};

/// Checks a block; `helpers` is the table that its calls refer to.
pub fn verify(block: &Block, layout: &StateLayout, helpers: &[HelperDef]) -> Result<(), Broken> {
    let mut v = Verifier {
        block,
        layout,
        helpers,
        scope: Vec::with_capacity(block.insts.len()),
        region: None,
        regions: 0,
        merges: None,
        dirty: Ranges::default(),
        pending: Ranges::default(),
    };
    for (i, inst) in block.insts.iter().enumerate() {
        v.inst(i, inst).map_err(|why| Broken {
            at: Value(i as u32),
            why: format!("{}: {why}", inst.op.name()),
        })?;
        v.scope.push(v.region.as_ref().map_or(0, |r| r.number));
    }
    let fail = |why: &str| {
        let at = Value(block.insts.len() as u32);
        let why = why.to_string();
        Err(Broken { at, why })
    };
    match block.insts.last() {
        _ if v.region.is_some() => fail("a predicated region is open at the end"),
        Some(last) if last.op == Op::Exit => Ok(()),
        _ => fail("the block does not end in an exit"),
    }
}

/// Parts of the state block, as disjoint (start, end).
#[derive(Clone, Default)]
struct Ranges(Vec<(i64, i64)>);

impl Ranges {
    fn touches(&self, (lo, hi): (i64, i64)) -> Option<(i64, i64)> {
        self.0.iter().copied().find(|(a, b)| *a < hi && lo < *b)
    }

    fn remove(&mut self, (lo, hi): (i64, i64)) {
        let pieces = self
            .0
            .iter()
            .flat_map(|&(a, b)| [(a, b.min(lo)), (a.max(hi), b)]);
        self.0 = pieces.filter(|(a, b)| a < b).collect();
    }

    fn add(&mut self, range: (i64, i64)) {
        self.remove(range);
        self.0.push(range);
    }
}

/// The open predicated region.
struct Region {
    number: u32,
    leaves: bool,
    /// What was dirty before it.
    before: Ranges,
    /// What was set in it and not stored.
    set: Ranges,
}

/// Where `Merge` may stand.
#[derive(Clone, Copy)]
struct Merges {
    /// Index of the `CondEnd`.
    end: usize,
    /// The region that ended.
    number: u32,
}

struct Verifier<'a> {
    block: &'a Block,
    layout: &'a StateLayout,
    helpers: &'a [HelperDef],
    /// By value: the region that defines it, 0 for none.
    scope: Vec<u32>,
    region: Option<Region>,
    regions: u32,
    merges: Option<Merges>,
    dirty: Ranges,
    /// Set in the region that has just ended, and not yet set again behind it.
    pending: Ranges,
}

impl Verifier<'_> {
    fn inst(&mut self, i: usize, inst: &Inst) -> Result<(), String> {
        if inst.op != Op::Merge {
            self.merges = None;
        }
        let settles = matches!(inst.op, Op::Merge | Op::Set | Op::Sync);
        if let Some((lo, _)) = self.pending.0.first().filter(|_| !settles) {
            return Err(format!(
                "the slot at {lo:#x} was set in the region and is not merged behind it"
            ));
        }
        if let Some(sig) = Sig::of(inst.op) {
            let types = self.operand_types(inst)?;
            sig.check_types(inst.op, inst.ty, types)?;
            return sig.check_parameters(inst, types);
        }
        match inst.op {
            Op::Load | Op::Store | Op::AtomicRmw | Op::AtomicCas => self.memory(inst),
            Op::Get | Op::Set | Op::Sync => self.slot(inst),
            Op::Call => self.call(inst),
            Op::CondBegin | Op::CondEnd | Op::Exit => self.control(i, inst),
            Op::Merge => self.merge(inst),
            _ => self.marker(inst),
        }
    }

    /// The type of a value that may be used here.
    fn usable(&self, v: Value) -> Result<Ty, String> {
        let Some(scope) = self.scope.get(v.index()) else {
            return Err(format!("v{} is used before it is defined", v.0));
        };
        let here = self.region.as_ref().map_or(0, |r| r.number);
        if *scope != 0 && *scope != here {
            return Err(format!("v{} belongs to a region that has ended", v.0));
        }
        match self.block.ty(v) {
            Ty::Void => Err(format!("v{} has no value", v.0)),
            ty => Ok(ty),
        }
    }

    fn operand_types(&self, inst: &Inst) -> Result<[Ty; 3], String> {
        let mut types = [Ty::Void; 3];
        for (ty, v) in types.iter_mut().zip(inst.args) {
            if v.is_some() {
                *ty = self.usable(v)?;
            }
        }
        Ok(types)
    }

    /// Operands and result of an operation outside of the signature table.
    fn shape(&self, inst: &Inst, result: Ty, args: [Option<Ty>; 3]) -> Result<(), String> {
        if inst.ty != result {
            let (want, got) = (result.name(), inst.ty.name());
            return Err(format!("the result is {want}, not {got}"));
        }
        for (k, (want, got)) in args.iter().zip(self.operand_types(inst)?).enumerate() {
            let want = want.unwrap_or(Ty::Void);
            if want != got {
                let (want, got) = (want.name(), got.name());
                return Err(format!("operand {k} is {got} where {want} is needed"));
            }
        }
        Ok(())
    }

    fn marker(&self, inst: &Inst) -> Result<(), String> {
        let none = [None; 3];
        match inst.op {
            Op::InsnStart | Op::Fence => self.shape(inst, Ty::Void, none),
            Op::FpFlagsGet => self.shape(inst, Ty::I32, none),
            Op::FpFlagsSet => self.shape(inst, Ty::Void, [Some(Ty::I32), None, None]),
            Op::ConstV => {
                self.shape(inst, inst.ty, none)?;
                if !inst.ty.is_vec_class() {
                    return Err(format!("a constant of type {}", inst.ty.name()));
                }
                let index = usize::try_from(inst.imm).unwrap_or(usize::MAX);
                match self.block.consts.get(index) {
                    Some(_) => Ok(()),
                    None => Err(format!("there is no constant {}", inst.imm)),
                }
            }
            _ => Err("the verifier does not know this operation".to_string()),
        }
    }

    fn control(&mut self, i: usize, inst: &Inst) -> Result<(), String> {
        match inst.op {
            Op::CondBegin => {
                if self.region.is_some() {
                    return Err("predicated regions do not nest".to_string());
                }
                self.shape(inst, Ty::Void, [Some(Ty::I32), None, None])?;
                if inst.aux > 1 {
                    return Err(format!("aux {} is not allowed", inst.aux));
                }
                self.regions += 1;
                self.region = Some(Region {
                    number: self.regions,
                    leaves: inst.aux == 1,
                    before: self.dirty.clone(),
                    set: Ranges::default(),
                });
                Ok(())
            }
            Op::CondEnd => self.end_region(i, inst),
            _ => self.exit(i, inst),
        }
    }

    fn end_region(&mut self, i: usize, inst: &Inst) -> Result<(), String> {
        self.shape(inst, Ty::Void, [None; 3])?;
        let region = self.region.take().ok_or("no predicated region is open")?;
        let after_exit = i > 0 && self.block.insts[i - 1].op == Op::Exit;
        if region.leaves {
            if !after_exit {
                return Err("a region that leaves does not end in an exit".to_string());
            }
            self.dirty = region.before;
            return Ok(());
        }
        self.merges = Some(Merges {
            end: i,
            number: region.number,
        });
        self.pending = region.set;
        for range in region.before.0 {
            self.dirty.add(range);
        }
        Ok(())
    }

    fn merge(&self, inst: &Inst) -> Result<(), String> {
        let Some(m) = self.merges else {
            return Err("not directly behind the end of a region that falls through".to_string());
        };
        let [old, new, rest] = inst.args;
        for v in [old, new] {
            if v.index() >= m.end {
                return Err(format!(
                    "v{} is not defined before the end of the region",
                    v.0 as i32
                ));
            }
        }
        let scope = self.scope[new.index()];
        if scope != 0 && scope != m.number {
            return Err(format!("v{} belongs to another region", new.0));
        }
        let ty = self.usable(old)?;
        if self.block.ty(new) != ty || inst.ty != ty || ty == Ty::Cc || rest.is_some() {
            return Err(format!(
                "{} and {} to {}",
                ty.name(),
                self.block.ty(new).name(),
                inst.ty.name()
            ));
        }
        Ok(())
    }

    fn exit(&self, i: usize, inst: &Inst) -> Result<(), String> {
        let next = self.block.insts.get(i + 1).map(|n| n.op);
        match &self.region {
            None if next.is_some() => return Err("instructions behind the exit".to_string()),
            Some(r) if !r.leaves => {
                return Err("in a region that is marked as falling through".to_string());
            }
            Some(_) if next != Some(Op::CondEnd) => {
                return Err("not at the end of its region".to_string());
            }
            _ => {}
        }
        let index = usize::try_from(inst.imm).unwrap_or(usize::MAX);
        let info = self.block.exits.get(index);
        let info = info.ok_or_else(|| format!("there is no exit {}", inst.imm))?;
        let types = self.operand_types(inst)?;
        let ok = match info.kind {
            ExitKind::Direct | ExitKind::DirectCall => types[0] == Ty::Void,
            ExitKind::Indirect(_) => types[0].is_int(),
            ExitKind::Trap { .. } => types[0] == Ty::Void || types[0].is_int(),
        };
        if !ok || types[1] != Ty::Void || types[2] != Ty::Void || inst.ty != Ty::Void {
            return Err(format!("operand {} of {:?}", types[0].name(), info.kind));
        }
        if info.mode_dynamic && info.kind == ExitKind::DirectCall {
            return Err("a direct call with a dynamic mode".to_string());
        }
        let known = self.layout.peek.len() as u32;
        if known < 32 && info.dead >> known != 0 {
            return Err(format!("dead slots {:#x} of {known}", info.dead));
        }
        Ok(())
    }

    fn slot(&mut self, inst: &Inst) -> Result<(), String> {
        let ty = if inst.op == Op::Get {
            self.shape(inst, inst.ty, [None; 3])?;
            inst.ty
        } else {
            let ty = self.operand_types(inst)?[0];
            self.shape(inst, Ty::Void, [Some(ty), None, None])?;
            let slot = Ty::ALL
                .get(usize::from(inst.lane))
                .copied()
                .unwrap_or(Ty::Void);
            if slot.bytes() != ty.bytes() {
                return Err(format!("{} into a slot of type {}", ty.name(), slot.name()));
            }
            ty
        };
        let bytes = i64::from(ty.bytes());
        if bytes == 0 {
            return Err(format!("a slot of type {}", ty.name()));
        }
        let range = (inst.imm, inst.imm.saturating_add(bytes));
        if inst.imm < 0 || range.1 > self.layout.bytes as i64 || inst.imm % 4 != 0 {
            return Err(format!(
                "the slot at {:#x} is misaligned or outside of the state",
                inst.imm
            ));
        }
        if inst.op == Op::Get {
            return match self.dirty.touches(range) {
                Some((lo, hi)) => Err(format!(
                    "the slot at {:#x} overlaps {lo:#x}..{hi:#x}, which is dirty",
                    inst.imm
                )),
                None => Ok(()),
            };
        }
        self.write_slot(inst.op, range)
    }

    fn write_slot(&mut self, op: Op, range: (i64, i64)) -> Result<(), String> {
        self.pending.remove(range);
        let falls = self.region.as_mut().filter(|r| !r.leaves);
        if op == Op::Set {
            self.dirty.add(range);
            if let Some(region) = falls {
                region.set.add(range);
            }
            return Ok(());
        }
        self.dirty.remove(range);
        if let Some(region) = falls {
            region.set.remove(range);
            if let Some((lo, _)) = region.before.touches(range) {
                return Err(format!("the slot at {lo:#x} is dirty before the region"));
            }
        }
        Ok(())
    }

    fn call(&mut self, inst: &Inst) -> Result<(), String> {
        let effects = Effects::from_index(inst.lane).ok_or("no such effects")?;
        let def = usize::try_from(inst.imm)
            .ok()
            .and_then(|i| self.helpers.get(i));
        let def = def.ok_or_else(|| format!("there is no helper {}", inst.imm))?;
        if def.effects != effects || def.ret != inst.ty {
            return Err(format!(
                "{} is {:?} and gives {}",
                def.name,
                def.effects,
                def.ret.name()
            ));
        }
        let (start, count) = (inst.args[0].0 as usize, inst.args[1].0 as usize);
        let args = start
            .checked_add(count)
            .and_then(|end| self.block.pool.get(start..end));
        let args = args.ok_or("arguments outside of the pool")?;
        if args.len() != def.args.len() {
            return Err(format!(
                "{} takes {} arguments, not {count}",
                def.name,
                def.args.len()
            ));
        }
        for (k, (v, want)) in args.iter().zip(def.args).enumerate() {
            let got = self.usable(*v)?;
            if got != *want {
                let (want, got) = (want.name(), got.name());
                return Err(format!("argument {k} of {} is {got}, not {want}", def.name));
            }
        }
        if !effects.touch_state() {
            return Ok(());
        }
        if let Some(region) = self.region.as_mut().filter(|r| !r.leaves) {
            if let Some((lo, _)) = region.before.0.first() {
                return Err(format!("the slot at {lo:#x} is dirty before the region"));
            }
            region.set = Ranges::default();
        }
        self.dirty = Ranges::default();
        Ok(())
    }

    fn memory(&self, inst: &Inst) -> Result<(), String> {
        let [base, second, value] = self.operand_types(inst)?;
        let flags = inst.mem();
        let indexed = matches!(inst.op, Op::Load | Op::Store);
        let whole = Inst::pack_mem(inst.disp(), inst.index_shift(), flags);
        let order = flags.0 >> 8;
        if whole != inst.imm || order > 2 || (!indexed && inst.index_shift() != 0) {
            return Err(format!("immediate {:#x} is not allowed", inst.imm));
        }
        let mut address = vec![base];
        if indexed {
            address.push(second);
        }
        address.retain(|t| *t != Ty::Void);
        let mixed = address.iter().any(|t| !t.is_int() || *t != address[0]);
        if mixed || (!indexed && base == Ty::Void) {
            return Err(format!("address of {} and {}", base.name(), second.name()));
        }
        if inst.lane > 9 || (inst.op != Op::AtomicRmw && inst.lane != 0) {
            return Err(format!("lane {} is not allowed", inst.lane));
        }
        let (ty, ok) = match inst.op {
            Op::Load => {
                let guess = value == Ty::I64 && flags.log2() == 3 && flags.0 >> 5 == 0;
                (inst.ty, value == Ty::Void || guess)
            }
            Op::Store => (value, inst.ty == Ty::Void),
            Op::AtomicRmw => (
                value,
                inst.ty == value && value.is_int() && second == Ty::Void,
            ),
            _ => {
                let whole = value == Ty::V128 && flags.log2() == 4;
                let fits = value.is_int() || whole;
                (value, inst.ty == value && fits && second == value)
            }
        };
        if !ok {
            return Err(format!(
                "{} and {} to {}",
                second.name(),
                value.name(),
                inst.ty.name()
            ));
        }
        let signed_ok = inst.op == Op::Load && ty.is_int();
        if flags.bytes() > ty.bytes() || (flags.is_signed() && !signed_ok) {
            return Err(format!(
                "an access of {flags:?} with a value of type {}",
                ty.name()
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
