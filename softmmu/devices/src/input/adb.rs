//! The Apple Desktop Bus: commands of one byte (address, action, register) and what devices answer
//! [ADB].

use parking_lot::Mutex;
use std::sync::Arc;

/// A device on the bus.
pub trait AdbDevice: Send + Sync {
    /// Where it answers.
    fn address(&self) -> u8;
    /// As after power on.
    fn reset_bus(&self);
    /// Forgets what it has to tell.
    fn flush(&self);
    /// The contents of a register, if there are any.
    fn talk(&self, register: u8) -> Option<Vec<u8>>;
    /// New contents of a register.
    fn listen(&self, register: u8, data: &[u8]);
    /// It has something to tell (in register 0).
    fn wants_service(&self) -> bool;
}

/// The bus.
#[derive(Default)]
pub struct AdbBus {
    devices: Mutex<Vec<Arc<dyn AdbDevice>>>,
}

/// Actions in bits 2 and 3 of a command.
const LISTEN: u8 = 2;
const TALK: u8 = 3;

impl AdbBus {
    /// Plugs a device in.
    pub fn plug(&self, device: Arc<dyn AdbDevice>) {
        self.devices.lock().push(device);
    }

    fn at(&self, address: u8) -> Option<Arc<dyn AdbDevice>> {
        let devices = self.devices.lock();
        devices.iter().find(|d| d.address() == address).cloned()
    }

    /// Carries out a command; the data of the device that answers. `None`: nobody is there.
    pub fn request(&self, command: u8, data: &[u8]) -> Option<Vec<u8>> {
        let (address, action, register) = (command >> 4, command >> 2 & 3, command & 3);
        if command & 0xf == 0 {
            self.devices.lock().iter().for_each(|d| d.reset_bus());
            return Some(Vec::new());
        }
        let device = self.at(address)?;
        match action {
            TALK => device.talk(register),
            LISTEN => {
                device.listen(register, data);
                Some(Vec::new())
            }
            _ => {
                if command & 0xf == 1 {
                    device.flush();
                }
                Some(Vec::new())
            }
        }
    }

    /// Asks the devices whose addresses are in `mask` in turn; the command and the data of the
    /// first that has something to tell.
    pub fn poll(&self, mask: u16) -> Option<(u8, Vec<u8>)> {
        let devices = self.devices.lock().clone();
        let mut asked = devices
            .iter()
            .filter(|d| mask >> (d.address() & 15) & 1 != 0 && d.wants_service());
        asked.find_map(|d| Some((d.address() << 4 | TALK << 2, d.talk(0)?)))
    }
}
