//! mmap, munmap, mprotect, mremap, madvise, msync, mincore: the semantics of Linux, answered from the guest's map.

use crate::pageflags;
use crate::space::{AddressSpace, Inner, page_up};
use crate::vma::{Prot, Vma};
use crate::{Backing, Errno};
use std::sync::atomic::Ordering;
use tcg_mem::{GuestVa, HostProt, MapSource, PAGE};

/// A mapping that the guest asks for.
#[derive(Clone, Debug)]
pub struct MapRequest {
    /// Address or hint.
    pub addr: u64,
    /// Length in bytes.
    pub len: u64,
    /// Protection.
    pub prot: Prot,
    /// MAP_ flags, the host's numbering.
    pub flags: i32,
    /// Host descriptor, for file mappings, with what is known of the file.
    pub file: Option<(i32, Backing)>,
}

const TYPE_MASK: i32 = 0xf;
/// Flags that are passed on to the host as they are.
const HOST_FLAGS: i32 = libc::MAP_NORESERVE
    | libc::MAP_LOCKED
    | libc::MAP_POPULATE
    | libc::MAP_NONBLOCK
    | libc::MAP_SYNC;
const FIXED: i32 = libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE;

/// How far below a place that the emulator has the next one is tried.
const STEP_ASIDE: u64 = 256 << 20;

impl AddressSpace {
    /// The `mmap` system call.
    pub fn mmap(&self, req: &MapRequest) -> Result<GuestVa, Errno> {
        let shared = match req.flags & TYPE_MASK {
            libc::MAP_PRIVATE => false,
            libc::MAP_SHARED | libc::MAP_SHARED_VALIDATE => true,
            _ => return Err(Errno::EINVAL),
        };
        if req.len == 0 {
            return Err(Errno::EINVAL);
        }
        let len = page_up(req.len)
            .filter(|l| *l <= self.geometry.task_size)
            .ok_or(Errno::ENOMEM)?;
        let offset = req.file.as_ref().map_or(0, |(_, b)| b.offset);
        if !offset.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        if offset
            .checked_add(len)
            .is_none_or(|end| end > i64::MAX as u64)
        {
            return Err(Errno::EOVERFLOW);
        }
        let grows = req.flags & libc::MAP_GROWSDOWN != 0;
        if grows && (shared || req.file.is_some()) {
            return Err(Errno::EINVAL);
        }
        let mut inner = self.lock();
        let mut at = self.place(&inner, req, len)?;
        if req.flags & libc::MAP_FIXED != 0 && inner.sealed(at, at + len) {
            return Err(Errno::EPERM);
        }
        let free: u64 = inner
            .map
            .gaps(at, at + len)
            .iter()
            .map(|(s, e)| e - s)
            .sum();
        if !inner.fits(free) {
            return Err(Errno::ENOMEM);
        }
        let source = match &req.file {
            Some((fd, b)) => MapSource::File {
                fd: *fd,
                offset: b.offset,
            },
            None => MapSource::Anonymous,
        };
        // Private memory never counts against the host's commit limit: so neighbours merge on the host, too, and
        // the guest's own limits are emulated.
        let extra = if shared { 0 } else { libc::MAP_NORESERVE };
        let prot = Self::host_prot(req.prot);
        let extra = req.flags & HOST_FLAGS | extra;
        let made = loop {
            let made = self.host_map(&inner, (at, len), (prot, shared, extra), source);
            match made {
                // The emulator is there.
                Err(Errno::EEXIST) if req.flags & FIXED == 0 => {
                    let below = self.find_free_below(&inner, len, at.saturating_sub(STEP_ASIDE));
                    at = below.ok_or(Errno::ENOMEM)?;
                }
                Err(Errno::EEXIST) if req.flags & libc::MAP_FIXED_NOREPLACE == 0 => {
                    return Err(Errno::ENOMEM);
                }
                made => break made,
            }
        };
        let had_code = self.has_code(&inner, at, at + len);
        if made.is_ok() {
            let file = req.file.as_ref().map(|(_, b)| b.clone());
            let vma = Vma {
                file,
                grows,
                ..Vma::anonymous(at + len, req.prot, shared)
            };
            self.enter(&mut inner, at, vma);
        }
        if had_code {
            self.unlock_stale(inner, &[(at, at + len)]);
        }
        made?;
        Ok(GuestVa(at))
    }

