//! The folder of translations: those of a program are read from it at the start and written to it at the end (ADR 6).
//!
//! It is that of `-code-cache`, or the user's own cache. In the latter, a program counts from its second run on only:
//! most of what a build tries out runs once.
//!
//! What is read from there runs as host code. So the folder and the files have to be the user's own, and nobody else may
//! be allowed to write them (nor to read them: `seed` decides where programs are put). A file is only ever replaced
//! as a whole, so whoever has an old one mapped keeps that.

use crate::config::RunConfig;
use crate::sys;
use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File, Metadata, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};
use tcg_exec::Engine;

/// What `-code-cache` says if there is to be none.
const OFF: &str = "off";
/// Most bytes of all programs' files together; the least recently used go first.
const MOST_BYTES: u64 = 512 << 20;
/// One process in so many that write a file looks at the size of all.
const TRIM_EACH: u32 = 16;
/// The time of a file's last use is noted once a day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Places of 8 bytes in the file of programs that have run.
const SEEN: u64 = 8192;

/// The file of one program.
pub struct Keep {
    file: PathBuf,
    seed: [u8; 32],
    owner: Vec<u8>,
    user: u32,
}

fn own(m: &Metadata, user: u32) -> bool {
    m.uid() == user && m.mode() & 0o077 == 0
}

/// Opens a file of the user's own that nobody else can write.
fn open_own(path: &Path, user: u32) -> io::Result<(File, fs::Metadata)> {
    let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    let m = file.metadata()?;
    match m.is_file() && own(&m, user) {
        true => Ok((file, m)),
        false => Err(io::ErrorKind::PermissionDenied.into()),
    }
}

/// Writes a file so that others see all of it or nothing.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("new-{}-{number}", std::process::id());
    let new = path.with_file_name(name);
    let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(flags)
        .open(&new)?;
    let done = file.write_all(bytes).and_then(|()| fs::rename(&new, path));
    if done.is_err() {
        let _ = fs::remove_file(&new);
    }
    done
}

/// 32 secret bytes that stay the same for all programs of a user.
fn seed(dir: &Path, user: u32) -> io::Result<[u8; 32]> {
    let path = dir.join("seed");
    let mut bytes = [0; 32];
    if open_own(&path, user)
        .and_then(|(mut f, _)| f.read_exact(&mut bytes))
        .is_err()
    {
        sys::random(None, &mut bytes);
        write_whole(&path, &bytes)?;
    }
    Ok(bytes)
}

fn hash(what: &impl Hash, number: u64) -> u64 {
    let mut h = DefaultHasher::new();
    number.hash(&mut h);
    what.hash(&mut h);
    h.finish()
}

/// The folder that is used unless another is asked for: below the user's cache folder if that is there already, else
/// below the one that lasts until the next start of the system. Neither is made for this, as roots that become images
/// should not have them.
fn usual_folder(user: u32) -> Option<PathBuf> {
    let var = |name| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let usable = |dir: &PathBuf| fs::metadata(dir).is_ok_and(|m| m.is_dir() && m.uid() == user);
    let cache = || var("XDG_CACHE_HOME").or_else(|| Some(var("HOME")?.join(".cache")));
    let passing = || match user {
        0 => Some(PathBuf::from("/run")),
        _ => var("XDG_RUNTIME_DIR"),
    };
    let found = cache().filter(usable).or_else(|| passing().filter(usable));
    Some(found?.join("emu"))
}

/// Whether a program has run before; from now on it has. Two that share a place may both be forgotten.
fn seen_before(dir: &Path, user: u32, program: u64) -> io::Result<bool> {
    let path = dir.join("seen");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
        .open(&path)?;
    let m = file.metadata()?;
    if !m.is_file() || !own(&m, user) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let at = program % SEEN * 8;
    let mut have = [0; 8];
    let known = file.read_exact_at(&mut have, at).is_ok() && have == program.to_ne_bytes();
    if !known && sys::soft_limit(sys::RLIMIT_FSIZE).unwrap_or(0) >= SEEN * 8 {
        file.write_all_at(&program.to_ne_bytes(), at)?;
    }
    Ok(known)
}

/// Removes the files that were not used for longest, if all are too large together, and what was never finished.
fn trim(dir: &Path, most: u64) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)?.flatten() {
        let Ok(m) = entry.metadata() else { continue };
        let (name, used) = (entry.file_name(), m.modified()?);
        let old = || used.elapsed().is_ok_and(|age| age > DAY);
        match name.as_bytes() {
            [b'n', b'e', b'w', b'-', ..] if old() => drop(fs::remove_file(entry.path())),
            name if name.len() == 32 && m.is_file() => files.push((used, m.len(), entry.path())),
            _ => {}
        }
    }
    files.sort_unstable();
    let mut total: u64 = files.iter().map(|f| f.1).sum();
    let goal = if total > most { most / 4 * 3 } else { most };
    for (_, len, path) in files {
        if total <= goal {
            break;
        }
        fs::remove_file(path)?;
        total -= len;
    }
    Ok(())
}

