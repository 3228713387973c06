//! FPSCR, and scalar arithmetic in software with everything that it records. [PowerISA I.4.2.2, I.4.4, I.4.6]
//!
//! Sticky bits are the sum of three: those of the last write (`PpcState::fpscr`), those that helpers raised since
//! (`fpx`) and the environment's sticky flags. FR, FI and FPRF belong to the last operation, which is done again
//! here when somebody looks. Tininess is detected before rounding.

use tcg_softfloat::{
    Flags, FloatStatus, IntRule, IntType, NanRule, Ordering, Round, f32, f64, f64_to_f32, f128,
};

use crate::state::PpcState;

/// Summary of all exceptions.
pub const FX: u32 = 1 << 31;
/// An enabled exception.
pub const FEX: u32 = 1 << 30;
/// Summary of the reasons for invalid operations.
pub const VX: u32 = 1 << 29;
/// Overflow.
pub const OX: u32 = 1 << 28;
/// Underflow.
pub const UX: u32 = 1 << 27;
/// Division by zero.
pub const ZX: u32 = 1 << 26;
/// Inexact.
pub const XX: u32 = 1 << 25;
/// Signalling NaN.
pub const VXSNAN: u32 = 1 << 24;
/// Infinity minus infinity.
pub const VXISI: u32 = 1 << 23;
/// Infinity by infinity.
pub const VXIDI: u32 = 1 << 22;
/// Zero by zero.
pub const VXZDZ: u32 = 1 << 21;
/// Infinity times zero.
pub const VXIMZ: u32 = 1 << 20;
/// Invalid comparison.
pub const VXVC: u32 = 1 << 19;
/// Fraction rounded up.
pub const FR: u32 = 1 << 18;
/// Fraction inexact.
pub const FI: u32 = 1 << 17;
/// Class of the result: C, FL, FG, FE, FU.
pub const FPRF: u32 = 0x1f << 12;
/// Software request.
pub const VXSOFT: u32 = 1 << 10;
/// Invalid square root.
pub const VXSQRT: u32 = 1 << 9;
/// Invalid conversion to an integer.
pub const VXCVI: u32 = 1 << 8;
/// Invalid operations are enabled.
pub const VE: u32 = 1 << 7;
/// Overflow is enabled.
pub const OE: u32 = 1 << 6;
/// Underflow is enabled.
pub const UE: u32 = 1 << 5;
/// Division by zero is enabled.
pub const ZE: u32 = 1 << 4;
/// Inexact is enabled.
pub const XE: u32 = 1 << 3;
/// Flush to zero, without effect here.
pub const NI: u32 = 1 << 2;
/// Rounding mode.
pub const RN: u32 = 3;
/// All enables.
pub const ENABLES: u32 = VE | OE | UE | ZE | XE;
/// All reasons for invalid operations.
pub const INVALID: u32 = VXSNAN | VXISI | VXIDI | VXZDZ | VXIMZ | VXVC | VXSOFT | VXSQRT | VXCVI;
/// All sticky exception bits but the summaries.
pub const EXCEPTIONS: u32 = OX | UX | ZX | XX | INVALID;
/// What belongs to the last operation.
const LAST: u32 = FR | FI | FPRF;

/// In an operation's code: the result is rounded to single precision.
pub const SINGLE: u32 = 0x100;
/// In an operation's code: the target is a VSR, whose other doubleword becomes 0.
pub const VSR: u32 = 0x200;

