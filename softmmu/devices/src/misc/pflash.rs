//! NOR flash with Intel's command set and the common flash interface [CFI, INTEL-NOR]: one chip as wide as
//! its bank. What is programmed is written to the disk that it keeps its contents in, if there is one.
//!
//! UNIMPL: suspending, protection registers. Programming and erasing take no time.

use crate::class::Build;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::block::BlockBackend;
use softmmu_core::device::{Device, Endian, Mmio, StateError, Widths, load_state, save_state};
use softmmu_core::log;
use std::sync::Arc;
use tcg_mem::BusError;

const READ_ARRAY: u8 = 0xff;
const READ_ID: u8 = 0x90;
const READ_CFI: u8 = 0x98;
const READ_STATUS: u8 = 0x70;
const CLEAR_STATUS: u8 = 0x50;
const PROGRAM: u8 = 0x40;
const PROGRAM_TOO: u8 = 0x10;
const BUFFER: u8 = 0xe8;
const ERASE: u8 = 0x20;
const LOCK: u8 = 0x60;
const CONFIRM: u8 = 0xd0;

const READY: u8 = 0x80;
const ERASE_ERROR: u8 = 0x20;
const PROGRAM_ERROR: u8 = 0x10;

/// Words of the buffer that is programmed at once, as a power of two of bytes.
const BUFFER_BITS: u32 = 11;

/// What the next write means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Expect {
    /// A command.
    #[default]
    Command,
    /// A word to program.
    Word,
    /// That a block is to be erased.
    Erase,
    /// What is to be done about a lock.
    Lock,
    /// How many words come, less one.
    Count,
    /// So many words more.
    Words(u32),
    /// That the words are to be programmed.
    Confirm,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    /// What is read: a command's number.
    mode: u8,
    status: u8,
    expect: Expect,
    /// Words that wait for the confirmation.
    words: Vec<(u64, u64)>,
    data: Vec<u8>,
}

struct Flash {
    state: Mutex<State>,
    disk: Option<Arc<dyn BlockBackend>>,
    width: u32,
    block: u64,
    endian: Endian,
    id: [u8; 2],
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let values = build.values;
    let width = values.number_or_0("width") as u32;
    let (blocks, block) = (
        values.number_or_0("num-blocks"),
        values.number_or_0("sector-length"),
    );
    let size = blocks.checked_mul(block).filter(|s| *s <= 1 << 30);
    let size = size.ok_or("more than 1 GiB")?;
    if ![1, 2, 4].contains(&width) {
        return Err("width: expected 1, 2 or 4".into());
    }
    if !block.is_power_of_two() || block < 256 || !blocks.is_power_of_two() {
        return Err(
            "sector-length, num-blocks: expected powers of two, sectors of 256 bytes or more"
                .into(),
        );
    }
    let disk = build.block("drive")?;
    let mut data = vec![0xff; size as usize];
    if let Some(disk) = &disk {
        if disk.size() != size {
            return Err(format!("drive has {} bytes, the flash {size}", disk.size()));
        }
        disk.read(0, &mut data).map_err(|e| format!("drive: {e}"))?;
    }
    let flash = Arc::new(Flash {
        state: Mutex::new(State {
            mode: READ_ARRAY,
            status: READY,
            expect: Expect::Command,
            words: Vec::new(),
            data,
        }),
        disk,
        width,
        block,
        endian: if values.switch("big-endian") {
            Endian::Big
        } else {
            Endian::Little
        },
        id: [
            values.number_or_0("id0") as u8,
            values.number_or_0("id1") as u8,
        ],
    });
    build.map(0, size, flash.clone())?;
    build.parts.device = Some(flash);
    Ok(())
}

