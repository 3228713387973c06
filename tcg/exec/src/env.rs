//! Allocation of the environment: soft TLBs, jump cache, header and state block in one mapping (layout: tcg-target).

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use tcg_mem::{Access, FaultKind, GuestVa, MemFault};
use tcg_target::system::MMU_INDEXES;
use tcg_target::{
    EnvHeader, GUESS_BYTES, JUMP_CACHE_ENTRIES, JumpCacheEntry, TLB_BYTES, VICTIM_BYTES,
    jump_cache_index,
};

/// Why generated code came back, in `EnvHeader::exit_kind`. The first four are known to tcg-x64 and helpers.
pub(crate) mod kind {
    /// A trap: `exit_code`, `exit_info`.
    pub const TRAP: u32 = 1;
    /// A fault: `exit_code` is the number of the kind, plus 0x100 for a write, 0x200 for a fetch; `exit_info` the address.
    pub const FAULT: u32 = 2;
    /// The interrupt flag is set.
    pub const INTERRUPT: u32 = 3;
    /// No more instructions may be executed, or not as many as the block has.
    pub const LIMIT: u32 = 4;
    /// The next instruction writes to its own block: run it alone.
    pub const ONE_INSN: u32 = 16;
    /// The code buffer is full: flush, then go on.
    pub const FLUSH: u32 = 17;
    /// Go on from the dispatch loop.
    pub const AGAIN: u32 = 18;
    /// System mode: the CPU cannot simply go on; why is in its event.
    pub const MACHINE: u32 = 19;
}

/// The exit code of a fault, as in [`kind::FAULT`].
pub(crate) fn fault_code(fault: &MemFault) -> u32 {
    let access = match fault.access {
        Access::Read => 0,
        Access::Write => 0x100,
        Access::Exec => 0x200,
    };
    let kind = match fault.kind {
        FaultKind::Unmapped => 0,
        FaultKind::Protection => 1,
        FaultKind::Bus => 2,
        FaultKind::Alignment => 3,
    };
    access | kind
}

/// The fault that exit fields describe.
pub(crate) fn fault_of(code: u32, info: u64) -> MemFault {
    let access = match code & 0xf00 {
        0 => Access::Read,
        0x100 => Access::Write,
        _ => Access::Exec,
    };
    let kind = match code & 0xff {
        0 => FaultKind::Unmapped,
        1 => FaultKind::Protection,
        2 => FaultKind::Bus,
        _ => FaultKind::Alignment,
    };
    MemFault {
        va: GuestVa(info),
        access,
        kind,
    }
}

/// The mapping of one virtual CPU's environment. Generated code, helpers and the owner thread write it; other
/// threads touch the interrupt flag only.
pub(crate) struct Env {
    at: usize,
    /// Where the jump cache begins: behind the soft TLBs, if there are any.
    cache: usize,
    bytes: usize,
    state_bytes: usize,
}

const CACHE_BYTES: usize = JUMP_CACHE_ENTRIES * size_of::<JumpCacheEntry>();

impl Env {
    /// A zeroed environment with an empty jump cache.
    pub(crate) fn new(state_bytes: usize, system: bool) -> io::Result<Env> {
        let tlbs = if system {
            MMU_INDEXES * (VICTIM_BYTES + TLB_BYTES) + GUESS_BYTES
        } else {
            0
        };
        let bytes =
            (tlbs + CACHE_BYTES + size_of::<EnvHeader>() + state_bytes).next_multiple_of(4096);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at a place of the kernel's choice.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), bytes, prot, flags, -1, 0) };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let env = Env {
            at: at as usize,
            cache: at as usize + tlbs,
            bytes,
            state_bytes,
        };
        env.mark_empty();
        Ok(env)
    }

    /// Zeroed memory is an empty cache except for entry 0: the tag 0 is that of address 0 in mode 0 (and of
    /// addresses whose low 48 bits are 0), which has index 0.
    fn mark_empty(&self) {
        // SAFETY: the first entry of the mapping.
        unsafe { (*(self.cache as *mut JumpCacheEntry)).tag = u64::MAX };
    }

    /// Empties the jump cache.
    pub(crate) fn clear_jump_cache(&self) {
        // SAFETY: the cache is the first part of the mapping; the owner thread is not in generated code.
        unsafe { std::ptr::write_bytes(self.cache as *mut u8, 0, CACHE_BYTES) };
        self.mark_empty();
    }

    /// Where the soft TLBs' victims are, in system mode; behind them are the soft TLBs and the guesses.
    pub(crate) fn tlbs(&self) -> usize {
        self.at
    }

    /// The state block.
    pub(crate) fn state(&self) -> *mut u8 {
        (self.cache + CACHE_BYTES + size_of::<EnvHeader>()) as *mut u8
    }

    /// Size of the state block.
    pub(crate) fn state_bytes(&self) -> usize {
        self.state_bytes
    }

    /// The header.
    pub(crate) fn header(&self) -> *mut EnvHeader {
        header_of(self.state())
    }

    /// The interrupt flag.
    pub(crate) fn interrupt(&self) -> &AtomicU32 {
        // SAFETY: the field is only accessed atomically and lives as long as the mapping.
        unsafe { &(*self.header()).interrupt }
    }

    /// The jump cache's value for an address.
    pub(crate) fn cached(&self, pc: u64, mode: u32) -> Option<u64> {
        // SAFETY: the index is in range by construction; only the owner thread uses the cache.
        let e = unsafe { &*(self.cache as *const JumpCacheEntry).add(jump_cache_index(pc)) };
        (e.tag == tag(pc, mode) && e.code != 0).then_some(e.code)
    }

    /// Enters an address into the jump cache.
    pub(crate) fn cache(&self, pc: u64, mode: u32, code: u64) {
        // SAFETY: as for `cached`.
        let e = unsafe { &mut *(self.cache as *mut JumpCacheEntry).add(jump_cache_index(pc)) };
        *e = JumpCacheEntry {
            tag: tag(pc, mode),
            code,
        };
    }

    /// The jump cache forgets the address, and whatever else is in its place.
    pub(crate) fn uncache(&self, pc: u64) {
        // SAFETY: as for `cached`.
        let e = unsafe { &mut *(self.cache as *mut JumpCacheEntry).add(jump_cache_index(pc)) };
        *e = JumpCacheEntry {
            tag: u64::MAX,
            code: 0,
        };
    }

    /// Takes the interrupt flag: what it was.
    pub(crate) fn take_interrupt(&self) -> u32 {
        self.interrupt().swap(0, Ordering::AcqRel)
    }
}

/// The tag of jump cache entries and paired returns.
pub(crate) fn tag(pc: u64, mode: u32) -> u64 {
    pc ^ u64::from(mode) << 48
}

/// The header of a state block that belongs to an [`Env`].
pub(crate) fn header_of(state: *mut u8) -> *mut EnvHeader {
    state.wrapping_sub(size_of::<EnvHeader>()).cast()
}

impl Drop for Env {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours.
        unsafe { libc::munmap(self.at as *mut libc::c_void, self.bytes) };
    }
}
