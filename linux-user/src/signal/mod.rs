//! Guest signals.
//!
//! The host's kernel keeps the queues: the host's signal mask of a thread is always the guest's (synchronous
//! signals excepted), so the host decides who gets what and when. A host handler only notes the one signal that
//! arrived, blocks all others until it has been delivered, and makes the virtual CPU come back; [`deliver_pending`]
//! then builds the guest's frame at a safe point. Signals with the default action are left to the host.

mod action;
mod altstack;
mod core;
mod host;
mod info;
mod report;

pub use action::{
    Action, Actions, SA_KNOWN, SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_RESTART, SA_SIGINFO,
    SIG_DFL, SIG_IGN,
};
pub use altstack::AltStack;
pub use core::Bytes as CoreBytes;
pub use host::{Parked, host_mask, install, park, short_name};
pub use info::{SIGINFO_SIZE, SigInfo};

use crate::abi::{Reader, Writer};
use crate::errno::Errno;
use crate::sys;
use crate::task::Task;

/// Signals that the host raises for faults of this process; never blocked on the host.
pub const SYNCHRONOUS: u64 = bit(libc::SIGSEGV)
    | bit(libc::SIGBUS)
    | bit(libc::SIGILL)
    | bit(libc::SIGFPE)
    | bit(libc::SIGTRAP);

/// Signals that cannot be blocked or caught.
pub const UNSTOPPABLE: u64 = bit(libc::SIGKILL) | bit(libc::SIGSTOP);

/// si_code of signals that the kernel sends without more information.
const SI_KERNEL: i32 = 128;

/// A signal's bit in a mask.
pub const fn bit(sig: i32) -> u64 {
    1 << ((sig - 1) & 63)
}

/// A thread's signal state.
#[derive(Clone, Debug, Default)]
pub struct ThreadSignals {
    /// Blocked signals, as the guest sees them.
    pub mask: u64,
    /// The mask to go back to after a handler that interrupted sigsuspend, ppoll and the like.
    pub saved_mask: Option<u64>,
    /// sigaltstack.
    pub alt_stack: AltStack,
    /// A system call that a signal interrupted: what it answered and its first argument.
    pub interrupted: Option<(Errno, u64)>,
    /// What restart_syscall sleeps for: clock and time left.
    pub sleep: Option<(i32, [i64; 2])>,
    /// How many handlers were begun.
    pub delivered: u64,
    /// Signals that arrived while the guest blocks them but the host cannot (synchronous numbers sent by kill).
    pub held: Vec<SigInfo>,
}

impl ThreadSignals {
    /// What a new program starts with: the mask that this process was given.
    pub fn inherited() -> ThreadSignals {
        ThreadSignals {
            mask: host_mask(),
            ..ThreadSignals::default()
        }
    }

    /// What a new thread (`thread`) or a forked process starts with.
    pub fn for_child(&self, thread: bool) -> ThreadSignals {
        let alt_stack = if thread {
            AltStack::default()
        } else {
            self.alt_stack
        };
        ThreadSignals {
            mask: self.mask,
            alt_stack,
            ..ThreadSignals::default()
        }
    }
}

/// Where a handler's frame begins, growing down: the alternate stack if the handler wants it and it is not in use.
pub fn frame_top(t: &Task, action: &Action, sp: u64) -> u64 {
    let alt = &t.signals.alt_stack;
    let use_alt = action.flags & SA_ONSTACK != 0 && alt.size != 0 && !alt.in_use(sp);
    if use_alt {
        alt.sp.saturating_add(alt.size)
    } else {
        sp
    }
}

/// A mask in a structure: words in order, each in the guest's byte order.
pub fn put_mask(w: &mut Writer, mask: u64) {
    let word = w.abi().word;
    w.align(word);
    for k in 0..8 / word.max(1) {
        w.uint(word, mask >> (8 * word * k));
    }
}

