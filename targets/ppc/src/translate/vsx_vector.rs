//! VSX arithmetic on vectors of doubles and singles, logic, permutation. [PowerISA I.7.6]

use tcg_ir::{Op, Ty, Value};

use super::fp::SCALAR;
use super::{NONE, Out, Translator};
use crate::decode::args;
use crate::fpscr::op;
use crate::helper;
use crate::helper::vsx::op as vop;

/// xt = op(xa, xb), lane by lane.
macro_rules! binary {
    ($($name:ident $Name:ident = $op:ident $code:ident $lane:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.xv_binary(Op::$op, op::$code, $lane, a.xt, a.xa, a.xb)
        }
    )*};
}

/// Fused multiply-add; `a`: xt = xa × xb + xt; `m`: xt = xa × xt + xb.
macro_rules! fused {
    ($($name:ident $Name:ident = $code:ident $signs:literal $lane:literal $form:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let (y, z) = fused!(@ $form a);
            self.xv_fused(op::$code, $signs, $lane, a.xt, [a.xa, y, z])
        }
    )*};
    (@ a $a:ident) => { ($a.xb, $a.xt) };
    (@ m $a:ident) => { ($a.xt, $a.xb) };
}

/// Operations of the helper: its number and argument.
macro_rules! by_helper {
    ($($name:ident $Name:ident = $what:ident $arg:expr;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            if let Some(out) = self.need_vsx() {
                return out;
            }
            self.vsx_helper(vop::$what | ($arg) << 8, [a.xt, a.xb, a.xb, a.xb])
        }
    )*};
}

/// The same with two operands.
macro_rules! by_helper2 {
    ($($name:ident $Name:ident = $what:ident $arg:expr;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            if let Some(out) = self.need_vsx() {
                return out;
            }
            self.vsx_helper(vop::$what | ($arg) << 8, [a.xt, a.xa, a.xb, a.xb])
        }
    )*};
}

/// Larger or smaller lanes: the operation, and the helper's number and argument.
macro_rules! extremes {
    ($($name:ident $Name:ident = $op:ident $what:ident $arg:literal $lane:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            if let Some(out) = self.need_vsx() {
                return out;
            }
            if self.fp_exact() {
                return self.vsx_helper(vop::$what | $arg << 8, [a.xt, a.xa, a.xb, a.xb]);
            }
            let (x, y) = (self.get_vsr(a.xa), self.get_vsr(a.xb));
            let r = self.b.fop(Op::$op, Ty::V128, $lane, SCALAR, [x, y, NONE], 0);
            self.set_vsr(a.xt, r);
            Out::Next
        }
    )*};
}

macro_rules! compares {
    ($($name:ident $Name:ident = $op:ident $lane:literal $which:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.xv_compare(Op::$op, $lane, $which, [a.xt, a.xa, a.xb], a.rec)
        }
    )*};
}

macro_rules! logic {
    ($($name:ident $Name:ident = $op:ident $inverted:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            if let Some(out) = self.need_vsx() {
                return out;
            }
            let (x, y) = (self.get_vsr(a.xa), self.get_vsr(a.xb));
            let mut r = self.b.vbin(Op::$op, Ty::V128, 0, x, y, 0);
            if $inverted {
                r = self.b.vun(Op::VNot, Ty::V128, 0, r, 0);
            }
            self.set_vsr(a.xt, r);
            Out::Next
        }
    )*};
}

