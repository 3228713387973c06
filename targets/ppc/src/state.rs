//! The guest registers as they lie in the environment, and the block mode.
//!
//! A vector-scalar register is a native 128-bit integer whose most significant bit is the register's bit 0; so
//! floating-point register n is the upper half of VSR n, and vector register n is VSR 32 + n. [PowerISA I.7.2]
//! Each CR field is four slots of 0 or 1: LT, GT, EQ, SO. What is not sticky in FPSCR is not computed by
//! translated code: it leaves the last operation and its operands here (see `fpscr`).

use tcg_ir::{FpMode, FpNan, FpRound, Slot, StateLayout, Ty};
use tcg_target::StateBlock;

/// The guest's registers.
#[repr(C, align(16))]
#[derive(Clone, Debug)]
pub struct PpcState {
    /// General registers. 32-bit implementations use the low halves (SPE: the high ones, too).
    pub gpr: [u64; 32],
    /// CR fields: LT, GT, EQ, SO, each 0 or 1.
    pub cr: [[u32; 4]; 8],
    /// Link register.
    pub lr: u64,
    /// Count register.
    pub ctr: u64,
    /// XER.CA: 0 or 1.
    pub ca: u32,
    /// XER.OV: 0 or 1.
    pub ov: u32,
    /// XER.SO: 0 or 1.
    pub so: u32,
    /// XER.CA32: 0 or 1.
    pub ca32: u32,
    /// XER.OV32: 0 or 1.
    pub ov32: u32,
    /// XER's byte count for the string instructions.
    pub xer_count: u32,
    /// VRSAVE.
    pub vrsave: u32,
    /// VSCR.NJ: 0 or 1.
    pub nj: u32,
    /// FPSCR as last written: control bits, and the sticky bits of that time.
    pub fpscr: u64,
    /// Exception bits (at their places in FPSCR) that helpers raised since.
    pub fpx: u32,
    /// FR, FI, FPRF at their places in FPSCR, unless `fp_op` says that an operation has to be replayed for them.
    pub fprf: u32,
    /// The last arithmetic operation ([`crate::fpscr::FpOp`] and its flags), 0 if `fprf` is up to date.
    pub fp_op: u32,
    /// Whether a comparison followed it (1), whose operands are `fp_cmp`.
    pub fp_compared: u32,
    /// The operands of the last arithmetic operation.
    pub fp_args: [u64; 3],
    /// The operands of the last comparison.
    pub fp_cmp: [u64; 2],
    /// Address of the reservation; [`RESERVATION_NONE`] if there is none.
    pub resv_addr: u64,
    /// Where the random numbers of `darn` come from: 0 is the host, all else a generator's state.
    pub random: u64,
    /// VSCR.SAT is set if any bit is.
    pub sat: u128,
    /// The value that the reserving load read.
    pub resv_val: u128,
    /// Holds a vector while an instruction puts it together.
    pub scratch: u128,
    /// VSR 0 to 63.
    pub vsr: [u128; 64],
    /// Size of the reservation in bytes.
    pub resv_size: u32,
    /// SPEFSCR.
    pub spefscr: u32,
    /// Target address register.
    pub tar: u64,
    /// The machine state that decides the block mode ([`msr`]).
    pub msr: u64,
    /// Processor version register.
    pub pvr: u64,
    /// Data stream control register.
    pub dscr: u64,
    /// SPRG3 and its like that user mode can read.
    pub usprg: [u64; 8],
    /// A front end's note: the last system call came by `scv` (1) or `sc` (0).
    pub by_scv: u32,
    /// A front end's note: function pointers are addresses of code (ELFv2), not of descriptors.
    pub elfv2: u32,
}

// SAFETY: repr(C), integers only, explicit padding, 16-byte aligned.
unsafe impl StateBlock for PpcState {}

/// No reservation: an address that no reserving load has.
pub const RESERVATION_NONE: u64 = u64::MAX;

