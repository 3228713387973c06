//! A guest thread and its process, as the system calls see them.

use crate::abi::{Abi, Layout, Writer};
use crate::errno::Errno;
use crate::guest::GuestPort;
use crate::signal::{Actions, SigInfo, ThreadSignals};
use crate::start::StackFacts;
use crate::syscall::args::Path;
use std::collections::HashMap;
use std::ffi::CString;
use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};
use tcg_exec::{Engine, Vcpu};
use tcg_mem::{GuestVa, UserMem};
use tcg_uspace::{AddressSpace, Prot};

/// What the command line says about the guest process.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// CPU model (`-cpu`).
    pub cpu: Option<String>,
    /// -L: where absolute paths are looked for first.
    pub prefix: Option<Vec<u8>>,
    /// -strace.
    pub strace: bool,
    /// -d unimp: say which system calls are missing.
    pub unimp: bool,
    /// -d guest_errors: say which signals the guest's own code brings about.
    pub guest_errors: bool,
    /// -r: the release that uname tells.
    pub release: Option<Vec<u8>>,
    /// The machine that uname tells, such as `armv7l`.
    pub machine: &'static str,
    /// `argv[0]` and options of the emulator that runs a guest program which this one executes.
    pub reexec: Vec<Vec<u8>>,
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
    /// The auxiliary vector and the places of the initial stack, once it is built.
    pub stack: OnceLock<StackFacts>,
    /// The kernel knows where arguments and environment are, and shows them.
    pub published: std::sync::atomic::AtomicBool,
    /// Directory positions of guests with 32-bit offsets.
    pub dirs: crate::syscall::dirents::Cookies,
    /// Whether descriptors may be open whose bytes are numbers.
    pub numbers: crate::syscall::order::Numbers,
    /// The vDSO, if the port has one.
    pub vdso: OnceLock<crate::vdso::Mapped>,
    /// The address space.
    pub space: Arc<AddressSpace>,
    /// The translator.
    pub engine: Arc<Engine>,
    /// Signal actions.
    pub actions: Actions,
    /// Resource limits that are kept for the guest instead of being passed on.
    pub limits: Mutex<HashMap<i32, [u64; 2]>>,
    /// The gdb server (`-g`).
    pub debug: OnceLock<Arc<crate::debug::Debugger>>,
    /// Where translations are kept (`-code-cache`).
    pub keep: Option<crate::keep::Keep>,
    /// Counters (`-stats`).
    pub stats: OnceLock<Arc<crate::stats::Stats>>,
    /// The file of `-D`, for the words of `-d` that are not the engine's.
    pub log: OnceLock<Arc<std::fs::File>>,
}

/// One guest thread.
pub struct Task {
    /// The guest's ABI.
    pub abi: Abi,
    /// The guest's memory.
    pub mem: UserMem,
    /// The process it belongs to.
    pub process: Arc<Process>,
    /// The ISA's Linux port.
    pub port: &'static dyn GuestPort,
    /// The virtual CPU.
    pub vcpu: Vcpu,
    /// Signal state.
    pub signals: ThreadSignals,
    /// Host (and guest) thread id.
    pub tid: u32,
    /// Word to clear and wake at the thread's end, 0 for none.
    pub clear_child_tid: u64,
    /// Head of the robust futex list, 0 for none.
    pub robust_list: u64,
    /// Whether this is the first thread of its process.
    pub is_leader: bool,
    /// Set when the thread is to end.
    pub exiting: Option<i32>,
    /// The guest's ids, where they are remembered instead of being the host's.
    pub ids: Option<crate::owners::Ids>,
    /// What `personality` tells.
    pub personality: u32,
    /// Counters (`-stats`).
    pub counters: Option<Arc<crate::stats::ThreadCounters>>,
}

impl Process {
    /// A process around a loaded program.
    pub fn new(
        config: Config,
        exe: Vec<u8>,
        space: Arc<AddressSpace>,
        engine: Arc<Engine>,
    ) -> Process {
        Process {
            config,
            exe,
            cmdline: Vec::new(),
            environ: Vec::new(),
            stack: OnceLock::new(),
            published: Default::default(),
            dirs: crate::syscall::dirents::Cookies::default(),
            numbers: Default::default(),
            vdso: OnceLock::new(),
            space,
            engine,
            actions: Actions::inherited(),
            limits: Mutex::default(),
            debug: OnceLock::new(),
            keep: None,
            stats: OnceLock::new(),
            log: OnceLock::new(),
        }
    }

    /// Takes over a limit of the program that executed this one.
    pub fn inherit_limit(&mut self, resource: i32, limits: [u64; 2]) {
        let kept = self.limits.get_mut().unwrap_or_else(|e| e.into_inner());
        kept.insert(resource, limits);
        let get = |r: i32| kept.get(&r).map_or(u64::MAX, |l| l[0]);
        let (space, data) = (get(crate::sys::RLIMIT_AS), get(crate::sys::RLIMIT_DATA));
        self.space.set_limits(space, data);
    }

