//! Makes a machine of a board and a command line: memory, devices, wires.

use crate::board::{BoardError, DeviceRow, Source};
use parking_lot::Mutex;
use softmmu_core::clock::Clock;
use softmmu_core::cpu::{Acknowledge, CpuInputs, CpuSlot, DcrBus};
use softmmu_core::device::{Device, Endian};
use softmmu_core::display::Display;
use softmmu_core::dma::{Dma, Watch};
use softmmu_core::irq::{Irq, IrqSink, Wire};
use softmmu_core::props::Values;
use softmmu_core::ram::Ram;
use softmmu_core::requests::{INPUT_POWER_OFF, INPUT_RESET, Requests};
use softmmu_core::space::{AddressSpace, Region};
use softmmu_core::timer::Timers;
use softmmu_devices::class::{
    Backends, Build, Class, FirmwareConfig, Host, Parts, Place, Services, all, find,
};
use softmmu_devices::i2c::I2cBus;
use softmmu_devices::pci::PciBus;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use toml::{Spanned, Value};

/// What the command line says about the machine.
#[derive(Clone)]
pub struct Wanted {
    /// Bytes of memory.
    pub ram: u64,
    /// Number of CPUs.
    pub cpus: u32,
    /// Byte order of the CPUs.
    pub endian: Endian,
    /// Variables of firmware.
    pub firmware_env: Vec<String>,
    /// What is random to the guest follows from this, if it is the same each time.
    pub seed: Option<u64>,
    /// Options of the board that were given, by name.
    pub options: BTreeMap<String, String>,
    /// `-device`, and what other options make of it: class and properties (`id` and `bus` among them).
    pub devices: Vec<(String, Vec<(String, String)>)>,
}

/// A device of the machine.
pub struct Instance {
    /// Its name.
    pub id: String,
    /// Its class.
    pub class: &'static str,
    /// Its life.
    pub device: Arc<dyn Device>,
    /// Its properties.
    pub values: Values,
}

/// All parts of a machine but its CPUs.
pub struct Assembly {
    /// The CPUs' address space.
    pub space: Arc<AddressSpace>,
    /// Main memory and where it is.
    pub ram: (Arc<Ram>, u64),
    /// Access to it.
    pub dma: Dma,
    /// Who is told of writes by devices.
    pub watch: Watch,
    /// The virtual clock.
    pub clock: Arc<Clock>,
    /// Its timers.
    pub timers: Arc<Timers>,
    /// Requests to the main loop.
    pub requests: Arc<Requests>,
    /// To be filled with the CPUs.
    pub cpus: CpuSlot,
    /// Device control registers.
    pub dcr: DcrBus,
    /// Who is asked for vectors.
    pub acknowledge: Option<Arc<dyn Acknowledge>>,
    /// Devices in the order in which they were made.
    pub devices: Vec<Instance>,
    /// PCI buses by name.
    pub pci: Vec<(String, Arc<PciBus>)>,
    /// Who tells firmware about the machine.
    pub firmware: Option<Arc<dyn FirmwareConfig>>,
    /// The first screen.
    pub display: Option<Arc<dyn Display>>,
    /// What is needed for devices that come later.
    later: Later,
}

/// What devices that come while the machine exists are made with, and those that have come.
struct Later {
    host: Host,
    services: Services,
    added: Mutex<Vec<Instance>>,
    anonymous: Mutex<u32>,
}

/// What `-device` and `device_add` say of a device.
struct Extra {
    class: &'static Class,
    id: String,
    values: Values,
    bus: Option<String>,
}

impl Extra {
    /// Checks it. `taken`: whether a device has this name.
    fn new(
        name: &str,
        props: &[(String, String)],
        taken: impl Fn(&str) -> bool,
        anonymous: &mut u32,
    ) -> Result<Extra, String> {
        let class = find(name).ok_or_else(|| {
            let hint = softmmu_opts::hint(name, all().map(|c| c.name));
            format!("there is no such device{hint} (-device help lists them)")
        })?;
        if class.place == Place::System {
            return Err("only a board file can place this device".into());
        }
        let special = |key: &str| {
            let found = props.iter().rev().find(|(k, _)| k == key);
            found.map(|(_, v)| v.clone())
        };
        let id = special("id").unwrap_or_else(|| {
            *anonymous += 1;
            format!("{}.{anonymous}", class.name)
        });
        if taken(&id) {
            return Err(format!("there is a device '{id}' already"));
        }
        let rest = props.iter().filter(|(k, _)| k != "id" && k != "bus");
        let pairs = rest.map(|(k, v)| (k.as_str(), v.as_str()));
        let values = Values::check(class.name, class.props, pairs).map_err(|e| e.text)?;
        Ok(Extra {
            class,
            id,
            values,
            bus: special("bus"),
        })
    }

