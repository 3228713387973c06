//! Scalar floating point: inline with the host's unit, exceptional results through the exact evaluator.
//! Vectors are in `emit_fp_vec.rs`, conversions in `emit_fp_conv.rs`.
//!
//! MXCSR holds the rounding and flush bits of one regime; it is switched lazily and is back in regime 0 when a block
//! is left. A NaN result (or operand, of minimum and maximum) goes to the evaluator, which applies the guest's NaN
//! rules. Sticky flags gather in MXCSR and in `header.fp_flags`; the union counts.
//!
//! Where results are flushed, the host reports a flushed result also as inexact, and does not report flushed operands. So
//! denormal operands and inexact results are unmasked there until the guest's flags have them (`mxcsr_of`): the first
//! denormal operand makes the engine note it and flush operands from then on; an inexact result goes to the evaluator
//! (`FpSite`), which tells what it was. Once both are noted everything is masked, until the guest clears its flags.

use crate::abi::*;
use crate::cc::{FlagKind, NO_FLAGS};
use crate::compiler::Gen;
use crate::compiler::Place;
use crate::emit_fp_conv::Form;
use crate::emit_fp_vec::{EQ, splat_float};
use crate::emit_vec::PXOR;
use crate::enc::{Alu, Mem, Opc, RIP, Rm, Sh, x86cc};
use crate::link::Stub;
use tcg_ir::eval::OpDesc;
use tcg_ir::{FpMode, FpNan, FpRound, Inst, Op, Ty, Value};

/// An instruction's way through the evaluator: entered from its check, comes back behind it.
#[derive(Clone, Copy, Debug)]
pub struct Slow {
    words: [u64; 2],
    args: [(Ty, u8); 3],
    result: (Ty, u8),
    done: u32,
}

/// An arithmetic instruction whose regime flushes: its host code, and its way through the evaluator, as offsets in the
/// block's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FpSite {
    /// Where its code starts.
    pub start: u32,
    /// Where it ends.
    pub end: u32,
    /// Where the evaluator's way starts.
    pub slow: u32,
}

/// MXCSR's bits.
pub mod mxcsr {
    /// A denormal operand.
    pub const DE: u32 = 1 << 1;
    /// An inexact result.
    pub const PE: u32 = 1 << 5;
    /// Denormal operands are zeros.
    pub const DAZ: u32 = 1 << 6;
    /// Denormal operands are masked.
    pub const DM: u32 = 1 << 8;
    /// Inexact results are masked.
    pub const PM: u32 = 1 << 12;
    /// Tiny results are zeros.
    pub const FTZ: u32 = 1 << 15;
    /// All sticky flags.
    pub const FLAGS: u32 = 0x3f;
    /// Everything is masked.
    pub const MASKED: u32 = 0x1f80;
}

/// MXCSR's control bits of a regime before any flag is known: rounding, flushing of results, and what is masked.
pub const fn mxcsr_of(fp: FpMode) -> u32 {
    use mxcsr::{DM, FTZ, MASKED, PM};
    let round = match fp.round {
        FpRound::Down => 1,
        FpRound::Up => 2,
        FpRound::Zero => 3,
        FpRound::Nearest | FpRound::NearestAway | FpRound::Current => 0,
    };
    let flush = if fp.flush {
        MASKED & !(DM | PM) | FTZ
    } else {
        MASKED
    };
    flush | round << 13
}

/// Rounding as a number, "current" being to nearest.
pub fn round_of(mode: FpMode) -> u8 {
    match mode.round {
        FpRound::Current => FpRound::Nearest as u8,
        r => r as u8,
    }
}

/// The smallest normal number in every lane.
pub fn smallest_normal(wide: bool) -> u128 {
    let least = if wide {
        f64::MIN_POSITIVE
    } else {
        f64::from(f32::MIN_POSITIVE)
    };
    splat_float(wide, least)
}

