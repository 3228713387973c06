//! Locks on image files that QEMU understands, and the other way round: a byte of the file for each
//! kind of use, and one for each kind of use by others that is not tolerated.
//! Reference: QEMU's manual "Disk image file locking"; fcntl(2), open file description locks.

use crate::Error;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use std::fs::File;

/// Where the bytes for uses are, and those for uses that are not tolerated.
const USE: i64 = 100;
const REFUSE: i64 = 200;

/// Kinds of use: bit number and word.
const READ: i64 = 0;
const WRITE: i64 = 1;
const RESIZE: i64 = 3;

/// Locks `file` until it is closed, or an [`Unlock`] of it dropped. Nobody else may write; a writer may not have other writers.
pub fn lock(file: &File, path: &str, write: bool) -> Result<(), Error> {
    let uses: &[i64] = if write {
        &[READ, WRITE, RESIZE]
    } else {
        &[READ]
    };
    let refuses = [WRITE, RESIZE];
    for bit in uses {
        set(file, USE + bit, path)?;
    }
    for bit in refuses {
        set(file, REFUSE + bit, path)?;
    }
    for bit in uses {
        if taken(file, REFUSE + bit)? {
            return Err(conflict(path, "", *bit));
        }
    }
    for bit in refuses {
        if taken(file, USE + bit)? {
            return Err(conflict(path, "shared ", bit));
        }
    }
    Ok(())
}

/// Lets go of a file's locks when it is dropped. That the file is closed is not enough while another thread starts a
/// process: that has all descriptors until it executes its program.
#[derive(Debug)]
pub struct Unlock(File);

impl Unlock {
    /// For the locks of `file`, which [`lock`] has made or not.
    pub fn of(file: &File) -> std::io::Result<Unlock> {
        file.try_clone().map(Unlock)
    }
}

impl Drop for Unlock {
    fn drop(&mut self) {
        for at in [USE, REFUSE] {
            let mut all = range(libc::F_UNLCK, at);
            all.l_len = REFUSE - USE;
            let _ = fcntl(&self.0, FcntlArg::F_OFD_SETLK(&all));
        }
    }
}

fn conflict(path: &str, shared: &str, bit: i64) -> Error {
    let word = match bit {
        READ => "consistent read",
        WRITE => "write",
        _ => "resize",
    };
    Error(format!(
        "{path}: Failed to get {shared}\"{word}\" lock. Is another process using the image?"
    ))
}

fn range(kind: i32, at: i64) -> libc::flock {
    libc::flock {
        l_type: i16::try_from(kind).unwrap_or(0),
        l_whence: 0,
        l_start: at,
        l_len: 1,
        l_pid: 0,
    }
}

fn set(file: &File, at: i64, path: &str) -> Result<(), Error> {
    let range = range(libc::F_RDLCK, at);
    match fcntl(file, FcntlArg::F_OFD_SETLK(&range)) {
        Ok(_) => Ok(()),
        // A file system without locks: as QEMU, go on without.
        Err(
            nix::errno::Errno::EINVAL | nix::errno::Errno::ENOLCK | nix::errno::Errno::EOPNOTSUPP,
        ) => Ok(()),
        Err(e) => Err(Error(format!("{path}: cannot lock: {e}"))),
    }
}

fn taken(file: &File, at: i64) -> Result<bool, Error> {
    let mut range = range(libc::F_WRLCK, at);
    match fcntl(file, FcntlArg::F_OFD_GETLK(&mut range)) {
        Ok(_) => Ok(i32::from(range.l_type) != libc::F_UNLCK),
        Err(_) => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_end_though_somebody_still_has_the_descriptor() {
        let path = std::env::temp_dir().join(format!("emu-lock-{}", std::process::id()));
        let name = path.to_string_lossy().into_owned();
        std::fs::write(&path, "image").unwrap();
        let open = || File::options().read(true).write(true).open(&path).unwrap();
        let first = open();
        lock(&first, &name, true).unwrap();
        let unlock = Unlock::of(&first).unwrap();
        let a_child_has = first.try_clone().unwrap();
        drop(first);
        let second = open();
        assert!(lock(&second, &name, true).is_err());
        drop(unlock);
        lock(&open(), &name, true).unwrap_err();
        drop(second);
        lock(&open(), &name, true).unwrap();
        drop(a_child_has);
        std::fs::remove_file(path).unwrap();
    }
}
