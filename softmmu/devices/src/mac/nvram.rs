//! Non-volatile memory of Power Macintosh computers. Its first part holds the variables of Open
//! Firmware in a partition of the common format [CHRP-NVRAM]: a head of 16 bytes, then texts.
//!
//! DEVIATES: what the guest writes is gone when the emulator ends.

use crate::class::Build;
use parking_lot::Mutex;
use softmmu_core::device::{Device, Mmio, StateError, Widths, load_state, save_state};
use std::sync::Arc;
use tcg_mem::BusError;

/// Kinds of partitions: variables of firmware, free space.
const SYSTEM: u8 = 0x70;
const FREE: u8 = 0x7f;
const HEAD: usize = 16;

struct Nvram {
    shift: u32,
    cells: Mutex<Vec<u8>>,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let size = build.values.number_or_0("size").clamp(64, 1 << 20) as usize;
    let shift = build.values.number_or_0("it_shift") as u32;
    let env = (build.values.number_or_0("env-bytes") as usize).min(size);
    let cells = formatted(size, env, &build.host.firmware_env)?;
    let nvram = Arc::new(Nvram {
        shift,
        cells: Mutex::new(cells),
    });
    build.map(0, (size as u64) << shift, nvram.clone())?;
    build.parts.device = Some(nvram);
    Ok(())
}

/// A partition's head: kind, check sum, length in units of 16 bytes, name.
fn head(kind: u8, len: usize, name: &[u8]) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    let [high, low] = ((len / HEAD) as u16).to_be_bytes();
    (head[0], head[2], head[3]) = (kind, high, low);
    for (to, from) in head[4..].iter_mut().zip(name) {
        *to = *from;
    }
    // Bytes are added, the carry comes in again at the bottom.
    let sum = head.iter().fold(0u32, |sum, b| sum + u32::from(*b));
    head[1] = ((sum & 0xff) + (sum >> 8)) as u8;
    head
}

fn formatted(size: usize, env: usize, variables: &[String]) -> Result<Vec<u8>, String> {
    let mut cells = vec![0; size];
    let mut place = |at: usize, bytes: &[u8]| match cells.get_mut(at..at + bytes.len()) {
        Some(to) => {
            to.copy_from_slice(bytes);
            true
        }
        None => false,
    };
    let texts: Vec<u8> = variables
        .iter()
        .flat_map(|v| v.bytes().chain(std::iter::once(0)))
        .collect();
    if HEAD + texts.len() > env {
        return Err("-prom-env: there is no room for all of these variables".into());
    }
    place(0, &head(SYSTEM, env, b"system"));
    place(HEAD, &texts);
    if size > env {
        place(env, &head(FREE, size - env, &[0x77; 12]));
    }
    Ok(cells)
}

impl Mmio for Nvram {
    fn widths(&self) -> Widths {
        Widths::BYTE
    }

    fn read(&self, offset: u64, _size: u32) -> Result<u64, BusError> {
        let cell = self
            .cells
            .lock()
            .get((offset >> self.shift) as usize)
            .copied();
        Ok(u64::from(cell.unwrap_or(0)))
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        if let Some(cell) = self.cells.lock().get_mut((offset >> self.shift) as usize) {
            *cell = value as u8;
        }
        Ok(())
    }
}

impl Device for Nvram {
    // It is what is left after a reset.
    fn reset(&self) {}

    fn save(&self) -> Vec<u8> {
        save_state(&*self.cells.lock())
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let loaded: Vec<u8> = load_state(bytes)?;
        let mut cells = self.cells.lock();
        if loaded.len() != cells.len() {
            return Err(StateError("another size".into()));
        }
        *cells = loaded;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Rig;

    #[test]
    fn variables_are_in_a_partition() {
        let mut rig = Rig::new();
        rig.host.firmware_env = vec!["auto-boot?=false".into()];
        rig.make("macio-nvram", &[("it_shift", "4"), ("size", "8k")]);
        let space = rig.space();
        let byte = |n: u64| space.read_device(Rig::AT + (n << 4), 1) as u8;
        assert_eq!([byte(0), byte(2), byte(3), byte(4)], [0x70, 1, 0, b's']);
        let text: Vec<u8> = (16..33).map(byte).collect();
        assert_eq!(text, b"auto-boot?=false\0");
        assert_eq!(byte(0x1000), 0x7f);
        let state = rig.device().save();
        space.write_device(Rig::AT + (0x20 << 4), 1, 9);
        rig.device().reset();
        assert_eq!(byte(0x20), 9, "a reset leaves it alone");
        rig.device().load(&state).unwrap();
        assert_eq!(rig.device().save(), state);
        assert!(rig.device().load(&state[1..]).is_err());
        rig.storm(7, 5000);
        assert!(formatted(64, 32, &["a".repeat(40)]).is_err());
    }
}