    fn no_bus(&self) -> String {
        match &self.bus {
            Some(bus) => format!("the machine has no bus '{bus}' for it"),
            None => "the machine has no bus for it".into(),
        }
    }
}

/// The slot that a device's properties ask for.
fn slot_wanted(values: &Values) -> Result<Option<u8>, String> {
    let Some(text) = values.text("addr") else {
        return Ok(None);
    };
    let wrong = || format!("addr={text}: expected SLOT or SLOT.FUNCTION");
    slot_of(text).ok_or_else(wrong).map(Some)
}

/// An interrupt output: name, number, line.
type Output = (&'static str, u32, Irq);

struct Assembler<'a> {
    source: &'a Source,
    host: Host,
    requests: Arc<Requests>,
    sinks: HashMap<String, Arc<dyn IrqSink>>,
    wires: Mutex<HashMap<(String, u32), Arc<Wire>>>,
    i2c: Vec<(String, Arc<I2cBus>)>,
    pci: Vec<(String, Arc<PciBus>)>,
    dcr: DcrBus,
    acknowledge: Option<Arc<dyn Acknowledge>>,
    devices: Vec<Instance>,
    spaces: Vec<(String, Arc<AddressSpace>)>,
    services: Services,
    firmware: Option<Arc<dyn FirmwareConfig>>,
    display: Option<Arc<dyn Display>>,
    anonymous: u32,
}

/// Makes the machine.
pub fn assemble(
    source: &Source,
    wanted: &Wanted,
    clock: Arc<Clock>,
    backends: Arc<dyn Backends + Send + Sync>,
) -> Result<Assembly, BoardError> {
    let board = &source.board;
    let plain = |text: String| BoardError {
        file: board.name.clone(),
        line: None,
        text,
    };
    let timers = Timers::new(clock.clone());
    let requests = Requests::new(timers.clone());
    let space = AddressSpace::new("memory");
    let watch = Watch::default();
    let ram =
        Ram::new(wanted.ram).map_err(|e| plain(format!("{} bytes of memory: {e}", wanted.ram)))?;
    let ram = Arc::new(ram);
    space.add(Region::ram("ram", board.memory.at, ram.clone(), true));
    let host = Host {
        dma: Dma::new(space.clone(), watch.clone()),
        space: space.clone(),
        timers: timers.clone(),
        cpus: CpuSlot::default(),
        cpu_count: wanted.cpus,
        guest_endian: wanted.endian,
        firmware_env: wanted.firmware_env.clone(),
        seed: wanted.seed,
        backends,
    };
    let mut sinks: HashMap<String, Arc<dyn IrqSink>> = HashMap::new();
    for cpu in 0..wanted.cpus {
        let inputs = CpuInputs {
            cpus: host.cpus.clone(),
            cpu,
        };
        sinks.insert(format!("cpu{cpu}"), Arc::new(inputs));
    }
    let mut assembler = Assembler {
        source,
        host: host.clone(),
        requests: requests.clone(),
        sinks,
        wires: Mutex::default(),
        i2c: Vec::new(),
        pci: Vec::new(),
        dcr: DcrBus::default(),
        acknowledge: None,
        devices: Vec::new(),
        spaces: Vec::new(),
        services: Services::new(),
        firmware: None,
        display: None,
        anonymous: 0,
    };
    source.check_options(&wanted.options)?;
    let mut outputs = Vec::new();
    for row in &board.devices {
        if board.applies(&row.get_ref().when, &wanted.options) {
            let made = assembler.board_device(row.get_ref(), row.span())?;
            outputs.push((row.get_ref(), made));
        }
    }
    for (row, outputs) in &outputs {
        assembler.connect(row, outputs)?;
    }
    for (class, props) in &wanted.devices {
        let made = assembler.extra_device(class, props);
        made.map_err(|text| BoardError {
            file: format!("-device {class}"),
            line: None,
            text,
        })?;
    }
    Ok(Assembly {
        ram: (ram, board.memory.at),
        dma: host.dma.clone(),
        later: Later {
            services: assembler.services,
            added: Mutex::default(),
            anonymous: Mutex::new(assembler.anonymous),
            host: host.clone(),
        },
        watch,
        clock,
        timers,
        requests,
        cpus: host.cpus,
        dcr: assembler.dcr,
        acknowledge: assembler.acknowledge,
        devices: assembler.devices,
        pci: assembler.pci,
        firmware: assembler.firmware,
        display: assembler.display,
        space,
    })
}

