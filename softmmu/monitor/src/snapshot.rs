//! A machine's state as a file of its own: sections of bytes by name, with a checksum.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

const MAGIC: &[u8; 8] = b"EMUSNAP1";

/// A section.
pub type Section = (String, Vec<u8>);

fn checksum(sum: u64, bytes: &[u8]) -> u64 {
    // FNV-1a: against cut and damaged files, not against forgers.
    let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(sum, step)
}

/// Writes sections; the file appears whole or not at all.
pub fn write(path: &Path, sections: &[Section]) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let mut file = std::io::BufWriter::new(File::create(&name).map_err(failed)?);
    let mut sum = checksum(0, MAGIC);
    let mut put = |bytes: &[u8]| {
        sum = checksum(sum, bytes);
        file.write_all(bytes).map_err(failed)
    };
    put(MAGIC)?;
    put(&(sections.len() as u64).to_le_bytes())?;
    for (name, data) in sections {
        for bytes in [name.as_bytes(), data] {
            put(&(bytes.len() as u64).to_le_bytes())?;
            put(bytes)?;
        }
    }
    file.write_all(&sum.to_le_bytes()).map_err(failed)?;
    let file = file.into_inner().map_err(|e| failed(e.into_error()))?;
    file.sync_all().map_err(failed)?;
    std::fs::rename(&name, path).map_err(failed)
}

/// Reads sections.
pub fn read(path: &Path) -> Result<Vec<Section>, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut f| f.read_to_end(&mut bytes));
    read.map_err(|e| format!("{}: {e}", path.display()))?;
    parse(&bytes).ok_or_else(|| format!("{}: not a saved machine, or damaged", path.display()))
}

fn parse(bytes: &[u8]) -> Option<Vec<Section>> {
    let (body, sum) = bytes.split_last_chunk::<8>()?;
    let good = checksum(0, MAGIC);
    if checksum(good, body) != u64::from_le_bytes(*sum) {
        return None;
    }
    let mut rest = body.strip_prefix(MAGIC)?;
    let mut number = || {
        let (head, tail) = rest.split_first_chunk::<8>()?;
        rest = tail;
        usize::try_from(u64::from_le_bytes(*head)).ok()
    };
    let count = number()?;
    let mut sections = Vec::new();
    for _ in 0..count {
        let mut field = || {
            let (head, tail) = rest.split_first_chunk::<8>()?;
            let length = usize::try_from(u64::from_le_bytes(*head)).ok()?;
            let (bytes, tail) = tail.split_at_checked(length)?;
            rest = tail;
            Some(bytes.to_vec())
        };
        let name = String::from_utf8(field()?).ok()?;
        sections.push((name, field()?));
    }
    rest.is_empty().then_some(sections)
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
        for at in [0, 9, 30, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(parse(&bad), None, "byte {at}");
        }
        for end in [0, 7, 8, 20, good.len() - 1] {
            assert_eq!(parse(&good[..end]), None, "cut at {end}");
        }
        std::fs::remove_file(&path).unwrap();
    }
}
