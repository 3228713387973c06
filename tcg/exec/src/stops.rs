//! Breakpoints and watchpoints. Guest memory is not changed: a block ends in front of a breakpoint, and one that
//! begins there only comes back. While there are watchpoints, user mode runs instructions one at a time by the interpreter,
//! which looks at each access; in a machine the pages of watchpoints are in no soft TLB, so that accesses to them come to
//! the slow path, which has those that are watched run by the interpreter. Nobody pays for any of it while there are none.

use crate::Exit;
use crate::engine::Engine;
use crate::lock::Lock;
use crate::source::{Guarded, Source};
use crate::vcpu::{Cpu, Next};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use tcg_ir::{Block, Builder, ExitInfo, ExitKind, Op, Value};
use tcg_mem::{Access, FaultKind, GuestVa, MemFault};
use tcg_target::BlockLimits;

/// The trap code of a block at a breakpoint; no ISA's.
pub(crate) const BREAK: u32 = u32::MAX;
/// That of a block in place of a window (`window.rs`).
pub(crate) const NOT_ALONE: u32 = u32::MAX - 1;
/// That of a block in place of an instruction that only the interpreter can run.
pub(crate) const INTERPRETED: u32 = u32::MAX - 2;

/// Accesses that a watchpoint stops at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watchpoint {
    /// First address.
    pub start: u64,
    /// Bytes.
    pub len: u64,
    /// Loads stop.
    pub read: bool,
    /// Stores stop.
    pub write: bool,
}

/// A watched access that happened, or is about to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchHit {
    /// The watchpoint.
    pub point: Watchpoint,
    /// What the instruction does there.
    pub access: Access,
}

/// Single instructions in IR by address and mode.
#[derive(Default)]
pub(crate) struct Cached {
    /// The number of the last invalidation when they were made.
    since: u64,
    insns: HashMap<(u64, u32), Rc<Block>>,
}

#[derive(Default)]
struct Lists {
    /// Sorted, without tag bits.
    breaks: Vec<u64>,
    watches: Vec<Watchpoint>,
    /// A watched access is called off, so that the stop is in front of its instruction.
    before: bool,
}

/// The engine's breakpoints and watchpoints.
pub(crate) struct Stops {
    breaking: AtomicBool,
    watching: AtomicBool,
    lists: Lock<Lists>,
}

impl Default for Stops {
    fn default() -> Stops {
        Stops {
            breaking: AtomicBool::new(false),
            watching: AtomicBool::new(false),
            lists: Lock::new(Lists::default()),
        }
    }
}

impl Stops {
    pub(crate) fn breaking(&self) -> bool {
        self.breaking.load(Ordering::Relaxed)
    }

    pub(crate) fn watching(&self) -> bool {
        self.watching.load(Ordering::Relaxed)
    }

    fn is_break(&self, pc: u64) -> bool {
        self.breaking() && self.lists.lock().breaks.binary_search(&(pc & !1)).is_ok()
    }

    /// The watchpoint that an access touches, and whether it is to be called off.
    pub(crate) fn hit(&self, va: u64, len: u64, access: Access) -> Option<(WatchHit, bool)> {
        let lists = self.lists.lock();
        let wanted = |w: &&Watchpoint| match access {
            Access::Write => w.write,
            _ => w.read,
        };
        let touches = |w: &&Watchpoint| {
            va < w.start.saturating_add(w.len) && w.start < va.saturating_add(len)
        };
        let mut watches = lists.watches.iter();
        let point = *watches.find(|w| wanted(w) && touches(w))?;
        Some((WatchHit { point, access }, lists.before))
    }

    /// Whether anything in a page is watched.
    pub(crate) fn watches_page(&self, page: u64) -> bool {
        self.watching() && {
            let lists = self.lists.lock();
            let mut watches = lists.watches.iter();
            watches.any(|w| w.start <= page | 0xfff && page < w.start.saturating_add(w.len))
        }
    }
}

/// A block in place of `ir` that only leaves, with this trap code.
pub(crate) fn block_that_leaves(engine: &Engine, ir: &Block, code: u32) -> Block {
    let mut b = Builder::new(ir.pc, ir.mode, engine.isa.layout());
    b.insn_start(ir.pc, ir.mode);
    let kind = ExitKind::Trap { code, info: 0 };
    let info = ExitInfo {
        kind,
        pc: ir.pc,
        mode: ir.mode,
        mode_dynamic: false,
        ret_pc: 0,
        dead: 0,
        check: false,
    };
    b.exit(info, Value::NONE);
    let mut block = b.finish();
    block.fp = ir.fp;
    (block.start_pc, block.end_pc) = (ir.start_pc, ir.end_pc);
    block
}

