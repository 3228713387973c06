//! ipcbuf.h, msgbuf.h, sembuf.h, shmbuf.h, mqueue.h: System V IPC (the IPC_64 forms) and POSIX message queues.

use crate::abi::{Abi, Layout, Long, Reader, ULong, Writer};
use crate::layout;

/// A time: one word in 64-bit ABIs; lower and upper half in two words elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WideTime(pub i64);

impl Layout for WideTime {
    fn align(abi: &Abi) -> usize {
        abi.word
    }
    fn size(_: &Abi) -> usize {
        8
    }
    fn get(r: &mut Reader) -> Self {
        if r.abi().is_64() {
            return WideTime(Long::get(r).0);
        }
        let (low, high) = (ULong::get(r).0, ULong::get(r).0);
        WideTime((low | high << 32) as i64)
    }
    fn put(&self, w: &mut Writer) {
        if w.abi().is_64() {
            return Long(self.0).put(w);
        }
        ULong(self.0 as u64 & 0xffff_ffff).put(w);
        ULong(self.0 as u64 >> 32).put(w);
    }
    fn show(&self, out: &mut String) {
        out.push_str(&self.0.to_string());
    }
}

layout! {
    /// `struct ipc64_perm`.
    pub struct IpcPerm {
        key: i32, uid: u32, gid: u32, cuid: u32, cgid: u32, mode: u32, seq: u16, pad2: u16, unused: [ULong; 2],
    }

    /// `struct msqid64_ds`.
    pub struct MsqidDs {
        perm: IpcPerm, stime: WideTime, rtime: WideTime, ctime: WideTime, cbytes: ULong, qnum: ULong, qbytes: ULong,
        lspid: i32, lrpid: i32, unused: [ULong; 2],
    }

    /// `struct semid64_ds`.
    pub struct SemidDs { perm: IpcPerm, otime: WideTime, ctime: WideTime, nsems: ULong, unused: [ULong; 2] }

    /// `struct semid64_ds` of the x86-64 host, where a spare word follows each time.
    pub struct HostSemidDs {
        perm: IpcPerm, otime: i64, spare1: u64, ctime: i64, spare2: u64, nsems: u64, unused: [u64; 2],
    }

    /// `struct shmid64_ds`.
    pub struct ShmidDs {
        perm: IpcPerm, segsz: ULong, atime: WideTime, dtime: WideTime, ctime: WideTime, cpid: i32, lpid: i32,
        nattch: ULong, unused: [ULong; 2],
    }

    /// `struct msginfo`.
    pub struct Msginfo { numbers: [i32; 7], segments: u16 }

    /// `struct seminfo`.
    pub struct Seminfo { numbers: [i32; 10] }

    /// `struct shminfo64`.
    pub struct Shminfo { numbers: [ULong; 5], unused: [ULong; 4] }

    /// `struct shm_info`.
    pub struct ShmInfo { used: i32, numbers: [ULong; 5] }

    /// `struct sembuf`.
    pub struct Sembuf { num: u16, op: i16, flags: i16 }

    /// `struct mq_attr`.
    pub struct MqAttr { flags: Long, maxmsg: Long, msgsize: Long, curmsgs: Long, reserved: [Long; 4] }
}
