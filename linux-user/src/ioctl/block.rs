//! Block devices: fs.h, hdreg.h, loop.h.

use super::{Convert, ioctls};
use crate::abi::ULong;
use crate::uapi::ioctl::{HdGeometry, LoopInfo64};

const INT: Convert = Convert::of::<i32>();
const LONG: Convert = Convert::of::<ULong>();
const RANGE: Convert = Convert::of::<[u64; 2]>();

ioctls! { BLOCK:
    Fixed(0x125d) BLKROSET: Write(INT);
    Fixed(0x125e) BLKROGET: Read(INT);
    Fixed(0x125f) BLKRRPART: Int;
    Fixed(0x1260) BLKGETSIZE: Read(LONG);
    Fixed(0x1261) BLKFLSBUF: Int;
    Fixed(0x1262) BLKRASET: Int;
    Fixed(0x1263) BLKRAGET: Read(LONG);
    Fixed(0x1264) BLKFRASET: Int;
    Fixed(0x1265) BLKFRAGET: Read(LONG);
    Fixed(0x1267) BLKSECTGET: Read(Convert::of::<u16>());
    Fixed(0x1268) BLKSSZGET: Read(INT);
    Long(0x8000_1270) BLKBSZGET: Read(INT);
    Long(0x4000_1271) BLKBSZSET: Write(INT);
    Long(0x8000_1272) BLKGETSIZE64: Read(Convert::of::<u64>());
    Fixed(0x1277) BLKDISCARD: Write(RANGE);
    Fixed(0x1278) BLKIOMIN: Read(INT);
    Fixed(0x1279) BLKIOOPT: Read(INT);
    Fixed(0x127a) BLKALIGNOFF: Read(INT);
    Fixed(0x127b) BLKPBSZGET: Read(INT);
    Fixed(0x127c) BLKDISCARDZEROES: Read(INT);
    Fixed(0x127d) BLKSECDISCARD: Write(RANGE);
    Fixed(0x127e) BLKROTATIONAL: Read(Convert::of::<u16>());
    Fixed(0x127f) BLKZEROOUT: Write(RANGE);
    Fixed(0x301) HDIO_GETGEO: Read(Convert::of::<HdGeometry>());
    Fixed(0x4c00) LOOP_SET_FD: Int;
    Fixed(0x4c01) LOOP_CLR_FD: Int;
    Fixed(0x4c04) LOOP_SET_STATUS64: Write(Convert::of::<LoopInfo64>());
    Fixed(0x4c05) LOOP_GET_STATUS64: Read(Convert::of::<LoopInfo64>());
    Fixed(0x4c06) LOOP_CHANGE_FD: Int;
    Fixed(0x4c07) LOOP_SET_CAPACITY: Int;
    Fixed(0x4c08) LOOP_SET_DIRECT_IO: Int;
    Fixed(0x4c09) LOOP_SET_BLOCK_SIZE: Int;
    Fixed(0x4c80) LOOP_CTL_ADD: Int;
    Fixed(0x4c81) LOOP_CTL_REMOVE: Int;
    Fixed(0x4c82) LOOP_CTL_GET_FREE: Int;
}
