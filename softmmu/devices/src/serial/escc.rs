//! Zilog's serial communications controller Z85C30 with two asynchronous channels [SCC].
//!
//! Characters are sent at once. The board says where each channel's control and data registers
//! are; Apple has two such layouts. UNIMPL: synchronous modes, modem lines, the vector.

use crate::class::Build;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::chardev::{CharBackend, CharEvent, CharFrontend, LineParams};
use softmmu_core::device::{Device, Mmio, StateError, Widths, load_state, save_state};
use softmmu_core::irq::Irq;
use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use tcg_mem::BusError;

/// Characters that a channel keeps.
const FIFO: usize = 8;

/// Read register 0.
const RR0_RX: u8 = 0x01;
const RR0_TX_EMPTY: u8 = 0x04;
const RR0_DCD: u8 = 0x08;
const RR0_CTS: u8 = 0x20;
const RR0_UNDERRUN: u8 = 0x40;
const RR0_BREAK: u8 = 0x80;
/// Read register 1: everything has been sent; the residue code of eight bits.
const RR1_SENT: u8 = 0x07;
const RR1_OVERRUN: u8 = 0x20;
/// Write register 1.
const WR1_EXT: u8 = 0x01;
const WR1_TX: u8 = 0x02;
const WR1_RX: u8 = 0x18;
/// Only special conditions of the receiver.
const WR1_RX_SPECIAL: u8 = 0x18;
const WR3_RX: u8 = 0x01;
const WR5_TX: u8 = 0x08;
const WR5_BREAK: u8 = 0x10;
/// Write register 9, of both channels.
const WR9_ENABLE: u8 = 0x08;
const WR9_RESET: u8 = 0xc0;
const WR14_LOOP: u8 = 0x10;
const WR14_BRG: u8 = 0x01;
const WR15_BREAK: u8 = 0x80;

/// Bits of interrupts in read register 3, for channel B.
const EXT: u8 = 1;
const TX: u8 = 2;
const RX: u8 = 4;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Channel {
    pointer: u8,
    written: [u8; 16],
    rx: VecDeque<u8>,
    errors: u8,
    breaks: bool,
    tx_pending: bool,
    ext_pending: bool,
}

/// Channel A first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct State {
    channels: [Channel; 2],
    vector: u8,
    master: u8,
}

impl Channel {
    fn pending(&self) -> u8 {
        let enable = self.written[1];
        let mut out = 0;
        if enable & WR1_EXT != 0 && self.ext_pending {
            out |= EXT;
        }
        if enable & WR1_TX != 0 && self.tx_pending {
            out |= TX;
        }
        let mode = enable & WR1_RX;
        let special = self.errors != 0;
        if mode != 0 && (special || mode != WR1_RX_SPECIAL && !self.rx.is_empty()) {
            out |= RX;
        }
        out
    }

    fn status(&self) -> u8 {
        let rx = if self.rx.is_empty() { 0 } else { RR0_RX };
        let breaks = if self.breaks { RR0_BREAK } else { 0 };
        RR0_TX_EMPTY | RR0_DCD | RR0_CTS | RR0_UNDERRUN | rx | breaks
    }

    fn accept(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.rx.len() < FIFO {
                self.rx.push_back(*byte);
            } else {
                self.errors |= RR1_OVERRUN;
            }
        }
    }

    fn receives(&self) -> bool {
        self.written[3] & WR3_RX != 0 && self.written[14] & WR14_LOOP == 0
    }

    fn command(&mut self, command: u8) {
        match command {
            2 => (self.ext_pending, self.breaks) = (false, false),
            5 => self.tx_pending = false,
            6 => self.errors = 0,
            _ => {}
        }
    }

    /// As after a reset of the channel: time constants stay.
    fn reset(&mut self) {
        let old = self.written;
        *self = Channel::default();
        (self.written[12], self.written[13]) = (old[12], old[13]);
    }

    fn params(&self, clock_hz: u32) -> LineParams {
        let divisor = u32::from(self.written[12]) | u32::from(self.written[13]) << 8;
        let factor = [1, 16, 32, 64][usize::from(self.written[4] >> 6)];
        let generated = self.written[14] & WR14_BRG != 0;
        let ticks = if generated { 2 * (divisor + 2) } else { 1 };
        LineParams {
            speed: clock_hz / (ticks * factor).max(1),
            data_bits: [5, 7, 6, 8][usize::from(self.written[3] >> 6)],
            stop_bits: if self.written[4] & 0xc == 0xc { 2 } else { 1 },
            parity: match self.written[4] & 3 {
                1 => b'O',
                3 => b'E',
                _ => b'N',
            },
        }
    }
}

struct Escc {
    state: Mutex<State>,
    irq: [Irq; 2],
    backends: [Option<Arc<dyn CharBackend>>; 2],
    clock_hz: u32,
}

/// Which channel (A is 0) and whether it is its data register, by offset; the same everywhere else.
type Layout = fn(u64) -> Option<(usize, bool)>;

/// A layout of its registers.
struct Registers(Arc<Escc>, Layout);

