//! Power: 32 and 64 bits, both byte orders: integer, floating point, AltiVec and VSX.

mod asm;
mod cases;
mod decimal;
mod runtime;

use crate::elf::Machine;
use crate::guest::{Case, Field, Guest, Piece, Program, fields};
use crate::pick::Table;
use crate::rng::Rng;
use target_ppc::decode::{Feature, FeatureSet, altivec, base, fp, vsx};
use target_ppc::{CpuModel, Mode, Ppc as Isa};

// ---- the record: signal, its code and address, the program counter; special registers; r0 to r31; VSR 0 to 63;
// memory. Every number has eight bytes of room; without VSX the registers are FPR n and VR n. ----
const SIGNAL: usize = 0;
const CODE: usize = 8;
const ADDRESS: usize = 16;
const NIP: usize = 24;
const CR: usize = 32;
const LR: usize = 40;
const CTR: usize = 48;
const XER: usize = 56;
const FPSCR: usize = 64;
const VSCR: usize = 80;
const X: usize = 96;
const V: usize = X + 256;
const MEM: usize = 0x800;
const MEM_LEN: usize = 1024;
const RECORD: usize = MEM + MEM_LEN;

/// Where the data segment is; the code ends here.
const DATA: u64 = 0x0100_0000;
/// Where the record is: the reserved register points here.
const AREA: u64 = DATA + 0x1_0000;
/// What registers that are used as addresses are near to: aligned to any cache block.
const CENTRE: u64 = AREA + MEM as u64 + 512;
/// The register that belongs to the runtime.
const RESERVED: u64 = 2;

const BASE: usize = 0;
const FP: usize = 1;
const ALTIVEC: usize = 2;
const VSX: usize = 3;

/// Rows that system calls, other threads or the machine decide about, or whose targets are not ours; what is known to
/// be left out (decimal floating point, transactions); branches have a way of their own.
const SKIP: &[&str] = &[
    "sc",
    "scv",
    "rfscv",
    "b",
    "bc",
    "bclr",
    "bcctr",
    "bctar",
    "mftb",
    "darn",
    "wait",
    "copy",
    "paste",
    "cp_abort",
    "tbegin",
    "tend",
    "tcheck",
    "tsr",
    "tabortwc",
    "tabortwci",
    "tabortdc",
    "tabortdci",
    "tabort",
    "treclaim",
    "trechkpt",
    "privileged",
    "mtmsr",
    "mtmsrd",
    "mfmsr",
    "dcbi",
    "icbi",
    "dfp",
];

/// The instruction set of one CPU.
pub struct Ppc {
    isa: Isa,
    features: FeatureSet,
    tables: Vec<Table>,
    compared: Vec<Field>,
}

/// The guest with this CPU.
pub fn new(cpu: &str, wide: bool, little: bool) -> Result<Box<dyn Guest>, String> {
    let model = match cpu {
        "max" => CpuModel::default_for(wide),
        name => CpuModel::find(name).ok_or(format!("there is no CPU {name}"))?,
    };
    let features = model.features;
    let table = |name, rows, find: fn(FeatureSet, u32) -> Option<u16>| Table {
        name,
        rows,
        find: Box::new(move |insn| find(features, insn as u32)),
        skip: SKIP.iter().copied().collect(),
    };
    let tables = vec![
        table("base", &base::ROWS, base::find),
        table("fp", &fp::ROWS, fp::find),
        table("altivec", &altivec::ROWS, altivec::find),
        table("vsx", &vsx::ROWS, vsx::find),
    ];
    let isa = Isa {
        model,
        wide,
        little_endian: little,
    };
    Ok(Box::new(Ppc {
        compared: compared(features, &isa),
        isa,
        features,
        tables,
    }))
}

fn compared(features: FeatureSet, isa: &Isa) -> Vec<Field> {
    let word = if isa.wide { 8 } else { 4 };
    // The low word of a doubleword, and of a vector.
    let low = |at: usize, bytes: usize| {
        if isa.little_endian {
            at
        } else {
            at + bytes - 4
        }
    };
    let mut all = fields("signal", SIGNAL, 4, 1);
    for (name, at, len) in [
        ("code", CODE, 4),
        ("address", ADDRESS, word),
        ("nip", NIP, word),
        ("cr", CR, 4),
        ("lr", LR, word),
        ("ctr", CTR, word),
        ("xer", XER, 4),
    ] {
        all.extend(fields(name, at, len, 1));
    }
    all.extend((0..32).flat_map(|n| {
        let one = fields("r", X + 8 * n, word, 1).into_iter();
        one.map(move |f| Field { index: n, ..f })
    }));
    if features.has(Feature::Fp) {
        // The low word: what the upper one has is decimal rounding.
        all.extend(fields("fpscr", low(FPSCR, 8), 4, 1));
    }
    if features.has(Feature::Vsx) {
        all.extend(fields("vsr", V, 8, 128));
    } else if features.has(Feature::Fp) {
        all.extend(fields("f", V, 8, 32));
    }
    if features.has(Feature::Altivec) {
        if !features.has(Feature::Vsx) {
            all.extend(fields("v", V + 512, 8, 64));
        }
        all.extend(fields("vscr", low(VSCR, 16), 4, 1));
    }
    all.extend(fields("mem", MEM, 4, MEM_LEN / 4));
    all
}

impl Ppc {
    fn has(&self, feature: Feature) -> bool {
        self.features.has(feature)
    }

    /// A number in the guest's byte order.
    fn bytes(&self, value: u64, len: usize) -> Vec<u8> {
        match self.isa.little_endian {
            true => value.to_le_bytes()[..len].to_vec(),
            false => value.to_be_bytes()[8 - len..].to_vec(),
        }
    }

    /// Bytes of a general register.
    fn word(&self) -> usize {
        if self.isa.wide { 8 } else { 4 }
    }
}

impl Guest for Ppc {
    fn machine(&self) -> Machine {
        Machine {
            wide: self.isa.wide,
            big: !self.isa.little_endian,
            number: if self.isa.wide { 21 } else { 20 },
            // ELFv2, in either byte order: addresses of functions are those of their code.
            flags: if self.isa.wide { 2 } else { 0 },
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

    fn owns(&self, address: u64) -> bool {
        address.abs_diff(DATA) < 0x10_0000
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
            "r" => field.index,
            "f" => field.index,
            "vsr" | "v" => (field.index / 2) & 31,
            _ => return true,
        };
        case.pieces.iter().any(|p| {
            let fields = p.row.fields.iter().filter(|f| f.width == 5 || f.width == 6);
            fields.map(|f| f.value(p.insn) & 31).any(|v| v == n as u64)
        })
    }

    fn may_end(&self, piece: &Piece) -> bool {
        piece.extra == 0
    }

    fn text(&self, case: &Case, at: u64) -> Vec<String> {
        use tcg_target::Isa as _;
        let mode = if self.isa.little_endian { Mode::LE } else { 0 };
        let lines = case.pieces.iter().enumerate();
        lines
            .map(|(i, piece)| {
                let pc = at + 4 * i as u64;
                let (text, _) = self.isa.disassemble(pc, mode, &self.bytes(piece.insn, 4));
                format!("{pc:08x} {:08x} {text} ({})", piece.insn, piece.row.name)
            })
            .collect()
    }
}
