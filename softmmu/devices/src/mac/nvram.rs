//! Non-volatile memory of Power Macintosh computers. Its first part holds the variables of Open
//! Firmware in a partition of the common format [CHRP-NVRAM]: a head of 16 bytes, then texts.
//!
//! What the guest writes is written to the disk that it keeps its contents in, if there is one; else it is gone
//! when the emulator ends. A disk that is blank is formatted.

use crate::class::Build;
use parking_lot::Mutex;
use softmmu_core::block::BlockBackend;
use softmmu_core::device::{Device, Mmio, StateError, Widths, load_state, save_state};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tcg_mem::BusError;

/// Kinds of partitions: variables of firmware, free space.
const SYSTEM: u8 = 0x70;
const FREE: u8 = 0x7f;
const HEAD: usize = 16;
const NO_ROOM: &str = "-prom-env: there is no room for all of these variables";

struct Nvram {
    shift: u32,
    cells: Mutex<Vec<u8>>,
    disk: Option<Arc<dyn BlockBackend>>,
    /// The user knows that the disk fails.
    told: AtomicBool,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let size = build.values.number_or_0("size").clamp(64, 1 << 20) as usize;
    let shift = build.values.number_or_0("it_shift") as u32;
    let env = (build.values.number_or_0("env-bytes") as usize).min(size);
    let given = &build.host.firmware_env;
    let disk = build.block("drive")?;
    let kept = match &disk {
        Some(disk) => kept(disk.as_ref(), size)?,
        None => None,
    };
    let cells = match kept {
        Some(cells) => changed(cells, given)?,
        None => formatted(size, env, given)?,
    };
    let nvram = Arc::new(Nvram {
        shift,
        cells: Mutex::new(cells),
        disk,
        told: AtomicBool::new(false),
    });
    nvram.keep(&nvram.cells.lock(), 0..size);
    build.map(0, (size as u64) << shift, nvram.clone())?;
    build.parts.device = Some(nvram);
    Ok(())
}

/// What a disk holds; `None`: it is blank.
fn kept(disk: &dyn BlockBackend, size: usize) -> Result<Option<Vec<u8>>, String> {
    if disk.size() != size as u64 {
        let has = disk.size();
        return Err(format!("drive has {has} bytes, the memory {size}"));
    }
    let mut cells = vec![0; size];
    disk.read(0, &mut cells)
        .map_err(|e| format!("drive: {e}"))?;
    if cells.iter().all(|b| *b == 0) || cells.iter().all(|b| *b == 0xff) {
        return Ok(None);
    }
    match variables(&cells) {
        Some(_) => Ok(Some(cells)),
        None => Err("drive: neither blank nor contents of such a memory".into()),
    }
}

/// Where the variables are, if the memory is formatted.
fn variables(cells: &[u8]) -> Option<Range<usize>> {
    let len = usize::from(u16::from_be_bytes([*cells.get(2)?, *cells.get(3)?])) * HEAD;
    let (name, good) = (cells.get(4..HEAD)?, HEAD..=cells.len());
    let right = good.contains(&len) && cells[..HEAD] == head(SYSTEM, len, name);
    right.then_some(HEAD..len)
}

/// Contents with some variables set.
fn changed(mut cells: Vec<u8>, given: &[String]) -> Result<Vec<u8>, String> {
    let (Some(at), false) = (variables(&cells), given.is_empty()) else {
        return Ok(cells);
    };
    let name = |text: &[u8]| text.split(|b| *b == b'=').next().map(<[u8]>::to_vec);
    let new = |text: &[u8]| given.iter().any(|g| name(g.as_bytes()) == name(text));
    let texts = cells[at.clone()].split(|b| *b == 0);
    let old = texts.take_while(|t| !t.is_empty()).filter(|t| !new(t));
    let all = old.chain(given.iter().map(|g| g.as_bytes()));
    let mut out: Vec<u8> = all.flat_map(|t| [t, &[0]].concat()).collect();
    if out.len() > at.len() {
        return Err(NO_ROOM.into());
    }
    out.resize(at.len(), 0);
    cells[at].copy_from_slice(&out);
    Ok(cells)
}