/// The same, read.
pub fn get_mask(r: &mut Reader) -> u64 {
    let word = r.abi().word;
    r.align(word);
    (0..8 / word.max(1)).fold(0, |mask, k| mask | r.uint(word) << (8 * word * k))
}

/// Whether a signal has arrived for this thread.
pub fn has_pending() -> bool {
    host::has_pending()
}

/// This thread's signals interrupt the task's virtual CPU from now on.
pub fn attach(t: &Task) {
    host::attach(t.vcpu.interrupt_flag());
}

/// The thread ends: its virtual CPU is nobody's any more, and what it had taken from the queue goes to the others.
pub fn detach() {
    let _ = sys::block_all_signals();
    host::attach(std::ptr::null());
    while let Some(info) = host::take_pending() {
        let raw = info.to_host();
        let args = [
            u64::from(std::process::id()),
            info.signo as u64,
            sys::addr(&raw),
        ];
        // Nobody may be left who could take it.
        let _ = sys::call(libc::SYS_rt_sigqueueinfo, args);
    }
}

/// The first thing in a vfork child: its own virtual CPU, the guest's mask.
pub fn enter_vfork_child(t: &Task, mask: sys::HostMask) {
    Parked::enter_child(mask, t.vcpu.interrupt_flag());
}

/// From now on every signal that is not ignored comes through this module, for a debugger to see.
pub fn catch_all(t: &Task) {
    host::catch_defaults(u64::MAX);
    each_action(t);
}

/// From now on signals that leave a core come through this module, if cores are wanted: the host's would be the emulator's.
pub fn catch_cores(t: &Task) {
    if core::limit() != 0 {
        host::catch_defaults(core::CORE);
        each_action(t);
    }
}

/// The opposite.
pub fn stop_catching_all(t: &Task) {
    host::catch_defaults(if core::limit() != 0 { core::CORE } else { 0 });
    each_action(t);
}

fn each_action(t: &Task) {
    for sig in (1..=64).filter(|sig| SYNCHRONOUS & bit(*sig) == 0) {
        host::set_host_action(sig, &t.process.actions.get(sig));
    }
}

/// Changes the thread's mask, on the host too.
pub fn set_mask(t: &mut Task, mask: u64) {
    t.signals.mask = mask & !UNSTOPPABLE;
    // With a signal in hand all others stay blocked until it has been delivered; then the mask is set again.
    if !host::has_pending() {
        host::set_host_mask(t.signals.mask & !SYNCHRONOUS);
    }
}

/// Signals that wait for the thread to unblock them.
pub fn pending(t: &Task) -> u64 {
    let held = t.signals.held.iter().fold(0, |m, i| m | bit(i.signo));
    (host::host_pending() | host::pending_mask() | held) & t.signals.mask
}

/// Takes a signal of `set` that this thread holds although the guest blocks it.
pub fn take_held_of(t: &mut Task, set: u64) -> Option<SigInfo> {
    let at = t
        .signals
        .held
        .iter()
        .position(|i| set & bit(i.signo) != 0)?;
    Some(t.signals.held.remove(at))
}

/// Notes that a system call was interrupted; [`deliver_pending`] decides what comes of it.
pub fn restart(t: &mut Task, errno: Errno, first_arg: u64) {
    t.signals.interrupted = Some((errno, first_arg));
}

/// Delivers what has arrived. At most one handler frame is built per call; the loop of the thread calls again.
pub fn deliver_pending(t: &mut Task) {
    let mask = t.signals.mask;
    let next = host::take_pending().or_else(|| take_held_of(t, !mask));
    if let Some(info) = next {
        if mask & bit(info.signo) & SYNCHRONOUS != 0 {
            hold(t, info);
        } else {
            deliver(t, info);
        }
        // Others may arrive from here on.
        if !host::has_pending() {
            host::set_host_mask(t.signals.mask & !SYNCHRONOUS);
        }
    }
    if t.signals.interrupted.is_some() {
        settle_interrupted(t, None);
    }
    if let Some(mask) = t.signals.saved_mask.take() {
        set_mask(t, mask);
    }
}

