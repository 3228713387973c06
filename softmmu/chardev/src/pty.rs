//! A pseudo terminal that somebody may open. Reference: pty(7).

use crate::descriptor::{CHUNK, write_out};
use crate::slot::Slot;
use nix::errno::Errno;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd;
use parking_lot::Mutex;
use softmmu_core::chardev::{CharBackend, CharFrontend};
use softmmu_hostio::{Interest, Loop, Ready, Source, hung_up};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often to look whether somebody has opened the other end: the host does not tell.
const LOOK: Duration = Duration::from_millis(200);

struct State {
    connected: bool,
    look_at: Instant,
}

/// The controlling side.
pub struct Pty {
    slot: Slot,
    fd: Arc<OwnedFd>,
    state: Mutex<State>,
    /// `/dev/pts/N`.
    pub path: String,
}

impl Pty {
    /// A new pair; the path of the side for others is in the result.
    pub fn open() -> io::Result<Arc<Pty>> {
        let pair = nix::pty::openpty(None, None)?;
        let mut settings = tcgetattr(&pair.slave)?;
        cfmakeraw(&mut settings);
        tcsetattr(&pair.slave, SetArg::TCSANOW, &settings)?;
        let path = unistd::ttyname(&pair.slave)?;
        let this = Arc::new(Pty {
            slot: Slot::default(),
            fd: Arc::new(pair.master),
            state: Mutex::new(State {
                connected: false,
                look_at: Instant::now() + LOOK,
            }),
            path: path.to_string_lossy().into_owned(),
        });
        let source: Arc<dyn Source> = this.clone();
        Loop::shared().add(Arc::downgrade(&source));
        Ok(this)
    }

    fn look(&self) -> bool {
        let connected = !hung_up(&*self.fd);
        let mut state = self.state.lock();
        state.connected = connected;
        state.look_at = Instant::now() + LOOK;
        connected
    }
}

impl CharBackend for Pty {
    fn write(&self, bytes: &[u8]) -> usize {
        // Nobody would read it, and the buffer would fill up.
        if !self.look() {
            return bytes.len();
        }
        write_out(&self.fd, bytes)
    }

    fn set_frontend(&self, frontend: Option<Arc<dyn CharFrontend>>) {
        self.slot.set(frontend);
    }

    fn accept_input(&self) {
        self.slot.accept();
    }

    fn describe(&self) -> String {
        format!("pty:{}", self.path)
    }
}

impl Source for Pty {
    fn interests(&self, out: &mut Vec<Interest>) {
        let connected = self.state.lock().connected;
        self.slot.announce(connected);
        if connected && self.slot.room() > 0 {
            out.push(Interest {
                fd: Arc::clone(&self.fd),
                read: true,
                write: false,
                token: 0,
            });
        }
    }

    fn ready(&self, _token: u64, ready: Ready) {
        let mut buf = [0; CHUNK];
        let room = self.slot.room().min(CHUNK);
        let buf = buf.get_mut(..room).unwrap_or_default();
        if ready.read && !buf.is_empty() {
            match unistd::read(&*self.fd, buf) {
                Ok(n) => self.slot.receive(buf.get(..n).unwrap_or_default()),
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(_) => self.state.lock().connected = false,
            }
        } else if ready.hung_up {
            self.state.lock().connected = false;
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let state = self.state.lock();
        (!state.connected).then_some(state.look_at)
    }

    fn timeout(&self) {
        self.look();
    }
}
