//! Which host instructions may be used.

/// Host CPU features that the code generator looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// AVX2 (VEX forms of all vector instructions).
    pub avx2: bool,
    /// BMI1 and BMI2 (andn, shlx, rorx, …).
    pub bmi2: bool,
    /// FMA3.
    pub fma: bool,
    /// movbe.
    pub movbe: bool,
    /// lzcnt (and tzcnt with `bmi2`).
    pub lzcnt: bool,
    /// popcnt.
    pub popcnt: bool,
    /// Carry-less multiplication.
    pub pclmul: bool,
    /// AES rounds.
    pub aes: bool,
    /// SHA-1 and SHA-256 rounds.
    pub sha: bool,
    /// Half-precision conversion.
    pub f16c: bool,
}

impl Features {
    /// What this machine has.
    pub fn detect() -> Features {
        Features {
            avx2: is_x86_feature_detected!("avx2"),
            bmi2: is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2"),
            fma: is_x86_feature_detected!("fma"),
            movbe: is_x86_feature_detected!("movbe"),
            lzcnt: is_x86_feature_detected!("lzcnt"),
            popcnt: is_x86_feature_detected!("popcnt"),
            pclmul: is_x86_feature_detected!("pclmulqdq"),
            aes: is_x86_feature_detected!("aes"),
            sha: is_x86_feature_detected!("sha"),
            f16c: is_x86_feature_detected!("f16c"),
        }
    }

    /// The least that is supported: SSE4.2.
    pub const fn baseline() -> Features {
        Features {
            avx2: false,
            bmi2: false,
            fma: false,
            movbe: false,
            lzcnt: false,
            popcnt: false,
            pclmul: false,
            aes: false,
            sha: false,
            f16c: false,
        }
    }
}
