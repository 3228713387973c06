//! How devices reach memory on their own.

use crate::device::Endian;
use crate::space::AddressSpace;
use std::sync::{Arc, OnceLock};
use tcg_mem::{BusError, RamWatch};

/// Who is told of writes; filled when the CPUs exist.
pub type Watch = Arc<OnceLock<Arc<dyn RamWatch>>>;

/// A master of an address space: memory of any kind, and messages of interrupts. Registers of
/// devices cannot be reached (see [`crate::device`]).
#[derive(Clone)]
pub struct Dma {
    space: Arc<AddressSpace>,
    watch: Watch,
}

impl Dma {
    /// A master of `space`.
    pub fn new(space: Arc<AddressSpace>, watch: Watch) -> Dma {
        Dma { space, watch }
    }

    /// A master of another space of the same machine.
    pub fn of(&self, space: Arc<AddressSpace>) -> Dma {
        Dma {
            space,
            watch: self.watch.clone(),
        }
    }

    /// The space.
    pub fn space(&self) -> &Arc<AddressSpace> {
        &self.space
    }

    /// Copies out of memory.
    pub fn read(&self, pa: u64, buf: &mut [u8]) -> Result<(), BusError> {
        let (mut pa, mut buf) = (pa, buf);
        while !buf.is_empty() {
            let (ram, offset, left, _) = self.space.memory(pa).ok_or(BusError)?;
            let count = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let (now, later) = buf.split_at_mut(count);
            if count == 0 || !ram.read(offset, now) {
                return Err(BusError);
            }
            pa = pa.wrapping_add(count as u64);
            buf = later;
        }
        Ok(())
    }

    /// Copies into memory; what is not writable stays as it is.
    pub fn write(&self, pa: u64, data: &[u8]) -> Result<(), BusError> {
        let (mut pa, mut data) = (pa, data);
        while !data.is_empty() {
            let (ram, offset, left, writable) = self.space.memory(pa).ok_or(BusError)?;
            let count = data.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let (now, later) = data.split_at(count);
            if count == 0 || writable && !ram.write(offset, now) {
                return Err(BusError);
            }
            if let (true, Some(host)) = (writable, ram.host(offset)) {
                self.written(host, count);
            }
            pa = pa.wrapping_add(count as u64);
            data = later;
        }
        Ok(())
    }

    fn written(&self, host: usize, len: usize) {
        if let Some(watch) = self.watch.get() {
            watch.ram_written(host, len);
        }
    }

    /// Loads a number of 1, 2, 4 or 8 bytes, in one access if it is aligned.
    pub fn load(&self, pa: u64, size: u32, endian: Endian) -> Result<u64, BusError> {
        let (ram, offset, left, _) = self.space.memory(pa).ok_or(BusError)?;
        let number = if left >= u64::from(size) {
            ram.load(offset, size).ok_or(BusError)?
        } else {
            let mut bytes = [0; 8];
            let part = bytes.get_mut(..size as usize).ok_or(BusError)?;
            self.read(pa, part)?;
            u64::from_le_bytes(bytes)
        };
        Ok(swap(number, size, endian))
    }

    /// Stores a number of 1, 2, 4 or 8 bytes, in one access if it is aligned.
    pub fn store(&self, pa: u64, size: u32, endian: Endian, value: u64) -> Result<(), BusError> {
        let value = swap(value, size, endian);
        let (ram, offset, left, writable) = self.space.memory(pa).ok_or(BusError)?;
        if left < u64::from(size) || !writable {
            let bytes = value.to_le_bytes();
            return self.write(pa, bytes.get(..size as usize).ok_or(BusError)?);
        }
        if !ram.store(offset, size, value) {
            return Err(BusError);
        }
        if let Some(host) = ram.host(offset) {
            self.written(host, size as usize);
        }
        Ok(())
    }

    /// Sends an interrupt message (MSI): a little-endian 32-bit write. Lost if nobody takes it.
    pub fn message(&self, pa: u64, data: u32) {
        match self.space.message_target(pa) {
            Some((target, offset)) => {
                let value = match target.widths().endian {
                    Endian::Little => data,
                    Endian::Big => data.swap_bytes(),
                };
                let _ = target.write(offset, 4, u64::from(value));
            }
            None => crate::log::guest_error("dma", || {
                format!("an interrupt message to {pa:#x}, where nobody takes it")
            }),
        }
    }
}

fn swap(value: u64, size: u32, endian: Endian) -> u64 {
    match endian {
        Endian::Little => value,
        Endian::Big => value.swap_bytes() >> (64 - 8 * size.clamp(1, 8)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ram::Ram;
    use crate::space::Region;
    use parking_lot::Mutex;

    #[derive(Default)]
    struct Seen(Mutex<Vec<usize>>);
    impl RamWatch for Seen {
        fn ram_written(&self, _host: usize, len: usize) {
            self.0.lock().push(len);
        }
    }

    #[test]
    fn memory_is_reached_across_regions_and_the_watch_is_told() {
        let space = AddressSpace::new("test");
        for (base, writable) in [(0, true), (0x1000, true), (0x2000, false)] {
            let ram = Arc::new(Ram::new(0x1000).unwrap());
            space.add(Region::ram("ram", base, ram, writable));
        }
        let seen = Arc::new(Seen::default());
        let watch: Watch = Arc::default();
        let _ = watch.set(seen.clone());
        let dma = Dma::new(space, watch);
        dma.write(0xffe, &[1, 2, 3, 4]).unwrap();
        let mut back = [0; 6];
        dma.read(0xffd, &mut back).unwrap();
        assert_eq!(back, [0, 1, 2, 3, 4, 0]);
        assert_eq!(dma.load(0xffe, 4, Endian::Big), Ok(0x0102_0304));
        assert_eq!(dma.load(0xffe, 2, Endian::Little), Ok(0x0201));
        dma.store(0x1004, 4, Endian::Big, 0xaabb_ccdd).unwrap();
        assert_eq!(dma.load(0x1004, 1, Endian::Big), Ok(0xaa));
        dma.store(0x1ffe, 4, Endian::Big, 0x1122_3344).unwrap();
        assert_eq!(dma.load(0x1ffe, 4, Endian::Big), Ok(0x1122_0000), "ROM");
        assert_eq!(dma.write(0x2ffe, &[0; 4]), Err(BusError));
        assert_eq!(dma.read(u64::MAX, &mut back), Err(BusError));
        assert_eq!(*seen.0.lock(), [2, 2, 4, 2]);
    }
}
