//! An entry of binfmt_misc: as it is written to `register`, as it is read back, and as the tools that register entries
//! at boot want it. [Linux Documentation/admin-guide/binfmt-misc.rst]

use crate::magic::{Guest, matches};
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

/// What an entry asks of the kernel besides starting the interpreter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags {
    /// `P`: the program's own argv[0] is passed on.
    pub preserve_argv0: bool,
    /// `O`: the program is passed open, so that it need not be readable.
    pub open_binary: bool,
    /// `C`: the program's set-user-id bits count. Implies `O`.
    pub credentials: bool,
    /// `F`: the interpreter is opened at registration, so that it works in any root.
    pub fix_binary: bool,
}

impl Default for Flags {
    /// What containers need: the interpreter works inside of them, argv[0] is right, unreadable programs run. Not `C`: a
    /// set-user-id program would run with the emulator's faults as its own.
    fn default() -> Flags {
        Flags {
            preserve_argv0: true,
            open_binary: true,
            credentials: false,
            fix_binary: true,
        }
    }
}

/// A letter that is no flag.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no flag of binfmt_misc (P, O, C, F)")]
pub struct FlagsError(char);

impl std::str::FromStr for Flags {
    type Err = FlagsError;

    fn from_str(text: &str) -> Result<Flags, FlagsError> {
        let mut f = Flags {
            preserve_argv0: false,
            open_binary: false,
            credentials: false,
            fix_binary: false,
        };
        for c in text.chars() {
            match c {
                'P' => f.preserve_argv0 = true,
                'O' => f.open_binary = true,
                'C' => (f.credentials, f.open_binary) = (true, true),
                'F' => f.fix_binary = true,
                other => return Err(FlagsError(other)),
            }
        }
        Ok(f)
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = [
            (self.preserve_argv0, 'P'),
            (self.open_binary, 'O'),
            (self.credentials, 'C'),
            (self.fix_binary, 'F'),
        ];
        letters
            .into_iter()
            .filter(|(on, _)| *on)
            .try_for_each(|(_, c)| f.write_char(c))
    }
}

/// An entry that recognises programs by the bytes at their beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name in binfmt_misc.
    pub name: String,
    /// What the bytes are.
    pub magic: Vec<u8>,
    /// Which of their bits count.
    pub mask: Vec<u8>,
    /// Where in the file they are.
    pub offset: usize,
    /// What is started.
    pub interpreter: PathBuf,
    /// How.
    pub flags: Flags,
}

impl Entry {
    /// The entry of a guest.
    pub fn of(guest: &Guest, interpreter: &Path, flags: Flags) -> Entry {
        let m = guest.magic();
        Entry {
            name: format!("emu-{}", guest.name),
            magic: m.value.to_vec(),
            mask: m.mask.to_vec(),
            offset: 0,
            interpreter: interpreter.to_path_buf(),
            flags,
        }
    }

    /// Whether a file with this head is started by the entry.
    pub fn matches(&self, head: &[u8]) -> bool {
        head.get(self.offset..)
            .is_some_and(|h| matches(&self.magic, &self.mask, h))
    }

    /// Whether there is a program that both entries would start.
    pub fn collides(&self, other: &Entry) -> bool {
        let at = |e: &Entry, i: usize| {
            let k = i.checked_sub(e.offset)?;
            Some((*e.magic.get(k)?, *e.mask.get(k)?))
        };
        let end = (self.offset + self.magic.len()).max(other.offset + other.magic.len());
        (0..end).all(|i| match (at(self, i), at(other, i)) {
            (Some((a, m)), Some((b, n))) => (a ^ b) & m & n == 0,
            _ => true,
        })
    }

    /// The line for `register`, which is also a line of systemd's binfmt.d.
    pub fn line(&self) -> String {
        format!(
            ":{}:M:{}:{}:{}:{}:{}",
            self.name,
            if self.offset == 0 {
                String::new()
            } else {
                self.offset.to_string()
            },
            escaped(&self.magic),
            escaped(&self.mask),
            self.interpreter.display(),
            self.flags
        )
    }

