//! SHA-512, SM3 and SM4 steps as functions of 128-bit registers. [ARMv8 C7.2]

const fn word(x: u128, k: u32) -> u32 {
    (x >> (32 * k)) as u32
}

fn words(x: u128) -> [u32; 4] {
    std::array::from_fn(|k| word(x, k as u32))
}

fn from_words(w: [u32; 4]) -> u128 {
    w.iter().rev().fold(0, |acc, &x| acc << 32 | u128::from(x))
}

const fn halves(x: u128) -> [u64; 2] {
    [x as u64, (x >> 64) as u64]
}

const fn from_halves(lo: u64, hi: u64) -> u128 {
    lo as u128 | (hi as u128) << 64
}

const fn rot3(x: u64, a: u32, b: u32, c: u32) -> u64 {
    x.rotate_right(a) ^ x.rotate_right(b) ^ x.rotate_right(c)
}

/// SHA512H.
pub fn sha512h(d: u128, n: u128, m: u128) -> u128 {
    let (x, y, w) = (halves(n), halves(m), halves(d));
    let hi = (y[1] & x[0] ^ !y[1] & x[1])
        .wrapping_add(rot3(y[1], 14, 18, 41))
        .wrapping_add(w[1]);
    let t = hi.wrapping_add(y[0]);
    let lo = (t & y[1] ^ !t & x[0])
        .wrapping_add(rot3(t, 14, 18, 41))
        .wrapping_add(w[0]);
    from_halves(lo, hi)
}

/// SHA512H2.
pub fn sha512h2(d: u128, n: u128, m: u128) -> u128 {
    let (x, y, w) = (halves(n), halves(m), halves(d));
    let hi = (x[0] & y[1] ^ x[0] & y[0] ^ y[1] & y[0])
        .wrapping_add(rot3(y[0], 28, 34, 39))
        .wrapping_add(w[1]);
    let lo = (hi & y[0] ^ hi & y[1] ^ y[1] & y[0])
        .wrapping_add(rot3(hi, 28, 34, 39))
        .wrapping_add(w[0]);
    from_halves(lo, hi)
}

/// SHA512SU0.
pub fn sha512su0(d: u128, n: u128) -> u128 {
    let (x, w) = (halves(n), halves(d));
    let sigma = |v: u64| v.rotate_right(1) ^ v.rotate_right(8) ^ v >> 7;
    from_halves(
        w[0].wrapping_add(sigma(w[1])),
        w[1].wrapping_add(sigma(x[0])),
    )
}

/// SHA512SU1.
pub fn sha512su1(d: u128, n: u128, m: u128) -> u128 {
    let (x, y, w) = (halves(n), halves(m), halves(d));
    let sigma = |v: u64| v.rotate_right(19) ^ v.rotate_right(61) ^ v >> 6;
    let one = |k: usize| w[k].wrapping_add(sigma(x[k])).wrapping_add(y[k]);
    from_halves(one(0), one(1))
}

const fn sm3_mix(x: u32) -> u32 {
    x ^ x.rotate_left(15) ^ x.rotate_left(23)
}

/// SM3PARTW1.
pub fn sm3partw1(d: u128, n: u128, m: u128) -> u128 {
    let (x, m) = (words(d ^ n), words(m));
    let mut r = [0; 4];
    for k in 0..3 {
        r[k] = sm3_mix(x[k] ^ m[k + 1].rotate_left(15));
    }
    r[3] = sm3_mix(x[3] ^ r[0].rotate_left(15));
    from_words(r)
}

/// SM3PARTW2.
pub fn sm3partw2(d: u128, n: u128, m: u128) -> u128 {
    let tmp = words(n ^ from_words(words(m).map(|w| w.rotate_left(7))));
    let mut r = words(d ^ from_words(tmp));
    r[3] ^= sm3_mix(tmp[0].rotate_left(15));
    from_words(r)
}

/// SM3SS1.
pub fn sm3ss1(n: u128, m: u128, a: u128) -> u128 {
    let sum = word(n, 3)
        .rotate_left(12)
        .wrapping_add(word(m, 3))
        .wrapping_add(word(a, 3));
    from_words([0, 0, 0, sum.rotate_left(7)])
}

