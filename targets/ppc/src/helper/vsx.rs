//! Vector-scalar operations done in software: conversions, extremes, classes, and all arithmetic while exceptions
//! are enabled. Exceptions are recorded; FR, FI and FPRF belong to scalar operations only. [PowerISA I.7.3, I.7.6]

use tcg_softfloat::{FloatStatus, IntRule, IntType, MinMax, Ordering, Round, f16, f32, f64, f128};

use super::bits::{F32, F64, Fields, test_div, test_sqrt};
use super::fp::set_compared;
use super::quad;
use crate::fpscr::{self, EXCEPTIONS, Outcome, SINGLE};
use crate::state::PpcState;

/// An operation's code is its number, and an argument from bit 8 on; the registers are six bits each: target, a,
/// b, c.
#[allow(missing_docs)]
pub mod op {
    /// Arithmetic on doubles or singles; the argument is the code of [`crate::fpscr`].
    pub const DOUBLES: u32 = 0;
    pub const SINGLES: u32 = 1;
    /// Comparisons of a and b; the argument: 0 equal, 1 greater, 2 greater or equal, 8: and set CR6.
    pub const CMP_D: u32 = 2;
    pub const CMP_S: u32 = 3;
    /// Maximum and minimum; the argument: 1 maximum.
    pub const EXTREME_D: u32 = 4;
    pub const EXTREME_S: u32 = 5;
    /// The same of scalars.
    pub const EXTREME: u32 = 6;
    /// Conversions; the argument of those to integers: 1 signed; from integers: 1 signed.
    pub const D_TO_L: u32 = 7;
    pub const D_TO_W: u32 = 8;
    pub const S_TO_L: u32 = 9;
    pub const S_TO_W: u32 = 10;
    pub const L_TO_D: u32 = 11;
    pub const W_TO_D: u32 = 12;
    pub const L_TO_S: u32 = 13;
    pub const W_TO_S: u32 = 14;
    pub const D_TO_S: u32 = 15;
    pub const S_TO_D: u32 = 16;
    pub const H_TO_S: u32 = 17;
    pub const S_TO_H: u32 = 18;
    /// Scalar conversions between formats.
    pub const DP_TO_SP: u32 = 19;
    pub const SP_TO_DP: u32 = 20;
    pub const DP_TO_HP: u32 = 21;
    pub const HP_TO_DP: u32 = 22;
    /// Scalars to words, in both words of the doubleword; the argument: 1 signed.
    pub const DP_TO_W: u32 = 23;
    /// Classes: the argument is DCMX; the target a CR field or a vector.
    pub const CLASS_DP: u32 = 24;
    pub const CLASS_SP: u32 = 25;
    pub const CLASS_QP: u32 = 26;
    pub const CLASS_D: u32 = 27;
    pub const CLASS_S: u32 = 28;
    /// Tests for software division (argument 0) and square root (1) of doubles, and (2, 3) of singles.
    pub const TEST: u32 = 29;
    /// Comparison of exponents: of doubles (0) and quads (1).
    pub const CMP_EXP: u32 = 30;
    /// Scalar comparisons that give a mask; the argument as in `CMP_D`.
    pub const CMP_MASK: u32 = 31;
    /// Scalar extremes with the rules of C (0, 1) and Java (2, 3); odd: maximum.
    pub const EXTREME_C: u32 = 32;
    /// Quad precision: the argument is the code of [`super::quad`].
    pub const QUAD: u32 = 33;
    /// Exponent and significand: extract (0, 1 of doubles; 2, 3 of singles), insert (4, 5).
    pub const PARTS: u32 = 34;
}

/// Registers of an operation.
#[derive(Clone, Copy)]
struct Regs {
    t: usize,
    a: u128,
    b: u128,
    c: u128,
}

/// What the lanes of an operation raised.
struct Raised {
    fpscr: u32,
    bits: u32,
    /// A conversion to a narrower format made the magnitude larger.
    up: bool,
}

/// A format that is narrower than double.
struct Narrow {
    /// What an enabled overflow or underflow changes the exponent by. [PowerISA I.7.4.3, I.7.4.4]
    bias: i32,
    /// The bits of the exponent, and all but the sign.
    exponent: u32,
    magnitude: u32,
    from_double: fn(u64, &mut FloatStatus) -> u32,
    from_quad: fn(u128, &mut FloatStatus) -> u32,
}

