//! The power management unit of newer Power Macintosh computers: a microcontroller behind a VIA
//! 6522 that keeps the time and switches power [PMU-Linux].
//!
//! Software asks by lowering TREQ; the PMU takes or gives a byte of the shift register and answers
//! by lowering TACK until TREQ is high again. A command is a byte, then its arguments, then its
//! answer; how many there are is known, or the first of them tells.
//!
//! UNIMPL: the Apple Desktop Bus, batteries, I2C, sleep, and interrupts that the PMU asks for.

use super::cuda_packets::Clock;
use super::via::{self, Via};
use crate::class::{Build, TimerSlot};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::device::{Device, Mmio, StateError, Widths, load_state, save_state};
use softmmu_core::irq::Irq;
use softmmu_core::log;
use softmmu_core::timer::Alarm;
use std::sync::Arc;
use tcg_mem::BusError;

const TACK: u8 = 0x08;
const TREQ: u8 = 0x10;
const STRIDE: u64 = 0x200;

const SET_CLOCK: u8 = 0x30;
const READ_CLOCK: u8 = 0x38;
const SET_MASK: u8 = 0x70;
const INT_ACK: u8 = 0x78;
const SHUTDOWN: u8 = 0x7e;
const POWER_EVENTS: u8 = 0x8f;
const RESET: u8 = 0xd0;
const COVER: u8 = 0xdc;
const DOWNLOAD_STATUS: u8 = 0xe2;
const VERSION: u8 = 0xea;

/// The version that PowerMac3,1 has.
const VERSION_NUMBER: u8 = 12;
/// What [`SHUTDOWN`] has to be given.
const MAGIC: &[u8] = b"MATT";

/// A number that the first byte tells.
const TOLD: i8 = -1;
/// Commands with arguments or answers of a known length: first, last, arguments, answer. In all
/// others the first byte tells, of the answer in commands with bit 3 set, which have one.
const LENGTHS: &[(u8, u8, i8, i8)] = &[
    (0x10, 0x11, 1, 0),
    (0x18, 0x19, 0, 1),
    (0x1f, 0x1f, 0, 0),
    (0x21, 0x21, 0, 0),
    (0x22, 0x22, 2, 0),
    (0x23, 0x24, 1, 0),
    (0x28, 0x29, 0, TOLD),
    (0x2f, 0x2f, 0, TOLD),
    (SET_CLOCK, SET_CLOCK, 4, 0),
    (0x31, 0x31, 20, 0),
    (0x33, 0x33, 3, 0),
    (READ_CLOCK, READ_CLOCK, 0, 4),
    (0x39, 0x39, 0, 20),
    (0x3a, 0x3a, 2, TOLD),
    (0x3b, 0x3b, 2, 1),
    (0x3c, 0x3c, 3, TOLD),
    (0x3f, 0x3f, 4, 0),
    (0x40, 0x41, 1, 0),
    (0x48, 0x49, 0, 1),
    (0x4b, 0x4c, 1, 0),
    (0x50, 0x50, 1, 0),
    (0x51, 0x51, 0, 0),
    (0x52, 0x53, 2, 0),
    (0x55, 0x55, 1, 0),
    (0x56, 0x56, 3, 0),
    (0x57, 0x57, 1, 0),
    (0x58, 0x58, 0, 1),
    (0x59, 0x59, 1, 0),
    (0x5a, 0x5b, 0, 2),
    (0x5c, 0x5c, 0, TOLD),
    (0x60, 0x60, 2, 0),
    (0x68, 0x69, 0, 3),
    (0x6a, 0x6a, 0, 2),
    (0x6b, 0x6b, 0, 8),
    (0x6c, 0x6d, 0, TOLD),
    (SET_MASK, 0x72, 1, 0),
    (INT_ACK, 0x79, 0, TOLD),
    (0x7d, 0x7d, 5, 1),
    (SHUTDOWN, 0x7f, 4, 1),
    (0x80, 0x80, 4, 0),
    (0x82, 0x82, 0, 0),
    (0x88, 0x88, 0, 5),
    (0x90, 0x90, 1, 0),
    (0x91, 0x91, 2, 0),
    (0x98, 0x99, 0, 1),
    (0xa0, 0xa2, 2, 0),
    (0xa3, 0xa3, 4, 0),
    (0xa5, 0xa5, 0, 0),
    (0xa8, 0xa8, 1, 1),
    (0xa9, 0xa9, 1, 0),
    (0xaa, 0xaa, 3, 0),
    (0xab, 0xab, 2, 0),
    (RESET, RESET, 0, 0),
    (0xd8, 0xd9, 1, 1),
    (COVER, COVER, 0, 1),
    (0xdd, 0xdd, 0, TOLD),
    (0xe1, 0xe1, 4, 0),
    (DOWNLOAD_STATUS, DOWNLOAD_STATUS, 0, 1),
    (0xe5, 0xe5, 4, 0),
    (0xe8, 0xe8, 3, TOLD),
    (VERSION, VERSION, 0, 1),
    (0xec, 0xec, 0, TOLD),
    (0xef, 0xef, 0, 0),
];

