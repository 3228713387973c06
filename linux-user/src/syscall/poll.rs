//! Waiting for descriptors: poll, select and their variants, epoll.

use super::SysResult;
use super::args::{Fd, In, Ptr, SLong};
use crate::abi::{Layout, Reader, ULong, Writer};
use crate::errno::Errno;
use crate::rows;
use crate::sys::{addr, addr_mut, blocking, call};
use crate::task::Task;
use crate::uapi::poll::{EpollEvent, Pollfd, SigsetArg};
use crate::uapi::time::{HostTime, Timespec, Timespec64, Timeval};
use tcg_mem::GuestVa;

rows! { POLL:
    poll(fds: Ptr, count: u32, timeout: i32) = Full;
    ppoll(fds: Ptr, count: u32, timeout: In<Timespec>, mask: Ptr, size: u64) = Full;
    ppoll_time64(fds: Ptr, count: u32, timeout: In<Timespec64>, mask: Ptr, size: u64) = Full;
    select(count: i32, read: Ptr, write: Ptr, except: Ptr, timeout: In<Timeval>) = Full;
    pselect6(count: i32, read: Ptr, write: Ptr, except: Ptr, timeout: In<Timespec>, mask: In<SigsetArg>) = Full;
    pselect6_time64(count: i32, read: Ptr, write: Ptr, except: Ptr, timeout: In<Timespec64>, mask: In<SigsetArg>) = Full;
    epoll_create(size: i32) = Full;
    epoll_create1(flags: u32) = Full;
    epoll_ctl(epoll: Fd, operation: i32, fd: Fd, event: Ptr) = Full;
    epoll_wait(epoll: Fd, events: Ptr, max: i32, timeout: i32) = Full;
    epoll_pwait(epoll: Fd, events: Ptr, max: i32, timeout: i32, mask: Ptr, size: SLong) = Full;
    epoll_pwait2(epoll: Fd, events: Ptr, max: i32, timeout: In<Timespec64>, mask: Ptr, size: SLong) = Full;
}

impl Task {
    /// A guest's signal set given by address and size: `None` for NULL.
    pub fn signal_mask(&self, va: GuestVa, size: u64) -> Result<Option<u64>, Errno> {
        if va.0 == 0 {
            return Ok(None);
        }
        if size != 8 {
            return Err(Errno::EINVAL);
        }
        // Words in order, each in the guest's byte order.
        let word = self.abi.word;
        let mut buf = [0u8; 8];
        self.mem.read(va, &mut buf)?;
        let mut r = Reader::new(self.abi, &buf);
        Ok(Some(if word == 8 {
            r.uint(8)
        } else {
            r.uint(4) | r.uint(4) << 32
        }))
    }
}

fn check_time(t: Option<libc::timespec>) -> Result<Option<libc::timespec>, Errno> {
    match t {
        Some(v) if v.tv_sec < 0 || !(0..1_000_000_000).contains(&v.tv_nsec) => Err(Errno::EINVAL),
        other => Ok(other),
    }
}

fn opt_addr<T>(v: &Option<T>) -> u64 {
    v.as_ref().map_or(0, addr)
}

fn opt_addr_mut<T>(v: &mut Option<T>) -> u64 {
    v.as_mut().map_or(0, addr_mut)
}

/// poll and ppoll: the host changes `timeout` to what is left.
fn poll_any(
    t: &mut Task,
    fds: Ptr,
    count: u32,
    timeout: &mut Option<libc::timespec>,
    mask: Option<u64>,
) -> SysResult {
    let limit = crate::syscall::poll::file_limit();
    if u64::from(count) > limit {
        return Err(Errno::EINVAL);
    }
    let list = t.get_array::<Pollfd>(fds.0, count.into(), limit)?;
    let mut host: Vec<libc::pollfd> = list
        .iter()
        .map(|p| libc::pollfd {
            fd: p.fd,
            events: p.events,
            revents: 0,
        })
        .collect();
    let args = [
        host.as_mut_ptr() as u64,
        count.into(),
        opt_addr_mut(timeout),
        opt_addr(&mask),
        8,
        0,
    ];
    let n = t.with_mask(mask, |t| blocking(t, libc::SYS_ppoll, args))?;
    let size = Pollfd::size(&t.abi) as u64;
    for (i, polled) in host.iter().enumerate() {
        let mut w = Writer::new(t.abi);
        polled.revents.put(&mut w);
        t.put_bytes(GuestVa(fds.0.0 + i as u64 * size + 6), w.done())?;
    }
    Ok(n)
}

/// The soft limit of descriptors, which bounds poll's array.
fn file_limit() -> u64 {
    crate::sys::soft_limit(crate::sys::RLIMIT_NOFILE).unwrap_or(1024)
}

