//! The spin table of ePAPR [EPAPR 5.5.2] as registers: writing an entry's address starts the CPU.
//! An entry is 32 bytes: address (8), argument (8), reserved (4), processor id (4).

use crate::class::Build;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::cpu::{CpuSlot, CpuStart};
use softmmu_core::device::{Device, Endian, Mmio, StateError, Widths, load_state, save_state};
use std::sync::Arc;
use tcg_mem::BusError;

const ENTRY: usize = 32;
/// What a started CPU has mapped, around its address.
const MAP_BYTES: u64 = 64 << 20;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    entries: Vec<[u8; ENTRY]>,
    started: Vec<bool>,
}

impl State {
    fn new(cpus: usize) -> State {
        let entry = |cpu: usize| {
            let mut bytes = [0; ENTRY];
            bytes[7] = 1;
            bytes[15] = cpu as u8;
            bytes[23] = cpu as u8;
            bytes
        };
        State {
            entries: (0..cpus).map(entry).collect(),
            started: vec![false; cpus],
        }
    }

    fn number(entry: &[u8; ENTRY], at: usize, len: usize) -> u64 {
        let bytes = entry.iter().skip(at).take(len);
        bytes.fold(0, |n, b| n << 8 | u64::from(*b))
    }
}

struct Spin {
    state: Mutex<State>,
    cpus: CpuSlot,
    count: usize,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let count = build.host.cpu_count as usize;
    let state = Mutex::new(State::new(count));
    let spin = Arc::new(Spin {
        state,
        cpus: build.host.cpus.clone(),
        count,
    });
    build.map(0, 0x1000, spin.clone())?;
    build.parts.device = Some(spin);
    Ok(())
}

impl Spin {
    /// The address of entry `cpu` has been written.
    fn kick(&self, state: &mut State, cpu: usize) {
        let (Some(entry), Some(started)) = (state.entries.get(cpu), state.started.get_mut(cpu))
        else {
            return;
        };
        let pc = State::number(entry, 0, 8);
        // An odd address means: wait.
        if pc & 1 != 0 || *started || cpu == 0 {
            return;
        }
        *started = true;
        let base = pc & !(MAP_BYTES - 1);
        let regs = [
            ("r3", State::number(entry, 8, 8)),
            ("r4", 0),
            ("r6", 0),
            ("r7", MAP_BYTES),
            ("pir", State::number(entry, 20, 4)),
        ];
        let start = CpuStart {
            pc,
            regs: regs.iter().map(|(n, v)| ((*n).to_owned(), *v)).collect(),
            map: Some((base, base, MAP_BYTES)),
        };
        if let Some(cpus) = self.cpus.get() {
            cpus.start(cpu as u32, &start);
        }
    }
}

impl Mmio for Spin {
    fn widths(&self) -> Widths {
        Widths {
            endian: Endian::Big,
            min: 1,
            max: 8,
        }
    }

    fn read(&self, offset: u64, size: u32) -> Result<u64, BusError> {
        let state = self.state.lock();
        let flat = state.entries.as_flattened();
        let bytes = flat.iter().skip(offset as usize).take(size as usize);
        Ok(bytes.fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    fn write(&self, offset: u64, size: u32, value: u64) -> Result<(), BusError> {
        let mut state = self.state.lock();
        let flat = state.entries.as_flattened_mut();
        let bytes = flat.iter_mut().skip(offset as usize).take(size as usize);
        for (i, byte) in bytes.enumerate() {
            *byte = (value >> (8 * (size - 1 - i as u32))) as u8;
        }
        // The low half of the address comes last.
        let (cpu, at) = (offset as usize / ENTRY, offset as usize % ENTRY);
        if at < 8 && at + size as usize >= 8 {
            self.kick(&mut state, cpu);
        }
        Ok(())
    }
}

impl Device for Spin {
    fn reset(&self) {
        *self.state.lock() = State::new(self.count);
    }

    fn save(&self) -> Vec<u8> {
        save_state(&*self.state.lock())
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let loaded: State = load_state(bytes)?;
        if loaded.entries.len() != self.count || loaded.started.len() != self.count {
            return Err(StateError("made for another number of CPUs".into()));
        }
        *self.state.lock() = loaded;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Rig, device_tests};

    device_tests!("e500-spin", |_: &mut Rig| {});

    #[test]
    fn an_even_address_starts_a_cpu_once() {
        let mut rig = Rig::new();
        rig.make("e500-spin", &[]);
        let space = rig.space();
        assert_eq!(space.get(Rig::AT + 0x24), 1);
        space.put(Rig::AT + 0x34, 1);
        space.put(Rig::AT + 0x20, 0);
        assert!(rig.cpus.started.lock().is_empty());
        space.put(Rig::AT + 0x24, 0x0400_1000);
        space.put(Rig::AT + 0x24, 0x0400_2000);
        let started = rig.cpus.started.lock().clone();
        assert_eq!(started.len(), 1);
        assert_eq!((started[0].0, started[0].1.pc), (1, 0x0400_1000));
        assert_eq!(
            started[0].1.map,
            Some((0x0400_0000, 0x0400_0000, 0x0400_0000))
        );
    }
}
