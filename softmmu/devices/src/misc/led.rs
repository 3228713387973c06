//! A light: `info qtree` shows whether it is on and how often it was switched on.

use crate::class::Build;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::device::{Device, StateError, load_state, save_state};
use softmmu_core::irq::IrqSink;
use std::sync::Arc;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct State {
    level: bool,
    count: u64,
}

struct Led {
    state: Mutex<State>,
    color: String,
    active_high: bool,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let led = Arc::new(Led {
        state: Mutex::default(),
        color: build.values.text("color").unwrap_or("red").to_owned(),
        active_high: build.values.switch("gpio-active-high"),
    });
    build.parts.sink = Some(led.clone());
    build.parts.device = Some(led);
    Ok(())
}

impl Led {
    fn lit(&self, state: &State) -> bool {
        state.level == self.active_high
    }
}

impl IrqSink for Led {
    fn set_input(&self, input: u32, level: bool) {
        let mut state = self.state.lock();
        if input != 0 || state.level == level {
            return;
        }
        state.level = level;
        if self.lit(&state) {
            state.count = state.count.saturating_add(1);
        }
    }
}

impl Device for Led {
    fn reset(&self) {
        // The level is its driver's.
        self.state.lock().count = 0;
    }

    fn save(&self) -> Vec<u8> {
        save_state(&*self.state.lock())
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        *self.state.lock() = load_state(bytes)?;
        Ok(())
    }

    fn describe(&self) -> String {
        let state = self.state.lock();
        let now = if self.lit(&state) { "on" } else { "off" };
        format!(
            "{} light {now}, switched on {} times",
            self.color, state.count
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Rig, device_tests};

    device_tests!("led", |_: &mut Rig| {});

    #[test]
    fn it_is_switched_on() {
        let rig = common_rig();
        let sink = rig.parts.sink.clone().unwrap();
        for level in [true, false, true, true] {
            sink.set_input(0, level);
        }
        assert_eq!(rig.device().describe(), "red light on, switched on 2 times");
    }
}