fn poll(t: &mut Task, fds: Ptr, count: u32, timeout: i32) -> SysResult {
    let ms = i64::from(timeout);
    let mut time = (ms >= 0).then_some(libc::timespec {
        tv_sec: ms / 1000,
        tv_nsec: ms % 1000 * 1_000_000,
    });
    // The kernel would go on with the remaining time through restart_syscall; a stop signal restarts it in full.
    poll_any(t, fds, count, &mut time, None).map_err(Errno::no_hand)
}

fn ppoll_with<T: HostTime>(
    t: &mut Task,
    fds: Ptr,
    count: u32,
    timeout: In<T>,
    mask: Ptr,
    size: u64,
) -> SysResult {
    let mut time = check_time(timeout.opt(t)?.map(|v| v.to_host()))?;
    let mask = t.signal_mask(mask.0, size)?;
    let result = poll_any(t, fds, count, &mut time, mask);
    if let Some(left) = time {
        // As in the kernel, failure to tell the remaining time is no error.
        let _ = timeout.back().put(t, &T::from_host(&left));
    }
    result.map_err(Errno::no_hand)
}

fn ppoll(
    t: &mut Task,
    fds: Ptr,
    count: u32,
    timeout: In<Timespec>,
    mask: Ptr,
    size: u64,
) -> SysResult {
    ppoll_with(t, fds, count, timeout, mask, size)
}

fn ppoll_time64(
    t: &mut Task,
    fds: Ptr,
    count: u32,
    timeout: In<Timespec64>,
    mask: Ptr,
    size: u64,
) -> SysResult {
    ppoll_with(t, fds, count, timeout, mask, size)
}

/// A guest's descriptor set as the host's words, and where it came from.
struct FdSet {
    va: GuestVa,
    words: Vec<u64>,
}

impl FdSet {
    fn get(t: &Task, va: GuestVa, count: usize) -> Result<FdSet, Errno> {
        let mut words = vec![0u64; count.div_ceil(64)];
        if va.0 != 0 {
            let bits = t.abi.word * 8;
            for (i, w) in t
                .get_array::<ULong>(va, count.div_ceil(bits) as u64, 1 << 20)?
                .iter()
                .enumerate()
            {
                if let Some(word) = words.get_mut(i * bits / 64) {
                    *word |= w.0 << (i * bits % 64);
                }
            }
        }
        Ok(FdSet { va, words })
    }

    fn host(&mut self) -> u64 {
        if self.va.0 == 0 {
            0
        } else {
            self.words.as_mut_ptr() as u64
        }
    }

    fn put(&self, t: &Task, count: usize) -> Result<(), Errno> {
        if self.va.0 == 0 {
            return Ok(());
        }
        let bits = t.abi.word * 8;
        for i in 0..count.div_ceil(bits) {
            let word = self.words.get(i * bits / 64).copied().unwrap_or(0) >> (i * bits % 64);
            t.put(GuestVa(self.va.0 + (i * t.abi.word) as u64), &ULong(word))?;
        }
        Ok(())
    }
}

fn select_any(
    t: &mut Task,
    count: i32,
    sets: [Ptr; 3],
    timeout: &mut Option<libc::timespec>,
    mask: Option<u64>,
) -> SysResult {
    let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
    // The kernel looks no further than its table of descriptors.
    let count = count.min(1 << 20);
    let [r, w, e] = sets;
    let (mut r, mut w, mut e) = (
        FdSet::get(t, r.0, count)?,
        FdSet::get(t, w.0, count)?,
        FdSet::get(t, e.0, count)?,
    );
    let sigmask = [opt_addr(&mask), 8];
    let args = [
        count as u64,
        r.host(),
        w.host(),
        e.host(),
        opt_addr_mut(timeout),
        addr(&sigmask),
    ];
    let n = t.with_mask(mask, |t| blocking(t, libc::SYS_pselect6, args))?;
    for set in [&r, &w, &e] {
        set.put(t, count)?;
    }
    Ok(n)
}

fn select(
    t: &mut Task,
    count: i32,
    read: Ptr,
    write: Ptr,
    except: Ptr,
    timeout: In<Timeval>,
) -> SysResult {
    let mut time = timeout.opt(t)?.map(|v| libc::timespec {
        tv_sec: v.sec.0.saturating_add(v.usec.0.div_euclid(1_000_000)),
        tv_nsec: v.usec.0.rem_euclid(1_000_000) * 1000,
    });
    time = check_time(time)?;
    let result = select_any(t, count, [read, write, except], &mut time, None);
    if let Some(left) = time {
        let _ = timeout.back().put(t, &Timeval::from_host(&left));
    }
    result.map_err(Errno::no_hand)
}

