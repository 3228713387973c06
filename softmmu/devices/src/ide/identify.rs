//! What drives tell of themselves: 256 words [ATA 7.16, 7.17].

use super::disk::GEOMETRY;
use super::drive::State;

const FIRMWARE: &str = env!("CARGO_PKG_VERSION");

struct Words(Vec<u8>);

impl Words {
    fn new() -> Words {
        Words(vec![0; 512])
    }

    fn put(&mut self, n: usize, value: u16) {
        if let Some(place) = self.0.get_mut(2 * n..2 * n + 2) {
            place.copy_from_slice(&value.to_le_bytes());
        }
    }

    /// Text, padded with blanks; the bytes of each word change places.
    fn text(&mut self, n: usize, len: usize, text: &str) {
        let mut padded = text.bytes().chain(std::iter::repeat(b' '));
        for word in 0..len {
            let [a, b] = [padded.next().unwrap_or(b' '), padded.next().unwrap_or(b' ')];
            self.put(n + word, u16::from(a) << 8 | u16::from(b));
        }
    }

    /// What both kinds say: multiword DMA 0 to 2, PIO 3 and 4, and cycle times in ns.
    fn modes(&mut self) {
        self.put(53, 6);
        self.put(63, 7);
        self.put(64, 3);
        for n in 65..=68 {
            self.put(n, 120);
        }
        // Versions up to ATA-7.
        self.put(80, 0xf0);
        // Ultra DMA 0 to 5.
        self.put(88, 0x3f);
        // The result of the reset: device 0 and a good cable.
        self.put(93, 0x600b);
    }
}

/// A disk.
pub(super) fn disk(sectors: u64, serial: &str, state: &State) -> Vec<u8> {
    let mut words = Words::new();
    let (heads, per_track) = GEOMETRY;
    let cylinders = (sectors / (heads * per_track)).clamp(2, 16383);
    words.put(0, 0x40);
    words.put(1, cylinders as u16);
    words.put(3, heads as u16);
    words.put(6, per_track as u16);
    words.text(10, 10, serial);
    words.text(23, 4, FIRMWARE);
    words.text(27, 20, "EMU HARDDISK");
    // At most 128 sectors for each interrupt.
    words.put(47, 0x8080);
    // DMA and LBA; standby timers as the standard says.
    words.put(49, 0x0b00);
    words.put(50, 0x4000);
    words.modes();
    words.put(59, 0x100 | state.multiple as u16);
    let short = sectors.min(0xfff_ffff);
    words.put(60, short as u16);
    words.put(61, (short >> 16) as u16);
    // Supported and on: write cache, flush, 48 bits.
    let cache = if state.write_cache { 0x20 } else { 0 };
    for (n, value) in [
        (82, 0x4020),
        (83, 0x7400),
        (84, 0x4000),
        (85, 0x4000 | cache),
        (86, 0x3400),
        (87, 0x4000),
    ] {
        words.put(n, value);
    }
    for n in 0..4 {
        words.put(100 + n, (sectors >> (16 * n)) as u16);
    }
    words.0
}

/// A CD drive.
pub(super) fn cd(serial: &str) -> Vec<u8> {
    let mut words = Words::new();
    // Packets of 12 bytes, removable medium, CD, data within 50 us.
    words.put(0, 0x85c0);
    words.text(10, 10, serial);
    words.text(23, 4, FIRMWARE);
    words.text(27, 20, "EMU DVD-ROM");
    words.put(49, 0x0b00);
    words.modes();
    for (n, value) in [
        (82, 0x0210),
        (83, 0x4000),
        (84, 0x4000),
        (85, 0x0210),
        (87, 0x4000),
    ] {
        words.put(n, value);
    }
    words.0
}
