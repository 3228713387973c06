//! The public functions of each format: unpack, compute, round.
//!
//! Every function is a thin shell, so that the arithmetic is compiled once per
//! significand width and not once per format.

use crate::arith;
use crate::compare::{self, Choice, MinMax, Ordering};
use crate::format::{self, Float, unpack, unpack_convert};
use crate::int::{self, IntRule, IntType};
use crate::nan::propagate1;
use crate::round::{finish, finish_basic, finish_convert};
use crate::status::{FloatStatus, Round};

/// Converts between formats; the one generic function behind `to_f32` and its
/// like.
pub(crate) fn convert<A: Float, B: Float>(a: A::Raw, st: &mut FloatStatus) -> B::Raw {
    let u = unpack_convert::<A>(a, st);
    arith::note_denormals(&[u], st);
    // The alternative format makes a NaN a zero of its sign, even if NaNs are
    // the default NaN otherwise.
    let alternative = B::FORMAT.half && st.f16_alt;
    let u = if u.is_nan() && !alternative {
        propagate1(u, st)
    } else {
        u
    };
    finish_convert::<B>(u.with_sig(), st)
}

/// Conversions out of a format.
macro_rules! conversions {
    ($F:ident: $($name:ident $To:ident $raw:ty),*) => {$(
        #[doc = concat!("Converts to [`", stringify!($To), "`](crate::", stringify!($To), ").")]
        #[inline(never)]
        pub fn $name(a: Raw, st: &mut FloatStatus) -> $raw {
            convert::<format::$F, format::$To>(a, st)
        }
    )*};
}

/// Arithmetic of one format.
macro_rules! arithmetic {
    ($F:ident) => {
        /// a + b.
        #[inline(never)]
        pub fn add(a: Raw, b: Raw, st: &mut FloatStatus) -> Raw {
            binary(arith::add, a, b, st)
        }
        /// a - b.
        #[inline(never)]
        pub fn sub(a: Raw, b: Raw, st: &mut FloatStatus) -> Raw {
            binary(arith::sub, a, b, st)
        }
        /// a × b.
        #[inline(never)]
        pub fn mul(a: Raw, b: Raw, st: &mut FloatStatus) -> Raw {
            binary(arith::mul, a, b, st)
        }
        /// a / b.
        #[inline(never)]
        pub fn div(a: Raw, b: Raw, st: &mut FloatStatus) -> Raw {
            binary(arith::div, a, b, st)
        }
        #[inline(always)]
        fn binary(
            op: impl Fn(Num, Num, &mut FloatStatus) -> Num,
            a: Raw,
            b: Raw,
            st: &mut FloatStatus,
        ) -> Raw {
            let (a, b) = (unpack::<F>(a, st), unpack::<F>(b, st));
            let result = op(a, b, st);
            arith::note_denormals(&[a, b], st);
            finish_basic::<F>(result, st)
        }
        /// The square root.
        #[inline(never)]
        pub fn sqrt(a: Raw, st: &mut FloatStatus) -> Raw {
            let a = unpack::<F>(a, st);
            let result = arith::sqrt(a, st);
            arith::note_denormals(&[a], st);
            finish_basic::<F>(result, st)
        }
        /// a × b + c with one rounding. Negate operands for the other forms;
        /// mind that this also negates a NaN.
        #[inline(never)]
        pub fn mul_add(a: Raw, b: Raw, c: Raw, st: &mut FloatStatus) -> Raw {
            let (a, b, c) = (unpack::<F>(a, st), unpack::<F>(b, st), unpack::<F>(c, st));
            let result = arith::mul_add(a, b, c, st);
            arith::note_denormals(&[a, b, c], st);
            finish::<F>(result, st)
        }
        /// IEEE remainder: a - n × b with n = a / b rounded to nearest even.
        pub fn rem(a: Raw, b: Raw, st: &mut FloatStatus) -> Raw {
            rem_quotient(a, b, false, st).0
        }
        /// Remainder and the low bits of |n|, where n is a / b rounded to
        /// nearest even, or towards zero if `truncate` (C's `fmod`, FPREM).
        #[inline(never)]
        pub fn rem_quotient(a: Raw, b: Raw, truncate: bool, st: &mut FloatStatus) -> (Raw, u64) {
            let (a, b) = (unpack::<F>(a, st), unpack::<F>(b, st));
            let (result, quotient) = arith::remainder(a, b, truncate, st);
            arith::note_denormals(&[a, b], st);
            (finish::<F>(result, st), quotient)
        }
        /// a × 2^n.
        #[inline(never)]
        pub fn scalb(a: Raw, n: i32, st: &mut FloatStatus) -> Raw {
            let a = unpack::<F>(a, st);
            arith::note_denormals(&[a], st);
            let result = arith::scale(a, n, st);
            finish::<F>(result, st)
        }
    };
}