    /// Chooses the address of a new mapping.
    fn place(&self, inner: &Inner, req: &MapRequest, len: u64) -> Result<u64, Errno> {
        let top = self.geometry.task_size;
        let fits = |at: u64| at.checked_add(len).is_some_and(|end| end <= top);
        if req.flags & FIXED != 0 {
            if !req.addr.is_multiple_of(PAGE) {
                return Err(Errno::EINVAL);
            }
            if !fits(req.addr) {
                return Err(Errno::ENOMEM);
            }
            if req.addr < self.geometry.min_addr {
                return Err(Errno::EPERM);
            }
            if req.flags & libc::MAP_FIXED_NOREPLACE != 0
                && !inner.map.is_free(req.addr, req.addr + len)
            {
                return Err(Errno::EEXIST);
            }
            return Ok(req.addr);
        }
        let hint = page_up(req.addr).unwrap_or(0);
        if hint >= self.geometry.min_addr
            && hint != 0
            && fits(hint)
            && inner.map.is_free(hint, hint + len)
        {
            return Ok(hint);
        }
        self.find_free(inner, len).ok_or(Errno::ENOMEM)
    }

    /// Maps host memory for the guest, over what the guest has there and over what nobody has. EEXIST if something of
    /// the emulator's is there; then nothing has changed.
    pub(crate) fn host_map(
        &self,
        inner: &Inner,
        (at, len): (u64, u64),
        (prot, shared, extra): (HostProt, bool, i32),
        source: MapSource,
    ) -> Result<(), Errno> {
        let mut extra = extra;
        if self.mem.is_identity() {
            match inner.map.gaps(at, at + len).as_slice() {
                [gap] if *gap == (at, at + len) => extra |= libc::MAP_FIXED_NOREPLACE,
                gaps => self.claim(gaps)?,
            }
        }
        Ok(self
            .mem
            .map(GuestVa(at), len, prot, shared, extra, source)?)
    }

    /// Takes free ranges from the host, all or none.
    fn claim(&self, gaps: &[(u64, u64)]) -> Result<(), Errno> {
        for (i, &(from, to)) in gaps.iter().enumerate() {
            if let Err(e) = self.mem.claim(GuestVa(from), to - from) {
                for &(from, to) in gaps.get(..i).unwrap_or_default() {
                    self.mem.unmap(GuestVa(from), to - from)?;
                }
                return Err(e.into());
            }
        }
        Ok(())
    }

    /// A free range as the kernel's default layout chooses it: top-down, then bottom-up.
    pub(crate) fn find_free(&self, inner: &Inner, len: u64) -> Option<u64> {
        let low = self.geometry.min_addr.max(PAGE);
        let below = inner.map.gap_below(low, inner.mmap_top, len, PAGE);
        below.or_else(|| {
            inner
                .map
                .gap_above(inner.mmap_top, self.geometry.task_size, len, PAGE)
        })
    }

    /// A free range that ends at or below `top`.
    fn find_free_below(&self, inner: &Inner, len: u64, top: u64) -> Option<u64> {
        let low = self.geometry.min_addr.max(PAGE);
        inner.map.gap_below(low, top, len, PAGE)
    }

    fn check_range(&self, va: GuestVa, len: u64) -> Result<(u64, u64), Errno> {
        if !va.0.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        let len = page_up(len).ok_or(Errno::ENOMEM)?;
        let end =
            va.0.checked_add(len)
                .filter(|e| *e <= self.geometry.task_size)
                .ok_or(Errno::ENOMEM)?;
        Ok((va.0, end))
    }

