//! Compares what two emulators wrote, and finds the instruction that made the difference.

use crate::guest::{Case, Field, Guest};
use crate::known::{self, Culprit, Known};
use crate::run::{Batch, Emulator};
use std::collections::BTreeMap;
use std::io::Error;
use std::path::Path;

/// A field that differs.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    /// Which.
    pub field: Field,
    /// What the reference has.
    pub want: u64,
    /// What we have.
    pub got: u64,
}

/// The value of a field of a record.
pub fn value(record: &[u8], field: &Field, big: bool) -> u64 {
    let bytes = &record[field.offset..field.offset + field.len];
    let shift = |v: u64, b: &u8| v << 8 | u64::from(*b);
    match big {
        true => bytes.iter().fold(0, shift),
        false => bytes.iter().rev().fold(0, shift),
    }
}

/// Whether one of the two was stopped by an access to what is not the program's: there may be something of the
/// emulator's there, or nothing.
pub fn astray(guest: &dyn Guest, differences: &[Difference]) -> bool {
    let of = |name: &str| differences.iter().find(|d| d.field.name == name);
    match (of("signal"), of("address")) {
        (Some(s), Some(a)) => {
            (s.want == 0) != (s.got == 0) && !guest.owns(if s.want == 0 { a.got } else { a.want })
        }
        _ => false,
    }
}

/// The fields that differ between two records.
pub fn differences(guest: &dyn Guest, want: &[u8], got: &[u8]) -> Vec<Difference> {
    if want == got {
        return Vec::new();
    }
    let big = guest.machine().big;
    let read = |field: &Field| Difference {
        field: *field,
        want: value(want, field, big) & field.mask,
        got: value(got, field, big) & field.mask,
    };
    let all = guest.compared().iter().map(read);
    all.filter(|d| d.want != d.got).collect()
}

/// A case that differs in a batch.
pub struct Failing<'a> {
    /// Its number in the batch.
    pub index: usize,
    /// The case.
    pub case: &'a Case,
    /// The record of the reference.
    pub want: &'a [u8],
    /// What differs.
    pub differences: Vec<Difference>,
}

/// A case that differs, cut.
pub struct Finding {
    /// Its number in the batch.
    pub index: usize,
    /// Reduced to its shortest prefix that differs; whole if it differs only behind the other cases of its batch.
    pub case: Case,
    /// Where its code is.
    pub at: u64,
    /// It differs by itself, not only behind the others.
    pub alone: bool,
    /// The record of the reference.
    pub want: Vec<u8>,
    /// What differs.
    pub differences: Vec<Difference>,
}

/// Prefixes that are run at once.
const PREFIXES: usize = 2_000;

/// Reduces failing cases to the shortest prefix that fails; the last instruction is then the culprit. The prefixes of
/// many cases are one batch: starting processes is what takes the time.
pub fn shrink(
    guest: &dyn Guest,
    failing: &[Failing],
    reference: &Emulator,
    ours: &Emulator,
    folder: &Path,
) -> Result<Vec<Finding>, Error> {
    let longest = failing.iter().map(|f| f.case.pieces.len()).max();
    let mut found = Vec::new();
    for some in failing.chunks((PREFIXES / longest.unwrap_or(1).max(1)).max(1)) {
        let prefixes: Vec<Case> = some.iter().flat_map(|f| starts(f.case)).collect();
        let batch = Batch::new(guest, &prefixes, folder)?;
        let (want, _) = batch.run(reference)?;
        let (got, _) = batch.run(ours)?;
        let pairs = want.into_iter().zip(got).zip(&batch.program.cases);
        let mut results = prefixes.into_iter().zip(pairs);
        for failing in some {
            let own: Vec<_> = results.by_ref().take(failing.case.pieces.len()).collect();
            let first = own.into_iter().find_map(|(case, ((want, got), at))| {
                let differences = differences(guest, &want, &got);
                let ends = case.pieces.last().is_some_and(|p| guest.may_end(p));
                (ends && !differences.is_empty()).then_some(Finding {
                    index: failing.index,
                    alone: true,
                    case,
                    at: *at,
                    want,
                    differences,
                })
            });
            match first {
                Some(f) => found.push(f),
                None if astray(guest, &failing.differences) => {}
                None => found.push(Finding {
                    index: failing.index,
                    alone: false,
                    case: failing.case.clone(),
                    at: 0,
                    want: failing.want.to_vec(),
                    differences: failing.differences.clone(),
                }),
            }
        }
    }
    Ok(found)
}

/// Whether a case differs in a process of its own.
pub fn differs_alone(
    guest: &dyn Guest,
    case: &Case,
    reference: &Emulator,
    ours: &Emulator,
    folder: &Path,
) -> Result<bool, Error> {
    let batch = Batch::new(guest, std::slice::from_ref(case), folder)?;
    let (want, got) = (batch.run(reference)?.0, batch.run(ours)?.0);
    let equal = |(w, g): (&Vec<u8>, &Vec<u8>)| differences(guest, w, g).is_empty();
    Ok(want.len() != got.len() || !want.iter().zip(&got).all(equal))
}

