//! The disassembler: prints the operands that the decode tables' syntax strings name, as GNU tools do without
//! their extended mnemonics.

use crate::decode::{FeatureSet, altivec, base, fp, vsx};
use tcg_decode::rt::{self, Printer, RowInfo, Rows};

/// Where an instruction is.
#[derive(Clone, Copy, Debug, Default)]
struct Context {
    pc: u64,
    wide: bool,
}

/// The row that an instruction's decoder finds.
pub fn row(insn: u32, features: FeatureSet) -> Option<&'static RowInfo> {
    let rows: (Option<u16>, &'static Rows) = match insn >> 26 {
        4 => (altivec::find(features, insn), &altivec::ROWS),
        59 | 63 => (fp::find(features, insn), &fp::ROWS),
        60 => (vsx::find(features, insn), &vsx::ROWS),
        _ => (base::find(features, insn), &base::ROWS),
    };
    rows.1.get(usize::from(rows.0?))
}

/// Disassembles an instruction.
pub fn disassemble(insn: u32, pc: u64, wide: bool) -> Option<String> {
    let text = rt::disassemble(
        row(insn, FeatureSet::ALL)?,
        u64::from(insn),
        &Context { pc, wide },
    )?;
    // Operands start in the ninth column.
    Some(match text.split_once(' ') {
        Some((name, operands)) => format!("{name:<7} {operands}"),
        None => text,
    })
}

const SPRS: [(u64, &str); 9] = [
    (1, "xer"),
    (8, "lr"),
    (9, "ctr"),
    (256, "vrsave"),
    (268, "tbl"),
    (269, "tbu"),
    (287, "pvr"),
    (815, "tar"),
    (17, "dscr"),
];

fn signed(v: u64, bits: u32) -> String {
    rt::sext(v, bits).to_string()
}

fn bit(n: u64) -> String {
    let name = ["lt", "gt", "eq", "so"][n as usize & 3];
    match n >> 2 {
        0 => name.to_string(),
        f => format!("4*cr{f}+{name}"),
    }
}

/// Operands without dependence on the address.
fn plain(kind: &str, args: &[u64]) -> Option<String> {
    Some(match (kind, args) {
        ("rt" | "rs" | "ra" | "rb" | "rc" | "gr", [r]) => format!("r{r}"),
        ("a0", [0]) => "0".into(),
        ("a0", [r]) => format!("r{r}"),
        ("fr", [r]) => format!("f{r}"),
        ("vr" | "vrt" | "vra" | "vrb" | "vrc", [r]) => format!("v{r}"),
        ("xt" | "xa" | "xb" | "xc", [r]) => format!("vs{r}"),
        ("crf", [r]) => format!("cr{r}"),
        ("bit", [n]) => bit(*n),
        ("disp" | "simm", [i]) => signed(*i, 16),
        ("disp4", [i]) => signed(i << 2, 16),
        ("disp16", [i]) => signed(i << 4, 16),
        ("simm5", [i]) => signed(*i, 5),
        ("dx", [hi, mid, lo]) => signed(mid << 6 | hi << 1 | lo, 16),
        ("sprn", [n]) => SPRS
            .iter()
            .find(|(k, _)| k == n)
            .map_or(n.to_string(), |(_, name)| (*name).to_string()),
        ("lev", [0]) => String::new(),
        ("lev", [n]) => format!(" {n}"),
        ("synck", [0]) => String::new(),
        ("synck", [n]) => format!(" {n}"),
        ("bhint", [0]) => String::new(),
        ("bhint", [n]) => n.to_string(),
        (_, [n]) => n.to_string(),
        _ => return None,
    })
}

impl Context {
    fn target(&self, kind: &str, args: &[u64]) -> Option<u64> {
        let (offset, absolute) = match (kind, args) {
            ("btarget", [i, a]) => (rt::sext(i << 2, 26), *a),
            ("ctarget", [i, a]) => (rt::sext(i << 2, 16), *a),
            _ => return None,
        };
        let base = if absolute != 0 { 0 } else { self.pc };
        let at = base.wrapping_add(offset as u64);
        Some(if self.wide { at } else { at & 0xffff_ffff })
    }
}

impl Printer for Context {
    fn operand(&self, out: &mut String, kind: &str, args: &[u64], _insn: u64) -> bool {
        match (self.target(kind, args), plain(kind, args)) {
            (Some(target), _) => out.push_str(&format!("0x{target:x}")),
            (None, Some(text)) => out.push_str(&text),
            (None, None) => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every operand that a table names must be known to the printer.
    #[test]
    fn disassemble_knows_every_operand_of_the_tables() {
        let tables: [&[RowInfo]; 4] = [&base::ROWS, &fp::ROWS, &altivec::ROWS, &vsx::ROWS];
        for row in tables.into_iter().flatten() {
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

    #[test]
    fn some_instructions() {
        let show = |insn| disassemble(insn, 0x1000, true).unwrap_or_default();
        assert_eq!(show(0x7c63_2214), "add     r3,r3,r4");
        assert_eq!(show(0x8064_fffc), "lwz     r3,-4(r4)");
        assert_eq!(show(0x4800_0009), "bl      0x1008");
        assert_eq!(show(0x1064_2880), "vadduwm v3,v4,v5");
    }
}
