//! What an instruction set adds: its CPUs by name, and how one is started without firmware.

mod ppc;

use softmmu_core::cpu::CpuStart;
use tcg_target::{Isa, SysCpu};

/// An instruction set of system mode.
pub struct IsaPort {
    /// The word in `emu-system-WORD` and in board files.
    pub name: &'static str,
    /// Its CPUs are big-endian at the start.
    pub big_endian: bool,
    /// Names of its CPU models.
    pub cpus: fn() -> Vec<&'static str>,
    /// A CPU model; the frequency is that of its time base.
    pub make: fn(model: &str, clock_hz: u64) -> Option<&'static dyn Isa>,
    /// Puts a CPU that has just been reset into a state to start in.
    pub start: fn(cpu: &mut SysCpu<'_>, start: &CpuStart),
}

/// All of them.
pub const ISAS: &[IsaPort] = &[ppc::PORT];

/// The instruction set of this name.
pub fn find(name: &str) -> Option<&'static IsaPort> {
    ISAS.iter().find(|i| i.name == name)
}
