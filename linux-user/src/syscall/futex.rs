//! futex in all its forms, and the robust list that a dying thread releases.
//!
//! The words are in guest memory, which the host's kernel knows by its own address, so that waiting across processes
//! and priority inheritance work by themselves. Private futexes stay private: one host process is one guest process.

use super::SysResult;
use super::args::{In, Out, Ptr};
use crate::abi::{Layout, Long, ULong};
use crate::errno::Errno;
use crate::layout;
use crate::rows;
use crate::sys::{addr, blocking, call};
use crate::task::Task;
use crate::uapi::time::{HostTime, Timespec, Timespec64};
use tcg_mem::{Endian, GuestVa};

rows! { FUTEX:
    futex(word: Ptr, operation: u32, value: u32, time: u64, word2: Ptr, value3: u32) = Full;
    futex_time64(word: Ptr, operation: u32, value: u32, time: u64, word2: Ptr, value3: u32) = Full;
    futex_waitv(waiters: Ptr, count: u32, flags: u32, time: In<Timespec64>, clock: i32) = Full;
    set_robust_list(head: Ptr, size: u64) = Full;
    get_robust_list(tid: i32, head: Out<ULong>, size: Out<ULong>) = Partial;
}

layout! {
    /// `struct robust_list_head`.
    pub struct RobustHead { next: ULong, offset: Long, pending: ULong }

    /// `struct futex_waitv`.
    pub struct Waiter { value: u64, word: u64, flags: u32, reserved: u32 }
}

const WAIT: u32 = 0;
const WAKE: u32 = 1;
const FD: u32 = 2;
const REQUEUE: u32 = 3;
const CMP_REQUEUE: u32 = 4;
const WAKE_OP: u32 = 5;
const LOCK_PI: u32 = 6;
const UNLOCK_PI: u32 = 7;
const TRYLOCK_PI: u32 = 8;
const WAIT_BITSET: u32 = 9;
const WAKE_BITSET: u32 = 10;
const WAIT_REQUEUE_PI: u32 = 11;
const CMP_REQUEUE_PI: u32 = 12;
const LOCK_PI2: u32 = 13;

const COMMAND: u32 = 0x7f;

/// A futex value as the host's kernel compares it with memory.
fn in_memory(t: &Task, value: u32) -> u32 {
    if t.abi.endian == Endian::Little {
        value
    } else {
        value.swap_bytes()
    }
}

fn futex_any<T: HostTime>(
    t: &mut Task,
    [word, word2]: [Ptr; 2],
    operation: u32,
    value: u32,
    time: u64,
    value3: u32,
) -> SysResult {
    let command = operation & COMMAND;
    let at = t.host_in(word.0, 4)?;
    let mut args = [at, operation.into(), value.into(), 0, 0, value3.into()];
    match command {
        WAIT | WAIT_BITSET | LOCK_PI | LOCK_PI2 | WAIT_REQUEUE_PI => {
            if matches!(command, WAIT | WAIT_BITSET | WAIT_REQUEUE_PI) {
                args[2] = in_memory(t, value).into();
            }
            if command == WAIT_REQUEUE_PI {
                args[4] = t.host_in(word2.0, 4)?;
            }
            let limit = if time == 0 {
                None
            } else {
                Some(t.get::<T>(GuestVa(time))?.to_host())
            };
            args[3] = limit.as_ref().map_or(0, addr);
            let result = blocking(t, libc::SYS_futex, args);
            // A relative wait that is restarted would wait for the whole time again: the kernel goes on with the
            // rest through restart_syscall; a handler without SA_RESTART sees EINTR in both cases.
            result.map_err(|e| {
                if e == Errno::EINTR && limit.is_some() {
                    Errno::EINTR
                } else {
                    e.restart()
                }
            })
        }
        WAKE | WAKE_BITSET | UNLOCK_PI | TRYLOCK_PI => call(libc::SYS_futex, args),
        REQUEUE | CMP_REQUEUE | CMP_REQUEUE_PI | WAKE_OP => {
            // The fourth argument is a count here.
            args[3] = time;
            args[4] = t.host_in(word2.0, 4)?;
            if command == CMP_REQUEUE || command == CMP_REQUEUE_PI {
                args[5] = in_memory(t, value3).into();
            }
            if command == WAKE_OP && t.abi.endian == Endian::Big {
                // UNIMPL: arithmetic on a word of the other byte order.
                crate::syscall::strace::unimp(t, "FUTEX_WAKE_OP in this byte order");
                return Err(Errno::ENOSYS);
            }
            call(libc::SYS_futex, args)
        }
        FD => Err(Errno::ENOSYS),
        _ => Err(Errno::ENOSYS),
    }
}

fn futex(
    t: &mut Task,
    word: Ptr,
    operation: u32,
    value: u32,
    time: u64,
    word2: Ptr,
    value3: u32,
) -> SysResult {
    futex_any::<Timespec>(t, [word, word2], operation, value, time, value3)
}

