//! What `-netdev` and `-nic` may say.

use crate::Error;
use crate::user::{Forward, UserSpec};
use softmmu_opts::{OptError, Opts, hint};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

/// A network as the command line asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Netdev {
    /// Its name.
    pub id: String,
    /// What it is.
    pub kind: Kind,
}

/// Kinds of networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Inside the emulator.
    User(UserSpec),
    /// An interface of the host.
    Tap {
        /// Its name.
        ifname: String,
        /// Runs after it is opened.
        up: Option<String>,
        /// Runs at the end.
        down: Option<String>,
    },
    /// Over a socket.
    Wire(WireSpec),
    /// A hub, and the network that is plugged into it.
    Hub {
        /// Which hub.
        hub: u64,
        /// The network.
        netdev: Option<String>,
    },
}

/// Where a socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// TCP or UDP.
    Inet {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// A path.
    Unix(String),
}

/// A network over a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WireSpec {
    /// Waits for the other side.
    Listen {
        /// Here.
        at: Place,
    },
    /// Goes to the other side.
    Connect {
        /// There.
        to: Place,
        /// Again after this long.
        retry: Option<Duration>,
    },
    /// One frame a datagram.
    Datagrams {
        /// Received here.
        local: Option<Place>,
        /// Sent there.
        remote: Option<Place>,
    },
    /// To a group.
    Multicast {
        /// The group.
        group: SocketAddr,
        /// On the interface with this address.
        local: Option<Ipv4Addr>,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Inet { host, port } => write!(f, "{host}:{port}"),
            Place::Unix(path) => write!(f, "{path}"),
        }
    }
}

impl fmt::Display for WireSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WireSpec::Listen { at } => write!(f, "type=stream,server=on,{at}"),
            WireSpec::Connect { to, .. } => write!(f, "type=stream,{to}"),
            WireSpec::Multicast { group, .. } => write!(f, "type=dgram,mcast={group}"),
            WireSpec::Datagrams { local, remote } => {
                write!(f, "type=dgram")?;
                if let Some(local) = local {
                    write!(f, ",local={local}")?;
                }
                remote.as_ref().map_or(Ok(()), |r| write!(f, ",remote={r}"))
            }
        }
    }
}

/// A card and its network (`-nic`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nic {
    /// The card; the board's own if none is named.
    pub model: Option<String>,
    /// Its hardware address.
    pub mac: Option<[u8; 6]>,
    /// The network: a new one, or one that exists.
    pub network: Network,
}

/// What a card is plugged into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// A new network.
    New(Netdev),
    /// An existing one's name.
    Existing(String),
}

type KindRow = (
    &'static str,
    fn(&mut Opts) -> Result<Kind, OptError>,
    &'static str,
);

const KINDS: &[KindRow] = &[
    (
        "user",
        user,
        "[net=A/N][,host=A][,dns=A][,dhcpstart=A][,hostname=N][,restrict=on][,hostfwd=tcp|udp:[A]:P-[A]:P]...",
    ),
    (
        "tap",
        tap,
        "[ifname=N][,script=FILE|no][,downscript=FILE|no]",
    ),
    (
        "socket",
        socket,
        "listen=[H]:P, connect=H:P, mcast=A:P[,localaddr=A] or udp=H:P,localaddr=H:P",
    ),
    (
        "stream",
        stream,
        "addr.type=inet|unix[,addr.host=H,addr.port=P][,addr.path=P][,server=on][,reconnect-ms=N]",
    ),
    (
        "dgram",
        dgram,
        "local.type=inet|unix,local...,remote.type=inet|unix,remote...",
    ),
    ("hubport", hubport, "hubid=N[,netdev=ID]"),
];

/// `-netdev help`.
pub fn help() -> String {
    let mut text = String::from("Available netdev backend types:\n");
    for (name, _, help) in KINDS {
        text.push_str(&format!("  {name:<8} {help}\n"));
    }
    text
}

