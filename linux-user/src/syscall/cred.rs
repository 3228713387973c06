//! Identity: user and group ids, capabilities, namespaces.
//!
//! The host's C library must not notice changes of ids: it would want to change all of its threads. Guests do that
//! themselves, so every call here is the raw one and changes one thread.

use super::SysResult;
use super::args::{In, Out, Ptr};
use super::fs_path::Id16;
use crate::errno::Errno;
use crate::layout;
use crate::owners::Kind;
use crate::rows;
use crate::sys::{addr, addr_mut, call};
use crate::task::Task;
use tcg_mem::GuestVa;

rows! { CRED:
    getuid() = Full;
    geteuid() = Full;
    getgid() = Full;
    getegid() = Full;
    getuid32() = Full;
    geteuid32() = Full;
    getgid32() = Full;
    getegid32() = Full;
    setuid(id: Id16) = Full;
    setgid(id: Id16) = Full;
    setreuid(real: Id16, effective: Id16) = Full;
    setregid(real: Id16, effective: Id16) = Full;
    setresuid(real: Id16, effective: Id16, saved: Id16) = Full;
    setresgid(real: Id16, effective: Id16, saved: Id16) = Full;
    getresuid(real: Ptr, effective: Ptr, saved: Ptr) = Full;
    getresgid(real: Ptr, effective: Ptr, saved: Ptr) = Full;
    setfsuid(id: Id16) = Full;
    setfsgid(id: Id16) = Full;
    getgroups(count: i32, list: Ptr) = Full;
    setgroups(count: i32, list: Ptr) = Full;
    setuid32(id: i32) = Full;
    setgid32(id: i32) = Full;
    setreuid32(real: i32, effective: i32) = Full;
    setregid32(real: i32, effective: i32) = Full;
    setresuid32(real: i32, effective: i32, saved: i32) = Full;
    setresgid32(real: i32, effective: i32, saved: i32) = Full;
    getresuid32(real: Out<u32>, effective: Out<u32>, saved: Out<u32>) = Full;
    getresgid32(real: Out<u32>, effective: Out<u32>, saved: Out<u32>) = Full;
    setfsuid32(id: i32) = Full;
    setfsgid32(id: i32) = Full;
    getgroups32(count: i32, list: Ptr) = Full;
    setgroups32(count: i32, list: Ptr) = Full;
    capget(header: In<CapHeader>, data: Ptr) = Full;
    capset(header: In<CapHeader>, data: Ptr) = Full;
    pidfd_getfd(pidfd: i32, fd: i32, flags: u32) = Full;
    setns(fd: i32, kind: u32) = Full;
    unshare(flags: u32) = Full;
}

layout! {
    /// `struct __user_cap_header_struct`.
    pub struct CapHeader { version: u32, pid: i32 }

    /// `struct __user_cap_data_struct`.
    pub struct CapData { effective: u32, permitted: u32, inheritable: u32 }
}

fn none(nr: i64) -> SysResult {
    call(nr, [])
}

/// An id for a caller of the 16-bit calls: what does not fit is the kernel's overflow id.
fn low(t: &Task, id: u64) -> u64 {
    if !t.abi.short_ids || id <= 0xffff {
        id
    } else {
        65534
    }
}

fn getuid(t: &mut Task) -> SysResult {
    let id = getuid32(t)?;
    Ok(low(t, id))
}

fn geteuid(t: &mut Task) -> SysResult {
    let id = geteuid32(t)?;
    Ok(low(t, id))
}

fn getgid(t: &mut Task) -> SysResult {
    let id = getgid32(t)?;
    Ok(low(t, id))
}

fn getegid(t: &mut Task) -> SysResult {
    let id = getegid32(t)?;
    Ok(low(t, id))
}

fn getuid32(t: &mut Task) -> SysResult {
    match &t.ids {
        Some(ids) => Ok(ids.uid[0].into()),
        None => none(libc::SYS_getuid),
    }
}

