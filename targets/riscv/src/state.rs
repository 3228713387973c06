//! The guest registers as they lie in the environment, and the block mode. The program counter is in the environment's
//! header; the rounding mode (frm) is in the state and in the mode, since translations depend on it; the sticky
//! floating-point flags are the header's. [RISC-V rv32.2.1, f.2]

use tcg_ir::{FpMode, FpNan, FpRound, Slot, StateLayout, Ty};
use tcg_target::StateBlock;

/// The guest's registers.
#[repr(C, align(16))]
#[derive(Clone, Debug)]
pub struct RiscvState {
    /// x0 to x31; x0 stays 0. RV32 uses the low halves.
    pub x: [u64; 32],
    /// f0 to f31; narrower values have ones above them.
    pub f: [u64; 32],
    /// Rounding mode, 3 bits.
    pub frm: u32,
    /// Keeps what follows aligned.
    pub pad0: u32,
    /// Address of the reservation; [`NO_RESERVATION`] if there is none.
    pub reserved_addr: u64,
    /// The value that the load-reserved read, zero-extended.
    pub reserved_val: u64,
    /// Fills the last 16 bytes.
    pub pad1: u64,
}

// SAFETY: repr(C), integers only, explicit padding, 16-byte aligned.
unsafe impl StateBlock for RiscvState {}

/// No reservation: an address that no aligned access has.
pub const NO_RESERVATION: u64 = u64::MAX;

/// Slots for the IR builder.
pub mod slot {
    use super::{RiscvState, Slot, Ty};
    use std::mem::offset_of;

    /// Rounding mode.
    pub const FRM: Slot = Slot::new(offset_of!(RiscvState, frm), Ty::I32);
    /// The reservation's address.
    pub const RESERVED_ADDR: Slot = Slot::new(offset_of!(RiscvState, reserved_addr), Ty::I64);
    /// The reservation's value.
    pub const RESERVED_VAL: Slot = Slot::new(offset_of!(RiscvState, reserved_val), Ty::I64);

    /// The integer register `n` as I64, or as I32 its low half.
    pub const fn x(n: u32, ty: Ty) -> Slot {
        Slot::new(8 * (n as usize & 31), ty)
    }

    const fn f_offset(n: u32) -> usize {
        offset_of!(RiscvState, f) + 8 * (n as usize & 31)
    }

    /// The floating-point register `n` as a double.
    pub const fn f64(n: u32) -> Slot {
        Slot::new(f_offset(n), Ty::F64)
    }

    /// Its low half as a single.
    pub const fn f32(n: u32) -> Slot {
        Slot::new(f_offset(n), Ty::F32)
    }

    /// Its high half.
    pub const fn f_high(n: u32) -> Slot {
        Slot::new(f_offset(n) + 4, Ty::I32)
    }
}

/// The state block's layout.
pub static LAYOUT: StateLayout = StateLayout {
    pinned: &pinned(Ty::I64),
    bytes: std::mem::size_of::<RiscvState>(),
    peek: &[],
    bits: &[],
    names: &NAMES,
};

/// The same where registers have 32 bits.
pub static LAYOUT_32: StateLayout = StateLayout {
    pinned: &pinned(Ty::I32),
    bytes: LAYOUT.bytes,
    peek: LAYOUT.peek,
    bits: LAYOUT.bits,
    names: LAYOUT.names,
};

/// a0, a5, sp and s0: what functions get and give, the compilers' first choice for what does not live long, and what
/// lives over calls.
const fn pinned(ty: Ty) -> [Slot; 4] {
    [
        slot::x(10, ty),
        slot::x(15, ty),
        slot::x(2, ty),
        slot::x(8, ty),
    ]
}

/// ABI names of the integer registers.
pub const X_NAMES: [&str; 32] = [
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4",
    "a5", "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4",
    "t5", "t6",
];

/// ABI names of the floating-point registers.
pub const F_NAMES: [&str; 32] = [
    "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1", "fa0", "fa1", "fa2",
    "fa3", "fa4", "fa5", "fa6", "fa7", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9",
    "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
];

static NAMES: [(Slot, &str); 67] = names();

