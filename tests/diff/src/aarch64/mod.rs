//! A64 in either byte order: integer, floating-point, Advanced SIMD and cryptographic instructions.

mod cases;
mod runtime;

use crate::elf::Machine;
use crate::guest::{Case, Field, Guest, Piece, Program, fields};
use crate::pick::Table;
use crate::rng::Rng;
use target_aarch64::decode::{FeatureSet, branch, dpimm, dpreg, fp, ldst, simd, simdscalar};
use target_aarch64::{Aarch64 as Isa, CpuModel};

// ---- the record: signal, its code and address, the program counter; flags, FPSR, FPCR; x0 to x30, SP; v0 to v31 as
// doublewords, the low one first; memory ----
const SIGNAL: usize = 0;
const CODE: usize = 8;
const ADDRESS: usize = 16;
const PC: usize = 24;
const NZCV: usize = 32;
const FPSR: usize = 40;
const FPCR: usize = 48;
const X: usize = 64;
const V: usize = X + 256;
const MEM: usize = V + 512;
const MEM_LEN: usize = 1024;
const RECORD: usize = MEM + MEM_LEN;

/// Where the data segment is; the code ends here.
const DATA: u64 = 0x0100_0000;
/// Where the record is: the reserved register points here.
const AREA: u64 = DATA + 0x1_0000;
/// What registers that are used as addresses are near to; aligned to 64 bytes.
const CENTRE: u64 = (AREA + MEM as u64 + 512) & !63;
/// The register that belongs to the runtime.
const RESERVED: u64 = 28;

const DPIMM: usize = 0;
const BRANCH: usize = 1;
const LDST: usize = 2;
const DPREG: usize = 3;
const FP: usize = 4;
const SIMD: usize = 5;

/// Rows that system calls, the machine or random keys decide about, or whose targets are not ours.
const SKIP: &[&str] = &[
    "svc", "hint", "br", "blr", "ret", "br_aut", "blr_aut", "ret_aut", "pac", "pac_zero",
    "pac_hint", "pac_1716", "xpac", "xpaclri", "pacga", "ldr_aut", "sys", "sysl",
];

/// The instruction set of one CPU.
pub struct Aarch64 {
    isa: Isa,
    tables: Vec<Table>,
    compared: Vec<Field>,
}

/// The guest with this CPU.
pub fn new(cpu: &str, big_endian: bool) -> Result<Box<dyn Guest>, String> {
    let model = CpuModel::find(cpu).ok_or(format!("there is no CPU {cpu}"))?;
    let features = model.features;
    let table = |name, rows, find: fn(FeatureSet, u32) -> Option<u16>| Table {
        name,
        rows,
        find: Box::new(move |insn| find(features, insn as u32)),
        skip: SKIP.iter().copied().collect(),
    };
    let tables = vec![
        table("dpimm", &dpimm::ROWS, dpimm::find),
        table("branch", &branch::ROWS, branch::find),
        table("ldst", &ldst::ROWS, ldst::find),
        table("dpreg", &dpreg::ROWS, dpreg::find),
        table("fp", &fp::ROWS, fp::find),
        table("simd", &simd::ROWS, simd::find),
        table("simdscalar", &simdscalar::ROWS, simdscalar::find),
    ];
    let mut compared = fields("signal", SIGNAL, 4, 1);
    for (name, at, mask) in [
        ("code", CODE, u64::MAX),
        ("address", ADDRESS, u64::MAX),
        ("pc", PC, u64::MAX),
        ("nzcv", NZCV, 0xf000_0000),
        ("fpsr", FPSR, 0x0800_009f),
        ("fpcr", FPCR, 0x07c8_0000),
    ] {
        compared.extend(
            fields(name, at, 8, 1)
                .into_iter()
                .map(|f| Field { mask, ..f }),
        );
    }
    compared.extend(fields("x", X, 8, 32));
    compared.extend(fields("v", V, 8, 64));
    compared.extend(fields("mem", MEM, 4, MEM_LEN / 4));
    Ok(Box::new(Aarch64 {
        isa: Isa { model, big_endian },
        tables,
        compared,
    }))
}

impl Aarch64 {
    /// A number in the guest's byte order.
    fn bytes(&self, value: u64) -> [u8; 8] {
        match self.isa.big_endian {
            true => value.to_be_bytes(),
            false => value.to_le_bytes(),
        }
    }
}

impl Guest for Aarch64 {
    fn machine(&self) -> Machine {
        Machine {
            wide: true,
            big: self.isa.big_endian,
            number: 183,
            flags: 0,
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

    /// Registers that the instructions name.
    fn shows(&self, case: &Case, field: &Field) -> bool {
        let n = match field.name {
            "x" => field.index,
            "v" => field.index / 2,
            _ => return true,
        };
        case.pieces.iter().any(|p| {
            let fields = p.row.fields.iter().filter(|f| f.width == 5);
            fields.map(|f| f.value(p.insn)).any(|v| v == n as u64)
        })
    }

    fn owns(&self, address: u64) -> bool {
        (DATA - 0x10_0000..DATA + 0x10_0000).contains(&address)
    }

    fn may_end(&self, piece: &Piece) -> bool {
        piece.extra == 0
    }

    fn text(&self, case: &Case, at: u64) -> Vec<String> {
        use tcg_target::Isa as _;
        let lines = case.pieces.iter().enumerate();
        lines
            .map(|(i, piece)| {
                let pc = at + 4 * i as u64;
                let (text, _) = self
                    .isa
                    .disassemble(pc, 0, &(piece.insn as u32).to_le_bytes());
                format!("{pc:08x} {:08x} {text} ({})", piece.insn, piece.row.name)
            })
            .collect()
    }
}
