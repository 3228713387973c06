//! Integers that hold significands: u64 and u128, and the double-width
//! products of each, of which 256 bits need a type of their own.
//!
//! "Jam" means that bits shifted out are kept as a one in the last bit, which
//! is all that rounding needs to know about them.

use std::ops::{BitAnd, BitOr, Not, Shl, Shr};

/// What alignment and normalisation need of an integer.
pub trait Limbs: Copy + Ord {
    const BITS: u32;
    const ZERO: Self;
    /// Only the most significant bit.
    const TOP: Self;
    fn lz(self) -> u32;
    /// Shift left; `n < BITS`.
    fn left(self, n: u32) -> Self;
    /// Shift right by any distance, jamming.
    fn right_jam(self, n: u32) -> Self;
    fn add_carry(self, other: Self) -> (Self, bool);
    /// `self - other`, modulo 2^BITS.
    fn minus(self, other: Self) -> Self;
    fn or(self, other: Self) -> Self;
}

/// A significand: an integer with a double-width product.
pub trait Sig:
    Limbs
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + Not<Output = Self>
    + Shl<u32, Output = Self>
    + Shr<u32, Output = Self>
    + From<u64>
{
    type Wide: Limbs;
    const ONE: Self;
    fn mul_wide(self, other: Self) -> Self::Wide;
    /// `self` as the upper half.
    fn widen(self) -> Self::Wide;
    /// The upper half, jamming the lower one.
    fn narrow(wide: Self::Wide) -> Self;
    /// `self / other` with both normalised: the quotient normalised and
    /// jammed, and whether it was below one.
    fn div_jam(self, other: Self) -> (Self, bool);
    /// Root of `self` (weight of the top bit: 1, or 2 if `odd`), jammed.
    fn sqrt_jam(self, odd: bool) -> Self;
    /// The low 64 bits.
    fn low64(self) -> u64;
    fn from_u128_jam(top_aligned: u128) -> Self;
    fn to_u128(self) -> u128;
}

macro_rules! limbs {
    ($t:ty) => {
        impl Limbs for $t {
            const BITS: u32 = <$t>::BITS;
            const ZERO: Self = 0;
            const TOP: Self = 1 << (<$t>::BITS - 1);
            #[inline]
            fn lz(self) -> u32 {
                self.leading_zeros()
            }
            #[inline]
            fn left(self, n: u32) -> Self {
                self << n
            }
            #[inline]
            fn right_jam(self, n: u32) -> Self {
                if n == 0 {
                    self
                } else if n < Self::BITS {
                    (self >> n) | Self::from(self << (Self::BITS - n) != 0)
                } else {
                    Self::from(self != 0)
                }
            }
            #[inline]
            fn add_carry(self, other: Self) -> (Self, bool) {
                self.overflowing_add(other)
            }
            #[inline]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            #[inline]
            fn or(self, other: Self) -> Self {
                self | other
            }
        }
    };
}
limbs!(u64);
limbs!(u128);

/// An unsigned 256-bit integer; the order of the fields gives the comparison.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct U256 {
    hi: u128,
    lo: u128,
}

impl Limbs for U256 {
    const BITS: u32 = 256;
    const ZERO: Self = U256 { hi: 0, lo: 0 };
    const TOP: Self = U256 {
        hi: u128::TOP,
        lo: 0,
    };
    fn lz(self) -> u32 {
        if self.hi != 0 {
            self.hi.leading_zeros()
        } else {
            128 + self.lo.leading_zeros()
        }
    }
    fn left(self, n: u32) -> Self {
        match n {
            0 => self,
            1..128 => U256 {
                hi: (self.hi << n) | (self.lo >> (128 - n)),
                lo: self.lo << n,
            },
            _ => U256 {
                hi: self.lo << (n - 128),
                lo: 0,
            },
        }
    }
    fn right_jam(self, n: u32) -> Self {
        match n {
            0 => self,
            1..128 => U256 {
                hi: self.hi >> n,
                lo: (self.hi << (128 - n)) | self.lo.right_jam(n),
            },
            _ => U256 {
                hi: 0,
                lo: self.hi.right_jam(n - 128) | u128::from(self.lo != 0),
            },
        }
    }
    fn add_carry(self, other: Self) -> (Self, bool) {
        let (lo, carry) = self.lo.overflowing_add(other.lo);
        let (hi, c1) = self.hi.overflowing_add(other.hi);
        let (hi, c2) = hi.overflowing_add(u128::from(carry));
        (U256 { hi, lo }, c1 | c2)
    }
    fn minus(self, other: Self) -> Self {
        let (lo, borrow) = self.lo.overflowing_sub(other.lo);
        let hi = self
            .hi
            .wrapping_sub(other.hi)
            .wrapping_sub(u128::from(borrow));
        U256 { hi, lo }
    }
    fn or(self, other: Self) -> Self {
        U256 {
            hi: self.hi | other.hi,
            lo: self.lo | other.lo,
        }
    }
}

