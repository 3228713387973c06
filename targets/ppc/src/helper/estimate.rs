//! 2 to the power of a number, the binary logarithm, and truncation to integers for vectors of singles: without the
//! host's floating point, whose flags are FPSCR's and none of AltiVec's business. [PowerISA I.6.10]

use std::ops::{Add, Div, Mul, Sub};
use tcg_softfloat::{FloatStatus, f32 as single, f64 as double};

/// A double; what its arithmetic raises is forgotten.
#[derive(Clone, Copy)]
struct Quiet(u64);

const ONE: Quiet = Quiet(0x3ff0_0000_0000_0000);
/// The natural logarithm of 2.
const LN_2: Quiet = Quiet(0x3fe6_2e42_fefa_39ef);

macro_rules! operators {
    ($($trait:ident $method:ident;)*) => {$(
        impl $trait for Quiet {
            type Output = Quiet;
            fn $method(self, b: Quiet) -> Quiet {
                Quiet(double::$method(self.0, b.0, &mut FloatStatus::default()))
            }
        }
    )*};
}

operators! {
    Add add;
    Sub sub;
    Mul mul;
    Div div;
}

impl Quiet {
    fn integer(n: i64) -> Quiet {
        Quiet(double::from_i64(n, 0, &mut FloatStatus::default()))
    }

    fn single(self) -> u32 {
        double::to_f32(self.0, &mut FloatStatus::default())
    }
}

const INFINITY: u32 = 0x7f80_0000;

fn is_nan(x: u32) -> bool {
    x & 0x7fff_ffff > INFINITY
}

/// 2 to the power of `x`, by the same arithmetic on every host: far closer than the 1/16 that is asked for, and exact
/// for integers. [PowerISA I.6.10.5]
pub fn exp2(x: u32) -> u32 {
    if is_nan(x) {
        return x | 1 << 22;
    }
    // Far enough for every result to be infinity or zero.
    let x = match x & 0x7fff_ffff {
        0x4400_0000.. => x & 1 << 31 | 0x4400_0000,
        _ => x,
    };
    let x = Quiet(single::to_f64(x, &mut FloatStatus::default()));
    let down = tcg_softfloat::Round::Down;
    let whole = double::to_i64(x.0, down, &mut FloatStatus::default());
    let t = (x - Quiet::integer(whole)) * LN_2;
    // The series of e^t, up to where it no longer counts.
    let fraction = (1..=18)
        .rev()
        .fold(ONE, |sum, n| ONE + sum * t / Quiet::integer(n));
    (fraction * Quiet(((whole + 1023) as u64) << 52)).single()
}

/// The binary logarithm of `x`, in the same way; exact for powers of 2.
pub fn log2(x: u32) -> u32 {
    match x {
        _ if is_nan(x) => return x | 1 << 22,
        0 | 0x8000_0000 => return 1 << 31 | INFINITY,
        INFINITY => return x,
        0x8000_0001.. => return 0x7fc0_0000,
        _ => {}
    }
    let bits = single::to_f64(x, &mut FloatStatus::default());
    let exponent = (bits >> 52) as i64 - 1023;
    let m = Quiet(bits & ((1 << 52) - 1) | ONE.0);
    // log m = 2 artanh((m - 1) / (m + 1)).
    let z = (m - ONE) / (m + ONE);
    let series = (0..32).rev().fold(Quiet(0), |sum, n| {
        sum * z * z + ONE / Quiet::integer(2 * n + 1)
    });
    let two = Quiet::integer(2);
    (Quiet::integer(exponent) + two * z * series / LN_2).single()
}

/// Whether `x` is above `y`; false for NaNs.
pub fn above(x: u32, y: u32) -> bool {
    // As integers in the same order, both zeros being one.
    let place = |v: u32| {
        let magnitude = i64::from(v & 0x7fff_ffff);
        if v >> 31 != 0 { -magnitude } else { magnitude }
    };
    !is_nan(x) && !is_nan(y) && place(x) > place(y)
}

/// `x` times 2 to the power of `scale`, cut off; `None` for a NaN. What is far out of range is anything beyond 2^64.
pub fn truncated(x: u32, scale: u32) -> Option<i128> {
    if is_nan(x) {
        return None;
    }
    let exponent = (x >> 23 & 0xff) as i32;
    let fraction = u128::from(x & 0x007f_ffff);
    let fraction = if exponent == 0 {
        fraction
    } else {
        fraction | 1 << 23
    };
    let shift = exponent.max(1) - 150 + scale as i32;
    let magnitude = match shift {
        ..0 => fraction.checked_shr(shift.unsigned_abs()).unwrap_or(0),
        _ => fraction << shift.min(80),
    } as i128;
    Some(if x >> 31 != 0 { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_and_powers_of_whole_numbers_are_exact() {
        for n in -126..=127i32 {
            let (x, power) = ((n as f32).to_bits(), 2f32.powi(n).to_bits());
            assert_eq!((exp2(x), log2(power)), (power, x), "{n}");
        }
        assert_eq!(exp2(200f32.to_bits()), INFINITY);
        assert_eq!(exp2((-200f32).to_bits()), 0);
        assert_eq!(log2(0x8000_0000), 0xff80_0000);
        assert_eq!(log2((-1f32).to_bits()), 0x7fc0_0000);
    }

    #[test]
    fn truncation_is_that_of_the_number() {
        assert_eq!(truncated((-2.75f32).to_bits(), 1), Some(-5));
        assert_eq!(
            truncated(1e30f32.to_bits(), 31).map(|v| v > 1 << 64),
            Some(true)
        );
        assert_eq!(truncated(1e-30f32.to_bits(), 0), Some(0));
        assert_eq!(truncated(0x7fc0_0000, 0), None);
    }

    #[test]
    fn comparison_knows_signs_zeros_and_nans() {
        let above = |x: f32, y: f32| above(x.to_bits(), y.to_bits());
        assert!(above(1.0, -1.0) && above(-1.0, -2.0) && above(f32::INFINITY, 1e38));
        assert!(!above(0.0, -0.0) && !above(f32::NAN, 1.0) && !above(1.0, f32::NAN));
    }
}
