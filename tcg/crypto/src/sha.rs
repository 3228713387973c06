//! Steps of SHA-1 and SHA-256 as functions of 128-bit registers, words from the least significant end.
//! [ARMv8 F6.1; the pseudocode functions of J1.2]

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

    // FIPS 180-4, the message "abc": state and schedule as the standard gives them.
    #[test]
    fn sha256_of_abc() {
        const K: [u32; 64] = round_constants();
        let mut w = [0u32; 64];
        (w[0], w[15]) = (0x6162_6380, 24);
        for t in (16..64).step_by(4) {
            let at = |k: usize| from_words([w[k], w[k + 1], w[k + 2], w[k + 3]]);
            let part = sha256su0(at(t - 16), at(t - 12));
            let next = words(sha256su1(part, at(t - 8), at(t - 4)));
            w[t..t + 4].copy_from_slice(&next);
        }
        let start = [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a];
        let rest = [0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
        let (mut x, mut y) = (from_words(start), from_words(rest));
        for t in (0..64).step_by(4) {
            let wk = from_words(std::array::from_fn(|k| w[t + k].wrapping_add(K[t + k])));
            (x, y) = (sha256h(x, y, wk), sha256h2(y, x, wk));
        }
        let sum = |v, init: [u32; 4]| {
            let v = words(v);
            std::array::from_fn(|k| init[k].wrapping_add(v[k]))
        };
        let first: [u32; 4] = sum(x, start);
        let second: [u32; 4] = sum(y, rest);
        assert_eq!(first, [0xba78_16bf, 0x8f01_cfea, 0x4141_40de, 0x5dae_2223]);
        assert_eq!(second, [0xb003_61a3, 0x9617_7a9c, 0xb410_ff61, 0xf200_15ad]);
    }

    /// Fractions of the cube roots of the first primes.
    const fn round_constants() -> [u32; 64] {
        let (mut out, mut n, mut p) = ([0; 64], 0, 2u128);
        while n < 64 {
            let mut d = 2;
            while d * d <= p && p % d != 0 {
                d += 1;
            }
            if d * d > p {
                // The integer cube root of p * 2^96 is the cube root of p times 2^32.
                let (mut root, mut bit) = (0u128, 1u128 << 35);
                while bit != 0 {
                    let r = root | bit;
                    if r * r * r <= p << 96 {
                        root = r;
                    }
                    bit >>= 1;
                }
                out[n] = root as u32;
                n += 1;
            }
            p += 1;
        }
        out
    }
}
