//! Rounding to an integral value, and conversion from and to integers.
//!
//! Reference: IEEE 754-2008 sections 5.4.1 and 5.8; [ARMv8 FPToFixed,
//! FixedToFP, FPRoundInt].

use crate::format::{Class, Unpacked};
use crate::nan::propagate1;
use crate::status::{Flags, FloatStatus, Round};
use crate::wide::{Limbs, Sig};

/// An integer type as the destination of a conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum IntType {
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
}

impl IntType {
    /// Least value, as the magnitude of a negative number.
    fn most_negative(self) -> u64 {
        match self {
            IntType::I8 => 1 << 7,
            IntType::I16 => 1 << 15,
            IntType::I32 => 1 << 31,
            IntType::I64 => 1 << 63,
            _ => 0,
        }
    }
    fn largest(self) -> u64 {
        match self {
            IntType::I8 => 0x7f,
            IntType::I16 => 0x7fff,
            IntType::I32 => 0x7fff_ffff,
            IntType::I64 => u64::MAX >> 1,
            IntType::U8 => 0xff,
            IntType::U16 => 0xffff,
            IntType::U32 => 0xffff_ffff,
            IntType::U64 => u64::MAX,
        }
    }
}

/// What a conversion to an integer gives if the value does not fit. All raise
/// INVALID, and not INEXACT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntRule {
    /// The nearest value of the type; 0 for a NaN (Arm, AArch64).
    Saturate,
    /// The nearest value of the type; the largest for a NaN (RISC-V).
    SaturateNanLargest,
    /// The nearest value of the type; the least for a NaN (Power).
    SaturateNanLeast,
    /// The x86 "integer indefinite": only the top bit set for signed types,
    /// all ones for unsigned ones (AVX-512).
    X86Indefinite,
}

/// Rounds the magnitude of a normal number to an integer. `None` if that needs
/// more than 64 bits. The second value tells whether it is inexact.
fn round_magnitude<S: Sig>(a: &Unpacked<S>, round: Round) -> Option<(u64, bool)> {
    if a.exp > 63 {
        return None;
    }
    // An integer with two bits below: the half and the jammed rest.
    let wide = a.sig.to_u128();
    let fixed = wide.right_jam((125i32.saturating_sub(a.exp)) as u32);
    let (kept, lost) = ((fixed >> 2) as u64, (fixed & 3) as u32);
    let odd = kept & 1 != 0;
    let up = match round {
        Round::NearestEven => lost > 2 || (lost == 2 && odd),
        Round::NearestAway => lost >= 2,
        Round::TowardZero => false,
        Round::Down => lost != 0 && a.sign,
        Round::Up => lost != 0 && !a.sign,
        Round::Odd => lost != 0 && !odd,
    };
    Some((kept.checked_add(u64::from(up))?, lost != 0))
}

/// The value times 2^fraction_bits as an integer, sign-extended to 64 bits.
pub fn to_int<S: Sig>(
    a: Unpacked<S>,
    ty: IntType,
    fraction_bits: u32,
    round: Round,
    rule: IntRule,
    st: &mut FloatStatus,
) -> u64 {
    let a = Unpacked {
        exp: a.exp + fraction_bits.min(1024) as i32,
        ..a
    };
    let limit = if a.sign {
        ty.most_negative()
    } else {
        ty.largest()
    };
    let rounded = match a.class {
        Class::Zero => return 0,
        Class::Normal => round_magnitude(&a, round).filter(|r| r.0 <= limit),
        _ => None,
    };
    if let Some((magnitude, inexact)) = rounded {
        if inexact {
            st.raise(Flags::INEXACT);
        }
        return if a.sign {
            magnitude.wrapping_neg()
        } else {
            magnitude
        };
    }
    if a.class == Class::SNan {
        st.raise_invalid(Flags::WHY_SNAN);
    }
    st.raise_invalid(Flags::WHY_CONVERSION);
    let least = ty.most_negative().wrapping_neg();
    match rule {
        IntRule::X86Indefinite if least != 0 => least,
        IntRule::X86Indefinite => ty.largest(),
        IntRule::Saturate if a.is_nan() => 0,
        IntRule::SaturateNanLargest if a.is_nan() => ty.largest(),
        IntRule::SaturateNanLeast if a.is_nan() => least,
        _ if a.sign => least,
        _ => ty.largest(),
    }
}

/// An integer, given by sign and magnitude, divided by 2^fraction_bits.
pub fn from_int<S: Sig>(sign: bool, magnitude: u64, fraction_bits: u32) -> Unpacked<S> {
    if magnitude == 0 {
        return Unpacked::zero(false);
    }
    let lz = magnitude.leading_zeros();
    let exp = 63 - lz as i32 - fraction_bits.min(1024) as i32;
    Unpacked::normal(sign, exp, S::from_u128_jam((magnitude << lz).widen()))
}

/// The integral value near `a`; INEXACT if it differs and `exact` is set.
pub fn round_to_int<S: Sig>(
    a: Unpacked<S>,
    round: Round,
    exact: bool,
    st: &mut FloatStatus,
) -> Unpacked<S> {
    if a.is_nan() {
        return propagate1(a, st);
    }
    let bits = S::BITS as i32;
    if !a.is_normal() || a.exp >= bits - 2 {
        return a;
    }
    let (sig, exp, inexact) = if a.exp < 0 {
        let one_half = a.exp == -1;
        let up = match round {
            Round::NearestEven => one_half && a.sig > S::TOP,
            Round::NearestAway => one_half,
            Round::TowardZero => false,
            Round::Down => a.sign,
            Round::Up => !a.sign,
            Round::Odd => true,
        };
        (if up { S::TOP } else { S::ZERO }, 0, true)
    } else {
        round_above_one(&a, round)
    };
    if inexact && exact {
        st.raise(Flags::INEXACT);
    }
    if sig == S::ZERO {
        Unpacked::zero(a.sign)
    } else {
        Unpacked::normal(a.sign, exp, sig)
    }
}

/// Clears the fraction of a number with 0 <= exp < BITS - 2.
fn round_above_one<S: Sig>(a: &Unpacked<S>, round: Round) -> (S, i32, bool) {
    let drop = S::BITS - 1 - a.exp as u32;
    let unit = S::ONE << drop;
    let mask = unit.minus(S::ONE);
    let (kept, lost) = (a.sig & !mask, a.sig & mask);
    let half = unit >> 1;
    let odd = kept & unit != S::ZERO;
    let inexact = lost != S::ZERO;
    let up = match round {
        Round::NearestEven => lost > half || (lost == half && odd),
        Round::NearestAway => lost >= half,
        Round::TowardZero => false,
        Round::Down => inexact && a.sign,
        Round::Up => inexact && !a.sign,
        Round::Odd => return (kept | if inexact { unit } else { S::ZERO }, a.exp, inexact),
    };
    if !up {
        return (kept, a.exp, inexact);
    }
    match kept.add_carry(unit) {
        (_, true) => (S::TOP, a.exp + 1, inexact),
        (sum, false) => (sum, a.exp, inexact),
    }
}
