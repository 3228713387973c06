//! A small guest (smoltcp as its network code) at the networks: addresses, pings, connections both
//! ways, names, hostile frames.

use parking_lot::Mutex;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium};
use smoltcp::socket::{AnySocket, dhcpv4, icmp, tcp, udp};
use smoltcp::time::Instant as Tick;
use smoltcp::wire::{
    EthernetAddress, HardwareAddress, Icmpv4Packet, Icmpv4Repr, IpAddress, IpCidr, Ipv4Address,
    Ipv4Cidr,
};
use softmmu_core::net::{NetBackend, NetFrontend};
use softmmu_net::{Nets, options};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Card {
    frames: Mutex<VecDeque<Vec<u8>>>,
    room: usize,
}

impl NetFrontend for Card {
    fn receive(&self, frame: &[u8]) -> bool {
        let mut frames = self.frames.lock();
        let fits = frames.len() < self.room;
        if fits {
            frames.push_back(frame.to_vec());
        }
        fits
    }
}

struct Wire {
    backend: Arc<dyn NetBackend>,
    card: Arc<Card>,
}

struct In(Vec<u8>);
struct Out(Arc<dyn NetBackend>);

impl smoltcp::phy::RxToken for In {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl smoltcp::phy::TxToken for Out {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.send(&frame);
        result
    }
}

impl Device for Wire {
    type RxToken<'a> = In;
    type TxToken<'a> = Out;

    fn receive(&mut self, _: Tick) -> Option<(In, Out)> {
        let frame = self.card.frames.lock().pop_front();
        self.backend.accept_input();
        Some((In(frame?), Out(self.backend.clone())))
    }

    fn transmit(&mut self, _: Tick) -> Option<Out> {
        Some(Out(self.backend.clone()))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut c = DeviceCapabilities::default();
        c.medium = Medium::Ethernet;
        c.max_transmission_unit = 1514;
        c
    }
}

struct Guest {
    wire: Wire,
    interface: Interface,
    sockets: SocketSet<'static>,
    start: Instant,
    port: u16,
}

impl Guest {
    fn at(backend: Arc<dyn NetBackend>, number: u8) -> Guest {
        let card = Arc::new(Card {
            frames: Mutex::default(),
            // Little room, so that refusals are tested all the time.
            room: 4,
        });
        backend.set_frontend(Some(card.clone()));
        let mut wire = Wire { backend, card };
        let mac = EthernetAddress([0x52, 0x54, 0, 0, 0, number]);
        let mut config = Config::new(HardwareAddress::Ethernet(mac));
        config.random_seed = u64::from(number);
        let interface = Interface::new(config, &mut wire, Tick::ZERO);
        Guest {
            wire,
            interface,
            sockets: SocketSet::new(Vec::new()),
            start: Instant::now(),
            port: 49152,
        }
    }

    fn with_address(backend: Arc<dyn NetBackend>, last: u8) -> Guest {
        let mut guest = Guest::at(backend, last);
        let address = Ipv4Address::new(10, 0, 2, last);
        guest.configure(Ipv4Cidr::new(address, 24), Some(Ipv4Addr::new(10, 0, 2, 2)));
        guest
    }

    fn configure(&mut self, address: Ipv4Cidr, router: Option<Ipv4Addr>) {
        self.interface.update_ip_addrs(|all| {
            all.clear();
            all.push(IpCidr::Ipv4(address)).unwrap();
        });
        if let Some(router) = router {
            self.interface
                .routes_mut()
                .add_default_ipv4_route(router)
                .unwrap();
        }
    }

    fn poll(&mut self) {
        let now = Tick::from_millis(i64::try_from(self.start.elapsed().as_millis()).unwrap());
        self.interface.poll(now, &mut self.wire, &mut self.sockets);
    }

    /// Runs until `done` gives something.
    #[track_caller]
    fn until<T>(&mut self, mut done: impl FnMut(&mut Guest) -> Option<T>) -> T {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            self.poll();
            if let Some(result) = done(self) {
                return result;
            }
            assert!(Instant::now() < end, "timed out");
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    fn add<T: AnySocket<'static>>(&mut self, socket: T) -> SocketHandle {
        self.sockets.add(socket)
    }

