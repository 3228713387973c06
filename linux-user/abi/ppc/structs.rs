//! PowerPC's own layouts of `struct stat` and `struct stat64` (arch/powerpc/include/uapi/asm/stat.h).

use crate::abi::{Layout, Long, ULong, Writer};
use crate::errno::Errno;
use crate::layout;
use crate::uapi::stat::Stat;

layout! {
    /// `struct stat` of 32-bit programs.
    pub struct Stat32 {
        dev: ULong, ino: ULong, mode: u32, nlink: u16, uid: u32, gid: u32, rdev: ULong, size: Long, blksize: ULong,
        blocks: ULong, times: [ULong; 6], unused: [ULong; 2],
    }

    /// `struct stat` of 64-bit programs.
    pub struct Stat64Bit {
        dev: ULong, ino: ULong, nlink: ULong, mode: u32, uid: u32, gid: u32, rdev: ULong, size: Long, blksize: ULong,
        blocks: ULong, times: [ULong; 6], unused: [ULong; 3],
    }

    /// `struct stat64`.
    pub struct Stat64 {
        dev: u64, ino: u64, mode: u32, nlink: u32, uid: u32, gid: u32, rdev: u64, pad2: u16, size: i64, blksize: i32,
        blocks: i64, times: [u32; 6], unused: [u32; 2],
    }
}

/// Times in seconds and nanoseconds: access, modification, change.
fn times(s: &Stat) -> [u64; 6] {
    [
        s.atime as u64,
        s.atime_nsec,
        s.mtime as u64,
        s.mtime_nsec,
        s.ctime as u64,
        s.ctime_nsec,
    ]
}

/// Writes `struct stat`.
pub fn put_stat(s: &Stat, w: &mut Writer) -> Result<(), Errno> {
    if w.abi().is_64() {
        let v = Stat64Bit {
            dev: ULong(s.dev),
            ino: ULong(s.ino),
            nlink: ULong(s.nlink),
            mode: s.mode,
            uid: s.uid,
            gid: s.gid,
            rdev: ULong(s.rdev),
            size: Long(s.size),
            blksize: ULong(s.blksize),
            blocks: ULong(s.blocks),
            times: times(s).map(ULong),
            unused: [ULong(0); 3],
        };
        v.put(w);
        return Ok(());
    }
    if i32::try_from(s.size).is_err() {
        return Err(Errno::EOVERFLOW);
    }
    let v = Stat32 {
        dev: ULong(s.dev),
        ino: ULong(s.ino),
        mode: s.mode,
        nlink: s.nlink as u16,
        uid: s.uid,
        gid: s.gid,
        rdev: ULong(s.rdev),
        size: Long(s.size),
        blksize: ULong(s.blksize),
        blocks: ULong(s.blocks),
        times: times(s).map(ULong),
        unused: [ULong(0); 2],
    };
    v.put(w);
    Ok(())
}

/// Writes `struct stat64`.
pub fn put_stat64(s: &Stat, w: &mut Writer) -> Result<(), Errno> {
    let v = Stat64 {
        dev: s.dev,
        ino: s.ino,
        mode: s.mode,
        nlink: s.nlink as u32,
        uid: s.uid,
        gid: s.gid,
        rdev: s.rdev,
        pad2: 0,
        size: s.size,
        blksize: s.blksize as i32,
        blocks: s.blocks as i64,
        times: times(s).map(|t| t as u32),
        unused: [0; 2],
    };
    v.put(w);
    Ok(())
}
