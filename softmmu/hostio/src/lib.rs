//! One thread that waits for the host's descriptors and for points in time, on behalf of all back
//! ends of a machine.
//!
//! A [`Source`] says before each wait what it waits for, and is told what came. It is held weakly:
//! a back end that is dropped is forgotten. Reference: poll(2), eventfd(2).
#![forbid(unsafe_code)]

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use parking_lot::Mutex;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

/// A descriptor that somebody waits for.
pub struct Interest {
    /// Stays open while it is waited for.
    pub fd: Arc<OwnedFd>,
    /// Until it can be read (or its other end is gone).
    pub read: bool,
    /// Until it can be written.
    pub write: bool,
    /// The source's own name for it.
    pub token: u64,
}

/// What came of an [`Interest`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// Reading does not wait.
    pub read: bool,
    /// Writing does not wait.
    pub write: bool,
    /// The other end is gone, or the descriptor is in error.
    pub hung_up: bool,
}

/// Something that waits. All calls come on the loop's thread; none may wait for long.
pub trait Source: Send + Sync {
    /// Adds what it waits for now. Called before each wait.
    fn interests(&self, out: &mut Vec<Interest>);

    /// One of its descriptors is ready.
    fn ready(&self, token: u64, ready: Ready);

    /// When it wants to be called at the latest.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// The deadline has passed.
    fn timeout(&self) {}
}

/// A waiting thread.
pub struct Loop {
    sources: Mutex<Vec<Weak<dyn Source>>>,
    wake: EventFd,
}

impl Loop {
    /// The one that all back ends of the process share; starts with its first use.
    ///
    /// # Panics
    /// If the host gives no descriptor or no thread.
    pub fn shared() -> &'static Arc<Loop> {
        static SHARED: OnceLock<Arc<Loop>> = OnceLock::new();
        SHARED.get_or_init(|| Loop::start("host-io"))
    }

    /// Starts one that runs until the process ends.
    ///
    /// # Panics
    /// If the host gives no descriptor or no thread.
    pub fn start(name: &str) -> Arc<Loop> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let wake = EventFd::from_value_and_flags(0, flags).expect("an event descriptor");
        let this = Arc::new(Loop {
            sources: Mutex::default(),
            wake,
        });
        let runner = Arc::clone(&this);
        let thread = std::thread::Builder::new().name(name.to_owned());
        thread
            .spawn(move || runner.run())
            .expect("a thread for input and output");
        this
    }

    /// Waits on behalf of `source` while it lives.
    pub fn add(&self, source: Weak<dyn Source>) {
        self.sources.lock().push(source);
        self.wake();
    }

    /// Asks all sources again what they wait for.
    pub fn wake(&self) {
        // A full counter wakes as well.
        let _ = self.wake.write(1);
    }

    fn live(&self) -> Vec<Arc<dyn Source>> {
        let mut sources = self.sources.lock();
        sources.retain(|s| s.strong_count() > 0);
        sources.iter().filter_map(Weak::upgrade).collect()
    }

    fn run(&self) -> ! {
        loop {
            self.round();
        }
    }

    fn round(&self) {
        let sources = self.live();
        let mut interests = Vec::new();
        let mut owners = Vec::new();
        let mut deadline: Option<Instant> = None;
        for source in &sources {
            source.interests(&mut interests);
            owners.resize(interests.len(), source);
            let own = source.deadline();
            deadline = deadline.into_iter().chain(own).min();
        }
        let mut polled = vec![PollFd::new(self.wake.as_fd(), PollFlags::POLLIN)];
        polled.extend(interests.iter().map(|i| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::POLLIN, i.read);
            flags.set(PollFlags::POLLOUT, i.write);
            PollFd::new(i.fd.as_fd(), flags)
        }));
        // An interrupted wait is a round in which nothing came.
        let _ = poll(&mut polled, timeout(deadline));
        let came: Vec<Ready> = polled.iter().map(ready_of).collect();
        if came.first().is_some_and(|r| r.read) {
            let _ = self.wake.read();
        }
        for ((interest, owner), ready) in interests.iter().zip(owners).zip(came.iter().skip(1)) {
            if *ready != Ready::default() {
                owner.ready(interest.token, *ready);
            }
        }
        let now = Instant::now();
        for source in &sources {
            if source.deadline().is_some_and(|d| d <= now) {
                source.timeout();
            }
        }
    }
}

