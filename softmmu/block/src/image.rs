//! An open disk image: a raw or qcow2 file, with its chain of backing files, and perhaps a
//! temporary file on top that takes all writes.

use crate::Error;
use crate::format::{Format, magic, probe};
use crate::lock::{Unlock, lock};
use crate::ordered::Ordered;
use crate::tool::Header;
use imago::file::File;
use imago::format::builder::{FormatCreateBuilder, FormatDriverBuilder};
use imago::format::gate::ImplicitOpenGate;
use imago::qcow2::Qcow2;
use imago::raw::Raw;
use imago::{DenyImplicitOpenGate, FormatAccess, Mapping, StorageOpenOptions};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use parking_lot::RwLock;
use softmmu_core::block::BlockBackend;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::sync::Arc;

/// How an image is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct How {
    /// For writing.
    pub write: bool,
    /// All writes go to a temporary file.
    pub snapshot: bool,
    /// Past the host's page cache.
    pub direct: bool,
    /// Flushes reach the host's page cache only.
    pub no_flush: bool,
    /// Each write is flushed.
    pub write_through: bool,
    /// What the guest discards is given back to the host.
    pub discard: bool,
    /// No locks.
    pub unlocked: bool,
}

/// The image.
pub struct Image {
    access: RwLock<FormatAccess<Ordered>>,
    size: u64,
    how: How,
    format: Format,
    path: String,
    /// The format was guessed to be raw: the guest may not make it another one.
    guessed: bool,
}

impl Image {
    /// Opens the image at `path`; without a format it is found out.
    pub fn open(path: &str, format: Option<Format>, how: How) -> Result<Image, Error> {
        let write = how.write && !how.snapshot;
        let file = open_file(path, write, how)?;
        let guessed = match format {
            Some(format) => format,
            None => probe(&file, path)?,
        };
        let failed = |e: io::Error| Error(format!("{path}: {e}"));
        let storage = storage(file, path, write, how.direct, guessed).map_err(failed)?;
        let mut access = access(storage, guessed, write, Gate { how }).map_err(failed)?;
        if how.snapshot && how.write {
            access = overlay(access).map_err(|e| Error(format!("{path}: snapshot=on: {e}")))?;
        }
        Ok(Image {
            size: access.size(),
            access: RwLock::new(access),
            how,
            format: guessed,
            path: path.to_owned(),
            guessed: format.is_none() && guessed == Format::Raw,
        })
    }

    /// The format, and whether it was guessed to be raw.
    pub fn format(&self) -> (Format, bool) {
        (self.format, self.guessed)
    }

    /// What is at `offset`: its length, whether it reads as zeroes, whether this image has it.
    pub fn extent(&self, offset: u64, max: u64) -> io::Result<Extent> {
        let access = self.access.read();
        let (mapping, length) = access.get_mapping(offset, max)?;
        let (zero, host, present) = match mapping {
            Mapping::Zero { explicit, .. } => (true, None, explicit),
            Mapping::Raw { offset, .. } => (false, Some(offset), true),
            _ => (false, None, true),
        };
        Ok(Extent {
            length,
            zero,
            host,
            present,
        })
    }

    /// Changes the size.
    pub fn resize(
        &mut self,
        size: u64,
        allocation: imago::format::PreallocateMode,
    ) -> io::Result<()> {
        let access = self.access.get_mut();
        // Tables may move; what is held back must be in its place before.
        access.flush()?;
        access.resize(size, allocation)?;
        access.flush()?;
        access.sync()?;
        self.size = size;
        Ok(())
    }

    fn check(&self, offset: u64, len: u64) -> io::Result<()> {
        let end = offset.checked_add(len);
        if end.is_some_and(|end| end <= self.size) {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "beyond the end of the disk",
        ))
    }

    fn check_write(&self, offset: u64, len: u64) -> io::Result<()> {
        if self.read_only() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "the disk is read-only",
            ));
        }
        self.check(offset, len)
    }

    fn written(&self) -> io::Result<()> {
        if self.how.write_through {
            return self.flush();
        }
        Ok(())
    }
}

/// A stretch of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Bytes.
    pub length: u64,
    /// It reads as zeroes.
    pub zero: bool,
    /// Where it is in the file, if it is there as it is.
    pub host: Option<u64>,
    /// Some file of the chain has it.
    pub present: bool,
}

impl Drop for Image {
    /// Writes back what is only in memory, in the order that keeps the image sound; this is not a
    /// flush to the host's disk.
    fn drop(&mut self) {
        if self.read_only() || self.how.snapshot {
            return;
        }
        if let Err(e) = self.access.get_mut().flush() {
            eprintln!("emu: {}: not all could be written: {e}", self.path);
        }
    }
}

