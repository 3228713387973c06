//! Linux ABI of 64-bit ARM: numbers, structures and constants where it differs from the generic ones.
//!
//! Reference: the kernel's arch/arm64/include/uapi/asm (fcntl.h, signal.h, sigcontext.h).

mod cpuinfo;
mod port;
mod sigframe;
mod vdso;

pub use port::Aarch64Port;

use crate::abi::{Abi, Endian};
use crate::guests::generic64::CALLS;

/// asm/fcntl.h: O_DIRECTORY, O_NOFOLLOW, O_DIRECT, O_LARGEFILE; the host's values are x86-64's.
const OPEN_FLAGS: &[(u32, u32)] = &[
    (0o40000, 0o200000),
    (0o100000, 0o400000),
    (0o200000, 0o40000),
    (0o400000, 0o100000),
];

/// The ABI; `endian` is big for aarch64_be.
pub fn abi(endian: Endian) -> Abi {
    Abi {
        endian,
        sa_restorer: true,
        min_signal_stack: 5120,
        open_flags: OPEN_FLAGS,
        cpuinfo: cpuinfo::text,
        ..Abi::generic(8, &CALLS)
    }
}
