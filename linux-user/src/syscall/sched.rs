//! Scheduling attributes, I/O priorities, usage.

use super::SysResult;
use super::args::{In, Out};
use crate::abi::{Layout, Long};
use crate::errno::Errno;
use crate::rows;
use crate::sys::{addr_mut, call};
use crate::task::Task;
use crate::uapi::system::{Rusage, SchedAttr};
use crate::uapi::time::{HostTime, Timespec, Timespec64, Timeval};

rows! { SCHED:
    sched_rr_get_interval(pid: i32, time: Out<Timespec>) = Full;
    sched_rr_get_interval_time64(pid: i32, time: Out<Timespec64>) = Full;
    sched_getattr(pid: i32, attr: Out<SchedAttr>, size: u32, flags: u32) = Full;
    sched_setattr(pid: i32, attr: In<SchedAttr>, flags: u32) = Full;
    ioprio_get(which: i32, who: i32) = Full;
    ioprio_set(which: i32, who: i32, value: i32) = Full;
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
