//! Linux system calls, signals and processes for foreign programs.

mod config;

pub use config::{ExitStatus, GuestId, RunConfig};
