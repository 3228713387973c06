//! AltiVec operations without an IR operation of their own, as functions of 128-bit registers. Element 0 is the
//! leftmost: the most significant. [PowerISA I.6]

use super::{crypto, decimal, estimate};

/// The code of an operation is its number, an immediate from bit 8 on and [`SAT`].
pub const SAT: u32 = 1 << 31;

/// The immediate of floating-point operations that take denormal numbers for zeros.
pub const FLUSH: u32 = 1;

/// Numbers of operations.
#[allow(missing_docs)]
pub mod op {
    pub const PACK_PIXEL: u32 = 4;
    pub const UNPACK_PIXEL: u32 = 5;
    pub const CMP_BOUNDS: u32 = 6;
    pub const TO_UNSIGNED: u32 = 7;
    pub const TO_SIGNED: u32 = 8;
    pub const EXP2: u32 = 9;
    pub const LOG2: u32 = 10;
    pub const MULT_HIGH_ADD: u32 = 11;
    pub const MULT_HIGH_ROUND_ADD: u32 = 12;
    pub const SUM_UHS: u32 = 16;
    pub const SUM_SHS: u32 = 18;
    pub const SUM_UD: u32 = 19;
    pub const SUM2_SW: u32 = 23;
    pub const SUM_SW: u32 = 24;
    pub const ADD_Q: u32 = 25;
    pub const ADD_CARRY_Q: u32 = 26;
    pub const SUB_Q: u32 = 27;
    pub const SUB_CARRY_Q: u32 = 28;
    pub const ADD_E_Q: u32 = 29;
    pub const ADD_E_CARRY_Q: u32 = 30;
    pub const SUB_E_Q: u32 = 31;
    pub const SUB_E_CARRY_Q: u32 = 32;
    pub const MUL10: u32 = 33;
    pub const MUL10_CARRY: u32 = 34;
    pub const MUL10_E: u32 = 35;
    pub const MUL10_E_CARRY: u32 = 36;
    pub const ROT_MASK_W: u32 = 37;
    pub const ROT_MASK_D: u32 = 38;
    pub const ROT_INSERT_W: u32 = 39;
    pub const ROT_INSERT_D: u32 = 40;
    pub const SHIFT_LEFT_V: u32 = 41;
    pub const SHIFT_RIGHT_V: u32 = 42;
    pub const PERM_XOR: u32 = 43;
    pub const BPERM_D: u32 = 45;
    pub const CTZ: u32 = 47;
    pub const PARITY: u32 = 48;
    pub const EXTRACT: u32 = 49;
    pub const INSERT: u32 = 50;
    pub const EXTRACT_LEFT: u32 = 51;
    pub const EXTRACT_RIGHT: u32 = 52;
    pub const SBOX: u32 = 59;
    pub const SIGMA_W: u32 = 60;
    pub const SIGMA_D: u32 = 61;
    pub const PMSUM: u32 = 62;
    pub const PERM: u32 = 63;
    pub const INSERT_WORD: u32 = 64;
    pub const EXTRACT_WORD: u32 = 65;
    pub const KEEP_LEFT: u32 = 66;
    /// See [`crate::helper::decimal`]: the immediate is its operation; with `SAT` the CR field.
    pub const DECIMAL: u32 = 67;
}

/// Element `i` from the left, of `bits`, zero-extended.
fn get(v: u128, bits: u32, i: u32) -> u128 {
    let ones = u128::MAX >> (128 - bits);
    v >> (128 - bits * (i + 1)) & ones
}

fn get_signed(v: u128, bits: u32, i: u32) -> i128 {
    ((v << (bits * i)) as i128) >> (128 - bits)
}

/// Puts elements together, from the left.
fn build(bits: u32, f: impl FnMut(u32) -> u128) -> u128 {
    let ones = u128::MAX >> (128 - bits);
    (0..128 / bits).map(f).fold(0, |out, x| {
        if bits == 128 {
            x
        } else {
            out << bits | x & ones
        }
    })
}

/// `v` limited to what `bits` hold; notes whether that changed it.
fn saturate(v: i128, bits: u32, signed: bool, sat: &mut bool) -> u128 {
    let (lo, hi) = match signed {
        true => (-1i128 << (bits - 1), (1i128 << (bits - 1)) - 1),
        false => (0, (1i128 << bits) - 1),
    };
    *sat |= v < lo || v > hi;
    v.clamp(lo, hi) as u128
}

