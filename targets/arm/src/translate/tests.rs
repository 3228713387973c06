//! The shape of translated blocks: exits, hints, regions, fused conditions. What the instructions compute is
//! compared with another emulator by `examples/diff.rs`.

use tcg_ir::{Block, ExitInfo, ExitKind, IndirectHint, Op};
use tcg_mem::{Access, FaultKind, GuestVa, MemFault};
use tcg_target::{BlockLimits, TranslateCtx};

use crate::features::CpuModel;
use crate::trap;

const BASE: u64 = 0x1_0000;

/// Translates code at `BASE`; behind it nothing is mapped.
fn translate_on(model: &str, code: &[u8], thumb: bool) -> Block {
    let mut fetch = |va: GuestVa, buf: &mut [u8]| {
        let rest = code.get((va.0 - BASE) as usize..).unwrap_or(&[]);
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        match n {
            0 => Err(MemFault {
                va,
                access: Access::Exec,
                kind: FaultKind::Unmapped,
            }),
            n => Ok(n),
        }
    };
    let mut ctx = TranslateCtx {
        fetch: &mut fetch,
        limits: BlockLimits::full(64),
        parallel: false,
        forward: true,
    };
    let model = CpuModel::find(model).expect("a model of the table");
    let pc = BASE | u64::from(thumb);
    super::translate(model, pc, 0, &mut ctx).expect("the first instruction is mapped")
}

fn arm(code: &[u32]) -> Block {
    let bytes: Vec<u8> = code.iter().flat_map(|w| w.to_le_bytes()).collect();
    translate_on("max", &bytes, false)
}

fn thumb(code: &[u16]) -> Block {
    let bytes: Vec<u8> = code.iter().flat_map(|w| w.to_le_bytes()).collect();
    translate_on("max", &bytes, true)
}

fn count(block: &Block, op: Op) -> usize {
    block.insts.iter().filter(|i| i.op == op).count()
}

fn last(block: &Block) -> ExitInfo {
    *block.exits.last().expect("a block has an exit")
}

#[test]
fn compare_and_branch_fuse_into_one_test() {
    // cmp r0, r1; bgt BASE
    let b = arm(&[0xe150_0001, 0xcaff_fffd]);
    let begin = b.insts.iter().find(|i| i.op == Op::CondBegin);
    let cond = b.def(begin.expect("a side exit").args[0]);
    assert_eq!((cond.op, cond.lane), (Op::CcTest, tcg_ir::Cond::Gt as u8));
    assert_eq!((b.exits[0].pc, b.exits[0].check), (BASE, true));
    // Behind the loop nothing can be fetched.
    assert_eq!((last(&b).pc, b.guest_insns), (BASE + 8, 2));
    // The loop's head compares again: no flag need be stored for it.
    assert_eq!(b.exits[0].dead, 15);
}

#[test]
fn forward_branch_is_followed() {
    // b +4; mov r0, #1; mov r0, #2
    let b = arm(&[0xea00_0000, 0xe3a0_0001, 0xe3a0_0002]);
    assert_eq!((b.guest_insns, b.end_pc), (2, BASE + 12));
}

#[test]
fn returns_and_calls_have_hints() {
    let hint = |code: &[u32]| match last(&arm(code)).kind {
        ExitKind::Indirect(hint) => hint,
        other => panic!("{other:?}"),
    };
    assert_eq!(hint(&[0xe12f_ff1e]), IndirectHint::Return); // bx lr
    assert_eq!(hint(&[0xe1a0_f00e]), IndirectHint::Return); // mov pc, lr
    assert_eq!(hint(&[0xe8bd_8010]), IndirectHint::Return); // pop {r4, pc}
    assert_eq!(hint(&[0xe49d_f004]), IndirectHint::Return); // pop {pc}
    assert_eq!(hint(&[0xe12f_ff33]), IndirectHint::Call); // blx r3
    assert_eq!(hint(&[0xe1a0_e00f, 0xe12f_ff13]), IndirectHint::Call); // mov lr, pc; bx r3
    assert_eq!(hint(&[0xe5bc_f123]), IndirectHint::Jump); // ldr pc, [ip, #0x123]!
    assert_eq!(hint(&[0xe79f_f102]), IndirectHint::Table); // ldr pc, [pc, r2, lsl #2]
}

#[test]
fn conditional_return_is_a_side_exit() {
    // popne {r4, pc}; mov r0, #1
    let b = arm(&[0x18bd_8010, 0xe3a0_0001]);
    assert_eq!((b.exits.len(), b.guest_insns), (2, 2));
    let begin = b.insts.iter().find(|i| i.op == Op::CondBegin);
    assert_eq!(begin.map(|i| i.aux), Some(1));
}

#[test]
fn loads_under_one_condition_share_a_region() {
    // ldreq r0, [r1]; ldreq r2, [r3]; moveq r4, r0
    let b = arm(&[0x0591_0000, 0x0593_2000, 0x01a0_4000]);
    assert_eq!(count(&b, Op::CondBegin), 1);
    // ite eq; ldreq r0, [r1]; ldrne r2, [r3]
    let b = thumb(&[0xbf0c, 0x6808, 0x681a]);
    assert_eq!(count(&b, Op::CondBegin), 2);
}

#[test]
fn interworking_call_changes_the_instruction_set() {
    // blx BASE + 8 from A32, blx BASE + 4 from T32
    assert_eq!(last(&arm(&[0xfa00_0000])).pc, BASE + 9);
    let b = thumb(&[0xf000, 0xe800]);
    assert_eq!((last(&b).pc, last(&b).ret_pc), (BASE + 4, BASE + 5));
}

#[test]
fn system_call_is_precise() {
    let exit = last(&arm(&[0xef00_0011]));
    let kind = ExitKind::Trap {
        code: trap::SVC,
        info: 0x11,
    };
    assert_eq!((exit.kind, exit.pc), (kind, BASE + 4));
}

#[test]
fn undefined_instructions_stay_at_their_address() {
    let undefined = |exit: ExitInfo, opcode: u64| {
        let kind = ExitKind::Trap {
            code: trap::UNDEFINED,
            info: opcode,
        };
        assert_eq!((exit.kind, exit.pc & !1), (kind, BASE));
    };
    undefined(last(&arm(&[0xe7f0_00f0])), 0xe7f0_00f0);
    undefined(last(&thumb(&[0xde01])), 0xde01);
    // movw on a CPU without it
    let old = translate_on("arm926", &0xe301_0234u32.to_le_bytes(), false);
    undefined(last(&old), 0xe301_0234);
}

#[test]
fn setend_goes_on_in_the_other_mode() {
    let exit = last(&arm(&[0xf101_0200]));
    assert_eq!((exit.pc, exit.mode), (BASE + 4, 1 << 8));
}
