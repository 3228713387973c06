//! Writes the text form.

use std::fmt::Write;

use super::{EXITS, lane_names, usual_type};
use crate::sig::{Imm, Sig};
use crate::{
    Block, ExitKind, FpMode, FpNan, HelperDef, Inst, Op, OpClass, Slot, StateLayout, Ty, Value,
};

/// The text form of a block.
pub fn print(block: &Block, layout: &StateLayout, helpers: &[HelperDef]) -> String {
    let mut out = format!("block {:#x}", block.pc);
    key(&mut out, "mode", u64::from(block.mode));
    if block.start_pc != block.pc {
        key(&mut out, "start", block.start_pc);
    }
    key(&mut out, "end", block.end_pc);
    key(&mut out, "insns", u64::from(block.guest_insns));
    out.push('\n');
    for (k, fp) in block.fp.iter().enumerate() {
        regime(&mut out, k, fp);
    }
    let printer = Printer {
        block,
        layout,
        helpers,
    };
    for (i, inst) in block.insts.iter().enumerate() {
        let line = printer.line(i, inst);
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// ` name=value`, left out if it is 0.
fn key(out: &mut String, name: &str, value: u64) {
    match value {
        0 => {}
        1..=255 => out.push_str(&format!(" {name}={value}")),
        _ => out.push_str(&format!(" {name}={value:#x}")),
    }
}

/// A regime; the usual ones are left out.
fn regime(out: &mut String, k: usize, fp: &FpMode) {
    if *fp == [FpMode::IEEE, FpMode::FLUSHING][k & 1] {
        return;
    }
    let round = super::ROUNDINGS[fp.round as usize];
    let _ = write!(out, "fp{k} round={round}");
    let words = [
        (fp.flush, " flush"),
        (fp.default_nan, " default_nan"),
        (fp.nan == FpNan::First, " first_nan"),
        (fp.alt_half, " alt_half"),
        (fp.nan == FpNan::FirstThenAddend, " first_then_addend"),
        (fp.tiny_before, " tiny_before"),
        (fp.silent, " silent"),
    ];
    for (_, word) in words.iter().filter(|w| w.0) {
        out.push_str(word);
    }
    out.push('\n');
}

fn name(v: Value) -> String {
    match v.is_some() {
        true => format!("v{}", v.0),
        false => "_".to_string(),
    }
}

struct Printer<'a> {
    block: &'a Block,
    layout: &'a StateLayout,
    helpers: &'a [HelperDef],
}

impl Printer<'_> {
    fn line(&self, i: usize, inst: &Inst) -> String {
        let mut out = String::new();
        if inst.ty != Ty::Void {
            let _ = write!(out, "v{i} = ");
        }
        out.push_str(inst.op.name());
        let typed = inst.ty != usual_type(inst.op) && inst.op != Op::Get;
        if typed {
            let _ = write!(out, ".{}", inst.ty.name());
        }
        out.push(' ');
        match inst.op {
            Op::InsnStart => {
                let mode = u64::from(inst.lane) | u64::from(inst.aux) << 8;
                let _ = write!(out, "{:#x}", inst.imm);
                key(&mut out, "mode", mode);
            }
            Op::Get => out.push_str(&self.slot(inst.imm, inst.ty)),
            Op::Set | Op::Sync => {
                let ty = Ty::ALL.get(usize::from(inst.lane)).copied();
                let slot = self.slot(inst.imm, ty.unwrap_or(Ty::Void));
                let _ = write!(out, "{slot}, {}", name(inst.args[0]));
            }
            Op::Const => {
                let _ = write!(out, "{:#x}", inst.imm);
            }
            Op::ConstV => {
                let index = usize::try_from(inst.imm).unwrap_or(usize::MAX);
                let bits = self.block.consts.get(index).copied().unwrap_or(0);
                let _ = write!(out, "{bits:#x}");
            }
            Op::Call => self.call(&mut out, inst),
            Op::Exit => self.exit(&mut out, inst),
            Op::Load | Op::Store | Op::AtomicRmw | Op::AtomicCas => memory(&mut out, inst),
            _ => {
                operands(&mut out, &inst.args);
                lane(&mut out, inst);
                immediate(&mut out, inst);
            }
        }
        out
    }

    fn slot(&self, off: i64, ty: Ty) -> String {
        match u16::try_from(off) {
            Ok(off) => self.layout.name(Slot { off, ty }),
            Err(_) => format!("s{off:x}.{}", ty.name()),
        }
    }

    fn call(&self, out: &mut String, inst: &Inst) {
        let id = usize::try_from(inst.imm).unwrap_or(usize::MAX);
        let def = self.helpers.get(id);
        let unique =
            |d: &&HelperDef| self.helpers.iter().position(|h| h.name == d.name) == Some(id);
        match def.filter(unique) {
            Some(def) => out.push_str(def.name),
            None => {
                let _ = write!(out, "helper{}", inst.imm);
            }
        }
        let (start, count) = (inst.args[0].0 as usize, inst.args[1].0 as usize);
        let end = start.saturating_add(count);
        let args = self.block.pool.get(start..end).unwrap_or(&[]);
        let args: Vec<String> = args.iter().map(|v| name(*v)).collect();
        let _ = write!(out, "({})", args.join(", "));
        if def.map(|d| d.effects as u8) != Some(inst.lane) {
            let _ = write!(out, " lane={}", inst.lane);
        }
    }

    fn exit(&self, out: &mut String, inst: &Inst) {
        let index = usize::try_from(inst.imm).unwrap_or(usize::MAX);
        let Some(info) = self.block.exits.get(index) else {
            let _ = write!(out, "imm={:#x}", inst.imm);
            return;
        };
        let same = |k: &ExitKind| match (k, info.kind) {
            (ExitKind::Trap { .. }, ExitKind::Trap { .. }) => true,
            (k, kind) => *k == kind,
        };
        let word = EXITS.iter().find(|(_, k)| same(k)).map_or("?", |(n, _)| n);
        out.push_str(word);
        if inst.args[0].is_some() {
            out.push(' ');
            operands(out, &inst.args);
        }
        if let ExitKind::Trap { code, info } = info.kind {
            key(out, "code", u64::from(code));
            key(out, "info", info);
        }
        key(out, "pc", info.pc);
        key(out, "mode", u64::from(info.mode));
        key(out, "ret", info.ret_pc);
        key(out, "dead", u64::from(info.dead));
        if info.mode_dynamic {
            out.push_str(" dynamic");
        }
        if info.check {
            out.push_str(" check");
        }
    }
}

