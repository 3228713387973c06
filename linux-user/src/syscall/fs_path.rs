//! Files by name: opening, making, removing, renaming, owners and modes, extended attributes, working directory.

use super::SysResult;
use super::args::{Arg, ArgKind, DirFd, Fd, Hex, In, InBytes, Mode, OptPath, Out, Path, Ptr, Regs};
use crate::errno::Errno;
use crate::owners;
use crate::rows;
use crate::sys::{addr, blocking, call};
use crate::task::Task;
use crate::uapi::fs::{FileHandle, OpenHow};
use std::ffi::CStr;

rows! { FS_PATH:
    open(path: Path, flags: OpenFlags, mode: Mode) = Full;
    openat(dir: DirFd, path: Path, flags: OpenFlags, mode: Mode) = Full;
    openat2(dir: DirFd, path: Path, how: In<OpenHow>, size: u64) = Full;
    creat(path: Path, mode: Mode) = Full;
    access(path: Path, mode: Mode) = Full;
    faccessat(dir: DirFd, path: Path, mode: Mode) = Full;
    faccessat2(dir: DirFd, path: Path, mode: Mode, flags: u32) = Full;
    readlink(path: Path, buf: Ptr, size: i32) = Full;
    readlinkat(dir: DirFd, path: Path, buf: Ptr, size: i32) = Full;
    getcwd(buf: Ptr, size: u64) = Full;
    chdir(path: Path) = Full;
    fchdir(fd: Fd) = Full;
    chroot(path: Path) = Full;
    pivot_root(new: Path, old: Path) = Full;
    mkdir(path: Path, mode: Mode) = Full;
    mkdirat(dir: DirFd, path: Path, mode: Mode) = Full;
    rmdir(path: Path) = Full;
    mknod(path: Path, mode: Mode, dev: u32) = Full;
    mknodat(dir: DirFd, path: Path, mode: Mode, dev: u32) = Full;
    unlink(path: Path) = Full;
    unlinkat(dir: DirFd, path: Path, flags: u32) = Full;
    link(old: Path, new: Path) = Full;
    linkat(old_dir: DirFd, old: Path, new_dir: DirFd, new: Path, flags: u32) = Full;
    symlink(target: Path, path: Path) = Full;
    symlinkat(target: Path, dir: DirFd, path: Path) = Full;
    rename(old: Path, new: Path) = Full;
    renameat(old_dir: DirFd, old: Path, new_dir: DirFd, new: Path) = Full;
    renameat2(old_dir: DirFd, old: Path, new_dir: DirFd, new: Path, flags: u32) = Full;
    chmod(path: Path, mode: Mode) = Full;
    fchmod(fd: Fd, mode: Mode) = Full;
    fchmodat(dir: DirFd, path: Path, mode: Mode) = Full;
    fchmodat2(dir: DirFd, path: Path, mode: Mode, flags: u32) = Full;
    chown(path: Path, uid: Id16, gid: Id16) = Full;
    lchown(path: Path, uid: Id16, gid: Id16) = Full;
    fchown(fd: Fd, uid: Id16, gid: Id16) = Full;
    chown32(path: Path, uid: i32, gid: i32) = Full;
    lchown32(path: Path, uid: i32, gid: i32) = Full;
    fchown32(fd: Fd, uid: i32, gid: i32) = Full;
    fchownat(dir: DirFd, path: Path, uid: i32, gid: i32, flags: u32) = Full;
    setxattr(path: Path, name: Path, value: InBytes, size: u64, flags: u32) = Full;
    lsetxattr(path: Path, name: Path, value: InBytes, size: u64, flags: u32) = Full;
    fsetxattr(fd: Fd, name: Path, value: InBytes, size: u64, flags: u32) = Full;
    getxattr(path: Path, name: Path, value: Ptr, size: u64) = Full;
    lgetxattr(path: Path, name: Path, value: Ptr, size: u64) = Full;
    fgetxattr(fd: Fd, name: Path, value: Ptr, size: u64) = Full;
    listxattr(path: Path, list: Ptr, size: u64) = Full;
    llistxattr(path: Path, list: Ptr, size: u64) = Full;
    flistxattr(fd: Fd, list: Ptr, size: u64) = Full;
    removexattr(path: Path, name: Path) = Full;
    lremovexattr(path: Path, name: Path) = Full;
    fremovexattr(fd: Fd, name: Path) = Full;
    name_to_handle_at(dir: DirFd, path: Path, handle: In<FileHandle>, mount: Out<i32>, flags: u32) = Full;
    open_by_handle_at(mount: Fd, handle: In<FileHandle>, flags: OpenFlags) = Full;
    mount(source: OptPath, target: Path, kind: OptPath, flags: Hex, data: Ptr) = Full;
    umount2(target: Path, flags: u32) = Full;
    swapon(path: Path, flags: u32) = Full;
    swapoff(path: Path) = Full;
    acct(path: OptPath) = Full;
}

