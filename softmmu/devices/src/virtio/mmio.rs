//! Virtio over memory-mapped registers [VIRTIO 4.2], version 1 and the interface of before it. Each `virtio-mmio` is a slot
//! for one `virtio-...-device`; an empty one says so, and drivers leave it alone.

use super::registers::{Registers, State, half, set_half};
use super::{Broken, Model, QueueIo, TRANSPORT_FEATURES, Transport, number};
use crate::class::Build;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::device::{Device, Endian, Mmio, StateError, Widths, load_state, save_state};
use softmmu_core::dma::Dma;
use softmmu_core::irq::Irq;
use softmmu_core::log;
use std::sync::{Arc, OnceLock, Weak};
use tcg_mem::BusError;

const MAGIC: u64 = 0x7472_6976;
const VENDOR: u64 = 0x554d_4551;
const BYTES: u64 = 0x200;
/// Where the device's configuration starts.
const CONFIG: u64 = 0x100;
/// What only the interface of before version 1 has: the unit of queue addresses, and the alignment of the selected queue's
/// last part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Old {
    page_size: u32,
    align: u32,
}

/// The slot and the device in it.
pub struct VirtioMmio {
    state: Mutex<(State, Old)>,
    model: OnceLock<Arc<dyn Model>>,
    legacy: bool,
    guest_endian: Endian,
    dma: Dma,
    irq: Irq,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let device = Arc::new(VirtioMmio {
        state: Mutex::new((State::new(&[]), Old::default())),
        model: OnceLock::new(),
        legacy: build.values.switch("force-legacy"),
        guest_endian: build.host.guest_endian,
        dma: build.host.dma.clone(),
        irq: build.output("irq", 0),
    });
    build.map(0, BYTES, Arc::new(Door(Arc::downgrade(&device))))?;
    build.parts.service = Some(device.clone());
    build.parts.device = Some(device);
    Ok(())
}

/// Puts a model into the slot that was named, or the first that is empty.
pub(super) fn plug(build: &mut Build<'_>, model: Arc<dyn Model>) -> Result<(), String> {
    let named = |n: &str| build.on.is_none_or(|on| on == n);
    let slots = build.services.iter().filter(|(n, _)| named(n));
    let slots = slots.filter_map(|(_, s)| s.clone().downcast::<VirtioMmio>().ok());
    let mut empty = slots.filter(|s| s.model.get().is_none());
    let slot = empty
        .next()
        .ok_or("there is no empty virtio-mmio for it (a board file makes them)")?;
    slot.state.lock().0 = State::new(model.queues());
    let transport: Weak<dyn Transport> = Arc::<VirtioMmio>::downgrade(&slot) as _;
    model.attach(transport);
    let _ = slot.model.set(model);
    Ok(())
}

impl Registers for VirtioMmio {
    const NAME: &'static str = "virtio-mmio";

    fn model(&self) -> Option<&Arc<dyn Model>> {
        self.model.get()
    }

    fn dma(&self) -> Option<Dma> {
        Some(self.dma.clone())
    }

    fn is_legacy(&self, _: &State) -> bool {
        self.legacy
    }

    fn guest_endian(&self) -> Endian {
        self.guest_endian
    }

    fn features(&self) -> u64 {
        let model = self.model.get().map_or(0, |m| m.features());
        match self.legacy {
            true => (model | TRANSPORT_FEATURES) & 0xffff_ffff,
            false => model | TRANSPORT_FEATURES,
        }
    }

    fn interrupt(&self, state: &mut State, bit: u8, _vector: u16) {
        state.isr |= bit;
        self.irq.set(true);
    }

    fn calm(&self) {
        self.irq.set(false);
    }
}

impl VirtioMmio {
    fn read_register(&self, (state, old): &(State, Old), offset: u64) -> u64 {
        let Some(model) = self.model.get() else {
            return match offset {
                0 => MAGIC,
                4 => 2 - u64::from(self.legacy),
                0xc => VENDOR,
                _ => 0,
            };
        };
        let queue = state.queue();
        match offset {
            0 => MAGIC,
            4 => 2 - u64::from(self.legacy),
            8 => u64::from(model.id()),
            0xc => VENDOR,
            0x10 => half(self.features(), state.feature_select[0]),
            0x34 => queue.map_or(0, |q| u64::from(q.max)),
            0x40 if self.legacy => {
                let base = queue.filter(|q| q.ready).map_or(0, |q| q.desc);
                base / u64::from(old.page_size.max(1))
            }
            0x44 if !self.legacy => queue.map_or(0, |q| u64::from(q.ready)),
            0x60 => u64::from(state.isr),
            0x70 => u64::from(state.status),
            _ => 0,
        }
    }

