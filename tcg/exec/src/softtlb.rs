//! The soft TLBs of one virtual CPU: what generated code looks at before each access, and behind it a larger table of walks.
//!
//! The first has pages in the host's memory only and is read by generated code. Its owner makes entries; other threads make
//! the tags for stores invalid when translations are made of a page. Both sides hold the lock for that, so that no tag
//! appears for a page that has just become one with translations. The second is the owner's alone.

use crate::lock::Lock;
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use tcg_mem::{Access, PAGE, PhysPage};
use tcg_target::system::MMU_INDEXES;
use tcg_target::{Mapping, TLB_ENTRIES, TLB_INVALID, TlbEntry, tlb_index};

/// What generated code looks at.
pub(crate) struct SoftTlb {
    /// Address of the first entry; the memory is the environment's.
    at: usize,
    lock: Lock<()>,
    /// The MMU indexes that have entries.
    used: AtomicU32,
    /// Another CPU wants everything flushed before this one goes on.
    pub stale: AtomicBool,
}

impl SoftTlb {
    /// Empty TLBs in memory that begins at `at` and lives as long as they do.
    pub(crate) fn new(at: usize) -> SoftTlb {
        let tlb = SoftTlb {
            at,
            lock: Lock::new(()),
            used: AtomicU32::new(0),
            stale: AtomicBool::new(false),
        };
        for mmu in 0..MMU_INDEXES {
            tlb.clear(mmu);
        }
        tlb
    }

    fn entries(&self, mmu: usize) -> &[TlbEntry] {
        debug_assert!(mmu < MMU_INDEXES);
        let first = self.at as *const TlbEntry;
        // SAFETY: the environment has that many entries, which are made of atomics and zeroed at first.
        unsafe { std::slice::from_raw_parts(first.add(mmu * TLB_ENTRIES), TLB_ENTRIES) }
    }

    fn clear(&self, mmu: usize) {
        for e in self.entries(mmu) {
            e.read.store(TLB_INVALID, Ordering::Relaxed);
            e.write.store(TLB_INVALID, Ordering::Relaxed);
        }
    }

    /// Empties everything. By the owner, or while it does not run.
    pub(crate) fn flush(&self) {
        let _alone = self.lock.lock();
        let used = self.used.swap(0, Ordering::Relaxed);
        for mmu in (0..MMU_INDEXES).filter(|m| used >> m & 1 != 0) {
            self.clear(mmu);
        }
    }

    /// Forgets a page. By the owner.
    pub(crate) fn flush_page(&self, page: u64) {
        let used = self.used.load(Ordering::Relaxed);
        for mmu in (0..MMU_INDEXES).filter(|m| used >> m & 1 != 0) {
            let e = &self.entries(mmu)[tlb_index(page)];
            e.read.store(TLB_INVALID, Ordering::Relaxed);
            e.write.store(TLB_INVALID, Ordering::Relaxed);
        }
    }

    /// Forgets the pages whose numbers are that of `va` modulo `sets`, a power of two. By the owner.
    pub(crate) fn flush_set(&self, va: u64, sets: u64) {
        let used = self.used.load(Ordering::Relaxed);
        let sets = (sets.max(1) as usize).min(TLB_ENTRIES);
        for mmu in (0..MMU_INDEXES).filter(|m| used >> m & 1 != 0) {
            let entries = self.entries(mmu).iter();
            for e in entries.skip(tlb_index(va) % sets).step_by(sets) {
                e.read.store(TLB_INVALID, Ordering::Relaxed);
                e.write.store(TLB_INVALID, Ordering::Relaxed);
            }
        }
    }

    /// Enters the page at `page`; `write` is asked under the lock. By the owner.
    pub(crate) fn put(
        &self,
        mmu: u8,
        page: u64,
        host: usize,
        read: bool,
        write: impl FnOnce() -> bool,
    ) {
        let _alone = self.lock.lock();
        self.used.fetch_or(1 << mmu, Ordering::Relaxed);
        let tag = |allowed| if allowed { page } else { TLB_INVALID };
        let e = &self.entries(mmu.into())[tlb_index(page)];
        e.host.store(host as u64, Ordering::Relaxed);
        e.read.store(tag(read), Ordering::Relaxed);
        e.write.store(tag(write()), Ordering::Relaxed);
    }

