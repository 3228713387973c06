//! The PCI host bridge of Freescale's e500 parts [MPC8544 16].
//!
//! The windows that the board gives are always there; those that software sets up lie over them.
//! DEVIATES: functions reach all memory at its own address, whatever the inbound windows say, and
//! the part's registers where base address 0 of the bridge is.

use super::bus::PciBus;
use super::function::{Bar, BarBacking, BarKind, Identity, PciFunction, PciHook};
use crate::class::Build;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::device::{Device, Endian, Mmio, StateError, Widths, load_state, save_state};
use softmmu_core::log;
use softmmu_core::space::{AddressSpace, Region, RegionId};
use std::sync::{Arc, Weak};
use tcg_mem::BusError;

const CONFIG_ADDRESS: u64 = 0x0;
const CONFIG_DATA: u64 = 0x4;
const INTERRUPT_ACK: u64 = 0x8;
/// Outbound windows: five of 0x20 bytes.
const OUTBOUND: u64 = 0xc00;
/// Inbound windows: three of 0x20 bytes, number 3 first.
const INBOUND: u64 = 0xda0;
/// Error management.
const ERRORS: u64 = 0xe00;

const WINDOW_ON: u32 = 1 << 31;
/// Transaction type of an outbound window: I/O.
const TYPE_IO: u32 = 8;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct State {
    address: u32,
    /// Translation address, its upper half, base address, reserved, attributes, ...
    outbound: [[u32; 8]; 5],
    inbound: [[u32; 8]; 3],
    errors: [u32; 16],
}

struct Host {
    state: Mutex<State>,
    bus: Arc<PciBus>,
    space: Arc<AddressSpace>,
    bridge: Arc<PciFunction>,
    ccsr: u64,
    /// Windows that software has set up, and the registers in the functions' address space.
    mapped: Mutex<([Option<RegionId>; 5], Option<RegionId>)>,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let number = |name: &str| build.values.number(name);
    let missing = |name: &str| format!("property '{name}' is missing");
    let memory_at = number("memory-at").ok_or_else(|| missing("memory-at"))?;
    let memory_bus = number("memory-bus").ok_or_else(|| missing("memory-bus"))?;
    let io_at = number("io-at").ok_or_else(|| missing("io-at"))?;
    let ccsr = number("ccsr-at").ok_or_else(|| missing("ccsr-at"))?;
    let size = build.values.number_or_0("memory-size");
    let intx = std::array::from_fn(|n| build.output("intx", n as u32));
    let cpu = build.host.space.clone();
    let bus = PciBus::new(build.id, &cpu, build.host.dma.clone(), intx);
    cpu.add(Region::window(
        "pci-memory",
        memory_at,
        size,
        bus.memory().clone(),
        memory_bus,
    ));
    cpu.add(Region::window(
        "pci-io",
        io_at,
        0x1_0000,
        bus.io().clone(),
        0,
    ));
    let identity = Identity {
        vendor: 0x1957,
        device: 0x0030,
        class: 0x0b_2000,
        ..Identity::default()
    };
    let bridge = PciFunction::new("e500-host-bridge", &bus, 0, identity);
    let backing = BarBacking::Cpu(ccsr);
    bridge.add_bar(
        0,
        Bar {
            kind: BarKind::Memory,
            prefetch: false,
            size: 1 << 20,
            backing,
        },
    );
    let host = Arc::new(Host {
        state: Mutex::default(),
        bus: bus.clone(),
        space: cpu,
        bridge: bridge.clone(),
        ccsr,
        mapped: Mutex::default(),
    });
    let hook: Weak<dyn PciHook> = Arc::<Host>::downgrade(&host) as Weak<dyn PciHook>;
    bridge.plug(Some(hook));
    build.map(0, 0x1000, host.clone())?;
    build.parts.pci_bus = Some(bus);
    build.parts.device = Some(host);
    Ok(())
}

