//! Steps of ciphers, hashes and checksums that instruction sets have instructions for: pure functions, no guest state.
#![forbid(unsafe_code)]

pub mod aes;
pub mod crc;
mod sha;

pub use aes::{aesd, aese, aesimc, aesmc};
pub use sha::{
    sha1c, sha1h, sha1m, sha1p, sha1su0, sha1su1, sha256h, sha256h2, sha256su0, sha256su1,
};
