//! The environment: one allocation per virtual CPU.
//!
//! Layout, low to high: the soft TLBs' victims, the soft TLBs and the guesses (in system mode), the jump cache, the [`EnvHeader`], the ISA's state block. Generated code holds the
//! address of the state block (`rbp` on x86-64); hot guest registers lie in its first 128 bytes so that they
//! have 8-bit displacements; header and jump cache are at negative displacements.

use crate::CpuHost;
use crate::system::MMU_INDEXES;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64};
use tcg_mem::InsnCounter;

/// Spill slots of 16 bytes in the header.
pub const SPILL_SLOTS: usize = 64;

/// Runtime entry points in the header.
pub const RUNTIME_ENTRIES: usize = 16;

/// Entries of the jump cache (a power of two).
pub const JUMP_CACHE_ENTRIES: usize = 8192;

/// One entry of the per-CPU jump cache: guest address and mode to host code.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct JumpCacheEntry {
    /// `pc ^ (mode << 48)`; `u64::MAX` if empty.
    pub tag: u64,
    /// Host address of the block's code.
    pub code: u64,
}

/// The jump cache entry for a guest address. Where instructions have 2 bytes, two that follow each other are seldom both
/// jumped to.
pub const fn jump_cache_index(pc: u64) -> usize {
    (pc >> 2) as usize & (JUMP_CACHE_ENTRIES - 1)
}

/// Entries of a soft TLB (a power of two).
pub const TLB_ENTRIES: usize = 4096;

/// Bytes of a soft TLB. In system mode there are [`crate::system::MMU_INDEXES`] of them below the jump cache.
pub const TLB_BYTES: usize = TLB_ENTRIES * size_of::<TlbEntry>();

/// A tag that matches no address.
pub const TLB_INVALID: u64 = u64::MAX;

/// One entry of a soft TLB: a page of the guest's virtual address space that lies in the host's memory. The entry of an
/// address is [`tlb_index`]; it holds for an access if the address is less than a page behind the tag.
#[repr(C, align(32))]
#[derive(Debug)]
pub struct TlbEntry {
    /// First address of the page if loads may go to the host's memory, else [`TLB_INVALID`].
    pub read: AtomicU64,
    /// Host address of the page.
    pub host: AtomicU64,
    /// As `read` for stores. Other threads may make it invalid.
    pub write: AtomicU64,
    /// The number of its owner's list of entries in use that it is in; 0: none.
    pub listed: AtomicU64,
}

/// Where an instruction found its page the last time: two words of a [`TlbEntry`], `read` and `host` for loads,
/// `host` and `write` for stores. Generated code looks here first, and fills it from the soft TLB.
#[repr(C, align(16))]
#[derive(Debug)]
pub struct Guess(pub [AtomicU64; 2]);

/// Guesses of one MMU index for loads, and as many for stores (a power of two).
pub const GUESSES: usize = 128;

/// Guesses of one chunk: as many share a byte that says whether one of them is filled.
pub const GUESS_CHUNK: usize = 16;

/// Chunks of all guesses.
pub const GUESS_CHUNKS: usize = 2 * MMU_INDEXES * GUESSES / GUESS_CHUNK;

/// Bytes of all guesses and, behind them, of the bytes of their chunks: between the soft TLBs and the jump cache.
pub const GUESS_BYTES: usize = GUESS_CHUNKS * (GUESS_CHUNK * size_of::<Guess>() + 1);

/// The number of the guess of the instruction at `pc`.
pub const fn guess_index(mmu: u8, write: bool, pc: u64) -> usize {
    let table = (mmu as usize % MMU_INDEXES) * 2 + write as usize;
    table * GUESSES + ((pc >> 2 ^ pc >> 9) as usize & (GUESSES - 1))
}

/// The entry for an address.
pub const fn tlb_index(va: u64) -> usize {
    (va >> 12) as usize & (TLB_ENTRIES - 1)
}

/// Entries of a table of victims (a power of two): what others have taken the place of in the soft TLB. The slow path looks
/// there first.
pub const VICTIMS: usize = 1024;

/// Bytes of a table of victims. In system mode there are [`crate::system::MMU_INDEXES`] of them below the soft TLBs.
pub const VICTIM_BYTES: usize = VICTIMS * size_of::<TlbEntry>();

/// The multiplier of [`victim_index`], and the bits that are shifted out then.
pub const VICTIM_HASH: (u64, u32) = (0x61c8_8647, 22);

/// The victim for an address: pages that have the same place in the soft TLB have others here.
pub const fn victim_index(va: u64) -> usize {
    let (factor, shift) = VICTIM_HASH;
    ((va >> 12).wrapping_mul(factor) >> shift) as usize & (VICTIMS - 1)
}

