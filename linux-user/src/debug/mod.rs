//! Debugging a guest with gdb (`-g`): the threads' side. Each guest thread runs [`run`] instead of the plain loop; a
//! thread that meets a stop says so to the server (in [`server`]), has the others stopped, and waits. While it waits
//! its registers are here, for the server to read and change.
//!
//! Children of a fork are not debugged: they go on plainly, with the breakpoints gone.

mod server;

pub use server::start;

use crate::abi::{Layout, Writer};
use crate::signal::{self, SigInfo};
use crate::sys;
use crate::task::Task;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tcg_debug::gdb::{Event, Resume, Run, Watch, Why};
use tcg_exec::Exit;
use tcg_mem::Access;
use tcg_target::StateCopy;

/// A thread's registers while it stands still, or as they were at its last exit from guest code.
#[derive(Default)]
struct Registers {
    state: StateCopy,
    pc: u64,
    mode: u32,
    fp_flags: u32,
}

/// A guest thread.
struct Thread {
    registers: Registers,
    /// It waits; the registers may be changed.
    parked: bool,
    /// The registers were changed.
    changed: bool,
    run: Run,
    /// The signal to go on with.
    signal: Option<i32>,
    /// What it stopped with, in the guest's form.
    siginfo: Option<Vec<u8>>,
}

struct World {
    /// Everybody is to wait.
    stopping: bool,
    /// A debugger is there.
    attached: bool,
    /// How often the guest was resumed.
    epoch: u64,
    threads: BTreeMap<u32, Thread>,
    /// System calls that stop: none, these, or (an empty list) all.
    catching: Option<Vec<u64>>,
}

/// What the threads and the server share.
pub struct Debugger {
    world: Mutex<World>,
    changed: Condvar,
    events: Sender<Event>,
    /// False in the child of a fork, where the server is not.
    active: AtomicBool,
    /// Signals that are delivered without a stop, bit n-1 for number n.
    passed: AtomicU64,
}

/// How long the server waits for threads that cannot be stopped (a vfork parent).
const PATIENCE: Duration = Duration::from_millis(500);
/// How often a thread that waits looks whether there still is a debugger.
const ALONE: Duration = Duration::from_millis(100);
/// How often it asks them.
const AGAIN: Duration = Duration::from_millis(20);

