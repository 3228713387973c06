//! Hand-computed results, family by family.

use super::{OpDesc, eval, is_evaluable};
use crate::random::Prng;
use crate::{FpMode, FpNan, Op, Ty};

const INVALID: u32 = 1;
const INPUT_DENORMAL: u32 = 32;

/// A vector operation without floating point on operands of its own type.
fn v(op: Op, ty: Ty, lane: u8, imm: i64, args: [u128; 3]) -> u128 {
    typed(op, ty, lane, imm, [ty; 3], args)
}

/// The same with operands of given types.
fn typed(op: Op, ty: Ty, lane: u8, imm: i64, arg_ty: [Ty; 3], args: [u128; 3]) -> u128 {
    let mut flags = 0;
    let r = eval(op, ty, lane, 0, imm, arg_ty, args, FpMode::IEEE, &mut flags);
    assert_eq!(flags, 0);
    r
}

/// One row: operation, lane, immediate, a, b, expected; all V64.
type Row = (Op, u8, i64, u128, u128, u128);

fn rows(rows: &[Row]) {
    for (op, lane, imm, a, b, want) in rows {
        let got = v(*op, Ty::V64, *lane, *imm, [*a, *b, 0]);
        assert_eq!(
            got, *want,
            "{op:?} lane {lane} imm {imm}: {got:#x}, not {want:#x}"
        );
    }
}

#[test]
fn structure_v64() {
    let (a, b) = (0x0706_0504_0302_0100, 0x1716_1514_1312_1110);
    rows(&[
        (Op::VExt, 0, 3, a, b, 0x1211_1007_0605_0403),
        (Op::VZipLo, 0, 0, a, b, 0x1303_1202_1101_1000),
        (Op::VZipHi, 0, 0, a, b, 0x1707_1606_1505_1404),
        (Op::VZipLo, 1, 0, a, b, 0x1312_0302_1110_0100),
        (Op::VUzpEven, 0, 0, a, b, 0x1614_1210_0604_0200),
        (Op::VUzpOdd, 0, 0, a, b, 0x1715_1311_0705_0301),
        (Op::VTrnEven, 0, 0, a, b, 0x1606_1404_1202_1000),
        (Op::VTrnOdd, 0, 0, a, b, 0x1707_1505_1303_1101),
        (Op::VTrnEven, 2, 0, a, b, 0x1312_1110_0302_0100),
        (Op::VRev, 0, 3, a, 0, 0x0001_0203_0405_0607),
        (Op::VRev, 0, 2, a, 0, 0x0405_0607_0001_0203),
        (Op::VRev, 1, 3, a, 0, 0x0100_0302_0504_0706),
        (Op::VDupLane, 1, 2, a, 0, 0x0504_0504_0504_0504),
        (
            Op::VCnt,
            0,
            0,
            0xff01_0380_0000_7f55,
            0,
            0x0801_0201_0000_0704,
        ),
        (
            Op::VClz,
            1,
            0,
            0x8000_0001_0000_00ff,
            0,
            0x0000_000f_0010_0008,
        ),
        (
            Op::VCls,
            0,
            0,
            0x80ff_0001_7fc0_fe40,
            0,
            0x0007_0706_0001_0600,
        ),
    ]);
}