impl Keep {
    /// For a run of the program `exe` (its canonical path), if translations are to be kept and the folder may be used.
    pub fn new(cfg: &RunConfig, exe: &Path) -> Option<Keep> {
        let user = sys::effective_user();
        let Some(dir) = cfg.code_cache.as_deref() else {
            // Nobody asked for it, so nothing is said if it does not work.
            let dir = usual_folder(user)?;
            return Keep::in_folder(cfg, exe, &dir, user, false).ok().flatten();
        };
        if dir.as_os_str() == OFF {
            return None;
        }
        match Keep::in_folder(cfg, exe, dir, user, true) {
            Ok(keep) => keep,
            Err(e) => {
                eprintln!("emu: -code-cache {}: {e}; not used", dir.display());
                None
            }
        }
    }

    /// `at_once`: also for a program that runs for the first time.
    fn in_folder(
        cfg: &RunConfig,
        exe: &Path,
        dir: &Path,
        user: u32,
        at_once: bool,
    ) -> io::Result<Option<Keep>> {
        let Some(build) = sys::build_id() else {
            return Err(io::Error::other("this emu has no build id"));
        };
        if !dir.is_absolute() {
            return Err(io::Error::other("not an absolute path"));
        }
        let made = fs::DirBuilder::new().mode(0o700).create(dir);
        let m = match (fs::symlink_metadata(dir), made) {
            (Ok(m), _) => m,
            (Err(_), Err(e)) => return Err(e),
            (Err(e), _) => return Err(e),
        };
        // A program that runs as another user has no cache, without a word: it inherits the option.
        if m.uid() != user || sys::is_secure_start() {
            return Ok(None);
        }
        if !m.is_dir() || !own(&m, user) {
            return Err(io::Error::other("not a folder with mode 0700"));
        }
        let cpu = cfg.cpu.as_deref().unwrap_or_default();
        let (guest, big) = (cfg.guest.name, cfg.guest.big_endian);
        let mut owner = format!("{guest} {big} cpu={cpu} build={build} ").into_bytes();
        owner.extend_from_slice(exe.as_os_str().as_bytes());
        let key = (guest, big, cpu, exe.as_os_str().as_bytes());
        let number = hash(&key, 0);
        let file = dir.join(format!("{number:016x}{:016x}", hash(&key, 1)));
        if !at_once && !file.exists() && !seen_before(dir, user, number)? {
            return Ok(None);
        }
        Ok(Some(Keep {
            file,
            seed: seed(dir, user)?,
            owner,
            user,
        }))
    }

    /// Bytes that decide where the program is put: the same in each of its runs, as translations hold addresses.
    pub fn place(&self, out: &mut [u8]) {
        for (k, chunk) in out.chunks_mut(8).enumerate() {
            let bytes = hash(&(&self.seed, &self.file), k as u64).to_ne_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }

    /// Gives the engine what was kept.
    pub fn start(&self, engine: &Engine) {
        let image = open_own(&self.file, self.user).and_then(|(f, m)| {
            if m.modified()?.elapsed().is_ok_and(|age| age > DAY) {
                let _ = f.set_modified(SystemTime::now());
            }
            sys::map_whole(&f, &m)
        });
        engine.keep(&self.owner, image.unwrap_or_default());
    }

    /// At the end of a program: writes what is new, if it is enough.
    pub fn finish(&self, engine: &Engine) {
        if sys::effective_user() != self.user {
            return;
        }
        let current = || open_own(&self.file, self.user).and_then(|(f, m)| sys::map_whole(&f, &m));
        let Some(image) = engine.kept_image(|| current().unwrap_or_default()) else {
            return;
        };
        // The guest's limit on the size of files would end the process.
        if sys::soft_limit(sys::RLIMIT_FSIZE).unwrap_or(0) >= image.len() as u64 {
            let _ = write_whole(&self.file, &image);
        }
        if let Some(dir) = self.file.parent()
            && std::process::id().is_multiple_of(TRIM_EACH)
        {
            let _ = trim(dir, MOST_BYTES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("emu-keep-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::DirBuilder::new().mode(0o700).create(&dir).unwrap();
        dir
    }

    #[test]
    fn program_is_seen_the_second_time() {
        let dir = folder("seen");
        let user = sys::effective_user();
        assert!(!seen_before(&dir, user, 77).unwrap());
        assert!(!seen_before(&dir, user, 78).unwrap());
        assert!(seen_before(&dir, user, 77).unwrap());
        // The same place.
        assert!(!seen_before(&dir, user, 77 + SEEN).unwrap());
        assert!(!seen_before(&dir, user, 77).unwrap());
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn least_recently_used_files_are_removed() {
        let dir = folder("trim");
        for k in 0..4u64 {
            let path = dir.join(format!("{k:032x}"));
            fs::write(&path, [0; 100]).unwrap();
            // The later, the older.
            let used = SystemTime::now() - Duration::from_secs(60 * k);
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_modified(used)
                .unwrap();
        }
        fs::write(dir.join("seed"), [0; 1000]).unwrap();
        let left = || fs::read_dir(&dir).unwrap().count();
        trim(&dir, 400).unwrap();
        assert_eq!(left(), 5);
        trim(&dir, 399).unwrap();
        assert_eq!(left(), 3);
        assert!(dir.join(format!("{:032x}", 1)).exists() && dir.join("seed").exists());
        fs::remove_dir_all(dir).unwrap();
    }
}