/// A property's value in a board file as the command line would write it.
pub(crate) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(n) => Some(n.to_string()),
        Value::Boolean(true) => Some("on".into()),
        Value::Boolean(false) => Some("off".into()),
        _ => None,
    }
}

impl Assembler<'_> {
    /// The wire to `DEVICE:INPUT`, `cpu*:INPUT`, `reset` or `power-off`, for output number `n`.
    fn wire(&self, target: &str, n: u32) -> Result<Arc<Wire>, String> {
        let (name, input) = match target {
            "reset" => ("machine".to_owned(), INPUT_RESET),
            "power-off" => ("machine".to_owned(), INPUT_POWER_OFF),
            _ => {
                let (name, input) = target
                    .rsplit_once(':')
                    .ok_or_else(|| format!("'{target}': expected DEVICE:INPUT"))?;
                let name = if name == "cpu*" {
                    format!("cpu{n}")
                } else {
                    name.to_owned()
                };
                let input = softmmu_opts::integer(input).and_then(|i| u32::try_from(i).ok());
                (
                    name,
                    input.ok_or_else(|| format!("'{target}': the input is a number"))?,
                )
            }
        };
        let sink: Arc<dyn IrqSink> = match name.as_str() {
            "machine" => self.requests.clone(),
            _ => self.sinks.get(&name).cloned().ok_or_else(|| {
                let hint = softmmu_opts::hint(&name, self.sinks.keys().map(String::as_str));
                format!("'{target}': no device '{name}' with interrupt inputs{hint}")
            })?,
        };
        let mut wires = self.wires.lock();
        let wire = wires
            .entry((name, input))
            .or_insert_with(|| Wire::new(sink, input));
        Ok(wire.clone())
    }

    fn board_device(
        &mut self,
        row: &DeviceRow,
        at: std::ops::Range<usize>,
    ) -> Result<Vec<Output>, BoardError> {
        let source = self.source;
        let class = find(row.class.get_ref()).ok_or_else(|| {
            let hint = softmmu_opts::hint(row.class.get_ref(), all().map(|c| c.name));
            let text = format!(
                "class: there is no device class '{}'{hint}",
                row.class.get_ref()
            );
            source.error(row.class.span(), text)
        })?;
        let mut given = Vec::new();
        for (key, value) in &row.props {
            let text = text_of(value.get_ref()).ok_or_else(|| {
                source.error(
                    value.span(),
                    format!("{}: expected text, a number or a switch", key.get_ref()),
                )
            })?;
            given.push((key.get_ref().clone(), text));
        }
        for (prop, n) in row.serial.list() {
            if self.host.backends.chardev(&format!("serial{n}")).is_ok() {
                given.push((prop.to_owned(), format!("serial{n}")));
            }
        }
        if source.board.mtd.as_deref() == Some(row.id.as_str()) {
            let disk = self.host.backends.memory_disk();
            given.extend(disk.map(|d| ("drive".to_owned(), d)));
        }
        let pairs = given.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let values = Values::check(class.name, class.props, pairs).map_err(|e| {
            let key = row.props.keys().find(|k| *k.get_ref() == e.name);
            source.error(
                key.map_or(at.clone(), Spanned::span),
                format!("props: {}", e.text),
            )
        })?;
        let on = row.on.as_ref();
        let named = on.map(|o| o.get_ref().as_str());
        let (pci, i2c) = self.buses(class.place, named);
        let bus_missing = match class.place {
            Place::System => named.is_some_and(|o| !self.spaces.iter().any(|(n, _)| n == o)),
            Place::Pci => pci.is_none(),
            Place::I2c => i2c.is_none(),
            Place::Child => false,
        };
        if bus_missing {
            let span = on.map_or(at.clone(), Spanned::span);
            return Err(source.error(
                span,
                "on: no device above makes a bus that this one can be on",
            ));
        }
        let addresses = row.at.list();
        let mut parts = self
            .make(class, &row.id, &values, &addresses, named, (pci, i2c))
            .map_err(|e| source.error(at.clone(), format!("{}: {e}", row.id)))?;
        for name in row.wires.keys() {
            if !parts.outputs.iter().any(|(n, _, _)| n == name.get_ref()) {
                let known = parts.outputs.iter().map(|(n, _, _)| *n);
                let hint = softmmu_opts::hint(name.get_ref(), known);
                let text = format!(
                    "wires: {} has no output '{}'{hint}",
                    class.name,
                    name.get_ref()
                );
                return Err(source.error(name.span(), text));
            }
        }
        if row.dcr.is_some() != parts.dcr.is_some() {
            let text = match row.dcr {
                Some(_) => format!("dcr: {} has no device control registers", class.name),
                None => format!("dcr: {} needs the number of its first register", class.name),
            };
            return Err(source.error(at, text));
        }
        if let (Some(first), Some((dcr, count))) = (row.dcr, &parts.dcr)
            && !self.dcr.add(first, *count, dcr)
        {
            let text = format!("dcr: others have some of {first:#x} and the {count} from there on");
            return Err(source.error(at, text));
        }
        let outputs = std::mem::take(&mut parts.outputs);
        self.keep(&row.id, class.name, values, parts);
        Ok(outputs)
    }

    /// Connects a device's outputs; all devices exist.
    fn connect(&self, row: &DeviceRow, outputs: &[Output]) -> Result<(), BoardError> {
        for (name, wire) in &row.wires {
            for (_, n, irq) in outputs.iter().filter(|(o, _, _)| o == name.get_ref()) {
                if let Some(target) = wire.get_ref().get(*n as usize) {
                    let wire = self.wire(target, *n).map_err(|e| {
                        self.source
                            .error(wire.span(), format!("wires: {}: {e}", name.get_ref()))
                    })?;
                    irq.connect(wire);
                }
            }
        }
        Ok(())
    }

    fn buses(&self, place: Place, on: Option<&str>) -> (Option<Arc<PciBus>>, Option<Arc<I2cBus>>) {
        fn pick<T>(place: bool, all: &[(String, Arc<T>)], on: Option<&str>) -> Option<Arc<T>> {
            let named = |(n, _): &&(String, Arc<T>)| on.is_none_or(|o| o == n);
            all.iter()
                .filter(|_| place)
                .find(named)
                .map(|(_, b)| b.clone())
        }
        (
            pick(place == Place::Pci, &self.pci, on),
            pick(place == Place::I2c, &self.i2c, on),
        )
    }

    fn make(
        &mut self,
        class: &'static Class,
        id: &str,
        values: &Values,
        at: &[u64],
        on: Option<&str>,
        (pci, i2c): (Option<Arc<PciBus>>, Option<Arc<I2cBus>>),
    ) -> Result<Parts, String> {
        let slot = slot_wanted(values)?;
        let space = on.and_then(|o| self.spaces.iter().find(|(n, _)| n == o));
        let mut build = Build {
            space: space.map_or(&self.host.space, |(_, s)| s).clone(),
            services: &self.services,
            on,
            id,
            values,
            at,
            host: &self.host,
            pci: pci.map(|bus| (bus, slot)),
            i2c,
            parts: Parts::default(),
        };
        (class.create)(&mut build)?;
        Ok(build.parts)
    }

    fn keep(&mut self, id: &str, class: &'static str, values: Values, parts: Parts) {
        if let Some(sink) = parts.sink {
            self.sinks.insert(id.to_owned(), sink);
        }
        if let Some(bus) = parts.pci_bus {
            self.pci.push((id.to_owned(), bus));
        }
        if let Some(bus) = parts.i2c_bus {
            self.i2c.push((id.to_owned(), bus));
        }
        if parts.acknowledge.is_some() {
            self.acknowledge = parts.acknowledge;
        }
        if let Some(space) = parts.space {
            self.spaces.push((id.to_owned(), space));
        }
        if let Some(service) = parts.service {
            self.services.push((id.to_owned(), service));
        }
        self.firmware = parts.firmware.or(self.firmware.take());
        self.display = self.display.take().or(parts.display);
        if let Some(device) = parts.device {
            self.devices.push(Instance {
                id: id.to_owned(),
                class,
                device,
                values,
            });
        }
    }

    fn extra_device(&mut self, name: &str, props: &[(String, String)]) -> Result<(), String> {
        let devices = &self.devices;
        let taken = |id: &str| devices.iter().any(|d| d.id == id);
        let extra = Extra::new(name, props, taken, &mut self.anonymous)?;
        let on = extra.bus.as_deref();
        let buses = self.buses(extra.class.place, on);
        if extra.class.place != Place::Child && buses.0.is_none() && buses.1.is_none() {
            return Err(extra.no_bus());
        }
        let parts = self.make(extra.class, &extra.id, &extra.values, &[], on, buses)?;
        self.keep(&extra.id, extra.class.name, extra.values, parts);
        Ok(())
    }
}