impl Host {
    /// Device and register that the address register selects, and whether it is enabled.
    fn selected(address: u32) -> Option<(u8, u16)> {
        // Only the bus behind the bridge exists.
        let on = address >> 31 != 0 && address >> 16 & 0xff == 0;
        on.then_some(((address >> 8) as u8, (address & 0xfc) as u16))
    }

    fn map_outbound(&self, n: usize, window: &[u32; 8]) {
        let [low, high, base, _, attributes, ..] = *window;
        let bits = (attributes & 63) + 1;
        let region = (attributes & WINDOW_ON != 0 && n != 0 && bits >= 12).then(|| {
            let size = 1u64.checked_shl(bits).unwrap_or(0);
            let to = (u64::from(high) << 32 | u64::from(low)) << 12;
            let at = u64::from(base & 0xff_ffff) << 12;
            let inner = match attributes >> 16 & 15 {
                TYPE_IO => self.bus.io(),
                _ => self.bus.memory(),
            };
            let name = format!("outbound window {n}");
            // Windows of lower numbers win.
            Region::window(name, at, size, inner.clone(), to).priority(8 - n as i32)
        });
        if let Some(id) = self.mapped.lock().0.get_mut(n) {
            *id = self.space.replace(*id, region);
        }
    }

    fn map_all(&self) {
        let outbound = self.state.lock().outbound;
        for (n, window) in outbound.iter().enumerate() {
            self.map_outbound(n, window);
        }
        self.config_written(0x10, 4);
    }
}

fn window_slot(offset: u64, base: u64, windows: &mut [[u32; 8]]) -> Option<(usize, &mut u32)> {
    let n = (offset.checked_sub(base)? / 0x20) as usize;
    let cell = windows.get_mut(n)?.get_mut((offset % 0x20 / 4) as usize)?;
    Some((n, cell))
}

impl PciHook for Host {
    /// The part's registers move in the functions' view.
    fn config_written(&self, register: u16, _size: u32) {
        if register >= 0x14 {
            return;
        }
        let region = self.bridge.bar_address(0).map(|at| {
            let space = self.space.clone();
            Region::window("ccsr", at, 1 << 20, space, self.ccsr).priority(1)
        });
        let mut mapped = self.mapped.lock();
        mapped.1 = self.bus.set_master_region(mapped.1, region);
    }
}

impl Mmio for Host {
    fn widths(&self) -> Widths {
        Widths {
            endian: Endian::Big,
            min: 1,
            max: 4,
        }
    }

    fn read(&self, offset: u64, size: u32) -> Result<u64, BusError> {
        let address = self.state.lock().address;
        if let CONFIG_DATA..INTERRUPT_ACK = offset {
            let value = Host::selected(address).map_or(u32::MAX, |(devfn, register)| {
                self.bus
                    .config_read(devfn, register | (offset & 3) as u16, size)
            });
            // The data register is little-endian.
            return Ok(u64::from(value.swap_bytes() >> (32 - 8 * size)));
        }
        if size != 4 {
            log::guest_error("e500-pcihost", || format!("{size} bytes at {offset:#x}"));
            return Ok(0);
        }
        let mut state = self.state.lock();
        let state = &mut *state;
        let value = match offset {
            CONFIG_ADDRESS => state.address,
            OUTBOUND..INBOUND => {
                window_slot(offset, OUTBOUND, &mut state.outbound).map_or(0, |s| *s.1)
            }
            INBOUND..ERRORS => window_slot(offset, INBOUND, &mut state.inbound).map_or(0, |s| *s.1),
            ERRORS.. => state
                .errors
                .get(((offset - ERRORS) / 4) as usize)
                .copied()
                .unwrap_or(0),
            _ => 0,
        };
        Ok(u64::from(value))
    }

