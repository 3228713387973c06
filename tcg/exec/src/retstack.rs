//! The paired-return stack that generated code runs on: entries of a tag and a host return address.
//!
//! Below it lies a guard page; running into it means that the guest nested too deep, and the fault handler
//! starts again at the base (the forgotten returns then miss their pairs, which is only slower). At the base
//! lies a sentinel that no return matches.

use std::io;

const PAGE: usize = 4096;
/// Bytes above the base: the sentinel entry, padded to keep the base 16-aligned.
const SENTINEL: usize = 64;

/// One thread's stack.
pub(crate) struct ReturnStack {
    at: usize,
    bytes: usize,
}

impl ReturnStack {
    /// A stack of `bytes` (rounded up to pages) with a guard page below.
    pub(crate) fn new(bytes: usize) -> io::Result<ReturnStack> {
        let bytes = bytes.next_multiple_of(PAGE).max(PAGE) + PAGE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at a place of the kernel's choice, whose first page is then made inaccessible.
        unsafe {
            let at = libc::mmap(std::ptr::null_mut(), bytes, prot, flags, -1, 0);
            if at == libc::MAP_FAILED || libc::mprotect(at, PAGE, libc::PROT_NONE) != 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(ReturnStack {
                at: at as usize,
                bytes,
            })
        }
    }

    /// The stack pointer of the empty stack.
    pub(crate) fn base(&self) -> usize {
        self.at + self.bytes - SENTINEL
    }

    /// Writes the sentinel: a tag that no return has, and the code that would be returned to.
    pub(crate) fn set_sentinel(&self, code: usize) {
        // SAFETY: the top of our mapping.
        unsafe {
            let base = self.base() as *mut u64;
            base.write(code as u64);
            base.add(1).write(u64::MAX);
        }
    }

    /// Writes the two words of a call of generated code's to the empty stack: the return address and what was pushed before.
    pub(crate) fn push(&self, ret: usize, what: u64) {
        // SAFETY: below the base of our mapping, which has a page at least.
        unsafe {
            let base = self.base() as *mut u64;
            base.sub(2).write(ret as u64);
            base.sub(1).write(what);
        }
    }

    /// Whether an address is in the guard page.
    pub(crate) fn guards(&self, addr: usize) -> bool {
        addr.wrapping_sub(self.at) < PAGE
    }
}

impl Drop for ReturnStack {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours.
        unsafe { libc::munmap(self.at as *mut libc::c_void, self.bytes) };
    }
}
