//! Operands of floating-point and vector instructions. [ARMv8 C7.2]

use super::{name, reg};
use crate::decode;

const LANES: [&str; 8] = ["8b", "16b", "4h", "8h", "2s", "4s", "1d", "2d"];
const LETTERS: [&str; 4] = ["b", "h", "s", "d"];

/// `v0.4s`.
fn vec(size: u64, quad: u64, n: u64) -> String {
    format!("v{n}.{}", name(&LANES, size << 1 | quad))
}

/// `s0`.
fn scalar(size: u64, n: u64) -> String {
    format!("{}{n}", name(&["b", "h", "s", "d", "q"], size))
}

/// Lane size from immh:immb.
const fn shift_size(hb: u64) -> u64 {
    match hb {
        64.. => 3,
        32.. => 2,
        16.. => 1,
        _ => 0,
    }
}

const fn right(hb: u64) -> u64 {
    (16 << shift_size(hb)) - hb
}

const fn left(hb: u64) -> u64 {
    hb.saturating_sub(8 << shift_size(hb))
}

/// An immediate of FMOV as objdump prints it.
fn float_constant(imm8: u64) -> String {
    let value = f64::from_bits(decode::fp_imm(3, imm8 as u32));
    format!("{value:.18e}")
        .replace("e0", "e+00")
        .replace("e1", "e+01")
        .replace("e-1", "e-01")
        .replace("e-2", "e-02")
        .replace("e-3", "e-03")
}

/// Number and index of the element operand.
fn element(size: u64, h: u64, l: u64, m: u64, n: u64) -> String {
    let (register, index) = match size {
        1 => (n, h << 2 | l << 1 | m),
        2 => (m << 4 | n, h << 1 | l),
        _ => (m << 4 | n, h),
    };
    format!("v{register}.{}[{index}]", name(&LETTERS, size))
}

/// A modified immediate with its instruction's name.
fn modified(q: u64, op: u64, cmode: u64, imm8: u64, d: u64) -> String {
    let shifted = |amount: u64| match amount {
        0 => String::new(),
        k => format!(", lsl #{k}"),
    };
    match cmode {
        15 if op == 0 => format!("fmov {}, #{}", vec(2, q, d), float_constant(imm8)),
        15 => format!("fmov {}, #{}", vec(3, 1, d), float_constant(imm8)),
        14 if op == 0 => format!("movi {}, #{imm8:#x}", vec(0, q, d)),
        14 => {
            let value = decode::simd_imm(true, 14, imm8 as u32);
            match q {
                0 => format!("movi d{d}, #{value:#x}"),
                _ => format!("movi v{d}.2d, #{value:#x}"),
            }
        }
        12 | 13 => {
            let op = name(&["movi", "mvni"], op);
            format!(
                "{op} {}, #{imm8:#x}, msl #{}",
                vec(2, q, d),
                8 << (cmode & 1)
            )
        }
        _ => {
            let (size, amount) = match cmode {
                0..8 => (2, cmode >> 1 << 3),
                _ => (1, (cmode >> 1 & 1) << 3),
            };
            let op = match (cmode & 1, op) {
                (0, op) => name(&["movi", "mvni"], op),
                (_, op) => name(&["orr", "bic"], op),
            };
            format!("{op} {}, #{imm8:#x}{}", vec(size, q, d), shifted(amount))
        }
    }
}

/// Lane size and index that imm5 encodes.
fn lane_of(imm5: u64) -> (u64, u64) {
    let size = u64::from(imm5.trailing_zeros());
    (size.min(3), imm5 >> (size.min(3) + 1))
}

