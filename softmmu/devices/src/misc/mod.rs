//! Small devices: reset and power, pins, and where nothing is.

mod fw_cfg;
mod gpio;
mod guts;
mod led;
mod pflash;
mod rom;
mod spin;
mod unimp;

use crate::class::{Class, Place};
use softmmu_core::props::{Kind, Prop};

/// Small devices.
pub const CLASSES: &[Class] = &[
    Class {
        name: "mpc8544-guts",
        aliases: &[],
        title: "Global utilities of Freescale's e500 parts: identity and reset",
        place: Place::System,
        props: &[
            Prop::new(
                "pvr",
                Kind::Number(u32::MAX as u64),
                "0",
                "processor version register",
            ),
            Prop::new(
                "svr",
                Kind::Number(u32::MAX as u64),
                "0",
                "system version register",
            ),
        ],
        create: guts::create,
    },
    Class {
        name: "mpc8xxx_gpio",
        aliases: &["mpc8xxx-gpio"],
        title: "Freescale's 32 pins",
        place: Place::System,
        props: &[],
        create: gpio::create,
    },
    Class {
        name: "cfi.pflash01",
        aliases: &[],
        title: "NOR flash with Intel's command set",
        place: Place::System,
        props: &[
            Prop::new("drive", Kind::Drive, "", "where its contents are kept"),
            Prop::new("num-blocks", Kind::Number(65536), "256", "blocks"),
            Prop::new("sector-length", Kind::Size, "64k", "bytes of a block"),
            Prop::new("width", Kind::Number(4), "2", "bytes of a word"),
            Prop::new("big-endian", Kind::Switch, "on", "byte order of a word"),
            Prop::new("id0", Kind::Number(255), "0x89", "its maker"),
            Prop::new("id1", Kind::Number(255), "0x18", "its kind"),
        ],
        create: pflash::create,
    },
    Class {
        name: "led",
        aliases: &[],
        title: "Light at a pin",
        place: Place::System,
        props: &[
            Prop::new("color", Kind::Text, "red", "for people"),
            Prop::new(
                "gpio-active-high",
                Kind::Switch,
                "on",
                "a high pin lights it",
            ),
        ],
        create: led::create,
    },
    Class {
        name: "e500-spin",
        aliases: &[],
        title: "ePAPR spin table: other CPUs wait here until they are started",
        place: Place::System,
        props: &[],
        create: spin::create,
    },
    Class {
        name: "fw_cfg",
        aliases: &["fw_cfg_mem"],
        title: "Tells firmware about the machine",
        place: Place::System,
        props: &[],
        create: fw_cfg::create,
    },
    Class {
        name: "rom",
        aliases: &[],
        title: "Memory that the guest cannot write",
        place: Place::System,
        props: &[Prop::new("size", Kind::Size, "64k", "bytes")],
        create: rom::create,
    },
    Class {
        name: "unimplemented-device",
        aliases: &[],
        title: "Reads 0, ignores writes, and tells -d unimp",
        place: Place::System,
        props: &[
            Prop::new("size", Kind::Size, "4k", "bytes"),
            Prop::new("name", Kind::Text, "unimplemented-device", "for the log"),
        ],
        create: unimp::create,
    },
];
