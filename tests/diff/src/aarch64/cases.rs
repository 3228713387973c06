//! Random cases: a few instructions with registers and memory that suit them.

use super::{
    Aarch64, BRANCH, CENTRE, DPIMM, DPREG, FP, FPCR, FPSR, LDST, MEM, MEM_LEN, NZCV, RECORD,
    RESERVED, SIMD, V, X,
};
use crate::guest::{Case, Piece};
use crate::pick::field;
use crate::rng::Rng;
use tcg_decode::rt::sext;

/// The stack pointer, where a register is an address.
const SP: usize = 31;

/// The fields op1, CRn, CRm and op2 of NZCV, FPCR and FPSR.
const SYSTEM: [[u64; 4]; 3] = [[3, 4, 2, 0], [3, 4, 4, 0], [3, 4, 4, 1]];

fn named(piece: &Piece, name: &str) -> Option<u64> {
    field(piece.row, piece.insn, name)
}

/// Log2 of the bytes of a vector register's access.
fn vector_scale(p: &Piece) -> u64 {
    let opc = named(p, "opc").unwrap_or(0);
    (opc & 2) << 1 | named(p, "size").unwrap_or(0)
}

/// What an access adds to its base register before it uses it.
fn displacement(p: &Piece) -> i64 {
    let imm = named(p, "imm").unwrap_or(0);
    let opc = named(p, "opc").unwrap_or(0);
    // Post-indexed forms use the base as it is.
    if named(p, "idx") == Some(1) {
        return 0;
    }
    match p.row.handler() {
        "ldst_uimm" => (imm << named(p, "size").unwrap_or(0)) as i64,
        "prfm_imm" => (imm << 3) as i64,
        "ldst_v_uimm" => (imm << vector_scale(p)) as i64,
        "ldp" => sext(imm, 7) << if opc == 2 { 3 } else { 2 },
        "ldp_v" => sext(imm, 7) << (2 + opc),
        "ldst_simm" | "ldst_v_simm" | "ldapur" | "prfum" => sext(imm, 9),
        _ => 0,
    }
}

/// What an index register that holds `value` adds.
fn indexed(p: &Piece, value: u64) -> u64 {
    let value = match named(p, "option") {
        Some(2) => u64::from(value as u32),
        Some(6) => value as u32 as i32 as u64,
        _ => value,
    };
    let scale = match p.row.handler() {
        "ldst_v_reg" => vector_scale(p),
        "prfm_reg" => 3,
        _ => named(p, "size").unwrap_or(0),
    };
    match named(p, "shifted") {
        Some(1) => value << scale,
        _ => value,
    }
}

/// Accesses that have to be aligned.
fn atomic(p: &Piece) -> bool {
    let names = [
        "stxr", "ldxr", "stxp", "ldxp", "casp", "cas", "stlr", "ldar", "ldapr", "ldapur", "atomic",
        "swp",
    ];
    names.contains(&p.row.handler())
}

/// Registers that are apart where the manual leaves the outcome open. [ARMv8 K1.2]
fn predictable(p: &Piece) -> bool {
    let of = |name| named(p, name);
    let (rn, rt, rt2, rs) = (of("rn"), of("rt"), of("rt2"), of("rs"));
    let writes_back = matches!(of("idx"), Some(1 | 3));
    let load = of("load") == Some(1);
    let based = |r: Option<u64>| r.is_some() && r == rn && rn != Some(SP as u64);
    match p.row.handler() {
        "ldst_simm" => !(writes_back && based(rt)),
        "ldp" => !(writes_back && (based(rt) || based(rt2)) || load && rt == rt2),
        "ldp_v" => !(load && rt == rt2),
        "ldxp" => rt != rt2,
        "stxr" | "stxp" => rs != rt && rs != rt2 && rs != rn,
        _ => true,
    }
}

/// It leaves the runtime's register alone.
fn usable(p: &Piece) -> bool {
    let is = |name: &str| named(p, name) == Some(RESERVED);
    match p.table {
        LDST => {
            let vector = p.row.name.contains("_v") || p.row.name.starts_with("ldst_m");
            let vector = vector || p.row.name.starts_with("ldst_single");
            let pair = p.row.handler() == "casp" && named(p, "rs") == Some(RESERVED - 1);
            !(is("rn") || is("rs") || pair || !vector && (is("rt") || is("rt2"))) && predictable(p)
        }
        DPIMM | BRANCH | DPREG => !(is("rd") || is("rt")),
        // Moves to general registers.
        _ => {
            let syntax = p.row.syntax;
            let general = ["{r f d}", "{w d}", "{x d}", "{r q d}", "{gpr"];
            !(is("rd")
                && (p.table == FP || general.iter().any(|g| syntax.contains(g)) || general_move(p)))
        }
    }
}

/// Moves of vector elements to general registers.
fn general_move(p: &Piece) -> bool {
    p.row.name.starts_with("umov") || p.row.name.starts_with("smov")
}

impl Aarch64 {
    fn piece(&self, rng: &mut Rng, table: usize) -> Option<Piece> {
        // What instructions write has to be read by others: few registers.
        let few = rng.one_in(2);
        let mut reg = || {
            if few {
                4 + rng.below(4) as u64
            } else {
                rng.next() & 31
            }
        };
        let names = ["rd", "rn", "rm", "ra", "rt", "rt2", "rs"];
        let mut fixed: Vec<(&str, u64)> = names.iter().map(|name| (*name, reg())).collect();
        if rng.one_in(4) {
            fixed.clear();
        }
        // Branches skip one instruction; literals are near.
        fixed.push(("off", 2));
        if table == BRANCH {
            let [op1, crn, crm, op2] = rng.choose(&SYSTEM);
            fixed.extend([
                ("o0", 1),
                ("op1", op1),
                ("crn", crn),
                ("crm", crm),
                ("op2", op2),
            ]);
        }
        let (row, insn) = self.tables[table].pick(rng, &fixed)?;
        let piece = Piece {
            table,
            row,
            insn,
            extra: 0,
        };
        usable(&piece).then_some(piece)
    }

