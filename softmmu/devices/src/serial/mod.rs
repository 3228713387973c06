//! Serial ports.

mod ns16550;

use crate::class::{Class, Place};
use softmmu_core::props::{Kind, Prop};

/// Serial ports.
pub const CLASSES: &[Class] = &[Class {
    name: "ns16550",
    aliases: &["serial-mm"],
    title: "16550A serial port",
    place: Place::System,
    props: &[
        Prop::new("chardev", Kind::Chardev, "", "where it leads"),
        Prop::new(
            "regshift",
            Kind::Number(3),
            "0",
            "registers are 1 << this bytes apart",
        ),
        Prop::new(
            "baudbase",
            Kind::Number(u32::MAX as u64),
            "115200",
            "bits per second at divisor 1",
        ),
        Prop::new(
            "endianness",
            Kind::Word(&["big", "little"]),
            "big",
            "byte order of wide accesses to registers that are apart",
        ),
    ],
    create: ns16550::create,
}];
