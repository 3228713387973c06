//! Orders the rows of a table, and reports ambiguous overlaps and rows that nothing can reach.
//!
//! A row whose fixed bits are a superset of another's wins over it; `see:` on the losing row
//! decides where neither is more specific. Everything else that overlaps is an error.

use crate::diag::Diags;
use crate::parse::{Row, Table};

/// A set of words: those with `word & mask == value`.
#[derive(Clone, Copy, Debug)]
struct Cube {
    mask: u64,
    value: u64,
}

impl Cube {
    fn of(row: &Row) -> Cube {
        Cube {
            mask: row.mask,
            value: row.value,
        }
    }

    fn meets(self, other: Cube) -> bool {
        (self.value ^ other.value) & self.mask & other.mask == 0
    }
}

/// Constraint bits that are tried one by one when two rows are compared.
const MAX_ENUMERATED_BITS: u32 = 16;

/// A word that both rows match, if there is one.
pub(crate) fn overlap(a: &Row, b: &Row) -> Option<u64> {
    if !Cube::of(a).meets(Cube::of(b)) {
        return None;
    }
    let base = a.value | b.value;
    let mut tested = 0u64;
    for row in [a, b] {
        for e in &row.matches {
            e.fields(&mut |key| tested |= row.field(key).map_or(0, |f| f.mask()));
        }
    }
    tested &= !(a.mask | b.mask);
    if tested.count_ones() > MAX_ENUMERATED_BITS {
        return Some(base);
    }
    // Walks the subsets of `tested`.
    let mut bits = 0u64;
    loop {
        let word = base | bits;
        if a.accepts(word) && b.accepts(word) {
            return Some(word);
        }
        bits = bits.wrapping_sub(tested) & tested;
        if bits == 0 {
            return None;
        }
    }
}

fn named(row: &Row, name: &str) -> bool {
    row.name == name || row.handler() == name
}

/// Puts `table.rows` into matching order.
pub(crate) fn order(table: &mut Table, diags: &mut Diags) {
    let rows = &table.rows;
    let mut wins_over: Vec<Vec<usize>> = vec![Vec::new(); rows.len()];
    let mut used_see: Vec<Vec<bool>> = rows.iter().map(|r| vec![false; r.see.len()]).collect();
    for i in 0..rows.len() {
        for j in i + 1..rows.len() {
            let Some(witness) = overlap(&rows[i], &rows[j]) else {
                continue;
            };
            let (a, b) = (&rows[i], &rows[j]);
            let a_sees = mark_see(a, b, &mut used_see[i]);
            let b_sees = mark_see(b, a, &mut used_see[j]);
            let union = a.mask | b.mask;
            let (a_specific, b_specific) = (
                union == a.mask && a.mask != b.mask,
                union == b.mask && a.mask != b.mask,
            );
            match (a_sees, b_sees) {
                (false, true) => wins_over[i].push(j),
                (true, false) => wins_over[j].push(i),
                (false, false) if a_specific => wins_over[i].push(j),
                (false, false) if b_specific => wins_over[j].push(i),
                _ => diags.push(
                    &table.file,
                    b.line,
                    format!(
                        "rows `{}` and `{}` (line {}) both match {witness:#x} and neither is more specific; \
                         constrain one or add `see:` to the one that yields",
                        b.name, a.name, a.line
                    ),
                ),
            }
        }
    }
    for (row, used) in rows.iter().zip(&used_see) {
        for (name, _) in row.see.iter().zip(used).filter(|(_, used)| !**used) {
            diags.push(
                &table.file,
                row.line,
                format!("`see:{name}`: no such row overlaps `{}`", row.name),
            );
        }
    }
    match sorted(&wins_over) {
        Ok(order) => {
            let mut slots: Vec<Option<Row>> = std::mem::take(&mut table.rows)
                .into_iter()
                .map(Some)
                .collect();
            table.rows = order.into_iter().filter_map(|i| slots[i].take()).collect();
        }
        Err(stuck) => {
            let (row, name) = (&rows[stuck], &rows[stuck].name);
            diags.push(
                &table.file,
                row.line,
                format!("the order of rows around `{name}` is circular"),
            );
        }
    }
}

