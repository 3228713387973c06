//! The shape of translated blocks. What the instructions compute is compared with another emulator by
//! `tests/diff`.

use tcg_decode::rt::{RowInfo, random_insn};
use tcg_ir::{Block, ExitKind, IndirectHint, Op};
use tcg_mem::{Access, FaultKind, GuestVa, MemFault};
use tcg_target::{BlockLimits, TranslateCtx};

use crate::decode;
use crate::features::MODELS;
use crate::trap;

const BASE: u64 = 0x1_0000;

/// Translates code at `BASE`; behind it nothing is mapped.
fn translate_in(mode: u32, code: &[u32]) -> Block {
    let bytes: Vec<u8> = code.iter().flat_map(|w| w.to_le_bytes()).collect();
    let mut fetch = |va: GuestVa, buf: &mut [u8]| {
        let at = va.0.checked_sub(BASE).map_or(usize::MAX, |at| at as usize);
        let rest = bytes.get(at..).unwrap_or(&[]);
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
    super::translate(&MODELS[0], BASE, mode, &mut ctx).expect("the first instruction is mapped")
}

fn translate(code: &[u32]) -> Block {
    translate_in(0, code)
}

fn count(block: &Block, op: Op) -> usize {
    block.insts.iter().filter(|i| i.op == op).count()
}

#[test]
fn compare_and_branch_fuse_into_one_test() {
    // cmp x0, x1; b.gt BASE
    let b = translate(&[0xeb01_001f, 0x54ff_ffec]);
    let begin = b.insts.iter().find(|i| i.op == Op::CondBegin);
    let cond = begin.map(|i| b.def(i.args[0]).op);
    assert_eq!(cond, Some(Op::CcTest));
}

#[test]
fn conditional_compare_makes_one_comparison_more() {
    // cmp x0, #0; ccmp x1, x2, #0, ne; b.eq BASE
    let b = translate(&[0xf100_001f, 0xfa42_1020, 0x54ff_ffc0]);
    assert_eq!(count(&b, Op::CcSub), 2);
    assert_eq!(count(&b, Op::Sel), 2);
}

#[test]
fn return_and_call_have_their_hints() {
    let hint = |code: u32| translate(&[code]).exits.last().map(|e| e.kind);
    let indirect = |h| Some(ExitKind::Indirect(h));
    assert_eq!(hint(0xd65f_03c0), indirect(IndirectHint::Return)); // ret
    assert_eq!(hint(0xd63f_0000), indirect(IndirectHint::Call)); // blr x0
    assert_eq!(hint(0xd61f_0220), indirect(IndirectHint::Jump)); // br x17
    assert_eq!(hint(0x9400_0001), Some(ExitKind::DirectCall)); // bl
}

#[test]
fn tags_are_masked_in_their_mode_only() {
    // ldr x1, [x0]; ldr x1, [x0, x2]
    for load in [[0xf940_0001], [0xf862_6801]] {
        assert_eq!(count(&translate(&load), Op::Sar), 0);
        let mode = crate::Mode(0).with_tags_ignored();
        assert_eq!(count(&translate_in(mode.0, &load), Op::Sar), 1);
    }
}

#[test]
fn absent_extensions_are_undefined() {
    // SVE add, SME start, MTE irg, MOPS cpyfp.
    for code in [0x0420_0000, 0xd503_477f, 0x9ac0_1000, 0x1901_0440] {
        let b = translate(&[code]);
        let kind = b.exits.last().map(|e| e.kind);
        let info = u64::from(code);
        let code = trap::UNDEFINED;
        assert_eq!(kind, Some(ExitKind::Trap { code, info }), "{info:#x}");
    }
}

/// Every row gives a block that keeps the IR's rules, in all modes.
#[test]
fn every_row_makes_a_sound_block() {
    let tables: [&'static [RowInfo]; 7] = [
        &decode::dpimm::ROWS,
        &decode::branch::ROWS,
        &decode::ldst::ROWS,
        &decode::dpreg::ROWS,
        &decode::fp::ROWS,
        &decode::simd::ROWS,
        &decode::simdscalar::ROWS,
    ];
    let mut seed = 0x1234_5678_9abc_def1u64;
    let mut rng = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    for row in tables.into_iter().flatten() {
        for k in 0..8 {
            let insn = random_insn(row, &mut rng, &[], &|_| true);
            let insn = insn.unwrap_or_else(|| panic!("{} cannot be filled", row.name));
            let mode = [0, 0x3f, 0x100, 0x200][k % 4];
            let b = translate_in(mode, &[insn as u32]);
            let verdict = tcg_ir::verify(&b, &crate::state::LAYOUT, crate::helper::HELPERS);
            assert!(verdict.is_ok(), "{} {insn:#x}: {verdict:?}", row.name);
        }
    }
}
