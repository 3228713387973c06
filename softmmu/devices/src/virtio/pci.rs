//! Virtio over PCI [VIRTIO 4.1], version 1 and the interface of before (transitional).

use super::registers::{NO_VECTOR, Registers, State, half, set_half};
use super::{Broken, Model, Queue, QueueIo, Transport, number};
use crate::class::Build;
use crate::pci::{Bar, BarBacking, BarKind, Identity, PciFunction, PciHook};
use parking_lot::Mutex;
use softmmu_core::device::{Device, Endian, Mmio, StateError, Widths, load_state, save_state};
use softmmu_core::dma::Dma;
use std::sync::{Arc, Weak};
use tcg_mem::BusError;

// The parts of base address 4.
const COMMON: u64 = 0x0000;
const ISR: u64 = 0x1000;
const CONFIG: u64 = 0x2000;
const NOTIFY: u64 = 0x3000;
/// Features that an interface of before version 1 can see.
const LEGACY_FEATURES: u64 = 0xffff_ffff;

/// The device.
pub struct VirtioPci {
    state: Mutex<State>,
    model: Arc<dyn Model>,
    function: Arc<PciFunction>,
    guest_endian: Endian,
    modern: bool,
    /// Where the capability is through which configuration space reaches base address 4.
    window: u16,
}

/// The body of a vendor capability [VIRTIO 4.1.4].
fn capability(kind: u8, bar: u8, offset: u64, len: u32, more: Option<u32>) -> Vec<u8> {
    let total = 16 + if more.is_some() { 4 } else { 0 };
    let mut body = vec![total, kind, bar, 0, 0, 0];
    body.extend_from_slice(&(offset as u32).to_le_bytes());
    body.extend_from_slice(&len.to_le_bytes());
    body.extend(more.into_iter().flat_map(u32::to_le_bytes));
    body
}

pub(super) fn create(
    build: &mut Build<'_>,
    model: Arc<dyn Model>,
    class: u32,
) -> Result<(), String> {
    let (bus, slot) = build.pci.clone().ok_or("needs a PCI bus")?;
    let devfn = bus.place(slot)?;
    let legacy = build.values.text("disable-legacy") != Some("on");
    let modern = !build.values.switch("disable-modern");
    if !legacy && !modern {
        return Err("neither interface is left".into());
    }
    let id = model.id();
    let transitional = match id {
        1 => 0x1000,
        2 => 0x1001,
        3 => 0x1003,
        4 => 0x1005,
        _ => 0x1040 + id,
    };
    let identity = Identity {
        vendor: 0x1af4,
        device: if legacy { transitional } else { 0x1040 + id },
        class,
        revision: u8::from(!legacy),
        subsystem: (0x1af4, if legacy { id } else { 0x1100 }),
        pin: 1,
    };
    let function = PciFunction::new(build.id, &bus, devfn, identity);
    let mut window = 0;
    if modern {
        function.add_capability(9, &capability(1, 4, COMMON, 0x1000, None));
        function.add_capability(9, &capability(3, 4, ISR, 0x1000, None));
        function.add_capability(9, &capability(4, 4, CONFIG, 0x1000, None));
        function.add_capability(9, &capability(2, 4, NOTIFY, 0x1000, Some(4)));
        window = function.add_capability(9, &capability(5, 0, 0, 0, Some(0)));
        function.set_writable(window + 4, &[0xff]);
        function.set_writable(window + 8, &[0xff; 12]);
    }
    let vectors = build.values.number_or_0("vectors") as u16;
    if vectors > 0 {
        function.add_msix(1, vectors);
    }
    let device = Arc::new(VirtioPci {
        state: Mutex::new(State::new(model.queues())),
        model: model.clone(),
        function: function.clone(),
        guest_endian: build.host.guest_endian,
        modern,
        window,
    });
    add_bars(&function, &device, legacy, modern);
    let transport: Weak<dyn Transport> = Arc::<VirtioPci>::downgrade(&device) as _;
    model.attach(transport);
    let hook: Weak<dyn PciHook> = Arc::<VirtioPci>::downgrade(&device) as _;
    function.plug(Some(hook));
    build.parts.device = Some(device);
    Ok(())
}

