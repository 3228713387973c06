//! Which guest a program is for, by its ELF header: `emu PROGRAM`.

use super::Failure;
use crate::guests::{GUESTS, Guest, elf_machine};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;

/// Reads the head of `program` and finds its guest.
pub fn guest_of(program: &OsStr) -> Result<&'static Guest, Failure> {
    let name = program.to_string_lossy();
    let mut head = Vec::new();
    let opened = File::open(program).and_then(|f| f.take(64).read_to_end(&mut head));
    if let Err(error) = opened {
        let status = if error.kind() == std::io::ErrorKind::NotFound {
            127
        } else {
            126
        };
        return Err(Failure::program(
            format!("{name}: {}", reason(&error)),
            status,
        ));
    }
    Guest::of_elf(&head).ok_or_else(|| Failure::program(format!("{name}: {}", unknown(&head)), 126))
}

/// The error's text without Rust's `(os error N)`.
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

fn unknown(head: &[u8]) -> String {
    if head.starts_with(b"#!") {
        return "a script; run its interpreter: emu INTERPRETER SCRIPT".into();
    }
    if !head.starts_with(b"\x7fELF") {
        return "not an ELF program".into();
    }
    let Some(machine) = elf_machine(head) else {
        return "a damaged or truncated ELF header".into();
    };
    if GUESTS.iter().any(|g| g.machine == machine) {
        return "no guest of this machine has its word size and byte order".into();
    }
    format!("ELF machine {machine} is not among the guests of this build (emu help lists them)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_cannot_be_run_have_a_shells_status() {
        assert_eq!(guest_of("/nonexistent/x".as_ref()).unwrap_err().status, 127);
        let folder = guest_of("/".as_ref()).unwrap_err();
        assert_eq!(
            (folder.status, folder.message.as_str()),
            (126, "/: Is a directory")
        );
    }

    #[test]
    fn reasons() {
        assert!(unknown(b"#!/bin/sh\n").contains("script"));
        assert!(unknown(b"").contains("not an ELF"));
        assert!(unknown(b"\x7fELF\x01\x01").contains("damaged"));
        let mut other = b"\x7fELF\x02\x01\x01".to_vec();
        other.resize(18, 0);
        other.extend([62, 0]);
        assert!(unknown(&other).contains("machine 62"));
    }
}
