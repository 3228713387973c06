//! Every format against exact rational arithmetic on big integers, for finite
//! operands: a different method, slow and plain.

use num_bigint::BigUint;
use tcg_softfloat::{Flags, FloatStatus, Round, f16, f32, f64, f80, f128};

const ROUNDS: [Round; 6] = [
    Round::NearestEven,
    Round::TowardZero,
    Round::Down,
    Round::Up,
    Round::NearestAway,
    Round::Odd,
];

struct Fmt {
    exp: u32,
    frac: u32,
    explicit: bool,
}

/// (-1)^sign × num / den × 2^exp.
#[derive(Clone)]
struct Value {
    sign: bool,
    num: BigUint,
    den: BigUint,
    exp: i64,
}

fn big(v: u128) -> BigUint {
    BigUint::from(v)
}

impl Fmt {
    fn shift(&self) -> u32 {
        self.frac + u32::from(self.explicit)
    }
    fn bias(&self) -> i64 {
        (1 << (self.exp - 1)) - 1
    }
    fn finite(&self, raw: u128) -> bool {
        (raw >> self.shift()) & ((1 << self.exp) - 1) != (1 << self.exp) - 1
    }
    fn decode(&self, raw: u128) -> Value {
        let field = (raw >> self.shift()) & ((1 << self.exp) - 1);
        let mut sig = raw & ((1 << self.shift()) - 1);
        if field != 0 && !self.explicit {
            sig |= 1 << self.frac;
        }
        let exp = field.max(1) as i64 - self.bias() - i64::from(self.frac);
        Value {
            sign: raw >> (self.shift() + self.exp) & 1 == 1,
            num: big(sig),
            den: big(1),
            exp,
        }
    }
    fn overflow(&self, sign: bool, round: Round) -> u128 {
        let inf = match round {
            Round::NearestEven | Round::NearestAway => true,
            Round::Up => !sign,
            Round::Down => sign,
            _ => false,
        };
        let top = u128::from(sign) << (self.shift() + self.exp);
        let ones = (1u128 << self.exp) - 1;
        let integer = if self.explicit { 1u128 << self.frac } else { 0 };
        if inf {
            top | ones << self.shift() | integer
        } else {
            top | (ones - 1) << self.shift() | integer | ((1 << self.frac) - 1)
        }
    }
    /// floor(|v| / 2^q) rounded, and whether it is inexact.
    fn quantise(v: &Value, q: i64, round: Round) -> (BigUint, bool) {
        let up = (v.exp - q).max(0) as u64;
        let down = (q - v.exp).max(0) as u64;
        let (num, den) = (&v.num << up, &v.den << down);
        let (n, rest) = (&num / &den, &num % &den);
        let inexact = rest != big(0);
        let half = (&rest * 2u32).cmp(&den);
        let odd = n.bit(0);
        let add = match round {
            Round::NearestEven => half.is_gt() || half.is_eq() && odd,
            Round::NearestAway => half.is_ge(),
            Round::TowardZero => false,
            Round::Down => inexact && v.sign,
            Round::Up => inexact && !v.sign,
            Round::Odd => inexact && !odd,
        };
        (n + u32::from(add), inexact)
    }
    fn encode(&self, v: &Value, round: Round, before: bool) -> (u128, Flags) {
        let top = u128::from(v.sign) << (self.shift() + self.exp);
        if v.num == big(0) {
            return (top, Flags::empty());
        }
        let emin = 1 - self.bias();
        let mut e = v.num.bits() as i64 - v.den.bits() as i64;
        let power = |e: i64| (&v.den << e.max(0) as u64, &v.num << (-e).max(0) as u64);
        let (p, n) = power(e);
        if n < p {
            e -= 1;
        }
        let e = e + v.exp;
        let (n, inexact) = Self::quantise(v, e.max(emin) - i64::from(self.frac), round);
        let mut flags = if inexact {
            Flags::INEXACT
        } else {
            Flags::empty()
        };
        let unbounded = Self::quantise(v, e - i64::from(self.frac), round).0;
        let reaches = e == emin - 1 && unbounded.bits() == u64::from(self.frac) + 2;
        if inexact && e < emin && (before || !reaches) {
            flags |= Flags::UNDERFLOW;
        }
        let carried = n.bits() == u64::from(self.frac) + 2;
        let exp = e.max(emin) + i64::from(carried);
        let n = if carried { n >> 1u32 } else { n };
        if exp > self.bias() {
            return (
                self.overflow(v.sign, round),
                Flags::OVERFLOW | Flags::INEXACT,
            );
        }
        let sig = n
            .iter_u64_digits()
            .rev()
            .fold(0u128, |a, d| a << 64 | u128::from(d));
        let normal = sig >> self.frac != 0;
        let field = if normal {
            (exp + self.bias()) as u128
        } else {
            0
        };
        let frac = if self.explicit {
            sig
        } else {
            sig & ((1 << self.frac) - 1)
        };
        (top | field << self.shift() | frac, flags)
    }
}

