//! The universal interrupt controller of the 4xx parts [PPC440EP UIC]: 32 inputs, of which number 0 is the
//! most significant bit, and two outputs. Others may be connected to inputs of the first.
//!
//! DEVIATES: polarity is only kept. A board's wires say whether a device asks for an interrupt, not
//! whether a line is high.

use crate::class::Build;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::cpu::Dcr;
use softmmu_core::device::{Device, StateError, load_state, save_state};
use softmmu_core::irq::{Irq, IrqSink};
use softmmu_core::log;
use std::sync::{Arc, Weak};

const STATUS: u32 = 0;
const STATUS_SET: u32 = 1;
const ENABLE: u32 = 2;
const CRITICAL: u32 = 3;
const POLARITY: u32 = 4;
const TRIGGER: u32 = 5;
const MASKED_STATUS: u32 = 6;
const VECTOR: u32 = 7;
const VECTOR_BASE: u32 = 8;
const REGISTERS: u32 = 9;

/// In the vector's base: input 0 is the most urgent, otherwise input 31 is.
const FROM_INPUT_0: u32 = 1;
/// Bytes of code for each input.
const VECTOR_STEP: u32 = 512;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct State {
    status: u32,
    enable: u32,
    critical: u32,
    polarity: u32,
    /// Inputs of which only the edge counts.
    edge: u32,
    base: u32,
    /// Who asks at the moment.
    inputs: u32,
}

impl State {
    fn masked(&self) -> u32 {
        self.status & self.enable
    }

    /// Inputs that still ask cannot be taken back.
    fn held(&self) -> u32 {
        self.inputs & !self.edge
    }

    /// Where the handler of the most urgent critical input is.
    fn vector(&self) -> u32 {
        let pending = self.masked() & self.critical;
        if pending == 0 {
            return 0;
        }
        let distance = match self.base & FROM_INPUT_0 {
            0 => pending.trailing_zeros(),
            _ => pending.leading_zeros(),
        };
        (self.base & !3).wrapping_add(distance * VECTOR_STEP)
    }
}

struct Uic {
    state: Mutex<State>,
    int: Irq,
    cint: Irq,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let uic = Arc::new(Uic {
        state: Mutex::default(),
        int: build.output("int", 0),
        cint: build.output("cint", 0),
    });
    build.parts.sink = Some(Arc::new(Inputs(Arc::downgrade(&uic))));
    build.parts.dcr = Some((uic.clone(), REGISTERS));
    build.parts.device = Some(uic);
    Ok(())
}

impl Uic {
    fn update(&self, state: &State) {
        let pending = state.masked();
        self.int.set(pending & !state.critical != 0);
        self.cint.set(pending & state.critical != 0);
    }
}

impl Dcr for Uic {
    fn dcr_read(&self, n: u32) -> u32 {
        let state = self.state.lock();
        match n {
            STATUS => state.status,
            ENABLE => state.enable,
            CRITICAL => state.critical,
            POLARITY => state.polarity,
            TRIGGER => state.edge,
            MASKED_STATUS => state.masked(),
            VECTOR => state.vector(),
            // The base can only be written.
            _ => 0,
        }
    }

    fn dcr_write(&self, n: u32, value: u32) {
        let mut state = self.state.lock();
        match n {
            STATUS => state.status = state.status & !value | state.held(),
            STATUS_SET => state.status |= value,
            ENABLE => state.enable = value,
            CRITICAL => state.critical = value,
            POLARITY => state.polarity = value,
            TRIGGER => {
                state.edge = value;
                state.status |= state.held();
            }
            VECTOR_BASE => state.base = value & !2,
            _ => log::guest_error("ppc-uic", || format!("write of read-only register {n}")),
        }
        self.update(&state);
    }
}

struct Inputs(Weak<Uic>);

impl IrqSink for Inputs {
    fn set_input(&self, input: u32, level: bool) {
        let Some(uic) = self.0.upgrade().filter(|_| input < 32) else {
            return;
        };
        let bit = 1 << 31 >> input;
        let mut state = uic.state.lock();
        let rises = level && state.inputs & bit == 0;
        if level {
            state.inputs |= bit;
        } else {
            state.inputs &= !bit;
        }
        if rises {
            state.status |= bit;
        }
        uic.update(&state);
    }
}

impl Device for Uic {
    fn reset(&self) {
        let mut state = self.state.lock();
        let inputs = state.inputs;
        *state = State {
            status: inputs,
            inputs,
            ..State::default()
        };
        self.update(&state);
    }

    fn save(&self) -> Vec<u8> {
        save_state(&*self.state.lock())
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        *self.state.lock() = load_state(bytes)?;
        Ok(())
    }

    fn resume(&self) {
        self.update(&self.state.lock());
    }

    fn describe(&self) -> String {
        let s = self.state.lock();
        format!(
            "status {:08x}, enable {:08x}, critical {:08x}, edge {:08x}",
            s.status, s.enable, s.critical, s.edge
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, device_tests};

    device_tests!("ppc-uic", |_: &mut Rig| {});

    #[test]
    fn levels_edges_and_vectors() {
        let rig = common_rig();
        let dcr = rig.parts.dcr.clone().unwrap().0;
        let sink = rig.parts.sink.clone().unwrap();
        let (int, cint) = (rig.output("int"), rig.output("cint"));
        dcr.dcr_write(ENABLE, 0xc000_0001);
        dcr.dcr_write(TRIGGER, 1);
        sink.set_input(0, true);
        assert!(int.level() && !cint.level());
        dcr.dcr_write(STATUS, u32::MAX);
        assert!(int.level(), "it still asks");
        sink.set_input(0, false);
        assert!(int.level(), "the status stays until it is taken back");
        dcr.dcr_write(STATUS, 1 << 31);
        assert!(!int.level());
        sink.set_input(31, true);
        dcr.dcr_write(STATUS, 1);
        assert_eq!(dcr.dcr_read(STATUS), 0, "only the edge counts");
        dcr.dcr_write(CRITICAL, 0xc000_0001);
        dcr.dcr_write(STATUS_SET, 0x4000_0001);
        assert!(cint.level() && !int.level());
        assert_eq!(dcr.dcr_read(MASKED_STATUS), 0x4000_0001);
        dcr.dcr_write(VECTOR_BASE, 0x1_0000 | FROM_INPUT_0);
        assert_eq!(dcr.dcr_read(VECTOR), 0x1_0200);
        dcr.dcr_write(VECTOR_BASE, 0x1_0000);
        assert_eq!(dcr.dcr_read(VECTOR), 0x1_0000);
        sink.set_input(32, true);
    }
}
