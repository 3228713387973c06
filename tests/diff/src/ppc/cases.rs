//! Random cases: a few instructions with registers and memory that suit them.

use super::{
    ALTIVEC, BASE, CENTRE, CR, CTR, FP, FPSCR, LR, MEM, MEM_LEN, Ppc, RECORD, RESERVED, V, VSCR,
    VSX, X, XER, decimal,
};
use crate::guest::{Case, Piece};
use crate::pick::field;
use crate::rng::Rng;
use target_ppc::decode::Feature;

/// Special registers that programs use: XER, DSCR, LR, CTR, VRSAVE, TAR.
const SPRS: [u64; 6] = [1, 3, 8, 9, 256, 815];

/// A field of an instruction.
pub(super) fn named(piece: &Piece, name: &str) -> Option<u64> {
    field(piece.row, piece.insn, name)
}

/// How an instruction forms its address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Register (or 0) and displacement.
    Displaced,
    /// Register (or 0) and register.
    Indexed,
    /// A register alone; the other one has a length.
    Length,
    /// A register (or 0) alone.
    Plain,
}

fn form(piece: &Piece) -> Option<Form> {
    let syntax = piece.row.syntax;
    let name = piece.row.handler();
    if piece.table != BASE {
        return None;
    }
    if matches!(name, "lxvl" | "lxvll" | "stxvl" | "stxvll") {
        return Some(Form::Length);
    }
    if matches!(name, "lat" | "stat" | "lswi" | "stswi") {
        return Some(Form::Plain);
    }
    if syntax.contains("({a})") {
        return Some(Form::Displaced);
    }
    let stored = ["lo", "st", "lf", "lv", "lx", "lar", "lq", "lsw", "dc"];
    let indexed = syntax.contains("{a0 a},{b}")
        || syntax.contains("{t},{a},{b}")
        || syntax.contains("{s},{a},{b}");
    (indexed && stored.iter().any(|s| name.starts_with(s))).then_some(Form::Indexed)
}

fn displacement(piece: &Piece) -> i64 {
    let Some(f) = piece
        .row
        .fields
        .iter()
        .find(|f| f.name == "imm" || f.key == "i")
    else {
        return 0;
    };
    let value = f.value(piece.insn) << (16 - f.width);
    i64::from(value as u16 as i16)
}

/// VSX registers whose doubleword 0 has to hold a number that a single can hold: with any other what single-precision
/// instructions do is undefined. [PowerISA I.4.6.6, I.7.3.2]
fn singles(piece: &Piece) -> Vec<u64> {
    let row = piece.row;
    let fields: &[&str] = match piece.table {
        FP if row.name.ends_with(".s") => &["ra", "rb", "rc"],
        BASE if row.name.contains(".stfs") => &["rt", "rs", "frs"],
        BASE if row.name.starts_with("stxssp") => &["rt", "xt"],
        VSX if row.name == "xscvdpspn" => &["xb"],
        VSX if row.name.starts_with("xs") && row.name.ends_with("sp") => {
            let any = ["xscvdpsp", "xsrsp", "xscvsxdsp", "xscvuxdsp"];
            match row.name.contains("add") || row.name.contains("sub") {
                _ if any.contains(&row.name) => &[],
                true => &["xa", "xb", "xt"],
                false => &["xa", "xb"],
            }
        }
        _ => &[],
    };
    // A vector register, where the others name one of all 64.
    let upper = if row.name == "stxssp" { 32 } else { 0 };
    let all = fields.iter().filter_map(|name| named(piece, name));
    all.map(|n| n + if n < 32 { upper } else { 0 }).collect()
}

/// A single as a double; NaNs stay what they are.
fn widened(single: u32) -> u64 {
    let sign = u64::from(single >> 31) << 63;
    match single & 0x7fff_ffff {
        n @ 0x7f80_0001.. => sign | 0x7ff << 52 | u64::from(n & 0x007f_ffff) << 29,
        _ => f64::from(f32::from_bits(single)).to_bits(),
    }
}

/// Whether the registers of [`singles`] still hold what the case starts with.
fn undisturbed(pieces: &[Piece], piece: &Piece) -> bool {
    let wanted = singles(piece);
    let written = |p: &Piece| ["rt", "xt", "vrt"].iter().find_map(|name| named(p, name));
    let mut written = pieces.iter().filter_map(written);
    wanted.is_empty() || !written.any(|t| wanted.iter().any(|w| w & 31 == t & 31))
}

/// Accesses that end the reference where they are misaligned.
fn aligned(piece: &Piece) -> bool {
    ["larx", "stcx", "lqarx", "stqcx", "lat", "stat"].contains(&piece.row.handler())
}

/// Registers that a load of several writes: the first, and how many.
fn many(piece: &Piece) -> Option<(u64, u64)> {
    let t = named(piece, "rt")?;
    match piece.row.handler() {
        "lmw" => Some((t, 32 - t)),
        "lswi" => {
            let n = named(piece, "nb")?;
            let n = if n == 0 { 32 } else { n };
            Some((t, n.div_ceil(4)))
        }
        "lq" | "lqarx" => Some((t, 2)),
        "lat" => Some((t, 1)),
        _ => None,
    }
}

