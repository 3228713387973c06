//! System calls that wait: a signal that arrives between the check for signals and the call itself must not be lost.
//!
//! The stub looks at the virtual CPU's interrupt flag and enters the kernel; these instructions are the *window*.
//! A host handler that finds its thread inside the window, either before the call or with the call rewound by the
//! kernel for a restart, sends it to the exit, which answers ERESTARTSYS. So the kernel never restarts a call of
//! the guest's by itself: whether it is run again is decided when the signal is delivered.

use super::result;
use crate::errno::Errno;
use crate::task::Task;
use std::arch::global_asm;
use std::sync::atomic::AtomicU32;

global_asm!(
    ".pushsection .text.emu_window,\"ax\",@progbits",
    ".p2align 4",
    // rdi = interrupt flag, rsi = number, rdx = six arguments
    ".globl emu_window_call, emu_window_first, emu_window_last, emu_window_leave",
    "emu_window_call:",
    "mov rcx, rdi",
    "mov rax, rsi",
    "mov r11, rdx",
    "mov rdi, [r11]",
    "mov rsi, [r11 + 8]",
    "mov rdx, [r11 + 16]",
    "mov r10, [r11 + 24]",
    "mov r8, [r11 + 32]",
    "mov r9, [r11 + 40]",
    "emu_window_first:",
    "cmp dword ptr [rcx], 0",
    "jne emu_window_leave",
    "syscall",
    "emu_window_last:",
    "ret",
    "emu_window_leave:",
    "mov rax, -512",
    "ret",
    ".popsection",
);

unsafe extern "C" {
    fn emu_window_call(flag: *const AtomicU32, nr: i64, args: *const [u64; 6]) -> i64;
    static emu_window_first: u8;
    static emu_window_last: u8;
    static emu_window_leave: u8;
}

/// A host system call that may wait. A signal for the guest ends it: with ERESTARTSYS if the call can be run again
/// as if it had not been made (the kernel says so, or it has not begun), with EINTR if the kernel does not restart
/// it whatever the handler's flags are.
pub fn blocking(t: &mut Task, nr: i64, args: [u64; 6]) -> Result<u64, Errno> {
    let flag = t.vcpu.interrupt_flag();
    // SAFETY: the flag lives as long as the virtual CPU; the arguments obey the rule of this module's head.
    let ret = unsafe { emu_window_call(flag, nr, &args) };
    if ret == -i64::from(Errno::ERESTARTSYS.0) {
        Err(Errno::ERESTARTSYS)
    } else {
        result(ret)
    }
}

/// From a signal handler: moves its thread out of the window, if it is inside.
///
/// # Safety
/// `uc` is the context that the kernel gave the handler.
pub unsafe fn leave_window(uc: *mut libc::ucontext_t) {
    // SAFETY: as promised; the labels are only compared.
    unsafe {
        let rip = &mut (*uc).uc_mcontext.gregs[libc::REG_RIP as usize];
        let window = &raw const emu_window_first as i64..&raw const emu_window_last as i64;
        if window.contains(rip) {
            *rip = &raw const emu_window_leave as i64;
        }
    }
}
