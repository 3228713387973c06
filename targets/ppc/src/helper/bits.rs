//! Functions of integers that no IR operation has. [PowerISA I.3.3.9, I.3.3.13, I.4.6.6]

/// Add and generate sixes.
pub const ADDG6S: u32 = 0;
/// Population count of each byte.
pub const POPCNTB: u32 = 1;
/// Parity of the bytes' low bits, of each word.
pub const PRTYW: u32 = 2;
/// The same of the doubleword.
pub const PRTYD: u32 = 3;
/// Binary coded decimal to declets, of each word.
pub const CBCDTD: u32 = 4;
/// Declets to binary coded decimal.
pub const CDTBCD: u32 = 5;
/// Bit permute.
pub const BPERMD: u32 = 6;
/// Compare equal byte.
pub const CMPEQB: u32 = 7;
/// Determine leftmost zero byte.
pub const DLMZB: u32 = 8;
/// Its CR field (LT, GT, EQ).
pub const DLMZB_CR: u32 = 9;
/// Test for software division.
pub const TEST_DIV: u32 = 10;
/// Test for software square root.
pub const TEST_SQRT: u32 = 11;

fn bytes(x: u64, f: impl Fn(u8) -> u8) -> u64 {
    u64::from_le_bytes(x.to_le_bytes().map(f))
}

fn words(x: u64, f: impl Fn(u32) -> u32) -> u64 {
    u64::from(f((x >> 32) as u32)) << 32 | u64::from(f(x as u32))
}

/// The function `what`.
pub fn run(what: u32, a: u64, b: u64) -> u64 {
    match what {
        ADDG6S => addg6s(a, b),
        POPCNTB => bytes(a, |x| x.count_ones() as u8),
        PRTYW => words(a, |w| (w & 0x0101_0101).count_ones() & 1),
        PRTYD => u64::from((a & 0x0101_0101_0101_0101).count_ones() & 1),
        CBCDTD => words(a, |w| {
            to_declet(w & 0xfff) | to_declet(w >> 12 & 0xfff) << 10
        }),
        CDTBCD => words(a, |w| {
            from_declet(w & 0x3ff) | from_declet(w >> 10 & 0x3ff) << 12
        }),
        BPERMD => bpermd(a, b),
        CMPEQB => u64::from(b.to_le_bytes().contains(&(a as u8))),
        DLMZB => u64::from(leftmost_zero(a, b)),
        DLMZB_CR => dlmzb_cr(a, b),
        TEST_DIV => u64::from(test_div(a, b, F64)),
        TEST_SQRT => u64::from(test_sqrt(a, F64)),
        _ => 0,
    }
}

/// A six in each digit that gave no carry.
fn addg6s(a: u64, b: u64) -> u64 {
    let mut out = 0;
    let mut carry = 0;
    for k in 0..16 {
        let sum = (a >> (4 * k) & 15) + (b >> (4 * k) & 15) + carry;
        carry = sum >> 4;
        if carry == 0 {
            out |= 6 << (4 * k);
        }
    }
    out
}

/// Three decimal digits as a densely packed declet. [PowerISA I.5.6, appendix B]
pub fn to_declet(bcd: u32) -> u32 {
    let bit = |n: u32| bcd >> n & 1;
    // Digits abcd efgh ijkm, most significant first.
    let [a, b, c, d] = [bit(11), bit(10), bit(9), bit(8)];
    let [e, f, g, h] = [bit(7), bit(6), bit(5), bit(4)];
    let [i, j, k, m] = [bit(3), bit(2), bit(1), bit(0)];
    let p = [
        b | a & j | a & f & i,
        c | a & k | a & g & i,
        d,
        f & (a & i ^ 1) | (a ^ 1) & e & j | e & i & 1,
        g | (a ^ 1) & e & k | a & i,
        h,
        a | e | i,
        a | e & i | (e ^ 1) & j,
        e | a & i | (a ^ 1) & k,
        m,
    ];
    p.into_iter().fold(0, |v, bit| v << 1 | bit & 1)
}

/// The digits of a declet.
pub fn from_declet(declet: u32) -> u32 {
    let bit = |n: u32| declet >> (9 - n) & 1;
    let [p, q, r, s, t, u, v, w, x, y] = std::array::from_fn(|n| bit(n as u32));
    let digit = |top: u32, mid: [u32; 2], low: u32| top << 3 | mid[0] << 2 | mid[1] << 1 | low;
    let [d0, d1, d2] = match (v, w, x, s, t) {
        (0, ..) => [
            digit(0, [p, q], r),
            digit(0, [s, t], u),
            digit(0, [w, x], y),
        ],
        (_, 0, 0, ..) => [
            digit(0, [p, q], r),
            digit(0, [s, t], u),
            digit(1, [0, 0], y),
        ],
        (_, 0, 1, ..) => [
            digit(0, [p, q], r),
            digit(1, [0, 0], u),
            digit(0, [s, t], y),
        ],
        (_, 1, 0, ..) => [
            digit(1, [0, 0], r),
            digit(0, [s, t], u),
            digit(0, [p, q], y),
        ],
        (_, _, _, 0, 0) => [
            digit(1, [0, 0], r),
            digit(1, [0, 0], u),
            digit(0, [p, q], y),
        ],
        (_, _, _, 0, _) => [
            digit(1, [0, 0], r),
            digit(0, [p, q], u),
            digit(1, [0, 0], y),
        ],
        (_, _, _, _, 0) => [
            digit(0, [p, q], r),
            digit(1, [0, 0], u),
            digit(1, [0, 0], y),
        ],
        _ => [
            digit(1, [0, 0], r),
            digit(1, [0, 0], u),
            digit(1, [0, 0], y),
        ],
    };
    d0 << 8 | d1 << 4 | d2
}

