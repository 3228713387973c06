//! What devices, CPUs and monitors ask of the main loop: reset, power off, the end.

use crate::control::Cause;
use crate::irq::IrqSink;
use crate::timer::Timers;
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock};

/// Something for the main loop to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Reset everything.
    Reset(Cause),
    /// Power off.
    Shutdown(Cause),
    /// End with this status.
    Quit(u8),
    /// Stand still because a CPU cannot go on.
    Stuck(String),
    /// Stand still: a CPU has met what a debugger waits for.
    Debug(u32, DebugStop),
}

/// What a CPU has met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebugStop {
    /// A breakpoint.
    Break,
    /// The end of the steps that were asked for.
    Step,
    /// A watched access.
    Watch {
        /// First watched address.
        start: u64,
        /// Watched bytes.
        len: u64,
        /// Loads are watched.
        read: bool,
        /// Stores are watched.
        write: bool,
    },
}

/// The requests that wait.
pub struct Requests {
    waiting: Mutex<Vec<Request>>,
    /// Those that the main loop has taken and is at work on.
    serving: Mutex<Vec<Request>>,
    timers: Arc<Timers>,
    hold: OnceLock<Hold>,
}

/// Makes CPUs stand still soon, without waiting for it.
type Hold = Box<dyn Fn() + Send + Sync>;

/// Inputs of [`Requests`] as a sink: a rising edge asks.
pub const INPUT_RESET: u32 = 0;
/// See [`INPUT_RESET`].
pub const INPUT_POWER_OFF: u32 = 1;

impl Requests {
    /// For the main loop that waits with these timers.
    pub fn new(timers: Arc<Timers>) -> Arc<Requests> {
        let waiting = Mutex::default();
        let serving = Mutex::default();
        let hold = OnceLock::new();
        Arc::new(Requests {
            waiting,
            serving,
            timers,
            hold,
        })
    }

    /// What is to be done when a machine is about to be reset or switched off: the CPU that asks for it does not go on.
    pub fn set_hold(&self, hold: Hold) {
        let _ = self.hold.set(hold);
    }

    /// Asks.
    pub fn ask(&self, request: Request) {
        // First this: when the request is done, they are let go on again.
        if let (Request::Reset(_) | Request::Shutdown(_), Some(hold)) = (&request, self.hold.get())
        {
            hold();
        }
        self.waiting.lock().push(request);
        self.timers.kick();
    }

    /// The guest asks for a reset.
    pub fn reset(&self) {
        let reason = "guest-reset";
        self.ask(Request::Reset(Cause {
            guest: true,
            reason,
        }));
    }

    /// The guest switches itself off.
    pub fn shutdown(&self) {
        let reason = "guest-shutdown";
        self.ask(Request::Shutdown(Cause {
            guest: true,
            reason,
        }));
    }

    /// The stops for a debugger among what was asked.
    pub fn take_debug(&self) -> Vec<(u32, DebugStop)> {
        let mut stops = Vec::new();
        self.waiting.lock().retain(|r| match r {
            Request::Debug(cpu, why) => {
                stops.push((*cpu, *why));
                false
            }
            _ => true,
        });
        stops
    }

    /// What was asked since the last time; [`Requests::served`] has to follow for each.
    pub fn take(&self) -> Vec<Request> {
        let mut waiting = self.waiting.lock();
        let taken = std::mem::take(&mut *waiting);
        self.serving.lock().clone_from(&taken);
        taken
    }

    /// The first of what was taken is done.
    pub fn served(&self) {
        let mut serving = self.serving.lock();
        if !serving.is_empty() {
            serving.remove(0);
        }
    }

    /// What the guest has asked for and is not done: true for a reset, false for the end. Its CPUs do not go on before.
    pub fn of_guest(&self) -> Vec<bool> {
        let waiting = self.waiting.lock();
        let serving = self.serving.lock();
        let of_guest = |r: &Request| match r {
            Request::Reset(cause) if cause.guest => Some(true),
            Request::Shutdown(cause) if cause.guest => Some(false),
            _ => None,
        };
        serving
            .iter()
            .chain(&*waiting)
            .filter_map(of_guest)
            .collect()
    }

    /// The guest has asked for this, as saved by [`Requests::of_guest`], and for nothing else.
    pub fn restore(&self, resets: &[bool]) {
        let guests = |r: &Request| matches!(r, Request::Reset(c) | Request::Shutdown(c) if c.guest);
        self.waiting.lock().retain(|r| !guests(r));
        for reset in resets {
            match reset {
                true => self.reset(),
                false => self.shutdown(),
            }
        }
    }
}

impl IrqSink for Requests {
    fn set_input(&self, input: u32, level: bool) {
        match (input, level) {
            (INPUT_RESET, true) => self.reset(),
            (INPUT_POWER_OFF, true) => self.shutdown(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, RtcClock};

    fn requests() -> Arc<Requests> {
        Requests::new(Timers::new(Arc::new(Clock::new(RtcClock::Virtual, None))))
    }

    #[test]
    fn what_the_guest_asked_for_is_there_until_it_is_done_and_can_be_saved() {
        let a = requests();
        a.ask(Request::Quit(3));
        a.reset();
        a.shutdown();
        assert_eq!(a.of_guest(), [true, false]);
        assert_eq!(a.take().len(), 3);
        assert_eq!(a.of_guest(), [true, false]);
        let b = requests();
        b.shutdown();
        b.ask(Request::Quit(4));
        b.restore(&a.of_guest());
        assert_eq!(b.of_guest(), [true, false]);
        assert_eq!(b.take().len(), 3);
        a.served();
        assert_eq!(a.of_guest(), [true, false]);
        a.served();
        assert_eq!(a.of_guest(), [false]);
        a.served();
        assert!(a.of_guest().is_empty());
    }
}
