//! Extension registers: S, D and Q views of the state block, lanes, and floating-point status.

use tcg_ir::{Op, Slot, Ty, Value};

use super::Translator;
use crate::state::{ArmState, slot};

/// Where the extension registers start in the state block.
pub(super) const VFP_OFFSET: usize = std::mem::offset_of!(ArmState, vfp);

/// The flags of the program status register.
pub(super) const NZCV: [Slot; 4] = [slot::N, slot::Z, slot::C, slot::V];

/// The flags of floating-point comparisons.
pub(super) const FPSCR_NZCV: [Slot; 4] = [slot::FP_N, slot::FP_Z, slot::FP_C, slot::FP_V];

/// The slot of single-precision register `n` (0 to 31).
pub(super) const fn sreg(n: u32) -> Slot {
    Slot::new(VFP_OFFSET + 4 * n as usize, Ty::F32)
}

/// The slot of double-precision register `n` (0 to 31).
pub(super) const fn dreg(n: u32) -> Slot {
    Slot::new(VFP_OFFSET + 8 * n as usize, Ty::F64)
}

/// The slot of D register `n` or, with `quad`, of the Q register that starts there.
pub(super) const fn vreg(quad: bool, n: u32) -> Slot {
    Slot::new(VFP_OFFSET + 8 * n as usize, vty(quad))
}

/// The type of a D or Q register as a vector.
pub(super) const fn vty(quad: bool) -> Ty {
    if quad { Ty::V128 } else { Ty::V64 }
}

/// Size of a lane of `size` (log2 of bytes) in bits.
pub(super) const fn lane_bits(size: u32) -> u32 {
    8 << size
}

impl Translator<'_> {
    /// Reads S or D register `n` as a scalar.
    pub(super) fn fget(&mut self, double: bool, n: u32) -> Value {
        self.b.get(if double { dreg(n) } else { sreg(n) })
    }

    /// Writes S or D register `n`.
    pub(super) fn fset(&mut self, double: bool, n: u32, v: Value) {
        self.b.set(if double { dreg(n) } else { sreg(n) }, v);
    }

    /// Reads a D or Q register as a vector.
    pub(super) fn vget(&mut self, quad: bool, n: u32) -> Value {
        self.b.get(vreg(quad, n))
    }

    /// Writes a D or Q register.
    pub(super) fn vset(&mut self, quad: bool, n: u32, v: Value) {
        self.b.set(vreg(quad, n), v);
    }

    /// A vector with every lane of `size` equal to `value`.
    pub(super) fn vsplat(&mut self, ty: Ty, size: u32, value: u64) -> Value {
        let bits = lane_bits(size);
        let mask = if bits == 64 {
            u64::MAX
        } else {
            (1 << bits) - 1
        };
        let mut lane = u128::from(value & mask);
        let mut width = bits;
        while width < ty.bytes() * 8 {
            lane |= lane << width;
            width *= 2;
        }
        self.b.vconst(ty, lane)
    }

    /// Marks cumulative saturation (FPSCR.QC) if any bit of `diff` is set.
    pub(super) fn accumulate_qc(&mut self, diff: Value) {
        let diff = self.b.bitcast(Ty::V128, diff);
        let old = self.b.get(slot::QC);
        let new = self.b.vbin(Op::VOr, Ty::V128, 0, old, diff, 0);
        self.b.set(slot::QC, new);
    }

    /// Marks cumulative saturation in lanes where a saturated result differs from the exact one.
    pub(super) fn saturated(&mut self, ty: Ty, result: Value, exact: Value) {
        let diff = self.b.vbin(Op::VXor, ty, 0, result, exact, 0);
        self.accumulate_qc(diff);
    }
}
