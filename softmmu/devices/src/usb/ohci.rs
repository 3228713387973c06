//! A USB 1 host controller [OHCI] with a root hub whose ports are empty.
//!
//! UNIMPL: lists of transfers: with nothing plugged in nobody answers them. Software that puts some
//! into the lists waits as for a device that is gone.

use crate::class::Build;
use crate::pci::{Bar, BarBacking, BarKind, Identity, PciFunction};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::clock::Clock;
use softmmu_core::device::{Device, Mmio, StateError, Widths, load_state, save_state};
use softmmu_core::log;
use std::sync::Arc;
use tcg_mem::BusError;

const REVISION: u64 = 0x00;
const CONTROL: u64 = 0x04;
const COMMAND: u64 = 0x08;
const INT_STATUS: u64 = 0x0c;
const INT_ENABLE: u64 = 0x10;
const INT_DISABLE: u64 = 0x14;
const FM_INTERVAL: u64 = 0x34;
const FM_REMAINING: u64 = 0x38;
const FM_NUMBER: u64 = 0x3c;
const LS_THRESHOLD: u64 = 0x44;
const RH_A: u64 = 0x48;
const RH_STATUS: u64 = 0x50;
const PORTS: u64 = 0x54;
const PORT_COUNT: usize = 3;

/// Functional state in the control register: operational.
const OPERATIONAL: u32 = 2 << 6;
const STATES: u32 = 3 << 6;
/// Command: reset.
const RESET: u32 = 1;
/// Interrupts as a whole.
const MASTER: u32 = 1 << 31;
/// A port's power; writing it switches it on, bit 9 off.
const POWER: u32 = 0x100;
const POWER_OFF: u32 = 0x200;
/// No switching of power for single ports, no over-current; a wait of 2 ms.
const RH_A_FIRST: u32 = 0x0100_1200 | PORT_COUNT as u32;
const FRAME_NS: u64 = 1_000_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    words: [u32; 24],
    /// When frame number 0 was.
    started_ns: Option<u64>,
}

struct Ohci {
    state: Mutex<State>,
    function: Arc<PciFunction>,
    clock: Arc<Clock>,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let (bus, slot) = build.pci.clone().ok_or("needs a PCI bus")?;
    let identity = Identity {
        vendor: 0x106b,
        device: 0x003f,
        class: 0x0c_0310,
        pin: 1,
        subsystem: (0x1af4, 0x1100),
        ..Identity::default()
    };
    let function = PciFunction::new(build.id, &bus, bus.place(slot)?, identity);
    let ohci = Arc::new(Ohci {
        state: Mutex::new(State::new()),
        function: function.clone(),
        clock: build.host.timers.clock().clone(),
    });
    let bar = Bar {
        kind: BarKind::Memory,
        prefetch: false,
        size: 0x1000,
        backing: BarBacking::Mmio(ohci.clone()),
    };
    function.add_bar(0, bar);
    function.plug(None);
    build.parts.device = Some(ohci);
    Ok(())
}

impl State {
    fn new() -> State {
        let mut state = State {
            words: [0; 24],
            started_ns: None,
        };
        for (at, value) in [
            (REVISION, 0x10),
            (FM_INTERVAL, 0x2edf),
            (LS_THRESHOLD, 0x628),
            (RH_A, RH_A_FIRST),
        ] {
            state.set(at, value);
        }
        state
    }

    fn get(&self, at: u64) -> u32 {
        self.words.get((at / 4) as usize).copied().unwrap_or(0)
    }

    fn set(&mut self, at: u64, value: u32) {
        if let Some(word) = self.words.get_mut((at / 4) as usize) {
            *word = value;
        }
    }

