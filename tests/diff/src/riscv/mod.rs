//! RISC-V, 64 and 32 bits: integer, floating-point and compressed instructions.

mod cases;
mod runtime;

use crate::elf::Machine;
use crate::guest::{Case, Field, Guest, Piece, Program, fields};
use crate::pick::Table;
use crate::rng::Rng;
use target_riscv::decode::{FeatureSet, base, compressed, float};
use target_riscv::{Cpu, Riscv as Isa};

// ---- the record: signal, its code and address; x0 (the program counter) to x31; f0 to f31; fcsr; memory ----
const SIGNAL: usize = 0;
const X: usize = 24;
const F: usize = X + 256;
const FCSR: usize = F + 256;
const MEM: usize = FCSR + 8;
const MEM_LEN: usize = 1024;
const RECORD: usize = MEM + MEM_LEN;

/// Where the data segment is; the code ends here.
const DATA: u64 = 0x0100_0000;
/// Where the record is: the reserved register points here.
const AREA: u64 = DATA + 0x1_0000;
/// What registers that are used as addresses are near to.
const CENTRE: u64 = AREA + MEM as u64 + 512;
/// The register that belongs to the runtime: gp.
const RESERVED: u64 = 3;

const BASE: usize = 0;
const FLOAT: usize = 1;
const COMPRESSED: usize = 2;

/// Rows that system calls, other threads or the machine decide about, or whose targets are not ours.
const SKIP: &[&str] = &[
    "ecall",
    "jal",
    "jalr",
    "auipc",
    "pause",
    "wrs_nto",
    "wrs_sto",
    "fence_i",
    "cbo_inval",
    "cbo_clean",
    "cbo_flush",
    "cbo_zero",
    "csrrw",
    "csrrs",
    "csrrc",
    "csrrwi",
    "csrrsi",
    "csrrci",
];

/// The instruction set of one CPU.
pub struct Riscv {
    isa: Isa,
    features: FeatureSet,
    tables: Vec<Table>,
    compared: Vec<Field>,
}

/// The guest with this CPU.
pub fn new(cpu: &str, bits: u32) -> Result<Box<dyn Guest>, String> {
    let cpu = Cpu::parse(Some(cpu), bits)?;
    let features = cpu.features;
    let table = |name, rows, find: fn(FeatureSet, u32) -> Option<u16>| Table {
        name,
        rows,
        find: Box::new(move |insn| find(features, insn as u32)),
        skip: SKIP.iter().copied().collect(),
    };
    let tables = vec![
        table("base", &base::ROWS, base::find),
        table("float", &float::ROWS, float::find),
        table("compressed", &compressed::ROWS, compressed::find),
    ];
    let word = bits as usize / 8;
    let mut compared = fields("signal", SIGNAL, 4, 1);
    compared.extend(fields("code", SIGNAL + 8, 4, 1));
    compared.extend(fields("address", SIGNAL + 16, word, 1));
    compared.extend((0..32).flat_map(|n| {
        fields("x", X + 8 * n, word, 1)
            .into_iter()
            .map(move |f| Field { index: n, ..f })
    }));
    compared.extend(fields("f", F, 8, 32));
    compared.extend(fields("fcsr", FCSR, 4, 1));
    compared.extend(fields("mem", MEM, 4, MEM_LEN / 4));
    Ok(Box::new(Riscv {
        isa: Isa { cpu },
        features,
        tables,
        compared,
    }))
}

impl Guest for Riscv {
    fn machine(&self) -> Machine {
        Machine {
            wide: self.isa.cpu.is_64(),
            big: false,
            number: 243,
            // Compressed instructions, double-precision float ABI.
            flags: 5,
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
        (DATA - 0x10_0000..DATA + 0x10_0000).contains(&address)
    }

    fn may_end(&self, piece: &Piece) -> bool {
        piece.extra == 0
    }

    fn text(&self, case: &Case, at: u64) -> Vec<String> {
        use tcg_target::Isa as _;
        let mut pc = at;
        let mut out = Vec::new();
        for piece in &case.pieces {
            let bytes = (piece.insn as u32).to_le_bytes();
            let (text, len) = self.isa.disassemble(pc, 0, &bytes);
            out.push(format!(
                "{pc:08x} {:08x} {text} ({})",
                piece.insn, piece.row.name
            ));
            pc += len as u64;
        }
        out
    }
}
