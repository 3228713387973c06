//! Translation of RISC-V to the IR: the loop over a block's instructions. One file per chapter has the handlers that
//! the decode tables name.

mod arith;
mod atomic;
mod bits;
mod branch;
mod convert;
mod csr;
mod fetch;
mod float;
mod fregs;
mod load_store;
mod skip;
mod system;

use tcg_ir::{Block, Builder, ExitInfo, ExitKind, Op, Ty, Value};
use tcg_mem::MemFault;
use tcg_target::{Follow, TranslateCtx};

use crate::decode::{self, Feature, FeatureSet};
use crate::features::Cpu;
use crate::state::{LAYOUT, Mode, slot};
use crate::trap;
use fetch::Fetcher;

/// What a handler says of the instruction that it translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Out {
    /// The next instruction follows.
    Next,
    /// The block is ended by an exit.
    End,
}

/// The translation of one block in progress.
pub(crate) struct Translator<'a> {
    pub(crate) b: Builder<'a>,
    features: FeatureSet,
    parallel: bool,
    /// Type of the integer registers.
    ty: Ty,
    mode: Mode,
    /// Address of the current instruction.
    pc: u64,
    /// Address of the instruction that follows.
    next: u64,
    /// The current instruction's code.
    insn: u32,
    /// By floating-point register: its value as a single, where known.
    singles: [Value; 32],
    flags_read: Option<csr::FlagsRead>,
    /// Whether a branch over a few instructions may stay in the block.
    skips: bool,
    /// A branch that is still to be decided on.
    branch: Option<skip::Branch>,
    /// The conditional part that the current instruction belongs to.
    skip: Option<skip::Skip>,
    follow: Follow,
}

