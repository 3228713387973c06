//! Linux ABI of 32-bit ARM (EABI): numbers, structures and constants where it differs from the generic ones.
//!
//! Reference: the kernel's arch/arm/include/uapi/asm (fcntl.h, stat.h, unistd.h) and tools/syscall.tbl.

mod cpuinfo;
mod kuser;
mod port;
mod sigframe;
mod structs;
#[cfg(test)]
mod tests;
mod vdso;

pub use port::ArmPort;

use crate::abi::{Abi, Endian};
use crate::syscall::FAMILIES;
use crate::syscall::table::CallTable;

static CALLS: CallTable = CallTable::parse(include_str!("syscall.tbl"), FAMILIES);

/// asm/fcntl.h: O_DIRECTORY, O_NOFOLLOW, O_DIRECT, O_LARGEFILE; the host's values are x86-64's.
const OPEN_FLAGS: &[(u32, u32)] = &[
    (0o40000, 0o200000),
    (0o100000, 0o400000),
    (0o200000, 0o40000),
    (0o400000, 0o100000),
];

/// asm/ioctls.h: FIOQSIZE.
const IOCTLS: &[(u32, u32)] = &[(0x545e, 0x5460)];

/// The ABI of armhf and armel; `endian` is big for armeb.
pub fn abi(endian: Endian) -> Abi {
    Abi {
        endian,
        pair_aligned: true,
        restart_syscall: 0,
        short_ids: true,
        sa_restorer: true,
        open_flags: OPEN_FLAGS,
        ioctls: IOCTLS,
        put_stat: structs::put_stat,
        put_stat64: structs::put_stat64,
        statfs64_packed: true,
        cpuinfo: cpuinfo::text,
        ..Abi::generic(4, &CALLS)
    }
}
