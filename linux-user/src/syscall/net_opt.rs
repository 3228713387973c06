//! Socket options by table: level, number, form of the value. References: the kernel's uapi headers socket.h, in.h,
//! in6.h, tcp.h, udp.h, if_packet.h, netlink.h.

use super::SysResult;
use super::args::{Fd, Ptr};
use super::payload::{INTS, QUADS, RAW, Shape};
use crate::abi::{Layout, host};
use crate::errno::Errno;
use crate::rows;
use crate::sys::{addr_mut, blocking};
use crate::task::Task;
use crate::uapi::net::{SockFilter, SockFprog};
use tcg_mem::GuestVa;

rows! { NET_OPT:
    setsockopt(fd: Fd, level: i32, option: i32, value: Ptr, len: i32) = Partial;
    getsockopt(fd: Fd, level: i32, option: i32, value: Ptr, len: Ptr) = Partial;
}

/// How an option's value is carried over.
#[derive(Clone, Copy)]
enum Form {
    /// Members of fixed form.
    Data(Shape),
    /// `struct sock_fprog`.
    Filter,
    /// A `u32` and socket addresses aligned to a word: `struct group_req` and its relatives.
    Group,
}

const fn fixed(runs: &'static [(usize, usize)]) -> Form {
    Form::Data(Shape::Fixed(runs))
}

const INT: Form = Form::Data(INTS);
const LONG: Form = Form::Data(Shape::Longs);
const QUAD: Form = Form::Data(QUADS);
const BYTES: Form = Form::Data(RAW);
/// Two addresses and an interface: `struct ip_mreqn`.
const MREQ: Form = fixed(&[(1, 8), (4, 0)]);
/// An IPv6 address and an interface.
const MREQ6: Form = fixed(&[(1, 16), (4, 0)]);
/// tcp.h: `struct tcp_info`.
const TCP_INFO: Form = fixed(&[
    (1, 8),
    (4, 24),
    (8, 4),
    (4, 6),
    (8, 4),
    (4, 2),
    (8, 2),
    (4, 0),
]);

const SOL_IP: i32 = libc::IPPROTO_IP;
const SOL_IPV6: i32 = libc::IPPROTO_IPV6;
const SOL_RAW: i32 = 255;
const SOL_ICMPV6: i32 = 58;
const SOL_CAN_RAW: i32 = 101;
const SOL_VSOCK: i32 = libc::AF_VSOCK;
const SOL_TLS: i32 = 282;

