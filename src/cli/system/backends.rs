//! The host sides that the command line asks for, and what devices it stands for: `-drive`,
//! `-nic`, `-serial`, `-device`.

use super::options::SystemOptions;
use crate::cli::Failure;
use softmmu_block::Drives;
use softmmu_block::drive::drive;
use softmmu_chardev::Chardevs;
use softmmu_chardev::mux::Hooks;
use softmmu_core::block::BlockBackend;
use softmmu_core::chardev::CharBackend;
use softmmu_core::control::Control;
use softmmu_core::net::NetBackend;
use softmmu_devices::class::Backends;
use softmmu_monitor::{Context, Mode};
use softmmu_net::Nets;
use softmmu_net::options::{Network, nic};
use softmmu_opts::{OptError, Opts};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// A device: class and properties.
pub type DeviceWords = (String, Vec<(String, String)>);
/// Files of `-device loader`, and where raw ones go.
pub type Loaders = Vec<(PathBuf, Option<u64>)>;

/// All host sides.
#[derive(Default)]
pub struct Hosts {
    chardevs: Arc<Chardevs>,
    drives: Arc<Drives>,
    nets: Arc<Nets>,
    serials: HashMap<String, Arc<dyn CharBackend>>,
    /// Where monitors are.
    monitors: Vec<(Arc<dyn CharBackend>, Mode)>,
    /// Devices that `-drive if=virtio` and `-nic` stand for.
    extra: Vec<DeviceWords>,
}

impl Hosts {
    /// Opens everything; `nic` is the board's own card.
    pub fn open(options: &SystemOptions, nic: Option<&str>) -> Result<Hosts, Failure> {
        let mut hosts = Hosts::default();
        for text in &options.chardevs {
            let failed = |e: softmmu_chardev::Error| Failure::usage(e.0);
            hosts.chardevs.add(text).map_err(failed)?;
        }
        let mut serials = options.serials.clone();
        if serials.is_empty() && options.no_graphic && !options.no_defaults {
            serials.push("mon:stdio".into());
        }
        for (n, text) in serials.iter().enumerate() {
            let label = format!("serial{n}");
            if let Some(backend) = hosts.char_backend("-serial", text, &label)? {
                hosts.serials.insert(label, backend);
            }
        }
        hosts.open_monitors(options)?;
        for (n, text) in options.drives.iter().enumerate() {
            hosts.drive(text, &format!("drive{n}"), options.snapshot)?;
        }
        for text in &options.blockdevs {
            let failed = |e: softmmu_block::Error| Failure::usage(e.0);
            hosts.drives.add_blockdev(text).map_err(failed)?;
        }
        hosts.open_networks(options, nic)?;
        Ok(hosts)
    }

    /// A device in the short form. `mon:` puts a monitor beside it.
    fn char_backend(
        &mut self,
        option: &str,
        text: &str,
        label: &str,
    ) -> Result<Option<Arc<dyn CharBackend>>, Failure> {
        let failed = |e: softmmu_chardev::Error| Failure::usage(format!("{option} {text}: {e}"));
        let made = self.chardevs.short(text, label).map_err(failed)?;
        if text.starts_with("mon:") {
            let beside = self.chardevs.claim(label).map_err(failed)?;
            self.monitors.push((beside, Mode::Readline));
        }
        Ok(made)
    }

    fn open_monitors(&mut self, options: &SystemOptions) -> Result<(), Failure> {
        let both = [
            ("-monitor", &options.monitors, Mode::Readline),
            ("-qmp", &options.qmps, Mode::Control),
        ];
        for (option, texts, mode) in both {
            for (n, text) in texts.iter().enumerate() {
                let label = format!("{}{n}", option.trim_start_matches('-'));
                if let Some(backend) = self.char_backend(option, text, &label)? {
                    self.monitors.push((backend, mode));
                }
            }
        }
        for text in &options.mons {
            let failed = |e: OptError| Failure::usage(format!("-mon {text}: {e}"));
            let mut opts = Opts::parse(text, Some("chardev")).map_err(failed)?;
            let chardev = opts.need("chardev").map_err(failed)?;
            let modes = [("readline", Mode::Readline), ("control", Mode::Control)];
            let mode = opts.word("mode", &modes).map_err(failed)?;
            opts.switch("pretty").map_err(failed)?;
            opts.finish().map_err(failed)?;
            let backend = self.chardevs.claim(&chardev);
            let backend = backend.map_err(|e| Failure::usage(format!("-mon {text}: {e}")))?;
            self.monitors
                .push((backend, mode.unwrap_or(Mode::Readline)));
        }
        Ok(())
    }