/// Codes of operations.
#[allow(missing_docs)]
pub mod op {
    pub const ADD: u32 = 1;
    pub const SUB: u32 = 2;
    pub const MUL: u32 = 3;
    pub const DIV: u32 = 4;
    pub const SQRT: u32 = 5;
    pub const MADD: u32 = 6;
    pub const MSUB: u32 = 7;
    pub const NMADD: u32 = 8;
    pub const NMSUB: u32 = 9;
    pub const RSP: u32 = 10;
    pub const CTID: u32 = 11;
    pub const CTIDZ: u32 = 12;
    pub const CTIDU: u32 = 13;
    pub const CTIDUZ: u32 = 14;
    pub const CTIW: u32 = 15;
    pub const CTIWZ: u32 = 16;
    pub const CTIWU: u32 = 17;
    pub const CTIWUZ: u32 = 18;
    pub const CFID: u32 = 19;
    pub const CFIDS: u32 = 20;
    pub const CFIDU: u32 = 21;
    pub const CFIDUS: u32 = 22;
    pub const RIN: u32 = 23;
    pub const RIZ: u32 = 24;
    pub const RIP: u32 = 25;
    pub const RIM: u32 = 26;
    /// To an integral value in the current mode; inexact is recorded.
    pub const RIC: u32 = 27;
    pub const RE: u32 = 28;
    pub const RSQRTE: u32 = 29;
    /// Comparisons: the target is a CR field.
    pub const CMPU: u32 = 30;
    pub const CMPO: u32 = 31;
}

/// What an operation does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The result.
    pub result: u64,
    /// Exception bits of FPSCR.
    pub raised: u32,
    /// FR, FI and FPRF.
    pub last: u32,
    /// FPRF is left as it was (conversions to integers).
    pub keeps_fprf: bool,
}

/// The soft float's modes for a value of FPSCR.
pub fn status(fpscr: u32) -> FloatStatus {
    FloatStatus {
        nan_rule: NanRule::Ppc,
        ..FloatStatus::ppc(rounding(fpscr))
    }
}

/// FPSCR.RN.
pub fn rounding(fpscr: u32) -> Round {
    match fpscr & 3 {
        0 => Round::NearestEven,
        1 => Round::TowardZero,
        2 => Round::Up,
        _ => Round::Down,
    }
}

/// Sticky flags as bits of FPSCR.
pub fn from_flags(flags: u32) -> u32 {
    const MAP: [(Flags, u32); 12] = [
        (Flags::DIV_BY_ZERO, ZX),
        (Flags::OVERFLOW, OX),
        (Flags::UNDERFLOW, UX),
        (Flags::INEXACT, XX),
        (Flags::WHY_SNAN, VXSNAN),
        (Flags::WHY_INF_MINUS_INF, VXISI),
        (Flags::WHY_INF_BY_INF, VXIDI),
        (Flags::WHY_ZERO_BY_ZERO, VXZDZ),
        (Flags::WHY_INF_TIMES_ZERO, VXIMZ),
        (Flags::WHY_ROOT, VXSQRT),
        (Flags::WHY_CONVERSION, VXCVI),
        (Flags::WHY_COMPARISON, VXVC),
    ];
    // Nothing, or what nearly every operation raises.
    match flags & (Flags::all() - Flags::INEXACT).bits() {
        0 if flags & Flags::INEXACT.bits() != 0 => return XX,
        0 => return 0,
        _ => {}
    }
    MAP.iter()
        .filter(|(f, _)| flags & f.bits() != 0)
        .fold(0, |set, (_, bit)| set | bit)
}

/// FPRF of a double; `single`: denormal by single precision's range.
pub fn class(v: u64, single: bool) -> u32 {
    let negative = v >> 63 != 0;
    let (exponent, fraction) = (v >> 52 & 0x7ff, v & ((1 << 52) - 1));
    let least = if single { 897 } else { 1 };
    let fprf = match (exponent, fraction) {
        (0x7ff, 0) => 0b00101,
        (0x7ff, _) => return 0b10001 << 12,
        (0, 0) => 0b10010,
        (e, _) if e < least => 0b10100,
        _ => 0b00100,
    };
    // The sign turns "greater" into "less"; a zero has C set if it is negative.
    let fprf = match (negative, fprf) {
        (true, 0b10010) => 0b10010,
        (false, 0b10010) => 0b00010,
        (true, f) => f & !0b00100 | 0b01000,
        (false, f) => f,
    };
    fprf << 12
}

