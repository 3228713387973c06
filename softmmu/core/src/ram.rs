//! Memory of the guest: RAM, ROM, video memory. The host's pages behind it stay where they are.
//!
//! Guest memory is shared with running CPUs, so no Rust reference to it ever exists: it is copied
//! in and out through raw pointers, in single loads and stores where that is what a device does.
#![allow(unsafe_code)]

use memmap2::{MmapMut, MmapRaw};
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};
use tcg_mem::PAGE;

const PAGE_BYTES: usize = PAGE as usize;
const ZEROES: [u8; PAGE_BYTES] = [0; PAGE_BYTES];

/// A piece of guest memory, zeroed at first.
pub struct Ram {
    map: MmapRaw,
    len: u64,
}

impl Ram {
    /// `len` bytes, rounded up to whole pages.
    pub fn new(len: u64) -> std::io::Result<Ram> {
        let rounded = len.max(1).next_multiple_of(tcg_mem::PAGE);
        let bytes = usize::try_from(rounded).map_err(std::io::Error::other)?;
        let map = MmapRaw::from(MmapMut::map_anon(bytes)?);
        Ok(Ram { map, len: rounded })
    }

    /// Bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Never: there is at least a page.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The host address of a byte, if it is inside.
    pub fn host(&self, offset: u64) -> Option<usize> {
        (offset < self.len).then(|| self.map.as_ptr() as usize + offset as usize)
    }

    /// A pointer to `len` bytes at `offset` if all of them are inside.
    fn span(&self, offset: u64, len: usize) -> Option<*mut u8> {
        let end = offset.checked_add(len as u64)?;
        // SAFETY: `offset` is at most the length of the mapping.
        (end <= self.len).then(|| unsafe { self.map.as_mut_ptr().add(offset as usize) })
    }

    /// Copies out; false: not all of it is inside.
    pub fn read(&self, offset: u64, buf: &mut [u8]) -> bool {
        let Some(from) = self.span(offset, buf.len()) else {
            return false;
        };
        // SAFETY: both are valid for the length and do not overlap; the guest's memory may change
        // meanwhile, then the copy holds a mixture of bytes, as on a real bus.
        unsafe { std::ptr::copy_nonoverlapping(from, buf.as_mut_ptr(), buf.len()) };
        true
    }

