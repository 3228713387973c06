//! The floating-point environment that a block is translated for.

/// Rounding mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FpRound {
    /// To nearest, ties to even.
    Nearest = 0,
    /// Towards plus infinity.
    Up = 1,
    /// Towards minus infinity.
    Down = 2,
    /// Towards zero.
    Zero = 3,
    /// To nearest, ties away from zero (conversions only).
    NearestAway = 4,
    /// Whatever the block's regime says (conversions and rounding to integer).
    Current = 5,
}

impl FpRound {
    /// The mode with this number.
    pub const fn from_index(n: u8) -> FpRound {
        match n {
            0 => FpRound::Nearest,
            1 => FpRound::Up,
            2 => FpRound::Down,
            3 => FpRound::Zero,
            4 => FpRound::NearestAway,
            _ => FpRound::Current,
        }
    }
}

/// Which NaN an operation with NaN operands gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FpNan {
    /// The first signalling NaN operand made quiet, else the first quiet NaN operand (Arm; of a fused
    /// multiply-add the addend comes first).
    SignallingFirst,
    /// The first operand that is a NaN, made quiet (SSE).
    First,
    /// The first operand that is a NaN, where the addend of a fused multiply-add counts as the second (Power); a
    /// NaN becomes the least integer, and the flags tell why an operation was invalid.
    FirstThenAddend,
}

/// The floating-point environment of a block's regime: everything that decides the result of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FpMode {
    /// Rounding.
    pub round: FpRound,
    /// Denormal inputs and tiny results become zero.
    pub flush: bool,
    /// Every NaN result is the default NaN (positive quiet NaN without payload).
    pub default_nan: bool,
    /// The rule otherwise.
    pub nan: FpNan,
    /// Half-precision values use Arm's alternative format (no infinities or NaNs).
    pub alt_half: bool,
    /// Whether tininess is found before rounding (Arm, PowerPC) or after (x86, RISC-V).
    pub tiny_before: bool,
    /// Sticky flags are not touched.
    pub silent: bool,
}

impl FpMode {
    /// IEEE defaults with Arm's NaN rule.
    pub const IEEE: FpMode = FpMode {
        round: FpRound::Nearest,
        flush: false,
        default_nan: false,
        nan: FpNan::SignallingFirst,
        alt_half: false,
        tiny_before: true,
        silent: false,
    };

    /// Arm's standard FPSCR value, which A32 Advanced SIMD always uses.
    pub const FLUSHING: FpMode = FpMode {
        flush: true,
        default_nan: true,
        ..Self::IEEE
    };
}
