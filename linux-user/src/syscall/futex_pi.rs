//! Priority-inheriting futexes of guests whose byte order is not the host's: the host's kernel writes thread numbers into
//! such words itself, so it cannot serve them. (Linux Documentation/locking/pi-futex; man 2 futex)
//!
//! DEVIATES: a lock and nothing more: the owner does not inherit a waiter's priority, and waiters are not served in the
//! order of theirs.

use super::SysResult;
use crate::errno::Errno;
use crate::sys;
use crate::task::Task;
use tcg_mem::GuestVa;

const WAITERS: u32 = 0x8000_0000;
const OWNER_DIED: u32 = 0x4000_0000;
const TID: u32 = 0x3fff_ffff;

/// One operation on the word at `va`; `timeout`: the host's address of an absolute time, or 0.
pub fn run(t: &mut Task, va: GuestVa, op: i32, timeout: u64) -> SysResult {
    const FLAGS: i32 = libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME;
    match op & !FLAGS {
        libc::FUTEX_UNLOCK_PI => unlock(t, va, op),
        libc::FUTEX_TRYLOCK_PI => match take(t, va)? {
            Taken::Mine => Ok(0),
            Taken::Theirs(_) => Err(Errno::EAGAIN),
        },
        // Its time is the wall clock's.
        libc::FUTEX_LOCK_PI => lock(t, va, op | libc::FUTEX_CLOCK_REALTIME, timeout),
        libc::FUTEX_LOCK_PI2 => lock(t, va, op, timeout),
        _ => Err(Errno::ENOSYS),
    }
}

enum Taken {
    Mine,
    /// Somebody else's; this is in the word.
    Theirs(u32),
}

/// Takes the lock if nobody has it.
fn take(t: &Task, va: GuestVa) -> Result<Taken, Errno> {
    loop {
        let value = t.mem.load_u32(va, t.abi.endian)?;
        match value & TID {
            0 => {}
            own if own == t.tid => return Err(Errno::EDEADLK),
            _ => return Ok(Taken::Theirs(value)),
        }
        let new = value & (WAITERS | OWNER_DIED) | t.tid;
        if t.mem.cas_u32(va, t.abi.endian, value, new)? == value {
            return Ok(Taken::Mine);
        }
    }
}

fn lock(t: &mut Task, va: GuestVa, op: i32, timeout: u64) -> SysResult {
    const KEPT: i32 = libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME;
    let wait = libc::FUTEX_WAIT_BITSET | op & KEPT;
    loop {
        let value = match take(t, va)? {
            Taken::Mine => return Ok(0),
            Taken::Theirs(value) => value,
        };
        let marked = value | WAITERS;
        if t.mem.cas_u32(va, t.abi.endian, value, marked)? != value {
            continue;
        }
        let host = t.host_out(va, 4)?;
        let expected = u64::from(marked.swap_bytes());
        let all = u64::from(u32::MAX);
        let args = [host, wait as u64, expected, timeout, 0, all];
        match sys::blocking(t, libc::SYS_futex, args) {
            Ok(_) | Err(Errno::EAGAIN) => {}
            Err(e) => return Err(e.restart()),
        }
    }
}

/// Everybody who waits is woken: the next owner's word then tells again that there are others.
fn unlock(t: &mut Task, va: GuestVa, op: i32) -> SysResult {
    loop {
        let value = t.mem.load_u32(va, t.abi.endian)?;
        if value & TID != t.tid {
            return Err(Errno::EPERM);
        }
        if t.mem.cas_u32(va, t.abi.endian, value, 0)? == value {
            break;
        }
    }
    let host = t.host_out(va, 4)?;
    let wake = libc::FUTEX_WAKE | op & libc::FUTEX_PRIVATE_FLAG;
    sys::call(
        libc::SYS_futex,
        [host, wake as u64, i32::MAX as u64, 0, 0, 0],
    )?;
    Ok(0)
}
