//! Operands of VFP and Advanced SIMD, as GNU tools print them.

use crate::disasm::{name, reg};

/// Registers with a gap between them, or `{d0-d3}`.
fn registers(first: u64, count: u64, step: u64, lane: &str) -> String {
    let all: Vec<String> = (0..count)
        .map(|i| format!("d{}{lane}", (first + i * step) & 31))
        .collect();
    match (all.as_slice(), step, lane) {
        ([one], ..) => format!("{{{one}}}"),
        ([a, .., b], 1, "") => format!("{{{a}-{b}}}"),
        _ => format!("{{{}}}", all.join(",")),
    }
}

/// Registers and step of a load or store of structures. [ARMv7 A7.7]
fn structures(kind: u64) -> (u64, u64, u64) {
    match kind {
        7 => (1, 1, 1),
        10 => (1, 2, 1),
        6 => (1, 3, 1),
        2 => (1, 4, 1),
        8 => (2, 2, 1),
        9 => (2, 2, 2),
        3 => (2, 4, 1),
        4 => (3, 3, 1),
        5 => (3, 3, 2),
        0 => (4, 4, 1),
        1 => (4, 4, 2),
        _ => (0, 0, 1),
    }
}

fn address(n: u64, align: u64, rm: u64) -> String {
    let align = match align {
        0 => String::new(),
        bits => format!(" :{bits}"),
    };
    let after = match rm {
        15 => String::new(),
        13 => "!".into(),
        _ => format!(", {}", reg(rm)),
    };
    format!("[{}{align}]{after}", reg(n))
}

/// Alignment in bits of a load or store of one lane. [ARMv7 A8.8.322 to A8.8.331]
fn lane_align(count: u64, size: u64, ia: u64) -> u64 {
    match (count, size) {
        (0, 1) => (ia & 1) * 16,
        (0, 2) => u64::from(ia & 3 == 3) * 32,
        (1, _) => (ia & 1) * (16 << size),
        (3, 2) => [0, 64, 128, 0][(ia & 3) as usize],
        (3, _) => (ia & 1) * (32 << size),
        _ => 0,
    }
}

/// The element size of an immediate shift, in bits.
fn shift_size(i: u64) -> u64 {
    match i {
        64.. => 64,
        32.. => 32,
        16.. => 16,
        _ => 8,
    }
}

/// Size and index of a lane moved to or from a core register.
fn move_lane(opc1: u64, opc2: u64) -> (u64, u64) {
    match (opc1 & 2, opc2 & 1) {
        (2, _) => (8, (opc1 & 1) << 2 | opc2),
        (_, 1) => (16, (opc1 & 1) << 1 | opc2 >> 1),
        _ => (32, opc1 & 1),
    }
}

/// Size and index of VDUP's lane.
fn dup_lane(i: u64) -> (u64, u64) {
    match i & 7 {
        1 | 3 | 5 | 7 => (8, i >> 1),
        2 | 6 => (16, i >> 2),
        _ => (32, i >> 3),
    }
}

/// The instruction of a modified immediate. [ARMv7 A7.4.6]
fn immediate_name(cmode: u64, op: u64) -> String {
    let what = match (cmode, op) {
        (0..=11, 0) if cmode & 1 != 0 => "orr",
        (0..=11, 1) if cmode & 1 != 0 => "bic",
        (0..=13, 1) => "mvn",
        _ => "mov",
    };
    let ty = match (cmode, op) {
        (0..=7 | 12 | 13, _) => "i32",
        (8..=11, _) => "i16",
        (14, 0) => "i8",
        (14, _) => "i64",
        _ => "f32",
    };
    format!("{what}.{ty}")
}

fn immediate(cmode: u64, op: u64, imm: u64) -> String {
    let value = match cmode {
        0..=7 => imm << (cmode / 2 * 8),
        8..=11 => imm << ((cmode & 2) * 4),
        12 => imm << 8 | 0xff,
        13 => imm << 16 | 0xffff,
        14 if op == 1 => {
            let bytes = (0..8).filter(|i| imm >> i & 1 != 0);
            return format!("{:#018x}", bytes.fold(0u64, |v, i| v | 0xff << (8 * i)));
        }
        14 => imm,
        _ => {
            let bits = crate::translate::expand_imm(false, imm as u32) as u32;
            return format!("#{:?}", f32::from_bits(bits));
        }
    };
    format!("#{value}")
}