fn add_bars(function: &Arc<PciFunction>, device: &Arc<VirtioPci>, legacy: bool, modern: bool) {
    if legacy {
        let config = device.model.config(Endian::Little).len() as u64;
        let size = (24 + config).next_power_of_two().max(32);
        let door = Arc::new(LegacyDoor(Arc::downgrade(device)));
        let backing = BarBacking::Mmio(door);
        function.add_bar(
            0,
            Bar {
                kind: BarKind::Io,
                prefetch: false,
                size,
                backing,
            },
        );
    }
    if modern {
        let door = Arc::new(ModernDoor(Arc::downgrade(device)));
        let backing = BarBacking::Mmio(door);
        let kind = BarKind::Memory64;
        function.add_bar(
            4,
            Bar {
                kind,
                prefetch: true,
                size: 0x4000,
                backing,
            },
        );
    }
}

impl Registers for VirtioPci {
    const NAME: &'static str = "virtio-pci";

    fn model(&self) -> Option<&Arc<dyn Model>> {
        Some(&self.model)
    }

    fn dma(&self) -> Option<Dma> {
        self.function.dma()
    }

    fn guest_endian(&self) -> Endian {
        self.guest_endian
    }

    fn interrupt(&self, state: &mut State, bit: u8, vector: u16) {
        if self.function.msix_enabled() {
            if vector != NO_VECTOR {
                self.function.msix_notify(vector);
            }
            return;
        }
        state.isr |= bit;
        self.function.set_intx(true);
    }

    fn calm(&self) {
        self.function.set_intx(false);
    }
}

impl VirtioPci {
    fn common_read(&self, state: &State, offset: u64) -> u64 {
        let select = |n: usize| state.feature_select.get(n).copied().unwrap_or(0);
        let queue = state.queue();
        let of_queue = |f: fn(&Queue) -> u64| queue.map_or(0, f);
        match offset {
            0x00 => u64::from(select(0)),
            0x04 => half(self.features(), select(0)),
            0x08 => u64::from(select(1)),
            0x0c => half(state.driver_features, select(1)),
            0x10 => u64::from(state.config_vector),
            0x12 => state.queues.len() as u64,
            0x14 => u64::from(state.status),
            0x15 => 0,
            0x16 => u64::from(state.queue_select),
            0x18 => of_queue(|q| u64::from(q.size)),
            0x1a => queue.map_or(u64::from(NO_VECTOR), |q| u64::from(q.vector)),
            0x1c => of_queue(|q| u64::from(q.ready)),
            0x1e => u64::from(state.queue_select),
            0x20 => of_queue(|q| q.desc),
            0x24 => of_queue(|q| q.desc >> 32),
            0x28 => of_queue(|q| q.avail),
            0x2c => of_queue(|q| q.avail >> 32),
            0x30 => of_queue(|q| q.used),
            0x34 => of_queue(|q| q.used >> 32),
            _ => 0,
        }
    }