/// The byte of the common flash interface's table at a word address.
fn cfi(word: u64, size: u64, block: u64) -> u8 {
    let blocks = (size / block - 1) as u32;
    let unit = (block / 256) as u32;
    match word {
        0x10..0x13 => b"QRY"[(word - 0x10) as usize],
        // Intel's extended command set, its table at word 0x31.
        0x13 => 1,
        0x15 => 0x31,
        // Volts, in tenths; typical and longest times, as powers of two.
        0x1b => 0x45,
        0x1c => 0x55,
        0x1f..0x21 => 7,
        0x21 => 10,
        0x23..0x25 => 4,
        0x25 => 4,
        0x27 => size.trailing_zeros() as u8,
        0x28 => 2,
        0x2a => BUFFER_BITS as u8,
        // One region of equal blocks.
        0x2c => 1,
        0x2d => blocks as u8,
        0x2e => (blocks >> 8) as u8,
        0x2f => unit as u8,
        0x30 => (unit >> 8) as u8,
        0x31..0x34 => b"PRI"[(word - 0x31) as usize],
        0x34 => b'1',
        0x35 => b'0',
        _ => 0,
    }
}

impl Flash {
    fn array(&self, state: &State, offset: u64, size: u32) -> u64 {
        let bytes = state.data.iter().skip(offset as usize).take(size as usize);
        let fold = |n: u64, b: &u8| n << 8 | u64::from(*b);
        match self.endian {
            Endian::Big => bytes.fold(0, fold),
            Endian::Little => bytes.rev().fold(0, fold),
        }
    }

    fn keep(&self, state: &State, offset: u64, len: u64) -> bool {
        let part = state.data.get(offset as usize..(offset + len) as usize);
        match (&self.disk, part) {
            (Some(disk), Some(part)) if !disk.read_only() => disk.write(offset, part).is_ok(),
            (_, part) => part.is_some(),
        }
    }

    /// Bits can only be cleared.
    fn program(&self, state: &mut State, offset: u64, value: u64) {
        let width = self.width as usize;
        let bytes = match self.endian {
            Endian::Little => value.to_le_bytes(),
            Endian::Big => (value << (64 - 8 * self.width)).to_be_bytes(),
        };
        let offset = offset & !(u64::from(self.width) - 1);
        let cells = state.data.iter_mut().skip(offset as usize).take(width);
        cells.zip(bytes).for_each(|(cell, b)| *cell &= b);
        if !self.keep(state, offset, u64::from(self.width)) {
            state.status |= PROGRAM_ERROR;
        }
    }

    fn erase(&self, state: &mut State, offset: u64) {
        let first = offset & !(self.block - 1);
        let cells = state.data.iter_mut().skip(first as usize);
        cells.take(self.block as usize).for_each(|c| *c = 0xff);
        if !self.keep(state, first, self.block) {
            state.status |= ERASE_ERROR;
        }
    }

    fn command(&self, state: &mut State, command: u8) {
        state.mode = READ_STATUS;
        match command {
            READ_ARRAY | READ_ID | READ_CFI => state.mode = command,
            READ_STATUS => {}
            CLEAR_STATUS => {
                state.status = READY;
                state.mode = READ_ARRAY;
            }
            PROGRAM | PROGRAM_TOO => state.expect = Expect::Word,
            ERASE => state.expect = Expect::Erase,
            LOCK => state.expect = Expect::Lock,
            BUFFER => state.expect = Expect::Count,
            // The confirmation of nothing, or of what was suspended.
            CONFIRM => {}
            other => {
                log::unimp("cfi.pflash01", || format!("command {other:#x}"));
                state.mode = READ_ARRAY;
            }
        }
    }

    fn next(&self, state: &mut State, offset: u64, value: u64) {
        let command = value as u8;
        match std::mem::take(&mut state.expect) {
            Expect::Command => self.command(state, command),
            Expect::Word => self.program(state, offset, value),
            Expect::Erase if command == CONFIRM => self.erase(state, offset),
            Expect::Erase => state.status |= ERASE_ERROR | PROGRAM_ERROR,
            // Nothing is ever locked.
            Expect::Lock => {}
            Expect::Count => {
                let most = (1 << BUFFER_BITS) / self.width;
                let count = (value as u32 & 0xffff).saturating_add(1);
                state.words.clear();
                if count > most {
                    state.status |= PROGRAM_ERROR | ERASE_ERROR;
                } else {
                    state.expect = Expect::Words(count);
                }
            }
            Expect::Words(left) => {
                state.words.push((offset, value));
                state.expect = match left {
                    2.. => Expect::Words(left - 1),
                    _ => Expect::Confirm,
                };
            }
            Expect::Confirm => {
                let words = std::mem::take(&mut state.words);
                if command == CONFIRM {
                    words.iter().for_each(|(o, v)| self.program(state, *o, *v));
                } else {
                    state.status |= PROGRAM_ERROR | ERASE_ERROR;
                }
            }
        }
    }
}

