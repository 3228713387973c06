//! Operands of decimal instructions: numbers in the form that the instruction takes, with a few that are none.

use super::cases::named;
use crate::guest::Piece;
use crate::rng::Rng;

/// Digits of a random number that has at most `n` of them, as nibbles.
fn digits(rng: &mut Rng, n: usize) -> u128 {
    let n = rng.below(n + 1);
    let nines = rng.one_in(8);
    (0..n).fold(0, |v, _| {
        v << 4 | if nines { 9 } else { rng.below(10) as u128 }
    })
}

fn packed(rng: &mut Rng) -> u128 {
    (digits(rng, 31) << 4) | (10 + rng.below(6) as u128)
}

/// Each digit in a byte or halfword of its own, the sign in the last one.
fn characters(rng: &mut Rng, national: bool) -> u128 {
    let (n, bits) = if national { (7, 16) } else { (16, 8) };
    let digits = digits(rng, n);
    let zone = if national || rng.one_in(2) { 3 } else { 15 };
    let spread = (0..n).fold(0, |v, i| {
        v | (zone << 4 | digits >> (4 * i) & 15) << (bits * i)
    });
    match national {
        true => spread << 16 | if rng.one_in(2) { 0x2b } else { 0x2d },
        false => spread & !0xf0 | (rng.below(16) as u128) << 4,
    }
}

/// Vector registers and what they are to hold.
pub fn operands(rng: &mut Rng, piece: &Piece) -> Vec<(u64, u128)> {
    let Some(what) = piece.row.name.strip_prefix("bcd") else {
        return Vec::new();
    };
    let (a, b) = (named(piece, "vra"), named(piece, "vrb"));
    let short = rng.below(80) as u64;
    let (first, second) = match what {
        "cfn" => (None, characters(rng, true)),
        "cfz" => (None, characters(rng, false)),
        "cfsq" => {
            let v = u128::from(rng.next()) << 64 | u128::from(rng.next());
            (None, ((v as i128) >> rng.below(128)) as u128)
        }
        "s" | "sr" | "us" => {
            let n = short.wrapping_sub(40) & 0xff;
            (Some(u128::from(rng.next() & !0xff | n) << 64), packed(rng))
        }
        "trunc" | "utrunc" => (
            Some(u128::from(rng.next() & !0xffff | short) << 64),
            packed(rng),
        ),
        _ => (Some(packed(rng)), packed(rng)),
    };
    // Unsigned numbers have no sign.
    let second = match what {
        "us" | "utrunc" => second >> 4 | digits(rng, 1) << 124,
        _ if rng.one_in(16) => second ^ 1 << rng.below(128),
        _ => second,
    };
    let first = a.zip(first);
    first.into_iter().chain(b.map(|b| (b, second))).collect()
}
