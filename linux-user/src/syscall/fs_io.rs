//! Reading, writing and positions of descriptors; pipes, duplicates, and calls that move data between files.

use super::SysResult;
use super::args::{Fd, In, InBytes, Mode, Off, Out, Path, Ptr, SLong};
use super::order;
use crate::abi::{Layout, Long};
use crate::errno::Errno;
use crate::rows;
use crate::sys::{addr, addr_mut, blocking, call};
use crate::task::Task;
use crate::uapi::fs::Iovec;
use tcg_mem::GuestVa;

rows! { FS_IO:
    read(fd: Fd, buf: Ptr, count: u64) = Full;
    write(fd: Fd, buf: InBytes, count: u64) = Full;
    pread64(fd: Fd, buf: Ptr, count: u64, pos: Off) = Full;
    pwrite64(fd: Fd, buf: InBytes, count: u64, pos: Off) = Full;
    readv(fd: Fd, iov: Ptr, count: u64) = Full;
    writev(fd: Fd, iov: Ptr, count: u64) = Full;
    preadv(fd: Fd, iov: Ptr, count: u64, low: u64, high: u64) = Full;
    pwritev(fd: Fd, iov: Ptr, count: u64, low: u64, high: u64) = Full;
    preadv2(fd: Fd, iov: Ptr, count: u64, low: u64, high: u64, flags: u32) = Full;
    pwritev2(fd: Fd, iov: Ptr, count: u64, low: u64, high: u64, flags: u32) = Full;
    close(fd: Fd) = Full;
    close_range(first: u32, last: u32, flags: u32) = Full;
    dup(fd: Fd) = Full;
    dup2(fd: Fd, to: Fd) = Full;
    dup3(fd: Fd, to: Fd, flags: u32) = Full;
    pipe(fds: Out<[i32; 2]>) = Full;
    pipe2(fds: Out<[i32; 2]>, flags: u32) = Full;
    lseek(fd: Fd, pos: SLong, whence: i32) = Full;
    _llseek(fd: Fd, high: u64, low: u64, result: Out<i64>, whence: i32) = Full;
    fsync(fd: Fd) = Full;
    fdatasync(fd: Fd) = Full;
    sync() = Full;
    syncfs(fd: Fd) = Full;
    truncate(path: Path, len: SLong) = Full;
    ftruncate(fd: Fd, len: SLong) = Full;
    truncate64(path: Path, len: Off) = Full;
    ftruncate64(fd: Fd, len: Off) = Full;
    fallocate(fd: Fd, mode: u32, pos: Off, len: Off) = Full;
    fadvise64(fd: Fd, pos: Off, len: u64, advice: i32) = Full;
    fadvise64_64(fd: Fd, pos: Off, len: Off, advice: i32) = Full;
    fadvise64_64_advice_second(fd: Fd, advice: i32, pos: Off, len: Off) = Full;
    sync_file_range(fd: Fd, pos: Off, len: Off, flags: u32) = Full;
    sync_file_range2(fd: Fd, flags: u32, pos: Off, len: Off) = Full;
    readahead(fd: Fd, pos: Off, count: u64) = Full;
    sendfile(out: Fd, from: Fd, pos: In<Long>, count: u64) = Full;
    sendfile64(out: Fd, from: Fd, pos: In<i64>, count: u64) = Full;
    splice(from: Fd, from_pos: In<i64>, to: Fd, to_pos: In<i64>, len: u64, flags: u32) = Full;
    tee(from: Fd, to: Fd, len: u64, flags: u32) = Full;
    vmsplice(fd: Fd, iov: Ptr, count: u64, flags: u32) = Full;
    copy_file_range(from: Fd, from_pos: In<i64>, to: Fd, to_pos: In<i64>, len: u64, flags: u32) = Full;
    memfd_create(name: Path, flags: u32) = Full;
    flock(fd: Fd, operation: i32) = Full;
    umask(mode: Mode) = Full;
}

/// Longest vector of the kernel's.
const UIO_MAXIOV: u64 = 1024;