impl Mmio for Flash {
    fn widths(&self) -> Widths {
        Widths {
            endian: self.endian,
            min: 1,
            max: self.width,
        }
    }

    fn read(&self, offset: u64, size: u32) -> Result<u64, BusError> {
        let state = self.state.lock();
        let word = offset / u64::from(self.width);
        let value = match state.mode {
            READ_ARRAY => return Ok(self.array(&state, offset, size)),
            READ_ID => match word & 0xff {
                n @ 0..2 => self.id[n as usize],
                _ => 0,
            },
            READ_CFI => cfi(word & 0xff, state.data.len() as u64, self.block),
            _ => state.status,
        };
        Ok(u64::from(value))
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        self.next(&mut self.state.lock(), offset, value);
        Ok(())
    }
}

impl Device for Flash {
    fn reset(&self) {
        let mut state = self.state.lock();
        state.mode = READ_ARRAY;
        state.status = READY;
        state.expect = Expect::Command;
        state.words.clear();
    }

    fn save(&self) -> Vec<u8> {
        save_state(&*self.state.lock())
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let loaded: State = load_state(bytes)?;
        let mut state = self.state.lock();
        if loaded.data.len() != state.data.len() {
            return Err(StateError("made for another size".into()));
        }
        *state = loaded;
        Ok(())
    }

    fn describe(&self) -> String {
        let state = self.state.lock();
        format!("{} bytes, reads give {:#x}", state.data.len(), state.mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Rig;

    fn flash() -> Rig {
        let mut rig = Rig::new();
        let props = [
            ("width", "2"),
            ("num-blocks", "16"),
            ("sector-length", "64k"),
        ];
        rig.drive();
        rig.make("cfi.pflash01", &[&props[..], &[("drive", "d0")]].concat());
        rig
    }

    #[test]
    fn identified_programmed_erased_and_kept() {
        let rig = flash();
        let space = rig.space();
        let get = |o: u64| space.read_device(Rig::AT + o, 2).swap_bytes() >> 48;
        let put = |o: u64, v: u64| space.write_device(Rig::AT + o, 2, v.swap_bytes() >> 48);
        put(0xaa, u64::from(READ_CFI));
        assert_eq!([get(0x20), get(0x22), get(0x24)], [0x51, 0x52, 0x59]);
        assert_eq!((get(0x4e), get(0x5a), get(0x60)), (20, 15, 1));
        put(0, u64::from(READ_ID));
        assert_eq!((get(0), get(2)), (0x89, 0x18));
        put(0x10000, u64::from(ERASE));
        put(0x10000, u64::from(CONFIRM));
        put(0x10010, u64::from(PROGRAM));
        put(0x10010, 0x1234);
        put(0x10010, u64::from(BUFFER));
        put(0x10010, 1);
        put(0x10010, 0xff0f);
        put(0x10012, 0x5678);
        assert_eq!(get(0) & 0x80, 0x80);
        put(0x10010, u64::from(CONFIRM));
        put(0, u64::from(READ_ARRAY));
        assert_eq!(
            (get(0x10010), get(0x10012), get(0x10014)),
            (0x1204, 0x5678, 0xffff)
        );
        assert_eq!(
            rig.fake.disk.lock()[0x10010..0x10014],
            [0x12, 0x04, 0x56, 0x78]
        );
        put(0, u64::from(BUFFER));
        put(0, 0xffff);
        assert_ne!(get(0) & u64::from(PROGRAM_ERROR), 0, "too many words");
    }

    #[test]
    fn nonsense_is_survived_and_states_go_round() {
        let (one, two) = (flash(), flash());
        one.storm(77, 3000);
        let state = one.device().save();
        two.device()
            .load(&state)
            .expect("a state of the same flash");
        assert!(two.device().save() == state);
        assert!(two.device().load(&state[..100]).is_err());
        one.device().reset();
    }
}
