//! The PCI host bridge of the 440EP [PPC440EP PCI]: configuration registers, three windows from the
//! CPUs to the bus, two the other way.
//!
//! DEVIATES: functions reach all memory at its own address, whatever the windows the other way say.
//! UNIMPL: the bridge's own base addresses, interrupt acknowledge and special cycles.

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

/// Registers of the windows: address, mask, the bus's address and its upper half, for each of three;
/// then two pairs of mask and address for the other way.
const WORDS: usize = 16;
const WINDOW_ON: u32 = 1;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct State {
    address: u32,
    words: [u32; WORDS],
}

struct Host {
    state: Mutex<State>,
    bus: Arc<PciBus>,
    space: Arc<AddressSpace>,
    bridge: Arc<PciFunction>,
    mapped: Mutex<[Option<RegionId>; 3]>,
}

/// The configuration registers apart from the windows', which are elsewhere.
struct ConfigPort(Arc<Host>);

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let intx = std::array::from_fn(|n| build.output("intx", n as u32));
    let space = build.host.space.clone();
    let bus = PciBus::new(build.id, &space, build.host.dma.clone(), intx);
    bus.set_routing(Routing::BySlot);
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
    let bridge = PciFunction::new("ppc4xx-host-bridge", &bus, 0, identity);
    bridge.plug(None);
    let host = Arc::new(Host {
        state: Mutex::default(),
        bus: bus.clone(),
        space,
        bridge,
        mapped: Mutex::default(),
    });
    build.map(0, config_port::SIZE, Arc::new(ConfigPort(host.clone())))?;
    build.map(1, 4 * WORDS as u64, host.clone())?;
    build.parts.pci_bus = Some(bus);
    build.parts.device = Some(host);
    Ok(())
}

impl Host {
    fn map_windows(&self) {
        let words = self.state.lock().words;
        let mut mapped = self.mapped.lock();
        for (n, (window, id)) in words.chunks_exact(4).zip(mapped.iter_mut()).enumerate() {
            let &[at, mask, low, high] = window else {
                continue;
            };
            let region = (mask & WINDOW_ON != 0).then(|| {
                let size = u64::from(!(mask & 0xffff_f000)) + 1;
                let to = u64::from(high) << 32 | u64::from(low);
                let memory = self.bus.memory().clone();
                Region::window(
                    format!("PMM {n}"),
                    u64::from(at & mask & !0xfff),
                    size,
                    memory,
                    to,
                )
                .priority(-(n as i32))
            });
            *id = self.space.replace(*id, region);
        }
    }
}

impl Mmio for ConfigPort {
    fn widths(&self) -> Widths {
        Widths {
            endian: Endian::Little,
            min: 1,
            max: 4,
        }
    }

    fn read(&self, offset: u64, size: u32) -> Result<u64, BusError> {
        let address = self.0.state.lock().address;
        Ok(u64::from(config_port::read(
            &self.0.bus,
            address,
            offset,
            size,
        )))
    }

    fn write(&self, offset: u64, size: u32, value: u64) -> Result<(), BusError> {
        let mut address = self.0.state.lock().address;
        config_port::write(&self.0.bus, &mut address, offset, size, value as u32);
        self.0.state.lock().address = address;
        Ok(())
    }
}

impl Mmio for Host {
    fn widths(&self) -> Widths {
        Widths::LE32
    }

    fn read(&self, offset: u64, _size: u32) -> Result<u64, BusError> {
        let state = self.state.lock();
        let word = state.words.get((offset / 4) as usize);
        Ok(u64::from(word.copied().unwrap_or(0)))
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        if let Some(word) = self.state.lock().words.get_mut((offset / 4) as usize) {
            *word = value as u32;
        }
        self.map_windows();
        Ok(())
    }
}

impl Device for Host {
    fn reset(&self) {
        *self.state.lock() = State::default();
        self.bridge.reset();
        self.map_windows();
    }

    fn save(&self) -> Vec<u8> {
        save_state(&(&*self.state.lock(), self.bridge.save()))
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let (state, bridge): (State, Vec<u8>) = load_state(bytes)?;
        self.bridge.load(&bridge)?;
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
    use crate::testing::{Rig, device_tests};

    device_tests!("ppc4xx-pcihost", |rig: &mut Rig| rig
        .prop("io-at", "0xe8000000"));

    #[test]
    fn configuration_and_windows() {
        let rig = common_rig();
        let space = rig.space();
        space.write_device(Rig::AT, 4, 0x8000_0000);
        assert_eq!(space.read_device(Rig::AT, 4), 0x8000_0000);
        assert_eq!(space.read_device(Rig::AT + 4, 4), 0x027f_1014);
        assert_eq!(space.read_device(Rig::AT + 6, 2), 0x027f);
        assert_eq!(space.read_device(Rig::AT + 7, 1), 0x02);
        space.write_device(Rig::AT, 4, 0x8000_0800);
        assert_eq!(space.read_device(Rig::AT + 4, 2), 0xffff, "an empty slot");
        let windows = Rig::AT + 0x100_0000;
        space.write_device(windows, 4, 0xa000_0000);
        space.write_device(windows + 8, 4, 0x8000_0000);
        space.write_device(windows + 4, 4, 0xe000_0001);
        let map = rig.host.space.describe();
        assert!(
            map.contains("a0000000-00000000bfffffff (prio 0, window): PMM 0"),
            "{map}"
        );
        rig.device().reset();
        assert!(!rig.host.space.describe().contains("PMM 0"));
    }
}