/// Reads the argument of `-netdev`.
pub fn netdev(text: &str) -> Result<Netdev, Error> {
    let failed = |e: OptError| Error(format!("-netdev {text}: {e}"));
    let mut opts = Opts::parse(text, Some("type")).map_err(failed)?;
    let id = opts.need("id").map_err(failed)?;
    let kind = kind(&mut opts).map_err(failed)?;
    opts.finish().map_err(failed)?;
    Ok(Netdev { id, kind })
}

/// Reads the argument of `-nic`; a network without a name gets `name`. `none`: no card.
pub fn nic(text: &str, name: &str) -> Result<Option<Nic>, Error> {
    let failed = |e: OptError| Error(format!("-nic {text}: {e}"));
    let mut opts = Opts::parse(text, Some("type")).map_err(failed)?;
    if opts.peek("type") == Some("none") {
        return Ok(None);
    }
    let nic = nic_opts(&mut opts, name).map_err(failed)?;
    opts.finish().map_err(failed)?;
    Ok(Some(nic))
}

fn nic_opts(opts: &mut Opts, name: &str) -> Result<Nic, OptError> {
    let model = opts.text("model");
    let mac = match opts.text("mac").or_else(|| opts.text("macaddr")) {
        Some(text) => Some(mac(&text)?),
        None => None,
    };
    let id = opts.text("id").unwrap_or_else(|| name.to_owned());
    let network = match opts.text("netdev") {
        Some(existing) => Network::Existing(existing),
        None => Network::New(Netdev {
            id,
            kind: kind(opts)?,
        }),
    };
    Ok(Nic {
        model,
        mac,
        network,
    })
}

/// `52:54:00:12:34:56`.
pub fn mac(text: &str) -> Result<[u8; 6], OptError> {
    let wrong = || {
        OptError::new(format!(
            "mac={text}: expected six bytes, as 52:54:00:12:34:56"
        ))
    };
    let parts: Vec<&str> = text.split([':', '-']).collect();
    let bytes: Vec<u8> = parts
        .iter()
        .filter(|p| (1..=2).contains(&p.len()))
        .filter_map(|p| u8::from_str_radix(p, 16).ok())
        .collect();
    let mac: [u8; 6] = bytes.try_into().map_err(|_| wrong())?;
    if parts.len() != 6 {
        return Err(wrong());
    }
    if mac.first().is_some_and(|b| b & 1 != 0) {
        return Err(OptError::new(format!("mac={text}: a multicast address")));
    }
    Ok(mac)
}

fn kind(opts: &mut Opts) -> Result<Kind, OptError> {
    let name = opts.need("type")?;
    let Some((_, read, _)) = KINDS.iter().find(|(n, ..)| *n == name) else {
        let hint = hint(&name, KINDS.iter().map(|(n, ..)| *n));
        return Err(OptError::new(format!(
            "there is no network type '{name}'{hint}"
        )));
    };
    read(opts)
}

fn address(opts: &mut Opts, key: &'static str) -> Result<Option<Ipv4Addr>, OptError> {
    let Some(text) = opts.text(key) else {
        return Ok(None);
    };
    let wrong = || OptError::new(format!("{key}={text}: expected an IPv4 address"));
    text.parse().map(Some).map_err(|_| wrong())
}

