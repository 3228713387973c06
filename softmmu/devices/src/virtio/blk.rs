//! The virtio disk [VIRTIO 5.2].

use super::{Broken, Chain, Model, QueueIo};
use crate::class::Build;
use softmmu_core::block::BlockBackend;
use softmmu_core::device::Endian;
use std::sync::Arc;

const SECTOR: u64 = 512;

const F_SEG_MAX: u64 = 1 << 2;
const F_READ_ONLY: u64 = 1 << 5;
const F_BLOCK_SIZE: u64 = 1 << 6;
const F_FLUSH: u64 = 1 << 9;
const F_DISCARD: u64 = 1 << 13;
const F_WRITE_ZEROES: u64 = 1 << 14;

const IN: u32 = 0;
const OUT: u32 = 1;
const FLUSH: u32 = 4;
const GET_ID: u32 = 8;
const DISCARD: u32 = 11;
const WRITE_ZEROES: u32 = 13;

const OK: u8 = 0;
const IO_ERROR: u8 = 1;
const UNSUPPORTED: u8 = 2;

/// Sectors of one discard or zeroing.
const MAX_SECTORS: u32 = 1 << 21;

struct Blk {
    disk: Arc<dyn BlockBackend>,
    serial: Vec<u8>,
    queues: [u16; 1],
    block_size: u32,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let disk = build.block("drive")?.ok_or("needs a disk ('drive')")?;
    let size = build.values.number_or_0("queue-size") as u16;
    if !size.is_power_of_two() || size < 2 {
        return Err("queue-size: expected a power of two".into());
    }
    let block_size = build.values.number_or_0("logical_block_size") as u32;
    if !block_size.is_power_of_two() || block_size < 512 {
        return Err("logical_block_size: expected a power of two from 512 on".into());
    }
    let mut serial = build
        .values
        .text("serial")
        .unwrap_or_default()
        .as_bytes()
        .to_vec();
    serial.resize(20, 0);
    let model = Blk {
        disk,
        serial,
        queues: [size],
        block_size,
    };
    super::plug(build, Arc::new(model), 0x01_0000)
}

/// Numbers in a byte order.
fn bytes<const N: usize>(little: [u8; N], endian: Endian) -> [u8; N] {
    let mut bytes = little;
    if endian == Endian::Big {
        bytes.reverse();
    }
    bytes
}

fn word(raw: &[u8], endian: Endian) -> u64 {
    let fold = |n: u64, b: &u8| n << 8 | u64::from(*b);
    match endian {
        Endian::Big => raw.iter().fold(0, fold),
        Endian::Little => raw.iter().rev().fold(0, fold),
    }
}

impl Blk {
    /// Byte offset of a request if all of it is on the disk.
    fn place(&self, sector: u64, len: u64) -> Option<u64> {
        let offset = sector.checked_mul(SECTOR)?;
        (offset.checked_add(len)? <= self.disk.size()).then_some(offset)
    }

    fn read(&self, io: &QueueIo<'_>, chain: &Chain, sector: u64) -> Result<(u8, u32), Broken> {
        let len = chain.writable_len().saturating_sub(1);
        let Some(offset) = self.place(sector, len) else {
            return Ok((IO_ERROR, 0));
        };
        let mut data = vec![0; len as usize];
        if self.disk.read(offset, &mut data).is_err() {
            return Ok((IO_ERROR, 0));
        }
        chain.write(io.dma, 0, &data)?;
        Ok((OK, len as u32))
    }

    fn write(&self, io: &QueueIo<'_>, chain: &Chain, sector: u64) -> Result<u8, Broken> {
        let len = chain.readable_len().saturating_sub(16);
        let Some(offset) = self.place(sector, len).filter(|_| !self.disk.read_only()) else {
            return Ok(IO_ERROR);
        };
        let mut data = vec![0; len as usize];
        chain.read(io.dma, 16, &mut data)?;
        Ok(status(self.disk.write(offset, &data)))
    }

