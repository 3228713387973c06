//! utsname.h, sysinfo.h, resource.h, sched.h: structures about the machine and processes.

use crate::abi::{Abi, Layout, Long, Reader, ULong, Writer};
use crate::layout;
use crate::uapi::time::Timeval;

layout! {
    /// `struct new_utsname`.
    pub struct Utsname {
        sysname: [u8; 65], nodename: [u8; 65], release: [u8; 65], version: [u8; 65], machine: [u8; 65],
        domainname: [u8; 65],
    }

    /// `struct rusage`.
    pub struct Rusage { utime: Timeval, stime: Timeval, counts: [Long; 14] }

    /// `struct rlimit`.
    pub struct Rlimit { cur: ULong, max: ULong }

    /// `struct rlimit64`.
    pub struct Rlimit64 { cur: u64, max: u64 }

    /// `struct sched_attr` as far as every kernel has it.
    pub struct SchedAttr {
        size: u32, policy: u32, flags: u64, nice: i32, priority: u32, runtime: u64, deadline: u64, period: u64,
    }
}

/// `struct sysinfo`: the padding at its end depends on the word size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Sysinfo {
    pub uptime: Long,
    pub loads: [ULong; 3],
    pub totalram: ULong,
    pub freeram: ULong,
    pub sharedram: ULong,
    pub bufferram: ULong,
    pub totalswap: ULong,
    pub freeswap: ULong,
    pub procs: u16,
    pub pad: u16,
    pub totalhigh: ULong,
    pub freehigh: ULong,
    pub unit: u32,
}

impl Layout for Sysinfo {
    fn align(abi: &Abi) -> usize {
        abi.word
    }
    fn size(abi: &Abi) -> usize {
        if abi.is_64() { 112 } else { 64 }
    }
    fn get(r: &mut Reader) -> Self {
        let (uptime, loads) = (Layout::get(r), Layout::get(r));
        let [totalram, freeram, sharedram, bufferram, totalswap, freeswap] = Layout::get(r);
        let (procs, pad) = (Layout::get(r), Layout::get(r));
        let [totalhigh, freehigh] = Layout::get(r);
        let unit = Layout::get(r);
        Sysinfo {
            uptime,
            loads,
            totalram,
            freeram,
            sharedram,
            bufferram,
            totalswap,
            freeswap,
            procs,
            pad,
            totalhigh,
            freehigh,
            unit,
        }
    }
    fn put(&self, w: &mut Writer) {
        self.uptime.put(w);
        self.loads.put(w);
        [
            self.totalram,
            self.freeram,
            self.sharedram,
            self.bufferram,
            self.totalswap,
            self.freeswap,
        ]
        .put(w);
        [self.procs, self.pad].put(w);
        [self.totalhigh, self.freehigh].put(w);
        self.unit.put(w);
        // char _f[20 - 2 * sizeof(long) - sizeof(int)]
        w.bytes(if w.abi().is_64() { &[0; 4] } else { &[0; 8] });
    }
    fn show(&self, out: &mut String) {
        out.push_str(&format!(
            "{{uptime={}, totalram={:#x}, unit={}}}",
            self.uptime.0, self.totalram.0, self.unit
        ));
    }
}
