//! Boards as data (`ppc/*.toml`), and how a machine is made of them: devices, wires, images,
//! device tree.
#![forbid(unsafe_code)]

pub mod assemble;
pub mod board;
pub mod boot;
pub mod page;
mod tree;
