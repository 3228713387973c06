//! FPSCR and VSCR. [PowerISA I.4.6.10, I.6.13]

use tcg_ir::{Cond, Op, RegionKind, Ty, Value};
use tcg_softfloat::Flags;

use super::{NONE, Out, Translator};
use crate::decode::{Feature, args};
use crate::fpscr;
use crate::helper;
use crate::state::slot;

/// Rounding mode and the enables: what the block mode depends on.
const MODE_BITS: u64 = (fpscr::ENABLES | 3) as u64;
/// All control bits.
const MODES: u64 = (fpscr::ENABLES | fpscr::NI | fpscr::RN) as u64;

impl Translator<'_> {
    /// FPSCR with everything that is pending: I64.
    pub(super) fn read_fpscr(&mut self) -> Value {
        self.settle_fp();
        let sticky = self.b.op(Op::FpFlagsGet, Ty::I32, 0, 0, [NONE; 3], 0);
        self.call(helper::FPSCR_READ, &[sticky])
    }

    /// FPSCR's bits under `mask` become those of `value`. The block ends if the mode may change.
    fn write_fpscr(&mut self, value: Value, mask: u64, rec: bool) -> Out {
        if mask & !MODES == 0 && !rec && !self.fp_exact() {
            self.write_modes(value, mask);
            return Out::Next;
        }
        self.replace_fpscr(value, mask, rec);
        self.fp_record(rec);
        if mask & MODE_BITS == 0 {
            return Out::Next;
        }
        if self.fp_exact() {
            return self.leave_dynamic();
        }
        // Another rounding mode, or an exception enabled, is another block mode.
        let now = self.b.get(slot::FPSCR);
        let now = self.low32(now);
        let now = self.bin_const(Op::And, now, MODE_BITS);
        let same = self.b.i32(self.mode.rounding());
        let changed = self.b.icmp(Cond::Ne, now, same);
        let mut info = self.direct(self.next);
        info.mode_dynamic = true;
        self.leave_if(changed, info, NONE);
        Out::Next
    }

    /// The same for control bits alone, where no exception is enabled. Mostly they are as they were, and then there is
    /// nothing to do.
    fn write_modes(&mut self, value: Value, mask: u64) {
        let now = self.b.get(slot::FPSCR);
        let differ = self.b.bin(Op::Xor, Ty::I64, now, value);
        let differ = self.bin_const(Op::And, differ, mask);
        let zero = self.b.i64(0);
        let changed = self.b.icmp(Cond::Ne, differ, zero);
        self.b.begin_if(changed, RegionKind::Leaves);
        let record = self.fp;
        self.replace_fpscr(value, mask, false);
        let (info, target) = self.dynamic();
        self.b.exit(info, target);
        self.b.end_if();
        self.fp = record;
    }

    fn replace_fpscr(&mut self, value: Value, mask: u64, rec: bool) {
        self.settle_fp();
        let sticky = self.b.op(Op::FpFlagsGet, Ty::I32, 0, 0, [NONE; 3], 0);
        // Before the call: it may leave.
        let whole = mask as u32 == u32::MAX && !self.b.in_region();
        if whole {
            // A flag that FPSCR has anyway may stay: nearly always that is XX, alone.
            let xx = self.low32(value);
            let xx = self.b.extract(Ty::I32, xx, fpscr::XX.trailing_zeros(), 1);
            let may_stay = self.shift(Op::Shl, xx, Flags::INEXACT.bits().trailing_zeros());
            let others = self.b.un(Op::Not, Ty::I32, may_stay);
            let others = self.b.bin(Op::And, Ty::I32, sticky, others);
            self.b.begin_if(others, RegionKind::Simple);
        }
        let none = self.b.i32(0);
        self.b
            .op(Op::FpFlagsSet, Ty::Void, 0, 0, [none, NONE, NONE], 0);
        if whole {
            self.b.end_if();
        }
        let m = self
            .b
            .i64(mask & !helper::RECORD | if rec { helper::RECORD } else { 0 });
        self.call(helper::FPSCR_WRITE, &[sticky, value, m]);
    }

    fn set_fpr_bits(&mut self, n: u32, bits: Value) {
        let v = self.b.bitcast(Ty::F64, bits);
        self.set_fpr(n, v);
    }

    pub(super) fn mffs(&mut self, a: args::Mffs) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let v = self.read_fpscr();
        self.set_fpr_bits(a.rt, v);
        self.fp_record(a.rec)
    }

    pub(super) fn mffsl(&mut self, a: args::Mffsl) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let v = self.read_fpscr();
        // Mode, status and enables without the sticky exception bits.
        let v = self.bin_const(Op::And, v, 0x7_0007_f0ff);
        self.set_fpr_bits(a.rt, v);
        Out::Next
    }

    /// Reads the control bits, then changes some.
    fn read_and_write(&mut self, rt: u32, value: Value, mask: u64) -> Out {
        let v = self.read_fpscr();
        let v = self.bin_const(Op::And, v, 0x7_0000_00ff);
        let out = self.set_after(rt, v);
        debug_assert_eq!(out, Out::Next);
        self.write_fpscr(value, mask, false)
    }

    fn set_after(&mut self, rt: u32, v: Value) -> Out {
        self.set_fpr_bits(rt, v);
        Out::Next
    }

    pub(super) fn mffsce(&mut self, a: args::Mffsce) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let v = self.read_fpscr();
        self.set_fpr_bits(a.rt, v);
        let zero = self.b.i64(0);
        self.write_fpscr(zero, u64::from(fpscr::ENABLES), false)
    }

    pub(super) fn mffscdrn(&mut self, a: args::Mffscdrn) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let v = self.fpr(a.rb);
        let v = self.b.bitcast(Ty::I64, v);
        self.read_and_write(a.rt, v, 7 << 32)
    }

    pub(super) fn mffscrn(&mut self, a: args::Mffscrn) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let v = self.fpr(a.rb);
        let v = self.b.bitcast(Ty::I64, v);
        self.read_and_write(a.rt, v, 3)
    }

    pub(super) fn mffscdrni(&mut self, a: args::Mffscdrni) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let v = self.b.i64(u64::from(a.drm) << 32);
        self.read_and_write(a.rt, v, 7 << 32)
    }

    pub(super) fn mffscrni(&mut self, a: args::Mffscrni) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let v = self.b.i64(u64::from(a.rm));
        self.read_and_write(a.rt, v, 3)
    }

    pub(super) fn mtfsf(&mut self, a: args::Mtfsf) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let long = self.has(Feature::Isa205);
        let mut mask = 0u64;
        for k in (0..8).filter(|k| a.fxm >> k & 1 != 0) {
            let at = if long && a.w { k + 8 } else { k };
            mask |= 0xf << (4 * at);
        }
        if long && a.l {
            mask = u64::MAX;
        }
        let v = self.fpr(a.rb);
        let v = self.b.bitcast(Ty::I64, v);
        self.write_fpscr(v, mask, a.rec)
    }

    pub(super) fn mtfsfi(&mut self, a: args::Mtfsfi) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let field = 7 - a.bf
            + if a.w && self.has(Feature::Isa205) {
                8
            } else {
                0
            };
        let v = self.b.i64(u64::from(a.uim) << (4 * field));
        self.write_fpscr(v, 0xf << (4 * field), a.rec)
    }

    pub(super) fn mtfsb0(&mut self, a: args::Mtfsb0) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let v = self.b.i64(0);
        self.write_fpscr(v, 1 << (31 - a.bt), a.rec)
    }

    pub(super) fn mtfsb1(&mut self, a: args::Mtfsb1) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let v = self.b.i64(u64::MAX);
        self.write_fpscr(v, 1 << (31 - a.bt), a.rec)
    }

    pub(super) fn mcrfs(&mut self, a: args::Mcrfs) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let v = self.read_fpscr();
        let shift = 4 * (7 - a.bfa);
        let v = self.low32(v);
        for k in 0..4 {
            let bit = self.b.extract(Ty::I32, v, shift + 3 - k, 1);
            self.b.set(slot::cr_bit(4 * a.bf + k), bit);
        }
        // Exception bits that were copied are cleared.
        let mask = u64::from(fpscr::EXCEPTIONS | fpscr::FX) & 0xf << shift;
        let zero = self.b.i64(0);
        self.write_fpscr(zero, mask, false)
    }

    // ---- VSCR ----

    pub(super) fn mfvscr(&mut self, a: args::Mfvscr) -> Out {
        if let Some(out) = self.need_vec() {
            return out;
        }
        let sat = self.b.get(slot::SAT);
        let lo = self.b.vun(Op::VGet, Ty::I64, 3, sat, 0);
        let hi = self.b.vun(Op::VGet, Ty::I64, 3, sat, 1);
        let any = self.b.bin(Op::Or, Ty::I64, lo, hi);
        let zero = self.b.i64(0);
        let bit = self.b.icmp(tcg_ir::Cond::Ne, any, zero);
        let nj = self.b.get(slot::NJ);
        let nj = self.shift(Op::Shl, nj, 16);
        let v = self.b.bin(Op::Or, Ty::I32, bit, nj);
        let v = self.b.un(Op::ZextI64, Ty::I64, v);
        let v = self.pair(v, zero);
        self.set_vr(a.vrt, v);
        Out::Next
    }

    pub(super) fn mtvscr(&mut self, a: args::Mtvscr) -> Out {
        if let Some(out) = self.need_vec() {
            return out;
        }
        let v = self.vr(a.vrb);
        let v = self.b.vun(Op::VGet, Ty::I32, 2, v, 0);
        let nj = self.b.extract(Ty::I32, v, 16, 1);
        self.b.set(slot::NJ, nj);
        let sat = self.b.extract(Ty::I32, v, 0, 1);
        let sat = self.b.un(Op::ZextI64, Ty::I64, sat);
        let zero = self.b.i64(0);
        let sat = self.pair(sat, zero);
        self.b.set(slot::SAT, sat);
        self.leave_dynamic()
    }
}
