//! The kernel's side: the files below /proc/sys/fs/binfmt_misc.

use crate::entry::Entry;
use nix::errno::Errno;
use nix::libc;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where binfmt_misc is mounted.
const MOUNT_POINT: &str = "/proc/sys/fs/binfmt_misc";

/// What stands in the way. Each says what to do.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum KernelError {
    #[error(
        "{0} does not exist: /proc is not mounted, or this kernel has no binfmt_misc (modprobe binfmt_misc)"
    )]
    Absent(PathBuf),
    #[error("binfmt_misc is not mounted (mount -t binfmt_misc binfmt_misc {0})")]
    NotMounted(PathBuf),
    #[error(
        "cannot mount binfmt_misc at {0}: {1} (this needs root, or a user and mount namespace and Linux 6.7: unshare -Urm)"
    )]
    Mount(PathBuf, Errno),
    #[error(
        "{0} is read-only: register outside of this container, or remount it (mount -o remount,rw {0})"
    )]
    ReadOnly(PathBuf),
    #[error(
        "no permission to write {0}: this needs root, or a binfmt_misc of your own (unshare -Urm, Linux 6.7)"
    )]
    Permission(PathBuf),
    #[error(
        "the entry '{0}' of another emulator ({1}) starts the same programs: remove it (emu binfmt remove {0}), or use --force to go ahead of it"
    )]
    Collision(String, String),
    #[error("the kernel cannot open the emulator {0}: {1}")]
    Interpreter(PathBuf, io::Error),
    #[error("there is no entry '{0}'")]
    NoEntry(String),
    #[error("the kernel refused the entry '{0}': {1}")]
    Refused(String, io::Error),
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
}

/// An entry that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The entry.
    pub entry: Entry,
    /// It has not been switched off.
    pub enabled: bool,
}

/// What registering did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The entry is new.
    Made,
    /// An older entry of the name was different.
    Replaced,
    /// It was there already.
    Kept,
}

/// A mounted (or missing) binfmt_misc.
#[derive(Clone, Debug)]
pub struct Kernel {
    dir: PathBuf,
}

impl Default for Kernel {
    fn default() -> Kernel {
        Kernel::at(Path::new(MOUNT_POINT))
    }
}

impl Kernel {
    /// The binfmt_misc that is mounted at `dir`.
    pub fn at(dir: &Path) -> Kernel {
        Kernel {
            dir: dir.to_path_buf(),
        }
    }

    /// Where it is mounted.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether it is there.
    pub fn check(&self) -> Result<(), KernelError> {
        if self.dir.join("register").exists() {
            Ok(())
        } else if self.dir.is_dir() {
            Err(KernelError::NotMounted(self.dir.clone()))
        } else {
            Err(KernelError::Absent(self.dir.clone()))
        }
    }

    /// Mounts it if it is not mounted.
    pub fn mount(&self) -> Result<(), KernelError> {
        match self.check() {
            Err(KernelError::NotMounted(dir)) => {
                let none: Option<&str> = None;
                let flags = nix::mount::MsFlags::empty();
                nix::mount::mount(Some("binfmt_misc"), &dir, Some("binfmt_misc"), flags, none)
                    .map_err(|e| KernelError::Mount(dir, e))
            }
            other => other,
        }
    }

    /// Mounts the one of the process's user namespace, over whatever is mounted.
    pub fn mount_new(&self) -> Result<(), KernelError> {
        let none: Option<&str> = None;
        let flags = nix::mount::MsFlags::empty();
        let kind = Some("binfmt_misc");
        nix::mount::mount(kind, &self.dir, kind, flags, none)
            .map_err(|e| KernelError::Mount(self.dir.clone(), e))
    }

    /// The switch for all entries.
    pub fn is_enabled(&self) -> bool {
        fs::read_to_string(self.dir.join("status")).is_ok_and(|s| s.trim() == "enabled")
    }

    /// The entries that go by bytes, in the order of their names.
    pub fn entries(&self) -> Result<Vec<Registered>, KernelError> {
        self.check()?;
        let io = |e| KernelError::Io(self.dir.clone(), e);
        let mut all = Vec::new();
        for file in fs::read_dir(&self.dir).map_err(io)? {
            let file = file.map_err(io)?;
            let name = file.file_name().to_string_lossy().into_owned();
            // Gone again, or not for us to read: not an entry that we can judge.
            let text = fs::read_to_string(file.path()).unwrap_or_default();
            if let Some((entry, enabled)) = Entry::parse(&name, &text) {
                all.push(Registered { entry, enabled });
            }
        }
        all.sort_by(|a, b| a.entry.name.cmp(&b.entry.name));
        Ok(all)
    }