impl Engine {
    /// The instructions with these addresses (without tag bits) are stopped at from now on, and no others. To be
    /// called while no virtual CPU runs.
    pub fn set_breakpoints(&self, breaks: &[u64]) {
        let mut new = breaks.to_vec();
        new.sort_unstable();
        new.dedup();
        let old = {
            let mut lists = self.stops.lists.lock();
            std::mem::replace(&mut lists.breaks, new.clone())
        };
        self.stops.breaking.store(!new.is_empty(), Ordering::SeqCst);
        let differs = |a: &[u64], b: &[u64]| {
            let only: Vec<u64> = a
                .iter()
                .filter(|x| b.binary_search(x).is_err())
                .copied()
                .collect();
            only
        };
        if self.machine.is_some() {
            return self.flush();
        }
        for at in differs(&old, &new).into_iter().chain(differs(&new, &old)) {
            self.invalidate(GuestVa(at), 1);
        }
    }

    /// These accesses are stopped at from now on, and no others: in front of the instruction (`before`), which then
    /// has not run, or behind it. To be called while no virtual CPU runs.
    pub fn set_watchpoints(&self, watches: &[Watchpoint], before: bool) {
        let mut lists = self.stops.lists.lock();
        lists.watches = watches.to_vec();
        lists.before = before;
        self.stops
            .watching
            .store(!watches.is_empty(), Ordering::SeqCst);
        if let Some(machine) = &self.machine {
            for tlb in machine.tlbs.lock().iter() {
                tlb.stale.store(true, Ordering::Release);
            }
        }
    }

    /// Whether there is a breakpoint at an address (without tag bits).
    pub fn has_breakpoint(&self, pc: u64) -> bool {
        self.stops.is_break(pc)
    }

    /// As [`Engine::source`], up to the next breakpoint.
    pub(crate) fn source_to_stop(
        &self,
        pc: u64,
        mode: u32,
        limits: BlockLimits,
        guarded: Guarded,
    ) -> Result<Source, MemFault> {
        if self.stops.is_break(pc) {
            let mut source = self.source(pc, mode, BlockLimits::full(1), guarded)?;
            source.ir = block_that_leaves(self, &source.ir, BREAK);
            return Ok(source);
        }
        let source = self.source(pc, mode, limits, guarded)?;
        let starts = source.ir.insts.iter().filter(|i| i.op == Op::InsnStart);
        let before = starts
            .skip(1)
            .position(|i| self.stops.is_break(i.imm as u64));
        match before {
            Some(n) => self.source(pc, mode, BlockLimits::full(n as u32 + 1), guarded),
            None => Ok(source),
        }
    }
}

impl Cpu {
    /// Whether an access of translated code is watched.
    pub(crate) fn is_watched(&self, va: u64, len: usize, access: Access) -> bool {
        let stops = &self.engine.stops;
        stops.watching() && !self.unwatched.get() && stops.hit(va, len as u64, access).is_some()
    }

    /// An access by the interpreter: notes whether it is watched, and calls it off if the stop is to be before it.
    pub(crate) fn watch(&self, va: GuestVa, len: usize, access: Access) -> Result<(), MemFault> {
        if !self.engine.stops.watching() || self.unwatched.get() {
            return Ok(());
        }
        let Some((hit, before)) = self.engine.stops.hit(va.0, len as u64, access) else {
            return Ok(());
        };
        self.watch_hit.set(Some(hit));
        if before {
            let kind = FaultKind::Protection;
            return Err(MemFault { va, access, kind });
        }
        Ok(())
    }

    /// The dispatch loop while accesses are watched.
    pub(crate) fn run_watched(&self) -> Next {
        while self.env.interrupt().load(Ordering::Relaxed) == 0 {
            if self.engine.stops.is_break(self.pc()) {
                return Next::Leave(Exit::Break);
            }
            if let Some(exit) = self.one_cached_insn() {
                return Next::Leave(exit);
            }
        }
        Next::Again
    }

    /// As `one_insn`, with instructions kept until any code changes.
    fn one_cached_insn(&self) -> Option<Exit> {
        if self.sys.is_some() {
            return self.one_insn();
        }
        let (pc, mode) = (self.pc(), self.mode());
        let now = self.engine.invalidations.load(Ordering::Acquire);
        let mut cached = self.watched.borrow_mut();
        if cached.since != now {
            cached.since = now;
            cached.insns.clear();
        }
        let ir = match cached.insns.get(&(pc, mode)) {
            Some(ir) => Rc::clone(ir),
            None => match self
                .engine
                .source(pc, mode, BlockLimits::full(1), Guarded::Yes)
            {
                Err(fault) => return Some(Exit::Fault(fault)),
                // Code on pages that cannot be protected is read each time.
                Ok(source) if !source.verify.is_empty() => Rc::new(source.ir),
                Ok(source) => {
                    let ir = Rc::new(source.ir);
                    cached.insns.insert((pc, mode), Rc::clone(&ir));
                    ir
                }
            },
        };
        drop(cached);
        self.run_alone(&ir)
    }

    /// What an instruction that was run alone ended with, if it met a watchpoint.
    pub(crate) fn watch_exit(&self, exit: Option<Exit>) -> Option<Exit> {
        match self.watch_hit.take() {
            Some(hit) => Some(Exit::Watch(hit)),
            None => exit,
        }
    }
}
