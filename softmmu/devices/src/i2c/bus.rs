//! The I2C bus between a controller and its targets.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A target on the bus. Calls come from the controller, which may hold its own lock.
pub trait I2cTarget: Send + Sync {
    /// A transfer starts; `read`: the target sends.
    fn start(&self, read: bool);
    /// Takes a byte; false: not acknowledged.
    fn write(&self, byte: u8) -> bool;
    /// Sends a byte.
    fn read(&self) -> u8;
    /// The transfer ends.
    fn stop(&self) {}
}

#[derive(Default)]
struct Inner {
    targets: BTreeMap<u8, Arc<dyn I2cTarget>>,
    current: Option<Arc<dyn I2cTarget>>,
}

/// A bus.
#[derive(Default)]
pub struct I2cBus(Mutex<Inner>);

impl I2cBus {
    /// With nothing on it.
    pub fn new() -> Arc<I2cBus> {
        Arc::default()
    }

    /// Connects a target.
    pub fn add(&self, address: u8, target: Arc<dyn I2cTarget>) -> Result<(), String> {
        let mut inner = self.0.lock();
        if inner.targets.contains_key(&address) {
            return Err(format!("I2C address {address:#x} is taken"));
        }
        inner.targets.insert(address, target);
        Ok(())
    }

    /// Starts a transfer with a target; false: nobody has this address.
    pub fn start(&self, address: u8, read: bool) -> bool {
        let mut inner = self.0.lock();
        inner.current = inner.targets.get(&address).cloned();
        match &inner.current {
            Some(target) => {
                target.start(read);
                true
            }
            None => false,
        }
    }

    /// Picks the transfer with a target up again after a state was loaded; `None`: there was none.
    pub fn resume(&self, address: Option<u8>) {
        let mut inner = self.0.lock();
        inner.current = address.and_then(|a| inner.targets.get(&a).cloned());
    }

    /// Sends a byte to the target.
    pub fn write(&self, byte: u8) -> bool {
        self.0
            .lock()
            .current
            .as_ref()
            .is_some_and(|t| t.write(byte))
    }

    /// Takes a byte from the target.
    pub fn read(&self) -> u8 {
        self.0.lock().current.as_ref().map_or(0xff, |t| t.read())
    }

    /// Ends the transfer.
    pub fn stop(&self) {
        if let Some(target) = self.0.lock().current.take() {
            target.stop();
        }
    }
}
