//! Clocks, sleeping, interval timers, POSIX timers, timer descriptors.

use super::SysResult;
use super::args::{Fd, In, Out};
use crate::abi::{Layout, Long};
use crate::errno::Errno;
use crate::rows;
use crate::sys::{addr, addr_mut, blocking, call};
use crate::task::Task;
use crate::uapi::signal::Sigevent;
use crate::uapi::time::{
    HostTime, Itimerspec, Itimerspec64, Itimerval, Timespec, Timespec64, Timeval, Timex, Timex64,
    Timezone, Tms,
};

rows! { TIME:
    time(out: Out<Long>) = Full;
    stime(seconds: In<Long>) = Full;
    gettimeofday(now: Out<Timeval>, zone: Out<Timezone>) = Full;
    settimeofday(now: In<Timeval>, zone: In<Timezone>) = Full;
    clock_gettime(clock: i32, now: Out<Timespec>) = Full;
    clock_gettime64(clock: i32, now: Out<Timespec64>) = Full;
    clock_settime(clock: i32, now: In<Timespec>) = Full;
    clock_settime64(clock: i32, now: In<Timespec64>) = Full;
    clock_getres(clock: i32, resolution: Out<Timespec>) = Full;
    clock_getres_time64(clock: i32, resolution: Out<Timespec64>) = Full;
    clock_nanosleep(clock: i32, flags: u32, time: In<Timespec>, left: Out<Timespec>) = Full;
    clock_nanosleep_time64(clock: i32, flags: u32, time: In<Timespec64>, left: Out<Timespec64>) = Full;
    nanosleep(time: In<Timespec>, left: Out<Timespec>) = Full;
    adjtimex(change: In<Timex>) = Full;
    clock_adjtime(clock: i32, change: In<Timex>) = Full;
    clock_adjtime64(clock: i32, change: In<Timex64>) = Full;
    times(out: Out<Tms>) = Full;
    getitimer(which: i32, now: Out<Itimerval>) = Full;
    setitimer(which: i32, new: In<Itimerval>, old: Out<Itimerval>) = Full;
    alarm(seconds: u32) = Full;
    timer_create(clock: i32, event: In<Sigevent>, id: Out<i32>) = Full;
    timer_gettime(id: i32, now: Out<Itimerspec>) = Full;
    timer_gettime64(id: i32, now: Out<Itimerspec64>) = Full;
    timer_settime(id: i32, flags: u32, new: In<Itimerspec>, old: Out<Itimerspec>) = Full;
    timer_settime64(id: i32, flags: u32, new: In<Itimerspec64>, old: Out<Itimerspec64>) = Full;
    timer_getoverrun(id: i32) = Full;
    timer_delete(id: i32) = Full;
    timerfd_create(clock: i32, flags: u32) = Full;
    timerfd_gettime(fd: Fd, now: Out<Itimerspec>) = Full;
    timerfd_gettime64(fd: Fd, now: Out<Itimerspec64>) = Full;
    timerfd_settime(fd: Fd, flags: u32, new: In<Itimerspec>, old: Out<Itimerspec>) = Full;
    timerfd_settime64(fd: Fd, flags: u32, new: In<Itimerspec64>, old: Out<Itimerspec64>) = Full;
}

const ZERO: libc::timespec = libc::timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

fn host_clock(nr: i64, clock: i32) -> Result<libc::timespec, Errno> {
    let mut now = ZERO;
    // Through the C library for the two common clocks: its vDSO needs no system call.
    if nr == libc::SYS_clock_gettime
        && matches!(clock, libc::CLOCK_REALTIME | libc::CLOCK_MONOTONIC)
    {
        crate::sys::vdso_clock(clock, &mut now);
        return Ok(now);
    }
    call(nr, [clock as u64, addr_mut(&mut now)])?;
    Ok(now)
}

fn time(t: &mut Task, out: Out<Long>) -> SysResult {
    let now = host_clock(libc::SYS_clock_gettime, libc::CLOCK_REALTIME)?.tv_sec;
    out.put_opt(t, &Long(now))?;
    Ok(now as u64)
}

