//! Scalar floating point, through the soft float crate. Reference: [`crate::Op`]; [ARMv8 shared/functions/float].

use tcg_softfloat::{
    F32,
    F64,
    Flags,
    FloatStatus,
    IntRule,
    IntType,
    MinMax,
    NanRule,
    Ordering,
    Round,
    arm, // lint: allow isa, soft float's name
    f16,
    f32,
    f64,
    f64_to_f32,
};

use super::int::nzcv;
use super::lanes::{low, signed};
use super::{OpDesc, bits};
use crate::{FpMode, FpNan, FpRound, Op, Ty};

/// The soft float's idea of a regime.
pub fn status(fp: FpMode) -> FloatStatus {
    let sse = fp.nan == FpNan::First;
    FloatStatus {
        round: rounding(fp.round, fp),
        flush_inputs: fp.flush,
        flush_outputs: fp.flush,
        default_nan: fp.default_nan,
        nan_rule: match fp.nan {
            FpNan::SignallingFirst => NanRule::Arm, // lint: allow isa, soft float's name
            FpNan::First => NanRule::X86Sse,        // lint: allow isa, soft float's name
            FpNan::FirstThenAddend => NanRule::Ppc, // lint: allow isa, soft float's name
        },
        default_nan_negative: sse && !fp.default_nan,
        tininess_before: fp.tiny_before,
        flush_output_sets_inexact: sse,
        flush_input_sets_idc: !sse,
        denormal_sets_idc: sse,
        f16_alt: fp.alt_half,
        ..FloatStatus::default()
    }
}

/// A rounding mode of an operation; `Current` is the regime's.
pub fn rounding(round: FpRound, fp: FpMode) -> Round {
    match round {
        FpRound::Nearest => Round::NearestEven,
        FpRound::Up => Round::Up,
        FpRound::Down => Round::Down,
        FpRound::Zero => Round::TowardZero,
        FpRound::NearestAway => Round::NearestAway,
        FpRound::Current if fp.round == FpRound::Current => Round::NearestEven,
        FpRound::Current => rounding(fp.round, fp),
    }
}

/// The rounding mode that a conversion names: in `lane`, or in `imm` where `lane` is the element size.
fn operation_rounding(d: &OpDesc) -> Round {
    let number = match d.op {
        Op::VFToI | Op::VFFromI | Op::VFRound => (d.imm >> 12) as u8 & 15,
        _ => d.lane,
    };
    rounding(FpRound::from_index(number), d.fp)
}

/// The arithmetic that both formats have, so that vectors and scalars share one table.
pub struct Format {
    pub bits: u32,
    pub add: fn(u64, u64, &mut FloatStatus) -> u64,
    pub sub: fn(u64, u64, &mut FloatStatus) -> u64,
    pub mul: fn(u64, u64, &mut FloatStatus) -> u64,
    pub div: fn(u64, u64, &mut FloatStatus) -> u64,
    pub sqrt: fn(u64, &mut FloatStatus) -> u64,
    pub mul_add: fn(u64, u64, u64, &mut FloatStatus) -> u64,
    pub min: fn(u64, u64, MinMax, &mut FloatStatus) -> u64,
    pub max: fn(u64, u64, MinMax, &mut FloatStatus) -> u64,
    pub compare: fn(u64, u64, bool, &mut FloatStatus) -> Ordering,
    pub round: fn(u64, Round, bool, &mut FloatStatus) -> u64,
    pub to_int: fn(u64, IntType, u32, Round, IntRule, &mut FloatStatus) -> u64,
    pub from_i64: fn(i64, u32, &mut FloatStatus) -> u64,
    pub from_u64: fn(u64, u32, &mut FloatStatus) -> u64,
    pub recip_estimate: fn(u64, &mut FloatStatus) -> u64,
    pub rsqrt_estimate: fn(u64, &mut FloatStatus) -> u64,
    pub recip_step: fn(u64, u64, &mut FloatStatus) -> u64,
    pub rsqrt_step: fn(u64, u64, &mut FloatStatus) -> u64,
}

