//! The decoders, generated from the tables in `isa/`.
//!
//! For each table there is a module with its rows, and a macro that defines the function which decodes an instruction
//! and calls the handler, an inherent method with the name of the row up to its first dot.

include!(concat!(env!("OUT_DIR"), "/decode.rs"));

/// Which table an instruction of 32 bits is in: the floating-point opcodes have their own.
pub const fn is_float(insn: u32) -> bool {
    // LOAD-FP, STORE-FP, MADD to NMADD, OP-FP. [RISC-V rv-32-64g]
    matches!(insn & 0x7f, 0x07 | 0x27 | 0x43 | 0x47 | 0x4b | 0x4f | 0x53)
}