    fn tcp(&mut self) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; 65536]);
        self.add(tcp::Socket::new(buffer(), buffer()))
    }

    fn connect(&mut self, to: (Ipv4Addr, u16)) -> SocketHandle {
        let handle = self.tcp();
        self.port += 1;
        let port = self.port;
        let to = (IpAddress::Ipv4(to.0), to.1);
        let socket = self.sockets.get_mut::<tcp::Socket>(handle);
        socket.connect(self.interface.context(), to, port).unwrap();
        handle
    }

    fn socket<T: AnySocket<'static>>(&mut self, handle: SocketHandle) -> &mut T {
        self.sockets.get_mut::<T>(handle)
    }

    /// Sends `data`, ends, and returns all that comes until the other side ends.
    fn exchange(&mut self, handle: SocketHandle, data: &[u8]) -> Vec<u8> {
        let (mut sent, mut got) = (0, Vec::new());
        self.until(|guest| {
            let socket = guest.socket::<tcp::Socket>(handle);
            if socket.can_send() && sent < data.len() {
                sent += socket.send_slice(&data[sent..]).unwrap();
                if sent == data.len() {
                    socket.close();
                }
            }
            while socket.can_recv() {
                socket
                    .recv(|bytes| {
                        got.extend(&*bytes);
                        (bytes.len(), ())
                    })
                    .unwrap();
            }
            let state = socket.state();
            if guest.start.elapsed() > Duration::from_secs(18) {
                eprintln!("{state}: {sent} sent, {} back", got.len());
            }
            let socket = guest.socket::<tcp::Socket>(handle);
            (sent == data.len() && !socket.may_recv()).then_some(())
        });
        got
    }
}

const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);

fn user(options: &str) -> (Nets, Arc<dyn NetBackend>) {
    let nets = Nets::default();
    nets.add(&format!("user,id=n{options}")).unwrap();
    let backend = nets.claim("n").unwrap();
    (nets, backend)
}

fn bytes(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i * 7 + i / 251) as u8).collect()
}

#[test]
fn dhcp_gives_address_router_and_name_server() {
    let (_nets, backend) = user(",net=198.51.100.0/24,hostname=box");
    let mut guest = Guest::at(backend, 1);
    let handle = guest.add(dhcpv4::Socket::new());
    let (address, router, dns) =
        guest.until(
            |guest| match guest.socket::<dhcpv4::Socket>(handle).poll() {
                Some(dhcpv4::Event::Configured(c)) => {
                    Some((c.address, c.router, c.dns_servers.to_vec()))
                }
                _ => None,
            },
        );
    assert_eq!(address.to_string(), "198.51.100.15/24");
    assert_eq!(router, Some(Ipv4Addr::new(198, 51, 100, 2)));
    assert_eq!(dns, [Ipv4Addr::new(198, 51, 100, 3)]);
}

fn ping(guest: &mut Guest, to: Ipv4Addr) {
    let buffer = || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 4], vec![0; 8192]);
    let handle = guest.add(icmp::Socket::new(buffer(), buffer()));
    let socket = guest.socket::<icmp::Socket>(handle);
    socket.bind(icmp::Endpoint::Ident(0x4321)).unwrap();
    let data = bytes(1000);
    let repr = Icmpv4Repr::EchoRequest {
        ident: 0x4321,
        seq_no: 7,
        data: &data,
    };
    let room = socket.send(repr.buffer_len(), IpAddress::Ipv4(to)).unwrap();
    repr.emit(&mut Icmpv4Packet::new_unchecked(room), &Default::default());
    let (reply, from) = guest.until(|guest| {
        let socket = guest.socket::<icmp::Socket>(handle);
        let (reply, from) = socket.recv().ok()?;
        Some((reply.to_vec(), from))
    });
    assert_eq!(from, IpAddress::Ipv4(to));
    let packet = Icmpv4Packet::new_checked(&reply).unwrap();
    let parsed = Icmpv4Repr::parse(&packet, &Default::default()).unwrap();
    let Icmpv4Repr::EchoReply {
        ident: 0x4321,
        seq_no: 7,
        data: back,
    } = parsed
    else {
        panic!("{parsed:?}");
    };
    assert_eq!(back, data);
}

