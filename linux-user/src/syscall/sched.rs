//! Scheduling, priorities, resource limits and usage, personality.

use super::SysResult;
use super::args::{In, Out, Ptr};
use crate::abi::{Layout, Long, ULong};
use crate::errno::Errno;
use crate::rows;
use crate::sys::{addr, addr_mut, call};
use crate::task::Task;
use crate::uapi::system::{Rlimit, Rlimit64, Rusage, SchedAttr};
use crate::uapi::time::{HostTime, Timespec, Timespec64, Timeval};
use tcg_mem::GuestVa;

rows! { SCHED:
    sched_yield() = Full;
    sched_getscheduler(pid: i32) = Full;
    sched_setscheduler(pid: i32, policy: i32, priority: In<i32>) = Full;
    sched_getparam(pid: i32, priority: Out<i32>) = Full;
    sched_setparam(pid: i32, priority: In<i32>) = Full;
    sched_get_priority_max(policy: i32) = Full;
    sched_get_priority_min(policy: i32) = Full;
    sched_rr_get_interval(pid: i32, time: Out<Timespec>) = Full;
    sched_rr_get_interval_time64(pid: i32, time: Out<Timespec64>) = Full;
    sched_getaffinity(pid: i32, size: u32, mask: Ptr) = Full;
    sched_setaffinity(pid: i32, size: u32, mask: Ptr) = Full;
    sched_getattr(pid: i32, attr: Out<SchedAttr>, size: u32, flags: u32) = Full;
    sched_setattr(pid: i32, attr: In<SchedAttr>, flags: u32) = Full;
    getpriority(which: i32, who: i32) = Full;
    setpriority(which: i32, who: i32, value: i32) = Full;
    nice(increment: i32) = Full;
    ioprio_get(which: i32, who: i32) = Full;
    ioprio_set(which: i32, who: i32, value: i32) = Full;
    getrlimit(resource: u32, out: Out<Rlimit>) = Full;
    setrlimit(resource: u32, new: In<Rlimit>) = Full;
    prlimit64(pid: i32, resource: u32, new: In<Rlimit64>, old: Out<Rlimit64>) = Full;
    getrusage(who: i32, out: Out<Rusage>) = Full;
    personality(persona: u32) = Full;
}

fn sched_yield(_: &mut Task) -> SysResult {
    call(libc::SYS_sched_yield, [])
}

fn sched_getscheduler(_: &mut Task, pid: i32) -> SysResult {
    call(libc::SYS_sched_getscheduler, [pid as u64])
}

fn sched_setscheduler(t: &mut Task, pid: i32, policy: i32, priority: In<i32>) -> SysResult {
    call(
        libc::SYS_sched_setscheduler,
        [pid as u64, policy as u64, addr(&[priority.get(t)?])],
    )
}

fn sched_getparam(t: &mut Task, pid: i32, priority: Out<i32>) -> SysResult {
    let mut host = [0i32];
    call(libc::SYS_sched_getparam, [pid as u64, addr_mut(&mut host)])?;
    priority.put(t, &host[0])?;
    Ok(0)
}

fn sched_setparam(t: &mut Task, pid: i32, priority: In<i32>) -> SysResult {
    call(
        libc::SYS_sched_setparam,
        [pid as u64, addr(&[priority.get(t)?])],
    )
}

fn sched_get_priority_max(_: &mut Task, policy: i32) -> SysResult {
    call(libc::SYS_sched_get_priority_max, [policy as u64])
}

fn sched_get_priority_min(_: &mut Task, policy: i32) -> SysResult {
    call(libc::SYS_sched_get_priority_min, [policy as u64])
}

fn rr_interval<T: HostTime>(t: &mut Task, pid: i32, time: Out<T>) -> SysResult {
    let mut host = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    call(
        libc::SYS_sched_rr_get_interval,
        [pid as u64, addr_mut(&mut host)],
    )?;
    time.put(t, &T::from_host(&host))?;
    Ok(0)
}

fn sched_rr_get_interval(t: &mut Task, pid: i32, time: Out<Timespec>) -> SysResult {
    rr_interval(t, pid, time)
}

