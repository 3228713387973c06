//! The host sides that the command line asks for, and what devices it stands for: `-drive`,
//! `-nic`, `-serial`, `-device`, `-monitor`.

use super::options::SystemOptions;
use crate::cli::Failure;
use softmmu_block::Drives;
use softmmu_block::drive::Drive;
use softmmu_boards::board::Board;
use softmmu_chardev::Chardevs;
use softmmu_chardev::mux::Hooks;
use softmmu_core::block::BlockBackend;
use softmmu_core::chardev::CharBackend;
use softmmu_core::control::Control;
use softmmu_core::net::NetBackend;
use softmmu_devices::class::Backends;
use softmmu_monitor::{Context, Mode};
use softmmu_net::Nets;
use softmmu_net::options::{Network, Nic, nic};
use softmmu_opts::Opts;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// A device: class and properties.
pub type DeviceWords = (String, Vec<(String, String)>);
/// Files of `-device loader`, and where raw ones go.
pub type Loaders = Vec<(PathBuf, Option<u64>)>;

/// All host sides.
pub struct Hosts {
    chardevs: Arc<Chardevs>,
    drives: Arc<Drives>,
    nets: Arc<Nets>,
    serials: HashMap<String, Arc<dyn CharBackend>>,
    /// Where monitors are, and their languages.
    monitors: Vec<(Arc<dyn CharBackend>, Mode)>,
}

fn usage(e: impl std::fmt::Display) -> Failure {
    Failure::usage(e.to_string())
}

impl Hosts {
    /// Opens everything.
    pub fn open(options: &SystemOptions) -> Result<Hosts, Failure> {
        let mut hosts = Hosts {
            chardevs: Arc::default(),
            drives: Arc::default(),
            nets: Arc::default(),
            serials: HashMap::new(),
            monitors: Vec::new(),
        };
        for text in &options.chardevs {
            hosts.chardevs.add(text).map_err(usage)?;
        }
        let mut serials = options.serials.clone();
        if serials.is_empty() && options.no_graphic && !options.no_defaults {
            serials.push("mon:stdio".into());
        }
        for (n, text) in serials.iter().enumerate() {
            let label = format!("serial{n}");
            let made = hosts.chardevs.short(text, &label);
            let made = made.map_err(|e| usage(format!("-serial {text}: {e}")))?;
            if let Some(backend) = made {
                hosts.serials.insert(label.clone(), backend);
            }
            // `mon:` puts a monitor behind the port.
            if text.starts_with("mon:") {
                let backend = hosts.chardevs.claim(&label).map_err(usage)?;
                hosts.monitors.push((backend, Mode::Readline));
            }
        }
        let both = [
            (&options.monitors, Mode::Readline),
            (&options.qmps, Mode::Control),
        ];
        for (texts, mode) in both {
            for (n, text) in texts.iter().enumerate() {
                let label = match mode {
                    Mode::Readline => format!("compat_monitor{n}"),
                    Mode::Control => format!("qmp{n}"),
                };
                let made = hosts.chardevs.short(text, &label).map_err(usage)?;
                hosts.monitors.extend(made.map(|backend| (backend, mode)));
            }
        }
        for text in &options.drives {
            let more = if options.snapshot { ",snapshot=on" } else { "" };
            hosts.drives.add(&format!("{text}{more}")).map_err(usage)?;
        }
        for text in &options.netdevs {
            hosts.nets.add(text).map_err(usage)?;
        }
        Ok(hosts)
    }

    /// The devices of `-device`, `-nic` and `-drive`, and what `-device loader` loads.
    pub fn devices(
        &self,
        options: &SystemOptions,
        board: &Board,
    ) -> Result<(Vec<DeviceWords>, Loaders), Failure> {
        let board_nic = board.nic.as_deref();
        let mut devices = Vec::new();
        let mut loaders = Vec::new();
        for text in &options.devices {
            let failed = |e: softmmu_opts::OptError| usage(format!("-device {text}: {e}"));
            let mut opts = Opts::parse(text, Some("driver")).map_err(failed)?;
            let class = opts.need("driver").map_err(failed)?;
            if class == "loader" {
                let file = opts.need("file").map_err(failed)?;
                let at = opts.number("addr").map_err(failed)?;
                opts.finish().map_err(failed)?;
                loaders.push((PathBuf::from(file), at));
                continue;
            }
            let own = |(k, v): (&str, &str)| (k.to_owned(), v.to_owned());
            devices.push((class, opts.rest().map(own).collect()));
        }
        let mut ide = IdePlaces::new(&board.ide);
        for drive in self.drives.all() {
            match drive.interface.as_deref() {
                Some("none") => {}
                None | Some("ide") if !board.ide.is_empty() => {
                    devices.push(ide.device(&drive)?);
                }
                None | Some("virtio") => {
                    let words = vec![("drive".to_owned(), drive.id.clone())];
                    devices.push(("virtio-blk-pci".to_owned(), words));
                }
                Some("mtd") if board.mtd.is_some() => {
                    if self.memory_disk().is_some_and(|id| id != drive.id) {
                        return Err(usage("-drive if=mtd: this board has one of that kind"));
                    }
                }
                Some(other) => {
                    let text = format!("-drive if={other}: this board has none of that kind");
                    return Err(usage(text));
                }
            }
        }
        if !options.no_defaults {
            devices.extend(ide.empty_cd());
        }
        let mut nics = options.nics.clone();
        let quiet = options.no_defaults || !options.netdevs.is_empty();
        if nics.is_empty() && !quiet && board_nic.is_some() {
            nics.push("user".into());
        }
        for (n, text) in nics.iter().enumerate() {
            if let Some(wanted) = nic(text, &format!("nic{n}")).map_err(usage)? {
                devices.push(self.card(&wanted, n, board_nic)?);
            }
        }
        Ok((devices, loaders))
    }

