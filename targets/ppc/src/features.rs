//! CPU models: feature sets, version registers, and what a Linux guest is told of them (HWCAP).

use crate::decode::{Feature, FeatureSet};

/// A CPU model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuModel {
    /// The name on the command line.
    pub name: &'static str,
    /// What it implements.
    pub features: FeatureSet,
    /// Processor version register.
    pub pvr: u32,
    /// Bytes that `dcbz` clears.
    pub dcbz: u32,
    /// The platform string of AT_PLATFORM, as the kernel's table of CPUs has it.
    pub platform: &'static str,
    /// The name in /proc/cpuinfo.
    pub title: &'static str,
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

const CLASSIC: [Feature; 3] = [Feature::Gfx, Feature::String, Feature::Mcrxr];
const G4: [Feature; 5] = [
    Feature::Gfx,
    Feature::String,
    Feature::Mcrxr,
    Feature::Altivec,
    Feature::Dcba,
];
const E500: [Feature; 4] = [Feature::Spe, Feature::Booke, Feature::Isel, Feature::Dcba];
const POWER7: [Feature; 9] = [
    Feature::W64,
    Feature::Gfx,
    Feature::Fsqrt,
    Feature::Frx,
    Feature::Frin,
    Feature::String,
    Feature::Altivec,
    Feature::Isa206,
    Feature::Vsx,
];
const POWER8: FeatureSet = set(POWER7).with(Feature::Isa207).with(Feature::Vsx207);

const fn model(
    name: &'static str,
    title: &'static str,
    pvr: u32,
    features: FeatureSet,
    dcbz: u32,
    platform: &'static str,
) -> CpuModel {
    CpuModel {
        name,
        features,
        pvr,
        dcbz,
        platform,
        title,
    }
}

/// All models: the defaults of 32 and 64 bits first.
pub static MODELS: &[CpuModel] = &[
    model("7450", "7450", 0x8000_0201, set(G4), 32, "ppc7450"),
    model(
        "power9",
        "POWER9",
        0x004e_1202,
        POWER8.with(Feature::Isa300),
        128,
        "power9",
    ),
    model("power8", "POWER8", 0x004d_0200, POWER8, 128, "power8"),
    model("power7", "POWER7", 0x003f_0203, set(POWER7), 128, "power7"),
    model(
        "970",
        "PPC970",
        0x0039_0202,
        set([
            Feature::W64,
            Feature::Gfx,
            Feature::Fsqrt,
            Feature::String,
            Feature::Mcrxr,
            Feature::Altivec,
        ]),
        128,
        "ppc970",
    ),
    model(
        "970fx",
        "PPC970FX",
        0x003c_0301,
        set([
            Feature::W64,
            Feature::Gfx,
            Feature::Fsqrt,
            Feature::String,
            Feature::Mcrxr,
            Feature::Altivec,
        ]),
        128,
        "ppc970",
    ),
    model("7400", "7400", 0x000c_0209, set(G4), 32, "ppc7400"),
    model("7447a", "7447A", 0x8003_0105, set(G4), 32, "ppc7450"),
    model("7448", "7448", 0x8004_0201, set(G4), 32, "ppc7450"),
    model("603", "603", 0x0003_0201, set(CLASSIC), 32, "ppc603"),
    model("603e", "603e", 0x0006_0400, set(CLASSIC), 32, "ppc603"),
    model("604", "604", 0x0004_0103, set(CLASSIC), 32, "ppc604"),
    model("740", "740/750", 0x0008_0301, set(CLASSIC), 32, "ppc750"),
    model("750", "740/750", 0x0008_0301, set(CLASSIC), 32, "ppc750"),
    model(
        "405",
        "405GP",
        0x4011_0145,
        set([
            Feature::String,
            Feature::Mcrxr,
            Feature::Booke,
            Feature::Dlmzb,
            Feature::Dcba,
        ]),
        32,
        "ppc405",
    ),
    model(
        "440",
        "440EP",
        0x4222_18d4,
        set([
            Feature::Fp,
            Feature::Gfx,
            Feature::String,
            Feature::Mcrxr,
            Feature::Booke,
            Feature::Dlmzb,
            Feature::Dcba,
        ]),
        32,
        "ppc440",
    ),
    model("e500v1", "e500", 0x8020_0020, set(E500), 32, "ppc8540"),
    model("e500v2", "e500v2", 0x8021_0030, set(E500), 32, "ppc8548"),
];

impl CpuModel {
    /// The model with this name, however it is capitalised.
    pub fn find(name: &str) -> Option<&'static CpuModel> {
        MODELS.iter().find(|m| m.name.eq_ignore_ascii_case(name))
    }

    /// The default of 32 or 64 bits.
    pub fn default_for(wide: bool) -> &'static CpuModel {
        &MODELS[usize::from(wide)]
    }

    /// Whether it has 64-bit registers.
    pub fn is_wide(&self) -> bool {
        self.features.has(Feature::W64)
    }

    /// AT_HWCAP and AT_HWCAP2, with the bits of the kernel's `asm/cputable.h`.
    pub fn hwcap(&self) -> [u32; 2] {
        let bits = |table: &[(Feature, u32)]| {
            table
                .iter()
                .filter(|(f, _)| self.features.has(*f))
                .fold(0, |set, (_, bits)| set | bits)
        };
        // 32-bit mode works on all of them; all but Book E have an MMU of the classic kind.
        let mmu = if self.features.has(Feature::Booke) {
            0x8000
        } else {
            0x0400_0000
        };
        [0x8000_0000 | mmu | bits(HWCAP), bits(HWCAP2)]
    }
}

const HWCAP: &[(Feature, u32)] = &[
    (Feature::W64, 0x4000_0000),
    (Feature::Altivec, 0x1000_0000),
    (Feature::Fp, 0x0800_0000),
    (Feature::Spe, 0x0080_0000),
    (Feature::Isa205, 0x0000_1000),
    (Feature::Vsx, 0x0000_0080),
    (Feature::Isa206, 0x0000_0100),
];
// 2.07, ISEL, TAR, vector crypto; 3.0, HAS_IEEE128, DARN, SCV.
const HWCAP2: &[(Feature, u32)] = &[
    (Feature::Isa207, 0x8000_0000 | 0x0400_0000),
    (Feature::Isel, 0x0800_0000),
    (Feature::Vsx207, 0x0200_0000),
    (
        Feature::Isa300,
        0x0080_0000 | 0x0040_0000 | 0x0020_0000 | 0x0010_0000,
    ),
];
