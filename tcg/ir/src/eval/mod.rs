//! What every operation computes: the oracle of the backends, and their fallback.
//!
//! Plain loops over lanes, written to be compared with the operation table in `op.rs` and with the manuals, not
//! to be fast. Reference: [`crate::Op`]; [ARMv7 A8] and [ARMv8 C7] for the vector operations.
//!
//! Values are bits in a `u128`, zero above the size of their type; a condition-code value is N Z C V in bits 3
//! to 0. Everything is total: operations on operands that the verifier would refuse give some value.

mod desc;
mod fp;
mod int;
mod lanes;
#[cfg(test)]
mod tests;
mod vec_fp;
mod vec_int;
mod vec_structure;

pub use desc::OpDesc;

use crate::{FpMode, Op, OpClass, Ty};

/// Whether [`eval`] knows the operation: everything that depends on nothing but its operands and parameters.
pub const fn is_evaluable(op: Op) -> bool {
    matches!(op.class(), OpClass::Pure | OpClass::Fp) && !matches!(op, Op::ConstV)
}

/// The result of an operation. Sticky floating-point flags are added to `flags`, in the layout of
/// `tcg_softfloat::Flags`. An operation that is not evaluable gives 0.
#[allow(clippy::too_many_arguments)]
pub fn eval(
    op: Op,
    ty: Ty,
    lane: u8,
    aux: u8,
    imm: i64,
    arg_ty: [Ty; 3],
    args: [u128; 3],
    fp: FpMode,
    flags: &mut u32,
) -> u128 {
    let desc = OpDesc {
        op,
        ty,
        lane,
        aux,
        imm,
        arg_ty,
        fp,
    };
    desc.run(args, flags)
}

/// Dispatches to the families. Operands are masked to their types, the result to its own.
fn run(d: &OpDesc, args: [u128; 3], flags: &mut u32) -> u128 {
    let mut a = args;
    for (value, ty) in a.iter_mut().zip(d.arg_ty) {
        *value = lanes::low(*value, bits(ty));
    }
    let result = match d.op.class() {
        OpClass::Fp => fp::eval(d, a, flags).or_else(|| vec_fp::eval(d, a, flags)),
        OpClass::Pure => int::eval(d, a)
            .or_else(|| vec_int::eval(d, a))
            .or_else(|| vec_structure::eval(d, a))
            .or_else(|| fp::eval(d, a, flags))
            .or_else(|| vec_fp::eval(d, a, flags)),
        _ => None,
    };
    lanes::low(result.unwrap_or(0), bits(d.ty))
}

/// Bits that a value of a type occupies.
const fn bits(ty: Ty) -> u32 {
    match ty {
        Ty::Void => 0,
        Ty::Cc => 4,
        _ => ty.bytes() * 8,
    }
}
