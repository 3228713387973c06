//! POSIX message queues.

use super::SysResult;
use super::args::{Fd, In, InBytes, Mode, Out, Path, Ptr};
use crate::abi::{Layout, Reader, Writer, host};
use crate::errno::Errno;
use crate::rows;
use crate::sys::{addr, addr_mut, blocking, call};
use crate::task::Task;
use crate::uapi::ipc::MqAttr;
use crate::uapi::signal::Sigevent;
use crate::uapi::time::{HostTime, Timespec, Timespec64};
use tcg_mem::GuestVa;

rows! { MQ:
    mq_open(name: Path, flags: u32, mode: Mode, attributes: In<MqAttr>) = Full;
    mq_unlink(name: Path) = Full;
    mq_timedsend(queue: Fd, data: InBytes, count: u64, priority: u32, until: In<Timespec>) = Full;
    mq_timedsend_time64(queue: Fd, data: InBytes, count: u64, priority: u32, until: In<Timespec64>) = Full;
    mq_timedreceive(queue: Fd, buf: Ptr, count: u64, priority: Out<u32>, until: In<Timespec>) = Full;
    mq_timedreceive_time64(queue: Fd, buf: Ptr, count: u64, priority: Out<u32>, until: In<Timespec64>) = Full;
    mq_notify(queue: Fd, event: In<Sigevent>) = Full;
    mq_getsetattr(queue: Fd, new: In<MqAttr>, old: Out<MqAttr>) = Full;
}

/// `struct mq_attr` of the host: eight words.
type HostAttr = [u8; 64];

fn attr_to_host(t: &Task, attr: &MqAttr) -> HostAttr {
    let mut a = *attr;
    a.flags.0 = t.abi.open_to_host(attr.flags.0 as u32).into();
    let mut w = Writer::new(host());
    a.put(&mut w);
    let mut out = [0; 64];
    out.iter_mut()
        .zip(w.done())
        .for_each(|(to, from)| *to = *from);
    out
}

fn mq_open(t: &mut Task, name: Path, flags: u32, mode: Mode, attributes: In<MqAttr>) -> SysResult {
    let attr = attributes.opt(t)?.map(|a| attr_to_host(t, &a));
    let args = [
        name.0.as_ptr() as u64,
        t.abi.open_to_host(flags).into(),
        mode.0.into(),
        attr.as_ref().map_or(0, addr),
    ];
    call(libc::SYS_mq_open, args)
}

fn mq_unlink(_: &mut Task, name: Path) -> SysResult {
    call(libc::SYS_mq_unlink, [name.0.as_ptr() as u64])
}

fn send_until<T: HostTime>(
    t: &mut Task,
    queue: Fd,
    data: GuestVa,
    count: u64,
    priority: u32,
    until: In<T>,
) -> SysResult {
    let until = until.opt(t)?.map(|v| v.to_host());
    let from = t.host_in(data, count)?;
    let time = until.as_ref().map_or(0, addr);
    let args = [queue.0 as u64, from, count, priority.into(), time, 0];
    blocking(t, libc::SYS_mq_timedsend, args).map_err(Errno::restart)
}

fn mq_timedsend(
    t: &mut Task,
    queue: Fd,
    data: InBytes,
    count: u64,
    priority: u32,
    until: In<Timespec>,
) -> SysResult {
    send_until(t, queue, data.0, count, priority, until)
}

fn mq_timedsend_time64(
    t: &mut Task,
    queue: Fd,
    data: InBytes,
    count: u64,
    priority: u32,
    until: In<Timespec64>,
) -> SysResult {
    send_until(t, queue, data.0, count, priority, until)
}

fn receive_until<T: HostTime>(
    t: &mut Task,
    queue: Fd,
    buf: GuestVa,
    count: u64,
    priority: Out<u32>,
    until: In<T>,
) -> SysResult {
    let until = until.opt(t)?.map(|v| v.to_host());
    let to = t.host_out(buf, count)?;
    let mut given = 0u32;
    let args = [
        queue.0 as u64,
        to,
        count,
        addr_mut(&mut given),
        until.as_ref().map_or(0, addr),
        0,
    ];
    let n = blocking(t, libc::SYS_mq_timedreceive, args).map_err(Errno::restart)?;
    priority.put_opt(t, &given)?;
    Ok(n)
}

fn mq_timedreceive(
    t: &mut Task,
    queue: Fd,
    buf: Ptr,
    count: u64,
    priority: Out<u32>,
    until: In<Timespec>,
) -> SysResult {
    receive_until(t, queue, buf.0, count, priority, until)
}

fn mq_timedreceive_time64(
    t: &mut Task,
    queue: Fd,
    buf: Ptr,
    count: u64,
    priority: Out<u32>,
    until: In<Timespec64>,
) -> SysResult {
    receive_until(t, queue, buf.0, count, priority, until)
}

fn mq_notify(t: &mut Task, queue: Fd, event: In<Sigevent>) -> SysResult {
    /// Length of what a SIGEV_THREAD notification sends through a netlink socket.
    const COOKIE: u64 = 32;
    let Some(event) = event.opt(t)? else {
        return call(libc::SYS_mq_notify, [queue.0 as u64, 0]);
    };
    let mut e = event.to_host();
    if event.notify == libc::SIGEV_THREAD {
        e.sigev_value.sival_ptr = t.host_in(GuestVa(event.value), COOKIE)? as *mut libc::c_void;
    }
    call(libc::SYS_mq_notify, [queue.0 as u64, addr(&e)])
}

fn mq_getsetattr(t: &mut Task, queue: Fd, new: In<MqAttr>, old: Out<MqAttr>) -> SysResult {
    let new = new.opt(t)?.map(|a| attr_to_host(t, &a));
    let mut before: HostAttr = [0; 64];
    let args = [
        queue.0 as u64,
        new.as_ref().map_or(0, addr),
        addr_mut(&mut before),
    ];
    let n = call(libc::SYS_mq_getsetattr, args)?;
    let mut a = MqAttr::get(&mut Reader::new(host(), &before));
    a.flags.0 = t.abi.open_to_guest(a.flags.0 as u32).into();
    old.put_opt(t, &a)?;
    Ok(n)
}
