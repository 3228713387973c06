//! A machine under gdb: its CPUs are the threads 1, 2, …. The protocol is tcg-debug's; here is what it asks of a machine.

use crate::machine::{DebugEvents, Machine};
use softmmu_core::control::{Control, RunState};
use softmmu_core::cpu::Cpus;
use softmmu_core::requests::{DebugStop, Request};
use softmmu_cpu::Plan;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;
use tcg_debug::gdb::{self, Debuggee, Event, Resume, Run, Watch, Why};
use tcg_exec::Watchpoint;
use tcg_mem::PAGE;
use tcg_target::gdb::{CpuRegs, GdbDescription};

/// Host stack of the server.
const STACK: usize = 1 << 20;
/// How long the end waits for gdb to be told.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs a command of the monitor; what it prints.
pub type MonitorCommand = Box<dyn Fn(&str) -> String + Send>;

/// Starts a server for this machine at a place ([`gdb::listen`]). A debugger that connects stops the machine.
pub fn start(machine: &Arc<Machine>, place: &str, monitor: MonitorCommand) -> Result<(), String> {
    let isa = machine.isa;
    let description = isa.gdb();
    let description =
        description.ok_or_else(|| format!("debugging is not implemented for {}", isa.name()))?;
    let (events, received) = channel();
    let listening = gdb::listen(place, |fd| fd, || (), events.clone());
    listening.map_err(|e| format!("{place}: {e}"))?;
    let there = Arc::new(AtomicBool::new(false));
    let relay = Relay {
        events: events.clone(),
        there: Arc::clone(&there),
    };
    if machine.debugger.set(Box::new(relay)).is_err() {
        return Err("there is a debugger's server already".into());
    }
    let server = Server {
        machine: Arc::clone(machine),
        description,
        monitor,
        events,
        there,
        physical: AtomicBool::new(false),
    };
    let thread = std::thread::Builder::new()
        .name("gdb".into())
        .stack_size(STACK);
    let started = thread.spawn(move || gdb::serve(&server, &received));
    started.map(drop).map_err(|e| e.to_string())
}

fn thread_of(cpu: u32) -> u32 {
    cpu + 1
}

fn cpu_of(tid: u32) -> u32 {
    tid.wrapping_sub(1)
}

fn why_of(stop: DebugStop) -> Why {
    match stop {
        DebugStop::Break => Why::Break,
        DebugStop::Step => Why::Step,
        DebugStop::Watch {
            start,
            len,
            read,
            write,
        } => Why::Watch(Watch {
            start,
            len,
            read,
            write,
        }),
    }
}

/// The way from the main loop to the server.
struct Relay {
    events: Sender<Event>,
    there: Arc<AtomicBool>,
}

impl DebugEvents for Relay {
    fn stopped(&self, cpu: u32, why: DebugStop) {
        // A server that has ended needs no events.
        let _ = self
            .events
            .send(Event::Stopped(thread_of(cpu), why_of(why)));
    }

    fn ended(&self, status: u8) {
        if self.there.load(Ordering::SeqCst) {
            let (done, heard) = channel();
            let _ = self.events.send(Event::Exited(status, done));
            let _ = heard.recv_timeout(PATIENCE);
        }
    }
}

struct Server {
    machine: Arc<Machine>,
    description: GdbDescription,
    monitor: MonitorCommand,
    events: Sender<Event>,
    there: Arc<AtomicBool>,
    /// Addresses of memory are physical.
    physical: AtomicBool,
}

impl Server {
    fn plan(&self, tid: u32, run: Run) {
        let plan = match run {
            Run::Continue => Plan::Run,
            Run::Step => Plan::Step,
            Run::Range(from, to) => Plan::Range(from, to),
            Run::Frozen => Plan::Frozen,
        };
        self.machine.cpus.plan(cpu_of(tid), plan);
    }

