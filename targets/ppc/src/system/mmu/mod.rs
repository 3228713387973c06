//! Memory management: one file for each kind. All give a mapping or the reason why there is none.

pub mod e500;
pub mod hash;
pub mod ppc405;
pub mod ppc440;
pub mod soft603;

use tcg_mem::Access;
use tcg_target::SysFault;

/// Numbers of [`SysFault::code`].
pub mod fault {
    /// No entry of a TLB that software fills.
    pub const MISS: u32 = 1;
    /// An entry that does not allow the access.
    pub const PROTECTION: u32 = 2;
    /// No entry in the page table.
    pub const NO_PTE: u32 = 3;
    /// A fetch from a segment or page that code may not be in.
    pub const NO_EXECUTE: u32 = 4;
    /// A direct-store segment.
    pub const DIRECT_STORE: u32 = 5;
    /// A store to a page whose changed bit software has to set (603).
    pub const UNCHANGED: u32 = 6;
    /// 405: a zone forbids the access.
    pub const ZONE: u32 = 7;
}

/// The MMU index of a block mode: problem state, and whether the access is relocated (Book E: its address space).
pub const fn index(problem: bool, relocated: bool) -> u8 {
    problem as u8 | (relocated as u8) << 1
}

/// Whether an index is one of problem state.
pub const fn is_problem(index: u8) -> bool {
    index & 1 != 0
}

/// Whether accesses of an index are relocated, or in address space 1.
pub const fn is_relocated(index: u8) -> bool {
    index & 2 != 0
}

/// A fault without further information.
pub const fn refuse(code: u32, va: u32, access: Access) -> SysFault {
    SysFault {
        code,
        info: 0,
        va: va as u64,
        access,
    }
}
