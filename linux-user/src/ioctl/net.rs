//! Sockets and network interfaces: sockios.h, if_tun.h.

use super::{Convert, Fd, GuestVa, ioctls};
use crate::abi::{Layout, ULong};
use crate::errno::Errno;
use crate::layout;
use crate::sys::addr_mut;
use crate::syscall::SysResult;
use crate::task::Task;
use crate::uapi::ioctl::{IfreqAddr, IfreqInt, IfreqShort};
use crate::uapi::time::{Timespec, Timeval};

const INT: Convert = Convert::of::<i32>();
const IF_INT: Convert = Convert::of::<IfreqInt>();
const IF_SHORT: Convert = Convert::of::<IfreqShort>();
const IF_ADDR: Convert = Convert::of::<IfreqAddr>();

ioctls! { NET:
    Fixed(0x8901) FIOSETOWN: Write(INT);
    Fixed(0x8902) SIOCSPGRP: Write(INT);
    Fixed(0x8903) FIOGETOWN: Read(INT);
    Fixed(0x8904) SIOCGPGRP: Read(INT);
    Fixed(0x8905) SIOCATMARK: Read(INT);
    Fixed(0x8906) SIOCGSTAMP_OLD: Read(Convert::of::<Timeval>());
    Fixed(0x8907) SIOCGSTAMPNS_OLD: Read(Convert::of::<Timespec>());
    Fixed(0x8010_8906) SIOCGSTAMP_NEW: Read(Convert::of::<[i64; 2]>());
    Fixed(0x8010_8907) SIOCGSTAMPNS_NEW: Read(Convert::of::<[i64; 2]>());
    Fixed(0x8910) SIOCGIFNAME: ReadWrite(IF_INT);
    Fixed(0x8912) SIOCGIFCONF: Custom(if_conf);
    Fixed(0x8913) SIOCGIFFLAGS: ReadWrite(IF_SHORT);
    Fixed(0x8914) SIOCSIFFLAGS: Write(IF_SHORT);
    Fixed(0x8915) SIOCGIFADDR: ReadWrite(IF_ADDR);
    Fixed(0x8916) SIOCSIFADDR: Write(IF_ADDR);
    Fixed(0x8917) SIOCGIFDSTADDR: ReadWrite(IF_ADDR);
    Fixed(0x8918) SIOCSIFDSTADDR: Write(IF_ADDR);
    Fixed(0x8919) SIOCGIFBRDADDR: ReadWrite(IF_ADDR);
    Fixed(0x891a) SIOCSIFBRDADDR: Write(IF_ADDR);
    Fixed(0x891b) SIOCGIFNETMASK: ReadWrite(IF_ADDR);
    Fixed(0x891c) SIOCSIFNETMASK: Write(IF_ADDR);
    Fixed(0x891d) SIOCGIFMETRIC: ReadWrite(IF_INT);
    Fixed(0x891e) SIOCSIFMETRIC: Write(IF_INT);
    Fixed(0x8921) SIOCGIFMTU: ReadWrite(IF_INT);
    Fixed(0x8922) SIOCSIFMTU: Write(IF_INT);
    Fixed(0x8923) SIOCSIFNAME: Write(IF_ADDR);
    Fixed(0x8924) SIOCSIFHWADDR: Write(IF_ADDR);
    Fixed(0x8927) SIOCGIFHWADDR: ReadWrite(IF_ADDR);
    Fixed(0x8931) SIOCADDMULTI: Write(IF_ADDR);
    Fixed(0x8932) SIOCDELMULTI: Write(IF_ADDR);
    Fixed(0x8933) SIOCGIFINDEX: ReadWrite(IF_INT);
    Fixed(0x8934) SIOCSIFPFLAGS: Write(IF_SHORT);
    Fixed(0x8935) SIOCGIFPFLAGS: ReadWrite(IF_SHORT);
    Fixed(0x8942) SIOCGIFTXQLEN: ReadWrite(IF_INT);
    Fixed(0x8943) SIOCSIFTXQLEN: Write(IF_INT);
    Fixed(0x4004_54c8) TUNSETNOCSUM: Int;
    Fixed(0x4004_54c9) TUNSETDEBUG: Int;
    Fixed(0x4004_54ca) TUNSETIFF: ReadWrite(IF_SHORT);
    Fixed(0x4004_54cb) TUNSETPERSIST: Int;
    Fixed(0x4004_54cc) TUNSETOWNER: Int;
    Fixed(0x4004_54cd) TUNSETLINK: Int;
    Fixed(0x4004_54ce) TUNSETGROUP: Int;
    Fixed(0x8004_54cf) TUNGETFEATURES: Read(INT);
    Fixed(0x4004_54d0) TUNSETOFFLOAD: Int;
    Fixed(0x8004_54d2) TUNGETIFF: Read(IF_SHORT);
    Fixed(0x8004_54d3) TUNGETSNDBUF: Read(INT);
    Fixed(0x4004_54d4) TUNSETSNDBUF: Write(INT);
    Fixed(0x8004_54d7) TUNGETVNETHDRSZ: Read(INT);
    Fixed(0x4004_54d8) TUNSETVNETHDRSZ: Write(INT);
    Fixed(0x4004_54d9) TUNSETQUEUE: Write(IF_SHORT);
}

layout! {
    /// `struct ifconf`.
    pub struct Ifconf { len: i32, buf: ULong }
}

/// SIOCGIFCONF: an array of `struct ifreq` behind a pointer.
fn if_conf(t: &mut Task, fd: Fd, nr: u32, va: GuestVa) -> SysResult {
    const HOST_SIZE: usize = 40;
    let guest = t.get::<Ifconf>(va)?;
    let guest_size = IfreqAddr::size(&t.abi);
    let room = usize::try_from(guest.len).unwrap_or(0).min(1 << 20) / guest_size;
    let mut host = vec![0u8; room * HOST_SIZE];
    // The host's structure: an int, padding, a pointer.
    let buf = if guest.buf.0 == 0 {
        0
    } else {
        host.as_mut_ptr() as u64
    };
    let mut conf = [host.len() as u64, buf];
    let n = super::host_ioctl(t, fd, nr, addr_mut(&mut conf))?;
    let count = conf[0] as usize / HOST_SIZE;
    if guest.buf.0 != 0 {
        for (i, raw) in host.chunks_exact(HOST_SIZE).take(count).enumerate() {
            let req = IfreqAddr::get(&mut crate::abi::Reader::new(crate::abi::host(), raw));
            t.put(GuestVa(guest.buf.0 + (i * guest_size) as u64), &req)?;
        }
    }
    let len = i32::try_from(count * guest_size).map_err(|_| Errno::EINVAL)?;
    t.put(
        va,
        &Ifconf {
            len,
            buf: guest.buf,
        },
    )?;
    Ok(n)
}
