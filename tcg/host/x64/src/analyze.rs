//! Which instructions destroy the host's flags: must agree with what is emitted for them.

use tcg_ir::{Block, Inst, Op, Order, Ty};

/// Whether the code for an instruction destroys the host's flags (or may); `mmu`: memory is reached through a soft TLB.
pub fn clobbers_flags(mmu: bool) -> impl Fn(&Block, &Inst) -> bool {
    move |b, i| clobbers(b, i, mmu)
}

fn clobbers(b: &Block, i: &Inst, mmu: bool) -> bool {
    match i.op {
        Op::InsnStart
        | Op::CondEnd
        | Op::Merge
        | Op::Get
        | Op::Set
        | Op::Sync
        | Op::Const
        | Op::ConstV
        | Op::Not
        | Op::Sext8
        | Op::Sext16
        | Op::Zext8
        | Op::Zext16
        | Op::SextI64
        | Op::ZextI64
        | Op::Trunc
        | Op::Bswap => false,
        // Emitted as lea or add, whichever is allowed.
        Op::Add => false,
        Op::Sel => tcg_opt::flag_use(b, i.args[0]).is_none(),
        Op::CondBegin => tcg_opt::flag_use(b, i.args[0]).is_none(),
        Op::Bitcast => false,
        Op::Load | Op::Store => {
            let m = i.mem();
            let value_ty = if i.op == Op::Load {
                i.ty
            } else {
                b.ty(i.args[2])
            };
            mmu || m.align_log2() != 0
                || (m.get_order() == Order::SeqCst && i.op == Op::Store)
                || (m.is_big_endian() && (m.log2() == 1 || value_ty == Ty::V128))
                || (i.op == Op::Load && i.args[2].is_some())
        }
        _ => true,
    }
}
