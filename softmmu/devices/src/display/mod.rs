//! Graphics cards.

mod vga;
mod vga_registers;

use crate::class::{Class, Place};
use crate::pci::ADDR;
use softmmu_core::props::{Kind, Prop};

/// Graphics cards.
pub const CLASSES: &[Class] = &[Class {
    name: "VGA",
    aliases: &["vga"],
    title: "Standard graphics card with Bochs' extensions",
    place: Place::Pci,
    props: &[
        ADDR,
        Prop::new(
            "vgamem_mb",
            Kind::Number(256),
            "16",
            "video memory, in MiB, a power of two",
        ),
    ],
    create: vga::create,
}];
