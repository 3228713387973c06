//! User-mode guest address space and image loading.
//!
//! The guest's map is authoritative: every answer to the guest comes from it, not from the host's mappings.
#![forbid(unsafe_code)]

mod code;
mod elf;
mod errno;
mod mmap;
mod pageflags;
mod space;
mod vma;

pub use elf::{ElfError, ElfHeader, LoadPlan, Loaded, load, read_header};
pub use errno::Errno;
pub use mmap::MapRequest;
pub use space::{AddressSpace, Geometry, Region};
pub use vma::{Backing, Prot, Vma};
