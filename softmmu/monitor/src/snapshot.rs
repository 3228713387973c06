//! A machine's state as a file or a stream of its own: sections of bytes by name, with a checksum.
//!
//! Numbers are 8 bytes, little-endian. Magic and version; the number of sections; of each the length of its name, the name,
//! the length of its bytes, the bytes; a checksum of everything before.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 7] = b"EMUSNAP";
const VERSION: u8 = b'1';
/// The end of the names of files that [`list`] finds.
const SUFFIX: &str = "emusnap";

/// A section.
pub type Section = (String, Vec<u8>);

/// Against cut and damaged files, not against forgers: FNV-1a by words.
#[derive(Clone, Copy)]
struct Checksum(u64);

impl Checksum {
    fn add(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        let rest = rest.iter().map(|b| u64::from(*b));
        for word in words.iter().map(|w| u64::from_le_bytes(*w)).chain(rest) {
            self.0 = (self.0 ^ word)
                .wrapping_mul(0x0100_0000_01b3)
                .rotate_left(23);
        }
    }
}

/// The file that a name means: a path if it looks like one, else a file of ours in this folder.
pub fn path_of(name: &str) -> PathBuf {
    match name.contains(['/', '.']) {
        true => name.into(),
        false => format!("{name}.{SUFFIX}").into(),
    }
}

/// Writes sections to a stream.
pub fn send(out: impl Write, sections: &[Section]) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    let mut sum = Checksum(0);
    let mut put = |bytes: &[u8]| {
        sum.add(bytes);
        out.write_all(bytes)
    };
    put(MAGIC)?;
    put(&[VERSION])?;
    put(&(sections.len() as u64).to_le_bytes())?;
    for (name, data) in sections {
        for bytes in [name.as_bytes(), data] {
            put(&(bytes.len() as u64).to_le_bytes())?;
            put(bytes)?;
        }
    }
    out.write_all(&sum.0.to_le_bytes())?;
    out.flush()
}

/// Writes sections to a file, which appears whole or not at all.
pub fn write(path: &Path, sections: &[Section]) -> Result<(), String> {
    let failed = |e: io::Error| format!("{}: {e}", path.display());
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let file = File::create(&name).map_err(failed)?;
    let done = send(&file, sections)
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&name, path));
    if done.is_err() {
        // The half is of no use to anybody.
        let _ = std::fs::remove_file(&name);
    }
    done.map_err(failed)
}

/// Reads sections from a stream up to its end.
pub fn receive(mut from: impl Read) -> Result<Vec<Section>, String> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    parse(&bytes)
}

/// Reads sections from a file.
pub fn read(path: &Path) -> Result<Vec<Section>, String> {
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let file = File::open(path).map_err(|e| failed(&e))?;
    receive(file).map_err(|e| failed(&e))
}

/// The saved machines in this folder, one a line.
pub fn list() -> String {
    let entries = std::fs::read_dir(".").into_iter().flatten().flatten();
    let mut lines: Vec<String> = entries
        .filter_map(|e| {
            let path = e.path();
            let ours = path.extension().is_some_and(|x| x == SUFFIX);
            let name = path
                .file_stem()
                .filter(|_| ours)?
                .to_string_lossy()
                .into_owned();
            let bytes = e.metadata().ok()?.len();
            Some(format!("{name:<24} {:>8} KiB\n", bytes.div_ceil(1024)))
        })
        .collect();
    lines.sort();
    match lines.is_empty() {
        true => "There is no snapshot available.\n".to_owned(),
        false => format!("{:<24} {:>8}\n{}", "TAG", "SIZE", lines.concat()),
    }
}

fn parse(bytes: &[u8]) -> Result<Vec<Section>, String> {
    let body = bytes.strip_prefix(MAGIC);
    let (version, _) = body
        .and_then(<[u8]>::split_first)
        .ok_or("not a saved machine")?;
    if *version != VERSION {
        return Err("saved by another version of this program".to_owned());
    }
    sections(bytes).ok_or_else(|| "the saved machine is cut off or damaged".to_owned())
}

fn sections(bytes: &[u8]) -> Option<Vec<Section>> {
    let (body, sum) = bytes.split_last_chunk::<8>()?;
    let mut rest = body.get(8..)?;
    let mut check = Checksum(0);
    let (head, _) = body.split_at_checked(8)?;
    check.add(&head[..7]);
    check.add(&head[7..]);
    let mut field = |len: Option<usize>| {
        let len = match len {
            Some(len) => len,
            None => {
                let (head, tail) = rest.split_first_chunk::<8>()?;
                rest = tail;
                check.add(head);
                usize::try_from(u64::from_le_bytes(*head)).ok()?
            }
        };
        let (bytes, tail) = rest.split_at_checked(len)?;
        rest = tail;
        check.add(bytes);
        Some(bytes.to_vec())
    };
    let count = u64::from_le_bytes(field(Some(8))?.try_into().ok()?);
    let mut sections = Vec::new();
    for _ in 0..count {
        let name = String::from_utf8(field(None)?).ok()?;
        sections.push((name, field(None)?));
    }
    let whole = rest.is_empty() && check.0 == u64::from_le_bytes(*sum);
    whole.then_some(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_come_back_and_damage_is_seen() {
        let path = std::env::temp_dir().join(format!("emu-snapshot-{}", std::process::id()));
        let sections = vec![
            ("cpu0".to_owned(), vec![1, 2, 3]),
            ("ram".to_owned(), vec![0; 100_000]),
            (String::new(), Vec::new()),
        ];
        write(&path, &sections).unwrap();
        assert_eq!(read(&path).unwrap(), sections);
        let good = std::fs::read(&path).unwrap();
        assert_eq!(parse(&good), Ok(sections));
        for at in [0, 7, 9, 30, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(parse(&bad).is_err(), "byte {at}");
        }
        for end in [0, 7, 8, 20, good.len() - 1] {
            assert!(parse(&good[..end]).is_err(), "cut at {end}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(read(&path).unwrap_err().contains("emu-snapshot"));
        assert_eq!(path_of("a"), Path::new("a.emusnap"));
        assert_eq!(path_of("./a"), Path::new("./a"));
    }
}