impl BlockBackend for Image {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_only(&self) -> bool {
        !self.how.write
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.check(offset, buf.len() as u64)?;
        self.access.read().read(buf, offset)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check_write(offset, data.len() as u64)?;
        if self.guessed && offset == 0 && magic(data).is_some() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "would change the image's guessed format (give format=raw)",
            ));
        }
        self.access.read().write(data, offset)?;
        self.written()
    }

    fn flush(&self) -> io::Result<()> {
        if self.how.snapshot || self.read_only() {
            return Ok(());
        }
        let access = self.access.read();
        access.flush()?;
        if self.how.no_flush {
            return Ok(());
        }
        access.sync()
    }

    fn discard(&self, offset: u64, len: u64) -> io::Result<()> {
        self.check_write(offset, len)?;
        if !self.how.discard {
            return Ok(());
        }
        match self.access.write().discard_to_zero(offset, len) {
            // The host keeps it; the guest cannot tell.
            Err(e) if e.kind() == io::ErrorKind::Unsupported => Ok(()),
            other => other,
        }
    }

    fn write_zeroes(&self, offset: u64, len: u64) -> io::Result<()> {
        self.check_write(offset, len)?;
        self.access.read().write_zeroes(offset, len)?;
        self.written()
    }

    fn describe(&self) -> String {
        let ro = if self.read_only() { ", read-only" } else { "" };
        let snapshot = if self.how.snapshot { ", snapshot" } else { "" };
        format!("{} ({}{ro}{snapshot})", self.path, self.format.word())
    }
}

fn open_file(path: &str, write: bool, how: How) -> Result<std::fs::File, Error> {
    let mut options = OpenOptions::new();
    options.read(true).write(write);
    let file = options.open(path).map_err(|e| {
        let hint = if write && e.kind() == io::ErrorKind::PermissionDenied {
            " (read-only=on opens it for reading only)"
        } else {
            ""
        };
        Error(format!("Could not open '{path}': {e}{hint}"))
    })?;
    let kind = file.metadata().map(|m| m.file_type());
    let usable = kind.is_ok_and(|k| k.is_file() || k.is_block_device());
    if !usable {
        return Err(Error(format!("{path}: neither a file nor a block device")));
    }
    if !how.unlocked {
        lock(&file, path, write)?;
    }
    if probe(&file, path) == Ok(Format::Qcow2) {
        let sound = Header::extensions_are_sound(&file, path)?;
        if !sound {
            return Err(Error(format!("{path}: malformed qcow2 header extension")));
        }
    }
    Ok(file)
}

fn storage(
    file: std::fs::File,
    path: &str,
    write: bool,
    direct: bool,
    format: Format,
) -> io::Result<Ordered> {
    if direct {
        // Not from the start: the format is found out with small reads.
        let flags = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL)?);
        fcntl(&file, FcntlArg::F_SETFL(flags | OFlag::O_DIRECT))?;
    }
    let options = StorageOpenOptions::new();
    let options = options.filename(path).write(write).direct(direct);
    let unlock = Unlock::of(&file)?;
    let file = File::from_open_file(file, options)?;
    let ordered = match format {
        Format::Qcow2 => Ordered::qcow2(file)?,
        Format::Raw => Ordered::plain(file),
    };
    Ok(ordered.until_dropped(unlock))
}

fn access(
    storage: Ordered,
    format: Format,
    write: bool,
    gate: Gate,
) -> io::Result<FormatAccess<Ordered>> {
    Ok(match format {
        Format::Raw => FormatAccess::new(Raw::builder(storage).write(write).open(gate)?),
        Format::Qcow2 => {
            let qcow2: Qcow2<Ordered> = Qcow2::builder(storage).write(write).open(gate)?;
            FormatAccess::new(qcow2)
        }
    })
}

/// A temporary file on top. It has no name any more when it is used, so it vanishes in any case.
fn overlay(base: FormatAccess<Ordered>) -> io::Result<FormatAccess<Ordered>> {
    let folder = std::env::var_os("TMPDIR").unwrap_or_else(|| "/var/tmp".into());
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .custom_flags(nix::libc::O_TMPFILE)
        .mode(0o600)
        .open(&folder)
        .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", folder.display())))?;
    let file = File::from_open_file(file, StorageOpenOptions::new().write(true))?;
    // It has no name: nobody sees in which order it is written.
    let storage = Ordered::plain(file);
    let size = base.size();
    let base = Arc::new(base);
    let builder = Qcow2::<Ordered, Arc<FormatAccess<Ordered>>>::create_builder(storage).size(size);
    let overlay = builder.create_open(DenyImplicitOpenGate::default(), |image| {
        Ok(Qcow2::builder(image).backing(Some(base)))
    })?;
    Ok(FormatAccess::new(overlay))
}

/// Opens backing files: for reading, locked.
#[derive(Clone, Copy)]
struct Gate {
    how: How,
}

impl ImplicitOpenGate<Ordered> for Gate {
    fn open_format<F: FormatDriverBuilder<Ordered>>(
        &mut self,
        builder: F,
    ) -> io::Result<FormatAccess<Ordered>> {
        Ok(FormatAccess::new(builder.open(*self)?))
    }

    fn open_storage(&mut self, options: StorageOpenOptions) -> io::Result<Ordered> {
        let path = options.get_filename().unwrap_or_else(|| "".as_ref());
        let path = path.to_string_lossy().into_owned();
        let write = options.get_writable();
        let file = open_file(&path, write, self.how).map_err(|e| io::Error::other(e.0))?;
        // Backing files are only read: there is no order to keep.
        storage(file, &path, write, self.how.direct, Format::Raw)
    }
}
