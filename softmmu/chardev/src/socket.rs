//! Stream sockets: server or client, TCP or Unix, plain or telnet, with reconnection.

use crate::Error;
use crate::descriptor::{CHUNK, PATIENCE};
use crate::options::{Address, SocketSpec};
use crate::slot::Slot;
use crate::telnet::{self, Decoder};
use parking_lot::Mutex;
use socket2::{Domain, SockAddr, Socket, Type};
use softmmu_core::chardev::{CharBackend, CharEvent, CharFrontend};
use softmmu_hostio::{Interest, Loop, Ready, Source, wait_readable, wait_writable};
use std::io::{self, ErrorKind, Read, Write};
use std::net::ToSocketAddrs;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

const LISTENER: u64 = 0;
const CONNECTION: u64 = 1;

/// One connection. The same socket twice: as what is polled and as what is read and written.
struct Connection {
    fd: Arc<OwnedFd>,
    socket: Socket,
    decoder: Mutex<Decoder>,
    writing: Mutex<()>,
}

struct State {
    connection: Option<Arc<Connection>>,
    retry_at: Option<Instant>,
}

/// A socket as a character device. A server has one client at a time; more wait.
pub struct SocketChar {
    slot: Slot,
    spec: SocketSpec,
    listener: Option<(Arc<OwnedFd>, Socket)>,
    state: Mutex<State>,
    /// What the listener is bound to, if that was left to the host.
    pub local: String,
}

impl SocketChar {
    /// Opens it. A server waits for its first client if it should; a client that cannot connect is
    /// an error unless it should try again.
    pub fn open(spec: SocketSpec, label: &str) -> Result<Arc<SocketChar>, Error> {
        let failed = |what: &str, e: io::Error| {
            Error(format!("{label}: cannot {what} {}: {e}", spec.address))
        };
        let mut listener = None;
        let mut connection = None;
        let mut local = spec.address.to_string();
        if spec.server {
            let socket = listen(&spec.address).map_err(|e| failed("listen on", e))?;
            if let Some(bound) = socket.local_addr().ok().and_then(|a| a.as_socket()) {
                local = bound.to_string();
            }
            let fd = OwnedFd::from(socket.try_clone().map_err(|e| failed("listen on", e))?);
            listener = Some((Arc::new(fd), socket));
        } else {
            match connect(&spec.address) {
                Ok(socket) => connection = Some(socket),
                Err(e) if spec.reconnect.is_none() => return Err(failed("connect to", e)),
                Err(_) => {}
            }
        }
        let this = Arc::new(SocketChar {
            slot: Slot::default(),
            listener,
            state: Mutex::new(State {
                connection: None,
                retry_at: Some(Instant::now()),
            }),
            local,
            spec,
        });
        if let Some(socket) = connection {
            this.connected(socket)
                .map_err(|e| Error(format!("{label}: {e}")))?;
        }
        if this.spec.server && this.spec.wait {
            eprintln!("emu: {label}: waiting for a connection on {}", this.local);
            while this.state.lock().connection.is_none() {
                if let Some((fd, _)) = &this.listener {
                    wait_readable(&**fd, std::time::Duration::from_secs(3600));
                }
                this.accept();
            }
        }
        let source: Arc<dyn Source> = this.clone();
        Loop::shared().add(Arc::downgrade(&source));
        Ok(this)
    }

    fn connected(&self, socket: Socket) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        if matches!(self.spec.address, Address::Tcp { .. }) {
            socket.set_tcp_nodelay(self.spec.nodelay)?;
        }
        let connection = Arc::new(Connection {
            fd: Arc::new(OwnedFd::from(socket.try_clone()?)),
            socket,
            decoder: Mutex::default(),
            writing: Mutex::new(()),
        });
        if self.spec.telnet && self.spec.server {
            send(&connection, telnet::GREETING);
        }
        self.state.lock().connection = Some(connection);
        Ok(())
    }

    fn accept(&self) {
        if let Some((_, listener)) = &self.listener
            && let Ok((socket, _)) = listener.accept()
        {
            // A client that is gone already makes room for the next one.
            let _ = self.connected(socket);
        }
    }

    fn disconnect(&self) {
        let mut state = self.state.lock();
        state.connection = None;
        state.retry_at = self.spec.reconnect.map(|after| Instant::now() + after);
        drop(state);
        Loop::shared().wake();
    }

    fn read(&self, connection: &Connection) {
        let room = self.slot.room().min(CHUNK);
        let mut buf = [0; CHUNK];
        let Some(buf) = buf.get_mut(..room).filter(|b| !b.is_empty()) else {
            return;
        };
        let mut socket = &connection.socket;
        let got = match socket.read(buf) {
            Ok(0) => return self.disconnect(),
            Ok(n) => buf.get(..n).unwrap_or_default(),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return,
            Err(_) => return self.disconnect(),
        };
        if !self.spec.telnet {
            return self.slot.receive(got);
        }
        let mut data = Vec::new();
        let broke = connection.decoder.lock().decode(got, &mut data);
        self.slot.receive(&data);
        if broke {
            self.slot.event(CharEvent::Break);
        }
    }
}

