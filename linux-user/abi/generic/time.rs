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

impl HostTime for Timeval {
    fn to_host(&self) -> libc::timespec {
        libc::timespec {
            tv_sec: self.sec.0,
            tv_nsec: self.usec.0 * 1000,
        }
    }
    fn from_host(t: &libc::timespec) -> Self {
        Timeval {
            sec: Long(t.tv_sec),
            usec: Long(t.tv_nsec / 1000),
        }
    }
}

macro_rules! timex {
    ($(#[$doc:meta])* $name:ident, $word:ty, $wrap:expr, $get:expr) => {
        layout! {
            $(#[$doc])*
            pub struct $name {
                modes: u32, offset: $word, freq: $word, maxerror: $word, esterror: $word, status: i32,
                constant: $word, precision: $word, tolerance: $word, sec: $word, usec: $word, tick: $word,
                ppsfreq: $word, jitter: $word, shift: i32, stabil: $word, jitcnt: $word, calcnt: $word,
                errcnt: $word, stbcnt: $word, tai: i32, spare: [i32; 11],
            }
        }

        impl $name {
            /// As the host's.
            pub fn to_host(&self) -> libc::timex {
                let mut h: libc::timex = crate::sys::zeroed();
                (h.modes, h.status, h.shift, h.tai) = (self.modes, self.status, self.shift, self.tai);
                (h.offset, h.freq, h.maxerror) = ($get(self.offset), $get(self.freq), $get(self.maxerror));
                (h.esterror, h.constant, h.tick) = ($get(self.esterror), $get(self.constant), $get(self.tick));
                (h.time.tv_sec, h.time.tv_usec) = ($get(self.sec), $get(self.usec));
                h
            }

            /// From the host's.
            pub fn from_host(h: &libc::timex) -> Self {
                $name {
                    modes: h.modes,
                    offset: $wrap(h.offset),
                    freq: $wrap(h.freq),
                    maxerror: $wrap(h.maxerror),
                    esterror: $wrap(h.esterror),
                    status: h.status,
                    constant: $wrap(h.constant),
                    precision: $wrap(h.precision),
                    tolerance: $wrap(h.tolerance),
                    sec: $wrap(h.time.tv_sec),
                    usec: $wrap(h.time.tv_usec),
                    tick: $wrap(h.tick),
                    ppsfreq: $wrap(h.ppsfreq),
                    jitter: $wrap(h.jitter),
                    shift: h.shift,
                    stabil: $wrap(h.stabil),
                    jitcnt: $wrap(h.jitcnt),
                    calcnt: $wrap(h.calcnt),
                    errcnt: $wrap(h.errcnt),
                    stbcnt: $wrap(h.stbcnt),
                    tai: h.tai,
                    spare: [0; 11],
                }
            }
        }
    };
}

timex!(
    /// `struct timex` in words.
    Timex, Long, Long, |v: Long| v.0);
timex!(
    /// `struct __kernel_timex`: 64-bit members.
    Timex64, i64, |v: i64| v, |v: i64| v);