    fn write(&mut self, at: u64, value: u32, now: u64) {
        match at {
            REVISION | FM_REMAINING | FM_NUMBER => {}
            CONTROL => {
                let runs = value & STATES == OPERATIONAL;
                if runs != self.started_ns.is_some() {
                    self.started_ns = runs.then_some(now);
                }
                self.set(CONTROL, value & 0x7ff);
            }
            COMMAND if value & RESET != 0 => {
                let (routing, hub) = (self.get(CONTROL) & 0x100, self.words);
                *self = State::new();
                // Suspended; the root hub is not touched.
                self.set(CONTROL, routing | STATES);
                for (word, old) in self.words.iter_mut().zip(hub).skip((RH_A / 4) as usize) {
                    *word = old;
                }
            }
            // Filled lists: nobody answers.
            COMMAND => {}
            INT_STATUS => self.set(INT_STATUS, self.get(INT_STATUS) & !value),
            INT_ENABLE => self.set(INT_ENABLE, self.get(INT_ENABLE) | value),
            INT_DISABLE => self.set(INT_ENABLE, self.get(INT_ENABLE) & !value),
            RH_A => self.set(RH_A, value & !0xff | PORT_COUNT as u32),
            RH_STATUS => self.hub(value),
            _ if (PORTS..PORTS + 4 * PORT_COUNT as u64).contains(&at) => {
                let mut port = self.get(at);
                if value & POWER != 0 {
                    port |= POWER;
                }
                if value & POWER_OFF != 0 {
                    port &= !POWER;
                }
                self.set(at, port);
            }
            _ if at < PORTS => self.set(at, value),
            _ => log::unimp("pci-ohci", || {
                format!("write of register {at:#x}: {value:#x}")
            }),
        }
    }

    /// Power of all ports: bit 0 switches it off, bit 16 on.
    fn hub(&mut self, value: u32) {
        for n in 0..PORT_COUNT as u64 {
            let at = PORTS + 4 * n;
            let port = self.get(at);
            if value & 1 != 0 {
                self.set(at, port & !POWER);
            }
            if value >> 16 & 1 != 0 {
                self.set(at, port | POWER);
            }
        }
    }

    fn frame(&self, now: u64) -> u32 {
        let since = self.started_ns.map_or(0, |at| now.saturating_sub(at));
        (since / FRAME_NS) as u32 & 0xffff
    }
}

impl Ohci {
    fn update(&self, state: &State) {
        let enabled = state.get(INT_ENABLE);
        let level = enabled & MASTER != 0 && enabled & state.get(INT_STATUS) & !MASTER != 0;
        self.function.set_intx(level);
    }
}

impl Mmio for Ohci {
    fn widths(&self) -> Widths {
        Widths::LE32
    }

    fn read(&self, offset: u64, _size: u32) -> Result<u64, BusError> {
        let state = self.state.lock();
        Ok(u64::from(match offset {
            INT_DISABLE => state.get(INT_ENABLE),
            FM_NUMBER => state.frame(self.clock.now_ns()),
            FM_REMAINING => state.get(FM_INTERVAL) & 0x3fff,
            _ => state.get(offset),
        }))
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        let mut state = self.state.lock();
        state.write(offset, value as u32, self.clock.now_ns());
        self.update(&state);
        Ok(())
    }
}

impl Device for Ohci {
    fn reset(&self) {
        *self.state.lock() = State::new();
        self.function.reset();
    }

    fn save(&self) -> Vec<u8> {
        save_state(&(&*self.state.lock(), self.function.save()))
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let (state, function): (State, Vec<u8>) = load_state(bytes)?;
        self.function.load(&function)?;
        *self.state.lock() = state;
        Ok(())
    }

    fn resume(&self) {
        self.function.resume();
        self.update(&self.state.lock());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, device_tests};

    device_tests!("pci-ohci", |_: &mut Rig| {});

    #[test]
    fn frames_are_counted_and_ports_are_empty() {
        let rig = common_rig();
        rig.pci.config_write(64, 0x10, 4, 0x8400_0000);
        rig.pci.config_write(64, 4, 2, 2);
        let put = |at: u64, v: u32| rig.space().write_device(0x8400_0000 + at, 4, u64::from(v));
        let get = |at: u64| rig.space().read_device(0x8400_0000 + at, 4) as u32;
        assert_eq!((get(REVISION), get(RH_A) & 0xff), (0x10, 3));
        put(COMMAND, RESET);
        assert_eq!((get(COMMAND), get(CONTROL)), (0, STATES));
        put(CONTROL, OPERATIONAL);
        rig.clock.set(rig.clock.now_ns() + 5 * FRAME_NS);
        assert_eq!(get(FM_NUMBER), 5);
        put(RH_STATUS, 1 << 16);
        assert_eq!(get(PORTS + 4), POWER, "power, but nothing there");
    }
}
