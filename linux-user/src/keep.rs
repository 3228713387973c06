//! The folder of `-code-cache`: translations of a program are read from it at the start and written to it at the end
//! (ADR 6).
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
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use tcg_exec::Engine;

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
fn open_own(path: &Path, user: u32) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    let m = file.metadata()?;
    match m.is_file() && own(&m, user) {
        true => Ok(file),
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
        .and_then(|mut f| f.read_exact(&mut bytes))
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

impl Keep {
    /// For a run, if the command line asks for it and the folder may be used.
    pub fn new(cfg: &RunConfig) -> Option<Keep> {
        let dir = cfg.code_cache.as_deref()?;
        let user = sys::effective_user();
        match Keep::in_folder(cfg, dir, user) {
            Ok(keep) => keep,
            Err(e) => {
                eprintln!("emu: -code-cache {}: {e}; not used", dir.display());
                None
            }
        }
    }

    fn in_folder(cfg: &RunConfig, dir: &Path, user: u32) -> io::Result<Option<Keep>> {
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
        let exe = fs::canonicalize(&cfg.program).unwrap_or_else(|_| cfg.program.clone());
        let cpu = cfg.cpu.as_deref().unwrap_or_default();
        let (guest, big) = (cfg.guest.name, cfg.guest.big_endian);
        let mut owner = format!("{guest} {big} cpu={cpu} build={build} ").into_bytes();
        owner.extend_from_slice(exe.as_os_str().as_bytes());
        let key = (guest, big, cpu, exe.as_os_str().as_bytes());
        let name = format!("{:016x}{:016x}", hash(&key, 0), hash(&key, 1));
        Ok(Some(Keep {
            file: dir.join(name),
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
        let image = open_own(&self.file, self.user).and_then(|f| sys::map_whole(&f));
        engine.keep(&self.owner, image.unwrap_or_default());
    }

    /// At the end of a program: writes what is new, if it is enough.
    pub fn finish(&self, engine: &Engine) {
        if sys::effective_user() != self.user {
            return;
        }
        let current = open_own(&self.file, self.user).and_then(|f| sys::map_whole(&f));
        let Some(image) = engine.kept_image(current.unwrap_or_default()) else {
            return;
        };
        // The guest's limit on the size of files would end the process.
        if sys::file_size_limit() >= image.len() as u64 {
            let _ = write_whole(&self.file, &image);
        }
    }
}
