//! Descriptors that tell events: eventfd, inotify, signalfd. (epoll is in poll.rs, timerfd in time.rs.)
//! What a guest of the other byte order reads from them is turned round in order.rs.

use super::SysResult;
use super::args::{Fd, Path, Ptr};
use crate::errno::Errno;
use crate::rows;
use crate::sys::{addr, call};
use crate::task::Task;

rows! { EVENT:
    eventfd(count: u32) = Full;
    eventfd2(count: u32, flags: u32) = Full;
    inotify_init() = Full;
    inotify_init1(flags: u32) = Full;
    inotify_add_watch(fd: Fd, path: Path, mask: u32) = Full;
    inotify_rm_watch(fd: Fd, watch: i32) = Full;
    signalfd(fd: Fd, mask: Ptr, size: u64) = Full;
    signalfd4(fd: Fd, mask: Ptr, size: u64, flags: u32) = Full;
}

fn eventfd(t: &mut Task, count: u32) -> SysResult {
    eventfd2(t, count, 0)
}

fn eventfd2(t: &mut Task, count: u32, flags: u32) -> SysResult {
    t.process.numbers.expect();
    call(
        libc::SYS_eventfd2,
        [count.into(), t.abi.open_to_host(flags).into()],
    )
}

fn inotify_init(t: &mut Task) -> SysResult {
    inotify_init1(t, 0)
}

fn inotify_init1(t: &mut Task, flags: u32) -> SysResult {
    t.process.numbers.expect();
    call(libc::SYS_inotify_init1, [t.abi.open_to_host(flags).into()])
}

fn inotify_add_watch(t: &mut Task, fd: Fd, path: Path, mask: u32) -> SysResult {
    let host = if mask & libc::IN_DONT_FOLLOW != 0 {
        t.host_link(&path)
    } else {
        t.host_path(&path)
    };
    call(
        libc::SYS_inotify_add_watch,
        [fd.0 as u64, host.ptr(), mask.into()],
    )
}

fn inotify_rm_watch(_: &mut Task, fd: Fd, watch: i32) -> SysResult {
    call(libc::SYS_inotify_rm_watch, [fd.0 as u64, watch as u64])
}

fn signalfd(t: &mut Task, fd: Fd, mask: Ptr, size: u64) -> SysResult {
    signalfd4(t, fd, mask, size, 0)
}

fn signalfd4(t: &mut Task, fd: Fd, mask: Ptr, size: u64, flags: u32) -> SysResult {
    if size != 8 {
        return Err(Errno::EINVAL);
    }
    let set = t.signal_mask(mask.0, size)?.ok_or(Errno::EFAULT)?;
    let args = [fd.0 as u64, addr(&set), 8, t.abi.open_to_host(flags).into()];
    t.process.numbers.expect();
    call(libc::SYS_signalfd4, args)
}
