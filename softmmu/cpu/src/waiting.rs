//! Loops that wait by reading the clock: the CPU's thread sleeps in them, as another program may use the host meanwhile.
//!
//! Reads of the clock in quick succession are a loop that waits when there have been enough of them. How many is learned: drivers
//! wait again and again, and a program that does nothing else than to ask for the time should not sleep. Between naps there are
//! a few reads only, and naps become longer the longer a loop waits. A host that is busy may let a nap be much too long; then
//! there is none for some time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Reads that are further apart than this, in nanoseconds, are not one loop.
const GAP_NS: u64 = 400;
/// How many reads are enough to tell a loop that waits: at most (and at first), at least.
const MANY: u64 = 1000;
const FEW: u64 = 60;
/// Reads between two naps of a loop.
const BETWEEN: u64 = 20;
const NAP: Duration = Duration::from_micros(50);
/// After so many naps of a loop they are longer by one, up to so many times the first.
const LONGER: u64 = 8;
const LONGEST: u64 = 3;
/// A nap that took longer than it should by this, in nanoseconds, is followed by a time without naps: as long as it was too long,
/// and longer if that is so again and again.
const LATE_NS: u64 = 200_000;
const MOST_AWAKE: u64 = 4;
const LONGEST_AWAKE_NS: u64 = 1_000_000_000;

/// A number of the CPU's own thread.
#[derive(Default)]
struct Own(AtomicU64);

impl Own {
    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }
}

/// See the head of the file.
pub(crate) struct Waiting {
    last: Own,
    /// Reads of the loop since its last nap.
    reads: Own,
    /// How many of them are enough, as learned.
    enough: Own,
    naps: Own,
    /// How many naps in a row were too long.
    late: Own,
    awake_until: Own,
}

impl Waiting {
    pub(crate) fn new() -> Waiting {
        let own = || Own(AtomicU64::new(0));
        Waiting {
            last: own(),
            reads: own(),
            enough: Own(AtomicU64::new(MANY)),
            naps: own(),
            late: own(),
            awake_until: own(),
        }
    }

    /// The clock is read, and says `now`. Gives how long to sleep; [`Waiting::slept`] is to be called behind that.
    pub(crate) fn read(&self, now: u64) -> Option<Duration> {
        let gap = now.wrapping_sub(self.last.get());
        self.last.set(now);
        if gap > GAP_NS {
            self.loop_ended();
        }
        let reads = self.reads.get() + 1;
        self.reads.set(reads);
        if reads < self.enough.get() || self.is_awake(now) {
            return None;
        }
        self.reads.set(self.enough.get() - BETWEEN);
        let naps = self.naps.get();
        self.naps.set(naps + 1);
        Some(NAP * (1 + naps / LONGER).min(LONGEST) as u32)
    }

    /// The time was set back if this is far away.
    fn is_awake(&self, now: u64) -> bool {
        self.awake_until.get().wrapping_sub(now) <= LONGEST_AWAKE_NS
    }

    /// Learns from a loop how many reads tell the next one.
    fn loop_ended(&self) {
        let (reads, enough) = (self.reads.get(), self.enough.get());
        self.reads.set(0);
        if self.naps.get() > 0 {
            self.naps.set(0);
            self.enough.set((enough / 4).max(FEW));
        } else if reads > FEW / 2 {
            self.enough.set((enough * 2).min(MANY));
        }
    }

    /// It has slept so long instead of what was asked for; the clock says `now`.
    pub(crate) fn slept(&self, ns: u64, asked: Duration, now: u64) {
        self.last.set(now);
        let late = ns.saturating_sub(asked.as_nanos() as u64);
        if late < LATE_NS {
            return self.late.set(0);
        }
        let times = self.late.get();
        self.late.set((times + 1).min(MOST_AWAKE));
        let awake = late.saturating_mul(times).min(LONGEST_AWAKE_NS);
        self.awake_until.set(now.saturating_add(awake));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loop with a read every 100 ns, whose naps take as long as asked for and `late` ns more. How many reads there are before
    /// each nap, up to `reads` in all.
    fn a_loop(w: &Waiting, now: &mut u64, reads: u64, late: u64) -> Vec<u64> {
        *now += 10 * GAP_NS;
        let (mut naps, mut since) = (Vec::new(), 0);
        for _ in 0..reads {
            *now += 100;
            since += 1;
            if let Some(time) = w.read(*now) {
                let ns = time.as_nanos() as u64 + late;
                *now += ns;
                w.slept(ns, time, *now);
                naps.push(since);
                since = 0;
            }
        }
        naps
    }

    #[test]
    fn how_many_reads_tell_a_loop_is_learned() {
        let (w, mut now) = (Waiting::new(), 1 << 40);
        let first = |w: &Waiting, now: &mut u64| a_loop(w, now, MANY, 0).first().copied();
        let fewer: Vec<_> = (0..4).map(|_| first(&w, &mut now)).collect();
        assert_eq!(fewer, [MANY, MANY / 4, MANY / 16, FEW].map(Some));
        // Loops that end before it is sure of them make it careful again, short ones do not.
        assert!(a_loop(&w, &mut now, FEW / 2, 0).is_empty());
        assert_eq!(first(&w, &mut now), Some(FEW));
        assert!(a_loop(&w, &mut now, FEW / 2 + 1, 0).is_empty());
        assert_eq!(first(&w, &mut now), Some(2 * FEW));
    }

    #[test]
    fn reads_that_are_apart_are_no_loop() {
        let w = Waiting::new();
        let mut reads = (1..4 * MANY).map(|n| w.read((1 << 40) + n * (GAP_NS + 1)));
        assert!(reads.all(|nap| nap.is_none()));
    }

    #[test]
    fn a_loop_that_waits_long_sleeps_longer() {
        let (w, mut now) = (Waiting::new(), 1 << 40);
        assert_eq!(
            a_loop(&w, &mut now, MANY + 2 * BETWEEN, 0),
            [MANY, BETWEEN, BETWEEN]
        );
        let mut naps = Vec::new();
        for n in 0..40 * BETWEEN {
            naps.extend(w.read(now + n * 100).map(|d| d.as_micros()));
        }
        assert_eq!(naps[..5], [50; 5]);
        assert_eq!(naps[5..13], [100; 8]);
        assert!(naps[13..].iter().all(|d| *d == 150));
    }

    #[test]
    fn a_busy_host_is_not_slept_on() {
        let (w, mut now) = (Waiting::new(), 1 << 40);
        // Once may happen; again and again keeps awake for longer and longer.
        let reads = 60_000;
        let naps = a_loop(&w, &mut now, reads, LATE_NS);
        let awake = |times: u64| times * LATE_NS / 100;
        assert_eq!(naps[..3], [MANY, BETWEEN, awake(1) + 1]);
        assert_eq!(naps[3..6], [2, 3, 4].map(|n| awake(n) + 1));
        assert_eq!(naps[6], awake(MOST_AWAKE) + 1);
        // In time again: none of that is left.
        a_loop(&w, &mut now, reads, 0);
        assert_eq!(w.late.get(), 0);
        assert!(!w.is_awake(now));
        // A time that is set back, as a snapshot may do, does not keep it awake.
        a_loop(&w, &mut now, reads, LATE_NS);
        now = 0;
        assert!(!a_loop(&w, &mut now, 2 * MANY, 0).is_empty());
    }
}
