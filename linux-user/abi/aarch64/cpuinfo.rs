//! /proc/cpuinfo of a 64-bit ARM guest, in the form of the kernel's arch/arm64/kernel/cpuinfo.c.

use target_aarch64::{CpuModel, MODELS};

/// The text for `cpus` processors of a model.
pub fn text(cpu: Option<&str>, cpus: usize) -> String {
    let model = cpu.and_then(CpuModel::find).unwrap_or(&MODELS[0]);
    let features = model.feature_names().join(" ");
    let midr = model.midr;
    let mut out = String::new();
    for n in 0..cpus {
        out += &format!("processor\t: {n}\nBogoMIPS\t: 100.00\nFeatures\t: {features}\n");
        out += &format!(
            "CPU implementer\t: 0x{:02x}\nCPU architecture: 8\nCPU variant\t: 0x{:x}\n",
            midr >> 24,
            midr >> 20 & 15
        );
        out += &format!(
            "CPU part\t: 0x{:03x}\nCPU revision\t: {}\n\n",
            midr >> 4 & 0xfff,
            midr & 15
        );
    }
    out
}
