//! VFP data processing, conversions and comparisons. [ARMv7 A7.5] [ARMv8 F4.1]

use tcg_ir::{Cond, ExitInfo, ExitKind, FpRound, IndirectHint, Op, Ty, Value};

use super::fpregs::{FPSCR_NZCV, NZCV};
use super::{Out, Translator};
use crate::decode::{Feature, args};
use crate::state::{self, slot};

/// Floating-point regime of VFP instructions: what FPSCR says.
const VFP: u8 = 0;

const NONE: Value = Value::NONE;

const fn fty(double: bool) -> Ty {
    if double { Ty::F64 } else { Ty::F32 }
}

/// The constant of VMOV (immediate). [ARMv7 A7.5.1]
pub(crate) const fn expand_imm(double: bool, imm8: u32) -> u64 {
    let sign = (imm8 >> 7) as u64 & 1;
    let b = (imm8 >> 6) as u64 & 1;
    let low = imm8 as u64 & 0x3f;
    if double {
        sign << 63 | (b ^ 1) << 62 | (b * 0xff) << 54 | low << 48
    } else {
        sign << 31 | (b ^ 1) << 30 | (b * 0x1f) << 25 | low << 19
    }
}

/// The same for half precision.
pub(super) const fn expand_half(imm8: u32) -> u32 {
    let b = imm8 >> 6 & 1;
    (imm8 >> 7 & 1) << 15 | (b ^ 1) << 14 | (b * 3) << 12 | (imm8 & 0x3f) << 6
}

/// `imm` of the conversions between floats and integers; width 0 where the types say it.
pub(super) const fn conv_imm(fraction: u32, signed: bool, width: u32) -> i64 {
    (fraction | (signed as u32) << 8 | width << 16) as i64
}

