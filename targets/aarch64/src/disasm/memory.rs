//! Operands and names of loads and stores. [ARMv8 C6.2, C7.2]

use super::{bits, name, reg, reg_sp};
use tcg_decode::rt::sext;

/// Suffixes of bytes and halves.
const SUFFIX: [&str; 4] = ["b", "h", "", ""];
const LETTERS: [char; 5] = ['b', 'h', 's', 'd', 'q'];

/// The vector register that holds `1 << size` bytes.
fn vector(size: u64, n: u64) -> String {
    let letter = LETTERS.get(size as usize).copied().unwrap_or('?');
    format!("{letter}{n}")
}

/// The size of a SIMD access: opc 2 and 3 are of 16 bytes.
fn vector_size(z: u64, o: u64) -> u64 {
    if o & 2 != 0 { 4 } else { z }
}

fn offset(base: u64, value: i64) -> String {
    match value {
        0 => format!("[{}]", reg_sp(1, base)),
        v => format!("[{}, #{v}]", reg_sp(1, base)),
    }
}

/// By the index field: 1 post-indexed, 3 pre-indexed, else an offset.
fn indexed(index: u64, base: u64, value: i64) -> String {
    match index {
        1 => format!("[{}], #{value}", reg_sp(1, base)),
        3 => format!("[{}, #{value}]!", reg_sp(1, base)),
        _ => offset(base, value),
    }
}

fn single_name(z: u64, o: u64, idx: u64) -> String {
    let (op, sign) = match o {
        0 => ("st", ""),
        1 => ("ld", ""),
        _ => ("ld", "s"),
    };
    let middle = match idx {
        0 => "ur",
        2 => "tr",
        _ => "r",
    };
    let suffix = if sign.is_empty() {
        name(&SUFFIX, z)
    } else {
        name(&["b", "h", "w"], z)
    };
    format!("{op}{middle}{sign}{suffix}")
}

fn register_index(n: u64, m: u64, option: u64, shifted: u64, scale: u64) -> String {
    let (base, m) = (reg_sp(1, n), reg(option & 1, m));
    let extension = name(&["", "", "uxtw", "lsl", "", "", "sxtw", "sxtx"], option);
    match (option, shifted) {
        (3, 0) => format!("[{base}, {m}]"),
        (_, 0) => format!("[{base}, {m}, {extension}]"),
        _ => format!("[{base}, {m}, {extension} #{scale}]"),
    }
}

fn prefetch(t: u64) -> String {
    let (kind, level, policy) = (t >> 3, t >> 1 & 3, t & 1);
    if kind == 3 || level == 3 {
        return format!("#0x{t:02x}");
    }
    let kind = name(&["pld", "pli", "pst"], kind);
    format!("{kind}l{}{}", level + 1, name(&["keep", "strm"], policy))
}

fn atomic_name(insn: u64) -> String {
    let (what, acquire, release) = (bits(insn, 12, 3), bits(insn, 23, 1), bits(insn, 22, 1));
    const NAMES: [&str; 8] = ["add", "clr", "eor", "set", "smax", "smin", "umax", "umin"];
    // Without a result and without acquiring it is a store.
    let store = acquire == 0 && bits(insn, 0, 5) == 31;
    let order = format!(
        "{}{}",
        if acquire != 0 { "a" } else { "" },
        if release != 0 { "l" } else { "" }
    );
    let op = if store { "st" } else { "ld" };
    format!(
        "{op}{}{order}{}",
        name(&NAMES, what),
        name(&SUFFIX, insn >> 30)
    )
}

/// Arrangement of a vector.
fn arrangement(size: u64, quad: u64) -> &'static str {
    const NAMES: [&str; 8] = ["8b", "16b", "4h", "8h", "2s", "4s", "1d", "2d"];
    name(&NAMES, size << 1 | quad)
}

fn list(first: u64, count: u64, suffix: &str) -> String {
    let one = |k: u64| format!("v{}.{suffix}", (first + k) & 31);
    if count > 2 && first + count <= 32 {
        return format!("{{{}-{}}}", one(0), one(count - 1));
    }
    let all: Vec<String> = (0..count).map(one).collect();
    format!("{{{}}}", all.join(", "))
}

/// Elements of a structure and registers of a multiple-structure access.
const fn structure(kind: u64) -> (u64, u64) {
    match kind {
        0 => (4, 4),
        2 => (1, 4),
        4 => (3, 3),
        6 => (1, 3),
        7 => (1, 1),
        8 => (2, 2),
        _ => (1, 2),
    }
}

fn multiple(kind: u64, load: u64, quad: u64, size: u64, t: u64) -> String {
    let (elements, count) = structure(kind);
    let op = name(&["st", "ld"], load);
    format!("{op}{elements} {}", list(t, count, arrangement(size, quad)))
}

