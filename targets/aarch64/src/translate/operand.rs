//! Registers and operands. [ARMv8 C1.2.5, C6.1]

use tcg_ir::{Op, Slot, Ty, Value};

use super::Translator;
use crate::state::slot;

/// The number of the zero register, or of SP.
pub(super) const R31: u32 = 31;

/// The integer type of a register's view.
pub(super) const fn ity(wide: bool) -> Ty {
    if wide { Ty::I64 } else { Ty::I32 }
}

/// Shift kinds.
pub(super) const LSL: u32 = 0;

impl Translator<'_> {
    /// Xn or Wn; 31 is zero.
    pub(super) fn reg(&mut self, wide: bool, n: u32) -> Value {
        if n == R31 {
            return self.b.iconst(ity(wide), 0);
        }
        self.reg_sp(wide, n)
    }

    /// Xn or Wn; 31 is SP.
    pub(super) fn reg_sp(&mut self, wide: bool, n: u32) -> Value {
        let x = self.b.get(slot::x(n));
        if wide {
            x
        } else {
            self.b.un(Op::Trunc, Ty::I32, x)
        }
    }

    /// Writes Xn, or Wn with zero extension, by the value's type; 31 drops it.
    pub(super) fn set_reg(&mut self, n: u32, value: Value) {
        if n != R31 {
            self.set_reg_sp(n, value);
        }
    }

    /// The same with SP for 31.
    pub(super) fn set_reg_sp(&mut self, n: u32, value: Value) {
        let value = match self.b.block.ty(value) {
            Ty::I32 => self.b.un(Op::ZextI64, Ty::I64, value),
            _ => value,
        };
        self.b.set(slot::x(n), value);
    }

    /// Two-operand operation with a constant.
    pub(super) fn with_const(&mut self, op: Op, ty: Ty, a: Value, c: u64) -> Value {
        let c = self.b.iconst(ty, c);
        self.b.bin(op, ty, a, c)
    }

    /// A value shifted by a constant amount.
    pub(super) fn shifted(&mut self, ty: Ty, a: Value, kind: u32, amount: u32) -> Value {
        if amount == 0 {
            return a;
        }
        let amount = self.b.i32(amount);
        self.b.bin(shift_op(kind), ty, a, amount)
    }

    /// A register extended as `option` says (UXTB to SXTX), then shifted left. [ARMv8 ExtendReg]
    pub(super) fn extended(&mut self, wide: bool, m: u32, option: u32, shift: u32) -> Value {
        let ty = ity(wide);
        let x = self.reg(wide, m);
        let x = match (option, wide) {
            (0, _) => self.b.un(Op::Zext8, ty, x),
            (1, _) => self.b.un(Op::Zext16, ty, x),
            (2, true) => {
                let w = self.b.un(Op::Trunc, Ty::I32, x);
                self.b.un(Op::ZextI64, Ty::I64, w)
            }
            (4, _) => self.b.un(Op::Sext8, ty, x),
            (5, _) => self.b.un(Op::Sext16, ty, x),
            (6, true) => {
                let w = self.b.un(Op::Trunc, Ty::I32, x);
                self.b.un(Op::SextI64, Ty::I64, w)
            }
            _ => x,
        };
        self.shifted(ty, x, LSL, shift)
    }

    /// An address for an access: bit 55 instead of its top byte once the program is known to use that for tags.
    /// [ARMv8 D5.1.4]
    pub(super) fn address(&mut self, a: Value) -> Value {
        if self.ignores_tags() {
            let high = self.shifted(Ty::I64, a, LSL, 8);
            self.shifted(Ty::I64, high, 2, 8)
        } else {
            a
        }
    }

    /// Xn or SP as the base of an address.
    pub(super) fn base(&mut self, n: u32) -> Value {
        let a = self.reg_sp(true, n);
        self.address(a)
    }

    /// A 32-bit slot read as it is.
    pub(super) fn slot(&mut self, s: Slot) -> Value {
        self.b.get(s)
    }
}

/// The operation of a shift kind.
pub(super) const fn shift_op(kind: u32) -> Op {
    match kind & 3 {
        LSL => Op::Shl,
        1 => Op::Shr,
        2 => Op::Sar,
        _ => Op::Rotr,
    }
}
