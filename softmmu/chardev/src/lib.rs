//! Host sides of character devices (`-chardev`, `-serial`, `-monitor`, `-qmp`): terminals, files,
//! pipes, sockets, buffers; multiplexed or not. Syntax and meaning are QEMU's.
//!
//! [`Chardevs`] holds them by name; a device claims one. Input arrives on the one thread of
//! `softmmu-hostio`. Leaves out: TLS, websockets, passed descriptors.
#![deny(unsafe_code)]

mod descriptor;
pub mod mux;
pub mod options;
mod pty;
mod ring;
mod slot;
mod socket;
mod telnet;
#[allow(unsafe_code)]
pub mod terminal;

use mux::{Hooks, Mux};
use options::{Kind, Spec};
use parking_lot::Mutex;
use ring::{Null, Ring};
use softmmu_core::chardev::{CharBackend, CharFrontend, LineParams};
use std::fs::OpenOptions;
use std::io::Write;
use std::net::UdpSocket;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// What the user did wrong, or the host refused: one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(pub String);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// What stands behind a name.
#[derive(Clone)]
enum Host {
    /// One front end, which may be there already.
    Single {
        backend: Arc<dyn CharBackend>,
        taken: bool,
    },
    /// Any number of front ends.
    Mux(Arc<Mux>),
}

struct Entry {
    id: String,
    host: Host,
    ring: Option<Arc<Ring>>,
    describe: Arc<dyn CharBackend>,
}

/// The character devices of a machine, by name.
#[derive(Default)]
pub struct Chardevs {
    entries: Mutex<Vec<Entry>>,
    hooks: Mutex<Hooks>,
}

impl Chardevs {
    /// Opens what an option asked for. What the user should know (a pseudo terminal's path) is
    /// printed on standard error.
    pub fn open(&self, spec: &Spec) -> Result<(), Error> {
        if self.entries.lock().iter().any(|e| e.id == spec.id) {
            return Err(Error(format!("there is already a chardev '{}'", spec.id)));
        }
        let (mut backend, ring) = open_kind(spec)?;
        if let Some((path, append)) = &spec.log {
            backend = Logged::open(backend, path, *append)?;
        }
        let describe = Arc::clone(&backend);
        let host = if spec.mux {
            let mux = Mux::new(backend);
            mux.set_hooks(self.hooks.lock().clone());
            Host::Mux(mux)
        } else {
            let taken = false;
            Host::Single { backend, taken }
        };
        self.entries.lock().push(Entry {
            id: spec.id.clone(),
            host,
            ring,
            describe,
        });
        Ok(())
    }

    /// `-chardev TEXT`.
    pub fn add(&self, text: &str) -> Result<(), Error> {
        self.open(&options::chardev(text)?)
    }

    /// `-serial TEXT`, `-monitor TEXT` and the like: opens a device called `label`, or finds the one
    /// that `chardev:ID` names, and claims it. `none`: `None`.
    pub fn short(&self, text: &str, label: &str) -> Result<Option<Arc<dyn CharBackend>>, Error> {
        if let Some(id) = text.strip_prefix("chardev:") {
            return self.claim(id).map(Some);
        }
        let Some(spec) = options::short(text, label)? else {
            return Ok(None);
        };
        self.open(&spec)?;
        self.claim(label).map(Some)
    }

    /// A place at the device with this name, for one front end.
    pub fn claim(&self, id: &str) -> Result<Arc<dyn CharBackend>, Error> {
        let mut entries = self.entries.lock();
        let Some(entry) = entries.iter_mut().find(|e| e.id == id) else {
            let hint = softmmu_opts::hint(id, entries.iter().map(|e| e.id.as_str()));
            return Err(Error(format!("there is no chardev '{id}'{hint}")));
        };
        match &mut entry.host {
            Host::Mux(mux) => Ok(mux.port()),
            Host::Single { taken, .. } if *taken => Err(Error(format!(
                "chardev '{id}' is in use already (mux=on lets several use it)"
            ))),
            Host::Single { backend, taken } => {
                *taken = true;
                Ok(Arc::clone(backend))
            }
        }
    }

    /// Removes a device that nobody uses (`chardev-remove`).
    pub fn remove(&self, id: &str) -> Result<(), Error> {
        let mut entries = self.entries.lock();
        let Some(at) = entries.iter().position(|e| e.id == id) else {
            return Err(Error(format!("there is no chardev '{id}'")));
        };
        match entries.get(at).map(|e| &e.host) {
            Some(Host::Single { taken: false, .. }) => {
                entries.remove(at);
                Ok(())
            }
            _ => Err(Error(format!("chardev '{id}' is in use"))),
        }
    }

