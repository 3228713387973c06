//! What `-chardev`, and the short form of `-serial`, `-monitor` and `-qmp`, may say.

use crate::Error;
use softmmu_opts::{OptError, Opts, hint};
use std::fmt;
use std::time::Duration;

/// A character device as the command line asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its name.
    pub id: String,
    /// Several front ends may use it.
    pub mux: bool,
    /// A copy of all output: file, and whether to append to it.
    pub log: Option<(String, bool)>,
    /// What it is.
    pub kind: Kind,
}

/// Kinds of character devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Null,
    /// Standard input and output; whether C-c and the like raise signals.
    Stdio {
        /// Interrupt characters raise signals.
        signal: bool,
    },
    /// Output to a file.
    File {
        /// Written.
        path: String,
        /// Keep what is there.
        append: bool,
        /// Read from here.
        input: Option<String>,
    },
    /// Named pipes `path.in` and `path.out`, or one for both.
    Pipe {
        /// The path.
        path: String,
    },
    /// A new pseudo terminal; a link to it is made here.
    Pty {
        /// The link.
        link: Option<String>,
    },
    /// A serial line of the host.
    Serial {
        /// Its device.
        path: String,
    },
    /// A stream socket.
    Socket(SocketSpec),
    /// UDP: to where, from where.
    Udp {
        /// `host:port` to send to.
        remote: (String, u16),
        /// `host:port` to receive at.
        local: (String, u16),
    },
    /// A buffer.
    Ring {
        /// Bytes; a power of two.
        size: usize,
    },
}

/// A stream socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketSpec {
    /// Where.
    pub address: Address,
    /// Listens instead of connecting.
    pub server: bool,
    /// Waits for the first client.
    pub wait: bool,
    /// Speaks telnet.
    pub telnet: bool,
    /// Sends small pieces at once.
    pub nodelay: bool,
    /// Tries again this long after a failure.
    pub reconnect: Option<Duration>,
}

/// Where a socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// TCP.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// IPv4 allowed.
        v4: bool,
        /// IPv6 allowed.
        v6: bool,
    },
    /// Unix.
    Unix {
        /// Path.
        path: String,
        /// In the abstract name space.
        hidden: bool,
    },
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port, .. } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp { host, port, .. } => write!(f, "{host}:{port}"),
            Address::Unix { path, .. } => write!(f, "unix:{path}"),
        }
    }
}

/// A kind's name, what its options mean, one line of help.
type KindRow = (
    &'static str,
    fn(&mut Opts) -> Result<Kind, OptError>,
    &'static str,
);

/// The kinds that `-chardev` knows.
const KINDS: &[KindRow] = &[
    ("null", |_| Ok(Kind::Null), "nothing"),
    ("stdio", stdio, "standard input and output [signal=on|off]"),
    ("file", file, "path=FILE[,append=on][,input-path=FILE]"),
    ("pipe", pipe, "path=PATH (PATH.in and PATH.out, or PATH)"),
    ("pty", pty, "[path=LINK]"),
    ("serial", serial, "path=DEVICE"),
    (
        "socket",
        socket,
        "host=H,port=P or path=P[,server=on][,wait=off][,telnet=on][,nodelay=on][,reconnect=S]",
    ),
    ("udp", udp, "[host=H,]port=P[,localaddr=H][,localport=P]"),
    ("ringbuf", ring, "[size=BYTES]"),
    ("vc", vc, "a console that no screen shows"),
];

/// `-chardev help`.
pub fn help() -> String {
    let mut text = String::from("Available chardev backend types:\n");
    for (name, _, help) in KINDS {
        text.push_str(&format!("  {name:<8} {help}\n"));
    }
    text
}

/// Reads the argument of `-chardev`.
pub fn chardev(text: &str) -> Result<Spec, Error> {
    let failed = |e: OptError| Error(format!("-chardev {text}: {e}"));
    let mut opts = Opts::parse(text, Some("backend")).map_err(failed)?;
    let kind = opts.need("backend").map_err(failed)?;
    let id = opts.need("id").map_err(failed)?;
    let spec = spec(&kind, id, opts).map_err(failed)?;
    Ok(spec)
}

