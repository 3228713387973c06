//! The mount calls by descriptor, Landlock, and quota-like calls on paths: arguments are plain numbers and strings,
//! and their structures have the same members in every ABI.

use super::SysResult;
use super::args::{DirFd, Fd, Hex, In, Off, OptPath, Path, Ptr};
use super::payload::{QUADS, Shape};
use crate::abi::host;
use crate::errno::Errno;
use crate::layout;
use crate::rows;
use crate::sys::{addr, call};
use crate::task::Task;

rows! { FS_MOUNT:
    fsopen(kind: Path, flags: u32) = Full;
    fsconfig(fd: Fd, command: u32, key: OptPath, value: Ptr, extra: i32) = Full;
    fsmount(fd: Fd, flags: u32, attributes: u32) = Full;
    fspick(dir: DirFd, path: Path, flags: u32) = Full;
    open_tree(dir: DirFd, path: Path, flags: u32) = Full;
    move_mount(from: DirFd, old: Path, to: DirFd, new: Path, flags: u32) = Full;
    mount_setattr(dir: DirFd, path: Path, flags: u32, attributes: In<MountAttr>, size: u64) = Full;
    statmount(request: Ptr, result: Ptr, size: u64, flags: u32) = Full;
    listmount(request: Ptr, ids: Ptr, count: u64, flags: u32) = Full;
    landlock_create_ruleset(attributes: Ptr, size: u64, flags: u32) = Full;
    landlock_add_rule(ruleset: Fd, kind: u32, rule: Ptr, flags: u32) = Full;
    landlock_restrict_self(ruleset: Fd, flags: u32) = Full;
    fanotify_init(flags: u32, event_flags: u32) = Partial;
    fanotify_mark(fd: Fd, flags: u32, mask: Off, dir: DirFd, path: OptPath) = Full;
    quotactl(command: Hex, special: OptPath, id: i32, address: Ptr) = Partial;
    quotactl_fd(fd: Fd, command: u32, id: i32, address: Ptr) = Partial;
}

layout! {
    /// `struct mount_attr`.
    pub struct MountAttr { set: u64, clear: u64, propagation: u64, userns: u64 }
}

fn fsopen(_: &mut Task, kind: Path, flags: u32) -> SysResult {
    call(libc::SYS_fsopen, [kind.0.as_ptr() as u64, flags.into()])
}

/// Commands whose value is a string, and the one whose value is bytes counted by the last argument.
const FSCONFIG_SET_STRING: u32 = 1;
const FSCONFIG_SET_BINARY: u32 = 2;
const FSCONFIG_SET_PATH: u32 = 3;
const FSCONFIG_SET_PATH_EMPTY: u32 = 4;

fn fsconfig(t: &mut Task, fd: Fd, command: u32, key: OptPath, value: Ptr, extra: i32) -> SysResult {
    let key = key.0.as_ref().map_or(0, |k| k.as_ptr() as u64);
    let text;
    let value = match command {
        FSCONFIG_SET_STRING | FSCONFIG_SET_PATH | FSCONFIG_SET_PATH_EMPTY => {
            text = t.read_path(value.0)?;
            text.as_ptr() as u64
        }
        FSCONFIG_SET_BINARY => {
            t.host_in(value.0, u64::try_from(extra).map_err(|_| Errno::EINVAL)?)?
        }
        _ => t.host_in_opt(value.0, 1)?,
    };
    call(
        libc::SYS_fsconfig,
        [fd.0 as u64, command.into(), key, value, extra as u64],
    )
}

fn fsmount(_: &mut Task, fd: Fd, flags: u32, attributes: u32) -> SysResult {
    call(
        libc::SYS_fsmount,
        [fd.0 as u64, flags.into(), attributes.into()],
    )
}

fn fspick(t: &mut Task, dir: DirFd, path: Path, flags: u32) -> SysResult {
    call(
        libc::SYS_fspick,
        [dir.0 as u64, t.host_path(&path).ptr(), flags.into()],
    )
}

fn open_tree(t: &mut Task, dir: DirFd, path: Path, flags: u32) -> SysResult {
    // OPEN_TREE_CLOEXEC is O_CLOEXEC, which no table moves; the rest are AT_ flags.
    call(
        libc::SYS_open_tree,
        [dir.0 as u64, t.host_path(&path).ptr(), flags.into()],
    )
}

