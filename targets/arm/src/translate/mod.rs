//! Translation of A32 and T32 to the IR: the loop over a block's instructions. One file per manual chapter has
//! the handlers that the decode tables name.

mod branch;
mod cond;
mod data;
mod exclusive;
mod extension;
mod fetch;
mod fpregs;
mod half;
mod load_store;
mod media;
mod multiple;
mod multiply;
mod neon;
mod neon_crypto;
mod neon_fp;
mod neon_late;
mod neon_mem;
mod neon_wide;
mod operand;
mod peek;
mod style;
mod system;
mod vfp;
mod vfp_mem;

use tcg_ir::{Block, Builder, ExitInfo, ExitKind, RegionKind, Value};
use tcg_mem::{GuestVa, MemFault};
use tcg_target::TranslateCtx;

use crate::decode::{self, Feature, FeatureSet};
use crate::features::CpuModel;
use crate::helper::short_vector;
use crate::state::{LAYOUT, Mode};
use crate::trap;
pub(crate) use extension::{Space, a32 as a32_space, t32 as t32_space};
use fetch::Fetcher;
use style::Style;
pub(crate) use vfp::expand_imm;

/// What a handler says of the instruction that it translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Out {
    /// The next instruction follows.
    Next,
    /// The block is ended by an exit.
    End,
}

/// How the current instruction's condition is put into effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pred {
    /// Not conditional, or already decided by the open region.
    Always,
    /// Results are selected by this value.
    Select(Value),
}

/// A predicated region that several instructions may share.
#[derive(Clone, Copy, Debug)]
struct OpenRegion {
    cond: u8,
    value: Value,
    leaves: bool,
}

/// The translation of one block in progress.
pub(crate) struct Translator<'a> {
    pub(crate) b: Builder<'a>,
    features: FeatureSet,
    /// Floating-point system ID register.
    fpsid: u32,
    parallel: bool,
    thumb: bool,
    /// Mode at the current instruction.
    mode: Mode,
    /// Mode behind it.
    next_mode: Mode,
    /// Address of the current instruction, without the Thumb bit.
    pc: u32,
    /// Address of the instruction that follows.
    next: u32,
    /// The current instruction's code.
    insn: u32,
    pred: Pred,
    region: Option<OpenRegion>,
    /// N, Z, C or V changed: conditions have to be evaluated anew.
    flags_changed: bool,
    /// What `mov lr, pc` put into LR: a jump that ends at that address is a call.
    link: Option<u32>,
}

