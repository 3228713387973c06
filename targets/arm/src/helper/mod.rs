//! Functions that translated code calls.

mod crc;

use tcg_ir::{Effects, HelperDef, HelperId, Ty};

/// CRC-32 (polynomial 0x04c11db7): accumulator, data, bytes.
pub const CRC32: HelperId = HelperId(0);
/// CRC-32C (polynomial 0x1edc6f41).
pub const CRC32C: HelperId = HelperId(1);

/// All helpers, by number.
pub static HELPERS: &[HelperDef] = &[
    HelperDef {
        name: "crc32",
        args: &[Ty::I32, Ty::I32, Ty::I32],
        ret: Ty::I32,
        effects: Effects::Pure,
        func: crc::crc32,
    },
    HelperDef {
        name: "crc32c",
        args: &[Ty::I32, Ty::I32, Ty::I32],
        ret: Ty::I32,
        effects: Effects::Pure,
        func: crc::crc32c,
    },
];

/// The declaration of a helper.
pub fn def(id: HelperId) -> &'static HelperDef {
    &HELPERS[usize::from(id.0)]
}
