//! The PCI bus, functions on it, and host bridges.

mod bus;
mod config_port;
mod fsl_host;
mod function;
mod indexed_host;
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
    GRACKLE,
    UNI_NORTH,
    UNI_NORTH_AGP,
    UNI_NORTH_INTERNAL,
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
        props: &[Prop::new("port", Kind::Number(3), "0", "its number")],
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

const GRACKLE: Class = indexed("grackle-pcihost", "Motorola MPC106 PCI host bridge", |b| {
    indexed_host::create(b, &indexed_host::GRACKLE)
});
const UNI_NORTH: Class = indexed(
    "uni-north-pci-pcihost",
    "Apple UniNorth PCI host bridge",
    |b| indexed_host::create(b, &indexed_host::UNI_NORTH),
);
const UNI_NORTH_AGP: Class = indexed("uni-north-agp-pcihost", "Apple UniNorth AGP bridge", |b| {
    indexed_host::create(b, &indexed_host::UNI_NORTH_AGP)
});
const UNI_NORTH_INTERNAL: Class = indexed(
    "uni-north-internal-pci-pcihost",
    "Apple UniNorth bridge to its internal bus",
    |b| indexed_host::create(b, &indexed_host::UNI_NORTH_INTERNAL),
);

const fn indexed(
    name: &'static str,
    title: &'static str,
    create: fn(&mut crate::class::Build<'_>) -> Result<(), String>,
) -> Class {
    Class {
        name,
        aliases: &[],
        title,
        place: Place::System,
        props: INDEXED_PROPS,
        create,
    }
}

const INDEXED_PROPS: &[Prop] = &[
    Prop::new(
        "memory-at",
        Kind::Size,
        "",
        "CPU's address of PCI memory space",
    ),
    Prop::new("memory-bus", Kind::Size, "", "PCI's address there"),
    Prop::new("memory-size", Kind::Size, "", "bytes"),
    Prop::new(
        "low-at",
        Kind::Size,
        "",
        "CPU's address of a second part of memory space",
    ),
    Prop::new("low-bus", Kind::Size, "", "PCI's address there"),
    Prop::new("low-size", Kind::Size, "", "bytes"),
    Prop::new("io-at", Kind::Size, "", "CPU's address of PCI I/O space"),
    Prop::new("io-size", Kind::Size, "", "bytes"),
    Prop::new(
        "first-slot",
        Kind::Number(31),
        "1",
        "the lowest slot for devices that ask for none",
    ),
];

/// Where a function goes, for `-device`.
pub const ADDR: Prop = Prop::new(
    "addr",
    Kind::Text,
    "",
    "slot and function on the bus: 3 or 3.0",
);
