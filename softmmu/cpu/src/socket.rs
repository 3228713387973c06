//! The place that a CPU is plugged into: what its ISA asks of the machine.

use crate::Parts;
use crate::gate::Gate;
use softmmu_core::log;
use std::sync::Arc;
use tcg_mem::{Bus, InsnCounter};
use tcg_target::CpuSocket;

/// See the head of the file.
pub(crate) struct Socket {
    gate: Arc<Gate>,
    parts: Arc<Parts>,
}

impl Socket {
    pub(crate) fn new(gate: Arc<Gate>, parts: Arc<Parts>) -> Socket {
        Socket { gate, parts }
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
