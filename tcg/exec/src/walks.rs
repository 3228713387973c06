//! What the last walks of a virtual CPU found, and what is in the pages of physical memory. Only its own thread looks here.
//!
//! A CPU has several *contexts*: what is known of one address space is kept while another one is in use. Which one an entry
//! belongs to is the table that it is in; whether it is still good is told by comparing when it was made with when its table,
//! or the places of a TLB that its page would be in, were last emptied. So emptying costs nothing.

use std::cell::{Cell, OnceCell, RefCell};
use tcg_mem::{Access, PAGE, PhysPage};
use tcg_target::Mapping;
use tcg_target::system::{ContextKey, MMU_INDEXES};

/// A page of the guest's virtual address space, as a walk found it.
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
    /// All of the page is mapped so.
    pub whole: bool,
    /// See [`Mapping::global`].
    pub global: bool,
    /// When it was found.
    at: u64,
}

const EMPTY: Walked = Walked {
    page: 0,
    pa: 0,
    place: PhysPage::None,
    allowed: 0,
    swap: false,
    whole: false,
    global: false,
    at: 0,
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
            whole: m.page_bytes >= PAGE,
            global: m.global,
            at: 0,
        }
    }

    /// Whether the page may be accessed so.
    pub(crate) fn allows(&self, access: Access) -> bool {
        self.allowed & bit(access) != 0
    }
}

/// Entries for each context and MMU index.
const WALKS: usize = 4096;
/// Address spaces that are remembered.
const CONTEXTS: usize = 8;
/// Large pages that are remembered one by one.
const LARGE: usize = 16;
/// Places of a TLB that are emptied one by one.
const SETS: usize = 64;

fn index(va: u64) -> usize {
    let n = va / PAGE;
    // Not that of the soft TLB: pages that are in each other's way there are not here.
    (n ^ n >> 7 ^ n >> 13) as usize % WALKS
}

type Entries = Box<[Cell<Walked>]>;

/// What is known of one address space.
#[derive(Default)]
struct Context {
    key: Cell<ContextKey>,
    /// When everything in it was forgotten, and when it was last chosen.
    emptied: Cell<u64>,
    chosen: Cell<u64>,
    entries: [OnceCell<Entries>; MMU_INDEXES],
}

/// The walks that are still good.
pub(crate) struct Walks {
    contexts: [Context; CONTEXTS],
    /// The one in use; `None` while it is not known which.
    current: Cell<Option<usize>>,
    now: Cell<u64>,
    /// When the pages in a place of a TLB were forgotten.
    sets: [Cell<u64>; SETS],
    /// First and last address of the larger pages since the last flush.
    large: RefCell<Vec<(u64, u64)>>,
}

impl Walks {
    pub(crate) fn new() -> Walks {
        Walks {
            contexts: Default::default(),
            current: Cell::new(None),
            now: Cell::new(1),
            sets: std::array::from_fn(|_| Cell::new(0)),
            large: RefCell::default(),
        }
    }

    fn tick(&self) -> u64 {
        let now = self.now.get();
        self.now.set(now + 1);
        now
    }

    /// Whether the context in use is known.
    pub(crate) fn is_ready(&self) -> bool {
        self.current.get().is_some()
    }

    /// Another address space may be in use from now on; false if that is no news.
    pub(crate) fn leave(&self) -> bool {
        self.current.take().is_some()
    }

    /// The address space of `key` is in use: that of the same key again, or in the place of the one that was not chosen for
    /// the longest time.
    pub(crate) fn choose(&self, key: &ContextKey) {
        let now = self.tick();
        let known = |c: &Context| c.chosen.get() > 0 && c.key.get() == *key;
        let n = self.contexts.iter().position(known).unwrap_or_else(|| {
            let all = self.contexts.iter().enumerate();
            let oldest = all.min_by_key(|(_, c)| c.chosen.get());
            let (n, c) = oldest.unwrap_or((0, &self.contexts[0]));
            c.emptied.set(now);
            c.key.set(*key);
            n
        });
        self.contexts[n].chosen.set(now);
        self.current.set(Some(n));
    }

    /// The page of an address, if it is known and allows the access.
    pub(crate) fn get(&self, va: u64, access: Access, mmu: u8) -> Option<Walked> {
        let context = &self.contexts[self.current.get()?];
        let entries = context.entries.get(usize::from(mmu))?.get()?;
        let w = entries[index(va)].get();
        let set = self.sets[(va / PAGE) as usize % SETS].get();
        let good = w.at > context.emptied.get() && w.at > set;
        (w.page == va & !(PAGE - 1) && good && w.allows(access)).then_some(w)
    }

    /// Remembers a page of the context in use.
    pub(crate) fn put(&self, mmu: u8, w: Walked, page_bytes: u64) {
        let Some(n) = self.current.get() else { return };
        let Some(entries) = self.contexts[n].entries.get(usize::from(mmu)) else {
            return;
        };
        let entries = entries.get_or_init(|| vec![Cell::new(EMPTY); WALKS].into());
        let at = self.now.get();
        entries[index(w.page)].set(Walked { at, ..w });
        if page_bytes > PAGE {
            self.note_large(w.page & !(page_bytes - 1), page_bytes);
        }
    }

