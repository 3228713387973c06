//! Host mappings inside the guest's window: the only place that maps, protects and unmaps guest memory.
//!
//! Every function checks that the range is page-aligned and inside the window, so that no call can touch the
//! emulator's own memory. What is "unmapped" for the guest stays reserved here (PROT_NONE).
//!
//! Where guest and host share one address space ([`UserMem::identity`]), the caller's map tells what is the guest's:
//! only that may be replaced, protected or unmapped, and what is free is claimed without replacing anything.

use crate::{GuestVa, PAGE, UserMem};
use std::io;

/// Host protection of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostProt {
    /// No access.
    None,
    /// Read only (also for guest code: the host never executes guest memory).
    Read,
    /// Read and write.
    ReadWrite,
}

impl HostProt {
    fn bits(self) -> i32 {
        match self {
            HostProt::None => libc::PROT_NONE,
            HostProt::Read => libc::PROT_READ,
            HostProt::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
        }
    }
}

/// What is behind a new mapping.
#[derive(Clone, Copy, Debug)]
pub enum MapSource {
    /// Zeroes.
    Anonymous,
    /// A file's pages from an offset.
    File {
        /// The host descriptor.
        fd: i32,
        /// The offset, a multiple of the page size.
        offset: u64,
    },
}

fn check(rc: i32) -> io::Result<()> {
    if rc == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

impl UserMem {
    fn range(&self, va: GuestVa, len: u64) -> io::Result<(*mut libc::c_void, usize)> {
        let inside = va.0.checked_add(len).is_some_and(|end| end <= self.limit());
        if !inside || !va.0.is_multiple_of(PAGE) || !len.is_multiple_of(PAGE) || len == 0 {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        Ok((
            (self.base() + va.0 as usize) as *mut libc::c_void,
            len as usize,
        ))
    }

    /// Maps `len` bytes at `va`, replacing what was there. `extra` are further host MAP_ flags (MAP_NORESERVE,
    /// MAP_LOCKED, MAP_SYNC, …); MAP_FIXED_NOREPLACE says that the guest has nothing there. When the host refuses, the
    /// range is left as it was or reserved without access.
    pub fn map(
        &self,
        va: GuestVa,
        len: u64,
        prot: HostProt,
        shared: bool,
        extra: i32,
        src: MapSource,
    ) -> io::Result<()> {
        let (at, len) = self.range(va, len)?;
        let (kind, fd, offset) = match src {
            MapSource::Anonymous => (libc::MAP_ANONYMOUS, -1, 0),
            MapSource::File { fd, offset } => (0, fd, offset),
        };
        let share = if shared {
            libc::MAP_SHARED
        } else {
            libc::MAP_PRIVATE
        };
        let free = extra & libc::MAP_FIXED_NOREPLACE != 0 && self.is_identity();
        let place = if free {
            libc::MAP_FIXED_NOREPLACE
        } else {
            libc::MAP_FIXED
        };
        let flags = (extra & !libc::MAP_FIXED_NOREPLACE) | kind | share | place;
        // SAFETY: `range` checked that only the guest's window is replaced, and nobody holds a reference into it.
        let got = unsafe { libc::mmap(at, len, prot.bits(), flags, fd, offset as i64) };
        if got != libc::MAP_FAILED {
            return self.placed(got, at, len);
        }
        let error = io::Error::last_os_error();
        if free {
            return Err(error);
        }
        // A refused MAP_FIXED may already have unmapped the range: claim such a hole before somebody else does.
        // SAFETY: MAP_FIXED_NOREPLACE changes nothing that exists.
        unsafe {
            libc::mmap(
                at,
                len,
                libc::PROT_NONE,
                RESERVE | libc::MAP_FIXED_NOREPLACE,
                -1,
                0,
            );
        }
        Err(error)
    }

    /// Whether a mapping is where it was asked for: kernels before 4.17 take MAP_FIXED_NOREPLACE for a hint.
    fn placed(&self, got: *mut libc::c_void, at: *mut libc::c_void, len: usize) -> io::Result<()> {
        if got == at {
            return Ok(());
        }
        // SAFETY: a mapping that was made a moment ago and that nobody uses.
        unsafe { libc::munmap(got, len) };
        Err(io::Error::from_raw_os_error(libc::EEXIST))
    }

    /// Reserves a free range without access, so that it can be mapped over. EEXIST if something of the emulator's is
    /// there; in a window of its own everything is reserved already.
    pub fn claim(&self, va: GuestVa, len: u64) -> io::Result<()> {
        let (at, len) = self.range(va, len)?;
        if !self.is_identity() {
            return Ok(());
        }
        let flags = RESERVE | libc::MAP_FIXED_NOREPLACE;
        // SAFETY: MAP_FIXED_NOREPLACE changes nothing that exists.
        let got = unsafe { libc::mmap(at, len, libc::PROT_NONE, flags, -1, 0) };
        if got == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        self.placed(got, at, len)
    }

    /// Gives the range back: reserved, without access, its memory freed; where guest and host share the address space,
    /// back to the host.
    pub fn unmap(&self, va: GuestVa, len: u64) -> io::Result<()> {
        let (at, len) = self.range(va, len)?;
        if self.is_identity() {
            // SAFETY: the caller's map says that the range is the guest's, and nobody holds a reference into it.
            return check(unsafe { libc::munmap(at, len) });
        }
        // SAFETY: as in `map`.
        let got = unsafe { libc::mmap(at, len, libc::PROT_NONE, RESERVE | libc::MAP_FIXED, -1, 0) };
        if got == libc::MAP_FAILED {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }

    /// Changes the host protection. Async-signal-safe.
    pub fn protect(&self, va: GuestVa, len: u64, prot: HostProt) -> io::Result<()> {
        let (at, len) = self.range(va, len)?;
        // SAFETY: only the window is changed; accesses to it recover from faults.
        check(unsafe { libc::mprotect(at, len, prot.bits()) })
    }

    /// Moves pages inside the window so that the old place is never free in between: the host would give it to a mapping
    /// of the emulator's that another thread makes. EINVAL where the host cannot (kernels before 5.7, or 5.13).
    fn shift(&self, old: GuestVa, len: u64, new: GuestVa) -> io::Result<()> {
        let (from, _) = self.range(old, len)?;
        let (to, bytes) = self.range(new, len)?;
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED | libc::MREMAP_DONTUNMAP;
        // SAFETY: both ranges are inside the window.
        let got = unsafe { libc::mremap(from, bytes, bytes, flags, to) };
        if got == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        self.unmap(old, len)
    }

    /// Reserves what a move has left free, page by page where somebody was faster; that memory stays the emulator's.
    fn reserve_again(&self, va: GuestVa, len: u64) -> io::Result<()> {
        let flags = RESERVE | libc::MAP_FIXED_NOREPLACE;
        let claim = |va: u64, len: u64| {
            let (at, len) = self.range(GuestVa(va), len)?;
            // SAFETY: MAP_FIXED_NOREPLACE changes nothing that exists.
            let got = unsafe { libc::mmap(at, len, libc::PROT_NONE, flags, -1, 0) };
            match got {
                libc::MAP_FAILED => Err(io::Error::last_os_error()),
                _ => self.placed(got, at, len),
            }
        };
        if claim(va.0, len).is_err() {
            for page in (va.0..va.0 + len).step_by(PAGE as usize) {
                let _ = claim(page, PAGE);
            }
        }
        Ok(())
    }

    /// Moves (or copies, for `old_len` 0) a mapping inside the window; the old place stays reserved.
    pub fn remap(
        &self,
        old: GuestVa,
        old_len: u64,
        new: GuestVa,
        new_len: u64,
        extra: i32,
    ) -> io::Result<()> {
        let (from, _) = self.range(old, old_len.max(PAGE))?;
        let (to, new_len) = self.range(new, new_len)?;
        let plain = extra & libc::MREMAP_DONTUNMAP == 0;
        if plain && !self.is_identity() && old_len == new_len as u64 {
            match self.shift(old, old_len, new) {
                Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {}
                done => return done,
            }
        }
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED | extra;
        // SAFETY: both ranges are inside the window.
        let got = unsafe { libc::mremap(from, old_len as usize, new_len, flags, to) };
        if got == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        if old_len > 0 && plain && !self.is_identity() {
            return self.reserve_again(old, old_len);
        }
        Ok(())
    }

    /// `madvise` on the range.
    pub fn advise(&self, va: GuestVa, len: u64, advice: i32) -> io::Result<()> {
        let (at, len) = self.range(va, len)?;
        // SAFETY: advice changes contents of the window at most.
        check(unsafe { libc::madvise(at, len, advice) })
    }

    /// `msync` on the range.
    pub fn sync(&self, va: GuestVa, len: u64, flags: i32) -> io::Result<()> {
        let (at, len) = self.range(va, len)?;
        // SAFETY: writes back, changes nothing in memory.
        check(unsafe { libc::msync(at, len, flags) })
    }

    /// `mincore`: one byte per page.
    pub fn resident(&self, va: GuestVa, len: u64) -> io::Result<Vec<u8>> {
        let (at, len) = self.range(va, len)?;
        let mut out = vec![0u8; len / PAGE as usize];
        // SAFETY: `out` has one byte for each page.
        check(unsafe { libc::mincore(at, len, out.as_mut_ptr()) })?;
        Ok(out)
    }
}

pub(crate) const RESERVE: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
