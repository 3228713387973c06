//! The interface of an instruction set.

use tcg_ir::{Block, HelperDef, Slot, StateLayout};
use tcg_mem::{Access, GuestVa, MemFault};

/// Reads guest code: fills the buffer from an address, gives the number of bytes that are executable there.
pub type Fetch<'a> = dyn FnMut(GuestVa, &mut [u8]) -> Result<usize, MemFault> + 'a;

/// How far a block may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockLimits {
    /// Longest block in guest instructions (1 for `-one-insn-per-tb` and single steps).
    pub max_insns: u32,
    /// The block may not run often: nothing behind its first exit is translated, and nobody looks into its successors.
    pub brief: bool,
}

impl BlockLimits {
    /// A block that is worth its translation.
    pub const fn full(max_insns: u32) -> BlockLimits {
        BlockLimits {
            max_insns,
            brief: false,
        }
    }

    /// Whether a block of so many instructions and exits goes no further.
    pub fn reached(self, insns: u32, exits: usize) -> bool {
        insns >= self.max_insns.max(1) || self.brief && exits != 0
    }

    /// Whether successors are worth looking into.
    pub fn may_peek(self) -> bool {
        self.max_insns > 1 && !self.brief
    }
}

/// What a translation may look at besides the code itself.
pub struct TranslateCtx<'a> {
    /// Reads guest code: fills the buffer from an address, gives the number of bytes that are executable there.
    pub fetch: &'a mut Fetch<'a>,
    /// How far the block may go.
    pub limits: BlockLimits,
    /// Whether other threads (or processes through shared memory) may run: atomics and barriers must be real.
    pub parallel: bool,
    /// Whether loads may give what the block has stored before ([`tcg_ir::Builder::forward_stores`]).
    pub forward: bool,
}

/// A guest instruction set with one CPU model and one byte order chosen.
pub trait Isa: Send + Sync {
    /// Name for messages, such as `arm`.
    fn name(&self) -> &'static str;

    /// Layout of the state block.
    fn layout(&self) -> &'static StateLayout;

    /// Size of the whole state block in bytes (at least the layout's).
    fn state_bytes(&self) -> usize;

    /// Fills a state block with the reset state of the CPU model.
    fn reset(&self, state: &mut [u8]);

    /// Helpers that translations may call; `HelperId` is the index.
    fn helpers(&self) -> &'static [HelperDef];

    /// The block mode that the state calls for (asked after exits with `mode_dynamic`), given the mode bits
    /// that were current. At most 16 bits.
    fn mode(&self, state: &[u8], current: u32) -> u32;

    /// MXCSR-independent description of the two floating-point regimes in a mode.
    fn fp_modes(&self, mode: u32) -> [tcg_ir::FpMode; 2];

    /// Translates the block at `pc` (with tag bits) in `mode`. An instruction that cannot be fetched ends the
    /// block before it; if it is the first, its fault is the error.
    fn translate(&self, pc: u64, mode: u32, ctx: &mut TranslateCtx<'_>) -> Result<Block, MemFault>;

    /// An access of guest code failed at an address beyond the guest's memory (`fault.va`), at an instruction translated in
    /// `mode`. An ISA that ignores bits of addresses answers with a mode in which its translations mask them, and the
    /// instruction runs again; otherwise the fault is the guest's. So addresses are used as they are until a program
    /// that tags its pointers is seen, and from then on in the threads that do.
    fn retry_fault(&self, _mode: u32, _fault: &MemFault) -> Option<u32> {
        None
    }

    /// Where the address of a load-linked's reservation is: all ones if there is none. Its store-conditional sets it to a
    /// constant; nothing if the ISA has no such pairs.
    fn reservation(&self) -> Option<Slot> {
        None
    }

    /// Disassembles the instruction at `pc`: text and length in bytes.
    fn disassemble(&self, pc: u64, mode: u32, bytes: &[u8]) -> (String, usize);

    /// Registers as text, for `-d cpu` and crash reports. `pc` and `mode` as in the environment header.
    fn dump(&self, state: &[u8], pc: u64, mode: u32) -> String;

    /// The system level; nothing if the ISA has none (yet) or its CPU model is one for user mode.
    fn system(&self) -> Option<&dyn crate::System> {
        None
    }

    /// The registers as a debugger sees them; nothing if debugging is not supported.
    fn gdb(&self) -> Option<crate::gdb::GdbDescription> {
        None
    }
}

/// The engine's view of guest memory that holds code, supplied by the address space.
pub trait CodeMemory: Send + Sync {
    /// Copies executable bytes from `va`: at least one, stopping before the first page that is not executable.
    fn fetch(&self, va: GuestVa, buf: &mut [u8]) -> Result<usize, MemFault>;

    /// Translations of this range exist from now on: writes to it must fault. False if that cannot be had, so that
    /// the translations must be compared with the code each time.
    fn protect_code(&self, va: GuestVa, len: u64) -> bool;

    /// Whether what is executed here comes from a file that is mapped privately and cannot be written, so that it is likely
    /// to be there again when the program runs the next time.
    fn is_lasting(&self, _va: GuestVa) -> bool {
        false
    }

    /// A host fault hit a guest address. Called from the signal handler of the faulting thread.
    fn classify(&self, va: GuestVa, access: Access) -> WriteFault;

    /// Makes a protected page writable again, and the other mappings of what is behind it. `stale` is called for each
    /// page *before* any of them is writable: between that and the call's end nobody may make translations of them,
    /// so the engine's lock is held.
    fn release_code(&self, page: GuestVa, stale: &mut dyn FnMut(GuestVa, u64));
}

/// Who has made translations of guest code: the engine, as the address space sees it.
pub trait CodeUser: Send + Sync {
    /// Translations of this range are out of date: it was unmapped or mapped over.
    fn invalidate(&self, va: GuestVa, len: u64);

    /// A page with translations is about to be written by the host: they are given up, then the page is released
    /// ([`CodeMemory::release_code`]).
    fn release(&self, page: GuestVa);
}

/// What a host fault at a guest address means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteFault {
    /// The page is protected because it holds translated code: [`CodeMemory::release_code`] is to be called and the
    /// access tried again.
    Code(GuestVa),
    /// Try again: another thread has resolved it.
    Retry,
    /// The guest's own fault.
    Fault(MemFault),
}
