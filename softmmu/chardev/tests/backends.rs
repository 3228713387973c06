//! Every kind of character device from both ends, and the terminal after every way out.

use parking_lot::Mutex;
use softmmu_chardev::mux::Hooks;
use softmmu_chardev::{Chardevs, options};
use softmmu_core::chardev::{CharBackend, CharEvent, CharFrontend};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A device that takes `room` bytes and remembers everything.
struct Device {
    bytes: Mutex<Vec<u8>>,
    events: Mutex<Vec<CharEvent>>,
    room: AtomicUsize,
}

impl Device {
    fn at(backend: &Arc<dyn CharBackend>, room: usize) -> Arc<Device> {
        let device = Arc::new(Device {
            bytes: Mutex::default(),
            events: Mutex::default(),
            room: AtomicUsize::new(room),
        });
        backend.set_frontend(Some(device.clone()));
        device
    }

    #[track_caller]
    fn wait(&self, bytes: &[u8]) {
        until(
            || *self.bytes.lock() == bytes,
            || format!("{:?}", String::from_utf8_lossy(&self.bytes.lock())),
        );
    }

    #[track_caller]
    fn wait_event(&self, event: CharEvent) {
        until(
            || self.events.lock().contains(&event),
            || format!("{:?}", self.events.lock()),
        );
    }
}

impl CharFrontend for Device {
    fn room(&self) -> usize {
        self.room.load(Ordering::SeqCst)
    }

    fn receive(&self, bytes: &[u8]) {
        let left = self.room().checked_sub(bytes.len());
        self.room
            .store(left.expect("more than there is room for"), Ordering::SeqCst);
        self.bytes.lock().extend(bytes);
    }

    fn event(&self, event: CharEvent) {
        self.events.lock().push(event);
    }
}

#[track_caller]
fn until(done: impl Fn() -> bool, have: impl Fn() -> String) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "timed out with {}", have());
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("emu-chardev-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn read_n(mut from: impl Read, n: usize) -> Vec<u8> {
    let mut buf = vec![0; n];
    from.read_exact(&mut buf).unwrap();
    buf
}

fn short(text: &str) -> (Chardevs, Arc<dyn CharBackend>) {
    let all = Chardevs::default();
    let backend = all.short(text, "serial0").unwrap().unwrap();
    (all, backend)
}

#[test]
fn a_file_takes_output_and_gives_input() {
    let dir = folder("file");
    let (out, input) = (dir.join("out"), dir.join("in"));
    std::fs::write(&input, b"abcdef").unwrap();
    let all = Chardevs::default();
    let (o, i) = (out.display(), input.display());
    all.add(&format!(
        "file,id=f,path={o},input-path={i},logfile={o}.log"
    ))
    .unwrap();
    let backend = all.claim("f").unwrap();
    let device = Device::at(&backend, 4);
    device.wait(b"abcd");
    assert_eq!(backend.write(b"hello"), 5);
    assert_eq!(std::fs::read(&out).unwrap(), b"hello");
    assert_eq!(std::fs::read(dir.join("out.log")).unwrap(), b"hello");
    // What there was no room for comes when there is room.
    device.room.store(10, Ordering::SeqCst);
    backend.accept_input();
    device.wait(b"abcdef");
    assert_eq!(
        all.claim("f").err().map(|e| e.0.contains("in use")),
        Some(true)
    );
    let (_, backend) = short(&format!("file:{o},append=on"));
    backend.write(b"!");
    assert_eq!(std::fs::read(&out).unwrap(), b"hello!");
}

#[test]
fn named_pipes_carry_both_ways() {
    let dir = folder("pipe");
    for end in ["p.in", "p.out"] {
        nix::unistd::mkfifo(&dir.join(end), nix::sys::stat::Mode::S_IRWXU).unwrap();
    }
    let (_all, backend) = short(&format!("pipe:{}", dir.join("p").display()));
    let device = Device::at(&backend, 100);
    let mut to = std::fs::OpenOptions::new()
        .write(true)
        .open(dir.join("p.in"))
        .unwrap();
    to.write_all(b"in").unwrap();
    device.wait(b"in");
    backend.write(b"out");
    assert_eq!(
        read_n(std::fs::File::open(dir.join("p.out")).unwrap(), 3),
        b"out"
    );
}