/// `SLOT` or `SLOT.FUNCTION`, hexadecimal as in QEMU.
fn slot_of(text: &str) -> Option<u8> {
    let (slot, function) = text.split_once('.').unwrap_or((text, "0"));
    let hex = |t: &str| u8::from_str_radix(t.strip_prefix("0x").unwrap_or(t), 16).ok();
    let (slot, function) = (hex(slot)?, hex(function)?);
    (slot < 32 && function < 8).then_some(slot << 3 | function)
}

/// Devices and what they are on hold each other as long as there is a machine. No CPU may run any more.
impl Drop for Assembly {
    fn drop(&mut self) {
        self.space.dissolve();
        self.pci.iter().for_each(|(_, bus)| bus.dissolve());
    }
}

impl Assembly {
    /// Resets every device.
    pub fn reset(&self) {
        self.each(|d| d.device.reset());
    }

    /// The state of every device, by name.
    pub fn save(&self) -> Vec<(String, Vec<u8>)> {
        let mut all = Vec::new();
        self.each(|d| all.push((format!("{}/{}", d.id, d.class), d.device.save())));
        all
    }

    /// The opposite of [`Assembly::save`].
    pub fn load(&self, sections: &BTreeMap<String, Vec<u8>>) -> Result<(), String> {
        let load = |d: &Instance| {
            let name = format!("{}/{}", d.id, d.class);
            let bytes = sections
                .get(&name)
                .ok_or_else(|| format!("no state of {name}"))?;
            d.device.load(bytes).map_err(|e| format!("{name}: {e}"))
        };
        let mut done = Ok(());
        self.each(|d| {
            if done.is_ok() {
                done = load(d);
            }
        });
        done?;
        self.each(|d| d.device.resume());
        Ok(())
    }

