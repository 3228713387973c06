//! A keyboard and a mouse on the Apple Desktop Bus [ADB].
//!
//! UNIMPL: no part of the host side types or moves yet: `Events::push` is what it will call.

use super::adb::{AdbBus, AdbDevice};
use crate::class::Build;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::device::{Device, StateError, load_state, save_state};
use std::collections::VecDeque;
use std::sync::Arc;

/// Register 3: service requests are allowed, and there was no exception.
const FLAGS: u8 = 0x60;
/// Handlers in register 3 that are requests and no handlers.
const SELF_TEST: u8 = 0xff;
const MOVE_ALWAYS: u8 = 0;
const MOVE_UNLESS_COLLISION: u8 = 0xfe;

/// What a kind of device is.
#[derive(Clone, Copy)]
struct Model {
    address: u8,
    handler: u8,
    /// Handlers that software may choose.
    handlers: &'static [u8],
    /// Contents of register 1 and 2.
    register_1: &'static [u8],
    register_2: &'static [u8],
}

const KEYBOARD: Model = Model {
    address: 2,
    handler: 1,
    handlers: &[1, 2, 3],
    register_1: &[],
    // No modifier is down, no light is on.
    register_2: &[0xff, 0xff],
};
const MOUSE: Model = Model {
    address: 3,
    handler: 2,
    handlers: &[1, 2, 4],
    // Name, units in an inch, class, buttons.
    register_1: &[b'e', b'm', b'u', b'1', 0, 100, 1, 1],
    register_2: &[],
};

/// More than that nobody reads any more.
const LIMIT: usize = 64;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    address: u8,
    handler: u8,
    lights: u8,
    /// Two bytes of register 0 each.
    waiting: VecDeque<[u8; 2]>,
}

struct Events {
    model: Model,
    state: Mutex<State>,
}

pub(super) fn keyboard(build: &mut Build<'_>) -> Result<(), String> {
    create(build, KEYBOARD)
}

pub(super) fn mouse(build: &mut Build<'_>) -> Result<(), String> {
    create(build, MOUSE)
}

fn create(build: &mut Build<'_>, model: Model) -> Result<(), String> {
    let bus: Arc<AdbBus> = build.bus()?;
    let device = Arc::new(Events {
        model,
        state: Mutex::new(Events::fresh(&model)),
    });
    bus.plug(device.clone());
    build.parts.device = Some(device);
    Ok(())
}

impl Events {
    fn fresh(model: &Model) -> State {
        State {
            address: model.address,
            handler: model.handler,
            lights: 0,
            waiting: VecDeque::new(),
        }
    }

    /// Something has happened: two bytes of register 0.
    #[cfg_attr(not(test), allow(dead_code, reason = "see the head of the file"))]
    fn push(&self, event: [u8; 2]) {
        let mut state = self.state.lock();
        if state.waiting.len() < LIMIT {
            state.waiting.push_back(event);
        }
    }
}

impl AdbDevice for Events {
    fn address(&self) -> u8 {
        self.state.lock().address
    }

    fn reset_bus(&self) {
        *self.state.lock() = Events::fresh(&self.model);
    }

    fn flush(&self) {
        self.state.lock().waiting.clear();
    }

    fn talk(&self, register: u8) -> Option<Vec<u8>> {
        let mut state = self.state.lock();
        let fixed = |bytes: &[u8]| (!bytes.is_empty()).then(|| bytes.to_vec());
        match register {
            0 => state.waiting.pop_front().map(|e| e.to_vec()),
            1 => fixed(self.model.register_1),
            2 => {
                let mut bytes = fixed(self.model.register_2)?;
                if let Some(low) = bytes.get_mut(1) {
                    *low = *low & !7 | state.lights;
                }
                Some(bytes)
            }
            _ => Some(vec![FLAGS | state.address, state.handler]),
        }
    }

    fn listen(&self, register: u8, data: &[u8]) {
        let mut state = self.state.lock();
        match (register, data) {
            (2, [_, low, ..]) => state.lights = low & 7,
            (3, [flags, MOVE_ALWAYS | MOVE_UNLESS_COLLISION, ..]) => state.address = flags & 15,
            (3, [_, SELF_TEST, ..]) => {}
            (3, [_, handler, ..]) if self.model.handlers.contains(handler) => {
                state.handler = *handler;
            }
            _ => {}
        }
    }

    fn wants_service(&self) -> bool {
        !self.state.lock().waiting.is_empty()
    }
}

impl Device for Events {
    fn reset(&self) {
        self.reset_bus();
    }

    fn save(&self) -> Vec<u8> {
        save_state(&*self.state.lock())
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        *self.state.lock() = load_state(bytes)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, device_tests};

    device_tests!("adb-keyboard", |rig: &mut Rig| rig.other(
        "cuda",
        "cuda",
        &[]
    ));

    fn bus_of(model: Model) -> (AdbBus, Arc<Events>) {
        let bus = AdbBus::default();
        let device = Arc::new(Events {
            model,
            state: Mutex::new(Events::fresh(&model)),
        });
        bus.plug(device.clone());
        (bus, device)
    }

    #[test]
    fn a_device_moves_and_answers() {
        let (bus, mouse) = bus_of(MOUSE);
        assert_eq!(bus.request(0x2f, &[]), None, "nobody at address 2");
        assert_eq!(bus.request(0x3f, &[]), Some(vec![0x63, 2]));
        bus.request(0x3b, &[9, 0xfe]);
        assert_eq!(bus.request(0x3f, &[]), None);
        assert_eq!(bus.request(0x9f, &[]), Some(vec![0x69, 2]));
        bus.request(0x9b, &[9, 4]);
        assert_eq!(bus.request(0x9f, &[]), Some(vec![0x69, 4]));
        assert_eq!(bus.poll(0xffff), None);
        mouse.push([0x81, 0x80]);
        assert_eq!(bus.poll(1 << 3), None);
        assert_eq!(bus.poll(1 << 9), Some((0x9c, vec![0x81, 0x80])));
        bus.request(0, &[]);
        assert_eq!(mouse.address(), 3);
    }

    #[test]
    fn lights_are_remembered() {
        let (bus, keyboard) = bus_of(KEYBOARD);
        bus.request(0x2a, &[0, 5]);
        assert_eq!(bus.request(0x2e, &[]), Some(vec![0xff, 0xfd]));
        assert_eq!(bus.request(0x2c, &[]), None, "no key");
        keyboard.push([0x00, 0xff]);
        assert_eq!(bus.request(0x2c, &[]), Some(vec![0, 0xff]));
    }
}
