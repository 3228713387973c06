//! Virtio devices [VIRTIO]: queues, what a device is to its transport, the transports (PCI, memory-mapped registers), disks,
//! networks, consoles, random numbers.

mod blk;
mod console;
mod mmio;
mod net;
mod pci;
mod queue;
mod registers;
mod rng;

pub use queue::{Broken, Chain, Queue};

use crate::class::{Build, Class, Place};
use crate::pci::ADDR;
use softmmu_core::device::{Endian, StateError};
use softmmu_core::dma::Dma;
use softmmu_core::props::{Kind, Prop};
use std::sync::{Arc, Weak};

const LEGACY: Prop = Prop::new(
    "disable-legacy",
    Kind::Word(&["on", "off", "auto"]),
    "auto",
    "no interface of before version 1",
);
const MODERN: Prop = Prop::new(
    "disable-modern",
    Kind::Switch,
    "off",
    "no interface of version 1",
);
const VECTORS: Prop = Prop::new(
    "vectors",
    Kind::Number(128),
    "3",
    "interrupt messages; 0: none",
);
const BOOTINDEX: Prop = Prop::new("bootindex", Kind::Number(255), "", "for firmware");
const DRIVE: Prop = Prop::new("drive", Kind::Drive, "", "the disk");
const SERIAL: Prop = Prop::new(
    "serial",
    Kind::Text,
    "",
    "serial number, up to 20 characters",
);
const QUEUE_SIZE: Prop = Prop::new(
    "queue-size",
    Kind::Number(1024),
    "256",
    "entries of the queue",
);
const BLOCK_SIZE: Prop = Prop::new("logical_block_size", Kind::Number(32768), "512", "bytes");
const NETDEV: Prop = Prop::new("netdev", Kind::Netdev, "", "the network");
const MAC: Prop = Prop::new("mac", Kind::Mac, "52:54:00:12:34:56", "its address");

/// Devices.
pub const CLASSES: &[Class] = &[
    Class {
        name: "virtio-blk-pci",
        aliases: &["virtio-blk", "virtio-blk-pci-transitional"],
        title: "virtio disk",
        place: Place::Pci,
        props: &[
            ADDR, LEGACY, MODERN, VECTORS, BOOTINDEX, DRIVE, SERIAL, QUEUE_SIZE, BLOCK_SIZE,
        ],
        create: blk::create,
    },
    Class {
        name: "virtio-net-pci",
        aliases: &["virtio-net", "virtio", "virtio-net-pci-transitional"],
        title: "virtio network card",
        place: Place::Pci,
        props: &[ADDR, LEGACY, MODERN, VECTORS, BOOTINDEX, NETDEV, MAC],
        create: net::create,
    },
    Class {
        name: "virtio-serial-pci",
        aliases: &["virtio-serial"],
        title: "virtio console card with one port",
        place: Place::Pci,
        props: &[ADDR, LEGACY, MODERN, VECTORS],
        create: console::create,
    },
    Class {
        name: "virtconsole",
        aliases: &[],
        title: "console in a virtio-serial-pci",
        place: Place::Child,
        props: &[Prop::new(
            "chardev",
            Kind::Chardev,
            "",
            "the character device",
        )],
        create: console::create_port,
    },
    Class {
        name: "virtio-rng-pci",
        aliases: &["virtio-rng"],
        title: "virtio random numbers, the host's",
        place: Place::Pci,
        props: &[ADDR, LEGACY, MODERN, VECTORS],
        create: rng::create,
    },
    Class {
        name: "virtio-mmio",
        aliases: &[],
        title: "slot for a virtio device with memory-mapped registers",
        place: Place::System,
        props: &[Prop::new(
            "force-legacy",
            Kind::Switch,
            "on",
            "the interface of before version 1, not that of version 1",
        )],
        create: mmio::create,
    },
    Class {
        name: "virtio-blk-device",
        aliases: &[],
        title: "virtio disk in a virtio-mmio",
        place: Place::Child,
        props: &[DRIVE, SERIAL, QUEUE_SIZE, BLOCK_SIZE],
        create: blk::create,
    },
    Class {
        name: "virtio-net-device",
        aliases: &[],
        title: "virtio network card in a virtio-mmio",
        place: Place::Child,
        props: &[NETDEV, MAC],
        create: net::create,
    },
    Class {
        name: "virtio-serial-device",
        aliases: &[],
        title: "virtio console with one port in a virtio-mmio",
        place: Place::Child,
        props: &[],
        create: console::create,
    },
    Class {
        name: "virtio-rng-device",
        aliases: &[],
        title: "virtio random numbers in a virtio-mmio, the host's",
        place: Place::Child,
        props: &[],
        create: rng::create,
    },
];