/// A partition's head: kind, check sum, length in units of 16 bytes, name.
fn head(kind: u8, len: usize, name: &[u8]) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    let [high, low] = ((len / HEAD) as u16).to_be_bytes();
    (head[0], head[2], head[3]) = (kind, high, low);
    for (to, from) in head[4..].iter_mut().zip(name) {
        *to = *from;
    }
    // Bytes are added, the carry comes in again at the bottom.
    let sum = head.iter().fold(0u32, |sum, b| sum + u32::from(*b));
    head[1] = ((sum & 0xff) + (sum >> 8)) as u8;
    head
}

fn formatted(size: usize, env: usize, variables: &[String]) -> Result<Vec<u8>, String> {
    let mut cells = vec![0; size];
    let mut place = |at: usize, bytes: &[u8]| match cells.get_mut(at..at + bytes.len()) {
        Some(to) => {
            to.copy_from_slice(bytes);
            true
        }
        None => false,
    };
    let texts: Vec<u8> = variables
        .iter()
        .flat_map(|v| v.bytes().chain(std::iter::once(0)))
        .collect();
    if HEAD + texts.len() > env {
        return Err(NO_ROOM.into());
    }
    place(0, &head(SYSTEM, env, b"system"));
    place(HEAD, &texts);
    if size > env {
        place(env, &head(FREE, size - env, &[0x77; 12]));
    }
    Ok(cells)
}

impl Nvram {
    /// Writes a part of the contents to the disk. The guest cannot be told that this failed, the user can.
    fn keep(&self, cells: &[u8], part: Range<usize>) {
        if let Some(e) = self.write_back(cells, part) {
            eprintln!("emu: the disk of non-volatile memory: {e}");
        }
    }

    /// The same; what the user is to be told, once: the guest writes byte by byte.
    fn write_back(&self, cells: &[u8], part: Range<usize>) -> Option<std::io::Error> {
        let disk = self.disk.as_ref().filter(|d| !d.read_only())?;
        let at = part.start as u64;
        let error = disk.write(at, cells.get(part)?).err()?;
        (!self.told.swap(true, Ordering::Relaxed)).then_some(error)
    }
}

impl Mmio for Nvram {
    fn widths(&self) -> Widths {
        Widths::BYTE
    }

    fn read(&self, offset: u64, _size: u32) -> Result<u64, BusError> {
        let cell = self
            .cells
            .lock()
            .get((offset >> self.shift) as usize)
            .copied();
        Ok(u64::from(cell.unwrap_or(0)))
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        let at = (offset >> self.shift) as usize;
        let mut cells = self.cells.lock();
        if let Some(cell) = cells.get_mut(at) {
            *cell = value as u8;
            self.keep(&cells, at..at + 1);
        }
        Ok(())
    }
}

impl Device for Nvram {
    // It is what is left after a reset.
    fn reset(&self) {}