/// The operation `what` on a, b, c: its result, or (with [`SAT`]) 1 if it saturated.
pub fn run(what: u32, a: u128, b: u128, c: u128) -> u128 {
    let mut sat = false;
    let imm = what >> 8 & 0xffff;
    let number = what & 0xff;
    if number == op::DECIMAL {
        let (r, cr) = decimal::run(imm, a, b);
        return if what & SAT != 0 { u128::from(cr) } else { r };
    }
    let r = sums(number, a, b, c, &mut sat)
        .or_else(|| quads(number, a, b, c))
        .or_else(|| floats(number, imm, a, b, &mut sat))
        .or_else(|| shifts(number, a, b, c))
        .or_else(|| permutes(number, imm, a, b, c))
        .or_else(|| ciphers(number, imm, a, b))
        .unwrap_or(0);
    if what & SAT != 0 { u128::from(sat) } else { r }
}

fn sums(number: u32, a: u128, b: u128, c: u128, sat: &mut bool) -> Option<u128> {
    let s = get_signed;
    let u = |v, bits, i| get(v, bits, i) as i128;
    Some(match number {
        op::MULT_HIGH_ADD | op::MULT_HIGH_ROUND_ADD => build(16, |i| {
            let round = if number == op::MULT_HIGH_ROUND_ADD {
                0x4000
            } else {
                0
            };
            let p = (s(a, 16, i) * s(b, 16, i) + round) >> 15;
            saturate(p + s(c, 16, i), 16, true, sat)
        }),
        op::SUM_UHS => build(32, |i| {
            let sum = (2 * i..2 * i + 2).fold(u(c, 32, i), |t, k| t + u(a, 16, k) * u(b, 16, k));
            saturate(sum, 32, false, sat)
        }),
        op::SUM_SHS => build(32, |i| {
            let sum = (2 * i..2 * i + 2).fold(s(c, 32, i), |t, k| t + s(a, 16, k) * s(b, 16, k));
            saturate(sum, 32, true, sat)
        }),
        op::SUM_UD => (0..2).fold(c, |t, k| {
            t.wrapping_add(get(a, 64, k).wrapping_mul(get(b, 64, k)))
        }),
        op::SUM2_SW => build(64, |i| {
            let sum = s(b, 32, 2 * i + 1) + s(a, 32, 2 * i) + s(a, 32, 2 * i + 1);
            saturate(sum, 32, true, sat) & 0xffff_ffff
        }),
        op::SUM_SW => {
            let sum = (0..4).fold(s(b, 32, 3), |t, k| t + s(a, 32, k));
            saturate(sum, 32, true, sat) & 0xffff_ffff
        }
        _ => return None,
    })
}

fn quads(number: u32, a: u128, b: u128, c: u128) -> Option<u128> {
    let add = |a: u128, b: u128, c: u128| {
        let (x, p) = a.overflowing_add(b);
        let (x, q) = x.overflowing_add(c);
        (x, u128::from(p | q))
    };
    let c1 = c & 1;
    Some(match number {
        op::ADD_Q => add(a, b, 0).0,
        op::ADD_CARRY_Q => add(a, b, 0).1,
        op::SUB_Q => add(a, !b, 1).0,
        op::SUB_CARRY_Q => add(a, !b, 1).1,
        op::ADD_E_Q => add(a, b, c1).0,
        op::ADD_E_CARRY_Q => add(a, b, c1).1,
        op::SUB_E_Q => add(a, !b, c1).0,
        op::SUB_E_CARRY_Q => add(a, !b, c1).1,
        op::MUL10 => a.wrapping_mul(10),
        op::MUL10_E => a.wrapping_mul(10).wrapping_add(digit(b)),
        op::MUL10_CARRY => times_ten_carry(a, 0),
        op::MUL10_E_CARRY => times_ten_carry(a, digit(b)),
        _ => return None,
    })
}

/// The digit that the extending forms add. UNPREDICTABLE: more than 9 counts as it is.
fn digit(b: u128) -> u128 {
    b & 15
}

