//! The virtual CPU: registers, caches, and the loop that runs guest code until the front end is needed.

use crate::block::TransBlock;
use crate::engine::{Backend, Engine};
use crate::env::{Env, fault_code, fault_of, kind};
use crate::exit::Event;
use crate::jit::Compiler;
use crate::retstack::ReturnStack;
use crate::safepoint::{ENGINE_ASKS, Kick, Seat};
use crate::source::Guarded;
use crate::stats::{Counters, Stats};
use crate::stops::{self, WatchHit};
use crate::sys::Sys;
use crate::translate::Failed;
use crate::{Exit, asm, fault, fpflags, lookup};
use std::cell::{Cell, RefCell};
use std::io;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use tcg_debug::log_mask;
use tcg_ir::Block;
use tcg_mem::MemFault;
use tcg_target::{CpuHost, CpuSocket, EnvHeader, StateBlock, SysCpu, System};
use tcg_x64::Pins;

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
    /// System mode.
    pub sys: Option<Box<Sys>>,
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

    /// The slots that generated code has in registers.
    pub(crate) fn pins(&self) -> Pins {
        match self.sys {
            None => Pins::of(self.engine.isa.layout()),
            Some(_) => Pins::NONE,
        }
    }

    /// Before generated code runs: pinned slots from the state block to where its entry takes them from.
    fn take_pins(&self) {
        // SAFETY: as above.
        let header = unsafe { &mut *self.header() };
        self.pins()
            .to_registers(self.state(), &mut header.saved_gprs);
    }

    /// Behind it, or while a lookup stands in for it: the other way round.
    pub(crate) fn give_pins(&self) {
        // SAFETY: as above.
        let header = unsafe { &*self.header() };
        self.pins().to_state(&header.saved_gprs, self.state());
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
        let header = unsafe { &mut *self.header() };
        match self.engine.machine {
            None => fpflags::settle(header),
            Some(_) => fpflags::mask(header),
        }
    }

    /// The block for an address, translated if need be.
    pub(crate) fn find(&self, pc: u64, mode: u32) -> Result<&TransBlock, Failed> {
        self.count(|s| &s.lookups);
        match &self.sys {
            Some(sys) => self.find_in_page(sys, pc, mode),
            None => self.find_at(pc, mode, Guarded::Yes),
        }
    }

    /// The block for an address in a place, translated if need be.
    pub(crate) fn find_at(
        &self,
        pc: u64,
        mode: u32,
        guarded: Guarded,
    ) -> Result<&TransBlock, Failed> {
        if let Some(block) = self.engine.table.get(pc, mode, guarded.phys()) {
            return Ok(block);
        }
        self.make(pc, mode, guarded, true)
    }

    /// A full translation in place of a brief one.
    pub(crate) fn extend(&self, brief: &TransBlock) -> Result<&TransBlock, Failed> {
        self.engine.retire(brief);
        Counters::bump(&self.engine.counters.extended);
        let guarded = match brief.phys {
            0 => Guarded::Yes,
            host => Guarded::Page(host as usize),
        };
        self.make(brief.pc, brief.mode, guarded, false)
    }

    fn make(
        &self,
        pc: u64,
        mode: u32,
        guarded: Guarded,
        brief: bool,
    ) -> Result<&TransBlock, Failed> {
        let mut compiler = self.compiler.borrow_mut();
        let made = self
            .engine
            .translate(pc, mode, guarded, brief, &mut compiler);
        match (made, &self.sys) {
            // Nothing but that it goes on in another page keeps an instruction in memory from being read.
            (Err(Failed::Fetch(_)), Some(_)) => Err(Failed::Alone),
            (made, _) => made,
        }
    }

    /// Enters an address into the jump cache.
    pub(crate) fn cache_jump(&self, pc: u64, mode: u32, code: u64) {
        if let Some(sys) = &self.sys {
            sys.note_cached(pc);
        }
        self.env.cache(pc, mode, code);
    }

    /// What the loop does if there is no block.
    pub(crate) fn after_failed(&self, failed: Failed) -> Next {
        match (failed, &self.sys) {
            (Failed::Full, _) => Next::Flush,
            (Failed::Fetch(fault), _) => Next::Leave(Exit::Fault(fault)),
            (Failed::Refused(fault), Some(sys)) => match self.deliver_fault(sys, &fault) {
                true => Next::Again,
                false => self.event_exit(sys),
            },
            (Failed::Alone | Failed::Refused(_), _) => Next::OneInsn,
        }
    }

    /// Back to the front end or, in system mode, to the guest's exception.
    pub(crate) fn leave(&self, exit: Exit) -> Next {
        match &self.sys {
            Some(sys) => self.after_system_exit(sys, exit),
            None => Next::Leave(exit),
        }
    }

    /// The last thing before a block is entered from Rust: reports it. Gives its code.
    pub(crate) fn enter_block(&self, block: &TransBlock) -> usize {
        if let Some(o) = self.engine.hooks.on(log_mask::EXEC | log_mask::CPU) {
            self.give_pins();
            let isa = self.engine.isa;
            o.entered(isa, block.pc, block.mode, self.state());
        }
        block.entry
    }

    /// Drops the paired returns.
    pub(crate) fn drop_returns(&self) {
        self.set_return_stack(self.returns.base() as u64);
    }

    /// The stack pointer of generated code.
    pub(crate) fn return_stack(&self) -> u64 {
        // SAFETY: as above.
        unsafe { (*self.header()).jit_rsp }
    }

    pub(crate) fn set_return_stack(&self, rsp: u64) {
        // SAFETY: as above.
        unsafe { (*self.header()).jit_rsp = rsp };
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
            // A helper's access may have been watched.
            return match self.watch_hit.take() {
                Some(hit) => Next::Leave(Exit::Watch(hit)),
                None => Next::Again,
            };
        }
        if self.is_at_limit() {
            return Next::Leave(Exit::Interrupt);
        }
        self.prepare_mxcsr();
        let one_by_one = self.sys.is_none() || self.engine.cfg.backend == Backend::Interp;
        if one_by_one && self.engine.stops.watching() {
            return self.run_watched();
        }
        match self.engine.cfg.backend {
            Backend::Interp => self.interpret(),
            Backend::Jit => self.run_code(),
        }
    }

    fn run_code(&self) -> Next {
        self.take_pins();
        let code = match lookup::cached(self) {
            Some(code) => code,
            None => match self.find(self.pc(), self.mode()) {
                Ok(block) => {
                    // Where system calls, exceptions and the ways back from them lead.
                    if self.sys.is_some() && lookup::may_link(self, block) {
                        self.cache_jump(block.pc, block.mode, block.entry as u64);
                    }
                    self.enter_block(block)
                }
                Err(failed) => return self.after_failed(failed),
            },
        };
        self.set_exit_kind(0);
        asm::set_gs_base(self.engine.mem.base() as u64);
        // SAFETY: the block's code follows the contract at the head of tcg-x64; it uses this environment, the
        // paired-return stack and guest memory, and comes back through the EXIT entry point.
        unsafe { asm::emu_rt_enter(self.env.state(), code) };
        self.give_pins();
        self.settle_regime();
        self.after_exit()
    }

    /// Behind a fault in a silent regime the guest's flags are those that were put aside.
    fn settle_regime(&self) {
        // SAFETY: as above.
        let h = unsafe { &mut *self.header() };
        if h.mxcsr_aside != 0 {
            h.mxcsr_sticky = h.mxcsr_aside & tcg_x64::mxcsr::FLAGS;
            h.mxcsr_aside = 0;
        }
    }

    /// What a trap means: the engine has some of its own.
    pub(crate) fn trapped(&self, code: u32, info: u64) -> Next {
        if matches!(code, stops::BREAK | stops::NOT_ALONE | stops::INTERPRETED) {
            self.count_insns(-1);
        }
        match code {
            stops::BREAK => Next::Leave(Exit::Break),
            stops::NOT_ALONE => Next::Window,
            stops::INTERPRETED => Next::OneInsn,
            _ => self.leave(Exit::Trap { code, info }),
        }
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
            kind::TRAP => self.trapped(code, info),
            kind::FAULT => self.leave(Exit::Fault(fault_of(code, info))),
            kind::MACHINE => self
                .sys
                .as_ref()
                .map_or(Next::Again, |s| self.event_exit(s)),
            kind::ONE_INSN => Next::OneInsn,
            kind::FLUSH => Next::Flush,
            kind::LIMIT if !self.is_at_limit() => Next::OneInsn,
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
        if let Some(sys) = &self.sys
            && !self.start(sys)
        {
            fault::restore_current(before);
            return Exit::Machine(Event::Halt);
        }
        let exit = loop {
            if let Some(sys) = &self.sys {
                self.synchronise(sys);
            }
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
        // Who looks at the time now has to see all of the last block's instructions.
        self.count_insns(0);
        self.account(&exit);
        exit
    }

    /// Before a machine's CPU runs; false if it waits.
    fn start(&self, sys: &Sys) -> bool {
        fault::install();
        self.check_bus(sys);
        let goes_on = self.take_interrupts(sys);
        if !goes_on {
            self.event_exit(sys);
        }
        goes_on
    }

    /// Whether the ISA wants the faulting instruction to run again in another mode, which is set then.
    fn retry_in_other_mode(&self, fault: &MemFault) -> bool {
        if fault.va.0 < self.engine.mem.limit() || self.sys.is_some() {
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
        let ir = match &self.sys {
            Some(sys) => self.one_insn_anywhere(sys),
            None => self.engine.one_insn(self.pc(), self.mode()),
        };
        let ir = match (ir, &self.sys) {
            (Ok(ir), _) => ir,
            (Err(fault), None) => return Some(Exit::Fault(fault)),
            (Err(fault), Some(sys)) => {
                return match self.after_system_exit(sys, Exit::Fault(fault)) {
                    Next::Leave(exit) => Some(exit),
                    _ => None,
                };
            }
        };
        self.run_alone(&ir)
    }

    /// The same for an instruction in IR.
    pub(crate) fn run_alone(&self, ir: &Block) -> Option<Exit> {
        self.count_insns(1);
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
            Exit::Machine(_) => &s.exits_machine,
        });
        if let Some(o) = self.engine.hooks.on(log_mask::INT) {
            let isa = self.engine.isa;
            o.left(isa, self.pc(), self.mode(), self.state(), exit);
        }
    }
}