/// It leaves the runtime's register alone.
fn usable(piece: &Piece) -> bool {
    // The reference rounds xsnmsubqpo as FPSCR says, not to odd.
    if piece.row.name == "xsnmsubqp" && piece.insn & 1 != 0 {
        return false;
    }
    if piece.table != BASE {
        // Results in general registers.
        let syntax = &piece.row.syntax;
        let general = syntax.contains("{gr rt}") || syntax.contains("{t}");
        let is = |key: &str| named(piece, key) == Some(RESERVED);
        let vector = syntax.contains("{gr vrt}") || syntax.contains("{gr t}");
        return !(general && is("rt") || vector && is("vrt"));
    }
    if let Some((first, count)) = many(piece)
        && (0..count).any(|k| (first + k) & 31 == RESERVED)
    {
        return false;
    }
    let name = piece.row.name;
    // Where the result is in ra: logical operations, updates; else in rt.
    let is = |key: &str| named(piece, key) == Some(RESERVED);
    let update = name.ends_with('u') || name.ends_with("ux");
    let to_a = piece.row.syntax.contains("{a},{s}")
        || name.starts_with("mfvsr")
        || update && form(piece).is_some();
    !(is("rt") || to_a && is("ra"))
}

impl Ppc {
    fn piece(&self, rng: &mut Rng, table: usize) -> Option<Piece> {
        // What instructions write has to be read by others: few registers.
        let few = rng.one_in(2);
        let mut reg = || {
            if few {
                4 + rng.below(5) as u64
            } else {
                rng.next() & 31
            }
        };
        let mut fixed: Vec<(&str, u64)> = [
            "rt", "ra", "rb", "rs", "rc", "xt", "xa", "xb", "vrt", "vra", "vrb",
        ]
        .iter()
        .map(|name| (*name, reg()))
        .collect();
        // VSX: both halves of the file.
        for (_, v) in fixed.iter_mut().filter(|(name, _)| name.starts_with('x')) {
            *v |= rng.next() & 32;
        }
        fixed.push(("spr", rng.choose(&SPRS)));
        if rng.one_in(4) {
            fixed.retain(|(name, _)| *name == "spr");
        }
        let (row, insn) = self.tables[table].pick(rng, &fixed)?;
        let piece = Piece {
            table,
            row,
            insn,
            extra: 0,
        };
        // Little-endian, these end the reference.
        let multiple = ["lmw", "stmw", "lswi", "lswx", "stswi", "stswx"].contains(&row.handler());
        (usable(&piece) && !(multiple && self.isa.little_endian)).then_some(piece)
    }

    /// A branch over the instruction that follows.
    fn branch(&self, rng: &mut Rng) -> Option<Piece> {
        let (row, insn) =
            self.tables[BASE].pick_row(rng, "bc", &[("imm", 2), ("aa", 0), ("A", 0)])?;
        Some(Piece {
            table: BASE,
            row,
            insn,
            extra: 1,
        })
    }

    /// The conditional store that fits a reserving load.
    fn paired(&self, rng: &mut Rng, load: &Piece) -> Option<Piece> {
        let name = match load.row.name {
            "larx.lbarx" => "stcx.stbcx",
            "larx.lharx" => "stcx.sthcx",
            "larx.lwarx" => "stcx.stwcx",
            "larx.ldarx" => "stcx.stdcx",
            "lqarx" => "stqcx",
            _ => return None,
        };
        let (a, b, t) = (named(load, "ra")?, named(load, "rb")?, named(load, "rt")?);
        let (row, insn) = self.tables[BASE].pick_row(rng, name, &[("ra", a), ("rb", b)])?;
        (t != a && t != b).then_some(Piece { row, insn, ..*load })
    }

    /// A case that starts with an instruction of this table.
    pub fn random_case(&self, rng: &mut Rng, table: usize) -> Option<Case> {
        let mut mixes = vec![table, BASE];
        for (other, feature) in [
            (FP, Feature::Fp),
            (ALTIVEC, Feature::Altivec),
            (VSX, Feature::Vsx),
        ] {
            if self.has(feature) {
                mixes.push(other);
            } else if other == table {
                return None;
            }
        }
        let mut pieces = vec![self.piece(rng, table)?];
        pieces.extend(self.paired(rng, &pieces[0]));
        let count = 1 + rng.below(6);
        for _ in 0..16 * count {
            if pieces.len() >= count {
                break;
            }
            let table = rng.choose(&mixes);
            let Some(piece) = self.piece(rng, table) else {
                continue;
            };
            // The count of the one, and the alignment of the others, must be what the case starts with.
            if piece.row.handler() == "lswx" || aligned(&piece) || !undisturbed(&pieces, &piece) {
                continue;
            }
            if rng.one_in(8) {
                pieces.extend(self.branch(rng));
            }
            pieces.push(piece);
        }
        let input = self.input(rng, &pieces)?;
        Some(Case { pieces, input })
    }

