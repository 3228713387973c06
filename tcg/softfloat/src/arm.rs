//! Operations only Arm defines: reciprocal estimates and steps, FMULX, FRECPX,
//! FJCVTZS.
//!
//! Reference: [ARMv8 shared/functions/float]: FPRecipEstimate,
//! FPRSqrtEstimate, RecipEstimate, RecipSqrtEstimate, FPRecipStepFused,
//! FPRSqrtStepFused, FPRecpX, FPMulX, FPToFixedJS; [ARMv8 aarch32/functions]:
//! FPRecipStep, FPRSqrtStep. Left out: FEAT_RPRES, FEAT_AFP.

use crate::arith;
use crate::format::{Float, Unpacked, unpack};
use crate::nan::{invalid, propagate1, propagate2};
use crate::round::{finish, repack};
use crate::status::{Flags, FloatStatus, Round};
use crate::wide::{Limbs, Sig};

/// Reciprocal of a number in 1/2..1 with nine bits: 256..=511 to 256..=511.
fn recip_estimate_bits(a: u32) -> u32 {
    let a = a * 2 + 1;
    ((1 << 19) / a).div_ceil(2)
}

/// Reciprocal root of a number in 1/4..1 with nine bits: 128..=511 to 256..=511.
fn recip_sqrt_estimate_bits(a: u32) -> u32 {
    let a = if a < 256 {
        a * 2 + 1
    } else {
        ((a >> 1 << 1) + 1) * 2
    };
    let mut b = 512;
    while a * (b + 1) * (b + 1) < 1 << 28 {
        b += 1;
    }
    b.div_ceil(2)
}

/// URECPE, VRECPE.U32: reciprocal of a fixed-point number in 1/2..1.
pub fn urecpe(a: u32) -> u32 {
    if a < 1 << 31 {
        u32::MAX
    } else {
        recip_estimate_bits(a >> 23) << 23
    }
}

/// URSQRTE, VRSQRTE.U32: reciprocal root of a fixed-point number in 1/4..1.
pub fn ursqrte(a: u32) -> u32 {
    if a < 1 << 30 {
        u32::MAX
    } else {
        recip_sqrt_estimate_bits(a >> 23) << 23
    }
}

fn flushes_outputs<F: Float>(st: &FloatStatus) -> bool {
    if F::FORMAT.half {
        st.flush_f16
    } else {
        st.flush_outputs
    }
}

/// A number whose significand's upper nine bits are `estimate`.
fn from_estimate<S: Sig>(sign: bool, exp: i32, estimate: u32) -> Unpacked<S> {
    Unpacked::normal(sign, exp, S::from_u128_jam(u128::from(estimate) << 119))
}

fn top_nine<S: Sig>(sig: S) -> u32 {
    (sig.to_u128() >> 119) as u32
}

/// FRECPE, VRECPE: an estimate of 1 / a with eight fraction bits.
pub fn recip_estimate<F: Float>(a: F::Raw, st: &mut FloatStatus) -> F::Raw {
    let a = unpack::<F>(a, st);
    if a.is_nan() {
        return repack::<F>(propagate1(a, st));
    }
    if a.is_inf() {
        return repack::<F>(Unpacked::zero(a.sign));
    }
    if a.is_zero() {
        st.raise(Flags::DIV_BY_ZERO);
        return repack::<F>(Unpacked::inf(a.sign));
    }
    let (emin, bias) = (F::FORMAT.emin(), F::FORMAT.bias());
    if a.exp < emin - 2 {
        // Rounding a huge number gives the overflow the manual spells out.
        return finish::<F>(Unpacked::normal(a.sign, bias + 1, F::Sig::TOP), st);
    }
    if a.exp >= bias - 1 && flushes_outputs::<F>(st) {
        st.raise(Flags::UNDERFLOW);
        return repack::<F>(Unpacked::zero(a.sign));
    }
    let estimate = recip_estimate_bits(top_nine(a.sig));
    // A denormal result is the estimate shifted: exact, and raises nothing.
    repack::<F>(from_estimate(a.sign, -1 - a.exp, estimate))
}

/// FRSQRTE, VRSQRTE: an estimate of 1 / sqrt(a) with eight fraction bits.
pub fn recip_sqrt_estimate<F: Float>(a: F::Raw, st: &mut FloatStatus) -> F::Raw {
    let a = unpack::<F>(a, st);
    if a.is_nan() {
        return repack::<F>(propagate1(a, st));
    }
    if a.is_zero() {
        st.raise(Flags::DIV_BY_ZERO);
        return repack::<F>(Unpacked::inf(a.sign));
    }
    if a.sign {
        return repack::<F>(invalid(Flags::empty(), st));
    }
    if a.is_inf() {
        return repack::<F>(Unpacked::zero(false));
    }
    // Scaled to 1/2..1 for odd exponents, 1/4..1/2 for even ones.
    let nine = top_nine(a.sig);
    let scaled = if a.exp & 1 != 0 { nine } else { nine >> 1 };
    let exp = (-1 - a.exp).div_euclid(2);
    repack::<F>(from_estimate(false, exp, recip_sqrt_estimate_bits(scaled)))
}

fn constant<S: Sig>(numerator: u64) -> Unpacked<S> {
    crate::int::from_int(false, numerator, 0)
}

fn bad_product<S: Sig>(a: &Unpacked<S>, b: &Unpacked<S>) -> bool {
    (a.is_inf() && b.is_zero()) || (a.is_zero() && b.is_inf())
}

