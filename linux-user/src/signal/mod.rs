//! Guest signals.
//!
//! The host's kernel keeps the queues: the host's signal mask of a thread is always the guest's (synchronous
//! signals excepted), so the host decides who gets what and when. A host handler only notes the one signal that
//! arrived, blocks all others until it has been delivered, and makes the virtual CPU come back; [`deliver_pending`]
//! then builds the guest's frame at a safe point. Signals with the default action are left to the host.

mod action;
mod host;
mod info;

pub use action::{Action, Actions, SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_RESTART, SA_SIGINFO, SIG_DFL, SIG_IGN};
pub use host::{host_mask, install, with_guest_signals};
pub use info::{SIGINFO_SIZE, SigInfo};

use crate::errno::Errno;
use crate::sys;
use crate::task::Task;

/// Signals that the host raises for faults of this process; never blocked on the host.
pub const SYNCHRONOUS: u64 =
    bit(libc::SIGSEGV) | bit(libc::SIGBUS) | bit(libc::SIGILL) | bit(libc::SIGFPE) | bit(libc::SIGTRAP);

/// Signals that cannot be blocked or caught.
pub const UNSTOPPABLE: u64 = bit(libc::SIGKILL) | bit(libc::SIGSTOP);

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
    /// sigaltstack: base, size, flags.
    pub alt_stack: AltStack,
    /// A system call that a signal interrupted: what it answered and its first argument.
    pub interrupted: Option<(Errno, u64)>,
    /// Signals that arrived while the guest blocks them but the host cannot (synchronous numbers sent by kill).
    pub held: Vec<SigInfo>,
}

/// The alternate signal stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AltStack {
    /// Lowest address.
    pub sp: u64,
    /// SS_ flags.
    pub flags: u32,
    /// Bytes.
    pub size: u64,
}

impl Default for AltStack {
    fn default() -> AltStack {
        AltStack { sp: 0, flags: libc::SS_DISABLE as u32, size: 0 }
    }
}

impl AltStack {
    /// Whether a stack pointer lies on it.
    pub fn contains(&self, sp: u64) -> bool {
        self.size != 0 && sp > self.sp && sp - self.sp <= self.size
    }
}

/// SS_ flags of the alternate stack as a system call reports them.
pub fn alt_stack_flags(t: &Task) -> u32 {
    let alt = t.signals.alt_stack;
    if alt.size == 0 {
        libc::SS_DISABLE as u32
    } else if alt.contains(t.port.sp(&t.vcpu)) {
        libc::SS_ONSTACK as u32
    } else {
        0
    }
}

/// Sets the alternate stack.
pub fn set_alt_stack(t: &mut Task, sp: u64, flags: u32, size: u64) -> Result<(), Errno> {
    const SS_AUTODISARM: u32 = 1 << 31;
    let mode = flags & !SS_AUTODISARM;
    if t.signals.alt_stack.contains(t.port.sp(&t.vcpu)) {
        return Err(Errno::EPERM);
    }
    if mode & libc::SS_DISABLE as u32 != 0 {
        t.signals.alt_stack = AltStack::default();
        return Ok(());
    }
    if mode != 0 && mode != libc::SS_ONSTACK as u32 {
        return Err(Errno::EINVAL);
    }
    if size < MIN_ALT_STACK {
        return Err(Errno::ENOMEM);
    }
    t.signals.alt_stack = AltStack { sp, flags, size };
    Ok(())
}

/// MINSIGSTKSZ of most ABIs.
const MIN_ALT_STACK: u64 = 2048;

/// Changes the thread's mask, on the host too.
pub fn set_mask(t: &mut Task, mask: u64) {
    t.signals.mask = mask & !UNSTOPPABLE;
    host::set_host_mask(t.signals.mask & !SYNCHRONOUS);
}

/// Notes that a system call was interrupted; [`deliver_pending`] decides what comes of it.
pub fn restart(t: &mut Task, errno: Errno, first_arg: u64) {
    t.signals.interrupted = Some((errno, first_arg));
}

/// Delivers what has arrived. At most one handler frame is built per call; the loop of the thread calls again.
pub fn deliver_pending(t: &mut Task) {
    let next = host::take_pending().or_else(|| take_held(t));
    if let Some(info) = next {
        if t.signals.mask & bit(info.signo) != 0 && SYNCHRONOUS & bit(info.signo) != 0 {
            t.signals.held.push(info);
        } else {
            deliver(t, info);
        }
        // Others may arrive from here on.
        host::set_host_mask(t.signals.mask & !SYNCHRONOUS);
    }
    settle_interrupted(t, None);
    if let Some(mask) = t.signals.saved_mask.take() {
        set_mask(t, mask);
    }
}

