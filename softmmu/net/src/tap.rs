//! A network interface of the host (`-netdev tap`). Reference: the kernel's
//! Documentation/networking/tuntap.rst, linux/if_tun.h.

use crate::Error;
use crate::link::Link;
use crate::wire::later;
use nix::libc;
use nix::unistd;
use softmmu_core::net::{NetBackend, NetFrontend};
use softmmu_hostio::{Interest, Loop, Ready, Source};
use std::fs::OpenOptions;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;
use std::sync::Arc;

/// The kernel's `struct ifreq`, as this request uses it.
#[repr(C)]
struct Request {
    name: [u8; libc::IFNAMSIZ],
    flags: libc::c_short,
    rest: [u8; 22],
}

nix::ioctl_write_ptr_bad!(
    tun_set_iff,
    nix::request_code_write!(b'T', 202, size_of::<libc::c_int>()),
    Request
);

/// The interface.
pub struct Tap {
    link: Link,
    fd: Arc<OwnedFd>,
    name: String,
    down: Option<String>,
}

impl Tap {
    /// Opens interface `name` (the host chooses one if it is empty), and runs the script `up` with
    /// its name. `down` runs at the end.
    pub fn open(name: &str, up: Option<&str>, down: Option<String>) -> Result<Arc<Tap>, Error> {
        let failed = |what: &str, e: std::io::Error| Error(format!("tap: {what}: {e}"));
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/net/tun")
            .map_err(|e| failed("/dev/net/tun", e))?;
        let mut request = Request {
            name: [0; libc::IFNAMSIZ],
            flags: (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short,
            rest: [0; 22],
        };
        // The last byte stays zero.
        let room = request.name.len() - 1;
        let Some(place) = request
            .name
            .get_mut(..name.len())
            .filter(|p| p.len() <= room)
        else {
            return Err(Error(format!(
                "tap: ifname={name}: longer than {room} bytes"
            )));
        };
        place.copy_from_slice(name.as_bytes());
        // SAFETY: the request is as large as the kernel's structure and lives during the call; the
        // kernel writes the interface's name into it, terminated.
        unsafe { tun_set_iff(file.as_raw_fd(), &request) }
            .map_err(|e| failed(&format!("cannot use interface '{name}'"), e.into()))?;
        let end = request.name.iter().position(|b| *b == 0).unwrap_or(room);
        let name = String::from_utf8_lossy(request.name.get(..end).unwrap_or_default());
        let name = name.into_owned();
        if let Some(up) = up {
            script(up, &name).map_err(|e| failed(up, e))?;
        }
        Ok(Tap::start(file.into(), name, down))
    }

    fn start(fd: OwnedFd, name: String, down: Option<String>) -> Arc<Tap> {
        let this = Arc::new(Tap {
            link: Link::default(),
            fd: Arc::new(fd),
            name,
            down,
        });
        let source: Arc<dyn Source> = this.clone();
        Loop::shared().add(Arc::downgrade(&source));
        this
    }
}

fn script(path: &str, name: &str) -> std::io::Result<()> {
    let status = Command::new(path).arg(name).status()?;
    if status.success() {
        return Ok(());
    }
    Err(std::io::Error::other(format!(
        "the script failed: {status}"
    )))
}

impl Drop for Tap {
    fn drop(&mut self) {
        if let Some(down) = &self.down
            && let Err(e) = script(down, &self.name)
        {
            eprintln!("emu: tap: {down}: {e}");
        }
    }
}

impl NetBackend for Tap {
    fn send(&self, frame: &[u8]) {
        // What the host does not take is lost.
        let _ = unistd::write(&*self.fd, frame);
    }

    fn set_frontend(&self, frontend: Option<Arc<dyn NetFrontend>>) {
        self.link.set(frontend);
    }

    fn accept_input(&self) {
        self.link.accept();
    }

    fn describe(&self) -> String {
        format!("type=tap,ifname={}", self.name)
    }
}

impl Source for Tap {
    fn interests(&self, out: &mut Vec<Interest>) {
        self.link.deliver();
        if !self.link.is_full() {
            out.push(Interest {
                fd: Arc::clone(&self.fd),
                read: true,
                write: false,
                token: 0,
            });
        }
    }

    fn ready(&self, _token: u64, _ready: Ready) {
        let mut buf = vec![0; 65536];
        for _ in 0..64 {
            match unistd::read(&*self.fd, &mut buf) {
                Ok(n) => self.link.push(buf.get(..n).unwrap_or_default().to_vec()),
                Err(e) if later(e) => return,
                // The interface is gone or down: as a cable that is not plugged in.
                Err(_) => return std::thread::sleep(std::time::Duration::from_millis(1)),
            }
        }
    }
}