impl Gen<'_> {
    /// Emits an operation of this group; false if it is not one or has no inline form.
    pub fn emit_fp(&mut self, v: Value, i: &Inst) -> bool {
        let wide = match i.op {
            Op::CcFcmp => self.ty(i.args[0]) == Ty::F64,
            _ => i.ty == Ty::F64,
        };
        let pre = if wide { 0xf2 } else { 0xf3 };
        if self.rounds_to_single(i) && self.b.fp[usize::from(i.aux & 1)].flush {
            // What is flushed depends on the precision: nobody asks for both.
            return false;
        }
        let (start, slow) = (self.here(), self.slow.len());
        match i.op {
            Op::FAdd => self.fp_two(v, i, Opc(pre, 1, 0x58)),
            Op::FSub => self.fp_two(v, i, Opc(pre, 1, 0x5c)),
            Op::FMul => self.fp_two(v, i, Opc(pre, 1, 0x59)),
            Op::FDiv => self.fp_two(v, i, Opc(pre, 1, 0x5e)),
            Op::FMin | Op::FMinNum => self.fp_minmax(v, i, Opc(pre, 1, 0x5d)),
            Op::FMax | Op::FMaxNum => self.fp_minmax(v, i, Opc(pre, 1, 0x5f)),
            Op::FSqrt => self.fp_one(v, i, Opc(pre, 1, 0x51)),
            Op::FMulAdd if self.f.fma => self.fp_fma(v, i, wide),
            Op::FMla => self.fp_mla(v, i, wide),
            Op::FNeg | Op::FAbs => self.fp_sign(v, i, if wide { 3 } else { 2 }, i.op == Op::FNeg),
            Op::FWiden => self.fp_widen(v, i),
            Op::FNarrow => self.fp_narrow(v, i),
            Op::FCvt => self.fp_one(v, i, Opc(if wide { 0xf3 } else { 0xf2 }, 1, 0x5a)),
            Op::CcFcmp => {
                self.fp_compare(v, i, wide);
                return true;
            }
            _ => {
                if !(self.emit_fp_conv(v, i) || self.emit_fp_vec(v, i)) {
                    return false;
                }
                self.note_site(i, start, slow);
                return true;
            }
        }
        self.note_site(i, start, slow);
        self.flags = NO_FLAGS;
        true
    }

    /// Whether an operation's regime flushes.
    pub fn flushes(&self, i: &Inst) -> bool {
        self.b.fp[usize::from(i.aux & 1)].flush
    }

    /// Notes the way through the evaluator (number `slow`, if there is one) of an operation whose result may be flushed.
    /// Its code starts with its registers taken, so that it can be left for the evaluator anywhere.
    fn note_site(&mut self, i: &Inst, start: Place, slow: usize) {
        use Op::{FAdd, FCvt, FDiv, FMla, FMul, FMulAdd, FSqrt, FSub};
        use Op::{VFAbd, VFAdd, VFMla, VFMul, VFMulAdd, VFPadd, VFRecps, VFRsqrts, VFSub};
        let scalar = matches!(
            i.op,
            FAdd | FSub | FMul | FDiv | FSqrt | FMulAdd | FMla | FCvt
        );
        let vector = matches!(i.op, VFAdd | VFSub | VFMul | VFAbd | VFMulAdd | VFMla)
            || matches!(i.op, VFPadd | VFRecps | VFRsqrts);
        if !self.flushes(i) || !(scalar || vector) || self.slow.len() <= slow {
            return;
        }
        let stub = self.stubs.iter().rev().find_map(|(label, s)| match s {
            Stub::Slow(n) if *n as usize == slow => Some(*label),
            _ => None,
        });
        if let Some(label) = stub {
            let end = self.here();
            self.fp_sites.push((start, end, label));
        }
    }

    /// In a regime that flushes, an instruction that looks at an operand in order to report that it is denormal: what
    /// follows does not. Uses xmm15.
    pub fn report_denormal(&mut self, i: &Inst, f: Form, x: u8) {
        if !self.flushes(i) {
            return;
        }
        if f.packed {
            return self.cmp_packed(f.wide, XMM15, x, x, EQ);
        }
        self.ucomis(0x2e, f.wide, x, x);
    }

    /// Whether the operation rounds a double to single precision.
    fn rounds_to_single(&self, i: &Inst) -> bool {
        use Op::{FAdd, FDiv, FMul, FMulAdd, FSqrt, FSub};
        i.ty == Ty::F64
            && i.imm & 1 != 0
            && matches!(i.op, FAdd | FSub | FMul | FDiv | FSqrt | FMulAdd)
    }

    // ---- regimes ----

    /// Makes MXCSR hold the regime of an operation.
    pub fn regime(&mut self, i: &Inst) {
        let want = i.aux & 1;
        let [a, b] = self.b.fp;
        let same = a.flush == b.flush && round_of(a) == round_of(b) && a.silent == b.silent;
        let want = if same { 0 } else { want };
        if self.regime != want {
            self.switch_regime(want);
        }
    }

    /// Loads the control bits of a regime, keeping the sticky flags. Destroys `rax` and the flags.
    pub fn switch_regime(&mut self, want: u8) {
        if self.b.fp[1].silent {
            return self.switch_silent(want);
        }
        let tmp = Mem::env(MXCSR_TMP);
        self.a.op(Opc(0, 1, 0xae), false, 3, Rm::M(tmp));
        self.a.mov(false, RAX, Rm::M(tmp));
        self.a.alu_imm(Alu::And, false, Rm::R(RAX), 0x3f);
        let control = Mem::env(MXCSR_GUEST + 4 * i32::from(want));
        self.a.alu(Alu::Or, false, RAX, Rm::M(control));
        self.a.store(false, tmp, RAX);
        if self.b.fp[usize::from(want)].flush {
            // What is known to be inexact needs no telling.
            self.a.shift_imm(Sh::Shl, false, Rm::R(RAX), 7);
            self.a
                .alu_imm(Alu::And, false, Rm::R(RAX), mxcsr::PM as i32);
            self.a.alu(Alu::Or, false, RAX, Rm::M(tmp));
            self.a.store(false, tmp, RAX);
        }
        self.a.op(Opc(0, 1, 0xae), false, 2, Rm::M(tmp));
        self.flags = NO_FLAGS;
        self.regime = want;
    }

    /// The second regime touches no sticky flags: the first one's MXCSR is put aside meanwhile, where the engine looks
    /// for it after a fault.
    fn switch_silent(&mut self, want: u8) {
        let aside = Mem::env(MXCSR_ASIDE);
        let (store, load) = (3, 2);
        if want == 1 {
            self.a.op(Opc(0, 1, 0xae), false, store, Rm::M(aside));
            let control = Mem::env(MXCSR_GUEST + 4);
            self.a.op(Opc(0, 1, 0xae), false, load, Rm::M(control));
        } else {
            self.a.op(Opc(0, 1, 0xae), false, load, Rm::M(aside));
            self.a.store_imm(false, aside, 0);
        }
        self.regime = want;
    }

    /// Before helpers and the end of the block: MXCSR back to regime 0.
    pub fn restore_regime(&mut self) {
        if self.regime != 0 {
            self.switch_regime(0);
        }
    }

    pub fn emit_fp_flags(&mut self, v: Value, i: &Inst) {
        // A silent regime's flags are not the guest's.
        if self.b.fp[1].silent {
            self.restore_regime();
        }
        let tmp = Mem::env(MXCSR_TMP);
        let m = Mem::env(FP_FLAGS);
        if i.op == Op::FpFlagsSet {
            self.settle_test(i.args[0]);
            let r = self.reg(i.args[0]);
            self.a.store(false, m, r);
            self.a.op(Opc(0, 1, 0xae), false, 3, Rm::M(tmp));
            self.a.alu_imm(Alu::And, false, Rm::M(tmp), !0x3f);
            self.watch_again(tmp);
            return self.a.op(Opc(0, 1, 0xae), false, 2, Rm::M(tmp));
        }
        // MXCSR: invalid, denormal, zero divide, overflow, underflow, inexact; ours lacks the second.
        let d = self.def(v);
        self.a.op(Opc(0, 1, 0xae), false, 3, Rm::M(tmp));
        self.a.mov(false, RAX, Rm::M(tmp));
        self.a.mov(false, d, Rm::R(RAX));
        self.a.alu_imm(Alu::And, false, Rm::R(d), 1);
        self.a.shift_imm(Sh::Shr, false, Rm::R(RAX), 1);
        self.a.alu_imm(Alu::And, false, Rm::R(RAX), 0x1e);
        self.a.alu(Alu::Or, false, d, Rm::R(RAX));
        self.a.alu(Alu::Or, false, d, Rm::M(m));
    }

    /// The guest's flags were replaced: where results are flushed, unmasks what makes known which of them are raised.
    fn watch_again(&mut self, tmp: Mem) {
        for (k, fp) in self.b.fp.into_iter().enumerate() {
            if fp.flush && self.opts.unmask {
                let base = u64::from(mxcsr_of(fp));
                self.a.mov_imm(RAX, base);
                self.a
                    .store(false, Mem::env(MXCSR_GUEST + 4 * k as i32), RAX);
                if usize::from(self.regime) == k {
                    self.a.store(false, tmp, RAX);
                }
            }
        }
    }

    // ---- the exact way ----

    /// A way through the evaluator for `i`; gives the label to jump to. Operands must be in registers that keep their
    /// values up to `end_slow`.
    pub fn begin_slow(&mut self, i: &Inst, d: u8) -> (u32, u32) {
        let done = self.new_label();
        let words = OpDesc::of(self.b, i).map_or([0; 2], |x| x.pack());
        let mut args = [(Ty::Void, NOREG); 3];
        for (k, a) in i.args.iter().enumerate() {
            if a.is_some() {
                args[k] = (self.ty(*a), self.reg_of(*a));
            }
        }
        let ty = if i.ty == Ty::Cc { Ty::I32 } else { i.ty };
        self.slow.push(Slow {
            words,
            args,
            result: (ty, d),
            done,
        });
        let label = self.new_label();
        let n = self.slow.len() as u32 - 1;
        self.stubs.push((label, Stub::Slow(n)));
        (label, done)
    }

    pub fn emit_slow(&mut self, n: u32) {
        let s = self.slow[n as usize];
        for (k, (ty, r)) in s.args.into_iter().enumerate() {
            if r != NOREG {
                self.store_reg(ty, Mem::env(SCRATCH + 16 * k as i32), r);
            }
        }
        for (k, w) in s.words.into_iter().enumerate() {
            self.a.mov_imm(RAX, w);
            self.a
                .store(true, Mem::env(SCRATCH + 48 + 8 * k as i32), RAX);
        }
        let back = self.new_label();
        self.lea_label(RAX, back);
        let routine = match self.slow_routine {
            Some(l) => l,
            None => {
                let l = self.new_label();
                self.slow_routine = Some(l);
                self.stubs.push((l, Stub::SlowRoutine));
                l
            }
        };
        self.jmp(routine);
        self.bind_label(back);
        self.load_reg(s.result.0, s.result.1, Mem::env(SCRATCH));
        self.jmp(s.done);
    }

    /// Calls the evaluator with all registers saved on the Rust stack; `rax` = where to go back to.
    pub fn emit_slow_routine(&mut self) {
        const SAVED: [u8; 9] = [RAX, RCX, RDX, RSI, RDI, 8, 9, 10, 11];
        const FRAME: i32 = 16 * 16 + 80;
        self.a.store(true, Mem::env(JIT_RSP), RSP);
        self.a.mov(true, RSP, Rm::M(Mem::env(HOST_RSP)));
        self.a.alu_imm(Alu::Sub, true, Rm::R(RSP), FRAME);
        for (k, r) in SAVED.into_iter().enumerate() {
            self.a.store(true, Mem::base(RSP, 256 + 8 * k as i32), r);
        }
        for x in 0..16u8 {
            self.store_reg(Ty::V128, Mem::base(RSP, 16 * i32::from(x)), XMM0 + x);
        }
        self.a.mov(true, RDI, Rm::R(RBP));
        self.a.mov(true, RSI, Rm::M(Mem::env(SCRATCH + 48)));
        self.a.mov(true, RDX, Rm::M(Mem::env(SCRATCH + 56)));
        self.a.mov(true, RAX, Rm::M(Mem::env(HELPERS)));
        let id = self.helpers.len() as i32;
        self.a
            .op(Opc(0, 0, 0xff), false, 2, Rm::M(Mem::base(RAX, id * 8)));
        for (k, r) in SAVED.into_iter().enumerate() {
            self.a
                .mov(true, r, Rm::M(Mem::base(RSP, 256 + 8 * k as i32)));
        }
        for x in 0..16u8 {
            self.load_reg(Ty::V128, XMM0 + x, Mem::base(RSP, 16 * i32::from(x)));
        }
        self.a.mov(true, RSP, Rm::M(Mem::env(JIT_RSP)));
        self.a.op(Opc(0, 0, 0xff), false, 4, Rm::R(RAX));
    }

    /// Goes to the evaluator if the scalar result is a NaN.
    pub fn check_nan(&mut self, i: &Inst, wide: bool, d: u8) {
        let (slow, done) = self.begin_slow(i, d);
        self.ucomis(0x2e, wide, d, d);
        self.jcc(x86cc::P, slow);
        self.bind_label(done);
    }

    /// Whether the operation's regime judges tininess before rounding. The host judges afterwards: it reports nothing, and
    /// does not flush, where a result is rounded up to the smallest normal number.
    pub fn judges_before(&self, i: &Inst) -> bool {
        self.b.fp[usize::from(i.aux & 1)].tiny_before
    }

    /// Whether that can happen to the operation's result.
    pub fn may_hide_tininess(&self, i: &Inst) -> bool {
        let rounds = match i.op {
            Op::FMul | Op::FDiv | Op::FMulAdd | Op::VFMul | Op::VFDiv | Op::VFMulAdd => true,
            Op::FCvt => i.ty == Ty::F32,
            _ => false,
        };
        rounds && self.judges_before(i)
    }

    /// Goes to `slow` if the scalar `x` is the smallest normal number, of either sign, or a NaN. Uses xmm15.
    fn least_or_nan(&mut self, wide: bool, x: u8, slow: u32) {
        self.v3c(Opc(0, 1, 0x54), XMM15, x, !splat_float(wide, -0.0));
        let least = self.const_mem(smallest_normal(wide));
        let o = Opc(if wide { 0x66 } else { 0 }, 1, 0x2e);
        self.vmov(o, XMM15, Rm::M(Mem::base(RIP, 0)));
        self.fix_rip(least, 0);
        self.jcc(x86cc::E, slow);
    }

    /// Goes to the evaluator if the scalar result is a NaN or, where that matters, the smallest normal number. Uses
    /// xmm15.
    fn check_result(&mut self, i: &Inst, wide: bool, d: u8) {
        if !self.may_hide_tininess(i) {
            return self.check_nan(i, wide, d);
        }
        let (slow, done) = self.begin_slow(i, d);
        self.least_or_nan(wide, d, slow);
        self.bind_label(done);
    }

    /// The same, and rounds a double to single precision if `imm` says so. Rounding twice is wrong at most where the
    /// first result is a tie of the second, or the second is denormal (or the smallest normal number, which may be
    /// tiny before rounding): those go to the evaluator, too.
    fn finish_scalar(&mut self, i: &Inst, wide: bool, d: u8) {
        if !self.rounds_to_single(i) {
            return self.check_result(i, wide, d);
        }
        let (slow, done) = self.begin_slow(i, d);
        self.ucomis(0x2e, true, d, d);
        self.jcc(x86cc::P, slow);
        let mode = self.b.fp[usize::from(i.aux & 1)];
        if round_of(mode) == FpRound::Nearest as u8 {
            self.mov_gx(false, false, d, RAX);
            self.a.alu_imm(Alu::And, false, Rm::R(RAX), 0x1fff_ffff);
            self.a.alu_imm(Alu::Cmp, false, Rm::R(RAX), 0x1000_0000);
            self.jcc(x86cc::E, slow);
        }
        self.v3(Opc(0xf2, 1, 0x5a), XMM15, d, d);
        self.mov_gx(false, false, XMM15, RAX);
        self.a.alu(Alu::Add, false, RAX, Rm::R(RAX));
        self.a.alu_imm(Alu::Sub, false, Rm::R(RAX), 1);
        self.a.alu_imm(Alu::Cmp, false, Rm::R(RAX), 0x0100_0000);
        self.jcc(x86cc::B, slow);
        self.v3(Opc(0xf3, 1, 0x5a), d, XMM15, XMM15);
        self.bind_label(done);
    }

    /// The widened number; NaNs, which the host would make quiet, go the exact way.
    fn fp_widen(&mut self, v: Value, i: &Inst) {
        self.regime(i);
        let a = self.reg(i.args[0]);
        let d = self.def(v);
        let (slow, done) = self.begin_slow(i, d);
        self.mov_gx(false, false, a, RAX);
        self.a.alu(Alu::Add, false, RAX, Rm::R(RAX));
        self.a
            .alu_imm(Alu::Cmp, false, Rm::R(RAX), 0xff00_0000_u32 as i32);
        self.jcc(x86cc::A, slow);
        self.v3(Opc(0xf3, 1, 0x5a), d, a, a);
        self.bind_label(done);
    }

    /// Whether a double is the result of an operation that rounds to single precision, or was widened.
    fn is_single(&self, v: Value) -> bool {
        let i = self.b.def(v);
        match i.op {
            Op::FNeg | Op::FAbs => self.is_single(i.args[0]),
            Op::FAdd | Op::FSub | Op::FMul | Op::FDiv | Op::FSqrt | Op::FMulAdd => i.imm & 1 != 0,
            _ => false,
        }
    }

    /// Bits 63, 62 and 58 to 29. Small numbers, which become denormal, go the exact way.
    fn fp_narrow(&mut self, v: Value, i: &Inst) {
        self.regime(i);
        let a = self.reg(i.args[0]);
        let d = self.def(v);
        if self.is_single(i.args[0]) {
            return self.v3(Opc(0xf2, 1, 0x5a), d, a, a);
        }
        let (slow, done) = self.begin_slow(i, d);
        self.mov_gx(false, true, a, RAX);
        self.a.shift_imm(Sh::Shr, true, Rm::R(RAX), 52);
        self.a.alu_imm(Alu::And, false, Rm::R(RAX), 0x7ff);
        self.a.alu_imm(Alu::Sub, false, Rm::R(RAX), 874);
        self.a.alu_imm(Alu::Cmp, false, Rm::R(RAX), 897 - 874);
        self.jcc(x86cc::B, slow);
        // The two pieces meet in vector registers.
        self.mov_gx(false, true, a, RAX);
        self.a.shift_imm(Sh::Shr, true, Rm::R(RAX), 29);
        self.a.alu_imm(Alu::And, false, Rm::R(RAX), 0x3fff_ffff);
        self.mov_gx(true, false, XMM15, RAX);
        self.mov_gx(false, true, a, RAX);
        self.a.shift_imm(Sh::Shr, true, Rm::R(RAX), 32);
        self.a
            .alu_imm(Alu::And, false, Rm::R(RAX), 0xc000_0000_u32 as i32);
        self.mov_gx(true, false, d, RAX);
        self.v3(Opc(0, 1, 0x56), d, d, XMM15);
        self.bind_label(done);
    }

    pub fn ucomis(&mut self, op: u8, wide: bool, a: u8, b: u8) {
        let o = Opc(if wide { 0x66 } else { 0 }, 1, op);
        self.v2(o, a, b);
    }

    // ---- scalar ----

    fn fp_two(&mut self, v: Value, i: &Inst, o: Opc) {
        self.regime(i);
        let (a, b) = self.two(i);
        let d = self.def(v);
        let wide = i.ty == Ty::F64;
        if i.op == Op::FDiv && self.flushes(i) {
            // By zero: the host looks no further, but the dividend may be flushed.
            return self.fp_unless(i, wide, d, (b, x86cc::E), |g| g.v3(o, d, a, b));
        }
        self.v3(o, d, a, b);
        self.finish_scalar(i, wide, d);
    }

    fn fp_one(&mut self, v: Value, i: &Inst, o: Opc) {
        self.regime(i);
        let a = self.reg(i.args[0]);
        let d = self.def(v);
        let wide = i.ty == Ty::F64;
        if i.op == Op::FSqrt && self.flushes(i) {
            // Of a negative number: the same.
            return self.fp_unless(i, wide, d, (a, x86cc::B), |g| g.v3(o, d, a, a));
        }
        self.v3(o, d, a, a);
        self.finish_scalar(i, wide, d);
    }

    /// `work`, and a check of its result, unless `x` compared with zero (or a NaN) is so. Uses xmm15.
    fn fp_unless(
        &mut self,
        i: &Inst,
        wide: bool,
        d: u8,
        (x, cc): (u8, u8),
        work: impl FnOnce(&mut Self),
    ) {
        let (slow, done) = self.begin_slow(i, d);
        self.v3(PXOR, XMM15, XMM15, XMM15);
        self.ucomis(0x2e, wide, x, XMM15);
        self.jcc(cc, slow);
        work(self);
        if self.may_hide_tininess(i) {
            self.least_or_nan(wide, d, slow);
        } else {
            self.ucomis(0x2e, wide, d, d);
            self.jcc(x86cc::P, slow);
        }
        self.bind_label(done);
    }

    fn fp_fma(&mut self, v: Value, i: &Inst, wide: bool) {
        self.regime(i);
        let (a, b) = self.two(i);
        let c = self.reg(i.args[2]);
        let d = self.def(v);
        self.move_reg(Ty::V128, d, c);
        let o = if i.imm & 2 == 0 { 0xb9 } else { 0xbb };
        self.a.vex(Opc(0x66, 2, o), wide, d, a & 15, Rm::R(b & 15));
        if i.imm & 4 == 0 {
            return self.finish_scalar(i, wide, d);
        }
        // The evaluator's result is negated already, NaNs are not: the sign changes before its way joins.
        let first = self.slow.len();
        self.finish_scalar(i, wide, d);
        let after = self.new_label();
        let sign = if wide { 1 << 63 } else { 1 << 31 };
        self.v3c(Opc(0, 1, 0x57), d, d, sign);
        self.bind_label(after);
        self.slow[first].done = after;
    }

    /// One check is enough: a product that is not a number makes a sum that is none.
    fn fp_mla(&mut self, v: Value, i: &Inst, wide: bool) {
        self.regime(i);
        let (a, b) = self.two(i);
        let c = self.reg(i.args[2]);
        let d = self.def(v);
        let pre = if wide { 0xf2 } else { 0xf3 };
        self.v3(Opc(pre, 1, 0x59), XMM14, a, b);
        self.add_product(i, pre, d, c);
        let (slow, done) = self.begin_slow(i, d);
        self.ucomis(0x2e, wide, d, d);
        self.jcc(x86cc::P, slow);
        if self.judges_before(i) {
            self.least_or_nan(wide, XMM14, slow);
        }
        self.bind_label(done);
    }

    /// `d` = the sum of `FMla` of the product in xmm14 and `c`. May use xmm15.
    pub fn add_product(&mut self, i: &Inst, pre: u8, d: u8, c: u8) {
        let (add, sub) = (Opc(pre, 1, 0x58), Opc(pre, 1, 0x5c));
        match i.imm & 3 {
            0 => self.v3(add, d, c, XMM14),
            1 => self.v3(sub, d, c, XMM14),
            2 => self.v3(sub, d, XMM14, c),
            _ => {
                let wide = pre == 0x66 || pre == 0xf2;
                self.v3c(PXOR, XMM15, c, splat_float(wide, -0.0));
                self.v3(sub, d, XMM15, XMM14);
            }
        }
    }

    /// Minimum or maximum: both orders, combined, get the sign of zero right; NaN operands go the exact way.
    fn fp_minmax(&mut self, v: Value, i: &Inst, o: Opc) {
        self.regime(i);
        let (a, b) = self.two(i);
        let d = self.def(v);
        let (slow, done) = self.begin_slow(i, d);
        self.ucomis(0x2e, i.ty == Ty::F64, a, b);
        self.jcc(x86cc::P, slow);
        self.v3(o, XMM14, a, b);
        self.v3(o, d, b, a);
        let join = if o.2 == 0x5d { 0x56 } else { 0x54 };
        self.v3(Opc(0, 1, join), d, d, XMM14);
        self.bind_label(done);
    }

    pub fn fp_sign(&mut self, v: Value, i: &Inst, lane: u8, negate: bool) {
        let a = self.reg(i.args[0]);
        let d = self.def_reuse(v, i.args[0]);
        let sign = match lane {
            3 => 1u128 << 127 | 1 << 63,
            _ => 0x8000_0000_8000_0000_8000_0000_8000_0000,
        };
        if negate {
            self.v3c(Opc(0, 1, 0x57), d, a, sign);
        } else {
            self.v3c(Opc(0, 1, 0x54), d, a, !sign);
        }
    }

    /// The nibble N Z C V of a comparison. The host's flags stay for a branch.
    fn fp_compare(&mut self, v: Value, i: &Inst, wide: bool) {
        self.regime(i);
        let (a, b) = self.two(i);
        let d = self.def(v);
        // Where reasons for an invalid operation are told apart, NaNs go the exact way.
        // Where operands are flushed, a NaN hides a denormal one from the host.
        let exact =
            self.b.fp[usize::from(i.aux & 1)].nan == FpNan::FirstThenAddend || self.flushes(i);
        let slow = exact.then(|| self.begin_slow(i, d));
        let swapped = self.better_swapped(v);
        let (x, y) = if swapped { (b, a) } else { (a, b) };
        self.ucomis(0x2e + (i.lane & 1), wide, x, y);
        if let Some((slow, _)) = slow {
            self.jcc(x86cc::P, slow);
        }
        let (above, below) = if swapped { (8, 2) } else { (2, 8) };
        self.a.mov_imm(d, above);
        for (cc, nibble) in [(x86cc::B, below), (x86cc::E, 6), (x86cc::P, 3)] {
            self.a.mov_imm(RAX, nibble);
            self.a.cmov(cc, false, d, Rm::R(RAX));
        }
        if let Some((_, done)) = slow {
            // The evaluator leaves other flags.
            self.bind_label(done);
            self.flags = NO_FLAGS;
            return;
        }
        let kind = if swapped {
            FlagKind::FcmpSwapped
        } else {
            FlagKind::Fcmp
        };
        self.flags_are(kind, [v, Value::NONE, Value::NONE]);
    }
}
