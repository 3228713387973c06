//! The cryptographic extensions. [ARMv8 C7.2]

use tcg_ir::{Op, Ty, Value};

use super::{Out, Translator};
use crate::decode::args;
use crate::helper;
use crate::state::slot;

/// Handlers: rd = helper of Q registers.
macro_rules! steps {
    ($($name:ident $Name:ident $helper:ident [$($reg:ident)*];)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let operands = [$(self.b.get(slot::v(a.$reg))),*];
            let r = self.b.call(helper::$helper, helper::def(helper::$helper), &operands);
            self.b.set(slot::v(a.rd), r);
            Out::Next
        }
    )*};
}

/// Handlers: rd = step of rn, or of the sum of the two.
macro_rules! aes {
    ($($name:ident $Name:ident = $op:ident [$($reg:ident)*];)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let operands = [$(self.b.get(slot::v(a.$reg))),*];
            let sum = operands.into_iter().reduce(|x, y| self.vlane(Op::VXor, Ty::V128, 3, x, y));
            let r = self.b.vun(Op::$op, Ty::V128, 0, sum.unwrap_or(Value::NONE), 0);
            self.b.set(slot::v(a.rd), r);
            Out::Next
        }
    )*};
}

impl Translator<'_> {
    steps! {
        sha1c Sha1c SHA1C [rd rn rm];
        sha1p Sha1p SHA1P [rd rn rm];
        sha1m Sha1m SHA1M [rd rn rm];
        sha1h Sha1h SHA1H [rn];
        sha1su0 Sha1su0 SHA1SU0 [rd rn rm];
        sha1su1 Sha1su1 SHA1SU1 [rd rn];
        sha512h Sha512h SHA512H [rd rn rm];
        sha512h2 Sha512h2 SHA512H2 [rd rn rm];
        sha512su0 Sha512su0 SHA512SU0 [rd rn];
        sha512su1 Sha512su1 SHA512SU1 [rd rn rm];
        sm3partw1 Sm3partw1 SM3PARTW1 [rd rn rm];
        sm3partw2 Sm3partw2 SM3PARTW2 [rd rn rm];
        sm3ss1 Sm3ss1 SM3SS1 [rn rm ra];
        sm4e Sm4e SM4E [rd rn];
        sm4ekey Sm4ekey SM4EKEY [rn rm];
    }

    aes! {
        aese Aese = VAesSub [rd rn];
        aesd Aesd = VAesSubInv [rd rn];
        aesmc Aesmc = VAesMix [rn];
        aesimc Aesimc = VAesMixInv [rn];
    }

    pub(super) fn sha256h(&mut self, a: args::Sha256h) -> Out {
        self.sha256(a.rd, [a.rd, a.rn, a.rm], 0)
    }

    pub(super) fn sha256h2(&mut self, a: args::Sha256h2) -> Out {
        self.sha256(a.rd, [a.rn, a.rd, a.rm], 1)
    }

    fn sha256(&mut self, rd: u32, operands: [u32; 3], second: i64) -> Out {
        let operands = operands.map(|v| self.b.get(slot::v(v)));
        let r = self.b.op(Op::VSha256, Ty::V128, 0, 0, operands, second);
        self.b.set(slot::v(rd), r);
        Out::Next
    }

    pub(super) fn sha256su0(&mut self, a: args::Sha256su0) -> Out {
        let (x, y) = (self.b.get(slot::v(a.rd)), self.b.get(slot::v(a.rn)));
        let r = self.b.vbin(Op::VSha256Low, Ty::V128, 0, x, y, 0);
        self.b.set(slot::v(a.rd), r);
        Out::Next
    }

    pub(super) fn sha256su1(&mut self, a: args::Sha256su1) -> Out {
        let [x, y, z] = [a.rd, a.rn, a.rm].map(|v| self.b.get(slot::v(v)));
        let r = self.b.tri(Op::VSha256High, Ty::V128, x, y, z);
        self.b.set(slot::v(a.rd), r);
        Out::Next
    }

    fn sm3tt(&mut self, id: tcg_ir::HelperId, d: u32, n: u32, m: u32, index: u32) -> Out {
        let (x, y) = (self.b.get(slot::v(d)), self.b.get(slot::v(n)));
        let z = self.element(1, 2, m, index);
        let r = self.b.call(id, helper::def(id), &[x, y, z]);
        self.b.set(slot::v(d), r);
        Out::Next
    }

    pub(super) fn sm3tt1a(&mut self, a: args::Sm3tt1a) -> Out {
        self.sm3tt(helper::SM3TT1A, a.rd, a.rn, a.rm, a.index)
    }

    pub(super) fn sm3tt1b(&mut self, a: args::Sm3tt1b) -> Out {
        self.sm3tt(helper::SM3TT1B, a.rd, a.rn, a.rm, a.index)
    }

    pub(super) fn sm3tt2a(&mut self, a: args::Sm3tt2a) -> Out {
        self.sm3tt(helper::SM3TT2A, a.rd, a.rn, a.rm, a.index)
    }

    pub(super) fn sm3tt2b(&mut self, a: args::Sm3tt2b) -> Out {
        self.sm3tt(helper::SM3TT2B, a.rd, a.rn, a.rm, a.index)
    }

    // ---- SHA-3: plain logic ----

    pub(super) fn eor3(&mut self, a: args::Eor3) -> Out {
        let (x, y) = (self.b.get(slot::v(a.rn)), self.b.get(slot::v(a.rm)));
        let z = self.b.get(slot::v(a.ra));
        let r = self.vlane(Op::VXor, Ty::V128, 3, x, y);
        let r = self.vlane(Op::VXor, Ty::V128, 3, r, z);
        self.b.set(slot::v(a.rd), r);
        Out::Next
    }

    pub(super) fn bcax(&mut self, a: args::Bcax) -> Out {
        let (x, y) = (self.b.get(slot::v(a.rn)), self.b.get(slot::v(a.rm)));
        let z = self.b.get(slot::v(a.ra));
        let r = self.vlane(Op::VAndNot, Ty::V128, 3, y, z);
        let r = self.vlane(Op::VXor, Ty::V128, 3, x, r);
        self.b.set(slot::v(a.rd), r);
        Out::Next
    }

    /// Every doubleword rotated right by 1 to 63.
    fn rotated(&mut self, x: Value, amount: i64) -> Value {
        let low = self.b.vun(Op::VShrI, Ty::V128, 3, x, amount);
        let high = self.b.vun(Op::VShlI, Ty::V128, 3, x, 64 - amount);
        self.vlane(Op::VOr, Ty::V128, 3, low, high)
    }

    pub(super) fn rax1(&mut self, a: args::Rax1) -> Out {
        let (x, y) = (self.b.get(slot::v(a.rn)), self.b.get(slot::v(a.rm)));
        let y = self.rotated(y, 63);
        let r = self.vlane(Op::VXor, Ty::V128, 3, x, y);
        self.b.set(slot::v(a.rd), r);
        Out::Next
    }

    pub(super) fn xar(&mut self, a: args::Xar) -> Out {
        let (x, y) = (self.b.get(slot::v(a.rn)), self.b.get(slot::v(a.rm)));
        let mut r = self.vlane(Op::VXor, Ty::V128, 3, x, y);
        if a.imm != 0 {
            r = self.rotated(r, i64::from(a.imm));
        }
        self.b.set(slot::v(a.rd), r);
        Out::Next
    }
}
