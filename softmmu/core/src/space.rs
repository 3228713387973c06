//! A physical address space: which memory or device answers at which address.
//!
//! Regions have a base, a size and a priority; where several overlap, the highest priority wins,
//! then the one that was added last. The regions are flattened into a sorted list of disjoint
//! ranges whenever they change; looking up is a binary search. A *window* shows a part of another
//! space (a PCI bus behind its host bridge), which may change on its own.

use crate::device::{Endian, Mmio, Widths};
use crate::ram::Ram;
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tcg_mem::{Bus, BusError, PAGE, PhysPage};

/// What answers in a region.
#[derive(Clone)]
pub enum Backing {
    /// Memory from an offset on.
    Ram {
        /// The memory.
        ram: Arc<Ram>,
        /// Of the region's first byte.
        offset: u64,
        /// CPUs' stores and devices' DMA go there, too.
        writable: bool,
    },
    /// A device.
    Io {
        /// The device.
        mmio: Arc<dyn Mmio>,
        /// Added to the offset in the region.
        offset: u64,
    },
    /// A part of another space.
    Window {
        /// The other space.
        space: Arc<AddressSpace>,
        /// The address there of the region's first byte.
        base: u64,
    },
}

/// A part of an address space.
#[derive(Clone)]
pub struct Region {
    /// For people: `info mtree`.
    pub name: String,
    /// Address of the first byte.
    pub base: u64,
    /// Bytes; 0: nothing.
    pub size: u64,
    /// The highest wins.
    pub priority: i32,
    /// Who answers.
    pub backing: Backing,
}

impl Region {
    /// A device's registers.
    pub fn io(name: impl Into<String>, base: u64, size: u64, mmio: Arc<dyn Mmio>) -> Region {
        let backing = Backing::Io { mmio, offset: 0 };
        Region {
            name: name.into(),
            base,
            size,
            priority: 0,
            backing,
        }
    }

    /// Memory, the whole of it.
    pub fn ram(name: impl Into<String>, base: u64, ram: Arc<Ram>, writable: bool) -> Region {
        let size = ram.len();
        let backing = Backing::Ram {
            ram,
            offset: 0,
            writable,
        };
        Region {
            name: name.into(),
            base,
            size,
            priority: 0,
            backing,
        }
    }

    /// A part of another space.
    pub fn window(
        name: impl Into<String>,
        at: u64,
        size: u64,
        space: Arc<AddressSpace>,
        base: u64,
    ) -> Region {
        let backing = Backing::Window { space, base };
        Region {
            name: name.into(),
            base: at,
            size,
            priority: 0,
            backing,
        }
    }

    /// With another priority than 0.
    pub fn priority(mut self, priority: i32) -> Region {
        self.priority = priority;
        self
    }
}

/// Names a region of a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RegionId(u64);

/// A range that one region answers, first to last address.
#[derive(Clone)]
struct Flat {
    first: u64,
    last: u64,
    /// Offset of `first` in its region.
    skip: u64,
    backing: Backing,
}

/// Windows in windows.
const DEPTH: u32 = 6;

/// Who answers at an address.
struct Found {
    /// Memory or a device.
    backing: Backing,
    /// The address's offset in its region.
    skip: u64,
    /// How many bytes more it answers.
    last: u64,
}

#[derive(Default)]
struct Map {
    regions: Vec<(RegionId, Region)>,
    flat: Arc<Vec<Flat>>,
    next_id: u64,
}

/// See the head of the file.
pub struct AddressSpace {
    name: String,
    map: RwLock<Map>,
    /// Shared with the spaces that are seen through windows.
    generation: Arc<AtomicU64>,
}

impl AddressSpace {
    /// An empty space.
    pub fn new(name: impl Into<String>) -> Arc<AddressSpace> {
        Arc::new(AddressSpace {
            name: name.into(),
            map: RwLock::default(),
            generation: Arc::default(),
        })
    }

