//! What is mounted where inside of a root, and making it the root.

use crate::{EnterError, Plan};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Something of the host that is visible inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// The path on the host.
    pub from: PathBuf,
    /// The path inside.
    pub to: PathBuf,
    /// Not to be changed from inside.
    pub read_only: bool,
}

impl std::str::FromStr for Bind {
    type Err = String;

    /// `FROM[:TO[:ro]]`, both absolute inside and outside.
    fn from_str(text: &str) -> Result<Bind, String> {
        let mut parts = text.split(':');
        let from = PathBuf::from(parts.next().unwrap_or_default());
        let to = parts.next().filter(|p| !p.is_empty()).map(PathBuf::from);
        let read_only = match parts.next() {
            None => false,
            Some("ro") => true,
            Some(other) => return Err(format!("'{other}' is not 'ro'")),
        };
        if parts.next().is_some() || from.as_os_str().is_empty() {
            return Err(format!("'{text}' is not FROM[:TO[:ro]]"));
        }
        let to = match to {
            Some(to) => to,
            None => std::path::absolute(&from).map_err(|e| e.to_string())?,
        };
        if !to.is_absolute() || to.components().any(|c| c == Component::ParentDir) {
            return Err(format!(
                "'{}' is not an absolute path without ..",
                to.display()
            ));
        }
        Ok(Bind {
            from,
            to,
            read_only,
        })
    }
}

/// The kernel's own file systems, in the order in which they are mounted.
const KERNEL: &[&str] = &["dev", "proc", "sys"];
/// Files that make names resolve.
const NETWORK: &[&str] = &["etc/resolv.conf", "etc/hosts"];

const NONE: Option<&str> = None;

fn bind(from: &Path, to: &Path) -> Result<(), Errno> {
    mount(
        Some(from),
        to,
        NONE,
        MsFlags::MS_BIND | MsFlags::MS_REC,
        NONE,
    )
}

/// Mounts everything below the root, in the process's own mount namespace.
pub(crate) fn prepare(root: &Path, plan: &Plan) -> Result<(), EnterError> {
    let error = |what, path: &Path| {
        let path = path.to_path_buf();
        move |error| EnterError::Mount { what, path, error }
    };
    // What is mounted here is not seen outside; what is mounted outside later is seen here.
    let slave = MsFlags::MS_SLAVE | MsFlags::MS_REC;
    mount(NONE, "/", NONE, slave, NONE).map_err(error("cannot separate", Path::new("/")))?;
    // The new root has to be a mount point.
    bind(root, root).map_err(error("cannot bind", root))?;
    for name in KERNEL {
        let (from, to) = (Path::new("/").join(name), root.join(name));
        if !from.is_dir() {
            continue;
        }
        if own_folder(&to, &from).map_err(|e| EnterError::Root(to.clone(), e))? {
            bind(&from, &to).map_err(error("cannot bind", &to))?;
        }
    }
    if plan.network_files {
        for name in NETWORK {
            let (from, to) = (Path::new("/").join(name), root.join(name));
            if from.is_file() && own_file(&to) {
                bind(&from, &to).map_err(error("cannot bind", &to))?;
            }
        }
    }
    plan.binds.iter().try_for_each(|b| add(root, b))
}

/// Makes sure that a folder to mount on is the root's own; false if there is none and none can be made, as in a root that
/// is read-only.
fn own_folder(to: &Path, from: &Path) -> io::Result<bool> {
    if to.is_symlink() {
        // debootstrap --foreign leaves a link to the host's /proc when it runs in a container: inside of the root that is
        // a link to itself.
        if fs::read_link(to)? != from {
            return Err(io::Error::other("is a symbolic link"));
        }
        fs::remove_file(to)?;
    }
    Ok(fs::create_dir_all(to).is_ok() || to.is_dir())
}

