//! System V IPC: message queues, semaphores, shared memory, and `ipc` for ABIs that have one call for all.
//!
//! UNIMPL: the structures of before IPC_64 with 16-bit ids; every C library of the last 20 years asks for IPC_64.

use super::SysResult;
use super::args::{Hex, In, Ptr, SLong};
use crate::abi::{Layout, Long, Reader, ULong, Writer, host};
use crate::errno::Errno;
use crate::rows;
use crate::sys::{addr, addr_mut, blocking, call};
use crate::task::Task;
use crate::uapi::ipc::{
    HostSemidDs, Msginfo, MsqidDs, Sembuf, SemidDs, Seminfo, ShmInfo, ShmidDs, Shminfo, WideTime,
};
use crate::uapi::time::{HostTime, Timespec, Timespec64};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tcg_mem::{GuestVa, PAGE};
use tcg_uspace::{MapRequest, Prot};

rows! { IPC:
    msgget(key: i32, flags: u32) = Full;
    msgsnd(id: i32, message: Ptr, size: u64, flags: u32) = Full;
    msgrcv(id: i32, message: Ptr, size: u64, kind: SLong, flags: u32) = Full;
    msgctl(id: i32, command: u32, buf: Ptr) = Partial;
    semget(key: i32, count: i32, flags: u32) = Full;
    semop(id: i32, operations: Ptr, count: u64) = Full;
    semtimedop(id: i32, operations: Ptr, count: u64, timeout: In<Timespec>) = Full;
    semtimedop_time64(id: i32, operations: Ptr, count: u64, timeout: In<Timespec64>) = Full;
    semctl(id: i32, number: i32, command: u32, argument: Hex) = Partial;
    shmget(key: i32, size: u64, flags: u32) = Full;
    shmat(id: i32, address: Ptr, flags: u32) = Partial;
    shmdt(address: Ptr) = Partial;
    shmctl(id: i32, command: u32, buf: Ptr) = Partial;
    ipc(number: u32, first: i32, second: Hex, third: Hex, pointer: Ptr, fifth: SLong) = Partial;
}

const IPC_64: u32 = 0x100;
const IPC_RMID: u32 = 0;
const IPC_SET: u32 = 1;
const IPC_STAT: u32 = 2;
const IPC_INFO: u32 = 3;

/// Longest message: far above any msgmax in use.
const MESSAGE_MAX: u64 = 1 << 24;

/// The command without IPC_64; the old structures are refused.
fn command(t: &Task, command: u32, has_structure: bool) -> Result<u32, Errno> {
    let bare = command & !IPC_64;
    if has_structure && t.abi.short_ids && command & IPC_64 == 0 {
        super::strace::unimp(t, "System V IPC structures without IPC_64");
        return Err(Errno::EINVAL);
    }
    Ok(bare)
}

/// A control call with a structure of one description: IPC_SET gives it, the others fill it.
fn control<T: Layout>(t: &mut Task, nr: i64, id: i32, command: u32, va: GuestVa) -> SysResult {
    let mut w = Writer::new(host());
    if command == IPC_SET {
        t.get::<T>(va)?.put(&mut w);
    }
    let mut buf = [0u8; 256];
    buf.iter_mut()
        .zip(w.done())
        .for_each(|(to, from)| *to = *from);
    // semctl has the structure as its fourth argument, the others as their third.
    let at = addr_mut(&mut buf);
    let args = if nr == libc::SYS_semctl {
        [id as u64, 0, command.into(), at]
    } else {
        [id as u64, command.into(), at, 0]
    };
    let result = call(nr, args)?;
    if command != IPC_SET {
        t.put(va, &T::get(&mut Reader::new(host(), &buf)))?;
    }
    Ok(result)
}

fn msgget(_: &mut Task, key: i32, flags: u32) -> SysResult {
    call(libc::SYS_msgget, [key as u64, flags.into()])
}

