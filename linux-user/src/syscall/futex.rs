//! Futexes and robust lists.
//!
//! The host's kernel works on the guest's words directly, by their host address; private futexes are keyed by that
//! address, shared ones by the page behind it, so guests and native programs can share them.

use super::SysResult;
use super::args::{Hex, Ptr};
use crate::errno::Errno;
use crate::rows;
use crate::sys;
use crate::task::Task;
use crate::uapi::time::{Timespec, Timespec64};
use tcg_mem::{Endian, GuestVa};

rows! { FUTEX:
    futex(word: Ptr, op: i32, val: u32, timeout: Ptr, word2: Ptr, val3: u32) = Full;
    futex_time64(word: Ptr, op: i32, val: u32, timeout: Ptr, word2: Ptr, val3: u32) = Full;
    set_robust_list(head: Ptr, len: Hex) = Full;
    get_robust_list(pid: i32, head: Ptr, len: Ptr) = Full;
}

const CMD_MASK: i32 = !(libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME);

/// Values that the kernel compares with a big-endian guest's word are turned round.
fn word_value(t: &Task, v: u32) -> u32 {
    if t.abi.endian == Endian::Big {
        v.swap_bytes()
    } else {
        v
    }
}

fn has_timeout(cmd: i32) -> bool {
    matches!(
        cmd,
        libc::FUTEX_WAIT
            | libc::FUTEX_WAIT_BITSET
            | libc::FUTEX_LOCK_PI
            | libc::FUTEX_LOCK_PI2
            | libc::FUTEX_WAIT_REQUEUE_PI
    )
}

/// Whether the kernel itself writes thread numbers into the word.
fn inherits(cmd: i32) -> bool {
    matches!(
        cmd,
        libc::FUTEX_LOCK_PI
            | libc::FUTEX_LOCK_PI2
            | libc::FUTEX_TRYLOCK_PI
            | libc::FUTEX_UNLOCK_PI
            | libc::FUTEX_WAIT_REQUEUE_PI
            | libc::FUTEX_CMP_REQUEUE_PI
    )
}

fn run(t: &mut Task, a: (Ptr, i32, u32, Ptr, Ptr, u32), long_time: bool) -> SysResult {
    let (word, op, val, timeout, word2, val3) = a;
    let cmd = op & CMD_MASK;
    if !word.0.0.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    let host_word = t.host_out(word.0, 4)?;
    let spec: [i64; 2];
    let mut fourth = timeout.0.0;
    if has_timeout(cmd) {
        fourth = 0;
        if timeout.0.0 != 0 {
            spec = match long_time {
                true => {
                    let ts: Timespec64 = t.get(timeout.0)?;
                    [ts.sec, ts.nsec]
                }
                false => {
                    let ts: Timespec = t.get(timeout.0)?;
                    [ts.sec.0, ts.nsec.0]
                }
            };
            fourth = sys::addr(&spec);
        }
    }
    if inherits(cmd) && word_value(t, 1) != 1 {
        return super::futex_pi::run(t, word.0, op, fourth);
    }
    let host_word2 = match cmd {
        libc::FUTEX_REQUEUE
        | libc::FUTEX_CMP_REQUEUE
        | libc::FUTEX_WAKE_OP
        | libc::FUTEX_WAIT_REQUEUE_PI
        | libc::FUTEX_CMP_REQUEUE_PI => t.host_out(word2.0, 4)?,
        _ => 0,
    };
    let val = if cmd == libc::FUTEX_WAIT || cmd == libc::FUTEX_WAIT_BITSET {
        word_value(t, val)
    } else {
        val
    };
    let val3 = if cmd == libc::FUTEX_CMP_REQUEUE {
        word_value(t, val3)
    } else {
        val3
    };
    let args = [
        host_word,
        op as u64,
        u64::from(val),
        fourth,
        host_word2,
        u64::from(val3),
    ];
    let r = sys::blocking(t, libc::SYS_futex, args);
    match cmd {
        // A wait with a relative timeout that is interrupted starts again with the whole time, which is what an
        // application sees as a spurious wake-up's retry; absolute ones are exact.
        libc::FUTEX_WAIT => r.map_err(|e| if fourth == 0 { e.restart() } else { e }),
        libc::FUTEX_WAIT_BITSET | libc::FUTEX_LOCK_PI | libc::FUTEX_LOCK_PI2 => {
            r.map_err(Errno::restart)
        }
        _ => r,
    }
}

