//! The versatile interface adapter 6522 [R6522]: two ports, two timers, a shift register, and
//! interrupt flags, as CUDA and PMU need it. The microcontroller behind it reads and sets the ports
//! and the shift register on its own.
//!
//! UNIMPL: counting pulses with timer 2, handshakes of the ports.

use serde::{Deserialize, Serialize};

/// Registers.
pub const B: u8 = 0;
pub const A: u8 = 1;
pub const DIR_B: u8 = 2;
pub const DIR_A: u8 = 3;
pub const T1_LOW: u8 = 4;
pub const T1_HIGH: u8 = 5;
pub const T1_LATCH_LOW: u8 = 6;
pub const T1_LATCH_HIGH: u8 = 7;
pub const T2_LOW: u8 = 8;
pub const T2_HIGH: u8 = 9;
pub const SHIFT: u8 = 10;
pub const CONTROL: u8 = 11;
pub const PERIPHERAL: u8 = 12;
pub const FLAGS: u8 = 13;
pub const ENABLE: u8 = 14;
pub const A_PLAIN: u8 = 15;

/// The shift register shifts out.
pub const CONTROL_SHIFT_OUT: u8 = 0x10;
/// Timer 1 goes round.
const CONTROL_T1_ROUND: u8 = 0x40;

/// Interrupt flags.
pub const FLAG_SHIFT: u8 = 0x04;
/// See [`FLAG_SHIFT`].
const FLAG_T2: u8 = 0x20;
/// See [`FLAG_SHIFT`].
const FLAG_T1: u8 = 0x40;

/// Six times the frequency of the timers in Hz.
const CLOCK_6: u64 = 4_700_000;

fn ticks_ns(ticks: u64) -> u64 {
    ticks.saturating_mul(6_000_000_000) / CLOCK_6
}

fn ns_ticks(ns: u64) -> u64 {
    (u128::from(ns) * u128::from(CLOCK_6) / 6_000_000_000) as u64
}

/// A timer that counts down since it was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Countdown {
    latch: u16,
    from: u16,
    loaded_ns: u64,
    /// Its end has yet to be told.
    armed: bool,
}

impl Countdown {
    fn end_ns(&self) -> u64 {
        self.loaded_ns
            .saturating_add(ticks_ns(u64::from(self.from) + 2))
    }

    fn count(&self, now: u64) -> u16 {
        let gone = ns_ticks(now.saturating_sub(self.loaded_ns));
        (u64::from(self.from)).wrapping_sub(gone) as u16
    }

    fn load(&mut self, now: u64) {
        (self.from, self.loaded_ns, self.armed) = (self.latch, now, true);
    }
}

/// Its registers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Via {
    /// What software has written to port B, and what it reads of it.
    pub b: u8,
    a: u8,
    dir_b: u8,
    dir_a: u8,
    /// Auxiliary control.
    pub control: u8,
    peripheral: u8,
    /// The shift register.
    pub shift: u8,
    flags: u8,
    enable: u8,
    t1: Countdown,
    t2: Countdown,
    /// When the shift register's flag comes.
    shift_at_ns: Option<u64>,
}

impl Via {
    /// The interrupt line.
    pub fn line(&self) -> bool {
        self.flags & self.enable & 0x7f != 0
    }

    /// Sets flags.
    pub fn raise(&mut self, flags: u8) {
        self.flags |= flags;
    }

    /// The shift register has shifted eight bits: its flag comes a moment later.
    pub fn shifted(&mut self, now: u64, delay_ns: u64) {
        self.shift_at_ns = Some(now.saturating_add(delay_ns));
    }

    /// What has happened until now.
    pub fn advance(&mut self, now: u64) {
        if self.shift_at_ns.is_some_and(|at| at <= now) {
            self.shift_at_ns = None;
            self.flags |= FLAG_SHIFT;
        }
        if self.t1.armed && self.t1.end_ns() <= now {
            self.flags |= FLAG_T1;
            if self.control & CONTROL_T1_ROUND != 0 {
                // Whole rounds that nobody has looked at are left out.
                let end = self.t1.end_ns();
                let period = ticks_ns(u64::from(self.t1.latch) + 2).max(1);
                self.t1.loaded_ns = end.saturating_add((now - end) / period * period);
                self.t1.from = self.t1.latch;
            } else {
                self.t1.armed = false;
            }
        }
        if self.t2.armed && self.t2.end_ns() <= now {
            self.flags |= FLAG_T2;
            self.t2.armed = false;
        }
    }

