//! What other threads and a CPU's own thread say to each other.

use parking_lot::{Condvar, Mutex, MutexGuard};
use softmmu_core::clock::Clock;
use softmmu_core::cpu::CpuStart;
use softmmu_core::timer::{Alarm, Timer, Timers};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tcg_exec::Kick;

/// Something for the CPU's thread to do before it runs on.
pub(crate) enum Wish {
    /// Reset; then start so, or as the ISA says, or wait to be started.
    Reset { start: Option<CpuStart>, wait: bool },
    /// Start, if it waits for that.
    Start(CpuStart),
    /// Wait to be started, or not.
    Park(bool),
    /// End.
    Quit,
}

/// How a CPU runs, as a debugger wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Until something happens.
    Run,
    /// One instruction.
    Step,
    /// Instructions as long as the program counter is in `0..1`.
    Range(u64, u64),
    /// Not at all.
    Frozen,
}

/// The part under the lock.
pub(crate) struct Inside {
    pub wishes: Vec<Wish>,
    /// It is to stand still.
    pub stop: bool,
    pub plan: Plan,
    /// It does.
    pub stopped: bool,
    /// It waits to be started, as of when it came to stand still.
    pub parked: bool,
}

/// See the head of the file.
pub(crate) struct Gate {
    /// The number of the CPU.
    pub index: u32,
    pub inside: Mutex<Inside>,
    changed: Condvar,
    /// Levels of the inputs.
    lines: AtomicU32,
    /// Somebody has kicked since the thread last looked.
    kicked: AtomicBool,
    /// The thread sleeps, or is about to.
    idle: AtomicBool,
    /// The way to make running code come back, once the CPU exists.
    running: Mutex<Option<Kick>>,
    deadline: AtomicU64,
    /// What the timer is set to: no later than the deadline.
    armed: AtomicU64,
    timer: Timer,
    clock: Arc<Clock>,
}

const NEVER: u64 = u64::MAX;

impl Gate {
    pub(crate) fn new(index: u32, timers: &Arc<Timers>) -> Arc<Gate> {
        Arc::new_cyclic(|me| Gate {
            index,
            inside: Mutex::new(Inside {
                wishes: Vec::new(),
                stop: true,
                plan: Plan::Run,
                stopped: false,
                parked: true,
            }),
            changed: Condvar::new(),
            lines: AtomicU32::new(0),
            kicked: AtomicBool::new(false),
            idle: AtomicBool::new(false),
            running: Mutex::default(),
            deadline: AtomicU64::new(NEVER),
            armed: AtomicU64::new(NEVER),
            timer: timers.timer(crate::weak(me), 0),
            clock: Arc::clone(timers.clock()),
        })
    }

    /// From now on kicks reach running code.
    pub(crate) fn connect(&self, kick: Kick) {
        *self.running.lock() = Some(kick);
    }

    /// Makes the thread look.
    pub(crate) fn kick(&self) {
        self.kicked.store(true, Ordering::SeqCst);
        if let Some(kick) = &*self.running.lock() {
            kick.kick();
        }
        if self.idle.load(Ordering::SeqCst) {
            // Under the lock, so that it is not lost between the sleeper's look and its sleep.
            let _inside = self.inside.lock();
            self.changed.notify_all();
        }
    }

    pub(crate) fn wish(&self, wish: Wish) {
        let mut inside = self.inside.lock();
        inside.wishes.push(wish);
        // It stands still again when the wish is granted.
        inside.stopped = false;
        drop(inside);
        self.kick();
    }

    pub(crate) fn resume(&self) {
        self.inside.lock().stop = false;
        self.kick();
    }

    pub(crate) fn ask_to_stop(&self) {
        self.inside.lock().stop = true;
        self.kick();
    }

    pub(crate) fn wait_until_stopped(&self) {
        let mut inside = self.inside.lock();
        while inside.stop && !inside.stopped {
            self.changed.wait(&mut inside);
        }
    }

    /// The thread stands still or not, for those who wait for it.
    pub(crate) fn set_stopped(&self, inside: &mut Inside, stopped: bool) {
        inside.stopped = stopped;
        self.changed.notify_all();
    }

    /// It stands still from now on; called by its thread.
    pub(crate) fn stop_here(&self) {
        self.inside.lock().stop = true;
    }

    /// Somebody wants the thread to look.
    pub(crate) fn is_kicked(&self) -> bool {
        self.kicked.load(Ordering::SeqCst)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.idle.load(Ordering::SeqCst)
    }

    /// Before the thread looks at what there is to do.
    pub(crate) fn look(&self) {
        self.kicked.store(false, Ordering::SeqCst);
    }

    /// Sleeps until a kick or, if `alarm`, the deadline.
    pub(crate) fn sleep(&self, inside: &mut MutexGuard<'_, Inside>, alarm: bool) {
        self.idle.store(true, Ordering::SeqCst);
        while !self.kicked.load(Ordering::SeqCst) {
            let left = match alarm && self.clock.is_running() {
                true => self
                    .deadline
                    .load(Ordering::SeqCst)
                    .saturating_sub(self.clock.now_ns()),
                false => NEVER,
            };
            match left {
                0 => break,
                NEVER => self.changed.wait(inside),
                ns => {
                    self.changed.wait_for(inside, Duration::from_nanos(ns));
                }
            }
        }
        self.idle.store(false, Ordering::SeqCst);
    }

    /// Sleeps a little, unless there is a kick, in the midst of guest code.
    pub(crate) fn doze(&self, time: Duration) {
        self.idle.store(true, Ordering::SeqCst);
        let mut inside = self.inside.lock();
        if !self.kicked.load(Ordering::SeqCst) {
            self.changed.wait_for(&mut inside, time);
        }
        drop(inside);
        self.idle.store(false, Ordering::SeqCst);
    }

    pub(crate) fn lines(&self) -> u32 {
        self.lines.load(Ordering::SeqCst)
    }

    /// Replaces all levels.
    pub(crate) fn set_lines(&self, levels: u32) {
        self.lines.store(levels, Ordering::SeqCst);
    }

    pub(crate) fn set_line(&self, line: u32, level: bool) {
        let bit = 1u32.checked_shl(line).unwrap_or(0);
        let old = match level {
            true => self.lines.fetch_or(bit, Ordering::SeqCst),
            false => self.lines.fetch_and(!bit, Ordering::SeqCst),
        };
        if level && old & bit == 0 {
            self.kick();
        }
    }

    /// Sets the deadline. Later ones than the timer's leave it alone: it looks again when it fires.
    pub(crate) fn set_deadline(&self, at: u64) {
        self.deadline.store(at, Ordering::SeqCst);
        if at < self.armed.load(Ordering::SeqCst) {
            self.armed.store(at, Ordering::SeqCst);
            self.timer.set(at);
        }
    }

    /// Whether the deadline has passed; then there is none.
    pub(crate) fn take_deadline(&self) -> bool {
        let due = self.deadline.load(Ordering::SeqCst) <= self.clock.now_ns();
        if due {
            self.deadline.store(NEVER, Ordering::SeqCst);
        }
        due
    }
}

impl Alarm for Gate {
    fn alarm(&self, _: u32) {
        self.armed.store(NEVER, Ordering::SeqCst);
        let deadline = self.deadline.load(Ordering::SeqCst);
        if deadline <= self.clock.now_ns() {
            self.kick();
        } else if deadline != NEVER {
            self.armed.store(deadline, Ordering::SeqCst);
            self.timer.set(deadline);
        }
    }
}