/// Flags of open, in the guest's numbers.
#[derive(Clone, Copy, Debug)]
pub struct OpenFlags(pub u32);

impl Arg for OpenFlags {
    const KIND: ArgKind = ArgKind::OpenFlags;
    fn take(_: &Task, r: &mut Regs) -> Result<Self, Errno> {
        Ok(OpenFlags(r.word() as u32))
    }
}

/// A user or group id of the 16-bit calls: -1 stays -1.
#[derive(Clone, Copy, Debug)]
pub struct Id16(pub i32);

impl Arg for Id16 {
    const KIND: ArgKind = ArgKind::Int;
    fn take(t: &Task, r: &mut Regs) -> Result<Self, Errno> {
        let raw = r.word();
        // Most ABIs have no 16-bit ids: there the calls of this name take 32 bits.
        let id = if !t.abi.short_ids {
            raw as i32
        } else {
            raw as u16 as i32
        };
        Ok(Id16(if t.abi.short_ids && id == 0xffff {
            -1
        } else {
            id
        }))
    }
}

const CWD: DirFd = DirFd(libc::AT_FDCWD);

fn open(t: &mut Task, path: Path, flags: OpenFlags, mode: Mode) -> SysResult {
    openat(t, CWD, path, flags, mode)
}

fn openat(t: &mut Task, dir: DirFd, path: Path, flags: OpenFlags, mode: Mode) -> SysResult {
    let flags = t.abi.open_to_host(flags.0);
    if let Some(result) = crate::proc::open(t, dir.0, &path.0, flags) {
        return result;
    }
    let host = t.host_path(&path);
    let args = [dir.0 as u64, host.ptr(), flags.into(), mode.0.into(), 0, 0];
    blocking(t, libc::SYS_openat, args).map_err(Errno::restart)
}

fn openat2(t: &mut Task, dir: DirFd, path: Path, how: In<OpenHow>, size: u64) -> SysResult {
    const SIZE: u64 = 24;
    if size < SIZE {
        return Err(Errno::EINVAL);
    }
    let mut rest = t
        .get_bytes(how.va(), size, 4096)
        .map_err(|e| if e == Errno::EINVAL { Errno::E2BIG } else { e })?;
    if rest.drain(SIZE as usize..).any(|b| b != 0) {
        return Err(Errno::E2BIG);
    }
    let mut how = how.get(t)?;
    how.flags = how.flags & !0xffff_ffff | u64::from(t.abi.open_to_host(how.flags as u32));
    let host = if how.resolve == 0 {
        t.host_path(&path).path().to_owned()
    } else {
        path.0.clone()
    };
    let host_how = [how.flags, how.mode, how.resolve];
    let args = [
        dir.0 as u64,
        host.as_ptr() as u64,
        addr(&host_how),
        SIZE,
        0,
        0,
    ];
    if how.resolve == 0
        && let Some(result) = crate::proc::open(t, dir.0, &path.0, how.flags as u32)
    {
        return result;
    }
    blocking(t, libc::SYS_openat2, args).map_err(Errno::restart)
}

fn creat(t: &mut Task, path: Path, mode: Mode) -> SysResult {
    let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
    openat(t, CWD, path, OpenFlags(flags as u32), mode)
}

fn access(t: &mut Task, path: Path, mode: Mode) -> SysResult {
    faccessat(t, CWD, path, mode)
}

fn faccessat(t: &mut Task, dir: DirFd, path: Path, mode: Mode) -> SysResult {
    call(
        libc::SYS_faccessat,
        [dir.0 as u64, t.host_path(&path).ptr(), mode.0.into()],
    )
}

fn faccessat2(t: &mut Task, dir: DirFd, path: Path, mode: Mode, flags: u32) -> SysResult {
    call(
        libc::SYS_faccessat2,
        [
            dir.0 as u64,
            t.host_path(&path).ptr(),
            mode.0.into(),
            flags.into(),
        ],
    )
}