fn ready_of(fd: &PollFd<'_>) -> Ready {
    let flags = fd.revents().unwrap_or(PollFlags::empty());
    Ready {
        read: flags.contains(PollFlags::POLLIN),
        write: flags.contains(PollFlags::POLLOUT),
        hung_up: flags.intersects(PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL),
    }
}

fn timeout(deadline: Option<Instant>) -> PollTimeout {
    let Some(deadline) = deadline else {
        return PollTimeout::NONE;
    };
    let left = deadline.saturating_duration_since(Instant::now());
    // Rounded up: a wait that ends too early would only be repeated.
    let left = left + Duration::from_micros(999);
    let left = left.min(Duration::from_secs(3600));
    PollTimeout::try_from(left).unwrap_or(PollTimeout::NONE)
}

/// Waits until `fd` takes bytes, for at most `limit`.
pub fn wait_writable(fd: impl AsFd, limit: Duration) -> bool {
    wait(fd, PollFlags::POLLOUT, limit)
}

/// Waits until `fd` has bytes or its other end is gone, for at most `limit`.
pub fn wait_readable(fd: impl AsFd, limit: Duration) -> bool {
    wait(fd, PollFlags::POLLIN, limit)
}

fn wait(fd: impl AsFd, flags: PollFlags, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    loop {
        let mut polled = [PollFd::new(fd.as_fd(), flags)];
        match poll(&mut polled, timeout(Some(end))) {
            Ok(n) => return n > 0,
            Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
}

/// Whether the other end of `fd` is gone, without waiting.
pub fn hung_up(fd: impl AsFd) -> bool {
    let mut polled = [PollFd::new(fd.as_fd(), PollFlags::empty())];
    let _ = poll(&mut polled, PollTimeout::ZERO);
    polled.iter().any(|p| ready_of(p).hung_up)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;

    struct Probe {
        fd: Arc<OwnedFd>,
        came: Mutex<mpsc::Sender<Ready>>,
        at: Mutex<Option<Instant>>,
    }

    impl Source for Probe {
        fn interests(&self, out: &mut Vec<Interest>) {
            out.push(Interest {
                fd: Arc::clone(&self.fd),
                read: true,
                write: false,
                token: 1,
            });
        }

        fn ready(&self, token: u64, ready: Ready) {
            assert_eq!(token, 1);
            let mut buf = [0; 16];
            let _ = nix::unistd::read(&*self.fd, &mut buf);
            let _ = self.came.lock().send(ready);
        }

        fn deadline(&self) -> Option<Instant> {
            *self.at.lock()
        }

        fn timeout(&self) {
            *self.at.lock() = None;
            let _ = self.came.lock().send(Ready::default());
        }
    }

    #[test]
    fn bytes_deadlines_and_hang_ups_arrive() {
        let long = Duration::from_secs(10);
        let (mut other, own) = UnixStream::pair().unwrap();
        let (sender, receiver) = mpsc::channel();
        let probe = Arc::new(Probe {
            fd: Arc::new(own.into()),
            came: Mutex::new(sender),
            at: Mutex::new(None),
        });
        let source: Arc<dyn Source> = probe.clone();
        let this = Loop::start("test");
        this.add(Arc::downgrade(&source));
        other.write_all(b"x").unwrap();
        let came = receiver.recv_timeout(long).unwrap();
        assert!(came.read && !came.hung_up);
        *probe.at.lock() = Some(Instant::now() + Duration::from_millis(20));
        this.wake();
        assert_eq!(receiver.recv_timeout(long).unwrap(), Ready::default());
        drop(other);
        assert!(receiver.recv_timeout(long).unwrap().hung_up);
    }

    #[test]
    fn waits_end() {
        let (mut other, own) = UnixStream::pair().unwrap();
        let short = Duration::from_millis(10);
        assert!(!wait_readable(&own, short));
        assert!(wait_writable(&own, short));
        assert!(!hung_up(&own));
        other.write_all(b"x").unwrap();
        assert!(wait_readable(&own, short));
        drop(other);
        assert!(hung_up(&own));
    }
}
