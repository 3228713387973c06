//! Entry points of the helpers. Vector operands are in the environment header's scratch area, where the result
//! goes, too. Part of the unsafe islands.

use super::{crc, crypto};
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
    sha256h(0 1 2);
    sha256h2(0 1 2);
    sha256su1(0 1 2);
    aese(0 1);
    aesd(0 1);
    sha1su1(0 1);
    sha256su0(0 1);
    aesmc(0);
    aesimc(0);
    sha1h(0);
}

macro_rules! integer_entries {
    ($($name:ident)*) => {$(
        /// See the function of the same name in `crc`.
        ///
        /// # Safety
        /// None needed: the environment is not looked at.
        pub unsafe extern "C" fn $name(_: *mut u8, acc: u64, data: u64, bytes: u64, _: u64) -> u64 {
            u64::from(crc::$name(acc as u32, data as u32, bytes as u32))
        }
    )*};
}

integer_entries! { crc32 crc32c }
