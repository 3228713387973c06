//! System calls of 64-bit architectures that use the generic table (include/uapi/asm-generic/unistd.h). A port with
//! calls of its own adds them: `CALLS.with("259\tNAME\tHANDLER\n", FAMILIES)`.

use crate::syscall::FAMILIES;
use crate::syscall::table::CallTable;

/// The generic table as it is.
pub static CALLS: CallTable = table();

/// The generic table, for a port that adds to it.
pub const fn table() -> CallTable {
    CallTable::parse(include_str!("syscall.tbl"), FAMILIES)
}
