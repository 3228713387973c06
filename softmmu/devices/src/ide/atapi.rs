//! A CD drive: commands in packets [MMC, ATA 7.20].
//!
//! UNIMPL: audio, writing, changing the medium while the machine runs.

use super::drive::{Phase, Unit};
use super::regs::*;
use softmmu_core::log;

/// Interrupt reason: a command packet is expected, the drive sends.
const REASON_PACKET: u8 = 1;
const REASON_IN: u8 = 2;
/// Features register: data by DMA.
const BY_DMA: u8 = 1;

/// Sense keys with code and qualifier.
const NO_MEDIUM: [u8; 3] = [2, 0x3a, 0];
const MEDIUM_ERROR: [u8; 3] = [3, 0x11, 0];
const BAD_OPCODE: [u8; 3] = [5, 0x20, 0];
const BAD_ADDRESS: [u8; 3] = [5, 0x21, 0];
const BAD_FIELD: [u8; 3] = [5, 0x24, 0];

/// Starts a command; false: there is none with this number.
pub(super) fn command(unit: &mut Unit, command: u8) -> bool {
    match command {
        0xa0 => {
            unit.state.buffer = vec![0; 12];
            unit.state.task[0][0] = REASON_PACKET;
            unit.offer(Phase::Packet, false);
        }
        0xa1 => unit.identify(),
        // Tells that it is not a disk.
        0xec | 0x20 => {
            let (cdrom, device) = (unit.state.clone(), unit.state.device);
            unit.reset();
            unit.state.features = cdrom.features;
            unit.state.device = device;
            unit.fail(ABORTED);
        }
        // Reset of this device alone.
        0x08 => unit.reset(),
        0x90 => {
            unit.reset();
            unit.state.interrupt = true;
        }
        0xef => {
            unit.state.mode = unit.state.task[0][0];
            unit.done();
        }
        0x00 | 0xe0..=0xe3 | 0xe5 | 0xe6 => unit.done(),
        _ => return false,
    }
    true
}

fn finish(unit: &mut Unit) {
    unit.state.task[0][0] = REASON_PACKET | REASON_IN;
    unit.state.sense = [0; 3];
    unit.done();
}

fn refuse(unit: &mut Unit, sense: [u8; 3]) {
    unit.state.sense = sense;
    unit.state.task[0][0] = REASON_PACKET | REASON_IN;
    unit.fail(sense[0] << 4 | ABORTED);
}

/// Sends what is in the buffer, at most what the command allows.
fn send(unit: &mut Unit, mut bytes: Vec<u8>, allowed: usize) {
    bytes.truncate(allowed);
    if bytes.is_empty() {
        return finish(unit);
    }
    unit.state.buffer = bytes;
    unit.state.left = 0;
    present(unit);
}

fn present(unit: &mut Unit) {
    unit.state.task[0][0] = REASON_IN;
    let dma = unit.state.features & BY_DMA != 0;
    if dma {
        return unit.offer(Phase::DmaIn, false);
    }
    let len = (unit.state.buffer.len() as u16).to_le_bytes();
    (unit.state.task[2][0], unit.state.task[3][0]) = (len[0], len[1]);
    unit.offer(Phase::In, true);
}

/// A buffer has been fetched.
pub(super) fn next(unit: &mut Unit) {
    if unit.state.command == 0xa1 {
        unit.state.phase = Phase::Idle;
        unit.state.status = READY | DSC;
    } else if unit.state.left > 0 {
        read_on(unit);
    } else {
        finish(unit);
    }
}

fn medium(unit: &Unit) -> Option<u64> {
    unit.backend.as_ref().map(|b| b.size() / CD_SECTOR as u64)
}

fn read_on(unit: &mut Unit) {
    // By the processor: as many sectors as the byte count allows, at least one.
    let limit = u64::from(unit.state.block.max(1));
    let count = unit.state.left.min(limit);
    let mut buffer = vec![0; count as usize * CD_SECTOR];
    let at = unit.state.lba.saturating_mul(CD_SECTOR as u64);
    let read = unit.backend.as_ref().map(|b| b.read(at, &mut buffer));
    if !matches!(read, Some(Ok(()))) {
        return refuse(unit, MEDIUM_ERROR);
    }
    unit.state.lba = unit.state.lba.saturating_add(count);
    unit.state.left -= count;
    unit.state.buffer = buffer;
    present(unit);
}

fn read(unit: &mut Unit, lba: u64, count: u64) {
    let Some(sectors) = medium(unit) else {
        return refuse(unit, NO_MEDIUM);
    };
    if lba.saturating_add(count) > sectors {
        return refuse(unit, BAD_ADDRESS);
    }
    if count == 0 {
        return finish(unit);
    }
    let allowed = u32::from(unit.state.task[2][0]) | u32::from(unit.state.task[3][0]) << 8;
    let dma = unit.state.features & BY_DMA != 0;
    unit.state.block = if dma {
        64
    } else {
        (allowed / CD_SECTOR as u32).clamp(1, 31)
    };
    (unit.state.lba, unit.state.left) = (lba, count);
    read_on(unit);
}

