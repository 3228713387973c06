//! The mount calls by descriptor, Landlock, and quota-like calls on paths: arguments are plain numbers and strings,
//! and their structures have the same members in every ABI.

use super::SysResult;
use super::args::{DirFd, Fd, Hex, In, OptPath, Path, Ptr};
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
    landlock_create_ruleset(attributes: Ptr, size: u64, flags: u32) = Partial;
    landlock_add_rule(ruleset: Fd, kind: u32, rule: Ptr, flags: u32) = Partial;
    landlock_restrict_self(ruleset: Fd, flags: u32) = Full;
    fanotify_init(flags: u32, event_flags: u32) = Full;
    quotactl(command: Hex, special: OptPath, id: i32, address: Ptr) = Partial;
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

fn landlock_create_ruleset(t: &mut Task, attributes: Ptr, size: u64, flags: u32) -> SysResult {
    same_order(t, "landlock_create_ruleset in this byte order")?;
    let from = t.host_in_opt(attributes.0, size)?;
    call(
        libc::SYS_landlock_create_ruleset,
        [from, size, flags.into()],
    )
}

fn landlock_add_rule(t: &mut Task, ruleset: Fd, kind: u32, rule: Ptr, flags: u32) -> SysResult {
    same_order(t, "landlock_add_rule in this byte order")?;
    let from = t.host_in(rule.0, 16)?;
    call(
        libc::SYS_landlock_add_rule,
        [ruleset.0 as u64, kind.into(), from, flags.into()],
    )
}

fn landlock_restrict_self(_: &mut Task, ruleset: Fd, flags: u32) -> SysResult {
    call(
        libc::SYS_landlock_restrict_self,
        [ruleset.0 as u64, flags.into()],
    )
}

fn fanotify_init(t: &mut Task, flags: u32, event_flags: u32) -> SysResult {
    call(
        libc::SYS_fanotify_init,
        [flags.into(), t.abi.open_to_host(event_flags).into()],
    )
}

/// Quota commands whose structure has 64-bit members only; Q_SYNC and Q_QUOTAOFF have none.
fn quotactl(t: &mut Task, command: Hex, special: OptPath, id: i32, address: Ptr) -> SysResult {
    const Q_SYNC: u32 = 0x80_0001;
    const Q_QUOTAOFF: u32 = 0x80_0003;
    if !matches!(command.0 as u32 >> 8, Q_SYNC | Q_QUOTAOFF) {
        // UNIMPL: quota structures.
        super::strace::unimp(t, &format!("quotactl command {:#x}", command.0));
        return Err(Errno::ENOSYS);
    }
    let name = special.0.as_ref().map_or(0, |s| s.as_ptr() as u64);
    let at = t.host_in_opt(address.0, 1)?;
    call(
        libc::SYS_quotactl,
        [command.0 as u32 as u64, name, id as u64, at],
    )
}
