//! Carry-less multiplication, permutations, bit shuffles. [RISC-V b.3, zbkb, zbkx]

/// The carry-less product.
pub fn clmul_full(x: u64, y: u64) -> u128 {
    (0..64)
        .filter(|k| y >> k & 1 != 0)
        .fold(0, |p, k| p ^ u128::from(x) << k)
}

/// Elements of `1 << log2` bits of `x` chosen by those of `y`; one that is out of range gives 0.
pub fn xperm(x: u64, y: u64, width: u32, log2: u32) -> u64 {
    let bits = 1 << log2;
    let mask = (1u64 << bits) - 1;
    let count = width >> log2;
    (0..count).fold(0, |out, k| {
        let index = y >> (k << log2) & mask;
        let chosen = if index < u64::from(count) {
            x >> (index << log2) & mask
        } else {
            0
        };
        out | chosen << (k << log2)
    })
}

/// The low half's bits go to the even places, the high half's to the odd ones.
pub fn zip(x: u32) -> u32 {
    (0..16).fold(0, |out, k| {
        out | (x >> k & 1) << (2 * k) | (x >> (k + 16) & 1) << (2 * k + 1)
    })
}

/// The inverse of [`zip`].
pub fn unzip(x: u32) -> u32 {
    (0..16).fold(0, |out, k| {
        out | (x >> (2 * k) & 1) << k | (x >> (2 * k + 1) & 1) << (k + 16)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carry_less_products_and_permutations() {
        assert_eq!(clmul_full(3, 3), 5);
        assert_eq!(clmul_full(1 << 63, 1 << 63), 1 << 126);
        assert_eq!(
            xperm(0x0706_0504_0302_0100, 0xff00_0102_0304_0507, 64, 3),
            0x0000_0102_0304_0507
        );
        assert_eq!(xperm(0x7654_3210, 0x8000_0007, 32, 2), 7);
        assert_eq!(unzip(zip(0xdead_beef)), 0xdead_beef);
        assert_eq!(zip(0x0000_ffff), 0x5555_5555);
    }
}
