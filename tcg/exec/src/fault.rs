//! Host faults: which of them are the guest's, and where to go on.
//!
//! # Why the handler may take the engine's lock
//!
//! It handles synchronous faults at two kinds of instruction only: in generated code, and in tcg-mem's recovering
//! accessors. Neither runs while its thread holds the engine's lock or is inside the memory allocator: generated
//! code holds nothing, and the engine reads guest code through [`tcg_target::CodeMemory::fetch`] with no lock
//! held. So the handler is in the position of an ordinary function called at that instruction, and invalidation
//! (lock, patch, free) is safe in it. Asynchronous signals never come here. What a `CodeMemory` implementation
//! must see to is that `classify` takes no lock that its owner holds while it accesses guest memory.

use crate::engine::Engine;
use crate::env::kind;
use crate::vcpu::Cpu;
use crate::{asm, fpflags, jit, lookup};
use std::cell::Cell;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use tcg_mem::{Access, FaultKind, GuestVa, MemFault};
use tcg_target::WriteFault;

/// The address ranges of one engine, for the handler.
struct Entry {
    engine: AtomicPtr<Engine>,
    code: [AtomicUsize; 2],
    memory: [AtomicUsize; 2],
}

/// Engines alive at the same time.
const MAX_ENGINES: usize = 64;
/// Bytes around the guest's window that belong to it (guards).
const GUARD: usize = 64 * 1024;

static ENGINES: [Entry; MAX_ENGINES] = [const {
    Entry {
        engine: AtomicPtr::new(ptr::null_mut()),
        code: [const { AtomicUsize::new(0) }; 2],
        memory: [const { AtomicUsize::new(0) }; 2],
    }
}; MAX_ENGINES];

fn set(range: &[AtomicUsize; 2], from: usize, to: usize) {
    range[0].store(from, Ordering::Release);
    range[1].store(to, Ordering::Release);
}

fn holds(range: &[AtomicUsize; 2], at: usize) -> bool {
    (range[0].load(Ordering::Acquire)..range[1].load(Ordering::Acquire)).contains(&at)
}

/// Makes an engine's ranges known to the handler.
pub(crate) fn register(engine: &Arc<Engine>) -> io::Result<()> {
    let me = Arc::as_ptr(engine).cast_mut();
    for e in &ENGINES {
        let free =
            e.engine
                .compare_exchange(ptr::null_mut(), me, Ordering::AcqRel, Ordering::Relaxed);
        if free.is_ok() {
            set(&e.code, engine.code.base(), engine.code.end());
            if engine.machine.is_none() {
                let base = engine.mem.base();
                let end = base + engine.mem.limit() as usize + GUARD;
                set(&e.memory, base.saturating_sub(GUARD), end);
            }
            return Ok(());
        }
    }
    Err(io::Error::other("too many engines"))
}

pub(crate) fn unregister(engine: &Engine) {
    for e in &ENGINES {
        if ptr::eq(e.engine.load(Ordering::Acquire), engine) {
            set(&e.code, 0, 0);
            set(&e.memory, 0, 0);
            e.engine.store(ptr::null_mut(), Ordering::Release);
        }
    }
}

/// The engine whose code or memory holds an address.
fn engine_at(at: usize, pick: impl Fn(&Entry) -> &[AtomicUsize; 2]) -> Option<&'static Engine> {
    let e = ENGINES.iter().find(|e| holds(pick(e), at))?;
    // SAFETY: an engine with threads in its code or accesses to its memory is alive.
    unsafe { e.engine.load(Ordering::Acquire).as_ref() }
}

thread_local! {
    /// The virtual CPU that this thread runs guest code of.
    static CURRENT: Cell<*const Cpu> = const { Cell::new(ptr::null()) };
}

/// Notes which virtual CPU this thread is running; gives the one before.
pub(crate) fn set_current(cpu: &Cpu) -> *const Cpu {
    CURRENT.replace(cpu)
}

/// Undoes [`set_current`].
pub(crate) fn restore_current(before: *const Cpu) {
    CURRENT.set(before);
}

/// A host fault, reduced to what matters.
struct HostFault {
    addr: usize,
    access: Access,
    bus: bool,
    /// The address is not canonical, so the host does not tell it.
    nowhere: bool,
}

/// What to do about an access.
enum Verdict {
    /// Do it again.
    Retry,
    /// It hit a page with translations, which are invalid now; do it again.
    CodeWritten,
    /// It is the guest's.
    Guest(MemFault),
}

