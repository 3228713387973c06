//! Citations of manuals: `[KEY section]` in a comment needs a row for KEY in docs/references.md.

use super::File;
use anyhow::{Context, Result};
use std::collections::BTreeSet;

/// Where the keys are explained.
const REFERENCES: &str = "docs/references.md";

/// The keys that docs/references.md has a row for (first cell in backquotes).
pub fn known(files: &[File]) -> Result<BTreeSet<String>> {
    let file = files
        .iter()
        .find(|f| f.path == REFERENCES)
        .with_context(|| format!("no {REFERENCES}"))?;
    Ok(file
        .text
        .lines()
        .filter_map(|l| l.strip_prefix("| `")?.split('`').next())
        .map(str::to_owned)
        .collect())
}

/// Appends the citations in `comments` (one text per line) whose key is not `known`.
pub fn check<'a>(
    file: &File,
    comments: impl Iterator<Item = &'a str>,
    known: &BTreeSet<String>,
    findings: &mut Vec<String>,
) {
    for (number, comment) in comments.enumerate() {
        for key in citations(comment).filter(|k| !known.contains(*k)) {
            findings.push(file.finding(
                number,
                format_args!("[{key} ...] is cited but has no row in {REFERENCES}"),
            ));
        }
    }
}

/// `[ARMv7 A8.8.165]`: a key that starts with a letter, a space, a section that has a digit in its
/// first word. `[text](link)`, `[Type]` and `#[attribute]` are something else.
fn citations(comment: &str) -> impl Iterator<Item = &str> {
    comment.match_indices('[').filter_map(|(at, _)| {
        let inner = comment[at + 1..].split(']').next()?;
        let after = comment.get(at + 1 + inner.len() + 1..).unwrap_or("");
        let (key, section) = inner.split_once(' ')?;
        let first = section.split_whitespace().next()?;
        let named = key.starts_with(|c: char| c.is_ascii_uppercase())
            && key
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-+".contains(c));
        (named && first.contains(|c: char| c.is_ascii_digit()) && !after.starts_with('('))
            .then_some(key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn citations_are_told_from_links_and_code() {
        let found: Vec<&str> = citations(
            "see [ARMv7 A8.8.165] and [AAPCS 5.2], not [Type], [a 1], [Foo 3](x) or [Two words]",
        )
        .collect();
        assert_eq!(found, ["ARMv7", "AAPCS"]);
    }

    #[test]
    fn only_unknown_keys_are_findings() {
        let references = File {
            path: REFERENCES.into(),
            text: "| key | x |\n| `ARMv7` | y |\n".into(),
        };
        let keys = known(&[references]).unwrap();
        let file = File {
            path: "a.rs".into(),
            text: String::new(),
        };
        let mut findings = Vec::new();
        check(
            &file,
            ["// [ARMv7 A1]", "// [Nope A1]"].into_iter(),
            &keys,
            &mut findings,
        );
        assert_eq!(findings.len(), 1);
        assert!(findings[0].starts_with("a.rs:2: [Nope"));
    }
}