fn take_held(t: &mut Task) -> Option<SigInfo> {
    let mask = t.signals.mask;
    let at = t.signals.held.iter().position(|i| mask & bit(i.signo) == 0)?;
    Some(t.signals.held.remove(at))
}

/// Result of an interrupted call: run again, or EINTR. `handler` has the flags of the handler that runs now.
fn settle_interrupted(t: &mut Task, handler: Option<u64>) {
    let Some((errno, first_arg)) = t.signals.interrupted.take() else { return };
    let again = match (errno, handler) {
        (Errno::ERESTARTNOINTR, _) | (_, None) => true,
        (Errno::ERESTARTSYS, Some(flags)) => flags & SA_RESTART != 0,
        _ => false,
    };
    let port = t.port;
    if again {
        let nr = (errno == Errno::ERESTART_RESTARTBLOCK).then_some(t.abi.restart_syscall);
        port.restart(&mut t.vcpu, first_arg, nr);
    } else {
        port.set_result(&mut t.vcpu, (-i64::from(libc::EINTR)) as u64);
    }
}

/// Delivers one signal according to its action.
fn deliver(t: &mut Task, info: SigInfo) {
    let action = t.process.actions.get(info.signo);
    match action.handler {
        SIG_IGN => {}
        SIG_DFL => default_action(t, &info),
        _ => run_handler(t, info, action),
    }
}

fn run_handler(t: &mut Task, info: SigInfo, action: Action) {
    settle_interrupted(t, Some(action.flags));
    if action.flags & SA_RESETHAND != 0 {
        t.process.actions.reset(info.signo);
    }
    let old_mask = t.signals.saved_mask.take().unwrap_or(t.signals.mask);
    let port = t.port;
    if port.push_frame(t, &info, &action, old_mask).is_err() {
        fatal(t, &SigInfo::fault(libc::SIGSEGV, 128, 0));
        return;
    }
    let mut mask = t.signals.mask | action.mask;
    if action.flags & SA_NODEFER == 0 {
        mask |= bit(info.signo);
    }
    set_mask(t, mask);
    t.vcpu.mode_changed();
}

/// A synchronous signal of the guest's own making: cannot be ignored or blocked.
pub fn force(t: &mut Task, sig: i32, code: i32, addr: u64) {
    let info = SigInfo::fault(sig, code, addr);
    let action = t.process.actions.get(sig);
    let blocked = t.signals.mask & bit(sig) != 0;
    if blocked || action.handler == SIG_IGN || action.handler == SIG_DFL {
        fatal(t, &info);
    } else {
        run_handler(t, info, action);
    }
}

/// The default action of a signal that came through a host handler nevertheless (the guest changed the action
/// between its arrival and now, or it is a synchronous number).
fn default_action(t: &mut Task, info: &SigInfo) {
    match info.signo {
        libc::SIGCHLD | libc::SIGURG | libc::SIGWINCH | libc::SIGCONT => {}
        libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => sys::stop_self(),
        _ => fatal(t, info),
    }
}

/// The process dies by a signal: says so when a fault is the reason, and dies on the host by the same signal.
fn fatal(t: &mut Task, info: &SigInfo) {
    if SYNCHRONOUS & bit(info.signo) != 0 {
        report(t, info);
    }
    host::die(info.signo);
}

/// What happened, for the user: signal, place, instruction, registers.
fn report(t: &Task, info: &SigInfo) {
    let isa = t.process.engine.isa();
    let (pc, mode) = (t.vcpu.pc(), t.vcpu.mode());
    let name = host::signal_name(info.signo);
    let mut code = [0; 16];
    let n = t.mem.read_some(tcg_mem::GuestVa(pc & !1), &mut code);
    let (text, _) = isa.disassemble(pc, mode, &code[..n]);
    let exe = String::from_utf8_lossy(&t.process.exe).into_owned();
    eprintln!("emu: {exe}: killed by {name} (si_code {}, si_addr {:#x}) at {pc:#x}: {text}", info.code, info.addr);
    eprint!("{}", isa.dump(t.vcpu.state_bytes(), pc, mode));
}