fn single(a: &[u64; 7]) -> String {
    let [opcode, load, r, quad, s, z, t] = *a;
    let count = ((opcode & 1) << 1 | r) + 1;
    let op = name(&["st", "ld"], load);
    if opcode >> 1 == 3 {
        return format!("{op}{count}r {}", list(t, count, arrangement(z, quad)));
    }
    let (letter, index) = match opcode >> 1 {
        0 => ("b", quad << 3 | s << 2 | z),
        1 => ("h", quad << 2 | s << 1 | z >> 1),
        _ if z & 1 == 0 => ("s", quad << 1 | s),
        _ => ("d", quad),
    };
    format!("{op}{count} {}[{index}]", list(t, count, letter))
}

fn single_bytes(opcode: u64, r: u64, z: u64) -> u64 {
    let count = ((opcode & 1) << 1 | r) + 1;
    let size = match opcode >> 1 {
        3 => z,
        2 if z & 1 != 0 => 3,
        n => n,
    };
    count << size
}

fn post(m: u64, bytes: u64) -> String {
    match m {
        31 => format!(", #{bytes}"),
        m => format!(", {}", reg(1, m)),
    }
}

fn vector_load(o: u64, index: u64) -> String {
    let op = name(&["st", "ld"], o & 1);
    format!("{op}{}", if index == 0 { "ur" } else { "r" })
}

/// The operand `kind`.
pub(super) fn operand(kind: &str, a: &[u64], insn: u64) -> Option<String> {
    Some(match (kind, a) {
        ("bh", [z]) => name(&SUFFIX, *z).into(),
        ("simm9", [n, i]) => offset(*n, sext(*i, 9)),
        ("simm9x", [idx, n, i]) => indexed(*idx, *n, sext(*i, 9)),
        ("uaddr", [n, i, z]) => offset(*n, (i << z) as i64),
        ("vuaddr", [n, i, z, o]) => offset(*n, (i << vector_size(*z, *o)) as i64),
        ("regaddr", [n, m, x, s, z]) => register_index(*n, *m, *x, *s, *z),
        ("vregaddr", [n, m, x, s, z, o]) => register_index(*n, *m, *x, *s, vector_size(*z, *o)),
        ("ldstname", [z, o, idx]) => single_name(*z, *o, *idx),
        ("ldrt", [z, o, t]) => reg(u64::from(*z == 3 || *o == 2), *t),
        ("vldst", [o, idx]) => vector_load(*o, *idx),
        ("vldt", [z, o, t]) => vector(vector_size(*z, *o), *t),
        ("vlit", [o, t]) => vector(o + 2, *t),
        ("ldapurname", [z, 0]) => format!("stlur{}", name(&SUFFIX, *z)),
        ("ldapurname", [z, 1]) => format!("ldapur{}", name(&SUFFIX, *z)),
        ("ldapurname", [z, _]) => format!("ldapurs{}", name(&["b", "h", "w"], *z)),
        ("litsign", [o]) => if *o == 2 { "sw" } else { "" }.into(),
        ("litrt", [o, t]) => reg(u64::from(*o != 0), *t),
        ("prfop", [t]) => prefetch(*t),
        ("ldop", _) => atomic_name(insn),
        ("stopt", [r, z, t]) => match (*r, *t) {
            (0, 31) => String::new(),
            (_, t) => format!("{}, ", reg(u64::from(*z == 3), t)),
        },
        ("ldp", [idx, load, o]) => format!(
            "{}{}p{}",
            if *load != 0 { "ld" } else { "st" },
            if *idx == 0 { "n" } else { "" },
            if *o == 1 { "sw" } else { "" }
        ),
        ("pairrt", [o, t]) => reg(u64::from(*o != 0), *t),
        ("vpair", [o, t]) => vector(o + 2, *t),
        ("pairaddr", [idx, n, i, o]) => {
            indexed(*idx, *n, sext(*i, 7) << if *o == 2 { 3 } else { 2 })
        }
        ("vpairaddr", [idx, n, i, o]) => indexed(*idx, *n, sext(*i, 7) << (o + 2)),
        ("autaddr", [n, hi, i, pre]) => {
            indexed(if *pre != 0 { 3 } else { 2 }, *n, sext(hi << 9 | i, 10) * 8)
        }
        ("multi", [kind, load, q, z, t]) => multiple(*kind, *load, *q, *z, *t),
        ("multipost", [m, kind, q]) => post(*m, structure(*kind).1 << (3 + q)),
        ("single", [o, l, r, q, s, z, t]) => single(&[*o, *l, *r, *q, *s, *z, *t]),
        ("singlepost", [m, o, r, z]) => post(*m, single_bytes(*o, *r, *z)),
        _ => return None,
    })
}
