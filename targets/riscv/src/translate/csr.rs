//! Control and status registers of user mode: fflags, frm, fcsr, and the counters. [RISC-V zicsr, f.2, counters]

use tcg_ir::{Cond, ExitInfo, ExitKind, IndirectHint, Op, OpClass, RegionKind, Ty, Value};

use super::{Out, Translator};
use crate::decode::{Feature, args};
use crate::helper;
use crate::state::slot;

const FFLAGS: u32 = 0x001;
const FRM: u32 = 0x002;
const FCSR: u32 = 0x003;
const CYCLE: u32 = 0xc00;
const TIME: u32 = 0xc01;
const INSTRET: u32 = 0xc02;
/// The upper halves of the counters on RV32 are this much higher.
const HIGH: u32 = 0x80;

/// The flags as they were when they were read last, and the value that the program got.
#[derive(Clone, Copy)]
pub(super) struct FlagsRead {
    sticky: Value,
    shown: Value,
}

/// How an instruction changes a register.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Write,
    Set,
    Clear,
}

macro_rules! by_register {
    ($($name:ident $Name:ident = $change:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let writes = Change::$change == Change::Write || a.rs1 != 0;
            let v = self.w(a.rs1);
            self.access(a.csr, a.rd, writes.then_some((Change::$change, v)))
        }
    )*};
}

macro_rules! by_immediate {
    ($($name:ident $Name:ident = $change:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let writes = Change::$change == Change::Write || a.uimm != 0;
            let v = self.b.i32(a.uimm);
            self.access(a.csr, a.rd, writes.then_some((Change::$change, v)))
        }
    )*};
}

