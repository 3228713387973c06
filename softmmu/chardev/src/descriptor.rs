//! Back ends that are plain descriptors: standard input and output, files, named pipes, a host's
//! serial line, UDP sockets.

use crate::slot::Slot;
use nix::errno::Errno;
use nix::unistd;
use parking_lot::Mutex;
use softmmu_core::chardev::{CharBackend, CharFrontend, LineParams};
use softmmu_hostio::{Interest, Loop, Ready, Source, wait_writable};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// How long a write waits for a slow reader.
pub const PATIENCE: Duration = Duration::from_millis(200);

/// Bytes that are written or read at once. A descriptor that is ready for writing takes as many
/// without blocking (a pipe: PIPE_BUF).
pub const CHUNK: usize = 1024;

/// Descriptors for both directions, or one of them.
pub struct Descriptor {
    slot: Slot,
    input: Mutex<Option<Arc<OwnedFd>>>,
    output: Option<Arc<OwnedFd>>,
    /// One writer at a time, so that lines do not mix.
    writing: Mutex<()>,
    set_params: Option<fn(&OwnedFd, LineParams)>,
    describe: String,
    _guard: Option<crate::terminal::Raw>,
}

impl Descriptor {
    /// A back end that reads `input` and writes `output`.
    pub fn new(
        input: Option<Arc<OwnedFd>>,
        output: Option<Arc<OwnedFd>>,
        describe: String,
    ) -> Descriptor {
        Descriptor {
            slot: Slot::default(),
            input: Mutex::new(input),
            output,
            writing: Mutex::new(()),
            set_params: None,
            describe,
            _guard: None,
        }
    }

    /// Keeps the terminal raw while the back end lives.
    pub fn guarded(mut self, guard: Option<crate::terminal::Raw>) -> Descriptor {
        self._guard = guard;
        self
    }

    /// What to do when the guest sets up its line.
    pub fn with_params(mut self, set: fn(&OwnedFd, LineParams)) -> Descriptor {
        self.set_params = Some(set);
        self
    }

    /// Begins to wait for input.
    pub fn start(self) -> Arc<Descriptor> {
        let this = Arc::new(self);
        let source: Arc<dyn Source> = this.clone();
        Loop::shared().add(Arc::downgrade(&source));
        this
    }
}

/// Writes to a descriptor, waiting for a moment if need be. Returns how many bytes were taken; if
/// nobody can take any more, all were.
pub fn write_out(fd: &OwnedFd, bytes: &[u8]) -> usize {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|r| !r.is_empty()) {
        if !wait_writable(fd, PATIENCE) {
            return done;
        }
        let chunk = rest.get(..CHUNK).unwrap_or(rest);
        match unistd::write(fd, chunk) {
            Ok(n) => done += n,
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(_) => return bytes.len(),
        }
    }
    done
}

impl CharBackend for Descriptor {
    fn write(&self, bytes: &[u8]) -> usize {
        let Some(output) = &self.output else {
            return bytes.len();
        };
        let _one = self.writing.lock();
        write_out(output, bytes)
    }

    fn set_frontend(&self, frontend: Option<Arc<dyn CharFrontend>>) {
        self.slot.set(frontend);
    }

    fn accept_input(&self) {
        self.slot.accept();
    }

    fn send_break(&self) {
        if let (Some(output), Some(_)) = (&self.output, self.set_params) {
            // Not a terminal any more: nothing to be done.
            let _ = nix::sys::termios::tcsendbreak(output, 1);
        }
    }

    fn set_params(&self, params: LineParams) {
        if let (Some(output), Some(set)) = (&self.output, self.set_params) {
            set(output, params);
        }
    }

    fn describe(&self) -> String {
        self.describe.clone()
    }
}

impl Source for Descriptor {
    fn interests(&self, out: &mut Vec<Interest>) {
        let input = self.input.lock().clone();
        self.slot.announce(input.is_some() || self.output.is_some());
        let Some(fd) = input.filter(|_| self.slot.room() > 0) else {
            return;
        };
        out.push(Interest {
            fd,
            read: true,
            write: false,
            token: 0,
        });
    }

    fn ready(&self, _token: u64, _ready: Ready) {
        let Some(fd) = self.input.lock().clone() else {
            return;
        };
        let mut buf = [0; CHUNK];
        let room = self.slot.room().min(CHUNK);
        let Some(buf) = buf.get_mut(..room).filter(|b| !b.is_empty()) else {
            return;
        };
        match unistd::read(&*fd, buf) {
            Ok(0) => *self.input.lock() = None,
            Ok(n) => self.slot.receive(buf.get(..n).unwrap_or_default()),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            // A UDP peer that is not there yet.
            Err(Errno::ECONNREFUSED) => {}
            Err(_) => *self.input.lock() = None,
        }
    }
}
