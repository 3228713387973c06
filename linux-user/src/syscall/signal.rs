//! Signals: actions, masks, sending, waiting, alternate stack, return from handlers.

use super::SysResult;
use super::args::{Hex, Ptr};
use crate::abi::{Reader, Writer};
use crate::errno::Errno;
use crate::rows;
use crate::signal::{self, Action, SIGINFO_SIZE, SYNCHRONOUS, SigInfo, UNSTOPPABLE, bit};
use crate::sys;
use crate::task::Task;
use crate::uapi::time::{Timespec, Timespec64};
use tcg_mem::GuestVa;

rows! { SIGNAL:
    rt_sigaction(sig: i32, new: Ptr, old: Ptr, size: Hex) = Full;
    sigaction(sig: i32, new: Ptr, old: Ptr) = Full;
    rt_sigprocmask(how: i32, set: Ptr, old: Ptr, size: Hex) = Full;
    sigprocmask(how: i32, set: Ptr, old: Ptr) = Full;
    rt_sigpending(set: Ptr, size: Hex) = Full;
    sigpending(set: Ptr) = Full;
    rt_sigsuspend(set: Ptr, size: Hex) = Full;
    sigsuspend(unused: Hex, unused2: Hex, mask: Hex) = Full;
    pause() = Full;
    rt_sigtimedwait(set: Ptr, info: Ptr, timeout: Ptr, size: Hex) = Full;
    rt_sigtimedwait_time64(set: Ptr, info: Ptr, timeout: Ptr, size: Hex) = Full;
    rt_sigqueueinfo(pid: i32, sig: i32, info: Ptr) = Full;
    rt_tgsigqueueinfo(pid: i32, tid: i32, sig: i32, info: Ptr) = Full;
    rt_sigreturn() = Full;
    sigreturn() = Full;
    sigaltstack(new: Ptr, old: Ptr) = Full;
    kill(pid: i32, sig: i32) = Full;
    tkill(tid: i32, sig: i32) = Full;
    tgkill(pid: i32, tid: i32, sig: i32) = Full;
    pidfd_send_signal(fd: i32, sig: i32, info: Ptr, flags: u32) = Full;
}

const SET_SIZE: u64 = 8;

/// A signal set: words of the guest's `long`, the lowest signals first.
fn get_set(t: &Task, va: GuestVa) -> Result<u64, Errno> {
    let bytes = t.get_bytes(va, SET_SIZE, SET_SIZE)?;
    let mut r = Reader::new(t.abi, &bytes);
    Ok(match t.abi.word {
        4 => r.uint(4) | r.uint(4) << 32,
        _ => r.uint(8),
    })
}

fn write_set(w: &mut Writer, set: u64) {
    match w.abi().word {
        4 => {
            w.uint(4, set & 0xffff_ffff);
            w.uint(4, set >> 32);
        }
        _ => w.uint(8, set),
    }
}

fn put_set(t: &Task, va: GuestVa, set: u64) -> Result<(), Errno> {
    let mut w = Writer::new(t.abi);
    write_set(&mut w, set);
    t.put_bytes(va, w.done())
}

fn check_size(size: Hex) -> Result<(), Errno> {
    if size.0 == SET_SIZE { Ok(()) } else { Err(Errno::EINVAL) }
}

fn change_action(t: &mut Task, sig: i32, new: Option<Action>) -> Result<Action, Errno> {
    if !(1..=64).contains(&sig) || new.is_some() && bit(sig) & UNSTOPPABLE != 0 {
        return Err(Errno::EINVAL);
    }
    let actions = &t.process.actions;
    Ok(match new {
        Some(new) => actions.set(sig, Action { mask: new.mask & !UNSTOPPABLE, ..new }),
        None => actions.get(sig),
    })
}

/// struct sigaction of the rt call: handler, flags, restorer (where the ABI has one), mask.
fn rt_sigaction(t: &mut Task, sig: i32, new: Ptr, old: Ptr, size: Hex) -> SysResult {
    check_size(size)?;
    let word = t.abi.word;
    let parsed = match new.0.0 {
        0 => None,
        _ => {
            let bytes = t.get_bytes(new.0, 3 * word as u64 + SET_SIZE, 64)?;
            let mut r = Reader::new(t.abi, &bytes);
            let (handler, flags, restorer) = (r.uint(word), r.uint(word), r.uint(word));
            let mask = get_set(t, GuestVa(new.0.0 + 3 * word as u64))?;
            Some(Action { handler, flags, restorer, mask })
        }
    };
    let before = change_action(t, sig, parsed)?;
    if old.0.0 != 0 {
        let mut w = Writer::new(t.abi);
        for v in [before.handler, before.flags, before.restorer] {
            w.uint(word, v);
        }
        write_set(&mut w, before.mask);
        t.put_bytes(old.0, w.done())?;
    }
    Ok(0)
}

