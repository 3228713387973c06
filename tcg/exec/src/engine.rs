//! The engine: everything that the threads of a guest share.

use crate::block::{PAGE_BITS, PageIndex, TransBlock};
use crate::codebuf::{CodeBuffer, CodeMap};
use crate::codepages::Machine;
use crate::fault;
use crate::kept::Kept;
use crate::lock::{Guard, Lock};
use crate::observe::Hooks;
use crate::safepoint::Safepoint;
use crate::stats::{Counters, Stats};
use crate::stops::Stops;
use crate::table::{Table, Writer};
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use tcg_debug::{Observer, log_mask};
use tcg_mem::{Access, FaultKind, GuestVa, MemFault, UserMem};
use tcg_target::{CodeMemory, CodeUser, Isa, WriteFault};

/// What runs the guest's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Translation to host code.
    Jit,
    /// The interpreter of the IR: slow, and the oracle of the other.
    Interp,
}

/// Choices made when an engine is created.
#[derive(Clone, Copy, Debug)]
pub struct EngineConfig {
    /// What runs the guest's code.
    pub backend: Backend,
    /// Blocks of one guest instruction each.
    pub one_insn_per_tb: bool,
    /// Count instructions ([`tcg_target::CpuSocket::counter`]).
    pub counted: bool,
    /// Longest block in guest instructions.
    pub max_insns: u32,
    /// A block is translated only up to its first exit until it has run so often; 0: never.
    pub brief_runs: i32,
    /// Only the first so many translations are brief: a program's start runs through much code once.
    pub brief_blocks: u64,
    /// Size of the code buffer (only what is used gets memory).
    pub code_bytes: usize,
    /// Size of a thread's paired-return stack.
    pub return_stack_bytes: usize,
    /// Generate code for the least host that is supported, whatever this one has.
    pub baseline_host: bool,
    /// Check every block's IR; a broken one ends the emulator.
    pub verify_ir: bool,
}

impl Default for EngineConfig {
    fn default() -> EngineConfig {
        EngineConfig {
            backend: Backend::Jit,
            one_insn_per_tb: false,
            counted: false,
            max_insns: 64,
            brief_runs: 256,
            brief_blocks: 2048,
            code_bytes: 256 << 20,
            return_stack_bytes: 256 << 10,
            baseline_host: false,
            verify_ir: false,
        }
    }
}

/// How many recent invalidations are remembered for translations that are under way.
const RECENT: usize = 64;

/// What changes under the engine's lock.
pub(crate) struct Inner {
    pub table: Writer,
    pub pages: PageIndex,
    /// All blocks since the last flush.
    pub blocks: Vec<*mut TransBlock>,
    /// The page ranges of the last invalidations; number n is at n % RECENT.
    recent: [(u64, u64); RECENT],
    /// A block that goes round inside has become invalid.
    stale_loops: bool,
}

impl Inner {
    /// Whether any of `pages` was invalidated since invalidation number `since`; `now` is the current number.
    pub(crate) fn changed(&self, pages: &[u64], since: u64, now: u64) -> bool {
        if now - since > RECENT as u64 {
            return true;
        }
        (since..now).any(|n| {
            let (first, last) = self.recent[n as usize % RECENT];
            pages.iter().any(|p| (first..=last).contains(p))
        })
    }
}

// SAFETY: the block pointers are owned by the engine and only followed under its lock.
unsafe impl Send for Inner {}

/// The part of execution that all threads of a guest share: translations and the way to make them.
pub struct Engine {
    pub(crate) isa: &'static dyn Isa,
    pub(crate) mem: UserMem,
    pub(crate) code_memory: Arc<dyn CodeMemory>,
    pub(crate) cfg: EngineConfig,
    pub(crate) code: CodeBuffer,
    pub(crate) code_map: CodeMap,
    pub(crate) table: Table,
    pub(crate) inner: Lock<Inner>,
    pub(crate) inline_caches: Lock<()>,
    pub(crate) safepoint: Safepoint,
    pub(crate) counters: Counters,
    pub(crate) hooks: Hooks,
    /// System mode.
    pub(crate) machine: Option<Machine>,
    pub(crate) stops: Stops,
    /// Translations of earlier runs.
    pub(crate) kept: OnceLock<Kept>,
    pub(crate) helpers: Box<[tcg_ir::HelperFn]>,
    /// Number of invalidations so far.
    pub(crate) invalidations: AtomicU64,
    /// Estimated bytes of IR kept for the interpreter, limited as the code buffer is.
    pub(crate) ir_bytes: AtomicUsize,
    parallel: AtomicBool,
    /// Bytes of the code buffer that a flush keeps.
    keep: usize,
}

