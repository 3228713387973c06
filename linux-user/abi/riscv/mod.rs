//! Linux ABI of RISC-V, 32 and 64 bits: the generic one with two calls of its own.
//!
//! Reference: the kernel's arch/riscv/include/uapi/asm (unistd.h, ucontext.h, hwprobe.h).

mod calls;
mod cpuinfo;
mod port;
mod sigframe;
mod vdso;

pub use port::RiscvPort;

use super::{generic32, generic64};
use crate::abi::Abi;
use crate::syscall::table::CallTable;

/// Calls of the architecture: 244 is the first number of theirs.
const OWN: &str = "258\triscv_hwprobe\thwprobe\n259\triscv_flush_icache\tflush_icache\n";

static CALLS_64: CallTable = generic64::table().with(OWN, &[&calls::CALLS]);
static CALLS_32: CallTable = generic32::table().with(OWN, &[&calls::CALLS]);

/// The ABI of programs with words of 8 or 4 bytes.
fn abi(word: usize) -> Abi {
    let calls = if word == 8 { &CALLS_64 } else { &CALLS_32 };
    Abi {
        cpuinfo: if word == 8 {
            cpuinfo::text64
        } else {
            cpuinfo::text32
        },
        ..Abi::generic(word, calls)
    }
}
