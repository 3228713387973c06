//! TCP between the guest and the host: smoltcp is the other end of each of the guest's
//! connections, a host socket carries the data on.
//!
//! A connection that the guest opens is opened on the host first; only then is the guest's SYN
//! answered, so a refusal is a refusal for the guest, too.

use super::packet::MTU;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Checksum, ChecksumCapabilities, Device, DeviceCapabilities, Medium};
use smoltcp::socket::tcp::{Socket as Tcp, SocketBuffer, State};
use smoltcp::time::Instant as Tick;
use smoltcp::wire::{
    HardwareAddress, IpAddress, IpCidr, IpProtocol, Ipv4Packet, TcpControl, TcpPacket, TcpRepr,
};
use socket2::{Domain, SockAddr, Socket, Type};
use softmmu_hostio::Interest;
use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

/// Bytes in flight in each direction of a connection.
const BUFFER: usize = 256 * 1024;

/// Connections at a time; the host's descriptors are not for the guest to use up.
const CONNECTIONS: usize = 512;

/// Packets from and to smoltcp.
#[derive(Default)]
struct Wire {
    inward: VecDeque<Vec<u8>>,
    outward: VecDeque<Vec<u8>>,
}

struct In(Vec<u8>);
struct Out<'a>(&'a mut VecDeque<Vec<u8>>);

impl smoltcp::phy::RxToken for In {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl smoltcp::phy::TxToken for Out<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        self.0.push_back(packet);
        result
    }
}

impl Device for Wire {
    type RxToken<'a> = In;
    type TxToken<'a> = Out<'a>;

    fn receive(&mut self, _now: Tick) -> Option<(In, Out<'_>)> {
        let packet = self.inward.pop_front()?;
        Some((In(packet), Out(&mut self.outward)))
    }

    fn transmit(&mut self, _now: Tick) -> Option<Out<'_>> {
        (self.outward.len() < 256).then_some(Out(&mut self.outward))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut checksum = ChecksumCapabilities::default();
        // A guest may leave checksums to its card.
        checksum.tcp = Checksum::Tx;
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        capabilities.checksum = checksum;
        capabilities
    }
}

/// The guest's end and the host's end, which name a connection.
type Ends = (SocketAddrV4, SocketAddrV4);

struct Connection {
    ends: Ends,
    socket: Socket,
    fd: Arc<OwnedFd>,
    /// None while the host's connection is being made.
    guest: Option<SocketHandle>,
    /// The guest's first packet, until then.
    syn: Vec<u8>,
    readable: bool,
    writable: bool,
    host_ended: bool,
    guest_ended: bool,
}

/// All connections of a user network.
pub struct TcpNat {
    interface: Interface,
    sockets: SocketSet<'static>,
    wire: Wire,
    connections: BTreeMap<u64, Connection>,
    next: u64,
    next_port: u16,
    start: Instant,
    gateway: Ipv4Addr,
}