/// struct old_sigaction: handler, mask (one word), flags, restorer.
fn sigaction(t: &mut Task, sig: i32, new: Ptr, old: Ptr) -> SysResult {
    let word = t.abi.word;
    let parsed = match new.0.0 {
        0 => None,
        _ => {
            let bytes = t.get_bytes(new.0, 4 * word as u64, 64)?;
            let mut r = Reader::new(t.abi, &bytes);
            let (handler, mask, flags, restorer) = (r.uint(word), r.uint(word), r.uint(word), r.uint(word));
            Some(Action { handler, flags, restorer, mask })
        }
    };
    let before = change_action(t, sig, parsed)?;
    if old.0.0 != 0 {
        let mut w = Writer::new(t.abi);
        for v in [before.handler, before.mask, before.flags, before.restorer] {
            w.uint(word, v);
        }
        t.put_bytes(old.0, w.done())?;
    }
    Ok(0)
}

fn change_mask(t: &mut Task, how: i32, set: u64) -> Result<(), Errno> {
    let now = t.signals.mask;
    let mask = match how {
        libc::SIG_BLOCK => now | set,
        libc::SIG_UNBLOCK => now & !set,
        libc::SIG_SETMASK => set,
        _ => return Err(Errno::EINVAL),
    };
    signal::set_mask(t, mask);
    Ok(())
}

fn rt_sigprocmask(t: &mut Task, how: i32, set: Ptr, old: Ptr, size: Hex) -> SysResult {
    check_size(size)?;
    let before = t.signals.mask;
    if set.0.0 != 0 {
        let set = get_set(t, set.0)?;
        change_mask(t, how, set)?;
    }
    if old.0.0 != 0 {
        put_set(t, old.0, before)?;
    }
    Ok(0)
}

fn sigprocmask(t: &mut Task, how: i32, set: Ptr, old: Ptr) -> SysResult {
    let word = t.abi.word as u32;
    let before = t.signals.mask;
    if set.0.0 != 0 {
        let low = t.mem.load(set.0, word, t.abi.endian)?;
        let set = if how == libc::SIG_SETMASK { low | before & !0xffff_ffff } else { low };
        change_mask(t, how, set)?;
    }
    if old.0.0 != 0 {
        t.will_write(old.0, u64::from(word));
        t.mem.store(old.0, word, t.abi.endian, before)?;
    }
    Ok(0)
}

fn pending(t: &Task) -> Result<u64, Errno> {
    let mut set = 0u64;
    sys::call(libc::SYS_rt_sigpending, [sys::addr_mut(&mut set), SET_SIZE])?;
    let held = t.signals.held.iter().fold(0, |m, i| m | bit(i.signo));
    Ok(set | held)
}

fn rt_sigpending(t: &mut Task, set: Ptr, size: Hex) -> SysResult {
    check_size(size)?;
    let p = pending(t)?;
    put_set(t, set.0, p)?;
    Ok(0)
}

fn sigpending(t: &mut Task, set: Ptr) -> SysResult {
    let p = pending(t)?;
    t.put(set.0, &(p as u32))?;
    Ok(0)
}

/// Waits with another mask for a signal whose handler runs; the old mask comes back with the handler's return.
fn suspend(t: &mut Task, mask: u64) -> SysResult {
    let host = mask & !SYNCHRONOUS & !UNSTOPPABLE;
    let args = [sys::addr(&host), SET_SIZE, 0, 0, 0, 0];
    t.with_mask(Some(mask), |t| sys::blocking(t, libc::SYS_rt_sigsuspend, args).map_err(Errno::no_hand))
}

fn rt_sigsuspend(t: &mut Task, set: Ptr, size: Hex) -> SysResult {
    check_size(size)?;
    let mask = get_set(t, set.0)?;
    suspend(t, mask)
}

fn sigsuspend(t: &mut Task, _: Hex, _: Hex, mask: Hex) -> SysResult {
    suspend(t, mask.0)
}

fn pause(t: &mut Task) -> SysResult {
    sys::blocking(t, libc::SYS_pause, [0; 6]).map_err(Errno::no_hand)
}

fn timed_wait(t: &mut Task, set: Ptr, info: Ptr, timeout: Option<[i64; 2]>, size: Hex) -> SysResult {
    check_size(size)?;
    let set = get_set(t, set.0)?;
    let mut raw = [0u8; SIGINFO_SIZE];
    let spec = timeout.as_ref().map_or(0, sys::addr);
    let args = [sys::addr(&set), sys::addr_mut(&mut raw), spec, SET_SIZE, 0, 0];
    let sig = sys::blocking(t, libc::SYS_rt_sigtimedwait, args)?;
    if info.0.0 != 0 {
        t.put_siginfo(info.0, &SigInfo::from_host(&raw))?;
    }
    Ok(sig)
}

