//! Structures of ioctls: termbits.h, if.h, hdreg.h, loop.h, fs.h, vt.h.

use crate::abi::{Abi, Layout, Reader, ULong, Writer};
use crate::layout;

layout! {
    /// `struct termios2`.
    pub struct Termios2 {
        iflag: u32, oflag: u32, cflag: u32, lflag: u32, line: u8, cc: [u8; 19], ispeed: u32, ospeed: u32,
    }

    /// `struct termio`.
    pub struct Termio { iflag: u16, oflag: u16, cflag: u16, lflag: u16, line: u8, cc: [u8; 8] }

    /// `struct winsize`.
    pub struct Winsize { row: u16, col: u16, xpixel: u16, ypixel: u16 }

    /// `struct serial_struct`.
    pub struct Serial {
        kind: i32, line: i32, port: u32, irq: i32, flags: i32, xmit_fifo_size: i32, custom_divisor: i32,
        baud_base: i32, close_delay: u16, io_type: u8, reserved: u8, hub6: i32, closing_wait: u16, closing_wait2: u16,
        iomem_base: ULong, iomem_reg_shift: u16, port_high: u32, iomap_base: ULong,
    }

    /// `struct ifreq` with an `int`.
    pub struct IfreqInt { name: [u8; 16], value: i32, rest: IfreqRest<4> }

    /// `struct ifreq` with a `short`.
    pub struct IfreqShort { name: [u8; 16], value: i16, rest: IfreqRest<2> }

    /// `struct ifreq` with a `struct sockaddr` or a name.
    pub struct IfreqAddr { name: [u8; 16], family: u16, bytes: [u8; 14], rest: IfreqRest<16> }

    /// `struct hd_geometry`.
    pub struct HdGeometry { heads: u8, sectors: u8, cylinders: u16, start: ULong }

    /// `struct loop_info64`.
    pub struct LoopInfo64 {
        device: u64, inode: u64, rdevice: u64, offset: u64, sizelimit: u64, number: u32, encrypt_type: u32,
        encrypt_key_size: u32, flags: u32, file_name: [u8; 64], crypt_name: [u8; 64], encrypt_key: [u8; 32],
        init: [u64; 2],
    }

    /// `struct fsxattr`.
    pub struct FsXattr { xflags: u32, extsize: u32, nextents: u32, projid: u32, cowextsize: u32, pad: [u8; 8] }

    /// `struct file_clone_range`.
    pub struct CloneRange { fd: i64, offset: u64, length: u64, dest: u64 }

    /// `struct vt_mode`.
    pub struct VtMode { mode: u8, waitv: u8, relsig: i16, acqsig: i16, frsig: i16 }
}

/// The rest of `struct ifreq`'s union, whose size follows from `struct ifmap`, behind a member of `N` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IfreqRest<const N: usize>(pub [u8; 24]);

impl<const N: usize> Layout for IfreqRest<N> {
    fn align(abi: &Abi) -> usize {
        // The union holds pointers and longs, so the structure is aligned as they are; its members start at offset
        // 16, and this rest behind them is bytes.
        let _ = abi;
        1
    }
    fn size(abi: &Abi) -> usize {
        (if abi.is_64() { 24 } else { 16 }) - N
    }
    fn get(r: &mut Reader) -> Self {
        let size = Self::size(&r.abi());
        let mut rest = [0u8; 24];
        rest.iter_mut()
            .take(size)
            .for_each(|b| *b = r.uint(1) as u8);
        IfreqRest(rest)
    }
    fn put(&self, w: &mut Writer) {
        let size = Self::size(&w.abi());
        w.bytes(self.0.get(..size).unwrap_or_default());
    }
    fn show(&self, out: &mut String) {
        out.push_str("...");
    }
}