fn stime(t: &mut Task, seconds: In<Long>) -> SysResult {
    let to = libc::timespec {
        tv_sec: seconds.get(t)?.0,
        tv_nsec: 0,
    };
    call(
        libc::SYS_clock_settime,
        [libc::CLOCK_REALTIME as u64, addr(&to)],
    )
}

fn gettimeofday(t: &mut Task, now: Out<Timeval>, zone: Out<Timezone>) -> SysResult {
    now.put_opt(
        t,
        &Timeval::from_host(&host_clock(libc::SYS_clock_gettime, libc::CLOCK_REALTIME)?),
    )?;
    if !zone.is_null() {
        let mut host = [0i32; 2];
        call(libc::SYS_gettimeofday, [0, addr_mut(&mut host)])?;
        zone.put(
            t,
            &Timezone {
                minuteswest: host[0],
                dsttime: host[1],
            },
        )?;
    }
    Ok(0)
}

fn settimeofday(t: &mut Task, now: In<Timeval>, zone: In<Timezone>) -> SysResult {
    let now = now.opt(t)?.map(|v| [v.sec.0, v.usec.0]);
    let zone = zone.opt(t)?.map(|z| [z.minuteswest, z.dsttime]);
    call(
        libc::SYS_settimeofday,
        [now.as_ref().map_or(0, addr), zone.as_ref().map_or(0, addr)],
    )
}

fn clock_gettime(t: &mut Task, clock: i32, now: Out<Timespec>) -> SysResult {
    now.put(
        t,
        &Timespec::from_host(&host_clock(libc::SYS_clock_gettime, clock)?),
    )?;
    Ok(0)
}

fn clock_gettime64(t: &mut Task, clock: i32, now: Out<Timespec64>) -> SysResult {
    now.put(
        t,
        &Timespec64::from_host(&host_clock(libc::SYS_clock_gettime, clock)?),
    )?;
    Ok(0)
}

fn clock_settime(t: &mut Task, clock: i32, now: In<Timespec>) -> SysResult {
    call(
        libc::SYS_clock_settime,
        [clock as u64, addr(&now.get(t)?.to_host())],
    )
}

fn clock_settime64(t: &mut Task, clock: i32, now: In<Timespec64>) -> SysResult {
    call(
        libc::SYS_clock_settime,
        [clock as u64, addr(&now.get(t)?.to_host())],
    )
}

fn clock_getres(t: &mut Task, clock: i32, resolution: Out<Timespec>) -> SysResult {
    resolution.put_opt(
        t,
        &Timespec::from_host(&host_clock(libc::SYS_clock_getres, clock)?),
    )?;
    Ok(0)
}

fn clock_getres_time64(t: &mut Task, clock: i32, resolution: Out<Timespec64>) -> SysResult {
    resolution.put_opt(
        t,
        &Timespec64::from_host(&host_clock(libc::SYS_clock_getres, clock)?),
    )?;
    Ok(0)
}

/// Sleeps. A relative sleep that a signal ends tells the time left; if no handler ran, it is restarted with that.
fn sleep<T: HostTime>(
    t: &mut Task,
    clock: i32,
    flags: u32,
    time: In<T>,
    left: Out<T>,
) -> SysResult {
    let time = time.get(t)?.to_host();
    if time.tv_sec < 0 || !(0..1_000_000_000).contains(&time.tv_nsec) {
        return Err(Errno::EINVAL);
    }
    let absolute = flags & libc::TIMER_ABSTIME as u32 != 0;
    let mut rest = ZERO;
    let args = [
        clock as u64,
        flags.into(),
        addr(&time),
        addr_mut(&mut rest),
        0,
        0,
    ];
    let result = blocking(t, libc::SYS_clock_nanosleep, args);
    match result {
        Err(Errno::EINTR) if absolute => Err(Errno::ERESTARTNOHAND),
        Err(Errno::EINTR) => {
            // A signal that arrived before the call: nothing of the time has passed.
            if rest.tv_sec == 0 && rest.tv_nsec == 0 {
                rest = time;
            }
            left.put_opt(t, &T::from_host(&rest))?;
            t.restart_sleep(clock, rest);
            Err(Errno::ERESTART_RESTARTBLOCK)
        }
        other => other,
    }
}

