//! Quad-precision scalars. [PowerISA I.7.6.4]

use tcg_softfloat::{FloatStatus, IntRule, IntType, Round, f64, f128};

use super::fp::set_compared;
use crate::fpscr::{self, Outcome};
use crate::state::PpcState;

/// Codes of operations; [`ODD`] besides.
#[allow(missing_docs)]
pub mod op {
    pub const ADD: u32 = 0;
    pub const SUB: u32 = 1;
    pub const MUL: u32 = 2;
    pub const DIV: u32 = 3;
    pub const SQRT: u32 = 4;
    /// t = a × b + t, with the signs of the scalar fused operations (2 subtracts, 4 negates) from bit 8.
    pub const FUSED: u32 = 5;
    /// Comparisons: unordered, ordered.
    pub const CMPU: u32 = 6;
    pub const CMPO: u32 = 7;
    pub const TO_SD: u32 = 8;
    pub const TO_SW: u32 = 9;
    pub const TO_UD: u32 = 10;
    pub const TO_UW: u32 = 11;
    pub const FROM_SD: u32 = 12;
    pub const FROM_UD: u32 = 13;
    pub const FROM_DP: u32 = 14;
    pub const TO_DP: u32 = 15;
    /// To an integral value; the rounding (R, RMC) from bit 8, inexact at bit 11.
    pub const ROUND: u32 = 16;
    /// To the precision of x87; the rounding from bit 8.
    pub const ROUND_XP: u32 = 17;
}

/// Rounding to odd.
pub const ODD: u32 = 1 << 7;

/// The modes that R and RMC of the rounding instructions select.
fn selected(arg: u32, fpscr: u32) -> Round {
    match arg & 7 {
        0 => Round::NearestAway,
        3 => fpscr::rounding(fpscr),
        4 => Round::NearestEven,
        5 => Round::TowardZero,
        6 => Round::Up,
        7 => Round::Down,
        // UNPREDICTABLE: reserved.
        _ => Round::NearestEven,
    }
}

fn is_nan(v: u128) -> bool {
    v & !(1 << 127) > 0x7fff << 112
}

fn flip(v: u128) -> u128 {
    if is_nan(v) { v } else { v ^ 1 << 127 }
}

/// FPRF of a quad.
fn result_class(v: u128) -> u32 {
    let (e, f) = (v >> 112 & 0x7fff, v << 16);
    // As a double of the same class.
    let sign = (v >> 127) as u64;
    let double = match (e, f) {
        (0x7fff, 0) => 0x7ff0 << 48,
        (0x7fff, _) => 0x7ff8 << 48,
        (0, 0) => 0,
        (0, _) => 1,
        _ => 0x3ff0 << 48,
    };
    fpscr::class(double | sign << 63, false)
}

/// The CR field of xststdcqp.
pub fn class(v: u128, dcmx: u32) -> u32 {
    let negative = (v >> 127) as u32;
    let (e, f) = (v >> 112 & 0x7fff, v << 16);
    let bit = match (e, f) {
        (0x7fff, 0) => Some(5 - negative),
        (0x7fff, _) => Some(6),
        (0, 0) => Some(3 - negative),
        (0, _) => Some(1 - negative),
        _ => None,
    };
    let is = bit.is_some_and(|b| dcmx >> b & 1 != 0);
    negative << 3 | u32::from(is) << 1
}

fn arithmetic(
    number: u32,
    arg: u32,
    t: u128,
    [a, b, _]: [u128; 3],
    st: &mut FloatStatus,
) -> Option<u128> {
    Some(match number {
        op::ADD => f128::add(a, b, st),
        op::SUB => f128::sub(a, b, st),
        op::MUL => f128::mul(a, b, st),
        op::DIV => f128::div(a, b, st),
        op::SQRT => f128::sqrt(b, st),
        op::FUSED => {
            let c = if arg & 2 != 0 { flip(t) } else { t };
            let r = f128::mul_add(a, b, c, st);
            if arg & 4 != 0 { flip(r) } else { r }
        }
        op::ROUND => f128::round_to_int(b, st.round, arg & 8 != 0, st),
        op::ROUND_XP => {
            // Through the extended format and back: the same exponent range.
            let r = f128::to_f80(b, st);
            tcg_softfloat::f80::to_f128(r, st)
        }
        op::FROM_SD => f128::from_i64((b >> 64) as i64, 0, st),
        op::FROM_UD => f128::from_u64((b >> 64) as u64, 0, st),
        op::FROM_DP => f64::to_f128((b >> 64) as u64, st),
        _ => return None,
    })
}

