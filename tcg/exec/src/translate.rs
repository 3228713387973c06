//! Making a block: fetch, translate and compile without locks, then publish under the engine's lock.
//!
//! Pages are write-protected *before* their bytes are read. A write that comes in between faults, is entered in
//! the list of recent invalidations, and publishing notices that and starts again.

use crate::block::{Links, Pages, Piece, TransBlock};
use crate::codebuf::ALIGN;
use crate::engine::{Backend, Engine};
use crate::jit::{Compiled, Compiler};
use crate::prefix::{self, Wrapped};
use crate::source::{Guarded, Source, fetch_from};
use crate::stats::Counters;
use crate::stops::{self, INTERPRETED};
use std::sync::atomic::Ordering;
use std::time::Instant;
use tcg_debug::log_mask;
use tcg_ir::{Block, Op};
use tcg_mem::{GuestVa, MemFault};
use tcg_target::{BlockLimits, SysFault};
use tcg_x64::Opts;

/// Why there is no block.
pub(crate) enum Failed {
    /// The first instruction cannot be fetched.
    Fetch(MemFault),
    /// There is no room: a flush is needed.
    Full,
    /// System mode: the guest's MMU refuses.
    Refused(SysFault),
    /// System mode: the code is not in memory, or its first instruction goes on in another page. Run that alone.
    Alone,
}

/// Where a block comes from.
#[derive(Clone, Copy)]
pub(crate) enum Origin {
    /// So many guest instructions were translated for it.
    Translated(u32),
    /// An earlier run.
    Kept,
}

/// The code with what has to stand in front of it, if anything.
pub(crate) fn wrapped(verify: &[Piece], brief: bool, code: &[u8]) -> Option<Wrapped> {
    match (verify, brief) {
        ([], false) => None,
        ([], true) => Some(prefix::counting()),
        (pieces, _) => Some(prefix::verifying(pieces, code.len())),
    }
}

/// A block that nothing is known of but where it is.
fn bare(source: &Source, guarded: Guarded) -> TransBlock {
    let mut block = TransBlock::bare(source.ir.pc, source.ir.mode);
    block.phys = guarded.phys();
    block.bytes = source.read;
    block
}

/// If a helper's call that may reach the machine is followed by other instructions: how many there are up to it. Where
/// instructions are counted, what it changes (a timer) holds from the next instruction on.
fn insns_to_call(ir: &Block) -> Option<u32> {
    let calls = |i: &&tcg_ir::Inst| i.calls_with_state();
    let at = ir.insts.iter().position(|i| calls(&i))?;
    let starts = |insts: &[tcg_ir::Inst]| insts.iter().filter(|i| i.op == Op::InsnStart).count();
    let (up_to, behind) = (starts(ir.insts.get(..at)?), starts(ir.insts.get(at..)?));
    (behind > 0).then_some(up_to as u32)
}

impl Engine {
    /// One instruction in IR, not kept and not protected.
    pub(crate) fn one_insn(&self, pc: u64, mode: u32) -> Result<Block, MemFault> {
        Ok(self.source(pc, mode, BlockLimits::full(1), Guarded::No)?.ir)
    }