fn times_ten_carry(a: u128, add: u128) -> u128 {
    let (low, high) = (a & u128::from(u64::MAX), a >> 64);
    let carry = (low * 10 + add) >> 64;
    (high * 10 + carry) >> 64
}

fn floats(number: u32, imm: u32, a: u128, b: u128, sat: &mut bool) -> Option<u128> {
    let raw = |v, i| get(v, 32, i) as u32;
    // Without Java mode small numbers are zeros.
    let f = |v, i| match raw(v, i) {
        x if imm == FLUSH && x & 0x7f80_0000 == 0 => x & 1 << 31,
        x => x,
    };
    Some(match number {
        // Bit 0: a > b, bit 1: a < -b; both for NaNs.
        op::CMP_BOUNDS => build(32, |i| {
            let (x, y) = (f(a, i), f(b, i));
            let is_nan = |v: u32| v << 1 > 0xff00_0000;
            let nan = is_nan(x) || is_nan(y);
            let high = nan || estimate::above(x, y);
            let low = nan || estimate::above(y ^ 1 << 31, x);
            u128::from(high) << 31 | u128::from(low) << 30
        }),
        op::TO_UNSIGNED | op::TO_SIGNED => build(32, |i| {
            // A NaN gives 0 without saturation. [PowerISA I.6.7.1 ConvertSPtoSXWsaturate]
            let x = estimate::truncated(raw(b, i), imm).unwrap_or(0);
            saturate(x, 32, number == op::TO_SIGNED, sat)
        }),
        op::EXP2 => build(32, |i| estimate::exp2(f(b, i)).into()),
        op::LOG2 => build(32, |i| estimate::log2(f(b, i)).into()),
        _ => return None,
    })
}

fn mask64(mb: u32, me: u32) -> u64 {
    let from = u64::MAX >> (mb & 63);
    let to = u64::MAX << (63 - (me & 63));
    if mb <= me { from & to } else { from | to }
}

fn shifts(number: u32, a: u128, b: u128, c: u128) -> Option<u128> {
    Some(match number {
        op::SHIFT_LEFT_V => build(8, |i| {
            let next = if i < 15 { get(a, 8, i + 1) } else { 0 };
            let pair = get(a, 8, i) << 8 | next;
            pair << (get(b, 8, i) & 7) >> 8
        }),
        op::SHIFT_RIGHT_V => build(8, |i| {
            let before = if i > 0 { get(a, 8, i - 1) } else { 0 };
            let pair = before << 8 | get(a, 8, i);
            pair >> (get(b, 8, i) & 7)
        }),
        // b: mask end, mask begin, amount in bytes 0 to 2 from the right; c: what is kept outside.
        op::ROT_MASK_W | op::ROT_INSERT_W => build(32, |i| {
            let (x, y) = (get(a, 32, i) as u32, get(b, 32, i) as u32);
            let (mb, me) = (y >> 16 & 31, y >> 8 & 31);
            let from = u32::MAX >> mb;
            let to = u32::MAX << (31 - me);
            let mask = if mb <= me { from & to } else { from | to };
            let old = if number == op::ROT_MASK_W {
                0
            } else {
                get(c, 32, i) as u32
            };
            u128::from(x.rotate_left(y & 31) & mask | old & !mask)
        }),
        op::ROT_MASK_D | op::ROT_INSERT_D => build(64, |i| {
            let (x, y) = (get(a, 64, i) as u64, get(b, 64, i) as u64);
            let mask = mask64(y as u32 >> 16 & 63, y as u32 >> 8 & 63);
            let old = if number == op::ROT_MASK_D {
                0
            } else {
                get(c, 64, i) as u64
            };
            u128::from(x.rotate_left(y as u32 & 63) & mask | old & !mask)
        }),
        _ => return None,
    })
}

