//! Steps of AES: on its state of 16 bytes in their usual order (column by column), and, in the form that has a register
//! whose least significant byte is the first, combined as several instruction sets have them. [ARMv8 F6.1]

/// The AES S-box and its inverse, computed from the field GF(2^8) with x^8+x^4+x^3+x+1.
static SBOX: [[u8; 256]; 2] = {
    let mut forward = [0u8; 256];
    let mut inverse = [0u8; 256];
    let mut x = 0;
    while x < 256 {
        let inv = gf_inverse(x as u8);
        let s = inv
            ^ inv.rotate_left(1)
            ^ inv.rotate_left(2)
            ^ inv.rotate_left(3)
            ^ inv.rotate_left(4)
            ^ 0x63;
        forward[x] = s;
        inverse[s as usize] = x as u8;
        x += 1;
    }
    [forward, inverse]
};

/// Product in the AES field.
const fn gf_mul(mut a: u8, mut b: u8) -> u8 {
    let mut r = 0;
    while b != 0 {
        if b & 1 != 0 {
            r ^= a;
        }
        a = a << 1 ^ if a & 0x80 != 0 { 0x1b } else { 0 };
        b >>= 1;
    }
    r
}

/// a^254: the inverse, and 0 for 0.
const fn gf_inverse(a: u8) -> u8 {
    let mut r = 1;
    let mut k = 0;
    while k < 254 {
        r = gf_mul(r, a);
        k += 1;
    }
    r
}

/// The state of the cipher, column by column.
pub type State = [u8; 16];

/// SubBytes, or its inverse.
pub fn substitute(s: State, inverse: bool) -> State {
    s.map(|b| SBOX[usize::from(inverse)][usize::from(b)])
}

/// ShiftRows, or its inverse: row r moves by r columns of 4 bytes.
fn shift_rows(s: State, inverse: bool) -> State {
    // Output byte i comes from byte i*5 mod 16 exactly when rows shift left.
    let step = if inverse { 13 } else { 5 };
    std::array::from_fn(|i| s[i * step % 16])
}

/// Every byte times x.
fn double(column: u32) -> u32 {
    let carries = column >> 7 & 0x0101_0101;
    (column & 0x7f7f_7f7f) << 1 ^ (carries * 0x1b)
}

/// MixColumns, or its inverse.
fn mix_columns(s: State, inverse: bool) -> State {
    let mut out = [0; 16];
    for (to, from) in out.chunks_exact_mut(4).zip(s.chunks_exact(4)) {
        let mut x = from.iter().rev().fold(0, |acc, b| acc << 8 | u32::from(*b));
        if inverse {
            // (14, 11, 13, 9) is (2, 3, 1, 1) times (5, 0, 4, 0).
            let four = double(double(x));
            x ^= four ^ four.rotate_right(16);
        }
        // Byte k: 2 of it, 3 of the next, 1 of the others.
        let next = x.rotate_right(8);
        let mixed = double(x ^ next) ^ next ^ x.rotate_right(16) ^ x.rotate_right(24);
        to.copy_from_slice(&mixed.to_le_bytes());
    }
    out
}

/// AESE: one round of encryption without MixColumns.
pub fn aese(d: u128, m: u128) -> u128 {
    u128::from_le_bytes(shift_rows(substitute((d ^ m).to_le_bytes(), false), false))
}

/// AESD: one round of decryption without InvMixColumns.
pub fn aesd(d: u128, m: u128) -> u128 {
    u128::from_le_bytes(shift_rows(substitute((d ^ m).to_le_bytes(), true), true))
}

/// AESMC: MixColumns.
pub fn aesmc(m: u128) -> u128 {
    u128::from_le_bytes(mix_columns(m.to_le_bytes(), false))
}

/// AESIMC: InvMixColumns.
pub fn aesimc(m: u128) -> u128 {
    u128::from_le_bytes(mix_columns(m.to_le_bytes(), true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sbox_known_values() {
        assert_eq!(SBOX[0][0], 0x63);
        assert_eq!(SBOX[0][0x53], 0xed);
        assert_eq!(SBOX[1][0xed], 0x53);
    }

    #[test]
    fn rounds_invert() {
        let x = 0x0123_4567_89ab_cdef_0011_2233_4455_6677;
        assert_eq!(aesd(aese(x, 0), 0), x);
        assert_eq!(aesimc(aesmc(x)), x);
    }

    #[test]
    fn columns_mix_as_products_of_polynomials() {
        let s: State = std::array::from_fn(|i| (i * 37 + 11) as u8);
        for (inverse, row) in [(false, [2, 3, 1, 1]), (true, [14, 11, 13, 9])] {
            let expected: State = std::array::from_fn(|i| {
                let column = i & !3;
                (0..4).fold(0, |acc, k| acc ^ gf_mul(s[column + (i + k) % 4], row[k]))
            });
            assert_eq!(mix_columns(s, inverse), expected);
        }
    }

    // FIPS 197, appendix B: the first round's state.
    #[test]
    fn aes_round_matches_fips197() {
        let state = u128::from_le_bytes([
            0x32, 0x43, 0xf6, 0xa8, 0x88, 0x5a, 0x30, 0x8d, 0x31, 0x31, 0x98, 0xa2, 0xe0, 0x37,
            0x07, 0x34,
        ]);
        let key = u128::from_le_bytes([
            0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf,
            0x4f, 0x3c,
        ]);
        let expected = [
            0x04, 0x66, 0x81, 0xe5, 0xe0, 0xcb, 0x19, 0x9a, 0x48, 0xf8, 0xd3, 0x7a, 0x28, 0x06,
            0x26, 0x4c,
        ];
        assert_eq!(aesmc(aese(state, key)).to_le_bytes(), expected);
    }
}
