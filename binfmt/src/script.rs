//! The first line of a script, as the kernel reads it. [Linux fs/binfmt_script.c]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What the kernel reads of a file before it decides.
pub const HEAD: usize = 256;

/// What is wrong with a first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum Broken {
    #[error("its first line names no interpreter")]
    Empty,
    #[error(
        "its first line ends in a carriage return, which the kernel takes for a part of the interpreter's name"
    )]
    CarriageReturn,
    #[error(
        "its first line is longer than the 255 bytes that the kernel reads, and the interpreter's name is cut off"
    )]
    TooLong,
}

/// The interpreter of a script; `None` if the file is none.
pub fn interpreter(head: &[u8]) -> Option<Result<PathBuf, Broken>> {
    let line = head.strip_prefix(b"#!")?;
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let end = line.iter().position(|b| *b == b'\n');
    let text = &line[..end.unwrap_or(line.len())];
    let start = text.iter().position(|b| !blank(b)).unwrap_or(text.len());
    let text = &text[start..];
    let len = text.iter().position(blank).unwrap_or(text.len());
    let name = &text[..len];
    Some(match name {
        [] => Err(Broken::Empty),
        [.., b'\r'] => Err(Broken::CarriageReturn),
        _ if end.is_none() && len == text.len() && head.len() >= HEAD => Err(Broken::TooLong),
        _ => Ok(PathBuf::from(OsStr::from_bytes(name))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines() {
        let ok = |s: &str| Some(Ok(PathBuf::from(s)));
        assert_eq!(interpreter(b"\x7fELF"), None);
        assert_eq!(interpreter(b"#!/bin/sh\nx"), ok("/bin/sh"));
        assert_eq!(
            interpreter(b"#! \t/usr/bin/env  python3 -x\n"),
            ok("/usr/bin/env")
        );
        assert_eq!(interpreter(b"#!/bin/sh"), ok("/bin/sh"));
        assert_eq!(
            interpreter(b"#!/bin/sh\r\nx"),
            Some(Err(Broken::CarriageReturn))
        );
        assert_eq!(interpreter(b"#!/bin/sh -e\r\nx"), ok("/bin/sh"));
        assert_eq!(interpreter(b"#! \n"), Some(Err(Broken::Empty)));
        let mut long = b"#!/".to_vec();
        long.resize(HEAD, b'x');
        assert_eq!(interpreter(&long), Some(Err(Broken::TooLong)));
        long[100] = b' ';
        assert!(interpreter(&long).unwrap().is_ok());
    }
}
