//! Rounding an exact (jammed) result into a format, with its flags.
//!
//! Reference: IEEE 754-2008 sections 4.3 and 7.4 to 7.6; [ARMv8 FPRoundBase].

use crate::format::{Class, Float, Format, Unpacked};
use crate::status::{Flags, FloatStatus, Round, X87Precision};
use crate::wide::Sig;

/// Packs a result of arithmetic.
#[inline]
pub fn finish<F: Float>(u: Unpacked<F::Sig>, st: &mut FloatStatus) -> F::Raw {
    let flush = if F::FORMAT.half {
        st.flush_f16
    } else {
        st.flush_outputs
    };
    F::from_sig(pack(u, &F::FORMAT, F::FORMAT.frac_bits, flush, st))
}

/// As [`finish`], under the x87 unit's precision control if that applies.
#[inline]
pub fn finish_basic<F: Float>(u: Unpacked<F::Sig>, st: &mut FloatStatus) -> F::Raw {
    if !F::FORMAT.explicit {
        return finish::<F>(u, st);
    }
    let precision = match st.x87_precision {
        X87Precision::Single => 23,
        X87Precision::Double => 52,
        X87Precision::Extended => 63,
    };
    F::from_sig(pack(u, &F::FORMAT, precision, st.flush_outputs, st))
}

/// Packs a result of a conversion: f16 never flushes and may be alternative.
#[inline]
pub fn finish_convert<F: Float>(u: Unpacked<F::Sig>, st: &mut FloatStatus) -> F::Raw {
    if !F::FORMAT.half {
        return finish::<F>(u, st);
    }
    if st.f16_alt {
        return F::from_sig(pack_alternative(u, &F::FORMAT, st));
    }
    F::from_sig(pack(u, &F::FORMAT, F::FORMAT.frac_bits, false, st))
}

/// Packs what was selected, not computed: no rounding, no flushing.
#[inline]
pub fn repack<F: Float>(u: Unpacked<F::Sig>) -> F::Raw {
    let mut quiet = FloatStatus::default();
    F::from_sig(pack(u, &F::FORMAT, F::FORMAT.frac_bits, false, &mut quiet))
}

#[inline(always)]
fn assemble<S: Sig>(f: &Format, sign: bool, field: u32, sig: S) -> S {
    let frac = if f.explicit {
        sig
    } else {
        sig & (S::ONE << f.frac_bits).minus(S::ONE)
    };
    (S::from(u64::from(sign)) << f.sign_shift())
        | (S::from(u64::from(field)) << f.exp_shift())
        | frac
}

#[inline(always)]
fn pack<S: Sig>(
    u: Unpacked<S>,
    f: &Format,
    precision: u32,
    flush: bool,
    st: &mut FloatStatus,
) -> S {
    if u.class == Class::Normal {
        if u.exp >= f.emin() {
            pack_normal(u, f, precision, st)
        } else {
            pack_tiny(u, f, precision, flush, st)
        }
    } else {
        pack_special(u, f)
    }
}

fn pack_special<S: Sig>(u: Unpacked<S>, f: &Format) -> S {
    let integer = S::ONE << f.frac_bits;
    let shift = S::BITS - 1 - f.frac_bits;
    match u.class {
        Class::Zero => assemble(f, u.sign, 0, S::ZERO),
        Class::Inf => assemble(f, u.sign, f.exp_mask(), integer),
        _ => assemble(f, u.sign, f.exp_mask(), integer | (u.sig >> shift)),
    }
}

/// Rounds away the last `drop` bits (at least one): the rest, as an integer
/// that may have carried into one bit more, whether anything was lost, and whether the rest was made larger.
#[inline(always)]
fn round_off<S: Sig>(sig: S, drop: u32, sign: bool, round: Round) -> (S, bool, bool) {
    let kept = sig >> drop;
    let lost = sig << (S::BITS - drop);
    let inexact = lost != S::ZERO;
    let up = match round {
        Round::NearestEven => lost > S::TOP || (lost == S::TOP && kept & S::ONE != S::ZERO),
        Round::NearestAway => lost >= S::TOP,
        Round::TowardZero => false,
        Round::Down => inexact && sign,
        Round::Up => inexact && !sign,
        Round::Odd => {
            return (
                kept | if inexact { S::ONE } else { S::ZERO },
                inexact,
                false,
            );
        }
    };
    let kept = if up { kept.add_carry(S::ONE).0 } else { kept };
    (kept, inexact, up)
}

