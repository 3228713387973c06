//! Back ends without a host side: nothing, and a buffer that a monitor reads.

use parking_lot::Mutex;
use softmmu_core::chardev::{CharBackend, CharFrontend};
use std::collections::VecDeque;
use std::sync::Arc;

/// Takes everything, gives nothing.
pub struct Null;

impl CharBackend for Null {
    fn write(&self, bytes: &[u8]) -> usize {
        bytes.len()
    }

    fn set_frontend(&self, _frontend: Option<Arc<dyn CharFrontend>>) {}

    fn describe(&self) -> String {
        "null".to_owned()
    }
}

/// Keeps the last bytes that were written (`ringbuf`).
pub struct Ring {
    size: usize,
    bytes: Mutex<VecDeque<u8>>,
}

impl Ring {
    /// A buffer of `size` bytes.
    pub fn new(size: usize) -> Ring {
        Ring {
            size,
            bytes: Mutex::default(),
        }
    }

    /// Takes up to `max` of the oldest bytes (`ringbuf-read`).
    pub fn take(&self, max: usize) -> Vec<u8> {
        let mut bytes = self.bytes.lock();
        let n = max.min(bytes.len());
        bytes.drain(..n).collect()
    }
}

impl CharBackend for Ring {
    fn write(&self, new: &[u8]) -> usize {
        let mut bytes = self.bytes.lock();
        bytes.extend(new);
        let surplus = bytes.len().saturating_sub(self.size);
        bytes.drain(..surplus);
        new.len()
    }

    fn set_frontend(&self, _frontend: Option<Arc<dyn CharFrontend>>) {}

    fn describe(&self) -> String {
        "ringbuf".to_owned()
    }
}
