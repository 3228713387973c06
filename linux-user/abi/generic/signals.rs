//! signal.h: sigaction, signal sets, the alternate stack.
//! [Linux include/uapi/asm-generic/signal.h, include/linux/compat.h]

use crate::abi::{Abi, Layout, Reader, ULong, Writer};
use crate::layout;
use crate::signal::{get_mask, put_mask};

layout! {
    /// `stack_t`.
    pub struct StackT { sp: ULong, flags: i32, size: ULong }

    /// `struct old_sigaction`: a mask of one word.
    pub struct OldSigaction { handler: ULong, mask: ULong, flags: ULong, restorer: ULong }
}

/// `struct sigaction` of rt_sigaction: some ABIs have no sa_restorer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Sigaction {
    pub handler: ULong,
    pub flags: ULong,
    pub restorer: ULong,
    pub mask: Sigset,
}

impl Layout for Sigaction {
    fn align(abi: &Abi) -> usize {
        abi.word
    }
    fn size(abi: &Abi) -> usize {
        let words = if abi.sa_restorer { 3 } else { 2 };
        words * abi.word + Sigset::size(abi)
    }
    fn get(r: &mut Reader) -> Self {
        let (handler, flags) = (ULong::get(r), ULong::get(r));
        let restorer = match r.abi().sa_restorer {
            true => ULong::get(r),
            false => ULong(0),
        };
        Sigaction {
            handler,
            flags,
            restorer,
            mask: Sigset::get(r),
        }
    }
    fn put(&self, w: &mut Writer) {
        self.handler.put(w);
        self.flags.put(w);
        if w.abi().sa_restorer {
            self.restorer.put(w);
        }
        self.mask.put(w);
    }
    fn show(&self, out: &mut String) {
        let (handler, flags) = (self.handler.0, self.flags.0);
        out.push_str(&format!("{{handler={handler:#x}, flags={flags:#x}, mask="));
        self.mask.show(out);
        out.push('}');
    }
}

/// `sigset_t` of 64 signals: words in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sigset(pub u64);

impl Layout for Sigset {
    fn align(abi: &Abi) -> usize {
        abi.word
    }
    fn size(_: &Abi) -> usize {
        8
    }
    fn get(r: &mut Reader) -> Self {
        Sigset(get_mask(r))
    }
    fn put(&self, w: &mut Writer) {
        put_mask(w, self.0);
    }
    fn show(&self, out: &mut String) {
        // As strace: the complement, if that is shorter.
        let (sign, set) = if self.0.count_ones() > 32 {
            ("~", !self.0)
        } else {
            ("", self.0)
        };
        out.push_str(sign);
        out.push('[');
        let mut gap = "";
        for sig in (1..=64).filter(|s| set & 1 << (s - 1) != 0) {
            out.push_str(gap);
            out.push_str(&crate::signal::short_name(sig));
            gap = " ";
        }
        out.push(']');
    }
}

/// A set of one word, of the calls older than rt_.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OldSigset(pub u64);

impl Layout for OldSigset {
    fn align(abi: &Abi) -> usize {
        abi.word
    }
    fn size(abi: &Abi) -> usize {
        abi.word
    }
    fn get(r: &mut Reader) -> Self {
        OldSigset(ULong::get(r).0)
    }
    fn put(&self, w: &mut Writer) {
        ULong(self.0).put(w);
    }
    fn show(&self, out: &mut String) {
        Sigset(self.0).show(out);
    }
}
