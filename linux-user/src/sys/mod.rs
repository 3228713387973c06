//! Raw host system calls: the unsafe island of the system call layer.
//!
//! The rule that makes [`call`] safe to use: every pointer argument is either the address of a live host buffer of
//! the size that the call uses, or a host address inside the guest's window (where the kernel answers EFAULT itself
//! and no Rust reference exists). Calls that map, unmap or protect memory go through `tcg_mem::UserMem` instead.

use crate::errno::Errno;
use crate::task::Task;
use std::arch::asm;

/// One host system call, whatever it returns.
#[inline]
pub fn raw(nr: i64, a: [u64; 6]) -> i64 {
    let ret: i64;
    // SAFETY: see the rule in the head of this file; the kernel preserves all other registers.
    unsafe {
        asm!("syscall", inlateout("rax") nr => ret, in("rdi") a[0], in("rsi") a[1], in("rdx") a[2], in("r10") a[3],
            in("r8") a[4], in("r9") a[5], lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    ret
}

fn result(ret: i64) -> Result<u64, Errno> {
    if (-4095..0).contains(&ret) {
        Err(Errno(-ret as i32))
    } else {
        Ok(ret as u64)
    }
}

/// A host system call that does not block for long.
pub fn call<const N: usize>(nr: i64, args: [u64; N]) -> Result<u64, Errno> {
    let mut a = [0; 6];
    a.iter_mut().zip(args).for_each(|(to, from)| *to = from);
    result(raw(nr, a))
}

/// A host system call that may block: a signal for the guest ends it with EINTR, even if it arrives just before.
pub fn blocking(_t: &mut Task, nr: i64, args: [u64; 6]) -> Result<u64, Errno> {
    result(raw(nr, args))
}

/// The address of a host value, for the kernel to read.
pub fn addr<T: ?Sized>(v: &T) -> u64 {
    std::ptr::from_ref(v).cast::<u8>() as u64
}

/// The address of a host value, for the kernel to write.
pub fn addr_mut<T: ?Sized>(v: &mut T) -> u64 {
    std::ptr::from_mut(v).cast::<u8>() as u64
}
