//! Half-precision arithmetic (FEAT_FP16), VFP and Advanced SIMD, by the soft float on lanes. [ARMv8 F6.1]
//!
//! VFP works on the lower halves of S registers; the upper halves of results are 0.

use tcg_ir::{Addr, Cond, FpRound, MemFlags, Op, Ty, Value};
use tcg_softfloat::lanes::{Desc, Soft};

use super::fpregs::{FPSCR_NZCV, sreg, vty};
use super::vfp::{directed, expand_half};
use super::{Out, Translator};
use crate::decode::args;
use crate::helper;
use crate::helper::lanes::Regime;

/// log2 of a half's bytes.
const HALF: u32 = 1;
const SIGN: u32 = 0x8000;

/// VFP: vd = op(vn, vm).
macro_rules! three {
    ($($name:ident $Name:ident $op:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let (x, y) = (self.hget(a.vn), self.hget(a.vm));
            let r = self.hop(Soft::$op, [x, y, y]);
            self.hset(a.vd, r)
        }
    )*};
}

/// VFP: ±vd ± vn * vm, the product rounded, too: negates the accumulator, the product.
macro_rules! accumulate {
    ($($name:ident $Name:ident $acc:literal $product:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let (x, y, z) = (self.hget(a.vn), self.hget(a.vm), self.hget(a.vd));
            let p = self.hop(Soft::Mul, [x, y, y]);
            let p = self.hneg_if($product, p);
            let z = self.hneg_if($acc, z);
            let r = self.hop(Soft::Add, [z, p, p]);
            self.hset(a.vd, r)
        }
    )*};
}

/// VFP: ±vd + ±vn * vm, rounded once: negates the accumulator, vn.
macro_rules! fused {
    ($($name:ident $Name:ident $acc:literal $n:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let (x, y, z) = (self.hget(a.vn), self.hget(a.vm), self.hget(a.vd));
            let x = self.hneg_if($n, x);
            let z = self.hneg_if($acc, z);
            let r = self.hop(Soft::MulAdd, [x, y, z]);
            self.hset(a.vd, r)
        }
    )*};
}

/// Advanced SIMD: vd = op(vn, vm).
macro_rules! lanes3 {
    ($($name:ident $Name:ident $op:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.v3(a.quad, a.vd, a.vn, a.vm, |t, ty, x, y| t.vsoft(Soft::$op, ty, [x, y, y]))
        }
    )*};
}

/// Advanced SIMD: vd = op of neighbours.
macro_rules! neighbours {
    ($($name:ident $Name:ident $op:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.v3(false, a.vd, a.vn, a.vm, |t, ty, x, y| {
                let even = t.vlane(Op::VUzpEven, ty, HALF, x, y);
                let odd = t.vlane(Op::VUzpOdd, ty, HALF, x, y);
                t.vsoft(Soft::$op, ty, [even, odd, odd])
            })
        }
    )*};
}

/// Advanced SIMD: a comparison with zero, the operands swapped or not.
macro_rules! zero {
    ($($name:ident $Name:ident $op:ident $swap:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.v2(a.quad, a.vd, a.vm, |t, ty, x| {
                let zero = t.b.vconst(ty, 0);
                let (x, y) = if $swap { (zero, x) } else { (x, zero) };
                t.vsoft(Soft::$op, ty, [x, y, y])
            })
        }
    )*};
}