#[inline(always)]
fn pack_normal<S: Sig>(u: Unpacked<S>, f: &Format, precision: u32, st: &mut FloatStatus) -> S {
    let drop = S::BITS - 1 - precision;
    let (mut kept, inexact, up) = round_off(u.sig, drop, u.sign, st.round);
    let mut exp = u.exp;
    if kept >> (precision + 1) != S::ZERO {
        kept = kept >> 1;
        exp += 1;
    }
    if exp > f.bias() {
        return overflow(u.sign, f, precision, st);
    }
    if inexact {
        st.raise(Flags::INEXACT);
    }
    st.rounded_up |= up;
    assemble(
        f,
        u.sign,
        (exp + f.bias()) as u32,
        kept << (f.frac_bits - precision),
    )
}

fn overflow<S: Sig>(sign: bool, f: &Format, precision: u32, st: &mut FloatStatus) -> S {
    st.raise(Flags::OVERFLOW | Flags::INEXACT);
    let to_inf = match st.round {
        Round::NearestEven | Round::NearestAway => true,
        Round::TowardZero | Round::Odd => false,
        Round::Down => sign,
        Round::Up => !sign,
    };
    if to_inf {
        st.rounded_up = true;
        return pack_special(Unpacked::inf(sign), f);
    }
    let ones = (S::ONE << (precision + 1)).minus(S::ONE) << (f.frac_bits - precision);
    assemble(f, sign, f.exp_mask() - 1, ones)
}

/// The exponent is below that of the smallest normal number.
fn pack_tiny<S: Sig>(
    u: Unpacked<S>,
    f: &Format,
    precision: u32,
    flush: bool,
    st: &mut FloatStatus,
) -> S {
    let drop = S::BITS - 1 - precision;
    let tiny = st.tininess_before || u.exp < f.emin() - 1 || {
        let (unbounded, ..) = round_off(u.sig, drop, u.sign, st.round);
        unbounded >> (precision + 1) == S::ZERO
    };
    if flush && tiny {
        st.raise(Flags::UNDERFLOW);
        if st.flush_output_sets_inexact {
            st.raise(Flags::INEXACT);
        }
        return assemble(f, u.sign, 0, S::ZERO);
    }
    let sig = u.sig.right_jam(f.emin().saturating_sub(u.exp) as u32);
    let (kept, inexact, up) = round_off(sig, drop, u.sign, st.round);
    st.rounded_up |= up;
    if inexact {
        st.raise(Flags::INEXACT);
        if tiny {
            st.raise(Flags::UNDERFLOW);
        }
    }
    // Rounding may have made it the smallest normal number.
    let field = (kept >> precision).low64() as u32;
    assemble(f, u.sign, field, kept << (f.frac_bits - precision))
}

/// Arm's alternative half precision: exponent 31 is a binade like any other;
/// what does not fit raises only INVALID [ARMv8 FPRoundBase, FPConvert].
fn pack_alternative<S: Sig>(u: Unpacked<S>, f: &Format, st: &mut FloatStatus) -> S {
    let largest = S::from(0x7fff) | (S::from(u64::from(u.sign)) << f.sign_shift());
    match u.class {
        Class::Zero => pack_special(u, f),
        Class::Inf => {
            st.raise(Flags::INVALID);
            largest
        }
        Class::QNan | Class::SNan | Class::Bad => {
            st.raise(Flags::INVALID);
            pack_special(Unpacked::zero(u.sign), f)
        }
        Class::Normal if u.exp < f.bias() => pack(u, f, f.frac_bits, false, st),
        Class::Normal => {
            let drop = S::BITS - 1 - f.frac_bits;
            let (kept, inexact, _) = round_off(u.sig, drop, u.sign, st.round);
            let carry = (kept >> (f.frac_bits + 1)).low64() as i32;
            let exp = u.exp + carry;
            if exp > f.bias() + 1 {
                st.raise(Flags::INVALID);
                return largest;
            }
            if inexact {
                st.raise(Flags::INEXACT);
            }
            assemble(f, u.sign, (exp + f.bias()) as u32, kept >> carry as u32)
        }
    }
}