#[test]
fn structure_between_sizes() {
    let q = 0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100;
    let t = |op, ty, lane, imm, arg_ty, args| typed(op, ty, lane, imm, arg_ty, args);
    let (d2, s2, q1) = (
        [Ty::V64, Ty::V64, Ty::Void],
        [Ty::F32; 3],
        [Ty::V128, Ty::Void, Ty::Void],
    );
    assert_eq!(t(Op::VConcat, Ty::V128, 0, 0, d2, [1, 2, 0]), 2 << 64 | 1);
    assert_eq!(t(Op::VConcat, Ty::V64, 0, 0, s2, [1, 2, 0]), 2 << 32 | 1);
    assert_eq!(t(Op::VHigh, Ty::V64, 0, 0, q1, [q, 0, 0]), q >> 64);
    assert_eq!(t(Op::VHigh, Ty::F32, 0, 0, d2, [q, 0, 0]), 0x0706_0504);
    assert_eq!(t(Op::VGet, Ty::I32, 1, 7, q1, [q, 0, 0]), 0x0f0e);
    assert_eq!(
        t(Op::VDupLane, Ty::V64, 0, 9, q1, [q, 0, 0]),
        0x0909_0909_0909_0909
    );
    let set = [Ty::V64, Ty::I32, Ty::Void];
    assert_eq!(
        t(Op::VSet, Ty::V64, 1, 1, set, [q, 0xabcd_1234, 0]),
        0x0706_0504_1234_0100
    );
    let dup = [Ty::I32, Ty::Void, Ty::Void];
    assert_eq!(
        t(Op::VDup, Ty::V64, 1, 0, dup, [0xabcd_1234, 0, 0]),
        0x1234_1234_1234_1234
    );
    // Indexes 15, 16, 255 and 2: the middle ones keep the bytes of c.
    let table = [Ty::V128, Ty::V64, Ty::V64];
    assert_eq!(
        t(
            Op::VTbl,
            Ty::V64,
            0,
            0,
            table,
            [q, 0x02ff_100f, 0xaabb_ccdd]
        ),
        0x02bb_cc0f
    );
    // A sign-extended lane.
    let r = eval(
        Op::VGet,
        Ty::I64,
        0,
        1,
        0,
        q1,
        [0x80, 0, 0],
        FpMode::IEEE,
        &mut 0,
    );
    assert_eq!(r, 0xffff_ffff_ffff_ff80);
}

#[test]
fn integer_arithmetic_v64() {
    rows(&[
        (Op::VAdd, 0, 0, 0xff80_01ff, 0x0180_0102, 0x0000_0201),
        (Op::VSub, 1, 0, 0x0000_0005, 0x0001_0006, 0xffff_ffff),
        (Op::VMul, 1, 0, 0x0100_ffff, 0x0100_0003, 0x0000_fffd),
        (Op::VPmul, 0, 0, 0x0380, 0x0303, 0x0580),
        (Op::VNeg, 0, 0, 0x8001, 0, 0x80ff),
        (Op::VAbs, 0, 0, 0x80ff_7f00, 0, 0x8001_7f00),
        (Op::VAbdS, 0, 0, 0x807f, 0x7f80, 0xffff),
        (Op::VAbdU, 0, 0, 0x807f, 0x7f80, 0x0101),
        (Op::VMinS, 0, 0, 0x8001, 0x7f02, 0x8001),
        (Op::VMaxU, 0, 0, 0x8001, 0x7f02, 0x8002),
        (Op::VMaxS, 0, 0, 0x8001, 0x7f02, 0x7f02),
        (Op::VMinU, 0, 0, 0x8001, 0x7f02, 0x7f01),
        (Op::VAddAcross, 0, 0, 0x8080_0101_0101_0101, 0, 0x06),
    ]);
}

#[test]
fn comparisons_v64() {
    // Elements: -1 against 1, and 5 against 5, and zeros.
    let (a, b) = (0x0000_0000_ffff_0005, 0x0000_0000_0001_0005);
    rows(&[
        (Op::VCmpEq, 1, 0, a, b, 0xffff_ffff_0000_ffff),
        (Op::VCmpGtS, 1, 0, a, b, 0),
        (Op::VCmpGeS, 1, 0, a, b, 0xffff_ffff_0000_ffff),
        (Op::VCmpGtU, 1, 0, a, b, 0xffff_0000),
        (Op::VCmpGeU, 1, 0, a, b, 0xffff_ffff_ffff_ffff),
        (Op::VTst, 1, 0, a, b, 0xffff_ffff),
    ]);
}

