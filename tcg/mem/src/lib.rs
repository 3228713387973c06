//! Guest memory: address types, faults, and access to a user-mode guest's memory that recovers from host faults.

mod fault;
mod va;

pub use fault::{Access, FaultKind, MemFault};
pub use va::GuestVa;
