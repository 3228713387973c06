//! Pointer authentication. [ARMv8 D8.9]

use tcg_ir::{Op, Ty, Value};

use super::operand::R31;
use super::{Out, Translator};
use crate::decode::args;
use crate::helper;
use crate::state::slot;

/// The keys as the helpers number them: IA, IB, DA, DB, GA.
const DATA_KEYS: u32 = 2;

impl Translator<'_> {
    fn pac_helper(
        &mut self,
        id: tcg_ir::HelperId,
        pointer: Value,
        modifier: Value,
        key: u32,
    ) -> Value {
        let key = self.b.i32(key);
        self.b.call(id, helper::def(id), &[pointer, modifier, key])
    }

    /// The pointer with its code taken off, or made invalid if the code is wrong.
    pub(super) fn authenticate(&mut self, pointer: Value, modifier: Value, key: u32) -> Value {
        self.pac_helper(helper::AUT, pointer, modifier, key)
    }

    fn sign_or_authenticate(&mut self, aut: bool, d: u32, modifier: Value, key: u32) -> Out {
        let pointer = self.reg(true, d);
        let r = if aut {
            self.authenticate(pointer, modifier, key)
        } else {
            self.pac_helper(helper::PAC, pointer, modifier, key)
        };
        self.set_reg(d, r);
        Out::Next
    }

    pub(super) fn pac_hint(&mut self, a: args::PacHint) -> Out {
        let modifier = if a.sp {
            self.reg_sp(true, R31)
        } else {
            self.zero64()
        };
        self.sign_or_authenticate(a.aut, 30, modifier, u32::from(a.key))
    }

    pub(super) fn pac_1716(&mut self, a: args::Pac1716) -> Out {
        let modifier = self.reg(true, 16);
        self.sign_or_authenticate(a.aut, 17, modifier, u32::from(a.key))
    }

    pub(super) fn pac(&mut self, a: args::Pac) -> Out {
        let modifier = self.reg_sp(true, a.rn);
        let key = u32::from(a.key) + if a.data { DATA_KEYS } else { 0 };
        self.sign_or_authenticate(a.aut, a.rd, modifier, key)
    }

    pub(super) fn pac_zero(&mut self, a: args::PacZero) -> Out {
        let modifier = self.zero64();
        let key = u32::from(a.key) + if a.data { DATA_KEYS } else { 0 };
        self.sign_or_authenticate(a.aut, a.rd, modifier, key)
    }

    /// Bit 55 goes into the bits of the code; the tag byte stays, because it is ignored in addresses.
    fn strip(&mut self, d: u32) -> Out {
        let x = self.reg(true, d);
        let top = self.b.extract_signed(Ty::I64, x, 55, 1);
        let bits = 56 - helper::VA_BITS;
        let r = self.b.deposit(Ty::I64, x, top, helper::VA_BITS, bits);
        self.set_reg(d, r);
        Out::Next
    }

    pub(super) fn xpac(&mut self, a: args::Xpac) -> Out {
        self.strip(a.rd)
    }

    pub(super) fn xpaclri(&mut self) -> Out {
        self.strip(30)
    }

    pub(super) fn pacga(&mut self, a: args::Pacga) -> Out {
        let (x, y) = (self.reg(true, a.rn), self.reg_sp(true, a.rm));
        let r = self.pac_helper(helper::PACGA, x, y, 4);
        self.set_reg(a.rd, r);
        Out::Next
    }

    /// LDRAA and LDRAB: the base is authenticated with a zero modifier.
    pub(super) fn ldr_aut(&mut self, a: args::LdrAut) -> Out {
        let base = self.reg_sp(true, a.rn);
        let zero = self.zero64();
        let base = self.authenticate(base, zero, DATA_KEYS + u32::from(a.key));
        let at = self.address(base);
        let addr = tcg_ir::Addr::base_disp(at, a.offset * 8);
        let flags = self.mem(3);
        let v = self.b.load(Ty::I64, addr, flags);
        if a.pre {
            let new = self.with_const(Op::Add, Ty::I64, base, i64::from(a.offset * 8) as u64);
            self.b.set(slot::x(a.rn), new);
        }
        self.set_reg(a.rt, v);
        Out::Next
    }
}
