//! /proc/cpuinfo of a RISC-V guest, in the form of the kernel's arch/riscv/kernel/cpu.c.

use super::port;
use target_riscv::Cpu;

/// The text of a 64-bit guest for `cpus` processors.
pub fn text64(_: Option<&str>, cpus: usize) -> String {
    text(cpus, port::chosen(64), "sv48")
}

/// The text of a 32-bit guest.
pub fn text32(_: Option<&str>, cpus: usize) -> String {
    text(cpus, port::chosen(32), "sv32")
}

fn text(cpus: usize, cpu: Cpu, mmu: &str) -> String {
    let isa = cpu.isa_string();
    let [vendor, arch, implementation] = cpu.ids;
    let one = |n: usize| {
        let uarch = match cpu.uarch {
            "" => String::new(),
            name => format!("uarch\t\t: {name}\n"),
        };
        format!(
            "processor\t: {n}\nhart\t\t: {n}\nisa\t\t: {isa}\nmmu\t\t: {mmu}\n{uarch}\
             mvendorid\t: {vendor:#x}\nmarchid\t\t: {arch:#x}\nmimpid\t\t: {implementation:#x}\nhart isa\t: {isa}\n\n"
        )
    };
    (0..cpus).map(one).collect()
}
