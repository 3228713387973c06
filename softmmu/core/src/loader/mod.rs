//! Images that are put into memory before a machine starts: ELF, U-Boot's uImage, raw.

mod elf;
mod uimage;

use std::path::Path;

/// A piece of memory to be filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Guest-physical address.
    pub at: u64,
    /// What to put there.
    pub data: Vec<u8>,
    /// How much of memory it takes: what is behind `data` is zero.
    pub size: u64,
}

/// An image, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// `elf`, `uimage`, `raw`.
    pub kind: &'static str,
    /// In order of address.
    pub segments: Vec<Segment>,
    /// Where it starts, as a physical address.
    pub entry: u64,
    /// Byte order, if the format says.
    pub big_endian: Option<bool>,
    /// ELF's number of the architecture, if it is one.
    pub machine: Option<u16>,
}

impl Image {
    /// The first address behind it.
    pub fn end(&self) -> u64 {
        let ends = self.segments.iter().map(|s| s.at.saturating_add(s.size));
        ends.max().unwrap_or(0)
    }
}

/// An image that cannot be used: one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LoadError(pub String);

/// Reads a whole file.
pub fn read_file(path: &Path) -> Result<Vec<u8>, LoadError> {
    std::fs::read(path).map_err(|e| LoadError(format!("{}: {e}", path.display())))
}

/// Takes an image apart by its own marks; what has none is raw and goes to `raw_at`, if it may.
pub fn open(path: &Path, raw_at: Option<u64>) -> Result<Image, LoadError> {
    let bytes = read_file(path)?;
    let named = |e: String| LoadError(format!("{}: {e}", path.display()));
    if bytes.starts_with(b"\x7fELF") {
        return elf::parse(&bytes).map_err(named);
    }
    if bytes.starts_with(&uimage::MAGIC) {
        return uimage::parse(&bytes).map_err(named);
    }
    match raw_at {
        Some(at) => Ok(raw(bytes, at)),
        None => Err(named("neither an ELF file nor a uImage".into())),
    }
}

/// Bytes as they are.
pub fn raw(data: Vec<u8>, at: u64) -> Image {
    let size = data.len() as u64;
    let segments = vec![Segment { at, data, size }];
    Image {
        kind: "raw",
        segments,
        entry: at,
        big_endian: None,
        machine: None,
    }
}

/// The contents of gzip data.
pub fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, LoadError> {
    uimage::gunzip(bytes).map_err(LoadError)
}
