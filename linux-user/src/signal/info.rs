//! siginfo: the host's and the guest's. [Linux include/uapi/asm-generic/siginfo.h, kernel/signal.c siginfo_layout]

use crate::abi::{Abi, Layout, Long, Reader, ULong, Writer};

/// A signal's information, independent of layout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SigInfo {
    /// Signal number.
    pub signo: i32,
    /// si_errno.
    pub errno: i32,
    /// si_code.
    pub code: i32,
    /// si_addr of faults, si_band of SIGPOLL, si_call_addr of SIGSYS.
    pub addr: u64,
    /// si_pid, or the timer's id.
    pub pid: i32,
    /// si_uid, the timer's overrun, si_arch of SIGSYS.
    pub uid: u32,
    /// si_status, si_fd of SIGPOLL, si_syscall of SIGSYS.
    pub status: i32,
    /// si_value (a guest word).
    pub value: u64,
    /// si_utime and si_stime.
    pub times: [i64; 2],
    /// Trap number and error code of a fault, for the machine-dependent part of the frame.
    pub trap: [u32; 2],
}

/// Size of the guest's and the host's structure.
pub const SIGINFO_SIZE: usize = 128;

/// Which members of the union are meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Members {
    Kill,
    Queue,
    Fault,
    Child,
    Poll,
    Sys,
}

const SI_TIMER: i32 = -2;
const SI_SIGIO: i32 = -5;
const SI_TKILL: i32 = -6;
const SI_KERNEL: i32 = 128;

fn members(signo: i32, code: i32) -> Members {
    match (signo, code) {
        (_, SI_SIGIO) => Members::Poll,
        (_, 0 | SI_TKILL | SI_KERNEL) => Members::Kill,
        (_, c) if c < 0 => Members::Queue,
        (libc::SIGCHLD, _) => Members::Child,
        (libc::SIGPOLL, _) => Members::Poll,
        (libc::SIGSYS, _) => Members::Sys,
        (libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGFPE | libc::SIGTRAP, _) => {
            Members::Fault
        }
        _ => Members::Kill,
    }
}

impl SigInfo {
    /// A fault's.
    pub fn fault(signo: i32, code: i32, addr: u64) -> SigInfo {
        SigInfo {
            signo,
            code,
            addr,
            ..SigInfo::default()
        }
    }

    /// From the host's structure as raw bytes (x86-64 layout).
    pub fn from_host(raw: &[u8; SIGINFO_SIZE]) -> SigInfo {
        let i32_at = |at: usize| {
            raw.get(at..at + 4)
                .and_then(|b| b.try_into().ok())
                .map_or(0, i32::from_ne_bytes)
        };
        let u64_at = |at: usize| {
            raw.get(at..at + 8)
                .and_then(|b| b.try_into().ok())
                .map_or(0, u64::from_ne_bytes)
        };
        let mut info = SigInfo {
            signo: i32_at(0),
            errno: i32_at(4),
            code: i32_at(8),
            ..SigInfo::default()
        };
        match members(info.signo, info.code) {
            Members::Kill => (info.pid, info.uid) = (i32_at(16), i32_at(20) as u32),
            Members::Queue => {
                (info.pid, info.uid, info.value) = (i32_at(16), i32_at(20) as u32, u64_at(24))
            }
            Members::Fault => info.addr = u64_at(16),
            Members::Poll => (info.addr, info.status) = (u64_at(16), i32_at(24)),
            Members::Sys => {
                (info.addr, info.status, info.uid) = (u64_at(16), i32_at(24), i32_at(28) as u32)
            }
            Members::Child => {
                (info.pid, info.uid, info.status) = (i32_at(16), i32_at(20) as u32, i32_at(24));
                info.times = [u64_at(32) as i64, u64_at(40) as i64];
            }
        }
        info
    }

