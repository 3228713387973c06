//! Placement of memory on nodes, and advice about other processes' memory. Node masks are arrays of longs.

use super::SysResult;
use super::args::{Fd, Hex, Out, Ptr};
use crate::abi::ULong;
use crate::errno::Errno;
use crate::rows;
use crate::sys::{addr_mut, call};
use crate::task::Task;
use tcg_mem::GuestVa;

rows! { NUMA:
    mbind(start: Ptr, len: Hex, mode: Hex, nodes: Ptr, most: u64, flags: u32) = Full;
    set_mempolicy(mode: i32, nodes: Ptr, most: u64) = Full;
    get_mempolicy(mode: Out<i32>, nodes: Ptr, most: u64, address: Ptr, flags: Hex) = Full;
    set_mempolicy_home_node(start: Ptr, len: Hex, home: u64, flags: Hex) = Full;
    migrate_pages(pid: i32, most: u64, old: Ptr, new: Ptr) = Full;
    move_pages(pid: i32, count: u64, pages: Ptr, nodes: Ptr, status: Ptr, flags: i32) = Partial;
    process_madvise(pidfd: Fd, vector: Ptr, count: u64, advice: i32, flags: u32) = Partial;
    process_mrelease(pidfd: Fd, flags: u32) = Full;
}

/// Nodes that a mask may have, far above what kernels are built for.
const NODES: u64 = 1 << 15;

/// The host's form of a mask of `most` - 1 nodes; the kernel counts one more than there are. [man7 mbind]
fn nodes_in(t: &Task, va: GuestVa, most: u64) -> Result<Vec<u64>, Errno> {
    if va.0 == 0 || most <= 1 {
        return Ok(Vec::new());
    }
    let bits = t.abi.word as u64 * 8;
    let words = t.get_array::<ULong>(va, (most - 1).div_ceil(bits), NODES / bits)?;
    let mut host = vec![0u64; (most - 1).div_ceil(64) as usize];
    for (i, w) in words.iter().enumerate() {
        let at = i as u64 * bits;
        if let Some(word) = host.get_mut((at / 64) as usize) {
            *word |= w.0 << (at % 64);
        }
    }
    Ok(host)
}

fn nodes_out(t: &Task, va: GuestVa, most: u64, host: &[u64]) -> Result<(), Errno> {
    let bits = t.abi.word as u64 * 8;
    for i in 0..most.div_ceil(bits) {
        let word = host.get((i * bits / 64) as usize).copied().unwrap_or(0);
        let part = ULong(word >> (i * bits % 64));
        t.put(GuestVa(va.0.wrapping_add(i * bits / 8)), &part)?;
    }
    Ok(())
}

/// Address and length argument of a mask for the host.
fn mask(host: &[u64], most: u64) -> [u64; 2] {
    match host.is_empty() {
        true => [0, 0],
        false => [host.as_ptr() as u64, most],
    }
}

fn mbind(
    t: &mut Task,
    start: Ptr,
    len: Hex,
    mode: Hex,
    nodes: Ptr,
    most: u64,
    flags: u32,
) -> SysResult {
    let host = nodes_in(t, nodes.0, most)?;
    let [at, most] = mask(&host, most);
    let start = t.host_in(start.0, len.0)?;
    call(
        libc::SYS_mbind,
        [start, len.0, mode.0, at, most, flags.into()],
    )
}

fn set_mempolicy(t: &mut Task, mode: i32, nodes: Ptr, most: u64) -> SysResult {
    let host = nodes_in(t, nodes.0, most)?;
    let [at, most] = mask(&host, most);
    call(libc::SYS_set_mempolicy, [mode as u64, at, most])
}

fn get_mempolicy(
    t: &mut Task,
    mode: Out<i32>,
    nodes: Ptr,
    most: u64,
    address: Ptr,
    flags: Hex,
) -> SysResult {
    let mut host_mode = 0i32;
    let mut host = vec![0u64; (NODES / 64) as usize];
    let (at, room) = match nodes.0.0 {
        0 => (0, 0),
        _ => (host.as_mut_ptr() as u64, most.min(NODES)),
    };
    let address = t.host_in_opt(address.0, 1)?;
    let args = [addr_mut(&mut host_mode), at, room, address, flags.0];
    call(libc::SYS_get_mempolicy, args)?;
    mode.put_opt(t, &host_mode)?;
    if nodes.0.0 != 0 {
        nodes_out(t, nodes.0, most.min(NODES), &host)?;
    }
    Ok(0)
}