/// Does a sum, product, quotient, root or fused multiply-add in one format; `a`, `b`, `c` as in the IR: a × b + c.
fn arithmetic(code: u32, [a, b, c]: [u64; 3], st: &mut FloatStatus) -> u64 {
    let single = code & SINGLE != 0;
    let wide = widen;
    let flip = |v: u64| {
        if v & !(1 << 63) > 0x7ff0 << 48 {
            v
        } else {
            v ^ 1 << 63
        }
    };
    match (code & 0xff, single) {
        (op::ADD, false) => f64::add(a, b, st),
        (op::SUB, false) => f64::sub(a, b, st),
        (op::MUL, false) => f64::mul(a, b, st),
        (op::DIV, false) => f64::div(a, b, st),
        (op::SQRT, false) => f64::sqrt(a, st),
        (op::ADD, true) => wide(f64_to_f32::add(a, b, st)),
        (op::SUB, true) => wide(f64_to_f32::sub(a, b, st)),
        (op::MUL, true) => wide(f64_to_f32::mul(a, b, st)),
        (op::DIV, true) => wide(f64_to_f32::div(a, b, st)),
        (op::SQRT, true) => wide(f64_to_f32::sqrt(a, st)),
        (o, _) => {
            let c = if matches!(o, op::MSUB | op::NMSUB) {
                flip(c)
            } else {
                c
            };
            let r = match single {
                false => f64::mul_add(a, b, c, st),
                true => wide(f64_to_f32::mul_add(a, b, c, st)),
            };
            if matches!(o, op::NMADD | op::NMSUB) {
                flip(r)
            } else {
                r
            }
        }
    }
}

/// The value of an enabled overflow or underflow: the exponent moved into range. XX, FI and FR are those of this value:
/// whether its significand was rounded. [PowerISA I.4.4.3, I.4.4.5]
fn adjust(o: &mut Outcome, code: u32, args: [u64; 3], fpscr: u32, overflow: bool) {
    let round = |st: &mut FloatStatus| adjusted(code, args, fpscr, overflow, st);
    let (result, raised, last) = rounded(fpscr, round);
    o.result = result;
    o.raised = o.raised & !XX | raised & XX;
    o.last = o.last & !(FI | FR) | last;
}

/// That value; `modes` says how it is rounded.
fn adjusted(code: u32, args: [u64; 3], fpscr: u32, overflow: bool, modes: &mut FloatStatus) -> u64 {
    let mut st = status(fpscr);
    st.round = Round::Odd;
    let [a, b, mut c] = args.map(|v| f64::to_f128(v, &mut st));
    let o = code & 0xff;
    if matches!(o, op::MSUB | op::NMSUB) {
        c ^= 1 << 127;
    }
    let r = match o {
        op::ADD => f128::add(a, b, &mut st),
        op::SUB => f128::sub(a, b, &mut st),
        op::MUL => f128::mul(a, b, &mut st),
        op::DIV => f128::div(a, b, &mut st),
        op::SQRT => f128::sqrt(a, &mut st),
        op::MADD | op::MSUB | op::NMADD | op::NMSUB => f128::mul_add(a, b, c, &mut st),
        _ => a,
    };
    let single = code & SINGLE != 0 || o == op::RSP;
    let bias = if single { 192 } else { 1536 };
    let r = f128::scalb(r, if overflow { -bias } else { bias }, &mut st);
    let r = match single {
        false => f128::to_f64(r, modes),
        true => f32::to_f64(f128::to_f32(r, modes), modes),
    };
    if matches!(o, op::NMADD | op::NMSUB) {
        r ^ 1 << 63
    } else {
        r
    }
}

/// Flags of an operation, with FI and FR.
fn rounded(fpscr: u32, f: impl Fn(&mut FloatStatus) -> u64) -> (u64, u32, u32) {
    let mut st = status(fpscr);
    let r = f(&mut st);
    let raised = from_flags(st.flags.bits());
    let last = match (raised & XX != 0, st.rounded_up) {
        (false, _) => 0,
        (true, false) => FI,
        (true, true) => FI | FR,
    };
    (r, raised, last)
}

fn arithmetic_outcome(code: u32, args: [u64; 3], fpscr: u32) -> Outcome {
    let single = code & SINGLE != 0;
    let (result, raised, last) = rounded(fpscr, |st| arithmetic(code, args, st));
    finished(code, args, fpscr, single, (result, raised, last))
}

