//! The system level of an instruction set: address translation, exceptions, interrupts; and what a CPU asks of the
//! machine around it.
//!
//! The engine runs guest code and calls [`System`] at the places where a user-mode engine would return to its front end.
//! Every method gets the CPU's precise state ([`SysCpu`]) and leaves it as the CPU is to go on.
//!
//! # What the engine keeps and when it must be told
//!
//! * It keeps the results of [`System::walk`], one soft TLB for each MMU index, until [`CpuHost::flush_tlb`] or
//!   [`CpuHost::flush_tlb_page`]. Whatever changes the answer of a walk for the same (address, access, MMU index) has to
//!   flush, but for two things: what is part of the block mode (privilege, translation on or off) selects another MMU index
//!   and costs nothing, and what is part of [`System::context`] (the number of an address space, segments) selects what was
//!   known of that one and costs little. Failed walks are not kept.
//! * It keeps translations of code by (address with tag bits, block mode, physical page) across flushes. So a change of
//!   address space does not translate anything again.
//! * Blocks do not cross a page. A branch inside of the page goes directly to its target, all others through a cache that a
//!   flush empties. An instruction that flushes need not end its block; one that synchronises context has to.
//! * The mode is asked from [`crate::Isa::mode`] after exits with `mode_dynamic`, and so is [`System::interrupt`]: an
//!   instruction that may enable interrupts, change the privilege or wait ends its block with such an exit.

use std::sync::Arc;
use tcg_mem::{Access, Bus, BusError, InsnCounter};

/// How one address is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Physical address of the byte that was asked for.
    pub pa: u64,
    /// Size of the mapping in bytes, a power of two, for flushes by address. If it is less than a page, nothing is kept.
    pub page_bytes: u64,
    /// Loads may use it, too.
    pub read: bool,
    /// Stores may use it, too. Not if a store has to be noticed first (a changed bit that is still clear).
    pub write: bool,
    /// Fetches may use it, too.
    pub exec: bool,
    /// Loads and stores have the other byte order than the instruction says (a little-endian page of a big-endian CPU).
    pub swap: bool,
    /// It is the same in all contexts, and [`CpuHost::flush_tlb_page`] and [`CpuHost::flush_tlb_set`] do not mean it.
    pub global: bool,
}

/// An access that the guest's MMU refuses, or that misses in an MMU that the guest's software fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SysFault {
    /// The ISA's own number of the exception.
    pub code: u32,
    /// Whatever else the ISA wants to know when the exception is entered.
    pub info: u64,
    /// The address of the access (of its first byte on the page that refused).
    pub va: u64,
    /// What was wanted.
    pub access: Access,
}

/// A CPU between two instructions, or at one that raised an exception.
pub struct SysCpu<'a> {
    /// The ISA's whole state block.
    pub state: &'a mut [u8],
    /// The program counter, with tag bits.
    pub pc: &'a mut u64,
    /// The block mode. Whoever changes the state so that another follows need not set it: the engine asks [`crate::Isa::mode`].
    pub mode: &'a mut u32,
    /// Sticky floating-point flags, in softfloat's layout.
    pub fp_flags: &'a mut u32,
    /// The machine.
    pub host: &'a dyn CpuHost,
}

/// How a CPU goes on after a trap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With the state as it is now (perhaps at an exception's vector).
    Go,
    /// It waits for an interrupt ([`System::is_halted`] says so, too).
    Halt,
    /// The machine is to be reset.
    Reset,
    /// The machine is to be switched off.
    Shutdown,
    /// It cannot go on; the machine stops with this message (an exception inside of an exception, a check stop).
    Stuck(String),
}

/// The system level of an ISA with one CPU model chosen.
pub trait System: Send + Sync {
    /// The soft TLB of data accesses (`exec` false) or fetches in a block mode: less than [`MMU_INDEXES`]. Whatever of the mode
    /// changes translation or permissions has to give another index.
    fn mmu_index(&self, mode: u32, exec: bool) -> u8;

