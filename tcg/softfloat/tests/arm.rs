//! Arm's own rules: flushing, NaN order, estimates, FJCVTZS. Expected values
//! follow from the manual's pseudocode.

use tcg_softfloat::{
    F32, F64, Flags, FloatStatus, MinMax, Round, arm, f16, f32 as sf32, f64 as sf64,
};

fn ieee() -> FloatStatus {
    FloatStatus::arm_vfp(Round::NearestEven, false, false)
}

const QNAN: u32 = 0x7fc0_0123;
const SNAN: u32 = 0x7f80_0001;
const INF: u32 = 0x7f80_0000;
const ONE: u32 = 0x3f80_0000;

#[test]
fn flushed_output_raises_underflow_only() {
    let mut st = FloatStatus::arm_neon_standard();
    // The smallest normal times 1 - 2^-24 rounds up to it, but is tiny before.
    assert_eq!(sf32::mul(0x0080_0000, 0x3f7f_ffff, &mut st), 0);
    assert_eq!(st.take_flags(), Flags::UNDERFLOW);
    assert_eq!(sf32::add(0x8000_0001, 0x8000_0000, &mut st), 0x8000_0000);
    assert_eq!(st.take_flags(), Flags::INPUT_DENORMAL);
}

#[test]
fn half_flushes_by_its_own_bit_and_silently() {
    let mut st = FloatStatus::arm_neon_standard();
    assert_eq!(f16::add(1, 1, &mut st), 2);
    let mut st = st.with_arm_half(true, false);
    assert_eq!(f16::add(1, 1, &mut st), 0);
    assert_eq!(f16::to_f32(1, &mut st), 0x3380_0000);
    assert_eq!(st.flags, Flags::empty());
}

#[test]
fn nan_order_signalling_first_addend_first() {
    let mut st = ieee();
    assert_eq!(sf32::add(QNAN, SNAN, &mut st), 0x7fc0_0001);
    assert_eq!(st.take_flags(), Flags::INVALID);
    assert_eq!(sf32::mul_add(QNAN, ONE, 0x7fc0_0456, &mut st), 0x7fc0_0456);
    assert_eq!(st.take_flags(), Flags::empty());
    assert_eq!(sf32::mul_add(INF, 0, QNAN, &mut st), 0x7fc0_0000);
    assert_eq!(st.take_flags(), Flags::INVALID);
    assert_eq!(sf32::min(QNAN, ONE, MinMax::Number2008, &mut st), ONE);
    assert_eq!(sf32::min(QNAN, ONE, MinMax::Propagate, &mut st), QNAN);
    assert_eq!(sf32::min(SNAN, ONE, MinMax::Number2019, &mut st), ONE);
}

#[test]
fn alternative_half_has_no_infinities() {
    let mut st = ieee().with_arm_half(false, true);
    assert_eq!(sf32::to_f16(INF, &mut st), 0x7fff);
    assert_eq!(st.take_flags(), Flags::INVALID);
    assert_eq!(sf32::to_f16(0xffc0_0000, &mut st), 0x8000);
    assert_eq!(st.take_flags(), Flags::INVALID);
    assert_eq!(f16::to_f32(0x7fff, &mut st), 131_008f32.to_bits());
    assert_eq!(sf32::to_f16(131_008f32.to_bits(), &mut st), 0x7fff);
    assert_eq!(st.take_flags(), Flags::empty());
}

#[test]
fn estimates_are_good_to_eight_bits() {
    for i in 0..2000u64 {
        let x = 1.0 + i as f64 / 500.0;
        let mut st = ieee();
        let r = f64::from_bits(arm::recip_estimate::<F64>(x.to_bits(), &mut st));
        assert!((r * x - 1.0).abs() < 1.0 / 256.0, "{x} {r}");
        let r = f64::from_bits(arm::recip_sqrt_estimate::<F64>(x.to_bits(), &mut st));
        assert!((r * r * x - 1.0).abs() < 1.0 / 128.0, "{x} {r}");
        assert_eq!(st.flags, Flags::empty());
    }
    let mut st = ieee();
    assert_eq!(arm::recip_estimate::<F32>(ONE, &mut st), 0x3f7f_8000);
    assert_eq!(arm::urecpe(0x8000_0000), 0xff80_0000);
    assert_eq!(arm::ursqrte(0x3fff_ffff), u32::MAX);
    assert_eq!(arm::recip_estimate::<F32>(0, &mut st), INF);
    assert_eq!(st.take_flags(), Flags::DIV_BY_ZERO);
    assert_eq!(arm::mulx::<F32>(0x8000_0000, INF, &mut st), 0xc000_0000);
    assert_eq!(arm::recip_step::<F32>(0, INF, &mut st), 0x4000_0000);
    assert_eq!(arm::rsqrt_step_fused::<F32>(0, INF, &mut st), 0x3fc0_0000);
    assert_eq!(st.flags, Flags::empty());
}

#[test]
fn fjcvtzs_wraps_modulo_2_32() {
    let mut st = ieee();
    let mut run = |x: f64| (arm::fjcvtzs(x.to_bits(), &mut st), st.take_flags());
    assert_eq!(run(5.0), ((5, true), Flags::empty()));
    assert_eq!(run(-1.5), ((u32::MAX, false), Flags::INEXACT));
    assert_eq!(run(4_294_967_301.0), ((5, false), Flags::INVALID));
    assert_eq!(run(-2_147_483_648.0), ((1 << 31, true), Flags::empty()));
    assert_eq!(run(-0.0), ((0, false), Flags::empty()));
    assert_eq!(run(1e300), ((0, false), Flags::INVALID));
}

#[test]
fn integers_saturate() {
    let mut st = ieee();
    assert_eq!(
        sf64::to_i32(f64::NAN.to_bits(), Round::TowardZero, &mut st),
        0
    );
    assert_eq!(
        sf64::to_u32((-1.0f64).to_bits(), Round::TowardZero, &mut st),
        0
    );
    assert_eq!(
        sf64::to_i64(1e30f64.to_bits(), Round::TowardZero, &mut st),
        i64::MAX
    );
    assert_eq!(st.flags, Flags::INVALID);
}
