//! Files of the guest for gdb (`target:` paths): read only.

use super::Debuggee;
use super::target::Target;
use gdbstub::target::ext::host_io::*;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// Open files by gdb's number.
#[derive(Default)]
pub(super) struct Files(BTreeMap<u32, File>);

impl Files {
    fn get(&self, fd: u32) -> Result<&File, HostIoError<&'static str>> {
        self.0
            .get(&fd)
            .ok_or(HostIoError::Errno(HostIoErrno::EBADF))
    }
}

impl<D: Debuggee> HostIo for Target<'_, D> {
    fn support_open(&mut self) -> Option<HostIoOpenOps<'_, Self>> {
        Some(self)
    }
    fn support_close(&mut self) -> Option<HostIoCloseOps<'_, Self>> {
        Some(self)
    }
    fn support_pread(&mut self) -> Option<HostIoPreadOps<'_, Self>> {
        Some(self)
    }
    fn support_fstat(&mut self) -> Option<HostIoFstatOps<'_, Self>> {
        Some(self)
    }
    fn support_setfs(&mut self) -> Option<HostIoSetfsOps<'_, Self>> {
        Some(self)
    }
}

impl<D: Debuggee> HostIoOpen for Target<'_, D> {
    fn open(
        &mut self,
        filename: &[u8],
        flags: HostIoOpenFlags,
        _mode: HostIoOpenMode,
    ) -> HostIoResult<u32, Self> {
        let written =
            HostIoOpenFlags::O_WRONLY | HostIoOpenFlags::O_RDWR | HostIoOpenFlags::O_CREAT;
        if flags.intersects(written) {
            return Err(HostIoError::Errno(HostIoErrno::EROFS));
        }
        let process = self.guest.process();
        let process = process.ok_or(HostIoError::Errno(HostIoErrno::ENOSYS))?;
        let file = process.open(Path::new(OsStr::from_bytes(filename)))?;
        let fd = (3..u32::MAX).find(|n| !self.files.0.contains_key(n));
        let fd = fd.ok_or(HostIoError::Errno(HostIoErrno::EMFILE))?;
        self.files.0.insert(fd, file);
        Ok(fd)
    }
}

impl<D: Debuggee> HostIoClose for Target<'_, D> {
    fn close(&mut self, fd: u32) -> HostIoResult<(), Self> {
        self.files.get(fd)?;
        self.files.0.remove(&fd);
        Ok(())
    }
}

impl<D: Debuggee> HostIoPread for Target<'_, D> {
    fn pread(
        &mut self,
        fd: u32,
        count: usize,
        offset: u64,
        buf: &mut [u8],
    ) -> HostIoResult<usize, Self> {
        // Binary data may double in size when it is escaped: stay below the packet's limit.
        let n = count.min(buf.len()).min(self.payload / 2);
        let to = buf.get_mut(..n).unwrap_or_default();
        Ok(self.files.get(fd)?.read_at(to, offset)?)
    }
}

impl<D: Debuggee> HostIoFstat for Target<'_, D> {
    fn fstat(&mut self, fd: u32) -> HostIoResult<HostIoStat, Self> {
        let m = self.files.get(fd)?.metadata()?;
        Ok(HostIoStat {
            st_dev: m.dev() as u32,
            st_ino: m.ino() as u32,
            st_mode: HostIoOpenMode::from_bits_retain(m.mode()),
            st_nlink: m.nlink() as u32,
            st_uid: m.uid(),
            st_gid: m.gid(),
            st_rdev: m.rdev() as u32,
            st_size: m.size(),
            st_blksize: m.blksize(),
            st_blocks: m.blocks(),
            st_atime: m.atime() as u32,
            st_mtime: m.mtime() as u32,
            st_ctime: m.ctime() as u32,
        })
    }
}

impl<D: Debuggee> HostIoSetfs for Target<'_, D> {
    /// There is but one.
    fn setfs(&mut self, _fs: FsKind) -> HostIoResult<(), Self> {
        Ok(())
    }
}
