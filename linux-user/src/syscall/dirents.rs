//! Directory reading: getdents and getdents64.

/// Positions in directories of guests with 32-bit offsets.
#[derive(Default)]
pub struct Cookies {}