#[test]
fn a_pty_can_be_opened_again_and_again() {
    let (all, backend) = short("pty");
    let device = Device::at(&backend, 100);
    let path = all.list()[0].1.strip_prefix("pty:").unwrap().to_owned();
    // Nobody is there: the guest must not wait.
    let start = Instant::now();
    assert_eq!(backend.write(&[b'x'; 100_000]), 100_000);
    assert!(start.elapsed() < Duration::from_secs(1));
    for _ in 0..2 {
        device.events.lock().clear();
        device.bytes.lock().clear();
        let mut tty = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        device.wait_event(CharEvent::Opened);
        tty.write_all(b"\x03key").unwrap();
        device.wait(b"\x03key");
        backend.write(b"a\nb");
        assert_eq!(read_n(&tty, 3), b"a\nb", "raw");
        drop(tty);
        device.wait_event(CharEvent::Closed);
    }
}

fn tcp_server(options: &str) -> (Chardevs, Arc<dyn CharBackend>, u16) {
    let all = Chardevs::default();
    all.add(&format!(
        "socket,id=s,host=127.0.0.1,port=0,server=on,wait=off{options}"
    ))
    .unwrap();
    let backend = all.claim("s").unwrap();
    let text = backend.describe();
    let port = text
        .split(':')
        .next_back()
        .and_then(|p| p.split(',').next());
    let port = port.unwrap().parse().unwrap();
    (all, backend, port)
}

#[test]
fn a_server_takes_one_client_after_the_other() {
    let (_all, backend, port) = tcp_server("");
    let device = Device::at(&backend, 1000);
    assert_eq!(backend.write(b"nobody"), 6);
    for _ in 0..3 {
        device.events.lock().clear();
        device.bytes.lock().clear();
        let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        device.wait_event(CharEvent::Opened);
        client.write_all(b"ping").unwrap();
        device.wait(b"ping");
        backend.write(b"pong");
        assert_eq!(read_n(&client, 4), b"pong");
        drop(client);
        device.wait_event(CharEvent::Closed);
    }
}

#[test]
fn a_client_that_reads_nothing_does_not_hold_the_guest_for_ever() {
    let (_all, backend, port) = tcp_server("");
    let device = Device::at(&backend, 1000);
    let _client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    device.wait_event(CharEvent::Opened);
    let much = vec![0; 64 << 20];
    let start = Instant::now();
    assert!(backend.write(&much) < much.len());
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn telnet_is_greeted_and_decoded() {
    let (_all, backend, port) = tcp_server(",telnet=on");
    let device = Device::at(&backend, 1000);
    let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert_eq!(
        read_n(&client, 12),
        [255, 251, 1, 255, 251, 3, 255, 251, 0, 255, 253, 0]
    );
    client
        .write_all(&[255, 253, 1, b'o', 255, 243, b'k'])
        .unwrap();
    device.wait(b"ok");
    device.wait_event(CharEvent::Break);
    backend.write(&[1, 255, 2]);
    assert_eq!(read_n(&client, 4), [1, 255, 255, 2]);
}

#[test]
fn a_unix_socket_replaces_a_stale_one_and_goes_away() {
    let path = folder("unix").join("s");
    drop(UnixListener::bind(&path).unwrap());
    let (all, backend) = short(&format!("unix:{},server,nowait", path.display()));
    let device = Device::at(&backend, 10);
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"x").unwrap();
    device.wait(b"x");
    drop((all, backend));
    until(|| !path.exists(), String::new);
    std::fs::write(&path, b"mine").unwrap();
    let error = Chardevs::default().short(&format!("unix:{},server=on", path.display()), "m");
    assert!(error.err().unwrap().0.contains("cannot listen"));
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
}