/// Keeps a blocked signal. Standard signals do not queue.
fn hold(t: &mut Task, info: SigInfo) {
    if !t.signals.held.iter().any(|i| i.signo == info.signo) {
        t.signals.held.push(info);
    }
}

/// Result of an interrupted call: run again, or EINTR. `handler` has the flags of the handler that runs now.
fn settle_interrupted(t: &mut Task, handler: Option<u64>) {
    let Some((errno, first_arg)) = t.signals.interrupted.take() else {
        return;
    };
    let again = match (errno, handler) {
        (Errno::ERESTARTNOINTR, _) | (_, None) => true,
        (Errno::ERESTARTSYS, Some(flags)) => flags & SA_RESTART != 0,
        _ => false,
    };
    let port = t.port;
    if again {
        let nr = (errno == Errno::ERESTART_RESTARTBLOCK)
            .then(|| restart_syscall_number(t))
            .flatten();
        port.restart(&mut t.vcpu, first_arg, nr);
    } else {
        port.set_result(&mut t.vcpu, Err(Errno::EINTR));
    }
}

fn restart_syscall_number(t: &Task) -> Option<u32> {
    t.abi.calls.number("restart_syscall")
}

/// Delivers one signal according to its action.
fn deliver(t: &mut Task, info: SigInfo) {
    let Some(info) = crate::debug::signal_stop(t, info) else {
        return;
    };
    let action = t.process.actions.get(info.signo);
    match action.handler {
        SIG_IGN => {}
        SIG_DFL => default_action(t, &info),
        _ => run_handler(t, info, action),
    }
}

/// Lets the guest's handler run next. The host's mask is for the caller to set.
fn run_handler(t: &mut Task, info: SigInfo, action: Action) {
    settle_interrupted(t, Some(action.flags));
    if action.flags & SA_RESETHAND != 0 {
        t.process.actions.reset(info.signo);
    }
    let old_mask = t.signals.saved_mask.take().unwrap_or(t.signals.mask);
    let port = t.port;
    if port.push_frame(t, &info, &action, old_mask).is_err() {
        return frame_failed(t, info.signo);
    }
    t.signals.delivered += 1;
    t.signals.alt_stack.disarm_for_handler();
    let mut mask = t.signals.mask | action.mask;
    if action.flags & SA_NODEFER == 0 {
        mask |= bit(info.signo);
    }
    t.signals.mask = mask & !UNSTOPPABLE;
    t.vcpu.mode_changed();
}

/// There is no stack for the frame: SIGSEGV, deadly if that is the signal already.
fn frame_failed(t: &mut Task, sig: i32) {
    if sig == libc::SIGSEGV {
        t.process.actions.reset(libc::SIGSEGV);
    }
    force(t, libc::SIGSEGV, SI_KERNEL, 0);
}

/// A bad frame at sigreturn.
pub fn bad_frame(t: &mut Task) {
    force(t, libc::SIGSEGV, SI_KERNEL, 0);
}

/// A synchronous signal of the guest's own making: cannot be ignored or blocked.
pub fn force(t: &mut Task, sig: i32, code: i32, addr: u64) {
    force_trap(t, sig, code, addr, [0; 2]);
}

/// As [`force`], with the trap number and error code that the frame shows.
pub fn force_trap(t: &mut Task, sig: i32, code: i32, addr: u64, trap: [u32; 2]) {
    let info = SigInfo {
        trap,
        ..SigInfo::fault(sig, code, addr)
    };
    let Some(info) = crate::debug::signal_stop(t, info) else {
        return;
    };
    let sig = info.signo;
    let action = t.process.actions.get(sig);
    let blocked = t.signals.mask & bit(sig) != 0;
    if t.process.config.strace {
        strace_line(t, &info);
    }
    if t.process.config.guest_errors {
        let (name, pc) = (host::signal_name(sig), t.vcpu.pc());
        t.log(format_args!(
            "guest error: {name} (si_code {code}, si_addr {addr:#x}) at {pc:#x}"
        ));
    }
    if blocked || action.handler == SIG_IGN || action.handler == SIG_DFL {
        fatal(t, &info);
    } else {
        run_handler(t, info, action);
        set_mask(t, t.signals.mask);
    }
}

