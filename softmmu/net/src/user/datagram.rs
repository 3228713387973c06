//! UDP and pings between the guest and the host: one host socket for each of the guest's.

use super::packet::{self, Echo, Ip, Udp};
use smoltcp::wire::IpProtocol;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use softmmu_hostio::Interest;
use std::collections::BTreeMap;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a flow without traffic lives.
const IDLE: Duration = Duration::from_secs(240);

/// Flows at a time; the oldest makes room.
const FLOWS: usize = 256;

/// Datagrams read at once before others have their turn.
const BURST: usize = 64;

/// What the guest's side of a flow is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Guest {
    /// A UDP socket.
    Udp(SocketAddrV4),
    /// A UDP socket that asks for names.
    Dns(SocketAddrV4),
    /// A program that pings.
    Ping { from: Ipv4Addr, ident: u16 },
    /// A forwarded port: datagrams from outside go to this socket of the guest's.
    Forward(SocketAddrV4),
}

struct Flow {
    guest: Guest,
    socket: Socket,
    fd: Arc<OwnedFd>,
    used: Instant,
}

/// Where the network's own addresses lead.
pub struct Names {
    /// The gateway, which is the host.
    pub host: Ipv4Addr,
    /// The name server.
    pub dns: Ipv4Addr,
    /// The host's name server.
    pub resolver: SocketAddrV4,
}

/// All flows of a user network.
pub struct Datagrams {
    flows: BTreeMap<u64, Flow>,
    next: u64,
    names: Names,
    ident: u16,
}

impl Datagrams {
    /// None yet.
    pub fn new(names: Names) -> Datagrams {
        Datagrams {
            flows: BTreeMap::new(),
            next: 0,
            names,
            ident: 0,
        }
    }

    fn find(&self, guest: Guest) -> Option<u64> {
        let found = self.flows.iter().find(|(_, f)| f.guest == guest);
        found.map(|(token, _)| *token)
    }

    fn add(&mut self, guest: Guest, socket: Socket) -> std::io::Result<u64> {
        socket.set_nonblocking(true)?;
        let fd = Arc::new(OwnedFd::from(socket.try_clone()?));
        if self.flows.len() >= FLOWS {
            let idle = self.flows.iter().filter(|(_, f)| f.expires());
            let oldest = idle.min_by_key(|(_, f)| f.used).map(|(t, _)| *t);
            self.flows.remove(&oldest.unwrap_or(0));
        }
        self.next += 1;
        let used = Instant::now();
        let flow = Flow {
            guest,
            socket,
            fd,
            used,
        };
        self.flows.insert(self.next, flow);
        Ok(self.next)
    }

    /// Datagrams that arrive at this socket of the host's go to the guest (`hostfwd=udp:`).
    pub fn forward(&mut self, socket: Socket, guest: SocketAddrV4) -> std::io::Result<()> {
        self.add(Guest::Forward(guest), socket).map(|_| ())
    }

