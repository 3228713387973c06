//! VSX scalars: double, single and quad precision. [PowerISA I.7.6]
//!
//! UNPREDICTABLE: the doubleword 1 of a scalar result, which 3.1 defines as 0, is 0.

use tcg_ir::{Cond, FpRound, Op, Ty, Value};

use super::{NONE, Out, Translator};
use crate::decode::args;
use crate::fpscr::{SINGLE, VSR, op};
use crate::helper::quad::{ODD, op as qop};
use crate::helper::vsx::op as vop;
use crate::state::slot;

macro_rules! binary {
    ($($name:ident $Name:ident = $op:ident $code:ident $single:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.xs_binary(Op::$op, op::$code, $single, a.xt, a.xa, a.xb)
        }
    )*};
}

/// Fused multiply-add; `a`: xt = xa × xb + xt; `m`: xt = xa × xt + xb.
macro_rules! fused {
    ($($name:ident $Name:ident = $code:ident $signs:literal $single:literal $form:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let (y, z) = fused!(@ $form a);
            self.xs_fused(op::$code, $signs, $single, a.xt, [a.xa, y, z])
        }
    )*};
    (@ a $a:ident) => { ($a.xb, $a.xt) };
    (@ m $a:ident) => { ($a.xt, $a.xb) };
}

/// Scalar operations of the scalar helper.
macro_rules! by_fp {
    ($($name:ident $Name:ident = $code:expr;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            if let Some(out) = self.need_vsx() {
                return out;
            }
            let x = self.scalar(a.xb);
            self.fp_helper($code | VSR, a.xt, [x, x, x]);
            Out::Next
        }
    )*};
}

/// Scalar operations of the vector helper.
macro_rules! by_vsx {
    ($($name:ident $Name:ident = $what:ident $arg:expr;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            if let Some(out) = self.need_vsx() {
                return out;
            }
            self.vsx_helper(vop::$what | ($arg) << 8, [a.xt, a.xb, a.xb, a.xb])
        }
    )*};
}

macro_rules! by_vsx2 {
    ($($name:ident $Name:ident = $what:ident $arg:expr;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            if let Some(out) = self.need_vsx() {
                return out;
            }
            self.vsx_helper(vop::$what | ($arg) << 8, [a.xt, a.xa, a.xb, a.xb])
        }
    )*};
}

/// Inline unless exceptions are enabled.
macro_rules! inline {
    ($($name:ident $Name:ident = $code:expr, $f:expr;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let f: fn(&mut Self, Value) -> Value = $f;
            self.xs_inline($code, a.xt, a.xb, f)
        }
    )*};
}

/// Quad precision: vt = op(va, vb), rounded to odd if the instruction says so.
macro_rules! quads {
    ($($name:ident $Name:ident = $code:expr;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.quad($code | if a.ro { ODD } else { 0 }, [a.rt + 32, a.ra + 32, a.rb + 32])
        }
    )*};
}

macro_rules! quad_conversions {
    ($($name:ident $Name:ident = $code:expr;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.quad($code, [a.rt + 32, a.rb + 32, a.rb + 32])
        }
    )*};
}

