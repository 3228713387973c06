//! User-mode guest address space and image loading.

mod elf;

pub use elf::{ElfError, ElfPlan, Segment};
