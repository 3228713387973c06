//! Comparisons, CR logic, select, traps. [PowerISA I.2.5, I.3.3.10 to I.3.3.12]

use tcg_ir::{Cond, Op, Ty, Value};

use super::{NONE, Out, Translator};
use crate::decode::args;
use crate::helper::bits;
use crate::state::slot;
use crate::trap;

const SIGNED: [Cond; 3] = [Cond::Lt, Cond::Gt, Cond::Eq];
const UNSIGNED: [Cond; 3] = [Cond::Lo, Cond::Hi, Cond::Eq];

/// bt = op(ba, bb); `inverted`: complemented.
macro_rules! cr_logic {
    ($($name:ident $Name:ident = $op:ident $inverted:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let (x, y) = (self.cr_bit(a.ba), self.cr_bit(a.bb));
            let mut r = self.b.bin(Op::$op, Ty::I32, x, y);
            if $inverted {
                r = self.complement(r);
            }
            self.b.set(slot::cr_bit(a.bt), r);
            Out::Next
        }
    )*};
}

impl Translator<'_> {
    cr_logic! {
        crand Crand = And false;
        cror Cror = Or false;
        crandc Crandc = AndNot false;
        crnand Crnand = And true;
        crnor Crnor = Or true;
    }

    /// 1 - v, of a value that is 0 or 1.
    pub(super) fn complement(&mut self, v: Value) -> Value {
        self.bin_const(Op::Xor, v, 1)
    }

    pub(super) fn crorc(&mut self, a: args::Crorc) -> Out {
        let (x, y) = (self.cr_bit(a.ba), self.cr_bit(a.bb));
        let y = self.complement(y);
        let r = self.b.bin(Op::Or, Ty::I32, x, y);
        self.b.set(slot::cr_bit(a.bt), r);
        Out::Next
    }

    pub(super) fn crxor(&mut self, a: args::Crxor) -> Out {
        // The usual way to clear a bit.
        let r = if a.ba == a.bb {
            self.b.i32(0)
        } else {
            let (x, y) = (self.cr_bit(a.ba), self.cr_bit(a.bb));
            self.b.bin(Op::Xor, Ty::I32, x, y)
        };
        self.b.set(slot::cr_bit(a.bt), r);
        Out::Next
    }

    pub(super) fn creqv(&mut self, a: args::Creqv) -> Out {
        let r = if a.ba == a.bb {
            self.b.i32(1)
        } else {
            let (x, y) = (self.cr_bit(a.ba), self.cr_bit(a.bb));
            self.b.icmp(Cond::Eq, x, y)
        };
        self.b.set(slot::cr_bit(a.bt), r);
        Out::Next
    }

    pub(super) fn mcrf(&mut self, a: args::Mcrf) -> Out {
        for k in 0..4 {
            let v = self.cr_bit(4 * a.bfa + k);
            self.b.set(slot::cr_bit(4 * a.bf + k), v);
        }
        Out::Next
    }

    /// A register as a comparison of this length takes it.
    fn compared(&mut self, n: u32, long: bool) -> Value {
        // 32-bit implementations ignore L.
        if long { self.gpr(n) } else { self.gpr32(n) }
    }

    fn compare(&mut self, field: u32, x: Value, y: Value, conds: [Cond; 3]) -> Out {
        let cc = self.cc(Op::CcSub, [x, y, NONE]);
        self.set_cr_cc(field, cc, conds);
        Out::Next
    }

    pub(super) fn cmpi(&mut self, a: args::Cmpi) -> Out {
        let x = self.compared(a.ra, a.l);
        let ty = self.b.block.ty(x);
        let y = self.b.iconst(ty, a.imm as i64 as u64);
        self.compare(a.bf, x, y, SIGNED)
    }

    pub(super) fn cmpli(&mut self, a: args::Cmpli) -> Out {
        let x = self.compared(a.ra, a.l);
        let ty = self.b.block.ty(x);
        let y = self.b.iconst(ty, u64::from(a.imm));
        self.compare(a.bf, x, y, UNSIGNED)
    }

    pub(super) fn cmp(&mut self, a: args::Cmp) -> Out {
        let (x, y) = (self.compared(a.ra, a.l), self.compared(a.rb, a.l));
        self.compare(a.bf, x, y, SIGNED)
    }

    pub(super) fn cmpl(&mut self, a: args::Cmpl) -> Out {
        let (x, y) = (self.compared(a.ra, a.l), self.compared(a.rb, a.l));
        self.compare(a.bf, x, y, UNSIGNED)
    }

    /// Sets a CR field to 0, `gt`, 0, 0.
    fn set_cr_gt(&mut self, field: u32, gt: Value) -> Out {
        let zero = self.b.i32(0);
        for (k, v) in [zero, gt, zero, zero].into_iter().enumerate() {
            self.b.set(slot::cr_bit(4 * field + k as u32), v);
        }
        Out::Next
    }

    pub(super) fn cmprb(&mut self, a: args::Cmprb) -> Out {
        let x = self.gpr32(a.ra);
        let x = self.un(Op::Zext8, x);
        let y = self.gpr32(a.rb);
        let mut found = self.b.i32(0);
        for low in if a.l { [0, 16].as_slice() } else { &[0] } {
            let lo = self.b.extract(Ty::I32, y, *low, 8);
            let hi = self.b.extract(Ty::I32, y, low + 8, 8);
            let above = self.b.icmp(Cond::Hs, x, lo);
            let below = self.b.icmp(Cond::Ls, x, hi);
            let inside = self.b.bin(Op::And, Ty::I32, above, below);
            found = self.b.bin(Op::Or, Ty::I32, found, inside);
        }
        self.set_cr_gt(a.bf, found)
    }

    pub(super) fn cmpeqb(&mut self, a: args::Cmpeqb) -> Out {
        let (x, y) = (self.gpr(a.ra), self.gpr(a.rb));
        let what = self.b.i32(bits::CMPEQB);
        let r = self.call(crate::helper::BITS, &[x, y, what]);
        let r = self.low32(r);
        self.set_cr_gt(a.bf, r)
    }

    pub(super) fn setb(&mut self, a: args::Setb) -> Out {
        let lt = self.cr_bit(4 * a.bfa);
        let gt = self.cr_bit(4 * a.bfa + 1);
        // -1 if LT, else GT.
        let m = self.un(Op::Neg, lt);
        let r = self.b.bin(Op::Or, Ty::I32, m, gt);
        let r = self.widen_s(r);
        self.put(a.rt, r, false)
    }

    pub(super) fn isel(&mut self, a: args::Isel) -> Out {
        let c = self.cr_bit(a.bi);
        let (x, y) = (self.gpr_or_zero(a.ra), self.gpr(a.rb));
        let r = self.b.sel(c, x, y);
        self.put(a.rt, r, false)
    }

    // ---- traps ----

    fn trap(&mut self, to: u32, x: Value, y: Value) -> Out {
        const CONDITIONS: [(u32, Cond); 5] = [
            (16, Cond::Lt),
            (8, Cond::Gt),
            (4, Cond::Eq),
            (2, Cond::Lo),
            (1, Cond::Hi),
        ];
        if to == 31 {
            return self.trap_at(trap::TRAP, u64::from(self.insn));
        }
        let mut hit = self.b.i32(0);
        for (bit, cond) in CONDITIONS {
            if to & bit != 0 {
                let c = self.b.icmp(cond, x, y);
                hit = self.b.bin(Op::Or, Ty::I32, hit, c);
            }
        }
        self.trap_if(hit, trap::TRAP, u64::from(self.insn));
        Out::Next
    }

    pub(super) fn tw(&mut self, a: args::Tw) -> Out {
        let (x, y) = (self.gpr32(a.ra), self.gpr32(a.rb));
        self.trap(a.to, x, y)
    }

    pub(super) fn twi(&mut self, a: args::Twi) -> Out {
        let x = self.gpr32(a.ra);
        let y = self.b.i32(a.imm as u32);
        self.trap(a.to, x, y)
    }

    pub(super) fn td(&mut self, a: args::Td) -> Out {
        let (x, y) = (self.gpr(a.ra), self.gpr(a.rb));
        self.trap(a.to, x, y)
    }

    pub(super) fn tdi(&mut self, a: args::Tdi) -> Out {
        let x = self.gpr(a.ra);
        let y = self.konst(a.imm as i64);
        self.trap(a.to, x, y)
    }
}