    /// When an interrupt can come without anybody's doing.
    pub fn next_ns(&self) -> Option<u64> {
        let shift = self.shift_at_ns.filter(|_| self.enable & FLAG_SHIFT != 0);
        let timer = |t: &Countdown, flag: u8| {
            let wanted = t.armed && self.enable & flag != 0 && self.flags & flag == 0;
            wanted.then(|| t.end_ns())
        };
        let all = [shift, timer(&self.t1, FLAG_T1), timer(&self.t2, FLAG_T2)];
        all.into_iter().flatten().min()
    }

    /// Reads a register.
    pub fn read(&mut self, register: u8, now: u64) -> u8 {
        self.advance(now);
        match register {
            B => self.b,
            A | A_PLAIN => self.a,
            DIR_B => self.dir_b,
            DIR_A => self.dir_a,
            T1_LOW => {
                self.flags &= !FLAG_T1;
                self.t1.count(now) as u8
            }
            T1_HIGH => (self.t1.count(now) >> 8) as u8,
            T1_LATCH_LOW => self.t1.latch as u8,
            T1_LATCH_HIGH => (self.t1.latch >> 8) as u8,
            T2_LOW => {
                self.flags &= !FLAG_T2;
                self.t2.count(now) as u8
            }
            T2_HIGH => (self.t2.count(now) >> 8) as u8,
            SHIFT => {
                self.flags &= !FLAG_SHIFT;
                self.shift
            }
            CONTROL => self.control,
            PERIPHERAL => self.peripheral,
            FLAGS => self.flags | u8::from(self.line()) << 7,
            _ => self.enable | 0x80,
        }
    }

    /// Writes a register. Inputs among the bits of port B stay as they are.
    pub fn write(&mut self, register: u8, value: u8, now: u64, inputs_b: u8) {
        self.advance(now);
        let low = |old: u16| old & 0xff00 | u16::from(value);
        let high = |old: u16| old & 0xff | u16::from(value) << 8;
        match register {
            B => self.b = self.b & inputs_b | value & !inputs_b,
            A | A_PLAIN => self.a = value,
            DIR_B => self.dir_b = value,
            DIR_A => self.dir_a = value,
            T1_LOW | T1_LATCH_LOW => self.t1.latch = low(self.t1.latch),
            T1_HIGH => {
                self.t1.latch = high(self.t1.latch);
                self.flags &= !FLAG_T1;
                self.t1.load(now);
            }
            T1_LATCH_HIGH => {
                self.t1.latch = high(self.t1.latch);
                self.flags &= !FLAG_T1;
            }
            T2_LOW => self.t2.latch = low(self.t2.latch),
            T2_HIGH => {
                self.t2.latch = high(self.t2.latch);
                self.flags &= !FLAG_T2;
                self.t2.load(now);
            }
            SHIFT => {
                self.flags &= !FLAG_SHIFT;
                self.shift = value;
            }
            CONTROL => self.control = value,
            PERIPHERAL => self.peripheral = value,
            FLAGS => self.flags &= !value,
            ENABLE if value & 0x80 != 0 => self.enable |= value & 0x7f,
            _ => self.enable &= !value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timer_1_goes_round() {
        let mut via = Via::default();
        via.write(CONTROL, CONTROL_T1_ROUND, 0, 0);
        via.write(T1_HIGH, 2, 0, 0);
        via.write(T1_LATCH_LOW, 0x98, 0, 0);
        via.write(T1_LATCH_HIGH, 0x1e, 0, 0);
        let first = ticks_ns(514);
        assert_eq!(via.read(FLAGS, first - 10), 0);
        assert_eq!(via.read(FLAGS, first), FLAG_T1);
        via.read(T1_LOW, first);
        let second = first + ticks_ns(0x1e9a);
        assert_eq!(via.read(FLAGS, second - 2000), 0);
        via.write(ENABLE, 0xc0, second, 0);
        assert_eq!(via.read(FLAGS, second + 1), FLAG_T1 | 0x80);
        assert!(via.line());
        assert_eq!(via.read(ENABLE, second), 0xc0);
    }

    #[test]
    fn timer_2_ends_once() {
        let mut via = Via::default();
        via.write(T2_LOW, 10, 0, 0);
        via.write(T2_HIGH, 0, 0, 0);
        assert_eq!(via.next_ns(), None, "nobody wants its interrupt");
        via.write(ENABLE, 0xa0, 0, 0);
        assert_eq!(via.next_ns(), Some(ticks_ns(12)));
        via.advance(ticks_ns(12));
        assert!(via.line());
        via.read(T2_LOW, ticks_ns(13));
        via.advance(u64::MAX);
        assert!(!via.line());
    }
}