#[test]
fn saturating_and_halving_v64() {
    rows(&[
        (Op::VAddSatS, 0, 0, 0x007f_8001, 0x0001_ff01, 0x007f_8002),
        (Op::VAddSatU, 0, 0, 0xff80, 0x017f, 0xffff),
        (Op::VSubSatS, 0, 0, 0x807f, 0x01ff, 0x807f),
        (Op::VSubSatU, 0, 0, 0x0105, 0x0203, 0x0002),
        (Op::VAddSatS, 3, 0, i64::MAX as u128, 1, i64::MAX as u128),
        (Op::VAddSatU, 3, 0, u64::MAX as u128, 1, u64::MAX as u128),
        (Op::VHaddS, 0, 0, 0x7fff, 0x7ffe, 0x7ffe),
        (Op::VHaddU, 0, 0, 0xff01, 0xff02, 0xff01),
        (Op::VRhaddS, 0, 0, 0xff01, 0xfe02, 0xff02),
        (Op::VRhaddU, 0, 0, 0xff01, 0xfe02, 0xff02),
        (Op::VHsubS, 0, 0, 0x8001, 0x7f02, 0x80ff),
        (Op::VHsubU, 0, 0, 0x0001, 0x0102, 0xffff),
        // 2 * -1 * -1 saturates; 0.5 * 0.5 = 0.25; 1 * 0x4000 * 2 = 0x8000, half an ulp.
        (
            Op::VQdmulh,
            1,
            0,
            0x8000_4000_0001,
            0x8000_4000_4000,
            0x7fff_2000_0000,
        ),
        (
            Op::VQdmulh,
            1,
            1,
            0x8000_4000_0001,
            0x8000_4000_4000,
            0x7fff_2000_0001,
        ),
    ]);
}

#[test]
fn shifts_v64() {
    rows(&[
        (Op::VShlI, 0, 4, 0x0f81, 0, 0xf010),
        (Op::VShrI, 0, 8, 0xff80, 0, 0),
        (Op::VSarI, 0, 8, 0x7f80, 0, 0x00ff),
        (Op::VRshrI, 0, 8, 0x7f80, 0, 0x0001),
        (Op::VRsarI, 0, 8, 0x7f80, 0, 0),
        (Op::VRsarI, 0, 1, 0x03ff, 0, 0x0200),
        (Op::VShrI, 3, 64, u64::MAX as u128, 0, 0),
        (Op::VRshrI, 3, 64, 1 << 63, 0, 1),
        // By register: left 1, right 1, left 8 (all out), right 128.
        (Op::VShlV, 0, 0, 0xff81_81ff, 0x8008_ff01, 0x0000_40fe),
        (Op::VShlV, 0, 1, 0xff81_81ff, 0x8008_ff01, 0xff00_c0fe),
        // Rounding: -127 >> 1 = -63.5 rounds up to -63; -1 >> 128 to 0.
        (Op::VShlV, 0, 3, 0xff81_81ff, 0x8008_ff01, 0x0000_c1fe),
        // Saturating signed, unsigned.
        (Op::VShlV, 0, 5, 0xff81_0140, 0x0008_7f01, 0xff80_7f7f),
        (Op::VShlV, 0, 4, 0x0081_0140, 0x7f08_7f02, 0x00ff_ffff),
        // Which lanes saturated.
        (Op::VShlV, 0, 13, 0xff81_0140, 0x0008_7f01, 0x00ff_ffff),
        // Only the low byte of the amount counts.
        (Op::VShlV, 1, 0, 0x0001, 0xff01, 0x0002),
        (Op::VShlV, 3, 4, 1, 63, 1 << 63),
        (Op::VShlV, 3, 4, 1, 64, u64::MAX as u128),
        (Op::VShlV, 3, 4, u64::MAX as u128, 63, u64::MAX as u128),
        (Op::VShlV, 3, 2, 1 << 63, 0xc0, 1),
    ]);
}

