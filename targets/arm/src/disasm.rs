//! The disassembler: prints the operands that the decode tables' syntax strings name.
//! Text is in unified assembly syntax, as GNU tools print it.

use crate::decode::{FeatureSet, a32, neon, t16, t32, vfp};
use crate::translate::{Space, a32_space, t32_space};
use std::fmt::Write;
use tcg_decode::rt::{self, Printer, RowInfo, Rows};

/// An instruction set and where the instruction is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    /// Address of the instruction.
    pub pc: u32,
    /// The condition that an IT block gives, if the instruction is inside of one.
    pub it_cond: Option<u8>,
}

/// Disassembles an A32 instruction.
pub fn disassemble_a32(insn: u32, context: Context) -> Option<String> {
    if let Some(space) = a32_space(insn) {
        return extension(space, context);
    }
    let row = a32::ROWS.get(usize::from(a32::find(FeatureSet::ALL, insn)?))?;
    operands(row, insn, context)
}

/// Disassembles a 16-bit T32 instruction.
pub fn disassemble_t16(insn: u16, context: Context) -> Option<String> {
    let row = t16::ROWS.get(usize::from(t16::find(FeatureSet::ALL, u32::from(insn))?))?;
    operands(row, u32::from(insn), context)
}

/// Disassembles a 32-bit T32 instruction: first halfword in the upper half.
pub fn disassemble_t32(insn: u32, context: Context) -> Option<String> {
    if let Some(space) = t32_space(insn) {
        return extension(space, context);
    }
    let row = t32::ROWS.get(usize::from(t32::find(FeatureSet::ALL, insn)?))?;
    operands(row, insn, context)
}

/// VFP and Advanced SIMD, in their A32 form.
fn extension(space: Space, context: Context) -> Option<String> {
    let (rows, row, insn): (&Rows, _, _) = match space {
        Space::Vfp(insn) => (&vfp::ROWS, vfp::find(FeatureSet::ALL, insn), insn),
        Space::Neon(insn) => (&neon::ROWS, neon::find(FeatureSet::ALL, insn), insn),
    };
    operands(rows.get(usize::from(row?))?, insn, context)
}

fn operands(row: &RowInfo, insn: u32, context: Context) -> Option<String> {
    rt::disassemble(row, u64::from(insn), &context)
}

const REGISTERS: [&str; 16] = [
    "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "sl", "fp", "ip", "sp", "lr", "pc",
];
const CONDITIONS: [&str; 16] = [
    "eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "", "",
];
const SHIFTS: [&str; 4] = ["lsl", "lsr", "asr", "ror"];
const MODES: [&str; 4] = ["da", "ia", "db", "ib"];