/// The outcome of an operation whose result and flags are these, after enabled overflow and underflow.
fn finished(
    code: u32,
    args: [u64; 3],
    fpscr: u32,
    single: bool,
    (result, raised, last): (u64, u32, u32),
) -> Outcome {
    let mut o = Outcome {
        result,
        raised,
        last,
        keeps_fprf: false,
    };
    if raised & OX != 0 && fpscr & OE != 0 {
        adjust(&mut o, code, args, fpscr, true);
    } else if fpscr & UE != 0 && tiny(result, single, raised) {
        o.raised |= UX;
        adjust(&mut o, code, args, fpscr, false);
    }
    o.last |= class(o.result, single);
    o
}

/// Whether an enabled underflow happens: denormal results count even if they are exact.
fn tiny(result: u64, single: bool, raised: u32) -> bool {
    let least = if single { 897u64 } else { 1 } << 52;
    let magnitude = result & !(1 << 63);
    raised & UX != 0 || magnitude != 0 && magnitude < least
}

/// A conversion to an integer.
fn to_integer(code: u32, a: u64, fpscr: u32) -> Outcome {
    let (ty, zero) = match code {
        op::CTID => (IntType::I64, false),
        op::CTIDZ => (IntType::I64, true),
        op::CTIDU => (IntType::U64, false),
        op::CTIDUZ => (IntType::U64, true),
        op::CTIW => (IntType::I32, false),
        op::CTIWZ => (IntType::I32, true),
        op::CTIWU => (IntType::U32, false),
        _ => (IntType::U32, true),
    };
    let mut st = status(fpscr);
    let round = if zero {
        Round::TowardZero
    } else {
        rounding(fpscr)
    };
    let convert =
        |round, st: &mut FloatStatus| f64::to_int(a, ty, 0, round, IntRule::SaturateNanLeast, st);
    let result = convert(round, &mut st);
    let raised = from_flags(st.flags.bits());
    let mut last = if raised & XX != 0 { FI } else { 0 };
    if last != 0 {
        let truncated = convert(Round::TowardZero, &mut st);
        last |= if result != truncated { FR } else { 0 };
    }
    Outcome {
        result,
        raised,
        last,
        keeps_fprf: true,
    }
}

fn from_integer(code: u32, a: u64, fpscr: u32) -> Outcome {
    let single = matches!(code, op::CFIDS | op::CFIDUS);
    let signed = matches!(code, op::CFID | op::CFIDS);
    let (result, raised, last) = rounded(fpscr, |st| match (single, signed) {
        (false, true) => f64::from_i64(a as i64, 0, st),
        (false, false) => f64::from_u64(a, 0, st),
        (true, true) => widen(f32::from_i64(a as i64, 0, st)),
        (true, false) => widen(f32::from_u64(a, 0, st)),
    });
    Outcome {
        result,
        raised,
        last: last | class(result, single),
        keeps_fprf: false,
    }
}

fn widen(v: u32) -> u64 {
    // A NaN keeps what it carries.
    match v & 0x7fff_ffff {
        n @ 0x7f80_0001.. => {
            u64::from(v >> 31) << 63 | 0x7ff << 52 | u64::from(n & 0x7f_ffff) << 29
        }
        _ => f32::to_f64(v, &mut FloatStatus::default()),
    }
}

fn to_integral(code: u32, a: u64, fpscr: u32) -> Outcome {
    let round = match code {
        op::RIN => Round::NearestAway,
        op::RIZ => Round::TowardZero,
        op::RIP => Round::Up,
        op::RIM => Round::Down,
        _ => rounding(fpscr),
    };
    let mut st = status(fpscr);
    let result = f64::round_to_int(a, round, code == op::RIC, &mut st);
    let raised = from_flags(st.flags.bits());
    let mut last = 0;
    if raised & XX != 0 {
        last |= FI;
        let truncated = f64::round_to_int(a, Round::TowardZero, false, &mut st);
        last |= if result << 1 > truncated << 1 { FR } else { 0 };
    }
    Outcome {
        result,
        raised,
        last: last | class(result, false),
        keeps_fprf: false,
    }
}

