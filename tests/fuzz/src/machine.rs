//! A machine without CPUs, and what may happen to it.

use crate::Dice;
use crate::backends::Fakes;
use softmmu_boards::assemble::{Assembly, Wanted, assemble};
use softmmu_boards::board::Source;
use softmmu_core::clock::{Clock, RtcClock};
use softmmu_core::cpu::{CpuStart, Cpus};
use softmmu_core::device::Endian;
use softmmu_core::props::Kind;
use softmmu_core::space::AddressSpace;
use softmmu_devices::class::{Class, Place, all};
use std::collections::BTreeMap;
use std::sync::Arc;
use tcg_mem::Bus;

/// Bytes of memory.
pub const RAM: u64 = 64 << 20;

struct NoCpus;
impl Cpus for NoCpus {
    fn count(&self) -> u32 {
        2
    }
    fn set_line(&self, _cpu: u32, _line: u32, _level: bool) {}
    fn start(&self, _cpu: u32, _start: &CpuStart) {}
}

/// First address and size.
type Window = (u64, u64);

/// See the head of the file.
pub struct Machine {
    pub parts: Assembly,
    fakes: Arc<Fakes>,
    /// Where registers are, in each space that a guest or a card sees.
    places: Vec<(Arc<AddressSpace>, Vec<Window>)>,
    actions: u64,
}

/// The properties of a card for which everything is there.
fn card(class: &Class) -> (String, Vec<(String, String)>) {
    let needed = class.props.iter().filter_map(|p| match p.kind {
        Kind::Drive | Kind::Netdev | Kind::Chardev => Some((p.name.to_owned(), "x".to_owned())),
        _ => None,
    });
    (class.name.to_owned(), needed.collect())
}

fn build(source: &Source, dice: &mut Dice, cards: &[&Class]) -> Option<(Assembly, Arc<Fakes>)> {
    let mut options = BTreeMap::new();
    for (name, option) in &source.board.options {
        let n = dice.below(option.values.len() as u64) as usize;
        options.extend(option.values.get(n).map(|v| (name.clone(), v.clone())));
    }
    let wanted = Wanted {
        ram: RAM,
        cpus: source.board.max_cpus.min(2),
        endian: Endian::Big,
        options,
        firmware_env: Vec::new(),
        seed: None,
        devices: cards.iter().map(|c| card(c)).collect(),
    };
    let clock = Arc::new(Clock::new(RtcClock::Virtual, None));
    let fakes = Arc::new(Fakes::default());
    let parts = assemble(source, &wanted, clock, fakes.clone()).ok()?;
    Some((parts, fakes))
}

impl Machine {
    /// One of a random board, with cards.
    pub fn any(dice: &mut Dice) -> Machine {
        let sources = Source::built_in("ppc").unwrap_or_default();
        let n = dice.below(sources.len() as u64) as usize;
        let source = sources.get(n).expect("there are boards");
        let mut cards: Vec<&Class> = Vec::new();
        let mut made = build(source, dice, &cards).expect("a board without cards");
        for class in all().filter(|c| c.place == Place::Pci) {
            cards.push(class);
            match build(source, dice, &cards) {
                Some(one) if dice.below(3) > 0 => made = one,
                _ => _ = cards.pop(),
            }
        }
        let (parts, fakes) = made;
        parts.cpus.fill(Arc::new(NoCpus));
        parts.reset();
        let mut machine = Machine {
            parts,
            fakes,
            places: Vec::new(),
            actions: 0,
        };
        machine.look(dice);
        machine
    }

    /// Finds out where registers are.
    fn look(&mut self, dice: &mut Dice) {
        let mut spaces = vec![self.parts.space.clone()];
        for (_, bus) in &self.parts.pci {
            spaces.extend([bus.memory().clone(), bus.io().clone()]);
        }
        let io = |s: Arc<AddressSpace>| {
            let text = s.describe();
            let lines = text.lines().filter(|l| l.contains("i/o)"));
            let range = |l: &str| {
                let (first, rest) = l.trim().split_once('-')?;
                let first = u64::from_str_radix(first, 16).ok()?;
                let last = u64::from_str_radix(rest.get(..16)?, 16).ok()?;
                Some((first, last.saturating_sub(first).saturating_add(1)))
            };
            let places = lines.filter_map(range).collect();
            (s, places)
        };
        self.places = spaces.into_iter().map(io).collect();
        self.place_bars(dice);
    }

