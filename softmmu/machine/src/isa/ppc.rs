//! 32-bit Power.

use super::IsaPort;
use softmmu_core::cpu::CpuStart;
use softmmu_core::log;
use target_ppc::system::{BootState, Config, PpcSystem};
use tcg_target::{Isa, SysCpu};

pub(super) const PORT: IsaPort = IsaPort {
    name: "ppc",
    big_endian: true,
    cpus: || PpcSystem::names().collect(),
    make,
    start,
};

fn make(model: &str, clock_hz: u64) -> Option<&'static dyn Isa> {
    let tb_hz = if clock_hz == 0 { 100_000_000 } else { clock_hz };
    let system = PpcSystem::new(model, Config { tb_hz, svr: 0 })?;
    // A process has one machine.
    Some(Box::leak(Box::new(system)))
}

fn start(cpu: &mut SysCpu<'_>, start: &CpuStart) {
    let mut state = BootState::default();
    for (name, value) in &start.regs {
        let number = name.strip_prefix('r').and_then(|n| n.parse::<u32>().ok());
        match number.filter(|n| *n < 32) {
            Some(n) => state.registers.push((n, *value as u32)),
            // The processor's number is what its reset has made it.
            None if name == "pir" => {}
            None => log::unimp("boot", || format!("there is no register '{name}'")),
        }
    }
    state.mapping = start.map.map(|(va, pa, size)| (va as u32, pa, size));
    state.apply(cpu.state, cpu.host);
    *cpu.pc = start.pc & 0xffff_ffff;
}