    /// Whether several front ends may use this device.
    pub fn is_mux(&self, id: &str) -> bool {
        let entries = self.entries.lock();
        let found = entries.iter().find(|e| e.id == id);
        found.is_some_and(|e| matches!(e.host, Host::Mux(_)))
    }

    /// What C-a x and C-a s do, in all multiplexers.
    pub fn set_hooks(&self, hooks: Hooks) {
        for entry in self.entries.lock().iter() {
            if let Host::Mux(mux) = &entry.host {
                mux.set_hooks(hooks.clone());
            }
        }
        *self.hooks.lock() = hooks;
    }

    /// Names and descriptions, for `info chardev` and `query-chardev`.
    pub fn list(&self) -> Vec<(String, String)> {
        let entries = self.entries.lock();
        let one = |e: &Entry| (e.id.clone(), e.describe.describe());
        entries.iter().map(one).collect()
    }

    /// Takes bytes out of a `ringbuf` device.
    pub fn ring_read(&self, id: &str, max: usize) -> Result<Vec<u8>, Error> {
        let entries = self.entries.lock();
        let ring = entries.iter().find(|e| e.id == id);
        let ring = ring.and_then(|e| e.ring.as_ref());
        ring.map(|r| r.take(max))
            .ok_or_else(|| Error(format!("there is no ringbuf chardev '{id}'")))
    }
}

type Opened = (Arc<dyn CharBackend>, Option<Arc<Ring>>);

fn open_kind(spec: &Spec) -> Result<Opened, Error> {
    let id = spec.id.as_str();
    let failed = |what: &str| {
        let place = format!("chardev {id}: {what}");
        move |e: std::io::Error| Error(format!("{place}: {e}"))
    };
    let backend: Arc<dyn CharBackend> = match &spec.kind {
        Kind::Null => Arc::new(Null),
        Kind::Ring { size } => {
            let ring = Arc::new(Ring::new(*size));
            return Ok((ring.clone(), Some(ring)));
        }
        Kind::Stdio { signal } => stdio(*signal).map_err(failed("standard input or output"))?,
        Kind::File {
            path,
            append,
            input,
        } => file(path, *append, input.as_deref()).map_err(failed(path))?,
        Kind::Pipe { path } => pipe(path).map_err(failed(path))?,
        Kind::Serial { path } => serial(path).map_err(failed(path))?,
        Kind::Udp { remote, local } => udp(remote, local).map_err(failed("udp"))?,
        Kind::Socket(socket) => socket::SocketChar::open(socket.clone(), id)?,
        Kind::Pty { link } => {
            let pty = pty::Pty::open().map_err(failed("pty"))?;
            if let Some(link) = link {
                std::os::unix::fs::symlink(&pty.path, link).map_err(failed(link))?;
            }
            eprintln!("char device redirected to {} (label {id})", pty.path);
            pty
        }
    };
    Ok((backend, None))
}

fn owned(file: impl Into<OwnedFd>) -> Option<Arc<OwnedFd>> {
    Some(Arc::new(file.into()))
}

fn stdio(signal: bool) -> std::io::Result<Arc<dyn CharBackend>> {
    let input = std::io::stdin().as_fd().try_clone_to_owned()?;
    let output = std::io::stdout().as_fd().try_clone_to_owned()?;
    let guard = terminal::Raw::enter(signal);
    let backend = descriptor::Descriptor::new(owned(input), owned(output), "stdio".to_owned());
    Ok(backend.guarded(guard).start())
}

fn file(path: &str, append: bool, input: Option<&str>) -> std::io::Result<Arc<dyn CharBackend>> {
    let mut options = OpenOptions::new();
    options.create(true).append(append).write(true);
    let output = options.truncate(!append).open(path)?;
    let input = match input {
        Some(input) => owned(std::fs::File::open(input)?),
        None => None,
    };
    let backend = descriptor::Descriptor::new(input, owned(output), format!("file:{path}"));
    Ok(backend.start())
}

