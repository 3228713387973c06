//! Linux system calls, signals and processes for foreign programs.

pub mod abi;
pub mod errno;
mod exec;
pub mod guest;
#[path = "../abi/mod.rs"]
pub mod guests;
mod load;
mod process;
mod run;
mod signal;
mod start;
pub mod sys;
pub mod syscall;
pub mod task;
#[path = "../abi/generic/mod.rs"]
pub mod uapi;

use std::path::PathBuf;

/// What to run and how, as the command line says.
#[derive(Clone, Debug, Default)]
pub struct RunConfig {
    /// Name of the guest's port; `None`: from the program's ELF header.
    pub guest: Option<&'static str>,
    /// The byte order that the applet's name demands.
    pub big_endian: Option<bool>,
    /// The program's file.
    pub program: PathBuf,
    /// The guest's arguments, `argv[0]` included.
    pub argv: Vec<Vec<u8>>,
    /// The guest's environment.
    pub envp: Vec<Vec<u8>>,
    /// -L: folder where absolute paths are looked for first.
    pub prefix: Option<PathBuf>,
    /// -cpu.
    pub cpu: Option<String>,
    /// -s: stack size in bytes; `None`: RLIMIT_STACK's.
    pub stack_size: Option<u64>,
    /// -strace.
    pub strace: bool,
    /// -d unimp.
    pub unimp: bool,
    /// -r: kernel release.
    pub release: Option<Vec<u8>>,
    /// -seed: makes AT_RANDOM reproducible.
    pub seed: Option<u64>,
    /// -one-insn-per-tb.
    pub one_insn_per_tb: bool,
    /// For tests: load address of a position-independent program.
    pub load_bias: Option<u64>,
    /// Options that a child's emulator gets, for execve of guest programs.
    pub child_options: Vec<Vec<u8>>,
}

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
    let mut t = load::load(cfg)?;
    signal::install().map_err(|e| StartError { what: format!("cannot set signal handlers: {e}"), status: 1 })?;
    sys::enter_thread();
    let status = run::run(&mut t);
    process::exit_thread(&mut t, status);
    sys::exit_group(status)
}
