//! stat.h: file attributes.

use crate::abi::{Layout, Long, ULong, Writer};
use crate::errno::Errno;
use crate::layout;

/// File attributes without a layout: what the host told.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct Stat {
    /// In the 32-bit form that every `stat` of the kernel gives.
    pub dev: u64,
    pub ino: u64,
    pub mode: u32,
    pub nlink: u64,
    pub uid: u32,
    pub gid: u32,
    pub rdev: u64,
    pub size: i64,
    pub blksize: u64,
    pub blocks: u64,
    pub atime: i64,
    pub atime_nsec: u64,
    pub mtime: i64,
    pub mtime_nsec: u64,
    pub ctime: i64,
    pub ctime_nsec: u64,
}

impl Stat {
    /// From the host's structure.
    pub fn from_host(s: &libc::stat) -> Stat {
        Stat {
            dev: s.st_dev,
            ino: s.st_ino,
            mode: s.st_mode,
            nlink: s.st_nlink,
            uid: s.st_uid,
            gid: s.st_gid,
            rdev: s.st_rdev,
            size: s.st_size,
            blksize: s.st_blksize as u64,
            blocks: s.st_blocks as u64,
            atime: s.st_atime,
            atime_nsec: s.st_atime_nsec as u64,
            mtime: s.st_mtime,
            mtime_nsec: s.st_mtime_nsec as u64,
            ctime: s.st_ctime,
            ctime_nsec: s.st_ctime_nsec as u64,
        }
    }
}

layout! {
    /// `struct stat` of asm-generic/stat.h.
    pub struct GenericStat {
        dev: ULong, ino: ULong, mode: u32, nlink: u32, uid: u32, gid: u32, rdev: ULong, pad1: ULong, size: Long,
        blksize: i32, pad2: i32, blocks: Long, atime: Long, atime_nsec: ULong, mtime: Long, mtime_nsec: ULong,
        ctime: Long, ctime_nsec: ULong, unused: [u32; 2],
    }

    /// `struct stat64` of asm-generic/stat.h, for 32-bit ABIs.
    pub struct GenericStat64 {
        dev: u64, ino: u64, mode: u32, nlink: u32, uid: u32, gid: u32, rdev: u64, pad1: u64, size: i64,
        blksize: i32, pad2: i32, blocks: i64, atime: i32, atime_nsec: u32, mtime: i32, mtime_nsec: u32,
        ctime: i32, ctime_nsec: u32, unused: [u32; 2],
    }

    /// `struct statx_timestamp`.
    pub struct StatxTime { sec: i64, nsec: u32, reserved: i32 }

    /// `struct statx`: the same members everywhere.
    pub struct Statx {
        mask: u32, blksize: u32, attributes: u64, nlink: u32, uid: u32, gid: u32, mode: u16, spare0: u16, ino: u64,
        size: u64, blocks: u64, attributes_mask: u64, atime: StatxTime, btime: StatxTime, ctime: StatxTime,
        mtime: StatxTime, rdev_major: u32, rdev_minor: u32, dev_major: u32, dev_minor: u32, mnt_id: u64,
        dio_mem_align: u32, dio_offset_align: u32, spare3: [u64; 12],
    }
}

/// Writes `struct stat` of asm-generic.
pub fn put_stat(s: &Stat, w: &mut Writer) -> Result<(), Errno> {
    if !w.abi().is_64() && i32::try_from(s.size).is_err() {
        return Err(Errno::EOVERFLOW);
    }
    let v = GenericStat {
        dev: ULong(s.dev),
        ino: ULong(s.ino),
        mode: s.mode,
        nlink: s.nlink as u32,
        uid: s.uid,
        gid: s.gid,
        rdev: ULong(s.rdev),
        pad1: ULong(0),
        size: Long(s.size),
        blksize: s.blksize as i32,
        pad2: 0,
        blocks: Long(s.blocks as i64),
        atime: Long(s.atime),
        atime_nsec: ULong(s.atime_nsec),
        mtime: Long(s.mtime),
        mtime_nsec: ULong(s.mtime_nsec),
        ctime: Long(s.ctime),
        ctime_nsec: ULong(s.ctime_nsec),
        unused: [0; 2],
    };
    v.put(w);
    Ok(())
}

/// Writes `struct stat64` of asm-generic.
pub fn put_stat64(s: &Stat, w: &mut Writer) -> Result<(), Errno> {
    let v = GenericStat64 {
        dev: s.dev,
        ino: s.ino,
        mode: s.mode,
        nlink: s.nlink as u32,
        uid: s.uid,
        gid: s.gid,
        rdev: s.rdev,
        pad1: 0,
        size: s.size,
        blksize: s.blksize as i32,
        pad2: 0,
        blocks: s.blocks as i64,
        atime: s.atime as i32,
        atime_nsec: s.atime_nsec as u32,
        mtime: s.mtime as i32,
        mtime_nsec: s.mtime_nsec as u32,
        ctime: s.ctime as i32,
        ctime_nsec: s.ctime_nsec as u32,
        unused: [0; 2],
    };
    v.put(w);
    Ok(())
}
