//! The place of a front end at a back end, with what it has been told.

use parking_lot::Mutex;
use softmmu_core::chardev::{CharEvent, CharFrontend};
use softmmu_hostio::Loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What every back end that gets bytes from the host has. Its calls of the front end happen on the
/// loop's thread and without a lock.
#[derive(Default)]
pub struct Slot {
    frontend: Mutex<Option<Arc<dyn CharFrontend>>>,
    /// The front end had no room when it was asked last.
    starved: AtomicBool,
    /// The front end knows that the other end is there.
    told_open: AtomicBool,
}

impl Slot {
    /// Another front end. It hears soon whether the other end is there.
    pub fn set(&self, frontend: Option<Arc<dyn CharFrontend>>) {
        *self.frontend.lock() = frontend;
        self.told_open.store(false, Ordering::SeqCst);
        Loop::shared().wake();
    }

    fn get(&self) -> Option<Arc<dyn CharFrontend>> {
        self.frontend.lock().clone()
    }

    /// How many bytes the front end takes now. Without one nothing is read: the host keeps it.
    pub fn room(&self) -> usize {
        let Some(frontend) = self.get() else {
            return 0;
        };
        let room = frontend.room();
        if room > 0 {
            return room;
        }
        // Room that comes after this line wakes the loop; room that came before it is seen here.
        self.starved.store(true, Ordering::SeqCst);
        frontend.room()
    }

    /// The front end has room.
    pub fn accept(&self) {
        if self.starved.swap(false, Ordering::SeqCst) {
            Loop::shared().wake();
        }
    }

    /// Hands bytes on.
    pub fn receive(&self, bytes: &[u8]) {
        if let Some(frontend) = self.get().filter(|_| !bytes.is_empty()) {
            frontend.receive(bytes);
        }
    }

    /// Hands an event on.
    pub fn event(&self, event: CharEvent) {
        if let Some(frontend) = self.get() {
            frontend.event(event);
        }
    }

    /// Tells the front end about the other end if that is news.
    pub fn announce(&self, open: bool) {
        let Some(frontend) = self.get() else {
            return;
        };
        if self.told_open.swap(open, Ordering::SeqCst) != open {
            frontend.event(if open {
                CharEvent::Opened
            } else {
                CharEvent::Closed
            });
        }
    }
}
