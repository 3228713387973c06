//! Attributes of files and file systems, and file times.

use super::SysResult;
use super::args::{DirFd, Fd, In, OptPath, Out, Path, Ptr};
use crate::abi::{Long, ULong, Writer};
use crate::errno::Errno;
use crate::owners::{self, Named};
use crate::rows;
use crate::sys::{addr, addr_mut, call, zeroed};
use crate::task::Task;
use crate::uapi::fs::Statfs;
use crate::uapi::stat::{Stat, Statx, StatxTime};
use crate::uapi::time::{HostTime, Timespec, Timespec64, Timeval, Utimbuf};

rows! { FS_STAT:
    stat(path: Path, buf: Ptr) = Full;
    lstat(path: Path, buf: Ptr) = Full;
    fstat(fd: Fd, buf: Ptr) = Full;
    newfstatat(dir: DirFd, path: Path, buf: Ptr, flags: u32) = Full;
    stat64(path: Path, buf: Ptr) = Full;
    lstat64(path: Path, buf: Ptr) = Full;
    fstat64(fd: Fd, buf: Ptr) = Full;
    fstatat64(dir: DirFd, path: Path, buf: Ptr, flags: u32) = Full;
    statx(dir: DirFd, path: OptPath, flags: u32, mask: u32, buf: Out<Statx>) = Full;
    statfs(path: Path, buf: Out<Statfs>) = Full;
    fstatfs(fd: Fd, buf: Out<Statfs>) = Full;
    statfs64(path: Path, size: u64, buf: Ptr) = Full;
    fstatfs64(fd: Fd, size: u64, buf: Ptr) = Full;
    utime(path: Path, times: In<Utimbuf>) = Full;
    utimes(path: Path, times: In<[Timeval; 2]>) = Full;
    futimesat(dir: DirFd, path: OptPath, times: In<[Timeval; 2]>) = Full;
    utimensat(dir: DirFd, path: OptPath, times: In<[Timespec; 2]>, flags: u32) = Full;
    utimensat_time64(dir: DirFd, path: OptPath, times: In<[Timespec64; 2]>, flags: u32) = Full;
}

type Put = fn(&Stat, &mut Writer) -> Result<(), Errno>;

fn put_stat(t: &Task, s: &libc::stat, buf: Ptr, put: Put) -> SysResult {
    let mut w = Writer::new(t.abi);
    put(&Stat::from_host(s), &mut w)?;
    t.put_bytes(buf.0, w.done())?;
    Ok(0)
}

fn stat_at(t: &Task, dir: i32, path: &Path, buf: Ptr, flags: u32, put: Put) -> SysResult {
    let mut s: libc::stat = zeroed();
    let host = if flags & libc::AT_SYMLINK_NOFOLLOW as u32 != 0 {
        t.host_link(path)
    } else {
        t.host_path(path)
    };
    call(
        libc::SYS_newfstatat,
        [dir as u64, host.ptr(), addr_mut(&mut s), flags.into()],
    )?;
    if t.remembers_owners() {
        let name = host.path();
        remembered(&mut s, dir, name, flags & NOFOLLOW != 0);
    }
    put_stat(t, &s, buf, put)
}

/// Puts a remembered owner in.
fn remembered(s: &mut libc::stat, dir: i32, name: &std::ffi::CStr, nofollow: bool) {
    let file = Named {
        dir,
        name,
        nofollow,
    };
    let kept = matches!(s.st_mode & libc::S_IFMT, libc::S_IFREG | libc::S_IFDIR);
    if let Some([uid, gid]) = kept.then(|| owners::of(&file)).flatten() {
        (s.st_uid, s.st_gid) = (uid, gid);
    }
}

fn stat_fd(t: &Task, fd: Fd, buf: Ptr, put: Put) -> SysResult {
    let mut s: libc::stat = zeroed();
    call(libc::SYS_fstat, [fd.0 as u64, addr_mut(&mut s)])?;
    if t.remembers_owners() {
        remembered(&mut s, fd.0, c"", false);
    }
    put_stat(t, &s, buf, put)
}

const NOFOLLOW: u32 = libc::AT_SYMLINK_NOFOLLOW as u32;

fn stat(t: &mut Task, path: Path, buf: Ptr) -> SysResult {
    stat_at(t, libc::AT_FDCWD, &path, buf, 0, t.abi.put_stat)
}

fn lstat(t: &mut Task, path: Path, buf: Ptr) -> SysResult {
    stat_at(t, libc::AT_FDCWD, &path, buf, NOFOLLOW, t.abi.put_stat)
}

fn fstat(t: &mut Task, fd: Fd, buf: Ptr) -> SysResult {
    stat_fd(t, fd, buf, t.abi.put_stat)
}

fn newfstatat(t: &mut Task, dir: DirFd, path: Path, buf: Ptr, flags: u32) -> SysResult {
    stat_at(t, dir.0, &path, buf, flags, t.abi.put_stat)
}

