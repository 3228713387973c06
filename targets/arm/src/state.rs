//! The guest registers as they lie in the environment, and the block mode. The program counter is in the
//! environment's header, with the Thumb bit in bit 0; what the block mode holds (IT state, byte order,
//! floating-point control) is put together with the rest here: CPSR and FPSCR. [ARMv7 B1.3.3, B4.1.58]

use tcg_ir::{FpMode, FpNan, FpRound, Slot, StateLayout, Ty};
use tcg_softfloat::FloatStatus;
use tcg_target::StateBlock;

/// The guest's registers.
#[repr(C, align(16))]
#[derive(Clone, Debug)]
pub struct ArmState {
    /// R0 to R14.
    pub r: [u32; 15],
    /// Keeps what follows aligned.
    pub pad0: u32,
    /// Negative flag: 0 or 1.
    pub n: u32,
    /// Zero flag: 0 or 1.
    pub z: u32,
    /// Carry flag: 0 or 1.
    pub c: u32,
    /// Overflow flag: 0 or 1.
    pub v: u32,
    /// Saturation flag of the integer instructions: 0 or 1.
    pub q: u32,
    /// Greater-or-equal flags: 4 bits.
    pub ge: u32,
    /// The control bits of FPSCR ([`FPSCR_CONTROL`]).
    pub fpscr: u32,
    /// FPEXC.
    pub fpexc: u32,
    /// Flags of floating-point comparisons: N, each 0 or 1.
    pub fp_n: u32,
    /// Z.
    pub fp_z: u32,
    /// C.
    pub fp_c: u32,
    /// V.
    pub fp_v: u32,
    /// Cumulative saturation (FPSCR.QC) is set if any bit is.
    pub qc: u128,
    /// D0 to D31.
    pub vfp: [u64; 32],
    /// Address of the exclusive monitor; [`EXCLUSIVE_OPEN`] if there is none.
    pub excl_addr: u32,
    /// Keeps what follows aligned.
    pub pad1: u32,
    /// The value that the exclusive load read, zero-extended.
    pub excl_val: u64,
    /// User read-only thread register (the TLS pointer).
    pub tpidruro: u32,
    /// User read-write thread register.
    pub tpidrurw: u32,
    /// Fills the last 16 bytes.
    pub pad2: [u32; 2],
}

// SAFETY: repr(C), integers only, explicit padding, 16-byte aligned.
unsafe impl StateBlock for ArmState {}

/// No exclusive monitor: an address that no aligned access has.
pub const EXCLUSIVE_OPEN: u32 = u32::MAX;

/// Rounding mode, flush-to-zero, default NaN, alternative half precision, flush-to-zero of halves, vector length and
/// stride.
pub const FPSCR_CONTROL: u32 = 0x07ff_0000;
/// Flush-to-zero of half-precision arithmetic: there only if that is.
pub const FPSCR_FZ16: u32 = 1 << 19;
/// Vector length and stride.
pub const FPSCR_VECTOR: u32 = 7 << 16 | 3 << 20;
/// Cumulative saturation.
pub const FPSCR_QC: u32 = 1 << 27;

/// Slots for the IR builder.
pub mod slot {
    use super::{ArmState, Slot, Ty};
    use std::mem::offset_of;

