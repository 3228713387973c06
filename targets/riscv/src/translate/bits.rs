//! Bit manipulation: Zba, Zbb, Zbc, Zbs, Zbkb, Zbkc, Zbkx. [RISC-V b, zbkb, zbkx]

use tcg_ir::{HelperId, Op, Ty, Value};

use super::{Out, Translator};
use crate::decode::args;
use crate::helper;

/// Instructions with two sources.
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

/// Instructions with one source.
macro_rules! unary {
    ($($name:ident $Name:ident = $how:ident($($arg:expr),*);)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let x = self.x(a.rs1);
            let v = self.$how(x, $($arg),*);
            self.set_x(a.rd, v);
            Out::Next
        }
    )*};
}

/// Instructions with one source and a bit number or shift amount.
macro_rules! numbered {
    ($($name:ident $Name:ident = $how:ident($($arg:expr),*);)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let x = self.x(a.rs1);
            let n = self.b.i32(a.shamt);
            let v = self.$how(x, n, $($arg),*);
            self.set_x(a.rd, v);
            Out::Next
        }
    )*};
}

impl Translator<'_> {
    binary! {
        sh1add Sh1add = shift_add(1, false);
        sh2add Sh2add = shift_add(2, false);
        sh3add Sh3add = shift_add(3, false);
        add_uw AddUw = shift_add(0, true);
        sh1add_uw Sh1addUw = shift_add(1, true);
        sh2add_uw Sh2addUw = shift_add(2, true);
        sh3add_uw Sh3addUw = shift_add(3, true);
        andn Andn = bin_op(Op::AndNot);
        orn Orn = or_not();
        xnor Xnor = xor_not();
        max Max = bin_op(Op::MaxS);
        maxu Maxu = bin_op(Op::MaxU);
        min Min = bin_op(Op::MinS);
        minu Minu = bin_op(Op::MinU);
        rol Rol = rotate_by(true);
        ror Ror = rotate_by(false);
        rolw Rolw = rotate_word_by(true);
        rorw Rorw = rotate_word_by(false);
        bclr Bclr = single_by(Op::AndNot);
        binv Binv = single_by(Op::Xor);
        bset Bset = single_by(Op::Or);
        bext Bext = extract_by();
        pack Pack = pack_halves();
        packh Packh = pack_bytes();
        packw Packw = pack_words();
        clmul Clmul = carry_less(helper::CLMUL);
        clmulh Clmulh = carry_less(helper::CLMULH);
        clmulr Clmulr = carry_less(helper::CLMULR);
        xperm4 Xperm4 = carry_less(helper::XPERM4);
        xperm8 Xperm8 = carry_less(helper::XPERM8);
    }

    unary! {
        clz Clz = un_op(Op::Clz);
        ctz Ctz = un_op(Op::Ctz);
        cpop Cpop = un_op(Op::Popcnt);
        sext_b SextB = un_op(Op::Sext8);
        sext_h SextH = un_op(Op::Sext16);
        zext_h ZextH = un_op(Op::Zext16);
        rev8 Rev8 = un_op(Op::Bswap);
        clzw Clzw = count_word(Op::Clz);
        ctzw Ctzw = count_word(Op::Ctz);
        cpopw Cpopw = count_word(Op::Popcnt);
        orc_b OrcB = or_combine();
        brev8 Brev8 = reverse_in_bytes();
        zip Zip = shuffled(helper::ZIP);
        unzip Unzip = shuffled(helper::UNZIP);
    }

    numbered! {
        rori Rori = rotate();
        roriw Roriw = rotate_word();
        bclri Bclri = single(Op::AndNot);
        binvi Binvi = single(Op::Xor);
        bseti Bseti = single(Op::Or);
        bexti Bexti = extract_bit();
        slli_uw SlliUw = shift_left_unsigned();
    }

    fn un_op(&mut self, x: Value, op: Op) -> Value {
        self.b.un(op, self.ty, x)
    }

    fn bin_op(&mut self, x: Value, y: Value, op: Op) -> Value {
        self.bin(op, x, y)
    }

    fn shift_add(&mut self, x: Value, y: Value, n: u32, word: bool) -> Value {
        let x = if word {
            self.b.extract(self.ty, x, 0, 32)
        } else {
            x
        };
        let x = if n == 0 { x } else { self.shift_left(x, n) };
        self.bin(Op::Add, x, y)
    }

    fn shift_left_unsigned(&mut self, x: Value, n: Value) -> Value {
        let x = self.b.extract(self.ty, x, 0, 32);
        self.bin(Op::Shl, x, n)
    }

    fn or_not(&mut self, x: Value, y: Value) -> Value {
        let y = self.un_op(y, Op::Not);
        self.bin(Op::Or, x, y)
    }

    fn xor_not(&mut self, x: Value, y: Value) -> Value {
        let v = self.bin(Op::Xor, x, y);
        self.un_op(v, Op::Not)
    }

    // ---- rotation ----

    fn rotate(&mut self, x: Value, n: Value) -> Value {
        self.bin(Op::Rotr, x, n)
    }

    fn rotate_by(&mut self, x: Value, y: Value, left: bool) -> Value {
        let n = self.amount(y, left);
        self.rotate(x, n)
    }

    fn rotate_word(&mut self, x: Value, n: Value) -> Value {
        let x = self.low(x);
        let v = self.b.bin(Op::Rotr, Ty::I32, x, n);
        self.extended(v)
    }

    fn rotate_word_by(&mut self, x: Value, y: Value, left: bool) -> Value {
        let n = self.amount(y, left);
        self.rotate_word(x, n)
    }

    /// The amount to rotate right by.
    fn amount(&mut self, y: Value, left: bool) -> Value {
        let n = self.low(y);
        if left {
            self.b.un(Op::Neg, Ty::I32, n)
        } else {
            n
        }
    }

    // ---- single bits ----

    fn single(&mut self, x: Value, n: Value, op: Op) -> Value {
        let one = self.konst(1);
        let bit = match self.b.as_const(n) {
            Some(c) => self.konst((1u64 << (c & u64::from(self.ty.bytes() * 8 - 1))) as i64),
            None => self.bin(Op::Shl, one, n),
        };
        self.bin(op, x, bit)
    }

    fn single_by(&mut self, x: Value, y: Value, op: Op) -> Value {
        let n = self.low(y);
        self.single(x, n, op)
    }

    fn extract_bit(&mut self, x: Value, n: Value) -> Value {
        if let Some(c) = self.b.as_const(n) {
            let bits = self.ty.bytes() * 8;
            return self.b.extract(self.ty, x, c as u32 & (bits - 1), 1);
        }
        let v = self.bin(Op::Shr, x, n);
        self.with_const(Op::And, v, 1)
    }

    fn extract_by(&mut self, x: Value, y: Value) -> Value {
        let n = self.low(y);
        self.extract_bit(x, n)
    }

    // ---- counts and permutations ----

    fn count_word(&mut self, x: Value, op: Op) -> Value {
        let x = self.low(x);
        let v = self.b.un(op, Ty::I32, x);
        self.widened(v)
    }

    /// Each byte that is not 0 becomes all ones: the top bit of (byte's low 7 bits + 0x7f) | byte, spread.
    fn or_combine(&mut self, x: Value) -> Value {
        let low7 = 0x7f7f_7f7f_7f7f_7f7f;
        let a = self.with_const(Op::And, x, low7);
        let a = self.with_const(Op::Add, a, low7);
        let a = self.bin(Op::Or, a, x);
        let tops = self.with_const(Op::AndNot, a, low7);
        let seven = self.b.i32(7);
        let ones = self.bin(Op::Shr, tops, seven);
        // 0x80 - 1 fills the bits below; the top bit itself is added again.
        let fill = self.bin(Op::Sub, tops, ones);
        self.bin(Op::Or, fill, tops)
    }

    fn reverse_in_bytes(&mut self, x: Value) -> Value {
        let mut v = x;
        for (mask, n) in [
            (0x0f0f_0f0f_0f0f_0f0f_i64, 4),
            (0x3333_3333_3333_3333, 2),
            (0x5555_5555_5555_5555, 1),
        ] {
            let amount = self.b.i32(n);
            let high = self.bin(Op::Shr, v, amount);
            let high = self.with_const(Op::And, high, mask);
            let low = self.with_const(Op::And, v, mask);
            let low = self.bin(Op::Shl, low, amount);
            v = self.bin(Op::Or, high, low);
        }
        v
    }

    fn pack_halves(&mut self, x: Value, y: Value) -> Value {
        let half = self.ty.bytes() * 4;
        let low = self.b.extract(self.ty, x, 0, half);
        let high = self.shift_left(y, half);
        self.bin(Op::Or, low, high)
    }

    fn pack_bytes(&mut self, x: Value, y: Value) -> Value {
        let low = self.b.extract(self.ty, x, 0, 8);
        let high = self.b.extract(self.ty, y, 0, 8);
        let high = self.shift_left(high, 8);
        self.bin(Op::Or, low, high)
    }

    fn pack_words(&mut self, x: Value, y: Value) -> Value {
        let low = self.b.extract(self.ty, x, 0, 16);
        let high = self.shift_left(y, 16);
        let v = self.bin(Op::Or, low, high);
        self.sext_word(v)
    }

    // ---- out of line ----

    /// A helper on two registers; the third argument is the width.
    fn carry_less(&mut self, x: Value, y: Value, id: HelperId) -> Value {
        let bits = self.b.i32(self.ty.bytes() * 8);
        let (x, y) = (self.as_i64(x), self.as_i64(y));
        let v = self.b.call(id, helper::def(id), &[x, y, bits]);
        self.narrowed(v)
    }

    fn shuffled(&mut self, x: Value, id: HelperId) -> Value {
        let x = self.as_i64(x);
        let v = self.b.call(id, helper::def(id), &[x]);
        self.narrowed(v)
    }

    /// A register's value zero-extended to I64.
    pub(super) fn as_i64(&mut self, v: Value) -> Value {
        if self.is_64() {
            v
        } else {
            self.b.un(Op::ZextI64, Ty::I64, v)
        }
    }

    /// The low part of an I64 as a register's value.
    pub(super) fn narrowed(&mut self, v: Value) -> Value {
        if self.is_64() {
            v
        } else {
            self.b.un(Op::Trunc, Ty::I32, v)
        }
    }
}
