//! Network cards.

mod e1000;
mod e1000_regs;
mod sungem;
mod sungem_regs;

use crate::class::{Class, Place};
use crate::pci::ADDR;
use softmmu_core::props::{Kind, Prop};

/// Network cards.
pub const CLASSES: &[Class] = &[E1000, SUNGEM];

const CARD_PROPS: &[Prop] = &[
    ADDR,
    Prop::new("netdev", Kind::Netdev, "", "the network"),
    Prop::new("mac", Kind::Mac, "52:54:00:12:34:56", "its address"),
    Prop::new("bootindex", Kind::Number(255), "", "for firmware"),
];

const SUNGEM: Class = Class {
    name: "sungem",
    aliases: &[],
    title: "Sun GEM Ethernet of Apple's UniNorth",
    place: Place::Pci,
    props: CARD_PROPS,
    create: sungem::create,
};

const E1000: Class = Class {
    name: "e1000",
    aliases: &["e1000-82540em"],
    title: "Intel 82540EM gigabit card",
    place: Place::Pci,
    props: CARD_PROPS,
    create: e1000::create,
};