/// The ISA-independent part of the environment, directly below the state block.
#[repr(C, align(64))]
pub struct EnvHeader {
    /// General registers by hardware number: in system mode while a memory access is handled by Rust, in user mode those of
    /// pinned slots while Rust runs.
    pub saved_gprs: [u64; 16],
    /// Vector registers, likewise.
    pub saved_xmms: [u128; 16],
    /// MXCSR, likewise.
    pub saved_mxcsr: u32,
    /// The machine, in system mode.
    pub host: Option<NonNull<dyn CpuHost>>,
    /// The engine's own entry points reached from generated code, by number (see tcg-exec).
    pub runtime: [u64; RUNTIME_ENTRIES],
    /// Vector arguments of helpers, in argument order; a vector result comes back in `scratch[0]`.
    pub scratch: [u128; 4],
    /// The register allocator's spill slots.
    pub spill: [u128; SPILL_SLOTS],
    /// Helper functions by `HelperId`.
    pub helpers: *const tcg_ir::HelperFn,
    /// A copy of the runtime entry for direct links, near enough for a short instruction.
    pub lookup_direct: u64,
    /// The engine's per-CPU data (for the runtime functions).
    pub vcpu: *mut u8,
    /// Rust stack pointer while guest code runs.
    pub host_rsp: u64,
    /// Stack pointer of the paired-return stack while Rust runs.
    pub jit_rsp: u64,
    /// Base (highest address) of the paired-return stack.
    pub jit_base: u64,
    /// Host address of guest address 0.
    pub guest_base: u64,
    /// Guest program counter (with the ISA's tag bits): exact whenever Rust code of a front end runs.
    pub pc: u64,
    /// Block mode at `pc`.
    pub mode: u32,
    /// Set asynchronously to make the CPU return to its front end.
    pub interrupt: AtomicU32,
    /// How many more accesses may be done with a victim before the slow path asks for a better place.
    pub patience: u32,
    /// How many more jumps may miss their inline cache before one takes a way of it.
    pub cache_patience: u32,
    /// Why generated code returned (tcg-exec's numbers), or, set by a `StateMayExit` helper, that it must: 0 is "go on".
    pub exit_kind: u32,
    /// Trap code or fault kind of the exit.
    pub exit_code: u32,
    /// Argument of the exit.
    pub exit_info: u64,
    /// Sticky floating-point flags (tcg-softfloat's `Flags` layout) besides those in the host's MXCSR.
    pub fp_flags: u32,
    /// The host's own MXCSR.
    pub mxcsr_host: u32,
    /// MXCSR control bits (no sticky flags) for the two floating-point regimes of the current mode.
    pub mxcsr_guest: [u32; 2],
    /// MXCSR sticky flags of the guest while Rust code runs.
    pub mxcsr_sticky: u32,
    /// Scratch for ldmxcsr/stmxcsr.
    pub mxcsr_tmp: u32,
    /// MXCSR of the first regime while a silent second one is in force, else 0.
    pub mxcsr_aside: u32,
    /// If instructions are counted: those of the current block that have begun, which are not in the counter yet.
    pub insns_begun: u32,
    /// If instructions are counted: where.
    pub counter: *const InsnCounter,
}

impl EnvHeader {
    /// The machine around this CPU, for helpers; nothing in user mode.
    pub fn host(&self) -> Option<&dyn CpuHost> {
        // SAFETY: the engine stores a pointer that is good while the environment lives.
        self.host.map(|h| unsafe { h.as_ref() })
    }
}

/// A guest register block.
///
/// # Safety
/// The type must be `repr(C)`, valid for every bit pattern, without padding that matters, and at most 16-byte aligned.
pub unsafe trait StateBlock: 'static {}

/// A copy of a state block, aligned as the original.
#[derive(Clone, Debug, Default)]
pub struct StateCopy {
    chunks: Vec<Chunk>,
    len: usize,
}

#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
struct Chunk([u8; 64]);

impl StateCopy {
    /// Zeroes.
    pub fn new(len: usize) -> StateCopy {
        StateCopy {
            chunks: vec![Chunk([0; 64]); len.div_ceil(64)],
            len,
        }
    }

    /// Takes the contents of a block.
    pub fn copy_from(&mut self, state: &[u8]) {
        if self.len != state.len() {
            *self = StateCopy::new(state.len());
        }
        self.bytes_mut().copy_from_slice(state);
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the chunks are arrays of bytes without padding, and there are at least `len` bytes of them.
        unsafe { std::slice::from_raw_parts(self.chunks.as_ptr().cast(), self.len) }
    }

    /// The bytes, to change.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.chunks.as_mut_ptr().cast(), self.len) }
    }
}