    /// Discards or zeroes the ranges of a request.
    fn ranges(&self, io: &QueueIo<'_>, chain: &Chain, zero: bool) -> Result<u8, Broken> {
        let count = (chain.readable_len().saturating_sub(16) / 16).min(1);
        for n in 0..count {
            let mut raw = [0; 16];
            chain.read(io.dma, 16 + 16 * n, &mut raw)?;
            let sector = word(&raw[..8], io.endian);
            let sectors = word(&raw[8..12], io.endian);
            if sectors > u64::from(MAX_SECTORS) || self.disk.read_only() {
                return Ok(IO_ERROR);
            }
            let Some(offset) = self.place(sector, sectors * SECTOR) else {
                return Ok(IO_ERROR);
            };
            let done = match zero {
                true => self.disk.write_zeroes(offset, sectors * SECTOR),
                false => self.disk.discard(offset, sectors * SECTOR),
            };
            if done.is_err() {
                return Ok(IO_ERROR);
            }
        }
        Ok(OK)
    }

    fn request(&self, io: &mut QueueIo<'_>, chain: &Chain) -> Result<(), Broken> {
        let mut header = [0; 16];
        if chain.read(io.dma, 0, &mut header)? < 16 || chain.writable_len() == 0 {
            return Err(Broken("a disk request without header or status"));
        }
        let kind = word(&header[..4], io.endian) as u32;
        let sector = word(&header[8..], io.endian);
        let (status, written) = match kind {
            IN => self.read(io, chain, sector)?,
            OUT => (self.write(io, chain, sector)?, 0),
            FLUSH => (status(self.disk.flush()), 0),
            GET_ID => {
                let len = chain.writable_len().saturating_sub(1).min(20) as usize;
                chain.write(io.dma, 0, self.serial.get(..len).unwrap_or_default())?;
                (OK, len as u32)
            }
            DISCARD => (self.ranges(io, chain, false)?, 0),
            WRITE_ZEROES => (self.ranges(io, chain, true)?, 0),
            _ => (UNSUPPORTED, 0),
        };
        // The status is the last byte.
        chain.write(io.dma, chain.writable_len() - 1, &[status])?;
        io.push(chain, written + 1)
    }
}

fn status(result: std::io::Result<()>) -> u8 {
    if result.is_ok() { OK } else { IO_ERROR }
}

impl Model for Blk {
    fn id(&self) -> u16 {
        2
    }

    fn features(&self) -> u64 {
        let always = F_SEG_MAX | F_BLOCK_SIZE | F_FLUSH;
        match self.disk.read_only() {
            true => always | F_READ_ONLY,
            false => always | F_DISCARD | F_WRITE_ZEROES,
        }
    }

    fn queues(&self) -> &[u16] {
        &self.queues
    }

    fn run(&self, _queue: usize, io: &mut QueueIo<'_>) -> Result<(), Broken> {
        while let Some(chain) = io.pop()? {
            self.request(io, &chain)?;
        }
        Ok(())
    }

    fn config(&self, endian: Endian) -> Vec<u8> {
        let mut config = vec![0; 60];
        let mut put = |at: usize, raw: &[u8]| {
            if let Some(to) = config.get_mut(at..at + raw.len()) {
                to.copy_from_slice(raw);
            }
        };
        let four = |n: u32| bytes(n.to_le_bytes(), endian);
        put(0, &bytes((self.disk.size() / SECTOR).to_le_bytes(), endian));
        put(12, &four(u32::from(self.queues[0]) - 2));
        put(20, &four(self.block_size));
        put(36, &four(MAX_SECTORS));
        put(40, &four(1));
        put(44, &four(self.block_size / 512));
        put(48, &four(MAX_SECTORS));
        put(52, &four(1));
        config
    }

    fn describe(&self) -> String {
        self.disk.describe()
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Rig, device_tests};

    device_tests!("virtio-blk-pci", |rig: &mut Rig| rig.drive());

