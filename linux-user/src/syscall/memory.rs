//! Memory: mmap, munmap, mprotect, mremap, brk, madvise, msync, mincore, mlock.

use super::SysResult;
use super::args::{Fd, Hex, Ptr};
use crate::errno::Errno;
use crate::rows;
use crate::sys;
use crate::task::Task;
use std::sync::Arc;
use tcg_mem::GuestVa;
use tcg_uspace::{Backing, MapRequest, Prot};

rows! { MEMORY:
    brk(addr: Ptr) = Full;
    mmap(addr: Ptr, len: Hex, prot: Hex, flags: Hex, fd: Fd, offset: Hex) = Full;
    mmap2(addr: Ptr, len: Hex, prot: Hex, flags: Hex, fd: Fd, pages: Hex) = Full;
    munmap(addr: Ptr, len: Hex) = Full;
    mprotect(addr: Ptr, len: Hex, prot: Hex) = Full;
    mremap(old: Ptr, old_len: Hex, new_len: Hex, flags: Hex, new: Ptr) = Full;
    madvise(addr: Ptr, len: Hex, advice: i32) = Full;
    msync(addr: Ptr, len: Hex, flags: i32) = Full;
    mincore(addr: Ptr, len: Hex, vec: Ptr) = Full;
    mlock(addr: Ptr, len: Hex) = Full;
    mlock2(addr: Ptr, len: Hex, flags: u32) = Full;
    munlock(addr: Ptr, len: Hex) = Full;
    mlockall(flags: i32) = Full;
    munlockall() = Full;
    mseal(addr: Ptr, len: Hex, flags: Hex) = Full;
    pkey_alloc(flags: u32, rights: Hex) = Full;
    pkey_free(key: i32) = Full;
    pkey_mprotect(addr: Ptr, len: Hex, prot: Hex, key: i32) = Full;
}

impl From<tcg_uspace::Errno> for Errno {
    fn from(e: tcg_uspace::Errno) -> Errno {
        Errno(e.0)
    }
}

fn brk(t: &mut Task, addr: Ptr) -> SysResult {
    Ok(t.process.space.brk(addr.0).0)
}

/// What is known of the file behind a descriptor, for the guest's map.
fn backing(fd: i32, offset: u64) -> Result<Backing, Errno> {
    let meta = sys::fstat(fd)?;
    let name = std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap_or_default();
    let name: Arc<str> = name.to_string_lossy().into();
    Ok(Backing {
        dev: meta.0,
        ino: meta.1,
        offset,
        name,
    })
}

fn map(
    t: &mut Task,
    addr: GuestVa,
    len: u64,
    prot: u64,
    flags: u64,
    fd: Fd,
    offset: u64,
) -> SysResult {
    let flags = u64::from(t.abi.mmap_to_host(flags as u32));
    let anonymous = flags as i32 & libc::MAP_ANONYMOUS != 0;
    let file = if anonymous {
        None
    } else {
        Some((fd.0, backing(fd.0, offset)?))
    };
    if flags as i32 & libc::MAP_SHARED != 0 && prot & 2 != 0 {
        // Another process may see it: atomic accesses must be atomic for all.
        t.process.engine.set_parallel();
    }
    let req = MapRequest {
        addr: addr.0,
        len,
        prot: Prot(prot as u8 & 7),
        flags: flags as i32,
        file,
    };
    Ok(t.process.space.mmap(&req)?.0)
}

fn mmap(
    t: &mut Task,
    addr: Ptr,
    len: Hex,
    prot: Hex,
    flags: Hex,
    fd: Fd,
    offset: Hex,
) -> SysResult {
    map(t, addr.0, len.0, prot.0, flags.0, fd, offset.0)
}

fn mmap2(
    t: &mut Task,
    addr: Ptr,
    len: Hex,
    prot: Hex,
    flags: Hex,
    fd: Fd,
    pages: Hex,
) -> SysResult {
    map(t, addr.0, len.0, prot.0, flags.0, fd, pages.0 << 12)
}

fn munmap(t: &mut Task, addr: Ptr, len: Hex) -> SysResult {
    t.process.space.munmap(addr.0, len.0)?;
    Ok(0)
}