    fn drive(&mut self, text: &str, name: &str, snapshot: bool) -> Result<(), Failure> {
        let failed = |e: softmmu_block::Error| Failure::usage(e.0);
        let mut drive = drive(text, name).map_err(failed)?;
        drive.how.snapshot |= snapshot;
        let device = match drive.interface.as_deref() {
            None | Some("virtio") => Some("virtio-blk-pci"),
            Some("none") => None,
            Some(other) => {
                let text = format!("-drive {text}: if={other}: expected none or virtio");
                return Err(Failure::usage(text));
            }
        };
        let id = drive.id.clone();
        self.drives.open(drive).map_err(failed)?;
        if let Some(device) = device {
            self.extra.push((device.into(), vec![("drive".into(), id)]));
        }
        Ok(())
    }

    /// `-netdev` and `-nic`, and the card that a board has if nobody says anything.
    fn open_networks(&mut self, options: &SystemOptions, own: Option<&str>) -> Result<(), Failure> {
        let failed = |e: softmmu_net::Error| Failure::usage(e.0);
        for text in &options.netdevs {
            self.nets.add(text).map_err(failed)?;
        }
        let mut nics = options.nics.clone();
        if nics.is_empty() && options.netdevs.is_empty() && !options.no_defaults && own.is_some() {
            nics.push("user".into());
        }
        for (n, text) in nics.iter().enumerate() {
            let Some(nic) = nic(text, &format!("nic{n}")).map_err(failed)? else {
                continue;
            };
            let Some(model) = nic.model.as_deref().or(own) else {
                let text = format!("-nic {text}: this board has no card of its own: model=");
                return Err(Failure::usage(text));
            };
            let id = match &nic.network {
                Network::Existing(id) => id.clone(),
                Network::New(netdev) => {
                    self.nets.open(netdev).map_err(failed)?;
                    netdev.id.clone()
                }
            };
            let mut words = vec![("netdev".to_owned(), id)];
            // As QEMU numbers them.
            let own_mac = [0x52, 0x54, 0, 0x12, 0x34, 0x56u8.wrapping_add(n as u8)];
            let [a, b, c, d, e, f] = nic.mac.unwrap_or(own_mac);
            let mac = format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
            words.push(("mac".to_owned(), mac));
            let model = match model {
                "virtio" => "virtio-net-pci",
                other => other,
            };
            self.extra.push((model.to_owned(), words));
        }
        Ok(())
    }

    /// Starts the monitors of this machine.
    pub fn start_monitors(
        &self,
        machine: Arc<dyn Control>,
        big_endian: bool,
        target: &'static str,
    ) -> Result<(), Failure> {
        let context = Context {
            machine,
            chardevs: self.chardevs.clone(),
            drives: self.drives.clone(),
            nets: self.nets.clone(),
            big_endian,
            target,
        };
        for (backend, mode) in &self.monitors {
            softmmu_monitor::start(context.clone(), backend.clone(), *mode)
                .map_err(|e| Failure::usage(format!("monitor: {e}")))?;
        }
        Ok(())
    }

    /// Writes all disks' data back.
    pub fn flush(&self) {
        if let Err(e) = self.drives.flush() {
            eprintln!("emu: {e}");
        }
    }

    /// Devices that other options than `-device` stand for.
    pub fn extra(&self) -> Vec<DeviceWords> {
        self.extra.clone()
    }

    /// The devices of `-device`, and what `-device loader` loads.
    pub fn devices(&self, options: &SystemOptions) -> Result<(Vec<DeviceWords>, Loaders), Failure> {
        let mut devices = Vec::new();
        let mut loaders = Vec::new();
        for text in &options.devices {
            let failed = |e: &dyn std::fmt::Display| Failure::usage(format!("-device {text}: {e}"));
            let mut opts = Opts::parse(text, Some("driver")).map_err(|e| failed(&e))?;
            let class = opts.need("driver").map_err(|e| failed(&e))?;
            if class == "loader" {
                let file = opts.need("file").map_err(|e| failed(&e))?;
                let at = opts.number("addr").map_err(|e| failed(&e))?;
                opts.finish().map_err(|e| failed(&e))?;
                loaders.push((PathBuf::from(file), at));
                continue;
            }
            let own = |(k, v): (&str, &str)| (k.to_owned(), v.to_owned());
            devices.push((class, opts.rest().map(own).collect()));
        }
        Ok((devices, loaders))
    }

    /// What C-a x does.
    pub fn on_exit(&self, exit: Arc<dyn Fn() + Send + Sync>) {
        let drives = self.drives.clone();
        self.chardevs.set_hooks(Hooks {
            exit: Some(exit),
            save_disks: Some(Arc::new(move || {
                if let Err(e) = drives.flush() {
                    eprintln!("emu: {e}");
                }
            })),
        });
    }
}

impl Backends for Hosts {
    fn block(&self, name: &str) -> Result<Arc<dyn BlockBackend>, String> {
        let disk = self.drives.claim(name).map_err(|e| e.to_string())?;
        disk.ok_or_else(|| format!("drive '{name}' has no medium"))
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
