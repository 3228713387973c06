//! Descriptors whose bytes are numbers (eventfd, timerfd, signalfd, inotify), for guests of the other byte order.

use super::args::Fd;
use super::payload::{QUADS, Shape};
use crate::abi::host;
use crate::errno::Errno;
use crate::sys::{addr_mut, call, zeroed};
use crate::task::Task;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use tcg_mem::GuestVa;

/// `struct signalfd_siginfo`.
const SIGNAL: Shape = Shape::Fixed(&[(4, 12), (8, 4), (2, 2), (4, 1), (8, 1), (4, 1), (1, 0)]);
const SIGNAL_BYTES: usize = 128;
/// ssi_int and ssi_ptr.
const INTEGER_AT: usize = 44;
const POINTER_AT: usize = 48;
/// `struct inotify_event` up to the name.
const WATCH: Shape = Shape::Fixed(&[(4, 4), (1, 0)]);
const WATCH_BYTES: usize = 16;

/// What a descriptor gives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Counters of 64 bits.
    Counter,
    /// Signals.
    Signals,
    /// File system events.
    Watches,
}

/// Whether such descriptors may be open. While none is, a read need not ask what it reads from, which is a system call more.
/// No lock: a fork by another thread would leave it held in the child.
#[derive(Default)]
pub struct Numbers(AtomicU8);

/// Nobody has asked yet.
const UNKNOWN: u8 = 0;
const NONE: u8 = 1;
const OPEN: u8 = 2;

impl Clone for Numbers {
    fn clone(&self) -> Numbers {
        Numbers(self.0.load(Ordering::Relaxed).into())
    }
}

impl Numbers {
    /// One is about to be made, or may come from another process.
    pub fn expect(&self) {
        self.0.store(OPEN, Ordering::Relaxed);
    }

    /// Whether one may be open: made since, or there at the first question.
    fn open(&self) -> bool {
        if self.0.load(Ordering::Relaxed) == UNKNOWN {
            let found = if inherited() { OPEN } else { NONE };
            // If another thread expects one meanwhile, that stays.
            let order = Ordering::Relaxed;
            let _ = self.0.compare_exchange(UNKNOWN, found, order, order);
        }
        self.0.load(Ordering::Relaxed) == OPEN
    }
}

/// Whether one of the descriptors that are open now is such a one, as far as can be seen.
fn inherited() -> bool {
    let Ok(all) = std::fs::read_dir("/proc/self/fd") else {
        return true;
    };
    let mut names = all
        .flatten()
        .filter_map(|e| std::fs::read_link(e.path()).ok());
    names.any(|n| by_name(&n).is_some())
}

fn by_name(name: &Path) -> Option<Kind> {
    match name.to_str()? {
        "anon_inode:[eventfd]" | "anon_inode:[timerfd]" => Some(Kind::Counter),
        "anon_inode:[signalfd]" => Some(Kind::Signals),
        "anon_inode:inotify" => Some(Kind::Watches),
        _ => None,
    }
}

/// The kind of a descriptor, if the guest's byte order is not the host's and it has one.
pub fn kind(t: &Task, fd: Fd) -> Option<Kind> {
    if t.abi.endian == host().endian || !t.process.numbers.open() {
        return None;
    }
    let mut st: libc::stat = zeroed();
    call(libc::SYS_fstat, [fd.0 as u64, addr_mut(&mut st)]).ok()?;
    // What is no file has no type.
    if st.st_mode & libc::S_IFMT != 0 {
        return None;
    }
    let name = std::fs::read_link(format!("/proc/self/fd/{}", fd.0)).ok()?;
    by_name(&name)
}

/// Turns what was read from such a descriptor round.
pub fn after_read(t: &Task, kind: Kind, va: GuestVa, count: u64) -> Result<(), Errno> {
    const MOST: u64 = 1 << 20;
    let raw = t.get_bytes(va, count.min(MOST), MOST)?;
    let recode = |shape: Shape, part: &[u8]| shape.recode(&host(), &t.abi, part);
    let out = match kind {
        Kind::Counter => recode(QUADS, &raw),
        Kind::Signals => raw
            .chunks(SIGNAL_BYTES)
            .flat_map(|c| {
                let mut one = recode(SIGNAL, c);
                if t.abi.is_64() && one.len() == SIGNAL_BYTES {
                    // The integer of a sigval lies in the upper half of its pointer.
                    one.copy_within(POINTER_AT..POINTER_AT + 4, INTEGER_AT);
                }
                one
            })
            .collect(),
        Kind::Watches => {
            let (mut out, mut rest) = (Vec::with_capacity(raw.len()), raw.as_slice());
            while let Some(len) = rest.get(12..WATCH_BYTES) {
                let name = u32::from_ne_bytes(len.try_into().unwrap_or([0; 4])) as usize;
                let whole = WATCH_BYTES.saturating_add(name).min(rest.len());
                let (event, behind) = rest.split_at(whole);
                out.extend(recode(WATCH, event));
                rest = behind;
            }
            out.extend_from_slice(rest);
            out
        }
    };
    t.put_bytes(va, &out)
}
