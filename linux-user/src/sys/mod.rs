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

/// Real and effective user and group ids: uid, euid, gid, egid.
pub fn ids() -> [u32; 4] {
    [libc::SYS_getuid, libc::SYS_geteuid, libc::SYS_getgid, libc::SYS_getegid].map(|nr| raw(nr, [0; 6]) as u32)
}

/// The calling thread's id.
pub fn gettid() -> u64 {
    raw(libc::SYS_gettid, [0; 6]) as u64
}

/// A signal mask as the kernel has it.
#[derive(Clone, Copy)]
pub struct HostMask(u64);

/// Blocks every signal, those that the C library keeps for itself included.
pub fn block_all_signals() -> HostMask {
    let all = u64::MAX;
    let mut old = 0u64;
    let args = [libc::SIG_SETMASK as u64, addr(&all), addr_mut(&mut old), 8];
    let _ = call(libc::SYS_rt_sigprocmask, args);
    HostMask(old)
}

/// Puts a mask back.
pub fn restore_signals(mask: &HostMask) {
    let _ = call(libc::SYS_rt_sigprocmask, [libc::SIG_SETMASK as u64, addr(&mask.0), 0, 8]);
}

/// Ends the calling thread alone.
pub fn exit_thread(status: i32) -> ! {
    loop {
        raw(libc::SYS_exit, [status as u64, 0, 0, 0, 0, 0]);
    }
}

/// Ends the process.
pub fn exit_group(status: i32) -> ! {
    loop {
        raw(libc::SYS_exit_group, [status as u64, 0, 0, 0, 0, 0]);
    }
}

/// Forks with these clone flags (exit signal in the low byte, CLONE_PIDFD and namespaces allowed).
pub fn fork(flags: u64, pidfd: &mut i32) -> Result<u64, Errno> {
    if flags == libc::SIGCHLD as u64 {
        // SAFETY: the child has one thread and goes on in Rust; locks are held by this thread (see the caller),
        // the C library's own are handled by its fork.
        return match unsafe { libc::fork() } {
            -1 => Err(std::io::Error::last_os_error().into()),
            pid => Ok(pid as u64),
        };
    }
    // Without the C library's fork handlers: its locks are not held by anybody else as long as the guest has one
    // thread, and the child of a threaded guest that unshares namespaces only executes.
    let args = [flags, 0, addr_mut(pidfd), 0, 0, 0];
    result(raw(libc::SYS_clone, args))
}

/// The stack that a vfork child runs on.
const VFORK_STACK: usize = 1 << 20;

/// Makes a child that shares the memory and runs `body` on a stack of its own, while this thread waits until the
/// child executes or exits. `body` must not return to a caller: the process ends behind it.
pub fn vfork<F: FnOnce()>(flags: u64, body: F) -> Result<u64, Errno> {
    extern "C" fn start<F: FnOnce()>(arg: *mut libc::c_void) -> libc::c_int {
        // SAFETY: the argument is the Option below, which outlives the child's use of it: the parent waits.
        let body = unsafe { (*arg.cast::<Option<F>>()).take() };
        if let Some(body) = body {
            body();
        }
        exit_group(0)
    }
    let mut body = Some(body);
    let mut stack: Vec<u128> = Vec::with_capacity(VFORK_STACK / 16);
    // SAFETY: the stack is live until the child has left it, since the parent is suspended (CLONE_VFORK); the
    // child shares this thread's thread-local storage, which nobody else uses meanwhile.
    let pid = unsafe {
        let top = stack.as_mut_ptr().add(VFORK_STACK / 16);
        libc::clone(start::<F>, top.cast(), flags as libc::c_int, (&raw mut body).cast())
    };
    match pid {
        -1 => Err(std::io::Error::last_os_error().into()),
        pid => Ok(pid as u64),
    }
}

/// execve with host strings; comes back only with an error.
pub fn execve(path: &std::ffi::CString, argv: &[std::ffi::CString], envp: &[std::ffi::CString]) -> Errno {
    let (argv, envp) = (pointers(argv), pointers(envp));
    let args = [path.as_ptr() as u64, argv.as_ptr() as u64, envp.as_ptr() as u64, 0, 0, 0];
    match result(raw(libc::SYS_execve, args)) {
        Err(e) => e,
        Ok(_) => Errno::EINVAL,
    }
}

fn pointers(strings: &[std::ffi::CString]) -> Vec<u64> {
    strings.iter().map(|s| s.as_ptr() as u64).chain([0]).collect()
}