impl Sig for u64 {
    type Wide = u128;
    const ONE: u64 = 1;
    #[inline]
    fn mul_wide(self, other: u64) -> u128 {
        u128::from(self) * u128::from(other)
    }
    #[inline]
    fn widen(self) -> u128 {
        u128::from(self) << 64
    }
    #[inline]
    fn narrow(wide: u128) -> u64 {
        (wide >> 64) as u64 | u64::from(wide as u64 != 0)
    }
    fn div_jam(self, other: u64) -> (u64, bool) {
        let below_one = self < other;
        let dividend = u128::from(self) << if below_one { 64 } else { 63 };
        let divisor = u128::from(other);
        let quotient = (dividend / divisor) as u64;
        let exact = u128::from(quotient) * divisor == dividend;
        (quotient | u64::from(!exact), below_one)
    }
    fn sqrt_jam(self, odd: bool) -> u64 {
        // The top two bits of the radicand must hold a value in 1..4.
        let radicand = u128::from(self) << if odd { 64 } else { 63 };
        let root = radicand.isqrt();
        root as u64 | u64::from(root * root != radicand)
    }
    #[inline]
    fn low64(self) -> u64 {
        self
    }
    #[inline]
    fn from_u128_jam(top_aligned: u128) -> u64 {
        u64::narrow(top_aligned)
    }
    #[inline]
    fn to_u128(self) -> u128 {
        u128::from(self) << 64
    }
}

impl Sig for u128 {
    type Wide = U256;
    const ONE: u128 = 1;
    fn mul_wide(self, other: u128) -> U256 {
        let (a1, a0) = (self >> 64, self & u128::from(u64::MAX));
        let (b1, b0) = (other >> 64, other & u128::from(u64::MAX));
        let (cross, carry) = (a1 * b0).overflowing_add(a0 * b1);
        let (lo, c) = (a0 * b0).overflowing_add(cross << 64);
        let hi = a1 * b1 + (cross >> 64) + (u128::from(carry) << 64) + u128::from(c);
        U256 { hi, lo }
    }
    fn widen(self) -> U256 {
        U256 { hi: self, lo: 0 }
    }
    fn narrow(wide: U256) -> u128 {
        wide.hi | u128::from(wide.lo != 0)
    }
    fn div_jam(self, other: u128) -> (u128, bool) {
        // One quotient bit a step; the remainder stays below the divisor, so
        // its doubled value needs one bit more than u128 has: the carry.
        let below_one = self < other;
        let (mut rem, mut quotient) = if below_one {
            (self, 0)
        } else {
            (self - other, 1)
        };
        for _ in 0..if below_one { 128 } else { 127 } {
            let carry = rem >> 127 != 0;
            rem <<= 1;
            quotient <<= 1;
            if carry || rem >= other {
                rem = rem.wrapping_sub(other);
                quotient |= 1;
            }
        }
        (quotient | u128::from(rem != 0), below_one)
    }
    fn sqrt_jam(self, odd: bool) -> u128 {
        // Two radicand bits and one root bit a step. 118 root bits suffice for
        // 113 and keep the remainder, below twice the root, within u128.
        const STEPS: u32 = 118;
        let mut radicand = U256 { hi: self, lo: 0 }.right_jam(u32::from(!odd));
        let (mut rem, mut root) = (0u128, 0u128);
        for _ in 0..STEPS {
            rem = (rem << 2) | (radicand.hi >> 126);
            radicand = radicand.left(2);
            let trial = (root << 2) | 1;
            root <<= 1;
            if rem >= trial {
                rem -= trial;
                root |= 1;
            }
        }
        let sticky = rem != 0 || radicand != U256::ZERO;
        (root << (128 - STEPS)) | u128::from(sticky)
    }
    #[inline]
    fn low64(self) -> u64 {
        self as u64
    }
    #[inline]
    fn from_u128_jam(top_aligned: u128) -> u128 {
        top_aligned
    }
    #[inline]
    fn to_u128(self) -> u128 {
        self
    }
}