/// SM3TT1A (`kind` 0), SM3TT1B (1), SM3TT2A (2), SM3TT2B (3) with the word of `m` at lane 0.
fn sm3tt(kind: u32, d: u128, n: u128, m: u128) -> u128 {
    let x = words(d);
    let f = match kind {
        0 | 2 => x[1] ^ x[2] ^ x[3],
        1 => x[3] & x[1] | x[3] & x[2] | x[1] & x[2],
        _ => x[3] & x[2] | !x[3] & x[1],
    };
    let n3 = word(n, 3);
    let sum = f.wrapping_add(x[0]).wrapping_add(word(m, 0));
    if kind < 2 {
        let t = sum.wrapping_add(n3 ^ x[3].rotate_left(12));
        from_words([x[1], x[2].rotate_left(9), x[3], t])
    } else {
        let t = sum.wrapping_add(n3);
        let t = t ^ t.rotate_left(9) ^ t.rotate_left(17);
        from_words([x[1], x[2].rotate_left(19), x[3], t])
    }
}

/// SM3TT1A.
pub fn sm3tt1a(d: u128, n: u128, m: u128) -> u128 {
    sm3tt(0, d, n, m)
}

/// SM3TT1B.
pub fn sm3tt1b(d: u128, n: u128, m: u128) -> u128 {
    sm3tt(1, d, n, m)
}

/// SM3TT2A.
pub fn sm3tt2a(d: u128, n: u128, m: u128) -> u128 {
    sm3tt(2, d, n, m)
}

/// SM3TT2B.
pub fn sm3tt2b(d: u128, n: u128, m: u128) -> u128 {
    sm3tt(3, d, n, m)
}

/// The S-box of SM4: an affine map, the inverse in GF(2^8) with x^8+x^7+x^6+x^5+x^4+x^2+1, and the map again.
static SM4_SBOX: [u8; 256] = {
    let mut out = [0; 256];
    let mut x = 0;
    while x < 256 {
        out[x] = sm4_affine(sm4_inverse(sm4_affine(x as u8)));
        x += 1;
    }
    out
};

/// The circulant matrix of SM4 and its constant.
const fn sm4_affine(x: u8) -> u8 {
    let mut r = 0;
    let mut i = 0;
    while i < 8 {
        let row = 0xa7u8.rotate_left(i);
        r |= ((x & row).count_ones() as u8 & 1) << i;
        i += 1;
    }
    r ^ 0xd3
}

/// x^254.
const fn sm4_inverse(x: u8) -> u8 {
    let mut r = 1;
    let mut k = 0;
    while k < 254 {
        let (mut a, mut b, mut p) = (r, x, 0);
        while b != 0 {
            if b & 1 != 0 {
                p ^= a;
            }
            a = a << 1 ^ if a & 0x80 != 0 { 0xf5 } else { 0 };
            b >>= 1;
        }
        r = p;
        k += 1;
    }
    r
}

fn sm4_substitute(x: u32) -> u32 {
    u32::from_le_bytes(x.to_le_bytes().map(|b| SM4_SBOX[usize::from(b)]))
}

fn sm4_rounds(state: u128, keys: u128, mix: fn(u32) -> u32) -> u128 {
    let mut x = words(state);
    for key in words(keys) {
        let t = mix(sm4_substitute(x[3] ^ x[2] ^ x[1] ^ key)) ^ x[0];
        x = [x[1], x[2], x[3], t];
    }
    from_words(x)
}

/// SM4E: four rounds.
pub fn sm4e(d: u128, n: u128) -> u128 {
    sm4_rounds(d, n, |x| {
        x ^ x.rotate_left(2) ^ x.rotate_left(10) ^ x.rotate_left(18) ^ x.rotate_left(24)
    })
}

/// SM4EKEY: four round keys.
pub fn sm4ekey(n: u128, m: u128) -> u128 {
    sm4_rounds(n, m, |x| x ^ x.rotate_left(13) ^ x.rotate_left(23))
}

#[cfg(test)]
mod tests {
    use super::*;

    // GB/T 32907: the first entries of the table.
    #[test]
    fn sm4_sbox_known_values() {
        assert_eq!(SM4_SBOX[..4], [0xd6, 0x90, 0xe9, 0xfe]);
        assert_eq!(SM4_SBOX[255], 0x48);
    }
}
