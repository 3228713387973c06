//! AltiVec arithmetic, logic, comparisons, floating point. [PowerISA I.6.9, I.6.10]
//!
//! Element 0 of a register is its leftmost; lanes of the IR count from the right. "Even" elements are odd lanes.

use tcg_ir::{Cond, FpRound, Op, Ty, Value};

use super::{NONE, Out, Translator};
use crate::decode::args;
use crate::helper::vector::{FLUSH, SAT, op as vop};
use crate::state::{Mode, slot};

/// The regime of AltiVec floating point.
const VECTOR: u8 = 1;

/// vt = op(va, vb).
macro_rules! binary {
    ($($name:ident $Name:ident = $op:ident $lane:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| t.b.vbin(Op::$op, Ty::V128, $lane, x, y, 0))
        }
    )*};
}

/// The same, saturating: with the operation that wraps.
macro_rules! saturating {
    ($($name:ident $Name:ident = $op:ident $wraps:ident $lane:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| {
                let r = t.b.vbin(Op::$op, Ty::V128, $lane, x, y, 0);
                let wrapped = t.b.vbin(Op::$wraps, Ty::V128, $lane, x, y, 0);
                let differs = t.b.vbin(Op::VXor, Ty::V128, 0, r, wrapped, 0);
                t.note_saturation(differs);
                r
            })
        }
    )*};
}

/// vt = f(va, vb) by the helper.
macro_rules! helper2 {
    ($($name:ident $Name:ident = $what:expr;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| t.vector_call($what, x, y, y))
        }
    )*};
}

/// The same, saturating.
macro_rules! helper2_sat {
    ($($name:ident $Name:ident = $what:expr;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| {
                let sat = t.vector_call($what | SAT, x, y, y);
                t.note_saturation(sat);
                t.vector_call($what, x, y, y)
            })
        }
    )*};
}

/// vt = f(va, vb, vc) by the helper; `sat`: saturating.
macro_rules! helper3 {
    ($($name:ident $Name:ident = $what:expr, $sat:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            if let Some(out) = self.need_vec() {
                return out;
            }
            let (x, y, z) = (self.vr(a.vra), self.vr(a.vrb), self.vr(a.vrc));
            if $sat {
                let sat = self.vector_call($what | SAT, x, y, z);
                self.note_saturation(sat);
            }
            let r = self.vector_call($what, x, y, z);
            self.set_vr(a.vrt, r);
            Out::Next
        }
    )*};
}

/// vt = f(vb).
macro_rules! unary {
    ($($name:ident $Name:ident = $f:expr;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let f: fn(&mut Self, Value) -> Value = $f;
            self.v_unary(a.vrt, a.vrb, f)
        }
    )*};
}

macro_rules! compares {
    ($($name:ident $Name:ident = $f:expr;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let f: fn(&mut Self, Value, Value) -> Value = $f;
            let rec = a.rec;
            self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| {
                let r = f(t, x, y);
                t.record_vector(rec, r);
                r
            })
        }
    )*};
}

macro_rules! comparisons {
    ($($name:ident $Name:ident = $op:ident $lane:literal;)*) => {
        compares! {$(
            $name $Name = |t, x, y| t.b.vbin(Op::$op, Ty::V128, $lane, x, y, 0);
        )*}
    };
}

/// Products of even or odd elements.
macro_rules! products {
    ($($name:ident $Name:ident = $op:ident $pick:ident $lane:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| {
                let x = t.b.vbin(Op::$pick, Ty::V128, $lane, x, x, 0);
                let y = t.b.vbin(Op::$pick, Ty::V128, $lane, y, y, 0);
                let x = t.b.un(Op::Bitcast, Ty::V64, x);
                let y = t.b.un(Op::Bitcast, Ty::V64, y);
                t.b.vbin(Op::$op, Ty::V128, $lane, x, y, 0)
            })
        }
    )*};
}

/// Shifts by the elements of vb; `signed` in bit 0, `right` negates the amount.
macro_rules! shifts {
    ($($name:ident $Name:ident = $lane:literal $right:literal $imm:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| {
                let n = t.shift_amount(y, $lane);
                let n = if $right { t.b.vun(Op::VNeg, Ty::V128, $lane, n, 0) } else { n };
                t.b.vbin(Op::VShlV, Ty::V128, $lane, x, n, $imm)
            })
        }
    )*};
}

