//! The virtual CPU: registers, caches, and the loop that runs guest code until the front end is needed.

use crate::block::TransBlock;
use crate::engine::{Backend, Engine};
use crate::env::{Env, fault_code, fault_of, kind};
use crate::jit::Compiler;
use crate::retstack::ReturnStack;
use crate::safepoint::{ENGINE_ASKS, Seat};
use crate::stats::{Counters, Stats};
use crate::stops::{self, WatchHit};
use crate::translate::Failed;
use crate::{Exit, asm, fault, fpflags};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use tcg_debug::log_mask;
use tcg_ir::Block;
use tcg_mem::MemFault;
use tcg_target::{EnvHeader, StateBlock};

/// A virtual CPU as the runtime functions see it. Shared references only: they run while `run` is on the stack.
pub(crate) struct Cpu {
    pub engine: Arc<Engine>,
    pub env: Env,
    pub returns: ReturnStack,
    seat: Arc<Seat>,
    compiler: RefCell<Compiler>,
    /// The generation of code that the caches belong to.
    generation: Cell<u64>,
    /// The mode that the header's MXCSR values are for.
    mxcsr_mode: Cell<Option<u32>>,
    /// A write of this CPU's current instruction hit a code page and was called off: run the instruction alone.
    pub self_modified: Cell<bool>,
    /// An instruction is being run alone: let its writes to code pages through.
    pub alone: Cell<bool>,
    /// What the last access by Rust code failed with, as the fault handler saw it.
    pub host_fault: Cell<Option<MemFault>>,
    /// A watched access of the instruction that is being run alone.
    pub watch_hit: Cell<Option<WatchHit>>,
    /// Instructions that are run alone again and again while accesses are watched.
    pub watched: RefCell<stops::Cached>,
    /// That instruction may do what it likes.
    pub unwatched: Cell<bool>,
}

/// What the loop does after a piece of guest code.
pub(crate) enum Next {
    /// Back to the front end.
    Leave(Exit),
    /// On, through the safepoint.
    Again,
    /// Flush first.
    Flush,
    /// Run one instruction alone first.
    OneInsn,
    /// Run a window while nobody else runs.
    Window,
}

impl Cpu {
    /// The header. Generated code, helpers and this thread write it, never at the same time.
    fn header(&self) -> *mut EnvHeader {
        self.env.header()
    }

    pub(crate) fn pc(&self) -> u64 {
        // SAFETY: the header is live and only this thread uses these fields.
        unsafe { (*self.header()).pc }
    }

    pub(crate) fn set_pc(&self, pc: u64) {
        // SAFETY: as above.
        unsafe { (*self.header()).pc = pc }
    }

