//! siginfo.h: `struct sigevent`.

use crate::abi::{Abi, Layout, Reader, ULong, Writer};

/// `struct sigevent`, 64 bytes in every ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sigevent {
    /// The value for the handler, as the bytes of the guest's union.
    pub value: u64,
    /// Signal number.
    pub signo: i32,
    /// How to notify.
    pub notify: i32,
    /// Thread for SIGEV_THREAD_ID.
    pub tid: i32,
}

impl Sigevent {
    /// As the host's. The value is kept as a word: its lower half is the `int` in both readings.
    pub fn to_host(&self) -> libc::sigevent {
        let mut h: libc::sigevent = crate::sys::zeroed();
        h.sigev_value.sival_ptr = self.value as *mut libc::c_void;
        h.sigev_signo = self.signo;
        h.sigev_notify = self.notify;
        h.sigev_notify_thread_id = self.tid;
        h
    }
}

impl Layout for Sigevent {
    fn align(abi: &Abi) -> usize {
        abi.word
    }
    fn size(_: &Abi) -> usize {
        64
    }
    fn get(r: &mut Reader) -> Self {
        let value = ULong::get(r).0;
        let (signo, notify, tid) = (i32::get(r), i32::get(r), i32::get(r));
        Sigevent {
            value,
            signo,
            notify,
            tid,
        }
    }
    fn put(&self, w: &mut Writer) {
        ULong(self.value).put(w);
        [self.signo, self.notify, self.tid]
            .iter()
            .for_each(|v| v.put(w));
    }
    fn show(&self, out: &mut String) {
        out.push_str(&format!(
            "{{signo={}, notify={}, value={:#x}}}",
            self.signo, self.notify, self.value
        ));
    }
}