impl Task {
    /// The host's vector for a guest's: no data is copied. `output`: the host writes there.
    pub fn iovec(&self, va: GuestVa, count: u64, output: bool) -> Result<Vec<libc::iovec>, Errno> {
        if count > UIO_MAXIOV {
            return Err(Errno::EINVAL);
        }
        let list = self.get_array::<Iovec>(va, count, UIO_MAXIOV)?;
        let max = if self.abi.is_64() {
            i64::MAX as u64
        } else {
            i32::MAX as u64
        };
        let mut out = Vec::with_capacity(list.len());
        for v in list {
            if v.len.0 > max {
                return Err(Errno::EINVAL);
            }
            let base = GuestVa(v.base.0);
            let host = if output {
                self.host_out(base, v.len.0)
            } else {
                self.host_in(base, v.len.0)
            };
            let host = if v.len.0 == 0 { 0 } else { host? };
            out.push(libc::iovec {
                iov_base: host as *mut libc::c_void,
                iov_len: v.len.0 as usize,
            });
        }
        Ok(out)
    }
}

fn read(t: &mut Task, fd: Fd, buf: Ptr, count: u64) -> SysResult {
    let to = t.host_out(buf.0, count)?;
    let args = [fd.0 as u64, to, count, 0, 0, 0];
    let got = blocking(t, libc::SYS_read, args).map_err(Errno::restart)?;
    if let Some(kind) = order::kind(t, fd) {
        order::after_read(t, kind, buf.0, got)?;
    }
    Ok(got)
}

fn write(t: &mut Task, fd: Fd, buf: InBytes, count: u64) -> SysResult {
    let mut from = t.host_in(buf.0, count)?;
    let turned;
    if count == 8 && order::kind(t, fd) == Some(order::Kind::Counter) {
        turned = t.mem.load_u64(buf.0, t.abi.endian)?;
        from = addr(&turned);
    }
    blocking(t, libc::SYS_write, [fd.0 as u64, from, count, 0, 0, 0]).map_err(Errno::restart)
}

fn pread64(t: &mut Task, fd: Fd, buf: Ptr, count: u64, pos: Off) -> SysResult {
    let to = t.host_out(buf.0, count)?;
    blocking(
        t,
        libc::SYS_pread64,
        [fd.0 as u64, to, count, pos.0 as u64, 0, 0],
    )
    .map_err(Errno::restart)
}

fn pwrite64(t: &mut Task, fd: Fd, buf: InBytes, count: u64, pos: Off) -> SysResult {
    let from = t.host_in(buf.0, count)?;
    blocking(
        t,
        libc::SYS_pwrite64,
        [fd.0 as u64, from, count, pos.0 as u64, 0, 0],
    )
    .map_err(Errno::restart)
}

fn vector(
    t: &mut Task,
    nr: i64,
    fd: Fd,
    iov: Ptr,
    count: u64,
    output: bool,
    rest: [u64; 3],
) -> SysResult {
    let v = t.iovec(iov.0, count, output)?;
    let [low, high, flags] = rest;
    let args = [
        fd.0 as u64,
        v.as_ptr() as u64,
        v.len() as u64,
        low,
        high,
        flags,
    ];
    blocking(t, nr, args).map_err(Errno::restart)
}

/// The position of the `…v` calls: two words, the lower first in every byte order.
fn pos_words(t: &Task, low: u64, high: u64) -> u64 {
    if t.abi.is_64() {
        low
    } else {
        low & 0xffff_ffff | high << 32
    }
}

fn readv(t: &mut Task, fd: Fd, iov: Ptr, count: u64) -> SysResult {
    vector(t, libc::SYS_readv, fd, iov, count, true, [0; 3])
}

fn writev(t: &mut Task, fd: Fd, iov: Ptr, count: u64) -> SysResult {
    vector(t, libc::SYS_writev, fd, iov, count, false, [0; 3])
}

fn preadv(t: &mut Task, fd: Fd, iov: Ptr, count: u64, low: u64, high: u64) -> SysResult {
    let pos = pos_words(t, low, high);
    vector(t, libc::SYS_preadv, fd, iov, count, true, [pos, 0, 0])
}

