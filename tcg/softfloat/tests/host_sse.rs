//! The x86 status against this machine's SSE unit: results, flags, NaNs,
//! FTZ and DAZ, on special values in all combinations and random ones.
#![cfg(target_arch = "x86_64")]

use std::arch::asm;
use tcg_softfloat::{Flags, FloatStatus, IntRule, IntType, MinMax, Ordering, Round, f32, f64};

const ROUNDS: [(Round, u32); 4] = [
    (Round::NearestEven, 0),
    (Round::Down, 1),
    (Round::Up, 2),
    (Round::TowardZero, 3),
];

/// MXCSR's flag bits in our order.
fn host_flags(mxcsr: u32) -> Flags {
    let mut flags = Flags::empty();
    for (bit, flag) in [
        (0, Flags::INVALID),
        (1, Flags::INPUT_DENORMAL),
        (2, Flags::DIV_BY_ZERO),
        (3, Flags::OVERFLOW),
        (4, Flags::UNDERFLOW),
        (5, Flags::INEXACT),
    ] {
        if mxcsr >> bit & 1 != 0 {
            flags |= flag;
        }
    }
    flags
}

/// Runs one instruction under an MXCSR: x is operand and result.
macro_rules! sse {
    ($load:literal, $store:literal, $reg:literal, $insn:expr, $x:expr, $y:expr, $z:expr, $mode:expr) => {{
        let (mut x, y, z, mut csr, mut old) = ($x, $y, $z, 0x1f80u32 | $mode, 0u32);
        // SAFETY: only the named registers and MXCSR change, and MXCSR is
        // restored before the block ends.
        unsafe {
            asm!(
                "stmxcsr [{old}]", "ldmxcsr [{csr}]",
                concat!($load, " xmm0, ", $reg), concat!($load, " xmm1, {y", $store, "}"),
                concat!($load, " xmm2, {z", $store, "}"),
                $insn,
                concat!($load, " ", $reg, ", xmm0"),
                "stmxcsr [{csr}]", "ldmxcsr [{old}]",
                old = in(reg) &mut old, csr = in(reg) &mut csr, y = in(reg) y, z = in(reg) z,
                inout("rax") x, out("xmm0") _, out("xmm1") _, out("xmm2") _,
            );
        }
        (x, host_flags(csr))
    }};
}

fn f32_values() -> Vec<u64> {
    let positive = [
        0u32,
        1,
        2,
        0x3f_ffff,
        0x40_0000,
        0x7f_ffff,
        0x80_0000,
        0x80_0001,
        0xff_ffff,
        0x3f00_0000,
        0x3f7f_ffff,
        0x3f80_0000,
        0x3f80_0001,
        0x3fc0_0000,
        0x4040_0000,
        0x4f00_0000,
        0x5f00_0000,
        0x4eff_ffff,
        0x7f00_0000,
        0x7f7f_ffff,
        0x7f80_0000,
        0x7f80_0001,
        0x7fa0_0000,
        0x7fc0_0000,
        0x7fc0_0123,
        0x2000_0000,
        0x1f80_0000,
    ];
    positive
        .iter()
        .flat_map(|&v| [u64::from(v), u64::from(v | 1 << 31)])
        .collect()
}

fn f64_values() -> Vec<u64> {
    let positive = [
        0u64,
        1,
        2,
        0xf_ffff_ffff_ffff,
        0x8_0000_0000_0000,
        0x10_0000_0000_0000,
        0x10_0000_0000_0001,
        0x1f_ffff_ffff_ffff,
        0x3fe0_0000_0000_0000,
        0x3fef_ffff_ffff_ffff,
        0x3ff0_0000_0000_0000,
        0x3ff0_0000_0000_0001,
        0x3ff8_0000_0000_0000,
        0x41e0_0000_0000_0000,
        0x41df_ffff_ffff_ffff,
        0x43e0_0000_0000_0000,
        0x7fe0_0000_0000_0000,
        0x7fef_ffff_ffff_ffff,
        0x7ff0_0000_0000_0000,
        0x7ff0_0000_0000_0001,
        0x7ff4_0000_0000_0000,
        0x7ff8_0000_0000_0000,
        0x7ff8_0000_0000_0123,
        0x36a0_0000_0000_0000,
        0x3810_0000_0000_0000,
        0x47ef_ffff_ffff_ffff,
        0x380f_ffff_f000_0000,
    ];
    positive.iter().flat_map(|&v| [v, v | 1 << 63]).collect()
}

struct Rng(u64);
impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

fn order(o: Ordering) -> u64 {
    // The parity, zero and carry flags COMIS leaves: ZF 0x40, PF 4, CF 1.
    match o {
        Ordering::Less => 1,
        Ordering::Equal => 0x40,
        Ordering::Greater => 0,
        Ordering::Unordered => 0x45,
    }
}

