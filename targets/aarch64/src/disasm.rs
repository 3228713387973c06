//! The disassembler: prints the operands that the decode tables' syntax strings name, as GNU objdump prints them.
//! Aliases are those that objdump prefers. [ARMv8 C1.2, C6.2, C7.2]

use crate::decode::{FeatureSet, branch, dpimm, dpreg, fp, ldst, simd, simdscalar};
use crate::sysreg;
use tcg_decode::rt::{self, Printer, Rows, sext};

mod data;
mod memory;
mod vector;

/// Disassembles an instruction at `pc`; `None` if it is undefined.
pub fn disassemble(insn: u32, pc: u64) -> Option<String> {
    let all = FeatureSet::ALL;
    let rows: (&Rows, Option<u16>) = match insn >> 25 & 15 {
        8 | 9 => (&dpimm::ROWS, dpimm::find(all, insn)),
        10 | 11 => (&branch::ROWS, branch::find(all, insn)),
        4 | 6 | 12 | 14 => (&ldst::ROWS, ldst::find(all, insn)),
        5 | 13 => (&dpreg::ROWS, dpreg::find(all, insn)),
        7 | 15 if insn >> 28 & 5 == 1 => (&fp::ROWS, fp::find(all, insn)),
        7 | 15 if matches!(insn >> 28, 5 | 7) => (&simdscalar::ROWS, simdscalar::find(all, insn)),
        7 | 15 => (&simd::ROWS, simd::find(all, insn)),
        _ => return None,
    };
    let row = rows.0.get(usize::from(rows.1?))?;
    rt::disassemble(row, u64::from(insn), &Context { pc })
}

/// Where the instruction is.
struct Context {
    pc: u64,
}

const CONDITIONS: [&str; 16] = [
    "eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "al", "nv",
];
const SHIFTS: [&str; 4] = ["lsl", "lsr", "asr", "ror"];

