//! Memory management: one file for each kind. All give a mapping or the reason why there is none.

pub mod e500;
pub mod hash;
pub mod ppc405;
pub mod ppc440;
pub mod soft603;

use tcg_mem::Access;
use tcg_target::SysFault;
use tcg_target::system::ContextKey;

use super::model::family;
use super::spr::num;
use super::state::SystemState;

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

/// The address space that a state is in: identifiers of processes, or segments.
pub fn context(s: &SystemState) -> ContextKey {
    let mut key = [0; 8];
    if s.is(family::CLASSIC) {
        for (word, pair) in key.iter_mut().zip(s.sr.chunks_exact(2)) {
            *word = pair.iter().fold(0, |k, sr| k << 32 | u64::from(*sr));
        }
    } else if s.is(family::P405) {
        key[0] = u64::from(s.spr(num::PID_405));
    } else {
        let pids = [num::PID, num::PID1, num::PID2];
        key[0] = pids
            .iter()
            .fold(0, |k, n| k << 8 | u64::from(s.spr(*n) & 0xff));
    }
    key
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
