//! The soft TLBs of one virtual CPU: what generated code looks at before each access. Behind them is `walks`.
//!
//! They have pages in the host's memory only. Their owner makes entries; other threads make the tags for stores invalid when
//! translations are made of a page. Both sides hold the lock for that, so that no tag appears for a page that has just
//! become one with translations.
//!
//! The tables are much larger than what is in them at a time: the entries in use are in lists, by the low bits of the page's
//! number, so that emptying them costs what was filled.
//!
//! In front of them are the guesses of instructions ([`Guess`]), which generated code fills from them. They are
//! emptied alike. With more than one CPU there are none for stores.
//!
//! An entry that has to make room goes to a table of *victims*, where pages have other places: who copies between two areas
//! that are a power of two apart uses both again and again. The slow path's stub looks there before it asks Rust.

use crate::lock::Lock;
use crate::walks::Walked;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use tcg_mem::{Access, PAGE};
use tcg_target::system::MMU_INDEXES;
use tcg_target::{
    GUESS_CHUNK, GUESS_CHUNKS, GUESSES, Guess, TLB_ENTRIES, TLB_INVALID, TlbEntry, VICTIMS,
    tlb_index, victim_index,
};

/// Lists of entries by page. [`CpuHost::flush_tlb_set`](tcg_target::CpuHost::flush_tlb_set) of so many sets or more is one.
const SETS: usize = 64;
/// The list of the entries that are the same in all contexts.
const GLOBAL: usize = SETS;
const LISTS: usize = SETS + 1;
/// Numbers in a list before it is emptied: an entry may be in it more than once.
const LONGEST: usize = 2 * TLB_ENTRIES;
/// The first entry that is no victim.
const FIRST: usize = MMU_INDEXES * VICTIMS;
const ENTRIES: usize = FIRST + MMU_INDEXES * TLB_ENTRIES;

/// The numbers of entries in use.
struct Used {
    lists: [Vec<u16>; LISTS],
    /// The lists that are not empty.
    some: u128,
}

const _: () = assert!(ENTRIES <= 1 << 16);

/// What generated code looks at.
pub(crate) struct SoftTlb {
    /// Address of the first victim; the memory is the environment's.
    at: usize,
    used: Lock<Used>,
    /// Another CPU wants everything flushed before this one goes on.
    pub stale: AtomicBool,
}

fn forget(e: &TlbEntry) {
    e.read.store(TLB_INVALID, Ordering::Relaxed);
    e.write.store(TLB_INVALID, Ordering::Relaxed);
}

impl SoftTlb {
    /// Empty TLBs in memory that begins at `at` and lives as long as they do.
    pub(crate) fn new(at: usize) -> SoftTlb {
        let used = Used {
            lists: std::array::from_fn(|_| Vec::new()),
            some: 0,
        };
        let tlb = SoftTlb {
            at,
            used: Lock::new(used),
            stale: AtomicBool::new(false),
        };
        tlb.entries().iter().for_each(forget);
        let chunks = tlb.chunks();
        chunks.iter().for_each(|c| c.store(1, Ordering::Relaxed));
        tlb.flush_guesses();
        tlb
    }

    /// All of them, one MMU index behind the other: first the victims.
    fn entries(&self) -> &[TlbEntry] {
        let first = self.at as *const TlbEntry;
        // SAFETY: the environment has that many entries, which are made of atomics and zeroed at first.
        unsafe { std::slice::from_raw_parts(first, ENTRIES) }
    }

    /// The guesses, by MMU index first those for loads, then those for stores.
    fn guesses(&self) -> &[Guess] {
        let first = (self.at + ENTRIES * size_of::<TlbEntry>()) as *const Guess;
        // SAFETY: they lie behind the entries, and are made of atomics.
        unsafe { std::slice::from_raw_parts(first, GUESS_CHUNKS * GUESS_CHUNK) }
    }

    /// For each chunk of guesses whether any may be filled.
    fn chunks(&self) -> &[AtomicU8] {
        let guesses = self.guesses().as_ptr_range().end.cast::<AtomicU8>();
        // SAFETY: they lie behind the guesses.
        unsafe { std::slice::from_raw_parts(guesses, GUESS_CHUNKS) }
    }

    /// The chunks that may have something, with their numbers.
    fn filled(&self) -> impl Iterator<Item = (usize, &[Guess])> {
        let chunks = self.chunks().iter().zip(self.guesses().chunks(GUESS_CHUNK));
        let some = |c: &AtomicU8| c.load(Ordering::Relaxed) != 0;
        let all = chunks.enumerate();
        all.filter_map(move |(k, (c, g))| some(c).then_some((k, g)))
    }

