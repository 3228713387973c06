//! The support matrix, docs/syscalls.md, from the tables that the dispatcher uses.

use super::absent::ABSENT;
use super::{FAMILIES, Support, SysDesc};
use crate::guests::PORTS;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What is said about a call.
struct Row {
    text: String,
    /// Guests whose kernel has it, by place in the list of ports.
    guests: Vec<bool>,
}

fn support(desc: &SysDesc) -> &'static str {
    match desc.support {
        Support::Full => "yes",
        Support::Partial => {
            "in part: what is missing answers with an error and is named by `-d unimp`"
        }
        Support::Ignored => "accepted, without effect",
    }
}

/// The page.
pub fn page() -> String {
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    for (i, port) in PORTS.iter().enumerate() {
        for entry in port.abi(false).calls.iter() {
            let absent = ABSENT.iter().find(|a| a.name == entry.name);
            let text = match (entry.desc, absent) {
                (Some(desc), _) => support(desc).to_string(),
                (None, Some(a)) => format!("no, {}: {}", a.errno.name().unwrap_or("?"), a.why),
                (None, None) => "no, ENOSYS".to_string(),
            };
            let new = || Row {
                text,
                guests: vec![false; PORTS.len()],
            };
            if let Some(g) = rows.entry(entry.name).or_insert_with(new).guests.get_mut(i) {
                *g = true;
            }
        }
    }
    let total: usize = FAMILIES.iter().map(|f| f.len()).sum();
    let mut out = format!(
        "# System calls\n\nMade by `EMU_UPDATE_DOCS=1 cargo test -p linux-user --lib matrix` from the tables that the dispatcher uses; a test \
         compares it. {total} handlers serve the calls of all guests. `x`: the guest's kernel has a call of this name.\n\n| call | "
    );
    for port in PORTS {
        let _ = write!(out, "{} | ", port.name());
    }
    let _ = writeln!(out, "here |\n|---|{}---|", ":-:|".repeat(PORTS.len()));
    for (name, row) in rows {
        let _ = write!(out, "| {name} | ");
        for has in row.guests {
            out.push_str(if has { "x | " } else { " | " });
        }
        let _ = writeln!(out, "{} |", row.text);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/syscalls.md");
        let page = page();
        if std::env::var_os("EMU_UPDATE_DOCS").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        let there = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            there == page,
            "docs/syscalls.md is not what the tables say: run this with EMU_UPDATE_DOCS=1"
        );
    }

    #[test]
    fn nothing_is_both_served_and_left_out() {
        for a in ABSENT {
            let served = FAMILIES
                .iter()
                .flat_map(|f| f.iter())
                .any(|d| d.name == a.name);
            assert!(!served, "{}", a.name);
        }
    }
}
