//! The IDE controller of mac-io: the drives' registers 16 bytes apart, timing that is kept, and a
//! channel of the DMA controller [KeyLargo-Linux].

use super::bus::IdeBus;
use super::dbdma::{Dbdma, DmaPort};
use super::regs::{DATA, STATUS};
use crate::class::Build;
use parking_lot::Mutex;
use softmmu_core::device::{Device, Endian, Mmio, StateError, Widths, load_state, save_state};
use softmmu_core::log;
use std::sync::Arc;
use tcg_mem::BusError;

const STRIDE: u64 = 0x10;
const CONTROL: u64 = 0x160;
/// Where OpenBIOS looks for it.
const OLD_CONTROL: u64 = 0x80;
const TIMING: u64 = 0x200;

struct Controller {
    bus: Arc<IdeBus>,
    dma: Option<(Arc<Dbdma>, usize)>,
    timing: Mutex<u32>,
}

struct Port(Arc<IdeBus>);

impl DmaPort for Port {
    fn pull(&self, buf: &mut [u8]) -> usize {
        self.0.pull(buf)
    }

    fn push(&self, data: &[u8]) -> usize {
        self.0.push(data)
    }

    fn settle(&self) {
        self.0.settle();
    }
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let bus = Arc::new(IdeBus::new(build.output("irq", 0)));
    let mut dma = None;
    if build.values.text("dbdma").is_some() {
        let dbdma: Arc<Dbdma> = build.link("dbdma")?;
        let channel = build
            .values
            .number("channel")
            .ok_or("property 'channel' is missing")?;
        let irq = build.output("dma", 0);
        if !dbdma.connect(channel as usize, Arc::new(Port(bus.clone())), irq) {
            return Err(format!("channel {channel} is taken"));
        }
        dma = Some((dbdma, channel as usize));
    }
    let controller = Arc::new(Controller {
        bus: bus.clone(),
        dma,
        timing: Mutex::default(),
    });
    build.map(0, 0x1000, controller.clone())?;
    build.parts.service = Some(bus);
    build.parts.device = Some(controller);
    Ok(())
}

impl Mmio for Controller {
    fn widths(&self) -> Widths {
        Widths {
            endian: Endian::Little,
            min: 1,
            max: 2,
        }
    }

    fn read(&self, offset: u64, size: u32) -> Result<u64, BusError> {
        Ok(u64::from(match offset {
            0..STRIDE => self.bus.read_data(size),
            STRIDE..0x80 => u16::from(self.bus.read((offset / STRIDE) as u8)),
            CONTROL | OLD_CONTROL => u16::from(self.bus.alternate_status()),
            TIMING | 0x202 => (*self.timing.lock() >> (8 * (offset & 2))) as u16,
            _ => 0,
        }))
    }

    fn write(&self, offset: u64, size: u32, value: u64) -> Result<(), BusError> {
        match offset {
            0..STRIDE => self.bus.write_data(size, value as u16),
            STRIDE..0x80 => self.bus.write((offset / STRIDE) as u8, value as u8),
            CONTROL | OLD_CONTROL => self.bus.write_control(value as u8),
            TIMING | 0x202 => {
                let shift = 8 * (offset & 2) as u32;
                let mut timing = self.timing.lock();
                *timing = *timing & !(0xffff << shift) | (value as u32 & 0xffff) << shift;
            }
            _ => log::unimp("macio-ide", || {
                format!("write of {value:#x} at {offset:#x}")
            }),
        }
        // A command may be one that moves data by DMA.
        let moves = [u64::from(STATUS), u64::from(DATA)].contains(&(offset / STRIDE));
        if let Some((dbdma, channel)) = self.dma.as_ref().filter(|_| moves) {
            dbdma.kick(*channel);
        }
        Ok(())
    }
}

impl Device for Controller {
    fn reset(&self) {
        *self.timing.lock() = 0;
        self.bus.reset();
    }

    fn save(&self) -> Vec<u8> {
        save_state(&(*self.timing.lock(), self.bus.save()))
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let (timing, bus): (u32, Vec<u8>) = load_state(bytes)?;
        self.bus.load(&bus)?;
        *self.timing.lock() = timing;
        Ok(())
    }

    fn resume(&self) {
        self.bus.resume();
    }
}

#[cfg(test)]
#[path = "macio_tests.rs"]
mod tests;