    /// An empty space to be seen through windows of this one: its changes are changes of this one.
    pub fn inner(&self, name: impl Into<String>) -> Arc<AddressSpace> {
        Arc::new(AddressSpace {
            name: name.into(),
            map: RwLock::default(),
            generation: self.generation.clone(),
        })
    }

    /// Adds a region.
    pub fn add(&self, region: Region) -> RegionId {
        self.change(|map| {
            map.next_id += 1;
            let id = RegionId(map.next_id);
            map.regions.push((id, region));
            id
        })
    }

    /// Takes a region out.
    pub fn remove(&self, id: RegionId) {
        self.change(|map| map.regions.retain(|(i, _)| *i != id));
    }

    /// Puts a region in the place of another (or adds it), in one step.
    pub fn replace(&self, old: Option<RegionId>, region: Option<Region>) -> Option<RegionId> {
        self.change(|map| {
            map.regions.retain(|(i, _)| Some(*i) != old);
            region.map(|region| {
                map.next_id += 1;
                map.regions.push((RegionId(map.next_id), region));
                RegionId(map.next_id)
            })
        })
    }

    /// The end of the machine: forgets all regions, also those of spaces that are seen through windows. Devices hold the
    /// space that they are in, and it holds them.
    pub fn dissolve(&self) {
        let old = std::mem::take(&mut *self.map.write());
        self.generation.fetch_add(1, Ordering::Release);
        for (_, region) in old.regions {
            if let Backing::Window { space, .. } = region.backing {
                space.dissolve();
            }
        }
    }

    fn change<T>(&self, edit: impl FnOnce(&mut Map) -> T) -> T {
        let mut map = self.map.write();
        let result = edit(&mut map);
        map.flat = Arc::new(flatten(&map.regions));
        self.generation.fetch_add(1, Ordering::Release);
        result
    }

    /// The range around an address, and the address's offset in the backing's region.
    fn flat(&self, pa: u64) -> Option<(Flat, u64)> {
        let map = self.map.read();
        let index = map.flat.partition_point(|f| f.last < pa);
        let flat = map.flat.get(index).filter(|f| f.first <= pa)?;
        Some((flat.clone(), pa - flat.first + flat.skip))
    }

    /// Who answers at an address, through all windows. Software can make windows that lead back to
    /// themselves: nobody answers there.
    fn find(&self, pa: u64) -> Option<Found> {
        let (flat, mut skip) = self.flat(pa)?;
        let mut last = flat.last - pa;
        let mut backing = flat.backing;
        for _ in 0..DEPTH {
            let Backing::Window { space, base } = &backing else {
                return Some(Found {
                    backing,
                    skip,
                    last,
                });
            };
            let inner = base.wrapping_add(skip);
            let (flat, next) = space.flat(inner)?;
            last = last.min(flat.last - inner);
            (backing, skip) = (flat.backing, next);
        }
        None
    }

    /// A number that is not split: all its bytes lie in one range.
    fn read_in(&self, pa: u64, size: u32) -> Result<u64, BusError> {
        let found = self.find(pa).ok_or(BusError)?;
        if found.last < u64::from(size) - 1 {
            return self.read_bytes(pa, size);
        }
        match &found.backing {
            Backing::Ram { ram, offset, .. } => ram.load(offset + found.skip, size).ok_or(BusError),
            Backing::Io { mmio, offset } => {
                read_device(mmio.as_ref(), offset.wrapping_add(found.skip), size)
            }
            Backing::Window { .. } => Err(BusError),
        }
    }

    fn write_in(&self, pa: u64, size: u32, value: u64) -> Result<(), BusError> {
        let found = self.find(pa).ok_or(BusError)?;
        if found.last < u64::from(size) - 1 {
            return self.write_bytes(pa, size, value);
        }
        match &found.backing {
            Backing::Ram {
                writable: false, ..
            } => Ok(()),
            Backing::Ram { ram, offset, .. } => ram
                .store(offset + found.skip, size, value)
                .then_some(())
                .ok_or(BusError),
            Backing::Io { mmio, offset } => {
                write_device(mmio.as_ref(), offset.wrapping_add(found.skip), size, value)
            }
            Backing::Window { .. } => Err(BusError),
        }
    }

