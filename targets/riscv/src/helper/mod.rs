//! Functions that translated code calls.

mod bits;
mod entry;
mod float;

pub use float::{FloatOp, describe, fli_constant};

use tcg_ir::{Effects, HelperDef, HelperFn, HelperId, Ty};

/// Low half of a carry-less product: two registers, width.
pub const CLMUL: HelperId = HelperId(0);
/// Its high half.
pub const CLMULH: HelperId = HelperId(1);
/// Its middle: bits width - 1 upward.
pub const CLMULR: HelperId = HelperId(2);
/// Nibbles of the first register chosen by the nibbles of the second.
pub const XPERM4: HelperId = HelperId(3);
/// Bytes of the first register chosen by the bytes of the second.
pub const XPERM8: HelperId = HelperId(4);
/// ZIP of 32 bits.
pub const ZIP: HelperId = HelperId(5);
/// UNZIP of 32 bits.
pub const UNZIP: HelperId = HelperId(6);
/// The time counter.
pub const TIME: HelperId = HelperId(7);
/// The counters of cycles and instructions.
pub const CYCLES: HelperId = HelperId(8);
/// A floating-point operation: three operands and [`describe`]'s word.
pub const FLOAT: HelperId = HelperId(9);

/// All helpers, by number.
pub static HELPERS: &[HelperDef] = &[
    integers("clmul", entry::clmul),
    integers("clmulh", entry::clmulh),
    integers("clmulr", entry::clmulr),
    integers("xperm4", entry::xperm4),
    integers("xperm8", entry::xperm8),
    shuffle("zip", entry::zip),
    shuffle("unzip", entry::unzip),
    counter("time", entry::time),
    counter("cycles", entry::cycles),
    HelperDef {
        name: "float",
        args: &[Ty::I64, Ty::I64, Ty::I64, Ty::I32],
        ret: Ty::I64,
        // Its sticky flags count even if nobody reads the result.
        effects: Effects::State,
        func: entry::float,
    },
];

/// The declaration of a helper.
pub fn def(id: HelperId) -> &'static HelperDef {
    &HELPERS[usize::from(id.0)]
}

const fn integers(name: &'static str, func: HelperFn) -> HelperDef {
    HelperDef {
        name,
        args: &[Ty::I64, Ty::I64, Ty::I32],
        ret: Ty::I64,
        effects: Effects::Pure,
        func,
    }
}

const fn shuffle(name: &'static str, func: HelperFn) -> HelperDef {
    HelperDef {
        name,
        args: &[Ty::I64],
        ret: Ty::I64,
        effects: Effects::Pure,
        func,
    }
}

const fn counter(name: &'static str, func: HelperFn) -> HelperDef {
    HelperDef {
        name,
        args: &[],
        ret: Ty::I64,
        // Two reads are not one.
        effects: Effects::State,
        func,
    }
}
