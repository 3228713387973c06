//! The host's side of signals: the one handler, what it leaves for its thread, the mask, dying. Part of the unsafe
//! island of this crate.

use super::info::SIGINFO_SIZE;
use super::{Action, SIG_DFL, SIG_IGN, SYNCHRONOUS, SigInfo, UNSTOPPABLE, bit};
use crate::sys;
use std::cell::{Cell, UnsafeCell};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// The kernel's struct sigaction on x86-64.
#[repr(C)]
#[derive(Clone, Copy)]
struct KernelAction {
    handler: usize,
    flags: u64,
    restorer: usize,
    mask: u64,
}

const SA_RESTORER: u64 = 0x0400_0000;
const HOST_SA_SIGINFO: u64 = 4;
const HOST_SA_ONSTACK: u64 = 0x0800_0000;
/// So that the kernel rewinds what can be restarted into the window of [`sys::blocking`].
const HOST_SA_RESTART: u64 = 0x1000_0000;
/// Flags that mean the same on the host: SA_NOCLDSTOP, SA_NOCLDWAIT.
const PASSED_ON: u64 = 3;

std::arch::global_asm!(
    ".pushsection .text.emu_restorer,\"ax\",@progbits",
    ".globl emu_linux_user_restorer",
    "emu_linux_user_restorer:",
    "mov eax, 15",
    "syscall",
    ".popsection",
);

unsafe extern "C" {
    fn emu_linux_user_restorer();
}

/// Signals that a thread can hold: one of the ordinary kind, and one for each synchronous number sent by somebody.
const PLACES: usize = 6;

/// What the handler leaves for its thread. Written by the handlers of the same thread only.
struct Inbox {
    /// One bit for each place that is full.
    full: AtomicU32,
    infos: UnsafeCell<[[u8; SIGINFO_SIZE]; PLACES]>,
    interrupt: Cell<*const AtomicU32>,
}

thread_local! {
    static INBOX: Inbox = const {
        Inbox {
            full: AtomicU32::new(0),
            infos: UnsafeCell::new([[0; SIGINFO_SIZE]; PLACES]),
            interrupt: Cell::new(std::ptr::null()),
        }
    };
}

/// The place of a signal in the inbox: ordinary signals share the first, because all are blocked while it is full.
fn place(sig: i32) -> usize {
    match sig {
        libc::SIGSEGV => 1,
        libc::SIGBUS => 2,
        libc::SIGILL => 3,
        libc::SIGFPE => 4,
        libc::SIGTRAP => 5,
        _ => 0,
    }
}

/// From now on this thread's signals interrupt this virtual CPU. The flag must live until another call.
pub fn attach(interrupt: *const AtomicU32) {
    INBOX.with(|i| i.interrupt.set(interrupt));
}

fn full() -> u32 {
    INBOX.with(|i| i.full.load(Ordering::Acquire))
}

/// Whether a signal waits for this thread.
pub fn has_pending() -> bool {
    full() != 0
}

/// The numbers of the signals that wait, as a mask.
pub fn pending_mask() -> u64 {
    let (mut mask, full) = (0, full());
    for k in 0..PLACES {
        if full & (1 << k) != 0 {
            mask |= bit(peek(k).signo);
        }
    }
    mask
}

fn peek(k: usize) -> SigInfo {
    // SAFETY: a full place is not written: its signals are blocked, or dropped as a second standard signal is.
    INBOX.with(|i| unsafe {
        (*i.infos.get())
            .get(k)
            .map_or_else(SigInfo::default, SigInfo::from_host)
    })
}

/// The signal that arrived, if one did. Synchronous numbers first, as the kernel does.
pub fn take_pending() -> Option<SigInfo> {
    let full = full();
    if full == 0 {
        return None;
    }
    let k = if full & !1 != 0 {
        (full & !1).trailing_zeros()
    } else {
        0
    };
    let info = peek(k as usize);
    // Atomically: a handler may set other bits at any time, as a synchronous number arrives by kill.
    INBOX.with(|i| i.full.fetch_and(!(1 << k), Ordering::AcqRel));
    Some(info)
}

