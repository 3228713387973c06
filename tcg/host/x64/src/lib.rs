//! x86-64 code generation: local register allocation and emission, one pass over a block.
//!
//! # Contract with the runtime (tcg-exec)
//!
//! Registers: `rbp` = guest state block ([`tcg_target::EnvHeader`] lies directly below it, the jump cache below
//! that); `gs` base = guest base (unless that is 0: [`Opts::window`]); `rsp` = the paired-return stack. Everything else is free at block boundaries,
//! where the whole guest state is in the state block but for the slots that have registers ([`Pins`]: the runtime
//! loads these from `header.saved_gprs` where it enters code and stores them there on every way out). The entry is at offset 0 of the code; code is
//! position-independent and must be placed at a multiple of 16.
//!
//! Runtime entry points are reached through `header.runtime[n]`, see [`Runtime`]. What they get:
//! * `LookupDirect`: it is *called*, by the stub of a direct link; the return address, which it takes off the stack,
//!   is [`LinkSite::stub`]. The stub is also entered if the interrupt flag is set.
//! * `LookupIndirect`, `LookupDynamic`: `header.pc`/`mode` (for the latter the mode bits that were current).
//! * `LookupIc`: as `LookupIndirect`, `rax` = address of what is told about the inline cache ([`inline_cache`]).
//! * `ReturnMiss`: target in `rax`, mode in `edx`: resets the paired-return stack, looks into the jump cache, then as
//!   `LookupIndirect`.
//! * `Memory`: see `emit_tlb.rs`.
//! * `Exit`: `header.exit_kind`, `exit_code`, `exit_info`, `pc`, `mode` are stored.
//!
//! Tags (paired returns and jump cache) are `pc ^ (mode << 48)`, compared in 64 bits; the sentinel at the base of the
//! return stack is `u64::MAX`. The mode behind a call is the exit's own `mode`.
//! Alignment faults: `exit_kind` 2, `exit_code` 3 (the number of `FaultKind::Alignment`), bit 8 set for writes,
//! `exit_info` the address.
//!
//! Operations without inline code are called out of line: helper number `helpers.len()` (directly behind the
//! ISA's own helpers in the engine's table) is the generic evaluator, [`fallback`].
//!
//! # Why an own encoder under dynasm's buffer
//!
//! Code goes into dynasmrt's `SimpleAssembler`, but instructions are encoded by `enc.rs`: dynasm wants the scale,
//! the displacement size and the mnemonic at compile time, while here one function emits any ALU operation with a register,
//! state slot, spill slot or guest memory operand, and one (prefix, map, opcode) triple drives both the VEX and the legacy
//! SSE path. It also compiles in a fraction of the time.

mod abi;
mod analyze;
mod cc;
mod compiler;
mod emit_arith;
mod emit_atomic;
mod emit_bits;
mod emit_branch;
mod emit_call;
mod emit_fp;
mod emit_fp_conv;
mod emit_fp_int;
mod emit_fp_vec;
mod emit_lanes;
mod emit_mem;
mod emit_mul;
mod emit_shift;
mod emit_state;
mod emit_tlb;
mod emit_vec;
mod emit_vec_crypto;
mod emit_vec_estimate;
mod emit_vec_int;
mod emit_vec_pairs;
mod emit_vec_shift;
mod enc;
mod fallback;
mod features;
pub mod inline_cache;
mod link;
mod loops;
mod maps;
mod pins;
mod ranges;
mod regalloc;

pub use abi::{Runtime, want};
pub use compiler::Compiler;
pub use emit_fp::{FpSite, mxcsr, mxcsr_of};
pub use fallback::fallback;
pub use features::Features;
pub use loops::LOOP_ALIGN;
pub use maps::restore_state;
pub use pins::Pins;

use tcg_ir::{Block, HelperDef, StateLayout};

/// What a compilation depends on besides the block and the host's features.
#[derive(Clone, Copy, Debug)]
pub struct Opts {
    /// Other threads may run: atomics are locked and barriers real.
    pub parallel: bool,
    /// A block that jumps to itself may stay inside of its code until the interrupt flag is set.
    pub loops: bool,
    /// Guest memory is reached through the gs base; otherwise guest addresses are the host's.
    pub window: bool,
    /// The engine handles unmasked floating-point exceptions ([`mxcsr_of`]).
    pub unmask: bool,
    /// Guest memory is reached through this soft TLB, and links do not leave the page.
    pub mmu: Option<u8>,
    /// Instructions are counted (`EnvHeader::counter`).
    pub counted: bool,
    /// At most this many allocatable registers of each class (tests force spills with it); 0: all.
    pub max_regs: u8,
}

impl Default for Opts {
    fn default() -> Opts {
        Opts {
            parallel: true,
            loops: true,
            window: true,
            unmask: false,
            mmu: None,
            counted: false,
            max_regs: 0,
        }
    }
}

/// A patchable place in the code. The 4 bytes at `offset` lie within one aligned 8-byte word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkSite {
    /// Offset of the rel32 field.
    pub offset: u32,
    /// Offset behind the call of `LookupDirect` that the field leads to at first.
    pub stub: u32,
    /// Target address.
    pub pc: u64,
    /// Target mode.
    pub mode: u32,
}

/// The result of compiling a block.
#[derive(Clone, Debug, Default)]
pub struct CompiledBlock {
    /// Position-independent code: hot part, then cold part, then constants. The entry is at 0.
    pub code: Vec<u8>,
    /// Where the constants begin.
    pub constants: u32,
    /// Places to patch.
    pub links: Vec<LinkSite>,
    /// Location maps, for [`restore_state`].
    pub maps: Vec<u8>,
    /// Arithmetic that may be stopped at an inexact result.
    pub fp_sites: Vec<FpSite>,
    /// The code may go round inside, without leaving, until the interrupt flag is set.
    pub loops: bool,
}

/// The block needs more spill slots than there are: translate fewer guest instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooComplex;

/// Compiles one block with a fresh [`Compiler`]. The engine keeps a `Compiler` per thread instead.
pub fn compile(
    block: &Block,
    layout: &StateLayout,
    helpers: &[HelperDef],
    features: &Features,
    opts: &Opts,
) -> Result<CompiledBlock, TooComplex> {
    let mut c = Compiler::new(*features);
    c.compile(block, layout, helpers, opts)?;
    Ok(std::mem::take(c.result()))
}
