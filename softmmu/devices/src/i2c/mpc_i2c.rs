//! Freescale's I2C controller [MPC8544 11]. Bytes move at once.
//!
//! UNIMPL: being a target.

use super::I2cBus;
use crate::class::Build;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::device::{Device, Endian, Mmio, StateError, Widths, load_state, save_state};
use softmmu_core::irq::Irq;
use std::sync::Arc;
use tcg_mem::BusError;

const ADR: u64 = 0x0;
const FDR: u64 = 0x4;
const CR: u64 = 0x8;
const SR: u64 = 0xc;
const DR: u64 = 0x10;
const DFSRR: u64 = 0x14;

const CR_ENABLE: u8 = 0x80;
const CR_INTERRUPT: u8 = 0x40;
const CR_MASTER: u8 = 0x20;
const CR_TRANSMIT: u8 = 0x10;
const CR_REPEAT: u8 = 4;

const SR_DONE: u8 = 0x80;
const SR_BUSY: u8 = 0x20;
const SR_INTERRUPT: u8 = 2;
const SR_NO_ACK: u8 = 1;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct State {
    address: u8,
    divider: u8,
    control: u8,
    status: u8,
    data: u8,
    filter: u8,
    /// The next byte that is sent is a target's address.
    addressing: bool,
    /// The target that the transfer is with.
    target: Option<u8>,
}

impl State {
    fn new() -> State {
        State {
            status: SR_DONE | SR_NO_ACK,
            filter: 0x10,
            ..State::default()
        }
    }
}

struct MpcI2c {
    state: Mutex<State>,
    bus: Arc<I2cBus>,
    irq: Irq,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let bus = I2cBus::new();
    let device = Arc::new(MpcI2c {
        state: Mutex::new(State::new()),
        bus: bus.clone(),
        irq: build.output("irq", 0),
    });
    build.map(0, 0x18, device.clone())?;
    build.parts.i2c_bus = Some(bus);
    build.parts.device = Some(device);
    Ok(())
}

impl MpcI2c {
    fn update(&self, state: &State) {
        let on = state.control & CR_ENABLE != 0 && state.control & CR_INTERRUPT != 0;
        self.irq.set(on && state.status & SR_INTERRUPT != 0);
    }

    fn set_control(&self, state: &mut State, value: u8) {
        let before = std::mem::replace(&mut state.control, value & !CR_REPEAT);
        if value & CR_ENABLE == 0 {
            let control = state.control;
            if state.target.take().is_some() {
                self.bus.stop();
            }
            *state = State {
                control,
                address: state.address,
                divider: state.divider,
                ..State::new()
            };
            return;
        }
        let starts = value & !before & CR_MASTER != 0;
        if starts || value & CR_MASTER != 0 && value & CR_REPEAT != 0 {
            state.addressing = true;
            state.status |= SR_BUSY;
        }
        if before & !value & CR_MASTER != 0 {
            self.bus.stop();
            state.target = None;
            state.addressing = false;
            state.status &= !SR_BUSY;
        }
    }

    fn finish(state: &mut State, acknowledged: bool) {
        state.status |= SR_DONE | SR_INTERRUPT;
        if acknowledged {
            state.status &= !SR_NO_ACK;
        } else {
            state.status |= SR_NO_ACK;
        }
    }

    fn send(&self, state: &mut State, byte: u8) {
        state.data = byte;
        if state.control & CR_MASTER == 0 {
            return;
        }
        let acknowledged = if std::mem::take(&mut state.addressing) {
            let found = self.bus.start(byte >> 1, byte & 1 != 0);
            state.target = found.then_some(byte >> 1);
            found
        } else if state.control & CR_TRANSMIT != 0 {
            self.bus.write(byte)
        } else {
            return;
        };
        MpcI2c::finish(state, acknowledged);
    }

    fn take(&self, state: &mut State) -> u8 {
        let byte = state.data;
        // Reading the register fetches the next byte; the first read is for that alone.
        let receives = state.control & (CR_MASTER | CR_TRANSMIT) == CR_MASTER;
        if receives && state.control & CR_ENABLE != 0 && !state.addressing {
            state.data = self.bus.read();
            MpcI2c::finish(state, true);
        }
        byte
    }
}

impl Mmio for MpcI2c {
    fn widths(&self) -> Widths {
        Widths {
            endian: Endian::Big,
            min: 1,
            max: 1,
        }
    }

    fn read(&self, offset: u64, _size: u32) -> Result<u64, BusError> {
        let mut state = self.state.lock();
        let value = match offset {
            ADR => state.address,
            FDR => state.divider,
            CR => state.control,
            SR => state.status,
            DR => self.take(&mut state),
            DFSRR => state.filter,
            _ => 0,
        };
        self.update(&state);
        Ok(u64::from(value))
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        let value = value as u8;
        let mut state = self.state.lock();
        match offset {
            ADR => state.address = value & 0xfe,
            FDR => state.divider = value & 0x3f,
            CR => self.set_control(&mut state, value),
            // The interrupt and a lost arbitration are taken back by writing 0.
            SR => state.status &= value | !(SR_INTERRUPT | 0x10),
            DR => self.send(&mut state, value),
            DFSRR => state.filter = value & 0x3f,
            _ => {}
        }
        self.update(&state);
        Ok(())
    }
}

impl Device for MpcI2c {
    fn reset(&self) {
        let mut state = self.state.lock();
        self.bus.stop();
        *state = State::new();
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
        let state = self.state.lock();
        self.bus.resume(state.target);
        self.update(&state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, device_tests};

    device_tests!("mpc-i2c", |_: &mut Rig| {});

    /// Answers with increasing numbers, refuses 0xff.
    #[derive(Default)]
    struct Counter(Mutex<(Vec<u8>, u8)>);
    impl super::super::I2cTarget for Counter {
        fn start(&self, _read: bool) {}
        fn write(&self, byte: u8) -> bool {
            self.0.lock().0.push(byte);
            byte != 0xff
        }
        fn read(&self) -> u8 {
            let mut state = self.0.lock();
            state.1 += 1;
            state.1
        }
    }

    #[test]
    fn a_transfer_each_way() {
        let mut rig = Rig::new();
        rig.make("mpc-i2c", &[]);
        let target = Arc::new(Counter::default());
        let bus = rig.parts.i2c_bus.clone().unwrap();
        bus.add(0x50, target.clone()).unwrap();
        assert!(bus.add(0x50, target.clone()).is_err());
        let space = rig.space();
        let put = |r, v| space.write_device(Rig::AT + r, 1, v);
        let get = |r| space.read_device(Rig::AT + r, 1);
        put(CR, 0xf0);
        put(DR, 0xa0);
        assert!(rig.output("irq").level());
        assert_eq!(get(SR), 0xa2);
        put(SR, 0);
        assert!(!rig.output("irq").level());
        put(DR, 7);
        assert_eq!(get(SR) & 1, 0);
        put(DR, 0xff);
        assert_eq!(get(SR) & 1, 1, "not acknowledged");
        put(CR, 0xf4);
        put(DR, 0xa1);
        put(CR, 0xe0);
        get(DR);
        assert_eq!((get(DR), get(DR)), (1, 2));
        put(CR, 0xc0);
        assert_eq!(get(SR) & u64::from(SR_BUSY), 0);
        put(CR, 0xf0);
        put(DR, 0x22);
        assert_eq!(get(SR) & 1, 1, "nobody is there");
        assert_eq!(target.0.lock().0, [7, 0xff]);
    }
}
