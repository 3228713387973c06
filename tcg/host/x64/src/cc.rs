//! Condition codes: what the host's flags hold, and evaluating tests from them.

use crate::abi::*;
use crate::compiler::Gen;
use crate::enc::{Alu, Mem, Opc, Rm, x86cc};
use tcg_ir::{Cond, Op, Ty, Value};
use tcg_opt::{FlagUse, flag_use};

/// What the host's flags are the flags of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagKind {
    None,
    Add,
    Sub,
    Adc,
    Sbc,
    Logic,
    /// Of a floating-point comparison (`args[0]` is its value) as `ucomisd` leaves them.
    Fcmp,
    /// The same with the operands exchanged.
    FcmpSwapped,
}

/// The host's flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostFlags {
    pub kind: FlagKind,
    pub args: [Value; 3],
    /// The carry has been complemented.
    pub inverted: bool,
}

pub const NO_FLAGS: HostFlags = HostFlags {
    kind: FlagKind::None,
    args: [Value::NONE; 3],
    inverted: false,
};

/// The kind of flags that a holder has.
pub fn flag_kind(op: Op) -> FlagKind {
    match op {
        Op::CcAdd => FlagKind::Add,
        Op::CcSub | Op::ICmp => FlagKind::Sub,
        Op::CcAdc => FlagKind::Adc,
        Op::CcSbc => FlagKind::Sbc,
        Op::CcLogic => FlagKind::Logic,
        _ => FlagKind::None,
    }
}

/// The x86 condition for `cond` on flags whose carry means "borrow" (as after cmp) or "carry" (as after add).
/// `None`: the carry has to be complemented first.
fn x86_cond(cond: Cond, borrow: bool) -> Option<u8> {
    Some(match (cond, borrow) {
        (Cond::Eq, _) => x86cc::E,
        (Cond::Ne, _) => x86cc::NE,
        (Cond::Hs, true) | (Cond::Lo, false) => x86cc::AE,
        (Cond::Lo, true) | (Cond::Hs, false) => x86cc::B,
        (Cond::Mi, _) => x86cc::S,
        (Cond::Pl, _) => x86cc::S ^ 1,
        (Cond::Vs, _) => x86cc::O,
        (Cond::Vc, _) => x86cc::O ^ 1,
        (Cond::Hi, true) => x86cc::A,
        (Cond::Ls, true) => x86cc::BE,
        (Cond::Hi | Cond::Ls, false) => return None,
        (Cond::Ge, _) => x86cc::GE,
        (Cond::Lt, _) => x86cc::L,
        (Cond::Gt, _) => x86cc::G,
        (Cond::Le, _) => x86cc::LE,
    })
}

/// The x86 condition for `cond` on the flags of a floating-point comparison. An unordered result sets carry, zero and
/// parity; so each order of the operands serves the conditions that take unordered as "below" there. "Equal" needs two.
fn x86_float_cond(cond: Cond, swapped: bool) -> Option<u8> {
    Some(match (cond, swapped) {
        (Cond::Vs, _) => x86cc::P,
        (Cond::Vc, _) => x86cc::P ^ 1,
        (Cond::Ge, false) | (Cond::Ls, true) => x86cc::AE,
        (Cond::Lt, false) | (Cond::Hi, true) => x86cc::B,
        (Cond::Gt, false) | (Cond::Mi | Cond::Lo, true) => x86cc::A,
        (Cond::Le, false) | (Cond::Pl | Cond::Hs, true) => x86cc::BE,
        _ => return None,
    })
}

/// 16-bit table of a condition over the nibble N Z C V.
fn nibble_mask(cond: Cond) -> u64 {
    let mut mask = 0;
    for n in 0..16u64 {
        if cond.eval(n & 8 != 0, n & 4 != 0, n & 2 != 0, n & 1 != 0) {
            mask |= 1 << n;
        }
    }
    mask
}

