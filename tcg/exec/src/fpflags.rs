//! Floating-point flags where tiny results are flushed: what the host does not tell as the guest wants it.
//!
//! Such a regime starts with denormal operands and inexact results unmasked (`tcg_x64::mxcsr_of`). The first denormal operand
//! is noted, and flushed by the host from then on. An inexact result makes the instruction run through the evaluator,
//! which knows whether it is inexact to the guest, too; once the guest's flags say that something was, nobody asks
//! any more. Invariant: while inexact results are unmasked, MXCSR does not have that flag.

use tcg_softfloat::Flags;
use tcg_target::EnvHeader;
use tcg_x64::{FpSite, mxcsr};

/// Adds bits to the control of every regime that flushes.
fn add(header: &mut EnvHeader, bits: u32) {
    for control in &mut header.mxcsr_guest {
        if *control & mxcsr::FTZ != 0 {
            *control |= bits;
        }
    }
}

/// Masks what the guest's flags have already. No generated code runs.
pub(crate) fn settle(header: &mut EnvHeader) {
    let known = Flags::from_bits_truncate(header.fp_flags);
    if known.contains(Flags::INPUT_DENORMAL) {
        add(header, mxcsr::DAZ | mxcsr::DM);
    }
    if known.contains(Flags::INEXACT) || header.mxcsr_sticky & mxcsr::PE != 0 {
        add(header, mxcsr::PM);
    }
}

/// Masks everything. DEVIATES: in a machine, whose front end takes no signals, the two flags are the host's.
pub(crate) fn mask(header: &mut EnvHeader) {
    add(header, mxcsr::DAZ | mxcsr::DM | mxcsr::PM);
}

/// An unmasked exception in generated code, `offset` bytes into a block: `host` is the MXCSR to go on with. Gives where to go
/// on if not at the same instruction.
pub(crate) fn unmasked(
    header: &mut EnvHeader,
    host: &mut u32,
    sites: &[FpSite],
    offset: usize,
) -> Option<usize> {
    let inexact = *host & mxcsr::PM == 0 && *host & mxcsr::PE != 0;
    if !inexact {
        header.fp_flags |= Flags::INPUT_DENORMAL.bits();
        add(header, mxcsr::DAZ | mxcsr::DM);
        *host = *host & !mxcsr::DE | mxcsr::DAZ | mxcsr::DM;
        return None;
    }
    *host &= !mxcsr::PE;
    let known = Flags::from_bits_truncate(header.fp_flags).contains(Flags::INEXACT);
    let site = sites
        .iter()
        .find(|s| (s.start as usize..s.end as usize).contains(&offset));
    match site {
        Some(s) if !known => Some(s.slow as usize),
        // What is no such arithmetic flushes no result: it is inexact as the host says.
        _ => {
            add(header, mxcsr::PM);
            *host |= mxcsr::PM;
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> EnvHeader {
        // SAFETY: integers and pointers that may be null.
        let mut h: EnvHeader = unsafe { std::mem::zeroed() };
        let fp = tcg_ir::FpMode::FLUSHING;
        h.mxcsr_guest = [mxcsr::MASKED, tcg_x64::mxcsr_of(fp)];
        h
    }

    #[test]
    fn denormal_operand_is_noted_once_and_flushed() {
        let mut h = header();
        let mut host = h.mxcsr_guest[1] | mxcsr::DE;
        assert_eq!(unmasked(&mut h, &mut host, &[], 0), None);
        assert_eq!(h.fp_flags, Flags::INPUT_DENORMAL.bits());
        assert_eq!(host & (mxcsr::DAZ | mxcsr::DM), mxcsr::DAZ | mxcsr::DM);
        assert_eq!(host & mxcsr::PM, 0);
        assert_eq!(h.mxcsr_guest[0], mxcsr::MASKED);
    }

    #[test]
    fn inexact_result_is_asked_about_until_one_is_known() {
        let mut h = header();
        let sites = [FpSite {
            start: 8,
            end: 20,
            slow: 100,
        }];
        let first = h.mxcsr_guest[1] | mxcsr::PE;
        let mut host = first;
        assert_eq!(unmasked(&mut h, &mut host, &sites, 12), Some(100));
        assert_eq!(host & (mxcsr::PE | mxcsr::PM), 0);
        h.fp_flags = Flags::INEXACT.bits();
        let mut host = first;
        assert_eq!(unmasked(&mut h, &mut host, &sites, 12), None);
        assert_ne!(host & mxcsr::PM, 0);
        assert_ne!(h.mxcsr_guest[1] & mxcsr::PM, 0);
    }
}