extern "C" fn handler(sig: i32, info: *const libc::siginfo_t, uc: *mut libc::ucontext_t) {
    // SAFETY: called by the kernel with valid pointers.
    let code = unsafe { (*info).si_code };
    if SYNCHRONOUS & bit(sig) != 0 && code > 0 {
        // SAFETY: as above; this is a fault of this thread.
        if unsafe { tcg_exec::handle_host_fault(sig, info, uc) } {
            return;
        }
        emulator_fault(sig, info, uc);
    }
    // SAFETY: as above.
    if unsafe { sys::is_kick(info) } {
        return kicked(uc);
    }
    INBOX.with(|inbox| {
        let k = place(sig);
        if inbox.full.load(Ordering::Relaxed) & (1 << k) != 0 {
            // The mask was opened a moment too early: back to the kernel's queue, where it waits from now on.
            let ids = [
                u64::from(std::process::id()),
                sys::gettid(),
                sig as u64,
                info as u64,
            ];
            let _ = sys::call(libc::SYS_rt_tgsigqueueinfo, ids);
        } else {
            // SAFETY: siginfo_t has this size; only this thread's handlers write, and they do not nest, since all
            // signals are blocked while one runs.
            unsafe {
                if let Some(to) = (*inbox.infos.get()).get_mut(k) {
                    *to = *info.cast::<[u8; SIGINFO_SIZE]>();
                }
            }
            inbox.full.fetch_or(1 << k, Ordering::AcqRel);
        }
        let flag = inbox.interrupt.get();
        if !flag.is_null() {
            // SAFETY: points into the thread's virtual CPU, which lives while it is attached.
            unsafe { (*flag).store(1, Ordering::SeqCst) };
        }
    });
    // SAFETY: the kernel's ucontext; its mask is 64 bits long, which is what uc_sigmask starts with. All others wait
    // in the kernel until this one has been delivered.
    unsafe {
        sys::leave_window(uc);
        (&raw mut (*uc).uc_sigmask)
            .cast::<u64>()
            .write(!SYNCHRONOUS);
    }
}

/// A debugger wants the thread back from where it is. No signal: the mask stays as it is.
fn kicked(uc: *mut libc::ucontext_t) {
    let flag = INBOX.with(|inbox| inbox.interrupt.get());
    // SAFETY: the flag points into the thread's virtual CPU while it is attached; the context is the kernel's.
    unsafe {
        if let Some(flag) = flag.as_ref() {
            flag.store(1, Ordering::SeqCst);
        }
        sys::leave_window(uc);
    }
}

/// A fault of the emulator itself: says where and dies by it.
fn emulator_fault(sig: i32, info: *const libc::siginfo_t, uc: *mut libc::ucontext_t) -> ! {
    // SAFETY: valid pointers from the kernel.
    let (addr, rip) = unsafe {
        (
            (*info).si_addr() as usize,
            (*uc).uc_mcontext.gregs[libc::REG_RIP as usize],
        )
    };
    let mut text = [0u8; 128];
    let words =
        format_args!("emu: internal error: signal {sig} at host {rip:#x}, address {addr:#x}\n");
    let n = sys::format_into(&mut text, words);
    let _ = sys::call(libc::SYS_write, [2, text.as_ptr() as u64, n as u64]);
    die(sig)
}

/// Dies by a signal.
pub fn die(sig: i32) -> ! {
    let _ = set_kernel_action(
        sig,
        &KernelAction {
            handler: 0,
            flags: 0,
            restorer: 0,
            mask: 0,
        },
    );
    let pid = u64::from(std::process::id());
    // Unblocked, to oneself: it takes effect before the call returns.
    set_host_mask(0);
    let _ = sys::call(libc::SYS_tgkill, [pid, sys::gettid(), sig as u64]);
    sys::exit_group(128 + sig)
}

