//! Flags and conditions. N, Z, C and V are four slots of 0 or 1; as long as they come from one condition-code
//! value, a condition is asked of that value directly.

use tcg_ir::{Cond, Op, Slot, Ty, Value};

use super::Translator;
use crate::state::slot;

/// The slots of the flags with the condition that reads each from a condition-code value.
const FLAGS: [(Slot, Cond); 4] = [
    (slot::N, Cond::Mi),
    (slot::Z, Cond::Eq),
    (slot::C, Cond::Hs),
    (slot::V, Cond::Vs),
];
const N: usize = 0;
const Z: usize = 1;
const C: usize = 2;
const V: usize = 3;

/// The flags that a condition looks at.
const fn needed(cond: Cond) -> &'static [usize] {
    match cond {
        Cond::Eq | Cond::Ne => &[Z],
        Cond::Hs | Cond::Lo => &[C],
        Cond::Mi | Cond::Pl => &[N],
        Cond::Vs | Cond::Vc => &[V],
        Cond::Hi | Cond::Ls => &[Z, C],
        Cond::Ge | Cond::Lt => &[N, V],
        Cond::Gt | Cond::Le => &[N, Z, V],
    }
}

impl Translator<'_> {
    /// Whether a condition (0 to 13) holds: I32, 0 or 1.
    pub(super) fn condition(&mut self, cond: u8) -> Value {
        let Some(cond) = Cond::from_index(cond) else {
            return self.b.i32(1);
        };
        let flags = FLAGS.map(|_| Value::NONE);
        let mut flags = flags;
        for &k in needed(cond) {
            flags[k] = self.b.get(FLAGS[k].0);
        }
        match self.common_cc(&flags) {
            Some(cc) => self.b.cc_test(cc, cond),
            None => self.combine(cond, &flags),
        }
    }

    /// The one condition-code value that all these flags come from.
    fn common_cc(&self, flags: &[Value; 4]) -> Option<Value> {
        let mut cc = None;
        for (k, flag) in flags.iter().enumerate().filter(|(_, v)| v.is_some()) {
            let def = self.b.block.def(*flag);
            if def.op != Op::CcTest || def.lane != FLAGS[k].1 as u8 {
                return None;
            }
            if cc.is_some_and(|c| c != def.args[0]) {
                return None;
            }
            cc = Some(def.args[0]);
        }
        cc
    }

    fn combine(&mut self, cond: Cond, f: &[Value; 4]) -> Value {
        let b = &mut self.b;
        let value = match cond {
            Cond::Eq | Cond::Ne => f[Z],
            Cond::Hs | Cond::Lo => f[C],
            Cond::Mi | Cond::Pl => f[N],
            Cond::Vs | Cond::Vc => f[V],
            Cond::Hi | Cond::Ls => b.bin(Op::AndNot, Ty::I32, f[C], f[Z]),
            Cond::Ge | Cond::Lt => b.icmp(Cond::Eq, f[N], f[V]),
            Cond::Gt | Cond::Le => {
                let ge = b.icmp(Cond::Eq, f[N], f[V]);
                b.bin(Op::AndNot, Ty::I32, ge, f[Z])
            }
        };
        let negated = cond as u8 & 1 != 0;
        if !negated {
            return value;
        }
        let one = b.i32(1);
        b.bin(Op::Xor, Ty::I32, value, one)
    }

    /// The carry flag.
    pub(super) fn carry(&mut self) -> Value {
        self.b.get(slot::C)
    }

    /// A condition-code value of an operation on `args`.
    pub(super) fn cc(&mut self, op: Op, args: [Value; 3]) -> Value {
        self.b.op(op, Ty::Cc, 0, 0, args, 0)
    }

    /// Sets N, Z, C and V from a condition-code value.
    pub(super) fn set_nzcv(&mut self, cc: Value) {
        for (slot, cond) in FLAGS {
            let v = self.b.cc_test(cc, cond);
            self.b.set(slot, v);
        }
    }

    /// Sets N and Z from a result, and clears C and V.
    pub(super) fn set_logic_flags(&mut self, result: Value) {
        let cc = self.cc(Op::CcLogic, [result, Value::NONE, Value::NONE]);
        self.set_nzcv(cc);
    }

    /// The flags become those of `compare` if `cond` holds, else `nzcv`.
    pub(super) fn set_nzcv_if(
        &mut self,
        cond: Value,
        nzcv: u32,
        compare: impl FnOnce(&mut Self) -> Value,
    ) {
        let cc = compare(self);
        for (k, (slot, test)) in FLAGS.into_iter().enumerate() {
            let v = self.b.cc_test(cc, test);
            let other = self.b.i32(nzcv >> (3 - k) & 1);
            let v = self.b.sel(cond, v, other);
            self.b.set(slot, v);
        }
    }
}

/// Two numbers whose difference has these flags, if there are such. [ARMv8 AddWithCarry]
pub(super) const fn difference_with(nzcv: u32, wide: bool) -> Option<(u64, u64)> {
    let min = if wide { 1 << 63 } else { 1 << 31 };
    let ones = if wide { u64::MAX } else { 0xffff_ffff };
    Some(match nzcv {
        0b0000 => (0, ones),
        0b0010 => (1, 0),
        0b0011 => (min, 1),
        0b0110 => (0, 0),
        0b1000 => (0, 1),
        0b1001 => (min - 1, ones),
        0b1010 => (ones, 0),
        _ => return None,
    })
}
