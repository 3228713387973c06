//! The gdb server: what a front end supplies ([`Debuggee`]), what it reports ([`Event`]), and the thread that talks to
//! gdb in between. The protocol itself is the crate gdbstub's; [`wire`] adds the few packets that it lacks.
//! [GDB Remote Protocol]
//!
//! All-stop mode: a thread that stops has all others stopped; gdb looks at a guest that stands still.

mod arch;
mod files;
mod listen;
mod server;
mod signals;
mod target;
mod wire;

pub use listen::{Hide, listen};
pub use server::serve;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::mpsc::Sender;
use tcg_target::gdb::{CpuRegs, GdbDescription};

/// A breakpoint, or accesses to stop at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// First address.
    pub start: u64,
    /// Bytes.
    pub len: u64,
    /// Loads.
    pub read: bool,
    /// Stores.
    pub write: bool,
}

/// Why a thread stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A breakpoint.
    Break,
    /// A step that was asked for is done.
    Step,
    /// A watched access.
    Watch(Watch),
    /// A signal with this number (the host's) is about to be delivered.
    Signal(i32),
    /// A system call is about to be made.
    SyscallEntry(u64),
    /// A system call has been made.
    SyscallReturn(u64),
}

/// What happens to a thread when the guest goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// It runs.
    Continue,
    /// One instruction.
    Step,
    /// Instructions as long as the program counter is in `0..1`.
    Range(u64, u64),
    /// It stays stopped.
    Frozen,
}

/// [`Run`], and a signal (the host's number) in place of the one that it stopped with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume {
    /// What it does.
    pub run: Run,
    /// The signal that is delivered.
    pub signal: Option<i32>,
}

/// What the server is told.
pub enum Event {
    /// A thread stopped by itself; the others are stopping.
    Stopped(u32, Why),
    /// The process ends with this status; answer when gdb knows.
    Exited(u8, Sender<()>),
    /// The process dies by this signal (the host's number); answer when gdb knows.
    Killed(i32, Sender<()>),
    /// A debugger has connected: where to write to it.
    Connected(Box<dyn std::io::Write + Send>),
    /// It has sent something.
    Data(Vec<u8>),
    /// It is gone.
    Closed,
}

/// The guest as the server sees it.
pub trait Debuggee {
    /// Its registers.
    fn description(&self) -> &GdbDescription;

    /// Its threads.
    fn threads(&self) -> Vec<u32>;

    /// A thread's name.
    fn thread_name(&self, tid: u32) -> String;

    /// Shows a thread's registers; changes count if `write`. False if there is no such thread or it cannot be done.
    fn registers(&self, tid: u32, write: bool, f: &mut dyn FnMut(&mut CpuRegs<'_>)) -> bool;

    /// Reads memory as a thread sees it; gives the number of bytes that could be read.
    fn read_memory(&self, tid: u32, va: u64, out: &mut [u8]) -> usize;

    /// Writes memory, code and read-only data too; whether all of it could be written.
    fn write_memory(&self, tid: u32, va: u64, data: &[u8]) -> bool;

    /// From now on the guest stops at these places.
    fn set_stops(&self, breaks: &[u64], watches: &[Watch]);

    /// A debugger is there, or has gone (then no event stops any more).
    fn attach(&self, there: bool);

    /// Stops all threads; true if one had stopped by itself already, whose event then comes.
    fn stop_all(&self) -> bool;

    /// Waits until all threads stand still, as far as that is possible.
    fn settle(&self);

    /// Lets the guest go on: threads as listed, others as `others` says.
    fn resume(&self, threads: &BTreeMap<u32, Resume>, others: Run);

    /// Ends the guest.
    fn kill(&self);

    /// What a process has besides; nothing if the guest is a machine.
    fn process(&self) -> Option<&dyn Process> {
        None
    }

    /// What a machine has besides.
    fn machine(&self) -> Option<&dyn Machine> {
        None
    }
}

/// A guest that is one process of an operating system.
pub trait Process {
    /// From now on these signals (bit n-1 for number n of the host's) are delivered without a stop.
    fn pass_signals(&self, mask: u64);

    /// From now on these system calls stop (none: no system call does, an empty list: all do).
    fn catch_syscalls(&self, numbers: Option<Vec<u64>>);

    /// The siginfo that a thread stopped with, in the guest's form.
    fn siginfo(&self, tid: u32) -> Option<Vec<u8>>;

    /// The program's path.
    fn exec_file(&self) -> Vec<u8>;

    /// The auxiliary vector.
    fn auxv(&self) -> Vec<u8>;

    /// Opens a file as the guest would.
    fn open(&self, path: &Path) -> std::io::Result<File>;
}

/// A guest that is a whole machine; its threads are the CPUs.
pub trait Machine {
    /// Runs a command of the machine's monitor; what it prints.
    fn monitor(&self, command: &str) -> String;

    /// Whether addresses of memory are physical.
    fn physical(&self) -> bool;

    /// From now on they are, or not.
    fn set_physical(&self, on: bool);
}