    /// The `munmap` system call.
    pub fn munmap(&self, va: GuestVa, len: u64) -> Result<(), Errno> {
        let (start, end) = self.check_range(va, len).map_err(|_| Errno::EINVAL)?;
        if start == end {
            return Err(Errno::EINVAL);
        }
        let mut inner = self.lock();
        if inner.sealed(start, end) {
            return Err(Errno::EPERM);
        }
        if self.unmap_locked(&mut inner, start, end)? {
            self.unlock_stale(inner, &[(start, end)]);
        }
        Ok(())
    }

    /// Unmaps a range; whether translations of it have to be given up once the map is not locked any more.
    pub(crate) fn unmap_locked(
        &self,
        inner: &mut Inner,
        start: u64,
        end: u64,
    ) -> Result<bool, Errno> {
        let had_code = self.has_code(inner, start, end);
        if !inner.map.is_free(start, end) {
            for (from, to) in inner.map.runs(start, end) {
                self.mem.unmap(GuestVa(from), to - from)?;
            }
            inner.map.remove(start, end);
            self.flags.fill(start, end, 0);
        }
        Ok(had_code)
    }

    /// The `mprotect` system call (without the PROT_GROWS flags).
    pub fn mprotect(&self, va: GuestVa, len: u64, prot: Prot) -> Result<(), Errno> {
        let (start, end) = self.check_range(va, len)?;
        if start == end {
            return Ok(());
        }
        let mut inner = self.lock();
        if inner.sealed(start, end) {
            return Err(Errno::EPERM);
        }
        let had_code = self.has_code(&inner, start, end);
        let mut at = start;
        let mut result = Ok(());
        for (from, to, vma) in inner.map.parts(start, end) {
            if from != at {
                break;
            }
            if let Err(e) = self.protect_part(&mut inner, from, to, &vma, prot) {
                result = Err(e);
                break;
            }
            at = to;
        }
        if result.is_ok() && at != end {
            result = Err(Errno::ENOMEM);
        }
        if had_code && prot.0 & 4 == 0 {
            self.unlock_stale(inner, &[(start, end)]);
        }
        result
    }

    fn protect_part(
        &self,
        inner: &mut Inner,
        from: u64,
        to: u64,
        vma: &Vma,
        prot: Prot,
    ) -> Result<(), Errno> {
        // Piece by piece: a page with translations is never writable on the host in between.
        let mut guarded = Vec::new();
        if prot.writable() {
            self.flags
                .each(from, to, pageflags::CODE, |page| guarded.push(page));
        }
        let protect = |start: u64, end: u64, prot| {
            if start < end {
                self.mem.protect(GuestVa(start), end - start, prot)?;
            }
            Ok::<(), Errno>(())
        };
        let mut at = from;
        for page in guarded {
            protect(at, page, Self::host_prot(prot))?;
            protect(page, page + PAGE, HostProt::Read)?;
            at = page + PAGE;
        }
        protect(at, to, Self::host_prot(prot))?;
        let value = pageflags::MAPPED | (prot.0 & 7);
        self.flags.set_prot(from, to, value, pageflags::CODE);
        inner.twins_possible |= vma.shared && vma.file.is_some() && prot.writable();
        inner.map.update(from, to, |v| v.prot = prot);
        Ok(())
    }