/// Registers 16 bytes apart: control and data of B, then of A.
fn apart(offset: u64) -> Option<(usize, bool)> {
    let place = offset / 0x10;
    (offset.is_multiple_of(0x10) && place < 4).then_some((usize::from(place < 2), place & 1 != 0))
}

/// The old layout: control of B and A, data of B and A, two bytes apart.
fn close(offset: u64) -> Option<(usize, bool)> {
    let place = offset / 2;
    (offset.is_multiple_of(2) && place < 4).then_some((usize::from(place & 1 == 0), place >= 2))
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let escc = Arc::new(Escc {
        state: Mutex::default(),
        irq: [build.output("irq-a", 0), build.output("irq-b", 0)],
        backends: [build.chardev("chardev-a")?, build.chardev("chardev-b")?],
        clock_hz: build.values.number_or_0("frequency") as u32,
    });
    build.map(0, 0x40, Arc::new(Registers(escc.clone(), apart)))?;
    build.map(1, 0x10, Arc::new(Registers(escc.clone(), close)))?;
    for (n, backend) in escc.backends.iter().enumerate() {
        if let Some(backend) = backend {
            backend.set_frontend(Some(Arc::new(Line(Arc::downgrade(&escc), n))));
        }
    }
    build.parts.device = Some(escc);
    Ok(())
}

/// What is to be done without the lock.
#[derive(Default)]
struct Later {
    send: Option<u8>,
    accept: bool,
    breaks: bool,
    params: Option<LineParams>,
}

impl Escc {
    fn update(&self, state: &State) {
        let on = state.master & WR9_ENABLE != 0;
        for (irq, channel) in self.irq.iter().zip(&state.channels) {
            irq.set(on && channel.pending() != 0);
        }
    }

    fn finish(&self, n: usize, later: &Later) {
        let Some(Some(backend)) = self.backends.get(n) else {
            return;
        };
        if let Some(byte) = later.send {
            backend.write(&[byte]);
        }
        if let Some(params) = later.params {
            backend.set_params(params);
        }
        if later.breaks {
            backend.send_break();
        }
        if later.accept {
            backend.accept_input();
        }
    }

    fn read_control(&self, state: &mut State, n: usize) -> u8 {
        let both = [state.channels[0].pending(), state.channels[1].pending()];
        let (vector, on) = (state.vector, n == 0);
        let Some(channel) = state.channels.get_mut(n) else {
            return 0;
        };
        match std::mem::take(&mut channel.pointer) {
            0 | 4 => channel.status(),
            1 | 5 => RR1_SENT | channel.errors,
            2 | 6 => vector,
            3 | 7 if on => both[0] << 3 | both[1],
            8 => channel.rx.pop_front().unwrap_or(0),
            12 => channel.written[12],
            13 | 9 => channel.written[13],
            15 | 11 => channel.written[15],
            _ => 0,
        }
    }

    fn write_control(&self, state: &mut State, n: usize, value: u8, later: &mut Later) {
        let Some(channel) = state.channels.get_mut(n) else {
            return;
        };
        let register = std::mem::take(&mut channel.pointer);
        let old = channel
            .written
            .get(usize::from(register))
            .copied()
            .unwrap_or(0);
        match register {
            0 => {
                let command = value >> 3 & 7;
                channel.pointer = value & 7 | if command == 1 { 8 } else { 0 };
                channel.command(command);
                return;
            }
            2 => state.vector = value,
            8 => {
                self.write_data(state, n, value, later);
                return;
            }
            9 => {
                state.master = value & !WR9_RESET;
                match value & WR9_RESET {
                    0x40 => state.channels[1].reset(),
                    0x80 => state.channels[0].reset(),
                    0xc0 => {
                        state.channels.iter_mut().for_each(Channel::reset);
                        state.master = 0;
                    }
                    _ => {}
                }
                return;
            }
            _ => {}
        }
        if let Some(place) = channel.written.get_mut(usize::from(register)) {
            *place = value;
        }
        match register {
            3 => later.accept = value & WR3_RX != 0,
            4 | 12 | 13 | 14 if old != value => later.params = Some(channel.params(self.clock_hz)),
            5 => later.breaks = value & !old & WR5_BREAK != 0,
            _ => {}
        }
    }

    fn write_data(&self, state: &mut State, n: usize, value: u8, later: &mut Later) {
        let Some(channel) = state.channels.get_mut(n) else {
            return;
        };
        channel.tx_pending = true;
        if channel.written[14] & WR14_LOOP != 0 {
            if channel.written[3] & WR3_RX != 0 {
                channel.accept(&[value]);
            }
        } else if channel.written[5] & WR5_TX != 0 {
            later.send = Some(value);
        }
    }
}

impl Mmio for Registers {
    fn widths(&self) -> Widths {
        Widths::BYTE
    }

