//! What an instruction set supplies to be tested; see README.md for how one is added.

use crate::elf::Machine;
use crate::pick::Table;
use crate::rng::Rng;
use tcg_decode::rt::RowInfo;

/// A part of a record that is compared and printed as one.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// For the report.
    pub name: &'static str,
    /// Number of the register, or of the word of memory.
    pub index: usize,
    /// Where it is in the record.
    pub offset: usize,
    /// Bytes: 1, 2, 4 or 8.
    pub len: usize,
    /// The bits that are compared.
    pub mask: u64,
}

/// `count` fields of `len` bytes one behind the other, fully compared.
pub fn fields(name: &'static str, offset: usize, len: usize, count: usize) -> Vec<Field> {
    (0..count)
        .map(|index| Field {
            name,
            index,
            offset: offset + index * len,
            len,
            mask: u64::MAX,
        })
        .collect()
}

/// One instruction (or what counts as one) of a case.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// Which of the guest's tables it is from.
    pub table: usize,
    /// Its row.
    pub row: &'static RowInfo,
    /// Its code.
    pub insn: u64,
    /// What the guest wants to remember of it: a prefix, a branch's target.
    pub extra: u64,
}

/// A sequence of instructions with what it starts from.
#[derive(Clone, Debug)]
pub struct Case {
    /// The instructions.
    pub pieces: Vec<Piece>,
    /// The record that the program reads before it: registers and memory.
    pub input: Vec<u8>,
}

/// The program that runs cases.
pub struct Program {
    /// Where it starts.
    pub entry: u64,
    /// Where the code is; page-aligned.
    pub code_at: u64,
    /// The code.
    pub code: Vec<u8>,
    /// Where the memory that it writes is; page-aligned.
    pub data_at: u64,
    /// What is there at first; the rest is 0.
    pub data: Vec<u8>,
    /// Its size.
    pub data_len: u64,
    /// Where each case's code is.
    pub cases: Vec<u64>,
}

/// An instruction set under test.
///
/// The program that [`Guest::program`] makes reads a record from standard input for each case, loads the registers
/// from it, runs the case, stores the registers, and writes the record to standard output. The memory that cases
/// work on is part of the record. A signal ends the case: the handler notes it, with the registers of the signal
/// frame, in the record.
pub trait Guest {
    /// The ELF header's view.
    fn machine(&self) -> Machine;
    /// The decode tables.
    fn tables(&self) -> &[Table];
    /// Bytes of a record.
    fn record(&self) -> usize;
    /// What of it is compared.
    fn compared(&self) -> &[Field];
    /// A random case that starts with an instruction of this table; `None` to try again.
    fn case(&self, rng: &mut Rng, table: usize) -> Option<Case>;
    /// The program for these cases.
    fn program(&self, cases: &[Case]) -> Program;
    /// Whether a case may end with this instruction; not if it is a branch over the next one.
    fn may_end(&self, _piece: &Piece) -> bool {
        true
    }
    /// Whether a report of this case shows what this field was at first.
    fn shows(&self, _case: &Case, _field: &Field) -> bool {
        true
    }
    /// Whether an address is the program's own. What is at others is the emulator's affair.
    fn owns(&self, _address: u64) -> bool {
        true
    }
    /// The case as text, one line an instruction.
    fn text(&self, case: &Case, at: u64) -> Vec<String>;
}
