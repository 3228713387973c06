//! Vectors of integers. Reference: [`crate::Op`]; [ARMv7 A8.8] VADD to VTST.
//!
//! Elements are taken as exact integers in 128 bits, combined, then truncated or saturated. The verifier allows
//! no element size for which that would overflow; wrapping keeps other input harmless.

use super::lanes::{Shape, low, mask, saturate_signed, saturate_unsigned, signed};
use super::{OpDesc, bits};
use crate::Op;

/// Operations on vectors of integers.
pub fn eval(d: &OpDesc, [a, b, _]: [u128; 3]) -> Option<u128> {
    wrapping(d, a, b)
        .or_else(|| select(d, a, b))
        .or_else(|| compare(d, a, b))
        .or_else(|| saturating(d, a, b))
        .or_else(|| halving(d, a, b))
        .or_else(|| shift(d, a, b))
        .or_else(|| width(d, a, b))
        .or_else(|| pairwise(d, a, b))
}

fn shape(d: &OpDesc) -> Shape {
    Shape::new(bits(d.ty), d.lane)
}

fn wrapping(d: &OpDesc, a: u128, b: u128) -> Option<u128> {
    let s = shape(d);
    Some(match d.op {
        Op::VAdd => s.zip(a, b, u128::wrapping_add),
        Op::VSub => s.zip(a, b, u128::wrapping_sub),
        Op::VMul => s.zip(a, b, u128::wrapping_mul),
        Op::VPmul => Shape::new(bits(d.ty), 0).zip(a, b, carryless),
        Op::VNeg => s.map(a, |x| 0u128.wrapping_sub(x)),
        Op::VAbs => s.map(a, |x| signed(x, s.esize).unsigned_abs()),
        Op::VAbdS => s.build(|i| s.get_signed(a, i).abs_diff(s.get_signed(b, i))),
        Op::VAbdU => s.zip(a, b, u128::abs_diff),
        Op::VAddAcross => {
            let sum = (0..s.count()).fold(0u128, |sum, i| sum.wrapping_add(s.get(a, i)));
            low(sum, s.esize)
        }
        _ => return None,
    })
}

/// Product of polynomials over {0, 1}.
fn carryless(a: u128, b: u128) -> u128 {
    (0..64)
        .filter(|k| b >> k & 1 != 0)
        .fold(0, |product, k| product ^ a << k)
}

fn select(d: &OpDesc, a: u128, b: u128) -> Option<u128> {
    let s = shape(d);
    Some(match d.op {
        Op::VMinS => s.zip_signed(a, b, i128::min),
        Op::VMaxS => s.zip_signed(a, b, i128::max),
        Op::VMinU => s.zip(a, b, u128::min),
        Op::VMaxU => s.zip(a, b, u128::max),
        _ => return None,
    })
}

fn compare(d: &OpDesc, a: u128, b: u128) -> Option<u128> {
    let s = shape(d);
    Some(match d.op {
        Op::VCmpEq => s.zip(a, b, |x, y| mask(x == y)),
        Op::VCmpGtS => s.zip_signed(a, b, |x, y| mask(x > y) as i128),
        Op::VCmpGeS => s.zip_signed(a, b, |x, y| mask(x >= y) as i128),
        Op::VCmpGtU => s.zip(a, b, |x, y| mask(x > y)),
        Op::VCmpGeU => s.zip(a, b, |x, y| mask(x >= y)),
        Op::VTst => s.zip(a, b, |x, y| mask(x & y != 0)),
        _ => return None,
    })
}

fn saturating(d: &OpDesc, a: u128, b: u128) -> Option<u128> {
    let s = shape(d);
    let n = s.esize;
    let to_unsigned = |x: i128| saturate_unsigned(x, n) as u128;
    Some(match d.op {
        Op::VAddSatS => s.zip_signed(a, b, |x, y| saturate_signed(x.saturating_add(y), n)),
        Op::VSubSatS => s.zip_signed(a, b, |x, y| saturate_signed(x.saturating_sub(y), n)),
        Op::VAddSatU => s.zip(a, b, |x, y| {
            to_unsigned((x as i128).wrapping_add(y as i128))
        }),
        Op::VSubSatU => s.zip(a, b, |x, y| {
            to_unsigned((x as i128).wrapping_sub(y as i128))
        }),
        Op::VQdmulh => {
            let round = if d.imm & 1 != 0 { 1i128 << (n - 1) } else { 0 };
            s.zip_signed(a, b, |x, y| {
                let doubled = x.saturating_mul(y).saturating_mul(2);
                saturate_signed(doubled.saturating_add(round) >> n.min(127), n)
            })
        }
        _ => return None,
    })
}

fn halving(d: &OpDesc, a: u128, b: u128) -> Option<u128> {
    let s = shape(d);
    let unsigned = |f: fn(i128, i128) -> i128| s.zip(a, b, |x, y| f(x as i128, y as i128) as u128);
    let half_sum = |x: i128, y: i128| x.wrapping_add(y) >> 1;
    let half_sum_up = |x: i128, y: i128| x.wrapping_add(y).wrapping_add(1) >> 1;
    let half_difference = |x: i128, y: i128| x.wrapping_sub(y) >> 1;
    Some(match d.op {
        Op::VHaddS => s.zip_signed(a, b, half_sum),
        Op::VHaddU => unsigned(half_sum),
        Op::VRhaddS => s.zip_signed(a, b, half_sum_up),
        Op::VRhaddU => unsigned(half_sum_up),
        Op::VHsubS => s.zip_signed(a, b, half_difference),
        Op::VHsubU => unsigned(half_difference),
        _ => return None,
    })
}