fn readlink(t: &mut Task, path: Path, buf: Ptr, size: i32) -> SysResult {
    readlinkat(t, CWD, path, buf, size)
}

fn readlinkat(t: &mut Task, dir: DirFd, path: Path, buf: Ptr, size: i32) -> SysResult {
    if size <= 0 {
        return Err(Errno::EINVAL);
    }
    let whole = crate::proc::absolute(dir.0, &path.0);
    if let Some(exe) = crate::proc::subject::exe(t, whole.as_deref().unwrap_or(&path.0)) {
        let shown = exe.get(..size as usize).unwrap_or(&exe);
        t.put_bytes(buf.0, shown)?;
        return Ok(shown.len() as u64);
    }
    let to = t.host_out(buf.0, size as u64)?;
    call(
        libc::SYS_readlinkat,
        [dir.0 as u64, t.host_link(&path).ptr(), to, size as u64],
    )
}

fn getcwd(t: &mut Task, buf: Ptr, size: u64) -> SysResult {
    // The kernel writes at most PATH_MAX bytes and judges the size itself.
    let size = size.min(4096);
    let to = t.host_out(buf.0, size)?;
    call(libc::SYS_getcwd, [to, size])
}

fn chdir(t: &mut Task, path: Path) -> SysResult {
    call(libc::SYS_chdir, [t.host_path(&path).ptr()])
}

fn fchdir(_: &mut Task, fd: Fd) -> SysResult {
    call(libc::SYS_fchdir, [fd.0 as u64])
}

fn chroot(_: &mut Task, path: Path) -> SysResult {
    call(libc::SYS_chroot, [path.0.as_ptr() as u64])
}

fn pivot_root(_: &mut Task, new: Path, old: Path) -> SysResult {
    call(
        libc::SYS_pivot_root,
        [new.0.as_ptr() as u64, old.0.as_ptr() as u64],
    )
}

fn mkdir(t: &mut Task, path: Path, mode: Mode) -> SysResult {
    mkdirat(t, CWD, path, mode)
}

fn mkdirat(t: &mut Task, dir: DirFd, path: Path, mode: Mode) -> SysResult {
    call(
        libc::SYS_mkdirat,
        [dir.0 as u64, t.host_link(&path).ptr(), mode.0.into()],
    )
}

fn rmdir(t: &mut Task, path: Path) -> SysResult {
    unlinkat(t, CWD, path, libc::AT_REMOVEDIR as u32)
}

fn mknod(t: &mut Task, path: Path, mode: Mode, dev: u32) -> SysResult {
    mknodat(t, CWD, path, mode, dev)
}

fn mknodat(t: &mut Task, dir: DirFd, path: Path, mode: Mode, dev: u32) -> SysResult {
    call(
        libc::SYS_mknodat,
        [
            dir.0 as u64,
            t.host_link(&path).ptr(),
            mode.0.into(),
            dev.into(),
        ],
    )
}

fn unlink(t: &mut Task, path: Path) -> SysResult {
    unlinkat(t, CWD, path, 0)
}

fn unlinkat(t: &mut Task, dir: DirFd, path: Path, flags: u32) -> SysResult {
    call(
        libc::SYS_unlinkat,
        [dir.0 as u64, t.host_link(&path).ptr(), flags.into()],
    )
}

fn link(t: &mut Task, old: Path, new: Path) -> SysResult {
    linkat(t, CWD, old, CWD, new, 0)
}

fn linkat(
    t: &mut Task,
    old_dir: DirFd,
    old: Path,
    new_dir: DirFd,
    new: Path,
    flags: u32,
) -> SysResult {
    let (from, to) = (t.host_link(&old), t.host_link(&new));
    call(
        libc::SYS_linkat,
        [
            old_dir.0 as u64,
            from.ptr(),
            new_dir.0 as u64,
            to.ptr(),
            flags.into(),
        ],
    )
}

fn symlink(t: &mut Task, target: Path, path: Path) -> SysResult {
    symlinkat(t, target, CWD, path)
}

fn symlinkat(t: &mut Task, target: Path, dir: DirFd, path: Path) -> SysResult {
    call(
        libc::SYS_symlinkat,
        [
            target.0.as_ptr() as u64,
            dir.0 as u64,
            t.host_link(&path).ptr(),
        ],
    )
}

