//! System calls that are left out: what they answer and why. The support matrix in docs/syscalls.md shows this table.

use crate::errno::Errno;

/// A call that is left out.
pub struct Absent {
    /// The kernel's name.
    pub name: &'static str,
    /// What it answers.
    pub errno: Errno,
    /// Why.
    pub why: &'static str,
}

const LATER: &str = "comes later";
const DRIVER: &str = "loads code into the host's kernel";
const OLD: &str = "gone from the kernel: it answers the same";
const NATIVE: &str = "needs the guest's own kernel";

const fn row(name: &'static str, errno: Errno, why: &'static str) -> Absent {
    Absent { name, errno, why }
}

/// All of them; a call that is neither here nor has a handler is unknown and answers ENOSYS.
pub static ABSENT: &[Absent] = &[
    row("ptrace", Errno::ENOSYS, "comes later; `-g` has a debugger"),
    row(
        "seccomp",
        Errno::ENOSYS,
        "filters see the guest's numbers and addresses: comes later",
    ),
    row("io_uring_setup", Errno::ENOSYS, LATER),
    row("io_uring_enter", Errno::ENOSYS, LATER),
    row("io_uring_register", Errno::ENOSYS, LATER),
    row("bpf", Errno::ENOSYS, LATER),
    row(
        "perf_event_open",
        Errno::ENOSYS,
        "counts the emulator's instructions: comes later",
    ),
    row("userfaultfd", Errno::ENOSYS, LATER),
    row("rseq", Errno::ENOSYS, "C libraries do without"),
    row("init_module", Errno::EPERM, DRIVER),
    row("finit_module", Errno::EPERM, DRIVER),
    row("kexec_load", Errno::EPERM, DRIVER),
    row("kexec_file_load", Errno::EPERM, DRIVER),
    row(
        "remap_file_pages",
        Errno::ENOSYS,
        "deprecated; programs fall back to mmap",
    ),
    row("lookup_dcookie", Errno::ENOSYS, OLD),
    row("nfsservctl", Errno::ENOSYS, OLD),
    row("uselib", Errno::ENOSYS, OLD),
    row("sysfs", Errno::ENOSYS, "deprecated"),
    row("ustat", Errno::ENOSYS, "deprecated"),
    row("_sysctl", Errno::ENOSYS, OLD),
    row("bdflush", Errno::ENOSYS, OLD),
    row("vserver", Errno::ENOSYS, OLD),
    row("pciconfig_iobase", Errno::ENOSYS, NATIVE),
    row("pciconfig_read", Errno::ENOSYS, NATIVE),
    row("pciconfig_write", Errno::ENOSYS, NATIVE),
    row("rtas", Errno::EPERM, NATIVE),
    row("spu_create", Errno::ENOSYS, NATIVE),
    row("spu_run", Errno::ENOSYS, NATIVE),
];

/// What a call without a handler answers.
pub fn answer(name: &str) -> Errno {
    let row = ABSENT.iter().find(|a| a.name == name);
    row.map_or(Errno::ENOSYS, |a| a.errno)
}
