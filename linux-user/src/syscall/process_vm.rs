//! Memory of processes by vectors: process_vm_readv and process_vm_writev; and the futex calls of newer kernels.

use super::SysResult;
use super::args::{Hex, In, Ptr};
use crate::abi::Endian;
use crate::errno::Errno;
use crate::layout;
use crate::rows;
use crate::sys::{addr, addr_mut, blocking, call};
use crate::task::Task;
use crate::uapi::fs::Iovec;
use crate::uapi::time::{HostTime, Timespec64};
use tcg_mem::GuestVa;

rows! { PROCESS_VM:
    process_vm_readv(pid: i32, local: Ptr, count: u64, remote: Ptr, remote_count: u64, flags: Hex) = Full;
    process_vm_writev(pid: i32, local: Ptr, count: u64, remote: Ptr, remote_count: u64, flags: Hex) = Full;
    futex_waitv(waiters: Ptr, count: u32, flags: u32, timeout: In<Timespec64>, clock: i32) = Full;
    futex_wake(word: Ptr, mask: Hex, count: i32, flags: u32) = Full;
    futex_requeue(waiters: Ptr, flags: u32, wake: i32, requeue: i32) = Full;
    futex_wait(word: Ptr, value: Hex, mask: Hex, flags: u32, timeout: In<Timespec64>, clock: i32) = Full;
}

layout! {
    /// `struct futex_waitv`.
    pub struct FutexWaitv { value: u64, word: u64, flags: u32, reserved: u32 }
}

/// The other process's vector as the host's: a 32-bit guest's memory lies at a place that its emulator has told the kernel.
/// The memory of a program that is not emulated is where it says.
fn remote_vector(
    t: &Task,
    pid: i32,
    va: GuestVa,
    count: u64,
    write: bool,
) -> Result<Vec<libc::iovec>, Errno> {
    if pid as u32 == std::process::id() {
        return t.iovec(va, count, write);
    }
    let base = match crate::proc::subject::published(pid as u32) {
        Some(p) => p.base,
        None => 0,
    };
    const UIO_MAXIOV: u64 = 1024;
    let list = t.get_array::<Iovec>(va, count, UIO_MAXIOV)?;
    let host = list.iter().map(|v| libc::iovec {
        iov_base: v.base.0.wrapping_add(base) as *mut libc::c_void,
        iov_len: v.len.0 as usize,
    });
    Ok(host.collect())
}

/// Number of the call, process, flags.
type What = (i64, i32, u64);

fn transfer(t: &mut Task, what: What, local: (Ptr, u64), remote: (Ptr, u64)) -> SysResult {
    let (nr, pid, flags) = what;
    let read = nr == libc::SYS_process_vm_readv;
    let mine = t.iovec(local.0.0, local.1, read)?;
    let theirs = remote_vector(t, pid, remote.0.0, remote.1, !read)?;
    let args = [
        pid as u64,
        mine.as_ptr() as u64,
        mine.len() as u64,
        theirs.as_ptr() as u64,
        theirs.len() as u64,
        flags,
    ];
    call(nr, args)
}

fn process_vm_readv(
    t: &mut Task,
    pid: i32,
    local: Ptr,
    count: u64,
    remote: Ptr,
    remote_count: u64,
    flags: Hex,
) -> SysResult {
    let what = (libc::SYS_process_vm_readv, pid, flags.0);
    transfer(t, what, (local, count), (remote, remote_count))
}

fn process_vm_writev(
    t: &mut Task,
    pid: i32,
    local: Ptr,
    count: u64,
    remote: Ptr,
    remote_count: u64,
    flags: Hex,
) -> SysResult {
    let what = (libc::SYS_process_vm_writev, pid, flags.0);
    transfer(t, what, (local, count), (remote, remote_count))
}

const FUTEX2_SIZE_MASK: u32 = 3;
const FUTEX2_SIZE_U32: u32 = 2;
const SYS_FUTEX_WAKE: i64 = 454;
const SYS_FUTEX_WAIT: i64 = 455;

/// A value that the kernel compares with the guest's word.
fn compared(t: &Task, value: u64, flags: u32) -> Result<u64, Errno> {
    if flags & FUTEX2_SIZE_MASK != FUTEX2_SIZE_U32 {
        return Err(Errno::EINVAL);
    }
    Ok(match t.abi.endian {
        Endian::Little => value,
        Endian::Big => u64::from((value as u32).swap_bytes()) | value & !0xffff_ffff,
    })
}

fn futex_waitv(
    t: &mut Task,
    waiters: Ptr,
    count: u32,
    flags: u32,
    timeout: In<Timespec64>,
    clock: i32,
) -> SysResult {
    const MOST: u64 = 128;
    let list = t.get_array::<FutexWaitv>(waiters.0, count.into(), MOST)?;
    let mut host = Vec::with_capacity(list.len() * 3);
    for w in list {
        let word = t.host_in(GuestVa(w.word), 4)?;
        let kinds = u64::from(w.flags) | u64::from(w.reserved) << 32;
        host.extend([compared(t, w.value, w.flags)?, word, kinds]);
    }
    let time = timeout.opt(t)?.map(|v| v.to_host());
    let args = [
        host.as_mut_ptr() as u64,
        count.into(),
        flags.into(),
        time.as_ref().map_or(0, addr),
        clock as u64,
        0,
    ];
    blocking(t, libc::SYS_futex_waitv, args)
}

fn futex_requeue(t: &mut Task, waiters: Ptr, flags: u32, wake: i32, requeue: i32) -> SysResult {
    const SYS_FUTEX_REQUEUE: i64 = 456;
    let list = t.get_array::<FutexWaitv>(waiters.0, 2, 2)?;
    let mut host = Vec::with_capacity(list.len() * 3);
    for w in list {
        let word = t.host_in(GuestVa(w.word), 4)?;
        let kinds = u64::from(w.flags) | u64::from(w.reserved) << 32;
        host.extend([compared(t, w.value, w.flags)?, word, kinds]);
    }
    let args = [
        host.as_ptr() as u64,
        flags.into(),
        wake as u64,
        requeue as u64,
    ];
    call(SYS_FUTEX_REQUEUE, args)
}

fn futex_wake(t: &mut Task, word: Ptr, mask: Hex, count: i32, flags: u32) -> SysResult {
    let word = t.host_in(word.0, 4)?;
    call(SYS_FUTEX_WAKE, [word, mask.0, count as u64, flags.into()])
}

fn futex_wait(
    t: &mut Task,
    word: Ptr,
    value: Hex,
    mask: Hex,
    flags: u32,
    timeout: In<Timespec64>,
    clock: i32,
) -> SysResult {
    let at = t.host_in(word.0, 4)?;
    let value = compared(t, value.0, flags)?;
    let mut time = timeout.opt(t)?.map(|v| v.to_host());
    let time = time.as_mut().map_or(0, addr_mut);
    blocking(
        t,
        SYS_FUTEX_WAIT,
        [at, value, mask.0, flags.into(), time, clock as u64],
    )
}