#[test]
fn the_gateway_answers_pings() {
    let (_nets, backend) = user("");
    ping(&mut Guest::with_address(backend, 15), GATEWAY);
}

#[test]
fn the_outside_answers_pings_if_the_host_allows_them() {
    let allowed = socket2::Socket::new(
        socket2::Domain::IPV4,
        socket2::Type::DGRAM,
        Some(socket2::Protocol::ICMPV4),
    );
    if allowed.is_err() {
        eprintln!("NOT TESTED: this host has no ICMP sockets for this user (ping_group_range)");
        return;
    }
    let (_nets, backend) = user("");
    // All of 127/8 is this host, and none of it is the gateway to the guest.
    ping(
        &mut Guest::with_address(backend, 15),
        Ipv4Addr::new(127, 1, 2, 3),
    );
}

fn echo_server(connections: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for _ in 0..connections {
            let (mut socket, _) = listener.accept().unwrap();
            let mut data = Vec::new();
            socket.read_to_end(&mut data).unwrap();
            socket.write_all(&data).unwrap();
        }
    });
    port
}

#[test]
fn the_guest_connects_to_the_host() {
    let port = echo_server(3);
    let (_nets, backend) = user("");
    let mut guest = Guest::with_address(backend, 15);
    for size in [1, 3000, 3_000_000] {
        let handle = guest.connect((GATEWAY, port));
        let data = bytes(size);
        assert!(guest.exchange(handle, &data) == data, "{size} bytes");
        guest.sockets.remove(handle);
        // The same ports again would be another test.
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_refusal_is_a_refusal() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let start = Instant::now();
    for options in ["", ",restrict=on"] {
        let (_nets, backend) = user(options);
        let mut guest = Guest::with_address(backend, 15);
        let handle = guest.connect((GATEWAY, port));
        guest.until(|guest| {
            let state = guest.socket::<tcp::Socket>(handle).state();
            (state == tcp::State::Closed).then_some(())
        });
    }
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn restricted_guests_reach_nothing() {
    let port = echo_server(1);
    let (_nets, backend) = user(",restrict=on");
    let mut guest = Guest::with_address(backend, 15);
    let handle = guest.connect((GATEWAY, port));
    guest.until(|guest| {
        let state = guest.socket::<tcp::Socket>(handle).state();
        assert_ne!(state, tcp::State::Established);
        (state == tcp::State::Closed).then_some(())
    });
}

#[test]
fn ports_of_the_host_lead_to_the_guest() {
    let (nets, backend) = user(",restrict=on");
    let at = nets.hostfwd_add(None, "tcp:127.0.0.1:0-:7777").unwrap();
    let mut guest = Guest::with_address(backend, 15);
    for size in [5, 2_000_000] {
        let handle = guest.tcp();
        guest.socket::<tcp::Socket>(handle).listen(7777).unwrap();
        let client = std::thread::spawn(move || {
            let mut socket = TcpStream::connect(at).unwrap();
            socket.write_all(&bytes(size)).unwrap();
            socket.shutdown(std::net::Shutdown::Write).unwrap();
            let mut back = Vec::new();
            socket.read_to_end(&mut back).unwrap();
            back
        });
        let mut got = Vec::new();
        guest.until(|guest| {
            let socket = guest.socket::<tcp::Socket>(handle);
            while socket.can_recv() {
                let take = |b: &mut [u8]| {
                    got.extend(&*b);
                    (b.len(), ())
                };
                socket.recv(take).unwrap();
            }
            (got.len() == size).then_some(())
        });
        assert!(got == bytes(size));
        let answer: Vec<u8> = got.iter().map(|b: &u8| !b).collect();
        let back = guest.exchange(handle, &answer);
        assert!(back.is_empty());
        guest.until(|_| client.is_finished().then_some(()));
        assert!(client.join().unwrap() == answer);
        guest.sockets.remove(handle);
    }
    let taken = nets.hostfwd_add(None, &format!("tcp:{at}-:7777"));
    assert!(taken.unwrap_err().0.contains("cannot listen"));
}

fn guest_udp(guest: &mut Guest, port: u16) -> SocketHandle {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 8], vec![0; 65536]);
    let handle = guest.add(udp::Socket::new(buffer(), buffer()));
    guest.socket::<udp::Socket>(handle).bind(port).unwrap();
    handle
}

