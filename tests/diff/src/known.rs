//! Differences that are meant: a file of rows, each with its reason.
//!
//! A line is `ROW FIELD CPU REASON…`: the name of a decode row (a `*` is any text; `NAME/MASK=BITS` in hexadecimal if the
//! instruction must have these bits; `NAME~` for what shows in the instructions behind it), the name of a field (`*` for any;
//! `NAME=OURS:THEIRS` in hexadecimal for these values only (one of them may be `*`), `NAME^MASK` if no other bits
//! differ; `@SIGNAL` behind it if the reference must have been stopped by that signal), a CPU model (`*` for any), and
//! why the other emulator is not followed, with the manual's section. A line for the field `signal` explains all that
//! differs in such a case.

/// One line.
#[derive(Clone, Debug)]
pub struct Known {
    row: String,
    /// It shows behind the row.
    behind: bool,
    /// Mask of the instruction, and what is to be there.
    bits: (u64, u64),
    field: String,
    cpu: String,
    /// Why.
    pub reason: String,
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|tail| {
            let mut ends = (0..=tail.len()).filter_map(|n| tail.get(n..));
            ends.any(|end| fits(rest, end))
        }),
    }
}

/// The name in `NAME/MASK=BITS`, and the two numbers (0 if they are not there).
fn split_bits(row: &str) -> Option<(String, (u64, u64))> {
    let Some((name, bits)) = row.split_once('/') else {
        return Some((row.to_owned(), (0, 0)));
    };
    let (mask, value) = bits.split_once('=')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    Some((name.to_owned(), (number(mask)?, number(value)?)))
}

/// The lines of a file.
pub fn parse(text: &str) -> Result<Vec<Known>, String> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
        .map(|line| {
            let mut words = line.split_whitespace().map(str::to_owned);
            let mut word = || {
                words
                    .next()
                    .ok_or(format!("a line of known differences: {line}"))
            };
            let (row, field, cpu) = (word()?, word()?, word()?);
            let reason: Vec<String> = words.collect();
            if reason.is_empty() {
                return Err(format!("no reason: {line}"));
            }
            let (row, bits) = split_bits(&row).ok_or(format!("bits of a row: {line}"))?;
            let (row, behind) = match row.strip_suffix('~') {
                Some(name) => (name.to_owned(), true),
                None => (row, false),
            };
            Ok(Known {
                row,
                behind,
                bits,
                field,
                cpu,
                reason: reason.join(" "),
            })
        })
        .collect()
}

/// What a line has to fit.
#[derive(Clone, Copy)]
pub struct Culprit<'a> {
    /// The instruction's row.
    pub row: &'a str,
    /// The instruction.
    pub insn: u64,
    /// The rows of those before it.
    pub before: &'a [&'static str],
    /// The signal that stopped the reference; 0 for none.
    pub signal: u64,
    /// The CPU model.
    pub cpu: &'a str,
}

/// The line that explains a difference of a field: what we and what the other one have.
pub fn find<'a>(
    list: &'a [Known],
    culprit: Culprit,
    field: &str,
    values: (u64, u64),
) -> Option<&'a Known> {
    let exact = format!("{field}={:x}:{:x}", values.0, values.1);
    let theirs = format!("{field}=*:{:x}", values.1);
    let ours = format!("{field}={:x}:*", values.0);
    let bits = |what: &str| {
        let (name, mask) = what.split_once('^')?;
        let mask = u64::from_str_radix(mask, 16).ok()?;
        Some(name == field && (values.0 ^ values.1) & !mask == 0)
    };
    let names = |k: &Known| {
        let (what, stopped) = match k.field.split_once('@') {
            Some((what, n)) => (what, n.parse() == Ok(culprit.signal)),
            None => (k.field.as_str(), true),
        };
        let named = fits(what, field) || what == exact || what == theirs || what == ours;
        stopped && (named || bits(what) == Some(true))
    };
    let here = |k: &Known| culprit.insn & k.bits.0 == k.bits.1;
    let row = |k: &Known| match k.behind {
        true => culprit.before.iter().any(|b| fits(&k.row, b)),
        false => fits(&k.row, culprit.row),
    };
    let all = |k: &&Known| row(k) && here(k) && names(k) && fits(&k.cpu, culprit.cpu);
    list.iter().find(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn culprit<'a>(row: &'a str, signal: u64, cpu: &'a str) -> Culprit<'a> {
        Culprit {
            row,
            insn: 0x1805,
            before: &["first", "second"],
            signal,
            cpu,
        }
    }

    #[test]
    fn known_bits_explain_no_others() {
        let list = parse("* f^90 * why").unwrap_or_default();
        let x = culprit("x", 0, "max");
        assert!(find(&list, x, "f", (0x10, 0x80)).is_some());
        assert!(find(&list, x, "f", (0x11, 0x80)).is_none());
    }

    #[test]
    fn known_lines_may_ask_for_a_signal_and_for_names_with_any_middle() {
        let list = parse("x*dp f^1@8 * why").unwrap_or_default();
        assert!(find(&list, culprit("xsadddp", 8, "max"), "f", (0, 1)).is_some());
        assert!(find(&list, culprit("xsadddp", 0, "max"), "f", (0, 1)).is_none());
        assert!(find(&list, culprit("xsaddsp", 8, "max"), "f", (0, 1)).is_none());
        assert!(fits("a*b*c", "axxbxbyc") && !fits("a*b*c", "axxc") && fits("a*", "a"));
    }

    #[test]
    fn known_lines_may_be_of_an_earlier_instruction() {
        let list = parse("first~ f * why").unwrap_or_default();
        assert!(find(&list, culprit("x", 0, "max"), "f", (0, 1)).is_some());
        assert!(find(&list, culprit("first", 0, "max"), "g", (0, 1)).is_none());
        let list = parse("third~ f * why").unwrap_or_default();
        assert!(find(&list, culprit("third", 0, "max"), "f", (0, 1)).is_none());
    }

    #[test]
    fn known_lines_may_ask_for_bits_of_the_instruction() {
        let list = parse("x/f00=800 f * why\ny/f00=700 f * why").unwrap_or_default();
        assert!(find(&list, culprit("x", 0, "max"), "f", (0, 1)).is_some());
        assert!(find(&list, culprit("y", 0, "max"), "f", (0, 1)).is_none());
        assert!(parse("x/f00 f * why").is_err());
    }

    #[test]
    fn known_lines_are_found_by_row_field_and_model() {
        let list =
            parse("# head\nvld* mem *  because of this\nadd r cortex-a8 why\n").unwrap_or_default();
        assert_eq!(list.len(), 2);
        let vld = culprit("vld_multi", 0, "max");
        assert!(find(&list, vld, "mem", (0, 1)).is_some());
        assert!(find(&list, vld, "r", (0, 1)).is_none());
        assert!(find(&list, culprit("add", 0, "max"), "r", (0, 1)).is_none());
        assert!(parse("add r max").is_err());
    }
}
