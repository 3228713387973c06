//! Apple's descriptor-based DMA: channels that walk through lists of commands in memory
//! [DBDMA]. All words are little-endian.
//!
//! UNIMPL: transfers from and to the key streams and the system space; device status bits (conditions look at those that
//! software has set).

use crate::class::Build;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::device::{Device, Endian, Mmio, StateError, Widths, load_state, save_state};
use softmmu_core::dma::Dma;
use softmmu_core::irq::Irq;
use softmmu_core::log;
use std::sync::{Arc, OnceLock};
use tcg_mem::BusError;

const CHANNELS: usize = 32;
const STRIDE: u64 = 0x80;
/// Commands that one kick may walk through: a list that goes round must not hold the machine up.
const STEPS: u32 = 4096;
/// Bytes moved at a time.
const PIECE: usize = 0x1_0000;

const CONTROL: u64 = 0x00;
const STATUS: u64 = 0x04;
const COMMAND_HIGH: u64 = 0x08;
const COMMAND_LOW: u64 = 0x0c;
const INTERRUPT_SELECT: u64 = 0x10;
const BRANCH_SELECT: u64 = 0x14;
const WAIT_SELECT: u64 = 0x18;

const RUN: u32 = 0x8000;
const PAUSE: u32 = 0x4000;
const FLUSH: u32 = 0x2000;
const WAKE: u32 = 0x1000;
const DEAD: u32 = 0x0800;
const ACTIVE: u32 = 0x0400;
const BRANCH: u32 = 0x0100;
/// Bits that software sets by the control register.
const WRITABLE: u32 = RUN | PAUSE | FLUSH | WAKE | 0xff;

/// Something that a channel serves. It is called with no lock of its own held.
pub trait DmaPort: Send + Sync {
    /// Bytes for memory; 0: none yet.
    fn pull(&self, buf: &mut [u8]) -> usize;
    /// Bytes from memory: how many are taken; 0: none yet.
    fn push(&self, data: &[u8]) -> usize;
    /// What was pulled or pushed is where it belongs.
    fn settle(&self);
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Channel {
    status: u32,
    /// Address of the command.
    command: u32,
    interrupt: u32,
    branch: u32,
    wait: u32,
    /// Bytes of the command that have been moved.
    moved: u32,
    /// The command is carried out, and its wait condition holds the channel up.
    held: bool,
}

/// A command as it lies in memory.
#[derive(Clone, Copy)]
struct Command {
    code: u16,
    count: u32,
    address: u32,
    argument: u32,
}

/// What becomes of a channel after a command.
enum Step {
    Next,
    To(u32),
    Wait,
    Stop,
    Dead,
}

/// The controller.
pub struct Dbdma {
    channels: Mutex<[Channel; CHANNELS]>,
    ports: [OnceLock<(Arc<dyn DmaPort>, Irq)>; CHANNELS],
    dma: Dma,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let device = Arc::new(Dbdma {
        channels: Mutex::default(),
        ports: std::array::from_fn(|_| OnceLock::new()),
        dma: build.host.dma.clone(),
    });
    build.map(0, CHANNELS as u64 * STRIDE, device.clone())?;
    build.parts.service = Some(device.clone());
    build.parts.device = Some(device);
    Ok(())
}

impl Dbdma {
    /// Connects a channel; false: it is connected already, or does not exist.
    pub fn connect(&self, channel: usize, port: Arc<dyn DmaPort>, irq: Irq) -> bool {
        let place = self.ports.get(channel);
        place.is_some_and(|p| p.set((port, irq)).is_ok())
    }

    /// The port of a channel may have something to move.
    pub fn kick(&self, channel: usize) {
        let mut channels = self.channels.lock();
        if let Some(state) = channels.get_mut(channel) {
            self.walk(channel, state);
        }
    }

    fn port(&self, n: usize) -> Option<&(Arc<dyn DmaPort>, Irq)> {
        self.ports.get(n)?.get()
    }

