//! A virtual CPU in system mode: finding blocks by physical page, exceptions and interrupts, and what the ISA's system level
//! asks of it. Memory accesses are in `sysmem`.

use crate::block::TransBlock;
use crate::env::kind;
use crate::exit::Event;
use crate::softtlb::SoftTlb;
use crate::source::Guarded;
use crate::translate::Failed;
use crate::vcpu::{Cpu, Next};
use crate::walks::{PhysPages, Walks};
use crate::{Engine, Exit};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tcg_ir::Block;
use tcg_mem::{Access, BusError, FaultKind, GuestVa, InsnCounter, MemFault, PhysPage};
use tcg_target::system::BUS_ERROR;
use tcg_target::{
    BlockLimits, CpuHost, CpuSocket, Outcome, SysCpu, SysFault, System, TranslateCtx,
};

/// What a virtual CPU of a machine has besides that of user mode.
pub(crate) struct Sys {
    pub system: &'static dyn System,
    pub socket: Arc<dyn CpuSocket>,
    pub tlb: Arc<SoftTlb>,
    pub walks: Walks,
    pub pages: PhysPages,
    /// Executed instructions and the limit, if they are counted.
    pub counter: Option<Arc<InsnCounter>>,
    /// The last failed access, until it is delivered.
    pub fault: Cell<Option<SysFault>>,
    /// Why the CPU leaves.
    event: Cell<Option<Event>>,
    message: RefCell<String>,
    /// The map of physical memory that the TLBs are from.
    pub bus_generation: Cell<u64>,
    /// The other CPUs have to flush their TLBs before this one goes on.
    flush_others: Cell<bool>,
    /// Bits of hashed numbers of pages that the jump cache or the paired returns may lead to and that are not global.
    jumped_to: Cell<[u64; 8]>,
    /// The addresses of these pages that the jump cache has, and perhaps others.
    jumps: Cell<Vec<u64>>,
    /// The jump cache is not empty.
    cached: Cell<bool>,
}

impl Sys {
    pub(crate) fn new(
        engine: &Engine,
        system: &'static dyn System,
        socket: Arc<dyn CpuSocket>,
        tlbs: usize,
    ) -> Sys {
        let tlb = Arc::new(SoftTlb::new(tlbs));
        if let Some(machine) = &engine.machine {
            machine.tlbs.lock().push(Arc::clone(&tlb));
        }
        Sys {
            system,
            counter: socket.counter().filter(|_| engine.cfg.counted),
            bus_generation: Cell::new(socket.bus().generation()),
            socket,
            tlb,
            walks: Walks::new(),
            pages: PhysPages::new(),
            fault: Cell::new(None),
            event: Cell::new(None),
            message: RefCell::default(),
            flush_others: Cell::new(false),
            jumped_to: Cell::new([0; 8]),
            jumps: Cell::default(),
            cached: Cell::new(false),
        }
    }

    /// The jump cache or a paired return may lead to this address, which is not global.
    fn note_jump(&self, pc: u64) {
        let (word, bit) = jump_bit(pc);
        let mut bits = self.jumped_to.get();
        bits[word] |= bit;
        self.jumped_to.set(bits);
    }

    /// The jump cache leads to this address, whose page was looked up.
    pub(crate) fn note_cached(&self, pc: u64) {
        self.cached.set(true);
        let (word, bit) = jump_bit(pc);
        if self.jumped_to.get()[word] & bit != 0 {
            let mut jumps = self.jumps.take();
            if jumps.len() < MANY_JUMPS {
                jumps.push(pc);
            }
            self.jumps.set(jumps);
        }
    }

    /// Whether they may lead to a page whose number is that of `va` modulo `sets`.
    fn jumps_to_set(&self, va: u64, sets: u64) -> bool {
        let bits = self.jumped_to.get();
        let sets = (sets.max(1) as usize).min(JUMP_BITS);
        let first = (va >> 12) as usize % sets;
        let mut places = (first..JUMP_BITS).step_by(sets);
        places.any(|n| bits[n / 64] >> (n % 64) & 1 != 0)
    }
}

/// Addresses in [`Sys::jumps`] from which on it is shorter to empty the whole cache.
const MANY_JUMPS: usize = 1024;
/// Bits of [`Sys::jumped_to`].
const JUMP_BITS: usize = 512;

fn jump_bit(pc: u64) -> (usize, u64) {
    let n = (pc >> 12) as usize % JUMP_BITS;
    (n / 64, 1 << (n % 64))
}