    /// Whether the kernel knows where arguments and environment are.
    pub fn is_published(&self) -> bool {
        self.published.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// The auxiliary vector in the guest's form.
    pub fn auxv(&self) -> &[u8] {
        self.stack.get().map_or(&[], |s| &s.auxv)
    }

    /// Where the initial stack begins, for /proc/self/stat.
    pub fn stack_start(&self) -> u64 {
        self.stack.get().map_or(0, |s| s.sp)
    }

    /// The process as a vfork child sees it: the same memory, its own signal actions.
    pub fn for_vfork(&self) -> Process {
        let stack = OnceLock::new();
        if let Some(facts) = self.stack.get() {
            let _ = stack.set(facts.clone());
        }
        Process {
            config: self.config.clone(),
            exe: self.exe.clone(),
            cmdline: self.cmdline.clone(),
            environ: self.environ.clone(),
            stack,
            published: self.is_published().into(),
            dirs: crate::syscall::dirents::Cookies::default(),
            numbers: self.numbers.clone(),
            vdso: self.vdso.clone(),
            space: Arc::clone(&self.space),
            engine: Arc::clone(&self.engine),
            actions: self.actions.copied(),
            limits: Mutex::new(
                self.limits
                    .lock()
                    .unwrap_or_else(|e| e.into_inner())
                    .clone(),
            ),
            debug: OnceLock::new(),
            keep: None,
            stats: OnceLock::new(),
            log: self.log.clone(),
        }
    }
}

impl Task {
    /// The first thread of a process.
    pub fn leader(
        port: &'static dyn GuestPort,
        abi: Abi,
        process: Arc<Process>,
        vcpu: Vcpu,
    ) -> Task {
        Task {
            abi,
            mem: process.space.mem(),
            process,
            port,
            vcpu,
            signals: ThreadSignals::inherited(),
            tid: crate::sys::gettid() as u32,
            clear_child_tid: 0,
            robust_list: 0,
            is_leader: true,
            exiting: None,
            ids: None,
            personality: match crate::sys::randomizes_addresses() {
                true => 0,
                false => libc::ADDR_NO_RANDOMIZE as u32,
            },
            counters: None,
        }
    }

    /// A new thread with a copy of this one's registers; EAGAIN if the host has no memory for it.
    pub fn sibling(&self, process: Arc<Process>) -> Result<Task, Errno> {
        Ok(Task {
            abi: self.abi,
            mem: self.mem,
            process,
            port: self.port,
            vcpu: self.vcpu.fork_state().map_err(|_| Errno::EAGAIN)?,
            signals: self.signals.for_child(true),
            tid: 0,
            clear_child_tid: 0,
            robust_list: 0,
            is_leader: false,
            exiting: None,
            ids: self.ids.clone(),
            personality: self.personality,
            counters: None,
        })
    }

    /// The text of /proc/self/maps.
    pub fn maps_text(&self) -> Vec<u8> {
        self.process.space.maps_text().into_bytes()
    }

    /// The host is about to write this range of guest memory: translations of it must be given up.
    pub fn will_write(&self, va: GuestVa, len: u64) {
        self.process.space.prepare_write(va, len);
    }

    /// Maps a page that the kernel provides, with contents, readable and executable.
    pub fn map_kernel_page(
        &mut self,
        va: GuestVa,
        data: &[u8],
        label: &'static str,
    ) -> Result<(), Errno> {
        let len = data.len() as u64;
        self.process.space.map_special(va, len, Prot::RX, label)?;
        self.mem.write(va, data)?;
        self.process.space.seal_special(va, len, Prot::RX)?;
        Ok(())
    }

    /// Writes a siginfo structure.
    pub fn put_siginfo(&self, va: GuestVa, info: &SigInfo) -> Result<(), Errno> {
        let mut w = Writer::new(self.abi);
        info.put(&mut w);
        self.put_bytes(va, w.done())
    }

    /// The host path of a guest path.
    pub fn resolve(&self, path: &std::ffi::CStr) -> CString {
        self.host_path(&Path(path.to_owned())).path().to_owned()
    }

    /// One line about something that is not implemented, under -strace and -d unimp.
    pub fn unimplemented(&self, what: fmt::Arguments<'_>) {
        if self.process.config.unimp || self.process.config.strace {
            self.log(format_args!("not implemented: {what}"));
        }
    }

    /// A line in the log of `-d`, or on standard error if there is none.
    pub fn log(&self, what: fmt::Arguments<'_>) {
        let line = format!("emu: {what}\n");
        match self.process.log.get() {
            // A log that cannot be written must not stop the guest.
            Some(file) => drop((&**file).write_all(line.as_bytes())),
            None => eprint!("{line}"),
        }
    }
}