decode::dispatch_base!(fn decode_base, Translator<'_>, Out);
decode::dispatch_float!(fn decode_float, Translator<'_>, Out);
decode::dispatch_compressed!(fn decode_compressed, Translator<'_>, Out);

/// Translates the block at `pc`.
pub(crate) fn translate(
    cpu: &Cpu,
    pc: u64,
    mode: u32,
    ctx: &mut TranslateCtx<'_>,
) -> Result<Block, MemFault> {
    let ty = if cpu.is_64() { Ty::I64 } else { Ty::I32 };
    let mode = Mode(mode);
    let mut t = Translator {
        b: Builder::new(pc, mode.0, &LAYOUT),
        features: cpu.features,
        parallel: ctx.parallel,
        ty,
        mode,
        pc,
        next: pc,
        insn: 0,
        singles: [Value::NONE; 32],
        flags_read: None,
        skips: ctx.limits.may_peek(),
        branch: None,
        skip: None,
        follow: Follow::new(pc, ctx.limits),
    };
    t.b.forward_stores(ctx.forward);
    t.b.block.fp = mode.fp_modes();
    let mut fetcher = Fetcher::new(ctx.fetch);
    let mut end = pc;
    let mut count = 0;
    let out = loop {
        let (insn, len) = match fetcher.insn(t.next) {
            Ok(found) => found,
            Err(fault) if count == 0 => return Err(fault),
            Err(_) => break Out::Next,
        };
        t.pc = t.next;
        t.next = t.wrap(t.pc.wrapping_add(len));
        t.insn = insn;
        end = end.max(t.pc.saturating_add(len));
        count += 1;
        t.b.insn_start(t.pc, t.mode.0);
        let out = match len {
            2 => decode_compressed(&mut t, insn),
            _ if decode::is_float(insn) => decode_float(&mut t, insn),
            _ => decode_base(&mut t, insn),
        };
        t.decide_branch(&mut fetcher, ctx.limits.max_insns.saturating_sub(count));
        t.end_skip();
        let full = ctx.limits.reached(count, t.b.block.exits.len());
        if out == Out::End || full || t.follow.ends(t.next) {
            break out;
        }
    };
    if out == Out::Next {
        let info = t.direct(t.next);
        t.b.exit(info, Value::NONE);
    }
    (t.b.block.start_pc, t.b.block.end_pc) = (t.follow.start(), end);
    Ok(t.b.finish())
}

impl Translator<'_> {
    // ---- integer registers ----

    /// Whether registers have 64 bits.
    fn is_64(&self) -> bool {
        self.ty == Ty::I64
    }

    /// An address, wrapped to the width of the registers.
    fn wrap(&self, pc: u64) -> u64 {
        if self.is_64() { pc } else { pc & 0xffff_ffff }
    }

    /// A constant as wide as the registers.
    fn konst(&mut self, v: i64) -> Value {
        self.b.iconst(self.ty, v as u64)
    }

    /// The integer register `n`.
    fn x(&mut self, n: u32) -> Value {
        if n == 0 {
            return self.konst(0);
        }
        self.b.get(slot::x(n, self.ty))
    }

    /// Sets the integer register `n`.
    fn set_x(&mut self, n: u32, mut v: Value) {
        if n != 0 {
            if let Some(stays) = self.skip.and_then(|s| s.select) {
                let old = self.x(n);
                v = self.b.sel(stays, v, old);
            }
            self.b.set(slot::x(n, self.ty), v);
        }
    }

    /// The low 32 bits of the integer register `n`.
    fn w(&mut self, n: u32) -> Value {
        let v = self.x(n);
        self.low(v)
    }

    /// The low 32 bits of a register's value.
    fn low(&mut self, v: Value) -> Value {
        if self.is_64() {
            self.b.un(Op::Trunc, Ty::I32, v)
        } else {
            v
        }
    }

    /// An I32 as a register's value, sign-extended.
    fn extended(&mut self, v: Value) -> Value {
        if self.is_64() {
            self.b.un(Op::SextI64, Ty::I64, v)
        } else {
            v
        }
    }

    /// An I32 as a register's value, zero-extended (conditions).
    fn widened(&mut self, v: Value) -> Value {
        if self.is_64() {
            self.b.un(Op::ZextI64, Ty::I64, v)
        } else {
            v
        }
    }

    fn bin(&mut self, op: Op, a: Value, b: Value) -> Value {
        self.b.bin(op, self.ty, a, b)
    }

    /// `a op constant`.
    fn with_const(&mut self, op: Op, a: Value, c: i64) -> Value {
        let c = self.konst(c);
        self.b.bin(op, self.ty, a, c)
    }

    // ---- ways out ----

    /// An exit to an address.
    fn direct(&self, target: u64) -> ExitInfo {
        ExitInfo {
            kind: ExitKind::Direct,
            pc: target,
            mode: self.mode.0,
            mode_dynamic: false,
            ret_pc: 0,
            dead: 0,
            check: self.follow.turned(),
        }
    }

    fn leave(&mut self, info: ExitInfo, operand: Value) -> Out {
        self.b.exit(info, operand);
        Out::End
    }

    /// A trap whose program counter is `pc`.
    fn trap(&mut self, code: u32, info: u64, pc: u64) -> Out {
        let kind = ExitKind::Trap { code, info };
        let info = ExitInfo {
            kind,
            ..self.direct(pc)
        };
        self.leave(info, Value::NONE)
    }

    /// The instruction is illegal.
    pub(crate) fn illegal(&mut self) -> Out {
        self.trap(trap::ILLEGAL, u64::from(self.insn), self.pc)
    }

    // ---- what the decoders ask ----

    /// The features of the CPU.
    pub(crate) fn features(&self) -> FeatureSet {
        self.features
    }

    /// Whether the CPU has a feature.
    pub(crate) fn has(&self, feature: Feature) -> bool {
        self.features.has(feature)
    }

    /// No row matches.
    fn undecoded(&mut self, _insn: u32) -> Out {
        self.illegal()
    }
}

#[cfg(test)]
mod tests;
