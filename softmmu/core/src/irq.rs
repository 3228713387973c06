//! Interrupt lines.
//!
//! A device has an [`Irq`] for each output and sets its level. The board connects it to an input
//! of a sink. Several outputs may share an input: its level is then the *or* of theirs.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Something with interrupt inputs.
pub trait IrqSink: Send + Sync {
    /// The level of an input. Called again with the same level if that is easier for the caller.
    fn set_input(&self, input: u32, level: bool);
}

/// One input of a sink, shared by all that are connected to it.
pub struct Wire {
    sink: Arc<dyn IrqSink>,
    input: u32,
    /// How many outputs hold it high.
    high: Mutex<u32>,
}

impl Wire {
    /// The wire to an input. There must be one only for each input.
    pub fn new(sink: Arc<dyn IrqSink>, input: u32) -> Arc<Wire> {
        let high = Mutex::new(0);
        Arc::new(Wire { sink, input, high })
    }

    fn change(&self, level: bool) {
        let mut high = self.high.lock();
        let before = *high > 0;
        *high = if level {
            *high + 1
        } else {
            high.saturating_sub(1)
        };
        if (*high > 0) != before {
            self.sink.set_input(self.input, level);
        }
    }
}

#[derive(Default)]
struct Output {
    level: AtomicBool,
    wire: OnceLock<Arc<Wire>>,
}

/// An interrupt output. Clones are the same output. Not connected, it goes nowhere.
#[derive(Clone, Default)]
pub struct Irq(Arc<Output>);

impl Irq {
    /// An output that is not connected yet.
    pub fn new() -> Irq {
        Irq::default()
    }

    /// Connects it, once and for all; false: it was connected before.
    pub fn connect(&self, wire: Arc<Wire>) -> bool {
        let level = self.0.level.load(Ordering::Relaxed);
        let fresh = self.0.wire.set(wire.clone()).is_ok();
        if fresh && level {
            wire.change(true);
        }
        fresh
    }

    /// Sets the level.
    pub fn set(&self, level: bool) {
        if self.0.level.swap(level, Ordering::AcqRel) != level
            && let Some(wire) = self.0.wire.get()
        {
            wire.change(level);
        }
    }

    /// High and low again.
    pub fn pulse(&self) {
        self.set(true);
        self.set(false);
    }

    /// The level.
    pub fn level(&self) -> bool {
        self.0.level.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Seen(Mutex<Vec<(u32, bool)>>);
    impl IrqSink for Seen {
        fn set_input(&self, input: u32, level: bool) {
            self.0.lock().push((input, level));
        }
    }

    #[test]
    fn a_shared_input_is_high_while_one_output_is() {
        let seen = Arc::new(Seen::default());
        let wire = Wire::new(seen.clone(), 42);
        let (a, b) = (Irq::new(), Irq::new());
        b.set(true);
        assert!(a.connect(wire.clone()) && b.connect(wire.clone()) && !b.connect(wire));
        a.set(true);
        a.set(true);
        b.set(false);
        a.set(false);
        b.pulse();
        let expected = [(42, true), (42, false), (42, true), (42, false)];
        assert_eq!(*seen.0.lock(), expected);
        Irq::new().set(true);
    }
}