impl Translator<'_> {
    binary! {
        xsadddp Xsadddp = FAdd ADD false;
        xssubdp Xssubdp = FSub SUB false;
        xsmuldp Xsmuldp = FMul MUL false;
        xsdivdp Xsdivdp = FDiv DIV false;
        xsaddsp Xsaddsp = FAdd ADD true;
        xssubsp Xssubsp = FSub SUB true;
        xsmulsp Xsmulsp = FMul MUL true;
        xsdivsp Xsdivsp = FDiv DIV true;
    }

    fused! {
        xsmaddadp Xsmaddadp = MADD 0 false a;
        xsmaddmdp Xsmaddmdp = MADD 0 false m;
        xsmsubadp Xsmsubadp = MSUB 2 false a;
        xsmsubmdp Xsmsubmdp = MSUB 2 false m;
        xsnmaddadp Xsnmaddadp = NMADD 4 false a;
        xsnmaddmdp Xsnmaddmdp = NMADD 4 false m;
        xsnmsubadp Xsnmsubadp = NMSUB 6 false a;
        xsnmsubmdp Xsnmsubmdp = NMSUB 6 false m;
        xsmaddasp Xsmaddasp = MADD 0 true a;
        xsmaddmsp Xsmaddmsp = MADD 0 true m;
        xsmsubasp Xsmsubasp = MSUB 2 true a;
        xsmsubmsp Xsmsubmsp = MSUB 2 true m;
        xsnmaddasp Xsnmaddasp = NMADD 4 true a;
        xsnmaddmsp Xsnmaddmsp = NMADD 4 true m;
        xsnmsubasp Xsnmsubasp = NMSUB 6 true a;
        xsnmsubmsp Xsnmsubmsp = NMSUB 6 true m;
    }

    by_fp! {
        xsredp Xsredp = op::RE;
        xsrsqrtedp Xsrsqrtedp = op::RSQRTE;
        xsresp Xsresp = op::RE | SINGLE;
        xsrsqrtesp Xsrsqrtesp = op::RSQRTE | SINGLE;
        xsrdpi Xsrdpi = op::RIN;
        xsrdpic Xsrdpic = op::RIC;
        xsrdpim Xsrdpim = op::RIM;
        xsrdpip Xsrdpip = op::RIP;
        xsrdpiz Xsrdpiz = op::RIZ;
        xscvdpuxds Xscvdpuxds = op::CTIDUZ;
        xscvuxddp Xscvuxddp = op::CFIDU;
        xscvuxdsp Xscvuxdsp = op::CFIDUS;
    }

    by_vsx! {
        xscvdpsp Xscvdpsp = DP_TO_SP 0;
        xscvspdp Xscvspdp = SP_TO_DP 0;
        xscvhpdp Xscvhpdp = HP_TO_DP 0;
        xscvdphp Xscvdphp = DP_TO_HP 0;
        xscvdpsxws Xscvdpsxws = DP_TO_W 1;
        xscvdpuxws Xscvdpuxws = DP_TO_W 0;
    }

    by_vsx2! {
        xsmaxdp Xsmaxdp = EXTREME 1;
        xsmindp Xsmindp = EXTREME 0;
        xsmincdp Xsmincdp = EXTREME_C 0;
        xsmaxcdp Xsmaxcdp = EXTREME_C 1;
        xsminjdp Xsminjdp = EXTREME_C 2;
        xsmaxjdp Xsmaxjdp = EXTREME_C 3;
        xscmpeqdp Xscmpeqdp = CMP_MASK 0;
        xscmpgtdp Xscmpgtdp = CMP_MASK 1;
        xscmpgedp Xscmpgedp = CMP_MASK 2;
    }

    inline! {
        xsrsp Xsrsp = op::RSP, |t, x| t.round_single(x);
        xscvdpsxds Xscvdpsxds = op::CTIDZ, |t, x| t.integer_of(x, 64, FpRound::Zero);
        xscvsxddp Xscvsxddp = op::CFID, |t, x| t.float_of(x, false);
        xscvsxdsp Xscvsxdsp = op::CFIDS, |t, x| t.float_of(x, true);
    }

    quads! {
        xsaddqp Xsaddqp = qop::ADD;
        xssubqp Xssubqp = qop::SUB;
        xsmulqp Xsmulqp = qop::MUL;
        xsdivqp Xsdivqp = qop::DIV;
        xsmaddqp Xsmaddqp = qop::FUSED;
        xsmsubqp Xsmsubqp = qop::FUSED | 2 << 8;
        xsnmaddqp Xsnmaddqp = qop::FUSED | 4 << 8;
        xsnmsubqp Xsnmsubqp = qop::FUSED | 6 << 8;
    }

    quad_conversions! {
        xscvqpsdz Xscvqpsdz = qop::TO_SD;
        xscvqpswz Xscvqpswz = qop::TO_SW;
        xscvqpudz Xscvqpudz = qop::TO_UD;
        xscvqpuwz Xscvqpuwz = qop::TO_UW;
        xscvsdqp Xscvsdqp = qop::FROM_SD;
        xscvudqp Xscvudqp = qop::FROM_UD;
        xscvdpqp Xscvdpqp = qop::FROM_DP;
    }

    /// Doubleword 0 of a VSR.
    fn scalar(&mut self, n: u32) -> Value {
        self.b.get(slot::vsr_hi(n))
    }

    fn xs_binary(&mut self, ir: Op, code: u32, single: bool, xt: u32, xa: u32, xb: u32) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let (x, y) = (self.scalar(xa), self.scalar(xb));
        if self.fp_exact() {
            let flag = if single { SINGLE } else { 0 };
            self.fp_helper(code | flag | VSR, xt, [x, y, y]);
        } else {
            let r = self.fp_inline(ir, code, 0, single, [x, y, NONE]);
            self.set_vsr_double(xt, r);
        }
        Out::Next
    }

    fn xs_fused(&mut self, code: u32, signs: i64, single: bool, xt: u32, regs: [u32; 3]) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let v = regs.map(|n| self.scalar(n));
        if self.fp_exact() {
            let flag = if single { SINGLE } else { 0 };
            self.fp_helper(code | flag | VSR, xt, v);
        } else {
            let r = self.fp_inline(Op::FMulAdd, code, signs, single, v);
            self.set_vsr_double(xt, r);
        }
        Out::Next
    }

    fn xs_sqrt(&mut self, single: bool, xt: u32, xb: u32) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let x = self.scalar(xb);
        if self.fp_exact() {
            let flag = if single { SINGLE } else { 0 };
            self.fp_helper(op::SQRT | flag | VSR, xt, [x, x, x]);
        } else {
            let r = self.fp_inline(Op::FSqrt, op::SQRT, 0, single, [x, NONE, NONE]);
            self.set_vsr_double(xt, r);
        }
        Out::Next
    }

    pub(super) fn xssqrtdp(&mut self, a: args::Xssqrtdp) -> Out {
        self.xs_sqrt(false, a.xt, a.xb)
    }

    pub(super) fn xssqrtsp(&mut self, a: args::Xssqrtsp) -> Out {
        self.xs_sqrt(true, a.xt, a.xb)
    }

    fn xs_inline(&mut self, code: u32, xt: u32, xb: u32, f: fn(&mut Self, Value) -> Value) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let x = self.scalar(xb);
        if self.fp_exact() {
            self.fp_helper(code | VSR, xt, [x, x, x]);
        } else {
            let r = f(self, x);
            self.note_fp(code, [x, NONE, NONE]);
            self.set_vsr_double(xt, r);
        }
        Out::Next
    }

    // ---- signs ----

    fn xs_sign(&mut self, ir: Op, xt: u32, xb: u32) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let x = self.scalar(xb);
        let r = self.un(ir, x);
        self.set_vsr_double(xt, r);
        Out::Next
    }

    pub(super) fn xsabsdp(&mut self, a: args::Xsabsdp) -> Out {
        self.xs_sign(Op::FAbs, a.xt, a.xb)
    }

    pub(super) fn xsnegdp(&mut self, a: args::Xsnegdp) -> Out {
        self.xs_sign(Op::FNeg, a.xt, a.xb)
    }

    pub(super) fn xsnabsdp(&mut self, a: args::Xsnabsdp) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let x = self.scalar(a.xb);
        let x = self.un(Op::FAbs, x);
        let r = self.un(Op::FNeg, x);
        self.set_vsr_double(a.xt, r);
        Out::Next
    }

    pub(super) fn xscpsgndp(&mut self, a: args::Xscpsgndp) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let (s, x) = (self.scalar(a.xa), self.scalar(a.xb));
        let r = if a.xa == a.xb {
            x
        } else {
            self.copy_sign(s, x)
        };
        self.set_vsr_double(a.xt, r);
        Out::Next
    }

    // ---- formats without signalling ----

    /// The single in word 0 (and in word 1 as QEMU's machines have it) from a double, bits only.
    pub(super) fn xscvdpspn(&mut self, a: args::Xscvdpspn) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let x = self.scalar(a.xb);
        let s = self.b.un(Op::FNarrow, Ty::F32, x);
        let w = self.b.bitcast(Ty::I32, s);
        let r = self.b.bin(Op::Concat, Ty::I64, w, w);
        let r = self.b.bitcast(Ty::F64, r);
        self.set_vsr_double(a.xt, r);
        Out::Next
    }

    pub(super) fn xscvspdpn(&mut self, a: args::Xscvspdpn) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let x = self.scalar(a.xb);
        let bits = self.b.bitcast(Ty::I64, x);
        let w = self.b.un(Op::Hi32, Ty::I32, bits);
        let s = self.b.bitcast(Ty::F32, w);
        let r = self.b.un(Op::FWiden, Ty::F64, s);
        self.set_vsr_double(a.xt, r);
        Out::Next
    }

    // ---- comparisons and tests ----

    pub(super) fn xscmpudp(&mut self, a: args::Xscmpudp) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let (x, y) = (self.scalar(a.xa), self.scalar(a.xb));
        self.fp_compare(a.bf, x, y, false)
    }

    pub(super) fn xscmpodp(&mut self, a: args::Xscmpodp) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let (x, y) = (self.scalar(a.xa), self.scalar(a.xb));
        self.fp_compare(a.bf, x, y, true)
    }

    fn xs_test(&mut self, code: u32, bf: u32, x: Value, y: Value) -> Out {
        let what = self.b.i32(code);
        let (x, y) = (self.b.bitcast(Ty::I64, x), self.b.bitcast(Ty::I64, y));
        let r = self.call(crate::helper::BITS, &[x, y, what]);
        let r = self.low32(r);
        for k in 0..4 {
            let bit = self.b.extract(Ty::I32, r, 3 - k, 1);
            self.b.set(slot::cr_bit(4 * bf + k), bit);
        }
        Out::Next
    }

    pub(super) fn xstdivdp(&mut self, a: args::Xstdivdp) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let (x, y) = (self.scalar(a.xa), self.scalar(a.xb));
        self.xs_test(crate::helper::bits::TEST_DIV, a.bf, x, y)
    }

    pub(super) fn xstsqrtdp(&mut self, a: args::Xstsqrtdp) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let x = self.scalar(a.xb);
        self.xs_test(crate::helper::bits::TEST_SQRT, a.bf, x, x)
    }

    pub(super) fn xscmpexpdp(&mut self, a: args::Xscmpexpdp) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        self.vsx_helper(vop::CMP_EXP, [a.bf, a.xa, a.xb, a.xb])
    }

    pub(super) fn xststdcdp(&mut self, a: args::Xststdcdp) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        self.vsx_helper(vop::CLASS_DP | a.dcmx << 8, [a.bf, a.xb, a.xb, a.xb])
    }

    pub(super) fn xststdcsp(&mut self, a: args::Xststdcsp) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        self.vsx_helper(vop::CLASS_SP | a.dcmx << 8, [a.bf, a.xb, a.xb, a.xb])
    }

    // ---- exponents and significands ----

    pub(super) fn xsiexpdp(&mut self, a: args::Xsiexpdp) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let (s, e) = (self.gpr(a.ra), self.gpr(a.rb));
        let r = self.b.deposit(Ty::I64, s, e, 52, 11);
        let r = self.b.bitcast(Ty::F64, r);
        self.set_vsr_double(a.xt, r);
        Out::Next
    }

    pub(super) fn xsxexpdp(&mut self, a: args::Xsxexpdp) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let x = self.scalar(a.xb);
        let x = self.b.bitcast(Ty::I64, x);
        let r = self.b.extract(Ty::I64, x, 52, 11);
        self.put(a.rt, r, false)
    }

    pub(super) fn xsxsigdp(&mut self, a: args::Xsxsigdp) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let x = self.scalar(a.xb);
        let x = self.b.bitcast(Ty::I64, x);
        let e = self.b.extract(Ty::I64, x, 52, 11);
        let s = self.b.extract(Ty::I64, x, 0, 52);
        // The implicit bit of normal numbers: exponents 1 to 2046.
        let e = self.bin_const(Op::Sub, e, 1);
        let limit = self.b.i64(2046);
        let normal = self.b.icmp(Cond::Lo, e, limit);
        let bit = self.b.un(Op::ZextI64, Ty::I64, normal);
        let r = self.b.deposit(Ty::I64, s, bit, 52, 1);
        self.put(a.rt, r, false)
    }

    // ---- quad precision ----

    fn quad(&mut self, code: u32, [t, a, b]: [u32; 3]) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        self.vsx_helper(vop::QUAD | code << 8, [t, a, b, b])
    }

    pub(super) fn xssqrtqp(&mut self, a: args::Xssqrtqp) -> Out {
        let odd = if a.ro { ODD } else { 0 };
        self.quad(qop::SQRT | odd, [a.rt + 32, a.rb + 32, a.rb + 32])
    }

    pub(super) fn xscvqpdp(&mut self, a: args::Xscvqpdp) -> Out {
        let odd = if a.ro { ODD } else { 0 };
        self.quad(qop::TO_DP | odd, [a.rt + 32, a.rb + 32, a.rb + 32])
    }

    pub(super) fn xscmpuqp(&mut self, a: args::Xscmpuqp) -> Out {
        self.quad(qop::CMPU, [a.bf, a.ra + 32, a.rb + 32])
    }

    pub(super) fn xscmpoqp(&mut self, a: args::Xscmpoqp) -> Out {
        self.quad(qop::CMPO, [a.bf, a.ra + 32, a.rb + 32])
    }

    pub(super) fn xsrqpi(&mut self, a: args::Xsrqpi) -> Out {
        let arg = u32::from(a.rq) << 2 | a.rk | u32::from(a.ro) << 3;
        self.quad(qop::ROUND | arg << 8, [a.rt + 32, a.rb + 32, a.rb + 32])
    }

    pub(super) fn xsrqpxp(&mut self, a: args::Xsrqpxp) -> Out {
        let arg = u32::from(a.rq) << 2 | a.rk;
        self.quad(qop::ROUND_XP | arg << 8, [a.rt + 32, a.rb + 32, a.rb + 32])
    }

    pub(super) fn xscmpexpqp(&mut self, a: args::Xscmpexpqp) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        self.vsx_helper(
            vop::CMP_EXP | 1 << 8,
            [a.bf, a.ra + 32, a.rb + 32, a.rb + 32],
        )
    }

    pub(super) fn xststdcqp(&mut self, a: args::Xststdcqp) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        self.vsx_helper(
            vop::CLASS_QP | a.dcmx << 8,
            [a.bf, a.rb + 32, a.rb + 32, a.rb + 32],
        )
    }

    fn quad_sign(&mut self, ir: Op, rt: u32, rb: u32) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let x = self.vr(rb);
        let mask = self.b.vconst(Ty::V128, 1 << 127);
        let r = self.b.vbin(ir, Ty::V128, 0, x, mask, 0);
        self.set_vr(rt, r);
        Out::Next
    }

    pub(super) fn xsabsqp(&mut self, a: args::Xsabsqp) -> Out {
        self.quad_sign(Op::VAndNot, a.rt, a.rb)
    }

    pub(super) fn xsnabsqp(&mut self, a: args::Xsnabsqp) -> Out {
        self.quad_sign(Op::VOr, a.rt, a.rb)
    }

    pub(super) fn xsnegqp(&mut self, a: args::Xsnegqp) -> Out {
        self.quad_sign(Op::VXor, a.rt, a.rb)
    }

    pub(super) fn xscpsgnqp(&mut self, a: args::Xscpsgnqp) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let (s, x) = (self.vr(a.ra), self.vr(a.rb));
        let mask = self.b.vconst(Ty::V128, 1 << 127);
        let r = self.b.tri(Op::VBsl, Ty::V128, mask, s, x);
        self.set_vr(a.rt, r);
        Out::Next
    }

    /// The exponent comes from doubleword 0 of vb.
    pub(super) fn xsiexpqp(&mut self, a: args::Xsiexpqp) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let (s, e) = (self.vr(a.ra), self.vr(a.rb));
        let hi = self.b.vun(Op::VGet, Ty::I64, 3, s, 1);
        let e = self.b.vun(Op::VGet, Ty::I64, 3, e, 1);
        let hi = self.b.deposit(Ty::I64, hi, e, 48, 15);
        let r = self.b.vbin(Op::VSet, Ty::V128, 3, s, hi, 1);
        self.set_vr(a.rt, r);
        Out::Next
    }

    pub(super) fn xsxexpqp(&mut self, a: args::Xsxexpqp) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let x = self.vr(a.rb);
        let hi = self.b.vun(Op::VGet, Ty::I64, 3, x, 1);
        let e = self.b.extract(Ty::I64, hi, 48, 15);
        let zero = self.b.i64(0);
        let r = self.pair(zero, e);
        self.set_vr(a.rt, r);
        Out::Next
    }

    pub(super) fn xsxsigqp(&mut self, a: args::Xsxsigqp) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let x = self.vr(a.rb);
        let hi = self.b.vun(Op::VGet, Ty::I64, 3, x, 1);
        let lo = self.b.vun(Op::VGet, Ty::I64, 3, x, 0);
        let e = self.b.extract(Ty::I64, hi, 48, 15);
        let e = self.bin_const(Op::Sub, e, 1);
        let limit = self.b.i64(0x7ffe);
        let normal = self.b.icmp(Cond::Lo, e, limit);
        let bit = self.b.un(Op::ZextI64, Ty::I64, normal);
        let s = self.b.extract(Ty::I64, hi, 0, 48);
        let hi = self.b.deposit(Ty::I64, s, bit, 48, 1);
        let r = self.pair(lo, hi);
        self.set_vr(a.rt, r);
        Out::Next
    }
}
