//! Constant folding and algebraic identities, applied while a block is built.

use crate::{Block, Cond, Inst, Op, Ty, Value};

/// What an instruction simplifies to.
pub enum Folded {
    /// An existing value.
    Value(Value),
    /// A constant of the instruction's type.
    Const(u64),
    /// Another instruction.
    Inst(Inst),
}

/// Simplifies an integer instruction; `None`: keep it.
pub fn fold(block: &Block, inst: &Inst) -> Option<Folded> {
    match inst.op {
        Op::Sel => return fold_sel(block, inst),
        Op::ICmp => return fold_icmp(block, inst),
        _ => {}
    }
    if !inst.ty.is_int() {
        return None;
    }
    let arg = |k: usize| {
        inst.args[k]
            .is_some()
            .then(|| block.as_const(inst.args[k]))
            .flatten()
    };
    let (a, b) = (arg(0), arg(1));
    if let Some(c) = fold_consts(inst, a, b) {
        return Some(Folded::Const(c));
    }
    fold_identity(block, inst, a, b)
}

fn fold_consts(inst: &Inst, a: Option<u64>, b: Option<u64>) -> Option<u64> {
    let a = a?;
    let bits = inst.ty.bytes() * 8;
    let lsb_len = (inst.imm as u32 & 0xff, inst.imm as u32 >> 8);
    let one = match inst.op {
        Op::Not => Some(!a),
        Op::Neg => Some(a.wrapping_neg()),
        Op::Sext8 => Some(a as i8 as u64),
        Op::Sext16 => Some(a as i16 as u64),
        Op::Zext8 => Some(a & 0xff),
        Op::Zext16 => Some(a & 0xffff),
        Op::SextI64 => Some(a as i32 as u64),
        Op::ZextI64 | Op::Trunc => Some(a & 0xffff_ffff),
        Op::Hi32 => Some(a >> 32),
        Op::ExtractU => Some(a.checked_shr(lsb_len.0).unwrap_or(0) & ones(lsb_len.1)),
        _ => None,
    };
    if one.is_some() {
        return one;
    }
    let b = b?;
    let amount = b as u32 & (bits - 1);
    Some(match inst.op {
        Op::Add => a.wrapping_add(b),
        Op::Sub => a.wrapping_sub(b),
        Op::Mul => a.wrapping_mul(b),
        Op::And => a & b,
        Op::Or => a | b,
        Op::Xor => a ^ b,
        Op::AndNot => a & !b,
        Op::Shl => a << amount,
        Op::Shr => a >> amount,
        Op::Sar if bits == 32 => (a as i32 >> amount) as u64,
        Op::Rotr if bits == 32 => u64::from((a as u32).rotate_right(amount)),
        Op::Concat => a | b << 32,
        _ => return None,
    })
}

/// A mask of `n` low bits.
fn ones(n: u32) -> u64 {
    if n >= 64 { u64::MAX } else { (1 << n) - 1 }
}

fn fold_identity(block: &Block, inst: &Inst, a: Option<u64>, b: Option<u64>) -> Option<Folded> {
    let (x, y) = (inst.args[0], inst.args[1]);
    match (inst.op, a, b) {
        (
            Op::Add
            | Op::Sub
            | Op::Or
            | Op::Xor
            | Op::Shl
            | Op::Shr
            | Op::Sar
            | Op::Rotr
            | Op::AndNot,
            _,
            Some(0),
        ) => Some(Folded::Value(x)),
        (Op::And, _, Some(0)) | (Op::Mul, _, Some(0)) => Some(Folded::Const(0)),
        (Op::Mul, _, Some(1)) => Some(Folded::Value(x)),
        (Op::Xor, _, Some(1)) if is_test(block, x) => Some(Folded::Inst(negated(block, x))),
        (Op::And | Op::Or, ..) if x == y => Some(Folded::Value(x)),
        (Op::Sub | Op::Xor, ..) if x == y => Some(Folded::Const(0)),
        // Constants go to the right.
        (Op::Add | Op::Mul | Op::And | Op::Or | Op::Xor, Some(_), None) => {
            let swapped = Inst {
                args: [y, x, inst.args[2]],
                ..*inst
            };
            match fold_identity(block, &swapped, b, a) {
                Some(f) => Some(f),
                None => Some(Folded::Inst(swapped)),
            }
        }
        (Op::Trunc, ..) => match block.def(x).op {
            Op::Concat | Op::SextI64 | Op::ZextI64 => Some(Folded::Value(block.def(x).args[0])),
            _ => None,
        },
        (Op::Hi32, ..) => match block.def(x).op {
            Op::Concat => Some(Folded::Value(block.def(x).args[1])),
            Op::ZextI64 => Some(Folded::Const(0)),
            _ => None,
        },
        (Op::Concat, _, Some(0)) => Some(Folded::Inst(Inst {
            op: Op::ZextI64,
            args: [x, Value::NONE, Value::NONE],
            ..*inst
        })),
        (Op::Bitcast, ..) if block.def(x).op == Op::Bitcast => {
            let inner = block.def(x).args[0];
            (block.ty(inner) == inst.ty && block.ty(x).bytes() == inst.ty.bytes())
                .then_some(Folded::Value(inner))
        }
        (Op::ExtractU, ..) if inst.imm as u32 == (inst.ty.bytes() * 8) << 8 => {
            Some(Folded::Value(x))
        }
        _ => None,
    }
}

fn fold_sel(block: &Block, inst: &Inst) -> Option<Folded> {
    let [c, a, b] = inst.args;
    if a == b {
        return Some(Folded::Value(a));
    }
    block
        .as_const(c)
        .map(|c| Folded::Value(if c != 0 { a } else { b }))
}

/// Whether a value is a test of flags: 0 or 1.
fn is_test(block: &Block, v: Value) -> bool {
    matches!(block.def(v).op, Op::ICmp | Op::CcTest)
}

/// The opposite test.
fn negated(block: &Block, test: Value) -> Inst {
    let test = *block.def(test);
    Inst {
        lane: test.lane ^ 1,
        ..test
    }
}

fn fold_icmp(block: &Block, inst: &Inst) -> Option<Folded> {
    if is_test(block, inst.args[0]) && block.as_const(inst.args[1]) == Some(0) {
        match Cond::from_index(inst.lane)? {
            Cond::Ne => return Some(Folded::Value(inst.args[0])),
            Cond::Eq => return Some(Folded::Inst(negated(block, inst.args[0]))),
            _ => {}
        }
    }
    let (a, b) = (block.as_const(inst.args[0])?, block.as_const(inst.args[1])?);
    let wide = block.ty(inst.args[0]) == Ty::I64;
    let diff = a.wrapping_sub(b);
    let (n, v) = if wide {
        let (r, v) = (a as i64).overflowing_sub(b as i64);
        (r < 0, v)
    } else {
        let (r, v) = (a as i32).overflowing_sub(b as i32);
        (r < 0, v)
    };
    let z = if wide { diff == 0 } else { diff as u32 == 0 };
    let cond = Cond::from_index(inst.lane)?;
    Some(Folded::Const(u64::from(cond.eval(n, z, a >= b, v))))
}
