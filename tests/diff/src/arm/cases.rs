//! Random cases: a few instructions with registers and memory that suit them.

use super::layout::{BRANCH_AT, Branch, COND, IN_IT, IT_FIRST, SKIP_AT, THUMB};
use super::{
    A32, Arm, CENTRE, CPSR, DREGS, FPSCR, MEM, MEM_LEN, NEON, RECORD, REGS, T16, T32, VFP,
};
use crate::guest::{Case, Piece};
use crate::pick::field;
use crate::rng::Rng;
use target_arm::decode::Feature;

/// Not allowed in an IT block.
const NOT_IN_IT: &[&str] = &["cps", "setend", "setpan", "cbz", "bkpt", "crc32", "crc32c"];

fn named(piece: &Piece, name: &str) -> Option<u64> {
    field(piece.row, piece.insn, name)
}

/// Whether it reads or writes memory.
fn memory(piece: &Piece) -> bool {
    let syntax = piece.row.syntax;
    let starts = ["ldm", "stm", "vld", "vst", "swp"];
    syntax.contains("addr")
        || syntax.contains("indirect")
        || starts.iter().any(|s| piece.row.name.starts_with(s))
}

/// Whether Linux repairs a misaligned access of this kind, which not every emulator of user mode does.
fn repaired(piece: &Piece) -> bool {
    ["ldm", "stm", "ldrd", "strd", "vld", "vst"]
        .iter()
        .any(|s| piece.row.name.starts_with(s))
}

fn exclusive(piece: &Piece) -> bool {
    let name = piece.row.handler();
    name.contains("ex") && (name.starts_with("ld") || name.starts_with("st"))
        || name.starts_with("lda")
        || name.starts_with("stl")
}

/// It writes no program counter; and what else has no defined result is not in it.
fn usable(piece: &Piece) -> bool {
    let regs = named(piece, "regs").unwrap_or(0);
    let name = piece.row.name;
    // T16 POP has R15 in a field of its own.
    let pop_pc = name == "ldm.pop" && named(piece, "e") == Some(1);
    let store = name.starts_with("str") && !exclusive(piece);
    let pc = |k: &str| named(piece, k) == Some(15);
    let writes_pc = pc("rd") || pc("rt2") || pc("rt") && !store && name != "vmrs";
    // The semihosting call of some emulators.
    let semihosting = name == "bkpt" && named(piece, "imm").is_some_and(|i| i == 0xab);
    !pop_pc && !writes_pc && regs >> 15 == 0 && !semihosting
}