const TO_SINGLE: Narrow = Narrow {
    bias: 192,
    exponent: 0x7f80_0000,
    magnitude: 0x7fff_ffff,
    from_double: f64::to_f32,
    from_quad: f128::to_f32,
};

const TO_HALF: Narrow = Narrow {
    bias: 24,
    exponent: 0x7c00,
    magnitude: 0x7fff,
    from_double: |v, st| u32::from(f64::to_f16(v, st)),
    from_quad: |v, st| u32::from(f128::to_f16(v, st)),
};

impl Raised {
    fn status(&self) -> FloatStatus {
        fpscr::status(self.fpscr)
    }

    fn add(&mut self, st: &FloatStatus) {
        self.bits |= fpscr::from_flags(st.flags.bits());
    }

    /// Rounds a double to a narrower format.
    fn narrowed(&mut self, v: u64, to: &Narrow) -> u32 {
        let mut st = self.status();
        let r = (to.from_double)(v, &mut st);
        let bits = fpscr::from_flags(st.flags.bits());
        let denormal = r & to.exponent == 0 && r & to.magnitude != 0;
        let (by, exception) = if bits & fpscr::OX != 0 && self.fpscr & fpscr::OE != 0 {
            (-to.bias, fpscr::OX)
        } else if (bits & fpscr::UX != 0 || denormal) && self.fpscr & fpscr::UE != 0 {
            (to.bias, fpscr::UX)
        } else {
            self.bits |= bits;
            self.up |= st.rounded_up;
            return r;
        };
        // XX, FI and FR are those of the adjusted value.
        let exact = &mut FloatStatus::default();
        let scaled = f128::scalb(f64::to_f128(v, exact), by, exact);
        let mut st = self.status();
        let r = (to.from_quad)(scaled, &mut st);
        self.bits |= exception | fpscr::from_flags(st.flags.bits()) & fpscr::XX;
        self.up |= st.rounded_up;
        r
    }

    /// Runs `f` with the current modes and notes its exceptions.
    fn with<T>(&mut self, f: impl FnOnce(&mut FloatStatus) -> T) -> T {
        let mut st = self.status();
        let r = f(&mut st);
        self.add(&st);
        r
    }
}

fn doubles(v: u128) -> [u64; 2] {
    [(v >> 64) as u64, v as u64]
}

fn from_doubles([a, b]: [u64; 2]) -> u128 {
    u128::from(a) << 64 | u128::from(b)
}

fn words(v: u128) -> [u32; 4] {
    [96, 64, 32, 0].map(|s| (v >> s) as u32)
}

fn from_words(w: [u32; 4]) -> u128 {
    w.iter().fold(0, |v, &x| v << 32 | u128::from(x))
}

/// A single as a double, NaNs as they are.
pub fn widen(v: u32) -> u64 {
    if v & 0x7fff_ffff > 0x7f80_0000 {
        return u64::from(v >> 31) << 63 | 0x7ff0 << 48 | u64::from(v & 0x7f_ffff) << 29;
    }
    f32::to_f64(v, &mut FloatStatus::default())
}

/// A double that a single can hold as that single.
fn narrow(v: u64) -> u32 {
    if v & !(1 << 63) > 0x7ff0 << 48 {
        return (v >> 32) as u32 & 0x8000_0000 | 0x7f80_0000 | (v >> 29) as u32 & 0x7f_ffff;
    }
    f64::to_f32(v, &mut FloatStatus::default())
}

/// Does the operation. True if an enabled exception occurred.
pub fn run(s: &mut PpcState, what: u32, regs: u32) -> bool {
    let reg = |k: u32| s.vsr[(regs >> (6 * k)) as usize & 63];
    let r = Regs {
        t: regs as usize & 63,
        a: reg(1),
        b: reg(2),
        c: reg(3),
    };
    let mut raised = Raised {
        fpscr: s.fpscr as u32,
        bits: 0,
        up: false,
    };
    let (number, arg) = (what & 0xff, what >> 8);
    if number == op::QUAD {
        return quad::run(s, arg, r.t, [r.a, r.b, r.c]);
    }
    if let Some(done) = to_cr(s, number, arg, &r) {
        return done;
    }
    let result = arithmetic(number, arg, &r, &mut raised)
        .or_else(|| convert(number, arg, &r, &mut raised))
        .or_else(|| select(number, arg, &r, &mut raised))
        .unwrap_or(0);
    let o = Outcome {
        raised: raised.bits,
        ..Outcome::default()
    };
    let (trap, blocked) = fpscr::enabled(&o, raised.fpscr);
    if let Some(last) = scalar_last(number, result, &raised) {
        let keeps_fprf = blocked;
        fpscr::record(
            s,
            Outcome {
                last,
                keeps_fprf,
                ..o
            },
        );
    } else {
        s.fpx |= raised.bits & EXCEPTIONS;
    }
    if blocked {
        return trap;
    }
    s.vsr[r.t] = result;
    if matches!(number, op::CMP_D | op::CMP_S) && arg & 8 != 0 {
        s.cr[6] = [u32::from(result == u128::MAX), 0, u32::from(result == 0), 0];
    }
    trap
}

