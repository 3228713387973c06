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
            Prop::new(
                "clock",
                Kind::Number(u32::MAX as u64),
                "25000000",
                "of its timers, in Hz",
            ),
        ],
        create: mpic::create,
    },
];
