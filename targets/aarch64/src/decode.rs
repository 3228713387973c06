//! The decoders that `build.rs` made of the tables in `isa/`, and what the tables call.

include!(concat!(env!("OUT_DIR"), "/decode.rs"));

/// The mask of a logical immediate, `None` if it is reserved. [ARMv8 DecodeBitMasks]
pub const fn bitmask(wide: bool, n: bool, immr: u32, imms: u32) -> Option<u64> {
    let pattern = (n as u32) << 6 | !imms & 0x3f;
    if pattern < 2 || n && !wide {
        return None;
    }
    let len = 31 - pattern.leading_zeros();
    let size = 1 << len;
    let (s, r) = (imms & (size - 1), immr & (size - 1));
    if s == size - 1 {
        return None;
    }
    let ones = u64::MAX >> (63 - s);
    let element = if r == 0 {
        ones
    } else {
        (ones >> r | ones << (size - r)) & (u64::MAX >> (64 - size))
    };
    let mut mask = element;
    let mut width = size;
    while width < 64 {
        mask |= mask << width;
        width *= 2;
    }
    Some(if wide { mask } else { mask & 0xffff_ffff })
}

/// The constant of FMOV (immediate), as bits of a format: 1 half, 2 single, 3 double precision. [ARMv8 VFPExpandImm]
pub const fn fp_imm(size: u32, imm8: u32) -> u64 {
    let sign = (imm8 >> 7) as u64 & 1;
    let b = (imm8 >> 6) as u64 & 1;
    let low = imm8 as u64 & 0x3f;
    match size {
        1 => sign << 15 | (b ^ 1) << 14 | (b * 3) << 12 | low << 6,
        2 => sign << 31 | (b ^ 1) << 30 | (b * 0x1f) << 25 | low << 19,
        _ => sign << 63 | (b ^ 1) << 62 | (b * 0xff) << 54 | low << 48,
    }
}

/// The 64 bits of a modified immediate. [ARMv8 AdvSIMDExpandImm]
pub fn simd_imm(op: bool, cmode: u32, imm8: u32) -> u64 {
    let b = u64::from(imm8);
    let twice = |x: u64| x | x << 32;
    let four = |x: u64| twice(x | x << 16);
    match cmode >> 1 {
        0 => twice(b),
        1 => twice(b << 8),
        2 => twice(b << 16),
        3 => twice(b << 24),
        4 => four(b),
        5 => four(b << 8),
        6 if cmode & 1 == 0 => twice(b << 8 | 0xff),
        6 => twice(b << 16 | 0xffff),
        _ if cmode & 1 == 0 && !op => b * 0x0101_0101_0101_0101,
        _ if cmode & 1 == 0 => (0..8)
            .map(|i| if b >> i & 1 == 1 { 0xff << (8 * i) } else { 0 })
            .sum(),
        _ if op => fp_imm(3, imm8),
        _ => twice(fp_imm(2, imm8)),
    }
}

#[cfg(test)]
mod tests;