/// FI, FR and FPRF of the scalar conversions.
fn scalar_last(number: u32, result: u128, raised: &Raised) -> Option<u32> {
    let [hi, _] = doubles(result);
    let inexact = |up: bool| match (raised.bits & fpscr::XX != 0, up) {
        (false, _) => 0,
        (_, false) => fpscr::FI,
        (_, true) => fpscr::FI | fpscr::FR,
    };
    match number {
        op::DP_TO_SP => {
            let v = (hi >> 32) as u32;
            Some(inexact(raised.up) | fpscr::class(widen(v), true))
        }
        op::SP_TO_DP | op::HP_TO_DP => Some(fpscr::class(hi, false)),
        op::DP_TO_HP => {
            let v = hi as u16;
            Some(inexact(raised.up) | class_of_half(v))
        }
        op::DP_TO_W => Some(inexact(false)),
        _ => None,
    }
}

/// FPRF of a half: its denormals are normal as doubles.
fn class_of_half(v: u16) -> u32 {
    if v & 0x7c00 == 0 {
        let as_double = u64::from(v >> 15) << 63 | u64::from(v & 0x3ff);
        return fpscr::class(as_double, false);
    }
    fpscr::class(f16::to_f64(v, &mut FloatStatus::default()), false)
}

fn arithmetic(number: u32, arg: u32, r: &Regs, raised: &mut Raised) -> Option<u128> {
    let fpscr = raised.fpscr;
    Some(match number {
        op::DOUBLES => {
            let [a, b, c] = [r.a, r.b, r.c].map(doubles);
            from_doubles(std::array::from_fn(|k| {
                let o = fpscr::compute(arg, [a[k], b[k], c[k]], fpscr);
                raised.bits |= o.raised;
                o.result
            }))
        }
        op::SINGLES => {
            let [a, b, c] = [r.a, r.b, r.c].map(words);
            from_words(std::array::from_fn(|k| {
                let o = fpscr::compute(arg | SINGLE, [a[k], b[k], c[k]].map(widen), fpscr);
                raised.bits |= o.raised;
                narrow(o.result)
            }))
        }
        op::CMP_D => {
            let (a, b) = (doubles(r.a), doubles(r.b));
            from_doubles(std::array::from_fn(|k| {
                if holds(arg & 3, a[k], b[k], raised) {
                    u64::MAX
                } else {
                    0
                }
            }))
        }
        op::CMP_S => {
            let (a, b) = (words(r.a), words(r.b));
            from_words(std::array::from_fn(|k| {
                if holds(arg & 3, widen(a[k]), widen(b[k]), raised) {
                    u32::MAX
                } else {
                    0
                }
            }))
        }
        op::CMP_MASK => {
            let [a, b] = [r.a, r.b].map(|v| doubles(v)[0]);
            if holds(arg & 3, a, b, raised) {
                u128::from(u64::MAX) << 64
            } else {
                0
            }
        }
        _ => return None,
    })
}

/// Whether a comparison holds: equal (quiet), greater, greater or equal.
fn holds(which: u32, a: u64, b: u64, raised: &mut Raised) -> bool {
    let (nibble, bits) = fpscr::compare(a, b, which != 0, raised.fpscr);
    raised.bits |= bits;
    match which {
        0 => nibble == 2,
        1 => nibble == 4,
        _ => nibble == 2 || nibble == 4,
    }
}

fn extreme(max: bool, a: u64, b: u64, raised: &mut Raised) -> u64 {
    raised.with(|st| match max {
        true => f64::max(a, b, MinMax::Number2008, st),
        false => f64::min(a, b, MinMax::Number2008, st),
    })
}

