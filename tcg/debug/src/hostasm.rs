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

#[cfg(test)]
mod tests {
    #[test]
    fn code_is_shown_with_offsets() {
        let text = super::disassemble(&[0x90, 0xe9, 0x01, 0, 0, 0]);
        assert!(text.contains("0x0000:  90 "), "{text}");
        assert!(text.lines().nth(1).unwrap().ends_with("jmp 0x7"), "{text}");
    }
}
