//! The decoders, generated from the tables in `isa/`, and what the tables call.
//!
//! For each table there is a module (`a32`, …) with its rows, and a macro that defines the
//! function which decodes an instruction and calls the handler:
//!
//! ```text
//! decode::dispatch_a32!(pub fn a32, Translator<'_>, Out);
//! ```
//!
//! A handler is an inherent method with the name of the row, up to its first dot, and the row's
//! arguments as one struct of [`args`]: `fn add_imm(&mut self, a: AddImm) -> Out`; rows without
//! arguments have handlers without. Beside those the type has `fn features(&self) -> FeatureSet`,
//! `fn undecoded(&mut self, insn: u32) -> Out` and the context values that the tables declare
//! with `%ctx`. Rows of several tables with the same name call the same handler. The condition of
//! A32 instructions is not passed: test bits 31:28 before.

include!(concat!(env!("OUT_DIR"), "/decode.rs"));

/// The modified immediate constant of A32 data processing. [ARMv7 A5.2.4]
pub const fn a32_imm(imm12: u32) -> u32 {
    (imm12 & 0xff).rotate_right((imm12 >> 8) * 2 & 31)
}

#[cfg(test)]
mod tests;
