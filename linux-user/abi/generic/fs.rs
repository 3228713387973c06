//! fcntl.h, uio.h, statfs.h: structures of file calls.

use crate::abi::{Long, ULong};
use crate::layout;

layout! {
    /// `struct iovec`.
    pub struct Iovec { base: ULong, len: ULong }

    /// `struct flock`.
    pub struct Flock { kind: i16, whence: i16, start: Long, len: Long, pid: i32 }

    /// `struct flock64`.
    pub struct Flock64 { kind: i16, whence: i16, start: i64, len: i64, pid: i32 }

    /// `struct f_owner_ex`.
    pub struct OwnerEx { kind: i32, pid: i32 }

    /// `struct statfs`.
    pub struct Statfs {
        kind: ULong, bsize: ULong, blocks: ULong, bfree: ULong, bavail: ULong, files: ULong, ffree: ULong,
        fsid: [i32; 2], namelen: ULong, frsize: ULong, flags: ULong, spare: [ULong; 4],
    }

    /// `struct open_how`.
    pub struct OpenHow { flags: u64, mode: u64, resolve: u64 }

    /// `struct file_handle` without its bytes.
    pub struct FileHandle { bytes: u32, kind: i32 }
}