/// Level, first and last number, form. The first row that fits counts.
const OPTIONS: &[(i32, i32, i32, Form)] = &[
    (libc::SOL_SOCKET, 20, 21, LONG), // SO_RCVTIMEO_OLD, SO_SNDTIMEO_OLD: struct timeval
    (libc::SOL_SOCKET, 25, 25, BYTES), // SO_BINDTODEVICE
    (libc::SOL_SOCKET, 26, 26, Form::Filter), // SO_ATTACH_FILTER
    (libc::SOL_SOCKET, 28, 28, Form::Data(Shape::Address)), // SO_PEERNAME
    (libc::SOL_SOCKET, 31, 31, BYTES), // SO_PEERSEC
    (libc::SOL_SOCKET, 51, 51, Form::Filter), // SO_ATTACH_REUSEPORT_CBPF
    (libc::SOL_SOCKET, 57, 57, QUAD), // SO_COOKIE
    (libc::SOL_SOCKET, 66, 67, QUAD), // SO_RCVTIMEO_NEW, SO_SNDTIMEO_NEW
    (libc::SOL_SOCKET, 71, 71, QUAD), // SO_NETNS_COOKIE
    (libc::SOL_SOCKET, 1, 84, INT),
    (SOL_IP, 1, 3, INT),
    (SOL_IP, 4, 4, BYTES), // IP_OPTIONS
    (SOL_IP, 5, 8, INT),
    (SOL_IP, 10, 15, INT),
    (SOL_IP, 18, 29, INT),
    (SOL_IP, 32, 32, MREQ), // IP_MULTICAST_IF
    (SOL_IP, 33, 34, INT),
    (SOL_IP, 35, 36, MREQ),  // IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP
    (SOL_IP, 37, 40, BYTES), // struct ip_mreq_source: three addresses
    (SOL_IP, 41, 41, fixed(&[(1, 8), (4, 2), (1, 0)])), // IP_MSFILTER
    (SOL_IP, 42, 48, Form::Group), // MCAST_JOIN_GROUP to MCAST_MSFILTER
    (SOL_IP, 49, 51, INT),
    (SOL_IPV6, 1, 5, INT),
    (SOL_IPV6, 7, 8, INT),
    (SOL_IPV6, 16, 19, INT),
    (SOL_IPV6, 20, 21, MREQ6), // IPV6_JOIN_GROUP, IPV6_LEAVE_GROUP
    (SOL_IPV6, 22, 26, INT),
    (SOL_IPV6, 27, 28, MREQ6), // IPV6_JOIN_ANYCAST, IPV6_LEAVE_ANYCAST
    (SOL_IPV6, 29, 31, INT),
    (SOL_IPV6, 32, 32, fixed(&[(1, 22), (2, 3), (1, 0)])), // IPV6_FLOWLABEL_MGR
    (SOL_IPV6, 33, 33, INT),
    (SOL_IPV6, 36, 37, INT),
    (SOL_IPV6, 42, 48, Form::Group),
    (SOL_IPV6, 49, 49, INT),
    (SOL_IPV6, 50, 50, MREQ6), // IPV6_PKTINFO
    (SOL_IPV6, 51, 53, INT),
    (SOL_IPV6, 54, 55, BYTES), // IPV6_HOPOPTS, IPV6_RTHDRDSTOPTS
    (SOL_IPV6, 57, 57, BYTES), // IPV6_RTHDR
    (SOL_IPV6, 59, 59, BYTES), // IPV6_DSTOPTS
    (SOL_IPV6, 61, 61, fixed(&[(2, 1), (1, 22), (4, 0)])), // IPV6_PATHMTU
    (SOL_IPV6, 56, 78, INT),
    (libc::SOL_TCP, 11, 11, TCP_INFO),
    (libc::SOL_TCP, 13, 13, BYTES), // TCP_CONGESTION
    (
        libc::SOL_TCP,
        14,
        14,
        fixed(&[(2, 1), (1, 128), (2, 1), (4, 1), (1, 0)]),
    ), // TCP_MD5SIG
    (libc::SOL_TCP, 28, 28, BYTES), // TCP_SAVED_SYN
    (libc::SOL_TCP, 31, 31, BYTES), // TCP_ULP
    (
        libc::SOL_TCP,
        32,
        32,
        fixed(&[(2, 1), (1, 128), (2, 1), (4, 1), (1, 0)]),
    ), // TCP_MD5SIG_EXT
    (libc::SOL_TCP, 33, 33, BYTES), // TCP_FASTOPEN_KEY
    (libc::SOL_TCP, 1, 34, INT),
    (libc::SOL_TCP, 36, 37, INT),
    (libc::SOL_UDP, 1, 104, INT),
    (libc::IPPROTO_UDPLITE, 1, 104, INT),
    (SOL_RAW, 1, 1, INT),    // ICMP_FILTER
    (SOL_ICMPV6, 1, 1, INT), // ICMPV6_FILTER
    (SOL_RAW, 7, 7, INT),    // IPV6_CHECKSUM
    (SOL_CAN_RAW, 1, 7, INT),
    (SOL_VSOCK, 0, 2, QUAD), // buffer sizes
    (SOL_VSOCK, 6, 6, LONG), // SO_VM_SOCKETS_CONNECT_TIMEOUT_OLD
    (SOL_VSOCK, 8, 8, QUAD), // SO_VM_SOCKETS_CONNECT_TIMEOUT_NEW
    (SOL_VSOCK, 3, 7, INT),
    (libc::SOL_PACKET, 1, 2, fixed(&[(4, 1), (2, 2), (1, 0)])), // struct packet_mreq
    (libc::SOL_PACKET, 3, 24, INT),
    (libc::SOL_NETLINK, 1, 12, INT),
    (libc::SOL_ALG, 1, 1, BYTES), // ALG_SET_KEY
    (libc::SOL_ALG, 2, 5, INT),
    (SOL_TLS, 1, 2, fixed(&[(2, 2), (1, 0)])), // struct tls_crypto_info and keys
    (SOL_TLS, 3, 4, INT),
    (libc::SOL_TIPC, 127, 137, INT),
];

fn host_option(t: &Task, level: i32, option: i32) -> i32 {
    match level {
        libc::SOL_SOCKET => t.abi.socket_option_to_host(option),
        _ => option,
    }
}

fn form(t: &Task, level: i32, option: i32) -> Result<Form, Errno> {
    let row = OPTIONS
        .iter()
        .find(|(l, first, last, _)| *l == level && (*first..=*last).contains(&option));
    match row {
        Some((.., form)) => Ok(*form),
        None => {
            super::strace::unimp(t, &format!("socket option {option} of level {level}"));
            Err(Errno::ENOPROTOOPT)
        }
    }
}

