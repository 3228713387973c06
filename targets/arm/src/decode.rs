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
    (imm12 & 0xff).rotate_right((imm12 >> 7) & 30)
}

/// The modified immediate constant of T32 data processing. [ARMv7 A6.3.2]
pub const fn t32_imm(imm12: u32) -> u32 {
    let byte = imm12 & 0xff;
    match (imm12 >> 8) & 0xf {
        0 => byte,
        1 => byte * 0x0001_0001,
        2 => byte * 0x0100_0100,
        3 => byte * 0x0101_0101,
        _ => (byte | 0x80).rotate_right((imm12 >> 7) & 31),
    }
}

/// The offset of T32 B (T4), BL and BLX from S:J1:J2:imm10:imm11:0; I1 = NOT(J1 EOR S).
/// [ARMv7 A8.8.25]
pub const fn t32_branch(raw: u32) -> i32 {
    let flip = if (raw >> 24) & 1 == 0 { 3 << 22 } else { 0 };
    (((raw ^ flip) << 7) as i32) >> 7
}

#[cfg(test)]
mod tests;