fn sched_rr_get_interval_time64(t: &mut Task, pid: i32, time: Out<Timespec64>) -> SysResult {
    rr_interval(t, pid, time)
}

/// Words of the largest processor set.
const CPU_WORDS: usize = 128;

fn sched_getaffinity(t: &mut Task, pid: i32, size: u32, mask: Ptr) -> SysResult {
    let word = t.abi.word;
    if !(size as usize).is_multiple_of(word) {
        return Err(Errno::EINVAL);
    }
    let mut host = [0u64; CPU_WORDS];
    // The host's kernel counts in 64-bit words; a guest's shorter set must only hold all processors.
    let room = (size as usize).next_multiple_of(8).min(size_of_val(&host));
    let bytes = call(
        libc::SYS_sched_getaffinity,
        [pid as u64, room as u64, addr_mut(&mut host)],
    )? as usize;
    let bytes = bytes.min(size as usize);
    for i in 0..bytes / word {
        let at = i * word * 8;
        let value = host.get(at / 64).copied().unwrap_or(0) >> (at % 64);
        t.put(GuestVa(mask.0.0 + (i * word) as u64), &ULong(value))?;
    }
    Ok(bytes as u64)
}

fn sched_setaffinity(t: &mut Task, pid: i32, size: u32, mask: Ptr) -> SysResult {
    let word = t.abi.word;
    let words = (size as usize).min(CPU_WORDS * 8) / word;
    let mut host = [0u64; CPU_WORDS];
    for (i, v) in t
        .get_array::<ULong>(mask.0, words as u64, CPU_WORDS as u64 * 2)?
        .iter()
        .enumerate()
    {
        let at = i * word * 8;
        if let Some(to) = host.get_mut(at / 64) {
            *to |= v.0 << (at % 64);
        }
    }
    let bytes = (words * word).next_multiple_of(8);
    call(
        libc::SYS_sched_setaffinity,
        [pid as u64, bytes as u64, addr(&host)],
    )
}

/// `struct sched_attr` of the first version: it has no padding, so the host's is the same numbers.
const SCHED_ATTR: u32 = 48;

fn sched_getattr(t: &mut Task, pid: i32, attr: Out<SchedAttr>, size: u32, flags: u32) -> SysResult {
    if size < SCHED_ATTR {
        return Err(Errno::EINVAL);
    }
    let mut host = [0u8; SCHED_ATTR as usize];
    let args = [
        pid as u64,
        addr_mut(&mut host),
        SCHED_ATTR.into(),
        flags.into(),
    ];
    call(libc::SYS_sched_getattr, args)?;
    attr.put(
        t,
        &SchedAttr::get(&mut crate::abi::Reader::new(crate::abi::host(), &host)),
    )?;
    Ok(0)
}

fn sched_setattr(t: &mut Task, pid: i32, attr: In<SchedAttr>, flags: u32) -> SysResult {
    let mut v = attr.get(t)?;
    if v.size != 0 && v.size < SCHED_ATTR {
        attr.back().put(
            t,
            &SchedAttr {
                size: SCHED_ATTR,
                ..v
            },
        )?;
        return Err(Errno::E2BIG);
    }
    v.size = SCHED_ATTR;
    let mut w = crate::abi::Writer::new(crate::abi::host());
    v.put(&mut w);
    call(
        libc::SYS_sched_setattr,
        [pid as u64, w.done().as_ptr() as u64, flags.into()],
    )
}

fn getpriority(_: &mut Task, which: i32, who: i32) -> SysResult {
    call(libc::SYS_getpriority, [which as u64, who as u64])
}

fn setpriority(_: &mut Task, which: i32, who: i32, value: i32) -> SysResult {
    call(
        libc::SYS_setpriority,
        [which as u64, who as u64, value as u64],
    )
}