/// Longest option value.
const VALUE_MAX: u64 = 1 << 20;
/// Longest filter program (BPF_MAXINSNS).
const FILTER_MAX: u64 = 4096;

fn length(len: i32) -> Result<u64, Errno> {
    u64::try_from(len).map_err(|_| Errno::EINVAL)
}

/// Sets a value in the host's form.
fn set(t: &mut Task, fd: Fd, level: i32, option: i32, value: u64, len: usize) -> SysResult {
    let args = [
        fd.0 as u64,
        level as u64,
        option as u64,
        value,
        len as u64,
        0,
    ];
    blocking(t, libc::SYS_setsockopt, args).map_err(Errno::restart)
}

fn setsockopt(t: &mut Task, fd: Fd, level: i32, option: i32, value: Ptr, len: i32) -> SysResult {
    let len = length(len)?;
    let option = host_option(t, level, option);
    let (abi, host) = (t.abi, host());
    match form(t, level, option)? {
        Form::Data(_) if value.0.0 == 0 => set(t, fd, level, option, 0, len as usize),
        Form::Data(shape) => {
            let guest = t.get_bytes(value.0, len, VALUE_MAX)?;
            let v = shape.recode(&abi, &host, &guest);
            set(t, fd, level, option, v.as_ptr() as u64, v.len())
        }
        Form::Group => {
            let guest = t.get_bytes(value.0, len, VALUE_MAX)?;
            let v = group_to_host(
                abi.word,
                &INTS.recode(&abi, &host, guest.get(..4).unwrap_or(&guest)),
                &guest,
            );
            set(t, fd, level, option, v.as_ptr() as u64, v.len())
        }
        Form::Filter => attach_filter(t, fd, level, option, value.0, len),
    }
}

/// `struct group_req` and its relatives: what follows the first number is aligned to a word.
fn group_to_host(word: usize, index: &[u8], guest: &[u8]) -> Vec<u8> {
    let mut out = index.to_vec();
    if let Some(rest) = guest.get(word..) {
        out.resize(host().word, 0);
        out.extend_from_slice(rest);
    }
    out
}

fn attach_filter(
    t: &mut Task,
    fd: Fd,
    level: i32,
    option: i32,
    value: GuestVa,
    len: u64,
) -> SysResult {
    if len < SockFprog::size(&t.abi) as u64 {
        return Err(Errno::EINVAL);
    }
    let program = t.get::<SockFprog>(value)?;
    let code =
        t.get_array::<SockFilter>(GuestVa(program.filter.0), program.len.into(), FILTER_MAX)?;
    let mut host: Vec<libc::sock_filter> = code
        .iter()
        .map(|i| libc::sock_filter {
            code: i.code,
            jt: i.jt,
            jf: i.jf,
            k: i.k,
        })
        .collect();
    let mut program = libc::sock_fprog {
        len: program.len,
        filter: host.as_mut_ptr(),
    };
    let size = size_of_val(&program);
    set(t, fd, level, option, addr_mut(&mut program), size)
}

fn getsockopt(t: &mut Task, fd: Fd, level: i32, option: i32, value: Ptr, len: Ptr) -> SysResult {
    let room = length(t.get::<i32>(len.0)?)?;
    let option = host_option(t, level, option);
    let shape = match form(t, level, option)? {
        Form::Data(shape) => shape,
        Form::Filter | Form::Group => {
            super::strace::unimp(
                t,
                &format!("reading socket option {option} of level {level}"),
            );
            return Err(Errno::ENOPROTOOPT);
        }
    };
    let (abi, host) = (t.abi, host());
    let want = shape.resize(&abi, &host, room.min(VALUE_MAX) as usize);
    let mut buf = vec![0u8; want];
    let mut got = want as u32;
    let args = [
        fd.0 as u64,
        level as u64,
        option as u64,
        buf.as_mut_ptr() as u64,
        addr_mut(&mut got),
        0,
    ];
    let result = blocking(t, libc::SYS_getsockopt, args);
    let data = buf.get(..got as usize).unwrap_or(&buf);
    if let Err(e) = result {
        // With ERANGE the kernel tells the length that it wants.
        if e == Errno::ERANGE && got as usize != want {
            t.put::<u32>(len.0, &got)?;
        }
        return Err(e);
    }
    t.put_bytes(value.0, &shape.recode(&host, &abi, data))?;
    let size = shape.resize(&host, &abi, got as usize) as u32;
    t.put::<u32>(len.0, &size)?;
    Ok(0)
}
