//! 32-bit Arm: A32 and T32, VFP and Advanced SIMD.

mod cases;
mod layout;
mod runtime;

use crate::elf::Machine;
use crate::guest::{Case, Field, Guest, Program, fields};
use crate::pick::Table;
use crate::rng::Rng;
use target_arm::decode::{Feature, FeatureSet, a32, neon, t16, t32, vfp};
use target_arm::{Arm as Cpu, CpuModel};

// ---- the record: signal, its code and address; R0 to R15, CPSR, FPSCR, D0 to D31; memory ----
const SIGNAL: usize = 0;
const REGS: usize = 16;
const PC: usize = REGS + 60;
const CPSR: usize = REGS + 64;
const FPSCR: usize = REGS + 68;
const DREGS: usize = REGS + 72;
const MEM: usize = DREGS + 256;
const MEM_LEN: usize = 1024;
const RECORD: usize = MEM + MEM_LEN;

/// Where the data segment is; the code ends here, so that it can reach the variables.
const DATA: u32 = 0x0100_0000;
/// Where the record is.
const AREA: u32 = DATA + 0x1_0000;
/// What registers that are used as addresses are near to.
const CENTRE: u32 = AREA + MEM as u32 + 256;

/// Flags, Q, GE, IT, E and T.
const CPSR_MASK: u64 = 0xfe0f_fe20;

const A32: usize = 0;
const T16: usize = 1;
const T32: usize = 2;
const VFP: usize = 3;
const NEON: usize = 4;

/// Rows that system calls, other threads or the machine decide about, or whose targets are not ours.
const SKIP: &[&str] = &[
    "svc",
    "hlt",
    "bl",
    "blx_imm",
    "blx_reg",
    "bx",
    "bxj",
    "b",
    "b_cond",
    "cbz",
    "tbb",
    "it",
    "mrc",
    "mcr",
    "mrrc",
    "ldm_return",
    "rfe",
    "srs",
];

/// The instruction set of one CPU model.
pub struct Arm {
    cpu: &'static Cpu,
    features: FeatureSet,
    big: bool,
    tables: Vec<Table>,
    compared: Vec<Field>,
}

/// The guest with this CPU model.
pub fn new(cpu: &str, big: bool) -> Result<Box<dyn Guest>, String> {
    let model = CpuModel::find(cpu).ok_or(format!("there is no CPU model {cpu}"))?;
    let features = model.features;
    let table = |name, rows, find: fn(FeatureSet, u32) -> Option<u16>| Table {
        name,
        rows,
        find: Box::new(move |insn| find(features, insn as u32)),
        skip: SKIP.iter().copied().collect(),
    };
    let tables = vec![
        table("a32", &a32::ROWS, a32::find),
        table("t16", &t16::ROWS, t16::find),
        table("t32", &t32::ROWS, t32::find),
        table("vfp", &vfp::ROWS, vfp::find),
        table("neon", &neon::ROWS, neon::find),
    ];
    let mut compared = fields("signal", SIGNAL, 4, 1);
    compared.extend(fields("code", SIGNAL + 4, 4, 1));
    compared.extend(fields("address", SIGNAL + 8, 4, 1));
    compared.extend(fields("r", REGS, 4, 16));
    compared.extend(fields("cpsr", CPSR, 4, 1).into_iter().map(|f| Field {
        mask: CPSR_MASK,
        ..f
    }));
    compared.extend(fields("fpscr", FPSCR, 4, 1));
    compared.extend(fields("d", DREGS, 8, 32));
    compared.extend(fields("mem", MEM, 4, MEM_LEN / 4));
    let cpu = Box::leak(Box::new(Cpu {
        model,
        big_endian: big,
        platform_code: None,
    }));
    Ok(Box::new(Arm {
        cpu,
        features,
        big,
        tables,
        compared,
    }))
}

impl Arm {
    fn has(&self, feature: Feature) -> bool {
        self.features.has(feature)
    }

    /// Whether there are floating-point registers to load and store.
    fn fp(&self) -> bool {
        self.has(Feature::Vfp2)
    }
}

impl Guest for Arm {
    fn machine(&self) -> Machine {
        Machine {
            wide: false,
            big: self.big,
            number: 40,
            // EABI 5; BE-8.
            flags: 0x0500_0000 | if self.big { 0x0080_0000 } else { 0 },
        }
    }

    fn tables(&self) -> &[Table] {
        &self.tables
    }

    fn record(&self) -> usize {
        RECORD
    }

    fn compared(&self) -> &[Field] {
        &self.compared
    }

    fn case(&self, rng: &mut Rng, table: usize) -> Option<Case> {
        self.random_case(rng, table)
    }

    fn program(&self, cases: &[Case]) -> Program {
        runtime::program(self, cases)
    }

    fn owns(&self, address: u64) -> bool {
        address.abs_diff(u64::from(DATA)) < 0x10_0000
    }

    fn text(&self, case: &Case, at: u64) -> Vec<String> {
        layout::text(self.cpu, case, at as u32)
    }
}
