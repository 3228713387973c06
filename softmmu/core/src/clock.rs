//! The virtual clock: nanoseconds that the machine has run; and the time of day that its clocks
//! show.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tcg_mem::InsnCounter;

/// What a real-time clock follows (`-rtc clock=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RtcClock {
    /// The host's clock, and on while the machine stands still.
    Host,
    /// The virtual clock.
    Virtual,
}

const RUNNING: u64 = u64::MAX;

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// See the head of the file. Stopped at first.
pub struct Clock {
    origin: Instant,
    /// Host nanoseconds since `origin` at which the virtual clock was 0 (wrapping).
    base: AtomicU64,
    /// What it shows while it stands still.
    stopped_at: AtomicU64,
    rtc: RtcClock,
    /// Nanoseconds since 1970 at the origin.
    epoch: AtomicU64,
    /// Time is what the guest's instructions take, and not the host's.
    counted: Option<Counted>,
}

/// A clock that follows the number of instructions.
struct Counted {
    counter: Arc<InsnCounter>,
    /// An instruction takes 2 to the power of this nanoseconds.
    shift: u32,
    /// What the clock is ahead of the instructions (wrapping): time in which the CPU waited.
    ahead: AtomicU64,
}

impl Clock {
    /// A stopped clock. `start`: the time of day at the start, if it is not the host's.
    pub fn new(rtc: RtcClock, start: Option<Duration>) -> Clock {
        let host = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Clock {
            origin: Instant::now(),
            base: AtomicU64::new(0),
            stopped_at: AtomicU64::new(0),
            rtc,
            epoch: AtomicU64::new(nanoseconds(start.unwrap_or(host))),
            counted: None,
        }
    }

    /// The same, but time is what the guest's instructions take: 2 to the power of `shift` nanoseconds each.
    pub fn counted(shift: u32, start: Option<Duration>) -> Clock {
        let mut clock = Clock::new(RtcClock::Virtual, start);
        clock.counted = Some(Counted {
            counter: Arc::new(InsnCounter::new()),
            shift: shift.min(30),
            ahead: AtomicU64::new(0),
        });
        clock
    }

    /// Whether time follows instructions. Then timers expire on the CPU's thread, between two instructions.
    pub fn is_counted(&self) -> bool {
        self.counted.is_some()
    }

    /// The counter of instructions, if time follows them.
    pub fn counter(&self) -> Option<Arc<InsnCounter>> {
        self.counted.as_ref().map(|c| c.counter.clone())
    }

    /// The CPU is to look when the clock reaches this. `at_most`: if it would not look earlier anyway.
    pub fn look_at(&self, at_ns: u64, at_most: bool) {
        let Some(c) = &self.counted else { return };
        let left = at_ns.saturating_sub(self.now_ns());
        let insns = left.div_ceil(1 << c.shift);
        let limit = c.counter.now().saturating_add(insns);
        let limit = limit.min(InsnCounter::NEVER);
        match at_most {
            true => c.counter.limit.fetch_min(limit, Ordering::Relaxed),
            false => c.counter.limit.swap(limit, Ordering::Relaxed),
        };
    }

    /// The CPU has waited until then.
    pub fn skip_to(&self, at_ns: u64) {
        if let Some(c) = &self.counted {
            let left = at_ns.saturating_sub(self.now_ns());
            c.ahead.fetch_add(left, Ordering::Relaxed);
        }
    }

    fn host_ns(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Nanoseconds that the machine has run.
    pub fn now_ns(&self) -> u64 {
        if let Some(c) = &self.counted {
            return (c.counter.now() << c.shift).wrapping_add(c.ahead.load(Ordering::Relaxed));
        }
        match self.stopped_at.load(Ordering::Acquire) {
            RUNNING => self
                .host_ns()
                .wrapping_sub(self.base.load(Ordering::Acquire)),
            stopped => stopped,
        }
    }

    /// Goes on.
    pub fn start(&self) {
        let at = self.stopped_at.load(Ordering::Acquire);
        if at != RUNNING {
            self.base
                .store(self.host_ns().wrapping_sub(at), Ordering::Release);
            self.stopped_at.store(RUNNING, Ordering::Release);
        }
    }

    /// Stands still.
    pub fn stop(&self) {
        let now = self.now_ns();
        self.stopped_at.store(now, Ordering::Release);
    }

    /// Whether it goes.
    pub fn is_running(&self) -> bool {
        self.stopped_at.load(Ordering::Acquire) == RUNNING
    }

    /// Sets a stopped clock.
    pub fn set(&self, now_ns: u64) {
        if let Some(c) = &self.counted {
            let ahead = now_ns.wrapping_sub(self.now_ns());
            c.ahead.fetch_add(ahead, Ordering::Relaxed);
        }
        self.stopped_at
            .store(now_ns.min(RUNNING - 1), Ordering::Release);
    }

    /// The time of day, since 1970.
    pub fn time_of_day(&self) -> Duration {
        let since = match self.rtc {
            RtcClock::Host => self.host_ns(),
            RtcClock::Virtual => self.now_ns(),
        };
        let epoch = self.epoch.load(Ordering::Relaxed);
        Duration::from_nanos(epoch) + Duration::from_nanos(since)
    }

    /// What a snapshot keeps of a stopped clock: what it shows, and what time of day that is.
    pub fn save(&self) -> [u64; 2] {
        [self.now_ns(), nanoseconds(self.time_of_day())]
    }

    /// The opposite. A time of day that follows the host goes on doing so.
    pub fn restore(&self, [now_ns, time]: [u64; 2]) {
        self.set(now_ns);
        if self.rtc == RtcClock::Virtual {
            let epoch = time.saturating_sub(now_ns);
            self.epoch.store(epoch, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_clock_follows_instructions() {
        let clock = Clock::counted(3, Some(Duration::from_secs(10)));
        let counter = clock.counter().unwrap();
        clock.start();
        counter.before.store(90, Ordering::Relaxed);
        counter.begun.store(10, Ordering::Relaxed);
        assert_eq!(clock.now_ns(), 800);
        clock.look_at(1000, false);
        assert_eq!(counter.limit.load(Ordering::Relaxed), 125);
        clock.look_at(2000, true);
        assert_eq!(counter.limit.load(Ordering::Relaxed), 125);
        clock.look_at(801, true);
        assert_eq!(counter.limit.load(Ordering::Relaxed), 101);
        clock.skip_to(5000);
        clock.skip_to(400);
        assert_eq!(clock.now_ns(), 5000);
        clock.stop();
        let other = Clock::counted(3, None);
        other.counter().unwrap().before.store(7, Ordering::Relaxed);
        other.restore(clock.save());
        assert_eq!(other.now_ns(), 5000);
        assert_eq!(other.time_of_day(), clock.time_of_day());
    }

    #[test]
    fn a_stopped_clock_stands_still_and_goes_on_from_there() {
        let clock = Clock::new(RtcClock::Virtual, Some(Duration::from_secs(1000)));
        assert_eq!((clock.now_ns(), clock.is_running()), (0, false));
        clock.set(5_000_000_000);
        assert_eq!(clock.time_of_day(), Duration::from_secs(1005));
        let other = Clock::new(RtcClock::Virtual, None);
        other.restore(clock.save());
        assert_eq!(other.time_of_day(), Duration::from_secs(1005));
        assert_eq!(other.now_ns(), 5_000_000_000);
        clock.start();
        let first = clock.now_ns();
        assert!((5_000_000_000..6_000_000_000).contains(&first));
        clock.stop();
        let second = clock.now_ns();
        assert!(second >= first);
        assert_eq!(clock.now_ns(), second);
    }
}
