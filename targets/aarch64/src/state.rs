//! The guest registers as they lie in the environment, and the block mode. The program counter is in the
//! environment's header; the sticky floating-point flags are the core's. [ARMv8 C5.2, B1.2]

use tcg_ir::{FpMode, FpNan, FpRound, Slot, StateLayout, Ty};
use tcg_target::StateBlock;

/// The guest's registers.
#[repr(C, align(16))]
#[derive(Clone, Debug)]
pub struct A64State {
    /// X0 to X30, and SP.
    pub x: [u64; 32],
    /// Negative flag: 0 or 1.
    pub n: u32,
    /// Zero flag: 0 or 1.
    pub z: u32,
    /// Carry flag: 0 or 1.
    pub c: u32,
    /// Overflow flag: 0 or 1.
    pub v: u32,
    /// V0 to V31.
    pub vec: [u128; 32],
    /// Cumulative saturation (FPSR.QC) is set if any bit is.
    pub qc: u128,
    /// FPCR ([`FPCR_BITS`]).
    pub fpcr: u32,
    /// Keeps what follows aligned.
    pub pad: u32,
    /// Address of the exclusive monitor; [`EXCLUSIVE_OPEN`] if there is none.
    pub excl_addr: u64,
    /// What the exclusive load read: low and (pairs of 64 bits) high half, zero-extended.
    pub excl_val: [u64; 2],
    /// TPIDR_EL0: the TLS pointer.
    pub tpidr: u64,
    /// TPIDRRO_EL0.
    pub tpidrro: u64,
    /// Keys of pointer authentication: IA, IB, DA, DB, GA; low half first.
    pub keys: [[u64; 2]; 5],
    /// PSTATE.DIT and PSTATE.SSBS: 0 or 1 each.
    pub dit: u32,
    /// PSTATE.SSBS.
    pub ssbs: u32,
    /// Fills the last 16 bytes.
    pub pad2: u64,
}

// SAFETY: repr(C), integers only, explicit padding, 16-byte aligned.
unsafe impl StateBlock for A64State {}

/// Index of SP in [`A64State::x`].
pub const SP: usize = 31;

/// No exclusive monitor: an address that no aligned access has.
pub const EXCLUSIVE_OPEN: u64 = u64::MAX;

/// AHP, DN, FZ, RMode, FZ16.
pub const FPCR_BITS: u32 = 0x07c8_0000;
/// Cumulative saturation.
pub const FPSR_QC: u32 = 1 << 27;

/// Slots for the IR builder.
pub mod slot {
    use super::{A64State, Slot, Ty};
    use std::mem::offset_of;