/// Estimates, computed as the exact reciprocal rounded once (and the root before it).
fn estimate(code: u32, a: u64, fpscr: u32) -> Outcome {
    let single = code & SINGLE != 0;
    let one = 0x3ff0 << 48;
    if code & 0xff == op::RE {
        let mut o = arithmetic_outcome(op::DIV | code & SINGLE, [one, a, 0], fpscr);
        o.raised &= !XX;
        o.last &= !(FI | FR);
        return o;
    }
    let mut st = status(fpscr);
    let root = f64::sqrt(a, &mut st);
    let result = match single {
        false => f64::div(one, root, &mut st),
        true => widen(f64_to_f32::div(one, root, &mut st)),
    };
    // Whether an estimate is inexact is not recorded.
    let raised = from_flags(st.flags.bits()) & !XX;
    Outcome {
        result,
        raised,
        last: class(result, single),
        keeps_fprf: false,
    }
}

/// Does an operation.
pub fn compute(code: u32, args: [u64; 3], fpscr: u32) -> Outcome {
    match code & 0xff {
        op::RSP => {
            let round = |st: &mut FloatStatus| widen(f64::to_f32(args[0], st));
            finished(code, args, fpscr, true, rounded(fpscr, round))
        }
        c @ op::CTID..=op::CTIWUZ => to_integer(c, args[0], fpscr),
        c @ op::CFID..=op::CFIDUS => from_integer(c, args[0], fpscr),
        c @ op::RIN..=op::RIC => to_integral(c, args[0], fpscr),
        op::RE | op::RSQRTE => estimate(code, args[0], fpscr),
        _ => arithmetic_outcome(code, args, fpscr),
    }
}

/// A comparison: LT, GT, EQ, FU as a nibble, and the exceptions.
pub fn compare(a: u64, b: u64, ordered: bool, fpscr: u32) -> (u32, u32) {
    let is_nan = |v: u64| v << 1 > 0xffe0 << 48;
    if !is_nan(a) && !is_nan(b) {
        // As integers that are ordered alike; both zeros are 0.
        let key = |v: u64| match (v << 1 >> 1) as i64 {
            m if v >> 63 != 0 => -m,
            m => m,
        };
        let nibble = match key(a).cmp(&key(b)) {
            std::cmp::Ordering::Less => 8,
            std::cmp::Ordering::Greater => 4,
            std::cmp::Ordering::Equal => 2,
        };
        return (nibble, 0);
    }
    let mut st = status(fpscr);
    let order = match ordered {
        true => f64::compare_signaling(a, b, &mut st),
        false => f64::compare_quiet(a, b, &mut st),
    };
    compared(order, st.flags.bits(), fpscr)
}

/// The CR field and the exceptions of a comparison that gave this order and these flags.
pub fn compared(order: Ordering, flags: u32, fpscr: u32) -> (u32, u32) {
    let nibble = match order {
        Ordering::Less => 8,
        Ordering::Greater => 4,
        Ordering::Equal => 2,
        Ordering::Unordered => 1,
    };
    let mut raised = from_flags(flags);
    // A signalling NaN is an invalid comparison only where invalid operations are not enabled.
    if raised & VXSNAN != 0 && fpscr & VE != 0 {
        raised &= !VXVC;
    }
    (nibble, raised)
}

/// FPSCR's summaries.
const fn summarise(v: u32) -> u32 {
    let mut v = v & !(VX | FEX);
    if v & INVALID != 0 {
        v |= VX;
    }
    // VX, OX, UX, ZX, XX lie above their enables by the same distance.
    if v >> 22 & v & ENABLES != 0 {
        v |= FEX;
    }
    v
}

/// FPSCR as the program reads it; `sticky`: the environment's flags.
pub fn read(s: &PpcState, sticky: u32) -> u64 {
    let base = s.fpscr as u32 & !LAST;
    let raised = (from_flags(sticky) | s.fpx) & EXCEPTIONS;
    let mut v = base | raised;
    if raised & !base != 0 {
        v |= FX;
    }
    v |= last_bits(s);
    s.fpscr & !0xffff_ffff | u64::from(summarise(v))
}

