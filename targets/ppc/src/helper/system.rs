//! Entry points of the helpers of system mode. Part of the unsafe islands.

use tcg_target::{CpuHost, EnvHeader};

use crate::system::op::{self as ops, Op};
use crate::system::spr;
use crate::system::state::SystemState;

/// The state and the machine. Nothing without a machine, which the engine of system mode always sets.
///
/// # Safety
/// `env` is a state block of system mode as the code generator passes it, with its header below, neither borrowed during the call.
unsafe fn cpu<'a>(env: *mut u8) -> Option<(&'a mut SystemState, &'a dyn CpuHost)> {
    // SAFETY: the header lies directly below the state block.
    let header = unsafe { &*env.cast::<EnvHeader>().sub(1) };
    // SAFETY: the caller's promise; the two do not overlap.
    Some((unsafe { &mut *env.cast::<SystemState>() }, header.host()?))
}

/// See [`ops::run`].
///
/// # Safety
/// As [`cpu`].
pub unsafe extern "C" fn op(env: *mut u8, op: u64, insn: u64, _: u64, _: u64) -> u64 {
    // SAFETY: as promised.
    if let (Some((s, host)), Some(op)) = (unsafe { cpu(env) }, Op::from_number(op as u32)) {
        ops::run(s, host, op, insn as u32);
    }
    0
}

/// See [`ops::set_msr`].
///
/// # Safety
/// As [`cpu`].
pub unsafe extern "C" fn set_msr(env: *mut u8, v: u64, _: u64, _: u64, _: u64) -> u64 {
    // SAFETY: as promised.
    if let Some((s, host)) = unsafe { cpu(env) } {
        ops::set_msr(s, host, v as u32);
    }
    0
}

/// See [`ops::return_from`].
///
/// # Safety
/// As [`cpu`].
pub unsafe extern "C" fn return_from(env: *mut u8, which: u64, _: u64, _: u64, _: u64) -> u64 {
    // SAFETY: as promised.
    match unsafe { cpu(env) } {
        Some((s, host)) => u64::from(ops::return_from(s, host, which as u32)),
        None => 0,
    }
}

/// See [`spr::read`].
///
/// # Safety
/// As [`cpu`].
pub unsafe extern "C" fn spr_read(env: *mut u8, n: u64, _: u64, _: u64, _: u64) -> u64 {
    // SAFETY: as promised.
    match unsafe { cpu(env) } {
        Some((s, host)) => u64::from(spr::read(s, host, n as u32)),
        None => 0,
    }
}

/// See [`spr::write`].
///
/// # Safety
/// As [`cpu`].
pub unsafe extern "C" fn spr_write(env: *mut u8, n: u64, v: u64, _: u64, _: u64) -> u64 {
    // SAFETY: as promised.
    if let Some((s, host)) = unsafe { cpu(env) } {
        spr::write(s, host, n as u32, v as u32);
    }
    0
}
