//! AES's bytes, SHA-2 and carry-less products.
//! [PowerISA I.6.11]

use tcg_crypto::aes::substitute;

/// vsbox: SubBytes.
pub fn sub_bytes(x: u128) -> u128 {
    u128::from_be_bytes(substitute(x.to_be_bytes(), false))
}

/// vshasigmaw: element i (from the left) by `upper` (lower-case sigma or upper) and bit i of `six`.
pub fn sigma_words(a: u128, upper: bool, six: u32) -> u128 {
    (0..4).fold(0, |out, i| {
        let x = (a >> (96 - 32 * i)) as u32;
        let r = |n: u32| x.rotate_right(n);
        let v = match (upper, six >> (3 - i) & 1 != 0) {
            (false, false) => r(7) ^ r(18) ^ x >> 3,
            (false, true) => r(17) ^ r(19) ^ x >> 10,
            (true, false) => r(2) ^ r(13) ^ r(22),
            (true, true) => r(6) ^ r(11) ^ r(25),
        };
        out << 32 | u128::from(v)
    })
}

/// vshasigmad: doubleword i by bit 2i of `six`.
pub fn sigma_doubles(a: u128, upper: bool, six: u32) -> u128 {
    (0..2).fold(0, |out, i| {
        let x = (a >> (64 - 64 * i)) as u64;
        let r = |n: u32| x.rotate_right(n);
        let v = match (upper, six >> (3 - 2 * i) & 1 != 0) {
            (false, false) => r(1) ^ r(8) ^ x >> 7,
            (false, true) => r(19) ^ r(61) ^ x >> 6,
            (true, false) => r(28) ^ r(34) ^ r(39),
            (true, true) => r(14) ^ r(18) ^ r(41),
        };
        out << 64 | u128::from(v)
    })
}

/// Sums of pairs of carry-less products of elements of `bits`.
pub fn polynomial_sum(a: u128, b: u128, bits: u32) -> u128 {
    let ones = if bits == 64 {
        u128::from(u64::MAX)
    } else {
        (1 << bits) - 1
    };
    let product = |x: u128, y: u128| {
        (0..bits).fold(0u128, |acc, k| {
            acc ^ if y >> k & 1 != 0 { x << k } else { 0 }
        })
    };
    let mut out = 0;
    let mut at = 0;
    while at < 128 {
        let pair = |at: u32| product(a >> at & ones, b >> at & ones);
        out |= (pair(at) ^ pair(at + bits)) << at;
        at += 2 * bits;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomial_products_do_not_carry() {
        assert_eq!(polynomial_sum(3, 3, 64), 5);
        assert_eq!(polynomial_sum(0x0303, 0x0303, 8), 0);
    }
}