/// The first instruction of a case, the first two, and so on.
fn starts(whole: &Case) -> impl Iterator<Item = Case> + '_ {
    (1..=whole.pieces.len()).map(|n| Case {
        pieces: whole.pieces[..n].to_vec(),
        input: whole.input.clone(),
    })
}

/// The signal that a record tells of; 0 for none.
pub fn signal(guest: &dyn Guest, record: &[u8]) -> u64 {
    let field = guest.compared().iter().find(|f| f.name == "signal");
    field.map_or(0, |f| value(record, f, guest.machine().big))
}

/// Prints a finding.
pub fn report(guest: &dyn Guest, finding: &Finding, cases: &[Case], ours: &Emulator) {
    let signal = signal(guest, &finding.want);
    let big = guest.machine().big;
    match finding.alone {
        false => {
            println!("{}: only behind other cases, as this one:", ours.name);
            let before = finding.index.checked_sub(1).and_then(|i| cases.get(i));
            for line in before.map_or(Vec::new(), |c| guest.text(c, 0)) {
                println!("    {line}");
            }
            println!("  what differs:");
        }
        true => println!("{} (signal of the reference: {signal})", ours.name),
    }
    for line in guest.text(&finding.case, finding.at) {
        println!("    {line}");
    }
    for d in finding.differences.iter().take(12) {
        let Field { name, index, .. } = d.field;
        let input = value(&finding.case.input, &d.field, big);
        let width = 2 * d.field.len;
        println!(
            "    {name}{index}: in {input:0width$x} got {:0width$x} want {:0width$x}",
            d.got, d.want
        );
    }
    let fields = guest.compared();
    let line: Vec<String> = fields
        .iter()
        .filter(|f| f.name != "mem" && f.name != "signal" && guest.shows(&finding.case, f))
        .map(|f| (f, value(&finding.case.input, f, big)))
        .filter(|(_, v)| *v != 0)
        .map(|(f, v)| format!("{}{}={v:x}", f.name, f.index))
        .collect();
    println!("    in: {}", line.join(" "));
}

/// Counts findings by culprit; those that are known, by reason.
#[derive(Default)]
pub struct Counts {
    /// Row of the culprit: how often.
    pub unexplained: BTreeMap<String, u32>,
    /// The same of cases that differ only behind others: an emulator kept something of those, or memory outside of the
    /// record is not the same any more.
    pub behind: BTreeMap<String, u32>,
    /// How often one of them was stopped by an access outside of the program.
    pub astray: u32,
    /// Reason: how often.
    pub explained: BTreeMap<String, u32>,
}

impl Counts {
    /// Counts a finding, with the reason if it is known; true if it is to be printed.
    pub fn add(&mut self, finding: &Finding, known: Option<&str>) -> bool {
        if let Some(reason) = known {
            *self.explained.entry(reason.to_owned()).or_default() += 1;
            return false;
        }
        let row = finding.case.pieces.last().map_or("", |p| p.row.name);
        let counts = match finding.alone {
            true => &mut self.unexplained,
            false => &mut self.behind,
        };
        let n = counts.entry(row.to_owned()).or_default();
        *n += 1;
        *n <= 2
    }
}

/// The reason for a finding, if there is one.
pub fn reason<'a>(
    guest: &dyn Guest,
    finding: &Finding,
    list: &'a [Known],
    cpu: &str,
) -> Option<&'a str> {
    // What the case is cut to ends with the culprit; if it could not be cut, it may be any of them.
    let pieces = &finding.case.pieces;
    let rows: Vec<&str> = pieces.iter().map(|p| p.row.name).collect();
    let candidates = pieces.iter().enumerate().rev();
    candidates
        .take(if finding.alone { 1 } else { usize::MAX })
        .find_map(|(i, p)| {
            let culprit = Culprit {
                row: p.row.name,
                insn: p.insn,
                before: rows.get(..i).unwrap_or_default(),
                signal: signal(guest, &finding.want),
                cpu,
            };
            explained(finding, list, culprit)
        })
}

/// The reason of the first difference, if every one is known.
fn explained<'a>(finding: &Finding, list: &'a [Known], culprit: Culprit) -> Option<&'a str> {
    let line = |d: &Difference| known::find(list, culprit, d.field.name, (d.got, d.want));
    // Another signal explains everything that follows from it.
    let mut all = finding.differences.iter();
    let signal = all.find(|d| d.field.name == "signal");
    let reasons: Option<Vec<&Known>> = match signal.and_then(line) {
        Some(k) => Some(vec![k]),
        None => finding.differences.iter().map(line).collect(),
    };
    reasons.map(|r| r.first().map_or("", |k| &k.reason))
}
