//! Resource limits of this process: getrlimit(2).

use super::{addr, addr_mut, call};
use crate::errno::Errno;

// As one type: the C libraries do not agree on it.
/// Address space, in bytes.
pub const RLIMIT_AS: i32 = libc::RLIMIT_AS as i32;
/// Core files, in bytes.
pub const RLIMIT_CORE: i32 = libc::RLIMIT_CORE as i32;
/// Data segment with private mappings, in bytes.
pub const RLIMIT_DATA: i32 = libc::RLIMIT_DATA as i32;
/// Size of a file that is written.
pub const RLIMIT_FSIZE: i32 = libc::RLIMIT_FSIZE as i32;
/// Descriptor numbers.
pub const RLIMIT_NOFILE: i32 = libc::RLIMIT_NOFILE as i32;
/// Stack of the first thread, in bytes.
pub const RLIMIT_STACK: i32 = libc::RLIMIT_STACK as i32;

/// Reads a resource limit of this process, and sets it: soft and hard.
pub fn limit(resource: i32, new: Option<&[u64; 2]>) -> Result<[u64; 2], Errno> {
    let mut old = [0u64; 2];
    let new = new.map_or(0, addr);
    let args = [0, resource as u64, new, addr_mut(&mut old)];
    call(libc::SYS_prlimit64, args)?;
    Ok(old)
}

/// The soft limit, if the kernel tells it.
pub fn soft_limit(resource: i32) -> Option<u64> {
    limit(resource, None).ok().map(|l| l[0])
}
