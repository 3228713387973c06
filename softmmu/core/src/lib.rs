//! The skeleton of an emulated machine. It knows no instruction set and no particular device.
#![deny(unsafe_code)]

pub mod block;
pub mod chardev;
pub mod clock;
pub mod control;
pub mod cpu;
pub mod device;
pub mod display;
pub mod dma;
pub mod fdt;
pub mod irq;
pub mod loader;
pub mod log;
pub mod net;
pub mod props;
pub mod ram;
pub mod requests;
pub mod space;
pub mod timer;
