//! Signals: actions, masks, waiting, sending, the alternate stack, the way back from handlers.

use super::SysResult;
use super::args::{Fd, Hex, In, Out};
use crate::abi::ULong;
use crate::errno::Errno;
use crate::rows;
use crate::signal::{self, Action, AltStack, SA_KNOWN, SYNCHRONOUS, SigInfo, UNSTOPPABLE, bit};
use crate::sys::{addr, addr_mut, blocking, call};
use crate::task::Task;
use crate::uapi::signals::{OldSigaction, OldSigset, Sigaction, Sigset, StackT};
use crate::uapi::time::{HostTime, Timespec, Timespec64};

rows! { SIGNAL:
    rt_sigaction(sig: i32, act: In<Sigaction>, old: Out<Sigaction>, size: Hex) = Full;
    sigaction(sig: i32, act: In<OldSigaction>, old: Out<OldSigaction>) = Full;
    rt_sigprocmask(how: i32, set: In<Sigset>, old: Out<Sigset>, size: Hex) = Full;
    sigprocmask(how: i32, set: In<OldSigset>, old: Out<OldSigset>) = Full;
    rt_sigpending(set: Out<Sigset>, size: Hex) = Full;
    sigpending(set: Out<OldSigset>) = Full;
    rt_sigsuspend(set: In<Sigset>, size: Hex) = Full;
    sigsuspend(unused: Hex, unused2: Hex, set: Hex) = Full;
    pause() = Full;
    rt_sigtimedwait(set: In<Sigset>, info: Out<SigInfo>, timeout: In<Timespec>, size: Hex) = Full;
    rt_sigtimedwait_time64(set: In<Sigset>, info: Out<SigInfo>, timeout: In<Timespec64>, size: Hex) = Full;
    rt_sigqueueinfo(pid: i32, sig: i32, info: In<SigInfo>) = Full;
    rt_tgsigqueueinfo(tgid: i32, tid: i32, sig: i32, info: In<SigInfo>) = Full;
    pidfd_send_signal(fd: Fd, sig: i32, info: In<SigInfo>, flags: u32) = Full;
    kill(pid: i32, sig: i32) = Full;
    tkill(tid: i32, sig: i32) = Full;
    tgkill(tgid: i32, tid: i32, sig: i32) = Full;
    sigaltstack(new: In<StackT>, old: Out<StackT>) = Full;
    sigreturn() = Full;
    rt_sigreturn() = Full;
    restart_syscall() = Full;
}

/// Size of a signal set.
const SET_SIZE: u64 = 8;