fn guest_receives(guest: &mut Guest, handle: SocketHandle) -> (Vec<u8>, SocketAddr) {
    guest.until(|guest| {
        let (data, from) = guest.socket::<udp::Socket>(handle).recv().ok()?;
        let IpAddress::Ipv4(ip) = from.endpoint.addr;
        Some((data.to_vec(), SocketAddr::from((ip, from.endpoint.port))))
    })
}

#[test]
fn datagrams_go_both_ways_and_keep_their_port() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let (_nets, backend) = user("");
    let mut guest = Guest::with_address(backend, 15);
    let handle = guest_udp(&mut guest, 5000);
    let mut seen = Vec::new();
    for n in 0..3u8 {
        let to = (IpAddress::Ipv4(GATEWAY), port);
        guest
            .socket::<udp::Socket>(handle)
            .send_slice(&[n; 100], to)
            .unwrap();
        guest.poll();
        let mut buf = [0; 200];
        server
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let (len, from) = guest.until(|_| server.recv_from(&mut buf).ok());
        assert_eq!(buf[..len], [n; 100]);
        seen.push(from);
        server.send_to(&[n; 50], from).unwrap();
        let (data, from) = guest_receives(&mut guest, handle);
        assert_eq!(
            (data, from),
            (vec![n; 50], SocketAddr::from((GATEWAY, port)))
        );
    }
    assert!(seen.iter().all(|s| *s == seen[0]), "{seen:?}");
}

#[test]
fn forwarded_datagrams_are_answered_from_the_same_port() {
    let (nets, backend) = user("");
    let at = nets
        .hostfwd_add(Some("n"), "udp:127.0.0.1:0-:6000")
        .unwrap();
    let mut guest = Guest::with_address(backend, 15);
    let handle = guest_udp(&mut guest, 6000);
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    // The first may be lost, because nobody knows the guest's hardware address yet.
    let (data, from) = guest.until(|guest| {
        client.send_to(b"q", at).unwrap();
        let (data, from) = guest.socket::<udp::Socket>(handle).recv().ok()?;
        Some((data.to_vec(), from.endpoint))
    });
    assert_eq!(data, b"q");
    guest
        .socket::<udp::Socket>(handle)
        .send_slice(b"answer", from)
        .unwrap();
    let mut buf = [0; 20];
    let (len, from) = guest.until(|_| client.recv_from(&mut buf).ok());
    assert_eq!((&buf[..len], from), (&b"answer"[..], at));
}

#[test]
fn a_hub_joins_guests_and_a_user_network() {
    let nets = Nets::default();
    nets.add("user,id=u").unwrap();
    nets.add("hubport,id=h0,hubid=0,netdev=u").unwrap();
    nets.add("hubport,id=h1,hubid=0").unwrap();
    let mut one = Guest::with_address(nets.claim("h0").unwrap(), 15);
    let mut two = Guest::with_address(nets.claim("h1").unwrap(), 16);
    ping(&mut one, GATEWAY);
    ping(&mut two, GATEWAY);
    assert!(nets.claim("u").err().unwrap().0.contains("has a card"));
}

fn wired(first: &str, second: &str) {
    let nets = Nets::default();
    nets.add(first).unwrap();
    nets.add(second).unwrap();
    let mut server = Guest::with_address(nets.claim("a").unwrap(), 20);
    let mut client = Guest::with_address(nets.claim("b").unwrap(), 21);
    let listener = guest_udp(&mut server, 9);
    let sender = guest_udp(&mut client, 10);
    let to = (IpAddress::v4(10, 0, 2, 20), 9);
    let mut last = Instant::now() - Duration::from_secs(1);
    let got = server.until(|server| {
        if last.elapsed() > Duration::from_millis(300) {
            last = Instant::now();
            client
                .socket::<udp::Socket>(sender)
                .send_slice(&bytes(1400), to)
                .unwrap();
        }
        client.poll();
        let (data, _) = server.socket::<udp::Socket>(listener).recv().ok()?;
        Some(data.to_vec())
    });
    assert_eq!(got, bytes(1400));
}

