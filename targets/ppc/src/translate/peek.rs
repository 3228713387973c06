//! A look at the instructions behind a direct exit: CR fields and carries that they overwrite before anybody could
//! see them need not be stored. The look ends at whatever may fault, trap or branch: there the guest sees them.

use tcg_ir::{Block, ExitKind};

use super::fetch::Fetcher;

/// Instructions looked at behind one exit.
const DEPTH: usize = 6;

// Bits as the slots of `StateLayout::peek`: fields 0, 1, 5, 6, 7 of CR, then CA, CA32.
const CA: u32 = 1 << 20 | 1 << 21;
const SEEN: u32 = 0x00ff_ffff;

/// The bits of a CR field; 0 for those that are not looked at.
const fn field(n: u32) -> u32 {
    match n {
        0 => 0xf,
        1 => 0xf0,
        5 => 0xf00,
        6 => 0xf000,
        7 => 0xf_0000,
        _ => 0,
    }
}

/// What a harmless instruction does to the flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Effect {
    reads: u32,
    writes: u32,
}

const fn effect(reads: u32, writes: u32) -> Option<Effect> {
    Some(Effect { reads, writes })
}

/// Fills in the dead flags of all direct exits.
pub(super) fn mark_dead_flags(block: &mut Block, fetcher: &mut Fetcher<'_, '_>, isa300: bool) {
    for exit in &mut block.exits {
        if exit.kind == ExitKind::Direct && !exit.mode_dynamic {
            exit.dead = dead_flags(exit.pc, fetcher, isa300);
        }
    }
}

fn dead_flags(mut pc: u64, fetcher: &mut Fetcher<'_, '_>, isa300: bool) -> u32 {
    let (mut read, mut dead) = (0, 0);
    for _ in 0..DEPTH {
        let Some(Effect { reads, writes }) = fetcher.insn(pc).ok().and_then(|i| look(i, isa300))
        else {
            break;
        };
        read |= reads & !dead;
        dead |= writes & !read;
        if read | dead == SEEN {
            break;
        }
        pc = pc.wrapping_add(4);
    }
    dead
}

/// Fixed-point computation and comparison. Record forms read SO, which is not among the flags here.
const fn look(insn: u32, isa300: bool) -> Option<Effect> {
    let rec = if insn & 1 != 0 { field(0) } else { 0 };
    // CA32 is not written before 3.0, but nobody reads it there.
    let ca = if isa300 { CA } else { CA & !(1 << 21) };
    match insn >> 26 {
        7 | 14 | 15 | 24..=27 => effect(0, 0),
        8 | 12 => effect(0, ca),
        13 => effect(0, ca | field(0)),
        10 | 11 => effect(0, field(insn >> 23 & 7)),
        20..=23 => effect(0, rec),
        28 | 29 => effect(0, field(0)),
        31 => look31(insn, rec, ca),
        _ => None,
    }
}

const fn look31(insn: u32, rec: u32, ca: u32) -> Option<Effect> {
    match insn >> 1 & 0x3ff {
        0 | 32 => effect(0, field(insn >> 23 & 7)),
        // and, or and their kin, shifts, sign extension, counts of zeros.
        28 | 60 | 124 | 284 | 316 | 412 | 444 | 476 | 24 | 536 | 27 | 539 | 922 | 954 | 986
        | 26 | 58 => effect(0, rec),
        792 | 824 | 794 | 826 | 827 => effect(0, rec | ca),
        // add, subf, neg, products: without OE.
        266 | 40 | 104 | 235 | 233 | 75 | 11 | 73 | 9 => effect(0, rec),
        10 | 8 => effect(0, rec | ca),
        138 | 136 | 202 | 200 | 234 | 232 => effect(CA, rec | ca),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_of_comparisons_and_records() {
        assert_eq!(look(0x2c03_0000, true), effect(0, field(0))); // cmpwi r3,0
        assert_eq!(look(0x2f83_0000, true), effect(0, field(7))); // cmpwi cr7,r3,0
        assert_eq!(look(0x7c63_2215, true), effect(0, field(0))); // add. r3,r3,r4
        assert_eq!(look(0x7c63_2114, true), effect(CA, CA)); // adde r3,r3,r4
        assert_eq!(look(0x8064_0000, true), None); // lwz r3,0(r4)
        assert_eq!(look(0x4e80_0020, true), None); // blr
        assert_eq!(look(0x7c00_0026, true), None); // mfcr r0
    }
}