    /// Stores to the page at a host address have to be noticed from now on. By any thread.
    pub(crate) fn watch_writes(&self, host: usize) {
        let _alone = self.lock.lock();
        let used = self.used.load(Ordering::Relaxed);
        for mmu in (0..MMU_INDEXES).filter(|m| used >> m & 1 != 0) {
            for e in self.entries(mmu) {
                if e.host.load(Ordering::Relaxed) == host as u64 {
                    e.write.store(TLB_INVALID, Ordering::Relaxed);
                }
            }
        }
    }
}

/// A page of the guest's virtual address space, as the last walk found it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walked {
    /// Its address.
    pub page: u64,
    /// Its physical address.
    pub pa: u64,
    /// What is there.
    pub place: PhysPage,
    /// Allowed accesses: bits 0 to 2.
    allowed: u8,
    /// The byte order is the other one.
    pub swap: bool,
    epoch: u32,
}

const EMPTY: Walked = Walked {
    page: 0,
    pa: 0,
    place: PhysPage::None,
    allowed: 0,
    swap: false,
    epoch: 0,
};

fn bit(access: Access) -> u8 {
    match access {
        Access::Read => 1,
        Access::Write => 2,
        Access::Exec => 4,
    }
}

impl Walked {
    /// The page of `va`, by its mapping and what is at its physical address.
    pub(crate) fn new(va: u64, m: &Mapping, place: PhysPage) -> Walked {
        let allowed = u8::from(m.read) | u8::from(m.write) << 1 | u8::from(m.exec) << 2;
        Walked {
            page: va & !(PAGE - 1),
            pa: m.pa & !(PAGE - 1),
            place,
            allowed,
            swap: m.swap,
            epoch: 0,
        }
    }

    /// Whether the page may be accessed so.
    pub(crate) fn allows(&self, access: Access) -> bool {
        self.allowed & bit(access) != 0
    }
}

/// Entries for each MMU index.
const WALKS: usize = 1024;
/// Large pages that are remembered one by one.
const LARGE: usize = 16;

/// The walks that are still good.
pub(crate) struct Walks {
    entries: Box<[Cell<Walked>]>,
    epoch: Cell<u32>,
    /// First and last address of the larger pages since the last flush.
    large: RefCell<Vec<(u64, u64)>>,
}

impl Walks {
    pub(crate) fn new() -> Walks {
        Walks {
            entries: vec![Cell::new(EMPTY); WALKS * MMU_INDEXES].into(),
            epoch: Cell::new(1),
            large: RefCell::default(),
        }
    }

    fn slot(&self, va: u64, mmu: u8) -> &Cell<Walked> {
        let k = usize::from(mmu) % MMU_INDEXES * WALKS + (va >> 12) as usize % WALKS;
        &self.entries[k]
    }

    /// The page of an address, if it is known and allows the access.
    pub(crate) fn get(&self, va: u64, access: Access, mmu: u8) -> Option<Walked> {
        let w = self.slot(va, mmu).get();
        let hit = w.page == va & !(PAGE - 1) && w.epoch == self.epoch.get();
        (hit && w.allows(access)).then_some(w)
    }

    /// Remembers a page.
    pub(crate) fn put(&self, mmu: u8, w: Walked, page_bytes: u64) {
        let epoch = self.epoch.get();
        self.slot(w.page, mmu).set(Walked { epoch, ..w });
        if page_bytes > PAGE {
            let first = w.page & !(page_bytes - 1);
            let new = (first, first | (page_bytes - 1));
            let mut large = self.large.borrow_mut();
            if large.contains(&new) {
                return;
            }
            if large.len() >= LARGE {
                // One range around all of them: a few flushes too many.
                let all = large
                    .drain(..)
                    .fold(new, |a, l| (a.0.min(l.0), a.1.max(l.1)));
                large.push(all);
            } else {
                large.push(new);
            }
        }
    }

