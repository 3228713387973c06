//! The cryptographic extension: AES, SHA-1, SHA-256. [ARMv8 F6.1]

use tcg_ir::{HelperId, Op, Ty, Value};

use super::{Out, Translator};
use crate::decode::args;
use crate::helper;

/// Handlers: vd = helper(vd, vn, vm), helper(vd, vm) or helper(vm) on Q registers.
macro_rules! steps {
    ($($name:ident $args:ident $helper:ident [$($reg:ident)*];)*) => {$(
        pub(super) fn $name(&mut self, a: args::$args) -> Out {
            let operands = [$(self.vget(true, a.$reg)),*];
            let r = self.crypto_step(helper::$helper, &operands);
            self.vset(true, a.vd, r);
            Out::Next
        }
    )*};
}

/// Handlers: vd = step of vm, or of the sum of the two.
macro_rules! aes {
    ($($name:ident $args:ident = $op:ident [$($reg:ident)*];)*) => {$(
        pub(super) fn $name(&mut self, a: args::$args) -> Out {
            let operands = [$(self.vget(true, a.$reg)),*];
            let sum = operands.into_iter().reduce(|x, y| self.b.vbin(Op::VXor, Ty::V128, 0, x, y, 0));
            let r = self.b.vun(Op::$op, Ty::V128, 0, sum.unwrap_or(Value::NONE), 0);
            self.vset(true, a.vd, r);
            Out::Next
        }
    )*};
}

impl Translator<'_> {
    fn crypto_step(&mut self, id: HelperId, operands: &[Value]) -> Value {
        debug_assert_eq!(helper::def(id).ret, Ty::V128);
        self.b.call(id, helper::def(id), operands)
    }

    steps! {
        sha1c Sha1c SHA1C [vd vn vm];
        sha1p Sha1p SHA1P [vd vn vm];
        sha1m Sha1m SHA1M [vd vn vm];
        sha1su0 Sha1su0 SHA1SU0 [vd vn vm];
        sha1su1 Sha1su1 SHA1SU1 [vd vm];
        sha1h Sha1h SHA1H [vm];
    }

    aes! {
        aese Aese = VAesSub [vd vm];
        aesd Aesd = VAesSubInv [vd vm];
        aesmc Aesmc = VAesMix [vm];
        aesimc Aesimc = VAesMixInv [vm];
    }

    pub(super) fn sha256h(&mut self, a: args::Sha256h) -> Out {
        self.sha256(a.vd, [a.vd, a.vn, a.vm], 0)
    }

    pub(super) fn sha256h2(&mut self, a: args::Sha256h2) -> Out {
        self.sha256(a.vd, [a.vn, a.vd, a.vm], 1)
    }

    fn sha256(&mut self, vd: u32, operands: [u32; 3], second: i64) -> Out {
        let operands = operands.map(|v| self.vget(true, v));
        let r = self.b.op(Op::VSha256, Ty::V128, 0, 0, operands, second);
        self.vset(true, vd, r);
        Out::Next
    }

    pub(super) fn sha256su0(&mut self, a: args::Sha256su0) -> Out {
        let (x, y) = (self.vget(true, a.vd), self.vget(true, a.vm));
        let r = self.b.vbin(Op::VSha256Low, Ty::V128, 0, x, y, 0);
        self.vset(true, a.vd, r);
        Out::Next
    }

    pub(super) fn sha256su1(&mut self, a: args::Sha256su1) -> Out {
        let [x, y, z] = [a.vd, a.vn, a.vm].map(|v| self.vget(true, v));
        let r = self.b.tri(Op::VSha256High, Ty::V128, x, y, z);
        self.vset(true, a.vd, r);
        Out::Next
    }
}
