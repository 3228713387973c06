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
        sha256h Sha256h SHA256H [vd vn vm];
        sha256h2 Sha256h2 SHA256H2 [vd vn vm];
        sha256su1 Sha256su1 SHA256SU1 [vd vn vm];
        sha1su1 Sha1su1 SHA1SU1 [vd vm];
        sha256su0 Sha256su0 SHA256SU0 [vd vm];
        sha1h Sha1h SHA1H [vm];
    }

    aes! {
        aese Aese = VAesSub [vd vm];
        aesd Aesd = VAesSubInv [vd vm];
        aesmc Aesmc = VAesMix [vm];
        aesimc Aesimc = VAesMixInv [vm];
    }
}