fn geteuid32(t: &mut Task) -> SysResult {
    match &t.ids {
        Some(ids) => Ok(ids.uid[1].into()),
        None => none(libc::SYS_geteuid),
    }
}

fn getgid32(t: &mut Task) -> SysResult {
    match &t.ids {
        Some(ids) => Ok(ids.gid[0].into()),
        None => none(libc::SYS_getgid),
    }
}

fn getegid32(t: &mut Task) -> SysResult {
    match &t.ids {
        Some(ids) => Ok(ids.gid[1].into()),
        None => none(libc::SYS_getegid),
    }
}

fn setuid(t: &mut Task, id: Id16) -> SysResult {
    setuid32(t, id.0)
}

fn setgid(t: &mut Task, id: Id16) -> SysResult {
    setgid32(t, id.0)
}

fn setreuid(t: &mut Task, real: Id16, effective: Id16) -> SysResult {
    setreuid32(t, real.0, effective.0)
}

fn setregid(t: &mut Task, real: Id16, effective: Id16) -> SysResult {
    setregid32(t, real.0, effective.0)
}

fn setresuid(t: &mut Task, real: Id16, effective: Id16, saved: Id16) -> SysResult {
    setresuid32(t, real.0, effective.0, saved.0)
}

fn setresgid(t: &mut Task, real: Id16, effective: Id16, saved: Id16) -> SysResult {
    setresgid32(t, real.0, effective.0, saved.0)
}

/// The three ids of a getres call, stored with the width of the guest's old id type.
fn get_three(t: &Task, nr: i64, places: [Ptr; 3]) -> SysResult {
    let ids = three(t, nr)?;
    for (place, id) in places.iter().zip(ids) {
        if !t.abi.short_ids {
            t.put(place.0, &id)?;
        } else {
            t.put(place.0, &(low(t, id.into()) as u16))?;
        }
    }
    Ok(0)
}

fn three(t: &Task, nr: i64) -> Result<[u32; 3], Errno> {
    if let Some(ids) = &t.ids {
        return Ok(if nr == libc::SYS_getresuid {
            ids.uid
        } else {
            ids.gid
        });
    }
    let mut ids = [0u32; 3];
    let [a, b, c] = &mut ids;
    call(nr, [addr_mut(a), addr_mut(b), addr_mut(c)])?;
    Ok(ids)
}

fn getresuid(t: &mut Task, real: Ptr, effective: Ptr, saved: Ptr) -> SysResult {
    get_three(t, libc::SYS_getresuid, [real, effective, saved])
}

fn getresgid(t: &mut Task, real: Ptr, effective: Ptr, saved: Ptr) -> SysResult {
    get_three(t, libc::SYS_getresgid, [real, effective, saved])
}

fn setfsuid(t: &mut Task, id: Id16) -> SysResult {
    setfsuid32(t, id.0)
}

fn setfsgid(t: &mut Task, id: Id16) -> SysResult {
    setfsgid32(t, id.0)
}

/// The kernel's NGROUPS_MAX.
const GROUPS_MAX: u64 = 65536;

fn groups() -> Result<Vec<u32>, Errno> {
    let mut list = vec![0u32; GROUPS_MAX as usize];
    let n = call(libc::SYS_getgroups, [GROUPS_MAX, list.as_mut_ptr() as u64])?;
    list.truncate(n as usize);
    Ok(list)
}

fn get_groups(t: &Task, count: i32, list: Ptr, size: u64) -> SysResult {
    let room = u64::try_from(count).map_err(|_| Errno::EINVAL)?;
    let all = match &t.ids {
        Some(ids) => ids.groups.clone(),
        None => groups()?,
    };
    if room > 0 {
        if room < all.len() as u64 {
            return Err(Errno::EINVAL);
        }
        for (i, id) in all.iter().enumerate() {
            let va = GuestVa(list.0.0 + i as u64 * size);
            if size == 2 {
                t.put(va, &(low(t, u64::from(*id)) as u16))?
            } else {
                t.put(va, id)?
            }
        }
    }
    Ok(all.len() as u64)
}