fn permutes(number: u32, imm: u32, a: u128, b: u128, c: u128) -> Option<u128> {
    let byte = |i: u128| match i {
        0..16 => get(a, 8, i as u32),
        16..32 => get(b, 8, i as u32 - 16),
        _ => 0,
    };
    Some(match number {
        op::PERM => build(8, |i| byte(get(c, 8, i) & 31)),
        op::PERM_XOR => build(8, |i| {
            let k = get(c, 8, i);
            get(a, 8, (k >> 4) as u32) ^ get(b, 8, (k & 15) as u32)
        }),
        op::PACK_PIXEL => build(16, |i| {
            let w = if i < 4 {
                get(a, 32, i)
            } else {
                get(b, 32, i - 4)
            };
            w >> 9 & 0xfc00 | w >> 6 & 0x3e0 | w >> 3 & 0x1f
        }),
        op::UNPACK_PIXEL => build(32, |i| {
            let h = get(b, 16, i + if imm != 0 { 4 } else { 0 });
            let alpha = if h >> 15 != 0 { 0xff } else { 0 };
            alpha << 24 | (h >> 10 & 31) << 16 | (h >> 5 & 31) << 8 | h & 31
        }),
        op::BPERM_D => build(64, |i| {
            (0..8).fold(0, |out, k| {
                let index = get(b, 8, 8 * i + k);
                let bit = if index < 64 {
                    get(a, 64, i) >> (63 - index) & 1
                } else {
                    0
                };
                out << 1 | bit
            })
        }),
        op::CTZ => build(imm, |i| {
            u128::from(get(b, imm, i).trailing_zeros().min(imm))
        }),
        op::PARITY => build(imm, |i| {
            let low_bits = 0x0101_0101_0101_0101_0101_0101_0101_0101u128;
            u128::from((get(b, imm, i) & low_bits).count_ones() & 1)
        }),
        _ => return elements(number, imm, a, b, c),
    })
}

/// Bytes from `at` (counted from the left) as a number; those beyond the end are 0.
fn bytes_at(v: u128, at: u32, count: u32) -> u128 {
    let shifted = v.checked_shl(8 * at).unwrap_or(0);
    shifted >> (128 - 8 * count)
}

fn elements(number: u32, imm: u32, a: u128, b: u128, c: u128) -> Option<u128> {
    let (count, at) = (imm & 15, imm >> 4);
    Some(match number {
        // The element goes to the right end of the left doubleword.
        op::EXTRACT => bytes_at(b, at, count) << 64,
        // Its source is at the right end of the left doubleword of b; c is the target's old value.
        op::INSERT => {
            let element = b >> 64 & (u128::MAX >> (128 - 8 * count));
            insert(c, element, at, count)
        }
        op::INSERT_WORD => insert(c, b >> 64 & 0xffff_ffff, at, 4),
        op::EXTRACT_WORD => bytes_at(b, at, 4) << 64,
        op::EXTRACT_LEFT => bytes_at(b, a as u32 & 15, count),
        op::EXTRACT_RIGHT => {
            let from = a as u32 & 15;
            b >> (8 * from) & (u128::MAX >> (128 - 8 * count))
        }
        _ => return None,
    })
}

/// `v` with `count` bytes from `at` replaced. UNPREDICTABLE: what reaches beyond the end is dropped.
fn insert(v: u128, element: u128, at: u32, count: u32) -> u128 {
    let end = 16u32.saturating_sub(at + count) * 8;
    let lost = (at + count).saturating_sub(16) * 8;
    let ones = u128::MAX >> (128 - 8 * count) >> lost;
    v & !(ones << end) | (element >> lost & ones) << end
}

fn ciphers(number: u32, imm: u32, a: u128, b: u128) -> Option<u128> {
    Some(match number {
        op::SBOX => crypto::sub_bytes(a),
        op::SIGMA_W => crypto::sigma_words(a, imm >> 4 != 0, imm & 15),
        op::SIGMA_D => crypto::sigma_doubles(a, imm >> 4 != 0, imm & 15),
        op::PMSUM => crypto::polynomial_sum(a, b, imm),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permute_counts_bytes_from_the_left() {
        let a = 0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f;
        let b = 0x1011_1213_1415_1617_1819_1a1b_1c1d_1e1f;
        let c = 0x1f00_0102_0304_0506_0708_090a_0b0c_0d10;
        assert_eq!(run(op::PERM, a, b, c), c);
    }

    #[test]
    fn sums_saturate_and_say_so() {
        let max = 0x7fff_ffff;
        assert_eq!(run(op::SUM_SW, 1, max, 0), max);
        assert_eq!(run(op::SUM_SW | SAT, 1, max, 0), 1);
        assert_eq!(run(op::SUM_SW | SAT, 0, max, 0), 0);
    }
}
