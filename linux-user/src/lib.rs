//! Linux system calls, signals and processes for foreign programs.

pub mod abi;
pub mod config;
pub mod debug;
pub mod errno;
mod exec;
pub mod guest;
#[path = "../abi/mod.rs"]
pub mod guests;
pub mod ioctl;
mod keep;
mod layout;
mod limits;
mod load;
mod log;
mod names;
mod owners;
pub mod proc;
mod process;
mod run;
mod signal;
mod start;
mod stats;
pub mod sys;
pub mod syscall;
pub mod task;
#[path = "../abi/generic/mod.rs"]
pub mod uapi;
pub mod vdso;

pub use config::{GuestId, RunConfig};
pub use exec::follow_scripts;
pub use limits::parse as parse_limits;
pub use owners::Ids;
pub use sys::{BinfmtStart, binfmt_start};

/// Why a program did not start: one line for the user and the exit status that a shell expects.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}")]
pub struct StartError {
    /// The reason.
    pub what: String,
    /// 126, 127 or 1.
    pub status: u8,
}

/// Runs a program in this process. It does not come back unless the program could not be started.
pub fn run(cfg: &RunConfig) -> Result<std::convert::Infallible, StartError> {
    sys::open_self(cfg.exec_fd);
    // Loading reads and writes guest memory already: what the program's headers point at may fault.
    signal::install().map_err(|e| StartError {
        what: format!("cannot set signal handlers: {e}"),
        status: 1,
    })?;
    sys::enter_thread();
    let mut t = load::load(cfg)?;
    let name = cfg.program.file_name().unwrap_or_default();
    sys::set_comm(std::os::unix::ffi::OsStrExt::as_bytes(name));
    signal::catch_cores(&t);
    debug::start(&t, cfg)?;
    let status = run::run(&mut t);
    process::exit_thread(&mut t, status);
    process::end(&mut t, status)
}
