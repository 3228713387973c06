//! The machine as a monitor sees it.

use crate::machine::Machine;
use softmmu_core::control::{Cause, Control, EventSink, MachineEvent, RunState};
use softmmu_core::display::Picture;
use softmmu_core::requests::Request;
use tcg_mem::PAGE;

impl Machine {
    /// The physical address of what a CPU sees at an address.
    pub(crate) fn physical(&self, cpu: u32, va: u64) -> Option<u64> {
        let found = self.with_cpu(cpu, |v| {
            let mode = v.mode();
            v.with_system(|system, c| {
                let ways = [false, true].map(|exec| system.mmu_index(mode, exec));
                ways.iter()
                    .find_map(|way| system.peek(c, va, *way))
                    .map(|m| m.pa)
            })
        });
        found.flatten().flatten()
    }
}

impl Control for Machine {
    fn state(&self) -> RunState {
        *self.state.lock()
    }

    fn stop(&self) {
        if self.state() == RunState::Running {
            self.halt(RunState::Paused);
        }
    }

    fn cont(&self) {
        self.go();
    }

    fn stand(&self, why: RunState) {
        self.halt(why);
    }

    fn system_reset(&self) {
        let reason = "host-qmp-system-reset";
        self.requests().ask(Request::Reset(Cause {
            guest: false,
            reason,
        }));
    }

    fn system_powerdown(&self) {
        self.tell(&MachineEvent::Powerdown);
    }

    fn nmi(&self) {
        // DEVIATES: no board connects a button to its CPUs yet.
    }

    fn quit(&self, status: u8) {
        self.requests().ask(Request::Quit(status));
    }

    fn subscribe(&self, sink: EventSink) {
        self.sinks.lock().push(sink);
    }

    fn board(&self) -> String {
        self.config.board.clone()
    }

    fn cpu_count(&self) -> u32 {
        self.config.cpus
    }

    fn vm_name(&self) -> Option<String> {
        self.config.name.clone()
    }

    fn info(&self, topic: &str, cpu: u32) -> Option<String> {
        match topic {
            "mtree" => Some(self.assembly.space.describe()),
            "qtree" => Some(self.assembly.describe()),
            "pci" => Some(
                self.assembly
                    .pci
                    .iter()
                    .map(|(_, b)| b.describe())
                    .collect(),
            ),
            "registers" => self.registers(cpu),
            "cpus" => {
                let line = |n: u32| format!("{} CPU #{n}\n", if n == cpu { '*' } else { ' ' });
                Some((0..self.config.cpus).map(line).collect())
            }
            _ => None,
        }
    }

    fn read_phys(&self, pa: u64, buf: &mut [u8]) -> bool {
        self.assembly.space.read_bytes_at(pa, buf).is_ok()
    }

    fn write_phys(&self, pa: u64, data: &[u8]) -> bool {
        self.assembly.dma.write(pa, data).is_ok()
    }

    fn read_virt(&self, cpu: u32, va: u64, buf: &mut [u8]) -> bool {
        let mut at = va;
        let mut rest = buf;
        while !rest.is_empty() {
            let room = (PAGE - at % PAGE) as usize;
            let (part, more) = rest.split_at_mut(room.min(rest.len()));
            let Some(pa) = self.physical(cpu, at) else {
                return false;
            };
            if !self.read_phys(pa, part) {
                return false;
            }
            at = at.wrapping_add(part.len() as u64);
            rest = more;
        }
        true
    }

    fn pc(&self, cpu: u32) -> u64 {
        self.with_cpu(cpu, |v| v.pc()).unwrap_or(0)
    }

    fn register(&self, cpu: u32, name: &str) -> Option<u64> {
        (name == "pc").then(|| self.pc(cpu))
    }

    fn screen(&self) -> Option<Picture> {
        self.assembly.display.as_ref().map(|d| d.picture())
    }

    fn device_add(&self, class: &str, props: &[(String, String)]) -> Result<(), String> {
        self.assembly.add_device(class, props)
    }

    fn device_del(&self, id: &str) -> Result<(), String> {
        self.assembly.remove_device(id)?;
        self.tell(&MachineEvent::DeviceDeleted(id.to_owned()));
        Ok(())
    }

    fn save(&self) -> Result<Vec<(String, Vec<u8>)>, String> {
        self.save_all()
    }

    fn load(&self, sections: &[(String, Vec<u8>)]) -> Result<(), String> {
        self.load_all(sections)
    }
}
