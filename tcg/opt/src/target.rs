//! Targets of indirect jumps. An ISA that ignores low bits of a target masks them; the code generator compares the target
//! with what it knows before it does so: only targets without such bits are known.

use tcg_ir::{Block, ExitKind, Inst, Op, Value};

/// The operand of an exit, and the mask that is to be applied to it before it is an address.
#[inline]
pub fn jump_target(block: &Block, i: &Inst) -> (Value, u64) {
    let operand = i.args[0];
    let whole = (operand, u64::MAX);
    let info = block.exits.get(i.imm as usize);
    if !operand.is_some() || !info.is_some_and(|e| matches!(e.kind, ExitKind::Indirect(_))) {
        return whole;
    }
    let def = block.def(operand);
    let constant = |v: Value| v.is_some().then(|| block.as_const(v)).flatten();
    match (def.op, constant(def.args[1])) {
        (Op::AndNot, Some(c)) if c <= 3 => (def.args[0], !c),
        (Op::And, Some(c)) if !c as u32 <= 3 && (def.ty == tcg_ir::Ty::I32 || !c <= 3) => {
            (def.args[0], !(!c & 3))
        }
        _ => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcg_ir::{StateLayout, text};

    const LAYOUT: StateLayout = StateLayout {
        pinned: &[],
        bytes: 64,
        peek: &[],
        bits: &[],
        names: &[],
    };

    fn target(text: &str) -> (u32, u64) {
        let b = text::parse(text, &LAYOUT, &[]).expect("a block");
        let (v, mask) = jump_target(&b, b.insts.last().expect("an exit"));
        (v.0, mask)
    }

    #[test]
    fn masks_of_low_bits_are_left_to_the_jump() {
        let block = |op: &str, ty: &str, c: &str, exit: &str| {
            format!(
                "block 0x8000 end=0x8004 insns=1\ninsn 0x8000\nv1 = get s0.{ty}\nv2 = const.{ty} {c}\nv3 = {op}.{ty} v1, v2\nexit {exit}\n"
            )
        };
        let jump = "jump v3";
        assert_eq!(target(&block("andnot", "i64", "0x1", jump)), (1, !1));
        assert_eq!(target(&block("and", "i32", "0xfffffffc", jump)), (1, !3));
        assert_eq!(
            target(&block("and", "i64", "0xfffffffffffffffe", jump)),
            (1, !1)
        );
        // The upper half is masked, too; bits that a target may have; no jump.
        assert_eq!(
            target(&block("and", "i64", "0xfffffffc", jump)),
            (3, u64::MAX)
        );
        assert_eq!(target(&block("andnot", "i64", "0x4", jump)), (3, u64::MAX));
        assert_eq!(
            target(&block("andnot", "i64", "0x1", "trap v3 code=1 pc=0x8000")),
            (3, u64::MAX)
        );
    }
}
