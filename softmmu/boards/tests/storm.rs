//! What a guest may do to the devices of every board, at random: accesses of all widths everywhere,
//! configuration space, device control registers, queues and rings full of nonsense, and input from
//! outside meanwhile. Nothing may panic; and a state that is saved at any moment and loaded into
//! another machine of the same kind goes on as the first one does.
//!
//! `EMU_STORM_SECONDS`: how long (2 if it is not set). `EMU_STORM_SEED`: the first seed; a failure
//! names its own.

use parking_lot::Mutex;
use softmmu_boards::assemble::{Assembly, Wanted, assemble};
use softmmu_boards::board::Source;
use softmmu_core::block::BlockBackend;
use softmmu_core::chardev::{CharBackend, CharFrontend};
use softmmu_core::clock::{Clock, RtcClock};
use softmmu_core::cpu::{CpuStart, Cpus};
use softmmu_core::device::Endian;
use softmmu_core::net::{NetBackend, NetFrontend};
use softmmu_core::props::Kind;
use softmmu_devices::class::{Backends, Place, all};
use softmmu_devices::pci::PciBus;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tcg_mem::Bus;

/// Bytes of main memory.
const RAM: u64 = 4 << 20;
const DISK: usize = 1 << 20;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }
    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
    /// A number as drivers write them, or not.
    fn value(&mut self) -> u64 {
        match self.below(6) {
            0 => self.below(64),
            1 => 1 << self.below(64),
            2 => self.below(RAM) & !0xf,
            3 => u64::MAX >> self.below(64),
            4 => (self.below(RAM) as u32 & !0xf).swap_bytes().into(),
            _ => self.next(),
        }
    }
}

#[derive(Default)]
struct Disk(Mutex<Vec<u8>>);

impl BlockBackend for Disk {
    fn size(&self) -> u64 {
        DISK as u64
    }
    fn read_only(&self) -> bool {
        false
    }
    fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let disk = self.0.lock();
        let end = (offset as usize).checked_add(buf.len());
        let part = end.and_then(|end| disk.get(offset as usize..end));
        buf.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut disk = self.0.lock();
        let end = (offset as usize).checked_add(data.len());
        let part = end.and_then(|end| disk.get_mut(offset as usize..end));
        part.ok_or(io::ErrorKind::UnexpectedEof)?
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
        let len = len.min(DISK as u64 + 1) as usize;
        self.write(offset, &vec![0; len])
    }
    fn describe(&self) -> String {
        String::new()
    }
}

#[derive(Default)]
struct Line(Mutex<Option<Arc<dyn CharFrontend>>>);

impl CharBackend for Line {
    fn write(&self, bytes: &[u8]) -> usize {
        bytes.len()
    }
    fn set_frontend(&self, frontend: Option<Arc<dyn CharFrontend>>) {
        *self.0.lock() = frontend;
    }
    fn describe(&self) -> String {
        String::new()
    }
}

#[derive(Default)]
struct Cable(Mutex<Option<Arc<dyn NetFrontend>>>);

impl NetBackend for Cable {
    fn send(&self, _frame: &[u8]) {}
    fn set_frontend(&self, frontend: Option<Arc<dyn NetFrontend>>) {
        *self.0.lock() = frontend;
    }
    fn describe(&self) -> String {
        String::new()
    }
}

/// Makes whatever is asked for.
#[derive(Default)]
struct Outside {
    disks: Mutex<Vec<Arc<Disk>>>,
    lines: Mutex<Vec<Arc<Line>>>,
    cables: Mutex<Vec<Arc<Cable>>>,
}

fn keep<T: Default>(all: &Mutex<Vec<Arc<T>>>) -> Arc<T> {
    let new = Arc::new(T::default());
    all.lock().push(new.clone());
    new
}

impl Backends for Outside {
    fn block(&self, _name: &str) -> Result<Arc<dyn BlockBackend>, String> {
        let disk = keep(&self.disks);
        disk.0.lock().resize(DISK, 0);
        Ok(disk)
    }
    fn net(&self, _name: &str) -> Result<Arc<dyn NetBackend>, String> {
        let cable = keep(&self.cables);
        Ok(cable)
    }
    fn chardev(&self, _name: &str) -> Result<Arc<dyn CharBackend>, String> {
        let line = keep(&self.lines);
        Ok(line)
    }
}