/// Is this fault the emulated program's, or one that its memory's accessors recover from? If so, `uc` is changed so that returning
/// from the handler goes on correctly: a fault of guest code makes [`crate::Vcpu::run`] return, one of an accessor makes it return its
/// error, and a write to a page with translations is done again after these were invalidated.
///
/// The handler must run on an alternate stack of at least 64 KiB.
///
/// # Safety
/// To be called from the handler of SIGSEGV, SIGBUS or SIGFPE with that handler's arguments, in the thread concerned.
pub unsafe fn handle_host_fault(
    sig: i32,
    info: *const libc::siginfo_t,
    uc: *mut libc::ucontext_t,
) -> bool {
    if sig == libc::SIGFPE {
        // SAFETY: the argument is the handler's.
        return unsafe { (*info).si_code } > 0 && in_arithmetic(unsafe { &mut *uc });
    }
    if sig != libc::SIGSEGV && sig != libc::SIGBUS {
        return false;
    }
    // SAFETY: the arguments are those of the handler.
    let (uc, addr, code) = unsafe { (&mut *uc, (*info).si_addr() as usize, (*info).si_code) };
    const WRITE: i64 = 2;
    /// si_code of a general protection fault.
    const SI_KERNEL: i32 = 128;
    let err = uc.uc_mcontext.gregs[libc::REG_ERR as usize];
    let fault = HostFault {
        addr,
        access: match err & WRITE {
            0 => Access::Read,
            _ => Access::Write,
        },
        bus: sig == libc::SIGBUS,
        nowhere: sig == libc::SIGSEGV && code == SI_KERNEL,
    };
    let rip = uc.uc_mcontext.gregs[libc::REG_RIP as usize] as usize;
    match engine_at(rip, |e| &e.code) {
        Some(engine) => in_code(engine, rip, &fault, uc),
        None => in_accessor(rip, &fault, uc),
    }
}

impl Engine {
    fn judge(&self, f: &HostFault) -> Verdict {
        let va = GuestVa((f.addr as u64).wrapping_sub(self.mem.base() as u64));
        let fault = |kind| {
            Verdict::Guest(MemFault {
                va,
                access: f.access,
                kind,
            })
        };
        if va.0 >= self.mem.limit() {
            return fault(FaultKind::Unmapped);
        }
        if f.bus {
            return fault(FaultKind::Bus);
        }
        match self.code_memory.classify(va, f.access) {
            WriteFault::Retry => Verdict::Retry,
            WriteFault::Fault(fault) => Verdict::Guest(fault),
            WriteFault::Code(page) => {
                self.release_page(page, true);
                Verdict::CodeWritten
            }
        }
    }
}

/// A fault in an accessor of tcg-mem.
fn in_accessor(rip: usize, fault: &HostFault, uc: &mut libc::ucontext_t) -> bool {
    let Some(landing) = tcg_mem::recover(rip) else {
        return false;
    };
    let current = CURRENT.get();
    // SAFETY: set by this thread's `run`, which has not returned.
    let cpu = unsafe { current.as_ref() };
    let verdict = match engine_at(fault.addr, |e| &e.memory) {
        Some(engine) => engine.judge(fault),
        // The other side of a copy, or memory of nobody: the accessor fails.
        None => return land(landing, uc),
    };
    match verdict {
        Verdict::Retry | Verdict::CodeWritten => match cpu {
            // Guest code is being run, perhaps by a block that has just become invalid: call the access off
            // and run its instruction alone.
            Some(cpu) if !cpu.alone.get() => {
                cpu.self_modified.set(true);
                land(landing, uc)
            }
            _ => true,
        },
        Verdict::Guest(f) => {
            if let Some(cpu) = cpu {
                cpu.host_fault.set(Some(f));
            }
            land(landing, uc)
        }
    }
}

fn land(landing: usize, uc: &mut libc::ucontext_t) -> bool {
    uc.uc_mcontext.gregs[libc::REG_RIP as usize] = landing as i64;
    true
}

/// A fault in generated code.
fn in_code(engine: &Engine, rip: usize, fault: &HostFault, uc: &mut libc::ucontext_t) -> bool {
    let env = uc.uc_mcontext.gregs[libc::REG_RBP as usize] as *mut u8;
    // SAFETY: rbp is the state block while generated code runs, and this thread runs it.
    let cpu = unsafe { lookup::cpu_of(env) };
    if cpu.returns.guards(fault.addr) {
        cpu.count(|s| &s.return_overflows);
        uc.uc_mcontext.gregs[libc::REG_RSP as usize] = cpu.returns.base() as i64;
        return true;
    }
    let Some(block) = engine.block_at(rip) else {
        return false;
    };
    let verdict = match fault.nowhere {
        // The interpreter runs the instruction again and finds the address out: its accessors compare with the limit.
        true => Verdict::CodeWritten,
        false => engine.judge(fault),
    };
    if rip - block.entry < block.body {
        // The comparison at entry could not read the code: let the dispatch loop find out why.
        cpu.set_pc(block.pc);
        cpu.set_mode(block.mode);
        cpu.set_exit_kind(kind::AGAIN);
        return matches!(verdict, Verdict::Retry) || land(asm::exit_stub(), uc);
    }
    let exit = match verdict {
        // Whoever released the page, this thread or another, may have invalidated this very block.
        Verdict::Retry | Verdict::CodeWritten if block.is_valid() && !fault.nowhere => return true,
        Verdict::Retry | Verdict::CodeWritten => None,
        Verdict::Guest(f) => Some(f),
    };
    let (mut gprs, xmms) = saved_registers(uc);
    // SAFETY: this thread's header; generated code is stopped.
    let header = unsafe { &*cpu.env.header() };
    let offset = rip - block.entry - block.body;
    let pins = cpu.pins();
    let maps = &block.maps;
    let at = jit::restore(maps, offset, &gprs, &xmms, header, cpu.state(), pins);
    let Some((pc, mode)) = at else {
        return false;
    };
    // The way out takes pinned slots from their registers.
    pins.to_registers(cpu.state(), &mut gprs);
    set_registers(uc, &gprs);
    cpu.set_pc(pc);
    cpu.set_mode(mode);
    match exit {
        Some(f) => cpu.set_fault(&f),
        None => cpu.set_exit_kind(kind::ONE_INSN),
    }
    land(asm::exit_stub(), uc)
}

