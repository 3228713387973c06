//! socket.h, uio.h: message headers, control messages, packet filters.

use crate::abi::ULong;
use crate::layout;

layout! {
    /// `struct user_msghdr`.
    pub struct Msghdr {
        name: ULong, namelen: i32, iov: ULong, iovlen: ULong, control: ULong, controllen: ULong, flags: u32,
    }

    /// `struct mmsghdr`.
    pub struct Mmsghdr { hdr: Msghdr, len: u32 }

    /// `struct cmsghdr`.
    pub struct Cmsghdr { len: ULong, level: i32, kind: i32 }

    /// `struct sock_fprog`: a classic BPF program.
    pub struct SockFprog { len: u16, filter: ULong }

    /// `struct sock_filter`.
    pub struct SockFilter { code: u16, jt: u8, jf: u8, k: u32 }
}