struct NoCpus;

impl Cpus for NoCpus {
    fn count(&self) -> u32 {
        1
    }
    fn set_line(&self, _cpu: u32, _line: u32, _level: bool) {}
    fn start(&self, _cpu: u32, _start: &CpuStart) {}
}

struct World {
    machine: Assembly,
    outside: Arc<Outside>,
    /// What was done last: kind, address, bytes.
    last: Mutex<(&'static str, u64, u32)>,
}

/// Every device that may be plugged in, with what it needs; those that are random only if the run
/// is not compared with another.
fn extras(random: bool) -> Vec<(String, Vec<(String, String)>)> {
    let mut devices = Vec::new();
    let classes = all().filter(|c| matches!(c.place, Place::Pci | Place::I2c));
    for (n, class) in classes.enumerate() {
        if class.name.contains("-rng") && !random {
            continue;
        }
        let mut props = vec![("id".to_owned(), format!("x{n}"))];
        for prop in class.props {
            let value = match prop.kind {
                Kind::Drive | Kind::Netdev | Kind::Chardev => format!("b{n}"),
                _ if prop.name == "address" => format!("{:#x}", 0x20 + n),
                _ => continue,
            };
            props.push((prop.name.to_owned(), value));
        }
        devices.push((class.name.to_owned(), props));
    }
    devices
}

impl World {
    fn new(source: &Source, random: bool) -> World {
        let outside = Arc::new(Outside::default());
        let mut wanted = Wanted {
            ram: RAM,
            cpus: 1,
            endian: Endian::Big,
            options: BTreeMap::new(),
            firmware_env: Vec::new(),
            seed: None,
            devices: Vec::new(),
        };
        let make = |wanted: &Wanted| {
            let clock = Clock::new(RtcClock::Virtual, Some(Duration::from_secs(1_000_000_000)));
            assemble(source, wanted, Arc::new(clock), outside.clone())
        };
        // A board need not have a bus for each.
        for device in extras(random) {
            wanted.devices.push(device);
            if make(&wanted).is_err() {
                wanted.devices.pop();
            }
        }
        outside.disks.lock().clear();
        outside.lines.lock().clear();
        outside.cables.lock().clear();
        let machine = make(&wanted).expect("it was made before");
        machine.cpus.fill(Arc::new(NoCpus));
        machine.reset();
        World {
            machine,
            outside,
            last: Mutex::default(),
        }
    }

    /// Makes this machine what the other one is.
    fn become_as(&self, other: &World) {
        let mut page = vec![0; 1 << 16];
        for at in (0..RAM).step_by(page.len()) {
            assert!(other.machine.ram.0.read(at, &mut page));
            assert!(self.machine.ram.0.write(at, &page));
        }
        let disks = other.outside.disks.lock();
        for (to, from) in self.outside.disks.lock().iter().zip(disks.iter()) {
            to.0.lock().copy_from_slice(&from.0.lock());
        }
        self.machine.clock.set(other.machine.clock.now_ns());
        let state: BTreeMap<_, _> = other.machine.save().into_iter().collect();
        self.machine
            .load(&state)
            .expect("a state of the same machine");
    }

    fn write_ram(&self, at: u64, bytes: &[u8]) {
        let _ = self.machine.space.load_bytes_at(at % RAM, bytes);
    }

    /// Some access somewhere; what was read.
    fn access(&self, r: &mut Random) -> u64 {
        let ranges = self.machine.space.device_ranges();
        if ranges.is_empty() {
            // A window of the host bridge hides everything.
            return 0;
        }
        let (first, last) = r.pick(&ranges);
        let span = (last - first).saturating_add(1);
        let limit = r.pick(&[0x40, 0x400, 0x4000, u64::MAX]);
        let size = r.pick(&[1, 2, 4, 4, 4, 8]);
        let mut at = first + r.below(span.min(limit));
        if !r.one_in(8) {
            at &= !u64::from(size - 1);
        }
        let value = r.value();
        *self.last.lock() = ("access", at, size);
        if r.one_in(2) {
            return self.machine.space.read(at, size).unwrap_or(1 << 40);
        }
        self.machine.space.write(at, size, value).is_ok().into()
    }

