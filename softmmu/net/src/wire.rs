//! Networks over sockets of the host: frames behind their length on a stream (`socket`, `stream`:
//! also how passt is reached), or one frame a datagram (`socket`, `dgram`, multicast).

use crate::Error;
use crate::link::Link;
use crate::options::{Place, WireSpec};
use nix::errno::Errno;
use parking_lot::Mutex;
use socket2::{Domain, SockAddr, Socket, Type};
use softmmu_core::net::{NetBackend, NetFrontend};
use softmmu_hostio::{Interest, Loop, Ready, Source, wait_writable};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest frame that is believed.
const FRAME: usize = 65550;

/// How long a stream that nobody reads may hold a card up.
const PATIENCE: Duration = Duration::from_millis(50);

const LISTENER: u64 = 0;
const CONNECTION: u64 = 1;

struct Connection {
    fd: Arc<OwnedFd>,
    socket: Socket,
    /// The beginning of a frame that has not come whole.
    partial: Mutex<Vec<u8>>,
    writing: Mutex<()>,
}

struct State {
    connection: Option<Arc<Connection>>,
    retry_at: Option<Instant>,
}

/// The network.
pub struct Wire {
    link: Link,
    spec: WireSpec,
    listener: Option<(Arc<OwnedFd>, Socket)>,
    /// Where datagrams go.
    peer: Option<SockAddr>,
    state: Mutex<State>,
}

impl Wire {
    /// Opens it.
    pub fn open(spec: WireSpec) -> Result<Arc<Wire>, Error> {
        let failed = |e: io::Error| Error(format!("{spec}: {e}"));
        let (mut listener, mut connection, mut peer) = (None, None, None);
        match &spec {
            WireSpec::Listen { at } => {
                let socket = listen(at).map_err(failed)?;
                let fd = OwnedFd::from(socket.try_clone().map_err(failed)?);
                listener = Some((Arc::new(fd), socket));
            }
            WireSpec::Connect { to, retry } => match connect(to) {
                Ok(socket) => connection = Some(socket),
                Err(e) if retry.is_none() => return Err(failed(e)),
                Err(_) => {}
            },
            WireSpec::Datagrams { local, remote } => {
                connection = Some(bound(local.as_ref(), remote.as_ref()).map_err(failed)?);
                let remote = remote.as_ref().map(address).transpose();
                peer = remote.map_err(failed)?;
            }
            WireSpec::Multicast { group, local } => {
                connection = Some(multicast(*group, *local).map_err(failed)?);
                peer = Some(SockAddr::from(*group));
            }
        }
        let this = Arc::new(Wire {
            link: Link::default(),
            listener,
            peer,
            state: Mutex::new(State {
                connection: None,
                retry_at: Some(Instant::now()),
            }),
            spec,
        });
        if let Some(socket) = connection {
            let connected = this.connected(socket);
            connected.map_err(|e| Error(format!("{}: {e}", this.spec)))?;
        }
        let source: Arc<dyn Source> = this.clone();
        Loop::shared().add(Arc::downgrade(&source));
        Ok(this)
    }

    fn stream(&self) -> bool {
        matches!(
            self.spec,
            WireSpec::Listen { .. } | WireSpec::Connect { .. }
        )
    }

    fn connected(&self, socket: Socket) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        let fd = Arc::new(OwnedFd::from(socket.try_clone()?));
        self.state.lock().connection = Some(Arc::new(Connection {
            fd,
            socket,
            partial: Mutex::default(),
            writing: Mutex::new(()),
        }));
        Ok(())
    }

    fn retry(&self) -> Option<Duration> {
        match self.spec {
            WireSpec::Connect { retry, .. } => retry,
            _ => None,
        }
    }

    fn disconnect(&self) {
        let mut state = self.state.lock();
        state.connection = None;
        state.retry_at = self.retry().map(|after| Instant::now() + after);
        drop(state);
        Loop::shared().wake();
    }

    /// Reads frames of a stream; `false` when it is over.
    fn read_stream(&self, connection: &Connection) -> bool {
        let mut buf = vec![0; 65536];
        let mut socket = &connection.socket;
        let got = match socket.read(&mut buf) {
            Ok(0) => return false,
            Ok(n) => buf.get(..n).unwrap_or_default(),
            Err(e) => {
                return matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted);
            }
        };
        let mut partial = connection.partial.lock();
        partial.extend(got);
        let mut rest = partial.as_slice();
        while let Some((head, tail)) = rest.split_first_chunk::<4>() {
            let length = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
            if length > FRAME {
                return false;
            }
            let Some(frame) = tail.get(..length) else {
                break;
            };
            self.link.push(frame.to_vec());
            rest = tail.get(length..).unwrap_or_default();
        }
        let rest = rest.to_vec();
        *partial = rest;
        true
    }

    fn read_datagrams(&self, connection: &Connection) {
        let mut buf = vec![0; FRAME];
        for _ in 0..64 {
            let mut socket = &connection.socket;
            match socket.read(&mut buf) {
                Ok(n) => self.link.push(buf.get(..n).unwrap_or_default().to_vec()),
                Err(_) => return,
            }
        }
    }

    fn send_stream(&self, connection: &Connection, frame: &[u8]) -> bool {
        let Ok(length) = u32::try_from(frame.len()) else {
            return true;
        };
        let bytes = [&length.to_be_bytes(), frame].concat();
        let _one = connection.writing.lock();
        let mut socket = &connection.socket;
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|r| !r.is_empty()) {
            match socket.write(rest) {
                Ok(n) => done += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    // A frame that has not begun may be lost; one that has must be finished.
                    if !wait_writable(&*connection.fd, PATIENCE) {
                        return done == 0;
                    }
                }
                Err(_) => return false,
            }
        }
        true
    }
}

