//! Fixed-point logical instructions. [PowerISA I.3.3.13]

use tcg_ir::{Op, Ty, Value};

use super::{Out, Translator};
use crate::decode::args;
use crate::helper::bits;

macro_rules! immediates {
    ($($name:ident $Name:ident = $op:ident $shift:literal $rec:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let x = self.gpr(a.rs);
            let r = self.bin_const(Op::$op, x, u64::from(a.imm) << $shift);
            self.put(a.ra, r, $rec)
        }
    )*};
}

/// ra = op(rs, rb); `inverted`: complemented.
macro_rules! two {
    ($($name:ident $Name:ident = $op:ident $inverted:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let (x, y) = (self.gpr(a.rs), self.gpr(a.rb));
            let mut r = self.bin(Op::$op, x, y);
            if $inverted {
                r = self.un(Op::Not, r);
            }
            self.put(a.ra, r, a.rec)
        }
    )*};
}

/// ra = bits(rs).
macro_rules! by_helper {
    ($($name:ident $Name:ident = $what:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let x = self.gpr(a.rs);
            self.bits_call(a.ra, bits::$what, x, x)
        }
    )*};
}

impl Translator<'_> {
    immediates! {
        xori Xori = Xor 0 false;
        xoris Xoris = Xor 16 false;
        oris Oris = Or 16 false;
        andi_rc AndiRc = And 0 true;
        andis_rc AndisRc = And 16 true;
    }

    two! {
        and And = And false;
        andc Andc = AndNot false;
        xor Xor = Xor false;
        eqv Eqv = Xor true;
        nand Nand = And true;
    }

    pub(super) fn ori(&mut self, a: args::Ori) -> Out {
        // `ori r,r,0` is the no-op and its relatives.
        if a.imm == 0 && a.ra == a.rs {
            return Out::Next;
        }
        let x = self.gpr(a.rs);
        let r = self.bin_const(Op::Or, x, u64::from(a.imm));
        self.put(a.ra, r, false)
    }

    pub(super) fn or(&mut self, a: args::Or) -> Out {
        let x = self.gpr(a.rs);
        if a.rs == a.rb {
            if a.ra == a.rs && !a.rec {
                return Out::Next;
            }
            return self.put(a.ra, x, a.rec);
        }
        let y = self.gpr(a.rb);
        let r = self.bin(Op::Or, x, y);
        self.put(a.ra, r, a.rec)
    }

    pub(super) fn nor(&mut self, a: args::Nor) -> Out {
        let x = self.gpr(a.rs);
        let v = if a.rs == a.rb {
            x
        } else {
            let y = self.gpr(a.rb);
            self.bin(Op::Or, x, y)
        };
        let r = self.un(Op::Not, v);
        self.put(a.ra, r, a.rec)
    }

    pub(super) fn orc(&mut self, a: args::Orc) -> Out {
        let (x, y) = (self.gpr(a.rs), self.gpr(a.rb));
        let y = self.un(Op::Not, y);
        let r = self.bin(Op::Or, x, y);
        self.put(a.ra, r, a.rec)
    }

    fn low_op(&mut self, ra: u32, rs: u32, op: Op, rec: bool) -> Out {
        let x = self.gpr32(rs);
        let r = self.un(op, x);
        self.put(ra, r, rec)
    }

    fn full_op(&mut self, ra: u32, rs: u32, op: Op, rec: bool) -> Out {
        let x = self.gpr(rs);
        let r = self.un(op, x);
        self.put(ra, r, rec)
    }

    pub(super) fn cntlzw(&mut self, a: args::Cntlzw) -> Out {
        self.low_op(a.ra, a.rs, Op::Clz, a.rec)
    }

    pub(super) fn cnttzw(&mut self, a: args::Cnttzw) -> Out {
        self.low_op(a.ra, a.rs, Op::Ctz, a.rec)
    }

    pub(super) fn cntlzd(&mut self, a: args::Cntlzd) -> Out {
        self.full_op(a.ra, a.rs, Op::Clz, a.rec)
    }

    pub(super) fn cnttzd(&mut self, a: args::Cnttzd) -> Out {
        self.full_op(a.ra, a.rs, Op::Ctz, a.rec)
    }

    pub(super) fn popcntd(&mut self, a: args::Popcntd) -> Out {
        self.full_op(a.ra, a.rs, Op::Popcnt, false)
    }

    pub(super) fn extsb(&mut self, a: args::Extsb) -> Out {
        self.full_op(a.ra, a.rs, Op::Sext8, a.rec)
    }

    pub(super) fn extsh(&mut self, a: args::Extsh) -> Out {
        self.full_op(a.ra, a.rs, Op::Sext16, a.rec)
    }

    pub(super) fn extsw(&mut self, a: args::Extsw) -> Out {
        let x = self.gpr32(a.rs);
        let r = self.widen_s(x);
        self.put(a.ra, r, a.rec)
    }

    by_helper! {
        popcntb Popcntb = POPCNTB;
        prtyw Prtyw = PRTYW;
        prtyd Prtyd = PRTYD;
        cbcdtd Cbcdtd = CBCDTD;
        cdtbcd Cdtbcd = CDTBCD;
    }

    pub(super) fn popcntw(&mut self, a: args::Popcntw) -> Out {
        let x = self.gpr(a.rs);
        let low = self.low32(x);
        let low = self.un(Op::Popcnt, low);
        if !self.is_wide() {
            return self.put(a.ra, low, false);
        }
        let high = self.b.un(Op::Hi32, Ty::I32, x);
        let high = self.un(Op::Popcnt, high);
        let r = self.b.bin(Op::Concat, Ty::I64, low, high);
        self.put(a.ra, r, false)
    }

    pub(super) fn cmpb(&mut self, a: args::Cmpb) -> Out {
        let (x, y) = (self.gpr(a.rs), self.gpr(a.rb));
        let to_vector = |t: &mut Self, v: Value| match t.b.block.ty(v) {
            Ty::I64 => t.b.bitcast(Ty::V64, v),
            _ => t.b.un(Op::Bitcast, Ty::V64, v),
        };
        let (x, y) = (to_vector(self, x), to_vector(self, y));
        let r = self.b.vbin(Op::VCmpEq, Ty::V64, 0, x, y, 0);
        let r = self.b.vun(Op::VGet, Ty::I64, 3, r, 0);
        self.put(a.ra, r, false)
    }

    pub(super) fn bpermd(&mut self, a: args::Bpermd) -> Out {
        let (x, y) = (self.gpr(a.rs), self.gpr(a.rb));
        self.bits_call(a.ra, bits::BPERMD, x, y)
    }

    pub(super) fn dlmzb(&mut self, a: args::Dlmzb) -> Out {
        let (x, y) = (self.gpr32(a.rs), self.gpr32(a.rb));
        self.bits_call(a.ra, bits::DLMZB, x, y);
        let n = self.gpr(a.ra);
        let n = self.low32(n);
        self.b.set(crate::state::slot::XER_COUNT, n);
        if a.rec {
            // In the first word: LT; in the second: GT; in none: EQ.
            let what = self.b.i32(bits::DLMZB_CR);
            let (x, y) = (
                self.b.un(Op::ZextI64, Ty::I64, x),
                self.b.un(Op::ZextI64, Ty::I64, y),
            );
            let cr = self.call(crate::helper::BITS, &[x, y, what]);
            let cr = self.low32(cr);
            let bits = [2, 1, 0].map(|at| self.b.extract(Ty::I32, cr, at, 1));
            self.set_cr(0, bits);
        }
        Out::Next
    }
}
