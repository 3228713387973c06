//! Which host instructions may be used.

use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};

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
    /// What this machine has (Intel SDM 2, CPUID). Three leaves instead of the standard library's fifteen: in a virtual machine,
    /// each traps and takes microseconds, of which the start of a short program has few.
    pub fn detect() -> Features {
        let basic = __cpuid(1).ecx;
        let has = |word: u32, bit: u32| word >> bit & 1 != 0;
        // A processor with AVX has XSAVE's leaf 13, and so leaf 7.
        let avx = has(basic, 27) && has(basic, 28) && os_keeps_ymm();
        let extended = if avx { __cpuid_count(7, 0).ebx } else { 0 };
        Features {
            avx2: has(extended, 5),
            bmi2: has(extended, 3) && has(extended, 8),
            fma: avx && has(basic, 12),
            movbe: has(basic, 22),
            lzcnt: has(__cpuid(0x8000_0001).ecx, 5),
            popcnt: has(basic, 23),
            pclmul: has(basic, 1),
            aes: has(basic, 25),
            sha: has(extended, 29),
            f16c: avx && has(basic, 29),
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

/// Whether the system saves the registers of AVX: bits 1 and 2 of XCR0. Only where CPUID says OSXSAVE.
fn os_keeps_ymm() -> bool {
    // SAFETY: OSXSAVE, which the caller has seen, says that the instruction is there.
    unsafe { xcr0() & 6 == 6 }
}

/// XCR0.
///
/// # Safety
/// The processor has XGETBV, and the system has switched it on.
#[target_feature(enable = "xsave")]
unsafe fn xcr0() -> u64 {
    // SAFETY: as above.
    unsafe { _xgetbv(0) }
}

#[cfg(test)]
mod tests {
    use super::Features;

    #[test]
    fn the_standard_library_sees_the_same() {
        let theirs = Features {
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
        };
        assert_eq!(Features::detect(), theirs);
    }
}
