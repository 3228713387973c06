//! Differences that are meant: a file of rows, each with its reason.
//!
//! A line is `ROW FIELD CPU REASON…`: the name of a decode row (a `*` is any text), the name of a field (`*` for any;
//! `NAME=OURS:THEIRS` in hexadecimal for these values only (one of them may be `*`), `NAME^MASK` if no other bits
//! differ; `@SIGNAL` behind it if the reference must have been stopped by that signal), a CPU model (`*` for any), and
//! why the other emulator is not followed, with the manual's section. A line for the field `signal` explains all that
//! differs in such a case.

/// One line.
#[derive(Clone, Debug)]
pub struct Known {
    row: String,
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
            Ok(Known {
                row,
                field,
                cpu,
                reason: reason.join(" "),
            })
        })
        .collect()
}

/// The line that explains a difference: the culprit's row, the field, what we and what the other one have.
pub fn find<'a>(
    list: &'a [Known],
    row: &str,
    field: &str,
    values: (u64, u64),
    signal: u64,
    cpu: &str,
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
            Some((what, n)) => (what, n.parse() == Ok(signal)),
            None => (k.field.as_str(), true),
        };
        let named = fits(what, field) || what == exact || what == theirs || what == ours;
        stopped && (named || bits(what) == Some(true))
    };
    list.iter()
        .find(|k| fits(&k.row, row) && names(k) && fits(&k.cpu, cpu))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_bits_explain_no_others() {
        let list = parse("* f^90 * why").unwrap_or_default();
        assert!(find(&list, "x", "f", (0x10, 0x80), 0, "max").is_some());
        assert!(find(&list, "x", "f", (0x11, 0x80), 0, "max").is_none());
    }

    #[test]
    fn known_lines_may_ask_for_a_signal_and_for_names_with_any_middle() {
        let list = parse("x*dp f^1@8 * why").unwrap_or_default();
        assert!(find(&list, "xsadddp", "f", (0, 1), 8, "max").is_some());
        assert!(find(&list, "xsadddp", "f", (0, 1), 0, "max").is_none());
        assert!(find(&list, "xsaddsp", "f", (0, 1), 8, "max").is_none());
        assert!(fits("a*b*c", "axxbxbyc") && !fits("a*b*c", "axxc") && fits("a*", "a"));
    }

    #[test]
    fn known_lines_are_found_by_row_field_and_model() {
        let list =
            parse("# head\nvld* mem *  because of this\nadd r cortex-a8 why\n").unwrap_or_default();
        assert_eq!(list.len(), 2);
        assert!(find(&list, "vld_multi", "mem", (0, 1), 0, "max").is_some());
        assert!(find(&list, "vld_multi", "r", (0, 1), 0, "max").is_none());
        assert!(find(&list, "add", "r", (0, 1), 0, "max").is_none());
        assert!(parse("add r max").is_err());
    }
}
