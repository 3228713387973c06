//! Functions that translated code calls.

pub mod crypto2;
mod entry;
pub mod fp;
pub mod pauth;

use tcg_ir::{Effects, HelperDef, HelperFn, HelperId, Ty};

pub use pauth::VA_BITS;

/// Declares the helpers: constant, name, arguments, result, effects, function.
macro_rules! helpers {
    ($($(#[doc = $doc:literal])+ $id:ident = $name:ident($($arg:ident)*) -> $ret:ident $effects:ident;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Number { $($id),* }
        $($(#[doc = $doc])+ pub const $id: HelperId = HelperId(Number::$id as u16);)*
        /// All helpers, by number.
        pub static HELPERS: &[HelperDef] = &[
            $(HelperDef {
                name: stringify!($name),
                args: &[$(Ty::$arg),*],
                ret: Ty::$ret,
                effects: Effects::$effects,
                func: entry::$name as HelperFn,
            }),*
        ];
    };
}

helpers! {
    /// CRC-32 (polynomial 0x04c11db7): accumulator, data, bytes.
    CRC32 = crc32(I32 I64 I32) -> I32 Pure;
    /// CRC-32C (polynomial 0x1edc6f41).
    CRC32C = crc32c(I32 I64 I32) -> I32 Pure;
    /// The virtual counter.
    COUNTER = counter() -> I64 State;
    /// Signs a pointer: pointer, modifier, key number.
    PAC = pac(I64 I64 I32) -> I64 State;
    /// Authenticates a pointer.
    AUT = aut(I64 I64 I32) -> I64 State;
    /// A generic authentication code.
    PACGA = pacga(I64 I64 I32) -> I64 State;
    /// Floating-point operations on lanes; see `fp`. Vectors, descriptor.
    SOFT = soft(V128 V128 V128 I64) -> V128 Sticky;
    /// SHA1C.
    SHA1C = sha1c(V128 V128 V128) -> V128 Pure;
    /// SHA1P.
    SHA1P = sha1p(V128 V128 V128) -> V128 Pure;
    /// SHA1M.
    SHA1M = sha1m(V128 V128 V128) -> V128 Pure;
    /// SHA1H.
    SHA1H = sha1h(V128) -> V128 Pure;
    /// SHA1SU0.
    SHA1SU0 = sha1su0(V128 V128 V128) -> V128 Pure;
    /// SHA1SU1.
    SHA1SU1 = sha1su1(V128 V128) -> V128 Pure;
    /// SHA512H.
    SHA512H = sha512h(V128 V128 V128) -> V128 Pure;
    /// SHA512H2.
    SHA512H2 = sha512h2(V128 V128 V128) -> V128 Pure;
    /// SHA512SU0.
    SHA512SU0 = sha512su0(V128 V128) -> V128 Pure;
    /// SHA512SU1.
    SHA512SU1 = sha512su1(V128 V128 V128) -> V128 Pure;
    /// SM3PARTW1.
    SM3PARTW1 = sm3partw1(V128 V128 V128) -> V128 Pure;
    /// SM3PARTW2.
    SM3PARTW2 = sm3partw2(V128 V128 V128) -> V128 Pure;
    /// SM3SS1.
    SM3SS1 = sm3ss1(V128 V128 V128) -> V128 Pure;
    /// SM3TT1A.
    SM3TT1A = sm3tt1a(V128 V128 V128) -> V128 Pure;
    /// SM3TT1B.
    SM3TT1B = sm3tt1b(V128 V128 V128) -> V128 Pure;
    /// SM3TT2A.
    SM3TT2A = sm3tt2a(V128 V128 V128) -> V128 Pure;
    /// SM3TT2B.
    SM3TT2B = sm3tt2b(V128 V128 V128) -> V128 Pure;
    /// SM4E.
    SM4E = sm4e(V128 V128) -> V128 Pure;
    /// SM4EKEY.
    SM4EKEY = sm4ekey(V128 V128) -> V128 Pure;
}

/// The declaration of a helper.
pub fn def(id: HelperId) -> &'static HelperDef {
    &HELPERS[usize::from(id.0)]
}
