//! Structures of the kernel's interface, one file per header, each described once for all guests.

pub mod fs;
pub mod stat;
pub mod time;
