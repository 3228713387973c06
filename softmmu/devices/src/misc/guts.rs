//! Global utilities [MPC8544 20]: who the chip is, and its reset.

use crate::class::Build;
use softmmu_core::device::{Device, Mmio, StateError, Widths};
use softmmu_core::irq::Irq;
use softmmu_core::log;
use std::sync::Arc;
use tcg_mem::BusError;

const PORPLLSR: u64 = 0x00;
const PVR: u64 = 0xa0;
const SVR: u64 = 0xa4;
const RSTCR: u64 = 0xb0;
/// Asserts the chip's reset request.
const RSTCR_RESET: u64 = 2;

struct Guts {
    reset: Irq,
    pvr: u64,
    svr: u64,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let guts = Arc::new(Guts {
        reset: build.output("reset", 0),
        pvr: build.values.number_or_0("pvr"),
        svr: build.values.number_or_0("svr"),
    });
    build.map(0, 0x1000, guts.clone())?;
    build.parts.device = Some(guts);
    Ok(())
}

impl Mmio for Guts {
    fn widths(&self) -> Widths {
        Widths::BE32
    }

    fn read(&self, offset: u64, _size: u32) -> Result<u64, BusError> {
        Ok(match offset {
            PVR => self.pvr,
            SVR => self.svr,
            PORPLLSR | RSTCR => 0,
            _ => {
                log::unimp("mpc8544-guts", || format!("read of register {offset:#x}"));
                0
            }
        })
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        match offset {
            RSTCR if value & RSTCR_RESET != 0 => self.reset.pulse(),
            RSTCR => {}
            _ => log::unimp("mpc8544-guts", || {
                format!("write of register {offset:#x}: {value:#x}")
            }),
        }
        Ok(())
    }
}

impl Device for Guts {
    fn reset(&self) {}

    fn save(&self) -> Vec<u8> {
        Vec::new()
    }

    fn load(&self, _state: &[u8]) -> Result<(), StateError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, device_tests};
    use parking_lot::Mutex;
    use softmmu_core::irq::{IrqSink, Wire};

    device_tests!("mpc8544-guts", |_: &mut Rig| {});

    #[derive(Default)]
    struct Seen(Mutex<u32>);
    impl IrqSink for Seen {
        fn set_input(&self, _input: u32, level: bool) {
            *self.0.lock() += u32::from(level);
        }
    }

    #[test]
    fn the_reset_bit_resets() {
        let mut rig = Rig::new();
        rig.make("mpc8544-guts", &[("svr", "0x80340110")]);
        let seen = Arc::new(Seen::default());
        rig.output("reset").connect(Wire::new(seen.clone(), 0));
        rig.space().put(Rig::AT + RSTCR, 1);
        assert_eq!(*seen.0.lock(), 0);
        rig.space().put(Rig::AT + RSTCR, 2);
        assert_eq!(*seen.0.lock(), 1);
        assert_eq!(rig.space().get(Rig::AT + SVR), 0x8034_0110);
    }
}
