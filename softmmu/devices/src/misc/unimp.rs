//! Registers of a device that is not there yet: accesses are logged.

use crate::class::Build;
use softmmu_core::device::{Device, Endian, Mmio, StateError, Widths};
use softmmu_core::log;
use std::sync::Arc;
use tcg_mem::BusError;

struct Unimp {
    name: String,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let name = build.values.text("name").unwrap_or(build.id).to_owned();
    let device = Arc::new(Unimp { name });
    build.map(0, build.values.number_or_0("size"), device.clone())?;
    build.parts.device = Some(device);
    Ok(())
}

impl Mmio for Unimp {
    fn widths(&self) -> Widths {
        Widths {
            endian: Endian::Big,
            min: 1,
            max: 8,
        }
    }

    fn read(&self, offset: u64, size: u32) -> Result<u64, BusError> {
        log::unimp(&self.name, || {
            format!("read of {size} bytes at {offset:#x}")
        });
        Ok(0)
    }

    fn write(&self, offset: u64, size: u32, value: u64) -> Result<(), BusError> {
        log::unimp(&self.name, || {
            format!("write of {size} bytes at {offset:#x}: {value:#x}")
        });
        Ok(())
    }
}

impl Device for Unimp {
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
    use crate::testing::{Rig, device_tests};

    device_tests!("unimplemented-device", |_: &mut Rig| {});
}