macro_rules! format_table {
    ($m:ident, $F:ident, $raw:ty) => {
        Format {
            bits: <$raw>::BITS,
            add: |a, b, s| $m::add(a as $raw, b as $raw, s) as u64,
            sub: |a, b, s| $m::sub(a as $raw, b as $raw, s) as u64,
            mul: |a, b, s| $m::mul(a as $raw, b as $raw, s) as u64,
            div: |a, b, s| $m::div(a as $raw, b as $raw, s) as u64,
            sqrt: |a, s| $m::sqrt(a as $raw, s) as u64,
            mul_add: |a, b, c, s| $m::mul_add(a as $raw, b as $raw, c as $raw, s) as u64,
            min: |a, b, kind, s| $m::min(a as $raw, b as $raw, kind, s) as u64,
            max: |a, b, kind, s| $m::max(a as $raw, b as $raw, kind, s) as u64,
            compare: |a, b, signalling, s| match signalling {
                true => $m::compare_signaling(a as $raw, b as $raw, s),
                false => $m::compare_quiet(a as $raw, b as $raw, s),
            },
            round: |a, r, exact, s| $m::round_to_int(a as $raw, r, exact, s) as u64,
            to_int: |a, ty, fraction, r, rule, s| $m::to_int(a as $raw, ty, fraction, r, rule, s),
            from_i64: |v, fraction, s| $m::from_i64(v, fraction, s) as u64,
            from_u64: |v, fraction, s| $m::from_u64(v, fraction, s) as u64,
            recip_estimate: |a, s| arm::recip_estimate::<$F>(a as $raw, s) as u64, // lint: allow isa, soft float's name
            rsqrt_estimate: |a, s| arm::recip_sqrt_estimate::<$F>(a as $raw, s) as u64, // lint: allow isa, soft float's name
            recip_step: |a, b, s| arm::recip_step::<$F>(a as $raw, b as $raw, s) as u64, // lint: allow isa, soft float's name
            rsqrt_step: |a, b, s| arm::rsqrt_step::<$F>(a as $raw, b as $raw, s) as u64, // lint: allow isa, soft float's name
        }
    };
}

/// binary32.
pub static SINGLE: Format = format_table!(f32, F32, u32);
/// binary64.
pub static DOUBLE: Format = format_table!(f64, F64, u64);

/// The format of a scalar type.
fn of_type(ty: Ty) -> &'static Format {
    if ty == Ty::F64 { &DOUBLE } else { &SINGLE }
}

/// Scalar floating-point operations.
pub fn eval(d: &OpDesc, [a, b, c]: [u128; 3], flags: &mut u32) -> Option<u128> {
    let mut st = status(d.fp);
    let [a, b, c] = [a as u64, b as u64, c as u64];
    let result = arithmetic(d, a, b, c, &mut st).or_else(|| conversion(d, a, b, &mut st));
    if !d.fp.silent {
        *flags |= st.flags.bits();
    }
    result
}

/// `c` and the result of a fused multiply-add as `imm` says: 2 subtracts, 4 negates; NaNs keep their sign.
pub fn fused(
    bits: u32,
    imm: i64,
    [a, b, c]: [u64; 3],
    st: &mut FloatStatus,
    mul_add: impl FnOnce(u64, u64, u64, &mut FloatStatus) -> u64,
) -> u64 {
    let (sign, infinity) = match bits {
        64 => (1 << 63, 0x7ff0 << 48),
        _ => (1 << 31, 0x7f80 << 16),
    };
    let flip = |x: u64| if x & !sign > infinity { x } else { x ^ sign };
    let c = if imm & 2 != 0 { flip(c) } else { c };
    let r = mul_add(a, b, c, st);
    if imm & 4 != 0 { flip(r) } else { r }
}

/// Operations on doubles whose result is rounded once to single precision.
fn to_single(d: &OpDesc, a: u64, b: u64, c: u64, st: &mut FloatStatus) -> Option<u128> {
    let r = match d.op {
        Op::FAdd => f64_to_f32::add(a, b, st),
        Op::FSub => f64_to_f32::sub(a, b, st),
        Op::FMul => f64_to_f32::mul(a, b, st),
        Op::FDiv => f64_to_f32::div(a, b, st),
        Op::FSqrt => f64_to_f32::sqrt(a, st),
        Op::FMulAdd => {
            let r = fused(64, d.imm, [a, b, c], st, |a, b, c, st| {
                widen(f64_to_f32::mul_add(a, b, c, st))
            });
            return Some(u128::from(r));
        }
        _ => return None,
    };
    Some(u128::from(widen(r)))
}

/// `FNarrow`: a double's bits as single precision, without rounding.
fn narrow(a: u64) -> u64 {
    let exponent = a >> 52 & 0x7ff;
    let sign = a >> 32 & 0x8000_0000;
    if (874..=896).contains(&exponent) {
        let significand = (a >> 29 & 0x7f_ffff) | 0x80_0000;
        return sign | significand >> (897 - exponent);
    }
    (a >> 32 & 0xc000_0000) | (a >> 29 & 0x3fff_ffff)
}

/// `FWiden`: a single's bits as a double; NaNs keep theirs.
fn widen(a: u32) -> u64 {
    if a & 0x7fff_ffff > 0x7f80_0000 {
        return u64::from(a >> 31) << 63 | 0x7ff0 << 48 | u64::from(a & 0x7f_ffff) << 29;
    }
    f32::to_f64(a, &mut FloatStatus::default())
}

