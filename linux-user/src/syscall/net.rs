//! Sockets: making, naming, connecting, plain sending and receiving; `socketcall`. Messages with headers are in
//! net_msg.rs, options in net_opt.rs.

use super::SysResult;
use super::args::{Fd, InBytes, Out, Ptr, Regs};
use super::payload::Shape;
use crate::abi::{ULong, host};
use crate::errno::Errno;
use crate::rows;
use crate::sys::{addr_mut, blocking, call};
use crate::task::Task;
use tcg_mem::GuestVa;

rows! { NET:
    socket(domain: i32, kind: u32, protocol: i32) = Full;
    socketpair(domain: i32, kind: u32, protocol: i32, fds: Out<[i32; 2]>) = Full;
    bind(fd: Fd, address: Ptr, len: i32) = Full;
    connect(fd: Fd, address: Ptr, len: i32) = Full;
    listen(fd: Fd, backlog: i32) = Full;
    accept(fd: Fd, address: Ptr, len: Ptr) = Full;
    accept4(fd: Fd, address: Ptr, len: Ptr, flags: u32) = Full;
    getsockname(fd: Fd, address: Ptr, len: Ptr) = Full;
    getpeername(fd: Fd, address: Ptr, len: Ptr) = Full;
    send(fd: Fd, data: InBytes, count: u64, flags: u32) = Full;
    sendto(fd: Fd, data: InBytes, count: u64, flags: u32, address: Ptr, len: i32) = Full;
    recv(fd: Fd, buf: Ptr, count: u64, flags: u32) = Full;
    recvfrom(fd: Fd, buf: Ptr, count: u64, flags: u32, address: Ptr, len: Ptr) = Full;
    shutdown(fd: Fd, how: i32) = Full;
    socketcall(number: i32, args: Ptr) = Full;
}

/// Size of `struct sockaddr_storage`, the longest address.
pub const ADDRESS_MAX: usize = 128;

/// Room for an address that the host gives.
pub struct HostAddress {
    /// Its bytes.
    pub bytes: [u8; ADDRESS_MAX],
    /// In: the room; out: the full length, which may be larger.
    pub len: u32,
}

impl HostAddress {
    /// An empty one.
    pub fn new() -> HostAddress {
        HostAddress {
            bytes: [0; ADDRESS_MAX],
            len: ADDRESS_MAX as u32,
        }
    }

    /// What the host has given.
    pub fn given(&self) -> &[u8] {
        self.bytes.get(..self.len as usize).unwrap_or(&self.bytes)
    }
}

/// Bits of the type argument that name the type itself; the others are flags of open.
const TYPE_MASK: u32 = 0xf;
/// Only the kernel sets it.
const MSG_CMSG_COMPAT: u32 = 0x8000_0000;

impl Task {
    /// An address that the guest gives.
    pub fn get_address(&self, va: GuestVa, len: i32) -> Result<Vec<u8>, Errno> {
        let len = usize::try_from(len).map_err(|_| Errno::EINVAL)?;
        let bytes = self.get_bytes(va, len as u64, ADDRESS_MAX as u64)?;
        Ok(Shape::Address.recode(&self.abi, &host(), &bytes))
    }

    /// Stores an address and its full length where the guest wants them.
    pub fn put_address(&self, va: GuestVa, len: GuestVa, from: &HostAddress) -> Result<(), Errno> {
        let room = usize::try_from(self.get::<i32>(len)?).map_err(|_| Errno::EINVAL)?;
        let bytes = Shape::Address.recode(&host(), &self.abi, from.given());
        self.put_bytes(va, bytes.get(..room).unwrap_or(&bytes))?;
        self.put::<u32>(len, &from.len)
    }

    /// Flags of send and receive as the host's.
    pub fn msg_flags(&self, flags: u32) -> u32 {
        if self.abi.is_64() {
            flags
        } else {
            flags & !MSG_CMSG_COMPAT
        }
    }
}