// SAFETY: the raw pointers are only followed as their fields' comments say; everything else is Sync.
unsafe impl Sync for Engine {}
// SAFETY: as above.
unsafe impl Send for Engine {}

impl Engine {
    /// An engine for a guest of this ISA in this memory; `code_memory` knows which of it is code.
    pub fn new(
        isa: &'static dyn Isa,
        mem: UserMem,
        code_memory: Arc<dyn CodeMemory>,
        cfg: EngineConfig,
    ) -> io::Result<Arc<Engine>> {
        Engine::make(isa, mem, code_memory, cfg, None)
    }

    /// An engine for the CPUs of a machine. The ISA must have a system level.
    pub fn new_system(isa: &'static dyn Isa, cfg: EngineConfig) -> io::Result<Arc<Engine>> {
        let unsupported = || io::Error::other(format!("{} has no system level", isa.name()));
        let machine = Machine::new(isa.system().ok_or_else(unsupported)?);
        let mem = UserMem::identity();
        Engine::make(isa, mem, Arc::new(NoCode), cfg, Some(machine))
    }

    fn make(
        isa: &'static dyn Isa,
        mem: UserMem,
        code_memory: Arc<dyn CodeMemory>,
        cfg: EngineConfig,
        machine: Option<Machine>,
    ) -> io::Result<Arc<Engine>> {
        // The interpreter needs no code, but a handful of bytes keeps everything else the same.
        let code_bytes = match cfg.backend {
            Backend::Jit => cfg.code_bytes.clamp(64 << 10, 1 << 30),
            Backend::Interp => 4096,
        };
        let code = CodeBuffer::new(code_bytes)?;
        let mut engine = Engine {
            isa,
            mem,
            code_memory,
            cfg,
            code_map: CodeMap::new(code.base(), code_bytes)?,
            code,
            table: Table::new(),
            inner: Lock::new(Inner {
                table: Writer::default(),
                pages: PageIndex::default(),
                blocks: Vec::new(),
                recent: [(0, 0); RECENT],
                stale_loops: false,
            }),
            inline_caches: Lock::new(()),
            safepoint: Safepoint::new(),
            counters: Counters::default(),
            hooks: Hooks::default(),
            machine,
            stops: Stops::default(),
            kept: OnceLock::new(),
            helpers: crate::jit::helper_table(isa),
            invalidations: AtomicU64::new(0),
            ir_bytes: AtomicUsize::new(0),
            parallel: AtomicBool::new(false),
            keep: 0,
        };
        engine.write_trampolines()?;
        engine.keep = engine.code.used();
        let engine = Arc::new(engine);
        fault::register(&engine)?;
        Ok(engine)
    }

