//! Floating-point operations that the block's regime does not compute: static rounding modes, half precision,
//! classification, the modular conversion. [RISC-V f, d, zfh, zfa]

use tcg_ir::FpRound;
use tcg_softfloat::{FloatStatus, IntRule, IntType, MinMax, Ordering, Round, f16, f32, f64};

macro_rules! operations {
    ($($(#[doc = $doc:literal])+ $name:ident,)*) => {
        /// An operation of the helper.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum FloatOp { $($(#[doc = $doc])+ $name,)* }

        const ALL: &[FloatOp] = &[$(FloatOp::$name,)*];
    };
}

operations! {
    /// a + b.
    FAdd,
    /// a - b.
    FSub,
    /// a × b.
    FMul,
    /// a / b.
    FDiv,
    /// Square root.
    FSqrt,
    /// a × b + c.
    FMulAdd,
    /// minimumNumber.
    MinNumber,
    /// maximumNumber.
    MaxNumber,
    /// minimum.
    Min,
    /// maximum.
    Max,
    /// a = b, quiet.
    Equal,
    /// a < b, signalling.
    Less,
    /// a <= b, signalling.
    LessEqual,
    /// a < b, quiet.
    LessQuiet,
    /// a <= b, quiet.
    LessEqualQuiet,
    /// The class, one bit of ten.
    Class,
    /// To an integral value.
    Round,
    /// To an integral value, signalling inexact.
    RoundExact,
    /// To i32.
    ToI32,
    /// To u32.
    ToU32,
    /// To i64.
    ToI64,
    /// To u64.
    ToU64,
    /// From i32.
    FromI32,
    /// From u32.
    FromU32,
    /// From i64.
    FromI64,
    /// From u64.
    FromU64,
    /// Double to single.
    ToSingle,
    /// Single or double to half.
    ToHalf,
    /// Double to i32 modulo 2^32.
    ToIntModular,
}

impl FloatOp {
    /// The conversion to an integer.
    pub const fn to_int(width: u32, signed: bool) -> FloatOp {
        match (width, signed) {
            (64, true) => FloatOp::ToI64,
            (64, false) => FloatOp::ToU64,
            (_, true) => FloatOp::ToI32,
            (_, false) => FloatOp::ToU32,
        }
    }

    /// The conversion from an integer.
    pub const fn from_int(width: u32, signed: bool) -> FloatOp {
        match (width, signed) {
            (64, true) => FloatOp::FromI64,
            (64, false) => FloatOp::FromU64,
            (_, true) => FloatOp::FromI32,
            (_, false) => FloatOp::FromU32,
        }
    }
}

/// Operation, format and rounding in one word.
pub const fn describe(op: FloatOp, fmt: u32, round: FpRound) -> u32 {
    op as u32 | fmt << 8 | (round as u32) << 16
}

/// Runs the operation that the word describes: result and sticky flags.
pub fn run(args: [u64; 3], word: u32) -> (u64, u32) {
    let Some(op) = ALL.get(word as usize & 0xff).copied() else {
        return (0, 0);
    };
    let round = match FpRound::from_index((word >> 16) as u8) {
        FpRound::Up => Round::Up,
        FpRound::Down => Round::Down,
        FpRound::Zero => Round::TowardZero,
        FpRound::NearestAway => Round::NearestAway,
        FpRound::Nearest | FpRound::Current => Round::NearestEven,
    };
    let mut st = FloatStatus::riscv(round);
    let result = match word >> 8 & 3 {
        0 => single(op, args, round, &mut st),
        1 => double(op, args, round, &mut st),
        _ => half(op, args, round, &mut st),
    };
    (result, st.flags.bits())
}

macro_rules! format {
    ($name:ident, $m:ident, $raw:ty, $exponent:literal, $fraction:literal) => {
        fn $name(op: FloatOp, args: [u64; 3], round: Round, st: &mut FloatStatus) -> u64 {
            let [a, b, c] = args.map(|x| x as $raw);
            let less = |o: Ordering| u64::from(o == Ordering::Less);
            let less_equal = |o: Ordering| u64::from(matches!(o, Ordering::Less | Ordering::Equal));
            let to_int = |ty: IntType, st: &mut FloatStatus| {
                $m::to_int(a, ty, 0, round, IntRule::SaturateNanLargest, st)
            };
            let word = args[0];
            u64::from(match op {
                FloatOp::FAdd => $m::add(a, b, st),
                FloatOp::FSub => $m::sub(a, b, st),
                FloatOp::FMul => $m::mul(a, b, st),
                FloatOp::FDiv => $m::div(a, b, st),
                FloatOp::FSqrt => $m::sqrt(a, st),
                FloatOp::FMulAdd => $m::mul_add(a, b, c, st),
                FloatOp::MinNumber => $m::min(a, b, MinMax::Number2019, st),
                FloatOp::MaxNumber => $m::max(a, b, MinMax::Number2019, st),
                FloatOp::Min => $m::min(a, b, MinMax::Propagate, st),
                FloatOp::Max => $m::max(a, b, MinMax::Propagate, st),
                FloatOp::Round => $m::round_to_int(a, round, false, st),
                FloatOp::RoundExact => $m::round_to_int(a, round, true, st),
                FloatOp::FromI32 => $m::from_i64(i64::from(word as i32), 0, st),
                FloatOp::FromU32 => $m::from_u64(u64::from(word as u32), 0, st),
                FloatOp::FromI64 => $m::from_i64(word as i64, 0, st),
                FloatOp::FromU64 => $m::from_u64(word, 0, st),
                FloatOp::Equal => {
                    return u64::from($m::compare_quiet(a, b, st) == Ordering::Equal);
                }
                FloatOp::Less => return less($m::compare_signaling(a, b, st)),
                FloatOp::LessEqual => return less_equal($m::compare_signaling(a, b, st)),
                FloatOp::LessQuiet => return less($m::compare_quiet(a, b, st)),
                FloatOp::LessEqualQuiet => return less_equal($m::compare_quiet(a, b, st)),
                FloatOp::Class => return class(args[0], $exponent, $fraction),
                FloatOp::ToI32 => return to_int(IntType::I32, st),
                FloatOp::ToU32 => return to_int(IntType::U32, st),
                FloatOp::ToI64 => return to_int(IntType::I64, st),
                FloatOp::ToU64 => return to_int(IntType::U64, st),
                FloatOp::ToSingle | FloatOp::ToHalf | FloatOp::ToIntModular => {
                    return narrower(op, args[0], $fraction, st);
                }
            })
        }
    };
}

format!(single, f32, u32, 8, 23);
format!(double, f64, u64, 11, 52);
format!(half, f16, u16, 5, 10);

/// Conversions of a single or double, told apart by the size of its fraction.
fn narrower(op: FloatOp, a: u64, fraction: u32, st: &mut FloatStatus) -> u64 {
    match (op, fraction) {
        (FloatOp::ToHalf, 23) => u64::from(f32::to_f16(a as u32, st)),
        (FloatOp::ToHalf, 52) => u64::from(f64::to_f16(a, st)),
        (FloatOp::ToSingle, 52) => u64::from(f64::to_f32(a, st)),
        (FloatOp::ToIntModular, 52) => modular(a, st),
        _ => 0,
    }
}

/// FCLASS: one bit of ten. [RISC-V f.9]
fn class(bits: u64, exponent: u32, fraction: u32) -> u64 {
    let negative = bits >> (exponent + fraction) & 1 != 0;
    let exp = bits >> fraction & ((1 << exponent) - 1);
    let frac = bits & ((1 << fraction) - 1);
    let quiet = frac >> (fraction - 1) != 0;
    let bit = match (exp, frac) {
        (0, 0) => [4, 3],
        (0, _) => [5, 2],
        (e, 0) if e == (1 << exponent) - 1 => [7, 0],
        (e, _) if e == (1 << exponent) - 1 => [if quiet { 9 } else { 8 }; 2],
        _ => [6, 1],
    };
    1 << bit[usize::from(negative)]
}

/// FCVTMOD.W.D: truncated, modulo 2^32; the flags are those of FCVT.W.D. [RISC-V zfa]
fn modular(a: u64, st: &mut FloatStatus) -> u64 {
    let _ = f64::to_i32(a, Round::TowardZero, st);
    let exp = (a >> 52 & 0x7ff) as i32 - 1075;
    let significand = a & ((1 << 52) - 1) | 1 << 52;
    let magnitude = match exp {
        // Infinite or not a number; too large to have bits below 2^32; below 1.
        949.. => 0,
        32.. => 0,
        0.. => significand << exp,
        -63..=-1 => significand >> -exp,
        _ => 0,
    };
    let value = if a >> 63 != 0 {
        magnitude.wrapping_neg()
    } else {
        magnitude
    };
    u64::from(value as u32)
}

/// The constant number `n` of FLI. [RISC-V zfa.1]
pub fn fli_constant(n: u32, fmt: u32) -> u64 {
    /// As doubles; 1 is the smallest normal number, 31 the default NaN.
    const VALUES: [f64; 32] = [
        -1.0,
        0.0,
        1.0 / 65536.0,
        1.0 / 32768.0,
        1.0 / 256.0,
        1.0 / 128.0,
        0.0625,
        0.125,
        0.25,
        0.3125,
        0.375,
        0.4375,
        0.5,
        0.625,
        0.75,
        0.875,
        1.0,
        1.25,
        1.5,
        1.75,
        2.0,
        2.5,
        3.0,
        4.0,
        8.0,
        16.0,
        128.0,
        256.0,
        32768.0,
        65536.0,
        f64::INFINITY,
        0.0,
    ];
    let (smallest, nan) = match fmt {
        0 => (0x0080_0000, 0x7fc0_0000),
        1 => (0x0010_0000_0000_0000, 0x7ff8_0000_0000_0000),
        _ => (0x0400, 0x7e00),
    };
    let bits = match VALUES.get(n as usize) {
        Some(v) => v.to_bits(),
        None => 0,
    };
    let mut st = FloatStatus::riscv(Round::NearestEven);
    match (n, fmt) {
        (1, _) => smallest,
        (31.., _) => nan,
        (_, 0) => u64::from(f64::to_f32(bits, &mut st)),
        (_, 1) => bits,
        _ => u64::from(f64::to_f16(bits, &mut st)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_singles() {
        let of = |bits: u32| {
            run(
                [u64::from(bits), 0, 0],
                describe(FloatOp::Class, 0, FpRound::Nearest),
            )
            .0
        };
        let table = [
            (0xff80_0000, 0),
            (0xbf80_0000, 1),
            (0x8000_0001, 2),
            (0x8000_0000, 3),
            (0, 4),
            (1, 5),
            (0x3f80_0000, 6),
            (0x7f80_0000, 7),
            (0x7f80_0001, 8),
            (0xffc0_0000, 9),
        ];
        for (bits, class) in table {
            assert_eq!(of(bits), 1 << class, "{bits:#x}");
        }
    }

    #[test]
    fn modular_conversion_wraps() {
        let of = |v: f64| {
            run(
                [v.to_bits(), 0, 0],
                describe(FloatOp::ToIntModular, 1, FpRound::Zero),
            )
        };
        assert_eq!(of(4294967297.0).0, 1);
        assert_eq!(of(-1.5).0, 0xffff_ffff);
        assert_eq!(of(-1.5).1, 0x10);
        assert_eq!(of(1e300), (0, 1));
        assert_eq!(of(f64::NAN), (0, 1));
        assert_eq!(of(9007199254740993.0 * 4.0).0, 0);
    }

    #[test]
    fn constants_in_each_format() {
        assert_eq!(fli_constant(0, 0), 0xbf80_0000);
        assert_eq!(fli_constant(2, 2), 0x0100);
        assert_eq!(fli_constant(29, 2), 0x7c00);
        assert_eq!(fli_constant(30, 1), 0x7ff0_0000_0000_0000);
    }
}