fn pselect_with<T: HostTime>(
    t: &mut Task,
    count: i32,
    sets: [Ptr; 3],
    timeout: In<T>,
    mask: In<SigsetArg>,
) -> SysResult {
    let mut time = check_time(timeout.opt(t)?.map(|v| v.to_host()))?;
    let mask = match mask.opt(t)? {
        Some(m) => t.signal_mask(GuestVa(m.va.0), m.size.0)?,
        None => None,
    };
    let result = select_any(t, count, sets, &mut time, mask);
    if let Some(left) = time {
        let _ = timeout.back().put(t, &T::from_host(&left));
    }
    result.map_err(Errno::no_hand)
}

fn pselect6(
    t: &mut Task,
    count: i32,
    read: Ptr,
    write: Ptr,
    except: Ptr,
    timeout: In<Timespec>,
    mask: In<SigsetArg>,
) -> SysResult {
    pselect_with(t, count, [read, write, except], timeout, mask)
}

fn pselect6_time64(
    t: &mut Task,
    count: i32,
    read: Ptr,
    write: Ptr,
    except: Ptr,
    timeout: In<Timespec64>,
    mask: In<SigsetArg>,
) -> SysResult {
    pselect_with(t, count, [read, write, except], timeout, mask)
}

fn epoll_create(_: &mut Task, size: i32) -> SysResult {
    if size <= 0 {
        return Err(Errno::EINVAL);
    }
    call(libc::SYS_epoll_create1, [0])
}

fn epoll_create1(t: &mut Task, flags: u32) -> SysResult {
    call(libc::SYS_epoll_create1, [t.abi.open_to_host(flags).into()])
}

fn epoll_ctl(t: &mut Task, epoll: Fd, operation: i32, fd: Fd, event: Ptr) -> SysResult {
    let mut host = libc::epoll_event { events: 0, u64: 0 };
    if operation != libc::EPOLL_CTL_DEL {
        let v = t.get::<EpollEvent>(event.0)?;
        host = libc::epoll_event {
            events: v.events,
            u64: v.data,
        };
    }
    call(
        libc::SYS_epoll_ctl,
        [
            epoll.0 as u64,
            operation as u64,
            fd.0 as u64,
            addr_mut(&mut host),
        ],
    )
}

/// Runs a wait call with a host array and stores the events that came.
fn epoll_any(
    t: &mut Task,
    nr: i64,
    epoll: Fd,
    events: Ptr,
    max: i32,
    timeout: u64,
    mask: Option<u64>,
) -> SysResult {
    let size = EpollEvent::size(&t.abi) as u64;
    if max <= 0 || max as u64 > i32::MAX as u64 / size {
        return Err(Errno::EINVAL);
    }
    // More events than this stay queued for the next call.
    let max = max.min(4096);
    let mut host = vec![libc::epoll_event { events: 0, u64: 0 }; max as usize];
    let args = [
        epoll.0 as u64,
        host.as_mut_ptr() as u64,
        max as u64,
        timeout,
        opt_addr(&mask),
        8,
    ];
    let n = t.with_mask(mask, |t| blocking(t, nr, args))?;
    for (i, e) in host.iter().take(n as usize).enumerate() {
        t.put(
            GuestVa(events.0.0 + i as u64 * size),
            &EpollEvent {
                events: e.events,
                data: e.u64,
            },
        )?;
    }
    Ok(n)
}

fn epoll_wait(t: &mut Task, epoll: Fd, events: Ptr, max: i32, timeout: i32) -> SysResult {
    epoll_any(
        t,
        libc::SYS_epoll_pwait,
        epoll,
        events,
        max,
        timeout as u64,
        None,
    )
}

fn epoll_pwait(
    t: &mut Task,
    epoll: Fd,
    events: Ptr,
    max: i32,
    timeout: i32,
    mask: Ptr,
    size: SLong,
) -> SysResult {
    let mask = t.signal_mask(mask.0, size.0 as u64)?;
    epoll_any(
        t,
        libc::SYS_epoll_pwait,
        epoll,
        events,
        max,
        timeout as u64,
        mask,
    )
}

fn epoll_pwait2(
    t: &mut Task,
    epoll: Fd,
    events: Ptr,
    max: i32,
    timeout: In<Timespec64>,
    mask: Ptr,
    size: SLong,
) -> SysResult {
    let mask = t.signal_mask(mask.0, size.0 as u64)?;
    let time = check_time(timeout.opt(t)?.map(|v| v.to_host()))?;
    epoll_any(
        t,
        libc::SYS_epoll_pwait2,
        epoll,
        events,
        max,
        opt_addr(&time),
        mask,
    )
}