/// Whether `row` yields to `other` by a `see:`; notes which of its names were of use.
fn mark_see(row: &Row, other: &Row, used: &mut [bool]) -> bool {
    let mut found = false;
    for (name, used) in row.see.iter().zip(used) {
        if named(other, name) {
            *used = true;
            found = true;
        }
    }
    found
}

/// A topological order that otherwise keeps the table's; or a row in a circle.
fn sorted(wins_over: &[Vec<usize>]) -> Result<Vec<usize>, usize> {
    let mut losses = vec![0usize; wins_over.len()];
    for &loser in wins_over.iter().flatten() {
        losses[loser] += 1;
    }
    let mut out = Vec::new();
    let mut done = vec![false; wins_over.len()];
    while out.len() < wins_over.len() {
        match (0..losses.len()).find(|&i| !done[i] && losses[i] == 0) {
            Some(i) => {
                done[i] = true;
                out.push(i);
                wins_over[i].iter().for_each(|&loser| losses[loser] -= 1);
            }
            None => return Err((0..done.len()).find(|&i| !done[i]).unwrap_or(0)),
        }
    }
    Ok(out)
}

/// The words a row matches as disjoint cubes; `None` when its constraints are not simple tests.
fn cubes(row: &Row) -> Option<Vec<Cube>> {
    let mut out = vec![Cube::of(row)];
    for e in &row.matches {
        let (key, number, equal) = e.simple_test()?;
        let field = row.field(key)?;
        let test = Cube {
            mask: field.mask(),
            value: field.place(number),
        };
        if field.value(test.value) != number {
            // The field can't hold the number.
            if equal {
                return Some(Vec::new());
            }
            continue;
        }
        out = out
            .into_iter()
            .flat_map(|c| {
                if equal {
                    intersect(c, test)
                } else {
                    subtract(c, test)
                }
            })
            .collect();
    }
    Some(out)
}

fn intersect(a: Cube, b: Cube) -> Vec<Cube> {
    if a.meets(b) {
        vec![Cube {
            mask: a.mask | b.mask,
            value: a.value | b.value,
        }]
    } else {
        Vec::new()
    }
}

/// `a` without `b`, as disjoint cubes.
fn subtract(a: Cube, b: Cube) -> Vec<Cube> {
    if !a.meets(b) {
        return vec![a];
    }
    let mut out = Vec::new();
    let mut rest = a;
    let mut extra = b.mask & !a.mask;
    while extra != 0 {
        let bit = 1u64 << (63 - extra.leading_zeros());
        extra &= !bit;
        out.push(Cube {
            mask: rest.mask | bit,
            value: rest.value | (!b.value & bit),
        });
        rest = Cube {
            mask: rest.mask | bit,
            value: rest.value | (b.value & bit),
        };
    }
    out
}

/// More parts than this and a row counts as reachable.
const MAX_PARTS: usize = 20_000;

/// Reports rows of which every word is taken by rows before them.
pub(crate) fn unreachable(table: &Table, diags: &mut Diags) {
    for (i, row) in table.rows.iter().enumerate() {
        let mut rest = match cubes(row) {
            Some(cubes) => cubes,
            None => vec![Cube::of(row)],
        };
        let mut by = Vec::new();
        if rest.is_empty() {
            diags.push(
                &table.file,
                row.line,
                format!("the constraints of `{}` can never hold", row.name),
            );
            continue;
        }
        for earlier in &table.rows[..i] {
            // A row that needs a feature may be hidden, unless both need the same.
            if !earlier.features.is_empty() && earlier.features != row.features {
                continue;
            }
            let Some(taken) = cubes(earlier) else {
                continue;
            };
            for cube in taken.into_iter().filter(|c| c.meets(Cube::of(row))) {
                rest = rest
                    .into_iter()
                    .flat_map(|part| subtract(part, cube))
                    .collect();
                by.push(earlier.name.as_str());
            }
            if rest.len() > MAX_PARTS {
                break;
            }
        }
        if rest.is_empty() {
            by.dedup();
            let message = format!(
                "row `{}` is unreachable, taken by: {}",
                row.name,
                by.join(", ")
            );
            diags.push(&table.file, row.line, message);
        }
    }
}
