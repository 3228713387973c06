//! Code pages: which guest pages hold translated code, and what a host fault at a guest address means.
//!
//! A page with translations is read-only on the host, so that a write to it is noticed; so are its twins, other
//! mappings of the same backing page, since a JIT may write through one and run through another.

use crate::pageflags::{CODE, EXEC, MAPPED, READ, WRITE};
use crate::space::{AddressSpace, Inner};
use std::cell::Cell;
use tcg_mem::{Access, FaultKind, GuestVa, HostProt, MemFault, PAGE};
use tcg_target::{CodeMemory, WriteFault};

thread_local! {
    /// The last address whose fault was answered with "try again", and how often.
    static RETRIES: Cell<(u64, u32)> = const { Cell::new((0, 0)) };
}

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
                for p in self.release_code(page) {
                    self.tell_stale(p, PAGE);
                }
            }
            page += PAGE;
        }
    }

    /// Makes a code page and its twins writable again; gives all of them.
    fn release_code(&self, page: u64) -> Vec<u64> {
        let inner = self.lock();
        let mut pages = Self::twins(&inner, page);
        pages.push(page);
        for &p in &pages {
            self.release_one(p);
        }
        pages
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
        let old = self.flags.change(page, CODE, 0);
        if old & CODE != 0 {
            return old & WRITE != 0;
        }
        for twin in Self::twins(inner, page) {
            self.protect_one(twin);
        }
        old & WRITE != 0
            && self
                .mem
                .protect(GuestVa(page), PAGE, HostProt::Read)
                .is_ok()
    }

    fn protect_one(&self, page: u64) {
        let old = self.flags.change(page, CODE, 0);
        if old & CODE == 0 && old & WRITE != 0 {
            let _ = self.mem.protect(GuestVa(page), PAGE, HostProt::Read);
        }
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
            return self.flags.any(first, last + 1, WRITE);
        }
        let inner = self.lock();
        let mut any = false;
        let mut page = first;
        while page <= last {
            any |= self.protect_page(&inner, page);
            page += PAGE;
        }
        any
    }

    fn classify(&self, va: GuestVa, access: Access) -> WriteFault {
        let flags = self.flags.get(va.0);
        if access == Access::Write && flags & WRITE != 0 {
            if flags & CODE != 0 {
                let page = page_of(va.0);
                for p in self.release_code(page) {
                    if p != page {
                        self.tell_stale(p, PAGE);
                    }
                }
                return WriteFault::Code(GuestVa(page), PAGE);
            }
            // Either another thread has just made the page writable, or there is no memory behind it (the end of
            // a file): the same fault again and again is the latter.
            let (last, count) = RETRIES.get();
            if last != va.0 || count < 3 {
                RETRIES.set((va.0, if last == va.0 { count + 1 } else { 1 }));
                return WriteFault::Retry;
            }
            RETRIES.set((0, 0));
        }
        WriteFault::Fault(MemFault {
            va,
            access,
            kind: self.fault_kind(va, access),
        })
    }
}