impl Drop for SocketChar {
    fn drop(&mut self) {
        if let (
            Some(_),
            Address::Unix {
                path,
                hidden: false,
            },
        ) = (&self.listener, &self.spec.address)
        {
            // Somebody else may have removed it.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Sends bytes, waiting for a moment if need be. `None`: the connection is broken.
fn send(connection: &Connection, bytes: &[u8]) -> Option<usize> {
    let _one = connection.writing.lock();
    let mut socket = &connection.socket;
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|r| !r.is_empty()) {
        match socket.write(rest) {
            Ok(n) => done += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                if !wait_writable(&*connection.fd, PATIENCE) {
                    return Some(done);
                }
            }
            Err(_) => return None,
        }
    }
    Some(done)
}

fn addresses(address: &Address) -> io::Result<Vec<SockAddr>> {
    match address {
        Address::Tcp { host, port, v4, v6 } => {
            let host = if host.is_empty() { "0.0.0.0" } else { host };
            let found = (host, *port).to_socket_addrs()?;
            let wanted = found.filter(|a| if a.is_ipv4() { *v4 } else { *v6 });
            Ok(wanted.map(SockAddr::from).collect())
        }
        Address::Unix { path, hidden } => {
            let mut name = path.clone();
            if *hidden {
                name = format!("\0{path}");
            }
            Ok(vec![SockAddr::unix(name)?])
        }
    }
}

/// Tries each address in turn.
fn each(
    address: &Address,
    attempt: impl Fn(&SockAddr) -> io::Result<Socket>,
) -> io::Result<Socket> {
    let mut last = io::Error::new(ErrorKind::AddrNotAvailable, "no such address");
    for address in addresses(address)? {
        match attempt(&address) {
            Ok(socket) => return Ok(socket),
            Err(e) => last = e,
        }
    }
    Err(last)
}

fn listen(address: &Address) -> io::Result<Socket> {
    each(address, |a| {
        let socket = Socket::new(a.domain(), Type::STREAM, None)?;
        if let Address::Unix {
            path,
            hidden: false,
        } = address
        {
            // A socket that an earlier run has left; anything else stays and is an error.
            use std::os::unix::fs::FileTypeExt;
            if std::fs::metadata(path).is_ok_and(|m| m.file_type().is_socket()) {
                std::fs::remove_file(path)?;
            }
        } else if a.domain() != Domain::UNIX {
            socket.set_reuse_address(true)?;
        }
        socket.bind(a)?;
        socket.listen(1)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    })
}

fn connect(address: &Address) -> io::Result<Socket> {
    each(address, |a| {
        let socket = Socket::new(a.domain(), Type::STREAM, None)?;
        socket.connect(a)?;
        Ok(socket)
    })
}

impl CharBackend for SocketChar {
    fn write(&self, bytes: &[u8]) -> usize {
        let Some(connection) = self.state.lock().connection.clone() else {
            return bytes.len();
        };
        let sent = if self.spec.telnet && bytes.contains(&255) {
            // A short count could cut a doubled byte; what does not fit is lost.
            send(&connection, &telnet::encode(bytes)).map(|_| bytes.len())
        } else {
            send(&connection, bytes)
        };
        sent.unwrap_or_else(|| {
            self.disconnect();
            bytes.len()
        })
    }

    fn set_frontend(&self, frontend: Option<Arc<dyn CharFrontend>>) {
        self.slot.set(frontend);
    }

    fn accept_input(&self) {
        self.slot.accept();
    }

    fn describe(&self) -> String {
        let connection = self.state.lock().connection.is_some();
        let state = if connection { "" } else { "disconnected:" };
        let kind = if self.spec.telnet { "telnet:" } else { "" };
        let role = if self.spec.server { ",server=on" } else { "" };
        format!("{state}{kind}{}{role}", self.local)
    }
}

impl Source for SocketChar {
    fn interests(&self, out: &mut Vec<Interest>) {
        let connection = self.state.lock().connection.clone();
        self.slot.announce(connection.is_some());
        let (fd, token) = match (&connection, &self.listener) {
            (Some(connection), _) if self.slot.room() > 0 => (&connection.fd, CONNECTION),
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
        match connection {
            Some(connection) if token == CONNECTION => self.read(&connection),
            None if token == LISTENER => self.accept(),
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let state = self.state.lock();
        let idle = !self.spec.server && state.connection.is_none();
        state.retry_at.filter(|_| idle)
    }

    fn timeout(&self) {
        // Waiting for a connection would hold up everybody else: a short-lived thread does it.
        let Some(after) = self.spec.reconnect else {
            self.state.lock().retry_at = None;
            return;
        };
        let attempt = connect_later(self.spec.address.clone());
        let mut state = self.state.lock();
        state.retry_at = Some(Instant::now() + after);
        drop(state);
        if let Some(Ok(socket)) = attempt {
            let _ = self.connected(socket);
        }
    }
}

/// A connection attempt that does not hold up the loop for longer than a local one takes.
fn connect_later(address: Address) -> Option<io::Result<Socket>> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new().name("connect".to_owned());
    thread
        .spawn(move || {
            // The receiver may have given up.
            let _ = sender.send(connect(&address));
        })
        .ok()?;
    receiver.recv_timeout(PATIENCE).ok()
}