fn registers_of(kind: &str, args: &[u64]) -> Option<String> {
    Some(match (kind, args) {
        ("sreg", [n]) => format!("s{n}"),
        ("dreg", [n]) => format!("d{n}"),
        ("sregnext", [n]) => format!("s{}", n + 1),
        ("vreg", [0, n]) => format!("d{n}"),
        ("vreg", [_, n]) => format!("q{}", n / 2),
        ("half", [n]) => (n / 2).to_string(),
        ("scalarh", [m]) => format!("d{}[{}]", m & 7, (m >> 4) << 1 | (m >> 3 & 1)),
        ("scalar", [1, m]) => format!("d{}[{}]", m & 7, (m >> 4) << 1 | (m >> 3 & 1)),
        ("scalar", [_, m]) => format!("d{}[{}]", m & 15, m >> 4),
        ("lane", [d, a, b]) => format!("d{d}[{}]", move_lane(*a, *b).1),
        ("duplane", [m, i]) => format!("d{m}[{}]", dup_lane(*i).1),
        ("tbllist", [n, len]) => registers(*n, len + 1, 1, ""),
        ("ldlist", [kind, d]) => {
            let (_, count, step) = structures(*kind);
            registers(*d, count, step, "")
        }
        ("lanelist", [count, size, ia, d]) => {
            let spaced = match size {
                1 => ia >> 1 & 1,
                2 => ia >> 2 & 1,
                _ => 0,
            };
            let lane = format!("[{}]", ia >> (size + 1));
            registers(*d, count + 1, 1 + spaced, &lane)
        }
        ("alllist", [0, two, d]) => registers(*d, 1 + two, 1, "[]"),
        ("alllist", [count, spaced, d]) => registers(*d, count + 1, 1 + spaced, "[]"),
        ("vfpsys", [n]) => match n {
            0 => "fpsid".into(),
            1 => "fpscr".into(),
            5 => "mvfr2".into(),
            6 => "mvfr1".into(),
            7 => "mvfr0".into(),
            8 => "fpexc".into(),
            9 => "fpinst".into(),
            10 => "fpinst2".into(),
            _ => format!("<impl def {n:#x}>"),
        },
        _ => return None,
    })
}

/// An operand of VFP or Advanced SIMD.
pub(crate) fn operand(kind: &str, args: &[u64], insn: u64) -> Option<String> {
    if let Some(text) = registers_of(kind, args) {
        return Some(text);
    }
    Some(match (kind, args) {
        ("ut", [u]) => if *u != 0 { "u" } else { "s" }.into(),
        ("bits", [size]) => (8u64 << size).to_string(),
        ("bits2", [size]) => (16u64 << size).to_string(),
        ("cvtint", [1, u]) => format!("{}32.f32", name(&["s", "u"], *u)),
        ("cvtint", [_, u]) => format!("f32.{}32", name(&["s", "u"], *u)),
        ("cvtint16", [1, u]) => format!("{}16.f16", name(&["s", "u"], *u)),
        ("cvtint16", [_, u]) => format!("f16.{}16", name(&["s", "u"], *u)),
        ("dirmode", [m]) => name(&["a", "n", "p", "m"], *m).into(),
        ("selcond", [c]) => name(&["eq", "vs", "ge", "gt"], *c).into(),
        ("rot", [r]) => (r * 90).to_string(),
        ("fb", [i]) => (64 - (i & 63)).to_string(),
        ("fbits", [wide, i]) => {
            let size = if *wide != 0 { 32i64 } else { 16 };
            (size - ((i & 15) << 1 | i >> 4) as i64).to_string()
        }
        ("shbits", [i]) => shift_size(*i).to_string(),
        ("shbits2", [i]) => (2 * shift_size(*i)).to_string(),
        ("lsh", [i]) => (i - shift_size(*i).min(*i)).to_string(),
        ("rsh", [i]) => (2 * shift_size(*i)).wrapping_sub(*i).to_string(),
        ("vfpimm", [i]) => format!("#{i}"),
        ("vfpaddr", [n, 1, 0]) => format!("[{}]", reg(*n)),
        ("vfpaddr", [n, u, i]) => {
            let sign = if *u == 0 { "-" } else { "" };
            format!("[{}, #{sign}{}]", reg(*n), i * 4)
        }
        ("vfpaddr2", [n, 1, 0]) => format!("[{}]", reg(*n)),
        ("vfpaddr2", [n, u, i]) => {
            let sign = if *u == 0 { "-" } else { "" };
            format!("[{}, #{sign}{}]", reg(*n), i * 2)
        }
        ("vfplist", [d, i]) => {
            let (letter, count) = if insn & 0x100 != 0 {
                ('d', i / 2)
            } else {
                ('s', *i)
            };
            match count {
                0 | 1 => format!("{{{letter}{d}}}"),
                _ => format!("{{{letter}{d}-{letter}{}}}", d + count - 1),
            }
        }
        ("lanesize", [a, b]) => move_lane(*a, *b).0.to_string(),
        ("lanesizeu", [u, a, b]) => match (move_lane(*a, *b).0, u) {
            (32, _) => "32".into(),
            (size, 0) => format!("s{size}"),
            (size, _) => format!("u{size}"),
        },
        ("dupbits", [b, half]) => if *b != 0 {
            "8"
        } else if *half != 0 {
            "16"
        } else {
            "32"
        }
        .into(),
        ("dupsize", [i]) => dup_lane(*i).0.to_string(),
        ("immop", [cmode, op]) => immediate_name(*cmode, *op),
        ("neonimm", [cmode, op, imm]) => immediate(*cmode, *op, *imm),
        ("ldkind", [kind]) => structures(*kind).0.to_string(),
        ("ldaddr", [n, align, rm]) => address(*n, if *align == 0 { 0 } else { 32 << align }, *rm),
        ("laneaddr", [n, count, size, ia, rm]) => address(*n, lane_align(*count, *size, *ia), *rm),
        ("alladdr", [n, count, size, align, rm]) => {
            let bits = match (count, size) {
                (3, 3) => 128,
                (3, 2) => 64,
                (3, _) => 32 << size,
                (2, _) => 0,
                (count, _) => 8 << size << count,
            };
            address(*n, align * bits, *rm)
        }
        _ => return None,
    })
}
