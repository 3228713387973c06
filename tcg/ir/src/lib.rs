//! The translator's intermediate representation (IR).
//!
//! A [`Block`] is a straight line of typed SSA instructions with side exits and predicated regions. It is made
//! by a guest ISA's front end through the [`Builder`], and read by the host backend and by the reference
//! interpreter. `docs/ir.md` has the full semantics; the operation table is [`Op`].

#![forbid(unsafe_code)]

mod block;
mod builder;
#[cfg(test)]
mod builder_tests;
pub mod eval;
mod fold;
mod forward;
#[cfg(test)]
mod forward_tests;
mod fpmode;
mod helper;
mod inst;
pub mod interp;
mod op;
pub mod random;
pub mod sig;
mod slots;
pub mod text;
mod ty;
mod units;
mod verify;

pub use block::{Block, ExitInfo, ExitKind, IndirectHint};
pub use builder::{Addr, Builder, RegionKind};
pub use fpmode::{FpMode, FpNan, FpRound};
pub use helper::{Effects, HelperDef, HelperFn, HelperId};
pub use inst::{Cond, Inst, MemFlags, Order, Value};
pub use op::{Op, OpClass};
pub use slots::{Slot, StateLayout};
pub use ty::Ty;
pub use units::Touched;
pub use verify::verify;
