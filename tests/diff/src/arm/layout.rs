//! Instructions of a case as halfwords: Thumb forms, IT instructions, branches within the case.

use crate::guest::{Case, Piece};
use target_arm::Arm as Cpu;
use tcg_decode::rt::RowInfo;

/// `Piece::extra`: the condition that an IT block gives, in bits 0 to 3, if [`IN_IT`].
pub const COND: u64 = 15;
/// In an IT block.
pub const IN_IT: u64 = 1 << 4;
/// The first of its IT block.
pub const IT_FIRST: u64 = 1 << 5;
/// The piece is in Thumb state.
pub const THUMB: u64 = 1 << 6;
/// A branch of this kind (see [`Branch`]) in bits 8 to 11; how many pieces it skips in bits 12 to 15.
pub const BRANCH_AT: u32 = 8;
/// How many pieces a branch skips.
pub const SKIP_AT: u32 = 12;

/// A branch forward within the case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Branch {
    /// B, in Thumb state of 32 bits; `insn` is the condition.
    Direct = 1,
    /// BL.
    Call,
    /// The address to R12, and BX there.
    Register,
    /// The address to R12, and MOV PC there.
    Move,
    /// T16 B with condition `insn`.
    Short,
    /// T16 CBZ or CBNZ, `insn` without the offset.
    CompareZero,
}

impl Branch {
    const ALL: [Branch; 6] = [
        Branch::Direct,
        Branch::Call,
        Branch::Register,
        Branch::Move,
        Branch::Short,
        Branch::CompareZero,
    ];

    fn of(piece: &Piece) -> Option<Branch> {
        let n = (piece.extra >> BRANCH_AT & 15) as usize;
        n.checked_sub(1).and_then(|n| Branch::ALL.get(n)).copied()
    }

    /// Halfwords that it takes.
    const fn halves(self) -> usize {
        match self {
            Branch::Direct | Branch::Call => 2,
            // The second one is padded to 32 bits.
            Branch::Register | Branch::Move => 4,
            Branch::Short => 1,
            // CBZ cannot jump to the next halfword.
            Branch::CompareZero => 2,
        }
    }

    /// The code, from `at` to `target`.
    fn code(self, insn: u32, thumb: bool, at: u32, target: u32) -> Vec<u16> {
        let ahead = target.wrapping_sub(at);
        let word = |w: u32| vec![w as u16, (w >> 16) as u16];
        if !thumb {
            let offset = ahead.wrapping_sub(8) >> 2 & 0x00ff_ffff;
            let address = word(0xe28f_c000 | ahead.wrapping_sub(8) & 0xff);
            return match self {
                Branch::Call => word(0xeb00_0000 | offset),
                Branch::Register => [address, word(0xe12f_ff1c)].concat(),
                Branch::Move => [address, word(0xe1a0_f00c)].concat(),
                _ => word(insn << 28 | 0x0a00_0000 | offset),
            };
        }
        let half = ahead.wrapping_sub(4) >> 1;
        let low = half as u16 & 0x7ff;
        // The address is from the aligned program counter; bit 0 stays in Thumb state.
        let address = target.wrapping_sub((at + 4) & !3) as u16 | 1;
        match self {
            Branch::Direct if insn == 14 => vec![0xf000, 0xb800 | low],
            Branch::Direct => vec![0xf000 | (insn as u16) << 6, 0x8000 | low],
            Branch::Call => vec![0xf000, 0xf800 | low],
            Branch::Register => vec![0xf20f, 0x0c00 | address, 0x4760, 0xbf00],
            Branch::Move => vec![0xf20f, 0x0c00 | address, 0x46e7, 0xbf00],
            Branch::Short if insn == 14 => vec![0xe000 | low],
            Branch::Short => vec![0xd000 | (insn as u16) << 8 | low & 0xff],
            Branch::CompareZero => {
                vec![insn as u16 | (low & 0x20) << 4 | (low & 0x1f) << 3, 0xbf00]
            }
        }
    }
}