fn rename(t: &mut Task, old: Path, new: Path) -> SysResult {
    renameat2(t, CWD, old, CWD, new, 0)
}

fn renameat(t: &mut Task, old_dir: DirFd, old: Path, new_dir: DirFd, new: Path) -> SysResult {
    renameat2(t, old_dir, old, new_dir, new, 0)
}

fn renameat2(
    t: &mut Task,
    old_dir: DirFd,
    old: Path,
    new_dir: DirFd,
    new: Path,
    flags: u32,
) -> SysResult {
    let (from, to) = (t.host_link(&old), t.host_link(&new));
    call(
        libc::SYS_renameat2,
        [
            old_dir.0 as u64,
            from.ptr(),
            new_dir.0 as u64,
            to.ptr(),
            flags.into(),
        ],
    )
}

fn chmod(t: &mut Task, path: Path, mode: Mode) -> SysResult {
    fchmodat(t, CWD, path, mode)
}

fn fchmod(_: &mut Task, fd: Fd, mode: Mode) -> SysResult {
    call(libc::SYS_fchmod, [fd.0 as u64, mode.0.into()])
}

fn fchmodat(t: &mut Task, dir: DirFd, path: Path, mode: Mode) -> SysResult {
    call(
        libc::SYS_fchmodat,
        [dir.0 as u64, t.host_path(&path).ptr(), mode.0.into()],
    )
}

fn fchmodat2(t: &mut Task, dir: DirFd, path: Path, mode: Mode, flags: u32) -> SysResult {
    const SYS_FCHMODAT2: i64 = 452;
    call(
        SYS_FCHMODAT2,
        [
            dir.0 as u64,
            t.host_path(&path).ptr(),
            mode.0.into(),
            flags.into(),
        ],
    )
}

fn chown(t: &mut Task, path: Path, uid: Id16, gid: Id16) -> SysResult {
    fchownat(t, CWD, path, uid.0, gid.0, 0)
}

fn lchown(t: &mut Task, path: Path, uid: Id16, gid: Id16) -> SysResult {
    fchownat(t, CWD, path, uid.0, gid.0, libc::AT_SYMLINK_NOFOLLOW as u32)
}

fn fchown(t: &mut Task, fd: Fd, uid: Id16, gid: Id16) -> SysResult {
    fchown32(t, fd, uid.0, gid.0)
}

fn chown32(t: &mut Task, path: Path, uid: i32, gid: i32) -> SysResult {
    fchownat(t, CWD, path, uid, gid, 0)
}

fn lchown32(t: &mut Task, path: Path, uid: i32, gid: i32) -> SysResult {
    fchownat(t, CWD, path, uid, gid, libc::AT_SYMLINK_NOFOLLOW as u32)
}

fn fchown32(t: &mut Task, fd: Fd, uid: i32, gid: i32) -> SysResult {
    if t.remembers_owners() {
        // The host says whether there is such a descriptor.
        call(libc::SYS_fchown, [fd.0 as u64, u64::MAX, u64::MAX])?;
        return remember(t, fd.0, c"", false, [uid, gid]);
    }
    call(libc::SYS_fchown, [fd.0 as u64, uid as u64, gid as u64])
}

/// Gives a file to somebody in a namespace where there is but one user.
fn remember(t: &Task, dir: i32, name: &CStr, nofollow: bool, [uid, gid]: [i32; 2]) -> SysResult {
    if !t.ids.as_ref().is_some_and(owners::Ids::is_root) {
        return Err(Errno::EPERM);
    }
    let file = owners::Named {
        dir,
        name,
        nofollow,
    };
    owners::change(&file, uid, gid)
}

fn fchownat(t: &mut Task, dir: DirFd, path: Path, uid: i32, gid: i32, flags: u32) -> SysResult {
    let host = if flags & libc::AT_SYMLINK_NOFOLLOW as u32 != 0 {
        t.host_link(&path)
    } else {
        t.host_path(&path)
    };
    if t.remembers_owners() {
        let nofollow = flags & libc::AT_SYMLINK_NOFOLLOW as u32 != 0;
        let args = [dir.0 as u64, host.ptr(), u64::MAX, u64::MAX, flags.into()];
        call(libc::SYS_fchownat, args)?;
        return remember(t, dir.0, host.path(), nofollow, [uid, gid]);
    }
    call(
        libc::SYS_fchownat,
        [
            dir.0 as u64,
            host.ptr(),
            uid as u64,
            gid as u64,
            flags.into(),
        ],
    )
}

