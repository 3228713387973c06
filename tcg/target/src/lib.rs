//! What a guest instruction set supplies to the translator, and the memory layout they share: the environment.

mod env;
mod follow;
pub mod gdb;
mod isa;
pub mod system;

pub use env::{
    EnvHeader, GUESS_BYTES, GUESS_CHUNK, GUESS_CHUNKS, GUESSES, Guess, JUMP_CACHE_ENTRIES,
    JumpCacheEntry, RUNTIME_ENTRIES, SPILL_SLOTS, StateBlock, StateCopy, TLB_BYTES, TLB_ENTRIES,
    TLB_INVALID, TlbEntry, VICTIM_BYTES, VICTIM_HASH, VICTIMS, guess_index, jump_cache_index,
    tlb_index, victim_index,
};
pub use follow::Follow;
pub use isa::{BlockLimits, CodeMemory, CodeUser, Fetch, Isa, TranslateCtx, WriteFault};
pub use system::{CpuHost, CpuSocket, Mapping, Outcome, SysCpu, SysFault, System};