fn msgsnd(t: &mut Task, id: i32, message: Ptr, size: u64, flags: u32) -> SysResult {
    let kind = t.get::<Long>(message.0)?.0;
    let data = GuestVa(message.0.0 + t.abi.word as u64);
    let body = t.get_bytes(data, size, MESSAGE_MAX)?;
    let mut buf = kind.to_ne_bytes().to_vec();
    buf.extend_from_slice(&body);
    let args = [id as u64, buf.as_ptr() as u64, size, flags.into(), 0, 0];
    blocking(t, libc::SYS_msgsnd, args).map_err(Errno::no_hand)
}

fn msgrcv(t: &mut Task, id: i32, message: Ptr, size: u64, kind: SLong, flags: u32) -> SysResult {
    if t.abi.sign(size) < 0 {
        return Err(Errno::EINVAL);
    }
    let size = size.min(MESSAGE_MAX);
    let mut buf = vec![0u8; size as usize + 8];
    let args = [
        id as u64,
        buf.as_mut_ptr() as u64,
        size,
        kind.0 as u64,
        flags.into(),
        0,
    ];
    let n = blocking(t, libc::SYS_msgrcv, args).map_err(Errno::no_hand)?;
    let (head, body) = buf.split_at_checked(8).unwrap_or_default();
    let kind = i64::from_ne_bytes(head.try_into().unwrap_or_default());
    t.put(message.0, &Long(kind))?;
    let data = GuestVa(message.0.0 + t.abi.word as u64);
    t.put_bytes(data, body.get(..n as usize).unwrap_or(body))?;
    Ok(n)
}

fn msgctl(t: &mut Task, id: i32, full: u32, buf: Ptr) -> SysResult {
    const MSG_STAT: u32 = 11;
    const MSG_INFO: u32 = 12;
    const MSG_STAT_ANY: u32 = 13;
    let bare = command(
        t,
        full,
        matches!(full & !IPC_64, IPC_SET | IPC_STAT | MSG_STAT | MSG_STAT_ANY),
    )?;
    match bare {
        IPC_RMID => call(libc::SYS_msgctl, [id as u64, 0, 0]),
        IPC_INFO | MSG_INFO => control::<Msginfo>(t, libc::SYS_msgctl, id, bare, buf.0),
        IPC_SET | IPC_STAT | MSG_STAT | MSG_STAT_ANY => {
            control::<MsqidDs>(t, libc::SYS_msgctl, id, bare, buf.0)
        }
        _ => Err(Errno::EINVAL),
    }
}

fn semget(_: &mut Task, key: i32, count: i32, flags: u32) -> SysResult {
    call(libc::SYS_semget, [key as u64, count as u64, flags.into()])
}

fn operate(
    t: &mut Task,
    id: i32,
    ops: Ptr,
    count: u64,
    timeout: Option<libc::timespec>,
) -> SysResult {
    const SEMOPM_MAX: u64 = 1 << 16;
    if count > SEMOPM_MAX {
        return Err(Errno::E2BIG);
    }
    let mut list: Vec<libc::sembuf> = t
        .get_array::<Sembuf>(ops.0, count, SEMOPM_MAX)?
        .iter()
        .map(|s| libc::sembuf {
            sem_num: s.num,
            sem_op: s.op,
            sem_flg: s.flags,
        })
        .collect();
    let time = timeout.as_ref().map_or(0, addr);
    let args = [id as u64, list.as_mut_ptr() as u64, count, time, 0, 0];
    // Never restarted: the kernel answers EINTR whatever SA_RESTART says.
    blocking(t, libc::SYS_semtimedop, args)
}

fn semop(t: &mut Task, id: i32, operations: Ptr, count: u64) -> SysResult {
    operate(t, id, operations, count, None)
}

fn semtimedop(
    t: &mut Task,
    id: i32,
    operations: Ptr,
    count: u64,
    timeout: In<Timespec>,
) -> SysResult {
    let time = timeout.opt(t)?.map(|v| v.to_host());
    operate(t, id, operations, count, time)
}

