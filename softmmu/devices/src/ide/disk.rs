//! Commands of disks [ATA 7].

use super::drive::{MAX_BLOCK, Phase, Unit};
use super::regs::*;

/// Which way a command moves sectors.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Pio,
    Multiple,
    Dma,
}

/// Reads and writes: command, way, writes, 48-bit address.
const MOVES: &[(u8, Way, bool, bool)] = &[
    (0x20, Way::Pio, false, false),
    (0x21, Way::Pio, false, false),
    (0x24, Way::Pio, false, true),
    (0x25, Way::Dma, false, true),
    (0x29, Way::Multiple, false, true),
    (0x30, Way::Pio, true, false),
    (0x31, Way::Pio, true, false),
    (0x34, Way::Pio, true, true),
    (0x35, Way::Dma, true, true),
    (0x39, Way::Multiple, true, true),
    (0xc4, Way::Multiple, false, false),
    (0xc5, Way::Multiple, true, false),
    (0xc8, Way::Dma, false, false),
    (0xc9, Way::Dma, false, false),
    (0xca, Way::Dma, true, false),
    (0xcb, Way::Dma, true, false),
];

/// Heads and sectors of the geometry that is told.
pub(super) const GEOMETRY: (u64, u64) = (16, 63);

/// Starts a command; false: there is none with this number.
pub(super) fn command(unit: &mut Unit, command: u8) -> bool {
    if let Some((_, way, write, long)) = MOVES.iter().find(|m| m.0 == command) {
        start(unit, *way, *write, *long);
        return true;
    }
    match command {
        0xec => unit.identify(),
        // Self test: passed.
        0x90 => {
            unit.reset();
            unit.state.interrupt = true;
        }
        0x40..=0x42 => match span(unit, command == 0x42) {
            Some(_) => unit.done(),
            None => unit.fail(NOT_FOUND),
        },
        0xc6 => match unit.state.task[0][0] {
            n @ 1..=128 if n.is_power_of_two() => {
                unit.state.multiple = u32::from(n);
                unit.done();
            }
            _ => unit.fail(ABORTED),
        },
        0xef => set_features(unit),
        0xe7 | 0xea => {
            let flushed = unit.backend.as_ref().map(|b| b.flush());
            match flushed {
                Some(Ok(())) => unit.done(),
                _ => unit.fail(ABORTED),
            }
        }
        // Power: it is always active.
        0xe5 | 0x98 => {
            unit.state.task[0][0] = 0xff;
            unit.done();
        }
        0xf8 | 0x27 => {
            native_max(unit, command == 0x27);
            unit.done();
        }
        // Recalibrate, geometry, seek, and modes that save power.
        0x10..=0x1f | 0x91 | 0x70 | 0xe0..=0xe3 | 0xe6 | 0x94..=0x97 | 0x99 => unit.done(),
        _ => return false,
    }
    true
}

fn set_features(unit: &mut Unit) {
    match unit.state.features {
        0x03 => unit.state.mode = unit.state.task[0][0],
        0x02 => unit.state.write_cache = true,
        0x82 => unit.state.write_cache = false,
        // Reading ahead, power management, defaults at a reset.
        0x05 | 0x85 | 0x42 | 0xc2 | 0x55 | 0xaa | 0x66 | 0xcc | 0x69 | 0x67 | 0x96 | 0x9a => {}
        _ => return unit.fail(ABORTED),
    }
    unit.done();
}

fn native_max(unit: &mut Unit, long: bool) {
    let last = unit.sectors().saturating_sub(1);
    let limit = if long { u64::MAX } else { 0xfff_ffff };
    let bytes = last.min(limit).to_le_bytes();
    for (n, place) in unit.state.task.iter_mut().skip(1).enumerate() {
        let high = if long { bytes[n + 3] } else { 0 };
        *place = [bytes[n], high];
    }
    if !long {
        unit.state.device = unit.state.device & 0xf0 | bytes[3] & 15;
    }
}

