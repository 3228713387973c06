//! The bus: two drives that see the same registers, and the interrupt of the selected one.

use super::drive::Unit;
use super::regs::*;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::device::{StateError, load_state, save_state};
use softmmu_core::irq::Irq;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Lines {
    second: bool,
    control: u8,
}

#[derive(Default)]
struct Inner {
    lines: Lines,
    units: [Option<Unit>; 2],
}

impl Inner {
    fn selected(&mut self) -> Option<&mut Unit> {
        self.units[usize::from(self.lines.second)].as_mut()
    }
}

/// See the head of the file.
pub struct IdeBus {
    inner: Mutex<Inner>,
    irq: Irq,
}

impl IdeBus {
    /// A bus without drives.
    pub fn new(irq: Irq) -> IdeBus {
        IdeBus {
            inner: Mutex::default(),
            irq,
        }
    }

    /// Plugs a drive in; false: the place is taken.
    pub(super) fn plug(&self, unit: usize, drive: Unit) -> bool {
        match self.inner.lock().units.get_mut(unit) {
            Some(place @ None) => {
                *place = Some(drive);
                true
            }
            _ => false,
        }
    }

    /// Works on a drive that was plugged in.
    pub(super) fn with<R>(&self, unit: usize, f: impl FnOnce(&mut Unit) -> R) -> Option<R> {
        let mut inner = self.inner.lock();
        let result = inner.units.get_mut(unit)?.as_mut().map(f);
        self.update(&mut inner);
        result
    }

    fn update(&self, inner: &mut Inner) {
        let quiet = inner.lines.control & NO_INTERRUPT != 0;
        let level = inner.selected().is_some_and(|u| u.state.interrupt) && !quiet;
        self.irq.set(level);
    }

    /// Reads the data register.
    pub fn read_data(&self, size: u32) -> u16 {
        let mut inner = self.inner.lock();
        let value = inner.selected().map_or(0, |u| u.read_data(size));
        self.update(&mut inner);
        value
    }

    /// Writes the data register.
    pub fn write_data(&self, size: u32, value: u16) {
        let mut inner = self.inner.lock();
        if let Some(unit) = inner.selected() {
            unit.write_data(size, value);
        }
        self.update(&mut inner);
    }

    /// Reads another register of the command block.
    pub fn read(&self, register: u8) -> u8 {
        let mut inner = self.inner.lock();
        let high = inner.lines.control & HIGH_ORDER != 0;
        // Where no drive is, zeroes are read: the lines are pulled down.
        let value = inner.selected().map_or(0, |u| u.read(register, high));
        self.update(&mut inner);
        value
    }

    /// Reads the status without any effect.
    pub fn alternate_status(&self) -> u8 {
        let mut inner = self.inner.lock();
        inner.selected().map_or(0, |u| u.state.status)
    }

    /// Writes another register of the command block. A command may want DMA then.
    pub fn write(&self, register: u8, value: u8) {
        let mut inner = self.inner.lock();
        inner.lines.control &= !HIGH_ORDER;
        if register == STATUS {
            if let Some(unit) = inner.selected() {
                unit.command(value);
            }
        } else {
            if register == DEVICE {
                inner.lines.second = value & DEVICE_1 != 0;
            }
            for unit in inner.units.iter_mut().flatten() {
                unit.write(register, value);
            }
        }
        self.update(&mut inner);
    }

    /// Writes the control register.
    pub fn write_control(&self, value: u8) {
        let mut inner = self.inner.lock();
        let before = std::mem::replace(&mut inner.lines.control, value);
        if before & SOFT_RESET != 0 && value & SOFT_RESET == 0 {
            inner.lines.second = false;
            inner.units.iter_mut().flatten().for_each(Unit::reset);
        }
        self.update(&mut inner);
    }

    /// Bytes that the selected drive has for a DMA controller; 0: none yet.
    pub fn pull(&self, buf: &mut [u8]) -> usize {
        self.inner.lock().selected().map_or(0, |u| u.pull(buf))
    }

    /// Gives bytes to the selected drive; how many it takes.
    pub fn push(&self, data: &[u8]) -> usize {
        self.inner.lock().selected().map_or(0, |u| u.push(data))
    }

    /// What was pulled or pushed is where it belongs.
    pub fn settle(&self) {
        let mut inner = self.inner.lock();
        if let Some(unit) = inner.selected() {
            unit.settle();
        }
        self.update(&mut inner);
    }

    /// As after a reset of the machine (drives have their own).
    pub fn reset(&self) {
        let mut inner = self.inner.lock();
        inner.lines = Lines::default();
        self.update(&mut inner);
    }

    /// Its state without that of its drives.
    pub fn save(&self) -> Vec<u8> {
        save_state(&self.inner.lock().lines)
    }

    /// The opposite of [`IdeBus::save`].
    pub fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        self.inner.lock().lines = load_state(bytes)?;
        Ok(())
    }

    /// Everything has its state.
    pub fn resume(&self) {
        self.update(&mut self.inner.lock());
    }
}
