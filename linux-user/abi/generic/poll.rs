//! poll.h, eventpoll.h and the sixth argument of pselect6.

use crate::abi::{Abi, Layout, Reader, ULong, Writer};
use crate::layout;

layout! {
    /// `struct pollfd`.
    pub struct Pollfd { fd: i32, events: i16, revents: i16 }

    /// The address and size of a signal set.
    pub struct SigsetArg { va: ULong, size: ULong }
}

/// `struct epoll_event`: packed in some ABIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpollEvent {
    /// Event bits.
    pub events: u32,
    /// The user's value.
    pub data: u64,
}

impl Layout for EpollEvent {
    fn align(abi: &Abi) -> usize {
        if abi.epoll_packed { 1 } else { abi.i64_align }
    }
    fn size(abi: &Abi) -> usize {
        if abi.epoll_packed {
            12
        } else {
            8 + abi.i64_align
        }
    }
    fn get(r: &mut Reader) -> Self {
        let events = r.uint(4) as u32;
        r.align(if r.abi().epoll_packed {
            1
        } else {
            r.abi().i64_align
        });
        EpollEvent {
            events,
            data: r.uint(8),
        }
    }
    fn put(&self, w: &mut Writer) {
        w.uint(4, self.events.into());
        w.align(if w.abi().epoll_packed {
            1
        } else {
            w.abi().i64_align
        });
        w.uint(8, self.data);
    }
    fn show(&self, out: &mut String) {
        out.push_str(&format!(
            "{{events={:#x}, data={:#x}}}",
            self.events, self.data
        ));
    }
}
