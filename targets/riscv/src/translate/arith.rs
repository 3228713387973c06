//! Integer arithmetic: RV32I, RV64I, M, Zicond. [RISC-V rv32.2.4, rv64.4.2, m, zicond]

use tcg_ir::{Cond, Op, Ty, Value};

use super::{Out, Translator};
use crate::decode::args;

/// `(rd, rs1, rs2)` instructions whose result is one operation on both registers.
macro_rules! plain {
    ($($name:ident $Name:ident = $op:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let (x, y) = (self.x(a.rs1), self.x(a.rs2));
            let v = self.bin(Op::$op, x, y);
            self.set_x(a.rd, v);
            Out::Next
        }
    )*};
}

/// `(rd, rs1, imm)` instructions whose result is one operation.
macro_rules! immediate {
    ($($name:ident $Name:ident = $op:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let x = self.x(a.rs1);
            let v = self.with_const(Op::$op, x, i64::from(a.imm));
            self.set_x(a.rd, v);
            Out::Next
        }
    )*};
}

/// Instructions that call a method with the operands and set rd to its result.
macro_rules! binary {
    ($($name:ident $Name:ident = $how:ident($($arg:expr),*);)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let (x, y) = (self.x(a.rs1), self.x(a.rs2));
            let v = self.$how(x, y, $($arg),*);
            self.set_x(a.rd, v);
            Out::Next
        }
    )*};
}

/// Shifts by a constant.
macro_rules! shifts {
    ($($name:ident $Name:ident = $how:ident($($arg:expr),*);)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let x = self.x(a.rs1);
            let v = self.$how(x, a.shamt, $($arg),*);
            self.set_x(a.rd, v);
            Out::Next
        }
    )*};
}

