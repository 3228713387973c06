//! The address space: the guest's map with the memory, the page flags and the break that go with it.
//!
//! Lock rule: guest memory is never touched with the map locked, because a fault on a code page takes the lock
//! in the signal handler of the faulting thread. The user of the code is told without the lock, too: its own lock
//! comes first.

use crate::pageflags::{self, PageFlags};
use crate::vma::{Prot, Vma, VmaMap};
use crate::{Backing, Errno};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tcg_mem::{GuestVa, HostProt, PAGE, UserMem};
use tcg_target::CodeUser;

/// Where things go in a guest's address space.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    /// First address that user mappings may not reach (TASK_SIZE).
    pub task_size: u64,
    /// Highest address of the main stack.
    pub stack_top: u64,
    /// Where a position-independent program with an interpreter goes.
    pub pie_base: u64,
    /// Lowest address that may be mapped.
    pub min_addr: u64,
}

pub(crate) struct Inner {
    pub(crate) map: VmaMap,
    pub(crate) brk_start: u64,
    pub(crate) brk: u64,
    /// Top of the area for mappings without a fixed address; searched downwards.
    pub(crate) mmap_top: u64,
    pub(crate) stack_low: u64,
    /// RLIMIT_AS in bytes.
    pub(crate) limit_as: u64,
    /// RLIMIT_DATA in bytes.
    pub(crate) limit_data: u64,
    /// RLIMIT_STACK in bytes, for mappings that grow down.
    pub(crate) limit_stack: u64,
    /// A shared file mapping was writable at some time: code pages may have writable twins.
    pub(crate) twins_possible: bool,
    /// Ranges whose translations are being given up, which happens without the lock.
    pub(crate) stale: Vec<(u64, u64)>,
}

/// A mapping as others see it.
#[derive(Clone, Debug)]
pub struct Region {
    /// First address.
    pub start: u64,
    /// First address behind it.
    pub end: u64,
    /// What the guest may do.
    pub prot: Prot,
    /// The file, if any.
    pub file: Option<Backing>,
}

/// A guest's address space.
pub struct AddressSpace {
    pub(crate) mem: UserMem,
    pub(crate) flags: PageFlags,
    pub(crate) geometry: Geometry,
    inner: Mutex<Inner>,
    /// Other threads may be mapping memory of the emulator's at any time.
    pub(crate) threads: AtomicBool,
    code_user: OnceLock<Arc<dyn CodeUser>>,
}

/// Holds the map still, for fork.
pub struct MapLock<'a>(#[allow(dead_code)] MutexGuard<'a, Inner>);

/// Rounds up to whole pages; `None` on overflow.
pub(crate) fn page_up(len: u64) -> Option<u64> {
    len.checked_next_multiple_of(PAGE)
}

impl Geometry {
    /// The layout of a 64-bit guest that shares the host's address space. The whole of it can be mapped at fixed
    /// addresses, apart from what the emulator has; without an address, mappings go below 2^45, where the host's
    /// kernel puts nothing of its own under any setting of address randomisation or `ulimit -s`.
    pub fn wide() -> Geometry {
        Geometry {
            task_size: (1 << 47) - PAGE,
            stack_top: (1 << 45) - PAGE,
            pie_base: 0x1555_5555_4000,
            min_addr: 0x1_0000,
        }
    }
}

impl AddressSpace {
    /// An empty address space in a window. `stack_reserve` bytes below the stack's top are kept for its growth.
    pub fn new(mem: UserMem, geometry: Geometry, stack_reserve: u64) -> AddressSpace {
        let gap_max = geometry.task_size / 6 * 5;
        let gap = stack_reserve
            .saturating_add(1 << 20)
            .clamp(128 << 20, gap_max)
            & !(PAGE - 1);
        let inner = Inner {
            map: VmaMap::default(),
            brk_start: 0,
            brk: 0,
            mmap_top: geometry.stack_top.saturating_sub(gap) & !(PAGE - 1),
            stack_low: geometry.stack_top,
            limit_as: u64::MAX,
            limit_data: u64::MAX,
            limit_stack: stack_reserve,
            twins_possible: false,
            stale: Vec::new(),
        };
        let flags = PageFlags::new(mem.limit());
        AddressSpace {
            mem,
            flags,
            geometry,
            inner: Mutex::new(inner),
            threads: AtomicBool::new(false),
            code_user: OnceLock::new(),
        }
    }

    /// Says who is to be told of stale translations. Only the first call counts.
    pub fn set_code_user(&self, user: Arc<dyn CodeUser>) {
        let _ = self.code_user.set(user);
    }

    pub(crate) fn code_user(&self) -> Option<&Arc<dyn CodeUser>> {
        self.code_user.get()
    }