fn select(number: u32, arg: u32, r: &Regs, raised: &mut Raised) -> Option<u128> {
    let max = arg & 1 != 0;
    Some(match number {
        op::EXTREME => {
            let [a, b] = [r.a, r.b].map(|v| doubles(v)[0]);
            u128::from(extreme(max, a, b, raised)) << 64
        }
        op::EXTREME_D => {
            let (a, b) = (doubles(r.a), doubles(r.b));
            from_doubles([0, 1].map(|k| extreme(max, a[k], b[k], raised)))
        }
        op::EXTREME_S => {
            let (a, b) = (words(r.a), words(r.b));
            from_words(std::array::from_fn(|k| {
                raised.with(|st| match max {
                    true => f32::max(a[k], b[k], MinMax::Number2008, st),
                    false => f32::min(a[k], b[k], MinMax::Number2008, st),
                })
            }))
        }
        op::EXTREME_C => {
            let [a, b] = [r.a, r.b].map(|v| doubles(v)[0]);
            u128::from(extreme_c(arg, a, b, raised)) << 64
        }
        op::CLASS_D => {
            let [a, b] = doubles(r.b);
            let mask = |v| if is_class(v, F64, arg) { u64::MAX } else { 0 };
            from_doubles([mask(a), mask(b)])
        }
        op::CLASS_S => from_words(words(r.b).map(|w| {
            if is_class(u64::from(w), F32, arg) {
                u32::MAX
            } else {
                0
            }
        })),
        op::PARTS => parts(arg, r),
        _ => return None,
    })
}

/// Maximum and minimum as C's conditional operator and as Java define them.
fn extreme_c(arg: u32, a: u64, b: u64, raised: &mut Raised) -> u64 {
    let (max, java) = (arg & 1 != 0, arg & 2 != 0);
    let is_nan = |v: u64| v & !(1 << 63) > 0x7ff0 << 48;
    let signalling = |v: u64| is_nan(v) && v >> 51 & 1 == 0;
    if signalling(a) || signalling(b) {
        raised.bits |= fpscr::VXSNAN;
    }
    if java && is_nan(a) {
        return a;
    }
    if is_nan(a) || is_nan(b) {
        return b;
    }
    let mut st = FloatStatus::default();
    let order = f64::compare_quiet(a, b, &mut st);
    if java && order == Ordering::Equal && a << 1 == 0 {
        // Zeros: the maximum is the positive one, the minimum the negative one.
        return if max { a & b } else { a | b };
    }
    let wins = if max {
        Ordering::Greater
    } else {
        Ordering::Less
    };
    if order == wins { a } else { b }
}

fn to_int(raised: &mut Raised, v: u64, ty: IntType) -> u64 {
    raised.with(|st| f64::to_int(v, ty, 0, Round::TowardZero, IntRule::SaturateNanLeast, st))
}

fn convert(number: u32, arg: u32, r: &Regs, raised: &mut Raised) -> Option<u128> {
    let signed = arg & 1 != 0;
    let long = if signed { IntType::I64 } else { IntType::U64 };
    let word = if signed { IntType::I32 } else { IntType::U32 };
    let (d, w) = (doubles(r.b), words(r.b));
    let integer = |x: u64| {
        if signed {
            f64_from_signed(x)
        } else {
            f64_from_unsigned(x)
        }
    };
    Some(match number {
        op::D_TO_L => from_doubles(d.map(|v| to_int(raised, v, long))),
        op::D_TO_W => {
            let [a, b] = d.map(|v| to_int(raised, v, word) as u32);
            from_words([a, a, b, b])
        }
        op::S_TO_L => from_doubles([w[0], w[2]].map(|v| to_int(raised, widen(v), long))),
        op::S_TO_W => from_words(w.map(|v| to_int(raised, widen(v), word) as u32)),
        op::L_TO_D => from_doubles(d.map(|v| raised.with(integer(v)))),
        op::W_TO_D => from_doubles([w[0], w[2]].map(|v| raised.with(integer(extend(v, signed))))),
        op::L_TO_S => {
            let [a, b] = d.map(|v| raised.with(|st| single_from(v, signed, st)));
            from_words([a, a, b, b])
        }
        op::W_TO_S => from_words(w.map(|v| {
            let v = extend(v, signed);
            raised.with(|st| single_from(v, signed, st))
        })),
        op::D_TO_S => {
            let [a, b] = d.map(|v| raised.narrowed(v, &TO_SINGLE));
            from_words([a, a, b, b])
        }
        op::S_TO_D => from_doubles([w[0], w[2]].map(|v| raised.with(|st| f32::to_f64(v, st)))),
        op::H_TO_S => from_words(w.map(|v| raised.with(|st| f16::to_f32(v as u16, st)))),
        op::S_TO_H => from_words(w.map(|v| raised.narrowed(widen(v), &TO_HALF))),
        op::DP_TO_SP => {
            let v = raised.narrowed(d[0], &TO_SINGLE);
            from_words([v, v, 0, 0])
        }
        op::SP_TO_DP => from_doubles([raised.with(|st| f32::to_f64(w[0], st)), 0]),
        op::DP_TO_HP => from_doubles([u64::from(raised.narrowed(d[0], &TO_HALF)), 0]),
        op::HP_TO_DP => from_doubles([raised.with(|st| f16::to_f64(d[0] as u16, st)), 0]),
        op::DP_TO_W => {
            let v = to_int(raised, d[0], word) as u32;
            from_words([v, v, 0, 0])
        }
        _ => return None,
    })
}

