//! A PCI Express port of the 460EX [PPC460EX PCI-Express] with nothing plugged in: device control
//! registers that say where its configuration space and its own registers are.
//!
//! UNIMPL: a link. Configuration space reads as where no function is, and the outbound windows lead
//! nowhere.

use crate::class::Build;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::cpu::Dcr;
use softmmu_core::device::{Device, Mmio, StateError, Widths, load_state, save_state};
use softmmu_core::space::{AddressSpace, Region, RegionId};
use std::sync::{Arc, Weak};
use tcg_mem::BusError;

const REGISTERS: usize = 0x20;
/// Address of configuration space, its lower half, its size.
const CONFIG: usize = 0x00;
/// The same of the port's own registers.
const OWN: usize = 0x12;
const WINDOW_ON: u32 = 1;
const OWN_SIZE: u64 = 0x1000;
/// Root complex status: ones clear.
const STATUS: u64 = 0xb0;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    dcr: [u32; REGISTERS],
    own: Vec<u32>,
}

impl State {
    fn new() -> State {
        State {
            dcr: [0; REGISTERS],
            own: vec![0; OWN_SIZE as usize / 4],
        }
    }
}

struct Port {
    state: Mutex<State>,
    space: Arc<AddressSpace>,
    mapped: Mutex<[Option<RegionId>; 2]>,
    config: Arc<dyn Mmio>,
    own: Weak<Port>,
    /// Its number: of two windows at one place the first port's wins.
    port: i32,
}

/// Configuration space in which nobody answers.
struct Nobody;

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let port = Arc::new_cyclic(|own| Port {
        state: Mutex::new(State::new()),
        space: build.host.space.clone(),
        mapped: Mutex::default(),
        config: Arc::new(Nobody),
        own: own.clone(),
        port: build.values.number_or_0("port") as i32,
    });
    build.parts.dcr = Some((port.clone(), REGISTERS as u32));
    build.parts.device = Some(port);
    Ok(())
}

impl Port {
    fn map(&self) {
        let dcr = self.state.lock().dcr;
        let window = |first: usize| {
            let (high, low) = (dcr[first], dcr[first + 1]);
            let mask = dcr[first + 2];
            (mask & WINDOW_ON != 0).then_some((u64::from(high) << 32 | u64::from(low), mask))
        };
        let config = window(CONFIG).and_then(|(at, mask)| {
            let size = u64::from(!(mask & !0xfff)) + 1;
            at.checked_add(size)?;
            let name = format!("pcie{}-config", self.port);
            let priority = -10 - self.port;
            Some(Region::io(name, at, size, self.config.clone()).priority(priority))
        });
        let own = window(OWN).and_then(|(at, _)| {
            at.checked_add(OWN_SIZE)?;
            let name = format!("pcie{}-utl", self.port);
            let priority = -6 - self.port;
            Some(Region::io(name, at, OWN_SIZE, self.own.upgrade()?).priority(priority))
        });
        let mut mapped = self.mapped.lock();
        mapped[0] = self.space.replace(mapped[0], config);
        mapped[1] = self.space.replace(mapped[1], own);
    }
}

impl Mmio for Nobody {
    fn widths(&self) -> Widths {
        Widths::LE32
    }

    fn read(&self, _offset: u64, _size: u32) -> Result<u64, BusError> {
        Ok(0xffff_ffff)
    }

    fn write(&self, _offset: u64, _size: u32, _value: u64) -> Result<(), BusError> {
        Ok(())
    }
}

impl Mmio for Port {
    fn widths(&self) -> Widths {
        Widths::BE32
    }

    fn read(&self, offset: u64, _size: u32) -> Result<u64, BusError> {
        let state = self.state.lock();
        let word = state.own.get((offset / 4) as usize);
        Ok(u64::from(word.copied().unwrap_or(0)))
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        if let Some(word) = self.state.lock().own.get_mut((offset / 4) as usize) {
            *word = match offset {
                STATUS => *word & !(value as u32),
                _ => value as u32,
            };
        }
        Ok(())
    }
}

impl Dcr for Port {
    fn dcr_read(&self, n: u32) -> u32 {
        let state = self.state.lock();
        state.dcr.get(n as usize).copied().unwrap_or(0)
    }

    fn dcr_write(&self, n: u32, value: u32) {
        if let Some(cell) = self.state.lock().dcr.get_mut(n as usize) {
            *cell = value;
        }
        if matches!(n as usize, CONFIG..3 | OWN..0x15) {
            self.map();
        }
    }
}

impl Device for Port {
    fn reset(&self) {
        *self.state.lock() = State::new();
        self.map();
    }

    fn save(&self) -> Vec<u8> {
        save_state(&*self.state.lock())
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let mut loaded: State = load_state(bytes)?;
        loaded.own.resize(OWN_SIZE as usize / 4, 0);
        *self.state.lock() = loaded;
        Ok(())
    }

    fn resume(&self) {
        self.map();
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Rig, device_tests};

    device_tests!("ppc460ex-pcie-host", |_: &mut Rig| {});

    #[test]
    fn windows_are_where_software_puts_them() {
        let rig = common_rig();
        let (dcr, _) = rig.parts.dcr.clone().unwrap();
        for (n, value) in [(0, 0xd), (1, 0), (2, 0xe000_0001)] {
            dcr.dcr_write(n, value);
        }
        for (n, value) in [(0x12, 0xc), (0x13, 0x0801_0000), (0x14, 0x7001)] {
            dcr.dcr_write(n, value);
        }
        let space = rig.space();
        assert_eq!(space.read_device(0xd_1fff_fffe, 2), 0xffff);
        space.put(0xc_0801_0090, 0x0800_0000);
        assert_eq!(space.get(0xc_0801_0090), 0x0800_0000);
        space.put(0xc_0801_00b0, 0x4_0000);
        assert_eq!(space.get(0xc_0801_00b0), 0, "no retry was recorded");
        dcr.dcr_write(2, 0);
        assert!(tcg_mem::Bus::read(&*space.0, 0xd_0000_0000, 4).is_err());
    }
}
