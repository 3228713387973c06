//! The server's side: the guest as gdb looks at it, and starting the server.

use super::Debugger;
use crate::config::RunConfig;
use crate::sys;
use crate::task::{Process, Task};
use crate::{StartError, signal};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use tcg_debug::gdb::{self, Debuggee, Resume, Run, Watch};
use tcg_exec::Watchpoint;
use tcg_mem::GuestVa;
use tcg_target::gdb::{CpuRegs, GdbDescription};

/// Host stack of the server.
const STACK: usize = 1 << 20;

/// Starts the server for this program; its first thread will wait for a debugger.
pub fn start(t: &Task, cfg: &RunConfig) -> Result<(), StartError> {
    let Some(place) = &cfg.gdb else {
        return Ok(());
    };
    let fail = |what: String| StartError { what, status: 1 };
    let description = t.process.engine.isa().gdb().ok_or_else(|| {
        fail(format!(
            "-g: debugging is not implemented for {}",
            cfg.guest.name
        ))
    })?;
    let (place, waits) = endpoint(place).map_err(fail)?;
    let (events, received) = mpsc::channel();
    let debugger = Arc::new(Debugger::new(events.clone(), waits));
    let _ = t.process.debug.set(Arc::clone(&debugger));
    // The threads of the server take no signals: those are the guest's.
    let mask = sys::block_all_signals();
    let listening = gdb::listen(&place, sys::hide_socket, || (), events);
    let server = Server {
        process: Arc::clone(&t.process),
        debugger,
        description,
    };
    let serving = listening.and_then(|()| {
        std::thread::Builder::new()
            .name("gdb".to_string())
            .stack_size(STACK)
            .spawn(move || {
                sys::open_fault_signals();
                sys::enter_thread();
                gdb::serve(&server, &received);
            })
    });
    sys::restore_signals(&mask);
    serving.map_err(|e| fail(format!("-g {place}: {e}")))?;
    signal::catch_all(t);
    Ok(())
}

/// `PLACE[,suspend=y|n]`: the place, with `%d` in it replaced by the process's number, and whether the program waits there.
fn endpoint(text: &str) -> Result<(String, bool), String> {
    let (place, waits) = match text.rsplit_once(",suspend=") {
        None => (text, true),
        Some((place, "y")) => (place, true),
        Some((place, "n")) => (place, false),
        Some((_, other)) => return Err(format!("-g: suspend={other}: neither y nor n")),
    };
    let place = place.replacen("%d", &std::process::id().to_string(), 1);
    Ok((place, waits))
}

struct Server {
    process: Arc<Process>,
    debugger: Arc<Debugger>,
    description: GdbDescription,
}

impl Debuggee for Server {
    fn description(&self) -> &GdbDescription {
        &self.description
    }

    fn threads(&self) -> Vec<u32> {
        self.debugger.lock().threads.keys().copied().collect()
    }

    fn thread_name(&self, tid: u32) -> String {
        let name = std::fs::read_to_string(format!("/proc/self/task/{tid}/comm"));
        name.unwrap_or_default().trim_end().to_string()
    }

    fn registers(&self, tid: u32, write: bool, f: &mut dyn FnMut(&mut CpuRegs<'_>)) -> bool {
        let mut w = self.debugger.lock();
        let Some(t) = w.threads.get_mut(&tid) else {
            return false;
        };
        if write && !t.parked {
            return false;
        }
        t.changed |= write;
        let r = &mut t.registers;
        f(&mut CpuRegs {
            state: r.state.bytes_mut(),
            pc: &mut r.pc,
            mode: &mut r.mode,
            fp_flags: &mut r.fp_flags,
            now_ns: 0,
        });
        true
    }

    fn read_memory(&self, _: u32, va: u64, out: &mut [u8]) -> usize {
        self.process.space.mem().read_some(GuestVa(va), out)
    }

    /// Through the kernel's view of this process, which may write to what the guest may not.
    fn write_memory(&self, _: u32, va: u64, data: &[u8]) -> bool {
        let len = data.len() as u64;
        let Some(host) = self.process.space.mem().host(GuestVa(va), len) else {
            return false;
        };
        self.process.engine.invalidate(GuestVa(va), len);
        let file = File::options().write(true).open("/proc/self/mem");
        file.and_then(|f| f.write_all_at(data, host as u64)).is_ok()
    }

    fn set_stops(&self, breaks: &[u64], watches: &[Watch]) {
        let watches: Vec<Watchpoint> = watches
            .iter()
            .map(|w| Watchpoint {
                start: w.start,
                len: w.len,
                read: w.read,
                write: w.write,
            })
            .collect();
        let engine = &self.process.engine;
        engine.set_breakpoints(breaks);
        engine.set_watchpoints(&watches, self.description.watch_stops_before);
    }

    fn attach(&self, there: bool) {
        self.debugger.lock().attached = there;
    }

    fn stop_all(&self) -> bool {
        self.debugger.stop_all()
    }

    fn settle(&self) {
        self.debugger.settle();
    }

    fn resume(&self, threads: &BTreeMap<u32, Resume>, others: Run) {
        self.debugger.resume(threads, others);
    }

    fn kill(&self) {
        sys::kill_self();
    }

    fn process(&self) -> Option<&dyn gdb::Process> {
        Some(self)
    }
}

impl gdb::Process for Server {
    fn pass_signals(&self, mask: u64) {
        self.debugger.passed.store(mask, Ordering::Relaxed);
    }

    fn catch_syscalls(&self, numbers: Option<Vec<u64>>) {
        self.debugger.lock().catching = numbers;
    }

    fn siginfo(&self, tid: u32) -> Option<Vec<u8>> {
        self.debugger.lock().threads.get(&tid)?.siginfo.clone()
    }

    fn exec_file(&self) -> Vec<u8> {
        self.process.exe.clone()
    }

    fn auxv(&self) -> Vec<u8> {
        self.process.auxv().to_vec()
    }

    fn open(&self, path: &Path) -> std::io::Result<File> {
        let prefix = self.process.config.prefix.as_ref();
        let under = prefix.and_then(|p| {
            let p = Path::new(std::ffi::OsStr::from_bytes(p));
            Some(p.join(path.strip_prefix("/").ok()?))
        });
        let path: PathBuf = under.filter(|p| p.exists()).unwrap_or_else(|| path.into());
        // The guest expects the lowest free number for its own files.
        File::open(path).map(|f| File::from(sys::hide(f.into())))
    }
}
