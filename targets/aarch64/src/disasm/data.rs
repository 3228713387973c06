//! Operands and aliases of data processing. [ARMv8 C6.2]

use super::{CONDITIONS, bits, name, reg, reg_sp, shift};
use crate::decode;

const EXTENSIONS: [&str; 8] = [
    "uxtb", "uxth", "uxtw", "uxtx", "sxtb", "sxth", "sxtw", "sxtx",
];

/// The fields that most instructions have: sf, Rm, Rn, Rd.
fn common(insn: u64) -> (u64, u64, u64, u64) {
    (
        insn >> 31 & 1,
        bits(insn, 16, 5),
        bits(insn, 5, 5),
        bits(insn, 0, 5),
    )
}

fn add_immediate(insn: u64) -> String {
    let (f, _, n, d) = common(insn);
    let (sub, s) = (bits(insn, 30, 1), bits(insn, 29, 1));
    let (high, imm) = (bits(insn, 22, 1), bits(insn, 10, 12));
    let tail = if high != 0 { ", lsl #12" } else { "" };
    let source = format!("{}, #{imm:#x}{tail}", reg_sp(f, n));
    if s == 0 && sub == 0 && imm == 0 && high == 0 && (n == 31 || d == 31) {
        return format!("mov {}, {}", reg_sp(f, d), reg_sp(f, n));
    }
    match (s, d) {
        (1, 31) => format!("{} {source}", name(&["cmn", "cmp"], sub)),
        (1, d) => format!("{} {}, {source}", name(&["adds", "subs"], sub), reg(f, d)),
        (_, d) => format!("{} {}, {source}", name(&["add", "sub"], sub), reg_sp(f, d)),
    }
}

fn add_register(insn: u64) -> String {
    let (f, m, n, d) = common(insn);
    let (sub, s) = (bits(insn, 30, 1), bits(insn, 29, 1));
    let last = format!(
        "{}{}",
        reg(f, m),
        shift(bits(insn, 22, 2), bits(insn, 10, 6))
    );
    match (s, sub, n, d) {
        (1, _, _, 31) => format!("{} {}, {last}", name(&["cmn", "cmp"], sub), reg(f, n)),
        (_, 1, 31, _) => format!("{} {}, {last}", name(&["neg", "negs"], s), reg(f, d)),
        _ => {
            let op = name(&["add", "adds", "sub", "subs"], sub << 1 | s);
            format!("{op} {}, {}, {last}", reg(f, d), reg(f, n))
        }
    }
}

fn add_extended(insn: u64) -> String {
    let (f, m, n, d) = common(insn);
    let (sub, s) = (bits(insn, 30, 1), bits(insn, 29, 1));
    let (option, amount) = (bits(insn, 13, 3), bits(insn, 10, 3));
    let m = reg(f & u64::from(option & 3 == 3), m);
    let plain = option == 2 + f && (n == 31 || d == 31 && s == 0);
    let extension = match (plain, amount) {
        (true, 0) => String::new(),
        (true, k) => format!(", lsl #{k}"),
        (false, 0) => format!(", {}", name(&EXTENSIONS, option)),
        (false, k) => format!(", {} #{k}", name(&EXTENSIONS, option)),
    };
    let tail = format!("{}, {m}{extension}", reg_sp(f, n));
    match (s, d) {
        (1, 31) => format!("{} {tail}", name(&["cmn", "cmp"], sub)),
        (1, d) => format!("{} {}, {tail}", name(&["adds", "subs"], sub), reg(f, d)),
        (_, d) => format!("{} {}, {tail}", name(&["add", "sub"], sub), reg_sp(f, d)),
    }
}

/// The mask of a logical immediate.
fn mask(insn: u64) -> u64 {
    let field = |lo, len| bits(insn, lo, len) as u32;
    let wide = insn >> 31 & 1 != 0;
    decode::bitmask(wide, field(22, 1) != 0, field(16, 6), field(10, 6)).unwrap_or(0)
}

/// Whether a single MOVZ or MOVN makes the constant, so that MOV stands for that.
fn is_move_wide(wide: bool, value: u64) -> bool {
    let width = if wide { 64 } else { 32 };
    let ones = u64::MAX >> (64 - width);
    (0..width / 16).any(|k| {
        let lane = 0xffffu64 << (16 * k);
        value & !lane == 0 || !value & ones & !lane == 0
    })
}

