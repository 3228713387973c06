//! Execution of guest code: the engine shared by all threads of a guest, and the virtual CPU that a thread runs.
//!
//! The front ends (user mode, system mode) see only [`Engine`], [`Vcpu`] and [`Exit`].

mod exit;

pub use exit::Exit;