    fn dcr(&self, r: &mut Random) -> u64 {
        let n = r.below(0x400) as u32;
        let value = match r.below(2) {
            0 => r.below(0x120),
            _ => r.value(),
        };
        *self.last.lock() = ("dcr", n.into(), 4);
        if r.one_in(2) {
            return self.machine.dcr.read(n).unwrap_or(0).into();
        }
        self.machine.dcr.write(n, value as u32).into()
    }

    fn bus(&self, r: &mut Random) -> Option<(Arc<PciBus>, u8)> {
        let buses = &self.machine.pci;
        if buses.is_empty() {
            return None;
        }
        let bus = &buses[r.below(buses.len() as u64) as usize].1;
        let there = |devfn: &u8| bus.config_read(*devfn, 0, 4) != u32::MAX;
        let functions: Vec<u8> = (0..=255).filter(there).collect();
        let devfn = match r.below(16) {
            0 => r.next() as u8,
            _ if functions.is_empty() => 0,
            _ => r.pick(&functions),
        };
        Some((bus.clone(), devfn))
    }

    fn config(&self, r: &mut Random) -> u64 {
        let Some((bus, devfn)) = self.bus(r) else {
            return 0;
        };
        let size = r.pick(&[1, 2, 4]);
        let register = (r.below(256) as u16) & !(size as u16 - 1);
        let value = r.value() as u32;
        *self.last.lock() = ("config", u64::from(devfn) << 8 | u64::from(register), size);
        if r.one_in(2) {
            return bus.config_read(devfn, register, size).into();
        }
        bus.config_write(devfn, register, size, value);
        0
    }

    /// A function as firmware leaves it: base addresses given out, everything enabled.
    fn set_up(&self, bus: &PciBus, devfn: u8) {
        for n in 0..6u16 {
            let at = 0x1000_0000 + u32::from(devfn) * 0x10_0000 + u32::from(n) * 0x2_0000;
            let io = bus.config_read(devfn, 0x10 + 4 * n, 4) & 1 != 0;
            let at = if io { at >> 8 & 0xff00 | 0x1000 } else { at };
            bus.config_write(devfn, 0x10 + 4 * n, 4, at);
            if bus.config_read(devfn, 0x10 + 4 * n, 4) & 6 == 4 {
                bus.config_write(devfn, 0x14 + 4 * n, 4, 0);
            }
        }
        bus.config_write(devfn, 4, 2, 7);
    }

    /// Descriptors of a virtio queue at `at`, and the ring of 16 entries behind them.
    fn fill_queue(&self, at: u64, r: &mut Random) {
        for n in 0..16 {
            let addr = if r.one_in(16) { r.next() } else { r.below(RAM) };
            let len = match r.below(8) {
                0 => r.next() as u32,
                1..4 => 16,
                _ => r.below(4096) as u32,
            };
            let flags = if r.one_in(8) { r.below(8) } else { r.below(4) } as u16;
            let next = if r.one_in(32) {
                r.next() as u16
            } else {
                (n as u16 + 1) % 16
            };
            let mut bytes = addr.to_le_bytes().to_vec();
            bytes.extend(len.to_le_bytes());
            bytes.extend(flags.to_le_bytes());
            bytes.extend(next.to_le_bytes());
            self.write_ram(at + 16 * n, &bytes);
            // Requests of disks begin with their kind.
            let kind = (r.below(16) as u32).to_le_bytes();
            self.write_ram(
                addr,
                &[&kind[..], &[0; 4], &r.below(64).to_le_bytes()].concat(),
            );
        }
        let index = if r.one_in(8) {
            r.next() as u16
        } else {
            r.below(16) as u16
        };
        let mut ring = 0u16.to_le_bytes().to_vec();
        ring.extend(index.to_le_bytes());
        (0..16).for_each(|_| ring.extend((r.below(16) as u16).to_le_bytes()));
        self.write_ram(at + 0x1000, &ring);
    }