fn spec(kind: &str, id: String, mut opts: Opts) -> Result<Spec, OptError> {
    let synonym = match kind {
        "tty" => "serial",
        "memory" => "ringbuf",
        other => other,
    };
    let Some((_, read, _)) = KINDS.iter().find(|(name, ..)| *name == synonym) else {
        let hint = hint(kind, KINDS.iter().map(|(name, ..)| *name));
        return Err(OptError::new(format!(
            "there is no chardev backend '{kind}'{hint}"
        )));
    };
    let kind = read(&mut opts)?;
    let mux = opts.switch("mux")?.unwrap_or(false);
    let append = opts.switch("logappend")?.unwrap_or(false);
    let log = opts.text("logfile").map(|path| (path, append));
    opts.finish()?;
    Ok(Spec { id, mux, log, kind })
}

fn stdio(opts: &mut Opts) -> Result<Kind, OptError> {
    let signal = opts.switch("signal")?.unwrap_or(true);
    Ok(Kind::Stdio { signal })
}

fn file(opts: &mut Opts) -> Result<Kind, OptError> {
    Ok(Kind::File {
        path: opts.need("path")?,
        append: opts.switch("append")?.unwrap_or(false),
        input: opts.text("input-path"),
    })
}

fn pipe(opts: &mut Opts) -> Result<Kind, OptError> {
    let path = opts.need("path")?;
    Ok(Kind::Pipe { path })
}

fn pty(opts: &mut Opts) -> Result<Kind, OptError> {
    let link = opts.text("path");
    Ok(Kind::Pty { link })
}

fn serial(opts: &mut Opts) -> Result<Kind, OptError> {
    let path = opts.need("path")?;
    Ok(Kind::Serial { path })
}

fn vc(opts: &mut Opts) -> Result<Kind, OptError> {
    for key in ["width", "height", "cols", "rows"] {
        opts.number(key)?;
    }
    Ok(Kind::Null)
}

fn ring(opts: &mut Opts) -> Result<Kind, OptError> {
    let size = opts.size("size")?.unwrap_or(65536);
    let size = usize::try_from(size)
        .ok()
        .filter(|s| s.is_power_of_two() && *s <= 1 << 30)
        .ok_or_else(|| OptError::new("size= must be a power of two, at most 1G"))?;
    Ok(Kind::Ring { size })
}

fn port(text: &str, key: &str) -> Result<u16, OptError> {
    text.parse()
        .map_err(|_| OptError::new(format!("{key}={text}: expected a port number")))
}

fn udp(opts: &mut Opts) -> Result<Kind, OptError> {
    let host = opts.text("host").unwrap_or_else(|| "localhost".to_owned());
    let remote = (host, port(&opts.need("port")?, "port")?);
    let at = opts.text("localaddr").unwrap_or_default();
    let local_port = opts.text("localport").unwrap_or_else(|| "0".to_owned());
    let local = (at, port(&local_port, "localport")?);
    Ok(Kind::Udp { remote, local })
}

fn socket(opts: &mut Opts) -> Result<Kind, OptError> {
    for key in ["tls-creds", "tls-authz", "websocket", "fd", "to"] {
        if opts.peek(key).is_some_and(|v| v != "off") {
            return Err(OptError::new(format!("{key}= is not supported")));
        }
    }
    let server = opts.switch("server")?.unwrap_or(false);
    let nowait = opts.switch("nowait")?.unwrap_or(false);
    let wait = opts.switch("wait")?;
    if wait == Some(true) && !server {
        return Err(OptError::new("wait=on needs server=on"));
    }
    let seconds = opts.number_in("reconnect", 0..=86400)?.map(|s| s * 1000);
    let reconnect = opts.number_in("reconnect-ms", 0..=86_400_000)?.or(seconds);
    let reconnect = reconnect.filter(|ms| *ms > 0).map(Duration::from_millis);
    if reconnect.is_some() && server {
        return Err(OptError::new(
            "reconnect= is for clients, not for server=on",
        ));
    }
    let delay = opts.switch("delay")?.map(|d| !d);
    let nodelay = opts.switch("nodelay")?.or(delay).unwrap_or(false);
    let telnet = opts.switch("telnet")?.unwrap_or(false);
    let address = address(opts)?;
    Ok(Kind::Socket(SocketSpec {
        address,
        server,
        wait: wait.unwrap_or(server && !nowait),
        telnet,
        nodelay,
        reconnect,
    }))
}

