//! A network inside the emulator (`-netdev user`): a gateway that is the host, a name server, DHCP,
//! and everything outside by way of the host's own sockets. Nothing needs privileges.
//!
//! Frames are worked on by the loop's thread. Leaves out: IPv6, TFTP, `guestfwd`, `smb`.

mod datagram;
mod dhcp;
mod packet;
mod tcp;

use crate::Error;
use crate::link::Link;
use datagram::{Datagrams, Names, resolver};
use dhcp::Dhcp;
use parking_lot::Mutex;
use smoltcp::wire::{EthernetAddress, EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet};
use socket2::{Domain, SockAddr, Socket, Type};
use softmmu_core::net::{NetBackend, NetFrontend};
use softmmu_hostio::{Interest, Loop, Ready, Source};
use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tcp::TcpNat;

/// A user network as the command line asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSpec {
    /// The network's address.
    pub net: Ipv4Addr,
    /// Bits of it.
    pub prefix: u8,
    /// The gateway.
    pub host: Ipv4Addr,
    /// The name server.
    pub dns: Ipv4Addr,
    /// The first address that DHCP gives.
    pub dhcp_start: Ipv4Addr,
    /// The guest reaches nothing outside.
    pub restrict: bool,
    /// The guest's name, by DHCP.
    pub hostname: Option<String>,
    /// The guest's domain, by DHCP.
    pub domain: Option<String>,
    /// What to boot, by DHCP.
    pub bootfile: Option<String>,
    /// From where to boot, by DHCP.
    pub tftp_server_name: Option<String>,
    /// Ports of the host that lead to the guest.
    pub forwards: Vec<Forward>,
}

/// A port of the host that leads to the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// UDP instead of TCP.
    pub udp: bool,
    /// Where the host listens.
    pub host: SocketAddrV4,
    /// Where it leads.
    pub guest: SocketAddrV4,
}

impl Default for UserSpec {
    fn default() -> UserSpec {
        UserSpec {
            net: Ipv4Addr::new(10, 0, 2, 0),
            prefix: 24,
            host: Ipv4Addr::new(10, 0, 2, 2),
            dns: Ipv4Addr::new(10, 0, 2, 3),
            dhcp_start: Ipv4Addr::new(10, 0, 2, 15),
            restrict: false,
            hostname: None,
            domain: None,
            bootfile: None,
            tftp_server_name: None,
            forwards: Vec::new(),
        }
    }
}

impl UserSpec {
    /// The network's mask.
    pub fn mask(&self) -> Ipv4Addr {
        let host_bits = 32 - u32::from(self.prefix.min(32));
        Ipv4Addr::from_bits(u32::MAX.checked_shl(host_bits).unwrap_or(0))
    }

    /// Whether an address is inside.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        (address.to_bits() ^ self.net.to_bits()) & self.mask().to_bits() == 0
    }

    /// The address for all.
    pub fn broadcast(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.net.to_bits() | !self.mask().to_bits())
    }
}

/// Frames from the card that wait for the loop; more are lost.
const INBOUND: usize = 1024;

/// Kinds of tokens, above the numbers that the parts give.
const TCP: u64 = 1 << 60;
const DATAGRAM: u64 = 2 << 60;
const LISTENER: u64 = 4 << 60;
const KIND: u64 = TCP | DATAGRAM | LISTENER;

struct Listener {
    forward: Forward,
    socket: Socket,
    fd: Arc<OwnedFd>,
    token: u64,
}

struct State {
    dhcp: Dhcp,
    tcp: TcpNat,
    datagrams: Datagrams,
    /// Who has which address.
    neighbours: BTreeMap<Ipv4Addr, EthernetAddress>,
    listeners: Vec<Listener>,
    next_listener: u64,
    out: Vec<Vec<u8>>,
}

/// The network.
pub struct UserNet {
    spec: UserSpec,
    own: EthernetAddress,
    link: Link,
    inbound: Mutex<VecDeque<Vec<u8>>>,
    woken: AtomicBool,
    state: Mutex<State>,
}

impl UserNet {
    /// Starts one.
    pub fn open(spec: UserSpec) -> Result<Arc<UserNet>, Error> {
        let [a, b, c, d] = spec.host.octets();
        let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let seed = seed.map_or(0, |t| u64::from(t.subsec_nanos()) << 20 ^ t.as_secs());
        let names = Names {
            host: spec.host,
            dns: spec.dns,
            resolver: resolver(),
        };
        let this = Arc::new(UserNet {
            own: EthernetAddress([0x52, 0x55, a, b, c, d]),
            link: Link::default(),
            inbound: Mutex::default(),
            woken: AtomicBool::new(false),
            state: Mutex::new(State {
                dhcp: Dhcp::default(),
                tcp: TcpNat::new(spec.host, seed),
                datagrams: Datagrams::new(names),
                neighbours: BTreeMap::new(),
                listeners: Vec::new(),
                next_listener: 0,
                out: Vec::new(),
            }),
            spec,
        });
        for forward in &this.spec.forwards {
            this.add_forward(forward.clone())?;
        }
        let source: Arc<dyn Source> = this.clone();
        Loop::shared().add(Arc::downgrade(&source));
        Ok(this)
    }