fn set_groups(t: &mut Task, list: Vec<u32>) -> SysResult {
    if let Some(ids) = &mut t.ids {
        return match ids.is_root() {
            true => {
                ids.groups = list;
                Ok(0)
            }
            false => Err(Errno::EPERM),
        };
    }
    call(
        libc::SYS_setgroups,
        [list.len() as u64, list.as_ptr() as u64],
    )
}

fn getgroups(t: &mut Task, count: i32, list: Ptr) -> SysResult {
    get_groups(t, count, list, if !t.abi.short_ids { 4 } else { 2 })
}

fn setgroups(t: &mut Task, count: i32, list: Ptr) -> SysResult {
    if !t.abi.short_ids {
        return setgroups32(t, count, list);
    }
    let count = u64::try_from(count).map_err(|_| Errno::EINVAL)?;
    let list = t.get_array::<u16>(list.0, count, GROUPS_MAX)?;
    set_groups(t, list.into_iter().map(u32::from).collect())
}

fn setuid32(t: &mut Task, id: i32) -> SysResult {
    if let Some(ids) = &mut t.ids {
        let all = if ids.is_root() { [id; 3] } else { [-1, id, -1] };
        return ids.change(Kind::User, all);
    }
    call(libc::SYS_setuid, [id as u64])
}

fn setgid32(t: &mut Task, id: i32) -> SysResult {
    if let Some(ids) = &mut t.ids {
        let all = if ids.is_root() { [id; 3] } else { [-1, id, -1] };
        return ids.change(Kind::Group, all);
    }
    call(libc::SYS_setgid, [id as u64])
}

fn setreuid32(t: &mut Task, real: i32, effective: i32) -> SysResult {
    if let Some(ids) = &mut t.ids {
        // The saved id follows the effective one.
        let now = ids.uid;
        let moves = real != -1 || (effective != -1 && effective as u32 != now[0]);
        let saved = match (moves, effective) {
            (false, _) => -1,
            (true, -1) => now[1] as i32,
            (true, new) => new,
        };
        return ids.change(Kind::User, [real, effective, saved]);
    }
    call(libc::SYS_setreuid, [real as u64, effective as u64])
}

fn setregid32(t: &mut Task, real: i32, effective: i32) -> SysResult {
    if let Some(ids) = &mut t.ids {
        // The saved id follows the effective one.
        let now = ids.gid;
        let moves = real != -1 || (effective != -1 && effective as u32 != now[0]);
        let saved = match (moves, effective) {
            (false, _) => -1,
            (true, -1) => now[1] as i32,
            (true, new) => new,
        };
        return ids.change(Kind::Group, [real, effective, saved]);
    }
    call(libc::SYS_setregid, [real as u64, effective as u64])
}

fn setresuid32(t: &mut Task, real: i32, effective: i32, saved: i32) -> SysResult {
    if let Some(ids) = &mut t.ids {
        return ids.change(Kind::User, [real, effective, saved]);
    }
    call(
        libc::SYS_setresuid,
        [real as u64, effective as u64, saved as u64],
    )
}

fn setresgid32(t: &mut Task, real: i32, effective: i32, saved: i32) -> SysResult {
    if let Some(ids) = &mut t.ids {
        return ids.change(Kind::Group, [real, effective, saved]);
    }
    call(
        libc::SYS_setresgid,
        [real as u64, effective as u64, saved as u64],
    )
}

fn getresuid32(t: &mut Task, real: Out<u32>, effective: Out<u32>, saved: Out<u32>) -> SysResult {
    put_three(t, libc::SYS_getresuid, [real, effective, saved])
}

fn getresgid32(t: &mut Task, real: Out<u32>, effective: Out<u32>, saved: Out<u32>) -> SysResult {
    put_three(t, libc::SYS_getresgid, [real, effective, saved])
}

