//! Descriptors of the emulator's own: high numbers, which the guest neither gets nor may close.

use super::{RLIMIT_NOFILE, call, soft_limit};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

/// How many there can be besides that of the executable.
const PLACES: usize = 32;

static HIDDEN: [AtomicI32; PLACES] = [const { AtomicI32::new(-1) }; PLACES];
/// Those of them that a forked child closes.
static SOCKETS: [AtomicI32; PLACES] = [const { AtomicI32::new(-1) }; PLACES];

/// Moves a descriptor to a high number (closed on exec); gives the new one, or the old one if there is no room.
pub fn out_of_the_way(fd: i32) -> i32 {
    // The guest expects the lowest free number.
    let limit = soft_limit(RLIMIT_NOFILE).unwrap_or(0);
    let high = limit.clamp(64, 1 << 20) - 2 * PLACES as u64;
    let args = [fd as u64, libc::F_DUPFD_CLOEXEC as u64, high];
    match call(libc::SYS_fcntl, args) {
        Ok(moved) => {
            let _ = call(libc::SYS_close, [fd as u64]);
            moved as i32
        }
        Err(_) => fd,
    }
}

/// As [`out_of_the_way`], but the next program gets it.
pub fn inheritable(fd: i32) -> i32 {
    let fd = out_of_the_way(fd);
    let _ = call(libc::SYS_fcntl, [fd as u64, libc::F_SETFD as u64, 0]);
    fd
}

fn is_open(fd: i32) -> bool {
    fd >= 0 && call(libc::SYS_fcntl, [fd as u64, libc::F_GETFD as u64]).is_ok()
}

fn remember(list: &[AtomicI32; PLACES], fd: i32) {
    let known = list.iter().any(|p| p.load(Ordering::Relaxed) == fd);
    // Numbers of descriptors that were closed meanwhile are free places.
    let place = list.iter().find(|p| !is_open(p.load(Ordering::Relaxed)));
    if let Some(place) = place.filter(|_| !known) {
        place.store(fd, Ordering::Relaxed);
    }
}

/// Hides a descriptor from the guest.
pub fn hide(fd: OwnedFd) -> OwnedFd {
    let fd = out_of_the_way(fd.into_raw_fd());
    remember(&HIDDEN, fd);
    // SAFETY: the number is open and belongs to nobody else: it was taken out of the argument.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// As [`hide`], for one that a forked child must not keep.
pub fn hide_socket(fd: OwnedFd) -> OwnedFd {
    let fd = hide(fd);
    remember(&SOCKETS, std::os::fd::AsRawFd::as_raw_fd(&fd));
    fd
}

/// The descriptors that are hidden.
pub fn hidden() -> impl Iterator<Item = i32> {
    let numbers = HIDDEN.iter().map(|p| p.load(Ordering::Relaxed));
    numbers.filter(|fd| *fd >= 0)
}

/// In the child of a fork, whose owners of these do not exist.
pub fn close_hidden_sockets() {
    for place in &SOCKETS {
        let fd = place.swap(-1, Ordering::Relaxed);
        if fd >= 0 {
            let _ = call(libc::SYS_close, [fd as u64]);
        }
    }
}
