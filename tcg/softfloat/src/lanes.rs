//! Operations on all lanes of vectors, described by a number that translated code passes to a helper: half precision,
//! and what only Arm defines. [ARMv8 shared/functions/float]

use crate::arm;
use crate::{F16, F32, F64, FloatStatus, IntRule, IntType, MinMax, Ordering, Round, f16, f32, f64};

/// What is computed of the lanes of a, b and c.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Soft {
    Add,
    Sub,
    Mul,
    Div,
    Max,
    Min,
    MaxNum,
    MinNum,
    MulX,
    RecipStep,
    RsqrtStep,
    /// The same with two roundings, as A32 does it.
    RecipStepTwice,
    RsqrtStepTwice,
    AbsDiff,
    CmpEq,
    CmpGe,
    CmpGt,
    Sqrt,
    /// a * b + c.
    MulAdd,
    /// To an integral value.
    Round,
    RecipEstimate,
    RsqrtEstimate,
    RecipExponent,
    /// To an integer of the lane's size, or of 32 or 64 bits: see [`Desc`].
    ToInt,
    FromInt,
    /// f64 to f32, rounding to odd.
    Narrow,
    /// FRINT32 and FRINT64.
    RoundSize,
    /// Half a * half b + single c.
    MulAddLong,
    /// N, Z, C, V of a comparison, as an integer.
    Compare,
    /// Javascript's conversion: the integer, and Z at bit 32.
    Javascript,
}

impl Soft {
    const ALL: [Soft; 30] = [
        Soft::Add,
        Soft::Sub,
        Soft::Mul,
        Soft::Div,
        Soft::Max,
        Soft::Min,
        Soft::MaxNum,
        Soft::MinNum,
        Soft::MulX,
        Soft::RecipStep,
        Soft::RsqrtStep,
        Soft::RecipStepTwice,
        Soft::RsqrtStepTwice,
        Soft::AbsDiff,
        Soft::CmpEq,
        Soft::CmpGe,
        Soft::CmpGt,
        Soft::Sqrt,
        Soft::MulAdd,
        Soft::Round,
        Soft::RecipEstimate,
        Soft::RsqrtEstimate,
        Soft::RecipExponent,
        Soft::ToInt,
        Soft::FromInt,
        Soft::Narrow,
        Soft::RoundSize,
        Soft::MulAddLong,
        Soft::Compare,
        Soft::Javascript,
    ];
}

/// The rounding mode that the block's mode says.
pub const CURRENT: u8 = 5;

/// An operation with its parameters, packed into the helper's integer argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Desc {
    /// The operation.
    pub op: Soft,
    /// Format: 1 half, 2 single, 3 double precision.
    pub size: u8,
    /// Number of lanes.
    pub lanes: u8,
    /// Rounding mode: 0 nearest, 1 up, 2 down, 3 zero, 4 away from zero on a tie, [`CURRENT`].
    pub round: u8,
    /// Signed integers; an exact rounding; a signalling comparison.
    pub flag: bool,
    /// Fraction bits of conversions.
    pub fraction: u8,
    /// Log2 of bytes of the integer of a conversion.
    pub int: u8,
}

impl Desc {
    /// An operation without further parameters.
    pub const fn new(op: Soft, size: u32, lanes: u32) -> Desc {
        Desc {
            op,
            size: size as u8,
            lanes: lanes as u8,
            round: CURRENT,
            flag: false,
            fraction: 0,
            int: size as u8,
        }
    }

    /// As one number of 32 bits.
    pub const fn pack(self) -> u64 {
        self.op as u64
            | (self.size as u64) << 8
            | (self.lanes as u64) << 12
            | (self.round as u64) << 16
            | (self.flag as u64) << 20
            | (self.int as u64) << 21
            | (self.fraction as u64) << 24
    }

    /// From the lower 32 bits of a number.
    pub fn unpack(x: u64) -> Option<Desc> {
        Some(Desc {
            op: *Soft::ALL.get(usize::from(x as u8))?,
            size: (x >> 8) as u8 & 3,
            lanes: (x >> 12) as u8 & 15,
            round: (x >> 16) as u8 & 7,
            flag: x >> 20 & 1 != 0,
            int: (x >> 21) as u8 & 3,
            fraction: (x >> 24) as u8,
        })
    }
}

