//! The interrupt controller of Heathrow: 64 inputs in two banks. Each bank latches rising edges as
//! events, which software takes back; inputs of PCI slots count as long as they are high
//! [Heathrow-Linux].

use crate::class::Build;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::device::{Device, Mmio, StateError, Widths, load_state, save_state};
use softmmu_core::irq::{Irq, IrqSink};
use softmmu_core::log;
use std::sync::{Arc, Weak};
use tcg_mem::BusError;

/// Inputs 32 to 63 first.
const BANKS: std::ops::Range<u64> = 0x10..0x30;
const EVENT: u64 = 0;
const ENABLE: u64 = 4;
const ACK: u64 = 8;
const LEVEL: u64 = 12;
/// Inputs of the low bank whose level counts: 20 to 28.
const BY_LEVEL: [u32; 2] = [0x1ff0_0000, 0];

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Bank {
    latched: u32,
    enabled: u32,
    level: u32,
}

type State = [Bank; 2];

struct Pic {
    /// Inputs 0 to 31, then 32 to 63.
    state: Mutex<State>,
    int: Irq,
}

struct Inputs(Weak<Pic>);

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let pic = Arc::new(Pic {
        state: Mutex::default(),
        int: build.output("int", 0),
    });
    build.map(0, BANKS.end, pic.clone())?;
    build.parts.sink = Some(Arc::new(Inputs(Arc::downgrade(&pic))));
    build.parts.device = Some(pic);
    Ok(())
}

impl Bank {
    fn events(&self, by_level: u32) -> u32 {
        self.latched | self.level & by_level
    }
}

impl Pic {
    fn update(&self, state: &State) {
        let mut banks = state.iter().zip(BY_LEVEL);
        self.int
            .set(banks.any(|(b, l)| b.events(l) & b.enabled != 0));
    }
}

fn place(offset: u64) -> Option<(usize, u64)> {
    BANKS
        .contains(&offset)
        .then(|| (usize::from(offset < 0x20), offset & 12))
}

impl IrqSink for Inputs {
    fn set_input(&self, input: u32, level: bool) {
        let Some(pic) = self.0.upgrade() else {
            return;
        };
        let mut state = pic.state.lock();
        if let Some(bank) = state.get_mut((input / 32) as usize) {
            let bit = 1 << (input % 32);
            if level {
                bank.latched |= bit & !bank.level;
                bank.level |= bit;
            } else {
                bank.level &= !bit;
            }
        }
        pic.update(&state);
    }
}

impl Mmio for Pic {
    fn widths(&self) -> Widths {
        Widths::LE32
    }

    fn read(&self, offset: u64, _size: u32) -> Result<u64, BusError> {
        let state = self.state.lock();
        let found = place(offset);
        let value = found.and_then(|(n, register)| {
            let (bank, by_level) = (state.get(n)?, BY_LEVEL.get(n)?);
            Some(match register {
                EVENT => bank.events(*by_level),
                ENABLE => bank.enabled,
                LEVEL => bank.level,
                _ => 0,
            })
        });
        Ok(u64::from(value.unwrap_or(0)))
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        let mut state = self.state.lock();
        let value = value as u32;
        let Some((n, register)) = place(offset) else {
            log::unimp("heathrow", || format!("write of {value:#x} at {offset:#x}"));
            return Ok(());
        };
        if let Some(bank) = state.get_mut(n) {
            match register {
                ENABLE => bank.enabled = value,
                ACK => bank.latched &= !value,
                _ => {}
            }
        }
        self.update(&state);
        Ok(())
    }
}

impl Device for Pic {
    fn reset(&self) {
        let mut state = self.state.lock();
        for bank in state.iter_mut() {
            (bank.latched, bank.enabled) = (0, 0);
        }
        self.update(&state);
    }

    fn save(&self) -> Vec<u8> {
        save_state(&*self.state.lock())
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        *self.state.lock() = load_state(bytes)?;
        Ok(())
    }

    fn resume(&self) {
        self.update(&self.state.lock());
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Rig, device_tests};

    device_tests!("heathrow", |_: &mut Rig| {});

    #[test]
    fn edges_are_latched_and_levels_count() {
        let rig = common_rig();
        let (space, out) = (rig.space(), rig.output("int"));
        let put = |at: u64, v: u32| space.put(Rig::AT + at, v.swap_bytes());
        let get = |at: u64| space.get(Rig::AT + at).swap_bytes();
        let inputs = rig.parts.sink.clone().unwrap();
        put(0x24, 1 << 13 | 1 << 21);
        inputs.set_input(13, true);
        inputs.set_input(13, false);
        assert!(out.level());
        assert_eq!((get(0x20), get(0x2c)), (1 << 13, 0));
        put(0x28, 1 << 13);
        assert!(!out.level());
        inputs.set_input(21, true);
        put(0x28, 1 << 21);
        assert!(out.level(), "a level stays");
        inputs.set_input(21, false);
        assert!(!out.level());
        inputs.set_input(40, true);
        assert_eq!((get(0x10), out.level()), (1 << 8, false));
        put(0x14, 1 << 8);
        assert!(out.level());
    }
}