    /// Registers an entry in place of an older one of its name. With `force` also if another entry starts the same
    /// programs; the kernel asks the newest first.
    pub fn register(&self, entry: &Entry, force: bool) -> Result<Change, KernelError> {
        let all = self.entries()?;
        let mut change = Change::Made;
        for r in all {
            if r.entry.name == entry.name {
                if r.entry == *entry && r.enabled {
                    return Ok(Change::Kept);
                }
                self.unregister(&entry.name)?;
                change = Change::Replaced;
            } else if r.enabled && !force && r.entry.collides(entry) {
                let interpreter = r.entry.interpreter.display().to_string();
                return Err(KernelError::Collision(r.entry.name, interpreter));
            }
        }
        let refused = |e: io::Error| match e.raw_os_error() {
            Some(libc::ENOENT | libc::ENOEXEC) => {
                KernelError::Interpreter(entry.interpreter.clone(), e)
            }
            _ => KernelError::Refused(entry.name.clone(), e),
        };
        self.write("register", entry.line().as_bytes(), refused)?;
        Ok(change)
    }

    /// Removes an entry.
    pub fn unregister(&self, name: &str) -> Result<(), KernelError> {
        self.check()?;
        if name.contains('/') || matches!(name, "" | "." | ".." | "register" | "status") {
            return Err(KernelError::NoEntry(name.to_string()));
        }
        let refused = |e: io::Error| match e.kind() {
            io::ErrorKind::NotFound => KernelError::NoEntry(name.to_string()),
            _ => KernelError::Refused(name.to_string(), e),
        };
        self.write(name, b"-1", refused)
    }

    fn write(
        &self,
        file: &str,
        text: &[u8],
        other: impl FnOnce(io::Error) -> KernelError,
    ) -> Result<(), KernelError> {
        let path = self.dir.join(file);
        let done = OpenOptions::new()
            .write(true)
            .open(&path)
            .and_then(|mut f| f.write_all(text));
        done.map_err(|e| match e.raw_os_error() {
            Some(libc::EACCES | libc::EPERM) => KernelError::Permission(path),
            Some(libc::EROFS) => KernelError::ReadOnly(self.dir.clone()),
            _ => other(e),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::magic::ARM;
    use crate::{Flags, Guest};

    /// A folder that looks like binfmt_misc, as far as files can: `register` keeps what was written last.
    fn fake(name: &str) -> Kernel {
        let dir = std::env::temp_dir().join(format!("emu-misc-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("register"), "").unwrap();
        fs::write(dir.join("status"), "enabled\n").unwrap();
        Kernel::at(&dir)
    }

    fn entry(guest: &Guest) -> Entry {
        Entry::of(guest, Path::new("/usr/bin/emu"), Flags::default())
    }

    fn show(k: &Kernel, e: &Entry, state: &str) {
        let hex = |b: &[u8]| b.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let text = format!(
            "{state}\ninterpreter {}\nflags: {}\noffset 0\nmagic {}\nmask {}\n",
            e.interpreter.display(),
            e.flags,
            hex(&e.magic),
            hex(&e.mask)
        );
        fs::write(k.dir.join(&e.name), text).unwrap();
    }

    #[test]
    fn registering_writes_keeps_replaces_or_refuses() {
        let k = fake("register");
        let mut e = entry(&ARM);
        assert_eq!(k.register(&e, false).unwrap(), Change::Made);
        assert_eq!(
            fs::read_to_string(k.dir.join("register")).unwrap(),
            e.line()
        );
        show(&k, &e, "enabled");
        assert_eq!(k.register(&e, false).unwrap(), Change::Kept);
        e.interpreter = "/other".into();
        assert_eq!(k.register(&e, false).unwrap(), Change::Replaced);
        let removed = fs::read_to_string(k.dir.join("emu-arm")).unwrap();
        assert!(removed.starts_with("-1"), "{removed}");
        let mut qemu = entry(&ARM);
        qemu.name = "qemu-arm".into();
        show(&k, &qemu, "enabled");
        assert!(
            matches!(k.register(&e, false), Err(KernelError::Collision(n, _)) if n == "qemu-arm")
        );
        assert_eq!(k.register(&e, true).unwrap(), Change::Made);
        show(&k, &qemu, "disabled");
        assert_eq!(k.register(&e, false).unwrap(), Change::Made);
        fs::remove_dir_all(k.dir).unwrap();
    }

    #[test]
    fn only_entries_are_removed() {
        let k = fake("remove");
        show(&k, &entry(&ARM), "enabled");
        k.unregister("emu-arm").unwrap();
        for name in ["absent", "register", "status", "../x", ""] {
            assert!(
                matches!(k.unregister(name), Err(KernelError::NoEntry(_))),
                "{name}"
            );
        }
        fs::remove_dir_all(k.dir).unwrap();
    }

    #[test]
    fn a_missing_binfmt_misc_is_told_from_one_that_is_not_mounted() {
        let k = fake("absent");
        assert!(k.check().is_ok());
        fs::remove_file(k.dir.join("register")).unwrap();
        assert!(matches!(k.check(), Err(KernelError::NotMounted(_))));
        fs::remove_dir_all(&k.dir).unwrap();
        assert!(matches!(k.check(), Err(KernelError::Absent(_))));
        assert!(matches!(k.entries(), Err(KernelError::Absent(_))));
    }
}