    /// `hostfwd_add`; returns where the host listens.
    pub fn add_forward(&self, forward: Forward) -> Result<SocketAddr, Error> {
        let kind = if forward.udp {
            Type::DGRAM
        } else {
            Type::STREAM
        };
        let failed =
            |e: std::io::Error| Error(format!("hostfwd: cannot listen on {}: {e}", forward.host));
        let socket = Socket::new(Domain::IPV4, kind, None).map_err(failed)?;
        socket.set_reuse_address(!forward.udp).map_err(failed)?;
        socket.bind(&SockAddr::from(forward.host)).map_err(failed)?;
        let at = socket.local_addr().map_err(failed)?.as_socket();
        let at = at.unwrap_or(SocketAddr::V4(forward.host));
        let mut state = self.state.lock();
        if forward.udp {
            let added = state.datagrams.forward(socket, forward.guest);
            added.map_err(failed)?;
        } else {
            socket.listen(16).map_err(failed)?;
            socket.set_nonblocking(true).map_err(failed)?;
            let fd = Arc::new(OwnedFd::from(socket.try_clone().map_err(failed)?));
            state.next_listener += 1;
            let token = state.next_listener;
            state.listeners.push(Listener {
                forward,
                socket,
                fd,
                token,
            });
        }
        drop(state);
        Loop::shared().wake();
        Ok(at)
    }

    /// `hostfwd_remove` (TCP): whether there was one.
    pub fn remove_forward(&self, host: SocketAddrV4) -> bool {
        let mut state = self.state.lock();
        let before = state.listeners.len();
        state.listeners.retain(|l| l.forward.host != host);
        state.listeners.len() != before
    }

    /// `info usernet`.
    pub fn list(&self) -> Vec<String> {
        let state = self.state.lock();
        let mut lines: Vec<String> = state
            .listeners
            .iter()
            .map(|l| format!("TCP[HOST_FORWARD] {} {}", l.forward.host, l.forward.guest))
            .collect();
        lines.extend(state.tcp.list());
        lines.extend(state.datagrams.list());
        lines
    }

    /// Works on everything that has come. On the loop's thread only.
    fn work(&self) {
        self.woken.store(false, Ordering::SeqCst);
        let frames = std::mem::take(&mut *self.inbound.lock());
        let mut state = self.state.lock();
        for frame in &frames {
            // A malformed frame is lost, as on a real network.
            let _ = self.frame(&mut state, frame);
        }
        if !self.link.is_full() {
            let packets = state.tcp.run();
            self.to_card(&mut state, packets);
        }
        let out = std::mem::take(&mut state.out);
        drop(state);
        for frame in out {
            self.link.push(frame);
        }
        self.link.deliver();
    }

    fn frame(&self, state: &mut State, frame: &[u8]) -> Option<()> {
        let frame = EthernetFrame::new_checked(frame).ok()?;
        let from = frame.src_addr();
        match frame.ethertype() {
            EthernetProtocol::Arp => {
                let (question, asks) = packet::arp(frame.payload())?;
                self.learn(state, question.asker_ip, question.asker);
                let ours = [self.spec.host, self.spec.dns].contains(&question.wanted);
                if asks && ours {
                    state.out.push(packet::arp_reply(&question, self.own));
                }
                Some(())
            }
            EthernetProtocol::Ipv4 => {
                let ip = packet::ip(frame.payload())?;
                self.learn(state, ip.src, from);
                self.ip(state, frame.payload(), &ip)
            }
            _ => None,
        }
    }

    fn learn(&self, state: &mut State, ip: Ipv4Addr, mac: EthernetAddress) {
        let ours = [self.spec.host, self.spec.dns].contains(&ip);
        let room = state.neighbours.len() < 64 || state.neighbours.contains_key(&ip);
        if self.spec.contains(ip) && !ours && room && mac.is_unicast() {
            state.neighbours.insert(ip, mac);
        }
    }

    fn ip(&self, state: &mut State, bytes: &[u8], ip: &packet::Ip<'_>) -> Option<()> {
        let own = [self.spec.host, self.spec.dns].contains(&ip.dst);
        match ip.protocol {
            IpProtocol::Udp => {
                let udp = packet::udp(ip)?;
                if udp.dst.port() == 67 && (own || ip.dst.is_broadcast()) {
                    return self.dhcp(state, udp.payload);
                }
                if self.reaches(ip.dst) {
                    state.datagrams.udp(&udp);
                }
            }
            IpProtocol::Tcp => {
                let host = |to: SocketAddrV4| self.host_of(to);
                state.tcp.packet(bytes, host);
            }
            IpProtocol::Icmp => {
                let echo = packet::echo(ip.payload, false)?;
                if own {
                    let bytes = packet::echo_bytes(echo, true);
                    let reply = packet::ip_packets(ip.dst, ip.src, IpProtocol::Icmp, &bytes, 0);
                    self.to_card(state, reply);
                } else if self.reaches(ip.dst) {
                    state.datagrams.ping(ip, echo);
                }
            }
            _ => {}
        }
        Some(())
    }

