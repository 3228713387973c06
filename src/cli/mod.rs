//! The command line: which applet was called, what its options mean, help, links, completions.
//! No emulation happens here.

pub mod binfmt;
pub mod describe;
pub mod detect;
pub mod help;
pub mod img;
pub mod links;
pub mod log_items;
pub mod nearest;
pub mod options;
pub mod quantity;
pub mod rootfs;
pub mod system;
pub mod user;

/// What the user did wrong: one line, and the status to end with.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// Printed after `emu: `.
    pub message: String,
    /// Exit status.
    pub status: u8,
}

impl Failure {
    /// A mistake in the options: status 1, as QEMU's.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure {
            message: message.into(),
            status: 1,
        }
    }

    /// The program cannot be run: 126 or 127, as a shell's.
    pub fn program(message: impl Into<String>, status: u8) -> Failure {
        Failure {
            message: message.into(),
            status,
        }
    }
}
