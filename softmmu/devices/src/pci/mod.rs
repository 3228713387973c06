//! The PCI bus, functions on it, and host bridges.

mod bus;
mod fsl_host;
mod function;
mod regs;

pub use bus::PciBus;
pub use function::{Bar, BarBacking, BarKind, Identity, PciFunction, PciHook};

use crate::class::{Class, Place};
use softmmu_core::props::{Kind, Prop};

/// Host bridges.
pub const CLASSES: &[Class] = &[Class {
    name: "e500-pcihost",
    aliases: &[],
    title: "Freescale's PCI host bridge of e500 parts",
    place: Place::System,
    props: &[
        Prop::new(
            "memory-at",
            Kind::Size,
            "",
            "CPU's address of PCI memory space",
        ),
        Prop::new("memory-bus", Kind::Size, "", "PCI's address there"),
        Prop::new("memory-size", Kind::Size, "512M", "bytes"),
        Prop::new("io-at", Kind::Size, "", "CPU's address of PCI I/O space"),
        Prop::new(
            "ccsr-at",
            Kind::Size,
            "",
            "CPU's address of the part's registers",
        ),
    ],
    create: fsl_host::create,
}];

/// Where a function goes, for `-device`.
pub const ADDR: Prop = Prop::new(
    "addr",
    Kind::Text,
    "",
    "slot and function on the bus: 3 or 3.0",
);
