//! Comparison, minimum and maximum.
//!
//! Reference: IEEE 754-2008 sections 5.3.1 and 5.11; IEEE 754-2019 section 9.6;
//! [ARMv8 FPMin, FPMinNum]; Intel SDM MINPS.

use crate::format::{Class, Unpacked};
use crate::nan::propagate2;
use crate::status::{Flags, FloatStatus};
use crate::wide::Sig;

/// Result of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ordering {
    /// a < b.
    Less,
    /// a = b; zeros of either sign are equal.
    Equal,
    /// a > b.
    Greater,
    /// One of them is a NaN.
    Unordered,
}

/// Which minimum or maximum.
///
/// Minus zero counts as less than plus zero in all of them but X86.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinMax {
    /// A NaN operand gives a NaN by the status' rule: IEEE 754-2019 minimum,
    /// maximum; Arm FMIN, FMAX.
    Propagate,
    /// A quiet NaN loses to a number, a signalling one gives a NaN: IEEE
    /// 754-2008 minNum, maxNum; Arm FMINNM, FMAXNM.
    Number2008,
    /// Any NaN loses to a number, a signalling one raises INVALID: IEEE
    /// 754-2019 minimumNumber, maximumNumber; RISC-V.
    Number2019,
    /// As `Number2008`, of the magnitudes; equal magnitudes go by sign: IEEE
    /// 754-2008 minNumMag, maxNumMag.
    Magnitude2008,
    /// The second operand if one is a NaN (raises INVALID, not quieted) or
    /// both are zeros: MINPS, MAXPS.
    X86,
}

/// Orders two numbers, telling zeros apart if `signed_zeros`.
fn order<S: Sig>(a: &Unpacked<S>, b: &Unpacked<S>, signed_zeros: bool) -> std::cmp::Ordering {
    if a.is_zero() && b.is_zero() && !signed_zeros {
        return std::cmp::Ordering::Equal;
    }
    if a.sign != b.sign && !(a.is_zero() && b.is_zero() && !signed_zeros) {
        return b.sign.cmp(&a.sign);
    }
    let magnitudes = order_magnitudes(a, b);
    if a.sign {
        magnitudes.reverse()
    } else {
        magnitudes
    }
}

fn order_magnitudes<S: Sig>(a: &Unpacked<S>, b: &Unpacked<S>) -> std::cmp::Ordering {
    let rank = |u: &Unpacked<S>| match u.class {
        Class::Zero => 0,
        Class::Normal => 1,
        _ => 2,
    };
    rank(a).cmp(&rank(b)).then_with(|| {
        if a.is_normal() {
            (a.exp, a.sig).cmp(&(b.exp, b.sig))
        } else {
            std::cmp::Ordering::Equal
        }
    })
}

/// Compares; a quiet NaN raises INVALID only if `signaling`.
pub fn compare<S: Sig>(
    a: &Unpacked<S>,
    b: &Unpacked<S>,
    signaling: bool,
    st: &mut FloatStatus,
) -> Ordering {
    if a.is_nan() || b.is_nan() {
        let quiet = |u: &Unpacked<S>| !matches!(u.class, Class::SNan | Class::Bad);
        if !quiet(a) || !quiet(b) {
            st.raise_invalid(Flags::WHY_SNAN);
        }
        if signaling {
            st.raise_invalid(Flags::WHY_COMPARISON);
        }
        return Ordering::Unordered;
    }
    match order(a, b, false) {
        std::cmp::Ordering::Less => Ordering::Less,
        std::cmp::Ordering::Equal => Ordering::Equal,
        std::cmp::Ordering::Greater => Ordering::Greater,
    }
}

/// What [`min_max`] returns: an operand unchanged, or a NaN.
pub enum Choice<S> {
    A,
    B,
    Nan(Unpacked<S>),
}

/// The smaller, or the larger if `max`.
pub fn min_max<S: Sig>(
    a: Unpacked<S>,
    b: Unpacked<S>,
    max: bool,
    kind: MinMax,
    st: &mut FloatStatus,
) -> Choice<S> {
    if a.is_nan() || b.is_nan() {
        return min_max_nan(a, b, kind, st);
    }
    let ordering = match kind {
        MinMax::X86 => order(&a, &b, false),
        MinMax::Magnitude2008 => order_magnitudes(&a, &b).then_with(|| order(&a, &b, true)),
        _ => order(&a, &b, true),
    };
    let a_wins = if max {
        ordering.is_gt()
    } else {
        ordering.is_lt()
    };
    if a_wins { Choice::A } else { Choice::B }
}

fn min_max_nan<S: Sig>(
    a: Unpacked<S>,
    b: Unpacked<S>,
    kind: MinMax,
    st: &mut FloatStatus,
) -> Choice<S> {
    let any_signalling = [a, b]
        .iter()
        .any(|u| matches!(u.class, Class::SNan | Class::Bad));
    let number = match (a.is_nan(), b.is_nan()) {
        (true, false) => Some(Choice::B),
        (false, true) => Some(Choice::A),
        _ => None,
    };
    match (kind, number) {
        (MinMax::X86, _) => {
            st.raise(Flags::INVALID);
            Choice::B
        }
        (MinMax::Number2008 | MinMax::Magnitude2008, Some(choice)) if !any_signalling => choice,
        (MinMax::Number2019, Some(choice)) => {
            if any_signalling {
                st.raise(Flags::INVALID);
            }
            choice
        }
        _ => Choice::Nan(propagate2(a, b, st)),
    }
}
