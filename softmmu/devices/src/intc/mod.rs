//! Interrupt controllers.

mod mpic;
mod mpic_regs;
mod uic;

use crate::class::{Class, Place};
use softmmu_core::props::{Kind, Prop};

/// Interrupt controllers.
pub const CLASSES: &[Class] = &[
    Class {
        name: "ppc-uic",
        aliases: &[],
        title: "Universal interrupt controller of the 4xx parts",
        place: Place::System,
        props: &[],
        create: uic::create,
    },
    Class {
        name: "openpic",
        aliases: &[],
        title: "OpenPIC interrupt controller, as in Apple's KeyLargo",
        place: Place::System,
        props: &[
            Prop::new("sources", Kind::Number(256), "64", "interrupt sources"),
            CLOCK,
            Prop::new(
                "endianness",
                ENDIANS,
                "little",
                "byte order of its registers",
            ),
        ],
        create: mpic::create,
    },
    Class {
        name: "fsl-mpic",
        aliases: &[],
        title: "Freescale MPIC (OpenPIC) interrupt controller",
        place: Place::System,
        props: &[
            Prop::new("sources", Kind::Number(256), "256", "interrupt sources"),
            Prop::new(
                "proxy",
                Kind::Switch,
                "off",
                "can give CPUs their vectors (external proxy)",
            ),
            CLOCK,
            Prop::new("endianness", ENDIANS, "big", "byte order of its registers"),
        ],
        create: mpic::create,
    },
];

const ENDIANS: Kind = Kind::Word(&["big", "little"]);
const CLOCK: Prop = Prop::new(
    "clock",
    Kind::Number(u32::MAX as u64),
    "25000000",
    "of its timers, in Hz",
);
