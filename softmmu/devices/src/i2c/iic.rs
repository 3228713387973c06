//! The I2C controller of the 4xx parts [PPC440EP IIC]. Bytes move at once.
//!
//! UNIMPL: being a target, addresses of 10 bits, and driving the lines by hand, which reaches nobody.

use super::I2cBus;
use crate::class::Build;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::device::{Device, Mmio, StateError, Widths, load_state, save_state};
use softmmu_core::irq::Irq;
use softmmu_core::log;
use std::sync::Arc;
use tcg_mem::BusError;

const MASTER_BUFFER: u64 = 0x0;
const SLAVE_BUFFER: u64 = 0x2;
const MASTER_LOW: u64 = 0x4;
const MASTER_HIGH: u64 = 0x5;
const CONTROL: u64 = 0x6;
const MODE: u64 = 0x7;
const STATUS: u64 = 0x8;
const EXTENDED: u64 = 0x9;
const SLAVE_LOW: u64 = 0xa;
const SLAVE_HIGH: u64 = 0xb;
const DIVIDER: u64 = 0xc;
const INTERRUPTS: u64 = 0xd;
const COUNT: u64 = 0xe;
const SLAVE_STATUS: u64 = 0xf;
const DIRECT: u64 = 0x10;

const CONTROL_HALT: u8 = 0x80;
const CONTROL_WIDE: u8 = 0x40;
const CONTROL_REPEAT: u8 = 8;
const CONTROL_CHAIN: u8 = 4;
const CONTROL_READ: u8 = 2;
const CONTROL_GO: u8 = 1;

const MODE_FLUSH: u8 = 0xc0;
const MODE_INTERRUPTS: u8 = 4;

const STATUS_DATA: u8 = 0x20;
const STATUS_FULL: u8 = 0x10;
const STATUS_STOPPED: u8 = 8;
const STATUS_ERROR: u8 = 4;
const STATUS_INTERRUPT: u8 = 2;

/// State of the bus, in the extended status.
const BUS: u8 = 0x70;
const BUS_FREE: u8 = 0x40;
const BUS_MASTER: u8 = 0x30;
const NOT_COMPLETE: u8 = 2;
const ABORTED: u8 = 1;

const ON_ABORT: u8 = 2;
const ON_COMPLETE: u8 = 1;

const SOFT_RESET: u8 = 1;
/// Bytes in a transfer at most, and in the buffer.
const BUFFER: usize = 4;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct State {
    low: u8,
    high: u8,
    control: u8,
    mode: u8,
    status: u8,
    extended: u8,
    own: [u8; 2],
    divider: u8,
    interrupts: u8,
    count: u8,
    slave: u8,
    direct: u8,
    buffer: Vec<u8>,
    /// The target that the bus is held for.
    target: Option<u8>,
    /// The next transfer starts anew, though the bus is held.
    restart: bool,
}

impl State {
    fn new() -> State {
        State {
            extended: BUS_FREE,
            direct: 0xf,
            ..State::default()
        }
    }
}

struct Iic {
    state: Mutex<State>,
    bus: Arc<I2cBus>,
    irq: Irq,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let bus = I2cBus::new();
    let device = Arc::new(Iic {
        state: Mutex::new(State::new()),
        bus: bus.clone(),
        irq: build.output("irq", 0),
    });
    build.map(0, 0x14, device.clone())?;
    build.parts.i2c_bus = Some(bus);
    build.parts.device = Some(device);
    Ok(())
}

impl Iic {
    fn update(&self, state: &State) {
        let on = state.mode & MODE_INTERRUPTS != 0;
        self.irq.set(on && state.status & STATUS_INTERRUPT != 0);
    }

    fn release(&self, state: &mut State) {
        if state.target.take().is_some() {
            self.bus.stop();
        }
        state.restart = false;
        state.extended = state.extended & !BUS | BUS_FREE;
    }

    /// The transfer that the control register asks for; how many bytes went.
    fn transfer(&self, state: &mut State) -> Result<u8, u8> {
        let read = state.control & CONTROL_READ != 0;
        if state.control & CONTROL_WIDE != 0 {
            log::unimp("ppc4xx-i2c", || "an address of 10 bits".into());
            return Err(0);
        }
        let address = state.low >> 1;
        if state.target != Some(address) || std::mem::take(&mut state.restart) {
            state.target = self.bus.start(address, read).then_some(address);
            state.target.ok_or(0)?;
        }
        let wanted = (state.control >> 4 & 3) + 1;
        if read {
            state.buffer = (0..wanted).map(|_| self.bus.read()).collect();
            return Ok(wanted);
        }
        for (gone, byte) in (0..wanted).zip(std::mem::take(&mut state.buffer)) {
            if !self.bus.write(byte) {
                return Err(gone);
            }
        }
        Ok(wanted)
    }

    fn go(&self, state: &mut State) {
        let result = self.transfer(state);
        state.control &= !CONTROL_GO;
        let (count, reason) = match result {
            Ok(count) => (count, ON_COMPLETE),
            Err(count) => {
                state.status |= STATUS_ERROR;
                state.extended |= if count > 0 { NOT_COMPLETE } else { ABORTED };
                (count, ON_ABORT)
            }
        };
        state.count = count;
        if state.control & (CONTROL_CHAIN | CONTROL_REPEAT) == 0 || result.is_err() {
            self.release(state);
            state.status |= STATUS_STOPPED;
        } else {
            state.restart = state.control & CONTROL_REPEAT != 0;
            state.extended = state.extended & !BUS | BUS_MASTER;
        }
        if state.interrupts & reason != 0 {
            state.status |= STATUS_INTERRUPT;
        }
    }