    /// Sets the registers of an access so that it is near the middle of the memory.
    fn aim(&self, p: &Piece, form: Form, at: u64, regs: &mut [u64; 32], len: u64) -> Option<()> {
        let a = named(p, "ra")? as usize;
        let b = named(p, "rb").unwrap_or(0) as usize;
        let reserved = RESERVED as usize;
        if a == reserved || form == Form::Indexed && b == reserved {
            return None;
        }
        match form {
            Form::Displaced | Form::Plain if a == 0 => return None,
            Form::Displaced => regs[a] = at.wrapping_sub(displacement(p) as u64),
            Form::Plain => regs[a] = at,
            Form::Length => {
                if a == 0 || a == b || b == reserved {
                    return None;
                }
                regs[a] = at;
                regs[b] = len << 56 | regs[b] >> 8;
            }
            Form::Indexed if a == 0 => regs[b] = at,
            Form::Indexed if a == b => regs[a] = at / 2,
            Form::Indexed => regs[a] = at.wrapping_sub(regs[b]),
        }
        Some(())
    }

    fn general(&self, rng: &mut Rng, pieces: &[Piece]) -> Option<[u64; 32]> {
        let mut regs: [u64; 32] = std::array::from_fn(|_| rng.long());
        let misaligned = rng.one_in(4);
        for p in pieces.iter().rev() {
            let Some(form) = form(p) else { continue };
            let atomic = aligned(p);
            let mut at = CENTRE + (rng.next() & 0xf0);
            // A misaligned reservation ends the reference.
            if misaligned && !atomic {
                at += rng.next() & 15;
            } else if rng.one_in(2) && !p.row.name.contains('q') {
                at += rng.next() & 8;
            }
            let len = rng.below(20) as u64;
            self.aim(p, form, at, &mut regs, len)?;
        }
        regs[RESERVED as usize] = 0;
        Some(regs)
    }

    /// Registers and memory.
    fn input(&self, rng: &mut Rng, pieces: &[Piece]) -> Option<Vec<u8>> {
        let regs = self.general(rng, pieces)?;
        let mut input = vec![0; RECORD];
        let word = self.word();
        let mut put = |at: usize, value: u64, len: usize| {
            let value = self.bytes(value, len);
            input[at..at + len].copy_from_slice(&value);
        };
        for (n, r) in regs.iter().enumerate() {
            put(X + 8 * n, *r, word);
        }
        put(CR, rng.next() & 0xffff_ffff, 4);
        put(LR, rng.long(), word);
        put(
            CTR,
            if rng.one_in(2) {
                rng.long()
            } else {
                rng.next() & 3
            },
            word,
        );
        // Flags; the 32-bit ones are those of ISA 3.0; the count of string instructions is small.
        let first = pieces.first()?;
        let room = match first.row.handler() {
            "lswx" => 4 * (32 - named(first, "rt")?),
            _ => 64,
        };
        let mut xer = rng.next() & 0xe000_0000 | (rng.below(64) as u64).min(room);
        if self.has(Feature::Isa300) {
            xer |= rng.next() & 0x000c_0000;
        }
        put(XER, xer, 4);
        let rounding = if rng.one_in(2) { 0 } else { rng.next() & 3 };
        let enables = if rng.one_in(6) { rng.next() & 0xf8 } else { 0 };
        // With the summary, as a program would find them; none of those is enabled.
        let sticky = match enables == 0 && rng.one_in(4) {
            true => rng.next() & 0x1ff8_0700 | 1 << 31,
            false => 0,
        };
        put(FPSCR, rounding | enables | sticky, 8);
        // VSCR in the last word of a vector, as mtvscr wants it.
        let vscr = if rng.one_in(2) {
            0
        } else {
            rng.next() & 0x1_0001
        };
        let vscr_at = if self.isa.little_endian {
            VSCR
        } else {
            VSCR + 12
        };
        put(vscr_at, vscr, 4);
        let wanted: Vec<u64> = pieces.iter().flat_map(singles).collect();
        for n in 0..128 {
            let v = if n % 2 == 0 && rng.one_in(2) {
                rng.double()
            } else {
                rng.lanes()
            };
            // Scalar singles are doubles that singles can hold.
            let (scalar, register) = match self.has(Feature::Vsx) {
                true => (n % 2 == 0, n / 2),
                false => (n < 32, n),
            };
            let single = wanted.contains(&(register as u64)) || rng.one_in(3);
            let v = match scalar && single {
                true => widened(rng.single()),
                false => v,
            };
            put(V + 8 * n, v, 8);
        }
        for (register, v) in pieces.iter().flat_map(|p| decimal::operands(rng, p)) {
            let at = V + 16 * (32 + register as usize);
            put(at, (v >> 64) as u64, 8);
            put(at + 8, v as u64, 8);
        }
        for i in 0..MEM_LEN / 8 {
            put(MEM + 8 * i, rng.lanes(), 8);
        }
        Some(input)
    }
}
