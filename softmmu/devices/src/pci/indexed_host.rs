//! Host bridges that reach configuration space through an address and a data register:
//! Motorola's MPC106 "Grackle" [MPC106 3.2] and the bridges of Apple's UniNorth [UniNorth-Linux].
//!
//! Where the spaces are is the board's choice; what a board sets up in the bridges' own registers
//! (memory controller, ROM timing) is kept and does nothing. Nobody's addresses read as all ones, as
//! after a master abort.

use super::bus::PciBus;
use super::function::{Identity, PciFunction};
use crate::class::Build;
use parking_lot::Mutex;
use softmmu_core::device::{Device, Endian, Mmio, StateError, Widths, load_state, save_state};
use softmmu_core::log;
use softmmu_core::space::Region;
use std::sync::Arc;
use tcg_mem::BusError;

/// How the address register names a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// An enable bit, bus, slot, function, register.
    Plain,
    /// A bit for each slot of the bridge's own bus; with bit 0 set as [`Scheme::Plain`].
    Slots,
}

/// A bridge.
pub(super) struct Model {
    scheme: Scheme,
    identity: Identity,
    slot: u8,
    /// Bytes of the bridge's configuration space that keep what is written.
    scratch: std::ops::Range<u16>,
}

const fn apple(device: u16, slot: u8) -> Model {
    let identity = Identity {
        vendor: 0x106b,
        device,
        class: 0x06_0000,
        revision: 0,
        subsystem: (0, 0),
        pin: 0,
    };
    Model {
        scheme: Scheme::Slots,
        identity,
        slot,
        scratch: 0x40..0x60,
    }
}

/// MPC106.
pub(super) const GRACKLE: Model = Model {
    scheme: Scheme::Plain,
    identity: Identity {
        vendor: 0x1057,
        device: 2,
        class: 0x06_0000,
        revision: 0,
        subsystem: (0, 0),
        pin: 0,
    },
    slot: 0,
    scratch: 0x70..0x100,
};
/// UniNorth's PCI bus.
pub(super) const UNI_NORTH: Model = apple(0x1f, 11);
/// UniNorth's AGP.
pub(super) const UNI_NORTH_AGP: Model = apple(0x20, 11);
/// UniNorth's bus for its own Ethernet and FireWire.
pub(super) const UNI_NORTH_INTERNAL: Model = apple(0x1e, 14);

struct Host {
    scheme: Scheme,
    address: Mutex<u32>,
    bus: Arc<PciBus>,
    bridge: Arc<PciFunction>,
}

