//! An AT24C EEPROM: an address, then bytes. What is in it is lost with the machine.

use super::I2cTarget;
use crate::class::Build;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::device::{Device, StateError, load_state, save_state};
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    pointer: usize,
    /// Bytes of the address that are still to come.
    address_left: u8,
    memory: Vec<u8>,
}

struct Eeprom {
    state: Mutex<State>,
    address_bytes: u8,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let bus = build.i2c.clone().ok_or("needs an I2C bus")?;
    let size = build.values.number_or_0("rom-size").max(1) as usize;
    let state = State {
        pointer: 0,
        address_left: 0,
        memory: vec![0xff; size],
    };
    let address_bytes = build.values.number_or_0("address-size").max(1) as u8;
    let device = Arc::new(Eeprom {
        state: Mutex::new(state),
        address_bytes,
    });
    bus.add(
        build.values.number("address").unwrap_or(0x50) as u8,
        device.clone(),
    )?;
    build.parts.device = Some(device);
    Ok(())
}

impl I2cTarget for Eeprom {
    fn start(&self, read: bool) {
        let left = if read { 0 } else { self.address_bytes };
        self.state.lock().address_left = left;
    }

    fn write(&self, byte: u8) -> bool {
        let mut state = self.state.lock();
        let size = state.memory.len();
        if state.address_left > 0 {
            if state.address_left == self.address_bytes {
                state.pointer = 0;
            }
            state.pointer = (state.pointer << 8 | usize::from(byte)) % size;
            state.address_left -= 1;
            return true;
        }
        let at = state.pointer;
        if let Some(cell) = state.memory.get_mut(at) {
            *cell = byte;
        }
        state.pointer = (at + 1) % size;
        true
    }

    fn read(&self) -> u8 {
        let mut state = self.state.lock();
        let byte = state.memory.get(state.pointer).copied().unwrap_or(0xff);
        state.pointer = (state.pointer + 1) % state.memory.len();
        byte
    }
}

impl Device for Eeprom {
    fn reset(&self) {
        let mut state = self.state.lock();
        state.pointer = 0;
        state.address_left = 0;
    }

    fn save(&self) -> Vec<u8> {
        save_state(&*self.state.lock())
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let loaded: State = load_state(bytes)?;
        let mut state = self.state.lock();
        if loaded.memory.len() != state.memory.len() {
            return Err(StateError("made for another size".into()));
        }
        *state = loaded;
        state.pointer %= state.memory.len();
        state.address_left = state.address_left.min(self.address_bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Rig, device_tests};

    device_tests!("at24c-eeprom", |_: &mut Rig| {});

    #[test]
    fn bytes_stay_where_they_were_written() {
        let mut rig = Rig::new();
        rig.make(
            "at24c-eeprom",
            &[("rom-size", "512"), ("address-size", "2")],
        );
        rig.i2c.start(0x50, false);
        let _ = [1, 0xff, 7, 8].map(|b| rig.i2c.write(b));
        rig.i2c.start(0x50, false);
        let _ = [1, 0xff].map(|b| rig.i2c.write(b));
        rig.i2c.start(0x50, true);
        assert_eq!([rig.i2c.read(), rig.i2c.read()], [7, 8], "it wraps");
    }
}
