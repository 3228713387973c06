//! A look at the instructions behind a direct exit: flags that they overwrite before anybody could see them
//! need not be stored. The look ends at whatever may fault, trap, branch, or is conditional: there the guest
//! sees its flags.

use tcg_ir::{Block, ExitKind};

use super::fetch::Fetcher;
use crate::state::Mode;

/// Instructions looked at behind one exit.
const DEPTH: usize = 4;

// Bits as the first slots of `StateLayout::peek`.
const N: u32 = 1;
const Z: u32 = 2;
const C: u32 = 4;
const V: u32 = 8;
const NZ: u32 = N | Z;
const ALL: u32 = N | Z | C | V;

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
pub(super) fn mark_dead_flags(block: &mut Block, fetcher: &mut Fetcher<'_, '_>) {
    for exit in &mut block.exits {
        if exit.kind == ExitKind::Direct && Mode(exit.mode).it() == 0 {
            exit.dead = dead_flags(exit.pc, fetcher);
        }
    }
}

fn dead_flags(pc: u64, fetcher: &mut Fetcher<'_, '_>) -> u32 {
    let thumb = pc & 1 != 0;
    let mut pc = pc as u32 & !1;
    let (mut read, mut dead) = (0, 0);
    for _ in 0..DEPTH {
        let Ok((insn, len)) = fetcher.insn(pc, thumb) else {
            break;
        };
        let found = match (thumb, len) {
            (false, _) => a32(insn),
            (true, 2) => t16(insn),
            (true, _) => None,
        };
        let Some(Effect { reads, writes }) = found else {
            break;
        };
        read |= reads & !dead;
        dead |= writes & !read;
        if read | dead == ALL {
            break;
        }
        pc = pc.wrapping_add(len);
    }
    dead
}

/// Unconditional data processing that does not write R15. [ARMv7 A5.2]
const fn a32(insn: u32) -> Option<Effect> {
    let imm = insn >> 25 & 7 == 1;
    let register = insn >> 25 & 7 == 0 && insn & 0x90 != 0x90;
    if insn >> 28 != 14 || !(imm || register) || insn >> 12 & 15 == 15 {
        return None;
    }
    let (op, s) = (insn >> 21 & 15, insn >> 20 & 1 != 0);
    if op >= 8 && op <= 11 && !s {
        return None;
    }
    // The carry that the shifter reads, and whether it always makes one.
    let (shifter_reads, carry) = if imm {
        (0, insn >> 8 & 15 != 0)
    } else if insn & 0x10 != 0 {
        (C, false)
    } else {
        let rrx = insn >> 5 & 3 == 3 && insn >> 7 & 31 == 0;
        (if rrx { C } else { 0 }, insn >> 5 & 0x7f != 0)
    };
    let logical = matches!(op, 0 | 1 | 8 | 9 | 12..=15);
    let reads = shifter_reads | if matches!(op, 5..=7) { C } else { 0 };
    let writes = match (s, logical) {
        (false, _) => 0,
        (true, false) => ALL,
        (true, true) if carry => NZ | C,
        (true, true) => NZ,
    };
    effect(reads, writes)
}

/// The same in 16-bit T32, outside of IT blocks. [ARMv7 A6.2]
const fn t16(insn: u32) -> Option<Effect> {
    match insn >> 10 {
        // LSL by immediate: by 0 it keeps C.
        0 | 1 => effect(0, if insn >> 6 & 31 == 0 { NZ } else { NZ | C }),
        2..=5 => effect(0, NZ | C),
        6 | 7 => effect(0, ALL),
        8 | 9 => effect(0, NZ),
        10..=15 => effect(0, ALL),
        16 => match insn >> 6 & 15 {
            2 | 3 | 4 | 7 => effect(C, NZ),
            5 | 6 => effect(C, ALL),
            9..=11 => effect(0, ALL),
            _ => effect(0, NZ),
        },
        17 => match insn >> 8 & 3 {
            1 => effect(0, ALL),
            0 | 2 if insn & 0x87 != 0x87 => effect(0, 0),
            _ => None,
        },
        // ADR, ADD from SP.
        40..=43 => effect(0, 0),
        // ADD and SUB of SP; extension. CBZ has bit 8 set.
        44 if insn >> 8 == 0xb0 || insn >> 8 == 0xb2 => effect(0, 0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a32_effects() {
        assert_eq!(a32(0xe350_0000), effect(0, ALL)); // cmp r0, #0
        assert_eq!(a32(0xe0b1_1002), effect(C, ALL)); // adcs r1, r1, r2
        assert_eq!(a32(0xe1b0_0001), effect(0, NZ)); // movs r0, r1
        assert_eq!(a32(0xe1b0_0081), effect(0, NZ | C)); // lsls r0, r1, #1
        assert_eq!(a32(0xe1b0_0061), effect(C, NZ | C)); // rrxs r0, r1
        assert_eq!(a32(0xe1b0_0211), effect(C, NZ)); // lsls r0, r1, r2
        assert_eq!(a32(0xe3a0_0001), effect(0, 0)); // mov r0, #1
        assert_eq!(a32(0xe591_0000), None); // ldr r0, [r1]
        assert_eq!(a32(0x0350_0000), None); // cmpeq r0, #0
        assert_eq!(a32(0xe1a0_f00e), None); // mov pc, lr
        assert_eq!(a32(0xe10f_0000), None); // mrs r0, cpsr
        assert_eq!(a32(0xe320_f000), None); // nop
    }

    #[test]
    fn t16_effects() {
        assert_eq!(t16(0x2800), effect(0, ALL)); // cmp r0, #0
        assert_eq!(t16(0x4148), effect(C, ALL)); // adcs r0, r1
        assert_eq!(t16(0x4088), effect(C, NZ)); // lsls r0, r1
        assert_eq!(t16(0x4608), effect(0, 0)); // mov r0, r1
        assert_eq!(t16(0x46f7), None); // mov pc, lr
        assert_eq!(t16(0xb100), None); // cbz r0
        assert_eq!(t16(0xbf08), None); // it eq
        assert_eq!(t16(0x6808), None); // ldr r0, [r1]
    }
}