const STATUS_DRIVER_OK: u8 = 4;
const STATUS_FEATURES_OK: u8 = 8;
const STATUS_NEEDS_RESET: u8 = 0x40;

/// Features that every transport here has: indirect descriptors, event indexes, version 1.
pub const TRANSPORT_FEATURES: u64 = 1 << 28 | 1 << 29 | 1 << 32;
/// The queues tell of events by index.
pub const EVENT_INDEX: u64 = 1 << 29;
/// Version 1: little-endian, and the longer network header.
pub const VERSION_1: u64 = 1 << 32;

/// One queue of a running device, as the device's model sees it.
pub struct QueueIo<'a> {
    /// The queue.
    pub queue: &'a mut Queue,
    /// Memory.
    pub dma: &'a Dma,
    /// Byte order of rings and headers.
    pub endian: Endian,
    /// What was agreed on.
    pub features: u64,
    /// The driver is to be told.
    pub notify: bool,
}

impl QueueIo<'_> {
    /// The next chain of buffers, if there is one.
    pub fn pop(&mut self) -> Result<Option<Chain>, Broken> {
        let events = self.features & EVENT_INDEX != 0;
        self.queue.pop(self.dma, self.endian, events)
    }

    /// A chain is done: `written` bytes of it.
    pub fn push(&mut self, chain: &Chain, written: u32) -> Result<(), Broken> {
        let events = self.features & EVENT_INDEX != 0;
        self.notify |= self
            .queue
            .push(self.dma, self.endian, events, chain.head, written)?;
        Ok(())
    }
}

/// What a device is, whatever its transport.
pub trait Model: Send + Sync {
    /// Number of the device's kind.
    fn id(&self) -> u16;
    /// Features besides the transport's.
    fn features(&self) -> u64;
    /// The most entries of each of its queues.
    fn queues(&self) -> &[u16];
    /// The transport, so that the outside can reach the guest.
    fn attach(&self, _transport: Weak<dyn Transport>) {}
    /// The driver has given buffers in a queue.
    fn run(&self, queue: usize, io: &mut QueueIo<'_>) -> Result<(), Broken>;
    /// Bytes of the device's configuration, in this byte order.
    fn config(&self, endian: Endian) -> Vec<u8>;
    /// The driver writes its configuration.
    fn config_write(&self, _offset: usize, _bytes: &[u8]) {}
    /// As after a reset.
    fn reset(&self) {}
    /// State of its own.
    fn save(&self) -> Vec<u8> {
        Vec::new()
    }
    /// The opposite of [`Model::save`].
    fn load(&self, _bytes: &[u8]) -> Result<(), StateError> {
        Ok(())
    }
    /// For `info qtree`.
    fn describe(&self) -> String;
}

/// What a model asks of its transport.
pub trait Transport: Send + Sync {
    /// Works on a queue, if the driver runs it. False: it does not.
    fn with_queue(
        &self,
        queue: usize,
        work: &mut dyn FnMut(&mut QueueIo<'_>) -> Result<(), Broken>,
    ) -> bool;
}

/// Puts a model where its class goes: into a PCI slot (`class` is what it is there), or a slot of registers.
fn plug(build: &mut Build<'_>, model: Arc<dyn Model>, class: u32) -> Result<(), String> {
    match build.pci {
        Some(_) => pci::create(build, model, class),
        None => mmio::plug(build, model),
    }
}

/// A little-endian number in a device's configuration.
fn number(bytes: &[u8], offset: u64, size: u32) -> u64 {
    let part = bytes.iter().skip(offset as usize).take(size as usize);
    part.rev().fold(0, |n, b| n << 8 | u64::from(*b))
}

/// Whether saved queues are such as a device with these may have.
fn same_queues(loaded: &[Queue], queues: &[Queue]) -> bool {
    loaded.len() == queues.len()
        && loaded
            .iter()
            .zip(queues)
            .all(|(a, b)| a.max == b.max && a.size <= a.max && a.size.is_power_of_two())
}