impl TcpNat {
    /// None yet.
    pub fn new(gateway: Ipv4Addr, seed: u64) -> TcpNat {
        let mut wire = Wire::default();
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut wire, Tick::ZERO);
        interface.update_ip_addrs(|addresses| {
            // The first address always fits.
            let _ = addresses.push(IpCidr::new(IpAddress::Ipv4(gateway), 0));
        });
        // It answers for whatever host the guest talks to.
        let _ = interface.routes_mut().add_default_ipv4_route(gateway);
        interface.set_any_ip(true);
        TcpNat {
            interface,
            sockets: SocketSet::new(Vec::new()),
            wire,
            connections: BTreeMap::new(),
            next: 0,
            next_port: 49152,
            start: Instant::now(),
            gateway,
        }
    }

    fn now(&self) -> Tick {
        Tick::from_micros(i64::try_from(self.start.elapsed().as_micros()).unwrap_or(i64::MAX))
    }

    /// A packet from the guest. `host` says where a new connection leads; `None`: nowhere.
    pub fn packet(&mut self, bytes: &[u8], host: impl Fn(SocketAddrV4) -> Option<SocketAddr>) {
        let Some((ends, syn)) = ends_of(bytes) else {
            return;
        };
        let known = self.connections.values().find(|c| c.ends == ends);
        match known {
            // The host is still being asked.
            Some(c) if c.guest.is_none() => return,
            // A new connection with the ports of one that is on its last legs.
            Some(c) if syn && self.ending(c) => self.forget(ends),
            Some(_) => return self.wire.inward.push_back(bytes.to_vec()),
            None => {}
        }
        if !syn {
            // smoltcp answers with a reset.
            return self.wire.inward.push_back(bytes.to_vec());
        }
        let full = self.connections.len() >= CONNECTIONS;
        let opened = host(ends.1)
            .filter(|_| !full)
            .and_then(|to| connect(to).ok());
        match opened {
            Some(socket) => self.add(socket, ends, bytes.to_vec()),
            None => self.refuse(bytes),
        }
    }

    fn ending(&self, connection: &Connection) -> bool {
        let Some(handle) = connection.guest else {
            return false;
        };
        let state = self.sockets.get::<Tcp>(handle).state();
        matches!(state, State::TimeWait | State::Closed)
    }

    fn forget(&mut self, ends: Ends) {
        let found = self.connections.iter().find(|(_, c)| c.ends == ends);
        if let Some(token) = found.map(|(t, _)| *t) {
            self.remove(token);
        }
    }

    fn remove(&mut self, token: u64) {
        if let Some(handle) = self.connections.remove(&token).and_then(|c| c.guest) {
            self.sockets.remove(handle);
        }
    }

    fn add(&mut self, socket: Socket, ends: Ends, syn: Vec<u8>) {
        let Ok(clone) = socket.try_clone() else {
            return self.refuse(&syn);
        };
        self.next += 1;
        let connection = Connection {
            ends,
            socket,
            fd: Arc::new(clone.into()),
            guest: None,
            syn,
            readable: false,
            writable: false,
            host_ended: false,
            guest_ended: false,
        };
        self.connections.insert(self.next, connection);
    }

    /// Tells the guest that nobody listens there.
    fn refuse(&mut self, syn: &[u8]) {
        if let Some(packet) = reset_for(syn) {
            self.wire.outward.push_back(packet);
        }
    }

    /// A connection from outside to a port of the guest's (`hostfwd`).
    pub fn forward(&mut self, socket: Socket, guest: SocketAddrV4) {
        // The socket's own port tells connections apart.
        self.next_port = self.next_port.checked_add(1).unwrap_or(49152);
        let ends = (guest, SocketAddrV4::new(self.gateway, self.next_port));
        let used = self.connections.values().any(|c| c.ends == ends);
        if used || self.connections.len() >= CONNECTIONS || socket.set_nonblocking(true).is_err() {
            return;
        }
        let mut tcp = new_tcp();
        let context = self.interface.context();
        let to = (IpAddress::Ipv4(*guest.ip()), guest.port());
        let from = (IpAddress::Ipv4(*ends.1.ip()), ends.1.port());
        if tcp.connect(context, to, from).is_err() {
            return;
        }
        let handle = self.sockets.add(tcp);
        self.add(socket, ends, Vec::new());
        match self.connections.get_mut(&self.next) {
            Some(c) if c.ends == ends => c.guest = Some(handle),
            _ => drop(self.sockets.remove(handle)),
        }
    }

    /// A host socket is ready.
    pub fn ready(&mut self, token: u64, read: bool, write: bool) {
        let Some(connection) = self.connections.get_mut(&token) else {
            return;
        };
        connection.readable |= read;
        connection.writable |= write;
        if connection.guest.is_none() {
            self.connected(token);
        }
    }

    /// The host's connection has been made or refused.
    fn connected(&mut self, token: u64) {
        let Some(connection) = self.connections.get_mut(&token) else {
            return;
        };
        let syn = std::mem::take(&mut connection.syn);
        let failed = !matches!(connection.socket.take_error(), Ok(None));
        let at = connection.ends.1;
        let mut tcp = new_tcp();
        let listening = tcp.listen((IpAddress::Ipv4(*at.ip()), at.port()));
        if failed || listening.is_err() {
            self.remove(token);
            return self.refuse(&syn);
        }
        connection.guest = Some(self.sockets.add(tcp));
        self.wire.inward.push_back(syn);
    }

    /// Moves everything that can move. Returns packets for the guest.
    pub fn run(&mut self) -> Vec<Vec<u8>> {
        let now = self.now();
        self.interface.poll(now, &mut self.wire, &mut self.sockets);
        let tokens: Vec<u64> = self.connections.keys().copied().collect();
        for token in tokens {
            if !self.pump(token) {
                self.remove(token);
            }
        }
        self.interface.poll(now, &mut self.wire, &mut self.sockets);
        self.wire.outward.drain(..).collect()
    }

    /// Moves data of one connection; `false` when it is over.
    fn pump(&mut self, token: u64) -> bool {
        let Some(connection) = self.connections.get_mut(&token) else {
            return false;
        };
        let Some(handle) = connection.guest else {
            return true;
        };
        let tcp = self.sockets.get_mut::<Tcp>(handle);
        if tcp.state() == State::Closed {
            // Refused or reset by the guest, unless both sides had ended.
            return false;
        }
        if !(connection.push_to_host(tcp) && connection.push_to_guest(tcp)) {
            tcp.abort();
            // The reset goes out with the next poll.
            connection.host_ended = true;
            connection.guest_ended = true;
        }
        true
    }

    /// What the host is asked to wait for.
    pub fn interests(&self, out: &mut Vec<Interest>) {
        for (token, connection) in &self.connections {
            let Some(handle) = connection.guest else {
                out.push(connection.interest(*token, false, true));
                continue;
            };
            let tcp = self.sockets.get::<Tcp>(handle);
            let read = !connection.readable && !connection.host_ended && tcp.can_send();
            let write = !connection.writable && tcp.recv_queue() > 0;
            if read || write {
                out.push(connection.interest(*token, read, write));
            }
        }
    }

    /// When smoltcp wants to run again.
    pub fn deadline(&mut self) -> Option<Instant> {
        let now = self.now();
        let delay = self.interface.poll_delay(now, &self.sockets)?;
        Some(Instant::now() + std::time::Duration::from(delay))
    }

    /// For `info usernet`.
    pub fn list(&self) -> Vec<String> {
        let line = |c: &Connection| {
            let state = c.guest.map(|h| self.sockets.get::<Tcp>(h).state());
            let state = state.map_or_else(|| "connecting".to_owned(), |s| format!("{s:?}"));
            format!("TCP[{state}] {} {}", c.ends.0, c.ends.1)
        };
        self.connections.values().map(line).collect()
    }
}

