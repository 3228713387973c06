//! The items of `-d`, QEMU's names.

use super::Failure;
use super::nearest::hint;

/// (name, what is logged). `tid` and `trace:` of QEMU's have no counterpart.
pub const ITEMS: &[(&str, &str)] = &[
    ("in_asm", "guest assembly of each translated block"),
    (
        "op",
        "intermediate code of each block, as the front end made it",
    ),
    ("op_opt", "intermediate code after the passes"),
    ("out_asm", "host assembly of each block"),
    ("int", "exceptions and signals of the guest"),
    ("exec", "each block before it runs (use with nochain)"),
    ("cpu", "guest registers before each block runs"),
    ("fpu", "floating-point registers too, with cpu"),
    (
        "mmu",
        "page tables and translations of addresses (system emulation)",
    ),
    ("unimp", "what the guest asked for and is not implemented"),
    (
        "guest_errors",
        "signals that the guest's own code brings about",
    ),
    ("page", "the guest's memory map at the start"),
    (
        "nochain",
        "do not link blocks, so that exec and cpu see every one",
    ),
    ("strace", "system calls, as -strace"),
];

/// Splits and checks a list of items.
pub fn parse(list: &str) -> Result<Vec<&'static str>, Failure> {
    list.split(',')
        .map(|word| {
            let known = ITEMS
                .iter()
                .map(|(name, _)| *name)
                .find(|name| *name == word);
            known.ok_or_else(|| {
                let hint = hint(word, ITEMS.iter().map(|(n, _)| *n));
                Failure::usage(format!(
                    "-d: there is no log item '{word}'{hint} (-d help lists them)"
                ))
            })
        })
        .collect()
}

/// The text of `-d help`.
pub fn help() -> String {
    let rows = ITEMS
        .iter()
        .map(|(name, what)| format!("  {name:<14}{what}\n"));
    format!("Log items (comma separated):\n{}", rows.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_checked() {
        assert_eq!(parse("in_asm,exec"), Ok(vec!["in_asm", "exec"]));
        assert!(
            parse("in_asn")
                .unwrap_err()
                .message
                .contains("did you mean 'in_asm'?")
        );
        assert!(parse("").is_err());
    }
}