fn pwritev(t: &mut Task, fd: Fd, iov: Ptr, count: u64, low: u64, high: u64) -> SysResult {
    let pos = pos_words(t, low, high);
    vector(t, libc::SYS_pwritev, fd, iov, count, false, [pos, 0, 0])
}

fn preadv2(
    t: &mut Task,
    fd: Fd,
    iov: Ptr,
    count: u64,
    low: u64,
    high: u64,
    flags: u32,
) -> SysResult {
    let pos = pos_words(t, low, high);
    vector(
        t,
        libc::SYS_preadv2,
        fd,
        iov,
        count,
        true,
        [pos, 0, flags.into()],
    )
}

fn pwritev2(
    t: &mut Task,
    fd: Fd,
    iov: Ptr,
    count: u64,
    low: u64,
    high: u64,
    flags: u32,
) -> SysResult {
    let pos = pos_words(t, low, high);
    vector(
        t,
        libc::SYS_pwritev2,
        fd,
        iov,
        count,
        false,
        [pos, 0, flags.into()],
    )
}

fn close(t: &mut Task, fd: Fd) -> SysResult {
    if crate::sys::is_hidden(fd.0) {
        return Err(Errno::EBADF);
    }
    t.process.dirs.forget(fd.0);
    call(libc::SYS_close, [fd.0 as u64])
}

/// Around the emulator's own descriptor, which the guest does not have.
fn close_range(t: &mut Task, first: u32, last: u32, flags: u32) -> SysResult {
    t.process.dirs.forget_range(first, last);
    let close = |first: u32, last: u32| {
        call(
            libc::SYS_close_range,
            [first.into(), last.into(), flags.into()],
        )
    };
    if first > last {
        return close(first, last);
    }
    let mut own: Vec<u32> = crate::sys::hidden_fds()
        .filter_map(|fd| u32::try_from(fd).ok())
        .filter(|fd| (first..=last).contains(fd))
        .collect();
    own.sort_unstable();
    own.dedup();
    let mut from = Some(first);
    for fd in own {
        if let Some(from) = from.filter(|from| *from < fd) {
            close(from, fd - 1)?;
        }
        from = fd.checked_add(1).filter(|next| *next <= last);
    }
    from.map_or(Ok(0), |from| close(from, last))
}

fn dup(_: &mut Task, fd: Fd) -> SysResult {
    call(libc::SYS_dup, [fd.0 as u64])
}

// DEVIATES: the number of the emulator's own descriptor (near the limit) cannot be made a copy of another.
fn dup2(t: &mut Task, fd: Fd, to: Fd) -> SysResult {
    if crate::sys::is_hidden(to.0) {
        return Err(Errno::EBADF);
    }
    t.process.dirs.forget(to.0);
    call(libc::SYS_dup2, [fd.0 as u64, to.0 as u64])
}

fn dup3(t: &mut Task, fd: Fd, to: Fd, flags: u32) -> SysResult {
    if crate::sys::is_hidden(to.0) {
        return Err(Errno::EBADF);
    }
    t.process.dirs.forget(to.0);
    let flags = t.abi.open_to_host(flags);
    call(libc::SYS_dup3, [fd.0 as u64, to.0 as u64, flags.into()])
}

fn pipe(t: &mut Task, fds: Out<[i32; 2]>) -> SysResult {
    pipe2(t, fds, 0)
}

fn pipe2(t: &mut Task, fds: Out<[i32; 2]>, flags: u32) -> SysResult {
    let mut pair = [0i32; 2];
    call(
        libc::SYS_pipe2,
        [addr_mut(&mut pair), t.abi.open_to_host(flags).into()],
    )?;
    if let Err(e) = fds.put(t, &pair) {
        for fd in pair {
            let _ = call(libc::SYS_close, [fd as u64]);
        }
        return Err(e);
    }
    Ok(0)
}

