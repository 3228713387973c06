//! Advanced SIMD: three registers of different lengths. [ARMv8 C7.2]
//!
//! Shape 0 takes the lower halves of the narrow sources, shape 1 (the second form) the upper ones, shape 2 scalars.

use tcg_ir::{Op, Ty, Value};

use super::simd::SCALAR;
use super::{Out, Translator};
use crate::decode::args;
use crate::state::slot;

/// Handlers "rd = rd op (rn * rm)" on lanes of twice the size.
macro_rules! products {
    ($($name:ident $Name:ident $op:expr;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let (x, y) = self.narrow_pair(a.shape, a.size, a.rn, a.rm);
            let op = if a.unsigned { Op::VMullU } else { Op::VMullS };
            let p = self.vlane(op, Ty::V128, a.size, x, y);
            self.accumulate_wide($op, a.size, a.rd, p)
        }
    )*};
}

impl Translator<'_> {
    /// The half of a register that a shape says.
    pub(super) fn narrow_source(&mut self, shape: u32, size: u32, n: u32) -> Value {
        match shape {
            SCALAR => self.vget_clean(SCALAR, size, n),
            _ => self.half_of(n, shape == 1),
        }
    }

    fn narrow_pair(&mut self, shape: u32, size: u32, n: u32, m: u32) -> (Value, Value) {
        let x = self.narrow_source(shape, size, n);
        let y = self.narrow_source(shape, size, m);
        (x, y)
    }

    /// A half of a register with its lanes widened.
    pub(super) fn widened(&mut self, n: u32, upper: bool, size: u32, unsigned: bool) -> Value {
        let x = self.half_of(n, upper);
        let op = if unsigned { Op::VWidenU } else { Op::VWidenS };
        self.b.vun(op, Ty::V128, size as u8, x, 0)
    }

    /// rd = rd op p on lanes of twice `size`; without an operation rd = p.
    pub(super) fn accumulate_wide(&mut self, op: Option<Op>, size: u32, d: u32, p: Value) -> Out {
        let r = match op {
            Some(op) => {
                let acc = self.b.get(slot::v(d));
                self.vlane(op, Ty::V128, size + 1, acc, p)
            }
            None => p,
        };
        self.b.set(slot::v(d), r);
        Out::Next
    }

    products! {
        mull Mull None;
        mlal Mlal Some(Op::VAdd);
        mlsl Mlsl Some(Op::VSub);
    }

    fn long(&mut self, op: Op, f: (u32, u32, bool), d: u32, n: u32, m: u32) -> Out {
        let (shape, size, unsigned) = f;
        let x = self.widened(n, shape == 1, size, unsigned);
        let y = self.widened(m, shape == 1, size, unsigned);
        let r = self.vlane(op, Ty::V128, size + 1, x, y);
        self.b.set(slot::v(d), r);
        Out::Next
    }

    pub(super) fn addl(&mut self, a: args::Addl) -> Out {
        let f = (a.shape, a.size, a.unsigned);
        self.long(Op::VAdd, f, a.rd, a.rn, a.rm)
    }

    pub(super) fn subl(&mut self, a: args::Subl) -> Out {
        let f = (a.shape, a.size, a.unsigned);
        self.long(Op::VSub, f, a.rd, a.rn, a.rm)
    }

    fn wide_op(&mut self, op: Op, f: (u32, u32, bool), d: u32, n: u32, m: u32) -> Out {
        let (shape, size, unsigned) = f;
        let x = self.b.get(slot::v(n));
        let y = self.widened(m, shape == 1, size, unsigned);
        let r = self.vlane(op, Ty::V128, size + 1, x, y);
        self.b.set(slot::v(d), r);
        Out::Next
    }

    pub(super) fn addw(&mut self, a: args::Addw) -> Out {
        let f = (a.shape, a.size, a.unsigned);
        self.wide_op(Op::VAdd, f, a.rd, a.rn, a.rm)
    }

    pub(super) fn subw(&mut self, a: args::Subw) -> Out {
        let f = (a.shape, a.size, a.unsigned);
        self.wide_op(Op::VSub, f, a.rd, a.rn, a.rm)
    }

    /// |n - m|, widened: the difference in the narrow lane is exact as an unsigned number.
    fn absolute_difference(&mut self, f: (u32, u32, bool), n: u32, m: u32) -> Value {
        let (shape, size, unsigned) = f;
        let (x, y) = self.narrow_pair(shape, size, n, m);
        let op = if unsigned { Op::VAbdU } else { Op::VAbdS };
        let d = self.vlane(op, Ty::V64, size, x, y);
        self.b.vun(Op::VWidenU, Ty::V128, size as u8, d, 0)
    }

    pub(super) fn abdl(&mut self, a: args::Abdl) -> Out {
        let v = self.absolute_difference((a.shape, a.size, a.unsigned), a.rn, a.rm);
        self.accumulate_wide(None, a.size, a.rd, v)
    }

    pub(super) fn abal(&mut self, a: args::Abal) -> Out {
        let v = self.absolute_difference((a.shape, a.size, a.unsigned), a.rn, a.rm);
        self.accumulate_wide(Some(Op::VAdd), a.size, a.rd, v)
    }

    /// ADDHN and so on: the upper halves of sums; `unsigned` stands for rounding here.
    fn high_narrow(&mut self, op: Op, f: (u32, u32, bool), d: u32, n: u32, m: u32) -> Out {
        let (shape, size, round) = f;
        let (x, y) = (self.b.get(slot::v(n)), self.b.get(slot::v(m)));
        let mut sum = self.vlane(op, Ty::V128, size + 1, x, y);
        let bits = super::simd::lane_bits(size);
        if round {
            let half = self.splat(Ty::V128, size + 1, 1 << (bits - 1));
            sum = self.vlane(Op::VAdd, Ty::V128, size + 1, sum, half);
        }
        let high = self.shift_right(Ty::V128, size + 1, bits, true, false, sum);
        let r = self.b.vun(Op::VNarrow, Ty::V64, size as u8, high, 0);
        self.set_narrow(shape, size, d, r);
        Out::Next
    }

    pub(super) fn addhn(&mut self, a: args::Addhn) -> Out {
        let f = (a.shape, a.size, a.unsigned);
        self.high_narrow(Op::VAdd, f, a.rd, a.rn, a.rm)
    }

    pub(super) fn subhn(&mut self, a: args::Subhn) -> Out {
        let f = (a.shape, a.size, a.unsigned);
        self.high_narrow(Op::VSub, f, a.rd, a.rn, a.rm)
    }

    pub(super) fn pmull(&mut self, a: args::Pmull) -> Out {
        let x = self.half_of(a.rn, a.upper);
        let y = self.half_of(a.rm, a.upper);
        let r = self.vlane(Op::VPmull, Ty::V128, a.size, x, y);
        self.b.set(slot::v(a.rd), r);
        Out::Next
    }

    /// Saturating doubling product with its QC.
    pub(super) fn qdmull_value(&mut self, size: u32, x: Value, y: Value) -> Value {
        self.min_squared(Ty::V64, size, x, y);
        self.vlane(Op::VQdmull, Ty::V128, size, x, y)
    }

    /// rd ± p with saturation, or p itself; of a scalar only lane 0 counts.
    pub(super) fn qdml_finish(
        &mut self,
        shape: u32,
        size: u32,
        d: u32,
        p: Value,
        ops: Option<(Op, Op)>,
    ) -> Out {
        let mut r = p;
        if let Some((saturate, wrap)) = ops {
            let acc = match shape {
                SCALAR => {
                    let v = self.vget_clean(SCALAR, size + 1, d);
                    self.b.bitcast(Ty::V128, v)
                }
                _ => self.b.get(slot::v(d)),
            };
            r = self.vlane(saturate, Ty::V128, size + 1, acc, p);
            let w = self.vlane(wrap, Ty::V128, size + 1, acc, p);
            self.saturated(Ty::V128, r, w);
        }
        if shape == SCALAR {
            let low = self.b.bitcast(Ty::V64, r);
            self.vset(SCALAR, size + 1, d, low);
        } else {
            self.b.set(slot::v(d), r);
        }
        Out::Next
    }

    pub(super) fn qdmull(&mut self, a: args::Qdmull) -> Out {
        let (x, y) = self.narrow_pair(a.shape, a.size, a.rn, a.rm);
        let p = self.qdmull_value(a.size, x, y);
        self.qdml_finish(a.shape, a.size, a.rd, p, None)
    }

    pub(super) fn qdmlal(&mut self, a: args::Qdmlal) -> Out {
        let (x, y) = self.narrow_pair(a.shape, a.size, a.rn, a.rm);
        let p = self.qdmull_value(a.size, x, y);
        self.qdml_finish(a.shape, a.size, a.rd, p, Some((Op::VAddSatS, Op::VAdd)))
    }

    pub(super) fn qdmlsl(&mut self, a: args::Qdmlsl) -> Out {
        let (x, y) = self.narrow_pair(a.shape, a.size, a.rn, a.rm);
        let p = self.qdmull_value(a.size, x, y);
        self.qdml_finish(a.shape, a.size, a.rd, p, Some((Op::VSubSatS, Op::VSub)))
    }

    pub(super) fn shll(&mut self, a: args::Shll) -> Out {
        let wide = self.widened(a.rn, a.shape == 1, a.size, true);
        let amount = i64::from(super::simd::lane_bits(a.size));
        let r = self
            .b
            .vun(Op::VShlI, Ty::V128, a.size as u8 + 1, wide, amount);
        self.b.set(slot::v(a.rd), r);
        Out::Next
    }
}