    fn card(&self, nic: &Nic, n: usize, board: Option<&str>) -> Result<DeviceWords, Failure> {
        let id = match &nic.network {
            Network::Existing(id) => id.clone(),
            Network::New(netdev) => {
                self.nets.open(netdev).map_err(usage)?;
                netdev.id.clone()
            }
        };
        let model = nic.model.as_deref().or(board);
        let model =
            model.ok_or_else(|| usage("-nic: this board has no card of its own (model=)"))?;
        let [a, b, c, d, e, f] = nic
            .mac
            .unwrap_or([0x52, 0x54, 0, 0x12, 0x34, 0x56 + n as u8]);
        let mac = format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
        let words = vec![("netdev".to_owned(), id), ("mac".to_owned(), mac)];
        Ok((model.to_owned(), words))
    }

    /// Writes everything that drives have in memory.
    pub fn write_back(&self) -> Result<(), Failure> {
        self.drives.flush().map_err(usage)
    }

    /// What C-a x does.
    pub fn on_exit(&self, exit: Arc<dyn Fn() + Send + Sync>) {
        self.chardevs.set_hooks(Hooks {
            exit: Some(exit),
            save_disks: None,
        });
    }

    /// What monitors of a machine work on.
    pub fn context(
        &self,
        machine: &Arc<dyn Control>,
        big_endian: bool,
        target: &'static str,
    ) -> Context {
        Context {
            machine: machine.clone(),
            chardevs: self.chardevs.clone(),
            drives: self.drives.clone(),
            nets: self.nets.clone(),
            big_endian,
            target,
        }
    }

    /// Starts the monitors of a machine.
    pub fn start_monitors(&self, context: &Context) -> Result<(), Failure> {
        for (backend, mode) in &self.monitors {
            softmmu_monitor::start(context.clone(), backend.clone(), *mode)
                .map_err(|e| usage(format!("no monitor: {e}")))?;
        }
        Ok(())
    }
}

/// Which places of a board's IDE buses are taken.
struct IdePlaces<'a> {
    buses: &'a [String],
    taken: Vec<u64>,
}

/// Where a CD drive is if nobody says.
const CD_INDEX: u64 = 2;

impl IdePlaces<'_> {
    fn new(buses: &[String]) -> IdePlaces<'_> {
        let taken = Vec::new();
        IdePlaces { buses, taken }
    }

    fn words(&mut self, index: u64, cdrom: bool) -> Option<DeviceWords> {
        let bus = self.buses.get((index / 2) as usize)?;
        self.taken.push(index);
        let class = if cdrom { "ide-cd" } else { "ide-hd" };
        let words = vec![
            ("bus".to_owned(), bus.clone()),
            ("unit".to_owned(), (index % 2).to_string()),
        ];
        Some((class.to_owned(), words))
    }

    /// The device of a drive.
    fn device(&mut self, drive: &Drive) -> Result<DeviceWords, Failure> {
        let asked = match (drive.index, drive.bus, drive.unit) {
            (None, None, None) => None,
            (index, bus, unit) => Some(index.unwrap_or(2 * bus.unwrap_or(0) + unit.unwrap_or(0))),
        };
        let all = 0..2 * self.buses.len() as u64;
        let free = |i: &u64| !self.taken.contains(i);
        let index = match asked {
            Some(index) if all.contains(&index) && free(&index) => index,
            Some(index) => {
                return Err(usage(format!(
                    "drive {}: IDE place {index} is taken, or the board does not have it",
                    drive.id
                )));
            }
            None => all
                .clone()
                .find(free)
                .ok_or_else(|| usage(format!("drive {}: all IDE places are taken", drive.id)))?,
        };
        let mut device = self
            .words(index, drive.cdrom)
            .ok_or_else(|| usage(format!("drive {}: no IDE bus", drive.id)))?;
        // A CD drive without a file is empty.
        if drive.file.is_some() {
            device.1.push(("drive".to_owned(), drive.id.clone()));
        }
        if let Some(serial) = &drive.serial {
            device.1.push(("serial".to_owned(), serial.clone()));
        }
        Ok(device)
    }

    /// The drive that boards with IDE have anyhow.
    fn empty_cd(&mut self) -> Option<DeviceWords> {
        if self.taken.contains(&CD_INDEX) {
            return None;
        }
        self.words(CD_INDEX, true)
    }
}

impl Backends for Hosts {
    fn block(&self, name: &str) -> Result<Arc<dyn BlockBackend>, String> {
        let claimed = self.drives.claim(name).map_err(|e| e.to_string())?;
        claimed.ok_or_else(|| format!("drive '{name}' is empty"))
    }

    fn memory_disk(&self) -> Option<String> {
        let mut all = self.drives.all().into_iter();
        all.find(|d| d.interface.as_deref() == Some("mtd"))
            .map(|d| d.id)
    }

    fn net(&self, name: &str) -> Result<Arc<dyn NetBackend>, String> {
        self.nets.claim(name).map_err(|e| e.to_string())
    }

    fn chardev(&self, name: &str) -> Result<Arc<dyn CharBackend>, String> {
        match self.serials.get(name) {
            Some(backend) => Ok(backend.clone()),
            None => self.chardevs.claim(name).map_err(|e| e.to_string()),
        }
    }
}
