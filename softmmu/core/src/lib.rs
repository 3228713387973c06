//! The skeleton of an emulated machine. It knows no instruction set and no particular device.
#![forbid(unsafe_code)]

pub mod block;
pub mod chardev;
pub mod control;
pub mod net;
