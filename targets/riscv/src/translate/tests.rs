//! The shape of translated blocks: exits, hints, constants, fused conditions. What the instructions compute is compared
//! with another emulator by `tests/diff`.

use tcg_ir::{Block, Cond, ExitInfo, ExitKind, IndirectHint, Op};
use tcg_mem::{Access, FaultKind, GuestVa, MemFault};
use tcg_target::{BlockLimits, TranslateCtx};

use crate::features::Cpu;
use crate::trap;

const BASE: u64 = 0x1_0000;

/// Translates code at `BASE`; behind it nothing is mapped.
fn translate_on(cpu: &str, bits: u32, code: &[u32]) -> Block {
    translate_at(cpu, bits, code, BASE)
}

fn translate_at(cpu: &str, bits: u32, code: &[u32], pc: u64) -> Block {
    let code: Vec<u8> = code.iter().flat_map(|w| w.to_le_bytes()).collect();
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
        parallel: true,
        forward: true,
    };
    let cpu = Cpu::parse(Some(cpu), bits).expect("a model");
    let block = super::translate(&cpu, pc, 0, &mut ctx).expect("the first is mapped");
    tcg_ir::verify(&block, &crate::state::LAYOUT, crate::helper::HELPERS).expect("a valid block");
    block
}

fn rv64(code: &[u32]) -> Block {
    translate_on("max", 64, code)
}

fn count(block: &Block, op: Op) -> usize {
    block.insts.iter().filter(|i| i.op == op).count()
}

fn last(block: &Block) -> ExitInfo {
    *block.exits.last().expect("a block has an exit")
}

#[test]
fn loop_ends_its_block_with_the_way_back_first() {
    // addi a0,a0,-1; bnez a0,BASE
    let b = rv64(&[0xfff5_0513, 0xfe05_1ee3]);
    assert_eq!((b.exits[0].pc, b.exits[0].check), (BASE, true));
    assert_eq!((last(&b).pc, b.guest_insns), (BASE + 8, 2));
}

#[test]
fn branch_on_a_comparison_is_one_test() {
    // sltu a5,a0,a1; beqz a5,+8
    let b = rv64(&[0x00b5_37b3, 0x0007_8463]);
    let begin = b.insts.iter().find(|i| i.op == Op::CondBegin);
    let cond = b.def(begin.expect("a side exit").args[0]);
    assert_eq!((cond.op, cond.lane), (Op::ICmp, Cond::Hs as u8));
}

#[test]
fn shifts_that_make_a_rotation_are_one() {
    // slliw a4,a0,7; srliw a5,a0,25; or a4,a4,a5
    let b = rv64(&[0x0075_171b, 0x0195_579b, 0x00f7_6733]);
    assert_eq!(count(&b, Op::Rotr), 1);
    // srli a5,a0,25; slli a4,a0,39; xor a4,a5,a4
    let b = rv64(&[0x0195_5793, 0x0275_1713, 0x00e7_c733]);
    assert_eq!(count(&b, Op::Rotr), 1);
    // Amounts that do not add up: slliw a4,a0,7; srliw a5,a0,24; or a4,a4,a5
    let b = rv64(&[0x0075_171b, 0x0185_579b, 0x00f7_6733]);
    assert_eq!(count(&b, Op::Rotr), 0);
}

#[test]
fn branch_over_a_computation_is_a_selection() {
    // bgeu a0,a1,+8; li a5,255; sb a5,0(a3)
    let b = rv64(&[0x00b5_7463, 0x0ff0_0793, 0x00f6_8023]);
    assert_eq!((count(&b, Op::Sel), count(&b, Op::CondBegin)), (1, 0));
    assert_eq!((b.exits.len(), b.guest_insns), (1, 3));
}

#[test]
fn branch_over_an_access_is_a_region() {
    // addi a5,a5,1; beq a0,a1,+12; lw a5,0(a0); sw a5,4(a0); addi a0,a0,1
    let code = [
        0x0017_8793,
        0x00b5_0663,
        0x0005_2783,
        0x00f5_2223,
        0x0015_0513,
    ];
    let b = rv64(&code);
    assert_eq!((count(&b, Op::CondBegin), count(&b, Op::Merge)), (1, 1));
    assert_eq!((b.exits.len(), b.guest_insns), (1, 5));
}

#[test]
fn branch_over_what_may_leave_is_an_exit() {
    // beq a0,a1,+8; then: jr a5, an illegal instruction, fadd.d, one of an extension that is off, one that is cut off
    for over in [0x0007_8067, 0x0000_0000, 0x02b5_7553, 0x20b5_2533] {
        let b = translate_on("rv64,zba=off", 64, &[0x00b5_0463, over, 0x0015_0513]);
        assert_eq!(b.exits[0].pc, BASE + 8, "{over:#x}");
    }
    let b = rv64(&[0x00b5_0363, 0x0015_0513]);
    assert_eq!(b.exits[0].pc, BASE + 6);
}