/// The operand `kind`.
pub(super) fn operand(kind: &str, a: &[u64]) -> Option<String> {
    if let Some(text) = duplication(kind, a) {
        return Some(text);
    }
    Some(match (kind, a) {
        ("fr", [0, n]) => scalar(2, *n),
        ("fr", [1, n]) => scalar(3, *n),
        ("fr", [_, n]) => scalar(1, *n),
        ("fbits", [scale]) => (64 - scale).to_string(),
        ("fimm", [i]) => float_constant(*i),
        ("fimm2", [hi, lo]) => float_constant(hi << 5 | lo),
        ("fmaddname", [negate, sub]) => {
            name(&["fmadd", "fmsub", "fnmadd", "fnmsub"], negate << 1 | sub).into()
        }
        ("vr", [z, q, n]) => vec(*z, *q, *n),
        ("vrw", [z, q, n]) => vec(z + 1, *q, *n),
        ("vf", [sz, q, n]) => vec(sz + 2, *q, *n),
        ("vfn", [sz, q, n]) => vec(sz + 1, *q, *n),
        ("vfw", [sz, n]) => vec(sz + 2, 1, *n),
        ("vf2", [sz, n]) => format!("v{n}.2{}", name(&["s", "d"], *sz)),
        ("v2h", [n]) => format!("v{n}.2h"),
        ("vhalf", [q, n]) => format!("v{n}.{}", name(&["2h", "4h"], *q)),
        ("v1d", [q, n]) => vec(3, *q, *n),
        ("sr", [z, n]) => scalar(*z, *n),
        ("srw", [z, n]) => scalar(z + 1, *n),
        ("sf", [sz, n]) => scalar(sz + 2, *n),
        ("q", [n]) => format!("q{n}"),
        ("shv", [hb, q, n]) => vec(shift_size(*hb), *q, *n),
        ("shw", [hb, n]) => vec(shift_size(*hb) + 1, 1, *n),
        ("shs", [hb, n]) => scalar(shift_size(*hb), *n),
        ("shsw", [hb, n]) => scalar(shift_size(*hb) + 1, *n),
        ("shr", [hb]) => right(*hb).to_string(),
        ("shl", [hb]) => left(*hb).to_string(),
        ("shr16", [h]) => (16 - h).to_string(),
        ("lanebits", [z]) => (8 << z).to_string(),
        ("shllname", [u, hb, q, d, n]) => widening_shift(*u, *hb, *q, *d, *n),
        ("elem", [z, h, l, m, n]) => element(*z, *h, *l, *m, *n),
        ("celem", [1, h, l, m, n]) => format!("v{}.h[{}]", m << 4 | n, h << 1 | l),
        ("celem", [_, h, _, m, n]) => format!("v{}.s[{h}]", m << 4 | n),
        ("dotelem", [h, l, m, n]) => format!("v{}.4b[{}]", m << 4 | n, h << 1 | l),
        ("rot", [r]) => (90 * r).to_string(),
        ("rot1", [r]) => (90 + 180 * r).to_string(),
        ("orrv", [q, m, n, d]) if m == n => format!("mov {}, {}", vec(0, *q, *d), vec(0, *q, *n)),
        ("orrv", [q, m, n, d]) => {
            format!(
                "orr {}, {}, {}",
                vec(0, *q, *d),
                vec(0, *q, *n),
                vec(0, *q, *m)
            )
        }
        ("permute", [k]) => name(
            &["", "uzp1", "trn1", "zip1", "", "uzp2", "trn2", "zip2"],
            *k,
        )
        .into(),
        ("tbllist", [len, n]) => table(*len, *n),
        ("modimm", [q, op, cmode, hi, lo, d]) => modified(*q, *op, *cmode, hi << 5 | lo, *d),
        _ => return None,
    })
}

fn duplication(kind: &str, a: &[u64]) -> Option<String> {
    Some(match (kind, a) {
        ("dupd", [i, q, d]) => vec(lane_of(*i).0, *q, *d),
        ("dupe", [i, n]) => {
            let (size, index) = lane_of(*i);
            format!("v{n}.{}[{index}]", name(&LETTERS, size))
        }
        ("dupr", [i, n]) => reg(u64::from(lane_of(*i).0 == 3), *n),
        ("dups", [i, d]) => scalar(lane_of(*i).0, *d),
        ("inse", [i, j, n]) => {
            let (size, _) = lane_of(*i);
            format!("v{n}.{}[{}]", name(&LETTERS, size), j >> size)
        }
        ("umov", [i]) => if lane_of(*i).0 >= 2 { "mov" } else { "umov" }.into(),
        _ => return None,
    })
}

fn widening_shift(u: u64, hb: u64, q: u64, d: u64, n: u64) -> String {
    let letter = if u != 0 { 'u' } else { 's' };
    let (size, second) = (shift_size(hb), if q != 0 { "2" } else { "" });
    let operands = format!("{}, {}", vec(size + 1, 1, d), vec(size, q, n));
    match left(hb) {
        0 => format!("{letter}xtl{second} {operands}"),
        k => format!("{letter}shll{second} {operands}, #{k}"),
    }
}

fn table(len: u64, first: u64) -> String {
    let one = |k: u64| format!("v{}.16b", (first + k) & 31);
    match len {
        0 | 1 => {
            let all: Vec<String> = (0..=len).map(one).collect();
            format!("{{{}}}", all.join(", "))
        }
        _ if first + len > 31 => {
            let all: Vec<String> = (0..=len).map(one).collect();
            format!("{{{}}}", all.join(", "))
        }
        _ => format!("{{{}-{}}}", one(0), one(len)),
    }
}