fn set_mempolicy_home_node(t: &mut Task, start: Ptr, len: Hex, home: u64, flags: Hex) -> SysResult {
    const SYS_SET_MEMPOLICY_HOME_NODE: i64 = 450;
    let start = t.host_in(start.0, len.0)?;
    call(SYS_SET_MEMPOLICY_HOME_NODE, [start, len.0, home, flags.0])
}

fn migrate_pages(t: &mut Task, pid: i32, most: u64, old: Ptr, new: Ptr) -> SysResult {
    let (from, to) = (nodes_in(t, old.0, most)?, nodes_in(t, new.0, most)?);
    let args = [pid as u64, most, mask(&from, most)[0], mask(&to, most)[0]];
    call(libc::SYS_migrate_pages, args)
}

fn move_pages(
    t: &mut Task,
    pid: i32,
    count: u64,
    pages: Ptr,
    nodes: Ptr,
    status: Ptr,
    flags: i32,
) -> SysResult {
    const MOST: u64 = 1 << 20;
    let own = pid == 0 || pid as u32 == std::process::id();
    if !own && !t.mem.is_identity() {
        // UNIMPL: pages of another 32-bit guest.
        super::strace::unimp(t, "move_pages of another process");
        return Err(Errno::ENOSYS);
    }
    let list = t.get_array::<ULong>(pages.0, count, MOST)?;
    let host: Vec<u64> = match own {
        true => list
            .iter()
            .map(|p| t.host_in_opt(GuestVa(p.0), 1))
            .collect::<Result<_, _>>()?,
        false => list.iter().map(|p| p.0).collect(),
    };
    let wanted: Vec<i32> = match nodes.0.0 {
        0 => Vec::new(),
        _ => t.get_array(nodes.0, count, MOST)?,
    };
    let mut result = vec![0i32; count as usize];
    let to = match nodes.0.0 {
        0 => 0,
        _ => wanted.as_ptr() as u64,
    };
    let at = (host.as_ptr() as u64, result.as_mut_ptr() as u64);
    let moved = call(
        libc::SYS_move_pages,
        [pid as u64, count, at.0, to, at.1, flags as u64],
    )?;
    for (i, v) in result.iter().enumerate() {
        t.put(GuestVa(status.0.0.wrapping_add(4 * i as u64)), v)?;
    }
    Ok(moved)
}

/// Whether a pidfd is one of this process.
fn is_own(fd: i32) -> bool {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default();
    let pid = text.lines().find_map(|l| l.strip_prefix("Pid:"));
    pid.is_some_and(|p| p.trim() == std::process::id().to_string())
}

fn process_madvise(
    t: &mut Task,
    pidfd: Fd,
    vector: Ptr,
    count: u64,
    advice: i32,
    flags: u32,
) -> SysResult {
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    let list = t.iovec(vector.0, count, false)?;
    if !is_own(pidfd.0) {
        if !t.mem.is_identity() {
            // UNIMPL: memory of another 32-bit guest.
            super::strace::unimp(t, "process_madvise of another process");
            return Err(Errno::ENOSYS);
        }
        let args = [
            pidfd.0 as u64,
            list.as_ptr() as u64,
            list.len() as u64,
            advice as u64,
            0,
        ];
        return call(libc::SYS_process_madvise, args);
    }
    let mut done = 0;
    for v in list {
        let Some(va) = t.mem.guest(v.iov_base as usize) else {
            return Err(Errno::EFAULT);
        };
        match t.process.space.madvise(va, v.iov_len as u64, advice) {
            Ok(()) => done += v.iov_len as u64,
            Err(e) if done == 0 => return Err(e.into()),
            Err(_) => break,
        }
    }
    Ok(done)
}

fn process_mrelease(_: &mut Task, pidfd: Fd, flags: u32) -> SysResult {
    call(libc::SYS_process_mrelease, [pidfd.0 as u64, flags.into()])
}
