//! Which format a file has.

use crate::Error;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Formats that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The bytes of the disk.
    Raw,
    /// QEMU's own, version 2 and 3.
    Qcow2,
}

/// Words of the formats.
pub const FORMATS: &[(&str, Format)] = &[("raw", Format::Raw), ("qcow2", Format::Qcow2)];

/// First bytes of formats, so that none is taken for raw.
const MAGICS: &[(&[u8], &str)] = &[
    (b"QFI\xfb", "qcow2"),
    (b"KDMV", "vmdk"),
    (b"COWD", "vmdk"),
    (b"vhdxfile", "vhdx"),
    (b"conectix", "vpc"),
    (b"QED\0", "qed"),
    (b"WithoutFreeSpace", "parallels"),
    (b"WithouFreSpacExt", "parallels"),
    (b"LUKS\xba\xbe", "luks"),
];

impl Format {
    /// QEMU's word.
    pub fn word(self) -> &'static str {
        match self {
            Format::Raw => "raw",
            Format::Qcow2 => "qcow2",
        }
    }

    /// The format with this word.
    pub fn named(word: &str) -> Result<Format, Error> {
        let found = FORMATS.iter().find(|(w, _)| *w == word);
        found.map(|(_, f)| *f).ok_or_else(|| {
            let hint = softmmu_opts::hint(word, FORMATS.iter().map(|(w, _)| *w));
            Error(format!(
                "format '{word}' is not supported (raw and qcow2 are){hint}"
            ))
        })
    }
}

/// The word of the format that begins like this.
pub fn magic(head: &[u8]) -> Option<&'static str> {
    let found = MAGICS.iter().find(|(m, _)| head.starts_with(m));
    found.map(|(_, word)| *word)
}

/// Finds the format of a file out.
pub fn probe(file: &File, path: &str) -> Result<Format, Error> {
    let mut head = [0; 16];
    let mut length = 0;
    while let Some(rest) = head.get_mut(length..).filter(|r| !r.is_empty()) {
        let at = u64::try_from(length).unwrap_or(0);
        match file.read_at(rest, at) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(e) => return Err(Error(format!("{path}: {e}"))),
        }
    }
    match magic(head.get(..length).unwrap_or_default()) {
        None => Ok(Format::Raw),
        Some("qcow2") => Ok(Format::Qcow2),
        Some(word) => Err(Error(format!(
            "{path}: looks like {word}, which is not supported (format=raw uses it as it is)"
        ))),
    }
}
