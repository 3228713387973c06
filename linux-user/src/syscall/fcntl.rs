//! fcntl and fcntl64.

use super::SysResult;
use super::args::Fd;
use crate::abi::Long;
use crate::errno::Errno;
use crate::rows;
use crate::sys::{addr, addr_mut, blocking, call};
use crate::task::Task;
use crate::uapi::fs::{Flock, Flock64, OwnerEx};
use tcg_mem::GuestVa;

rows! { FCNTL:
    fcntl(fd: Fd, command: i32, argument: u64) = Full;
    fcntl64(fd: Fd, command: i32, argument: u64) = Full;
}

// asm-generic/fcntl.h and linux/fcntl.h.
const F_SETSIG: i32 = 10;
const F_GETSIG: i32 = 11;
const F_GETLK64: i32 = 12;
const F_SETLKW64: i32 = 14;
const F_SETOWN_EX: i32 = 15;
const F_GETOWN_EX: i32 = 16;
const F_GETOWNER_UIDS: i32 = 17;
const F_OFD_GETLK: i32 = 36;
const F_OFD_SETLKW: i32 = 38;
const F_LINUX: std::ops::RangeInclusive<i32> = 1024..=1034;
const F_RW_HINTS: std::ops::RangeInclusive<i32> = 1035..=1038;
const F_OWNER_PGRP: i32 = 2;

/// The layout of the lock structure that a command uses.
#[derive(Clone, Copy, PartialEq)]
enum Width {
    Word,
    Wide,
}

fn fcntl(t: &mut Task, fd: Fd, command: i32, argument: u64) -> SysResult {
    // The 64-bit and OFD lock commands exist in a 32-bit fcntl64 only.
    if !t.abi.is_64()
        && (matches!(command, F_GETLK64..=F_SETLKW64)
            || (F_OFD_GETLK..=F_OFD_SETLKW).contains(&command))
    {
        return Err(Errno::EINVAL);
    }
    fcntl64(t, fd, command, argument)
}

fn fcntl64(t: &mut Task, fd: Fd, command: i32, argument: u64) -> SysResult {
    let plain = |value: u64| call(libc::SYS_fcntl, [fd.0 as u64, command as u64, value]);
    let va = GuestVa(argument);
    match command {
        libc::F_GETFL => plain(0).map(|f| t.abi.open_to_guest(f as u32).into()),
        libc::F_SETFL => plain(t.abi.open_to_host(argument as u32).into()),
        libc::F_GETLK | libc::F_SETLK | libc::F_SETLKW => lock(t, fd, command, va, Width::Word),
        F_GETLK64..=F_SETLKW64 => lock(t, fd, command - F_GETLK64 + libc::F_GETLK, va, Width::Wide),
        F_OFD_GETLK..=F_OFD_SETLKW => lock(t, fd, command, va, Width::Wide),
        libc::F_GETOWN => {
            // Through the structure, because the plain call's negative process groups look like errors.
            let owner = owner_ex(fd)?;
            Ok(if owner.kind == F_OWNER_PGRP {
                -i64::from(owner.pid)
            } else {
                owner.pid.into()
            } as u64)
        }
        F_GETOWN_EX => {
            t.put(va, &owner_ex(fd)?)?;
            Ok(0)
        }
        F_SETOWN_EX => {
            let v = t.get::<OwnerEx>(va)?;
            plain(addr(&[v.kind, v.pid]))
        }
        F_GETOWNER_UIDS => {
            let mut ids = [0u32; 2];
            plain(addr_mut(&mut ids))?;
            t.put(va, &ids)?;
            Ok(0)
        }
        libc::F_DUPFD | libc::F_GETFD | libc::F_SETFD | F_SETSIG | F_GETSIG => plain(argument),
        libc::F_SETOWN => plain(argument as i32 as u64),
        _ if F_LINUX.contains(&command) => plain(argument),
        _ if F_RW_HINTS.contains(&command) => {
            let mut hint = [t.get::<u64>(va)?];
            let n = plain(addr_mut(&mut hint))?;
            t.put(va, &hint)?;
            Ok(n)
        }
        _ => Err(Errno::EINVAL),
    }
}

fn owner_ex(fd: Fd) -> Result<OwnerEx, Errno> {
    let mut owner = [0i32; 2];
    call(
        libc::SYS_fcntl,
        [fd.0 as u64, F_GETOWN_EX as u64, addr_mut(&mut owner)],
    )?;
    let [kind, pid] = owner;
    Ok(OwnerEx { kind, pid })
}

fn lock(t: &mut Task, fd: Fd, command: i32, va: GuestVa, width: Width) -> SysResult {
    let v = match width {
        Width::Wide => t.get::<Flock64>(va)?,
        Width::Word => {
            let v = t.get::<Flock>(va)?;
            Flock64 {
                kind: v.kind,
                whence: v.whence,
                start: v.start.0,
                len: v.len.0,
                pid: v.pid,
            }
        }
    };
    let mut host = libc::flock {
        l_type: v.kind,
        l_whence: v.whence,
        l_start: v.start,
        l_len: v.len,
        l_pid: v.pid,
    };
    let args = [fd.0 as u64, command as u64, addr_mut(&mut host), 0, 0, 0];
    let n = blocking(t, libc::SYS_fcntl, args).map_err(Errno::restart)?;
    if command != libc::F_GETLK && command != F_OFD_GETLK {
        return Ok(n);
    }
    let (start, len) = (host.l_start, host.l_len);
    match width {
        Width::Wide => t.put(
            va,
            &Flock64 {
                kind: host.l_type,
                whence: host.l_whence,
                start,
                len,
                pid: host.l_pid,
            },
        )?,
        Width::Word => {
            if !t.abi.is_64() && (i32::try_from(start).is_err() || i32::try_from(len).is_err()) {
                return Err(Errno::EOVERFLOW);
            }
            let (start, len) = (Long(start), Long(len));
            t.put(
                va,
                &Flock {
                    kind: host.l_type,
                    whence: host.l_whence,
                    start,
                    len,
                    pid: host.l_pid,
                },
            )?;
        }
    }
    Ok(n)
}
