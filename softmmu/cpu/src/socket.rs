//! The place that a CPU is plugged into: what its ISA asks of the machine.

use crate::Parts;
use crate::gate::Gate;
use crate::waiting::Waiting;
use softmmu_core::log;
use std::sync::Arc;
use tcg_mem::{Bus, InsnCounter};
use tcg_target::CpuSocket;

/// See the head of the file.
pub(crate) struct Socket {
    gate: Arc<Gate>,
    parts: Arc<Parts>,
    waiting: Waiting,
}

impl Socket {
    pub(crate) fn new(gate: Arc<Gate>, parts: Arc<Parts>) -> Socket {
        Socket {
            gate,
            parts,
            waiting: Waiting::new(),
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
        if let Some(time) = self.waiting.read(now_ns) {
            self.gate.doze(time);
            let now = self.now_ns();
            self.waiting.slept(now.wrapping_sub(now_ns), time, now);
        }
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