fn strace_line(t: &Task, info: &SigInfo) {
    use crate::abi::Layout;
    let mut text = format!("--- {} ", host::signal_name(info.signo));
    info.show(&mut text);
    text.push_str(" ---\n");
    crate::syscall::strace::emit(t, &text);
}

/// The default action of a signal that came through a host handler nevertheless (the guest changed the action
/// between its arrival and now, or it is a synchronous number).
fn default_action(t: &mut Task, info: &SigInfo) {
    match info.signo {
        libc::SIGCHLD | libc::SIGURG | libc::SIGWINCH | libc::SIGCONT => {}
        libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => sys::stop_self(),
        _ => fatal(t, info),
    }
}

/// The process dies by a signal: says so when a fault is the reason, and dies on the host by the same signal.
fn fatal(t: &mut Task, info: &SigInfo) -> ! {
    if let Some(d) = t.process.debug.get().cloned() {
        d.killed(t, info.signo);
    }
    crate::stats::finish(t);
    if SYNCHRONOUS & bit(info.signo) != 0 {
        report::report(t, info);
    }
    core::dump(t, info);
    host::die(info.signo)
}

/// Before execve of a file that will start: the host's mask and actions become those of the next program. A signal that has
/// arrived comes first; one that arrives from here on finds the action that it would find behind the exec.
pub fn prepare_exec(t: &mut Task) -> Result<(), Errno> {
    let before = sys::block_all_signals();
    if host::has_pending() {
        sys::restore_signals(&before);
        return Err(Errno::ERESTARTNOINTR);
    }
    for sig in 1..=64 {
        let action = t.process.actions.get(sig);
        if SYNCHRONOUS & bit(sig) == 0 {
            if action.handler != SIG_IGN {
                host::leave_to_kernel(sig, action.handler == SIG_DFL);
            }
        } else if action.handler == SIG_IGN {
            // Others stay ours: until the exec another thread may need them.
            host::pass_ignored_on(sig, true);
        }
    }
    // Blocked faults matter to the next program only; until then a fault of the emulator would be deadly anyway.
    host::set_host_mask(t.signals.mask);
    Ok(())
}

/// The exec did not happen: back to the emulator's own settings.
pub fn exec_failed(t: &mut Task) {
    let before = sys::block_all_signals();
    for sig in host::FAULTS {
        host::pass_ignored_on(sig, false);
    }
    each_action(t);
    sys::restore_signals(&before);
    let mask = t.signals.mask;
    set_mask(t, mask);
}

impl Task {
    /// Runs a waiting call that waits with another signal mask; the mask is the guest's, and the host call gets it
    /// as an argument. If a signal ends it, the mask stays until the handler's frame is built.
    pub fn with_mask(
        &mut self,
        mask: Option<u64>,
        call: impl FnOnce(&mut Task) -> Result<u64, Errno>,
    ) -> Result<u64, Errno> {
        let result = call(self);
        if let (Some(mask), Err(Errno::EINTR)) = (mask, result) {
            self.signals.saved_mask = Some(self.signals.mask);
            self.signals.mask = mask & !UNSTOPPABLE;
        }
        result
    }

    /// What restart_syscall is to do: sleep for the rest of the time.
    pub fn restart_sleep(&mut self, clock: i32, rest: libc::timespec) {
        self.signals.sleep = Some((clock, [rest.tv_sec, rest.tv_nsec]));
    }
}
