//! Host sides of network cards (`-netdev`, `-nic`): user networks, tap, sockets, hubs. Syntax and
//! meaning are QEMU's.
//!
//! [`Nets`] holds them by name; a card claims one. Frames arrive on the one thread of
//! `softmmu-hostio`.
#![deny(unsafe_code)]

mod hub;
mod link;
pub mod options;
#[allow(unsafe_code)]
mod tap;
pub mod user;
mod wire;

use hub::Hub;
use options::{Kind, Netdev, Network, Nic};
use parking_lot::Mutex;
use softmmu_core::net::NetBackend;
use std::net::SocketAddr;
use std::sync::Arc;
use user::UserNet;

/// What the user did wrong, or the host refused: one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(pub String);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

struct Entry {
    id: String,
    backend: Arc<dyn NetBackend>,
    user: Option<Arc<UserNet>>,
    taken: bool,
}

/// The networks of a machine, by name.
#[derive(Default)]
pub struct Nets {
    entries: Mutex<Vec<Entry>>,
    hubs: Mutex<Vec<Arc<Hub>>>,
}

/// A card that is wanted, and the network that it is on.
pub type CardAndNet = (Nic, Arc<dyn NetBackend>);

impl Nets {
    /// Opens what an option asked for.
    pub fn open(&self, netdev: &Netdev) -> Result<(), Error> {
        let id = &netdev.id;
        if self.entries.lock().iter().any(|e| e.id == *id) {
            return Err(Error(format!("there is already a netdev '{id}'")));
        }
        let named = |e: Error| Error(format!("netdev {id}: {e}"));
        let mut user = None;
        let backend: Arc<dyn NetBackend> = match &netdev.kind {
            Kind::User(spec) => {
                let net = UserNet::open(spec.clone()).map_err(named)?;
                user = Some(net.clone());
                net
            }
            Kind::Tap { ifname, up, down } => {
                tap::Tap::open(ifname, up.as_deref(), down.clone()).map_err(named)?
            }
            Kind::Wire(spec) => wire::Wire::open(spec.clone()).map_err(named)?,
            Kind::Hub { hub, netdev } => {
                let hub = self.hub(*hub);
                if let Some(netdev) = netdev {
                    hub.plug(self.claim(netdev)?);
                }
                hub.port()
            }
        };
        self.entries.lock().push(Entry {
            id: id.clone(),
            backend,
            user,
            taken: false,
        });
        Ok(())
    }

    fn hub(&self, number: u64) -> Arc<Hub> {
        let mut hubs = self.hubs.lock();
        if let Some(hub) = hubs.iter().find(|h| h.number() == number) {
            return Arc::clone(hub);
        }
        let hub = Hub::new(number);
        hubs.push(Arc::clone(&hub));
        hub
    }

    /// `-netdev TEXT`.
    pub fn add(&self, text: &str) -> Result<(), Error> {
        self.open(&options::netdev(text)?)
    }

    /// `-nic TEXT`: opens its network if it has one of its own. Returns the card that is wanted and
    /// its network.
    pub fn nic(&self, text: &str, name: &str) -> Result<Option<CardAndNet>, Error> {
        let Some(nic) = options::nic(text, name)? else {
            return Ok(None);
        };
        let backend = match &nic.network {
            Network::Existing(id) => self.claim(id)?,
            Network::New(netdev) => {
                self.open(netdev)?;
                self.claim(&netdev.id)?
            }
        };
        Ok(Some((nic, backend)))
    }

    /// The network with this name, for one card.
    pub fn claim(&self, id: &str) -> Result<Arc<dyn NetBackend>, Error> {
        let mut entries = self.entries.lock();
        let Some(entry) = entries.iter_mut().find(|e| e.id == id) else {
            let hint = softmmu_opts::hint(id, entries.iter().map(|e| e.id.as_str()));
            return Err(Error(format!("there is no netdev '{id}'{hint}")));
        };
        if std::mem::replace(&mut entry.taken, true) {
            return Err(Error(format!("netdev '{id}' has a card already")));
        }
        Ok(Arc::clone(&entry.backend))
    }

    /// Names and descriptions, for `info network`.
    pub fn list(&self) -> Vec<(String, String)> {
        let entries = self.entries.lock();
        let one = |e: &Entry| (e.id.clone(), e.backend.describe());
        entries.iter().map(one).collect()
    }

    /// The user network with this name, or the first one (`hostfwd_add`, `info usernet`).
    pub fn user(&self, id: Option<&str>) -> Option<Arc<UserNet>> {
        let entries = self.entries.lock();
        let mut users = entries.iter().filter(|e| id.is_none_or(|id| e.id == id));
        users.find_map(|e| e.user.clone())
    }

    /// `hostfwd_add`: where the host listens.
    pub fn hostfwd_add(&self, id: Option<&str>, text: &str) -> Result<SocketAddr, Error> {
        let user = self.user(id);
        let user = user.ok_or_else(|| Error("there is no such user network".to_owned()))?;
        let forward = user.forward_of(text)?;
        user.add_forward(forward)
    }
}
