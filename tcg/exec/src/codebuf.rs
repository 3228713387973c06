//! The code buffer: one private mapping that is readable, writable and executable, filled from the bottom.
//!
//! Memory is populated in steps just ahead of the fill level, because a first touch page by page costs a fault
//! each. Everything lies within reach of a rel32. Behind the code are counters that it counts its runs with: away from
//! it, because a store next to code that is running is taken for self-modifying code by the host.

use std::io;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Blocks start at multiples of this.
pub(crate) const ALIGN: usize = 16;
/// Smallest and largest step of population.
const STEP_MIN: usize = 64 << 10;
const STEP_MAX: usize = 256 << 10;

/// The mapping and its fill level. Allocation happens under the engine's lock.
pub(crate) struct CodeBuffer {
    base: usize,
    size: usize,
    used: AtomicUsize,
    populated: AtomicUsize,
    /// Counters in use.
    counters: AtomicUsize,
}

/// Bytes of code for each byte of counters.
const CODE_PER_COUNTER: usize = 64;

impl CodeBuffer {
    /// Reserves `size` bytes (rounded up to pages).
    pub(crate) fn new(size: usize) -> io::Result<CodeBuffer> {
        let size = size.next_multiple_of(4096);
        let prot = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let all = size + Self::counter_bytes(size);
        // SAFETY: a new mapping at a place of the kernel's choice.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), all, prot, flags, -1, 0) };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(CodeBuffer {
            base: at as usize,
            size,
            used: AtomicUsize::new(0),
            populated: AtomicUsize::new(0),
            counters: AtomicUsize::new(0),
        })
    }

    fn counter_bytes(size: usize) -> usize {
        (size / CODE_PER_COUNTER).next_multiple_of(4096)
    }

    /// A new counter (caller holds the engine's lock), or `None` if there is none left.
    pub(crate) fn counter(&self, value: i32) -> Option<RunCounter> {
        let n = self.counters.load(Ordering::Relaxed);
        if (n + 1) * 4 > Self::counter_bytes(self.size) {
            return None;
        }
        self.counters.store(n + 1, Ordering::Relaxed);
        let counter = RunCounter(self.end() + n * 4);
        counter.cell().store(value, Ordering::Relaxed);
        Some(counter)
    }

    /// Host address of the first byte.
    pub(crate) fn base(&self) -> usize {
        self.base
    }

    /// First host address behind the buffer.
    pub(crate) fn end(&self) -> usize {
        self.base + self.size
    }

    /// Bytes in use.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Copies code into the buffer (caller holds the engine's lock); its address, or `None` if it is full.
    pub(crate) fn append(&self, code: &[u8]) -> Option<usize> {
        self.append_at(ALIGN, [code, &[], &[]])
    }

    /// The same of three parts at a multiple of `align`, which is one of [`ALIGN`].
    pub(crate) fn append_at(&self, align: usize, parts: [&[u8]; 3]) -> Option<usize> {
        let at = self.used().next_multiple_of(align);
        let len = parts.iter().map(|p| p.len()).sum();
        let end = at.checked_add(len).filter(|e| *e <= self.size)?;
        if end > self.populated.load(Ordering::Relaxed) {
            self.populate(end);
        }
        // SAFETY: the range is inside the mapping and above the fill level, so nobody else uses it.
        unsafe {
            let mut to = (self.base + at) as *mut u8;
            for part in parts {
                std::ptr::copy_nonoverlapping(part.as_ptr(), to, part.len());
                to = to.add(part.len());
            }
        }
        self.used.store(end, Ordering::Relaxed);
        Some(self.base + at)
    }

    fn populate(&self, end: usize) {
        let from = self.populated.load(Ordering::Relaxed);
        let step = (from / 2).clamp(STEP_MIN, STEP_MAX);
        let to = (end + step).next_multiple_of(STEP_MIN).min(self.size);
        // Failure (an old kernel) only costs page faults later.
        // SAFETY: the range is inside our mapping, and populating does not change contents.
        unsafe {
            let at = (self.base + from) as *mut libc::c_void;
            libc::madvise(at, to - from, libc::MADV_POPULATE_WRITE);
        }
        self.populated.store(to, Ordering::Relaxed);
    }

    /// Forgets everything above `keep`. No thread may be executing or holding addresses there.
    pub(crate) fn reset(&self, keep: usize) {
        self.used.store(keep, Ordering::Relaxed);
        self.counters.store(0, Ordering::Relaxed);
    }

    /// Whether `len` bytes at `at` are code in use.
    fn holds(&self, at: usize, len: usize) -> bool {
        at >= self.base && at.saturating_add(len) <= self.base + self.used()
    }

    /// Points the rel32 field at host address `site` to `target` with one store.
    pub(crate) fn patch_rel32(&self, site: usize, target: usize) {
        self.poke32(site, target.wrapping_sub(site.wrapping_add(4)) as u32);
    }

    /// Fills in the rel32 field of code that nobody runs yet.
    pub(crate) fn fill_rel32(&self, site: usize, target: usize) {
        assert!(self.holds(site, 4));
        let rel = target.wrapping_sub(site.wrapping_add(4)) as u32;
        // SAFETY: code of ours that has not been published.
        unsafe { (site as *mut u32).write_unaligned(rel) };
    }

    /// Where the rel32 field at `site` points.
    pub(crate) fn rel32_target(&self, site: usize) -> usize {
        (site + 4).wrapping_add_signed(self.peek32(site) as i32 as isize)
    }

    /// An aligned word among the constants of a block.
    pub(crate) fn word(&self, at: usize) -> &AtomicU64 {
        assert!(self.holds(at, 8) && at.is_multiple_of(8), "word {at:#x}");
        // SAFETY: inside the buffer, and used as a word of memory only: generated code reads it, this crate writes it.
        unsafe { AtomicU64::from_ptr(at as *mut u64) }
    }

    /// The 32 bits at a patch site.
    pub(crate) fn peek32(&self, site: usize) -> u32 {
        assert!(self.holds(site, 4));
        // SAFETY: inside the buffer.
        unsafe { (site as *const u32).read_unaligned() }
    }

    /// Stores 32 bits at a patch site, which lies inside one aligned 8-byte word: x86-64 does that atomically, so other
    /// threads execute either the old or the new bits.
    pub(crate) fn poke32(&self, site: usize, value: u32) {
        assert!(self.holds(site, 4) && site & 7 <= 4, "patch site {site:#x}");
        // SAFETY: code of ours. In assembly because the field need not be 4-aligned and the store must be one.
        unsafe {
            std::arch::asm!("mov dword ptr [{at}], {value:e}", at = in(reg) site, value = in(reg) value,
                options(nostack, preserves_flags));
        }
    }

    /// Overwrites the first five bytes of a block's entry by `opcode rel32` (jmp or call), keeping the other
    /// three of the word. The first instruction of a block has at least five bytes, so that no thread is
    /// ever between the old instruction's bytes.
    pub(crate) fn patch_entry(&self, entry: usize, opcode: u8, target: usize) {
        assert!(self.holds(entry, 8) && entry.is_multiple_of(8));
        let rel = target.wrapping_sub(entry.wrapping_add(5)) as u32;
        // SAFETY: an aligned word of our code.
        let word = unsafe { AtomicU64::from_ptr(entry as *mut u64) };
        let rest = word.load(Ordering::Relaxed) & !0xff_ffff_ffff;
        word.store(
            rest | u64::from(rel) << 8 | u64::from(opcode),
            Ordering::Release,
        );
    }
}

