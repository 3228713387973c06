//! System registers that a program at EL0 can read or write, and the identification registers that Linux answers
//! for it. [ARMv8 D17; Linux Documentation/arch/arm64/cpu-feature-registers.rst]

use crate::decode::Feature;
use crate::features::CpuModel;

/// The number of a register as its five fields are packed in the decode table.
pub const fn number(op0: u32, op1: u32, crn: u32, crm: u32, op2: u32) -> u32 {
    op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2
}

/// NZCV.
pub const NZCV: u32 = number(3, 3, 4, 2, 0);
/// DAIF: not accessible at EL0 under Linux.
pub const DAIF: u32 = number(3, 3, 4, 2, 1);
/// DIT.
pub const DIT: u32 = number(3, 3, 4, 2, 5);
/// SSBS.
pub const SSBS: u32 = number(3, 3, 4, 2, 6);
/// FPCR.
pub const FPCR: u32 = number(3, 3, 4, 4, 0);
/// FPSR.
pub const FPSR: u32 = number(3, 3, 4, 4, 1);
/// TPIDR_EL0.
pub const TPIDR_EL0: u32 = number(3, 3, 13, 0, 2);
/// TPIDRRO_EL0.
pub const TPIDRRO_EL0: u32 = number(3, 3, 13, 0, 3);
/// CTR_EL0.
pub const CTR_EL0: u32 = number(3, 3, 0, 0, 1);
/// DCZID_EL0.
pub const DCZID_EL0: u32 = number(3, 3, 0, 0, 7);
/// CNTFRQ_EL0.
pub const CNTFRQ_EL0: u32 = number(3, 3, 14, 0, 0);
/// CNTPCT_EL0.
pub const CNTPCT_EL0: u32 = number(3, 3, 14, 0, 1);
/// CNTVCT_EL0.
pub const CNTVCT_EL0: u32 = number(3, 3, 14, 0, 2);
/// CNTVCTSS_EL0.
pub const CNTVCTSS_EL0: u32 = number(3, 3, 14, 0, 6);

/// Log2 of the words that DC ZVA clears: 64 bytes.
pub const ZVA_LOG2_WORDS: u32 = 4;
/// Ticks of the virtual counter a second: it counts nanoseconds.
pub const COUNTER_HZ: u64 = 1_000_000_000;

/// A field of an identification register: its lowest bit, and its value if the CPU has the feature.
type Field = (Feature, u32, u64);

const ISAR0: &[Field] = &[
    (Feature::Aes, 4, 1),
    (Feature::Pmull, 4, 2),
    (Feature::Sha1, 8, 1),
    (Feature::Sha256, 12, 1),
    (Feature::Sha512, 12, 2),
    (Feature::Crc, 16, 1),
    (Feature::Lse, 20, 2),
    (Feature::Rdm, 28, 1),
    (Feature::Sha3, 32, 1),
    (Feature::Sm3, 36, 1),
    (Feature::Sm4, 40, 1),
    (Feature::Dotprod, 44, 1),
    (Feature::Fhm, 48, 1),
    (Feature::Flagm, 52, 1),
    (Feature::Flagm2, 52, 2),
];
const ISAR1: &[Field] = &[
    (Feature::Dpb, 0, 1),
    (Feature::Dpb2, 0, 2),
    (Feature::Pauth, 4, 1),
    (Feature::Jscvt, 12, 1),
    (Feature::Fcma, 16, 1),
    (Feature::Lrcpc, 20, 1),
    (Feature::Lrcpc2, 20, 2),
    (Feature::Pauth, 24, 1),
    (Feature::Frintts, 32, 1),
    (Feature::Sb, 36, 1),
];
const PFR0: &[Field] = &[
    (Feature::Fp16, 16, 1),
    (Feature::Fp16, 20, 1),
    (Feature::Dit, 48, 1),
];
const PFR1: &[Field] = &[(Feature::Bti, 0, 1), (Feature::Ssbs, 4, 2)];

/// Later rows replace earlier ones of the same field.
fn fields(model: &CpuModel, base: u64, table: &[Field]) -> u64 {
    table
        .iter()
        .filter(|(f, ..)| model.features.has(*f))
        .fold(base, |v, (_, bit, value)| v & !(15 << bit) | value << bit)
}

/// What Linux answers for a read of an identification register at EL0: those that it knows with the fields that it
/// shows, the rest of the ID space as 0; `None` outside of that space.
pub fn identification(model: &CpuModel, register: u32) -> Option<u64> {
    let (op0, op1, crn, crm, op2) = (
        register >> 14,
        register >> 11 & 7,
        register >> 7 & 15,
        register >> 3 & 15,
        register & 7,
    );
    if (op0, op1, crn) != (3, 0, 0) {
        return None;
    }
    Some(match (crm, op2) {
        (0, 0) => u64::from(model.midr),
        (0, 5) => 1 << 31,
        (0, 6) => 0,
        (0, _) | (1..=3, _) | (8.., _) => return None,
        (4, 0) => fields(model, 0x11, PFR0),
        (4, 1) => fields(model, 0, PFR1),
        (6, 0) => fields(model, 0, ISAR0),
        (6, 1) => fields(model, 0, ISAR1),
        (7, 0) => 0xff00_0000,
        _ => 0,
    })
}
