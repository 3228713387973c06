//! Split virtqueues [VIRTIO 2.7].

use serde::{Deserialize, Serialize};
use softmmu_core::device::Endian;
use softmmu_core::dma::Dma;
use tcg_mem::BusError;

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;
/// In the flags of the available ring: no interrupts.
const NO_INTERRUPT: u16 = 1;
/// Bytes of a descriptor.
const DESCRIPTOR: u64 = 16;
/// No single request is larger.
const LIMIT: u64 = 64 << 20;

/// The driver does what no driver may: the device stops until it is reset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken(pub &'static str);

impl From<BusError> for Broken {
    fn from(_: BusError) -> Broken {
        Broken("an address where no memory is")
    }
}

/// A queue's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Entries, a power of two.
    pub size: u16,
    /// The most entries.
    pub max: u16,
    /// The driver has set it up.
    pub ready: bool,
    /// Address of the descriptors.
    pub desc: u64,
    /// Address of the ring of available chains.
    pub avail: u64,
    /// Address of the ring of used chains.
    pub used: u64,
    /// Interrupt message.
    pub vector: u16,
    /// Where the device is in the available ring.
    pub next_avail: u16,
    /// Where it is in the used ring.
    pub next_used: u16,
}

/// Buffers of a request: address and length of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Its first descriptor.
    pub head: u16,
    /// What the device reads.
    pub readable: Vec<(u64, u32)>,
    /// What it writes.
    pub writable: Vec<(u64, u32)>,
}

struct Descriptor {
    addr: u64,
    len: u32,
    flags: u16,
    next: u16,
}

impl Queue {
    /// As after a reset.
    pub fn new(max: u16) -> Queue {
        Queue {
            size: max,
            max,
            vector: 0xffff,
            ..Queue::default()
        }
    }

    /// Addresses of the three parts from one, as before version 1; `align`: that of the last part, a power of two.
    pub fn set_legacy(&mut self, base: u64, align: u64) {
        let align = if align.is_power_of_two() { align } else { 4096 };
        let size = u64::from(self.size);
        self.desc = base;
        self.avail = base.wrapping_add(size * DESCRIPTOR);
        self.used = self.avail.wrapping_add(6 + 2 * size + align - 1) & !(align - 1);
        self.ready = base != 0;
    }

    fn descriptor(dma: &Dma, endian: Endian, at: u64) -> Result<Descriptor, Broken> {
        let mut bytes = [0; DESCRIPTOR as usize];
        dma.read(at, &mut bytes)?;
        let number = |from: usize, len: usize| {
            let part = bytes.iter().skip(from).take(len);
            let fold = |n: u64, b: &u8| n << 8 | u64::from(*b);
            match endian {
                Endian::Big => part.fold(0, fold),
                Endian::Little => part.rev().fold(0, fold),
            }
        };
        Ok(Descriptor {
            addr: number(0, 8),
            len: number(8, 4) as u32,
            flags: number(12, 2) as u16,
            next: number(14, 2) as u16,
        })
    }

    fn avail_index(&self, dma: &Dma, endian: Endian) -> Result<u16, Broken> {
        Ok(dma.load(self.avail.wrapping_add(2), 2, endian)? as u16)
    }

    /// Takes the next chain.
    pub fn pop(
        &mut self,
        dma: &Dma,
        endian: Endian,
        events: bool,
    ) -> Result<Option<Chain>, Broken> {
        if !self.ready || self.size == 0 {
            return Ok(None);
        }
        let mut index = self.avail_index(dma, endian)?;
        if index == self.next_avail && events {
            // Ask to be told of the next one, then look again: it may just have come.
            let at = self.used.wrapping_add(4 + 8 * u64::from(self.size));
            dma.store(at, 2, endian, u64::from(self.next_avail))?;
            std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
            index = self.avail_index(dma, endian)?;
        }
        let waiting = index.wrapping_sub(self.next_avail);
        if waiting == 0 {
            return Ok(None);
        }
        if waiting > self.size {
            return Err(Broken("more chains than the queue has entries"));
        }
        let slot = u64::from(self.next_avail % self.size);
        let head = dma.load(self.avail.wrapping_add(4 + 2 * slot), 2, endian)? as u16;
        let chain = self.chain(dma, endian, head)?;
        self.next_avail = self.next_avail.wrapping_add(1);
        Ok(Some(chain))
    }