    const COMMON: u64 = 0x9000_0000;

    /// A driver of version 1: maps the device, agrees on features, sets queue 0 up.
    fn start(rig: &Rig) {
        let config = |r: u16, size: u32, v: u32| rig.pci.config_write(64, r, size, v);
        config(0x20, 4, COMMON as u32);
        config(0x24, 4, 0);
        config(0x04, 2, 6);
        let space = rig.space();
        let put = |at: u64, size: u32, value: u64| space.write_device(COMMON + at, size, value);
        put(0x14, 1, 3);
        put(8, 4, 1);
        put(0xc, 4, 1);
        put(0x14, 1, 11);
        assert_eq!(
            space.read_device(COMMON + 0x14, 1),
            11,
            "the features are fine"
        );
        put(0x18, 2, 8);
        put(0x20, 8, 0x1000);
        put(0x28, 8, 0x2000);
        put(0x30, 8, 0x3000);
        put(0x1c, 2, 1);
        put(0x14, 1, 15);
    }

    fn descriptor(rig: &Rig, n: u64, addr: u64, len: u64, flags: u64) {
        let space = rig.space();
        let at = 0x1000 + 16 * n;
        space.write_device(at, 8, addr);
        space.write_device(at + 8, 4, len);
        space.write_device(at + 12, 2, flags);
        space.write_device(at + 14, 2, n + 1);
    }

    fn request(rig: &Rig, turn: u64, kind: u64, sector: u64, data_flags: u64) -> u64 {
        let space = rig.space();
        space.write_device(0x4000, 8, kind);
        space.write_device(0x4008, 8, sector);
        space.write_device(0x6000, 1, 0xff);
        descriptor(rig, 0, 0x4000, 16, 1);
        descriptor(rig, 1, 0x5000, 512, data_flags | 1);
        descriptor(rig, 2, 0x6000, 1, 2);
        space.write_device(0x2004 + 2 * turn, 2, 0);
        space.write_device(0x2002, 2, turn + 1);
        space.write_device(COMMON + 0x3000, 2, 0);
        assert_eq!(space.read_device(0x3002, 2), turn + 1, "it came back");
        space.read_device(0x6000, 1)
    }

    #[test]
    fn sectors_go_there_and_back() {
        let mut rig = Rig::new();
        rig.drive();
        rig.make_with_offers("virtio-blk-pci");
        start(&rig);
        let space = rig.space();
        space.write_device(0x5000, 4, 0xdead_beef);
        assert_eq!(request(&rig, 0, 1, 3, 0), 0);
        assert_eq!(
            rig.fake.disk.lock()[3 * 512..3 * 512 + 4],
            [0xef, 0xbe, 0xad, 0xde]
        );
        rig.fake.disk.lock()[7 * 512] = 0x77;
        assert_eq!(request(&rig, 1, 0, 7, 2), 0);
        assert_eq!(space.read_device(0x5000, 4), 0x77);
        assert_eq!(request(&rig, 2, 0, 1 << 60, 2), 1, "beyond the end");
        assert_eq!(request(&rig, 3, 99, 0, 2), 2, "unknown");
        assert_eq!(space.read_device(COMMON + 0x1000, 1), 1, "an interrupt");
    }

    #[test]
    fn a_broken_driver_stops_the_device() {
        let mut rig = Rig::new();
        rig.drive();
        rig.make_with_offers("virtio-blk-pci");
        start(&rig);
        let space = rig.space();
        descriptor(&rig, 0, 0x4000, 16, 1);
        descriptor(&rig, 1, 0x4000, 16, 1);
        space.write_device(0x101e, 2, 0);
        space.write_device(0x2002, 2, 1);
        space.write_device(COMMON + 0x3000, 2, 0);
        assert_eq!(space.read_device(COMMON + 0x14, 1) & 0x40, 0x40);
        space.write_device(COMMON + 0x14, 1, 0);
        assert_eq!(space.read_device(COMMON + 0x14, 1), 0);
    }
}
