//! Devices of emulated machines, one folder for each kind. [`class::CLASSES`] lists them.
#![forbid(unsafe_code)]

pub mod class;
pub mod dcr;
pub mod display;
pub mod i2c;
pub mod ide;
pub mod input;
pub mod intc;
pub mod mac;
pub mod misc;
pub mod net;
pub mod pci;
pub mod serial;
#[cfg(test)]
mod testing;
pub mod usb;
pub mod virtio;