/// Bits of MSR that user mode knows. [PowerISA III.4.2.1]
pub mod msr {
    /// 64-bit mode.
    pub const SF: u64 = 1 << 63;
    /// Vector available.
    pub const VEC: u64 = 1 << 25;
    /// SPE available (Book E, the same bit).
    pub const SPE: u64 = 1 << 25;
    /// VSX available.
    pub const VSX: u64 = 1 << 23;
    /// External interrupts enabled.
    pub const EE: u64 = 1 << 15;
    /// Problem state.
    pub const PR: u64 = 1 << 14;
    /// Floating point available.
    pub const FP: u64 = 1 << 13;
    /// Machine checks enabled.
    pub const ME: u64 = 1 << 12;
    /// Floating-point exceptions are taken (either bit).
    pub const FE0: u64 = 1 << 11;
    /// See [`FE0`].
    pub const FE1: u64 = 1 << 8;
    /// Instruction and data relocation.
    pub const IR_DR: u64 = 3 << 4;
    /// Recoverable interrupt.
    pub const RI: u64 = 1 << 1;
    /// Little-endian.
    pub const LE: u64 = 1;
}

/// Slots for the IR builder.
pub mod slot {
    use super::{PpcState, Slot, Ty};
    use std::mem::offset_of;

    macro_rules! slots {
        ($($(#[doc = $doc:literal])+ $name:ident = $field:ident $ty:ident;)*) => {
            $($(#[doc = $doc])+ pub const $name: Slot = Slot::new(offset_of!(PpcState, $field), Ty::$ty);)*
        };
    }
    slots! {
        /// XER.CA.
        CA = ca I32;
        /// XER.OV.
        OV = ov I32;
        /// XER.SO.
        SO = so I32;
        /// XER.CA32.
        CA32 = ca32 I32;
        /// XER.OV32.
        OV32 = ov32 I32;
        /// XER's byte count.
        XER_COUNT = xer_count I32;
        /// VRSAVE.
        VRSAVE = vrsave I32;
        /// VSCR.NJ.
        NJ = nj I32;
        /// FPSCR as last written.
        FPSCR = fpscr I64;
        /// Exceptions raised by helpers.
        FPX = fpx I32;
        /// The last arithmetic operation.
        FP_OP = fp_op I32;
        /// Whether a comparison followed it.
        FP_COMPARED = fp_compared I32;
        /// Reservation: address.
        RESV_ADDR = resv_addr I64;
        /// Reservation: size.
        RESV_SIZE = resv_size I32;
        /// Reservation: low half of the value.
        RESV_VAL = resv_val I64;
        /// Cumulative saturation.
        SAT = sat V128;
        /// A vector that an instruction puts together.
        SCRATCH = scratch V128;
        /// SPEFSCR.
        SPEFSCR = spefscr I32;
        /// Target address register.
        TAR = tar I64;
        /// Processor version.
        PVR = pvr I64;
        /// DSCR.
        DSCR = dscr I64;
    }

    /// LR, CTR or another 64-bit slot as a register of type `ty` (its low half if that is narrower).
    pub const fn low(slot: Slot, ty: Ty) -> Slot {
        Slot { off: slot.off, ty }
    }

    /// LR.
    pub const LR: Slot = Slot::new(offset_of!(PpcState, lr), Ty::I64);
    /// CTR.
    pub const CTR: Slot = Slot::new(offset_of!(PpcState, ctr), Ty::I64);

    /// The upper half of the reserved value.
    pub const RESV_VAL_HI: Slot = Slot::new(offset_of!(PpcState, resv_val) + 8, Ty::I64);

    /// The general register `n`, as `ty` (I32: its low half).
    pub const fn gpr(n: u32, ty: Ty) -> Slot {
        Slot::new(8 * (n as usize & 31), ty)
    }

    /// The upper half of general register `n` (SPE).
    pub const fn gpr_high(n: u32) -> Slot {
        Slot::new(8 * (n as usize & 31) + 4, Ty::I32)
    }

    /// Bit `bit` of CR: 0 is LT of field 0.
    pub const fn cr_bit(bit: u32) -> Slot {
        Slot::new(offset_of!(PpcState, cr) + 4 * (bit as usize & 31), Ty::I32)
    }

    /// Operand `k` of the last arithmetic operation.
    pub const fn fp_arg(k: usize) -> Slot {
        Slot::new(offset_of!(PpcState, fp_args) + 8 * k, Ty::F64)
    }

    /// Operand `k` of the last comparison.
    pub const fn fp_cmp(k: usize) -> Slot {
        Slot::new(offset_of!(PpcState, fp_cmp) + 8 * k, Ty::F64)
    }

    /// The doubleword 0 (upper half) of VSR `n`, as a double; of VSR 0 to 31 it is a floating-point register.
    pub const fn vsr_hi(n: u32) -> Slot {
        Slot::new(
            offset_of!(PpcState, vsr) + 16 * (n as usize & 63) + 8,
            Ty::F64,
        )
    }

    /// The doubleword 1 (lower half) of VSR `n`.
    pub const fn vsr_lo(n: u32) -> Slot {
        Slot::new(offset_of!(PpcState, vsr) + 16 * (n as usize & 63), Ty::F64)
    }

    /// The whole VSR `n`.
    pub const fn vsr(n: u32) -> Slot {
        Slot::new(offset_of!(PpcState, vsr) + 16 * (n as usize & 63), Ty::V128)
    }

    /// A user-readable SPRG.
    pub const fn usprg(n: u32) -> Slot {
        Slot::new(offset_of!(PpcState, usprg) + 8 * (n as usize & 7), Ty::I64)
    }
}

const fn field(n: u32) -> [Slot; 4] {
    [
        slot::cr_bit(4 * n),
        slot::cr_bit(4 * n + 1),
        slot::cr_bit(4 * n + 2),
        slot::cr_bit(4 * n + 3),
    ]
}

/// The slots that a look at the successors may declare dead: the CR fields that compilers use for conditions, and
/// the carries. The order is that of `translate::peek`.
const PEEK: [Slot; 24] = {
    let mut out = [slot::CA; 24];
    let fields = [0, 1, 5, 6, 7];
    let mut k = 0;
    while k < 20 {
        out[k] = field(fields[k / 4])[k % 4];
        k += 1;
    }
    out[20] = slot::CA;
    out[21] = slot::CA32;
    out[22] = slot::OV;
    out[23] = slot::OV32;
    out
};

/// CR and the flags of XER.
const BITS: [Slot; 37] = {
    let mut out = [slot::CA; 37];
    let mut k = 0;
    while k < 32 {
        out[k] = slot::cr_bit(k as u32);
        k += 1;
    }
    out[33] = slot::CA32;
    out[34] = slot::OV;
    out[35] = slot::OV32;
    out[36] = slot::SO;
    out
};

/// Layout of the state block.
pub static LAYOUT: StateLayout = StateLayout {
    // Measured: no gain.
    pinned: &[],
    bytes: size_of::<PpcState>(),
    peek: &PEEK,
    bits: &BITS,
    names: &[
        (slot::LR, "lr"),
        (slot::CTR, "ctr"),
        (slot::CA, "ca"),
        (slot::OV, "ov"),
        (slot::SO, "so"),
        (slot::CA32, "ca32"),
        (slot::OV32, "ov32"),
        (slot::XER_COUNT, "xer.count"),
        (slot::VRSAVE, "vrsave"),
        (slot::FPSCR, "fpscr"),
        (slot::FPX, "fpx"),
        (slot::FP_OP, "fpop"),
        (slot::FP_COMPARED, "fpcompared"),
        (slot::RESV_ADDR, "resv"),
        (slot::RESV_SIZE, "resv.size"),
        (slot::RESV_VAL, "resv.val"),
        (slot::SAT, "sat"),
        (slot::TAR, "tar"),
    ],
};

/// The mode bits that a translation depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Mode {
    /// 64-bit mode (MSR.SF).
    pub const SF: u32 = 1 << 0;
    /// Little-endian (MSR.LE), code and data.
    pub const LE: u32 = 1 << 1;
    /// Problem state (MSR.PR).
    pub const PR: u32 = 1 << 2;
    /// Floating point available (MSR.FP).
    pub const FP: u32 = 1 << 3;
    /// Vectors (or SPE) available (MSR.VEC, MSR.SPE).
    pub const VEC: u32 = 1 << 4;
    /// VSX available (MSR.VSX).
    pub const VSX: u32 = 1 << 5;
    /// Floating-point exceptions that are enabled: operations go the exact way.
    pub const EXACT: u32 = 1 << 6;
    /// VSCR.NJ: vector floating point flushes.
    pub const NJ: u32 = 1 << 7;
    /// FPSCR.RN, two bits.
    pub const RN_SHIFT: u32 = 8;
    /// System mode: fetches are relocated (MSR.IR), or in address space 1 (MSR.IS).
    pub const IR: u32 = 1 << 10;
    /// System mode: the same of data (MSR.DR, MSR.DS).
    pub const DR: u32 = 1 << 11;
    /// System mode: every instruction ends in an interrupt (MSR.SE, DBCR0.ICMP).
    pub const STEP: u32 = 1 << 12;

    /// The mode that a state calls for.
    pub const fn of(s: &PpcState) -> Mode {
        let mut m = (s.fpscr as u32 & 3) << Self::RN_SHIFT;
        let pairs = [
            (msr::SF, Self::SF),
            (msr::LE, Self::LE),
            (msr::PR, Self::PR),
            (msr::FP, Self::FP),
            (msr::VEC, Self::VEC),
            (msr::VSX, Self::VSX),
        ];
        let mut k = 0;
        while k < pairs.len() {
            if s.msr & pairs[k].0 != 0 {
                m |= pairs[k].1;
            }
            k += 1;
        }
        if s.fpscr as u32 & crate::fpscr::ENABLES != 0 {
            m |= Self::EXACT;
        }
        if s.nj & 1 != 0 {
            m |= Self::NJ;
        }
        Mode(m)
    }

    /// Whether a bit is set.
    pub const fn has(self, bit: u32) -> bool {
        self.0 & bit != 0
    }

    /// FPSCR.RN.
    pub const fn rounding(self) -> u32 {
        self.0 >> Self::RN_SHIFT & 3
    }

    /// FPSCR.RN as the IR's rounding mode.
    pub const fn round(self) -> FpRound {
        match self.0 >> Self::RN_SHIFT & 3 {
            0 => FpRound::Nearest,
            1 => FpRound::Zero,
            2 => FpRound::Up,
            _ => FpRound::Down,
        }
    }

    /// The floating-point regimes: scalar and VSX by FPSCR; AltiVec, which rounds to nearest and records nothing.
    /// [PowerISA I.6.6, I.7.4]
    pub const fn fp_modes(self) -> [FpMode; 2] {
        let scalar = FpMode {
            round: self.round(),
            nan: FpNan::FirstThenAddend,
            ..FpMode::IEEE
        };
        let vector = FpMode {
            round: FpRound::Nearest,
            flush: self.has(Self::NJ),
            silent: true,
            ..scalar
        };
        [scalar, vector]
    }
}

impl PpcState {
    /// A state with all registers 0 and no reservation.
    pub const fn new() -> PpcState {
        PpcState {
            gpr: [0; 32],
            cr: [[0; 4]; 8],
            lr: 0,
            ctr: 0,
            ca: 0,
            ov: 0,
            so: 0,
            ca32: 0,
            ov32: 0,
            xer_count: 0,
            vrsave: 0,
            nj: 0,
            fpscr: 0,
            fpx: 0,
            fprf: 0,
            fp_op: 0,
            fp_compared: 0,
            fp_args: [0; 3],
            fp_cmp: [0; 2],
            resv_addr: RESERVATION_NONE,
            random: 0,
            sat: 0,
            resv_val: 0,
            scratch: 0,
            vsr: [0; 64],
            resv_size: 0,
            spefscr: 0,
            tar: 0,
            msr: 0,
            pvr: 0,
            dscr: 0,
            usprg: [0; 8],
            by_scv: 0,
            elfv2: 0,
        }
    }

    /// CR as one number: field 0 in the most significant bits.
    pub fn cr(&self) -> u32 {
        self.cr
            .as_flattened()
            .iter()
            .fold(0, |cr, bit| cr << 1 | bit & 1)
    }

    /// Replaces CR.
    pub fn set_cr(&mut self, cr: u32) {
        for (k, bit) in self.cr.as_flattened_mut().iter_mut().enumerate() {
            *bit = cr >> (31 - k) & 1;
        }
    }

    /// XER as one number. [PowerISA I.3.2.2]
    pub const fn xer(&self) -> u64 {
        let bits =
            self.so << 31 | self.ov << 30 | self.ca << 29 | self.ov32 << 19 | self.ca32 << 18;
        (bits | self.xer_count) as u64
    }

    /// Replaces XER; `isa300`: the 32-bit flags exist.
    pub const fn set_xer(&mut self, xer: u64, isa300: bool) {
        let x = xer as u32;
        self.so = x >> 31;
        self.ov = x >> 30 & 1;
        self.ca = x >> 29 & 1;
        if isa300 {
            self.ov32 = x >> 19 & 1;
            self.ca32 = x >> 18 & 1;
        }
        self.xer_count = x & 0x7f;
    }

    /// Floating-point register `n`.
    pub fn fpr(&self, n: usize) -> u64 {
        (self.vsr[n & 31] >> 64) as u64
    }

    /// Sets floating-point register `n`, keeping the rest of its VSR.
    pub fn set_fpr(&mut self, n: usize, bits: u64) {
        let v = &mut self.vsr[n & 31];
        *v = u128::from(bits) << 64 | *v & u128::from(u64::MAX);
    }

    /// VSCR: NJ and SAT. [PowerISA I.6.3.2]
    pub const fn vscr(&self) -> u32 {
        (self.nj & 1) << 16 | (self.sat != 0) as u32
    }

    /// Replaces VSCR; the block mode has to follow.
    pub fn set_vscr(&mut self, vscr: u32) {
        self.nj = vscr >> 16 & 1;
        self.sat = u128::from(vscr & 1);
    }

    /// A view of a state block's bytes; `None` if they are too few or misaligned.
    pub fn from_bytes(bytes: &[u8]) -> Option<&PpcState> {
        let p = bytes.as_ptr().cast::<PpcState>();
        // SAFETY: aligned and long enough as checked; every bit pattern is valid; same lifetime.
        (bytes.len() >= size_of::<PpcState>() && p.is_aligned()).then(|| unsafe { &*p })
    }

    /// The same, to write.
    pub fn from_bytes_mut(bytes: &mut [u8]) -> Option<&mut PpcState> {
        let p = bytes.as_mut_ptr().cast::<PpcState>();
        // SAFETY: aligned and long enough as checked; every bit pattern is valid; same lifetime.
        (bytes.len() >= size_of::<PpcState>() && p.is_aligned()).then(|| unsafe { &mut *p })
    }
}

impl Default for PpcState {
    fn default() -> PpcState {
        PpcState::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_layout_matches_the_slots() {
        assert_eq!(slot::cr_bit(0).off, 256);
        assert_eq!(slot::vsr(0).off % 16, 0);
        assert_eq!(slot::SAT.off % 16, 0);
        assert_eq!(slot::LR.off % 8, 0);
        assert_eq!(LAYOUT.bytes % 16, 0);
    }

    #[test]
    fn cr_round_trip() {
        let mut s = PpcState::new();
        s.set_cr(0x8421_f00d);
        assert_eq!(s.cr(), 0x8421_f00d);
        assert_eq!(s.cr[0], [1, 0, 0, 0]);
    }

    #[test]
    fn xer_round_trip_knows_the_32_bit_flags() {
        let mut s = PpcState::new();
        s.set_xer(0xe00c_007f, true);
        assert_eq!(s.xer(), 0xe00c_007f);
        let mut s = PpcState::new();
        s.set_xer(0xe00c_007f, false);
        assert_eq!(s.xer(), 0xe000_007f);
    }
}