/// FR, FI and FPRF.
fn last_bits(s: &PpcState) -> u32 {
    let mut last = s.fprf & LAST;
    if s.fp_op != 0 {
        let o = compute(s.fp_op, s.fp_args, s.fpscr as u32);
        last = match (o.keeps_fprf, o.raised & INVALID != 0) {
            // UNPREDICTABLE: a conversion to an integer leaves FPRF undefined: it stays.
            (true, _) => o.last | last & FPRF,
            (false, false) => o.last,
            (false, true) => o.last & FPRF,
        };
    }
    if s.fp_compared != 0 {
        let (nibble, _) = compare(s.fp_cmp[0], s.fp_cmp[1], false, 0);
        last = last & !(0xf << 12) | nibble << 12;
    }
    last
}

/// Replaces all of FPSCR. The environment's sticky flags have to be cleared, the block mode has to follow.
pub fn write(s: &mut PpcState, value: u64) {
    let v = summarise(value as u32 & !(1 << 11));
    s.fpscr = value & 7 << 32 | u64::from(v);
    s.fprf = v & LAST;
    s.fpx = 0;
    s.fp_op = 0;
    s.fp_compared = 0;
}

/// Replaces the bits under `mask`, but for the summaries FEX and VX.
pub fn write_masked(s: &mut PpcState, sticky: u32, value: u64, mask: u64) {
    let mask = mask & !u64::from(FEX | VX);
    let modes_only = mask & !u64::from(ENABLES | NI | RN) == 0;
    if modes_only && s.fpscr as u32 & ENABLES == 0 && (s.fpscr ^ value) & mask == 0 {
        // Nothing changes: what has not been looked at yet need not be now.
        s.fpx |= from_flags(sticky) & EXCEPTIONS;
        return;
    }
    let old = match mask as u32 | FEX | VX {
        u32::MAX => s.fpscr,
        _ => read(s, sticky),
    };
    write(s, old & !mask | value & mask);
}

/// Notes an operation's exceptions and last bits, done by a helper.
pub fn record(s: &mut PpcState, o: Outcome) {
    s.fpx |= o.raised & EXCEPTIONS;
    let old = last_bits(s);
    let last = if o.raised & INVALID != 0 {
        o.last & FPRF
    } else {
        o.last
    };
    s.fprf = if o.keeps_fprf {
        last & !FPRF | old & FPRF
    } else {
        last
    };
    s.fp_op = 0;
    s.fp_compared = 0;
}

