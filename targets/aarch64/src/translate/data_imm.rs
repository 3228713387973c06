//! Data processing with immediates. [ARMv8 C4.1.2]

use tcg_ir::{Op, Ty, Value};

use super::operand::{R31, ity};
use super::{Out, Translator};
use crate::decode::{self, args};

impl Translator<'_> {
    /// rd = n ± m, with the flags if `s`. An rd of 31 is SP if no flags are set.
    pub(super) fn add_sub(
        &mut self,
        sub: bool,
        s: bool,
        wide: bool,
        rd: u32,
        n: Value,
        m: Value,
    ) -> Out {
        let ty = ity(wide);
        let (op, cc) = if sub {
            (Op::Sub, Op::CcSub)
        } else {
            (Op::Add, Op::CcAdd)
        };
        let r = self.b.bin(op, ty, n, m);
        if s {
            let cc = self.cc(cc, [n, m, Value::NONE]);
            self.set_nzcv(cc);
            self.set_reg(rd, r);
        } else {
            self.set_reg_sp(rd, r);
        }
        Out::Next
    }

    pub(super) fn add_imm(&mut self, a: args::AddImm) -> Out {
        let n = self.reg_sp(a.sf, a.rn);
        let m = self.b.iconst(ity(a.sf), imm12(a.imm, a.high));
        self.add_sub(false, a.s, a.sf, a.rd, n, m)
    }

    pub(super) fn sub_imm(&mut self, a: args::SubImm) -> Out {
        let n = self.reg_sp(a.sf, a.rn);
        let m = self.b.iconst(ity(a.sf), imm12(a.imm, a.high));
        self.add_sub(true, a.s, a.sf, a.rd, n, m)
    }

    pub(super) fn adr(&mut self, a: args::Adr) -> Out {
        let v = self.pc.wrapping_add_signed(i64::from(a.offset));
        let v = self.b.i64(v);
        self.set_reg(a.rd, v);
        Out::Next
    }

    pub(super) fn adrp(&mut self, a: args::Adrp) -> Out {
        let v = (self.pc & !0xfff).wrapping_add_signed(i64::from(a.offset) << 12);
        let v = self.b.i64(v);
        self.set_reg(a.rd, v);
        Out::Next
    }

    fn logic_imm(&mut self, op: Op, s: bool, f: (bool, bool, u32, u32), n: u32, d: u32) -> Out {
        let (wide, big, immr, imms) = f;
        let Some(mask) = decode::bitmask(wide, big, immr, imms) else {
            return self.undefined();
        };
        let n = self.reg(wide, n);
        let r = self.with_const(op, ity(wide), n, mask);
        if s {
            self.set_logic_flags(r);
            self.set_reg(d, r);
        } else {
            self.set_reg_sp(d, r);
        }
        Out::Next
    }

    pub(super) fn and_imm(&mut self, a: args::AndImm) -> Out {
        self.logic_imm(Op::And, false, (a.sf, a.n, a.immr, a.imms), a.rn, a.rd)
    }

    pub(super) fn orr_imm(&mut self, a: args::OrrImm) -> Out {
        self.logic_imm(Op::Or, false, (a.sf, a.n, a.immr, a.imms), a.rn, a.rd)
    }

    pub(super) fn eor_imm(&mut self, a: args::EorImm) -> Out {
        self.logic_imm(Op::Xor, false, (a.sf, a.n, a.immr, a.imms), a.rn, a.rd)
    }

    pub(super) fn ands_imm(&mut self, a: args::AndsImm) -> Out {
        self.logic_imm(Op::And, true, (a.sf, a.n, a.immr, a.imms), a.rn, a.rd)
    }

    pub(super) fn movz(&mut self, a: args::Movz) -> Out {
        let v = self.b.iconst(ity(a.sf), u64::from(a.imm) << (16 * a.hw));
        self.set_reg(a.rd, v);
        Out::Next
    }

    pub(super) fn movn(&mut self, a: args::Movn) -> Out {
        let v = self.b.iconst(ity(a.sf), !(u64::from(a.imm) << (16 * a.hw)));
        self.set_reg(a.rd, v);
        Out::Next
    }

    pub(super) fn movk(&mut self, a: args::Movk) -> Out {
        let ty = ity(a.sf);
        let old = self.reg(a.sf, a.rd);
        let low = self.with_const(Op::And, ty, old, !(0xffffu64 << (16 * a.hw)));
        let v = self.with_const(Op::Or, ty, low, u64::from(a.imm) << (16 * a.hw));
        self.set_reg(a.rd, v);
        Out::Next
    }

    /// Bits 0 to s of n, rotated right by r; what the bits above and below are is the instruction's.
    /// SBFM and UBFM: a field taken out (s >= r) or put in at the left (s < r).
    fn bitfield(&mut self, signed: bool, f: (bool, u32, u32), n: u32, d: u32) -> Out {
        let (wide, r, s) = f;
        let ty = ity(wide);
        let bits = if wide { 64 } else { 32 };
        let x = self.reg(wide, n);
        let v = if s >= r {
            let len = s - r + 1;
            if signed {
                self.b.extract_signed(ty, x, r, len)
            } else {
                self.b.extract(ty, x, r, len)
            }
        } else {
            let field = match (signed, s + 1 + (bits - r) == bits) {
                (_, true) => x,
                (true, false) => self.b.extract_signed(ty, x, 0, s + 1),
                (false, false) => self.b.extract(ty, x, 0, s + 1),
            };
            let amount = self.b.i32(bits - r);
            self.b.bin(Op::Shl, ty, field, amount)
        };
        self.set_reg(d, v);
        Out::Next
    }

    pub(super) fn sbfm(&mut self, a: args::Sbfm) -> Out {
        if a.sf && a.immr == 0 && a.imms == 31 {
            let w = self.reg(false, a.rn);
            let v = self.b.un(Op::SextI64, Ty::I64, w);
            self.set_reg(a.rd, v);
            return Out::Next;
        }
        self.bitfield(true, (a.sf, a.immr, a.imms), a.rn, a.rd)
    }

    pub(super) fn ubfm(&mut self, a: args::Ubfm) -> Out {
        self.bitfield(false, (a.sf, a.immr, a.imms), a.rn, a.rd)
    }

    pub(super) fn bfm(&mut self, a: args::Bfm) -> Out {
        let ty = ity(a.sf);
        let bits = if a.sf { 64 } else { 32 };
        let (r, s) = (a.immr, a.imms);
        let old = self.reg(a.sf, a.rd);
        let x = self.reg(a.sf, a.rn);
        let v = if s >= r {
            let len = s - r + 1;
            let shifted = self.shifted(ty, x, 1, r);
            if len == bits {
                shifted
            } else {
                self.b.deposit(ty, old, shifted, 0, len)
            }
        } else {
            self.b.deposit(ty, old, x, bits - r, s + 1)
        };
        self.set_reg(a.rd, v);
        Out::Next
    }

    pub(super) fn extr(&mut self, a: args::Extr) -> Out {
        let ty = ity(a.sf);
        let bits = if a.sf { 64 } else { 32 };
        let m = self.reg(a.sf, a.rm);
        let v = if a.imms == 0 {
            m
        } else if a.rn == a.rm && a.rn != R31 {
            self.shifted(ty, m, 3, a.imms)
        } else {
            let n = self.reg(a.sf, a.rn);
            let low = self.shifted(ty, m, 1, a.imms);
            let high = self.shifted(ty, n, 0, bits - a.imms);
            self.b.bin(Op::Or, ty, high, low)
        };
        self.set_reg(a.rd, v);
        Out::Next
    }
}

const fn imm12(imm: u32, high: bool) -> u64 {
    (imm as u64) << if high { 12 } else { 0 }
}
