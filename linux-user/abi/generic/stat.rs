//! stat.h: file attributes.

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
