//! `tlbivax` reaches the TLBs of all CPUs. [E500RM 12.4.4]
//!
//! The CPU that executes it notes the address here and makes the others flush what the engine keeps for them; each looks
//! here before its next walk.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tcg_target::CpuHost;

use super::mmu::e500;
use super::state::SystemState;

/// How many requests are remembered. Who falls behind further drops all entries that may be dropped.
const KEPT: usize = 64;

/// The requests of a machine.
#[derive(Debug, Default)]
pub struct Broadcasts {
    count: AtomicU64,
    ring: Mutex<Vec<u32>>,
}

impl Broadcasts {
    /// How many there have been.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// After a state has been loaded, in which all CPUs have seen so many.
    pub fn restore(&self, count: u64) {
        let _ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        self.count.store(count, Ordering::Release);
    }

    /// Adds one.
    pub fn publish(&self, ea: u32) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.resize(KEPT, 0);
        let n = self.count.load(Ordering::Relaxed);
        if let Some(place) = ring.get_mut(n as usize % KEPT) {
            *place = ea;
        }
        self.count.store(n.wrapping_add(1), Ordering::Release);
    }

    /// Carries out those that a CPU has not seen.
    pub fn apply(&self, s: &mut SystemState, host: &dyn CpuHost) {
        if self.count() == s.seen {
            return;
        }
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let count = self.count();
        if count.wrapping_sub(s.seen) > KEPT as u64 {
            e500::clear_all(s, host);
            s.seen = count;
        }
        while s.seen < count {
            if let Some(&ea) = ring.get(s.seen as usize % KEPT) {
                e500::invalidate(s, host, ea);
            }
            s.seen += 1;
        }
    }
}
