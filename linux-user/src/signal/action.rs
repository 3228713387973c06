//! The guest's signal actions (sigaction), shared by the threads of a process.

use super::{SYNCHRONOUS, bit, host};
use std::sync::Mutex;

/// Default action.
pub const SIG_DFL: u64 = 0;
/// Ignored.
pub const SIG_IGN: u64 = 1;

/// The handler takes siginfo and context.
pub const SA_SIGINFO: u64 = 4;
/// The handler runs on the alternate stack.
pub const SA_ONSTACK: u64 = 0x0800_0000;
/// Interrupted calls run again.
pub const SA_RESTART: u64 = 0x1000_0000;
/// The signal is not blocked in its handler.
pub const SA_NODEFER: u64 = 0x4000_0000;
/// Back to the default action before the handler runs.
pub const SA_RESETHAND: u64 = 0x8000_0000;
/// SA_NOCLDSTOP, SA_NOCLDWAIT, SA_RESTORER: known, and of no concern to delivery.
const SA_OTHERS: u64 = 1 | 2 | 0x0400_0000;
/// What sigaction keeps; the kernel clears other bits, so that programs can find out what it knows.
pub const SA_KNOWN: u64 =
    SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER | SA_RESETHAND | SA_OTHERS;

/// One signal's action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// Address of the handler, SIG_DFL or SIG_IGN.
    pub handler: u64,
    /// SA_ flags.
    pub flags: u64,
    /// sa_restorer.
    pub restorer: u64,
    /// Signals blocked while the handler runs.
    pub mask: u64,
}

/// All actions.
pub struct Actions(Mutex<[Action; 65]>);

impl Actions {
    /// What a new program starts with: ignored signals stay ignored, the rest is default.
    pub fn inherited() -> Actions {
        let mut all = [Action::default(); 65];
        for (sig, action) in all.iter_mut().enumerate().skip(1) {
            if host::is_ignored(sig as i32) {
                action.handler = SIG_IGN;
            }
        }
        Actions(Mutex::new(all))
    }

    /// A copy for a child with its own table.
    pub fn copied(&self) -> Actions {
        Actions(Mutex::new(*self.lock()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, [Action; 65]> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The lock itself, to be held over a fork.
    pub fn guard(&self) -> impl Drop + '_ {
        self.lock()
    }

    /// The action of a signal (1 to 64).
    pub fn get(&self, sig: i32) -> Action {
        self.lock().get(sig as usize).copied().unwrap_or_default()
    }

    /// Sets an action here and on the host; gives the old one.
    pub fn set(&self, sig: i32, action: Action) -> Action {
        let mut all = self.lock();
        let Some(place) = all.get_mut(sig as usize) else {
            return Action::default();
        };
        let old = std::mem::replace(place, action);
        if SYNCHRONOUS & bit(sig) == 0 {
            host::set_host_action(sig, &action);
        }
        old
    }

    /// Back to the default (SA_RESETHAND).
    pub fn reset(&self, sig: i32) {
        let old = self.get(sig);
        self.set(
            sig,
            Action {
                handler: SIG_DFL,
                ..old
            },
        );
    }

    /// CLONE_CLEAR_SIGHAND: handlers become the default action.
    pub fn clear_handlers(&self) {
        for sig in 1..=64 {
            if self.get(sig).handler > SIG_IGN {
                self.set(sig, Action::default());
            }
        }
    }
}