fn set_kernel_action(sig: i32, action: &KernelAction) -> Result<u64, crate::errno::Errno> {
    sys::call(
        libc::SYS_rt_sigaction,
        [sig as u64, sys::addr(action), 0, 8],
    )
}

/// The host's action for a guest's. Signals for which the guest has no handler are left to the kernel.
pub fn set_host_action(sig: i32, action: &Action) {
    if bit(sig) & UNSTOPPABLE != 0 {
        return;
    }
    let flags = action.flags & PASSED_ON;
    let host = match action.handler {
        SIG_DFL if CATCH_DEFAULTS.load(Ordering::Relaxed) & bit(sig) != 0 => ours(flags),
        SIG_DFL | SIG_IGN => KernelAction {
            handler: action.handler as usize,
            flags,
            restorer: 0,
            mask: 0,
        },
        _ => ours(flags),
    };
    // The number is valid and the action can be changed, so this does not fail.
    let _ = set_kernel_action(sig, &host);
}

/// Before an exec: a signal that came through the handler takes its default action from now on. `default`: that is its
/// action already, as far as the guest knows.
pub fn leave_to_kernel(sig: i32, default: bool) {
    let caught = CATCH_DEFAULTS.load(Ordering::Relaxed) & bit(sig) != 0;
    if bit(sig) & UNSTOPPABLE == 0 && (!default || caught) {
        let action = KernelAction {
            handler: 0,
            flags: 0,
            restorer: 0,
            mask: 0,
        };
        let _ = set_kernel_action(sig, &action);
    }
}

/// Before an exec: the synchronous signals that the guest ignores are ignored by the next program, too.
pub fn pass_ignored_on(sig: i32, ignored: bool) {
    let action = if ignored {
        KernelAction {
            handler: SIG_IGN as usize,
            flags: 0,
            restorer: 0,
            mask: 0,
        }
    } else {
        ours(0)
    };
    let _ = set_kernel_action(sig, &action);
}

fn ours(flags: u64) -> KernelAction {
    KernelAction {
        handler: handler as *const () as usize,
        flags: flags | HOST_SA_SIGINFO | HOST_SA_ONSTACK | HOST_SA_RESTART | SA_RESTORER,
        restorer: emu_linux_user_restorer as *const () as usize,
        mask: !0,
    }
}

/// The signals that the host raises for faults.
pub const FAULTS: [i32; 5] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGTRAP,
];

/// Installs the handlers that the emulator needs itself, and undoes what Rust's start-up did to SIGPIPE.
pub fn install() -> std::io::Result<()> {
    for sig in FAULTS {
        set_kernel_action(sig, &ours(0)).map_err(|e| std::io::Error::from_raw_os_error(e.0))?;
    }
    if !PIPE_IGNORED.load(Ordering::Relaxed) {
        set_host_action(libc::SIGPIPE, &Action::default());
    }
    Ok(())
}

/// These signals come through the handler with the default action, too.
static CATCH_DEFAULTS: AtomicU64 = AtomicU64::new(0);

/// Which signals with the default action actions set from now on do not leave to the kernel.
pub fn catch_defaults(mask: u64) {
    CATCH_DEFAULTS.store(mask, Ordering::Relaxed);
}

/// Whether SIGPIPE was ignored when this process started, before Rust's start-up ignored it.
static PIPE_IGNORED: AtomicBool = AtomicBool::new(false);

extern "C" fn note_sigpipe() {
    let mut old = KernelAction {
        handler: 0,
        flags: 0,
        restorer: 0,
        mask: 0,
    };
    if sys::call(
        libc::SYS_rt_sigaction,
        [libc::SIGPIPE as u64, 0, sys::addr_mut(&mut old), 8],
    )
    .is_ok()
    {
        PIPE_IGNORED.store(old.handler == SIG_IGN as usize, Ordering::Relaxed);
    }
}

// SAFETY: the C runtime calls the functions of this section before main; this one needs nothing of Rust's runtime.
#[used]
#[unsafe(link_section = ".init_array")]
static NOTE_SIGPIPE: extern "C" fn() = note_sigpipe;