    /// The instruction set.
    pub fn isa(&self) -> &'static dyn Isa {
        self.isa
    }

    /// The guest's memory.
    pub fn mem(&self) -> &UserMem {
        &self.mem
    }

    /// Translations of this range are out of date: it was unmapped or mapped over. Works by whole pages.
    ///
    /// Takes the engine's lock for a short time, so it must not be called with a lock held that [`CodeMemory`]'s
    /// functions take: the engine's lock comes first.
    pub fn invalidate(&self, start: GuestVa, len: u64) {
        if len != 0 {
            let last = start.0.saturating_add(len - 1) >> PAGE_BITS;
            let mut inner = self.inner.lock();
            self.drop_pages(&mut inner, start.0 >> PAGE_BITS, last);
            inner.pages.forget_faults(start.0 >> PAGE_BITS, last);
            self.unlock(inner);
        }
    }

    /// Invalidates the blocks of one page that are made of some of its bytes.
    pub(crate) fn drop_bytes(&self, inner: &mut Inner, page: u64, bytes: Range<usize>) {
        Counters::bump(&self.counters.invalidations);
        let n = self.invalidations.load(Ordering::Relaxed);
        inner.recent[n as usize % RECENT] = (page, page);
        self.invalidations.store(n + 1, Ordering::Release);
        let hit = |block: *mut TransBlock| {
            // SAFETY: blocks live until a flush, which takes the lock.
            let (from, to) = unsafe { (*block).bytes };
            usize::from(from) < bytes.end && bytes.start < usize::from(to)
        };
        for block in inner.pages.take_some(page, hit) {
            // SAFETY: as above.
            let b = unsafe { &*block };
            if b.invalidate() {
                self.unlink(b, inner);
            }
        }
    }

    /// Frees the lock; whoever may be going round in code that has become invalid comes out.
    pub(crate) fn unlock(&self, mut inner: Guard<'_, Inner>) {
        let stale = std::mem::take(&mut inner.stale_loops);
        drop(inner);
        if stale {
            self.safepoint.call();
        }
    }

    /// Gives up the translations of a protected page, then its protection. In this order and under the lock, so that
    /// who finds the page writable finds no translation of its old contents. `by_write`: the guest wrote to it.
    pub(crate) fn release_page(&self, page: GuestVa, by_write: bool) {
        let mut inner = self.inner.lock();
        if by_write {
            Counters::bump(&self.counters.code_write_faults);
        }
        self.code_memory.release_code(page, &mut |start, len| {
            let (first, last) = (start.0 >> PAGE_BITS, (start.0 + len - 1) >> PAGE_BITS);
            self.drop_pages(&mut inner, first, last);
            if by_write {
                inner.pages.note_fault(first);
            }
        });
        self.unlock(inner);
    }

    /// Invalidates the blocks of some pages.
    fn drop_pages(&self, inner: &mut Inner, first: u64, last: u64) {
        Counters::bump(&self.counters.invalidations);
        let n = self.invalidations.load(Ordering::Relaxed);
        inner.recent[n as usize % RECENT] = (first, last);
        self.invalidations.store(n + 1, Ordering::Release);
        for block in inner.pages.take(first, last) {
            // SAFETY: blocks live until a flush, which takes the lock.
            let b = unsafe { &*block };
            if b.invalidate() {
                self.unlink(b, inner);
                for page in b.pages.iter().filter(|p| !(first..=last).contains(*p)) {
                    inner.pages.remove(b, *page);
                }
            }
        }
    }

    /// Invalidates one block, which found its guest code changed.
    pub(crate) fn invalidate_block(&self, block: &TransBlock) {
        Counters::bump(&self.counters.verify_misses);
        self.retire(block);
    }

    /// Takes one block out of use.
    pub(crate) fn retire(&self, block: &TransBlock) {
        let mut inner = self.inner.lock();
        if block.invalidate() {
            self.unlink(block, &mut inner);
            for page in &block.pages {
                inner.pages.remove(block, *page);
            }
        }
        self.unlock(inner);
    }

    /// Makes an invalid block unreachable: out of the table, and its entry leads to a lookup.
    fn unlink(&self, block: &TransBlock, inner: &mut Inner) {
        self.table.remove(block);
        inner.stale_loops |= block.loops;
        if block.entry != 0 {
            self.detour(block, inner);
        }
        Counters::bump(&self.counters.invalidated);
    }

    /// Other threads, or processes through shared memory, are about to appear: from now on atomics are real.
    /// Called by the only thread, outside of [`crate::Vcpu::run`].
    pub fn set_parallel(&self) {
        if !self.parallel.swap(true, Ordering::AcqRel) {
            self.flush();
        }
    }

    /// Whether [`Engine::set_parallel`] was called.
    pub fn is_parallel(&self) -> bool {
        self.parallel.load(Ordering::Acquire)
    }

    /// Drops all translations. Called by a thread that is not inside [`crate::Vcpu::run`].
    pub fn flush(&self) {
        self.flush_since(self.safepoint.generation());
    }

    /// The same, unless it has happened since generation `seen`.
    pub(crate) fn flush_since(&self, seen: u64) {
        self.safepoint.stop_all(seen, || {
            let mut inner = self.inner.lock();
            self.table.reset(&mut inner.table);
            inner.pages.reset();
            if let Some(machine) = &self.machine {
                machine.reset_filter();
            }
            self.code_map.reset(self.code.used());
            self.code.reset(self.keep);
            self.ir_bytes.store(0, Ordering::Relaxed);
            for block in inner.blocks.drain(..) {
                // SAFETY: made by Box::into_raw; no virtual CPU holds blocks at a safepoint.
                drop(unsafe { Box::from_raw(block) });
            }
            Counters::bump(&self.counters.flushes);
        });
    }

    /// Before a fork: takes the engine's locks, so that the child gets everything in one piece. The calling
    /// thread must go on with [`Engine::after_fork_parent`] or [`Engine::after_fork_child`].
    pub fn before_fork(&self) {
        self.safepoint.hold();
        std::mem::forget(self.inner.lock());
        std::mem::forget(self.inline_caches.lock());
        self.hold_kept();
    }

    /// After a fork, in the parent (also when it failed).
    pub fn after_fork_parent(&self) {
        // SAFETY: `before_fork` took the locks.
        unsafe {
            self.release_kept();
            self.inline_caches.force_unlock();
            self.inner.force_unlock();
            self.safepoint.release();
        }
    }

    /// After a fork, in the child: only the calling thread exists.
    pub fn after_fork_child(&self) {
        self.after_fork_parent();
        self.counters.reset();
        self.forget_kept();
        self.safepoint.alone();
    }

    /// What has happened so far. Counts of virtual CPUs are included when these are dropped.
    pub fn stats(&self) -> Stats {
        self.counters.read()
    }

    /// The same, with those of the virtual CPUs that there are.
    pub fn stats_of_all(&self) -> Stats {
        let mut total = self.counters.read();
        self.safepoint.add_counters(&mut total);
        total
    }

    /// Sets what is reported ([`log_mask`]). Call it before the guest starts, or expect linked code to go unreported.
    pub fn set_log_mask(&self, mask: u32) {
        self.hooks.set_mask(mask);
    }

    /// Sets who gets the reports, once; false if it was set before.
    pub fn set_observer(&self, observer: Box<dyn Observer>) -> bool {
        self.hooks.set_observer(observer)
    }

    /// Tells who gets the reports that this is the child of a fork.
    pub fn forked_child(&self) {
        if let Some(o) = self.hooks.on(u32::MAX) {
            o.forked_child();
        }
    }

    /// Whether blocks must not be linked.
    pub(crate) fn no_chain(&self) -> bool {
        self.hooks
            .has(log_mask::EXEC | log_mask::CPU | log_mask::NOCHAIN)
    }
}

/// The code memory of a machine's engine, which is not asked.
struct NoCode;

impl CodeMemory for NoCode {
    fn fetch(&self, va: GuestVa, _: &mut [u8]) -> Result<usize, MemFault> {
        Err(MemFault {
            va,
            access: Access::Exec,
            kind: FaultKind::Unmapped,
        })
    }

    fn protect_code(&self, _: GuestVa, _: u64) -> bool {
        false
    }

    fn classify(&self, va: GuestVa, access: Access) -> WriteFault {
        WriteFault::Fault(MemFault {
            va,
            access,
            kind: FaultKind::Unmapped,
        })
    }

    fn release_code(&self, _: GuestVa, _: &mut dyn FnMut(GuestVa, u64)) {}
}

impl CodeUser for Engine {
    fn invalidate(&self, va: GuestVa, len: u64) {
        Engine::invalidate(self, va, len);
    }

    fn release(&self, page: GuestVa) {
        self.release_page(page, false);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        fault::unregister(self);
        for block in self.inner.lock().blocks.drain(..) {
            // SAFETY: made by Box::into_raw; no virtual CPU is left, each holds a reference to the engine.
            drop(unsafe { Box::from_raw(block) });
        }
    }
}
