//! What `emu-img` does with images: create, information, conversion, size, check, map. Names of
//! options, fields and words are qemu-img's. Reference: QEMU's docs/interop/qcow2.

mod check;
mod header;

pub use check::{Findings, check};
pub use header::Header;

use crate::Error;
use crate::format::Format;
use crate::image::{How, Image};
use imago::file::File;
use imago::format::PreallocateMode;
use imago::format::builder::FormatCreateBuilder;
use imago::qcow2::Qcow2;
use imago::{FormatAccess, Storage, StorageCreateOptions};
use serde_json::{Value, json};
use softmmu_core::block::BlockBackend;
use softmmu_opts::{OptError, Opts};
use std::io;
use std::os::unix::fs::MetadataExt;

/// Hears how far a long operation is, in thousandths.
pub type Progress<'a> = &'a mut dyn FnMut(u32);

/// What a new image shall be (`-o` among others).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Creation {
    /// The format.
    pub format: Format,
    /// Bytes of the disk; the backing file's if not given.
    pub size: Option<u64>,
    /// The file below, as it is to be written into the image.
    pub backing: Option<(String, Format)>,
    /// Bytes of a cluster.
    pub cluster: usize,
    /// Bits of a reference count.
    pub refcount_bits: usize,
    /// What is allocated at once.
    pub preallocation: PreallocateMode,
}

impl Creation {
    /// Everything as qemu-img does without options.
    pub fn new(format: Format) -> Creation {
        Creation {
            format,
            size: None,
            backing: None,
            cluster: 65536,
            refcount_bits: 16,
            preallocation: PreallocateMode::None,
        }
    }

    /// `-o TEXT`.
    pub fn options(&mut self, text: &str) -> Result<(), Error> {
        let read = |this: &mut Creation| {
            let mut opts = Opts::parse(text, None)?;
            this.read(&mut opts)?;
            opts.finish()
        };
        read(self).map_err(|e: OptError| Error(format!("-o {text}: {e}")))
    }

    fn read(&mut self, opts: &mut Opts) -> Result<(), OptError> {
        let allocation = [
            ("off", PreallocateMode::None),
            ("metadata", PreallocateMode::FormatAllocate),
            ("falloc", PreallocateMode::FullAllocate),
            ("full", PreallocateMode::WriteData),
        ];
        if let Some(mode) = opts.word("preallocation", &allocation)? {
            self.preallocation = mode;
        }
        self.size = opts.size("size")?.or(self.size);
        if self.format == Format::Raw {
            return Ok(());
        }
        if let Some(cluster) = opts.size("cluster_size")? {
            let fits = cluster.is_power_of_two() && (512..=2 << 20).contains(&cluster);
            self.cluster = usize::try_from(cluster)
                .ok()
                .filter(|_| fits)
                .ok_or_else(|| {
                    OptError::new("cluster_size= must be a power of two between 512 and 2M")
                })?;
        }
        if let Some(bits) = opts.number_in("refcount_bits", 1..=64)? {
            self.refcount_bits = usize::try_from(bits)
                .ok()
                .filter(|b| b.is_power_of_two())
                .ok_or_else(|| OptError::new("refcount_bits= must be a power of two"))?;
        }
        opts.word("compat", &[("1.1", ()), ("v3", ())])?;
        opts.word("lazy_refcounts", &[("off", ())])?;
        opts.word("compression_type", &[("zlib", ())])?;
        let format = opts.text("backing_fmt");
        if let Some(file) = opts.text("backing_file") {
            let format = format.ok_or_else(|| OptError::new("backing_file= needs backing_fmt="))?;
            let format = Format::named(&format).map_err(|e| OptError::new(e.0))?;
            self.backing = Some((file, format));
        }
        Ok(())
    }
}

/// Creates an image and returns its size.
pub fn create(path: &str, what: &Creation) -> Result<u64, Error> {
    let failed = |e: io::Error| Error(format!("{path}: {e}"));
    if what.backing.is_some() && what.format == Format::Raw {
        return Err(Error("raw images have no backing file".to_owned()));
    }
    let size = match (what.size, &what.backing) {
        (Some(size), _) => size,
        (None, Some((file, format))) => {
            // A relative name is meant from the image's folder.
            let folder = std::path::Path::new(path).parent();
            let at = folder.map_or_else(|| file.into(), |f| f.join(file));
            Image::open(&at.to_string_lossy(), Some(*format), How::default())?.size()
        }
        (None, None) => return Err(Error(format!("{path}: a size is missing"))),
    };
    if size > i64::MAX as u64 - 512 {
        return Err(Error(format!("{path}: {size} bytes are too many")));
    }
    let size = size.next_multiple_of(512);
    let create = StorageCreateOptions::new().filename(path).overwrite(true);
    if what.format == Format::Raw {
        let options = create.size(size).preallocate(match what.preallocation {
            PreallocateMode::FullAllocate => imago::storage::PreallocateMode::Allocate,
            PreallocateMode::WriteData => imago::storage::PreallocateMode::WriteData,
            _ => imago::storage::PreallocateMode::None,
        });
        File::create(options).map_err(failed)?;
        return Ok(size);
    }
    let file = File::create_open(create).map_err(failed)?;
    let mut builder = Qcow2::<File, FormatAccess<File>>::create_builder(file)
        .size(size)
        .cluster_size(what.cluster)
        .refcount_width(what.refcount_bits)
        .preallocate(what.preallocation);
    if let Some((backing, format)) = &what.backing {
        builder = builder.backing(backing.clone(), format.word().to_owned());
    }
    builder.create().map_err(failed)?;
    Ok(size)
}

