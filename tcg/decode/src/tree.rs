//! Turns ordered rows into a decision tree, as Rust text: nested `match` on well-chosen bits.

use crate::expr::RustStyle;
use crate::parse::{Field, Row, Table};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Writes the body of the decoder: statements that `return Some(index)`, and `None` at the end.
pub(crate) fn body(table: &Table) -> String {
    let mut out = String::new();
    let all: Vec<usize> = (0..table.rows.len()).collect();
    Builder { table }.node(&mut out, &all, 0, 1);
    out.push_str("    None\n");
    out
}

struct Builder<'a> {
    table: &'a Table,
}

/// Below this many rows the row tests are written one after the other.
const LINEAR: usize = 3;

impl Builder<'_> {
    fn mask(&self, i: usize) -> u64 {
        self.table.rows.get(i).map_or(0, |r| r.mask)
    }

    fn node(&self, out: &mut String, rows: &[usize], known: u64, depth: usize) {
        let common = rows.iter().fold(u64::MAX, |m, &i| m & self.mask(i)) & !known;
        if rows.len() <= LINEAR {
            self.leaves(out, rows, known, depth);
        } else if common != 0 {
            self.switch(out, rows, known, common, depth);
        } else if let Some(bits) = self.best_bits(rows, known) {
            self.switch(out, rows, known, bits, depth);
        } else {
            self.leaves(out, rows, known, depth);
        }
    }

    fn leaves(&self, out: &mut String, rows: &[usize], known: u64, depth: usize) {
        for &i in rows {
            if self.leaf(out, i, known, depth) {
                break;
            }
        }
    }

    /// The unknown bit that most rows fix: rows that don't fix it go into both branches.
    fn best_bits(&self, rows: &[usize], known: u64) -> Option<u64> {
        let count = |bit: u32| {
            rows.iter()
                .filter(|&&i| self.mask(i) & !known & (1 << bit) != 0)
                .count()
        };
        let best = (0..self.table.width).max_by_key(|&bit| count(bit))?;
        // A bit that only few rows fix doubles the others for nothing.
        (count(best) * 3 >= rows.len() && count(best) > 1).then_some(1 << best)
    }

    fn switch(&self, out: &mut String, rows: &[usize], known: u64, bits: u64, depth: usize) {
        let mut groups: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for &i in rows {
            let Some(row) = self.table.rows.get(i) else {
                continue;
            };
            if row.mask & bits == bits {
                groups.entry(row.value & bits).or_default().push(i);
            } else {
                // Only a single bit is switched on when not all rows fix it.
                groups.entry(0).or_default().push(i);
                groups.entry(bits).or_default().push(i);
            }
        }
        let pad = "    ".repeat(depth);
        if let (1, Some((value, group))) = (groups.len(), groups.iter().next()) {
            let _ = writeln!(out, "{pad}if insn & {bits:#x} == {value:#x} {{");
            self.node(out, group, known | bits, depth + 1);
            let _ = writeln!(out, "{pad}}}");
            return;
        }
        // Adjacent bits are shifted down, so that the match becomes a jump table.
        let low = bits.trailing_zeros();
        let dense = (bits >> low) & ((bits >> low) + 1) == 0;
        let shift = if dense { low } else { 0 };
        match (dense, low) {
            (true, 1..) => drop(writeln!(
                out,
                "{pad}match (insn >> {low}) & {:#x} {{",
                bits >> low
            )),
            _ => drop(writeln!(out, "{pad}match insn & {bits:#x} {{")),
        }
        for (value, group) in &groups {
            let _ = writeln!(out, "{pad}    {:#x} => {{", value >> shift);
            self.node(out, group, known | bits, depth + 2);
            let _ = writeln!(out, "{pad}    }}");
        }
        let _ = writeln!(out, "{pad}    _ => {{}}\n{pad}}}");
    }

    /// Writes the remaining test of one row; true when there is nothing left to test.
    fn leaf(&self, out: &mut String, i: usize, known: u64, depth: usize) -> bool {
        let Some(row) = self.table.rows.get(i) else {
            return false;
        };
        let pad = "    ".repeat(depth);
        let open = row.mask & !known;
        let mut tests = Vec::new();
        if open != 0 {
            tests.push(format!("insn & {open:#x} == {:#x}", row.value & open));
        }
        tests.extend(guards(self.table, row));
        let _ = if tests.is_empty() {
            writeln!(out, "{pad}return Some({i}); // {}", row.name)
        } else {
            writeln!(
                out,
                "{pad}if {} {{\n{pad}    return Some({i}); // {}\n{pad}}}",
                tests.join(" && "),
                row.name
            )
        };
        tests.is_empty()
    }
}

/// Tests beside the fixed bits: constraints and features.
fn guards(table: &Table, row: &Row) -> Vec<String> {
    let mut tests: Vec<String> = row
        .matches
        .iter()
        .map(|e| test_text(row, e, table.word()))
        .collect();
    if !row.features.is_empty() {
        let any: Vec<String> = row
            .features
            .iter()
            .map(|all| {
                let all: Vec<String> = all
                    .iter()
                    .map(|f| format!("features.has(Feature::{})", crate::features::variant(f)))
                    .collect();
                all.join(" && ")
            })
            .collect();
        tests.push(format!("({})", any.join(" || ")));
    }
    tests
}

/// A constraint as Rust text over `insn`.
pub(crate) fn test_text(row: &Row, e: &crate::expr::Expr, word: &'static str) -> String {
    let field = |key: &str| row.field(key).map_or(String::new(), |f| extract(f, "insn"));
    e.rust(&RustStyle {
        word,
        field: &field,
        call: &|name| name.to_string(),
    })
}

/// The value of a field as Rust text.
pub(crate) fn extract(field: &Field, insn: &str) -> String {
    let parts: Vec<String> = field
        .pieces
        .iter()
        .map(|p| {
            let mask = crate::parse::ones(p.len);
            match (p.at, p.to) {
                (0, 0) => format!("({insn} & {mask:#x})"),
                (at, 0) => format!("(({insn} >> {at}) & {mask:#x})"),
                (0, to) => format!("(({insn} & {mask:#x}) << {to})"),
                (at, to) => format!("((({insn} >> {at}) & {mask:#x}) << {to})"),
            }
        })
        .collect();
    if parts.len() == 1 {
        parts.concat()
    } else {
        format!("({})", parts.join(" | "))
    }
}