impl Cpu {
    /// Adds to the instructions that have begun since the start of a block: one is about to be executed, or is not.
    pub(crate) fn count_insns(&self, more: i32) {
        let Some(counter) = self.counter() else {
            return;
        };
        // SAFETY: the header is live, and only this thread uses this field.
        let begun = unsafe { &mut (*self.env.header()).insns_begun };
        *begun = begun.wrapping_add_signed(more);
        counter.begun.store(u64::from(*begun), Ordering::Relaxed);
    }

    fn counter(&self) -> Option<&InsnCounter> {
        self.sys.as_ref()?.counter.as_deref()
    }

    /// Whether as many instructions have been executed as may be.
    pub(crate) fn is_at_limit(&self) -> bool {
        self.count_insns(0);
        self.counter().is_some_and(InsnCounter::is_at_limit)
    }

    /// Lets the system level work on the CPU.
    pub(crate) fn with_system<R>(
        &self,
        sys: &Sys,
        f: impl FnOnce(&dyn System, &mut SysCpu<'_>) -> R,
    ) -> R {
        self.take_fp_flags();
        let h = self.env.header();
        // SAFETY: the header is live, and nobody else uses these fields during the call.
        let (pc, mode, fp_flags) = unsafe { (&mut (*h).pc, &mut (*h).mode, &mut (*h).fp_flags) };
        let mut cpu = SysCpu {
            state: self.state(),
            pc,
            mode,
            fp_flags,
            host: self,
        };
        f(sys.system, &mut cpu)
    }

    /// The same with something that may change everything; false if the CPU does not go on, which is noted.
    fn deliver(&self, sys: &Sys, f: impl FnOnce(&dyn System, &mut SysCpu<'_>) -> Outcome) -> bool {
        let outcome = self.with_system(sys, f);
        self.update_mode();
        let event = match outcome {
            Outcome::Go => return true,
            Outcome::Halt => Event::Halt,
            Outcome::Reset => Event::Reset,
            Outcome::Shutdown => Event::Shutdown,
            Outcome::Stuck(message) => {
                sys.message.replace(message);
                Event::Stuck
            }
        };
        sys.event.set(Some(event));
        self.set_exit_kind(kind::MACHINE);
        false
    }

    /// Enters the exception of a failed access. False as for `deliver`.
    pub(crate) fn deliver_fault(&self, sys: &Sys, fault: &SysFault) -> bool {
        self.count(|s| &s.exits_fault);
        self.deliver(sys, |system, cpu| match fault.code {
            BUS_ERROR => system.bus_error(cpu, fault.va, fault.info, fault.access),
            _ => system.fault(cpu, fault),
        })
    }

    /// Enters the exception of an access that is not aligned.
    fn deliver_alignment(&self, sys: &Sys, fault: &MemFault) -> bool {
        self.count(|s| &s.exits_fault);
        self.deliver(sys, |system, cpu| {
            system.alignment(cpu, fault.va.0, fault.access)
        })
    }

    /// Enters the most urgent interrupt, if any; false if the CPU then waits.
    pub(crate) fn take_interrupts(&self, sys: &Sys) -> bool {
        if self.with_system(sys, |system, cpu| system.interrupt(cpu)) {
            self.count(|s| &s.exits_interrupt);
            self.update_mode();
            return true;
        }
        if !sys.system.is_halted(self.state()) {
            return true;
        }
        sys.event.set(Some(Event::Halt));
        self.set_exit_kind(kind::MACHINE);
        false
    }

    /// What the loop does after an exit of guest code in system mode.
    pub(crate) fn after_system_exit(&self, sys: &Sys, exit: Exit) -> Next {
        let goes_on = match exit {
            Exit::Trap { code, info } => {
                self.count(|s| &s.exits_trap);
                self.deliver(sys, |system, cpu| system.trap(cpu, code, info))
            }
            Exit::Fault(fault) => match sys.fault.take() {
                Some(f) => self.deliver_fault(sys, &f),
                None if fault.kind == FaultKind::Alignment => self.deliver_alignment(sys, &fault),
                None => {
                    let f = SysFault {
                        code: BUS_ERROR,
                        info: fault.va.0,
                        va: fault.va.0,
                        access: fault.access,
                    };
                    self.deliver_fault(sys, &f)
                }
            },
            other => return Next::Leave(other),
        };
        match goes_on {
            true => Next::Again,
            false => self.event_exit(sys),
        }
    }

    /// The exit for the event that was noted.
    pub(crate) fn event_exit(&self, sys: &Sys) -> Next {
        match sys.event.take() {
            Some(event) => Next::Leave(Exit::Machine(event)),
            None => Next::Again,
        }
    }

    /// Why the CPU is stuck.
    pub(crate) fn message(&self) -> String {
        self.sys
            .as_ref()
            .map_or_else(String::new, |s| s.message.borrow().clone())
    }

    /// The block for an address.
    pub(crate) fn find_in_page(
        &self,
        sys: &Sys,
        pc: u64,
        mode: u32,
    ) -> Result<&TransBlock, Failed> {
        let mmu = sys.system.mmu_index(mode, true);
        let page = self
            .walk(sys, pc, Access::Exec, mmu)
            .map_err(Failed::Refused)?;
        let PhysPage::Ram { host, .. } = page.place else {
            return Err(match page.place {
                PhysPage::None => {
                    Failed::Refused(bus_error(pc, page.pa | pc & 0xfff, Access::Exec))
                }
                _ => Failed::Alone,
            });
        };
        if !page.global {
            sys.note_jump(pc);
        }
        self.find_at(pc, mode, Guarded::Page(host))
    }

    /// One instruction in IR, from wherever it is.
    pub(crate) fn one_insn_anywhere(&self, sys: &Sys) -> Result<Block, MemFault> {
        let (pc, mode) = (self.pc(), self.mode());
        let mmu = sys.system.mmu_index(mode, true);
        let mut fetch = |va: GuestVa, buf: &mut [u8]| {
            let room = (4096 - va.0 % 4096) as usize;
            let n = buf.len().min(room);
            let part = &mut buf[..n];
            match self.read_page(sys, va.0, part, Access::Exec, mmu) {
                Ok(()) => Ok(n),
                Err(fault) => {
                    sys.fault.set(Some(fault));
                    Err(MemFault {
                        va,
                        access: Access::Exec,
                        kind: FaultKind::Unmapped,
                    })
                }
            }
        };
        let mut ctx = TranslateCtx {
            fetch: &mut fetch,
            limits: BlockLimits::full(1),
            parallel: self.engine.is_parallel(),
            forward: false,
        };
        let made = self.engine.isa.translate(pc, mode, &mut ctx);
        if made.is_ok() {
            // Of something that was only looked at.
            sys.fault.set(None);
        }
        made
    }

    /// Everything that was cached of address translation is out of date.
    pub(crate) fn flush_all(&self, sys: &Sys) {
        self.count(|s| &s.tlb_flushes);
        sys.tlb.flush();
        sys.walks.flush();
        if sys.cached.take() {
            self.env.clear_jump_cache();
        }
        sys.jumped_to.set([0; 8]);
        sys.jumps.take();
        self.drop_returns();
        self.look_up_soon();
    }

    /// What is cached of the address space that was in use is not to be used.
    fn leave_context(&self, sys: &Sys) {
        // Nothing has been entered since if it is left already.
        if sys.walks.leave() {
            self.count(|s| &s.contexts);
            sys.tlb.leave_context();
            self.forget_jumps(sys);
            self.drop_returns();
        }
    }

    /// Drops what leads to code by its address, but for what is global.
    fn forget_jumps(&self, sys: &Sys) {
        if sys.jumped_to.replace([0; 8]) != [0; 8] {
            let mut jumps = sys.jumps.take();
            match jumps.len() {
                MANY_JUMPS.. => self.env.clear_jump_cache(),
                _ => jumps.iter().for_each(|pc| self.env.uncache(*pc)),
            }
            jumps.clear();
            sys.jumps.set(jumps);
            self.drop_returns();
        }
        self.look_up_soon();
    }

    /// Links inside of the current page are left at the next check.
    fn look_up_soon(&self) {
        self.env
            .interrupt()
            .fetch_or(crate::safepoint::ENGINE_ASKS, Ordering::Relaxed);
    }

    fn flush_page(&self, sys: &Sys, va: u64) {
        if !sys.walks.flush_page(va) {
            return self.flush_all(sys);
        }
        self.count(|s| &s.tlb_page_flushes);
        sys.tlb.flush_page(va);
        let (word, bit) = jump_bit(va);
        if sys.jumped_to.get()[word] & bit != 0 {
            self.forget_jumps(sys);
        }
    }

    fn flush_set(&self, sys: &Sys, va: u64, sets: u64) {
        if !sys.walks.flush_set(va, sets) {
            return self.flush_all(sys);
        }
        self.count(|s| &s.tlb_page_flushes);
        sys.tlb.flush_set(va, sets);
        if sys.jumps_to_set(va, sets) {
            self.forget_jumps(sys);
        }
    }

    /// Follows a change of the map of physical memory.
    pub(crate) fn check_bus(&self, sys: &Sys) {
        let now = sys.socket.bus().generation();
        if sys.bus_generation.replace(now) != now {
            sys.pages.flush();
            self.flush_all(sys);
            self.flush_others(sys);
        }
    }

    fn flush_others(&self, sys: &Sys) {
        let machine = self.engine.machine.as_ref();
        if machine.is_some_and(|m| m.tlbs.lock().len() < 2) {
            return;
        }
        sys.flush_others.set(true);
        self.look_up_soon();
    }

    /// Before guest code is entered: what others have asked for, and what others are to do. The CPU is not running.
    pub(crate) fn synchronise(&self, sys: &Sys) {
        if sys.flush_others.take()
            && let Some(machine) = &self.engine.machine
        {
            self.engine.safepoint.stop_others(|| {
                for tlb in machine.tlbs.lock().iter() {
                    if !Arc::ptr_eq(tlb, &sys.tlb) {
                        tlb.stale.store(true, Ordering::Release);
                    }
                }
            });
        }
        if sys.tlb.stale.swap(false, Ordering::AcqRel) {
            self.flush_all(sys);
        }
    }
}

/// The failed access of a bus error.
pub(crate) fn bus_error(va: u64, pa: u64, access: Access) -> SysFault {
    SysFault {
        code: BUS_ERROR,
        info: pa,
        va,
        access,
    }
}

impl CpuHost for Cpu {
    fn socket(&self) -> &dyn CpuSocket {
        // Whoever asks the machine may look at the time.
        self.count_insns(0);
        match &self.sys {
            Some(sys) => &*sys.socket,
            None => unreachable!("a machine's socket in user mode"),
        }
    }

    fn flush_tlb(&self) {
        if let Some(sys) = &self.sys {
            self.flush_all(sys);
        }
    }

    fn flush_tlb_page(&self, va: u64) {
        if let Some(sys) = &self.sys {
            self.flush_page(sys, va);
        }
    }

    fn flush_tlb_set(&self, va: u64, sets: u64) {
        if let Some(sys) = &self.sys {
            self.flush_set(sys, va, sets);
        }
    }

    fn context_changed(&self) {
        if let Some(sys) = &self.sys {
            self.leave_context(sys);
        }
    }

    fn read_table(&self, pa: u64, words: &mut [u64]) -> Result<(), BusError> {
        self.read_words(self.sys_or_panic(), pa, words)
    }

    fn flush_tlb_others(&self) {
        if let Some(sys) = &self.sys {
            self.flush_others(sys);
        }
    }

    fn read_virt(&self, va: u64, size: u32, big: bool, mmu_index: u8) -> Result<u64, SysFault> {
        let sys = self.sys_or_panic();
        let n = size.clamp(1, 8) as usize;
        self.note_watched(va, n, Access::Read);
        let mut bytes = [0; 8];
        self.load_bytes(sys, va, &mut bytes[..n], mmu_index)?;
        if big {
            bytes[..n].reverse();
        }
        Ok(u64::from_le_bytes(bytes))
    }

    fn write_virt(
        &self,
        va: u64,
        size: u32,
        big: bool,
        value: u64,
        mmu_index: u8,
    ) -> Result<(), SysFault> {
        let sys = self.sys_or_panic();
        let n = size.clamp(1, 8) as usize;
        let mut bytes = value.to_le_bytes();
        if big {
            bytes[..n].reverse();
        }
        self.note_watched(va, n, Access::Write);
        self.store_bytes(sys, va, &bytes[..n], mmu_index)
    }

    fn raise(&self, fault: SysFault) {
        if let Some(sys) = &self.sys {
            sys.fault.set(Some(fault));
            self.set_exit_kind(kind::FAULT);
        }
    }
}

impl Cpu {
    /// A helper's access: if it is watched, the CPU stops soon.
    fn note_watched(&self, va: u64, len: usize, access: Access) {
        if self.is_watched(va, len, access)
            && let Some((hit, _)) = self.engine.stops.hit(va, len as u64, access)
        {
            self.watch_hit.set(Some(hit));
            self.look_up_soon();
        }
    }

    fn sys_or_panic(&self) -> &Sys {
        match &self.sys {
            Some(sys) => sys,
            None => unreachable!("a machine's memory in user mode"),
        }
    }
}