    fn set_control(&self, state: &mut State, value: u8) {
        state.control = value & !CONTROL_HALT;
        if value & CONTROL_HALT != 0 {
            state.control &= !CONTROL_GO;
            self.release(state);
            if state.interrupts & ON_ABORT != 0 {
                state.status |= STATUS_INTERRUPT;
            }
        } else if value & CONTROL_GO != 0 {
            self.go(state);
        }
    }
}

impl Mmio for Iic {
    fn widths(&self) -> Widths {
        Widths::BYTE
    }

    fn read(&self, offset: u64, _size: u32) -> Result<u64, BusError> {
        let mut state = self.state.lock();
        let value = match offset {
            MASTER_BUFFER if state.buffer.is_empty() => 0,
            MASTER_BUFFER => state.buffer.remove(0),
            MASTER_LOW => state.low,
            MASTER_HIGH => state.high,
            CONTROL => state.control,
            MODE => state.mode,
            STATUS => {
                let data = if state.buffer.is_empty() {
                    0
                } else {
                    STATUS_DATA
                };
                let full = if state.buffer.len() < BUFFER {
                    0
                } else {
                    STATUS_FULL
                };
                state.status | data | full
            }
            EXTENDED => state.extended,
            SLAVE_LOW => state.own[0],
            SLAVE_HIGH => state.own[1],
            DIVIDER => state.divider,
            INTERRUPTS => state.interrupts,
            COUNT => state.count,
            SLAVE_STATUS => state.slave,
            // What is driven is what is seen.
            DIRECT => state.direct,
            _ => 0,
        };
        Ok(u64::from(value))
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        let value = value as u8;
        let mut state = self.state.lock();
        let state = &mut *state;
        match offset {
            MASTER_BUFFER if state.buffer.len() < BUFFER => state.buffer.push(value),
            SLAVE_BUFFER => log::unimp("ppc4xx-i2c", || "being a target".into()),
            MASTER_LOW => state.low = value,
            MASTER_HIGH => state.high = value,
            CONTROL => self.set_control(state, value),
            MODE => {
                if value & MODE_FLUSH != 0 {
                    state.buffer.clear();
                }
                state.mode = value & !MODE_FLUSH;
            }
            STATUS => state.status &= !(value & (STATUS_STOPPED | STATUS_INTERRUPT)),
            EXTENDED => {
                state.extended &= !(value & !BUS);
                if state.extended & !BUS == 0 {
                    state.status &= !STATUS_ERROR;
                }
            }
            SLAVE_LOW => state.own[0] = value,
            SLAVE_HIGH => state.own[1] = value,
            DIVIDER => state.divider = value,
            INTERRUPTS => state.interrupts = value,
            COUNT => state.count = value & 0x77,
            SLAVE_STATUS if value & SOFT_RESET != 0 => {
                self.release(state);
                *state = State {
                    slave: SOFT_RESET,
                    ..State::new()
                };
            }
            SLAVE_STATUS => state.slave &= !value,
            DIRECT => state.direct = value & 0xc | value >> 2 & 3,
            _ => {}
        }
        self.update(state);
        Ok(())
    }
}

impl Device for Iic {
    fn reset(&self) {
        let mut state = self.state.lock();
        self.release(&mut state);
        *state = State::new();
        self.update(&state);
    }

    fn save(&self) -> Vec<u8> {
        save_state(&*self.state.lock())
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let mut loaded: State = load_state(bytes)?;
        loaded.buffer.truncate(BUFFER);
        *self.state.lock() = loaded;
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

    device_tests!("ppc4xx-i2c", |_: &mut Rig| {});

    /// Keeps what it is sent, answers with increasing numbers.
    #[derive(Default)]
    struct Counter(Mutex<(Vec<u8>, u8)>);
    impl super::super::I2cTarget for Counter {
        fn start(&self, read: bool) {
            self.0.lock().0.push(if read { 0xee } else { 0xdd });
        }
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
    fn chained_transfers_and_a_missing_target() {
        let rig = common_rig();
        let target = Arc::new(Counter::default());
        let bus = rig.parts.i2c_bus.clone().unwrap();
        bus.add(0x68, target.clone()).unwrap();
        let space = rig.space();
        let put = |r, v| space.write_device(Rig::AT + r, 1, v);
        let get = |r| space.read_device(Rig::AT + r, 1);
        put(INTERRUPTS, 1);
        put(MODE, 0x46);
        put(MASTER_LOW, 0x68 << 1);
        put(MASTER_BUFFER, 7);
        put(CONTROL, u64::from(CONTROL_GO | CONTROL_REPEAT));
        assert!(rig.output("irq").level());
        assert_eq!((get(STATUS) & 7, get(COUNT)), (2, 1));
        assert_ne!(get(EXTENDED) & u64::from(BUS), u64::from(BUS_FREE));
        put(STATUS, 0x0a);
        assert!(!rig.output("irq").level());
        put(
            CONTROL,
            u64::from(0x30 | CONTROL_GO | CONTROL_READ | CONTROL_CHAIN),
        );
        assert_eq!([get(0), get(0), get(0), get(0), get(0)], [1, 2, 3, 4, 0]);
        put(CONTROL, u64::from(CONTROL_GO | CONTROL_READ));
        assert_eq!((get(0), get(EXTENDED)), (5, u64::from(BUS_FREE)));
        assert_eq!(target.0.lock().0, [0xdd, 7, 0xee], "one start each way");
        put(MASTER_LOW, 0x22);
        put(CONTROL, u64::from(CONTROL_GO));
        assert_eq!((get(STATUS) & 4, get(EXTENDED) & 1, get(COUNT)), (4, 1, 0));
        put(EXTENDED, 0x8f);
        assert_eq!(get(STATUS) & 4, 0);
    }
}