impl Drop for CodeBuffer {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and, as the engine is being dropped, no virtual CPU is left to run in it.
        unsafe {
            let all = self.size + Self::counter_bytes(self.size);
            libc::munmap(self.base as *mut libc::c_void, all);
        }
    }
}

/// Counts down what runs of a block are left; generated code does, too. Counts of threads that race may be lost.
#[derive(Clone, Copy)]
pub(crate) struct RunCounter(usize);

impl RunCounter {
    fn cell(&self) -> &AtomicI32 {
        // SAFETY: an aligned word of the code buffer's mapping, which lives as long as all blocks; only ever used as
        // an integer.
        unsafe { AtomicI32::from_ptr(self.0 as *mut i32) }
    }

    /// Its host address.
    pub(crate) fn address(self) -> usize {
        self.0
    }

    /// Takes off `n` runs; true if none are left.
    pub(crate) fn take(self, n: i32) -> bool {
        let left = self.cell().load(Ordering::Relaxed).saturating_sub(n);
        self.cell().store(left, Ordering::Relaxed);
        left < 0
    }
}

/// Host code address to block, readable from a signal handler: block pointers in address order. Blocks are
/// allocated upwards, so appending keeps the order. For each piece of the code buffer, the first block that starts in it
/// is known, from where a search has a few steps only.
pub(crate) struct CodeMap {
    base: usize,
    blocks: Zeroed,
    capacity: usize,
    /// One more than the number of the first block in each piece; 0 if none starts there.
    firsts: Zeroed,
    pieces: usize,
    len: AtomicU32,
}

/// Bytes of a piece: a few blocks.
const PIECE: usize = 512;

impl CodeMap {
    /// Room for one block per 64 bytes of code at `base`; pages that are never reached cost nothing.
    pub(crate) fn new(base: usize, code_bytes: usize) -> io::Result<CodeMap> {
        let (capacity, pieces) = (code_bytes / 64 + 64, code_bytes.div_ceil(PIECE));
        Ok(CodeMap {
            base,
            blocks: Zeroed::new(capacity * 8)?,
            capacity,
            firsts: Zeroed::new(pieces * 4)?,
            pieces,
            len: AtomicU32::new(0),
        })
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len.load(Ordering::Relaxed) as usize == self.capacity
    }