/// The T32 form of an A32 instruction of VFP or Advanced SIMD. [ARMv7 A7.1]
fn thumb_form(insn: u32) -> u32 {
    match insn >> 24 {
        0xf2 => insn & 0x00ff_ffff | 0xef00_0000,
        0xf3 => insn & 0x00ff_ffff | 0xff00_0000,
        0xf4 => insn & 0x00ff_ffff | 0xf900_0000,
        _ => insn,
    }
}

/// The IT instruction of the block that starts at `pieces[0]`.
fn it(pieces: &[Piece]) -> u16 {
    let first = (pieces[0].extra & COND) as u16;
    let rest = pieces[1..]
        .iter()
        .take_while(|p| p.extra & (IN_IT | IT_FIRST) == IN_IT)
        .take(3);
    let mut mask = 0;
    let mut bit = 3;
    for p in rest {
        mask |= ((p.extra & 1) as u16) << bit;
        bit -= 1;
    }
    0xbf00 | first << 4 | mask | 1 << bit
}

fn wide(row: &RowInfo) -> bool {
    row.width == 32
}

/// Halfwords of a piece with its IT instruction.
fn length(piece: &Piece) -> usize {
    let own = match Branch::of(piece) {
        Some(b) => b.halves(),
        None => 1 + usize::from(wide(piece.row)),
    };
    own + usize::from(piece.extra & IT_FIRST != 0)
}

/// Whether the case starts in Thumb state.
pub fn thumb(case: &Case) -> bool {
    case.pieces.first().is_some_and(|p| p.extra & THUMB != 0)
}

/// The halfwords of each piece, at `at`.
pub fn pieces(case: &Case, at: u32) -> Vec<Vec<u16>> {
    let mut starts = vec![at];
    for p in &case.pieces {
        // A32 branches take whole words in any case.
        let state = p.extra & THUMB != 0;
        let halves = if state { length(p) } else { length(p).max(2) };
        starts.push(starts[starts.len() - 1] + 2 * halves as u32);
    }
    let code = |(i, p): (usize, &Piece)| {
        let mut out = Vec::new();
        if p.extra & IT_FIRST != 0 {
            out.push(it(&case.pieces[i..]));
        }
        let state = p.extra & THUMB != 0;
        let insn = p.insn as u32;
        if let Some(branch) = Branch::of(p) {
            let to = (i + 1 + (p.extra >> SKIP_AT & 15) as usize).min(case.pieces.len());
            out.extend(branch.code(insn, state, starts[i], starts[to]));
            return out;
        }
        let simd = p.table == super::VFP || p.table == super::NEON;
        let insn = if state && simd {
            thumb_form(insn)
        } else {
            insn
        };
        let (low, high) = (insn as u16, (insn >> 16) as u16);
        match (state, wide(p.row)) {
            (false, _) => out.extend([low, high]),
            (true, true) => out.extend([high, low]),
            (true, false) => out.push(low),
        }
        out
    };
    case.pieces.iter().enumerate().map(code).collect()
}

/// One line for each piece.
pub fn text(cpu: &Cpu, case: &Case, at: u32) -> Vec<String> {
    use tcg_target::Isa;
    let mut pc = at;
    let mut out = Vec::new();
    for (piece, halves) in case.pieces.iter().zip(pieces(case, at)) {
        let bytes: Vec<u8> = halves.iter().flat_map(|h| h.to_le_bytes()).collect();
        let state = u64::from(piece.extra & THUMB != 0);
        let mut done = 0;
        let mut words = Vec::new();
        while done < bytes.len() {
            let here = u64::from(pc) + done as u64;
            let (text, len) = cpu.disassemble(here | state, 0, &bytes[done..]);
            words.push(text);
            done += len.max(2);
        }
        let hex: Vec<String> = halves.iter().map(|h| format!("{h:04x}")).collect();
        out.push(format!(
            "{pc:08x} {:20} {} ({})",
            hex.join(" "),
            words.join("; "),
            piece.row.name
        ));
        pc += bytes.len() as u32;
    }
    out
}
