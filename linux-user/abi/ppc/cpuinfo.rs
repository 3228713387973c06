//! /proc/cpuinfo of a PowerPC guest, in the form of the kernel's arch/powerpc/kernel/setup-common.c.

use target_ppc::CpuModel;
use target_ppc::decode::Feature;
use target_ppc::helper::random::TIME_BASE_HZ;

/// The text of a 32-bit guest for `cpus` processors.
pub fn text32(cpu: Option<&str>, cpus: usize) -> String {
    text(cpu, cpus, false)
}

/// The text of a 64-bit guest.
pub fn text64(cpu: Option<&str>, cpus: usize) -> String {
    text(cpu, cpus, true)
}

fn text(cpu: Option<&str>, cpus: usize, wide: bool) -> String {
    let model = cpu.and_then(CpuModel::find);
    let model = model.unwrap_or_else(|| CpuModel::default_for(wide));
    // Processors since POWER6 run below a hypervisor, which gives their architecture level.
    let level = if model.features.has(Feature::Isa206) {
        " (architected)"
    } else {
        ""
    };
    let vectors = if model.features.has(Feature::Altivec) {
        ", altivec supported"
    } else {
        ""
    };
    let (version, revision) = (model.pvr >> 16, model.pvr & 0xffff);
    // Major and minor number have four bits each in what begins with 0x802, else a byte.
    let (major, minor) = match version >> 4 {
        0x802 => (revision >> 4 & 15, revision & 15),
        _ => (revision >> 8 & 15, revision & 0xff),
    };
    let mut out = String::new();
    for n in 0..cpus {
        out += &format!(
            "processor\t: {n}\ncpu\t\t: {}{level}{vectors}\nclock\t\t: 1000.000000MHz\n\
             revision\t: {major}.{minor} (pvr {version:04x} {revision:04x})\n\n",
            model.title
        );
    }
    let platform = match (level, wide) {
        ("", true) => "PowerMac",
        ("", false) if model.features.has(Feature::Booke) => "CoreNet Generic",
        ("", false) => "CHRP",
        _ => "pSeries",
    };
    out + &format!(
        "timebase\t: {TIME_BASE_HZ}\nplatform\t: {platform}\nmodel\t\t: {} (emulated)\n",
        model.title
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_that_of_the_model() {
        let power9 = text64(None, 2);
        assert!(
            power9.contains("processor\t: 1\ncpu\t\t: POWER9 (architected), altivec supported\n")
        );
        assert!(power9.contains("revision\t: 2.2 (pvr 004e 1202)\n"));
        let e500 = text32(Some("e500v2"), 1);
        assert!(
            !e500.contains("altivec") && e500.contains("(pvr 8021"),
            "{e500}"
        );
        assert!(text32(None, 1).contains("cpu\t\t: 7450, altivec supported\n"));
    }
}