    fn write_register(&self, (state, old): &mut (State, Old), offset: u64, value: u32) {
        match offset {
            0x14 => state.feature_select[0] = value,
            0x20 => {
                let (high, cell) = (state.feature_select[1], &mut state.driver_features);
                if high < 2 - u32::from(self.legacy) {
                    set_half(cell, high == 1, u64::from(value));
                }
                if self.legacy {
                    *cell &= self.features();
                }
            }
            0x24 => state.feature_select[1] = value,
            0x28 if self.legacy => old.page_size = value,
            0x30 => state.queue_select = value,
            0x3c if self.legacy => old.align = value,
            0x50 => self.kick(state, value as usize),
            0x64 => {
                state.isr &= !(value as u8);
                self.irq.set(state.isr != 0);
            }
            0x70 => {
                if value as u8 == 0 {
                    // QUIRK: not the size of pages. Linux tells it before its reset, and once only.
                    old.align = 0;
                }
                self.set_status(state, value as u8);
            }
            _ => self.write_queue(state, old, offset, value),
        }
    }

    /// Registers of the selected queue.
    fn write_queue(&self, state: &mut State, old: &Old, offset: u64, value: u32) {
        let Some(queue) = state.queue_mut() else {
            return;
        };
        let set = |cell: &mut u64, high: bool| set_half(cell, high, u64::from(value));
        match offset {
            0x38 if value.is_power_of_two() && value <= u32::from(queue.max) => {
                queue.size = value as u16;
            }
            0x40 if self.legacy => {
                let at = u64::from(value) * u64::from(old.page_size);
                queue.set_legacy(at, old.align.into());
            }
            0x44 if !self.legacy => queue.ready = value & 1 != 0,
            0x80 if !self.legacy => set(&mut queue.desc, false),
            0x84 if !self.legacy => set(&mut queue.desc, true),
            0x90 if !self.legacy => set(&mut queue.avail, false),
            0x94 if !self.legacy => set(&mut queue.avail, true),
            0xa0 if !self.legacy => set(&mut queue.used, false),
            0xa4 if !self.legacy => set(&mut queue.used, true),
            _ => {}
        }
    }

    fn read(&self, offset: u64, size: u32) -> u64 {
        if offset >= CONFIG {
            let endian = self.endian(&self.state.lock().0);
            let config = self.model.get().map(|m| m.config(endian));
            return number(&config.unwrap_or_default(), offset - CONFIG, size);
        }
        match (offset % 4, size) {
            (0, 4) => self.read_register(&self.state.lock(), offset),
            _ => {
                log::guest_error("virtio-mmio", || format!("{size} bytes at {offset:#x}"));
                0
            }
        }
    }

    fn write(&self, offset: u64, size: u32, value: u64) {
        if offset >= CONFIG {
            let bytes = value.to_le_bytes();
            let bytes = bytes.get(..size as usize).unwrap_or_default();
            if let Some(model) = self.model.get() {
                model.config_write((offset - CONFIG) as usize, bytes);
            }
            return;
        }
        if !offset.is_multiple_of(4) || size != 4 {
            return log::guest_error("virtio-mmio", || format!("{size} bytes at {offset:#x}"));
        }
        if self.model.get().is_some() {
            self.write_register(&mut self.state.lock(), offset, value as u32);
        }
    }
}

impl Transport for VirtioMmio {
    fn with_queue(
        &self,
        queue: usize,
        work: &mut dyn FnMut(&mut QueueIo<'_>) -> Result<(), Broken>,
    ) -> bool {
        self.work(&mut self.state.lock().0, queue, work)
    }
}

struct Door(Weak<VirtioMmio>);

impl Mmio for Door {
    fn widths(&self) -> Widths {
        Widths {
            endian: Endian::Little,
            min: 1,
            max: 4,
        }
    }

    fn read(&self, offset: u64, size: u32) -> Result<u64, BusError> {
        Ok(self.0.upgrade().map_or(0, |d| d.read(offset, size)))
    }

    fn write(&self, offset: u64, size: u32, value: u64) -> Result<(), BusError> {
        if let Some(device) = self.0.upgrade() {
            device.write(offset, size, value);
        }
        Ok(())
    }
}

impl Device for VirtioMmio {
    fn reset(&self) {
        let (state, old) = &mut *self.state.lock();
        self.reset_state(state);
        *old = Old::default();
    }

    fn save(&self) -> Vec<u8> {
        let model = self.model.get().map(|m| m.save());
        save_state(&(&*self.state.lock(), model.unwrap_or_default()))
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let (loaded, model): ((State, Old), Vec<u8>) = load_state(bytes)?;
        let mut state = self.state.lock();
        if !super::same_queues(&loaded.0.queues, &state.0.queues) {
            return Err(StateError("made for other queues".into()));
        }
        if let Some(m) = self.model.get() {
            m.load(&model)?;
        }
        *state = loaded;
        Ok(())
    }

    fn resume(&self) {
        self.irq.set(self.state.lock().0.isr != 0);
    }

    fn describe(&self) -> String {
        self.model.get().map_or("empty".into(), |m| m.describe())
    }
}

#[cfg(test)]
#[path = "mmio_tests.rs"]
mod tests;
