//! CPU models: feature sets, identification registers, and what a Linux guest is told of them (HWCAP).

use crate::decode::{Feature, FeatureSet};

/// A CPU model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuModel {
    /// The name on the command line.
    pub name: &'static str,
    /// What it implements.
    pub features: FeatureSet,
    /// Main ID register.
    pub midr: u32,
    /// Cache type register.
    pub ctr: u32,
}

const fn with(mut out: FeatureSet, list: &[Feature]) -> FeatureSet {
    let mut i = 0;
    while i < list.len() {
        out = out.with(list[i]);
        i += 1;
    }
    out
}

/// ARMv8.0 cores with the cryptographic extension.
const V8_0: FeatureSet = with(
    FeatureSet::NONE,
    &[
        Feature::Crc,
        Feature::Aes,
        Feature::Pmull,
        Feature::Sha1,
        Feature::Sha256,
    ],
);

/// The ARMv8.2 cores of the Cortex-A76 generation.
const V8_2: FeatureSet = with(
    V8_0,
    &[
        Feature::Lse,
        Feature::Rdm,
        Feature::Fp16,
        Feature::Dotprod,
        Feature::Lrcpc,
        Feature::Dpb,
        Feature::Lor,
        Feature::Ssbs,
    ],
);

/// Everything that is implemented.
const MAX: FeatureSet = with(
    V8_2,
    &[
        Feature::Sha512,
        Feature::Sha3,
        Feature::Sm3,
        Feature::Sm4,
        Feature::Fcma,
        Feature::Jscvt,
        Feature::Lrcpc2,
        Feature::Pauth,
        Feature::Flagm2,
        Feature::Frintts,
        Feature::Bti,
        Feature::Dpb2,
        Feature::Sb,
        Feature::Dit,
        Feature::Fhm,
    ],
);

/// All models, the default first. Register values are those of the cores' reference manuals.
pub static MODELS: &[CpuModel] = &[
    CpuModel {
        name: "max",
        features: MAX,
        midr: 0x000f_0510,
        // IDC and DIC: no cache maintenance is needed for code.
        ctr: 0xb444_c004,
    },
    CpuModel {
        name: "cortex-a53",
        features: V8_0,
        midr: 0x410f_d034,
        ctr: 0x8444_8004,
    },
    CpuModel {
        name: "cortex-a57",
        features: V8_0,
        midr: 0x411f_d070,
        ctr: 0x8444_c004,
    },
    CpuModel {
        name: "cortex-a72",
        features: V8_0,
        midr: 0x410f_d083,
        ctr: 0x8444_c004,
    },
    CpuModel {
        name: "cortex-a76",
        features: V8_2,
        midr: 0x414f_d0b1,
        ctr: 0x8444_c004,
    },
    CpuModel {
        name: "neoverse-n1",
        features: V8_2,
        midr: 0x414f_d0c1,
        ctr: 0x8444_c004,
    },
];

/// Bits of AT_HWCAP with the feature that each needs. (The kernel's Documentation/arch/arm64/elf_hwcaps.rst.)
const HWCAP: &[(Feature, u32)] = &[
    (Feature::Aes, 3),
    (Feature::Pmull, 4),
    (Feature::Sha1, 5),
    (Feature::Sha256, 6),
    (Feature::Crc, 7),
    (Feature::Lse, 8),
    (Feature::Fp16, 9),
    (Feature::Fp16, 10),
    (Feature::Rdm, 12),
    (Feature::Jscvt, 13),
    (Feature::Fcma, 14),
    (Feature::Lrcpc, 15),
    (Feature::Dpb, 16),
    (Feature::Sha3, 17),
    (Feature::Sm3, 18),
    (Feature::Sm4, 19),
    (Feature::Dotprod, 20),
    (Feature::Sha512, 21),
    (Feature::Fhm, 23),
    (Feature::Dit, 24),
    (Feature::Lrcpc2, 26),
    (Feature::Flagm, 27),
    (Feature::Ssbs, 28),
    (Feature::Sb, 29),
    (Feature::Pauth, 30),
    (Feature::Pauth, 31),
];

/// Bits of AT_HWCAP2.
const HWCAP2: &[(Feature, u32)] = &[
    (Feature::Dpb2, 0),
    (Feature::Flagm2, 7),
    (Feature::Frintts, 8),
    (Feature::Bti, 17),
];

/// The names of the kernel's "Features" line in /proc/cpuinfo, by HWCAP bit and then HWCAP2 bit.
const NAMES: [&[(u32, &str)]; 2] = [
    &[
        (0, "fp"),
        (1, "asimd"),
        (2, "evtstrm"),
        (3, "aes"),
        (4, "pmull"),
        (5, "sha1"),
        (6, "sha2"),
        (7, "crc32"),
        (8, "atomics"),
        (9, "fphp"),
        (10, "asimdhp"),
        (11, "cpuid"),
        (12, "asimdrdm"),
        (13, "jscvt"),
        (14, "fcma"),
        (15, "lrcpc"),
        (16, "dcpop"),
        (17, "sha3"),
        (18, "sm3"),
        (19, "sm4"),
        (20, "asimddp"),
        (21, "sha512"),
        (23, "asimdfhm"),
        (24, "dit"),
        (26, "ilrcpc"),
        (27, "flagm"),
        (28, "ssbs"),
        (29, "sb"),
        (30, "paca"),
        (31, "pacg"),
    ],
    &[(0, "dcpodp"), (7, "flagm2"), (8, "frint"), (17, "bti")],
];

impl CpuModel {
    /// The model with this name.
    pub fn find(name: &str) -> Option<&'static CpuModel> {
        MODELS.iter().find(|m| m.name == name)
    }

    /// AT_HWCAP and AT_HWCAP2.
    pub fn hwcap(&self) -> [u64; 2] {
        let bits = |table: &[(Feature, u32)]| {
            table
                .iter()
                .filter(|(f, _)| self.features.has(*f))
                .fold(0, |set, (_, bit)| set | 1 << bit)
        };
        // Floating point, Advanced SIMD, and the ID registers can be read.
        [1 | 1 << 1 | 1 << 11 | bits(HWCAP), bits(HWCAP2)]
    }

    /// The words of the "Features" line in /proc/cpuinfo.
    pub fn feature_names(&self) -> Vec<&'static str> {
        let caps = self.hwcap();
        let lists = NAMES.iter().zip(caps);
        lists
            .flat_map(|(names, cap)| names.iter().filter(move |(bit, _)| cap >> bit & 1 != 0))
            .map(|(_, name)| *name)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hwcap_follows_the_features() {
        let hwcap = |name| CpuModel::find(name).map(CpuModel::hwcap);
        assert_eq!(hwcap("cortex-a53"), Some([0x8fb, 0]));
        assert_eq!(hwcap("max").map(|h| h[0] >> 22 & 1), Some(0), "no SVE");
    }
}