    macro_rules! slots {
        ($($(#[doc = $doc:literal])+ $name:ident = $field:ident $ty:ident;)*) => {
            $($(#[doc = $doc])+ pub const $name: Slot = Slot::new(offset_of!(ArmState, $field), Ty::$ty);)*
        };
    }
    slots! {
        /// Negative.
        N = n I32;
        /// Zero.
        Z = z I32;
        /// Carry.
        C = c I32;
        /// Overflow.
        V = v I32;
        /// Saturation.
        Q = q I32;
        /// Greater or equal.
        GE = ge I32;
        /// FPSCR control bits.
        FPSCR = fpscr I32;
        /// FPEXC.
        FPEXC = fpexc I32;
        /// FPSCR.N.
        FP_N = fp_n I32;
        /// FPSCR.Z.
        FP_Z = fp_z I32;
        /// FPSCR.C.
        FP_C = fp_c I32;
        /// FPSCR.V.
        FP_V = fp_v I32;
        /// Cumulative saturation.
        QC = qc V128;
        /// Exclusive monitor's address.
        EXCL_ADDR = excl_addr I32;
        /// Exclusive monitor's value.
        EXCL_VAL = excl_val I64;
        /// TPIDRURO.
        TPIDRURO = tpidruro I32;
        /// TPIDRURW.
        TPIDRURW = tpidrurw I32;
    }

    /// The core register `n`, 0 to 14.
    pub const fn r(n: u32) -> Slot {
        debug_assert!(n < 15);
        Slot::new(4 * n as usize, Ty::I32)
    }

    /// The single-precision register `n`, 0 to 31.
    pub const fn s(n: u32) -> Slot {
        Slot::new(offset_of!(ArmState, vfp) + 4 * (n as usize & 31), Ty::F32)
    }

    /// The doubleword register `n`, 0 to 31, as a double.
    pub const fn d(n: u32) -> Slot {
        Slot::new(offset_of!(ArmState, vfp) + 8 * (n as usize & 31), Ty::F64)
    }

    /// The doubleword register `n`, 0 to 31, as a vector.
    pub const fn dv(n: u32) -> Slot {
        Slot::new(offset_of!(ArmState, vfp) + 8 * (n as usize & 31), Ty::V64)
    }

    /// The quadword register `n`, 0 to 15.
    pub const fn q(n: u32) -> Slot {
        Slot::new(offset_of!(ArmState, vfp) + 16 * (n as usize & 15), Ty::V128)
    }
}

/// The state block's layout.
pub static LAYOUT: StateLayout = StateLayout {
    // The compilers' first choice, what functions get and give, SP, and what lives over calls.
    pinned: &[slot::r(3), slot::r(0), slot::r(13), slot::r(4)],
    bytes: std::mem::size_of::<ArmState>(),
    peek: &[
        slot::N,
        slot::Z,
        slot::C,
        slot::V,
        slot::FP_N,
        slot::FP_Z,
        slot::FP_C,
        slot::FP_V,
    ],
    bits: &[
        slot::N,
        slot::Z,
        slot::C,
        slot::V,
        slot::FP_N,
        slot::FP_Z,
        slot::FP_C,
        slot::FP_V,
    ],
    names: &[
        (slot::r(0), "r0"),
        (slot::r(1), "r1"),
        (slot::r(2), "r2"),
        (slot::r(3), "r3"),
        (slot::r(4), "r4"),
        (slot::r(5), "r5"),
        (slot::r(6), "r6"),
        (slot::r(7), "r7"),
        (slot::r(8), "r8"),
        (slot::r(9), "r9"),
        (slot::r(10), "r10"),
        (slot::r(11), "r11"),
        (slot::r(12), "r12"),
        (slot::r(13), "sp"),
        (slot::r(14), "lr"),
        (slot::N, "n"),
        (slot::Z, "z"),
        (slot::C, "c"),
        (slot::V, "v"),
        (slot::Q, "q"),
        (slot::GE, "ge"),
        (slot::FPSCR, "fpscr"),
        (slot::FP_N, "fpn"),
        (slot::FP_Z, "fpz"),
        (slot::FP_C, "fpc"),
        (slot::FP_V, "fpv"),
        (slot::QC, "qc"),
        (slot::EXCL_ADDR, "xaddr"),
        (slot::EXCL_VAL, "xval"),
        (slot::TPIDRURO, "tpidruro"),
        (slot::TPIDRURW, "tpidrurw"),
    ],
};

/// The mode bits that a translation depends on (besides the Thumb bit in the program counter).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Mode {
    const IT: u32 = 0xff;
    const BIG: u32 = 1 << 8;
    const FP_SHIFT: u32 = 9;
    /// The bits that come from FPSCR: RMode, FZ, DN, AHP are bits 22 to 26 there.
    const FP: u32 = 0x1f << Self::FP_SHIFT;
    /// FPSCR's FZ16.
    const FZ16: u32 = 1 << 14;
    /// FPSCR's Len or Stride is not 0.
    const VECTOR: u32 = 1 << 15;

    /// The IT state: base condition in bits 7:5, the rest as in CPSR.IT. 0 outside of an IT block.
    pub const fn it(self) -> u8 {
        self.0 as u8
    }

    /// With this IT state.
    #[must_use]
    pub const fn with_it(self, it: u8) -> Mode {
        Mode(self.0 & !Self::IT | it as u32)
    }

    /// The IT state behind the current instruction. [ARMv7 A2.5.2]
    #[must_use]
    pub const fn it_advance(self) -> Mode {
        let it = self.it();
        self.with_it(if it & 7 == 0 {
            0
        } else {
            it & 0xe0 | it << 1 & 0x1f
        })
    }

    /// Big-endian data (CPSR.E).
    pub const fn big_endian(self) -> bool {
        self.0 & Self::BIG != 0
    }

    /// With this data byte order.
    #[must_use]
    pub const fn with_big_endian(self, big: bool) -> Mode {
        Mode(self.0 & !Self::BIG | (big as u32) << 8)
    }

    /// With the floating-point control of this FPSCR value.
    #[must_use]
    pub const fn with_fpscr(self, fpscr: u32) -> Mode {
        let mut bits = (fpscr >> 22 & 0x1f) << Self::FP_SHIFT;
        if fpscr & FPSCR_FZ16 != 0 {
            bits |= Self::FZ16;
        }
        if fpscr & FPSCR_VECTOR != 0 {
            bits |= Self::VECTOR;
        }
        Mode(self.0 & !(Self::FP | Self::FZ16 | Self::VECTOR) | bits)
    }

    /// RMode, FZ, DN, AHP and FZ16 at their places in FPSCR.
    pub const fn fpscr_bits(self) -> u32 {
        let half = if self.0 & Self::FZ16 != 0 {
            FPSCR_FZ16
        } else {
            0
        };
        (self.0 & Self::FP) >> Self::FP_SHIFT << 22 | half
    }

    /// Whether floating-point data processing works on short vectors.
    pub const fn vectors(self) -> bool {
        self.0 & Self::VECTOR != 0
    }

    /// Without the IT state.
    #[must_use]
    pub const fn without_it(self) -> Mode {
        self.with_it(0)
    }

    /// The floating-point regimes: that of FPSCR for VFP, the standard one for Advanced SIMD.
    pub const fn fp_modes(self) -> [FpMode; 2] {
        let bits = self.fpscr_bits();
        let round = match bits >> 22 & 3 {
            0 => FpRound::Nearest,
            1 => FpRound::Up,
            2 => FpRound::Down,
            _ => FpRound::Zero,
        };
        let alt_half = bits & 1 << 26 != 0;
        let vfp = FpMode {
            round,
            flush: bits & 1 << 24 != 0,
            default_nan: bits & 1 << 25 != 0,
            nan: FpNan::SignallingFirst,
            alt_half,
            tiny_before: true,
            silent: false,
        };
        let simd = FpMode {
            alt_half,
            ..FpMode::FLUSHING
        };
        [vfp, simd]
    }
}

impl Mode {
    /// The soft float's view of FPSCR.
    pub fn status(self) -> FloatStatus {
        let bits = self.fpscr_bits();
        let round = tcg_softfloat::arm::rounding_mode(bits >> 22 & 3);
        FloatStatus::arm_vfp(round, bits & 1 << 24 != 0, bits & 1 << 25 != 0)
            .with_arm_half(bits & FPSCR_FZ16 != 0, bits & 1 << 26 != 0)
    }
}

impl ArmState {
    /// A state with all registers 0 and no exclusive monitor.
    pub const fn new() -> ArmState {
        ArmState {
            r: [0; 15],
            pad0: 0,
            n: 0,
            z: 0,
            c: 0,
            v: 0,
            q: 0,
            ge: 0,
            fpscr: 0,
            fpexc: 1 << 30,
            fp_n: 0,
            fp_z: 0,
            fp_c: 0,
            fp_v: 0,
            qc: 0,
            vfp: [0; 32],
            excl_addr: EXCLUSIVE_OPEN,
            pad1: 0,
            excl_val: 0,
            tpidruro: 0,
            tpidrurw: 0,
            pad2: [0; 2],
        }
    }

    /// CPSR of user mode. [ARMv7 B1.3.3]
    pub const fn cpsr(&self, pc: u64, mode: Mode) -> u32 {
        let it = mode.it() as u32;
        flag_bits(self.n, self.z, self.c, self.v)
            | (self.q & 1) << 27
            | (it & 3) << 25
            | (self.ge & 15) << 16
            | (it >> 2) << 10
            | (mode.big_endian() as u32) << 9
            | (pc as u32 & 1) << 5
            | 0x10
    }

    /// Takes over what user mode may set of CPSR; gives the new mode and whether Thumb state was called for.
    pub fn set_cpsr(&mut self, cpsr: u32, mode: Mode) -> (Mode, bool) {
        self.set_apsr(cpsr);
        let thumb = cpsr & 1 << 5 != 0;
        let it = if thumb {
            (cpsr >> 25 & 3) | (cpsr >> 10 & 0x3f) << 2
        } else {
            0
        };
        let mode = mode.with_big_endian(cpsr & 1 << 9 != 0).with_it(it as u8);
        (mode, thumb)
    }

    /// The flags of CPSR: N, Z, C, V, Q and GE.
    pub fn set_apsr(&mut self, apsr: u32) {
        [self.n, self.z, self.c, self.v] = unpack_flags(apsr);
        self.q = apsr >> 27 & 1;
        self.ge = apsr >> 16 & 15;
    }

    /// FPSCR, given the sticky exception flags in the layout of the soft-float crate. [ARMv7 B4.1.58]
    pub const fn fpscr(&self, sticky: u32) -> u32 {
        flag_bits(self.fp_n, self.fp_z, self.fp_c, self.fp_v)
            | if self.qc != 0 { FPSCR_QC } else { 0 }
            | self.fpscr & FPSCR_CONTROL
            | sticky & 0x1f
            | (sticky >> 5 & 1) << 7
    }

    /// Replaces FPSCR; gives the sticky exception flags to put into the environment's header. The block mode
    /// has to follow: [`Mode::with_fpscr`].
    pub fn set_fpscr(&mut self, fpscr: u32) -> u32 {
        [self.fp_n, self.fp_z, self.fp_c, self.fp_v] = unpack_flags(fpscr);
        self.qc = u128::from(fpscr & FPSCR_QC != 0);
        self.fpscr = fpscr & FPSCR_CONTROL;
        fpscr & 0x1f | (fpscr >> 7 & 1) << 5
    }

    /// A view of a state block's bytes; `None` if they are too few or misaligned.
    pub fn from_bytes(bytes: &[u8]) -> Option<&ArmState> {
        let p = bytes.as_ptr().cast::<ArmState>();
        // SAFETY: aligned and long enough as checked; every bit pattern is valid; same lifetime.
        (bytes.len() >= size_of::<ArmState>() && p.is_aligned()).then(|| unsafe { &*p })
    }

    /// The same, to write.
    pub fn from_bytes_mut(bytes: &mut [u8]) -> Option<&mut ArmState> {
        let p = bytes.as_mut_ptr().cast::<ArmState>();
        // SAFETY: aligned and long enough as checked; every bit pattern is valid; same lifetime.
        (bytes.len() >= size_of::<ArmState>() && p.is_aligned()).then(|| unsafe { &mut *p })
    }
}

impl Default for ArmState {
    fn default() -> ArmState {
        ArmState::new()
    }
}

const fn flag_bits(n: u32, z: u32, c: u32, v: u32) -> u32 {
    (n & 1) << 31 | (z & 1) << 30 | (c & 1) << 29 | (v & 1) << 28
}

const fn unpack_flags(psr: u32) -> [u32; 4] {
    [psr >> 31, psr >> 30 & 1, psr >> 29 & 1, psr >> 28 & 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_layout_matches_the_slots() {
        assert_eq!(slot::N.off, 64);
        assert_eq!(slot::q(0).off % 16, 0);
        assert_eq!(slot::QC.off % 16, 0);
        assert_eq!(slot::EXCL_VAL.off % 8, 0);
        assert_eq!(LAYOUT.bytes % 16, 0);
        assert_eq!(slot::s(3).off, slot::d(1).off + 4);
    }

    #[test]
    fn cpsr_round_trip_keeps_user_bits() {
        let mut s = ArmState::new();
        let value = 0xae0f_0630 | 0x5400;
        let (mode, thumb) = s.set_cpsr(value, Mode(0));
        assert!(thumb);
        assert_eq!(s.cpsr(1, mode), value);
    }

    #[test]
    fn fpscr_round_trip_keeps_flags_control_and_sticky() {
        let mut s = ArmState::new();
        let sticky = s.set_fpscr(0xafc0_009f);
        assert_eq!(s.fpscr(sticky), 0xafc0_009f);
        let mode = Mode(0).with_fpscr(0x0004_0000);
        assert!(mode.vectors() && mode.fpscr_bits() == 0 && mode.0 < 1 << 16);
        let mode = Mode(0).with_fpscr(0x03c8_0000);
        assert_eq!(mode.fpscr_bits(), 0x03c8_0000);
        let mode = Mode(0).with_fpscr(0x03c0_0000);
        assert_eq!(mode.fpscr_bits(), 0x03c0_0000);
        assert_eq!(mode.fp_modes()[0].round, FpRound::Zero);
    }

    #[test]
    fn it_state_advances_through_the_block() {
        // ITTE EQ: 0000 0110 as firstcond:mask.
        let m = Mode(0).with_it(0x06);
        let m = m.it_advance();
        assert_eq!(m.it(), 0x0c);
        let m = m.it_advance();
        assert_eq!(m.it(), 0x18);
        assert_eq!(m.it_advance().it(), 0);
    }
}
