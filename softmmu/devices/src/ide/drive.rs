//! What disks and CD drives have in common: registers, phases of a command, the moving of data by
//! the processor or by DMA [ATA 9].

use super::bus::IdeBus;
use super::regs::*;
use super::{atapi, disk, identify};
use crate::class::Build;
use serde::{Deserialize, Serialize};
use softmmu_core::block::BlockBackend;
use softmmu_core::device::{Device, StateError, load_state, save_state};
use softmmu_core::log;
use std::sync::Arc;

/// Bytes that a buffer holds at most.
const BUFFER: usize = 256 * SECTOR;

/// What is being moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    /// Nothing.
    #[default]
    Idle,
    /// Data to the host, by its processor.
    In,
    /// Data from the host, by its processor.
    Out,
    /// A command packet from the host.
    Packet,
    /// Data to the host, by DMA.
    DmaIn,
    /// Data from the host, by DMA.
    DmaOut,
}

/// A drive's state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    pub features: u8,
    pub error: u8,
    /// Count and address: contents and former contents.
    pub task: [[u8; 2]; 4],
    pub device: u8,
    pub status: u8,
    pub interrupt: bool,
    pub phase: Phase,
    pub command: u8,
    pub buffer: Vec<u8>,
    pub at: u32,
    /// Next sector, and how many are left to be moved after the buffer.
    pub lba: u64,
    pub left: u64,
    /// Sectors for each interrupt.
    pub block: u32,
    /// `SET MULTIPLE MODE`.
    pub multiple: u32,
    /// Sense of a CD drive: key, code, qualifier.
    pub sense: [u8; 3],
    /// What was asked for with transfer modes and caches.
    pub mode: u8,
    pub write_cache: bool,
}

/// A drive on its bus.
pub(super) struct Unit {
    pub state: State,
    pub backend: Option<Arc<dyn BlockBackend>>,
    pub cdrom: bool,
    pub serial: String,
}

struct Drive {
    bus: Arc<IdeBus>,
    unit: usize,
}

pub(super) fn create(build: &mut Build<'_>, cdrom: bool) -> Result<(), String> {
    let bus: Arc<IdeBus> = build.bus()?;
    let unit = build.values.number_or_0("unit") as usize;
    let backend = build.block("drive")?;
    if backend.is_none() && !cdrom {
        return Err("property 'drive' is missing".into());
    }
    let serial = build.values.text("serial").unwrap_or("EMU00001").to_owned();
    let mut drive = Unit {
        state: State::default(),
        backend,
        cdrom,
        serial,
    };
    drive.power_on();
    if !bus.plug(unit, drive) {
        return Err(format!("unit {unit} of the bus is taken"));
    }
    build.parts.device = Some(Arc::new(Drive { bus, unit }));
    Ok(())
}

impl Unit {
    /// Sectors of a disk.
    pub fn sectors(&self) -> u64 {
        let bytes = self.backend.as_ref().map_or(0, |b| b.size());
        bytes / SECTOR as u64
    }

    pub fn power_on(&mut self) {
        self.state = State {
            multiple: 16,
            write_cache: true,
            ..State::default()
        };
        self.reset();
    }

    /// A reset by software: the signature is in the registers.
    pub fn reset(&mut self) {
        let s = &mut self.state;
        s.buffer.clear();
        (s.phase, s.interrupt, s.at) = (Phase::Idle, false, 0);
        // No fault was found.
        (s.error, s.device, s.features) = (1, 0, 0);
        let (mid, high) = if self.cdrom { (0x14, 0xeb) } else { (0, 0) };
        s.task = [[1, 0], [1, 0], [mid, 0], [high, 0]];
        s.status = if self.cdrom { 0 } else { READY | DSC };
    }

    pub fn read(&mut self, register: u8, high: bool) -> u8 {
        let s = &mut self.state;
        match register {
            ERROR => s.error,
            COUNT..=LBA_HIGH => {
                let place = s.task.get(usize::from(register - COUNT));
                place.map_or(0, |t| t[usize::from(high)])
            }
            DEVICE => s.device | 0xa0,
            _ => {
                s.interrupt = false;
                s.status
            }
        }
    }

    pub fn write(&mut self, register: u8, value: u8) {
        let s = &mut self.state;
        match register {
            ERROR => s.features = value,
            COUNT..=LBA_HIGH => {
                if let Some(place) = s.task.get_mut(usize::from(register - COUNT)) {
                    *place = [value, place[0]];
                }
            }
            _ => s.device = value,
        }
    }

    pub fn command(&mut self, command: u8) {
        let s = &mut self.state;
        (s.command, s.error, s.at) = (command, 0, 0);
        s.interrupt = false;
        s.phase = Phase::Idle;
        s.buffer.clear();
        s.status = READY | DSC;
        let known = match self.cdrom {
            true => atapi::command(self, command),
            false => disk::command(self, command),
        };
        if !known {
            log::unimp("ide", || format!("command {command:#04x}"));
            self.fail(ABORTED);
        }
    }