    macro_rules! slots {
        ($($(#[doc = $doc:literal])+ $name:ident = $field:ident $ty:ident;)*) => {
            $($(#[doc = $doc])+ pub const $name: Slot = Slot::new(offset_of!(A64State, $field), Ty::$ty);)*
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
        /// FPCR.
        FPCR = fpcr I32;
        /// Cumulative saturation.
        QC = qc V128;
        /// Exclusive monitor's address.
        EXCL_ADDR = excl_addr I64;
        /// Exclusive monitor's value, low half.
        EXCL_VAL = excl_val I64;
        /// TPIDR_EL0.
        TPIDR = tpidr I64;
        /// TPIDRRO_EL0.
        TPIDRRO = tpidrro I64;
        /// PSTATE.DIT.
        DIT = dit I32;
        /// PSTATE.SSBS.
        SSBS = ssbs I32;
    }
    /// Exclusive monitor's value, high half.
    pub const EXCL_VAL2: Slot = Slot::new(offset_of!(A64State, excl_val) + 8, Ty::I64);

    /// The register X`n`; 31 is SP.
    pub const fn x(n: u32) -> Slot {
        Slot::new(8 * (n as usize & 31), Ty::I64)
    }

    /// The register V`n`.
    pub const fn v(n: u32) -> Slot {
        Slot::new(offset_of!(A64State, vec) + 16 * (n as usize & 31), Ty::V128)
    }

    /// The low part of V`n` as a value of a type.
    pub const fn part(n: u32, ty: Ty) -> Slot {
        Slot::new(offset_of!(A64State, vec) + 16 * (n as usize & 31), ty)
    }

    /// The high half of V`n`.
    pub const fn high(n: u32, ty: Ty) -> Slot {
        Slot::new(offset_of!(A64State, vec) + 16 * (n as usize & 31) + 8, ty)
    }
}

/// The state block's layout.
pub static LAYOUT: StateLayout = StateLayout {
    // What functions get and give, what lives over calls, and SP.
    pinned: &[slot::x(0), slot::x(1), slot::x(19), slot::x(31)],
    bytes: std::mem::size_of::<A64State>(),
    peek: &[slot::N, slot::Z, slot::C, slot::V],
    bits: &[slot::N, slot::Z, slot::C, slot::V],
    names: &NAMES,
};

macro_rules! register_names {
    ($($n:literal)*) => {
        [
            $((slot::x($n), concat!("x", $n)),)*
            (slot::x(31), "sp"),
            (slot::N, "n"),
            (slot::Z, "z"),
            (slot::C, "c"),
            (slot::V, "v"),
            (slot::FPCR, "fpcr"),
            (slot::QC, "qc"),
            (slot::EXCL_ADDR, "xaddr"),
            (slot::EXCL_VAL, "xval"),
            (slot::EXCL_VAL2, "xval2"),
            (slot::TPIDR, "tpidr"),
            (slot::TPIDRRO, "tpidrro"),
            $((slot::v($n), concat!("v", $n)),)*
            (slot::v(31), "v31"),
        ]
    };
}
static NAMES: [(Slot, &str); 75] = register_names!(
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30
);

/// The mode bits that a translation depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Mode {
    const BIG: u32 = 1 << 8;
    const FZ16: u32 = 1 << 5;
    const TAGS: u32 = 1 << 9;

    /// Accesses mask the top byte of addresses.
    pub const fn ignores_tags(self) -> bool {
        self.0 & Self::TAGS != 0
    }

    /// With accesses that mask the top byte.
    #[must_use]
    pub const fn with_tags_ignored(self) -> Mode {
        Mode(self.0 | Self::TAGS)
    }

    /// Big-endian data.
    pub const fn big_endian(self) -> bool {
        self.0 & Self::BIG != 0
    }

    /// With this data byte order.
    #[must_use]
    pub const fn with_big_endian(self, big: bool) -> Mode {
        Mode(self.0 & !Self::BIG | (big as u32) << 8)
    }

    /// With the floating-point control of this FPCR value.
    #[must_use]
    pub const fn with_fpcr(self, fpcr: u32) -> Mode {
        Mode(self.0 & (Self::BIG | Self::TAGS) | fpcr >> 22 & 0x1f | (fpcr >> 19 & 1) << 5)
    }

    /// Flush to zero of half-precision arithmetic.
    pub const fn flush_half(self) -> bool {
        self.0 & Self::FZ16 != 0
    }

    /// The floating-point regimes; A64 has one.
    pub const fn fp_modes(self) -> [FpMode; 2] {
        let round = match self.0 & 3 {
            0 => FpRound::Nearest,
            1 => FpRound::Up,
            2 => FpRound::Down,
            _ => FpRound::Zero,
        };
        let mode = FpMode {
            round,
            flush: self.0 & 4 != 0,
            default_nan: self.0 & 8 != 0,
            nan: FpNan::SignallingFirst,
            alt_half: self.0 & 16 != 0,
            tiny_before: true,
            silent: false,
        };
        [mode, mode]
    }
}

impl Default for A64State {
    fn default() -> Self {
        A64State::new()
    }
}

impl A64State {
    /// A state with all registers 0 and no exclusive monitor.
    pub const fn new() -> A64State {
        A64State {
            x: [0; 32],
            n: 0,
            z: 0,
            c: 0,
            v: 0,
            vec: [0; 32],
            qc: 0,
            fpcr: 0,
            pad: 0,
            excl_addr: EXCLUSIVE_OPEN,
            excl_val: [0; 2],
            tpidr: 0,
            tpidrro: 0,
            keys: [[0; 2]; 5],
            dit: 0,
            ssbs: 0,
            pad2: 0,
        }
    }

    /// The flags at their places in PSTATE (SPSR).
    pub const fn nzcv(&self) -> u32 {
        (self.n & 1) << 31 | (self.z & 1) << 30 | (self.c & 1) << 29 | (self.v & 1) << 28
    }

    /// Takes the flags from a PSTATE value.
    pub const fn set_nzcv(&mut self, pstate: u32) {
        self.n = pstate >> 31;
        self.z = pstate >> 30 & 1;
        self.c = pstate >> 29 & 1;
        self.v = pstate >> 28 & 1;
    }

    /// PSTATE as a signal handler sees it. [ARMv8 C5.2.18]
    pub const fn pstate(&self) -> u32 {
        self.nzcv() | (self.dit & 1) << 24 | (self.ssbs & 1) << 12
    }

    /// FPSR, given the sticky exception flags in the layout of the soft-float crate. [ARMv8 C5.2.10]
    pub const fn fpsr(&self, sticky: u32) -> u32 {
        let qc = if self.qc != 0 { FPSR_QC } else { 0 };
        qc | sticky & 0x1f | (sticky >> 5 & 1) << 7
    }

    /// Replaces FPSR; gives the sticky exception flags to put into the environment's header.
    pub fn set_fpsr(&mut self, fpsr: u32) -> u32 {
        self.qc = u128::from(fpsr & FPSR_QC != 0);
        fpsr & 0x1f | (fpsr >> 7 & 1) << 5
    }

    /// A view of a state block's bytes; `None` if they are too few or misaligned.
    pub fn from_bytes(bytes: &[u8]) -> Option<&A64State> {
        let p = bytes.as_ptr().cast::<A64State>();
        // SAFETY: aligned and long enough as checked; every bit pattern is valid; same lifetime.
        (bytes.len() >= size_of::<A64State>() && p.is_aligned()).then(|| unsafe { &*p })
    }

    /// The same, to write.
    pub fn from_bytes_mut(bytes: &mut [u8]) -> Option<&mut A64State> {
        let p = bytes.as_mut_ptr().cast::<A64State>();
        // SAFETY: aligned and long enough as checked; every bit pattern is valid; same lifetime.
        (bytes.len() >= size_of::<A64State>() && p.is_aligned()).then(|| unsafe { &mut *p })
    }
}
