//! Why a foreign program does not start here, and what to do.
//!
//! Follows what the kernel does with an `execve`: the file, its mode and its file system, scripts, the entry of
//! binfmt_misc, the emulator of that entry, and the program's own interpreter, all as seen from inside of a root.

use crate::elf::{self, Image};
use crate::entry::Entry;
use crate::kernel::{Kernel, Registered};
use crate::magic::Guest;
use crate::script;
use nix::sys::statvfs::{FsFlags, statvfs};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Fine,
    /// Good to know.
    Note,
    /// The program does not start.
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub verdict: Verdict,
    /// What was found.
    pub what: String,
    /// What to do; empty if nothing.
    pub remedy: String,
}

/// Scripts may name scripts so deep. [Linux fs/exec.c]
const MAX_SCRIPTS: usize = 5;
/// Symbolic links on the way to one file. [Linux include/linux/namei.h]
const MAX_LINKS: usize = 40;
/// e_machine of what the host runs itself: i386 and x86-64.
pub const NATIVE: [u16; 2] = [3, 62];
/// Bits of a mode: set-user-id and set-group-id.
const SET_ID: u32 = 0o6000;

/// Looks at one program (or, without one, at the entries of all guests), as a process would see it whose root is `root`.
pub fn examine(
    program: Option<&Path>,
    root: &Path,
    kernel: &Kernel,
    guests: &[Guest],
) -> Vec<Finding> {
    let mut e = Examination {
        root,
        kernel,
        guests,
        found: Vec::new(),
    };
    match program {
        Some(program) => e.program(program),
        None => e.overview(),
    }
    e.found
}

struct Examination<'a> {
    root: &'a Path,
    kernel: &'a Kernel,
    guests: &'a [Guest],
    found: Vec<Finding>,
}