    fn dhcp(&self, state: &mut State, message: &[u8]) -> Option<()> {
        let answer = state.dhcp.answer(&self.spec, message)?;
        let from = SocketAddrV4::new(self.spec.host, 67);
        let to = SocketAddrV4::new(Ipv4Addr::BROADCAST, 68);
        let bytes = packet::udp_bytes(from, to, &answer.bytes);
        let packets = packet::ip_packets(*from.ip(), *to.ip(), IpProtocol::Udp, &bytes, 0);
        self.to_card(state, packets);
        Some(())
    }

    /// Whether the guest may send datagrams there.
    fn reaches(&self, to: Ipv4Addr) -> bool {
        let own = [self.spec.host, self.spec.dns].contains(&to);
        let inside = self.spec.contains(to) && !own;
        !self.spec.restrict
            && !inside
            && !to.is_broadcast()
            && !to.is_multicast()
            && !to.is_unspecified()
    }

    /// Where a connection of the guest's leads.
    fn host_of(&self, to: SocketAddrV4) -> Option<SocketAddr> {
        if !self.reaches(*to.ip()) {
            return None;
        }
        let target = if *to.ip() == self.spec.dns {
            if to.port() != 53 {
                return None;
            }
            resolver()
        } else if *to.ip() == self.spec.host {
            SocketAddrV4::new(Ipv4Addr::LOCALHOST, to.port())
        } else {
            to
        };
        Some(SocketAddr::V4(target))
    }

    /// Puts IP packets into frames. Whose hardware address is not known is asked for it; what
    /// matters is sent again by its sender.
    fn to_card(&self, state: &mut State, packets: Vec<Vec<u8>>) {
        for bytes in packets {
            let Ok(ip) = Ipv4Packet::new_checked(&bytes) else {
                continue;
            };
            let dst = ip.dst_addr();
            let known = state.neighbours.get(&dst).copied();
            let mac = known.or(dst.is_broadcast().then_some(EthernetAddress::BROADCAST));
            state.out.push(match mac {
                Some(mac) => packet::ethernet(self.own, mac, EthernetProtocol::Ipv4, &bytes),
                None => packet::arp_request(self.own, self.spec.host, dst),
            });
        }
    }

    fn accept(&self, token: u64) {
        let mut state = self.state.lock();
        let Some(listener) = state.listeners.iter().find(|l| l.token == token) else {
            return;
        };
        let guest = listener.forward.guest;
        if let Ok((socket, _)) = listener.socket.accept() {
            state.tcp.forward(socket, guest);
        }
    }
}

impl NetBackend for UserNet {
    fn send(&self, frame: &[u8]) {
        let mut inbound = self.inbound.lock();
        if inbound.len() < INBOUND {
            inbound.push_back(frame.to_vec());
        }
        drop(inbound);
        if !self.woken.swap(true, Ordering::SeqCst) {
            Loop::shared().wake();
        }
    }

    fn set_frontend(&self, frontend: Option<Arc<dyn NetFrontend>>) {
        self.link.set(frontend);
    }

    fn accept_input(&self) {
        self.link.accept();
    }

    fn describe(&self) -> String {
        let restrict = if self.spec.restrict { "on" } else { "off" };
        format!(
            "type=user,net={},restrict={restrict}",
            Ipv4Addr::from_bits(self.spec.net.to_bits() & self.spec.mask().to_bits())
        )
    }
}

impl Source for UserNet {
    fn interests(&self, out: &mut Vec<Interest>) {
        self.work();
        if self.link.is_full() {
            return;
        }
        let state = self.state.lock();
        let mut mark = |kind: u64, add: &dyn Fn(&mut Vec<Interest>)| {
            let start = out.len();
            add(out);
            for interest in out.iter_mut().skip(start) {
                interest.token |= kind;
            }
        };
        mark(TCP, &|out| state.tcp.interests(out));
        mark(DATAGRAM, &|out| state.datagrams.interests(out));
        mark(LISTENER, &|out| {
            out.extend(state.listeners.iter().map(|l| Interest {
                fd: Arc::clone(&l.fd),
                read: true,
                write: false,
                token: l.token,
            }));
        });
    }

    fn ready(&self, token: u64, ready: Ready) {
        let number = token & !KIND;
        match token & KIND {
            TCP => {
                // A broken socket says so when it is read or written.
                let (read, write) = (ready.read | ready.hung_up, ready.write | ready.hung_up);
                self.state.lock().tcp.ready(number, read, write);
            }
            DATAGRAM => {
                let mut state = self.state.lock();
                let packets = state.datagrams.ready(number);
                self.to_card(&mut state, packets);
            }
            _ => self.accept(number),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let mut state = self.state.lock();
        let tcp = state.tcp.deadline();
        let flows = state.datagrams.expire();
        tcp.into_iter().chain(flows).min()
    }
}

impl UserNet {
    /// Reads a forwarding rule for this network.
    pub fn forward_of(&self, text: &str) -> Result<Forward, Error> {
        crate::options::forward(text, &self.spec).map_err(|e| Error(e.to_string()))
    }
}
