//! How an instruction behaves under a condition: chosen from the encoding before it is translated.

/// How a conditional instruction is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Always computed; results are selected. Cannot leave the block except by a trap without operand.
    Plain,
    /// The same, but it may leave the block, or it handles the condition itself.
    Exits,
    /// In a predicated region.
    Region,
    /// In a predicated region of its own: it calls a helper that touches the state.
    Calls,
    /// In a predicated region that ends by leaving the block.
    Leaves,
}

/// What is done by a helper on the state: late VFP conversions, Advanced SIMD in the space of coprocessors 8, 12 and 13,
/// VQRDMLAH and VQRDMLSH, conversion to bfloat16 (all in the bits that A32 and T32 have in common), the counter.
const fn calls(insn: u32) -> bool {
    let late = matches!(insn >> 8 & 0xf, 8 | 12 | 13) && matches!(insn >> 24, 0xfc..=0xfe);
    let jcvt = insn & 0x0fbf_0fd0 == 0x0eb9_0bc0;
    let bf16 = insn & 0x0fbf_0f50 == 0x0eb3_0940;
    let mrrc = insn & 0x0ff0_0f00 == 0x0c50_0f00;
    late || jcvt || bf16 || mrrc
}

/// The same among T32's Advanced SIMD data processing.
const fn simd_calls(insn: u32) -> bool {
    let rdml = matches!(insn & 0xff80_0f10, 0xff00_0b10 | 0xff00_0c10);
    let rdml_lane = insn & 0xef80_0e50 == 0xef80_0e40;
    let bf16 = insn & 0xffbf_0fd0 == 0xffb6_0640;
    rdml || rdml_lane || bf16
}

/// VMSR FPSCR: it may change the block mode.
const fn is_vmsr_fpscr(insn: u32) -> bool {
    insn & 0x0fff_0fff == 0x0ee1_0a10
}

/// The style of an A32 instruction.
pub(super) fn a32(insn: u32) -> Style {
    let bit = |n: u32| insn >> n & 1 != 0;
    let rd = insn >> 12 & 15;
    if is_vmsr_fpscr(insn) {
        return Style::Leaves;
    }
    if calls(insn) {
        return Style::Calls;
    }
    match insn >> 25 & 7 {
        0 if insn & 0x90 == 0x90 => match (insn & 0x60, bit(24)) {
            (0, false) => Style::Plain,
            // STREX and its kin have a region of their own.
            (0, true) if bit(23) && !bit(20) => Style::Exits,
            _ => Style::Region,
        },
        // BLX (register).
        0 if insn & 0x0ff0_00f0 == 0x0120_0030 => Style::Leaves,
        // BX, BXJ, BKPT, MSR.
        0 | 1 if insn & 0x0190_0000 == 0x0100_0000 && bit(21) => Style::Exits,
        0 | 1 if rd == 15 => Style::Exits,
        0 | 1 => Style::Plain,
        3 if bit(4) => Style::Plain,
        2 | 3 if bit(20) && rd == 15 => Style::Leaves,
        4 if bit(20) && bit(15) => Style::Leaves,
        2..=4 => Style::Region,
        5 if bit(24) => Style::Leaves,
        5 => Style::Exits,
        7 if bit(24) => Style::Exits,
        _ => Style::Region,
    }
}

/// The style of a 16-bit T32 instruction.
pub(super) fn t16(insn: u32) -> Style {
    match insn >> 8 {
        0x47 if insn & 0x80 != 0 => Style::Leaves,
        0x44 | 0x46 if insn & 0x87 == 0x87 => Style::Exits,
        0x44..=0x46 => Style::Plain,
        0x48..=0x9f | 0xb4 | 0xb5 | 0xbc | 0xc0..=0xcf => Style::Region,
        0xbd => Style::Leaves,
        0x47 | 0xb1 | 0xb3 | 0xb6 | 0xb9 | 0xba | 0xbb | 0xbe | 0xd0..=0xe7 => Style::Exits,
        _ => Style::Plain,
    }
}

/// The style of a 32-bit T32 instruction.
pub(super) fn t32(insn: u32) -> Style {
    let bit = |n: u32| insn >> n & 1 != 0;
    if is_vmsr_fpscr(insn) {
        return Style::Leaves;
    }
    if calls(insn) || simd_calls(insn) {
        return Style::Calls;
    }
    match insn >> 25 & 0xf {
        // Load and store multiple.
        0b0100 if !bit(22) => {
            if bit(20) && bit(15) {
                Style::Leaves
            } else {
                Style::Region
            }
        }
        // TBB and TBH; STREX and its kin.
        0b0100 if insn & 0x0ff0_00e0 == 0x08d0_0000 => Style::Leaves,
        0b0100 if insn & 0x0ff0_0000 == 0x0840_0000 || insn & 0x0ff0_0040 == 0x08c0_0040 => {
            Style::Exits
        }
        0b0100 => Style::Region,
        0b0101 => Style::Plain,
        0b0110 | 0b0111 | 0b1110 | 0b1111 => Style::Region,
        0b1000..=0b1011 if bit(15) => {
            if bit(14) {
                Style::Leaves
            } else {
                Style::Exits
            }
        }
        0b1000..=0b1011 => Style::Plain,
        // Loads and stores of one item; a word load to the program counter.
        0b1100 if insn & 0x0170_0000 == 0x0050_0000 && insn >> 12 & 15 == 15 => Style::Leaves,
        0b1100 => Style::Region,
        _ => Style::Plain,
    }
}