    fn write(&self, offset: u64, size: u32, value: u64) -> Result<(), BusError> {
        let value = value as u32;
        if let CONFIG_DATA..INTERRUPT_ACK = offset {
            let address = self.state.lock().address;
            if let Some((devfn, register)) = Host::selected(address) {
                let value = value.swap_bytes() >> (32 - 8 * size);
                self.bus
                    .config_write(devfn, register | (offset & 3) as u16, size, value);
            }
            return Ok(());
        }
        if size != 4 {
            log::guest_error("e500-pcihost", || format!("{size} bytes at {offset:#x}"));
            return Ok(());
        }
        let mut state = self.state.lock();
        let mut changed = None;
        match offset {
            CONFIG_ADDRESS => state.address = value,
            OUTBOUND..INBOUND => {
                if let Some((n, cell)) = window_slot(offset, OUTBOUND, &mut state.outbound) {
                    *cell = value;
                    changed = state.outbound.get(n).map(|w| (n, *w));
                }
            }
            INBOUND..ERRORS => {
                if let Some((_, cell)) = window_slot(offset, INBOUND, &mut state.inbound) {
                    *cell = value;
                }
            }
            // Detected errors are taken back by writing ones.
            ERRORS => state.errors[0] &= !value,
            0xe04.. => {
                if let Some(cell) = state.errors.get_mut(((offset - ERRORS) / 4) as usize) {
                    *cell = value;
                }
            }
            _ => {}
        }
        drop(state);
        if let Some((n, window)) = changed {
            self.map_outbound(n, &window);
        }
        Ok(())
    }
}

impl Device for Host {
    fn reset(&self) {
        *self.state.lock() = State::default();
        self.bridge.reset();
        self.map_all();
    }

    fn save(&self) -> Vec<u8> {
        save_state(&(&*self.state.lock(), self.bridge.save()))
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let (state, bridge): (State, Vec<u8>) = load_state(bytes)?;
        self.bridge.load(&bridge)?;
        *self.state.lock() = state;
        Ok(())
    }

    fn resume(&self) {
        self.bridge.resume();
        self.map_all();
    }

    fn describe(&self) -> String {
        format!("bus {}", self.bus.name())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Rig, device_tests};

    device_tests!("e500-pcihost", |rig: &mut Rig| {
        rig.prop("memory-at", "0xc0000000");
        rig.prop("memory-bus", "0xe0000000");
        rig.prop("io-at", "0xe1000000");
        rig.prop("ccsr-at", "0xe0000000");
    });

    #[test]
    fn configuration_and_windows() {
        let rig = common_rig();
        let space = rig.space();
        let bus = rig.parts.pci_bus.clone().unwrap();
        space.put(Rig::AT, 0x8000_0000);
        assert_eq!(
            space.get(Rig::AT + 4),
            0x5719_3000,
            "little-endian behind a big-endian door"
        );
        assert_eq!(space.read_device(Rig::AT + 4, 2), 0x1957);
        space.put(Rig::AT, 0x8000_0010);
        space.put(Rig::AT + 4, u32::MAX.swap_bytes());
        assert_eq!(
            space.get(Rig::AT + 4).swap_bytes(),
            0xfff0_0000,
            "a megabyte"
        );
        space.put(Rig::AT + 4, 0xdff0_0000_u32.swap_bytes());
        space.put(Rig::AT, 0x8000_0004);
        space.write_device(Rig::AT + 4, 2, 6);
        assert!(bus.master().space().describe().contains("ccsr"));
        space.put(Rig::AT, 0x8000_f800);
        assert_eq!(space.get(Rig::AT + 4), u32::MAX, "an empty slot");
        // Outbound window 1: 64 KiB of I/O space at 0xd0000000.
        space.put(Rig::AT + 0xc28, 0xd_0000);
        space.put(Rig::AT + 0xc30, 0x8008_800f);
        assert!(rig.host.space.describe().contains("outbound window 1"));
        rig.device().reset();
        assert!(!rig.host.space.describe().contains("outbound window 1"));
        assert!(!bus.master().space().describe().contains("ccsr"));
    }
}
