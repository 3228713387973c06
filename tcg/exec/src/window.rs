//! Load-linked and store-conditional pairs with other loads in between.
//!
//! Translations take a store-conditional for a compare-and-swap with the value that the load-linked saw. That is exact if
//! the new value depends on nothing else in memory: then a location that was changed and changed back is as good as one
//! that never was. But a program that loads more in between (what the head of a list points to) relies on the store
//! failing after any change. Such a window runs while all other virtual CPUs stand still (ADR 5).

use crate::engine::Engine;
use crate::source::{Guarded, Source};
use crate::stops::{self, NOT_ALONE};
use crate::vcpu::Cpu;
use crate::{Exit, translate};
use tcg_ir::{Block, Op, Slot};
use tcg_target::BlockLimits;

/// Instructions that a window may take; a program that needs more gets the compare-and-swap.
const LONGEST: u32 = 64;

/// What a block has of windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// None that matters.
    Nothing,
    /// One begins with this instruction.
    At(u32),
    /// One begins, and the block ends before it does.
    Unfinished,
}

/// Looks for a window with other loads. The slot holds the address of the reservation, all ones if there is none.
fn find(ir: &Block, reservation: Slot) -> Found {
    let mut insn = 0;
    // Where a reservation was made, and whether anything was loaded since.
    let mut open: Option<(u32, bool)> = None;
    for i in &ir.insts {
        match i.op {
            Op::InsnStart => insn += 1,
            Op::Set if i.imm as u64 == u64::from(reservation.off) => {
                let constant = ir.def(i.args[0]).op == Op::Const;
                open = (!constant).then_some((insn - 1, false));
            }
            Op::Load => open = open.map(|(at, _)| (at, true)),
            Op::AtomicCas => match open {
                Some((at, true)) => return Found::At(at),
                _ => open = None,
            },
            _ => {}
        }
    }
    match open {
        Some(_) => Found::Unfinished,
        None => Found::Nothing,
    }
}

impl Engine {
    /// Whether windows matter: other threads run. Not (yet) in a machine.
    fn watches_windows(&self) -> bool {
        self.is_parallel() && self.machine.is_none()
    }

    /// A block's source with respect to windows: up to the next one, or in place of one.
    pub(crate) fn source_to_window(
        &self,
        mut source: Source,
        limits: BlockLimits,
    ) -> Result<Source, translate::Failed> {
        let Some(slot) = self.isa.reservation().filter(|_| self.watches_windows()) else {
            return Ok(source);
        };
        let (pc, mode) = (source.ir.pc, source.ir.mode);
        let again = |limits| {
            self.source(pc, mode, limits, Guarded::Yes)
                .map_err(translate::Failed::Fetch)
        };
        let mut found = find(&source.ir, slot);
        if found == Found::Unfinished && limits.brief {
            source = again(BlockLimits::full(limits.max_insns))?;
            found = find(&source.ir, slot);
        }
        if found != Found::Nothing {
            source.whole = None;
        }
        match found {
            Found::At(0) => source.ir = stops::block_that_leaves(self, &source.ir, NOT_ALONE),
            Found::At(n) => source = again(BlockLimits::full(n))?,
            Found::Nothing | Found::Unfinished => {}
        }
        Ok(source)
    }
}

impl Cpu {
    /// Runs the window at the program counter by the interpreter, alone.
    pub(crate) fn run_window(&self) -> Option<Exit> {
        let mut exit = None;
        let start = self.pc();
        self.engine.safepoint.stop_others(|| {
            for _ in 0..LONGEST {
                exit = self.one_insn();
                let near = self.pc().wrapping_sub(start) < 4 * u64::from(LONGEST);
                if exit.is_some() || !near || !self.has_reservation() {
                    break;
                }
            }
        });
        exit
    }

    fn has_reservation(&self) -> bool {
        let Some(slot) = self.engine.isa.reservation() else {
            return false;
        };
        let from = usize::from(slot.off);
        let bytes = self.state().get(from..from + slot.ty.bytes() as usize);
        bytes.is_some_and(|b| b.iter().any(|b| *b != 0xff))
    }
}
