//! Random numbers that like the values at which arithmetic changes its mind.

/// A generator (xorshift64*) that gives the same sequence everywhere.
#[derive(Clone, Debug)]
pub struct Rng(u64);

/// Singles at the edges: zeros, denormals, around one, integers' limits, infinities, both kinds of NaN.
const SINGLE: [u32; 20] = [
    0,
    1,
    0x007f_ffff,
    0x0080_0000,
    0x0080_0001,
    0x00ff_ffff,
    0x3f80_0000,
    0x3f80_0001,
    0x3f7f_ffff,
    0x4f00_0000,
    0x7f7f_ffff,
    0x7f80_0000,
    0x7f80_0001,
    0x7fc0_0001,
    0x3f00_0000,
    0x5f00_0000,
    0x3400_0000,
    0x4b00_0001,
    0x4020_0000,
    0x3380_0000,
];
/// The same for doubles.
const DOUBLE: [u64; 18] = [
    0,
    1,
    0x000f_ffff_ffff_ffff,
    0x0010_0000_0000_0000,
    0x0010_0000_0000_0001,
    0x3ff0_0000_0000_0000,
    0x3ff0_0000_0000_0001,
    0x3fef_ffff_ffff_ffff,
    0x41e0_0000_0000_0000,
    0x43e0_0000_0000_0000,
    0x7fef_ffff_ffff_ffff,
    0x7ff0_0000_0000_0000,
    0x7ff0_0000_0000_0001,
    0x7ff8_0000_0000_0001,
    0x3fe0_0000_0000_0000,
    0x3810_0000_0000_0000,
    0x380f_ffff_ffff_ffff,
    0x47ef_ffff_f000_0000,
];
/// The same for half precision.
const HALF: [u16; 14] = [
    0, 1, 0x03ff, 0x0400, 0x0401, 0x3c00, 0x3c01, 0x3bff, 0x7bff, 0x7c00, 0x7c01, 0x7e01, 0x3800,
    0x6400,
];
const WORD: [u32; 12] = [
    0,
    1,
    2,
    31,
    32,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x8000_7fff,
    0xff00_8001,
    0x0000_8000,
    0x8080_8080,
];

impl Rng {
    /// The generator with this seed.
    pub fn new(seed: u64) -> Rng {
        let mut r = Rng(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            r.next();
        }
        r
    }

    /// 64 random bits.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `n` (which is not 0).
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of a list.
    pub fn choose<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// A 32-bit integer, often special.
    pub fn word(&mut self) -> u32 {
        match self.below(4) {
            0 => self.choose(&WORD),
            1 => self.next() as u32 & 0xff,
            _ => (self.next() >> 32) as u32,
        }
    }

    /// A 64-bit integer, often special.
    pub fn long(&mut self) -> u64 {
        match self.below(4) {
            0 => u64::from(self.word()),
            1 => i64::from(self.word() as i32) as u64,
            2 => u64::from(self.word()) << 32 | u64::from(self.word()),
            _ => self.next(),
        }
    }

    /// A half-precision number, often special.
    pub fn half(&mut self) -> u16 {
        match self.below(3) {
            0 => self.next() as u16,
            1 => 0x3800 + (self.next() as u16 & 0x0fff),
            _ => self.choose(&HALF) | (self.next() as u16 & 1 << 15),
        }
    }

    /// A single, often special, often near others that this gives.
    pub fn single(&mut self) -> u32 {
        match self.below(4) {
            0 => self.next() as u32,
            1 => 0x3f00_0000 + (self.next() as u32 & 0x01ff_ffff),
            2 => (self.next() as u32 & 0x81ff_ffff) | self.choose(&[0, 0x1f00_0000, 0x3e00_0000]),
            _ => self.choose(&SINGLE) | (self.next() as u32 & 1 << 31),
        }
    }

    /// A double: special, near one, tiny, or random.
    pub fn double(&mut self) -> u64 {
        let sign = self.next() & 1 << 63;
        match self.below(4) {
            0 => self.next(),
            1 => (0x3fe0_0000_0000_0000 + (self.next() >> 10)) | sign,
            2 => self.next() >> 10 | sign,
            _ => self.choose(&DOUBLE) | sign,
        }
    }

    /// Eight bytes of a vector register: a double, two singles, four halves or integers.
    pub fn lanes(&mut self) -> u64 {
        match self.below(5) {
            0 => self.double(),
            1 => self.long(),
            2 => (0..4).fold(0, |v, _| v << 16 | u64::from(self.half())),
            _ => u64::from(self.single()) << 32 | u64::from(self.single()),
        }
    }
}