    fn virtio(&self, bus: &PciBus, devfn: u8, r: &mut Random) {
        let bar = u64::from(bus.config_read(devfn, 0x20, 4) & !15);
        let put = |offset: u64, size: u32, value: u64| {
            let _ = bus.memory().write(bar + offset, size, value);
        };
        if r.one_in(4) {
            put(0x14, 1, 0);
        }
        put(0x14, 1, 3);
        let all = r.one_in(2);
        for half in 0..2 {
            put(0x00, 4, half);
            let offered = bus.memory().read(bar + 4, 4).unwrap_or(0);
            put(0x08, 4, half);
            let wanted = if all {
                offered
            } else {
                offered & r.next() | half
            };
            put(0x0c, 4, wanted);
        }
        put(0x14, 1, 11);
        let queue = r.below(4);
        put(0x16, 2, queue);
        put(0x18, 2, 16);
        put(0x1a, 2, r.below(4));
        let at = r.below(RAM / 2) & !0xfff;
        self.fill_queue(at, r);
        for (offset, value) in [(0x20, at), (0x28, at + 0x1000), (0x30, at + 0x2000)] {
            put(offset, 4, value);
            put(offset + 4, 4, 0);
        }
        put(0x1c, 2, 1);
        put(0x14, 1, 15);
        put(0x3000 + 4 * queue, 2, queue);
    }

    /// Rings of an e1000: 16 descriptors each.
    fn e1000(&self, bus: &PciBus, devfn: u8, r: &mut Random) {
        let bar = u64::from(bus.config_read(devfn, 0x10, 4) & !15);
        for base in [0x2800, 0x3800] {
            let at = r.below(RAM / 2) & !0xf;
            for n in 0..16 {
                let addr = if r.one_in(16) { r.next() } else { r.below(RAM) };
                let bytes = [addr.to_le_bytes(), r.value().to_le_bytes()].concat();
                self.write_ram(at + 16 * n, &bytes);
            }
            let registers = [
                (0, at),
                (4, 0),
                (8, 256),
                (0x10, r.below(16)),
                (0x18, r.below(18)),
            ];
            for (offset, value) in registers {
                let _ = bus.memory().write(bar + base + offset, 4, value);
            }
        }
        let _ = bus.memory().write(bar + 0x100, 4, r.next() | 2);
        let _ = bus.memory().write(bar + 0x400, 4, r.next() | 2);
        let _ = bus.memory().write(bar + 0x3818, 4, r.below(18));
    }

    fn driver(&self, r: &mut Random) {
        let Some((bus, devfn)) = self.bus(r) else {
            return;
        };
        if !r.one_in(4) {
            self.set_up(&bus, devfn);
        }
        match bus.config_read(devfn, 0, 2) {
            0x1af4 => self.virtio(&bus, devfn, r),
            0x8086 => self.e1000(&bus, devfn, r),
            _ => {}
        }
    }

    fn input(&self, r: &mut Random) {
        let lines = self.outside.lines.lock().clone();
        if !lines.is_empty() {
            let front = lines[r.below(lines.len() as u64) as usize].0.lock().clone();
            if let Some(front) = front {
                let count = front.room().min(r.below(32) as usize);
                let bytes: Vec<u8> = (0..count).map(|_| r.next() as u8).collect();
                front.receive(&bytes);
            }
        }
        let cables = self.outside.cables.lock().clone();
        if !cables.is_empty() {
            let front = cables[r.below(cables.len() as u64) as usize]
                .0
                .lock()
                .clone();
            let len = r.pick(&[0, 14, 60, 1514, 9000, 65536]) as usize;
            let frame: Vec<u8> = (0..len).map(|n| (n as u8) ^ 0xa5).collect();
            if let Some(front) = front {
                front.receive(&frame);
                if r.one_in(16) {
                    front.link(r.one_in(2));
                }
            }
        }
    }

