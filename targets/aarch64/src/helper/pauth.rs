//! Pointer authentication with QARMA5. [ARMv8 D8.9; shared/functions/pac: ComputePAC, AddPAC, Auth]
//! The cipher: R. Avanzi, "The QARMA Block Cipher Family", 2017 (QARMA-64, five rounds, S-box sigma 2).

/// Bits of a virtual address; the code lies above them and below bit 55, because the top byte is ignored.
pub const VA_BITS: u32 = 48;

const ROUNDS: [u64; 5] = [
    0,
    0x1319_8a2e_0370_7344,
    0xa409_3822_299f_31d0,
    0x082e_fa98_ec4e_6c89,
    0x4528_21e6_38d0_1377,
];
const ALPHA: u64 = 0xc0ac_29b7_c97c_50dd;
const SIGMA: [u8; 16] = [11, 6, 8, 15, 12, 0, 9, 14, 3, 7, 4, 5, 13, 2, 1, 10];
/// Where each cell comes from; cells are numbered from the top.
const TAU: [u8; 16] = [0, 11, 6, 13, 10, 1, 12, 7, 5, 14, 3, 8, 15, 4, 9, 2];
const H: [u8; 16] = [6, 5, 14, 15, 0, 1, 2, 3, 7, 12, 13, 4, 8, 9, 10, 11];
/// Cells of the tweak that go through the shift register.
const OMEGA_CELLS: [usize; 7] = [0, 1, 3, 4, 8, 11, 13];

type Cells = [u8; 16];

const fn inverse(table: &[u8; 16]) -> [u8; 16] {
    let mut out = [0; 16];
    let mut i = 0;
    while i < 16 {
        out[table[i] as usize] = i as u8;
        i += 1;
    }
    out
}

static SIGMA_INV: [u8; 16] = inverse(&SIGMA);
static TAU_INV: [u8; 16] = inverse(&TAU);
static H_INV: [u8; 16] = inverse(&H);

fn cells(x: u64) -> Cells {
    std::array::from_fn(|i| (x >> (60 - 4 * i)) as u8 & 15)
}

fn join(c: &Cells) -> u64 {
    c.iter().fold(0, |x, &v| x << 4 | u64::from(v))
}

fn permuted(c: &Cells, from: &[u8; 16]) -> Cells {
    from.map(|i| c[usize::from(i)])
}

fn substituted(x: u64, table: &[u8; 16]) -> u64 {
    join(&cells(x).map(|v| table[usize::from(v)]))
}

fn shuffled(x: u64, from: &[u8; 16]) -> u64 {
    join(&permuted(&cells(x), from))
}

const fn rot(v: u8, by: u32) -> u8 {
    (v << by | v >> (4 - by)) & 15
}

/// The matrix circ(0, rho, rho^2, rho), which is its own inverse.
fn mixed(x: u64) -> u64 {
    let c = cells(x);
    join(&std::array::from_fn(|i| {
        let at = |rows: usize| c[(i + 4 * rows) % 16];
        rot(at(1), 1) ^ rot(at(2), 2) ^ rot(at(3), 1)
    }))
}

fn next_tweak(t: u64) -> u64 {
    let mut c = permuted(&cells(t), &H);
    for i in OMEGA_CELLS {
        let v = c[i];
        c[i] = (v ^ v >> 1) << 3 & 8 | v >> 1;
    }
    join(&c)
}

fn previous_tweak(t: u64) -> u64 {
    let mut c = cells(t);
    for i in OMEGA_CELLS {
        let v = c[i];
        c[i] = v << 1 & 15 | v >> 3 ^ v & 1;
    }
    join(&permuted(&c, &H_INV))
}

/// ComputePAC: QARMA5 of `data` under the tweak `modifier`.
pub fn qarma5(data: u64, modifier: u64, key0: u64, key1: u64) -> u64 {
    let mod_key = key0.rotate_right(1) ^ key0 >> 63;
    let mut tweak = modifier;
    let mut x = data ^ key0;
    for (i, constant) in ROUNDS.iter().enumerate() {
        x ^= key1 ^ tweak ^ constant;
        if i > 0 {
            x = mixed(shuffled(x, &TAU));
        }
        x = substituted(x, &SIGMA);
        tweak = next_tweak(tweak);
    }
    x ^= mod_key ^ tweak;
    x = substituted(mixed(shuffled(x, &TAU)), &SIGMA);
    x = mixed(shuffled(x, &TAU)) ^ key1;
    x = substituted(shuffled(x, &TAU_INV), &SIGMA_INV);
    x = shuffled(mixed(x), &TAU_INV) ^ key0 ^ tweak;
    for (i, constant) in ROUNDS.iter().rev().enumerate() {
        x = substituted(x, &SIGMA_INV);
        if i < 4 {
            x = shuffled(mixed(x), &TAU_INV);
        }
        tweak = previous_tweak(tweak);
        x ^= constant ^ key1 ^ tweak ^ ALPHA;
    }
    x ^ mod_key
}

/// The bits between the address and bit 55 where the code goes.
const CODE: u64 = (1 << 55) - (1 << VA_BITS);
/// Those and bit 55.
const EXTENSION: u64 = CODE | 1 << 55;

/// The pointer as it is without a code: bit 55 in all the extension's bits.
const fn canonical(pointer: u64) -> u64 {
    if pointer >> 55 & 1 != 0 {
        pointer | EXTENSION
    } else {
        pointer & !EXTENSION
    }
}

/// AddPAC.
pub fn sign(pointer: u64, modifier: u64, key: [u64; 2]) -> u64 {
    let plain = canonical(pointer);
    let mut code = qarma5(plain, modifier, key[1], key[0]);
    let bits = pointer & EXTENSION;
    if bits != 0 && bits != EXTENSION {
        // The pointer was not a good one: the code will not match.
        code ^= 1 << 54;
    }
    plain & !CODE | code & CODE
}

/// Auth: the pointer without its code, or one that faults. `b_key`: the key is one of the B keys.
pub fn authenticate(pointer: u64, modifier: u64, key: [u64; 2], b_key: bool) -> u64 {
    let plain = canonical(pointer);
    let code = qarma5(plain, modifier, key[1], key[0]);
    if (code ^ pointer) & CODE == 0 {
        return plain;
    }
    let error = if b_key { 2 } else { 1 };
    plain & !(3 << 53) | error << 53
}

/// PACGA: the code itself, in the upper half.
pub fn generic(data: u64, modifier: u64, key: [u64; 2]) -> u64 {
    qarma5(data, modifier, key[1], key[0]) & 0xffff_ffff_0000_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    // The paper's test vector.
    #[test]
    fn qarma_known_answer() {
        let c = qarma5(
            0xfb62_3599_da6e_8127,
            0x477d_469d_ec0b_8762,
            0x84be_85ce_9804_e94b,
            0xec28_02d4_e0a4_88e9,
        );
        assert_eq!(c, 0xc003_b939_99b3_3765);
    }

    #[test]
    fn signed_pointer_authenticates_only_with_its_modifier() {
        let key = [0x0123_4567_89ab_cdef, 0x1122_3344_5566_7788];
        let p = 0x0000_ffff_1234_5678;
        let s = sign(p, 42, key);
        assert_ne!(s, p);
        assert_eq!(authenticate(s, 42, key, false), p);
        assert_ne!(authenticate(s, 43, key, false), p);
    }
}