fn orr_immediate(insn: u64) -> String {
    let (f, _, n, d) = common(insn);
    let value = mask(insn);
    if n == 31 && !is_move_wide(f != 0, value) {
        return format!("mov {}, #{value:#x}", reg_sp(f, d));
    }
    format!("orr {}, {}, #{value:#x}", reg_sp(f, d), reg(f, n))
}

fn ands_immediate(insn: u64) -> String {
    let (f, _, n, d) = common(insn);
    let value = mask(insn);
    match d {
        31 => format!("tst {}, #{value:#x}", reg(f, n)),
        d => format!("ands {}, {}, #{value:#x}", reg(f, d), reg(f, n)),
    }
}

fn orr_register(insn: u64) -> String {
    let (f, m, n, d) = common(insn);
    let tail = shift(bits(insn, 22, 2), bits(insn, 10, 6));
    let m = reg(f, m);
    match (bits(insn, 21, 1), n) {
        (0, 31) if tail.is_empty() => format!("mov {}, {m}", reg(f, d)),
        (1, 31) => format!("mvn {}, {m}{tail}", reg(f, d)),
        (invert, n) => format!(
            "{} {}, {}, {m}{tail}",
            name(&["orr", "orn"], invert),
            reg(f, d),
            reg(f, n)
        ),
    }
}

fn ands_register(insn: u64) -> String {
    let (f, m, n, d) = common(insn);
    let last = format!(
        "{}{}",
        reg(f, m),
        shift(bits(insn, 22, 2), bits(insn, 10, 6))
    );
    match (bits(insn, 21, 1), d) {
        (0, 31) => format!("tst {}, {last}", reg(f, n)),
        (invert, d) => format!(
            "{} {}, {}, {last}",
            name(&["ands", "bics"], invert),
            reg(f, d),
            reg(f, n)
        ),
    }
}

fn move_wide(inverted: bool, insn: u64) -> String {
    let (f, _, _, d) = common(insn);
    let (hw, imm) = (bits(insn, 21, 2), bits(insn, 5, 16));
    let value = imm << (16 * hw);
    let unusual = imm == 0 && hw != 0 || inverted && f == 0 && imm == 0xffff;
    if unusual {
        let op = if inverted { "movn" } else { "movz" };
        return format!("{op} {}, #{imm:#x}{}", reg(f, d), shift(0, 16 * hw));
    }
    let value = match (inverted, f) {
        (false, _) => value,
        (true, 0) => !value & 0xffff_ffff,
        (true, _) => !value,
    };
    let comment = if inverted {
        let signed = if f == 0 {
            value as u32 as i32 as i64
        } else {
            value as i64
        };
        format!(" // #{signed}")
    } else {
        String::new()
    };
    format!("mov {}, #{value:#x}{comment}", reg(f, d))
}

/// SBFM, BFM, UBFM by the names of what they do.
fn bitfield(kind: u64, insn: u64) -> String {
    let (f, _, n, d) = common(insn);
    let (r, s) = (bits(insn, 16, 6), bits(insn, 10, 6));
    let width = if f != 0 { 64 } else { 32 };
    let (dst, src) = (reg(f, d), reg(f, n));
    let narrow = reg(0, n);
    match (kind, r, s) {
        (0, _, s) if s == width - 1 => format!("asr {dst}, {src}, #{r}"),
        (2, _, s) if s == width - 1 => format!("lsr {dst}, {src}, #{r}"),
        (2, r, s) if s + 1 == r => format!("lsl {dst}, {src}, #{}", width - r),
        (0, 0, 7) => format!("sxtb {dst}, {narrow}"),
        (0, 0, 15) => format!("sxth {dst}, {narrow}"),
        (0, 0, 31) => format!("sxtw {dst}, {narrow}"),
        (2, 0, 7) if f == 0 => format!("uxtb {dst}, {src}"),
        (2, 0, 15) if f == 0 => format!("uxth {dst}, {src}"),
        (1, _, _) if s < r && n == 31 => format!("bfc {dst}, #{}, #{}", width - r, s + 1),
        (_, _, _) if s < r => {
            let op = name(&["sbfiz", "bfi", "ubfiz"], kind);
            format!("{op} {dst}, {src}, #{}, #{}", width - r, s + 1)
        }
        _ => {
            let op = name(&["sbfx", "bfxil", "ubfx"], kind);
            format!("{op} {dst}, {src}, #{r}, #{}", s + 1 - r)
        }
    }
}