macro_rules! rotates {
    ($($name:ident $Name:ident = $lane:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| {
                let n = t.shift_amount(y, $lane);
                let left = t.b.vbin(Op::VShlV, Ty::V128, $lane, x, n, 0);
                let width = t.splat(8 << $lane, $lane);
                let back = t.b.vbin(Op::VSub, Ty::V128, $lane, n, width, 0);
                let right = t.b.vbin(Op::VShlV, Ty::V128, $lane, x, back, 0);
                t.b.vbin(Op::VOr, Ty::V128, 0, left, right, 0)
            })
        }
    )*};
}

/// Floating point: vt = op(va, vb).
macro_rules! floats {
    ($($name:ident $Name:ident = $op:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| {
                t.b.fop(Op::$op, Ty::V128, 2, VECTOR, [x, y, NONE], 0)
            })
        }
    )*};
}

impl Translator<'_> {
    binary! {
        vaddubm Vaddubm = VAdd 0;
        vadduhm Vadduhm = VAdd 1;
        vadduwm Vadduwm = VAdd 2;
        vaddudm Vaddudm = VAdd 3;
        vsububm Vsububm = VSub 0;
        vsubuhm Vsubuhm = VSub 1;
        vsubuwm Vsubuwm = VSub 2;
        vsubudm Vsubudm = VSub 3;
        vmaxub Vmaxub = VMaxU 0;
        vmaxuh Vmaxuh = VMaxU 1;
        vmaxuw Vmaxuw = VMaxU 2;
        vmaxud Vmaxud = VMaxU 3;
        vmaxsb Vmaxsb = VMaxS 0;
        vmaxsh Vmaxsh = VMaxS 1;
        vmaxsw Vmaxsw = VMaxS 2;
        vmaxsd Vmaxsd = VMaxS 3;
        vminub Vminub = VMinU 0;
        vminuh Vminuh = VMinU 1;
        vminuw Vminuw = VMinU 2;
        vminud Vminud = VMinU 3;
        vminsb Vminsb = VMinS 0;
        vminsh Vminsh = VMinS 1;
        vminsw Vminsw = VMinS 2;
        vminsd Vminsd = VMinS 3;
        vavgub Vavgub = VRhaddU 0;
        vavguh Vavguh = VRhaddU 1;
        vavguw Vavguw = VRhaddU 2;
        vavgsb Vavgsb = VRhaddS 0;
        vavgsh Vavgsh = VRhaddS 1;
        vavgsw Vavgsw = VRhaddS 2;
        vabsdub Vabsdub = VAbdU 0;
        vabsduh Vabsduh = VAbdU 1;
        vabsduw Vabsduw = VAbdU 2;
        vmuluwm Vmuluwm = VMul 2;
        vand Vand = VAnd 0;
        vandc Vandc = VAndNot 0;
        vor Vor = VOr 0;
        vxor Vxor = VXor 0;
    }

    saturating! {
        vaddubs Vaddubs = VAddSatU VAdd 0;
        vadduhs Vadduhs = VAddSatU VAdd 1;
        vadduws Vadduws = VAddSatU VAdd 2;
        vaddsbs Vaddsbs = VAddSatS VAdd 0;
        vaddshs Vaddshs = VAddSatS VAdd 1;
        vaddsws Vaddsws = VAddSatS VAdd 2;
        vsububs Vsububs = VSubSatU VSub 0;
        vsubuhs Vsubuhs = VSubSatU VSub 1;
        vsubuws Vsubuws = VSubSatU VSub 2;
        vsubsbs Vsubsbs = VSubSatS VSub 0;
        vsubshs Vsubshs = VSubSatS VSub 1;
        vsubsws Vsubsws = VSubSatS VSub 2;
    }

    helper2! {
        vadduqm Vadduqm = vop::ADD_Q;
        vaddcuq Vaddcuq = vop::ADD_CARRY_Q;
        vsubuqm Vsubuqm = vop::SUB_Q;
        vsubcuq Vsubcuq = vop::SUB_CARRY_Q;
        vmul10euq Vmul10euq = vop::MUL10_E;
        vmul10ecuq Vmul10ecuq = vop::MUL10_E_CARRY;
        vslv Vslv = vop::SHIFT_LEFT_V;
        vsrv Vsrv = vop::SHIFT_RIGHT_V;
        vrlwnm Vrlwnm = vop::ROT_MASK_W;
        vrldnm Vrldnm = vop::ROT_MASK_D;
        vpmsumb Vpmsumb = vop::PMSUM | 8 << 8;
        vpmsumh Vpmsumh = vop::PMSUM | 16 << 8;
        vpmsumw Vpmsumw = vop::PMSUM | 32 << 8;
    }

    helper2_sat! {
        vsum2sws Vsum2sws = vop::SUM2_SW;
        vsumsws Vsumsws = vop::SUM_SW;
    }

    helper3! {
        vmhaddshs Vmhaddshs = vop::MULT_HIGH_ADD, true;
        vmhraddshs Vmhraddshs = vop::MULT_HIGH_ROUND_ADD, true;
        vmsumuhs Vmsumuhs = vop::SUM_UHS, true;
        vmsumshs Vmsumshs = vop::SUM_SHS, true;
        vmsumudm Vmsumudm = vop::SUM_UD, false;
        vaddeuqm Vaddeuqm = vop::ADD_E_Q, false;
        vaddecuq Vaddecuq = vop::ADD_E_CARRY_Q, false;
        vsubeuqm Vsubeuqm = vop::SUB_E_Q, false;
        vsubecuq Vsubecuq = vop::SUB_E_CARRY_Q, false;
        vpermxor Vpermxor = vop::PERM_XOR, false;
    }

    products! {
        vmuloub Vmuloub = VMullU VUzpEven 0;
        vmulouh Vmulouh = VMullU VUzpEven 1;
        vmulouw Vmulouw = VMullU VUzpEven 2;
        vmulosb Vmulosb = VMullS VUzpEven 0;
        vmulosh Vmulosh = VMullS VUzpEven 1;
        vmulosw Vmulosw = VMullS VUzpEven 2;
        vmuleub Vmuleub = VMullU VUzpOdd 0;
        vmuleuh Vmuleuh = VMullU VUzpOdd 1;
        vmuleuw Vmuleuw = VMullU VUzpOdd 2;
        vmulesb Vmulesb = VMullS VUzpOdd 0;
        vmulesh Vmulesh = VMullS VUzpOdd 1;
        vmulesw Vmulesw = VMullS VUzpOdd 2;
    }

    shifts! {
        vslb Vslb = 0 false 0;
        vslh Vslh = 1 false 0;
        vslw Vslw = 2 false 0;
        vsld Vsld = 3 false 0;
        vsrb Vsrb = 0 true 0;
        vsrh Vsrh = 1 true 0;
        vsrw Vsrw = 2 true 0;
        vsrd Vsrd = 3 true 0;
        vsrab Vsrab = 0 true 1;
        vsrah Vsrah = 1 true 1;
        vsraw Vsraw = 2 true 1;
        vsrad Vsrad = 3 true 1;
    }

    rotates! {
        vrlb Vrlb = 0;
        vrlh Vrlh = 1;
        vrlw Vrlw = 2;
        vrld Vrld = 3;
    }

    comparisons! {
        vcmpequb Vcmpequb = VCmpEq 0;
        vcmpequh Vcmpequh = VCmpEq 1;
        vcmpequw Vcmpequw = VCmpEq 2;
        vcmpequd Vcmpequd = VCmpEq 3;
        vcmpgtub Vcmpgtub = VCmpGtU 0;
        vcmpgtuh Vcmpgtuh = VCmpGtU 1;
        vcmpgtuw Vcmpgtuw = VCmpGtU 2;
        vcmpgtud Vcmpgtud = VCmpGtU 3;
        vcmpgtsb Vcmpgtsb = VCmpGtS 0;
        vcmpgtsh Vcmpgtsh = VCmpGtS 1;
        vcmpgtsw Vcmpgtsw = VCmpGtS 2;
        vcmpgtsd Vcmpgtsd = VCmpGtS 3;
    }

    compares! {
        vcmpneb Vcmpneb = |t, x, y| t.not_equal(x, y, 0);
        vcmpneh Vcmpneh = |t, x, y| t.not_equal(x, y, 1);
        vcmpnew Vcmpnew = |t, x, y| t.not_equal(x, y, 2);
        vcmpnezb Vcmpnezb = |t, x, y| t.not_equal_or_zero(x, y, 0);
        vcmpnezh Vcmpnezh = |t, x, y| t.not_equal_or_zero(x, y, 1);
        vcmpnezw Vcmpnezw = |t, x, y| t.not_equal_or_zero(x, y, 2);
        vcmpeqfp Vcmpeqfp = |t, x, y| t.b.fop(Op::VFCmpEq, Ty::V128, 2, VECTOR, [x, y, NONE], 0);
        vcmpgefp Vcmpgefp = |t, x, y| t.b.fop(Op::VFCmpGe, Ty::V128, 2, VECTOR, [x, y, NONE], 0);
        vcmpgtfp Vcmpgtfp = |t, x, y| t.b.fop(Op::VFCmpGt, Ty::V128, 2, VECTOR, [x, y, NONE], 0);
    }

    floats! {
        vaddfp Vaddfp = VFAdd;
        vsubfp Vsubfp = VFSub;
        vmaxfp Vmaxfp = VFMax;
        vminfp Vminfp = VFMin;
    }

    unary! {
        vrfin Vrfin = |t, x| t.round_lanes(x, FpRound::Nearest);
        vrfiz Vrfiz = |t, x| t.round_lanes(x, FpRound::Zero);
        vrfip Vrfip = |t, x| t.round_lanes(x, FpRound::Up);
        vrfim Vrfim = |t, x| t.round_lanes(x, FpRound::Down);
        vexptefp Vexptefp = |t, x| t.float_call(vop::EXP2, x, x);
        vlogefp Vlogefp = |t, x| t.float_call(vop::LOG2, x, x);
        vrefp Vrefp = |t, x| t.reciprocal(x);
        vrsqrtefp Vrsqrtefp = |t, x| {
            let root = t.b.fop(Op::VFSqrt, Ty::V128, 2, VECTOR, [x, NONE, NONE], 0);
            t.reciprocal(root)
        };
        vnegw Vnegw = |t, x| t.b.vun(Op::VNeg, Ty::V128, 2, x, 0);
        vnegd Vnegd = |t, x| t.b.vun(Op::VNeg, Ty::V128, 3, x, 0);
        vclzb Vclzb = |t, x| t.b.vun(Op::VClz, Ty::V128, 0, x, 0);
        vclzh Vclzh = |t, x| t.b.vun(Op::VClz, Ty::V128, 1, x, 0);
        vclzw Vclzw = |t, x| t.b.vun(Op::VClz, Ty::V128, 2, x, 0);
        vclzd Vclzd = |t, x| t.b.vun(Op::VClz, Ty::V128, 3, x, 0);
        vpopcntb Vpopcntb = |t, x| t.b.vun(Op::VCnt, Ty::V128, 0, x, 0);
        vpopcnth Vpopcnth = |t, x| t.count_ones(x, 1);
        vpopcntw Vpopcntw = |t, x| t.count_ones(x, 2);
        vpopcntd Vpopcntd = |t, x| t.count_ones(x, 3);
        vgbbd Vgbbd = |t, x| t.transpose_bits(x);
        vctzb Vctzb = |t, x| t.vector_call(vop::CTZ | 8 << 8, x, x, x);
        vctzh Vctzh = |t, x| t.vector_call(vop::CTZ | 16 << 8, x, x, x);
        vctzw Vctzw = |t, x| t.vector_call(vop::CTZ | 32 << 8, x, x, x);
        vctzd Vctzd = |t, x| t.vector_call(vop::CTZ | 64 << 8, x, x, x);
        vprtybw Vprtybw = |t, x| t.vector_call(vop::PARITY | 32 << 8, x, x, x);
        vprtybd Vprtybd = |t, x| t.vector_call(vop::PARITY | 64 << 8, x, x, x);
        vprtybq Vprtybq = |t, x| t.vector_call(vop::PARITY | 128 << 8, x, x, x);
        vextsb2w Vextsb2w = |t, x| t.extend_lanes(x, 2, 24);
        vextsh2w Vextsh2w = |t, x| t.extend_lanes(x, 2, 16);
        vextsb2d Vextsb2d = |t, x| t.extend_lanes(x, 3, 56);
        vextsh2d Vextsh2d = |t, x| t.extend_lanes(x, 3, 48);
        vextsw2d Vextsw2d = |t, x| t.extend_lanes(x, 3, 32);
    }

    /// vt = f(va, vb).
    pub(super) fn v_binary(
        &mut self,
        vt: u32,
        va: u32,
        vb: u32,
        f: impl FnOnce(&mut Self, Value, Value) -> Value,
    ) -> Out {
        if let Some(out) = self.need_vec() {
            return out;
        }
        let (x, y) = (self.vr(va), self.vr(vb));
        let r = f(self, x, y);
        self.set_vr(vt, r);
        Out::Next
    }

    /// vt = f(vb).
    pub(super) fn v_unary(
        &mut self,
        vt: u32,
        vb: u32,
        f: impl FnOnce(&mut Self, Value) -> Value,
    ) -> Out {
        if let Some(out) = self.need_vec() {
            return out;
        }
        let x = self.vr(vb);
        let r = f(self, x);
        self.set_vr(vt, r);
        Out::Next
    }

    /// VSCR.SAT is set if any bit of `v` is.
    pub(super) fn note_saturation(&mut self, v: Value) {
        let old = self.b.get(slot::SAT);
        let new = self.b.vbin(Op::VOr, Ty::V128, 0, old, v, 0);
        self.b.set(slot::SAT, new);
    }

    /// A constant in every lane.
    pub(super) fn splat(&mut self, v: u64, lane: u8) -> Value {
        let bits = 8u32 << lane;
        let mask = u64::MAX >> (64 - bits);
        let one = (0..128 / bits).fold(0u128, |x, _| {
            x.checked_shl(bits).unwrap_or(0) | u128::from(v & mask)
        });
        self.b.vconst(Ty::V128, one)
    }

    /// Shift amounts modulo the width of a lane.
    fn shift_amount(&mut self, y: Value, lane: u8) -> Value {
        let mask = self.splat((8u64 << lane) - 1, lane);
        self.b.vbin(Op::VAnd, Ty::V128, 0, y, mask, 0)
    }

    fn not(&mut self, v: Value) -> Value {
        self.b.vun(Op::VNot, Ty::V128, 0, v, 0)
    }

    fn not_equal(&mut self, x: Value, y: Value, lane: u8) -> Value {
        let r = self.b.vbin(Op::VCmpEq, Ty::V128, lane, x, y, 0);
        self.not(r)
    }

    fn not_equal_or_zero(&mut self, x: Value, y: Value, lane: u8) -> Value {
        let ne = self.not_equal(x, y, lane);
        let zero = self.b.vconst(Ty::V128, 0);
        let x0 = self.b.vbin(Op::VCmpEq, Ty::V128, lane, x, zero, 0);
        let y0 = self.b.vbin(Op::VCmpEq, Ty::V128, lane, y, zero, 0);
        let any = self.b.vbin(Op::VOr, Ty::V128, 0, x0, y0, 0);
        self.b.vbin(Op::VOr, Ty::V128, 0, ne, any, 0)
    }

    /// CR6 of a comparison: all lanes, 0, none, 0.
    pub(super) fn record_vector(&mut self, rec: bool, r: Value) {
        if !rec {
            return;
        }
        let lo = self.b.vun(Op::VGet, Ty::I64, 3, r, 0);
        let hi = self.b.vun(Op::VGet, Ty::I64, 3, r, 1);
        let and = self.b.bin(Op::And, Ty::I64, lo, hi);
        let or = self.b.bin(Op::Or, Ty::I64, lo, hi);
        let (ones, zeros) = (self.b.i64(u64::MAX), self.b.i64(0));
        let all = self.b.icmp(Cond::Eq, and, ones);
        let none = self.b.icmp(Cond::Eq, or, zeros);
        let zero = self.b.i32(0);
        for (k, v) in [all, zero, none, zero].into_iter().enumerate() {
            self.b.set(slot::cr_bit(24 + k as u32), v);
        }
    }

    // ---- sums of products ----

    /// vt = f(va, vb) + vc, word by word.
    fn sum_of_products(
        &mut self,
        [vt, va, vb, vc]: [u32; 4],
        f: impl FnOnce(&mut Self, Value, Value) -> Value,
    ) -> Out {
        self.v_binary(vt, va, vb, |t, x, y| {
            let sums = f(t, x, y);
            let z = t.vr(vc);
            t.b.vbin(Op::VAdd, Ty::V128, 2, sums, z, 0)
        })
    }

    /// Applies `op` to both halves of x and y.
    pub(super) fn halves(&mut self, op: Op, lane: u8, x: Value, y: Value) -> [Value; 2] {
        [Op::Bitcast, Op::VHigh].map(|half| {
            let x = self.b.un(half, Ty::V64, x);
            let y = self.b.un(half, Ty::V64, y);
            self.b.vbin(op, Ty::V128, lane, x, y, 0)
        })
    }

    pub(super) fn vmsumshm(&mut self, a: args::Vmsumshm) -> Out {
        self.sum_of_products([a.vrt, a.vra, a.vrb, a.vrc], |t, x, y| {
            let [lo, hi] = t.halves(Op::VMullS, 1, x, y);
            t.b.vbin(Op::VPadd, Ty::V128, 2, lo, hi, 0)
        })
    }

    pub(super) fn vmsumuhm(&mut self, a: args::Vmsumuhm) -> Out {
        self.sum_of_products([a.vrt, a.vra, a.vrb, a.vrc], |t, x, y| {
            let [lo, hi] = t.halves(Op::VMullU, 1, x, y);
            t.b.vbin(Op::VPadd, Ty::V128, 2, lo, hi, 0)
        })
    }

    pub(super) fn vmsumubm(&mut self, a: args::Vmsumubm) -> Out {
        self.sum_of_products([a.vrt, a.vra, a.vrb, a.vrc], |t, x, y| {
            let pairs = t.halves(Op::VMullU, 0, x, y);
            let [lo, hi] = pairs.map(|p| t.b.vun(Op::VPaddlU, Ty::V128, 1, p, 0));
            t.b.vbin(Op::VPadd, Ty::V128, 2, lo, hi, 0)
        })
    }

    /// Signed bytes of va by unsigned ones of vb: 16 bits hold the product.
    pub(super) fn vmsummbm(&mut self, a: args::Vmsummbm) -> Out {
        self.sum_of_products([a.vrt, a.vra, a.vrb, a.vrc], |t, x, y| {
            let [lo, hi] = [Op::Bitcast, Op::VHigh].map(|half| {
                let x = t.b.un(half, Ty::V64, x);
                let y = t.b.un(half, Ty::V64, y);
                let x = t.b.vun(Op::VWidenS, Ty::V128, 0, x, 0);
                let y = t.b.vun(Op::VWidenU, Ty::V128, 0, y, 0);
                let p = t.b.vbin(Op::VMul, Ty::V128, 1, x, y, 0);
                t.b.vun(Op::VPaddlS, Ty::V128, 1, p, 0)
            });
            t.b.vbin(Op::VPadd, Ty::V128, 2, lo, hi, 0)
        })
    }

    /// Sums across the `1 << halvings` elements of each word of va, plus vb, saturating.
    fn sum_across(&mut self, [vt, va, vb]: [u32; 3], signed: bool, halvings: u8) -> Out {
        let (widen, add) = match signed {
            true => (Op::VPaddlS, Op::VAddSatS),
            false => (Op::VPaddlU, Op::VAddSatU),
        };
        self.v_binary(vt, va, vb, |t, mut x, y| {
            for lane in 2 - halvings..2 {
                x = t.b.vun(widen, Ty::V128, lane, x, 0);
            }
            let r = t.b.vbin(add, Ty::V128, 2, x, y, 0);
            let wrapped = t.b.vbin(Op::VAdd, Ty::V128, 2, x, y, 0);
            let differs = t.b.vbin(Op::VXor, Ty::V128, 0, r, wrapped, 0);
            t.note_saturation(differs);
            r
        })
    }

    pub(super) fn vsum4ubs(&mut self, a: args::Vsum4ubs) -> Out {
        self.sum_across([a.vrt, a.vra, a.vrb], false, 2)
    }

    pub(super) fn vsum4sbs(&mut self, a: args::Vsum4sbs) -> Out {
        self.sum_across([a.vrt, a.vra, a.vrb], true, 2)
    }

    pub(super) fn vsum4shs(&mut self, a: args::Vsum4shs) -> Out {
        self.sum_across([a.vrt, a.vra, a.vrb], true, 1)
    }

    fn round_lanes(&mut self, x: Value, round: FpRound) -> Value {
        let imm = (round as i64) << 12;
        self.b
            .fop(Op::VFRound, Ty::V128, 2, VECTOR, [x, NONE, NONE], imm)
    }

    /// A floating-point operation of the helper's.
    fn float_call(&mut self, what: u32, a: Value, b: Value) -> Value {
        let flush = if self.mode.has(Mode::NJ) { FLUSH } else { 0 };
        self.vector_call(what | flush << 8, a, b, b)
    }

    fn reciprocal(&mut self, x: Value) -> Value {
        let one = self.splat(0x3f80_0000, 2);
        self.b
            .fop(Op::VFDiv, Ty::V128, 2, VECTOR, [one, x, NONE], 0)
    }

    /// Ones of each lane, from those of the bytes.
    fn count_ones(&mut self, x: Value, lane: u8) -> Value {
        let mut r = self.b.vun(Op::VCnt, Ty::V128, 0, x, 0);
        for from in 0..lane {
            r = self.b.vun(Op::VPaddlU, Ty::V128, from, r, 0);
        }
        r
    }

    fn extend_lanes(&mut self, x: Value, lane: u8, by: i64) -> Value {
        let up = self.b.vun(Op::VShlI, Ty::V128, lane, x, by);
        self.b.vun(Op::VSarI, Ty::V128, lane, up, by)
    }

    pub(super) fn vnor(&mut self, a: args::Vnor) -> Out {
        self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| {
            let r = t.b.vbin(Op::VOr, Ty::V128, 0, x, y, 0);
            t.not(r)
        })
    }

    pub(super) fn vnand(&mut self, a: args::Vnand) -> Out {
        self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| {
            let r = t.b.vbin(Op::VAnd, Ty::V128, 0, x, y, 0);
            t.not(r)
        })
    }

    pub(super) fn veqv(&mut self, a: args::Veqv) -> Out {
        self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| {
            let r = t.b.vbin(Op::VXor, Ty::V128, 0, x, y, 0);
            t.not(r)
        })
    }

    pub(super) fn vorc(&mut self, a: args::Vorc) -> Out {
        self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| {
            let y = t.not(y);
            t.b.vbin(Op::VOr, Ty::V128, 0, x, y, 0)
        })
    }

    pub(super) fn vaddcuw(&mut self, a: args::Vaddcuw) -> Out {
        self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| {
            let room = t.not(x);
            let carry = t.b.vbin(Op::VCmpGtU, Ty::V128, 2, y, room, 0);
            t.b.vun(Op::VShrI, Ty::V128, 2, carry, 31)
        })
    }

    pub(super) fn vsubcuw(&mut self, a: args::Vsubcuw) -> Out {
        self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| {
            let carry = t.b.vbin(Op::VCmpGeU, Ty::V128, 2, x, y, 0);
            t.b.vun(Op::VShrI, Ty::V128, 2, carry, 31)
        })
    }

    pub(super) fn vmladduhm(&mut self, a: args::Vmladduhm) -> Out {
        let c = a.vrc;
        self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| {
            let p = t.b.vbin(Op::VMul, Ty::V128, 1, x, y, 0);
            let z = t.vr(c);
            t.b.vbin(Op::VAdd, Ty::V128, 1, p, z, 0)
        })
    }

    fn times_ten(&mut self, vt: u32, va: u32, what: u32) -> Out {
        self.v_unary(vt, va, |t, x| t.vector_call(what, x, x, x))
    }

    pub(super) fn vmul10uq(&mut self, a: args::Vmul10uq) -> Out {
        self.times_ten(a.vrt, a.vra, vop::MUL10)
    }

    pub(super) fn vmul10cuq(&mut self, a: args::Vmul10cuq) -> Out {
        self.times_ten(a.vrt, a.vra, vop::MUL10_CARRY)
    }

    fn rotate_insert(&mut self, vt: u32, va: u32, vb: u32, what: u32) -> Out {
        self.v_binary(vt, va, vb, |t, x, y| {
            let old = t.vr(vt);
            t.vector_call(what, x, y, old)
        })
    }

    pub(super) fn vrlwmi(&mut self, a: args::Vrlwmi) -> Out {
        self.rotate_insert(a.vrt, a.vra, a.vrb, vop::ROT_INSERT_W)
    }

    pub(super) fn vrldmi(&mut self, a: args::Vrldmi) -> Out {
        self.rotate_insert(a.vrt, a.vra, a.vrb, vop::ROT_INSERT_D)
    }

    // ---- floating point ----

    fn v_fused(&mut self, vt: u32, [a, b, c]: [u32; 3], signs: i64) -> Out {
        if let Some(out) = self.need_vec() {
            return out;
        }
        let v = [a, c, b].map(|n| self.vr(n));
        let r = self.b.fop(Op::VFMulAdd, Ty::V128, 2, VECTOR, v, signs);
        self.set_vr(vt, r);
        Out::Next
    }

    pub(super) fn vmaddfp(&mut self, a: args::Vmaddfp) -> Out {
        self.v_fused(a.vrt, [a.vra, a.vrb, a.vrc], 0)
    }

    pub(super) fn vnmsubfp(&mut self, a: args::Vnmsubfp) -> Out {
        self.v_fused(a.vrt, [a.vra, a.vrb, a.vrc], 6)
    }

    pub(super) fn vcmpbfp(&mut self, a: args::Vcmpbfp) -> Out {
        if let Some(out) = self.need_vec() {
            return out;
        }
        let (x, y) = (self.vr(a.vra), self.vr(a.vrb));
        let r = self.float_call(vop::CMP_BOUNDS, x, y);
        self.set_vr(a.vrt, r);
        if a.rec {
            // EQ: all within bounds.
            let lo = self.b.vun(Op::VGet, Ty::I64, 3, r, 0);
            let hi = self.b.vun(Op::VGet, Ty::I64, 3, r, 1);
            let or = self.b.bin(Op::Or, Ty::I64, lo, hi);
            let zeros = self.b.i64(0);
            let none = self.b.icmp(Cond::Eq, or, zeros);
            let zero = self.b.i32(0);
            for (k, v) in [zero, zero, none, zero].into_iter().enumerate() {
                self.b.set(slot::cr_bit(24 + k as u32), v);
            }
        }
        Out::Next
    }

    /// Integers to floats, divided by 2^imm, which is exact.
    fn fixed_to_float(&mut self, vt: u32, vb: u32, imm: u32, signed: bool) -> Out {
        self.v_unary(vt, vb, |t, x| {
            let how = i64::from(signed) << 8 | (FpRound::Current as i64) << 12;
            let r =
                t.b.fop(Op::VFFromI, Ty::V128, 2, VECTOR, [x, NONE, NONE], how);
            if imm == 0 {
                return r;
            }
            let scale = t.splat(u64::from((127 - imm) << 23), 2);
            t.b.fop(Op::VFMul, Ty::V128, 2, VECTOR, [r, scale, NONE], 0)
        })
    }

    pub(super) fn vcfux(&mut self, a: args::Vcfux) -> Out {
        self.fixed_to_float(a.vrt, a.vrb, a.imm, false)
    }

    pub(super) fn vcfsx(&mut self, a: args::Vcfsx) -> Out {
        self.fixed_to_float(a.vrt, a.vrb, a.imm, true)
    }

    fn float_to_fixed(&mut self, vt: u32, vb: u32, what: u32) -> Out {
        self.v_unary(vt, vb, |t, x| {
            let sat = t.vector_call(what | SAT, x, x, x);
            t.note_saturation(sat);
            t.vector_call(what, x, x, x)
        })
    }

    pub(super) fn vctuxs(&mut self, a: args::Vctuxs) -> Out {
        self.float_to_fixed(a.vrt, a.vrb, vop::TO_UNSIGNED | a.imm << 8)
    }

    pub(super) fn vctsxs(&mut self, a: args::Vctsxs) -> Out {
        self.float_to_fixed(a.vrt, a.vrb, vop::TO_SIGNED | a.imm << 8)
    }
}
