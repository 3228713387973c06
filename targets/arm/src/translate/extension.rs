//! The spaces of VFP and Advanced SIMD: which words belong to them, and T32 words in their A32 form.
//! [ARMv7 A7.1, A7.3 to A7.5]

use super::{Out, Translator};
use crate::decode::{self, Feature};
use crate::helper::{self, short_vector};

decode::dispatch_vfp!(fn decode_vfp, Translator<'_>, Out);
decode::dispatch_neon!(fn decode_neon, Translator<'_>, Out);

/// Where an extension instruction is decoded, in its A32 form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    /// The coprocessors 10 and 11.
    Vfp(u32),
    /// Advanced SIMD data processing, element and structure loads and stores.
    Neon(u32),
}

/// Coprocessor 9, 10 or 11, in a word of A32 (any condition) or T32 (first byte 0xEC to 0xEE, 0xFC to 0xFE).
const fn is_vfp(insn: u32) -> bool {
    let class = insn >> 24 & 0xf;
    (class == 0xc || class == 0xd || class == 0xe) && matches!(insn >> 8 & 0xf, 9..=11)
}

/// Advanced SIMD in the space of the unconditional coprocessor instructions: 8, 12 and 13.
/// [ARMv8 F4.1.23 to F4.1.25]
const fn is_late_simd(insn: u32) -> bool {
    let class = insn >> 24 & 0xff;
    (class == 0xfc || class == 0xfd || class == 0xfe) && matches!(insn >> 8 & 0xf, 8 | 12 | 13)
}

/// The space of an A32 instruction.
pub(crate) const fn a32(insn: u32) -> Option<Space> {
    if insn >> 25 == 0b111_1001 || insn >> 24 == 0xf4 && insn & 1 << 20 == 0 || is_late_simd(insn) {
        Some(Space::Neon(insn))
    } else if is_vfp(insn) {
        Some(Space::Vfp(insn))
    } else {
        None
    }
}

/// The space of a 32-bit T32 instruction.
pub(crate) const fn t32(insn: u32) -> Option<Space> {
    if insn >> 24 & 0xef == 0xef {
        // 111U 1111 … becomes 1111 001U …
        let unsigned = insn >> 28 & 1;
        Some(Space::Neon(
            0xf200_0000 | unsigned << 24 | insn & 0x00ff_ffff,
        ))
    } else if insn >> 24 == 0xf9 && insn & 1 << 20 == 0 {
        Some(Space::Neon(0xf400_0000 | insn & 0x00ff_ffff))
    } else if is_late_simd(insn) {
        Some(Space::Neon(insn))
    } else if insn >> 29 == 7 && is_vfp(insn) {
        Some(Space::Vfp(insn))
    } else {
        None
    }
}

impl Translator<'_> {
    /// Translates an instruction of an extension.
    pub(super) fn extension(&mut self, space: Space) -> Out {
        match space {
            Space::Vfp(insn) if self.mode.vectors() && short_vector::vectorised(insn) => {
                self.short_vector(insn)
            }
            Space::Vfp(insn) => decode_vfp(self, insn),
            Space::Neon(insn) => decode_neon(self, insn),
        }
    }

    /// VFP data processing while FPSCR.Len or FPSCR.Stride is not 0. Where the processor lacks short vectors, Linux
    /// computes them for programs (arch/arm/vfp), but not under ARMv8.
    fn short_vector(&mut self, insn: u32) -> Out {
        let d32 = self.has(Feature::D32);
        let double = insn & 0x100 != 0;
        // With one operand bit 7 belongs to the opcode.
        let second = if insn & 0x00b0_0000 == 0x00b0_0000 {
            0
        } else {
            1 << 7
        };
        let far = double && !d32 && insn & (1 << 22 | second | 1 << 5) != 0;
        let known = decode::vfp::find(self.features, insn).is_some();
        if !known || far || self.has(Feature::V8) {
            return self.undefined();
        }
        let id = helper::SHORT_VECTOR;
        let insn = self.b.i32(insn);
        self.b.call(id, helper::def(id), &[insn]);
        Out::Next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t32_words_get_their_a32_form() {
        // vadd.i32 q0, q1, q2; vld1.8 {d0}, [r1]; vadd.f32 s0, s1, s2
        assert_eq!(t32(0xef22_0844), Some(Space::Neon(0xf222_0844)));
        assert_eq!(t32(0xff00_0154), Some(Space::Neon(0xf300_0154)));
        assert_eq!(t32(0xf921_070f), Some(Space::Neon(0xf421_070f)));
        assert_eq!(t32(0xee30_0a81), Some(Space::Vfp(0xee30_0a81)));
        assert_eq!(t32(0xf8d1_0000), None);
    }

    #[test]
    fn a32_memory_hints_are_not_simd() {
        // pli [r0]
        assert_eq!(a32(0xf4d0_f000), None);
        assert_eq!(a32(0x0e30_0a81), Some(Space::Vfp(0x0e30_0a81)));
        // svc
        assert_eq!(a32(0xef00_0a00), None);
    }
}
