//! Disk images (`-drive`, `-blockdev`, `emu-img`): raw and qcow2 files on the imago crate, with
//! locks that QEMU understands, temporary snapshots, discard. Syntax and meaning are QEMU's.
//!
//! Calls are synchronous and may come from several threads: a disk controller makes them on a
//! thread of its own. Leaves out: other formats, encryption, writing to internal snapshots.
#![deny(unsafe_code)]

pub mod drive;
pub mod format;
pub mod image;
mod lock;
#[allow(unsafe_code)] // the trait of storage has unsafe functions
mod ordered;
pub mod tool;

pub use drive::Drives;

/// What the user did wrong, or the host refused: one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(pub String);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}