fn rt_sigtimedwait(t: &mut Task, set: Ptr, info: Ptr, timeout: Ptr, size: Hex) -> SysResult {
    let timeout = match timeout.0.0 {
        0 => None,
        _ => {
            let ts: Timespec = t.get(timeout.0)?;
            Some([ts.sec.0, ts.nsec.0])
        }
    };
    timed_wait(t, set, info, timeout, size)
}

fn rt_sigtimedwait_time64(t: &mut Task, set: Ptr, info: Ptr, timeout: Ptr, size: Hex) -> SysResult {
    let timeout = match timeout.0.0 {
        0 => None,
        _ => {
            let ts: Timespec64 = t.get(timeout.0)?;
            Some([ts.sec, ts.nsec])
        }
    };
    timed_wait(t, set, info, timeout, size)
}

/// A siginfo that the guest made: the members that a sender may choose.
fn get_info(t: &Task, va: GuestVa) -> Result<[u8; SIGINFO_SIZE], Errno> {
    let bytes = t.get_bytes(va, SIGINFO_SIZE as u64, SIGINFO_SIZE as u64)?;
    let mut r = Reader::new(t.abi, &bytes);
    let (signo, errno, code) = (r.uint(4) as i32, r.uint(4) as i32, r.uint(4) as i32);
    r.align(t.abi.word);
    let (pid, uid) = (r.uint(4) as i32, r.uint(4) as u32);
    let value = r.uint(t.abi.word);
    Ok(SigInfo { signo, errno, code, pid, uid, value, ..SigInfo::default() }.to_host())
}

fn rt_sigqueueinfo(t: &mut Task, pid: i32, sig: i32, info: Ptr) -> SysResult {
    let raw = get_info(t, info.0)?;
    sys::call(libc::SYS_rt_sigqueueinfo, [pid as u64, sig as u64, sys::addr(&raw)])
}

fn rt_tgsigqueueinfo(t: &mut Task, pid: i32, tid: i32, sig: i32, info: Ptr) -> SysResult {
    let raw = get_info(t, info.0)?;
    sys::call(libc::SYS_rt_tgsigqueueinfo, [pid as u64, tid as u64, sig as u64, sys::addr(&raw)])
}

fn back(t: &mut Task, rt: bool) -> SysResult {
    let port = t.port;
    match port.pop_frame(t, rt) {
        Ok(_) => {}
        Err(_) => signal::force(t, libc::SIGSEGV, 128, 0),
    }
    Err(Errno::KEEP_REGS)
}

fn rt_sigreturn(t: &mut Task) -> SysResult {
    back(t, true)
}

fn sigreturn(t: &mut Task) -> SysResult {
    back(t, false)
}

/// stack_t: pointer, int flags, size.
fn sigaltstack(t: &mut Task, new: Ptr, old: Ptr) -> SysResult {
    let word = t.abi.word;
    let before = t.signals.alt_stack;
    let flags = signal::alt_stack_flags(t);
    if new.0.0 != 0 {
        let bytes = t.get_bytes(new.0, 3 * word as u64, 64)?;
        let mut r = Reader::new(t.abi, &bytes);
        let sp = r.uint(word);
        let flags = r.uint(4) as u32;
        r.align(word);
        let size = r.uint(word);
        signal::set_alt_stack(t, sp, flags, size)?;
    }
    if old.0.0 != 0 {
        let mut w = Writer::new(t.abi);
        w.uint(word, before.sp);
        w.uint(4, u64::from(flags));
        w.align(word);
        w.uint(word, before.size);
        t.put_bytes(old.0, w.done())?;
    }
    Ok(0)
}

fn kill(_: &mut Task, pid: i32, sig: i32) -> SysResult {
    sys::call(libc::SYS_kill, [pid as u64, sig as u64])
}

fn tkill(_: &mut Task, tid: i32, sig: i32) -> SysResult {
    sys::call(libc::SYS_tkill, [tid as u64, sig as u64])
}

fn tgkill(_: &mut Task, pid: i32, tid: i32, sig: i32) -> SysResult {
    sys::call(libc::SYS_tgkill, [pid as u64, tid as u64, sig as u64])
}

fn pidfd_send_signal(t: &mut Task, fd: i32, sig: i32, info: Ptr, flags: u32) -> SysResult {
    match info.0.0 {
        0 => sys::call(libc::SYS_pidfd_send_signal, [fd as u64, sig as u64, 0, u64::from(flags)]),
        _ => {
            let raw = get_info(t, info.0)?;
            sys::call(libc::SYS_pidfd_send_signal, [fd as u64, sig as u64, sys::addr(&raw), u64::from(flags)])
        }
    }
}