    fn page_in(&self, pa: u64, depth: u32) -> PhysPage {
        let page = pa & !(PAGE - 1);
        let last = page | (PAGE - 1);
        let map = self.map.read();
        let index = map.flat.partition_point(|f| f.last < page);
        let Some(flat) = map.flat.get(index).filter(|f| f.first <= last) else {
            return PhysPage::None;
        };
        if flat.first > page || flat.last < last {
            return PhysPage::Io;
        }
        let skip = page - flat.first + flat.skip;
        match &flat.backing {
            Backing::Ram {
                ram,
                offset,
                writable,
            } => match ram.host(offset + skip) {
                Some(host) if host.is_multiple_of(PAGE as usize) => PhysPage::Ram {
                    host,
                    writable: *writable,
                },
                _ => PhysPage::Io,
            },
            Backing::Io { .. } => PhysPage::Io,
            Backing::Window { .. } if depth == 0 => PhysPage::Io,
            Backing::Window { space, base } => {
                let inner = base.wrapping_add(skip);
                if inner.is_multiple_of(PAGE) {
                    space.page_in(inner, depth - 1)
                } else {
                    PhysPage::Io
                }
            }
        }
    }

    fn read_bytes(&self, pa: u64, size: u32) -> Result<u64, BusError> {
        (0..size).try_fold(0, |number, i| {
            let byte = self.read_in(pa.wrapping_add(u64::from(i)), 1)?;
            Ok(number | (byte & 0xff) << (8 * i))
        })
    }

    fn write_bytes(&self, pa: u64, size: u32, value: u64) -> Result<(), BusError> {
        (0..size).try_for_each(|i| {
            self.write_in(pa.wrapping_add(u64::from(i)), 1, value >> (8 * i) & 0xff)
        })
    }

    /// The memory behind an address: the memory, the offset there, how many bytes follow in it,
    /// and whether it is writable.
    pub fn memory(&self, pa: u64) -> Option<(Arc<Ram>, u64, u64, bool)> {
        let found = self.find(pa)?;
        match found.backing {
            Backing::Ram {
                ram,
                offset,
                writable,
            } => {
                let offset = offset + found.skip;
                let left = found.last.saturating_add(1);
                let left = left.min(ram.len().saturating_sub(offset));
                Some((ram, offset, left, writable))
            }
            Backing::Io { .. } | Backing::Window { .. } => None,
        }
    }

    /// All memories, windows' too, each once, with the name of a region that shows it.
    pub fn memories(&self) -> Vec<(String, Arc<Ram>)> {
        let mut found = Vec::new();
        self.collect_memories(&mut found, 0);
        found
    }

    fn collect_memories(&self, found: &mut Vec<(String, Arc<Ram>)>, depth: usize) {
        let regions = self.map.read().regions.clone();
        for (_, region) in regions {
            match region.backing {
                Backing::Ram { ram, .. } => {
                    if !found.iter().any(|(_, r)| Arc::ptr_eq(r, &ram)) {
                        found.push((region.name, ram));
                    }
                }
                Backing::Window { space, .. } if depth < 8 => {
                    space.collect_memories(found, depth + 1);
                }
                Backing::Window { .. } | Backing::Io { .. } => {}
            }
        }
    }

    /// The device behind an address that takes messages (MSI), and the offset in it.
    pub(crate) fn message_target(&self, pa: u64) -> Option<(Arc<dyn Mmio>, u64)> {
        let found = self.find(pa)?;
        match found.backing {
            Backing::Io { mmio, offset } => {
                let offset = offset.wrapping_add(found.skip);
                mmio.takes_messages(offset).then_some((mmio, offset))
            }
            Backing::Ram { .. } | Backing::Window { .. } => None,
        }
    }

