//! The 16550A serial port [16550]. Characters are sent at once, at any speed.
//!
//! DEVIATES: the interrupt for characters below the FIFO's trigger level comes at once, not after
//! the time of four characters.

use crate::class::Build;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::chardev::{CharBackend, CharEvent, CharFrontend, LineParams};
use softmmu_core::device::{Device, Endian, Mmio, StateError, Widths, load_state, save_state};
use softmmu_core::irq::Irq;
use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use tcg_mem::BusError;

const FIFO: usize = 16;

// Interrupt enable register.
const IER_RX: u8 = 1;
const IER_TX: u8 = 2;
const IER_LINE: u8 = 4;
const IER_MODEM: u8 = 8;
// Interrupt identification: sources, in order of urgency.
const IIR_LINE: u8 = 6;
const IIR_RX: u8 = 4;
const IIR_TIMEOUT: u8 = 0xc;
const IIR_TX: u8 = 2;
const IIR_MODEM: u8 = 0;
const IIR_NONE: u8 = 1;
const IIR_FIFO: u8 = 0xc0;
// FIFO control register.
const FCR_ENABLE: u8 = 1;
const FCR_CLEAR_RX: u8 = 2;
// Line control register.
const LCR_DIVISOR: u8 = 0x80;
const LCR_BREAK: u8 = 0x40;
// Modem control register.
const MCR_LOOP: u8 = 0x10;
// Line status register.
const LSR_DATA: u8 = 1;
const LSR_OVERRUN: u8 = 2;
const LSR_BREAK: u8 = 0x10;
const LSR_TX_EMPTY: u8 = 0x60;
// Modem status register: CTS, DSR, DCD; the lower half tells of changes.
const MSR_CONNECTED: u8 = 0xb0;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct State {
    ier: u8,
    fcr: u8,
    lcr: u8,
    mcr: u8,
    /// Errors only; data and empty transmitter are computed.
    lsr: u8,
    msr: u8,
    scratch: u8,
    divisor: u16,
    rx: VecDeque<u8>,
    /// The transmitter has become empty and nobody has been told.
    tx_pending: bool,
}

impl State {
    fn new() -> State {
        State {
            msr: MSR_CONNECTED,
            divisor: 12,
            ..State::default()
        }
    }

    fn trigger(&self) -> usize {
        match self.fcr >> 6 {
            _ if self.fcr & FCR_ENABLE == 0 => 1,
            0 => 1,
            1 => 4,
            2 => 8,
            _ => 14,
        }
    }

    fn capacity(&self) -> usize {
        if self.fcr & FCR_ENABLE != 0 { FIFO } else { 1 }
    }

    fn source(&self) -> u8 {
        if self.ier & IER_LINE != 0 && self.lsr != 0 {
            IIR_LINE
        } else if self.ier & IER_RX != 0 && self.rx.len() >= self.trigger() {
            IIR_RX
        } else if self.ier & IER_RX != 0 && !self.rx.is_empty() {
            IIR_TIMEOUT
        } else if self.ier & IER_TX != 0 && self.tx_pending {
            IIR_TX
        } else if self.ier & IER_MODEM != 0 && self.msr & 0xf != 0 {
            IIR_MODEM
        } else {
            IIR_NONE
        }
    }

    fn modem(&self) -> u8 {
        if self.mcr & MCR_LOOP == 0 {
            return self.msr;
        }
        // RTS to CTS, DTR to DSR, OUT1 to RI, OUT2 to DCD.
        let outputs = self.mcr;
        (outputs & 2) << 3 | (outputs & 1) << 5 | (outputs & 4) << 4 | (outputs & 8) << 4
    }
}