fn arithmetic(d: &OpDesc, a: u64, b: u64, c: u64, st: &mut FloatStatus) -> Option<u128> {
    if d.ty == Ty::F64
        && d.imm & 1 != 0
        && let Some(r) = to_single(d, a, b, c, st)
    {
        return Some(r);
    }
    let f = of_type(d.ty);
    let sign = 1u64 << (f.bits - 1);
    let result = match d.op {
        Op::FAdd => (f.add)(a, b, st),
        Op::FSub => (f.sub)(a, b, st),
        Op::FMul => (f.mul)(a, b, st),
        Op::FDiv => (f.div)(a, b, st),
        Op::FSqrt => (f.sqrt)(a, st),
        Op::FMulAdd => fused(f.bits, d.imm, [a, b, c], st, f.mul_add),
        Op::FMla => mul_then_add(d, f, [a, b, c], st),
        Op::FNeg => a ^ sign,
        Op::FAbs => a & !sign,
        Op::FMin => (f.min)(a, b, MinMax::Propagate, st),
        Op::FMax => (f.max)(a, b, MinMax::Propagate, st),
        Op::FMinNum => (f.min)(a, b, number(d), st),
        Op::FMaxNum => (f.max)(a, b, number(d), st),
        _ => return None,
    };
    Some(u128::from(result))
}

/// Which minimum of numbers `FMinNum` and `FMaxNum` are.
fn number(d: &OpDesc) -> MinMax {
    match d.imm {
        1 => MinMax::Number2019,
        _ => MinMax::Number2008,
    }
}

/// `FMla` of one element.
pub fn mul_then_add(d: &OpDesc, f: &Format, [a, b, c]: [u64; 3], st: &mut FloatStatus) -> u64 {
    let sign = 1u64 << (f.bits - 1);
    let flip = |bit: u32| if d.imm >> bit & 1 != 0 { sign } else { 0 };
    let product = (f.mul)(a, b, st) ^ flip(0);
    (f.add)(c ^ flip(1), product, st)
}

fn conversion(d: &OpDesc, a: u64, b: u64, st: &mut FloatStatus) -> Option<u128> {
    let source = d.arg_ty[0];
    let half = |v: u16| u64::from(v);
    let result = match d.op {
        Op::CcFcmp => return Some(compare(of_type(source), a, b, d.lane == 1, st)),
        Op::FRound => round_to_int(d, of_type(d.ty), a, st),
        Op::FCvt => match (source, d.ty) {
            (Ty::F32, Ty::F64) => f32::to_f64(a as u32, st),
            (Ty::F64, Ty::F32) => u64::from(f64::to_f32(a, st)),
            _ => a,
        },
        Op::FWiden => widen(a as u32),
        Op::FNarrow => narrow(a),
        Op::FFromHalf if d.ty == Ty::F64 => f16::to_f64(a as u16, st),
        Op::FFromHalf => u64::from(f16::to_f32(a as u16, st)),
        Op::FToHalf if source == Ty::F64 => half(f64::to_f16(a, st)),
        Op::FToHalf => half(f32::to_f16(a as u32, st)),
        Op::FToI => to_int(d, of_type(source), a, (d.imm >> 16) as u32, st),
        Op::FFromI => from_int(d, of_type(d.ty), a, bits(source), st),
        _ => return None,
    };
    Some(u128::from(result))
}

/// Flags of an Arm floating-point comparison.
fn compare(f: &Format, a: u64, b: u64, signalling: bool, st: &mut FloatStatus) -> u128 {
    match (f.compare)(a, b, signalling, st) {
        Ordering::Less => nzcv(true, false, false, false),
        Ordering::Equal => nzcv(false, true, true, false),
        Ordering::Greater => nzcv(false, false, true, false),
        Ordering::Unordered => nzcv(false, false, true, true),
    }
}

/// `FRound` of one element.
pub fn round_to_int(d: &OpDesc, f: &Format, a: u64, st: &mut FloatStatus) -> u64 {
    let round = operation_rounding(d);
    (f.round)(a, round, d.imm & 1 != 0, st)
}

/// `FToI` of one element to an integer of `width` bits, sign- or zero-extended to 64.
pub fn to_int(d: &OpDesc, f: &Format, a: u64, width: u32, st: &mut FloatStatus) -> u64 {
    let round = operation_rounding(d);
    let is_signed = d.imm & 0x100 != 0;
    let ty = match (width, is_signed) {
        (16, true) => IntType::I16,
        (16, false) => IntType::U16,
        (64, true) => IntType::I64,
        (64, false) => IntType::U64,
        (_, true) => IntType::I32,
        (_, false) => IntType::U32,
    };
    let rule = match (d.imm & 0x200, d.fp.nan) {
        (0, FpNan::FirstThenAddend) => IntRule::SaturateNanLeast,
        (0, _) => IntRule::Saturate,
        _ => IntRule::SaturateNanLargest,
    };
    (f.to_int)(a, ty, d.imm as u32 & 0xff, round, rule, st)
}

/// `FFromI` of one integer of `width` bits.
pub fn from_int(d: &OpDesc, f: &Format, a: u64, width: u32, st: &mut FloatStatus) -> u64 {
    let round = operation_rounding(d);
    let mut local = FloatStatus {
        round,
        flags: Flags::empty(),
        ..*st
    };
    let fraction = d.imm as u32 & 0xff;
    let result = if d.imm & 0x100 != 0 {
        (f.from_i64)(
            signed(u128::from(a), width.min(64)) as i64,
            fraction,
            &mut local,
        )
    } else {
        (f.from_u64)(low(u128::from(a), width) as u64, fraction, &mut local)
    };
    st.raise(local.flags);
    result
}
