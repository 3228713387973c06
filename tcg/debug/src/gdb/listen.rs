//! The place where gdb connects: a TCP port, on this machine unless an address is given, or a socket in the file system.

use super::Event;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::Sender;

/// Puts a descriptor where the guest does not see it.
pub type Hide = fn(OwnedFd) -> OwnedFd;

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    fn accept(&self, hide: Hide) -> io::Result<Stream> {
        Ok(match self {
            Listener::Tcp(l) => {
                let stream = l.accept()?.0;
                // One packet, one answer: waiting for more to send would only delay it.
                stream.set_nodelay(true)?;
                Stream::Tcp(hide(stream.into()).into())
            }
            Listener::Unix(l) => Stream::Unix(hide(l.accept()?.0.into()).into()),
        })
    }
}

impl Stream {
    fn writer(&self, hide: Hide) -> io::Result<Box<dyn io::Write + Send>> {
        Ok(match self {
            Stream::Tcp(s) => Box::new(TcpStream::from(hide(s.try_clone()?.into()))),
            Stream::Unix(s) => Box::new(UnixStream::from(hide(s.try_clone()?.into()))),
        })
    }

    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(s) => s.read(buf),
            Stream::Unix(s) => s.read(buf),
        }
    }
}

/// The address that a place names: `PORT` (of this machine only) or `HOST:PORT`.
fn address(place: &str) -> Option<SocketAddr> {
    if let Ok(port) = place.parse::<u16>() {
        return Some((Ipv4Addr::LOCALHOST, port).into());
    }
    let (host, port) = place.rsplit_once(':')?;
    if host.contains('/') {
        return None;
    }
    (host, port.parse().ok()?).to_socket_addrs().ok()?.next()
}

/// Opens the place, and starts a thread that takes one debugger after the other and reports what they send. `start` is
/// run in that thread first.
pub fn listen(place: &str, hide: Hide, start: fn(), events: Sender<Event>) -> io::Result<()> {
    let listener = match address(place) {
        Some(address) => {
            let socket = TcpListener::bind(address)?;
            Listener::Tcp(hide(socket.into()).into())
        }
        None => {
            // A socket that a former run left behind.
            if UnixStream::connect(place)
                .is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused)
            {
                let _ = std::fs::remove_file(place);
            }
            Listener::Unix(hide(UnixListener::bind(place)?.into()).into())
        }
    };
    std::thread::Builder::new()
        .name("gdb-io".to_string())
        .stack_size(256 << 10)
        .spawn(move || {
            start();
            while let Ok(stream) = listener.accept(hide) {
                if relay(stream, hide, &events).is_none() {
                    return;
                }
            }
        })?;
    Ok(())
}

/// Reports one debugger; nothing if nobody listens any more.
fn relay(mut stream: Stream, hide: Hide, events: &Sender<Event>) -> Option<()> {
    let Ok(writer) = stream.writer(hide) else {
        return Some(());
    };
    events.send(Event::Connected(writer)).ok()?;
    let mut buf = vec![0; 16 << 10];
    while let Ok(n) = stream.read(&mut buf) {
        let Some(data) = buf.get(..n).filter(|d| !d.is_empty()) else {
            break;
        };
        events.send(Event::Data(data.to_vec())).ok()?;
    }
    events.send(Event::Closed).ok()
}