    fn slot(&self, i: usize) -> &AtomicUsize {
        debug_assert!(i < self.capacity);
        // SAFETY: inside the mapping, which lives as long as self; zeroed memory is a valid value.
        unsafe { AtomicUsize::from_ptr((self.blocks.at as *mut usize).add(i)) }
    }

    fn first(&self, piece: usize) -> &AtomicU32 {
        debug_assert!(piece < self.pieces);
        // SAFETY: as above.
        unsafe { AtomicU32::from_ptr((self.firsts.at as *mut u32).add(piece)) }
    }

    /// Appends (under the engine's lock); the block's code starts at `start`, above that of all before.
    pub(crate) fn push<T>(&self, block: *const T, start: usize) {
        let n = self.len.load(Ordering::Relaxed);
        self.slot(n as usize)
            .store(block as usize, Ordering::Relaxed);
        self.len.store(n + 1, Ordering::Release);
        let first = self.first((start - self.base) / PIECE);
        if first.load(Ordering::Relaxed) == 0 {
            first.store(n + 1, Ordering::Release);
        }
    }

    /// The last block whose start (as told by `start`) is at or below `pc`. Async-signal-safe.
    pub(crate) fn find<T>(&self, pc: usize, start: impl Fn(*const T) -> usize) -> Option<*const T> {
        let piece = pc.checked_sub(self.base)? / PIECE;
        let block = |n: u32| self.slot(n as usize).load(Ordering::Relaxed) as *const T;
        // The length first: blocks are in the table of pieces after they count.
        let len = self.len.load(Ordering::Acquire);
        let firsts = (0..=piece.min(self.pieces - 1)).rev();
        let mut found = None;
        for first in firsts.map(|p| self.first(p).load(Ordering::Acquire)) {
            let known = (1..=len).contains(&first);
            if known && start(block(first - 1)) <= pc {
                found = Some(first - 1);
                break;
            }
        }
        let mut n = found?;
        while n + 1 < len && start(block(n + 1)) <= pc {
            n += 1;
        }
        Some(block(n))
    }

    /// Forgets everything (at a safepoint); the code buffer was filled up to `used` bytes.
    pub(crate) fn reset(&self, used: usize) {
        self.len.store(0, Ordering::Release);
        for piece in 0..used.div_ceil(PIECE).min(self.pieces) {
            self.first(piece).store(0, Ordering::Relaxed);
        }
    }
}

/// Memory of zeros whose pages cost nothing before they are written.
struct Zeroed {
    at: usize,
    bytes: usize,
}

impl Zeroed {
    fn new(bytes: usize) -> io::Result<Zeroed> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at a place of the kernel's choice.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), bytes, prot, flags, -1, 0) };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let at = at as usize;
        Ok(Zeroed { at, bytes })
    }
}

impl Drop for Zeroed {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours.
        unsafe { libc::munmap(self.at as *mut libc::c_void, self.bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn append_when_full_refuses() {
        let b = CodeBuffer::new(4096).unwrap();
        assert!(b.append(&[0x90; 4000]).is_some());
        assert!(b.append(&[0x90; 100]).is_none());
        b.reset(0);
        assert_eq!(b.append(&[0x90; 10]), Some(b.base()));
        assert_eq!(b.append(&[0x90; 10]), Some(b.base() + 16));
    }

    #[test]
    fn entry_patch_keeps_the_other_bytes() {
        let b = CodeBuffer::new(4096).unwrap();
        let at = b.append(&[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
        b.patch_entry(at, 0xe9, at + 5 + 0x1234);
        // SAFETY: reads the eight bytes just written.
        let bytes = unsafe { *(at as *const [u8; 8]) };
        assert_eq!(bytes, [0xe9, 0x34, 0x12, 0, 0, 6, 7, 8]);
    }

    #[test]
    fn code_map_finds_the_block_around_an_address() {
        let base = 1000;
        let m = CodeMap::new(base, 1 << 20).unwrap();
        // Several in a piece, pieces in which none starts, and one in the last.
        let starts = [0, 100, 200, 511, 512, 9000, (1 << 20) - 1].map(|s| base + s);
        // SAFETY: the pointers pushed are to the array above.
        let start = |p: *const usize| unsafe { *p };
        for round in 0..2 {
            assert_eq!(m.find(base + 1, start), None, "{round}");
            starts.iter().for_each(|s| m.push(s, *s));
            assert_eq!(m.find(base - 1, start), None);
            for (n, s) in starts.iter().enumerate() {
                let next = starts.get(n + 1).map_or(usize::MAX, |s| *s);
                assert_eq!(m.find(*s, start), Some(&raw const starts[n]));
                assert_eq!(m.find(next - 1, start), Some(&raw const starts[n]));
            }
            m.reset(1 << 20);
        }
    }
}