/// The entry of a name table; the index is masked by the field's width already.
pub(crate) fn name(table: &[&'static str], index: u64) -> &'static str {
    usize::try_from(index)
        .ok()
        .and_then(|i| table.get(i))
        .copied()
        .unwrap_or("?")
}

pub(crate) fn reg(number: u64) -> &'static str {
    name(&REGISTERS, number)
}

/// Shift kind and amount as the operand decodes it; `None` for no shift. [ARMv7 A8.4.3]
fn shift(kind: u64, amount: u64) -> Option<(&'static str, u64)> {
    match (kind, amount) {
        (0, 0) => None,
        (3, 0) => Some(("rrx", 0)),
        (1 | 2, 0) => Some((name(&SHIFTS, kind), 32)),
        _ => Some((name(&SHIFTS, kind), amount)),
    }
}

/// `, lsl #3`, `, rrx`, or nothing.
fn shift_text(kind: u64, amount: u64) -> String {
    match shift(kind, amount) {
        None => String::new(),
        Some(("rrx", _)) => ", rrx".into(),
        Some((kind, amount)) => format!(", {kind} #{amount}"),
    }
}

fn list(bits: u64) -> String {
    let names: Vec<&str> = (0..16).filter(|i| (bits >> i) & 1 != 0).map(reg).collect();
    format!("{{{}}}", names.join(", "))
}

/// `[rn, X]!`, `[rn], X` or `[rn]`; `offset` is empty when there is none.
fn address(rn: u64, p: u64, w: u64, offset: &str) -> String {
    let rn = reg(rn);
    match (p != 0, w != 0, offset) {
        (true, false, "") => format!("[{rn}]"),
        (true, true, _) => format!("[{rn}, {offset}]!"),
        (true, false, _) => format!("[{rn}, {offset}]"),
        (false, ..) => format!("[{rn}], {offset}"),
    }
}

fn signed(up: u64, value: u64) -> String {
    format!("#{}{value}", if up == 0 { "-" } else { "" })
}

/// An immediate offset: a plain zero offset is not printed.
fn immediate_address(rn: u64, p: u64, u: u64, w: u64, value: u64) -> String {
    let hidden = value == 0 && u != 0 && p != 0 && w == 0;
    let offset = if hidden {
        String::new()
    } else {
        signed(u, value)
    };
    address(rn, p, w, &offset)
}

/// A modified immediate; one that isn't in its shortest rotation shows the rotation.
fn a32_immediate(imm12: u32) -> String {
    let value = crate::decode::a32_imm(imm12);
    let shortest = (0..16).find(|r| value.rotate_left(r * 2) <= 0xff);
    if shortest == Some(imm12 >> 8) {
        format!("#{value}")
    } else {
        format!("#{}, {}", imm12 & 0xff, (imm12 >> 8) * 2)
    }
}

fn aif(bits: u64) -> String {
    ["a", "i", "f"]
        .iter()
        .zip([4, 2, 1])
        .filter(|(_, bit)| bits & bit != 0)
        .map(|(c, _)| *c)
        .collect()
}

/// Banked registers of MRS and MSR. [ARMv7 B9.2.3]
fn banked(spsr: u64, mode: u64) -> String {
    let modes = ["usr", "fiq", "irq", "svc", "abt", "und", "mon", "hyp"];
    let text = match (spsr, mode) {
        (0, 0..=6) => format!("r{}_usr", mode + 8),
        (0, 8..=14) => format!("r{}_fiq", mode),
        (0, 16..=23) => format!(
            "{}_{}",
            if mode & 1 == 0 { "lr" } else { "sp" },
            name(&modes, (mode - 16) / 2 + 2)
        ),
        (0, 28) => "lr_mon".into(),
        (0, 29) => "sp_mon".into(),
        (0, 30) => "elr_hyp".into(),
        (0, 31) => "sp_hyp".into(),
        (_, 14) => "spsr_fiq".into(),
        (_, 16 | 18 | 20 | 22) if spsr != 0 => {
            format!("spsr_{}", name(&modes, (mode - 16) / 2 + 2))
        }
        (_, 28) => "spsr_mon".into(),
        (_, 30) => "spsr_hyp".into(),
        _ => return "(unpredictable)".into(),
    };
    text.replace("r13_", "sp_").replace("r14_", "lr_")
}

fn psr_mask(spsr: u64, mask: u64) -> String {
    let fields: String = ["c", "x", "s", "f"]
        .iter()
        .enumerate()
        .rev()
        .filter(|(i, _)| (mask >> i) & 1 != 0)
        .map(|(_, c)| *c)
        .collect();
    format!("{}_{fields}", if spsr != 0 { "SPSR" } else { "CPSR" })
}

fn barrier(option: u64) -> String {
    match option {
        15 => "sy".into(),
        14 => "st".into(),
        13 => "ld".into(),
        11 => "ish".into(),
        10 => "ishst".into(),
        9 => "ishld".into(),
        7 => "un".into(),
        6 => "unst".into(),
        5 => "nshld".into(),
        3 => "osh".into(),
        2 => "oshst".into(),
        1 => "oshld".into(),
        _ => format!("#{option}"),
    }
}

/// The t and e letters of IT.
fn it_mask(cond: u64, mask: u64) -> String {
    let len = 3u32.saturating_sub(mask.trailing_zeros());
    (0..len)
        .map(|i| {
            if (mask >> (3 - i)) & 1 == cond & 1 {
                't'
            } else {
                'e'
            }
        })
        .collect()
}

/// Operands without dependence on the address.
fn plain(kind: &str, args: &[u64]) -> Option<String> {
    Some(match (kind, args) {
        ("rn" | "rd" | "rm" | "rt" | "rt2" | "rs" | "ra" | "rdhi" | "rdlo", [r]) => reg(*r).into(),
        ("cond" | "condname", [c]) => name(&CONDITIONS, *c).into(),
        ("regs", [bits]) => list(*bits),
        ("imm" | "off", [i]) => format!("#{i}"),
        ("dec", [i]) => i.to_string(),
        ("hex", [i]) => format!("{i:#x}"),
        ("immscaled", [i, n]) => format!("#{}", i << n),
        ("plus1" | "satplus", [i]) => (i + 1).to_string(),
        ("bfwidth", [msb, lsb]) => (msb + 1).wrapping_sub(*lsb).to_string(),
        ("a32imm", [i]) => a32_immediate(*i as u32),
        ("t32imm", [i]) => format!("#{}", crate::decode::t32_imm(*i as u32)),
        ("shift", [y, k]) => shift_text(*y, *k),
        ("shiftname", [y]) => name(&SHIFTS, *y).into(),
        ("shiftop", [y, k]) => shift(*y, *k).map_or("lsl", |(kind, _)| kind).into(),
        ("shiftby" | "shiftby16", [y, k]) => shift(*y, *k)
            .filter(|s| s.0 != "rrx")
            .map_or(String::new(), |s| format!(", #{}", s.1)),
        ("ror", [0]) => String::new(),
        ("ror", [x]) => format!(", ror #{}", x * 8),
        ("pkhshift", [0, 0]) => String::new(),
        ("pkhshift", [0, k]) => format!(", lsl #{k}"),
        ("pkhshift", [_, k]) => format!(", asr #{}", if *k == 0 { 32 } else { *k }),
        ("satshift", [0, 0]) => String::new(),
        ("satshift", [sh, k]) => shift_text(sh * 2, *k),
        ("par", [k]) => name(&["", "s", "q", "sh", "", "u", "uq", "uh"], *k).into(),
        ("tpar", [k]) => name(&["s", "q", "sh", "", "u", "uq", "uh", ""], *k).into(),
        ("addr", [n, p, u, w, i]) => immediate_address(*n, *p, *u, *w, *i),
        ("addrs", [n, i, scale]) => immediate_address(*n, 1, 1, 0, i << scale),
        ("addrsc", [n, p, u, w, i, scale]) => immediate_address(*n, *p, *u, *w, i << scale),
        ("addrr", [n, p, u, w, m, y, k]) => {
            let sign = if *u == 0 { "-" } else { "" };
            address(
                *n,
                *p,
                *w,
                &format!("{sign}{}{}", reg(*m), shift_text(*y, *k)),
            )
        }
        ("indirect", [n]) => format!("[{}]", reg(*n)),
        ("tbaddr", [n, m, half]) => format!(
            "[{}, {}{}]",
            reg(*n),
            reg(*m),
            if *half != 0 { ", lsl #1" } else { "" }
        ),
        ("cpaddr", [n, 0, _, 0, i]) => format!("[{}], {{{i}}}", reg(*n)),
        ("cpaddr", [n, p, u, w, i]) => immediate_address(*n, *p, *u, *w, i * 4),
        ("ldmmode", [0, 1]) => String::new(),
        ("ldmmode" | "amode", [p, u]) => name(&MODES, p * 2 + u).into(),
        ("regs_pc", [bits]) => list(bits | 0x8000),
        ("t2", [t]) => reg(t | 1).into(),
        ("list16", [bits, extra, at]) => list(bits | (extra << at)),
        ("notin", [n, bits]) => if (bits >> n) & 1 == 0 { "!" } else { "" }.into(),
        ("psr", [r]) => if *r != 0 { "SPSR" } else { "CPSR" }.into(),
        ("psrmask", [r, mask]) => psr_mask(*r, *mask),
        ("banked", [r, mode]) => banked(*r, *mode),
        ("imod", [i]) => name(&["", "", "ie", "id"], *i).into(),
        ("aif", [bits]) => aif(*bits),
        ("cpsargs", [imod, change, bits, mode]) => {
            let flags = if *imod >= 2 {
                format!(" {}", aif(*bits))
            } else {
                String::new()
            };
            let comma = if *imod >= 2 { "," } else { " " };
            if *change != 0 {
                format!("{flags}{comma}#{mode}")
            } else {
                flags
            }
        }
        ("hintnum", [i]) => format!(" {{{i}}}"),
        ("barrier", [o]) => barrier(*o),
        ("isbopt", [15]) => "sy".into(),
        ("isbopt", [o]) => format!("#{o}"),
        ("cp", [n]) => n.to_string(),
        ("cr", [n]) => format!("cr{n}"),
        ("braces", [n]) => format!("{{{n}}}"),
        ("apsr_or_reg", [15]) => "APSR_nzcv".into(),
        ("apsr_or_reg", [r]) => reg(*r).into(),
        ("itmask", [cond, mask]) => it_mask(*cond, *mask),
        _ => return None,
    })
}

impl Context {
    /// Branch targets.
    fn target(&self, kind: &str, args: &[u64]) -> Option<u32> {
        let thumb = self.pc.wrapping_add(4);
        Some(match (kind, args) {
            ("a32rel", [i]) => self
                .pc
                .wrapping_add(8)
                .wrapping_add(rt::sext(i << 2, 26) as u32),
            ("a32relx", [i, h]) => self
                .pc
                .wrapping_add(8)
                .wrapping_add(rt::sext((i << 2) | (h << 1), 26) as u32),
            ("t16rel", [bits, i]) => thumb.wrapping_add(rt::sext(i << 1, *bits as u32 + 1) as u32),
            ("t16cb", [i]) => thumb.wrapping_add((i << 1) as u32),
            ("trel", [off, bits]) => thumb.wrapping_add(rt::sext(*off, *bits as u32) as u32),
            ("t32rel", [off]) => thumb.wrapping_add(crate::decode::t32_branch(*off as u32) as u32),
            ("t32relx", [off]) => {
                (thumb & !3).wrapping_add(crate::decode::t32_branch(*off as u32) as u32)
            }
            _ => return None,
        })
    }
}

impl Printer for Context {
    fn operand(&self, out: &mut String, kind: &str, args: &[u64], insn: u64) -> bool {
        match kind {
            "c" => out.push_str(self.it_cond.map_or("", |c| name(&CONDITIONS, u64::from(c)))),
            "its" => out.push_str(if self.it_cond.is_some() { "" } else { "s" }),
            _ => {
                let text =
                    plain(kind, args).or_else(|| crate::disasm_simd::operand(kind, args, insn));
                match (text, self.target(kind, args)) {
                    (Some(text), _) => out.push_str(&text),
                    (None, Some(target)) => drop(write!(out, "{target:#x}")),
                    (None, None) => return false,
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode;

    /// Every operand that a table names must be known to the printer.
    #[test]
    fn disassemble_knows_every_operand_of_the_tables() {
        for row in decode::a32::ROWS
            .iter()
            .chain(&decode::t16::ROWS)
            .chain(&decode::t32::ROWS)
            .chain(&decode::vfp::ROWS)
            .chain(&decode::neon::ROWS)
        {
            let text = rt::disassemble(row, row.value | row.should_value, &Context::default());
            assert!(
                text.is_some(),
                "row {} line {}: {}",
                row.name,
                row.line,
                row.syntax
            );
        }
    }
}
