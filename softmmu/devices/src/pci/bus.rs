//! A PCI bus: which function answers in configuration space, where its spaces are, and which of
//! the bus's four interrupt lines a function's pin is.

use super::function::PciFunction;
use parking_lot::Mutex;
use softmmu_core::dma::Dma;
use softmmu_core::irq::{Irq, IrqSink, Wire};
use softmmu_core::space::{AddressSpace, Region, RegionId};
use std::collections::BTreeMap;
use std::sync::Arc;

struct Pins([Irq; 4]);

impl IrqSink for Pins {
    fn set_input(&self, input: u32, level: bool) {
        if let Some(irq) = self.0.get(input as usize) {
            irq.set(level);
        }
    }
}

/// How the interrupt pins of the slots are connected to the four lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routing {
    /// Each slot's one further than the last's.
    Rotated,
    /// All pins of a slot to a line of its own.
    BySlot,
    /// All to the first line.
    One,
}

/// See the head of the file.
pub struct PciBus {
    name: String,
    functions: Mutex<BTreeMap<u8, Arc<PciFunction>>>,
    memory: Arc<AddressSpace>,
    io: Arc<AddressSpace>,
    /// What functions reach on their own: memory and whatever the host bridge adds.
    master: Dma,
    wires: [Arc<Wire>; 4],
    routing: Mutex<Routing>,
    /// The lowest slot that is given out without being asked for.
    first_slot: Mutex<u8>,
}

impl PciBus {
    /// A bus whose spaces are seen through windows of `cpu`; its functions reach what `dma` does.
    pub fn new(
        name: impl Into<String>,
        cpu: &Arc<AddressSpace>,
        dma: Dma,
        intx: [Irq; 4],
    ) -> Arc<PciBus> {
        let name = name.into();
        let master = cpu.inner(format!("{name}-master"));
        master.add(Region::window(
            "memory",
            0,
            u64::MAX,
            dma.space().clone(),
            0,
        ));
        let pins: Arc<dyn IrqSink> = Arc::new(Pins(intx));
        Arc::new(PciBus {
            memory: cpu.inner(format!("{name}-memory")),
            io: cpu.inner(format!("{name}-io")),
            master: dma.of(master),
            functions: Mutex::default(),
            routing: Mutex::new(Routing::Rotated),
            wires: std::array::from_fn(|n| Wire::new(pins.clone(), n as u32)),
            first_slot: Mutex::new(1),
            name,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Memory space.
    pub fn memory(&self) -> &Arc<AddressSpace> {
        &self.memory
    }

    /// I/O space.
    pub fn io(&self) -> &Arc<AddressSpace> {
        &self.io
    }

    /// What functions reach on their own.
    pub fn master(&self) -> &Dma {
        &self.master
    }

    /// Adds to what functions reach, or takes it out.
    pub fn set_master_region(
        &self,
        old: Option<RegionId>,
        new: Option<Region>,
    ) -> Option<RegionId> {
        self.master.space().replace(old, new)
    }

    /// Slots below this are given out only if they are asked for.
    pub fn set_first_slot(&self, slot: u8) {
        *self.first_slot.lock() = slot;
    }

    /// How the pins of slots are wired, where they are not rotated from slot to slot.
    pub fn set_routing(&self, routing: Routing) {
        *self.routing.lock() = routing;
    }

    /// The line of a function's pin (1 to 4).
    pub(super) fn wire(&self, devfn: u8, pin: u8) -> Arc<Wire> {
        let (slot, pin) = (usize::from(devfn >> 3), usize::from(pin) - 1);
        let line = match *self.routing.lock() {
            Routing::Rotated => slot + pin,
            // Slot 1 is the first that has a card.
            Routing::BySlot => slot + 3,
            Routing::One => 0,
        };
        self.wires[line % 4].clone()
    }

    /// Chooses the place of a new function: what was asked for, or the first free slot.
    pub fn place(&self, asked: Option<u8>) -> Result<u8, String> {
        let functions = self.functions.lock();
        let free = |devfn: &u8| !functions.contains_key(devfn);
        let first = *self.first_slot.lock();
        match asked {
            Some(devfn) if free(&devfn) => Ok(devfn),
            Some(devfn) => Err(format!(
                "slot {}.{} of bus {} is taken",
                devfn >> 3,
                devfn & 7,
                self.name
            )),
            None => (first..32)
                .map(|slot| slot << 3)
                .find(free)
                .ok_or_else(|| format!("bus {} is full", self.name)),
        }
    }

    /// Plugs a function in.
    pub(super) fn plug(&self, function: &Arc<PciFunction>) {
        self.functions
            .lock()
            .insert(function.devfn(), function.clone());
    }

    /// Takes the functions of a device out, wherever it is; false: there are none.
    pub fn unplug(&self, device: &str) -> bool {
        let mut functions = self.functions.lock();
        let gone: Vec<u8> = functions
            .iter()
            .filter(|(_, f)| f.name() == device)
            .map(|(devfn, _)| *devfn)
            .collect();
        for function in gone.iter().filter_map(|devfn| functions.remove(devfn)) {
            // Base addresses and interrupt line are as after a reset: not there.
            function.reset();
            function.release();
        }
        !gone.is_empty()
    }

    /// The end of the machine: forgets all functions, which hold the bus that they are on.
    pub fn dissolve(&self) {
        let functions = std::mem::take(&mut *self.functions.lock());
        self.memory.dissolve();
        self.io.dissolve();
        functions.values().for_each(|f| f.release());
    }

    fn function(&self, devfn: u8) -> Option<Arc<PciFunction>> {
        self.functions.lock().get(&devfn).cloned()
    }

    /// Reads configuration space: 1, 2 or 4 bytes, aligned. All ones where nothing is.
    pub fn config_read(&self, devfn: u8, register: u16, size: u32) -> u32 {
        let all = u32::MAX >> (32 - 8 * size.clamp(1, 4));
        let function = self.function(devfn);
        function.map_or(all, |f| f.config_read(register, size)) & all
    }

    /// Writes configuration space: 1, 2 or 4 bytes, aligned.
    pub fn config_write(&self, devfn: u8, register: u16, size: u32, value: u32) {
        if let Some(function) = self.function(devfn) {
            function.config_write(register, size, value);
        }
    }

    /// For `info pci`.
    pub fn describe(&self) -> String {
        let functions = self.functions.lock();
        functions.values().map(|f| f.describe()).collect()
    }
}
