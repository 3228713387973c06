//! Overlaps, windows, widths and byte orders of address spaces.

use super::*;
use parking_lot::Mutex;

/// Answers each byte with its offset, and keeps what is written.
struct Probe {
    widths: Widths,
    seen: Mutex<Vec<(u64, u32, u64)>>,
}

impl Mmio for Probe {
    fn widths(&self) -> Widths {
        self.widths
    }
    fn read(&self, offset: u64, size: u32) -> Result<u64, BusError> {
        // In address order: big-endian devices see the first byte as the most significant.
        let bytes: Vec<u8> = (0..size).map(|i| (offset + u64::from(i)) as u8).collect();
        let fold = |n: u64, b: &u8| n << 8 | u64::from(*b);
        Ok(match self.widths.endian {
            Endian::Big => bytes.iter().fold(0, fold),
            Endian::Little => bytes.iter().rev().fold(0, fold),
        })
    }
    fn write(&self, offset: u64, size: u32, value: u64) -> Result<(), BusError> {
        self.seen.lock().push((offset, size, value));
        Ok(())
    }
}

fn probe(endian: Endian, min: u32, max: u32) -> Arc<Probe> {
    let widths = Widths { endian, min, max };
    Arc::new(Probe {
        widths,
        seen: Mutex::default(),
    })
}

#[test]
fn priorities_decide_and_ram_is_a_page_only_where_it_is_whole() {
    let space = AddressSpace::new("test");
    let ram = Arc::new(Ram::new(0x10000).unwrap());
    space.add(Region::ram("ram", 0x1000, ram.clone(), true));
    let device = probe(Endian::Little, 1, 8);
    let id = space.add(Region::io("dev", 0x3800, 0x100, device.clone()).priority(1));
    let host = ram.host(0).unwrap();
    assert_eq!(
        space.page(0x1000),
        PhysPage::Ram {
            host,
            writable: true
        }
    );
    assert_eq!(space.page(0x3000), PhysPage::Io);
    assert_eq!(
        space.page(0x4000),
        PhysPage::Ram {
            host: host + 0x3000,
            writable: true
        }
    );
    assert_eq!(space.page(0x11000), PhysPage::None);
    assert_eq!(space.page(0), PhysPage::None);
    assert_eq!(space.read(0x3810, 2), Ok(0x1110));
    assert_eq!(space.read(0x3900, 2), Ok(0));
    // Half memory, half device.
    space.write(0x37fe, 4, 0xaabb_ccdd).unwrap();
    assert_eq!(*device.seen.lock(), [(0, 1, 0xbb), (1, 1, 0xaa)]);
    assert_eq!(space.read(0x37fe, 4), Ok(0x0100_ccdd));
    assert_eq!(space.read(0x10fff, 2), Err(BusError));
    let before = space.generation();
    space.remove(id);
    assert!(space.generation() > before);
    assert_eq!(space.read(0x3810, 2), Ok(0));
}

#[test]
fn a_region_in_the_middle_and_a_region_around_everything() {
    let space = AddressSpace::new("test");
    let low = probe(Endian::Little, 1, 1);
    let high = probe(Endian::Little, 1, 1);
    space.add(Region::io("middle", u64::MAX - 0xff, 0x10, high).priority(5));
    space.add(Region::io("all", 0, u64::MAX, low).priority(-1));
    assert_eq!(space.read(u64::MAX - 0xff, 1), Ok(0));
    assert_eq!(space.read(u64::MAX - 0xf0, 1), Ok(0xf));
    assert_eq!(space.read(u64::MAX - 0xef, 1), Ok(0x10));
    assert_eq!(space.read(u64::MAX, 1), Err(BusError));
    assert_eq!(space.read(u64::MAX, 8), Err(BusError));
}

#[test]
fn widths_and_orders() {
    for (endian, min, max) in [
        (Endian::Big, 4, 4),
        (Endian::Little, 4, 4),
        (Endian::Big, 1, 2),
    ] {
        let space = AddressSpace::new("test");
        let device = probe(endian, min, max);
        space.add(Region::io("dev", 0x1000, 0x100, device));
        // However the device is made, the bytes are in their places.
        assert_eq!(space.read(0x1010, 8), Ok(0x1716_1514_1312_1110));
        assert_eq!(space.read(0x1012, 2), Ok(0x1312));
        assert_eq!(space.read(0x1013, 1), Ok(0x13));
    }
    let space = AddressSpace::new("test");
    let device = probe(Endian::Big, 4, 4);
    space.add(Region::io("dev", 0x1000, 0x100, device.clone()));
    space.write(0x1010, 4, 0x0403_0201).unwrap();
    space.write(0x1011, 1, 0xee).unwrap();
    assert_eq!(
        *device.seen.lock(),
        [(0x10, 4, 0x0102_0304), (0x10, 4, 0x00ee_0000)]
    );
}

#[test]
fn windows_show_another_space_and_its_changes() {
    let space = AddressSpace::new("cpu");
    let pci = space.inner("pci");
    space.add(Region::window(
        "window",
        0xc000_0000,
        0x10_0000,
        pci.clone(),
        0xe000_0000,
    ));
    assert_eq!(space.read(0xc000_0000, 4), Err(BusError));
    let before = space.generation();
    let ram = Arc::new(Ram::new(0x1000).unwrap());
    pci.add(Region::ram("bar", 0xe000_1000, ram.clone(), true));
    assert!(space.generation() > before);
    let host = ram.host(0).unwrap();
    assert_eq!(
        space.page(0xc000_1000),
        PhysPage::Ram {
            host,
            writable: true
        }
    );
    space.write(0xc000_1004, 4, 0x1234_5678).unwrap();
    assert_eq!(ram.load(4, 4), Some(0x1234_5678));
    assert!(space.load_bytes_at(0xc000_1ffe, &[1, 2]).is_ok());
    assert!(space.load_bytes_at(0xc000_1ffe, &[1, 2, 3]).is_err());
    assert!(space.describe().contains("of pci"));
}

#[test]
fn an_image_may_have_a_hole_where_registers_are() {
    let space = AddressSpace::new("test");
    let ram = Arc::new(Ram::new(0x3000).unwrap());
    space.add(Region::ram("rom", 0, ram, false));
    let device = probe(Endian::Little, 1, 1);
    space.add(Region::io("dev", 0x1000, 0x1000, device.clone()).priority(1));
    let image: Vec<u8> = (0..0x2800u32).map(|n| (n >> 8) as u8 + 1).collect();
    space.load_bytes_at(0x400, &image).unwrap();
    assert_eq!(space.read(0xfff, 1), Ok(0x0c));
    assert_eq!(space.read(0x2000, 1), Ok(0x1d));
    assert!(device.seen.lock().is_empty());
    assert!(space.load_bytes_at(0x2fff, &[1, 2]).is_err());
}

#[test]
fn a_window_that_leads_to_itself_answers_nobody() {
    let outer = AddressSpace::new("outer");
    let inner = outer.inner("inner");
    outer.add(Region::window("there", 0x1000, 0x1000, inner.clone(), 0));
    inner.add(Region::window("back", 0, 0x1000, outer.clone(), 0x1000));
    assert!(outer.read(0x1000, 4).is_err() && outer.write(0x1ffc, 8, 0).is_err());
    assert!(matches!(outer.page(0x1000), PhysPage::Io));
    assert!(outer.memory(0x1000).is_none() && outer.device_ranges().is_empty());
    assert!(outer.describe().contains("back"));
}
