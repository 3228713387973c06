//! Decimal integers in vector registers: the helper computes the result, and CR field 6. [PowerISA I.6.17]

use tcg_ir::{Op, Ty};

use super::{Out, Translator};
use crate::decode::args;
use crate::helper::decimal::{PS, op};
use crate::helper::vector::{SAT, op as vop};
use crate::state::slot;

/// vt = f(va, vb).
macro_rules! decimal {
    ($($name:ident $Name:ident = $what:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.decimal(a.vrt, a.vra, a.vrb, op::$what)
        }
    )*};
}

/// vt = f(va, vb), with PS.
macro_rules! decimal_ps {
    ($($name:ident $Name:ident = $what:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.decimal(a.vrt, a.vra, a.vrb, op::$what | if a.ps { PS } else { 0 })
        }
    )*};
}

/// vt = f(vb).
macro_rules! convert {
    ($($name:ident $Name:ident = $what:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.decimal(a.vrt, a.vrb, a.vrb, op::$what)
        }
    )*};
}

/// vt = f(vb), with PS.
macro_rules! convert_ps {
    ($($name:ident $Name:ident = $what:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.decimal(a.vrt, a.vrb, a.vrb, op::$what | if a.ps { PS } else { 0 })
        }
    )*};
}

impl Translator<'_> {
    decimal! {
        bcdcpsgn Bcdcpsgn = CPSGN;
        bcdus Bcdus = US;
        bcdutrunc Bcdutrunc = UTRUNC;
    }

    decimal_ps! {
        bcdadd Bcdadd = ADD;
        bcdsub Bcdsub = SUB;
        bcds Bcds = S;
        bcdsr Bcdsr = SR;
        bcdtrunc Bcdtrunc = TRUNC;
    }

    convert! {
        bcdctn Bcdctn = CTN;
        bcdctsq Bcdctsq = CTSQ;
    }

    convert_ps! {
        bcdcfsq Bcdcfsq = CFSQ;
        bcdctz Bcdctz = CTZ;
        bcdcfz Bcdcfz = CFZ;
        bcdcfn Bcdcfn = CFN;
        bcdsetsgn Bcdsetsgn = SETSGN;
    }

    fn decimal(&mut self, vt: u32, va: u32, vb: u32, what: u32) -> Out {
        if let Some(out) = self.need_vec() {
            return out;
        }
        let (x, y) = (self.vr(va), self.vr(vb));
        let what = vop::DECIMAL | what << 8;
        let r = self.vector_call(what, x, y, y);
        let cr = self.vector_call(what | SAT, x, y, y);
        self.set_vr(vt, r);
        let cr = self.b.vun(Op::VGet, Ty::I32, 2, cr, 0);
        for k in 0..4 {
            let bit = self.b.extract(Ty::I32, cr, 3 - k, 1);
            self.b.set(slot::cr_bit(24 + k), bit);
        }
        Out::Next
    }
}