#[test]
fn widening_and_narrowing() {
    let wide = |op, lane, a, b| typed(op, Ty::V128, lane, 0, [Ty::V64; 3], [a, b, 0]);
    assert_eq!(wide(Op::VMullS, 0, 0x80ff, 0x80ff), 0x4000_0001);
    assert_eq!(wide(Op::VMullU, 0, 0x80ff, 0x80ff), 0x4000_fe01);
    assert_eq!(
        wide(Op::VMullU, 2, 0xffff_ffff, 0xffff_ffff),
        0xffff_fffe_0000_0001
    );
    assert_eq!(wide(Op::VPmull, 0, 0x80, 0xff), 0x7f80);
    assert_eq!(wide(Op::VPmull, 3, 1 << 63, 6), 3 << 64);
    assert_eq!(wide(Op::VWidenS, 0, 0x807f, 0), 0xff80_007f);
    assert_eq!(wide(Op::VWidenU, 1, 0x8000_0001, 0), 0x0000_8000_0000_0001);
    assert_eq!(
        wide(Op::VQdmull, 1, 0x8000_0003, 0x8000_0005),
        0x7fff_ffff_0000_001e
    );
    let narrow = |op, a| typed(op, Ty::V64, 0, 0, [Ty::V128; 3], [a, 0, 0]);
    // 0x8000, 0x0100, 0xff80, 0x007f
    let a = 0x8000_0100_ff80_007f;
    assert_eq!(narrow(Op::VNarrow, a), 0x0000_807f);
    assert_eq!(narrow(Op::VNarrowSatS, a), 0x807f_807f);
    assert_eq!(narrow(Op::VNarrowSatU, a), 0xffff_ff7f);
    assert_eq!(narrow(Op::VNarrowSatSU, a), 0x00ff_007f);
}

#[test]
fn pairwise_v64() {
    let (a, b) = (0x0004_0003_0002_0001, 0xffff_0001_8000_7fff);
    rows(&[
        (Op::VPadd, 1, 0, a, b, 0x0000_ffff_0007_0003),
        (Op::VPminS, 1, 0, a, b, 0xffff_8000_0003_0001),
        (Op::VPmaxS, 1, 0, a, b, 0x0001_7fff_0004_0002),
        (Op::VPminU, 1, 0, a, b, 0x0001_7fff_0003_0001),
        (Op::VPmaxU, 1, 0, a, b, 0xffff_8000_0004_0002),
        (Op::VPaddlS, 1, 0, b, 0, 0x0000_0000_ffff_ffff),
        (Op::VPaddlU, 1, 0, b, 0, 0x0001_0000_0000_ffff),
    ]);
}

#[test]
fn integers_corner_cases() {
    let i = |op, imm, a, b| typed(op, Ty::I32, 0, imm, [Ty::I32; 3], [a, b, 1]);
    assert_eq!(i(Op::DivS, 0, 0x8000_0000, 0xffff_ffff), 0x8000_0000);
    assert_eq!(i(Op::DivS, 0, 0xffff_fff9, 2), 0xffff_fffd);
    assert_eq!(i(Op::DivU, 0, 7, 0), 0);
    assert_eq!(i(Op::Sbc, 0, 5, 3), 2);
    assert_eq!(i(Op::MulHiS, 0, 0x8000_0000, 2), 0xffff_ffff);
    assert_eq!(i(Op::MulHiU, 0, 0x8000_0000, 2), 1);
    assert_eq!(i(Op::Shl, 0, 1, 33), 2);
    assert_eq!(i(Op::ShlSat, 0, 1, 33), 0);
    assert_eq!(i(Op::SarSat, 0, 0x8000_0000, 0xffff_ffff), 0xffff_ffff);
    assert_eq!(i(Op::Rotr, 0, 0x1234_5678, 8), 0x7812_3456);
    assert_eq!(i(Op::Clz, 0, 0, 0), 32);
    assert_eq!(i(Op::Ctz, 0, 0, 0), 32);
    assert_eq!(i(Op::Bswap, 0, 0x1234_5678, 0), 0x7856_3412);
    assert_eq!(i(Op::Bswap16, 0, 0x1234_5678, 0), 0x3412_7856);
    assert_eq!(i(Op::Rbit, 0, 1, 0), 0x8000_0000);
    assert_eq!(i(Op::ExtractS, 4 << 8 | 4, 0x80, 0), 0xffff_fff8);
    assert_eq!(i(Op::Deposit, 8 << 8 | 4, 0xffff_ffff, 0,), 0xffff_f00f);
}

#[test]
fn condition_codes_are_arm_s() {
    let cc = |op, a, b, c| typed(op, Ty::Cc, 0, 0, [Ty::I32; 3], [a, b, c]);
    assert_eq!(cc(Op::CcSub, 5, 5, 0), 0b0110);
    assert_eq!(cc(Op::CcSub, 0, 1, 0), 0b1000);
    assert_eq!(cc(Op::CcSub, 0x8000_0000, 1, 0), 0b0011);
    assert_eq!(cc(Op::CcAdd, 0x7fff_ffff, 1, 0), 0b1001);
    assert_eq!(cc(Op::CcAdd, 0xffff_ffff, 1, 0), 0b0110);
    assert_eq!(cc(Op::CcAdc, 0xffff_ffff, 0, 1), 0b0110);
    assert_eq!(cc(Op::CcSbc, 5, 5, 0), 0b1000);
    assert_eq!(cc(Op::CcLogic, 0x8000_0000, 0, 0), 0b1000);
}

