//! A look at the instructions behind a direct exit: flags that they overwrite before anybody could see them need
//! not be stored. The look ends at whatever may fault, trap or branch: there the guest sees its flags.

use tcg_ir::{Block, ExitKind};

use super::fetch::Fetcher;

/// Instructions looked at behind one exit.
const DEPTH: usize = 8;

// Bits as the slots of `StateLayout::peek`.
const C: u32 = 4;
const ALL: u32 = 15;

/// What a harmless instruction does to the flags: those it reads, those it writes.
type Effect = (u32, u32);

/// Fills in the dead flags of all direct exits.
pub(super) fn mark_dead_flags(block: &mut Block, fetcher: &mut Fetcher<'_, '_>) {
    for exit in &mut block.exits {
        if exit.kind == ExitKind::Direct {
            exit.dead = dead_flags(exit.pc, fetcher);
        }
    }
}

fn dead_flags(mut pc: u64, fetcher: &mut Fetcher<'_, '_>) -> u32 {
    let (mut read, mut dead) = (0, 0);
    for _ in 0..DEPTH {
        let Ok(insn) = fetcher.insn(pc) else {
            break;
        };
        let Some((reads, writes)) = effect(insn) else {
            break;
        };
        read |= reads & !dead;
        dead |= writes & !read;
        if read | dead == ALL {
            break;
        }
        pc = pc.wrapping_add(4);
    }
    dead
}

/// The flags that a condition looks at.
const fn of_condition(cond: u32) -> u32 {
    match cond >> 1 {
        0 => 2,
        1 => C,
        2 => 1,
        3 => 8,
        4 => C | 2,
        5 => 1 | 8,
        6 => 1 | 2 | 8,
        _ => 0,
    }
}

/// Data processing of core registers that always completes. [ARMv8 C4.1.2, C4.1.5]
const fn effect(insn: u32) -> Option<Effect> {
    let s = insn >> 29 & 1 != 0;
    let arithmetic = if s { ALL } else { 0 };
    let logical = if insn >> 29 & 3 == 3 { ALL } else { 0 };
    match insn >> 24 & 0x1f {
        // ADR, ADRP; ADD and SUB immediate.
        0x10 => Some((0, 0)),
        0x11 if insn >> 23 & 1 == 0 => Some((0, arithmetic)),
        // Logical immediate (reserved ones are undefined), MOVN to MOVK; bit fields.
        0x12 if insn >> 23 & 1 == 0 => match crate::decode::bitmask(
            insn >> 31 != 0,
            insn >> 22 & 1 != 0,
            insn >> 16 & 63,
            insn >> 10 & 63,
        ) {
            Some(_) => Some((0, logical)),
            None => None,
        },
        0x12 if insn >> 29 & 3 != 1 && (insn >> 31 != 0 || insn >> 22 & 1 == 0) => Some((0, 0)),
        // Logical and arithmetic on shifted registers; the 32-bit forms shift by less than 32.
        0x0a if insn >> 31 != 0 || insn >> 15 & 1 == 0 => Some((0, logical)),
        0x0b if insn >> 21 & 1 == 0
            && insn >> 22 & 3 != 3
            && (insn >> 31 != 0 || insn >> 15 & 1 == 0) =>
        {
            Some((0, arithmetic))
        }
        0x1a => match insn >> 21 & 7 {
            // ADC and SBC; conditional compare; conditional select.
            0 if insn >> 10 & 63 == 0 => Some((C, arithmetic)),
            2 if s && insn >> 10 & 1 == 0 && insn >> 4 & 1 == 0 => {
                Some((of_condition(insn >> 12 & 15), ALL))
            }
            4 if !s && insn >> 11 & 1 == 0 => Some((of_condition(insn >> 12 & 15), 0)),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects() {
        assert_eq!(effect(0xf100_001f), Some((0, ALL))); // cmp x0, #0
        assert_eq!(effect(0xeb01_001f), Some((0, ALL))); // cmp x0, x1
        assert_eq!(effect(0x8b01_0000), Some((0, 0))); // add x0, x0, x1
        assert_eq!(effect(0xd280_0020), Some((0, 0))); // mov x0, #1
        assert_eq!(effect(0x9a81_0000), Some((2, 0))); // csel x0, x0, x1, eq
        assert_eq!(effect(0xba01_0000), Some((C, ALL))); // adcs x0, x0, x1
        assert_eq!(effect(0xea01_001f), Some((0, ALL))); // tst x0, x1
        assert_eq!(effect(0xf940_0000), None); // ldr x0, [x0]
        assert_eq!(effect(0x5400_0000), None); // b.eq
        assert_eq!(effect(0xd65f_03c0), None); // ret
    }
}
