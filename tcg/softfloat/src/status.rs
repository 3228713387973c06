//! The modes an operation runs under and the flags it raises.
//!
//! Reference: IEEE 754-2008 sections 4 and 7; [ARMv8 A1.5], Intel SDM volume 1
//! chapter 4.8, Power ISA 4.3.

use bitflags::bitflags;

bitflags! {
    /// Sticky exception flags. The bit numbers are stable: translated code and
    /// snapshots may rely on them.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Flags: u32 {
        /// An operand was a signalling NaN, or the operation has no result.
        const INVALID = 1 << 0;
        /// An exact infinity from finite operands.
        const DIV_BY_ZERO = 1 << 1;
        /// The rounded result is out of range.
        const OVERFLOW = 1 << 2;
        /// The result is tiny and inexact, or was flushed to zero.
        const UNDERFLOW = 1 << 3;
        /// The result differs from the exact one.
        const INEXACT = 1 << 4;
        /// A denormal operand was flushed to zero (Arm) or used (x86).
        const INPUT_DENORMAL = 1 << 5;
        /// Why an operation was invalid; raised under [`NanRule::Ppc`] only, beside INVALID: a signalling NaN.
        const WHY_SNAN = 1 << 6;
        /// Infinity minus infinity.
        const WHY_INF_MINUS_INF = 1 << 7;
        /// Infinity divided by infinity.
        const WHY_INF_BY_INF = 1 << 8;
        /// Zero divided by zero.
        const WHY_ZERO_BY_ZERO = 1 << 9;
        /// Infinity times zero.
        const WHY_INF_TIMES_ZERO = 1 << 10;
        /// The root of a negative number.
        const WHY_ROOT = 1 << 11;
        /// A conversion to an integer that does not fit.
        const WHY_CONVERSION = 1 << 12;
        /// An ordered comparison with a NaN.
        const WHY_COMPARISON = 1 << 13;
    }
}

/// Rounding direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Round {
    /// To the nearest, ties to the even one.
    #[default]
    NearestEven,
    /// Truncate.
    TowardZero,
    /// Towards minus infinity.
    Down,
    /// Towards plus infinity.
    Up,
    /// To the nearest, ties away from zero.
    NearestAway,
    /// Truncate, then set the last bit if anything was lost; never overflows
    /// to infinity. Makes a later rounding to a narrower format exact.
    Odd,
}

/// Which NaN an operation returns when an operand is a NaN.
///
/// The result is always quiet. `fma` means `mul_add(a, b, c)` = a × b + c;
/// "inf × 0 + QNaN" is its corner where the product is invalid and the addend
/// a quiet NaN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NanRule {
    /// Always the default NaN (RISC-V). inf × 0 + QNaN raises INVALID.
    #[default]
    Default,
    /// Two operands: first signalling of a, b, else first quiet of a, b.
    /// fma: the same with the order c, a, b; inf × 0 + QNaN gives the default
    /// NaN and INVALID [ARMv8 FPProcessNaNs3, FPMulAdd].
    Arm,
    /// a if it is a NaN, else b; fma: a, b, c, where inf × 0 + QNaN gives that
    /// QNaN and no INVALID. a and b are the factors in the order in which the
    /// manual writes the form's product: VFMADD213 multiplies its second by
    /// its first operand, and prefers the second one's NaN.
    X86Sse,
    /// The NaN with the larger significand; of a signalling and a quiet one,
    /// the quiet one; of equal significands, the positive one. fma as
    /// [`NanRule::X86Sse`].
    X87,
    /// a if it is a NaN, else b; fma: a, c, b (the instruction's frA, frB,
    /// frC, as frT = frA × frC + frB); inf × 0 + QNaN gives that QNaN and
    /// raises INVALID [Power ISA 4.3.2].
    Ppc,
}

/// To which precision the x87 unit rounds the significand of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum X87Precision {
    /// 24 bits.
    Single,
    /// 53 bits.
    Double,
    /// 64 bits.
    #[default]
    Extended,
}