/// The port.
pub struct Ns16550 {
    state: Mutex<State>,
    irq: Irq,
    backend: Option<Arc<dyn CharBackend>>,
    shift: u32,
    baud_base: u32,
    widths: Widths,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let shift = build.values.number_or_0("regshift") as u32;
    let endian = match build.values.text("endianness") {
        Some("little") => Endian::Little,
        _ => Endian::Big,
    };
    let widths = match shift {
        0 => Widths::BYTE,
        _ => Widths {
            endian,
            min: 1,
            max: 4,
        },
    };
    let port = Arc::new(Ns16550 {
        state: Mutex::new(State::new()),
        irq: build.output("irq", 0),
        backend: build.chardev("chardev")?,
        shift,
        baud_base: build.values.number_or_0("baudbase") as u32,
        widths,
    });
    build.map(0, 8 << shift, port.clone())?;
    if let Some(backend) = &port.backend {
        let end = Line(Arc::downgrade(&port));
        backend.set_frontend(Some(Arc::new(end)));
    }
    build.parts.device = Some(port);
    Ok(())
}

impl Ns16550 {
    fn update(&self, state: &State) {
        self.irq.set(state.source() != IIR_NONE);
    }

    fn register_read(&self, register: u64) -> u8 {
        let mut state = self.state.lock();
        let divisor = state.lcr & LCR_DIVISOR != 0;
        let mut was_full = false;
        let value = match register {
            0 if divisor => state.divisor as u8,
            1 if divisor => (state.divisor >> 8) as u8,
            0 => {
                was_full = state.rx.len() >= state.capacity();
                state.rx.pop_front().unwrap_or(0)
            }
            1 => state.ier,
            2 => {
                let source = state.source();
                if source == IIR_TX {
                    state.tx_pending = false;
                }
                let fifo = if state.fcr & FCR_ENABLE != 0 {
                    IIR_FIFO
                } else {
                    0
                };
                source | fifo
            }
            3 => state.lcr,
            4 => state.mcr,
            5 => {
                let data = if state.rx.is_empty() { 0 } else { LSR_DATA };
                std::mem::take(&mut state.lsr) | data | LSR_TX_EMPTY
            }
            6 => {
                let value = state.modem();
                state.msr &= 0xf0;
                value
            }
            _ => state.scratch,
        };
        self.update(&state);
        drop(state);
        if was_full && let Some(backend) = &self.backend {
            backend.accept_input();
        }
        value
    }

    fn register_write(&self, register: u64, value: u8) {
        let mut state = self.state.lock();
        let divisor = state.lcr & LCR_DIVISOR != 0;
        let mut sent = None;
        let mut params = None;
        let mut breaks = false;
        match register {
            0 if divisor => state.divisor = state.divisor & 0xff00 | u16::from(value),
            1 if divisor => state.divisor = state.divisor & 0x00ff | u16::from(value) << 8,
            0 => {
                if state.mcr & MCR_LOOP != 0 {
                    receive(&mut state, &[value]);
                } else {
                    sent = Some(value);
                }
                state.tx_pending = true;
            }
            1 => {
                if state.ier & IER_TX == 0 && value & IER_TX != 0 {
                    state.tx_pending = true;
                }
                state.ier = value & 0xf;
            }
            2 => {
                if value & FCR_CLEAR_RX != 0 || (value ^ state.fcr) & FCR_ENABLE != 0 {
                    state.rx.clear();
                }
                state.fcr = value & 0xc9;
            }
            3 => {
                breaks = value & !state.lcr & LCR_BREAK != 0;
                if value & LCR_DIVISOR == 0 {
                    params = Some(self.params(state.divisor, value));
                }
                state.lcr = value;
            }
            4 => state.mcr = value & 0x1f,
            7 => state.scratch = value,
            _ => {}
        }
        self.update(&state);
        drop(state);
        let Some(backend) = &self.backend else { return };
        if let Some(byte) = sent {
            backend.write(&[byte]);
        }
        if let Some(params) = params {
            backend.set_params(params);
        }
        if breaks {
            backend.send_break();
        }
        if register == 2 {
            backend.accept_input();
        }
    }

    fn params(&self, divisor: u16, lcr: u8) -> LineParams {
        LineParams {
            speed: self.baud_base / u32::from(divisor.max(1)),
            data_bits: 5 + (lcr & 3),
            stop_bits: 1 + (lcr >> 2 & 1),
            parity: match lcr >> 3 & 3 {
                1 => b'O',
                3 => b'E',
                _ => b'N',
            },
        }
    }
}

fn receive(state: &mut State, bytes: &[u8]) {
    for byte in bytes {
        if state.rx.len() < state.capacity() {
            state.rx.push_back(*byte);
        } else {
            state.lsr |= LSR_OVERRUN;
        }
    }
}

