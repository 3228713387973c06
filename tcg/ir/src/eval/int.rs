//! Integers and condition codes. Reference: [`crate::Op`]; [ARMv7 A2.2.1] for AddWithCarry.

use super::lanes::{low, signed};
use super::{OpDesc, bits};
use crate::{Cond, Op};

/// Operations on I32, I64 and Cc.
pub fn eval(d: &OpDesc, [a, b, c]: [u128; 3]) -> Option<u128> {
    arithmetic(d, a, b, c)
        .or_else(|| bitwise(d, a, b))
        .or_else(|| shift(d, a, b))
        .or_else(|| extend(d, a, b))
        .or_else(|| condition(d, a, b, c))
}

fn arithmetic(d: &OpDesc, a: u128, b: u128, c: u128) -> Option<u128> {
    let n = bits(d.ty);
    let (sa, sb) = (signed(a, n), signed(b, n));
    // 32-bit operands of the widening products.
    let (wa, wb) = (signed(a, 32), signed(b, 32));
    Some(match d.op {
        Op::Const => d.imm as u128,
        Op::Add => a.wrapping_add(b),
        Op::Sub => a.wrapping_sub(b),
        Op::Adc => a.wrapping_add(b).wrapping_add(c & 1),
        Op::Sbc => a.wrapping_add(low(!b, n)).wrapping_add(c & 1),
        Op::Mul => a.wrapping_mul(b),
        Op::MulHiU => a.wrapping_mul(b) >> n.min(64),
        Op::MulHiS => (sa.wrapping_mul(sb) >> n.min(64)) as u128,
        Op::MulWideU => low(a, 32) * low(b, 32),
        Op::MulWideS => (wa * wb) as u128,
        Op::DivU => a.checked_div(b).unwrap_or(0),
        Op::DivS if sb == 0 => 0,
        Op::DivS => sa.wrapping_div(sb) as u128,
        Op::Neg => 0u128.wrapping_sub(a),
        Op::MinS => sa.min(sb) as u128,
        Op::MaxS => sa.max(sb) as u128,
        Op::MinU => a.min(b),
        Op::MaxU => a.max(b),
        _ => return None,
    })
}

fn bitwise(d: &OpDesc, a: u128, b: u128) -> Option<u128> {
    let n = bits(d.ty);
    let a = low(a, n);
    let unused = 128 - n;
    Some(match d.op {
        Op::And => a & b,
        Op::Or => a | b,
        Op::Xor => a ^ b,
        Op::AndNot => a & !b,
        Op::Not => !a,
        Op::Clz => u128::from(a.leading_zeros() - unused),
        Op::Ctz => u128::from(a.trailing_zeros().min(n)),
        Op::Popcnt => u128::from(a.count_ones()),
        Op::Bswap => a.swap_bytes() >> unused.min(127),
        Op::Bswap16 => (a & 0xff00ff00ff00ff00) >> 8 | (a & 0x00ff00ff00ff00ff) << 8,
        Op::Rbit => a.reverse_bits() >> unused.min(127),
        _ => return None,
    })
}

fn shift(d: &OpDesc, a: u128, b: u128) -> Option<u128> {
    let n = bits(d.ty).clamp(32, 64);
    let any = low(b, 32) as u32;
    let amount = any & (n - 1);
    let sa = signed(a, n);
    Some(match d.op {
        Op::Shl => a << amount,
        Op::Shr => a >> amount,
        Op::Sar => (sa >> amount) as u128,
        Op::Rotr => a >> amount | a << (n - amount),
        Op::ShlSat if any >= n => 0,
        Op::ShlSat => a << any,
        Op::ShrSat if any >= n => 0,
        Op::ShrSat => a >> any,
        Op::SarSat => (sa >> any.min(n)) as u128,
        _ => return None,
    })
}

fn extend(d: &OpDesc, a: u128, b: u128) -> Option<u128> {
    let lsb = d.imm as u32 & 0x7f;
    let len = d.imm as u32 >> 8 & 0xff;
    let field = low(u128::MAX, len) << lsb;
    Some(match d.op {
        Op::Sext8 => signed(a, 8) as u128,
        Op::Sext16 => signed(a, 16) as u128,
        Op::Zext8 => low(a, 8),
        Op::Zext16 => low(a, 16),
        Op::ExtractU => low(a >> lsb, len),
        Op::ExtractS => signed(a >> lsb, len) as u128,
        Op::Deposit => a & !field | b << lsb & field,
        Op::SextI64 => signed(a, 32) as u128,
        Op::ZextI64 | Op::Trunc => low(a, 32),
        Op::Hi32 => a >> 32,
        Op::Concat => low(a, 32) | low(b, 32) << 32,
        Op::Bitcast => a,
        _ => return None,
    })
}

fn condition(d: &OpDesc, a: u128, b: u128, c: u128) -> Option<u128> {
    let n = bits(d.arg_ty[0]);
    let not_b = low(!b, n);
    Some(match d.op {
        Op::ICmp => test(d.lane, add_flags(a, not_b, 1, n)),
        Op::CcTest => test(d.lane, a),
        Op::CcAdd => add_flags(a, b, 0, n),
        Op::CcSub => add_flags(a, not_b, 1, n),
        Op::CcAdc => add_flags(a, b, c & 1, n),
        Op::CcSbc => add_flags(a, not_b, c & 1, n),
        Op::CcLogic => nzcv(signed(a, n) < 0, a == 0, false, false),
        Op::Sel if a != 0 => b,
        Op::Sel => c,
        _ => return None,
    })
}

/// N Z C V in bits 3 to 0.
pub fn nzcv(n: bool, z: bool, c: bool, v: bool) -> u128 {
    u128::from(n) << 3 | u128::from(z) << 2 | u128::from(c) << 1 | u128::from(v)
}

/// Flags of a + b + carry in `n` bits: the sum of the unsigned and of the signed operands, taken exactly,
/// against the truncated result.
fn add_flags(a: u128, b: u128, carry: u128, n: u32) -> u128 {
    let n = n.min(64);
    let (a, b) = (low(a, n), low(b, n));
    let unsigned = a + b + carry;
    let exact = signed(a, n) + signed(b, n) + carry as i128;
    let result = low(unsigned, n);
    let as_signed = signed(result, n);
    nzcv(
        as_signed < 0,
        result == 0,
        unsigned != result,
        exact != as_signed,
    )
}

/// Condition number `cond` on flags; a number that is no condition never holds.
fn test(cond: u8, flags: u128) -> u128 {
    let bit = |k: u32| flags >> k & 1 != 0;
    let holds = Cond::from_index(cond).is_some_and(|c| c.eval(bit(3), bit(2), bit(1), bit(0)));
    u128::from(holds)
}