/// Comparison, integers and rounding of one format.
macro_rules! selection {
    ($F:ident) => {
        /// The smaller operand.
        #[inline(never)]
        pub fn min(a: Raw, b: Raw, kind: MinMax, st: &mut FloatStatus) -> Raw {
            min_max(a, b, false, kind, st)
        }
        /// The larger operand.
        #[inline(never)]
        pub fn max(a: Raw, b: Raw, kind: MinMax, st: &mut FloatStatus) -> Raw {
            min_max(a, b, true, kind, st)
        }
        #[inline(always)]
        fn min_max(a: Raw, b: Raw, max: bool, kind: MinMax, st: &mut FloatStatus) -> Raw {
            let (ua, ub) = (unpack::<F>(a, st), unpack::<F>(b, st));
            arith::note_denormals(&[ua, ub], st);
            // An operand comes back as it is, but a flushed one as a zero.
            let as_used = |raw: Raw, u: &Num| if u.is_zero() { repack::<F>(*u) } else { raw };
            match compare::min_max(ua, ub, max, kind, st) {
                Choice::A => as_used(a, &ua),
                Choice::B => as_used(b, &ub),
                Choice::Nan(nan) => repack::<F>(nan),
            }
        }
        /// Compares; only a signalling NaN raises INVALID.
        #[inline(never)]
        pub fn compare_quiet(a: Raw, b: Raw, st: &mut FloatStatus) -> Ordering {
            compare_any(a, b, false, st)
        }
        /// Compares; any NaN raises INVALID.
        #[inline(never)]
        pub fn compare_signaling(a: Raw, b: Raw, st: &mut FloatStatus) -> Ordering {
            compare_any(a, b, true, st)
        }
        #[inline(always)]
        fn compare_any(a: Raw, b: Raw, signaling: bool, st: &mut FloatStatus) -> Ordering {
            let (a, b) = (unpack::<F>(a, st), unpack::<F>(b, st));
            arith::note_denormals(&[a, b], st);
            compare::compare(&a, &b, signaling, st)
        }
        /// The integral value next to a in direction `round`; raises INEXACT
        /// if it differs and `exact` is set.
        #[inline(never)]
        pub fn round_to_int(a: Raw, round: Round, exact: bool, st: &mut FloatStatus) -> Raw {
            // ROUNDSS does not report denormals, so neither does this.
            let a = unpack::<F>(a, st);
            let result = int::round_to_int(a, round, exact, st);
            repack::<F>(result)
        }
        /// a × 2^fraction_bits as an integer, sign-extended to 64 bits for the
        /// signed types.
        #[inline(never)]
        pub fn to_int(
            a: Raw,
            ty: IntType,
            fraction_bits: u32,
            round: Round,
            rule: IntRule,
            st: &mut FloatStatus,
        ) -> u64 {
            let a = unpack::<F>(a, st);
            int::to_int(a, ty, fraction_bits, round, rule, st)
        }
        /// a as an i32, saturating, 0 for a NaN.
        pub fn to_i32(a: Raw, round: Round, st: &mut FloatStatus) -> i32 {
            to_int(a, IntType::I32, 0, round, IntRule::Saturate, st) as i32
        }
        /// a as a u32, saturating, 0 for a NaN.
        pub fn to_u32(a: Raw, round: Round, st: &mut FloatStatus) -> u32 {
            to_int(a, IntType::U32, 0, round, IntRule::Saturate, st) as u32
        }
        /// a as an i64, saturating, 0 for a NaN.
        pub fn to_i64(a: Raw, round: Round, st: &mut FloatStatus) -> i64 {
            to_int(a, IntType::I64, 0, round, IntRule::Saturate, st) as i64
        }
        /// a as a u64, saturating, 0 for a NaN.
        pub fn to_u64(a: Raw, round: Round, st: &mut FloatStatus) -> u64 {
            to_int(a, IntType::U64, 0, round, IntRule::Saturate, st)
        }
        /// v / 2^fraction_bits; 0 gives plus zero.
        #[inline(never)]
        pub fn from_i64(v: i64, fraction_bits: u32, st: &mut FloatStatus) -> Raw {
            finish::<F>(int::from_int(v < 0, v.unsigned_abs(), fraction_bits), st)
        }
        /// v / 2^fraction_bits; 0 gives plus zero.
        #[inline(never)]
        pub fn from_u64(v: u64, fraction_bits: u32, st: &mut FloatStatus) -> Raw {
            finish::<F>(int::from_int(false, v, fraction_bits), st)
        }
    };
}