fn pipe(path: &str) -> std::io::Result<Arc<dyn CharBackend>> {
    // Read and write, so that opening does not wait for the other side.
    let open = |path: &str| OpenOptions::new().read(true).write(true).open(path);
    let (input, output) = match (open(&format!("{path}.in")), open(&format!("{path}.out"))) {
        (Ok(input), Ok(output)) => (input, output),
        _ => {
            let both = open(path)?;
            (both.try_clone()?, both)
        }
    };
    let backend = descriptor::Descriptor::new(owned(input), owned(output), format!("pipe:{path}"));
    Ok(backend.start())
}

fn serial(path: &str) -> std::io::Result<Arc<dyn CharBackend>> {
    use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
    use std::os::unix::fs::OpenOptionsExt;
    let flags = nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY;
    let mut options = OpenOptions::new();
    let line = options
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(path)?;
    let mut settings = tcgetattr(&line)?;
    cfmakeraw(&mut settings);
    tcsetattr(&line, SetArg::TCSANOW, &settings)?;
    let input = line.try_clone()?;
    let backend = descriptor::Descriptor::new(owned(input), owned(line), format!("serial:{path}"));
    Ok(backend.with_params(set_line).start())
}

fn set_line(fd: &OwnedFd, params: LineParams) {
    use nix::sys::termios::{BaudRate as B, ControlFlags as C, SetArg, tcgetattr, tcsetattr};
    let Ok(mut settings) = tcgetattr(fd) else {
        return;
    };
    settings.control_flags.remove(C::CSIZE);
    settings.control_flags |= match params.data_bits {
        5 => C::CS5,
        6 => C::CS6,
        7 => C::CS7,
        _ => C::CS8,
    };
    settings.control_flags.set(C::CSTOPB, params.stop_bits > 1);
    settings.control_flags.set(C::PARENB, params.parity != b'N');
    settings.control_flags.set(C::PARODD, params.parity == b'O');
    let speeds = [
        (1200, B::B1200),
        (2400, B::B2400),
        (4800, B::B4800),
        (9600, B::B9600),
        (19200, B::B19200),
        (38400, B::B38400),
        (57600, B::B57600),
        (115_200, B::B115200),
        (230_400, B::B230400),
        (460_800, B::B460800),
        (921_600, B::B921600),
    ];
    // A speed that the host has no word for leaves the line's as it is.
    if let Some((_, speed)) = speeds.iter().find(|(n, _)| *n == params.speed) {
        // Not by cfsetspeed, which the libc crate names with a symbol version that a static C library does not have.
        let speed = C::from_bits_retain(*speed as _);
        settings.control_flags = settings.control_flags.difference(C::CBAUD).union(speed);
    }
    // The line may have been unplugged.
    let _ = tcsetattr(fd, SetArg::TCSANOW, &settings);
}

fn udp(remote: &(String, u16), local: &(String, u16)) -> std::io::Result<Arc<dyn CharBackend>> {
    let at = if local.0.is_empty() {
        "0.0.0.0"
    } else {
        &local.0
    };
    let socket = UdpSocket::bind((at, local.1))?;
    socket.connect((remote.0.as_str(), remote.1))?;
    let describe = format!("udp:{}:{}@{at}:{}", remote.0, remote.1, local.1);
    let output = socket.try_clone()?;
    Ok(descriptor::Descriptor::new(owned(socket), owned(output), describe).start())
}

/// A back end with a copy of its output in a file.
struct Logged {
    inner: Arc<dyn CharBackend>,
    log: Mutex<std::fs::File>,
}

impl Logged {
    fn open(
        inner: Arc<dyn CharBackend>,
        path: &str,
        append: bool,
    ) -> Result<Arc<dyn CharBackend>, Error> {
        let mut options = OpenOptions::new();
        options.create(true).write(true).append(append);
        let file = options.truncate(!append).open(path);
        let file = file.map_err(|e| Error(format!("logfile={path}: {e}")))?;
        Ok(Arc::new(Logged {
            inner,
            log: Mutex::new(file),
        }))
    }
}

impl CharBackend for Logged {
    fn write(&self, bytes: &[u8]) -> usize {
        let taken = self.inner.write(bytes);
        // A full disk must not stop the guest.
        let _ = self
            .log
            .lock()
            .write_all(bytes.get(..taken).unwrap_or(bytes));
        taken
    }

    fn set_frontend(&self, frontend: Option<Arc<dyn CharFrontend>>) {
        self.inner.set_frontend(frontend);
    }

    fn accept_input(&self) {
        self.inner.accept_input();
    }

    fn send_break(&self) {
        self.inner.send_break();
    }

    fn set_params(&self, params: LineParams) {
        self.inner.set_params(params);
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}