fn add(a: &Value, b: &Value, round: Round) -> Value {
    let exp = a.exp.min(b.exp);
    let x = (&a.num << (a.exp - exp) as u64) * &b.den;
    let y = (&b.num << (b.exp - exp) as u64) * &a.den;
    let den = &a.den * &b.den;
    let zero = big(0);
    let (sign, num) = if a.sign == b.sign {
        (a.sign, x + y)
    } else if x == y {
        (round == Round::Down, zero)
    } else if x > y {
        (a.sign, x - y)
    } else {
        (b.sign, y - x)
    };
    Value {
        sign,
        num,
        den,
        exp,
    }
}

fn mul(a: &Value, b: &Value) -> Value {
    Value {
        sign: a.sign ^ b.sign,
        num: &a.num * &b.num,
        den: &a.den * &b.den,
        exp: a.exp + b.exp,
    }
}

fn div(a: &Value, b: &Value) -> Value {
    Value {
        sign: a.sign ^ b.sign,
        num: a.num.clone(),
        den: b.num.clone(),
        exp: a.exp - b.exp,
    }
}

fn sqrt(a: &Value) -> Value {
    let odd = a.exp.rem_euclid(2);
    let n = &a.num << (600 + odd as u64);
    let root = n.sqrt();
    let sticky = u32::from(&root * &root != n);
    Value {
        sign: a.sign,
        num: root * 2u32 + sticky,
        den: big(1),
        exp: (a.exp - odd) / 2 - 301,
    }
}

/// a - n × b.
fn rem(a: &Value, b: &Value) -> Value {
    let exp = a.exp.min(b.exp);
    let x = &a.num << (a.exp - exp) as u64;
    let y = &b.num << (b.exp - exp) as u64;
    let (n, r) = (&x / &y, &x % &y);
    let up = match (&r * 2u32).cmp(&y) {
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => n.bit(0),
        std::cmp::Ordering::Less => false,
    };
    let (sign, num) = if up { (!a.sign, y - r) } else { (a.sign, r) };
    let sign = if num == big(0) { a.sign } else { sign };
    Value {
        sign,
        num,
        den: big(1),
        exp,
    }
}

struct Rng(u64);
impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    /// A bit pattern rich in runs of ones and zeros, near another one's
    /// exponent half of the time.
    fn operand(&mut self, f: &Fmt, near: u128) -> u128 {
        let bits = f.shift() + f.exp + 1;
        let mut raw = u128::from(self.next()) << 64 | u128::from(self.next());
        for _ in 0..self.next() % 3 {
            let at = self.next() % 128;
            let mask = u128::MAX << at;
            raw = if self.next() & 1 == 0 {
                raw & mask
            } else {
                raw | !mask
            };
        }
        raw &= u128::MAX >> (128 - bits);
        let field = (1u128 << f.exp) - 1;
        let pick = match self.next() % 8 {
            0 => self.next() as u128 % 3,
            1 => field - 1 - self.next() as u128 % 3,
            2..=4 => (near >> f.shift() & field)
                .saturating_add(self.next() as u128 % 140)
                .saturating_sub(70),
            5 | 6 => (field / 2 + self.next() as u128 % 20).saturating_sub(10),
            _ => raw >> f.shift() & field,
        };
        raw = raw & !(field << f.shift()) | pick.min(field - 1) << f.shift();
        if f.explicit {
            // The integer bit belongs to the exponent here.
            raw &= !(1 << f.frac);
            if raw >> f.shift() & field != 0 {
                raw |= 1 << f.frac;
            }
        }
        raw
    }
}

