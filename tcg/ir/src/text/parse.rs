//! Reads the text form. `;` starts a comment; empty lines are skipped; a value's name is any word `v…`.

use std::collections::HashMap;

use super::{EXITS, ROUNDINGS, lane_names, usual_type};
use crate::{
    Block, ExitInfo, ExitKind, FpMode, FpNan, FpRound, HelperDef, Inst, MemFlags, Op, Order, Slot,
    StateLayout, Ty, Value,
};

/// What cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

impl std::fmt::Display for TextError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

impl std::error::Error for TextError {}

/// Reads a block.
pub fn parse(text: &str, layout: &StateLayout, helpers: &[HelperDef]) -> Result<Block, TextError> {
    let mut p = Parser {
        block: Block::new(0, 0),
        layout,
        helpers,
        values: HashMap::new(),
    };
    for (i, line) in text.lines().enumerate() {
        let code = line.split(';').next().unwrap_or("");
        let words = words(code);
        if words.is_empty() {
            continue;
        }
        p.line(&words)
            .map_err(|why| TextError { line: i + 1, why })?;
    }
    Ok(p.block)
}

/// Splits at blanks and commas; brackets and parentheses stand alone.
fn words(line: &str) -> Vec<&str> {
    let mut out = Vec::new();
    for piece in line.split([' ', '\t', ',', '\r']) {
        let mut rest = piece;
        while let Some(at) = rest.find(['[', ']', '(', ')']) {
            if at > 0 {
                out.push(&rest[..at]);
            }
            out.push(&rest[at..at + 1]);
            rest = &rest[at + 1..];
        }
        if !rest.is_empty() {
            out.push(rest);
        }
    }
    out
}

fn number(word: &str) -> Result<u64, String> {
    let n = match word.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => word.parse(),
    };
    n.map_err(|_| format!("`{word}` is not a number"))
}

/// A number that has to fit.
fn small<T: TryFrom<u64>>(word: &str) -> Result<T, String> {
    T::try_from(number(word)?).map_err(|_| format!("`{word}` is too large"))
}

fn index_of(names: &[&str], word: &str) -> Option<u8> {
    names.iter().position(|n| *n == word).map(|k| k as u8)
}

fn type_named(name: &str) -> Option<Ty> {
    Ty::ALL.into_iter().find(|t| t.name() == name)
}

/// Operation and type of the first word.
fn head(word: &str) -> Result<(Op, Ty), String> {
    let named = |name: &str| Op::ALL.iter().copied().find(|o| o.name() == name);
    if let Some(op) = named(word) {
        return Ok((op, usual_type(op)));
    }
    let parts = word.rsplit_once('.');
    let found = parts.and_then(|(op, ty)| Some((named(op)?, type_named(ty)?)));
    found.ok_or_else(|| format!("no operation `{word}`"))
}

struct Parser<'a> {
    block: Block,
    layout: &'a StateLayout,
    helpers: &'a [HelperDef],
    values: HashMap<String, Value>,
}

