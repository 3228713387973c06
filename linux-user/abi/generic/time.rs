//! time.h, time_types.h, timex.h, times.h: times in the guest's word size and in 64 bits.

use crate::abi::{Abi, Layout, Long, Reader, Writer};
use crate::layout;

layout! {
    /// `struct timespec` (`__kernel_old_timespec`).
    pub struct Timespec { sec: Long, nsec: Long }

    /// `struct timeval` (`__kernel_old_timeval`).
    pub struct Timeval { sec: Long, usec: Long }

    /// `struct timezone`.
    pub struct Timezone { minuteswest: i32, dsttime: i32 }

    /// `struct itimerval`.
    pub struct Itimerval { interval: Timeval, value: Timeval }

    /// `struct itimerspec`.
    pub struct Itimerspec { interval: Timespec, value: Timespec }

    /// `struct __kernel_itimerspec`.
    pub struct Itimerspec64 { interval: Timespec64, value: Timespec64 }

    /// `struct tms`.
    pub struct Tms { utime: Long, stime: Long, cutime: Long, cstime: Long }

    /// `struct utimbuf`.
    pub struct Utimbuf { actime: Long, modtime: Long }
}

/// `struct __kernel_timespec`: 64-bit members in every ABI. The upper half of `nsec` is ignored from a 32-bit guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timespec64 {
    /// Seconds.
    pub sec: i64,
    /// Nanoseconds.
    pub nsec: i64,
}

impl Layout for Timespec64 {
    fn align(abi: &Abi) -> usize {
        abi.i64_align
    }
    fn size(_: &Abi) -> usize {
        16
    }
    fn get(r: &mut Reader) -> Self {
        let (sec, nsec) = (i64::get(r), i64::get(r));
        Timespec64 {
            sec,
            nsec: if r.abi().is_64() {
                nsec
            } else {
                nsec as u32 as i32 as i64
            },
        }
    }
    fn put(&self, w: &mut Writer) {
        self.sec.put(w);
        self.nsec.put(w);
    }
    fn show(&self, out: &mut String) {
        out.push_str(&format!("{{sec={}, nsec={}}}", self.sec, self.nsec));
    }
}

/// The host's timespec and back, for both widths.
pub trait HostTime: Layout {
    /// As the host's.
    fn to_host(&self) -> libc::timespec;
    /// From the host's.
    fn from_host(t: &libc::timespec) -> Self;
}

impl HostTime for Timespec {
    fn to_host(&self) -> libc::timespec {
        libc::timespec {
            tv_sec: self.sec.0,
            tv_nsec: self.nsec.0,
        }
    }
    fn from_host(t: &libc::timespec) -> Self {
        Timespec {
            sec: Long(t.tv_sec),
            nsec: Long(t.tv_nsec),
        }
    }
}

impl HostTime for Timespec64 {
    fn to_host(&self) -> libc::timespec {
        libc::timespec {
            tv_sec: self.sec,
            tv_nsec: self.nsec,
        }
    }
    fn from_host(t: &libc::timespec) -> Self {
        Timespec64 {
            sec: t.tv_sec,
            nsec: t.tv_nsec,
        }
    }
}