/// The port as its character device sees it.
struct Line(Weak<Ns16550>);

impl CharFrontend for Line {
    fn room(&self) -> usize {
        self.0.upgrade().map_or(0, |port| {
            let state = port.state.lock();
            match state.mcr & MCR_LOOP {
                0 => state.capacity().saturating_sub(state.rx.len()),
                _ => 0,
            }
        })
    }

    fn receive(&self, bytes: &[u8]) {
        if let Some(port) = self.0.upgrade() {
            let mut state = port.state.lock();
            receive(&mut state, bytes);
            port.update(&state);
        }
    }

    fn event(&self, event: CharEvent) {
        if event == CharEvent::Break
            && let Some(port) = self.0.upgrade()
        {
            let mut state = port.state.lock();
            receive(&mut state, &[0]);
            state.lsr |= LSR_BREAK;
            port.update(&state);
        }
    }
}

impl Mmio for Ns16550 {
    fn widths(&self) -> Widths {
        self.widths
    }

    fn read(&self, offset: u64, _size: u32) -> Result<u64, BusError> {
        Ok(u64::from(self.register_read(offset >> self.shift & 7)))
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        self.register_write(offset >> self.shift & 7, value as u8);
        Ok(())
    }
}

impl Device for Ns16550 {
    fn reset(&self) {
        let mut state = self.state.lock();
        *state = State::new();
        self.update(&state);
    }

    fn save(&self) -> Vec<u8> {
        save_state(&*self.state.lock())
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let mut loaded: State = load_state(bytes)?;
        loaded.rx.truncate(FIFO);
        *self.state.lock() = loaded;
        Ok(())
    }

    fn resume(&self) {
        self.update(&self.state.lock());
    }

    fn describe(&self) -> String {
        let backend = self.backend.as_ref().map(|b| b.describe());
        backend.unwrap_or_else(|| "not connected".into())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Rig, device_tests};

    device_tests!("ns16550", |rig: &mut Rig| rig.chardev());

    fn port() -> (Rig, impl Fn(u64) -> u64, impl Fn(u64, u64)) {
        let mut rig = Rig::new();
        rig.chardev();
        rig.make("ns16550", &[("chardev", "c0")]);
        let (space, other) = (rig.space(), rig.space());
        let read = move |r| space.read_device(Rig::AT + r, 1);
        let write = move |r, v| other.write_device(Rig::AT + r, 1, v);
        (rig, read, write)
    }

    #[test]
    fn characters_and_interrupts() {
        let (rig, read, write) = port();
        write(2, 0x81); // FIFO, trigger at 8
        write(1, 0x03);
        assert!(rig.output("irq").level(), "the transmitter is empty");
        assert_eq!(read(2), 0xc2);
        assert_eq!(read(2), 0xc1, "reading took it back");
        write(0, u64::from(b'A'));
        assert_eq!(rig.sent(), b"A");
        assert_eq!(read(2), 0xc2);
        rig.receive(b"1234567");
        assert_eq!(read(2), 0xcc, "below the trigger level");
        rig.receive(b"8");
        assert_eq!(read(2), 0xc4);
        assert_eq!(rig.room(), 8);
        for expected in b"12345678" {
            assert_eq!(read(5), 0x61);
            assert_eq!(read(0), u64::from(*expected));
        }
        assert_eq!((read(5), read(2)), (0x60, 0xc1));
        assert!(!rig.output("irq").level());
    }

    #[test]
    fn divisor_scratch_and_loop() {
        let (rig, read, write) = port();
        write(3, 0x83);
        write(0, 0x34);
        write(1, 0x12);
        assert_eq!((read(0), read(1)), (0x34, 0x12));
        write(3, 3);
        write(7, 0xa5);
        assert_eq!((read(7), read(3)), (0xa5, 3));
        write(4, 0x1a);
        assert_eq!(read(6), 0x90, "OUT2 and RTS come back as DCD and CTS");
        write(0, 0x55);
        assert_eq!((read(0), rig.sent().len(), rig.room()), (0x55, 0, 0));
    }
}
