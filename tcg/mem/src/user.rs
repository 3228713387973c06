//! The memory of a user-mode guest: a window of host addresses, and checked access to it.
//!
//! A 32-bit guest's window is 4 GiB with guard pages around it; generated code addresses it through the gs base. A
//! 64-bit guest shares the host's address space: guest address = host address. The emulator's own memory lies there,
//! too, so only what the guest's map has is the guest's, and new memory is claimed without replacing anything.
//! Access never makes a Rust reference into guest memory: other threads and the guest's kernel view may change it
//! at any time.

use crate::hostmap::RESERVE;
use crate::uaccess::{self, Checked};
use crate::{Access, FaultKind, GuestVa, MemFault, PAGE};
use std::sync::atomic::AtomicU8;
use std::{fmt, io};

/// Byte order of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endian {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// The host could not give the guest its address space.
#[derive(Debug)]
pub struct ReserveError {
    bytes: u64,
    cause: io::Error,
}

impl fmt::Display for ReserveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.bytes >> 20;
        write!(
            f,
            "cannot reserve {mib} MiB of address space for the guest: {} (see `ulimit -v`)",
            self.cause
        )
    }
}

impl std::error::Error for ReserveError {}

/// The guest's memory window. A plain handle: the window itself lives as long as the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserMem {
    base: usize,
    limit: u64,
}

/// Below and above the window: unaligned accesses at the top and negative offsets at the bottom end here.
const GUARD: u64 = 64 * 1024;

impl UserMem {
    /// Reserves the window of a 32-bit guest: 4 GiB.
    pub fn reserve_32() -> Result<UserMem, ReserveError> {
        Self::reserve(1 << 32)
    }

    /// The same with guest address 0 at this host address, if that is free.
    pub fn reserve_32_at(base: u64) -> Result<UserMem, ReserveError> {
        let bytes = (1 << 32) + 2 * GUARD;
        let error = |cause| ReserveError { bytes, cause };
        let at = base
            .checked_sub(GUARD)
            .filter(|at| at.is_multiple_of(PAGE) && *at >= GUARD);
        let at = at.ok_or_else(|| error(io::Error::from_raw_os_error(libc::EINVAL)))?;
        // SAFETY: MAP_FIXED_NOREPLACE changes nothing that exists.
        let got = unsafe {
            libc::mmap(
                at as *mut libc::c_void,
                bytes as usize,
                libc::PROT_NONE,
                RESERVE | libc::MAP_FIXED_NOREPLACE,
                -1,
                0,
            )
        };
        if got == libc::MAP_FAILED {
            return Err(error(io::Error::last_os_error()));
        }
        Ok(UserMem {
            base: base as usize,
            limit: 1 << 32,
        })
    }

    /// The memory of a 64-bit guest: the user half of the host's address space, where every guest address is the host
    /// address. Nothing is reserved; see [`UserMem::is_identity`].
    pub fn identity() -> UserMem {
        UserMem {
            base: 0,
            limit: (1 << 47) - PAGE,
        }
    }

    /// Whether the guest's addresses are the host's. Then the emulator's own memory is inside the window: [`UserMem::unmap`]
    /// gives memory back to the host, and free places are mapped with MAP_FIXED_NOREPLACE or [`UserMem::claim`].
    pub fn is_identity(&self) -> bool {
        self.base == 0
    }