macro_rules! oracle {
    ($test:ident, $m:ident, $t:ty, $exp:literal, $frac:literal, $explicit:literal, $count:literal) => {
        #[test]
        fn $test() {
            let f = Fmt { exp: $exp, frac: $frac, explicit: $explicit };
            let mut rng = Rng(0x1234_5678_9abc_def1);
            for i in 0..$count {
                let a = rng.operand(&f, 1 << f.shift());
                let b = rng.operand(&f, a);
                let c = rng.operand(&f, if i & 1 == 0 { a } else { b });
                assert!(f.finite(a) && f.finite(b) && f.finite(c));
                let round = ROUNDS[i % 6];
                let before = rng.next() & 1 == 0;
                let (x, y, z) = (f.decode(a), f.decode(b), f.decode(c));
                let fresh = FloatStatus { round, tininess_before: before, ..FloatStatus::default() };
                let check = |name: &str, want: &Value, op: &dyn Fn(&mut FloatStatus) -> $t| {
                    let mut st = fresh;
                    let got = u128::from(op(&mut st));
                    let expected = f.encode(want, round, before);
                    assert_eq!(
                        (got, st.flags), expected,
                        "{name} {a:#x} {b:#x} {c:#x} {round:?} before={before}: got {got:#x}, want {:#x}",
                        expected.0
                    );
                };
                let (ra, rb, rc) = (a as $t, b as $t, c as $t);
                check("add", &add(&x, &y, round), &|s| $m::add(ra, rb, s));
                let minus_y = Value { sign: !y.sign, ..y.clone() };
                check("sub", &add(&x, &minus_y, round), &|s| $m::sub(ra, rb, s));
                check("mul", &mul(&x, &y), &|s| $m::mul(ra, rb, s));
                let zero = big(0);
                if y.num != zero {
                    check("div", &div(&x, &y), &|s| $m::div(ra, rb, s));
                    if $exp < 15 || i % 97 == 0 {
                        check("rem", &rem(&x, &y), &|s| $m::rem(ra, rb, s));
                    }
                }
                if !x.sign {
                    check("sqrt", &sqrt(&x), &|s| $m::sqrt(ra, s));
                }
                check("fma", &add(&mul(&x, &y), &z, round), &|s| $m::mul_add(ra, rb, rc, s));
                let n = (rng.next() % 600) as i32 - 300;
                let scaled = Value { exp: x.exp + i64::from(n), ..x.clone() };
                check("scalb", &scaled, &|s| $m::scalb(ra, n, s));
                let v = (rng.next() as i64) >> (rng.next() % 64);
                let fbits = (rng.next() % 65) as u32;
                let int = Value {
                    sign: v < 0,
                    num: big(u128::from(v.unsigned_abs())),
                    den: big(1),
                    exp: -i64::from(fbits),
                };
                check("from_i64", &int, &|s| $m::from_i64(v, fbits, s));
            }
        }
    };
}
oracle!(f16_matches_rationals, f16, u16, 5, 10, false, 60000);
oracle!(f32_matches_rationals, f32, u32, 8, 23, false, 60000);
oracle!(f64_matches_rationals, f64, u64, 11, 52, false, 60000);
oracle!(f80_matches_rationals, f80, u128, 15, 63, true, 10000);
oracle!(f128_matches_rationals, f128, u128, 15, 112, false, 10000);

/// Every f16 through the unary operations, and into and out of wider formats.
#[test]
fn f16_unary_exhaustive() {
    let f = Fmt {
        exp: 5,
        frac: 10,
        explicit: false,
    };
    let wide = Fmt {
        exp: 11,
        frac: 52,
        explicit: false,
    };
    for a in (0..=u16::MAX).filter(|&a| f.finite(u128::from(a))) {
        let x = f.decode(u128::from(a));
        for round in ROUNDS {
            let mut st = FloatStatus {
                round,
                ..FloatStatus::default()
            };
            if !x.sign {
                let got = (u128::from(f16::sqrt(a, &mut st)), st.take_flags());
                assert_eq!(
                    got,
                    f.encode(&sqrt(&x), round, false),
                    "sqrt {a:#x} {round:?}"
                );
            }
            let got = (u128::from(f16::to_f64(a, &mut st)), st.take_flags());
            assert_eq!(got, wide.encode(&x, round, false), "to_f64 {a:#x}");
            let back = f64::to_f16(got.0 as u64, &mut st);
            assert_eq!((back, st.take_flags()), (a, Flags::empty()));
            // Integral value: quantum 1, unless it has one already.
            let (n, inexact) = Fmt::quantise(&x, 0, round);
            let (want, _) = f.encode(
                &Value {
                    num: n.clone(),
                    den: big(1),
                    exp: 0,
                    ..x.clone()
                },
                round,
                false,
            );
            let got = f16::round_to_int(a, round, true, &mut st);
            assert_eq!(u128::from(got), want, "round_to_int {a:#x} {round:?}");
            assert_eq!(
                st.take_flags(),
                if inexact {
                    Flags::INEXACT
                } else {
                    Flags::empty()
                }
            );
            let int = f16::to_i64(a, round, &mut st);
            assert_eq!(
                big(u128::from(int.unsigned_abs())),
                n,
                "to_i64 {a:#x} {round:?}"
            );
            assert_eq!(
                st.take_flags(),
                if inexact {
                    Flags::INEXACT
                } else {
                    Flags::empty()
                }
            );
        }
    }
}

/// Narrowing conversions against the oracle.
#[test]
fn narrowing_matches_rationals() {
    let from = Fmt {
        exp: 11,
        frac: 52,
        explicit: false,
    };
    let mut rng = Rng(99);
    for i in 0..200_000 {
        let a = rng.operand(&from, 1023 << 52);
        let round = ROUNDS[i % 6];
        let mut st = FloatStatus {
            round,
            ..FloatStatus::default()
        };
        let x = from.decode(a);
        for (exp, frac) in [(5, 10), (8, 7), (8, 23)] {
            let to = Fmt {
                exp,
                frac,
                explicit: false,
            };
            let got = match frac {
                10 => u128::from(f64::to_f16(a as u64, &mut st)),
                7 => u128::from(f64::to_bf16(a as u64, &mut st)),
                _ => u128::from(f64::to_f32(a as u64, &mut st)),
            };
            let want = to.encode(&x, round, false);
            assert_eq!(
                (got, st.take_flags()),
                want,
                "{a:#x} to {exp}/{frac} {round:?}"
            );
        }
    }
}