fn clock_nanosleep(
    t: &mut Task,
    clock: i32,
    flags: u32,
    time: In<Timespec>,
    left: Out<Timespec>,
) -> SysResult {
    sleep(t, clock, flags, time, left)
}

fn clock_nanosleep_time64(
    t: &mut Task,
    clock: i32,
    flags: u32,
    time: In<Timespec64>,
    left: Out<Timespec64>,
) -> SysResult {
    sleep(t, clock, flags, time, left)
}

fn nanosleep(t: &mut Task, time: In<Timespec>, left: Out<Timespec>) -> SysResult {
    sleep(t, libc::CLOCK_MONOTONIC, 0, time, left)
}

/// Both layouts of `struct timex` by way of the host's.
fn adjust<T: Layout>(
    t: &mut Task,
    clock: i32,
    change: In<T>,
    to: fn(&T) -> libc::timex,
    from: fn(&libc::timex) -> T,
) -> SysResult {
    let mut host = to(&change.get(t)?);
    let state = call(libc::SYS_clock_adjtime, [clock as u64, addr_mut(&mut host)])?;
    change.back().put(t, &from(&host))?;
    Ok(state)
}

fn adjtimex(t: &mut Task, change: In<Timex>) -> SysResult {
    clock_adjtime(t, libc::CLOCK_REALTIME, change)
}

fn clock_adjtime(t: &mut Task, clock: i32, change: In<Timex>) -> SysResult {
    adjust(t, clock, change, Timex::to_host, Timex::from_host)
}

fn clock_adjtime64(t: &mut Task, clock: i32, change: In<Timex64>) -> SysResult {
    adjust(t, clock, change, Timex64::to_host, Timex64::from_host)
}

fn times(t: &mut Task, out: Out<Tms>) -> SysResult {
    let mut host = [0i64; 4];
    let now = call(libc::SYS_times, [addr_mut(&mut host)])?;
    let [utime, stime, cutime, cstime] = host.map(Long);
    out.put_opt(
        t,
        &Tms {
            utime,
            stime,
            cutime,
            cstime,
        },
    )?;
    Ok(now)
}

fn itimerval(v: [i64; 4]) -> Itimerval {
    let [a, b, c, d] = v.map(Long);
    Itimerval {
        interval: Timeval { sec: a, usec: b },
        value: Timeval { sec: c, usec: d },
    }
}

fn getitimer(t: &mut Task, which: i32, now: Out<Itimerval>) -> SysResult {
    let mut host = [0i64; 4];
    call(libc::SYS_getitimer, [which as u64, addr_mut(&mut host)])?;
    now.put(t, &itimerval(host))?;
    Ok(0)
}

fn setitimer(t: &mut Task, which: i32, new: In<Itimerval>, old: Out<Itimerval>) -> SysResult {
    // NULL disarms, which the kernel keeps for old programs.
    let new = new.opt(t)?.map(|v| {
        [
            v.interval.sec.0,
            v.interval.usec.0,
            v.value.sec.0,
            v.value.usec.0,
        ]
    });
    let new = new.unwrap_or([0; 4]);
    let mut host = [0i64; 4];
    call(
        libc::SYS_setitimer,
        [which as u64, addr(&new), addr_mut(&mut host)],
    )?;
    old.put_opt(t, &itimerval(host))?;
    Ok(0)
}

fn alarm(_: &mut Task, seconds: u32) -> SysResult {
    call(libc::SYS_alarm, [seconds.into()])
}

fn timer_create(t: &mut Task, clock: i32, event: In<Sigevent>, id: Out<i32>) -> SysResult {
    let event = event.opt(t)?.map(|e| e.to_host());
    let mut host_id = [0i32];
    call(
        libc::SYS_timer_create,
        [
            clock as u64,
            event.as_ref().map_or(0, addr),
            addr_mut(&mut host_id),
        ],
    )?;
    if let Err(e) = id.put(t, &host_id[0]) {
        call(libc::SYS_timer_delete, [host_id[0] as u64])?;
        return Err(e);
    }
    Ok(0)
}