impl Drop for Cpu {
    fn drop(&mut self) {
        if let (Some(sys), Some(machine)) = (&self.sys, &self.engine.machine) {
            let mut tlbs = machine.tlbs.lock();
            tlbs.retain(|t| !Arc::ptr_eq(t, &sys.tlb));
        }
        self.engine.safepoint.remove(&self.seat);
        self.engine.counters.add(&self.seat.counters.read());
    }
}

/// What a machine's CPU is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The state block.
    pub state: Vec<u8>,
    /// The program counter, with tag bits.
    pub pc: u64,
    /// The block mode.
    pub mode: u32,
    /// Sticky floating-point flags.
    pub fp_flags: u32,
}

/// One guest thread's CPU. It belongs to one host thread at a time.
pub struct Vcpu {
    cpu: Box<Cpu>,
}

// SAFETY: everything inside belongs to the virtual CPU; the one pointer that others hold is to its interrupt
// flag, which is atomic.
unsafe impl Send for Vcpu {}

impl Vcpu {
    /// A virtual CPU in the ISA's reset state, its program counter 0. It fails if the host has no memory for it.
    pub fn new(engine: Arc<Engine>) -> io::Result<Vcpu> {
        Vcpu::make(engine, None)
    }

    /// A machine's CPU in the ISA's reset state ([`System::reset`] has been called); the engine is one made by
    /// [`Engine::new_system`].
    ///
    /// # Panics
    /// If the host has no memory for it, or the engine is one of user mode.
    pub fn new_system(engine: Arc<Engine>, socket: Arc<dyn CpuSocket>) -> Vcpu {
        assert!(engine.machine.is_some(), "an engine of user mode");
        let mut cpu = match Vcpu::make(engine, Some(socket)) {
            Ok(cpu) => cpu,
            Err(e) => panic!("no memory for a virtual CPU: {e}"),
        };
        cpu.reset();
        cpu
    }

