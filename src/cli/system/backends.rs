//! The host sides that the command line asks for, and what devices it stands for: `-drive`,
//! `-nic`, `-serial`, `-device`.

use super::disk::RawDisk;
use super::options::SystemOptions;
use crate::cli::Failure;
use softmmu_chardev::Chardevs;
use softmmu_chardev::mux::Hooks;
use softmmu_core::block::BlockBackend;
use softmmu_core::chardev::CharBackend;
use softmmu_core::net::NetBackend;
use softmmu_devices::class::Backends;
use softmmu_opts::{Opts, hint};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// A device: class and properties.
pub type DeviceWords = (String, Vec<(String, String)>);
/// Files of `-device loader`, and where raw ones go.
pub type Loaders = Vec<(PathBuf, Option<u64>)>;

/// All host sides.
pub struct Hosts {
    chardevs: Chardevs,
    serials: HashMap<String, Arc<dyn CharBackend>>,
    /// Each may be taken once.
    disks: Mutex<HashMap<String, Option<Arc<dyn BlockBackend>>>>,
    /// Devices that `-drive if=virtio` stands for.
    extra: Vec<DeviceWords>,
}

impl Hosts {
    /// Opens everything.
    pub fn open(options: &SystemOptions) -> Result<Hosts, Failure> {
        let mut hosts = Hosts {
            chardevs: Chardevs::default(),
            serials: HashMap::new(),
            disks: Mutex::default(),
            extra: Vec::new(),
        };
        for text in &options.chardevs {
            let named = |e: softmmu_chardev::Error| Failure::usage(format!("-chardev {e}"));
            hosts.chardevs.add(text).map_err(named)?;
        }
        let mut serials = options.serials.clone();
        if serials.is_empty() && options.no_graphic && !options.no_defaults {
            serials.push("mon:stdio".into());
        }
        for (n, text) in serials.iter().enumerate() {
            let label = format!("serial{n}");
            let made = hosts.chardevs.short(text, &label);
            let made = made.map_err(|e| Failure::usage(format!("-serial {text}: {e}")))?;
            if let Some(backend) = made {
                hosts.serials.insert(label, backend);
            }
        }
        for text in &options.drives {
            hosts
                .drive(text, options.snapshot)
                .map_err(|e| Failure::usage(format!("-drive {text}: {e}")))?;
        }
        Ok(hosts)
    }

    fn drive(&mut self, text: &str, snapshot: bool) -> Result<(), String> {
        let mut opts = Opts::parse(text, None).map_err(|e| e.to_string())?;
        let file = opts.need("file").map_err(|e| e.to_string())?;
        let format = opts.text("format").unwrap_or_else(|| "raw".into());
        if format != "raw" {
            return Err(format!("format={format}: only raw images are there yet"));
        }
        let read_only = opts
            .switch("readonly")
            .map_err(|e| e.to_string())?
            .unwrap_or(false);
        let own_snapshot = opts
            .switch("snapshot")
            .map_err(|e| e.to_string())?
            .unwrap_or(snapshot);
        if own_snapshot {
            return Err("snapshot=on is not there yet".into());
        }
        let id = opts
            .text("id")
            .unwrap_or_else(|| format!("drive{}", self.extra.len()));
        let interface = opts.text("if").unwrap_or_else(|| "virtio".into());
        for key in [
            "cache", "aio", "media", "index", "discard", "werror", "rerror",
        ] {
            let _ = opts.text(key);
        }
        opts.finish().map_err(|e| e.to_string())?;
        let disk = RawDisk::open(Path::new(&file), read_only).map_err(|e| e.to_string())?;
        let mut disks = self.disks.lock().unwrap_or_else(|p| p.into_inner());
        if disks.insert(id.clone(), Some(Arc::new(disk))).is_some() {
            return Err(format!("there are two drives '{id}'"));
        }
        match interface.as_str() {
            "none" => {}
            "virtio" => self
                .extra
                .push(("virtio-blk-pci".into(), vec![("drive".into(), id)])),
            other => return Err(format!("if={other}: expected none or virtio")),
        }
        Ok(())
    }

    /// Devices that other options than `-device` stand for.
    pub fn extra(&self) -> Vec<DeviceWords> {
        self.extra.clone()
    }

    /// The devices of `-device` and `-nic`, and what `-device loader` loads.
    pub fn devices(
        &self,
        options: &SystemOptions,
        _nic: Option<&str>,
    ) -> Result<(Vec<DeviceWords>, Loaders), Failure> {
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
        if let Some(text) = options.nics.iter().find(|t| *t != "none") {
            return Err(Failure::usage(format!(
                "-nic {text}: networks are not there yet"
            )));
        }
        if let Some(text) = options.netdevs.first() {
            return Err(Failure::usage(format!(
                "-netdev {text}: networks are not there yet"
            )));
        }
        Ok((devices, loaders))
    }

    /// What C-a x does.
    pub fn on_exit(&self, exit: Arc<dyn Fn() + Send + Sync>) {
        self.chardevs.set_hooks(Hooks {
            exit: Some(exit),
            save_disks: None,
        });
    }
}

impl Backends for Hosts {
    fn block(&self, name: &str) -> Result<Arc<dyn BlockBackend>, String> {
        let mut disks = self.disks.lock().unwrap_or_else(|p| p.into_inner());
        match disks.get_mut(name) {
            Some(disk) => disk
                .take()
                .ok_or_else(|| format!("drive '{name}' is in use already")),
            None => {
                let hint = hint(name, disks.keys().map(String::as_str));
                Err(format!("there is no drive '{name}'{hint}"))
            }
        }
    }

    fn net(&self, name: &str) -> Result<Arc<dyn NetBackend>, String> {
        Err(format!("there is no netdev '{name}'"))
    }

    fn chardev(&self, name: &str) -> Result<Arc<dyn CharBackend>, String> {
        match self.serials.get(name) {
            Some(backend) => Ok(backend.clone()),
            None => self.chardevs.claim(name).map_err(|e| e.to_string()),
        }
    }
}
