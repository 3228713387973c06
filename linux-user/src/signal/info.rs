//! siginfo: the host's and the guest's.

use crate::abi::Writer;

/// A signal's information, independent of layout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SigInfo {
    /// Signal number.
    pub signo: i32,
    /// si_errno.
    pub errno: i32,
    /// si_code.
    pub code: i32,
    /// si_addr of faults, si_band of SIGPOLL.
    pub addr: u64,
    /// si_pid, or the timer's id.
    pub pid: i32,
    /// si_uid, or the timer's overrun.
    pub uid: u32,
    /// si_status, or si_fd of SIGPOLL.
    pub status: i32,
    /// si_value (a guest word).
    pub value: u64,
    /// si_utime and si_stime.
    pub times: [i64; 2],
}

/// Size of the guest's and the host's structure.
pub const SIGINFO_SIZE: usize = 128;

const SI_QUEUE: i32 = -1;
const SI_TIMER: i32 = -2;
const SI_MESGQ: i32 = -3;

impl SigInfo {
    /// A fault's.
    pub fn fault(signo: i32, code: i32, addr: u64) -> SigInfo {
        SigInfo { signo, code, addr, ..SigInfo::default() }
    }

    /// From the host's structure as raw bytes (x86-64 layout).
    pub fn from_host(raw: &[u8; SIGINFO_SIZE]) -> SigInfo {
        let i32_at = |at: usize| i32::from_ne_bytes([raw[at], raw[at + 1], raw[at + 2], raw[at + 3]]);
        let u64_at = |at: usize| {
            let mut b = [0; 8];
            b.copy_from_slice(&raw[at..at + 8]);
            u64::from_ne_bytes(b)
        };
        let mut info = SigInfo { signo: i32_at(0), errno: i32_at(4), code: i32_at(8), ..SigInfo::default() };
        let sent = info.code <= 0;
        match info.signo {
            libc::SIGCHLD if !sent => {
                (info.pid, info.uid, info.status) = (i32_at(16), i32_at(20) as u32, i32_at(24));
                info.times = [u64_at(32) as i64, u64_at(40) as i64];
            }
            libc::SIGPOLL if !sent => (info.addr, info.status) = (u64_at(16), i32_at(24)),
            _ if !sent => info.addr = u64_at(16),
            _ => (info.pid, info.uid, info.value) = (i32_at(16), i32_at(20) as u32, u64_at(24)),
        }
        info
    }

    /// The guest's structure. [Linux include/uapi/asm-generic/siginfo.h]
    pub fn put(&self, w: &mut Writer) {
        let word = w.abi().word;
        w.uint(4, self.signo as u32 as u64);
        w.uint(4, self.errno as u32 as u64);
        w.uint(4, self.code as u32 as u64);
        w.align(word);
        let sent = self.code <= 0;
        match (self.signo, self.code) {
            (libc::SIGCHLD, _) if !sent => {
                w.uint(4, self.pid as u32 as u64);
                w.uint(4, u64::from(self.uid));
                w.uint(4, self.status as u32 as u64);
                w.align(word);
                w.uint(word, self.times[0] as u64);
                w.uint(word, self.times[1] as u64);
            }
            (libc::SIGPOLL, _) if !sent => {
                w.uint(word, self.addr);
                w.uint(4, self.status as u32 as u64);
            }
            _ if !sent => w.uint(word, self.addr),
            (_, code) => {
                w.uint(4, self.pid as u32 as u64);
                w.uint(4, u64::from(self.uid));
                if matches!(code, SI_QUEUE | SI_TIMER | SI_MESGQ) {
                    w.uint(word, self.value);
                }
            }
        }
        let done = w.done().len();
        w.bytes(&[0; SIGINFO_SIZE][done.min(SIGINFO_SIZE)..]);
    }

    /// The host's structure, for rt_sigqueueinfo: code, pid, uid and value.
    pub fn to_host(self) -> [u8; SIGINFO_SIZE] {
        let mut raw = [0; SIGINFO_SIZE];
        raw[0..4].copy_from_slice(&self.signo.to_ne_bytes());
        raw[4..8].copy_from_slice(&self.errno.to_ne_bytes());
        raw[8..12].copy_from_slice(&self.code.to_ne_bytes());
        raw[16..20].copy_from_slice(&self.pid.to_ne_bytes());
        raw[20..24].copy_from_slice(&self.uid.to_ne_bytes());
        raw[24..32].copy_from_slice(&self.value.to_ne_bytes());
        raw
    }
}