fn move_mount(t: &mut Task, from: DirFd, old: Path, to: DirFd, new: Path, flags: u32) -> SysResult {
    let (source, target) = (t.host_path(&old), t.host_path(&new));
    call(
        libc::SYS_move_mount,
        [
            from.0 as u64,
            source.ptr(),
            to.0 as u64,
            target.ptr(),
            flags.into(),
        ],
    )
}

fn mount_setattr(
    t: &mut Task,
    dir: DirFd,
    path: Path,
    flags: u32,
    attributes: In<MountAttr>,
    size: u64,
) -> SysResult {
    const SIZE: u64 = 32;
    if size < SIZE {
        return Err(Errno::EINVAL);
    }
    let rest = t
        .get_bytes(attributes.va(), size, 4096)
        .map_err(|e| if e == Errno::EINVAL { Errno::E2BIG } else { e })?;
    if rest.iter().skip(SIZE as usize).any(|b| *b != 0) {
        return Err(Errno::E2BIG);
    }
    let v = attributes.get(t)?;
    let host = [v.set, v.clear, v.propagation, v.userns];
    call(
        libc::SYS_mount_setattr,
        [
            dir.0 as u64,
            t.host_path(&path).ptr(),
            flags.into(),
            addr(&host),
            SIZE,
        ],
    )
}

/// Structures with the same layout in every ABI, but not in every byte order.
fn same_order(t: &Task, what: &str) -> Result<(), Errno> {
    if t.abi.endian == crate::abi::host().endian {
        return Ok(());
    }
    // UNIMPL: these structures in the other byte order.
    super::strace::unimp(t, what);
    Err(Errno::ENOSYS)
}

/// Largest of the structures here that grow.
const GROWING: u64 = 4096;

/// A structure of the guest's in the host's order.
fn turned(t: &Task, va: Ptr, size: u64, shape: Shape) -> Result<Vec<u8>, Errno> {
    let raw = t
        .get_bytes(va.0, size, GROWING)
        .map_err(|e| if e == Errno::EINVAL { Errno::E2BIG } else { e })?;
    Ok(shape.recode(&t.abi, &host(), &raw))
}

/// `struct mnt_id_req`.
const MOUNT_REQUEST: Shape = Shape::Fixed(&[(4, 2), (8, 0)]);

/// The request, whose first member is its size.
fn mount_request(t: &Task, request: Ptr) -> Result<Vec<u8>, Errno> {
    let size: u32 = t.get(request.0)?;
    turned(t, request, size.max(4).into(), MOUNT_REQUEST)
}

/// `struct statmount`; strings follow.
const STATMOUNT: Shape = Shape::Fixed(&[
    (4, 2),
    (8, 1),
    (4, 2),
    (8, 1),
    (4, 2),
    (8, 2),
    (4, 2),
    (8, 5),
    (4, 2),
    (8, 1),
    (4, 6),
    (8, 1),
    (4, 4),
    (8, 43),
    (1, 0),
]);

fn statmount(t: &mut Task, request: Ptr, result: Ptr, size: u64, flags: u32) -> SysResult {
    const SYS_STATMOUNT: i64 = 457;
    const MOST: u64 = 1 << 20;
    let request = mount_request(t, request)?;
    let mut buf = vec![0u8; size.min(MOST) as usize];
    let args = [
        request.as_ptr() as u64,
        buf.as_mut_ptr() as u64,
        buf.len() as u64,
        flags.into(),
    ];
    let answer = call(SYS_STATMOUNT, args)?;
    // The structure says how much of it there is.
    let len = buf.first_chunk::<4>().map_or(0, |w| u32::from_ne_bytes(*w));
    let used = buf.get(..len as usize).unwrap_or(&buf);
    t.put_bytes(result.0, &STATMOUNT.recode(&host(), &t.abi, used))?;
    Ok(answer)
}

fn listmount(t: &mut Task, request: Ptr, ids: Ptr, count: u64, flags: u32) -> SysResult {
    const SYS_LISTMOUNT: i64 = 458;
    /// The kernel's own limit.
    const MOST: u64 = 1_000_000;
    if count > MOST {
        return Err(Errno::EOVERFLOW);
    }
    let request = mount_request(t, request)?;
    let mut list = vec![0u8; count as usize * 8];
    let args = [
        request.as_ptr() as u64,
        list.as_mut_ptr() as u64,
        count,
        flags.into(),
    ];
    let found = call(SYS_LISTMOUNT, args)?;
    let used = list.get(..found as usize * 8).unwrap_or(&list);
    t.put_bytes(ids.0, &QUADS.recode(&host(), &t.abi, used))?;
    Ok(found)
}

