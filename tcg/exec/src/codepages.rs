//! System mode: which pages of the host's memory have translations, and what a write to one of them means.
//!
//! Pages are named by their host address, so that the several physical and virtual addresses of the same memory are one page.
//! A page is *marked* before its bytes are read for a translation; from then on stores to it take the slow path of every
//! CPU's soft TLB and end here. When its last translation is gone, it is an ordinary page again.

use crate::block::{PAGE_BITS, TransBlock};
use crate::engine::Engine;
use crate::lock::Lock;
use crate::softtlb::SoftTlb;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tcg_mem::{PAGE, RamWatch};
use tcg_target::System;

/// Words of the filter.
const WORDS: usize = 1024;

/// What the virtual CPUs of a machine share besides translations.
pub(crate) struct Machine {
    pub system: &'static dyn System,
    /// The soft TLBs of all virtual CPUs.
    pub tlbs: Lock<Vec<Arc<SoftTlb>>>,
    /// Bits of hashed page numbers: pages whose bit is clear are not marked.
    filter: Box<[AtomicU64]>,
}

impl Machine {
    pub(crate) fn new(system: &'static dyn System) -> Machine {
        Machine {
            system,
            tlbs: Lock::new(Vec::new()),
            filter: (0..WORDS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    fn bit(&self, host: usize) -> (&AtomicU64, u64) {
        let n = (host >> PAGE_BITS) % (WORDS * 64);
        (&self.filter[n / 64], 1 << (n % 64))
    }

    /// Whether the page at `host` may be marked.
    fn may_be_marked(&self, host: usize) -> bool {
        let (word, bit) = self.bit(host);
        word.load(Ordering::SeqCst) & bit != 0
    }

    /// Nothing is marked any more.
    pub(crate) fn reset_filter(&self) {
        self.filter
            .iter()
            .for_each(|w| w.store(0, Ordering::SeqCst));
    }
}

/// The number of the page at a host address.
fn number(host: usize) -> u64 {
    (host >> PAGE_BITS) as u64
}

impl Engine {
    /// Translations of the page at `host` are about to be made: writes to it are noticed from now on.
    pub(crate) fn mark_page(&self, machine: &Machine, host: usize) {
        let new = self.inner.lock().pages.mark(number(host));
        if new {
            let (word, bit) = machine.bit(host);
            word.fetch_or(bit, Ordering::SeqCst);
            for tlb in machine.tlbs.lock().iter() {
                tlb.watch_writes(host & !(PAGE as usize - 1));
            }
        }
    }

    /// Whether the page at `host` is marked.
    pub(crate) fn is_marked(&self, machine: &Machine, host: usize) -> bool {
        machine.may_be_marked(host) && self.inner.lock().pages.is_marked(number(host))
    }

    /// `len` bytes inside of one page have been written: translations made of them are given up.
    pub(crate) fn page_written(&self, machine: &Machine, host: usize, len: usize) {
        if !machine.may_be_marked(host) {
            return;
        }
        let mut inner = self.inner.lock();
        if inner.pages.is_marked(number(host)) {
            let from = host % PAGE as usize;
            self.drop_bytes(&mut inner, number(host), from..from + len);
            self.unlock(inner);
        }
    }
}

impl TransBlock {
    /// Whether the block was made of any of these bytes of memory.
    pub(crate) fn is_made_of(&self, host: usize, len: usize) -> bool {
        let from = (self.phys as usize).wrapping_add(self.bytes.0.into());
        let to = (self.phys as usize).wrapping_add(self.bytes.1.into());
        host < to && from < host.saturating_add(len)
    }
}

impl RamWatch for Engine {
    fn ram_written(&self, host: usize, len: usize) {
        let Some(machine) = &self.machine else { return };
        let mut at = host;
        let end = host.saturating_add(len);
        while at < end {
            let next = (at | (PAGE as usize - 1)).saturating_add(1).min(end);
            self.page_written(machine, at, next - at);
            at = next;
        }
    }
}
