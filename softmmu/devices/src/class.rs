//! Classes of devices: their names, properties and how a board makes one.

use crate::i2c::I2cBus;
use crate::pci::PciBus;
use parking_lot::Mutex;
use softmmu_core::block::BlockBackend;
use softmmu_core::chardev::CharBackend;
use softmmu_core::cpu::{Acknowledge, CpuSlot, Dcr};
use softmmu_core::device::{Device, Endian, Mmio};
use softmmu_core::display::Display;
use softmmu_core::dma::Dma;
use softmmu_core::irq::{Irq, IrqSink};
use softmmu_core::net::NetBackend;
use softmmu_core::props::{Prop, Values};
use softmmu_core::space::{AddressSpace, Region, RegionId};
use softmmu_core::timer::{Alarm, Timer, Timers};
use std::any::Any;
use std::sync::{Arc, Weak};

/// Where a device of a class may be put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At an address, or nowhere: only a board can say.
    System,
    /// In a slot of a PCI bus.
    Pci,
    /// At an address of an I2C bus.
    I2c,
    /// On a bus of another kind that a device makes (IDE, ADB).
    Child,
}

/// A class of devices.
pub struct Class {
    /// As QEMU spells it, where it has the device.
    pub name: &'static str,
    /// Other spellings.
    pub aliases: &'static [&'static str],
    /// One line.
    pub title: &'static str,
    /// Where it goes.
    pub place: Place,
    /// Its properties.
    pub props: &'static [Prop],
    /// Makes one.
    pub create: fn(&mut Build<'_>) -> Result<(), String>,
}

/// All classes, by kind.
pub const CLASSES: &[&[Class]] = &[
    crate::serial::CLASSES,
    crate::intc::CLASSES,
    crate::misc::CLASSES,
    crate::display::CLASSES,
    crate::ide::CLASSES,
    crate::input::CLASSES,
    crate::mac::CLASSES,
    crate::dcr::CLASSES,
    crate::i2c::CLASSES,
    crate::pci::CLASSES,
    crate::virtio::CLASSES,
    crate::net::CLASSES,
    crate::usb::CLASSES,
];

/// The class of this name.
pub fn find(name: &str) -> Option<&'static Class> {
    all().find(|c| c.name == name || c.aliases.contains(&name))
}

/// Every class.
pub fn all() -> impl Iterator<Item = &'static Class> {
    CLASSES.iter().copied().flatten()
}

/// What a device offers to devices that name it or are on its bus, by the device's name. Who looks
/// it up knows its type.
pub type Services = Vec<(String, Arc<dyn Any + Send + Sync>)>;

/// Takes what a board tells its firmware: numbers and texts by key.
pub trait FirmwareConfig: Send + Sync {
    /// Sets an item, before the machine runs.
    fn set_item(&self, key: u16, bytes: Vec<u8>);
}

/// The host sides that the command line has made, by name.
pub trait Backends {
    /// The disk of a `-drive` (each once).
    fn block(&self, name: &str) -> Result<Arc<dyn BlockBackend>, String>;
    /// The name of the disk that the board's own memory chip is kept in (`-drive if=mtd`).
    fn memory_disk(&self) -> Option<String> {
        None
    }
    /// The network of a `-netdev`.
    fn net(&self, name: &str) -> Result<Arc<dyn NetBackend>, String>;
    /// The character device of a `-chardev`.
    fn chardev(&self, name: &str) -> Result<Arc<dyn CharBackend>, String>;
}

/// What the machine offers to a device that is being made.
#[derive(Clone)]
pub struct Host {
    /// The CPUs' address space.
    pub space: Arc<AddressSpace>,
    /// Access to it.
    pub dma: Dma,
    /// Timers and the clock.
    pub timers: Arc<Timers>,
    /// The CPUs, when they exist.
    pub cpus: CpuSlot,
    /// How many there will be.
    pub cpu_count: u32,
    /// Byte order of the CPUs, for interfaces in "the guest's own" order.
    pub guest_endian: Endian,
    /// Variables of firmware (`-prom-env`), `NAME=VALUE` each.
    pub firmware_env: Vec<String>,
    /// What is random to the guest follows from this; without it, from the host's random numbers.
    pub seed: Option<u64>,
    /// The host sides.
    pub backends: Arc<dyn Backends + Send + Sync>,
}