fn futex(
    t: &mut Task,
    word: Ptr,
    op: i32,
    val: u32,
    timeout: Ptr,
    word2: Ptr,
    val3: u32,
) -> SysResult {
    let long = t.abi.is_64();
    run(t, (word, op, val, timeout, word2, val3), long)
}

fn futex_time64(
    t: &mut Task,
    word: Ptr,
    op: i32,
    val: u32,
    timeout: Ptr,
    word2: Ptr,
    val3: u32,
) -> SysResult {
    run(t, (word, op, val, timeout, word2, val3), true)
}

/// Wakes everybody who waits for a word (the end of a thread).
pub fn wake_all(t: &Task, va: GuestVa) {
    if let Some(host) = t.mem.host(va, 4) {
        let all = i32::MAX as u64;
        let _ = sys::call(
            libc::SYS_futex,
            [host as u64, libc::FUTEX_WAKE as u64, all, 0, 0, 0],
        );
    }
}

// ---- robust lists ----

fn set_robust_list(t: &mut Task, head: Ptr, len: Hex) -> SysResult {
    if len.0 != 3 * t.abi.word as u64 {
        return Err(Errno::EINVAL);
    }
    t.robust_list = head.0.0;
    Ok(0)
}

fn get_robust_list(t: &mut Task, pid: i32, head: Ptr, len: Ptr) -> SysResult {
    if pid != 0 && pid as u32 != t.tid {
        return Err(Errno::EPERM);
    }
    let word = t.abi.word as u32;
    t.will_write(head.0, u64::from(word));
    t.will_write(len.0, u64::from(word));
    t.mem.store(head.0, word, t.abi.endian, t.robust_list)?;
    t.mem
        .store(len.0, word, t.abi.endian, 3 * u64::from(word))?;
    Ok(0)
}

/// Longest list that is followed. [Linux ROBUST_LIST_LIMIT]
const LIMIT: usize = 2048;

/// The mutexes that a dying thread holds get the "owner died" bit, and one waiter is woken.
/// [Linux kernel/futex, exit_robust_list]
pub fn release_robust_list(t: &mut Task) {
    let head = std::mem::take(&mut t.robust_list);
    if head == 0 {
        return;
    }
    let word = t.abi.word as u64;
    let load = |t: &Task, va: u64| t.mem.load(GuestVa(va), word as u32, t.abi.endian);
    let (Ok(first), Ok(offset), Ok(pending)) = (
        load(t, head),
        load(t, head + word),
        load(t, head + 2 * word),
    ) else {
        return;
    };
    let place = |entry: u64| {
        let at = (entry & !1).wrapping_add(offset);
        if word == 4 { at & 0xffff_ffff } else { at }
    };
    let mut entry = first;
    for _ in 0..LIMIT {
        if entry & !1 == head {
            break;
        }
        let next = load(t, entry & !1);
        if entry != pending {
            owner_died(t, place(entry), entry & 1 != 0, false);
        }
        match next {
            Ok(next) => entry = next,
            Err(_) => return,
        }
    }
    if pending != 0 {
        owner_died(t, place(pending), pending & 1 != 0, true);
    }
}

fn owner_died(t: &Task, va: u64, pi: bool, pending: bool) {
    const WAITERS: u32 = 0x8000_0000;
    const OWNER_DIED: u32 = 0x4000_0000;
    const TID: u32 = 0x3fff_ffff;
    let va = GuestVa(va);
    loop {
        let Ok(value) = t.mem.load_u32(va, t.abi.endian) else {
            return;
        };
        if pending && !pi && value == 0 {
            wake_one(t, va);
            return;
        }
        if value & TID != t.tid {
            return;
        }
        let new = value & WAITERS | OWNER_DIED;
        match t.mem.cas_u32(va, t.abi.endian, value, new) {
            Ok(seen) if seen == value => {
                if value & WAITERS != 0 && (!pi || word_value(t, 1) != 1) {
                    wake_one(t, va);
                }
                return;
            }
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

fn wake_one(t: &Task, va: GuestVa) {
    if let Some(host) = t.mem.host(va, 4) {
        let _ = sys::call(
            libc::SYS_futex,
            [host as u64, libc::FUTEX_WAKE as u64, 1, 0, 0, 0],
        );
    }
}
