//! The host's side of signals: the one handler, the mask, dying. Part of the unsafe island of this crate.

use super::info::SIGINFO_SIZE;
use super::{Action, SIG_DFL, SIG_IGN, SYNCHRONOUS, SigInfo, UNSTOPPABLE, bit};
use crate::sys;
use std::cell::{Cell, UnsafeCell};
use std::sync::atomic::{AtomicU32, Ordering};

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
/// Flags that mean the same on the host: SA_NOCLDSTOP, SA_NOCLDWAIT.
const PASSED_ON: u64 = 3;

std::arch::global_asm!(
    ".global emu_linux_user_restorer",
    "emu_linux_user_restorer:",
    "mov eax, 15",
    "syscall",
);

unsafe extern "C" {
    fn emu_linux_user_restorer();
}

/// What the handler leaves for the thread. Written by the handler of the same thread only.
struct Inbox {
    full: Cell<bool>,
    info: UnsafeCell<[u8; SIGINFO_SIZE]>,
    interrupt: Cell<*const AtomicU32>,
}

thread_local! {
    static INBOX: Inbox = const {
        Inbox {
            full: Cell::new(false),
            info: UnsafeCell::new([0; SIGINFO_SIZE]),
            interrupt: Cell::new(std::ptr::null()),
        }
    };
}

/// Runs `f` with this thread's handler pointed at a virtual CPU's interrupt flag.
pub fn with_guest_signals<R>(interrupt: *const AtomicU32, f: impl FnOnce() -> R) -> R {
    let before = INBOX.with(|i| i.interrupt.replace(interrupt));
    let r = f();
    INBOX.with(|i| i.interrupt.set(before));
    r
}

/// The signal that arrived, if one did.
pub fn take_pending() -> Option<SigInfo> {
    INBOX.with(|inbox| {
        if !inbox.full.get() {
            return None;
        }
        // SAFETY: while `full` is set all signals but the synchronous ones are blocked in this thread, and those
        // are not stored over a full inbox: nobody writes now.
        let info = SigInfo::from_host(unsafe { &*inbox.info.get() });
        inbox.full.set(false);
        Some(info)
    })
}

extern "C" fn handler(sig: i32, info: *const libc::siginfo_t, uc: *mut libc::ucontext_t) {
    if SYNCHRONOUS & bit(sig) != 0 {
        // SAFETY: called by the kernel with valid pointers.
        let (code, handled) = unsafe { ((*info).si_code, tcg_exec::handle_host_fault(sig, info, uc)) };
        if handled {
            return;
        }
        if code > 0 {
            emulator_fault(sig, info, uc);
        }
    }
    INBOX.with(|inbox| {
        if !inbox.full.get() {
            // SAFETY: siginfo_t has this size; only this thread's handlers write, and they do not nest before
            // `full` is set, since all signals are blocked while a handler runs.
            unsafe { *inbox.info.get() = *info.cast::<[u8; SIGINFO_SIZE]>() };
            inbox.full.set(true);
        }
        let flag = inbox.interrupt.get();
        if !flag.is_null() {
            // SAFETY: points into the thread's virtual CPU, which lives while the pointer is set.
            unsafe { (*flag).store(1, Ordering::SeqCst) };
        }
    });
    // SAFETY: the kernel's ucontext; its mask is 64 bits long, which is what uc_sigmask starts with.
    unsafe {
        sys::leave_blocking_window(uc);
        let mask = (&raw mut (*uc).uc_sigmask).cast::<u64>();
        *mask = !SYNCHRONOUS;
    }
}

/// A fault of the emulator itself: says where and dies by it.
fn emulator_fault(sig: i32, info: *const libc::siginfo_t, uc: *mut libc::ucontext_t) -> ! {
    // SAFETY: valid pointers from the kernel.
    let (addr, rip) = unsafe { ((*info).si_addr() as usize, (*uc).uc_mcontext.gregs[libc::REG_RIP as usize]) };
    let mut text = [0u8; 128];
    let n = sys::format_into(&mut text, format_args!("emu: internal error: signal {sig} at {rip:#x}, address {addr:#x}\n"));
    let _ = sys::call(libc::SYS_write, [2, text.as_ptr() as u64, n as u64]);
    die(sig)
}

