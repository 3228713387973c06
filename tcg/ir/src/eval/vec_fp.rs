//! Vectors of floating-point numbers: the scalar operations lane by lane. Reference: [`crate::Op`].

use tcg_softfloat::{FloatStatus, MinMax, Ordering, arm, f16, f32}; // lint: allow isa, soft float's name

use super::fp::{DOUBLE, Format, SINGLE, from_int, mul_then_add, round_to_int, status, to_int};
use super::lanes::{Shape, mask};
use super::{OpDesc, bits};
use crate::Op;

/// Operations on vectors of floating-point numbers.
pub fn eval(d: &OpDesc, [a, b, c]: [u128; 3], flags: &mut u32) -> Option<u128> {
    let f = if d.lane == 3 { &DOUBLE } else { &SINGLE };
    let lanes = Lanes {
        f,
        shape: Shape::new(bits(d.ty), if d.lane == 3 { 3 } else { 2 }),
    };
    let mut st = status(d.fp);
    let result = arithmetic(d, &lanes, a, b, c, &mut st)
        .or_else(|| pairwise(d, &lanes, a, b, &mut st))
        .or_else(|| compare(d, &lanes, a, b, &mut st))
        .or_else(|| estimate(d, &lanes, a, b, &mut st))
        .or_else(|| convert(d, &lanes, a, &mut st));
    *flags |= st.flags.bits();
    result
}

/// A vector's shape and the format of its elements.
struct Lanes {
    f: &'static Format,
    shape: Shape,
}

impl Lanes {
    fn map(&self, a: u128, mut f: impl FnMut(u64) -> u64) -> u128 {
        self.shape
            .build(|i| u128::from(f(self.shape.get(a, i) as u64)))
    }

    fn zip(&self, a: u128, b: u128, mut f: impl FnMut(u64, u64) -> u64) -> u128 {
        let s = self.shape;
        s.build(|i| u128::from(f(s.get(a, i) as u64, s.get(b, i) as u64)))
    }

    fn pairs(&self, a: u128, b: u128, mut f: impl FnMut(u64, u64) -> u64) -> u128 {
        self.shape
            .pairs(a, b, |x, y| u128::from(f(x as u64, y as u64)))
    }
}

fn arithmetic(
    d: &OpDesc,
    l: &Lanes,
    a: u128,
    b: u128,
    c: u128,
    st: &mut FloatStatus,
) -> Option<u128> {
    let f = l.f;
    let sign = 1u64 << (f.bits - 1);
    let s = l.shape;
    Some(match d.op {
        Op::VFAdd => l.zip(a, b, |x, y| (f.add)(x, y, st)),
        Op::VFSub => l.zip(a, b, |x, y| (f.sub)(x, y, st)),
        Op::VFMul => l.zip(a, b, |x, y| (f.mul)(x, y, st)),
        Op::VFDiv => l.zip(a, b, |x, y| (f.div)(x, y, st)),
        Op::VFSqrt => l.map(a, |x| (f.sqrt)(x, st)),
        Op::VFMulAdd => s.build(|i| {
            let [x, y, z] = [a, b, c].map(|v| s.get(v, i) as u64);
            u128::from((f.mul_add)(x, y, z, st))
        }),
        Op::VFMla => s.build(|i| {
            let elements = [a, b, c].map(|v| s.get(v, i) as u64);
            u128::from(mul_then_add(d, f, elements, st))
        }),
        Op::VFMin => l.zip(a, b, |x, y| (f.min)(x, y, MinMax::Propagate, st)),
        Op::VFMax => l.zip(a, b, |x, y| (f.max)(x, y, MinMax::Propagate, st)),
        Op::VFMinNum => l.zip(a, b, |x, y| (f.min)(x, y, MinMax::Number2008, st)),
        Op::VFMaxNum => l.zip(a, b, |x, y| (f.max)(x, y, MinMax::Number2008, st)),
        Op::VFAbd => l.zip(a, b, |x, y| (f.sub)(x, y, st) & !sign),
        Op::VFNeg => l.map(a, |x| x ^ sign),
        Op::VFAbs => l.map(a, |x| x & !sign),
        _ => return None,
    })
}

fn pairwise(d: &OpDesc, l: &Lanes, a: u128, b: u128, st: &mut FloatStatus) -> Option<u128> {
    let f = l.f;
    Some(match d.op {
        Op::VFPadd => l.pairs(a, b, |x, y| (f.add)(x, y, st)),
        Op::VFPmin => l.pairs(a, b, |x, y| (f.min)(x, y, MinMax::Propagate, st)),
        Op::VFPmax => l.pairs(a, b, |x, y| (f.max)(x, y, MinMax::Propagate, st)),
        _ => return None,
    })
}

fn compare(d: &OpDesc, l: &Lanes, a: u128, b: u128, st: &mut FloatStatus) -> Option<u128> {
    let (signalling, holds): (bool, fn(Ordering) -> bool) = match d.op {
        Op::VFCmpEq => (false, |o| o == Ordering::Equal),
        Op::VFCmpGe => (true, |o| matches!(o, Ordering::Greater | Ordering::Equal)),
        Op::VFCmpGt => (true, |o| o == Ordering::Greater),
        _ => return None,
    };
    Some(l.zip(a, b, |x, y| {
        mask(holds((l.f.compare)(x, y, signalling, st))) as u64
    }))
}

fn estimate(d: &OpDesc, l: &Lanes, a: u128, b: u128, st: &mut FloatStatus) -> Option<u128> {
    let f = l.f;
    let words = Shape::new(bits(d.ty), 2);
    Some(match d.op {
        Op::VFRecpe => l.map(a, |x| (f.recip_estimate)(x, st)),
        Op::VFRsqrte => l.map(a, |x| (f.rsqrt_estimate)(x, st)),
        Op::VFRecps => l.zip(a, b, |x, y| (f.recip_step)(x, y, st)),
        Op::VFRsqrts => l.zip(a, b, |x, y| (f.rsqrt_step)(x, y, st)),
        Op::VURecpe => words.map(a, |x| u128::from(arm::urecpe(x as u32))), // lint: allow isa, soft float's name
        Op::VURsqrte => words.map(a, |x| u128::from(arm::ursqrte(x as u32))), // lint: allow isa, soft float's name
        _ => return None,
    })
}

fn convert(d: &OpDesc, l: &Lanes, a: u128, st: &mut FloatStatus) -> Option<u128> {
    let f = l.f;
    let halves = Shape::new(64, 1);
    let words = Shape::new(128, 2);
    Some(match d.op {
        Op::VFToI => l.map(a, |x| to_int(d, f, x, f.bits, st)),
        Op::VFFromI => l.map(a, |x| from_int(d, f, x, f.bits, st)),
        Op::VFRound => l.map(a, |x| round_to_int(d, f, x, st)),
        Op::VFFromHalf => words.build(|i| u128::from(f16::to_f32(halves.get(a, i) as u16, st))),
        Op::VFToHalf => halves.build(|i| u128::from(f32::to_f16(words.get(a, i) as u32, st))),
        _ => return None,
    })
}
