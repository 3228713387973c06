//! Remembered ownership, for a namespace in which only one id is mapped: files cannot be given to other users there, and
//! processes cannot become them, but package managers want both. Owners are kept in an extended attribute of the file;
//! ids of a process are kept by its emulator and told to the next (`-ids`).
//!
//! DEVIATES: links and special files, which have no such attributes, stay with the one user; access is checked by the
//! host's ids alone; new files belong to the one user.

use crate::errno::Errno;
use crate::sys::{addr_mut, call};
use crate::task::Task;
use std::ffi::{CStr, CString};

/// The attribute: `UID:GID`.
const ATTRIBUTE: &CStr = c"user.emu.owner";

/// Ids of a process: real, effective, saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ids {
    /// Users.
    pub uid: [u32; 3],
    /// Groups.
    pub gid: [u32; 3],
    /// Further groups.
    pub groups: Vec<u32>,
}

impl Ids {
    /// From the argument of `-ids`.
    pub fn parse(text: &str) -> Option<Ids> {
        let numbers = text
            .split(',')
            .map(str::parse)
            .collect::<Result<Vec<u32>, _>>();
        let numbers = numbers.ok()?;
        let (fixed, groups) = numbers.split_at_checked(6)?;
        Some(Ids {
            uid: fixed.get(..3)?.try_into().ok()?,
            gid: fixed.get(3..)?.try_into().ok()?,
            groups: groups.to_vec(),
        })
    }

    /// The argument of `-ids`.
    pub fn text(&self) -> String {
        let all = self.uid.iter().chain(&self.gid).chain(&self.groups);
        all.map(u32::to_string).collect::<Vec<_>>().join(",")
    }

    /// Whether it may do everything.
    pub fn is_root(&self) -> bool {
        self.uid[1] == 0
    }

    /// Sets real, effective and saved ids (-1: stays). `rule` says which present ids may be chosen by whom is not root.
    pub fn change(&mut self, kind: Kind, new: [i32; 3]) -> Result<u64, Errno> {
        let root = self.is_root();
        let ids = match kind {
            Kind::User => &mut self.uid,
            Kind::Group => &mut self.gid,
        };
        let old = *ids;
        for (to, want) in ids.iter_mut().zip(new) {
            if want == -1 {
                continue;
            }
            if !root && !old.contains(&(want as u32)) {
                *ids = old;
                return Err(Errno::EPERM);
            }
            *to = want as u32;
        }
        Ok(0)
    }
}

/// Which ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Of users.
    User,
    /// Of groups.
    Group,
}

/// A file as the calls name it.
pub struct Named<'a> {
    /// Directory, or the file itself if the name is empty.
    pub dir: i32,
    /// The host's name.
    pub name: &'a CStr,
    /// A link is meant itself.
    pub nofollow: bool,
}

/// A path of /proc that leads to the file, and the descriptor that keeps it alive.
struct Handle {
    fd: Option<i32>,
    path: CString,
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(fd) = self.fd {
            let _ = call(libc::SYS_close, [fd as u64]);
        }
    }
}

impl Named<'_> {
    fn open(&self) -> Option<Handle> {
        let (fd, own) = match self.name.is_empty() {
            true => (self.dir, None),
            false => {
                let nofollow = if self.nofollow { libc::O_NOFOLLOW } else { 0 };
                let flags = libc::O_PATH | libc::O_CLOEXEC | nofollow;
                let args = [self.dir as u64, self.name.as_ptr() as u64, flags as u64, 0];
                let fd = call(libc::SYS_openat, args).ok()? as i32;
                (fd, Some(fd))
            }
        };
        let path = CString::new(format!("/proc/self/fd/{fd}")).ok()?;
        Some(Handle { fd: own, path })
    }
}

/// The remembered owner and group of a file.
pub fn of(file: &Named) -> Option<[u32; 2]> {
    let handle = file.open()?;
    let mut text = [0u8; 32];
    let args = [
        handle.path.as_ptr() as u64,
        ATTRIBUTE.as_ptr() as u64,
        addr_mut(&mut text),
        text.len() as u64,
    ];
    let len = call(libc::SYS_getxattr, args).ok()?;
    let text = std::str::from_utf8(text.get(..len as usize)?).ok()?;
    let (uid, gid) = text.split_once(':')?;
    Some([uid.parse().ok()?, gid.parse().ok()?])
}

/// Changes the owner (-1: stays). What cannot be remembered is left alone.
pub fn change(file: &Named, uid: i32, gid: i32) -> Result<u64, Errno> {
    let old = of(file).unwrap_or([0, 0]);
    let pick = |new: i32, old: u32| if new == -1 { old } else { new as u32 };
    let new = [pick(uid, old[0]), pick(gid, old[1])];
    let Some(handle) = file.open() else {
        // Says why.
        return call(
            libc::SYS_fchownat,
            [
                file.dir as u64,
                file.name.as_ptr() as u64,
                u64::MAX,
                u64::MAX,
                0,
            ],
        );
    };
    let (path, name) = (handle.path.as_ptr() as u64, ATTRIBUTE.as_ptr() as u64);
    if new == [0, 0] {
        let _ = call(libc::SYS_removexattr, [path, name]);
        return Ok(0);
    }
    let text = format!("{}:{}", new[0], new[1]);
    let args = [path, name, text.as_ptr() as u64, text.len() as u64, 0];
    match call(libc::SYS_setxattr, args) {
        // Not on this file system, or not for this kind of file.
        Err(Errno::EPERM | Errno::EOPNOTSUPP) | Ok(_) => Ok(0),
        Err(e) => Err(e),
    }
}

impl Task {
    /// Whether owners are remembered.
    pub fn remembers_owners(&self) -> bool {
        self.ids.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_and_read() {
        let ids = Ids::parse("0,1,2,3,4,5,6,7").unwrap();
        assert_eq!(
            (ids.uid, ids.gid, ids.groups.len()),
            ([0, 1, 2], [3, 4, 5], 2)
        );
        assert_eq!(ids.text(), "0,1,2,3,4,5,6,7");
        assert_eq!(Ids::parse("0,1,2"), None);
    }

    #[test]
    fn who_is_not_root_can_only_go_between_his_ids() {
        let mut ids = Ids::parse("0,0,0,0,0,0").unwrap();
        assert_eq!(ids.change(Kind::User, [42, 42, -1]), Ok(0));
        assert_eq!(ids.change(Kind::User, [-1, 7, -1]), Err(Errno::EPERM));
        assert_eq!(ids.change(Kind::Group, [-1, 7, -1]), Err(Errno::EPERM));
        assert_eq!(ids.change(Kind::User, [-1, 0, -1]), Ok(0));
        assert_eq!(ids.uid, [42, 0, 0]);
    }

    #[test]
    fn owners_are_remembered_by_file() {
        let path = std::env::temp_dir().join(format!("emu-owner-{}", std::process::id()));
        std::fs::write(&path, "").unwrap();
        let name = CString::new(path.to_str().unwrap()).unwrap();
        let file = Named {
            dir: libc::AT_FDCWD,
            name: &name,
            nofollow: false,
        };
        assert_eq!(of(&file), None);
        change(&file, 42, -1).unwrap();
        let seen = of(&file);
        change(&file, -1, 7).unwrap();
        let both = of(&file);
        change(&file, 0, 0).unwrap();
        let none = of(&file);
        std::fs::remove_file(&path).unwrap();
        // A file system without user attributes remembers nothing.
        assert!(seen == Some([42, 0]) && both == Some([42, 7]) || seen.is_none() && both.is_none());
        assert_eq!(none, None);
    }
}
