//! Multiplication and division. [ARMv7 A5.2.5, A5.2.7, A5.4.4]

use tcg_ir::{Cond, Op, Ty, Value};

use super::{Out, Translator};
use crate::decode::args;

/// Handlers of 64-bit products.
macro_rules! long {
    ($($name:ident $Name:ident = $op:ident $accumulate:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let n = self.reg(a.rn);
            let m = self.reg(a.rm);
            let mut v = self.b.bin(Op::$op, Ty::I64, n, m);
            if $accumulate {
                let acc = self.pair_value(a.rdlo, a.rdhi);
                v = self.b.bin(Op::Add, Ty::I64, acc, v);
            }
            if a.s {
                self.set_nz(v);
            }
            self.set_pair(a.rdlo, a.rdhi, v);
            Out::Next
        }
    )*};
}

impl Translator<'_> {
    long! {
        umull Umull = MulWideU false;
        umlal Umlal = MulWideU true;
        smull Smull = MulWideS false;
        smlal Smlal = MulWideS true;
    }

    pub(super) fn mul(&mut self, a: args::Mul) -> Out {
        self.multiply(a.s, a.rd, a.rn, a.rm, None)
    }

    pub(super) fn mla(&mut self, a: args::Mla) -> Out {
        self.multiply(a.s, a.rd, a.rn, a.rm, Some(a.ra))
    }

    fn multiply(&mut self, s: bool, rd: u32, rn: u32, rm: u32, ra: Option<u32>) -> Out {
        let mut v = self.product(rn, rm);
        if let Some(ra) = ra {
            let acc = self.reg(ra);
            v = self.b.bin(Op::Add, Ty::I32, acc, v);
        }
        if s {
            self.set_nz(v);
        }
        self.set_reg(rd, v);
        Out::Next
    }

    fn product(&mut self, rn: u32, rm: u32) -> Value {
        let n = self.reg(rn);
        let m = self.reg(rm);
        self.b.bin(Op::Mul, Ty::I32, n, m)
    }

    pub(super) fn mls(&mut self, a: args::Mls) -> Out {
        let v = self.product(a.rn, a.rm);
        let acc = self.reg(a.ra);
        let v = self.b.bin(Op::Sub, Ty::I32, acc, v);
        self.set_reg(a.rd, v);
        Out::Next
    }

    pub(super) fn umaal(&mut self, a: args::Umaal) -> Out {
        let n = self.reg(a.rn);
        let m = self.reg(a.rm);
        let mut v = self.b.bin(Op::MulWideU, Ty::I64, n, m);
        for r in [a.rdlo, a.rdhi] {
            let r = self.reg(r);
            let r = self.b.un(Op::ZextI64, Ty::I64, r);
            v = self.b.bin(Op::Add, Ty::I64, v, r);
        }
        self.set_pair(a.rdlo, a.rdhi, v);
        Out::Next
    }

    // ---- halfword products ----

    /// A signed half of a register.
    fn half(&mut self, r: u32, high: bool) -> Value {
        let v = self.reg(r);
        if high {
            self.with_const(Op::Sar, v, 16)
        } else {
            self.b.un(Op::Sext16, Ty::I32, v)
        }
    }

    fn half_product(&mut self, rn: u32, n_high: bool, rm: u32, m_high: bool) -> Value {
        let n = self.half(rn, n_high);
        let m = self.half(rm, m_high);
        self.b.bin(Op::Mul, Ty::I32, n, m)
    }

    /// Adds; Q is set on signed overflow, the result wraps.
    fn add_q(&mut self, a: Value, b: Value) -> Value {
        let cc = self.cc(Op::CcAdd, [a, b, Value::NONE]);
        let v = self.b.cc_test(cc, Cond::Vs);
        self.set_q_if(v);
        self.b.bin(Op::Add, Ty::I32, a, b)
    }

    pub(super) fn smul_xy(&mut self, a: args::SmulXy) -> Out {
        let v = self.half_product(a.rn, a.n_high, a.rm, a.m_high);
        self.set_reg(a.rd, v);
        Out::Next
    }

    pub(super) fn smla_xy(&mut self, a: args::SmlaXy) -> Out {
        let v = self.half_product(a.rn, a.n_high, a.rm, a.m_high);
        let acc = self.reg(a.ra);
        let v = self.add_q(v, acc);
        self.set_reg(a.rd, v);
        Out::Next
    }

    pub(super) fn smlal_xy(&mut self, a: args::SmlalXy) -> Out {
        let v = self.half_product(a.rn, a.n_high, a.rm, a.m_high);
        let wide = self.b.un(Op::SextI64, Ty::I64, v);
        self.accumulate_long(a.rdlo, a.rdhi, wide)
    }

    fn accumulate_long(&mut self, rdlo: u32, rdhi: u32, v: Value) -> Out {
        let acc = self.pair_value(rdlo, rdhi);
        let v = self.b.bin(Op::Add, Ty::I64, acc, v);
        self.set_pair(rdlo, rdhi, v);
        Out::Next
    }

    /// Bits 47:16 of a word times a halfword.
    fn word_half_product(&mut self, rn: u32, rm: u32, m_high: bool) -> Value {
        let n = self.reg(rn);
        let m = self.half(rm, m_high);
        let wide = self.b.bin(Op::MulWideS, Ty::I64, n, m);
        let by = self.b.i32(16);
        let v = self.b.bin(Op::Sar, Ty::I64, wide, by);
        self.b.un(Op::Trunc, Ty::I32, v)
    }

    pub(super) fn smulw_y(&mut self, a: args::SmulwY) -> Out {
        let v = self.word_half_product(a.rn, a.rm, a.m_high);
        self.set_reg(a.rd, v);
        Out::Next
    }

    pub(super) fn smlaw_y(&mut self, a: args::SmlawY) -> Out {
        let v = self.word_half_product(a.rn, a.rm, a.m_high);
        let acc = self.reg(a.ra);
        let v = self.add_q(v, acc);
        self.set_reg(a.rd, v);
        Out::Next
    }

    // ---- dual products ----

    /// Both halfword products as 64-bit values; `swap` exchanges the halves of m.
    fn dual(&mut self, rn: u32, rm: u32, swap: bool) -> (Value, Value) {
        let low = self.half_product(rn, false, rm, swap);
        let high = self.half_product(rn, true, rm, !swap);
        let low = self.b.un(Op::SextI64, Ty::I64, low);
        let high = self.b.un(Op::SextI64, Ty::I64, high);
        (low, high)
    }

    /// Sets rd to the low half of a 64-bit sum, and Q if that is not all of it.
    fn set_narrowed(&mut self, rd: u32, wide: Value) -> Out {
        let v = self.b.un(Op::Trunc, Ty::I32, wide);
        let back = self.b.un(Op::SextI64, Ty::I64, v);
        let overflow = self.b.icmp(Cond::Ne, back, wide);
        self.set_q_if(overflow);
        self.set_reg(rd, v);
        Out::Next
    }

    fn dual_32(&mut self, op: Op, r: [u32; 3], swap: bool, ra: Option<u32>) -> Out {
        let [rd, rn, rm] = r;
        let (low, high) = self.dual(rn, rm, swap);
        let mut v = self.b.bin(op, Ty::I64, low, high);
        if let Some(ra) = ra {
            let acc = self.reg(ra);
            let acc = self.b.un(Op::SextI64, Ty::I64, acc);
            v = self.b.bin(Op::Add, Ty::I64, v, acc);
        }
        self.set_narrowed(rd, v)
    }

    pub(super) fn smuad(&mut self, a: args::Smuad) -> Out {
        self.dual_32(Op::Add, [a.rd, a.rn, a.rm], a.swap, None)
    }

    pub(super) fn smlad(&mut self, a: args::Smlad) -> Out {
        self.dual_32(Op::Add, [a.rd, a.rn, a.rm], a.swap, Some(a.ra))
    }

    pub(super) fn smusd(&mut self, a: args::Smusd) -> Out {
        self.dual_32(Op::Sub, [a.rd, a.rn, a.rm], a.swap, None)
    }

    pub(super) fn smlsd(&mut self, a: args::Smlsd) -> Out {
        self.dual_32(Op::Sub, [a.rd, a.rn, a.rm], a.swap, Some(a.ra))
    }

    pub(super) fn smlald(&mut self, a: args::Smlald) -> Out {
        let (low, high) = self.dual(a.rn, a.rm, a.swap);
        let v = self.b.bin(Op::Add, Ty::I64, low, high);
        self.accumulate_long(a.rdlo, a.rdhi, v)
    }

    pub(super) fn smlsld(&mut self, a: args::Smlsld) -> Out {
        let (low, high) = self.dual(a.rn, a.rm, a.swap);
        let v = self.b.bin(Op::Sub, Ty::I64, low, high);
        self.accumulate_long(a.rdlo, a.rdhi, v)
    }

    // ---- most significant word ----

    /// The high word of (ra << 32) ± n × m, rounded if `round`.
    fn high_product(&mut self, op: Op, r: [u32; 3], ra: Option<u32>, round: bool) -> Out {
        let [rd, rn, rm] = r;
        let n = self.reg(rn);
        let m = self.reg(rm);
        let mut v = self.b.bin(Op::MulWideS, Ty::I64, n, m);
        if let Some(ra) = ra {
            let acc = self.reg(ra);
            let zero = self.b.i32(0);
            let acc = self.b.bin(Op::Concat, Ty::I64, zero, acc);
            v = self.b.bin(op, Ty::I64, acc, v);
        }
        if round {
            let half = self.b.i64(0x8000_0000);
            v = self.b.bin(Op::Add, Ty::I64, v, half);
        }
        let high = self.b.un(Op::Hi32, Ty::I32, v);
        self.set_reg(rd, high);
        Out::Next
    }

    pub(super) fn smmul(&mut self, a: args::Smmul) -> Out {
        self.high_product(Op::Add, [a.rd, a.rn, a.rm], None, a.round)
    }

    pub(super) fn smmla(&mut self, a: args::Smmla) -> Out {
        self.high_product(Op::Add, [a.rd, a.rn, a.rm], Some(a.ra), a.round)
    }

    pub(super) fn smmls(&mut self, a: args::Smmls) -> Out {
        self.high_product(Op::Sub, [a.rd, a.rn, a.rm], Some(a.ra), a.round)
    }

    // ---- division: by zero gives zero in user mode, as the IR's ----

    pub(super) fn sdiv(&mut self, a: args::Sdiv) -> Out {
        self.divide(Op::DivS, a.rd, a.rn, a.rm)
    }

    pub(super) fn udiv(&mut self, a: args::Udiv) -> Out {
        self.divide(Op::DivU, a.rd, a.rn, a.rm)
    }

    fn divide(&mut self, op: Op, rd: u32, rn: u32, rm: u32) -> Out {
        let n = self.reg(rn);
        let m = self.reg(rm);
        let v = self.b.bin(op, Ty::I32, n, m);
        self.set_reg(rd, v);
        Out::Next
    }
}