    fn note_large(&self, first: u64, bytes: u64) {
        let new = (first, first | (bytes - 1));
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

    /// Forgets everything, of all contexts.
    pub(crate) fn flush(&self) {
        self.large.borrow_mut().clear();
        let now = self.tick();
        self.contexts.iter().for_each(|c| c.emptied.set(now));
        self.current.set(None);
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
        let n = index(va);
        for entries in self.contexts.iter().flat_map(|c| &c.entries) {
            if let Some(slot) = entries.get().map(|e| &e[n])
                && slot.get().page == va & !(PAGE - 1)
            {
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
        let now = self.tick();
        let sets = (sets.max(1) as usize).min(SETS);
        let places = self.sets.iter().skip((va / PAGE) as usize % sets);
        places.step_by(sets).for_each(|s| s.set(now));
        true
    }
}

/// Entries of [`PhysPages`].
const PHYS: usize = 1024;

/// What is in pages of physical memory, as long as the map does not change.
pub(crate) struct PhysPages {
    entries: Box<[Cell<(u64, PhysPage)>]>,
}

/// A number of no page.
const NO_PAGE: u64 = 1;

impl PhysPages {
    pub(crate) fn new() -> PhysPages {
        PhysPages {
            entries: vec![Cell::new((NO_PAGE, PhysPage::None)); PHYS].into(),
        }
    }

    /// What is at `page`; `look` knows.
    pub(crate) fn get(&self, page: u64, look: impl FnOnce() -> PhysPage) -> PhysPage {
        let slot = &self.entries[(page / PAGE) as usize % PHYS];
        let (known, place) = slot.get();
        if known == page {
            return place;
        }
        let place = look();
        slot.set((page, place));
        place
    }

    pub(crate) fn flush(&self) {
        let none = (NO_PAGE, PhysPage::None);
        self.entries.iter().for_each(|e| e.set(none));
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
            global: false,
        }
    }

    fn put(w: &Walks, mmu: u8, va: u64, bytes: u64) {
        w.put(
            mmu,
            Walked::new(va, &mapping(va + 0x8000, bytes), PhysPage::Io),
            bytes,
        );
    }

    fn one() -> Walks {
        let w = Walks::new();
        w.choose(&[1; 8]);
        w
    }

    #[test]
    fn walks_are_forgotten_by_page_and_as_a_whole() {
        let w = one();
        put(&w, 1, 0x1234, PAGE);
        put(&w, 1, 0x2234, PAGE);
        assert_eq!(w.get(0x1ffc, Access::Read, 1).unwrap().pa, 0x9000);
        assert!(w.get(0x1ffc, Access::Write, 1).is_none());
        assert!(w.get(0x1ffc, Access::Read, 0).is_none());
        assert!(w.flush_page(0x1800));
        assert!(w.get(0x1ffc, Access::Read, 1).is_none());
        assert!(w.get(0x2000, Access::Read, 1).is_some());
        w.flush();
        w.choose(&[1; 8]);
        assert!(w.get(0x2000, Access::Read, 1).is_none());
    }

    #[test]
    fn walks_are_forgotten_by_place() {
        let w = one();
        for n in [1, 3, 65, 66, 1025] {
            put(&w, 2, n * PAGE, PAGE);
        }
        let known = |n: u64| w.get(n * PAGE, Access::Read, 2).is_some();
        assert!(w.flush_set(0x1_0000_1fff, 64));
        assert_eq!(
            [1, 3, 65, 66, 1025].map(known),
            [false, true, false, true, false]
        );
        put(&w, 2, PAGE, PAGE);
        assert!(known(1));
        assert!(w.flush_set(3 * PAGE, 2));
        assert_eq!([1, 3, 66].map(known), [false, false, true]);
        put(&w, 0, 0, 16 * PAGE);
        assert!(!w.flush_set(0, 64));
    }

    #[test]
    fn pages_inside_of_large_ones_are_not_forgotten_alone() {
        let w = one();
        let big = 16 * PAGE;
        put(&w, 0, 0x2_3000, big);
        assert!(!w.flush_page(0x2_f000));
        assert!(w.flush_page(0x3_0000));
        for k in 0..40 {
            put(&w, 0, k * 0x10_0000, big);
        }
        assert!(!w.flush_page(39 * 0x10_0000 + 0x5000));
        w.flush();
        assert!(w.flush_page(39 * 0x10_0000 + 0x5000));
    }

    #[test]
    fn contexts_keep_what_is_known_and_invalidations_reach_all() {
        let w = Walks::new();
        let known = |va| w.get(va, Access::Read, 3).is_some();
        for context in 1..=3 {
            w.choose(&[context; 8]);
            put(&w, 3, 0x1000 * context, PAGE);
            put(&w, 3, 0x9000, PAGE);
            put(&w, 3, 0xa000, PAGE);
        }
        assert!(w.leave() && !w.leave());
        assert!(!known(0x3000), "it is not known which context is in use");
        w.choose(&[2; 8]);
        assert_eq!([0x1000, 0x2000, 0x3000].map(known), [false, true, false]);
        assert!(w.flush_page(0x9000));
        assert!(w.flush_set(0xa000, 64));
        for context in 1..=3 {
            w.choose(&[context; 8]);
            assert!(known(0x1000 * context));
            assert!(!known(0x9000) && !known(0xa000));
        }
        w.flush();
        w.choose(&[2; 8]);
        assert!(!known(0x2000));
    }

    #[test]
    fn the_context_that_was_not_used_for_long_makes_room() {
        let w = Walks::new();
        for context in 0..=CONTEXTS as u64 {
            w.choose(&[context; 8]);
            put(&w, 0, 0x5000, PAGE);
            w.choose(&[0; 8]);
        }
        assert!(w.get(0x5000, Access::Read, 0).is_some());
        w.choose(&[1; 8]);
        assert!(w.get(0x5000, Access::Read, 0).is_none());
        w.choose(&[CONTEXTS as u64; 8]);
        assert!(w.get(0x5000, Access::Read, 0).is_some());
    }
}