fn put_three(t: &Task, nr: i64, places: [Out<u32>; 3]) -> SysResult {
    for (place, id) in places.iter().zip(three(t, nr)?) {
        place.put(t, &id)?;
    }
    Ok(0)
}

fn setfsuid32(t: &mut Task, id: i32) -> SysResult {
    if let Some(ids) = &t.ids {
        return Ok(ids.uid[1].into());
    }
    call(libc::SYS_setfsuid, [id as u64])
}

fn setfsgid32(t: &mut Task, id: i32) -> SysResult {
    if let Some(ids) = &t.ids {
        return Ok(ids.gid[1].into());
    }
    call(libc::SYS_setfsgid, [id as u64])
}

fn getgroups32(t: &mut Task, count: i32, list: Ptr) -> SysResult {
    get_groups(t, count, list, 4)
}

fn setgroups32(t: &mut Task, count: i32, list: Ptr) -> SysResult {
    let count = u64::try_from(count).map_err(|_| Errno::EINVAL)?;
    let list = t.get_array::<u32>(list.0, count, GROUPS_MAX)?;
    set_groups(t, list)
}

const CAP_VERSION_1: u32 = 0x1998_0330;
const CAP_VERSION_2: u32 = 0x2007_1026;
const CAP_VERSION_3: u32 = 0x2008_0522;

/// How many data structures a header's version has; an unknown version is answered with the right one.
fn cap_words(t: &Task, header: In<CapHeader>) -> Result<(CapHeader, u64), Errno> {
    let h = header.get(t)?;
    match h.version {
        CAP_VERSION_1 => Ok((h, 1)),
        CAP_VERSION_2 | CAP_VERSION_3 => Ok((h, 2)),
        _ => {
            header.back().put(
                t,
                &CapHeader {
                    version: CAP_VERSION_3,
                    pid: h.pid,
                },
            )?;
            Err(Errno::EINVAL)
        }
    }
}

fn capget(t: &mut Task, header: In<CapHeader>, data: Ptr) -> SysResult {
    let (h, words) = match cap_words(t, header) {
        Ok(v) => v,
        // Asking for the version only.
        Err(Errno::EINVAL) if data.0.0 == 0 => return Ok(0),
        Err(e) => return Err(e),
    };
    let mut host = [[0u32; 3]; 2];
    call(
        libc::SYS_capget,
        [addr(&[h.version, h.pid as u32]), addr_mut(&mut host)],
    )?;
    if data.0.0 != 0 {
        for (i, v) in host.iter().take(words as usize).enumerate() {
            let [effective, permitted, inheritable] = *v;
            t.put(
                GuestVa(data.0.0 + i as u64 * 12),
                &CapData {
                    effective,
                    permitted,
                    inheritable,
                },
            )?;
        }
    }
    Ok(0)
}

fn capset(t: &mut Task, header: In<CapHeader>, data: Ptr) -> SysResult {
    let (h, words) = cap_words(t, header)?;
    let list = t.get_array::<CapData>(data.0, words, 2)?;
    let mut host = [[0u32; 3]; 2];
    for (to, v) in host.iter_mut().zip(list) {
        *to = [v.effective, v.permitted, v.inheritable];
    }
    call(
        libc::SYS_capset,
        [addr(&[h.version, h.pid as u32]), addr(&host)],
    )
}

fn pidfd_getfd(t: &mut Task, pidfd: i32, fd: i32, flags: u32) -> SysResult {
    t.process.numbers.expect();
    call(
        libc::SYS_pidfd_getfd,
        [pidfd as u64, fd as u64, flags.into()],
    )
}

fn setns(_: &mut Task, fd: i32, kind: u32) -> SysResult {
    call(libc::SYS_setns, [fd as u64, kind.into()])
}

fn unshare(_: &mut Task, flags: u32) -> SysResult {
    call(libc::SYS_unshare, [flags.into()])
}