    fn walk(&self, n: usize, channel: &mut Channel) {
        for _ in 0..STEPS {
            if channel.status & (RUN | PAUSE | DEAD | ACTIVE) != RUN | ACTIVE {
                return;
            }
            let step = match self.fetch(channel.command) {
                Some(command) if channel.held => leave(channel, command),
                Some(command) => self.execute(n, channel, command),
                None => Step::Dead,
            };
            match step {
                Step::Next => channel.command = channel.command.wrapping_add(16),
                Step::To(address) => channel.command = address & !15,
                Step::Wait => return,
                Step::Stop => channel.status &= !(ACTIVE | FLUSH),
                Step::Dead => {
                    channel.status = channel.status & !ACTIVE | DEAD;
                    self.interrupt(n);
                }
            }
        }
        log::guest_error("dbdma", || {
            format!("channel {n}: a list of commands that does not end")
        });
        channel.status = channel.status & !ACTIVE | DEAD;
    }

    fn fetch(&self, at: u32) -> Option<Command> {
        let mut bytes = [0; 16];
        self.dma.read(u64::from(at), &mut bytes).ok()?;
        let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = bytes;
        Some(Command {
            count: u32::from(u16::from_le_bytes([a, b])),
            code: u16::from_le_bytes([c, d]),
            address: u32::from_le_bytes([e, f, g, h]),
            argument: u32::from_le_bytes([i, j, k, l]),
        })
    }

    fn execute(&self, n: usize, channel: &mut Channel, command: Command) -> Step {
        match command.code >> 12 {
            0 | 1 => self.output(n, channel, command),
            2 | 3 => self.input(n, channel, command),
            4 => {
                let (size, value) = (size_of_quad(command.count), command.argument);
                let at = u64::from(command.address);
                let done = self.dma.store(at, size, Endian::Little, u64::from(value));
                self.end(n, channel, command, None, done.is_ok())
            }
            5 => {
                let size = size_of_quad(command.count);
                let value = self
                    .dma
                    .load(u64::from(command.address), size, Endian::Little);
                let place = u64::from(channel.command) + 8;
                let stored = value.and_then(|v| self.dma.store(place, 4, Endian::Little, v));
                self.end(n, channel, command, None, stored.is_ok())
            }
            6 => self.end(n, channel, command, None, true),
            7 => Step::Stop,
            code => {
                log::unimp("dbdma", || format!("channel {n}: command {code}"));
                Step::Dead
            }
        }
    }

    fn output(&self, n: usize, channel: &mut Channel, command: Command) -> Step {
        let Some((port, _)) = self.port(n) else {
            return Step::Wait;
        };
        while channel.moved < command.count {
            let len = ((command.count - channel.moved) as usize).min(PIECE);
            let mut piece = vec![0; len];
            let at = u64::from(command.address.wrapping_add(channel.moved));
            if self.dma.read(at, &mut piece).is_err() {
                return Step::Dead;
            }
            let taken = port.push(&piece);
            if taken == 0 {
                return Step::Wait;
            }
            channel.moved = channel.moved.saturating_add(taken as u32);
            port.settle();
        }
        self.end(n, channel, command, Some(command.count), true)
    }

    fn input(&self, n: usize, channel: &mut Channel, command: Command) -> Step {
        let Some((port, _)) = self.port(n) else {
            return Step::Wait;
        };
        while channel.moved < command.count {
            let len = ((command.count - channel.moved) as usize).min(PIECE);
            let mut piece = vec![0; len];
            let count = port.pull(&mut piece).min(len);
            if count == 0 {
                return Step::Wait;
            }
            let at = u64::from(command.address.wrapping_add(channel.moved));
            let part = piece.get(..count).unwrap_or_default();
            if self.dma.write(at, part).is_err() {
                return Step::Dead;
            }
            channel.moved = channel.moved.saturating_add(count as u32);
            port.settle();
        }
        self.end(n, channel, command, Some(command.count), true)
    }

    /// The end of a command: its result, an interrupt and a branch as it says.
    fn end(
        &self,
        n: usize,
        channel: &mut Channel,
        command: Command,
        moved: Option<u32>,
        good: bool,
    ) -> Step {
        if !good {
            return Step::Dead;
        }
        channel.moved = 0;
        channel.status &= !FLUSH;
        let left = moved.map_or(0, |m| command.count.saturating_sub(m));
        let result = channel.status << 16 | left & 0xffff;
        let place = u64::from(channel.command) + 12;
        let _ = self.dma.store(place, 4, Endian::Little, u64::from(result));
        if chosen(command.code >> 4, channel.status, channel.interrupt) {
            self.interrupt(n);
        }
        leave(channel, command)
    }