fn address(opts: &mut Opts) -> Result<Address, OptError> {
    if let Some(path) = opts.text("path") {
        let hidden = opts.switch("abstract")?.unwrap_or(false);
        opts.switch("tight")?;
        // sockaddr_un has room for 107 bytes and an end.
        if path.len() > 107 {
            return Err(OptError::new(format!("path={path}: longer than 107 bytes")));
        }
        return Ok(Address::Unix { path, hidden });
    }
    let host = opts.text("host").unwrap_or_default();
    let Some(number) = opts.text("port") else {
        return Err(OptError::new("'path=' or 'host=' and 'port=' are missing"));
    };
    let (v4, v6) = (opts.switch("ipv4")?, opts.switch("ipv6")?);
    Ok(Address::Tcp {
        host,
        port: port(&number, "port")?,
        v4: v4.unwrap_or(v6 != Some(true)),
        v6: v6.unwrap_or(v4 != Some(true)),
    })
}

/// Reads the short form: `stdio`, `mon:stdio`, `pty`, `file:F`, `tcp:H:P,server=on`, … for a
/// device that will be called `id`. `none` is no device at all.
pub fn short(text: &str, id: &str) -> Result<Option<Spec>, Error> {
    let failed = |e: OptError| Error(format!("'{text}': {e}"));
    let (mux, rest) = match text.strip_prefix("mon:") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if rest == "none" {
        return Ok(None);
    }
    let (kind, opts) = short_opts(rest, mux).map_err(failed)?;
    let mut spec = spec(kind, id.to_owned(), opts).map_err(failed)?;
    spec.mux |= mux;
    Ok(Some(spec))
}

fn short_opts(text: &str, mux: bool) -> Result<(&'static str, Opts), OptError> {
    let (head, tail) = text.split_once(':').unwrap_or((text, ""));
    let mut opts = Opts::default();
    let kind = match head {
        "null" => "null",
        "pty" => "pty",
        "vc" => "vc",
        "stdio" => {
            // C-c goes to the guest if a monitor is at hand to end the emulator.
            opts.push("signal", if mux { "off" } else { "on" });
            "stdio"
        }
        "file" | "pipe" => {
            opts = Opts::parse(tail, Some("path"))?;
            if head == "file" { "file" } else { "pipe" }
        }
        "tcp" | "telnet" | "unix" => {
            opts = Opts::parse(tail, Some("at"))?;
            let at = opts.need("at")?;
            if head == "unix" {
                opts.push("path", &at);
            } else {
                split_host(&mut opts, &at, "host", "port")?;
                opts.push("telnet", if head == "telnet" { "on" } else { "off" });
            }
            "socket"
        }
        "udp" => {
            let (remote, local) = tail.split_once('@').unwrap_or((tail, ""));
            split_host(&mut opts, remote, "host", "port")?;
            if opts.peek("host") == Some("") {
                opts.text("host");
            }
            if !local.is_empty() {
                split_host(&mut opts, local, "localaddr", "localport")?;
            }
            "udp"
        }
        _ if text.starts_with("/dev/") => {
            opts.push("path", text);
            "serial"
        }
        _ => {
            let known = [
                "null", "none", "stdio", "mon", "pty", "vc", "file", "pipe", "tcp", "telnet",
                "unix", "udp", "chardev",
            ];
            let hint = hint(head, known.into_iter());
            return Err(OptError::new(format!(
                "not a character device{hint} (try stdio, mon:stdio, pty, file:, tcp:, unix:, chardev:)"
            )));
        }
    };
    Ok((kind, opts))
}

/// `host:port`, `:port`, `[v6]:port`.
fn split_host(opts: &mut Opts, text: &str, host_key: &str, port_key: &str) -> Result<(), OptError> {
    let (host, port) = text
        .rsplit_once(':')
        .ok_or_else(|| OptError::new(format!("{text}: expected host:port")))?;
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    opts.push(host_key, bare.unwrap_or(host));
    opts.push(port_key, port);
    Ok(())
}