    /// Copies between this space's memory or devices and a buffer, for loaders, monitors and
    /// debuggers. Devices are read byte by byte.
    pub fn read_bytes_at(&self, pa: u64, buf: &mut [u8]) -> Result<(), BusError> {
        for (i, byte) in buf.iter_mut().enumerate() {
            *byte = self.read_in(pa.wrapping_add(i as u64), 1)? as u8;
        }
        Ok(())
    }

    /// Bytes from an address to the end of the registers that are there; none if there are none.
    fn registers(&self, pa: u64) -> Option<u64> {
        let found = self.find(pa)?;
        matches!(found.backing, Backing::Io { .. }).then_some(found.last.saturating_add(1))
    }

    /// Puts bytes into memory, into ROM, too. What lies under registers in its midst is left out:
    /// an image may have a hole there.
    pub fn load_bytes_at(&self, pa: u64, data: &[u8]) -> Result<(), BusError> {
        let (mut pa, mut data) = (pa, data);
        while !data.is_empty() {
            let memory = self.memory(pa);
            let left = memory.as_ref().map(|m| m.2);
            let left = left.or_else(|| self.registers(pa)).ok_or(BusError)?;
            let count = data.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let (now, later) = data.split_at(count.max(1).min(data.len()));
            if let Some((ram, offset, ..)) = memory
                && !ram.write(offset, now)
            {
                return Err(BusError);
            }
            pa = pa.wrapping_add(now.len() as u64);
            data = later;
        }
        Ok(())
    }

    /// First and last address of every range that a device answers, also behind windows.
    pub fn device_ranges(&self) -> Vec<(u64, u64)> {
        self.ranges(DEPTH)
    }

    fn ranges(&self, depth: u32) -> Vec<(u64, u64)> {
        let flat = self.map.read().flat.clone();
        let mut found = Vec::new();
        for f in flat.iter() {
            match &f.backing {
                Backing::Ram { .. } => {}
                Backing::Io { .. } => found.push((f.first, f.last)),
                Backing::Window { .. } if depth == 0 => {}
                Backing::Window { space, base } => {
                    let shown = base.wrapping_add(f.skip);
                    let end = shown.saturating_add(f.last - f.first);
                    let inner = space.ranges(depth - 1).into_iter();
                    let seen = inner.filter(|(first, last)| *last >= shown && *first <= end);
                    found.extend(seen.map(|(first, last)| {
                        let (first, last) = (first.max(shown), last.min(end));
                        (f.first + (first - shown), f.first + (last - shown))
                    }));
                }
            }
        }
        found
    }

    /// The map as text, one region a line (`info mtree`).
    pub fn describe(&self) -> String {
        let mut out = format!("address-space: {}\n", self.name);
        self.describe_into(&mut out, 1);
        out
    }

    fn describe_into(&self, out: &mut String, depth: usize) {
        use std::fmt::Write;
        let mut regions: Vec<Region> = self
            .map
            .read()
            .regions
            .iter()
            .map(|(_, r)| r.clone())
            .collect();
        regions.sort_by_key(|r| (r.base, std::cmp::Reverse(r.priority)));
        for region in regions.iter().filter(|r| r.size > 0) {
            let kind = match &region.backing {
                Backing::Ram { writable: true, .. } => "ram",
                Backing::Ram { .. } => "rom",
                Backing::Io { .. } => "i/o",
                Backing::Window { .. } => "window",
            };
            let last = region.base.saturating_add(region.size - 1);
            let _ = writeln!(
                out,
                "{:indent$}{:016x}-{last:016x} (prio {}, {kind}): {}",
                "",
                region.base,
                region.priority,
                region.name,
                indent = depth * 2
            );
            if let Backing::Window { space, base } = &region.backing {
                let _ = writeln!(
                    out,
                    "{:indent$}@{base:016x} of {}",
                    "",
                    space.name,
                    indent = depth * 2 + 2
                );
                if depth < 4 {
                    space.describe_into(out, depth + 2);
                }
            }
        }
    }
}

