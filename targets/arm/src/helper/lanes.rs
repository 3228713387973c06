//! The soft float's operations on lanes, under a block mode's regime. [ARMv8 shared/functions/float]

use tcg_softfloat::FloatStatus;
use tcg_softfloat::lanes::{self, Desc};

use crate::state::Mode;

/// Which floating-point control holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regime {
    /// What FPSCR says.
    Fpscr,
    /// The standard one of Advanced SIMD, with FPSCR's FZ16 and AHP.
    Standard,
}

const STANDARD: u64 = 1 << 48;

/// An operation, a regime and the block mode as the helper's integer argument.
pub fn pack(desc: Desc, regime: Regime, mode: Mode) -> u64 {
    let standard = if regime == Regime::Standard {
        STANDARD
    } else {
        0
    };
    desc.pack() | u64::from(mode.without_it().0) << 32 | standard
}

/// The soft float's view of a regime.
fn status(mode: Mode, standard: bool) -> FloatStatus {
    let st = mode.status();
    match standard {
        true => FloatStatus::arm_neon_standard().with_arm_half(st.flush_f16, st.f16_alt),
        false => st,
    }
}

/// Runs an operation on all lanes. Gives the result and the sticky flags that it raised.
pub fn run(packed: u64, args: [u128; 3]) -> (u128, u32) {
    let Some(desc) = Desc::unpack(packed) else {
        return (0, 0);
    };
    let mut st = status(Mode((packed >> 32) as u32 & 0xffff), packed & STANDARD != 0);
    let r = lanes::run(&desc, args, &mut st);
    (r, st.flags.bits())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcg_softfloat::lanes::Soft;

    #[test]
    fn half_sum_under_each_regime() {
        let add = Desc::new(Soft::Add, 1, 1);
        // Two denormals: their sum, or zero under FZ16.
        let run = |fpscr, regime| run(pack(add, regime, Mode(0).with_fpscr(fpscr)), [1, 2, 0]);
        assert_eq!(run(0, Regime::Fpscr), (3, 0));
        assert_eq!(run(1 << 24, Regime::Fpscr), (3, 0));
        assert_eq!(run(1 << 19, Regime::Fpscr), (0, 0));
        assert_eq!(run(1 << 19, Regime::Standard), (0, 0));
        assert_eq!(run(0, Regime::Standard), (3, 0));
    }
}
