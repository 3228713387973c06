//! Entries that survive a restart: files that systemd-binfmt or Debian's binfmt-support register at boot.

use crate::entry::Entry;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Who is to read the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// systemd's binfmt.d(5).
    Systemd,
    /// Debian's update-binfmts(8).
    Debian,
}

/// A file could not be written or removed.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}")]
pub struct PersistError {
    path: String,
    error: io::Error,
}

impl Format {
    /// The text of an entry's file.
    pub fn text(self, entry: &Entry) -> String {
        match self {
            Format::Systemd => entry.line() + "\n",
            Format::Debian => entry.debian(),
        }
    }
}

/// The place of such files below a root.
#[derive(Clone, Debug)]
pub struct Persistent {
    folder: PathBuf,
}

impl Persistent {
    /// systemd's folder for the administrator's entries, below `root`.
    pub fn below(root: &Path) -> Persistent {
        Persistent {
            folder: root.join("etc/binfmt.d"),
        }
    }

    /// The file of an entry.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.conf"))
    }

    /// Writes an entry's file; first beside it, so that nobody reads half of it.
    pub fn write(&self, entry: &Entry) -> Result<PathBuf, PersistError> {
        let path = self.path(&entry.name);
        let fresh = self.folder.join(format!(".{}.new", entry.name));
        fs::create_dir_all(&self.folder)
            .and_then(|()| fs::write(&fresh, Format::Systemd.text(entry)))
            .and_then(|()| fs::rename(&fresh, &path))
            .map_err(|error| PersistError {
                path: path.display().to_string(),
                error,
            })?;
        Ok(path)
    }

    /// Removes an entry's file; whether there was one.
    pub fn remove(&self, name: &str) -> Result<bool, PersistError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(PersistError {
                path: path.display().to_string(),
                error,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Flags, magic::ARM};

    #[test]
    fn files_are_written_replaced_and_removed() {
        let root = std::env::temp_dir().join(format!("emu-binfmt-{}", std::process::id()));
        let place = Persistent::below(&root);
        let mut entry = Entry::of(&ARM, Path::new("/a"), Flags::default());
        for interpreter in ["/a", "/b"] {
            entry.interpreter = interpreter.into();
            let path = place.write(&entry).unwrap();
            assert_eq!(path, root.join("etc/binfmt.d/emu-arm.conf"));
            assert_eq!(fs::read_to_string(path).unwrap(), entry.line() + "\n");
        }
        assert!(place.remove("emu-arm").unwrap());
        assert!(!place.remove("emu-arm").unwrap());
        fs::remove_dir_all(root).unwrap();
    }
}
