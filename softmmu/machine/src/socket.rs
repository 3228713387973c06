//! What a CPU asks of its machine.

use crate::cpu::CpuThread;
use softmmu_core::clock::Clock;
use softmmu_core::cpu::{Acknowledge, DcrBus};
use softmmu_core::log;
use softmmu_core::requests::Requests;
use softmmu_core::space::AddressSpace;
use std::sync::Arc;
use tcg_mem::Bus;
use tcg_target::CpuSocket;

/// The parts of a machine that its CPUs use.
pub(crate) struct Parts {
    pub space: Arc<AddressSpace>,
    pub clock: Arc<Clock>,
    pub dcr: DcrBus,
    pub acknowledge: Option<Arc<dyn Acknowledge>>,
    pub requests: Arc<Requests>,
}

/// The place of one CPU.
pub(crate) struct Socket {
    pub parts: Arc<Parts>,
    pub cpu: Arc<CpuThread>,
}

impl CpuSocket for Socket {
    fn cpu_index(&self) -> u32 {
        self.cpu.index()
    }

    fn now_ns(&self) -> u64 {
        self.parts.clock.now_ns()
    }

    fn set_deadline(&self, at_ns: u64) {
        self.cpu.set_deadline(at_ns);
    }

    fn lines(&self) -> u32 {
        self.cpu.lines()
    }

    fn bus(&self) -> &dyn Bus {
        &*self.parts.space
    }

    fn dcr_read(&self, n: u32) -> Option<u32> {
        self.parts.dcr.read(n)
    }

    fn dcr_write(&self, n: u32, value: u32) -> bool {
        self.parts.dcr.write(n, value)
    }

    fn acknowledge(&self) -> u32 {
        let controller = self.parts.acknowledge.as_ref();
        controller.map_or(0, |c| c.acknowledge(self.cpu.index()))
    }

    fn reset_system(&self) {
        self.parts.requests.reset();
    }

    fn shutdown(&self) {
        self.parts.requests.shutdown();
    }

    fn guest_error(&self, message: &dyn Fn() -> String) {
        log::guest_error("cpu", message);
    }
}
