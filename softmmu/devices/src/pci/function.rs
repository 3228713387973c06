//! A function on a PCI bus [PCI 6]: configuration space, base addresses, interrupt pin, and
//! messages from a table (MSI-X [PCI 6.8.2]). Devices own one and add what it answers.

use super::bus::PciBus;
use super::regs::*;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::device::{Mmio, StateError, Widths, load_state, save_state};
use softmmu_core::dma::Dma;
use softmmu_core::irq::Irq;
use softmmu_core::ram::Ram;
use softmmu_core::space::{AddressSpace, Backing, Region, RegionId};
use std::sync::{Arc, OnceLock, Weak};
use tcg_mem::BusError;

const CONFIG: usize = 256;
/// Where the pending bits are in the table's space.
const PBA: u64 = 0x800;

/// Who a function is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity {
    /// Vendor.
    pub vendor: u16,
    /// Device.
    pub device: u16,
    /// Class, subclass and interface in the low 24 bits.
    pub class: u32,
    /// Revision.
    pub revision: u8,
    /// Subsystem's vendor and device.
    pub subsystem: (u16, u16),
    /// Interrupt pin, 1 to 4; 0: none.
    pub pin: u8,
}

/// What a base address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarKind {
    /// I/O space.
    Io,
    /// Memory space below 4 GiB.
    Memory,
    /// Memory space, 64-bit address; takes the next base address, too.
    Memory64,
}

/// What answers there.
#[derive(Clone)]
pub enum BarBacking {
    /// Registers.
    Mmio(Arc<dyn Mmio>),
    /// Memory.
    Ram(Arc<Ram>),
    /// Part of the CPUs' address space, from an address on.
    Cpu(u64),
    /// A space of its own, with devices in it.
    Space(Arc<AddressSpace>),
}

/// A base address.
#[derive(Clone)]
pub struct Bar {
    /// Kind.
    pub kind: BarKind,
    /// Reading has no effect.
    pub prefetch: bool,
    /// Bytes, a power of two.
    pub size: u64,
    /// What answers.
    pub backing: BarBacking,
}

/// Hears of changes in configuration space.
pub trait PciHook: Send + Sync {
    /// These bytes were written; no lock is held.
    fn config_written(&self, _register: u16, _size: u32) {}
    /// These bytes are about to be read.
    fn config_before_read(&self, _register: u16, _size: u32) {}
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    config: Vec<u8>,
    intx: bool,
    /// Entries of 16 bytes.
    table: Vec<[u32; 4]>,
    pending: Vec<bool>,
}

struct Inner {
    state: State,
    regions: [Option<RegionId>; 6],
    bars: [Option<Bar>; 6],
    writable: Vec<u8>,
    next_capability: usize,
    msix: Option<usize>,
}

/// See the head of the file.
pub struct PciFunction {
    devfn: u8,
    name: String,
    bus: Weak<PciBus>,
    dma: Dma,
    irq: Irq,
    inner: Mutex<Inner>,
    fresh: OnceLock<State>,
    hook: OnceLock<Weak<dyn PciHook>>,
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(to) = bytes.get_mut(at..at + value.len()) {
        to.copy_from_slice(value);
    }
}

fn get16(bytes: &[u8], at: usize) -> u16 {
    let part = bytes.get(at..at + 2).and_then(|b| b.try_into().ok());
    part.map_or(0, u16::from_le_bytes)
}

fn get32(bytes: &[u8], at: usize) -> u32 {
    let part = bytes.get(at..at + 4).and_then(|b| b.try_into().ok());
    part.map_or(0, u32::from_le_bytes)
}

impl PciFunction {
    /// It is out of the machine for good: forgets what its base addresses lead to, which holds it.
    pub(super) fn release(&self) {
        let bars = std::mem::take(&mut self.inner.lock().bars);
        drop(bars);
    }