fn address(place: &Place) -> io::Result<SockAddr> {
    match place {
        Place::Unix(path) => SockAddr::unix(path),
        Place::Inet { host, port } => {
            let host = if host.is_empty() { "0.0.0.0" } else { host };
            let found = (host, *port).to_socket_addrs()?.next();
            let found = found.ok_or_else(|| io::Error::from(ErrorKind::AddrNotAvailable))?;
            Ok(SockAddr::from(found))
        }
    }
}

fn listen(at: &Place) -> io::Result<Socket> {
    let address = address(at)?;
    let socket = Socket::new(address.domain(), Type::STREAM, None)?;
    if let Place::Unix(path) = at {
        remove_stale(path)?;
    } else {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address)?;
    socket.listen(1)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Removes a socket that an earlier run has left; anything else stays.
fn remove_stale(path: &str) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    if std::fs::metadata(path).is_ok_and(|m| m.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

fn connect(to: &Place) -> io::Result<Socket> {
    let address = address(to)?;
    let socket = Socket::new(address.domain(), Type::STREAM, None)?;
    socket.connect(&address)?;
    if address.domain() != Domain::UNIX {
        socket.set_tcp_nodelay(true)?;
    }
    Ok(socket)
}

fn bound(local: Option<&Place>, remote: Option<&Place>) -> io::Result<Socket> {
    let place = local.or(remote).map(address).transpose()?;
    let domain = place.map_or(Domain::IPV4, |p| p.domain());
    let socket = Socket::new(domain, Type::DGRAM, None)?;
    if let Some(local) = local {
        if let Place::Unix(path) = local {
            remove_stale(path)?;
        }
        socket.bind(&address(local)?)?;
    }
    Ok(socket)
}

fn multicast(group: SocketAddr, local: Option<Ipv4Addr>) -> io::Result<Socket> {
    let SocketAddr::V4(group) = group else {
        return Err(io::Error::from(ErrorKind::AddrNotAvailable));
    };
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SockAddr::from(group))?;
    let interface = local.unwrap_or(Ipv4Addr::UNSPECIFIED);
    socket.join_multicast_v4(group.ip(), &interface)?;
    socket.set_multicast_loop_v4(true)?;
    if local.is_some() {
        socket.set_multicast_if_v4(&interface)?;
    }
    Ok(socket)
}

impl NetBackend for Wire {
    fn send(&self, frame: &[u8]) {
        let Some(connection) = self.state.lock().connection.clone() else {
            return;
        };
        if self.stream() {
            if !self.send_stream(&connection, frame) {
                self.disconnect();
            }
        } else if let Some(peer) = &self.peer {
            // A datagram may be lost.
            let _ = connection.socket.send_to(frame, peer);
        }
    }

    fn set_frontend(&self, frontend: Option<Arc<dyn NetFrontend>>) {
        self.link.set(frontend);
    }

    fn accept_input(&self) {
        self.link.accept();
    }

    fn describe(&self) -> String {
        let connected = self.state.lock().connection.is_some();
        let state = if connected { "" } else { " (disconnected)" };
        format!("{}{state}", self.spec)
    }
}

impl Source for Wire {
    fn interests(&self, out: &mut Vec<Interest>) {
        self.link.deliver();
        let connection = self.state.lock().connection.clone();
        let (fd, token) = match (&connection, &self.listener) {
            (Some(connection), _) if !self.link.is_full() => (&connection.fd, CONNECTION),
            (None, Some((fd, _))) => (fd, LISTENER),
            _ => return,
        };
        out.push(Interest {
            fd: Arc::clone(fd),
            read: true,
            write: false,
            token,
        });
    }

    fn ready(&self, token: u64, _ready: Ready) {
        let connection = self.state.lock().connection.clone();
        match (connection, &self.listener) {
            (Some(connection), _) if token == CONNECTION => {
                if !self.stream() {
                    self.read_datagrams(&connection);
                } else if !self.read_stream(&connection) {
                    self.disconnect();
                }
            }
            (None, Some((_, listener))) => {
                if let Ok((socket, _)) = listener.accept() {
                    // Who is gone already makes room for the next one.
                    let _ = self.connected(socket);
                }
            }
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let state = self.state.lock();
        let idle = state.connection.is_none() && self.retry().is_some();
        state.retry_at.filter(|_| idle)
    }

    fn timeout(&self) {
        let WireSpec::Connect { to, retry } = &self.spec else {
            return;
        };
        let next = retry.map(|after| Instant::now() + after);
        self.state.lock().retry_at = next;
        if let Ok(socket) = connect(to) {
            // The next attempt comes in its time.
            let _ = self.connected(socket);
        }
    }
}

/// Whether an error only means "not now".
pub fn later(e: Errno) -> bool {
    matches!(e, Errno::EAGAIN | Errno::EINTR | Errno::ENOBUFS)
}
