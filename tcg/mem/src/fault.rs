//! Why a guest memory access failed.

use crate::GuestVa;

/// What the access wanted to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A data read.
    Read,
    /// A data write.
    Write,
    /// An instruction fetch.
    Exec,
}

/// Why it could not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Nothing is mapped there (SEGV_MAPERR).
    Unmapped,
    /// The mapping forbids the access (SEGV_ACCERR).
    Protection,
    /// The mapping has no memory behind it, such as past the end of a file (SIGBUS, BUS_ADRERR).
    Bus,
    /// The address is not aligned as the instruction demands (SIGBUS, BUS_ADRALN).
    Alignment,
}

/// A failed guest memory access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemFault {
    /// The first address that could not be accessed.
    pub va: GuestVa,
    /// What the access wanted to do.
    pub access: Access,
    /// Why it could not.
    pub kind: FaultKind,
}
