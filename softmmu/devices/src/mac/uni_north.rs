//! Registers of UniNorth's memory controller: a version, and clocks that software switches
//! [UniNorth-Linux].

use crate::class::Build;
use parking_lot::Mutex;
use softmmu_core::device::{Device, Mmio, StateError, Widths, load_state, save_state};
use std::collections::BTreeMap;
use std::sync::Arc;
use tcg_mem::BusError;

const VERSION: u64 = 0;

struct UniNorth {
    revision: u32,
    words: Mutex<BTreeMap<u64, u32>>,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let device = Arc::new(UniNorth {
        revision: build.values.number_or_0("revision") as u32,
        words: Mutex::default(),
    });
    build.map(0, 0x1000, device.clone())?;
    build.parts.device = Some(device);
    Ok(())
}

impl Mmio for UniNorth {
    fn widths(&self) -> Widths {
        Widths::BE32
    }

    fn read(&self, offset: u64, _size: u32) -> Result<u64, BusError> {
        Ok(u64::from(match offset {
            VERSION => self.revision,
            _ => self.words.lock().get(&offset).copied().unwrap_or(0),
        }))
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        self.words.lock().insert(offset, value as u32);
        Ok(())
    }
}

impl Device for UniNorth {
    fn reset(&self) {
        self.words.lock().clear();
    }

    fn save(&self) -> Vec<u8> {
        save_state(&*self.words.lock())
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        *self.words.lock() = load_state(bytes)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Rig, device_tests};

    device_tests!("uni-north", |_: &mut Rig| {});

    #[test]
    fn the_version_stays() {
        let rig = common_rig();
        rig.space().put(Rig::AT, 1);
        rig.space().put(Rig::AT + 0x20, 5);
        assert_eq!(rig.space().get(Rig::AT), 7);
        assert_eq!(rig.space().get(Rig::AT + 0x20), 5);
    }
}
