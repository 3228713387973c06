//! The allocator where the C library is musl, whose own maps and unmaps memory all the time.

use dlmalloc::GlobalDlmalloc;
use std::sync::Once;

#[global_allocator]
static ALLOCATOR: GlobalDlmalloc = GlobalDlmalloc;

/// A fork must not leave the allocator's lock with a thread that the child does not have.
pub fn before_fork() {
    static HANDLERS: Once = Once::new();
    // SAFETY: the handlers take the allocator's lock before a fork and give it back in both processes, no matter what was
    // allocated before they were known.
    HANDLERS.call_once(|| unsafe { dlmalloc::enable_alloc_after_fork() });
}