    /// There is more than one thread from now on.
    pub fn set_threads(&self) {
        self.threads.store(true, Ordering::Relaxed);
    }

    /// The guest's memory.
    pub fn mem(&self) -> UserMem {
        self.mem
    }

    /// Where the search for places of new mappings begins, downwards.
    pub fn mmap_top(&self) -> GuestVa {
        GuestVa(self.lock().mmap_top)
    }

    /// Sets that place.
    pub fn set_mmap_top(&self, top: GuestVa) {
        self.lock().mmap_top = top.0.min(self.geometry.task_size) & !(PAGE - 1);
    }

    /// All mappings in order.
    pub fn regions(&self) -> Vec<Region> {
        let inner = self.lock();
        let each = inner.map.iter().map(|(start, v)| Region {
            start,
            end: v.end,
            prot: v.prot,
            file: v.file.clone(),
        });
        each.collect()
    }

    /// The file that is mapped at an address, and the offset in it.
    pub fn backing_of(&self, va: GuestVa) -> Option<(Arc<str>, u64)> {
        let inner = self.lock();
        let (start, v) = inner.map.find(va.0)?;
        let file = v.file.as_ref()?;
        let within = va.0.checked_sub(start)?;
        Some((Arc::clone(&file.name), file.offset.checked_add(within)?))
    }