#[test]
fn a_client_connects_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let all = Chardevs::default();
    all.add(&format!(
        "socket,id=c,host=127.0.0.1,port={port},reconnect-ms=20"
    ))
    .unwrap();
    let backend = all.claim("c").unwrap();
    let device = Device::at(&backend, 100);
    drop(listener.accept().unwrap());
    let (mut second, _) = listener.accept().unwrap();
    second.write_all(b"again").unwrap();
    device.wait(b"again");
    drop((second, listener));
    let error = Chardevs::default().short(&format!("tcp:127.0.0.1:{port}"), "m");
    assert!(error.err().unwrap().0.contains("cannot connect"));
}

#[test]
fn a_ring_keeps_the_last_bytes() {
    let all = Chardevs::default();
    all.add("ringbuf,id=r,size=4").unwrap();
    all.claim("r").unwrap().write(b"abcdef");
    assert_eq!(all.ring_read("r", 3).unwrap(), b"cde");
    assert_eq!(all.ring_read("r", 3).unwrap(), b"f");
    assert!(all.ring_read("q", 1).is_err());
}

#[test]
fn the_escape_character_moves_the_keyboard() {
    let path = folder("mux").join("s");
    let all = Chardevs::default();
    let exits = Arc::new(AtomicUsize::new(0));
    let counter = exits.clone();
    all.set_hooks(Hooks {
        exit: Some(Arc::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        })),
        save_disks: None,
    });
    let text = format!("mon:unix:{},server=on,wait=off", path.display());
    let serial = all.short(&text, "serial0").unwrap().unwrap();
    let monitor = all.short("chardev:serial0", "mon0").unwrap().unwrap();
    let (first, second) = (Device::at(&serial, 3), Device::at(&monitor, 100));
    let mut user = UnixStream::connect(&path).unwrap();
    first.wait_event(CharEvent::Opened);
    second.wait_event(CharEvent::Opened);
    // The serial port is full; the escape is seen nevertheless.
    user.write_all(b"abcde\x01cinfo\x01\x01").unwrap();
    second.wait(b"info\x01");
    first.wait(b"abc");
    second.wait_event(CharEvent::FocusIn);
    first.wait_event(CharEvent::FocusOut);
    first.room.store(10, Ordering::SeqCst);
    serial.accept_input();
    first.wait(b"abcde");
    user.write_all(b"\x01b").unwrap();
    second.wait_event(CharEvent::Break);
    user.write_all(b"\x01t").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    serial.write(b"l1\nl2\n");
    let text = String::from_utf8(read_n(&user, 2 * (15 + 3))).unwrap();
    let lines: Vec<&str> = text.lines().map(|l| &l[15..]).collect();
    assert_eq!(lines, ["l1", "l2"], "{text}");
    user.write_all(b"\x01x").unwrap();
    until(|| exits.load(Ordering::SeqCst) == 1, String::new);
    assert_eq!(read_n(&user, 17), b"emu: terminated\r\n");
}

#[test]
fn mistakes_are_named() {
    for (text, word) in [
        ("sokket,id=a", "did you mean 'socket'"),
        ("socket,id=a", "'path=' or 'host='"),
        ("socket,id=a,path=/x,servr=on", "did you mean 'server'"),
        ("socket,id=a,host=h,port=99999", "port=99999"),
        ("socket,id=a,path=/x,server=on,reconnect=1", "reconnect="),
        ("socket,id=a,path=/x,wait=on", "server=on"),
        ("socket,id=a,path=/x,tls-creds=y", "not supported"),
        ("ringbuf,id=a,size=1000", "power of two"),
        ("file,id=a", "'path='"),
        ("null", "'id='"),
        ("stdio,id=a,signal=perhaps", "signal=perhaps"),
    ] {
        let error = options::chardev(text).unwrap_err().0;
        assert!(error.contains(word), "{text}: {error}");
    }
    for (text, word) in [
        ("stdoi", "did you mean 'stdio'"),
        ("tcp:4444", "host:port"),
        ("", "not a"),
    ] {
        let error = options::short(text, "x").unwrap_err().0;
        assert!(error.contains(word), "{text}: {error}");
    }
    assert_eq!(options::short("none", "x").unwrap(), None);
    let all = Chardevs::default();
    all.add("null,id=one").unwrap();
    assert!(all.add("null,id=one").unwrap_err().0.contains("already"));
    assert!(
        all.claim("onee")
            .err()
            .unwrap()
            .0
            .contains("did you mean 'one'")
    );
    assert!(all.remove("two").is_err() && all.remove("one").is_ok() && all.list().is_empty());
}

