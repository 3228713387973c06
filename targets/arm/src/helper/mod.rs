//! Functions that translated code calls.

mod entry;
pub mod lanes;
pub mod short_vector;
pub mod simd;

use tcg_ir::{Effects, HelperDef, HelperFn, HelperId, Ty};

/// CRC-32 (polynomial 0x04c11db7): accumulator, data, bytes.
pub const CRC32: HelperId = HelperId(0);
/// CRC-32C (polynomial 0x1edc6f41).
pub const CRC32C: HelperId = HelperId(1);

/// SHA1C.
pub const SHA1C: HelperId = HelperId(2);
/// SHA1P.
pub const SHA1P: HelperId = HelperId(3);
/// SHA1M.
pub const SHA1M: HelperId = HelperId(4);
/// SHA1SU0.
pub const SHA1SU0: HelperId = HelperId(5);
/// SHA1SU1.
pub const SHA1SU1: HelperId = HelperId(6);
/// SHA1H.
pub const SHA1H: HelperId = HelperId(7);

/// Late Advanced SIMD: operation, registers, shape (see [`simd`]).
pub const SIMD: HelperId = HelperId(8);
/// VJCVT: a double, flush-to-zero; the number, and in bit 32 whether it is exact.
pub const JCVT: HelperId = HelperId(9);
/// A single to bfloat16 under FPSCR's control bits.
pub const TO_BF16: HelperId = HelperId(10);

/// The soft float on lanes: three vectors and a descriptor (see [`lanes`]).
pub const LANES: HelperId = HelperId(12);
/// VFP data processing on short vectors: the instruction (see [`short_vector`]).
pub const SHORT_VECTOR: HelperId = HelperId(13);

/// The virtual counter.
pub const COUNTER: HelperId = HelperId(11);
/// Its frequency.
pub const COUNTER_HZ: u32 = 1_000_000_000;

/// All helpers, by number.
pub static HELPERS: &[HelperDef] = &[
    HelperDef {
        name: "crc32",
        args: &[Ty::I32, Ty::I32, Ty::I32],
        ret: Ty::I32,
        effects: Effects::Pure,
        func: entry::crc32,
    },
    HelperDef {
        name: "crc32c",
        args: &[Ty::I32, Ty::I32, Ty::I32],
        ret: Ty::I32,
        effects: Effects::Pure,
        func: entry::crc32c,
    },
    vector("sha1c", &[Ty::V128, Ty::V128, Ty::V128], entry::sha1c),
    vector("sha1p", &[Ty::V128, Ty::V128, Ty::V128], entry::sha1p),
    vector("sha1m", &[Ty::V128, Ty::V128, Ty::V128], entry::sha1m),
    vector("sha1su0", &[Ty::V128, Ty::V128, Ty::V128], entry::sha1su0),
    vector("sha1su1", &[Ty::V128, Ty::V128], entry::sha1su1),
    vector("sha1h", &[Ty::V128], entry::sha1h),
    HelperDef {
        name: "simd",
        args: &[Ty::I32, Ty::I32, Ty::I32],
        ret: Ty::Void,
        effects: Effects::State,
        func: entry::simd,
    },
    HelperDef {
        name: "jcvt",
        args: &[Ty::I64, Ty::I32],
        ret: Ty::I64,
        effects: Effects::State,
        func: entry::jcvt,
    },
    HelperDef {
        name: "to_bf16",
        args: &[Ty::I32, Ty::I32],
        ret: Ty::I32,
        effects: Effects::State,
        func: entry::to_bf16,
    },
    HelperDef {
        name: "counter",
        args: &[],
        ret: Ty::I64,
        effects: Effects::State,
        func: entry::counter,
    },
    HelperDef {
        name: "lanes",
        args: &[Ty::V128, Ty::V128, Ty::V128, Ty::I64],
        ret: Ty::V128,
        effects: Effects::Sticky,
        func: entry::lanes,
    },
    HelperDef {
        name: "short_vector",
        args: &[Ty::I32],
        ret: Ty::Void,
        effects: Effects::State,
        func: entry::short_vector,
    },
];

/// The declaration of a helper.
pub fn def(id: HelperId) -> &'static HelperDef {
    &HELPERS[usize::from(id.0)]
}

/// A pure helper on 128-bit vectors.
const fn vector(name: &'static str, args: &'static [Ty], func: HelperFn) -> HelperDef {
    HelperDef {
        name,
        args,
        ret: Ty::V128,
        effects: Effects::Pure,
        func,
    }
}
