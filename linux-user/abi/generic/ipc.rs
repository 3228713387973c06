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
        let (mut low, mut high) = (ULong::get(r).0, ULong::get(r).0);
        if r.abi().ipc_times_first {
            std::mem::swap(&mut low, &mut high);
        }
        WideTime((low | high << 32) as i64)
    }
    fn put(&self, w: &mut Writer) {
        if w.abi().is_64() {
            return Long(self.0).put(w);
        }
        let (low, high) = (self.0 as u64 & 0xffff_ffff, self.0 as u64 >> 32);
        let order = match w.abi().ipc_times_first {
            true => [high, low],
            false => [low, high],
        };
        order.map(ULong).put(w);
    }
    fn show(&self, out: &mut String) {
        out.push_str(&self.0.to_string());
    }
}

/// `struct ipc64_perm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct IpcPerm {
    pub key: i32,
    /// uid, gid, cuid, cgid.
    pub ids: [u32; 4],
    pub mode: u32,
    pub seq: u32,
}

impl Layout for IpcPerm {
    fn align(abi: &Abi) -> usize {
        if abi.ipc_times_first { 8 } else { abi.word }
    }
    fn size(abi: &Abi) -> usize {
        match (abi.ipc_times_first, abi.is_64()) {
            (true, _) | (_, true) => 48,
            (_, false) => 36,
        }
    }
    fn get(r: &mut Reader) -> Self {
        r.align(Self::align(&r.abi()));
        let (key, ids, mode) = (i32::get(r), Layout::get(r), u32::get(r));
        let seq = if r.abi().ipc_times_first {
            let seq = u32::get(r);
            let _ = (u32::get(r), <[u64; 2]>::get(r));
            seq
        } else {
            let seq = u32::from(u16::get(r));
            let _ = (u16::get(r), <[ULong; 2]>::get(r));
            seq
        };
        IpcPerm {
            key,
            ids,
            mode,
            seq,
        }
    }
    fn put(&self, w: &mut Writer) {
        w.align(Self::align(&w.abi()));
        self.key.put(w);
        self.ids.put(w);
        self.mode.put(w);
        if w.abi().ipc_times_first {
            [self.seq, 0].put(w);
            [0u64; 2].put(w);
        } else {
            [self.seq as u16, 0].put(w);
            [ULong(0); 2].put(w);
        }
    }
    fn show(&self, out: &mut String) {
        let (key, mode) = (self.key, self.mode);
        out.push_str(&format!("{{key={key:#x}, mode={mode:o}}}"));
    }
}

/// `struct shmid64_ds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ShmidDs {
    pub perm: IpcPerm,
    pub segsz: ULong,
    /// atime, dtime, ctime.
    pub times: [WideTime; 3],
    /// cpid, lpid.
    pub pids: [i32; 2],
    pub nattch: ULong,
}

impl Layout for ShmidDs {
    fn align(abi: &Abi) -> usize {
        IpcPerm::align(abi)
    }
    fn size(abi: &Abi) -> usize {
        // Without the spare word behind the times of 32-bit ABIs with times first.
        let spare = if abi.ipc_times_first && !abi.is_64() {
            abi.word
        } else {
            0
        };
        let bytes = IpcPerm::size(abi) + spare + 3 * 8 + 2 * 4 + 4 * abi.word;
        bytes.next_multiple_of(Self::align(abi))
    }
    fn get(r: &mut Reader) -> Self {
        let perm = IpcPerm::get(r);
        let (segsz, times) = if r.abi().ipc_times_first {
            let times = Layout::get(r);
            if !r.abi().is_64() {
                let _ = ULong::get(r);
            }
            (ULong::get(r), times)
        } else {
            (ULong::get(r), Layout::get(r))
        };
        let (pids, nattch, _) = (Layout::get(r), ULong::get(r), <[ULong; 2]>::get(r));
        r.align(Self::align(&r.abi()));
        ShmidDs {
            perm,
            segsz,
            times,
            pids,
            nattch,
        }
    }
    fn put(&self, w: &mut Writer) {
        self.perm.put(w);
        if w.abi().ipc_times_first {
            self.times.put(w);
            if !w.abi().is_64() {
                ULong(0).put(w);
            }
            self.segsz.put(w);
        } else {
            self.segsz.put(w);
            self.times.put(w);
        }
        self.pids.put(w);
        self.nattch.put(w);
        [ULong(0); 2].put(w);
        w.align(Self::align(&w.abi()));
    }
    fn show(&self, out: &mut String) {
        self.perm.show(out);
        out.push_str(&format!(" segsz={}", self.segsz.0));
    }
}

layout! {
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
