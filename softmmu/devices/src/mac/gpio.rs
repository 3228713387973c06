//! The pins of KeyLargo: a byte of control for each, with the pin's level in bit 1. Inputs that
//! somebody pulls are low [KeyLargo-Linux].

use crate::class::Build;
use parking_lot::Mutex;
use softmmu_core::device::{Device, Mmio, StateError, Widths, load_state, save_state};
use softmmu_core::irq::IrqSink;
use std::sync::{Arc, Weak};
use tcg_mem::BusError;

const SIZE: usize = 0x30;
/// Pins from here on; before them are levels of all.
const FIRST: usize = 8;
const LEVEL: u8 = 2;

type Cells = Vec<(u8, bool)>;

struct Gpio(Mutex<Cells>);

struct Inputs(Weak<Gpio>);

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let gpio = Arc::new(Gpio(Mutex::new(vec![(0, false); SIZE])));
    build.map(0, SIZE as u64, gpio.clone())?;
    build.parts.sink = Some(Arc::new(Inputs(Arc::downgrade(&gpio))));
    build.parts.device = Some(gpio);
    Ok(())
}

impl IrqSink for Inputs {
    fn set_input(&self, input: u32, level: bool) {
        if let Some(gpio) = self.0.upgrade()
            && let Some(cell) = gpio.0.lock().get_mut(FIRST + input as usize)
        {
            cell.1 = level;
        }
    }
}

impl Mmio for Gpio {
    fn widths(&self) -> Widths {
        Widths::BYTE
    }

    fn read(&self, offset: u64, _size: u32) -> Result<u64, BusError> {
        let cells = self.0.lock();
        let (value, pulled) = cells.get(offset as usize).copied().unwrap_or_default();
        let level = match (offset as usize) < FIRST || pulled {
            true => 0,
            false => LEVEL,
        };
        Ok(u64::from(value & !LEVEL | level))
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        if let Some(cell) = self.0.lock().get_mut(offset as usize) {
            cell.0 = value as u8;
        }
        Ok(())
    }
}

impl Device for Gpio {
    fn reset(&self) {
        self.0.lock().iter_mut().for_each(|c| c.0 = 0);
    }

    fn save(&self) -> Vec<u8> {
        save_state(&*self.0.lock())
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let loaded: Cells = load_state(bytes)?;
        if loaded.len() != SIZE {
            return Err(StateError("another number of pins".into()));
        }
        *self.0.lock() = loaded;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Rig, device_tests};

    device_tests!("macio-gpio", |_: &mut Rig| {});

    #[test]
    fn a_pulled_pin_is_low() {
        let rig = common_rig();
        let pin = || rig.space().read_device(Rig::AT + 9, 1);
        assert_eq!(pin(), 2);
        rig.parts.sink.clone().unwrap().set_input(1, true);
        assert_eq!(pin(), 0);
    }
}