/// Timers of both kinds in both widths: the host's four numbers and the guest's structure.
trait TimerSpec: Layout {
    fn to_host(&self) -> [libc::timespec; 2];
    fn from_host(v: &[libc::timespec; 2]) -> Self;
}

impl TimerSpec for Itimerspec {
    fn to_host(&self) -> [libc::timespec; 2] {
        [self.interval.to_host(), self.value.to_host()]
    }
    fn from_host([interval, value]: &[libc::timespec; 2]) -> Self {
        Itimerspec {
            interval: Timespec::from_host(interval),
            value: Timespec::from_host(value),
        }
    }
}

impl TimerSpec for Itimerspec64 {
    fn to_host(&self) -> [libc::timespec; 2] {
        [self.interval.to_host(), self.value.to_host()]
    }
    fn from_host([interval, value]: &[libc::timespec; 2]) -> Self {
        Itimerspec64 {
            interval: Timespec64::from_host(interval),
            value: Timespec64::from_host(value),
        }
    }
}

fn timer_get<T: TimerSpec>(t: &mut Task, nr: i64, id: i32, now: Out<T>) -> SysResult {
    let mut host = [ZERO; 2];
    call(nr, [id as u64, addr_mut(&mut host)])?;
    now.put(t, &T::from_host(&host))?;
    Ok(0)
}

fn timer_set<T: TimerSpec>(
    t: &mut Task,
    nr: i64,
    id: i32,
    flags: u32,
    new: In<T>,
    old: Out<T>,
) -> SysResult {
    let new = new.get(t)?.to_host();
    let mut host = [ZERO; 2];
    call(
        nr,
        [id as u64, flags.into(), addr(&new), addr_mut(&mut host)],
    )?;
    old.put_opt(t, &T::from_host(&host))?;
    Ok(0)
}

fn timer_gettime(t: &mut Task, id: i32, now: Out<Itimerspec>) -> SysResult {
    timer_get(t, libc::SYS_timer_gettime, id, now)
}

fn timer_gettime64(t: &mut Task, id: i32, now: Out<Itimerspec64>) -> SysResult {
    timer_get(t, libc::SYS_timer_gettime, id, now)
}

fn timer_settime(
    t: &mut Task,
    id: i32,
    flags: u32,
    new: In<Itimerspec>,
    old: Out<Itimerspec>,
) -> SysResult {
    timer_set(t, libc::SYS_timer_settime, id, flags, new, old)
}

fn timer_settime64(
    t: &mut Task,
    id: i32,
    flags: u32,
    new: In<Itimerspec64>,
    old: Out<Itimerspec64>,
) -> SysResult {
    timer_set(t, libc::SYS_timer_settime, id, flags, new, old)
}

fn timer_getoverrun(_: &mut Task, id: i32) -> SysResult {
    call(libc::SYS_timer_getoverrun, [id as u64])
}

fn timer_delete(_: &mut Task, id: i32) -> SysResult {
    call(libc::SYS_timer_delete, [id as u64])
}

fn timerfd_create(t: &mut Task, clock: i32, flags: u32) -> SysResult {
    t.process.numbers.expect();
    call(
        libc::SYS_timerfd_create,
        [clock as u64, t.abi.open_to_host(flags).into()],
    )
}

fn timerfd_gettime(t: &mut Task, fd: Fd, now: Out<Itimerspec>) -> SysResult {
    timer_get(t, libc::SYS_timerfd_gettime, fd.0, now)
}

fn timerfd_gettime64(t: &mut Task, fd: Fd, now: Out<Itimerspec64>) -> SysResult {
    timer_get(t, libc::SYS_timerfd_gettime, fd.0, now)
}

fn timerfd_settime(
    t: &mut Task,
    fd: Fd,
    flags: u32,
    new: In<Itimerspec>,
    old: Out<Itimerspec>,
) -> SysResult {
    timer_set(t, libc::SYS_timerfd_settime, fd.0, flags, new, old)
}

fn timerfd_settime64(
    t: &mut Task,
    fd: Fd,
    flags: u32,
    new: In<Itimerspec64>,
    old: Out<Itimerspec64>,
) -> SysResult {
    timer_set(t, libc::SYS_timerfd_settime, fd.0, flags, new, old)
}