/// What an extended attribute belongs to, as the host call's first argument.
enum Object {
    File(Path),
    Link(Path),
    Descriptor(Fd),
}

/// Chooses between the three forms of an extended attribute call. `nr`: the host's numbers in that order.
fn xattr(t: &Task, object: &Object, nr: [i64; 3], rest: [u64; 4]) -> SysResult {
    let [a, b, c, d] = rest;
    let [file, link, descriptor] = nr;
    match object {
        Object::File(p) => call(file, [t.host_path(p).ptr(), a, b, c, d]),
        Object::Link(p) => call(link, [t.host_link(p).ptr(), a, b, c, d]),
        Object::Descriptor(fd) => call(descriptor, [fd.0 as u64, a, b, c, d]),
    }
}

fn xattr_set(
    t: &Task,
    object: &Object,
    name: &Path,
    value: InBytes,
    size: u64,
    flags: u32,
) -> SysResult {
    let from = t.host_in_opt(value.0, size)?;
    let nr = [libc::SYS_setxattr, libc::SYS_lsetxattr, libc::SYS_fsetxattr];
    xattr(
        t,
        object,
        nr,
        [name.0.as_ptr() as u64, from, size, flags.into()],
    )
}

fn xattr_get(t: &Task, object: &Object, name: &Path, value: Ptr, size: u64) -> SysResult {
    let to = t.host_out_opt(value.0, size)?;
    let nr = [libc::SYS_getxattr, libc::SYS_lgetxattr, libc::SYS_fgetxattr];
    xattr(t, object, nr, [name.0.as_ptr() as u64, to, size, 0])
}

fn xattr_list(t: &Task, object: &Object, list: Ptr, size: u64) -> SysResult {
    let to = t.host_out_opt(list.0, size)?;
    xattr(
        t,
        object,
        [
            libc::SYS_listxattr,
            libc::SYS_llistxattr,
            libc::SYS_flistxattr,
        ],
        [to, size, 0, 0],
    )
}

fn xattr_remove(t: &Task, object: &Object, name: &Path) -> SysResult {
    let nr = [
        libc::SYS_removexattr,
        libc::SYS_lremovexattr,
        libc::SYS_fremovexattr,
    ];
    xattr(t, object, nr, [name.0.as_ptr() as u64, 0, 0, 0])
}

fn setxattr(
    t: &mut Task,
    path: Path,
    name: Path,
    value: InBytes,
    size: u64,
    flags: u32,
) -> SysResult {
    xattr_set(t, &Object::File(path), &name, value, size, flags)
}

fn lsetxattr(
    t: &mut Task,
    path: Path,
    name: Path,
    value: InBytes,
    size: u64,
    flags: u32,
) -> SysResult {
    xattr_set(t, &Object::Link(path), &name, value, size, flags)
}

fn fsetxattr(t: &mut Task, fd: Fd, name: Path, value: InBytes, size: u64, flags: u32) -> SysResult {
    xattr_set(t, &Object::Descriptor(fd), &name, value, size, flags)
}

fn getxattr(t: &mut Task, path: Path, name: Path, value: Ptr, size: u64) -> SysResult {
    xattr_get(t, &Object::File(path), &name, value, size)
}

fn lgetxattr(t: &mut Task, path: Path, name: Path, value: Ptr, size: u64) -> SysResult {
    xattr_get(t, &Object::Link(path), &name, value, size)
}

fn fgetxattr(t: &mut Task, fd: Fd, name: Path, value: Ptr, size: u64) -> SysResult {
    xattr_get(t, &Object::Descriptor(fd), &name, value, size)
}

fn listxattr(t: &mut Task, path: Path, list: Ptr, size: u64) -> SysResult {
    xattr_list(t, &Object::File(path), list, size)
}

fn llistxattr(t: &mut Task, path: Path, list: Ptr, size: u64) -> SysResult {
    xattr_list(t, &Object::Link(path), list, size)
}

fn flistxattr(t: &mut Task, fd: Fd, list: Ptr, size: u64) -> SysResult {
    xattr_list(t, &Object::Descriptor(fd), list, size)
}

fn removexattr(t: &mut Task, path: Path, name: Path) -> SysResult {
    xattr_remove(t, &Object::File(path), &name)
}

