//! Why a virtual CPU came back to its front end.

use tcg_mem::MemFault;

/// Why [`crate::Vcpu::run`] returned. The guest state is precise: every register is in the state block, and
/// the program counter is that of the instruction named in each case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The translator of the ISA raised a trap: `code` is one of the ISA's own constants (a system call, an
    /// undefined instruction, a breakpoint, …), `info` what goes with it (an immediate, an address).
    /// Whether the program counter is at or behind the instruction is part of the code's definition.
    Trap {
        /// The ISA's code of the trap.
        code: u32,
        /// The trap's argument.
        info: u64,
    },
    /// A memory access or instruction fetch failed; the program counter is at the instruction.
    Fault(MemFault),
    /// Somebody set the interrupt flag ([`crate::Vcpu::interrupt_flag`]); the flag has been cleared. The
    /// program counter is at the next instruction to run.
    Interrupt,
    /// The one-instruction step that was asked for is done.
    Step,
    /// The next instruction has a breakpoint ([`crate::Engine::set_breakpoints`]); it has not run.
    Break,
    /// A watched access. Whether the instruction has run is what [`crate::Engine::set_watchpoints`] was told.
    Watch(crate::WatchHit),
    /// System mode only: the CPU does not go on by itself.
    Machine(Event),
}

/// Why the CPU of a machine does not go on by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It waits for an interrupt.
    Halt,
    /// The machine is to be reset.
    Reset,
    /// The machine is to be switched off.
    Shutdown,
    /// It cannot go on ([`crate::Vcpu::message`] says why).
    Stuck,
}
