//! A futex mutex and an event counter that can be put right in the child of a `fork`.
//!
//! Ordinary mutexes remember waiting threads in places that a fork copies and that never wake up again; here
//! the whole state is one word, so the child just resets it.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};

fn futex(word: &AtomicU32, op: i32, value: u32, timeout: Option<&libc::timespec>) {
    let timeout = timeout.map_or(std::ptr::null(), |t| t as *const libc::timespec);
    // SAFETY: the word is a live, aligned u32; the private futex operations touch nothing else.
    unsafe {
        let op = op | libc::FUTEX_PRIVATE_FLAG;
        libc::syscall(libc::SYS_futex, word.as_ptr(), op, value, timeout);
    }
}

/// Mutual exclusion. Not recursive.
pub(crate) struct Lock<T> {
    /// 0 free, 1 taken, 2 taken and perhaps waited for.
    state: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached by one thread at a time, through the guard.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Lock<T> {
        Lock {
            state: AtomicU32::new(0),
            value: UnsafeCell::new(value),
        }
    }

    pub(crate) fn lock(&self) -> Guard<'_, T> {
        let s = &self.state;
        if s.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            self.lock_slow();
        }
        Guard { lock: self }
    }

    #[cold]
    fn lock_slow(&self) {
        for _ in 0..40 {
            let s = &self.state;
            let free = s.load(Ordering::Relaxed) == 0;
            if free
                && s.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
            {
                return;
            }
            std::hint::spin_loop();
        }
        while self.state.swap(2, Ordering::Acquire) != 0 {
            futex(&self.state, libc::FUTEX_WAIT, 2, None);
        }
    }

    fn unlock(&self) {
        if self.state.swap(0, Ordering::Release) == 2 {
            futex(&self.state, libc::FUTEX_WAKE, 1, None);
        }
    }

    /// Frees a lock that was taken before a fork by a guard that was forgotten.
    ///
    /// # Safety
    /// No guard may be alive in this process.
    pub(crate) unsafe fn force_unlock(&self) {
        self.unlock();
    }
}

/// The right to use the value of a [`Lock`].
pub(crate) struct Guard<'a, T> {
    lock: &'a Lock<T>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        self.lock.unlock();
    }
}

/// Something that happens now and then and that threads wait for.
pub(crate) struct Event(AtomicU32);

impl Event {
    pub(crate) const fn new() -> Event {
        Event(AtomicU32::new(0))
    }

    /// How often it has happened. Read this, then check the condition, then [`Event::wait`].
    pub(crate) fn count(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }

    /// It happens: everybody wakes up.
    pub(crate) fn happen(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        futex(&self.0, libc::FUTEX_WAKE, i32::MAX as u32, None);
    }

    /// Waits until it has happened more often than `seen`.
    pub(crate) fn wait(&self, seen: u32) {
        while self.count() == seen {
            futex(&self.0, libc::FUTEX_WAIT, seen, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_counts_exactly_under_contention() {
        let n = Lock::new(0u64);
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    for _ in 0..20_000 {
                        *n.lock() += 1;
                    }
                });
            }
        });
        assert_eq!(*n.lock(), 80_000);
    }
}
