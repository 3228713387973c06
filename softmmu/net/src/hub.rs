//! Hubs: what one port sends, all others get (`hubport`, `-net`).

use crate::link::Link;
use parking_lot::Mutex;
use softmmu_core::net::{NetBackend, NetFrontend};
use softmmu_hostio::{Interest, Loop, Ready, Source};
use std::sync::{Arc, Weak};

/// A hub.
pub struct Hub {
    number: u64,
    ports: Mutex<Vec<Weak<Port>>>,
    /// Other networks that are plugged in.
    networks: Mutex<Vec<Arc<dyn NetBackend>>>,
}

/// A card's place at a hub.
struct Port {
    hub: Arc<Hub>,
    link: Link,
}

/// Another network's place at a hub: the hub is its card.
struct Uplink {
    hub: Weak<Hub>,
    index: usize,
}

impl Hub {
    /// An empty hub.
    pub fn new(number: u64) -> Arc<Hub> {
        Arc::new(Hub {
            number,
            ports: Mutex::default(),
            networks: Mutex::default(),
        })
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// A place for a card.
    pub fn port(self: &Arc<Hub>) -> Arc<dyn NetBackend> {
        let port = Arc::new(Port {
            hub: Arc::clone(self),
            link: Link::default(),
        });
        self.ports.lock().push(Arc::downgrade(&port));
        let source: Arc<dyn Source> = port.clone();
        Loop::shared().add(Arc::downgrade(&source));
        port
    }

    /// Plugs a network in.
    pub fn plug(self: &Arc<Hub>, network: Arc<dyn NetBackend>) {
        let mut networks = self.networks.lock();
        let uplink = Uplink {
            hub: Arc::downgrade(self),
            index: networks.len(),
        };
        networks.push(Arc::clone(&network));
        drop(networks);
        network.set_frontend(Some(Arc::new(uplink)));
    }

    /// To everybody but the sender.
    fn spread(&self, frame: &[u8], port: Option<&Port>, network: Option<usize>) {
        let networks = self.networks.lock().clone();
        for (_, other) in networks
            .iter()
            .enumerate()
            .filter(|(i, _)| Some(*i) != network)
        {
            other.send(frame);
        }
        let mut ports = self.ports.lock();
        ports.retain(|p| p.strong_count() > 0);
        for other in ports.iter().filter_map(Weak::upgrade) {
            if !port.is_some_and(|p| std::ptr::eq(p, Arc::as_ptr(&other))) {
                other.link.push(frame.to_vec());
            }
        }
        drop(ports);
        Loop::shared().wake();
    }
}

impl NetBackend for Port {
    fn send(&self, frame: &[u8]) {
        self.hub.spread(frame, Some(self), None);
    }

    fn set_frontend(&self, frontend: Option<Arc<dyn NetFrontend>>) {
        self.link.set(frontend);
    }

    fn accept_input(&self) {
        self.link.accept();
    }

    fn describe(&self) -> String {
        let networks = self.hub.networks.lock();
        let names: Vec<String> = networks.iter().map(|n| n.describe()).collect();
        format!(
            "type=hubport,hubid={} [{}]",
            self.hub.number,
            names.join("; ")
        )
    }
}

impl Source for Port {
    fn interests(&self, _out: &mut Vec<Interest>) {
        self.link.deliver();
    }

    fn ready(&self, _token: u64, _ready: Ready) {}
}

impl NetFrontend for Uplink {
    fn receive(&self, frame: &[u8]) -> bool {
        if let Some(hub) = self.hub.upgrade() {
            hub.spread(frame, None, Some(self.index));
        }
        true
    }
}
