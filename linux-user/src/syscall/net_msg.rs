//! Messages with headers: sendmsg, recvmsg and their lists.

use super::SysResult;
use super::args::{Fd, In, Ptr};
use super::cmsg;
use super::net::{ADDRESS_MAX, close_all, restart};
use super::payload::Shape;
use crate::abi::{Layout, ULong, host};
use crate::errno::Errno;
use crate::rows;
use crate::sys::{addr_mut, blocking};
use crate::task::Task;
use crate::uapi::net::{Mmsghdr, Msghdr};
use crate::uapi::time::{HostTime, Timespec, Timespec64};
use tcg_mem::GuestVa;

rows! { NET_MSG:
    sendmsg(fd: Fd, message: In<Msghdr>, flags: u32) = Full;
    recvmsg(fd: Fd, message: In<Msghdr>, flags: u32) = Full;
    sendmmsg(fd: Fd, messages: Ptr, count: u32, flags: u32) = Full;
    recvmmsg(fd: Fd, messages: Ptr, count: u32, flags: u32, timeout: In<Timespec>) = Full;
    recvmmsg_time64(fd: Fd, messages: Ptr, count: u32, flags: u32, timeout: In<Timespec64>) = Full;
}

/// Longest vector and longest list of messages.
const UIO_MAXIOV: u64 = 1024;
/// Longest control data; the kernel's net.core.optmem_max is of this order.
const CONTROL_MAX: u64 = 1 << 17;

/// A message's parts on the host; their addresses stay the same when it moves.
struct Message {
    guest: Msghdr,
    name: Vec<u8>,
    control: Vec<u8>,
    iov: Vec<libc::iovec>,
}

/// `struct mmsghdr` of the host.
#[repr(C)]
struct HostMessage {
    hdr: libc::msghdr,
    len: u32,
}

impl Message {
    fn read(t: &Task, guest: Msghdr, output: bool) -> Result<Message, Errno> {
        if guest.namelen < 0 {
            return Err(Errno::EINVAL);
        }
        if guest.iovlen.0 > UIO_MAXIOV {
            return Err(Errno::EMSGSIZE);
        }
        let iov = t.iovec(GuestVa(guest.iov.0), guest.iovlen.0, output)?;
        let mut m = Message {
            guest,
            name: Vec::new(),
            control: Vec::new(),
            iov,
        };
        if output {
            m.make_room();
        } else {
            m.take_parts(t)?;
        }
        Ok(m)
    }

    fn take_parts(&mut self, t: &Task) -> Result<(), Errno> {
        if self.guest.name.0 != 0 {
            let len = self.guest.namelen.min(ADDRESS_MAX as i32);
            self.name = t.get_address(GuestVa(self.guest.name.0), len)?;
        }
        if self.guest.controllen.0 != 0 {
            if self.guest.controllen.0 > CONTROL_MAX {
                return Err(Errno::ENOBUFS);
            }
            let control = t.get_bytes(
                GuestVa(self.guest.control.0),
                self.guest.controllen.0,
                CONTROL_MAX,
            )?;
            self.control = cmsg::to_host(&t.abi, &control)?;
        }
        Ok(())
    }

    fn make_room(&mut self) {
        if self.guest.name.0 != 0 {
            self.name = vec![0; ADDRESS_MAX];
        }
        if self.guest.control.0 != 0 && self.guest.controllen.0 != 0 {
            // Every message grows when it becomes the host's; the factor covers the smallest of them.
            let room = self.guest.controllen.0.min(CONTROL_MAX) as usize;
            self.control = vec![0; room * 2 + 64];
        }
    }

    fn header(&mut self) -> libc::msghdr {
        let mut h: libc::msghdr = crate::sys::zeroed();
        if !self.name.is_empty() {
            h.msg_name = self.name.as_mut_ptr().cast();
            h.msg_namelen = self.name.len() as u32;
        }
        if !self.control.is_empty() {
            h.msg_control = self.control.as_mut_ptr().cast();
            h.msg_controllen = self.control.len() as _;
        }
        h.msg_iov = self.iov.as_mut_ptr();
        h.msg_iovlen = self.iov.len() as _;
        h
    }

    /// Gives the guest what the host has received; the new header is for the caller to store.
    fn deliver(&self, t: &Task, h: &libc::msghdr) -> Result<Msghdr, Errno> {
        let mut guest = self.guest;
        #[allow(clippy::unnecessary_cast, reason = "socklen_t with musl")]
        let length = h.msg_controllen as usize;
        let control = self.control.get(..length).unwrap_or_default();
        let room = self.guest.controllen.0.min(CONTROL_MAX) as usize;
        if !control.is_empty() {
            t.process.numbers.expect();
        }
        let c = cmsg::to_guest(&t.abi, control, room);
        close_all(&c.surplus);
        guest.flags = h.msg_flags as u32;
        if c.truncated {
            guest.flags |= libc::MSG_CTRUNC as u32;
        }
        if !c.bytes.is_empty() {
            t.put_bytes(GuestVa(self.guest.control.0), &c.bytes)?;
        }
        guest.controllen = ULong(c.bytes.len() as u64);
        if self.guest.name.0 != 0 {
            let full = h.msg_namelen as usize;
            let name = self.name.get(..full).unwrap_or(&self.name);
            let name = Shape::Address.recode(&host(), &t.abi, name);
            let room = self.guest.namelen as usize;
            t.put_bytes(
                GuestVa(self.guest.name.0),
                name.get(..room).unwrap_or(&name),
            )?;
            guest.namelen = h.msg_namelen as i32;
        }
        Ok(guest)
    }
}

