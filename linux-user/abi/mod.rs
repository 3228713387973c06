//! The ABIs of the guests: one folder each.

pub mod aarch64;
pub mod arm;
pub mod generic32;
pub mod generic64;
pub mod ppc;
pub mod riscv;

use crate::guest::GuestPort;

/// The Linux ports that exist.
pub static PORTS: &[&dyn GuestPort] = &[
    &arm::ArmPort,
    &aarch64::Aarch64Port,
    &riscv::RiscvPort { bits: 64 },
    &riscv::RiscvPort { bits: 32 },
];