const fn names() -> [(Slot, &'static str); 67] {
    let mut out = [(slot::FRM, "frm"); 67];
    let mut k = 0;
    while k < 32 {
        out[k] = (slot::x(k as u32, Ty::I64), X_NAMES[k]);
        out[32 + k] = (slot::f64(k as u32), F_NAMES[k]);
        k += 1;
    }
    out[65] = (slot::RESERVED_ADDR, "raddr");
    out[66] = (slot::RESERVED_VAL, "rval");
    out
}

/// The mode bits that a translation depends on: the rounding mode, bits 0 to 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Mode {
    /// With this rounding mode.
    #[must_use]
    pub const fn with_frm(self, frm: u32) -> Mode {
        Mode(self.0 & !7 | frm & 7)
    }

    /// The value of frm.
    pub const fn frm(self) -> u32 {
        self.0 & 7
    }

    /// The floating-point regimes: both are what frm says. A rounding mode that the regime cannot have (to nearest,
    /// ties away) or that does not exist is dealt with by the translator.
    pub const fn fp_modes(self) -> [FpMode; 2] {
        let round = match rounding(self.frm()) {
            Some(FpRound::NearestAway) | None => FpRound::Nearest,
            Some(r) => r,
        };
        let mode = FpMode {
            round,
            flush: false,
            default_nan: true,
            nan: FpNan::SignallingFirst,
            alt_half: false,
            tiny_before: false,
            silent: false,
        };
        [mode, mode]
    }
}

/// A rounding mode by its number in instructions and frm; `None` if reserved. [RISC-V f.2]
pub const fn rounding(rm: u32) -> Option<FpRound> {
    Some(match rm {
        0 => FpRound::Nearest,
        1 => FpRound::Zero,
        2 => FpRound::Down,
        3 => FpRound::Up,
        4 => FpRound::NearestAway,
        _ => return None,
    })
}

/// fflags from the sticky flags in the layout of the soft-float crate (invalid first): the same five in reverse.
pub const fn fflags(sticky: u32) -> u32 {
    (sticky & 31).reverse_bits() >> 27
}

/// The sticky flags for a value of fflags.
pub const fn sticky(fflags: u32) -> u32 {
    (fflags & 31).reverse_bits() >> 27
}

impl RiscvState {
    /// A state with all registers 0 and no reservation.
    pub const fn new() -> RiscvState {
        RiscvState {
            x: [0; 32],
            f: [0; 32],
            frm: 0,
            pad0: 0,
            reserved_addr: NO_RESERVATION,
            reserved_val: 0,
            pad1: 0,
        }
    }

    /// fcsr, given the sticky flags in the layout of the soft-float crate.
    pub const fn fcsr(&self, sticky: u32) -> u32 {
        fflags(sticky) | (self.frm & 7) << 5
    }

    /// Replaces fcsr; gives the sticky flags to put into the environment's header. The block mode has to follow:
    /// [`Mode::with_frm`].
    pub fn set_fcsr(&mut self, fcsr: u32) -> u32 {
        self.frm = fcsr >> 5 & 7;
        sticky(fcsr)
    }

    /// A view of a state block's bytes; `None` if they are too few or misaligned.
    pub fn from_bytes(bytes: &[u8]) -> Option<&RiscvState> {
        let p = bytes.as_ptr().cast::<RiscvState>();
        // SAFETY: aligned and long enough as checked; every bit pattern is valid; same lifetime.
        (bytes.len() >= size_of::<RiscvState>() && p.is_aligned()).then(|| unsafe { &*p })
    }

    /// The same, to write.
    pub fn from_bytes_mut(bytes: &mut [u8]) -> Option<&mut RiscvState> {
        let p = bytes.as_mut_ptr().cast::<RiscvState>();
        // SAFETY: aligned and long enough as checked; every bit pattern is valid; same lifetime.
        (bytes.len() >= size_of::<RiscvState>() && p.is_aligned()).then(|| unsafe { &mut *p })
    }
}

impl Default for RiscvState {
    fn default() -> RiscvState {
        RiscvState::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_layout_matches_the_slots() {
        assert_eq!(slot::x(3, Ty::I64).off, 24);
        assert_eq!(slot::f_high(1).off, slot::f64(1).off + 4);
        assert_eq!(slot::RESERVED_VAL.off % 8, 0);
        assert_eq!(LAYOUT.bytes % 16, 0);
        assert_eq!(LAYOUT.name(slot::x(10, Ty::I64)), "a0");
    }

    #[test]
    fn fcsr_round_trip_keeps_flags_and_rounding() {
        let mut s = RiscvState::new();
        for fcsr in 0..256 {
            let sticky = s.set_fcsr(fcsr);
            assert_eq!(s.fcsr(sticky), fcsr);
        }
        // Invalid is the highest of fflags and the lowest of the sticky flags.
        assert_eq!(sticky(0x10), 1);
        assert_eq!(Mode(0).with_frm(1).fp_modes()[0].round, FpRound::Zero);
    }
}