    pub(crate) fn mode(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.header()).mode }
    }

    pub(crate) fn set_mode(&self, mode: u32) {
        // SAFETY: as above.
        unsafe { (*self.header()).mode = mode }
    }

    pub(crate) fn exit_kind(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.header()).exit_kind }
    }

    pub(crate) fn set_exit_kind(&self, kind: u32) {
        // SAFETY: as above.
        unsafe { (*self.header()).exit_kind = kind }
    }

    pub(crate) fn set_fault(&self, fault: &MemFault) {
        // SAFETY: as above.
        let h = unsafe { &mut *self.header() };
        h.exit_kind = kind::FAULT;
        h.exit_code = fault_code(fault);
        h.exit_info = fault.va.0;
    }

    /// Sticky floating-point flags in softfloat's layout, those in MXCSR included (which are then cleared there).
    pub(crate) fn take_fp_flags(&self) -> u32 {
        // SAFETY: as above.
        let h = unsafe { &mut *self.header() };
        h.fp_flags |= crate::jit::flags_of_mxcsr(h.mxcsr_sticky);
        h.mxcsr_sticky = 0;
        h.fp_flags
    }

    pub(crate) fn set_fp_flags(&self, flags: u32) {
        // SAFETY: as above.
        let h = unsafe { &mut *self.header() };
        h.fp_flags = flags;
        h.mxcsr_sticky = 0;
        // What was masked because it was known is unknown again.
        self.mxcsr_mode.set(None);
    }

    /// The state block. The caller must not keep it over anything that runs guest code.
    #[expect(
        clippy::mut_from_ref,
        reason = "the block is a mapping of its own, not part of self"
    )]
    pub(crate) fn state(&self) -> &mut [u8] {
        // SAFETY: the block is live; only this thread touches it, and callers do not overlap their uses.
        unsafe { std::slice::from_raw_parts_mut(self.env.state(), self.env.state_bytes()) }
    }

    /// Counts one of this virtual CPU's events.
    pub(crate) fn count(&self, which: impl FnOnce(&Counters) -> &AtomicU64) {
        Counters::tick(which(&self.seat.counters));
    }

    /// Asks the ISA for the mode, and prepares MXCSR for it.
    pub(crate) fn update_mode(&self) {
        let mode = self.engine.isa.mode(self.state(), self.mode());
        self.set_mode(mode);
        self.prepare_mxcsr();
    }

    fn prepare_mxcsr(&self) {
        let mode = self.mode();
        if self.mxcsr_mode.get() != Some(mode) {
            let fp = self.engine.isa.fp_modes(mode);
            // SAFETY: as above.
            unsafe { (*self.header()).mxcsr_guest = fp.map(tcg_x64::mxcsr_of) };
            self.mxcsr_mode.set(Some(mode));
        }
        // SAFETY: as above.
        fpflags::settle(unsafe { &mut *self.header() });
    }

    /// The block for an address, translated if need be.
    pub(crate) fn find(&self, pc: u64, mode: u32) -> Result<&TransBlock, Failed> {
        self.count(|s| &s.lookups);
        let found = self.engine.table.get(pc, mode);
        if let Some(block) = found {
            if !block.has_run_enough() {
                return Ok(block);
            }
            self.engine.retire(block);
            Counters::bump(&self.engine.counters.extended);
        }
        let mut compiler = self.compiler.borrow_mut();
        self.engine
            .translate(pc, mode, found.is_none(), &mut compiler)
    }

    /// The last thing before a block is entered from Rust: reports it. Gives its code.
    pub(crate) fn enter_block(&self, block: &TransBlock) -> usize {
        if let Some(o) = self.engine.hooks.on(log_mask::EXEC | log_mask::CPU) {
            let isa = self.engine.isa;
            o.entered(isa, block.pc, block.mode, self.state());
        }
        block.entry
    }

    /// Drops the paired returns.
    pub(crate) fn drop_returns(&self) {
        let base = self.returns.base() as u64;
        // SAFETY: as above.
        unsafe { (*self.header()).jit_rsp = base };
    }

    /// The dispatch loop's body, between two safepoints.
    fn run_some(&self) -> Next {
        let asked = match self.env.interrupt().load(Ordering::Relaxed) {
            0 => 0,
            _ => self.env.take_interrupt(),
        };
        if asked & !ENGINE_ASKS != 0 {
            return Next::Leave(Exit::Interrupt);
        }
        if asked != 0 {
            return Next::Again;
        }
        self.prepare_mxcsr();
        if self.engine.stops.watching() {
            return self.run_watched();
        }
        match self.engine.cfg.backend {
            Backend::Interp => self.interpret(),
            Backend::Jit => self.run_code(),
        }
    }

    fn run_code(&self) -> Next {
        let block = match self.find(self.pc(), self.mode()) {
            Ok(block) => block,
            Err(Failed::Full) => return Next::Flush,
            Err(Failed::Fetch(fault)) => return Next::Leave(Exit::Fault(fault)),
        };
        self.set_exit_kind(0);
        let code = self.enter_block(block);
        asm::set_gs_base(self.engine.mem.base() as u64);
        // SAFETY: the block's code follows the contract at the head of tcg-x64; it uses this environment, the
        // paired-return stack and guest memory, and comes back through the EXIT entry point.
        unsafe { asm::emu_rt_enter(self.env.state(), code) };
        self.after_exit()
    }

    /// Reads the exit fields.
    pub(crate) fn after_exit(&self) -> Next {
        // SAFETY: as above.
        let (kind, code, info) = unsafe {
            let h = &*self.header();
            (h.exit_kind, h.exit_code, h.exit_info)
        };
        if self.self_modified.take() {
            return Next::OneInsn;
        }
        match kind {
            kind::TRAP => trapped(code, info),
            kind::FAULT => Next::Leave(Exit::Fault(fault_of(code, info))),
            kind::ONE_INSN => Next::OneInsn,
            kind::FLUSH => Next::Flush,
            _ => Next::Again,
        }
    }

    /// Enters the safepoint's running section; new code means old caches are void.
    fn enter(&self) {
        let generation = self.engine.safepoint.enter(&self.seat);
        let before = self.generation.replace(generation);
        if before != generation {
            // A new environment's cache is empty, and need not be touched page by page.
            if before != 0 {
                self.env.clear_jump_cache();
            }
            self.drop_returns();
        }
    }

    fn run(&self) -> Exit {
        let before = fault::set_current(self);
        // The front end may have changed registers that the mode follows.
        self.update_mode();
        let exit = loop {
            self.enter();
            let next = self.run_some();
            self.engine.safepoint.leave(&self.seat);
            match next {
                Next::Leave(Exit::Fault(f)) if self.retry_in_other_mode(&f) => {}
                Next::Leave(exit) => break exit,
                Next::Again => {}
                Next::Flush => self.engine.flush_since(self.generation.get()),
                Next::OneInsn => {
                    self.count(|s| &s.self_modified);
                    match self.one_insn() {
                        Some(Exit::Fault(f)) if self.retry_in_other_mode(&f) => {}
                        Some(exit) => break exit,
                        None => {}
                    }
                }
                Next::Window => match self.run_window() {
                    Some(Exit::Fault(f)) if self.retry_in_other_mode(&f) => {}
                    Some(exit) => break exit,
                    None => {}
                },
            }
        };
        fault::restore_current(before);
        self.account(&exit);
        exit
    }

    /// Whether the ISA wants the faulting instruction to run again in another mode, which is set then.
    fn retry_in_other_mode(&self, fault: &MemFault) -> bool {
        if fault.va.0 < self.engine.mem.limit() {
            return false;
        }
        match self.engine.isa.retry_fault(self.mode(), fault) {
            Some(mode) if mode != self.mode() => {
                self.set_mode(mode);
                true
            }
            _ => false,
        }
    }

    /// Runs exactly one instruction; an exit other than having done so.
    pub(crate) fn one_insn(&self) -> Option<Exit> {
        let ir = match self.engine.one_insn(self.pc(), self.mode()) {
            Ok(ir) => ir,
            Err(fault) => return Some(Exit::Fault(fault)),
        };
        self.run_alone(&ir)
    }

    /// The same for an instruction in IR.
    pub(crate) fn run_alone(&self, ir: &Block) -> Option<Exit> {
        self.alone.set(true);
        let next = self.interpret_block(ir);
        self.alone.set(false);
        let exit = match next {
            Next::Leave(exit) => Some(exit),
            _ => None,
        };
        self.watch_exit(exit)
    }

    fn step(&self) -> Exit {
        let before = fault::set_current(self);
        self.update_mode();
        let exit = loop {
            match self.one_insn() {
                Some(Exit::Fault(f)) if self.retry_in_other_mode(&f) => {}
                exit => break exit.unwrap_or(Exit::Step),
            }
        };
        fault::restore_current(before);
        self.account(&exit);
        exit
    }

    fn account(&self, exit: &Exit) {
        self.count(|s| match exit {
            Exit::Trap { .. } => &s.exits_trap,
            Exit::Fault(_) => &s.exits_fault,
            Exit::Interrupt => &s.exits_interrupt,
            Exit::Step => &s.steps,
            Exit::Break | Exit::Watch(_) => &s.stops,
        });
        if let Some(o) = self.engine.hooks.on(log_mask::INT) {
            let isa = self.engine.isa;
            o.left(isa, self.pc(), self.mode(), self.state(), exit);
        }
    }
}