/// Modes of an operation, and the flags accumulated so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FloatStatus {
    /// Rounding direction of results.
    pub round: Round,
    /// Treat denormal operands as zeros of the same sign (not those of f16).
    pub flush_inputs: bool,
    /// Replace tiny results by zeros of the same sign (not those of f16).
    pub flush_outputs: bool,
    /// Both of the above, for the arithmetic of f16 (Arm FZ16). Conversions
    /// from and to f16 never flush the f16 side, and a flushed f16 operand
    /// never raises INPUT_DENORMAL [ARMv8 FPUnpackBase].
    pub flush_f16: bool,
    /// Every NaN result is the default NaN, whatever `nan_rule` says.
    pub default_nan: bool,
    /// Which NaN is returned if `default_nan` is off.
    pub nan_rule: NanRule,
    /// The default NaN has its sign bit set (x86).
    pub default_nan_negative: bool,
    /// Tininess (for UNDERFLOW and for flushing) is judged before rounding.
    pub tininess_before: bool,
    /// A flushed result raises INEXACT beside UNDERFLOW (x86; not Arm).
    pub flush_output_sets_inexact: bool,
    /// A flushed operand raises INPUT_DENORMAL (Arm; not x86).
    pub flush_input_sets_idc: bool,
    /// A denormal operand that is used raises INPUT_DENORMAL (x86), unless an
    /// operand is a NaN.
    pub denormal_sets_idc: bool,
    /// f16 is Arm's alternative format: no infinities or NaNs, one binade more.
    /// Only conversions look at this [ARMv8 FPCR.AHP].
    pub f16_alt: bool,
    /// Precision of the basic operations of f80; other formats ignore it.
    pub x87_precision: X87Precision,
    /// Sticky flags.
    pub flags: Flags,
    /// A result's magnitude was made larger than the exact one's by rounding. Sticky, too; of arithmetic and conversions
    /// to floating point [Power ISA 4.2.2, FR].
    pub rounded_up: bool,
}

impl FloatStatus {
    /// IEEE 754 with canonical NaNs, as RISC-V computes: tininess after rounding.
    pub fn riscv(round: Round) -> Self {
        FloatStatus {
            round,
            ..FloatStatus::default()
        }
    }

    /// Arm arithmetic under FPSCR or FPCR: rounding, FZ and DN as given.
    pub fn arm_vfp(round: Round, fz: bool, dn: bool) -> Self {
        FloatStatus {
            round,
            flush_inputs: fz,
            flush_outputs: fz,
            default_nan: dn,
            nan_rule: NanRule::Arm,
            tininess_before: true,
            flush_input_sets_idc: true,
            ..FloatStatus::default()
        }
    }

    /// Arm's "standard FPSCR value", which AArch32 Advanced SIMD uses: to
    /// nearest, flush to zero, default NaN [ARMv7 A2.7.1].
    pub fn arm_neon_standard() -> Self {
        FloatStatus::arm_vfp(Round::NearestEven, true, true)
    }

    /// The same status with Arm's FZ16 and AHP bits.
    pub fn with_arm_half(self, fz16: bool, ahp: bool) -> Self {
        FloatStatus {
            flush_f16: fz16,
            f16_alt: ahp,
            ..self
        }
    }

    /// SSE and AVX arithmetic under MXCSR: rounding, FTZ and DAZ as given.
    pub fn x86_sse(round: Round, ftz: bool, daz: bool) -> Self {
        FloatStatus {
            round,
            flush_inputs: daz,
            flush_outputs: ftz,
            nan_rule: NanRule::X86Sse,
            default_nan_negative: true,
            flush_output_sets_inexact: true,
            denormal_sets_idc: true,
            ..FloatStatus::default()
        }
    }

    /// x87 arithmetic under the control word's rounding and precision fields.
    pub fn x87(round: Round, precision: X87Precision) -> Self {
        FloatStatus {
            round,
            nan_rule: NanRule::X87,
            default_nan_negative: true,
            denormal_sets_idc: true,
            x87_precision: precision,
            ..FloatStatus::default()
        }
    }

    /// Power arithmetic under FPSCR.RN.
    pub fn ppc(round: Round) -> Self {
        FloatStatus {
            round,
            nan_rule: NanRule::Ppc,
            tininess_before: true,
            ..FloatStatus::default()
        }
    }

    /// Raises INVALID, and the reason where the guest tells reasons apart.
    pub fn raise_invalid(&mut self, why: Flags) {
        self.flags |= Flags::INVALID;
        if self.nan_rule == NanRule::Ppc {
            self.flags |= why;
        }
    }

    /// Adds to the sticky flags.
    pub fn raise(&mut self, flags: Flags) {
        self.flags |= flags;
    }

    /// Returns the flags and clears them.
    pub fn take_flags(&mut self) -> Flags {
        std::mem::take(&mut self.flags)
    }
}
