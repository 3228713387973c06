//! Host code as text.

use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter};
use std::fmt::Write;

/// Disassembles x86-64 code, one line for each instruction, offsets from its start.
pub(crate) fn disassemble(code: &[u8]) -> String {
    let mut out = String::new();
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    let mut formatter = IntelFormatter::new();
    formatter.options_mut().set_branch_leading_zeros(false);
    formatter.options_mut().set_hex_prefix("0x");
    formatter.options_mut().set_hex_suffix("");
    formatter
        .options_mut()
        .set_small_hex_numbers_in_decimal(false);
    let mut insn = Instruction::default();
    let mut text = String::new();
    while decoder.can_decode() {
        decoder.decode_out(&mut insn);
        text.clear();
        formatter.format(&insn, &mut text);
        let bytes = code.get(insn.ip() as usize..insn.next_ip() as usize);
        let bytes = bytes.unwrap_or_default();
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        // Writing to a String does not fail.
        let _ = writeln!(out, "  {:#06x}:  {hex:<24}  {text}", insn.ip());
    }
    out
}

/// Constants in words of eight bytes, the last one shorter if need be, with their offsets; the first is at `at`.
pub(crate) fn data(constants: &[u8], at: usize) -> String {
    let mut out = String::new();
    if !constants.is_empty() {
        let _ = writeln!(out, "  data: [size={}]", constants.len());
    }
    for (n, word) in constants.chunks(8).enumerate() {
        let hex: String = word.iter().rev().map(|b| format!("{b:02x}")).collect();
        let _ = writeln!(out, "  {:#06x}:  .quad  0x{hex}", at + 8 * n);
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn constants_are_shown_as_words() {
        let text = super::data(&[1, 2, 3, 4, 5, 6, 7, 8, 9], 0x20);
        let want =
            "  data: [size=9]\n  0x0020:  .quad  0x0807060504030201\n  0x0028:  .quad  0x09\n";
        assert_eq!(text, want);
        assert_eq!(super::data(&[], 0x20), "");
    }

    #[test]
    fn code_is_shown_with_offsets() {
        let text = super::disassemble(&[0x90, 0xe9, 0x01, 0, 0, 0]);
        assert!(text.contains("0x0000:  90 "), "{text}");
        assert!(text.lines().nth(1).unwrap().ends_with("jmp 0x7"), "{text}");
    }
}