impl Gen<'_> {
    /// Whether the host's flags are those of this holder.
    pub fn flags_hold(&self, holder: Value) -> bool {
        let i = self.b.def(holder);
        self.flags.kind != FlagKind::None
            && flag_kind(i.op) == self.flags.kind
            && i.args == self.flags.args
    }

    /// Notes that the result of the current instruction left the flags of a holder of this kind.
    pub fn flags_are(&mut self, kind: FlagKind, args: [Value; 3]) {
        self.flags = HostFlags {
            kind,
            args,
            inverted: false,
        };
        self.flags_fresh = true;
    }

    /// Whether the host's flags must survive the current instruction.
    pub fn flags_wanted(&self) -> bool {
        self.flags.kind != FlagKind::None && self.flags_until > self.pos
    }

    /// Brings the flags of a holder into the host's flags.
    pub fn make_flags(&mut self, holder: Value) {
        if self.flags_hold(holder) {
            return;
        }
        let pinned = self.pinned;
        let i = *self.b.def(holder);
        let [a, b, c] = i.args;
        let w = self.ty(a) == Ty::I64;
        match i.op {
            Op::CcSub | Op::ICmp => self.emit_cmp(w, a, b),
            Op::CcLogic => {
                let r = self.read_reg(a);
                self.a.test(w, r, Rm::R(r));
            }
            Op::CcAdd => {
                self.settle_test(a);
                self.settle_test(b);
                self.load_scratch(a);
                self.alu_operand(Alu::Add, w, RAX, b);
            }
            Op::CcAdc | Op::CcSbc => {
                let (alu, borrow) = match i.op {
                    Op::CcAdc => (Alu::Adc, false),
                    _ => (Alu::Sbb, true),
                };
                // Everything into registers before the carry is set.
                self.settle_test(a);
                self.settle_test(b);
                self.prepare_carry(c);
                if self.imm32(b).is_none() {
                    self.reg(b);
                }
                self.reg(a);
                self.carry_in(c, borrow);
                self.load_scratch(a);
                self.alu_operand(alu, w, RAX, b);
            }
            _ => {}
        }
        self.flags = HostFlags {
            kind: flag_kind(i.op),
            args: i.args,
            inverted: false,
        };
        // Registers that only this needed may be used otherwise.
        self.pinned = pinned;
    }

    fn emit_cmp(&mut self, w: bool, a: Value, b: Value) {
        let imm = self.imm32(b);
        if imm == Some(0) && !w && self.reg_of(a) == NOREG && self.in_bit_slot(a) {
            let m = Mem::env(i32::from(self.val[a.index()].home));
            return self.a.op_i8(Opc(0, 0, 0x80), false, 7, Rm::M(m), 0);
        }
        if self.reg_of(a) == NOREG
            && imm.is_some()
            && self.dies(a)
            && !self.in_bit_slot(a)
            && let (Some(place), Some(imm)) = (self.place_of(a), imm)
        {
            return self.a.alu_imm(Alu::Cmp, w, place, imm);
        }
        if self.reg_of(a) == NOREG
            && imm.is_none()
            && self.reg_of(b) != NOREG
            && self.dies(a)
            && !self.in_bit_slot(a)
            && let Some(place) = self.place_of(a)
        {
            let rb = self.reg(b);
            return self.a.op(Opc(0, 0, 0x39), w, rb, place);
        }
        let ra = self.read_reg(a);
        match imm {
            Some(0) => self.a.test(w, ra, Rm::R(ra)),
            Some(imm) => self.a.alu_imm(Alu::Cmp, w, Rm::R(ra), imm),
            None => {
                let rb = self.rm(b);
                self.a.alu(Alu::Cmp, w, ra, rb);
            }
        }
    }

    /// `op dst, v` with v an immediate, register or memory.
    pub fn alu_operand(&mut self, op: Alu, w: bool, dst: u8, v: Value) {
        match self.imm32(v) {
            Some(imm) => self.a.alu_imm(op, w, Rm::R(dst), imm),
            None => {
                let rm = self.rm(v);
                self.a.alu(op, w, dst, rm);
            }
        }
    }

    /// A copy of a general value in the scratch register.
    pub fn load_scratch(&mut self, v: Value) {
        if tcg_opt::flag_use(self.b, v).is_some() {
            self.reg(v);
        }
        self.load_into(v, RAX);
    }

    /// If `c` is a carry flag: the lazy holder that has it.
    fn carry_holder(&self, c: Value) -> Option<Value> {
        let cond = self.b.def(c).lane;
        match flag_use(self.b, c) {
            Some(FlagUse::Holder(h))
                if self.reg_of(c) == NOREG
                    && self.place_of(c).is_none()
                    && (cond == Cond::Hs as u8 || cond == Cond::Lo as u8) =>
            {
                Some(h)
            }
            _ => None,
        }
    }

    /// Evaluates a carry operand as far as possible while few registers are in use.
    fn prepare_carry(&mut self, c: Value) {
        match self.carry_holder(c) {
            Some(h) => self.make_flags(h),
            None => self.settle_test(c),
        }
    }

    /// Sets the host's carry to `c` (I32, 0 or 1), or to its complement.
    pub fn carry_in(&mut self, c: Value, complement: bool) {
        if let Some(k) = self.b.as_const(c) {
            self.a.byte(if (k != 0) ^ complement { 0xf9 } else { 0xf8 });
            self.flags = NO_FLAGS;
            return;
        }
        if let Some(h) = self.carry_holder(c) {
            self.make_flags(h);
            let negated = self.b.def(c).lane == Cond::Lo as u8;
            // The host's carry is C, or its complement for borrow-like flags.
            if self.borrow_like() ^ negated ^ complement {
                self.a.cmc();
            }
            self.flags = NO_FLAGS;
            return;
        }
        if complement {
            // cmp c, 1 borrows if c is 0.
            let rm = self.rm(c);
            self.a.alu_imm(Alu::Cmp, false, rm, 1);
        } else {
            let r = self.reg(c);
            self.a.op_i8(Opc(0, 1, 0xba), false, 4, Rm::R(r), 0);
        }
        self.flags = NO_FLAGS;
    }

    fn borrow_like(&self) -> bool {
        matches!(self.flags.kind, FlagKind::Sub | FlagKind::Sbc) ^ self.flags.inverted
    }

    /// Evaluates a lazy test into the host's flags; gives the x86 condition.
    pub fn test_cond(&mut self, v: Value) -> u8 {
        let cond = Cond::from_index(self.b.def(v).lane).unwrap_or(Cond::Eq);
        match flag_use(self.b, v) {
            Some(FlagUse::Holder(h)) => {
                self.make_flags(h);
                match x86_cond(cond, self.borrow_like()) {
                    Some(cc) => cc,
                    None => {
                        self.a.cmc();
                        self.flags.inverted ^= true;
                        x86_cond(cond, true).unwrap_or(x86cc::E)
                    }
                }
            }
            Some(FlagUse::Packed(c)) => {
                if let Some(cc) = self.float_flags(c, cond) {
                    return cc;
                }
                let r = self.reg(c);
                self.flags = NO_FLAGS;
                // One flag, or a table of the conditions by the nibble.
                let bit = match cond {
                    Cond::Mi | Cond::Pl => 3,
                    Cond::Eq | Cond::Ne => 2,
                    Cond::Hs | Cond::Lo => 1,
                    Cond::Vs | Cond::Vc => 0,
                    _ => {
                        self.a.mov_imm(RAX, nibble_mask(cond));
                        self.a.op(Opc(0, 1, 0xa3), false, r, Rm::R(RAX));
                        return x86cc::B;
                    }
                };
                self.a.op_i8(Opc(0, 1, 0xba), false, 4, Rm::R(r), bit);
                x86cc::B ^ (cond as u8 & 1)
            }
            None => x86cc::E,
        }
    }

    /// The condition on the host's flags, if they are those of the floating-point comparison `c` and have it.
    fn float_flags(&self, c: Value, cond: Cond) -> Option<u8> {
        let swapped = match self.flags.kind {
            FlagKind::Fcmp => false,
            FlagKind::FcmpSwapped => true,
            _ => return None,
        };
        (self.flags.args[0] == c).then_some(())?;
        x86_float_cond(cond, swapped)
    }

    /// Whether a floating-point comparison should exchange its operands: the next branch on it decides.
    pub fn better_swapped(&self, c: Value) -> bool {
        let behind = &self.b.insts[c.index() + 1..];
        let branch = behind
            .iter()
            .take(20)
            .find(|i| matches!(i.op, Op::CondBegin | Op::Sel));
        let Some(test) = branch.map(|i| self.b.def(i.args[0])) else {
            return false;
        };
        let cond = Cond::from_index(test.lane).unwrap_or(Cond::Eq);
        test.op == Op::CcTest && test.args[0] == c && x86_float_cond(cond, true).is_some()
    }

    /// Evaluates "v is not 0" into the host's flags.
    pub fn branch_cond(&mut self, v: Value) -> u8 {
        match flag_use(self.b, v) {
            Some(FlagUse::Holder(h)) if self.flags_hold(h) => return self.test_cond(v),
            Some(_) if self.reg_of(v) == NOREG && self.place_of(v).is_none() => {
                return self.test_cond(v);
            }
            _ => {}
        }
        if self.reg_of(v) == NOREG && self.in_bit_slot(v) {
            let m = Mem::env(i32::from(self.val[v.index()].home));
            self.a.op_i8(Opc(0, 0, 0x80), false, 7, Rm::M(m), 0);
            self.flags = NO_FLAGS;
            return x86cc::NE;
        }
        match self.rm(v) {
            Rm::R(r) => self.a.test(false, r, Rm::R(r)),
            m => self.a.alu_imm(Alu::Cmp, false, m, 0),
        }
        self.flags = NO_FLAGS;
        x86cc::NE
    }

    /// A lazy test as 0 or 1 in register `r`.
    pub fn materialise(&mut self, v: Value, r: u8) {
        let cc = self.test_cond(v);
        self.a.setcc(cc, Rm::R(r));
        self.a.movzx8(r, Rm::R(r));
    }

    /// A `Cc*` or `ICmp` where it stands: emitted only if a consumer relies on the host's flags.
    pub fn emit_holder(&mut self, v: Value) {
        let info = self.live.info[v.index()];
        if info.eager_to == 0 {
            return;
        }
        let deferred = info.mate != tcg_opt::NONE
            && info.mate > v.0
            && !self.live.info[info.mate as usize].dead;
        if !deferred {
            for a in self.b.def(v).args {
                if a.is_some() {
                    self.pin(a);
                }
            }
            self.make_flags(v);
        }
        self.flags_until = self.flags_until.max(info.eager_to);
    }
}