#[test]
fn guests_talk_over_sockets() {
    let dir = std::env::temp_dir().join(format!("emu-net-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let d = dir.display();
    wired(
        &format!("stream,id=a,server=on,addr.type=unix,addr.path={d}/s"),
        &format!("stream,id=b,addr.type=unix,addr.path={d}/s"),
    );
    wired(
        &format!("dgram,id=a,local.type=unix,local.path={d}/a,remote.type=unix,remote.path={d}/b"),
        &format!("dgram,id=b,local.type=unix,local.path={d}/b,remote.type=unix,remote.path={d}/a"),
    );
    let free = || {
        UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port()
    };
    let (p, q) = (free(), free());
    wired(
        &format!("socket,id=a,udp=127.0.0.1:{p},localaddr=127.0.0.1:{q}"),
        &format!("socket,id=b,udp=127.0.0.1:{q},localaddr=127.0.0.1:{p}"),
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    wired(
        &format!("socket,id=a,listen=127.0.0.1:{port}"),
        &format!("socket,id=b,connect=127.0.0.1:{port}"),
    );
}

#[test]
fn hostile_frames_do_no_harm() {
    let (_nets, backend) = user("");
    let mut guest = Guest::with_address(backend.clone(), 15);
    let mut seed = 12345u64;
    let mut random = move || {
        seed = seed
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (seed >> 33) as usize
    };
    for _ in 0..20_000 {
        let mut frame: Vec<u8> = (0..random() % 120).map(|_| random() as u8).collect();
        // Most of them look like something.
        if let Some(head) = frame.get_mut(12..24) {
            let ip = [
                8,
                0,
                0x45,
                0,
                0,
                60,
                0,
                0,
                0,
                0,
                64,
                [1, 6, 17, 2][random() % 4],
            ];
            let arp = [8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 2];
            head.copy_from_slice(if random() % 8 == 0 { &arp } else { &ip });
        }
        if let Some(ends) = frame.get_mut(26..38) {
            ends.copy_from_slice(&[10, 0, 2, 15, 10, 0, 2, 2, 0, 68, 0, 67]);
        }
        backend.send(&frame);
        if random() % 200 == 0 {
            guest.poll();
        }
    }
    // Some of them said that the guest's address is elsewhere.
    std::thread::sleep(Duration::from_millis(50));
    ping(&mut guest, GATEWAY);
}

#[test]
fn mistakes_are_named() {
    for (text, word) in [
        ("usr,id=a", "did you mean 'user'"),
        ("user", "'id='"),
        ("user,id=a,net=10.0.2", "net=10.0.2"),
        ("user,id=a,net=10.0.2.0/31", "1 to 28"),
        ("user,id=a,host=192.0.2.1", "is not in net="),
        ("user,id=a,dns=10.0.2.2", "must differ"),
        ("user,id=a,hostfwd=tcp:22-:22", "hostfwd=tcp:22"),
        ("user,id=a,hostfwd=sctp::22-:22", "[tcp|udp]"),
        ("user,id=a,hostfwd=tcp::22-:0", "hostfwd="),
        ("user,id=a,smb=/tmp", "smb= is not supported"),
        ("user,id=a,restict=on", "did you mean 'restrict'"),
        ("socket,id=a,listen=:1,connect=h:1", "exactly one"),
        ("socket,id=a,mcast=10.0.0.1:1", "a group"),
        ("stream,id=a,addr.type=tcp", "inet or unix"),
        ("hubport,id=a", "'hubid='"),
    ] {
        let error = options::netdev(text).unwrap_err().0;
        assert!(error.contains(word), "{text}: {error}");
    }
    for (text, word) in [
        ("user,mac=52:54:00:12:34", "six bytes"),
        ("user,mac=53:54:00:12:34:56", "multicast"),
        ("user,modell=e1000", "did you mean 'model'"),
    ] {
        let error = options::nic(text, "n").unwrap_err().0;
        assert!(error.contains(word), "{text}: {error}");
    }
    assert_eq!(options::nic("none", "n").unwrap(), None);
    let nic = options::nic(
        "user,model=e1000,mac=52:54:00:12:34:56,hostfwd=tcp::0-:22",
        "n",
    );
    let nic = nic.unwrap().unwrap();
    assert_eq!(nic.model.as_deref(), Some("e1000"));
    assert_eq!(nic.mac, Some([0x52, 0x54, 0, 0x12, 0x34, 0x56]));
}
