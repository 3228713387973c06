//! The place of a network card at a back end, with the frames that wait for it.

use parking_lot::Mutex;
use softmmu_core::net::NetFrontend;
use softmmu_hostio::Loop;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Frames kept for a card that takes none at the moment; more are lost, as on a wire.
const KEPT: usize = 512;

/// What every back end has. Frames are handed over on the loop's thread, without a lock.
#[derive(Default)]
pub struct Link {
    frontend: Mutex<Option<Arc<dyn NetFrontend>>>,
    waiting: Mutex<VecDeque<Vec<u8>>>,
    stalled: AtomicBool,
}

impl Link {
    /// Another card.
    pub fn set(&self, frontend: Option<Arc<dyn NetFrontend>>) {
        *self.frontend.lock() = frontend;
        self.stalled.store(false, Ordering::SeqCst);
        Loop::shared().wake();
    }

    /// The card has room again.
    pub fn accept(&self) {
        if self.stalled.swap(false, Ordering::SeqCst) {
            Loop::shared().wake();
        }
    }

    /// Whether frames wait for the card: reading more of them can wait, too.
    pub fn is_full(&self) -> bool {
        self.waiting.lock().len() >= KEPT / 2
    }

    /// Puts a frame behind those that wait.
    pub fn push(&self, frame: Vec<u8>) {
        let mut waiting = self.waiting.lock();
        if waiting.len() < KEPT {
            waiting.push_back(frame);
        }
    }

    /// Hands over what the card takes.
    pub fn deliver(&self) {
        let Some(frontend) = self.frontend.lock().clone() else {
            self.waiting.lock().clear();
            return;
        };
        while !self.stalled.load(Ordering::SeqCst) {
            let Some(frame) = self.waiting.lock().pop_front() else {
                return;
            };
            // Before the card is asked: if it makes room right after a refusal, `accept` sees it.
            self.stalled.store(true, Ordering::SeqCst);
            if !frontend.receive(&frame) {
                self.waiting.lock().push_front(frame);
                return;
            }
            self.stalled.store(false, Ordering::SeqCst);
        }
    }
}
