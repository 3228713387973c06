//! What the command line decides before a guest starts.

use std::ffi::OsString;
use std::path::PathBuf;

/// Which guest a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestId {
    /// Name of the instruction set as in `targets.toml`, such as `arm`.
    pub name: &'static str,
    /// ELF `e_machine`.
    pub machine: u16,
    /// 32 or 64.
    pub class: u8,
    /// Big-endian data.
    pub big_endian: bool,
}

/// Everything that a run needs.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// The guest.
    pub guest: GuestId,
    /// The program's path as given.
    pub program: PathBuf,
    /// The program, already open: the descriptor that binfmt_misc passed. Given up once the program is loaded.
    pub program_fd: Option<i32>,
    /// `argv[0]` if it is not the program's path (`-0`).
    pub argv0: Option<OsString>,
    /// Arguments after the program.
    pub args: Vec<OsString>,
    /// Changes to the environment in order: set (`-E NAME=VALUE`) or, without a value, remove (`-U`).
    pub env: Vec<(OsString, Option<OsString>)>,
    /// Prefix of the guest's files (`-L`).
    pub sysroot: Option<PathBuf>,
    /// CPU model (`-cpu`).
    pub cpu: Option<String>,
    /// Log system calls (`-strace`).
    pub strace: bool,
    /// Stack size (`-s`); otherwise RLIMIT_STACK decides.
    pub stack_size: Option<u64>,
    /// Size of the guest's address space (`-R`); 0 or none is all of it.
    pub reserved_va: Option<u64>,
    /// Host address of guest address 0 (`-B`): only a request, the host may put it elsewhere.
    pub guest_base: Option<u64>,
    /// Translate one instruction at a time.
    pub one_insn_per_tb: bool,
    /// `-d` words, passed on to the engine.
    pub log: Vec<&'static str>,
    /// Where the log goes (`-D`); standard error if none.
    pub log_file: Option<PathBuf>,
    /// Wait for a debugger on this port or socket path (`-g`).
    pub gdb: Option<String>,
    /// Seed of the guest's random bytes (`-seed`).
    pub seed: Option<u64>,
    /// Release that `uname` tells (`-r`).
    pub uname_release: Option<String>,
    /// First and last address of the guest code that the log is about (`-dfilter`); empty: all of it.
    pub log_ranges: Vec<(u64, u64)>,
    /// Most bytes of translated code (`-tb-size`).
    pub code_bytes: Option<u64>,
    /// Folder where translations are kept from one run to the next (`-code-cache`), or `off`. `None`: the usual one.
    pub code_cache: Option<PathBuf>,
    /// Write perf's map (`-perfmap`).
    pub perfmap: bool,
    /// Write perf's dump (`-jitdump`).
    pub jitdump: bool,
    /// Print counters at the end (`-stats`).
    pub stats: bool,
    /// What only tests ask for.
    pub test: TestOptions,
    /// `argv[0]` and options that make this executable run another program of the same guest the same way:
    /// `-0 ARGV0 PROGRAM ARGS…` is appended for re-execution of foreign children.
    pub reexec: Vec<OsString>,
    /// Inherited descriptor of the emulator's own executable (hidden option `-exec-fd`), for chroots without /proc.
    pub exec_fd: Option<i32>,
    /// Ids of a guest for which owners are remembered (hidden option `-ids`).
    pub ids: Option<crate::owners::Ids>,
    /// Limits that the program which executed this one had (hidden option `-limits`): resource, soft and hard limit.
    pub limits: Vec<(i32, [u64; 2])>,
}

/// `-test`: what only tests ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TestOptions {
    /// Run by the interpreter of the intermediate code instead of by translation.
    pub interpreter: bool,
    /// Generated code uses no more of the host than every host has.
    pub baseline_host: bool,
    /// Check the intermediate code of every block.
    pub verify_ir: bool,
    /// Load address of a position-independent program.
    pub load: Option<u64>,
    /// Load address of its interpreter.
    pub interp: Option<u64>,
    /// Top of the area for mappings.
    pub mmap: Option<u64>,
    /// Highest address of the stack.
    pub stack: Option<u64>,
}

/// How a run that did not end inside the guest ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitStatus(pub u8);
