//! The user inside of a root: found in the root's own files, and become.

use crate::EnterError;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use std::fs;
use std::path::{Path, PathBuf};

/// A user of a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Login name, empty if there is none.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
    /// Home folder.
    pub home: PathBuf,
    /// Login shell.
    pub shell: PathBuf,
}

impl User {
    /// The superuser.
    pub fn root() -> User {
        User {
            name: "root".into(),
            uid: 0,
            gid: 0,
            groups: Vec::new(),
            home: "/root".into(),
            shell: "/bin/sh".into(),
        }
    }

    /// Changes the process's ids. With a single id mapped there are no other groups to leave.
    pub(crate) fn become_it(&self, single_id: bool) -> Result<(), EnterError> {
        let failed = |e| EnterError::BecomeUser(self.uid, e);
        if single_id {
            // There is nobody else to become: the emulator remembers who this is.
            return Ok(());
        }
        let groups: Vec<Gid> = self.groups.iter().map(|g| Gid::from_raw(*g)).collect();
        setgroups(&groups).map_err(failed)?;
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        setresgid(gid, gid, gid).map_err(failed)?;
        setresuid(uid, uid, uid).map_err(failed)
    }
}

/// A user by name or by `UID[:GID]`.
pub(crate) fn find(root: &Path, text: &str) -> Option<User> {
    let read = |name: &str| fs::read_to_string(root.join("etc").join(name)).unwrap_or_default();
    search(&read("passwd"), &read("group"), text)
}

fn search(passwd: &str, group: &str, text: &str) -> Option<User> {
    let (user, gid) = match text.split_once(':') {
        Some((user, gid)) => (user, Some(gid.parse().ok()?)),
        None => (text, None),
    };
    let number: Option<u32> = user.parse().ok();
    let known = passwd.lines().find_map(|line| {
        let f: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, shell] = f.as_slice() else {
            return None;
        };
        let uid = uid.parse().ok()?;
        (*name == user || Some(uid) == number).then(|| User {
            name: (*name).to_string(),
            uid,
            gid: gid.parse().unwrap_or(0),
            groups: memberships(group, name),
            home: (*home).into(),
            shell: (*shell).into(),
        })
    });
    let unknown = || {
        number.map(|uid| User {
            name: String::new(),
            uid,
            gid: uid,
            groups: Vec::new(),
            home: "/".into(),
            shell: "/bin/sh".into(),
        })
    };
    let mut found = known.or_else(unknown)?;
    if let Some(gid) = gid {
        found.gid = gid;
        found.groups.clear();
    }
    Some(found)
}

/// Ids of the groups that name a user.
fn memberships(group: &str, user: &str) -> Vec<u32> {
    let of = |line: &str| {
        let mut f = line.split(':').skip(2);
        let gid = f.next()?.parse().ok()?;
        f.next()?.split(',').any(|m| m == user).then_some(gid)
    };
    group.lines().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/bash\nbroken\nann:x:1000:100::/srv/ann:/bin/sh\n";
    const GROUP: &str = "root:x:0:\naudio:x:29:bob,ann\nusers:x:100:\nx\n";

    #[test]
    fn users_by_name_and_number() {
        let ann = search(PASSWD, GROUP, "ann").unwrap();
        assert_eq!(
            (ann.uid, ann.gid, ann.groups.as_slice()),
            (1000, 100, &[29][..])
        );
        assert_eq!(ann.home, Path::new("/srv/ann"));
        assert_eq!(search(PASSWD, GROUP, "1000"), Some(ann));
        let other = search(PASSWD, GROUP, "5:6").unwrap();
        assert_eq!((other.uid, other.gid, other.name.as_str()), (5, 6, ""));
        assert_eq!(search(PASSWD, GROUP, "ann:7").unwrap().gid, 7);
        assert_eq!(search(PASSWD, GROUP, "nobody"), None);
        assert_eq!(search(PASSWD, GROUP, "5:x"), None);
    }
}