    /// Its interrupt is an edge.
    fn interrupt(&self, n: usize) {
        if let Some((_, irq)) = self.port(n) {
            irq.pulse();
        }
    }

    fn control(&self, n: usize, channel: &mut Channel, value: u32) {
        let mask = value >> 16 & WRITABLE;
        let was = channel.status;
        let mut status = was & !mask | value & mask;
        if status & RUN == 0 {
            // It stops at once and is not dead any more.
            status &= !(ACTIVE | DEAD);
            channel.moved = 0;
            channel.held = false;
        } else if was & RUN == 0 || status & WAKE != 0 {
            status = status & !(WAKE | DEAD) | ACTIVE;
        }
        if status & PAUSE != 0 {
            status &= !ACTIVE;
        } else if was & PAUSE != 0 && status & RUN != 0 {
            status |= ACTIVE;
        }
        channel.status = status;
        self.walk(n, channel);
        // Nothing is kept back: a flush is over when it was asked for.
        channel.status &= !FLUSH;
    }
}

/// Where a channel goes when a command is carried out, unless it has to wait for a condition there.
fn leave(channel: &mut Channel, command: Command) -> Step {
    channel.held = chosen(command.code, channel.status, channel.wait);
    if channel.held {
        return Step::Wait;
    }
    if chosen(command.code >> 2, channel.status, channel.branch) {
        channel.status |= BRANCH;
        return Step::To(command.argument);
    }
    channel.status &= !BRANCH;
    Step::Next
}

/// Bytes of an immediate value.
fn size_of_quad(count: u32) -> u32 {
    match count & 7 {
        4.. => 4,
        2 | 3 => 2,
        _ => 1,
    }
}

/// Whether a condition in two bits of a command holds: never, if true, if false, always.
fn chosen(bits: u16, status: u32, select: u32) -> bool {
    let (mask, value) = (select >> 16 & 0xff, select & 0xff);
    let holds = status & mask == value & mask;
    match bits & 3 {
        0 => false,
        1 => holds,
        2 => !holds,
        _ => true,
    }
}

impl Mmio for Dbdma {
    fn widths(&self) -> Widths {
        Widths::LE32
    }

    fn read(&self, offset: u64, _size: u32) -> Result<u64, BusError> {
        let channels = self.channels.lock();
        let channel = channels.get((offset / STRIDE) as usize);
        let value = channel.map_or(0, |c| match offset % STRIDE {
            STATUS => c.status,
            COMMAND_LOW => c.command,
            INTERRUPT_SELECT => c.interrupt,
            BRANCH_SELECT => c.branch,
            WAIT_SELECT => c.wait,
            _ => 0,
        });
        Ok(u64::from(value))
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        let n = (offset / STRIDE) as usize;
        let value = value as u32;
        let mut channels = self.channels.lock();
        let Some(channel) = channels.get_mut(n) else {
            return Ok(());
        };
        match offset % STRIDE {
            CONTROL => self.control(n, channel, value),
            // The list stays where it is while the channel walks through it.
            COMMAND_LOW if channel.status & ACTIVE == 0 => channel.command = value & !15,
            INTERRUPT_SELECT => channel.interrupt = value,
            BRANCH_SELECT => channel.branch = value,
            WAIT_SELECT => channel.wait = value,
            COMMAND_HIGH => {}
            _ => log::unimp("dbdma", || {
                format!("write of register {offset:#x}: {value:#x}")
            }),
        }
        Ok(())
    }
}

impl Device for Dbdma {
    fn reset(&self) {
        *self.channels.lock() = Default::default();
    }

    fn save(&self) -> Vec<u8> {
        save_state(&*self.channels.lock())
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        *self.channels.lock() = load_state(bytes)?;
        Ok(())
    }
}

#[cfg(test)]
#[path = "dbdma_tests.rs"]
mod tests;
