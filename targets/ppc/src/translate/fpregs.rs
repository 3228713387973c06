//! Floating-point registers, and what FPSCR does not know of yet: the last operation of the block is stored at its
//! exits only. [PowerISA I.4.2]
//!
//! DEVIATES: if a storage access in a block faults behind an arithmetic instruction of the same block, FR, FI and
//! FPRF are those of the operation before the block; the sticky bits are exact.

use tcg_ir::Value;

use super::Translator;
use crate::state::slot;

/// What happened in this block that FPSCR's non-sticky bits depend on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FpRecord {
    /// The last arithmetic operation and its operands.
    op: Option<(u32, [Value; 3])>,
    /// The last comparison, if it is later.
    compared: Option<[Value; 2]>,
}

impl Translator<'_> {
    /// Floating-point register `n`.
    pub(super) fn fpr(&mut self, n: u32) -> Value {
        self.b.get(slot::vsr_hi(n))
    }

    /// Sets floating-point register `n`.
    pub(super) fn set_fpr(&mut self, n: u32, v: Value) {
        self.b.set(slot::vsr_hi(n), v);
    }

    /// Notes an arithmetic operation.
    pub(super) fn note_fp(&mut self, op: u32, args: [Value; 3]) {
        self.fp = FpRecord {
            op: Some((op, args)),
            compared: None,
        };
    }

    /// Notes a comparison.
    pub(super) fn note_compare(&mut self, a: Value, b: Value) {
        self.fp.compared = Some([a, b]);
    }

    /// Stores what FPSCR does not know of yet. The record stays: other ways out of the block need it, too.
    pub(super) fn flush_fp(&mut self) {
        let record = self.fp;
        if let Some((op, args)) = record.op {
            let op = self.b.i32(op);
            self.b.set(slot::FP_OP, op);
            for (k, v) in args.into_iter().enumerate() {
                if v.is_some() {
                    self.b.set(slot::fp_arg(k), v);
                }
            }
            let none = self.b.i32(0);
            self.b.set(slot::FP_COMPARED, none);
        }
        if let Some(args) = record.compared {
            for (k, v) in args.into_iter().enumerate() {
                self.b.set(slot::fp_cmp(k), v);
            }
            let one = self.b.i32(1);
            self.b.set(slot::FP_COMPARED, one);
        }
    }

    /// The same before a helper that reads or changes FPSCR: the record starts anew.
    pub(super) fn settle_fp(&mut self) {
        self.flush_fp();
        self.fp = FpRecord::default();
    }
}
