//! Passes over the intermediate representation: liveness, dead code, next use.

#![forbid(unsafe_code)]

mod liveness;
mod target;

pub use liveness::{FlagUse, Info, Liveness, NONE, Use, flag_use, is_lazy_cc, is_site};
pub use target::jump_target;