/// What `info` tells.
pub struct Info {
    path: String,
    format: Format,
    virtual_size: u64,
    disk_size: u64,
    header: Option<Header>,
}

/// Looks at an image; `unlocked` even while somebody writes to it (`-U`).
pub fn info(path: &str, format: Option<Format>, unlocked: bool) -> Result<Info, Error> {
    let failed = |e: io::Error| Error(format!("Could not open '{path}': {e}"));
    let file = std::fs::File::open(path).map_err(failed)?;
    if !unlocked {
        crate::lock::lock(&file, path, false)?;
    }
    let format = match format {
        Some(format) => format,
        None => crate::format::probe(&file, path)?,
    };
    let metadata = file.metadata().map_err(failed)?;
    let header = match format {
        Format::Raw => None,
        Format::Qcow2 => Some(Header::read(&file, path)?),
    };
    let virtual_size = header.as_ref().map_or(metadata.len(), |h| h.size);
    Ok(Info {
        path: path.to_owned(),
        format,
        virtual_size: virtual_size.next_multiple_of(512),
        disk_size: metadata.blocks() * 512,
        header,
    })
}

impl Info {
    /// As `--output=json` has it.
    pub fn json(&self) -> Value {
        let mut value = json!({
            "filename": self.path,
            "format": self.format.word(),
            "virtual-size": self.virtual_size,
            "actual-size": self.disk_size,
            "dirty-flag": self.header.as_ref().is_some_and(|h| h.dirty),
        });
        let (Some(header), Some(map)) = (&self.header, value.as_object_mut()) else {
            return value;
        };
        map.insert("cluster-size".into(), json!(header.cluster()));
        map.insert("format-specific".into(), header.json());
        if let Some((file, format)) = &header.backing {
            map.insert("backing-filename".into(), json!(file));
            map.insert("full-backing-filename".into(), json!(self.beside(file)));
            if let Some(format) = format {
                map.insert("backing-filename-format".into(), json!(format));
            }
        }
        value
    }

    fn beside(&self, file: &str) -> String {
        let folder = std::path::Path::new(&self.path).parent();
        let joined = folder.map_or_else(|| file.into(), |f| f.join(file));
        joined.to_string_lossy().into_owned()
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = format!(
            "image: {}\nfile format: {}\nvirtual size: {} ({} bytes)\ndisk size: {}\n",
            self.path,
            self.format.word(),
            people(self.virtual_size),
            self.virtual_size,
            people(self.disk_size)
        );
        let Some(header) = &self.header else {
            return text;
        };
        text.push_str(&format!("cluster_size: {}\n", header.cluster()));
        if let Some((file, format)) = &header.backing {
            let full = self.beside(file);
            let actual = if full == *file {
                String::new()
            } else {
                format!(" (actual path: {full})")
            };
            text.push_str(&format!("backing file: {file}{actual}\n"));
            if let Some(format) = format {
                text.push_str(&format!("backing file format: {format}\n"));
            }
        }
        text.push_str(&header.text());
        text
    }
}

