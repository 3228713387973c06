//! System calls: one row per call, dispatch from the ABI's table.
//!
//! A family file starts with its rows, `name(argument: type, …) = support;`, and has one plain function of the same
//! name for each: `fn name(t: &mut Task, …) -> SysResult`. The argument types ([`args`]) decode registers and
//! pointers and say how -strace shows them. No code here or in the families depends on one guest architecture.

mod absent;
mod aio;
pub mod args;
mod cmsg;
mod cred;
pub mod dirents;
mod event;
mod fcntl;
mod fs_attr_at;
mod fs_io;
mod fs_mount;
mod fs_path;
mod fs_stat;
pub mod futex;
mod futex_pi;
mod ipc;
mod keys;
pub mod matrix;
pub mod memory;
mod mq;
mod net;
mod net_msg;
mod net_opt;
mod numa;
pub mod order;
pub mod path;
mod payload;
mod poll;
pub mod process;
mod process_vm;
pub mod sched;
pub mod signal;
pub mod strace;
mod strace_names;
mod system;
pub mod table;
mod time;

pub use aio::{forget_contexts, hold_contexts};
pub use ipc::hold_segments;

use crate::errno::Errno;
use crate::task::Task;
use args::{ArgKind, Regs};

/// What a handler answers.
pub type SysResult = Result<u64, Errno>;

/// How complete a system call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// Everything that the host's kernel can do.
    Full,
    /// Some flags or commands are refused with an error that says so.
    Partial,
    /// The answer is right, but nothing happens (advice).
    Ignored,
}

/// One argument of a system call.
pub struct ArgDesc {
    /// Its name.
    pub name: &'static str,
    /// How it is shown.
    pub kind: ArgKind,
    /// Whether it takes 64 bits whatever the word size.
    pub wide: bool,
}

/// One system call, whatever its number.
pub struct SysDesc {
    /// Name of the handler.
    pub name: &'static str,
    /// Tells of its arguments in order. Code and not a table: only -strace asks, while a table's pointers
    /// would be relocated at every start of the emulator.
    pub tell_args: fn(&mut dyn FnMut(ArgDesc)),
    /// How complete it is.
    pub support: Support,
    /// Decodes the arguments and runs it.
    pub func: fn(&mut Task, &mut Regs) -> SysResult,
}

impl SysDesc {
    /// Arguments in order.
    pub fn args(&self) -> Vec<ArgDesc> {
        let mut args = Vec::new();
        (self.tell_args)(&mut |a| args.push(a));
        args
    }
}

/// Declares the rows of a family: `rows! { FS: read(fd: Fd, buf: Ptr, count: ULen) = Full; … }`.
#[macro_export]
macro_rules! rows {
    ($table:ident: $($name:ident($($arg:ident: $ty:ty),* $(,)?) = $support:ident;)*) => {
        /// The rows of this family.
        pub static $table: [$crate::syscall::SysDesc; [$(stringify!($name)),*].len()] = [$($crate::syscall::SysDesc {
            name: stringify!($name),
            tell_args: |_tell| {
                $(_tell($crate::syscall::ArgDesc {
                    name: stringify!($arg),
                    kind: <$ty as $crate::syscall::args::Arg>::KIND,
                    wide: <$ty as $crate::syscall::args::Arg>::WIDE,
                });)*
            },
            support: $crate::syscall::Support::$support,
            func: |_task, _regs| {
                $(let $arg = <$ty as $crate::syscall::args::Arg>::take(_task, _regs)?;)*
                $name(_task, $($arg),*)
            },
        }),*];
    };
}

/// Every family.
pub static FAMILIES: &[&[SysDesc]] = &[
    &fs_io::FS_IO,
    &fs_path::FS_PATH,
    &fs_stat::FS_STAT,
    &fs_mount::FS_MOUNT,
    &fcntl::FCNTL,
    &dirents::DIRENTS,
    &futex::FUTEX,
    &memory::MEMORY,
    &numa::NUMA,
    &aio::AIO,
    &keys::KEYS,
    &fs_attr_at::FS_ATTR_AT,
    &process::PROCESS,
    &process_vm::PROCESS_VM,
    &signal::SIGNAL,
    &poll::POLL,
    &time::TIME,
    &crate::ioctl::IOCTL,
    &system::SYSTEM,
    &cred::CRED,
    &sched::SCHED,
    &event::EVENT,
    &ipc::IPC,
    &mq::MQ,
    &net::NET,
    &net_msg::NET_MSG,
    &net_opt::NET_OPT,
];

/// What a system call does to the guest's registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SysExit {
    /// Success with this result.
    Return(u64),
    /// Failure, or a restart request (the ERESTART numbers) that signal delivery settles.
    Error(Errno),
    /// The call has set the registers itself.
    KeepRegs,
}

/// Runs one system call. `args` are the argument registers in order.
pub fn dispatch(t: &mut Task, nr: u32, args: [u64; 7]) -> SysExit {
    let abi = t.abi;
    let entry = abi.calls.get(nr);
    let trace = t.process.config.strace;
    if trace {
        strace::enter(t, nr, entry, &args);
    }
    let desc = entry.and_then(|e| e.desc);
    let result = match desc {
        Some(desc) => (desc.func)(t, &mut Regs::new(&abi, args)),
        None => {
            strace::unknown(t, nr, entry);
            Err(absent::answer(entry.map_or("", |e| e.name)))
        }
    };
    if trace {
        strace::leave(t, desc, &args, result);
    }
    match result {
        Ok(value) => SysExit::Return(value),
        Err(Errno::KEEP_REGS) => SysExit::KeepRegs,
        Err(errno) => SysExit::Error(errno),
    }
}