fn operands(out: &mut String, args: &[Value]) {
    let count = args.iter().rposition(|v| v.is_some()).map_or(0, |k| k + 1);
    let names: Vec<String> = args[..count].iter().map(|v| name(*v)).collect();
    out.push_str(&names.join(", "));
}

fn lane(out: &mut String, inst: &Inst) {
    let names = lane_names(inst.op);
    let known = names.and_then(|(k, n)| Some((k, n.get(usize::from(inst.lane))?)));
    match known {
        Some((key, name)) => {
            let _ = write!(out, " {key}{name}");
        }
        None => key(out, "lane", u64::from(inst.lane)),
    }
    let word = if inst.op.class() == OpClass::Fp {
        "fp"
    } else {
        "aux"
    };
    match inst.op {
        Op::CondBegin if inst.aux == 1 => out.push_str(" leaves"),
        _ => key(out, word, u64::from(inst.aux)),
    }
}

fn immediate(out: &mut String, inst: &Inst) {
    let field = Sig::of(inst.op).is_some_and(|s| s.imm == Imm::Field);
    let (lsb, len) = (inst.imm & 0xff, inst.imm >> 8);
    if field && (1..256).contains(&len) {
        let _ = write!(out, " lsb={lsb} len={len}");
    } else {
        key(out, "imm", inst.imm as u64);
    }
}

/// `u32 [v1 + v2<<2 + 16], v3`
fn memory(out: &mut String, inst: &Inst) {
    let flags = inst.mem();
    let _ = write!(out, "{flags:?} [");
    let indexed = matches!(inst.op, Op::Load | Op::Store);
    let [base, second, value] = inst.args;
    let disp = inst.disp();
    let mut parts = Vec::new();
    if base.is_some() {
        parts.push(name(base));
    }
    if indexed && second.is_some() {
        parts.push(format!("{}<<{}", name(second), inst.index_shift()));
    }
    out.push_str(&parts.join(" + "));
    match (parts.is_empty(), disp) {
        (true, _) => {
            let _ = write!(out, "{:#x}", disp as u32);
        }
        (_, 0) => {}
        (_, 1..) => {
            let _ = write!(out, " + {disp:#x}");
        }
        _ => {
            let _ = write!(out, " - {:#x}", disp.unsigned_abs());
        }
    }
    out.push(']');
    let rest = [if indexed { Value::NONE } else { second }, value];
    for v in rest.into_iter().filter(|v| v.is_some()) {
        let _ = write!(out, ", {}", name(v));
    }
    lane(out, inst);
    let shift = if indexed { inst.index_shift() } else { 0 };
    let shown = Inst::pack_mem(disp, if second.is_some() { shift } else { 0 }, flags);
    if shown != inst.imm || flags.0 >> 8 > 2 {
        let _ = write!(out, " imm={:#x}", inst.imm);
    }
}