fn extend(v: u32, signed: bool) -> u64 {
    if signed {
        v as i32 as u64
    } else {
        u64::from(v)
    }
}

fn single_from(v: u64, signed: bool, st: &mut FloatStatus) -> u32 {
    match signed {
        true => f32::from_i64(v as i64, 0, st),
        false => f32::from_u64(v, 0, st),
    }
}

type FromInt = Box<dyn FnOnce(&mut FloatStatus) -> u64>;

fn f64_from_signed(v: u64) -> FromInt {
    Box::new(move |st| f64::from_i64(v as i64, 0, st))
}

fn f64_from_unsigned(v: u64) -> FromInt {
    Box::new(move |st| f64::from_u64(v, 0, st))
}

/// Whether a value is of a class that DCMX names: NaN, +inf, -inf, +0, -0, +denormal, -denormal from the left.
fn is_class(v: u64, f: Fields, dcmx: u32) -> bool {
    let top = 2 * f.bias as u64 + 1;
    let exponent = v >> f.fraction & top;
    let fraction = v & ((1 << f.fraction) - 1);
    let negative = u32::from(v >> f.fraction & (top + 1) != 0);
    let bit = match (exponent == top, exponent == 0, fraction == 0) {
        (true, _, false) => 6,
        (true, _, true) => 5 - negative,
        (_, true, true) => 3 - negative,
        (_, true, false) => 1 - negative,
        _ => return false,
    };
    dcmx >> bit & 1 != 0
}

/// Exponents and significands of vectors' elements.
fn parts(arg: u32, r: &Regs) -> u128 {
    let fields = |f: Fields, v: u64| {
        let e = v >> f.fraction & (2 * f.bias as u64 + 1);
        let s = v & ((1 << f.fraction) - 1);
        let normal = e != 0 && e != 2 * f.bias as u64 + 1;
        (e, s | u64::from(normal) << f.fraction)
    };
    match arg {
        0 => from_doubles(doubles(r.b).map(|v| fields(F64, v).0)),
        1 => from_doubles(doubles(r.b).map(|v| fields(F64, v).1)),
        2 => from_words(words(r.b).map(|v| fields(F32, v.into()).0 as u32)),
        3 => from_words(words(r.b).map(|v| fields(F32, v.into()).1 as u32)),
        4 => {
            let (a, b) = (doubles(r.a), doubles(r.b));
            from_doubles(
                [0, 1].map(|k| a[k] & (1 << 63 | 0xf_ffff_ffff_ffff) | (b[k] & 0x7ff) << 52),
            )
        }
        _ => {
            let (a, b) = (words(r.a), words(r.b));
            from_words(std::array::from_fn(|k| {
                a[k] & (1 << 31 | 0x7f_ffff) | (b[k] & 0xff) << 23
            }))
        }
    }
}

