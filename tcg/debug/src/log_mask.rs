//! The bits of the log mask, named as the `-d` words.

/// Guest code of each new block.
pub const IN_ASM: u32 = 1;
/// Intermediate code of each new block.
pub const OP: u32 = 1 << 1;
/// Host code of each new block.
pub const OUT_ASM: u32 = 1 << 2;
/// Each block as it is entered. Blocks are not linked while this is on.
pub const EXEC: u32 = 1 << 3;
/// Traps, faults and interrupts.
pub const INT: u32 = 1 << 4;
/// Guest registers at each block entry. Blocks are not linked while this is on.
pub const CPU: u32 = 1 << 5;
/// Blocks are not linked.
pub const NOCHAIN: u32 = 1 << 6;
/// Where host code of each new block is; no word of `-d`.
pub const PUBLISHED: u32 = 1 << 7;
/// Floating-point registers, with [`CPU`].
pub const FPU: u32 = 1 << 8;

/// The words that concern the engine, with their bits. There are no separate passes yet, so `op_opt` is `op`.
const WORDS: &[(&str, u32)] = &[
    ("in_asm", IN_ASM),
    ("op", OP),
    ("op_opt", OP),
    ("out_asm", OUT_ASM),
    ("exec", EXEC),
    ("int", INT),
    ("cpu", CPU),
    ("fpu", FPU),
    ("nochain", NOCHAIN),
];

/// The bits of a list of `-d` words; words of other parts of the emulator count as nothing.
pub fn of_words<'a>(words: impl IntoIterator<Item = &'a str>) -> u32 {
    let bits = |word| WORDS.iter().find(|(w, _)| *w == word).map_or(0, |w| w.1);
    words.into_iter().map(bits).fold(0, |all, b| all | b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_give_bits_and_others_nothing() {
        assert_eq!(of_words(["in_asm", "exec"]), IN_ASM | EXEC);
        assert_eq!(of_words(["strace", "page"]), 0);
    }
}