impl Bus for AddressSpace {
    fn page(&self, pa: u64) -> PhysPage {
        self.page_in(pa, DEPTH)
    }

    fn read(&self, pa: u64, size: u32) -> Result<u64, BusError> {
        self.read_in(pa, size)
    }

    fn write(&self, pa: u64, size: u32, value: u64) -> Result<(), BusError> {
        self.write_in(pa, size, value)
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

/// Turns a number in bus order (first byte least significant) into a device's or back.
fn order(endian: Endian, size: u32, value: u64) -> u64 {
    match endian {
        Endian::Little => value,
        Endian::Big => value.swap_bytes() >> (64 - 8 * size),
    }
}

fn mask(size: u32) -> u64 {
    u64::MAX >> (64 - 8 * size.clamp(1, 8))
}

/// An access of any width, made of accesses that the device knows.
fn read_device(device: &dyn Mmio, offset: u64, size: u32) -> Result<u64, BusError> {
    let Widths { endian, min, max } = device.widths();
    if size > max {
        let mut number = 0;
        for at in (0..size).step_by(max as usize) {
            let part = read_device(device, offset.wrapping_add(u64::from(at)), max)?;
            number |= part << (8 * at);
        }
        return Ok(number);
    }
    if size < min {
        let whole = order(
            endian,
            min,
            device.read(offset & !u64::from(min - 1), min)? & mask(min),
        );
        let skip = (offset & u64::from(min - 1)) as u32;
        return Ok(whole >> (8 * skip) & mask(size));
    }
    Ok(order(endian, size, device.read(offset, size)? & mask(size)))
}

fn write_device(device: &dyn Mmio, offset: u64, size: u32, value: u64) -> Result<(), BusError> {
    let Widths { endian, min, max } = device.widths();
    if size > max {
        return (0..size).step_by(max as usize).try_for_each(|at| {
            let part = value >> (8 * at) & mask(max);
            write_device(device, offset.wrapping_add(u64::from(at)), max, part)
        });
    }
    if size < min {
        // The lanes beside the narrow value carry zeroes.
        let skip = (offset & u64::from(min - 1)) as u32;
        let whole = order(endian, min, (value & mask(size)) << (8 * skip));
        return device.write(offset & !u64::from(min - 1), min, whole);
    }
    device.write(offset, size, order(endian, size, value & mask(size)))
}

/// Disjoint ranges, sorted.
fn flatten(regions: &[(RegionId, Region)]) -> Vec<Flat> {
    let mut order: Vec<&Region> = regions
        .iter()
        .map(|(_, r)| r)
        .filter(|r| r.size > 0)
        .collect();
    // The winner first; the sort is stable, so of equals the last that was added comes first.
    order.reverse();
    order.sort_by_key(|r| std::cmp::Reverse(r.priority));
    let mut flat: Vec<Flat> = Vec::new();
    for region in order {
        let end = region.base.saturating_add(region.size - 1);
        let mut at = region.base;
        let taken: Vec<(u64, u64)> = flat.iter().map(|f| (f.first, f.last)).collect();
        let mut add = |first: u64, last: u64| {
            let skip = first - region.base;
            flat.push(Flat {
                first,
                last,
                skip,
                backing: region.backing.clone(),
            });
        };
        let mut done = false;
        for (first, last) in taken {
            if last < at || done {
                continue;
            }
            if first > end {
                break;
            }
            if first > at {
                add(at, first - 1);
            }
            if last >= end {
                done = true;
            } else {
                at = last + 1;
            }
        }
        if !done && at <= end {
            add(at, end);
        }
        flat.sort_by_key(|f| f.first);
    }
    flat
}

#[cfg(test)]
#[path = "space_tests.rs"]
mod tests;
