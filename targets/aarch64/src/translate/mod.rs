//! Translation of A64 to the IR: the loop over a block's instructions. One file per chapter of the manual has the
//! handlers that the decode tables name.

mod branch;
mod cond;
mod convert;
mod crypto;
mod data_imm;
mod data_reg;
mod element;
mod exclusive;
mod fetch;
mod float;
mod load_store;
mod narrow;
mod operand;
mod pauth;
mod peek;
mod permute;
mod reduce;
mod shift;
mod simd;
mod simd_fp;
mod structure;
mod system;
mod wide;

use tcg_ir::{Block, Builder, ExitInfo, ExitKind, Value};
use tcg_mem::MemFault;
use tcg_target::{Follow, TranslateCtx};

use crate::decode::{self, FeatureSet};
use crate::features::CpuModel;
use crate::state::{LAYOUT, Mode};
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
    model: &'static CpuModel,
    features: FeatureSet,
    parallel: bool,
    mode: Mode,
    /// Address of the current instruction.
    pc: u64,
    /// Address of the instruction that follows.
    next: u64,
    /// The current instruction's code.
    insn: u32,
    follow: Follow,
}

decode::dispatch_dpimm!(fn decode_dpimm, Translator<'_>, Out);
decode::dispatch_branch!(fn decode_branch, Translator<'_>, Out);
decode::dispatch_ldst!(fn decode_ldst, Translator<'_>, Out);
decode::dispatch_dpreg!(fn decode_dpreg, Translator<'_>, Out);
decode::dispatch_fp!(fn decode_fp, Translator<'_>, Out);
decode::dispatch_simd!(fn decode_simd, Translator<'_>, Out);
decode::dispatch_simdscalar!(fn decode_simdscalar, Translator<'_>, Out);

/// Translates the block at `pc`.
pub(crate) fn translate(
    model: &'static CpuModel,
    pc: u64,
    mode: u32,
    ctx: &mut TranslateCtx<'_>,
) -> Result<Block, MemFault> {
    let mode = Mode(mode);
    let mut t = Translator {
        b: Builder::new(pc, mode.0, &LAYOUT),
        model,
        features: model.features,
        parallel: ctx.parallel,
        mode,
        pc,
        next: pc,
        insn: 0,
        follow: Follow::new(pc, ctx.limits),
    };
    t.b.forward_stores(ctx.forward);
    t.b.block.fp = mode.fp_modes();
    let mut fetcher = Fetcher::new(ctx.fetch);
    let mut end = pc;
    let mut count = 0;
    let out = loop {
        let insn = match fetcher.insn(t.next) {
            Ok(found) => found,
            Err(fault) if count == 0 => return Err(fault),
            Err(_) => break Out::Next,
        };
        t.pc = t.next;
        t.next = t.pc.wrapping_add(4);
        t.insn = insn;
        end = end.max(t.next);
        count += 1;
        t.b.insn_start(t.pc, t.mode.0);
        let out = t.instruction(insn);
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
    let mut block = t.b.finish();
    if ctx.limits.may_peek() {
        peek::mark_dead_flags(&mut block, &mut fetcher);
    }
    Ok(block)
}

impl Translator<'_> {
    /// Translates an instruction by its main group. [ARMv8 C4.1]
    fn instruction(&mut self, insn: u32) -> Out {
        match insn >> 25 & 15 {
            8 | 9 => decode_dpimm(self, insn),
            10 | 11 => decode_branch(self, insn),
            4 | 6 | 12 | 14 => decode_ldst(self, insn),
            5 | 13 => decode_dpreg(self, insn),
            // Bits 31, 30 and 28: vectors have bit 28 clear, scalars bit 30 set.
            7 | 15 if insn >> 28 & 5 == 1 => decode_fp(self, insn),
            7 | 15 if insn >> 28 & 15 == 5 || insn >> 28 & 15 == 7 => decode_simdscalar(self, insn),
            7 | 15 => decode_simd(self, insn),
            _ => self.undecoded(insn),
        }
    }

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

    fn trap(&mut self, code: u32, info: u64, pc: u64) -> Out {
        let kind = ExitKind::Trap { code, info };
        let here = self.direct(pc);
        self.b.exit(ExitInfo { kind, ..here }, Value::NONE);
        Out::End
    }

    /// Raises a trap at the instruction itself.
    fn trap_at(&mut self, code: u32, info: u64) -> Out {
        self.trap(code, info, self.pc)
    }

    /// The instruction is undefined.
    pub(crate) fn undefined(&mut self) -> Out {
        self.trap_at(trap::UNDEFINED, u64::from(self.insn))
    }

    // ---- what the decoders ask ----

    /// The features of the CPU model.
    pub(crate) fn features(&self) -> FeatureSet {
        self.features
    }

    /// No row matches. SVE, SME, memory tagging and the memory copy instructions are not there, and programs learn
    /// so from HWCAP.
    fn undecoded(&mut self, _insn: u32) -> Out {
        self.undefined()
    }

    /// Whether accesses mask the top byte of addresses.
    pub(crate) fn ignores_tags(&self) -> bool {
        self.mode.ignores_tags()
    }

    /// Data byte order.
    pub(crate) fn big_endian(&self) -> bool {
        self.mode.big_endian()
    }
}

#[cfg(test)]
mod tests;