fn rounding(number: u8, st: &FloatStatus) -> Round {
    match number {
        0 => Round::NearestEven,
        1 => Round::Up,
        2 => Round::Down,
        3 => Round::TowardZero,
        4 => Round::NearestAway,
        _ => st.round,
    }
}

macro_rules! lane_operations {
    ($name:ident $m:ident $F:ident $raw:ty) => {
        fn $name(d: &Desc, [a, b, c]: [u64; 3], st: &mut FloatStatus) -> u64 {
            let (x, y, z) = (a as $raw, b as $raw, c as $raw);
            let mask = |yes: bool| if yes { <$raw>::MAX } else { 0 };
            let sign = 1 << (<$raw>::BITS - 1);
            let r = match d.op {
                Soft::Add => $m::add(x, y, st),
                Soft::Sub => $m::sub(x, y, st),
                Soft::Mul => $m::mul(x, y, st),
                Soft::Div => $m::div(x, y, st),
                Soft::Max => $m::max(x, y, MinMax::Propagate, st),
                Soft::Min => $m::min(x, y, MinMax::Propagate, st),
                Soft::MaxNum => $m::max(x, y, MinMax::Number2008, st),
                Soft::MinNum => $m::min(x, y, MinMax::Number2008, st),
                Soft::MulX => arm::mulx::<$F>(x, y, st),
                Soft::RecipStep => arm::recip_step_fused::<$F>(x, y, st),
                Soft::RsqrtStep => arm::rsqrt_step_fused::<$F>(x, y, st),
                Soft::RecipStepTwice => arm::recip_step::<$F>(x, y, st),
                Soft::RsqrtStepTwice => arm::rsqrt_step::<$F>(x, y, st),
                Soft::AbsDiff => $m::sub(x, y, st) & !sign,
                Soft::CmpEq => mask($m::compare_quiet(x, y, st) == Ordering::Equal),
                Soft::CmpGe => mask(matches!(
                    $m::compare_signaling(x, y, st),
                    Ordering::Greater | Ordering::Equal
                )),
                Soft::CmpGt => mask($m::compare_signaling(x, y, st) == Ordering::Greater),
                Soft::Sqrt => $m::sqrt(x, st),
                Soft::MulAdd => $m::mul_add(x, y, z, st),
                Soft::Round => $m::round_to_int(x, rounding(d.round, st), d.flag, st),
                Soft::RecipEstimate => arm::recip_estimate::<$F>(x, st),
                Soft::RsqrtEstimate => arm::recip_sqrt_estimate::<$F>(x, st),
                Soft::RecipExponent => arm::recip_exponent::<$F>(x, st),
                Soft::ToInt => {
                    let ty = int_type(d);
                    let fraction = u32::from(d.fraction);
                    let round = rounding(d.round, st);
                    return $m::to_int(x, ty, fraction, round, IntRule::Saturate, st);
                }
                Soft::FromInt => {
                    let bits = 8 << d.int;
                    let fraction = u32::from(d.fraction);
                    let current = st.round;
                    st.round = rounding(d.round, st);
                    let r = if d.flag {
                        let v = (a << (64 - bits)) as i64 >> (64 - bits);
                        $m::from_i64(v, fraction, st)
                    } else {
                        $m::from_u64(a << (64 - bits) >> (64 - bits), fraction, st)
                    };
                    st.round = current;
                    r
                }
                Soft::RoundSize => {
                    let (round, wide) = (rounding(d.round, st), d.int == 3);
                    let ty = if wide { IntType::I64 } else { IntType::I32 };
                    let before = st.flags;
                    let mut trial = *st;
                    trial.flags = crate::Flags::empty();
                    let v = $m::to_int(x, ty, 0, round, IntRule::Saturate, &mut trial) as i64;
                    st.flags = before | trial.flags;
                    if trial.flags.contains(crate::Flags::INVALID) {
                        // Out of range: the least integer.
                        let least = if wide { i64::MIN } else { i64::from(i32::MIN) };
                        $m::from_i64(least, 0, st)
                    } else if v == 0 {
                        x & sign
                    } else {
                        $m::from_i64(v, 0, st)
                    }
                }
                Soft::Compare => {
                    let order = match d.flag {
                        true => $m::compare_signaling(x, y, st),
                        false => $m::compare_quiet(x, y, st),
                    };
                    return match order {
                        Ordering::Less => 8,
                        Ordering::Equal => 6,
                        Ordering::Greater => 2,
                        Ordering::Unordered => 3,
                    };
                }
                Soft::Narrow | Soft::MulAddLong | Soft::Javascript => 0,
            };
            u64::from(r)
        }
    };
}

