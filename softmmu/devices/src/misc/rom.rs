//! Memory that only loaders fill: where firmware is.

use crate::class::Build;
use softmmu_core::device::{Device, StateError};
use softmmu_core::ram::Ram;
use softmmu_core::space::Region;
use std::sync::Arc;

struct Rom;

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let size = build.values.number_or_0("size");
    let at = *build.at.first().ok_or("needs an address ('at')")?;
    let ram = Ram::new(size).map_err(|e| format!("{size} bytes: {e}"))?;
    let region = Region::ram(build.id, at, Arc::new(ram), false);
    build.parts.regions.push(build.space.add(region));
    build.parts.device = Some(Arc::new(Rom));
    Ok(())
}

// What is in it is loaded again at each start.
impl Device for Rom {
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

    device_tests!("rom", |rig: &mut Rig| rig.prop("size", "64k"));

    #[test]
    fn guests_cannot_write_it() {
        let rig = common_rig();
        let space = rig.space();
        space.0.load_bytes_at(Rig::AT, &[1, 2, 3, 4]).unwrap();
        space.put(Rig::AT, 0);
        assert_eq!(space.get(Rig::AT), 0x0102_0304);
    }
}
