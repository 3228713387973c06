//! Scalar floating-point operations that go through the software entirely: all of them while exceptions are
//! enabled, rare ones always. [PowerISA I.4.4, I.4.6]

use crate::fpscr::{self, VSR, VX, op};
use crate::state::PpcState;

/// Does the operation of `word` (code, target from bit 16) and records it. True if an enabled exception occurred.
pub fn run(s: &mut PpcState, word: u32, args: [u64; 3]) -> bool {
    let (code, target) = (word & 0xffff, word >> 16);
    let enables = s.fpscr as u32;
    if matches!(code & 0xff, op::CMPU | op::CMPO) {
        return compare(s, target, args, code & 0xff == op::CMPO);
    }
    let o = fpscr::compute(code, args, enables);
    let (trap, blocked) = fpscr::enabled(&o, enables);
    if blocked {
        // The target and FPRF stay, FR and FI are cleared.
        let fprf = (fpscr::read(s, 0) as u32) & fpscr::FPRF;
        s.fpx |= o.raised & fpscr::EXCEPTIONS;
        s.fprf = fprf;
        s.fp_op = 0;
        s.fp_compared = 0;
        return trap;
    }
    fpscr::record(s, o);
    if code & VSR != 0 {
        if let Some(v) = s.vsr.get_mut(target as usize) {
            *v = u128::from(o.result) << 64;
        }
    } else {
        s.set_fpr(target as usize, o.result);
    }
    trap
}

fn compare(s: &mut PpcState, field: u32, [a, b, _]: [u64; 3], ordered: bool) -> bool {
    let (nibble, raised) = fpscr::compare(a, b, ordered, s.fpscr as u32);
    set_compared(s, field, nibble);
    s.fpx |= raised;
    raised & fpscr::INVALID != 0 && s.fpscr as u32 & fpscr::VE != 0 && raised & VX == 0
}

/// The result of a comparison in a CR field and in FPCC.
pub fn set_compared(s: &mut PpcState, field: u32, nibble: u32) {
    if let Some(f) = s.cr.get_mut(field as usize) {
        *f = std::array::from_fn(|k| nibble >> (3 - k) & 1);
    }
    let last = fpscr::read(s, 0) as u32 & (fpscr::FR | fpscr::FI | fpscr::FPRF);
    s.fprf = last & !(0xf << 12) | nibble << 12;
    s.fp_op = 0;
    s.fp_compared = 0;
}
