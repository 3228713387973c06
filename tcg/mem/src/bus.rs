//! Physical memory as a CPU or a DMA master sees it.
//!
//! The number that [`Bus::read`] and [`Bus::write`] carry is the bytes at the address in little-endian order: the byte at
//! the lowest address is the least significant. A big-endian CPU swaps on its side, a big-endian device on its own.

use crate::PAGE;

/// What answers in one page of physical address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhysPage {
    /// Memory: the host address of the page's first byte, page-aligned and readable while the machine lives. If it is not
    /// `writable` (ROM, flash that is being read) it is read directly, and writes go to [`Bus::write`].
    Ram {
        /// Host address.
        host: usize,
        /// Stores may go there directly.
        writable: bool,
    },
    /// A device, or several, or memory that covers part of the page: every access goes through the bus.
    Io,
    /// Nothing.
    None,
}

/// Nobody answers at a physical address, or whoever does refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusError;

/// The physical address space. Addresses are those of the CPU side; they wrap at the width of `u64`.
pub trait Bus: Send + Sync {
    /// What is in the page at `pa`, a multiple of [`PAGE`]. The answer holds until [`Bus::generation`] changes.
    fn page(&self, pa: u64) -> PhysPage;

    /// Reads `size` (1, 2, 4, 8) bytes, not across a page. Addresses need not be aligned.
    fn read(&self, pa: u64, size: u32) -> Result<u64, BusError>;

    /// Writes the low `size` (1, 2, 4, 8) bytes of `value`, not across a page.
    fn write(&self, pa: u64, size: u32, value: u64) -> Result<(), BusError>;

    /// Changes whenever an answer of [`Bus::page`] would: CPUs then drop what they have cached of it. A thread that
    /// changes the map while CPUs run has to make them look (`CpuHandle::bus_changed`); a change by a CPU's own access is
    /// noticed directly behind it.
    fn generation(&self) -> u64;
}

/// Who is told of writes to memory that a CPU did not make through its own caches (DMA, devices, loaders, debuggers), because
/// it holds translations of code there. Memory is named by its host address, so that it does not matter at which of
/// several physical addresses it was written. To be called after the write.
pub trait RamWatch: Send + Sync {
    /// `len` bytes at host address `host` have been written.
    fn ram_written(&self, host: usize, len: usize);
}

/// The page that an address is in.
pub const fn page_of(pa: u64) -> u64 {
    pa & !(PAGE - 1)
}
