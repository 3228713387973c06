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
    /// Floating-point system ID register.
    pub fpsid: u32,
    /// Media and VFP feature registers 0 and 1.
    pub mvfr: [u32; 2],
    /// The platform string of AT_PLATFORM, without the byte order's letter.
    pub platform: &'static str,
}

const fn set<const N: usize>(list: [Feature; N]) -> FeatureSet {
    let mut out = FeatureSet::NONE;
    let mut i = 0;
    while i < N {
        out = out.with(list[i]);
        i += 1;
    }
    out
}

const V6_VFP: [Feature; 3] = [Feature::V6, Feature::Vfp2, Feature::Jazelle];
const V6K_VFP: [Feature; 3] = [Feature::V6k, Feature::Vfp2, Feature::Jazelle];

/// All models, the default first. Register values are those of the cores' reference manuals.
pub static MODELS: &[CpuModel] = &[
    CpuModel {
        name: "max",
        features: set([
            Feature::V8,
            Feature::Crc,
            Feature::Security,
            Feature::Fpv8,
            Feature::Neon,
            Feature::Pmull,
            Feature::Sha1,
            Feature::Sha256,
            Feature::Rdm,
            Feature::Dotprod,
            Feature::Fullfp16,
            Feature::Fcma,
            Feature::Jscvt,
            Feature::Fhm,
            Feature::Bf16,
            Feature::I8mm,
            Feature::Sb,
            Feature::Ssbs,
        ]),
        midr: 0x410f_d0f0,
        ctr: 0x8444_c004,
        fpsid: 0x4103_4070,
        mvfr: [0x1011_0222, 0x1321_1111],
        platform: "v8",
    },
    CpuModel {
        name: "cortex-a15",
        features: set([
            Feature::Mp,
            Feature::Virt,
            Feature::Idiva,
            Feature::Vfp4,
            Feature::Neon,
        ]),
        midr: 0x412f_c0f1,
        ctr: 0x8444_c004,
        fpsid: 0x4103_00f0,
        mvfr: [0x1011_0222, 0x1111_1111],
        platform: "v7",
    },
    CpuModel {
        name: "cortex-a7",
        features: set([
            Feature::Mp,
            Feature::Virt,
            Feature::Idiva,
            Feature::Vfp4,
            Feature::Neon,
        ]),
        midr: 0x410f_c075,
        ctr: 0x8444_8003,
        fpsid: 0x4102_3075,
        mvfr: [0x1011_0222, 0x1111_1111],
        platform: "v7",
    },
    CpuModel {
        name: "cortex-a9",
        features: set([Feature::Mp, Feature::Security, Feature::Fp16, Feature::Neon]),
        midr: 0x410f_c090,
        ctr: 0x8003_8003,
        fpsid: 0x4103_3090,
        mvfr: [0x1111_0222, 0x0111_1111],
        platform: "v7",
    },
    CpuModel {
        name: "cortex-a8",
        features: set([Feature::V7, Feature::Security, Feature::Neon]),
        midr: 0x410f_c080,
        ctr: 0x8204_8004,
        fpsid: 0x4103_30c0,
        mvfr: [0x1111_0222, 0x0001_1111],
        platform: "v7",
    },
    CpuModel {
        name: "arm1176",
        features: set(V6K_VFP).with(Feature::Security),
        midr: 0x410f_b767,
        ctr: 0x01dd_20d2,
        fpsid: 0x4101_20b5,
        mvfr: [0x1111_1111, 0],
        platform: "v6",
    },
    CpuModel {
        name: "arm11mpcore",
        features: set(V6K_VFP),
        midr: 0x410f_b022,
        ctr: 0x1d19_2992,
        fpsid: 0x4101_20b4,
        mvfr: [0x1111_1111, 0],
        platform: "v6",
    },
    CpuModel {
        name: "arm1136",
        features: set(V6K_VFP),
        midr: 0x4117_b363,
        ctr: 0x01dd_20d2,
        fpsid: 0x4101_20b4,
        mvfr: [0x1111_1111, 0],
        platform: "v6",
    },
    CpuModel {
        name: "arm1136-r2",
        features: set(V6_VFP),
        midr: 0x4107_b362,
        ctr: 0x01dd_20d2,
        fpsid: 0x4101_20b4,
        mvfr: [0x1111_1111, 0],
        platform: "v6",
    },
    CpuModel {
        name: "arm926",
        features: set([Feature::V5te, Feature::Vfp2, Feature::Jazelle]),
        midr: 0x4106_9265,
        ctr: 0x01dd_20d2,
        fpsid: 0x4101_1090,
        mvfr: [0, 0],
        platform: "v5",
    },
];

impl CpuModel {
    /// The model with this name.
    pub fn find(name: &str) -> Option<&'static CpuModel> {
        MODELS.iter().find(|m| m.name == name)
    }

    /// AT_HWCAP and AT_HWCAP2, with the bit numbers of the kernel's `asm/hwcap.h`.
    pub fn hwcap(&self) -> [u32; 2] {
        let bits = |table: &[(Feature, u32)]| {
            table
                .iter()
                .filter(|(f, _)| self.features.has(*f))
                .fold(0, |set, (_, bit)| set | 1 << bit)
        };
        // Half-word accesses, Thumb and fast multiply are there on all models; SWP too, as far as user mode sees.
        let mut one = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 4 | bits(HWCAP);
        if self.features.has(Feature::Vfp3) && !self.features.has(Feature::D32) {
            one |= 1 << 14;
        }
        [one, bits(HWCAP2)]
    }
}

const HWCAP: &[(Feature, u32)] = &[
    (Feature::Vfp2, 6),
    (Feature::V5te, 7),
    (Feature::Jazelle, 8),
    (Feature::Neon, 12),
    (Feature::Vfp3, 13),
    (Feature::V6k, 15),
    (Feature::Vfp4, 16),
    (Feature::Idiva, 17),
    (Feature::Idivt, 18),
    (Feature::D32, 19),
    (Feature::Virt, 20),
    (Feature::V8, 20),
    (Feature::Fullfp16, 22),
    (Feature::Fullfp16, 23),
    (Feature::Dotprod, 24),
    (Feature::Fhm, 25),
    (Feature::Bf16, 26),
    (Feature::I8mm, 27),
];
const HWCAP2: &[(Feature, u32)] = &[
    (Feature::Aes, 0),
    (Feature::Pmull, 1),
    (Feature::Sha1, 2),
    (Feature::Sha256, 3),
    (Feature::Crc, 4),
    (Feature::Sb, 5),
    (Feature::Ssbs, 6),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hwcap_follows_the_features() {
        let hwcap = |name| CpuModel::find(name).map(CpuModel::hwcap);
        assert_eq!(hwcap("cortex-a8").map(|h| h[0]), Some(0x0008_b0d7));
        assert_eq!(hwcap("arm926").map(|h| h[0]), Some(0x1d7));
        assert_eq!(hwcap("max").map(|h| h[1]), Some(0x7f));
    }
}