    /// The `mremap` system call.
    pub fn mremap(
        &self,
        old: GuestVa,
        old_len: u64,
        new_len: u64,
        flags: i32,
        new: GuestVa,
    ) -> Result<GuestVa, Errno> {
        let known = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED | libc::MREMAP_DONTUNMAP;
        let (fixed, may_move) = (
            flags & libc::MREMAP_FIXED != 0,
            flags & libc::MREMAP_MAYMOVE != 0,
        );
        let keep = flags & libc::MREMAP_DONTUNMAP != 0;
        let old_len = page_up(old_len).ok_or(Errno::EINVAL)?;
        let new_len = page_up(new_len).ok_or(Errno::EINVAL)?;
        let bad =
            flags & !known != 0 || ((fixed || keep) && !may_move) || (keep && old_len != new_len);
        if bad || !old.0.is_multiple_of(PAGE) || new_len == 0 || new_len > self.geometry.task_size {
            return Err(Errno::EINVAL);
        }
        if fixed {
            self.check_range(new, new_len).map_err(|_| Errno::EINVAL)?;
            let overlap = new.0 < old.0.saturating_add(old_len) && old.0 < new.0 + new_len;
            if overlap || new.0 < self.geometry.min_addr {
                return Err(Errno::EINVAL);
            }
        }
        let mut inner = self.lock();
        let Some((_, vma)) = inner.map.find(old.0).map(|(s, v)| (s, v.clone())) else {
            return Err(Errno::EFAULT);
        };
        let (src, src_end) = (old.0, old.0.saturating_add(old_len));
        if old_len == 0 && !(vma.shared && may_move) {
            return Err(Errno::EINVAL);
        }
        if inner.sealed(src, src_end) || fixed && inner.sealed(new.0, new.0 + new_len) {
            return Err(Errno::EPERM);
        }
        if !fixed && !keep && old_len != 0 && new_len <= old_len {
            let (from, to) = (src + new_len, src_end);
            if from < to && self.unmap_locked(&mut inner, from, to)? {
                self.unlock_stale(inner, &[(from, to)]);
            }
            return Ok(old);
        }
        if src_end > vma.end {
            return Err(Errno::EFAULT);
        }
        if !inner.fits(new_len.saturating_sub(if keep { 0 } else { old_len })) {
            return Err(Errno::ENOMEM);
        }
        if !fixed
            && !keep
            && old_len != 0
            && src_end == vma.end
            && self.grow_in_place(&mut inner, src, old_len, new_len, &vma)?
        {
            if self.has_code(&inner, src_end, src + new_len) {
                self.unlock_stale(inner, &[(src_end, src + new_len)]);
            }
            return Ok(old);
        }
        if !may_move {
            return Err(Errno::ENOMEM);
        }
        let target = if fixed {
            new.0
        } else {
            self.find_free(&inner, new_len).ok_or(Errno::ENOMEM)?
        };
        let claimed = inner.map.gaps(target, target + new_len);
        self.claim(&claimed).map_err(|_| Errno::ENOMEM)?;
        let moved = self.move_mapping(&mut inner, (src, old_len), (target, new_len), keep);
        if moved.is_err() {
            for (from, to) in claimed {
                self.mem.unmap(GuestVa(from), to - from)?;
            }
        }
        if moved? {
            let ranges = [(src, src_end), (target, target + new_len)];
            self.unlock_stale(inner, &ranges);
        }
        Ok(GuestVa(target))
    }

    /// Extends a mapping behind its end if there is room.
    fn grow_in_place(
        &self,
        inner: &mut Inner,
        src: u64,
        old_len: u64,
        new_len: u64,
        vma: &Vma,
    ) -> Result<bool, Errno> {
        let (from, Some(to)) = (src + old_len, src.checked_add(new_len)) else {
            return Ok(false);
        };
        if to > self.geometry.task_size || !inner.map.is_free(from, to) {
            return Ok(false);
        }
        if vma.file.is_none() && !vma.shared {
            let how = (Self::host_prot(vma.prot), false, libc::MAP_NORESERVE);
            let range = (from, to - from);
            if self
                .host_map(inner, range, how, MapSource::Anonymous)
                .is_err()
            {
                return Ok(false);
            }
            self.enter(
                inner,
                from,
                Vma {
                    end: to,
                    ..vma.clone()
                },
            );
            return Ok(true);
        }
        // The host keeps what is behind the mapping reserved, so the memory moves away and back in its new length.
        let Some(room) = self.find_free(inner, new_len) else {
            return Ok(false);
        };
        if self.claim(&[(room, room + new_len), (from, to)]).is_err() {
            return Ok(false);
        }
        self.mem
            .remap(GuestVa(src), old_len, GuestVa(room), new_len, 0)?;
        self.mem
            .remap(GuestVa(room), new_len, GuestVa(src), new_len, 0)?;
        let mut grown = inner
            .map
            .find(src)
            .map_or(vma.clone(), |(s, v)| advance(v, src - s));
        grown.end = to;
        self.enter(inner, src, grown);
        Ok(true)
    }

