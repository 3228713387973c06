//! Rules for Rust files: heads, islands of unsafe code, ISA names in general code, forbidden words.

use super::lexer::Line;
use super::{File, excused};
use anyhow::{Context, Result};

/// Where the islands are listed.
const UNSAFE: &str = "docs/unsafe.md";

/// Folders that serve every guest, so nothing in their code may be named after one. The host
/// back ends and the tables that choose between guests are elsewhere.
const GENERAL: &[&str] = &["tcg/", "linux-user/src/", "bsd-user/src/", "softmmu/core/"];
/// softfloat is excused because rules for NaNs have no other names than those of the architectures
/// that define them.
const NOT_GENERAL: &[&str] = &["tcg/host/", "tcg/softfloat/"];

/// Words that name a guest. The host's own family (x86) is not among them: the signal context and
/// the entry stub speak of it.
const ISA_NAMES: &[&str] = &[
    "arm",
    "armeb",
    "armhf",
    "armel",
    "armv4t",
    "armv5",
    "armv6",
    "armv7",
    "armv8",
    "thumb",
    "a32",
    "t32",
    "t16",
    "neon",
    "vfp",
    "aarch32",
    "aarch64",
    "arm64",
    "ppc",
    "ppc32",
    "ppc64",
    "powerpc",
    "riscv",
    "riscv32",
    "riscv64",
    "mips",
    "mips32",
    "mips64",
    "s390",
    "s390x",
    "sparc",
    "sparc64",
    "m68k",
    "sh4",
    "loongarch",
    "loongarch64",
    "hppa",
    "microblaze",
    "openrisc",
    "or1k",
    "xtensa",
    "hexagon",
    "tricore",
];

/// Macros and words that may not be committed.
const WORDS_IN_CODE: &[&str] = &["todo!", "unimplemented!", "dbg!"];
const WORDS_IN_COMMENTS: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];

/// The files and folders that may contain unsafe code.
pub struct Islands(Vec<String>);

impl Islands {
    /// Reads the first column (in backquotes) of the table in docs/unsafe.md.
    pub fn read(files: &[File]) -> Result<Islands> {
        let file = files
            .iter()
            .find(|f| f.path == UNSAFE)
            .with_context(|| format!("no {UNSAFE}"))?;
        let paths = file
            .text
            .lines()
            .filter_map(|l| l.strip_prefix("| `")?.split('`').next());
        Ok(Islands(paths.map(str::to_owned).collect()))
    }

    fn covers(&self, path: &str) -> bool {
        self.0
            .iter()
            .any(|i| path == i || i.ends_with('/') && path.starts_with(i.as_str()))
    }

    /// Rows that name nothing: an island that is gone must leave the list.
    pub fn stale(&self, files: &[File]) -> Vec<String> {
        let gone = |i: &&String| {
            !files
                .iter()
                .any(|f| f.path == **i || i.ends_with('/') && f.path.starts_with(i.as_str()))
        };
        self.0
            .iter()
            .filter(gone)
            .map(|i| format!("{UNSAFE}: there is no `{i}`"))
            .collect()
    }
}

/// Appends what `file` breaks; `lines` is its text, split.
pub fn check(file: &File, lines: &[Line], islands: &Islands, findings: &mut Vec<String>) {
    if !file.text.starts_with("//!") {
        findings.push(file.finding(
            0,
            "must begin with a `//!` line that says the file's one job",
        ));
    }
    let island = islands.covers(&file.path);
    let general = GENERAL.iter().any(|g| file.path.starts_with(g))
        && !NOT_GENERAL.iter().any(|g| file.path.starts_with(g))
        && !file.path.contains("/tests/")
        && !file.path.ends_with("tests.rs");
    let mut in_tests = false;
    for (number, line) in lines.iter().enumerate() {
        // Tests need a concrete guest; a file's tests are its last part.
        in_tests |= line.code.contains("#[cfg(test)]");
        if !island && has_unsafe(&line.code) {
            findings.push(file.finding(
                number,
                format_args!("unsafe code outside of the islands in {UNSAFE}"),
            ));
        }
        if general
            && !in_tests
            && !excused(&line.comment, "isa")
            && let Some(name) = isa_name(&line.code).or_else(|| isa_name(&line.strings))
        {
            findings.push(file.finding(
                number,
                format_args!("`{name}` names a guest ISA in general code"),
            ));
        }
        if let Some(word) = WORDS_IN_CODE.iter().find(|w| has_macro(&line.code, w)) {
            findings.push(file.finding(number, format_args!("{word} may not be committed")));
        }
        if !excused(&line.comment, "words")
            && let Some(word) = words(&line.comment).find(|w| WORDS_IN_COMMENTS.contains(w))
        {
            let advice = "do it, or write UNIMPL: and why";
            findings.push(file.finding(number, format_args!("{word} in a comment: {advice}")));
        }
    }
}