/// An unmasked exception of floating-point arithmetic.
fn in_arithmetic(uc: &mut libc::ucontext_t) -> bool {
    let rip = uc.uc_mcontext.gregs[libc::REG_RIP as usize] as usize;
    let env = uc.uc_mcontext.gregs[libc::REG_RBP as usize] as *mut u8;
    // SAFETY: the kernel fills in the floating-point state of the frame or leaves the pointer null.
    let Some(fp) = (unsafe { fp_state(uc).as_mut() }) else {
        return false;
    };
    let Some(engine) = engine_at(rip, |e| &e.code) else {
        return false;
    };
    // SAFETY: rbp is the state block while generated code runs, and this thread runs it.
    let cpu = unsafe { lookup::cpu_of(env) };
    // SAFETY: this thread's header; generated code is stopped.
    let header = unsafe { &mut *cpu.env.header() };
    cpu.count(|s| &s.fp_faults);
    let Some(block) = engine.block_at(rip) else {
        return false;
    };
    let offset = rip - block.entry - block.body;
    match fpflags::unmasked(header, &mut fp.mxcsr, &block.fp_sites, offset) {
        Some(slow) => land(block.entry + block.body + slow, uc),
        None => true,
    }
}

/// Where a signal frame has the general registers, by hardware number.
const ORDER: [i32; 16] = [
    libc::REG_RAX,
    libc::REG_RCX,
    libc::REG_RDX,
    libc::REG_RBX,
    libc::REG_RSP,
    libc::REG_RBP,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
];

/// Puts general registers into a signal frame.
fn set_registers(uc: &mut libc::ucontext_t, gprs: &[u64; 16]) {
    for (r, v) in ORDER.into_iter().zip(gprs) {
        uc.uc_mcontext.gregs[r as usize] = *v as i64;
    }
}

/// The registers of a signal frame, by hardware number.
fn saved_registers(uc: &libc::ucontext_t) -> ([u64; 16], [u128; 16]) {
    let gprs = ORDER.map(|r| uc.uc_mcontext.gregs[r as usize] as u64);
    let mut xmms = [0u128; 16];
    // SAFETY: the kernel fills in the floating-point state of the frame or leaves the pointer null.
    if let Some(fp) = unsafe { fp_state(uc).as_ref() } {
        xmms = fp.xmm;
    }
    (gprs, xmms)
}

/// The start of the floating-point state of a signal frame, as FXSAVE writes it (Intel SDM 1, 10.5.1).
#[repr(C)]
struct FpState {
    x87: [u8; 24],
    mxcsr: u32,
    mxcsr_mask: u32,
    st: [u128; 8],
    xmm: [u128; 16],
}

/// The floating-point state of a signal frame. The pointer follows the general registers in the kernel's structure (`fpstate`
/// of `struct sigcontext`); not every C library names it.
fn fp_state(uc: &libc::ucontext_t) -> *mut FpState {
    let gregs = uc.uc_mcontext.gregs.as_ptr_range();
    // SAFETY: the kernel's frame, in which the pointer is next.
    unsafe { *gregs.end.cast() }
}

/// Makes this thread ready to run a machine's CPU: the process gets a handler for what the stack of paired returns and the
/// recovering accessors need, the thread an alternate stack for it. Every other fault ends the process as before.
pub(crate) fn install() {
    static HANDLER: Once = Once::new();
    thread_local! {
        static READY: Cell<bool> = const { Cell::new(false) };
    }
    if READY.replace(true) {
        return;
    }
    const STACK: usize = 64 << 10;
    // SAFETY: a stack of this thread's own, never freed; the handler keeps to what the kernel gives it.
    unsafe {
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let at = libc::mmap(ptr::null_mut(), STACK, prot, flags, -1, 0);
        if at != libc::MAP_FAILED {
            let stack = libc::stack_t {
                ss_sp: at,
                ss_flags: 0,
                ss_size: STACK,
            };
            libc::sigaltstack(&stack, ptr::null_mut());
        }
        HANDLER.call_once(|| {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_signal as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigaction(libc::SIGSEGV, &action, ptr::null_mut());
            libc::sigaction(libc::SIGBUS, &action, ptr::null_mut());
        });
    }
}

extern "C" fn on_signal(sig: i32, info: *mut libc::siginfo_t, uc: *mut libc::c_void) {
    // SAFETY: the handler's arguments; without a handler the fault repeats itself and ends the process.
    unsafe {
        if !handle_host_fault(sig, info, uc.cast()) {
            libc::signal(sig, libc::SIG_DFL);
        }
    }
}