    /// The host's structure, for rt_sigqueueinfo and its like: the members that a program may set.
    pub fn to_host(self) -> [u8; SIGINFO_SIZE] {
        let mut raw = [0; SIGINFO_SIZE];
        let mut put = |at: usize, bytes: &[u8]| {
            if let Some(to) = raw.get_mut(at..at + bytes.len()) {
                to.copy_from_slice(bytes);
            }
        };
        put(0, &self.signo.to_ne_bytes());
        put(4, &self.errno.to_ne_bytes());
        put(8, &self.code.to_ne_bytes());
        match members(self.signo, self.code) {
            Members::Kill | Members::Queue | Members::Child => {
                put(16, &self.pid.to_ne_bytes());
                put(20, &self.uid.to_ne_bytes());
                let third = if members(self.signo, self.code) == Members::Child {
                    self.status as u32 as u64
                } else {
                    self.value
                };
                put(24, &third.to_ne_bytes());
            }
            Members::Fault | Members::Poll | Members::Sys => {
                put(16, &self.addr.to_ne_bytes());
                put(24, &self.status.to_ne_bytes());
                put(28, &self.uid.to_ne_bytes());
            }
        }
        raw
    }
}

impl Layout for SigInfo {
    fn align(abi: &Abi) -> usize {
        abi.word
    }

    fn size(_: &Abi) -> usize {
        SIGINFO_SIZE
    }

    fn get(r: &mut Reader) -> SigInfo {
        let mut i = SigInfo {
            signo: i32::get(r),
            errno: i32::get(r),
            code: i32::get(r),
            ..SigInfo::default()
        };
        r.align(r.abi().word);
        match members(i.signo, i.code) {
            Members::Kill => (i.pid, i.uid) = (i32::get(r), u32::get(r)),
            Members::Queue => (i.pid, i.uid, i.value) = (i32::get(r), u32::get(r), ULong::get(r).0),
            Members::Fault => i.addr = ULong::get(r).0,
            Members::Poll => (i.addr, i.status) = (ULong::get(r).0, i32::get(r)),
            Members::Sys => (i.addr, i.status, i.uid) = (ULong::get(r).0, i32::get(r), u32::get(r)),
            Members::Child => {
                (i.pid, i.uid, i.status) = (i32::get(r), u32::get(r), i32::get(r));
                i.times = [Long::get(r).0, Long::get(r).0];
            }
        }
        i
    }

    /// Always [`SIGINFO_SIZE`] bytes: the writer must be at the start of the structure.
    fn put(&self, w: &mut Writer) {
        let start = w.done().len();
        [self.signo, self.errno, self.code]
            .iter()
            .for_each(|v| v.put(w));
        w.align(w.abi().word);
        match members(self.signo, self.code) {
            Members::Kill | Members::Queue => {
                self.pid.put(w);
                self.uid.put(w);
                // SI_USER has no value, but the kernel leaves no old bytes either.
                ULong(self.value).put(w);
            }
            Members::Fault => ULong(self.addr).put(w),
            Members::Poll => {
                ULong(self.addr).put(w);
                self.status.put(w);
            }
            Members::Sys => {
                ULong(self.addr).put(w);
                self.status.put(w);
                self.uid.put(w);
            }
            Members::Child => {
                self.pid.put(w);
                self.uid.put(w);
                self.status.put(w);
                self.times.iter().for_each(|v| Long(*v).put(w));
            }
        }
        let used = w.done().len() - start;
        w.bytes(&[0; SIGINFO_SIZE][used.min(SIGINFO_SIZE)..]);
    }

    fn show(&self, out: &mut String) {
        use std::fmt::Write;
        let name = super::host::signal_name(self.signo);
        let _ = write!(out, "{{si_signo={name}, si_code={}", self.code);
        let _ = match members(self.signo, self.code) {
            Members::Kill => write!(out, ", si_pid={}, si_uid={}}}", self.pid, self.uid),
            Members::Queue if self.code == SI_TIMER => {
                write!(
                    out,
                    ", si_timerid={:#x}, si_overrun={}, si_value={:#x}}}",
                    self.pid, self.uid, self.value
                )
            }
            Members::Queue => write!(
                out,
                ", si_pid={}, si_uid={}, si_value={:#x}}}",
                self.pid, self.uid, self.value
            ),
            Members::Fault => write!(out, ", si_addr={:#x}}}", self.addr),
            Members::Poll => write!(out, ", si_band={}, si_fd={}}}", self.addr, self.status),
            Members::Sys => write!(
                out,
                ", si_call_addr={:#x}, si_syscall={}}}",
                self.addr, self.status
            ),
            Members::Child => write!(
                out,
                ", si_pid={}, si_uid={}, si_status={}}}",
                self.pid, self.uid, self.status
            ),
        };
    }
}