/// A size as qemu-img prints it: three digits and a unit.
pub fn people(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut unit = 0;
    let mut scale = 1u64;
    // Three digits: 1000 KiB are 0.977 MiB.
    while unit + 1 < UNITS.len() && bytes / scale >= 1000 {
        unit += 1;
        scale <<= 10;
    }
    let value = bytes as f64 / scale as f64;
    let digits = match value {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    let mut text = format!("{value:.digits$}");
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    format!("{text} {}", UNITS.get(unit).copied().unwrap_or("B"))
}

/// Bytes that are copied at once.
const PIECE: u64 = 2 << 20;

/// Copies the disk in one image into a new one; zeroes are left out.
pub fn convert(
    from: (&str, Option<Format>),
    to: &str,
    what: &Creation,
    progress: Progress<'_>,
) -> Result<(), Error> {
    let source = Image::open(from.0, from.1, How::default())?;
    let size = source.size();
    let mut what = what.clone();
    what.size = Some(size);
    create(to, &what)?;
    let how = How {
        write: true,
        ..How::default()
    };
    let target = Image::open(to, Some(what.format), how)?;
    let failed = |e: io::Error| Error(format!("{} to {to}: {e}", from.0));
    let mut buf = vec![0; PIECE as usize];
    let mut at = 0;
    while at < size {
        let extent = source.extent(at, size - at).map_err(failed)?;
        if extent.length == 0 {
            break;
        }
        let end = at + extent.length;
        while !extent.zero && at < end {
            let length = (end - at).min(PIECE);
            let piece = buf.get_mut(..length as usize).unwrap_or_default();
            source.read(at, piece).map_err(failed)?;
            copy_nonzero(&target, at, piece, what.backing.is_some()).map_err(failed)?;
            at += length;
            progress(thousandths(at, size));
        }
        if extent.zero && what.backing.is_some() {
            target.write_zeroes(at, extent.length).map_err(failed)?;
        }
        at = end;
        progress(thousandths(at, size));
    }
    target.flush().map_err(failed)
}

fn thousandths(at: u64, size: u64) -> u32 {
    let part = u128::from(at) * 1000 / u128::from(size.max(1));
    u32::try_from(part).unwrap_or(1000)
}

/// Writes what is not zero, in steps of the smallest hole that pays.
fn copy_nonzero(target: &Image, at: u64, data: &[u8], explicit: bool) -> io::Result<()> {
    const STEP: usize = 4096;
    let is_zero = |chunk: &[u8]| chunk.iter().all(|b| *b == 0);
    let mut start = 0;
    while start < data.len() {
        let rest = data.get(start..).unwrap_or_default();
        let zero = is_zero(rest.get(..STEP).unwrap_or(rest));
        let run: usize = rest
            .chunks(STEP)
            .take_while(|c| is_zero(c) == zero)
            .map(<[u8]>::len)
            .sum();
        let offset = at + start as u64;
        if !zero {
            target.write(offset, rest.get(..run).unwrap_or(rest))?;
        } else if explicit {
            target.write_zeroes(offset, run as u64)?;
        }
        start += run;
    }
    Ok(())
}

/// Changes an image's size: `SIZE`, `+SIZE` or `-SIZE`. Less needs `shrink`.
pub fn resize(
    path: &str,
    format: Option<Format>,
    size: &str,
    shrink: bool,
    allocation: PreallocateMode,
) -> Result<u64, Error> {
    let how = How {
        write: true,
        ..How::default()
    };
    let mut image = Image::open(path, format, how)?;
    let old = image.size();
    let amount = |text: &str| {
        softmmu_opts::size(text).ok_or_else(|| Error(format!("{size}: expected a size")))
    };
    let new = match (size.strip_prefix('+'), size.strip_prefix('-')) {
        (Some(more), _) => old.checked_add(amount(more)?),
        (_, Some(less)) => old.checked_sub(amount(less)?),
        _ => Some(amount(size)?),
    };
    let new = new
        .filter(|n| *n <= i64::MAX as u64 - 512)
        .ok_or_else(|| Error(format!("{size}: no size that a disk can have")))?
        .next_multiple_of(512);
    if new < old && !shrink {
        return Err(Error(format!(
            "{path}: {new} bytes are less than {old}: --shrink allows that data is lost"
        )));
    }
    let resized = image.resize(new, allocation);
    resized.map_err(|e| Error(format!("{path}: {e}")))?;
    Ok(new)
}

/// `map`: the stretches of an image, those of the same kind joined.
pub fn map(path: &str, format: Option<Format>) -> Result<Vec<(u64, crate::image::Extent)>, Error> {
    let image = Image::open(path, format, How::default())?;
    let failed = |e: io::Error| Error(format!("{path}: {e}"));
    let mut out: Vec<(u64, crate::image::Extent)> = Vec::new();
    let mut at = 0;
    while at < image.size() {
        let extent = image.extent(at, image.size() - at).map_err(failed)?;
        if extent.length == 0 {
            break;
        }
        let joined = out.last_mut().is_some_and(|(_, last)| {
            let follows = match (last.host, extent.host) {
                (Some(a), Some(b)) => a + last.length == b,
                (a, b) => a == b,
            };
            let same = (last.zero, last.present) == (extent.zero, extent.present);
            if follows && same {
                last.length += extent.length;
            }
            follows && same
        });
        if !joined {
            out.push((at, extent));
        }
        at += extent.length;
    }
    Ok(out)
}

/// `map --output=json`.
pub fn map_json(extents: &[(u64, crate::image::Extent)]) -> Value {
    let one = |(start, extent): &(u64, crate::image::Extent)| {
        let mut value = json!({
            "start": start, "length": extent.length, "depth": 0, "present": extent.present,
            "zero": extent.zero, "data": !extent.zero,
            "compressed": !extent.zero && extent.host.is_none() });
        if let (Some(host), Some(map)) = (extent.host, value.as_object_mut()) {
            map.insert("offset".to_owned(), json!(host));
        }
        value
    };
    extents.iter().map(one).collect()
}

impl Findings {
    /// `check --output=json`.
    pub fn json(&self, path: &str) -> Value {
        let mut value = json!({
            "filename": path, "format": "qcow2", "check-errors": 0,
            "image-end-offset": self.image_end, "total-clusters": self.total_clusters,
            "allocated-clusters": self.allocated_clusters });
        for (key, number) in [
            ("corruptions", self.corruptions),
            ("leaks", self.leaks),
            ("compressed-clusters", self.compressed_clusters),
        ] {
            if let Some(map) = value.as_object_mut().filter(|_| number != 0) {
                map.insert(key.to_owned(), json!(number));
            }
        }
        value
    }
}