    /// A function that is not plugged in yet.
    pub fn new(name: &str, bus: &Arc<PciBus>, devfn: u8, identity: Identity) -> Arc<PciFunction> {
        let mut config = vec![0; CONFIG];
        let mut writable = vec![0; CONFIG];
        put(&mut config, VENDOR, &identity.vendor.to_le_bytes());
        put(&mut config, VENDOR + 2, &identity.device.to_le_bytes());
        let class = identity.class << 8 | u32::from(identity.revision);
        put(&mut config, REVISION, &class.to_le_bytes());
        put(&mut config, SUBSYSTEM, &identity.subsystem.0.to_le_bytes());
        put(
            &mut config,
            SUBSYSTEM + 2,
            &identity.subsystem.1.to_le_bytes(),
        );
        put(&mut config, INTERRUPT + 1, &[identity.pin]);
        put(&mut writable, COMMAND, &COMMAND_WRITABLE.to_le_bytes());
        // Cache line size, latency timer, interrupt line.
        put(&mut writable, 0x0c, &[0xff, 0xff]);
        put(&mut writable, INTERRUPT, &[0xff]);
        let irq = Irq::new();
        if identity.pin != 0 {
            irq.connect(bus.wire(devfn, identity.pin));
        }
        let state = State {
            config,
            intx: false,
            table: Vec::new(),
            pending: Vec::new(),
        };
        let inner = Inner {
            state,
            regions: [None; 6],
            bars: [const { None }; 6],
            writable,
            next_capability: 0x40,
            msix: None,
        };
        Arc::new(PciFunction {
            devfn,
            name: name.to_owned(),
            bus: Arc::downgrade(bus),
            dma: bus.master().clone(),
            irq,
            inner: Mutex::new(inner),
            fresh: OnceLock::new(),
            hook: OnceLock::new(),
        })
    }

    /// The device's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its slot and function number.
    pub fn devfn(&self) -> u8 {
        self.devfn
    }

    /// Adds a base address, before it is plugged in.
    pub fn add_bar(&self, index: usize, bar: Bar) {
        let mut inner = self.inner.lock();
        let at = BAR0 + 4 * index;
        let mask = !(bar.size.max(16) - 1);
        let flags: u8 = match bar.kind {
            BarKind::Io => 1,
            BarKind::Memory => 0,
            BarKind::Memory64 => 4,
        } | if bar.prefetch { 8 } else { 0 };
        put(&mut inner.state.config, at, &[flags]);
        put(&mut inner.writable, at, &(mask as u32).to_le_bytes());
        if bar.kind == BarKind::Memory64 {
            put(
                &mut inner.writable,
                at + 4,
                &((mask >> 32) as u32).to_le_bytes(),
            );
        }
        if let Some(slot) = inner.bars.get_mut(index) {
            *slot = Some(bar);
        }
    }

    /// Adds a capability (without its two-byte head) and returns where it is.
    pub fn add_capability(&self, id: u8, body: &[u8]) -> u16 {
        let mut inner = self.inner.lock();
        let at = inner.next_capability;
        let next = inner.state.config.get(CAPABILITIES).copied().unwrap_or(0);
        put(&mut inner.state.config, at, &[id, next]);
        put(&mut inner.state.config, at + 2, body);
        put(&mut inner.state.config, CAPABILITIES, &[at as u8]);
        let status = inner.state.config.get(STATUS).copied().unwrap_or(0);
        put(
            &mut inner.state.config,
            STATUS,
            &[status | STATUS_CAPABILITIES],
        );
        inner.next_capability = (at + 2 + body.len()).next_multiple_of(4);
        at as u16
    }

    /// Lets software write configuration bytes.
    pub fn set_writable(&self, at: u16, mask: &[u8]) {
        put(&mut self.inner.lock().writable, usize::from(at), mask);
    }

