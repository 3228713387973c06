//! Data processing on registers. [ARMv8 C4.1.5]

use tcg_ir::{Cond, Op, Ty, Value};

use super::cond::difference_with;
use super::operand::{R31, ity, shift_op};
use super::{Out, Translator};
use crate::decode::args;
use crate::helper;
use crate::state::slot;

/// Handlers of the shifted-register logical instructions: (operation, its form with the second operand inverted).
macro_rules! logical {
    ($($name:ident $Name:ident $op:ident $flags:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let ty = ity(a.sf);
            let m = self.reg(a.sf, a.rm);
            let m = self.shifted(ty, m, a.shift, a.amount);
            let n = self.reg(a.sf, a.rn);
            let r = self.logical(Op::$op, ty, a.invert, n, m);
            if $flags {
                self.set_logic_flags(r);
            }
            self.set_reg(a.rd, r);
            Out::Next
        }
    )*};
}

/// Handlers "rd = op(rn)".
macro_rules! unary {
    ($($name:ident $Name:ident $op:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let x = self.reg(a.sf, a.rn);
            let r = self.b.un(Op::$op, ity(a.sf), x);
            self.set_reg(a.rd, r);
            Out::Next
        }
    )*};
}

/// Handlers "rd = op(rn, rm)".
macro_rules! binary {
    ($($name:ident $Name:ident $op:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let (x, y) = (self.reg(a.sf, a.rn), self.reg(a.sf, a.rm));
            let r = self.b.bin(Op::$op, ity(a.sf), x, y);
            self.set_reg(a.rd, r);
            Out::Next
        }
    )*};
}

