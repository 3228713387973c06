//! Vectors: moving elements, and operations on bits. Reference: [`crate::Op`]; [ARMv7 A8.8] VEXT, VREV, VTRN,
//! VUZP, VZIP, VTBL, VBSL.

use super::lanes::{Shape, low, signed};
use super::{OpDesc, bits};
use crate::Op;
use tcg_crypto::aes;

/// Structural and bitwise operations.
pub fn eval(d: &OpDesc, [a, b, c]: [u128; 3]) -> Option<u128> {
    structure(d, a, b, c)
        .or_else(|| permute(d, a, b))
        .or_else(|| bitwise(d, a, b, c))
}

fn structure(d: &OpDesc, a: u128, b: u128, c: u128) -> Option<u128> {
    let s = Shape::new(bits(d.ty), d.lane);
    let source = Shape::new(bits(d.arg_ty[0]), d.lane);
    let half = bits(d.arg_ty[0]) / 2;
    let k = d.imm as u32;
    Some(match d.op {
        Op::VConcat => a | b << bits(d.arg_ty[0]).min(64),
        Op::VHigh => a >> half,
        Op::VDup => s.build(|_| a),
        Op::VDupLane => s.build(|_| source.get(a, k)),
        Op::VGet if d.aux == 1 => signed(source.get(a, k), source.esize) as u128,
        Op::VGet => source.get(a, k),
        Op::VSet => s.build(|i| if i == k { b } else { s.get(a, i) }),
        Op::VExt => ext(d, a, b),
        Op::VTbl => tbl(d, a, b, c),
        _ => return None,
    })
}

/// Bytes `imm` upward of b:a.
fn ext(d: &OpDesc, a: u128, b: u128) -> u128 {
    let bytes = Shape::new(bits(d.ty), 0);
    let n = bytes.count();
    let first = d.imm as u32 & 0x1f;
    bytes.build(|i| {
        let from = first + i;
        if from < n {
            bytes.get(a, from)
        } else {
            bytes.get(b, from - n)
        }
    })
}

/// Table lookup in the 16 bytes of a.
fn tbl(d: &OpDesc, a: u128, b: u128, c: u128) -> u128 {
    let bytes = Shape::new(bits(d.ty), 0);
    let table = Shape::new(128, 0);
    bytes.build(|i| {
        let index = bytes.get(b, i) as u32;
        if index < 16 {
            table.get(a, index)
        } else {
            bytes.get(c, i)
        }
    })
}

fn permute(d: &OpDesc, a: u128, b: u128) -> Option<u128> {
    let s = Shape::new(bits(d.ty), d.lane);
    let n = s.count();
    let pick = |even: bool, first: u32, second: u32| {
        if even {
            s.get(a, first)
        } else {
            s.get(b, second)
        }
    };
    Some(match d.op {
        Op::VZipLo => s.build(|i| pick(i % 2 == 0, i / 2, i / 2)),
        Op::VZipHi => s.build(|i| pick(i % 2 == 0, n / 2 + i / 2, n / 2 + i / 2)),
        Op::VUzpEven => s.build(|i| pick(2 * i < n, 2 * i, (2 * i).wrapping_sub(n))),
        Op::VUzpOdd => s.build(|i| pick(2 * i < n, 2 * i + 1, (2 * i + 1).wrapping_sub(n))),
        Op::VTrnEven => s.build(|i| pick(i % 2 == 0, i, i & !1)),
        Op::VTrnOdd => s.build(|i| pick(i % 2 == 0, i + 1, i)),
        Op::VRev => {
            let group = (8u32 << (d.imm & 7).min(4)) / s.esize;
            // The last element of i's group, counted down.
            s.build(|i| s.get(a, i ^ group.saturating_sub(1)))
        }
        _ => return None,
    })
}

fn bitwise(d: &OpDesc, a: u128, b: u128, c: u128) -> Option<u128> {
    let s = Shape::new(bits(d.ty), d.lane);
    let unused = 128 - s.esize;
    Some(match d.op {
        Op::VAnd => a & b,
        Op::VOr => a | b,
        Op::VXor => a ^ b,
        Op::VAndNot => a & !b,
        Op::VNot => !a,
        Op::VBsl => b & a | c & !a,
        Op::VCnt => Shape::new(bits(d.ty), 0).map(a, |x| u128::from(x.count_ones())),
        Op::VClz => s.map(a, |x| u128::from(x.leading_zeros() - unused)),
        Op::VCls => s.map(a, |x| {
            // Equal neighbours are zeros of x ^ (x >> 1), the sign of which is always zero.
            let x = signed(x, s.esize);
            let changes = low((x ^ (x >> 1)) as u128, s.esize);
            u128::from(changes.leading_zeros() - unused - 1)
        }),
        Op::VAesSub => aes::aese(a, 0),
        Op::VAesSubInv => aes::aesd(a, 0),
        Op::VAesMix => aes::aesmc(a),
        Op::VAesMixInv => aes::aesimc(a),
        Op::VSha256 if d.imm == 0 => tcg_crypto::sha256h(a, b, c),
        Op::VSha256 => tcg_crypto::sha256h2(b, a, c),
        Op::VSha256Low => tcg_crypto::sha256su0(a, b),
        Op::VSha256High => tcg_crypto::sha256su1(a, b, c),
        _ => return None,
    })
}