fn semtimedop_time64(
    t: &mut Task,
    id: i32,
    operations: Ptr,
    count: u64,
    timeout: In<Timespec64>,
) -> SysResult {
    let time = timeout.opt(t)?.map(|v| v.to_host());
    operate(t, id, operations, count, time)
}

/// The host's `struct semid64_ds` of a set.
fn sem_stat(id: i32, command: u32) -> Result<(u64, HostSemidDs), Errno> {
    let mut buf = [0u8; 256];
    let n = call(
        libc::SYS_semctl,
        [id as u64, 0, command.into(), addr_mut(&mut buf)],
    )?;
    Ok((n, HostSemidDs::get(&mut Reader::new(host(), &buf))))
}

fn sem_values(t: &mut Task, id: i32, command: u32, va: GuestVa) -> SysResult {
    const SETALL: u32 = 17;
    let count = sem_stat(id, IPC_STAT)?.1.nsems.min(1 << 20);
    let mut values = vec![0u16; count as usize];
    if command == SETALL {
        values = t.get_array::<u16>(va, count, 1 << 20)?;
    }
    let at = values.as_mut_ptr() as u64;
    let n = call(libc::SYS_semctl, [id as u64, 0, command.into(), at])?;
    if command != SETALL {
        let order = t.abi.endian;
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|v| match order {
                crate::abi::Endian::Little => v.to_le_bytes(),
                crate::abi::Endian::Big => v.to_be_bytes(),
            })
            .collect();
        t.put_bytes(va, &bytes)?;
    }
    Ok(n)
}

fn semctl(t: &mut Task, id: i32, number: i32, full: u32, argument: Hex) -> SysResult {
    const GETPID: u32 = 11;
    const GETVAL: u32 = 12;
    const GETALL: u32 = 13;
    const GETNCNT: u32 = 14;
    const GETZCNT: u32 = 15;
    const SETVAL: u32 = 16;
    const SETALL: u32 = 17;
    const SEM_STAT: u32 = 18;
    const SEM_INFO: u32 = 19;
    const SEM_STAT_ANY: u32 = 20;
    let va = GuestVa(argument.0);
    let bare = command(
        t,
        full,
        matches!(full & !IPC_64, IPC_SET | IPC_STAT | SEM_STAT | SEM_STAT_ANY),
    )?;
    match bare {
        IPC_RMID | GETPID | GETVAL | GETNCNT | GETZCNT => {
            call(libc::SYS_semctl, [id as u64, number as u64, bare.into(), 0])
        }
        SETVAL => {
            // An int in the union: the first half of a 64-bit big-endian guest's word.
            let value = if t.abi.is_64() && t.abi.endian == crate::abi::Endian::Big {
                argument.0 >> 32
            } else {
                argument.0
            };
            let value = value as i32 as u64;
            call(
                libc::SYS_semctl,
                [id as u64, number as u64, bare.into(), value],
            )
        }
        GETALL | SETALL => sem_values(t, id, bare, va),
        IPC_INFO | SEM_INFO => control::<Seminfo>(t, libc::SYS_semctl, id, bare, va),
        IPC_SET => {
            let perm = t.get::<SemidDs>(va)?.perm;
            let (mut w, (_, old)) = (Writer::new(host()), sem_stat(id, IPC_STAT)?);
            HostSemidDs { perm, ..old }.put(&mut w);
            call(
                libc::SYS_semctl,
                [id as u64, 0, bare.into(), w.done().as_ptr() as u64],
            )
        }
        IPC_STAT | SEM_STAT | SEM_STAT_ANY => {
            let (n, h) = sem_stat(id, bare)?;
            let guest = SemidDs {
                perm: h.perm,
                otime: WideTime(h.otime),
                ctime: WideTime(h.ctime),
                nsems: ULong(h.nsems),
                unused: [ULong(0); 2],
            };
            t.put(va, &guest)?;
            Ok(n)
        }
        _ => Err(Errno::EINVAL),
    }
}

