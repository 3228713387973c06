//! USB.

mod ohci;

use crate::class::{Class, Place};
use crate::pci::ADDR;

/// Host controllers.
pub const CLASSES: &[Class] = &[Class {
    name: "pci-ohci",
    aliases: &[],
    title: "USB 1 host controller with three empty ports",
    place: Place::Pci,
    props: &[ADDR],
    create: ohci::create,
}];