fn lremovexattr(t: &mut Task, path: Path, name: Path) -> SysResult {
    xattr_remove(t, &Object::Link(path), &name)
}

fn fremovexattr(t: &mut Task, fd: Fd, name: Path) -> SysResult {
    xattr_remove(t, &Object::Descriptor(fd), &name)
}

/// The longest handle (MAX_HANDLE_SZ) and the header before it.
const HANDLE_BYTES: usize = 128;
const HANDLE_HEAD: usize = 8;

fn name_to_handle_at(
    t: &mut Task,
    dir: DirFd,
    path: Path,
    handle: In<FileHandle>,
    mount: Out<i32>,
    flags: u32,
) -> SysResult {
    let head = handle.get(t)?;
    if head.bytes as usize > HANDLE_BYTES {
        return Err(Errno::EINVAL);
    }
    let mut host = [0u8; HANDLE_HEAD + HANDLE_BYTES];
    host[..4].copy_from_slice(&head.bytes.to_ne_bytes());
    let mut id = [0i32; 2];
    let args = [
        dir.0 as u64,
        t.host_path(&path).ptr(),
        host.as_mut_ptr() as u64,
        id.as_mut_ptr() as u64,
        flags.into(),
    ];
    let result = call(libc::SYS_name_to_handle_at, args);
    if result.is_ok() || result == Err(Errno::EOVERFLOW) {
        let word = |at: usize| {
            u32::from_ne_bytes(std::array::from_fn(|i| {
                host.get(at + i).copied().unwrap_or(0)
            }))
        };
        handle.back().put(
            t,
            &FileHandle {
                bytes: word(0),
                kind: word(4) as i32,
            },
        )?;
        mount.put(t, &id[0])?;
        if result.is_ok() {
            let end = (HANDLE_HEAD + word(0) as usize).min(host.len());
            t.put_bytes(
                tcg_mem::GuestVa(handle.va().0 + HANDLE_HEAD as u64),
                host.get(HANDLE_HEAD..end).unwrap_or_default(),
            )?;
        }
    }
    result
}

fn open_by_handle_at(
    t: &mut Task,
    mount: Fd,
    handle: In<FileHandle>,
    flags: OpenFlags,
) -> SysResult {
    let head = handle.get(t)?;
    if head.bytes == 0 || head.bytes as usize > HANDLE_BYTES {
        return Err(Errno::EINVAL);
    }
    let mut host = [0u8; HANDLE_HEAD + HANDLE_BYTES];
    host[..4].copy_from_slice(&head.bytes.to_ne_bytes());
    host[4..8].copy_from_slice(&head.kind.to_ne_bytes());
    let body = host
        .get_mut(HANDLE_HEAD..HANDLE_HEAD + head.bytes as usize)
        .ok_or(Errno::EINVAL)?;
    t.mem
        .read(tcg_mem::GuestVa(handle.va().0 + HANDLE_HEAD as u64), body)?;
    let flags = t.abi.open_to_host(flags.0);
    call(
        libc::SYS_open_by_handle_at,
        [mount.0 as u64, addr(&host), flags.into()],
    )
}

fn opt_ptr(p: &OptPath) -> u64 {
    p.0.as_ref().map_or(0, |p| p.as_ptr() as u64)
}

fn mount(
    t: &mut Task,
    source: OptPath,
    target: Path,
    kind: OptPath,
    flags: Hex,
    data: Ptr,
) -> SysResult {
    let data = t.host_in_opt(data.0, 1)?;
    call(
        libc::SYS_mount,
        [
            opt_ptr(&source),
            t.host_path(&target).ptr(),
            opt_ptr(&kind),
            flags.0,
            data,
        ],
    )
}

fn umount2(t: &mut Task, target: Path, flags: u32) -> SysResult {
    call(
        libc::SYS_umount2,
        [t.host_path(&target).ptr(), flags.into()],
    )
}

fn swapon(t: &mut Task, path: Path, flags: u32) -> SysResult {
    call(libc::SYS_swapon, [t.host_path(&path).ptr(), flags.into()])
}

fn swapoff(t: &mut Task, path: Path) -> SysResult {
    call(libc::SYS_swapoff, [t.host_path(&path).ptr()])
}

fn acct(_: &mut Task, path: OptPath) -> SysResult {
    call(libc::SYS_acct, [opt_ptr(&path)])
}
