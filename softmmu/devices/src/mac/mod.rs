//! Parts of Power Macintosh computers: the mac-io chips (Heathrow, KeyLargo) and what is in them.

mod cuda;
mod cuda_packets;
mod gpio;
mod heathrow_pic;
mod macio;
mod nvram;
mod pmu;
mod uni_north;
mod via;

use crate::class::{Class, Place};
use crate::pci::ADDR;
use softmmu_core::props::{Kind, Prop};

/// Parts of Power Macintosh computers.
pub const CLASSES: &[Class] = &[
    Class {
        name: "macio-oldworld",
        aliases: &["heathrow-macio"],
        title: "Apple Heathrow mac-io: a PCI function with a bus of its own",
        place: Place::Pci,
        props: &[ADDR],
        create: |b| macio::create(b, macio::HEATHROW),
    },
    Class {
        name: "macio-newworld",
        aliases: &["keylargo-macio"],
        title: "Apple KeyLargo mac-io: a PCI function with a bus of its own",
        place: Place::Pci,
        props: &[ADDR],
        create: |b| macio::create(b, macio::KEYLARGO),
    },
    Class {
        name: "heathrow",
        aliases: &["heathrow-pic"],
        title: "Interrupt controller of Heathrow: 64 inputs",
        place: Place::System,
        props: &[],
        create: heathrow_pic::create,
    },
    Class {
        name: "cuda",
        aliases: &[],
        title: "Apple CUDA behind a VIA 6522: ADB, clock, power",
        place: Place::System,
        props: &[],
        create: cuda::create,
    },
    Class {
        name: "via-pmu",
        aliases: &["pmu"],
        title: "Apple PMU behind a VIA 6522: clock, power",
        place: Place::System,
        props: &[],
        create: pmu::create,
    },
    Class {
        name: "macio-gpio",
        aliases: &[],
        title: "Pins of KeyLargo",
        place: Place::System,
        props: &[],
        create: gpio::create,
    },
    Class {
        name: "macio-nvram",
        aliases: &[],
        title: "Non-volatile memory, a byte at every so many addresses",
        place: Place::System,
        props: &[
            Prop::new("size", Kind::Size, "8k", "bytes"),
            Prop::new(
                "it_shift",
                Kind::Number(8),
                "0",
                "log2 of the distance of bytes",
            ),
            Prop::new(
                "env-bytes",
                Kind::Size,
                "4k",
                "bytes of the variables of firmware",
            ),
            Prop::new("drive", Kind::Drive, "", "where its contents are kept"),
        ],
        create: nvram::create,
    },
    Class {
        name: "uni-north",
        aliases: &[],
        title: "Registers of Apple's UniNorth memory controller",
        place: Place::System,
        props: &[Prop::new(
            "revision",
            Kind::Number(255),
            "7",
            "version of the part",
        )],
        create: uni_north::create,
    },
];