/// The host's error; an interrupted call is restarted unless the socket has a timeout (`option`: SO_RCVTIMEO or
/// SO_SNDTIMEO), as the kernel does.
pub fn restart(fd: Fd, option: i32, e: Errno) -> Errno {
    if e != Errno::EINTR {
        return e;
    }
    let (mut time, mut len) = ([0u64; 2], 16u32);
    let args = [
        fd.0 as u64,
        libc::SOL_SOCKET as u64,
        option as u64,
        addr_mut(&mut time),
        addr_mut(&mut len),
    ];
    match call(libc::SYS_getsockopt, args) {
        Ok(_) if time != [0; 2] => Errno::EINTR,
        _ => Errno::ERESTARTSYS,
    }
}

fn type_to_host(t: &Task, kind: u32) -> u64 {
    (kind & TYPE_MASK | t.abi.open_to_host(kind & !TYPE_MASK)).into()
}

fn socket(t: &mut Task, domain: i32, kind: u32, protocol: i32) -> SysResult {
    let kind = type_to_host(t, kind);
    call(libc::SYS_socket, [domain as u64, kind, protocol as u64])
}

fn socketpair(
    t: &mut Task,
    domain: i32,
    kind: u32,
    protocol: i32,
    fds: Out<[i32; 2]>,
) -> SysResult {
    let mut pair = [0i32; 2];
    let args = [
        domain as u64,
        type_to_host(t, kind),
        protocol as u64,
        addr_mut(&mut pair),
    ];
    call(libc::SYS_socketpair, args)?;
    if let Err(e) = fds.put(t, &pair) {
        close_all(&pair);
        return Err(e);
    }
    Ok(0)
}

/// Closes descriptors that the guest never learns of.
pub fn close_all(fds: &[i32]) {
    for fd in fds {
        // Nothing can be done about a failure.
        let _ = call(libc::SYS_close, [*fd as u64]);
    }
}

fn bind(t: &mut Task, fd: Fd, address: Ptr, len: i32) -> SysResult {
    let a = t.get_address(address.0, len)?;
    let args = [fd.0 as u64, a.as_ptr() as u64, a.len() as u64];
    call(libc::SYS_bind, args)
}

fn connect(t: &mut Task, fd: Fd, address: Ptr, len: i32) -> SysResult {
    let a = t.get_address(address.0, len)?;
    let args = [fd.0 as u64, a.as_ptr() as u64, a.len() as u64, 0, 0, 0];
    blocking(t, libc::SYS_connect, args).map_err(|e| restart(fd, libc::SO_SNDTIMEO, e))
}

fn listen(_: &mut Task, fd: Fd, backlog: i32) -> SysResult {
    call(libc::SYS_listen, [fd.0 as u64, backlog as u64])
}

fn accept(t: &mut Task, fd: Fd, address: Ptr, len: Ptr) -> SysResult {
    accept4(t, fd, address, len, 0)
}

fn accept4(t: &mut Task, fd: Fd, address: Ptr, len: Ptr, flags: u32) -> SysResult {
    let mut from = HostAddress::new();
    let flags = t.abi.open_to_host(flags).into();
    let (to, size) = (addr_mut(&mut from.bytes), addr_mut(&mut from.len));
    let new = blocking(t, libc::SYS_accept4, [fd.0 as u64, to, size, flags, 0, 0])
        .map_err(|e| restart(fd, libc::SO_RCVTIMEO, e))?;
    if address.0.0 != 0
        && let Err(e) = t.put_address(address.0, len.0, &from)
    {
        close_all(&[new as i32]);
        return Err(e);
    }
    Ok(new)
}

fn name(t: &mut Task, nr: i64, fd: Fd, address: Ptr, len: Ptr) -> SysResult {
    let mut from = HostAddress::new();
    let (to, size) = (addr_mut(&mut from.bytes), addr_mut(&mut from.len));
    call(nr, [fd.0 as u64, to, size])?;
    t.put_address(address.0, len.0, &from)?;
    Ok(0)
}

fn getsockname(t: &mut Task, fd: Fd, address: Ptr, len: Ptr) -> SysResult {
    name(t, libc::SYS_getsockname, fd, address, len)
}