fn nice(_: &mut Task, increment: i32) -> SysResult {
    const PRIO_PROCESS: u64 = 0;
    // The raw call answers 20 - nice.
    let now = 20 - call(libc::SYS_getpriority, [PRIO_PROCESS, 0])? as i64;
    let new = (now + i64::from(increment.clamp(-40, 40))).clamp(-20, 19);
    match call(libc::SYS_setpriority, [PRIO_PROCESS, 0, new as u64]) {
        Err(Errno::EACCES) => Err(Errno::EPERM),
        other => other,
    }
}

fn ioprio_get(_: &mut Task, which: i32, who: i32) -> SysResult {
    call(libc::SYS_ioprio_get, [which as u64, who as u64])
}

fn ioprio_set(_: &mut Task, which: i32, who: i32, value: i32) -> SysResult {
    call(
        libc::SYS_ioprio_set,
        [which as u64, who as u64, value as u64],
    )
}

/// Reads and sets a limit of this process or another. Limits that concern the address space are the guest's own:
/// passed on, they would hit the emulator.
fn limit(t: &mut Task, pid: i32, resource: u32, new: Option<[u64; 2]>) -> Result<[u64; 2], Errno> {
    let own = pid == 0 || i64::from(pid) == crate::sys::raw(libc::SYS_getpid, [0; 6]);
    if own && let Some(old) = t.memory_limit(resource, new) {
        return old;
    }
    let mut old = [0u64; 2];
    let new = new.as_ref().map_or(0, addr);
    call(
        libc::SYS_prlimit64,
        [pid as u64, resource.into(), new, addr_mut(&mut old)],
    )?;
    Ok(old)
}

fn getrlimit(t: &mut Task, resource: u32, out: Out<Rlimit>) -> SysResult {
    let [cur, max] = limit(t, 0, resource, None)?;
    // What a word cannot hold is infinite.
    let top = if t.abi.is_64() {
        u64::MAX
    } else {
        u32::MAX.into()
    };
    out.put(
        t,
        &Rlimit {
            cur: ULong(cur.min(top)),
            max: ULong(max.min(top)),
        },
    )?;
    Ok(0)
}

fn setrlimit(t: &mut Task, resource: u32, new: In<Rlimit>) -> SysResult {
    let v = new.get(t)?;
    let wide = |x: ULong| {
        if !t.abi.is_64() && x.0 == u64::from(u32::MAX) {
            u64::MAX
        } else {
            x.0
        }
    };
    let new = [wide(v.cur), wide(v.max)];
    limit(t, 0, resource, Some(new))?;
    Ok(0)
}

fn prlimit64(
    t: &mut Task,
    pid: i32,
    resource: u32,
    new: In<Rlimit64>,
    old: Out<Rlimit64>,
) -> SysResult {
    let new = new.opt(t)?.map(|v| [v.cur, v.max]);
    let [cur, max] = limit(t, pid, resource, new)?;
    old.put_opt(t, &Rlimit64 { cur, max })?;
    Ok(0)
}

/// `struct rusage` from the host's.
pub fn rusage(h: &libc::rusage) -> Rusage {
    let time = |v: &libc::timeval| Timeval {
        sec: Long(v.tv_sec),
        usec: Long(v.tv_usec),
    };
    let counts = [
        h.ru_maxrss,
        h.ru_ixrss,
        h.ru_idrss,
        h.ru_isrss,
        h.ru_minflt,
        h.ru_majflt,
        h.ru_nswap,
        h.ru_inblock,
        h.ru_oublock,
        h.ru_msgsnd,
        h.ru_msgrcv,
        h.ru_nsignals,
        h.ru_nvcsw,
        h.ru_nivcsw,
    ];
    Rusage {
        utime: time(&h.ru_utime),
        stime: time(&h.ru_stime),
        counts: counts.map(Long),
    }
}

fn getrusage(t: &mut Task, who: i32, out: Out<Rusage>) -> SysResult {
    let mut host: libc::rusage = crate::sys::zeroed();
    call(libc::SYS_getrusage, [who as u64, addr_mut(&mut host)])?;
    out.put(t, &rusage(&host))?;
    Ok(0)
}

fn personality(_: &mut Task, persona: u32) -> SysResult {
    call(libc::SYS_personality, [persona.into()])
}
