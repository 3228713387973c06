//! Register files on the device control bus: what software writes is kept, some bits excepted.
//!
//! Most units of the 4xx parts are set up once by firmware and then work by themselves; of these
//! there is nothing to emulate but their registers. A unit's table says which there are; a board
//! says what the pins or firmware would have left in them.

use crate::class::Build;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::cpu::Dcr;
use softmmu_core::device::{Device, StateError, load_state, save_state};
use softmmu_core::log;
use softmmu_opts::integer;
use std::sync::Arc;

/// How the registers are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Each is a device control register.
    Direct,
    /// The first device control register holds a number, the second is the register of that number.
    Indirect,
}

/// A register, or several of consecutive numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Register {
    pub number: u32,
    pub count: u32,
    pub name: &'static str,
    pub how: How,
}

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Sets these bits.
    Keep(u32),
    /// Ones clear.
    Clear,
    /// Nothing: it says what the part is or how it does.
    Fixed,
    /// Asks for something that is not emulated if one of these bits is set.
    Starts(u32),
}

/// A unit.
pub(super) struct Unit {
    pub name: &'static str,
    /// Device control registers.
    pub count: u32,
    pub access: Access,
    pub registers: &'static [Register],
}

impl Unit {
    /// Where a register's value is, and the register.
    fn find(&self, number: u32) -> Option<(usize, &'static Register)> {
        let mut place = 0;
        for register in self.registers {
            let skip = number.wrapping_sub(register.number);
            if skip < register.count {
                return Some((place + skip as usize, register));
            }
            place += register.count as usize;
        }
        None
    }

    fn total(&self) -> usize {
        self.registers.iter().map(|r| r.count as usize).sum()
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    number: u32,
    values: Vec<u32>,
}

struct File {
    unit: &'static Unit,
    first: State,
    state: Mutex<State>,
}

/// Makes a unit; `extra`: what further registers hold at first.
pub(super) fn create(
    build: &mut Build<'_>,
    unit: &'static Unit,
    extra: &[(u32, u32)],
) -> Result<(), String> {
    let mut first = State {
        number: 0,
        values: vec![0; unit.total()],
    };
    let given = given(build.values.text("values").unwrap_or(""))?;
    for (number, value) in extra.iter().chain(&given) {
        let (place, _) = unit
            .find(*number)
            .ok_or_else(|| format!("values: {} has no register {number:#x}", unit.name))?;
        if let Some(cell) = first.values.get_mut(place) {
            *cell = *value;
        }
    }
    let file = Arc::new(File {
        unit,
        state: Mutex::new(first.clone()),
        first,
    });
    build.parts.dcr = Some((file.clone(), unit.count));
    build.parts.device = Some(file);
    Ok(())
}

/// `NUMBER=VALUE NUMBER=VALUE ...`
fn given(text: &str) -> Result<Vec<(u32, u32)>, String> {
    let number = |t: &str| integer(t).and_then(|n| u32::try_from(n).ok());
    let pair = |word: &str| {
        let (n, v) = word.split_once('=')?;
        Some((number(n)?, number(v)?))
    };
    let words = text.split_whitespace();
    words
        .map(|w| pair(w).ok_or_else(|| format!("values: '{w}': expected NUMBER=VALUE")))
        .collect()
}

impl File {
    fn selected(&self, state: &State, n: u32) -> u32 {
        match self.unit.access {
            Access::Direct => n,
            Access::Indirect => state.number,
        }
    }
}

impl Dcr for File {
    fn dcr_read(&self, n: u32) -> u32 {
        let state = self.state.lock();
        if self.unit.access == Access::Indirect && n == 0 {
            return state.number;
        }
        let number = self.selected(&state, n);
        match self.unit.find(number) {
            Some((place, _)) => state.values.get(place).copied().unwrap_or(0),
            None => {
                log::unimp(self.unit.name, || format!("read of register {number:#x}"));
                0
            }
        }
    }

    fn dcr_write(&self, n: u32, value: u32) {
        let mut state = self.state.lock();
        if self.unit.access == Access::Indirect && n == 0 {
            state.number = value;
            return;
        }
        let number = self.selected(&state, n);
        let name = self.unit.name;
        let Some((place, register)) = self.unit.find(number) else {
            log::unimp(name, || {
                format!("write of register {number:#x}: {value:#x}")
            });
            return;
        };
        let Some(cell) = state.values.get_mut(place) else {
            return;
        };
        match register.how {
            How::Keep(mask) => *cell = *cell & !mask | value & mask,
            How::Clear => *cell &= !value,
            How::Fixed => log::guest_error(name, || format!("write of {}", register.name)),
            How::Starts(bits) => {
                *cell = value & !bits;
                if value & bits != 0 {
                    log::unimp(name, || format!("{}: {value:#x}", register.name));
                }
            }
        }
    }
}

impl Device for File {
    fn reset(&self) {
        *self.state.lock() = self.first.clone();
    }

    fn save(&self) -> Vec<u8> {
        save_state(&*self.state.lock())
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let loaded: State = load_state(bytes)?;
        if loaded.values.len() != self.first.values.len() {
            return Err(StateError("made for another unit".into()));
        }
        *self.state.lock() = loaded;
        Ok(())
    }
}