fn mprotect(t: &mut Task, addr: Ptr, len: Hex, prot: Hex) -> SysResult {
    // PROT_GROWSDOWN and PROT_GROWSUP are accepted for what they usually cover: the given range.
    if prot.0 & !0x0300_0007 != 0 {
        return Err(Errno::EINVAL);
    }
    t.process
        .space
        .mprotect(addr.0, len.0, Prot(prot.0 as u8 & 7))?;
    Ok(0)
}

fn mremap(t: &mut Task, old: Ptr, old_len: Hex, new_len: Hex, flags: Hex, new: Ptr) -> SysResult {
    Ok(t.process
        .space
        .mremap(old.0, old_len.0, new_len.0, flags.0 as i32, new.0)?
        .0)
}

fn madvise(t: &mut Task, addr: Ptr, len: Hex, advice: i32) -> SysResult {
    t.process.space.madvise(addr.0, len.0, advice)?;
    Ok(0)
}

fn msync(t: &mut Task, addr: Ptr, len: Hex, flags: i32) -> SysResult {
    t.process.space.msync(addr.0, len.0, flags)?;
    Ok(0)
}

fn mincore(t: &mut Task, addr: Ptr, len: Hex, vec: Ptr) -> SysResult {
    let bytes = t.process.space.mincore(addr.0, len.0)?;
    t.put_bytes(vec.0, &bytes)?;
    Ok(0)
}

/// The locking calls act on the host's pages of the range, once the guest's map says that it is mapped.
fn lock_range(t: &mut Task, nr: i64, addr: Ptr, len: Hex, flags: u64) -> SysResult {
    let start = addr.0.0 & !0xfff;
    let end = addr
        .0
        .0
        .checked_add(len.0)
        .and_then(|e| e.checked_next_multiple_of(4096))
        .ok_or(Errno::EINVAL)?;
    if end > start && !t.process.space.is_mapped(GuestVa(start), end - start) {
        return Err(Errno::ENOMEM);
    }
    let host = t
        .mem
        .host(GuestVa(start), end - start)
        .ok_or(Errno::ENOMEM)?;
    sys::call(nr, [host as u64, end - start, flags])
}

fn mlock(t: &mut Task, addr: Ptr, len: Hex) -> SysResult {
    lock_range(t, libc::SYS_mlock, addr, len, 0)
}

fn mlock2(t: &mut Task, addr: Ptr, len: Hex, flags: u32) -> SysResult {
    lock_range(t, libc::SYS_mlock2, addr, len, u64::from(flags))
}

fn munlock(t: &mut Task, addr: Ptr, len: Hex) -> SysResult {
    lock_range(t, libc::SYS_munlock, addr, len, 0)
}

/// Locking everything would lock the emulator's reservation, too; it is allowed or refused as the kernel would, and
/// present mappings stay as they are.
fn mlockall(t: &mut Task, flags: i32) -> SysResult {
    let flags = t.abi.mlockall_to_host(flags as u32) as i32;
    const KNOWN: i32 = libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT;
    if flags == 0 || flags & !KNOWN != 0 || flags == libc::MCL_ONFAULT {
        return Err(Errno::EINVAL);
    }
    Ok(0)
}

fn munlockall(_: &mut Task) -> SysResult {
    Ok(0)
}

fn mseal(t: &mut Task, addr: Ptr, len: Hex, flags: Hex) -> SysResult {
    let start = addr.0.0;
    let end = start
        .checked_add(len.0)
        .and_then(|e| e.checked_next_multiple_of(4096))
        .ok_or(Errno::EINVAL)?;
    if flags.0 != 0 || !start.is_multiple_of(4096) {
        return Err(Errno::EINVAL);
    }
    t.process.space.seal(start, end)?;
    Ok(0)
}

/// A machine without protection keys: there is none to have.
fn pkey_alloc(_: &mut Task, flags: u32, rights: Hex) -> SysResult {
    const RIGHTS: u64 = 3;
    match flags == 0 && rights.0 & !RIGHTS == 0 {
        true => Err(Errno::ENOSPC),
        false => Err(Errno::EINVAL),
    }
}

fn pkey_free(_: &mut Task, _: i32) -> SysResult {
    Err(Errno::EINVAL)
}

fn pkey_mprotect(t: &mut Task, addr: Ptr, len: Hex, prot: Hex, key: i32) -> SysResult {
    match key {
        -1 => mprotect(t, addr, len, prot),
        _ => Err(Errno::EINVAL),
    }
}