    /// The tags of a chunk's guesses.
    fn tags(k: usize, guesses: &[Guess]) -> impl Iterator<Item = &AtomicU64> {
        let store = k * GUESS_CHUNK / GUESSES % 2;
        guesses.iter().map(move |g| &g.0[store])
    }

    fn flush_guesses(&self) {
        for (k, guesses) in self.filled() {
            Self::tags(k, guesses).for_each(|t| t.store(TLB_INVALID, Ordering::Relaxed));
            self.chunks()[k].store(0, Ordering::Relaxed);
        }
    }

    fn flush_guesses_of(&self, page: u64) {
        for (k, guesses) in self.filled() {
            for tag in Self::tags(k, guesses) {
                if tag.load(Ordering::Relaxed) == page {
                    tag.store(TLB_INVALID, Ordering::Relaxed);
                }
            }
        }
    }

    fn flush_lists(&self, used: &mut Used, lists: impl Fn(usize) -> bool) {
        let entries = self.entries();
        for n in (0..LISTS).filter(|n| lists(*n)) {
            if used.some >> n & 1 == 0 {
                continue;
            }
            used.some &= !(1 << n);
            for k in used.lists[n].drain(..) {
                let e = &entries[usize::from(k)];
                // It may have gone to another list since.
                if e.listed.load(Ordering::Relaxed) == n as u64 + 1 {
                    forget(e);
                    e.listed.store(0, Ordering::Relaxed);
                }
            }
        }
    }

    /// Forgets all but what is the same in all contexts. By the owner.
    pub(crate) fn leave_context(&self) {
        self.flush_guesses();
        self.flush_lists(&mut self.used.lock(), |n| n != GLOBAL);
    }

    /// Puts an entry into a list.
    fn list(&self, used: &mut Used, k: usize, list: usize) {
        let e = &self.entries()[k];
        if e.listed.swap(list as u64 + 1, Ordering::Relaxed) != list as u64 + 1 {
            if used.lists[list].len() >= LONGEST {
                self.flush_lists(used, |n| n == list);
                e.listed.store(list as u64 + 1, Ordering::Relaxed);
            }
            used.lists[list].push(k as u16);
            used.some |= 1 << list;
        }
    }

    /// What is in an entry goes to the victims.
    fn make_room(&self, used: &mut Used, mmu: usize, k: usize) {
        let e = &self.entries()[k];
        let tags = [&e.read, &e.write].map(|t| t.load(Ordering::Relaxed));
        let Some(page) = tags.into_iter().find(|t| *t != TLB_INVALID) else {
            return;
        };
        let n = mmu * VICTIMS + victim_index(page);
        let list = e.listed.load(Ordering::Relaxed).max(1) as usize - 1;
        self.list(used, n, list);
        let v = &self.entries()[n];
        forget(v);
        v.host
            .store(e.host.load(Ordering::Relaxed), Ordering::Relaxed);
        v.read.store(tags[0], Ordering::Relaxed);
        v.write.store(tags[1], Ordering::Relaxed);
    }

    /// Empties everything. By the owner, or while it does not run.
    pub(crate) fn flush(&self) {
        self.flush_guesses();
        self.flush_lists(&mut self.used.lock(), |_| true);
    }

    /// Forgets a page. By the owner.
    pub(crate) fn flush_page(&self, page: u64) {
        let page = page & !(PAGE - 1);
        self.flush_guesses_of(page);
        for mmu in 0..MMU_INDEXES {
            let places = [
                mmu * VICTIMS + victim_index(page),
                FIRST + mmu * TLB_ENTRIES + tlb_index(page),
            ];
            for e in places.map(|k| &self.entries()[k]) {
                let has = |t: &AtomicU64| t.load(Ordering::Relaxed) == page;
                if has(&e.read) || has(&e.write) {
                    forget(e);
                }
            }
        }
    }

    /// Forgets the pages whose numbers are that of `va` modulo `sets`, a power of two. By the owner.
    pub(crate) fn flush_set(&self, va: u64, sets: u64) {
        self.flush_guesses();
        let sets = (sets.max(1) as usize).min(SETS);
        let set = (va / PAGE) as usize % sets;
        self.flush_lists(&mut self.used.lock(), |n| n < SETS && n % sets == set);
    }

