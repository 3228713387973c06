//! What system mode must know of a CPU model: the kind of MMU and interrupts, the registers that exist, reset values.

use crate::features::CpuModel;

use super::msr;

/// The kinds of memory management.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mmu {
    /// e500: TLB0 with so many ways of 128 sets, and TLB1 of 16 entries.
    E500 {
        /// Entries in a set.
        ways: u8,
    },
    /// 440: a unified TLB of 64 entries.
    Ppc440,
    /// 405: a unified TLB of 64 entries, no address spaces.
    Ppc405,
    /// BATs (so many pairs), segments and the hashed page table.
    Hash {
        /// Pairs of BATs for code, and as many for data.
        bats: u8,
    },
    /// BATs, segments, and a TLB that software fills (603).
    Soft603,
}

/// Names of revisions, with the model and the version register. [E500RM 2.5.3, PPC440 2.3, MPC750 2.1]
pub const REVISIONS: &[(&str, &str, u32)] = &[
    ("e500", "e500v2", 0x8021_0022),
    ("e500v1_v10", "e500v1", 0x8020_0010),
    ("e500v1_v20", "e500v1", 0x8020_0020),
    ("e500v2_v10", "e500v2", 0x8021_0010),
    ("e500v2_v20", "e500v2", 0x8021_0020),
    ("e500v2_v21", "e500v2", 0x8021_0021),
    ("e500v2_v22", "e500v2", 0x8021_0022),
    ("e500_v22", "e500v2", 0x8021_0022),
    ("e500v2_v30", "e500v2", 0x8021_0030),
    ("mpc8544", "e500v2", 0x8021_0022),
    ("440ep", "440", 0x4222_18d3),
    ("440epb", "440", 0x4222_18d3),
    ("440epa", "440", 0x4222_1850),
    ("440gra", "440", 0x4222_1850),
    ("460ex", "440", 0x1302_18a4),
    ("460exb", "440", 0x1302_18a4),
    ("460exa", "440", 0x1302_18a2),
    ("405gp", "405", 0x4011_0145),
    ("405ep", "405", 0x5121_0950),
    ("g2", "603e", 0x0081_0011),
    ("603e_v4.1", "603e", 0x0006_0401),
    ("604e", "604", 0x0009_0204),
    ("g3", "750", 0x0008_0301),
    ("750_v3.1", "750", 0x0008_0301),
    ("740_v3.1", "740", 0x0008_0301),
    ("g4", "7400", 0x000c_0209),
    ("7400_v2.9", "7400", 0x000c_0209),
    ("7410", "7400", 0x800c_1104),
    ("7445", "7450", 0x8001_0201),
    ("7455", "7450", 0x8001_0201),
    ("7447", "7450", 0x8002_0101),
    ("7457", "7450", 0x8002_0101),
];

/// Families as bits: which special registers exist. A model has one bit or more.
pub mod family {
    /// All Book E (e500, 440).
    pub const BOOKE: u32 = 1;
    /// e500v1 and e500v2.
    pub const E500: u32 = 1 << 1;
    /// e500v2 alone.
    pub const E500V2: u32 = 1 << 2;
    /// 440.
    pub const P440: u32 = 1 << 3;
    /// 405.
    pub const P405: u32 = 1 << 4;
    /// Those with BATs and segments.
    pub const CLASSIC: u32 = 1 << 5;
    /// 603, 603e.
    pub const P603: u32 = 1 << 6;
    /// 604, 604e.
    pub const P604: u32 = 1 << 7;
    /// 740, 750.
    pub const P750: u32 = 1 << 8;
    /// 7400, 7410.
    pub const P7400: u32 = 1 << 9;
    /// 744x, 745x.
    pub const P7450: u32 = 1 << 10;
    /// 405 and 440.
    pub const P4XX: u32 = P405 | P440;
    /// AltiVec.
    pub const G4: u32 = P7400 | P7450;
    /// 750 and what came from it.
    pub const P7XX: u32 = P750 | P7400 | P7450;
    /// Everything.
    pub const ALL: u32 = u32::MAX;
}

/// A CPU model's system side.
#[derive(Clone, Copy, Debug)]
pub struct SystemModel {
    /// The model of user mode: features, PVR.
    pub user: &'static CpuModel,
    /// [`family`] bits.
    pub family: u32,
    /// Memory management.
    pub mmu: Mmu,
    /// The bits of MSR that exist.
    pub msr: u32,
    /// MSR after reset.
    pub msr_reset: u32,
    /// Where execution begins.
    pub reset_pc: u32,
    /// Bits of a physical address.
    pub physical_bits: u32,
}

impl SystemModel {
    /// Whether it is of one of these families.
    pub const fn is(&self, family: u32) -> bool {
        self.family & family != 0
    }

    /// The highest physical address.
    pub const fn physical_mask(&self) -> u64 {
        (1 << self.physical_bits) - 1
    }

    /// The system side of a model of user mode; none for those whose system side is not implemented.
    pub fn of(user: &'static CpuModel) -> Option<SystemModel> {
        let (_, family, mmu, physical_bits) = *KINDS.iter().find(|k| k.0 == user.platform)?;
        let booke = family & family::BOOKE != 0;
        let (msr, msr_reset) = match mmu {
            Mmu::E500 { .. } => (msr::E500, 0),
            Mmu::Ppc440 => (msr::PPC440, 0),
            Mmu::Ppc405 => (msr::PPC405, 0),
            Mmu::Soft603 => (msr::CLASSIC | msr::TGPR, msr::IP),
            Mmu::Hash { .. } if family & family::G4 != 0 => (msr::CLASSIC | msr::VEC, msr::IP),
            Mmu::Hash { .. } => (msr::CLASSIC, msr::IP),
        };
        Some(SystemModel {
            user,
            family,
            mmu,
            msr,
            msr_reset,
            reset_pc: match booke || mmu == Mmu::Ppc405 {
                true => 0xffff_fffc,
                false => 0xfff0_0100,
            },
            physical_bits,
        })
    }
}

type Kind = (&'static str, u32, Mmu, u32);

/// By the platform name, which the models of a kind share.
const KINDS: &[Kind] = &[
    (
        "ppc8548",
        family::BOOKE | family::E500 | family::E500V2,
        Mmu::E500 { ways: 4 },
        36,
    ),
    (
        "ppc8540",
        family::BOOKE | family::E500,
        Mmu::E500 { ways: 2 },
        32,
    ),
    ("ppc440", family::BOOKE | family::P440, Mmu::Ppc440, 36),
    ("ppc405", family::P405, Mmu::Ppc405, 32),
    ("ppc603", family::CLASSIC | family::P603, Mmu::Soft603, 32),
    (
        "ppc604",
        family::CLASSIC | family::P604,
        Mmu::Hash { bats: 4 },
        32,
    ),
    (
        "ppc750",
        family::CLASSIC | family::P750,
        Mmu::Hash { bats: 4 },
        32,
    ),
    (
        "ppc7400",
        family::CLASSIC | family::P7400,
        Mmu::Hash { bats: 4 },
        32,
    ),
    (
        "ppc7450",
        family::CLASSIC | family::P7450,
        Mmu::Hash { bats: 8 },
        36,
    ),
];
