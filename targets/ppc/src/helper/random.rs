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

/// A random number: `how` 0 has 32 bits, 1 (conditioned) and 2 (raw) 64; 3 is an error.
pub fn number(how: u64) -> u64 {
    // The standard library's hash keys come from the system's random numbers.
    let random = RandomState::new().hash_one(time_base());
    match how {
        0 => random >> 32,
        1 | 2 => random,
        _ => u64::MAX,
    }
}