impl Translator<'_> {
    plain! {
        sub Sub = Sub;
        and And = And;
        mul Mul = Mul;
        mulh Mulh = MulHiS;
        mulhu Mulhu = MulHiU;
    }

    immediate! {
        xori Xori = Xor;
        ori Ori = Or;
        andi Andi = And;
    }

    binary! {
        add Add = joined(Op::Add);
        xor Xor = joined(Op::Xor);
        or Or = joined(Op::Or);
        slt Slt = less(Cond::Lt);
        sltu Sltu = less(Cond::Lo);
        sll Sll = shift(Op::Shl);
        srl Srl = shift(Op::Shr);
        sra Sra = shift(Op::Sar);
        addw Addw = word(Op::Add);
        subw Subw = word(Op::Sub);
        mulw Mulw = word(Op::Mul);
        sllw Sllw = shift_word(Op::Shl);
        srlw Srlw = shift_word(Op::Shr);
        sraw Sraw = shift_word(Op::Sar);
        mulhsu Mulhsu = mul_high_mixed();
        div Div = quotient(true);
        divu Divu = quotient(false);
        rem Rem = remainder(true);
        remu Remu = remainder(false);
        divw Divw = word_division(true, Self::quotient);
        divuw Divuw = word_division(false, Self::quotient);
        remw Remw = word_division(true, Self::remainder);
        remuw Remuw = word_division(false, Self::remainder);
        czero_eqz CzeroEqz = zero_if(Cond::Eq);
        czero_nez CzeroNez = zero_if(Cond::Ne);
    }

    shifts! {
        slli Slli = shift_left();
        srli Srli = shift_right(Op::ExtractU);
        srai Srai = shift_right(Op::ExtractS);
        slliw Slliw = shift_left_word();
        srliw Srliw = shift_right_word(Op::ExtractU);
        sraiw Sraiw = shift_right_word(Op::ExtractS);
    }

    pub(super) fn addi(&mut self, a: args::Addi) -> Out {
        let x = self.x(a.rs1);
        let v = self.add_const(x, i64::from(a.imm));
        self.set_x(a.rd, v);
        Out::Next
    }

    /// `v + c`.
    fn add_const(&mut self, v: Value, c: i64) -> Value {
        self.with_const(Op::Add, v, c)
    }

    pub(super) fn lui(&mut self, a: args::Lui) -> Out {
        let v = self.konst(i64::from((a.imm << 12) as i32));
        self.set_x(a.rd, v);
        Out::Next
    }

    pub(super) fn auipc(&mut self, a: args::Auipc) -> Out {
        let upper = i64::from((a.imm << 12) as i32);
        let v = self.konst((self.pc as i64).wrapping_add(upper));
        self.set_x(a.rd, v);
        Out::Next
    }

    pub(super) fn slti(&mut self, a: args::Slti) -> Out {
        self.less_const(a.rd, a.rs1, a.imm, Cond::Lt)
    }

    pub(super) fn sltiu(&mut self, a: args::Sltiu) -> Out {
        // "Below 1" is "zero", which may be a condition of which the complement is wanted.
        if a.imm == 1 {
            let x = self.x(a.rs1);
            let v = self.is_zero(x, true);
            let v = self.widened(v);
            self.set_x(a.rd, v);
            return Out::Next;
        }
        self.less_const(a.rd, a.rs1, a.imm, Cond::Lo)
    }

    fn less_const(&mut self, rd: u32, rs1: u32, imm: i32, cond: Cond) -> Out {
        let (x, y) = (self.x(rs1), self.konst(i64::from(imm)));
        let v = self.less(x, y, cond);
        self.set_x(rd, v);
        Out::Next
    }

    fn less(&mut self, x: Value, y: Value, cond: Cond) -> Value {
        // 0 below x: x is not zero.
        let v = match self.b.as_const(x) {
            Some(0) if cond == Cond::Lo => self.is_zero(y, false),
            _ => self.b.icmp(cond, x, y),
        };
        self.widened(v)
    }

    /// Whether a register's value is zero (or is not), as I32; a condition stays one.
    pub(super) fn is_zero(&mut self, x: Value, wanted: bool) -> Value {
        let def = *self.b.block.def(x);
        let inner = if def.op == Op::ZextI64 {
            def.args[0]
        } else {
            x
        };
        let test = *self.b.block.def(inner);
        if test.op == Op::ICmp
            && let Some(cond) = Cond::from_index(test.lane)
        {
            let cond = if wanted { cond.negate() } else { cond };
            return self.b.icmp(cond, test.args[0], test.args[1]);
        }
        let zero = self.konst(0);
        let cond = if wanted { Cond::Eq } else { Cond::Ne };
        self.b.icmp(cond, x, zero)
    }

    fn zero_if(&mut self, x: Value, y: Value, cond: Cond) -> Value {
        let zero = self.konst(0);
        let c = self.is_zero(y, cond == Cond::Eq);
        self.b.sel(c, zero, x)
    }

    // ---- words (RV64): 64-bit operations whose low half is sign-extended ----

    /// The low 32 bits sign-extended.
    pub(super) fn sext_word(&mut self, v: Value) -> Value {
        if !self.is_64() {
            return v;
        }
        if let Some(c) = self.b.as_const(v) {
            return self.konst(i64::from(c as i32));
        }
        if self.is_sign_extended(v) {
            return v;
        }
        self.b.extract_signed(Ty::I64, v, 0, 32)
    }

    /// A value with the same low half: what a sign extension is made of.
    fn unextended(&self, v: Value) -> Value {
        let def = self.b.block.def(v);
        match def.op == Op::ExtractS && def.imm == 32 << 8 && def.ty == Ty::I64 {
            true => def.args[0],
            false => v,
        }
    }

    /// Whether a value is known to be the sign extension of its low half.
    fn is_sign_extended(&self, v: Value) -> bool {
        self.is_extended_to(v, 3)
    }

    fn is_extended_to(&self, v: Value, depth: u32) -> bool {
        if let Some(c) = self.b.as_const(v) {
            return c as i64 == i64::from(c as i32);
        }
        let def = self.b.block.def(v);
        let both = |a: Value, b: Value| {
            depth > 0 && self.is_extended_to(a, depth - 1) && self.is_extended_to(b, depth - 1)
        };
        match def.op {
            Op::And | Op::Or | Op::Xor => both(def.args[0], def.args[1]),
            Op::Sel => both(def.args[1], def.args[2]),
            Op::Sar => both(def.args[0], def.args[0]),
            Op::SextI64 => true,
            Op::ExtractS => def.imm >> 8 <= 32,
            Op::ExtractU => def.imm >> 8 < 32,
            Op::Load if def.mem().is_signed() => def.mem().log2() <= 2,
            Op::Load => def.mem().log2() < 2,
            Op::ZextI64 => self.b.block.def(def.args[0]).op == Op::ICmp,
            _ => false,
        }
    }

    fn word(&mut self, x: Value, y: Value, op: Op) -> Value {
        let (x, y) = (self.unextended(x), self.unextended(y));
        let v = self.bin(op, x, y);
        self.sext_word(v)
    }

    pub(super) fn addiw(&mut self, a: args::Addiw) -> Out {
        let x = self.x(a.rs1);
        if a.imm == 0 {
            let v = self.sext_word(x);
            self.set_x(a.rd, v);
            return Out::Next;
        }
        let x = self.unextended(x);
        let v = self.add_const(x, i64::from(a.imm));
        let v = self.sext_word(v);
        self.set_x(a.rd, v);
        Out::Next
    }

    // ---- rotation: two shifts of one value whose results do not overlap ----

    /// x op y, where both may be the parts of a rotation.
    fn joined(&mut self, x: Value, y: Value, op: Op) -> Value {
        match self.rotation(x, y) {
            Some(v) => v,
            None => match self.rotation(y, x) {
                Some(v) => v,
                None => self.bin(op, x, y),
            },
        }
    }

    /// `left` is a value shifted left and `right` the same shifted right by what is missing to the width.
    fn rotation(&mut self, left: Value, right: Value) -> Option<Value> {
        let (l, r) = (*self.b.block.def(left), *self.b.block.def(right));
        if r.op != Op::Shr && r.op != Op::ExtractU {
            return None;
        }
        let word = self.is_64() && l.op == Op::ExtractS && l.imm == 32 << 8;
        let shl = if word {
            *self.b.block.def(l.args[0])
        } else {
            l
        };
        if shl.op != Op::Shl || shl.args[0] != r.args[0] {
            return None;
        }
        let width = if word { 32 } else { self.ty.bytes() * 8 };
        let by = self.b.as_const(shl.args[1])? as u32;
        let missing = match r.op {
            Op::Shr if !word => self.b.as_const(r.args[1])? as u32,
            Op::ExtractU if word && r.imm as u32 >> 8 == by => r.imm as u32 & 0xff,
            _ => return None,
        };
        if by == 0 || by + missing != width {
            return None;
        }
        let amount = self.b.i32(missing);
        if !word {
            return Some(self.bin(Op::Rotr, r.args[0], amount));
        }
        let low = self.low(r.args[0]);
        let v = self.b.bin(Op::Rotr, Ty::I32, low, amount);
        Some(self.extended(v))
    }

    // ---- shifts ----

    /// Shift by a register: the amount is taken modulo the width, as the operation does.
    fn shift(&mut self, x: Value, y: Value, op: Op) -> Value {
        let amount = self.low(y);
        self.bin(op, x, amount)
    }

    fn shift_word(&mut self, x: Value, y: Value, op: Op) -> Value {
        let (x, amount) = (self.low(x), self.low(y));
        let v = self.b.bin(op, Ty::I32, x, amount);
        self.extended(v)
    }

    pub(super) fn shift_left(&mut self, x: Value, n: u32) -> Value {
        let n = self.b.i32(n);
        self.bin(Op::Shl, x, n)
    }

    /// Shift right of a constant amount; a shift left before it makes it a bit field.
    fn shift_right(&mut self, x: Value, n: u32, field: Op) -> Value {
        let bits = self.ty.bytes() * 8;
        let def = *self.b.block.def(x);
        let left = match def.op {
            Op::Shl => self.b.as_const(def.args[1]).unwrap_or(64) as u32,
            _ => 64,
        };
        let (source, lsb, len) = if left <= n && n < bits {
            (def.args[0], n - left, bits - n)
        } else if n == 0 {
            return x;
        } else {
            let op = if field == Op::ExtractU {
                Op::Shr
            } else {
                Op::Sar
            };
            let n = self.b.i32(n);
            return self.bin(op, x, n);
        };
        match field {
            Op::ExtractU => self.b.extract(self.ty, source, lsb, len),
            _ => self.b.extract_signed(self.ty, source, lsb, len),
        }
    }

    fn shift_left_word(&mut self, x: Value, n: u32) -> Value {
        let x = self.unextended(x);
        let v = self.shift_left(x, n);
        self.sext_word(v)
    }

    fn shift_right_word(&mut self, x: Value, n: u32, field: Op) -> Value {
        if n == 0 {
            return self.sext_word(x);
        }
        match field {
            Op::ExtractU => {
                let x = self.unextended(x);
                self.b.extract(self.ty, x, n, 32 - n)
            }
            _ if self.is_sign_extended(x) => {
                let n = self.b.i32(n);
                self.bin(Op::Sar, x, n)
            }
            _ => self.b.extract_signed(self.ty, x, n, 32 - n),
        }
    }

    // ---- multiplication and division ----

    /// High half of signed x times unsigned y: that of the unsigned product, less y if x is negative.
    fn mul_high_mixed(&mut self, x: Value, y: Value) -> Value {
        let high = self.bin(Op::MulHiU, x, y);
        let sign = self.b.i32(self.ty.bytes() * 8 - 1);
        let sign = self.bin(Op::Sar, x, sign);
        let less = self.bin(Op::And, sign, y);
        self.bin(Op::Sub, high, less)
    }

    /// All ones if the divisor is 0.
    fn quotient(&mut self, x: Value, y: Value, signed: bool) -> Value {
        let ty = self.b.block.ty(x);
        let op = if signed { Op::DivS } else { Op::DivU };
        let q = self.b.bin(op, ty, x, y);
        if self.b.as_const(y).is_some_and(|c| c != 0) {
            return q;
        }
        let (zero, ones) = (self.b.iconst(ty, 0), self.b.iconst(ty, u64::MAX));
        let c = self.b.icmp(Cond::Eq, y, zero);
        self.b.sel(c, ones, q)
    }

    /// The dividend if the divisor is 0: the IR's quotient is 0 there. Overflow gives 0 by itself.
    fn remainder(&mut self, x: Value, y: Value, signed: bool) -> Value {
        let ty = self.b.block.ty(x);
        let op = if signed { Op::DivS } else { Op::DivU };
        let q = self.b.bin(op, ty, x, y);
        let p = self.b.bin(Op::Mul, ty, q, y);
        self.b.bin(Op::Sub, ty, x, p)
    }

    fn word_division(
        &mut self,
        x: Value,
        y: Value,
        signed: bool,
        how: fn(&mut Self, Value, Value, bool) -> Value,
    ) -> Value {
        let (x, y) = (self.low(x), self.low(y));
        let v = how(self, x, y, signed);
        self.extended(v)
    }
}