    /// Translates the block at `pc` and enters it in the table. `brief`: it has not run yet, and may not run often.
    #[cold]
    pub(crate) fn translate(
        &self,
        pc: u64,
        mode: u32,
        guarded: Guarded,
        brief: bool,
        compiler: &mut Compiler,
    ) -> Result<&TransBlock, Failed> {
        if let Some(kept) = self.revive(pc, mode, guarded, brief) {
            return kept;
        }
        let start = Instant::now();
        let mut limits = BlockLimits {
            max_insns: match self.cfg.one_insn_per_tb
                || self.cfg.counted && self.cfg.backend == Backend::Interp
            {
                true => 1,
                false => self.cfg.max_insns.max(1),
            },
            brief: brief && self.starts_up(),
        };
        let mut interpreted = false;
        let block = loop {
            let since = self.invalidations.load(Ordering::Acquire);
            if let (Guarded::Page(host), Some(machine)) = (guarded, &self.machine) {
                self.mark_page(machine, host);
            }
            let source = match self.stops.breaking() {
                false => self.source(pc, mode, limits, guarded),
                true => self.source_to_stop(pc, mode, limits, guarded),
            };
            let mut source = self.source_to_window(source.map_err(Failed::Fetch)?, limits)?;
            if let (true, Some(n)) = (self.cfg.counted, insns_to_call(&source.ir)) {
                limits.max_insns = n;
                continue;
            }
            if interpreted {
                source.ir = stops::block_that_leaves(self, &source.ir, INTERPRETED);
                source.whole = None;
            }
            if self.cfg.verify_ir {
                self.check(&source.ir);
            }
            let made = match self.cfg.backend {
                Backend::Interp => self.publish_ir(source, since, guarded),
                Backend::Jit => match self.compile(compiler, &source, limits) {
                    Some(c) => {
                        self.report(&source.ir, c.code.split_at(c.constants), guarded);
                        self.note_kept(&source, &c, limits);
                        let made = self.publish_code(&mut source, c, limits, since, guarded);
                        source.ir.recycle();
                        made
                    }
                    None => {
                        // An instruction that is too complex even alone is left to the interpreter.
                        let max = limits.max_insns.min(source.ir.guest_insns);
                        interpreted = max <= 1;
                        limits.max_insns = (max / 2).max(1);
                        continue;
                    }
                },
            };
            match made {
                Ok(Some(block)) => break block,
                Ok(None) => Counters::bump(&self.counters.dropped),
                Err(full) => return Err(full),
            }
        };
        let ns = start.elapsed().as_nanos() as u64;
        self.counters.translate_ns.fetch_add(ns, Ordering::Relaxed);
        Ok(block)
    }

    /// Whether code that is new is likely to run only a few times: until a program has settled, or writes code itself.
    fn starts_up(&self) -> bool {
        let cfg = &self.cfg;
        let wanted = cfg.backend == Backend::Jit && cfg.brief_runs != 0;
        let blocks = self.counters.blocks.load(Ordering::Relaxed);
        let writes = self.counters.code_write_faults.load(Ordering::Relaxed);
        wanted && blocks < cfg.brief_blocks && writes == 0
    }