    fn read(&self, offset: u64, _size: u32) -> Result<u64, BusError> {
        let escc = &self.0;
        let Some((n, data)) = (self.1)(offset) else {
            return Ok(0);
        };
        let mut state = escc.state.lock();
        let before = state.channels.get(n).map_or(0, |c| c.rx.len());
        let value = match (data, state.channels.get_mut(n)) {
            (true, Some(channel)) => channel.rx.pop_front().unwrap_or(0),
            _ => escc.read_control(&mut state, n),
        };
        let accept = before == FIFO && state.channels.get(n).is_some_and(|c| c.rx.len() < FIFO);
        escc.update(&state);
        drop(state);
        let later = Later {
            accept,
            ..Later::default()
        };
        escc.finish(n, &later);
        Ok(u64::from(value))
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        let escc = &self.0;
        let Some((n, data)) = (self.1)(offset) else {
            return Ok(());
        };
        let mut later = Later::default();
        let mut state = escc.state.lock();
        if data {
            escc.write_data(&mut state, n, value as u8, &mut later);
        } else {
            escc.write_control(&mut state, n, value as u8, &mut later);
        }
        escc.update(&state);
        drop(state);
        escc.finish(n, &later);
        Ok(())
    }
}

/// The end of a channel's line.
struct Line(Weak<Escc>, usize);

impl CharFrontend for Line {
    fn room(&self) -> usize {
        self.0.upgrade().map_or(0, |escc| {
            let state = escc.state.lock();
            let channel = state.channels.get(self.1).filter(|c| c.receives());
            channel.map_or(0, |c| FIFO.saturating_sub(c.rx.len()))
        })
    }

    fn receive(&self, bytes: &[u8]) {
        if let Some(escc) = self.0.upgrade() {
            let mut state = escc.state.lock();
            if let Some(channel) = state.channels.get_mut(self.1) {
                channel.accept(bytes);
            }
            escc.update(&state);
        }
    }

    fn event(&self, event: CharEvent) {
        if event == CharEvent::Break
            && let Some(escc) = self.0.upgrade()
        {
            let mut state = escc.state.lock();
            if let Some(channel) = state.channels.get_mut(self.1) {
                channel.accept(&[0]);
                channel.breaks = true;
                channel.ext_pending = channel.written[15] & WR15_BREAK != 0;
            }
            escc.update(&state);
        }
    }
}

impl Device for Escc {
    fn reset(&self) {
        let mut state = self.state.lock();
        *state = State::default();
        self.update(&state);
    }

    fn save(&self) -> Vec<u8> {
        save_state(&*self.state.lock())
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let mut loaded: State = load_state(bytes)?;
        for channel in &mut loaded.channels {
            channel.rx.truncate(FIFO);
            channel.pointer &= 15;
        }
        *self.state.lock() = loaded;
        Ok(())
    }

    fn resume(&self) {
        self.update(&self.state.lock());
        for backend in self.backends.iter().flatten() {
            backend.accept_input();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, device_tests};

    device_tests!("escc", |_: &mut Rig| {});

    const A: u64 = Rig::AT + 0x20;
    const OLD_A: u64 = Rig::AT + 0x100_0002;

    fn rig() -> Rig {
        let mut rig = Rig::new();
        rig.chardev();
        rig.make("escc", &[("chardev-a", "c0")]);
        rig
    }

    fn put(rig: &Rig, register: u8, value: u8) {
        rig.space()
            .write_device(A, 1, u64::from(register & 7 | register & 8));
        rig.space().write_device(A, 1, u64::from(value));
    }

    #[test]
    fn both_layouts_reach_the_line() {
        let rig = rig();
        put(&rig, 5, WR5_TX);
        rig.space().write_device(A + 0x10, 1, u64::from(b'x'));
        rig.space().write_device(OLD_A + 4, 1, u64::from(b'y'));
        assert_eq!(rig.sent(), b"xy");
        assert_eq!(rig.room(), 0, "the receiver is off");
        put(&rig, 3, WR3_RX);
        rig.receive(b"ab");
        assert_eq!(rig.space().read_device(A, 1) & 1, 1);
        assert_eq!(rig.space().read_device(A + 0x10, 1), u64::from(b'a'));
        assert_eq!(rig.space().read_device(OLD_A + 4, 1), u64::from(b'b'));
        assert_eq!(rig.space().read_device(OLD_A, 1) & 1, 0);
    }

    #[test]
    fn interrupts_of_both_directions() {
        let rig = rig();
        let irq = rig.output("irq-a");
        for (register, value) in [(1, 0x12), (3, 0xc1), (5, 0x68), (9, 8)] {
            put(&rig, register, value);
        }
        assert!(!irq.level());
        rig.space().write_device(A + 0x10, 1, 0x20);
        assert!(irq.level());
        rig.space().write_device(A, 1, 3);
        assert_eq!(rig.space().read_device(A, 1), 0x10);
        rig.space().write_device(A, 1, 0x28);
        assert!(!irq.level());
        rig.receive(b"q");
        rig.space().write_device(A, 1, 3);
        assert_eq!(rig.space().read_device(A, 1), 0x20);
        put(&rig, 9, 0);
        assert!(!irq.level());
    }
}
