//! A machine that runs: its CPUs on threads of their own, the main loop, start, stop and reset.
#![deny(unsafe_code)]

mod control;
mod cpu;
pub mod isa;
mod kick;
mod machine;
mod socket;

pub use cpu::CpuThread;
pub use machine::{Config, Machine};
