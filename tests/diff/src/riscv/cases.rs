//! Random cases: a few instructions with registers and memory that suit them.

use super::{BASE, CENTRE, COMPRESSED, F, FCSR, FLOAT, MEM, MEM_LEN, RECORD, RESERVED, Riscv, X};
use crate::guest::{Case, Piece};
use crate::pick::field;
use crate::rng::Rng;
use target_riscv::decode::Feature;

fn named(piece: &Piece, name: &str) -> Option<u64> {
    field(piece.row, piece.insn, name)
}

/// Whether it reads or writes memory.
fn memory(piece: &Piece) -> bool {
    let syntax = piece.row.syntax;
    syntax.contains("({s})") || syntax.contains("({rc") || syntax.contains("(sp)")
}

fn branch(piece: &Piece) -> bool {
    piece.row.syntax.contains("{rel")
}

/// The register that holds the address.
fn address_register(piece: &Piece) -> Option<usize> {
    let syntax = piece.row.syntax;
    if syntax.contains("(sp)") {
        return Some(2);
    }
    if syntax.contains("({rc p})") {
        return piece
            .row
            .field("p")
            .map(|f| f.value(piece.insn) as usize + 8);
    }
    named(piece, "rs1").map(|n| n as usize)
}

/// The displacement of an access.
fn displacement(piece: &Piece) -> i64 {
    match named(piece, "imm") {
        Some(i) if piece.table == COMPRESSED => i as i64,
        Some(i) => (i as i64) << 52 >> 52,
        None => 0,
    }
}

/// It leaves the runtime's register alone.
fn usable(piece: &Piece) -> bool {
    let float = piece.table == FLOAT;
    let to_float = float && !piece.row.syntax.contains(" {d}");
    let d = named(piece, "rd").or_else(|| named(piece, "r"));
    let writes = d == Some(RESERVED) && !to_float;
    // c.addi16sp and the like have no field for what they write. Behind an AMOCAS into x0 the reference reads other
    // numbers than 0 from x0.
    let zero = piece.row.syntax.starts_with("amocas") && d == Some(0);
    !writes && !zero
}

impl Riscv {
    fn piece(&self, rng: &mut Rng, table: usize) -> Option<Piece> {
        // What instructions write has to be read by others: few registers.
        let few = rng.one_in(2);
        let mut reg = || {
            if few {
                10 + rng.below(4) as u64
            } else {
                rng.next() & 31
            }
        };
        let fixed = [("rd", reg()), ("rs1", reg()), ("rs2", reg())];
        let given: &[(&str, u64)] = if rng.one_in(4) { &[] } else { &fixed };
        let (row, insn) = self.tables[table].pick(rng, given)?;
        let piece = Piece {
            table,
            row,
            insn,
            extra: 0,
        };
        (usable(&piece) && !branch(&piece)).then_some(piece)
    }

    /// A branch over some of the pieces that follow: they have 4 bytes each.
    fn branch(&self, rng: &mut Rng) -> Option<Piece> {
        let name = rng.choose(&["beq", "bne", "blt", "bge", "bltu", "bgeu"]);
        let (row, insn) = self.tables[BASE].pick_row(rng, name, &[("imm", 8)])?;
        Some(Piece {
            table: BASE,
            row,
            insn,
            extra: 1,
        })
    }

    /// The store-conditional that fits a load-reserved.
    fn paired(&self, rng: &mut Rng, load: &Piece) -> Option<Piece> {
        let name = match load.row.handler() {
            "lr_w" => "sc_w",
            "lr_d" => "sc_d",
            _ => return None,
        };
        let fixed = [("rs1", named(load, "rs1")?)];
        let (row, insn) = self.tables[BASE].pick_row(rng, name, &fixed)?;
        let piece = Piece { row, insn, ..*load };
        (usable(&piece) && named(load, "rd") != named(load, "rs1")).then_some(piece)
    }

