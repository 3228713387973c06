//! What `-drive` and `-blockdev` may say, and the disks of a machine by name.

use crate::Error;
use crate::format::Format;
use crate::image::{How, Image};
use parking_lot::Mutex;
use softmmu_core::block::BlockBackend;
use softmmu_opts::{OptError, Opts, hint};
use std::sync::Arc;

/// A disk as the command line asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drive {
    /// Its name.
    pub id: String,
    /// The file; none: an empty drive for removable media.
    pub file: Option<String>,
    /// The format, or found out.
    pub format: Option<Format>,
    /// How the file is opened.
    pub how: How,
    /// What it is plugged into (`if=`): `none` is for `-device`, `None` the board's own choice.
    pub interface: Option<String>,
    /// Where it is plugged in.
    pub bus: Option<u64>,
    /// Where on the bus.
    pub unit: Option<u64>,
    /// Which drive of its interface, instead of bus and unit.
    pub index: Option<u64>,
    /// A CD instead of a disk.
    pub cdrom: bool,
    /// The serial number that the guest sees.
    pub serial: Option<String>,
}

const INTERFACES: &[&str] = &[
    "none", "ide", "scsi", "sd", "mtd", "floppy", "pflash", "virtio", "xen",
];

/// Words of `cache=`: direct, write through, no flushes.
const CACHES: &[(&str, [bool; 3])] = &[
    ("writeback", [false, false, false]),
    ("none", [true, false, false]),
    ("off", [true, false, false]),
    ("writethrough", [false, true, false]),
    ("directsync", [true, true, false]),
    ("unsafe", [false, false, true]),
];

/// Reads the argument of `-drive`; a drive without a name gets `name`.
pub fn drive(text: &str, name: &str) -> Result<Drive, Error> {
    let read = || {
        let mut opts = Opts::parse(text, None)?;
        let drive = drive_opts(&mut opts, name)?;
        opts.finish()?;
        Ok(drive)
    };
    read().map_err(|e: OptError| Error(format!("-drive {text}: {e}")))
}

fn drive_opts(opts: &mut Opts, name: &str) -> Result<Drive, OptError> {
    let interface = opts.text("if");
    if let Some(interface) = interface.as_deref()
        && !INTERFACES.contains(&interface)
    {
        let hint = hint(interface, INTERFACES.iter().copied());
        return Err(OptError::new(format!(
            "if={interface}: there is no such interface{hint}"
        )));
    }
    let cdrom = opts.word("media", &[("disk", false), ("cdrom", true)])?;
    let cdrom = cdrom.unwrap_or(false);
    let read_only = opts.switch("readonly")?;
    let read_only = opts.switch("read-only")?.or(read_only).unwrap_or(cdrom);
    let mut how = how(opts, read_only)?;
    how.snapshot = opts.switch("snapshot")?.unwrap_or(false);
    let (index, bus, unit) = (
        opts.number("index")?,
        opts.number("bus")?,
        opts.number("unit")?,
    );
    if index.is_some() && (bus.is_some() || unit.is_some()) {
        return Err(OptError::new("index= and bus=, unit= exclude each other"));
    }
    // Policies for errors: what QEMU does without them is what is done.
    for (key, known) in [
        ("werror", ["enospc", "report"]),
        ("rerror", ["report", "report"]),
    ] {
        if let Some(policy) = opts.text(key)
            && !known.contains(&policy.as_str())
        {
            return Err(OptError::new(format!("{key}={policy} is not supported")));
        }
    }
    let file = opts.text("file").filter(|f| !f.is_empty());
    if file.is_none() && !cdrom {
        return Err(OptError::new("'file=' is missing"));
    }
    Ok(Drive {
        id: opts.text("id").unwrap_or_else(|| name.to_owned()),
        file,
        format: format(opts.text("format"))?,
        how,
        interface,
        bus,
        unit,
        index,
        cdrom,
        serial: opts.text("serial"),
    })
}

fn format(word: Option<String>) -> Result<Option<Format>, OptError> {
    let Some(word) = word else {
        return Ok(None);
    };
    let format = Format::named(&word).map_err(|e| OptError::new(e.0))?;
    Ok(Some(format))
}

fn how(opts: &mut Opts, read_only: bool) -> Result<How, OptError> {
    let cache = opts.word("cache", CACHES)?.unwrap_or([false; 3]);
    let [direct, write_through, no_flush] = cache;
    let writeback = opts.switch("cache.writeback")?;
    // Only hints for how the host does it.
    opts.word("aio", &[("threads", ()), ("native", ()), ("io_uring", ())])?;
    let discard = &[
        ("ignore", false),
        ("off", false),
        ("unmap", true),
        ("on", true),
    ];
    let locking = opts.word("locking", &[("auto", true), ("on", true), ("off", false)])?;
    opts.word("detect-zeroes", &[("off", ())])?;
    opts.word("copy-on-read", &[("off", ())])?;
    Ok(How {
        write: !read_only,
        snapshot: false,
        direct: opts.switch("cache.direct")?.unwrap_or(direct),
        no_flush: opts.switch("cache.no-flush")?.unwrap_or(no_flush),
        write_through: writeback.map_or(write_through, |w| !w),
        discard: opts.word("discard", discard)?.unwrap_or(false),
        unlocked: locking == Some(false),
    })
}