/// Crates without an island must forbid unsafe code in their root, so that the compiler checks it.
pub fn forbids(files: &[File], islands: &Islands, findings: &mut Vec<String>) {
    for file in files
        .iter()
        .filter(|f| f.path.ends_with("src/lib.rs") || f.path.ends_with("src/main.rs"))
    {
        let Some(folder) = file.path.rsplit_once("src/").map(|(f, _)| f) else {
            continue;
        };
        let source = format!("{folder}src/");
        let crate_has_island = islands
            .0
            .iter()
            .any(|i| i.starts_with(&source) || i.as_str() == folder);
        if !crate_has_island && !file.text.contains("#![forbid(unsafe_code)]") {
            findings.push(file.finding(
                0,
                "a crate without an island of unsafe code must have #![forbid(unsafe_code)]",
            ));
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
}

/// The type of a pointer to an unsafe function is not unsafe code; what calls it is.
fn has_unsafe(code: &str) -> bool {
    let pointer_type = code.contains("unsafe fn(") || code.contains("unsafe extern \"\" fn(");
    !pointer_type && words(code).any(|w| w == "unsafe")
}

fn has_macro(code: &str, word: &str) -> bool {
    code.match_indices(word)
        .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// The first part of an identifier in `text` that names an ISA: `arm_frame`, `ArmFrame`, `EM_ARM`.
fn isa_name(text: &str) -> Option<&'static str> {
    words(text)
        .flat_map(|w| w.split('_'))
        .flat_map(humps)
        .find_map(|part| {
            let part = part.to_ascii_lowercase();
            ISA_NAMES.iter().copied().find(|n| *n == part)
        })
}

/// `ArmFrame` → `Arm`, `Frame`; a word without a change of case is one part.
fn humps(word: &str) -> impl Iterator<Item = &str> {
    let mut starts = vec![0];
    let bytes = word.as_bytes();
    for (at, pair) in bytes.windows(2).enumerate() {
        if pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase() {
            starts.push(at + 1);
        }
    }
    starts.push(word.len());
    (1..starts.len()).map(move |i| &word[starts[i - 1]..starts[i]])
}

#[cfg(test)]
mod tests {
    use super::super::lexer::split;
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let file = File {
            path: path.into(),
            text: text.into(),
        };
        let mut findings = Vec::new();
        check(
            &file,
            &split(text),
            &Islands(vec![
                "tcg/mem/src/raw.rs".into(),
                "linux-user/src/sys/".into(),
            ]),
            &mut findings,
        );
        findings
    }

    #[test]
    fn head_is_required() {
        assert_eq!(found("a.rs", "fn f() {}").len(), 1);
        assert!(found("a.rs", "//! Does one thing.\nfn f() {}").is_empty());
    }

    #[test]
    fn unsafe_only_on_islands() {
        let text = "//! x\n// unsafe in words\n#![forbid(unsafe_code)]\nunsafe { f(\"unsafe\") }";
        assert_eq!(
            found("tcg/mem/src/lib.rs", text),
            ["tcg/mem/src/lib.rs:4: unsafe code outside of the islands in docs/unsafe.md"]
        );
        assert!(found("tcg/mem/src/raw.rs", text).is_empty());
        assert!(found("linux-user/src/sys/signal.rs", text).is_empty());
        assert_eq!(found("linux-user/src/system.rs", text).len(), 1);
    }

    #[test]
    fn types_of_unsafe_functions_are_not_unsafe_code() {
        assert!(
            !has_unsafe("type F = unsafe extern \"\" fn(u8);") && !has_unsafe("f: unsafe fn()")
        );
        assert!(has_unsafe("pub unsafe fn f()") && has_unsafe("unsafe extern \"\" fn f()"));
    }

    #[test]
    fn isa_names_in_general_code() {
        for code in [
            "fn arm_frame() {}",
            "struct ArmFrame;",
            "x(EM_ARM)",
            "f(\"aarch64\")",
            "use target_riscv64::X;",
        ] {
            assert_eq!(
                found("tcg/exec/src/a.rs", &format!("//! x\n{code}")).len(),
                1,
                "{code}"
            );
            assert!(found("targets/q/src/a.rs", &format!("//! x\n{code}")).is_empty());
        }
        for code in [
            "fn disarm() {}",
            "harm(); // as on arm",
            "timer.rearm()",
            "use x as armour;",
        ] {
            assert!(
                found("tcg/exec/src/a.rs", &format!("//! x\n{code}")).is_empty(),
                "{code}"
            );
        }
        assert!(
            found(
                "tcg/exec/src/a.rs",
                "//! x\narm(); // lint: allow isa, sets a timer going"
            )
            .is_empty()
        );
        assert!(found("tcg/host/q/src/a.rs", "//! x\narm();").is_empty());
    }

    #[test]
    fn forbidden_words() {
        let text = format!(
            "//! x\n{}(x);\n// {}: later\nlet todo = \"{}()\";",
            concat!("db", "g!"),
            concat!("FIX", "ME"),
            concat!("to", "do!")
        );
        assert_eq!(found("src/a.rs", &text).len(), 2);
    }

    #[test]
    fn islands_and_forbids() {
        let lib = |path: &str, text: &str| File {
            path: path.into(),
            text: text.into(),
        };
        let files = [
            lib(
                "docs/unsafe.md",
                "| `a/src/raw.rs` | x |\n| `gone/` | y |\n",
            ),
            lib("a/src/lib.rs", ""),
            lib("a/src/raw.rs", ""),
            lib("b/src/lib.rs", ""),
            lib("c/src/lib.rs", "#![forbid(unsafe_code)]"),
        ];
        let islands = Islands::read(&files).unwrap();
        assert_eq!(
            islands.stale(&files),
            ["docs/unsafe.md: there is no `gone/`"]
        );
        let mut findings = Vec::new();
        forbids(&files, &islands, &mut findings);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].starts_with("b/src/lib.rs"));
    }
}
