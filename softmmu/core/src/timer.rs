//! Timers on the virtual clock. They expire on the main loop's thread or, if time is counted in instructions, on the CPU's,
//! with no lock held.

use crate::clock::Clock;
use parking_lot::{Condvar, Mutex};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Who is called when a timer expires. It may have been set again or cancelled meanwhile: the
/// owner looks at its own state.
pub trait Alarm: Send + Sync {
    /// The timer with this tag has expired.
    fn alarm(&self, tag: u32);
}

struct Entry {
    at: Option<u64>,
    owner: Weak<dyn Alarm>,
    tag: u32,
}

#[derive(Default)]
struct Queue {
    entries: HashMap<u64, Entry>,
    due: BTreeSet<(u64, u64)>,
    next_id: u64,
    kicked: bool,
}

/// All timers of a machine.
pub struct Timers {
    clock: Arc<Clock>,
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// A timer of somebody's. Dropped, it is gone.
pub struct Timer {
    timers: Arc<Timers>,
    id: u64,
}

impl Timers {
    /// No timers yet.
    pub fn new(clock: Arc<Clock>) -> Arc<Timers> {
        Arc::new(Timers {
            clock,
            queue: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// The clock that they follow.
    pub fn clock(&self) -> &Arc<Clock> {
        &self.clock
    }

    /// A timer, not set.
    pub fn timer(self: &Arc<Self>, owner: Weak<dyn Alarm>, tag: u32) -> Timer {
        let mut queue = self.queue.lock();
        queue.next_id += 1;
        let id = queue.next_id;
        queue.entries.insert(
            id,
            Entry {
                at: None,
                owner,
                tag,
            },
        );
        Timer {
            timers: self.clone(),
            id,
        }
    }

    fn set(&self, id: u64, at: Option<u64>) {
        let mut queue = self.queue.lock();
        let Some(entry) = queue.entries.get_mut(&id) else {
            return;
        };
        let old = std::mem::replace(&mut entry.at, at);
        if let Some(old) = old {
            queue.due.remove(&(old, id));
        }
        if let Some(at) = at {
            queue.due.insert((at, id));
            if queue.due.first() == Some(&(at, id)) {
                self.clock.look_at(at, true);
                self.changed.notify_all();
            }
        }
    }

    /// When the next timer expires.
    pub fn next_due(&self) -> Option<u64> {
        self.queue.lock().due.first().map(|(at, _)| *at)
    }

    /// Calls the owners of all timers that have expired.
    pub fn run_due(&self) {
        loop {
            let now = self.clock.now_ns();
            let mut queue = self.queue.lock();
            let Some(&(at, id)) = queue.due.first().filter(|(at, _)| *at <= now) else {
                return;
            };
            queue.due.remove(&(at, id));
            let Some(entry) = queue.entries.get_mut(&id) else {
                continue;
            };
            entry.at = None;
            let (owner, tag) = (entry.owner.clone(), entry.tag);
            drop(queue);
            if let Some(owner) = owner.upgrade() {
                owner.alarm(tag);
            }
        }
    }

    /// Waits for the next timer, for [`Timers::kick`], or for a second.
    pub fn wait(&self) {
        let mut queue = self.queue.lock();
        if !std::mem::take(&mut queue.kicked) {
            let mut span = Duration::from_secs(1);
            // Counted time is no concern of the waiting thread.
            let follows = self.clock.is_running() && !self.clock.is_counted();
            if let Some((at, _)) = queue.due.first().filter(|_| follows) {
                span = span.min(Duration::from_nanos(at.saturating_sub(self.clock.now_ns())));
            }
            if !span.is_zero() {
                self.changed.wait_for(&mut queue, span);
            }
            queue.kicked = false;
        }
    }

    /// Ends a [`Timers::wait`], or the next one.
    pub fn kick(&self) {
        self.queue.lock().kicked = true;
        self.changed.notify_all();
    }
}

impl Timer {
    /// Expires when the clock reaches `at_ns`; replaces what was set before.
    pub fn set(&self, at_ns: u64) {
        self.timers.set(self.id, Some(at_ns));
    }

    /// Does not expire.
    pub fn cancel(&self) {
        self.timers.set(self.id, None);
    }

    /// As the owner's state says.
    pub fn follow(&self, at_ns: Option<u64>) {
        self.timers.set(self.id, at_ns);
    }

    /// The virtual clock.
    pub fn now_ns(&self) -> u64 {
        self.timers.clock.now_ns()
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.cancel();
        self.timers.queue.lock().entries.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::RtcClock;

    #[derive(Default)]
    struct Seen(Mutex<Vec<u32>>);
    impl Alarm for Seen {
        fn alarm(&self, tag: u32) {
            self.0.lock().push(tag);
        }
    }

    #[test]
    fn timers_expire_in_order_once() {
        let clock = Arc::new(Clock::new(RtcClock::Virtual, None));
        let timers = Timers::new(clock.clone());
        let seen = Arc::new(Seen::default());
        let owner: Arc<dyn Alarm> = seen.clone();
        let make = |tag| timers.timer(Arc::downgrade(&owner), tag);
        let (a, b, c, d) = (make(1), make(2), make(3), make(4));
        a.set(300);
        b.set(200);
        c.set(100);
        c.cancel();
        d.set(100);
        drop(d);
        timers.run_due();
        assert!(seen.0.lock().is_empty());
        clock.set(250);
        timers.run_due();
        assert_eq!(*seen.0.lock(), [2]);
        clock.set(300);
        timers.run_due();
        timers.run_due();
        assert_eq!(*seen.0.lock(), [2, 1]);
        timers.kick();
        timers.wait();
    }
}