fn shift(d: &OpDesc, a: u128, b: u128) -> Option<u128> {
    let s = shape(d);
    let n = d.imm as u32 & 0x7f;
    // A right shift by n is a variable shift by -n.
    let right = |is_signed, rounding| {
        s.build(|i| shift_lane(element(s, a, i, is_signed), -(n as i32), rounding, None).0)
    };
    Some(match d.op {
        Op::VShlI => s.map(a, |x| x << n),
        Op::VShrI => right(false, false),
        Op::VSarI => right(true, false),
        Op::VRshrI => right(false, true),
        Op::VRsarI => right(true, true),
        Op::VShlV => {
            let is_signed = d.imm & 1 != 0;
            let rounding = d.imm & 2 != 0;
            let limits = (d.imm & 4 != 0).then_some((is_signed, s.esize));
            let report = d.imm & 8 != 0;
            s.build(|i| {
                let by = i32::from(s.get(b, i) as u8 as i8);
                let (value, saturated) =
                    shift_lane(element(s, a, i, is_signed), by, rounding, limits);
                if report { mask(saturated) } else { value }
            })
        }
        _ => return None,
    })
}

fn element(s: Shape, v: u128, i: u32, is_signed: bool) -> i128 {
    if is_signed {
        s.get_signed(v, i)
    } else {
        s.get(v, i) as i128
    }
}

/// x × 2^by, rounded half up if `rounding` else down, saturated to the limits (signed?, bits) if given. For |x|
/// below 2^64; `by` is -128 to 127. The second result tells whether it was saturated.
fn shift_lane(x: i128, by: i32, rounding: bool, limits: Option<(bool, u32)>) -> (u128, bool) {
    let exact = if by < 0 {
        // From 66 on the result no longer changes: 0 if rounded, else the sign.
        let n = by.unsigned_abs().min(66);
        let half = if rounding { 1i128 << (n - 1) } else { 0 };
        x.wrapping_add(half) >> n
    } else if by < 63 {
        x.wrapping_shl(by as u32)
    } else if limits.is_some() && x != 0 {
        // Out of every range, if x << 63 is not: elements have at most 64 bits.
        let beyond = i128::MAX >> 1;
        match (by, x) {
            (63, _) => x.wrapping_shl(63),
            (_, 1..) => beyond,
            _ => -beyond,
        }
    } else {
        low((x as u128).checked_shl(by as u32).unwrap_or(0), 128) as i128
    };
    let result = match limits {
        Some((true, n)) => saturate_signed(exact, n),
        Some((false, n)) => saturate_unsigned(exact, n),
        None => exact,
    };
    (result as u128, result != exact)
}

/// Operations between a vector and one of twice its size.
fn width(d: &OpDesc, a: u128, b: u128) -> Option<u128> {
    let narrow = Shape::new(64, d.lane & 3);
    let wide = Shape::new(128, (d.lane & 3) + 1);
    let n = narrow.esize;
    let from_signed = |f: fn(i128, i128) -> i128| {
        wide.build(|i| f(narrow.get_signed(a, i), narrow.get_signed(b, i)) as u128)
    };
    Some(match d.op {
        Op::VMullS => from_signed(i128::wrapping_mul),
        Op::VMullU => wide.build(|i| narrow.get(a, i).wrapping_mul(narrow.get(b, i))),
        Op::VPmull => wide.build(|i| carryless(narrow.get(a, i), narrow.get(b, i))),
        Op::VQdmull => wide.build(|i| {
            let (x, y) = (narrow.get_signed(a, i), narrow.get_signed(b, i));
            let doubled = x.saturating_mul(y).saturating_mul(2);
            saturate_signed(doubled, wide.esize) as u128
        }),
        Op::VWidenS => wide.build(|i| narrow.get_signed(a, i) as u128),
        Op::VWidenU => wide.build(|i| narrow.get(a, i)),
        Op::VNarrow => narrow.build(|i| wide.get(a, i)),
        Op::VNarrowSatS => narrow.build(|i| saturate_signed(wide.get_signed(a, i), n) as u128),
        Op::VNarrowSatU => narrow.build(|i| wide.get(a, i).min(low(u128::MAX, n))),
        Op::VNarrowSatSU => narrow.build(|i| saturate_unsigned(wide.get_signed(a, i), n) as u128),
        _ => return None,
    })
}

fn pairwise(d: &OpDesc, a: u128, b: u128) -> Option<u128> {
    let s = shape(d);
    let wide = Shape::new(s.bits, (d.lane & 3) + 1);
    let narrow = Shape::new(s.bits, d.lane & 3);
    let by_sign = |x: u128, y: u128| signed(x, s.esize) < signed(y, s.esize);
    Some(match d.op {
        Op::VPadd => s.pairs(a, b, u128::wrapping_add),
        Op::VPaddlS => wide.build(|i| {
            narrow
                .get_signed(a, 2 * i)
                .wrapping_add(narrow.get_signed(a, 2 * i + 1)) as u128
        }),
        Op::VPaddlU => wide.build(|i| narrow.get(a, 2 * i).wrapping_add(narrow.get(a, 2 * i + 1))),
        Op::VPminS => s.pairs(a, b, |x, y| if by_sign(x, y) { x } else { y }),
        Op::VPmaxS => s.pairs(a, b, |x, y| if by_sign(x, y) { y } else { x }),
        Op::VPminU => s.pairs(a, b, u128::min),
        Op::VPmaxU => s.pairs(a, b, u128::max),
        _ => return None,
    })
}