    /// Adds a message table of `count` entries in base address `bar`.
    pub fn add_msix(self: &Arc<Self>, bar: usize, count: u16) {
        let count = count.clamp(1, 128);
        let mut body = Vec::new();
        body.extend_from_slice(&(count - 1).to_le_bytes());
        body.extend_from_slice(&(bar as u32).to_le_bytes());
        body.extend_from_slice(&(PBA as u32 | bar as u32).to_le_bytes());
        let at = self.add_capability(CAP_MSIX, &body);
        self.set_writable(at + 3, &[0xc0]);
        let table = Arc::new(MsixTable(Arc::downgrade(self)));
        let backing = BarBacking::Mmio(table);
        self.add_bar(
            bar,
            Bar {
                kind: BarKind::Memory,
                prefetch: false,
                size: 0x1000,
                backing,
            },
        );
        let mut inner = self.inner.lock();
        inner.msix = Some(usize::from(at));
        inner.state.table = vec![[0, 0, 0, 1]; usize::from(count)];
        inner.state.pending = vec![false; usize::from(count)];
    }

    /// Puts it on its bus; from now on the guest sees it.
    pub fn plug(self: &Arc<Self>, hook: Option<Weak<dyn PciHook>>) {
        if let Some(hook) = hook {
            let _ = self.hook.set(hook);
        }
        let _ = self.fresh.set(self.inner.lock().state.clone());
        if let Some(bus) = self.bus.upgrade() {
            bus.plug(self);
        }
    }

    /// Access to memory, if software allows it.
    pub fn dma(&self) -> Option<Dma> {
        let inner = self.inner.lock();
        let command = get16(&inner.state.config, COMMAND);
        (command & COMMAND_MASTER != 0).then(|| self.dma.clone())
    }

    /// The level of the interrupt pin.
    pub fn set_intx(&self, level: bool) {
        let mut inner = self.inner.lock();
        inner.state.intx = level;
        self.update_pin(&mut inner);
    }

    fn update_pin(&self, inner: &mut Inner) {
        let level = inner.state.intx;
        let status = inner.state.config.get(STATUS).copied().unwrap_or(0);
        let status = status & !STATUS_INTERRUPT | if level { STATUS_INTERRUPT } else { 0 };
        put(&mut inner.state.config, STATUS, &[status]);
        let off = get16(&inner.state.config, COMMAND) & COMMAND_INTX_OFF != 0;
        self.irq.set(level && !off);
    }

    /// Software uses messages instead of the pin.
    pub fn msix_enabled(&self) -> bool {
        PciFunction::msix_control(&self.inner.lock()) & 0x80 != 0
    }

    fn msix_control(inner: &Inner) -> u8 {
        let at = inner.msix.map(|at| at + 3);
        at.and_then(|at| inner.state.config.get(at).copied())
            .unwrap_or(0)
    }

    /// Sends the message of a table entry, or notes that it is pending.
    pub fn msix_notify(&self, vector: u16) {
        let message = self.msix_take(usize::from(vector));
        if let Some((address, data)) = message {
            self.dma.message(address, data);
        }
    }

    fn msix_take(&self, n: usize) -> Option<(u64, u32)> {
        let mut inner = self.inner.lock();
        let control = PciFunction::msix_control(&inner);
        let [low, high, data, mask] = *inner.state.table.get(n)?;
        let blocked = control & 0x80 == 0 || control & 0x40 != 0 || mask & 1 != 0;
        if let Some(pending) = inner.state.pending.get_mut(n) {
            *pending = blocked;
        }
        (!blocked).then_some((u64::from(high) << 32 | u64::from(low), data))
    }

    /// Sends what was pending and is not blocked any more.
    fn msix_retry(&self) {
        let waiting: Vec<u16> = {
            let inner = self.inner.lock();
            let pending = inner.state.pending.iter().enumerate();
            pending
                .filter(|(_, p)| **p)
                .map(|(n, _)| n as u16)
                .collect()
        };
        waiting.into_iter().for_each(|n| self.msix_notify(n));
    }