fn to_integer(number: u32, b: u128, st: &mut FloatStatus) -> Option<u64> {
    let ty = match number {
        op::TO_SD => IntType::I64,
        op::TO_SW => IntType::I32,
        op::TO_UD => IntType::U64,
        op::TO_UW => IntType::U32,
        _ => return None,
    };
    Some(f128::to_int(
        b,
        ty,
        0,
        Round::TowardZero,
        IntRule::SaturateNanLeast,
        st,
    ))
}

/// For an enabled overflow or underflow: the exception, and the power of two that the result is multiplied by.
/// [PowerISA I.7.4.3, I.7.4.4]
fn adjustment(number: u32, result: u128, raised: u32, fpscr: u32) -> Option<(u32, i32)> {
    let double = number == op::TO_DP;
    if matches!(number, op::TO_SD..=op::TO_UW) {
        return None;
    }
    let bias = if double { 1536 } else { 24576 };
    let exponent = if double { 0x7ff << 116 } else { 0x7fff << 112 };
    let tiny = raised & fpscr::UX != 0 || result & exponent == 0 && result << 1 != 0;
    if raised & fpscr::OX != 0 && fpscr & fpscr::OE != 0 {
        Some((fpscr::OX, -bias))
    } else if tiny && fpscr & fpscr::UE != 0 {
        Some((fpscr::UX, bias))
    } else {
        None
    }
}

/// Operands whose result is 2^`by` times as large. What gets lost of one that is far smaller than another keeps its last
/// bit set, which is all that rounding asks of it.
fn scaled(number: u32, t: u128, [a, b, c]: [u128; 3], by: i32) -> (u128, [u128; 3]) {
    let mut st = FloatStatus {
        round: Round::Odd,
        ..FloatStatus::default()
    };
    let mut times = |v: u128, by: i32| f128::scalb(v, by, &mut st);
    match number {
        op::MUL | op::FUSED => (times(t, by), [times(a, by / 2), times(b, by / 2), c]),
        op::DIV => (t, [times(a, by / 2), times(b, -by / 2), c]),
        _ => (t, [times(a, by), times(b, by), c]),
    }
}

/// Does the operation. True if an enabled exception occurred.
pub fn run(s: &mut PpcState, what: u32, t: usize, args: [u128; 3]) -> bool {
    let (number, arg) = (what & 0x7f, what >> 8);
    let fpscr_now = s.fpscr as u32;
    if matches!(number, op::CMPU | op::CMPO) {
        return compare(s, t, args, number == op::CMPO);
    }
    let modes = |round: Option<Round>| {
        let mut st = fpscr::status(fpscr_now);
        st.round = match (what & ODD != 0, number) {
            (true, _) => Round::Odd,
            (_, op::ROUND | op::ROUND_XP) => selected(arg, fpscr_now),
            _ => st.round,
        };
        st.round = round.unwrap_or(st.round);
        st
    };
    let old = s.vsr[t & 63];
    let compute = |old: u128, args: [u128; 3], st: &mut FloatStatus| -> (u128, u32) {
        if let Some(v) = to_integer(number, args[1], st) {
            return (u128::from(v) << 64, 0);
        }
        if number == op::TO_DP {
            let v = f128::to_f64(args[1], st);
            return (u128::from(v) << 64, fpscr::class(v, false));
        }
        let mut v = arithmetic(number, arg, old, args, st).unwrap_or(0);
        // Rounding to odd: what overflows is an infinity, not the largest number. [PowerISA I.7.3.2.6]
        if st.round == Round::Odd && st.flags.contains(tcg_softfloat::Flags::OVERFLOW) {
            v = v & 1 << 127 | 0x7fff << 112;
        }
        (v, result_class(v))
    };
    let mut st = modes(None);
    let (mut result, mut class) = compute(old, args, &mut st);
    let mut raised = fpscr::from_flags(st.flags.bits());
    let (mut old, mut args) = (old, args);
    if let Some((exception, by)) = adjustment(number, result, raised, fpscr_now) {
        // XX, FI and FR are those of the adjusted value.
        (old, args) = scaled(number, old, args, by);
        let mut st = modes(None);
        (result, class) = compute(old, args, &mut st);
        raised = raised & !fpscr::XX | exception | fpscr::from_flags(st.flags.bits()) & fpscr::XX;
    }
    let mut last = class;
    if raised & fpscr::XX != 0 {
        last |= fpscr::FI;
        let (truncated, _) = compute(old, args, &mut modes(Some(Round::TowardZero)));
        if result << 1 > truncated << 1 {
            last |= fpscr::FR;
        }
    }
    let mut o = Outcome {
        result: 0,
        raised,
        last,
        keeps_fprf: matches!(number, op::TO_SD..=op::TO_UW),
    };
    let (trap, blocked) = fpscr::enabled(&o, fpscr_now);
    // What keeps the target from being written leaves FPRF, too. [PowerISA I.7.4.1]
    o.keeps_fprf |= blocked;
    fpscr::record(s, o);
    if !blocked {
        s.vsr[t & 63] = result;
    }
    trap
}