/// What a device has told about itself while it was made.
#[derive(Default)]
pub struct Parts {
    /// Its life.
    pub device: Option<Arc<dyn Device>>,
    /// Its interrupt inputs.
    pub sink: Option<Arc<dyn IrqSink>>,
    /// Its interrupt outputs, by name and number.
    pub outputs: Vec<(&'static str, u32, Irq)>,
    /// The bus that it makes.
    pub pci_bus: Option<Arc<PciBus>>,
    /// The bus that it makes.
    pub i2c_bus: Option<Arc<I2cBus>>,
    /// Its device control registers.
    pub dcr: Option<(Arc<dyn Dcr>, u32)>,
    /// It is asked for vectors.
    pub acknowledge: Option<Arc<dyn Acknowledge>>,
    /// Where its registers are.
    pub regions: Vec<RegionId>,
    /// The address space that it makes: devices on it have addresses relative to it.
    pub space: Option<Arc<AddressSpace>>,
    /// What it offers to other devices.
    pub service: Option<Arc<dyn Any + Send + Sync>>,
    /// It tells firmware about the machine.
    pub firmware: Option<Arc<dyn FirmwareConfig>>,
    /// What a screen shows of it.
    pub display: Option<Arc<dyn Display>>,
}

/// A device in the making.
pub struct Build<'a> {
    /// Its name.
    pub id: &'a str,
    /// Its properties.
    pub values: &'a Values,
    /// Addresses of its registers, in the class's order.
    pub at: &'a [u64],
    /// The machine.
    pub host: &'a Host,
    /// Where the addresses are: the CPUs' space, or that of the device which it is on.
    pub space: Arc<AddressSpace>,
    /// What other devices offer.
    pub services: &'a Services,
    /// The device whose bus it is on, if anybody says.
    pub on: Option<&'a str>,
    /// The PCI bus that it is on, and the slot that was asked for.
    pub pci: Option<(Arc<PciBus>, Option<u8>)>,
    /// The I2C bus that it is on.
    pub i2c: Option<Arc<I2cBus>>,
    /// What it tells about itself.
    pub parts: Parts,
}

impl Build<'_> {
    /// Puts registers at the `index`th address, if the board gives one.
    pub fn map(&mut self, index: usize, size: u64, mmio: Arc<dyn Mmio>) -> Result<(), String> {
        let Some(at) = self.at.get(index) else {
            return match index {
                0 => Err("needs an address ('at')".into()),
                _ => Ok(()),
            };
        };
        let region = Region::io(self.id, *at, size, mmio).priority(1);
        self.parts.regions.push(self.space.add(region));
        Ok(())
    }

    /// What the device that a property names offers.
    pub fn link<T: Any + Send + Sync>(&self, prop: &str) -> Result<Arc<T>, String> {
        let name = self.values.text(prop);
        let name = name.ok_or_else(|| format!("property '{prop}' is missing"))?;
        let found = self.services.iter().find(|(n, _)| n == name);
        found
            .and_then(|(_, s)| s.clone().downcast().ok())
            .ok_or_else(|| format!("{prop}={name}: no device of that kind is above"))
    }

    /// The bus that it is on: that of the device that was named, or the first of the kind.
    pub fn bus<T: Any + Send + Sync>(&self) -> Result<Arc<T>, String> {
        let named = self
            .services
            .iter()
            .filter(|(n, _)| self.on.is_none_or(|o| o == n));
        let mut buses = named.filter_map(|(_, s)| s.clone().downcast().ok());
        buses.next().ok_or_else(|| match self.on {
            Some(on) => format!("'{on}' has no bus for it"),
            None => "the machine has no bus for it".into(),
        })
    }

    /// An interrupt output.
    pub fn output(&mut self, name: &'static str, number: u32) -> Irq {
        let irq = Irq::new();
        self.parts.outputs.push((name, number, irq.clone()));
        irq
    }

    /// A timer of the device.
    pub fn timer(&self, owner: Weak<dyn Alarm>, tag: u32) -> Timer {
        self.host.timers.timer(owner, tag)
    }

    /// The character device that a property names.
    pub fn chardev(&self, prop: &str) -> Result<Option<Arc<dyn CharBackend>>, String> {
        let name = self.values.text(prop);
        name.map(|n| self.host.backends.chardev(n)).transpose()
    }

    /// The disk that a property names.
    pub fn block(&self, prop: &str) -> Result<Option<Arc<dyn BlockBackend>>, String> {
        let name = self.values.text(prop);
        name.map(|n| self.host.backends.block(n)).transpose()
    }

    /// The network that a property names.
    pub fn net(&self, prop: &str) -> Result<Option<Arc<dyn NetBackend>>, String> {
        let name = self.values.text(prop);
        name.map(|n| self.host.backends.net(n)).transpose()
    }
}

/// A slot for a timer that needs the device that owns it.
#[derive(Default)]
pub struct TimerSlot(Mutex<Option<Timer>>);

impl TimerSlot {
    /// Puts the timer in.
    pub fn fill(&self, timer: Timer) {
        *self.0.lock() = Some(timer);
    }

    /// As [`Timer::follow`].
    pub fn follow(&self, at_ns: Option<u64>) {
        if let Some(timer) = self.0.lock().as_ref() {
            timer.follow(at_ns);
        }
    }

    /// The virtual clock.
    pub fn now_ns(&self) -> u64 {
        self.0.lock().as_ref().map_or(0, Timer::now_ns)
    }
}