impl Debugger {
    fn new(events: Sender<Event>, waits: bool) -> Debugger {
        Debugger {
            world: Mutex::new(World {
                // The first thread waits for the debugger.
                stopping: waits,
                attached: false,
                epoch: 0,
                threads: BTreeMap::new(),
                catching: None,
            }),
            changed: Condvar::new(),
            events,
            active: AtomicBool::new(true),
            passed: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_active(&self) -> bool {
        self.active.load(Ordering::Relaxed)
    }

    /// In the child of a fork: nobody debugs it.
    pub fn forked_child(&self, t: &Task) {
        self.active.store(false, Ordering::Relaxed);
        sys::close_hidden_sockets();
        signal::stop_catching_all(t);
        t.process.engine.set_breakpoints(&[]);
        t.process.engine.set_watchpoints(&[], false);
    }

    /// A thread begins.
    fn enter(&self, t: &Task) {
        let thread = Thread {
            registers: Registers::default(),
            parked: false,
            changed: false,
            run: Run::Continue,
            signal: None,
            siginfo: None,
        };
        let mut w = self.lock();
        w.threads.insert(t.tid, thread);
        note(&mut w, t);
    }

    /// A thread ends.
    fn leave(&self, t: &mut Task, status: i32) {
        let mut w = self.park_while_stopping(t);
        if w.threads.len() > 1 {
            w.threads.remove(&t.tid);
            self.changed.notify_all();
            return;
        }
        drop(w);
        self.exited(t, status);
    }

    /// The process is about to end with this status.
    pub fn exited(&self, t: &mut Task, status: i32) {
        self.last_words(t, |done| Event::Exited(status as u8, done));
    }

    /// The process is about to die by this signal.
    pub fn killed(&self, t: &mut Task, sig: i32) {
        self.last_words(t, |done| Event::Killed(sig, done));
    }

    fn last_words(&self, t: &mut Task, event: impl FnOnce(Sender<()>) -> Event) {
        if !self.is_active() {
            return;
        }
        // Without a debugger there is nobody to wait for.
        let attached = self.lock().attached;
        let attached = attached && self.park_while_stopping(t).attached;
        let (done, answer) = mpsc::channel();
        if attached && self.events.send(event(done)).is_ok() {
            // A debugger that does not listen must not keep the process.
            let _ = answer.recv_timeout(Duration::from_secs(5));
        }
    }

    /// Asks threads that run to come here.
    fn kick_others(w: &World, me: u32) {
        for (tid, thread) in &w.threads {
            if !thread.parked && *tid != me {
                sys::kick(*tid);
            }
        }
    }

    /// Waits until the server lets this thread go on.
    fn park<'a>(&'a self, mut w: MutexGuard<'a, World>, t: &mut Task) -> MutexGuard<'a, World> {
        note(&mut w, t);
        loop {
            let (stopping, attached) = (w.stopping, w.attached);
            let Some(me) = w.threads.get_mut(&t.tid) else {
                return w;
            };
            if !stopping && me.run != Run::Frozen {
                me.parked = false;
                if std::mem::take(&mut me.changed) {
                    take_back(t, &me.registers);
                }
                return w;
            }
            // Signals wait for the debugger, but not for one that does not come.
            me.parked = attached || !signal::has_pending();
            if !me.parked {
                return w;
            }
            self.changed.notify_all();
            let waited = self.changed.wait_timeout(w, ALONE);
            w = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn park_while_stopping(&self, t: &mut Task) -> MutexGuard<'_, World> {
        let w = self.lock();
        let frozen = w
            .threads
            .get(&t.tid)
            .is_some_and(|me| me.run == Run::Frozen);
        if w.stopping || frozen {
            self.park(w, t)
        } else {
            w
        }
    }

    /// Waits if all are to wait; gives what to do then, and the number of the resumption that said so.
    fn checkpoint(&self, t: &mut Task) -> (Run, u64) {
        let w = self.park_while_stopping(t);
        let run = w.threads.get(&t.tid).map_or(Run::Continue, |me| me.run);
        (if w.stopping { Run::Frozen } else { run }, w.epoch)
    }

    /// Notes the registers for threads that cannot be stopped where they are going.
    fn note(&self, t: &Task) {
        note(&mut self.lock(), t);
    }

    /// Whether a thread runs by steps, and by which resumption.
    fn stepping(&self, t: &Task) -> (bool, u64) {
        let w = self.lock();
        let run = w.threads.get(&t.tid).map_or(Run::Continue, |me| me.run);
        (!matches!(run, Run::Continue | Run::Frozen), w.epoch)
    }

    /// This thread stops for a reason of its own. Gives the signal to go on with.
    fn stop(&self, t: &mut Task, why: Why, siginfo: Option<Vec<u8>>) -> Option<i32> {
        let unstopped = match why {
            Why::Signal(sig) => Some(sig),
            _ => None,
        };
        let mut w = self.lock();
        loop {
            if !w.attached {
                return unstopped;
            }
            if !w.stopping {
                break;
            }
            // Somebody else was first. What this thread has met it will meet again, apart from what happens once.
            w = self.park(w, t);
            if matches!(why, Why::Break | Why::Watch(_) | Why::Step) {
                return None;
            }
        }
        w.stopping = true;
        if let Some(me) = w.threads.get_mut(&t.tid) {
            me.siginfo = siginfo;
            me.signal = None;
        }
        let _ = self.events.send(Event::Stopped(t.tid, why));
        Self::kick_others(&w, t.tid);
        let mut w = self.park(w, t);
        let attached = w.attached;
        let me = w.threads.get_mut(&t.tid)?;
        me.siginfo = None;
        let signal = me.signal.take();
        if attached { signal } else { unstopped }
    }

    /// Whether a system call is to be reported.
    fn catches(&self, nr: u64) -> bool {
        let w = self.lock();
        let list = w.catching.as_ref();
        w.attached && list.is_some_and(|l| l.is_empty() || l.contains(&nr))
    }

    /// Makes everybody wait; true if somebody had stopped by itself.
    fn stop_all(&self) -> bool {
        let mut w = self.lock();
        let before = std::mem::replace(&mut w.stopping, true);
        Self::kick_others(&w, 0);
        before
    }

    /// Until everybody waits.
    fn settle(&self) {
        let mut w = self.lock();
        let until = Instant::now() + PATIENCE;
        while !w.threads.values().all(|t| t.parked) && Instant::now() < until {
            let waited = self.changed.wait_timeout(w, AGAIN);
            w = waited.unwrap_or_else(PoisonError::into_inner).0;
            Self::kick_others(&w, 0);
        }
    }

    fn resume(&self, threads: &BTreeMap<u32, Resume>, others: Run) {
        let mut w = self.lock();
        for (tid, thread) in &mut w.threads {
            let plan = threads.get(tid);
            thread.run = plan.map_or(others, |p| p.run);
            thread.signal = plan.and_then(|p| p.signal);
        }
        w.epoch += 1;
        w.stopping = false;
        self.changed.notify_all();
    }
}

/// The task's registers into its place.
fn note(w: &mut World, t: &Task) {
    if let Some(me) = w.threads.get_mut(&t.tid) {
        let r = &mut me.registers;
        r.state.copy_from(t.vcpu.state_bytes());
        (r.pc, r.mode, r.fp_flags) = (t.vcpu.pc(), t.vcpu.mode(), t.vcpu.fp_flags());
    }
}

/// The other way round.
fn take_back(t: &mut Task, r: &Registers) {
    t.vcpu.state_bytes_mut().copy_from_slice(r.state.bytes());
    t.vcpu.set_pc(r.pc);
    t.vcpu.set_mode(r.mode);
    t.vcpu.set_fp_flags(r.fp_flags);
    t.vcpu.mode_changed();
}

/// A signal is about to be delivered: what the debugger makes of it.
pub fn signal_stop(t: &mut Task, info: SigInfo) -> Option<SigInfo> {
    let Some(d) = t.process.debug.get().cloned().filter(|d| d.is_active()) else {
        return Some(info);
    };
    if d.passed.load(Ordering::Relaxed) & signal::bit(info.signo) != 0 {
        return Some(info);
    }
    let mut w = Writer::new(t.abi);
    info.put(&mut w);
    let raw = w.done().to_vec();
    let signo = d.stop(t, Why::Signal(info.signo), Some(raw))?;
    if signo == info.signo {
        return Some(info);
    }
    Some(SigInfo {
        signo,
        ..SigInfo::default()
    })
}

/// The loop of a thread that is debugged. Gives the exit status, or nothing if the thread goes on plainly.
pub fn run(t: &mut Task, d: &Debugger) -> Option<i32> {
    if !d.is_active() {
        return None;
    }
    d.enter(t);
    loop {
        if !d.is_active() {
            return None;
        }
        if let Some(status) = t.exiting {
            d.leave(t, status);
            return Some(status);
        }
        let delivered = t.signals.delivered;
        signal::deliver_pending(t);
        stop_in_handler(t, d, delivered);
        if t.exiting.is_some() {
            continue;
        }
        let (run, epoch) = d.checkpoint(t);
        match run {
            Run::Frozen => {}
            Run::Continue => {
                let exit = t.vcpu.run();
                meet(t, d, exit);
            }
            Run::Step | Run::Range(..) => {
                let exit = t.vcpu.step();
                let counts = !matches!(exit, Exit::Break | Exit::Watch(_) | Exit::Interrupt);
                meet(t, d, exit);
                let (stepping, now) = d.stepping(t);
                if counts && stepping && now == epoch && t.exiting.is_none() && !in_range(t, run) {
                    d.stop(t, Why::Step, None);
                }
            }
        }
    }
}

/// Whether a step over a range goes on.
fn in_range(t: &Task, run: Run) -> bool {
    let pc = t.vcpu.pc() & !1;
    match run {
        Run::Range(start, end) => {
            (start..end).contains(&pc) && !t.process.engine.has_breakpoint(pc)
        }
        _ => false,
    }
}

/// A step that was asked for together with a signal ends at the first instruction of the handler.
fn stop_in_handler(t: &mut Task, d: &Debugger, delivered: u64) {
    if t.signals.delivered != delivered && d.stepping(t).0 {
        d.stop(t, Why::Step, None);
    }
}

/// What guest code came back with.
fn meet(t: &mut Task, d: &Debugger, exit: Exit) {
    match exit {
        Exit::Break => {
            d.stop(t, Why::Break, None);
        }
        Exit::Watch(hit) => {
            let p = hit.point;
            // An access watchpoint is reported as what it is, the others as what happened.
            let both = p.read && p.write;
            let watch = Watch {
                start: p.start,
                len: p.len,
                read: both || hit.access == Access::Read,
                write: both || hit.access == Access::Write,
            };
            d.stop(t, Why::Watch(watch), None);
        }
        exit => {
            d.note(t);
            let delivered = t.signals.delivered;
            let caught = crate::run::system_call_number(t, &exit)
                .map(u64::from)
                .filter(|nr| d.catches(*nr));
            if let Some(nr) = caught {
                d.stop(t, Why::SyscallEntry(nr), None);
            }
            crate::run::serve(t, exit);
            if d.is_active() {
                stop_in_handler(t, d, delivered);
                if let Some(nr) = caught.filter(|_| t.exiting.is_none()) {
                    d.stop(t, Why::SyscallReturn(nr), None);
                }
            }
        }
    }
}
