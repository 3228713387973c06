//! Code pages: which guest pages hold translated code, and what a host fault at a guest address means.
//!
//! A page with translations is read-only on the host, so that a write to it is noticed; so are its twins, other
//! mappings of the same backing page, since a JIT may write through one and run through another.

use crate::pageflags::{CODE, EXEC, MAPPED, READ, WRITE};
use crate::space::{AddressSpace, Inner};
use tcg_mem::{Access, FaultKind, GuestVa, HostProt, MemFault, PAGE};
use tcg_target::{CodeMemory, WriteFault};

fn page_of(va: u64) -> u64 {
    va & !(PAGE - 1)
}

impl AddressSpace {
    /// Why an access fails, by the guest's map. An access that the map allows failed for lack of memory behind it.
    pub fn fault_kind(&self, va: GuestVa, access: Access) -> FaultKind {
        let flags = self.flags.get(va.0);
        let need = match access {
            Access::Read => READ,
            Access::Write => WRITE,
            Access::Exec => EXEC,
        };
        match flags {
            f if f & MAPPED == 0 => FaultKind::Unmapped,
            f if f & need == 0 => FaultKind::Protection,
            _ => FaultKind::Bus,
        }
    }

    /// The host is about to write here for the guest (a system call's result): gives up translations of these pages.
    pub fn prepare_write(&self, va: GuestVa, len: u64) {
        let end = va.0.saturating_add(len);
        if !self.flags.any(page_of(va.0), end, CODE) {
            return;
        }
        let mut page = page_of(va.0);
        while page < end {
            if self.flags.get(page) & CODE != 0 {
                match self.code_user() {
                    Some(user) => user.release(GuestVa(page)),
                    None => self.release_code(GuestVa(page), &mut |_, _| {}),
                }
            }
            page += PAGE;
        }
    }

    fn release_one(&self, page: u64) {
        let old = self.flags.change(page, 0, CODE);
        if old & CODE != 0 && old & WRITE != 0 {
            // The host cannot refuse what it had granted before, short of running out of mappings; then the
            // access faults again and is reported.
            let _ = self.mem.protect(GuestVa(page), PAGE, HostProt::ReadWrite);
        }
    }

    fn protect_page(&self, inner: &Inner, page: u64) -> bool {
        self.flags.get(page) & CODE != 0
            || Self::twins(inner, page)
                .into_iter()
                .all(|twin| self.protect_one(twin))
                && self.protect_one(page)
    }

    /// The flag comes last: who sees it may rely on the protection without taking the lock.
    fn protect_one(&self, page: u64) -> bool {
        let old = self.flags.get(page);
        let safe = old & CODE != 0
            || old & WRITE == 0
            || self
                .mem
                .protect(GuestVa(page), PAGE, HostProt::Read)
                .is_ok();
        if safe {
            self.flags.change(page, CODE, 0);
        }
        safe
    }
}

impl CodeMemory for AddressSpace {
    fn fetch(&self, va: GuestVa, buf: &mut [u8]) -> Result<usize, MemFault> {
        let fault = |kind| MemFault {
            va,
            access: Access::Exec,
            kind,
        };
        let mut have = 0usize;
        while have < buf.len() {
            let at = va.0.wrapping_add(have as u64);
            if self.flags.get(at) & (MAPPED | EXEC) != MAPPED | EXEC {
                break;
            }
            let room = (PAGE - at % PAGE).min((buf.len() - have) as u64) as usize;
            let Some(part) = buf.get_mut(have..have + room) else {
                break;
            };
            if self.mem.read(GuestVa(at), part).is_err() {
                break;
            }
            have += room;
        }
        if have > 0 {
            Ok(have)
        } else {
            Err(fault(self.fault_kind(va, Access::Exec)))
        }
    }

    fn protect_code(&self, va: GuestVa, len: u64) -> bool {
        // Most translations are of pages that are known already; these need no lock.
        let (first, last) = (page_of(va.0), page_of(va.0.saturating_add(len.max(1) - 1)));
        if self.flags.all(first, last + 1, CODE) {
            return true;
        }
        let inner = self.lock();
        (first..=last)
            .step_by(PAGE as usize)
            .all(|page| self.protect_page(&inner, page))
    }

    fn is_lasting(&self, va: GuestVa) -> bool {
        let inner = self.lock();
        let vma = inner.map.find(va.0);
        vma.is_some_and(|(_, v)| v.file.is_some() && !v.shared && !v.prot.writable())
    }

    fn classify(&self, va: GuestVa, access: Access) -> WriteFault {
        let fault = |kind| WriteFault::Fault(MemFault { va, access, kind });
        if access == Access::Write && self.flags.get(va.0) & WRITE != 0 {
            // Who is changing the page's protection has finished once the lock is ours.
            let _held = self.lock();
            let (flags, page) = (self.flags.get(va.0), GuestVa(page_of(va.0)));
            if flags & WRITE != 0 && flags & CODE != 0 {
                return WriteFault::Code(page);
            }
            if flags & WRITE != 0 {
                // Another thread has released the page, unless the host refused that.
                return match self.mem.protect(page, PAGE, HostProt::ReadWrite) {
                    Ok(()) => WriteFault::Retry,
                    Err(_) => fault(FaultKind::Bus),
                };
            }
        }
        match self.fault_kind(va, access) {
            FaultKind::Unmapped if self.grow_down(va.0) => WriteFault::Retry,
            kind => fault(kind),
        }
    }

    fn release_code(&self, page: GuestVa, stale: &mut dyn FnMut(GuestVa, u64)) {
        let inner = self.lock();
        let mut pages = Self::twins(&inner, page.0);
        pages.push(page.0);
        pages.iter().for_each(|p| stale(GuestVa(*p), PAGE));
        pages.iter().for_each(|p| self.release_one(*p));
    }
}
