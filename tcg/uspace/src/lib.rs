//! User-mode guest address space and image loading.
