//! Host registers and the places that generated code reaches through `rbp`.

use std::mem::offset_of;
use tcg_target::system::MMU_INDEXES;
use tcg_target::{EnvHeader, GUESS_BYTES, GUESS_CHUNKS, JUMP_CACHE_ENTRIES, TLB_BYTES};

/// Numbers of the runtime's entry points in `EnvHeader::runtime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Runtime {
    /// Returns to Rust; the header's exit fields are stored.
    Exit = 0,
    /// A direct link that is not patched yet. Called.
    LookupDirect = 1,
    /// An indirect jump that missed the jump cache.
    LookupIndirect = 2,
    /// An indirect jump with an inline cache that has room.
    LookupIc = 3,
    /// An indirect jump to an unknown mode.
    LookupDynamic = 4,
    /// A helper asked to leave.
    CheckExit = 5,
    /// A return that does not match its call.
    ReturnMiss = 9,
    /// An access that the soft TLB has no entry for. Called.
    Memory = 10,
    /// An access that has not looked into the soft TLB. Called.
    Access = 11,
}

/// What an access that goes to [`Runtime::Memory`] wants, besides log2 of its size.
pub mod want {
    /// To load.
    pub const LOAD: i32 = 0;
    /// To store what is in the scratch area.
    pub const STORE: i32 = 16;
    /// The host address, to load and store there at once.
    pub const ATOMIC: i32 = 32;
    /// Where the number of the MMU index is.
    pub const MMU: u32 = 8;
    /// Where the registers are noted (a bit for each of [`HELD`]) that have to be 0 if address translation may have
    /// changed, or more than memory was reached.
    pub const HELD_BITS: u32 = 11;
    /// Registers that may hold the host address of a page over several instructions.
    pub const HELD: [u8; 4] = [12, 13, 14, 15];
}

/// `exit_kind` of a trap.
pub const KIND_TRAP: i32 = 1;
/// `exit_kind` of a fault.
pub const KIND_FAULT: i32 = 2;
/// `exit_kind` of an interrupt.
pub const KIND_INTERRUPT: i32 = 3;
/// Exit kind: as many instructions have been executed as may be, or so few are left that the block does not fit.
pub const KIND_LIMIT: i32 = 4;
/// `FaultKind::Alignment`.
pub const FAULT_ALIGNMENT: i32 = 3;

pub const RAX: u8 = 0;
pub const RCX: u8 = 1;
pub const RDX: u8 = 2;
pub const RSP: u8 = 4;
pub const RBP: u8 = 5;
pub const RSI: u8 = 6;
pub const RDI: u8 = 7;
pub const R8: u8 = 8;
/// First vector register in the allocator's numbering.
pub const XMM0: u8 = 16;
/// Vector scratch registers, never allocated.
pub const XMM14: u8 = 30;
pub const XMM15: u8 = 31;
/// No register.
pub const NOREG: u8 = 0xff;

/// Registers for pinned state slots ([`tcg_ir::StateLayout::pinned`]), in their order. The entry points of the runtime load and
/// store them in `EnvHeader::saved_gprs`.
pub const PIN_REGS: [u8; 6] = [15, 14, 13, 12, 11, 10];

/// Registers that helpers preserve: rbx, r12 to r15.
pub const CALLEE_SAVED: u32 = 1 << 3 | 0xf << 12;

/// Allocatable general registers in order of preference. `rax` is the emitter's scratch register.
pub const GPR_ORDER: [u8; 13] = [1, 2, 6, 7, 3, 8, 9, 10, 11, 12, 13, 14, 15];

const fn hdr(off: usize) -> i32 {
    off as i32 - size_of::<EnvHeader>() as i32
}

pub const SAVED_GPRS: i32 = hdr(offset_of!(EnvHeader, saved_gprs));
pub const SCRATCH: i32 = hdr(offset_of!(EnvHeader, scratch));
pub const SPILL: i32 = hdr(offset_of!(EnvHeader, spill));
pub const HELPERS: i32 = hdr(offset_of!(EnvHeader, helpers));
pub const RUNTIME: i32 = hdr(offset_of!(EnvHeader, runtime));
pub const LOOKUP_DIRECT: i32 = hdr(offset_of!(EnvHeader, lookup_direct));
pub const HOST_RSP: i32 = hdr(offset_of!(EnvHeader, host_rsp));
pub const JIT_RSP: i32 = hdr(offset_of!(EnvHeader, jit_rsp));
pub const PC: i32 = hdr(offset_of!(EnvHeader, pc));
pub const MODE: i32 = hdr(offset_of!(EnvHeader, mode));
pub const INTERRUPT: i32 = hdr(offset_of!(EnvHeader, interrupt));
pub const CACHE_PATIENCE: i32 = hdr(offset_of!(EnvHeader, cache_patience));
pub const EXIT_KIND: i32 = hdr(offset_of!(EnvHeader, exit_kind));
pub const EXIT_CODE: i32 = hdr(offset_of!(EnvHeader, exit_code));
pub const EXIT_INFO: i32 = hdr(offset_of!(EnvHeader, exit_info));
pub const FP_FLAGS: i32 = hdr(offset_of!(EnvHeader, fp_flags));
pub const MXCSR_TMP: i32 = hdr(offset_of!(EnvHeader, mxcsr_tmp));
pub const INSNS_BEGUN: i32 = hdr(offset_of!(EnvHeader, insns_begun));
pub const COUNTER: i32 = hdr(offset_of!(EnvHeader, counter));
pub const MXCSR_ASIDE: i32 = hdr(offset_of!(EnvHeader, mxcsr_aside));
pub const MXCSR_GUEST: i32 = hdr(offset_of!(EnvHeader, mxcsr_guest));
/// The jump cache.
pub const JUMP_CACHE: i32 = -(size_of::<EnvHeader>() as i32) - (JUMP_CACHE_ENTRIES as i32) * 16;

/// The guesses, and the bytes of their chunks.
pub const GUESSES_AT: i32 = JUMP_CACHE - GUESS_BYTES as i32;
pub const CHUNKS_AT: i32 = JUMP_CACHE - GUESS_CHUNKS as i32;

/// The soft TLBs.
pub const TLBS: i32 = GUESSES_AT - (MMU_INDEXES * TLB_BYTES) as i32;
