//! Entry points of the helpers. Those of floating point add their sticky flags to the environment header. Part of the
//! unsafe islands.

use super::{bits, float};
use tcg_target::EnvHeader;

macro_rules! integer_entries {
    ($($(#[doc = $doc:literal])+ $name:ident($x:ident, $y:ident, $width:ident) = $value:expr;)*) => {$(
        $(#[doc = $doc])+
        ///
        /// # Safety
        /// None needed: the environment is not looked at.
        pub unsafe extern "C" fn $name(_: *mut u8, $x: u64, $y: u64, $width: u64, _: u64) -> u64 {
            $value
        }
    )*};
}

integer_entries! {
    /// CLMUL.
    clmul(x, y, width) = {
        let _ = width;
        bits::clmul_full(x, y) as u64
    };
    /// CLMULH.
    clmulh(x, y, width) = (bits::clmul_full(x, y) >> (width & 64 | width & 32)) as u64;
    /// CLMULR.
    clmulr(x, y, width) = (bits::clmul_full(x, y) >> ((width & 64 | width & 32) - 1)) as u64;
    /// XPERM4.
    xperm4(x, y, width) = bits::xperm(x, y, width as u32 & 0x7f, 2);
    /// XPERM8.
    xperm8(x, y, width) = bits::xperm(x, y, width as u32 & 0x7f, 3);
    /// ZIP.
    zip(x, y, width) = {
        let _ = (y, width);
        u64::from(bits::zip(x as u32))
    };
    /// UNZIP.
    unzip(x, y, width) = {
        let _ = (y, width);
        u64::from(bits::unzip(x as u32))
    };
    /// The time counter: tenths of microseconds.
    time(x, y, width) = {
        let _ = (x, y, width);
        nanoseconds() / 100
    };
    /// Cycles and instructions: nanoseconds.
    cycles(x, y, width) = {
        let _ = (x, y, width);
        nanoseconds()
    };
}

/// Time since the epoch of the host's clock that never goes back.
fn nanoseconds() -> u64 {
    use std::sync::OnceLock;
    use std::time::{Instant, SystemTime};
    static START: OnceLock<(Instant, u64)> = OnceLock::new();
    let (start, offset) = START.get_or_init(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        (Instant::now(), since.map_or(0, |d| d.as_nanos() as u64))
    });
    offset.wrapping_add(start.elapsed().as_nanos() as u64)
}

/// A floating-point operation, see [`float::run`].
///
/// # Safety
/// `env` is a state block with its header below, as the code generator passes it.
pub unsafe extern "C" fn float(env: *mut u8, a: u64, b: u64, c: u64, what: u64) -> u64 {
    // SAFETY: the header lies directly below the state block and is not otherwise borrowed during the call.
    let header = unsafe { &mut *env.cast::<EnvHeader>().sub(1) };
    let (result, flags) = float::run([a, b, c], what as u32);
    header.fp_flags |= flags;
    result
}