macro_rules! host {
    ($test:ident, $m:ident, $t:ty, $values:ident, $load:literal, $sub:literal, $reg:literal, $s:literal, $cvt:literal, $conv:ident) => {
        #[test]
        fn $test() {
            let specials = $values();
            let mut rng = Rng(0xdead_beef_1234_5679);
            let n = specials.len() as u64;
            let has_fma = std::is_x86_feature_detected!("fma");
            for i in 0..n * n * 3 + 60_000 {
                let pick = |r: u64| specials[(r % n) as usize];
                let (a, b, c) = if i < n * n * 3 {
                    (pick(i / n), pick(i), pick(rng.next()))
                } else {
                    let sign = 1u64 << (<$t>::BITS - 1);
                    let near = rng.next() >> (64 - <$t>::BITS);
                    let other =
                        (near ^ (rng.next() >> (64 - <$t>::BITS + 6))) ^ (sign & rng.next());
                    (near, other, rng.next() >> (64 - <$t>::BITS))
                };
                for (k, (round, rc)) in ROUNDS.into_iter().enumerate() {
                    let (ftz, daz) = ((i as usize + k) & 1 != 0, (i as usize + k) & 2 != 0);
                    let mode = rc << 13 | u32::from(ftz) << 15 | u32::from(daz) << 6;
                    let fresh = FloatStatus::x86_sse(round, ftz, daz);
                    let (ra, rb, rc) = (a as $t, b as $t, c as $t);
                    let check =
                        |name: &str, host: (u64, Flags), op: &dyn Fn(&mut FloatStatus) -> u64| {
                            let mut st = fresh;
                            let got = op(&mut st);
                            // A denormal operand's flag is checked where it is not
                            // hidden by a graver exception.
                            let graver = Flags::INVALID | Flags::DIV_BY_ZERO;
                            let hide = if host.1.intersects(graver) {
                                Flags::INPUT_DENORMAL
                            } else {
                                Flags::empty()
                            };
                            assert_eq!(
                                (got, st.flags - hide),
                                (host.0, host.1 - hide),
                                "{name} {a:#x} {b:#x} {c:#x} {fresh:?}: got {got:#x} want {:#x}",
                                host.0
                            );
                        };
                    macro_rules! run {
                        ($name:literal, $insn:expr, $op:expr) => {
                            check($name, sse!($load, $sub, $reg, $insn, a, b, c, mode), &$op)
                        };
                    }
                    run!(
                        "add",
                        concat!("adds", $s, " xmm0, xmm1"),
                        |s: &mut FloatStatus| u64::from($m::add(ra, rb, s))
                    );
                    run!(
                        "sub",
                        concat!("subs", $s, " xmm0, xmm1"),
                        |s: &mut FloatStatus| u64::from($m::sub(ra, rb, s))
                    );
                    run!(
                        "mul",
                        concat!("muls", $s, " xmm0, xmm1"),
                        |s: &mut FloatStatus| u64::from($m::mul(ra, rb, s))
                    );
                    run!(
                        "div",
                        concat!("divs", $s, " xmm0, xmm1"),
                        |s: &mut FloatStatus| u64::from($m::div(ra, rb, s))
                    );
                    run!(
                        "sqrt",
                        concat!("sqrts", $s, " xmm0, xmm0"),
                        |s: &mut FloatStatus| u64::from($m::sqrt(ra, s))
                    );
                    run!(
                        "min",
                        concat!("mins", $s, " xmm0, xmm1"),
                        |s: &mut FloatStatus| u64::from($m::min(ra, rb, MinMax::X86, s))
                    );
                    run!(
                        "max",
                        concat!("maxs", $s, " xmm0, xmm1"),
                        |s: &mut FloatStatus| u64::from($m::max(ra, rb, MinMax::X86, s))
                    );
                    if has_fma {
                        run!(
                            "fma",
                            concat!("vfmadd213s", $s, " xmm0, xmm1, xmm2"),
                            |s: &mut FloatStatus| u64::from($m::mul_add(rb, ra, rc, s))
                        );
                    }
                    run!(
                        "ucomi",
                        concat!(
                            "ucomis",
                            $s,
                            " xmm0, xmm1\nlahf\nmovzx eax, ah\nand eax, 0x45\nmovq xmm0, rax"
                        ),
                        |s: &mut FloatStatus| order($m::compare_quiet(ra, rb, s))
                    );
                    run!(
                        "comi",
                        concat!(
                            "comis",
                            $s,
                            " xmm0, xmm1\nlahf\nmovzx eax, ah\nand eax, 0x45\nmovq xmm0, rax"
                        ),
                        |s: &mut FloatStatus| order($m::compare_signaling(ra, rb, s))
                    );
                    run!(
                        "to_i32",
                        concat!("cvts", $s, "2si eax, xmm0\nmovd xmm0, eax"),
                        |s: &mut FloatStatus| {
                            let v =
                                $m::to_int(ra, IntType::I32, 0, round, IntRule::X86Indefinite, s)
                                    as u32;
                            // A 32-bit result is seen through a register of this format.
                            u64::from(v)
                        }
                    );
                    if <$t>::BITS == 64 {
                        run!(
                            "to_i64",
                            concat!("cvts", $s, "2si rax, xmm0\nmovq xmm0, rax"),
                            |s: &mut FloatStatus| {
                                $m::to_int(ra, IntType::I64, 0, round, IntRule::X86Indefinite, s)
                            }
                        );
                        run!(
                            "to_f32",
                            concat!("cvts", $s, "2ss xmm0, xmm0\nmovd eax, xmm0\nmovq xmm0, rax"),
                            |s: &mut FloatStatus| { u64::from(f64::to_f32(a, s)) }
                        );
                    }
                    run!(
                        "from_i64",
                        concat!("cvtsi2s", $s, " xmm0, {y}"),
                        |s: &mut FloatStatus| u64::from($m::from_i64(b as i64, 0, s))
                    );
                    run!(
                        "rint",
                        concat!("rounds", $s, " xmm0, xmm0, 4"),
                        |s: &mut FloatStatus| { u64::from($m::round_to_int(ra, round, true, s)) }
                    );
                }
            }
        }
    };
}
host!(
    f32_matches_sse,
    f32,
    u32,
    f32_values,
    "movd",
    ":e",
    "eax",
    "s",
    "d",
    to_f64
);
host!(
    f64_matches_sse,
    f64,
    u64,
    f64_values,
    "movq",
    "",
    "rax",
    "d",
    "s",
    to_f32
);