lane_operations!(half f16 F16 u16);
lane_operations!(single f32 F32 u32);
lane_operations!(double f64 F64 u64);

fn int_type(d: &Desc) -> IntType {
    match (d.flag, d.int) {
        (true, 1) => IntType::I16,
        (true, 2) => IntType::I32,
        (true, _) => IntType::I64,
        (false, 1) => IntType::U16,
        (false, 2) => IntType::U32,
        (false, _) => IntType::U64,
    }
}

/// A half-precision number as a single one without a change of value or of a NaN's kind.
fn widened(x: u16) -> u32 {
    let mut st = FloatStatus::default();
    let nan = x & 0x7fff > 0x7c00;
    match nan {
        true => u32::from(x & 0x8000) << 16 | 0x7f80_0000 | u32::from(x & 0x3ff) << 13,
        false => f16::to_f32(x, &mut st),
    }
}

/// [ARMv8 FPMulAddH]
fn mul_add_long([a, b, c]: [u64; 3], st: &mut FloatStatus) -> u64 {
    let flush = |x: u64| match st.flush_f16 && x & 0x7c00 == 0 {
        true => x & 0x8000,
        false => x,
    };
    let (x, y) = (widened(flush(a) as u16), widened(flush(b) as u16));
    u64::from(f32::mul_add(x, y, c as u32, st))
}

fn narrow_to_odd(a: u64, st: &mut FloatStatus) -> u64 {
    let mut odd = *st;
    odd.round = Round::Odd;
    let r = f64::to_f32(a, &mut odd);
    st.flags = odd.flags;
    u64::from(r)
}

fn lane(v: u128, k: u32, size: u8) -> u64 {
    let bits = 8u32 << size;
    (v >> (k * bits)) as u64 & (u64::MAX >> (64 - bits))
}

/// Runs an operation on all lanes; the status gathers the sticky flags.
pub fn run(d: &Desc, [a, b, c]: [u128; 3], st: &mut FloatStatus) -> u128 {
    let (mut out, lanes) = (0u128, u32::from(d.lanes));
    // Sizes of the operands and of the result in lanes.
    let (size_in, size_c, size_out) = match d.op {
        Soft::Narrow => (3, 3, 2),
        Soft::MulAddLong => (1, 2, 2),
        Soft::ToInt | Soft::Compare | Soft::Javascript if d.lanes == 1 => (d.size, d.size, 3),
        Soft::FromInt if d.lanes == 1 => (3, 3, d.size),
        _ => (d.size, d.size, d.size),
    };
    for k in 0..lanes {
        let args = [lane(a, k, size_in), lane(b, k, size_in), lane(c, k, size_c)];
        let r = match (d.op, d.size) {
            (Soft::Narrow, _) => narrow_to_odd(args[0], st),
            (Soft::MulAddLong, _) => mul_add_long(args, st),
            (Soft::Javascript, _) => {
                let (v, exact) = arm::fjcvtzs(args[0], st);
                u64::from(v) | u64::from(exact) << 32
            }
            (_, 1) => half(d, args, st),
            (_, 2) => single(d, args, st),
            _ => double(d, args, st),
        };
        let bits = 8u32 << size_out;
        let r = r & (u64::MAX >> (64 - bits));
        out |= u128::from(r) << (k * bits);
    }
    out
}