impl Drop for Cpu {
    fn drop(&mut self) {
        self.engine.safepoint.remove(&self.seat);
        self.engine.counters.add(&self.seat.counters.read());
    }
}

/// What a trap means: the engine has some of its own.
pub(crate) fn trapped(code: u32, info: u64) -> Next {
    match code {
        stops::BREAK => Next::Leave(Exit::Break),
        stops::NOT_ALONE => Next::Window,
        stops::INTERPRETED => Next::OneInsn,
        _ => Next::Leave(Exit::Trap { code, info }),
    }
}

/// One guest thread's CPU. It belongs to one host thread at a time.
pub struct Vcpu {
    cpu: Box<Cpu>,
}

// SAFETY: everything inside belongs to the virtual CPU; the one pointer that others hold is to its interrupt
// flag, which is atomic.
unsafe impl Send for Vcpu {}

impl Vcpu {
    /// A virtual CPU in the ISA's reset state, its program counter 0.
    ///
    /// # Panics
    /// If the host has no memory for it.
    pub fn new(engine: Arc<Engine>) -> Vcpu {
        let made = Env::new(engine.isa.state_bytes())
            .and_then(|e| Ok((e, ReturnStack::new(engine.cfg.return_stack_bytes)?)));
        let (env, returns) = match made {
            Ok(made) => made,
            Err(e) => panic!("no memory for a virtual CPU: {e}"),
        };
        returns.set_sentinel(engine.sentinel_trampoline());
        let seat = engine.safepoint.add(env.interrupt());
        let cpu = Box::new(Cpu {
            env,
            returns,
            seat,
            compiler: RefCell::default(),
            generation: Cell::new(0),
            mxcsr_mode: Cell::new(None),
            self_modified: Cell::new(false),
            alone: Cell::new(false),
            host_fault: Cell::new(None),
            watch_hit: Cell::new(None),
            watched: RefCell::default(),
            unwatched: Cell::new(false),
            engine,
        });
        // SAFETY: the header is zeroed memory of ours, and zero is a valid value of every field.
        let h = unsafe { &mut *cpu.env.header() };
        h.helpers = cpu.engine.helpers.as_ptr();
        h.runtime = asm::runtime_table();
        h.lookup_direct = h.runtime[tcg_x64::Runtime::LookupDirect as usize];
        h.vcpu = (&raw const *cpu).cast_mut().cast();
        h.jit_base = cpu.returns.base() as u64;
        h.jit_rsp = h.jit_base;
        h.guest_base = cpu.engine.mem.base() as u64;
        cpu.engine.isa.reset(cpu.state());
        let mode = cpu.engine.isa.mode(cpu.state(), 0);
        cpu.set_mode(mode);
        Vcpu { cpu }
    }