    fn compile<'a>(
        &self,
        compiler: &'a mut Compiler,
        source: &Source,
        limits: BlockLimits,
    ) -> Option<Compiled<'a>> {
        // Code that is verified at entry has to come back to the entry, and reports want to see every round.
        let loops = source.verify.is_empty() && !self.stops.breaking() && !self.no_chain();
        let opts = Opts {
            parallel: self.is_parallel(),
            window: self.machine.is_none() && !self.mem.is_identity(),
            unmask: self.machine.is_none(),
            mmu: self
                .machine
                .as_ref()
                .map(|m| m.system.mmu_index(source.ir.mode, false)),
            counted: self.cfg.counted,
            loops: loops && !self.cfg.counted && limits.max_insns > 1 && !limits.brief,
            max_regs: 0,
        };
        compiler.compile(&source.ir, self.isa, &self.cfg, opts)
    }

    /// Ends the emulator if a block breaks the rules of the IR.
    fn check(&self, ir: &Block) {
        if let Err(broken) = tcg_ir::verify(ir, self.isa.layout(), self.isa.helpers()) {
            panic!(
                "broken IR: {broken:?}\n{}",
                tcg_ir::text::print(ir, self.isa.layout(), self.isa.helpers())
            );
        }
    }

    fn publish_ir(
        &self,
        source: Source,
        since: u64,
        guarded: Guarded,
    ) -> Result<Option<&TransBlock>, Failed> {
        self.report(&source.ir, (&[], &[]), guarded);
        let bytes = 256 + source.ir.insts.len() * size_of::<tcg_ir::Inst>();
        if self.ir_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > self.cfg.code_bytes {
            return Err(Failed::Full);
        }
        let mut block = bare(&source, guarded);
        let insns = source.ir.guest_insns;
        block.pages = Pages::from_vec(source.pages);
        block.verify = source.verify.into();
        block.ir = Some(Box::new(source.ir));
        self.publish(block, Origin::Translated(insns), &[], None, since)
    }

    fn publish_code(
        &self,
        source: &mut Source,
        c: Compiled<'_>,
        limits: BlockLimits,
        since: u64,
        guarded: Guarded,
    ) -> Result<Option<&TransBlock>, Failed> {
        let mut block = bare(source, guarded);
        block.maps = c.maps.to_vec().into();
        block.fp_sites = c.fp_sites.into();
        block.links = Links::Made(c.links);
        block.loops = c.loops;
        block.pages = Pages::from_slice(&source.pages);
        let insns = source.ir.guest_insns;
        let wrapped = wrapped(&source.verify, limits.brief, c.code);
        block.verify = std::mem::take(&mut source.verify).into();
        let origin = Origin::Translated(insns);
        self.publish(block, origin, c.code, wrapped.as_ref(), since)
    }

    /// Enters a block, or gives the one that another thread entered first, or `None` if its guest code changed since
    /// invalidation number `since`.
    pub(crate) fn publish(
        &self,
        mut block: TransBlock,
        origin: Origin,
        code: &[u8],
        wrapped: Option<&Wrapped>,
        since: u64,
    ) -> Result<Option<&TransBlock>, Failed> {
        let parts = match wrapped {
            Some(w) => [&w.head, code, w.tail],
            None => [&[], code, &[]],
        };
        let mut inner = self.inner.lock();
        let now = self.invalidations.load(Ordering::Relaxed);
        if inner.changed(&block.pages, since, now) {
            return Ok(None);
        }
        if let Some(first) = self.table.get(block.pc, block.mode, block.phys) {
            Counters::bump(&self.counters.dropped);
            return Ok(Some(first));
        }
        if !code.is_empty() {
            if self.code_map.is_full() {
                return Err(Failed::Full);
            }
            let align = if block.loops {
                tcg_x64::LOOP_ALIGN as usize
            } else {
                ALIGN
            };
            block.entry = self.code.append_at(align, parts).ok_or(Failed::Full)?;
            block.body = parts[0].len();
            block.code_len = parts.iter().map(|p| p.len()).sum();
            if let Some(w) = wrapped {
                self.connect(&mut block, w)?;
            }
        }
        let raw = Box::into_raw(Box::new(block));
        inner.blocks.push(raw);
        // SAFETY: just made; freed at a flush only.
        let block = unsafe { &*raw };
        if block.entry != 0 {
            self.code_map.push(raw, block.entry);
        }
        inner.pages.insert(raw, &block.pages);
        self.table.insert(&mut inner.table, raw);
        drop(inner);
        if let Some(o) = self.hooks.on(log_mask::PUBLISHED) {
            o.published(self.isa, block.pc, block.entry, &parts.concat());
        }
        let c = &self.counters;
        match origin {
            Origin::Translated(insns) => {
                Counters::bump(&c.blocks);
                c.guest_insns.fetch_add(u64::from(insns), Ordering::Relaxed);
            }
            Origin::Kept => Counters::bump(&c.revived),
        }
        c.code_bytes
            .fetch_add(block.code_len as u64, Ordering::Relaxed);
        Ok(Some(block))
    }

    /// Fills in what the code around a block's body refers to.
    fn connect(&self, block: &mut TransBlock, w: &Wrapped) -> Result<(), Failed> {
        let call = block.entry + w.call;
        self.code.fill_rel32(call, self.changed_trampoline());
        if let Some(at) = w.counter {
            let runs = self.code.counter(self.cfg.brief_runs);
            let runs = runs.ok_or(Failed::Full)?;
            let before_immediate = runs.address() - 1;
            self.code.fill_rel32(block.entry + at, before_immediate);
            block.runs_left = Some(runs);
        }
        Ok(())
    }

    /// `host`: the code, and the constants behind it.
    fn report(&self, ir: &Block, host: (&[u8], &[u8]), guarded: Guarded) {
        let wanted = log_mask::IN_ASM | log_mask::OP | log_mask::OUT_ASM;
        let Some(observer) = self.hooks.on(wanted) else {
            return;
        };
        let start = ir.pc & !1;
        let len = ir.end_pc.saturating_sub(start).min(4096) as usize;
        let mut bytes = vec![0; len];
        let got = match guarded {
            Guarded::Page(host) => fetch_from(host, start, GuestVa(start), &mut bytes),
            _ => self.code_memory.fetch(GuestVa(start), &mut bytes),
        };
        let got = got.unwrap_or(0);
        bytes.truncate(got);
        observer.translated(self.isa, ir, &bytes, host.0, host.1);
    }
}