/// A floating-point operation in a regime: result and flags.
fn fp(
    op: Op,
    ty: Ty,
    lane: u8,
    imm: i64,
    arg_ty: Ty,
    args: [u128; 3],
    mode: FpMode,
) -> (u128, u32) {
    let mut flags = 0;
    let r = eval(op, ty, lane, 0, imm, [arg_ty; 3], args, mode, &mut flags);
    (r, flags)
}

#[test]
fn floating_point_follows_the_regime() {
    const ONE: u128 = 0x3f80_0000;
    const SNAN: u128 = 0x7f80_0001;
    let (normal, standard) = (FpMode::IEEE, FpMode::FLUSHING);
    let s = |op, a, b, mode| fp(op, Ty::F32, 0, 0, Ty::F32, [a, b, 0], mode);
    assert_eq!(s(Op::FAdd, ONE, ONE, normal), (0x4000_0000, 0));
    assert_eq!(s(Op::FAdd, ONE, SNAN, normal), (0x7fc0_0001, INVALID));
    assert_eq!(s(Op::FAdd, ONE, SNAN, standard), (0x7fc0_0000, INVALID));
    assert_eq!(s(Op::FAdd, ONE, 1, standard), (ONE, INPUT_DENORMAL));
    assert_eq!(s(Op::FMin, 0, 0x8000_0000, normal), (0x8000_0000, 0));
    assert_eq!(s(Op::FMinNum, ONE, 0x7fc0_0000, normal), (ONE, 0));
    assert_eq!(s(Op::FMin, ONE, 0x7fc0_0000, normal), (0x7fc0_0000, 0));
    let inf_minus_inf = |mode| s(Op::FSub, 0x7f80_0000, 0x7f80_0000, mode);
    assert_eq!(inf_minus_inf(normal), (0x7fc0_0000, INVALID));
    let sse = FpMode {
        nan: FpNan::First,
        ..normal
    };
    assert_eq!(inf_minus_inf(sse), (0xffc0_0000, INVALID));
    // Arm prefers the signalling NaN, SSE the first.
    assert_eq!(
        s(Op::FAdd, 0x7fc0_0002, SNAN, normal),
        (0x7fc0_0001, INVALID)
    );
    assert_eq!(s(Op::FAdd, 0x7fc0_0002, SNAN, sse), (0x7fc0_0002, INVALID));
    let cmp = |lane, b| fp(Op::CcFcmp, Ty::Cc, lane, 0, Ty::F32, [ONE, b, 0], normal);
    assert_eq!(cmp(0, ONE), (0b0110, 0));
    assert_eq!(cmp(0, 0x4000_0000), (0b1000, 0));
    assert_eq!(cmp(0, 0), (0b0010, 0));
    assert_eq!(cmp(0, 0x7fc0_0000), (0b0011, 0));
    assert_eq!(cmp(1, 0x7fc0_0000), (0b0011, INVALID));
}