/// Arguments and answer of a command.
fn lengths(command: u8) -> (i8, i8) {
    let row = LENGTHS.iter().find(|r| (r.0..=r.1).contains(&command));
    let told = if command & 8 != 0 { TOLD } else { 0 };
    row.map_or((TOLD, told), |r| (r.2, r.3))
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct State {
    via: Via,
    command: Option<u8>,
    /// How many arguments are to come, when it is known.
    wanted: Option<u8>,
    arguments: Vec<u8>,
    answer: Vec<u8>,
    mask: u8,
    /// What was added to the time of day by setting it, in seconds.
    shift: u32,
}

/// What comes of a command besides its answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    None,
    Reset,
    PowerOff,
}

struct Pmu {
    state: Mutex<State>,
    clock: Clock,
    timer: TimerSlot,
    irq: Irq,
    reset: Irq,
    power_off: Irq,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let pmu = Arc::new(Pmu {
        state: Mutex::new(fresh()),
        clock: Clock(build.host.timers.clock().clone()),
        timer: TimerSlot::default(),
        irq: build.output("irq", 0),
        reset: build.output("reset", 0),
        power_off: build.output("power-off", 0),
    });
    let owner: Arc<dyn Alarm> = pmu.clone();
    pmu.timer.fill(build.timer(Arc::downgrade(&owner), 0));
    build.map(0, 16 * STRIDE, pmu.clone())?;
    build.parts.device = Some(pmu);
    Ok(())
}

fn fresh() -> State {
    let mut state = State::default();
    state.via.b = TACK | TREQ;
    state
}

impl State {
    /// Software has changed its line.
    fn line_changed(&mut self, before: u8, clock: &Clock) -> Effect {
        if (before ^ self.via.b) & TREQ == 0 {
            return Effect::None;
        }
        if self.via.b & TREQ != 0 {
            self.via.b |= TACK;
            return Effect::None;
        }
        self.via.b &= !TACK;
        self.via.raise(via::FLAG_SHIFT);
        if self.via.control & via::CONTROL_SHIFT_OUT != 0 {
            return self.byte(self.via.shift, clock);
        }
        if self.answer.is_empty() {
            log::guest_error("pmu", || "a byte is asked for where no answer is".into());
            self.via.shift = 0;
        } else {
            self.via.shift = self.answer.remove(0);
        }
        Effect::None
    }

    fn byte(&mut self, byte: u8, clock: &Clock) -> Effect {
        let Some(command) = self.command else {
            self.command = Some(byte);
            self.arguments.clear();
            self.answer.clear();
            self.wanted = u8::try_from(lengths(byte).0).ok();
            return self.complete(byte, clock);
        };
        match self.wanted {
            None => self.wanted = Some(byte),
            Some(_) => self.arguments.push(byte),
        }
        self.complete(command, clock)
    }

    /// Carries the command out if all of it is there.
    fn complete(&mut self, command: u8, clock: &Clock) -> Effect {
        if self.wanted != Some(self.arguments.len() as u8) {
            return Effect::None;
        }
        (self.command, self.wanted) = (None, None);
        let (answer, effect) = self.carry_out(command, clock);
        let mut answer = answer.to_vec();
        match lengths(command).1 {
            TOLD => answer.insert(0, answer.len() as u8),
            // What is not implemented answers zeroes.
            n => answer.resize(n as usize, 0),
        }
        self.answer = answer;
        effect
    }

    fn carry_out(&mut self, command: u8, clock: &Clock) -> (Vec<u8>, Effect) {
        let mut effect = Effect::None;
        let answer = match (command, self.arguments.as_slice()) {
            (READ_CLOCK, _) => {
                let now = clock.seconds().wrapping_add(self.shift);
                now.to_be_bytes().to_vec()
            }
            (SET_CLOCK, [a, b, c, d]) => {
                let wanted = u32::from_be_bytes([*a, *b, *c, *d]);
                self.shift = wanted.wrapping_sub(clock.seconds());
                Vec::new()
            }
            (SET_MASK, [mask]) => {
                self.mask = *mask;
                Vec::new()
            }
            // Nothing has happened.
            (INT_ACK, _) => vec![0],
            (VERSION, _) => vec![VERSION_NUMBER],
            // The second byte: what wakes the machine up.
            (POWER_EVENTS, [0 | 3, ..]) => vec![0, 0],
            (DOWNLOAD_STATUS, _) => vec![2],
            (COVER, _) => vec![0],
            (SHUTDOWN, MAGIC) => {
                effect = Effect::PowerOff;
                vec![0]
            }
            (RESET, _) => {
                effect = Effect::Reset;
                Vec::new()
            }
            // Power of parts, lights, readiness, polling of the bus: nothing to do.
            (0x10 | 0x11 | 0x21 | 0x41 | 0x8f | 0xdf, _) => Vec::new(),
            (_, arguments) => {
                log::unimp("pmu", || format!("command {command:#x} with {arguments:?}"));
                Vec::new()
            }
        };
        (answer, effect)
    }
}

