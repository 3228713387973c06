//! Entry points of the helpers. Vector operands are in the environment header's scratch area, where the result
//! goes, too. Part of the unsafe islands.

use super::{crypto2, fp, pauth};
use crate::state::A64State;
use tcg_crypto::{self as crypto, crc};
use tcg_target::EnvHeader;

macro_rules! vector_entries {
    ($module:ident: $($name:ident($($k:literal)*);)*) => {$(
        /// See the function of the same name in the module.
        ///
        /// # Safety
        /// `env` is a state block with its header below, as the code generator passes it.
        pub unsafe extern "C" fn $name(env: *mut u8, _: u64, _: u64, _: u64, _: u64) -> u64 {
            // SAFETY: the header lies directly below the state block and is not otherwise borrowed during the call.
            let header = unsafe { &mut *env.cast::<EnvHeader>().sub(1) };
            header.scratch[0] = $module::$name($(header.scratch[$k]),*);
            0
        }
    )*};
}

vector_entries! { crypto:
    sha1c(0 1 2);
    sha1p(0 1 2);
    sha1m(0 1 2);
    sha1h(0);
    sha1su0(0 1 2);
    sha1su1(0 1);
}

vector_entries! { crypto2:
    sha512h(0 1 2);
    sha512h2(0 1 2);
    sha512su0(0 1);
    sha512su1(0 1 2);
    sm3partw1(0 1 2);
    sm3partw2(0 1 2);
    sm3ss1(0 1 2);
    sm3tt1a(0 1 2);
    sm3tt1b(0 1 2);
    sm3tt2a(0 1 2);
    sm3tt2b(0 1 2);
    sm4e(0 1);
    sm4ekey(0 1);
}

macro_rules! integer_entries {
    ($($name:ident)*) => {$(
        /// See the function of the same name in `crc`.
        ///
        /// # Safety
        /// None needed: the environment is not looked at.
        pub unsafe extern "C" fn $name(_: *mut u8, acc: u64, data: u64, bytes: u64, _: u64) -> u64 {
            u64::from(crc::$name(acc as u32, data, bytes as u32))
        }
    )*};
}

integer_entries! { crc32 crc32c }

/// Nanoseconds since the first use.
///
/// # Safety
/// None needed: the environment is not looked at.
pub unsafe extern "C" fn counter(_: *mut u8, _: u64, _: u64, _: u64, _: u64) -> u64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let since = START.get_or_init(std::time::Instant::now).elapsed();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The key with this number.
///
/// # Safety
/// `env` is a state block of this ISA.
unsafe fn key(env: *mut u8, number: u64) -> [u64; 2] {
    // SAFETY: the state block begins at `env`, and dirty slots have been stored.
    let state = unsafe { &*env.cast::<A64State>() };
    let index = usize::try_from(number).unwrap_or(0);
    state.keys.get(index).copied().unwrap_or_default()
}

/// See `pauth::sign`.
///
/// # Safety
/// `env` is a state block of this ISA.
pub unsafe extern "C" fn pac(
    env: *mut u8,
    pointer: u64,
    modifier: u64,
    number: u64,
    _: u64,
) -> u64 {
    // SAFETY: passed on.
    pauth::sign(pointer, modifier, unsafe { key(env, number) })
}

/// See `pauth::authenticate`.
///
/// # Safety
/// `env` is a state block of this ISA.
pub unsafe extern "C" fn aut(
    env: *mut u8,
    pointer: u64,
    modifier: u64,
    number: u64,
    _: u64,
) -> u64 {
    // SAFETY: passed on.
    let k = unsafe { key(env, number) };
    pauth::authenticate(pointer, modifier, k, number & 1 != 0)
}

/// See `pauth::generic`.
///
/// # Safety
/// `env` is a state block of this ISA.
pub unsafe extern "C" fn pacga(env: *mut u8, data: u64, modifier: u64, number: u64, _: u64) -> u64 {
    // SAFETY: passed on.
    pauth::generic(data, modifier, unsafe { key(env, number) })
}

/// See `fp::run`.
///
/// # Safety
/// `env` is a state block with its header below, as the code generator passes it.
pub unsafe extern "C" fn soft(env: *mut u8, a: u64, b: u64, c: u64, d: u64) -> u64 {
    // SAFETY: the header lies directly below the state block and is not otherwise borrowed during the call.
    let header = unsafe { &mut *env.cast::<EnvHeader>().sub(1) };
    let _ = (a, b, c);
    let [x, y, z, ..] = header.scratch;
    let (r, flags) = fp::run(d, [x, y, z]);
    header.fp_flags |= flags;
    header.scratch[0] = r;
    r as u64
}
