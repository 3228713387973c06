//! Raw disk images: a file or a block device, bytes as they are.

use softmmu_core::block::BlockBackend;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A raw image.
pub struct RawDisk {
    file: File,
    size: u64,
    read_only: bool,
    path: PathBuf,
}

impl RawDisk {
    /// Opens it.
    pub fn open(path: &Path, read_only: bool) -> io::Result<RawDisk> {
        let mut file = OpenOptions::new().read(true).write(!read_only).open(path)?;
        let size = io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
        Ok(RawDisk {
            file,
            size,
            read_only,
            path: path.to_owned(),
        })
    }

    fn inside(&self, offset: u64, len: u64) -> io::Result<()> {
        let end = offset.checked_add(len);
        match end.is_some_and(|end| end <= self.size) {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl BlockBackend for RawDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_only(&self) -> bool {
        self.read_only
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.inside(offset, buf.len() as u64)?;
        self.file.read_exact_at(buf, offset)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.inside(offset, data.len() as u64)?;
        self.file.write_all_at(data, offset)
    }

    fn flush(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn discard(&self, offset: u64, len: u64) -> io::Result<()> {
        // The bytes may stay as they are.
        self.inside(offset, len)
    }

    fn write_zeroes(&self, offset: u64, len: u64) -> io::Result<()> {
        self.inside(offset, len)?;
        let zeroes = [0; 65536];
        let mut at = offset;
        while at < offset + len {
            let count = (offset + len - at).min(zeroes.len() as u64);
            self.file.write_all_at(&zeroes[..count as usize], at)?;
            at += count;
        }
        Ok(())
    }

    fn describe(&self) -> String {
        format!("{} (raw)", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_inside() {
        let path = std::env::temp_dir().join(format!("emu-disk-{}", std::process::id()));
        std::fs::write(&path, vec![7; 4096]).unwrap();
        let disk = RawDisk::open(&path, false).unwrap();
        disk.write(4094, &[1, 2]).unwrap();
        let mut back = [0; 3];
        disk.read(4093, &mut back).unwrap();
        assert_eq!(back, [7, 1, 2]);
        assert!(disk.write(4095, &[1, 2]).is_err() && disk.read(u64::MAX, &mut back).is_err());
        disk.write_zeroes(0, 4096).unwrap();
        disk.read(4093, &mut back).unwrap();
        assert_eq!(back, [0; 3]);
        std::fs::remove_file(path).unwrap();
    }
}
