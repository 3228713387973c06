//! IDE: the bus with two drives [ATA], disks and CD drives, and the mac-io chips' controller.

mod atapi;
mod bus;
mod dbdma;
mod disk;
mod drive;
mod identify;
mod macio;
mod regs;

pub use bus::IdeBus;

use crate::class::{Class, Place};
use softmmu_core::props::{Kind, Prop};

const DRIVE_PROPS: &[Prop] = &[
    Prop::new("drive", Kind::Drive, "", "the image"),
    Prop::new("unit", Kind::Number(1), "0", "which of the two on the bus"),
    Prop::new("serial", Kind::Text, "", "what it tells of itself"),
    Prop::new("bootindex", Kind::Number(255), "", "for firmware"),
];

/// Drives and controllers.
pub const CLASSES: &[Class] = &[
    Class {
        name: "ide-hd",
        aliases: &[],
        title: "IDE disk",
        place: Place::Child,
        props: DRIVE_PROPS,
        create: |b| drive::create(b, false),
    },
    Class {
        name: "ide-cd",
        aliases: &[],
        title: "IDE CD drive (ATAPI)",
        place: Place::Child,
        props: DRIVE_PROPS,
        create: |b| drive::create(b, true),
    },
    Class {
        name: "mac-dbdma",
        aliases: &[],
        title: "Apple descriptor-based DMA controller of mac-io",
        place: Place::System,
        props: &[],
        create: dbdma::create,
    },
    Class {
        name: "macio-ide",
        aliases: &[],
        title: "IDE controller of mac-io",
        place: Place::System,
        props: &[
            Prop::new("dbdma", Kind::Text, "", "the DMA controller"),
            Prop::new("channel", Kind::Number(31), "", "its channel there"),
        ],
        create: macio::create,
    },
];