fn check_size(size: Hex) -> Result<(), Errno> {
    if size.0 == SET_SIZE {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

/// Reads and sets an action; `None` only reads.
fn change_action(t: &mut Task, sig: i32, new: Option<Action>) -> Result<Action, Errno> {
    let fixed = (1..=64).contains(&sig) && UNSTOPPABLE & bit(sig) != 0;
    if !(1..=64).contains(&sig) || (fixed && new.is_some()) {
        return Err(Errno::EINVAL);
    }
    Ok(match new {
        None => t.process.actions.get(sig),
        Some(a) => {
            let action = Action {
                flags: a.flags & SA_KNOWN,
                mask: a.mask & !UNSTOPPABLE,
                ..a
            };
            t.process.actions.set(sig, action)
        }
    })
}

fn rt_sigaction(
    t: &mut Task,
    sig: i32,
    act: In<Sigaction>,
    old: Out<Sigaction>,
    size: Hex,
) -> SysResult {
    check_size(size)?;
    let new = act.opt(t)?.map(|a| Action {
        handler: a.handler.0,
        flags: a.flags.0,
        restorer: a.restorer.0,
        mask: a.mask.0,
    });
    let was = change_action(t, sig, new)?;
    let text = Sigaction {
        handler: ULong(was.handler),
        flags: ULong(was.flags),
        restorer: ULong(was.restorer),
        mask: Sigset(was.mask),
    };
    old.put_opt(t, &text)?;
    Ok(0)
}

fn sigaction(t: &mut Task, sig: i32, act: In<OldSigaction>, old: Out<OldSigaction>) -> SysResult {
    let new = act.opt(t)?.map(|a| Action {
        handler: a.handler.0,
        flags: a.flags.0,
        restorer: a.restorer.0,
        mask: a.mask.0,
    });
    let was = change_action(t, sig, new)?;
    let text = OldSigaction {
        handler: ULong(was.handler),
        flags: ULong(was.flags),
        restorer: ULong(was.restorer),
        mask: ULong(was.mask),
    };
    old.put_opt(t, &text)?;
    Ok(0)
}

/// Applies `how` to the bits of `width`; the others stay.
fn change_mask(t: &mut Task, how: i32, set: u64, width: u64) -> Result<(), Errno> {
    let mask = t.signals.mask;
    let new = match how {
        libc::SIG_BLOCK => mask | set,
        libc::SIG_UNBLOCK => mask & !set,
        libc::SIG_SETMASK => mask & !width | set,
        _ => return Err(Errno::EINVAL),
    };
    signal::set_mask(t, new);
    Ok(())
}

fn rt_sigprocmask(
    t: &mut Task,
    how: i32,
    set: In<Sigset>,
    old: Out<Sigset>,
    size: Hex,
) -> SysResult {
    check_size(size)?;
    let was = t.signals.mask;
    if let Some(set) = set.opt(t)? {
        change_mask(t, how, set.0, !0)?;
    }
    old.put_opt(t, &Sigset(was))?;
    Ok(0)
}

/// The signals that a one-word set can name.
fn old_width(t: &Task) -> u64 {
    if t.abi.is_64() { !0 } else { 0xffff_ffff }
}

fn sigprocmask(t: &mut Task, how: i32, set: In<OldSigset>, old: Out<OldSigset>) -> SysResult {
    let (was, width) = (t.signals.mask, old_width(t));
    if let Some(set) = set.opt(t)? {
        change_mask(t, how, set.0, width)?;
    }
    old.put_opt(t, &OldSigset(was & width))?;
    Ok(0)
}

fn rt_sigpending(t: &mut Task, set: Out<Sigset>, size: Hex) -> SysResult {
    // The kernel takes smaller sets here.
    if size.0 > SET_SIZE {
        return Err(Errno::EINVAL);
    }
    let waiting = signal::pending(t).to_le_bytes();
    if size.0 == SET_SIZE {
        set.put(t, &Sigset(u64::from_le_bytes(waiting)))?;
    } else {
        t.put_bytes(set.va(), waiting.get(..size.0 as usize).unwrap_or_default())?;
    }
    Ok(0)
}

fn sigpending(t: &mut Task, set: Out<OldSigset>) -> SysResult {
    let waiting = signal::pending(t) & old_width(t);
    set.put(t, &OldSigset(waiting))?;
    Ok(0)
}

/// Waits with this mask until a handler runs.
fn suspend(t: &mut Task, mask: u64) -> SysResult {
    let mask = mask & !UNSTOPPABLE;
    // A synchronous number that somebody sent earlier and that the new mask lets through.
    if t.signals.held.iter().any(|i| mask & bit(i.signo) == 0) {
        return t
            .with_mask(Some(mask), |_| Err(Errno::EINTR))
            .map_err(Errno::no_hand);
    }
    let host = mask & !SYNCHRONOUS;
    let args = [addr(&host), SET_SIZE, 0, 0, 0, 0];
    t.with_mask(Some(mask), |t| blocking(t, libc::SYS_rt_sigsuspend, args))
        .map_err(Errno::no_hand)
}

fn rt_sigsuspend(t: &mut Task, set: In<Sigset>, size: Hex) -> SysResult {
    check_size(size)?;
    let mask = set.get(t)?.0;
    suspend(t, mask)
}

fn sigsuspend(t: &mut Task, _unused: Hex, _unused2: Hex, set: Hex) -> SysResult {
    // The signals that one word cannot name are not blocked.
    suspend(t, set.0 & old_width(t))
}

fn pause(t: &mut Task) -> SysResult {
    blocking(t, libc::SYS_pause, [0; 6]).map_err(Errno::no_hand)
}

fn timed_wait<T: HostTime>(
    t: &mut Task,
    set: In<Sigset>,
    info: Out<SigInfo>,
    timeout: In<T>,
    size: Hex,
) -> SysResult {
    check_size(size)?;
    let set = set.get(t)?.0 & !UNSTOPPABLE;
    let time = timeout.opt(t)?.map(|v| v.to_host());
    let got = match signal::take_held_of(t, set) {
        Some(info) => info,
        None => {
            let mut raw = [0u8; signal::SIGINFO_SIZE];
            let args = [
                addr(&set),
                addr_mut(&mut raw),
                time.as_ref().map_or(0, addr),
                SET_SIZE,
                0,
                0,
            ];
            // Interrupted, the kernel answers EINTR; it is only rewound here if it has not begun.
            blocking(t, libc::SYS_rt_sigtimedwait, args)?;
            SigInfo::from_host(&raw)
        }
    };
    info.put_opt(t, &got)?;
    Ok(got.signo as u64)
}

fn rt_sigtimedwait(
    t: &mut Task,
    set: In<Sigset>,
    info: Out<SigInfo>,
    timeout: In<Timespec>,
    size: Hex,
) -> SysResult {
    timed_wait(t, set, info, timeout, size)
}

fn rt_sigtimedwait_time64(
    t: &mut Task,
    set: In<Sigset>,
    info: Out<SigInfo>,
    timeout: In<Timespec64>,
    size: Hex,
) -> SysResult {
    timed_wait(t, set, info, timeout, size)
}

/// The guest's siginfo in the host's layout. As the kernel does, the number is that of the call.
fn host_info(t: &Task, sig: i32, info: In<SigInfo>) -> Result<[u8; signal::SIGINFO_SIZE], Errno> {
    Ok(SigInfo {
        signo: sig,
        ..info.get(t)?
    }
    .to_host())
}

fn rt_sigqueueinfo(t: &mut Task, pid: i32, sig: i32, info: In<SigInfo>) -> SysResult {
    let raw = host_info(t, sig, info)?;
    call(
        libc::SYS_rt_sigqueueinfo,
        [pid as u64, sig as u64, addr(&raw)],
    )
}

fn rt_tgsigqueueinfo(t: &mut Task, tgid: i32, tid: i32, sig: i32, info: In<SigInfo>) -> SysResult {
    let raw = host_info(t, sig, info)?;
    call(
        libc::SYS_rt_tgsigqueueinfo,
        [tgid as u64, tid as u64, sig as u64, addr(&raw)],
    )
}

fn pidfd_send_signal(t: &mut Task, fd: Fd, sig: i32, info: In<SigInfo>, flags: u32) -> SysResult {
    let raw = match info.opt(t)? {
        None => None,
        // The kernel compares the number with the argument.
        Some(i) if i.signo != sig => return Err(Errno::EINVAL),
        Some(i) => Some(i.to_host()),
    };
    let info = raw.as_ref().map_or(0, addr);
    call(
        libc::SYS_pidfd_send_signal,
        [fd.0 as u64, sig as u64, info, flags.into()],
    )
}

fn kill(_: &mut Task, pid: i32, sig: i32) -> SysResult {
    call(libc::SYS_kill, [pid as u64, sig as u64])
}

fn tkill(_: &mut Task, tid: i32, sig: i32) -> SysResult {
    call(libc::SYS_tkill, [tid as u64, sig as u64])
}

fn tgkill(_: &mut Task, tgid: i32, tid: i32, sig: i32) -> SysResult {
    call(libc::SYS_tgkill, [tgid as u64, tid as u64, sig as u64])
}

fn sigaltstack(t: &mut Task, new: In<StackT>, old: Out<StackT>) -> SysResult {
    let new = new.opt(t)?;
    let port = t.port;
    let sp = port.sp(&t.vcpu);
    let was = t.signals.alt_stack.reported(sp);
    if let Some(n) = new {
        let stack = AltStack {
            sp: n.sp.0,
            flags: n.flags as u32,
            size: n.size.0,
        };
        t.signals.alt_stack.set(stack, sp, t.abi.min_signal_stack)?;
    }
    let was = StackT {
        sp: ULong(was.sp),
        flags: was.flags as i32,
        size: ULong(was.size),
    };
    old.put_opt(t, &was)?;
    Ok(0)
}

fn return_from_handler(t: &mut Task, rt: bool) -> SysResult {
    let port = t.port;
    match port.pop_frame(t, rt) {
        Ok(mask) => {
            signal::set_mask(t, mask);
            t.vcpu.mode_changed();
        }
        Err(_) => signal::bad_frame(t),
    }
    Err(Errno::KEEP_REGS)
}

fn sigreturn(t: &mut Task) -> SysResult {
    return_from_handler(t, false)
}

fn rt_sigreturn(t: &mut Task) -> SysResult {
    return_from_handler(t, true)
}

/// Goes on with an interrupted sleep. Programs never call it; signal delivery does.
fn restart_syscall(t: &mut Task) -> SysResult {
    let Some((clock, [sec, nsec])) = t.signals.sleep.take() else {
        return Err(Errno::EINTR);
    };
    let time = libc::timespec {
        tv_sec: sec,
        tv_nsec: nsec,
    };
    let mut rest = time;
    let args = [clock as u64, 0, addr(&time), addr_mut(&mut rest), 0, 0];
    let result = blocking(t, libc::SYS_clock_nanosleep, args);
    if matches!(result, Err(Errno::EINTR | Errno::ERESTARTSYS)) {
        t.restart_sleep(clock, rest);
        return Err(Errno::ERESTART_RESTARTBLOCK);
    }
    result
}
