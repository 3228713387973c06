//! The text form of blocks: one line for each instruction, such as `v3 = add.i32 v1, v2`.
//!
//! [`print`] and [`parse`] are inverse to each other for blocks that the verifier accepts. The grammar is in
//! `docs/ir.md`.

mod parse;
mod print;
#[cfg(test)]
mod tests;

pub use parse::{TextError, parse};
pub use print::print;

use crate::sig::{Lane, Sig};
use crate::{ExitKind, IndirectHint, Op, Ty};

/// Names of conditions, by number.
const CONDITIONS: [&str; 14] = [
    "eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le",
];

/// Names of rounding modes, by number.
const ROUNDINGS: [&str; 6] = ["nearest", "up", "down", "zero", "away", "current"];

/// Names of element sizes, by number.
const ELEMENTS: [&str; 4] = ["e8", "e16", "e32", "e64"];

/// Names of atomic operations, by number.
const ATOMICS: [&str; 10] = [
    "swap", "add", "and", "or", "xor", "andnot", "smax", "smin", "umax", "umin",
];

/// Names of the ways out.
const EXITS: [(&str, ExitKind); 7] = [
    ("direct", ExitKind::Direct),
    ("call", ExitKind::DirectCall),
    ("jump", ExitKind::Indirect(IndirectHint::Jump)),
    ("table", ExitKind::Indirect(IndirectHint::Table)),
    ("callreg", ExitKind::Indirect(IndirectHint::Call)),
    ("return", ExitKind::Indirect(IndirectHint::Return)),
    ("trap", ExitKind::Trap { code: 0, info: 0 }),
];

/// The type that is not written.
fn usual_type(op: Op) -> Ty {
    match Sig::of(op) {
        Some(sig) if sig.result.has(Ty::Cc) => Ty::Cc,
        _ => Ty::Void,
    }
}

/// How `lane` is written: the key (none for element sizes) and the names.
fn lane_names(op: Op) -> Option<(&'static str, &'static [&'static str])> {
    if op == Op::AtomicRmw {
        return Some(("what=", &ATOMICS));
    }
    match Sig::of(op)?.lane {
        Lane::Cond => Some(("cond=", &CONDITIONS)),
        Lane::Round => Some(("round=", &ROUNDINGS)),
        Lane::Size(..) | Lane::ZeroOrThree => Some(("", &ELEMENTS)),
        _ => None,
    }
}