#[test]
fn conversions_and_vectors_of_floats() {
    let mode = FpMode::IEEE;
    // 2.5 to nearest, up, towards zero; fixed point with one fraction bit; -1 to unsigned.
    let to_i = |lane, imm: i64, a| {
        fp(
            Op::FToI,
            Ty::I32,
            lane,
            imm | 32i64 << 16,
            Ty::F32,
            [a, 0, 0],
            mode,
        )
    };
    assert_eq!(to_i(0, 0x100, 0x4020_0000), (2, 16));
    assert_eq!(to_i(1, 0x100, 0x4020_0000), (3, 16));
    assert_eq!(to_i(3, 0x101, 0x4020_0000), (5, 0));
    assert_eq!(to_i(3, 0, 0xbf80_0000), (0, INVALID));
    assert_eq!(to_i(3, 0x100, 0x7fc0_0000), (0, INVALID));
    let from_i = |imm, a| fp(Op::FFromI, Ty::F32, 5, imm, Ty::I32, [a, 0, 0], mode);
    assert_eq!(from_i(0x100, 0xffff_ffff), (0xbf80_0000, 0));
    assert_eq!(from_i(0x001, 1), (0x3f00_0000, 0));
    // The rounding mode of the vector forms is in the immediate: 2.5 towards zero and up.
    let two_and_half = 0x4020_0000_4020_0000;
    let vec = |op, imm, a, b| fp(op, Ty::V64, 2, imm, Ty::V64, [a, b, 0], mode);
    assert_eq!(
        vec(Op::VFToI, 3 << 12 | 0x100, two_and_half, 0),
        (0x2_0000_0002, 16)
    );
    assert_eq!(
        vec(Op::VFRound, 1 << 12, two_and_half, 0),
        (0x4040_0000_4040_0000, 0)
    );
    assert_eq!(vec(Op::VFRound, 1 << 12 | 1, two_and_half, 0).1, 16);
    // (2, 1) pairwise with (4, 3).
    let (a, b) = (0x4000_0000_3f80_0000, 0x4080_0000_4040_0000);
    assert_eq!(vec(Op::VFPadd, 0, a, b).0, 0x40e0_0000_4040_0000);
    assert_eq!(vec(Op::VFPmin, 0, a, b).0, 0x4040_0000_3f80_0000);
    assert_eq!(vec(Op::VFAbd, 0, a, b).0, 0x4000_0000_4000_0000);
    assert_eq!(vec(Op::VFCmpGt, 0, b, a).0, u128::from(u64::MAX));
    assert_eq!(vec(Op::VFCmpGe, 0, a, a).0, u128::from(u64::MAX));
    assert_eq!(vec(Op::VFCmpEq, 0, a, b).0, 0);
    // 2 - 1 * 2 and 2 - 2 * 0.5; (3 - 1 * 1) / 2.
    assert_eq!(
        vec(Op::VFRecps, 0, a, 0x3f00_0000_4000_0000).0,
        0x3f80_0000_0000_0000
    );
    assert_eq!(
        vec(Op::VFRsqrts, 0, 0x3f80_0000, 0x3f80_0000).0,
        0x3fc0_0000_3f80_0000
    );
    let half = fp(
        Op::VFFromHalf,
        Ty::V128,
        1,
        0,
        Ty::V64,
        [0xc000_3c00, 0, 0],
        mode,
    );
    assert_eq!(half, (0xc000_0000_3f80_0000, 0));
    let back = fp(Op::VFToHalf, Ty::V64, 1, 0, Ty::V128, [half.0, 0, 0], mode);
    assert_eq!(back, (0xc000_3c00, 0));
}

/// Every operation on every type, with senseless parameters: a value in range, and the same through packing.
#[test]
fn every_operation_random_parameters_is_total_and_packs() {
    let mut rng = Prng::new(3);
    for op in Op::ALL {
        for _ in 0..600 {
            let mut ty = || Ty::ALL[rng.below(8) as usize];
            let (ty, arg_ty) = (ty(), [ty(), ty(), ty()]);
            let fp = if rng.one_in(2) {
                FpMode::FLUSHING
            } else {
                FpMode {
                    nan: FpNan::First,
                    ..FpMode::IEEE
                }
            };
            let desc = OpDesc {
                op: *op,
                ty,
                lane: if rng.one_in(2) {
                    rng.below(6) as u8
                } else {
                    rng.bits() as u8
                },
                aux: rng.bits() as u8,
                imm: rng.value() as i64,
                arg_ty,
                fp,
            };
            let args = [rng.value(), rng.value(), rng.value()];
            let mut flags = 0;
            let result = desc.run(args, &mut flags);
            assert_eq!(
                super::lanes::low(result, super::bits(ty)),
                result,
                "{desc:?}"
            );
            assert!(is_evaluable(*op) || result == 0, "{desc:?}");
            assert_eq!(OpDesc::unpack(desc.pack()), Some(desc));
        }
    }
    assert_eq!(OpDesc::unpack([u64::MAX, 0]), None);
}
