//! ARM's own layouts of `struct stat` and `struct stat64` (arch/arm/include/uapi/asm/stat.h).

use crate::abi::{Endian, Layout, ULong, Writer};
use crate::errno::Errno;
use crate::layout;
use crate::uapi::stat::Stat;

layout! {
    /// `struct stat`. The devices are words, but in a big-endian guest 16 bits at the front of a word.
    pub struct OldStat {
        dev: [u16; 2], ino: ULong, mode: u16, nlink: u16, uid: u16, gid: u16, rdev: [u16; 2], size: ULong,
        blksize: ULong, blocks: ULong, atime: ULong, atime_nsec: ULong, mtime: ULong, mtime_nsec: ULong,
        ctime: ULong, ctime_nsec: ULong, unused: [ULong; 2],
    }

    /// `struct stat64`.
    pub struct Stat64 {
        dev: u64, pad0: [u8; 4], ino_low: ULong, mode: u32, nlink: u32, uid: ULong, gid: ULong, rdev: u64,
        pad3: [u8; 4], size: i64, blksize: ULong, blocks: u64, atime: ULong, atime_nsec: ULong, mtime: ULong,
        mtime_nsec: ULong, ctime: ULong, ctime_nsec: ULong, ino: u64,
    }
}

fn id16(id: u32) -> u16 {
    // The kernel's overflowuid for ids that do not fit.
    u16::try_from(id).unwrap_or(65534)
}

/// Writes `struct stat`.
pub fn put_stat(s: &Stat, w: &mut Writer) -> Result<(), Errno> {
    let dev = |d: u64| match w.abi().endian {
        Endian::Little => [d as u16, (d >> 16) as u16],
        Endian::Big => [d as u16, 0],
    };
    if s.size > i64::from(i32::MAX) {
        return Err(Errno::EOVERFLOW);
    }
    let v = OldStat {
        dev: dev(s.dev),
        ino: ULong(s.ino),
        mode: s.mode as u16,
        nlink: s.nlink as u16,
        uid: id16(s.uid),
        gid: id16(s.gid),
        rdev: dev(s.rdev),
        size: ULong(s.size as u64),
        blksize: ULong(s.blksize),
        blocks: ULong(s.blocks),
        atime: ULong(s.atime as u64),
        atime_nsec: ULong(s.atime_nsec),
        mtime: ULong(s.mtime as u64),
        mtime_nsec: ULong(s.mtime_nsec),
        ctime: ULong(s.ctime as u64),
        ctime_nsec: ULong(s.ctime_nsec),
        unused: [ULong(0); 2],
    };
    v.put(w);
    Ok(())
}

/// Writes `struct stat64`.
pub fn put_stat64(s: &Stat, w: &mut Writer) -> Result<(), Errno> {
    let v = Stat64 {
        dev: s.dev,
        pad0: [0; 4],
        ino_low: ULong(s.ino & 0xffff_ffff),
        mode: s.mode,
        nlink: s.nlink as u32,
        uid: ULong(s.uid.into()),
        gid: ULong(s.gid.into()),
        rdev: s.rdev,
        pad3: [0; 4],
        size: s.size,
        blksize: ULong(s.blksize),
        blocks: s.blocks,
        atime: ULong(s.atime as u64),
        atime_nsec: ULong(s.atime_nsec),
        mtime: ULong(s.mtime as u64),
        mtime_nsec: ULong(s.mtime_nsec),
        ctime: ULong(s.ctime as u64),
        ctime_nsec: ULong(s.ctime_nsec),
        ino: s.ino,
    };
    v.put(w);
    Ok(())
}