    /// The command is over.
    pub fn done(&mut self) {
        let s = &mut self.state;
        s.phase = Phase::Idle;
        s.status = READY | DSC;
        s.interrupt = true;
    }

    /// The command is over, with an error.
    pub fn fail(&mut self, error: u8) {
        self.done();
        self.state.status |= ERR;
        self.state.error = error;
    }

    /// The buffer is ready to be moved.
    pub fn offer(&mut self, phase: Phase, interrupt: bool) {
        let s = &mut self.state;
        (s.phase, s.at) = (phase, 0);
        s.status = READY | DSC | DRQ;
        s.interrupt |= interrupt;
    }

    /// Answers `IDENTIFY`.
    pub fn identify(&mut self) {
        self.state.buffer = match self.cdrom {
            true => identify::cd(&self.serial),
            false => identify::disk(self.sectors(), &self.serial, &self.state),
        };
        self.state.left = 0;
        self.offer(Phase::In, true);
    }

    /// All of the buffer has been moved.
    fn moved(&mut self) {
        match (self.state.phase, self.cdrom) {
            (Phase::Packet, _) => atapi::packet(self),
            (Phase::In | Phase::DmaIn, true) => atapi::next(self),
            (Phase::In | Phase::Out | Phase::DmaIn | Phase::DmaOut, _) => disk::next(self),
            (Phase::Idle, _) => {}
        }
    }

    pub fn read_data(&mut self, size: u32) -> u16 {
        if self.state.phase != Phase::In {
            return 0;
        }
        let mut bytes = [0; 2];
        for byte in bytes.iter_mut().take(size as usize) {
            let at = self.state.at as usize;
            *byte = self.state.buffer.get(at).copied().unwrap_or(0);
            self.state.at = self.state.at.saturating_add(1);
        }
        if self.state.at as usize >= self.state.buffer.len() {
            self.moved();
        }
        u16::from_le_bytes(bytes)
    }

    pub fn write_data(&mut self, size: u32, value: u16) {
        if !matches!(self.state.phase, Phase::Out | Phase::Packet) {
            return;
        }
        for byte in value.to_le_bytes().into_iter().take(size as usize) {
            let at = self.state.at as usize;
            if let Some(place) = self.state.buffer.get_mut(at) {
                *place = byte;
            }
            self.state.at = self.state.at.saturating_add(1);
        }
        if self.state.at as usize >= self.state.buffer.len() {
            self.moved();
        }
    }

    pub fn pull(&mut self, buf: &mut [u8]) -> usize {
        if self.state.phase != Phase::DmaIn {
            return 0;
        }
        let at = self.state.at as usize;
        let rest = self.state.buffer.get(at..).unwrap_or_default();
        let count = rest.len().min(buf.len());
        for (to, from) in buf.iter_mut().zip(rest) {
            *to = *from;
        }
        self.state.at = self.state.at.saturating_add(count as u32);
        count
    }

    pub fn push(&mut self, data: &[u8]) -> usize {
        if self.state.phase != Phase::DmaOut {
            return 0;
        }
        let at = self.state.at as usize;
        let room = self.state.buffer.get_mut(at..).unwrap_or_default();
        let count = room.len().min(data.len());
        for (to, from) in room.iter_mut().zip(data) {
            *to = *from;
        }
        self.state.at = self.state.at.saturating_add(count as u32);
        count
    }

    /// DMA has moved something: if it was the whole buffer, the next one.
    pub fn settle(&mut self) {
        let dma = matches!(self.state.phase, Phase::DmaIn | Phase::DmaOut);
        if dma && self.state.at as usize >= self.state.buffer.len() {
            self.moved();
        }
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let state: State = load_state(bytes)?;
        if state.buffer.len() > BUFFER {
            return Err(StateError("a buffer that is too long".into()));
        }
        self.state = state;
        Ok(())
    }
}

impl Device for Drive {
    fn reset(&self) {
        self.bus.with(self.unit, Unit::power_on);
    }

    fn save(&self) -> Vec<u8> {
        let state = self.bus.with(self.unit, |u| save_state(&u.state));
        state.unwrap_or_default()
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let gone = || StateError("the drive is gone".into());
        self.bus
            .with(self.unit, |u| u.restore(bytes))
            .ok_or_else(gone)?
    }

    fn describe(&self) -> String {
        let text = self
            .bus
            .with(self.unit, |u| u.backend.as_ref().map(|b| b.describe()));
        text.flatten().unwrap_or_else(|| "no medium".into())
    }
}

/// The most sectors of a disk that are buffered at a time.
pub(super) const MAX_BLOCK: u64 = (BUFFER / SECTOR) as u64;