    fn make(engine: Arc<Engine>, socket: Option<Arc<dyn CpuSocket>>) -> io::Result<Vcpu> {
        let env = Env::new(engine.isa.state_bytes(), socket.is_some())?;
        let returns = ReturnStack::new(engine.cfg.return_stack_bytes)?;
        returns.set_sentinel(engine.sentinel_trampoline());
        let seat = engine.safepoint.add(env.interrupt());
        let sys = match (&engine.machine, socket) {
            (Some(m), Some(socket)) => {
                Some(Box::new(Sys::new(&engine, m.system, socket, env.tlbs())))
            }
            _ => None,
        };
        let cpu = Box::new(Cpu {
            sys,
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
        h.runtime = asm::runtime_table(cpu.sys.is_some());
        h.host = cpu.sys.as_ref().map(|_| {
            let cpu: &(dyn CpuHost + 'static) = &*cpu;
            NonNull::from(cpu)
        });
        h.lookup_direct = h.runtime[tcg_x64::Runtime::LookupDirect as usize];
        h.vcpu = (&raw const *cpu).cast_mut().cast();
        if let Some(counter) = cpu.sys.as_ref().and_then(|s| s.counter.as_deref()) {
            h.counter = std::ptr::from_ref(counter);
        }
        h.jit_base = cpu.returns.base() as u64;
        h.jit_rsp = h.jit_base;
        h.guest_base = cpu.engine.mem.base() as u64;
        cpu.engine.isa.reset(cpu.state());
        let mode = cpu.engine.isa.mode(cpu.state(), 0);
        cpu.set_mode(mode);
        Ok(Vcpu { cpu })
    }

    /// The machine resets the CPU.
    pub fn reset(&mut self) {
        let cpu = &self.cpu;
        cpu.state().fill(0);
        cpu.engine.isa.reset(cpu.state());
        cpu.set_fp_flags(0);
        if let Some(sys) = &cpu.sys {
            let index = sys.socket.cpu_index();
            cpu.with_system(sys, |system, c| system.reset(c, index));
            sys.fault.set(None);
            cpu.flush_all(sys);
        }
        cpu.update_mode();
    }

    /// A deadline set by [`CpuHost::set_deadline`] has passed.
    pub fn timer(&mut self) {
        if let Some(sys) = &self.cpu.sys {
            self.cpu.with_system(sys, |system, c| system.timer(c));
        }
    }

    /// Lets somebody look at or change a machine's CPU between two instructions. All that depends on the state follows.
    pub fn with_system<R>(
        &mut self,
        f: impl FnOnce(&dyn System, &mut SysCpu<'_>) -> R,
    ) -> Option<R> {
        let sys = self.cpu.sys.as_ref()?;
        let r = self.cpu.with_system(sys, f);
        self.cpu.update_mode();
        Some(r)
    }

    /// A machine's CPU between two instructions, to be loaded again: registers, program counter, mode, sticky flags.
    pub fn save(&mut self) -> Saved {
        self.with_system(|system, cpu| system.before_save(cpu));
        Saved {
            state: self.cpu.state().to_vec(),
            pc: self.pc(),
            mode: self.mode(),
            fp_flags: self.fp_flags(),
        }
    }

    /// The opposite; false if it is another kind of CPU's. [`Vcpu::after_load`] has to follow when the rest of the machine
    /// has its state, too.
    pub fn load(&mut self, saved: &Saved) -> bool {
        let cpu = &self.cpu;
        if saved.state.len() != cpu.state().len() {
            return false;
        }
        cpu.state().copy_from_slice(&saved.state);
        cpu.set_pc(saved.pc);
        cpu.set_mode(saved.mode);
        cpu.set_fp_flags(saved.fp_flags);
        if let Some(sys) = &cpu.sys {
            sys.fault.set(None);
            cpu.flush_all(sys);
        }
        true
    }

    /// See [`Vcpu::load`].
    pub fn after_load(&mut self) {
        self.with_system(|system, cpu| system.after_load(cpu));
    }

    /// Everything cached of address translation is out of date: somebody else has changed the state.
    pub fn flush_tlb(&mut self) {
        self.cpu.flush_tlb();
    }

    /// Why the CPU is stuck ([`crate::Event::Stuck`]).
    pub fn message(&self) -> String {
        self.cpu.message()
    }

    /// A copy of all guest registers on the same engine, for a new thread.
    pub fn fork_state(&self) -> io::Result<Vcpu> {
        let new = Vcpu::new(Arc::clone(&self.cpu.engine))?;
        new.cpu.state().copy_from_slice(self.cpu.state());
        new.cpu.set_pc(self.cpu.pc());
        new.cpu.set_mode(self.cpu.mode());
        new.cpu.set_fp_flags(self.cpu.take_fp_flags());
        Ok(new)
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

    /// A machine's CPU that waits for an interrupt takes one if it can; false if it still waits.
    pub fn wake(&mut self) -> bool {
        let Some(sys) = &self.cpu.sys else {
            return true;
        };
        if !sys.system.is_halted(self.cpu.state()) {
            return true;
        }
        let before = fault::set_current(&self.cpu);
        let awake = self.cpu.start(sys);
        fault::restore_current(before);
        awake
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

    /// The same flag for threads that may outlive the virtual CPU.
    pub fn kick_handle(&self) -> Kick {
        Kick {
            engine: Arc::clone(&self.cpu.engine),
            seat: Arc::clone(&self.cpu.seat),
        }
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
