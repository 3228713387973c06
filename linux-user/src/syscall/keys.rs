//! keyctl: operations on keys, by the form of their arguments. [man7 keyctl]

use super::SysResult;
use super::args::Hex;
use crate::errno::Errno;
use crate::rows;
use crate::sys::call;
use crate::task::Task;
use std::ffi::CString;
use tcg_mem::GuestVa;

rows! { KEYS:
    keyctl(operation: u32, a2: Hex, a3: Hex, a4: Hex, a5: Hex) = Partial;
}

/// What an argument is.
#[derive(Clone, Copy)]
enum Form {
    /// A number.
    Number,
    /// A string, or NULL.
    Text,
    /// Bytes that the kernel reads; the next argument is their count.
    In,
    /// Bytes that the kernel writes; the next argument is their room.
    Out,
}
use Form::{In, Number, Out, Text};

/// Operations and their arguments; what is missing is a number. Those with structures are not here.
const OPERATIONS: &[(u32, &[Form])] = &[
    (0, &[]),                    // GET_KEYRING_ID
    (1, &[Text]),                // JOIN_SESSION_KEYRING
    (2, &[Number, In]),          // UPDATE
    (3, &[]),                    // REVOKE
    (4, &[]),                    // CHOWN
    (5, &[]),                    // SETPERM
    (6, &[Number, Out]),         // DESCRIBE
    (7, &[]),                    // CLEAR
    (8, &[]),                    // LINK
    (9, &[]),                    // UNLINK
    (10, &[Number, Text, Text]), // SEARCH
    (11, &[Number, Out]),        // READ
    (12, &[Number, In]),         // INSTANTIATE
    (13, &[]),                   // NEGATE
    (14, &[]),                   // SET_REQKEY_KEYRING
    (15, &[]),                   // SET_TIMEOUT
    (16, &[]),                   // ASSUME_AUTHORITY
    (17, &[Number, Out]),        // GET_SECURITY
    (18, &[]),                   // SESSION_TO_PARENT
    (19, &[]),                   // REJECT
    (21, &[]),                   // INVALIDATE
    (22, &[]),                   // GET_PERSISTENT
    (29, &[Number, Text, Text]), // RESTRICT_KEYRING
    (30, &[]),                   // MOVE
    (31, &[Out]),                // CAPABILITIES
];

fn keyctl(t: &mut Task, operation: u32, a2: Hex, a3: Hex, a4: Hex, a5: Hex) -> SysResult {
    let Some((_, forms)) = OPERATIONS.iter().find(|(op, _)| *op == operation) else {
        // UNIMPL: Diffie-Hellman, public keys, instantiation by vectors, watches.
        super::strace::unimp(t, &format!("keyctl operation {operation}"));
        return Err(Errno::EOPNOTSUPP);
    };
    let given = [a2.0, a3.0, a4.0, a5.0];
    let mut texts: Vec<CString> = Vec::new();
    let mut host = given;
    for (i, form) in forms.iter().enumerate() {
        let (Some(to), Some(&va)) = (host.get_mut(i), given.get(i)) else {
            break;
        };
        let count = given.get(i + 1).copied().unwrap_or(0);
        *to = match form {
            Number => va,
            Text if va == 0 => 0,
            Text => {
                let text = t.read_path(GuestVa(va))?;
                let at = text.as_ptr() as u64;
                texts.push(text);
                at
            }
            In => t.host_in_opt(GuestVa(va), count)?,
            Out => t.host_out_opt(GuestVa(va), count)?,
        };
    }
    let [b, c, d, e] = host;
    call(libc::SYS_keyctl, [operation.into(), b, c, d, e])
}
