//! Freescale's general purpose pins [MPC8544 18]. Pin 0 is the most significant bit.

use crate::class::Build;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::device::{Device, Mmio, StateError, Widths, load_state, save_state};
use softmmu_core::irq::{Irq, IrqSink};
use std::sync::{Arc, Weak};
use tcg_mem::BusError;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct State {
    /// Pins that are outputs.
    direction: u32,
    open_drain: u32,
    /// Levels that the guest has set.
    data: u32,
    /// Levels from outside.
    inputs: u32,
    events: u32,
    mask: u32,
    /// Pins whose events are falling edges only.
    falling: u32,
}

struct Gpio {
    state: Mutex<State>,
    pins: Vec<Irq>,
    irq: Irq,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let gpio = Arc::new(Gpio {
        state: Mutex::default(),
        irq: build.output("irq", 0),
        pins: (0..32).map(|n| build.output("pin", n)).collect(),
    });
    build.map(0, 0x1000, gpio.clone())?;
    build.parts.sink = Some(Arc::new(Inputs(Arc::downgrade(&gpio))));
    build.parts.device = Some(gpio);
    Ok(())
}

impl Gpio {
    fn update(&self, state: &State) {
        for (n, pin) in self.pins.iter().enumerate() {
            pin.set((state.data & state.direction) << n >> 31 != 0);
        }
        self.irq.set(state.events & state.mask != 0);
    }
}

impl Mmio for Gpio {
    fn widths(&self) -> Widths {
        Widths::BE32
    }

    fn read(&self, offset: u64, _size: u32) -> Result<u64, BusError> {
        let state = self.state.lock();
        Ok(u64::from(match offset {
            0x0 => state.direction,
            0x4 => state.open_drain,
            0x8 => state.data & state.direction | state.inputs & !state.direction,
            0xc => state.events,
            0x10 => state.mask,
            0x14 => state.falling,
            _ => 0,
        }))
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        let value = value as u32;
        let mut state = self.state.lock();
        match offset {
            0x0 => state.direction = value,
            0x4 => state.open_drain = value,
            0x8 => state.data = value,
            0xc => state.events &= !value,
            0x10 => state.mask = value,
            0x14 => state.falling = value,
            _ => {}
        }
        self.update(&state);
        Ok(())
    }
}

struct Inputs(Weak<Gpio>);

impl IrqSink for Inputs {
    fn set_input(&self, input: u32, level: bool) {
        let Some(gpio) = self.0.upgrade().filter(|_| input < 32) else {
            return;
        };
        let bit = 1 << 31 >> input;
        let mut state = gpio.state.lock();
        let changed = (state.inputs & bit != 0) != level;
        if level {
            state.inputs |= bit;
        } else {
            state.inputs &= !bit;
        }
        if changed && !(level && state.falling & bit != 0) {
            state.events |= bit;
        }
        gpio.update(&state);
    }
}

impl Device for Gpio {
    fn reset(&self) {
        let mut state = self.state.lock();
        *state = State {
            inputs: state.inputs,
            ..State::default()
        };
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

    device_tests!("mpc8xxx_gpio", |_: &mut Rig| {});

    #[test]
    fn pins_go_out_and_come_in() {
        let mut rig = Rig::new();
        rig.make("mpc8xxx_gpio", &[]);
        let space = rig.space();
        space.put(Rig::AT + 8, 1 << 31);
        assert!(!rig.output("pin").level(), "still an input");
        space.put(Rig::AT, 1 << 31);
        assert!(rig.output("pin").level());
        space.put(Rig::AT + 0x10, 1);
        space.put(Rig::AT + 0x14, 1);
        let sink = rig.parts.sink.clone().unwrap();
        sink.set_input(31, true);
        assert!(!rig.output("irq").level());
        sink.set_input(31, false);
        sink.set_input(32, true);
        assert!(rig.output("irq").level());
        space.put(Rig::AT + 0xc, 1);
        assert!(!rig.output("irq").level());
    }
}