fn shmget(_: &mut Task, key: i32, size: u64, flags: u32) -> SysResult {
    call(libc::SYS_shmget, [key as u64, size, flags.into()])
}

/// Where segments are attached, with their sizes: shmdt is told only the address.
fn attached() -> MutexGuard<'static, BTreeMap<u64, u64>> {
    static ATTACHED: Mutex<BTreeMap<u64, u64>> = Mutex::new(BTreeMap::new());
    ATTACHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the list still while the process forks.
pub fn hold_segments() -> impl Drop {
    attached()
}

/// Takes a range of the guest's address space for a segment.
fn reserve(t: &Task, va: GuestVa, flags: i32, len: u64) -> Result<GuestVa, Errno> {
    let replace = flags & libc::SHM_REMAP != 0;
    let addr = match va.0 % PAGE {
        0 => va.0,
        _ if flags & libc::SHM_RND != 0 => va.0 / PAGE * PAGE,
        _ => return Err(Errno::EINVAL),
    };
    let place = match (addr, replace) {
        (0, true) => return Err(Errno::EINVAL),
        (0, false) => 0,
        (_, true) => libc::MAP_FIXED,
        (_, false) => libc::MAP_FIXED_NOREPLACE,
    };
    let write = if flags & libc::SHM_RDONLY == 0 {
        Prot::RW
    } else {
        Prot::R
    };
    let request = MapRequest {
        addr,
        len,
        prot: write,
        flags: libc::MAP_SHARED | libc::MAP_ANONYMOUS | place,
        file: None,
    };
    match t.process.space.mmap(&request).map_err(Errno::from) {
        Err(Errno::EEXIST) => Err(Errno::EINVAL),
        other => other,
    }
}

fn shmat(t: &mut Task, id: i32, address: Ptr, flags: u32) -> SysResult {
    let mut buf = [0u8; 256];
    call(
        libc::SYS_shmctl,
        [id as u64, IPC_STAT.into(), addr_mut(&mut buf)],
    )?;
    let size = ShmidDs::get(&mut Reader::new(host(), &buf)).segsz.0;
    let size = size.checked_next_multiple_of(PAGE).ok_or(Errno::EINVAL)?;
    let at = reserve(t, address.0, flags as i32, size)?;
    let at_host = t.mem.host(at, size).ok_or(Errno::ENOMEM)?;
    // The address space has just mapped this range for the guest: the segment takes the place of its pages.
    let mode = flags as i32 & libc::SHM_RDONLY | libc::SHM_REMAP;
    if let Err(e) = call(libc::SYS_shmat, [id as u64, at_host as u64, mode as u64]) {
        t.process.space.munmap(at, size)?;
        return Err(e);
    }
    attached().insert(at.0, size);
    Ok(at.0)
}

fn shmdt(t: &mut Task, address: Ptr) -> SysResult {
    let size = attached().remove(&address.0.0).ok_or(Errno::EINVAL)?;
    t.process.space.munmap(address.0, size)?;
    Ok(0)
}

fn shmctl(t: &mut Task, id: i32, full: u32, buf: Ptr) -> SysResult {
    const SHM_LOCK: u32 = 11;
    const SHM_UNLOCK: u32 = 12;
    const SHM_STAT: u32 = 13;
    const SHM_INFO: u32 = 14;
    const SHM_STAT_ANY: u32 = 15;
    let bare = command(
        t,
        full,
        matches!(
            full & !IPC_64,
            IPC_SET | IPC_STAT | IPC_INFO | SHM_STAT | SHM_STAT_ANY
        ),
    )?;
    match bare {
        IPC_RMID | SHM_LOCK | SHM_UNLOCK => call(libc::SYS_shmctl, [id as u64, bare.into(), 0]),
        IPC_INFO => control::<Shminfo>(t, libc::SYS_shmctl, id, bare, buf.0),
        SHM_INFO => control::<ShmInfo>(t, libc::SYS_shmctl, id, bare, buf.0),
        IPC_SET | IPC_STAT | SHM_STAT | SHM_STAT_ANY => {
            control::<ShmidDs>(t, libc::SYS_shmctl, id, bare, buf.0)
        }
        _ => Err(Errno::EINVAL),
    }
}