    /// Gives cards addresses as firmware would.
    fn place_bars(&self, dice: &mut Dice) {
        for (_, bus) in &self.parts.pci {
            for slot in 0..32u8 {
                let devfn = slot << 3;
                if bus.config_read(devfn, 0, 2) == 0xffff || dice.below(4) > 0 {
                    continue;
                }
                for bar in 0..6u16 {
                    let at = 0x8000_0000 + (u32::from(slot) << 20 | u32::from(bar) << 16);
                    let at = if dice.below(8) == 0 {
                        dice.word() as u32
                    } else {
                        at
                    };
                    bus.config_write(devfn, 0x10 + 4 * bar, 4, at);
                    let kind = bus.config_read(devfn, 0x10 + 4 * bar, 4);
                    if kind & 1 != 0 {
                        let port = u32::from(slot) << 8 | u32::from(bar) << 5;
                        bus.config_write(devfn, 0x10 + 4 * bar, 4, port);
                    } else if kind & 6 == 4 {
                        bus.config_write(devfn, 0x14 + 4 * bar, 4, 0);
                    }
                }
                bus.config_write(devfn, 4, 2, 7);
            }
        }
    }

    /// One thing.
    pub fn act(&mut self, dice: &mut Dice) {
        self.actions += 1;
        match dice.below(1000) {
            0 => self.parts.reset(),
            1 => self.round_trip(dice),
            2..12 => self.look(dice),
            12..40 => self.pass_time(dice),
            40..60 => self.input(dice),
            60..100 => self.config(dice),
            100..140 => self.dcr(dice),
            140..160 => crate::queues::drive(self, dice),
            160..220 => {
                let bytes = dice.word().to_le_bytes();
                let at = self.parts.ram.1 + dice.below(1 << 20);
                let _ = self.parts.dma.write(at, &bytes);
            }
            _ => self.access(dice),
        }
        let _ = self.parts.requests.take();
    }

    fn access(&self, dice: &mut Dice) {
        let n = dice.below(self.places.len() as u64) as usize;
        let Some((space, places)) = self.places.get(n).filter(|(_, p)| !p.is_empty()) else {
            return;
        };
        let n = dice.below(places.len() as u64) as usize;
        let Some((first, size)) = places.get(n) else {
            return;
        };
        let spread = [0x20, 0x100, 0x1000, u64::MAX][dice.below(4) as usize];
        let mut at = first.wrapping_add(dice.below((*size).min(spread)));
        if dice.below(8) > 0 {
            at &= !3;
        }
        let bytes = 1 << dice.below(4);
        match dice.below(2) {
            0 => _ = space.read(at, bytes),
            _ => _ = space.write(at, bytes, dice.value()),
        }
    }

    fn config(&self, dice: &mut Dice) {
        let n = dice.below(self.parts.pci.len() as u64) as usize;
        let Some((_, bus)) = self.parts.pci.get(n) else {
            return;
        };
        let devfn = (dice.below(32) << 3) as u8 | if dice.below(8) == 0 { 1 } else { 0 };
        let size = 1 << dice.below(3);
        let register = dice.below(256) as u16 & !(size as u16 - 1);
        match dice.below(2) {
            0 => _ = bus.config_read(devfn, register, size),
            _ => bus.config_write(devfn, register, size, dice.value() as u32),
        }
    }

    fn dcr(&self, dice: &mut Dice) {
        let n = dice.below(1024) as u32;
        match dice.below(2) {
            0 => _ = self.parts.dcr.read(n),
            _ => _ = self.parts.dcr.write(n, dice.value() as u32),
        }
        if let Some(controller) = &self.parts.acknowledge {
            controller.acknowledge(dice.below(2) as u32);
        }
    }

    fn pass_time(&self, dice: &mut Dice) {
        let span = 1 << dice.below(34);
        self.parts.clock.set(self.parts.clock.now_ns() + span);
        self.parts.timers.run_due();
    }

    fn input(&self, dice: &mut Dice) {
        let fakes = self.fakes.0.lock().clone();
        let n = dice.below(fakes.len() as u64) as usize;
        let most = [8, 80, 1600][dice.below(3) as usize];
        let len = dice.below(most);
        let bytes: Vec<u8> = (0..len).map(|_| dice.word() as u8).collect();
        if let Some(fake) = fakes.get(n) {
            fake.input(&bytes);
        }
    }

    /// What was saved is loaded and saved again; a damaged state is refused or taken, nothing else.
    fn round_trip(&self, dice: &mut Dice) {
        let saved: BTreeMap<_, _> = self.parts.save().into_iter().collect();
        self.parts.load(&saved).expect("its own state");
        let again: BTreeMap<_, _> = self.parts.save().into_iter().collect();
        for (name, bytes) in &saved {
            assert!(
                again.get(name) == Some(bytes),
                "{name} is not what was saved"
            );
        }
        let mut broken = saved.clone();
        let n = dice.below(saved.len() as u64) as usize;
        if let Some((_, bytes)) = broken.iter_mut().nth(n)
            && !bytes.is_empty()
        {
            let at = dice.below(bytes.len() as u64) as usize;
            bytes.truncate(at);
        }
        let _ = self.parts.load(&broken);
        self.parts.load(&saved).expect("its own state");
    }
}
