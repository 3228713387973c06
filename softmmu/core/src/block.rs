//! What a disk controller sees of a disk.

use std::io;

/// A disk image or a host's block device. All calls may come from several threads at once; offsets
/// are bytes, not necessarily of whole sectors.
pub trait BlockBackend: Send + Sync {
    /// Bytes.
    fn size(&self) -> u64;

    /// Writes are refused.
    fn read_only(&self) -> bool;

    /// Fills `buf`; beyond the end is an error.
    fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;

    /// Writes all of `data`; beyond the end is an error.
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// What was written before is safe when this returns.
    fn flush(&self) -> io::Result<()>;

    /// The bytes are not needed any more: they read as anything or as zeroes.
    fn discard(&self, offset: u64, len: u64) -> io::Result<()>;

    /// The bytes read as zeroes.
    fn write_zeroes(&self, offset: u64, len: u64) -> io::Result<()>;

    /// For `info block`: file and format.
    fn describe(&self) -> String;
}