    /// One thing that happens; what it said.
    fn step(&self, r: &mut Random) -> u64 {
        match r.below(64) {
            0..40 => self.access(r),
            40..48 => self.dcr(r),
            48..54 => self.config(r),
            54..58 => {
                self.driver(r);
                0
            }
            58..60 => {
                self.input(r);
                0
            }
            60..62 => {
                let ahead = 1 << r.below(34);
                self.machine.clock.set(self.machine.clock.now_ns() + ahead);
                self.machine.timers.run_due();
                0
            }
            62 => {
                let at = r.below(RAM);
                self.write_ram(at, &r.next().to_le_bytes());
                0
            }
            _ if r.one_in(50) => {
                self.machine.reset();
                0
            }
            _ => 0,
        }
    }
}

/// Two machines; the second becomes as the first now and then, and must go on as it does.
fn compare(source: &Source, r: &mut Random) {
    let (one, two) = (World::new(source, false), World::new(source, false));
    for _ in 0..4 {
        for _ in 0..r.below(2000) {
            one.step(r);
        }
        two.become_as(&one);
        let name = &source.board.name;
        same(name, 0, &one, &two);
        let mut copy = Random(r.0);
        for n in 1..300 {
            let (a, b) = (one.step(r), two.step(&mut copy));
            let (kind, at, size) = *one.last.lock();
            assert!(
                a == b,
                "{name}: step {n} after loading: {kind} of {size} at {at:#x}: {a:#x}, then {b:#x}"
            );
        }
        same(name, 300, &one, &two);
    }
}

fn same(name: &str, step: u32, one: &World, two: &World) {
    for ((id, a), (_, b)) in one.machine.save().into_iter().zip(two.machine.save()) {
        assert!(a == b, "{name}: {id} differs {step} steps after loading");
    }
}

struct Say(u64);

impl Drop for Say {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("EMU_STORM_SEED={} shows it", self.0);
        }
    }
}

#[test]
fn nothing_that_a_guest_does_panics_and_every_state_can_be_saved() {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let seconds = number("EMU_STORM_SECONDS").unwrap_or(2);
    let end = Instant::now() + Duration::from_secs(seconds);
    let boards = Source::built_in("ppc").expect("good boards");
    let mut seed = number("EMU_STORM_SEED").unwrap_or(1);
    let mut runs = 0;
    while Instant::now() < end || runs < boards.len() {
        let _say = Say(seed);
        let source = &boards[seed as usize % boards.len()];
        let mut r = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        if seed.is_multiple_of(3) {
            let world = World::new(source, true);
            for _ in 0..10_000 {
                world.step(&mut r);
            }
        } else {
            compare(source, &mut r);
        }
        seed += 1;
        runs += 1;
    }
    println!("{runs} runs, up to seed {}", seed - 1);
}

/// Whoever makes one machine after the other, as these tests do, must not run out of memory.
#[test]
fn nothing_is_left_of_a_machine() {
    for source in Source::built_in("ppc").expect("good boards") {
        let world = World::new(&source, true);
        let mut r = Random(7);
        for _ in 0..2000 {
            world.step(&mut r);
        }
        let ram = Arc::downgrade(&world.machine.ram.0);
        let space = Arc::downgrade(&world.machine.space);
        let timers = Arc::downgrade(&world.machine.timers);
        let devices = world.machine.devices.iter();
        let devices: Vec<_> = devices
            .map(|d| (format!("{} ({})", d.id, d.class), Arc::downgrade(&d.device)))
            .collect();
        drop(world);
        let left: Vec<_> = devices.iter().filter(|d| d.1.strong_count() > 0).collect();
        let left: Vec<_> = left.iter().map(|d| d.0.as_str()).collect();
        let name = &source.board.name;
        assert!(left.is_empty(), "{name}: {left:?}");
        let counts = [
            ram.strong_count(),
            space.strong_count(),
            timers.strong_count(),
        ];
        assert_eq!(counts, [0, 0, 0], "{name}: memory, space, timers");
    }
}