    /// For `info qtree`.
    pub fn describe(&self) -> String {
        use std::fmt::Write;
        let mut out = String::new();
        self.each(|d| {
            let _ = writeln!(out, "dev: {}, id \"{}\"", d.class, d.id);
            for (key, value) in d.values.all() {
                let _ = writeln!(out, "  {key} = {value}");
            }
            let text = d.device.describe();
            if !text.is_empty() {
                let _ = writeln!(out, "  {text}");
            }
        });
        out
    }

    /// Every device, those that came later last.
    fn each(&self, mut f: impl FnMut(&Instance)) {
        self.devices.iter().for_each(&mut f);
        self.later.added.lock().iter().for_each(f);
    }

    /// Adds a device while the machine exists (`device_add`): a PCI card. No board here tells its guest; Linux finds it by
    /// writing to `/sys/bus/pci/rescan`.
    pub fn add_device(&self, name: &str, props: &[(String, String)]) -> Result<(), String> {
        let mut taken = Vec::new();
        self.each(|d| taken.push(d.id.clone()));
        let mut anonymous = self.later.anonymous.lock();
        let is_taken = |id: &str| taken.iter().any(|t| t == id);
        let extra = Extra::new(name, props, is_taken, &mut anonymous)?;
        if extra.class.place != Place::Pci {
            return Err("only PCI cards can be added to a machine that exists".into());
        }
        let named = |(n, _): &&(String, Arc<PciBus>)| extra.bus.as_ref().is_none_or(|b| b == n);
        let (_, bus) = self.pci.iter().find(named).ok_or_else(|| extra.no_bus())?;
        let slot = slot_wanted(&extra.values)?;
        let mut build = Build {
            space: self.later.host.space.clone(),
            services: &self.later.services,
            on: extra.bus.as_deref(),
            id: &extra.id,
            values: &extra.values,
            at: &[],
            host: &self.later.host,
            pci: Some((bus.clone(), slot)),
            i2c: None,
            parts: Parts::default(),
        };
        (extra.class.create)(&mut build)?;
        let device = build.parts.device.take().ok_or("it is no device")?;
        self.later.added.lock().push(Instance {
            id: extra.id,
            class: extra.class.name,
            device,
            values: extra.values,
        });
        Ok(())
    }

    /// Takes out a device that [`Assembly::add_device`] added. The guest is not asked.
    pub fn remove_device(&self, id: &str) -> Result<(), String> {
        let mut added = self.later.added.lock();
        let Some(at) = added.iter().position(|d| d.id == id) else {
            return Err(match self.devices.iter().any(|d| d.id == id) {
                true => format!("device '{id}' was there from the start and stays"),
                false => format!("Device '{id}' not found"),
            });
        };
        self.pci.iter().for_each(|(_, bus)| _ = bus.unplug(id));
        let gone = added.remove(at);
        gone.device.reset();
        Ok(())
    }
}

#[cfg(test)]
#[path = "assemble_tests.rs"]
mod tests;