    /// Reads configuration space.
    pub fn config_read(&self, register: u16, size: u32) -> u32 {
        if let Some(hook) = self.hook.get().and_then(Weak::upgrade) {
            hook.config_before_read(register, size);
        }
        self.config_peek(register, size)
    }

    /// Reads configuration space as it is.
    pub fn config_peek(&self, register: u16, size: u32) -> u32 {
        let inner = self.inner.lock();
        let bytes = inner
            .state
            .config
            .iter()
            .skip(usize::from(register))
            .take(size as usize);
        bytes.rev().fold(0, |n, b| n << 8 | u32::from(*b))
    }

    /// Sets configuration bytes, whether or not software may.
    pub fn config_poke(&self, register: u16, bytes: &[u8]) {
        put(
            &mut self.inner.lock().state.config,
            usize::from(register),
            bytes,
        );
    }

    /// Writes configuration space.
    pub fn config_write(&self, register: u16, size: u32, value: u32) {
        let first = usize::from(register);
        let touches = |at: usize, len: usize| first < at + len && at < first + size as usize;
        let mut inner = self.inner.lock();
        for (i, byte) in value.to_le_bytes().iter().take(size as usize).enumerate() {
            let mask = inner.writable.get(first + i).copied().unwrap_or(0);
            if let Some(cell) = inner.state.config.get_mut(first + i) {
                *cell = *cell & !mask | byte & mask;
            }
        }
        if touches(COMMAND, 2) || touches(BAR0, 24) {
            self.map_bars(&mut inner);
            self.update_pin(&mut inner);
        }
        let msix = inner.msix.is_some_and(|at| touches(at + 2, 2));
        drop(inner);
        if msix {
            self.msix_retry();
        }
        if let Some(hook) = self.hook.get().and_then(Weak::upgrade) {
            hook.config_written(register, size);
        }
    }

    /// Where a base address is at the moment.
    fn bar_base(inner: &Inner, index: usize) -> Option<u64> {
        let bar = inner.bars.get(index)?.as_ref()?;
        let at = BAR0 + 4 * index;
        let command = get16(&inner.state.config, COMMAND);
        let low = get32(&inner.state.config, at);
        let (on, base) = match bar.kind {
            BarKind::Io => (COMMAND_IO, u64::from(low & !3)),
            BarKind::Memory => (COMMAND_MEMORY, u64::from(low & !15)),
            BarKind::Memory64 => {
                let high = get32(&inner.state.config, at + 4);
                (COMMAND_MEMORY, u64::from(high) << 32 | u64::from(low & !15))
            }
        };
        // Still at its first value, or being sized.
        let nowhere = base == 0 && bar.kind != BarKind::Io
            || base.checked_add(bar.size).is_none()
            || low == u32::MAX << bar.size.trailing_zeros().min(31);
        (command & on != 0 && !nowhere).then_some(base)
    }

    fn map_bars(&self, inner: &mut Inner) {
        let Some(bus) = self.bus.upgrade() else {
            return;
        };
        for index in 0..6 {
            let Some(bar) = inner.bars[index].clone() else {
                continue;
            };
            let base = PciFunction::bar_base(inner, index);
            let region = base.map(|base| {
                let backing = match &bar.backing {
                    BarBacking::Mmio(mmio) => Backing::Io {
                        mmio: mmio.clone(),
                        offset: 0,
                    },
                    BarBacking::Ram(ram) => Backing::Ram {
                        ram: ram.clone(),
                        offset: 0,
                        writable: true,
                    },
                    BarBacking::Cpu(at) => {
                        let space = self.dma.space().clone();
                        Backing::Window { space, base: *at }
                    }
                    BarBacking::Space(space) => Backing::Window {
                        space: space.clone(),
                        base: 0,
                    },
                };
                let name = format!("{} BAR {index}", self.name);
                Region {
                    name,
                    base,
                    size: bar.size,
                    // Of two at one place the first function's wins, whichever was put there first.
                    priority: 0x800 - (8 * i32::from(self.devfn) + index as i32),
                    backing,
                }
            });
            let space = match bar.kind {
                BarKind::Io => bus.io(),
                _ => bus.memory(),
            };
            inner.regions[index] = space.replace(inner.regions[index], region);
        }
    }