impl Arm {
    /// Which tables may be mixed with one.
    fn mixes(&self, table: usize, thumb: bool) -> &'static [usize] {
        match (thumb, table, self.has(Feature::Neon)) {
            (true, T16, _) if !self.has(Feature::V6t2) => &[T16],
            (true, VFP | NEON, true) => &[T16, T32, VFP, VFP, NEON, NEON],
            (true, VFP, false) => &[T16, T32, VFP, VFP],
            (true, _, true) => &[T16, T16, T32, T32, T32, VFP, NEON],
            (true, _, false) => &[T16, T32, T32],
            (false, VFP | NEON, true) => &[A32, VFP, VFP, NEON, NEON],
            (false, VFP, false) => &[A32, VFP, VFP],
            (false, _, true) => &[A32, A32, A32, VFP, NEON],
            (false, _, false) => &[A32],
        }
    }

    fn piece(&self, rng: &mut Rng, table: usize, thumb: bool, cond: u64) -> Option<Piece> {
        // T32 has no condition field: VFP's is always there.
        let a32_cond = if thumb { 14 } else { cond };
        let (row, insn) = self.tables[table].pick(rng, &[("cond", a32_cond)])?;
        let mut extra = if thumb { THUMB } else { 0 };
        if thumb && cond != 14 {
            extra |= IN_IT | IT_FIRST | cond;
        }
        let piece = Piece {
            table,
            row,
            insn,
            extra,
        };
        let bound = thumb && cond != 14 && !self.in_it(&piece);
        (usable(&piece) && !bound).then_some(piece)
    }

    fn in_it(&self, piece: &Piece) -> bool {
        let unconditional = piece.table == VFP && piece.insn >> 28 == 15;
        self.has(Feature::V6t2) && !unconditional && !NOT_IN_IT.contains(&piece.row.handler())
    }

    /// Adds a piece to the IT block before it, if there is one.
    fn join_it(&self, rng: &mut Rng, pieces: &[Piece], piece: &mut Piece) {
        let Some(first) = pieces.iter().rposition(|p| p.extra & IT_FIRST != 0) else {
            return;
        };
        let in_block = pieces[first + 1..]
            .iter()
            .all(|p| p.extra & (IN_IT | IT_FIRST) == IN_IT);
        let plain = piece.extra >> BRANCH_AT == 0 && self.in_it(piece);
        if !in_block || pieces.len() - first >= 4 || !plain {
            return;
        }
        let cond = pieces[first].extra & COND;
        piece.extra = THUMB | IN_IT | cond ^ rng.below(2) as u64;
    }

    /// A branch over some of the pieces that follow.
    fn branch(&self, rng: &mut Rng, thumb: bool) -> Piece {
        let v6t2 = self.has(Feature::V6t2);
        let kinds: &[Branch] = match (thumb, v6t2) {
            (false, _) => &[
                Branch::Direct,
                Branch::Direct,
                Branch::Call,
                Branch::Register,
                Branch::Move,
            ],
            (true, false) => &[Branch::Short],
            (true, true) => &[
                Branch::Direct,
                Branch::Call,
                Branch::Register,
                Branch::Move,
                Branch::Short,
                Branch::CompareZero,
            ],
        };
        let kind = rng.choose(kinds);
        let cond = if rng.one_in(4) {
            14
        } else {
            rng.below(14) as u64
        };
        let (table, name) = match (thumb, kind) {
            (false, Branch::Call) => (A32, "bl"),
            (false, Branch::Register) => (A32, "bx"),
            (false, Branch::Move) => (A32, "mov_reg"),
            (false, _) => (A32, "b"),
            (true, Branch::Short) => (T16, "b_cond"),
            (true, Branch::CompareZero) => (T16, "cbz"),
            (true, Branch::Register) => (T16, "bx"),
            (true, Branch::Move) => (T16, "mov_reg.t1"),
            (true, _) => (T32, "b"),
        };
        let row = self.tables[table].row(name);
        let insn = match kind {
            Branch::CompareZero => 0xb100 | (rng.below(2) as u64) << 11 | rng.below(8) as u64,
            _ => cond,
        };
        let extra = if thumb { THUMB } else { 0 };
        Piece {
            table,
            row: row.unwrap_or(&self.tables[A32].rows[0]),
            insn,
            extra: extra | (kind as u64) << BRANCH_AT | (rng.below(4) as u64) << SKIP_AT,
        }
    }

    /// The exclusive store that fits an exclusive load.
    fn paired(&self, rng: &mut Rng, load: &Piece) -> Option<Piece> {
        let name = load.row.handler();
        let store = match name.strip_prefix("ldrex") {
            Some(size) => format!("strex{size}"),
            None => format!("stlex{}", name.strip_prefix("ldaex")?),
        };
        let mut fixed = vec![("rn", named(load, "rn")?), ("cond", 14)];
        fixed.extend(named(load, "imm").map(|i| ("imm", i)));
        let (row, insn) = self.tables[load.table].pick_row(rng, &store, &fixed)?;
        let piece = Piece {
            row,
            insn,
            extra: load.extra & THUMB,
            ..*load
        };
        usable(&piece).then_some(piece)
    }

    /// A case that starts with an instruction of this table.
    pub fn random_case(&self, rng: &mut Rng, table: usize) -> Option<Case> {
        let thumb = match table {
            T16 | T32 => true,
            VFP | NEON => self.has(Feature::V6t2) && rng.one_in(3),
            _ => false,
        };
        let cond = if rng.one_in(3) {
            rng.below(14) as u64
        } else {
            14
        };
        let mut pieces = vec![self.piece(rng, table, thumb, cond)?];
        pieces.extend(self.paired(rng, &pieces[0]));
        let mixes = self.mixes(table, thumb);
        let count = 1 + rng.below(6);
        for _ in 0..16 * count {
            if pieces.len() >= count {
                break;
            }
            if rng.one_in(10) {
                pieces.push(self.branch(rng, thumb));
                continue;
            }
            let cond = match rng.below(4) {
                0 => rng.below(14) as u64,
                1 => cond,
                _ => 14,
            };
            let Some(mut piece) = self.piece(rng, rng.clone().choose(mixes), thumb, cond) else {
                rng.next();
                continue;
            };
            // It needs an operand that suits it.
            if piece.row.name == "vmsr" {
                continue;
            }
            if thumb && piece.extra & IN_IT == 0 && rng.one_in(2) {
                self.join_it(rng, &pieces, &mut piece);
            }
            pieces.push(piece);
            pieces.extend(self.paired(rng, &piece));
        }
        let input = self.input(rng, &pieces)?;
        Some(Case { pieces, input })
    }

    fn fpscr(&self, rng: &mut Rng, pieces: &[Piece]) -> u32 {
        let half = if self.has(Feature::Fullfp16) {
            1 << 19
        } else {
            0
        };
        let neon = if self.has(Feature::Neon) { 1 << 27 } else { 0 };
        let control = rng.next() as u32 & (0x7 << 22 | 3 << 25 | half | 0xf000_0000 | neon);
        let sticky = if rng.one_in(4) {
            rng.next() as u32 & 0x9f
        } else {
            0
        };
        // Short vectors, where the processor has them.
        let vector = self.has(Feature::Vfp2) && !self.has(Feature::Virt) && !self.has(Feature::V8);
        let control = match vector && rng.one_in(3) {
            // Some emulators take a stride of 2 for 4 with single precision.
            true => {
                let single = pieces.iter().any(|p| p.table == VFP && p.insn & 0x100 == 0);
                let stride = if single { 0 } else { rng.choose(&[0, 3 << 20]) };
                control | rng.next() as u32 & 7 << 16 | stride
            }
            false => control,
        };
        match rng.below(3) {
            0 => sticky,
            _ => control & !(u32::from(!self.has(Feature::Fp16)) << 26) | sticky,
        }
    }

    /// Registers and memory.
    fn input(&self, rng: &mut Rng, pieces: &[Piece]) -> Option<Vec<u8>> {
        let mut regs: [u32; 15] = std::array::from_fn(|_| rng.word());
        if pieces.iter().any(memory) {
            self.addresses(rng, pieces, &mut regs)?;
        }
        if let Some(t) = pieces
            .iter()
            .find(|p| p.row.name == "vmsr")
            .and_then(|p| named(p, "rt"))
        {
            regs[t as usize & 15] = self.fpscr(rng, pieces) | rng.next() as u32 & 0xf800_0000;
        }
        let psr = rng.next() as u32
            & if self.has(Feature::V6) {
                0xf80f_0000
            } else {
                0xf800_0000
            };
        let mut input = vec![0; RECORD];
        let mut put = |at: usize, value: u64, len: usize| {
            let le = value.to_le_bytes();
            for i in 0..len {
                input[at + i] = le[if self.big { len - 1 - i } else { i }];
            }
        };
        for (i, r) in regs.iter().enumerate() {
            put(REGS + 4 * i, u64::from(*r), 4);
        }
        put(CPSR, u64::from(psr), 4);
        put(FPSCR, u64::from(self.fpscr(rng, pieces)), 4);
        for i in 0..32 {
            put(DREGS + 8 * i, rng.lanes(), 8);
        }
        for i in 0..MEM_LEN / 8 {
            put(MEM + 8 * i, rng.lanes(), 8);
        }
        Some(input)
    }

    /// Makes the registers addresses, small numbers where they are an index.
    fn addresses(&self, rng: &mut Rng, pieces: &[Piece], regs: &mut [u32; 15]) -> Option<()> {
        let vector = pieces.iter().any(|p| p.table == NEON && memory(p));
        // Before ARMv6 unaligned words rotate, which not every emulator does.
        let rotates = !self.has(Feature::V6);
        let mask = if vector { 0x1e0 } else { 0x1f8 };
        let aligned = pieces.iter().any(|p| memory(p) && repaired(p)) || rotates;
        for r in regs.iter_mut() {
            *r = CENTRE + (rng.next() as u32 & mask);
        }
        for p in pieces.iter().filter(|p| memory(p)) {
            let imm = named(p, "imm").unwrap_or(0) as u32;
            if rotates && imm & 3 != 0 {
                return None;
            }
            let n = named(p, "rn").map(|n| n as usize);
            let index = named(p, "rm").map(|m| m as usize).filter(|m| *m < 15);
            if let Some(m) = index.filter(|m| Some(*m) != n) {
                regs[m] = rng.next() as u32 & if aligned { 0x3c } else { 0x3f };
            }
            let far = p.row.field("imm").is_some_and(|f| f.width == 12) && imm >= 0x200;
            if let (Some(n), true) = (n.filter(|n| *n < 15), far) {
                let up = named(p, "u").is_none_or(|u| u == 1);
                regs[n] = if up {
                    regs[n].wrapping_sub(imm)
                } else {
                    regs[n].wrapping_add(imm)
                };
            }
        }
        let rare = if pieces.iter().any(exclusive) { 8 } else { 3 };
        if !aligned && rng.one_in(rare) {
            for r in regs.iter_mut() {
                *r = r.wrapping_add(rng.next() as u32 & 3);
            }
        }
        Some(())
    }
}
