//! Decimal integers in vector registers: packed (31 digits and a sign), national (7 characters and a sign), zoned (16
//! bytes, the sign in the last one). [PowerISA I.6.17]

/// Numbers of operations, with [`PS`]. The names are the instructions'.
#[allow(missing_docs)]
pub mod op {
    pub const ADD: u32 = 0;
    pub const SUB: u32 = 1;
    pub const CTSQ: u32 = 2;
    pub const CFSQ: u32 = 3;
    pub const CTZ: u32 = 4;
    pub const CTN: u32 = 5;
    pub const CFZ: u32 = 6;
    pub const CFN: u32 = 7;
    pub const SETSGN: u32 = 8;
    pub const CPSGN: u32 = 9;
    pub const US: u32 = 10;
    pub const S: u32 = 11;
    pub const TRUNC: u32 = 12;
    pub const UTRUNC: u32 = 13;
    pub const SR: u32 = 14;
}

/// The bit PS: which sign code positive results have; what zones are.
pub const PS: u32 = 1 << 7;

/// Bits of the CR field.
const LT: u32 = 8;
const GT: u32 = 4;
const EQ: u32 = 2;
const SO: u32 = 1;

/// What 31 digits hold at most, and one.
const LIMIT: u128 = 10u128.pow(31);

/// UNPREDICTABLE: the result of an operand that is no number, or that has more than 31 digits.
const UNDEFINED: u128 = u128::MAX;

/// The result and the CR field: whether something was lost, sign and value of what decides about the rest.
struct Done {
    result: u128,
    lost: bool,
    negative: bool,
    zero: bool,
}

/// A packed number: its 31 digits as nibbles, its sign.
#[derive(Clone, Copy)]
struct Packed {
    digits: u128,
    negative: bool,
}

/// Whether each of the lowest `n` nibbles is a digit.
fn are_digits(v: u128, n: u32) -> bool {
    (0..n).all(|i| v >> (4 * i) & 15 <= 9)
}

/// The number that the lowest `n` nibbles are the digits of.
fn value(digits: u128, n: u32) -> u128 {
    (0..n)
        .rev()
        .fold(0, |v, i| v * 10 + (digits >> (4 * i) & 15))
}

/// The lowest 31 digits of a number, as nibbles.
fn to_digits(mut v: u128) -> u128 {
    let mut digits = 0;
    for i in 0..31 {
        digits |= (v % 10) << (4 * i);
        v /= 10;
    }
    digits
}

impl Packed {
    fn read(v: u128) -> Option<Packed> {
        let sign = v & 15;
        (sign >= 10 && are_digits(v >> 4, 31)).then_some(Packed {
            digits: v >> 4,
            negative: matches!(sign, 0xb | 0xd),
        })
    }

    fn new(value: u128, negative: bool) -> Packed {
        Packed {
            digits: to_digits(value),
            negative,
        }
    }

    /// With the preferred sign.
    fn write(self, ps: bool) -> u128 {
        let sign = match (self.negative, ps) {
            (true, _) => 0xd,
            (false, false) => 0xc,
            (false, true) => 0xf,
        };
        self.digits << 4 | sign
    }

    fn signed(self) -> i128 {
        let v = value(self.digits, 31) as i128;
        if self.negative { -v } else { v }
    }

    /// `result`, and flags of this number.
    fn done(self, result: u128, lost: bool) -> Done {
        Done {
            result,
            lost,
            negative: self.negative,
            zero: self.digits == 0,
        }
    }
}

/// The operation `what` on the operands A and B: the result, and the CR field.
pub fn run(what: u32, a: u128, b: u128) -> (u128, u32) {
    let ps = what & PS != 0;
    let number = what & !PS;
    let done = arithmetic(number, ps, a, b)
        .or_else(|| to_packed(number, ps, b))
        .or_else(|| from_packed(number, ps, b))
        .or_else(|| shifted(number, ps, a, b))
        .or_else(|| shifted_unsigned(number, a, b));
    let Some(d) = done else {
        return (UNDEFINED, SO);
    };
    let sign = match (d.zero, d.negative) {
        (true, _) => EQ,
        (false, true) => LT,
        (false, false) => GT,
    };
    (d.result, sign | if d.lost { SO } else { 0 })
}

