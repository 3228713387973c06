//! Which virtual CPUs are running guest code, and stopping them all for a full flush.
//!
//! A virtual CPU is "running" between `enter` and `leave`; only then does it hold addresses of blocks or code.
//! A flush asks everybody to leave through the interrupt flags and waits. Who wants to enter meanwhile waits.

use crate::lock::{Event, Lock};
use crate::stats::{Counters, Stats};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// The interrupt flag's bit that means "the engine asks", not the front end.
pub(crate) const ENGINE_ASKS: u32 = 1 << 31;

/// A virtual CPU as seen by others.
pub(crate) struct Seat {
    running: AtomicBool,
    /// Its interrupt flag; valid until the seat is removed.
    interrupt: *const AtomicU32,
    /// Its counters: written by its thread only.
    pub counters: Counters,
}

// SAFETY: the flag is accessed atomically, and only while the seat is registered.
unsafe impl Send for Seat {}
// SAFETY: as above.
unsafe impl Sync for Seat {}

/// The engine's part.
pub(crate) struct Safepoint {
    seats: Lock<Vec<Arc<Seat>>>,
    /// Held by who stops the others.
    stopper: Lock<()>,
    pending: AtomicBool,
    left: Event,
    done: Event,
    /// How many flushes there were: virtual CPUs compare it with their own number when they enter.
    generation: AtomicU64,
}

impl Safepoint {
    pub(crate) const fn new() -> Safepoint {
        Safepoint {
            seats: Lock::new(Vec::new()),
            stopper: Lock::new(()),
            pending: AtomicBool::new(false),
            left: Event::new(),
            done: Event::new(),
            generation: AtomicU64::new(1),
        }
    }

    /// Registers a virtual CPU by its interrupt flag, which must live until [`Safepoint::remove`].
    pub(crate) fn add(&self, interrupt: *const AtomicU32) -> Arc<Seat> {
        let seat = Arc::new(Seat {
            running: AtomicBool::new(false),
            interrupt,
            counters: Counters::default(),
        });
        self.seats.lock().push(Arc::clone(&seat));
        seat
    }

    pub(crate) fn remove(&self, seat: &Arc<Seat>) {
        self.seats.lock().retain(|s| !Arc::ptr_eq(s, seat));
    }

    /// The counts of all virtual CPUs that there are, added to `total`.
    pub(crate) fn add_counters(&self, total: &mut Stats) {
        for seat in self.seats.lock().iter() {
            total.add(&seat.counters.read());
        }
    }

    /// The number of the current generation of code.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// From now on the caller may hold blocks. Gives the generation that they belong to.
    pub(crate) fn enter(&self, seat: &Seat) -> u64 {
        loop {
            seat.running.store(true, Ordering::SeqCst);
            if !self.pending.load(Ordering::SeqCst) {
                return self.generation();
            }
            self.leave(seat);
            let seen = self.done.count();
            if self.pending.load(Ordering::SeqCst) {
                self.done.wait(seen);
            }
        }
    }

    /// The caller holds no blocks any more.
    pub(crate) fn leave(&self, seat: &Seat) {
        seat.running.store(false, Ordering::SeqCst);
        if self.pending.load(Ordering::SeqCst) {
            self.left.happen();
        }
    }

    /// Runs `work` while nobody runs, unless somebody else has done so since generation `seen`. The caller
    /// must not be running itself.
    pub(crate) fn stop_all(&self, seen: u64, work: impl FnOnce()) {
        let _alone = self.stopper.lock();
        if self.generation() != seen {
            return;
        }
        self.stop(|| {
            work();
            self.generation.fetch_add(1, Ordering::AcqRel);
        });
    }

    /// Runs `work` while nobody runs. The caller must not be running itself.
    pub(crate) fn stop_others(&self, work: impl FnOnce()) {
        let _alone = self.stopper.lock();
        self.stop(work);
    }

    fn stop(&self, work: impl FnOnce()) {
        self.pending.store(true, Ordering::SeqCst);
        loop {
            let count = self.left.count();
            let mut waiting = false;
            for seat in self.seats.lock().iter() {
                if seat.running.load(Ordering::SeqCst) {
                    waiting = true;
                    // SAFETY: the flag lives as long as the seat is registered, and the list is locked.
                    unsafe { (*seat.interrupt).fetch_or(ENGINE_ASKS, Ordering::SeqCst) };
                }
            }
            if !waiting {
                break;
            }
            self.left.wait(count);
        }
        work();
        self.pending.store(false, Ordering::SeqCst);
        self.done.happen();
    }

    /// Makes everybody who runs come out once.
    pub(crate) fn call(&self) {
        for seat in self.seats.lock().iter() {
            if seat.running.load(Ordering::SeqCst) {
                // SAFETY: the flag lives as long as the seat is registered, and the list is locked.
                unsafe { (*seat.interrupt).fetch_or(ENGINE_ASKS, Ordering::SeqCst) };
            }
        }
    }

    /// Takes both locks for a fork.
    pub(crate) fn hold(&self) {
        std::mem::forget(self.stopper.lock());
        std::mem::forget(self.seats.lock());
    }

    /// Gives them back.
    ///
    /// # Safety
    /// [`Safepoint::hold`] was called by this thread.
    pub(crate) unsafe fn release(&self) {
        // SAFETY: the caller's promise.
        unsafe {
            self.seats.force_unlock();
            self.stopper.force_unlock();
        }
    }

    /// In the child of a fork: the other threads are gone and none of them runs.
    pub(crate) fn alone(&self) {
        self.pending.store(false, Ordering::SeqCst);
        for seat in self.seats.lock().iter() {
            seat.running.store(false, Ordering::SeqCst);
            seat.counters.reset();
        }
    }
}

/// A way to make a virtual CPU come back ([`crate::Exit::Interrupt`]) from any thread. It may outlive the CPU.
pub struct Kick {
    pub(crate) engine: Arc<crate::Engine>,
    pub(crate) seat: Arc<Seat>,
}

impl Kick {
    /// Sets the CPU's interrupt flag.
    pub fn kick(&self) {
        let seats = self.engine.safepoint.seats.lock();
        if seats.iter().any(|s| Arc::ptr_eq(s, &self.seat)) {
            // SAFETY: the flag lives as long as the seat is registered, and the list is locked.
            unsafe { (*self.seat.interrupt).fetch_or(1, Ordering::SeqCst) };
        }
    }
}