fn user(opts: &mut Opts) -> Result<Kind, OptError> {
    for key in [
        "guestfwd",
        "smb",
        "smbserver",
        "tftp",
        "ipv6-net",
        "ipv6-host",
    ] {
        if opts.peek(key).is_some() {
            return Err(OptError::new(format!("{key}= is not supported")));
        }
    }
    if opts.switch("ipv6")? == Some(true) || opts.switch("ipv4")? == Some(false) {
        return Err(OptError::new("there is no IPv6 in user networks"));
    }
    let mut spec = UserSpec::default();
    if let Some(net) = opts.text("net") {
        (spec.net, spec.prefix) = network(&net)?;
        let at = |n: u32| Ipv4Addr::from_bits(spec.net.to_bits() & spec.mask().to_bits() | n);
        let (host, dns, start) = (at(2), at(3), at(15));
        (spec.host, spec.dns, spec.dhcp_start) = (host, dns, start);
    }
    spec.host = address(opts, "host")?.unwrap_or(spec.host);
    spec.dns = address(opts, "dns")?.unwrap_or(spec.dns);
    spec.dhcp_start = address(opts, "dhcpstart")?.unwrap_or(spec.dhcp_start);
    for (key, a) in [
        ("host", spec.host),
        ("dns", spec.dns),
        ("dhcpstart", spec.dhcp_start),
    ] {
        if !spec.contains(a) {
            let (net, prefix) = (spec.net, spec.prefix);
            return Err(OptError::new(format!(
                "{key}={a} is not in net={net}/{prefix}"
            )));
        }
    }
    if spec.host == spec.dns || [spec.host, spec.dns].contains(&spec.dhcp_start) {
        return Err(OptError::new("host=, dns= and dhcpstart= must differ"));
    }
    spec.restrict = opts.switch("restrict")?.unwrap_or(false);
    spec.hostname = opts.text("hostname");
    spec.domain = opts.text("domainname");
    spec.bootfile = opts.text("bootfile");
    spec.tftp_server_name = opts.text("tftp-server-name");
    for text in opts.all("hostfwd") {
        spec.forwards.push(forward(&text, &spec)?);
    }
    Ok(Kind::User(spec))
}

fn network(text: &str) -> Result<(Ipv4Addr, u8), OptError> {
    let wrong = || {
        OptError::new(format!(
            "net={text}: expected a network such as 10.0.2.0/24"
        ))
    };
    let (net, bits) = text.split_once('/').unwrap_or((text, "24"));
    let net: Ipv4Addr = net.parse().map_err(|_| wrong())?;
    let prefix = match (bits.parse::<u8>(), bits.parse::<Ipv4Addr>()) {
        (Ok(prefix), _) => prefix,
        (_, Ok(mask)) => u8::try_from(mask.to_bits().leading_ones()).unwrap_or(0),
        _ => return Err(wrong()),
    };
    // Four addresses are the least that a gateway, a name server and a guest need.
    if !(1..=28).contains(&prefix) {
        return Err(OptError::new(format!(
            "net={text}: expected 1 to 28 bits of network"
        )));
    }
    Ok((net, prefix))
}

/// `tcp|udp:[hostaddr]:hostport-[guestaddr]:guestport`.
pub fn forward(text: &str, spec: &UserSpec) -> Result<Forward, OptError> {
    let wrong = || {
        OptError::new(format!(
            "hostfwd={text}: expected [tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport"
        ))
    };
    let (protocol, rest) = text.split_once(':').ok_or_else(wrong)?;
    let udp = match protocol {
        "tcp" | "" => false,
        "udp" => true,
        _ => return Err(wrong()),
    };
    let (host, guest) = rest.rsplit_once('-').ok_or_else(wrong)?;
    let end = |text: &str, default: Ipv4Addr| {
        let (address, port) = text.rsplit_once(':')?;
        let address = match address {
            "" => default,
            "localhost" => Ipv4Addr::LOCALHOST,
            other => other.parse().ok()?,
        };
        Some(SocketAddrV4::new(address, port.parse().ok()?))
    };
    let host = end(host, Ipv4Addr::UNSPECIFIED).ok_or_else(wrong)?;
    let guest = end(guest, spec.dhcp_start).filter(|g| g.port() != 0);
    let guest = guest.ok_or_else(wrong)?;
    Ok(Forward { udp, host, guest })
}

fn tap(opts: &mut Opts) -> Result<Kind, OptError> {
    for key in ["fd", "fds", "vhost", "vhostfd", "helper", "br", "queues"] {
        if opts.text(key).is_some_and(|v| v != "off" && v != "1") {
            return Err(OptError::new(format!("{key}= is not supported")));
        }
    }
    let script = |text: Option<String>| text.filter(|t| t != "no" && !t.is_empty());
    Ok(Kind::Tap {
        ifname: opts.text("ifname").unwrap_or_default(),
        up: script(opts.text("script")),
        down: script(opts.text("downscript")),
    })
}

