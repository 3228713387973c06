//! Access to floating-point registers: NaN boxing. [RISC-V d.2]
//!
//! A single lies in the low half of its register with ones above. Reading one that is not boxed gives the default NaN.
//! Both halves are slots of their own, so that within a block a boxed value is known to be one.

use tcg_ir::{Cond, Op, Ty, Value};

use super::Translator;
use crate::state::slot;

/// Formats, as the tables number them.
pub(super) const SINGLE: u32 = 0;
/// Double precision.
pub(super) const DOUBLE: u32 = 1;
/// Half precision.
pub(super) const HALF: u32 = 2;

const DEFAULT_NAN_32: u128 = 0x7fc0_0000;
const DEFAULT_NAN_16: u32 = 0x7e00;

impl Translator<'_> {
    /// A register as a double.
    pub(super) fn double(&mut self, n: u32) -> Value {
        self.b.get(slot::f64(n))
    }

    /// A register as a single.
    pub(super) fn single_value(&mut self, n: u32) -> Value {
        let known = self.singles[n as usize & 31];
        if known.is_some() {
            return known;
        }
        let high = self.b.get(slot::f_high(n));
        let low = self.b.get(slot::f32(n));
        let v = if self.b.as_const(high) == Some(0xffff_ffff) {
            low
        } else {
            let ones = self.b.i32(u32::MAX);
            let boxed = self.b.icmp(Cond::Eq, high, ones);
            let nan = self.b.vconst(Ty::F32, DEFAULT_NAN_32);
            self.b.sel(boxed, low, nan)
        };
        if !self.b.in_region() {
            self.singles[n as usize & 31] = v;
        }
        v
    }

    /// A register as a half: its bits in an I32.
    pub(super) fn half_value(&mut self, n: u32) -> Value {
        let bits = self.fbits(n);
        let high = self.b.extract_signed(Ty::I64, bits, 16, 48);
        let ones = self.b.i64(u64::MAX);
        let boxed = self.b.icmp(Cond::Eq, high, ones);
        let low = self.b.un(Op::Trunc, Ty::I32, bits);
        let low = self.b.un(Op::Zext16, Ty::I32, low);
        let nan = self.b.i32(DEFAULT_NAN_16);
        self.b.sel(boxed, low, nan)
    }

    /// All bits of a register.
    pub(super) fn fbits(&mut self, n: u32) -> Value {
        let v = self.b.get(slot::f64(n));
        self.b.bitcast(Ty::I64, v)
    }

    /// Sets all bits of a register.
    pub(super) fn set_fbits(&mut self, n: u32, v: Value) {
        let v = self.b.bitcast(Ty::F64, v);
        self.set_double(n, v);
    }

    /// Sets a register to a double.
    pub(super) fn set_double(&mut self, n: u32, v: Value) {
        self.singles[n as usize & 31] = Value::NONE;
        self.b.set(slot::f64(n), v);
    }

    /// Sets a register to a single.
    pub(super) fn set_single(&mut self, n: u32, v: Value) {
        let v = self.b.bitcast(Ty::F32, v);
        let ones = self.b.i32(u32::MAX);
        self.b.set(slot::f32(n), v);
        self.b.set(slot::f_high(n), ones);
        self.singles[n as usize & 31] = v;
    }

    /// Sets a register to a half, given in the low 16 bits of an I32.
    pub(super) fn set_half(&mut self, n: u32, v: Value) {
        let above = self.b.i32(0xffff_0000);
        let v = self.b.bin(Op::Or, Ty::I32, v, above);
        let ones = self.b.i32(u32::MAX);
        self.singles[n as usize & 31] = Value::NONE;
        self.b.set(slot::f_high(n), ones);
        let v = self.b.bitcast(Ty::F32, v);
        self.b.set(slot::f32(n), v);
    }

    /// A register as a value of a format: F32, F64, or a half's bits in an I32.
    pub(super) fn f(&mut self, n: u32, fmt: u32) -> Value {
        match fmt {
            SINGLE => self.single_value(n),
            DOUBLE => self.double(n),
            _ => self.half_value(n),
        }
    }

    /// Sets a register to a value of a format.
    pub(super) fn set_f(&mut self, n: u32, fmt: u32, v: Value) {
        match fmt {
            SINGLE => self.set_single(n, v),
            DOUBLE => self.set_double(n, v),
            _ => self.set_half(n, v),
        }
    }
}

/// The IR type of a format's values.
pub(super) const fn type_of(fmt: u32) -> Ty {
    match fmt {
        SINGLE => Ty::F32,
        DOUBLE => Ty::F64,
        _ => Ty::I32,
    }
}
