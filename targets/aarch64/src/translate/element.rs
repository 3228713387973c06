//! Advanced SIMD: a vector by one element, dot products, and SQRDMLAH. [ARMv8 C7.2]

use tcg_ir::{Op, Ty, Value};

use super::simd::{SCALAR, vty};
use super::{Out, Translator};
use crate::decode::args;

/// Handlers of long products by an element.
macro_rules! products {
    ($($name:ident $Name:ident $op:expr;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let (x, y) = self.long_element(a.shape, a.size, a.rn, a.rm, a.index);
            let op = if a.unsigned { Op::VMullU } else { Op::VMullS };
            let p = self.vlane(op, Ty::V128, a.size, x, y);
            self.accumulate_wide($op, a.size, a.rd, p)
        }
    )*};
}

/// Handlers of saturating long products by an element.
macro_rules! saturating {
    ($($name:ident $Name:ident $ops:expr;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let (x, y) = self.long_element(a.shape, a.size, a.rn, a.rm, a.index);
            let p = self.qdmull_value(a.size, x, y);
            self.qdml_finish(a.shape, a.size, a.rd, p, $ops)
        }
    )*};
}

impl Translator<'_> {
    /// The vector operand and the element in every lane.
    fn with_element(
        &mut self,
        shape: u32,
        size: u32,
        n: u32,
        m: u32,
        index: u32,
    ) -> (Value, Value) {
        let y = self.element(shape, size, m, index);
        (self.vget_clean(shape, size, n), y)
    }

    /// The same for a long operation: the half that the shape says, and a 64-bit vector of the element.
    fn long_element(
        &mut self,
        shape: u32,
        size: u32,
        n: u32,
        m: u32,
        index: u32,
    ) -> (Value, Value) {
        let narrow = if shape == SCALAR { SCALAR } else { 0 };
        let y = self.element(narrow, size, m, index);
        (self.narrow_source(shape, size, n), y)
    }

    pub(super) fn mul_e(&mut self, a: args::MulE) -> Out {
        let (x, y) = self.with_element(a.shape, a.size, a.rn, a.rm, a.index);
        let r = self.vlane(Op::VMul, vty(a.shape), a.size, x, y);
        self.vset(a.shape, a.size, a.rd, r);
        Out::Next
    }

    pub(super) fn mla_e(&mut self, a: args::MlaE) -> Out {
        let (x, y) = self.with_element(a.shape, a.size, a.rn, a.rm, a.index);
        self.multiply_add(Op::VAdd, a.shape, a.size, a.rd, x, y)
    }

    pub(super) fn mls_e(&mut self, a: args::MlsE) -> Out {
        let (x, y) = self.with_element(a.shape, a.size, a.rn, a.rm, a.index);
        self.multiply_add(Op::VSub, a.shape, a.size, a.rd, x, y)
    }

    products! {
        mull_e MullE None;
        mlal_e MlalE Some(Op::VAdd);
        mlsl_e MlslE Some(Op::VSub);
    }

    saturating! {
        qdmull_e QdmullE None;
        qdmlal_e QdmlalE Some((Op::VAddSatS, Op::VAdd));
        qdmlsl_e QdmlslE Some((Op::VSubSatS, Op::VSub));
    }

    pub(super) fn qdmulh_e(&mut self, a: args::QdmulhE) -> Out {
        let (x, y) = self.with_element(a.shape, a.size, a.rn, a.rm, a.index);
        let r = self.qdmulh_value(vty(a.shape), a.size, false, x, y);
        self.vset(a.shape, a.size, a.rd, r);
        Out::Next
    }

    pub(super) fn qrdmulh_e(&mut self, a: args::QrdmulhE) -> Out {
        let (x, y) = self.with_element(a.shape, a.size, a.rn, a.rm, a.index);
        let r = self.qdmulh_value(vty(a.shape), a.size, true, x, y);
        self.vset(a.shape, a.size, a.rd, r);
        Out::Next
    }

    // ---- SQRDMLAH and SQRDMLSH: one rounding over accumulator and product, in lanes of twice the size ----

    /// A half of the result: (acc << n) ± 2xy + 2^(n-1), shifted right by n, saturated. The sum may need one bit
    /// more than the wide lane has, so everything is halved, which loses nothing: all terms are even.
    fn qrdml_half(&mut self, size: u32, sub: bool, acc: Value, x: Value, y: Value) -> Value {
        let (wide, bits) = (size + 1, super::simd::lane_bits(size));
        let p = self.vlane(Op::VMullS, Ty::V128, size, x, y);
        let acc = self.b.vun(Op::VWidenS, Ty::V128, size as u8, acc, 0);
        let acc = self
            .b
            .vun(Op::VShlI, Ty::V128, wide as u8, acc, i64::from(bits - 1));
        let op = if sub { Op::VSub } else { Op::VAdd };
        let sum = self.vlane(op, Ty::V128, wide, acc, p);
        // The product of the most negative numbers is 2^(2n-2): with the accumulator it stays below 2^(2n-1).
        let round = self.splat(Ty::V128, wide, 1 << (bits - 2));
        let sum = self.vlane(Op::VAdd, Ty::V128, wide, sum, round);
        let r = self.shift_right(Ty::V128, wide, bits - 1, false, false, sum);
        let narrow = self.b.vun(Op::VNarrowSatS, Ty::V64, size as u8, r, 0);
        let again = self.b.vun(Op::VWidenS, Ty::V128, size as u8, narrow, 0);
        self.saturated(Ty::V128, again, r);
        narrow
    }

    fn qrdml(&mut self, f: (u32, u32, bool), d: u32, x: Value, y: Value) -> Out {
        let (shape, size, sub) = f;
        let acc = self.vget_clean(shape, size, d);
        let halves = |t: &mut Self, v: Value| {
            let lo = t.b.bitcast(Ty::V64, v);
            (lo, (shape == 1).then(|| t.b.un(Op::VHigh, Ty::V64, v)))
        };
        let (xs, ys, accs) = (halves(self, x), halves(self, y), halves(self, acc));
        let lo = self.qrdml_half(size, sub, accs.0, xs.0, ys.0);
        let r = match (accs.1, xs.1, ys.1) {
            (Some(acc), Some(x), Some(y)) => {
                let hi = self.qrdml_half(size, sub, acc, x, y);
                self.b.bin(Op::VConcat, Ty::V128, lo, hi)
            }
            _ => lo,
        };
        self.vset(shape, size, d, r);
        Out::Next
    }

    pub(super) fn qrdmlah(&mut self, a: args::Qrdmlah) -> Out {
        let x = self.vget_clean(a.shape, a.size, a.rn);
        let y = self.vget_clean(a.shape, a.size, a.rm);
        self.qrdml((a.shape, a.size, false), a.rd, x, y)
    }

    pub(super) fn qrdmlsh(&mut self, a: args::Qrdmlsh) -> Out {
        let x = self.vget_clean(a.shape, a.size, a.rn);
        let y = self.vget_clean(a.shape, a.size, a.rm);
        self.qrdml((a.shape, a.size, true), a.rd, x, y)
    }

    pub(super) fn qrdmlah_e(&mut self, a: args::QrdmlahE) -> Out {
        let (x, y) = self.with_element(a.shape, a.size, a.rn, a.rm, a.index);
        self.qrdml((a.shape, a.size, false), a.rd, x, y)
    }

    pub(super) fn qrdmlsh_e(&mut self, a: args::QrdmlshE) -> Out {
        let (x, y) = self.with_element(a.shape, a.size, a.rn, a.rm, a.index);
        self.qrdml((a.shape, a.size, true), a.rd, x, y)
    }

    // ---- dot products: four products of bytes are added to a word ----

    /// Sums of four adjacent products of a half.
    fn dot_half(&mut self, unsigned: bool, x: Value, y: Value) -> Value {
        let (mul, add) = if unsigned {
            (Op::VMullU, Op::VPaddlU)
        } else {
            (Op::VMullS, Op::VPaddlS)
        };
        let p = self.vlane(mul, Ty::V128, 0, x, y);
        let pairs = self.b.vun(add, Ty::V128, 1, p, 0);
        let zero = self.b.vconst(Ty::V128, 0);
        let sums = self.vlane(Op::VPadd, Ty::V128, 2, pairs, zero);
        self.b.bitcast(Ty::V64, sums)
    }

    fn dot_product(&mut self, shape: u32, unsigned: bool, d: u32, x: Value, y: Value) -> Out {
        let (xl, yl) = (self.b.bitcast(Ty::V64, x), self.b.bitcast(Ty::V64, y));
        let mut sums = self.dot_half(unsigned, xl, yl);
        if shape == 1 {
            let xh = self.b.un(Op::VHigh, Ty::V64, x);
            let yh = self.b.un(Op::VHigh, Ty::V64, y);
            let high = self.dot_half(unsigned, xh, yh);
            sums = self.b.bin(Op::VConcat, Ty::V128, sums, high);
        }
        let acc = self.vget(shape, d);
        let r = self.vlane(Op::VAdd, vty(shape), 2, acc, sums);
        self.set_scalar(d, r);
        Out::Next
    }

    pub(super) fn dot(&mut self, a: args::Dot) -> Out {
        let (x, y) = (self.vget(a.shape, a.rn), self.vget(a.shape, a.rm));
        self.dot_product(a.shape, a.unsigned, a.rd, x, y)
    }

    pub(super) fn dot_e(&mut self, a: args::DotE) -> Out {
        let y = self.element(a.shape, 2, a.rm, a.index);
        let x = self.vget(a.shape, a.rn);
        self.dot_product(a.shape, a.unsigned, a.rd, x, y)
    }
}
