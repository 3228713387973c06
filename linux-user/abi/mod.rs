//! The ABIs of the guests: one folder each.

pub mod arm;

use crate::guest::GuestPort;

/// The Linux ports that exist.
pub static PORTS: &[&dyn GuestPort] = &[&arm::ArmPort];