    /// Copies in; false: not all of it is inside, nothing is written.
    pub fn write(&self, offset: u64, data: &[u8]) -> bool {
        let Some(to) = self.span(offset, data.len()) else {
            return false;
        };
        // SAFETY: as in `read`.
        unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), to, data.len()) };
        true
    }

    /// The contents for a snapshot: the length, then the number and the bytes of each page that is not all zero.
    pub fn save(&self) -> Vec<u8> {
        let mut out = self.len.to_le_bytes().to_vec();
        let mut page = [0; PAGE_BYTES];
        for n in 0..self.len / PAGE {
            if self.read(n * PAGE, &mut page) && page != ZEROES {
                out.extend(n.to_le_bytes());
                out.extend(page);
            }
        }
        out
    }

    /// The opposite; false if it was made of memory of another size, or is broken. Nothing has changed then.
    pub fn restore(&self, saved: &[u8]) -> bool {
        let Some((len, mut rest)) = saved.split_first_chunk::<8>() else {
            return false;
        };
        let mut pages = Vec::new();
        while let Some((n, more)) = rest.split_first_chunk::<8>() {
            let n = u64::from_le_bytes(*n);
            let Some((page, more)) = more.split_first_chunk::<PAGE_BYTES>() else {
                return false;
            };
            if n >= self.len / PAGE || pages.last().is_some_and(|(last, _)| *last >= n) {
                return false;
            }
            pages.push((n, page));
            rest = more;
        }
        if u64::from_le_bytes(*len) != self.len || !rest.is_empty() {
            return false;
        }
        let mut pages = pages.into_iter().peekable();
        let mut now = [0; PAGE_BYTES];
        for n in 0..self.len / PAGE {
            let new = pages
                .next_if(|(at, _)| *at == n)
                .map_or(&ZEROES, |(_, p)| p);
            // Pages that are zero on both sides are not touched: they need no memory of the host's.
            if self.read(n * PAGE, &mut now) && now != *new {
                self.write(n * PAGE, new);
            }
        }
        true
    }

    /// Sets bytes.
    pub fn fill(&self, offset: u64, len: u64, byte: u8) -> bool {
        let Some(to) = usize::try_from(len).ok().and_then(|n| self.span(offset, n)) else {
            return false;
        };
        // SAFETY: as in `read`.
        unsafe { std::ptr::write_bytes(to, byte, len as usize) };
        true
    }

    /// All of it is zero again. What was never touched stays without memory of the host's.
    pub fn clear(&self) {
        // SAFETY: the mapping is private and of no file, so its pages read as zeroes behind this; they stay where they are.
        let done = unsafe {
            self.map
                .unchecked_advise(memmap2::UncheckedAdvice::DontNeed)
        };
        if done.is_err() {
            self.fill(0, self.len, 0);
        }
    }

    /// Loads 1, 2, 4 or 8 bytes as a little-endian number, in one access if it is aligned.
    pub fn load(&self, offset: u64, size: u32) -> Option<u64> {
        let at = self.span(offset, size as usize)?;
        let aligned = offset.is_multiple_of(u64::from(size.max(1)));
        // SAFETY: inside of the mapping, aligned as the atomic type needs (the mapping starts at a
        // page), and all concurrent accesses are by atomics or by machine instructions.
        let value = unsafe {
            match size {
                1 => u64::from((*at.cast::<AtomicU8>()).load(Ordering::Relaxed)),
                2 if aligned => u64::from(u16::from_le(
                    (*at.cast::<AtomicU16>()).load(Ordering::Acquire),
                )),
                4 if aligned => u64::from(u32::from_le(
                    (*at.cast::<AtomicU32>()).load(Ordering::Acquire),
                )),
                8 if aligned => u64::from_le((*at.cast::<AtomicU64>()).load(Ordering::Acquire)),
                _ => return self.load_bytes(offset, size),
            }
        };
        Some(value)
    }

    fn load_bytes(&self, offset: u64, size: u32) -> Option<u64> {
        let mut bytes = [0u8; 8];
        let part = bytes.get_mut(..size as usize)?;
        self.read(offset, part).then(|| u64::from_le_bytes(bytes))
    }

    /// Stores the low 1, 2, 4 or 8 bytes of a number in little-endian order, in one access if it
    /// is aligned.
    pub fn store(&self, offset: u64, size: u32, value: u64) -> bool {
        let Some(at) = self.span(offset, size as usize) else {
            return false;
        };
        let aligned = offset.is_multiple_of(u64::from(size.max(1)));
        // SAFETY: as in `load`.
        unsafe {
            match size {
                1 => (*at.cast::<AtomicU8>()).store(value as u8, Ordering::Relaxed),
                2 if aligned => {
                    (*at.cast::<AtomicU16>()).store((value as u16).to_le(), Ordering::Release);
                }
                4 if aligned => {
                    (*at.cast::<AtomicU32>()).store((value as u32).to_le(), Ordering::Release);
                }
                8 if aligned => (*at.cast::<AtomicU64>()).store(value.to_le(), Ordering::Release),
                _ => {
                    let bytes = value.to_le_bytes();
                    return bytes
                        .get(..size as usize)
                        .is_some_and(|part| self.write(offset, part));
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_width_at_every_place() {
        let ram = Ram::new(5000).unwrap();
        assert!(ram.write(4999, &[9, 9]));
        ram.clear();
        assert_eq!(ram.load(4999, 2), Some(0));
        assert_eq!(ram.len(), 8192);
        for size in [1, 2, 4, 8] {
            for offset in [0, 1, 7, 4095, 8192 - u64::from(size)] {
                let value = 0x1122_3344_5566_7788 & (u64::MAX >> (64 - 8 * size));
                assert!(ram.store(offset, size, value));
                assert_eq!(ram.load(offset, size), Some(value));
            }
            assert!(!ram.store(8193 - u64::from(size), size, 0));
            assert_eq!(ram.load(u64::MAX, size), None);
        }
        let mut two = [0; 2];
        assert!(!ram.read(8191, &mut two) && !ram.write(8191, &two));
        assert!(ram.fill(0, 8192, 7) && ram.read(8190, &mut two) && two == [7, 7]);
        assert!(!ram.fill(1, 8192, 7));
    }

    #[test]
    fn contents_come_back_and_broken_ones_change_nothing() {
        let ram = Ram::new(4 * PAGE).unwrap();
        assert!(ram.write(PAGE + 5, b"here") && ram.write(4 * PAGE - 1, b"x"));
        let saved = ram.save();
        assert_eq!(saved.len(), 8 + 2 * (8 + PAGE_BYTES));
        assert!(ram.fill(0, 4 * PAGE, 9));
        let mut text = [0; 4];
        for bad in [
            &saved[..7],
            &saved[..100],
            &[],
            &[saved.as_slice(), &[1]].concat(),
        ] {
            assert!(!ram.restore(bad));
        }
        let other = Ram::new(PAGE).unwrap();
        assert!(!other.restore(&saved));
        assert!(ram.read(PAGE + 5, &mut text) && text == [9; 4]);
        assert!(ram.restore(&saved) && ram.read(PAGE + 5, &mut text) && text == *b"here");
        assert!(ram.read(0, &mut text) && text == [0; 4]);
        assert_eq!(ram.save(), saved);
    }
}