/// Whether there is a file of the root's own to mount on; an empty one is made where there is none, as container tools do. A
/// link would lead outside of the root: such roots bring their own.
fn own_file(to: &Path) -> bool {
    match to.symlink_metadata() {
        Ok(m) => m.is_file(),
        Err(_) => !to.parent().is_none_or(Path::is_symlink) && fs::File::create_new(to).is_ok(),
    }
}

/// Makes one bind, and the folder or file to mount it on.
fn add(root: &Path, b: &Bind) -> Result<(), EnterError> {
    let shown = || format!("{}:{}", b.from.display(), b.to.display());
    let io = |e: io::Error| EnterError::Bind(shown(), e);
    let from = b.from.canonicalize().map_err(io)?;
    let to = inside(root, &b.to).map_err(io)?;
    if from.is_dir() {
        fs::create_dir_all(&to).map_err(io)?;
    } else if !to.exists() {
        fs::create_dir_all(to.parent().unwrap_or(root)).map_err(io)?;
        fs::write(&to, "").map_err(io)?;
    }
    let error = |error| EnterError::Mount {
        what: "cannot bind",
        path: to.clone(),
        error,
    };
    bind(&from, &to).map_err(error)?;
    if b.read_only {
        let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(NONE, &to, NONE, flags, NONE).map_err(error)?;
    }
    Ok(())
}

/// The host's path of a path inside; a symbolic link on the way is refused, as it could lead outside.
fn inside(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let mut at = root.to_path_buf();
    for part in path.components() {
        if let Component::Normal(name) = part {
            at.push(name);
            if at.is_symlink() {
                let text = format!("{} is a symbolic link", at.display());
                return Err(io::Error::other(text));
            }
        }
    }
    Ok(at)
}

/// Makes `root` the root. Not by chroot: programs inside could not make user namespaces then.
pub(crate) fn pivot(root: &Path) -> Result<(), EnterError> {
    let error = |e| EnterError::Pivot(root.to_path_buf(), e);
    nix::unistd::chdir(root).map_err(error)?;
    // The old root comes to lie on top of the new one, and is taken away. See pivot_root(2).
    nix::unistd::pivot_root(".", ".").map_err(error)?;
    umount2(".", MntFlags::MNT_DETACH).map_err(error)?;
    nix::unistd::chdir("/").map_err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds_are_read() {
        let b = |from: &str, to: &str, read_only| {
            Ok(Bind {
                from: from.into(),
                to: to.into(),
                read_only,
            })
        };
        assert_eq!("/a".parse(), b("/a", "/a", false));
        assert_eq!("/a:/b".parse(), b("/a", "/b", false));
        assert_eq!("x:/b:ro".parse(), b("x", "/b", true));
        for wrong in ["", ":/b", "/a:/b:rw", "/a:/b:ro:x", "/a:b", "/a:/../b"] {
            assert!(wrong.parse::<Bind>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_link_to_the_hosts_folder_gives_way() {
        let root = std::env::temp_dir().join(format!("emu-own-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        let (proc, sys) = (root.join("proc"), root.join("sys"));
        std::os::unix::fs::symlink("/proc", &proc).unwrap();
        std::os::unix::fs::symlink("/etc", &sys).unwrap();
        assert!(own_folder(&proc, Path::new("/proc")).unwrap());
        assert!(proc.is_dir() && !proc.is_symlink());
        assert!(own_folder(&sys, Path::new("/sys")).is_err());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn links_on_the_way_are_refused() {
        let root = std::env::temp_dir().join(format!("emu-inside-{}", std::process::id()));
        fs::create_dir_all(root.join("a")).unwrap();
        std::os::unix::fs::symlink("/", root.join("a/out")).unwrap();
        assert_eq!(inside(&root, Path::new("/a/b")).unwrap(), root.join("a/b"));
        assert!(inside(&root, Path::new("/a/out/etc")).is_err());
        fs::remove_dir_all(root).unwrap();
    }
}
