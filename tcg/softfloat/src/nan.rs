//! Which NaN comes out when a NaN goes in.
//!
//! Reference: see [`NanRule`]; [ARMv8 FPProcessNaNs, FPProcessNaNs3].

use crate::format::{Class, Unpacked};
use crate::status::{Flags, FloatStatus, NanRule};
use crate::wide::Sig;

fn quiet_bit<S: Sig>() -> S {
    S::TOP >> 1
}

/// The default NaN.
pub fn default_nan<S: Sig>(st: &FloatStatus) -> Unpacked<S> {
    Unpacked {
        sig: quiet_bit(),
        ..Unpacked::special(Class::QNan, st.default_nan_negative)
    }
}

/// The default NaN, as the result of an invalid operation.
pub fn invalid<S: Sig>(why: Flags, st: &mut FloatStatus) -> Unpacked<S> {
    st.raise_invalid(why);
    default_nan(st)
}

fn quieted<S: Sig>(u: Unpacked<S>) -> Unpacked<S> {
    Unpacked {
        class: Class::QNan,
        sig: u.sig | quiet_bit(),
        ..u
    }
}

/// Raises INVALID for signalling operands; true if the result is the default.
fn screen<S: Sig>(operands: &[Unpacked<S>], st: &mut FloatStatus) -> bool {
    if operands
        .iter()
        .any(|u| matches!(u.class, Class::SNan | Class::Bad))
    {
        st.raise_invalid(Flags::WHY_SNAN);
    }
    st.default_nan
        || st.nan_rule == NanRule::Default
        || operands.iter().any(|u| u.class == Class::Bad)
}

/// The first signalling, else the first quiet operand.
fn signalling_first<S: Sig>(operands: &[Unpacked<S>]) -> Option<Unpacked<S>> {
    let find = |class| operands.iter().find(|u| u.class == class);
    find(Class::SNan).or_else(|| find(Class::QNan)).copied()
}

fn first<S: Sig>(operands: &[Unpacked<S>]) -> Option<Unpacked<S>> {
    operands.iter().find(|u| u.is_nan()).copied()
}

fn x87<S: Sig>(a: Unpacked<S>, b: Unpacked<S>) -> Unpacked<S> {
    match (a.class, b.class) {
        (Class::QNan, Class::SNan) => a,
        (Class::SNan, Class::QNan) => b,
        _ if !b.is_nan() => a,
        _ if !a.is_nan() => b,
        _ if a.sig != b.sig => std::cmp::max_by_key(a, b, |u| u.sig),
        _ if a.sign => b,
        _ => a,
    }
}

/// The result of an operation on one NaN.
pub fn propagate1<S: Sig>(a: Unpacked<S>, st: &mut FloatStatus) -> Unpacked<S> {
    if screen(&[a], st) {
        default_nan(st)
    } else {
        quieted(a)
    }
}

/// The result of an operation on two operands, of which one is a NaN.
#[cold]
pub fn propagate2<S: Sig>(a: Unpacked<S>, b: Unpacked<S>, st: &mut FloatStatus) -> Unpacked<S> {
    if screen(&[a, b], st) {
        return default_nan(st);
    }
    let chosen = match st.nan_rule {
        NanRule::Arm => signalling_first(&[a, b]),
        NanRule::X87 => Some(x87(a, b)),
        NanRule::Default | NanRule::X86Sse | NanRule::Ppc => first(&[a, b]),
    };
    chosen.map_or_else(|| default_nan(st), quieted)
}

/// The result of a × b + c, of which one is a NaN.
#[cold]
pub fn propagate3<S: Sig>(
    a: Unpacked<S>,
    b: Unpacked<S>,
    c: Unpacked<S>,
    st: &mut FloatStatus,
) -> Unpacked<S> {
    let bad_product = (a.is_inf() && b.is_zero()) || (a.is_zero() && b.is_inf());
    if bad_product && !matches!(st.nan_rule, NanRule::X86Sse | NanRule::X87) {
        st.raise_invalid(Flags::WHY_INF_TIMES_ZERO);
    }
    if screen(&[a, b, c], st) {
        return default_nan(st);
    }
    let chosen = match st.nan_rule {
        NanRule::Arm if bad_product && c.class == Class::QNan => None,
        NanRule::Arm => signalling_first(&[c, a, b]),
        NanRule::Ppc => first(&[a, c, b]),
        NanRule::X87 => Some(x87(x87(a, b), c)),
        NanRule::Default | NanRule::X86Sse => first(&[a, b, c]),
    };
    chosen.map_or_else(|| default_nan(st), quieted)
}
