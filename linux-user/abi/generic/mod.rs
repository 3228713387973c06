//! Structures of the kernel's interface, one file per header, each described once for all guests.

pub mod fs;
pub mod ioctl;
pub mod ipc;
pub mod net;
pub mod poll;
pub mod signal;
pub mod signals;
pub mod stat;
pub mod system;
pub mod termios;
pub mod time;
