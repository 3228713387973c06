//! The header of a qcow2 file. Reference: QEMU's docs/interop/qcow2, "Header".

use crate::Error;
use serde_json::{Value, json};
use std::fs::File;
use std::os::unix::fs::FileExt;

const DIRTY: u64 = 1;
const CORRUPT: u64 = 2;
const DATA_FILE: u64 = 4;
const COMPRESSION: u64 = 8;
const EXTENDED_L2: u64 = 16;
const LAZY_REFCOUNTS: u64 = 1;
/// The extension with the backing file's format.
const EXT_BACKING_FORMAT: u32 = 0xe279_2aca;
/// The extension with the names of features.
const EXT_FEATURE_NAMES: u32 = 0x6803_f857;

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// 2 or 3.
    pub version: u32,
    /// Bytes of the disk.
    pub size: u64,
    /// Power of two of a cluster's size.
    pub cluster_bits: u32,
    /// The file below, and its format.
    pub backing: Option<(String, Option<String>)>,
    /// Place and entries of the first table.
    pub l1: (u64, u32),
    /// Place and clusters of the table of reference counts.
    pub refcounts: (u64, u32),
    /// Power of two of a reference count's bits.
    pub refcount_order: u32,
    /// Internal snapshots.
    pub snapshots: u32,
    /// Reference counts may be wrong.
    pub dirty: bool,
    /// Somebody found damage.
    pub corrupt: bool,
    /// Data is in another file.
    pub data_file: bool,
    /// Clusters have parts.
    pub extended_l2: bool,
    lazy_refcounts: bool,
    compression: u8,
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes(field.try_into().ok()?))
}

fn be64(bytes: &[u8], at: usize) -> Option<u64> {
    let field = bytes.get(at..at + 8)?;
    Some(u64::from_be_bytes(field.try_into().ok()?))
}

fn first_bytes(file: &File, path: &str) -> Result<Vec<u8>, Error> {
    // The header, its extensions and names lie in the first cluster, of at most 2 MiB.
    let mut bytes = vec![0; 2 << 20];
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|r| !r.is_empty()) {
        match file.read_at(rest, length as u64) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(e) => return Err(Error(format!("{path}: {e}"))),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

impl Header {
    /// Reads it.
    pub fn read(file: &File, path: &str) -> Result<Header, Error> {
        let bytes = first_bytes(file, path)?;
        Header::parse(&bytes).ok_or_else(|| Error(format!("{path}: not a valid qcow2 image")))
    }

    /// Takes a header apart.
    pub fn parse(bytes: &[u8]) -> Option<Header> {
        if !bytes.starts_with(b"QFI\xfb") {
            return None;
        }
        let version = be32(bytes, 4).filter(|v| (2..=3).contains(v))?;
        let cluster_bits = be32(bytes, 20).filter(|b| (9..=21).contains(b))?;
        let (mut incompatible, mut compatible, mut refcount_order, mut length) = (0, 0, 4, 72);
        if version == 3 {
            incompatible = be64(bytes, 72)?;
            compatible = be64(bytes, 80)?;
            refcount_order = be32(bytes, 96).filter(|o| *o <= 6)?;
            length = be32(bytes, 100)?;
        }
        let compressed = incompatible & COMPRESSION != 0;
        let compression = bytes.get(104).filter(|_| compressed);
        Some(Header {
            version,
            size: be64(bytes, 24)?,
            cluster_bits,
            backing: backing(bytes, length as usize),
            l1: (be64(bytes, 40)?, be32(bytes, 36)?),
            refcounts: (be64(bytes, 48)?, be32(bytes, 56)?),
            refcount_order,
            snapshots: be32(bytes, 60)?,
            dirty: incompatible & DIRTY != 0,
            corrupt: incompatible & CORRUPT != 0,
            data_file: incompatible & DATA_FILE != 0,
            extended_l2: incompatible & EXTENDED_L2 != 0,
            lazy_refcounts: compatible & LAZY_REFCOUNTS != 0,
            compression: compression.copied().unwrap_or(0),
        })
    }

    /// Whether the extensions behind a header are sound. The imago crate takes the length of the
    /// table of feature names on trust, so this is asked before it opens a file.
    pub fn extensions_are_sound(file: &File, path: &str) -> Result<bool, Error> {
        let bytes = first_bytes(file, path)?;
        let sound = || {
            if be32(&bytes, 4)? != 3 {
                return Some(true);
            }
            let mut place = be32(&bytes, 100)? as usize;
            loop {
                let (kind, length) = (be32(&bytes, place)?, be32(&bytes, place + 4)? as usize);
                match kind {
                    0 => return Some(true),
                    EXT_FEATURE_NAMES if !length.is_multiple_of(48) => return Some(false),
                    _ => place = place.checked_add(8 + length.next_multiple_of(8))?,
                }
            }
        };
        // A header that is cut short is imago's to complain about.
        Ok(sound().unwrap_or(true))
    }

    /// Bytes of a cluster.
    pub fn cluster(&self) -> u64 {
        1 << self.cluster_bits
    }

    fn compression(&self) -> &'static str {
        if self.compression == 1 {
            "zstd"
        } else {
            "zlib"
        }
    }

    /// The part of `info --output=json` that is about the format.
    pub fn json(&self) -> Value {
        if self.version == 2 {
            return json!({ "type": "qcow2", "data": {
                "compat": "0.10", "compression-type": "zlib", "refcount-bits": 16 } });
        }
        json!({ "type": "qcow2", "data": {
            "compat": "1.1",
            "compression-type": self.compression(),
            "lazy-refcounts": self.lazy_refcounts,
            "refcount-bits": 1 << self.refcount_order,
            "corrupt": self.corrupt,
            "extended-l2": self.extended_l2,
        } })
    }

    /// The same for people.
    pub fn text(&self) -> String {
        let head = "Format specific information:\n";
        let compression = self.compression();
        let bits = 1 << self.refcount_order;
        if self.version == 2 {
            return format!(
                "{head}    compat: 0.10\n    compression type: zlib\n    refcount bits: 16\n"
            );
        }
        format!(
            "{head}    compat: 1.1\n    compression type: {compression}\n    lazy refcounts: {}\n    \
             refcount bits: {bits}\n    corrupt: {}\n    extended l2: {}\n",
            self.lazy_refcounts, self.corrupt, self.extended_l2
        )
    }
}

fn backing(bytes: &[u8], header: usize) -> Option<(String, Option<String>)> {
    let at = usize::try_from(be64(bytes, 8)?).ok()?;
    let length = be32(bytes, 16)? as usize;
    if at == 0 || length == 0 || length > 1023 {
        return None;
    }
    let name = bytes.get(at..at.checked_add(length)?)?;
    let name = String::from_utf8_lossy(name).into_owned();
    let mut place = header;
    while place < at {
        let (kind, length) = (be32(bytes, place)?, be32(bytes, place + 4)? as usize);
        let data = bytes.get(place + 8..place.checked_add(8 + length)?)?;
        match kind {
            0 => break,
            EXT_BACKING_FORMAT => {
                return Some((name, Some(String::from_utf8_lossy(data).into_owned())));
            }
            _ => place += 8 + length.next_multiple_of(8),
        }
    }
    Some((name, None))
}