fn landlock_create_ruleset(t: &mut Task, attributes: Ptr, size: u64, flags: u32) -> SysResult {
    // Without a structure it tells a version.
    let copy = match attributes.0.0 {
        0 => Vec::new(),
        _ => turned(t, attributes, size, QUADS)?,
    };
    let at = if attributes.0.0 == 0 {
        0
    } else {
        copy.as_ptr() as u64
    };
    call(libc::SYS_landlock_create_ruleset, [at, size, flags.into()])
}

fn landlock_add_rule(t: &mut Task, ruleset: Fd, kind: u32, rule: Ptr, flags: u32) -> SysResult {
    /// `struct landlock_path_beneath_attr`, which is packed, and `struct landlock_net_port_attr`.
    const BENEATH: (u32, u64, Shape) = (1, 12, Shape::Fixed(&[(8, 1), (4, 0)]));
    const PORT: (u32, u64, Shape) = (2, 16, QUADS);
    let known = [BENEATH, PORT].into_iter().find(|k| k.0 == kind);
    let (_, size, shape) = known.ok_or(Errno::EINVAL)?;
    let copy = turned(t, rule, size, shape)?;
    let args = [
        ruleset.0 as u64,
        kind.into(),
        copy.as_ptr() as u64,
        flags.into(),
    ];
    call(libc::SYS_landlock_add_rule, args)
}

fn landlock_restrict_self(_: &mut Task, ruleset: Fd, flags: u32) -> SysResult {
    call(
        libc::SYS_landlock_restrict_self,
        [ruleset.0 as u64, flags.into()],
    )
}

fn fanotify_mark(
    t: &mut Task,
    fd: Fd,
    flags: u32,
    mask: Off,
    dir: DirFd,
    path: OptPath,
) -> SysResult {
    const DONT_FOLLOW: u32 = 4;
    let path = path.0.map(Path);
    let host = path.as_ref().map(|p| match flags & DONT_FOLLOW {
        0 => t.host_path(p),
        _ => t.host_link(p),
    });
    let at = host.as_ref().map_or(0, |h| h.ptr());
    let args = [fd.0 as u64, flags.into(), mask.0 as u64, dir.0 as u64, at];
    call(libc::SYS_fanotify_mark, args)
}

fn fanotify_init(t: &mut Task, flags: u32, event_flags: u32) -> SysResult {
    same_order(t, "fanotify in this byte order")?;
    call(
        libc::SYS_fanotify_init,
        [flags.into(), t.abi.open_to_host(event_flags).into()],
    )
}

/// Quota commands without a structure; those with one are missing.
fn without_structure(t: &Task, command: u32) -> Result<(), Errno> {
    const Q_SYNC: u32 = 0x80_0001;
    const Q_QUOTAOFF: u32 = 0x80_0003;
    if matches!(command >> 8, Q_SYNC | Q_QUOTAOFF) {
        return Ok(());
    }
    // UNIMPL: quota structures.
    super::strace::unimp(t, &format!("quotactl command {command:#x}"));
    Err(Errno::ENOSYS)
}

fn quotactl(t: &mut Task, command: Hex, special: OptPath, id: i32, address: Ptr) -> SysResult {
    without_structure(t, command.0 as u32)?;
    let name = special.0.as_ref().map_or(0, |s| s.as_ptr() as u64);
    let at = t.host_in_opt(address.0, 1)?;
    call(
        libc::SYS_quotactl,
        [u64::from(command.0 as u32), name, id as u64, at],
    )
}

fn quotactl_fd(t: &mut Task, fd: Fd, command: u32, id: i32, address: Ptr) -> SysResult {
    const SYS_QUOTACTL_FD: i64 = 443;
    without_structure(t, command)?;
    let at = t.host_in_opt(address.0, 1)?;
    call(
        SYS_QUOTACTL_FD,
        [fd.0 as u64, command.into(), id as u64, at],
    )
}