impl Examination<'_> {
    fn say(&mut self, verdict: Verdict, what: impl Into<String>, remedy: impl Into<String>) {
        self.found.push(Finding {
            verdict,
            what: what.into(),
            remedy: remedy.into(),
        });
    }

    fn fine(&mut self, what: impl Into<String>) {
        self.say(Verdict::Fine, what, "");
    }

    fn problem(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.say(Verdict::Problem, what, remedy);
    }

    /// Whether another root than the host's is meant.
    fn is_foreign_root(&self) -> bool {
        self.root != Path::new("/")
    }

    /// The entries, if binfmt_misc works.
    fn entries(&mut self) -> Option<Vec<Registered>> {
        match self.kernel.entries() {
            Ok(all) => {
                if !self.kernel.is_enabled() {
                    let switch = self.kernel.dir().join("status");
                    self.problem(
                        "binfmt_misc is switched off",
                        format!("echo 1 >{}", switch.display()),
                    );
                }
                Some(all)
            }
            Err(e) => {
                self.problem(
                    e.to_string(),
                    "emu run --rootfs DIR -- COMMAND works without binfmt_misc",
                );
                None
            }
        }
    }

    fn overview(&mut self) {
        let Some(entries) = self.entries() else {
            return;
        };
        self.fine(format!(
            "binfmt_misc is mounted at {}",
            self.kernel.dir().display()
        ));
        for guest in self.guests {
            let head = guest.magic().value;
            match self.matching(&entries, &head) {
                Some(entry) => {
                    self.fine(format!("{}: entry '{}'", guest.name, entry.name));
                    self.emulator(&entry);
                }
                None => self.say(
                    Verdict::Note,
                    format!("{}: no entry", guest.name),
                    format!("emu binfmt install {}", guest.name),
                ),
            }
        }
    }

    fn program(&mut self, program: &Path) {
        let mut path = program.to_path_buf();
        for _ in 0..MAX_SCRIPTS {
            let Some(file) = self.file(&path) else { return };
            let head = match elf::head(&file, script::HEAD) {
                Ok(head) => head,
                Err(e) => {
                    return self.problem(format!("{}: cannot be read: {e}", path.display()), "");
                }
            };
            match script::interpreter(&head) {
                None => return self.image(&path, &file, &head),
                Some(Ok(next)) => {
                    self.fine(format!(
                        "{}: a script for {}",
                        path.display(),
                        next.display()
                    ));
                    path = next;
                }
                Some(Err(broken)) => {
                    return self.problem(
                        format!("{}: a script, but {broken}", path.display()),
                        "correct its first line (dos2unix, or a shorter path)",
                    );
                }
            }
        }
        self.problem(
            format!("{}: scripts name scripts too often", program.display()),
            "",
        );
    }

    /// Finds a file that can be executed; its path on the host.
    fn file(&mut self, path: &Path) -> Option<PathBuf> {
        let shown = path.display();
        let file = match resolve(self.root, path) {
            Ok(file) => file,
            Err(e) => {
                self.problem(
                    format!("{shown}: {e}"),
                    format!("is it in the root {}?", self.root.display()),
                );
                return None;
            }
        };
        let meta = match fs::metadata(&file) {
            Ok(meta) => meta,
            Err(e) => {
                self.problem(format!("{shown}: {e}"), "");
                return None;
            }
        };
        let mode = meta.permissions().mode();
        if !meta.is_file() {
            self.problem(format!("{shown}: is not a regular file"), "");
            return None;
        }
        if mode & 0o111 == 0 {
            self.problem(
                format!("{shown}: is not executable (mode {:04o})", mode & 0o7777),
                format!("chmod +x {shown}"),
            );
        }
        if statvfs(&file).is_ok_and(|s| s.flags().contains(FsFlags::ST_NOEXEC)) {
            self.problem(
                format!("{shown}: its file system is mounted noexec"),
                "mount -o remount,exec it, or copy the program elsewhere",
            );
        }
        if mode & SET_ID != 0 {
            self.say(
                Verdict::Note,
                format!("{shown}: is set-user-id or set-group-id, which counts only for an entry with the flag C"),
                "emu binfmt install --flags POCF, if you trust the emulator with it",
            );
        }
        Some(file)
    }

    fn image(&mut self, path: &Path, file: &Path, head: &[u8]) {
        let shown = path.display().to_string();
        if !head.starts_with(b"\x7fELF") {
            return self.problem(
                format!("{shown}: neither an ELF program nor a script with #!"),
                "",
            );
        }
        let image = match elf::read(file) {
            Ok(image) => image,
            Err(why) => return self.problem(format!("{shown}: {why}"), "fetch or build it again"),
        };
        if !matches!(image.kind, 2 | 3) {
            return self.problem(
                format!(
                    "{shown}: an ELF file, but not a program (type {})",
                    image.kind
                ),
                "link it",
            );
        }
        if NATIVE.contains(&image.machine) && !image.big_endian {
            self.fine(format!("{shown}: a program of the host itself"));
        } else {
            self.foreign(&shown, &image, head);
        }
        self.interpreter(&shown, &image);
    }

    fn foreign(&mut self, shown: &str, image: &Image, head: &[u8]) {
        let same = |g: &&Guest| {
            (g.machine, g.class, g.big_endian) == (image.machine, image.class, image.big_endian)
        };
        let guest = self.guests.iter().find(same).copied();
        match guest {
            Some(g) => self.fine(format!("{shown}: a program for {}", g.name)),
            None => self.problem(
                format!(
                    "{shown}: ELF machine {}, {} bits, {}-endian, is not among the guests of this build",
                    image.machine,
                    image.class,
                    if image.big_endian { "big" } else { "little" }
                ),
                "emu help lists them",
            ),
        }
        let Some(entries) = self.entries() else {
            return;
        };
        if let Some(entry) = self.matching(&entries, head) {
            self.fine(format!("the entry '{}' starts it", entry.name));
            self.emulator(&entry);
            return;
        }
        if let Some(off) = entries.iter().find(|r| r.entry.matches(head)) {
            let switch = self.kernel.dir().join(&off.entry.name);
            self.problem(
                format!(
                    "the entry '{}' would start it, but is switched off",
                    off.entry.name
                ),
                format!("echo 1 >{}", switch.display()),
            );
        } else if let Some(g) = guest {
            self.problem(
                format!("no entry of binfmt_misc starts programs for {}", g.name),
                format!("emu binfmt install {}", g.name),
            );
        }
    }

    /// The enabled entry for a file with this head. If there are several the kernel takes the newest, which cannot be
    /// seen from outside.
    fn matching(&mut self, entries: &[Registered], head: &[u8]) -> Option<Entry> {
        let mut hits = entries
            .iter()
            .filter(|r| r.enabled && r.entry.matches(head));
        let first = hits.next()?.entry.clone();
        let others: Vec<&str> = hits.map(|r| r.entry.name.as_str()).collect();
        if !others.is_empty() {
            self.say(
                Verdict::Note,
                format!(
                    "'{}' and {others:?} match the same programs; the one registered last is used",
                    first.name
                ),
                format!("emu binfmt remove {}", others.join(" ")),
            );
        }
        Some(first)
    }

    fn emulator(&mut self, entry: &Entry) {
        let shown = entry.interpreter.display().to_string();
        let fixed = entry.flags.fix_binary;
        let again = format!("emu binfmt install --flags {}", crate::Flags::default());
        if !fixed && self.is_foreign_root() {
            let inside = resolve(self.root, &entry.interpreter);
            if inside.is_err() {
                self.problem(
                    format!(
                        "the entry '{}' has no flag F, and there is no {shown} in this root",
                        entry.name
                    ),
                    again.clone(),
                );
            }
        }
        let outside = elf::read(&entry.interpreter);
        match outside {
            Err(_) if fixed => self.say(
                Verdict::Note,
                format!("{shown} is gone or replaced; the kernel holds the one it was given"),
                again,
            ),
            Err(why) => self.problem(format!("the emulator {shown}: {why}"), again),
            Ok(Image {
                interpreter: Some(loader),
                ..
            }) if self.is_foreign_root() => {
                if resolve(self.root, &loader).is_err() {
                    self.problem(
                        format!("the emulator {shown} is not static, and its loader {} is not in this root", loader.display()),
                        "use a static build (RUSTFLAGS='-C target-feature=+crt-static')",
                    );
                }
            }
            Ok(_) => {}
        }
        if !entry.flags.preserve_argv0 {
            self.say(
                Verdict::Note,
                format!(
                    "the entry '{}' has no flag P: programs see their path as argv[0]",
                    entry.name
                ),
                again_with_p(),
            );
        }
    }

    /// The program's own interpreter.
    fn interpreter(&mut self, shown: &str, image: &Image) {
        let Some(name) = &image.interpreter else {
            return self.fine(format!("{shown}: static"));
        };
        if resolve(self.root, name).is_ok() {
            return self.fine(format!("its interpreter {} is there", name.display()));
        }
        let others = loaders(self.root);
        let (why, remedy) = match others.as_slice() {
            [] => (
                String::new(),
                "install the C library of the program's architecture there, or name its root with --root (emu: -L)"
                    .to_string(),
            ),
            _ => (
                format!("; the root has {} (another ABI?)", others.join(", ")),
                "use a root and programs of the same ABI".to_string(),
            ),
        };
        self.problem(
            format!(
                "{shown} needs the interpreter {}, which is not in {}{why}",
                name.display(),
                self.root.display()
            ),
            remedy,
        );
    }
}

