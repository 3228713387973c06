//! Functions that translated code calls.

pub mod bits;
pub mod crypto;
pub mod decimal;
mod entry;
mod estimate;
pub mod fp;
pub mod quad;
pub mod random;
mod system;
pub mod vector;
pub mod vsx;

pub use entry::RECORD;
use tcg_ir::{Effects, HelperDef, HelperFn, HelperId, Ty};

/// See [`bits::divde`]: quotient or overflow of an extended division.
pub const DIVDE: HelperId = HelperId(0);
/// See [`bits::run`].
pub const BITS: HelperId = HelperId(1);
/// Time base.
pub const TIME_BASE: HelperId = HelperId(2);
/// A random number.
pub const DARN: HelperId = HelperId(3);
/// FPSCR: sticky flags.
pub const FPSCR_READ: HelperId = HelperId(4);
/// FPSCR: sticky flags, value, mask with [`RECORD`].
pub const FPSCR_WRITE: HelperId = HelperId(5);
/// See [`fp::run`]: code and target, operands.
pub const FP: HelperId = HelperId(6);
/// The same where enabled exceptions trap.
pub const FP_TRAPPING: HelperId = HelperId(7);
/// See [`vector::run`]: three vectors and a code.
pub const VECTOR: HelperId = HelperId(8);
/// See [`vsx::run`]: a VSX operation on registers.
pub const VSX: HelperId = HelperId(9);
/// The same where enabled exceptions trap.
pub const VSX_TRAPPING: HelperId = HelperId(10);

/// System mode: see [`crate::system::op::run`]: the operation, the opcode.
pub const SYSTEM_OP: HelperId = HelperId(11);
/// System mode: a new MSR.
pub const SET_MSR: HelperId = HelperId(12);
/// System mode: see [`crate::system::op::return_from`]: which; gives the address.
pub const RETURN: HelperId = HelperId(13);
/// System mode: reads a special register.
pub const SPR_READ: HelperId = HelperId(14);
/// System mode: number, value.
pub const SPR_WRITE: HelperId = HelperId(15);

/// All helpers, by number.
pub static HELPERS: &[HelperDef] = &[
    pure("divde", &[Ty::I64, Ty::I64, Ty::I32], Ty::I64, entry::divde),
    pure("bits", &[Ty::I64, Ty::I64, Ty::I32], Ty::I64, entry::bits),
    state("time_base", &[Ty::I32], Ty::I64, entry::time_base),
    state("darn", &[Ty::I32], Ty::I64, entry::darn),
    state("fpscr_read", &[Ty::I32], Ty::I64, entry::fpscr_read),
    may_exit(
        "fpscr_write",
        &[Ty::I32, Ty::I64, Ty::I64],
        entry::fpscr_write,
    ),
    state("fp", &FP_ARGS, Ty::Void, entry::fp),
    may_exit("fp_trapping", &FP_ARGS, entry::fp_trapping),
    pure(
        "vector",
        &[Ty::V128, Ty::V128, Ty::V128, Ty::I32],
        Ty::V128,
        entry::vector,
    ),
    state("vsx", &[Ty::I32, Ty::I32], Ty::Void, entry::vsx),
    may_exit("vsx_trapping", &[Ty::I32, Ty::I32], entry::vsx_trapping),
    state("system_op", &[Ty::I32, Ty::I32], Ty::Void, system::op),
    state("set_msr", &[Ty::I32], Ty::Void, system::set_msr),
    state("return", &[Ty::I32], Ty::I64, system::return_from),
    state("spr_read", &[Ty::I32], Ty::I64, system::spr_read),
    state(
        "spr_write",
        &[Ty::I32, Ty::I32],
        Ty::Void,
        system::spr_write,
    ),
];

const FP_ARGS: [Ty; 4] = [Ty::I32, Ty::I64, Ty::I64, Ty::I64];

/// The declaration of a helper.
pub fn def(id: HelperId) -> &'static HelperDef {
    &HELPERS[usize::from(id.0)]
}

const fn pure(name: &'static str, args: &'static [Ty], ret: Ty, func: HelperFn) -> HelperDef {
    HelperDef {
        name,
        args,
        ret,
        effects: Effects::Pure,
        func,
    }
}

const fn state(name: &'static str, args: &'static [Ty], ret: Ty, func: HelperFn) -> HelperDef {
    HelperDef {
        effects: Effects::State,
        ..pure(name, args, ret, func)
    }
}

const fn may_exit(name: &'static str, args: &'static [Ty], func: HelperFn) -> HelperDef {
    HelperDef {
        effects: Effects::StateMayExit,
        ..pure(name, args, Ty::Void, func)
    }
}