    /// Moves a mapping; whether translations of both ranges have to be given up.
    fn move_mapping(
        &self,
        inner: &mut Inner,
        (src, old_len): (u64, u64),
        (dst, new_len): (u64, u64),
        keep: bool,
    ) -> Result<bool, Errno> {
        let mut old_len = old_len;
        let code =
            self.has_code(inner, src, src + old_len) || self.has_code(inner, dst, dst + new_len);
        if old_len > new_len {
            self.unmap_locked(inner, src + new_len, src + old_len)?;
            old_len = new_len;
        }
        let (vma_start, vma) = inner
            .map
            .find(src)
            .map(|(s, v)| (s, v.clone()))
            .ok_or(Errno::EFAULT)?;
        // Pages protected for their translations must move with the guest's own protection.
        self.mem
            .protect(GuestVa(src), old_len.max(PAGE), Self::host_prot(vma.prot))?;
        let extra = if keep { libc::MREMAP_DONTUNMAP } else { 0 };
        let private = vma.file.is_none() && !vma.shared;
        // With other threads the old place must not be free for a moment, so private memory moves as it is and its
        // growth is mapped behind it.
        let apart = private
            && old_len < new_len
            && !self.mem.is_identity()
            && self.threads.load(Ordering::Relaxed);
        let moved_len = if apart { old_len } else { new_len };
        let moved = self
            .mem
            .remap(GuestVa(src), old_len, GuestVa(dst), moved_len, extra);
        if apart && moved.is_ok() {
            let (at, len) = (GuestVa(dst + old_len), new_len - old_len);
            let prot = Self::host_prot(vma.prot);
            let source = MapSource::Anonymous;
            self.mem
                .map(at, len, prot, false, libc::MAP_NORESERVE, source)?;
        }
        match moved {
            Err(e)
                if e.raw_os_error() == Some(libc::EFAULT) && vma.file.is_none() && !vma.shared =>
            {
                // One mapping of the guest's that the host keeps as several.
                self.copy_mapping((src, old_len), (dst, new_len), &vma, keep)?;
            }
            other => other?,
        }
        let mut moved = advance(&vma, src - vma_start);
        moved.end = dst + new_len;
        moved.label = None;
        if old_len > 0 && !keep {
            inner.map.remove(src, src + old_len);
            self.flags.fill(src, src + old_len, 0);
        }
        self.enter(inner, dst, moved);
        Ok(code)
    }

    /// Moves private anonymous memory by copying it.
    fn copy_mapping(
        &self,
        (src, old_len): (u64, u64),
        (dst, new_len): (u64, u64),
        vma: &Vma,
        keep: bool,
    ) -> Result<(), Errno> {
        self.mem.map(
            GuestVa(dst),
            new_len,
            HostProt::ReadWrite,
            false,
            libc::MAP_NORESERVE,
            MapSource::Anonymous,
        )?;
        self.mem
            .protect(GuestVa(src), old_len, HostProt::ReadWrite)?;
        let mut page = vec![0u8; PAGE as usize];
        for at in (0..old_len).step_by(PAGE as usize) {
            // Both ranges are ours and accessible, so no fault takes the lock that is held here.
            self.mem.read(GuestVa(src + at), &mut page)?;
            if page.iter().any(|&b| b != 0) {
                self.mem.write(GuestVa(dst + at), &page)?;
            }
        }
        self.mem
            .protect(GuestVa(dst), new_len, Self::host_prot(vma.prot))?;
        if !keep {
            return Ok(self.mem.unmap(GuestVa(src), old_len)?);
        }
        Ok(self.mem.map(
            GuestVa(src),
            old_len,
            Self::host_prot(vma.prot),
            false,
            libc::MAP_NORESERVE,
            MapSource::Anonymous,
        )?)
    }

