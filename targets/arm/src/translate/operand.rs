//! Core registers and shifted operands. [ARMv7 A8.4]

use tcg_ir::{Op, Ty, Value};

use super::Translator;
use crate::state::slot;

/// LSL.
pub(super) const LSL: u32 = 0;
/// ASR.
pub(super) const ASR: u32 = 2;

/// A shifted operand and the carry that the shifter gives.
#[derive(Clone, Copy)]
pub(super) struct Shifted {
    pub(super) value: Value,
    /// `None`: C stays.
    pub(super) carry: Option<Value>,
}

impl Translator<'_> {
    /// What reading R15 gives.
    pub(crate) fn read_pc(&self) -> u32 {
        self.pc.wrapping_add(if self.thumb { 4 } else { 8 })
    }

    /// The value of a core register.
    pub(crate) fn reg(&mut self, n: u32) -> Value {
        if n == 15 {
            let pc = self.read_pc();
            return self.b.i32(pc);
        }
        self.b.get(slot::r(n))
    }

    /// Sets a core register under the current condition.
    /// UNPREDICTABLE: where R15 is not allowed as a destination, the result is dropped.
    pub(crate) fn set_reg(&mut self, n: u32, value: Value) {
        if n < 15 {
            self.put(slot::r(n), value);
        }
    }

    /// Sets the 64-bit pair of `lo` and `hi`.
    pub(super) fn set_pair(&mut self, lo: u32, hi: u32, value: Value) {
        let low = self.b.un(Op::Trunc, Ty::I32, value);
        let high = self.b.un(Op::Hi32, Ty::I32, value);
        self.set_reg(lo, low);
        self.set_reg(hi, high);
    }

    /// The 64-bit pair of `lo` and `hi`.
    pub(super) fn pair_value(&mut self, lo: u32, hi: u32) -> Value {
        let low = self.reg(lo);
        let high = self.reg(hi);
        self.b.bin(Op::Concat, Ty::I64, low, high)
    }

    /// Two-operand 32-bit operation with a constant.
    pub(super) fn with_const(&mut self, op: Op, a: Value, c: u32) -> Value {
        let c = self.b.i32(c);
        self.b.bin(op, Ty::I32, a, c)
    }

    /// A value shifted by a constant as encoded: `amount` 0 stands for LSL #0, LSR #32, ASR #32 and RRX.
    /// The carry is computed only if `want_carry`.
    pub(super) fn shift_imm(
        &mut self,
        a: Value,
        shift: u32,
        amount: u32,
        want_carry: bool,
    ) -> Shifted {
        let carry_bit =
            |t: &mut Self, bit: u32| want_carry.then(|| t.b.extract(Ty::I32, a, bit, 1));
        match (shift, amount) {
            (LSL, 0) => Shifted {
                value: a,
                carry: None,
            },
            (LSL, n) => Shifted {
                value: self.with_const(Op::Shl, a, n),
                carry: carry_bit(self, 32 - n),
            },
            (1, 0) => Shifted {
                value: self.b.i32(0),
                carry: carry_bit(self, 31),
            },
            (1, n) => Shifted {
                value: self.with_const(Op::Shr, a, n),
                carry: carry_bit(self, n - 1),
            },
            (ASR, 0) => Shifted {
                value: self.with_const(Op::Sar, a, 31),
                carry: carry_bit(self, 31),
            },
            (ASR, n) => Shifted {
                value: self.with_const(Op::Sar, a, n),
                carry: carry_bit(self, n - 1),
            },
            (_, 0) => {
                let c = self.carry();
                let half = self.with_const(Op::Shr, a, 1);
                let top = self.with_const(Op::Shl, c, 31);
                Shifted {
                    value: self.b.bin(Op::Or, Ty::I32, half, top),
                    carry: carry_bit(self, 0),
                }
            }
            (_, n) => Shifted {
                value: self.with_const(Op::Rotr, a, n),
                carry: carry_bit(self, n - 1),
            },
        }
    }

    /// A value shifted by the low byte of a register.
    pub(super) fn shift_reg(
        &mut self,
        a: Value,
        shift: u32,
        by: Value,
        want_carry: bool,
    ) -> Shifted {
        let amount = self.b.un(Op::Zext8, Ty::I32, by);
        let op = match shift {
            LSL => Op::ShlSat,
            1 => Op::ShrSat,
            ASR => Op::SarSat,
            _ => Op::Rotr,
        };
        let value = self.b.bin(op, Ty::I32, a, amount);
        let carry = want_carry.then(|| {
            let out = self.carry_out(a, shift, amount, value);
            let c = self.carry();
            self.b.sel(amount, out, c)
        });
        Shifted { value, carry }
    }

    /// The last bit shifted out, for amounts from 1: the operand is shifted in 64 bits.
    fn carry_out(&mut self, a: Value, shift: u32, amount: Value, result: Value) -> Value {
        if shift == 3 {
            return self.b.extract(Ty::I32, result, 31, 1);
        }
        let extend = if shift == ASR {
            Op::SextI64
        } else {
            Op::ZextI64
        };
        let wide = self.b.un(extend, Ty::I64, a);
        let part = if shift == LSL {
            let shifted = self.b.bin(Op::ShlSat, Ty::I64, wide, amount);
            self.b.un(Op::Hi32, Ty::I32, shifted)
        } else {
            let one = self.b.i32(1);
            let doubled = self.b.bin(Op::Shl, Ty::I64, wide, one);
            let op = if shift == ASR { Op::SarSat } else { Op::ShrSat };
            let shifted = self.b.bin(op, Ty::I64, doubled, amount);
            self.b.un(Op::Trunc, Ty::I32, shifted)
        };
        self.with_const(Op::And, part, 1)
    }
}