fn again_with_p() -> String {
    format!("emu binfmt install --flags {}", crate::Flags::default())
}

/// Names of the dynamic loaders in the usual folders of a root.
fn loaders(root: &Path) -> Vec<String> {
    let mut names: Vec<String> = ["lib", "lib64", "usr/lib"]
        .iter()
        .filter_map(|d| resolve(root, &Path::new("/").join(d)).ok())
        .filter_map(|d| fs::read_dir(d).ok())
        .flatten()
        .filter_map(|f| f.ok()?.file_name().into_string().ok())
        .filter(|n| n.starts_with("ld-") || n.starts_with("ld.so") || n.starts_with("ld64.so"))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The host's path of `path` as seen from `root`: symbolic links that are absolute start at the root, and `..` does not
/// leave it.
fn resolve(root: &Path, path: &Path) -> io::Result<PathBuf> {
    if root == Path::new("/") {
        return fs::canonicalize(path);
    }
    let mut todo: Vec<PathBuf> = components(path);
    let (mut at, mut links) = (root.to_path_buf(), 0);
    let mut depth = 0usize;
    while let Some(part) = todo.pop() {
        if part == Path::new("..") {
            if depth > 0 {
                at.pop();
                depth -= 1;
            }
            continue;
        }
        let next = at.join(&part);
        let meta = fs::symlink_metadata(&next)?;
        if !meta.is_symlink() {
            (at, depth) = (next, depth + 1);
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(io::Error::other("too many levels of symbolic links"));
        }
        let to = fs::read_link(&next)?;
        if to.is_absolute() {
            (at, depth) = (root.to_path_buf(), 0);
        }
        todo.extend(components(&to));
    }
    Ok(at)
}

/// The parts of a path that count, the last first.
fn components(path: &Path) -> Vec<PathBuf> {
    let mut parts: Vec<PathBuf> = path
        .components()
        .filter(|c| matches!(c, Component::Normal(_) | Component::ParentDir))
        .map(|c| PathBuf::from(c.as_os_str()))
        .collect();
    parts.reverse();
    parts
}

#[cfg(test)]
mod tests;
