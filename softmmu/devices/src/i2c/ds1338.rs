//! The DS1338 real-time clock [DS1338]: seven registers of time in BCD, control, 56 bytes.

use super::I2cTarget;
use super::calendar::{bcd, date, days, unbcd};
use crate::class::Build;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::clock::Clock;
use softmmu_core::device::{Device, StateError, load_state, save_state};
use std::sync::Arc;

const REGISTERS: u8 = 64;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    pointer: u8,
    /// The next byte that is written is the pointer.
    pointing: bool,
    /// Seconds by which the guest has set it off the machine's time of day.
    offset: i64,
    /// The clock stands still at this time, in seconds since 1970.
    halted: Option<i64>,
    twelve_hours: bool,
    /// What the guest says the day of the week was, minus what it is.
    weekday: u8,
    control: u8,
    memory: Vec<u8>,
    /// The time registers as they were when the transfer began.
    time: [u8; 7],
}

impl State {
    fn new() -> State {
        State {
            pointer: 0,
            pointing: false,
            offset: 0,
            halted: None,
            twelve_hours: false,
            weekday: 0,
            control: 3,
            memory: vec![0; usize::from(REGISTERS) - 8],
            time: [0; 7],
        }
    }

    fn seconds(&self, clock: &Clock) -> i64 {
        let now = clock.time_of_day().as_secs() as i64;
        self.halted
            .unwrap_or_else(|| now.saturating_add(self.offset))
    }

    fn latch(&mut self, clock: &Clock) {
        let seconds = self.seconds(clock);
        let (year, month, day) = date(seconds.div_euclid(86400));
        let time = seconds.rem_euclid(86400);
        let hour = time / 3600;
        let hours = match (self.twelve_hours, hour) {
            (false, _) => bcd(hour),
            (true, 0) => 0x40 | 0x12,
            (true, 1..=12) => 0x40 | bcd(hour) | if hour == 12 { 0x20 } else { 0 },
            (true, _) => 0x60 | bcd(hour - 12),
        };
        let weekday = (seconds.div_euclid(86400) + 4).rem_euclid(7);
        let weekday = (weekday + i64::from(self.weekday)).rem_euclid(7) + 1;
        let halted = if self.halted.is_some() { 0x80 } else { 0 };
        self.time = [
            bcd(time % 60) | halted,
            bcd(time / 60 % 60),
            hours,
            weekday as u8,
            bcd(day),
            bcd(month),
            bcd(year.rem_euclid(100)),
        ];
    }

    /// One time register has been written: the clock goes on from what they say together.
    fn set_time(&mut self, clock: &Clock, register: usize, byte: u8) {
        self.latch(clock);
        if let Some(r) = self.time.get_mut(register) {
            *r = byte;
        }
        let [second, minute, hours, weekday, day, month, year] = self.time;
        self.twelve_hours = hours & 0x40 != 0;
        let hour = match (self.twelve_hours, hours & 0x20 != 0) {
            (false, _) => unbcd(hours & 0x3f),
            (true, false) => unbcd(hours & 0x1f) % 12,
            (true, true) => unbcd(hours & 0x1f) % 12 + 12,
        };
        let days = days(
            2000 + unbcd(year),
            unbcd(month & 0x1f).clamp(1, 12),
            unbcd(day & 0x3f),
        );
        let of_day = hour * 3600 + unbcd(minute & 0x7f) * 60 + unbcd(second & 0x7f);
        let seconds = days * 86400 + of_day;
        let natural = (days + 4).rem_euclid(7);
        self.weekday = (i64::from(weekday & 7) - 1 - natural).rem_euclid(7) as u8;
        self.halted = (second & 0x80 != 0).then_some(seconds);
        self.offset = seconds - clock.time_of_day().as_secs() as i64;
    }
}

struct Ds1338 {
    state: Mutex<State>,
    clock: Arc<Clock>,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let bus = build.i2c.clone().ok_or("needs an I2C bus")?;
    let clock = build.host.timers.clock().clone();
    let device = Arc::new(Ds1338 {
        state: Mutex::new(State::new()),
        clock,
    });
    let address = build.values.number("address").unwrap_or(0x68) as u8;
    bus.add(address, device.clone())?;
    build.parts.device = Some(device);
    Ok(())
}

impl I2cTarget for Ds1338 {
    fn start(&self, read: bool) {
        let mut state = self.state.lock();
        state.pointing = !read;
        state.latch(&self.clock);
    }

    fn write(&self, byte: u8) -> bool {
        let mut state = self.state.lock();
        if std::mem::take(&mut state.pointing) {
            state.pointer = byte % REGISTERS;
            return true;
        }
        let register = usize::from(state.pointer);
        match register {
            0..7 => state.set_time(&self.clock, register, byte),
            7 => state.control = byte & 0xb3,
            _ => {
                if let Some(cell) = state.memory.get_mut(register - 8) {
                    *cell = byte;
                }
            }
        }
        state.pointer = (state.pointer + 1) % REGISTERS;
        true
    }

    fn read(&self) -> u8 {
        let mut state = self.state.lock();
        let register = usize::from(state.pointer);
        let byte = match register {
            0..7 => state.time.get(register).copied().unwrap_or(0),
            7 => state.control,
            _ => state.memory.get(register - 8).copied().unwrap_or(0),
        };
        state.pointer = (state.pointer + 1) % REGISTERS;
        byte
    }
}

impl Device for Ds1338 {
    /// The part has no reset and goes on by its battery; only a transfer is broken off.
    fn reset(&self) {
        let mut state = self.state.lock();
        state.pointer = 0;
        state.pointing = false;
        state.time = [0; 7];
    }

    fn save(&self) -> Vec<u8> {
        save_state(&*self.state.lock())
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let mut loaded: State = load_state(bytes)?;
        loaded.pointer %= REGISTERS;
        loaded.memory.resize(usize::from(REGISTERS) - 8, 0);
        *self.state.lock() = loaded;
        Ok(())
    }

    fn describe(&self) -> String {
        format!("{} s since 1970", self.state.lock().seconds(&self.clock))
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Rig, device_tests};

    device_tests!("ds1338", |_: &mut Rig| {});

    fn read(rig: &Rig, from: u8, count: usize) -> Vec<u8> {
        rig.i2c.start(0x68, false);
        rig.i2c.write(from);
        rig.i2c.start(0x68, true);
        let bytes = (0..count).map(|_| rig.i2c.read()).collect();
        rig.i2c.stop();
        bytes
    }

    #[test]
    fn time_is_told_set_and_goes_on() {
        let mut rig = Rig::new();
        rig.make("ds1338", &[]);
        // 1,000,000 s after the epoch: Monday, 12 January 1970, 13:46:40.
        assert_eq!(read(&rig, 0, 7), [0x40, 0x46, 0x13, 2, 0x12, 0x01, 0x70]);
        rig.i2c.start(0x68, false);
        for byte in [0, 0x59, 0x59, 0x23, 7, 0x28, 0x02, 0x24] {
            assert!(rig.i2c.write(byte));
        }
        rig.i2c.stop();
        rig.clock.set(rig.clock.now_ns() + 1_000_000_000);
        assert_eq!(read(&rig, 0, 7), [0, 0, 0, 1, 0x29, 0x02, 0x24]);
        rig.i2c.start(0x68, false);
        let _ = [8, 0xaa, 0x55].map(|b| rig.i2c.write(b));
        assert_eq!(read(&rig, 8, 3), [0xaa, 0x55, 0]);
    }
}