/// (minuend - a × b) × 2^-halvings, fused.
fn step_fused<F: Float>(
    a: F::Raw,
    b: F::Raw,
    minuend: u64,
    halvings: i32,
    st: &mut FloatStatus,
) -> F::Raw {
    // The manual negates the operand first, so a NaN changes its sign.
    let (a, b) = (unpack::<F>(a, st), unpack::<F>(b, st));
    let a = Unpacked { sign: !a.sign, ..a };
    let result = if a.is_nan() || b.is_nan() {
        propagate2(a, b, st)
    } else if bad_product(&a, &b) {
        constant(minuend)
    } else {
        arith::mul_add(a, b, constant(minuend), st)
    };
    finish::<F>(
        Unpacked {
            exp: result.exp - halvings,
            ..result
        },
        st,
    )
}

/// FRECPS: 2 - a × b with one rounding.
pub fn recip_step_fused<F: Float>(a: F::Raw, b: F::Raw, st: &mut FloatStatus) -> F::Raw {
    step_fused::<F>(a, b, 2, 0, st)
}

/// FRSQRTS: (3 - a × b) / 2 with one rounding.
pub fn rsqrt_step_fused<F: Float>(a: F::Raw, b: F::Raw, st: &mut FloatStatus) -> F::Raw {
    step_fused::<F>(a, b, 3, 1, st)
}

/// The same with the product rounded first, as AArch32 does it.
fn step_unfused<F: Float>(
    a: F::Raw,
    b: F::Raw,
    minuend: u64,
    halvings: i32,
    st: &mut FloatStatus,
) -> F::Raw {
    let (a, b) = (unpack::<F>(a, st), unpack::<F>(b, st));
    if a.is_nan() || b.is_nan() {
        return repack::<F>(propagate2(a, b, st));
    }
    let product = if bad_product(&a, &b) {
        Unpacked::zero(false)
    } else {
        let exact = arith::mul(a, b, st);
        let rounded = finish::<F>(exact, st);
        unpack::<F>(rounded, st)
    };
    let result = arith::sub(constant(minuend), product, st);
    finish::<F>(
        Unpacked {
            exp: result.exp - halvings,
            ..result
        },
        st,
    )
}

/// VRECPS: 2 - a × b with two roundings. The caller passes the standard FPSCR
/// status, and for f16 its FZ16.
pub fn recip_step<F: Float>(a: F::Raw, b: F::Raw, st: &mut FloatStatus) -> F::Raw {
    step_unfused::<F>(a, b, 2, 0, st)
}

/// VRSQRTS: (3 - a × b) / 2 with two roundings.
pub fn rsqrt_step<F: Float>(a: F::Raw, b: F::Raw, st: &mut FloatStatus) -> F::Raw {
    step_unfused::<F>(a, b, 3, 1, st)
}

/// FMULX: a × b, where 0 × inf is 2 with the sign of the product.
pub fn mulx<F: Float>(a: F::Raw, b: F::Raw, st: &mut FloatStatus) -> F::Raw {
    let (a, b) = (unpack::<F>(a, st), unpack::<F>(b, st));
    let result = if bad_product(&a, &b) {
        Unpacked {
            sign: a.sign ^ b.sign,
            ..constant(2)
        }
    } else {
        arith::mul(a, b, st)
    };
    finish::<F>(result, st)
}

/// FRECPX: a power of two near the reciprocal: the exponent field inverted.
pub fn recip_exponent<F: Float>(raw: F::Raw, st: &mut FloatStatus) -> F::Raw {
    let a = unpack::<F>(raw, st);
    if a.is_nan() {
        return repack::<F>(propagate1(a, st));
    }
    let f = &F::FORMAT;
    let field = (F::to_sig(raw) >> f.exp_shift()).low64() as u32 & f.exp_mask();
    let inverted = if field == 0 {
        f.exp_mask() - 1
    } else {
        !field & f.exp_mask()
    };
    let sign = F::Sig::from(u64::from(a.sign)) << f.sign_shift();
    F::from_sig(sign | (F::Sig::from(u64::from(inverted)) << f.exp_shift()))
}

/// FJCVTZS: truncation to an integer modulo 2^32, and whether that was exact
/// (the Z flag).
pub fn fjcvtzs(raw: u64, st: &mut FloatStatus) -> (u32, bool) {
    let a = unpack::<crate::F64>(raw, st);
    if a.is_nan() || a.is_inf() {
        st.raise(Flags::INVALID);
        return (0, false);
    }
    if a.is_zero() {
        // Neither minus zero nor a flushed denormal counts as exact.
        return (0, raw == 0);
    }
    // Bits of weight 2^32 and more fall out on the left.
    let magnitude = match a.exp {
        ..=-1 => 0,
        exp @ 0..=63 => (a.sig >> (63 - exp)) as u32,
        exp @ 64..=94 => (a.sig as u32) << (exp - 63),
        _ => 0,
    };
    let result = if a.sign {
        magnitude.wrapping_neg()
    } else {
        magnitude
    };
    let fits = a.exp < 31 || (a.sign && a.exp == 31 && a.sig >> 32 == 1 << 31);
    let exact = a.exp >= 0 && (a.exp >= 63 || a.sig << (a.exp + 1) == 0);
    if !fits {
        st.raise(Flags::INVALID);
    } else if !exact {
        st.raise(Flags::INEXACT);
    }
    (result, fits && exact)
}

/// Rounding mode for a two-bit FPSCR or FPCR RMode field.
pub fn rounding_mode(rmode: u32) -> Round {
    match rmode & 3 {
        0 => Round::NearestEven,
        1 => Round::Up,
        2 => Round::Down,
        _ => Round::TowardZero,
    }
}