    fn common_write(&self, state: &mut State, offset: u64, size: u32, value: u64) {
        let set = |cell: &mut u64, high: bool| match size {
            8 => *cell = value,
            _ => set_half(cell, high, value),
        };
        match offset {
            0x00 => state.feature_select[0] = value as u32,
            0x08 => state.feature_select[1] = value as u32,
            0x0c => match state.feature_select[1] {
                0 => set(&mut state.driver_features, false),
                1 => set(&mut state.driver_features, true),
                _ => {}
            },
            0x10 => state.config_vector = value as u16,
            0x14 => return self.set_status(state, value as u8),
            0x16 => state.queue_select = u32::from(value as u16),
            _ => {}
        }
        let Some(queue) = state.queue_mut() else {
            return;
        };
        match offset {
            0x18 => {
                let size = value as u16;
                if size.is_power_of_two() && size <= queue.max {
                    queue.size = size;
                }
            }
            0x1a => queue.vector = value as u16,
            0x1c => queue.ready = value & 1 != 0,
            0x20 => set(&mut queue.desc, false),
            0x24 => set(&mut queue.desc, true),
            0x28 => set(&mut queue.avail, false),
            0x2c => set(&mut queue.avail, true),
            0x30 => set(&mut queue.used, false),
            0x34 => set(&mut queue.used, true),
            _ => {}
        }
    }

    fn take_isr(&self, state: &mut State) -> u64 {
        self.function.set_intx(false);
        u64::from(std::mem::take(&mut state.isr))
    }

    fn modern_read(&self, offset: u64, size: u32) -> u64 {
        let mut state = self.state.lock();
        match offset {
            COMMON..ISR if size == 8 => {
                self.common_read(&state, offset) & 0xffff_ffff
                    | self.common_read(&state, offset + 4) << 32
            }
            COMMON..ISR => self.common_read(&state, offset),
            ISR..CONFIG if offset == ISR => self.take_isr(&mut state),
            CONFIG..NOTIFY => number(&self.model.config(Endian::Little), offset - CONFIG, size),
            _ => 0,
        }
    }

    fn modern_write(&self, offset: u64, size: u32, value: u64) {
        let mut state = self.state.lock();
        match offset {
            COMMON..ISR => {
                state.legacy = false;
                self.common_write(&mut state, offset, size, value);
            }
            CONFIG..NOTIFY => self.config_write(offset - CONFIG, size, value),
            NOTIFY.. => self.kick(&mut state, ((offset - NOTIFY) / 4) as usize),
            _ => {}
        }
    }

    fn config_write(&self, offset: u64, size: u32, value: u64) {
        let bytes = value.to_le_bytes();
        let bytes = bytes.get(..size as usize).unwrap_or_default();
        self.model.config_write(offset as usize, bytes);
    }

    /// Where the device's configuration starts in the old interface.
    fn legacy_config(&self) -> u64 {
        if self.function.msix_enabled() { 24 } else { 20 }
    }

    fn legacy_read(&self, offset: u64, size: u32) -> u64 {
        let mut state = self.state.lock();
        let config = self.legacy_config();
        let queue = state.queue();
        match offset {
            0 => self.features() & LEGACY_FEATURES,
            4 => state.driver_features & LEGACY_FEATURES,
            8 => queue.filter(|q| q.ready).map_or(0, |q| q.desc >> 12),
            12 => queue.map_or(0, |q| u64::from(q.max)),
            14 => u64::from(state.queue_select),
            18 => u64::from(state.status),
            19 => self.take_isr(&mut state),
            20 if config == 24 => u64::from(state.config_vector),
            22 if config == 24 => queue.map_or(u64::from(NO_VECTOR), |q| u64::from(q.vector)),
            _ if offset >= config => {
                // The guest reads these in its own order, a number at a time.
                let bytes = self.model.config(self.guest_endian);
                number(&bytes, offset - config, size)
            }
            _ => 0,
        }
    }

    fn legacy_write(&self, offset: u64, size: u32, value: u64) {
        let mut state = self.state.lock();
        let config = self.legacy_config();
        state.legacy = true;
        match offset {
            4 => state.driver_features = value & self.features() & LEGACY_FEATURES,
            8 => {
                if let Some(queue) = state.queue_mut() {
                    queue.size = queue.max;
                    queue.set_legacy((value & 0xffff_ffff) << 12, 4096);
                }
            }
            14 => state.queue_select = u32::from(value as u16),
            16 => self.kick(&mut state, usize::from(value as u16)),
            18 => self.set_status(&mut state, value as u8),
            20 if config == 24 => state.config_vector = value as u16,
            22 if config == 24 => {
                if let Some(queue) = state.queue_mut() {
                    queue.vector = value as u16;
                }
            }
            _ if offset >= config => self.config_write(offset - config, size, value),
            _ => {}
        }
    }

