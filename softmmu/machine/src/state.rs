//! Everything that a machine is, as sections of bytes: what it is made of, clock, CPUs, memories, devices.
//!
//! Sections `machine` (text, to be compared), `clock`, `asked` (what the guest has asked for, a byte each: 1 a reset, 0 the
//! end), `cpuN`, `ram/NAME`, and one for each device. A machine of the same
//! board and command line takes them.

use crate::machine::Machine;
use softmmu_core::control::RunState;
use softmmu_core::cpu::Cpus;
use std::collections::BTreeMap;

/// Counts up when older sections are not understood any more.
const FORMAT: u32 = 2;

type Sections = Vec<(String, Vec<u8>)>;

impl Machine {
    /// What has to be the same where sections are loaded, one line each.
    fn identity(&self) -> String {
        format!(
            "format {FORMAT}\nboard {}\nCPU {}\nCPUs {}\nbytes of memory {}\n",
            self.config.board,
            self.config.cpu,
            self.config.cpus,
            self.assembly.ram.0.len(),
        )
    }

    /// All sections of a machine that stands still.
    pub(crate) fn save_all(&self) -> Result<Sections, String> {
        if *self.state.lock() == RunState::Running {
            return Err("the machine has to be stopped".into());
        }
        let mut sections = vec![("machine".to_owned(), self.identity().into_bytes())];
        let clock = self.assembly.clock.save().map(u64::to_le_bytes);
        sections.push(("clock".to_owned(), clock.concat()));
        let mut asked: Vec<u8> = self
            .requests()
            .of_guest()
            .into_iter()
            .map(u8::from)
            .collect();
        if asked.is_empty() && *self.state.lock() == RunState::Shutdown {
            asked.push(0);
        }
        sections.push(("asked".to_owned(), asked));
        for cpu in 0..self.cpus.count() {
            let state = self.cpus.save(cpu).ok_or("a CPU is missing")?;
            sections.push((format!("cpu{cpu}"), state));
        }
        for (name, ram) in self.assembly.space.memories() {
            sections.push((format!("ram/{name}"), ram.save()));
        }
        sections.extend(self.assembly.save());
        Ok(sections)
    }

    /// The opposite, on a machine that stands still.
    pub(crate) fn load_all(&self, sections: &[(String, Vec<u8>)]) -> Result<(), String> {
        let all: BTreeMap<String, Vec<u8>> = sections.iter().cloned().collect();
        let section = |name: &str| all.get(name).ok_or_else(|| format!("no section '{name}'"));
        let made = String::from_utf8_lossy(section("machine")?).into_owned();
        let mine = self.identity();
        let mut lines = made.lines().zip(mine.lines());
        if let Some((made, mine)) = lines.find(|(a, b)| a != b) {
            return Err(format!(
                "saved by another machine: {made}; this one: {mine}"
            ));
        }
        let clock = section("clock")?;
        let (words, rest) = clock.as_chunks::<8>();
        let [now, time] = words else {
            return Err("section 'clock' is broken".into());
        };
        if !rest.is_empty() {
            return Err("section 'clock' is broken".into());
        }
        self.cpus.stop();
        let clock = [now, time].map(|w| u64::from_le_bytes(*w));
        self.assembly.clock.restore(clock);
        for (name, ram) in self.assembly.space.memories() {
            let name = format!("ram/{name}");
            if !ram.restore(section(&name)?) {
                return Err(format!("section '{name}' does not fit"));
            }
        }
        for cpu in 0..self.cpus.count() {
            let name = format!("cpu{cpu}");
            let loaded = self.cpus.load_state(cpu, section(&name)?);
            loaded.map_err(|e| format!("section '{name}': {e}"))?;
        }
        self.assembly.load(&all)?;
        // Translations are of the memory's former contents.
        self.cpus.engine().flush();
        self.cpus.loaded();
        let asked: Vec<bool> = section("asked")?.iter().map(|b| *b == 1).collect();
        self.requests().restore(&asked);
        Ok(())
    }
}
