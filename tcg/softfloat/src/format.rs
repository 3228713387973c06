//! The interchange formats and the one unpacked form all arithmetic works on.
//!
//! Reference: IEEE 754-2008 section 3; Intel SDM volume 1 chapter 4.2 (f80).

use crate::status::{Flags, FloatStatus};
use crate::wide::Sig;

/// Field widths of a format; the rest follows from these.
pub struct Format {
    pub exp_bits: u32,
    /// Bits below the integer bit.
    pub frac_bits: u32,
    /// The integer bit is stored (f80).
    pub explicit: bool,
    /// Flushed by `flush_f16` instead of `flush_inputs` and `flush_outputs`.
    pub half: bool,
}

impl Format {
    pub const fn bias(&self) -> i32 {
        (1 << (self.exp_bits - 1)) - 1
    }
    /// Exponent of the smallest normal number.
    pub const fn emin(&self) -> i32 {
        1 - self.bias()
    }
    /// All ones.
    pub const fn exp_mask(&self) -> u32 {
        (1 << self.exp_bits) - 1
    }
    pub const fn exp_shift(&self) -> u32 {
        self.frac_bits + self.explicit as u32
    }
    pub const fn sign_shift(&self) -> u32 {
        self.exp_shift() + self.exp_bits
    }
}

mod sealed {
    /// What a format is inside this crate.
    pub trait Parts {
        type Sig: crate::wide::Sig;
        const FORMAT: super::Format;
        fn to_sig(raw: Self::Raw) -> Self::Sig
        where
            Self: Raw;
        fn from_sig(sig: Self::Sig) -> Self::Raw
        where
            Self: Raw;
    }
    /// The raw integer type, apart so that it can be public.
    pub trait Raw {
        type Raw: Copy;
    }
}
pub use sealed::{Parts, Raw};

/// A floating-point format, for functions that are generic over it.
pub trait Float: Parts + Raw {}