fn futex_time64(
    t: &mut Task,
    word: Ptr,
    operation: u32,
    value: u32,
    time: u64,
    word2: Ptr,
    value3: u32,
) -> SysResult {
    futex_any::<Timespec64>(t, [word, word2], operation, value, time, value3)
}

fn futex_waitv(
    t: &mut Task,
    waiters: Ptr,
    count: u32,
    flags: u32,
    time: In<Timespec64>,
    clock: i32,
) -> SysResult {
    const MAX: u64 = 128;
    let list = t.get_array::<Waiter>(waiters.0, count.into(), MAX)?;
    let mut host = Vec::with_capacity(list.len());
    for w in list {
        let value = u64::from(in_memory(t, w.value as u32));
        let at = t.host_in(GuestVa(w.word), 4)?;
        host.push([value, at, u64::from(w.flags) | u64::from(w.reserved) << 32]);
    }
    let limit = time.opt(t)?.map(|v| v.to_host());
    let args = [
        host.as_ptr() as u64,
        count.into(),
        flags.into(),
        limit.as_ref().map_or(0, addr),
        clock as u64,
        0,
    ];
    blocking(t, libc::SYS_futex_waitv, args).map_err(Errno::restart)
}

fn set_robust_list(t: &mut Task, head: Ptr, size: u64) -> SysResult {
    if size != RobustHead::size(&t.abi) as u64 {
        return Err(Errno::EINVAL);
    }
    t.robust_list = head.0.0;
    Ok(0)
}

fn get_robust_list(t: &mut Task, tid: i32, head: Out<ULong>, size: Out<ULong>) -> SysResult {
    let own = crate::sys::raw(libc::SYS_gettid, [0; 6]);
    if tid != 0 && i64::from(tid) != own {
        // UNIMPL: other threads' lists; the host's kernel knows none of them.
        crate::syscall::strace::unimp(t, "get_robust_list of another thread");
        return Err(Errno::EPERM);
    }
    size.put(t, &ULong(RobustHead::size(&t.abi) as u64))?;
    head.put(t, &ULong(t.robust_list))?;
    Ok(0)
}

/// Wakes every waiter of a word (the kernel's duty at the end of a thread).
pub fn wake_all(t: &Task, va: GuestVa) {
    if let Ok(at) = t.host_in(va, 4) {
        let _ = call(libc::SYS_futex, [at, WAKE.into(), i32::MAX as u64, 0, 0, 0]);
    }
}

const OWNER_DIED: u32 = 0x4000_0000;
const WAITERS: u32 = 0x8000_0000;
const TID_MASK: u32 = 0x3fff_ffff;
/// The kernel gives up on longer lists, which may be circular.
const LIST_LIMIT: usize = 2048;

/// Marks the futexes that a dying thread holds as ownerless and wakes a waiter of each.
pub fn release_robust_list(t: &mut Task) {
    let start = std::mem::take(&mut t.robust_list);
    if start == 0 {
        return;
    }
    let Ok(head) = t.get::<RobustHead>(GuestVa(start)) else {
        return;
    };
    let word =
        |entry: u64| GuestVa((entry & !1).wrapping_add(head.offset.0 as u64) & address_mask(t));
    let mut entry = head.next.0;
    for _ in 0..LIST_LIMIT {
        if entry & !1 == start {
            break;
        }
        // Read on first: the next thread may unlink the entry as soon as it is released.
        let next = t.get::<ULong>(GuestVa(entry & !1));
        if entry != head.pending.0 {
            release(t, word(entry), entry & 1 != 0, false);
        }
        let Ok(next) = next else { break };
        entry = next.0;
    }
    if head.pending.0 != 0 {
        release(t, word(head.pending.0), head.pending.0 & 1 != 0, true);
    }
}

fn address_mask(t: &Task) -> u64 {
    if t.abi.is_64() { u64::MAX } else { 0xffff_ffff }
}

fn release(t: &Task, va: GuestVa, pi: bool, pending: bool) {
    let own = crate::sys::raw(libc::SYS_gettid, [0; 6]) as u32;
    let order = t.abi.endian;
    let Ok(mut seen) = t.mem.load_u32(va, order) else {
        return;
    };
    if pending && !pi && seen == 0 {
        // The thread died between unlocking and waking.
        return wake_one(t, va);
    }
    loop {
        if seen & TID_MASK != own {
            return;
        }
        match t.mem.cas_u32(va, order, seen, seen & WAITERS | OWNER_DIED) {
            Ok(old) if old == seen => break,
            Ok(old) => seen = old,
            Err(_) => return,
        }
    }
    if !pi && seen & WAITERS != 0 {
        wake_one(t, va);
    }
}

fn wake_one(t: &Task, va: GuestVa) {
    if let Ok(at) = t.host_in(va, 4) {
        let _ = call(libc::SYS_futex, [at, WAKE.into(), 1, 0, 0, 0]);
    }
}