/// Moves the position; in a directory whose positions the guest knows as cookies, by its cookie.
fn seek(t: &mut Task, fd: Fd, pos: i64, whence: i32) -> Result<i64, Errno> {
    let pos = if whence == libc::SEEK_SET {
        t.process.dirs.position(fd.0, pos)
    } else {
        pos
    };
    call(libc::SYS_lseek, [fd.0 as u64, pos as u64, whence as u64]).map(|p| p as i64)
}

fn lseek(t: &mut Task, fd: Fd, pos: SLong, whence: i32) -> SysResult {
    let now = seek(t, fd, pos.0, whence)?;
    if !t.abi.is_64() && i32::try_from(now).is_err() {
        return Err(Errno::EOVERFLOW);
    }
    Ok(now as u64)
}

fn _llseek(t: &mut Task, fd: Fd, high: u64, low: u64, result: Out<i64>, whence: i32) -> SysResult {
    let pos = (high << 32 | low & 0xffff_ffff) as i64;
    let now = seek(t, fd, pos, whence)?;
    result.put(t, &now)?;
    Ok(0)
}

fn fsync(t: &mut Task, fd: Fd) -> SysResult {
    blocking(t, libc::SYS_fsync, [fd.0 as u64, 0, 0, 0, 0, 0])
}

fn fdatasync(t: &mut Task, fd: Fd) -> SysResult {
    blocking(t, libc::SYS_fdatasync, [fd.0 as u64, 0, 0, 0, 0, 0])
}

fn sync(_: &mut Task) -> SysResult {
    call(libc::SYS_sync, [])
}

fn syncfs(_: &mut Task, fd: Fd) -> SysResult {
    call(libc::SYS_syncfs, [fd.0 as u64])
}

fn truncate(t: &mut Task, path: Path, len: SLong) -> SysResult {
    call(libc::SYS_truncate, [t.host_path(&path).ptr(), len.0 as u64])
}

fn ftruncate(_: &mut Task, fd: Fd, len: SLong) -> SysResult {
    call(libc::SYS_ftruncate, [fd.0 as u64, len.0 as u64])
}

fn truncate64(t: &mut Task, path: Path, len: Off) -> SysResult {
    truncate(t, path, SLong(len.0))
}

fn ftruncate64(t: &mut Task, fd: Fd, len: Off) -> SysResult {
    ftruncate(t, fd, SLong(len.0))
}

fn fallocate(t: &mut Task, fd: Fd, mode: u32, pos: Off, len: Off) -> SysResult {
    let args = [fd.0 as u64, mode.into(), pos.0 as u64, len.0 as u64, 0, 0];
    blocking(t, libc::SYS_fallocate, args).map_err(Errno::restart)
}

fn fadvise64(t: &mut Task, fd: Fd, pos: Off, len: u64, advice: i32) -> SysResult {
    fadvise64_64(t, fd, pos, Off(len as i64), advice)
}

fn fadvise64_64(_: &mut Task, fd: Fd, pos: Off, len: Off, advice: i32) -> SysResult {
    call(
        libc::SYS_fadvise64,
        [fd.0 as u64, pos.0 as u64, len.0 as u64, advice as u64],
    )
}

fn fadvise64_64_advice_second(t: &mut Task, fd: Fd, advice: i32, pos: Off, len: Off) -> SysResult {
    fadvise64_64(t, fd, pos, len, advice)
}

fn sync_file_range(t: &mut Task, fd: Fd, pos: Off, len: Off, flags: u32) -> SysResult {
    blocking(
        t,
        libc::SYS_sync_file_range,
        [fd.0 as u64, pos.0 as u64, len.0 as u64, flags.into(), 0, 0],
    )
}

fn sync_file_range2(t: &mut Task, fd: Fd, flags: u32, pos: Off, len: Off) -> SysResult {
    sync_file_range(t, fd, pos, len, flags)
}

fn readahead(_: &mut Task, fd: Fd, pos: Off, count: u64) -> SysResult {
    call(libc::SYS_readahead, [fd.0 as u64, pos.0 as u64, count])
}

