//! Addition, multiplication, division, square root, fused multiply-add,
//! remainder and scaling on unpacked numbers.
//!
//! Results are exact, or jammed far enough below the last place that rounding
//! cannot tell the difference: every format leaves at least eleven spare bits.
//!
//! Reference: IEEE 754-2008 sections 5.3, 5.4 and 6.3.

use crate::format::{Class, Unpacked};
use crate::nan::{invalid, propagate1, propagate2, propagate3};
use crate::status::{Flags, FloatStatus, Round};
use crate::wide::{Limbs, Sig};

/// Raises INPUT_DENORMAL for denormal operands that are used, where the status
/// wants that (x86).
#[inline]
pub fn note_denormals<S: Sig>(operands: &[Unpacked<S>], st: &mut FloatStatus) {
    if st.denormal_sets_idc
        && operands.iter().any(|u| u.denormal)
        && !operands.iter().any(Unpacked::is_nan)
    {
        st.raise(Flags::INPUT_DENORMAL);
    }
}

/// Sum of magnitudes: exponent and significand.
#[inline]
fn add_magnitudes<T: Limbs>(ea: i32, a: T, eb: i32, b: T) -> (i32, T) {
    let (ea, a, eb, b) = if ea < eb {
        (eb, b, ea, a)
    } else {
        (ea, a, eb, b)
    };
    let (sum, carry) = a.add_carry(b.right_jam((ea - eb) as u32));
    if carry {
        (ea + 1, sum.right_jam(1).or(T::TOP))
    } else {
        (ea, sum)
    }
}

/// Difference of magnitudes: whether a < b, exponent and significand; `None`
/// if they are equal.
#[inline]
fn sub_magnitudes<T: Limbs>(ea: i32, a: T, eb: i32, b: T) -> Option<(bool, i32, T)> {
    let less = (ea, a) < (eb, b);
    let (ea, a, eb, b) = if less { (eb, b, ea, a) } else { (ea, a, eb, b) };
    let diff = a.minus(b.right_jam((ea - eb) as u32));
    if diff == T::ZERO {
        return None;
    }
    let lz = diff.lz();
    Some((less, ea - lz as i32, diff.left(lz)))
}

/// The sign of an exact zero sum of numbers that differ in sign.
fn cancelled(st: &FloatStatus) -> bool {
    st.round == Round::Down
}

#[inline]
pub fn add<S: Sig>(a: Unpacked<S>, b: Unpacked<S>, st: &mut FloatStatus) -> Unpacked<S> {
    if !(a.is_normal() && b.is_normal()) {
        return add_special(a, b, st);
    }
    if a.sign == b.sign {
        let (exp, sig) = add_magnitudes(a.exp, a.sig, b.exp, b.sig);
        return Unpacked::normal(a.sign, exp, sig);
    }
    match sub_magnitudes(a.exp, a.sig, b.exp, b.sig) {
        Some((less, exp, sig)) => Unpacked::normal(a.sign ^ less, exp, sig),
        None => Unpacked::zero(cancelled(st)),
    }
}

fn add_special<S: Sig>(a: Unpacked<S>, b: Unpacked<S>, st: &mut FloatStatus) -> Unpacked<S> {
    if a.is_nan() || b.is_nan() {
        return propagate2(a, b, st);
    }
    match (a.class, b.class) {
        (Class::Inf, Class::Inf) if a.sign != b.sign => invalid(Flags::WHY_INF_MINUS_INF, st),
        (Class::Inf, _) => a,
        (_, Class::Inf) => b,
        (Class::Zero, Class::Zero) if a.sign != b.sign => Unpacked::zero(cancelled(st)),
        (Class::Zero, _) => b,
        _ => a,
    }
}

#[inline]
pub fn sub<S: Sig>(a: Unpacked<S>, b: Unpacked<S>, st: &mut FloatStatus) -> Unpacked<S> {
    // A NaN keeps its sign.
    let b = Unpacked {
        sign: b.sign ^ !b.is_nan(),
        ..b
    };
    add(a, b, st)
}

/// Product of two normal numbers in double width: exponent and significand.
#[inline]
fn product<S: Sig>(a: Unpacked<S>, b: Unpacked<S>) -> (i32, S::Wide) {
    let wide = a.sig.mul_wide(b.sig);
    let lz = wide.lz();
    (a.exp + b.exp + 1 - lz as i32, wide.left(lz))
}

#[inline]
pub fn mul<S: Sig>(a: Unpacked<S>, b: Unpacked<S>, st: &mut FloatStatus) -> Unpacked<S> {
    let sign = a.sign ^ b.sign;
    if a.is_normal() && b.is_normal() {
        let (exp, wide) = product(a, b);
        return Unpacked::normal(sign, exp, S::narrow(wide));
    }
    if a.is_nan() || b.is_nan() {
        return propagate2(a, b, st);
    }
    match (a.class, b.class) {
        (Class::Inf, Class::Zero) | (Class::Zero, Class::Inf) => {
            invalid(Flags::WHY_INF_TIMES_ZERO, st)
        }
        (Class::Inf, _) | (_, Class::Inf) => Unpacked::inf(sign),
        _ => Unpacked::zero(sign),
    }
}