/// asm-generic/ipc.h: one call for all; the upper half of the number is a version.
fn ipc(
    t: &mut Task,
    number: u32,
    first: i32,
    second: Hex,
    third: Hex,
    pointer: Ptr,
    fifth: SLong,
) -> SysResult {
    let word = t.abi.word as u64;
    let (second32, third32) = (second.0 as u32, third.0 as u32);
    match number & 0xffff {
        1 => semop(t, first, pointer, second.0),
        2 => semget(t, first, second32 as i32, third32),
        3 => {
            let argument = t.get::<ULong>(pointer.0)?.0;
            semctl(t, first, second32 as i32, third32, Hex(argument))
        }
        4 => {
            let at = GuestVa(fifth.0 as u64 & if t.abi.is_64() { u64::MAX } else { 0xffff_ffff });
            let time = if at.0 == 0 {
                None
            } else {
                Some(t.get::<Timespec>(at)?.to_host())
            };
            operate(t, first, pointer, second.0, time)
        }
        11 => msgsnd(t, first, pointer, second.0, third32),
        12 if number >> 16 == 0 => {
            let message = t.get::<ULong>(pointer.0)?.0;
            let kind = t.get::<Long>(GuestVa(pointer.0.0 + word))?.0;
            msgrcv(
                t,
                first,
                Ptr(GuestVa(message)),
                second.0,
                SLong(kind),
                third32,
            )
        }
        12 => msgrcv(t, first, pointer, second.0, fifth, third32),
        13 => msgget(t, first, second32),
        14 => msgctl(t, first, second32, pointer),
        21 if number >> 16 == 1 => Err(Errno::EINVAL),
        21 => {
            let at = shmat(t, first, pointer, second32)?;
            t.put(GuestVa(third.0), &ULong(at))?;
            Ok(0)
        }
        22 => shmdt(t, pointer),
        23 => shmget(t, first, second.0, third32),
        24 => shmctl(t, first, second32, pointer),
        _ => Err(Errno::ENOSYS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Endian;
    use crate::guests::arm;
    use crate::uapi::ipc::IpcPerm;

    #[test]
    fn arm_structures_have_the_sizes_of_the_eabi_headers() {
        let abi = arm::abi(Endian::Little);
        // perm: 6 words, two halves, two words.
        assert_eq!(IpcPerm::size(&abi), 36);
        assert_eq!(MsqidDs::size(&abi), 36 + 6 * 4 + 3 * 4 + 2 * 4 + 2 * 4);
        assert_eq!(SemidDs::size(&abi), 36 + 4 * 4 + 4 + 8);
        assert_eq!(ShmidDs::size(&abi), 36 + 4 + 6 * 4 + 2 * 4 + 4 + 8);
        // And the host's as its headers have them.
        assert_eq!(MsqidDs::size(&host()), size_of::<libc::msqid_ds>());
        assert_eq!(HostSemidDs::size(&host()), size_of::<libc::semid_ds>());
        assert_eq!(ShmidDs::size(&host()), size_of::<libc::shmid_ds>());
    }

    #[test]
    fn a_time_is_split_into_two_words_for_arm() {
        let mut w = Writer::new(arm::abi(Endian::Little));
        WideTime(0x1_8000_0002).put(&mut w);
        assert_eq!(w.done(), [2, 0, 0, 0x80, 1, 0, 0, 0]);
    }
}
