//! Linux system calls, signals and processes for foreign programs.

pub mod abi;
pub mod errno;
#[path = "../abi/mod.rs"]
pub mod guests;
pub mod ioctl;
pub mod proc;
pub mod sys;
pub mod syscall;
pub mod task;
#[path = "../abi/generic/mod.rs"]
pub mod uapi;
