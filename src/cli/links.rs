//! `emu links DIR`: one hard link to this executable per applet name.

use super::detect::reason;
use crate::guests::GUESTS;
use anyhow::{Context, Result, bail};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Every name that the executable answers to, `emu` apart.
pub fn names() -> impl Iterator<Item = String> {
    GUESTS
        .iter()
        .flat_map(|g| g.names())
        .chain(["img", "system-ppc"])
        .map(|n| format!("emu-{n}"))
}

/// Makes the links in `folder`, replacing older links; prints each new one.
pub fn make(folder: &Path) -> Result<()> {
    let executable = std::env::current_exe().context("cannot find this executable")?;
    make_for(&executable, folder)
}

fn make_for(executable: &Path, folder: &Path) -> Result<()> {
    let of = executable
        .metadata()
        .with_context(|| executable.display().to_string())?;
    if !folder.is_dir() {
        bail!("{}: not a folder", folder.display());
    }
    for name in names() {
        let link = folder.join(&name);
        match link.symlink_metadata() {
            Ok(old) if (old.dev(), old.ino()) == (of.dev(), of.ino()) => continue,
            Ok(old) if old.is_dir() => bail!("{}: is a folder", link.display()),
            _ => {}
        }
        // A new name first, then a rename: whoever runs the old one meanwhile is not disturbed.
        let fresh = folder.join(format!(".{name}.{}", std::process::id()));
        let linked =
            std::fs::hard_link(executable, &fresh).and_then(|()| std::fs::rename(&fresh, &link));
        if let Err(error) = linked {
            let _ = std::fs::remove_file(&fresh);
            bail!(
                "{}: {} (hard links need the executable on the same file system)",
                link.display(),
                reason(&error)
            );
        }
        println!("{}", link.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_made_replaced_and_kept() {
        let folder = std::env::temp_dir().join(format!("emu-links-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let executable = folder.join("emu");
        std::fs::write(&executable, "x").unwrap();
        std::fs::write(folder.join("emu-arm"), "old").unwrap();
        for _ in 0..2 {
            make_for(&executable, &folder).unwrap();
            for name in names() {
                assert_eq!(std::fs::read(folder.join(name)).unwrap(), b"x");
            }
        }
        assert_eq!(
            std::fs::read_dir(&folder).unwrap().count(),
            1 + names().count()
        );
        assert!(make_for(&executable, &folder.join("absent")).is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
