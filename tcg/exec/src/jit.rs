//! The translator to host code behind the engine. Not linked yet: this build interprets.

use tcg_ir::{Block, HelperFn};
use tcg_target::Isa;

/// The table behind `EnvHeader::helpers`: the ISA's own.
pub(crate) fn helper_table(isa: &dyn Isa) -> Box<[HelperFn]> {
    isa.helpers().iter().map(|h| h.func).collect()
}

/// A thread's compiler.
#[derive(Default)]
pub(crate) struct Compiler;

/// Host code of a block.
pub(crate) struct Compiled<'a> {
    pub code: &'a [u8],
    pub maps: &'a [u8],
}

impl Compiler {
    /// Compiles a block; `None` if it is too complex and has to be shorter.
    pub(crate) fn compile(
        &mut self,
        _block: &Block,
        _isa: &dyn Isa,
        _parallel: bool,
    ) -> Option<Compiled<'_>> {
        panic!("this build has no code generator: use the interpreter")
    }
}

/// Rebuilds the guest registers of a fault inside a block.
pub(crate) fn restore(
    _maps: &[u8],
    _offset: usize,
    _gprs: &[u64; 16],
    _xmms: &[u128; 16],
    _state: &mut [u8],
) -> Option<(u64, u32)> {
    None
}

/// MXCSR's sticky flags in softfloat's layout.
pub(crate) fn flags_of_mxcsr(mxcsr: u32) -> u32 {
    // MXCSR: invalid, denormal, divide by zero, overflow, underflow, precision. A denormal operand that is not
    // flushed raises no flag of the guest's; with DAZ the host does not tell.
    mxcsr & 1 | (mxcsr >> 1) & 0x1e
}