macro_rules! module {
    ($(#[$doc:meta])* $name:ident $F:ident $raw:ty; $($conv:ident $To:ident $to_raw:ty),*) => {
        $(#[$doc])*
        pub mod $name {
            use super::*;
            use crate::format::{$F as F, Parts, Unpacked};
            use crate::round::repack;
            type Raw = $raw;
            type Num = Unpacked<<F as Parts>::Sig>;
            arithmetic!($F);
            selection!($F);
            conversions!($F: $($conv $To $to_raw),*);
        }
    };
}

module! {
    /// binary16 (half precision).
    f16 F16 u16; to_bf16 Bf16 u16, to_f32 F32 u32, to_f64 F64 u64, to_f80 F80 u128, to_f128 F128 u128
}
module! {
    /// binary32 (single precision).
    f32 F32 u32; to_f16 F16 u16, to_bf16 Bf16 u16, to_f64 F64 u64, to_f80 F80 u128, to_f128 F128 u128
}
module! {
    /// binary64 (double precision).
    f64 F64 u64; to_f16 F16 u16, to_bf16 Bf16 u16, to_f32 F32 u32, to_f80 F80 u128, to_f128 F128 u128
}
module! {
    /// x87 double extended precision, in the low 80 bits of a u128.
    f80 F80 u128; to_f16 F16 u16, to_bf16 Bf16 u16, to_f32 F32 u32, to_f64 F64 u64, to_f128 F128 u128
}
module! {
    /// binary128 (quadruple precision).
    f128 F128 u128; to_f16 F16 u16, to_bf16 Bf16 u16, to_f32 F32 u32, to_f64 F64 u64, to_f80 F80 u128
}

/// binary64 operands, results rounded once to binary32.
pub mod f64_to_f32 {
    use super::*;
    use crate::format::{F32, F64, Parts, Unpacked};
    type Num = Unpacked<<F64 as Parts>::Sig>;

    fn round(r: Num, st: &mut FloatStatus) -> u32 {
        finish::<F32>(r.with_sig(), st)
    }

    /// a + b.
    pub fn add(a: u64, b: u64, st: &mut FloatStatus) -> u32 {
        let (a, b) = (unpack::<F64>(a, st), unpack::<F64>(b, st));
        let r = arith::add(a, b, st);
        round(r, st)
    }
    /// a - b.
    pub fn sub(a: u64, b: u64, st: &mut FloatStatus) -> u32 {
        let (a, b) = (unpack::<F64>(a, st), unpack::<F64>(b, st));
        let r = arith::sub(a, b, st);
        round(r, st)
    }
    /// a × b.
    pub fn mul(a: u64, b: u64, st: &mut FloatStatus) -> u32 {
        let (a, b) = (unpack::<F64>(a, st), unpack::<F64>(b, st));
        let r = arith::mul(a, b, st);
        round(r, st)
    }
    /// a / b.
    pub fn div(a: u64, b: u64, st: &mut FloatStatus) -> u32 {
        let (a, b) = (unpack::<F64>(a, st), unpack::<F64>(b, st));
        let r = arith::div(a, b, st);
        round(r, st)
    }
    /// The square root.
    pub fn sqrt(a: u64, st: &mut FloatStatus) -> u32 {
        let a = unpack::<F64>(a, st);
        let r = arith::sqrt(a, st);
        round(r, st)
    }
    /// a × b + c.
    pub fn mul_add(a: u64, b: u64, c: u64, st: &mut FloatStatus) -> u32 {
        let [a, b, c] = [a, b, c].map(|x| unpack::<F64>(x, st));
        let r = arith::mul_add(a, b, c, st);
        round(r, st)
    }
}

/// bfloat16, the upper half of a binary32: conversions only.
pub mod bf16 {
    use super::*;
    type Raw = u16;
    conversions!(Bf16: to_f16 F16 u16, to_f32 F32 u32, to_f64 F64 u64, to_f80 F80 u128, to_f128 F128 u128);
}