/// Dies by a signal.
pub fn die(sig: i32) -> ! {
    let action = KernelAction { handler: 0, flags: 0, restorer: 0, mask: 0 };
    let _ = sys::call(libc::SYS_rt_sigaction, [sig as u64, sys::addr(&action), 0, 8]);
    let pid = std::process::id();
    // Unblocked, to oneself: it takes effect before the call returns. A fatal number that is ignored by default
    // cannot occur here.
    set_host_mask(0);
    let _ = sys::call(libc::SYS_tgkill, [u64::from(pid), sys::gettid(), sig as u64]);
    let _ = sys::call(libc::SYS_kill, [u64::from(pid), sig as u64]);
    sys::exit_group(128 + sig)
}

/// The host's action for a guest's.
pub fn set_host_action(sig: i32, action: &Action) {
    if bit(sig) & UNSTOPPABLE != 0 {
        return;
    }
    let host = match action.handler {
        SIG_DFL | SIG_IGN => KernelAction { handler: action.handler as usize, flags: action.flags & PASSED_ON, restorer: 0, mask: 0 },
        _ => ours(action.flags & PASSED_ON),
    };
    let _ = sys::call(libc::SYS_rt_sigaction, [sig as u64, sys::addr(&host), 0, 8]);
}

fn ours(flags: u64) -> KernelAction {
    KernelAction {
        handler: handler as *const () as usize,
        flags: flags | HOST_SA_SIGINFO | HOST_SA_ONSTACK | SA_RESTORER,
        restorer: emu_linux_user_restorer as *const () as usize,
        mask: !0,
    }
}

/// Installs the handlers that the emulator needs itself.
pub fn install() -> std::io::Result<()> {
    for sig in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP] {
        let action = ours(0);
        sys::call(libc::SYS_rt_sigaction, [sig as u64, sys::addr(&action), 0, 8])
            .map_err(|e| std::io::Error::from_raw_os_error(e.0))?;
    }
    Ok(())
}

/// Whether a signal was ignored when this program started.
pub fn is_ignored(sig: i32) -> bool {
    let mut old = KernelAction { handler: 0, flags: 0, restorer: 0, mask: 0 };
    let known = sys::call(libc::SYS_rt_sigaction, [sig as u64, 0, sys::addr_mut(&mut old), 8]).is_ok();
    known && old.handler == SIG_IGN as usize && bit(sig) & SYNCHRONOUS == 0 && sig != libc::SIGPIPE
        || known && sig == libc::SIGPIPE && sigpipe_was_ignored()
}

/// Rust's runtime ignores SIGPIPE before main; a program started by a shell expects the default. Whether the parent
/// had it ignored cannot be told afterwards, so the default is taken.
fn sigpipe_was_ignored() -> bool {
    false
}

/// Sets the host's mask of this thread.
pub fn set_host_mask(mask: u64) {
    let _ = sys::call(libc::SYS_rt_sigprocmask, [libc::SIG_SETMASK as u64, sys::addr(&mask), 0, 8]);
}

/// The host's mask of this thread.
pub fn host_mask() -> u64 {
    let mut mask = 0u64;
    let _ = sys::call(libc::SYS_rt_sigprocmask, [libc::SIG_SETMASK as u64, 0, sys::addr_mut(&mut mask), 8]);
    mask
}

/// `SIGSEGV` and so on.
pub fn signal_name(sig: i32) -> &'static str {
    const NAMES: [&str; 32] = [
        "signal 0", "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL",
        "SIGUSR1", "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT",
        "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF",
        "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS",
    ];
    NAMES.get(sig as usize).copied().unwrap_or("a real-time signal")
}
