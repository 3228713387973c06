//! Entering the root folder of a foreign system: namespaces, ids, mounts, the new root, the user.
//!
//! With the host's privileges this is a chroot in a mount namespace of its own. Without them a user namespace comes
//! first, with as many ids as the host grants ([`idmap`]). The calling process itself enters, and must have one thread.
#![forbid(unsafe_code)]

pub mod idmap;
mod mounts;
mod user;

pub use mounts::Bind;
pub use user::User;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use std::path::{Path, PathBuf};

/// What to enter, and as whom.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The root folder.
    pub root: PathBuf,
    /// Folders and files of the host that are visible inside, beside /proc, /sys and /dev.
    pub binds: Vec<Bind>,
    /// The user inside: a name of the root's /etc/passwd, or numbers `UID[:GID]`; root if none.
    pub user: Option<String>,
    /// The folder inside to start in; the user's home if none.
    pub folder: Option<PathBuf>,
    /// Show the host's /etc/resolv.conf and /etc/hosts inside.
    pub network_files: bool,
}

/// Why a root was not entered.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum EnterError {
    #[error("{0}: {1}")]
    Root(PathBuf, std::io::Error),
    #[error("{0}: not a folder")]
    NotFolder(PathBuf),
    #[error(
        "no user namespace: {0} (switched off on this host? see /proc/sys/user/max_user_namespaces and kernel.unprivileged_userns_clone)"
    )]
    UserNamespace(Errno),
    #[error("no mount namespace: {0}")]
    MountNamespace(Errno),
    #[error("cannot map user ids: {0}")]
    IdMap(String),
    #[error("{what} {path}: {error}")]
    Mount {
        what: &'static str,
        path: PathBuf,
        error: Errno,
    },
    #[error("--bind {0}: {1}")]
    Bind(String, std::io::Error),
    #[error("cannot change the root to {0}: {1}")]
    Pivot(PathBuf, Errno),
    #[error("no user '{0}' in the root's /etc/passwd")]
    NoUser(String),
    #[error("cannot become user {0}: {1}")]
    BecomeUser(u32, Errno),
    #[error("cannot start in {0}: {1}")]
    Folder(PathBuf, Errno),
}

/// What the process is after entering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entered {
    /// The user.
    pub user: User,
    /// Only one user id is mapped: files cannot be given to other users.
    pub single_id: bool,
}

/// Enters. After an error the process may be half-way inside, and should end. In a user namespace of its own, where the
/// kernel's settings are the process's own, too, `prepare` is called with the root folder before it becomes the root.
pub fn enter(plan: &Plan, prepare: impl FnOnce(&Path)) -> Result<Entered, EnterError> {
    let root = plan
        .root
        .canonicalize()
        .map_err(|e| EnterError::Root(plan.root.clone(), e))?;
    if !root.is_dir() {
        return Err(EnterError::NotFolder(root));
    }
    let wanted = match &plan.user {
        Some(text) => user::find(&root, text).ok_or_else(|| EnterError::NoUser(text.clone()))?,
        None => User::root(),
    };
    // Where the host lets us, no user namespace: files keep their owners.
    let (single_id, own_namespace) = match unshare(CloneFlags::CLONE_NEWNS) {
        Ok(()) => (false, false),
        Err(Errno::EPERM) => (idmap::unshare_user()?, true),
        Err(e) => return Err(EnterError::MountNamespace(e)),
    };
    mounts::prepare(&root, plan)?;
    if own_namespace {
        prepare(&root);
    }
    mounts::pivot(&root)?;
    let folder = plan.folder.clone().unwrap_or_else(|| wanted.home.clone());
    wanted.become_it(single_id)?;
    if let Err(e) = nix::unistd::chdir(&folder) {
        // A home that is missing is no reason not to start; a folder that was asked for is.
        match plan.folder {
            Some(_) => return Err(EnterError::Folder(folder, e)),
            None => nix::unistd::chdir("/").map_err(|e| EnterError::Folder("/".into(), e))?,
        }
    }
    Ok(Entered {
        user: wanted,
        single_id,
    })
}

/// Whether a path can be used as a root at all: it has to have some program folder.
pub fn looks_like_root(root: &Path) -> bool {
    ["bin", "usr/bin", "sbin"]
        .iter()
        .any(|d| root.join(d).is_dir())
}
