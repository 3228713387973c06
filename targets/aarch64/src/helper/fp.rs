//! Floating-point operations on lanes that the IR does not have, under the regime of a block mode. The operations are
//! the soft float's ([`tcg_softfloat::lanes`]).

use tcg_softfloat::lanes::{self, Desc};
use tcg_softfloat::{FloatStatus, arm};

use crate::state::Mode;

/// An operation and the block mode as the helper's integer argument.
pub fn pack(desc: Desc, mode: Mode) -> u64 {
    desc.pack() | (u64::from(mode.0) & 0x3f) << 32
}

/// A regime as the soft float has it.
fn status(mode: Mode) -> FloatStatus {
    let bits = mode.0;
    FloatStatus::arm_vfp(arm::rounding_mode(bits & 3), bits & 4 != 0, bits & 8 != 0)
        .with_arm_half(mode.flush_half(), bits & 16 != 0)
}

/// Runs an operation on all lanes. Gives the result and the sticky flags that it raised.
pub fn run(packed: u64, args: [u128; 3]) -> (u128, u32) {
    let Some(desc) = Desc::unpack(packed) else {
        return (0, 0);
    };
    let mut st = status(Mode((packed >> 32) as u32 & 0x3f));
    let r = lanes::run(&desc, args, &mut st);
    (r, st.flags.bits())
}
