//! Disassembly as GNU objdump prints it.

use std::fmt::Write;

use tcg_decode::rt::{self, Printer};

use crate::decode::{self, FeatureSet, base, compressed, float};
use crate::state::{F_NAMES, X_NAMES};

/// The text of a 32-bit instruction; `None` if no row matches.
pub fn full(features: FeatureSet, insn: u32, pc: u64) -> Option<String> {
    let row = if decode::is_float(insn) {
        &float::ROWS[usize::from(float::find(features, insn)?)]
    } else {
        &base::ROWS[usize::from(base::find(features, insn)?)]
    };
    rt::disassemble(row, u64::from(insn), &At(pc))
}

/// The text of a 16-bit instruction; `None` if no row matches.
pub fn compressed(features: FeatureSet, insn: u16, pc: u64) -> Option<String> {
    let row = &compressed::ROWS[usize::from(compressed::find(features, u32::from(insn))?)];
    rt::disassemble(row, u64::from(insn), &At(pc))
}

/// The printer for an instruction at an address.
struct At(u64);

fn x(n: u64) -> &'static str {
    X_NAMES[n as usize & 31]
}

fn f(n: u64) -> &'static str {
    F_NAMES[n as usize & 31]
}

const ROUNDING: [&str; 8] = [
    "rne", "rtz", "rdn", "rup", "rmm", "unknown", "unknown", "dyn",
];

/// Control and status registers that user mode has.
fn csr(n: u64) -> String {
    let name = match n {
        1 => "fflags",
        2 => "frm",
        3 => "fcsr",
        0xc00 => "cycle",
        0xc01 => "time",
        0xc02 => "instret",
        0xc80 => "cycleh",
        0xc81 => "timeh",
        0xc82 => "instreth",
        _ => return format!("{n:#x}"),
    };
    name.to_string()
}

fn fence(set: u64) -> String {
    let names = [(8, 'i'), (4, 'o'), (2, 'r'), (1, 'w')];
    let text: String = names
        .into_iter()
        .filter(|(bit, _)| set & bit != 0)
        .map(|(_, c)| c)
        .collect();
    if text.is_empty() {
        "unknown".to_string()
    } else {
        text
    }
}

/// FLI's constants as objdump prints them.
fn fli(n: u64) -> String {
    match n {
        1 => return "min".to_string(),
        30 => return "inf".to_string(),
        31 => return "nan".to_string(),
        _ => {}
    }
    let v = f64::from_bits(crate::helper::fli_constant(n as u32, 1));
    if (0.0..0.01).contains(&v) {
        // As C's %a.
        return format!("0x1p{}", v.log2() as i32);
    }
    format!("{v}")
}

/// FSGNJ and its kin: a move, negation or absolute value if both sources are one.
fn sign_injection(fmt: u64, kind: u64, d: u64, s: u64, t: u64) -> String {
    let letter = ["s", "d", "h"][fmt as usize % 3];
    let kind = kind as usize % 3;
    if s == t {
        let name = ["fmv", "fneg", "fabs"][kind];
        return format!("{name}.{letter} {},{}", f(d), f(s));
    }
    let name = ["fsgnj", "fsgnjn", "fsgnjx"][kind];
    format!("{name}.{letter} {},{},{}", f(d), f(s), f(t))
}

impl At {
    fn text(&self, kind: &str, args: &[u64]) -> Option<String> {
        Some(match (kind, args) {
            ("rd" | "rs1" | "rs2" | "r", [n]) => x(*n).into(),
            ("rc", [n]) => x(n + 8).into(),
            ("fd", [n]) => f(*n).into(),
            ("fc", [n]) => f(n + 8).into(),
            ("imm" | "uimm", [i]) => i.to_string(),
            ("si", [i, bits]) => rt::sext(*i, *bits as u32).to_string(),
            ("hex", [i]) => format!("{i:#x}"),
            ("clui", [i]) => format!("{:#x}", i | ((i >> 5) * 0xfffc0)),
            ("rel", [i, bits]) => {
                let target = self.0.wrapping_add_signed(rt::sext(*i, *bits as u32));
                format!("{target:#x}")
            }
            ("csr", [n]) => csr(*n),
            ("fence", [set]) => fence(*set),
            ("aqrl", [0, 0]) => String::new(),
            ("aqrl", [1, 0]) => ".aq".into(),
            ("aqrl", [0, _]) => ".rl".into(),
            ("aqrl", [_, _]) => ".aqrl".into(),
            ("rm", [7]) => String::new(),
            ("rm", [m]) => format!(",{}", ROUNDING[*m as usize & 7]),
            ("rmx", [0]) => String::new(),
            ("rmx", [m]) => format!(",{}", ROUNDING[*m as usize & 7]),
            ("fli", [n]) => fli(*n),
            ("sgnj", [fmt, kind, d, s, t]) => sign_injection(*fmt, *kind, *d, *s, *t),
            ("cnop", [0]) => "nop".into(),
            ("cnop", [i]) => format!("c.nop {}", rt::sext(*i, 6)),
            ("cmop", [n]) => (2 * n + 1).to_string(),
            ("mopr", [a, b, c]) => (a << 4 | b << 2 | c).to_string(),
            ("moprr", [a, b]) => (a << 2 | b).to_string(),
            ("prefetch", [op, i, s]) => {
                let name = ["i", "r", "", "w"][*op as usize & 3];
                format!("prefetch.{name} {}({})", rt::sext(i << 5, 12), x(*s))
            }
            _ => return None,
        })
    }
}

impl Printer for At {
    fn operand(&self, out: &mut String, kind: &str, args: &[u64], _insn: u64) -> bool {
        match self.text(kind, args) {
            Some(text) => {
                let _ = out.write_str(&text);
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
        for row in base::ROWS
            .iter()
            .chain(&float::ROWS)
            .chain(&compressed::ROWS)
        {
            let text = rt::disassemble(row, row.value | row.should_value, &At(0));
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