    /// A copy of all guest registers on the same engine, for a new thread.
    pub fn fork_state(&self) -> Vcpu {
        let new = Vcpu::new(Arc::clone(&self.cpu.engine));
        new.cpu.state().copy_from_slice(self.cpu.state());
        new.cpu.set_pc(self.cpu.pc());
        new.cpu.set_mode(self.cpu.mode());
        new.cpu.set_fp_flags(self.cpu.take_fp_flags());
        new
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.cpu.engine
    }

    /// Runs guest code until the front end is needed. Before anything runs it looks at the interrupt flag.
    pub fn run(&mut self) -> Exit {
        self.cpu.run()
    }

    /// Runs exactly one guest instruction.
    pub fn step(&mut self) -> Exit {
        self.cpu.step()
    }

    /// The same, whatever breakpoints and watchpoints there are.
    pub fn step_through(&mut self) -> Exit {
        self.cpu.unwatched.set(true);
        let exit = self.cpu.step();
        self.cpu.unwatched.set(false);
        exit
    }

    /// The program counter, with the ISA's tag bits.
    pub fn pc(&self) -> u64 {
        self.cpu.pc()
    }

    /// Sets the program counter.
    pub fn set_pc(&mut self, pc: u64) {
        self.cpu.set_pc(pc);
    }

    /// The block mode.
    pub fn mode(&self) -> u32 {
        self.cpu.mode()
    }

    /// Sets the block mode. `run` asks the ISA which of its bits the registers decide.
    pub fn set_mode(&mut self, mode: u32) {
        self.cpu.set_mode(mode);
    }

    /// Sticky floating-point flags, in softfloat's layout.
    pub fn fp_flags(&self) -> u32 {
        self.cpu.take_fp_flags()
    }

    /// Replaces the sticky floating-point flags.
    pub fn set_fp_flags(&mut self, flags: u32) {
        self.cpu.set_fp_flags(flags);
    }

    /// The ISA's register block.
    ///
    /// # Panics
    /// If `S` is larger than the ISA's state block.
    pub fn state<S: StateBlock>(&self) -> &S {
        assert!(size_of::<S>() <= self.cpu.env.state_bytes());
        // SAFETY: the block is large enough and 64-aligned, every bit pattern is valid (StateBlock), and it
        // changes only through &mut self.
        unsafe { &*self.cpu.env.state().cast::<S>() }
    }

    /// The ISA's register block, to change.
    ///
    /// # Panics
    /// If `S` is larger than the ISA's state block.
    pub fn state_mut<S: StateBlock>(&mut self) -> &mut S {
        assert!(size_of::<S>() <= self.cpu.env.state_bytes());
        // SAFETY: as for `state`.
        unsafe { &mut *self.cpu.env.state().cast::<S>() }
    }

    /// The whole state block as bytes.
    pub fn state_bytes(&self) -> &[u8] {
        self.cpu.state()
    }

    /// The same, to change.
    pub fn state_bytes_mut(&mut self) -> &mut [u8] {
        self.cpu.state()
    }

    /// The interrupt flag: once set to something other than 0 (by any thread or a signal handler), `run` returns
    /// [`Exit::Interrupt`] soon and clears it. The address is good while the virtual CPU lives.
    pub fn interrupt_flag(&self) -> *const AtomicU32 {
        self.cpu.env.interrupt()
    }

    /// The front end has put another context in place (signal delivery or return, `setcontext`): paired returns
    /// are dropped.
    pub fn mode_changed(&mut self) {
        self.cpu.drop_returns();
    }

    /// Statistics of this virtual CPU alone.
    pub fn stats(&self) -> Stats {
        self.cpu.seat.counters.read()
    }
}