    /// A datagram from the guest to the outside (or the host).
    pub fn udp(&mut self, datagram: &Udp<'_>) {
        let dns = *datagram.dst.ip() == self.names.dns && datagram.dst.port() == 53;
        let to = if dns {
            self.names.resolver
        } else if *datagram.dst.ip() == self.names.host {
            SocketAddrV4::new(Ipv4Addr::LOCALHOST, datagram.dst.port())
        } else {
            datagram.dst
        };
        // An answer from a forwarded port leaves through that port.
        let forwarded = self.find(Guest::Forward(datagram.src)).filter(|_| !dns);
        let guest = if dns {
            Guest::Dns(datagram.src)
        } else {
            Guest::Udp(datagram.src)
        };
        let token = forwarded.or_else(|| self.find(guest)).or_else(|| {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).ok()?;
            self.add(guest, socket).ok()
        });
        if let Some(flow) = token.and_then(|t| self.flows.get_mut(&t)) {
            flow.used = Instant::now();
            // A datagram may be lost.
            let _ = flow.socket.send_to(datagram.payload, &SockAddr::from(to));
        }
    }

    /// A ping of the outside; lost if the host does not let us.
    pub fn ping(&mut self, ip: &Ip<'_>, echo: Echo<'_>) {
        let guest = Guest::Ping {
            from: ip.src,
            ident: echo.ident,
        };
        let token = self.find(guest).or_else(|| {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::ICMPV4)).ok()?;
            self.add(guest, socket).ok()
        });
        if let Some(flow) = token.and_then(|t| self.flows.get_mut(&t)) {
            flow.used = Instant::now();
            let to = SockAddr::from(SocketAddrV4::new(ip.dst, 0));
            let _ = flow.socket.send_to(&packet::echo_bytes(echo, false), &to);
        }
    }

    /// A host socket is ready: returns IP packets for the guest.
    pub fn ready(&mut self, token: u64) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        let mut buf = vec![0; 65536];
        for _ in 0..BURST {
            let Some(flow) = self.flows.get_mut(&token) else {
                break;
            };
            let Some((n, from)) = flow.receive(&mut buf) else {
                break;
            };
            flow.used = Instant::now();
            let (guest, data) = (flow.guest, buf.get(..n).unwrap_or_default());
            self.ident = self.ident.wrapping_add(1);
            out.extend(self.to_guest(guest, from, data));
        }
        out
    }

    fn to_guest(&self, guest: Guest, from: SocketAddrV4, data: &[u8]) -> Vec<Vec<u8>> {
        let host_seen = if from.ip().is_loopback() {
            SocketAddrV4::new(self.names.host, from.port())
        } else {
            from
        };
        let (src, dst) = match guest {
            Guest::Udp(to) | Guest::Forward(to) => (host_seen, to),
            Guest::Dns(to) => (SocketAddrV4::new(self.names.dns, 53), to),
            Guest::Ping { from: to, ident } => {
                let Some(echo) = packet::echo(data, true) else {
                    return Vec::new();
                };
                let bytes = packet::echo_bytes(Echo { ident, ..echo }, true);
                return packet::ip_packets(*from.ip(), to, IpProtocol::Icmp, &bytes, self.ident);
            }
        };
        let bytes = packet::udp_bytes(src, dst, data);
        packet::ip_packets(*src.ip(), *dst.ip(), IpProtocol::Udp, &bytes, self.ident)
    }

    /// What the host is asked to wait for.
    pub fn interests(&self, out: &mut Vec<Interest>) {
        out.extend(self.flows.iter().map(|(token, flow)| Interest {
            fd: Arc::clone(&flow.fd),
            read: true,
            write: false,
            token: *token,
        }));
    }

    /// Forgets flows that nobody uses; returns when to ask again.
    pub fn expire(&mut self) -> Option<Instant> {
        self.flows
            .retain(|_, f| !f.expires() || f.used.elapsed() < IDLE);
        let expiring = self.flows.values().filter(|f| f.expires());
        expiring.map(|f| f.used + IDLE).min()
    }

    /// For `info usernet`.
    pub fn list(&self) -> Vec<String> {
        let line = |f: &Flow| format!("{:?}", f.guest);
        self.flows.values().map(line).collect()
    }
}

impl Flow {
    fn expires(&self) -> bool {
        !matches!(self.guest, Guest::Forward(_))
    }

    fn receive(&mut self, buf: &mut [u8]) -> Option<(usize, SocketAddrV4)> {
        // socket2's own receive wants uninitialised memory; the standard library's does not.
        let socket = std::net::UdpSocket::from(self.socket.try_clone().ok()?);
        let (n, from) = socket.recv_from(buf).ok()?;
        v4(from).map(|from| (n, from))
    }
}

fn v4(address: std::net::SocketAddr) -> Option<SocketAddrV4> {
    match address {
        std::net::SocketAddr::V4(v4) => Some(v4),
        std::net::SocketAddr::V6(_) => None,
    }
}

/// The host's name server: the first IPv4 one in resolv.conf, else one on the host itself.
pub fn resolver() -> SocketAddrV4 {
    let mut text = String::new();
    if let Ok(mut file) = std::fs::File::open("/etc/resolv.conf") {
        // What cannot be read names no server.
        let _ = file.read_to_string(&mut text);
    }
    resolver_in(&text)
}

fn resolver_in(text: &str) -> SocketAddrV4 {
    let server = text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == "nameserver").then(|| words.next()?.parse().ok())?
    });
    SocketAddrV4::new(server.unwrap_or(Ipv4Addr::LOCALHOST), 53)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolv_conf_is_read() {
        let text =
            "# x\nsearch a\nnameserver fe80::1\nnameserver 192.0.2.7\nnameserver 192.0.2.8\n";
        assert_eq!(resolver_in(text).to_string(), "192.0.2.7:53");
        assert_eq!(resolver_in("").to_string(), "127.0.0.1:53");
    }
}