    /// Calls `f` with the physical address, the offset and the length of each piece until it fails; how far it came.
    fn pieces(
        &self,
        tid: u32,
        va: u64,
        len: usize,
        f: &mut dyn FnMut(u64, usize, usize) -> bool,
    ) -> usize {
        let mut done = 0;
        while done < len {
            let at = va.wrapping_add(done as u64);
            let n = (len - done).min((PAGE - at % PAGE) as usize);
            let pa = match self.physical.load(Ordering::Relaxed) {
                true => Some(at),
                false => self.machine.physical(cpu_of(tid), at),
            };
            if !pa.is_some_and(|pa| f(pa, done, n)) {
                break;
            }
            done += n;
        }
        done
    }
}

impl Debuggee for Server {
    fn description(&self) -> &GdbDescription {
        &self.description
    }

    fn threads(&self) -> Vec<u32> {
        (0..self.machine.cpus.count()).map(thread_of).collect()
    }

    fn thread_name(&self, tid: u32) -> String {
        let cpu = cpu_of(tid);
        let state = match self.machine.cpus.is_waiting(cpu) {
            true => "halted",
            false => "running",
        };
        format!("CPU#{cpu} [{state}]")
    }

    fn registers(&self, tid: u32, write: bool, f: &mut dyn FnMut(&mut CpuRegs<'_>)) -> bool {
        let now_ns = self.machine.assembly.clock.now_ns();
        let shown = self.machine.with_cpu(cpu_of(tid), |v| {
            let shown = v.with_system(|_, cpu| {
                f(&mut CpuRegs {
                    state: cpu.state,
                    pc: cpu.pc,
                    mode: cpu.mode,
                    fp_flags: cpu.fp_flags,
                    now_ns,
                });
            });
            if write {
                // Any register may be one that decides about addresses.
                v.flush_tlb();
            }
            shown
        });
        shown.flatten().is_some()
    }

    fn read_memory(&self, tid: u32, va: u64, out: &mut [u8]) -> usize {
        let len = out.len();
        self.pieces(tid, va, len, &mut |pa, from, n| {
            let part = out.get_mut(from..from + n).unwrap_or_default();
            self.machine.read_phys(pa, part)
        })
    }

    fn write_memory(&self, tid: u32, va: u64, data: &[u8]) -> bool {
        let done = self.pieces(tid, va, data.len(), &mut |pa, from, n| {
            let part = data.get(from..from + n).unwrap_or_default();
            self.machine.write_phys(pa, part)
        });
        done == data.len()
    }

    fn set_stops(&self, breaks: &[u64], watches: &[Watch]) {
        let point = |w: &Watch| Watchpoint {
            start: w.start,
            len: w.len,
            read: w.read,
            write: w.write,
        };
        let watches: Vec<Watchpoint> = watches.iter().map(point).collect();
        let engine = self.machine.cpus.engine();
        engine.set_breakpoints(breaks);
        engine.set_watchpoints(&watches, self.description.watch_stops_before);
    }

    fn attach(&self, there: bool) {
        self.there.store(there, Ordering::SeqCst);
    }

    fn stop_all(&self) -> bool {
        self.machine.halt(RunState::Debug);
        let stops = self.machine.requests().take_debug();
        let any = !stops.is_empty();
        for (cpu, why) in stops {
            let _ = self
                .events
                .send(Event::Stopped(thread_of(cpu), why_of(why)));
        }
        any
    }

    /// [`Debuggee::stop_all`] has waited.
    fn settle(&self) {}

    fn resume(&self, threads: &BTreeMap<u32, Resume>, others: Run) {
        for tid in self.threads() {
            self.plan(tid, threads.get(&tid).map_or(others, |r| r.run));
        }
        self.machine.go();
    }

    fn kill(&self) {
        self.machine.requests().ask(Request::Quit(0));
    }

    fn machine(&self) -> Option<&dyn gdb::Machine> {
        Some(self)
    }
}

impl gdb::Machine for Server {
    fn monitor(&self, command: &str) -> String {
        (self.monitor)(command)
    }

    fn physical(&self) -> bool {
        self.physical.load(Ordering::Relaxed)
    }

    fn set_physical(&self, on: bool) {
        self.physical.store(on, Ordering::Relaxed);
    }
}