    /// Where a base address is mapped, for hooks.
    pub fn bar_address(&self, index: usize) -> Option<u64> {
        PciFunction::bar_base(&self.inner.lock(), index)
    }

    /// As after a reset.
    pub fn reset(&self) {
        if let Some(fresh) = self.fresh.get() {
            let mut inner = self.inner.lock();
            inner.state = fresh.clone();
            self.map_bars(&mut inner);
            self.update_pin(&mut inner);
        }
    }

    /// Its state.
    pub fn save(&self) -> Vec<u8> {
        save_state(&self.inner.lock().state)
    }

    /// The opposite of [`PciFunction::save`].
    pub fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let loaded: State = load_state(bytes)?;
        let mut inner = self.inner.lock();
        if loaded.config.len() != CONFIG
            || loaded.table.len() != inner.state.table.len()
            || loaded.pending.len() != inner.state.pending.len()
        {
            return Err(StateError("made for another PCI function".into()));
        }
        inner.state = loaded;
        Ok(())
    }

    /// Everything follows the loaded state.
    pub fn resume(&self) {
        let mut inner = self.inner.lock();
        self.map_bars(&mut inner);
        self.update_pin(&mut inner);
    }

    /// For `info pci`.
    pub fn describe(&self) -> String {
        use std::fmt::Write;
        let inner = self.inner.lock();
        let config = &inner.state.config;
        let mut out = format!(
            "  Bus 0, device {:3}, function {}: {}\n    PCI device {:04x}:{:04x}, class {:06x}\n",
            self.devfn >> 3,
            self.devfn & 7,
            self.name,
            get16(config, VENDOR),
            get16(config, VENDOR + 2),
            get32(config, REVISION) >> 8,
        );
        for (n, bar) in inner.bars.iter().enumerate() {
            if let (Some(bar), Some(base)) = (bar, PciFunction::bar_base(&inner, n)) {
                let kind = if bar.kind == BarKind::Io {
                    "I/O"
                } else {
                    "memory"
                };
                let last = base + (bar.size - 1);
                let _ = writeln!(out, "      BAR{n}: {kind} at {base:#x}-{last:#x}");
            }
        }
        out
    }
}

/// The message table and its pending bits as registers.
struct MsixTable(Weak<PciFunction>);

impl Mmio for MsixTable {
    fn widths(&self) -> Widths {
        Widths::LE32
    }

    fn read(&self, offset: u64, _size: u32) -> Result<u64, BusError> {
        let Some(function) = self.0.upgrade() else {
            return Ok(0);
        };
        let inner = function.inner.lock();
        let word = (offset / 4) as usize;
        let value = if offset >= PBA {
            let first = (offset - PBA) as usize / 4 * 32;
            let bits = inner.state.pending.iter().skip(first).take(32).enumerate();
            bits.fold(0, |n, (i, p)| n | u32::from(*p) << i)
        } else {
            inner
                .state
                .table
                .as_flattened()
                .get(word)
                .copied()
                .unwrap_or(0)
        };
        Ok(u64::from(value))
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        let Some(function) = self.0.upgrade() else {
            return Ok(());
        };
        let mut inner = function.inner.lock();
        let word = (offset / 4) as usize;
        if offset < PBA
            && let Some(cell) = inner.state.table.as_flattened_mut().get_mut(word)
        {
            *cell = value as u32;
        }
        drop(inner);
        if offset % 16 == 12 && value & 1 == 0 {
            function.msix_retry();
        }
        Ok(())
    }
}
