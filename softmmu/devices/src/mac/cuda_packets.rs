//! Packets that CUDA understands and its answers [CUDA-Linux]: requests to the Apple Desktop Bus,
//! and its own commands. An answer starts with the kind of packet, a status, and the command.

use crate::input::AdbBus;
use serde::{Deserialize, Serialize};
use softmmu_core::log;
use std::sync::Arc;

/// Kinds of packets.
const ADB: u8 = 0;
const OWN: u8 = 1;
const ERROR: u8 = 2;

/// Status of an answer: nobody answered on the bus; it was polled.
const NO_RESPONSE: u8 = 0x02;
const POLLED: u8 = 0x40;
/// Codes of errors.
const UNKNOWN_COMMAND: u8 = 2;

/// Commands.
const AUTO_POLL: u8 = 0x01;
const GET_TIME: u8 = 0x03;
const GET_PARAMETERS: u8 = 0x07;
const SET_TIME: u8 = 0x09;
const POWER_DOWN: u8 = 0x0a;
const SET_PARAMETERS: u8 = 0x0c;
const FILE_SERVER: u8 = 0x13;
const RESET: u8 = 0x11;
const SET_RATE: u8 = 0x14;
const GET_RATE: u8 = 0x16;
const SET_DEVICES: u8 = 0x19;
const GET_DEVICES: u8 = 0x1a;
const SET_POWER_MESSAGES: u8 = 0x21;
const I2C: u8 = 0x22;
const WARM_START: u8 = 0x00;
const MONO_STABLE_RESET: u8 = 0x0d;
const SET_DFAC: u8 = 0x0e;
const SET_IPL: u8 = 0x12;
const WAKEUP: u8 = 0x23;
const TIMER_TICKLE: u8 = 0x24;
const SET_ONE_SECOND: u8 = 0x1b;

/// Seconds from 1904 to 1970.
const EPOCH: u64 = 2_082_844_800;
/// Milliseconds between polls.
const RATE: u16 = 11;

/// The time of day.
pub struct Clock(pub Arc<softmmu_core::clock::Clock>);

/// CUDA's memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Packets {
    polls: bool,
    rate_ms: u16,
    devices: u16,
    /// What was added to the time of day by setting it, in seconds.
    shift: u32,
    parameters: Vec<u8>,
}

impl Default for Packets {
    fn default() -> Packets {
        Packets {
            polls: false,
            rate_ms: RATE,
            devices: 0xffff,
            shift: 0,
            parameters: vec![0; 256],
        }
    }
}

/// What comes of a packet.
#[derive(Debug, Default, PartialEq)]
pub struct Answer {
    /// To be told.
    pub bytes: Vec<u8>,
    /// The machine is to be reset.
    pub reset: bool,
    /// The machine is to be switched off.
    pub power_off: bool,
}

fn bytes(bytes: Vec<u8>) -> Answer {
    Answer {
        bytes,
        ..Answer::default()
    }
}

impl Clock {
    /// Seconds since 1904.
    pub fn seconds(&self) -> u32 {
        (self.0.time_of_day().as_secs().wrapping_add(EPOCH)) as u32
    }
}

impl Packets {
    /// What a reset leaves.
    pub fn after_reset(&self) -> Packets {
        Packets {
            shift: self.shift,
            parameters: self.parameters.clone(),
            ..Packets::default()
        }
    }

    /// Time between polls, if there are any.
    pub fn poll_ns(&self) -> Option<u64> {
        self.polls
            .then(|| u64::from(self.rate_ms.max(1)) * 1_000_000)
    }

    /// Asks the devices on the bus on its own account.
    pub fn polled(&self, bus: &AdbBus) -> Option<Vec<u8>> {
        let (command, data) = bus.poll(self.devices)?;
        let mut packet = vec![ADB, POLLED, command];
        packet.extend(data);
        Some(packet)
    }

    /// Does what a packet says.
    pub fn answer(&mut self, packet: &[u8], bus: &AdbBus, clock: &Clock) -> Answer {
        match packet {
            [ADB, command, data @ ..] => {
                let reply = bus.request(*command, data);
                let status = if reply.is_some() { 0 } else { NO_RESPONSE };
                let mut out = vec![ADB, status, *command];
                out.extend(reply.unwrap_or_default());
                bytes(out)
            }
            [OWN, command, data @ ..] => self.own(*command, data, clock),
            [kind, rest @ ..] => {
                log::guest_error("cuda", || format!("a packet of unknown kind {kind}"));
                let command = rest.first().copied().unwrap_or(0);
                bytes(vec![ERROR, UNKNOWN_COMMAND, *kind, command])
            }
            [] => Answer::default(),
        }
    }

    fn own(&mut self, command: u8, data: &[u8], clock: &Clock) -> Answer {
        let mut answer = bytes(vec![OWN, 0, command]);
        let word = |d: &[u8]| u16::from_be_bytes([d[0], d[1]]);
        match (command, data) {
            (GET_TIME, _) => {
                let now = clock.seconds().wrapping_add(self.shift);
                answer.bytes.extend(now.to_be_bytes());
            }
            (SET_TIME, [a, b, c, d, ..]) => {
                let wanted = u32::from_be_bytes([*a, *b, *c, *d]);
                self.shift = wanted.wrapping_sub(clock.seconds());
            }
            (AUTO_POLL, [on, ..]) => self.polls = *on != 0,
            (SET_RATE, [ms, ..]) if *ms != 0 => self.rate_ms = u16::from(*ms),
            (GET_RATE, _) => answer.bytes.push(self.rate_ms as u8),
            (SET_DEVICES, [_, _, ..]) => self.devices = word(data),
            (GET_DEVICES, _) => answer.bytes.extend(self.devices.to_be_bytes()),
            (GET_PARAMETERS, [_, _, ..]) => {
                let from = usize::from(word(data)).min(self.parameters.len());
                let rest = self.parameters.get(from..).unwrap_or_default();
                answer.bytes.extend(rest.iter().take(16));
            }
            (SET_PARAMETERS, [_, _, values @ ..]) => {
                let from = usize::from(word(data));
                let places = self.parameters.iter_mut().skip(from);
                places.zip(values).for_each(|(to, v)| *to = *v);
            }
            (POWER_DOWN, _) => answer.power_off = true,
            (RESET, _) => answer.reset = true,
            // What has nothing to show for it: no such bus, light or message exists here.
            (
                WARM_START | MONO_STABLE_RESET | SET_DFAC | SET_IPL | FILE_SERVER
                | SET_POWER_MESSAGES | WAKEUP | TIMER_TICKLE | SET_ONE_SECOND,
                _,
            ) => {}
            (I2C, _) => answer.bytes = vec![ERROR, 5, OWN, command],
            _ => {
                log::unimp("cuda", || format!("command {command:#x} with {data:?}"));
                answer.bytes = vec![ERROR, UNKNOWN_COMMAND, OWN, command];
            }
        }
        answer
    }
}