    /// A case that starts with an instruction of this table.
    pub fn random_case(&self, rng: &mut Rng, table: usize) -> Option<Case> {
        if table == COMPRESSED && !self.features.has(Feature::C)
            || table == FLOAT && !self.features.has(Feature::D)
        {
            return None;
        }
        let mut mixes = vec![table, BASE];
        mixes.extend(self.features.has(Feature::C).then_some(COMPRESSED));
        mixes.extend(self.features.has(Feature::D).then_some(FLOAT));
        let mut pieces = vec![self.piece(rng, table)?];
        pieces.extend(self.paired(rng, &pieces[0]));
        let count = 1 + rng.below(6);
        for _ in 0..16 * count {
            // The reference loses the inexact flag of a FROUNDNX if another rounding follows it.
            let last = pieces.last().map_or("", |p| p.row.name);
            if pieces.len() >= count || last.starts_with("froundnx") {
                break;
            }
            let table = rng.choose(&mixes);
            let Some(piece) = self.piece(rng, table) else {
                continue;
            };
            // A misaligned store-conditional ends the reference: its address must be what the case starts with.
            if piece.row.handler().starts_with("sc_") {
                continue;
            }
            if rng.one_in(8) && piece.row.width == 32 {
                pieces.extend(self.branch(rng));
            }
            pieces.push(piece);
        }
        // A branch skips exactly the instruction behind it.
        if pieces.last().is_some_and(branch) {
            pieces.pop();
        }
        let input = self.input(rng, &pieces)?;
        Some(Case { pieces, input })
    }

    /// Registers and memory.
    fn input(&self, rng: &mut Rng, pieces: &[Piece]) -> Option<Vec<u8>> {
        let wide = self.isa.cpu.is_64();
        let mut regs: [u64; 32] = std::array::from_fn(|_| rng.long());
        if !wide {
            regs = std::array::from_fn(|_| u64::from(rng.word()));
        }
        let misaligned = rng.one_in(6);
        for p in pieces.iter().rev().filter(|p| memory(p)) {
            let n = address_register(p)?;
            if n == 0 || n as u64 == RESERVED {
                return None;
            }
            let atomic = p.row.syntax.contains("aqrl");
            let mut at = CENTRE + (rng.next() & 0x1f0);
            // A misaligned store-conditional ends some emulators.
            let conditional = p.row.handler().starts_with("sc_");
            if misaligned && !atomic || atomic && !conditional && rng.one_in(16) {
                at += rng.next() & 7;
            } else if rng.one_in(2) {
                at += rng.next() & 8;
            }
            regs[n] = at.wrapping_sub(displacement(p) as u64);
            if !wide {
                regs[n] &= 0xffff_ffff;
            }
        }
        let mut input = vec![0; RECORD];
        let mut put =
            |at: usize, value: u64| input[at..at + 8].copy_from_slice(&value.to_le_bytes());
        for (n, r) in regs.iter().enumerate() {
            let own = n == 0 || n as u64 == RESERVED;
            put(X + 8 * n, if own { 0 } else { *r });
        }
        for n in 0..32 {
            let v = match rng.below(4) {
                0 => rng.double(),
                1 => 0xffff_ffff_0000_0000 | u64::from(rng.single()),
                2 => 0xffff_ffff_ffff_0000 | u64::from(rng.half()),
                _ => rng.lanes(),
            };
            put(F + 8 * n, v);
        }
        // Reserved rounding modes are rare.
        let frm = if rng.one_in(12) {
            rng.below(8)
        } else {
            rng.below(5)
        } as u64;
        let frm = if rng.one_in(2) { 0 } else { frm };
        let sticky = if rng.one_in(4) { rng.next() & 31 } else { 0 };
        put(FCSR, frm << 5 | sticky);
        for i in 0..MEM_LEN / 8 {
            put(MEM + 8 * i, rng.lanes());
        }
        Some(input)
    }
}