#[test]
fn jump_back_is_followed_once_and_checks_from_then_on() {
    // Behind a dispatch `lw a5,0(a0); jr a5` at the start: addi a0,a0,4; beqz a1,+64; j back
    let dispatch = [0x0005_2783, 0x0007_8067];
    let place = [0x0045_0513, 0x0405_8063, 0xff1f_f06f];
    let code: Vec<u32> = dispatch.into_iter().chain(place).collect();
    let b = translate_at("max", 64, &code, BASE + 8);
    assert_eq!((b.start_pc, b.end_pc), (BASE, BASE + 20));
    assert_eq!(b.guest_insns, 5);
    assert_eq!(last(&b).kind, ExitKind::Indirect(IndirectHint::Table));
}

#[test]
fn flags_around_a_quiet_comparison_are_only_restored_for_nans() {
    // frflags a4; flt.d a5,fa5,fs8; fsflags a4
    let b = rv64(&[0x0010_2773, 0xa387_97d3, 0x0017_1073]);
    let begin = b.insts.iter().position(|i| i.op == Op::CondBegin);
    let set = b.insts.iter().position(|i| i.op == Op::FpFlagsSet);
    assert_eq!(begin.map(|k| k + 1), set);
    // With fadd.d between: as it says.
    let b = rv64(&[0x0010_2773, 0x02b5_7553, 0x0017_1073]);
    assert_eq!(
        (count(&b, Op::CondBegin), count(&b, Op::FpFlagsSet)),
        (0, 1)
    );
}

#[test]
fn number_of_a_bit_is_taken_modulo_the_width() {
    // li a1,-1; bext a1,a1,a1
    let b = translate_on("max", 32, &[0xfff0_0593, 0x48b5_d5b3]);
    let ones = b.insts.iter().filter(|i| i.op == Op::Const && i.imm == 1);
    assert_eq!(ones.count(), 1);
    // li a1,-1; binv a2,a0,a1
    let b = translate_on("max", 32, &[0xfff0_0593, 0x68b5_1633]);
    let mut consts = b.insts.iter().filter(|i| i.op == Op::Const);
    assert!(consts.any(|i| i.imm as u32 == 1 << 31));
}

#[test]
fn far_call_is_direct() {
    // auipc ra,0x1; jalr ra,16(ra)
    let b = rv64(&[0x0000_1097, 0x0100_80e7]);
    let info = last(&b);
    assert_eq!(info.kind, ExitKind::DirectCall);
    assert_eq!((info.pc, info.ret_pc), (BASE + 0x1010, BASE + 8));
}

#[test]
fn returns_and_jumps_have_hints() {
    let hint = |code: &[u32]| match last(&rv64(code)).kind {
        ExitKind::Indirect(hint) => hint,
        other => panic!("{other:?}"),
    };
    assert_eq!(hint(&[0x0000_8067]), IndirectHint::Return); // ret
    assert_eq!(hint(&[0x0007_80e7]), IndirectHint::Call); // jalr a5
    assert_eq!(hint(&[0x0007_8067]), IndirectHint::Table); // jr a5
    // auipc t3,0x2; ld t3,0(t3); jalr t1,t3
    let plt = [0x0000_2e17, 0x000e_3e03, 0x000e_0367];
    assert_eq!(hint(&plt), IndirectHint::Jump);
}

#[test]
fn boxed_singles_are_not_looked_at_again() {
    // fadd.s fa0,fa0,fa1; fadd.s fa0,fa0,fa0
    let b = rv64(&[0x00b5_7553, 0x00a5_7553]);
    assert_eq!((count(&b, Op::FAdd), count(&b, Op::Sel)), (2, 2));
}

#[test]
fn rounding_mode_is_part_of_the_mode() {
    // fsrmi 1
    assert!(last(&rv64(&[0x0020_d073])).mode_dynamic);
    // fsrmi 0: as it is
    assert_eq!(last(&rv64(&[0x0020_5073])).kind, ExitKind::Direct);
    // fsrm a0: whatever it is
    assert!(rv64(&[0x0025_1073]).exits[0].mode_dynamic);
}

#[test]
fn extensions_that_are_off_are_illegal() {
    let kind = |cpu: &str, insn: u32| last(&translate_on(cpu, 64, &[insn])).kind;
    let illegal = |insn: u32| ExitKind::Trap {
        code: trap::ILLEGAL,
        info: u64::from(insn),
    };
    let sh1add = 0x20b5_2533;
    assert_eq!(kind("rv64,zba=off", sh1add), illegal(sh1add));
    assert_eq!(kind("rv64", sh1add), ExitKind::Direct);
    // fadd.s with a reserved rounding mode; a vector instruction.
    assert_eq!(kind("max", 0x00b5_5553), illegal(0x00b5_5553));
    assert_eq!(kind("max", 0x0205_0057), illegal(0x0205_0057));
}

#[test]
fn rv32_registers_have_32_bits() {
    // addi a0,a0,1; lw a1,0(a0)
    let b = translate_on("rv32", 32, &[0x0015_0513, 0x0005_2583]);
    assert!(b.insts.iter().all(|i| i.ty != tcg_ir::Ty::I64));
    // addiw is RV64's.
    let b = translate_on("rv32", 32, &[0x0015_051b]);
    assert!(matches!(last(&b).kind, ExitKind::Trap { .. }));
}