fn stat64(t: &mut Task, path: Path, buf: Ptr) -> SysResult {
    stat_at(t, libc::AT_FDCWD, &path, buf, 0, t.abi.put_stat64)
}

fn lstat64(t: &mut Task, path: Path, buf: Ptr) -> SysResult {
    stat_at(t, libc::AT_FDCWD, &path, buf, NOFOLLOW, t.abi.put_stat64)
}

fn fstat64(t: &mut Task, fd: Fd, buf: Ptr) -> SysResult {
    stat_fd(t, fd, buf, t.abi.put_stat64)
}

fn fstatat64(t: &mut Task, dir: DirFd, path: Path, buf: Ptr, flags: u32) -> SysResult {
    stat_at(t, dir.0, &path, buf, flags, t.abi.put_stat64)
}

fn stx_time(t: &libc::statx_timestamp) -> StatxTime {
    StatxTime {
        sec: t.tv_sec,
        nsec: t.tv_nsec,
        reserved: 0,
    }
}

fn statx(
    t: &mut Task,
    dir: DirFd,
    path: OptPath,
    flags: u32,
    mask: u32,
    buf: Out<Statx>,
) -> SysResult {
    let mut s: libc::statx = zeroed();
    let path = path.0.map(Path);
    let host = path.as_ref().map(|p| {
        if flags & NOFOLLOW != 0 {
            t.host_link(p)
        } else {
            t.host_path(p)
        }
    });
    let name = host.as_ref().map_or(0, |p| p.ptr());
    call(
        libc::SYS_statx,
        [
            dir.0 as u64,
            name,
            flags.into(),
            mask.into(),
            addr_mut(&mut s),
        ],
    )?;
    if t.remembers_owners() {
        let kind = u32::from(s.stx_mode) & libc::S_IFMT;
        let file = Named {
            dir: dir.0,
            name: host.as_ref().map_or(c"", |h| h.path()),
            nofollow: flags & NOFOLLOW != 0,
        };
        if matches!(kind, libc::S_IFREG | libc::S_IFDIR)
            && let Some([uid, gid]) = owners::of(&file)
        {
            (s.stx_uid, s.stx_gid) = (uid, gid);
        }
    }
    let v = Statx {
        mask: s.stx_mask,
        blksize: s.stx_blksize,
        attributes: s.stx_attributes,
        nlink: s.stx_nlink,
        uid: s.stx_uid,
        gid: s.stx_gid,
        mode: s.stx_mode,
        spare0: 0,
        ino: s.stx_ino,
        size: s.stx_size,
        blocks: s.stx_blocks,
        attributes_mask: s.stx_attributes_mask,
        atime: stx_time(&s.stx_atime),
        btime: stx_time(&s.stx_btime),
        ctime: stx_time(&s.stx_ctime),
        mtime: stx_time(&s.stx_mtime),
        rdev_major: s.stx_rdev_major,
        rdev_minor: s.stx_rdev_minor,
        dev_major: s.stx_dev_major,
        dev_minor: s.stx_dev_minor,
        mnt_id: s.stx_mnt_id,
        dio_mem_align: s.stx_dio_mem_align,
        dio_offset_align: s.stx_dio_offset_align,
        spare3: [0; 12],
    };
    buf.put(t, &v)?;
    Ok(0)
}

/// The host's `struct statfs` as the kernel writes it: fifteen words.
type HostStatfs = [u64; 15];

fn put_statfs(t: &Task, s: &HostStatfs, buf: Out<Statfs>) -> SysResult {
    let [
        kind,
        bsize,
        blocks,
        bfree,
        bavail,
        files,
        ffree,
        fsid,
        namelen,
        frsize,
        flags,
        ..,
    ] = *s;
    let small = |v: u64| u32::try_from(v).is_ok() || t.abi.is_64();
    // Unknown counts of files may be all ones in 64 bits; that is not an overflow.
    let count = |v: u64| small(v) || v == u64::MAX;
    if ![blocks, bfree, bavail, bsize, frsize]
        .into_iter()
        .all(small)
        || !count(files)
        || !count(ffree)
    {
        return Err(Errno::EOVERFLOW);
    }
    let v = Statfs {
        kind: ULong(kind),
        bsize: ULong(bsize),
        blocks: ULong(blocks),
        bfree: ULong(bfree),
        bavail: ULong(bavail),
        files: ULong(files),
        ffree: ULong(ffree),
        fsid: [fsid as i32, (fsid >> 32) as i32],
        namelen: ULong(namelen),
        frsize: ULong(frsize),
        flags: ULong(flags),
        spare: [ULong(0); 4],
    };
    buf.put(t, &v)?;
    Ok(0)
}

fn statfs(t: &mut Task, path: Path, buf: Out<Statfs>) -> SysResult {
    let mut s: HostStatfs = [0; 15];
    call(
        libc::SYS_statfs,
        [t.host_path(&path).ptr(), addr_mut(&mut s)],
    )?;
    put_statfs(t, &s, buf)
}