/// Reads the argument of `-blockdev`: a format over a file.
pub fn blockdev(text: &str) -> Result<Drive, Error> {
    let read = || {
        let mut opts = Opts::parse(text, Some("driver"))?;
        let drive = blockdev_opts(&mut opts)?;
        opts.finish()?;
        Ok(drive)
    };
    read().map_err(|e: OptError| Error(format!("-blockdev {text}: {e}")))
}

fn blockdev_opts(opts: &mut Opts) -> Result<Drive, OptError> {
    let driver = opts.need("driver")?;
    let (format, file) = if driver == "file" || driver == "host_device" {
        (Some(Format::Raw), opts.need("filename")?)
    } else {
        opts.word("file.driver", &[("file", ()), ("host_device", ())])?;
        (format(Some(driver))?, opts.need("file.filename")?)
    };
    let read_only = opts.switch("read-only")?.unwrap_or(false);
    let id = opts.need("node-name")?;
    Ok(Drive {
        id,
        file: Some(file),
        format,
        how: how(opts, read_only)?,
        interface: Some("none".to_owned()),
        bus: None,
        unit: None,
        index: None,
        cdrom: false,
        serial: None,
    })
}

struct Entry {
    drive: Drive,
    image: Option<Arc<Image>>,
    taken: bool,
}

/// The disks of a machine, by name.
#[derive(Default)]
pub struct Drives {
    entries: Mutex<Vec<Entry>>,
}

impl Drives {
    /// Opens what an option asked for. A guessed format is told on standard error, as QEMU does.
    pub fn open(&self, drive: Drive) -> Result<(), Error> {
        let mut entries = self.entries.lock();
        if entries.iter().any(|e| e.drive.id == drive.id) {
            return Err(Error(format!("there is already a drive '{}'", drive.id)));
        }
        let mut image = None;
        if let Some(file) = &drive.file {
            let opened = Image::open(file, drive.format, drive.how)?;
            if opened.format().1 && drive.how.write {
                eprintln!(
                    "emu: warning: no format given for '{file}', and it looks raw. The guest cannot \
                     write what would look like another format to its first sector; format=raw \
                     lifts that."
                );
            }
            image = Some(Arc::new(opened));
        }
        let taken = false;
        entries.push(Entry {
            drive,
            image,
            taken,
        });
        Ok(())
    }

    /// `-drive TEXT`.
    pub fn add(&self, text: &str) -> Result<(), Error> {
        let number = self.entries.lock().len();
        self.open(drive(text, &format!("drive{number}"))?)
    }

    /// `-blockdev TEXT`.
    pub fn add_blockdev(&self, text: &str) -> Result<(), Error> {
        self.open(blockdev(text)?)
    }

    /// The options of all disks, in the order of the command line.
    pub fn all(&self) -> Vec<Drive> {
        let entries = self.entries.lock();
        entries.iter().map(|e| e.drive.clone()).collect()
    }

    /// The disk with this name, for one device; `None`: an empty drive.
    pub fn claim(&self, id: &str) -> Result<Option<Arc<dyn BlockBackend>>, Error> {
        let mut entries = self.entries.lock();
        let Some(entry) = entries.iter_mut().find(|e| e.drive.id == id) else {
            let hint = hint(id, entries.iter().map(|e| e.drive.id.as_str()));
            return Err(Error(format!("there is no drive '{id}'{hint}")));
        };
        if std::mem::replace(&mut entry.taken, true) {
            return Err(Error(format!("drive '{id}' is in use by a device already")));
        }
        let image = entry.image.clone();
        Ok(image.map(|i| -> Arc<dyn BlockBackend> { i }))
    }

    /// Bytes that a disk has; `None`: an empty drive, or none of this name.
    pub fn size(&self, id: &str) -> Option<u64> {
        let entries = self.entries.lock();
        let entry = entries.iter().find(|e| e.drive.id == id)?;
        entry.image.as_ref().map(|i| i.size())
    }

    /// Disks that no device has claimed and that were not meant for `-device`.
    pub fn orphans(&self) -> Vec<String> {
        let entries = self.entries.lock();
        let orphan = |e: &&Entry| !e.taken && e.drive.interface.as_deref() != Some("none");
        let names = entries.iter().filter(orphan);
        names.map(|e| e.drive.id.clone()).collect()
    }

    /// Names and descriptions, for `info block`.
    pub fn list(&self) -> Vec<(String, String)> {
        let entries = self.entries.lock();
        let describe = |e: &Entry| {
            let empty = || "[not inserted]".to_owned();
            e.image.as_ref().map_or_else(empty, |i| i.describe())
        };
        let one = |e: &Entry| (e.drive.id.clone(), describe(e));
        entries.iter().map(one).collect()
    }

    /// Writes everything back: before the end, and when the machine stops.
    pub fn flush(&self) -> Result<(), Error> {
        let entries = self.entries.lock();
        let mut result = Ok(());
        for (entry, image) in entries.iter().filter_map(|e| Some((e, e.image.as_ref()?))) {
            if let Err(e) = image.flush() {
                result = Err(Error(format!("drive {}: {e}", entry.drive.id)));
            }
        }
        result
    }
}
