//! /proc/cpuinfo of an ARM guest, in the form of the kernel's arch/arm/kernel/setup.c: what the CPU model has.

use target_arm::CpuModel;

/// Names of the bits of AT_HWCAP, from bit 0. [Linux arch/arm/kernel/setup.c]
const HWCAP: &[&str] = &[
    "swp",
    "half",
    "thumb",
    "26bit",
    "fastmult",
    "fpa",
    "vfp",
    "edsp",
    "java",
    "iwmmxt",
    "crunch",
    "thumbee",
    "neon",
    "vfpv3",
    "vfpv3d16",
    "tls",
    "vfpv4",
    "idiva",
    "idivt",
    "vfpd32",
    "lpae",
    "evtstrm",
    "fphp",
    "asimdhp",
    "asimddp",
    "asimdfhm",
    "asimdbf16",
    "i8mm",
];
/// Names of the bits of AT_HWCAP2.
const HWCAP2: &[&str] = &["aes", "pmull", "sha1", "sha2", "crc32", "sb", "ssbs"];

fn names(bits: u32, table: &'static [&'static str]) -> impl Iterator<Item = &'static str> {
    let set = move |n: &usize| bits >> n & 1 != 0;
    (0..table.len())
        .filter(set)
        .filter_map(|n| table.get(n))
        .copied()
}

/// The text for `cpus` processors of a model.
pub fn text(cpu: Option<&str>, cpus: usize) -> String {
    let Some(model) = CpuModel::find(cpu.unwrap_or("max")) else {
        return String::new();
    };
    let [one, two] = model.hwcap();
    let features: Vec<&str> = names(one, HWCAP).chain(names(two, HWCAP2)).collect();
    let version = model
        .platform
        .trim_start_matches('v')
        .trim_end_matches(|c: char| !c.is_ascii_digit());
    let revision = model.midr & 15;
    let name = format!(
        "ARMv{version} Processor rev {revision} ({}l)",
        model.platform
    );
    let mut out = String::new();
    for n in 0..cpus {
        out += &format!(
            "processor\t: {n}\nmodel name\t: {name}\nBogoMIPS\t: 125.00\nFeatures\t: {} \n",
            features.join(" ")
        );
        out += &format!(
            "CPU implementer\t: {:#04x}\nCPU architecture: {version}\nCPU variant\t: {:#x}\nCPU part\t: {:#05x}\n\
             CPU revision\t: {revision}\n\n",
            model.midr >> 24,
            model.midr >> 20 & 15,
            model.midr >> 4 & 0xfff,
        );
    }
    out + "Hardware\t: Generic DT based system\nRevision\t: 0000\nSerial\t\t: 0000000000000000\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(cpu: &str) -> Vec<String> {
        let text = text(Some(cpu), 1);
        let line = text
            .lines()
            .find_map(|l| l.strip_prefix("Features\t: "))
            .unwrap();
        line.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn features_are_those_of_the_model() {
        let has = |cpu, f: &str| features(cpu).iter().any(|x| x == f);
        assert!(has("cortex-a8", "neon") && has("cortex-a8", "vfpd32"));
        assert!(!has("cortex-a8", "aes") && !has("cortex-a8", "idiva"));
        assert!(!has("arm926", "neon") && has("arm926", "edsp"));
        assert!(has("max", "crc32"));
    }

    #[test]
    fn the_processor_is_that_of_the_model() {
        let a9 = text(Some("cortex-a9"), 2);
        for part in [
            "processor\t: 1\n",
            "CPU part\t: 0xc09\n",
            "CPU implementer\t: 0x41\n",
            "ARMv7 Processor rev 0 (v7l)",
        ] {
            assert!(a9.contains(part), "{part}: {a9}");
        }
    }
}
