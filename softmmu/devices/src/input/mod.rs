//! Keyboards and mice, and the buses that they are on.

mod adb;
mod adb_devices;

pub use adb::{AdbBus, AdbDevice};

use crate::class::{Class, Place};

/// Keyboards and mice.
pub const CLASSES: &[Class] = &[
    Class {
        name: "adb-keyboard",
        aliases: &[],
        title: "Apple extended keyboard on the Apple Desktop Bus",
        place: Place::Child,
        props: &[],
        create: adb_devices::keyboard,
    },
    Class {
        name: "adb-mouse",
        aliases: &[],
        title: "Apple mouse on the Apple Desktop Bus",
        place: Place::Child,
        props: &[],
        create: adb_devices::mouse,
    },
];