/// The exceptions of an outcome that are enabled, and whether they keep the target from being written.
pub fn enabled(o: &Outcome, fpscr: u32) -> (bool, bool) {
    let v = summarise(o.raised & EXCEPTIONS | fpscr & ENABLES);
    let blocks = v & VX != 0 && fpscr & VE != 0 || v & ZX != 0 && fpscr & ZE != 0;
    (v & FEX != 0, blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: u64 = 0x3ff0 << 48;
    const INF: u64 = 0x7ff0 << 48;

    #[test]
    fn classes_of_results() {
        for (v, want) in [
            (0u64, 0b00010),
            (1 << 63, 0b10010),
            (ONE, 0b00100),
            (ONE | 1 << 63, 0b01000),
            (INF, 0b00101),
            (INF | 1 << 63, 0b01001),
            (1, 0b10100),
            (1 | 1 << 63, 0b11000),
            (0x7ff8 << 48, 0b10001),
        ] {
            assert_eq!(class(v, false) >> 12, want, "{v:#x}");
        }
    }

    #[test]
    fn reasons_are_told_apart() {
        let run = |code, a, b| compute(code, [a, b, 0], 0).raised;
        assert_eq!(run(op::SUB, INF, INF), VXISI);
        assert_eq!(run(op::DIV, INF, INF), VXIDI);
        assert_eq!(run(op::DIV, 0, 0), VXZDZ);
        assert_eq!(run(op::DIV, ONE, 0), ZX);
        assert_eq!(run(op::MUL, INF, 0), VXIMZ);
        assert_eq!(run(op::SQRT, ONE | 1 << 63, 0), VXSQRT);
        assert_eq!(run(op::ADD, 0x7ff4 << 48, 0), VXSNAN);
        assert_eq!(run(op::CTIWZ, INF, 0), VXCVI);
    }

    #[test]
    fn numbers_are_compared_as_the_soft_float_does() {
        let some = [
            0,
            1,
            ONE,
            ONE + 1,
            INF,
            (0x7ff0 << 48) - 1,
            0x7ff8 << 48,
            INF + 1,
        ];
        let some: Vec<u64> = some.into_iter().flat_map(|v| [v, v | 1 << 63]).collect();
        for &a in &some {
            for &b in &some {
                let want = match f64::compare_quiet(a, b, &mut status(0)) {
                    Ordering::Less => 8,
                    Ordering::Greater => 4,
                    Ordering::Equal => 2,
                    Ordering::Unordered => 1,
                };
                assert_eq!(compare(a, b, false, 0).0, want, "{a:#x} {b:#x}");
            }
        }
    }

    /// FR says that the result is larger than the truncated one.
    #[test]
    fn rounding_up_is_seen() {
        let mut seed = 1u64;
        let mut next = || {
            seed = seed
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            seed ^ seed >> 29
        };
        let mut ups = 0;
        for _ in 0..40_000 {
            // Close exponents, and now and then any.
            let near = |v: u64| v & !(0x7ff << 52) | (0x3f0 + (v >> 52 & 31)) << 52;
            let args = std::array::from_fn(|_| match next() {
                v if v >> 60 == 0 => v << 4,
                v => near(v),
            });
            let single = if next() >> 63 != 0 { SINGLE } else { 0 };
            let code = (1 + (next() >> 33) as u32 % 9) | single;
            let rn = (next() >> 62) as u32;
            let o = arithmetic_outcome(code, args, rn);
            let toward_zero = arithmetic(code, args, &mut status(1));
            let up = o.raised & XX != 0 && o.result << 1 > toward_zero << 1;
            assert_eq!(o.last & FR != 0, up, "{code:#x} {args:x?} {rn}");
            ups += u32::from(up);
        }
        assert!(ups > 5_000, "{ups}");
    }

    #[test]
    fn adjusted_results_are_inexact_if_their_significand_is() {
        let max = (0x7ff0 << 48) - 1;
        let run = |by: u64| compute(op::MUL, [max, by << 48, 0], OE);
        let (exact, inexact) = (run(0x4000), run(0x4008));
        assert_eq!(exact.raised & (OX | XX), OX);
        assert_eq!(inexact.raised & (OX | XX), OX | XX);
        assert_eq!(inexact.last & FI, FI);
        // 2^1025 or so less 1536 from the exponent.
        assert_eq!(exact.result, max - (1535 << 52));
    }

    #[test]
    fn last_operation_is_replayed() {
        let mut s = PpcState::new();
        s.fp_op = op::DIV;
        // 1 / 10 rounds up in the last place.
        s.fp_args = [ONE, 0x4024 << 48, 0];
        let flags = Flags::INEXACT.bits();
        assert_eq!(read(&s, flags) as u32, FX | XX | FR | FI | 0b00100 << 12);
    }

    #[test]
    fn modes_written_as_they_are_leave_the_last_operation_pending() {
        let mut s = PpcState::new();
        s.fp_op = op::DIV;
        s.fp_args = [ONE, 0x4024 << 48, 0];
        let flags = Flags::INEXACT.bits();
        let before = read(&s, flags);
        // The environment's flags are cleared by the caller.
        write_masked(&mut s, flags, 0, 0xf);
        assert_eq!(read(&s, 0), before);
        // Another rounding mode: the operation was done in the old one.
        write_masked(&mut s, 0, 1, 0xf);
        assert_eq!(read(&s, 0), before | 1);
        write_masked(&mut s, 0, 0x1000, 0xffff_ffff);
        assert_eq!(read(&s, 0), 0x1000);
    }

    #[test]
    fn enabled_exception_shows_in_fex() {
        let mut s = PpcState::new();
        write(&mut s, u64::from(ZE | ZX));
        assert_eq!(read(&s, 0) as u32, ZE | ZX | FEX);
    }
}
