//! Random numbers for differential tests.

/// A small seeded generator (splitmix64).
#[derive(Clone, Debug)]
pub struct Prng(u64);

impl Prng {
    /// A generator; equal seeds give equal sequences.
    pub const fn new(seed: u64) -> Prng {
        Prng(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `n` (0 if n is 0).
    pub fn below(&mut self, n: u32) -> u32 {
        (((self.bits() >> 32) * u64::from(n)) >> 32) as u32
    }

    /// True once in `n`.
    pub fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    /// 128 bits, often with structure: zeros, ones, sign bits, small numbers, repeated words.
    pub fn value(&mut self) -> u128 {
        let random = u128::from(self.bits()) << 64 | u128::from(self.bits());
        let word = |w: u64| u128::from(w) << 64 | u128::from(w);
        match self.below(8) {
            0 => 0,
            1 => u128::MAX,
            2 => word(0x8000_0000_8000_0000),
            3 => word(0x7fff_ffff_7fff_ffff),
            4 => u128::from(self.below(70)),
            5 => word(u64::from(self.below(8)).wrapping_sub(4)),
            6 => word(0x8080_7f7f_0001_ff80),
            _ => random,
        }
    }
}