fn compare(s: &mut PpcState, field: usize, [a, b, _]: [u128; 3], ordered: bool) -> bool {
    let mut st = fpscr::status(s.fpscr as u32);
    let order = match ordered {
        true => f128::compare_signaling(a, b, &mut st),
        false => f128::compare_quiet(a, b, &mut st),
    };
    let (nibble, raised) = fpscr::compared(order, st.flags.bits(), s.fpscr as u32);
    set_compared(s, field as u32 & 7, nibble);
    s.fpx |= raised;
    raised & fpscr::INVALID != 0 && s.fpscr as u32 & fpscr::VE != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: u128 = 0x3fff << 112;

    /// [PowerISA I.7.6.1, xscmpoqp]
    #[test]
    fn signalling_nan_is_an_invalid_comparison_only_if_not_enabled() {
        let (quiet, signalling) = (0xffff << 111, 0x7fff << 112 | 1);
        let run = |fpscr: u32, a, ordered| {
            let mut s = PpcState {
                fpscr: u64::from(fpscr),
                ..PpcState::default()
            };
            let trap = compare(&mut s, 1, [a, ONE, 0], ordered);
            (trap, s.fpx & fpscr::EXCEPTIONS)
        };
        let (vxsnan, vxvc) = (fpscr::VXSNAN, fpscr::VXVC);
        assert_eq!(run(0, signalling, true), (false, vxsnan | vxvc));
        assert_eq!(run(fpscr::VE, signalling, true), (true, vxsnan));
        assert_eq!(run(fpscr::VE, quiet, true), (true, vxvc));
        assert_eq!(run(fpscr::VE, signalling, false), (true, vxsnan));
        assert_eq!(run(fpscr::VE, quiet, false), (false, 0));
    }

    /// The exponent is moved by 24576; XX is that of the result so adjusted.
    #[test]
    fn enabled_overflow_and_underflow_adjust_the_exponent() {
        let run = |fpscr: u32, number, args| {
            let mut s = PpcState {
                fpscr: u64::from(fpscr),
                ..PpcState::default()
            };
            let trap = run(&mut s, number, 3, args);
            (
                trap,
                s.vsr[3],
                fpscr::read(&s, 0) as u32 & fpscr::EXCEPTIONS,
            )
        };
        let power = |e: i32| ((e + 16383) as u128) << 112;
        let (ue, oe) = (fpscr::UE, fpscr::OE);
        // A denormal sum is exact, and an underflow if that is enabled.
        assert_eq!(run(ue, op::ADD, [1, 1, 0]), (true, power(8083), fpscr::UX));
        assert_eq!(run(0, op::ADD, [1, 1, 0]), (false, 2, 0));
        let product = run(ue, op::MUL, [power(-16000), power(-10000), 0]);
        assert_eq!(product, (true, power(-1424), fpscr::UX));
        let quotient = run(oe, op::DIV, [power(16000), power(-10000), 0]);
        assert_eq!(quotient, (true, power(1424), fpscr::OX));
        let sum = run(oe, op::ADD, [power(16383), power(16383), 0]);
        assert_eq!(sum, (true, power(-8192), fpscr::OX));
        let narrow = run(ue, op::TO_DP, [0, power(-1080), 0]);
        assert_eq!(
            narrow,
            (true, u128::from((456u64 + 1023) << 52) << 64, fpscr::UX)
        );
    }

    #[test]
    fn an_enabled_invalid_operation_leaves_target_and_class() {
        let mut s = PpcState::default();
        assert!(!run(&mut s, op::DIV, 3, [ONE | 1 << 127, ONE, 0]));
        let negative = fpscr::read(&s, 0) as u32 & fpscr::FPRF;
        assert_eq!((s.vsr[3], negative >> 12), (ONE | 1 << 127, 0b01000));
        s.fpscr = u64::from(fpscr::VE);
        assert!(run(&mut s, op::DIV, 3, [0, 0, 0]));
        let now = fpscr::read(&s, 0) as u32;
        assert_eq!((s.vsr[3], now & fpscr::FPRF), (ONE | 1 << 127, negative));
        assert!(now & fpscr::VXZDZ != 0);
    }
}
