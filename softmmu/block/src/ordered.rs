//! The file under an image, with one order of writes that imago does not keep: a new table of
//! level 2 is entered into the table of level 1 at once, while its reference count is still in a
//! cache. A process killed in between would leave a table in use that counts as free. So entries
//! of level 1 are held back here until imago has written its caches .
//!
//! What is held back is lost with the process, as is everything since the guest's last flush.

use crate::lock::Unlock;
use imago::file::File;
use imago::io_buffers::{IoVector, IoVectorMut};
use imago::storage::{PreallocateMode, StorageCreateOptions};
use imago::{Storage, StorageExt, StorageOpenOptions};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// A file that holds back what is written to an image's table of level 1, until it is flushed.
#[derive(Debug)]
pub struct Ordered {
    file: File,
    level1: Mutex<Level1>,
    /// Behind the file: dropped after it.
    locks: Option<Unlock>,
}

#[derive(Debug, Default)]
struct Level1 {
    /// Where the table is in the file; nowhere if this is not a qcow2 image.
    table: Range<u64>,
    /// What is not yet in the file, by place.
    held: BTreeMap<u64, Vec<u8>>,
}

/// Bytes of the header up to the table's place and size.
const HEADER: u64 = 48;

impl Ordered {
    /// A file of any other format: nothing is held back.
    pub fn plain(file: File) -> Ordered {
        Ordered {
            file,
            level1: Mutex::default(),
            locks: None,
        }
    }

    /// With the file's locks, which end with it.
    pub fn until_dropped(mut self, locks: Unlock) -> Ordered {
        self.locks = Some(locks);
        self
    }

    /// The file of a qcow2 image.
    pub fn qcow2(file: File) -> io::Result<Ordered> {
        let table = level1_table(&file)?;
        let held = BTreeMap::new();
        let level1 = Mutex::new(Level1 { table, held });
        Ok(Ordered {
            file,
            level1,
            locks: None,
        })
    }

    fn release(&self, level1: &mut Level1) -> io::Result<()> {
        while let Some((&at, bytes)) = level1.held.first_key_value() {
            self.file.write(bytes.as_slice(), at)?;
            level1.held.pop_first();
        }
        Ok(())
    }
}

/// Where the header says that the table is.
fn level1_table(file: &File) -> io::Result<Range<u64>> {
    let mut header = [0; HEADER as usize];
    file.read(&mut header[..], 0)?;
    let word = |at: usize| {
        header[at..]
            .first_chunk()
            .map_or(0, |b| u32::from_be_bytes(*b))
    };
    let entries = u64::from(word(36));
    let start = u64::from(word(40)) << 32 | u64::from(word(44));
    let cluster = 1u64.checked_shl(word(20)).unwrap_or(1);
    let bytes = (entries * 8).next_multiple_of(cluster.min(1 << 21));
    Ok(start..start.saturating_add(bytes))
}

impl Level1 {
    /// Takes a write if it lies in the table.
    fn take(&mut self, data: &IoVector<'_>, at: u64) -> bool {
        let end = at.saturating_add(data.len());
        if at < self.table.start || end > self.table.end || data.is_empty() {
            return false;
        }
        let mut bytes = vec![0; data.len() as usize];
        data.copy_into_slice(&mut bytes);
        // Neighbours are written whole, at places that are multiples of their size; others in between would be odd.
        self.held.insert(at, bytes);
        true
    }
}

impl Storage for Ordered {
    fn open(options: StorageOpenOptions) -> io::Result<Self> {
        Ok(Self::plain(File::open(options)?))
    }

    fn create_open(options: StorageCreateOptions) -> io::Result<Self> {
        Ok(Self::plain(File::create_open(options)?))
    }

    fn mem_align(&self) -> usize {
        self.file.mem_align()
    }

    fn req_align(&self) -> usize {
        self.file.req_align()
    }

    fn zero_align(&self) -> usize {
        self.file.zero_align()
    }

    fn discard_align(&self) -> usize {
        self.file.discard_align()
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn resolve_relative_path<P: AsRef<Path>>(&self, relative: P) -> io::Result<PathBuf> {
        self.file.resolve_relative_path(relative)
    }

    fn get_filename(&self) -> Option<PathBuf> {
        self.file.get_filename()
    }

    unsafe fn pure_readv(&self, buffers: IoVectorMut<'_>, at: u64) -> io::Result<()> {
        let mut level1 = self.level1.lock();
        if at < level1.table.end && at.saturating_add(buffers.len()) > level1.table.start {
            self.release(&mut level1)?;
        }
        drop(level1);
        // SAFETY: the caller keeps the file's alignments, which are told above as they are.
        unsafe { self.file.pure_readv(buffers, at) }
    }

    unsafe fn pure_writev(&self, buffers: IoVector<'_>, at: u64) -> io::Result<()> {
        if self.level1.lock().take(&buffers, at) {
            return Ok(());
        }
        // SAFETY: the caller keeps the file's alignments, which are told above as they are.
        unsafe { self.file.pure_writev(buffers, at) }?;
        let mut level1 = self.level1.lock();
        if at < HEADER && !level1.table.is_empty() {
            let table = level1_table(&self.file)?;
            if table != level1.table {
                // The table has been copied to its new place, with what was held back.
                *level1 = Level1 {
                    table,
                    held: BTreeMap::new(),
                };
            }
        }
        Ok(())
    }

    unsafe fn pure_write_zeroes(&self, at: u64, length: u64) -> io::Result<()> {
        // SAFETY: the caller keeps the file's alignments, which are told above as they are.
        unsafe { self.file.pure_write_zeroes(at, length) }
    }

    unsafe fn pure_write_allocated_zeroes(&self, at: u64, length: u64) -> io::Result<()> {
        // SAFETY: the caller keeps the file's alignments, which are told above as they are.
        unsafe { self.file.pure_write_allocated_zeroes(at, length) }
    }

    unsafe fn pure_discard(&self, at: u64, length: u64) -> io::Result<()> {
        // SAFETY: the caller keeps the file's alignments, which are told above as they are.
        unsafe { self.file.pure_discard(at, length) }
    }

    fn flush(&self) -> io::Result<()> {
        self.release(&mut self.level1.lock())?;
        self.file.flush()
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn settle_writes(&self) -> io::Result<()> {
        self.file.settle_writes()
    }

    unsafe fn invalidate_cache(&self) -> io::Result<()> {
        // SAFETY: the caller's promise, passed on.
        unsafe { self.file.invalidate_cache() }
    }

    fn get_storage_helper(&self) -> &imago::storage::drivers::CommonStorageHelper {
        self.file.get_storage_helper()
    }

    fn resize(&self, size: u64, preallocation: PreallocateMode) -> io::Result<()> {
        self.file.resize(size, preallocation)
    }
}

impl fmt::Display for Ordered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}
