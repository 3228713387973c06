//! `cargo xtask lint`: what the compiler and clippy do not check about our files.
//!
//! One file per group of rules: `rust` (heads, unsafe islands, ISA names, words that may not be
//! committed), `text` (length, machine paths and addresses), `keys` (citations of manuals).
//! A line can be excused from a rule by `lint: allow RULE, reason` in a comment on it.

mod keys;
mod lexer;
mod rust;
mod text;

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file under the rules: its path from the workspace's root, `/` between the parts, and its text.
pub struct File {
    /// Path from the root of the workspace.
    pub path: String,
    /// The whole text.
    pub text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// `path:line: message`, lines counted from zero here and from one in the output.
    fn finding(&self, line: usize, message: impl std::fmt::Display) -> String {
        format!("{}:{}: {message}", self.path, line + 1)
    }
}

/// Whether the text of a line excuses it from `rule`.
fn excused(line: &str, rule: &str) -> bool {
    line.split_once("lint: allow ").is_some_and(|(_, rest)| {
        rest.strip_prefix(rule)
            .is_some_and(|reason| reason.trim_start_matches([',', ':', ' ']).len() > 3)
    })
}

/// Runs every rule over every file that git knows or would add.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let files = files(root)?;
    let islands = rust::Islands::read(&files)?;
    let keys = keys::known(&files)?;
    let mut findings = islands.stale(&files);
    for file in &files {
        text::check(file, &mut findings);
        if file.is_rust() {
            let lines = lexer::split(&file.text);
            rust::check(file, &lines, &islands, &mut findings);
            keys::check(
                file,
                lines.iter().map(|l| l.comment.as_str()),
                &keys,
                &mut findings,
            );
        } else if file.path.ends_with(".decode") {
            keys::check(file, file.text.lines(), &keys, &mut findings);
        }
    }
    rust::forbids(&files, &islands, &mut findings);
    Ok(findings)
}

fn files(root: &Path) -> Result<Vec<File>> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .output()
        .context("cannot run git")?;
    anyhow::ensure!(
        output.status.success(),
        "git ls-files: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut files = Vec::new();
    for name in output.stdout.split(|&b| b == 0).filter(|n| !n.is_empty()) {
        let path = String::from_utf8(name.to_vec()).context("a file name that is not UTF-8")?;
        let full: PathBuf = root.join(&path);
        // Deleted but not yet committed, links, and binary files are not for us.
        let Ok(meta) = full.symlink_metadata() else {
            continue;
        };
        if !meta.is_file() {
            continue;
        }
        let bytes = std::fs::read(&full).with_context(|| path.clone())?;
        if let Ok(text) = String::from_utf8(bytes)
            && !text.contains('\0')
        {
            files.push(File { path, text });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::excused;

    #[test]
    fn excuse_needs_the_rule_and_a_reason() {
        assert!(excused(
            "x // lint: allow isa, the host's own registers",
            "isa"
        ));
        assert!(!excused("x // lint: allow isa", "isa"));
        assert!(!excused("x // lint: allow words, quoted here", "isa"));
    }
}