fn getpeername(t: &mut Task, fd: Fd, address: Ptr, len: Ptr) -> SysResult {
    name(t, libc::SYS_getpeername, fd, address, len)
}

fn send(t: &mut Task, fd: Fd, data: InBytes, count: u64, flags: u32) -> SysResult {
    sendto(t, fd, data, count, flags, Ptr(GuestVa(0)), 0)
}

fn sendto(
    t: &mut Task,
    fd: Fd,
    data: InBytes,
    count: u64,
    flags: u32,
    address: Ptr,
    len: i32,
) -> SysResult {
    let from = t.host_in(data.0, count)?;
    let a = if address.0.0 == 0 {
        Vec::new()
    } else {
        t.get_address(address.0, len)?
    };
    let to = if address.0.0 == 0 {
        0
    } else {
        a.as_ptr() as u64
    };
    let flags = t.msg_flags(flags).into();
    let args = [fd.0 as u64, from, count, flags, to, a.len() as u64];
    blocking(t, libc::SYS_sendto, args).map_err(|e| restart(fd, libc::SO_SNDTIMEO, e))
}

fn recv(t: &mut Task, fd: Fd, buf: Ptr, count: u64, flags: u32) -> SysResult {
    let null = Ptr(GuestVa(0));
    recvfrom(t, fd, buf, count, flags, null, null)
}

fn recvfrom(
    t: &mut Task,
    fd: Fd,
    buf: Ptr,
    count: u64,
    flags: u32,
    address: Ptr,
    len: Ptr,
) -> SysResult {
    let to = t.host_out(buf.0, count)?;
    let flags = t.msg_flags(flags).into();
    let mut from = HostAddress::new();
    let (name, size) = if address.0.0 == 0 {
        (0, 0)
    } else {
        (addr_mut(&mut from.bytes), addr_mut(&mut from.len))
    };
    let n = blocking(
        t,
        libc::SYS_recvfrom,
        [fd.0 as u64, to, count, flags, name, size],
    )
    .map_err(|e| restart(fd, libc::SO_RCVTIMEO, e))?;
    if address.0.0 != 0 {
        t.put_address(address.0, len.0, &from)?;
    }
    Ok(n)
}

fn shutdown(_: &mut Task, fd: Fd, how: i32) -> SysResult {
    call(libc::SYS_shutdown, [fd.0 as u64, how as u64])
}

/// net.h: the calls of `socketcall` from number 1 on, with the number of their arguments.
const SOCKETCALLS: &[(&str, usize)] = &[
    ("socket", 3),
    ("bind", 3),
    ("connect", 3),
    ("listen", 2),
    ("accept", 3),
    ("getsockname", 3),
    ("getpeername", 3),
    ("socketpair", 4),
    ("send", 4),
    ("recv", 4),
    ("sendto", 6),
    ("recvfrom", 6),
    ("shutdown", 2),
    ("setsockopt", 5),
    ("getsockopt", 5),
    ("sendmsg", 3),
    ("recvmsg", 3),
    ("accept4", 4),
    ("recvmmsg", 5),
    ("sendmmsg", 4),
];

fn socketcall(t: &mut Task, number: i32, args: Ptr) -> SysResult {
    let (name, count) = usize::try_from(number)
        .ok()
        .and_then(|n| SOCKETCALLS.get(n.checked_sub(1)?))
        .ok_or(Errno::EINVAL)?;
    let mut regs = [0u64; 7];
    let given = t.get_array::<ULong>(args.0, *count as u64, 6)?;
    regs.iter_mut()
        .zip(given)
        .for_each(|(to, from)| *to = from.0);
    let desc = [&NET[..], &super::net_msg::NET_MSG, &super::net_opt::NET_OPT]
        .into_iter()
        .flatten()
        .find(|d| d.name == *name)
        .ok_or(Errno::ENOSYS)?;
    (desc.func)(t, &mut Regs::new(&t.abi.clone(), regs))
}
