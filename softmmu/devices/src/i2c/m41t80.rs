//! The M41T80 real-time clock [M41T80]: eight registers of time in BCD, from hundredths of a second
//! on, then control and alarm.
//!
//! UNIMPL: alarm and square wave; their registers are kept.

use super::I2cTarget;
use super::calendar::{bcd, date, days, unbcd};
use crate::class::Build;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::clock::Clock;
use softmmu_core::device::{Device, StateError, load_state, save_state};
use std::sync::Arc;

const REGISTERS: u8 = 20;
/// Of time.
const TIME: usize = 8;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct State {
    pointer: u8,
    /// The next byte that is written is the pointer.
    pointing: bool,
    /// Seconds by which the guest has set it off the machine's time of day.
    offset: i64,
    /// The clock stands still at this time, in seconds since 1970.
    stopped: Option<i64>,
    /// What the guest says the day of the week was, minus what it is.
    weekday: u8,
    /// Century bits as the guest has set them.
    century: u8,
    /// The time registers as they were when the transfer began.
    time: [u8; TIME],
    rest: [u8; REGISTERS as usize - TIME],
}

impl State {
    fn seconds(&self, clock: &Clock) -> i64 {
        let now = clock.time_of_day().as_secs() as i64;
        self.stopped
            .unwrap_or_else(|| now.saturating_add(self.offset))
    }

    fn latch(&mut self, clock: &Clock) {
        let seconds = self.seconds(clock);
        let hundredths = match self.stopped {
            Some(_) => 0,
            None => i64::from(clock.time_of_day().subsec_millis() / 10),
        };
        let (year, month, day) = date(seconds.div_euclid(86400));
        let time = seconds.rem_euclid(86400);
        let weekday = (seconds.div_euclid(86400) + 4 + i64::from(self.weekday)).rem_euclid(7) + 1;
        let stopped = if self.stopped.is_some() { 0x80 } else { 0 };
        self.time = [
            bcd(hundredths),
            bcd(time % 60) | stopped,
            bcd(time / 60 % 60),
            bcd(time / 3600) | self.century,
            weekday as u8,
            bcd(day),
            bcd(month),
            bcd(year.rem_euclid(100)),
        ];
    }

    /// A time register has been written: the clock goes on from what they say together.
    fn set_time(&mut self, clock: &Clock, register: usize, byte: u8) {
        self.latch(clock);
        if let Some(r) = self.time.get_mut(register) {
            *r = byte;
        }
        let [_, second, minute, hour, weekday, day, month, year] = self.time;
        self.century = hour & 0xc0;
        let days = days(
            2000 + unbcd(year),
            unbcd(month & 0x1f).clamp(1, 12),
            unbcd(day & 0x3f),
        );
        let of_day = unbcd(hour & 0x3f) * 3600 + unbcd(minute & 0x7f) * 60 + unbcd(second & 0x7f);
        let seconds = days * 86400 + of_day;
        let natural = (days + 4).rem_euclid(7);
        self.weekday = (i64::from(weekday & 7) - 1 - natural).rem_euclid(7) as u8;
        self.stopped = (second & 0x80 != 0).then_some(seconds);
        self.offset = seconds - clock.time_of_day().as_secs() as i64;
    }
}

struct M41t80 {
    state: Mutex<State>,
    clock: Arc<Clock>,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let bus = build.i2c.clone().ok_or("needs an I2C bus")?;
    let device = Arc::new(M41t80 {
        state: Mutex::default(),
        clock: build.host.timers.clock().clone(),
    });
    let address = build.values.number("address").unwrap_or(0x68) as u8;
    bus.add(address, device.clone())?;
    build.parts.device = Some(device);
    Ok(())
}

impl I2cTarget for M41t80 {
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
        if register < TIME {
            state.set_time(&self.clock, register, byte);
        } else if let Some(cell) = state.rest.get_mut(register - TIME) {
            *cell = byte;
        }
        state.pointer = (state.pointer + 1) % REGISTERS;
        true
    }

    fn read(&self) -> u8 {
        let mut state = self.state.lock();
        let register = usize::from(state.pointer);
        let mut all = state.time.iter().chain(&state.rest);
        let byte = all.nth(register).copied().unwrap_or(0);
        state.pointer = (state.pointer + 1) % REGISTERS;
        byte
    }
}

impl Device for M41t80 {
    /// The part has no reset and goes on by its battery; only a transfer is broken off.
    fn reset(&self) {
        let mut state = self.state.lock();
        state.pointer = 0;
        state.pointing = false;
        state.time = [0; TIME];
    }

    fn save(&self) -> Vec<u8> {
        save_state(&*self.state.lock())
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let mut loaded: State = load_state(bytes)?;
        loaded.pointer %= REGISTERS;
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

    device_tests!("m41t80", |_: &mut Rig| {});

    fn read(rig: &Rig, from: u8, count: usize) -> Vec<u8> {
        rig.i2c.start(0x68, false);
        rig.i2c.write(from);
        rig.i2c.start(0x68, true);
        let bytes = (0..count).map(|_| rig.i2c.read()).collect();
        rig.i2c.stop();
        bytes
    }

    #[test]
    fn time_is_told_set_stopped_and_goes_on() {
        let rig = common_rig();
        // 1,000,000 s after the epoch: Monday, 12 January 1970, 13:46:40.
        assert_eq!(read(&rig, 1, 7), [0x40, 0x46, 0x13, 2, 0x12, 0x01, 0x70]);
        let write = |bytes: &[u8]| {
            rig.i2c.start(0x68, false);
            assert!(bytes.iter().all(|b| rig.i2c.write(*b)));
            rig.i2c.stop();
        };
        write(&[1, 0xd9, 0x59, 0x23, 7, 0x28, 0x02, 0x24]);
        rig.clock.set(rig.clock.now_ns() + 1_000_000_000);
        assert_eq!(read(&rig, 0, 2), [0, 0xd9], "it stands still");
        write(&[1, 0x59]);
        rig.clock.set(rig.clock.now_ns() + 1_000_000_000);
        assert_eq!(read(&rig, 1, 7), [0, 0, 0, 1, 0x29, 0x02, 0x24]);
        write(&[0x13, 0xaa, 0x55]);
        assert_eq!(read(&rig, 0x13, 1), [0xaa]);
    }
}