/// Operations whose result is a CR field.
fn to_cr(s: &mut PpcState, number: u32, arg: u32, r: &Regs) -> Option<bool> {
    let (da, db) = (doubles(r.a), doubles(r.b));
    let field = r.t & 7;
    let set = |s: &mut PpcState, n: u32| s.cr[field] = [n >> 3, n >> 2 & 1, n >> 1 & 1, n & 1];
    match number {
        op::CLASS_DP | op::CLASS_SP => {
            let negative = (db[0] >> 63) as u32;
            let (is, exact) = match number {
                op::CLASS_DP => (is_class(db[0], F64, arg), true),
                _ => class_single(db[0], arg),
            };
            let n = negative << 3 | u32::from(is) << 1 | u32::from(!exact);
            set_compared(s, field as u32, n);
        }
        op::CLASS_QP => {
            let n = quad::class(r.b, arg);
            set_compared(s, field as u32, n);
        }
        op::TEST => {
            let (wa, wb) = (words(r.a), words(r.b));
            let each = |f: &dyn Fn(usize) -> u32, n: usize| (0..n).fold(8, |v, k| v | f(k));
            let n = match arg {
                0 => each(&|k| test_div(da[k], db[k], F64), 2),
                1 => each(&|k| test_sqrt(db[k], F64), 2),
                2 => each(&|k| test_div(wa[k].into(), wb[k].into(), F32), 4),
                _ => each(&|k| test_sqrt(wb[k].into(), F32), 4),
            };
            set(s, n);
        }
        op::CMP_EXP => {
            let n = match arg {
                0 => {
                    let e = |v: u64| (v >> 52 & 0x7ff, v << 12 != 0);
                    compare_exponents(e(da[0]), e(db[0]), 0x7ff)
                }
                _ => {
                    let e = |v: u128| ((v >> 112) as u64 & 0x7fff, v << 16 != 0);
                    compare_exponents(e(r.a), e(r.b), 0x7fff)
                }
            };
            set_compared(s, field as u32, n);
        }
        _ => return None,
    }
    Some(false)
}

/// Exponents of two numbers, with whether their fractions are not 0: unordered if one is a NaN.
fn compare_exponents(a: (u64, bool), b: (u64, bool), top: u64) -> u32 {
    let nan = |(e, fraction): (u64, bool)| e == top && fraction;
    if nan(a) || nan(b) {
        return 1;
    }
    match a.0.cmp(&b.0) {
        std::cmp::Ordering::Less => 8,
        std::cmp::Ordering::Greater => 4,
        std::cmp::Ordering::Equal => 2,
    }
}

/// The class of a double as a single, and whether it is one.
fn class_single(v: u64, dcmx: u32) -> (bool, bool) {
    let single = narrow(v);
    let back = widen(single);
    let denormal = v & !(1 << 63) != 0 && v & !(1 << 63) < 897 << 52;
    let class = if denormal {
        dcmx >> (1 - (v >> 63) as u32) & 1 != 0
    } else {
        is_class(v, F64, dcmx)
    };
    (class, back == v)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_have_the_classes_of_their_format() {
        for (v, want) in [
            (0, 0b00010),
            (0x8000, 0b10010),
            (1, 0b10100),
            (0x83ff, 0b11000),
            (0x0400, 0b00100),
            (0xfbff, 0b01000),
            (0x7c00, 0b00101),
            (0x7e00, 0b10001),
        ] {
            assert_eq!(class_of_half(v) >> 12, want, "{v:#x}");
        }
    }

    /// By 24 for halves, by 192 for singles.
    #[test]
    fn enabled_underflow_of_a_narrower_format_adjusts_the_exponent() {
        let run = |fpscr: u32, number, double: u64| {
            let mut s = PpcState {
                fpscr: u64::from(fpscr),
                ..PpcState::default()
            };
            s.vsr[4] = u128::from(double) << 64;
            let trap = run(&mut s, number, 3 | 4 << 12);
            (trap, s.vsr[3], fpscr::read(&s, 0) as u32 & EXCEPTIONS)
        };
        let power = |e: i64| ((e + 1023) as u64) << 52;
        let half = run(fpscr::UE, op::DP_TO_HP, power(-24));
        assert_eq!(half, (true, 0x3c00 << 64, fpscr::UX));
        assert_eq!(run(0, op::DP_TO_HP, power(-24)), (false, 1 << 64, 0));
        let single = run(fpscr::UE, op::DP_TO_SP, power(-140));
        let one = u128::from(f64::to_f32(power(52), &mut FloatStatus::default()));
        assert_eq!(single, (true, one << 96 | one << 64, fpscr::UX));
        let large = run(fpscr::OE, op::DP_TO_HP, power(20));
        let adjusted = u128::from(f64::to_f16(power(-4), &mut FloatStatus::default()));
        assert_eq!(large, (true, adjusted << 64, fpscr::OX));
    }
}
