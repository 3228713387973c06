//! Exact IEEE 754 arithmetic in integers, with every mode a guest can ask for.
//!
//! This is the slow path and the oracle of the emulator: the translator emits
//! host instructions where they agree with the guest, and calls these
//! functions where they do not. There is no global state; rounding, flushing,
//! NaN rules and the sticky flags travel in a [`FloatStatus`].
//!
//! One module per format ([`f16`], [`bf16`], [`f32`], [`f64`], [`f80`],
//! [`f128`]) holds plain functions on raw bit patterns. [`arm`] has the
//! operations that only Arm defines, [`lanes`] operations on vectors.
//!
//! Reference: IEEE Std 754-2008 and 754-2019. Left out: decimal formats,
//! trapped exceptions (the caller looks at the flags of a fresh status and
//! replays), NaN encodings with an inverted quiet bit (MIPS before 2008, HPPA).
#![forbid(unsafe_code)]

mod arith;
pub mod arm;
mod compare;
mod format;
mod int;
pub mod lanes;
mod modules;
mod nan;
mod round;
mod status;
mod wide;

pub use compare::{MinMax, Ordering};
pub use format::{Bf16, F16, F32, F64, F80, F128, Float};
pub use int::{IntRule, IntType};
pub use modules::{bf16, f16, f32, f64, f64_to_f32, f80, f128};
pub use status::{Flags, FloatStatus, NanRule, Round, X87Precision};