/// The entry of a name table.
fn name(table: &[&'static str], index: u64) -> &'static str {
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    table.get(index).copied().unwrap_or("?")
}

/// Xn or Wn; 31 is the zero register.
fn reg(wide: u64, n: u64) -> String {
    let letter = if wide != 0 { 'x' } else { 'w' };
    match n {
        31 => format!("{letter}zr"),
        n => format!("{letter}{n}"),
    }
}

/// The same with SP for 31.
fn reg_sp(wide: u64, n: u64) -> String {
    match (wide, n) {
        (0, 31) => "wsp".into(),
        (_, 31) => "sp".into(),
        _ => reg(wide, n),
    }
}

/// Bits `lo` upward of the instruction.
fn bits(insn: u64, lo: u32, len: u32) -> u64 {
    insn >> lo & ((1 << len) - 1)
}

/// `, lsl #3`, or nothing for no shift.
fn shift(kind: u64, amount: u64) -> String {
    match (kind, amount) {
        (0, 0) => String::new(),
        _ => format!(", {} #{amount}", name(&SHIFTS, kind)),
    }
}

/// Operands of one kind that all chapters use.
fn plain(kind: &str, a: &[u64]) -> Option<String> {
    Some(match (kind, a) {
        ("x", [n]) => reg(1, *n),
        ("w", [n]) => reg(0, *n),
        ("xsp", [n]) => reg_sp(1, *n),
        ("r", [f, n]) => reg(*f, *n),
        ("rsp", [f, n]) => reg_sp(*f, *n),
        ("rnext", [f, n]) => reg(*f, n + 1),
        ("rz", [z, n]) => reg(u64::from(*z == 3), *n),
        ("dec", [i]) => i.to_string(),
        ("hex", [i]) => format!("{i:#x}"),
        ("cond", [c]) => name(&CONDITIONS, *c).into(),
        ("shift", [y, k]) => shift(*y, *k),
        ("shiftname", [y]) => name(&SHIFTS, *y).into(),
        ("tbit", [b5, b40]) => (b5 << 5 | b40).to_string(),
        ("retreg", [30]) => String::new(),
        ("retreg", [n]) => format!(" {}", reg(1, *n)),
        ("crmopt", [15]) => String::new(),
        ("crmopt", [i]) => format!(" #{i:#x}"),
        ("barrier", [o]) => barrier(*o),
        ("rmode", [m]) => name(&["n", "p", "m", "z"], *m).into(),
        ("hint", [crm, op]) => hint(*crm << 3 | op),
        ("pachint", [aut, key, sp]) => format!(
            "{}i{}{}",
            if *aut != 0 { "aut" } else { "pac" },
            if *key != 0 { "b" } else { "a" },
            if *sp != 0 { "sp" } else { "z" }
        ),
        ("pac1716", [aut, key]) => format!(
            "{}i{}1716",
            if *aut != 0 { "aut" } else { "pac" },
            if *key != 0 { "b" } else { "a" }
        ),
        ("pac", [zero, aut, data, key]) => format!(
            "{}{}{}{}",
            if *aut != 0 { "aut" } else { "pac" },
            if *data != 0 { "d" } else { "i" },
            if *zero != 0 { "z" } else { "" },
            if *key != 0 { "b" } else { "a" }
        ),
        ("crcsize", [z]) => name(&["b", "h", "w", "x"], *z).into(),
        ("crcreg", [z, m]) => reg(u64::from(*z == 3), *m),
        ("sysreg", [o0, op1, crn, crm, op2]) => system_register(*o0 + 2, *op1, *crn, *crm, *op2),
        ("sysargs", [op1, crn, crm, op2]) => format!("#{op1}, C{crn}, C{crm}, #{op2}"),
        ("sys", [op1, crn, crm, op2, t]) => system(*op1, *crn, *crm, *op2, *t),
        _ => return None,
    })
}

fn barrier(option: u64) -> String {
    const NAMES: [&str; 16] = [
        "", "oshld", "oshst", "osh", "", "nshld", "nshst", "nsh", "", "ishld", "ishst", "ish", "",
        "ld", "st", "sy",
    ];
    match name(&NAMES, option) {
        "" => format!("#0x{option:02x}"),
        text => text.into(),
    }
}

fn hint(number: u64) -> String {
    match number {
        0 => "nop".into(),
        1 => "yield".into(),
        2 => "wfe".into(),
        3 => "wfi".into(),
        4 => "sev".into(),
        5 => "sevl".into(),
        6 => "dgh".into(),
        16 => "esb".into(),
        20 => "csdb".into(),
        32 => "bti".into(),
        34 => "bti c".into(),
        36 => "bti j".into(),
        38 => "bti jc".into(),
        n => format!("hint #{n:#x}"),
    }
}

fn system_register(op0: u64, op1: u64, crn: u64, crm: u64, op2: u64) -> String {
    let number = sysreg::number(op0 as u32, op1 as u32, crn as u32, crm as u32, op2 as u32);
    let known = match number {
        sysreg::NZCV => "nzcv",
        sysreg::DAIF => "daif",
        sysreg::FPCR => "fpcr",
        sysreg::FPSR => "fpsr",
        sysreg::TPIDR_EL0 => "tpidr_el0",
        sysreg::TPIDRRO_EL0 => "tpidrro_el0",
        sysreg::CTR_EL0 => "ctr_el0",
        sysreg::DCZID_EL0 => "dczid_el0",
        sysreg::CNTFRQ_EL0 => "cntfrq_el0",
        sysreg::CNTPCT_EL0 => "cntpct_el0",
        sysreg::CNTVCT_EL0 => "cntvct_el0",
        sysreg::DIT => "dit",
        sysreg::SSBS => "ssbs",
        _ => "",
    };
    match known {
        "" => format!("s{op0}_{op1}_c{crn}_c{crm}_{op2}"),
        known => known.into(),
    }
}

fn system(op1: u64, crn: u64, crm: u64, op2: u64, t: u64) -> String {
    let known = match (op1, crn, crm, op2) {
        (3, 7, 4, 1) => "dc zva",
        (3, 7, 5, 1) => "ic ivau",
        (3, 7, 10, 1) => "dc cvac",
        (3, 7, 11, 1) => "dc cvau",
        (3, 7, 12, 1) => "dc cvap",
        (3, 7, 13, 1) => "dc cvadp",
        (3, 7, 14, 1) => "dc civac",
        _ => "",
    };
    match (known, t) {
        ("", 31) => format!("sys #{op1}, C{crn}, C{crm}, #{op2}"),
        ("", t) => format!("sys #{op1}, C{crn}, C{crm}, #{op2}, {}", reg(1, t)),
        (known, t) => format!("{known}, {}", reg(1, t)),
    }
}

impl Context {
    /// Addresses that depend on where the instruction is.
    fn label(&self, kind: &str, a: &[u64]) -> Option<u64> {
        let at = |offset: i64| self.pc.wrapping_add_signed(offset);
        Some(match (kind, a) {
            ("rel", [off, width]) => at(sext(*off, *width as u32) * 4),
            ("litlabel", [off]) => at(sext(*off, 19) * 4),
            ("adrlabel", [hi, lo]) => at(sext(hi << 2 | lo, 21)),
            ("adrplabel", [hi, lo]) => {
                (self.pc & !0xfff).wrapping_add_signed(sext(hi << 2 | lo, 21) << 12)
            }
            _ => return None,
        })
    }
}

impl Printer for Context {
    fn operand(&self, out: &mut String, kind: &str, args: &[u64], insn: u64) -> bool {
        let text = plain(kind, args)
            .or_else(|| self.label(kind, args).map(|l| format!("{l:#x}")))
            .or_else(|| data::operand(kind, args, insn))
            .or_else(|| memory::operand(kind, args, insn))
            .or_else(|| vector::operand(kind, args));
        match text {
            Some(text) => {
                out.push_str(&text);
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every operand that a table names must be known to the printer.
    #[test]
    fn disassemble_knows_every_operand_of_the_tables() {
        let tables: [&'static [tcg_decode::rt::RowInfo]; 7] = [
            &dpimm::ROWS,
            &branch::ROWS,
            &ldst::ROWS,
            &dpreg::ROWS,
            &fp::ROWS,
            &simd::ROWS,
            &simdscalar::ROWS,
        ];
        for row in tables.into_iter().flatten() {
            let text = rt::disassemble(row, row.value | row.should_value, &Context { pc: 0 });
            assert!(
                text.is_some(),
                "row {} line {}: {}",
                row.name,
                row.line,
                row.syntax
            );
        }
    }

    #[test]
    fn disassemble_as_objdump() {
        for (code, want) in [
            (0x9100_03fd, "mov x29, sp"),
            (0xaa01_03e0, "mov x0, x1"),
            (0xd280_0020, "mov x0, #0x1"),
            (0xf100_041f, "cmp x0, #0x1"),
            (0xa9bf_7bfd, "stp x29, x30, [sp, #-16]!"),
            (0xf940_07e0, "ldr x0, [sp, #8]"),
            (0xd340_fc20, "lsr x0, x1, #0"),
            (0xd37f_f820, "lsl x0, x1, #1"),
            (0x9240_1c20, "and x0, x1, #0xff"),
            (0x1a9f_17e0, "cset w0, eq"),
            (0x9b01_7c00, "mul x0, x0, x1"),
            (0x4e20_1c20, "and v0.16b, v1.16b, v0.16b"),
            (0x1e62_2820, "fadd d0, d1, d2"),
            (0xf879_6821, "ldr x1, [x1, x25]"),
        ] {
            assert_eq!(disassemble(code, 0).as_deref(), Some(want), "{code:#x}");
        }
    }
}
