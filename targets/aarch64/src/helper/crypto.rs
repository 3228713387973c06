//! AES, SHA-1 and SHA-256 steps as functions of 128-bit registers.
//! [ARMv8 C7.2; the pseudocode functions of J1.3]

/// The AES S-box and its inverse, computed from the field GF(2^8) with x^8+x^4+x^3+x+1.
const SBOX: [[u8; 256]; 2] = {
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

/// SubBytes and ShiftRows; `shift` 5 forward, 13 inverse (row r moves by r columns of 4 bytes).
fn substitute(x: u128, table: &[u8; 256], shift: usize) -> u128 {
    let bytes = x.to_le_bytes();
    let mut out = [0; 16];
    for (i, o) in out.iter_mut().enumerate() {
        *o = table[usize::from(bytes[i * shift % 16])];
    }
    u128::from_le_bytes(out)
}

/// AESE: one round of encryption without MixColumns.
pub fn aese(d: u128, m: u128) -> u128 {
    // Output byte i comes from byte i*5 mod 16 exactly when rows shift left.
    substitute(d ^ m, &SBOX[0], 5)
}

/// AESD: one round of decryption without InvMixColumns.
pub fn aesd(d: u128, m: u128) -> u128 {
    substitute(d ^ m, &SBOX[1], 13)
}

fn mix(x: u128, row: [u8; 4]) -> u128 {
    let bytes = x.to_le_bytes();
    let mut out = [0; 16];
    for (i, o) in out.iter_mut().enumerate() {
        let column = i & !3;
        *o = (0..4).fold(0, |acc, k| {
            acc ^ gf_mul(bytes[column + (i + k) % 4], row[k])
        });
    }
    u128::from_le_bytes(out)
}

/// AESMC: MixColumns.
pub fn aesmc(m: u128) -> u128 {
    mix(m, [2, 3, 1, 1])
}

/// AESIMC: InvMixColumns.
pub fn aesimc(m: u128) -> u128 {
    mix(m, [14, 11, 13, 9])
}

const fn word(x: u128, k: u32) -> u32 {
    (x >> (32 * k)) as u32
}

fn from_words(w: [u32; 4]) -> u128 {
    w.iter().rev().fold(0, |acc, &x| acc << 32 | u128::from(x))
}

/// The bitwise functions of SHA-1's rounds.
fn choose(x: u32, y: u32, z: u32) -> u32 {
    (y ^ z) & x ^ z
}

fn parity(x: u32, y: u32, z: u32) -> u32 {
    x ^ y ^ z
}

fn majority(x: u32, y: u32, z: u32) -> u32 {
    x & y | (x | y) & z
}

/// Four rounds of SHA-1 on (Y, X) = (e, d..a).
fn sha1_rounds(d: u128, n: u128, m: u128, f: fn(u32, u32, u32) -> u32) -> u128 {
    let mut x = words(d);
    let mut y = word(n, 0);
    for e in 0..4 {
        y = y
            .wrapping_add(x[0].rotate_left(5))
            .wrapping_add(f(x[1], x[2], x[3]))
            .wrapping_add(word(m, e));
        (x, y) = ([y, x[0], x[1].rotate_left(30), x[2]], x[3]);
    }
    from_words(x)
}

const fn words(x: u128) -> [u32; 4] {
    [word(x, 0), word(x, 1), word(x, 2), word(x, 3)]
}

/// SHA1C: four rounds with the choose function.
pub fn sha1c(d: u128, n: u128, m: u128) -> u128 {
    sha1_rounds(d, n, m, choose)
}

/// SHA1P: four rounds with parity.
pub fn sha1p(d: u128, n: u128, m: u128) -> u128 {
    sha1_rounds(d, n, m, parity)
}

/// SHA1M: four rounds with majority.
pub fn sha1m(d: u128, n: u128, m: u128) -> u128 {
    sha1_rounds(d, n, m, majority)
}

/// SHA1H: fixed rotate.
pub fn sha1h(m: u128) -> u128 {
    u128::from(word(m, 0).rotate_left(30))
}

/// SHA1SU0: first half of the schedule update.
pub fn sha1su0(d: u128, n: u128, m: u128) -> u128 {
    (n << 64 | d >> 64) ^ d ^ m
}

/// SHA1SU1: second half of the schedule update.
pub fn sha1su1(d: u128, m: u128) -> u128 {
    let t = words(d ^ m >> 32);
    let mut r = t.map(|w| w.rotate_left(1));
    r[3] ^= t[0].rotate_left(2);
    from_words(r)
}

/// Four rounds of SHA-256; the new X and Y.
fn sha256_rounds(x: u128, y: u128, m: u128) -> (u128, u128) {
    let (mut x, mut y) = (words(x), words(y));
    for e in 0..4 {
        let sigma1 = y[0].rotate_right(6) ^ y[0].rotate_right(11) ^ y[0].rotate_right(25);
        let sigma0 = x[0].rotate_right(2) ^ x[0].rotate_right(13) ^ x[0].rotate_right(22);
        let t = y[3]
            .wrapping_add(sigma1)
            .wrapping_add(choose(y[0], y[1], y[2]))
            .wrapping_add(word(m, e));
        let x3 = x[3].wrapping_add(t);
        let y3 = t
            .wrapping_add(sigma0)
            .wrapping_add(majority(x[0], x[1], x[2]));
        (x, y) = ([y3, x[0], x[1], x[2]], [x3, y[0], y[1], y[2]]);
    }
    (from_words(x), from_words(y))
}

/// SHA256H.
pub fn sha256h(d: u128, n: u128, m: u128) -> u128 {
    sha256_rounds(d, n, m).0
}

/// SHA256H2.
pub fn sha256h2(d: u128, n: u128, m: u128) -> u128 {
    sha256_rounds(n, d, m).1
}

/// SHA256SU0.
pub fn sha256su0(d: u128, m: u128) -> u128 {
    let t = words(m << 96 | d >> 32);
    let d = words(d);
    let mut r = [0; 4];
    for (e, r) in r.iter_mut().enumerate() {
        *r = (t[e].rotate_right(7) ^ t[e].rotate_right(18) ^ t[e] >> 3).wrapping_add(d[e]);
    }
    from_words(r)
}

/// SHA256SU1.
pub fn sha256su1(d: u128, n: u128, m: u128) -> u128 {
    let t0 = words(m << 96 | n >> 32);
    let (d, m) = (words(d), words(m));
    let mut r = [0u32; 4];
    for e in 0..4 {
        let w = if e < 2 { m[e + 2] } else { r[e - 2] };
        let mixed = w.rotate_right(17) ^ w.rotate_right(19) ^ w >> 10;
        r[e] = mixed.wrapping_add(d[e]).wrapping_add(t0[e]);
    }
    from_words(r)
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