impl Translator<'_> {
    fn soft(&mut self, desc: Desc, regime: Regime, args: [Value; 3]) -> Value {
        let packed = self.b.i64(helper::lanes::pack(desc, regime, self.mode));
        let [x, y, z] = args.map(|v| self.b.bitcast(Ty::V128, v));
        let id = helper::LANES;
        self.b.call(id, helper::def(id), &[x, y, z, packed])
    }

    // ---- VFP ----

    fn hget(&mut self, n: u32) -> Value {
        let v = self.b.get(sreg(n));
        self.b.bitcast(Ty::I32, v)
    }

    /// The lower half, zero-extended.
    fn hget_low(&mut self, n: u32) -> Value {
        let v = self.hget(n);
        self.b.un(Op::Zext16, Ty::I32, v)
    }

    fn hset(&mut self, d: u32, v: Value) -> Out {
        let v = self.b.bitcast(Ty::F32, v);
        self.b.set(sreg(d), v);
        Out::Next
    }

    fn hop(&mut self, op: Soft, args: [Value; 3]) -> Value {
        self.hdesc(Desc::new(op, HALF, 1), args)
    }

    /// An operation on scalars; the result's lower word.
    fn hdesc(&mut self, desc: Desc, args: [Value; 3]) -> Value {
        let r = self.soft(desc, Regime::Fpscr, args);
        self.b.vun(Op::VGet, Ty::I32, 2, r, 0)
    }

    fn hneg_if(&mut self, negate: bool, v: Value) -> Value {
        match negate {
            true => self.with_const(Op::Xor, v, SIGN),
            false => v,
        }
    }

    three! {
        vadd_h VaddH Add;
        vsub_h VsubH Sub;
        vmul_h VmulH Mul;
        vdiv_h VdivH Div;
        vmaxnm_h VmaxnmH MaxNum;
        vminnm_h VminnmH MinNum;
    }

    accumulate! {
        vmla_h VmlaH false false;
        vmls_h VmlsH false true;
        vnmls_h VnmlsH true false;
        vnmla_h VnmlaH true true;
    }

    fused! {
        vfma_h VfmaH false false;
        vfms_h VfmsH false true;
        vfnms_h VfnmsH true false;
        vfnma_h VfnmaH true true;
    }

    pub(super) fn vnmul_h(&mut self, a: args::VnmulH) -> Out {
        let (x, y) = (self.hget(a.vn), self.hget(a.vm));
        let p = self.hop(Soft::Mul, [x, y, y]);
        let r = self.hneg_if(true, p);
        self.hset(a.vd, r)
    }

    pub(super) fn vsqrt_h(&mut self, a: args::VsqrtH) -> Out {
        let x = self.hget(a.vm);
        let r = self.hop(Soft::Sqrt, [x; 3]);
        self.hset(a.vd, r)
    }

    pub(super) fn vabs_h(&mut self, a: args::VabsH) -> Out {
        let x = self.hget(a.vm);
        let r = self.with_const(Op::And, x, SIGN - 1);
        self.hset(a.vd, r)
    }

    pub(super) fn vneg_h(&mut self, a: args::VnegH) -> Out {
        let x = self.hget_low(a.vm);
        let r = self.hneg_if(true, x);
        self.hset(a.vd, r)
    }

    pub(super) fn vmov_imm_h(&mut self, a: args::VmovImmH) -> Out {
        let v = self.b.i32(expand_half(a.imm));
        self.hset(a.vd, v)
    }

    pub(super) fn vsel_h(&mut self, a: args::VselH) -> Out {
        let cond = [Cond::Eq, Cond::Vs, Cond::Ge, Cond::Gt][a.cond as usize & 3] as u8;
        let (x, y) = (self.hget_low(a.vn), self.hget_low(a.vm));
        let c = self.condition(cond);
        let r = self.b.sel(c, x, y);
        self.hset(a.vd, r)
    }

    /// The upper half becomes the lower one.
    pub(super) fn vmovx(&mut self, a: args::Vmovx) -> Out {
        let x = self.hget(a.vm);
        let r = self.b.extract(Ty::I32, x, 16, 16);
        self.hset(a.vd, r)
    }

    /// The lower half is put into the upper one.
    pub(super) fn vins(&mut self, a: args::Vins) -> Out {
        let (x, old) = (self.hget(a.vm), self.hget(a.vd));
        let r = self.b.deposit(Ty::I32, old, x, 16, 16);
        self.hset(a.vd, r)
    }

    pub(super) fn vmov_to_h(&mut self, a: args::VmovToH) -> Out {
        let x = self.reg(a.rt);
        let r = self.b.un(Op::Zext16, Ty::I32, x);
        self.hset(a.vn, r)
    }

    pub(super) fn vmov_from_h(&mut self, a: args::VmovFromH) -> Out {
        let x = self.hget_low(a.vn);
        self.set_reg(a.rt, x);
        Out::Next
    }

    fn half_addr(&mut self, rn: u32, up: bool, imm8: u32) -> (Addr, MemFlags) {
        let addr = self.fp_addr(rn, up, imm8 * 2);
        let flags = MemFlags::size(1).align(1);
        (addr, flags.big_endian(self.big_endian()))
    }

    pub(super) fn vldr_h(&mut self, a: args::VldrH) -> Out {
        let (addr, flags) = self.half_addr(a.rn, a.u, a.imm);
        let v = self.b.load(Ty::I32, addr, flags);
        self.hset(a.vd, v)
    }

    pub(super) fn vstr_h(&mut self, a: args::VstrH) -> Out {
        let (addr, flags) = self.half_addr(a.rn, a.u, a.imm);
        let v = self.hget(a.vd);
        self.b.store(addr, v, flags);
        Out::Next
    }

    fn hcompare(&mut self, d: u32, y: Value, signalling: bool) -> Out {
        let desc = Desc {
            flag: signalling,
            ..Desc::new(Soft::Compare, HALF, 1)
        };
        let x = self.hget(d);
        let r = self.hdesc(desc, [x, y, y]);
        for (slot, bit) in FPSCR_NZCV.into_iter().zip([3, 2, 1, 0]) {
            let flag = self.b.extract(Ty::I32, r, bit, 1);
            self.b.set(slot, flag);
        }
        Out::Next
    }

    pub(super) fn vcmp_h(&mut self, a: args::VcmpH) -> Out {
        let y = self.hget(a.vm);
        self.hcompare(a.vd, y, a.e)
    }

    pub(super) fn vcmp_zero_h(&mut self, a: args::VcmpZeroH) -> Out {
        let zero = self.b.i32(0);
        self.hcompare(a.vd, zero, a.e)
    }

    // ---- VFP: rounding and conversion ----

    fn hround(&mut self, d: u32, m: u32, round: FpRound, exact: bool) -> Out {
        let desc = Desc {
            round: round as u8,
            flag: exact,
            ..Desc::new(Soft::Round, HALF, 1)
        };
        let x = self.hget(m);
        let r = self.hdesc(desc, [x; 3]);
        self.hset(d, r)
    }

    pub(super) fn vrintr_h(&mut self, a: args::VrintrH) -> Out {
        self.hround(a.vd, a.vm, FpRound::Current, false)
    }

    pub(super) fn vrintz_h(&mut self, a: args::VrintzH) -> Out {
        self.hround(a.vd, a.vm, FpRound::Zero, false)
    }

    pub(super) fn vrintx_h(&mut self, a: args::VrintxH) -> Out {
        self.hround(a.vd, a.vm, FpRound::Current, true)
    }

    pub(super) fn vrint_dir_h(&mut self, a: args::VrintDirH) -> Out {
        self.hround(a.vd, a.vm, directed(a.mode), false)
    }

    /// Between a half and an integer of 16 or 32 bits with fraction bits.
    fn hconvert(
        &mut self,
        op: Soft,
        [d, m]: [u32; 2],
        signed: bool,
        round: FpRound,
        [size, fraction]: [u32; 2],
    ) -> Out {
        let desc = Desc {
            round: round as u8,
            flag: signed,
            fraction: fraction as u8,
            int: if size == 32 { 2 } else { 1 },
            ..Desc::new(op, HALF, 1)
        };
        let x = self.hget(m);
        let r = self.hdesc(desc, [x; 3]);
        self.hset(d, r)
    }

    pub(super) fn vcvt_from_int_h(&mut self, a: args::VcvtFromIntH) -> Out {
        let round = FpRound::Current;
        self.hconvert(Soft::FromInt, [a.vd, a.vm], a.signed, round, [32, 0])
    }

    pub(super) fn vcvt_to_int_h(&mut self, a: args::VcvtToIntH) -> Out {
        let round = if a.zero {
            FpRound::Zero
        } else {
            FpRound::Current
        };
        self.hconvert(Soft::ToInt, [a.vd, a.vm], a.signed, round, [32, 0])
    }

    pub(super) fn vcvt_dir_h(&mut self, a: args::VcvtDirH) -> Out {
        let round = directed(a.mode);
        self.hconvert(Soft::ToInt, [a.vd, a.vm], a.signed, round, [32, 0])
    }

    fn hfixed(&mut self, op: Soft, d: u32, signed: bool, wide: bool, imm: u32) -> Out {
        let size = if wide { 32 } else { 16 };
        // UNPREDICTABLE: more fraction bits than the size has; we take the instruction as undefined.
        if imm > size {
            return self.undefined();
        }
        let round = match op {
            Soft::ToInt => FpRound::Zero,
            _ => FpRound::Nearest,
        };
        self.hconvert(op, [d, d], signed, round, [size, size - imm])
    }

    pub(super) fn vcvt_from_fixed_h(&mut self, a: args::VcvtFromFixedH) -> Out {
        self.hfixed(Soft::FromInt, a.vd, !a.unsigned, a.wide, a.imm)
    }

    pub(super) fn vcvt_to_fixed_h(&mut self, a: args::VcvtToFixedH) -> Out {
        self.hfixed(Soft::ToInt, a.vd, !a.unsigned, a.wide, a.imm)
    }

    // ---- Advanced SIMD ----

    fn vsoft(&mut self, op: Soft, ty: Ty, args: [Value; 3]) -> Value {
        self.vdesc(Desc::new(op, HALF, ty.bytes() / 2), ty, args)
    }

    fn vdesc(&mut self, desc: Desc, ty: Ty, args: [Value; 3]) -> Value {
        let r = self.soft(desc, Regime::Standard, args);
        self.b.bitcast(ty, r)
    }

    /// Every lane combined with the same number: sign changes.
    fn vsign(&mut self, op: Op, ty: Ty, x: Value, mask: u32) -> Value {
        let mask = self.vsplat(ty, HALF, u64::from(mask));
        self.vlane(op, ty, HALF, x, mask)
    }

    lanes3! {
        vadd_vh VaddVh Add;
        vsub_vh VsubVh Sub;
        vmul_vh VmulVh Mul;
        vabd_vh VabdVh AbsDiff;
        vceq_vh VceqVh CmpEq;
        vcge_vh VcgeVh CmpGe;
        vcgt_vh VcgtVh CmpGt;
        vmax_vh VmaxVh Max;
        vmin_vh VminVh Min;
        vmaxnm_vh VmaxnmVh MaxNum;
        vminnm_vh VminnmVh MinNum;
        vrecps_vh VrecpsVh RecipStepTwice;
        vrsqrts_vh VrsqrtsVh RsqrtStepTwice;
    }

    neighbours! {
        vpadd_vh VpaddVh Add;
        vpmax_vh VpmaxVh Max;
        vpmin_vh VpminVh Min;
    }

    zero! {
        vcgt0_vh Vcgt0Vh CmpGt false;
        vcge0_vh Vcge0Vh CmpGe false;
        vceq0_vh Vceq0Vh CmpEq false;
        vcle0_vh Vcle0Vh CmpGe true;
        vclt0_vh Vclt0Vh CmpGt true;
    }

    /// vd ± x * y, the product rounded, too.
    fn vhmac(&mut self, quad: bool, d: u32, x: Value, y: Value, minus: bool) -> Out {
        let ty = vty(quad);
        let p = self.vsoft(Soft::Mul, ty, [x, y, y]);
        let acc = self.vget(quad, d);
        let op = if minus { Soft::Sub } else { Soft::Add };
        let r = self.vsoft(op, ty, [acc, p, p]);
        self.vset(quad, d, r);
        Out::Next
    }

    pub(super) fn vmla_vh(&mut self, a: args::VmlaVh) -> Out {
        let (x, y) = (self.vget(a.quad, a.vn), self.vget(a.quad, a.vm));
        self.vhmac(a.quad, a.vd, x, y, false)
    }

    pub(super) fn vmls_vh(&mut self, a: args::VmlsVh) -> Out {
        let (x, y) = (self.vget(a.quad, a.vn), self.vget(a.quad, a.vm));
        self.vhmac(a.quad, a.vd, x, y, true)
    }

    pub(super) fn vmla_sh(&mut self, a: args::VmlaSh) -> Out {
        let (x, y) = self.scalar_pair(a.quad, HALF, a.vn, a.vm);
        self.vhmac(a.quad, a.vd, x, y, false)
    }

    pub(super) fn vmls_sh(&mut self, a: args::VmlsSh) -> Out {
        let (x, y) = self.scalar_pair(a.quad, HALF, a.vn, a.vm);
        self.vhmac(a.quad, a.vd, x, y, true)
    }

    pub(super) fn vmul_sh(&mut self, a: args::VmulSh) -> Out {
        let (x, y) = self.scalar_pair(a.quad, HALF, a.vn, a.vm);
        let r = self.vsoft(Soft::Mul, vty(a.quad), [x, y, y]);
        self.vset(a.quad, a.vd, r);
        Out::Next
    }

    pub(super) fn vfma_vh(&mut self, a: args::VfmaVh) -> Out {
        self.v3(a.quad, a.vd, a.vn, a.vm, |t, ty, x, y| {
            let acc = t.vget(a.quad, a.vd);
            t.vsoft(Soft::MulAdd, ty, [x, y, acc])
        })
    }

    pub(super) fn vfms_vh(&mut self, a: args::VfmsVh) -> Out {
        self.v3(a.quad, a.vd, a.vn, a.vm, |t, ty, x, y| {
            let acc = t.vget(a.quad, a.vd);
            let x = t.vsign(Op::VXor, ty, x, SIGN);
            t.vsoft(Soft::MulAdd, ty, [x, y, acc])
        })
    }

    fn vabs_compare_half(&mut self, quad: bool, [d, n, m]: [u32; 3], op: Soft) -> Out {
        self.v3(quad, d, n, m, |t, ty, x, y| {
            let x = t.vsign(Op::VAnd, ty, x, SIGN - 1);
            let y = t.vsign(Op::VAnd, ty, y, SIGN - 1);
            t.vsoft(op, ty, [x, y, y])
        })
    }

    pub(super) fn vacge_vh(&mut self, a: args::VacgeVh) -> Out {
        self.vabs_compare_half(a.quad, [a.vd, a.vn, a.vm], Soft::CmpGe)
    }

    pub(super) fn vacgt_vh(&mut self, a: args::VacgtVh) -> Out {
        self.vabs_compare_half(a.quad, [a.vd, a.vn, a.vm], Soft::CmpGt)
    }

    pub(super) fn vabs_vh(&mut self, a: args::VabsVh) -> Out {
        self.v2(a.quad, a.vd, a.vm, |t, ty, x| {
            t.vsign(Op::VAnd, ty, x, SIGN - 1)
        })
    }

    pub(super) fn vneg_vh(&mut self, a: args::VnegVh) -> Out {
        self.v2(a.quad, a.vd, a.vm, |t, ty, x| {
            t.vsign(Op::VXor, ty, x, SIGN)
        })
    }

    /// One operand, with parameters.
    fn vone(&mut self, quad: bool, d: u32, m: u32, make: impl FnOnce(Desc) -> Desc) -> Out {
        self.v2(quad, d, m, |t, ty, x| {
            let desc = make(Desc::new(Soft::Round, HALF, ty.bytes() / 2));
            t.vdesc(desc, ty, [x; 3])
        })
    }

    pub(super) fn vrint_vh(&mut self, a: args::VrintVh) -> Out {
        // mode: N, X, A, Z, M, P
        let round = match a.mode {
            0 | 1 => FpRound::Nearest,
            2 => FpRound::NearestAway,
            3 => FpRound::Zero,
            4 => FpRound::Down,
            _ => FpRound::Up,
        };
        self.vone(a.quad, a.vd, a.vm, |desc| Desc {
            round: round as u8,
            flag: a.mode == 1,
            ..desc
        })
    }

    pub(super) fn vrecpe_vh(&mut self, a: args::VrecpeVh) -> Out {
        self.vone(a.quad, a.vd, a.vm, |desc| Desc {
            op: Soft::RecipEstimate,
            ..desc
        })
    }

    pub(super) fn vrsqrte_vh(&mut self, a: args::VrsqrteVh) -> Out {
        self.vone(a.quad, a.vd, a.vm, |desc| Desc {
            op: Soft::RsqrtEstimate,
            ..desc
        })
    }

    fn vconvert_half(
        &mut self,
        quad: bool,
        [d, m]: [u32; 2],
        to_int: bool,
        signed: bool,
        round: FpRound,
        fraction: u32,
    ) -> Out {
        self.vone(quad, d, m, |desc| Desc {
            op: if to_int { Soft::ToInt } else { Soft::FromInt },
            round: round as u8,
            flag: signed,
            fraction: fraction as u8,
            ..desc
        })
    }

    pub(super) fn vcvt_vh(&mut self, a: args::VcvtVh) -> Out {
        let round = if a.to_int {
            FpRound::Zero
        } else {
            FpRound::Nearest
        };
        self.vconvert_half(a.quad, [a.vd, a.vm], a.to_int, !a.unsigned, round, 0)
    }

    pub(super) fn vcvt_fixed_vh(&mut self, a: args::VcvtFixedVh) -> Out {
        let round = if a.to_int {
            FpRound::Zero
        } else {
            FpRound::Nearest
        };
        let fraction = 64 - (a.imm & 63);
        self.vconvert_half(a.quad, [a.vd, a.vm], a.to_int, !a.unsigned, round, fraction)
    }

    pub(super) fn vcvt_dir_vh(&mut self, a: args::VcvtDirVh) -> Out {
        let round = directed(a.mode);
        self.vconvert_half(a.quad, [a.vd, a.vm], true, !a.unsigned, round, 0)
    }
}
