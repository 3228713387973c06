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
const MORE_POLLS: u32 = 50;
const DOZE: Duration = Duration::from_micros(30);
/// As many dozes make the next ones longer, and so many times as long they become.
const PATIENT: u32 = 8;
const LONGEST: u32 = 5;

/// See the head of the file. The counts are of the CPU's own thread.
pub(crate) struct Socket {
    gate: Arc<Gate>,
    parts: Arc<Parts>,
    last_poll: AtomicU64,
    polls: AtomicU32,
    dozes: AtomicU32,
}

impl Socket {
    pub(crate) fn new(gate: Arc<Gate>, parts: Arc<Parts>) -> Socket {
        Socket {
            gate,
            parts,
            last_poll: AtomicU64::new(0),
            polls: AtomicU32::new(0),
            dozes: AtomicU32::new(0),
        }
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
        if gap > POLL_GAP {
            self.polls.store(0, Ordering::Relaxed);
            self.dozes.store(0, Ordering::Relaxed);
            return;
        }
        let polls = self.polls.load(Ordering::Relaxed) + 1;
        if polls < POLLS {
            self.polls.store(polls, Ordering::Relaxed);
            return;
        }
        self.polls.store(POLLS - MORE_POLLS, Ordering::Relaxed);
        let dozes = self.dozes.fetch_add(1, Ordering::Relaxed);
        let times = (1 + dozes / PATIENT).min(LONGEST);
        self.gate.doze(DOZE * times);
        self.last_poll.store(self.now_ns(), Ordering::Relaxed);
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