    /// Forgets everything.
    pub(crate) fn flush(&self) {
        self.large.borrow_mut().clear();
        let next = self.epoch.get().wrapping_add(1);
        if next == 0 {
            self.entries.iter().for_each(|e| e.set(EMPTY));
        }
        self.epoch.set(next.max(1));
    }

    /// Forgets a page; false if it is part of a larger one, so that everything has to go.
    pub(crate) fn flush_page(&self, va: u64) -> bool {
        let large = self.large.borrow();
        if large
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&va))
        {
            return false;
        }
        for mmu in 0..MMU_INDEXES as u8 {
            let slot = self.slot(va, mmu);
            if slot.get().page == va & !(PAGE - 1) {
                slot.set(EMPTY);
            }
        }
        true
    }

    /// Forgets the pages whose numbers are that of `va` modulo `sets`; false if there are larger ones, so that everything has
    /// to go.
    pub(crate) fn flush_set(&self, va: u64, sets: u64) -> bool {
        if !self.large.borrow().is_empty() {
            return false;
        }
        let sets = (sets.max(1) as usize).min(WALKS);
        let first = (va >> 12) as usize % sets;
        let slots = self.entries.iter().skip(first).step_by(sets);
        slots.for_each(|slot| slot.set(EMPTY));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(pa: u64, page_bytes: u64) -> Mapping {
        Mapping {
            pa,
            page_bytes,
            read: true,
            write: false,
            exec: false,
            swap: false,
        }
    }

    #[test]
    fn walks_are_forgotten_by_page_and_as_a_whole() {
        let w = Walks::new();
        w.put(
            1,
            Walked::new(0x1234, &mapping(0x9234, PAGE), PhysPage::Io),
            PAGE,
        );
        w.put(
            1,
            Walked::new(0x2234, &mapping(0xa234, PAGE), PhysPage::Io),
            PAGE,
        );
        assert_eq!(w.get(0x1ffc, Access::Read, 1).unwrap().pa, 0x9000);
        assert!(w.get(0x1ffc, Access::Write, 1).is_none());
        assert!(w.get(0x1ffc, Access::Read, 0).is_none());
        assert!(w.flush_page(0x1800));
        assert!(w.get(0x1ffc, Access::Read, 1).is_none());
        assert!(w.get(0x2000, Access::Read, 1).is_some());
        w.flush();
        assert!(w.get(0x2000, Access::Read, 1).is_none());
    }

    #[test]
    fn walks_are_forgotten_by_place() {
        let w = Walks::new();
        for n in [1, 3, 65, 66, 1025] {
            let page = n * PAGE;
            w.put(
                2,
                Walked::new(page, &mapping(page, PAGE), PhysPage::Io),
                PAGE,
            );
        }
        let known = |n: u64| w.get(n * PAGE, Access::Read, 2).is_some();
        assert!(!known(1), "1025 has its place");
        assert!(w.flush_set(0x1_0000_1fff, 64));
        assert_eq!([3, 65, 66, 1025].map(known), [true, false, true, false]);
        let big = 16 * PAGE;
        w.put(0, Walked::new(0, &mapping(0, big), PhysPage::Io), big);
        assert!(!w.flush_set(0, 64));
    }

    #[test]
    fn pages_inside_of_large_ones_are_not_forgotten_alone() {
        let w = Walks::new();
        let big = 16 * PAGE;
        w.put(
            0,
            Walked::new(0x2_3000, &mapping(0x3000, big), PhysPage::Io),
            big,
        );
        assert!(!w.flush_page(0x2_f000));
        assert!(w.flush_page(0x3_0000));
        for k in 0..40 {
            let va = k * 0x10_0000;
            w.put(0, Walked::new(va, &mapping(va, big), PhysPage::Io), big);
        }
        assert!(!w.flush_page(39 * 0x10_0000 + 0x5000));
        w.flush();
        assert!(w.flush_page(39 * 0x10_0000 + 0x5000));
    }
}