impl Pmu {
    fn follow(&self, state: &State) {
        self.irq.set(state.via.line());
        self.timer.follow(state.via.next_ns());
    }
}

impl Mmio for Pmu {
    fn widths(&self) -> Widths {
        Widths::BYTE
    }

    fn read(&self, offset: u64, _size: u32) -> Result<u64, BusError> {
        let mut state = self.state.lock();
        let now = self.timer.now_ns();
        let value = state.via.read((offset / STRIDE) as u8 & 15, now);
        self.follow(&state);
        Ok(u64::from(value))
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        let mut state = self.state.lock();
        let register = (offset / STRIDE) as u8 & 15;
        let before = state.via.b;
        let now = self.timer.now_ns();
        state.via.write(register, value as u8, now, TACK);
        if register == via::B {
            match state.line_changed(before, &self.clock) {
                Effect::None => {}
                Effect::Reset => self.reset.pulse(),
                Effect::PowerOff => self.power_off.pulse(),
            }
        }
        self.follow(&state);
        Ok(())
    }
}

impl Alarm for Pmu {
    fn alarm(&self, _tag: u32) {
        let mut state = self.state.lock();
        state.via.advance(self.timer.now_ns());
        self.follow(&state);
    }
}

impl Device for Pmu {
    fn reset(&self) {
        let mut state = self.state.lock();
        // The time that was set stays.
        let shift = state.shift;
        *state = State { shift, ..fresh() };
        self.follow(&state);
    }

    fn save(&self) -> Vec<u8> {
        save_state(&*self.state.lock())
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        *self.state.lock() = load_state(bytes)?;
        Ok(())
    }

    fn resume(&self) {
        self.follow(&self.state.lock());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, device_tests};

    device_tests!("via-pmu", |_: &mut Rig| {});

    struct Driver(Rig);

    impl Driver {
        fn put(&self, register: u8, value: u8) {
            let at = Rig::AT + u64::from(register) * STRIDE;
            self.0.space().write_device(at, 1, u64::from(value));
        }

        fn get(&self, register: u8) -> u8 {
            let at = Rig::AT + u64::from(register) * STRIDE;
            self.0.space().read_device(at, 1) as u8
        }

        fn handshake(&self) {
            self.put(via::B, self.get(via::B) & !TREQ);
            assert_eq!(self.get(via::B) & TACK, 0);
            assert_ne!(self.get(via::FLAGS) & via::FLAG_SHIFT, 0);
            self.put(via::B, self.get(via::B) | TREQ);
            assert_ne!(self.get(via::B) & TACK, 0);
        }

        fn ask(&self, bytes: &[u8], answer: usize) -> Vec<u8> {
            for byte in bytes {
                self.put(via::CONTROL, via::CONTROL_SHIFT_OUT | 0xc);
                self.put(via::SHIFT, *byte);
                self.handshake();
            }
            let one = |_| {
                self.put(via::CONTROL, 0xc);
                self.get(via::SHIFT);
                self.handshake();
                self.get(via::SHIFT)
            };
            (0..answer).map(one).collect()
        }
    }

    #[test]
    fn commands_of_known_and_told_lengths() {
        let driver = Driver(common_rig());
        let now = 1_000_000 + 2_082_844_800_u32;
        assert_eq!(driver.ask(&[READ_CLOCK], 4), now.to_be_bytes());
        driver.ask(&[SET_CLOCK, 1, 2, 3, 4], 0);
        assert_eq!(driver.ask(&[READ_CLOCK], 4), [1, 2, 3, 4]);
        assert_eq!(driver.ask(&[INT_ACK], 2), [1, 0]);
        assert_eq!(driver.ask(&[POWER_EVENTS, 1, 0], 3), [2, 0, 0]);
        assert_eq!(driver.ask(&[VERSION], 1), [VERSION_NUMBER]);
        assert_eq!(driver.ask(b"\x7eMATT", 1), [0]);
    }
}
