//! Apple's mac-io chips as PCI functions: their base address is a bus of its own, which the board
//! fills, and their feature control registers keep what is written [KeyLargo-Linux].

use crate::class::Build;
use crate::pci::{Bar, BarBacking, BarKind, Identity, PciFunction};
use parking_lot::Mutex;
use softmmu_core::device::{Device, Endian, Mmio, StateError, Widths, load_state, save_state};
use softmmu_core::log;
use softmmu_core::space::Region;
use std::sync::Arc;
use tcg_mem::BusError;

const SIZE: u64 = 0x8_0000;
/// Feature control: clocks and resets of the parts, as words.
const FEATURES: std::ops::Range<u64> = 0x30..0x50;

/// PCI device number.
pub(super) const HEATHROW: u16 = 0x10;
/// See [`HEATHROW`].
pub(super) const KEYLARGO: u16 = 0x22;

struct MacIo {
    function: Arc<PciFunction>,
    features: Arc<Features>,
}

/// What is not one of the parts in the chip.
struct Features(Mutex<[u32; 8]>);

pub(super) fn create(build: &mut Build<'_>, device: u16) -> Result<(), String> {
    let Some((bus, asked)) = build.pci.clone() else {
        return Err("needs a PCI bus".into());
    };
    let identity = Identity {
        vendor: 0x106b,
        device,
        class: 0xff_0000,
        ..Identity::default()
    };
    let function = PciFunction::new(build.id, &bus, bus.place(asked)?, identity);
    let space = build.host.space.inner(build.id);
    let features = Arc::new(Features(Mutex::default()));
    space.add(Region::io("mac-io", 0, SIZE, features.clone()).priority(-1));
    let bar = Bar {
        kind: BarKind::Memory,
        prefetch: false,
        size: SIZE,
        backing: BarBacking::Space(space.clone()),
    };
    function.add_bar(0, bar);
    function.plug(None);
    build.parts.space = Some(space);
    build.parts.device = Some(Arc::new(MacIo { function, features }));
    Ok(())
}

impl Mmio for Features {
    fn widths(&self) -> Widths {
        Widths {
            endian: Endian::Little,
            min: 1,
            max: 4,
        }
    }

    fn read(&self, offset: u64, size: u32) -> Result<u64, BusError> {
        if !FEATURES.contains(&offset) {
            log::unimp("mac-io", || format!("read of {size} bytes at {offset:#x}"));
            return Ok(0);
        }
        let words = self.0.lock();
        let at = offset - FEATURES.start;
        let word = words.get((at / 4) as usize).copied().unwrap_or(0);
        Ok(u64::from(word >> (8 * (at & 3))))
    }

    fn write(&self, offset: u64, size: u32, value: u64) -> Result<(), BusError> {
        let at = offset.wrapping_sub(FEATURES.start);
        match self.0.lock().get_mut((at / 4) as usize) {
            Some(word) => {
                let shift = 8 * (at & 3) as u32;
                let mask = u32::MAX >> (32 - 8 * size.clamp(1, 4)) << shift;
                *word = *word & !mask | (value as u32) << shift & mask;
            }
            None => log::unimp("mac-io", || {
                format!("write of {size} bytes at {offset:#x}: {value:#x}")
            }),
        }
        Ok(())
    }
}

impl Device for MacIo {
    fn reset(&self) {
        *self.features.0.lock() = [0; 8];
        self.function.reset();
    }

    fn save(&self) -> Vec<u8> {
        save_state(&(*self.features.0.lock(), self.function.save()))
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let (features, function): ([u32; 8], Vec<u8>) = load_state(bytes)?;
        self.function.load(&function)?;
        *self.features.0.lock() = features;
        Ok(())
    }

    fn resume(&self) {
        self.function.resume();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, device_tests};
    use tcg_mem::Bus;

    device_tests!("macio-newworld", |_: &mut Rig| {});

    #[test]
    fn the_bus_moves_with_the_base_address() {
        let rig = common_rig();
        let space = rig.space();
        let inner = rig.parts.space.clone().unwrap();
        inner.add(Region::io(
            "x",
            0x1000,
            4,
            Arc::new(Features(Mutex::new([7; 8]))),
        ));
        rig.pci.config_write(64, 0x10, 4, 0x8400_0000);
        rig.pci.config_write(64, 4, 2, 2);
        space.write_device(0x8400_0038, 4, 0x1234_5678);
        space.write_device(0x8400_0039, 1, 0xff);
        assert_eq!(space.read_device(0x8400_0038, 4), 0x1234_ff78);
        assert_eq!(space.read_device(0x8400_2000, 4), 0, "nothing there");
        assert!(rig.host.space.read(0x8400_1000, 4).is_ok());
    }
}