#[inline]
pub fn div<S: Sig>(a: Unpacked<S>, b: Unpacked<S>, st: &mut FloatStatus) -> Unpacked<S> {
    let sign = a.sign ^ b.sign;
    if a.is_normal() && b.is_normal() {
        let (sig, below_one) = a.sig.div_jam(b.sig);
        return Unpacked::normal(sign, a.exp - b.exp - i32::from(below_one), sig);
    }
    if a.is_nan() || b.is_nan() {
        return propagate2(a, b, st);
    }
    match (a.class, b.class) {
        (Class::Inf, Class::Inf) => invalid(Flags::WHY_INF_BY_INF, st),
        (Class::Zero, Class::Zero) => invalid(Flags::WHY_ZERO_BY_ZERO, st),
        (Class::Inf, _) => Unpacked::inf(sign),
        (_, Class::Zero) => {
            st.raise(Flags::DIV_BY_ZERO);
            Unpacked::inf(sign)
        }
        _ => Unpacked::zero(sign),
    }
}

#[inline]
pub fn sqrt<S: Sig>(a: Unpacked<S>, st: &mut FloatStatus) -> Unpacked<S> {
    match a.class {
        _ if a.is_nan() => propagate1(a, st),
        Class::Zero => a,
        _ if a.sign => invalid(Flags::WHY_ROOT, st),
        Class::Normal => Unpacked::normal(false, a.exp >> 1, a.sig.sqrt_jam(a.exp & 1 != 0)),
        _ => a,
    }
}

/// a × b + c with one rounding.
#[inline]
pub fn mul_add<S: Sig>(
    a: Unpacked<S>,
    b: Unpacked<S>,
    c: Unpacked<S>,
    st: &mut FloatStatus,
) -> Unpacked<S> {
    let sign = a.sign ^ b.sign;
    if !(a.is_normal() && b.is_normal() && c.is_normal()) {
        return mul_add_special(a, b, c, st);
    }
    let (exp, wide) = product(a, b);
    let addend = c.sig.widen();
    if sign == c.sign {
        let (exp, sum) = add_magnitudes(exp, wide, c.exp, addend);
        return Unpacked::normal(sign, exp, S::narrow(sum));
    }
    match sub_magnitudes(exp, wide, c.exp, addend) {
        Some((less, exp, diff)) => Unpacked::normal(sign ^ less, exp, S::narrow(diff)),
        None => Unpacked::zero(cancelled(st)),
    }
}

fn mul_add_special<S: Sig>(
    a: Unpacked<S>,
    b: Unpacked<S>,
    c: Unpacked<S>,
    st: &mut FloatStatus,
) -> Unpacked<S> {
    if a.is_nan() || b.is_nan() || c.is_nan() {
        return propagate3(a, b, c, st);
    }
    // The product is exact here: jammed only where it is not added to anything.
    let product = mul(a, b, st);
    if product.is_nan() {
        product
    } else {
        add(product, c, st)
    }
}

/// a - n × b, where n is a / b rounded to the nearest even integer, or to
/// zero if `truncate`. Returns the low bits of |n| too. Always exact.
pub fn remainder<S: Sig>(
    a: Unpacked<S>,
    b: Unpacked<S>,
    truncate: bool,
    st: &mut FloatStatus,
) -> (Unpacked<S>, u64) {
    if a.is_nan() || b.is_nan() {
        return (propagate2(a, b, st), 0);
    }
    if a.is_inf() || b.is_zero() {
        return (invalid(Flags::empty(), st), 0);
    }
    if a.is_zero() || b.is_inf() || a.exp < b.exp - 1 {
        return (a, 0);
    }
    // rem / 2^(BITS-1) × 2^exp is what is left; it stays below b.
    let (mut rem, mut quotient, mut exp) = (a.sig, 0u64, a.exp);
    if exp >= b.exp && rem >= b.sig {
        rem = rem.minus(b.sig);
        quotient = 1;
    }
    while exp > b.exp {
        let carry = rem >= S::TOP;
        rem = rem.left(1);
        quotient <<= 1;
        if carry || rem >= b.sig {
            rem = rem.minus(b.sig);
            quotient |= 1;
        }
        exp -= 1;
    }
    let mut sign = a.sign;
    if !truncate && above_half(rem, exp, b, quotient & 1 != 0) {
        // b - rem, at b's exponent: exact, as b has spare low bits.
        let aligned = rem.right_jam((b.exp - exp) as u32);
        rem = b.sig.minus(aligned);
        exp = b.exp;
        quotient = quotient.wrapping_add(1);
        sign = !sign;
    }
    if rem == S::ZERO {
        return (Unpacked::zero(a.sign), quotient);
    }
    let lz = rem.lz();
    (
        Unpacked::normal(sign, exp - lz as i32, rem.left(lz)),
        quotient,
    )
}

/// Whether the rest is above half of b, or is half of it and `odd`.
fn above_half<S: Sig>(rem: S, exp: i32, b: Unpacked<S>, odd: bool) -> bool {
    let half = if exp < b.exp {
        b.sig
    } else {
        b.sig.right_jam(1)
    };
    rem > half || (rem == half && odd)
}

/// a × 2^n.
pub fn scale<S: Sig>(a: Unpacked<S>, n: i32, st: &mut FloatStatus) -> Unpacked<S> {
    if a.is_nan() {
        return propagate1(a, st);
    }
    // Far beyond any format's range, yet safe to add.
    let n = n.clamp(-0x2_0000, 0x2_0000);
    Unpacked {
        exp: a.exp + n,
        ..a
    }
}
