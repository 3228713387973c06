//! Serial ports.

mod escc;
mod ns16550;

use crate::class::{Class, Place};
use softmmu_core::props::{Kind, Prop};

/// Serial ports.
pub const CLASSES: &[Class] = &[NS16550, ESCC];

const ESCC: Class = Class {
    name: "escc",
    aliases: &[],
    title: "Zilog Z85C30 with two serial ports",
    place: Place::System,
    props: &[
        Prop::new("chardev-a", Kind::Chardev, "", "where channel A leads"),
        Prop::new("chardev-b", Kind::Chardev, "", "where channel B leads"),
        Prop::new(
            "frequency",
            Kind::Number(u32::MAX as u64),
            "3686400",
            "of its clock, in Hz",
        ),
    ],
    create: escc::create,
};

const NS16550: Class = Class {
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
};