/// Whether a signal was ignored when this program started.
pub fn is_ignored(sig: i32) -> bool {
    if sig == libc::SIGPIPE {
        return PIPE_IGNORED.load(Ordering::Relaxed);
    }
    let mut old = KernelAction {
        handler: 0,
        flags: 0,
        restorer: 0,
        mask: 0,
    };
    let known = sys::call(
        libc::SYS_rt_sigaction,
        [sig as u64, 0, sys::addr_mut(&mut old), 8],
    )
    .is_ok();
    known && old.handler == SIG_IGN as usize
}

/// Sets the host's mask of this thread.
pub fn set_host_mask(mask: u64) {
    let _ = sys::call(
        libc::SYS_rt_sigprocmask,
        [libc::SIG_SETMASK as u64, sys::addr(&mask), 0, 8],
    );
}

/// The host's mask of this thread.
pub fn host_mask() -> u64 {
    let mut mask = 0u64;
    let _ = sys::call(
        libc::SYS_rt_sigprocmask,
        [libc::SIG_SETMASK as u64, 0, sys::addr_mut(&mut mask), 8],
    );
    mask
}

/// What the host's kernel holds back for this thread and process.
pub fn host_pending() -> u64 {
    let mut mask = 0u64;
    let _ = sys::call(libc::SYS_rt_sigpending, [sys::addr_mut(&mut mask), 8]);
    mask
}

/// A thread's inbox put aside while a vfork child runs on its thread-local storage. All signals are blocked from
/// the start until it is put back.
pub struct Parked {
    mask: sys::HostMask,
    full: u32,
    infos: [[u8; SIGINFO_SIZE]; PLACES],
    interrupt: *const AtomicU32,
}

/// Puts the inbox aside.
pub fn park() -> Parked {
    let mask = sys::block_all_signals();
    INBOX.with(|i| Parked {
        mask,
        full: i.full.swap(0, Ordering::AcqRel),
        // SAFETY: no handler of an ordinary signal can run, and faults do not use the inbox.
        infos: unsafe { *i.infos.get() },
        interrupt: i.interrupt.get(),
    })
}

impl Parked {
    /// In the child: its own virtual CPU takes over, with the parent's mask.
    pub fn enter_child(mask: sys::HostMask, interrupt: *const AtomicU32) {
        attach(interrupt);
        sys::restore_signals(&mask);
    }

    /// The mask from before.
    pub fn mask(&self) -> sys::HostMask {
        self.mask
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        INBOX.with(|i| {
            i.full.store(self.full, Ordering::Release);
            // SAFETY: as in `park`.
            unsafe { *i.infos.get() = self.infos };
            i.interrupt.set(self.interrupt);
        });
        sys::restore_signals(&self.mask);
    }
}

/// `SIGSEGV` and so on.
pub fn signal_name(sig: i32) -> &'static str {
    const NAMES: [&str; 32] = [
        "signal 0",
        "SIGHUP",
        "SIGINT",
        "SIGQUIT",
        "SIGILL",
        "SIGTRAP",
        "SIGABRT",
        "SIGBUS",
        "SIGFPE",
        "SIGKILL",
        "SIGUSR1",
        "SIGSEGV",
        "SIGUSR2",
        "SIGPIPE",
        "SIGALRM",
        "SIGTERM",
        "SIGSTKFLT",
        "SIGCHLD",
        "SIGCONT",
        "SIGSTOP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGXCPU",
        "SIGXFSZ",
        "SIGVTALRM",
        "SIGPROF",
        "SIGWINCH",
        "SIGIO",
        "SIGPWR",
        "SIGSYS",
    ];
    NAMES
        .get(sig as usize)
        .copied()
        .unwrap_or("a real-time signal")
}

/// The name as in strace's sets: without SIG.
pub fn short_name(sig: i32) -> String {
    match sig {
        1..=31 => signal_name(sig).trim_start_matches("SIG").to_string(),
        _ => format!("RT_{}", sig - 32),
    }
}
