//! The place that a CPU is plugged into: what its ISA asks of the machine.

use crate::Parts;
use crate::gate::Gate;
use softmmu_core::log;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tcg_mem::{Bus, InsnCounter};
use tcg_target::CpuSocket;

/// Reads of the clock that are no further apart than this, in nanoseconds, and so many of them in a row are
/// a loop that waits: its thread sleeps for some time, and again after a few more, longer the longer it has waited. A
/// program that does nothing else than to ask for the time is slower by that.
const POLL_GAP: u64 = 400;
const POLLS: u32 = 1000;
const MORE_POLLS: u32 = 20;
/// Drivers wait again and again: where the last loops were of that kind, so many reads are enough to tell the next.
const FEW_POLLS: u32 = 60;
const DOZE: Duration = Duration::from_micros(50);
/// A host that is busy lets us sleep longer. If that is so again and again, by more than this, there is no sleep for as many
/// times what it was too long as it was in a row, at most so many.
const LATE_NS: u64 = 200_000;
const MOST_AWAKE: u64 = 4;
const LONGEST_AWAKE_NS: u64 = 1_000_000_000;
/// As many dozes make the next ones longer, and so many times as long they become.
const PATIENT: u32 = 8;
const LONGEST: u32 = 3;

/// See the head of the file. The counts are of the CPU's own thread.
pub(crate) struct Socket {
    gate: Arc<Gate>,
    parts: Arc<Parts>,
    last_poll: AtomicU64,
    polls: AtomicU32,
    /// How many reads in a row make a loop that waits, as of now.
    enough: AtomicU32,
    dozes: AtomicU32,
    /// How many times in a row sleep was too long.
    late: AtomicU64,
    /// Not to sleep before.
    awake_until: AtomicU64,
}

impl Socket {
    pub(crate) fn new(gate: Arc<Gate>, parts: Arc<Parts>) -> Socket {
        Socket {
            gate,
            parts,
            last_poll: AtomicU64::new(0),
            polls: AtomicU32::new(0),
            enough: AtomicU32::new(POLLS),
            dozes: AtomicU32::new(0),
            late: AtomicU64::new(0),
            awake_until: AtomicU64::new(0),
        }
    }

    /// The clock is not read in a loop any more, which has read it so many times since it slept, if it did.
    fn loop_ended(&self, polls: u32, enough: u32) {
        let slept = self.dozes.swap(0, Ordering::Relaxed) > 0;
        self.polls.store(0, Ordering::Relaxed);
        let enough = match slept {
            true => (enough / 4).max(FEW_POLLS),
            false if polls > FEW_POLLS / 2 => (enough * 2).min(POLLS),
            false => return,
        };
        self.enough.store(enough, Ordering::Relaxed);
    }

    /// It has slept so long, and wanted to sleep so long.
    fn slept(&self, ns: u64, wanted: u64, now: u64) {
        let late = ns.saturating_sub(wanted);
        if late < LATE_NS {
            return self.late.store(0, Ordering::Relaxed);
        }
        let times = self.late.fetch_add(1, Ordering::Relaxed).min(MOST_AWAKE);
        let awake = late.saturating_mul(times).min(LONGEST_AWAKE_NS);
        self.awake_until
            .store(now.saturating_add(awake), Ordering::Relaxed);
    }
}

impl CpuSocket for Socket {
    fn cpu_index(&self) -> u32 {
        self.gate.index
    }

    fn now_ns(&self) -> u64 {
        self.parts.clock.now_ns()
    }

    fn counter(&self) -> Option<Arc<InsnCounter>> {
        self.parts.clock.counter()
    }

    fn clock_polled(&self, now_ns: u64) {
        // Where time follows instructions, waiting takes none of it.
        if self.parts.clock.is_counted() {
            return;
        }
        let gap = now_ns.wrapping_sub(self.last_poll.load(Ordering::Relaxed));
        self.last_poll.store(now_ns, Ordering::Relaxed);
        let polls = self.polls.load(Ordering::Relaxed).saturating_add(1);
        let enough = self.enough.load(Ordering::Relaxed);
        if gap > POLL_GAP {
            self.loop_ended(polls, enough);
            return;
        }
        let awake = self.awake_until.load(Ordering::Relaxed);
        if polls < enough || awake.wrapping_sub(now_ns) <= LONGEST_AWAKE_NS {
            self.polls.store(polls, Ordering::Relaxed);
            return;
        }
        self.polls
            .store(enough.saturating_sub(MORE_POLLS), Ordering::Relaxed);
        let dozes = self.dozes.fetch_add(1, Ordering::Relaxed);
        let time = DOZE * (1 + dozes / PATIENT).min(LONGEST);
        self.gate.doze(time);
        let now = self.now_ns();
        self.last_poll.store(now, Ordering::Relaxed);
        self.slept(now.wrapping_sub(now_ns), time.as_nanos() as u64, now);
    }

    fn set_deadline(&self, at_ns: u64) {
        self.gate.set_deadline(at_ns);
    }

    fn lines(&self) -> u32 {
        self.gate.lines()
    }

    fn bus(&self) -> &dyn Bus {
        &*self.parts.bus
    }

    fn dcr_read(&self, n: u32) -> Option<u32> {
        self.parts.dcr.read(n)
    }

    fn dcr_write(&self, n: u32, value: u32) -> bool {
        self.parts.dcr.write(n, value)
    }

    fn acknowledge(&self) -> u32 {
        let controller = self.parts.acknowledge.as_ref();
        controller.map_or(0, |c| c.acknowledge(self.gate.index))
    }

    fn reset_system(&self) {
        self.parts.requests.reset();
    }

    fn shutdown(&self) {
        self.parts.requests.shutdown();
    }

    fn guest_error(&self, message: &dyn Fn() -> String) {
        log::guest_error(&format!("cpu{}", self.gate.index), message);
    }
}