    /// Translates an address. Changes nothing that the guest could see but referenced and changed bits; an exception is
    /// entered by [`System::fault`] only. May be called for instructions that are not executed in the end (look-ahead).
    fn walk(
        &self,
        cpu: &mut SysCpu<'_>,
        va: u64,
        access: Access,
        mmu_index: u8,
    ) -> Result<Mapping, SysFault>;

    /// The address space that a state is in: whatever besides the MMU index decides what an address means, and is switched
    /// often (identifiers of processes, segments). Mappings of other contexts are kept meanwhile; all flushes reach them,
    /// too. When it changes, [`CpuHost::context_changed`] has to be called.
    fn context(&self, _state: &[u8]) -> ContextKey {
        [0; 8]
    }

    /// As [`System::walk`] for a debugger: changes nothing at all.
    fn peek(&self, cpu: &mut SysCpu<'_>, va: u64, mmu_index: u8) -> Option<Mapping>;

    /// An access failed; the state is that before the instruction at `pc`. Enters the guest's exception.
    fn fault(&self, cpu: &mut SysCpu<'_>, fault: &SysFault) -> Outcome;

    /// Nothing answers at the physical address of an access; the state as for `fault`.
    fn bus_error(&self, cpu: &mut SysCpu<'_>, va: u64, pa: u64, access: Access) -> Outcome;

    /// An access is not aligned as its instruction demands (`MemFlags`); the state as for `fault`.
    fn alignment(&self, cpu: &mut SysCpu<'_>, va: u64, access: Access) -> Outcome;

    /// A trap that the translator or a helper raised (system call, illegal or privileged instruction, breakpoint, …), with `pc` as
    /// the trap's definition says.
    fn trap(&self, cpu: &mut SysCpu<'_>, code: u32, info: u64) -> Outcome;

    /// Enters the most urgent interrupt that is pending and enabled (external ones: [`CpuHost::lines`]), if there is one.
    fn interrupt(&self, cpu: &mut SysCpu<'_>) -> bool;

    /// The deadline set by [`CpuHost::set_deadline`] has passed: raises what the CPU's own timers have to raise, and sets the
    /// next deadline. Called a little late or, if the clock was set, early.
    fn timer(&self, cpu: &mut SysCpu<'_>);

    /// The CPU waits for an interrupt.
    fn is_halted(&self, state: &[u8]) -> bool;

    /// The state is about to be saved: what is kept outside of it for this CPU comes in.
    fn before_save(&self, _cpu: &mut SysCpu<'_>) {}

    /// The state has been loaded, perhaps in another process: timers and what is kept outside of it follow.
    fn after_load(&self, cpu: &mut SysCpu<'_>);

    /// The CPU is reset by the machine: its state after [`crate::Isa::reset`], where it starts, and its timers.
    /// `index` is its number.
    fn reset(&self, cpu: &mut SysCpu<'_>, index: u32);
}

/// What names an address space: see [`System::context`].
pub type ContextKey = [u64; 8];

/// How many soft TLBs a CPU has.
pub const MMU_INDEXES: usize = 8;

/// The place in the machine that a CPU is plugged into: what it asks of everything outside of itself. Called from the CPU's
/// thread only, but shared.
pub trait CpuSocket: Send + Sync {
    /// The number of the CPU, from 0.
    fn cpu_index(&self) -> u32;

    /// The virtual clock.
    fn now_ns(&self) -> u64;

    /// If instructions are counted: where. Each instruction is counted before it is executed.
    fn counter(&self) -> Option<Arc<InsnCounter>> {
        None
    }

    /// The guest has read the clock, which showed this. Who waits for a time does that in a loop, and the CPU's thread may
    /// sleep a little in between.
    fn clock_polled(&self, _now_ns: u64) {}

    /// [`System::timer`] is to be called when the clock reaches this; `u64::MAX`: not at all. Replaces the one before.
    fn set_deadline(&self, at_ns: u64);

    /// Levels of the CPU's external inputs, one bit each; which is which is the ISA's definition.
    fn lines(&self) -> u32;

    /// Physical memory.
    fn bus(&self) -> &dyn Bus;

    /// Reads a device control register: a second, small bus of some embedded CPUs. `None`: nobody answers.
    fn dcr_read(&self, _n: u32) -> Option<u32> {
        None
    }

    /// Writes a device control register; false: nobody answers.
    fn dcr_write(&self, _n: u32, _value: u32) -> bool {
        false
    }

    /// The interrupt acknowledge cycle of a CPU that fetches its vector from the interrupt controller.
    fn acknowledge(&self) -> u32 {
        0
    }

    /// An output of the CPU changes (a watchdog's or checkstop's pin, …); which is which is the ISA's definition.
    fn output(&self, _n: u32, _level: bool) {}

    /// The machine is to be reset, soon.
    fn reset_system(&self) {}

    /// The machine is to be switched off, soon.
    fn shutdown(&self) {}

    /// A line for the log of guest errors and unimplemented features, rate-limited.
    fn guest_error(&self, _message: &dyn Fn() -> String) {}
}

/// What the ISA's system level (helpers, too: [`crate::EnvHeader::host`]) can ask: the socket's answers, and the engine's own caches.
pub trait CpuHost {
    /// The machine.
    fn socket(&self) -> &dyn CpuSocket;

    /// This CPU's soft TLBs are out of date.
    fn flush_tlb(&self);

    /// What this CPU's soft TLBs hold of the page around `va` (and of larger pages that it is part of) is out of date.
    fn flush_tlb_page(&self, va: u64);

    /// The same for every page whose number is `va`'s modulo `sets`, a power of two: for invalidations by place in a
    /// TLB of so many sets.
    fn flush_tlb_set(&self, va: u64, sets: u64);

    /// [`System::context`] may have changed.
    fn context_changed(&self);

    /// Reads aligned words of 8 bytes of memory that follow each other in one page, as the number that their bytes are in
    /// little-endian order: for walks through tables. Devices may be asked word by word.
    fn read_table(&self, pa: u64, words: &mut [u64]) -> Result<(), BusError> {
        for (n, word) in words.iter_mut().enumerate() {
            *word = self.bus().read(pa + 8 * n as u64, 8)?;
        }
        Ok(())
    }

    /// All other CPUs' soft TLBs are out of date; they have taken notice before this CPU's next block starts.
    fn flush_tlb_others(&self);

    /// Loads `size` (1, 2, 4, 8) bytes through a soft TLB, as an instruction would: the value in the guest's order, that is
    /// little-endian unless `big`. May cross a page.
    fn read_virt(&self, va: u64, size: u32, big: bool, mmu_index: u8) -> Result<u64, SysFault>;

    /// Stores `size` (1, 2, 4, 8) bytes.
    fn write_virt(
        &self,
        va: u64,
        size: u32,
        big: bool,
        value: u64,
        mmu_index: u8,
    ) -> Result<(), SysFault>;

    /// A helper's access failed: when the helper (of `Effects::StateMayExit`) returns, [`System::fault`] is called with this.
    /// Errors of `read_virt` and `write_virt` that stand for a bus error end in [`System::bus_error`].
    fn raise(&self, fault: SysFault);

    /// The number of the CPU, from 0.
    fn cpu_index(&self) -> u32 {
        self.socket().cpu_index()
    }

    /// The virtual clock.
    fn now_ns(&self) -> u64 {
        self.socket().now_ns()
    }

    /// See [`CpuSocket::set_deadline`].
    fn set_deadline(&self, at_ns: u64) {
        self.socket().set_deadline(at_ns);
    }

    /// See [`CpuSocket::lines`].
    fn lines(&self) -> u32 {
        self.socket().lines()
    }

    /// Physical memory.
    fn bus(&self) -> &dyn Bus {
        self.socket().bus()
    }
}

/// The code of a [`SysFault`] that stands for a bus error (`info`: the physical address); no ISA's own.
pub const BUS_ERROR: u32 = u32::MAX;
