//! Developer commands: `cargo xtask deps|lint`.
fn main() {}