/// Runs `f` with the address of a host copy of an optional position and stores the position afterwards.
fn with_pos<T: Layout>(
    t: &mut Task,
    pos: In<T>,
    to: fn(&T) -> i64,
    from: fn(i64) -> T,
    f: impl FnOnce(&mut Task, u64) -> SysResult,
) -> SysResult {
    let Some(start) = pos.opt(t)? else {
        return f(t, 0);
    };
    let mut host = to(&start);
    let n = f(t, addr_mut(&mut host))?;
    pos.back().put(t, &from(host))?;
    Ok(n)
}

fn send(t: &mut Task, out: Fd, from: Fd, pos: u64, count: u64) -> SysResult {
    blocking(
        t,
        libc::SYS_sendfile,
        [out.0 as u64, from.0 as u64, pos, count, 0, 0],
    )
    .map_err(Errno::restart)
}

fn sendfile(t: &mut Task, out: Fd, from: Fd, pos: In<Long>, count: u64) -> SysResult {
    with_pos(t, pos, |p| p.0, Long, |t, p| send(t, out, from, p, count))
}

fn sendfile64(t: &mut Task, out: Fd, from: Fd, pos: In<i64>, count: u64) -> SysResult {
    with_pos(t, pos, |p| *p, |p| p, |t, p| send(t, out, from, p, count))
}

/// splice and copy_file_range: two descriptors with an optional position each.
fn move_data(
    t: &mut Task,
    nr: i64,
    from: (Fd, In<i64>),
    to: (Fd, In<i64>),
    len: u64,
    flags: u32,
) -> SysResult {
    with_pos(
        t,
        from.1,
        |p| *p,
        |p| p,
        |t, from_pos| {
            with_pos(
                t,
                to.1,
                |p| *p,
                |p| p,
                |t, to_pos| {
                    let args = [
                        from.0.0 as u64,
                        from_pos,
                        to.0.0 as u64,
                        to_pos,
                        len,
                        flags.into(),
                    ];
                    blocking(t, nr, args).map_err(Errno::restart)
                },
            )
        },
    )
}

fn splice(
    t: &mut Task,
    from: Fd,
    from_pos: In<i64>,
    to: Fd,
    to_pos: In<i64>,
    len: u64,
    flags: u32,
) -> SysResult {
    move_data(
        t,
        libc::SYS_splice,
        (from, from_pos),
        (to, to_pos),
        len,
        flags,
    )
}

fn copy_file_range(
    t: &mut Task,
    from: Fd,
    from_pos: In<i64>,
    to: Fd,
    to_pos: In<i64>,
    len: u64,
    flags: u32,
) -> SysResult {
    move_data(
        t,
        libc::SYS_copy_file_range,
        (from, from_pos),
        (to, to_pos),
        len,
        flags,
    )
}

fn tee(t: &mut Task, from: Fd, to: Fd, len: u64, flags: u32) -> SysResult {
    blocking(
        t,
        libc::SYS_tee,
        [from.0 as u64, to.0 as u64, len, flags.into(), 0, 0],
    )
    .map_err(Errno::restart)
}

fn vmsplice(t: &mut Task, fd: Fd, iov: Ptr, count: u64, flags: u32) -> SysResult {
    // From a pipe the data goes to the guest, so the ranges count as written in both directions.
    let v = t.iovec(iov.0, count, true)?;
    let args = [
        fd.0 as u64,
        v.as_ptr() as u64,
        v.len() as u64,
        flags.into(),
        0,
        0,
    ];
    blocking(t, libc::SYS_vmsplice, args).map_err(Errno::restart)
}

fn memfd_create(_: &mut Task, name: Path, flags: u32) -> SysResult {
    call(
        libc::SYS_memfd_create,
        [name.0.as_ptr() as u64, flags.into()],
    )
}

fn flock(t: &mut Task, fd: Fd, operation: i32) -> SysResult {
    blocking(
        t,
        libc::SYS_flock,
        [fd.0 as u64, operation as u64, 0, 0, 0, 0],
    )
    .map_err(Errno::restart)
}

fn umask(_: &mut Task, mode: Mode) -> SysResult {
    call(libc::SYS_umask, [mode.0.into()])
}