/// The data register.
struct Data(Arc<Host>);
/// The address register.
struct Address(Arc<Host>);
/// Where no function answers.
struct Nobody(&'static str);

pub(super) fn create(build: &mut Build<'_>, model: &Model) -> Result<(), String> {
    let intx = std::array::from_fn(|n| build.output("intx", n as u32));
    let cpu = build.host.space.clone();
    let bus = PciBus::new(build.id, &cpu, build.host.dma.clone(), intx);
    bus.memory()
        .add(Region::io("nobody", 0, 1 << 32, Arc::new(Nobody("memory"))).priority(-1));
    bus.io()
        .add(Region::io("nobody", 0, 1 << 24, Arc::new(Nobody("I/O"))).priority(-1));
    let number = |name: &str| build.values.number(name);
    for (at, to, size) in [
        ("memory-at", "memory-bus", "memory-size"),
        ("low-at", "low-bus", "low-size"),
    ] {
        if let (Some(at), Some(size)) = (number(at), number(size)) {
            let to = number(to).unwrap_or(0);
            cpu.add(Region::window(
                "pci-memory",
                at,
                size,
                bus.memory().clone(),
                to,
            ));
        }
    }
    if let (Some(at), Some(size)) = (number("io-at"), number("io-size")) {
        cpu.add(Region::window("pci-io", at, size, bus.io().clone(), 0));
    }
    bus.set_first_slot(build.values.number_or_0("first-slot") as u8);
    let bridge = PciFunction::new(build.id, &bus, model.slot << 3, model.identity);
    let scratch = vec![0xff; usize::from(model.scratch.end - model.scratch.start)];
    bridge.set_writable(model.scratch.start, &scratch);
    bridge.plug(None);
    let host = Arc::new(Host {
        scheme: model.scheme,
        address: Mutex::default(),
        bus: bus.clone(),
        bridge,
    });
    build.map(0, 0x1000, Arc::new(Address(host.clone())))?;
    build.map(1, 0x1000, Arc::new(Data(host.clone())))?;
    build.parts.pci_bus = Some(bus);
    build.parts.device = Some(host);
    Ok(())
}

impl Host {
    /// The function and register that the address register and the data register's offset name.
    fn selected(&self, offset: u64) -> Option<(u8, u16)> {
        let address = *self.address.lock();
        let plain = (
            (address >> 8) as u8,
            (address & 0xfc) as u16 | (offset & 3) as u16,
        );
        let own_bus = address >> 16 & 0xff == 0;
        match self.scheme {
            Scheme::Plain => (address >> 31 != 0 && own_bus).then_some(plain),
            // QUIRK: OpenBIOS writes addresses of the other scheme.
            Scheme::Slots if address >> 31 != 0 => own_bus.then_some(plain),
            // A cycle of type 1: to a bus behind a bridge; there is none.
            Scheme::Slots if address & 1 != 0 => None,
            Scheme::Slots => {
                let slot = (address & 0xffff_f800).trailing_zeros();
                let devfn = (slot << 3 | address >> 8 & 7) as u8;
                // The data register is eight bytes wide.
                let register = (address & 0xfc) as u16 | (offset & 7) as u16;
                (slot < 32).then_some((devfn, register))
            }
        }
    }
}

impl Mmio for Address {
    fn widths(&self) -> Widths {
        Widths::LE32
    }

    fn read(&self, _offset: u64, _size: u32) -> Result<u64, BusError> {
        Ok(u64::from(*self.0.address.lock()))
    }

    fn write(&self, _offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        *self.0.address.lock() = value as u32;
        Ok(())
    }
}

impl Mmio for Data {
    fn widths(&self) -> Widths {
        Widths {
            endian: Endian::Little,
            min: 1,
            max: 4,
        }
    }

    fn read(&self, offset: u64, size: u32) -> Result<u64, BusError> {
        let selected = self.0.selected(offset);
        let value = selected.map_or(u32::MAX, |(devfn, register)| {
            self.0.bus.config_read(devfn, register, size)
        });
        Ok(u64::from(value))
    }

    fn write(&self, offset: u64, size: u32, value: u64) -> Result<(), BusError> {
        if let Some((devfn, register)) = self.0.selected(offset) {
            self.0.bus.config_write(devfn, register, size, value as u32);
        }
        Ok(())
    }
}

impl Mmio for Nobody {
    fn widths(&self) -> Widths {
        Widths {
            endian: Endian::Little,
            min: 1,
            max: 8,
        }
    }

    fn read(&self, offset: u64, size: u32) -> Result<u64, BusError> {
        log::guest_error("pci", || {
            format!(
                "read of {size} bytes at {offset:#x} of {} space: nobody answers",
                self.0
            )
        });
        Ok(u64::MAX)
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        log::guest_error("pci", || {
            format!(
                "write of {value:#x} at {offset:#x} of {} space: nobody answers",
                self.0
            )
        });
        Ok(())
    }
}

impl Device for Host {
    fn reset(&self) {
        *self.address.lock() = 0;
        self.bridge.reset();
    }

    fn save(&self) -> Vec<u8> {
        save_state(&(*self.address.lock(), self.bridge.save()))
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let (address, bridge): (u32, Vec<u8>) = load_state(bytes)?;
        self.bridge.load(&bridge)?;
        *self.address.lock() = address;
        Ok(())
    }

    fn resume(&self) {
        self.bridge.resume();
    }

    fn describe(&self) -> String {
        format!("bus {}", self.bus.name())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Rig, device_tests};

    const DATA: u64 = Rig::AT + 0x100_0000;

    mod grackle {
        use super::*;
        device_tests!("grackle-pcihost", |rig: &mut Rig| {
            rig.prop("io-at", "0xfe000000");
            rig.prop("io-size", "2M");
        });

        #[test]
        fn configuration_by_address() {
            let rig = common_rig();
            let space = rig.space();
            space.put(Rig::AT, 0x8000_0000_u32.swap_bytes());
            assert_eq!(space.read_device(DATA, 4), 0x0002_1057);
            assert_eq!(space.read_device(DATA + 2, 2), 2);
            space.put(Rig::AT, 0x8000_0800_u32.swap_bytes());
            assert_eq!(space.read_device(DATA, 4), 0xffff_ffff, "an empty slot");
            assert_eq!(space.read_device(0xfe00_0064, 1), 0xff, "nobody's port");
        }
    }

    mod uni_north {
        use super::*;
        device_tests!("uni-north-pci-pcihost", |_: &mut Rig| {});

        #[test]
        fn slots_have_bits() {
            let rig = common_rig();
            let space = rig.space();
            space.put(Rig::AT, 0x800_u32.swap_bytes());
            assert_eq!(space.read_device(DATA, 4), 0x001f_106b);
            space.put(Rig::AT, 0x80c_u32.swap_bytes());
            assert_eq!(space.read_device(DATA + 4, 4), 0, "cache line and latency");
            space.put(Rig::AT, 0x1000_u32.swap_bytes());
            assert_eq!(space.read_device(DATA, 4), 0xffff_ffff);
        }
    }
}