#[test]
fn short_forms_mean_what_qemu_means() {
    use options::{Address, Kind};
    let kind = |text: &str| options::short(text, "x").unwrap().unwrap();
    assert_eq!(kind("stdio").kind, Kind::Stdio { signal: true });
    let mon = kind("mon:stdio");
    assert!(mon.mux && mon.kind == Kind::Stdio { signal: false });
    let Kind::Socket(s) = kind("telnet:[::1]:4444,server,nowait").kind else {
        panic!("a socket");
    };
    assert!(s.telnet && s.server && !s.wait);
    let Address::Tcp {
        host,
        port: 4444,
        v4: true,
        v6: true,
    } = s.address
    else {
        panic!("{:?}", s.address);
    };
    assert_eq!(host, "::1");
    let Kind::Socket(s) = kind("tcp::5555,server=on").kind else {
        panic!("a socket");
    };
    assert!(s.wait && !s.telnet);
    let Kind::Udp { remote, local } = kind("udp::7000@:7001").kind else {
        panic!("udp");
    };
    assert_eq!(
        (remote, local),
        (("localhost".into(), 7000), (String::new(), 7001))
    );
}

/// Not a test by itself: what [`the_terminal_is_as_before_on_every_way_out`] runs on a terminal.
#[test]
fn child_on_a_terminal() {
    let Ok(way) = std::env::var("EMU_TEST_WAY_OUT") else {
        return;
    };
    let (_all, backend) = short("mon:stdio");
    backend.write(b"raw\n");
    let device = Device::at(&backend, 100);
    device.wait(b"x");
    match way.as_str() {
        "exit" => std::process::exit(3),
        "abort" => std::process::abort(),
        // A test must end even if nobody kills it.
        _ => std::thread::sleep(Duration::from_secs(60)),
    }
}

#[test]
fn the_terminal_is_as_before_on_every_way_out() {
    use nix::sys::signal::{Signal, kill};
    use nix::sys::termios::{LocalFlags, tcgetattr};
    for (way, signal) in [
        ("exit", None),
        ("abort", None),
        ("signal", Some(Signal::SIGTERM)),
        ("signal", Some(Signal::SIGSEGV)),
        ("signal", Some(Signal::SIGHUP)),
    ] {
        let pty = nix::pty::openpty(None, None).unwrap();
        let before = tcgetattr(&pty.slave).unwrap();
        // Whoever runs the tests may ignore hang-ups (nohup), which children inherit.
        let mut child = std::process::Command::new("env")
            .arg("--default-signal=HUP")
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "child_on_a_terminal", "--nocapture"])
            .env("EMU_TEST_WAY_OUT", way)
            .stdin(pty.slave.try_clone().unwrap())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let raw = || {
            !tcgetattr(&pty.slave)
                .unwrap()
                .local_flags
                .contains(LocalFlags::ICANON)
        };
        until(raw, || way.to_owned());
        nix::unistd::write(&pty.master, b"x").unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
        let end = Instant::now() + Duration::from_secs(20);
        let status = loop {
            // Again and again: the standard library lets the first SIGSEGV that is no fault pass.
            if let Some(signal) = signal {
                kill(pid, signal).unwrap();
            }
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "{way} {signal:?}: does not end");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(!status.success(), "{way} {signal:?}");
        let after = tcgetattr(&pty.slave).unwrap();
        assert_eq!(after.local_flags, before.local_flags, "{way} {signal:?}");
        assert_eq!(after.input_flags, before.input_flags, "{way} {signal:?}");
    }
}