impl Connection {
    fn interest(&self, token: u64, read: bool, write: bool) -> Interest {
        Interest {
            fd: Arc::clone(&self.fd),
            read,
            write,
            token,
        }
    }

    /// From the guest to the host; `false`: the host's end is broken.
    fn push_to_host(&mut self, tcp: &mut Tcp<'_>) -> bool {
        while tcp.can_recv() {
            let mut socket = &self.socket;
            let sent = tcp.recv(|data| match socket.write(data) {
                Ok(n) => (n, Ok(n)),
                Err(e) => (0, Err(e)),
            });
            match sent {
                Ok(Ok(n)) if n > 0 => {}
                Ok(Err(e)) if e.kind() == ErrorKind::WouldBlock => {
                    self.writable = false;
                    return true;
                }
                Ok(Err(e)) if e.kind() == ErrorKind::Interrupted => {}
                _ => return false,
            }
        }
        let over = !tcp.may_recv() && tcp.state() != State::SynReceived;
        if over
            && tcp.state() != State::SynSent
            && tcp.state() != State::Listen
            && !self.guest_ended
        {
            self.guest_ended = true;
            // The host may have closed already.
            let _ = self.socket.shutdown(Shutdown::Write);
        }
        true
    }

    /// From the host to the guest; `false`: the host's end is broken.
    fn push_to_guest(&mut self, tcp: &mut Tcp<'_>) -> bool {
        while self.readable && !self.host_ended && tcp.can_send() {
            let mut socket = &self.socket;
            let got = tcp.send(|room| match socket.read(room) {
                Ok(n) => (n, Ok(n)),
                Err(e) => (0, Err(e)),
            });
            match got {
                Ok(Ok(0)) => {
                    self.host_ended = true;
                    tcp.close();
                }
                Ok(Ok(_)) => {}
                Ok(Err(e)) if e.kind() == ErrorKind::WouldBlock => self.readable = false,
                Ok(Err(e)) if e.kind() == ErrorKind::Interrupted => {}
                _ => return false,
            }
        }
        true
    }
}

fn new_tcp() -> Tcp<'static> {
    let buffer = || SocketBuffer::new(vec![0; BUFFER]);
    let mut tcp = Tcp::new(buffer(), buffer());
    tcp.set_nagle_enabled(false);
    tcp.set_ack_delay(None);
    tcp
}

fn connect(to: SocketAddr) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // Small pieces have been put together by the guest, if at all.
    socket.set_tcp_nodelay(true)?;
    match socket.connect(&SockAddr::from(to)) {
        Err(e) if e.raw_os_error() != Some(nix::libc::EINPROGRESS) => Err(e),
        _ => Ok(socket),
    }
}

/// Both ends of a packet from the guest, and whether it opens a connection.
fn ends_of(bytes: &[u8]) -> Option<(Ends, bool)> {
    let ip = Ipv4Packet::new_checked(bytes).ok()?;
    let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
    let ends = (
        SocketAddrV4::new(ip.src_addr(), tcp.src_port()),
        SocketAddrV4::new(ip.dst_addr(), tcp.dst_port()),
    );
    Some((ends, tcp.syn() && !tcp.ack() && !tcp.rst()))
}

fn reset_for(syn: &[u8]) -> Option<Vec<u8>> {
    let ip = Ipv4Packet::new_checked(syn).ok()?;
    let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
    let repr = TcpRepr {
        src_port: tcp.dst_port(),
        dst_port: tcp.src_port(),
        control: TcpControl::Rst,
        seq_number: smoltcp::wire::TcpSeqNumber(0),
        ack_number: Some(tcp.seq_number() + tcp.segment_len()),
        window_len: 0,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None, None, None],
        timestamp: None,
        payload: &[],
    };
    let mut bytes = vec![0; repr.buffer_len()];
    repr.emit(
        &mut TcpPacket::new_unchecked(&mut bytes),
        &ip.dst_addr().into(),
        &ip.src_addr().into(),
        &ChecksumCapabilities::default(),
    );
    let packets =
        super::packet::ip_packets(ip.dst_addr(), ip.src_addr(), IpProtocol::Tcp, &bytes, 0);
    packets.into_iter().next()
}