    /// The layout.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the map consistent while the process forks; the child's copy is free once the guard is dropped there.
    pub fn hold(&self) -> MapLock<'_> {
        MapLock(self.lock())
    }

    fn tell_stale(&self, start: u64, len: u64) {
        if let Some(user) = self.code_user() {
            user.invalidate(GuestVa(start), len);
        }
    }

    /// Whether translations of the range exist, or of what was there a moment ago.
    pub(crate) fn has_code(&self, inner: &Inner, start: u64, end: u64) -> bool {
        self.flags.any(start, end, pageflags::CODE)
            || inner.stale.iter().any(|&(s, e)| s < end && start < e)
    }

    /// Unlocks the map and has the translations of these ranges given up. Until that has happened, whoever maps something
    /// else there has it done, too: else that would run with the old translations.
    pub(crate) fn unlock_stale(&self, mut inner: MutexGuard<'_, Inner>, ranges: &[(u64, u64)]) {
        inner.stale.extend_from_slice(ranges);
        drop(inner);
        ranges.iter().for_each(|&(s, e)| self.tell_stale(s, e - s));
        let mut inner = self.lock();
        for range in ranges {
            if let Some(at) = inner.stale.iter().position(|r| r == range) {
                inner.stale.swap_remove(at);
            }
        }
    }

    /// In the child of a fork: finishes what other threads had begun, which do not exist there.
    pub fn settle_after_fork(&self) {
        let left = std::mem::take(&mut self.lock().stale);
        left.iter().for_each(|&(s, e)| self.tell_stale(s, e - s));
    }

    /// The host protection of pages with the guest protection `prot`.
    pub(crate) fn host_prot(prot: Prot) -> HostProt {
        match prot.0 {
            0 => HostProt::None,
            p if p & 2 != 0 => HostProt::ReadWrite,
            _ => HostProt::Read,
        }
    }

    /// Enters a mapping that the host has made, and its page flags. Code twins are protected at once.
    pub(crate) fn enter(&self, inner: &mut Inner, start: u64, vma: Vma) {
        let end = vma.end;
        self.flags
            .fill(start, end, pageflags::MAPPED | (vma.prot.0 & 7));
        let twin = vma.shared && vma.prot.writable() && vma.file.is_some();
        inner.twins_possible |= twin;
        let protect = if twin {
            self.code_twins_of(inner, start, &vma)
        } else {
            Vec::new()
        };
        inner.map.insert(start, vma);
        for page in protect {
            self.flags.change(page, pageflags::CODE, 0);
            // A refusal leaves the page writable: then only self-modification through this twin goes unseen.
            let _ = self.mem.protect(GuestVa(page), PAGE, HostProt::Read);
        }
    }

    /// The pages of a new mapping whose backing page is translated somewhere else.
    fn code_twins_of(&self, inner: &Inner, start: u64, vma: &Vma) -> Vec<u64> {
        let Some(file) = &vma.file else {
            return Vec::new();
        };
        let mut out = Vec::new();
        for (other, v) in inner.map.iter() {
            let Some(of) = v
                .file
                .as_ref()
                .filter(|f| f.dev == file.dev && f.ino == file.ino)
            else {
                continue;
            };
            let len = vma.end - start;
            let lo = of.offset.max(file.offset);
            let hi = of
                .offset
                .saturating_add(v.end - other)
                .min(file.offset.saturating_add(len));
            let mut off = lo;
            while off < hi {
                if self.flags.get(other + (off - of.offset)) & pageflags::CODE != 0 {
                    out.push(start + (off - file.offset));
                }
                off += PAGE;
            }
        }
        out
    }

    /// All other places where the page at `va` is mapped, by its backing.
    pub(crate) fn twins(inner: &Inner, va: u64) -> Vec<u64> {
        if !inner.twins_possible {
            return Vec::new();
        }
        let Some((start, v)) = inner.map.find(va) else {
            return Vec::new();
        };
        let Some(file) = &v.file else {
            return Vec::new();
        };
        let want = file.offset.wrapping_add((va & !(PAGE - 1)) - start);
        let same = |f: &Backing| f.dev == file.dev && f.ino == file.ino;
        let hits = inner.map.iter().filter_map(|(s, o)| {
            let delta = want.checked_sub(o.file.as_ref().filter(|f| same(f))?.offset)?;
            (delta < o.end - s).then_some(s + delta)
        });
        hits.filter(|page| *page != va & !(PAGE - 1)).collect()
    }

    /// Text of all mappings in the form of /proc/PID/maps.
    pub fn maps_text(&self) -> String {
        use std::fmt::Write;
        let inner = self.lock();
        let mut out = String::new();
        for (start, v) in inner.map.iter() {
            let bit = |mask: u8, c: char| if v.prot.0 & mask != 0 { c } else { '-' };
            let (dev, ino, off) = v
                .file
                .as_ref()
                .map_or((0, 0, 0), |f| (f.dev, f.ino, f.offset));
            let (major, minor) = (libc::major(dev), libc::minor(dev));
            let name = v.file.as_ref().map(|f| &*f.name).or(v.label).unwrap_or("");
            let mut line = format!(
                "{start:08x}-{:08x} {}{}{}{} {off:08x} {major:02x}:{minor:02x} {ino} ",
                v.end,
                bit(1, 'r'),
                bit(2, 'w'),
                bit(4, 'x'),
                if v.shared { 's' } else { 'p' },
            );
            if !name.is_empty() {
                // The kernel pads names to this column.
                let column = if self.geometry.task_size > 1 << 32 {
                    73
                } else {
                    49
                };
                while line.len() < column {
                    line.push(' ');
                }
                line.push_str(name);
            }
            let _ = writeln!(out, "{line}");
        }
        out
    }

    /// Start and end of the break area, for /proc and tests.
    pub fn brk_range(&self) -> (GuestVa, GuestVa) {
        let inner = self.lock();
        (GuestVa(inner.brk_start), GuestVa(inner.brk))
    }

    /// Puts the (empty) break area at `start`.
    pub fn set_brk_start(&self, start: GuestVa) {
        let mut inner = self.lock();
        let at = page_up(start.0).unwrap_or(start.0);
        (inner.brk_start, inner.brk) = (at, at);
    }

    /// The `brk` system call: moves the break if possible and tells where it is.
    pub fn brk(&self, want: GuestVa) -> GuestVa {
        let mut inner = self.lock();
        let old = inner.brk;
        if want.0 < inner.brk_start
            || want.0 > self.geometry.task_size
            || want.0 - inner.brk_start > inner.limit_data
        {
            return GuestVa(old);
        }
        let (Some(from), Some(to)) = (page_up(old), page_up(want.0)) else {
            return GuestVa(old);
        };
        let mut stale = Vec::new();
        if to < from {
            if inner.sealed(to, from) {
                return GuestVa(old);
            }
            match self.unmap_locked(&mut inner, to, from) {
                Ok(true) => stale.push((to, from)),
                Ok(false) => {}
                Err(_) => return GuestVa(old),
            }
        } else if to > from {
            // The kernel keeps a guard gap towards the next mapping when the break grows.
            let free = inner.map.is_free(from, to.saturating_add(PAGE));
            if !free || !inner.fits(to - from) {
                return GuestVa(old);
            }
            let vma = Vma {
                label: Some("[heap]"),
                ..Vma::anonymous(to, Prot::RW, false)
            };
            let source = tcg_mem::MapSource::Anonymous;
            let how = (HostProt::ReadWrite, false, libc::MAP_NORESERVE);
            let range = (from, to - from);
            if self.host_map(&inner, range, how, source).is_err() {
                return GuestVa(old);
            }
            if self.has_code(&inner, from, to) {
                stale.push((from, to));
            }
            self.enter(&mut inner, from, vma);
        }
        inner.brk = want.0;
        if !stale.is_empty() {
            self.unlock_stale(inner, &stale);
        }
        want
    }

    /// Maps the main stack of `size` bytes; gives its lowest address.
    pub fn map_stack(&self, size: u64) -> Result<GuestVa, Errno> {
        let mut inner = self.lock();
        self.extend_stack(&mut inner, size)?;
        Ok(GuestVa(inner.stack_low))
    }

    /// The stack may become `size` bytes from now on (setrlimit): takes as much as is free.
    pub fn grow_stack(&self, size: u64) {
        let mut inner = self.lock();
        let mut size = size;
        while size > self.geometry.stack_top - inner.stack_low {
            if self.extend_stack(&mut inner, size).is_ok() {
                return;
            }
            size /= 2;
        }
    }

    fn extend_stack(&self, inner: &mut Inner, size: u64) -> Result<(), Errno> {
        let size = page_up(size).ok_or(Errno::ENOMEM)?;
        let top = self.geometry.stack_top;
        let low = top
            .checked_sub(size)
            .filter(|l| *l >= self.geometry.min_addr)
            .ok_or(Errno::ENOMEM)?;
        if low >= inner.stack_low {
            return Ok(());
        }
        if !inner.map.is_free(low, inner.stack_low) {
            return Err(Errno::ENOMEM);
        }
        let prot = inner.map.find(top - PAGE).map_or(Prot::RW, |(_, v)| v.prot);
        let len = inner.stack_low - low;
        let source = tcg_mem::MapSource::Anonymous;
        let how = (HostProt::ReadWrite, false, libc::MAP_NORESERVE);
        self.host_map(inner, (low, len), how, source)?;
        let vma = Vma {
            label: Some("[stack]"),
            ..Vma::anonymous(inner.stack_low, prot, false)
        };
        self.enter(inner, low, vma);
        inner.stack_low = low;
        Ok(())
    }

    /// Sets the emulated RLIMIT_AS and RLIMIT_DATA.
    pub fn set_limits(&self, address_space: u64, data: u64) {
        let mut inner = self.lock();
        (inner.limit_as, inner.limit_data) = (address_space, data);
    }

    /// Sets the emulated RLIMIT_STACK, for mappings that grow down.
    pub fn set_stack_limit(&self, stack: u64) {
        self.lock().limit_stack = stack;
    }

    /// Grows the mapping above `va` down to it, if it is one that grows. [Linux mm/mmap.c expand_downwards]
    pub(crate) fn grow_down(&self, va: u64) -> bool {
        // The kernel's stack_guard_gap: towards other mappings that can be accessed.
        const GUARD: u64 = 256 * PAGE;
        let page = va & !(PAGE - 1);
        let mut inner = self.lock();
        if inner.map.find(va).is_some() {
            // Another thread was faster.
            return true;
        }
        let Some((start, vma)) = inner.map.above(page).map(|(s, v)| (s, v.clone())) else {
            return false;
        };
        let near = |(_, below): (u64, &Vma)| {
            below.prot != Prot::NONE && !below.grows && page < below.end.saturating_add(GUARD)
        };
        let grown = vma.end - page;
        if !vma.grows
            || page < self.geometry.min_addr
            || grown > inner.limit_stack
            || inner.map.below(page).is_some_and(near)
            || !inner.fits(start - page)
        {
            return false;
        }
        let how = (Self::host_prot(vma.prot), false, libc::MAP_NORESERVE);
        let source = tcg_mem::MapSource::Anonymous;
        if self
            .host_map(&inner, (page, start - page), how, source)
            .is_err()
        {
            return false;
        }
        let added = Vma { end: start, ..vma };
        if self.has_code(&inner, page, start) {
            self.enter(&mut inner, page, added);
            self.unlock_stale(inner, &[(page, start)]);
        } else {
            self.enter(&mut inner, page, added);
        }
        true
    }

    /// The `mseal` system call.
    pub fn seal(&self, start: u64, end: u64) -> Result<(), Errno> {
        let mut inner = self.lock();
        if !inner.map.is_covered(start, end) {
            return Err(Errno::ENOMEM);
        }
        inner.map.update(start, end, |v| v.sealed = true);
        Ok(())
    }

    /// Bytes of the main stack.
    pub fn stack_bytes(&self) -> u64 {
        self.geometry.stack_top - self.lock().stack_low
    }

    /// Bytes mapped in all.
    pub fn mapped_bytes(&self) -> u64 {
        self.lock().map.total
    }
}

impl Inner {
    /// Whether some of the range must stay as it is (mseal).
    pub(crate) fn sealed(&self, start: u64, end: u64) -> bool {
        self.map.parts(start, end).iter().any(|(_, _, v)| v.sealed)
    }

    /// Whether `more` bytes keep within RLIMIT_AS.
    pub(crate) fn fits(&self, more: u64) -> bool {
        self.map.total.saturating_add(more) <= self.limit_as
    }
}
