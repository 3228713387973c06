//! Counters, always on: those of translation are shared, those of running belong to a virtual CPU until it ends.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident),* $(,)?) => {
        /// What an engine has done so far.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Stats { $($(#[doc = $doc])+ pub $name: u64,)* }

        impl Stats {
            /// Adds others.
            pub(crate) fn add(&mut self, s: &Stats) {
                $(self.$name += s.$name;)*
            }
        }

        /// The engine's running counters.
        #[derive(Default)]
        pub(crate) struct Counters { $(pub $name: AtomicU64,)* }

        impl Counters {
            /// A snapshot.
            pub(crate) fn read(&self) -> Stats {
                Stats { $($name: self.$name.load(Ordering::Relaxed),)* }
            }

            /// From the start.
            pub(crate) fn reset(&self) {
                $(self.$name.store(0, Ordering::Relaxed);)*
            }

            /// Adds the counts of a virtual CPU.
            pub(crate) fn add(&self, s: &Stats) {
                $(self.$name.fetch_add(s.$name, Ordering::Relaxed);)*
            }
        }
    };
}

counters! {
    /// Blocks translated and published.
    blocks,
    /// Translations kept from an earlier run and published.
    revived,
    /// Translations dropped because another thread was first or the code changed meanwhile.
    dropped,
    /// Brief translations that have run so often that full ones took their place.
    extended,
    /// Guest instructions in published blocks.
    guest_insns,
    /// Bytes of host code of published blocks.
    code_bytes,
    /// Nanoseconds spent in translation.
    translate_ns,
    /// Blocks invalidated.
    invalidated,
    /// Invalidations asked for, by the front end or by a write to a protected page.
    invalidations,
    /// Writes to protected pages.
    code_write_faults,
    /// Blocks that found their guest code changed at entry.
    verify_misses,
    /// System mode: soft TLBs flushed as a whole.
    tlb_flushes,
    /// System mode: changes to another address space.
    contexts,
    /// System mode: pages flushed from them.
    tlb_page_flushes,
    /// System mode: accesses of generated code that took the slow path.
    slow_accesses,
    /// System mode: address translations by the ISA.
    walks,
    /// System mode: halts, resets and the like.
    exits_machine,
    /// Full flushes.
    flushes,
    /// Direct links patched.
    links,
    /// Inline caches filled.
    inline_caches,
    /// Lookups from generated code that missed its jump cache.
    indirect_lookups,
    /// Table lookups.
    lookups,
    /// Exits by trap.
    exits_trap,
    /// Exits by fault.
    exits_fault,
    /// Exits by interrupt.
    exits_interrupt,
    /// Single steps.
    steps,
    /// Breakpoints and watchpoints.
    stops,
    /// Stores of a block to itself.
    self_modified,
    /// Overflows of the paired-return stack.
    return_overflows,
    /// Floating-point exceptions of the host (`fpflags.rs`).
    fp_faults,
}

impl Counters {
    /// Counts in a counter that only this thread writes: no locked instruction.
    pub(crate) fn tick(counter: &AtomicU64) {
        counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    pub(crate) fn bump(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