    fn chain(&self, dma: &Dma, endian: Endian, head: u16) -> Result<Chain, Broken> {
        let mut chain = Chain {
            head,
            ..Chain::default()
        };
        let (mut table, mut entries, mut at) = (self.desc, self.size, head);
        let mut indirect = false;
        let (mut steps, mut total) = (0u32, 0u64);
        loop {
            if at >= entries || steps > 2 * u32::from(entries) {
                return Err(Broken("a chain leaves its table or is a circle"));
            }
            steps += 1;
            let place = table.wrapping_add(u64::from(at) * DESCRIPTOR);
            let d = Queue::descriptor(dma, endian, place)?;
            if d.flags & INDIRECT != 0 {
                let count = u64::from(d.len) / DESCRIPTOR;
                if indirect || count == 0 || count > 0x7fff {
                    return Err(Broken("an indirect table in another, or an empty one"));
                }
                indirect = true;
                (table, entries, at) = (d.addr, count as u16, 0);
                continue;
            }
            total += u64::from(d.len);
            if total > LIMIT {
                return Err(Broken("a request is too large"));
            }
            if d.flags & WRITE != 0 {
                chain.writable.push((d.addr, d.len));
            } else if chain.writable.is_empty() {
                chain.readable.push((d.addr, d.len));
            } else {
                return Err(Broken("a buffer to read behind one to write"));
            }
            if d.flags & NEXT == 0 {
                return Ok(chain);
            }
            at = d.next;
        }
    }

    /// Gives a chain back; true: the driver wants to be told.
    pub fn push(
        &mut self,
        dma: &Dma,
        endian: Endian,
        events: bool,
        head: u16,
        written: u32,
    ) -> Result<bool, Broken> {
        let slot = u64::from(self.next_used % self.size.max(1));
        let at = self.used.wrapping_add(4 + 8 * slot);
        dma.store(at, 4, endian, u64::from(head))?;
        dma.store(at.wrapping_add(4), 4, endian, u64::from(written))?;
        let before = self.next_used;
        self.next_used = before.wrapping_add(1);
        dma.store(
            self.used.wrapping_add(2),
            2,
            endian,
            u64::from(self.next_used),
        )?;
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
        if events {
            let at = self.avail.wrapping_add(4 + 2 * u64::from(self.size));
            let event = dma.load(at, 2, endian)? as u16;
            let passed = self.next_used.wrapping_sub(event).wrapping_sub(1);
            return Ok(passed < self.next_used.wrapping_sub(before));
        }
        Ok(dma.load(self.avail, 2, endian)? as u16 & NO_INTERRUPT == 0)
    }
}

impl Chain {
    /// Copies from the buffers that the device reads, from `skip` on; returns how much there was.
    pub fn read(&self, dma: &Dma, skip: u64, buf: &mut [u8]) -> Result<usize, Broken> {
        let (mut skip, mut done) = (skip, 0);
        for (addr, len) in &self.readable {
            let len = u64::from(*len);
            if skip >= len {
                skip -= len;
                continue;
            }
            let count = (len - skip).min((buf.len() - done) as u64) as usize;
            let Some(part) = buf.get_mut(done..done + count) else {
                break;
            };
            dma.read(addr.wrapping_add(skip), part)?;
            done += count;
            skip = 0;
        }
        Ok(done)
    }

    /// Copies into the buffers that the device writes, from `skip` on; returns how much fitted.
    pub fn write(&self, dma: &Dma, skip: u64, data: &[u8]) -> Result<usize, Broken> {
        let (mut skip, mut done) = (skip, 0);
        for (addr, len) in &self.writable {
            let len = u64::from(*len);
            if skip >= len {
                skip -= len;
                continue;
            }
            let count = (len - skip).min((data.len() - done) as u64) as usize;
            let Some(part) = data.get(done..done + count) else {
                break;
            };
            dma.write(addr.wrapping_add(skip), part)?;
            done += count;
            skip = 0;
        }
        Ok(done)
    }

    /// Bytes that the device may read.
    pub fn readable_len(&self) -> u64 {
        self.readable.iter().map(|(_, len)| u64::from(*len)).sum()
    }

    /// Bytes that it may write.
    pub fn writable_len(&self) -> u64 {
        self.writable.iter().map(|(_, len)| u64::from(*len)).sum()
    }
}