fn inet(text: &str, key: &str) -> Result<Place, OptError> {
    let found = text.rsplit_once(':').and_then(|(host, port)| {
        let host = host.to_owned();
        let port = port.parse().ok()?;
        Some(Place::Inet { host, port })
    });
    found.ok_or_else(|| OptError::new(format!("{key}={text}: expected host:port")))
}

fn socket(opts: &mut Opts) -> Result<Kind, OptError> {
    let given = |key: &&str| opts.peek(key).is_some();
    let ways: Vec<&str> = ["listen", "connect", "mcast", "udp"]
        .into_iter()
        .filter(|k| given(k))
        .collect();
    let spec = match ways.as_slice() {
        ["listen"] => WireSpec::Listen {
            at: inet(&opts.need("listen")?, "listen")?,
        },
        ["connect"] => WireSpec::Connect {
            to: inet(&opts.need("connect")?, "connect")?,
            retry: None,
        },
        ["udp"] => WireSpec::Datagrams {
            remote: Some(inet(&opts.need("udp")?, "udp")?),
            local: Some(inet(&opts.need("localaddr")?, "localaddr")?),
        },
        ["mcast"] => {
            let text = opts.need("mcast")?;
            let group: SocketAddr = text
                .parse()
                .ok()
                .filter(|g: &SocketAddr| g.is_ipv4() && g.ip().is_multicast())
                .ok_or_else(|| {
                    OptError::new(format!(
                        "mcast={text}: expected a group such as 230.0.0.1:1234"
                    ))
                })?;
            let local = address(opts, "localaddr")?;
            WireSpec::Multicast { group, local }
        }
        _ => {
            return Err(OptError::new(
                "exactly one of listen=, connect=, mcast= and udp= is needed",
            ));
        }
    };
    Ok(Kind::Wire(spec))
}

fn place(
    opts: &mut Opts,
    [kind, host, port, path]: [&'static str; 4],
) -> Result<Option<Place>, OptError> {
    let Some(what) = opts.text(kind) else {
        return Ok(None);
    };
    match what.as_str() {
        "unix" => Ok(Some(Place::Unix(opts.need(path)?))),
        "inet" => {
            let host = opts.need(host)?;
            let text = opts.need(port)?;
            let number = text.parse();
            let port =
                number.map_err(|_| OptError::new(format!("{port}={text}: expected a number")))?;
            Ok(Some(Place::Inet { host, port }))
        }
        other => Err(OptError::new(format!(
            "{kind}={other}: expected inet or unix"
        ))),
    }
}

fn stream(opts: &mut Opts) -> Result<Kind, OptError> {
    let at = place(opts, ["addr.type", "addr.host", "addr.port", "addr.path"])?;
    let at = at.ok_or_else(|| OptError::new("'addr.type=' is missing"))?;
    let seconds = opts.number_in("reconnect", 0..=86400)?.map(|s| s * 1000);
    let ms = opts.number_in("reconnect-ms", 0..=86_400_000)?.or(seconds);
    let retry = ms.filter(|ms| *ms > 0).map(Duration::from_millis);
    let server = opts.switch("server")?.unwrap_or(false);
    if server && retry.is_some() {
        return Err(OptError::new(
            "reconnect-ms= is for clients, not for server=on",
        ));
    }
    Ok(Kind::Wire(if server {
        WireSpec::Listen { at }
    } else {
        WireSpec::Connect { to: at, retry }
    }))
}

fn dgram(opts: &mut Opts) -> Result<Kind, OptError> {
    let local = place(
        opts,
        ["local.type", "local.host", "local.port", "local.path"],
    )?;
    let remote = place(
        opts,
        ["remote.type", "remote.host", "remote.port", "remote.path"],
    )?;
    if local.is_none() && remote.is_none() {
        return Err(OptError::new("'local.type=' or 'remote.type=' is missing"));
    }
    Ok(Kind::Wire(WireSpec::Datagrams { local, remote }))
}

fn hubport(opts: &mut Opts) -> Result<Kind, OptError> {
    let hub = opts.number("hubid")?;
    let hub = hub.ok_or_else(|| OptError::new("'hubid=' is missing"))?;
    let netdev = opts.text("netdev");
    Ok(Kind::Hub { hub, netdev })
}