fn be16(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take(2)
        .fold(0, |n, b| n << 8 | usize::from(*b))
}

fn be32(bytes: &[u8]) -> u64 {
    bytes.iter().take(4).fold(0, |n, b| n << 8 | u64::from(*b))
}

/// A packet has come.
pub(super) fn packet(unit: &mut Unit) {
    let mut p = [0; 12];
    for (to, from) in p.iter_mut().zip(&unit.state.buffer) {
        *to = *from;
    }
    let needs_medium = matches!(p[0], 0x00 | 0x25 | 0x2b | 0x43 | 0x51);
    if needs_medium && medium(unit).is_none() {
        return refuse(unit, NO_MEDIUM);
    }
    match p[0] {
        // Test unit ready, start and stop, lock, seek.
        0x00 | 0x1b | 0x1e | 0x2b => finish(unit),
        0x03 => {
            let [key, code, qualifier] = unit.state.sense;
            let mut sense = vec![0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, code, qualifier];
            sense.resize(18, 0);
            send(unit, sense, usize::from(p[4]));
        }
        0x12 => send(unit, inquiry(), usize::from(p[4])),
        0x25 => {
            let last = medium(unit).unwrap_or(0).saturating_sub(1) as u32;
            let size = (CD_SECTOR as u32).to_be_bytes();
            send(unit, [last.to_be_bytes(), size].concat(), 8);
        }
        0x28 => read(unit, be32(&p[2..]), be16(&p[7..]) as u64),
        0xa8 => read(unit, be32(&p[2..]), be32(&p[6..])),
        0x43 => contents(unit, &p),
        0x46 => {
            let profile = u8::from(medium(unit).is_some()) * 8;
            send(unit, vec![0, 0, 0, 4, 0, 0, 0, profile], be16(&p[7..]));
        }
        0x4a => {
            let state = u8::from(medium(unit).is_some()) * 2;
            send(unit, vec![0, 6, 4, 0x10, 0, state, 0, 0], be16(&p[7..]));
        }
        0x51 => {
            let mut info = vec![0, 32, 0x0e, 1, 1, 1, 1, 0x20];
            info.resize(34, 0);
            send(unit, info, be16(&p[7..]));
        }
        0x5a => mode_sense(unit, &p),
        0xbd => send(unit, vec![0; 8], be16(&p[8..])),
        code => {
            log::unimp("ide-cd", || format!("packet {code:#04x}"));
            refuse(unit, BAD_OPCODE);
        }
    }
}

fn inquiry() -> Vec<u8> {
    // A CD drive with removable medium.
    let mut out = vec![5, 0x80, 0, 0x21, 31, 0, 0, 0];
    out.extend(b"EMU     EMU DVD-ROM     1.0 ");
    out
}

/// The table of contents: one track, or one session.
fn contents(unit: &mut Unit, p: &[u8; 12]) {
    let minutes = p[1] & 2 != 0;
    let sectors = medium(unit).unwrap_or(0);
    let address = |lba: u64| {
        let frames = lba + 150;
        match minutes {
            true => [
                0,
                (frames / 4500) as u8,
                (frames / 75 % 60) as u8,
                (frames % 75) as u8,
            ],
            false => (lba as u32).to_be_bytes(),
        }
    };
    let entry = |track: u8, lba: u64| {
        let mut out = vec![0, 0x14, track, 0];
        out.extend(address(lba));
        out
    };
    let format = match p[2] & 15 {
        0 => p[9] >> 6,
        n => n,
    };
    let mut body = vec![1, 1];
    match format {
        0 => {
            if p[6] <= 1 {
                body.extend(entry(1, 0));
            }
            body.extend(entry(0xaa, sectors));
        }
        1 => body.extend(entry(1, 0)),
        _ => return refuse(unit, BAD_FIELD),
    }
    let mut out = (body.len() as u16).to_be_bytes().to_vec();
    out.append(&mut body);
    send(unit, out, be16(&p[7..]));
}

/// Pages of the drive's mode: error recovery, capabilities.
fn mode_sense(unit: &mut Unit, p: &[u8; 12]) {
    let page: Vec<u8> = match p[2] & 63 {
        1 => vec![1, 6, 0, 5, 0, 0, 0, 0],
        0x2a => {
            let mut page = vec![0x2a, 18, 0x3b, 0, 0x71, 0x60, 0x29, 0];
            // Speeds in kB/s and a buffer of 512 KiB.
            for word in [706u16, 2, 512, 706] {
                page.extend(word.to_be_bytes());
            }
            page.resize(20, 0);
            page
        }
        _ => return refuse(unit, BAD_FIELD),
    };
    let kind = if medium(unit).is_some() { 1 } else { 0x70 };
    let mut out = ((page.len() + 6) as u16).to_be_bytes().to_vec();
    out.extend([kind, 0, 0, 0, 0, 0]);
    out.extend(page);
    send(unit, out, be16(&p[7..]));
}
