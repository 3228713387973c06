//! A guest thread and its process, as the system calls see them.

use crate::abi::Abi;
use std::sync::Arc;
use tcg_mem::{GuestVa, UserMem};

/// What the command line says about the guest process.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// -L: where absolute paths are looked for first.
    pub prefix: Option<Vec<u8>>,
    /// -strace.
    pub strace: bool,
    /// -d unimp: say which system calls are missing.
    pub unimp: bool,
    /// -r: the release that uname tells.
    pub release: Option<Vec<u8>>,
    /// The machine that uname tells, such as `armv7l`.
    pub machine: &'static str,
}

/// State that all threads of a guest process share.
pub struct Process {
    /// What the command line says.
    pub config: Config,
    /// Absolute path of the program on the host, for /proc/self/exe.
    pub exe: Vec<u8>,
    /// Arguments, each with its NUL, for /proc/self/cmdline.
    pub cmdline: Vec<u8>,
    /// The environment at the start, each string with its NUL.
    pub environ: Vec<u8>,
    /// The auxiliary vector in the guest's form.
    pub auxv: Vec<u8>,
    /// Directory positions of guests with 32-bit offsets.
    pub dirs: crate::syscall::dirents::Cookies,
}

/// One guest thread.
pub struct Task {
    /// The guest's ABI.
    pub abi: Abi,
    /// The guest's memory.
    pub mem: UserMem,
    /// The process it belongs to.
    pub process: Arc<Process>,
}

impl Process {
    /// Where the initial stack begins, for /proc/self/stat.
    pub fn stack_start(&self) -> u64 {
        0
    }
}

impl Task {
    /// The text of /proc/self/maps.
    pub fn maps_text(&self) -> Vec<u8> {
        Vec::new()
    }

    /// The host is about to write this range of guest memory: translations of it must be given up.
    pub fn will_write(&self, _va: GuestVa, _len: u64) {}

    /// Runs a waiting call that waits with another signal mask; the mask is the guest's, and the host call gets it as
    /// an argument.
    pub fn with_mask<T>(&mut self, _mask: Option<u64>, f: impl FnOnce(&mut Task) -> T) -> T {
        f(self)
    }

    /// What restart_syscall is to do: sleep for the rest of the time.
    pub fn restart_sleep(&mut self, _clock: i32, _rest: libc::timespec) {}
}
