//! Build-time compiler from decode tables to decoders, disassemblers and instruction generators.
//!
//! The build script of a guest ISA calls [`Family`]; the generated Rust and the run-time part
//! ([`rt`]) are used by the ISA crate. The table format is described in `FORMAT.md` beside this
//! crate. The compiler knows no ISA.

#![forbid(unsafe_code)]

mod diag;
mod emit;
mod expr;
mod family;
mod features;
mod order;
mod parse;
pub mod rt;
mod tree;

#[cfg(test)]
mod tests;

pub use diag::{Diag, Diags};
pub use family::Family;
