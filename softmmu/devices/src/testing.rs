//! What every device is tested with: a machine of nothing but the device, and the common tests
//! ([`device_tests`]).

use crate::class::{Backends, Build, Host, Parts, Place, Services, find};
use crate::i2c::I2cBus;
use crate::pci::PciBus;
use parking_lot::Mutex;
use softmmu_core::block::BlockBackend;
use softmmu_core::chardev::{CharBackend, CharFrontend};
use softmmu_core::clock::{Clock, RtcClock};
use softmmu_core::cpu::{CpuSlot, CpuStart, Cpus};
use softmmu_core::device::{Device, Endian};
use softmmu_core::dma::{Dma, Watch};
use softmmu_core::irq::Irq;
use softmmu_core::net::{NetBackend, NetFrontend};
use softmmu_core::props::Values;
use softmmu_core::ram::Ram;
use softmmu_core::space::{AddressSpace, Region};
use softmmu_core::timer::Timers;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tcg_mem::Bus;

/// A character device, a disk and a network in memory.
#[derive(Default)]
pub struct Fake {
    pub sent: Mutex<Vec<u8>>,
    pub chars: Mutex<Option<Arc<dyn CharFrontend>>>,
    pub disk: Mutex<Vec<u8>>,
    pub frames: Mutex<Vec<Vec<u8>>>,
    pub card: Mutex<Option<Arc<dyn NetFrontend>>>,
}

impl CharBackend for Fake {
    fn write(&self, bytes: &[u8]) -> usize {
        self.sent.lock().extend_from_slice(bytes);
        bytes.len()
    }
    fn set_frontend(&self, frontend: Option<Arc<dyn CharFrontend>>) {
        *self.chars.lock() = frontend;
    }
    fn describe(&self) -> String {
        "fake".into()
    }
}

impl BlockBackend for Fake {
    fn size(&self) -> u64 {
        self.disk.lock().len() as u64
    }
    fn read_only(&self) -> bool {
        false
    }
    fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let disk = self.disk.lock();
        let from = disk.get(offset as usize..offset as usize + buf.len());
        buf.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut disk = self.disk.lock();
        let to = disk.get_mut(offset as usize..offset as usize + data.len());
        to.ok_or(io::ErrorKind::UnexpectedEof)?
            .copy_from_slice(data);
        Ok(())
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
    fn discard(&self, _offset: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }
    fn write_zeroes(&self, offset: u64, len: u64) -> io::Result<()> {
        BlockBackend::write(self, offset, &vec![0; len as usize])
    }
    fn describe(&self) -> String {
        "fake".into()
    }
}

impl NetBackend for Fake {
    fn send(&self, frame: &[u8]) {
        self.frames.lock().push(frame.to_vec());
    }
    fn set_frontend(&self, frontend: Option<Arc<dyn NetFrontend>>) {
        *self.card.lock() = frontend;
    }
    fn describe(&self) -> String {
        "fake".into()
    }
}

#[derive(Default)]
struct Fakes(Mutex<HashMap<String, Arc<Fake>>>);

impl Fakes {
    fn get(&self, name: &str) -> Result<Arc<Fake>, String> {
        self.0
            .lock()
            .get(name)
            .cloned()
            .ok_or_else(|| format!("no {name}"))
    }
}

impl Backends for Fakes {
    fn block(&self, name: &str) -> Result<Arc<dyn BlockBackend>, String> {
        Ok(self.get(name)?)
    }
    fn net(&self, name: &str) -> Result<Arc<dyn NetBackend>, String> {
        Ok(self.get(name)?)
    }
    fn chardev(&self, name: &str) -> Result<Arc<dyn CharBackend>, String> {
        Ok(self.get(name)?)
    }
}

/// CPUs that only remember what was done to them.
#[derive(Default)]
pub struct FakeCpus {
    pub started: Mutex<Vec<(u32, CpuStart)>>,
}

impl Cpus for FakeCpus {
    fn count(&self) -> u32 {
        2
    }
    fn set_line(&self, _cpu: u32, _line: u32, _level: bool) {}
    fn start(&self, cpu: u32, start: &CpuStart) {
        self.started.lock().push((cpu, start.clone()));
    }
}

/// An address space for tests.
#[derive(Clone)]
pub struct Space(pub Arc<AddressSpace>);