decode::dispatch_a32!(fn decode_a32, Translator<'_>, Out);
decode::dispatch_t16!(fn decode_t16, Translator<'_>, Out);
decode::dispatch_t32!(fn decode_t32, Translator<'_>, Out);

/// Translates the block at `pc` (bit 0: Thumb).
pub(crate) fn translate(
    model: &CpuModel,
    pc: u64,
    mode: u32,
    ctx: &mut TranslateCtx<'_>,
) -> Result<Block, MemFault> {
    let thumb = pc & 1 != 0;
    let start = pc as u32 & if thumb { !1 } else { !3 };
    let mode = Mode(mode);
    let mut t = Translator {
        b: Builder::new(pc, mode.0, &LAYOUT),
        features: model.features,
        fpsid: model.fpsid,
        parallel: ctx.parallel,
        thumb,
        mode,
        next_mode: mode,
        pc: start,
        next: start,
        insn: 0,
        pred: Pred::Always,
        region: None,
        flags_changed: false,
        link: None,
    };
    t.b.forward_stores(ctx.forward);
    t.b.block.fp = mode.fp_modes();
    let mut fetcher = Fetcher::new(ctx.fetch);
    let mut end = start;
    let mut count = 0;
    let out = loop {
        let (insn, len) = match fetcher.insn(t.next, thumb) {
            Ok(found) => found,
            Err(fault) if count == 0 => return Err(fault),
            Err(_) => break Out::Next,
        };
        t.pc = t.next;
        t.next = t.pc.wrapping_add(len);
        t.insn = insn;
        end = end.max(t.next);
        count += 1;
        let out = t.instruction(len);
        t.mode = t.next_mode;
        // A wrap around the end of the address space ends the block: its range must be a range.
        let exits = match t.region {
            None => t.b.block.exits.len(),
            Some(_) => 0,
        };
        if out == Out::End || ctx.limits.reached(count, exits) || t.next < start {
            break out;
        }
    };
    t.close_region();
    if out == Out::Next {
        let next = t.next;
        let info = t.direct(next, t.mode);
        t.b.exit(info, Value::NONE);
    }
    t.b.block.end_pc = u64::from(end);
    let mut block = t.b.finish();
    if ctx.limits.may_peek() {
        peek::mark_dead_flags(&mut block, &mut fetcher);
    }
    Ok(block)
}

impl Translator<'_> {
    /// Translates the current instruction.
    fn instruction(&mut self, len: u32) -> Out {
        self.next_mode = self.mode.it_advance();
        let (insn, thumb) = (self.insn, self.thumb);
        let (cond, style) = match (thumb, len) {
            (false, _) => ((insn >> 28) as u8, style::a32(insn)),
            (true, 2) => (self.it_cond(), style::t16(insn)),
            (true, _) => (self.it_cond(), style::t32(insn)),
        };
        let style = match self.mode.vectors() && short_vector::vectorised(insn) {
            true => Style::Calls,
            false => style,
        };
        let fresh = self.enter(cond, style);
        if !fresh {
            self.b.insn_start(self.tagged(self.pc), self.mode.0);
        }
        let out = match (thumb, len) {
            (false, _) => self.a32(insn),
            (true, 2) => decode_t16(self, insn),
            (true, _) => self.t32(insn),
        };
        self.pred = Pred::Always;
        // A transfer of the floating-point flags changes the conditions without this being told.
        let vmrs = insn & 0x0fff_0fff == 0x0ef1_0a10 && insn >> 12 & 15 == 15;
        let leaves = self.region.is_some_and(|r| r.leaves);
        if self.flags_changed || leaves || vmrs {
            self.close_region();
        }
        self.flags_changed = false;
        out
    }

    fn a32(&mut self, insn: u32) -> Out {
        match extension::a32(insn) {
            Some(space) => self.extension(space),
            None => decode_a32(self, insn),
        }
    }

    fn t32(&mut self, insn: u32) -> Out {
        match extension::t32(insn) {
            Some(space) => self.extension(space),
            None => decode_t32(self, insn),
        }
    }

    /// The condition that the IT block gives; 14 outside of one.
    fn it_cond(&self) -> u8 {
        match self.mode.it() {
            0 => 14,
            it => it >> 4,
        }
    }

    /// Prepares for an instruction with a condition. True if the instruction's start has been marked.
    fn enter(&mut self, cond: u8, style: Style) -> bool {
        self.pred = Pred::Always;
        let shares = matches!(style, Style::Plain | Style::Region)
            && self.region.is_some_and(|r| r.cond == cond && !r.leaves);
        if shares {
            return false;
        }
        self.close_region();
        if cond >= 14 {
            return false;
        }
        self.b.insn_start(self.tagged(self.pc), self.mode.0);
        let value = self.condition(cond);
        match style {
            Style::Plain | Style::Exits => self.pred = Pred::Select(value),
            Style::Region | Style::Calls | Style::Leaves => {
                let leaves = style == Style::Leaves;
                let kind = match style {
                    Style::Leaves => RegionKind::Leaves,
                    Style::Calls => RegionKind::Calls,
                    _ => RegionKind::Simple,
                };
                self.b.begin_if(value, kind);
                self.region = Some(OpenRegion {
                    cond,
                    value,
                    leaves,
                });
            }
        }
        true
    }

    fn close_region(&mut self) {
        if self.region.take().is_some() {
            self.b.end_if();
        }
    }

    /// An address with the Thumb bit.
    fn tagged(&self, pc: u32) -> u64 {
        u64::from(pc) | u64::from(self.thumb)
    }

    /// An exit to an address in the current instruction set.
    fn direct(&self, target: u32, mode: Mode) -> ExitInfo {
        ExitInfo {
            kind: ExitKind::Direct,
            pc: self.tagged(target),
            mode: mode.0,
            mode_dynamic: false,
            ret_pc: 0,
            dead: 0,
            check: false,
        }
    }

    /// Leaves the block if the instruction's condition holds. An operand must have been made before a shared
    /// region was opened; styles see to that.
    fn leave(&mut self, info: ExitInfo, operand: Value) -> Out {
        match (self.pred, self.region) {
            (Pred::Select(p), _) => {
                self.b.exit_if(p, info, operand);
                Out::Next
            }
            (Pred::Always, Some(r)) if r.leaves => {
                self.b.exit(info, operand);
                Out::Next
            }
            (Pred::Always, Some(r)) => {
                self.close_region();
                self.b.exit_if(r.value, info, operand);
                Out::Next
            }
            (Pred::Always, None) => {
                self.b.exit(info, operand);
                Out::End
            }
        }
    }

    /// Raises a trap at the instruction itself.
    fn trap_at(&mut self, code: u32, info: u64) -> Out {
        let kind = ExitKind::Trap { code, info };
        let here = self.direct(self.pc, self.mode);
        self.leave(ExitInfo { kind, ..here }, Value::NONE)
    }

    /// Raises a trap whose program counter is behind the instruction.
    fn trap_behind(&mut self, code: u32, info: u64) -> Out {
        let kind = ExitKind::Trap { code, info };
        let behind = self.direct(self.next, self.next_mode);
        self.leave(ExitInfo { kind, ..behind }, Value::NONE)
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

    /// Whether the CPU model has a feature.
    pub(crate) fn has(&self, feature: Feature) -> bool {
        self.features.has(feature)
    }

    /// Whether T16 data processing sets the flags.
    fn outside_it(&self) -> bool {
        self.mode.it() == 0
    }

    /// No row matches.
    fn undecoded(&mut self, _insn: u32) -> Out {
        self.undefined()
    }

    /// Data byte order.
    pub(crate) fn big_endian(&self) -> bool {
        self.mode.big_endian()
    }
}

#[cfg(test)]
mod tests;

/// The first address of what a fetch needs.
const fn va(pc: u32) -> GuestVa {
    GuestVa(pc as u64)
}
