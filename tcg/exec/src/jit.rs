//! The seam to the code generator, tcg-x64.

use crate::block::DirectLink;
use crate::engine::EngineConfig;
use tcg_ir::{Block, HelperFn};
use tcg_target::{EnvHeader, Isa};
use tcg_x64::{Features, FpSite, LinkSite, Opts, Pins};

/// The table behind `EnvHeader::helpers`: the ISA's own, then the code generator's evaluator.
pub(crate) fn helper_table(isa: &dyn Isa) -> Box<[HelperFn]> {
    let own = isa.helpers().iter().map(|h| h.func);
    own.chain([tcg_x64::fallback as HelperFn]).collect()
}

/// A thread's compiler: made when it is first needed.
#[derive(Default)]
pub(crate) struct Compiler(Option<tcg_x64::Compiler>);

pub(crate) fn host_features(cfg: &EngineConfig) -> Features {
    match cfg.baseline_host {
        true => Features::baseline(),
        false => Features::detect(),
    }
}

/// Host code of a block.
pub(crate) struct Compiled<'a> {
    pub code: &'a [u8],
    /// Where its constants begin.
    pub constants: usize,
    pub maps: &'a [u8],
    pub fp_sites: &'a [FpSite],
    pub links: Box<[DirectLink]>,
    pub loops: bool,
}

impl Compiler {
    /// Compiles a block; `None` if it is too complex and has to be shorter.
    pub(crate) fn compile(
        &mut self,
        block: &Block,
        isa: &dyn Isa,
        cfg: &EngineConfig,
        opts: Opts,
    ) -> Option<Compiled<'_>> {
        let compiler = self
            .0
            .get_or_insert_with(|| tcg_x64::Compiler::new(host_features(cfg)));
        let out = compiler
            .compile(block, isa.layout(), isa.helpers(), &opts)
            .ok()?;
        Some(Compiled {
            code: &out.code,
            constants: out.constants as usize,
            maps: &out.maps,
            fp_sites: &out.fp_sites,
            links: direct_links(&out.links),
            loops: out.loops,
        })
    }
}

/// A block's links, in the order of their stubs.
fn direct_links(links: &[LinkSite]) -> Box<[DirectLink]> {
    debug_assert!(links.is_sorted_by_key(|l| l.stub));
    let direct = |l: &LinkSite| DirectLink {
        stub: l.stub,
        site: l.offset,
        pc: l.pc,
        mode: l.mode,
    };
    links.iter().map(direct).collect()
}

/// Rebuilds the guest registers of a fault inside a block, `offset` bytes into its code. Gives pc and mode.
pub(crate) fn restore(
    maps: &[u8],
    offset: usize,
    gprs: &[u64; 16],
    xmms: &[u128; 16],
    header: &EnvHeader,
    state: &mut [u8],
    pins: Pins,
) -> Option<(u64, u32)> {
    tcg_x64::restore_state(maps, offset as u32, gprs, xmms, &header.spill, state, pins)
}

/// MXCSR's sticky flags in softfloat's layout.
pub(crate) fn flags_of_mxcsr(mxcsr: u32) -> u32 {
    // MXCSR: invalid, denormal, divide by zero, overflow, underflow, precision. A denormal operand that is not
    // flushed raises no flag of the guest's; with DAZ the host does not tell.
    mxcsr & 1 | (mxcsr >> 1) & 0x1e
}