    /// Offset and length that the capability of [`VirtioPci::window`] selects.
    fn window_target(&self, register: u16) -> Option<(u64, u32)> {
        let data = self.window + 16;
        if !self.modern || register < data || register >= data + 4 {
            return None;
        }
        let bar = self.function.config_peek(self.window + 4, 1);
        let offset = self.function.config_peek(self.window + 8, 4);
        let len = self.function.config_peek(self.window + 12, 4);
        (bar == 4 && matches!(len, 1 | 2 | 4) && offset < 0x4000 && offset.is_multiple_of(len))
            .then_some((u64::from(offset), len))
    }
}

impl PciHook for VirtioPci {
    fn config_before_read(&self, register: u16, _size: u32) {
        if let Some((offset, len)) = self.window_target(register) {
            let bytes = self.modern_read(offset, len).to_le_bytes();
            let bytes = bytes.get(..len as usize).unwrap_or_default();
            self.function.config_poke(self.window + 16, bytes);
        }
    }

    fn config_written(&self, register: u16, _size: u32) {
        if let Some((offset, len)) = self.window_target(register) {
            let value = self.function.config_peek(self.window + 16, len);
            self.modern_write(offset, len, u64::from(value));
        }
    }
}

impl Transport for VirtioPci {
    fn with_queue(
        &self,
        queue: usize,
        work: &mut dyn FnMut(&mut QueueIo<'_>) -> Result<(), Broken>,
    ) -> bool {
        self.work(&mut self.state.lock(), queue, work)
    }
}

struct ModernDoor(Weak<VirtioPci>);

impl Mmio for ModernDoor {
    fn widths(&self) -> Widths {
        Widths {
            endian: Endian::Little,
            min: 1,
            max: 8,
        }
    }

    fn read(&self, offset: u64, size: u32) -> Result<u64, BusError> {
        Ok(self.0.upgrade().map_or(0, |d| d.modern_read(offset, size)))
    }

    fn write(&self, offset: u64, size: u32, value: u64) -> Result<(), BusError> {
        if let Some(device) = self.0.upgrade() {
            device.modern_write(offset, size, value);
        }
        Ok(())
    }
}

struct LegacyDoor(Weak<VirtioPci>);

impl Mmio for LegacyDoor {
    fn widths(&self) -> Widths {
        Widths {
            endian: Endian::Little,
            min: 1,
            max: 4,
        }
    }

    fn read(&self, offset: u64, size: u32) -> Result<u64, BusError> {
        Ok(self.0.upgrade().map_or(0, |d| d.legacy_read(offset, size)))
    }

    fn write(&self, offset: u64, size: u32, value: u64) -> Result<(), BusError> {
        if let Some(device) = self.0.upgrade() {
            device.legacy_write(offset, size, value);
        }
        Ok(())
    }
}

impl Device for VirtioPci {
    fn reset(&self) {
        self.reset_state(&mut self.state.lock());
        self.function.reset();
    }

    fn save(&self) -> Vec<u8> {
        let state = self.state.lock();
        save_state(&(&*state, self.function.save(), self.model.save()))
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let (loaded, function, model): (State, Vec<u8>, Vec<u8>) = load_state(bytes)?;
        let mut state = self.state.lock();
        if !super::same_queues(&loaded.queues, &state.queues) {
            return Err(StateError("made for other queues".into()));
        }
        self.function.load(&function)?;
        self.model.load(&model)?;
        *state = loaded;
        Ok(())
    }

    fn resume(&self) {
        self.function.resume();
    }

    fn describe(&self) -> String {
        self.model.describe()
    }
}