impl Translator<'_> {
    binary! {
        xvadddp Xvadddp = VFAdd ADD 3;
        xvsubdp Xvsubdp = VFSub SUB 3;
        xvmuldp Xvmuldp = VFMul MUL 3;
        xvdivdp Xvdivdp = VFDiv DIV 3;
        xvaddsp Xvaddsp = VFAdd ADD 2;
        xvsubsp Xvsubsp = VFSub SUB 2;
        xvmulsp Xvmulsp = VFMul MUL 2;
        xvdivsp Xvdivsp = VFDiv DIV 2;
    }

    fused! {
        xvmaddadp Xvmaddadp = MADD 0 3 a;
        xvmaddmdp Xvmaddmdp = MADD 0 3 m;
        xvmsubadp Xvmsubadp = MSUB 2 3 a;
        xvmsubmdp Xvmsubmdp = MSUB 2 3 m;
        xvnmaddadp Xvnmaddadp = NMADD 4 3 a;
        xvnmaddmdp Xvnmaddmdp = NMADD 4 3 m;
        xvnmsubadp Xvnmsubadp = NMSUB 6 3 a;
        xvnmsubmdp Xvnmsubmdp = NMSUB 6 3 m;
        xvmaddasp Xvmaddasp = MADD 0 2 a;
        xvmaddmsp Xvmaddmsp = MADD 0 2 m;
        xvmsubasp Xvmsubasp = MSUB 2 2 a;
        xvmsubmsp Xvmsubmsp = MSUB 2 2 m;
        xvnmaddasp Xvnmaddasp = NMADD 4 2 a;
        xvnmaddmsp Xvnmaddmsp = NMADD 4 2 m;
        xvnmsubasp Xvnmsubasp = NMSUB 6 2 a;
        xvnmsubmsp Xvnmsubmsp = NMSUB 6 2 m;
    }

    by_helper! {
        xvredp Xvredp = DOUBLES op::RE;
        xvresp Xvresp = SINGLES op::RE;
        xvrsqrtedp Xvrsqrtedp = DOUBLES op::RSQRTE;
        xvrsqrtesp Xvrsqrtesp = SINGLES op::RSQRTE;
        xvrdpi Xvrdpi = DOUBLES op::RIN;
        xvrdpic Xvrdpic = DOUBLES op::RIC;
        xvrdpim Xvrdpim = DOUBLES op::RIM;
        xvrdpip Xvrdpip = DOUBLES op::RIP;
        xvrdpiz Xvrdpiz = DOUBLES op::RIZ;
        xvrspi Xvrspi = SINGLES op::RIN;
        xvrspic Xvrspic = SINGLES op::RIC;
        xvrspim Xvrspim = SINGLES op::RIM;
        xvrspip Xvrspip = SINGLES op::RIP;
        xvrspiz Xvrspiz = SINGLES op::RIZ;
        xvcvdpsp Xvcvdpsp = D_TO_S 0;
        xvcvspdp Xvcvspdp = S_TO_D 0;
        xvcvhpsp Xvcvhpsp = H_TO_S 0;
        xvcvsphp Xvcvsphp = S_TO_H 0;
        xvcvdpsxds Xvcvdpsxds = D_TO_L 1;
        xvcvdpuxds Xvcvdpuxds = D_TO_L 0;
        xvcvdpsxws Xvcvdpsxws = D_TO_W 1;
        xvcvdpuxws Xvcvdpuxws = D_TO_W 0;
        xvcvspsxds Xvcvspsxds = S_TO_L 1;
        xvcvspuxds Xvcvspuxds = S_TO_L 0;
        xvcvspsxws Xvcvspsxws = S_TO_W 1;
        xvcvspuxws Xvcvspuxws = S_TO_W 0;
        xvcvsxddp Xvcvsxddp = L_TO_D 1;
        xvcvuxddp Xvcvuxddp = L_TO_D 0;
        xvcvsxwdp Xvcvsxwdp = W_TO_D 1;
        xvcvuxwdp Xvcvuxwdp = W_TO_D 0;
        xvcvsxdsp Xvcvsxdsp = L_TO_S 1;
        xvcvuxdsp Xvcvuxdsp = L_TO_S 0;
        xvcvsxwsp Xvcvsxwsp = W_TO_S 1;
        xvcvuxwsp Xvcvuxwsp = W_TO_S 0;
        xvxexpdp Xvxexpdp = PARTS 0;
        xvxsigdp Xvxsigdp = PARTS 1;
        xvxexpsp Xvxexpsp = PARTS 2;
        xvxsigsp Xvxsigsp = PARTS 3;
    }

    by_helper2! {
        xviexpdp Xviexpdp = PARTS 4;
        xviexpsp Xviexpsp = PARTS 5;
    }

    extremes! {
        xvmaxdp Xvmaxdp = VFMaxNum EXTREME_D 1 3;
        xvmindp Xvmindp = VFMinNum EXTREME_D 0 3;
        xvmaxsp Xvmaxsp = VFMaxNum EXTREME_S 1 2;
        xvminsp Xvminsp = VFMinNum EXTREME_S 0 2;
    }

    compares! {
        xvcmpeqdp Xvcmpeqdp = VFCmpEq 3 0;
        xvcmpgtdp Xvcmpgtdp = VFCmpGt 3 1;
        xvcmpgedp Xvcmpgedp = VFCmpGe 3 2;
        xvcmpeqsp Xvcmpeqsp = VFCmpEq 2 0;
        xvcmpgtsp Xvcmpgtsp = VFCmpGt 2 1;
        xvcmpgesp Xvcmpgesp = VFCmpGe 2 2;
    }

    logic! {
        xxland Xxland = VAnd false;
        xxlandc Xxlandc = VAndNot false;
        xxlor Xxlor = VOr false;
        xxlxor Xxlxor = VXor false;
        xxlnor Xxlnor = VOr true;
        xxlnand Xxlnand = VAnd true;
        xxleqv Xxleqv = VXor true;
    }

    pub(super) fn xxlorc(&mut self, a: args::Xxlorc) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let (x, y) = (self.get_vsr(a.xa), self.get_vsr(a.xb));
        let y = self.b.vun(Op::VNot, Ty::V128, 0, y, 0);
        let r = self.b.vbin(Op::VOr, Ty::V128, 0, x, y, 0);
        self.set_vsr(a.xt, r);
        Out::Next
    }

    /// Calls the helper on whole registers: target and three operands.
    pub(super) fn vsx_helper(&mut self, what: u32, [t, a, b, c]: [u32; 4]) -> Out {
        self.settle_fp();
        let what = self.b.i32(what);
        let regs = self.b.i32(t | a << 6 | b << 12 | c << 18);
        let id = if self.fp_exact() {
            helper::VSX_TRAPPING
        } else {
            helper::VSX
        };
        self.call(id, &[what, regs]);
        Out::Next
    }

    fn arithmetic_helper(&mut self, code: u32, lane: u8, regs: [u32; 4]) -> Out {
        let what = if lane == 3 {
            vop::DOUBLES
        } else {
            vop::SINGLES
        };
        self.vsx_helper(what | code << 8, regs)
    }

    fn xv_binary(&mut self, ir: Op, code: u32, lane: u8, xt: u32, xa: u32, xb: u32) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        if self.fp_exact() {
            return self.arithmetic_helper(code, lane, [xt, xa, xb, xb]);
        }
        let (x, y) = (self.get_vsr(xa), self.get_vsr(xb));
        let r = self.b.fop(ir, Ty::V128, lane, SCALAR, [x, y, NONE], 0);
        self.set_vsr(xt, r);
        Out::Next
    }

    fn xv_fused(&mut self, code: u32, signs: i64, lane: u8, xt: u32, [a, b, c]: [u32; 3]) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        if self.fp_exact() {
            return self.arithmetic_helper(code, lane, [xt, a, b, c]);
        }
        let v = [a, b, c].map(|n| self.get_vsr(n));
        let r = self.b.fop(Op::VFMulAdd, Ty::V128, lane, SCALAR, v, signs);
        self.set_vsr(xt, r);
        Out::Next
    }

    fn xv_sqrt(&mut self, lane: u8, xt: u32, xb: u32) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        if self.fp_exact() {
            return self.arithmetic_helper(op::SQRT, lane, [xt, xb, xb, xb]);
        }
        let x = self.get_vsr(xb);
        let r = self
            .b
            .fop(Op::VFSqrt, Ty::V128, lane, SCALAR, [x, NONE, NONE], 0);
        self.set_vsr(xt, r);
        Out::Next
    }

    pub(super) fn xvsqrtdp(&mut self, a: args::Xvsqrtdp) -> Out {
        self.xv_sqrt(3, a.xt, a.xb)
    }

    pub(super) fn xvsqrtsp(&mut self, a: args::Xvsqrtsp) -> Out {
        self.xv_sqrt(2, a.xt, a.xb)
    }

    fn xv_compare(&mut self, ir: Op, lane: u8, which: u32, [t, a, b]: [u32; 3], rec: bool) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        if self.fp_exact() {
            let what = if lane == 3 { vop::CMP_D } else { vop::CMP_S };
            let arg = which | if rec { 8 } else { 0 };
            return self.vsx_helper(what | arg << 8, [t, a, b, b]);
        }
        let (x, y) = (self.get_vsr(a), self.get_vsr(b));
        let r = self.b.fop(ir, Ty::V128, lane, SCALAR, [x, y, NONE], 0);
        self.set_vsr(t, r);
        self.record_vector(rec, r);
        Out::Next
    }

    /// Signs of all lanes: cleared, set, changed.
    fn signs(&mut self, ir: Op, lane: u8, xt: u32, xb: u32) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let x = self.get_vsr(xb);
        let one = if lane == 3 {
            1u128 << 63 | 1 << 127
        } else {
            0x8000_0000_8000_0000_8000_0000_8000_0000
        };
        let mask = self.b.vconst(Ty::V128, one);
        let r = self.b.vbin(ir, Ty::V128, 0, x, mask, 0);
        self.set_vsr(xt, r);
        Out::Next
    }

    pub(super) fn xvabsdp(&mut self, a: args::Xvabsdp) -> Out {
        self.signs(Op::VAndNot, 3, a.xt, a.xb)
    }

    pub(super) fn xvabssp(&mut self, a: args::Xvabssp) -> Out {
        self.signs(Op::VAndNot, 2, a.xt, a.xb)
    }

    pub(super) fn xvnabsdp(&mut self, a: args::Xvnabsdp) -> Out {
        self.signs(Op::VOr, 3, a.xt, a.xb)
    }

    pub(super) fn xvnabssp(&mut self, a: args::Xvnabssp) -> Out {
        self.signs(Op::VOr, 2, a.xt, a.xb)
    }

    pub(super) fn xvnegdp(&mut self, a: args::Xvnegdp) -> Out {
        self.signs(Op::VXor, 3, a.xt, a.xb)
    }

    pub(super) fn xvnegsp(&mut self, a: args::Xvnegsp) -> Out {
        self.signs(Op::VXor, 2, a.xt, a.xb)
    }

    fn copy_signs(&mut self, mask: u128, xt: u32, xa: u32, xb: u32) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let (s, x) = (self.get_vsr(xa), self.get_vsr(xb));
        let mask = self.b.vconst(Ty::V128, mask);
        let r = self.b.tri(Op::VBsl, Ty::V128, mask, s, x);
        self.set_vsr(xt, r);
        Out::Next
    }

    pub(super) fn xvcpsgndp(&mut self, a: args::Xvcpsgndp) -> Out {
        self.copy_signs(1 << 127 | 1 << 63, a.xt, a.xa, a.xb)
    }

    pub(super) fn xvcpsgnsp(&mut self, a: args::Xvcpsgnsp) -> Out {
        self.copy_signs(0x8000_0000_8000_0000_8000_0000_8000_0000, a.xt, a.xa, a.xb)
    }

    fn xv_test(&mut self, arg: u32, bf: u32, xa: u32, xb: u32) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        self.vsx_helper(vop::TEST | arg << 8, [bf, xa, xb, xb])
    }

    pub(super) fn xvtdivdp(&mut self, a: args::Xvtdivdp) -> Out {
        self.xv_test(0, a.bf, a.xa, a.xb)
    }

    pub(super) fn xvtdivsp(&mut self, a: args::Xvtdivsp) -> Out {
        self.xv_test(2, a.bf, a.xa, a.xb)
    }

    pub(super) fn xvtsqrtdp(&mut self, a: args::Xvtsqrtdp) -> Out {
        self.xv_test(1, a.bf, a.xb, a.xb)
    }

    pub(super) fn xvtsqrtsp(&mut self, a: args::Xvtsqrtsp) -> Out {
        self.xv_test(3, a.bf, a.xb, a.xb)
    }

    pub(super) fn xvtstdcdp(&mut self, a: args::Xvtstdcdp) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        self.vsx_helper(vop::CLASS_D | a.dcmx << 8, [a.xt, a.xb, a.xb, a.xb])
    }

    pub(super) fn xvtstdcsp(&mut self, a: args::Xvtstdcsp) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        self.vsx_helper(vop::CLASS_S | a.dcmx << 8, [a.xt, a.xb, a.xb, a.xb])
    }

    // ---- permutation ----

    pub(super) fn xxsel(&mut self, a: args::Xxsel) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let (x, y, m) = (self.get_vsr(a.xa), self.get_vsr(a.xb), self.get_vsr(a.xc));
        let r = self.b.tri(Op::VBsl, Ty::V128, m, y, x);
        self.set_vsr(a.xt, r);
        Out::Next
    }

    pub(super) fn xxpermdi(&mut self, a: args::Xxpermdi) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let x = self.get_vsr(a.xa);
        let y = self.get_vsr(a.xb);
        let (from_a, from_b) = (a.dm >> 1, a.dm & 1);
        if a.xa == a.xb && a.dm == 2 {
            let r = self.swap_doubles(x);
            self.set_vsr(a.xt, r);
            return Out::Next;
        }
        let half = |t: &mut Self, v: Value, low: u32| match low {
            0 => t.b.un(Op::VHigh, Ty::V64, v),
            _ => t.b.un(Op::Bitcast, Ty::V64, v),
        };
        let hi = half(self, x, from_a);
        let lo = half(self, y, from_b);
        let r = self.b.bin(Op::VConcat, Ty::V128, lo, hi);
        self.set_vsr(a.xt, r);
        Out::Next
    }

    pub(super) fn xxsldwi(&mut self, a: args::Xxsldwi) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let (x, y) = (self.get_vsr(a.xa), self.get_vsr(a.xb));
        let r = self.concat_left(x, y, 4 * a.dm);
        self.set_vsr(a.xt, r);
        Out::Next
    }

    pub(super) fn xxspltw(&mut self, a: args::Xxspltw) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let x = self.get_vsr(a.xb);
        let r = self
            .b
            .vun(Op::VDupLane, Ty::V128, 2, x, i64::from(3 - a.dm));
        self.set_vsr(a.xt, r);
        Out::Next
    }

    pub(super) fn xxspltib(&mut self, a: args::Xxspltib) -> Out {
        if let Some(out) = self.need_vsr(a.xt) {
            return out;
        }
        let v = u128::from(a.uim) * (u128::MAX / 0xff);
        let r = self.b.vconst(Ty::V128, v);
        self.set_vsr(a.xt, r);
        Out::Next
    }

    fn xx_merge(&mut self, op: Op, xt: u32, xa: u32, xb: u32) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let (x, y) = (self.get_vsr(xa), self.get_vsr(xb));
        let r = self.b.vbin(op, Ty::V128, 2, y, x, 0);
        self.set_vsr(xt, r);
        Out::Next
    }

    pub(super) fn xxmrghw(&mut self, a: args::Xxmrghw) -> Out {
        self.xx_merge(Op::VZipHi, a.xt, a.xa, a.xb)
    }

    pub(super) fn xxmrglw(&mut self, a: args::Xxmrglw) -> Out {
        self.xx_merge(Op::VZipLo, a.xt, a.xa, a.xb)
    }

    /// The table is xa and the target's old value.
    pub(super) fn xxperm(&mut self, a: args::Xxperm) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let (x, y, c) = (self.get_vsr(a.xa), self.get_vsr(a.xt), self.get_vsr(a.xb));
        let r = self.permute(x, y, c, false);
        self.set_vsr(a.xt, r);
        Out::Next
    }

    pub(super) fn xxpermr(&mut self, a: args::Xxpermr) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let (x, y, c) = (self.get_vsr(a.xa), self.get_vsr(a.xt), self.get_vsr(a.xb));
        let r = self.permute(x, y, c, true);
        self.set_vsr(a.xt, r);
        Out::Next
    }

    fn byte_reverse(&mut self, xt: u32, xb: u32, group: i64) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let x = self.get_vsr(xb);
        let mut r = self.b.vun(Op::VRev, Ty::V128, 0, x, group.min(3));
        if group == 4 {
            r = self.swap_doubles(r);
        }
        self.set_vsr(xt, r);
        Out::Next
    }

    pub(super) fn xxbrh(&mut self, a: args::Xxbrh) -> Out {
        self.byte_reverse(a.xt, a.xb, 1)
    }

    pub(super) fn xxbrw(&mut self, a: args::Xxbrw) -> Out {
        self.byte_reverse(a.xt, a.xb, 2)
    }

    pub(super) fn xxbrd(&mut self, a: args::Xxbrd) -> Out {
        self.byte_reverse(a.xt, a.xb, 3)
    }

    pub(super) fn xxbrq(&mut self, a: args::Xxbrq) -> Out {
        self.byte_reverse(a.xt, a.xb, 4)
    }

    pub(super) fn xxextractuw(&mut self, a: args::Xxextractuw) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let x = self.get_vsr(a.xb);
        let what = helper::vector::op::EXTRACT_WORD | (a.uim << 4) << 8;
        let r = self.vector_call(what, x, x, x);
        self.set_vsr(a.xt, r);
        Out::Next
    }

    pub(super) fn xxinsertw(&mut self, a: args::Xxinsertw) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let (x, old) = (self.get_vsr(a.xb), self.get_vsr(a.xt));
        let what = helper::vector::op::INSERT_WORD | (a.uim << 4) << 8;
        let r = self.vector_call(what, x, x, old);
        self.set_vsr(a.xt, r);
        Out::Next
    }
}