    /// The `madvise` system call.
    pub fn madvise(&self, va: GuestVa, len: u64, advice: i32) -> Result<(), Errno> {
        let (start, end) = self.check_range(va, len).map_err(|_| Errno::EINVAL)?;
        if start == end {
            return Ok(());
        }
        let inner = self.lock();
        let covered = inner.map.is_covered(start, end);
        let parts = inner.map.parts(start, end);
        let sealed = inner.sealed(start, end);
        drop(inner);
        // Discarded pages read as zeroes or as the file again: that is a write as far as translations go.
        let discards = matches!(
            advice,
            libc::MADV_DONTNEED | libc::MADV_FREE | libc::MADV_REMOVE
        );
        for (from, to, vma) in parts {
            if discards {
                // What may not be written may not be discarded either, once it is sealed.
                if sealed && vma.sealed && vma.file.is_none() && !vma.prot.writable() {
                    return Err(Errno::EPERM);
                }
                self.prepare_write(GuestVa(from), to - from);
            }
            if advice == libc::MADV_DONTFORK || advice == libc::MADV_DOFORK {
                self.lock()
                    .map
                    .update(from, to, |v| v.dontfork = advice == libc::MADV_DONTFORK);
            }
            self.mem.advise(GuestVa(from), to - from, advice)?;
        }
        if covered { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    /// The `msync` system call.
    pub fn msync(&self, va: GuestVa, len: u64, flags: i32) -> Result<(), Errno> {
        let known = libc::MS_ASYNC | libc::MS_SYNC | libc::MS_INVALIDATE;
        let both = libc::MS_ASYNC | libc::MS_SYNC;
        if flags & !known != 0 || flags & both == both {
            return Err(Errno::EINVAL);
        }
        let (start, end) = self.check_range(va, len)?;
        let inner = self.lock();
        let covered = inner.map.is_covered(start, end);
        let parts = inner.map.parts(start, end);
        drop(inner);
        for (from, to, _) in parts {
            self.mem.sync(GuestVa(from), to - from, flags)?;
        }
        if covered { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    /// The `mincore` system call: one byte per page.
    pub fn mincore(&self, va: GuestVa, len: u64) -> Result<Vec<u8>, Errno> {
        let (start, end) = self.check_range(va, len)?;
        if start == end {
            return Ok(Vec::new());
        }
        if !self.lock().map.is_covered(start, end) {
            return Err(Errno::ENOMEM);
        }
        Ok(self.mem.resident(GuestVa(start), end - start)?)
    }

    /// Whether every byte of the range is mapped (for mlock, membarrier and the like).
    pub fn is_mapped(&self, va: GuestVa, len: u64) -> bool {
        self.check_range(va, len)
            .is_ok_and(|(s, e)| self.lock().map.is_covered(s, e))
    }

    /// Maps anonymous memory at a fixed place under a bracketed name (vDSO, vectors).
    pub fn map_special(
        &self,
        va: GuestVa,
        len: u64,
        prot: Prot,
        label: &'static str,
    ) -> Result<(), Errno> {
        let len = page_up(len).ok_or(Errno::ENOMEM)?;
        let mut inner = self.lock();
        let how = (HostProt::ReadWrite, false, 0);
        self.host_map(&inner, (va.0, len), how, MapSource::Anonymous)?;
        self.enter(
            &mut inner,
            va.0,
            Vma {
                label: Some(label),
                ..Vma::anonymous(va.0 + len, prot, false)
            },
        );
        Ok(())
    }

    /// Sets the host protection of a special mapping to what its guest protection says, once it has been filled.
    pub fn seal_special(&self, va: GuestVa, len: u64, prot: Prot) -> Result<(), Errno> {
        Ok(self.mem.protect(
            va,
            page_up(len).ok_or(Errno::ENOMEM)?,
            Self::host_prot(prot),
        )?)
    }

    /// A free place of `len` bytes where the next mapping would go.
    pub fn suggest(&self, len: u64) -> Result<GuestVa, Errno> {
        let len = page_up(len).ok_or(Errno::ENOMEM)?;
        self.find_free(&self.lock(), len)
            .map(GuestVa)
            .ok_or(Errno::ENOMEM)
    }
}

fn advance(vma: &Vma, delta: u64) -> Vma {
    let mut v = vma.clone();
    if let Some(f) = &mut v.file {
        f.offset = f.offset.wrapping_add(delta);
    }
    v
}
