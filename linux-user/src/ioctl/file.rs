//! Files, file systems, namespaces, random numbers, real-time clocks: fs.h, nsfs.h, random.h, rtc.h, perf_event.h.

use super::{Convert, ioctls};
use crate::uapi::ioctl::{CloneRange, FsXattr};

const INT: Convert = Convert::of::<i32>();

ioctls! { FILE:
    Fixed(0x5460) FIOQSIZE: Read(Convert::of::<i64>());
    Fixed(1) FIBMAP: ReadWrite(INT);
    Fixed(2) FIGETBSZ: Read(INT);
    Fixed(0xc004_5877) FIFREEZE: ReadWrite(INT);
    Fixed(0xc004_5878) FITHAW: ReadWrite(INT);
    Fixed(0xc018_5879) FITRIM: ReadWrite(Convert::of::<[u64; 3]>());
    Fixed(0x4004_9409) FICLONE: Int;
    Fixed(0x4020_940d) FICLONERANGE: Write(Convert::of::<CloneRange>());
    Fixed(0xc018_9436) FIDEDUPERANGE: Raw;
    Fixed(0xc020_660b) FS_IOC_FIEMAP: Raw;
    // The kernel declares a long but carries an int.
    Long(0x8000_6601) FS_IOC_GETFLAGS: Read(INT);
    Long(0x4000_6602) FS_IOC_SETFLAGS: Write(INT);
    Long(0x8000_7601) FS_IOC_GETVERSION: Read(INT);
    Long(0x4000_7602) FS_IOC_SETVERSION: Write(INT);
    Fixed(0x801c_581f) FS_IOC_FSGETXATTR: Read(Convert::of::<FsXattr>());
    Fixed(0x401c_5820) FS_IOC_FSSETXATTR: Write(Convert::of::<FsXattr>());
    Fixed(0x8100_9431) FS_IOC_GETFSLABEL: Read(Convert::of::<[u8; 256]>());
    Fixed(0x4100_9432) FS_IOC_SETFSLABEL: Write(Convert::of::<[u8; 256]>());
    Fixed(0xb701) NS_GET_USERNS: Int;
    Fixed(0xb702) NS_GET_PARENT: Int;
    Fixed(0xb703) NS_GET_NSTYPE: Int;
    Fixed(0xb704) NS_GET_OWNER_UID: Read(Convert::of::<u32>());
    Fixed(0x8004_5200) RNDGETENTCNT: Read(INT);
    Fixed(0x4004_5201) RNDADDTOENTCNT: Write(INT);
    Fixed(0x4008_5203) RNDADDENTROPY: Raw;
    Fixed(0x5204) RNDZAPENTCNT: Int;
    Fixed(0x5206) RNDCLEARPOOL: Int;
    Fixed(0x5207) RNDRESEEDCRNG: Int;
    Fixed(0x8024_7009) RTC_RD_TIME: Read(Convert::of::<[i32; 9]>());
    Fixed(0x4024_700a) RTC_SET_TIME: Write(Convert::of::<[i32; 9]>());
    Fixed(0x2400) PERF_EVENT_IOC_ENABLE: Int;
    Fixed(0x2401) PERF_EVENT_IOC_DISABLE: Int;
    Fixed(0x2402) PERF_EVENT_IOC_REFRESH: Int;
    Fixed(0x2403) PERF_EVENT_IOC_RESET: Int;
}
