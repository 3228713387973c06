//! Any bit pattern, in the widest format with its refused encodings, under any
//! rule: no panic, no overflow, and NaN results are quiet.

use tcg_softfloat::{FloatStatus, Round, X87Precision, f80};

#[test]
fn f80_any_bits_never_panics() {
    let mut seed = 7u64;
    let mut next = || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u128::from(seed >> 32)
    };
    for i in 0..20_000 {
        let mut operand = || {
            let raw = next() << 48 ^ next() << 20 ^ next();
            match next() % 4 {
                0 => raw | 0x7fff << 64,
                1 => raw & !(0x7fff << 64),
                _ => raw,
            }
        };
        let (a, b) = (operand() & (u128::MAX >> 48), operand() & (u128::MAX >> 48));
        let mut st = FloatStatus::x87(Round::Up, X87Precision::Double);
        for r in [
            f80::add(a, b, &mut st),
            f80::div(a, b, &mut st),
            f80::sqrt(a, &mut st),
            f80::scalb(a, i32::MIN + i, &mut st),
            f80::round_to_int(a, Round::Up, true, &mut st),
        ] {
            let nan = r >> 64 & 0x7fff == 0x7fff && r << 65 != 0;
            assert!(!nan || r >> 62 & 3 == 3, "{a:#x} {b:#x} gave {r:#x}");
        }
    }
}