fn extract(insn: u64) -> String {
    let (f, m, n, d) = common(insn);
    let amount = bits(insn, 10, 6);
    match n == m {
        true => format!("ror {}, {}, #{amount}", reg(f, d), reg(f, n)),
        false => format!(
            "extr {}, {}, {}, #{amount}",
            reg(f, d),
            reg(f, n),
            reg(f, m)
        ),
    }
}

fn subtract_carry(insn: u64) -> String {
    let (f, m, n, d) = common(insn);
    let s = if bits(insn, 29, 1) != 0 { "s" } else { "" };
    match n {
        31 => format!("ngc{s} {}, {}", reg(f, d), reg(f, m)),
        n => format!("sbc{s} {}, {}, {}", reg(f, d), reg(f, n), reg(f, m)),
    }
}

fn select(insn: u64) -> String {
    let (f, m, n, d) = common(insn);
    let (op, inc, c) = (bits(insn, 30, 1), bits(insn, 10, 1), bits(insn, 12, 4));
    let opposite = name(&CONDITIONS, c ^ 1);
    let same = n == m && c < 14;
    match (op, inc) {
        (0, 1) if same && n == 31 => format!("cset {}, {opposite}", reg(f, d)),
        (1, 0) if same && n == 31 => format!("csetm {}, {opposite}", reg(f, d)),
        (0, 1) if same => format!("cinc {}, {}, {opposite}", reg(f, d), reg(f, n)),
        (1, 0) if same => format!("cinv {}, {}, {opposite}", reg(f, d), reg(f, n)),
        (1, 1) if same => format!("cneg {}, {}, {opposite}", reg(f, d), reg(f, n)),
        _ => {
            let name_of = name(&["csel", "csinc", "csinv", "csneg"], op << 1 | inc);
            let c = name(&CONDITIONS, c);
            format!("{name_of} {}, {}, {}, {c}", reg(f, d), reg(f, n), reg(f, m))
        }
    }
}

fn multiply(insn: u64) -> String {
    let (f, m, n, d) = common(insn);
    let (sub, a) = (bits(insn, 15, 1), bits(insn, 10, 5));
    let factors = format!("{}, {}, {}", reg(f, d), reg(f, n), reg(f, m));
    match a {
        31 => format!("{} {factors}", name(&["mul", "mneg"], sub)),
        a => format!("{} {factors}, {}", name(&["madd", "msub"], sub), reg(f, a)),
    }
}

fn multiply_long(insn: u64) -> String {
    let (_, m, n, d) = common(insn);
    let (sub, a) = (bits(insn, 15, 1), bits(insn, 10, 5));
    let letter = if bits(insn, 23, 1) != 0 { 'u' } else { 's' };
    let factors = format!("{}, {}, {}", reg(1, d), reg(0, n), reg(0, m));
    match a {
        31 => format!("{letter}{} {factors}", name(&["mull", "mnegl"], sub)),
        a => {
            let op = name(&["maddl", "msubl"], sub);
            format!("{letter}{op} {factors}, {}", reg(1, a))
        }
    }
}

/// The operand `kind`.
pub(super) fn operand(kind: &str, a: &[u64], insn: u64) -> Option<String> {
    Some(match (kind, a) {
        ("addimm", _) => add_immediate(insn),
        ("addreg", _) => add_register(insn),
        ("addext", _) => add_extended(insn),
        ("bitmask", _) => format!("#{:#x}", mask(insn)),
        ("orrimm", _) => orr_immediate(insn),
        ("andsimm", _) => ands_immediate(insn),
        ("orrreg", _) => orr_register(insn),
        ("andsreg", _) => ands_register(insn),
        ("movwide", [zero, ..]) => move_wide(*zero == 0, insn),
        ("movshift", [0]) => String::new(),
        ("movshift", [w]) => format!(", lsl #{}", 16 * w),
        ("bitfield", [kind, ..]) => bitfield(*kind, insn),
        ("extr", _) => extract(insn),
        ("sbcreg", _) => subtract_carry(insn),
        ("csel", _) => select(insn),
        ("madd", _) => multiply(insn),
        ("maddl", _) => multiply_long(insn),
        _ => return None,
    })
}