    /// A branch over the instruction that follows.
    fn branch(&self, rng: &mut Rng) -> Option<Piece> {
        let name = rng.choose(&["cbz", "cbz.n", "tbz", "tbz.n", "b_cond", "b"]);
        let (row, insn) = self.tables[BRANCH].pick_row(rng, name, &[("off", 2)])?;
        Some(Piece {
            table: BRANCH,
            row,
            insn,
            extra: 1,
        })
    }

    /// The exclusive store that fits an exclusive load.
    fn paired(&self, rng: &mut Rng, load: &Piece) -> Option<Piece> {
        let name = match load.row.handler() {
            "ldxr" => "stxr",
            "ldxp" => "stxp",
            _ => return None,
        };
        let rn = named(load, "rn")?;
        let mut fixed = vec![("rn", rn)];
        for size in ["size", "wide"] {
            fixed.extend(named(load, size).map(|v| (size, v)));
        }
        let (row, insn) = self.tables[LDST].pick_row(rng, name, &fixed)?;
        let piece = Piece { row, insn, ..*load };
        let loaded = [named(load, "rt"), named(load, "rt2")];
        (usable(&piece) && !loaded.contains(&Some(rn))).then_some(piece)
    }

    /// A case that starts with an instruction of this table.
    pub fn random_case(&self, rng: &mut Rng, table: usize) -> Option<Case> {
        let mixes = [table, table, DPIMM, DPREG, LDST, FP, SIMD];
        let mut pieces = vec![self.piece(rng, table)?];
        pieces.extend(self.paired(rng, &pieces[0]));
        // What goes to FPCR is limited to what all models have.
        let control = |p: &Piece| p.row.name == "msr" && named(p, "crm") == Some(4);
        let count = 1 + rng.below(6);
        for _ in 0..16 * count {
            if pieces.len() >= count {
                break;
            }
            let table = rng.choose(&mixes);
            let Some(piece) = self.piece(rng, table) else {
                continue;
            };
            // What is aligned, and FPCR, must be what the case starts with.
            if control(&piece) || piece.table == LDST && atomic(&piece) {
                continue;
            }
            if rng.one_in(8) {
                pieces.extend(self.branch(rng));
            }
            pieces.push(piece);
        }
        // A branch skips what is behind it.
        if pieces
            .last()
            .is_some_and(|p| p.table == BRANCH && named(p, "off").is_some())
        {
            let (row, insn) = self.tables[DPREG].pick_row(rng, "csel", &[("rd", 1)])?;
            pieces.push(Piece {
                table: DPREG,
                row,
                insn,
                extra: 0,
            });
        }
        let input = self.input(rng, &pieces)?;
        Some(Case { pieces, input })
    }

    /// General registers: those that are addresses point near to the middle of the memory.
    fn general(&self, rng: &mut Rng, pieces: &[Piece]) -> Option<[u64; 32]> {
        let mut regs: [u64; 32] = std::array::from_fn(|_| rng.long());
        regs[SP] = CENTRE;
        let misaligned = rng.one_in(4);
        for p in pieces.iter().rev().filter(|p| p.table == LDST) {
            let Some(n) = named(p, "rn").map(|n| n as usize) else {
                continue;
            };
            let mut at = CENTRE + (rng.next() & 0xf0);
            // A misaligned stack pointer is another fault.
            if n == SP {
            } else if misaligned && !atomic(p) || atomic(p) && rng.one_in(32) {
                at += rng.next() & 15;
            } else if rng.one_in(2) && !matches!(p.row.handler(), "stxp" | "ldxp" | "casp") {
                at += rng.next() & 8;
            }
            let mut base = at.wrapping_sub(displacement(p) as u64);
            let index = named(p, "rm").filter(|_| p.row.name.contains("_reg"));
            if let Some(m) = index.map(|m| m as usize).filter(|m| *m != SP) {
                if m == n || m as u64 == RESERVED {
                    return None;
                }
                base = base.wrapping_sub(indexed(p, regs[m]));
            }
            regs[n] = base;
        }
        // FPCR without trap enables and alternative behaviour.
        if let [p, ..] = pieces
            && p.row.name == "msr"
        {
            regs[named(p, "rt")? as usize] &= !0x1f07;
        }
        regs[RESERVED as usize] = 0;
        Some(regs)
    }

    /// Registers and memory.
    fn input(&self, rng: &mut Rng, pieces: &[Piece]) -> Option<Vec<u8>> {
        let regs = self.general(rng, pieces)?;
        let mut input = vec![0; RECORD];
        let mut put = |at: usize, value: u64| input[at..at + 8].copy_from_slice(&self.bytes(value));
        for (n, r) in regs.iter().enumerate() {
            put(X + 8 * n, *r);
        }
        put(NZCV, (rng.next() & 15) << 28);
        // Alternative halves, default NaNs, flushing to zero of both kinds, rounding.
        let control = match rng.below(3) {
            0 => rng.next() & 0x07c8_0000,
            1 => rng.next() & 0x00c0_0000,
            _ => 0,
        };
        put(FPCR, control);
        let sticky = if rng.one_in(4) {
            rng.next() & 0x0800_009f
        } else {
            0
        };
        put(FPSR, sticky);
        for n in 0..64 {
            put(V + 8 * n, rng.lanes());
        }
        for i in 0..MEM_LEN / 8 {
            put(MEM + 8 * i, rng.lanes());
        }
        Some(input)
    }
}