impl Translator<'_> {
    fn fbin(&mut self, op: Op, double: bool, a: Value, b: Value) -> Value {
        self.b.fop(op, fty(double), 0, VFP, [a, b, NONE], 0)
    }

    /// Bits-only operation (sign changes, moves).
    fn funary(&mut self, op: Op, double: bool, a: Value) -> Value {
        self.b.un(op, fty(double), a)
    }

    /// Whether D registers of this number exist; S registers always do.
    fn has_dregs(&self, double: bool, regs: &[u32]) -> bool {
        !double || self.has(Feature::D32) || regs.iter().all(|&r| r < 16)
    }

    /// vd = op(vn, vm).
    fn f3(
        &mut self,
        double: bool,
        d: u32,
        n: u32,
        m: u32,
        op: impl FnOnce(&mut Self, Value, Value) -> Value,
    ) -> Out {
        if !self.has_dregs(double, &[d, n, m]) {
            return self.undefined();
        }
        let (a, b) = (self.fget(double, n), self.fget(double, m));
        let r = op(self, a, b);
        self.fset(double, d, r);
        Out::Next
    }

    /// vd = op(vm).
    fn f2(
        &mut self,
        double: bool,
        d: u32,
        m: u32,
        op: impl FnOnce(&mut Self, Value) -> Value,
    ) -> Out {
        if !self.has_dregs(double, &[d, m]) {
            return self.undefined();
        }
        let a = self.fget(double, m);
        let r = op(self, a);
        self.fset(double, d, r);
        Out::Next
    }

    /// Multiply-accumulate with two roundings: ±vd + ±(vn * vm).
    fn fmac(&mut self, double: bool, d: u32, n: u32, m: u32, neg_acc: bool, neg_prod: bool) -> Out {
        self.f3(double, d, n, m, |t, a, b| {
            let acc = t.fget(double, d);
            let signs = i64::from(neg_prod) | i64::from(neg_acc) << 1;
            t.b.fop(Op::FMla, fty(double), 0, VFP, [a, b, acc], signs)
        })
    }

    /// Fused multiply-accumulate: ±vd + (±vn * vm).
    fn ffma(&mut self, double: bool, d: u32, n: u32, m: u32, neg_acc: bool, neg_n: bool) -> Out {
        self.f3(double, d, n, m, |t, mut a, b| {
            let mut acc = t.fget(double, d);
            if neg_n {
                a = t.funary(Op::FNeg, double, a);
            }
            if neg_acc {
                acc = t.funary(Op::FNeg, double, acc);
            }
            t.b.fop(Op::FMulAdd, fty(double), 0, VFP, [a, b, acc], 0)
        })
    }

    pub(super) fn vmla(&mut self, a: args::Vmla) -> Out {
        self.fmac(a.double, a.vd, a.vn, a.vm, false, false)
    }

    pub(super) fn vmls(&mut self, a: args::Vmls) -> Out {
        self.fmac(a.double, a.vd, a.vn, a.vm, false, true)
    }

    pub(super) fn vnmls(&mut self, a: args::Vnmls) -> Out {
        self.fmac(a.double, a.vd, a.vn, a.vm, true, false)
    }

    pub(super) fn vnmla(&mut self, a: args::Vnmla) -> Out {
        self.fmac(a.double, a.vd, a.vn, a.vm, true, true)
    }

    pub(super) fn vmul(&mut self, a: args::Vmul) -> Out {
        self.f3(a.double, a.vd, a.vn, a.vm, |t, x, y| {
            t.fbin(Op::FMul, a.double, x, y)
        })
    }

    pub(super) fn vnmul(&mut self, a: args::Vnmul) -> Out {
        self.f3(a.double, a.vd, a.vn, a.vm, |t, x, y| {
            let p = t.fbin(Op::FMul, a.double, x, y);
            t.funary(Op::FNeg, a.double, p)
        })
    }

    pub(super) fn vadd(&mut self, a: args::Vadd) -> Out {
        self.f3(a.double, a.vd, a.vn, a.vm, |t, x, y| {
            t.fbin(Op::FAdd, a.double, x, y)
        })
    }

    pub(super) fn vsub(&mut self, a: args::Vsub) -> Out {
        self.f3(a.double, a.vd, a.vn, a.vm, |t, x, y| {
            t.fbin(Op::FSub, a.double, x, y)
        })
    }

    pub(super) fn vdiv(&mut self, a: args::Vdiv) -> Out {
        self.f3(a.double, a.vd, a.vn, a.vm, |t, x, y| {
            t.fbin(Op::FDiv, a.double, x, y)
        })
    }

    pub(super) fn vfma(&mut self, a: args::Vfma) -> Out {
        self.ffma(a.double, a.vd, a.vn, a.vm, false, false)
    }

    pub(super) fn vfms(&mut self, a: args::Vfms) -> Out {
        self.ffma(a.double, a.vd, a.vn, a.vm, false, true)
    }

    pub(super) fn vfnms(&mut self, a: args::Vfnms) -> Out {
        self.ffma(a.double, a.vd, a.vn, a.vm, true, false)
    }

    pub(super) fn vfnma(&mut self, a: args::Vfnma) -> Out {
        self.ffma(a.double, a.vd, a.vn, a.vm, true, true)
    }

    pub(super) fn vmaxnm(&mut self, a: args::Vmaxnm) -> Out {
        self.f3(a.double, a.vd, a.vn, a.vm, |t, x, y| {
            t.fbin(Op::FMaxNum, a.double, x, y)
        })
    }

    pub(super) fn vminnm(&mut self, a: args::Vminnm) -> Out {
        self.f3(a.double, a.vd, a.vn, a.vm, |t, x, y| {
            t.fbin(Op::FMinNum, a.double, x, y)
        })
    }

    pub(super) fn vsel(&mut self, a: args::Vsel) -> Out {
        // cond: EQ, VS, GE, GT
        let cond = [Cond::Eq, Cond::Vs, Cond::Ge, Cond::Gt][a.cond as usize & 3] as u8;
        self.f3(a.double, a.vd, a.vn, a.vm, |t, x, y| {
            let c = t.condition(cond);
            t.b.sel(c, x, y)
        })
    }

    pub(super) fn vmov_imm(&mut self, a: args::VmovImm) -> Out {
        if !self.has_dregs(a.double, &[a.vd]) {
            return self.undefined();
        }
        let v = self
            .b
            .vconst(fty(a.double), u128::from(expand_imm(a.double, a.imm)));
        self.fset(a.double, a.vd, v);
        Out::Next
    }

    pub(super) fn vmov_reg(&mut self, a: args::VmovReg) -> Out {
        self.f2(a.double, a.vd, a.vm, |_, x| x)
    }

    pub(super) fn vabs(&mut self, a: args::Vabs) -> Out {
        self.f2(a.double, a.vd, a.vm, |t, x| t.funary(Op::FAbs, a.double, x))
    }

    pub(super) fn vneg(&mut self, a: args::Vneg) -> Out {
        self.f2(a.double, a.vd, a.vm, |t, x| t.funary(Op::FNeg, a.double, x))
    }

    pub(super) fn vsqrt(&mut self, a: args::Vsqrt) -> Out {
        self.f2(a.double, a.vd, a.vm, |t, x| {
            t.b.fop(Op::FSqrt, fty(a.double), 0, VFP, [x, NONE, NONE], 0)
        })
    }

    fn fround(&mut self, double: bool, d: u32, m: u32, mode: FpRound, exact: bool) -> Out {
        self.f2(double, d, m, |t, x| {
            t.b.fop(
                Op::FRound,
                fty(double),
                mode as u8,
                VFP,
                [x, NONE, NONE],
                i64::from(exact),
            )
        })
    }

    pub(super) fn vrintr(&mut self, a: args::Vrintr) -> Out {
        self.fround(a.double, a.vd, a.vm, FpRound::Current, false)
    }

    pub(super) fn vrintz(&mut self, a: args::Vrintz) -> Out {
        self.fround(a.double, a.vd, a.vm, FpRound::Zero, false)
    }

    pub(super) fn vrintx(&mut self, a: args::Vrintx) -> Out {
        self.fround(a.double, a.vd, a.vm, FpRound::Current, true)
    }

    pub(super) fn vrint_dir(&mut self, a: args::VrintDir) -> Out {
        self.fround(a.double, a.vd, a.vm, directed(a.mode), false)
    }

    /// Sets FPSCR's N, Z, C, V from a comparison.
    fn fcompare(&mut self, double: bool, x: Value, y: Value, signalling: bool) -> Out {
        let cc = self.b.op(
            Op::CcFcmp,
            Ty::Cc,
            u8::from(signalling),
            VFP,
            [x, y, NONE],
            0,
        );
        let _ = double;
        let conds = [Cond::Mi, Cond::Eq, Cond::Hs, Cond::Vs];
        for (slot, cond) in FPSCR_NZCV.into_iter().zip(conds) {
            let bit = self.b.cc_test(cc, cond);
            self.b.set(slot, bit);
        }
        Out::Next
    }

    pub(super) fn vcmp(&mut self, a: args::Vcmp) -> Out {
        if !self.has_dregs(a.double, &[a.vd, a.vm]) {
            return self.undefined();
        }
        let (x, y) = (self.fget(a.double, a.vd), self.fget(a.double, a.vm));
        self.fcompare(a.double, x, y, a.e)
    }

    pub(super) fn vcmp_zero(&mut self, a: args::VcmpZero) -> Out {
        if !self.has_dregs(a.double, &[a.vd]) {
            return self.undefined();
        }
        let x = self.fget(a.double, a.vd);
        let zero = self.b.vconst(fty(a.double), 0);
        self.fcompare(a.double, x, zero, a.e)
    }

    // ---- conversions ----

    pub(super) fn vcvt_sd(&mut self, a: args::VcvtSd) -> Out {
        if !self.has_dregs(true, &[a.vd]) {
            return self.undefined();
        }
        let x = self.fget(false, a.vm);
        let r = self.b.fop(Op::FCvt, Ty::F64, 0, VFP, [x, NONE, NONE], 0);
        self.fset(true, a.vd, r);
        Out::Next
    }

    pub(super) fn vcvt_ds(&mut self, a: args::VcvtDs) -> Out {
        if !self.has_dregs(true, &[a.vm]) {
            return self.undefined();
        }
        let x = self.fget(true, a.vm);
        let r = self.b.fop(Op::FCvt, Ty::F32, 0, VFP, [x, NONE, NONE], 0);
        self.fset(false, a.vd, r);
        Out::Next
    }

    pub(super) fn vcvt_from_int(&mut self, a: args::VcvtFromInt) -> Out {
        if !self.has_dregs(a.double, &[a.vd]) {
            return self.undefined();
        }
        let x = self.fget(false, a.vm);
        let x = self.b.bitcast(Ty::I32, x);
        let imm = conv_imm(0, a.signed, 0);
        let r = self.b.fop(
            Op::FFromI,
            fty(a.double),
            FpRound::Current as u8,
            VFP,
            [x, NONE, NONE],
            imm,
        );
        self.fset(a.double, a.vd, r);
        Out::Next
    }

    fn float_to_int(&mut self, double: bool, d: u32, m: u32, signed: bool, mode: FpRound) -> Out {
        if !self.has_dregs(double, &[m]) {
            return self.undefined();
        }
        let x = self.fget(double, m);
        let imm = conv_imm(0, signed, 32);
        let r = self
            .b
            .fop(Op::FToI, Ty::I32, mode as u8, VFP, [x, NONE, NONE], imm);
        let r = self.b.bitcast(Ty::F32, r);
        self.fset(false, d, r);
        Out::Next
    }

    pub(super) fn vcvt_to_int(&mut self, a: args::VcvtToInt) -> Out {
        let mode = if a.zero {
            FpRound::Zero
        } else {
            FpRound::Current
        };
        self.float_to_int(a.double, a.vd, a.vm, a.signed, mode)
    }

    pub(super) fn vcvt_dir(&mut self, a: args::VcvtDir) -> Out {
        self.float_to_int(a.double, a.vd, a.vm, a.signed, directed(a.mode))
    }

    pub(super) fn vcvt_from_fixed(&mut self, a: args::VcvtFromFixed) -> Out {
        let size = if a.wide { 32 } else { 16 };
        // UNPREDICTABLE: more fraction bits than the size has; we take the instruction as undefined.
        if a.imm > size || !self.has_dregs(a.double, &[a.vd]) {
            return self.undefined();
        }
        let x = self.fget(a.double, a.vd);
        let x = match a.double {
            true => {
                let bits = self.b.bitcast(Ty::I64, x);
                self.b.un(Op::Trunc, Ty::I32, bits)
            }
            false => self.b.bitcast(Ty::I32, x),
        };
        let x = match (a.wide, a.unsigned) {
            (true, _) => x,
            (false, true) => self.b.un(Op::Zext16, Ty::I32, x),
            (false, false) => self.b.un(Op::Sext16, Ty::I32, x),
        };
        let imm = conv_imm(size - a.imm, !a.unsigned, 0);
        let r = self.b.fop(
            Op::FFromI,
            fty(a.double),
            FpRound::Nearest as u8,
            VFP,
            [x, NONE, NONE],
            imm,
        );
        self.fset(a.double, a.vd, r);
        Out::Next
    }

    pub(super) fn vcvt_to_fixed(&mut self, a: args::VcvtToFixed) -> Out {
        let size = if a.wide { 32 } else { 16 };
        // UNPREDICTABLE: as above.
        if a.imm > size || !self.has_dregs(a.double, &[a.vd]) {
            return self.undefined();
        }
        let x = self.fget(a.double, a.vd);
        let imm = conv_imm(size - a.imm, !a.unsigned, size);
        let ty = if a.double { Ty::I64 } else { Ty::I32 };
        let r = self
            .b
            .fop(Op::FToI, ty, FpRound::Zero as u8, VFP, [x, NONE, NONE], imm);
        let r = self.b.bitcast(fty(a.double), r);
        self.fset(a.double, a.vd, r);
        Out::Next
    }

    pub(super) fn vcvt_half_to(&mut self, a: args::VcvtHalfTo) -> Out {
        if !self.has_dregs(a.double, &[a.vd]) {
            return self.undefined();
        }
        let x = self.fget(false, a.vm);
        let x = self.b.bitcast(Ty::I32, x);
        let half = self.b.extract(Ty::I32, x, if a.top { 16 } else { 0 }, 16);
        let r = self
            .b
            .fop(Op::FFromHalf, fty(a.double), 0, VFP, [half, NONE, NONE], 0);
        self.fset(a.double, a.vd, r);
        Out::Next
    }

    pub(super) fn vcvt_to_half(&mut self, a: args::VcvtToHalf) -> Out {
        if !self.has_dregs(a.double, &[a.vm]) {
            return self.undefined();
        }
        let x = self.fget(a.double, a.vm);
        let half = self.b.fop(Op::FToHalf, Ty::I32, 0, VFP, [x, NONE, NONE], 0);
        let old = self.fget(false, a.vd);
        let old = self.b.bitcast(Ty::I32, old);
        let r = self
            .b
            .deposit(Ty::I32, old, half, if a.top { 16 } else { 0 }, 16);
        let r = self.b.bitcast(Ty::F32, r);
        self.fset(false, a.vd, r);
        Out::Next
    }

    // ---- status ----

    /// FPSCR as the program reads it. The sticky flags' layout in IR has the first five at Arm's places and
    /// input-denormal at bit 5 (Arm: 7).
    fn read_fpscr(&mut self) -> Value {
        let mut r = self.b.get(slot::FPSCR);
        for (slot, bit) in FPSCR_NZCV.into_iter().zip([31, 30, 29, 28]) {
            let flag = self.b.get(slot);
            let amount = self.b.i32(bit);
            let flag = self.b.bin(Op::Shl, Ty::I32, flag, amount);
            r = self.b.bin(Op::Or, Ty::I32, r, flag);
        }
        let qc = self.b.get(slot::QC);
        let lo = self.b.vun(Op::VGet, Ty::I64, 3, qc, 0);
        let hi = self.b.vun(Op::VGet, Ty::I64, 3, qc, 1);
        let any = self.b.bin(Op::Or, Ty::I64, lo, hi);
        let zero = self.b.i64(0);
        let qc = self.b.icmp(Cond::Ne, any, zero);
        let c27 = self.b.i32(27);
        let qc = self.b.bin(Op::Shl, Ty::I32, qc, c27);
        r = self.b.bin(Op::Or, Ty::I32, r, qc);
        let sticky = self.b.op(Op::FpFlagsGet, Ty::I32, 0, 0, [NONE; 3], 0);
        let low = self.b.extract(Ty::I32, sticky, 0, 5);
        r = self.b.bin(Op::Or, Ty::I32, r, low);
        let idc = self.b.extract(Ty::I32, sticky, 5, 1);
        let seven = self.b.i32(7);
        let idc = self.b.bin(Op::Shl, Ty::I32, idc, seven);
        self.b.bin(Op::Or, Ty::I32, r, idc)
    }

    pub(super) fn vmrs(&mut self, a: args::Vmrs) -> Out {
        const FPSID: u32 = 0;
        const FPSCR: u32 = 1;
        const MVFR2: u32 = 5;
        const FPEXC: u32 = 8;
        if a.rt == 15 {
            if a.reg != FPSCR {
                return self.undefined();
            }
            for (flag, from) in NZCV.into_iter().zip(FPSCR_NZCV) {
                let v = self.b.get(from);
                self.b.set(flag, v);
            }
            return Out::Next;
        }
        match a.reg {
            FPSCR => {
                let v = self.read_fpscr();
                self.set_reg(a.rt, v);
                Out::Next
            }
            // Up to VFPv2 programs may read it. [ARMv7 AppxK.1]
            FPSID if !self.has(Feature::Vfp3) => {
                let v = self.b.i32(self.fpsid);
                self.set_reg(a.rt, v);
                Out::Next
            }
            // The others need privilege. [ARMv7 B6.1.14]
            FPSID | MVFR2..=FPEXC => self.undefined(),
            _ => self.undefined(),
        }
    }

    pub(super) fn vmsr(&mut self, a: args::Vmsr) -> Out {
        match a.reg {
            // FPSID: nothing happens.
            0 if !self.has(Feature::Vfp3) => return Out::Next,
            1 => {}
            _ => return self.undefined(),
        }
        let v = self.reg(a.rt);
        for (slot, bit) in FPSCR_NZCV.into_iter().zip([31, 30, 29, 28]) {
            let flag = self.b.extract(Ty::I32, v, bit, 1);
            self.b.set(slot, flag);
        }
        let qc = self.b.extract(Ty::I32, v, 27, 1);
        let qc = self.b.bitcast(Ty::F32, qc);
        let qc = self.b.bitcast(Ty::V128, qc);
        self.b.set(slot::QC, qc);
        let low = self.b.extract(Ty::I32, v, 0, 5);
        let idc = self.b.extract(Ty::I32, v, 7, 1);
        let five = self.b.i32(5);
        let idc = self.b.bin(Op::Shl, Ty::I32, idc, five);
        let sticky = self.b.bin(Op::Or, Ty::I32, low, idc);
        self.b
            .op(Op::FpFlagsSet, Ty::Void, 0, 0, [sticky, NONE, NONE], 0);
        let half = self.has(Feature::Fullfp16);
        let absent = if half { 0 } else { state::FPSCR_FZ16 };
        let mask = self.b.i32(state::FPSCR_CONTROL & !absent);
        let control = self.b.bin(Op::And, Ty::I32, v, mask);
        let old = self.b.get(slot::FPSCR);
        self.b.set(slot::FPSCR, control);
        // Another rounding, flushing or NaN mode is another block mode.
        let changed = self.b.icmp(Cond::Ne, old, control);
        let next = self.tagged(self.next);
        let target = self.b.i32(next as u32);
        let info = ExitInfo {
            kind: ExitKind::Indirect(IndirectHint::Jump),
            pc: next,
            mode: self.next_mode.0,
            mode_dynamic: true,
            ret_pc: 0,
            dead: 0,
            check: false,
        };
        if self.b.in_region() {
            // Conditional: leave in any case, the region cannot hold another.
            self.b.exit(info, target);
            return Out::Next;
        }
        self.b.exit_if(changed, info, target);
        Out::Next
    }
}

/// Rounding modes of the directed conversions: A, N, P, M.
pub(super) const fn directed(mode: u32) -> FpRound {
    match mode & 3 {
        0 => FpRound::NearestAway,
        1 => FpRound::Nearest,
        2 => FpRound::Up,
        _ => FpRound::Down,
    }
}