    /// Enters a page that is in the host's memory at `host`; `write` is asked under the lock. By the owner.
    pub(crate) fn put(&self, mmu: u8, w: &Walked, host: usize, write: impl FnOnce() -> bool) {
        let mmu = usize::from(mmu) % MMU_INDEXES;
        let page = w.page;
        let k = FIRST + mmu * TLB_ENTRIES + tlb_index(page);
        let e = &self.entries()[k];
        let mut used = self.used.lock();
        let other = |t: &AtomicU64| ![page, TLB_INVALID].contains(&t.load(Ordering::Relaxed));
        if other(&e.read) || other(&e.write) {
            self.make_room(&mut used, mmu, k);
            forget(e);
        }
        let list = match w.global {
            true => GLOBAL,
            false => (page / PAGE) as usize % SETS,
        };
        self.list(&mut used, k, list);
        let tag = |allowed| if allowed { page } else { TLB_INVALID };
        let read = w.allows(Access::Read);
        e.host.store(host as u64, Ordering::Relaxed);
        e.read.store(tag(read), Ordering::Relaxed);
        e.write.store(tag(write()), Ordering::Relaxed);
    }

    /// Stores to the page at a host address have to be noticed from now on. By any thread.
    pub(crate) fn watch_writes(&self, host: usize) {
        let used = self.used.lock();
        for k in used.lists.iter().flatten() {
            let e = &self.entries()[usize::from(*k)];
            if e.host.load(Ordering::Relaxed) == host as u64 {
                e.write.store(TLB_INVALID, Ordering::Relaxed);
            }
        }
        for (k, guesses) in self.filled() {
            for (tag, g) in Self::tags(k, guesses).zip(guesses) {
                if std::ptr::eq(tag, &g.0[1]) && g.0[0].load(Ordering::Relaxed) == host as u64 {
                    tag.store(TLB_INVALID, Ordering::Relaxed);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcg_mem::PhysPage;
    use tcg_target::{GUESS_BYTES, Mapping, guess_index};

    struct Tables {
        memory: Vec<TlbEntry>,
        tlb: SoftTlb,
    }

    const HOST: usize = 0x7000_0000;

    impl Tables {
        fn new() -> Tables {
            let none = || TlbEntry {
                read: 0.into(),
                write: 0.into(),
                host: 0.into(),
                listed: 0.into(),
            };
            let all = ENTRIES + GUESS_BYTES.div_ceil(size_of::<TlbEntry>());
            let memory: Vec<TlbEntry> = (0..all).map(|_| none()).collect();
            let tlb = SoftTlb::new(memory.as_ptr() as usize);
            Tables { memory, tlb }
        }

        fn put(&self, page: u64, write: bool, global: bool) {
            let m = Mapping {
                pa: page,
                page_bytes: PAGE,
                read: true,
                write,
                exec: false,
                swap: false,
                global,
            };
            let w = Walked::new(page, &m, PhysPage::Io);
            self.tlb.put(2, &w, HOST + page as usize, || write);
        }

        /// Whether a page may be read and written, and whether it is a victim.
        fn find(&self, page: u64) -> (bool, bool, bool) {
            let victim = &self.memory[2 * VICTIMS + victim_index(page)];
            let first = &self.memory[FIRST + 2 * TLB_ENTRIES + tlb_index(page)];
            let has = |t: &AtomicU64| t.load(Ordering::Relaxed) == page;
            let of = |e: &TlbEntry| (has(&e.read), has(&e.write));
            match (of(first), of(victim)) {
                ((false, false), (r, w)) => (r, w, r || w),
                ((r, w), _) => (r, w, false),
            }
        }

        fn reads(&self, page: u64) -> bool {
            self.find(page).0
        }
    }

    #[test]
    fn entries_are_forgotten_by_page_and_by_place_and_as_a_whole() {
        let t = Tables::new();
        let pages = [1, 65, 66, 4000].map(|n| n * PAGE);
        let fill = || pages.map(|p| t.put(p, p != pages[3], false));
        let reads = || pages.map(|p| t.reads(p));
        let writes = || pages.map(|p| t.find(p).1);
        fill();
        assert_eq!(reads(), [true; 4]);
        assert_eq!(writes(), [true, true, true, false]);
        assert!(!t.reads(0), "an address of zero is in no empty entry");
        t.tlb.flush_page(pages[2]);
        assert_eq!(reads(), [true, true, false, true]);
        fill();
        t.tlb.flush_set(pages[0], 64);
        assert_eq!(reads(), [false, false, true, true]);
        fill();
        t.tlb.watch_writes(HOST + pages[1] as usize);
        assert_eq!(reads(), [true; 4]);
        assert_eq!(writes(), [true, false, true, false]);
        t.tlb.flush();
        assert_eq!(reads(), [false; 4]);
        assert_eq!(writes(), [false; 4]);
        assert!(t.tlb.used.lock().lists.iter().all(Vec::is_empty));
    }

    #[test]
    fn who_makes_room_is_a_victim_and_is_forgotten_alike() {
        let t = Tables::new();
        let (a, b) = (0x10_5000, 0x10_5000 + (TLB_ENTRIES as u64) * PAGE);
        let fill = || {
            t.put(a, true, false);
            t.put(b, true, false);
            assert_eq!(t.find(a), (true, true, true));
            assert_eq!(t.find(b), (true, true, false));
        };
        let gone = || !t.reads(a) && !t.find(a).1;
        fill();
        t.tlb.watch_writes(HOST + a as usize);
        assert_eq!(t.find(a), (true, false, true));
        t.tlb.flush_page(a);
        assert!(gone() && t.reads(b));
        fill();
        t.tlb.flush_set(a, 64);
        assert!(gone() && !t.reads(b));
        fill();
        t.tlb.leave_context();
        assert!(gone());
        fill();
        t.tlb.flush();
        assert!(gone());
        // A victim's place that goes to a page of another list.
        let same =
            |p: &u64| victim_index(*p) == victim_index(a) && (p / PAGE) % 64 != (a / PAGE) % 64;
        let c = (0..1 << 20).map(|n| n * PAGE).find(same).unwrap();
        fill();
        t.put(c, true, false);
        t.put(c + TLB_ENTRIES as u64 * PAGE, true, false);
        assert_eq!(t.find(c), (true, true, true));
        t.tlb.flush_set(a, 64);
        assert_eq!(t.find(c), (true, true, true));
        t.tlb.flush_set(c, 64);
        assert!(!t.reads(c));
    }

    #[test]
    fn guesses_are_emptied_alike() {
        let t = Tables::new();
        let number = |write, n: u64| guess_index(2, write, 4 * n);
        let fill = |write: bool, n: u64| {
            let k = number(write, n);
            let g = &t.tlb.guesses()[k];
            g.0[usize::from(write)].store(n * PAGE, Ordering::Relaxed);
            g.0[usize::from(!write)].store(HOST as u64 + n * PAGE, Ordering::Relaxed);
            t.tlb.chunks()[k / GUESS_CHUNK].store(1, Ordering::Relaxed);
        };
        let all = [(false, 3), (false, 70), (true, 3), (true, 70)];
        let has = || {
            all.map(|(write, n)| {
                let tag = &t.tlb.guesses()[number(write, n)].0[usize::from(write)];
                tag.load(Ordering::Relaxed) == n * PAGE
            })
        };
        let fill = || all.iter().for_each(|(write, n)| fill(*write, *n));
        assert_eq!(has(), [false; 4]);
        fill();
        assert_eq!(has(), [true; 4]);
        t.tlb.flush_page(3 * PAGE + 5);
        assert_eq!(has(), [false, true, false, true]);
        fill();
        t.tlb.watch_writes(HOST + 70 * PAGE as usize);
        assert_eq!(has(), [true, true, true, false]);
        let whole: [&dyn Fn(); 3] = [&|| t.tlb.flush(), &|| t.tlb.leave_context(), &|| {
            t.tlb.flush_set(3 * PAGE, 64)
        }];
        for flush in whole {
            fill();
            flush();
            assert_eq!(has(), [false; 4]);
            assert!(
                t.tlb
                    .chunks()
                    .iter()
                    .all(|c| c.load(Ordering::Relaxed) == 0)
            );
        }
    }

    #[test]
    fn what_is_global_stays_until_everything_goes() {
        let t = Tables::new();
        t.put(0x3000, true, true);
        t.put(0x4000, true, false);
        t.tlb.flush_set(0x3000, 64);
        t.tlb.leave_context();
        assert!(t.reads(0x3000) && !t.reads(0x4000));
        t.tlb.flush();
        assert!(!t.reads(0x3000));
    }

    #[test]
    fn lists_do_not_grow_without_end() {
        let t = Tables::new();
        for n in 0..10 * LONGEST as u64 {
            // The same entry in turns of two lists.
            t.put(
                0x5000 + n % 3 * (TLB_ENTRIES as u64) * PAGE,
                true,
                n % 2 == 0,
            );
        }
        assert!(t.tlb.used.lock().lists.iter().all(|l| l.len() <= LONGEST));
        assert!(t.reads(0x5000 + (10 * LONGEST as u64 - 1) % 3 * (TLB_ENTRIES as u64) * PAGE));
    }
}
