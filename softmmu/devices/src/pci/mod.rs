//! The PCI bus, functions on it, and host bridges.

mod bus;
mod config_port;
mod fsl_host;
mod function;
mod plb_pci;
mod plb_pcie;
mod plb_pcix;
mod regs;

pub use bus::{PciBus, Routing};
pub use function::{Bar, BarBacking, BarKind, Identity, PciFunction, PciHook};

use crate::class::{Class, Place};
use softmmu_core::props::{Kind, Prop};

/// Host bridges.
pub const CLASSES: &[Class] = &[
    Class {
        name: "ppc4xx-pcihost",
        aliases: &[],
        title: "PCI host bridge of the 440EP",
        place: Place::System,
        props: &[IO_AT],
        create: plb_pci::create,
    },
    Class {
        name: "ppc440-pcix-host",
        aliases: &[],
        title: "PCI-X host bridge of the 460EX",
        place: Place::System,
        props: &[IO_AT],
        create: plb_pcix::create,
    },
    Class {
        name: "ppc460ex-pcie-host",
        aliases: &[],
        title: "PCI Express port of the 460EX, with no card in it",
        place: Place::System,
        props: &[],
        create: plb_pcie::create,
    },
    Class {
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
            IO_AT,
            Prop::new(
                "ccsr-at",
                Kind::Size,
                "",
                "CPU's address of the part's registers",
            ),
        ],
        create: fsl_host::create,
    },
];

const IO_AT: Prop = Prop::new("io-at", Kind::Size, "", "CPU's address of PCI I/O space");

/// Where a function goes, for `-device`.
pub const ADDR: Prop = Prop::new(
    "addr",
    Kind::Text,
    "",
    "slot and function on the bus: 3 or 3.0",
);
