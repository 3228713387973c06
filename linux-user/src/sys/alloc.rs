//! The allocator where the C library is musl, whose own maps and unmaps memory all the time.

use dlmalloc::Dlmalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::sync::{Mutex, MutexGuard};

struct Heap(Mutex<Dlmalloc>);

#[global_allocator]
static HEAP: Heap = Heap(Mutex::new(Dlmalloc::new()));

/// Nobody allocates while this is held. A fork must not leave the lock with a thread that the child does not have.
pub fn hold() -> impl Drop {
    HEAP.lock()
}

impl Heap {
    fn lock(&self) -> MutexGuard<'_, Dlmalloc> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

// Not inlined: half a megabyte of code at thousands of places otherwise.
// SAFETY: one heap behind one lock, which keeps the contract of these functions.
unsafe impl GlobalAlloc for Heap {
    #[inline(never)]
    unsafe fn alloc(&self, l: Layout) -> *mut u8 {
        // SAFETY: the caller's layout is as the contract says; below, too.
        unsafe { self.lock().malloc(l.size(), l.align()) }
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, l: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { self.lock().calloc(l.size(), l.align()) }
    }

    #[inline(never)]
    unsafe fn dealloc(&self, p: *mut u8, l: Layout) {
        // SAFETY: as above; `p` came from here.
        unsafe { self.lock().free(p, l.size(), l.align()) }
    }

    #[inline(never)]
    unsafe fn realloc(&self, p: *mut u8, l: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { self.lock().realloc(p, l.size(), l.align(), size) }
    }
}