impl Translator<'_> {
    logical! {
        and_reg AndReg And false;
        orr_reg OrrReg Or false;
        eor_reg EorReg Xor false;
        ands_reg AndsReg And true;
    }

    unary! {
        rbit Rbit Rbit;
        rev16 Rev16 Bswap16;
        clz Clz Clz;
    }

    binary! {
        udiv Udiv DivU;
        sdiv Sdiv DivS;
    }

    fn logical(&mut self, op: Op, ty: Ty, invert: bool, n: Value, m: Value) -> Value {
        match (op, invert) {
            (Op::Or, true) if self.b.as_const(n) == Some(0) => self.b.un(Op::Not, ty, m),
            (Op::Or, false) if self.b.as_const(n) == Some(0) => m,
            (op, false) => self.b.bin(op, ty, n, m),
            (Op::And, true) => self.b.bin(Op::AndNot, ty, n, m),
            (op, true) => {
                let m = self.b.un(Op::Not, ty, m);
                self.b.bin(op, ty, n, m)
            }
        }
    }

    fn add_sub_reg(&mut self, sub: bool, f: (bool, bool), d: u32, n: u32, m: Value) -> Out {
        let (wide, s) = f;
        let n = self.reg(wide, n);
        // Register 31 is zero here, also as the destination.
        if d == R31 && !s {
            return Out::Next;
        }
        self.add_sub(sub, s, wide, d, n, m)
    }

    pub(super) fn add_reg(&mut self, a: args::AddReg) -> Out {
        let m = self.reg(a.sf, a.rm);
        let m = self.shifted(ity(a.sf), m, a.shift, a.amount);
        self.add_sub_reg(false, (a.sf, a.s), a.rd, a.rn, m)
    }

    pub(super) fn sub_reg(&mut self, a: args::SubReg) -> Out {
        let m = self.reg(a.sf, a.rm);
        let m = self.shifted(ity(a.sf), m, a.shift, a.amount);
        self.add_sub_reg(true, (a.sf, a.s), a.rd, a.rn, m)
    }

    pub(super) fn add_ext(&mut self, a: args::AddExt) -> Out {
        let n = self.reg_sp(a.sf, a.rn);
        let m = self.extended(a.sf, a.rm, a.option, a.amount);
        self.add_sub(false, a.s, a.sf, a.rd, n, m)
    }

    pub(super) fn sub_ext(&mut self, a: args::SubExt) -> Out {
        let n = self.reg_sp(a.sf, a.rn);
        let m = self.extended(a.sf, a.rm, a.option, a.amount);
        self.add_sub(true, a.s, a.sf, a.rd, n, m)
    }

    fn with_carry(&mut self, ops: (Op, Op), f: (bool, bool), d: u32, n: u32, m: u32) -> Out {
        let (x, y) = (self.reg(f.0, n), self.reg(f.0, m));
        let c = self.carry();
        let r = self.b.tri(ops.0, ity(f.0), x, y, c);
        if f.1 {
            let cc = self.cc(ops.1, [x, y, c]);
            self.set_nzcv(cc);
        }
        self.set_reg(d, r);
        Out::Next
    }

    pub(super) fn adc(&mut self, a: args::Adc) -> Out {
        self.with_carry((Op::Adc, Op::CcAdc), (a.sf, a.s), a.rd, a.rn, a.rm)
    }

    pub(super) fn sbc(&mut self, a: args::Sbc) -> Out {
        self.with_carry((Op::Sbc, Op::CcSbc), (a.sf, a.s), a.rd, a.rn, a.rm)
    }

    pub(super) fn rmif(&mut self, a: args::Rmif) -> Out {
        let x = self.reg(true, a.rn);
        let x = self.shifted(Ty::I64, x, 3, a.amount);
        let x = self.b.un(Op::Trunc, Ty::I32, x);
        for (bit, slot) in [(3, slot::N), (2, slot::Z), (1, slot::C), (0, slot::V)] {
            if a.nzcv >> bit & 1 != 0 {
                let v = self.b.extract(Ty::I32, x, bit, 1);
                self.b.set(slot, v);
            }
        }
        Out::Next
    }

    pub(super) fn setf(&mut self, a: args::Setf) -> Out {
        let top = if a.half { 15 } else { 7 };
        let x = self.reg(false, a.rn);
        let n = self.b.extract(Ty::I32, x, top, 1);
        let low = self.b.extract(Ty::I32, x, 0, top + 1);
        let zero = self.b.i32(0);
        let z = self.b.icmp(Cond::Eq, low, zero);
        let above = self.b.extract(Ty::I32, x, top + 1, 1);
        let v = self.b.bin(Op::Xor, Ty::I32, above, n);
        self.b.set(slot::N, n);
        self.b.set(slot::Z, z);
        self.b.set(slot::V, v);
        Out::Next
    }

    fn ccmp(&mut self, wide: bool, sub: bool, n: u32, m: Value, cond: u32, nzcv: u32) -> Out {
        let ty = ity(wide);
        let x = self.reg(wide, n);
        let op = if sub { Op::CcSub } else { Op::CcAdd };
        let c = self.condition(cond as u8);
        match difference_with(nzcv, wide) {
            // One comparison serves both ways.
            Some((p, q)) if sub => {
                let (p, q) = (self.b.iconst(ty, p), self.b.iconst(ty, q));
                let x = self.b.sel(c, x, p);
                let y = self.b.sel(c, m, q);
                let cc = self.cc(op, [x, y, Value::NONE]);
                self.set_nzcv(cc);
            }
            _ => self.set_nzcv_if(c, nzcv, |t| t.cc(op, [x, m, Value::NONE])),
        }
        Out::Next
    }

    pub(super) fn ccmp_reg(&mut self, a: args::CcmpReg) -> Out {
        let m = self.reg(a.sf, a.rm);
        self.ccmp(a.sf, a.op, a.rn, m, a.cond, a.nzcv)
    }

    pub(super) fn ccmp_imm(&mut self, a: args::CcmpImm) -> Out {
        let m = self.b.iconst(ity(a.sf), u64::from(a.imm));
        self.ccmp(a.sf, a.op, a.rn, m, a.cond, a.nzcv)
    }

    pub(super) fn csel(&mut self, a: args::Csel) -> Out {
        let ty = ity(a.sf);
        let (n, m) = (self.reg(a.sf, a.rn), self.reg(a.sf, a.rm));
        let c = self.condition(a.cond as u8);
        // CSET and CSETM.
        if a.rn == R31 && a.rm == R31 && a.inc != a.op && a.cond < 14 {
            let one = self.b.i32(1);
            let r = self.b.bin(Op::Xor, Ty::I32, c, one);
            let r = if a.op {
                self.b.un(Op::Neg, Ty::I32, r)
            } else {
                r
            };
            let r = match (a.op, a.sf) {
                (true, true) => self.b.un(Op::SextI64, Ty::I64, r),
                _ => r,
            };
            self.set_reg(a.rd, r);
            return Out::Next;
        }
        let other = match (a.op, a.inc) {
            (false, false) => m,
            (false, true) => self.with_const(Op::Add, ty, m, 1),
            (true, false) => self.b.un(Op::Not, ty, m),
            (true, true) => self.b.un(Op::Neg, ty, m),
        };
        let r = self.b.sel(c, n, other);
        self.set_reg(a.rd, r);
        Out::Next
    }

    pub(super) fn rev32(&mut self, a: args::Rev32) -> Out {
        let x = self.reg(a.wide, a.rn);
        let r = self.b.un(Op::Bswap, ity(a.wide), x);
        let r = if a.wide {
            self.shifted(Ty::I64, r, 3, 32)
        } else {
            r
        };
        self.set_reg(a.rd, r);
        Out::Next
    }

    pub(super) fn rev64(&mut self, a: args::Rev64) -> Out {
        let x = self.reg(true, a.rn);
        let r = self.b.un(Op::Bswap, Ty::I64, x);
        self.set_reg(a.rd, r);
        Out::Next
    }

    /// Leading sign bits: the leading zeros of x ^ (x >>s 1), less one.
    pub(super) fn cls(&mut self, a: args::Cls) -> Out {
        let ty = ity(a.sf);
        let x = self.reg(a.sf, a.rn);
        let signs = self.shifted(ty, x, 2, 1);
        let edges = self.b.bin(Op::Xor, ty, x, signs);
        let zeros = self.b.un(Op::Clz, ty, edges);
        let r = self.with_const(Op::Sub, ty, zeros, 1);
        self.set_reg(a.rd, r);
        Out::Next
    }

    pub(super) fn shiftv(&mut self, a: args::Shiftv) -> Out {
        let x = self.reg(a.sf, a.rn);
        let amount = self.reg(false, a.rm);
        let r = self.b.bin(shift_op(a.shift), ity(a.sf), x, amount);
        self.set_reg(a.rd, r);
        Out::Next
    }

    pub(super) fn crc32(&mut self, a: args::Crc32) -> Out {
        let acc = self.reg(false, a.rn);
        let data = self.reg(true, a.rm);
        let size = self.b.i32(1 << a.size);
        let id = if a.castagnoli {
            helper::CRC32C
        } else {
            helper::CRC32
        };
        let r = self.b.call(id, helper::def(id), &[acc, data, size]);
        self.set_reg(a.rd, r);
        Out::Next
    }

    fn accumulate(&mut self, ty: Ty, sub: bool, product: Value, ra: u32, rd: u32) -> Out {
        let acc = self.reg(ty == Ty::I64, ra);
        let op = if sub { Op::Sub } else { Op::Add };
        let r = match (ra, sub) {
            (R31, false) => product,
            (R31, true) => self.b.un(Op::Neg, ty, product),
            _ => self.b.bin(op, ty, acc, product),
        };
        self.set_reg(rd, r);
        Out::Next
    }

    pub(super) fn madd(&mut self, a: args::Madd) -> Out {
        let ty = ity(a.sf);
        let (n, m) = (self.reg(a.sf, a.rn), self.reg(a.sf, a.rm));
        let p = self.b.bin(Op::Mul, ty, n, m);
        self.accumulate(ty, a.sub, p, a.ra, a.rd)
    }

    pub(super) fn maddl(&mut self, a: args::Maddl) -> Out {
        let (n, m) = (self.reg(false, a.rn), self.reg(false, a.rm));
        let op = if a.unsigned {
            Op::MulWideU
        } else {
            Op::MulWideS
        };
        let p = self.b.bin(op, Ty::I64, n, m);
        self.accumulate(Ty::I64, a.sub, p, a.ra, a.rd)
    }

    pub(super) fn mulh(&mut self, a: args::Mulh) -> Out {
        let (n, m) = (self.reg(true, a.rn), self.reg(true, a.rm));
        let op = if a.unsigned { Op::MulHiU } else { Op::MulHiS };
        let r = self.b.bin(op, Ty::I64, n, m);
        self.set_reg(a.rd, r);
        Out::Next
    }
}
