//! The time base and random numbers. [PowerISA II.6.2, I.3.3.9 darn]

use std::hash::{BuildHasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

/// The time base ticks at 512 MHz, as on the machines from POWER5 on.
pub const TIME_BASE_HZ: u64 = 512_000_000;

/// The time base now.
pub fn time_base() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let ns = now.map_or(0, |t| t.as_nanos());
    (ns * u128::from(TIME_BASE_HZ) / 1_000_000_000) as u64
}

/// A random number: `how` 0 has 32 bits, 1 (conditioned) and 2 (raw) 64; 3 is an error. `state` is 0, or that of a
/// generator whose numbers can be had again.
pub fn number(state: &mut u64, how: u64) -> u64 {
    let random = match *state {
        // The standard library's hash keys come from the system's random numbers.
        0 => RandomState::new().hash_one(time_base()),
        _ => next(state),
    };
    match how {
        0 => random >> 32,
        1 | 2 => random,
        _ => u64::MAX,
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014), whose state is never 0 here.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15).max(1);
    let z = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_repeat_with_a_seed_only() {
        let three = |mut state| [1, 1, 0].map(|how| number(&mut state, how));
        assert_eq!(three(7), three(7));
        assert_ne!(three(7), three(8));
        assert_ne!(three(0), three(0));
        assert!(three(7)[2] >> 32 == 0 && number(&mut 7, 3) == u64::MAX);
    }
}
