//! One CPU on its thread: runs guest code, waits for interrupts, stands still when it is told to.

use crate::kick::Kick;
use parking_lot::{Condvar, Mutex};
use softmmu_core::clock::Clock;
use softmmu_core::requests::{Request, Requests};
use softmmu_core::timer::{Alarm, Timer, Timers};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak, mpsc};
use std::time::Duration;
use tcg_exec::{Event, Exit, Vcpu};

/// Something to do with a CPU that stands still.
type Job = Box<dyn FnOnce(&mut Vcpu) + Send>;

#[derive(Default)]
struct Inner {
    jobs: VecDeque<Job>,
    /// The machine runs.
    running: bool,
    /// The CPU has been started (others than the first may wait for it).
    powered: bool,
    /// It cannot go on until it is reset.
    stuck: bool,
    /// Its thread stands still.
    parked: bool,
    /// Something happened while it waited for an interrupt.
    woken: bool,
}

/// See the head of the file.
pub struct CpuThread {
    index: u32,
    lines: AtomicU32,
    kick: Kick,
    inner: Mutex<Inner>,
    changed: Condvar,
    deadline: AtomicU64,
    due: AtomicBool,
    timer: OnceLock<Timer>,
    clock: Arc<Clock>,
    requests: Arc<Requests>,
}

impl CpuThread {
    pub(crate) fn new(index: u32, timers: &Arc<Timers>, requests: Arc<Requests>) -> Arc<CpuThread> {
        let cpu = Arc::new(CpuThread {
            index,
            lines: AtomicU32::new(0),
            kick: Kick::default(),
            inner: Mutex::default(),
            changed: Condvar::new(),
            deadline: AtomicU64::new(u64::MAX),
            due: AtomicBool::new(false),
            timer: OnceLock::new(),
            clock: timers.clock().clone(),
            requests,
        });
        let owner: Weak<dyn Alarm> = Arc::<CpuThread>::downgrade(&cpu) as _;
        let _ = cpu.timer.set(timers.timer(owner, 0));
        cpu
    }

    /// Its number.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Levels of its inputs.
    pub fn lines(&self) -> u32 {
        self.lines.load(Ordering::SeqCst)
    }

    /// Sets the level of an input.
    pub fn set_line(&self, line: u32, level: bool) {
        let bit = 1u32.checked_shl(line).unwrap_or(0);
        if level {
            self.lines.fetch_or(bit, Ordering::SeqCst);
            self.wake();
        } else {
            self.lines.fetch_and(!bit, Ordering::SeqCst);
        }
    }

    fn wake(&self) {
        self.kick.kick();
        self.inner.lock().woken = true;
        self.changed.notify_all();
    }

    pub(crate) fn set_deadline(&self, at_ns: u64) {
        self.deadline.store(at_ns, Ordering::Release);
        if let Some(timer) = self.timer.get() {
            timer.follow((at_ns != u64::MAX).then_some(at_ns));
        }
    }

    /// Lets it run or makes it stop; it may take a moment.
    pub(crate) fn set_running(&self, running: bool) {
        self.inner.lock().running = running;
        self.kick.kick();
        self.changed.notify_all();
    }

    /// Started, or waiting to be.
    pub(crate) fn set_powered(&self, powered: bool) {
        let mut inner = self.inner.lock();
        inner.powered = powered;
        inner.stuck = false;
        drop(inner);
        self.kick.kick();
        self.changed.notify_all();
    }

    /// Returns when its thread stands still.
    pub(crate) fn wait_parked(&self) {
        let mut inner = self.inner.lock();
        while !inner.parked {
            self.changed.wait(&mut inner);
        }
    }

    /// Lets the thread do something before the CPU goes on; does not wait.
    pub(crate) fn post(&self, job: impl FnOnce(&mut Vcpu) + Send + 'static) {
        self.inner.lock().jobs.push_back(Box::new(job));
        self.kick.kick();
        self.changed.notify_all();
    }

    /// The same, and waits for the answer. Not to be called on a CPU's thread.
    pub(crate) fn ask<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Vcpu) -> R + Send + 'static,
    ) -> Option<R> {
        let (send, receive) = mpsc::channel();
        self.post(move |cpu| drop(send.send(job(cpu))));
        receive.recv().ok()
    }

    /// The thread.
    pub(crate) fn run(self: Arc<Self>, vcpu: Vcpu) {
        softmmu_core::cpu::set_current(self.index);
        let vcpu = self.kick.adopt(vcpu);
        loop {
            self.stand_still(vcpu);
            let deadline = self.deadline.load(Ordering::Acquire);
            if self.due.swap(false, Ordering::AcqRel) || self.clock.now_ns() >= deadline {
                self.deadline.store(u64::MAX, Ordering::Release);
                vcpu.timer();
            }
            match vcpu.run() {
                Exit::Interrupt | Exit::Step | Exit::Break | Exit::Watch(_) => {}
                Exit::Machine(Event::Halt) => self.wait_for_interrupt(),
                Exit::Machine(Event::Reset) => {
                    self.park_self();
                    self.requests.reset();
                }
                Exit::Machine(Event::Shutdown) => {
                    self.park_self();
                    self.requests.shutdown();
                }
                Exit::Machine(Event::Stuck) => self.stuck(vcpu.message()),
                other => self.stuck(format!("unexpected exit {other:?}")),
            }
        }
    }

    fn park_self(&self) {
        self.inner.lock().stuck = true;
    }

    fn stuck(&self, message: String) {
        self.park_self();
        let text = format!("CPU {}: {message}", self.index);
        self.requests.ask(Request::Stuck(text));
    }

    /// Waits while the machine stands still, and does what is to be done meanwhile.
    fn stand_still(&self, vcpu: &mut Vcpu) {
        let mut inner = self.inner.lock();
        loop {
            if let Some(job) = inner.jobs.pop_front() {
                drop(inner);
                job(vcpu);
                inner = self.inner.lock();
                continue;
            }
            if inner.running && inner.powered && !inner.stuck {
                inner.parked = false;
                return;
            }
            if !inner.parked {
                inner.parked = true;
                self.changed.notify_all();
            }
            self.changed.wait(&mut inner);
        }
    }

    fn wait_for_interrupt(&self) {
        let mut inner = self.inner.lock();
        while !inner.woken && inner.running && inner.jobs.is_empty() {
            let deadline = self.deadline.load(Ordering::Acquire);
            let now = self.clock.now_ns();
            if self.due.load(Ordering::Acquire) || now >= deadline {
                break;
            }
            let span = Duration::from_nanos(deadline - now).min(Duration::from_secs(1));
            self.changed.wait_for(&mut inner, span);
        }
        inner.woken = false;
    }
}

impl Alarm for CpuThread {
    fn alarm(&self, _tag: u32) {
        self.due.store(true, Ordering::Release);
        self.wake();
    }
}
