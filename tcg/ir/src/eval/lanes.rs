//! Elements of vectors kept in a `u128`.

/// The low `n` bits.
pub fn low(v: u128, n: u32) -> u128 {
    if n >= 128 { v } else { v & ((1 << n) - 1) }
}

/// The low `n` bits as a signed number.
pub fn signed(v: u128, n: u32) -> i128 {
    match n {
        0 => 0,
        1..=127 => (v << (128 - n)) as i128 >> (128 - n),
        _ => v as i128,
    }
}

/// Shape of a vector: its size and that of its elements, in bits.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Size of the vector.
    pub bits: u32,
    /// Size of an element.
    pub esize: u32,
}

impl Shape {
    /// The shape of a vector of `bits` with elements of `1 << lane` bytes.
    pub fn new(bits: u32, lane: u8) -> Shape {
        Shape {
            bits,
            esize: 8 << (lane & 7).min(4),
        }
    }

    /// Number of elements.
    pub fn count(self) -> u32 {
        self.bits / self.esize
    }

    /// Element `i`, zero-extended; 0 behind the end.
    pub fn get(self, v: u128, i: u32) -> u128 {
        if i < self.count() {
            low(v >> (i * self.esize), self.esize)
        } else {
            0
        }
    }

    /// Element `i`, sign-extended.
    pub fn get_signed(self, v: u128, i: u32) -> i128 {
        signed(self.get(v, i), self.esize)
    }

    /// A vector made of the elements that `f` gives by index.
    pub fn build(self, mut f: impl FnMut(u32) -> u128) -> u128 {
        let mut out = 0;
        for i in 0..self.count() {
            out |= low(f(i), self.esize) << (i * self.esize);
        }
        out
    }

    /// Each element of `a`, unsigned.
    pub fn map(self, a: u128, f: impl Fn(u128) -> u128) -> u128 {
        self.build(|i| f(self.get(a, i)))
    }

    /// Elements of `a` and `b`, unsigned.
    pub fn zip(self, a: u128, b: u128, f: impl Fn(u128, u128) -> u128) -> u128 {
        self.build(|i| f(self.get(a, i), self.get(b, i)))
    }

    /// Elements of `a` and `b`, signed.
    pub fn zip_signed(self, a: u128, b: u128, f: impl Fn(i128, i128) -> i128) -> u128 {
        self.build(|i| f(self.get_signed(a, i), self.get_signed(b, i)) as u128)
    }

    /// Adjacent pairs: first those of `a`, then those of `b`.
    pub fn pairs(self, a: u128, b: u128, mut f: impl FnMut(u128, u128) -> u128) -> u128 {
        let n = self.count();
        self.build(|i| {
            let (v, k) = if 2 * i < n {
                (a, 2 * i)
            } else {
                (b, 2 * i - n)
            };
            f(self.get(v, k), self.get(v, k + 1))
        })
    }
}

/// All ones or zero, as vector comparisons give.
pub fn mask(b: bool) -> u128 {
    if b { u128::MAX } else { 0 }
}

/// Nearest signed number of `n` bits, n at most 127.
pub fn saturate_signed(v: i128, n: u32) -> i128 {
    let limit = 1i128 << (n.clamp(1, 127) - 1);
    v.clamp(-limit, limit - 1)
}

/// Nearest unsigned number of `n` bits, n at most 126.
pub fn saturate_unsigned(v: i128, n: u32) -> i128 {
    v.clamp(0, (1i128 << n.min(126)) - 1)
}