macro_rules! formats {
    ($($(#[$doc:meta])* $name:ident $raw:ty, $sig:ty, $exp:literal, $frac:literal, $explicit:literal, $half:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;
        impl Raw for $name {
            type Raw = $raw;
        }
        impl Parts for $name {
            type Sig = $sig;
            const FORMAT: Format =
                Format { exp_bits: $exp, frac_bits: $frac, explicit: $explicit, half: $half };
            #[inline]
            fn to_sig(raw: $raw) -> $sig {
                <$sig>::from(raw)
            }
            #[inline]
            fn from_sig(sig: $sig) -> $raw {
                sig as $raw
            }
        }
        impl Float for $name {}
    )*};
}
formats! {
    /// IEEE binary16, or Arm's alternative half precision in conversions.
    F16 u16, u64, 5, 10, false, true;
    /// The upper half of a binary32.
    Bf16 u16, u64, 8, 7, false, false;
    /// IEEE binary32.
    F32 u32, u64, 8, 23, false, false;
    /// IEEE binary64.
    F64 u64, u64, 11, 52, false, false;
    /// x87 double extended; raw values use the low 80 bits.
    F80 u128, u128, 15, 63, true, false;
    /// IEEE binary128.
    F128 u128, u128, 15, 112, false, false;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Zero,
    Normal,
    Inf,
    QNan,
    SNan,
    /// An f80 encoding the unit refuses: invalid, and the default NaN.
    Bad,
}

/// A number taken apart.
///
/// Normal: value = sig / 2^(BITS-1) × 2^exp, the top bit of `sig` set, whether
/// or not the format would call it denormal. NaN: `sig` is the payload with
/// the quiet bit just below the top bit, so that a change of format keeps the
/// most significant payload bits. Otherwise `sig` and `exp` mean nothing.
#[derive(Clone, Copy, Debug)]
pub struct Unpacked<S> {
    pub class: Class,
    pub sign: bool,
    /// It was a denormal operand that was not flushed.
    pub denormal: bool,
    pub exp: i32,
    pub sig: S,
}

impl<S: Sig> Unpacked<S> {
    pub const fn special(class: Class, sign: bool) -> Self {
        Unpacked {
            class,
            sign,
            denormal: false,
            exp: 0,
            sig: S::ZERO,
        }
    }
    pub const fn zero(sign: bool) -> Self {
        Self::special(Class::Zero, sign)
    }
    pub const fn inf(sign: bool) -> Self {
        Self::special(Class::Inf, sign)
    }
    pub const fn normal(sign: bool, exp: i32, sig: S) -> Self {
        Unpacked {
            class: Class::Normal,
            sign,
            denormal: false,
            exp,
            sig,
        }
    }
    pub fn is_nan(&self) -> bool {
        matches!(self.class, Class::QNan | Class::SNan | Class::Bad)
    }
    pub fn is_zero(&self) -> bool {
        self.class == Class::Zero
    }
    pub fn is_inf(&self) -> bool {
        self.class == Class::Inf
    }
    pub fn is_normal(&self) -> bool {
        self.class == Class::Normal
    }
    /// The same number with the significand in another width.
    pub fn with_sig<T: Sig>(self) -> Unpacked<T> {
        Unpacked {
            class: self.class,
            sign: self.sign,
            denormal: self.denormal,
            exp: self.exp,
            sig: T::from_u128_jam(self.sig.to_u128()),
        }
    }
}

/// Takes an operand of arithmetic apart, flushing it if the status says so.
#[inline]
pub fn unpack<F: Float>(raw: F::Raw, st: &mut FloatStatus) -> Unpacked<F::Sig> {
    let flush = if F::FORMAT.half {
        st.flush_f16
    } else {
        st.flush_inputs
    };
    unpack_sig(F::to_sig(raw), &F::FORMAT, flush, st)
}

/// Takes an operand of a conversion apart: f16 never flushes, and may be the
/// alternative format.
#[inline]
pub fn unpack_convert<F: Float>(raw: F::Raw, st: &mut FloatStatus) -> Unpacked<F::Sig> {
    let raw = F::to_sig(raw);
    if !F::FORMAT.half {
        return unpack_sig(raw, &F::FORMAT, st.flush_inputs, st);
    }
    if st.f16_alt && (raw.low64() >> 10) & 31 == 31 {
        // One more binade instead of infinities and NaNs.
        let below = unpack_sig(raw & !F::Sig::from(0x400), &F::FORMAT, false, st);
        return Unpacked {
            exp: below.exp + 1,
            ..below
        };
    }
    unpack_sig(raw, &F::FORMAT, false, st)
}

#[inline(always)]
fn unpack_sig<S: Sig>(raw: S, f: &Format, flush: bool, st: &mut FloatStatus) -> Unpacked<S> {
    let sign = (raw >> f.sign_shift()).low64() & 1 != 0;
    let field = (raw >> f.exp_shift()).low64() as u32 & f.exp_mask();
    let frac = raw & ((S::ONE << f.frac_bits).minus(S::ONE));
    let shift = S::BITS - 1 - f.frac_bits;
    let integer = if f.explicit {
        (raw >> f.frac_bits).low64() & 1 != 0
    } else {
        field != 0
    };
    let sig = (frac << shift) | if integer { S::TOP } else { S::ZERO };
    if field != 0 && field != f.exp_mask() {
        if f.explicit && !integer {
            return Unpacked::special(Class::Bad, sign);
        }
        return Unpacked::normal(sign, field as i32 - f.bias(), sig);
    }
    if field == 0 {
        return unpack_small(sign, f.emin(), sig, f.half, flush, st);
    }
    let class = if f.explicit && !integer {
        Class::Bad
    } else if frac == S::ZERO {
        Class::Inf
    } else if (frac >> (f.frac_bits - 1)) != S::ZERO {
        Class::QNan
    } else {
        Class::SNan
    };
    Unpacked {
        class,
        sign,
        denormal: false,
        exp: 0,
        sig: frac << shift,
    }
}

/// Zeros and denormals (and f80's pseudo-denormals, whose integer bit is set).
fn unpack_small<S: Sig>(
    sign: bool,
    emin: i32,
    sig: S,
    half: bool,
    flush: bool,
    st: &mut FloatStatus,
) -> Unpacked<S> {
    if sig == S::ZERO {
        return Unpacked::zero(sign);
    }
    if flush {
        if st.flush_input_sets_idc && !half {
            st.raise(Flags::INPUT_DENORMAL);
        }
        return Unpacked::zero(sign);
    }
    let lz = sig.lz();
    Unpacked {
        denormal: true,
        ..Unpacked::normal(sign, emin - lz as i32, sig.left(lz))
    }
}