    fn save(&self) -> Vec<u8> {
        save_state(&*self.cells.lock())
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let loaded: Vec<u8> = load_state(bytes)?;
        let mut cells = self.cells.lock();
        if loaded.len() != cells.len() {
            return Err(StateError("another size".into()));
        }
        *cells = loaded;
        self.keep(&cells, 0..cells.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Rig;

    #[test]
    fn variables_are_in_a_partition() {
        let mut rig = Rig::new();
        rig.host.firmware_env = vec!["auto-boot?=false".into()];
        rig.make("macio-nvram", &[("it_shift", "4"), ("size", "8k")]);
        let space = rig.space();
        let byte = |n: u64| space.read_device(Rig::AT + (n << 4), 1) as u8;
        assert_eq!([byte(0), byte(2), byte(3), byte(4)], [0x70, 1, 0, b's']);
        let text: Vec<u8> = (16..33).map(byte).collect();
        assert_eq!(text, b"auto-boot?=false\0");
        assert_eq!(byte(0x1000), 0x7f);
        let state = rig.device().save();
        space.write_device(Rig::AT + (0x20 << 4), 1, 9);
        rig.device().reset();
        assert_eq!(byte(0x20), 9, "a reset leaves it alone");
        rig.device().load(&state).unwrap();
        assert_eq!(rig.device().save(), state);
        assert!(rig.device().load(&state[1..]).is_err());
        rig.storm(7, 5000);
    }

    #[test]
    fn a_disk_keeps_what_is_written() {
        let boot = |disk: Vec<u8>, env: &[&str], writes: &[(u64, u8)]| {
            let mut rig = Rig::new();
            rig.host.firmware_env = env.iter().map(|e| (*e).to_owned()).collect();
            rig.drive();
            rig.prop("size", "8k");
            *rig.fake.disk.lock() = disk;
            rig.make_with_offers("macio-nvram");
            for (at, byte) in writes {
                rig.space().write_device(Rig::AT + at, 1, u64::from(*byte));
            }
            let disk = rig.fake.disk.lock().clone();
            let seen = |n| rig.space().read_device(Rig::AT + n, 1) as u8;
            assert!((0..8192).all(|n| seen(n) == disk[n as usize]));
            disk
        };
        let texts = |disk: &[u8]| String::from_utf8_lossy(&disk[16..40]).into_owned();
        let first = boot(vec![0xff; 8192], &["a=1", "b=2"], &[(18, b'3'), (8191, 7)]);
        assert!(texts(&first).starts_with("a=3\0b=2\0\0"));
        let again = boot(first.clone(), &[], &[]);
        assert!(again == first);
        let set = boot(first.clone(), &["c=4", "a=55"], &[]);
        assert!(texts(&set).starts_with("b=2\0c=4\0a=55\0\0"));
        assert_eq!((set[8191], &set[..16]), (7, &first[..16]));
        let mut other = first;
        other[5] ^= 1;
        assert_eq!(variables(&other), None, "the check sum");
        assert!(changed(set, &["x".repeat(5000)]).is_err());
        assert!(kept(&Fake8k(other), 8192).is_err());
        assert!(kept(&Fake8k(vec![0; 99]), 8192).is_err());
        assert!(kept(&Fake8k(vec![0; 8192]), 8192).unwrap().is_none());
    }

    struct Fake8k(Vec<u8>);

    impl BlockBackend for Fake8k {
        fn size(&self) -> u64 {
            self.0.len() as u64
        }
        fn read_only(&self) -> bool {
            false
        }
        fn read(&self, _: u64, buf: &mut [u8]) -> std::io::Result<()> {
            buf.copy_from_slice(&self.0);
            Ok(())
        }
        fn write(&self, _: u64, _: &[u8]) -> std::io::Result<()> {
            Err(std::io::Error::other("full"))
        }
        fn flush(&self) -> std::io::Result<()> {
            Ok(())
        }
        fn discard(&self, _: u64, _: u64) -> std::io::Result<()> {
            Ok(())
        }
        fn write_zeroes(&self, _: u64, _: u64) -> std::io::Result<()> {
            Ok(())
        }
        fn describe(&self) -> String {
            String::new()
        }
    }

    #[test]
    fn a_disk_that_fails_is_told_of_once() {
        let nvram = Nvram {
            shift: 0,
            cells: Mutex::new(vec![0; 8192]),
            disk: Some(Arc::new(Fake8k(vec![0; 8192]))),
            told: AtomicBool::new(false),
        };
        let told = |at: usize| nvram.write_back(&nvram.cells.lock(), at..at + 1).is_some();
        assert_eq!([5, 5, 6, 8192].map(told), [true, false, false, false]);
        nvram.write(5, 1, 7).unwrap();
        assert_eq!(nvram.read(5, 1).unwrap(), 7, "the guest goes on");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(formatted(64, 32, &["a".repeat(40)]).is_err());
    }
}