impl Space {
    pub fn read_device(&self, at: u64, size: u32) -> u64 {
        self.0.read(at, size).expect("somebody answers")
    }
    pub fn write_device(&self, at: u64, size: u32, value: u64) {
        self.0.write(at, size, value).expect("somebody answers");
    }
    /// Big-endian registers of 32 bits.
    pub fn get(&self, at: u64) -> u32 {
        (self.read_device(at, 4) as u32).swap_bytes()
    }
    pub fn put(&self, at: u64, value: u32) {
        self.write_device(at, 4, u64::from(value.swap_bytes()));
    }
}

/// A machine of memory and the device under test.
pub struct Rig {
    pub host: Host,
    pub fake: Arc<Fake>,
    pub cpus: Arc<FakeCpus>,
    pub clock: Arc<Clock>,
    fakes: Arc<Fakes>,
    pub parts: Parts,
    pub pci: Arc<PciBus>,
    pub i2c: Arc<I2cBus>,
    props: Vec<(&'static str, &'static str)>,
    /// What the devices that were made before offer.
    pub services: Services,
    others: Vec<Parts>,
}

impl Rig {
    /// Where the device is.
    pub const AT: u64 = 0xf000_0000;
    /// Bytes of memory, at 0.
    pub const RAM: u64 = 0x10_0000;

    pub fn new() -> Rig {
        let clock = Arc::new(Clock::new(
            RtcClock::Virtual,
            Some(Duration::from_secs(1_000_000)),
        ));
        let timers = Timers::new(clock.clone());
        let space = AddressSpace::new("test");
        let ram = Arc::new(Ram::new(Rig::RAM).unwrap());
        space.add(Region::ram("ram", 0, ram, true));
        let dma = Dma::new(space.clone(), Watch::default());
        let fakes = Arc::new(Fakes::default());
        let fake = Arc::new(Fake::default());
        fake.disk.lock().resize(1 << 20, 0);
        let cpus = Arc::new(FakeCpus::default());
        let slot = CpuSlot::default();
        slot.fill(cpus.clone());
        let pci = PciBus::new(
            "pci",
            &space,
            dma.clone(),
            std::array::from_fn(|_| Irq::new()),
        );
        space.add(Region::window(
            "pci",
            0x8000_0000,
            0x4000_0000,
            pci.memory().clone(),
            0x8000_0000,
        ));
        let host = Host {
            space,
            dma,
            timers,
            cpus: slot,
            cpu_count: 2,
            guest_endian: Endian::Big,
            firmware_env: Vec::new(),
            seed: None,
            backends: fakes.clone(),
        };
        let parts = Parts::default();
        let i2c = I2cBus::new();
        Rig {
            host,
            fake,
            cpus,
            clock,
            fakes,
            parts,
            pci,
            i2c,
            props: Vec::new(),
            services: Services::new(),
            others: Vec::new(),
        }
    }

    fn offer(&mut self, prop: &'static str, name: &'static str) {
        self.fakes.0.lock().insert(name.into(), self.fake.clone());
        self.props.push((prop, name));
    }

    pub fn chardev(&mut self) {
        self.offer("chardev", "c0");
    }
    pub fn drive(&mut self) {
        self.offer("drive", "d0");
    }
    pub fn netdev(&mut self) {
        self.offer("netdev", "n0");
    }

    pub fn prop(&mut self, name: &'static str, value: &'static str) {
        self.props.push((name, value));
    }

    /// Makes the device with what was offered.
    pub fn make_with_offers(&mut self, class: &str) {
        let props = self.props.clone();
        self.make(class, &props);
    }

    pub fn make(&mut self, class: &str, props: &[(&str, &str)]) {
        let class = find(class).expect("a class");
        let values = Values::check(class.name, class.props, props.iter().copied()).unwrap();
        let at: Vec<u64> = (0..4).map(|i| Rig::AT + i * 0x100_0000).collect();
        let mut build = Build {
            id: "dut",
            values: &values,
            at: &at,
            host: &self.host,
            space: self.host.space.clone(),
            services: &self.services,
            on: None,
            pci: (class.place == Place::Pci).then(|| (self.pci.clone(), Some(64))),
            i2c: (class.place == Place::I2c).then(|| self.i2c.clone()),
            parts: Parts::default(),
        };
        (class.create)(&mut build).unwrap();
        self.parts = build.parts;
    }