impl Translator<'_> {
    by_register! {
        csrrw Csrrw = Write;
        csrrs Csrrs = Set;
        csrrc Csrrc = Clear;
    }

    by_immediate! {
        csrrwi Csrrwi = Write;
        csrrsi Csrrsi = Set;
        csrrci Csrrci = Clear;
    }

    fn access(&mut self, csr: u32, rd: u32, write: Option<(Change, Value)>) -> Out {
        match csr {
            FFLAGS | FRM | FCSR if self.has(Feature::F) => self.float_control(csr, rd, write),
            CYCLE | TIME | INSTRET if self.has(Feature::Zicntr) && write.is_none() => {
                self.counter(csr, rd, false)
            }
            _ if !self.is_64() && write.is_none() && self.has(Feature::Zicntr) => {
                match csr.wrapping_sub(HIGH) {
                    low @ (CYCLE | TIME | INSTRET) => self.counter(low, rd, true),
                    _ => self.illegal(),
                }
            }
            // Linux lets user mode read no other counter; everything else is privileged or does not exist.
            _ => self.illegal(),
        }
    }

    /// TIME counts tenths of microseconds, the others nanoseconds.
    fn counter(&mut self, csr: u32, rd: u32, high: bool) -> Out {
        let id = if csr == TIME {
            helper::TIME
        } else {
            helper::CYCLES
        };
        let v = self.b.call(id, helper::def(id), &[]);
        let v = match (self.is_64(), high) {
            (true, _) => v,
            (false, false) => self.b.un(Op::Trunc, Ty::I32, v),
            (false, true) => self.b.un(Op::Hi32, Ty::I32, v),
        };
        self.set_x(rd, v);
        Out::Next
    }

    /// fflags as an I32: the sticky flags in reverse.
    fn read_fflags(&mut self) -> Value {
        let none = [Value::NONE; 3];
        let sticky = self.b.op(Op::FpFlagsGet, Ty::I32, 0, 0, none, 0);
        let shown = self.reversed(sticky);
        self.flags_read = Some(FlagsRead { sticky, shown });
        shown
    }

    /// The low five bits in reverse.
    fn reversed(&mut self, v: Value) -> Value {
        let bits = self.with_i32(Op::And, v, 0x1f);
        let outer = self.exchanged(bits, 4, 1);
        self.exchanged(outer, 2, 2)
    }

    /// The bits of `mask` change places with those `by` above.
    fn exchanged(&mut self, v: Value, by: u32, mask: u32) -> Value {
        let upper = self.with_i32(Op::Shr, v, by);
        let differ = self.b.bin(Op::Xor, Ty::I32, upper, v);
        let differ = self.with_i32(Op::And, differ, mask);
        let both = self.with_i32(Op::Mul, differ, 1 << by | 1);
        self.b.bin(Op::Xor, Ty::I32, v, both)
    }

    fn with_i32(&mut self, op: Op, v: Value, c: u32) -> Value {
        let c = self.b.i32(c);
        self.b.bin(op, Ty::I32, v, c)
    }

    /// The flags get back what was read of them a moment ago, as around quiet comparisons: only if an operand was a NaN
    /// there is something to undo. False: it is another case.
    fn restores_flags(&mut self, v: Value) -> bool {
        let Some(read) = self.flags_read.filter(|r| r.shown == v) else {
            return false;
        };
        let since = &self.b.block.insts[read.sticky.index() + 1..];
        let mut compare = None;
        for (k, i) in since.iter().enumerate() {
            match i.op {
                Op::CcFcmp if compare.is_none() => {
                    compare = Some(Value(read.sticky.0 + 1 + k as u32));
                }
                Op::InsnStart | Op::Get | Op::Set => {}
                op if op.class() == OpClass::Pure => {}
                _ => return false,
            }
        }
        if let Some(compare) = compare {
            let unordered = self.b.cc_test(compare, Cond::Vs);
            self.b.begin_if(unordered, RegionKind::Simple);
            self.set_sticky(read.sticky);
            self.b.end_if();
        }
        true
    }

    fn set_sticky(&mut self, sticky: Value) {
        let args = [sticky, Value::NONE, Value::NONE];
        self.b.op(Op::FpFlagsSet, Ty::Void, 0, 0, args, 0);
    }

    fn write_fflags(&mut self, v: Value) {
        if self.restores_flags(v) {
            return;
        }
        let sticky = self.reversed(v);
        self.set_sticky(sticky);
    }

    fn float_control(&mut self, csr: u32, rd: u32, write: Option<(Change, Value)>) -> Out {
        let plain = matches!(write, Some((Change::Write, _)));
        let old = if rd == 0 && plain {
            self.b.i32(0)
        } else {
            self.read_control(csr)
        };
        let out = match write {
            None => Out::Next,
            Some((change, v)) => {
                let new = match change {
                    Change::Write => v,
                    Change::Set => self.b.bin(Op::Or, Ty::I32, old, v),
                    Change::Clear => self.b.bin(Op::AndNot, Ty::I32, old, v),
                };
                // rd first: a change of the rounding mode may leave the block.
                let old = self.widened(old);
                self.set_x(rd, old);
                return self.write_control(csr, new);
            }
        };
        let old = self.widened(old);
        self.set_x(rd, old);
        out
    }

    fn read_control(&mut self, csr: u32) -> Value {
        let frm = self.b.i32(self.mode.frm());
        match csr {
            FFLAGS => self.read_fflags(),
            FRM => frm,
            _ => {
                let flags = self.read_fflags();
                let frm = self.b.i32(self.mode.frm() << 5);
                self.b.bin(Op::Or, Ty::I32, flags, frm)
            }
        }
    }

    fn write_control(&mut self, csr: u32, new: Value) -> Out {
        if csr != FRM {
            self.write_fflags(new);
        }
        match csr {
            FFLAGS => Out::Next,
            FRM => self.write_frm(new, 0),
            _ => self.write_frm(new, 5),
        }
    }

    /// The rounding mode is part of the block's mode: a new one goes on in another block, by way of the engine, which
    /// brings the host's rounding mode along.
    fn write_frm(&mut self, v: Value, shift: u32) -> Out {
        let frm = self.b.extract(Ty::I32, v, shift, 3);
        let old = self.mode.frm();
        let info = ExitInfo {
            kind: ExitKind::Indirect(IndirectHint::Jump),
            mode_dynamic: true,
            ..self.direct(self.next)
        };
        let target = self.konst(self.next as i64);
        if let Some(c) = self.b.as_const(frm) {
            if c as u32 == old {
                return Out::Next;
            }
            self.b.set(slot::FRM, frm);
            return self.leave(info, target);
        }
        self.b.set(slot::FRM, frm);
        let same = self.b.i32(old);
        let differs = self.b.icmp(Cond::Ne, frm, same);
        self.b.exit_if(differs, info, target);
        Out::Next
    }
}