    /// The file for Debian's `update-binfmts --import`.
    pub fn debian(&self) -> String {
        let yes = |on: bool| if on { "yes" } else { "no" };
        format!(
            "package {}\ninterpreter {}\nmagic {}\noffset {}\nmask {}\ncredentials {}\npreserve {}\nfix_binary {}\n",
            self.name,
            self.interpreter.display(),
            escaped(&self.magic),
            self.offset,
            escaped(&self.mask),
            yes(self.flags.credentials),
            yes(self.flags.preserve_argv0),
            yes(self.flags.fix_binary)
        )
    }

    /// Reads what binfmt_misc shows of an entry; whether it is enabled. `None`: an entry of another kind (by file name
    /// extension) or something else.
    pub fn parse(name: &str, text: &str) -> Option<(Entry, bool)> {
        let mut lines = text.lines();
        let enabled = match lines.next()? {
            "enabled" => true,
            "disabled" => false,
            _ => return None,
        };
        let value = |key: &str| {
            text.lines()
                .find_map(|l| l.strip_prefix(key))
                .map(str::trim)
        };
        let magic = unhex(value("magic ")?)?;
        let mask = match value("mask ") {
            Some(mask) => unhex(mask)?,
            None => vec![0xff; magic.len()],
        };
        let entry = Entry {
            name: name.to_string(),
            magic,
            mask,
            offset: value("offset ")?.parse().ok()?,
            interpreter: value("interpreter ")?.into(),
            flags: value("flags:").unwrap_or_default().parse().ok()?,
        };
        Some((entry, enabled))
    }
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut s, b| {
        let _ = write!(s, "\\x{b:02x}");
        s
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::magic::ARM;

    fn arm() -> Entry {
        Entry::of(&ARM, Path::new("/usr/bin/emu-arm"), Flags::default())
    }

    #[test]
    fn flags_are_read_and_written() {
        for (text, back) in [
            ("POCF", "POCF"),
            ("F", "F"),
            ("", ""),
            ("C", "OC"),
            ("FP", "PF"),
        ] {
            assert_eq!(text.parse::<Flags>().unwrap().to_string(), back);
        }
        assert_eq!("PX".parse::<Flags>(), Err(FlagsError('X')));
        assert_eq!(Flags::default().to_string(), "POF");
    }

    #[test]
    fn the_line_for_the_kernel() {
        assert_eq!(
            arm().line(),
            r":emu-arm:M::\x7f\x45\x4c\x46\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00:\xff\xff\xff\xff\xff\xff\xff\xfc\x00\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/emu-arm:POF"
        );
        // The kernel takes no more than a page.
        assert!(arm().line().len() < 1920);
    }

    #[test]
    fn what_the_kernel_shows_is_read_back() {
        let shown = "enabled\ninterpreter /usr/bin/emu-arm\nflags: POF\noffset 0\n\
            magic 7f454c4601010100000000000000000002002800\nmask fffffffffffffffc00fffffffffffffffeffffff\n";
        assert_eq!(Entry::parse("emu-arm", shown), Some((arm(), true)));
        let python = "disabled\ninterpreter /usr/bin/python3\nflags: \noffset 0\nmagic 0d0a\n";
        let (e, enabled) = Entry::parse("python", python).unwrap();
        assert_eq!((e.mask, enabled), (vec![0xff; 2], false));
        assert_eq!(
            Entry::parse("x", "enabled\ninterpreter /x\nflags: \nextension .x\n"),
            None
        );
    }

    #[test]
    fn collisions_are_found_whatever_the_masks() {
        let mut other = arm();
        other.mask[7] = 0;
        assert!(arm().collides(&other));
        other.magic[18] = 183;
        assert!(!arm().collides(&other));
        other.offset = 64;
        assert!(arm().collides(&other), "different places can both match");
    }

    #[test]
    fn debian_format_names_every_field() {
        let text = arm().debian();
        for part in [
            "interpreter /usr/bin/emu-arm\n",
            "preserve yes\n",
            "credentials no\n",
            "fix_binary yes\n",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
