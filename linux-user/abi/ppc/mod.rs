//! Linux ABI of PowerPC, 32 and 64 bits, both byte orders: numbers, structures and constants where they differ from the
//! generic ones. Source: the kernel's arch/powerpc/include/uapi/asm and kernel/syscalls/syscall.tbl.

mod consts;
mod cpuinfo;
mod port;
mod sigframe;
mod sigframe64;
mod structs;
#[cfg(test)]
mod tests;
mod vdso;

pub use port::PpcPort;

use crate::abi::{Abi, Endian, IoctlCode};
use crate::syscall::FAMILIES;
use crate::syscall::table::CallTable;

static CALLS_32: CallTable = CallTable::parse(include_str!("syscall32.tbl"), FAMILIES);
static CALLS_64: CallTable = CallTable::parse(include_str!("syscall64.tbl"), FAMILIES);

fn with_differences(endian: Endian, base: Abi) -> Abi {
    Abi {
        endian,
        restart_syscall: 0,
        open_flags: consts::OPEN_FLAGS,
        ioctls: consts::IOCTLS,
        ioctl_code: IoctlCode::ThreeBits,
        mmap_flags: consts::MMAP_FLAGS,
        mlockall_flags: consts::MLOCKALL_FLAGS,
        socket_options: consts::SOCKET_OPTIONS,
        termios: Some(&consts::TERMIOS),
        sa_restorer: true,
        ipc_times_first: true,
        put_stat: structs::put_stat,
        put_stat64: structs::put_stat64,
        cpuinfo: if base.word == 8 {
            cpuinfo::text64
        } else {
            cpuinfo::text32
        },
        ..base
    }
}

/// The ABI of 32-bit programs.
pub fn abi32(endian: Endian) -> Abi {
    let base = Abi {
        pair_aligned: true,
        ..Abi::generic(4, &CALLS_32)
    };
    with_differences(endian, base)
}

/// The ABI of 64-bit programs.
pub fn abi64(endian: Endian) -> Abi {
    let base = Abi {
        min_signal_stack: 8192,
        ..Abi::generic(8, &CALLS_64)
    };
    with_differences(endian, base)
}
