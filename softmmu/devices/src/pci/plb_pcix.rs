//! The PCI-X host bridge of the 460EX [PPC460EX PCI-X]: configuration registers at 0, its own registers
//! at 0x80000, with two windows from the CPUs to the bus and three the other way.
//!
//! DEVIATES: functions reach all memory at its own address, whatever the windows the other way say.
//! UNIMPL: the bridge's own base addresses, error reports, interrupt acknowledge and special cycles.

use super::bus::{PciBus, Routing};
use super::config_port;
use super::function::{Identity, PciFunction};
use crate::class::Build;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::device::{Device, Endian, Mmio, StateError, Widths, load_state, save_state};
use softmmu_core::space::{AddressSpace, Region, RegionId};
use std::sync::Arc;
use tcg_mem::BusError;

/// Where the bridge's own registers are: its configuration header, then these.
const OWN: u64 = 0x8_0000;
const HEADER_END: u64 = 0x40;
/// The windows: address and its upper half, size and enable, the bus's address and its upper half.
const OUTBOUND: [usize; 2] = [0x68 / 4, 0x7c / 4];
const WORDS: usize = 64;
const SIZE: u64 = OWN + 4 * WORDS as u64;
const WINDOW_ON: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    address: u32,
    words: Vec<u32>,
}

impl State {
    fn new() -> State {
        State {
            address: 0,
            words: vec![0; WORDS],
        }
    }
}

struct Host {
    state: Mutex<State>,
    bus: Arc<PciBus>,
    space: Arc<AddressSpace>,
    bridge: Arc<PciFunction>,
    mapped: Mutex<[Option<RegionId>; 2]>,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let intx = std::array::from_fn(|n| build.output("intx", n as u32));
    let space = build.host.space.clone();
    let bus = PciBus::new(build.id, &space, build.host.dma.clone(), intx);
    bus.set_routing(Routing::One);
    if let Some(at) = build.values.number("io-at") {
        let io = bus.io().clone();
        space.add(Region::window("pci-io", at, 0x1_0000, io, 0));
    }
    let identity = Identity {
        vendor: 0x1014,
        device: 0x027f,
        class: 0x06_8000,
        ..Identity::default()
    };
    let bridge = PciFunction::new("ppc440-pcix-bridge", &bus, 0, identity);
    bridge.plug(None);
    let host = Arc::new(Host {
        state: Mutex::new(State::new()),
        bus: bus.clone(),
        space,
        bridge,
        mapped: Mutex::default(),
    });
    build.map(0, SIZE, host.clone())?;
    build.parts.pci_bus = Some(bus);
    build.parts.device = Some(host);
    Ok(())
}

impl Host {
    fn map_windows(&self) {
        let words = self.state.lock().words.clone();
        let mut mapped = self.mapped.lock();
        for (n, (first, id)) in OUTBOUND.iter().zip(mapped.iter_mut()).enumerate() {
            let Some(&[low, high, mask, to_low, to_high]) = words.get(*first..first + 5) else {
                continue;
            };
            let at = u64::from(high) << 32 | u64::from(low & !0xfff);
            let size = u64::from(!(mask & 0xffff_f000)) + 1;
            let fits = at.checked_add(size).is_some();
            let region = (mask & WINDOW_ON != 0 && fits).then(|| {
                let to = u64::from(to_high) << 32 | u64::from(to_low);
                let memory = self.bus.memory().clone();
                Region::window(format!("POM {n}"), at, size, memory, to).priority(-(n as i32))
            });
            *id = self.space.replace(*id, region);
        }
    }
}

impl Mmio for Host {
    fn widths(&self) -> Widths {
        Widths {
            endian: Endian::Little,
            min: 1,
            max: 4,
        }
    }

    fn read(&self, offset: u64, size: u32) -> Result<u64, BusError> {
        let state = self.state.lock();
        let all = u32::MAX >> (32 - 8 * size.clamp(1, 4));
        let own = offset.wrapping_sub(OWN);
        let value = match offset {
            ..config_port::SIZE => {
                let address = state.address;
                drop(state);
                config_port::read(&self.bus, address, offset, size)
            }
            config_port::SIZE..OWN => 0,
            _ if own < HEADER_END => self.bridge.config_read(own as u16, size),
            _ => {
                let word = state.words.get((own / 4) as usize).copied().unwrap_or(0);
                word >> (8 * (own & 3)) & all
            }
        };
        Ok(u64::from(value))
    }

    fn write(&self, offset: u64, size: u32, value: u64) -> Result<(), BusError> {
        let value = value as u32;
        let own = offset.wrapping_sub(OWN);
        match offset {
            ..config_port::SIZE => {
                let mut address = self.state.lock().address;
                config_port::write(&self.bus, &mut address, offset, size, value);
                // QUIRK: firmware and AmigaOS select registers without the bit that enables it.
                self.state.lock().address = address | 1 << 31;
            }
            config_port::SIZE..OWN => {}
            _ if own < HEADER_END => self.bridge.config_write(own as u16, size, value),
            _ => {
                let shift = 8 * (own & 3);
                let mask = (u32::MAX >> (32 - 8 * size.clamp(1, 4))) << shift;
                if let Some(word) = self.state.lock().words.get_mut((own / 4) as usize) {
                    *word = *word & !mask | value << shift & mask;
                }
                self.map_windows();
            }
        }
        Ok(())
    }
}

impl Device for Host {
    fn reset(&self) {
        *self.state.lock() = State::new();
        self.bridge.reset();
        self.map_windows();
    }

    fn save(&self) -> Vec<u8> {
        save_state(&(&*self.state.lock(), self.bridge.save()))
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let (mut state, bridge): (State, Vec<u8>) = load_state(bytes)?;
        self.bridge.load(&bridge)?;
        state.words.resize(WORDS, 0);
        *self.state.lock() = state;
        Ok(())
    }

    fn resume(&self) {
        self.bridge.resume();
        self.map_windows();
    }

    fn describe(&self) -> String {
        format!("bus {}", self.bus.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, device_tests};

    device_tests!("ppc440-pcix-host", |rig: &mut Rig| rig
        .prop("io-at", "0xc0000000"));

    #[test]
    fn configuration_and_windows() {
        let rig = common_rig();
        let space = rig.space();
        space.write_device(Rig::AT, 4, 2);
        assert_eq!(space.read_device(Rig::AT + 4, 4), 0x027f_1014);
        let own = Rig::AT + OWN;
        space.write_device(own + 4, 2, 6);
        assert_eq!(space.read_device(own + 4, 2), 6, "the bridge's command");
        space.write_device(own + 0x68, 4, 0x8000_0000);
        space.write_device(own + 0x6c, 4, 0xd);
        space.write_device(own + 0x74, 4, 0x8000_0000);
        space.write_device(own + 0x70, 4, 0x8000_0001);
        let map = rig.host.space.describe();
        assert!(
            map.contains("d80000000-0000000dffffffff (prio 0, window): POM 0"),
            "{map}"
        );
        space.write_device(own + 0x6c, 4, 0xffff_ffff);
        space.write_device(own + 0x70, 4, 1);
        assert!(
            !rig.host.space.describe().contains("POM 0"),
            "beyond the end"
        );
    }
}
