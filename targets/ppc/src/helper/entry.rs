//! Entry points of the helpers: from the code generator's view of a call to that of the functions beside this file.
//! Vector operands are in the environment header's scratch area, where the result goes, too. Part of the unsafe
//! islands.

use super::{bits as bit_ops, fp as fp_ops, random, vector as vectors, vsx as vsx_ops};
use crate::fpscr;
use crate::state::PpcState;
use crate::trap;
use tcg_target::EnvHeader;

/// The state block.
///
/// # Safety
/// `env` is a state block as the code generator passes it, not otherwise borrowed during the call.
unsafe fn state<'a>(env: *mut u8) -> &'a mut PpcState {
    // SAFETY: the caller's promise.
    unsafe { &mut *env.cast::<PpcState>() }
}

/// The header below it.
///
/// # Safety
/// As [`state`].
unsafe fn header<'a>(env: *mut u8) -> &'a mut EnvHeader {
    // SAFETY: the header lies directly below the state block.
    unsafe { &mut *env.cast::<EnvHeader>().sub(1) }
}

/// See [`bit_ops::divde`].
///
/// # Safety
/// None needed: the environment is not looked at.
pub unsafe extern "C" fn divde(_: *mut u8, a: u64, b: u64, how: u64, _: u64) -> u64 {
    bit_ops::divde(a, b, how)
}

/// See [`bit_ops::run`].
///
/// # Safety
/// None needed: the environment is not looked at.
pub unsafe extern "C" fn bits(_: *mut u8, a: u64, b: u64, what: u64, _: u64) -> u64 {
    bit_ops::run(what as u32, a, b)
}

/// See [`random::time_base`].
///
/// # Safety
/// None needed: the environment is not looked at.
pub unsafe extern "C" fn time_base(_: *mut u8, _: u64, _: u64, _: u64, _: u64) -> u64 {
    random::time_base()
}

/// See [`random::number`].
///
/// # Safety
/// As [`state`].
pub unsafe extern "C" fn darn(env: *mut u8, how: u64, _: u64, _: u64, _: u64) -> u64 {
    // SAFETY: as promised.
    random::number(&mut unsafe { state(env) }.random, how)
}

/// In the mask of [`fpscr_write`]: CR field 1 gets a copy, also if the move raises an exception.
pub const RECORD: u64 = 1 << 63;

/// See [`fpscr::read`].
///
/// # Safety
/// As [`state`].
pub unsafe extern "C" fn fpscr_read(env: *mut u8, sticky: u64, _: u64, _: u64, _: u64) -> u64 {
    // SAFETY: as promised.
    fpscr::read(unsafe { state(env) }, sticky as u32)
}

/// See [`fpscr::write_masked`].
///
/// # Safety
/// As [`state`].
pub unsafe extern "C" fn fpscr_write(
    env: *mut u8,
    sticky: u64,
    value: u64,
    mask: u64,
    _: u64,
) -> u64 {
    // SAFETY: as promised; the two do not overlap.
    let (s, h) = unsafe { (state(env), header(env)) };
    fpscr::write_masked(s, sticky as u32, value, mask & !RECORD);
    // A move that makes an exception and its enable both 1 is one, too. [PowerISA III.6.5.9]
    if s.fpscr as u32 & fpscr::FEX != 0 {
        if mask & RECORD != 0 {
            s.cr[1] = std::array::from_fn(|k| s.fpscr as u32 >> (31 - k) & 1);
        }
        raise(s, h);
    }
    0
}

/// See [`fp_ops::run`].
///
/// # Safety
/// As [`state`].
pub unsafe extern "C" fn fp(env: *mut u8, word: u64, a: u64, b: u64, c: u64) -> u64 {
    // SAFETY: as promised.
    fp_ops::run(unsafe { state(env) }, word as u32, [a, b, c]);
    0
}

/// The same; an enabled exception leaves the block.
///
/// # Safety
/// As [`state`].
pub unsafe extern "C" fn fp_trapping(env: *mut u8, word: u64, a: u64, b: u64, c: u64) -> u64 {
    // SAFETY: as promised; the two do not overlap.
    let (s, h) = unsafe { (state(env), header(env)) };
    if fp_ops::run(s, word as u32, [a, b, c]) {
        raise(s, h);
    }
    0
}

fn raise(s: &PpcState, h: &mut EnvHeader) {
    h.exit_kind = 1;
    h.exit_code = trap::FP_EXCEPTION;
    h.exit_info = fpscr::read(s, 0);
}

/// See [`vectors::run`].
///
/// # Safety
/// As [`header`].
pub unsafe extern "C" fn vector(env: *mut u8, _: u64, _: u64, _: u64, what: u64) -> u64 {
    // SAFETY: as promised.
    let h = unsafe { header(env) };
    let [a, b, c, _] = h.scratch;
    h.scratch[0] = vectors::run(what as u32, a, b, c);
    0
}

/// See [`vsx_ops::run`].
///
/// # Safety
/// As [`state`].
pub unsafe extern "C" fn vsx(env: *mut u8, what: u64, regs: u64, _: u64, _: u64) -> u64 {
    // SAFETY: as promised.
    vsx_ops::run(unsafe { state(env) }, what as u32, regs as u32);
    0
}

/// The same; an enabled exception leaves the block.
///
/// # Safety
/// As [`state`].
pub unsafe extern "C" fn vsx_trapping(env: *mut u8, what: u64, regs: u64, _: u64, _: u64) -> u64 {
    // SAFETY: as promised; the two do not overlap.
    let (s, h) = unsafe { (state(env), header(env)) };
    if vsx_ops::run(s, what as u32, regs as u32) {
        raise(s, h);
    }
    0
}