/// First sector and number of sectors; none if they are not all on the disk.
fn span(unit: &Unit, long: bool) -> Option<(u64, u64)> {
    let s = &unit.state;
    let [count, low, mid, high] = s.task.map(|t| t.map(u64::from));
    let (lba, count) = if long {
        let address = |i: usize| low[i] | mid[i] << 8 | high[i] << 16;
        (address(0) | address(1) << 24, count[0] | count[1] << 8)
    } else if s.device & DEVICE_LBA != 0 {
        let top = u64::from(s.device & 15) << 24;
        (low[0] | mid[0] << 8 | high[0] << 16 | top, count[0])
    } else {
        let (heads, sectors) = GEOMETRY;
        let cylinder = mid[0] | high[0] << 8;
        let track = cylinder * heads + u64::from(s.device & 15);
        ((track * sectors + low[0]).checked_sub(1)?, count[0])
    };
    let count = match count {
        0 if long => 0x1_0000,
        0 => 0x100,
        n => n,
    };
    (lba + count <= unit.sectors()).then_some((lba, count))
}

fn start(unit: &mut Unit, way: Way, write: bool, long: bool) {
    let read_only = unit.backend.as_ref().is_none_or(|b| b.read_only());
    if write && read_only {
        return unit.fail(ABORTED);
    }
    let Some((lba, count)) = span(unit, long) else {
        return unit.fail(NOT_FOUND);
    };
    (unit.state.lba, unit.state.left) = (lba, count);
    unit.state.block = match way {
        Way::Pio => 1,
        Way::Multiple => unit.state.multiple,
        Way::Dma => MAX_BLOCK as u32,
    };
    let phase = match (way == Way::Dma, write) {
        (true, true) => Phase::DmaOut,
        (true, false) => Phase::DmaIn,
        (false, true) => Phase::Out,
        (false, false) => Phase::In,
    };
    // The first block of a write by the processor is asked for without an interrupt.
    fill(unit, phase, phase == Phase::In);
}

/// Makes the next buffer: full of the disk's data, or empty.
fn fill(unit: &mut Unit, phase: Phase, interrupt: bool) {
    let count = unit
        .state
        .left
        .min(u64::from(unit.state.block))
        .min(MAX_BLOCK);
    let len = count as usize * SECTOR;
    unit.state.buffer.clear();
    unit.state.buffer.resize(len, 0);
    if matches!(phase, Phase::In | Phase::DmaIn) {
        let from = unit.state.lba.saturating_mul(SECTOR as u64);
        let buffer = &mut unit.state.buffer;
        let read = unit.backend.as_ref().map(|b| b.read(from, buffer));
        if !matches!(read, Some(Ok(()))) {
            return unit.fail(UNCORRECTABLE);
        }
        unit.state.lba = unit.state.lba.saturating_add(count);
        unit.state.left -= count;
    }
    unit.offer(phase, interrupt);
}

/// The buffer has been moved.
pub(super) fn next(unit: &mut Unit) {
    let phase = unit.state.phase;
    let write = matches!(phase, Phase::Out | Phase::DmaOut);
    if write {
        let at = unit.state.lba.saturating_mul(SECTOR as u64);
        let written = unit
            .backend
            .as_ref()
            .map(|b| b.write(at, &unit.state.buffer));
        if !matches!(written, Some(Ok(()))) {
            return unit.fail(UNCORRECTABLE);
        }
        let count = (unit.state.buffer.len() / SECTOR) as u64;
        unit.state.lba = unit.state.lba.saturating_add(count);
        unit.state.left = unit.state.left.saturating_sub(count);
    }
    if unit.state.left > 0 {
        fill(unit, phase, matches!(phase, Phase::In | Phase::Out));
    } else if phase == Phase::In {
        // Nothing is told after the last block that the processor has fetched.
        unit.state.phase = Phase::Idle;
        unit.state.status = READY | DSC;
    } else {
        unit.done();
    }
}
