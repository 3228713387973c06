//! The 32-bit Arm architecture: A32, T32, VFP, Advanced SIMD.

pub mod decode;
pub mod disasm;
