//! A machine that runs: its CPUs and devices together, the main loop, start, stop and reset.
#![forbid(unsafe_code)]

mod control;
pub mod gdb;
pub mod isa;
mod machine;
mod state;

pub use machine::{Config, Machine};