fn arithmetic(number: u32, ps: bool, a: u128, b: u128) -> Option<Done> {
    let (x, y) = (Packed::read(a), Packed::read(b));
    match number {
        op::ADD | op::SUB => {
            let (x, y) = (x?.signed(), y?.signed());
            let sum = if number == op::ADD { x + y } else { x - y };
            let result = Packed::new(sum.unsigned_abs(), sum < 0);
            Some(Done {
                result: result.write(ps),
                lost: sum.unsigned_abs() >= LIMIT,
                negative: sum < 0,
                zero: sum == 0,
            })
        }
        op::CPSGN => {
            let result = Packed {
                negative: y?.negative,
                ..x?
            };
            // The sign's code is copied, whichever it is.
            Some(result.done(result.digits << 4 | b & 15, false))
        }
        _ => None,
    }
}

fn to_packed(number: u32, ps: bool, b: u128) -> Option<Done> {
    match number {
        op::CFSQ => {
            let (v, negative) = ((b as i128).unsigned_abs(), (b as i128) < 0);
            let p = Packed::new(v, negative);
            let lost = v >= LIMIT;
            Some(Done {
                result: if lost { UNDEFINED } else { p.write(ps) },
                lost,
                negative,
                zero: v == 0,
            })
        }
        op::CFN => {
            let half = |i: u32| b >> (16 * i) & 0xffff;
            let negative = match half(0) {
                0x2b => false,
                0x2d => true,
                _ => return None,
            };
            let good = (1..8).all(|i| matches!(half(i), 0x30..=0x39));
            let digits = (1..8).fold(0, |d, i| d | (half(i) & 15) << (4 * (i - 1)));
            let p = Packed { digits, negative };
            good.then(|| p.done(p.write(ps), false))
        }
        op::CFZ => {
            let byte = |i: u32| b >> (8 * i) & 0xff;
            let zone = if ps { 15 } else { 3 };
            let sign = byte(0) >> 4;
            let good = (1..16).all(|i| byte(i) >> 4 == zone) && (!ps || sign >= 10);
            let digits = (0..16).fold(0, |d, i| d | (byte(i) & 15) << (4 * i));
            let p = Packed {
                digits,
                negative: match ps {
                    true => matches!(sign, 0xb | 0xd),
                    false => sign & 4 != 0,
                },
            };
            (good && are_digits(digits, 16)).then(|| p.done(p.write(false), false))
        }
        _ => None,
    }
}

fn from_packed(number: u32, ps: bool, b: u128) -> Option<Done> {
    let p = Packed::read(b)?;
    let nibble = |i: u32| p.digits >> (4 * i) & 15;
    let result = match number {
        op::CTSQ => p.signed() as u128,
        op::SETSGN => p.write(ps),
        op::CTN => {
            let sign = if p.negative { 0x2d } else { 0x2b };
            (0..7).fold(sign, |r, i| r | (0x30 | nibble(i)) << (16 * (i + 1)))
        }
        op::CTZ => {
            let sign = match (p.negative, ps) {
                (false, false) => 0x3,
                (true, false) => 0x7,
                (false, true) => 0xc,
                (true, true) => 0xd,
            };
            let zone = |i: u32| match i {
                0 => sign,
                _ if ps => 0xf,
                _ => 0x3,
            };
            (0..16).fold(0, |r, i| r | (zone(i) << 4 | nibble(i)) << (8 * i))
        }
        _ => return None,
    };
    let lost = match number {
        op::CTN => p.digits >> 28 != 0,
        op::CTZ => p.digits >> 64 != 0,
        _ => false,
    };
    Some(p.done(result, lost))
}

/// Byte element 7 of A: digits to the left.
fn shift_count(a: u128) -> i32 {
    i32::from((a >> 64) as i8)
}

/// Bits 48 to 63 of A: digits that stay, at most `most`.
fn length(a: u128, most: u32) -> u32 {
    u32::from((a >> 64) as u16).min(most)
}

/// The lowest `n` nibbles of `v`.
fn low(v: u128, n: u32) -> u128 {
    match n {
        0 => 0,
        _ => v & u128::MAX >> (128 - 4 * n.min(32)),
    }
}

/// `v`, of `most` digits, moved by `n` to the left: the digits, and whether some were lost.
fn moved(v: u128, n: i32, most: u32) -> (u128, bool) {
    let by = n.unsigned_abs().min(most);
    match n >= 0 {
        true => {
            let stays = low(v, most - by);
            (stays.checked_shl(4 * by).unwrap_or(0), v != stays)
        }
        false => (v.checked_shr(4 * by).unwrap_or(0), false),
    }
}

