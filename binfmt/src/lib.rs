//! Foreign programs and the host's kernel: entries of binfmt_misc, their registration, and a diagnosis of why a
//! program does not start. [Linux Documentation/admin-guide/binfmt-misc.rst]
//!
//! Knows guests only as values ([`Guest`]), which the executable makes from its table.
#![forbid(unsafe_code)]

mod doctor;
mod elf;
mod entry;
mod kernel;
mod magic;
mod persist;
mod script;

pub use doctor::{Finding, NATIVE, Verdict, examine};
pub use entry::{Entry, Flags, FlagsError};
pub use kernel::{Change, Kernel, KernelError, Registered};
pub use magic::{Guest, Magic};
pub use persist::{Format, PersistError, Persistent};
