//! QEMU's firmware configuration device, registers in memory without DMA: firmware selects an item
//! by number and reads it byte by byte. [QEMU-fw_cfg]
//!
//! UNIMPL: the DMA interface, and items that the guest may write.

use crate::class::{Build, FirmwareConfig};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::device::{Device, Endian, Mmio, StateError, Widths, load_state, save_state};
use softmmu_core::log;
use std::collections::BTreeMap;
use std::sync::Arc;
use tcg_mem::BusError;

/// Four letters that tell that the device is there.
const SIGNATURE: u16 = 0;
/// Which interfaces it has.
const ID: u16 = 1;
/// The directory of items by name: a count, then entries of 64 bytes.
const FILE_DIR: u16 = 0x19;

const SELECTOR: u64 = 0;
const DATA: u64 = 2;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct State {
    selected: u16,
    offset: u32,
}

struct FwCfg {
    state: Mutex<State>,
    items: Mutex<BTreeMap<u16, Vec<u8>>>,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let device = Arc::new(FwCfg {
        state: Mutex::default(),
        items: Mutex::default(),
    });
    device.set_item(SIGNATURE, b"QEMU".to_vec());
    device.set_item(ID, 1u32.to_le_bytes().to_vec());
    // No names.
    device.set_item(FILE_DIR, 0u32.to_be_bytes().to_vec());
    build.map(0, 3, device.clone())?;
    build.parts.firmware = Some(device.clone());
    build.parts.device = Some(device);
    Ok(())
}

impl FirmwareConfig for FwCfg {
    fn set_item(&self, key: u16, bytes: Vec<u8>) {
        self.items.lock().insert(key, bytes);
    }
}

impl Mmio for FwCfg {
    fn widths(&self) -> Widths {
        Widths {
            endian: Endian::Big,
            min: 1,
            max: 2,
        }
    }

    fn read(&self, offset: u64, _size: u32) -> Result<u64, BusError> {
        if offset < DATA {
            return Ok(0);
        }
        let mut state = self.state.lock();
        let items = self.items.lock();
        let item = items.get(&state.selected);
        let byte = item.and_then(|i| i.get(state.offset as usize)).copied();
        state.offset = state.offset.saturating_add(1);
        // Behind its end, and where no item is: zeroes.
        Ok(u64::from(byte.unwrap_or(0)))
    }

    fn write(&self, offset: u64, size: u32, value: u64) -> Result<(), BusError> {
        if (offset, size) == (SELECTOR, 2) {
            let selected = value as u16;
            *self.state.lock() = State {
                selected,
                offset: 0,
            };
        } else {
            log::unimp("fw_cfg", || format!("write of {value:#x} at {offset:#x}"));
        }
        Ok(())
    }
}

impl Device for FwCfg {
    fn reset(&self) {
        *self.state.lock() = State::default();
    }

    fn save(&self) -> Vec<u8> {
        save_state(&*self.state.lock())
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        *self.state.lock() = load_state(bytes)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, device_tests};

    device_tests!("fw_cfg", |_: &mut Rig| {});

    #[test]
    fn items_are_read_byte_by_byte() {
        let rig = common_rig();
        let firmware = rig.parts.firmware.clone().unwrap();
        firmware.set_item(0x8003, 16_600_000u32.to_le_bytes().to_vec());
        let space = rig.space();
        let select = |key: u16| space.write_device(Rig::AT, 2, u64::from(key.swap_bytes()));
        let next = || space.read_device(Rig::AT + 2, 1) as u8;
        select(SIGNATURE);
        assert_eq!([next(), next(), next(), next(), next()], *b"QEMU\0");
        select(0x8003);
        assert_eq!(
            [next(), next(), next(), next()],
            16_600_000u32.to_le_bytes()
        );
        select(0x7777);
        assert_eq!(next(), 0);
    }
}
