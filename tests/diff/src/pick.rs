//! Random instructions from decode tables.

use crate::rng::Rng;
use std::collections::BTreeSet;
use tcg_decode::rt::{RowInfo, random_insn};

/// A decode table with its decoder for one CPU model.
pub struct Table {
    /// The name on the command line.
    pub name: &'static str,
    /// The rows.
    pub rows: &'static [RowInfo],
    /// The row that decodes an instruction.
    pub find: Box<dyn Fn(u64) -> Option<u16>>,
    /// Names of handlers (or of rows, with their dot) that are not to be tried.
    pub skip: BTreeSet<&'static str>,
}

impl Table {
    /// Whether rows of this name are left out.
    pub fn skips(&self, row: &RowInfo) -> bool {
        self.skip.contains(row.handler()) || self.skip.contains(row.name)
    }

    /// A random instruction of a random row, fields in `fixed` as given; `None` if the row that came up is to be
    /// left out, is not there in this CPU model, or has no such instruction.
    pub fn pick(&self, rng: &mut Rng, fixed: &[(&str, u64)]) -> Option<(&'static RowInfo, u64)> {
        let index = rng.below(self.rows.len());
        match self.skips(&self.rows[index]) {
            true => None,
            false => self.of_row(rng, index, fixed),
        }
    }

    /// The same for the row with this name.
    pub fn pick_row(
        &self,
        rng: &mut Rng,
        name: &str,
        fixed: &[(&str, u64)],
    ) -> Option<(&'static RowInfo, u64)> {
        let index = self.rows.iter().position(|r| r.name == name)?;
        self.of_row(rng, index, fixed)
    }

    /// The row with this name.
    pub fn row(&self, name: &str) -> Option<&'static RowInfo> {
        self.rows.iter().find(|r| r.name == name)
    }

    fn of_row(
        &self,
        rng: &mut Rng,
        index: usize,
        fixed: &[(&str, u64)],
    ) -> Option<(&'static RowInfo, u64)> {
        let row = &self.rows[index];
        let decodes = |insn: u64| (self.find)(insn) == Some(index as u16);
        let insn = random_insn(row, &mut || rng.next(), fixed, &decodes)?;
        Some((row, insn))
    }
}

/// The value of a field of an instruction, by the field's name.
pub fn field(row: &RowInfo, insn: u64, name: &str) -> Option<u64> {
    row.fields
        .iter()
        .find(|f| f.name == name)
        .map(|f| f.value(insn))
}
