//! The page in place of the kernel's vDSO: the code that a signal handler returns to. Unwinders know a signal frame
//! by these instructions. (Linux arch/powerpc/kernel/vdso/sigtramp{32,64}.S)

use crate::abi::{Abi, Endian};
use crate::errno::Errno;
use crate::task::Task;
use tcg_mem::GuestVa;

/// Where the page lies: above all that programs map.
pub const fn address(wide: bool) -> u64 {
    if wide { 1 << 45 } else { 0xffff_0000 }
}

const LI_R0: u32 = 0x3800_0000;
const SC: u32 = 0x4400_0002;
/// `addi r1,r1,128`: drops the dummy frame.
const DROP_FRAME: u32 = 0x3821_0080;
const SIGRETURN: u32 = 119;
const RT_SIGRETURN: u32 = 172;

/// Behind the 64-bit code: where frames of the oldest kernels had a pointer, this number tells unwinders that there is none.
const UNWIND_MARK: u64 = (-21i64 * 8) as u64;
const UNWIND_MARK_AT: usize = 32;

/// The code to return from a frame with or without siginfo: offset in the page and instructions.
fn code(wide: bool, rt: bool) -> (usize, Vec<u32>) {
    let call = [LI_R0 | if rt { RT_SIGRETURN } else { SIGRETURN }, SC];
    let head: &[u32] = if wide { &[DROP_FRAME] } else { &[] };
    let offset = if rt { 0x100 } else { 0x200 };
    (offset, [head, &call].concat())
}

/// The address of that code.
pub fn return_code(abi: &Abi, rt: bool) -> u64 {
    let wide = abi.is_64();
    address(wide) + code(wide, rt).0 as u64
}

/// Maps the page, readable and executable.
pub fn map(t: &mut Task) -> Result<(), Errno> {
    let wide = t.abi.is_64();
    let mut page = vec![0u8; 0x1000];
    for rt in [false, true] {
        let (offset, words) = code(wide, rt);
        for (k, word) in words.into_iter().enumerate() {
            let bytes = match t.abi.endian {
                Endian::Little => word.to_le_bytes(),
                Endian::Big => word.to_be_bytes(),
            };
            page[offset + 4 * k..][..4].copy_from_slice(&bytes);
        }
    }
    if wide {
        let bytes = match t.abi.endian {
            Endian::Little => UNWIND_MARK.to_le_bytes(),
            Endian::Big => UNWIND_MARK.to_be_bytes(),
        };
        page[code(wide, true).0 + UNWIND_MARK_AT..][..8].copy_from_slice(&bytes);
    }
    t.map_kernel_page(GuestVa(address(wide)), &page, "[vdso]")
}
