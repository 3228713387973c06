//! Raw host system calls: the unsafe island of the system call layer.
//!
//! The rule that makes [`call`] safe to use: every pointer argument is either the address of a live host buffer of
//! the size that the call uses, or a host address inside the guest's window (where the kernel answers EFAULT itself
//! and no Rust reference exists). Calls that map, unmap or protect memory go through `tcg_mem::UserMem` instead.

use crate::errno::Errno;
use std::arch::asm;

#[cfg(target_env = "musl")]
mod alloc;
mod fd;
mod limit;
mod process;
mod window;

pub use fd::{close_hidden_sockets, hide, hide_socket, inheritable};
pub use limit::*;
pub use process::*;
pub use window::{blocking, leave_window};

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

/// The address of a host value, for the kernel to read.
pub fn addr<T: ?Sized>(v: &T) -> u64 {
    std::ptr::from_ref(v).cast::<u8>() as u64
}

/// The address of a host value, for the kernel to write.
pub fn addr_mut<T: ?Sized>(v: &mut T) -> u64 {
    std::ptr::from_mut(v).cast::<u8>() as u64
}

/// Host structures for which all bytes zero is a value.
///
/// # Safety
/// The type consists of integers, pointers and arrays of them only.
pub unsafe trait Plain: Sized {}

macro_rules! plain {
    ($($ty:ty),*) => {$(
        // SAFETY: a C structure of integers.
        unsafe impl Plain for $ty {}
    )*};
}
plain!(
    libc::stat,
    libc::statx,
    libc::rusage,
    libc::sysinfo,
    libc::timex,
    libc::sigevent,
    libc::mq_attr,
    libc::msghdr,
    libc::utsname
);

/// A host structure of zeroes.
pub fn zeroed<T: Plain>() -> T {
    // SAFETY: what `Plain` promises.
    unsafe { std::mem::zeroed() }
}

/// getdents64 through the host's 32-bit entry: file systems then give positions that fit into 31 bits. `buf` must be
/// the address of a buffer of `len` bytes below 4 GiB.
pub fn getdents64_compat(fd: i32, buf: u32, len: u32) -> Result<u64, Errno> {
    const NR_GETDENTS64_32: i64 = 220;
    int80(NR_GETDENTS64_32, [fd as u32, buf, len])
}

fn int80(nr: i64, [a, b, c]: [u32; 3]) -> Result<u64, Errno> {
    let ret: i64;
    // SAFETY: the entry takes its arguments in 32-bit registers; rbx is saved around it because the compiler
    // reserves it. The kernel may clear r8 to r11.
    unsafe {
        asm!("xchg rbx, {b}", "int 0x80", "xchg rbx, {b}", b = inout(reg) u64::from(a) => _,
            inlateout("rax") nr => ret, in("rcx") u64::from(b), in("rdx") u64::from(c),
            lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _, options(nostack));
    }
    result(ret as i32 as i64)
}

/// Whether the host has the 32-bit entry: a child tries it, because without it the attempt is a SIGSEGV. The child
/// shares no memory, and its end sends no signal.
pub fn has_int80() -> bool {
    const NR_GETPID_32: i64 = 20;
    // A plain fork; the child only makes system calls and ends.
    let pid = raw(libc::SYS_clone, [0; 6]);
    if pid == 0 {
        let default = [0u64; 4];
        raw(
            libc::SYS_rt_sigaction,
            [libc::SIGSEGV as u64, addr(&default), 0, 8, 0, 0],
        );
        raw(
            libc::SYS_prctl,
            [libc::PR_SET_DUMPABLE as u64, 0, 0, 0, 0, 0],
        );
        let ok = int80(NR_GETPID_32, [0; 3]).is_ok();
        raw(libc::SYS_exit_group, [u64::from(!ok), 0, 0, 0, 0, 0]);
    }
    let mut status = 1i32;
    pid > 0
        && call(
            libc::SYS_wait4,
            [pid as u64, addr_mut(&mut status), libc::__WALL as u64, 0],
        )
        .is_ok()
        && status == 0
}

/// Anonymous memory below 4 GiB.
pub fn low_buffer(len: usize) -> Result<u32, Errno> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT;
    let prot = libc::PROT_READ | libc::PROT_WRITE;
    let at = call(
        libc::SYS_mmap,
        [0, len as u64, prot as u64, flags as u64, u64::MAX, 0],
    )?;
    u32::try_from(at).map_err(|_| Errno::ENOMEM)
}

/// Copies from memory of [`low_buffer`].
pub fn copy_low(from: u32, to: &mut [u8]) {
    // SAFETY: the buffer is the emulator's own, mapped for ever, and at least as long as the kernel's count.
    unsafe { std::ptr::copy_nonoverlapping(from as usize as *const u8, to.as_mut_ptr(), to.len()) }
}

/// The time of a clock through the C library, which asks the host's vDSO.
pub fn vdso_clock(clock: i32, now: &mut libc::timespec) {
    // SAFETY: the argument is a live structure. The two clocks that come here cannot fail.
    unsafe { libc::clock_gettime(clock, now) };
}