fn fstatfs(t: &mut Task, fd: Fd, buf: Out<Statfs>) -> SysResult {
    let mut s: HostStatfs = [0; 15];
    call(libc::SYS_fstatfs, [fd.0 as u64, addr_mut(&mut s)])?;
    put_statfs(t, &s, buf)
}

/// `struct statfs64`: with 64-bit words it is `struct statfs`; otherwise words, five 64-bit counts, words. The size argument
/// must be the structure's; where it is packed, the padded size is accepted too, as the kernel does.
fn put_statfs64(t: &Task, s: &HostStatfs, size: u64, buf: Ptr) -> SysResult {
    let packed = t.abi.statfs64_packed;
    let right = match t.abi.is_64() {
        true => size == 120,
        false => size == 88 || packed && size == 84,
    };
    if !right {
        return Err(Errno::EINVAL);
    }
    if t.abi.is_64() {
        return put_statfs(t, s, Out::at(buf.0));
    }
    let [
        kind,
        bsize,
        blocks,
        bfree,
        bavail,
        files,
        ffree,
        fsid,
        namelen,
        frsize,
        flags,
        ..,
    ] = *s;
    let mut w = Writer::new(t.abi);
    [kind, bsize].into_iter().for_each(|v| w.uint(4, v));
    [blocks, bfree, bavail, files, ffree]
        .into_iter()
        .for_each(|v| w.uint(8, v));
    [fsid, fsid >> 32, namelen, frsize, flags, 0, 0, 0, 0]
        .into_iter()
        .for_each(|v| w.uint(4, v));
    if !packed {
        w.align(8);
    }
    t.put_bytes(buf.0, w.done())?;
    Ok(0)
}

fn statfs64(t: &mut Task, path: Path, size: u64, buf: Ptr) -> SysResult {
    let mut s: HostStatfs = [0; 15];
    call(
        libc::SYS_statfs,
        [t.host_path(&path).ptr(), addr_mut(&mut s)],
    )?;
    put_statfs64(t, &s, size, buf)
}

fn fstatfs64(t: &mut Task, fd: Fd, size: u64, buf: Ptr) -> SysResult {
    let mut s: HostStatfs = [0; 15];
    call(libc::SYS_fstatfs, [fd.0 as u64, addr_mut(&mut s)])?;
    put_statfs64(t, &s, size, buf)
}

fn set_times(
    t: &Task,
    dir: i32,
    path: Option<Path>,
    times: Option<[libc::timespec; 2]>,
    flags: u32,
) -> SysResult {
    let host = path.as_ref().map(|p| {
        if flags & NOFOLLOW != 0 {
            t.host_link(p)
        } else {
            t.host_path(p)
        }
    });
    let name = host.as_ref().map_or(0, |p| p.ptr());
    let times = times.as_ref().map_or(0, addr);
    call(libc::SYS_utimensat, [dir as u64, name, times, flags.into()])
}

fn utime(t: &mut Task, path: Path, times: In<Utimbuf>) -> SysResult {
    let at = |s: Long| libc::timespec {
        tv_sec: s.0,
        tv_nsec: 0,
    };
    let times = times.opt(t)?.map(|v| [at(v.actime), at(v.modtime)]);
    set_times(t, libc::AT_FDCWD, Some(path), times, 0)
}

fn utimes(t: &mut Task, path: Path, times: In<[Timeval; 2]>) -> SysResult {
    futimesat(t, DirFd(libc::AT_FDCWD), OptPath(Some(path.0)), times)
}

fn futimesat(t: &mut Task, dir: DirFd, path: OptPath, times: In<[Timeval; 2]>) -> SysResult {
    let times = times.opt(t)?;
    if times.is_some_and(|v| v.iter().any(|x| !(0..1_000_000).contains(&x.usec.0))) {
        return Err(Errno::EINVAL);
    }
    let times = times.map(|v| {
        v.map(|x| libc::timespec {
            tv_sec: x.sec.0,
            tv_nsec: x.usec.0 * 1000,
        })
    });
    set_times(t, dir.0, path.0.map(Path), times, 0)
}

fn utimensat(
    t: &mut Task,
    dir: DirFd,
    path: OptPath,
    times: In<[Timespec; 2]>,
    flags: u32,
) -> SysResult {
    let times = times.opt(t)?.map(|v| v.map(|x| x.to_host()));
    set_times(t, dir.0, path.0.map(Path), times, flags)
}

fn utimensat_time64(
    t: &mut Task,
    dir: DirFd,
    path: OptPath,
    times: In<[Timespec64; 2]>,
    flags: u32,
) -> SysResult {
    let times = times.opt(t)?.map(|v| v.map(|x| x.to_host()));
    set_times(t, dir.0, path.0.map(Path), times, flags)
}
