//! CUDA, the microcontroller of Power Macintosh computers that keeps the time, switches power and
//! talks to the Apple Desktop Bus; as software sees it behind a VIA 6522 [CUDA-Linux].
//!
//! Bytes go through the VIA's shift register. Three bits of port B say whose turn it is, all
//! active low: TREQ (CUDA has something to tell), TACK (acknowledges a byte by changing), TIP (a
//! transaction is in progress).

use super::cuda_packets::{Clock, Packets};
use super::via::{self, Via};
use crate::class::{Build, TimerSlot};
use crate::input::AdbBus;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::device::{Device, Mmio, StateError, Widths, load_state, save_state};
use softmmu_core::irq::Irq;
use softmmu_core::timer::Alarm;
use std::sync::Arc;
use tcg_mem::BusError;

const TREQ: u8 = 0x08;
const TACK: u8 = 0x10;
const TIP: u8 = 0x20;

/// A register every so many addresses.
const STRIDE: u64 = 0x200;
/// How long CUDA takes for a byte.
const BYTE_NS: u64 = 20_000;
/// Longer packets do not exist.
const LIMIT: usize = 64;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct State {
    via: Via,
    /// What software has sent of a packet.
    from_host: Vec<u8>,
    /// What it has yet to fetch of one.
    to_host: Vec<u8>,
    packets: Packets,
    /// When the devices of the bus are asked next.
    poll_at_ns: Option<u64>,
}

struct Cuda {
    state: Mutex<State>,
    bus: Arc<AdbBus>,
    clock: Clock,
    timer: TimerSlot,
    irq: Irq,
    reset: Irq,
    power_off: Irq,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let cuda = Arc::new(Cuda {
        state: Mutex::new(fresh()),
        bus: Arc::default(),
        clock: Clock(build.host.timers.clock().clone()),
        timer: TimerSlot::default(),
        irq: build.output("irq", 0),
        reset: build.output("reset", 0),
        power_off: build.output("power-off", 0),
    });
    let owner: Arc<dyn Alarm> = cuda.clone();
    cuda.timer.fill(build.timer(Arc::downgrade(&owner), 0));
    build.map(0, 16 * STRIDE, cuda.clone())?;
    build.parts.service = Some(cuda.bus.clone());
    build.parts.device = Some(cuda);
    Ok(())
}

fn fresh() -> State {
    let mut state = State::default();
    state.via.b = TREQ | TACK | TIP;
    state
}

impl State {
    fn shifted(&mut self, now: u64) {
        self.via.shifted(now, BYTE_NS);
    }

    /// CUDA asks for a transaction when there is something to tell and none is in progress.
    fn ask(&mut self, now: u64) {
        if !self.to_host.is_empty() && self.via.b & TIP != 0 {
            self.via.b &= !TREQ;
            self.shifted(now);
        }
    }

    /// Software has changed its two lines: one byte, the end of a packet, or the idle handshake.
    /// A packet that is complete is given back.
    fn lines_changed(&mut self, before: u8, now: u64) -> Option<Vec<u8>> {
        let changed = before ^ self.via.b;
        if changed & (TIP | TACK) == 0 {
            return None;
        }
        if self.via.b & TIP == 0 {
            self.byte(now);
            return None;
        }
        self.shifted(now);
        if changed & TIP != 0 {
            let packet = std::mem::take(&mut self.from_host);
            self.ask(now);
            return Some(packet).filter(|p| !p.is_empty());
        }
        // Nothing is in progress: CUDA follows, which brings both sides in step.
        self.via.b = self.via.b & !TREQ | if self.via.b & TACK != 0 { TREQ } else { 0 };
        None
    }

    fn byte(&mut self, now: u64) {
        if self.via.control & via::CONTROL_SHIFT_OUT != 0 {
            if self.from_host.len() < LIMIT {
                self.from_host.push(self.via.shift);
            }
            self.shifted(now);
        } else if !self.to_host.is_empty() {
            self.via.shift = self.to_host.remove(0);
            if self.to_host.is_empty() {
                self.via.b |= TREQ;
            }
            self.shifted(now);
        }
    }

    fn tell(&mut self, packet: Vec<u8>, now: u64) {
        self.to_host = packet;
        self.ask(now);
    }
}

impl Cuda {
    fn now(&self) -> u64 {
        self.timer.now_ns()
    }

    fn follow(&self, state: &State) {
        self.irq.set(state.via.line());
        let times = [state.via.next_ns(), state.poll_at_ns];
        self.timer.follow(times.into_iter().flatten().min());
    }

    fn packet(&self, state: &mut State, packet: &[u8], now: u64) {
        let answer = state.packets.answer(packet, &self.bus, &self.clock);
        state.poll_at_ns = state.packets.poll_ns().map(|ns| now.saturating_add(ns));
        if answer.reset {
            self.reset.pulse();
        }
        if answer.power_off {
            self.power_off.pulse();
        }
        state.tell(answer.bytes, now);
    }

    /// Asks the bus's devices.
    fn poll(&self, state: &mut State, now: u64) {
        if state.poll_at_ns.is_none_or(|at| at > now) {
            return;
        }
        state.poll_at_ns = state.packets.poll_ns().map(|ns| now.saturating_add(ns));
        let idle = state.to_host.is_empty() && state.from_host.is_empty();
        if idle && let Some(packet) = state.packets.polled(&self.bus) {
            state.tell(packet, now);
        }
    }
}

impl Mmio for Cuda {
    fn widths(&self) -> Widths {
        Widths::BYTE
    }

    fn read(&self, offset: u64, _size: u32) -> Result<u64, BusError> {
        let mut state = self.state.lock();
        let value = state.via.read((offset / STRIDE) as u8 & 15, self.now());
        self.follow(&state);
        Ok(u64::from(value))
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        let mut state = self.state.lock();
        let now = self.now();
        let register = (offset / STRIDE) as u8 & 15;
        let before = state.via.b;
        state.via.write(register, value as u8, now, TREQ);
        if register == via::B
            && let Some(packet) = state.lines_changed(before, now)
        {
            self.packet(&mut state, &packet, now);
        }
        self.follow(&state);
        Ok(())
    }
}

impl Alarm for Cuda {
    fn alarm(&self, _tag: u32) {
        let mut state = self.state.lock();
        let now = self.now();
        state.via.advance(now);
        self.poll(&mut state, now);
        self.follow(&state);
    }
}

impl Device for Cuda {
    fn reset(&self) {
        let mut state = self.state.lock();
        // The time that was set stays, and the parameter memory.
        let packets = state.packets.after_reset();
        *state = State { packets, ..fresh() };
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
#[path = "cuda_tests.rs"]
mod tests;