impl Parser<'_> {
    fn line(&mut self, words: &[&str]) -> Result<(), String> {
        match words {
            ["block", pc, rest @ ..] => return self.header(pc, rest),
            ["fp0", rest @ ..] => return self.regime(0, rest),
            ["fp1", rest @ ..] => return self.regime(1, rest),
            _ => {}
        }
        let (name, words) = match words {
            [name, "=", rest @ ..] => (Some(*name), rest),
            _ => (None, words),
        };
        let (first, rest) = words.split_first().ok_or("no operation")?;
        let (op, ty) = head(first)?;
        let mut inst = Inst {
            op,
            ty,
            lane: 0,
            aux: 0,
            args: [Value::NONE; 3],
            imm: 0,
        };
        self.body(&mut inst, rest)?;
        match (name, inst.ty) {
            (Some(_), Ty::Void) => return Err(format!("{} gives no value", op.name())),
            (None, ty) if ty != Ty::Void => return Err(format!("the {} has no name", ty.name())),
            _ => {}
        }
        let v = Value(self.block.insts.len() as u32);
        if let Some(name) = name {
            if !name.starts_with('v') {
                return Err(format!("`{name}` is not a name of a value"));
            }
            if self.values.insert(name.to_string(), v).is_some() {
                return Err(format!("{name} is defined twice"));
            }
        }
        self.block.insts.push(inst);
        Ok(())
    }

    fn header(&mut self, pc: &str, rest: &[&str]) -> Result<(), String> {
        self.block.pc = number(pc)?;
        (self.block.start_pc, self.block.end_pc) = (self.block.pc, 0);
        for word in rest {
            match word.split_once('=') {
                Some(("mode", n)) => self.block.mode = small(n)?,
                Some(("start", n)) => self.block.start_pc = number(n)?,
                Some(("end", n)) => self.block.end_pc = number(n)?,
                Some(("insns", n)) => self.block.guest_insns = small(n)?,
                _ => return Err(format!("`{word}` in the head of a block")),
            }
        }
        Ok(())
    }

    fn regime(&mut self, k: usize, rest: &[&str]) -> Result<(), String> {
        let mut fp = FpMode {
            round: FpRound::Nearest,
            flush: false,
            default_nan: false,
            nan: FpNan::SignallingFirst,
            alt_half: false,
            tiny_before: false,
            silent: false,
        };
        for word in rest {
            match *word {
                "flush" => fp.flush = true,
                "default_nan" => fp.default_nan = true,
                "first_nan" => fp.nan = FpNan::First,
                "first_then_addend" => fp.nan = FpNan::FirstThenAddend,
                "silent" => fp.silent = true,
                "alt_half" => fp.alt_half = true,
                "tiny_before" => fp.tiny_before = true,
                _ => {
                    let name = word.strip_prefix("round=").unwrap_or("");
                    let mode = index_of(&ROUNDINGS, name);
                    let mode = mode.ok_or_else(|| format!("`{word}` in a regime"))?;
                    fp.round = FpRound::from_index(mode);
                }
            }
        }
        self.block.fp[k] = fp;
        Ok(())
    }

    fn value(&self, word: &str) -> Result<Value, String> {
        if word == "_" {
            return Ok(Value::NONE);
        }
        let v = self.values.get(word);
        v.copied().ok_or_else(|| format!("`{word}` is not defined"))
    }

    fn body(&mut self, inst: &mut Inst, words: &[&str]) -> Result<(), String> {
        let first = words.first().copied().unwrap_or("");
        let rest = words.get(1..).unwrap_or(&[]);
        match inst.op {
            Op::InsnStart => {
                inst.imm = number(first)? as i64;
                let mode = match rest {
                    [] => 0,
                    [word] => small::<u16>(word.strip_prefix("mode=").unwrap_or(word))?,
                    _ => return Err("more than address and mode".to_string()),
                };
                (inst.lane, inst.aux) = (mode as u8, (mode >> 8) as u8);
                Ok(())
            }
            Op::Const => {
                inst.imm = number(first)? as i64;
                self.attributes(inst, rest)
            }
            Op::ConstV => self.constant(inst, first),
            Op::Get | Op::Set | Op::Sync => self.slot(inst, first, rest),
            Op::Call => self.call(inst, first, rest),
            Op::Exit => self.exit(inst, first, rest),
            Op::Load | Op::Store | Op::AtomicRmw | Op::AtomicCas => self.memory(inst, first, rest),
            _ => self.attributes(inst, words),
        }
    }

    fn constant(&mut self, inst: &mut Inst, word: &str) -> Result<(), String> {
        let hex = word.strip_prefix("0x");
        let bits = hex.and_then(|h| u128::from_str_radix(h, 16).ok());
        let bits = bits.ok_or_else(|| format!("`{word}` is not a hexadecimal number"))?;
        let consts = &mut self.block.consts;
        let index = consts.iter().position(|c| *c == bits).unwrap_or_else(|| {
            consts.push(bits);
            consts.len() - 1
        });
        inst.imm = index as i64;
        Ok(())
    }

    fn slot(&mut self, inst: &mut Inst, word: &str, rest: &[&str]) -> Result<(), String> {
        let named = self.layout.names.iter().find(|(_, n)| *n == word);
        let slot = match named {
            Some((slot, _)) => *slot,
            None => {
                let plain = word.strip_prefix('s').and_then(|w| w.split_once('.'));
                let plain = plain.and_then(|(off, ty)| {
                    let off = u16::from_str_radix(off, 16).ok()?;
                    Some(Slot {
                        off,
                        ty: type_named(ty)?,
                    })
                });
                plain.ok_or_else(|| format!("no slot `{word}`"))?
            }
        };
        inst.imm = i64::from(slot.off);
        if inst.op == Op::Get {
            inst.ty = slot.ty;
        } else {
            inst.lane = slot.ty as u8;
        }
        self.attributes(inst, rest)
    }

    fn call(&mut self, inst: &mut Inst, name: &str, rest: &[&str]) -> Result<(), String> {
        match self.helpers.iter().position(|h| h.name == name) {
            Some(id) => {
                inst.imm = id as i64;
                inst.lane = self.helpers[id].effects as u8;
            }
            None => {
                let id = name
                    .strip_prefix("helper")
                    .ok_or_else(|| format!("no helper `{name}`"))?;
                inst.imm = i64::from(small::<u16>(id)?);
                let def = self.helpers.get(inst.imm as usize);
                inst.lane = def.map_or(0, |d| d.effects as u8);
            }
        }
        let close = rest.iter().position(|w| *w == ")").ok_or("no `)`")?;
        let start = self.block.pool.len() as u32;
        if rest.first() != Some(&"(") {
            return Err("no `(`".to_string());
        }
        for word in &rest[1..close] {
            let v = self.value(word)?;
            self.block.pool.push(v);
        }
        self.attributes(inst, &rest[close + 1..])?;
        inst.args = [Value(start), Value(close as u32 - 1), Value::NONE];
        Ok(())
    }

    fn exit(&mut self, inst: &mut Inst, word: &str, rest: &[&str]) -> Result<(), String> {
        let kind = EXITS.iter().find(|(n, _)| *n == word).map(|(_, k)| *k);
        let mut info = ExitInfo {
            kind: kind.ok_or_else(|| format!("no way out `{word}`"))?,
            pc: 0,
            mode: 0,
            mode_dynamic: false,
            ret_pc: 0,
            dead: 0,
            check: false,
        };
        let (mut code, mut argument) = (0, 0);
        for word in rest {
            match word.split_once('=') {
                Some(("pc", n)) => info.pc = number(n)?,
                Some(("mode", n)) => info.mode = small(n)?,
                Some(("ret", n)) => info.ret_pc = number(n)?,
                Some(("dead", n)) => info.dead = small(n)?,
                Some(("code", n)) => code = small(n)?,
                Some(("info", n)) => argument = number(n)?,
                Some(_) => return Err(format!("`{word}` of an exit")),
                None if *word == "dynamic" => info.mode_dynamic = true,
                None if *word == "check" => info.check = true,
                None => inst.args[0] = self.value(word)?,
            }
        }
        if let ExitKind::Trap { .. } = info.kind {
            info.kind = ExitKind::Trap {
                code,
                info: argument,
            };
        }
        inst.imm = self.block.exits.len() as i64;
        self.block.exits.push(info);
        Ok(())
    }

    fn memory(&mut self, inst: &mut Inst, flags: &str, rest: &[&str]) -> Result<(), String> {
        let flags = mem_flags(flags)?;
        let close = rest.iter().position(|w| *w == "]").ok_or("no `]`")?;
        if rest.first() != Some(&"[") {
            return Err("no `[`".to_string());
        }
        let (mut disp, mut shift, mut minus) = (0u32, 0, false);
        let (mut base, mut index) = (Value::NONE, Value::NONE);
        for word in &rest[1..close] {
            match *word {
                "+" => minus = false,
                "-" => minus = true,
                w if w.contains("<<") => {
                    let (v, n) = w.split_once("<<").unwrap_or((w, "0"));
                    (index, shift) = (self.value(v)?, small(n)?);
                }
                w if w.starts_with('v') => base = self.value(w)?,
                w => {
                    let n: u32 = small(w)?;
                    disp = if minus { n.wrapping_neg() } else { n };
                }
            }
        }
        if shift > 3 {
            return Err(format!("a shift by {shift}"));
        }
        inst.imm = Inst::pack_mem(disp as i32, shift, flags);
        self.attributes(inst, &rest[close + 1..])?;
        let [first, second, _] = inst.args;
        inst.args = match inst.op {
            Op::AtomicCas => [base, first, second],
            Op::AtomicRmw => [base, Value::NONE, first],
            _ => [base, index, first],
        };
        Ok(())
    }

    /// Operands, and parameters as `key=value`.
    fn attributes(&mut self, inst: &mut Inst, words: &[&str]) -> Result<(), String> {
        let mut count = 0;
        let names = lane_names(inst.op);
        let (mut lsb, mut len) = (0, 0);
        for word in words {
            let lane = names.and_then(|(key, n)| index_of(n, word.strip_prefix(key)?));
            if let Some(lane) = lane {
                inst.lane = lane;
                continue;
            }
            match word.split_once('=') {
                Some(("lane", n)) => inst.lane = small(n)?,
                Some(("aux" | "fp", n)) => inst.aux = small(n)?,
                Some(("imm", n)) => inst.imm = number(n)? as i64,
                Some(("lsb", n)) => lsb = small::<u8>(n)?,
                Some(("len", n)) => len = small::<u8>(n)?,
                Some(_) => return Err(format!("`{word}` of {}", inst.op.name())),
                None if *word == "leaves" && inst.op == Op::CondBegin => inst.aux = 1,
                None => {
                    let arg = inst.args.get_mut(count).ok_or("too many operands")?;
                    *arg = self.values.get(*word).copied().unwrap_or(Value::NONE);
                    if !arg.is_some() && *word != "_" {
                        return Err(format!("`{word}` is not defined"));
                    }
                    count += 1;
                }
            }
        }
        if len != 0 {
            inst.imm = i64::from(len) << 8 | i64::from(lsb);
        }
        Ok(())
    }
}

/// `u32.be.a4.seqcst`
fn mem_flags(word: &str) -> Result<MemFlags, String> {
    let bad = || format!("`{word}` is not a kind of access");
    let mut parts = word.split('.');
    let size = parts.next().unwrap_or("");
    let bits: u32 = size.get(1..).and_then(|n| n.parse().ok()).ok_or_else(bad)?;
    if !matches!(bits, 8 | 16 | 32 | 64 | 128) {
        return Err(bad());
    }
    let mut flags = MemFlags::size((bits / 8).trailing_zeros() as u8);
    match size.as_bytes()[0] {
        b'u' => {}
        b's' => flags = flags.signed(),
        _ => return Err(bad()),
    }
    for part in parts {
        flags = match part {
            "be" => flags.big_endian(true),
            "acqrel" => flags.order(Order::AcqRel),
            "seqcst" => flags.order(Order::SeqCst),
            _ => {
                let n = part.strip_prefix('a').and_then(|n| n.parse::<u32>().ok());
                let n = n
                    .filter(|n| n.is_power_of_two() && *n <= 128)
                    .ok_or_else(bad)?;
                flags.align(n.trailing_zeros() as u8)
            }
        };
    }
    Ok(flags)
}
