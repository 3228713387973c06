//! The `emu` executable: applet dispatch and command line.
fn main() {}