fn shifted(number: u32, ps: bool, a: u128, b: u128) -> Option<Done> {
    let p = Packed::read(b)?;
    let (digits, lost) = match number {
        op::S | op::SR => {
            let n = shift_count(a);
            let (digits, lost) = moved(p.digits, n, 31);
            let by = n.unsigned_abs().min(31);
            let up = number == op::SR && n < 0 && p.digits >> (4 * (by - 1)) & 15 >= 5;
            match up {
                true => (to_digits(value(digits, 31) + 1), lost),
                false => (digits, lost),
            }
        }
        op::TRUNC => {
            let stays = low(p.digits, length(a, 31));
            (stays, stays != p.digits)
        }
        _ => return None,
    };
    Some(p.done(Packed { digits, ..p }.write(ps), lost))
}

fn shifted_unsigned(number: u32, a: u128, b: u128) -> Option<Done> {
    let (result, lost) = match number {
        op::US => moved(b, shift_count(a), 32),
        op::UTRUNC => {
            let stays = low(b, length(a, 32));
            (stays, stays != b)
        }
        _ => return None,
    };
    are_digits(b, 32).then_some(Done {
        result,
        lost,
        negative: false,
        zero: b == 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BIG: u128 = 0x9999_9999_9999_9999_9999_9999_9999_999c;

    #[test]
    fn sums_have_the_preferred_sign_and_tell_what_is_lost() {
        assert_eq!(run(op::ADD, 0x25d, 0x17a), (0x8d, LT));
        assert_eq!(run(op::SUB | PS, 0x25f, 0x17c), (0x8f, GT));
        assert_eq!(run(op::SUB, 0x25d, 0x25b), (0xc, EQ));
        assert_eq!(run(op::ADD, BIG, 0x1c), (0xc, GT | SO));
        assert_eq!(run(op::ADD, 0x1c, 0xa_000c).1, SO);
        assert_eq!(run(op::ADD, 0x1c, 0x15).1, SO);
    }

    #[test]
    fn conversions_go_there_and_back() {
        let packed = 0x0123_4567_890d;
        assert_eq!(run(op::CTSQ, 0, packed), (-1_234_567_890i128 as u128, LT));
        assert_eq!(run(op::CFSQ, 0, -1_234_567_890i128 as u128), (packed, LT));
        assert_eq!(run(op::CFSQ, 0, i128::MIN as u128).1, LT | SO);
        let (zoned, cr) = run(op::CTZ | PS, 0, packed);
        assert_eq!((zoned & 0xffff, cr), (0xf9d0, LT));
        assert_eq!(run(op::CFZ | PS, 0, zoned), (packed, LT));
        assert_eq!(run(op::CTZ, 0, BIG).1, GT | SO);
        let (national, _) = run(op::CTN, 0, 0x765_4321c);
        assert_eq!(national, 0x0037_0036_0035_0034_0033_0032_0031_002b);
        assert_eq!(run(op::CFN | PS, 0, national), (0x765_4321f, GT));
        assert_eq!(run(op::CFN, 0, national + 1).1, SO);
    }

    #[test]
    fn shifts_move_digits_and_round() {
        let by = |n: i8| u128::from(n as u8) << 64;
        assert_eq!(run(op::S, by(2), 0x123c), (0x12_300c, GT));
        assert_eq!(run(op::S, by(-2), 0x123d), (0x1d, LT));
        assert_eq!(run(op::SR, by(-1), 0x1995c), (0x200c, GT));
        assert_eq!(run(op::SR, by(-128), BIG), (0x1c, GT));
        assert_eq!(run(op::S, by(127), BIG), (0xc, GT | SO));
        assert_eq!(run(op::S, by(0), 0x1f), (0x1c, GT));
        assert_eq!(run(op::US, by(32), 5), (0, GT | SO));
        assert_eq!(run(op::US, by(-32), 5), (0, GT));
        assert_eq!(run(op::US, by(31), 5), (5 << 124, GT));
        assert_eq!(run(op::US, by(1), 0xa).1, SO);
    }

    #[test]
    fn truncation_keeps_the_lowest_digits() {
        let to = |n: u16| u128::from(n) << 64;
        assert_eq!(run(op::TRUNC, to(2), 0x1234d), (0x34d, LT | SO));
        assert_eq!(run(op::TRUNC, to(31), 0x1234d), (0x1234d, LT));
        assert_eq!(run(op::TRUNC, to(0), 0xd), (0xd, EQ));
        assert_eq!(run(op::UTRUNC, to(0), 0x12), (0, GT | SO));
        assert_eq!(run(op::UTRUNC, to(999), 0x12), (0x12, GT));
        assert_eq!(run(op::CPSGN, 0x12c, 0xb), (0x12b, LT));
        assert_eq!(run(op::SETSGN | PS, 0, 0x12e), (0x12f, GT));
    }
}
