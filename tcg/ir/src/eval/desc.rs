//! An operation with all its parameters, apart from any block: what a generic fallback helper is told.

use super::{is_evaluable, run};
use crate::{Block, FpMode, FpNan, FpRound, Inst, Op, Ty};

/// One evaluable operation with its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OpDesc {
    /// The operation.
    pub op: Op,
    /// Type of the result.
    pub ty: Ty,
    /// As in [`Inst`].
    pub lane: u8,
    /// As in [`Inst`].
    pub aux: u8,
    /// As in [`Inst`].
    pub imm: i64,
    /// Types of the operands, `Void` for absent ones.
    pub arg_ty: [Ty; 3],
    /// The floating-point regime (of operations that have none: any).
    pub fp: FpMode,
}

impl OpDesc {
    /// The description of an instruction of a block, if [`is_evaluable`].
    pub fn of(block: &Block, inst: &Inst) -> Option<OpDesc> {
        if !is_evaluable(inst.op) {
            return None;
        }
        let ty = |k: usize| match block.insts.get(inst.args[k].index()) {
            Some(def) => def.ty,
            None => Ty::Void,
        };
        Some(OpDesc {
            op: inst.op,
            ty: inst.ty,
            lane: inst.lane,
            aux: inst.aux,
            imm: inst.imm,
            arg_ty: [ty(0), ty(1), ty(2)],
            fp: block.fp[usize::from(inst.aux & 1)],
        })
    }

    /// The result. Sticky floating-point flags are added to `flags`.
    pub fn run(&self, args: [u128; 3], flags: &mut u32) -> u128 {
        run(self, args, flags)
    }

    /// Two integers that say it all, to be passed as immediates by generated code.
    ///
    /// First word, from bit 0: operation 16, result type 4, operand types 4 each, lane 8, aux 8, regime 16.
    /// Second word: `imm`.
    pub fn pack(&self) -> [u64; 2] {
        let types = |k: usize| (self.arg_ty[k] as u64) << (20 + 4 * k);
        let word = self.op as u64
            | (self.ty as u64) << 16
            | types(0)
            | types(1)
            | types(2)
            | u64::from(self.lane) << 32
            | u64::from(self.aux) << 40
            | u64::from(pack_fp(self.fp)) << 48;
        [word, self.imm as u64]
    }

    /// The inverse of [`OpDesc::pack`]; `None` if no operation has that number.
    pub fn unpack(words: [u64; 2]) -> Option<OpDesc> {
        let w = words[0];
        let ty = |shift: u32| Ty::ALL.get((w >> shift) as usize & 15).copied();
        Some(OpDesc {
            op: *Op::ALL.get(w as usize & 0xffff)?,
            ty: ty(16)?,
            lane: (w >> 32) as u8,
            aux: (w >> 40) as u8,
            imm: words[1] as i64,
            arg_ty: [ty(20)?, ty(24)?, ty(28)?],
            fp: unpack_fp((w >> 48) as u16),
        })
    }
}

fn pack_fp(fp: FpMode) -> u16 {
    fp.round as u16
        | u16::from(fp.flush) << 3
        | u16::from(fp.default_nan) << 4
        | (fp.nan as u16) << 9
        | u16::from(fp.alt_half) << 6
        | u16::from(fp.tiny_before) << 7
        | u16::from(fp.silent) << 8
}

fn unpack_fp(w: u16) -> FpMode {
    let bit = |n: u32| w >> n & 1 != 0;
    FpMode {
        round: FpRound::from_index(w as u8 & 7),
        flush: bit(3),
        default_nan: bit(4),
        nan: match w >> 9 & 3 {
            0 => FpNan::SignallingFirst,
            1 => FpNan::First,
            _ => FpNan::FirstThenAddend,
        },
        alt_half: bit(6),
        tiny_before: bit(7),
        silent: bit(8),
    }
}
