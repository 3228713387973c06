//! What a guest instruction set supplies to the translator, and the memory layout they share: the environment.

mod env;
mod isa;

pub use env::{
    EnvHeader, JUMP_CACHE_ENTRIES, JumpCacheEntry, RUNTIME_ENTRIES, SPILL_SLOTS, StateBlock,
    jump_cache_index,
};
pub use isa::{CodeMemory, CodeUser, Fetch, Isa, TranslateCtx, WriteFault};