fn sendmsg(t: &mut Task, fd: Fd, message: In<Msghdr>, flags: u32) -> SysResult {
    let mut m = Message::read(t, message.get(t)?, false)?;
    let mut h = m.header();
    let flags = t.msg_flags(flags).into();
    let args = [fd.0 as u64, addr_mut(&mut h), flags, 0, 0, 0];
    blocking(t, libc::SYS_sendmsg, args).map_err(|e| restart(fd, libc::SO_SNDTIMEO, e))
}

fn recvmsg(t: &mut Task, fd: Fd, message: In<Msghdr>, flags: u32) -> SysResult {
    let mut m = Message::read(t, message.get(t)?, true)?;
    let mut h = m.header();
    let flags = t.msg_flags(flags).into();
    let args = [fd.0 as u64, addr_mut(&mut h), flags, 0, 0, 0];
    let n = blocking(t, libc::SYS_recvmsg, args).map_err(|e| restart(fd, libc::SO_RCVTIMEO, e))?;
    let guest = m.deliver(t, &h)?;
    message.back().put(t, &guest)?;
    Ok(n)
}

/// The address of message `i` in a list.
fn place(t: &Task, list: Ptr, i: usize) -> GuestVa {
    GuestVa(list.0.0.wrapping_add((i * Mmsghdr::size(&t.abi)) as u64))
}

/// A list of messages; a bad one ends it, and is an error only if it is the first.
fn read_list(t: &Task, list: Ptr, count: u32, output: bool) -> Result<Vec<Message>, Errno> {
    let mut out = Vec::new();
    for i in 0..count.min(UIO_MAXIOV as u32) as usize {
        let one = t
            .get::<Mmsghdr>(place(t, list, i))
            .and_then(|m| Message::read(t, m.hdr, output));
        match one {
            Ok(m) => out.push(m),
            Err(e) if i == 0 => return Err(e),
            Err(_) => break,
        }
    }
    Ok(out)
}

fn headers(list: &mut [Message]) -> Vec<HostMessage> {
    list.iter_mut()
        .map(|m| HostMessage {
            hdr: m.header(),
            len: 0,
        })
        .collect()
}

fn sendmmsg(t: &mut Task, fd: Fd, messages: Ptr, count: u32, flags: u32) -> SysResult {
    let mut list = read_list(t, messages, count, false)?;
    let mut hosts = headers(&mut list);
    let flags = t.msg_flags(flags).into();
    let args = [
        fd.0 as u64,
        hosts.as_mut_ptr() as u64,
        hosts.len() as u64,
        flags,
        0,
        0,
    ];
    let n = blocking(t, libc::SYS_sendmmsg, args).map_err(|e| restart(fd, libc::SO_SNDTIMEO, e))?;
    for (i, (m, h)) in list.iter().zip(&hosts).take(n as usize).enumerate() {
        let (hdr, len) = (m.guest, h.len);
        t.put(place(t, messages, i), &Mmsghdr { hdr, len })?;
    }
    Ok(n)
}

fn receive_list<T: HostTime>(
    t: &mut Task,
    fd: Fd,
    messages: Ptr,
    count: u32,
    flags: u32,
    timeout: In<T>,
) -> SysResult {
    let mut left = timeout.opt(t)?.map(|v| v.to_host());
    let mut list = read_list(t, messages, count, true)?;
    let mut hosts = headers(&mut list);
    let args = [
        fd.0 as u64,
        hosts.as_mut_ptr() as u64,
        hosts.len() as u64,
        t.msg_flags(flags).into(),
        left.as_mut().map_or(0, addr_mut),
        0,
    ];
    let n = blocking(t, libc::SYS_recvmmsg, args).map_err(|e| restart(fd, libc::SO_RCVTIMEO, e))?;
    for (i, (m, h)) in list.iter().zip(&hosts).take(n as usize).enumerate() {
        let hdr = m.deliver(t, &h.hdr)?;
        t.put(place(t, messages, i), &Mmsghdr { hdr, len: h.len })?;
    }
    if let Some(left) = left {
        timeout.back().put(t, &T::from_host(&left))?;
    }
    Ok(n)
}

fn recvmmsg(
    t: &mut Task,
    fd: Fd,
    messages: Ptr,
    count: u32,
    flags: u32,
    timeout: In<Timespec>,
) -> SysResult {
    receive_list(t, fd, messages, count, flags, timeout)
}

fn recvmmsg_time64(
    t: &mut Task,
    fd: Fd,
    messages: Ptr,
    count: u32,
    flags: u32,
    timeout: In<Timespec64>,
) -> SysResult {
    receive_list(t, fd, messages, count, flags, timeout)
}