    /// Makes a device that the one under test needs; it offers what it offers by this name.
    pub fn other(&mut self, name: &str, class: &str, props: &[(&str, &str)]) {
        self.make(class, props);
        if let Some(service) = self.parts.service.take() {
            self.services.push((name.to_owned(), service));
        }
        // It is not the one whose registers are stormed.
        for id in self.parts.regions.drain(..) {
            self.host.space.remove(id);
        }
        self.others.push(std::mem::take(&mut self.parts));
    }

    pub fn space(&self) -> Space {
        Space(self.host.space.clone())
    }

    pub fn device(&self) -> &Arc<dyn Device> {
        self.parts.device.as_ref().expect("a device")
    }

    pub fn output(&self, name: &str) -> Irq {
        let found = self.parts.outputs.iter().find(|(n, _, _)| *n == name);
        found.expect("an output").2.clone()
    }

    pub fn sent(&self) -> Vec<u8> {
        std::mem::take(&mut self.fake.sent.lock())
    }

    fn line(&self) -> Arc<dyn CharFrontend> {
        self.fake.chars.lock().clone().expect("a front end")
    }

    pub fn receive(&self, bytes: &[u8]) {
        self.line().receive(bytes);
    }

    pub fn room(&self) -> usize {
        self.line().room()
    }

    /// Random accesses of every width, everywhere that the device answers, with some time passing.
    pub fn storm(&self, seed: u64, rounds: u32) {
        let mut state = seed | 1;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for i in 0..rounds {
            let size = 1u32 << (next() % 4);
            let spread = [0x40, 0x1000, 0x4_0000][(next() % 3) as usize];
            let at = match next() % 8 {
                0..4 => Rig::AT + next() % 4 * 0x100_0000 + next() % spread,
                4 => 0x8000_0000 + next() % 0x4000_0000,
                _ => {
                    let register = (next() % 256) & !3;
                    let devfn = if next() % 2 == 0 {
                        64
                    } else {
                        (next() % 256) as u8
                    };
                    self.pci
                        .config_write(devfn, register as u16, size.min(4), next() as u32);
                    self.pci
                        .config_read(devfn, (next() % 256) as u16, size.min(4));
                    continue;
                }
            };
            let value = match next() % 3 {
                0 => next() % 64,
                1 => next() % Rig::RAM,
                _ => next(),
            };
            if let Some((dcr, count)) = &self.parts.dcr {
                dcr.dcr_write(next() as u32 % count, value as u32);
                dcr.dcr_read(next() as u32 % count);
            }
            if next() % 2 == 0 {
                let _ = self.host.space.read(at, size);
            } else {
                let _ = self.host.space.write(at, size, value);
            }
            if i % 64 == 0 {
                self.clock.set(self.clock.now_ns() + next() % 100_000_000);
                self.host.timers.run_due();
            }
        }
    }
}

/// The tests that every device has: reset brings back the first state, a saved state is loaded as
/// it was, broken states are refused or harmless, and nothing that the guest does panics.
macro_rules! device_tests {
    ($class:literal, $offers:expr) => {
        fn common_rig() -> $crate::testing::Rig {
            let mut rig = $crate::testing::Rig::new();
            let offers: fn(&mut $crate::testing::Rig) = $offers;
            offers(&mut rig);
            rig.make_with_offers($class);
            rig
        }

        #[test]
        fn random_accesses_and_reset() {
            let rig = common_rig();
            rig.device().reset();
            let fresh = rig.device().save();
            for seed in 1..20 {
                rig.storm(seed * 7919, 3000);
                rig.device().reset();
                assert!(rig.device().save() == fresh, "reset after seed {seed}");
            }
        }

        #[test]
        fn state_is_saved_and_loaded() {
            let (one, two) = (common_rig(), common_rig());
            one.storm(4711, 3000);
            let state = one.device().save();
            two.device()
                .load(&state)
                .expect("a state of the same device");
            two.device().resume();
            assert!(
                two.device().save() == state,
                "what was loaded is saved again"
            );
            for cut in [0, state.len() / 2, state.len().saturating_sub(1)] {
                let _ = two.device().load(&state[..cut]);
            }
            two.device().resume();
            two.storm(42, 500);
        }
    };
}
pub(crate) use device_tests;