    /// Reserves a window of `limit` bytes (a multiple of the page size) and its guards.
    pub fn reserve(limit: u64) -> Result<UserMem, ReserveError> {
        let bytes = limit + 2 * GUARD;
        // SAFETY: a new mapping at a place that the host chooses.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes as usize,
                libc::PROT_NONE,
                RESERVE,
                -1,
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(ReserveError {
                bytes,
                cause: io::Error::last_os_error(),
            });
        }
        Ok(UserMem {
            base: at as usize + GUARD as usize,
            limit,
        })
    }

    /// The host address of guest address 0 (the gs base of generated code).
    pub fn base(&self) -> usize {
        self.base
    }

    /// The first guest address behind the window.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// The host address of `va`, for the host kernel, when all of `len` bytes are inside the window.
    pub fn host(&self, va: GuestVa, len: u64) -> Option<usize> {
        let end = va.0.checked_add(len)?;
        (end <= self.limit).then(|| self.base + va.0 as usize)
    }

    /// The guest address of a host address inside the window. Async-signal-safe.
    pub fn guest(&self, host: usize) -> Option<GuestVa> {
        let off = host.checked_sub(self.base)? as u64;
        (off < self.limit).then_some(GuestVa(off))
    }

    fn at(&self, va: GuestVa, len: u64, access: Access) -> Result<usize, MemFault> {
        self.host(va, len).ok_or(MemFault {
            va,
            access,
            kind: FaultKind::Unmapped,
        })
    }

    /// Copies guest memory out. The fault names the first byte that could not be read.
    pub fn read(&self, va: GuestVa, out: &mut [u8]) -> Result<(), MemFault> {
        let at = self.at(va, out.len() as u64, Access::Read)?;
        // SAFETY: the destination is a live slice; the source is in the window and faults are recovered.
        let left = unsafe { uaccess::emu_uaccess_copy(out.as_mut_ptr() as usize, at, out.len()) };
        self.done(va, out.len() - left, left, Access::Read)
    }

    /// Copies into guest memory. The fault names the first byte that could not be written.
    pub fn write(&self, va: GuestVa, data: &[u8]) -> Result<(), MemFault> {
        let at = self.at(va, data.len() as u64, Access::Write)?;
        // SAFETY: the source is a live slice; the destination is in the window and faults are recovered.
        let left = unsafe { uaccess::emu_uaccess_copy(at, data.as_ptr() as usize, data.len()) };
        self.done(va, data.len() - left, left, Access::Write)
    }

    /// Fills guest memory with one byte.
    pub fn fill(&self, va: GuestVa, byte: u8, len: u64) -> Result<(), MemFault> {
        let at = self.at(va, len, Access::Write)?;
        // SAFETY: the destination is in the window and faults are recovered.
        let left = unsafe { uaccess::emu_uaccess_fill(at, byte.into(), len as usize) };
        self.done(va, len as usize - left, left, Access::Write)
    }

    fn done(
        &self,
        va: GuestVa,
        copied: usize,
        left: usize,
        access: Access,
    ) -> Result<(), MemFault> {
        if left == 0 {
            return Ok(());
        }
        Err(MemFault {
            va: GuestVa(va.0 + copied as u64),
            access,
            kind: FaultKind::Unmapped,
        })
    }

    /// Copies as much as is readable; returns the count (0 when nothing is).
    pub fn read_some(&self, va: GuestVa, out: &mut [u8]) -> usize {
        let room = self.limit.saturating_sub(va.0).min(out.len() as u64) as usize;
        let Some(part) = out.get_mut(..room) else {
            return 0;
        };
        match self.read(va, part) {
            Ok(()) => room,
            Err(fault) => (fault.va.0 - va.0) as usize,
        }
    }

    /// A NUL-terminated string of at most `max` bytes, without the NUL. `Ok(None)`: longer than that.
    pub fn read_cstr(&self, va: GuestVa, max: usize) -> Result<Option<Vec<u8>>, MemFault> {
        let mut out = Vec::new();
        let mut chunk = [0u8; 256];
        let mut at = va;
        while out.len() < max {
            // Never across a page border in one step, so that a string that ends before one needs no next page.
            let room = (PAGE - at.0 % PAGE).min(chunk.len() as u64) as usize;
            let Some(part) = chunk.get_mut(..room) else {
                break;
            };
            self.read(at, part)?;
            if let Some(end) = part.iter().position(|&b| b == 0) {
                out.extend_from_slice(part.get(..end).unwrap_or_default());
                return Ok((out.len() < max).then_some(out));
            }
            out.extend_from_slice(part);
            at = GuestVa(at.0 + room as u64);
        }
        Ok(None)
    }

    fn checked(va: GuestVa, access: Access, c: Checked) -> Result<u64, MemFault> {
        if c.failed == 0 {
            Ok(c.value)
        } else {
            Err(MemFault {
                va,
                access,
                kind: FaultKind::Unmapped,
            })
        }
    }

    /// Loads `size` (1, 2, 4, 8) bytes in the given order; aligned loads are single accesses.
    pub fn load(&self, va: GuestVa, size: u32, order: Endian) -> Result<u64, MemFault> {
        let at = self.at(va, size.into(), Access::Read)?;
        // SAFETY: inside the window (or its guard); faults are recovered.
        let raw = Self::checked(va, Access::Read, unsafe {
            match size {
                1 => uaccess::emu_uaccess_ld1(at),
                2 => uaccess::emu_uaccess_ld2(at),
                4 => uaccess::emu_uaccess_ld4(at),
                _ => uaccess::emu_uaccess_ld8(at),
            }
        })?;
        Ok(swap(raw, size, order))
    }

    /// Stores the low `size` (1, 2, 4, 8) bytes in the given order; aligned stores are single accesses.
    pub fn store(&self, va: GuestVa, size: u32, order: Endian, value: u64) -> Result<(), MemFault> {
        let at = self.at(va, size.into(), Access::Write)?;
        let raw = swap(value, size, order);
        // SAFETY: inside the window (or its guard); faults are recovered.
        Self::checked(va, Access::Write, unsafe {
            match size {
                1 => uaccess::emu_uaccess_st1(at, raw),
                2 => uaccess::emu_uaccess_st2(at, raw),
                4 => uaccess::emu_uaccess_st4(at, raw),
                _ => uaccess::emu_uaccess_st8(at, raw),
            }
        })?;
        Ok(())
    }

    /// Loads a byte.
    pub fn load_u8(&self, va: GuestVa) -> Result<u8, MemFault> {
        Ok(self.load(va, 1, Endian::Little)? as u8)
    }

    /// Loads 16 bits.
    pub fn load_u16(&self, va: GuestVa, order: Endian) -> Result<u16, MemFault> {
        Ok(self.load(va, 2, order)? as u16)
    }

    /// Loads 32 bits.
    pub fn load_u32(&self, va: GuestVa, order: Endian) -> Result<u32, MemFault> {
        Ok(self.load(va, 4, order)? as u32)
    }

    /// Loads 64 bits.
    pub fn load_u64(&self, va: GuestVa, order: Endian) -> Result<u64, MemFault> {
        self.load(va, 8, order)
    }

    /// Stores 32 bits.
    pub fn store_u32(&self, va: GuestVa, order: Endian, value: u32) -> Result<(), MemFault> {
        self.store(va, 4, order, value.into())
    }

    /// Stores 64 bits.
    pub fn store_u64(&self, va: GuestVa, order: Endian, value: u64) -> Result<(), MemFault> {
        self.store(va, 8, order, value)
    }

    /// Atomic compare-and-swap of 32 bits; returns what was there (the swap happened if that is `old`).
    pub fn cas_u32(&self, va: GuestVa, order: Endian, old: u32, new: u32) -> Result<u32, MemFault> {
        let at = self.at(va, 4, Access::Write)?;
        let (old, new) = (swap(old.into(), 4, order), swap(new.into(), 4, order));
        // SAFETY: inside the window; faults are recovered.
        let seen = Self::checked(va, Access::Write, unsafe {
            uaccess::emu_uaccess_cas4(at, old, new)
        })?;
        Ok(swap(seen & 0xffff_ffff, 4, order) as u32)
    }

    /// Atomic compare-and-swap of 64 bits; returns what was there.
    pub fn cas_u64(&self, va: GuestVa, order: Endian, old: u64, new: u64) -> Result<u64, MemFault> {
        let at = self.at(va, 8, Access::Write)?;
        let (old, new) = (swap(old, 8, order), swap(new, 8, order));
        // SAFETY: inside the window; faults are recovered.
        let seen = Self::checked(va, Access::Write, unsafe {
            uaccess::emu_uaccess_cas8(at, old, new)
        })?;
        Ok(swap(seen, 8, order))
    }
}

/// A table of zero bytes whose memory the host supplies as it is touched.
pub fn lazy_bytes(len: usize) -> Box<[AtomicU8]> {
    // SAFETY: zero is a valid AtomicU8.
    unsafe { Box::new_zeroed_slice(len).assume_init() }
}

fn swap(value: u64, size: u32, order: Endian) -> u64 {
    match (order, size) {
        (Endian::Little, _) | (_, 1) => value,
        (Endian::Big, 2) => u64::from((value as u16).swap_bytes()),
        (Endian::Big, 4) => u64::from((value as u32).swap_bytes()),
        (Endian::Big, _) => value.swap_bytes(),
    }
}

#[cfg(test)]
mod tests;
