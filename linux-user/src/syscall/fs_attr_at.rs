//! Extended attributes by directory descriptor and name, and what is known of a file's pages in memory.

use super::SysResult;
use super::args::{DirFd, Fd, Hex, In, Out, Path, Ptr};
use super::path::HostPath;
use crate::errno::Errno;
use crate::layout;
use crate::rows;
use crate::sys::{addr, addr_mut, call};
use crate::task::Task;
use tcg_mem::GuestVa;

rows! { FS_ATTR_AT:
    setxattrat(dir: DirFd, path: Path, flags: u32, name: Path, value: In<XattrArgs>, size: u64) = Full;
    getxattrat(dir: DirFd, path: Path, flags: u32, name: Path, value: In<XattrArgs>, size: u64) = Full;
    listxattrat(dir: DirFd, path: Path, flags: u32, list: Ptr, size: u64) = Full;
    removexattrat(dir: DirFd, path: Path, flags: u32, name: Path) = Full;
    cachestat(fd: Fd, range: In<CachestatRange>, result: Out<Cachestat>, flags: u32) = Full;
    memfd_secret(flags: Hex) = Full;
}

layout! {
    /// `struct xattr_args`.
    pub struct XattrArgs { value: u64, size: u32, flags: u32 }

    /// `struct cachestat_range`.
    pub struct CachestatRange { offset: u64, len: u64 }

    /// `struct cachestat`.
    pub struct Cachestat { counts: [u64; 5] }
}

const SYS_SETXATTRAT: i64 = 463;
const SYS_GETXATTRAT: i64 = 464;
const SYS_LISTXATTRAT: i64 = 465;
const SYS_REMOVEXATTRAT: i64 = 466;
const SYS_CACHESTAT: i64 = 451;
/// Size of `struct xattr_args`.
const ARGS: u64 = 16;

fn place<'a>(t: &Task, path: &'a Path, flags: u32) -> HostPath<'a> {
    if flags & libc::AT_SYMLINK_NOFOLLOW as u32 != 0 {
        t.host_link(path)
    } else {
        t.host_path(path)
    }
}

fn check_size(size: u64) -> Result<(), Errno> {
    match size {
        ARGS => Ok(()),
        0..ARGS => Err(Errno::EINVAL),
        // UNIMPL: later versions of the structure.
        _ => Err(Errno::E2BIG),
    }
}

fn setxattrat(
    t: &mut Task,
    dir: DirFd,
    path: Path,
    flags: u32,
    name: Path,
    value: In<XattrArgs>,
    size: u64,
) -> SysResult {
    check_size(size)?;
    let v = value.get(t)?;
    let from = t.host_in_opt(GuestVa(v.value), v.size.into())?;
    let host = [from, u64::from(v.size) | u64::from(v.flags) << 32];
    let at = place(t, &path, flags);
    let args = [
        dir.0 as u64,
        at.ptr(),
        flags.into(),
        name.0.as_ptr() as u64,
        addr(&host),
        ARGS,
    ];
    call(SYS_SETXATTRAT, args)
}

fn getxattrat(
    t: &mut Task,
    dir: DirFd,
    path: Path,
    flags: u32,
    name: Path,
    value: In<XattrArgs>,
    size: u64,
) -> SysResult {
    check_size(size)?;
    let v = value.get(t)?;
    let to = t.host_out_opt(GuestVa(v.value), v.size.into())?;
    let host = [to, u64::from(v.size) | u64::from(v.flags) << 32];
    let at = place(t, &path, flags);
    let args = [
        dir.0 as u64,
        at.ptr(),
        flags.into(),
        name.0.as_ptr() as u64,
        addr(&host),
        ARGS,
    ];
    call(SYS_GETXATTRAT, args)
}

fn listxattrat(
    t: &mut Task,
    dir: DirFd,
    path: Path,
    flags: u32,
    list: Ptr,
    size: u64,
) -> SysResult {
    let to = t.host_out_opt(list.0, size)?;
    let at = place(t, &path, flags);
    call(
        SYS_LISTXATTRAT,
        [dir.0 as u64, at.ptr(), flags.into(), to, size],
    )
}

fn removexattrat(t: &mut Task, dir: DirFd, path: Path, flags: u32, name: Path) -> SysResult {
    let at = place(t, &path, flags);
    let args = [dir.0 as u64, at.ptr(), flags.into(), name.0.as_ptr() as u64];
    call(SYS_REMOVEXATTRAT, args)
}

fn cachestat(
    t: &mut Task,
    fd: Fd,
    range: In<CachestatRange>,
    result: Out<Cachestat>,
    flags: u32,
) -> SysResult {
    let v = range.get(t)?;
    let mut counts = [0u64; 5];
    let host = [v.offset, v.len];
    let args = [
        fd.0 as u64,
        addr(&host),
        addr_mut(&mut counts),
        flags.into(),
    ];
    call(SYS_CACHESTAT, args)?;
    result.put(t, &Cachestat { counts })?;
    Ok(0)
}

fn memfd_secret(_: &mut Task, flags: Hex) -> SysResult {
    call(libc::SYS_memfd_secret, [flags.0])
}