/// Eight bits of `b`, chosen by the bytes of `a`.
fn bpermd(a: u64, b: u64) -> u64 {
    (0..8).fold(0, |out, k| {
        let index = a >> (8 * k) & 0xff;
        let bit = if index < 64 { b >> (63 - index) & 1 } else { 0 };
        out | bit << k
    })
}

/// Number of the first zero byte of the string a, b, counted from 1; 8 if there is none.
fn leftmost_zero(a: u64, b: u64) -> u32 {
    let string = (a << 32 | b & 0xffff_ffff).to_be_bytes();
    string
        .iter()
        .position(|&x| x == 0)
        .map_or(8, |k| k as u32 + 1)
}

fn dlmzb_cr(a: u64, b: u64) -> u64 {
    let string = (a << 32 | b & 0xffff_ffff).to_be_bytes();
    match string.iter().position(|&x| x == 0) {
        Some(0..=3) => 2,
        Some(_) => 4,
        None => 1,
    }
}

/// Quotient of (a << 64) / b, or 0; `how` bit 0: signed, bit 1: whether it does not fit instead.
pub fn divde(a: u64, b: u64, how: u64) -> u64 {
    let q = match how & 1 {
        0 => (u128::from(a) << 64)
            .checked_div(u128::from(b))
            .and_then(|q| u64::try_from(q).ok()),
        _ => (i128::from(a as i64) << 64)
            .checked_div(i128::from(b as i64))
            .and_then(|q| i64::try_from(q).ok())
            .map(|q| q as u64),
    };
    match how & 2 {
        0 => q.unwrap_or(0),
        _ => u64::from(q.is_none()),
    }
}

/// The fields of a floating-point format.
#[derive(Clone, Copy)]
pub struct Fields {
    /// Bits of the fraction.
    pub fraction: u32,
    /// The exponent's bias.
    pub bias: i32,
}

/// Double precision.
pub const F64: Fields = Fields {
    fraction: 52,
    bias: 1023,
};
/// Single precision.
pub const F32: Fields = Fields {
    fraction: 23,
    bias: 127,
};

impl Fields {
    fn exponent(self, v: u64) -> i32 {
        (v >> self.fraction) as i32 & (2 * self.bias + 1)
    }

    fn fraction(self, v: u64) -> u64 {
        v & ((1 << self.fraction) - 1)
    }

    fn is_negative(self, v: u64) -> bool {
        v >> self.fraction & (2 * self.bias as u64 + 2) != 0
    }
}

/// FL (always 1), FG and FE of the test for software division, as LT, GT, EQ. [PowerISA I.4.6.6 ftdiv]
pub fn test_div(a: u64, b: u64, f: Fields) -> u32 {
    let top = 2 * f.bias + 1;
    let (ea, eb) = (f.exponent(a), f.exponent(b));
    let is_zero = |v, e| e == 0 && f.fraction(v) == 0;
    let (ua, ub) = (ea - f.bias, eb - f.bias);
    let emin = 1 - f.bias;
    let special = ea == top || eb == top || is_zero(b, eb);
    let far = ub >= f.bias - 2
        || ub <= emin
        || !is_zero(a, ea)
            && (ua - ub >= f.bias || ua - ub <= emin + 1 || ua <= emin + f.fraction as i32);
    let denormal_b = eb == 0 && !is_zero(b, eb);
    let fe = special || far;
    let fg = ea == top && f.fraction(a) == 0
        || eb == top && f.fraction(b) == 0
        || is_zero(b, eb)
        || denormal_b;
    8 | u32::from(fg) << 2 | u32::from(fe) << 1
}

/// The same for square roots.
pub fn test_sqrt(b: u64, f: Fields) -> u32 {
    let e = f.exponent(b);
    let top = 2 * f.bias + 1;
    let is_zero = e == 0 && f.fraction(b) == 0;
    let emin = 1 - f.bias;
    let fe = e == top || is_zero || f.is_negative(b) || e - f.bias <= emin + f.fraction as i32;
    let fg = e == top && f.fraction(b) == 0 || is_zero || e == 0;
    8 | u32::from(fg) << 2 | u32::from(fe) << 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declets_round_trip() {
        for n in 0..1000u32 {
            let bcd = (n / 100) << 8 | (n / 10 % 10) << 4 | (n % 10);
            assert_eq!(from_declet(to_declet(bcd)), bcd, "{n}");
        }
    }

    #[test]
    fn bit_permutation_counts_from_the_left() {
        assert_eq!(run(BPERMD, 0x0001_0203_3f40_ff3e, 1 << 63 | 1), 0b1000_1000);
    }

    #[test]
    fn extended_quotients() {
        assert_eq!(divde(1, 2, 0), 1 << 63);
        assert_eq!(divde(1, 2, 2), 0);
        assert_eq!(divde(2, 2, 2), 1);
        assert_eq!(divde(1, 0, 3), 1);
        assert_eq!(divde(u64::MAX, 4, 1), (-1i64 << 62) as u64);
    }
}
