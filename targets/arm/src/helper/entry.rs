//! Entry points of the helpers. Vector operands are in the environment header's scratch area, where the result
//! goes, too. Part of the unsafe islands.

use super::lanes as soft;
use super::short_vector as vectors;
use super::simd as late;
use crate::state::{ArmState, Mode};
use std::sync::OnceLock;
use std::time::Instant;
use tcg_crypto::{self as crypto, crc};
use tcg_softfloat::FloatStatus;
use tcg_target::EnvHeader;

macro_rules! entries {
    ($($name:ident($($k:literal)*);)*) => {$(
        /// See the function of the same name in `crypto`.
        ///
        /// # Safety
        /// `env` is a state block with its header below, as the code generator passes it.
        pub unsafe extern "C" fn $name(env: *mut u8, _: u64, _: u64, _: u64, _: u64) -> u64 {
            // SAFETY: the header lies directly below the state block and is not otherwise borrowed during the call.
            let header = unsafe { &mut *env.cast::<EnvHeader>().sub(1) };
            header.scratch[0] = crypto::$name($(header.scratch[$k]),*);
            0
        }
    )*};
}

entries! {
    sha1c(0 1 2);
    sha1p(0 1 2);
    sha1m(0 1 2);
    sha1su0(0 1 2);
    sha1su1(0 1);
    sha1h(0);
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

/// See [`late::run`].
///
/// # Safety
/// `env` is a state block with its header below, as the code generator passes it, and nothing else borrows them.
pub unsafe extern "C" fn simd(env: *mut u8, op: u64, regs: u64, rest: u64, _: u64) -> u64 {
    // SAFETY: the state block is an `ArmState`, the header lies directly below it; neither is borrowed otherwise.
    let (state, header) = unsafe {
        (
            &mut *env.cast::<ArmState>(),
            &mut *env.cast::<EnvHeader>().sub(1),
        )
    };
    header.fp_flags |= late::run(op as u32, regs as u32, rest as u32, state).bits();
    0
}

/// See [`soft::run`].
///
/// # Safety
/// `env` is a state block with its header below, as the code generator passes it.
pub unsafe extern "C" fn lanes(env: *mut u8, _: u64, _: u64, _: u64, desc: u64) -> u64 {
    // SAFETY: the header lies directly below the state block and is not otherwise borrowed during the call.
    let header = unsafe { &mut *env.cast::<EnvHeader>().sub(1) };
    let [x, y, z, ..] = header.scratch;
    let (r, flags) = soft::run(desc, [x, y, z]);
    header.fp_flags |= flags;
    header.scratch[0] = r;
    r as u64
}

/// See [`vectors::run`].
///
/// # Safety
/// As [`simd`].
pub unsafe extern "C" fn short_vector(env: *mut u8, insn: u64, _: u64, _: u64, _: u64) -> u64 {
    // SAFETY: the state block is an `ArmState`, the header lies directly below it; neither is borrowed otherwise.
    let (state, header) = unsafe {
        (
            &mut *env.cast::<ArmState>(),
            &mut *env.cast::<EnvHeader>().sub(1),
        )
    };
    header.fp_flags |= vectors::run(insn as u32, state).bits();
    0
}

/// Adds to the sticky flags.
///
/// # Safety
/// As [`simd`].
unsafe fn raise(env: *mut u8, st: &FloatStatus) {
    // SAFETY: the header lies directly below the state block and is not otherwise borrowed during the call.
    let header = unsafe { &mut *env.cast::<EnvHeader>().sub(1) };
    header.fp_flags |= st.flags.bits();
}

/// VJCVT: the number, and in bit 32 whether it is exact. [ARMv8 FPToFixedJS]
///
/// # Safety
/// As [`simd`].
pub unsafe extern "C" fn jcvt(env: *mut u8, x: u64, flush: u64, _: u64, _: u64) -> u64 {
    let mut st = Mode(0).with_fpscr((flush as u32 & 1) << 24).status();
    let (number, exact) = tcg_softfloat::arm::fjcvtzs(x, &mut st);
    // SAFETY: as this function's.
    unsafe { raise(env, &st) };
    u64::from(number) | u64::from(exact) << 32
}

/// VCVTB and VCVTT to bfloat16.
///
/// # Safety
/// As [`simd`].
pub unsafe extern "C" fn to_bf16(env: *mut u8, x: u64, control: u64, _: u64, _: u64) -> u64 {
    let mut st = Mode(0).with_fpscr(control as u32).status();
    let half = late::to_bf16(x as u32, &mut st);
    // SAFETY: as this function's.
    unsafe { raise(env, &st) };
    u64::from(half)
}

/// CNTVCT: nanoseconds since it was first asked for.
///
/// # Safety
/// None needed: the environment is not looked at.
pub unsafe extern "C" fn counter(_: *mut u8, _: u64, _: u64, _: u64, _: u64) -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}
